# shellcheck shell=sh
# What every repair speaks in. The action puts in front: KR_RUN (run id), KR_STEP (kind@host) and KR_ARG_<NAME> values.
# Lines for the action: @changed | @did TEXT | @backup PATH | @refused CODE TEXT | @value KEY VALUE | @done
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/bin
LC_ALL=C
export PATH LC_ALL
umask 077
KR_VAULT=
KR_FULL=

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

# kr_served ADDRESS:PORT: the certificate that is shown there.
kr_served() { echo | kr_limit 5 openssl s_client -connect "$1" 2>/dev/null | openssl x509 2>/dev/null; }

# kr_shows ADDRESS:PORT PATH: what is served is what is on disk.
kr_shows() {
  kr_shown_there=$(kr_served "$1")
  [ -n "$kr_shown_there" ] && [ "$kr_shown_there" = "$(openssl x509 -in "$2" 2>/dev/null </dev/null)" ]
}

# kr_alone NAME SECONDS: nobody else does this on the node until this sh ends, also not what a run that was killed has left at work.
kr_alone() {
  kr_have flock && mkdir -p /run/kuberevive 2>/dev/null && : 2>/dev/null >>"/run/kuberevive/$1.lock" || return 0
  exec 9>>"/run/kuberevive/$1.lock"
  flock -w "$2" 9 || kr_refuse busy "another run is at the same work on this node and was not ready within $2 s: wait for its end"
}

# kr_tick: seconds that pass alike whatever is done to the node's clock, into KR_TICK.
kr_tick() {
  { read -r KR_TICK _ </proc/uptime; } 2>/dev/null || KR_TICK=$(date +%s)
  KR_TICK=${KR_TICK%.*}
}

# kr_trap_signals: beside a trap on EXIT. A dash that a signal ends (SSH was lost) would not run that one.
kr_trap_signals() { trap 'exit 143' HUP INT TERM PIPE; }

# kr_vault: the run's directory for what was overwritten; another place when the disk is full.
kr_vault() {
  if [ -n "$KR_VAULT" ]; then echo "$KR_VAULT"; return 0; fi # found once is good for the step
  for kr_root in /var/lib/kuberevive /run/kuberevive /dev/shm/kuberevive; do
    kr_dir=$kr_root/$KR_RUN
    case $KR_FULL in *" $kr_dir "*) continue ;; esac
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

# kr_kept PATH: where this run's copy of it lies.
kr_kept() {
  for kr_root in /var/lib/kuberevive /run/kuberevive /dev/shm/kuberevive; do
    kr_k=$kr_root/$KR_RUN/files$1
    if [ -e "$kr_k" ] || [ -L "$kr_k" ]; then echo "$kr_k"; return 0; fi
  done
  return 1
}

# kr_keep PATH: a whole copy or none, in the first place that has room for it.
kr_keep() {
  [ -e "$1" ] || [ -L "$1" ] || return 0
  kr_kept "$1" >/dev/null && return 0 # the first version of this run is the one to keep
  while kr_v=$(kr_vault); do
    KR_VAULT=$kr_v
    kr_k=$kr_v/files$1
    if mkdir -p "${kr_k%/*}" && cp -a "$1" "$kr_k.part" && mv "$kr_k.part" "$kr_k"; then
      [ -f "$1" ] && sha256sum "$1" >>"$kr_v/sha256" 2>/dev/null
      kr_journal "backup $1"
      return 0
    fi
    rm -rf "$kr_k.part"
    KR_FULL="$KR_FULL $kr_v " KR_VAULT=
  done
  kr_refuse no_room "no room for a backup of $1 on this node: free some space first"
}

# kr_backup PATH…: copy a file before it is overwritten, with its hash in the list; of a link also what it leads to.
kr_backup() {
  KR_VAULT=$(kr_vault) || kr_refuse no_room "there is no place on this node to keep a backup: free some space first"
  for kr_b in "$@"; do
    kr_keep "$kr_b"
    [ ! -L "$kr_b" ] || kr_keep "$(readlink -f "$kr_b")"
  done
  printf '@backup %s\n' "$KR_VAULT"
}

# kr_aside PATH: move a file or directory away (same file system where possible). Says where in KR_ASIDE.
kr_aside() {
  kr_v=$(kr_vault) || kr_refuse no_room "there is no place on this node to move $1 to: free some space first"
  KR_ASIDE=$kr_v/files$1
  [ -e "$KR_ASIDE" ] && KR_ASIDE=$kr_v/files$1.$(date +%s)
  if ! mkdir -p "${KR_ASIDE%/*}" || ! mv "$1" "$KR_ASIDE"; then
    [ -f "$1" ] && rm -f "$KR_ASIDE" # half a copy must not pass for a backup
    kr_fail "could not move $1 to $KR_ASIDE"
  fi
  [ -f "$KR_ASIDE" ] && sha256sum "$KR_ASIDE" >>"$kr_v/sha256" 2>/dev/null
  kr_journal "aside $1 $KR_ASIDE"
  printf '@backup %s\n' "$kr_v"
}

# kr_put PATH MODE OWNER <content: atomically, on the same file system, never half a file.
# A directory that kubelet watches gets its temporary file outside (kr_put_via).
kr_put() { kr_put_via "${1%/*}" "$@"; }

# kr_put_via TMPDIR PATH MODE OWNER: the temporary file is made in TMPDIR (must be on PATH's file system).
kr_put_via() {
  kr_stage "$@"
  kr_unstage "$2"
}

# kr_stage TMPDIR PATH MODE OWNER <content: all of it is on the disk, but not yet in its place (kr_unstage PATH).
kr_stage() {
  KR_STAGED=$1/.kuberevive.$$
  if ! cat >"$KR_STAGED" || ! chmod "$3" "$KR_STAGED" || ! chown "$4" "$KR_STAGED"; then
    rm -f "$KR_STAGED"
    kr_fail "could not write $2: no space, or the file system is read-only"
  fi
  sync "$KR_STAGED" 2>/dev/null || sync
}

kr_unstage() {
  if ! mv -f "$KR_STAGED" "$1"; then
    rm -f "$KR_STAGED"
    kr_fail "could not put $1 in its place"
  fi
  kr_journal "put $1"
}

# kr_wait SECONDS TEXT COMMAND…: poll until the command succeeds; the limit is said when it passes.
kr_wait() {
  kr_secs=$1
  kr_what=$2
  shift 2
  kr_tick
  kr_until=$((KR_TICK + kr_secs))
  until "$@" >/dev/null 2>&1; do
    kr_tick
    if [ "$KR_TICK" -ge "$kr_until" ]; then kr_note "waited $kr_secs s for: $kr_what"; return 1; fi
    sleep 1
  done
}
