# Everything a person or CI calls. Each target makes the virtual environment first, once.
.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
PACKAGES := medley orchestrator encoders hub generators workers api starter
SOURCES := $(PACKAGES) tests bench .ci
# Test processes at once.
SIDE_BY_SIDE := $(shell n=$$(nproc); echo $$((n < 2 ? n : 2)))
# A test that fails is tried so many times more, and then named RERUN in the summary: real servers
# and browsers may starve on a shared machine. `make test RERUNS=0` forgives nothing.
RERUNS := 1
FORGIVING = -n $(SIDE_BY_SIDE) --dist loadfile --reruns $(RERUNS) -rfEsR
# Used by one test only; not a dependency, and it may be missing.
REFERENCE := imagebind-packaged==0.1.2 einops==0.8.2 iopath==0.1.10 portalocker==4.4.2
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help venv demo test test-fast explore lint types format eval starter bench lock sizes openapi clean

help:  ## List the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | column -t -s $$'\t'

venv: $(STAMP)  ## Make .venv with everything that is needed (Python 3.11 or newer).

$(STAMP): pyproject.toml constraints.txt
	@.ci/venv.sh $(VENV)
	@echo "Installing what constraints.txt names (some minutes, once) …"
	@$(BIN)/python -m pip install -qq -c constraints.txt "torch==2.13.0" -e '.[dev]'
	@$(BIN)/python -m pip install -qq --no-deps $(REFERENCE) \
		|| echo "note: the reference ImageBind is not to be had; its parity test will be skipped"
	@touch $(STAMP)

demo: $(STAMP)  ## A real request, from a picture and a sound to an answer and a new picture, in demo-out/.
	@$(BIN)/python -m medley.demo

test: $(STAMP)  ## All tests: unit, contract, flow, e2e. Page tests need a Chromium.
	@tests/get_chromium.sh
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q $(FORGIVING) tests/unit tests/contract tests/flow
	$(BIN)/python -m pytest -q $(FORGIVING) tests/e2e

test-fast: $(STAMP)  ## The quick ones: no servers, no browser.
	$(BIN)/python -m pytest -q tests/unit tests/contract

explore: $(STAMP)  ## The property tests with new random examples, and more of them; not part of `make test`.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(SIDE_BY_SIDE) --dist loadfile \
		--hypothesis-profile=explore --timeout=3000 $$(grep -rlE '@given|schemathesis|StateMachine' tests)

lint: $(STAMP) types  ## ruff, mypy --strict, the import contracts.
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/lint-imports

types: $(STAMP)  ## mypy --strict on our packages.
	$(BIN)/mypy

format: $(STAMP)  ## Put the code into its format.
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

eval: $(STAMP)  ## Score the starter models on held-out inputs; writes starter/REPORT.md.
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev,starter]'
	$(BIN)/python -m starter.evaluate

starter: $(STAMP)  ## Make the starter models anew: data, training, evaluation, export. Takes hours on a CPU.
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev,starter]'
	$(BIN)/python -m starter.recipe

bench: $(STAMP)  ## Speed of the engine against a bare Celery chain and DBOS.
	$(BIN)/python -m bench.overhead

lock: $(STAMP)  ## Write constraints.txt from what is installed here.
	$(BIN)/python .ci/lock.py > constraints.txt.new
	mv constraints.txt.new constraints.txt
	@touch $(STAMP)

sizes: ## The longest files: a mirror, not a gate.
	@git ls-files '*.py' '*.js' '*.sql' | xargs wc -l | sort -rn | head -25

openapi: $(STAMP)  ## Write api/openapi.json from the routes.
	$(BIN)/python -m api.openapi

clean:  ## Remove the environment and caches; never data or weights.
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build *.egg-info
