# The front desk. Every target makes what it needs; run `make` alone for this list.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
# Tests run in so many processes; a file's tests stay together, for they share servers. Each process takes up to 3 GB.
WORKERS ?= 2

.PHONY: help install demo test test-fast lint format bench dashboards clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

install: $(INSTALLED)  ## .venv with everything

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: install  ## the main job, offline, in about three minutes
	$(BIN)/leyden demo $(ARGS)

test: install  ## all tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-fast: install  ## the tests that take seconds
	$(BIN)/python -m pytest -m 'not slow' $(ARGS)

lint: install  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install  ## let ruff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install  ## benchmarks: ratios of one run
	@for bench in benchmarks/bench_*.py; do echo "== $$bench"; $(BIN)/python $$bench || exit 1; done

dashboards: install  ## Grafana dashboards from their Python
	$(BIN)/python -m leyden_dashboards

clean:  ## what `make` made
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
