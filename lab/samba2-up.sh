#!/bin/bash
# Two Samba domain controllers of one domain that replicate, each in a network namespace of its own
# on a bridge that stands in a namespace too, so that the host's network is never touched.
#
#   samba2-up.sh [up [SEED-DIR]]   starts both, prints their variables, keeps them in $LAB_ROOT/samba2.env
#   samba2-up.sh cut               pulls dc2's cable: from then on the two cannot hear each other
#   samba2-up.sh heal              plugs it in again, and replicates both ways
#   samba2-up.sh sync              replicates both ways now
#   samba2-up.sh show              what each says of its replication
#
# A client stands in the namespace LAB_NETNS. While dc2 is cut off it is reached only from inside its
# own namespace, LAB_DC2_NETNS. LAB_FRESH=1 puts both back to their first state.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=common.sh
. "$here/common.sh"
# shellcheck source=samba/dc.sh
. "$here/samba/dc.sh"

state=$LAB_ROOT/samba2
prefix=automend2-$LAB_ID
net=10.99.0
command=${1:-up}

# samba-tool speaks to both controllers from the client's namespace.
drs() {
  KRB5_CONFIG=$state/krb5.conf ip netns exec "$prefix-cli" samba-tool drs "$@" \
    -U "$DOMAIN\\administrator%$ADMIN_PASSWORD" --configfile="$state/dc1/etc/smb.conf"
}
replicate() {
  local context
  for context in "$BASE" "CN=Configuration,$BASE"; do
    drs replicate "dc2.$DNS_DOMAIN" "dc1.$DNS_DOMAIN" "$context" || return 1
    drs replicate "dc1.$DNS_DOMAIN" "dc2.$DNS_DOMAIN" "$context" || return 1
  done > "$state/replicate.log" 2>&1
}
# The consistency checker makes the connection between the two at its next round, after minutes; it
# can be asked to make it now.
connect_and_replicate() {
  drs kcc "dc1.$DNS_DOMAIN" && drs kcc "dc2.$DNS_DOMAIN"
  replicate
} >> "$state/kcc.log" 2>&1
must_replicate() {
  local began=$EPOCHREALTIME
  until_true 60 "$@" || { tail -n 8 "$state/replicate.log" >&2; die "the two controllers do not replicate"; }
  say "replicated both ways: $(since "$began")"
}
both_run() { is_running samba2-dc1 && is_running samba2-dc2; }
plug() { ip -n "$prefix-br" link set p-dc2 "$1"; }

need_root "a pair of domain controllers"
case $command in
  up) ;;
  cut | heal | sync | show)
    both_run || die "the two controllers do not run: samba2-up.sh"
    case $command in
      cut)  plug down; say "dc2 is cut off" ;;
      heal) plug up; must_replicate replicate ;;
      sync) must_replicate replicate ;;
      show) for dc in dc1 dc2; do echo "$dc: $(drs showrepl "$dc.$DNS_DOMAIN" --summary)"; done ;;
    esac
    exit ;;
  *) die "unknown word $command: up, cut, heal, sync or show" ;;
esac

lock_lab
"$LAB_DIR/packages.sh" samba
seed=$(seed_directory "${2:-}")
key=$(state_key "$seed" double "$(sha256sum < "${BASH_SOURCE[0]}")")

# --- the network: three namespaces plugged into the bridge of a fourth --------------------------------
own_namespace "$prefix-br"
ip -n "$prefix-br" link show br0 > /dev/null 2>&1 || ip -n "$prefix-br" link add br0 type bridge
ip -n "$prefix-br" link set br0 up
connect() {
  local host=$1 number=$2 other=$3
  own_namespace "$prefix-$host"
  if ! ip -n "$prefix-$host" link show eth0 > /dev/null 2>&1; then
    ip link add eth0 netns "$prefix-$host" type veth peer name "p-$host" netns "$prefix-br"
    ip -n "$prefix-$host" addr add "$net.$number/24" dev eth0
  fi
  ip -n "$prefix-$host" link set eth0 up
  ip -n "$prefix-br" link set "p-$host" master br0 up
  printf '127.0.0.1 localhost\n%s.11 dc1.%s dc1\n%s.12 dc2.%s dc2\n' "$net" "$DNS_DOMAIN" "$net" "$DNS_DOMAIN" \
    > "/etc/netns/$prefix-$host/hosts"
  printf 'search %s\nnameserver %s\nnameserver %s\noptions timeout:1 attempts:1\n' "$DNS_DOMAIN" \
    "$net.$((other == 11 ? 12 : 11))" "$net.$other" > "/etc/netns/$prefix-$host/resolv.conf"
}
connect dc1 11 12
connect dc2 12 11
connect cli 13 12

