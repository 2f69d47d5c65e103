# shellcheck shell=sh
# On a master that has the CA's key: sign what a node asks for, if it asks for nothing but to be itself.
kr_have openssl || kr_refuse no_openssl "openssl is not installed on the signing master"
KR_APART=$(($(date +%s) - KR_ARG_NOW))
# The question was asked some seconds ago, so the signer may be that much later.
if [ "$KR_APART" -lt -30 ] || [ "$KR_APART" -gt 120 ]; then
  kr_refuse clock "the clocks of $KR_ARG_NODE_NAME and of the signing master are $KR_APART s apart: nothing is signed"
fi
KR_SAID=$(printf %s "$KR_ARG_CSR" | base64 -d | openssl req -inform DER -noout -verify -subject -nameopt RFC2253 2>&1)
case $KR_SAID in
  *"verify OK"*) ;;
  *) kr_refuse request "the request's signature is not right" ;;
esac
KR_SUBJECT=$(printf '%s\n' "$KR_SAID" | sed -n 's/^subject= *//p')
[ "$KR_SUBJECT" = "CN=system:node:$KR_ARG_NODE_NAME,O=system:nodes" ] ||
  kr_refuse request "the request is for $KR_SUBJECT and not for node $KR_ARG_NODE_NAME"
openssl x509 -in "$KR_ARG_SIGNER_CA" -noout -checkend 0 </dev/null >/dev/null 2>&1 || kr_refuse ca "the CA has expired or cannot be read"
[ "$(openssl x509 -in "$KR_ARG_SIGNER_CA" -noout -pubkey </dev/null 2>/dev/null)" = \
  "$(openssl pkey -in "$KR_ARG_SIGNER_KEY" -pubout </dev/null 2>/dev/null)" ] || kr_refuse ca "the CA's key does not fit its certificate"

kr_extensions() {
  printf '%s\n' '[v3]' basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature \
    extendedKeyUsage=clientAuth authorityKeyIdentifier=keyid
}

# The request comes in on descriptor 3 and the extensions on stdin: no file is made.
KR_CERT=$(printf %s "$KR_ARG_CSR" | base64 -d | openssl req -inform DER -outform PEM 2>/dev/null | {
  exec 3<&0
  kr_extensions | openssl x509 -req -in /dev/fd/3 -CA "$KR_ARG_SIGNER_CA" -CAkey "$KR_ARG_SIGNER_KEY" \
    -set_serial "0x$(openssl rand -hex 16 </dev/null)" -days "$KR_ARG_DAYS" -sha256 -extfile /dev/stdin -extensions v3 -outform DER 2>/dev/null
} | base64 | tr -d '\n')
[ -n "$KR_CERT" ] || kr_fail "openssl signed nothing"
kr_journal "signed CN=system:node:$KR_ARG_NODE_NAME,O=system:nodes for $KR_ARG_DAYS days"
kr_value cert "$KR_CERT"
