# shellcheck shell=sh
# Speaks to this node's own kube-apiserver as an administrator: with the first admin kubeconfig that may, else with a certificate
# of group system:masters that lives, with its key, only in this shell's memory, signed by the cluster's CA.
# KR_ARG_ADDRESS, KR_ARG_PORT, KR_ARG_CA, KR_ARG_CONF_DIR, KR_ARG_CA_KEY (empty: the CA's key is not here). Needs api.sh.
KR_URL=https://$(kr_host "$KR_ARG_ADDRESS"):$KR_ARG_PORT
KR_CONF=
KR_CRT=

# kr_with SECONDS METHOD PATH [curl word…]: the answer in KR_BODY, its code in KR_CODE.
kr_with() {
  kr_secs=$1 kr_method=$2 kr_path=$3
  shift 3
  if [ -n "$KR_CONF" ]; then KR_BODY=$(kr_as "$KR_CONF" "$KR_ARG_CA" "$kr_secs" "$KR_URL$kr_path" -X "$kr_method" "$@")
  else
    KR_BODY=$(printf '%s\n' "$KR_CRT" | {
      exec 3<&0
      printf '%s\n' "$KR_PEM" | kr_get "$KR_ARG_CA" "$kr_secs" "$KR_URL$kr_path" -X "$kr_method" "$@" \
        --cert /proc/self/fd/3 --key /proc/self/fd/0
    })
  fi
  KR_CODE=$(printf '%s\n' "$KR_BODY" | sed -n 's/^@code=//p' | tail -n 1)
}

kr_answered() { printf 'HTTP %s %s' "$KR_CODE" "$(printf '%s\n' "$KR_BODY" | grep -v '^@code=' | tr -s '\n\t ' ' ' | cut -c1-300)"; }

# kr_may: who asks now may make bindings (a review of one's own rights is open to every name).
kr_may() {
  kr_with 8 POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews -H 'Content-Type: application/json' --data \
    '{"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectAccessReview","spec":{"resourceAttributes":{"group":"*","resource":"*","verb":"*"}}}'
  case $KR_CODE$KR_BODY in 201*'"allowed":true'* | 201*'"allowed": true'*) return 0 ;; *) return 1 ;; esac
}

# kr_admin: chooses; the first answer that says no is told when all do.
kr_admin() {
  kr_no=
  for KR_CONF in "$KR_ARG_CONF_DIR/admin.conf" "$KR_ARG_CONF_DIR/super-admin.conf"; do
    [ -s "$KR_CONF" ] || continue
    kr_may && return 0
    kr_no="$kr_no; $KR_CONF: HTTP $KR_CODE, may not do everything"
  done
  KR_CONF=
  [ -n "$KR_ARG_CA_KEY" ] && kr_have openssl ||
    kr_refuse no_admin "no kubeconfig here may do it${kr_no}, and the CA's key is not here to make a certificate of system:masters with"
  KR_PEM=$(openssl genrsa 2048 2>/dev/null)
  KR_CRT=$(printf '%s\n' "$KR_PEM" | openssl req -new -key /dev/stdin -subj /O=system:masters/CN=kuberevive 2>/dev/null |
    openssl x509 -req -CA "$KR_ARG_CA" -CAkey "$KR_ARG_CA_KEY" -set_serial "0x$(openssl rand -hex 8)" -days 1 2>/dev/null)
  kr_may || kr_fail "a certificate of system:masters, made with $KR_ARG_CA_KEY, may not do it either: $(kr_answered)"
  kr_note "no kubeconfig here may do everything any more; asked with a certificate of system:masters that was kept in memory only"
}
