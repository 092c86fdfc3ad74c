#!/usr/bin/env python3
"""A second opinion: audits LDIF in the plainest way, and prints findings in automend's JSON.

  ldapsearch ... '(objectClass=user)' | oracle.py | check_truth.py truth.json
  oracle.py all.ldif | check_truth.py truth.json

It proves the laboratory itself, as it shares no line with automend: that a server holds what seed.py
meant, and that its back links mirror its links, where the LDIF has both. It holds all links in memory
and knows no disease but the stale link.
"""
import json
import sys

from ldif import dn_key, records

REMOTE = {b"2147483648", b"8589934592", b"17179869184", b"34359738368", b"274877906944"}


def is_mailbox(entry):
    if "legacyexchangedn" not in entry or "msexchmailboxguid" not in entry:
        return False
    if entry.get("msexchrecipienttypedetails", [b""])[0] in REMOTE:
        return True
    return "homemdb" in entry or "msexchhomeservername" in entry


def main():
    if len(sys.argv) > 2:
        sys.exit(__doc__)
    file = open(sys.argv[1], "rb") if len(sys.argv) == 2 else sys.stdin.buffer
    links, back_links, delegates, owners, findings = set(), set(), set(), 0, []
    for entry in records(file):
        me = dn_key(entry["dn"][0]) if "dn" in entry else None
        targets = entry.get("msexchdelegatelistlink", [])
        back_links.update((dn_key(owner), me) for owner in entry.get("msexchdelegatelistbl", []))
        if not targets:
            continue
        owners += 1
        keys = [dn_key(target) for target in targets]
        links.update((me, key) for key in keys)
        delegates.update(keys)
        if not is_mailbox(entry):
            findings.append({"code": "AM101", "severity": "error", "kind": "stale-link", "owner": {"dn": entry["dn"][0].decode()},
                             "delegates": [{"dn": target.decode()} for target in targets], "evidence": {}, "mend": None})
    if back_links and back_links != links:
        sys.exit("%d links lack their back link, %d back links lack their link" % (len(links - back_links), len(back_links - links)))
    json.dump({"version": 1, "directory": "LDIF", "counts": {"owners": owners, "links": len(links), "delegates": len(delegates)},
               "findings": findings, "defects": []}, sys.stdout)


if __name__ == "__main__":
    main()
