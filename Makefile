# make demo, make test, make docs: everything on a fresh machine, .venv included.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-oldest lint bench bench-full docs dist clean

demo: $(VENV)/demo
	$(BIN)/python -m sigmode

# Each file of tests runs in one process, the longest first; more than four would only wait for each other's threads.
PARALLEL := -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: lint
	$(BIN)/python -m pytest -q $(PARALLEL)

lint: $(VENV)/dev
	$(BIN)/ruff check --output-format concise .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The oldest versions that pyproject.toml allows, in an environment of their own.
OLDEST := $(VENV)-oldest

test-oldest: $(OLDEST)/done
	$(OLDEST)/bin/python -m pytest -q $(PARALLEL)

$(OLDEST)/done: pyproject.toml oldest.txt
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check --constraint oldest.txt --editable ".[dev]"
	touch $@

bench: $(VENV)/bench
	$(BIN)/python -m pytest --benchmark

bench-full: $(VENV)/bench
	$(BIN)/python -m pytest --benchmark-full

# The site, with every example of its gallery run: docs/_build/html/index.html. A warning is an error.
docs: $(VENV)/docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

# Wheel and source archive, and whether a package index would take them.
dist: $(VENV)/dist
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python -m twine check --strict dist/*

$(VENV)/pyvenv.cfg:
	$(PYTHON) -m venv $(VENV)

# One stamp per extra: installed again when the requirements change.
$(VENV)/demo: EXTRA := plot
$(VENV)/dev: EXTRA := dev
$(VENV)/bench: EXTRA := bench,jax
$(VENV)/docs: EXTRA := docs
$(VENV)/dist: EXTRA := dist
$(VENV)/demo $(VENV)/dev $(VENV)/bench $(VENV)/docs $(VENV)/dist: pyproject.toml | $(VENV)/pyvenv.cfg
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$(EXTRA)]"
	touch $@

clean:
	rm -rf $(VENV) $(OLDEST) build dist .pytest_cache .mypy_cache .ruff_cache .benchmarks
	rm -rf docs/_build docs/auto_examples docs/auto_course docs/generated docs/sg_execution_times.rst
	find . -name __pycache__ -prune -exec rm -rf {} +
