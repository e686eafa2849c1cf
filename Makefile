# make app    set up once, then start the page on http://127.0.0.1:7860
# make test   set up once, then run the tests (browser tests say why where there is no Chromium)

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: app test test-slow test-faults lint clean

app: $(READY)
	$(BIN)/python app.py

test: $(READY)
	$(BIN)/python -m pytest -rs -m "not slow"

test-slow: $(READY)
	$(BIN)/python -m pytest -rs -m slow

test-faults: $(READY)
	$(BIN)/python -m pytest -rs -m faults

lint: $(READY)
	$(BIN)/ruff check .

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is younger than the requirements once they are installed.
$(READY): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $(READY)
