# shellcheck shell=sh
# On the node: the kubelet shows the certificate of the key that was approved, from the file where it keeps it, signed by the CA.
kr_have openssl || kr_refuse no_openssl "openssl is not installed on this node, so nobody can prove what the kubelet serves"

# kr_shown: KR_PEM is what is shown, and it is the new one.
kr_shown() {
  KR_PEM=$(kr_served "$KR_ARG_AT")
  [ -n "$KR_PEM" ] && [ "$KR_PEM" = "$(openssl x509 -in "$KR_ARG_CURRENT" </dev/null 2>/dev/null)" ] || return 1
  kr_half=$(printf '%s\n' "$KR_PEM" | kr_cert_public | openssl pkey -pubin -outform DER 2>/dev/null | sha256sum)
  [ "${kr_half%% *}" = "$KR_ARG_PUBLIC" ]
}

kr_wait 90 "the kubelet to serve its new certificate at $KR_ARG_AT" kr_shown || kr_fail "the kubelet does not serve the certificate that was signed for it at $KR_ARG_AT"
case $(printf '%s\n' "$KR_PEM" | openssl verify -purpose sslserver -CAfile "$KR_ARG_CA_FILE" 2>/dev/null) in
  *": OK"*) ;;
  *) kr_fail "the kubelet serves a certificate that does not verify against $KR_ARG_CA_FILE" ;;
esac
printf '%s\n' "$KR_PEM" | openssl x509 -noout -checkend 300 >/dev/null 2>&1 || kr_fail "the new serving certificate ends within minutes"
kr_note "the kubelet serves it until $(printf '%s\n' "$KR_PEM" | openssl x509 -noout -enddate | cut -d= -f2)"
