# One command checks everything, and CI calls the same one.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

CARGO ?= cargo
PYTHON ?= python3
# One build profile for tests and demo, and always the whole workspace: another selection of packages is another
# set of features, and the engine would be compiled twice.
PROFILE ?= dev
# Python tools. CI puts both folders outside the clone.
VENV ?= .venv
TOOLS ?= .cache/tools
export TOOLS
DEMO_DIR ?= demo
DEMO_NIGHTS ?= 3
PYTEST_ARGS ?=
KILLS_PER_STEP ?= 5

CARGO_DENY_VERSION := 0.20.2
AZURITE_VERSION := 3.37.0
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
PROFILE_DIR := $(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
BUHO := $(TARGET)/$(PROFILE_DIR)/buho
DENY := $(abspath $(TOOLS))/bin/cargo-deny
# Its folder names its version: a machine that keeps an older one installs the new one beside it.
AZURITE := $(abspath $(TOOLS))/azurite-$(AZURITE_VERSION)
export BUHO_AZURITE ?= $(AZURITE)/node_modules/.bin/azurite-blob
PY := $(VENV)/bin
STAMP := $(VENV)/.installed
PEERS_STAMP := $(VENV)/.installed-peers
SQL_FILES := $(wildcard sql/*/*/*.sql tests/projects/*/sql/*/*/*.sql)

export CARGO_TARGET_DIR := $(TARGET)

.PHONY: help
help: ## What can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: build ## Build, write demo exports, run three nights, show the marts
	$(BUHO) demo --dir $(DEMO_DIR) --nights $(DEMO_NIGHTS)

.PHONY: test
test: azurite test-rust test-sql test-peers ## All tests: Rust, SQL unit tests, and the binary against its peers

# `make test` kills a share of these, another every day.
.PHONY: check
check: check-rust check-deny check-sql check-python ## Format, lints, licences and banned crates, SQL and Python style

.PHONY: bench-etl
bench-etl: venv ## Benchmark against DuckDB; writes target/bench/etl.json
	$(CARGO) build --locked --release --workspace --bin buho
	BUHO_BIN=$(TARGET)/release/buho $(PY)/python -m tests.bench.etl --out target/bench/etl.json

.PHONY: bench-night
bench-night: venv ## What one more night costs; writes target/bench/night.json
	$(CARGO) build --locked --release --workspace --bin buho
	BUHO_BIN=$(TARGET)/release/buho $(PY)/python -m tests.bench.nightly --out target/bench/night.json

.PHONY: bench-models
bench-models: $(PEERS_STAMP) ## Estimators against their peers, the churn night against its limits; writes target/bench/models.json
	$(CARGO) build --locked --release -p models --example bench
	$(CARGO) build --locked --release --workspace --bin buho
	BUHO_BIN=$(TARGET)/release/buho $(PY)/python -m tests.bench.models --out target/bench/models.json

.PHONY: bench-model-quality
bench-model-quality: $(PEERS_STAMP) ## How good the models are on seven sets, beside peers; writes target/bench/quality.json
	$(CARGO) build --locked --release --workspace --bin buho --example quality
	BUHO_BIN=$(TARGET)/release/buho $(PY)/python -m tests.bench.quality --out target/bench/quality.json

.PHONY: build
build: ## The binary, as tests and demo use it
	$(CARGO) build --locked --profile $(PROFILE) --workspace --bin buho

.PHONY: release
release: ## The binary to ship: optimised and stripped
	$(CARGO) build --locked --release --workspace --bin buho
	@ls -l $(TARGET)/release/buho

# The store's conformance suite starts its servers with this Python. What is not installed is skipped, saying so:
# `make stores` has Azure's emulator, and Debian's radosgw, ceph-mon and ceph-osd are Ceph's gateway.
.PHONY: test-rust
test-rust: export BUHO_TEST_PYTHON := $(abspath $(PY))/python
test-rust: build venv
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
	    $(CARGO) nextest run --locked --workspace --cargo-profile $(PROFILE); \
	else \
	    $(CARGO) test --locked --workspace --profile $(PROFILE) --lib --bins --tests; \
	fi
	$(CARGO) test --locked --workspace --profile $(PROFILE) --doc

# `SEEDS` is a number of seeds or a range without its end: 17..18 is one seed.
SEEDS ?= 1000
.PHONY: test-faults
test-faults: build venv ## Simulated faults (SEEDS=1000), planted defects, kills at every step (KILLS_PER_STEP=5), strangers polling, ten million rows
	BUHO_SEEDS=$(SEEDS) $(CARGO) test --locked --workspace --profile $(PROFILE) --lib simulator \
	    -- --include-ignored --nocapture
	BUHO_BIN=$(BUHO) BUHO_KILLS_PER_STEP=$(KILLS_PER_STEP) $(PY)/python -m pytest \
	    tests/peers/test_kills.py tests/peers/test_polled.py $(PYTEST_ARGS)
	BUHO_BIN=$(BUHO) BUHO_MILLIONS=10 $(PY)/python -m pytest -s \
	    tests/peers/test_large_learning.py -k millions $(PYTEST_ARGS)

.PHONY: test-sql
test-sql: build
	@for project in . tests/projects/*/; do \
	    echo "buho test: $$project"; \
	    $(BUHO) --project $$project --quiet test; \
	done

.PHONY: test-peers
test-peers: build venv
	$(CARGO) build --locked --profile $(PROFILE) --workspace --example export
	BUHO_BIN=$(BUHO) $(PY)/python -m pytest $(PYTEST_ARGS)

.PHONY: check-rust
check-rust:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets --profile $(PROFILE) -- -D warnings

# The advisories database is a git repository elsewhere: without a way to it the rest is still checked.
.PHONY: check-deny
check-deny: $(DENY)
	@if timeout 120 $(DENY) --log-level off fetch db >/dev/null 2>&1; then \
	    $(DENY) --locked check; \
	else \
	    echo "cargo-deny: no way to the advisories database from here; checking bans, licenses, sources only"; \
	    $(DENY) --locked check bans licenses sources; \
	fi

.PHONY: check-sql
check-sql: venv
	@$(if $(SQL_FILES),echo "sqlfluff lint: $(words $(SQL_FILES)) files"; $(PY)/sqlfluff lint --disable-progress-bar --processes 2 $(SQL_FILES),echo "sqlfluff: no SQL yet")

.PHONY: check-python
check-python: venv
	$(PY)/ruff check .
	$(PY)/ruff format --check .

.PHONY: venv
venv: $(STAMP)

$(STAMP): tests/requirements.txt tests/constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PY)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt -c tests/constraints.txt
	@touch $@

$(PEERS_STAMP): $(STAMP) tests/bench/requirements.txt
	$(PY)/python -m pip install --quiet --disable-pip-version-check -r tests/bench/requirements.txt -c tests/constraints.txt
	@touch $@

$(DENY):
	$(CARGO) install --locked --debug --version $(CARGO_DENY_VERSION) --root $(TOOLS) \
	    --target-dir $(abspath $(TOOLS))/build cargo-deny
	@rm -rf $(abspath $(TOOLS))/build

# Resolve the requirements anew, in a fresh environment.
.PHONY: tests/constraints.txt-refresh
tests/constraints.txt-refresh:
	rm -rf $(VENV)-fresh
	$(PYTHON) -m venv $(VENV)-fresh
	$(VENV)-fresh/bin/python -m pip install --quiet -r tests/requirements.txt -r tests/bench/requirements.txt
	{ echo "# Written by \`make tests/constraints.txt-refresh\`; do not edit."; \
	  $(VENV)-fresh/bin/python -m pip freeze --local; } > tests/constraints.txt
	rm -rf $(VENV)-fresh

# Storage tests say what they skip: a machine without npm has no emulator of Azure.
.PHONY: azurite
azurite:
	@test -x $(BUHO_AZURITE) || ! command -v npm >/dev/null || timeout 300 $(MAKE) --no-print-directory stores \
	    || echo "azurite could not be installed; its tests are skipped"

.PHONY: stores
stores: ## Azure's emulator, for the tests of storage (needs npm)
	npm install --prefix $(AZURITE) --no-fund --no-audit --omit=dev --ignore-scripts azurite@$(AZURITE_VERSION)

.PHONY: clean
clean: ## Remove what this Makefile made, but not the build cache
	rm -rf $(DEMO_DIR) target/bench .pytest_cache .ruff_cache
