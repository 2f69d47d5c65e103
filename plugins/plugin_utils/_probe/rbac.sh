# shellcheck shell=sh
# Section rbac: every role and binding of the cluster, what kubeadm keeps beside them, and which aggregated APIs answer, read
# through this node's own kube-apiserver; where it lets nobody read, the names of all that as etcd's keys.
kr_section_rbac() {
  if [ -z "$APISERVER_TEXT" ]; then kr_val api none; return 0; fi
  kr_val modes "$(kr_flag "$APISERVER_TEXT" authorization-mode "")"
  kr_val modes_file "$(kr_flag "$APISERVER_TEXT" authorization-config "")"
  if ! kr_have curl; then kr_val api no_tool; return 0; fi
  kr_rbac_api && return 0
  kr_rbac_keys
}

# kr_rbac_api: the first admin kubeconfig that may read them is taken; what it says of itself is kept of the others.
kr_rbac_api() {
  kr_port=$(kr_flag "$APISERVER_TEXT" secure-port 6443)
  kr_listens "$kr_port" || { kr_val api not_listening; return 1; }
  kr_val api asking
  kr_url=https://$(kr_host "$(kr_flag "$APISERVER_TEXT" advertise-address 127.0.0.1)"):$kr_port
  kr_ca=$(kr_flag "$APISERVER_TEXT" client-ca-file "$KR_PKI/ca.crt")
  for kr_c in "$KR_CONF_DIR/admin.conf" "$KR_CONF_DIR/super-admin.conf"; do
    [ -s "$kr_c" ] || continue
    kr_objects=$(kr_rbac_objects "$kr_c")
    kr_first=$(printf '%s\n' "$kr_objects" | grep -E '^(@code=|curl: )' | head -n 1) # everybody may ask for the version, the last
    if [ "$kr_first" != @code=200 ]; then kr_val refused "$kr_c: $kr_first"; continue; fi
    kr_val api asked
    kr_val credential "$kr_c"
    printf '%s' "$kr_objects" | kr_blob objects
    kr_rbac_tables "$kr_c" | kr_blob tables
    return 0
  done
  return 1
}

# kr_rbac_objects KUBECONFIG: one connection, so its key is read from its pipe only once.
kr_rbac_objects() {
  kr_group=$kr_url/apis/rbac.authorization.k8s.io/v1
  kr_as "$1" "$kr_ca" 3 "$kr_group/clusterroles?pretty=0" "$kr_group/clusterrolebindings?pretty=0" \
    "$kr_group/namespaces/kube-system/roles?pretty=0" "$kr_group/namespaces/kube-public/roles?pretty=0" \
    "$kr_group/namespaces/kube-system/rolebindings?pretty=0" "$kr_group/namespaces/kube-public/rolebindings?pretty=0" \
    "$kr_url/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication?pretty=0" "$kr_url/version?pretty=0"
}

# kr_rbac_tables KUBECONFIG: names, and of an aggregated API whether it answers.
kr_rbac_tables() {
  kr_as "$1" "$kr_ca" 3 -H 'Accept: application/json;as=Table;v=v1;g=meta.k8s.io' \
    "$kr_url/api/v1/namespaces/kube-system/configmaps?pretty=0&includeObject=None" \
    "$kr_url/api/v1/namespaces/kube-public/configmaps?pretty=0&includeObject=None" \
    "$kr_url/apis/apiregistration.k8s.io/v1/apiservices?pretty=0&includeObject=None"
}

# kr_rbac_keys: what etcd's own member here has below these prefixes, with a quorum or without; only keys leave it.
kr_rbac_keys() {
  kr_etcd_reach || return 0
  kr_prefix=$(kr_flag "$APISERVER_TEXT" etcd-prefix /registry)
  for kr_kind in clusterroles clusterrolebindings roles/kube-system roles/kube-public rolebindings/kube-system \
    rolebindings/kube-public configmaps/kube-system configmaps/kube-public; do
    kr_from=$(printf %s "$kr_prefix/$kr_kind/" | $KR_B64)
    kr_to=$(printf %s "$kr_prefix/${kr_kind}0" | $KR_B64) # 0 comes right after the slash
    kr_said=$(kr_limit 4 curl -sS -m 3 --noproxy '*' --cacert "$kr_etcd_ca" --cert "$kr_etcd_cert" --key "$kr_etcd_key" \
      -w '\n@code=%{http_code}\n' "$kr_etcd_url/v3/kv/range" \
      -d "{\"key\":\"$kr_from\",\"range_end\":\"$kr_to\",\"keys_only\":true,\"serializable\":true}" 2>&1)
    printf '%s\n' "$kr_said"
    case $kr_said in *@code=200*) ;; *) break ;; esac # who does not answer once would cost as long eight times
  done | kr_blob keys
}
