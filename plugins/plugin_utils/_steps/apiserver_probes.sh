# shellcheck shell=sh
# Puts a new manifest of kube-apiserver in place of the one that was looked at, with the files it needs, waits until the new
# kube-apiserver is ready, and puts the old manifest back where it does not become so. KR_ARG_FILE, KR_ARG_SHA256 (as looked at),
# KR_ARG_CONTENT and KR_ARG_NEW_SHA256, KR_ARG_MODE, KR_ARG_OWNER; KR_ARG_AUTHN_FILE, KR_ARG_AUTHN, KR_ARG_AUTHN_SHA256;
# KR_ARG_PATCH_FILE, KR_ARG_PATCH: contents in base64; KR_ARG_ADDRESS … KR_ARG_KEY: as in kr_health. Needs api.sh.

kr_sha() {
  kr_hash=$(sha256sum <"$1" 2>/dev/null)
  echo "${kr_hash%% *}"
}

# kr_write PATH BASE64 MODE OWNER: a file beside the manifest.
kr_write() {
  [ -n "$1" ] || return 0
  mkdir -p "${1%/*}" || kr_fail "${1%/*} cannot be made"
  [ ! -e "$1" ] || kr_backup "$1"
  printf %s "$2" | base64 -d | kr_put "$1" "$3" "$4" || exit 4
  kr_did "wrote $1"
}

# kr_swap <content: the manifest, made ready outside the directory that kubelet watches.
kr_swap() {
  kr_dir=${KR_ARG_FILE%/*}
  kr_put_via "${kr_dir%/*}" "$KR_ARG_FILE" "$KR_ARG_MODE" "$KR_ARG_OWNER" || exit 4
}

kr_ready() { kr_newer kube-apiserver "$kr_before" && kr_ready_at 3 "https://$(kr_host "$KR_ARG_ADDRESS"):$KR_ARG_PORT"; }

kr_back() {
  kr_old=$(kr_kept "$KR_ARG_FILE") || kr_fail "$1; there is no copy of the old manifest"
  kr_swap <"$kr_old"
  kr_fail "$1; the old manifest is back in its place"
}

kr_is=$(kr_sha "$KR_ARG_FILE")
if [ "$kr_is" = "$KR_ARG_NEW_SHA256" ]; then
  kr_note "$KR_ARG_FILE is as it should be"
else
  [ "$kr_is" = "$KR_ARG_SHA256" ] || kr_refuse changed "$KR_ARG_FILE was changed since it was looked at: look again"
  if [ -n "$KR_ARG_AUTHN_FILE" ] && [ -e "$KR_ARG_AUTHN_FILE" ] && [ "$(kr_sha "$KR_ARG_AUTHN_FILE")" != "$KR_ARG_AUTHN_SHA256" ] &&
    [ "$(base64 <"$KR_ARG_AUTHN_FILE" | tr -d '\n')" != "$KR_ARG_AUTHN" ]; then
    kr_refuse changed "$KR_ARG_AUTHN_FILE is there and is not what was looked at: move it away or look again"
  fi
  kr_before=$(kr_started kube-apiserver) || kr_before=0
  kr_backup "$KR_ARG_FILE"
  kr_write "$KR_ARG_AUTHN_FILE" "$KR_ARG_AUTHN" 600 root:root
  kr_write "$KR_ARG_PATCH_FILE" "$KR_ARG_PATCH" 600 root:root
  printf %s "$KR_ARG_CONTENT" | base64 -d | kr_swap
  kr_did "changed $KR_ARG_FILE; kubelet starts a new kube-apiserver"
  [ -z "$KR_ARG_PATCH_FILE" ] || kr_note "kubeadm has no place for probes: give it --patches ${KR_ARG_PATCH_FILE%/*} at the next upgrade"
  kr_wait 180 "a new kube-apiserver to be ready at $KR_ARG_ADDRESS:$KR_ARG_PORT" kr_ready ||
    kr_back "the new kube-apiserver is not ready within 180 s"
  kr_note "kube-apiserver is ready"
fi
