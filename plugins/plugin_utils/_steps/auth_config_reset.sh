# shellcheck shell=sh
# Takes kube-system/extension-apiserver-authentication away, its content kept, and waits until an API server has made it anew.
KR_AT=/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication

# kr_anew: another one is there, with what aggregated API servers need.
kr_anew() {
  kr_with 5 GET "$KR_AT?pretty=0"
  case $KR_CODE$KR_BODY in *"\"uid\":\"$kr_uid\""*) return 1 ;; 200*'"client-ca-file"'*) return 0 ;; *) return 1 ;; esac
}

kr_admin
kr_with 8 GET "$KR_AT?pretty=0"
case $KR_CODE in
  200)
    kr_uid=$(printf '%s\n' "$KR_BODY" | sed -n 's/.*"uid":"\([^"]*\)".*/\1/p' | head -n 1)
    KR_VAULT=$(kr_vault) || kr_refuse no_room "there is no place on this node to keep its content: free some space first"
    printf '%s\n' "$KR_BODY" | grep -v '^@code=' >"$KR_VAULT/extension-apiserver-authentication.json" ||
      kr_refuse no_room "there is no room on this node to keep its content: free some space first"
    printf '@backup %s\n' "$KR_VAULT"
    kr_with 8 DELETE "$KR_AT" -H 'Content-Type: application/json' --data "{\"preconditions\":{\"uid\":\"$kr_uid\"}}"
    case $KR_CODE in 200 | 404 | 409) ;; *) kr_fail "could not delete it: $(kr_answered)" ;; esac
    kr_did "took kube-system/extension-apiserver-authentication away; its content is in $KR_VAULT" ;;
  404) kr_uid=none kr_note "it is gone already" ;;
  *) kr_fail "could not read it: $(kr_answered)" ;;
esac
kr_wait 120 "a kube-apiserver to make it anew" kr_anew || kr_fail "no kube-apiserver has made it anew within 120 s"
kr_note "kube-apiserver has made it anew"
