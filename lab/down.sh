#!/bin/bash
# Ends what the laboratory's scripts have started, by process id, and removes the network namespaces
# they made. What they prepared stays, so that the next start is quick.
#
#   down.sh            ends everything of this LAB_ROOT
#   down.sh --purge    and removes its whole state, with the cache
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=common.sh
. "$here/common.sh"

case "${1:-}" in
  "" | --purge) ;;
  *) die "usage: down.sh [--purge]" ;;
esac
lock_lab
for file in "$LAB_ROOT"/run/*.pid; do
  [ -e "$file" ] || continue
  stop_server "$(basename "$file" .pid)"
done
remove_namespaces
rm -f "$LAB_ROOT"/*.env "$LAB_ROOT"/run/*_PASSWORD
if [ "${1:-}" = --purge ]; then
  # Only the names that these scripts make, as LAB_ROOT may be a directory that holds other things.
  rm -rf "$LAB_ROOT"/{run,cache,clients,mit,samba,samba2,slapd,slapd-*,seed-*,cargo-test.log,test,bench,recycle-bin,lock}
  real=$(cd -- "$LAB_ROOT" && pwd -P)
  rmdir --ignore-fail-on-non-empty -- "$real"
fi
# Made anew by the next script that needs it.
[ ! -L "$LAB_ALIAS" ] || rm -f "$LAB_ALIAS"
