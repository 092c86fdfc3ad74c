# What a newcomer needs is cargo; `make test` and `make bench` also install Debian's packages of the
# servers they speak to, if they may, and `make test` keeps clients from other registries in a folder.
# Tools that cargo builds go into a folder of their own: see lab/tools.sh.

.PHONY: demo check test bench lint book clean-lab

# The same features everywhere, so that nothing is built twice.
WORKSPACE = --workspace --features automend/lab --locked

demo:
	cargo run --release --locked -q -p automend -- demo

# Everything that needs no server: format, lints, unit, integration and documentation tests.
check:
	cargo fmt --all --check
	cargo clippy $(WORKSPACE) --all-targets -- -D warnings
	nextest=$$(lab/tools.sh cargo-nextest) && "$$nextest" nextest run $(WORKSPACE)
	cargo test $(WORKSPACE) --doc

# `make check`, then the tests against Samba, slapd and MIT Kerberos, and clients that others wrote.
test:
	lab/test.sh

# Ratios against ldapsearch and wc, side by side in one run. BENCH_USERS=1000000 for the large one.
bench:
	lab/bench.py

# Format, lints, each crate alone with its own features, documentation without warnings, spelling, licences and banned crates, the book.
lint: book
	cargo fmt --all --check
	cargo clippy $(WORKSPACE) --all-targets -- -D warnings
	for manifest in crates/*/Cargo.toml; do cargo check --locked --quiet --manifest-path "$$manifest" || exit; done
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked
	lab/packages.sh lint
	shellcheck --external-sources --source-path=SCRIPTDIR lab/*.sh lab/samba/*.sh lab/clients/*.sh .ci/run
	typos=$$(lab/tools.sh typos) && "$$typos" --config .config/typos.toml
	cargo fetch --locked --quiet
	deny=$$(lab/tools.sh cargo-deny) && "$$deny" --offline --locked check --hide-inclusion-graph bans licenses sources

# The documentation as a website, in target/book.
book:
	mdbook=$$(lab/tools.sh mdbook) && "$$mdbook" build

# Ends the laboratory's servers, those of the tests and of the measurements too, and removes all that
# they keep.
clean-lab:
	for part in /test/clients /test/recycle-bin /test /bench ""; do \
	  LAB_ROOT="$${LAB_ROOT:-$${TMPDIR:-/var/tmp}/automend-lab$$part}" lab/down.sh --purge || exit; \
	done
