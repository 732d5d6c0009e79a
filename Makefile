# `make test` is all that CI runs; `make demo` is all that a new user runs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: setup demo test lint types tests fix docs bench bundled clean

setup: $(STAMP)

# torch comes first and pinned: asked for as a dependency it may bring gigabytes of CUDA.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

demo: setup
	$(BIN)/circuitscope demo

test: lint types tests

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

# By file, so that what a file prepares for its tests is prepared once.
tests: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile

fix: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup
	$(BIN)/mkdocs build --strict

# Small presets of every benchmark; benchmarks/README.md has the command that runs them in full.
bench: setup
	$(BIN)/python -m benchmarks --preset small --out build/bench

# The weights in the package; training/README.md says what each command does.
bundled: setup
	$(BIN)/python -m training.model --out src/circuitscope/bundled/model
	$(BIN)/python -m training.check
	$(BIN)/python -m training.dictionaries --out src/circuitscope/bundled/dictionaries

clean:
	rm -rf $(VENV) site dist .pytest_cache .mypy_cache .ruff_cache
