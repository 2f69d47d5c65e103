# shellcheck shell=sh
# What every repair speaks in. The action puts in front: KR_RUN (run id), KR_STEP (kind@host) and KR_ARG_<NAME> values.
# Lines for the action: @changed | @did TEXT | @backup PATH | @refused CODE TEXT | @value KEY VALUE | @done
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/bin
LC_ALL=C
export PATH LC_ALL
umask 077
KR_VAULT=

kr_have() { command -v "$1" >/dev/null 2>&1; }
kr_did() { printf '@changed\n@did %s\n' "$1"; }
kr_note() { printf '@did %s\n' "$1"; }
kr_value() { printf '@value %s %s\n' "$1" "$2"; }

# kr_refuse CODE TEXT: nothing was changed by this step; the reason goes to the operator.
kr_refuse() {
  printf '@refused %s %s\n' "$1" "$2"
  kr_journal "refused: $1"
  exit 3
}

# kr_fail TEXT: the step did not do its work.
kr_fail() {
  printf '@failed %s\n' "$1"
  kr_journal "failed: $1"
  exit 4
}

# kr_limit SECONDS COMMAND…
kr_limit() {
  if kr_have timeout; then timeout "$@"; else shift; "$@"; fi
}

# kr_vault: the run's directory for what was overwritten; another place when the disk is full.
kr_vault() {
  if [ -n "$KR_VAULT" ]; then echo "$KR_VAULT"; return 0; fi # found once is good for the step
  for kr_root in /var/lib/kuberevive /run/kuberevive /dev/shm/kuberevive; do
    kr_dir=$kr_root/$KR_RUN
    if mkdir -p "$kr_dir" 2>/dev/null && chmod 700 "$kr_root" "$kr_dir" && : >>"$kr_dir/journal" && printf 'x' >"$kr_dir/.w" 2>/dev/null && [ -s "$kr_dir/.w" ]; then
      rm -f "$kr_dir/.w"
      echo "$kr_dir"
      return 0
    fi
    rm -f "$kr_dir/.w" 2>/dev/null
  done
  return 1
}

kr_journal() {
  KR_VAULT=$(kr_vault) || return 0
  printf '%s\t%s\t%s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$KR_STEP" "$1" >>"$KR_VAULT/journal" 2>/dev/null || :
}

# kr_backup PATH…: copy a file before it is overwritten, with its hash in the list.
kr_backup() {
  KR_VAULT=$(kr_vault) || kr_refuse no_room "there is no place on this node to keep a backup: free some space first"
  kr_v=$KR_VAULT
  for kr_b in "$@"; do
    [ -e "$kr_b" ] || [ -L "$kr_b" ] || continue
    [ -e "$kr_v/files$kr_b" ] || [ -L "$kr_v/files$kr_b" ] && continue # the first version of this run is the one to keep
    mkdir -p "$kr_v/files${kr_b%/*}" && cp -a "$kr_b" "$kr_v/files$kr_b" || kr_refuse no_room "no room for a backup of $kr_b in $kr_v"
    [ -f "$kr_b" ] && sha256sum "$kr_b" >>"$kr_v/sha256" 2>/dev/null
    kr_journal "backup $kr_b"
  done
  printf '@backup %s\n' "$kr_v"
}

# kr_aside PATH: move a file or directory away (same file system where possible). Says where in KR_ASIDE.
kr_aside() {
  kr_v=$(kr_vault) || kr_refuse no_room "there is no place on this node to move $1 to: free some space first"
  KR_ASIDE=$kr_v/files$1
  [ -e "$KR_ASIDE" ] && KR_ASIDE=$kr_v/files$1.$(date +%s)
  mkdir -p "${KR_ASIDE%/*}" && mv "$1" "$KR_ASIDE" || kr_fail "could not move $1 to $KR_ASIDE"
  [ -f "$KR_ASIDE" ] && sha256sum "$KR_ASIDE" >>"$kr_v/sha256" 2>/dev/null
  kr_journal "aside $1 $KR_ASIDE"
  printf '@backup %s\n' "$kr_v"
}

# kr_put PATH MODE OWNER <content: atomically, on the same file system, never half a file.
# A directory that kubelet watches gets its temporary file outside (kr_put_via).
kr_put() { kr_put_via "${1%/*}" "$@"; }

# kr_put_via TMPDIR PATH MODE OWNER: the temporary file is made in TMPDIR (must be on PATH's file system).
kr_put_via() {
  kr_t=$1/.kuberevive.$$
  if ! cat >"$kr_t" || ! chmod "$3" "$kr_t" || ! chown "$4" "$kr_t"; then
    rm -f "$kr_t"
    kr_fail "could not write $2: no space, or the file system is read-only"
  fi
  sync "$kr_t" 2>/dev/null || sync
  mv -f "$kr_t" "$2" || kr_fail "could not put $2 in its place"
  kr_journal "put $2"
}

# kr_wait SECONDS TEXT COMMAND…: poll until the command succeeds; the limit is said when it passes.
kr_wait() {
  kr_until=$(($(date +%s) + $1))
  kr_what=$2
  kr_secs=$1
  shift 2
  until "$@" >/dev/null 2>&1; do
    if [ "$(date +%s)" -ge "$kr_until" ]; then kr_note "waited $kr_secs s for: $kr_what"; return 1; fi
    sleep 1
  done
}
