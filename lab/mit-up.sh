#!/bin/bash
# A key distribution centre of MIT Kerberos on a free port of the loopback, with two realms that trust
# each other: MIT.TEST, whose users and services the tests know, and OTHER.TEST. Needs no root.
#
#   mit-up.sh         makes the realms and starts the centre
#   mit-up.sh stop    ends it; down.sh does so too
#
# Prints the variables with which tests find it, and keeps them in $LAB_ROOT/mit.env. Realms that are
# made already stay, unless LAB_FRESH=1 or this script has changed.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=common.sh
. "$here/common.sh"

name=mit
dir=$LAB_ROOT/$name
password=Wint3r-Regen-7
# The encryption types that automend speaks, as hosts and users are called that have a key of one alone.
declare -A encryption=(
  [aes256-sha1]=aes256-cts-hmac-sha1-96
  [aes128-sha1]=aes128-cts-hmac-sha1-96
  [aes256-sha2]=aes256-cts-hmac-sha384-192
  [aes128-sha2]=aes128-cts-hmac-sha256-128
  [rc4]=arcfour-hmac
)

lock_lab
if [ "${1:-}" = stop ]; then
  stop_server "$name"
  exit
fi
"$LAB_DIR/packages.sh" mit
export KRB5_CONFIG=$dir/krb5.conf KRB5_KDC_PROFILE=$dir/kdc.conf

write_configuration() {
  local port=$1
  mkdir -p "$dir"
  # Host names are taken as they are, and nothing is asked of DNS.
  cat > "$KRB5_CONFIG" <<CONF
[libdefaults]
  default_realm = MIT.TEST
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  # Newer releases have RC4 only where it is asked for.
  allow_rc4 = true
  permitted_enctypes = $(for short in aes256-sha1 aes128-sha1 aes256-sha2 aes128-sha2 rc4; do
    printf '%s ' "${encryption[$short]}"
  done)
[realms]
  MIT.TEST = {
    kdc = 127.0.0.1:$port
  }
  OTHER.TEST = {
    kdc = 127.0.0.1:$port
  }
[domain_realm]
  .mit.test = MIT.TEST
  .other.test = OTHER.TEST
CONF
  cat > "$KRB5_KDC_PROFILE" <<CONF
[kdcdefaults]
  kdc_listen = 127.0.0.1:$port
  kdc_tcp_listen = 127.0.0.1:$port
[realms]
$(for realm in MIT.TEST OTHER.TEST; do
    cat <<REALM
  $realm = {
    database_name = $dir/$realm/principal
    key_stash_file = $dir/$realm/stash
    acl_file = $dir/$realm/acl
    max_life = 10h
    supported_enctypes = ${encryption[aes256-sha1]}:normal ${encryption[aes128-sha1]}:normal ${encryption[aes256-sha2]}:normal ${encryption[aes128-sha2]}:normal
  }
REALM
  done)
[logging]
  kdc = FILE:$dir/kdc.log
  default = FILE:$dir/kdc.log
CONF
}

# kadmin REALM QUERY...: one change of a realm's database.
kadmin() {
  local realm=$1
  shift
  kadmin.local -r "$realm" "$@" 9>&- > /dev/null || die "kadmin.local refused: $*"
}

