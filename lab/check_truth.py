#!/usr/bin/env python3
"""Compares what `automend audit --format json` printed with the truth.json of the same directory.

  check_truth.py TRUTH.json [AUDIT.json]     without a second file, standard input is read

Every stale link has to be found, once, and nothing else; the counts of owners, links and delegates
have to be right. Other findings than stale links are not looked at. Ends with 0 when all agree, with
1 when something does not, and says what.
"""
import collections
import json
import sys

from ldif import dn_key

SHOWN = 10


def read(path, what, members):
    """A JSON document that has these members; ends with 2 and a sentence where it is none."""
    try:
        if path == "-":
            document = json.load(sys.stdin)
        else:
            with open(path, encoding="utf-8") as file:
                document = json.load(file)
    except (OSError, ValueError) as error:
        print("%s: cannot be read: %s" % (path, error), file=sys.stderr)
        sys.exit(2)
    if not isinstance(document, dict) or not all(member in document for member in members):
        print("%s is not %s; the truth comes first, the report second" % (path, what), file=sys.stderr)
        sys.exit(2)
    return document


def main():
    if any(argument in ("-h", "--help") for argument in sys.argv[1:]):
        print(__doc__.strip())
        return
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    truth = read(sys.argv[1], "a truth.json", ("counts", "staleLinks"))
    audit = read(sys.argv[2] if len(sys.argv) == 3 else "-", "a report of automend audit --format json", ("counts", "findings"))

    wrong = []
    for name in ("owners", "links", "delegates"):
        if audit["counts"].get(name) != truth["counts"][name]:
            wrong.append("%s: %s instead of %d" % (name, audit["counts"].get(name), truth["counts"][name]))

    expected = {(dn_key(link["owner"]), dn_key(link["delegate"])): link for link in truth["staleLinks"]}
    if len(expected) != truth["counts"]["staleLinks"]:
        sys.exit("%s contradicts itself" % sys.argv[1])
    found = collections.Counter(
        (dn_key(finding["owner"]["dn"]), dn_key(delegate["dn"]))
        for finding in audit["findings"] if finding["kind"] == "stale-link" for delegate in finding["delegates"])

    def show(what, links):
        if links:
            wrong.append("%d stale links %s" % (len(links), what))
            wrong.extend("  %s" % (link,) for link in links[:SHOWN])
            if len(links) > SHOWN:
                wrong.append("  and %d more" % (len(links) - SHOWN))

    def named(key):
        return " -> ".join(",".join("%s=%s" % part for part in dn) for dn in key)

    show("were not found", ["%(kind)s: %(owner)s -> %(delegate)s" % link for key, link in expected.items() if key not in found])
    show("were found that are not stale", [named(key) for key in found if key not in expected])
    show("were found more than once", [named(key) for key, times in found.items() if times > 1])
    if wrong:
        print("\n".join(wrong))
        sys.exit(1)
    print("agrees: %d stale links of %d owners, out of %d links of %d owners to %d delegates" % (
        len(expected), truth["counts"]["staleOwners"], truth["counts"]["links"], truth["counts"]["owners"], truth["counts"]["delegates"]))


if __name__ == "__main__":
    main()
