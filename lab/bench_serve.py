"""The rows of bench.py about `automend serve`: a directory of a size, the service, the baseline, wrk.

Both servers speak TLS with the same certificate to the same wrk, which asks over connections that stay
open, each request for another of a thousand users, with Basic. The baseline is an axum server that reads
the body and answers with as many constant bytes; it knows nothing and checks nothing.
"""
import base64
import hashlib
import os
import re
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import time

HOT = 1000
OWNERS = 20
SHARED = 2000
PASSWORD = "Bench-1"
DOMAIN = "bench.test"
BASE = "DC=bench,DC=test"


def ssha(password, salt):
    return "{SSHA}" + base64.b64encode(hashlib.sha1(password.encode() + salt).digest() + salt).decode()


def guid(number):
    # A GUID of zeros means that there is none.
    return base64.b64encode((number + 1).to_bytes(16, "little")).decode()


def mailbox(file, name, number, more=()):
    file.write(
        "dn: CN=%s,OU=People,%s\nobjectClass: user\ndisplayName: %s of Bench\nmail: %s@%s\nproxyAddresses: SMTP:%s@%s\n"
        "userPrincipalName: %s@%s\nsAMAccountName: %s\nlegacyExchangeDN: /o=Bench/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn=%s\n"
        "msExchMailboxGuid:: %s\nhomeMDB: CN=DB%d,CN=Databases,CN=Configuration,%s\nmsExchRecipientTypeDetails: 1\n"
        % (name, BASE, name, name, DOMAIN, name, DOMAIN, name, DOMAIN, name, name, guid(number), number % 500, BASE))
    for line in more:
        file.write(line + "\n")
    file.write("\n")


def write(path, users):
    """Hot users have a password and the mailboxes of OWNERS owners; lone users a password and none."""
    with open(path, "w", encoding="ascii") as file:
        file.write("version: 1\n\ndn: %s\nobjectClass: domainDNS\n\ndn: OU=People,%s\nobjectClass: organizationalUnit\n\n" % (BASE, BASE))
        file.write("dn: CN=Configuration,%s\nobjectClass: configuration\n\ndn: CN=Databases,CN=Configuration,%s\nobjectClass: container\n\n" % (BASE, BASE))
        for number in range(500):
            file.write("dn: CN=DB%d,CN=Databases,CN=Configuration,%s\nobjectClass: msExchPrivateMDB\n\n" % (number, BASE))
        for number in range(HOT):
            for kind in ("hot", "lone"):
                password = "userPassword: " + ssha(PASSWORD, number.to_bytes(8, "big"))
                mailbox(file, "%s%d" % (kind, number), number * 2 + (kind == "hot"), [password])
        opened = [[] for _ in range(SHARED)]
        for user in range(HOT):
            for owner in range(OWNERS):
                opened[(user * OWNERS + owner) % SHARED].append("msExchDelegateListLink: CN=hot%d,OU=People,%s" % (user, BASE))
        for number, links in enumerate(opened):
            mailbox(file, "shared%d" % number, 10000 + number, links)
        for number in range(users - 2 * HOT - SHARED):
            mailbox(file, "user%d" % number, 100000 + number)


LUA = """
local users, kind = %d, "%s"
local requests = {}
function init(args)
  for n = 0, users - 1 do
    local address = kind .. n .. "@%s"
    local body = '<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006">' ..
      '<Request><EMailAddress>' .. address .. '</EMailAddress><AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a' ..
      '</AcceptableResponseSchema></Request></Autodiscover>'
    requests[n] = wrk.format("POST", "/autodiscover/autodiscover.xml",
      {["Content-Type"] = "text/xml", ["Host"] = "autodiscover.%s", ["Authorization"] = "Basic " .. b64(address .. ":%s")}, body)
  end
end
local next = 0
function request()
  next = (next * 1103515245 + 12345) %% 2147483648
  return requests[math.floor(next / 65536) %% users]
end
local bad = 0
function b64(data)
  local b = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  return ((data:gsub('.', function(x)
    local r, byte = '', x:byte()
    for i = 8, 1, -1 do r = r .. (byte %% 2 ^ i - byte %% 2 ^ (i - 1) > 0 and '1' or '0') end
    return r
  end) .. '0000'):gsub('%%d%%d%%d?%%d?%%d?%%d?', function(x)
    if #x < 6 then return '' end
    local c = 0
    for i = 1, 6 do c = c + (x:sub(i, i) == '1' and 2 ^ (6 - i) or 0) end
    return b:sub(c + 1, c + 1)
  end) .. ({'', '==', '='})[#data %% 3 + 1])
end
function done(summary, latency, requests)
  io.write(string.format("RESULT %%d %%d %%d %%d %%d %%d\\n", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), summary.errors.status, summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
"""


