# The people's entry points. `make` alone lists them.
#
# Targets that need the development cluster start it when none is up, and say which one they use
# (KUBERNEL_CLUSTER=kind|native|current; see CONTRIBUTING.md).

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory --warn-undefined-variables

PYTHON ?= python3
VENV_BIN := .venv/bin
VENV_STAMP := .venv/up-to-date
PYTEST := $(VENV_BIN)/pytest
PYTEST_ARGS ?=
# Most tests wait for Kubernetes, so there are more of them at once than a small machine has cores.
WORKERS ?= 4
KERNELS ?= 10000
PYTEST_SHARED = $(PYTEST) --numprocesses=$(WORKERS) --dist=worksteal
CHART := helm/kubernel

export PYTHON

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "%-24s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: venv
venv: $(VENV_STAMP) ## Make .venv from the pinned packages, with this project editable

$(VENV_STAMP): requirements/dev.txt requirements/oldest.txt requirements/charts.txt pyproject.toml requirements/make-venv
	@echo "venv: installing requirements/dev.txt into .venv"
	@requirements/make-venv
	@touch $@

.PHONY: lint
lint: venv ## Check style, types, import layers, spelling, YAML, generated files and the chart
	@.ci/lint

.PHONY: format
format: venv ## Format the Python files and apply the fixes that are safe
	@$(VENV_BIN)/ruff format
	@$(VENV_BIN)/ruff check --fix

.PHONY: test-unit
test-unit: venv ## Run the tests that need nothing but Python (minutes)
	@$(PYTEST) -q tests/unit $(PYTEST_ARGS)

.PHONY: test-pythons
test-pythons: ## Run the client's unit tests in each Python from 3.11 on that is here
	@.ci/pythons tests/unit/provisioner tests/unit/common tests/unit/api $(PYTEST_ARGS)

.PHONY: test-pythons-starts
test-pythons-starts: tools cluster images ## Start, restart and interrupt kernels on the cluster, with the client in each of them
	@.ci/pythons tests/e2e/provisioner/test_lifecycle.py -k "async_manager or restart_keeps or interrupt or encryption" $(PYTEST_ARGS)

.PHONY: test-charts
test-charts: venv tools ## Run the chart tests (helm, no cluster)
	@$(PYTEST) -q tests/charts $(PYTEST_ARGS)

.PHONY: test
test: venv tools cluster images ## Run all tests: unit, charts, integration, end to end, in a browser
	@$(PYTEST_SHARED) tests/unit tests/charts tests/integration tests/e2e tests/browser $(PYTEST_ARGS)
	@$(MAKE) test-oldest

.PHONY: labextension
labextension: venv ## Test and build the labextension, after a change in labextension/ (needs Node 20)
	@labextension/build

.PHONY: test-oldest
test-oldest: venv tools cluster images ## Run the provisioner's tests with the oldest jupyter_client that is supported
	@PYTHONPATH=.venv/oldest $(PYTEST_SHARED) -q -W "ignore:Passing unrecognized:DeprecationWarning" tests/unit/provisioner tests/e2e/provisioner/test_lifecycle.py $(PYTEST_ARGS)

.PHONY: test-supervisor-pythons
test-supervisor-pythons: venv ## Run the supervisor in each Python from 3.6 on that is here (pyenv); says which are not
	@$(PYTEST) -q tests/integration/supervisor/test_pythons.py $(PYTEST_ARGS)

.PHONY: test-takeovers
test-takeovers: venv tools cluster images ## Start 1,000 kernels during ten takeovers; STARTS=80 is in `make test` (10 minutes)
	@STARTS=$${STARTS:-1000} $(PYTEST) -q -o faulthandler_timeout=3600 tests/integration/operator/test_leadership.py -k ten_takeovers $(PYTEST_ARGS)

.PHONY: test-notebooks
test-notebooks: venv tools cluster images ## Open 30 notebooks with three tabs each through the API server, with a living Lease (10 minutes)
	@KUBERNEL_TEST_NOTEBOOKS=$${NOTEBOOKS:-30} $(PYTEST) -q -rP tests/e2e/provisioner/test_long_lived.py -k many_tabs $(PYTEST_ARGS)

