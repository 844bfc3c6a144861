# Two commands on a fresh machine: `make run` and `make test`. Everything lives in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
SETUP := pyproject.toml constraints.txt

.PHONY: run test check bench nightly clean
.DEFAULT_GOAL := help

help:
	@echo "make run    set up, then hold a whole challenge (runs/main/report.html)"
	@echo "make test   set up, then the whole test suite"
	@echo "make check  format, lint, types, import contracts, fast tests"
	@echo "make bench  against the peers, side by side, into docs/results"

$(VENV)/.run: $(SETUP)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing topfive and what it needs into $(VENV) (a few minutes, once)" >&2
	$(PIP) --editable '.[models,web]'
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	$(PIP) --editable '.[models,web,dev]'
	@touch $@

run: $(VENV)/.run
	$(BIN)/topfive run

# Two processes with one thread each: two with two threads each wait for one another, at up to ten times the time.
test: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

check: $(VENV)/.dev
	$(BIN)/ruff format --check src tests benchmarks scripts
	$(BIN)/ruff check src tests benchmarks scripts
	$(BIN)/mypy
	$(BIN)/lint-imports
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow and not browser" -q

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

nightly: $(VENV)/.dev
	TOPFIVE_NIGHTLY=1 $(BIN)/python -m pytest

clean:
	rm -rf $(VENV) runs build *.egg-info src/*.egg-info
