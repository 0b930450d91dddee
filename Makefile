# Every target does its own set-up: all that is needed is make and Python >= 3.11.
SHELL := /bin/sh
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
SECONDS ?= 60
SIDE_BY_SIDE ?= -n auto --dist loadfile
PURE := sandbox/kernel/*,sandbox/faults/*,sandbox/population/*,sandbox/fhir/*,sandbox/amqp/*,sandbox/edxl/*

.DEFAULT_GOAL := help
.PHONY: help sandbox test check bench load fuzz schema conformite architecture lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

sandbox: $(VENV)/.runtime ## start the whole ecosystem in the foreground (options: make sandbox ARGS="--port-base 9000")
	@exec $(BIN)/sas-sandbox up $(ARGS)

test: $(VENV)/.dev ## run the tests (ARGS are given to pytest)
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

check: $(VENV)/.dev ## the one gate: format, lint, types, layers, tests with branch coverage
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/mypy --platform win32 --always-false POSIX --no-warn-unreachable --cache-dir .mypy_cache/win32
	@$(BIN)/lint-imports
	@rm -f .coverage .coverage.*
	@$(BIN)/python -m coverage run -m pytest $(SIDE_BY_SIDE) $(ARGS)
	@$(BIN)/python -m coverage combine -q
	@$(BIN)/python -m coverage report
	@$(BIN)/python -m coverage report --fail-under=100 --skip-covered --include='$(PURE)'

bench: $(VENV)/.dev ## measure the hot paths against their limits, as ratios in one run
	@$(BIN)/python -m load.bench $(ARGS)

load: $(VENV)/.dev ## searches by locust on the running sandbox (options: make load ARGS="-u 50 -r 10 -t 60s")
	@$(BIN)/locust -f load/locustfile.py --headless $(or $(ARGS),-u 20 -r 5 -t 30s)

fuzz: $(VENV)/.dev ## send anything to every entrance (options: make fuzz SECONDS=600 SEED=7)
	@$(BIN)/python -m tests.fuzz $(SECONDS) $(SEED)

schema: $(VENV)/.runtime ## write docs/personas.schema.json again from the types of the persona files
	@$(BIN)/python -c 'from pathlib import Path; from sandbox.population.personas.published import write; write(Path("docs/personas.schema.json"))'

conformite: $(VENV)/.dev ## write docs/conformite.md again from the marks of the tests
	@$(BIN)/python -m tests.requirements

architecture: ## draw docs/images/architecture.svg again from the imports
	@$(PYTHON) tools/draw_architecture.py > docs/images/architecture.svg.new
	@mv docs/images/architecture.svg.new docs/images/architecture.svg

lock: $(VENV)/.dev ## make both lock files again from the ranges in pyproject.toml
	@$(BIN)/uv pip compile -q --universal -p 3.11 --no-header --no-emit-index-url --generate-hashes \
	  pyproject.toml --group build -o requirements.lock
	@$(BIN)/uv pip compile -q --universal -p 3.11 --no-header --no-emit-index-url --generate-hashes \
	  pyproject.toml --extra load --group build --group dev -c requirements.lock -o requirements-dev.lock

clean: ## remove the environment, caches and the sandbox's data
	@rm -rf $(VENV) .sandbox .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .coverage .coverage.* build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What the stamp stands for is installed, or there is no stamp (tools/install.py).
$(VENV)/.runtime: requirements.lock pyproject.toml tools/install.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "sas-sandbox needs Python >= 3.11: run make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@echo "setting up sas-sandbox, once:"
	@$(PYTHON) tools/install.py --venv $(VENV) --lock requirements.lock --stamp $@ --project .

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@echo "setting up its tests, once:"
	@$(PYTHON) tools/install.py --venv $(VENV) --lock requirements-dev.lock --stamp $@
