# shellcheck shell=sh
# Lets kubeadm keep the configuration: KR_ARG_CONFIG, in base64. Needs api.sh and admin.sh.
kr_admin
[ -n "$KR_CONF" ] || kr_refuse no_kubeconfig "kubeadm needs a kubeconfig that may do everything, and there is none on this node"
kr_with 8 GET /api/v1/namespaces/kube-system/configmaps/kubeadm-config
if [ "$KR_CODE" = 200 ]; then
  kr_note "kubeadm-config is there meanwhile"
else
  kr_said=$(printf %s "$KR_ARG_CONFIG" | base64 -d | kr_limit 60 kubeadm init phase upload-config kubeadm --kubeconfig "$KR_CONF" --config /dev/stdin 2>&1) ||
    kr_fail "kubeadm init phase upload-config kubeadm: $(printf '%s\n' "$kr_said" | tail -n 2 | tr '\n' ' ')"
  kr_did "made ConfigMap kube-system/kubeadm-config again: kubeadm generates from it the manifests of this node"
fi
