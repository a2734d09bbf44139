# `make` lists the targets. What takes more than a line is in internal/tools.

# Which packages, and which of their tests: make test PKG=./scenarios RUN=TestRouter
PKG   ?= ./...
RUN   ?=
COUNT ?= 1
# Who runs the tests: root, user, or both.
WHO ?= both
OUT := out
# Where a failed test's files go (packets, topology, story).
ARTIFACTS ?= $(OUT)/failed
FUZZTIME  ?= 10s
# How often each contender of make bench has its turn; without, 10, of the short form 3.
ROUNDS ?=
# The packages with benchmarks of parts (bench has the contest), and those that bench-compare runs.
parts = $(if $(filter ./...,$(PKG)),./assert ./capture ./harness ./internal/... ./scenarios,$(PKG))
hot   := ^Benchmark(New|Do|Veth|State|Address|Route|Neighbor|Connect|Ready|FirstRule|FurtherRule|Ping|Matrix|Drain10|Read|Decode|Follow1000)$$

tools := internal/tools
suite := WHO=$(WHO) ARTIFACTS='$(ARTIFACTS)' $(tools)/test.sh $(if $(RUN),-run '$(RUN)')

.DEFAULT_GOAL := help
.PHONY: help test vm race stress bench bench-short microbench bench-compare benchstat cover fuzz lint fmt packages clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  Variables: PKG=./scenarios RUN=TestRouter COUNT=20 KERNEL=debian/trixie WHO=root|user|both ARTIFACTS=DIR FUZZTIME=1m"

test: ## Every test, as root and as an ordinary user; installs missing Debian packages
	@$(suite) -count=$(COUNT) $(PKG)

vm: ## The tests of virtual machines, and the six scenarios in one (KERNEL=debian/bookworm)
	@$(tools)/packages.sh test vm
	@NETRIG_KERNEL='$(or $(KERNEL),debian/bookworm)' go test -tags machine -count=1 ./internal/vm/... ./cmd/netrig
	@CGO_ENABLED=0 go build -o $(OUT)/netrig ./cmd/netrig
	@go test -count=1 -exec '$(CURDIR)/$(OUT)/netrig vm --kernel $(or $(KERNEL),debian/bookworm)' \
	  -run '$(or $(RUN),^Test(VethPair|Bridge|Router|HostGateway|Masquerade|PortForward)$$)' ./scenarios

race: ## The same under the race detector, COUNT times
	@$(suite) -race -count=$(COUNT) -timeout=60m $(PKG)

stress: ## The same under the race detector, 20 times, with every processor busy
	@WHO=$(WHO) ARTIFACTS='$(ARTIFACTS)' $(tools)/stress.sh $(if $(RUN),-run '$(RUN)') $(PKG)

bench: ## Side by side with a shell script, Mininet, plain Go, a floor; writes docs/performance.md (SHORT=1)
	@ROUNDS='$(ROUNDS)' $(tools)/bench.sh $(if $(SHORT),--short,--write) '$(or $(RUN),.)'

bench-short: ## The short form of bench: small sizes, printed and not written; some two minutes
	@ROUNDS='$(ROUNDS)' $(tools)/bench.sh --short '$(or $(RUN),.)'

microbench: ## Benchmarks of the parts, as whoever calls (make -s microbench COUNT=10 > new.txt)
	@go test -run '^$$' -bench '$(or $(RUN),.)' -benchmem -count=$(COUNT) $(parts)

bench-compare: ## Benchmarks of the parts at BASE=<commit> and now, by turns, side by side by benchstat
	@ROUNDS='$(ROUNDS)' $(tools)/bench-compare.sh '$(BASE)' '$(or $(RUN),$(hot))' $(parts)

benchstat: ## Compare two runs of microbench (make benchstat OLD=old.txt NEW=new.txt)
	@go tool -modfile=$(tools)/go.mod benchstat $(OLD) $(NEW)

cover: ## Statement coverage of all packages together, as whoever calls
	@mkdir -p $(OUT)
	@go test -count=1 -coverpkg=./... -coverprofile=$(OUT)/cover.out $(PKG)
	@go tool cover -html=$(OUT)/cover.out -o $(OUT)/cover.html
	@go tool cover -func=$(OUT)/cover.out | tail -n 1
	@echo "line by line: $(OUT)/cover.html"

fuzz: ## Every fuzz target for FUZZTIME each
	@$(tools)/fuzz.sh '$(FUZZTIME)' $(PKG)

lint: ## gofmt, go vet, staticcheck, actionlint, shellcheck
	@$(tools)/lint.sh

fmt: ## Format the Go files
	@gofmt -w .

packages: ## Install the programs that the tests and checks use (Debian, Ubuntu)
	@$(tools)/packages.sh test lint stress

clean: ## Remove what these targets wrote
	@rm -rf $(OUT)
