# shellcheck shell=sh
# Makes objects that kubeadm once made: KR_ARG_PATHS and KR_ARG_BODIES, lists of the same length (where, and the JSON);
# KR_ARG_INFO: also kube-public/cluster-info; KR_ARG_KUBELET_MAP: also this ConfigMap of kube-system, from KR_ARG_KUBELET_CONFIG.

kr_line() { printf '%s\n' "$1" | sed -n "${2}p"; }

# kr_make PATH BODY: it may be there meanwhile.
kr_make() {
  kr_with 8 POST "$1" -H 'Content-Type: application/json' --data "$2"
  kr_named=$(printf '%s' "$2" | sed -n 's/.*"metadata": *{"name": *"\([^"]*\)".*/\1/p')
  case $KR_CODE in
    201) kr_did "made ${1##*/} $kr_named again" ;;
    409) kr_note "${1##*/} $kr_named is there" ;;
    *) kr_fail "could not make ${1##*/} $kr_named: $(kr_answered)" ;;
  esac
}

# kr_cluster_info: what a joining node reads first: where the cluster is and its CA; nothing secret.
kr_cluster_info() {
  kr_server=$(kr_conf_word "$KR_ARG_CONF_DIR/admin.conf" server)
  [ -n "$kr_server" ] || kr_refuse no_server "$KR_ARG_CONF_DIR/admin.conf does not say where the cluster is, so cluster-info cannot be made"
  kr_text="apiVersion: v1\\nclusters:\\n- cluster:\\n    certificate-authority-data: $(base64 <"$KR_ARG_CA" | tr -d '\n')\\n    server: $kr_server\\n  name: \\\"\\\"\\ncontexts: null\\ncurrent-context: \\\"\\\"\\nkind: Config\\nusers: null\\n"
  kr_make /api/v1/namespaces/kube-public/configmaps \
    "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"cluster-info\"},\"data\":{\"kubeconfig\":\"$kr_text\"}}"
}

# kr_kubelet_map: what a joining node's kubelet is told; this master's own was taken from it.
kr_kubelet_map() {
  kr_state=$(sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' "$KR_ARG_KUBELET_CONFIG" 2>/dev/null | awk '{ printf "%s\\n", $0 }')
  case $kr_state in
    *"kind: KubeletConfiguration"*) ;;
    *) kr_refuse no_config "$KR_ARG_KUBELET_CONFIG is no KubeletConfiguration, so $KR_ARG_KUBELET_MAP cannot be made from it" ;;
  esac
  kr_make /api/v1/namespaces/kube-system/configmaps \
    "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"$KR_ARG_KUBELET_MAP\"},\"data\":{\"kubelet\":\"$kr_state\"}}"
}

kr_admin
kr_i=1
while [ -n "$(kr_line "$KR_ARG_PATHS" "$kr_i")" ]; do
  kr_make "$(kr_line "$KR_ARG_PATHS" "$kr_i")" "$(kr_line "$KR_ARG_BODIES" "$kr_i")"
  kr_i=$((kr_i + 1))
done
[ -z "$KR_ARG_INFO" ] || kr_cluster_info
[ -z "$KR_ARG_KUBELET_MAP" ] || kr_kubelet_map
