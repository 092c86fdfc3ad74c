#!/usr/bin/env python3
"""What exchangelib makes of an address: its Account, as far as Autodiscover fills it.

exchangelib_account.py ADDRESS LOGIN     the password comes on standard input

Version 5 speaks SOAP and version 4 POX; PYTHONPATH decides which of the two this is. Prints one
object in JSON: what the client ends up with or why it gave up, and the answers as they came.
"""

import json
import logging
import sys

import exchangelib
from exchangelib.autodiscover import Autodiscovery

answers = []


class Answers(logging.Handler):
    """Keeps the documents that exchangelib writes to its log for people who debug it."""

    def emit(self, record):
        if isinstance(record.args, dict) and record.args.get("xml_response"):
            body = record.args["xml_response"]
            answers.append(body.decode() if isinstance(body, bytes) else str(body))


documents = logging.getLogger("exchangelib.util.xml")
documents.setLevel(logging.DEBUG)
documents.addHandler(Answers())

address, login = sys.argv[1:]
password = sys.stdin.readline().rstrip("\n")
told = {"version": exchangelib.__version__}
try:
    response, protocol = Autodiscovery(
        email=address, credentials=exchangelib.Credentials(login, password)
    ).discover()
    told |= {
        "ews": protocol.service_endpoint,
        "smtp": response.autodiscover_smtp_address,
        "server": str(protocol.config.version.api_version) if protocol.config.version else None,
    }
    if hasattr(response, "user_settings"):
        told["settings"] = {name: value for name, value in response.user_settings.items() if value}
        told["refused"] = sorted(response.user_settings_errors or {})
        # An answer about the user is judged only when an account is opened.
        response.raise_errors()
except Exception as error:
    told |= {"error": type(error).__name__, "message": str(error)}
print(json.dumps(told | {"answers": answers}))
