#!/bin/bash
# Runs every test: brings up the servers and the clients, runs `make check`, hands the servers' addresses
# to the tests that need them, and tears them down.
#
#   test.sh
#
# Where one of them cannot be brought up, the other tests run all the same, the tests that did not are
# named, and the end is a failure. The last line sums up all test binaries.
set -euo pipefail
lab=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$lab/.."

# A laboratory of its own, so that one that somebody works with is left in peace.
export LAB_ROOT=${LAB_ROOT:-${TMPDIR:-/var/tmp}/automend-lab/test}
mkdir -p -- "$LAB_ROOT"
LAB_ROOT=$(cd -- "$LAB_ROOT" && pwd)
# The compiler and the linker put temporary files there, too.
mkdir -p -- "${TMPDIR:-/tmp}"
# A laboratory inside, as the recycle bin cannot be switched off again.
recycle_bin=$LAB_ROOT/recycle-bin
# Another, as its registries are asked while the servers start.
clients=$LAB_ROOT/clients clients_up=
down() {
  [ -z "$clients_up" ] || kill "$clients_up" 2>/dev/null || true
  LAB_ROOT=$clients "$lab/down.sh"
  LAB_ROOT=$recycle_bin "$lab/down.sh"
  "$lab/down.sh"
}
trap down EXIT

seed() {
  local flavor=$1 users=$2
  rm -rf "$LAB_ROOT/seed-$flavor"
  "$lab/seed.py" --flavor "$flavor" --users "$users" --delegations $((users * 9 / 5)) --stale $((users / 10)) \
    --hot $((users / 20)) --wide $((users / 10)) --seed 20 --out "$LAB_ROOT/seed-$flavor"
}

# All at once, as apt-get does one thing at a time. What cannot be installed is told again below, by
# each script that misses it.
"$lab/packages.sh" || true
LAB_ROOT=$clients "$lab/clients-up.sh" > /dev/null &
clients_up=$!

# up TEST VARIABLE NAME COMMAND...: brings a server up anew and exports where its variables stand.
missing=() present=()
up() {
  local test=$1 variable=$2 name=$3
  shift 3
  if LAB_FRESH=1 "$@" > /dev/null; then
    export "$variable=$LAB_ROOT/$name.env"
    present+=("$test")
  else
    missing+=("$test")
  fi
}
seed samba 500
seed slapd 3000
up slapd AUTOMEND_LAB_SLAPD slapd "$lab/slapd-up.sh" "$LAB_ROOT/seed-slapd/all.ldif"
up mit AUTOMEND_LAB_MIT mit "$lab/mit-up.sh"
up samba AUTOMEND_LAB_SAMBA samba "$lab/samba-up.sh" "$LAB_ROOT/seed-samba"
up samba_recycle_bin AUTOMEND_LAB_RECYCLE_BIN recycle-bin/samba \
  env LAB_ROOT="$recycle_bin" LAB_RECYCLE_BIN=1 "$lab/samba-up.sh"
up samba_two_dcs AUTOMEND_LAB_SAMBA2 samba2 "$lab/samba2-up.sh" up "$LAB_ROOT/seed-samba"
up trace_recorders AUTOMEND_LAB_RECORDERS recorders "$lab/recorders-up.sh"

up clients AUTOMEND_LAB_CLIENTS clients/clients wait "$clients_up"
clients_up=

# The servers are up; what needs none comes first, as it names plain mistakes sooner.
log=$LAB_ROOT/cargo-test.log
[ ! -t 1 ] || export CARGO_TERM_COLOR=always
status=0
make --no-print-directory check 2>&1 | tee "$log" || status=$?
# One process for a server and not one for a test: the tests of a server take turns at it. Its tests are
# those of one module, whose name starts theirs.
cargo test --workspace --locked --features automend/lab --test peers 2>&1 | tee -a "$log" || status=$?
for test in "${present[@]}"; do
  cargo test --workspace --locked --features automend/lab --test lab -- "$test::" 2>&1 | tee -a "$log" || status=$?
done
if [ ${#missing[@]} = 0 ]; then
  cargo test --workspace --locked --no-fail-fast --features automend/lab --lib -- \
    tests::peers tests::samba tests::slapd 2>&1 | tee -a "$log" || status=$?
else
  status=1
fi

trap - EXIT
down
[ ${#missing[@]} = 0 ] || echo "[lab] no server or no client, so these tests did not run: ${missing[*]}" >&2
# The lines `test result: ok. 3 passed; 0 failed; 0 ignored; ...` of cargo, and
# `Summary [  1.2s] 3 tests run: 3 passed (1 slow), 0 failed, 9 skipped` of nextest, whose skipped tests
# are those of the laboratory.
sed 's/\x1b\[[0-9;]*m//g' "$log" | awk '
  /^test result: / {
    for (i = 2; i <= NF; i++) {
      if ($i == "passed;") passed += $(i - 1)
      if ($i == "failed;") failed += $(i - 1)
      if ($i == "ignored;") ignored += $(i - 1)
    }
  }
  / Summary \[.*tests? run: / {
    for (i = 2; i <= NF; i++) {
      if ($i ~ /^passed/) passed += $(i - 1)
      if ($i ~ /^(failed|timed)/) failed += $(i - 1)
    }
  }
  END { printf "%d passed, %d failed, %d skipped\n", passed, failed, ignored }'
exit "$status"
