#!/usr/bin/env python3
"""What Thunderbird makes of an address: the search that its account assistant runs.

thunderbird.py CA ADDRESS LOGIN     the password comes on standard input

Thunderbird runs without a window. Marionette, its remote control, has it trust the certificate of the
authority CA and calls the modules behind the assistant's button. Prints one object in JSON: what
Autodiscover found, what autoconfig found, and what the assistant would make of both.
"""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

SETTINGS = {
    "marionette.port": 0,
    # Nothing but what is looked for; Mozilla's own database cannot be reached anyway.
    "mailnews.auto_config.guess.enabled": False,
    "mailnews.auto_config_url": "",
    "mailnews.auto_config.addons_url": "",
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "app.update.enabled": False,
    "app.normandy.enabled": False,
    "extensions.update.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "browser.safebrowsing.downloads.remote.enabled": False,
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.spotlight.firstRunDone": True,
    "mail.winsearch.firstRunDone": True,
    "mailnews.start_page.enabled": False,
}

TRUST = """
const [pem] = arguments;
const store = Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB);
store.addCertFromBase64(pem.replace(/-----[^-]*-----|\\s/g, ""), "C,,");
"""

SEARCH = """
const [address, login, password, done] = arguments;
const folder = "resource:///modules/accountcreation/";
const { fetchConfigFromExchange } = ChromeUtils.importESModule(folder + "ExchangeAutoDiscover.sys.mjs");
const { FetchConfig } = ChromeUtils.importESModule(folder + "FetchConfig.sys.mjs");
const { FindConfig } = ChromeUtils.importESModule(folder + "FindConfig.sys.mjs");
const domain = address.split("@")[1];
const signal = new AbortController().signal;

const server = ({ type, hostname, port, username, ewsURL, easURL, owaURL, exchangeURL }) =>
  ({ type, hostname, port, username, ews: ewsURL || exchangeURL, eas: easURL, owa: owaURL });
const config = (found) => found && {
  from: found.subSource || found.source,
  servers: [found.incoming, ...found.incomingAlternatives].map(server),
  smtp: found.outgoing?.hostname,
};
const said = (error) => ({
  error: [error, ...(error.errors || [])]
    .map((one) => [one.message || one, one.code].filter(Boolean).join(" ")).join("; "),
});
const attempt = (search) => search.then(config).catch(said);

async function assistant() {
  const search = FindConfig.parallelAutoDiscovery(domain, address, signal, password, login);
  let step = await search.next();
  while (!step.done) {
    step = await search.next({ acceptRedirect: true });
  }
  if (step.value) FindConfig.ewsifyConfig(step.value);
  return step.value;
}
(async () => {
  const accept = () => Promise.resolve();
  const autodiscover = await attempt(
    fetchConfigFromExchange(domain, address, signal, login, password, accept));
  const autoconfig = await attempt(FetchConfig.fromISP(domain, address, signal));
  done({ autodiscover, autoconfig, assistant: await attempt(assistant()) });
})();
"""


class Marionette:
    """One connection to the remote control: a length, a colon, and an array in JSON."""

    def __init__(self, port):
        self.stream = socket.create_connection(("127.0.0.1", port), timeout=120).makefile("rwb")
        self.number = 0
        self.read()  # Says what it is.

    def read(self):
        length = b""
        while (byte := self.stream.read(1)) != b":":
            if not byte:
                raise ConnectionError("Thunderbird has hung up")
            length += byte
        return json.loads(self.stream.read(int(length)))

    def __call__(self, command, **arguments):
        self.number += 1
        message = json.dumps([0, self.number, command, arguments]).encode()
        self.stream.write(b"%d:%s" % (len(message), message))
        self.stream.flush()
        _, _, error, result = self.read()
        if error:
            raise RuntimeError(f"{command}: {error['error']}: {error['message']}")
        return result.get("value") if isinstance(result, dict) else result


def active_port(profile, thunderbird):
    """The port that Thunderbird took, which it writes down when it listens."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and thunderbird.poll() is None:
        try:
            with open(os.path.join(profile, "MarionetteActivePort")) as file:
                return int(re.match(r"\d+", file.read()).group())
        except (FileNotFoundError, AttributeError):
            time.sleep(0.05)
    sys.exit("Thunderbird did not start")


def main():
    authority, address, login = sys.argv[1:]
    password = sys.stdin.readline().rstrip("\n")
    with tempfile.TemporaryDirectory() as home:
        profile = os.path.join(home, "profile")
        os.mkdir(profile)
        with open(os.path.join(profile, "user.js"), "w") as file:
            for name, value in SETTINGS.items():
                print(f"user_pref({json.dumps(name)}, {json.dumps(value)});", file=file)
        thunderbird = subprocess.Popen(
            ["/usr/lib/thunderbird/thunderbird", "--headless", "--marionette", "--remote-allow-system-access", "--no-remote",
             "--profile", profile],
            env=os.environ | {"HOME": home, "XDG_RUNTIME_DIR": home, "MOZ_CRASHREPORTER_DISABLE": "1"},
            stdin=subprocess.DEVNULL, stdout=sys.stderr, stderr=sys.stderr,
        )  # fmt: skip
        try:
            marionette = Marionette(active_port(profile, thunderbird))
            marionette("WebDriver:NewSession", capabilities={})
            marionette("Marionette:SetContext", value="chrome")
            marionette("WebDriver:SetTimeouts", script=120000)
            with open(authority) as file:
                marionette("WebDriver:ExecuteScript", script=TRUST, args=[file.read()])
            found = marionette("WebDriver:ExecuteAsyncScript", script=SEARCH, args=[address, login, password])
            print(json.dumps(found))
            marionette("Marionette:Quit", flags=["eForceQuit"])
            thunderbird.wait(timeout=30)
        finally:
            thunderbird.kill()
            thunderbird.wait()


main()
