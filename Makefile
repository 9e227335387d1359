# Two commands do all the set-up: `make demo` and `make test`. Both need Python >= 3.11 and nothing else that is
# installed by hand; the tests' database and IMAP servers come from Debian packages where we may install them.

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= auto
FUZZ_SECONDS ?= 3600

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
DEMO := .demo
DATABASE := sqlite:///$(DEMO)/tlsrpt.db

.PHONY: help demo test screenshot lint format docs bench lock fuzz clean

help:
	@echo "make demo    read a small bundled archive into SQLite, show what is in it, and draw the site"
	@echo "make test    run every test"
	@echo "make screenshot   take the picture in the README again"
	@echo "make lint    ruff, mypy, import floors"
	@echo "make format  let ruff format and fix what it can"
	@echo "make docs    write the generated pages of docs/reference/ again"
	@echo "make bench   measure side by side with parsedmarc, half an hour, and write docs/performance.md"
	@echo "make lock    pin every dependency with its hashes, in deploy/requirements.txt"
	@echo "make fuzz    look for octets that break the parser, for FUZZ_SECONDS (an hour) a target"
	@echo "make clean   remove what the others made"

demo: $(VENV)/.program
	@rm -rf $(DEMO) && mkdir $(DEMO)
	@$(BIN)/python demo/archive.py $(DEMO)/archive
	@echo '$$ tlsrpt-ingest backfill $(DEMO)/archive'
	@$(BIN)/tlsrpt-ingest -v backfill --database $(DATABASE) $(DEMO)/archive
	@echo; echo '$$ tlsrpt-ingest summary'
	@$(BIN)/tlsrpt-ingest summary --database $(DATABASE)
	@echo; echo '$$ tlsrpt-ingest ledger --outcome rejected'
	@$(BIN)/tlsrpt-ingest ledger --database $(DATABASE) --outcome rejected
	@echo; echo '$$ tlsrpt-ingest show $(DEMO)/archive/postfix.eml'
	@$(BIN)/tlsrpt-ingest show $(DEMO)/archive/postfix.eml
	@echo; echo '$$ tlsrpt-ingest site $(DEMO)/site'
	@$(BIN)/tlsrpt-ingest -v site --database $(DATABASE) $(DEMO)/site
	@echo; echo 'Open in a browser: $(abspath $(DEMO)/site/index.html)'

test: $(VENV)/.tools tests/servers/install.sh
	@sh tests/servers/install.sh
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

# Where the fonts of this machine are not those of the last one, the picture changes.
screenshot: $(VENV)/.tools tests/servers/install.sh
	@sh tests/servers/install.sh
	TLSRPT_SCREENSHOT=1 $(BIN)/pytest -q tests/end_to_end/test_site.py -k screenshot

lint: $(VENV)/.tools
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.tools
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(VENV)/.tools
	$(BIN)/python docs/generate.py

bench: $(VENV)/.tools tests/servers/install.sh
	@sh tests/servers/install.sh
	$(BIN)/python -m benchmarks.run $(BENCH)

lock: $(VENV)/.tools
	$(PIP) install --group lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --all-extras \
		--upgrade --custom-compile-command 'make lock' -o deploy/requirements.txt pyproject.toml

fuzz: $(VENV)/.tools
	$(PIP) install --group fuzz
	@mkdir -p .fuzz
	@for target in document message; do \
		$(BIN)/python -m tests.fuzz.long $$target --seconds $(FUZZ_SECONDS) >.fuzz/$$target.log 2>&1 & \
	done; wait; tail -n 7 .fuzz/document.log .fuzz/message.log; \
	! ls .fuzz/*-crash-* .fuzz/*-timeout-* .fuzz/*-oom-* 2>/dev/null

clean:
	rm -rf $(VENV) $(DEMO) .fuzz build dist *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +

# The stamps make a second run quick: an environment is filled again only when pyproject.toml says something else.

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than 3.11; name another: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ test "$$(id -u)" = 0 && apt-get install -qq -y python3-venv >/dev/null; } || \
		{ echo "$(PYTHON) cannot make environments; type: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade 'pip>=25.1'

$(VENV)/.program: pyproject.toml | $(BIN)/python
	$(PIP) install --editable .
	@touch $@

$(VENV)/.tools: pyproject.toml | $(BIN)/python
	$(PIP) install --editable '.[postgresql,mariadb,oauth,cluster,receive,parquet,apprise,fast]' --group test --group lint
	@touch $@ $(VENV)/.program
