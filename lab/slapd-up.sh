#!/bin/bash
# OpenLDAP's slapd on free ports of the loopback, with Exchange's schema: the directory for sizes that
# Samba cannot reach. Needs no root.
#
#   slapd-up.sh [LDIF]   loads what `seed.py --flavor slapd` wrote as all.ldif, and starts slapd
#   slapd-up.sh stop     ends it; down.sh does so too
#
# Prints the variables with which tests find it, and keeps them in $LAB_ROOT/slapd.env. Without LDIF
# it starts on what was loaded last. An LDIF that is loaded already is not loaded again, unless
# LAB_FRESH=1. LAB_SLAPD_NAME (slapd, or slapd-SOMETHING) names one of several that run side by side;
# LAB_SLAPD_BASE is the suffix.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=common.sh
. "$here/common.sh"

name=${LAB_SLAPD_NAME:-slapd}
[[ $name =~ ^slapd(-[a-z0-9]+)?$ ]] || die "LAB_SLAPD_NAME is slapd, or slapd-SOMETHING"
base=${LAB_SLAPD_BASE:-DC=contoso,DC=test}
dir=$LAB_ROOT/$name
root_password=lab
daemon=/usr/sbin/slapd
ldif=${1:-}

lock_lab
if [ "$ldif" = stop ]; then
  stop_server "$name"
  exit
fi
"$LAB_DIR/packages.sh" slapd

write_configuration() {
  local maxsize=$1 domain
  domain=$(sed 's/[Dd][Cc]=//g; s/,/./g' <<< "$base")
  mkdir -p "$dir"
  cp "$LAB_DIR/slapd/exchange.schema" "$dir/"
  cat > "$dir/rootdse.ldif" <<RECORD
dn:
defaultNamingContext: $base
rootDomainNamingContext: $base
configurationNamingContext: CN=Configuration,$base
schemaNamingContext: CN=Schema,CN=Configuration,$base
dnsHostName: slapd.$domain
highestCommittedUSN: 99999999
isGlobalCatalogReady: TRUE
RECORD
  make_certificate "$dir/tls" "slapd.$domain" 127.0.0.1
  sed -e "s#@DIR@#$dir#g; s#@BASE@#$base#g; s#@ROOT_PASSWORD@#$root_password#; s#@MAXSIZE@#$maxsize#" \
    "$LAB_DIR/slapd/slapd.conf.in" > "$dir/slapd.conf"
}

load() {
  local began=$EPOCHREALTIME size
  stop_server "$name"
  rm -rf "$dir"
  # A loaded database is about three times as large as its LDIF. The file is sparse.
  size=$(stat -L -c %s -- "$ldif")
  write_configuration $((size * 8 + (1 << 30)))
  mkdir "$dir/db"
  "$daemon" -T add -q -f "$dir/slapd.conf" -l "$ldif" 9>&- || die "slapadd refused $ldif"
  [ ! -f "$truth" ] || cp -- "$truth" "$dir/truth.json"
  echo "$key" > "$dir/ready"
  say "loaded $ldif: $(since "$began")"
}

answers_or_died() {
  is_gone "$name" || ldapsearch -x -LLL -H "ldap://127.0.0.1:$port" -o nettimeout=2 -s base -b "" defaultNamingContext 2>/dev/null |
    grep -q "^defaultNamingContext"
}

start() {
  local began=$EPOCHREALTIME tls_port
  # The system gives two ports that are free now.
  read -r port tls_port < <(python3 -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(s.getsockname()[1] for s in sockets))')
  # slapd prepares a slot for every descriptor it may open, and some systems allow a thousand million.
  ulimit -n 4096 2>/dev/null || true
  start_server "$name" "$dir/log" "$daemon" -d 0 -f "$dir/slapd.conf" \
    -h "ldap://127.0.0.1:$port/ ldaps://127.0.0.1:$tls_port/ ldapi://${dir//\//%2F}%2Fldapi"
  if ! until_true 60 answers_or_died || is_gone "$name"; then
    tail -n 8 "$dir/log" >&2
    die "$name did not start"
  fi
  say "$name answers: $(since "$began")"
  local truth_pair=()
  [ ! -f "$dir/truth.json" ] || truth_pair=("LAB_TRUTH=$dir/truth.json")
  publish "$name" "${truth_pair[@]}" \
    "LAB_URL=ldap://127.0.0.1:$port" \
    "LAB_LDAPS_URL=ldaps://127.0.0.1:$tls_port" \
    "LAB_LDAPI_URL=ldapi://${dir//\//%2F}%2Fldapi" \
    "LAB_CA=$dir/tls/ca.pem" \
    "LAB_BASE=$base" \
    "LAB_TOOL=cn=tool,$base" \
    "LAB_TOOL_PASSWORD=lab" \
    "LAB_ROOT_DN=cn=admin,$base" \
    "LAB_ROOT_PASSWORD=$root_password" > /dev/null
}

if [ -n "$ldif" ]; then
  [ -f "$ldif" ] || die "$ldif is not a file"
  # seed.py writes it beside the LDIF.
  truth=$(dirname -- "$ldif")/truth.json
  key=$({ echo "$base"; cat "$LAB_DIR/slapd/"* -- "$ldif"; [ ! -f "$truth" ] || cat -- "$truth"; } | sha256sum | cut -c1-16)
  if [ "${LAB_FRESH:-0}" = 1 ] || [ "$(cat "$dir/ready" 2>/dev/null)" != "$key" ]; then
    load
  fi
fi
[ -f "$dir/ready" ] || die "nothing is loaded yet: name an LDIF file"
if is_gone "$name" || [ ! -f "$LAB_ROOT/$name.env" ]; then
  stop_server "$name"
  start
fi
cat "$LAB_ROOT/$name.env"
