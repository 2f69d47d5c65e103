#!/usr/bin/env bash
# The other yardstick: the official documents followed step by step, one node after the other, by somebody who has already
# found out what is wrong: free the disk; renew certificates and restart the control plane's pods (kubeadm, "Certificate
# management"); kubelet.conf anew and a wait for its rotation (kubeadm, "Troubleshooting": kubelet client certificate rotation
# fails); replace the failed etcd member (etcd, "Runtime reconfiguration" and Kubernetes, "Operating etcd").
# Usage: by_the_book.sh SSH_CONFIG   (the same hosts and faults as oracle.sh)
set -euo pipefail
CONFIG=$1
on() { ssh -F "$CONFIG" "$1" sh -s; }
MASTERS="m1 m2 m3"

on m2 <<'NODE'
rm -f /var/log/vmware-*.log
# The member that lost its data must not be started: its manifest and the API server's stay outside for now.
mkdir -p /etc/kubernetes/aside
mv /etc/kubernetes/manifests/etcd.yaml /etc/kubernetes/manifests/kube-apiserver.yaml /etc/kubernetes/aside/
mv /var/lib/etcd/member /var/lib/etcd.lost 2>/dev/null || :
NODE
on m3 <<'NODE'
swapoff -a; sed -i '/ swap /s/^/#/' /etc/fstab
NODE

for node in $MASTERS; do
  on "$node" <<'NODE'
kubeadm certs renew all >/dev/null 2>&1 || kubeadm alpha certs renew all >/dev/null
mkdir -p /root/.kube; cp /etc/kubernetes/admin.conf /root/.kube/config
NODE
done

kubelet_conf() { # as the document says: kubelet.conf is generated where ca.key is and copied to the node
  local name
  name=$(on "$1" <<<hostname)
  on m1 <<CA | ssh -F "$CONFIG" "$1" 'umask 077; rm -rf /var/lib/kubelet/pki/kubelet-client*; cat >/etc/kubernetes/kubelet.conf; systemctl enable kubelet 2>/dev/null; systemctl reset-failed kubelet; systemctl restart kubelet'
server=\$(sed -n 's/^ *server: //p' /etc/kubernetes/admin.conf)
conf=\$(kubeadm kubeconfig user --org system:nodes --client-name system:node:$name 2>/dev/null || kubeadm alpha kubeconfig user --org system:nodes --client-name system:node:$name 2>/dev/null)
printf '%s\n' "\$conf" | sed "s#server: .*#server: \$server#"
CA
}
for node in $MASTERS; do kubelet_conf "$node"; done

# Static pods restart by moving their manifests out for twenty seconds, node by node.
for node in m1 m3; do
  on "$node" <<'NODE'
mkdir -p /etc/kubernetes/out; mv /etc/kubernetes/manifests/*.yaml /etc/kubernetes/out/
sleep 20
mv /etc/kubernetes/out/*.yaml /etc/kubernetes/manifests/
NODE
done

on m1 <<'PEER'
cd /etc/kubernetes/pki/etcd
ask() { curl -sf -m 5 --cacert ca.crt --cert server.crt --key server.key "https://127.0.0.1:2379/v3/$1" -d "$2"; }
until ask kv/range '{"key":"AA=="}' >/dev/null; do sleep 1; done
list=$(ask cluster/member/list '{}' | sed 's/{"ID"/\n&/g')
id=$(printf '%s\n' "$list" | sed -n 's/.*"ID":"\([0-9]*\)","name":"m2".*/\1/p')
ip=$(printf '%s\n' "$list" | sed -n 's/.*"name":"m2","peerURLs":\["\([^"]*\)".*/\1/p')
ask cluster/member/remove "{\"ID\":\"$id\"}" >/dev/null
until ask cluster/member/add "{\"peerURLs\":[\"$ip\"]}" >/dev/null; do sleep 1; done
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
NODE

kubelet_conf w1
