#!/usr/bin/env python3
"""Writes a directory of any size whose stale links are known.

  seed.py --users N --delegations M --stale K --out DIR [--flavor samba|slapd|ldifde] ...

  samba    org.ldif, users.ldif, links.ldif: the links come last, as a link needs its target
  slapd    all.ldif: links and back links stand in the entries, as slapadd derives nothing
  ldifde   all.ldif as `ldifde -u` exports it: UTF-16LE, CRLF, folded lines, `changetype: add`

and in each case truth.json, which says what an audit has to find. The same arguments give the same
bytes. A link goes from an owner to a delegate, and is stale when the owner is no mailbox any more:

  disabled      every mailbox attribute is gone, as after Disable-Mailbox
  mailuser      a mail user: legacyExchangeDN and targetAddress are there, the mailbox is elsewhere
  nolegacy      only legacyExchangeDN is gone
  nohome        only homeMDB and msExchHomeServerName are gone
  noguid        only msExchMailboxGuid is gone

Others look stale at a glance, and are not:

  remote        a mailbox in the cloud, without a database but with targetAddress
  acctdisabled  the mailbox of a disabled account, as every shared mailbox and every room is
  hidden        a mailbox that no address list shows

What a user is follows from the user's number alone. Only the links are held in memory, as numbers:
about 30 bytes for a user with one link.
"""
import argparse
import base64
import collections
import hashlib
import itertools
import json
import math
import os
import random
import struct
import sys
from array import array

GIVEN = ("Ada Alan Amina Anders Astrid Bao Bella Carlos Chiara Dag Dina Elif Emil Farah Felix Grace Hana Hugo Ines Ivan "
         "Jana Jim Jonas Kai Kira Lars Lena Luis Maja Mateo Mia Nadia Noor Olga Omar Pia Quinn Rosa Sami Tara Uma Victor "
         "Wanda Xenia Yara Zoe").split()
FAMILY = ("Abbott Andersen Becker Berg Castillo Chen Costa Dahl Diaz Eriksen Fischer Garcia Hansen Hoffman Ibrahim Ito Jansen "
          "Keller Kim Kowalski Larsen Lopez Martin Meyer Moreau Nguyen Novak Okafor Olsen Patel Petrov Quist Rossi Sato Schmidt "
          "Silva Smith Svensson Tanaka Torres Ueda Varga Weber Wong Xu Yilmaz Zhang Zimmer").split()
# Names that need escaping in a DN, or base64 in LDIF, or both.
HARD = ("Doe, Jane %07d", "O'Brien \"Obi\" %07d", "Plus+Minus %07d", "Semi;Colon %07d", "Back\\Slash %07d", "#Hash %07d",
        "Equal=Sign %07d", "<Angle> %07d", "Müller-Lüdenscheidt %07d", "山田 太郎 %07d", "  Lead %07d", "Slash/Dot. %07d",
        "Emoji \U0001f4ec %07d", "Paren (x) * %07d")

MAILBOX = 0
STALE = ("disabled", "mailuser", "nolegacy", "nohome", "noguid")
NEAR = ("remote", "acctdisabled", "hidden")
KINDS = ("mailbox", *STALE, *NEAR)
DISABLED, MAILUSER, NOLEGACY, NOHOME, NOGUID, REMOTE, ACCTDISABLED, HIDDEN = range(1, len(KINDS))
# Three of seven stale owners are disabled outright, as in real forests most are.
STALE_CHOICES = (DISABLED, DISABLED, DISABLED, MAILUSER, NOLEGACY, NOHOME, NOGUID)
# Users 0 and 1 are the hot delegate and the wide owner, and always healthy.
HOT, WIDE = 0, 1


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--users", type=int, required=True)
    add("--delegations", type=int, required=True, help="links in all")
    add("--stale", type=int, required=True, help="how many of them are stale")
    add("--seed", type=int, default=1)
    add("--base", default="DC=contoso,DC=test")
    add("--flavor", choices=("samba", "slapd", "ldifde"), default="samba")
    add("--out", default="seed-out")
    add("--ou-size", type=int, default=5000, help="users in an organizational unit")
    add("--users-per-db", type=int, default=500, help="mailboxes in a database")
    add("--hot", type=int, default=0, help="links to the first user: one long list of back links")
    add("--wide", type=int, default=0, help="links from the second user: one long list of links")
    add("--hard-every", type=int, default=97, help="every so many users one has a hard DN; 0: none")
    add("--no-homemdb", action="store_true", help="only msExchHomeServerName names a mailbox's home")
    add("--truth-all", action="store_true", help="truth.json lists the healthy links too")
    args = parser.parse_args()
    if args.users < 10 or args.stale > args.delegations:
        parser.error("needs --users of 10 or more, and no more --stale than --delegations")
    if args.hot + args.wide > args.delegations - args.stale:
        parser.error("--hot and --wide exceed the healthy links")
    if args.wide > args.users - 2 or args.hot > args.users // 2:
        parser.error("--hot or --wide exceeds the users")
    return args


