# shellcheck shell=sh
# What kubeadm keeps of how it made the cluster: the whole ConfigMap in base64. Needs api.sh and admin.sh.
kr_admin
kr_with 8 GET "/api/v1/namespaces/kube-system/configmaps/kubeadm-config?pretty=0"
case $KR_CODE in
  200) kr_value config "$(printf '%s\n' "$KR_BODY" | grep -v '^@code=' | base64 | tr -d '\n')" ;;
  404) kr_note "kubeadm keeps no configuration in this cluster" ;;
  *) kr_fail "kubeadm-config could not be read: $(kr_answered)" ;;
esac
