#!/usr/bin/env bash
# The yardstick: recovers incident.power_loss knowing every fault beforehand, in the fastest order that was proven.
# It looks at nothing, keeps no backup, proves nothing on the way and would destroy a cluster with other faults.
# Usage: oracle.sh SSH_CONFIG   (hosts m1 m2 m3 w1; m2 has lost its etcd data, m3 has swap on, w1's kubelet is disabled)
set -euo pipefail
on() { ssh -F "$CONFIG" "$1" sh -s; }
CONFIG=$1
MASTERS="m1 m2 m3"

renew='systemctl stop kubelet; kubeadm certs renew all >/dev/null 2>&1 || kubeadm alpha certs renew all >/dev/null'
{ printf '%s\n' 'rm -f /var/log/vmware-*.log' 'mkdir -p /etc/kubernetes/aside' \
  'mv /etc/kubernetes/manifests/etcd.yaml /etc/kubernetes/manifests/kube-apiserver.yaml /etc/kubernetes/aside/' \
  'rm -rf /var/lib/etcd/member' "$renew" | on m2; } &
echo "$renew" | on m1 &
printf '%s\n' 'swapoff -a; sed -i "/ swap /s/^/#/" /etc/fstab' "$renew" | on m3 &
wait

pem() { # a node's client certificate: request on the node, signed on m1, installed on the node
  local request certificate
  request=$(on "$1" <<'NODE'
cd /var/lib/kubelet/pki && umask 077
openssl req -new -newkey rsa:2048 -nodes -keyout new.key -subj "/O=system:nodes/CN=system:node:$(hostname)" 2>/dev/null
NODE
  )
  certificate=$(on m1 <<CA
printf '%s\n' '$request' | openssl x509 -req -CA /etc/kubernetes/pki/ca.crt -CAkey /etc/kubernetes/pki/ca.key -CAcreateserial -days 365 2>/dev/null
CA
  )
  on "$1" <<NODE
cd /var/lib/kubelet/pki && umask 077
{ printf '%s\n' '$certificate'; cat new.key; } >kubelet-client-oracle.pem
ln -sfn /var/lib/kubelet/pki/kubelet-client-oracle.pem kubelet-client-current.pem; rm -f new.key
[ -f /etc/kubernetes/admin.conf ] && { mkdir -p /root/.kube; cp /etc/kubernetes/admin.conf /root/.kube/config; }
systemctl enable kubelet 2>/dev/null; systemctl reset-failed kubelet 2>/dev/null; systemctl start kubelet
NODE
}
for node in $MASTERS w1; do pem "$node" & done
wait

on m1 <<'PEER'
set -e
cd /etc/kubernetes/pki/etcd
ask() { curl -sf -m 5 --cacert ca.crt --cert server.crt --key server.key "https://127.0.0.1:2379/v3/$1" -d "$2"; }
until ask kv/range '{"key":"AA=="}' >/dev/null; do sleep 0.5; done
id=$(ask cluster/member/list '{}' | sed 's/{"ID"/\n&/g' | sed -n 's/.*"ID":"\([0-9]*\)","name":"m2".*/\1/p')
ip=$(ask cluster/member/list '{}' | sed 's/{"ID"/\n&/g' | sed -n 's/.*"name":"m2","peerURLs":\["\([^"]*\)".*/\1/p')
ask cluster/member/remove "{\"ID\":\"$id\"}" >/dev/null
until ask cluster/member/add "{\"peerURLs\":[\"$ip\"],\"isLearner\":true}" >/dev/null; do sleep 0.5; done
PEER
members=$(on m1 <<'PEER'
cd /etc/kubernetes/pki/etcd
curl -sf -m 5 --cacert ca.crt --cert server.crt --key server.key https://127.0.0.1:2379/v3/cluster/member/list -d '{}' |
  sed 's/{"ID"/\n&/g' | sed -n -e 's/.*"name":"\(m[0-9]\)","peerURLs":\["\([^"]*\)".*/\1=\2/p' -e '/"name"/!s/.*"ID".*"peerURLs":\["\([^"]*\)".*/m2=\1/p' | paste -sd,
PEER
)
on m2 <<NODE
sed -i -e 's#--initial-cluster=.*#--initial-cluster=$members#' -e '/--initial-cluster-state/d' /etc/kubernetes/aside/etcd.yaml
sed -i 's#\( *\)- --initial-cluster=.*#&\n\1- --initial-cluster-state=existing#' /etc/kubernetes/aside/etcd.yaml
mv /etc/kubernetes/aside/*.yaml /etc/kubernetes/manifests/
systemctl restart kubelet
NODE
on m1 <<'PEER'
cd /etc/kubernetes/pki/etcd
ask() { curl -sf -m 5 --cacert ca.crt --cert server.crt --key server.key "https://127.0.0.1:2379/v3/$1" -d "$2"; }
while :; do
  id=$(ask cluster/member/list '{}' | sed 's/{"ID"/\n&/g' | sed -n 's/.*"ID":"\([0-9]*\)".*"isLearner":true.*/\1/p')
  [ -z "$id" ] && break
  ask cluster/member/promote "{\"ID\":\"$id\"}" >/dev/null && break
  sleep 0.5
done
PEER
