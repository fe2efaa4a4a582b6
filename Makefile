# The same targets serve a developer, CI and the README. A second run does no set-up work.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
RUNS := $(VENV)/.runs
SOURCES := exporter bytespike_simulator tests benchmarks scripts

SOAK_RUN := .cache/reliability.jsonl
SOAKED := tests/reliability tests/ledger tests/gateway tests/config tests/daemon tests/otlp \
	tests/tap tests/webhook tests/web/test_server.py

# On as many processes as there are cores; tests that begin together often share what they start.
PYTEST := -m pytest --numprocesses auto --dist worksteal
# What no other Python can change: processes, peers, charts, pictures.
SAME := alerts benchmarks deploy e2e peers reliability repository

.PHONY: help run test test-others soak check lint types layers sizes metadata generated format \
	generate bench alerts-demo lock lock-collector peers image kube-tests clean

help: ## What can be made
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile

run: $(RUNS) ## Set up and start the demo
	$(BIN)/bytespike-exporter demo

test: $(READY) peers ## Set up and run every test, in parallel (ARGS="-k name" for some)
	$(BIN)/python $(PYTEST) $(ARGS)

test-others: $(READY) ## Run the fast tests on the newest other Python of this machine
	@python=$$(scripts/other-pythons $(BIN)/python | head -n 1); \
	if [ -z "$$python" ]; then echo "test-others: no other Python from 3.11 on here; skipped"; \
	else $(MAKE) --no-print-directory test PYTHON="$$python" VENV=.venv-other \
		ARGS="$(or $(ARGS),$(SAME:%=--ignore=tests/%))"; fi

# Where ARGS choose some of the tests, only their rows change.
soak: $(READY) peers ## Try to break it, for about an hour, and write its table
	@mkdir -p $(dir $(SOAK_RUN)) && rm -f $(SOAK_RUN)
	status=0; RELIABILITY_SOAK=1 RELIABILITY_RECORD=$(SOAK_RUN) $(BIN)/python -m pytest \
		-o faulthandler_timeout=3600 -p tests.reliability.trials -p tests.reliability.elsewhere \
		$(or $(ARGS),$(SOAKED)) \
		|| status=$$?; \
	$(BIN)/python -m scripts.reliability --take $(SOAK_RUN) && exit $$status

check: lint types layers sizes metadata generated ## All that can be judged without running it

lint: $(READY)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

types: $(READY)
	$(BIN)/mypy

layers: $(READY)
	$(BIN)/lint-imports

sizes: $(READY)
	$(BIN)/python -m scripts.sizes

metadata: $(READY)
	$(BIN)/pyroma --min 9 .

generated: $(READY)
	$(BIN)/python -m scripts.generate --check

format: $(READY) ## Format, and fix what can be fixed
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

generate: $(READY) ## Write every generated file
	$(BIN)/python -m scripts.generate

bench: $(READY) ## The budgets beside what was measured
	$(BIN)/python -m benchmarks

alerts-demo: $(READY) ## A wallet runs dry; print what Alertmanager delivers
	@scripts/peers debian
	$(BIN)/python -m scripts.alerts_demo

lock: $(READY) ## Lock the dependencies anew (ARGS=--upgrade for newer ones)
	scripts/lock $(ARGS)

lock-collector: ## Lock the modules of the tests' OpenTelemetry Collector anew
	scripts/lock-collector

peers: ## Put the real receivers of the tests under .peers/
	@scripts/peers

image: ## Build the container image, where there is buildah
	scripts/image/build bytespike-exporter:test

kube-tests: $(READY) peers ## Build a real API server once, and give it the charts
	scripts/kubernetes/set-up
	KUBERNETES=required $(BIN)/python -m pytest tests/deploy/test_apiserver.py $(ARGS)

clean: ## Remove everything that was set up or built
	rm -rf .venv .venv-other .peers .cache build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache \
		.hypothesis .import_linter_cache

# The demo needs a tenth of what the tests need, and is there as much sooner.
$(RUNS): requirements.lock requirements-build.lock pyproject.toml scripts/setup
	PYTHON="$(PYTHON)" VENV=$(VENV) scripts/setup requirements.lock
	@touch $@

$(READY): requirements-dev.lock pyproject.toml scripts/setup
	PYTHON="$(PYTHON)" VENV=$(VENV) scripts/setup requirements-dev.lock
	@touch $@ $(RUNS)
