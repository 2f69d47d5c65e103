# shellcheck shell=sh
# config.yaml as a peer has it.
if [ -s "$KR_ARG_PATH" ] && grep -q '^kind: *"\{0,1\}KubeletConfiguration' "$KR_ARG_PATH" 2>/dev/null; then
  kr_journal "nothing left: $KR_ARG_PATH is a KubeletConfiguration"
else
  kr_backup "$KR_ARG_PATH"
  mkdir -p "${KR_ARG_PATH%/*}"
  printf '%s\n' "$KR_ARG_CONTENT" | kr_put_stopped "$KR_ARG_PATH" 644 || exit 4
  kr_did "wrote $KR_ARG_PATH"
fi
