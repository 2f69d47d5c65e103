# shellcheck shell=sh
# Puts an EncryptionConfiguration in place of the one that is there, and keeps that one.
# KR_ARG_WHAT: what it is, for the operator; KR_ARG_FILE, KR_ARG_MODE, KR_ARG_OWNER; KR_ARG_CONTENT: base64, with keys: only ever in this shell's memory and its pipes.
kr_same() { [ -f "$KR_ARG_FILE" ] && [ "$(base64 <"$KR_ARG_FILE" | tr -d '\n')" = "$KR_ARG_CONTENT" ]; }

if kr_same; then
  kr_note "$KR_ARG_FILE is already $KR_ARG_WHAT"
else
  mkdir -p "${KR_ARG_FILE%/*}" || kr_fail "${KR_ARG_FILE%/*} cannot be made"
  kr_backup "$KR_ARG_FILE"
  if [ -d "$KR_ARG_FILE" ]; then # a container runtime makes one where a file that it mounts is missing
    rmdir "$KR_ARG_FILE" || kr_refuse not_empty "$KR_ARG_FILE is a directory with something in it, where a file belongs: move it away"
  fi
  # In the first directory behind all links, so that a link stays one.
  kr_place=$(readlink -f "$KR_ARG_FILE") || kr_place=$KR_ARG_FILE
  printf %s "$KR_ARG_CONTENT" | base64 -d | kr_put "$kr_place" "$KR_ARG_MODE" "$KR_ARG_OWNER" || exit 4
  kr_same || kr_fail "$KR_ARG_FILE is not what was written into it"
  kr_did "wrote $KR_ARG_WHAT to $KR_ARG_FILE (mode $KR_ARG_MODE, $KR_ARG_OWNER)"
fi
