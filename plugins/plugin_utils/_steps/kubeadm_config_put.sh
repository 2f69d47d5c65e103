# shellcheck shell=sh
# Changes it, if nobody else did meanwhile, and keeps what it was. KR_ARG_BODY: a merge patch in base64; KR_ARG_WAS: the old one.
kr_admin
KR_VAULT=$(kr_vault) || kr_refuse no_room "there is no place on this node to keep kubeadm-config: free some space first"
printf %s "$KR_ARG_WAS" | base64 -d >"$KR_VAULT/kubeadm-config.json" || kr_refuse no_room "there is no room on this node to keep kubeadm-config"
printf '@backup %s\n' "$KR_VAULT"
kr_with 8 PATCH /api/v1/namespaces/kube-system/configmaps/kubeadm-config -H 'Content-Type: application/merge-patch+json' \
  --data "$(printf %s "$KR_ARG_BODY" | base64 -d)"
[ "$KR_CODE" = 200 ] || kr_fail "kubeadm-config could not be changed: $(kr_answered)"
kr_did "changed ConfigMap kube-system/kubeadm-config alike, so that the next kubeadm upgrade keeps it"
