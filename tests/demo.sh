#!/usr/bin/env bash
# The product, shown: a healthy cluster, its power cut, everything broken as in the incident report, one command, the data still there.
set -euo pipefail
cd "$(dirname "$0")/.."
profile=${1:-current}
name=demo
out=$(mktemp -d "${TMPDIR:-/tmp}/kuberevive-demo.XXXXXX")
inventory=$out/inventory.yml
export PATH=$PWD/.venv/bin:$PATH ANSIBLE_FORCE_COLOR=${ANSIBLE_FORCE_COLOR:-0}
began=$SECONDS

say() { printf '\n\033[1m[%3d s] %s\033[0m\n' "$((SECONDS - began))" "$1"; }
failed() { printf '\ndemo: failed. The cluster stays up to look at: lab/lab status --name %s; take it down: make lab-down\n' "$name" >&2; }
trap failed ERR

# as_operator WANTED_RC WORDS…: the command is printed, its exit code is part of the show.
as_operator() {
  local wanted=$1 rc=0
  shift
  printf '$ ansible-playbook -i %s' "$inventory"
  printf ' %q' "$@"
  echo
  ansible-playbook -i "$inventory" "$@" -e "kuberevive_report_dir=$out" || rc=$?
  printf '(exit code %d)\n' "$rc"
  [ "$rc" -eq "$wanted" ] || { printf 'demo: exit code %d was expected\n' "$wanted" >&2; false; }
}

say "A fresh cluster of the profile '$profile': three masters, one worker (the first time its binaries are built, which takes long)"
lab/lab down --name "$name" >/dev/null 2>&1
lab/lab up --name "$name" --profile "$profile"
lab/lab inventory --name "$name" >"$inventory"
lab/lab kubectl --name "$name" get nodes -o wide
lab/lab kubectl --name "$name" -n shop get all,secrets,configmaps
lab/lab snapshot-data --name "$name" >"$out/before.json"
as_operator 0 playbooks/diagnose.yml

say "The power goes, as in the incident report"
lab/lab faults | sed -n '/^incident.power_loss/,/^[a-z]/p' | sed '1d;/^[a-z]/d'
lab/lab break --name "$name" incident.power_loss
timeout 10 lab/lab kubectl --name "$name" get nodes || echo "(the API is dead)"

say "What is wrong? Nothing is changed by asking"
as_operator 2 playbooks/diagnose.yml

say "What would a repair do? Nothing is written by asking"
as_operator 2 playbooks/recover-power-loss.yml --check

say "The repair"
repair=$SECONDS
as_operator 0 playbooks/recover-power-loss.yml
printf '(%d s)\n' "$((SECONDS - repair))"

say "Again: nothing is left to do"
as_operator 0 playbooks/recover-power-loss.yml

say "The end state, asked without the product"
lab/lab status --name "$name"
lab/lab exec --name "$name" m1 -- kubectl get nodes
lab/lab snapshot-data --name "$name" >"$out/after.json"
.venv/bin/python - "$out/before.json" "$out/after.json" <<'PYTHON'
import json
import sys

before, after = (json.load(open(path, encoding="utf-8")) for path in sys.argv[1:])
lost = [key for key in before if after.get(key) != before[key]]
print(f"{len(before)} objects before the power cut, {len(before) - len(lost)} there with the same UID and the same content")
sys.exit(f"lost or changed: {', '.join(lost)}" if lost else 0)
PYTHON

say "Done. The cluster is up; go on with"
cat <<TEXT
  lab/lab kubectl --name $name get pods -A      lab/lab ssh --name $name m2
  lab/lab faults                               lab/lab break --name $name etcd.quorum_lost
  ansible-playbook -i $inventory playbooks/diagnose.yml
Take it down: make lab-down
TEXT
