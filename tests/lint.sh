#!/usr/bin/env bash
# Format and lint, every check even when one before it failed. Last line: N passed, N failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
PATH=$PWD/.venv/bin:$PATH
export PATH NO_COLOR=1 ANSIBLE_NOCOLOR=1
plugin_utils=plugins/plugin_utils
collection=collections/ansible_collections/kuberevive/cluster # by this path its modules have their full names
passed=0 failed=0

# check NAME COMMAND…: quiet when it passes.
check() {
  local name=$1 said
  shift
  if said=$("$@" 2>&1); then
    printf 'lint  ok      %s\n' "$name"
    passed=$((passed + 1))
  else
    printf 'lint  FAILED  %s: %s\n%s\n' "$name" "$*" "$said"
    failed=$((failed + 1))
  fi
}

# The probe is one text, so its parts are read as one; a repair has lib.sh in front.
probe() { (cd "$plugin_utils/_probe" && printf '. ./%s\n' lib.sh discover.sh "${sections[@]}" main.sh | shellcheck -s sh -x -a -P . -); }
step() { (cd "$plugin_utils/_steps" && printf '. ./%s\n' lib.sh "$1" | shellcheck -s sh -x -a -P . -); }
steps() {
  local script rc=0
  for script in "$plugin_utils"/_steps/*.sh; do step "${script##*/}" || rc=1; done
  return "$rc"
}
in_three_shells() {
  local script rc=0
  for script in "$plugin_utils"/_probe/*.sh "$plugin_utils"/_steps/*.sh; do
    dash -n "$script" && bash --posix -n "$script" && busybox sh -n "$script" || rc=1
  done
  return "$rc"
}

sections=()
for script in "$plugin_utils"/_probe/*.sh; do
  case ${script##*/} in lib.sh | discover.sh | main.sh) ;; *) sections+=("${script##*/}") ;; esac
done
mapfile -t scripts < <(git ls-files -co --exclude-standard -- '*.sh' .ci/run lab/lab | grep -v "^$plugin_utils/" | sort -u)

check "python: format" ruff format --check plugins roles lab tests molecule
check "python: lint" ruff check plugins roles lab tests molecule
check "python: types of the collection" mypy --strict "$collection/plugins/plugin_utils" "$collection/plugins/action"
check "python: types of kuberevive-run" mypy --strict roles/scheduled_renewal/files/kuberevive_run
check "python: types of the lab and the tests" mypy --strict lab/kr_lab tests molecule/shared
check "yaml" yamllint --strict .
check "ansible" ansible-lint --offline --profile production
check "sh: the probe" probe
check "sh: the repairs" steps
check "sh: dash, bash and busybox can read them" in_three_shells
check "sh: this machine's scripts" shellcheck "${scripts[@]}"

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
