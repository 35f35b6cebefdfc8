# Each target sets up what it needs: tools and our packages go into .venv, anew only when
# requirements.lock or a pyproject.toml changes; Kafka's jars come at the first use.

PYTHON ?= python3
MEMBERS ?= 1000
RUNS ?= 1000
SEED ?= 0
PORT ?= 8010
SCENARIO ?=

BIN := .venv/bin
READY := .venv/ready
MEMBER_PACKAGES := contracts kit deploy/local $(sort $(wildcard services/*))
SERVICES := $(notdir $(sort $(wildcard services/*)))
TYPED := $(MEMBER_PACKAGES:%=%/src) docs tests
CHECKS := check-types check-style check-borders check-contracts check-documents \
	$(SERVICES:%=check-openapi-of-%)

# Dozens of processes are started: without this each of them would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo up simulator test check prove misbehave bench bench-run bench-growth format lock \
	openapi test-containers test-libreoffice
.DELETE_ON_ERROR:

help: ## Lists the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## Starts everything, tells one story and checks each step (MEMBERS=1000).
	@$(BIN)/local-stack demo --members $(MEMBERS)

up: $(READY) ## Starts everything with seeded data, until Ctrl-C (MEMBERS=1000).
	@$(BIN)/local-stack up --members $(MEMBERS)

simulator: $(READY) ## Runs the partner simulator alone (PORT=8010, SCENARIO=file), until Ctrl-C.
	@$(BIN)/partner-simulator --port $(PORT) $(if $(SCENARIO),--scenario $(SCENARIO))

# Three processes keep two cores busy: each of them waits a third of its time.
test: check ## Everything that has to hold: style, types, borders, contracts, tests.
	$(BIN)/pytest --numprocesses 3 -m "not idle"
	$(BIN)/pytest -m idle tests/kit

check: $(READY)
	@$(MAKE) --no-print-directory --jobs 2 $(CHECKS)

check-types: $(READY)
	$(BIN)/mypy $(TYPED)

check-style: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

check-borders: $(READY)
	$(BIN)/lint-imports

check-contracts: $(READY)
	$(BIN)/python -m contracts.generate --check
	$(BIN)/python -m contracts.compatibility

check-documents: $(READY)
	$(BIN)/python docs/problems.py --check
	$(BIN)/python docs/columns.py --check

$(SERVICES:%=check-openapi-of-%): check-openapi-of-%: $(READY)
	@$(BIN)/$* openapi | diff contracts/openapi/$*.json - \
		|| { echo "contracts/openapi/$*.json is old: make openapi"; exit 1; }

test-containers: $(READY) ## The stack with PostgreSQL and Kafka in containers; needs a Docker engine.
	LOCAL_STACK_ENGINE=containers $(BIN)/pytest -s tests/local_stack/containers.py

test-libreoffice: $(READY) ## LibreOffice opens what is exported; needs LibreOffice.
	@command -v soffice > /dev/null || { \
		echo "LibreOffice is needed: apt-get install libreoffice-calc"; exit 1; }
	$(BIN)/pytest tests/libreoffice/opened_files.py

prove: $(READY) ## Holds case-service against a plain model in many random runs (RUNS=1000, SEED=0).
	RUNS=$(RUNS) SEED=$(SEED) $(BIN)/pytest --verbose --numprocesses 2 tests/case_service/test_model.py

misbehave: $(READY) ## Lets partners misbehave with MEMBERS=1000, and changes 10,000 callbacks.
	MEMBERS=$(MEMBERS) $(BIN)/pytest --verbose tests/partner_gateway/test_misbehaviours.py
	MUTATIONS=10000 CALLBACKS=2000 ROTATION_CALLBACKS=1000 $(BIN)/pytest --verbose --timeout 1800 \
		tests/partner_gateway/test_callback_mutations.py \
		tests/partner_gateway/test_callback_streams.py tests/partner_gateway/test_secrets.py

bench: $(READY) ## Measures the hot paths (ROWS=100000 of exports).
	$(BIN)/python -m pytest -s tests/benchmarks/*.py

bench-run: $(READY) ## Measures a run of MEMBERS=100000 to its last row (REVERSAL=1: and back).
	$(BIN)/python -m pytest -s tests/benchmarks/whole_run/handing_over.py

bench-growth: $(READY) ## Measures how the time of a run grows, up to MEMBERS=300000.
	$(BIN)/python -m pytest -s tests/benchmarks/whole_run/growth.py

format: $(READY) ## Formats the code and sorts its imports.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

openapi: $(READY) ## Writes what the services' HTTP interfaces are, to contracts/openapi.
	@mkdir -p contracts/openapi
	@for service in $(SERVICES); do \
		$(BIN)/$$service openapi > contracts/openapi/$$service.json; \
	done

lock: $(READY) ## Resolves the dependencies anew into requirements.lock (UPGRADE=--upgrade: the newest).
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --no-emit-index-url --quiet $(UPGRADE) \
		$(foreach member,$(MEMBER_PACKAGES),--no-emit-package $(shell \
			sed -n 's/^name = "\(.*\)"/\1/p' $(member)/pyproject.toml)) \
		--output-file requirements.lock

# uv comes from the lock, too: pip brings it, and uv brings everything else.
$(READY): requirements.lock pyproject.toml $(MEMBER_PACKAGES:%=%/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed; name one: make PYTHON=/usr/bin/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { \
		echo "Python cannot make a virtual environment: apt-get install python3-venv"; exit 1; }
	@awk '/^uv==/ { on = 1 } on { print; if ($$0 !~ /\\$$/) exit }' requirements.lock > .venv/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		-r .venv/uv.txt
	@$(BIN)/uv pip install --quiet --compile-bytecode --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation \
		$(foreach member,$(MEMBER_PACKAGES),-e ./$(member))
	@touch $@
