"""The lines of `bench.py` about `automend test`: against `automend serve` on this machine, beside curl.

Both are asked for a login first, then log in with Basic, and trust the one certificate. With `--users` a
thousand users are tested with the login of one of them, eight at once; curl asks for them one after the
other.
"""
import os

import bench_serve

USERS = 1000
PARALLEL = 8


def measure(table, binary, folder, rounds, Run, Pairs):
    served = folder.serve(binary)
    url = "https://127.0.0.1:%d/autodiscover/autodiscover.xml" % served.port
    authority = os.path.join(folder.path, "cert.pem")
    paths = {name: os.path.join(folder.path, name) for name in ("password", "users", "curl")}
    users = ["lone%d@%s" % (number, bench_serve.DOMAIN) for number in range(USERS)]
    with open(paths["password"], "w", encoding="ascii") as file:
        file.write(bench_serve.PASSWORD + "\n")
    with open(paths["users"], "w", encoding="ascii") as file:
        file.write("\n".join(users) + "\n")
    # No connection stays open, as programs would ask that know nothing of each other.
    with open(paths["curl"], "w", encoding="ascii") as file:
        for user in users:
            file.write('next\nurl = "%s"\nanyauth\nuser = "%s:%s"\ncacert = "%s"\nsilent\nfail\nheader = "Content-Type: text/xml"\n'
                       'header = "Connection: close"\ndata-binary = "%s"\n'
                       % (url, users[0], bench_serve.PASSWORD, authority, bench_serve.request(user).replace('"', '\\"')))

    def test(*more):
        return Run([binary, "test", *more, "--url", url, "--ca", authority, "--password-file", paths["password"]])

    def curl(user):
        return Run(["curl", "--silent", "--fail", "--anyauth", "--user", "%s:%s" % (user, bench_serve.PASSWORD), "--cacert", authority,
                    "--header", "Content-Type: text/xml", "--data-binary", bench_serve.request(user), url])

    try:
        table.add("test of one user : curl", folder.users, Pairs(rounds, lambda: test(users[0]), lambda: curl(users[0])), "+ 0.05 s")
        many = ("--users", paths["users"], "--user", users[0], "--parallel", str(PARALLEL))
        table.add("test of %d users, %d at once : curl" % (USERS, PARALLEL), folder.users,
                  Pairs(rounds, lambda: test(*many), lambda: Run(["curl", "--config", paths["curl"]])), "")
    finally:
        served.stop()
