# shellcheck shell=bash
# How a Samba domain controller is made, started and kept in the cache. Sourced by samba-up.sh and
# samba2-up.sh.

# Debian's own Python, as python3-samba is built for it, whatever other Python comes first on PATH.
PYTHON=/usr/bin/python3
REALM=CONTOSO.TEST
DOMAIN=CONTOSO
DNS_DOMAIN=${REALM,,}
BASE=DC=contoso,DC=test
ADMIN_PASSWORD=Lab-Passw0rd-1
export LAB_AUDIT_PASSWORD=Lab-Passw0rd-2 LAB_REPAIR_PASSWORD=Lab-Passw0rd-3 LAB_BLIND_PASSWORD=Lab-Passw0rd-4
# `no` also accepts a simple bind over plain LDAP; `yes` also refuses GSSAPI over TLS.
LAB_STRONG_AUTH=${LAB_STRONG_AUTH:-allow_sasl_over_tls}
# 1 switches the recycle bin on in a new domain, which cannot be undone.
LAB_RECYCLE_BIN=${LAB_RECYCLE_BIN:-0}

offline() { "$PYTHON" "$LAB_DIR/samba/offline.py" "$@"; }

# write_smb_conf DIR HOST INTERFACES
#
# The update commands do nothing, as they would run samba-tool in the background for minutes. No DNS
# forwarder is named: with one, an unknown name would take until a time-out. Without the schema
# option, Samba refuses every change to its schema. A write is not flushed to the disk.
write_smb_conf() {
  local dir=$1 host=$2 interfaces=$3
  mkdir -p "$dir"/{etc,private,state,cache,run,ncalrpc,bind-dns,winbindd,ntp_signd}
  # Samba refuses to start when others may enter this one.
  chmod 0750 "$dir/ntp_signd"
  cat > "$dir/etc/smb.conf" <<CONF
[global]
	netbios name = ${host^^}
	realm = $REALM
	workgroup = $DOMAIN
	server role = active directory domain controller
	interfaces = $interfaces
	bind interfaces only = yes
	disable netbios = yes
	server services = rpc, ldap, cldap, kdc, drepl, kcc, dns
	dns update command = /bin/true
	spn update command = /bin/true
	gpo update command = /bin/true
	dsdb:schema update allowed = yes
	dreplsrv:notify_interval = 1
	ldb:nosync = yes
	ldap server require strong auth = $LAB_STRONG_AUTH
	tls keyfile = $dir/tls/key.pem
	tls certfile = $dir/tls/cert.pem
	tls cafile = $dir/tls/ca.pem
	private dir = $dir/private
	lock directory = $dir
	state directory = $dir/state
	cache directory = $dir/cache
	pid directory = $dir/run
	ncalrpc dir = $dir/ncalrpc
	binddns dir = $dir/bind-dns
	ntp signd socket directory = $dir/ntp_signd
	winbindd socket directory = $dir/winbindd
	log file = $dir/log.samba
	logging = file
	log level = 1
	max log size = 0
	load printers = no
	printcap name = /dev/null
[sysvol]
	path = $dir/state/sysvol
	read only = no
[netlogon]
	path = $dir/state/sysvol/$DNS_DOMAIN/scripts
	read only = no
CONF
}

# write_krb5_conf FILE KDC...
write_krb5_conf() {
  local file=$1
  shift
  {
    printf '[libdefaults]\n default_realm = %s\n dns_lookup_realm = false\n dns_lookup_kdc = false\n' "$REALM"
    printf ' dns_canonicalize_hostname = false\n rdns = false\n[realms]\n %s = {\n' "$REALM"
    printf '  kdc = %s\n' "$@"
    printf ' }\n[domain_realm]\n .%s = %s\n %s = %s\n' "$DNS_DOMAIN" "$REALM" "$DNS_DOMAIN" "$REALM"
  } > "$file"
}

# make_domain DIR ADDRESS INTERFACES SEED: a new forest with the Exchange schema, the accounts and
# the seed's objects.
make_domain() {
  local dir=$1 address=$2 interfaces=$3 seed=$4
  rm -rf "$dir"
  mkdir -p "$dir"
  run_logged "making the domain" "$dir/provision.log" "$PYTHON" /usr/bin/samba-tool domain provision \
    --realm="$REALM" --domain="$DOMAIN" --host-name=dc1 --host-ip="$address" --adminpass="$ADMIN_PASSWORD" \
    --server-role=dc --dns-backend=SAMBA_INTERNAL --targetdir="$dir" \
    --option="interfaces=lo" --option="bind interfaces only=yes" --option="ldb:nosync=true"
  write_smb_conf "$dir" dc1 "$interfaces"
  run_logged "adding Exchange's schema" "$dir/schema.log" offline schema "$dir/etc/smb.conf" "$LAB_DIR/exchange-schema.ldif"
  # Without this the names of the service are missing, and Kerberos finds no server.
  run_logged "adding service names" "$dir/spn.log" samba_spnupdate -s "$dir/etc/smb.conf"
  local ou=$BASE
  if [ -n "$seed" ]; then
    run_logged "loading the seed" "$dir/load.log" offline load "$dir/etc/smb.conf" "$seed"/{org,users,links}.ldif
    ou=OU=Lab,$BASE
  fi
  run_logged "making the accounts" "$dir/accounts.log" offline accounts "$dir/etc/smb.conf" "$ou"
  if [ "$LAB_RECYCLE_BIN" = 1 ]; then
    run_logged "switching the recycle bin on" "$dir/recycle-bin.log" offline recycle-bin "$dir/etc/smb.conf"
  fi
  make_certificate "$dir/tls" "dc1.$DNS_DOMAIN" "$address"
}

