# `make` lists what there is. Everything happens in .venv, which `make clean` removes. Another Python has its own
# folder beside it: make test-short PYTHON=python3.13 VENV=.venv-3.13
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps
COMPILE := $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate $(LOCK_FLAGS)

LDAP ?=
SMTP ?=
SQL ?=
POSTGRES ?=
BENCH ?=
RANDOM_TESTS ?=
EXTRAS := $(if $(LDAP),$(VENV)/.ldap) $(if $(SMTP),$(VENV)/.smtp) $(if $(SQL),$(VENV)/.sql) \
	$(if $(POSTGRES),$(VENV)/.postgres)

.DELETE_ON_ERROR:
.PHONY: help compiled setup dev run demo test test-short test-random faults bench bench-quick lint lock docs clean

help: ## list the commands
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/make \1\t\2/p' Makefile | expand -t 18

setup: $(VENV)/.run $(EXTRAS) compiled ## make .venv with what the gateway runs on (LDAP=1: LDAP directories, too; SMTP=1: e-mail; SQL=1: databases; POSTGRES=1: a journal there)

demo: setup ## play an Okta day: what came in, what the target got, what the trail says
	@$(BIN)/python gateway.py demo

run: setup ## start the gateway with config.toml
	@exec $(BIN)/python gateway.py serve

dev: $(VENV)/.dev $(EXTRAS) compiled ## make .venv with what development needs, too

lint: dev ## check format, style, import contracts and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy gateway
	$(BIN)/mypy gateway.py
	$(BIN)/mypy bench
	$(BIN)/mypy -p tools

test: lint ## run everything: lint, then the tests with coverage
	$(BIN)/python -m pytest -n auto --cov --cov-report=term:skip-covered

test-short: dev ## run the tests without lint, coverage and what is marked long, with fewer examples
	$(BIN)/python -m pytest -n auto -m "not long" --hypothesis-profile=short

test-random: dev ## draw new examples for all properties, and more of them: minutes; what fails becomes an @example
	$(BIN)/python -m pytest -n auto -m hypothesis --hypothesis-profile=random $(RANDOM_TESTS)

faults: dev ## kill the gateway 220 times, pull its plug 56 times, fail its disk at every write
	FAULTS=1 $(BIN)/python -m pytest -s tests/faults tests/targets/ldap/test_faults.py tests/targets/ldap/test_first_import.py \
		tests/targets/ldap/test_real_faults.py \
		tests/targets/sql/test_faults.py tests/targets/sql/test_first_import.py

bench: dev ## measure everything beside a bare pass-through: about 35 minutes, to bench/results.md
	$(BIN)/python -m bench $(BENCH)

bench-quick: dev ## measure the most frequent requests and the start in less than a minute
	@$(BIN)/python -m bench --quick $(BENCH)

lock: $(VENV)/.made ## resolve the lock files again (LOCK_FLAGS=--upgrade for newer versions)
	$(INSTALL) uv
	$(COMPILE) pyproject.toml requirements/run.in --output-file requirements/run.txt
	$(COMPILE) --constraints requirements/run.txt requirements/console.in --output-file requirements/console.txt
	$(COMPILE) --constraints requirements/run.txt --constraints requirements/console.txt pyproject.toml \
		requirements/run.in requirements/console.in requirements/dev.in --output-file requirements/dev.txt
	$(COMPILE) requirements/ldap.in --output-file requirements/ldap.txt
	$(COMPILE) --constraints requirements/dev.txt requirements/smtp.in --output-file requirements/smtp.txt
	$(COMPILE) --constraints requirements/dev.txt requirements/postgres.in --output-file requirements/postgres.txt
	$(COMPILE) --constraints requirements/dev.txt requirements/sql.in --output-file requirements/sql.txt

docs: setup ## make again what docs/ says of keys, transforms and presets
	$(BIN)/python -m tools.docs.reference

clean: ## remove .venv, those of other Pythons and all that the tools leave; never var/
	rm -rf $(VENV) .venv-* build dist *.egg-info .coverage .coverage.* .hypothesis .import_linter_cache \
		.mypy_cache .pytest_cache .ruff_cache
	find bench gateway tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

# A start compiles what is not compiled, and each does where the environment or the folder keeps it from writing that.
compiled: $(VENV)/.run
	@$(BIN)/python -m compileall -qq gateway gateway.py || true

# Each stamp is made last, so that what was interrupted is done again and what is done is not.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed, and $(PYTHON) is not that. Name one: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
		echo "$(PYTHON) cannot make virtual environments: install its venv package (Debian: python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.locked: requirements/run.txt requirements/console.txt $(VENV)/.made
	$(INSTALL) --require-hashes --requirement requirements/run.txt
	$(INSTALL) --require-hashes --requirement requirements/console.txt
	@touch $@

$(VENV)/.run: pyproject.toml $(VENV)/.locked
	$(INSTALL) --no-build-isolation --editable .
	@touch $@

$(VENV)/.ldap: requirements/ldap.txt $(VENV)/.locked
	@echo "$(INSTALL) --requirement requirements/ldap.txt"
	@$(INSTALL) --no-build-isolation --require-hashes --requirement requirements/ldap.txt || { \
		echo "python-ldap is built here: install a C compiler and the headers of Python, OpenLDAP and SASL" \
		"(Debian: gcc python3-dev libldap2-dev libsasl2-dev)" >&2; exit 1; }
	@touch $@

$(VENV)/.smtp: requirements/smtp.txt $(VENV)/.locked
	$(INSTALL) --require-hashes --requirement requirements/smtp.txt
	@touch $@

$(VENV)/.sql: requirements/sql.txt $(VENV)/.locked
	$(INSTALL) --require-hashes --requirement requirements/sql.txt
	@touch $@

$(VENV)/.postgres: requirements/postgres.txt $(VENV)/.locked
	$(INSTALL) --require-hashes --requirement requirements/postgres.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	$(INSTALL) --require-hashes --requirement requirements/dev.txt
	@touch $@
