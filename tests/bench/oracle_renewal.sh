#!/bin/sh
# The yardstick of the living renewal: a careful operator's own script, for this cluster and nothing else. It has the order, the
# gates and the waits of renew-certificates.yml, and polls as often; it looks at nothing else, keeps no backup and proves nothing.
# Usage: oracle_renewal.sh SSH_CONFIG   (hosts m1 m2 m3, of static pods; every certificate that kubeadm made ends soon)
# The same text goes to a node's sh: renew OWN-ADDRESS ADDRESS… | restart
set -eu
PKI=/etc/kubernetes/pki
MASTERS="m1 m2 m3"

# wait_for SECONDS COMMAND…
wait_for() {
  limit=$(($(date +%s) + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$(date +%s)" -lt "$limit" ] || { echo "waited in vain for: $*" >&2; exit 1; }
    sleep 1
  done
}

ready() { curl -sf -m 5 --noproxy '*' --cacert $PKI/ca.crt "https://$1:6443/readyz"; }

# A linearizable read: only a voter with a quorum answers.
reads() {
  curl -sf -m 5 --noproxy '*' --cacert $PKI/etcd/ca.crt --cert $PKI/etcd/server.crt --key $PKI/etcd/server.key \
    -d '{"key":"AA==","limit":"1"}' "https://$1:2379/v3/kv/range"
}

print_of() { openssl x509 -noout -fingerprint -sha256 2>/dev/null; }

# shows ADDRESS:PORT FILE
shows() {
  served=$(timeout 5 openssl s_client -connect "$1" 2>/dev/null </dev/null | print_of)
  [ -n "$served" ] && [ "$served" = "$(print_of <"$2")" ]
}

renew() {
  own=$1 copy=
  shift
  for a in "$@"; do wait_for 60 ready "$a"; done
  for a in "$@"; do wait_for 60 reads "$a"; done
  ! cmp -s /etc/kubernetes/admin.conf /root/.kube/config || copy=yes
  kubeadm certs renew all >/dev/null 2>&1 || kubeadm alpha certs renew all >/dev/null
  wait_for 100 shows "$own:6443" $PKI/apiserver.crt
  wait_for 100 shows "$own:2379" $PKI/etcd/server.crt
  wait_for 100 shows "$own:2380" $PKI/etcd/peer.crt
  wait_for 30 ready "$own"
  for a in "$@"; do wait_for 30 reads "$a"; done
  [ -z "$copy" ] || cp /etc/kubernetes/admin.conf /root/.kube/config
}

pid_of() { pgrep -n -x "$(printf %.15s "$1")"; }

# containers NAME: the running ones.
containers() {
  if command -v docker >/dev/null; then docker ps -q -f "name=^k8s_$1_" -f status=running; return; fi
  running=$(ctr -n k8s.io tasks ls | awk '$3 == "RUNNING" { print $1 }')
  ctr -n k8s.io containers ls -q "labels.\"io.kubernetes.container.name\"==\"$1\"" | grep -xF "$running"
}

gone() { ! containers "$1" | grep -q "$2"; }

stop() {
  id=$(containers "$1" | head -n 1)
  if command -v docker >/dev/null; then docker stop -t 30 "$id" >/dev/null; else ctr -n k8s.io tasks kill -s TERM "$id"; fi
  wait_for 30 gone "$1" "$id"
}

newer() { now=$(pid_of "$1") && [ "$now" != "$2" ]; }

# The API server accepts it: it has run for 8 s and does not say otherwise.
accepted() {
  [ "$(ps -o etimes= -p "$(pid_of "$1")")" -ge 8 ] || return 1
  log=$(ls -1t /var/log/pods/kube-system_"$1"-*/"$1"/*.log | head -n 1)
  ! tail -n 10 "$log" | grep -q Unauthorized
}

restart() {
  old_scheduler=$(pid_of kube-scheduler)
  old_manager=$(pid_of kube-controller-manager)
  stop kube-scheduler
  stop kube-controller-manager
  wait_for 120 newer kube-scheduler "$old_scheduler"
  wait_for 120 newer kube-controller-manager "$old_manager"
  wait_for 90 accepted kube-scheduler
  wait_for 90 accepted kube-controller-manager
}

# on MASTER WORD…: this text on that node.
on() {
  node=$1
  shift
  ssh -F "$CONFIG" "$node" sh -s "$@" <"$0"
}

address() { ssh -F "$CONFIG" -G "$1" | sed -n 's/^hostname //p'; }

everywhere() {
  CONFIG=$1 addresses=
  for m in $MASTERS; do addresses="$addresses $(address "$m")"; done
  # shellcheck disable=SC2086 # a list of addresses
  for m in $MASTERS; do on "$m" renew "$(address "$m")" $addresses; done
  for m in $MASTERS; do on "$m" restart; done
}

case $1 in
  renew | restart) "$@" </dev/null ;; # behind it nothing is left of the text to read
  *) everywhere "$1" ;;
esac
