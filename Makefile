# What a newcomer needs is cargo; `make test` and `make bench` also install Debian's packages of the
# servers they speak to, if they may, and `make test` keeps clients from other registries in a folder.

.PHONY: demo test bench lint clean-lab

demo:
	cargo run --release --locked -q -p automend -- demo

# Everything: unit tests, the same against Samba, slapd and MIT Kerberos, and clients that others wrote.
test:
	lab/test.sh

# Ratios against ldapsearch and wc, side by side in one run. BENCH_USERS=1000000 for the large one.
bench:
	lab/bench.py

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --features automend/lab --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked
	lab/packages.sh lint
	shellcheck --external-sources --source-path=SCRIPTDIR lab/*.sh lab/samba/*.sh lab/clients/*.sh .ci/run

# Ends the laboratory's servers, those of the tests and of the measurements too, and removes all that
# they keep.
clean-lab:
	for part in /test/clients /test/recycle-bin /test /bench ""; do \
	  LAB_ROOT="$${LAB_ROOT:-$${TMPDIR:-/var/tmp}/automend-lab$$part}" lab/down.sh --purge || exit; \
	done
