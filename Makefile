# make demo, make test: everything on a fresh machine, .venv included.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint bench clean

demo: $(VENV)/demo
	$(BIN)/python -m sigmode

test: lint
	$(BIN)/python -m pytest -q

lint: $(VENV)/dev
	$(BIN)/ruff check --output-format concise .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/bench
	$(BIN)/python -m pytest --benchmark

$(VENV)/pyvenv.cfg:
	$(PYTHON) -m venv $(VENV)

# One stamp per extra: installed again when the requirements change.
$(VENV)/demo: EXTRA := plot
$(VENV)/dev: EXTRA := dev
$(VENV)/bench: EXTRA := bench,jax
$(VENV)/demo $(VENV)/dev $(VENV)/bench: pyproject.toml | $(VENV)/pyvenv.cfg
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$(EXTRA)]"
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .benchmarks
	find . -name __pycache__ -prune -exec rm -rf {} +
