# The front door. `make up` trains the quickstart; `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help
TARGET ?= local
# Tests run by file in so many processes; WORKERS=0 runs them in one, as a debugger wants it. Those marked `alone` come
# after them, by themselves.
WORKERS ?= 2
BESIDE := -n $(WORKERS) --dist loadfile
# What `make test` runs: those beside one another, then those alone; and of which folders.
PARTS ?= beside alone
TESTS ?= tests
REQUIREMENTS := --universal --python-version 3.10 --generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links
export TRAINING_TARGET := $(TARGET)
.PHONY: help setup run-setup up preview destroy test test-quick test-slow lint format bench schema docs requirements wheel clean

help: ## list the verbs
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(VENV)/.run: requirements/run.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 10) and "pulumi-training needs Python 3.10 or newer")'
	@echo "installing pinned requirements ..."
	@test -x $(BIN)/uv || $(BIN)/python -m pip install -q $$(grep -o '^uv==[0-9.]*' requirements/run.txt)
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements/run.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps -e .
	@touch $@

# What a target needs beside it.
NEEDS_docker := $(VENV)/.docker

$(VENV)/.docker: $(VENV)/.run requirements/docker.txt
	@echo "installing the pinned Docker client ..."
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements/docker.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	@echo "installing pinned development requirements ..."
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

setup: $(VENV)/.dev ## install everything that development needs
	@tools/pulumi ensure

up: $(VENV)/.run $(NEEDS_$(TARGET)) ## train the quickstart; TARGET=docker does it in containers
	@tools/pulumi up

preview: $(VENV)/.run $(NEEDS_$(TARGET)) ## show what `make up` would do, and why
	@tools/pulumi preview

destroy: $(VENV)/.run $(NEEDS_$(TARGET)) ## stop and remove what `make up` made; records stay
	@tools/pulumi destroy

test: setup ## run the tests; TRAINING_FAULTS=whole adds the rest of the fault matrix
ifeq ($(strip $(PYTEST_ARGS)),)
	@failed=0; for part in $(PARTS); do case $$part in \
	  beside) $(BIN)/python -m pytest $(BESIDE) -m "not alone" $(TESTS) || failed=1 ;; \
	  alone) $(BIN)/python -m pytest -m alone $(TESTS) || failed=1 ;; \
	  *) echo "PARTS are beside and alone" >&2; failed=2 ;; \
	esac; done; exit $$failed
else
	@$(BIN)/python -m pytest $(BESIDE) $(PYTEST_ARGS)
endif

test-quick: $(VENV)/.dev ## run the tests that start nothing
	@$(BIN)/python -m pytest $(BESIDE) tests/unit $(PYTEST_ARGS)

test-slow: setup ## run what takes too long for CI, twice, into docs/verified.md; PART=docker for one target's
	@$(BIN)/python tests/common/slow.py $(PART)

lint: $(VENV)/.dev ## ruff, mypy, layers, dead code, schema
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/vulture
	@$(BIN)/python -m pulumi_training.schema.write --check
	@$(BIN)/python docs/generate.py --check

format: $(VENV)/.dev ## put the code into form
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: setup ## measure, side by side with peers and floors
	@$(BIN)/python -m benchmarks

schema: $(VENV)/.dev ## generate schema.json from the models
	@$(BIN)/python -m pulumi_training.schema.write

docs: schema ## generate docs/reference.md and the README's table of targets
	@$(BIN)/python docs/generate.py

requirements: $(VENV)/.run ## pin the requirements anew, with hashes
	@$(BIN)/uv pip compile -q pyproject.toml $(REQUIREMENTS) -o requirements/run.txt
	@$(BIN)/uv pip compile -q pyproject.toml --extra docker $(REQUIREMENTS) -o requirements/docker.txt
	@$(BIN)/uv pip compile -q pyproject.toml --group dev $(REQUIREMENTS) -o requirements/dev.txt

wheel: $(VENV)/.dev ## build the wheel
	@$(BIN)/python -m build --wheel

clean: ## remove what was built; records and state stay
	@rm -rf dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
