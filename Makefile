# make setup: packages, virtualenv. make test: the whole proof. make demo: the product, shown on the lab.
PROFILE ?= current
VENV := .venv/bin

.PHONY: setup lint unit test test-all demo bench lab-down clean

setup: .venv/.ready

.venv/.ready: requirements.txt roles/scheduled_renewal/files/requirements.txt lab/setup-host.sh
	lab/setup-host.sh
	python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed here: ansible-core 2.19 asks for it")'
	python3 -m venv .venv
	$(VENV)/pip install -q --disable-pip-version-check -r requirements.txt
	touch $@

lint: setup
	tests/lint.sh

unit: setup
	$(VENV)/pytest tests/unit tests/inputs

test: setup
	tests/run.sh

test-all: setup
	tests/run.sh --all

demo: setup
	tests/demo.sh $(PROFILE)

bench: setup
	$(VENV)/python tests/bench/run.py

lab-down:
	lab/lab down --all

clean: lab-down
	rm -rf .venv .ansible .cache .mypy_cache .ruff_cache .pytest_cache tests/output
