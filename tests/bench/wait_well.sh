#!/usr/bin/env bash
# The finish line, the same for everybody: every master ready by its own address, every node and both leaders heartbeat.
# Usage: wait_well.sh SSH_CONFIG SECONDS
set -euo pipefail
until timeout 20 ssh -F "$1" m1 sh -s <<'NODE'
set -e
export KUBECONFIG=/etc/kubernetes/admin.conf
now=$(date +%s)
for ip in $(kubectl get nodes -l node-role.kubernetes.io/control-plane -o 'jsonpath={.items[*].status.addresses[0].address}'); do
  [ "$(kubectl --server "https://$ip:6443" get --raw /readyz)" = ok ]
done
kubectl get lease -n kube-node-lease -o 'jsonpath={range .items[*]}{.spec.renewTime}{"\n"}{end}' >/tmp/leases
kubectl get lease -n kube-system kube-controller-manager kube-scheduler -o 'jsonpath={range .items[*]}{.spec.renewTime}{"\n"}{end}' >>/tmp/leases
[ "$(wc -l </tmp/leases)" -eq 6 ]
while read -r time; do [ $((now - $(date -d "$time" +%s))) -lt 30 ]; done </tmp/leases
NODE
do
  SECONDS_LEFT=$(($2 - SECONDS))
  [ "$SECONDS_LEFT" -gt 0 ] || { echo "not well after $2 s" >&2; exit 1; }
  sleep 0.5
done
