# Set-up, demo and tests, all in .venv with the versions of requirements.lock.
PYTHON ?= python3
DURATION ?=
AGAIN ?=
BIN := .venv/bin
STAMP := .venv/.set-up
# Node.js comes with the locked packages: what a system has is often too old.
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/npm --prefix dashboard --silent
MODULES := dashboard/node_modules/.set-up
PAGE := dashboard/dist/index.html
TRACKER := dashboard/dist-tracker/tidemark.js

.PHONY: setup demo test test-faults lint lock clean

setup: $(STAMP) $(PAGE) $(TRACKER)

# A changed lock or pyproject.toml is installed anew, changed windows are compiled anew; else this is done at once.
$(STAMP): requirements.lock pyproject.toml setup.py tidemark/decoding.py $(wildcard streams/windows/*.py)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Tidemark needs Python 3.11 or later, $(PYTHON) is: $$($(PYTHON) --version 2>&1)."; \
		  echo "Install one and name it: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || \
		{ echo "No virtual environment; on Debian and Ubuntu: apt install python3-venv"; rm -rf .venv; exit 1; }
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	@# Its warning that a folder here could shadow an installed package is about every editable installation.
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# The dashboard: its libraries when their list has changed, the page when its sources have.
$(MODULES): dashboard/package.json dashboard/package-lock.json dashboard/.npmrc | $(STAMP)
	$(NPM) ci
	@touch $@

$(PAGE): $(MODULES) dashboard/index.html dashboard/vite.config.ts $(wildcard $(addprefix dashboard/,\
		public/* scripts/* src/* src/*/*))
	$(NPM) run build -- --logLevel warn
	gzip --best --keep dashboard/dist/assets/*.js dashboard/dist/assets/*.css
	@touch $@

# The script that web sites load to be counted.
$(TRACKER): $(MODULES) dashboard/vite.tracker.ts dashboard/scripts/budget.ts dashboard/src/feed/backoff.ts $(wildcard dashboard/tracker/*)
	$(NPM) run build:tracker -- --logLevel warn
	@touch $@

demo: setup
	$(BIN)/tidemark up $(if $(DURATION),--duration $(DURATION))

test: setup
	@# The first time Go takes minutes to build what looks at the deployment's files: meanwhile lint runs.
	@$(BIN)/python -m tests.deploy.programs >/dev/null 2>&1 &
	@$(MAKE) --no-print-directory lint
	$(NPM) test
	@# In their order: the files of one long test would come last, one process at work and the others done.
	$(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

# The whole fault table, an hour and a half; goes on where it was interrupted, AGAIN=1 starts over.
test-faults: setup
	$(BIN)/python -m tests.faults $(if $(AGAIN),--again)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(NPM) run lint

lock: setup
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --all-extras --allow-unsafe --strip-extras \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
		--output-file requirements.lock pyproject.toml

clean:
	@test ! -x $(BIN)/tidemark || $(BIN)/tidemark stack down
	rm -rf .venv .tidemark *.egg-info build *.so */*.so */*/*.so .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache \
		dashboard/node_modules dashboard/dist dashboard/dist-tracker