class Links:
    """Who is what, and whose link goes to whom.

    `kind[user]` is an index into KINDS. The delegates of `owner` are
    `delegates[first[owner]:first[owner + 1]]`, in ascending order.
    """

    def __init__(self, args):
        users = args.users
        rng = random.Random("automend/%d/%d/%d/%d" % (args.seed, users, args.delegations, args.stale))
        self.users = users
        self.kind = bytearray(users)
        # A walk that meets every user once, in an order that looks shuffled.
        step = next(n for n in itertools.count(int(users * 0.618) | 1) if math.gcd(n, users) == 1)
        start = rng.randrange(users)
        walk = (user for user in ((start + i * step) % users for i in range(users)) if user > WIDE)

        counts = array("I", bytes(4 * users))
        left = args.stale
        while left:
            owner = next(walk, None)
            if owner is None:
                sys.exit("too few users for so many stale links")
            self.kind[owner] = rng.choice(STALE_CHOICES)
            counts[owner] = min(left, rng.choice((1, 1, 2, 3, 4)))
            left -= counts[owner]
        healthy = array("I", walk)
        for user in healthy[:len(healthy) // 50]:
            self.kind[user] = KINDS.index(rng.choice(NEAR))
        if len(healthy) < args.hot:
            sys.exit("too few healthy owners for --hot")

        left = args.delegations - args.stale - args.hot - args.wide
        room = users - 3  # neither the owner itself, nor the hot delegate, nor one to spare
        while left:
            before = left
            for owner in healthy:
                share = rng.random()
                count = 1 if share < .55 else 2 if share < .75 else rng.randint(3, 8) if share < .97 else rng.randint(9, 40)
                count = min(count, left, room - counts[owner])
                counts[owner] += count
                left -= count
                if not left:
                    break
            if left == before:
                sys.exit("too few users for so many links")

        # A tenth of all links go to few popular delegates.
        popular = [(start + i * step) % users for i in range(max(1, users // 2000))]
        hot_owners = set(healthy[:args.hot])
        self.first = array("Q", [0])
        self.delegates = array("I")
        for owner in range(users):
            if owner == WIDE and args.wide:
                chosen = set(range(2, 2 + args.wide))
            else:
                chosen = {HOT} if owner in hot_owners else set()
                wanted = counts[owner] + len(chosen)
                while len(chosen) < wanted:
                    delegate = rng.choice(popular) if rng.random() < .1 else rng.randrange(users)
                    # A hot delegate has exactly the links that were asked for.
                    if delegate != owner and not (args.hot and delegate == HOT):
                        chosen.add(delegate)
            self.delegates.extend(sorted(chosen))
            self.first.append(len(self.delegates))
        if len(self.delegates) != args.delegations:
            sys.exit("made %d links instead of %d" % (len(self.delegates), args.delegations))

    def of(self, owner):
        return self.delegates[self.first[owner]:self.first[owner + 1]]

    def owners(self):
        return (owner for owner in range(self.users) if self.first[owner] != self.first[owner + 1])

    def is_stale(self, owner):
        return MAILBOX < self.kind[owner] <= NOGUID

    def reversed(self):
        """The back links, in the same shape: `(first, owners)`."""
        first = array("Q", bytes(8 * (self.users + 1)))
        for delegate in self.delegates:
            first[delegate + 1] += 1
        for user in range(self.users):
            first[user + 1] += first[user]
        free = array("Q", first)
        owners = array("I", bytes(4 * len(self.delegates)))
        for owner in self.owners():
            for delegate in self.of(owner):
                owners[free[delegate]] = owner
                free[delegate] += 1
        return first, owners


class Names:
    """The names of everything, each computed from a number."""

    def __init__(self, args):
        self.args = args
        self.domain = ".".join(part.split("=", 1)[1] for part in args.base.split(","))
        self.configuration = "CN=Configuration," + args.base
        self.exchange = "CN=Microsoft Exchange,CN=Services," + self.configuration
        self.organization = "CN=ExchOrg," + self.exchange
        group = "Exchange Administrative Group (FYDIBOHF23SPDLT)"
        self.group = "CN=%s,CN=Administrative Groups,%s" % (group, self.organization)
        self.legacy_group = "/o=ExchOrg/ou=" + group
        self.databases = -(-args.users // args.users_per_db)
        self.servers = min(8, self.databases)
        self.key = hashlib.blake2b(b"%d" % args.seed, digest_size=16).digest()

    def account(self, user):
        return "u%07d" % user

    def common(self, user):
        every = self.args.hard_every
        if every and user % every == every - 1:
            return HARD[user // every % len(HARD)] % user
        return "%s %s %07d" % (GIVEN[(user * 7919 + self.args.seed) % len(GIVEN)],
                               FAMILY[(user * 104729 + self.args.seed) % len(FAMILY)], user)

    def dn(self, user):
        return "CN=%s,OU=P%03d,OU=Lab,%s" % (escape_rdn(self.common(user)), user // self.args.ou_size, self.args.base)

    def guid(self, what, user):
        return hashlib.blake2b(b"%s%d" % (what, user), digest_size=16, key=self.key).digest()

    def database(self, number):
        return "CN=DB%04d,CN=Databases,%s" % (number + 1, self.group)

    def legacy_server(self, number):
        return "%s/cn=Configuration/cn=Servers/cn=EX%02d" % (self.legacy_group, number + 1)


ESCAPED = str.maketrans({c: "\\" + c for c in ',+"\\<>;='})


def escape_rdn(value):
    """A value as RFC 4514 writes it."""
    escaped = value.translate(ESCAPED)
    if value[0] in "# ":
        escaped = "\\" + escaped
    if value[-1] == " " and len(value) > 1:
        escaped = escaped[:-1] + "\\ "
    return escaped


def line(attribute, value):
    """One line of LDIF without its end, in base64 where RFC 2849 wants it."""
    if isinstance(value, str):
        if value.isascii() and value and value[0] not in " :<" and value[-1] != " ":
            return "%s: %s" % (attribute, value)
        value = value.encode()
    return "%s:: %s" % (attribute, base64.b64encode(value).decode())


class Plain:
    """LDIF as Unix tools write it."""

    def __init__(self, path):
        self.file = open(path, "w", encoding="ascii", buffering=1 << 20)

    def record(self, lines):
        self.file.write("\n".join(lines))
        self.file.write("\n\n")

    def close(self):
        self.file.close()


class Ldifde:
    """LDIF as Windows' ldifde writes it with -u."""

    def __init__(self, path):
        self.file = open(path, "w", encoding="utf-16-le", newline="", buffering=1 << 20)
        self.file.write("\ufeff")

    def record(self, lines):
        dn, *rest = lines
        for text in (dn, "changetype: add", *rest):
            self.file.write(text[:76] + "\r\n")
            for at in range(76, len(text), 75):
                self.file.write(" " + text[at:at + 75] + "\r\n")
        self.file.write("\r\n")

    def close(self):
        self.file.close()


def organization(names, samba):
    """Exchange's part of the configuration: servers and databases."""
    def record(dn, name, *rest):
        return ["dn: " + dn, "objectClass: " + name, *rest, "cn: " + dn.split(",", 1)[0][3:]]

    # A domain controller comes with these two.
    if not samba:
        yield record(names.configuration, "container")
        yield record("CN=Services," + names.configuration, "container")
    yield record(names.exchange, "container")
    yield record(names.organization, "msExchOrganizationContainer")
    yield record("CN=Administrative Groups," + names.organization, "msExchAdminGroupContainer")
    yield record(names.group, "msExchAdminGroup")
    yield record("CN=Servers," + names.group, "msExchServersContainer")
    for server in range(names.servers):
        yield record("CN=EX%02d,CN=Servers,%s" % (server + 1, names.group), "msExchExchangeServer",
                     "legacyExchangeDN: " + names.legacy_server(server))
    yield record("CN=Databases," + names.group, "container")
    for database in range(names.databases):
        yield record(names.database(database), "msExchPrivateMDB")


def units(names, samba):
    """The domain and its organizational units."""
    base = names.args.base
    if not samba:
        yield ["dn: " + base, "objectClass: domainDNS", "dc: " + names.domain.split(".")[0]]
    if names.args.flavor == "slapd":
        # slapd obeys its access rules for this account, and not for its root.
        yield ["dn: cn=tool," + base, "objectClass: applicationProcess", "objectClass: simpleSecurityObject", "cn: tool",
               "userPassword: lab"]
    yield ["dn: OU=Lab," + base, "objectClass: organizationalUnit", "ou: Lab"]
    for unit in range(-(-names.args.users // names.args.ou_size)):
        yield ["dn: OU=P%03d,OU=Lab,%s" % (unit, base), "objectClass: organizationalUnit", "ou: P%03d" % unit]


def user_record(names, user, kind, samba):
    """A user without its links."""
    args, account, common, domain = names.args, names.account(user), names.common(user), names.domain
    lines = [line("dn", names.dn(user)), "objectClass: user", line("cn", common), "sAMAccountName: " + account,
             "userPrincipalName: %s@%s" % (account, domain), line("displayName", common.strip()),
             # 544 is an enabled account that needs no password, 546 the same disabled.
             "userAccountControl: %d" % (546 if kind == ACCTDISABLED else 544)]
    if not samba:
        lines += [line("objectGUID", names.guid(b"o", user)),
                  line("objectSid", b"\1\5\0\0\0\0\0\5" + struct.pack("<5I", 21, 1001, 2002, 3003, 1000 + user)),
                  "objectCategory: CN=Person,CN=Schema," + names.configuration,
                  "uSNChanged: %d" % (10000 + user), "uSNCreated: %d" % (10000 + user),
                  "whenChanged: 20260101000000.0Z", "whenCreated: 20260101000000.0Z"]
    if kind == DISABLED:
        return lines
    lines += ["mail: %s@%s" % (account, domain), "mailNickname: " + account,
              "proxyAddresses: SMTP:%s@%s" % (account, domain), "proxyAddresses: smtp:%s.alias@%s" % (account, domain),
              "msExchVersion: 1126140425011200"]
    if kind != NOLEGACY:
        lines.append("legacyExchangeDN: %s/cn=Recipients/cn=%s-%s" % (names.legacy_group, names.guid(b"l", user).hex(), account))
    if kind == MAILUSER:
        return lines + ["targetAddress: SMTP:%s@partner.example" % account, "msExchRecipientTypeDetails: 128",
                        "msExchRecipientDisplayType: 6"]
    if kind != NOGUID:
        lines.append(line("msExchMailboxGuid", names.guid(b"m", user)))
    if kind == REMOTE:
        return lines + ["targetAddress: SMTP:%s@contoso.mail.onmicrosoft.example" % account, "msExchRemoteRecipientType: 4",
                        "msExchRecipientTypeDetails: 2147483648", "msExchRecipientDisplayType: -2147483642"]
    # A user, or of a disabled account a shared mailbox, a room or a piece of equipment.
    details, display = ((4, 0), (16, 7), (32, 8))[user % 3] if kind == ACCTDISABLED else (1, 1073741824)
    lines += ["msExchRecipientTypeDetails: %d" % details, "msExchRecipientDisplayType: %d" % display]
    database = user // args.users_per_db
    if kind != NOHOME:
        if not args.no_homemdb:
            lines.append("homeMDB: " + names.database(database))
        lines.append("msExchHomeServerName: " + names.legacy_server(database % names.servers))
    if kind == HIDDEN:
        lines.append("msExchHideFromAddressLists: TRUE")
    if user % 5 == 0:
        lines += [line("msExchArchiveGUID", names.guid(b"a", user)), line("msExchArchiveName", "Archive - " + common.strip()),
                  "msExchArchiveDatabaseLink: " + names.database(database)]
    return lines


def write_directory(args, names, links):
    samba = args.flavor == "samba"
    path = lambda name: os.path.join(args.out, name)
    if samba:
        files = {name: Plain(path(name + ".ldif")) for name in ("org", "users", "links")}
        org_file, user_file = files["org"], files["users"]
    else:
        org_file = user_file = (Ldifde if args.flavor == "ldifde" else Plain)(path("all.ldif"))
        files = {"all": user_file}
        back_first, back_owners = links.reversed()
    for record in units(names, samba):
        user_file.record(record)
    for record in organization(names, samba):
        org_file.record(record)
    for user in range(args.users):
        record = user_record(names, user, links.kind[user], samba)
        forward = [line("msExchDelegateListLink", names.dn(delegate)) for delegate in links.of(user)]
        if not samba:
            record += forward
            record += [line("msExchDelegateListBL", names.dn(owner))
                       for owner in back_owners[back_first[user]:back_first[user + 1]]]
        elif forward:
            files["links"].record([line("dn", names.dn(user)), "changetype: modify", "add: msExchDelegateListLink", *forward, "-"])
        user_file.record(record)
    for file in files.values():
        file.close()


def counts_of(args, links):
    back = array("I", bytes(4 * args.users))
    affected = bytearray(args.users)
    kinds = collections.Counter()
    for owner in links.owners():
        kinds[KINDS[links.kind[owner]]] += 1
        stale = links.is_stale(owner)
        for delegate in links.of(owner):
            back[delegate] += 1
            if stale:
                affected[delegate] = 1
    return {
        "users": args.users,
        "links": args.delegations, "staleLinks": args.stale, "healthyLinks": args.delegations - args.stale,
        "owners": kinds.total(), "staleOwners": sum(kinds[kind] for kind in STALE),
        "delegates": sum(map(bool, back)), "affectedDelegates": sum(affected),
        "staleOwnersByKind": {kind: kinds[kind] for kind in sorted(STALE)},
        "nearStaleOwnersByKind": {kind: kinds[kind] for kind in sorted(NEAR)},
        "maxBackLinks": max(back), "maxForwardLinks": max(len(links.of(owner)) for owner in range(args.users)),
    }


def write_truth(args, names, links):
    """Writes truth.json item by item, as its lists grow with the directory."""
    def pairs(stale):
        return ((owner, delegate) for owner in links.owners() if links.is_stale(owner) == stale for delegate in links.of(owner))

    lists = {
        "staleOwners": ({"dn": names.dn(owner), "sam": names.account(owner), "kind": KINDS[links.kind[owner]],
                         "links": len(links.of(owner))} for owner in links.owners() if links.is_stale(owner)),
        "staleLinks": ({"owner": names.dn(owner), "delegate": names.dn(delegate), "ownerSam": names.account(owner),
                        "delegateSam": names.account(delegate), "kind": KINDS[links.kind[owner]]} for owner, delegate in pairs(True)),
    }
    if args.truth_all:
        lists["healthyLinks"] = ({"ownerSam": names.account(owner), "delegateSam": names.account(delegate)}
                                 for owner, delegate in pairs(False))
    arguments = {name: value for name, value in sorted(vars(args).items()) if name != "out"}
    with open(os.path.join(args.out, "truth.json"), "w", encoding="ascii") as file:
        file.write('{"args": %s,\n "counts": %s' % (json.dumps(arguments), json.dumps(counts_of(args, links))))
        for name, items in lists.items():
            file.write(',\n "%s": [' % name)
            for number, item in enumerate(items):
                file.write((",\n  " if number else "\n  ") + json.dumps(item))
            file.write("]")
        file.write("}\n")


def main():
    args = arguments()
    os.makedirs(args.out, exist_ok=True)
    links = Links(args)
    names = Names(args)
    write_directory(args, names, links)
    write_truth(args, names, links)


if __name__ == "__main__":
    main()
