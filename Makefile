# aipstream: `make help` lists what there is.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help install demo test test-fast test-clouds test-cluster hunt check format bench lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.runtime: requirements.lock pyproject.toml
	@PYTHON="$(PYTHON)" ops/prepare python
	@test -x $(BIN)/python || "$$(PYTHON="$(PYTHON)" ops/prepare which-python)" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.development: requirements-dev.lock ops/schemas.lock $(VENV)/.runtime
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r ops/schemas.lock
	@touch $@

install: $(VENV)/.runtime ## make .venv with the command aipstream in it
	@echo "ready: $(BIN)/aipstream --help"

demo: $(VENV)/.runtime ## set everything up and show the main job, end to end
	@ops/prepare postgresql
	@$(BIN)/aipstream demo

test: $(VENV)/.development ## every test, on a real PostgreSQL, DSpace, Kafka and S3 server
	@ops/prepare postgresql java
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

test-fast: $(VENV)/.development ## the tests without the real DSpace, Kafka and S3 server
	@ops/prepare postgresql
	@$(BIN)/python -m pytest -n 2 --dist loadgroup --ignore tests/real $(ARGS)

hunt: $(VENV)/.development ## the property tests on examples that no run has seen (HUNT=20 times as many)
	@ops/prepare postgresql
	@HUNT=$${HUNT:-20} $(BIN)/python -m pytest -n 2 --timeout 0 -m hypothesis --ignore tests/real --ignore tests/chaos $(ARGS)

test-clouds: $(VENV)/.development ## the blob stores of Azure (on Azurite, by npm) and Google, which no other target tests
	@ops/prepare postgresql java
	@CLOUDS=1 $(BIN)/python -m pytest tests/real/clouds $(ARGS)

test-cluster: $(VENV)/.development ## the log on three brokers of Kafka that die, which no other target tests
	@ops/prepare postgresql java
	@CLUSTER=1 $(BIN)/python -m pytest tests/real/cluster $(ARGS)

check: $(VENV)/.development ## ruff, mypy, docs in step with the code
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q -p no:cacheprovider tests/docs

format: $(VENV)/.development ## let the formatter decide layout
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/.development ## figures, side by side with pg_dump | pg_restore and a file copy
	@ops/prepare postgresql
	@$(BIN)/python -m ops.bench $(ARGS)

lock: ## pin the dependencies anew
	@$(BIN)/pip-compile --quiet --no-header --generate-hashes --strip-extras --allow-unsafe --no-emit-index-url \
	  --no-emit-trusted-host --no-emit-find-links --extra kafka --extra objectstore \
	  --output-file requirements.lock ops/runtime.in pyproject.toml
	@$(BIN)/pip-compile --quiet --no-header --generate-hashes --strip-extras --allow-unsafe --no-emit-index-url \
	  --no-emit-trusted-host --no-emit-find-links --extra dev --extra kafka --extra objectstore --output-file requirements-dev.lock \
	  ops/runtime.in pyproject.toml

clean: ## remove what make made
	@rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
