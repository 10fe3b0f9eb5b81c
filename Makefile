# Everything a developer does here. Each target sets up what it needs, in .venv; `make` alone explains itself.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

PYTHON ?=
TEST_WORKERS ?= 4
TEST_ARGS ?=
DEMO_ARGS ?=
BENCH_ARGS ?=
SOAK_ROUNDS ?= 10
SOAK_MINUTES ?= 60
SOAK_SEED ?= 1
SOAK_ARGS ?=
LOCK_ARGS ?=
AUDIT ?=

export UV_PYTHON_DOWNLOADS := never
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

CHECKS := check-format check-lint check-types check-imports check-compose check-tree check-web check-docs check-secrets check-audit
.PHONY: help setup demo up web page test test-python test-web test-oracle docs check $(CHECKS) bench bench-capacity bench-web soak soak-demo soak-long soak-chaos fmt lock clean

help: ## this list
	@printf 'tracesvc: make TARGET\n\n'
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 12

setup: $(STAMP) ## make .venv with everything at the locked versions (PYTHON=python3.12 picks one)

demo: setup page ## trace 114,000 sample containers end to end, then serve (DEMO_ARGS=--once ends there)
	$(BIN)/tracesvc demo $(DEMO_ARGS)

up: setup page ## serve: API, workers and an embedded Valkey
	$(BIN)/tracesvc up

# The page is built where Node is; without it everything else works, and says so.
NODE_OK = node -e 'process.exit(+process.versions.node.split(".")[0] < 20 ? 1 : 0)' 2>/dev/null && command -v npm >/dev/null
NO_NODE = printf '%s\n' 'The page is left out, as Node 20 or newer with npm was not found: / answers 404, the API is all there.'
WEB_BUILT := src/tracesvc/web_dist/index.html
WEB_STAMP := web/node_modules/.installed

web: $(WEB_BUILT) ## build the page into src/tracesvc/web_dist (Node 20 or newer)
page:
	@if $(NODE_OK); then $(MAKE) --no-print-directory web; else $(NO_NODE); fi

$(WEB_BUILT): $(WEB_STAMP) $(shell find web/src web/index.html web/vite.config.ts -type f 2>/dev/null)
	cd web && npm run --silent build -- --logLevel warn

$(WEB_STAMP): web/package-lock.json web/package.json
	cd web && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --loglevel=error
	@touch $@

# Both wait for processes of theirs most of the time, so they run side by side; each says its part when it is done.
test: setup ## all tests (TEST_WORKERS=4, TEST_ARGS="-k stream")
	$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target test-web test-python
test-web: setup
	@if $(NODE_OK); then $(MAKE) --no-print-directory web && cd web && npm test && npm run e2e; else $(NO_NODE); fi
test-python: setup
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile $(TEST_ARGS)

# The sample plant of tests/conftest.py (2,000 containers, seed 7) is loaded first. DB_* name the database.
test-oracle: export DB_HOST ?= 127.0.0.1
test-oracle: export DB_SERVICE ?= FREEPDB1
test-oracle: export DB_USER ?= system
test-oracle: export DB_PASSWORD ?= tracesvc
test-oracle: export TRACE_TEST_ORACLE := 1
test-oracle: setup ## the tests of the Oracle source on a real database (`docker compose --profile oracle up -d oracle`)
	$(BIN)/tracesvc sample-plant build/oracle-plant.duckdb --containers 2000 --seed 7
	$(BIN)/python deploy/oracle/load.py build/oracle-plant.duckdb
	$(BIN)/python -m pytest tests/oracle

docs: setup ## build the docs site into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --site-dir site

check: $(CHECKS) ## format, lint, types, import contracts, compose file, and what checks/ looks at
check-format: setup
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run --Werror $$(git ls-files "*.c" "*.h")
check-lint: setup
	$(BIN)/ruff check .
check-types: setup
	$(BIN)/mypy
check-imports: setup
	$(BIN)/lint-imports
check-compose: setup
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	sed "s/!reset null/null/" docker-compose.prod.yml > build-compose.yml && $(BIN)/check-jsonschema --builtin-schema vendor.compose-spec build-compose.yml; status=$$?; rm -f build-compose.yml; exit $$status
check-tree: setup
	$(BIN)/python -m checks
check-web:
	@if $(NODE_OK); then $(MAKE) --no-print-directory $(WEB_STAMP) && cd web && npm run types && npm run lint; else $(NO_NODE); fi
check-docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --site-dir $(VENV)/site
check-secrets: setup
	git ls-files -z | xargs -0 $(BIN)/detect-secrets-hook --baseline .secrets.baseline
