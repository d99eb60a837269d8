# The development cluster: what it is and where it lives is in tests/cluster. Included by the Makefile.

PYTHON ?= python3
CLUSTER := $(PYTHON) tests/cluster
IMAGES ?=

.PHONY: cluster
cluster: ## Start the development cluster (again: a second when it is up)
	@$(CLUSTER) up

.PHONY: cluster-down
cluster-down: ## End the development cluster and forget what was in it
	@$(CLUSTER) down

.PHONY: kubeconfig
kubeconfig: ## Print the path of the cluster's kubeconfig
	@$(CLUSTER) kubeconfig

.PHONY: tools
tools: ## Build the programs that the cluster and the chart tests need and that are not here
	@$(CLUSTER) tools

.PHONY: images
images: ## Build the images that changed and load them (IMAGES="operator kernel-r" for some)
	@$(CLUSTER) images $(IMAGES)
