# Two commands do everything on a fresh machine with Python: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TESTS ?= tests
GIVEN := $(if $(filter command,$(origin KUBECONFIG)),$(KUBECONFIG))
BENCH = $(BIN)/python -m benchmarks $(if $(GIVEN),--kubeconfig "$(GIVEN)") --rounds $(or $(ROUNDS),5)
BENCHED := $(if $(GIVEN),real,embedded)
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help demo test check fix conformance scenarios e2e bench bench-large stateful fuzz torture lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements-dev.lock pyproject.toml
	@echo "Installing into $(VENV) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "grctl needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)." \
		"Say which to use: make PYTHON=python3.12 ..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--no-build-isolation --editable .
	@touch $@

demo: $(READY) ## Run the page's order on the embedded API, and show it with kubectl
	@$(BIN)/python tools/demo.py

test: $(READY) ## Run all tests
	@$(BIN)/python -m pytest -n auto --dist worksteal $(TESTS)

check: $(READY) ## Check format, lint, types, imports and generated files; edits nothing
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python tools/language.py
	@$(BIN)/python tools/generate.py --check

fix: $(READY) ## Format, mend what can be mended, generate files anew
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@$(BIN)/python tools/generate.py

conformance: $(READY) ## Run the API conformance suite on any cluster: make conformance KUBECONFIG=...
	@test -n "$(KUBECONFIG)" || { echo "usage: make conformance KUBECONFIG=FILE"; exit 2; }
	@CONFORMANCE_KUBECONFIG="$(KUBECONFIG)" $(BIN)/python -m pytest tests/conformance

scenarios: $(READY) ## Run the scenarios with real processes: make scenarios [KUBECONFIG=...]
	@export SCENARIOS_KUBECONFIG="$(if $(filter command,$(origin KUBECONFIG)),$(KUBECONFIG))"; \
		$(BIN)/python -m pytest -n auto --dist worksteal -m "not alone" tests/scenarios && \
		$(BIN)/python -m pytest -m alone tests/scenarios

e2e: $(READY) ## Run the end-to-end tests on any cluster: make e2e KUBECONFIG=... [IMAGE=...]
	@test -n "$(KUBECONFIG)" || { echo "usage: make e2e KUBECONFIG=FILE [IMAGE=NAME:TAG]"; exit 2; }
	@E2E_KUBECONFIG="$(KUBECONFIG)" E2E_IMAGE="$(IMAGE)" $(BIN)/python -m pytest --durations=0 \
		--durations-min=1 $(or $(E2E),e2e)

bench: $(READY) ## Measure what events cost: make bench [KUBECONFIG=...] [ROUNDS=5]
	@$(BENCH) --json build/benchmarks/$(BENCHED).json

bench-large: $(READY) ## Measure starts and memory with 20,000 runs and 10,000 events
	@$(BENCH) --large --json build/benchmarks/$(BENCHED)-large.json

stateful: $(READY) ## Look for broken invariants for long: make stateful EXAMPLES=5000
	@GRCTL_STATEFUL_EXAMPLES=$(or $(EXAMPLES),5000) $(BIN)/python -m pytest -n auto \
		tests/engine/test_stateful.py

fuzz: $(READY) ## Put odd objects and messages through all receivers: make fuzz EXAMPLES=100000
	@GRCTL_FUZZ_EXAMPLES=$(or $(EXAMPLES),100000) $(BIN)/python -m pytest -n auto tests/fuzz

torture: $(READY) ## Break everything while events are sent: make torture [EVENTS= SECONDS= FLOOD= SEED=]
	@TORTURE_EVENTS=$(or $(EVENTS),100000) TORTURE_SECONDS=$(or $(SECONDS),36000) \
		TORTURE_FLOOD=$(or $(FLOOD),10000) TORTURE_SEED=$(SEED) \
		TORTURE_KUBECONFIG="$(if $(filter command,$(origin KUBECONFIG)),$(KUBECONFIG))" \
		$(BIN)/python -m pytest tests/torture

lock: ## Resolve the dependencies anew (needs uv)
	@$(LOCK) --all-extras --output-file requirements-dev.lock pyproject.toml
	@$(LOCK) --extra operator --constraint requirements-dev.lock \
		--output-file requirements.lock pyproject.toml
	@$(LOCK) --group build --constraint requirements-dev.lock --output-file requirements-build.lock

clean: ## Remove what was installed and generated here
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
