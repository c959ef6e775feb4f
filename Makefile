# Each target sets itself up in .venv: nothing is needed beforehand but Python ≥ 3.10, git and make.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
SETTINGS := pyproject.toml constraints.txt

.PHONY: study test test-slow lint clean

study: .venv/lab.stamp           ## train the grid on digits, draw the heatmaps, print the table
	$(BIN)/halflife study --out study

test: .venv/test.stamp           ## everything but the slow tests
	$(BIN)/python -m pytest --numprocesses auto

test-slow: .venv/test.stamp      ## the slow tests
	$(BIN)/python -m pytest -m slow

lint: .venv/dev.stamp            ## ruff, pyright
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/pyright

clean:                           ## remove the environment and what a study wrote
	rm -rf .venv study

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/%.stamp: $(SETTINGS) | .venv/bin/python
	@echo "Installing halflife[$*] into .venv (torch is large: the first time takes a few minutes) …"
	$(INSTALL) --editable '.[$*]'
	@touch $@
