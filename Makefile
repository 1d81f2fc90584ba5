# Kaboom's commands. `make` alone explains them. Works with GNU make 3.81 (macOS) and newer; never needs root.

VENV  := .venv
TOOLS := .venv-tools
BIN   := $(VENV)/bin
STAMP := $(VENV)/.installed
LOCKS := requirements.lock requirements-dev.lock
# The checkers of manifests, Terraform and workflows beside all that development needs: 130 MB that `make test` is spared.
DEPLOY_VENV  := .venv-deploy
DEPLOY_STAMP := $(DEPLOY_VENV)/.installed

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

# Makes the venv $(1).
define MAKE_VENV
[ -x $(1)/bin/python ] || { rm -rf $(1); python=$$($(FIND_PYTHON)); \
  if [ -x "$(UV)" ]; then "$(UV)" venv --quiet --python "$${python:-3.13}" $(1); \
  elif [ -n "$$python" ]; then "$$python" -m venv $(1); \
  else echo 'no Python >= 3.12 was found, nor uv to fetch one: install either, or say make PYTHON=…' >&2; false; fi; }
endef

# Brings the venv $(1) to exactly what the lock $(2) says, and Kaboom itself. The folder `api` holds the names of the
# specification, which no wheel has.
define INSTALL
if [ -x "$(UV)" ]; then \
  "$(UV)" pip sync --quiet --python $(1)/bin/python --require-hashes $(2) && \
  "$(UV)" pip install --quiet --python $(1)/bin/python --no-deps --no-build-isolation -e .; \
else \
  $(1)/bin/python -m pip install --quiet --require-hashes -r $(2) && \
  $(1)/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .; \
fi && echo "$(CURDIR)/api" > "$$($(1)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/kaboom-names.pth"
endef

.PHONY: help setup demo up quick test check static fmt texts acceptance influx pgbouncer bucket faults faults-full openapi deploy-check image compose alerts e2e-n8n e2e wheel anywhere howtos site bench changelog release-check lock clean
.DEFAULT_GOAL := help

help: ## Explain the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP) ## Make .venv from the hashed locks (every other target does this first)

demo: $(STAMP) ## Start everything, ingest a day of TSE Prime, show it; ARGS=--exit stops at the end
	$(BIN)/kaboom demo $(ARGS)

up: $(STAMP) ## Start Redis, PostgreSQL, the API and a worker; Ctrl-C stops them
	$(BIN)/kaboom up $(ARGS)

quick: $(STAMP) ## Check what changed since the last commit, and run the tests that mirror it; SINCE=main takes more
	$(BIN)/python -m tests.quick --since "$(SINCE)"

test: $(STAMP) ## Run the tests of the parts; T=tests/ingest runs a folder, ARGS='-k lease' runs some
	$(BIN)/python -m pytest -q -n auto --dist loadfile --no-loadscope-reorder $(T) $(ARGS)

check: static test ## Format, lint, types, import contracts and tests: what CI runs

static: $(STAMP) ## Format, lint, types and import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: $(STAMP) ## Format, and fix what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

texts: $(STAMP) ## Bring src/kaboom/text/ja.po up to the texts of the code
	$(BIN)/python -m tests.text.update

acceptance: $(STAMP) ## Start what a user starts, and real servers and workers: the whole system, its upgrade, its scaffolds
	$(BIN)/python -m pytest -q -n auto --dist loadfile --no-loadscope-reorder tests/acceptance $(ARGS)

influx: $(STAMP) ## Keep bars in a real InfluxDB 1.x (Debian's influxdb) behind a v2 shim, and break what can break
	@command -v influxd >/dev/null || { \
	  echo 'make influx needs influxd on PATH: InfluxDB 1.x, on Debian and Ubuntu `apt-get install influxdb`' >&2; exit 1; }
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder tests/influx $(ARGS)

pgbouncer: $(STAMP) ## Keep the ledger behind a real PgBouncer (Debian's pgbouncer) in transaction mode
	@command -v pgbouncer >/dev/null || { \
	  echo 'make pgbouncer needs pgbouncer on PATH: on Debian and Ubuntu `apt-get install pgbouncer`' >&2; exit 1; }
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder tests/pgbouncer $(ARGS)

bucket: $(STAMP) ## Share a data folder between two machines, by rclone's mounts (Debian's rclone, /dev/fuse)
	@command -v rclone >/dev/null || { \
	  echo 'make bucket needs rclone on PATH: on Debian and Ubuntu `apt-get install rclone fuse3`' >&2; exit 1; }
	$(BIN)/python -m pytest -q tests/bucket $(ARGS)