make_realms() {
  local realm short
  for realm in MIT.TEST OTHER.TEST; do
    mkdir -p "$dir/$realm"
    kdb5_util -r "$realm" create -s -P master 9>&- > /dev/null
    # A key of one realm at the other is what their trust is.
    kadmin "$realm" addprinc -pw trust "krbtgt/MIT.TEST@OTHER.TEST"
    kadmin "$realm" addprinc +requires_preauth -pw "$password" alice
  done
  # alice must prove herself before she gets a ticket, bob need not.
  kadmin MIT.TEST addprinc -pw "$password" bob
  # What an account can be, besides open.
  kadmin MIT.TEST addprinc +requires_preauth -pw "$password" closed
  kadmin MIT.TEST addprinc +requires_preauth -pw "$password" stranger
  kadmin MIT.TEST addprinc +requires_preauth -allow_tix -pw "$password" locked
  kadmin MIT.TEST addprinc +requires_preauth -pwexpire yesterday -pw "$password" stale
  kadmin MIT.TEST addprinc +requires_preauth -expire yesterday -pw "$password" gone
  # Salts that do not follow from the name.
  kadmin MIT.TEST addprinc +requires_preauth -e "${encryption[aes256-sha1]}:norealm" -pw "$password" salt-norealm
  kadmin MIT.TEST addprinc +requires_preauth -e "${encryption[aes128-sha2]}:special" -pw "$password" salt-special
  kadmin MIT.TEST addprinc -e "${encryption[aes256-sha2]}:onlyrealm" -pw "$password" salt-onlyrealm
  for short in "${!encryption[@]}"; do
    kadmin MIT.TEST addprinc +requires_preauth -e "${encryption[$short]}:normal" -pw "$password" "user-$short"
    kadmin MIT.TEST addprinc -e "${encryption[$short]}:normal" -randkey "HTTP/$short.mit.test"
    kadmin MIT.TEST setstr "HTTP/$short.mit.test" session_enctypes "${encryption[$short]}"
    kadmin MIT.TEST ktadd -norandkey -k "$dir/web.keytab" "HTTP/$short.mit.test"
  done
  kadmin MIT.TEST addprinc -randkey HTTP/mail.mit.test
  kadmin MIT.TEST ktadd -norandkey -k "$dir/web.keytab" HTTP/mail.mit.test
  # The key in its tickets is of another type than its own.
  kadmin MIT.TEST addprinc -e "${encryption[aes256-sha1]}:normal" -randkey HTTP/mixed.mit.test
  kadmin MIT.TEST setstr HTTP/mixed.mit.test session_enctypes "${encryption[aes128-sha2]}"
  kadmin MIT.TEST ktadd -norandkey -k "$dir/web.keytab" HTTP/mixed.mit.test
  # A user whose password a test changes, a service of somebody else's, and one whose keys a test changes.
  kadmin MIT.TEST addprinc +requires_preauth -pw "$password" letters
  kadmin MIT.TEST addprinc -randkey HTTP/elsewhere.mit.test
  kadmin MIT.TEST addprinc -randkey HTTP/changing.mit.test
  kadmin MIT.TEST ktadd -norandkey -k "$dir/alice.keytab" alice
  make_certificate "$dir/tls" mail.mit.test 127.0.0.1 "$dir/tls" "DNS:*.mit.test"
}

answers_or_died() {
  is_gone "$name" || (exec 3<> "/dev/tcp/127.0.0.1/$port") 2>/dev/null
}

start() {
  local began=$EPOCHREALTIME
  # Free for TCP and for UDP.
  port=$(python3 -c '
import socket
while True:
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        try:
            udp.bind(tcp.getsockname())
        except OSError:
            continue
        print(tcp.getsockname()[1])
        break')
  write_configuration "$port"
  [ -f "$dir/ready" ] || make_realms
  echo "$key" > "$dir/ready"
  start_server "$name" "$dir/log" krb5kdc -n -r MIT.TEST -r OTHER.TEST -P "$dir/pid"
  if ! until_true 60 answers_or_died || is_gone "$name"; then
    tail -n 8 "$dir/log" "$dir/kdc.log" >&2
    die "$name did not start"
  fi
  say "$name answers: $(since "$began")"
  publish "$name" \
    "KRB5_CONFIG=$KRB5_CONFIG" \
    "KRB5_KDC_PROFILE=$KRB5_KDC_PROFILE" \
    "LAB_KDC=127.0.0.1:$port" \
    "LAB_KEYTAB=$dir/web.keytab" \
    "LAB_USER_KEYTAB=$dir/alice.keytab" \
    "LAB_CA=$dir/tls/ca.pem" \
    "LAB_CERT=$dir/tls/cert.pem" \
    "LAB_KEY=$dir/tls/key.pem" \
    "LAB_USER_PASSWORD=$password" > /dev/null
}

# Debian puts the daemons where a user's PATH does not look.
PATH=$PATH:/usr/sbin
key=$(sha256sum < "$LAB_DIR/mit-up.sh" | cut -c1-16)
if [ "${LAB_FRESH:-0}" = 1 ] || [ "$(cat "$dir/ready" 2>/dev/null)" != "$key" ]; then
  stop_server "$name"
  rm -rf "$dir"
fi
if is_gone "$name" || [ ! -f "$LAB_ROOT/$name.env" ]; then
  stop_server "$name"
  start
fi
cat "$LAB_ROOT/$name.env"
