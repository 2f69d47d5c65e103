# shellcheck shell=sh
# Sets the annotation that protects an object from a starting kube-apiserver to "true". KR_ARG_PATHS: where each is.
kr_admin
for kr_at in $KR_ARG_PATHS; do
  kr_with 8 PATCH "$kr_at" -H 'Content-Type: application/merge-patch+json' --data \
    '{"metadata":{"annotations":{"rbac.authorization.kubernetes.io/autoupdate":"true"}}}'
  [ "$KR_CODE" = 200 ] || kr_fail "could not lift the protection of $kr_at: $(kr_answered)"
  kr_did "lifted the protection of ${kr_at##*/v1/}"
done
