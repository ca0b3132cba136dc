# Everything a newcomer runs. Each target makes its own virtual environment; nothing has to be installed before.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help

help: ## say what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

install: $(READY) ## make the virtual environment

demo: $(READY) ## load sample data on embedded PostgreSQL, answer the three questions, leave the service up
	$(BIN)/siyu demo

check: $(READY) ## all of it: style, types, import contracts, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n auto --dist loadfile

test: check ## the same

laws: $(READY) ## explore the laws over many more generated histories: 10,000 each, 1,000 where PostgreSQL is asked
	$(BIN)/pytest --hypothesis-profile laws tests/stitcher/test_laws.py tests/stitcher/test_whole.py \
	  tests/profiles/test_summary.py tests/profiles/test_sharetree.py
	$(BIN)/pytest --hypothesis-profile laws-in-postgres tests/stitcher/test_store_laws.py tests/stitcher/test_stateful.py \
	  tests/stitcher/test_rebuild.py tests/stitcher/test_previewing.py
	$(BIN)/pytest --hypothesis-profile laws tests/document

bench: $(READY) ## measure on the real cascades (needs ../shared/data)
	$(BIN)/python -m bench

kafka: ## start Apache Kafka from Maven Central's jars on 127.0.0.1:9092 (needs Java 17 and Maven)
	scripts/kafka start --port 9092 --dir .cache/kafka-data

schemas: $(READY) ## write the JSON Schemas and the OpenAPI document anew
	$(BIN)/python -m scripts.schemas

format: $(READY) ## put the code into the common form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: help install demo check test laws bench kafka schemas format
