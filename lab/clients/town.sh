#!/bin/bash
# A town with a network, names and authorities of its own, in which COMMAND serves; it ends with COMMAND.
#
#   unshare --net --mount --pid --fork --kill-child --mount-proc town.sh ETC COMMAND...
#
# The files in ETC stand over those of the same path below /etc. Tests start this once for each server,
# so that all of them listen on 443 and 80 and have the same names side by side.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
etc=$1
shift

ip link set lo up
# A client that knows no address but those of loopback takes itself for offline, so there is a cable,
# and both of its ends are here.
ip link add lan type veth peer name far
for host in 1 2 9; do
  ip address add "192.0.2.$host/24" dev lan
done
ip link set lan up
ip link set far up

(cd "$etc" && find . -type f) | while read -r file; do
  mount --bind "$etc/$file" "/etc/$file"
done
dnsmasq --conf-file="$here/names.conf" --pid-file=
exec "$@"
