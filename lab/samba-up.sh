#!/bin/bash
# One Samba domain controller with Exchange's schema, alone in a network namespace of its own.
#
#   samba-up.sh [SEED-DIR]     SEED-DIR is what `seed.py --flavor samba` wrote
#
# Prints the variables with which tests find it, and keeps them in $LAB_ROOT/samba.env.
# A controller that already runs on the same seed is left as it is, with all that tests have changed;
# with LAB_FRESH=1 it is put back to its first state. LAB_ROOT, LAB_STRONG_AUTH, LAB_RECYCLE_BIN:
# see README.md.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=common.sh
. "$here/common.sh"
# shellcheck source=samba/dc.sh
. "$here/samba/dc.sh"

need_root "a domain controller"
lock_lab
"$LAB_DIR/packages.sh" samba
seed=$(seed_directory "${1:-}")
dir=$LAB_ROOT/samba/dc1
namespace=automend-$LAB_ID
address=127.0.0.1
key=$(state_key "$seed" single)

own_namespace "$namespace"
printf '%s dc1.%s dc1 %s localhost\n' "$address" "$DNS_DOMAIN" "$DNS_DOMAIN" > "/etc/netns/$namespace/hosts"
printf 'search %s\nnameserver %s\n' "$DNS_DOMAIN" "$address" > "/etc/netns/$namespace/resolv.conf"

# What stands in `ready` is the key of a state that was prepared to its end.
if [ "${LAB_FRESH:-0}" = 1 ] || [ "$(cat "$LAB_ROOT/samba/ready" 2>/dev/null)" != "$key" ]; then
  stop_server samba
  rm -rf "$LAB_ROOT/samba"
  mkdir -p "$LAB_ROOT/samba"
  if ! from_cache samba "$key" "$LAB_ROOT/samba"; then
    make_domain "$dir" "$address" lo "$seed"
    [ -z "$seed" ] || cp "$seed/truth.json" "$LAB_ROOT/samba/"
    to_cache samba "$key" "$LAB_ROOT/samba" .
  fi
  echo "$key" > "$LAB_ROOT/samba/ready"
fi
# The databases hold no absolute path, only this file does.
write_smb_conf "$dir" dc1 lo
write_krb5_conf "$LAB_ROOT/samba/krb5.conf" "$address"
start_dc samba "$dir" "$namespace" "$address"

mapfile -t accounts < <(published_accounts "$LAB_ROOT/samba")
publish samba \
  "LAB_NETNS=$namespace" \
  "LAB_URL=ldap://dc1.$DNS_DOMAIN" \
  "LAB_LDAPS_URL=ldaps://dc1.$DNS_DOMAIN" \
  "LAB_GC_URL=ldap://dc1.$DNS_DOMAIN:3268" \
  "LAB_LDAPI_URL=ldapi://${dir//\//%2F}%2Fprivate%2Fldapi" \
  "LAB_SYSTEM_LDAPI_URL=ldapi://${dir//\//%2F}%2Fprivate%2Fldap_priv%2Fldapi" \
  "LAB_ADDRESS=$address" \
  "LAB_CA=$dir/tls/ca.pem" \
  "${accounts[@]}" \
  "KRB5_CONFIG=$LAB_ROOT/samba/krb5.conf"
