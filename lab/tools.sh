#!/bin/bash
# Prints the path of a tool that a check needs, and installs the tool first where it is missing.
#
#   tools.sh cargo-nextest | cargo-deny | mdbook | typos
#
# A tool on PATH is taken as it is. Others go into AUTOMEND_TOOLS (~/.cache/automend-tools), never
# into the system. A first installation compiles for some minutes.
set -euo pipefail

tool=${1:?usage: tools.sh cargo-nextest|cargo-deny|mdbook|typos}
root=${AUTOMEND_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/automend-tools}

if found=$(command -v "$tool"); then
  echo "$found"
  exit
fi
case "$tool" in
  typos)
    path=$root/typos/bin/typos
    if [ ! -x "$path" ]; then
      echo "[tools] installing $tool into $root" >&2
      python3 -m venv "$root/typos" >&2
      "$root/typos/bin/pip" install --quiet --disable-pip-version-check typos >&2
    fi
    ;;
  cargo-nextest | cargo-deny | mdbook)
    path=$root/bin/$tool
    if [ ! -x "$path" ]; then
      echo "[tools] building $tool into $root" >&2
      cargo install --quiet --locked --root "$root" "$tool" >&2
    fi
    ;;
  *)
    echo "tools.sh: no such tool: $tool" >&2
    exit 2
    ;;
esac
echo "$path"