.PHONY: test-cgroup-v2
test-cgroup-v2: venv ## Test out of memory, growth and shrinking with cgroup v2; on version 1 in User-Mode Linux (Debian, root)
	@$(PYTHON) tests/cluster linux $(CURDIR)/$(PYTEST) -q -rs -p no:cacheprovider tests/integration/supervisor/test_cgroup_v2.py $(PYTEST_ARGS)

.PHONY: test-chaos
test-chaos: venv tools cluster images ## Kill operators and stop the API server while kernels want memory, 30 times; ROUNDS=5 is in `make test` (10 minutes)
	@ROUNDS=$${ROUNDS:-30} $(PYTEST) -q -rP tests/integration/operator/test_memory_chaos.py $(PYTEST_ARGS)

# What differs between kinds of clusters: ways to kernels, images, users, exits, the operator's own network.
KIND_TESTS ?= tests/e2e/journeys tests/e2e/images tests/e2e/chart tests/e2e/security/test_ports.py \
  tests/e2e/security/test_encryption.py tests/e2e/provisioner/test_access.py tests/e2e/provisioner/test_take_over.py \
  tests/e2e/provisioner/test_exit_status.py tests/integration/operator/test_restarts.py

.PHONY: test-kind
test-kind: venv tools ## Run the demo and some dozens of tests on kind; without a Docker engine, with one made here (Debian, root)
	@$(PYTHON) tests/cluster engine $(MAKE) demo test-on-kind

.PHONY: test-on-kind
test-on-kind: venv tools cluster images
	@$(PYTEST_SHARED) $(KIND_TESTS) $(PYTEST_ARGS)

.PHONY: demo
demo: venv tools cluster images ## Watch notebooks run in pods, from four sides, and come out of a pool (2 minutes)
	@PYTHONPATH=tests $(VENV_BIN)/python -m demo

.PHONY: bench
bench: venv tools cluster images ## Measure starts, restarts and interrupts next to bare pods and local kernels
	@$(VENV_BIN)/python bench

.PHONY: bench-resize
bench-resize: venv tools cluster images ## Measure how soon a living kernel has more memory (3 minutes)
	@$(VENV_BIN)/python bench/resize.py

.PHONY: bench-memory
bench-memory: venv tools cluster images ## Measure kernels that need more memory than they have (10 minutes)
	@$(VENV_BIN)/python bench/memory.py

.PHONY: bench-startup-cpu
bench-startup-cpu: venv tools cluster images ## Measure starts with a small CPU limit (5 minutes)
	@$(VENV_BIN)/python bench/startup_cpu.py

.PHONY: bench-idle
bench-idle: venv tools cluster images ## Measure what 1,000 idle kernels cost a notebook server (5 minutes)
	@$(VENV_BIN)/python bench/idle_server.py

.PHONY: bench-concurrent
bench-concurrent: venv tools cluster images ## Measure 20 starts at once next to bare pods and local kernels (5 minutes)
	@$(VENV_BIN)/python bench/concurrent_starts.py

.PHONY: bench-pool
bench-pool: venv tools cluster images ## Measure kernels that come out of a pool next to local ones (6 minutes)
	@$(VENV_BIN)/python bench/pool.py

.PHONY: bench-reattach
bench-reattach: venv tools cluster images ## Measure how soon a server that was killed has its 20 kernels again (2 minutes)
	@$(VENV_BIN)/python bench/reattach.py

.PHONY: bench-far
bench-far: venv tools cluster images ## Measure starts through a port-forward with 300 ms to the API server (1 minute)
	@$(VENV_BIN)/python bench/far_away.py

.PHONY: bench-encryption
bench-encryption: venv tools cluster images ## Measure what encrypted channels cost a start, in pairs (2 minutes)
	@$(VENV_BIN)/python bench/encryption.py

.PHONY: bench-scale
bench-scale: venv tools cluster ## Measure what KERNELS=10000 idle kernels cost the operator, on a node that runs nothing (20 minutes)
	@$(VENV_BIN)/python bench/scale.py --kernels=$(KERNELS)

.PHONY: bench-fair
bench-fair: venv tools cluster ## Measure what one namespace's flood costs another one's starts (2 minutes)
	@$(VENV_BIN)/python bench/fairness.py

# cluster, cluster-down, kubeconfig, tools, images
-include cluster.mk
