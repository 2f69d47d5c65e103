# shellcheck shell=sh
# kubelet.conf from public parts: where the API is, the cluster's CA, and the path of the node's own certificate.
kr_kubeconfig_text() {
  printf '%s\n' 'apiVersion: v1' 'clusters:' '- cluster:' "    certificate-authority-data: $KR_ARG_CA_DATA" \
    "    server: $KR_ARG_SERVER" '  name: kubernetes' 'contexts:' '- context:' '    cluster: kubernetes' \
    "    user: system:node:$KR_ARG_NODE_NAME" "  name: system:node:$KR_ARG_NODE_NAME@kubernetes" \
    "current-context: system:node:$KR_ARG_NODE_NAME@kubernetes" 'kind: Config' 'preferences: {}' 'users:' \
    "- name: system:node:$KR_ARG_NODE_NAME" '  user:' "    client-certificate: $KR_ARG_PEM" "    client-key: $KR_ARG_PEM"
}

# The CA that a peer trusts must be this node's own, or the kubelet would be sent to another cluster.
kr_same_ca() {
  [ -s "$KR_ARG_CA_FILE" ] || return 0
  kr_theirs=$(printf %s "$KR_ARG_CA_DATA" | base64 -d | kr_cert_public)
  [ -n "$kr_theirs" ] && [ "$kr_theirs" = "$(kr_cert_public <"$KR_ARG_CA_FILE")" ]
}

if grep -q '^ *server: *"\{0,1\}https\{0,1\}://' "$KR_ARG_PATH" 2>/dev/null && grep -q '^current-context: *[^ ]' "$KR_ARG_PATH"; then
  kr_journal "nothing left: $KR_ARG_PATH names a server"
else
  kr_same_ca || kr_refuse ca "the CA in the peer's kubeconfig is not $KR_ARG_CA_FILE of this node"
  kr_backup "$KR_ARG_PATH"
  mkdir -p "${KR_ARG_PATH%/*}"
  kr_kubeconfig_text | kr_put_stopped "$KR_ARG_PATH" 600 || exit 4
  kr_did "wrote $KR_ARG_PATH for $KR_ARG_SERVER"
fi
