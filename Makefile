# make setup: packages, virtualenv. make test: the whole proof. make demo: the product, shown on the lab.
PROFILE ?= current
VENV := .venv/bin
PY := $(VENV)/python

.PHONY: setup lint unit test test-all demo bench lab-down clean

setup: .venv/.ready

.venv/.ready: requirements.txt lab/setup-host.sh
	lab/setup-host.sh
	python3 -m venv .venv
	$(VENV)/pip install -q --disable-pip-version-check -r requirements.txt
	touch $@

lint: setup
	$(VENV)/ruff format --check plugins lab tests
	$(VENV)/ruff check plugins lab tests
	tests/lint.sh

unit: setup
	$(VENV)/pytest tests/unit

test: setup
	tests/run.sh

test-all: setup
	tests/run.sh --all

demo: setup
	tests/demo.sh $(PROFILE)

bench: setup
	$(PY) tests/bench/run.py

lab-down:
	lab/lab down --all