# seed_directory [DIR]: the whole path of a directory that seed.py wrote, or nothing.
seed_directory() {
  [ -n "${1:-}" ] || return 0
  local file
  for file in org.ldif users.ldif links.ldif truth.json; do
    [ -f "$1/$file" ] || die "$1 is no directory that seed.py --flavor samba wrote: $file is missing"
  done
  (cd -- "$1" && pwd)
}

# state_key SEED [WORD...]: one word for everything that a prepared state depends on.
state_key() {
  local seed=$1
  {
    dpkg-query -W -f '${Version}' samba
    echo "$LAB_RECYCLE_BIN" "$@"
    cat "$LAB_DIR/exchange-schema.ldif" "$LAB_DIR/samba/offline.py" "$LAB_DIR/samba/dc.sh"
    [ -z "$seed" ] || cat "$seed"/{org,users,links}.ldif "$seed/truth.json"
  } | sha256sum | cut -c1-16
}

# to_cache KIND KEY DIR NAME...: keeps the directories NAME below DIR, and of each kind the three
# states that were used last.
to_cache() {
  local kind=$1 dir=$3 file=$LAB_ROOT/cache/$1-$2.tar
  shift 3
  tar -C "$dir" --sparse --warning=no-file-ignored --exclude=log.samba --exclude=out.log -cf "$file.new" "$@"
  mv "$file.new" "$file"
  # The names hold no blanks: a kind and a hash.
  # shellcheck disable=SC2012
  ls -t "$LAB_ROOT/cache/$kind"-*.tar | tail -n +4 | xargs -r rm --
}

# from_cache KIND KEY DIR: false when the cache has no such state.
from_cache() {
  local file=$LAB_ROOT/cache/$1-$2.tar dir=$3 began=$EPOCHREALTIME
  [ -s "$file" ] || return 1
  mkdir -p "$dir"
  tar -C "$dir" --sparse --warning=no-file-ignored -xf "$file"
  touch "$file"
  say "restored from the cache: $(since "$began")"
}

# start_dc NAME DIR NAMESPACE ADDRESS: a controller that runs with another configuration than the one
# that was written last is started anew.
start_dc() {
  local name=$1 dir=$2 namespace=$3 address=$4 began=$EPOCHREALTIME
  if is_running "$name"; then
    ! cmp -s "$dir/etc/smb.conf" "$dir/etc/smb.conf.started" || return 0
    stop_server "$name"
  fi
  cp "$dir/etc/smb.conf" "$dir/etc/smb.conf.started"
  rm -f "$dir/run/samba.pid"
  start_server "$name" "$dir/out.log" ip netns exec "$namespace" /usr/sbin/samba -F -M standard -s "$dir/etc/smb.conf"
  if ! until_true 60 answers_or_died "$name" "$namespace" "$address" || is_gone "$name"; then
    tail -n 8 "$dir/log.samba" "$dir/out.log" >&2
    die "$name did not start"
  fi
  say "$name answers: $(since "$began")"
}

answers_or_died() {
  is_gone "$1" || ip netns exec "$2" ldapsearch -x -LLL -H "ldap://$3" -o nettimeout=2 -s base -b "" defaultNamingContext 2>/dev/null |
    grep -q "^defaultNamingContext"
}

# published_accounts DIR: the variables that both laboratories publish, and DIR's truth.json if the
# seed came with one.
published_accounts() {
  [ ! -e "$1/truth.json" ] || echo "LAB_TRUTH=$1/truth.json"
  echo "LAB_BASE=$BASE"
  echo "LAB_REALM=$REALM"
  echo "LAB_ADMIN=administrator@$DNS_DOMAIN"
  echo "LAB_ADMIN_PASSWORD=$ADMIN_PASSWORD"
  echo "LAB_AUDIT=audit@$DNS_DOMAIN"
  echo "LAB_AUDIT_PASSWORD=$LAB_AUDIT_PASSWORD"
  echo "LAB_REPAIR=repair@$DNS_DOMAIN"
  echo "LAB_REPAIR_PASSWORD=$LAB_REPAIR_PASSWORD"
  echo "LAB_BLIND=blind@$DNS_DOMAIN"
  echo "LAB_BLIND_PASSWORD=$LAB_BLIND_PASSWORD"
}
