# Kaboom's commands. `make` alone explains them. Works with GNU make 3.81 (macOS) and newer; never needs root.

VENV  := .venv
TOOLS := .venv-tools
BIN   := $(VENV)/bin
STAMP := $(VENV)/.installed
LOCKS := requirements.lock requirements-dev.lock

# uv from PATH if it runs (a pyenv shim may be there and fail), else a bootstrapped one; `make UV=… setup` decides.
UV := $(shell uv --version >/dev/null 2>&1 && command -v uv || echo $(TOOLS)/bin/uv)

# Byte code is kept: without it each process that is started compiles anew what it imports, for seconds. Some shells say no.
unexport PYTHONDONTWRITEBYTECODE

# A command that prints the first Python >= 3.12 that runs and can make a venv. A name alone proves nothing.
define FIND_PYTHON
for p in $(PYTHON) python3.13 python3.12 python3.14 python3 /usr/bin/python3; do \
  "$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1 && echo "$$p" && break; \
done
endef

# A uv of our own where there is none, pinned by the lock like the rest; any Python 3 with pip can install it.
# Where that fails (no wheel for the platform), pip does the work.
define BOOTSTRAP_UV
[ -x "$(UV)" ] || { rm -rf $(TOOLS); python=$$($(FIND_PYTHON)); "$${python:-python3}" -m venv $(TOOLS) && \
  sed -n '/^uv==/,/[^\]$$/p' requirements-dev.lock > $(TOOLS)/uv.txt && \
  $(TOOLS)/bin/python -m pip install --quiet --require-hashes --no-deps --only-binary :all: -r $(TOOLS)/uv.txt; } || \
  echo 'uv could not be installed; going on with pip' >&2
endef

define MAKE_VENV
[ -x $(BIN)/python ] || { rm -rf $(VENV); python=$$($(FIND_PYTHON)); \
  if [ -x "$(UV)" ]; then "$(UV)" venv --quiet --python "$${python:-3.13}" $(VENV); \
  elif [ -n "$$python" ]; then "$$python" -m venv $(VENV); \
  else echo 'no Python >= 3.12 was found, nor uv to fetch one: install either, or say make PYTHON=…' >&2; false; fi; }
endef

.PHONY: help setup demo up test check static fmt influx faults faults-full bench lock clean
.DEFAULT_GOAL := help

help: ## Explain the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP) ## Make .venv from the hashed locks (every other target does this first)

demo: $(STAMP) ## Start everything, ingest a day of TSE Prime, show it; ARGS=--exit stops at the end
	$(BIN)/kaboom demo $(ARGS)

up: $(STAMP) ## Start Redis, PostgreSQL, the API and a worker; Ctrl-C stops them
	$(BIN)/kaboom up $(ARGS)

test: $(STAMP) ## Run the tests; ARGS='-k lease' runs some
	$(BIN)/python -m pytest -q -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

check: static test ## Format, lint, types, import contracts and tests: what CI runs

static: $(STAMP) ## Format, lint, types and import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: $(STAMP) ## Format, and fix what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

influx: $(STAMP) ## Keep bars in a real InfluxDB 1.x (Debian's influxdb) behind a v2 shim, and break what can break
	@command -v influxd >/dev/null || { \
	  echo 'make influx needs influxd on PATH: InfluxDB 1.x, on Debian and Ubuntu `apt-get install influxdb`' >&2; exit 1; }
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder api/tests/influx $(ARGS)

# Long waits and little work: three labs share two cores well. The simulation is all work, and has its own tests.
FAULTS = $(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder api/tests/faults

faults: $(STAMP) ## Kill, freeze and cut off what runs, and audit what is left: the short set, as CI does
	$(FAULTS) -m "not full" $(ARGS)

faults-full: $(STAMP) ## All faults, 1,000 jobs under kills, a soak, 10,000 seeds; writes docs/operations/promises.md
	$(BIN)/python -m tests.faults.promises $(ARGS)

bench: $(STAMP) ## Run the benchmarks, one after another; fails where a goal is missed
	@missed=0; for script in benchmarks/*.py; do \
	  echo "== $$script"; $(BIN)/python "$$script" $(ARGS) || missed=1; \
	done; exit $$missed

lock: ## Compile the locks anew from pyproject.toml; UPGRADE=1 takes newer releases
	@$(BOOTSTRAP_UV)
	@[ -x "$(UV)" ] || { echo 'make lock needs uv: install it, or see why `make setup` could not' >&2; exit 1; }
	$(UV) pip compile pyproject.toml $(COMPILE) -o requirements.lock
	$(UV) pip compile pyproject.toml --extra embedded --extra otel --group dev -c requirements.lock $(COMPILE) -o requirements-dev.lock

# For every platform and Python >= 3.12 at once; with hashes, and without a word on where it was downloaded from.
COMPILE = --quiet --universal --python-version 3.12 --generate-hashes --no-emit-index-url --no-emit-find-links \
  --custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade)

clean: ## Remove .venv, caches and build products; never .kaboom, which holds data
	rm -rf $(VENV) $(TOOLS) build dist api/*.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find api -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is newer than what it was installed from, or the venv is brought up to date: exactly to the lock.
$(STAMP): pyproject.toml $(LOCKS)
	@$(BOOTSTRAP_UV)
	@$(MAKE_VENV)
	@if [ -x "$(UV)" ]; then \
	  "$(UV)" pip sync --quiet --python $(BIN)/python --require-hashes requirements-dev.lock && \
	  "$(UV)" pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .; \
	else \
	  $(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock && \
	  $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .; \
	fi
	@touch $@
	@echo "installed: $$($(BIN)/python --version), $(BIN)/kaboom"
