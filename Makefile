# Everything a person or CI does here. `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PYTHONDONTWRITEBYTECODE := 1
# Three files of tests at once on two cores, each with a Spark of its own: a test waits about half of its time.
SIDE_BY_SIDE := -n 3 --dist loadfile --no-loadscope-reorder
# What `make check` runs, two at a time; the longest first.
CHECKS := check-types check-secrets check-dead-code check-contracts check-lint check-format

.DEFAULT_GOAL := help
.PHONY: help demo test check nightly clean setup $(CHECKS)

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: setup $(VENV)/.sdks  ## Run the whole product on real shopping data and leave a server running (CHECK=1: assert it, then stop)
	@KINDRED_SDK=$$($(BIN)/python tests/support/javascript.py) $(BIN)/kindred demo start $(if $(CHECK),--check) $(if $(HOUSEHOLDS),--households $(HOUSEHOLDS)) $(if $(DEMO),--workspace $(DEMO))

test: setup $(VENV)/.sdks  ## Run all tests
	@$(BIN)/pytest $(SIDE_BY_SIDE) $(PYTEST)

check: setup  ## Everything a machine can say: format, lint, types, import contracts, dead code, secrets
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target $(CHECKS)

check-types:
	@echo "types";     $(BIN)/mypy --no-error-summary

check-secrets:
	@echo "secrets";   git ls-files -z | xargs -0 $(BIN)/detect-secrets-hook --baseline .secrets.baseline

check-dead-code:
	@echo "dead code"; $(BIN)/vulture

check-contracts:
	@echo "contracts"; $(BIN)/lint-imports --no-cache > $(VENV)/contracts.log || { cat $(VENV)/contracts.log; exit 1; }

check-lint:
	@echo "lint";      $(BIN)/ruff check -q .

check-format:
	@echo "format";    $(BIN)/ruff format --check -q .

nightly: setup $(VENV)/.sdks  ## The long form of the tests: more examples, more seeds
	@HYPOTHESIS_PROFILE=nightly $(BIN)/pytest -m "nightly or not nightly" $(PYTEST)

clean:  ## Remove the environment and the demo
	rm -rf $(VENV) demo build dist

setup: $(VENV)/.jars

$(VENV)/.installed: pyproject.toml constraints.txt api/client/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Kindred needs Python 3.11 or newer; $$($(PYTHON) --version) was found. Install it, or name it: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@command -v java > /dev/null || \
	  { echo "Kindred needs a JDK 17, and there is no java on the PATH: apt-get install openjdk-17-jdk-headless"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || \
	  { echo "Kindred needs Python's venv: apt-get install python3-venv"; exit 1; }
	@echo "environment: installing the pinned packages into $(VENV) (about 700 MB, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --progress-bar on -c constraints.txt -e '.[demo,test,check]' -e api/client
	@touch $@

$(VENV)/.sdks: tests/sdks.txt $(VENV)/.installed
	@echo "sdks: installing the SDKs that the collector is shown and tested with into a folder of their own (about 20 MB, once)"
	@rm -rf $(VENV)/sdks
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --target $(VENV)/sdks -r tests/sdks.txt
	@touch $@

$(VENV)/.jars: $(VENV)/.installed infra/jars.py
	@echo "jars: Ivy resolves Delta, Spark's connector to Kafka, and a Kafka broker (about 140 MB, once)"
	@$(BIN)/kindred doctor --jars
	@touch $@
