# make demo, make test and make lint each work alone on a machine with Python 3.11 and a package index.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALLED := $(VENV)/.installed

.PHONY: demo test lint format bench clean install
.DELETE_ON_ERROR:

install: $(INSTALLED)

# The CPU build of torch is asked for first, by its local version: where the index offers it, the gigabytes of CUDA
# packages stay away. Where it is offered elsewhere, name that place: make test PIP_EXTRA_INDEX_URL=...
$(INSTALLED): pyproject.toml setup.py constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "connectome needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet "pip>=25.1"
	$(PIP) install --quiet -c constraints.txt "torch==2.13.0+cpu" || $(PIP) install --quiet -c constraints.txt torch
	$(PIP) install --quiet -c constraints.txt -e ".[all,slurm]" --group test --group lint
	touch $@

demo: $(INSTALLED)
	$(BIN)/python docs/examples/demo.py --root .demo

test: $(INSTALLED)
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED)
	$(PIP) install --quiet -c constraints.txt --group bench
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) .demo build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
