# Slipway's tasks. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VERSION ?= dev
# What slipway version prints, and no build ID, so that the same sources make
# the same bytes.
COMMIT = $(shell git rev-parse HEAD 2>/dev/null)$(if $(shell git status --porcelain 2>/dev/null),-dirty)
LDFLAGS = -s -w -buildid= -X main.version=$(VERSION) -X main.commit=$(COMMIT)
HELM_VERSIONS := v3.22.0 v4.3.1
# What a release is compiled with, whatever Go the machine has: the same bytes
# everywhere, with the fixes of the standard library that are known.
TOOLCHAIN := $(shell sed -n 's/^toolchain //p' go.mod)
FUZZTIME ?= 2s
FUZZJOBS ?= 2

# One directory outside the tree for pinned tools, so that a clean clone finds
# them again.
TOOLS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/slipway-tools
HELM := $(HELM_VERSIONS:%=$(TOOLS)/helm-%)
CLIENTS := e2e/clients/programs
ACT := $(TOOLS)/act-$(shell sed -n 's|^.*github.com/nektos/act \(v[^ ]*\).*$$|\1|p' $(CLIENTS)/go.mod)
BUILDKITE := $(TOOLS)/buildkite-$(shell sed -n 's|^.*github.com/buildkite/agent/v3 \(v[^ ]*\).*$$|\1|p' $(CLIENTS)/buildkite/go.mod)/buildkite-agent
NPM := $(TOOLS)/npm-$(shell sha256sum $(CLIENTS)/package-lock.json | cut -c 1-16)

# The same flags for every build, test and check, those of the testbed's
# components included, so that a package is compiled once on a machine: without
# the paths of this clone, without gRPC's tracing pages, and without debug
# information, which is a fifth of the compiler's work.
export CGO_ENABLED ?= 0
export GOFLAGS := $(GOFLAGS) -trimpath -buildvcs=false -tags=grpcnotrace -gcflags=all=-dwarf=false
# make lint vets all packages.
GO_TEST := go test -vet=off
GO_BUILD := go build

##@ Use
.PHONY: help
help: ## List the tasks.
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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
	$(GO_BUILD) -ldflags "$(LDFLAGS)" -o bin/slipway ./cmd/slipway

.PHONY: image
image: build ## Build Slipway's own image, and the variants with a shell and in the shape of kaniko's, for both architectures, with Slipway, on the testbed: files and archives, in dist/.
	cd e2e && go run ./testbed up
	e2e/image/run $(VERSION) $(COMMIT)

# The chart's templates and the program of its appVersion belong together.
.PHONY: release
release: build $(lastword $(HELM)) ## Build what a release holds into dist/: binaries, SBOMs, chart, man pages, completion scripts, checksums.
	@case "$(VERSION)" in dev) ;; *) grep -qFx 'appVersion: $(firstword $(subst -, ,$(VERSION)))' charts/slipway/Chart.yaml || \
		{ echo 'VERSION is $(VERSION), and charts/slipway/Chart.yaml has another appVersion: set it' >&2; exit 1; };; esac
	GOTOOLCHAIN=$(TOOLCHAIN) .ci/release "$(VERSION)" "$(LDFLAGS)" $(lastword $(HELM))

.PHONY: docs
docs: ## Generate the references again that are written by the program.
	go test ./cmd/slipway -run Reference -update
	go test ./configmap -run Reference -update
	go test ./agent/sidecar/policy -run Reference -update
	go test ./agent/cluster/rbac -run ChartRules -update
	cd e2e && go test ./chart -run 'Schema|Readme' -update

##@ Test
.PHONY: test
test: lint unit chart fuzz e2e clients ## Run everything: lint, unit tests with the race detector, the chart, fuzzing, scenarios on the real cluster, pipelines.

# The product and its tests compile for macOS, too: for developers and releases.
.PHONY: lint
lint: ## Run the linters.
	cd .ci/lint && $(GO_BUILD) -ldflags "-s -w" -o $(TOOLS)/lint .
	cd .ci/lint && go vet -vettool=$(TOOLS)/lint ./...
	go vet -vettool=$(TOOLS)/lint ./...
	GOOS=darwin go vet ./...
	cd e2e && go vet -vettool=$(TOOLS)/lint ./...

# The race detector lets a program wait for a second at its end, which the scripts
# would do a thousand times.
.PHONY: unit
unit: ## Run unit tests and command-line scripts with the race detector.
	CGO_ENABLED=1 GORACE=atexit_sleep_ms=10 $(GO_TEST) -race ./...
	cd e2e && $(GO_TEST) ./testbed/... ./bench/... ./podshell/... ./yardstick/... ./faults/... ./compat/... && $(GO_TEST) -short ./registrytest/...
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

