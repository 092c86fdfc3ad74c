#!/bin/bash
# The programs whose recordings `automend trace` reads, and those that are recorded: mitmproxy, Chromium
# under Playwright, tshark, curl. Nothing is started; tests start what they need on loopback.
#
#   recorders-up.sh
#
# Debian's packages are installed by packages.sh; mitmproxy comes from PyPI into a folder of its own, and
# Playwright's library, which brings no browser, from npm. Prints the variables with which tests find them,
# and keeps them in $LAB_ROOT/recorders.env.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=common.sh
. "$here/common.sh"

mitmproxy_version=11.0.2
playwright_version=1.65.1
dir=$LAB_ROOT/cache/recorders

lock_lab
"$LAB_DIR/packages.sh" recorders
mkdir -p "$dir"

# fetch WHAT MARK COMMAND...: does COMMAND once; MARK is there when it is done.
fetch() {
  local what=$1 mark=$2
  shift 2
  [ ! -e "$mark" ] || return 0
  say "fetching $what"
  if ! "$@" > "$dir/fetch.log" 2>&1; then
    tail -n 5 "$dir/fetch.log" >&2
    say "$what cannot be had here, so these tests cannot run: trace_recorders"
    exit 3
  fi
  touch "$mark"
}

mitmproxy() {
  /usr/bin/python3 -m venv "$dir/venv" && "$dir/venv/bin/pip" install --quiet "mitmproxy==$mitmproxy_version"
}
playwright() {
  mkdir -p "$dir/node" && cd "$dir/node" && npm install --silent --no-audit --no-fund --prefix "$dir/node" \
    "playwright-core@$playwright_version"
}
fetch "mitmproxy $mitmproxy_version" "$dir/mitmproxy-$mitmproxy_version" mitmproxy
fetch "playwright-core $playwright_version" "$dir/playwright-$playwright_version" playwright

publish recorders \
  "LAB_MITMDUMP=$dir/venv/bin/mitmdump" \
  "LAB_PLAYWRIGHT=$dir/node/node_modules/playwright-core/index.js" \
  "LAB_NODE=$(command -v node)" \
  "LAB_CHROMIUM=$(command -v chromium)" \
  "LAB_TSHARK=$(command -v tshark)" \
  "LAB_EDITCAP=$(command -v editcap)" \
  "LAB_CURL=$(command -v curl)"
