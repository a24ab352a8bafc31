# Two commands set everything up on a fresh Linux machine with Python 3.11+, git and make:
#   make up     the main job: a region, by a literal `pulumi up`, on the sandbox
#   make test   what CI runs
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# The SDK packages take seconds to compile, at every run if the machine forbids Python to keep the result.
export PYTHONDONTWRITEBYTECODE :=

CACHE := $(or $(BASTIDE_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/bastide)
UV_VERSION := 0.13.8
UV := $(CACHE)/uv-$(UV_VERSION)/bin/uv
STAMP := .venv/.bastide-$(shell cat requirements.lock pyproject.toml | sha256sum | cut -c1-16)
PYTHON := .venv/bin/python

PARTS := $(patsubst tests/e2e/test_%.py,%,$(wildcard tests/e2e/test_*.py))
# Proofs of a part that need no world.
ALSO_serving := tests/serving tests/capacity tests/charts/test_vllm_pod_real.py
# Those that are ours to build; each has a lock.
IMAGES := artifact-agent pii
SCHEMA := build/stack.schema.json

.PHONY: help up live down env prove test lint format lock sbom bench schema clean

help: ## this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

$(UV):
	@echo "==> uv $(UV_VERSION)" >&2
	@python3 -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else f"Bastide needs Python 3.11 or newer; python3 here is {v[0]}.{v[1]}")'
	@mkdir -p $(CACHE)
	@python3 -m venv $(CACHE)/uv-$(UV_VERSION).tmp
	@$(CACHE)/uv-$(UV_VERSION).tmp/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@rm -rf $(CACHE)/uv-$(UV_VERSION) && mv $(CACHE)/uv-$(UV_VERSION).tmp $(CACHE)/uv-$(UV_VERSION)

$(STAMP): $(UV)
	@echo "==> Python packages (.venv)" >&2
	@$(UV) venv --quiet --allow-existing --python python3 .venv
	@$(UV) pip sync --quiet --python $(PYTHON) --require-hashes requirements.lock
	@$(UV) pip install --quiet --python $(PYTHON) --no-deps --editable .
	@rm -f .venv/.bastide-* && touch $@

$(SCHEMA): $(STAMP) $(wildcard bastide/settings/*.py bastide/settings/checks/*.py bastide/catalogues/*.py bastide/plans/*.py)
	@mkdir -p build
	@.venv/bin/bastide schema --reference > build/settings.md
	@.venv/bin/bastide schema > $@.tmp && mv $@.tmp $@

schema: $(SCHEMA) ## what editors check stack files by (build/stack.schema.json), and every setting (build/settings.md)

up: $(STAMP) $(SCHEMA) ## toolchain, sandbox, tiny model, and `pulumi up` of the sandbox region; again: nothing changes
	@$(PYTHON) -m sandbox.make_up

live: $(STAMP) $(SCHEMA) ## a region whose engines are real vLLM on this machine's processor, and a request to try
	@STACK=sandbox-live $(PYTHON) -m sandbox.make_live

down: $(STAMP) ## ends the sandbox and every process of it
	@.venv/bin/bastide sandbox down

env: $(STAMP) ## exports for a shell: eval "$$(make -s env)"
	@.venv/bin/bastide sandbox env

test: $(STAMP) ## lint, types, and every test; what CI runs
	@$(PYTHON) -m sandbox.toolchain all
	@$(MAKE) --no-print-directory lint
	@$(PYTHON) -m pytest -n 2 --dist loadgroup -m "not proof"

prove: $(STAMP) ## repeats what a part promises, and shows what was seen: make prove PART=region
	@test -n "$(PART)" || { echo "make prove: give PART=, one of: $(PARTS)" >&2; exit 2; }
	@test -f tests/e2e/test_$(PART).py || { echo "make prove: no part '$(PART)'; there are: $(PARTS)" >&2; exit 2; }
	@$(PYTHON) -m sandbox.toolchain all
	@$(PYTHON) -m pytest -v -s tests/e2e/test_$(PART).py $(ALSO_$(PART))

lint: $(STAMP) ## ruff and mypy
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy

format: $(STAMP) ## ruff's fixes and formatting
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

lock: $(UV) ## resolves every lock anew from what was asked for
	@$(UV) pip compile --quiet --universal --python-version 3.11 --group sandbox --group dev pyproject.toml \
		--generate-hashes --no-emit-index-url --no-header --output-file requirements.lock
	@for each in vllm sglang litellm pii; do $(UV) pip compile --quiet --universal --python-version 3.11 \
		sandbox/toolchain/python/$$each.in --override sandbox/toolchain/python/$$each.overrides \
		--generate-hashes --no-emit-index-url --no-header --output-file sandbox/toolchain/python/$$each.lock; done
	@for each in $(IMAGES); do $(UV) pip compile --quiet --universal --python-version 3.13 images/$$each/pyproject.toml \
		--generate-hashes --no-emit-index-url --no-header --output-file images/$$each/requirements.lock; done

sbom: $(STAMP) ## what our images hold (build/*.cdx.json, CycloneDX), from their locks
	@mkdir -p build
	@for each in $(IMAGES); do .venv/bin/cyclonedx-py requirements images/$$each/requirements.lock \
		--pyproject images/$$each/pyproject.toml --output-reproducible --validate \
		--output-format JSON --output-file build/$$each.cdx.json; done

bench: $(STAMP) ## the benchmarks' ratios
	@$(PYTHON) benchmarks/preview.py
	@$(PYTHON) benchmarks/gateway.py --short

clean: ## removes what was made inside the tree (not the cache, not the sandbox)
	@rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