# Several packages at a time, with one worker each: most of three seconds is the
# start of the workers, and so one target starts while another one runs.
.PHONY: fuzz
fuzz: ## Run the fuzz targets of packages that have changed, FUZZTIME each, FUZZJOBS packages at a time.
	@grep -rl --include=*_test.go '^func Fuzz' agent cmd configmap internal registry | xargs -n 1 dirname | sort -u | \
		FUZZTIME=$(FUZZTIME) xargs -I{} -P $(FUZZJOBS) .ci/fuzz ./{} $(TOOLS)/fuzz

# A limit for the whole that leaves CI's 90 minutes room for the rest on a
# machine that is three times slower than usual.
E2E_LIMIT ?= 50m

.PHONY: e2e
e2e: helm ## Run the scenarios on the real cluster, and tell what each took.
	cd e2e && go run ./testbed up && go run ./testbed peer
	@cd e2e && report=$$(mktemp) && status=0 && \
		SCENARIO_REPORT=$$report $(GO_TEST) -count=1 -timeout $(E2E_LIMIT) ./scenarios/... ./registrytest/... || status=$$?; \
		cat $$report; rm $$report; exit $$status

# Most of a client's time is spent waiting, so all packages run at once. Tekton is compiled
# before: the tests that run beside it have deadlines.
.PHONY: clients
clients: $(ACT) $(NPM) ## Run what is in pipelines/ with the programs that run such pipelines, on the real cluster.
	@command -v rsync > /dev/null || { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends rsync; }
	cd e2e && go run ./testbed up && go run ./testbed tekton-build
	cd e2e && $(GO_TEST) -count=1 -p 4 -timeout $(E2E_LIMIT) ./clients/...

$(ACT): $(CLIENTS)/go.mod
	mkdir -p $(TOOLS)
	cd $(CLIENTS) && $(GO_BUILD) -ldflags "-s -w" -o $@ github.com/nektos/act

# A directory of its own, because it is in the PATH of a job.
$(BUILDKITE): $(CLIENTS)/buildkite/go.mod
	mkdir -p $(@D)
	cd $(CLIENTS)/buildkite && $(GO_BUILD) -ldflags "-s -w" -o $@ github.com/buildkite/agent/v3

# The directory gets its name when it is complete. node is one of the packages.
$(NPM):
	@command -v npm > /dev/null || { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends npm; }
	mkdir -p $(TOOLS) && rm -rf $@.part && mkdir $@.part
	cp $(CLIENTS)/package.json $(CLIENTS)/package-lock.json $@.part
	cd $@.part && npm ci --ignore-scripts --no-audit --no-fund
	mv $@.part $@

# Not part of make test: it takes minutes to compile, Argo Workflows before the tests,
# which have deadlines.
.PHONY: ci-clients
ci-clients: $(BUILDKITE) ## Run pipelines by CI systems that take long to compile, on the real cluster: Buildkite's agent, Argo Workflows.
	cd e2e && go run ./testbed up && go run ./testbed argo-build
	cd e2e && $(GO_TEST) -count=1 ./clients -run '^TestBuildkite$$' -buildkite
	cd e2e && $(GO_TEST) -count=1 ./clients/argo -argo

.PHONY: faults
faults: ## Plant the faults that take long or disturb the whole cluster, besides the others, and tell how each ended; also a file above 2 GiB.
	cd e2e && go run ./testbed up && go run ./testbed peer
	@cd e2e && report=$$(mktemp) && status=0 && \
		SCENARIO_REPORT=$$report $(GO_TEST) -count=1 -timeout $(E2E_LIMIT) ./scenarios -run '^(TestFault|TestLargeFile$$)' -faults || status=$$?; \
		cat $$report; rm $$report; exit $$status

# Not part of make test: it compiles another Kubernetes, and runs all scenarios on
# each version, and some with IPv6. It takes the cluster that demo and e2e use, and leaves none.
.PHONY: compat
compat: helm ## Run the scenarios on each supported Kubernetes, and with IPv6, and print a table; flags in ARGS, such as ARGS=-run=TestChart.
	cd e2e && go run ./compat $(ARGS)

# Not part of make test: a vulnerability that becomes known breaks no change.
# The database is a module, so the module proxy is all that this needs. The
# standard library is the one that a release has.
.PHONY: vuln
vuln: ## Look for vulnerabilities that are known today, in what the product calls. It downloads the database.
	db=$$(go mod download -json golang.org/x/vulndb@latest | sed -n 's/^\t"Dir": "\(.*\)",$$/\1/p') && \
		GOTOOLCHAIN=$(TOOLCHAIN) go run golang.org/x/vuln/cmd/govulncheck@v1.9.0 -db "file://$$db/data/osv" ./...

.PHONY: slow
slow: ## Run everything with a third of this machine's CPU.
	.ci/slow 33 bash -c "$(MAKE) test && $(MAKE) down"

.PHONY: bench
bench: ## Measure beside docker buildx on the same cluster, in one run; flags in ARGS, such as ARGS=-curves.
	cd e2e && go run ./testbed up && go run ./testbed peer && go run ./bench $(ARGS)
