# `make help` lists what there is.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

CARGO ?= cargo
# Two jobs suit a small machine; `make JOBS=16 run` suits a large one.
JOBS ?= 2
WASMPLEX := target/release/wasmplex
LISTEN ?= 127.0.0.1:8080
# Whether `make dist` runs what it builds under load, to build it again for that.
TRAIN ?= yes
# Where scripts/toolchains.sh puts compilers of plugin languages.
WASMPLEX_TOOLCHAINS ?= $(CURDIR)/target/toolchains
export WASMPLEX_TOOLCHAINS
export PATH := $(WASMPLEX_TOOLCHAINS)/bin:$(PATH)

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the wasmplex command (about five minutes the first time, on two quiet cores)
	$(CARGO) build --release --locked --jobs $(JOBS) --package wasmplex

.PHONY: dist
dist: ## Build what operators run: target/dist/wasmplex, optimized for its work (half an hour; TRAIN=no a third)
	CARGO="$(CARGO)" JOBS=$(JOBS) TRAIN=$(TRAIN) scripts/dist.sh

.PHONY: run
run: build ## Build, then serve the samples on 127.0.0.1:8080
	@scripts/plugins.sh rot13
	@echo
	@echo "In another terminal type this, then lines of text; each comes back at once:"
	@echo
	@echo "    curl -sN -T . http://$(LISTEN)/rot13"
	@echo
	@exec $(WASMPLEX) serve --plugins plugins --listen $(LISTEN)

.PHONY: peers
peers: ## Get the other HTTP parsers of the differential test (Go, Node, h11, gunicorn)
	scripts/peers.sh || true

.PHONY: test
test: build plugins peers ## Run all tests: unit tests, end to end against the real server, samples and SDKs
	$(CARGO) test --release --locked --jobs $(JOBS) --workspace
	if command -v python3 >/dev/null; then scripts/train.py $(WASMPLEX); else echo "skipped: the load of make dist (no python3)"; fi
	scripts/test-samples.sh

.PHONY: check
check: ## Format, lints with warnings denied, documentation, deployment files
	scripts/check-deploy.sh
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked --jobs $(JOBS) --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --locked --jobs $(JOBS) --workspace --no-deps
	scripts/check-samples.sh

.PHONY: audit
audit: ## Hold the dependencies against deny.toml (WASMPLEX_AUDIT=full: with cargo-deny)
	python3 -m doctest scripts/audit.py
	scripts/audit.py

.PHONY: plugins
plugins: build ## Build the sample plugins whose toolchain is here; say what is missing
	scripts/plugins.sh

.PHONY: plugins-all
plugins-all: build toolchains ## Get all toolchains, and build all sample plugins
	scripts/plugins.sh --all

.PHONY: toolchains
toolchains: ## Get the compilers of plugin languages (Debian's, PyPI's and npm's packages; a minute)
	scripts/toolchains.sh >/dev/null

.PHONY: languages
languages: build plugins ## Measure what plugins of different languages cost (some minutes)
	scripts/measure-languages.py plugins/rot13*.wasm

# What `make bench` measures, and how: `make bench ARGS='bulk --rounds 5'`; docs/performance.md has more.
ARGS ?=

.PHONY: bench
bench: build ## Measure against native code, Go and Node, into docs/performance.md (seven minutes)
	$(CARGO) bench --locked --jobs $(JOBS) --bench duplex -- --write $(CURDIR)/docs/performance.md \
		$(patsubst %,--also $(CURDIR)/%,$(wildcard target/dist/wasmplex)) $(ARGS)

.PHONY: bench-micro
bench-micro: ## Measure the pieces: a head, a body's framing, an instance, a call (a minute)
	$(CARGO) bench --locked --jobs $(JOBS) --bench micro -- $(ARGS)

.PHONY: bench-attack
bench-attack: build ## Measure how long honest clients wait with attackers beside them (two minutes)
	$(CARGO) bench --locked --jobs $(JOBS) --bench duplex -- --attack

# Time of each of the two; they run side by side. WASMPLEX_SEED=… repeats a run.
SOAK ?= 5m

.PHONY: soak
soak: build ## A thousand swaps under load, and a random soak (SOAK=5m)
	WASMPLEX_SOAK=$(SOAK) $(CARGO) test --release --locked --jobs $(JOBS) --package wasmplex --test e2e -- --nocapture swaps:: soak::

.PHONY: clean
clean: ## Remove all that was built
	$(CARGO) clean
	rm -rf plugins/*.wasm plugins/*/target plugins/*/node_modules
