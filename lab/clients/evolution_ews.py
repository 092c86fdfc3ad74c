#!/usr/bin/env python3
"""What Evolution's connector for Exchange makes of an address: the search that its assistant runs.

evolution_ews.py ADDRESS LOGIN PLAIN|NTLM     the password comes on standard input

Nobody has to click: the function behind the assistant's button is called in evolution-ews' own
library. Prints one object in JSON: what the client ends up with, or why it gave up.
"""

import ctypes
import json
import os
import sys
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint, c_void_p

LIBRARIES = os.environ.get("EVOLUTION_EWS", "/usr/lib/evolution-ews")


class GError(ctypes.Structure):
    _fields_ = [("domain", c_uint), ("code", c_int), ("message", c_char_p)]


def load(name):
    return ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)


def function(library, name, result, *arguments):
    found = getattr(library, name)
    found.restype = result
    found.argtypes = arguments
    return found


gobject = load("libgobject-2.0.so.0")
eds = load("libedataserver-1.2.so.27")
camel = load("libcamel-1.2.so.64")
settings_library = load(os.path.join(LIBRARIES, "libcamelews-priv.so"))
ews = load(os.path.join(LIBRARIES, "libevolution-ews.so"))

errors = POINTER(POINTER(GError))
new_object = function(gobject, "g_object_new_with_properties", c_void_p, c_size_t, c_uint, c_void_p, c_void_p)
new_source = function(eds, "e_source_new", c_void_p, c_void_p, c_void_p, errors)
extension = function(eds, "e_source_get_extension", c_void_p, c_void_p, c_char_p)
set_source_user = function(eds, "e_source_authentication_set_user", None, c_void_p, c_char_p)
set_source_method = function(eds, "e_source_authentication_set_method", None, c_void_p, c_char_p)
settings_type = function(settings_library, "camel_ews_settings_get_type", c_size_t)
set_user = function(camel, "camel_network_settings_set_user", None, c_void_p, c_char_p)
set_mechanism = function(camel, "camel_network_settings_set_auth_mechanism", None, c_void_p, c_char_p)
set_email = function(settings_library, "camel_ews_settings_set_email", None, c_void_p, c_char_p)
host_url = function(settings_library, "camel_ews_settings_get_hosturl", c_char_p, c_void_p)
book_url = function(settings_library, "camel_ews_settings_get_oaburl", c_char_p, c_void_p)
discover = function(
    ews, "e_ews_autodiscover_ws_url_sync", c_int,
    c_void_p, c_void_p, c_char_p, c_char_p, POINTER(c_void_p), POINTER(c_int), c_void_p, errors,
)  # fmt: skip

address, login, mechanism = (argument.encode() for argument in sys.argv[1:])
password = sys.stdin.readline().rstrip("\n").encode()
error = POINTER(GError)()
source = new_source(None, None, byref(error))
# The account stands in two places: the source is asked for the login, the settings for the way.
authentication = extension(source, b"Authentication")
set_source_user(authentication, login)
set_source_method(authentication, mechanism)
settings = new_object(settings_type(), 0, None, None)
set_user(settings, login)
set_mechanism(settings, mechanism)
set_email(settings, address)
certificate, flaws = c_void_p(), c_int()
if discover(source, settings, address, password, byref(certificate), byref(flaws), None, byref(error)):
    told = {"ews": host_url(settings).decode(), "oab": (book_url(settings) or b"").decode()}
elif error:
    told = {"error": error.contents.message.decode(), "code": error.contents.code}
else:
    told = {"error": "no reason given"}
if flaws.value:
    told["certificate flaws"] = flaws.value
print(json.dumps(told))
