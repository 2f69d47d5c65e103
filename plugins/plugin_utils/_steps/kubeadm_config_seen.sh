# shellcheck shell=sh
# What this master shows of how kubeadm made the cluster. KR_ARG_CONF_DIR, KR_ARG_MANIFESTS, KR_ARG_KUBELET_CONFIG. Needs api.sh.
kr_have kubeadm || kr_refuse no_kubeadm "there is no kubeadm on this node to ask what it would generate"
kr_value version "$(kr_limit 20 kubeadm config print init-defaults 2>/dev/null | sed -n 's/^apiVersion: *//p' | head -n 1)"
kr_value server "$(kr_conf_word "$KR_ARG_CONF_DIR/admin.conf" server)"
kr_value domain "$(sed -n 's/^clusterDomain: *//p' "$KR_ARG_KUBELET_CONFIG" 2>/dev/null | tr -d '"')"
for kr_c in kube-apiserver kube-controller-manager kube-scheduler etcd; do
  [ ! -s "$KR_ARG_MANIFESTS/$kr_c.yaml" ] || kr_value "$kr_c" "$(base64 <"$KR_ARG_MANIFESTS/$kr_c.yaml" | tr -d '\n')"
done
