# Slipway's tasks. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VERSION ?= dev
GOLANGCI_LINT_VERSION := v2.15.0
HELM_VERSIONS := v3.21.4 v4.2.4
FUZZTIME ?= 2s
FUZZJOBS ?= 2

# One directory outside the tree for pinned tools, so that a clean clone finds
# them again.
TOOLS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/slipway-tools
GOLANGCI_LINT := $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION)
HELM := $(HELM_VERSIONS:%=$(TOOLS)/helm-%)

# The flags and the tag of the testbed's components too, so that what both
# compile is compiled once. The tag leaves out gRPC's tracing pages.
export CGO_ENABLED ?= 0
# Tests as well: without the paths of this clone, what another one has compiled
# is compiled already.
GO_TEST := go test -trimpath
GO_BUILD := go build -trimpath -buildvcs=false -tags grpcnotrace

##@ Use
.PHONY: help
help: ## List the tasks.
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Bring up a two-architecture cluster and run the main job in an agent pod.
	cd e2e && go run ./testbed up
	e2e/demo/run

.PHONY: down
down: ## Stop the cluster that demo, e2e and bench use.
	cd e2e && go run ./testbed down

##@ Build
.PHONY: build
build: ## Build bin/slipway for this machine.
	$(GO_BUILD) -ldflags "-s -w -X main.version=$(VERSION)" -o bin/slipway ./cmd/slipway

.PHONY: image
image: build ## Build Slipway's own image files for both architectures, with Slipway, on the testbed.
	cd e2e && go run ./testbed up
	e2e/image/run $(VERSION)

.PHONY: docs
docs: ## Generate the references again that are written by the program.
	go test ./configmap -run Reference -update
	go test ./agent/cluster -run ChartRules -update
	cd e2e && go test ./chart -run 'Schema|Readme' -update

##@ Test
.PHONY: test
test: lint unit chart fuzz e2e ## Run everything: lint, unit tests with the race detector, the chart, fuzzing, scenarios on the real cluster.

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Run the linters.
	$(GOLANGCI_LINT) run ./...
	cd e2e && $(GOLANGCI_LINT) run --config ../.golangci.yml ./...

$(GOLANGCI_LINT):
	@echo "building golangci-lint $(GOLANGCI_LINT_VERSION) (once, some minutes)"
	mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) go install -trimpath github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	mv $(TOOLS)/golangci-lint $@

.PHONY: unit
unit: ## Run unit tests and command-line scripts with the race detector.
	CGO_ENABLED=1 $(GO_TEST) -race ./...
	cd e2e && $(GO_TEST) ./testbed/... ./bench/... && $(GO_TEST) -short ./registrytest/...
	cd e2e/testbed/components/registry && $(GO_TEST) ./...

.PHONY: chart
chart: helm ## Lint the chart and compare what Helm 3 and Helm 4 make of it with the golden files.
	cd e2e && $(GO_TEST) ./helm/... ./chart/...

.PHONY: helm
helm: $(HELM) ## Build Helm 3 and Helm 4, once.

# Their module asks for the product's versions of what they share with it.
$(TOOLS)/helm-%: e2e/helm/programs/go.mod
	mkdir -p $(TOOLS)
	cd e2e/helm/programs && $(GO_BUILD) -ldflags "-s -w" -o $@ helm.sh/helm/$(firstword $(subst ., ,$*))/cmd/helm

# Several at a time with one worker each: most of three seconds is the start of
# the workers, and so one target starts while another one runs.
.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME, FUZZJOBS at a time.
	@for package in $$(go list ./...); do \
		$(GO_TEST) -list '^Fuzz' $$package | sed -n "s,^Fuzz,$$package &,p"; \
	done | xargs -n 2 -P $(FUZZJOBS) sh -c 'echo "fuzz $$0 $$1" && \
		$(GO_TEST) "$$0" -run "^$$" -fuzz "^$$1$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x -parallel 1'

.PHONY: e2e
e2e: helm ## Run the scenarios on the real cluster.
	cd e2e && go run ./testbed up && go run ./testbed peer && $(GO_TEST) -count=1 -parallel 7 -timeout 30m ./scenarios/... ./registrytest/...

.PHONY: bench
bench: ## Measure beside docker buildx on the same cluster, in one run; flags in ARGS, such as ARGS=-curves.
	cd e2e && go run ./testbed up && go run ./testbed peer && go run ./bench $(ARGS)
