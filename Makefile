# `make demo` and `make test` need Python >= 3.11, git and make; everything else goes into .venv.

# The first of these that runs and is new enough; or say which: make test PYTHON=python3.13
ifndef PYTHON
PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
endif
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# Four processes, be it on two processors: most tests wait, most of the time. Tests of one xdist_group (say "quiet")
# run in one of them, one after the other. The long ones look at the memory and the time of millions: two processes.
PYTEST := $(BIN)/python -m pytest -n 4 --dist loadgroup

.PHONY: help demo test test-long test-all lint format clean apt
.DEFAULT_GOAL := help

help:  ## what can be made
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' Makefile | expand -t 12

demo: $(VENV)/.demo  ## install into .venv, then fetch from the embedded site, without a network
	$(BIN)/fetch demo

test: $(VENV)/.dev apt lint  ## lint, type-check and test on this Python
	$(PYTEST)

test-long: $(VENV)/.dev apt lint  ## the same with the full counts, and installs into clean environments
	$(PYTEST) -n 2 -m "long or not long" --timeout 900

test-all: test-long  ## the same, then the tests on every other installed Python from 3.11 on
	@mine=$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	scripts/pythons | while read -r version python; do \
	  [ "$$version" = "$$mine" ] && continue; \
	  echo "== Python $$version"; \
	  $(MAKE) --no-print-directory VENV=$(VENV)-$$version PYTHON=$$python pytest </dev/null || exit 1; \
	done

.PHONY: pytest
pytest: $(VENV)/.dev
	$(PYTEST)

# What it shows and how: docs/reliability.md. ARGS="chunks tls/good": some of them.
.PHONY: faults
faults: $(VENV)/.dev  ## every fault that a server can have x every engine, as a table
	@$(BIN)/python -m tests.matrix $(ARGS)

lint: $(VENV)/.dev  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev  ## put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# What it prints and how to choose: bench/__init__.py. ARGS="--only w1 --count 5000 --rounds 3"
.PHONY: bench bench-check
bench: $(VENV)/.dev  ## speed beside curl, wget2, aiohttp ... (40 minutes; ARGS=--quick: 20 seconds)
	@$(BIN)/python -m bench $(ARGS)

bench-check: $(VENV)/.dev  ## the same, and fail where a budget is broken by more than the noise
	@$(BIN)/python -m bench --check $(ARGS)

# Two at a time; a finding is kept in findings/, and the command that replays it is shown.
MINUTES ?= 10
.PHONY: fuzz
fuzz: $(VENV)/.dev  ## every parser of foreign bytes, mutated for 10 minutes each (an hour; MINUTES=1: 6 minutes)
	@$(BIN)/python -m tests.fuzz --list | xargs -n 1 -P 2 $(BIN)/python -m tests.fuzz --seconds $$(($(MINUTES) * 60))

clean:  ## remove what was made
	rm -rf .venv .venv-* dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage* findings
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Servers and a browser that nobody here wrote; a test that needs one skips by name where it is missing.
apt:
	@scripts/apt nginx=nginx-light lighttpd=lighttpd ip=iproute2 unshare=util-linux chromium=chromium \
		"wget2=wget2" "test -e /usr/share/doc/python3.11/html/index.html=python3.11-doc"

# Installed anew only when pyproject.toml has changed. Compiled: where PYTHONDONTWRITEBYTECODE is set, every start
# would compile it all.
$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(PIP) install --editable '.[compress,speed]'
	$(BIN)/python -m compileall -q fetcher
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(PIP) install --editable '.[compress,curl,dask,parquet,speed]' --group dev
	$(BIN)/python -m compileall -q fetcher
	@touch $@ $(VENV)/.demo

$(BIN)/python:
	@scripts/venv "$(PYTHON)" $(VENV)
