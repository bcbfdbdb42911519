# make run | make demo | make test | make bench; `make help` lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CLIENTS := 1.0.7 2.0.0b4
UV := $(shell command -v uv 2>/dev/null)

# Compiled modules are kept, whatever the shell says: tests start dozens of processes.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run demo test test-endtoend test-clients test-datadog test-telemetry test-local format bench lock clean

help: ## List the targets.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

# Installed once; again only when the pins change.
ifdef UV
install = $(UV) pip sync --quiet --python $(BIN)/python $(1)
make-venv = $(UV) venv --quiet --python $(PYTHON) $(VENV)
else
install = $(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement $(1)
make-venv = $(PYTHON) -m venv $(VENV)
endif

$(BIN)/python:
	$(make-venv)

$(VENV)/.run: requirements.txt | $(BIN)/python
	@test -f $(VENV)/.dev || $(call install,requirements.txt)
	@touch $@

$(VENV)/.dev: requirements-dev.txt | $(BIN)/python
	@$(call install,requirements-dev.txt)
	@touch $@ $(VENV)/.run

run: $(VENV)/.run ## Serve on HOST:PORT (127.0.0.1:8000).
	@$(BIN)/python -m app

demo: $(VENV)/.run ## Fine-tune, watch, generate and fetch, once, against a server of its own.
	@$(BIN)/python -m examples.demo $(if $(IMAGES),--images "$(IMAGES)")

test: $(VENV)/.dev ## Every check: format, lint, types, import contracts, tests.
	$(BIN)/ruff format --quiet --check .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/pytest -n auto -q -m "not endtoend"

test-endtoend: $(VENV)/.dev ## Real processes over real HTTP, killed in the middle; they mostly wait.
	$(BIN)/pytest -n 5 -q tests/endtoend tests/systems

test-clients: $(VENV)/.run $(CLIENTS:%=.venvs/replicate-%/.ready) ## The official Replicate clients against the sandbox.
	SANDBOX_PYTHON=$(CURDIR)/$(BIN)/python .venvs/replicate-1.0.7/bin/python -m pytest -q tests/clients/replicate_1
	SANDBOX_PYTHON=$(CURDIR)/$(BIN)/python .venvs/replicate-2.0.0b4/bin/python -m pytest -q tests/clients/replicate_2

.venvs/replicate-%/.ready: tests/clients/requirements-%.txt
	@$(PYTHON) -m venv .venvs/replicate-$*
	@.venvs/replicate-$*/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

test-datadog: .venvs/datadog/.ready ## Traces of the service at Datadog's own test agent.
	.venvs/datadog/bin/python -m pytest -q tests/datadog

test-telemetry: .venvs/telemetry/.ready ## Traces of the service at an OpenTelemetry collector.
	.venvs/telemetry/bin/python -m pytest -q tests/telemetry

test-local: .venvs/local/.ready ## Tiny models that are really loaded, on the processor or on the GPU that is there.
	.venvs/local/bin/python -m pytest -q tests/local
	.venvs/local/bin/python -m pytest -q --confcutdir=tests/systems -p no:cacheprovider tests/systems/test_d.py

.venvs/local/.ready: requirements-local.txt
.venvs/datadog/.ready .venvs/telemetry/.ready .venvs/local/.ready: .venvs/%/.ready: tests/%/requirements.txt requirements.txt
	@$(PYTHON) -m venv .venvs/$*
	@.venvs/$*/bin/python -m pip install --quiet --disable-pip-version-check --requirement tests/$*/requirements.txt
	@touch $@

format: $(VENV)/.dev ## Put the code into shape.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev ## Measure against a bare pass-through and the obvious service.
	$(BIN)/python -m benchmarks

lock: $(VENV)/.dev ## Pin the newest versions that pyproject.toml allows; needs uv.
	uv pip compile --quiet --no-header --no-emit-index-url --no-emit-find-links --universal --python-version 3.11 --upgrade pyproject.toml -o requirements.txt
	uv pip compile --quiet --no-header --no-emit-index-url --no-emit-find-links --universal --python-version 3.11 --upgrade --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt

clean: ## Remove what the targets made, but no picture and no record.
	rm -rf $(VENV) .venvs .mypy_cache .ruff_cache .pytest_cache .hypothesis