# Known faults of what is locked. Without a way to the advisories it says so and goes on; AUDIT=strict fails then.
check-audit: setup
	AUDIT=$(AUDIT) $(BIN)/python -m checks.audit

bench: setup ## measure against the obvious design and the limits, into bench/results.md (BENCH_ARGS)
	$(BIN)/python -m bench.run $(BENCH_ARGS)

bench-capacity: setup ## what one action costs, a model of 1,000 users, and a simulation of them, into docs/capacity.md
	$(BIN)/python -m bench.capacity.run --write $(BENCH_ARGS)

bench-web: web setup ## measure the page with 1 M and more records in Chromium (BENCH_ARGS)
	$(BIN)/python -m bench.web.run $(BENCH_ARGS)

soak: setup soak-demo soak-long soak-chaos ## the demo SOAK_ROUNDS times (10), long forms of single tests, then tests/chaos in full for SOAK_MINUTES (60)
soak-demo: setup
	for round in $$(seq $(SOAK_ROUNDS)); do \
	    printf '== round %s of %s\n' "$$round" '$(SOAK_ROUNDS)'; \
	    $(BIN)/tracesvc demo --once $(DEMO_ARGS) || exit 1; \
	done
# Requests made from the description, generated clients under strict types, and random plants: more of each.
soak-long: setup
	TRACE_SOAK=1 TRACE_SOAK_SEED=$(SOAK_SEED) $(BIN)/python -m pytest --timeout 3600 $(SOAK_ARGS) \
	    tests/acceptance/test_schemathesis.py tests/clients tests/unit/lineage tests/unit/aggregation
# At least one round; each has the next seed, which its summary names. SOAK_SEED=7 begins with that one.
soak-chaos: setup
	end=$$(($$(date +%s) + 60 * $(SOAK_MINUTES))); seed=$(SOAK_SEED); \
	while :; do \
	    printf '== seed %s\n' "$$seed"; \
	    TRACE_SOAK=1 TRACE_SOAK_SEED=$$seed $(BIN)/python -m pytest tests/chaos --timeout 3600 $(SOAK_ARGS) \
	        || exit 1; \
	    seed=$$((seed + 1)); \
	    [ "$$(date +%s)" -lt "$$end" ] || break; \
	done

fmt: setup ## format, repair what ruff can, write .env.example, docs/settings.md, docs/openapi.json and the page's types of it
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $$(git ls-files "*.c" "*.h")
	$(BIN)/python -m checks.settings_docs --write
	$(BIN)/python -m checks.openapi --write
	@if $(NODE_OK); then $(MAKE) --no-print-directory $(WEB_STAMP) && cd web && npm run --silent api; else $(NO_NODE); fi

# The universal resolution holds for every system and every Python from 3.11 on.
COMPILE = $(BIN)/uv pip compile --quiet pyproject.toml --extra embedded --extra otel --universal --python-version 3.11 \
    --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' $(LOCK_ARGS)

lock: $(BIN)/uv ## resolve pyproject.toml into requirements*.lock (LOCK_ARGS=--upgrade: newest versions)
	$(COMPILE) --output-file requirements.lock
	$(COMPILE) --group dev --constraints requirements.lock --output-file requirements-dev.lock

clean: ## remove .venv, caches and build output
	rm -rf $(VENV) build dist src/tracesvc/files/*.so web/node_modules src/tracesvc/web_dist .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): $(BIN)/uv requirements-dev.lock pyproject.toml $(wildcard src/tracesvc/files/_*.[ch])
	$(BIN)/uv pip sync --python $(BIN)/python --require-hashes requirements-dev.lock
	$(BIN)/uv pip install --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# uv itself comes by pip at the locked version, checked against its hashes too.
$(BIN)/uv: | $(BIN)/python
	sed -n '/^uv==/,/# via/p' requirements-dev.lock > $(VENV)/uv.lock
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r $(VENV)/uv.lock

$(BIN)/python:
	@for python in $(PYTHON) python3 python3.11 python3.12 python3.13 python3.14; do \
	    if "$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        printf 'Making %s with %s\n' '$(VENV)' "$$("$$python" --version)"; \
	        exec "$$python" -m venv --clear $(VENV); \
	    fi; \
	done; \
	printf '%s\n' 'No Python 3.11 or newer with the venv module was found, so nothing can be set up.' \
	    'Install one (Debian: apt-get install python3 python3-venv), or name it: make setup PYTHON=/path/to/python3' >&2; \
	exit 1
