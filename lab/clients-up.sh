#!/bin/bash
# Clients of Autodiscover that nobody of this project wrote, and what the town needs in which they look
# for a server: certificates, names, trusted authorities.
#
#   clients-up.sh
#
# Nothing is started: a test makes a town for each server (clients/town.sh). Prints the variables with
# which tests find the clients, and keeps them in $LAB_ROOT/clients.env. What is installed is kept, and
# installed anew when a list of versions changes.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=common.sh
. "$here/common.sh"

EXCHANGELIB_SOAP=5.6.0
# The last of the versions that speak POX.
EXCHANGELIB_POX=4.9.0
PYTHON=/usr/bin/python3

need_root "a network namespace"
lock_lab
dir=$LAB_ROOT/clients
mkdir -p "$dir"

# is_ready PART WORD...: whether PART was installed to its end from what the words say.
is_ready() { [ "$(cat "$dir/$1.ready" 2>/dev/null)" = "${*:2}" ]; }

install_node() {
  rm -rf "$dir/node"
  mkdir "$dir/node"
  cp "$LAB_DIR"/clients/package*.json "$dir/node/"
  # Old packages warn of newer ones, and none needs to run anything when it is installed.
  npm --prefix "$dir/node" ci --ignore-scripts --no-audit --no-fund --loglevel=error
}

install_python() {
  rm -rf "$dir"/{venv,exchangelib-soap,exchangelib-pox}
  "$PYTHON" -m venv "$dir/venv"
  local pip=("$dir/venv/bin/pip" --disable-pip-version-check install --quiet)
  "${pip[@]}" --requirement "$LAB_DIR/clients/requirements.txt"
  # Both versions need the same packages, and differ in name only by where they stand.
  "${pip[@]}" --no-deps --target "$dir/exchangelib-soap" "exchangelib==$EXCHANGELIB_SOAP"
  "${pip[@]}" --no-deps --target "$dir/exchangelib-pox" "exchangelib==$EXCHANGELIB_POX"
}

# The three registries are asked side by side, as most of the time goes by in waiting for them. What npm
# comes with is Debian's business, where it is not there yet.
node_key=$(sha256sum < "$LAB_DIR/clients/package-lock.json")
python_key="$("$PYTHON" --version 2>/dev/null || true) $EXCHANGELIB_SOAP $EXCHANGELIB_POX $(sha256sum < "$LAB_DIR/clients/requirements.txt")"
node=
if ! is_ready node "$node_key" && command -v npm > /dev/null; then
  run_logged "installing the clients of npm" "$dir/node.log" install_node 9>&- &
  node=$!
fi
if ! "$LAB_DIR/packages.sh" clients; then
  [ -z "$node" ] || kill "$node" 2>/dev/null || true
  exit 3
fi
if ! is_ready python "$python_key"; then
  run_logged "installing exchangelib" "$dir/python.log" install_python
  echo "$python_key" > "$dir/python.ready"
fi
if [ -n "$node" ]; then
  wait "$node" || exit
elif ! is_ready node "$node_key"; then
  run_logged "installing the clients of npm" "$dir/node.log" install_node
fi
echo "$node_key" > "$dir/node.ready"

names='DNS:*.contoso.com,DNS:autodiscover.host.example'
is_ready tls "$names" || rm -rf "$dir/tls"
make_certificate "$dir/tls" contoso.com 192.0.2.1 "$dir/tls" "$names"
echo "$names" > "$dir/tls.ready"
mkdir -p "$dir/etc/ssl/certs"
echo "nameserver 192.0.2.1" > "$dir/etc/resolv.conf"
echo "127.0.0.1 localhost" > "$dir/etc/hosts"
# Only the laboratory's: clients that ask the system trust nobody else here.
cp "$dir/tls/ca.pem" "$dir/etc/ssl/certs/ca-certificates.crt"

publish clients \
  "LAB_ETC=$dir/etc" \
  "LAB_CA=$dir/tls/ca.pem" \
  "LAB_CERTIFICATE=$dir/tls/cert.pem" \
  "LAB_KEY=$dir/tls/key.pem" \
  "LAB_PYTHON=$dir/venv/bin/python" \
  "LAB_EXCHANGELIB_SOAP=$dir/exchangelib-soap" \
  "LAB_EXCHANGELIB_POX=$dir/exchangelib-pox" \
  "LAB_NODE=$(command -v node)" \
  "LAB_NODE_PATH=$dir/node/node_modules"