# Long waits and little work: three labs share two cores well. The simulation is all work, and has its own tests.
FAULTS = $(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder tests/faults

faults: $(STAMP) ## Kill, freeze and cut off what runs, and audit what is left: the short set, as CI does
	$(FAULTS) -m "not full" $(ARGS)

faults-full: $(STAMP) ## All faults, 1,000 jobs under kills, a soak, 10,000 seeds; writes docs/operations/promises.md
	$(BIN)/python -m tests.faults.promises $(ARGS)

deploy-check: $(DEPLOY_STAMP) ## Hold manifests, Terraform, workflows and the Dockerfile against the real schemas; run deploy.yml
	$(DEPLOY_VENV)/bin/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder tests/deploy $(ARGS)

openapi: $(STAMP) ## Ask a real API for ten minutes all that its description allows, and what it does not (schemathesis)
	OPENAPI_SECONDS=600 OPENAPI_LEAST_CASES=4000 OPENAPI_SEED=$${SEED:-$$(date +%s)} \
	  $(BIN)/python -m pytest -q -s tests/openapi $(ARGS)

image: $(STAMP) ## Build the image, and run API and worker from it, confined (root on Debian 13; it names what it lacks)
	$(BIN)/python -m pytest -q -p no:randomly tests/image $(ARGS)

compose: ## Start compose.yaml under a Docker of its own: ingest a day, fire an alert, restore the backups
	$(MAKE) image ARGS="-k test_stack $(ARGS)"

alerts: $(STAMP) ## Test every alert rule, and fire one through Prometheus and Alertmanager (Debian's prometheus*)
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder tests/alerts $(ARGS)

e2e-n8n: $(STAMP) ## Run the n8n workflows in a real n8n, installed once outside the clone (Node 20, g++)
	$(BIN)/python -m pytest -q tests/n8n $(ARGS)

e2e: $(STAMP) ## Look at every page of the dashboard with Debian's chromium; screenshots go to build/screenshots
	@command -v $${KABOOM_CHROMIUM:-chromium} >/dev/null || { \
	  echo 'make e2e needs chromium on PATH: on Debian `apt-get install chromium fonts-noto-cjk`' >&2; exit 1; }
	$(BIN)/python -m pytest -q -p no:randomly tests/browser $(ARGS)

wheel: $(STAMP) ## Build the wheel, install it outside the clone, and run the demo from it
	$(BIN)/python -m pytest -q -p no:randomly tests/wheel $(ARGS)

anywhere: $(STAMP) ## Run the demo and some tests in clones in closed folders, with odd names, as root and as a plain user
	$(BIN)/python -m pytest -q -p no:randomly tests/anywhere $(ARGS)

howtos: $(STAMP) ## Run every command block of the pages against a real Kaboom, except those that say why not
	$(BIN)/python -m pytest -q -n 2 --dist load tests/howtos $(ARGS)

site: $(STAMP) ## Build the pages as a site in build/site, and read it with Debian's chromium
	@command -v $${KABOOM_CHROMIUM:-chromium} >/dev/null || { \
	  echo 'make site needs chromium on PATH: on Debian `apt-get install chromium fonts-noto-cjk`' >&2; exit 1; }
	$(BIN)/python -m docs.site.build
	$(BIN)/python -m pytest -q -p no:randomly tests/site $(ARGS)

bench: $(STAMP) ## Run the benchmarks, one after another, and write the page of them; fails where a goal is missed
	@missed=0; for script in benchmarks/*.py; do \
	  echo "== $$script"; KABOOM_RECORD=1 $(BIN)/python "$$script" $(ARGS) || missed=1; \
	done; $(BIN)/python -m benchmarks.rig.page || missed=1; exit $$missed

changelog: $(DEPLOY_STAMP) ## Show the changelog of the next release; VERSION=0.2.0 writes it
	$(DEPLOY_VENV)/bin/towncrier build $(if $(VERSION),--version $(VERSION) --yes,--draft --version next)

release-check: $(DEPLOY_STAMP) ## Build wheel and source into dist, check them as PyPI does, and list in build what they install
	rm -rf dist
	$(DEPLOY_VENV)/bin/uv build --quiet --no-build-isolation --python $(DEPLOY_VENV)/bin/python --out-dir dist
	$(DEPLOY_VENV)/bin/twine check --strict dist/*
	mkdir -p build && $(DEPLOY_VENV)/bin/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml \
	  --output-reproducible --output-file build/sbom.cdx.json

lock: ## Compile the locks anew from pyproject.toml; UPGRADE=1 takes newer releases
	@$(BOOTSTRAP_UV)
	@[ -x "$(UV)" ] || { echo 'make lock needs uv: install it, or see why `make setup` could not' >&2; exit 1; }
	$(UV) pip compile pyproject.toml --extra gcp $(COMPILE) -o requirements.lock
	$(UV) pip compile pyproject.toml --all-extras --group dev -c requirements.lock $(COMPILE) -o requirements-dev.lock
	$(UV) pip compile pyproject.toml --all-extras --group dev --group deploy -c requirements-dev.lock $(COMPILE) -o requirements-deploy.lock

# For every platform and Python >= 3.12 at once; with hashes, and without a word on where it was downloaded from.
COMPILE = --quiet --universal --python-version 3.12 --generate-hashes --no-emit-index-url --no-emit-find-links \
  --custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade)

clean: ## Remove .venv, caches and build products; never .kaboom, which holds data
	rm -rf $(VENV) $(DEPLOY_VENV) $(TOOLS) build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find api src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is newer than what it was installed from, or the venv is brought up to date: exactly to the lock.
$(STAMP): pyproject.toml $(LOCKS)
	@echo 'installing into $(VENV): up to a minute, 1.5 GB …'
	@$(BOOTSTRAP_UV)
	@$(call MAKE_VENV,$(VENV))
	@$(call INSTALL,$(VENV),requirements-dev.lock)
	@$(BIN)/python -m kaboom.backtest.compile_kernel || echo 'large backtests will compile their fill model themselves' >&2
	@touch $@
	@echo "installed: $$($(BIN)/python --version), $(BIN)/kaboom"

$(DEPLOY_STAMP): pyproject.toml requirements-deploy.lock
	@$(BOOTSTRAP_UV)
	@$(call MAKE_VENV,$(DEPLOY_VENV))
	@$(call INSTALL,$(DEPLOY_VENV),requirements-deploy.lock)
	@touch $@
