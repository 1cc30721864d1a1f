# Stratum. Needs Python 3.11 or later and nothing else; `make help` lists what there is.
PYTHON ?= python3
BIN := .venv/bin
TESTS ?= tests
TESTFLAGS ?= -n 2 --dist worksteal
export PORT
unexport PYTHONDONTWRITEBYTECODE # compiled modules are kept, even where the machine says otherwise: every start is quicker

.PHONY: help demo test check bench chaos lock reset messages venv venv-dev format

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

venv:
	@$(PYTHON) config/bootstrap.py runtime

venv-dev:
	@$(PYTHON) config/bootstrap.py dev

demo: venv ## a running trial at http://localhost:8000 (PORT=, DATABASE_URL, REDIS_URL are respected); Ctrl-C stops it
	@exec $(BIN)/python -m config.demo

test: venv-dev ## the whole suite, browser journeys included (TESTS=tests/ecrf to choose)
	@$(PYTHON) config/bootstrap.py browser
	@exec $(BIN)/python -m pytest $(TESTFLAGS) $(TESTS)

check: venv-dev ## style, types, direction of imports, templates, migrations, deployment settings
	@exec $(BIN)/python -m config.quality

bench: venv-dev ## measures, a table, and .data/bench.json
	@exec $(BIN)/python -m config.services run -- $(BIN)/python -m bench

chaos: venv-dev ## randomization under load and fault, counted; .data/chaos.json
	@exec $(BIN)/python -m chaos

lock: venv-dev ## versions and hashes from requirements*.in
	@for name in requirements requirements-dev; do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--custom-compile-command "make lock" $(LOCKFLAGS) $$name.in --output-file $$name.txt || exit 1; \
	done

messages: venv ## compile the French catalogue
	@$(BIN)/python -m config.messages

format: venv-dev ## write the code in the house's style
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

reset: venv ## remove the demo's data; the next `make demo` starts over
	@$(BIN)/python -m config.services reset
