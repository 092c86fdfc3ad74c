"""The lines of `bench.py` about recordings: one large HAR, read by `automend trace` and by plain tools."""
import json
import os
import shutil
import sys

URL = "https://autodiscover.contoso.com/autodiscover/autodiscover.xml"
REQUEST = ('<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>'
           "<EMailAddress>user%d@contoso.com</EMailAddress></Request></Autodiscover>")
FAULT = ('<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"><Response><Error Time="12:03:32.8803744" Id="1">'
         "<ErrorCode>603</ErrorCode><Message>The Active Directory user wasn't found.</Message><DebugData /></Error></Response></Autodiscover>")
HEADERS = [{"name": "header-%d" % number, "value": "value " * 5} for number in range(12)]


def entry(url, request, answer):
    return json.dumps({
        "startedDateTime": "2026-03-04T08:25:56.125Z", "time": 12.5,
        "request": {"method": "POST", "url": url, "httpVersion": "HTTP/1.1", "headers": HEADERS,
                    "postData": {"mimeType": "text/xml", "text": request}},
        "response": {"status": 200, "statusText": "OK", "headers": HEADERS,
                     "content": {"size": len(answer), "mimeType": "text/html", "text": answer}},
        "cache": {}, "timings": {"send": 0, "wait": 10, "receive": 2}})


def write_har(path, megabytes):
    """A recording of a working day: one turn in two hundred is Autodiscover's."""
    if os.path.exists(path):
        return
    page = "<html>" + "<p class=\"text\">What a page says.</p>\n" * 300
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write('{"log":{"version":"1.2","creator":{"name":"bench","version":"1"},"entries":[')
        number = 0
        while file.tell() < megabytes * 1000000:
            number += 1
            ours = number % 200 == 0
            file.write(entry(URL, REQUEST % (number // 200 % 50), FAULT) if ours else entry("https://www.contoso.com/%d" % number, "", page))
            file.write(",\n")
        file.write(entry(URL, REQUEST % 0, FAULT) + "]}}\n")
    os.rename(path + ".new", path)


def measure(table, binary, root, rounds, Run, Pairs):
    megabytes = int(os.environ.get("BENCH_HAR_MB", "200"))
    path = os.path.join(root, "bench-%d.har" % megabytes)
    print("[bench] a recording of %d MB" % megabytes, file=sys.stderr, flush=True)
    write_har(path, megabytes)

    def trace():
        return Run([binary, "trace", path, "--format", "json"], accept=(1,))

    table.add("trace of HAR, %d MB : wc -l" % megabytes, 50, Pairs(rounds, trace, lambda: Run(["wc", "-l", path])), "<= 20")
    parse = ["python3", "-c", "import json, sys; json.load(open(sys.argv[1], encoding='utf-8'))", path]
    table.add("trace of HAR : python json.load", 50, Pairs(rounds, trace, lambda: Run(parse)), "<= 1")
    if shutil.which("jq"):
        jq = ["jq", "-c", "--stream", "select(length == 2 and .[0][3] == \"url\") | .[1]", path]
        table.add("trace of HAR : jq --stream", 50, Pairs(rounds, trace, lambda: Run(jq)), "<= 1")
