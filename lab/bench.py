#!/usr/bin/env python3
"""Measures automend against the plain tools that do the same, side by side, and prints ratios.

  bench.py [--users N] [--rounds N] [--automend BINARY] [--against-ldap | --against-files | --serve]

N is 100,000 unless BENCH_USERS or --users says otherwise. Each line of the table compares two programs
that take turns, so that what else the machine does meets both; the ratio is the median of the rounds'
ratios. Memory is the largest resident set of the process (VmHWM), as the kernel reports it at the end.

  audit / ldapsearch   the same searches with the same attributes and pages, from the same slapd;
                       ldapsearch prints LDIF to /dev/null
  audit / known way    one look-up for each back link of each delegate, by ldapsearch over one
                       connection; a sample is looked up and the time is scaled to all back links
  audit / wc -l        of an LDIF file that the page cache holds
  N / N/10             how time and memory grow with the directory
  serve / axum         requests a second and time to the answer, under the same load (bench_serve.py)
  trace / wc -l, json  of a recording (HAR) of BENCH_HAR_MB megabytes that the page cache holds, against
                       counting its lines, Python's json and, where it is installed, jq
  test / curl          one user, and a thousand with one login, at a service on this machine (bench_test.py)

The known way is measured in its favour: its first search, for the delegates, is timed whole, and the
look-ups cost no more than their round trip.
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

import bench_serve
import bench_test
import bench_trace
from ldif import records

LAB = os.path.dirname(os.path.abspath(__file__))
SAMPLE = 20000
PAGE = 1000


def say(text):
    print("[bench] " + text, file=sys.stderr, flush=True)


class Run:
    """One finished process: seconds of wall time, megabytes at most."""

    def __init__(self, argv, stdin=os.devnull, accept=(0,)):
        with open(stdin, "rb") as source, open(os.devnull, "wb") as sink, tempfile.TemporaryFile() as errors:
            began = time.perf_counter()
            pid = os.posix_spawnp(argv[0], argv, os.environ, file_actions=[
                (os.POSIX_SPAWN_DUP2, source.fileno(), 0), (os.POSIX_SPAWN_DUP2, sink.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, errors.fileno(), 2)])
            _, status, usage = os.wait4(pid, 0)
            self.seconds = time.perf_counter() - began
            # Until a new process runs its program it counts as large as the one it came from, so
            # nothing below this script's own size can be seen.
            self.megabytes = usage.ru_maxrss / 1024
            code = os.waitstatus_to_exitcode(status)
            if code not in accept:
                errors.seek(0)
                sys.exit("%s ended with %d:\n%s" % (" ".join(argv), code, errors.read().decode(errors="replace")))


class Sum:
    """Several processes one after the other, taken as one."""

    def __init__(self, runs):
        self.seconds = sum(run.seconds for run in runs)
        self.megabytes = max(run.megabytes for run in runs)


class Pairs:
    """Two measurements that took turns."""

    def __init__(self, rounds, first, second):
        # The first turn of each warms caches, and is thrown away.
        first(), second()
        self.pairs = []
        for number in range(rounds):
            # Who goes first changes, too.
            if number % 2:
                other, one = second(), first()
            else:
                one, other = first(), second()
            self.pairs.append((one, other))

    def median(self, side, what):
        return statistics.median(getattr(pair[side], what) for pair in self.pairs)

    def ratio(self, what):
        return statistics.median(getattr(one, what) / getattr(other, what) for one, other in self.pairs)


class Table:
    def __init__(self):
        self.rows = [("left : right", "users", "seconds", "ratio", "to reach", "MB", "ratio")]

    def add(self, what, users, pairs, goal):
        def both(what, digits):
            return "%.*f : %.*f" % (digits, pairs.median(0, what), digits, pairs.median(1, what))
        self.rows.append((what, format(users, ","), both("seconds", 3), "%.3g" % pairs.ratio("seconds"), goal,
                          both("megabytes", 0), "%.2f" % pairs.ratio("megabytes")))

    def show(self):
        self.print(self.rows)

    @staticmethod
    def print(rows):
        widths = [max(map(len, column)) for column in zip(*rows)]
        for row in rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


class Directory:
    """A directory of a size, as a file, and in a slapd of its own when one is wanted."""

    def __init__(self, root, users):
        self.users = users
        self.path = os.path.join(root, "seed-%d" % users)
        self.ldif = os.path.join(self.path, "all.ldif")
        if not os.path.exists(os.path.join(self.path, "truth.json")):
            say("writing a directory of %s users" % format(users, ","))
            hot = min(5000, users // 20)
            subprocess.run([os.path.join(LAB, "seed.py"), "--flavor", "slapd", "--users", str(users), "--delegations", str(users),
                            "--stale", str(users // 50), "--seed", "42", "--hot", str(hot), "--wide", str(hot),
                            "--users-per-db", "2000", "--out", self.path], check=True)

    def serve(self):
        environment = dict(os.environ, LAB_SLAPD_NAME="slapd-bench%d" % self.users)
        output = subprocess.run([os.path.join(LAB, "slapd-up.sh"), self.ldif], env=environment, check=True, text=True, capture_output=True)
        sys.stderr.write(output.stderr)
        self.lab = dict(line.split("=", 1) for line in output.stdout.splitlines())

    def bind(self):
        return ["-x", "-H", self.lab["LAB_URL"], "-D", self.lab["LAB_TOOL"], "-y", self.lab["LAB_TOOL_PASSWORD_FILE"]]

    def audit_options(self):
        return ["--directory", self.lab["LAB_URL"], "--user", self.lab["LAB_TOOL"], "--password-file",
                self.lab["LAB_TOOL_PASSWORD_FILE"], "--allow-plaintext"]


def audit(binary, options):
    # 1 says that something was found.
    return Run([binary, "audit", *options, "--format", "json"], accept=(0, 1))


def must_agree(binary, options, directory):
    """A fast audit that is wrong is worth nothing, so the first one is checked."""
    with subprocess.Popen([binary, "audit", *options, "--format", "json"], stdout=subprocess.PIPE) as process:
        check = subprocess.run([os.path.join(LAB, "check_truth.py"), os.path.join(directory.path, "truth.json")],
                               stdin=process.stdout, stdout=sys.stderr, check=False)
    if check.returncode:
        sys.exit("the audit and truth.json disagree, so nothing is measured")


def searches_of(binary, options):
    """What the audit is going to search: base, scope, filter and attributes of each search."""
    output = subprocess.run([binary, "audit", *options, "--print-search"], check=True, text=True, capture_output=True).stdout
    searches = []
    for line in output.splitlines():
        base, scope, search_filter, attributes = line.split("\t")
        searches.append((base, scope, search_filter, attributes.split()))
    if not searches:
        sys.exit("`automend audit --print-search` names no search")
    return searches


def ldapsearch(directory, base, scope, search_filter, attributes):
    return ["ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-E", "pr=%d/noprompt" % PAGE, *directory.bind(),
            "-b", base, "-s", scope, search_filter, *attributes]


def against_ldapsearch(table, binary, directory, rounds):
    searches = searches_of(binary, directory.audit_options())
    pairs = Pairs(rounds, lambda: audit(binary, directory.audit_options()),
                  lambda: Sum([Run(ldapsearch(directory, *search)) for search in searches]))
    table.add("audit over LDAP : ldapsearch", directory.users, pairs, "<= 1.05")


def against_known_way(table, binary, directory, rounds, scratch):
    base = directory.lab["LAB_BASE"]
    listing = ldapsearch(directory, base, "sub", "(msExchDelegateListBL=*)", ["msExchDelegateListBL"])
    sample, total = os.path.join(scratch, "back-links"), 0
    with subprocess.Popen(listing, stdout=subprocess.PIPE) as process, open(sample, "w", encoding="ascii") as file:
        for delegate in records(process.stdout):
            for owner in delegate.get("msexchdelegatelistbl", ()):
                total += 1
                if total <= SAMPLE:
                    # The whole value escaped as in a filter, so that any DN is safe.
                    file.write("".join("\\%02x" % byte if byte in b"()*\\" or byte > 126 else chr(byte) for byte in owner) + "\n")
    if process.returncode:
        sys.exit("listing the delegates failed")
    looked_up = min(SAMPLE, total)
    lookups = ["ldapsearch", "-LLL", *directory.bind(), "-b", base, "-s", "sub", "-f", sample, "(entryDN=%s)",
               "legacyExchangeDN", "homeMDB", "msExchHomeServerName", "msExchMailboxGuid", "msExchRecipientTypeDetails"]

    class KnownWay:
        def __init__(self):
            first, rest = Run(listing), Run(lookups)
            self.seconds = first.seconds + rest.seconds * total / looked_up
            self.megabytes = max(first.megabytes, rest.megabytes)

    pairs = Pairs(rounds, KnownWay, lambda: audit(binary, directory.audit_options()))
    table.add("known way (scaled from %d of %d look-ups) : audit" % (looked_up, total), directory.users, pairs, ">= 50")


def against_wc(table, binary, directory, rounds):
    options = ["--directory", directory.ldif]
    pairs = Pairs(rounds, lambda: audit(binary, options), lambda: Run(["wc", "-l", directory.ldif]))
    table.add("audit of LDIF, %.0f MB : wc -l" % (os.path.getsize(directory.ldif) / 1e6), directory.users, pairs, "<= 3")


def growth(table, binary, what, small, large, options, rounds):
    pairs = Pairs(rounds, lambda: audit(binary, options(large)), lambda: audit(binary, options(small)))
    factor = large.users / small.users
    table.add("%s, %d times the users" % (what, factor), large.users, pairs, "<= %.3g" % factor)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=int(os.environ.get("BENCH_USERS", "100000")))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--automend", help="a binary, instead of the one built here")
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--against-ldap", action="store_true", help="only what needs slapd")
    part.add_argument("--against-files", action="store_true", help="only what needs no server")
    part.add_argument("--serve", action="store_true", help="only the service")
    parser.add_argument("--baseline", help="the example `baseline`, instead of the one built here")
    parser.add_argument("--seconds", type=int, default=5, help="of each load on the service")
    args = parser.parse_args()
    if args.rounds < 5 or args.users < 1000:
        parser.error("a median needs 5 rounds or more, and N/10 needs 1000 users or more")

    os.environ.setdefault("LAB_ROOT", os.path.join(os.environ.get("TMPDIR") or "/var/tmp", "automend-lab", "bench"))
    root = os.path.abspath(os.environ["LAB_ROOT"])
    os.makedirs(root, exist_ok=True)
    binary = args.automend and os.path.abspath(args.automend)
    project = os.path.dirname(LAB)
    built = os.path.join(os.environ.get("CARGO_TARGET_DIR") or os.path.join(project, "target"), "release")
    if not binary:
        subprocess.run(["cargo", "build", "--release", "--locked", "--package", "automend"], cwd=project, check=True)
        binary = os.path.join(built, "automend")
    everything = not (args.against_ldap or args.against_files or args.serve)
    if everything or args.serve:
        subprocess.run([os.path.join(LAB, "packages.sh"), "bench"], check=True)
        baseline = args.baseline and os.path.abspath(args.baseline)
        if not baseline:
            subprocess.run(["cargo", "build", "--release", "--locked", "--package", "automend", "--example", "baseline"], cwd=project, check=True)
            baseline = os.path.join(built, "examples", "baseline")
        table, notes = bench_serve.rows(root, binary, baseline, args.users, args.rounds, args.seconds, say)
        Table.print(table)
        print("\n".join(notes))
    if args.serve:
        return
    table = Table()
    small, large = Directory(root, args.users // 10), Directory(root, args.users)
    try:
        if not args.against_ldap:
            say("files")
            must_agree(binary, ["--directory", large.ldif], large)
            against_wc(table, binary, large, args.rounds)
            growth(table, binary, "audit of LDIF", small, large, lambda directory: ["--directory", directory.ldif], args.rounds)
            bench_trace.measure(table, binary, root, args.rounds, Run, Pairs)
            say("test")
            bench_test.measure(table, binary, bench_serve.Folder(root, binary, 10000, say), args.rounds, Run, Pairs)
        if not args.against_files:
            for directory in (small, large):
                directory.serve()
            say("LDAP")
            must_agree(binary, large.audit_options(), large)
            against_ldapsearch(table, binary, large, args.rounds)
            growth(table, binary, "audit over LDAP", small, large, Directory.audit_options, args.rounds)
            with tempfile.TemporaryDirectory() as scratch:
                against_known_way(table, binary, large, args.rounds, scratch)
    finally:
        subprocess.run([os.path.join(LAB, "down.sh")], check=True)
    table.show()
    print("To reach in memory: 48 MB over LDAP, and no more with more users; 64 MB, and what is found, of LDIF.")
    print("Medians of %d rounds; this script's own %.0f MB are the least that can be seen." % (
        args.rounds, float(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))) / 1024))


if __name__ == "__main__":
    main()
