#!/usr/bin/python3
"""Works on the database of a domain controller that does not run.

  offline.py schema   SMB.CONF SCHEMA.LDIF   adds a schema whose suffix is DC=X
  offline.py load     SMB.CONF LDIF...       adds records in bulk
  offline.py accounts SMB.CONF OU            makes the accounts `audit`, `repair` and `blind`; repair may
                                             write msExchDelegateListLink below OU, and nothing else;
                                             tests forbid blind to read
  offline.py recycle-bin SMB.CONF            switches the recycle bin on, for ever

Debian's own Python runs this, as python3-samba is built for it. The passwords of the accounts
come from LAB_AUDIT_PASSWORD, LAB_REPAIR_PASSWORD and LAB_BLIND_PASSWORD.
"""
import contextlib
import itertools
import os
import re
import sys
import uuid

import ldb
from samba.auth import system_session
from samba.dcerpc import security
from samba.ndr import ndr_pack, ndr_unpack
from samba.param import LoadParm
from samba.samdb import SamDB

RELOAD = re.compile(r"(?m)^dn:\nchangetype: modify\nadd: schemaUpdateNow\nschemaUpdateNow: 1\n-\n")
# One long transaction gets slower the longer it is; Samba was fastest with 2,000 to 4,000 records.
RECORDS_PER_TRANSACTION = 2000


def open_database(conf, options=()):
    lp = LoadParm()
    lp.load(conf)
    lp.set("dsdb:schema update allowed", "yes")
    return SamDB(url=os.path.join(lp.get("private dir"), "sam.ldb"), session_info=system_session(), lp=lp,
                 flags=ldb.FLG_NOSYNC, options=list(options))


@contextlib.contextmanager
def transaction(sam):
    sam.transaction_start()
    try:
        yield
    except BaseException:
        sam.transaction_cancel()
        raise
    sam.transaction_commit()


def apply(sam, text):
    for change, message in sam.parse_ldif(text):
        (sam.modify if change == ldb.CHANGETYPE_MODIFY else sam.add)(message)


def add_schema(conf, path):
    sam = open_database(conf)
    with open(path, encoding="utf-8") as file:
        text = re.sub(r"(?m)DC=X$", str(sam.domain_dn()), file.read())
    for chunk in RELOAD.split(text):
        if not re.search(r"(?m)^dn: ", chunk):
            continue
        with transaction(sam):
            apply(sam, chunk)
        sam.set_schema_update_now()


def records(paths):
    """The records of LDIF files one by one, so that a large file is never held whole."""
    for path in paths:
        lines = []
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line != "\n":
                    lines.append(line)
                elif lines:
                    yield "".join(lines)
                    lines = []
        if lines:
            yield "".join(lines)


def load(conf, *paths):
    sam = open_database(conf, ["batch_mode:1"])
    pending = records(paths)
    while batch := list(itertools.islice(pending, RECORDS_PER_TRANSACTION)):
        with transaction(sam):
            for record in batch:
                apply(sam, record)


def make_accounts(conf, ou):
    sam = open_database(conf)
    sids = {}
    for name in ("audit", "repair", "blind"):
        sam.newuser(name, os.environ["LAB_%s_PASSWORD" % name.upper()])
        found = sam.search(sam.domain_dn(), ldb.SCOPE_SUBTREE, "(sAMAccountName=%s)" % name, ["objectSid"])
        sids[name] = ndr_unpack(security.dom_sid, found[0]["objectSid"][0])
    link = sam.search(sam.get_schema_basedn(), ldb.SCOPE_ONELEVEL, "(lDAPDisplayName=msExchDelegateListLink)", ["schemaIDGUID"])
    link = uuid.UUID(bytes_le=bytes(link[0]["schemaIDGUID"][0]))
    domain = security.dom_sid(sam.get_domain_sid())
    found = sam.search(ou, ldb.SCOPE_BASE, "(objectClass=*)", ["nTSecurityDescriptor"])
    sddl = ndr_unpack(security.descriptor, found[0]["nTSecurityDescriptor"][0]).as_sddl(domain)
    first_ace = sddl.index("(", sddl.index("D:"))
    sddl = "%s(OA;CI;WP;%s;;%s)%s" % (sddl[:first_ace], link, sids["repair"], sddl[first_ace:])
    message = ldb.Message(ldb.Dn(sam, ou))
    message["nTSecurityDescriptor"] = ldb.MessageElement(
        ndr_pack(security.descriptor.from_sddl(sddl, domain)), ldb.FLAG_MOD_REPLACE, "nTSecurityDescriptor")
    # Only the list of permissions is replaced, not the owner.
    sam.modify(message, ["sd_flags:1:4"])


def enable_recycle_bin(conf):
    sam = open_database(conf)
    message = ldb.Message(ldb.Dn(sam, ""))
    message["enableOptionalFeature"] = ldb.MessageElement(
        "CN=Partitions,%s:766ddcd8-acd0-445e-f3b9-a7f9b6744f2a" % sam.get_config_basedn(), ldb.FLAG_MOD_ADD, "enableOptionalFeature")
    sam.modify(message)


COMMANDS = {"schema": add_schema, "load": load, "accounts": make_accounts, "recycle-bin": enable_recycle_bin}

if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in COMMANDS:
        sys.exit(__doc__)
    COMMANDS[sys.argv[1]](*sys.argv[2:])
