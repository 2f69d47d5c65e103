# shellcheck shell=sh
# Sends every EncryptionConfiguration that lies here, with its keys, encrypted to the run's throw-away certificate.
# The keys go through pipes only: into no argument, no file, and not readable into what is printed.
# KR_ARG_FILE: the one the apiserver is told to read (others lie beside it); KR_ARG_CERT: PEM.

# kr_configurations: paths, the apiserver's own first; what runs of ours put aside counts as well.
kr_configurations() {
  echo "$KR_ARG_FILE"
  for kr_f in "${KR_ARG_FILE%/*}"/* "${KR_ARG_FILE%/*}"/.[!.]* /var/lib/kuberevive/*/files"$KR_ARG_FILE"* \
    /run/kuberevive/*/files"$KR_ARG_FILE"* /dev/shm/kuberevive/*/files"$KR_ARG_FILE"*; do
    [ "$kr_f" = "$KR_ARG_FILE" ] || echo "$kr_f"
  done
}

kr_pack() {
  kr_n=0
  kr_configurations | while IFS= read -r kr_f; do
    [ -f "$kr_f" ] && kr_size=$(stat -L -c %s "$kr_f" 2>/dev/null) || continue
    if [ "$kr_size" -eq 0 ] || [ "$kr_size" -gt 65536 ]; then continue; fi
    grep -q 'Encryption\(Configuration\|Config\)' "$kr_f" 2>/dev/null || continue
    kr_n=$((kr_n + 1))
    [ "$kr_n" -le 40 ] || break
    printf '@file %s\n' "$kr_f"
    base64 <"$kr_f"
  done
}

kr_have openssl || kr_refuse no_openssl "there is no openssl on this node, so its encryption keys cannot travel safely: install it"
kr_sealed=$(printf '%s\n' "$KR_ARG_CERT" | {
  exec 3<&0
  kr_pack | kr_limit 30 openssl cms -encrypt -binary -aes256 -outform DER /dev/fd/3 | base64 | tr -d '\n'
})
[ -n "$kr_sealed" ] || kr_fail "openssl could not encrypt the configurations to the run's certificate"
kr_value sealed "$kr_sealed"