write_configurations() {
  write_smb_conf "$state/dc1" dc1 "lo $net.11/24"
  write_smb_conf "$state/dc2" dc2 "lo $net.12/24"
  write_krb5_conf "$state/krb5.conf" "$net.11" "$net.12"
}
start_both() {
  start_dc samba2-dc1 "$state/dc1" "$prefix-dc1" "$net.11"
  start_dc samba2-dc2 "$state/dc2" "$prefix-dc2" "$net.12"
}
stop_both() {
  stop_server samba2-dc2
  stop_server samba2-dc1
}
make_pair() {
  make_domain "$state/dc1" "$net.11" "lo $net.11/24" "$seed"
  write_configurations
  make_certificate "$state/dc2/tls" "dc2.$DNS_DOMAIN" "$net.12" "$state/dc1/tls"
  start_dc samba2-dc1 "$state/dc1" "$prefix-dc1" "$net.11"
  run_logged "joining dc2" "$state/join.log" env KRB5_CONFIG="$state/krb5.conf" ip netns exec "$prefix-dc2" \
    samba-tool domain join "$DNS_DOMAIN" DC --server="dc1.$DNS_DOMAIN" -U "$DOMAIN\\administrator%$ADMIN_PASSWORD" \
    --realm="$REALM" --dns-backend=SAMBA_INTERNAL --configfile="$state/dc2/etc/smb.conf"
  # The join may write its own configuration over ours.
  write_configurations
  start_both
  run_logged "adding dc2's service names" "$state/spn.log" ip netns exec "$prefix-dc2" samba_spnupdate -s "$state/dc2/etc/smb.conf"
  local dc
  for dc in dc1 dc2; do
    run_logged "adding $dc's SRV records" "$state/$dc.dns.log" ip netns exec "$prefix-$dc" \
      samba_dnsupdate --use-samba-tool --configfile="$state/$dc/etc/smb.conf"
  done
  must_replicate connect_and_replicate
  stop_both
}

if [ "${LAB_FRESH:-0}" = 1 ] || [ "$(cat "$state/ready" 2>/dev/null)" != "$key" ]; then
  stop_both
  rm -rf "$state"
  mkdir -p "$state"
  if ! from_cache samba2 "$key" "$state"; then
    make_pair
    [ -z "$seed" ] || cp "$seed/truth.json" "$state/"
    to_cache samba2 "$key" "$state" .
  fi
  echo "$key" > "$state/ready"
fi
write_configurations
start_both
must_replicate replicate

mapfile -t accounts < <(published_accounts "$state")
publish samba2 \
  "LAB_NETNS=$prefix-cli" \
  "LAB_DC1_NETNS=$prefix-dc1" \
  "LAB_DC2_NETNS=$prefix-dc2" \
  "LAB_DC1_URL=ldap://dc1.$DNS_DOMAIN" \
  "LAB_DC2_URL=ldap://dc2.$DNS_DOMAIN" \
  "LAB_DC1_LDAPS_URL=ldaps://dc1.$DNS_DOMAIN" \
  "LAB_DC2_LDAPS_URL=ldaps://dc2.$DNS_DOMAIN" \
  "LAB_DC1_ADDRESS=$net.11" \
  "LAB_DC2_ADDRESS=$net.12" \
  "LAB_CA=$state/dc1/tls/ca.pem" \
  "${accounts[@]}" \
  "KRB5_CONFIG=$state/krb5.conf"
