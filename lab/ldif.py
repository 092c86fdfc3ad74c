"""Reads LDIF and compares distinguished names, for the tools beside this file."""
import base64
import re

_HEX = re.compile(rb"[0-9A-Fa-f]{2}")
_SPACES = re.compile(r" +")


def records(file):
    """The records of a binary LDIF file, each a dict of lower-case attribute names to lists of bytes."""
    lines = []
    for raw in file:
        raw = raw.rstrip(b"\r\n")
        if not raw:
            if lines:
                yield _record(lines)
                lines = []
        elif raw[:1] == b" " and lines:
            lines[-1] += raw[1:]
        elif raw[:1] != b"#":
            lines.append(raw)
    if lines:
        yield _record(lines)


def _record(lines):
    record = {}
    for line in lines:
        name, _, value = line.partition(b":")
        value = base64.b64decode(value[1:]) if value[:1] == b":" else value.lstrip(b" ")
        record.setdefault(name.decode("ascii").lower(), []).append(value)
    return record


def dn_key(dn):
    """A DN in a form that is equal for equal names.

    Samba writes a comma in a value as `\\,` and slapd as `\\2C`; attribute types come in either case.
    Values are compared as caseIgnoreMatch does: case and the number of blanks make no difference.
    """
    data = dn if isinstance(dn, bytes) else dn.encode()
    key, at = [], 0
    while at < len(data):
        equals = data.index(b"=", at)
        name = data[at:equals].decode("ascii").strip().lower()
        at = equals + 1
        value = bytearray()
        while at < len(data) and data[at] not in b",+":
            if data[at] == 0x5C:
                if _HEX.match(data, at + 1):
                    value.append(int(data[at + 1:at + 3], 16))
                    at += 3
                else:
                    value.append(data[at + 1])
                    at += 2
            else:
                value.append(data[at])
                at += 1
        at += 1
        key.append((name, _SPACES.sub(" ", value.decode("utf-8").strip(" ").casefold())))
    return tuple(key)
