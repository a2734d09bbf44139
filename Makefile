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
# How often make soak runs the scenarios as root.
SOAK ?= 1000

# Whose behaviour is recorded: Debian's from 2021 on, one of them in the full flavour too.
baselines := debian/bullseye,debian/bookworm,debian/bookworm:full,debian/trixie,debian/trixie-backports=6.18,debian/sid,debian/trixie-backports
# How often each contender of make bench has its turn; without, 10, of the short form 3.
ROUNDS ?=
# The packages with benchmarks of parts (bench has the contest), and those that bench-compare runs.
parts = $(if $(filter ./...,$(PKG)),./assert ./capture ./harness ./internal/... ./scenarios,$(PKG))
hot   := ^Benchmark(New|Do|Veth|State|Address|Route|Neighbor|Connect|Ready|FirstRule|FurtherRule|Ping|Matrix|Drain10|Read|Decode|Follow1000)$$

tools := internal/tools
soaking = go -C $(tools) build -buildvcs=false -o $(CURDIR)/$(OUT)/soak ./soak && $(OUT)/soak -out='$(ARTIFACTS)/soak' $(if $(RUN),-run='$(RUN)')
suite := WHO=$(WHO) ARTIFACTS='$(ARTIFACTS)' $(tools)/test.sh $(if $(RUN),-run '$(RUN)')

.DEFAULT_GOAL := help
.PHONY: help test vm regressions starved matrix baseline kernels-page race stress bench bench-short microbench bench-compare benchstat cover fuzz fuzz-short soak soak-short short docs lint fmt packages clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  Variables: PKG=./scenarios RUN=TestRouter COUNT=20 KERNEL=debian/trixie KERNELS=A,B WHO=root|user|both ARTIFACTS=DIR FUZZTIME=1m SOAK=100"

test: ## Every test, as root and as an ordinary user; installs missing Debian packages
	@$(suite) -count=$(COUNT) $(PKG)

vm: ## The tests of virtual machines, and the six scenarios in one (KERNEL=debian/bookworm)
	@$(tools)/packages.sh test vm
	@NETRIG_KERNEL='$(or $(KERNEL),debian/bookworm)' go test -tags machine -count=1 ./internal/vm/... ./cmd/netrig
	@CGO_ENABLED=0 go build -o $(OUT)/netrig ./cmd/netrig
	@go test -count=1 -exec '$(CURDIR)/$(OUT)/netrig vm --kernel $(or $(KERNEL),debian/bookworm)' \
	  -run '$(or $(RUN),^Test(VethPair|Bridge|Router|HostGateway|Masquerade|PortForward)$$)' ./scenarios

matrix: ## Scenarios on two kernels in machines, compared with testdata/baseline (KERNELS=debian/bookworm,running RUN=TestRouter)
	@KERNELS='$(KERNELS)' RUN='$(RUN)' $(tools)/matrix.sh --baseline testdata/baseline --json $(OUT)/matrix

baseline: COUNT := 3
baseline: ## Record testdata/baseline anew, of all scenarios on seven kernels, COUNT times each, and docs/kernels.md
	@KERNELS='$(or $(KERNELS),$(baselines))' RUN='$(or $(RUN),.)' CI=1 $(tools)/matrix.sh --once --count $(COUNT) --record testdata/baseline --json $(OUT)/baseline || [ $$? = 1 ]
	@$(MAKE) --no-print-directory kernels-page

kernels-page: ## Write docs/kernels.md from testdata/baseline
	@go test -count=1 -run '^TestKernelsPage$$' ./internal/compare -update

regressions: ## Planted changes of a kernel are found, and nothing else is (SAME=50: boots compared with the first)
	@$(tools)/packages.sh test vm
	@NETRIG_KERNEL='$(or $(KERNEL),debian/bookworm)' NETRIG_SAME='$(SAME)' \
	  go test -tags machine -count=1 -timeout=60m -v $(if $(RUN),-run '$(RUN)') ./internal/planted

starved: ## Tables of the whole machine used up, in a virtual one: tracked connections, neighbours (KERNEL=debian/trixie)
	@$(tools)/packages.sh test vm
	@CGO_ENABLED=0 go build -o $(OUT)/netrig ./cmd/netrig
	@CGO_ENABLED=0 go test -tags machine -count=1 -timeout=20m -v -exec '$(CURDIR)/$(OUT)/netrig vm --kernel $(or $(KERNEL),debian/bookworm)' \
	  -run '$(or $(RUN),^TestStarvedOf(Connections|Neighbors)$$)' ./internal/trial

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

fuzz-short: ## The same for 200 inputs each, for CI
	@$(tools)/fuzz.sh 200x $(PKG)

soak: ## The scenarios SOAK times as root (1000), fewer as an ordinary user and with -race, under stress-ng
	@$(tools)/packages.sh test race stress
	@$(soaking) -rounds=$(SOAK)

soak-short: ## The same in about a minute, for CI
	@$(tools)/packages.sh test stress
	@$(soaking) -rounds=$(or $(ROUNDS),8) -parts=root,user

short: ## The short forms one after the other, as .ci/run has them: soak, bench, fuzz; less than five minutes
	@$(MAKE) --no-print-directory soak-short ROUNDS=3
	@$(MAKE) --no-print-directory bench-short
	@$(MAKE) --no-print-directory fuzz-short

docs: ## Write docs/scenarios*.md anew, from a run (KERNEL=debian/bookworm RUN=BridgeVLANs: what this kernel lacks, in a machine)
	@$(if $(KERNEL),$(tools)/packages.sh vm && CGO_ENABLED=0 go build -o $(OUT)/netrig ./cmd/netrig)
	@NETRIG_UPDATE_DOCS=1 go test -count=1 -run '^TestDocument$$$(if $(RUN),/./$(RUN))' \
	  $(if $(KERNEL),-outputdir='$(CURDIR)/docs' -exec '$(CURDIR)/$(OUT)/netrig vm --kernel $(KERNEL) --file $(CURDIR)/docs --file $(CURDIR)/scenarios') ./scenarios

lint: ## gofmt, go vet, staticcheck, actionlint, shellcheck
	@$(tools)/lint.sh

fmt: ## Format the Go files
	@gofmt -w .

packages: ## Install the programs that the tests and checks use (Debian, Ubuntu)
	@$(tools)/packages.sh test lint stress

clean: ## Remove what these targets wrote
	@rm -rf $(OUT)
