#!/usr/bin/env bash
# Everything: lint, unit tests, probe and repairs under three shells, lab scenarios. --all: also the scenarios that `make test` leaves out.
# Last line: pytest's summary (or, when lint fails, its N passed, N failed).
set -euo pipefail
cd "$(dirname "$0")/.."
[ "${1:-}" != --all ] || export KUBEREVIVE_SCENARIOS=all
tests/lint.sh
exec .venv/bin/pytest --capture=sys tests/unit tests/inputs tests/scenarios
