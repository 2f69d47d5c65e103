# shellcheck shell=sh
# On the node: a key that stays here, and a request for its certificate.
KR_CURRENT=$KR_ARG_CERT_DIR/kubelet-client-current.pem
KR_KEY=$KR_ARG_CERT_DIR/kuberevive-$KR_RUN.key
kr_have openssl || kr_refuse no_openssl "openssl is not installed on this node, so no key can be made on it"

kr_make_key() {
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:named_curve -out "$KR_KEY" </dev/null 2>/dev/null
  chmod 600 "$KR_KEY" 2>/dev/null
  openssl pkey -in "$KR_KEY" -noout </dev/null 2>/dev/null || kr_fail "no key could be written to $KR_KEY (is the disk full?)"
  kr_journal "made key $KR_KEY"
}

kr_request() {
  printf '[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nO=system:nodes\nCN=system:node:%s\n' "$KR_ARG_NODE_NAME" |
    openssl req -new -key "$KR_KEY" -config /dev/stdin -sha256 -outform DER 2>/dev/null | base64 | tr -d '\n'
}

if kr_credential_good "$KR_CURRENT" "$KR_ARG_NODE_NAME" "$KR_ARG_CA_FILE"; then
  kr_value csr ""
else
  mkdir -p "$KR_ARG_CERT_DIR" || kr_fail "could not make $KR_ARG_CERT_DIR"
  for kr_old in "$KR_ARG_CERT_DIR"/kuberevive-*.key; do
    [ -f "$kr_old" ] && [ "$kr_old" != "$KR_KEY" ] && rm -f "$kr_old" # of a run that was cut short; nothing was signed for it
  done
  openssl pkey -in "$KR_KEY" -noout </dev/null 2>/dev/null || kr_make_key
  KR_CSR=$(kr_request)
  [ -n "$KR_CSR" ] || kr_fail "openssl made no certificate request"
  kr_value csr "$KR_CSR"
  kr_value now "$(date +%s)"
fi
