# shellcheck shell=sh
# Puts admin.conf's client certificate and key into its copies in home directories; everything else in them stays.

# kr_same_ca BASE64: whether that certificate was signed by this cluster's CA, however old it is.
kr_same_ca() {
  printf '%s' "$1" | base64 -d 2>/dev/null >"$KR_WORK/old.crt"
  case $(openssl verify -no_check_time -CAfile "$KR_ARG_CA" "$KR_WORK/old.crt" 2>&1) in
    *ption*) # openssl before 1.1
      kr_began=$(date -d "$(openssl x509 -noout -startdate <"$KR_WORK/old.crt" | sed 's/^notBefore=//')" +%s)
      openssl verify -attime "$((kr_began + 1))" -CAfile "$KR_ARG_CA" "$KR_WORK/old.crt" 2>&1 | grep -q rror && return 1 ;;
    *rror*) return 1 ;;
  esac
}

kr_subject() { openssl x509 -noout -subject -nameopt RFC2253 2>/dev/null; }

# kr_old_ones COPY: the embedded certificates that an older admin.conf had, in base64, one a line.
kr_old_ones() {
  sed -n 's/^[ -]*client-certificate-data: *"\{0,1\}\([A-Za-z0-9+\/=]*\)"\{0,1\} *$/\1/p' "$1" | while read -r kr_c; do
    [ "$kr_c" != "$KR_ADMIN_CERT" ] || continue
    [ "$(printf '%s' "$kr_c" | base64 -d 2>/dev/null | kr_subject)" = "$KR_ADMIN_SUBJECT" ] || continue
    kr_same_ca "$kr_c" && echo "$kr_c"
  done
}

kr_refresh() {
  kr_copy=$(readlink -f "$1")
  [ "$kr_copy" != "$(readlink -f "$KR_ARG_ADMIN")" ] || return 0
  kr_mode=$(stat -c %a "$kr_copy") && kr_owner=$(stat -c %u:%g "$kr_copy") || kr_fail "$1 has gone"
  if [ "$(head -c 256 "$kr_copy" | tr -d '\000' | wc -c)" -eq 0 ]; then
    kr_backup "$kr_copy"
    kr_put "$kr_copy" "$kr_mode" "$kr_owner" <"$KR_ARG_ADMIN"
    kr_did "$1 was empty: admin.conf again"
    return
  fi
  kr_old_ones "$kr_copy" >"$KR_WORK/ones"
  [ -s "$KR_WORK/ones" ] || return 0
  kr_backup "$kr_copy"
  cp "$kr_copy" "$KR_WORK/conf"
  while read -r kr_one_old; do
    kr_swap_identity "$KR_WORK/crt" "$KR_WORK/key" "$kr_one_old" <"$KR_WORK/conf" >"$KR_WORK/next" && mv "$KR_WORK/next" "$KR_WORK/conf"
  done <"$KR_WORK/ones"
  # The key must have been replaced beside its certificate, once for each.
  kr_crts=$(grep -cF "client-certificate-data: $KR_ADMIN_CERT" "$KR_WORK/conf")
  kr_keys=$(tr -d '\r' <"$KR_WORK/conf" | sed -n 's/^[ -]*client-key-data: *//p' | grep -cxF -f "$KR_WORK/key64")
  [ "$kr_crts" -gt 0 ] && [ "$kr_crts" -eq "$kr_keys" ] || kr_fail "$1 is not laid out as kubectl writes it: refresh it by hand from $KR_ARG_ADMIN"
  kr_put "$kr_copy" "$kr_mode" "$kr_owner" <"$KR_WORK/conf"
  kr_did "$1: client certificate valid until $(kr_ends <"$KR_WORK/crt")"
}

kr_refresh_all() {
  kr_have openssl || kr_refuse no_openssl "there is no openssl on this node, so nobody can tell which copies are admin.conf's"
  kr_wrong kubeconfig "$KR_ARG_ADMIN" "$KR_ARG_ADMIN" "$KR_ARG_CA" 0
  [ -z "$KR_WRONG" ] || kr_refuse admin_conf "$KR_ARG_ADMIN itself $KR_WRONG"
  kr_workplace
  KR_ADMIN_CERT=$(kr_embedded client-certificate-data <"$KR_ARG_ADMIN")
  kr_cert kubeconfig "$KR_ARG_ADMIN" >"$KR_WORK/crt"
  kr_embedded client-key-data <"$KR_ARG_ADMIN" >"$KR_WORK/key64"
  base64 -d <"$KR_WORK/key64" >"$KR_WORK/key" && [ -s "$KR_WORK/key" ] || kr_refuse admin_conf "$KR_ARG_ADMIN holds no key"
  KR_ADMIN_SUBJECT=$(kr_subject <"$KR_WORK/crt")
  printf '%s\n' "$KR_ARG_COPIES" >"$KR_WORK/copies"
  while read -r kr_one; do kr_refresh "$kr_one"; done <"$KR_WORK/copies"
}

kr_refresh_all </dev/null
