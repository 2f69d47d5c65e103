# shellcheck shell=sh
# On the node: prove the certificate, put it beside its key where kubelet looks, and let kubelet.conf name it.
KR_CURRENT=$KR_ARG_CERT_DIR/kubelet-client-current.pem
KR_KEY=$KR_ARG_CERT_DIR/kuberevive-$KR_RUN.key
KR_WHO=CN=system:node:$KR_ARG_NODE_NAME,O=system:nodes

kr_new_certificate() { printf %s "$KR_ARG_CERT" | base64 -d | openssl x509 -inform DER 2>/dev/null; }

kr_prove() {
  KR_PEM=$(kr_new_certificate)
  [ "$(printf '%s\n' "$KR_PEM" | kr_subject)" = "$KR_WHO" ] || kr_refuse certificate "the certificate is not for $KR_WHO"
  [ "$(printf '%s\n' "$KR_PEM" | kr_cert_public)" = "$(openssl pkey -in "$KR_KEY" -pubout </dev/null 2>/dev/null)" ] ||
    kr_refuse certificate "the certificate is not for the key that was made here"
  printf '%s\n' "$KR_PEM" | openssl verify -purpose sslclient -CAfile "$KR_ARG_CA_FILE" /dev/stdin 2>/dev/null | grep -q ': OK' ||
    kr_refuse certificate "the certificate does not chain to $KR_ARG_CA_FILE of this node"
}

kr_install() {
  kr_prove
  KR_TARGET=$KR_ARG_CERT_DIR/kubelet-client-$(date +%Y-%m-%d-%H-%M-%S).pem
  { printf '%s\n' "$KR_PEM"; cat "$KR_KEY"; } | kr_put "$KR_TARGET" 600 root:root || exit 4
  kr_credential_good "$KR_TARGET" "$KR_ARG_NODE_NAME" "$KR_ARG_CA_FILE" || kr_fail "$KR_TARGET does not read back well"
}

# kr_point: the link is replaced in one move; then everything older goes away, so that kubelet cannot stumble over it.
kr_point() {
  kr_link=$KR_ARG_CERT_DIR/.kuberevive.link.$$
  kr_keep "$KR_CURRENT" # of a link only itself: what it led to is moved away below
  [ -z "$KR_VAULT" ] || printf '@backup %s\n' "$KR_VAULT"
  ln -s "$KR_TARGET" "$kr_link" || kr_fail "could not make a link in $KR_ARG_CERT_DIR"
  (kr_stop_kubelet) || { rm -f "$kr_link"; exit 4; }
  mv -f "$kr_link" "$KR_CURRENT" || kr_fail "could not point $KR_CURRENT to $KR_TARGET"
  for kr_old in "$KR_ARG_CERT_DIR"/kubelet-client*; do
    case $kr_old in "$KR_CURRENT" | "$KR_TARGET") continue ;; esac
    [ -e "$kr_old" ] || [ -L "$kr_old" ] && kr_aside "$kr_old"
  done
}

kr_names_current() {
  for kr_field in client-certificate client-key; do
    sed -n "s/^ *$kr_field: *[\"']\{0,1\}\([^\"' ]*\).*/\1/p" "$1" | grep -qxF "$KR_CURRENT" || return 1
  done
}

kr_mend_kubeconfig() {
  [ -s "$KR_ARG_KUBECONFIG" ] && ! kr_names_current "$KR_ARG_KUBECONFIG" 2>/dev/null || return 0
  grep -qE '^ *client-certificate(-data)?:' "$KR_ARG_KUBECONFIG" || return 0
  kr_backup "$KR_ARG_KUBECONFIG"
  sed -e "s#^\( *\)client-certificate\(-data\)\{0,1\}:.*#\1client-certificate: $KR_CURRENT#" \
    -e "s#^\( *\)client-key\(-data\)\{0,1\}:.*#\1client-key: $KR_CURRENT#" "$KR_ARG_KUBECONFIG" |
    kr_put_stopped "$KR_ARG_KUBECONFIG" 600 || exit 4
  kr_did "$KR_ARG_KUBECONFIG names $KR_CURRENT now"
}

KR_TARGET=
if [ -n "$KR_ARG_RELINK" ]; then
  kr_credential_good "$KR_ARG_RELINK" "$KR_ARG_NODE_NAME" "$KR_ARG_CA_FILE" ||
    kr_refuse certificate "$KR_ARG_RELINK is not a good certificate of this node any more: run again"
  [ "$(readlink "$KR_CURRENT" 2>/dev/null)" = "$KR_ARG_RELINK" ] || KR_TARGET=$KR_ARG_RELINK
elif [ -n "$KR_ARG_CERT" ]; then
  kr_install
fi
if [ -n "$KR_TARGET" ]; then
  kr_point
  rm -f "$KR_KEY" # it is in $KR_TARGET now; a second copy would only be one more place to guard
  kr_did "$KR_CURRENT: $KR_WHO until $(openssl x509 -in "$KR_TARGET" -noout -enddate </dev/null | cut -d= -f2)"
fi
kr_mend_kubeconfig
IFS='
'
for kr_admin in $KR_ARG_ADMIN_PATHS; do
  case $kr_admin in "$KR_CURRENT" | "$KR_TARGET") continue ;; esac # the node's own by now
  [ -f "$kr_admin" ] || continue
  kr_aside "$kr_admin"
  kr_did "moved the cluster-admin credential $kr_admin away; treat it as leaked"
done
