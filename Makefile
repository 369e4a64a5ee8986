# `make help` lists what there is.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

CARGO ?= cargo
# Two jobs suit a small machine; `make JOBS=16 run` suits a large one.
JOBS ?= 2
WASMPLEX := target/release/wasmplex
LISTEN ?= 127.0.0.1:8080

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the wasmplex command (about five minutes the first time, on two quiet cores)
	$(CARGO) build --release --locked --jobs $(JOBS) --package wasmplex

.PHONY: run
run: build plugins/rot13.wasm ## Build, then serve the samples on 127.0.0.1:8080
	@echo
	@echo "In another terminal type this, then lines of text; each comes back at once:"
	@echo
	@echo "    curl -sN -T . http://$(LISTEN)/rot13"
	@echo
	@exec $(WASMPLEX) serve --plugins plugins --listen $(LISTEN)

.PHONY: test
test: build plugins ## Run all tests: unit tests, and end to end against the real server
	$(CARGO) test --release --locked --jobs $(JOBS) --workspace
	cd plugins/upper && $(CARGO) test --release --locked --jobs $(JOBS)

.PHONY: check
check: ## Format, lints with warnings denied, documentation, deployment files
	scripts/check-deploy.sh
	$(CARGO) fmt --all --check
	cd plugins/upper && $(CARGO) fmt --check
	$(CARGO) clippy --release --locked --jobs $(JOBS) --workspace --all-targets -- -D warnings
	cd plugins/upper && $(CARGO) clippy --release --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --locked --jobs $(JOBS) --workspace --no-deps

.PHONY: plugins
plugins: plugins/rot13.wasm plugins/upper.wasm ## Build the sample plugins whose toolchain is to be had

plugins/rot13.wasm: plugins/rot13/rot13.wat | build
	$(WASMPLEX) build $< -o $@

# Exit code 3 says that no wasm target for Rust can be had here; everything else is an error.
plugins/upper.wasm: $(wildcard plugins/upper/src/*.rs plugin-sdk/rust/src/*.rs) plugins/upper/Cargo.toml
	@scripts/wasm-rust.sh plugins/upper $@ || { code=$$?; [[ $$code == 3 ]] && echo "skipped: $@"; }

.PHONY: bench
bench: build plugins ## Measure against the same work done natively (about a minute)
	$(CARGO) bench --locked --jobs $(JOBS) --bench duplex

# Time of each of the two; they run side by side. WASMPLEX_SEED=… repeats a run.
SOAK ?= 5m

.PHONY: soak
soak: build ## A thousand swaps under load, and a random soak (SOAK=5m)
	WASMPLEX_SOAK=$(SOAK) $(CARGO) test --release --locked --jobs $(JOBS) --package wasmplex --test e2e -- --nocapture swaps:: soak::

.PHONY: clean
clean: ## Remove all that was built
	$(CARGO) clean
	rm -rf plugins/*.wasm plugins/*/target
