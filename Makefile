# make quickstart   environment, the shipped model on pictures (yours: PHOTOS=folder), its score, a short training
# make train-demo   a small KTN v2 trained from random weights, scored and drawn
# make test         the test suite (CPU); make test-fast leaves out the slow ones
# make test-cuda    the tests that need a CUDA device
# make docs         the documentation site, into site/; a warning is an error
# make env          only the environment: .venv from requirements/constraints.txt
# make lint         ruff, mypy, interrogate
#
# All of them run inside an environment that you already have, CUDA included, with one of
#   make test USE_ENV=1              the `python` on your PATH (an activated conda or venv)
#   make test PYTHON=/path/python    this interpreter
#   MMKTN_PYTHON=/path/python make test

SHELL := /bin/bash

ifeq ($(origin PYTHON), command line)
  RUN := $(PYTHON)
else ifdef MMKTN_PYTHON
  RUN := $(MMKTN_PYTHON)
else ifeq ($(USE_ENV), 1)
  RUN := python
else
  RUN := .venv/bin/python
  ENV := .venv/.complete
  # pip leaves the libraries uncompiled (tools/dev/make_env.sh), and some machines forbid Python to keep what it
  # compiled. Every process would then compile torch and mmdet anew, 10 s of CPU each.
  export PYTHONDONTWRITEBYTECODE :=
  export PYTHONPYCACHEPREFIX := $(CURDIR)/.venv/bytecode
endif

export PYTHONPATH := $(CURDIR)$(if $(PYTHONPATH),:$(PYTHONPATH))
# One thread is as fast on the tests' tiny tensors, and much faster where the cores are shared.
TEST_ENV := OMP_NUM_THREADS=$(or $(OMP_NUM_THREADS),1)
# Up to four test processes, where pytest-xdist is installed.
WORKERS = $(shell $(RUN) -c 'import os, xdist; print("-n", min(4, os.cpu_count() or 1), "--dist worksteal")' 2>/dev/null)

.PHONY: quickstart train-demo test test-fast test-cuda env lint docs clean-env has-pytest

quickstart: $(ENV)
	$(RUN) tools/quickstart.py $(if $(PHOTOS),--photos "$(PHOTOS)") $(ARGS)

train-demo: $(ENV)
	$(RUN) tools/train_demo.py $(ARGS)

test: $(ENV) has-pytest
	$(TEST_ENV) $(RUN) -m pytest $(WORKERS) $(ARGS)

test-fast: $(ENV) has-pytest
	$(TEST_ENV) $(RUN) -m pytest $(WORKERS) -m "not slow" $(ARGS)

test-cuda: $(ENV) has-pytest
	$(RUN) -m pytest -m cuda -v $(ARGS)

# An environment of the user's own may lack what only the tests need.
has-pytest: $(ENV)
	@$(RUN) -c 'import pytest, hypothesis' || \
	  { echo "install the test requirements: $(RUN) -m pip install -r requirements/tests.txt" >&2; exit 1; }

lint: $(ENV)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(RUN) -m interrogate -q -c setup.cfg mmktn

# The site reads sources and imports nothing, so a small environment of its own is enough.
docs: .venv-docs/.complete
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict

.venv-docs/.complete: requirements/docs.txt
	$(or $(BASE_PYTHON),python3) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet -r requirements/docs.txt
	@touch $@

env: .venv/.complete

.venv/.complete: $(wildcard requirements/*.txt) setup.py tools/dev/make_env.sh
	tools/dev/make_env.sh .venv
	@touch $@

clean-env:
	rm -rf .venv