class Load:
    """One run of wrk: requests a second, and microseconds at the median and at the 99th of a hundred."""

    def __init__(self, port, script, seconds):
        output = subprocess.run(["wrk", "-t", "1", "-c", "32", "-d", "%ds" % seconds, "-s", script,
                                 "https://127.0.0.1:%d" % port], check=True, text=True, capture_output=True).stdout
        requests, micros, self.p50, self.p99, status, errors = map(int, re.search(r"RESULT (.*)", output).group(1).split())
        if status or errors:
            sys.exit("wrk met %d errors and %d answers that were no success:\n%s" % (errors, status, output))
        self.rate = requests / (micros / 1e6)


class Process:
    """A server under way; `line` of its output tells that it listens."""

    def __init__(self, argv, line, cwd):
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=cwd)
        for text in self.process.stdout:
            found = re.search(line, text)
            if found:
                self.port = int(found.group(1))
                return
        sys.exit("%s did not start" % " ".join(argv))

    def status(self, field):
        with open("/proc/%d/status" % self.process.pid, encoding="ascii") as file:
            return next(int(text.split()[1]) for text in file if text.startswith(field + ":")) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.stdout.close()
        self.process.wait()


def certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", "key.pem", "-out", "cert.pem"],
                   cwd=folder, check=True, capture_output=True)


def request(user):
    return ('<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request><EMailAddress>%s</EMailAddress>'
            '<AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema>'
            '</Request></Autodiscover>' % user)


def ask(port, user):
    """One request on a connection of its own; the length of the answer."""
    context = ssl._create_unverified_context()  # The peer is a child of this process.
    body = request(user).encode()
    login = base64.b64encode(("%s:%s" % (user, PASSWORD)).encode()).decode()
    with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain, server_hostname="localhost") as stream:
        stream.sendall(("POST /autodiscover/autodiscover.xml HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: text/xml\r\n"
                        "Authorization: Basic %s\r\nContent-Length: %d\r\n\r\n" % (login, len(body))).encode() + body)
        answer = b""
        while True:
            part = stream.recv(65536)
            if not part:
                break
            answer += part
    head, _, document = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0] or b"<Action>settings" not in document:
        sys.exit("no settings for %s: %s" % (user, answer[:2000].decode(errors="replace")))
    return len(document), document.count(b"<AlternativeMailbox>")


class Folder:
    """A directory of a size, imported once."""

    def __init__(self, root, binary, users, say):
        self.users, self.path = users, os.path.join(root, "serve-%d" % users)
        self.store = os.path.join(self.path, "directory")
        if not os.path.exists(os.path.join(self.path, "done")):
            say("importing a directory of %s users" % format(users, ","))
            shutil.rmtree(self.path, ignore_errors=True)
            os.makedirs(self.path)
            ldif = os.path.join(self.path, "all.ldif")
            write(ldif, users)
            subprocess.run([binary, "directory", "import", ldif, "--directory", self.store], check=True, stdout=subprocess.DEVNULL)
            os.remove(ldif)
            certificate(self.path)
            with open(os.path.join(self.path, "automend.toml"), "w", encoding="ascii") as file:
                # The load comes from one address; everything else is as it is without a configuration.
                file.write("[serve.limits]\nrequests-per-address = 0\n")
            open(os.path.join(self.path, "done"), "w", encoding="ascii").close()
        self.megabytes = os.path.getsize(os.path.join(self.store, "directory.redb")) / 1e6

    def serve(self, binary):
        return Process([binary, "serve", "--directory", self.store, "--listen", "127.0.0.1:0", "--tls-cert", "cert.pem", "--tls-key", "key.pem",
                        "--log", os.path.join(self.path, "log")], r"https://127\.0\.0\.1:(\d+)$", self.path)

    def script(self, kind):
        path = os.path.join(self.path, kind + ".lua")
        with open(path, "w", encoding="ascii") as file:
            file.write(LUA % (HOT, kind, DOMAIN, DOMAIN, PASSWORD))
        return path


