# fleetup: `make help` lists what can be done.

GO      ?= go
CACHE   ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/fleetup-lab
TOOLS   := $(CACHE)/tools
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo development)

# The linters, pinned: a new version is a change of its own.
GOLANGCI    := v2.15.0
STATICCHECK := v0.8.2

# What stays up until Ctrl-C is built first and then run itself: `go run` leaves its child behind where a SIGTERM ends it.

# Packages below testdata are not matched by ./... and are named.
ALL := ./... ./testdata/lab/...

.DEFAULT_GOAL := help
.PHONY: build demo box test race faults lint page-test lab lab-test vm-test bench clean help

build: ## the program, as ./fleetup
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.stamped=$(VERSION)" -o fleetup ./cmd/fleetup

demo: build ## the main job on a simulated fleet, in under a minute
	./fleetup demo

box: build ## a simulated fleet to try every command on, until Ctrl-C; needs Go alone
	@mkdir -p -m 0700 box
	$(GO) build -o box/up ./cmd/box/up
	./box/up

test: ## unit and box tests; needs Go alone
	$(GO) test -timeout=20m ./...

race: ## the same under the race detector (needs a C compiler)
	$(GO) test -race -timeout=40m ./...

faults: ## the forty faults, each by its tests: tier, result, time
	$(GO) run ./cmd/faults

lint: $(TOOLS)/golangci-lint-$(GOLANGCI) $(TOOLS)/staticcheck-$(STATICCHECK) ## go vet, staticcheck, golangci-lint with the layer rules
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not formatted by gofmt:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet $(ALL)
	$(GO) vet -tags page ./runner/live/page
	$(TOOLS)/staticcheck-$(STATICCHECK) $(ALL)
	$(TOOLS)/golangci-lint-$(GOLANGCI) run $(ALL)

page-test: ## the report and the live page in a real Chromium (Debian, root where Chromium is missing)
	@command -v chromium >/dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; }
	$(GO) test -count=1 -timeout=15m -tags page ./runner/live/page

lab: ## a real control plane and machines to play with, until Ctrl-C (Debian, root)
	@mkdir -p $(CACHE)
	$(GO) build -o $(CACHE)/up ./testdata/lab/up
	$(CACHE)/up

lab-test: ## the main job on a real control plane and machines (Debian, root)
	$(GO) test -count=1 -parallel=2 -timeout=45m ./testdata/lab/...

vm-test: ## kernels, boot loaders and BMCs, on virtual machines (Debian, root; no KVM needed)
	FLEETUP_VM=1 $(GO) test -count=1 -timeout=60m -parallel=2 -v -run '^TestVM' ./testdata/lab/...

bench: build ## speed, each figure beside its limit and a peer in the same run (Debian, root)
	FLEETUP_BENCH=1 $(GO) test -count=1 -timeout=60m -v -run '^TestBench' ./testdata/lab/... ./cmd/fleetup

clean: ## what the build made here; the caches of the lab stay
	rm -rf fleetup demo-fleet box

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(TOOLS)/golangci-lint-$(GOLANGCI):
	GOBIN=$(TOOLS)/new $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI)
	mv $(TOOLS)/new/golangci-lint $@

$(TOOLS)/staticcheck-$(STATICCHECK):
	GOBIN=$(TOOLS)/new $(GO) install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK)
	mv $(TOOLS)/new/staticcheck $@
