# SPDX-License-Identifier: Apache-2.0
# Thin: every target is a command that a person could type. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
OUT    ?= build

# What the targets hand on: make sim MODEL=net.tflite ARCH=base INPUT=image.png STALL=0.2 REPEAT=2 WAVES=1
MODEL  ?=
ARCH   ?= base
INPUT  ?=
SRAM   ?=
STALL  ?=
REPEAT ?=
WAVES  ?=
SEED   ?=
JSON   ?=
LAYERS ?= 500
ARGS   ?=

EMBEDDED := esl_ref/models/embedded/embedded.tflite
NET      = $(or $(MODEL),$(EMBEDDED))
COMMON   = --arch $(ARCH) $(if $(SRAM),--sram $(SRAM)) $(if $(JSON),--json $(JSON)) $(ARGS)
WORKERS ?= auto
PYTEST   = $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

.PHONY: help
help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  variables: MODEL ARCH INPUT SRAM STALL REPEAT WAVES SEED JSON OUT ARGS"

.PHONY: sim
sim: venv  ## co-simulate MODEL (default: the embedded one) on ARCH and report
	@$(BIN)/esl-ref sim $(NET) $(COMMON) --out $(OUT)/sim \
	    $(if $(INPUT),--input $(INPUT)) $(if $(STALL),--stall $(STALL)) $(if $(REPEAT),--repeat $(REPEAT)) \
	    $(if $(SEED),--seed $(SEED)) $(if $(WAVES),--waves)

.PHONY: rtl
rtl: venv  ## generate Verilog, register map and sidecar for MODEL (or SRAM) into OUT/rtl
	@$(BIN)/esl-ref rtl $(if $(MODEL)$(SRAM),$(MODEL),$(NET)) $(COMMON) --out $(OUT)/rtl

.PHONY: golden
golden: venv  ## export MODEL as a golden package to OUT/golden; without MODEL compare the committed packages
	@$(BIN)/esl-ref golden export $(if $(MODEL),$(MODEL) $(COMMON) --out $(OUT)/golden $(if $(INPUT),--input $(INPUT)),$(ARGS))

.PHONY: test
test: venv  ## every test not marked slow
	$(PYTEST) -m "not slow" $(ARGS)

.PHONY: test-slow
test-slow: venv  ## the tests marked slow
	$(PYTEST) -m slow $(ARGS)

.PHONY: bench
bench: venv  ## measure speeds and compare with other tools
	@$(BIN)/esl-ref bench rtl $(if $(JSON),--json $(JSON)) $(ARGS)

.PHONY: fuzz
fuzz: venv  ## compare LAYERS random layers (default 500) on golden, ESL machine and RTL
	@$(BIN)/esl-ref fuzz --arch $(ARCH) --layers $(LAYERS) $(if $(SEED),--seed $(SEED)) $(if $(STALL),--stall $(STALL)) \
	    --out $(OUT)/fuzz $(if $(JSON),--json $(JSON)) $(ARGS)

.PHONY: lint
lint: venv  ## ruff, mypy, and Verilator's lint on the generated Verilog of every preset
	$(BIN)/ruff check .
	$(BIN)/mypy
	@$(BIN)/esl-ref lint $(ARGS)

.PHONY: clean
clean:  ## remove everything generated, the virtual environment included
	rm -rf build $(VENV) *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- the virtual environment, made again when the lock file or the entry points change
.PHONY: venv
venv: $(STAMP)

PIP = $(BIN)/pip install --disable-pip-version-check --no-input --quiet

$(STAMP): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) was not found; install Python 3.11 or newer, or give one: make PYTHON=python3.12 ..." >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $$($(PYTHON) --version) is too old, 3.11 or newer is needed; give one: make PYTHON=python3.12 ..." >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "error: this Python cannot make virtual environments; install its venv package (Debian: python3-venv)" >&2; exit 2; }
	@command -v $${CXX:-g++} >/dev/null || command -v clang++ >/dev/null || command -v c++ >/dev/null || { echo "error: no C++ compiler was found; install g++ 10 or newer, or clang++, or set CXX" >&2; exit 2; }
	@command -v perl >/dev/null || { echo "error: perl was not found; Verilator's launcher needs it" >&2; exit 2; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV)  # also after an interrupted first attempt
	@echo "installing the pinned dependencies into $(VENV) ..."
	@$(PIP) -r requirements.lock || { echo "error: pip could not install requirements.lock (its messages are above); the first installation needs network access to a package index" >&2; exit 2; }
	@$(PIP) --no-deps --no-build-isolation -e . || { echo "error: pip could not install this package (its messages are above)" >&2; exit 2; }
	@touch $@

# Maintainers only: pip-tools in a throw-away environment rewrites the lock from pyproject.toml.
.PHONY: lock
lock:
	rm -rf build/lock && $(PYTHON) -m venv build/lock && build/lock/bin/pip install -q pip-tools
	build/lock/bin/pip-compile -q --all-extras --all-build-deps --allow-unsafe --strip-extras --no-emit-index-url \
	    --no-emit-find-links --no-emit-trusted-host --output-file requirements.lock pyproject.toml