def rows(root, binary, baseline, users, rounds, seconds, say):
    """Lines of a table."""
    table = [("serve", "users", "requests/s", "ratio", "to reach", "p50 ms", "p99 ms", "ratio", "to reach")]
    notes = []
    small, large = Folder(root, binary, users // 10, say), Folder(root, binary, users, say)
    for kind, what in (("hot", "POX, Basic, %d alternative mailboxes : axum" % OWNERS), ("lone", "POX, Basic, none : axum")):
        say(what)
        served = large.serve(binary)
        length, alternatives = ask(served.port, "%s0@%s" % (kind, DOMAIN))
        if alternatives != (OWNERS if kind == "hot" else 0):
            sys.exit("%d alternative mailboxes in the answer" % alternatives)
        idle = Process([baseline, "127.0.0.1:0", "cert.pem", "key.pem", str(length)], r"listening on 127\.0\.0\.1:(\d+)", large.path)
        script = large.script(kind)
        # The first of each is thrown away: it warms the caches of the one, and the processor for both.
        Load(served.port, script, seconds), Load(idle.port, script, seconds)
        pairs = []
        for number in range(rounds):
            if number % 2:
                other, one = Load(idle.port, script, seconds), Load(served.port, script, seconds)
            else:
                one, other = Load(served.port, script, seconds), Load(idle.port, script, seconds)
            pairs.append((one, other))
        def median(side, field):
            return statistics.median(getattr(pair[side], field) for pair in pairs)
        def ratio(field):
            return statistics.median(getattr(one, field) / getattr(other, field) for one, other in pairs)
        table.append((what, format(users, ","), "%.0f : %.0f" % (median(0, "rate"), median(1, "rate")), "%.2f" % ratio("rate"), ">= 0.8",
                      "%.2f : %.2f" % (median(0, "p50") / 1e3, median(1, "p50") / 1e3),
                      "%.2f : %.2f" % (median(0, "p99") / 1e3, median(1, "p99") / 1e3), "%.2f" % ratio("p99"), "<= 3"))
        if kind == "hot":
            notes.append("An answer has %d bytes." % length)
        idle.stop()
        served.stop()
    # How it grows: the same load on a tenth of the users, in turns.
    say("growth")
    one, other = large.serve(binary), small.serve(binary)
    scripts = large.script("hot"), small.script("hot")
    Load(one.port, scripts[0], seconds), Load(other.port, scripts[1], seconds)
    pairs = [(Load(one.port, scripts[0], seconds), Load(other.port, scripts[1], seconds)) for _ in range(rounds)]
    table.append(("the same, 10 times the users", format(users, ","),
                  "%.0f : %.0f" % tuple(statistics.median(pair[side].rate for pair in pairs) for side in (0, 1)),
                  "%.2f" % statistics.median(a.rate / b.rate for a, b in pairs), "~ 1", "", "", "", ""))
    one.stop()
    other.stop()
    for folder in (small, large):
        starts = []
        for _ in range(rounds):
            began = time.perf_counter()
            served = folder.serve(binary)
            ask(served.port, "hot1@%s" % DOMAIN)
            starts.append(time.perf_counter() - began)
            last = served.status("RssAnon")
            served.stop()
        served = folder.serve(binary)
        Load(served.port, folder.script("hot"), seconds)
        after = served.status("RssAnon")
        served.stop()
        notes.append("%s users: first answer %.3f s after the start (to reach: 1 s); memory of its own %.0f MB at first and %.0f MB after "
                     "a load of %d users (to reach: half of the directory's file of %.0f MB)."
                     % (format(folder.users, ","), statistics.median(starts), last, after, HOT, folder.megabytes))
    return table, notes
