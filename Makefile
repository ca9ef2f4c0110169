# "make help" says what there is. Every target works in a fresh clone with Go, git
# and make alone; what else is needed is fetched, pinned, into .bin.

SHELL := bash
GO ?= go
MAKEFLAGS += --no-print-directory --no-builtin-rules

# Extra flags for "go test", such as -count=1 or -run TestArrows.
TESTFLAGS ?=
# Where "make fuzz" looks for targets, and how long each of them runs.
FUZZ ?= .
FUZZTIME ?= 10s

# The version is part of the file's name, so that a new one is built and the old
# one is never taken for it.
LINT_VERSION := v2.15.0
LINT := $(CURDIR)/.bin/golangci-lint-$(LINT_VERSION)

# Example apps are modules of their own, as a user's app is; so are the two benches,
# whose libraries are not to be in anybody's module graph.
EXAMPLES := $(patsubst %/go.mod,%,$(wildcard examples/*/go.mod))
BENCHES := internal/faults bench
MODULES := . $(EXAMPLES) $(BENCHES)
# Flags of "make faults", such as "-short" or "-run kill".
FAULTS ?=
# Flags of "make bench", such as "-run S2/redis" or "-run . -out docs/performance".
BENCH ?=

.DEFAULT_GOAL := help

.PHONY: help
help: ## Say what can be made (default)
	@echo 'usage: make TARGET'
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build every package, the program ./journeyman and the examples
	$(GO) build ./...
	$(GO) build -o journeyman .
	@set -e; for dir in $(EXAMPLES) $(BENCHES); do (set -x; cd $$dir && $(GO) build -o /dev/null ./...); done

.PHONY: test
test: compiler ## Run all tests, race detector on, with a real broker that they find or install
	@set -o pipefail; status=0; for dir in $(MODULES); do \
		echo "$$dir: go test -race $(TESTFLAGS) ./..."; \
		(cd $$dir && CGO_ENABLED=1 $(GO) test -race -v $(TESTFLAGS) ./...) | awk -v module=$$dir -f .ci/tests.awk || status=1; \
	done; exit $$status

.PHONY: lint
lint: $(LINT) ## Find what breaks a rule; .golangci.yml has the rules and their reasons
	@set -e; for dir in $(MODULES); do (set -x; cd $$dir && $(LINT) run --allow-serial-runners ./...); done

.PHONY: fmt
fmt: $(LINT) ## Format the code and its imports
	$(LINT) fmt

.PHONY: format
format: $(LINT) ## Check that "make fmt" would change nothing
	$(LINT) fmt --diff

.PHONY: tidy
tidy: ## Check that go.mod and go.sum say what the code needs ("go mod tidy" makes it so)
	@set -e; for dir in $(MODULES); do (set -x; cd $$dir && $(GO) mod tidy -diff); done

.PHONY: cross
cross: ## Check that everything would compile for the other systems
	$(GO) test -count=1 -run TestPortable ./internal/arrows

.PHONY: fuzz
fuzz: ## Fuzz each target below FUZZ (.) for FUZZTIME (10s)
	@set -eo pipefail; for dir in $$(grep -rl --include='*_test.go' '^func Fuzz' $(FUZZ) | xargs -r -n1 dirname | sort -u); do \
		for target in $$($(GO) test -list '^Fuzz' $$dir | grep '^Fuzz'); do \
			(set -x; $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$dir); \
		done; \
	done

.PHONY: faults
faults: ## Kill, freeze and starve real processes and count what came of it; FAULTS=-short takes minutes
	@mkdir -p .bin
	cd internal/faults && $(GO) build -o $(CURDIR)/.bin/faults . && exec $(CURDIR)/.bin/faults $(FAULTS)

.PHONY: bench
bench: ## Measure calls beside those of plain programs and NATS; takes minutes, BENCH=-help tells more
	@mkdir -p .bin
	cd bench && $(GO) build -o $(CURDIR)/.bin/bench .
	@$(CURDIR)/.bin/bench $(BENCH)

.PHONY: cover
cover: ## Write .bin/cover.html, which shows the lines that tests reach
	@mkdir -p .bin
	$(GO) test -coverpkg=./... -coverprofile=.bin/cover.out ./...
	$(GO) tool cover -html=.bin/cover.out -o .bin/cover.html

.PHONY: run
run: ## Start a broker, the gateway and the services on this machine
	$(GO) run . start

.PHONY: ci
ci: ## Do all that the build server does
	bash .ci/run

.PHONY: clean
clean: ## Remove what was built here, the linter too
	rm -rf .bin journeyman

.PHONY: tools
tools: compiler $(LINT)

# The race detector needs a C compiler, which a fresh Debian does not have.
.PHONY: compiler
compiler:
	@if command -v "$$(CGO_ENABLED=1 $(GO) env CC)" >/dev/null; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
		echo 'The race detector needs a C compiler. Install gcc (Debian: apt-get install gcc libc6-dev; macOS: xcode-select --install).' >&2; \
		exit 1; \
	fi; \
	echo 'installing gcc by apt, for the race detector'; \
	export DEBIAN_FRONTEND=noninteractive; \
	install='apt-get -o DPkg::Lock::Timeout=120 -qq install -y --no-install-recommends gcc libc6-dev'; \
	$$install >/dev/null 2>&1 || { apt-get -o DPkg::Lock::Timeout=120 -qq update && $$install >/dev/null; }

# Compiling the linter takes minutes once; Go's build cache makes it seconds.
$(LINT):
	@echo "compiling golangci-lint $(LINT_VERSION), which takes some minutes the first time"
	@mkdir -p $(@D)
	GOBIN=$(@D) CGO_ENABLED=0 $(GO) install -trimpath github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	@mv $(@D)/golangci-lint $@
