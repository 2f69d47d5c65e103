# shellcheck shell=sh
# Works on the member's own node. KR_ARG_DO: hold | release | start | finish. KR_ARG_WHY: what it was judged to be, and by what.
# KR_ARG_DATA_DIR, KR_ARG_MANIFEST, KR_ARG_APISERVER_MANIFEST (where they belong), KR_ARG_HELD_DIR; instead of a manifest KR_ARG_UNIT
# with KR_ARG_TOLD, the file that says how it joins, and KR_ARG_APISERVER_UNIT (see unit_hold.sh);
# start: KR_ARG_MEMBER_ID, KR_ARG_INITIAL_CLUSTER, KR_ARG_WAL_FILES (as judged)

KR_MARK=$KR_ARG_HELD_DIR/etcd-readd
KR_NOTE=$KR_ARG_HELD_DIR/etcd-why
KR_HELD_ETCD=$KR_ARG_HELD_DIR/${KR_ARG_MANIFEST##*/}
KR_HELD_API=
KR_UNIT=${KR_ARG_UNIT:-} KR_API_UNIT=${KR_ARG_APISERVER_UNIT:-}
[ -n "$KR_ARG_APISERVER_MANIFEST" ] && KR_HELD_API=$KR_ARG_HELD_DIR/${KR_ARG_APISERVER_MANIFEST##*/}

# kr_pids NAME WORD: processes of that name with that word (or its beginning, where it ends in =) in their command line.
kr_pids() {
  for kr_f in $(grep -l -- "$2" /proc/[0-9]*/cmdline 2>/dev/null); do
    kr_words=$({ tr '\000' '\n' <"$kr_f"; } 2>/dev/null)
    kr_a=$(printf '%s\n' "$kr_words" | head -n 1)
    [ "${kr_a##*/}" = "$1" ] || continue
    case $2 in
      *=) printf '%s\n' "$kr_words" | grep -q -- "^$2" || continue ;;
      *) printf '%s\n' "$kr_words" | grep -qxF -- "$2" || continue ;;
    esac
    # Static pods of the control plane live in the node's own network; what doesn't belongs to somebody else.
    kr_f=${kr_f%/cmdline}
    [ "$(readlink "$kr_f/ns/net")" = "$(readlink /proc/self/ns/net)" ] || continue
    echo "${kr_f#/proc/}"
  done
}

kr_etcd_pids() { if [ -n "$KR_UNIT" ]; then kr_unit_pid "$KR_UNIT"; else kr_pids etcd "--data-dir=$KR_ARG_DATA_DIR"; fi; }
kr_api_pids() { if [ -n "$KR_API_UNIT" ]; then kr_unit_pid "$KR_API_UNIT"; else kr_pids kube-apiserver "--etcd-servers="; fi; }
kr_none() { [ -z "$("$1")" ]; }
kr_some() { [ -n "$("$1")" ]; }

# kr_end FUNCTION NAME SECONDS: an apiserver whose etcd is gone does not end on SIGTERM.
kr_end() {
  kr_list=$("$1")
  [ -n "$kr_list" ] || return 0
  # shellcheck disable=SC2086 # a list of pids
  kill $kr_list 2>/dev/null
  if ! kr_wait "$3" "$2 to end" kr_none "$1"; then
    # shellcheck disable=SC2046 # a list of pids
    kill -9 $("$1") 2>/dev/null
    kr_wait 10 "$2 to be gone" kr_none "$1" || kr_fail "$2 does not end, not even when killed"
  fi
  kr_did "ended $2"
}

kr_kubelet_state() { systemctl is-active kubelet 2>/dev/null || :; }

kr_kubelet_stop() {
  KR_WAS=$(kr_kubelet_state)
  case $KR_WAS in
    active | activating | reloading)
      kr_limit 90 systemctl stop kubelet || kr_fail "kubelet could not be stopped within 90 s"
      kr_did "stopped kubelet" ;;
  esac
}

kr_kubelet_start() {
  case $(kr_kubelet_state) in active | activating | reloading) return 0 ;; esac
  kr_limit 30 systemctl reset-failed kubelet 2>/dev/null
  kr_limit 90 systemctl start kubelet || kr_fail "kubelet could not be started: $(journalctl -u kubelet -n 1 -o cat --no-pager 2>/dev/null)"
  kr_did "started kubelet"
}

# kr_aside_manifest HOME HELD
kr_aside_manifest() {
  [ -n "$1" ] && [ -e "$1" ] || return 0
  kr_backup "$1"
  [ -e "$2" ] && kr_aside "$2"
  mv "$1" "$2" || kr_fail "could not move $1 to $KR_ARG_HELD_DIR"
  kr_journal "held $1 $2"
  kr_did "put $1 aside as $2"
}

# kr_back_manifest HELD HOME: by rename, so that kubelet never sees half a file.
kr_back_manifest() {
  [ -n "$1" ] && [ -e "$1" ] || return 0
  if [ -e "$2" ]; then kr_aside "$1"; return 0; fi
  mv "$1" "$2" || kr_fail "could not move $1 back to $2"
  kr_journal "unheld $2"
  kr_did "put $2 back"
}

# kr_note: what it was judged by ends with the hold (kubelet clears the log away), so it is written down beside the data's state.
kr_note() {
  [ -n "${KR_ARG_WHY:-}" ] && [ ! -e "$KR_NOTE" ] || return 0
  kr_wals=$(find "$KR_ARG_DATA_DIR/member/wal" -name '*.wal' 2>/dev/null | wc -l)
  kr_bytes=$(stat -c %s "$KR_ARG_DATA_DIR/member/snap/db" 2>/dev/null) || kr_bytes=0
  printf '%s %d %d %d %s\n' "${KR_ARG_WHY%% *}" "$kr_wals" "$kr_bytes" "$(date +%s)" "${KR_ARG_WHY#* }" |
    kr_put "$KR_NOTE" 600 root:root || exit 4
}

kr_hold() {
  mkdir -p "$KR_ARG_HELD_DIR" && chmod 700 "$KR_ARG_HELD_DIR" || kr_refuse no_room "could not make $KR_ARG_HELD_DIR"
  [ -n "$KR_UNIT" ] || kr_movable
  if kr_startable "$KR_UNIT" "$KR_ARG_MANIFEST" || kr_startable "$KR_API_UNIT" "$KR_ARG_APISERVER_MANIFEST" ||
    kr_some kr_etcd_pids || kr_some kr_api_pids; then
    if [ -z "$KR_UNIT" ] || [ -n "$KR_ARG_APISERVER_MANIFEST" ]; then kr_kubelet_stop; fi
    if [ -n "$KR_UNIT" ]; then kr_unit_hold "$KR_UNIT"; else kr_aside_manifest "$KR_ARG_MANIFEST" "$KR_HELD_ETCD"; fi
    if [ -n "$KR_API_UNIT" ]; then kr_unit_hold "$KR_API_UNIT"; else kr_aside_manifest "$KR_ARG_APISERVER_MANIFEST" "$KR_HELD_API"; fi
    kr_end kr_api_pids kube-apiserver 15
    kr_end kr_etcd_pids etcd 15
    kr_note
  fi
  [ -n "$KR_UNIT" ] || [ -s "$KR_HELD_ETCD" ] || kr_fail "there is no etcd manifest: neither $KR_ARG_MANIFEST nor $KR_HELD_ETCD"
}

# kr_startable UNIT MANIFEST: nothing keeps it from being started.
kr_startable() {
  if [ -n "$1" ]; then [ ! -e "$(kr_hold_file "$1")" ]; else [ -n "$2" ] && [ -e "$2" ]; fi
}

# kr_movable: whether the manifest can be put aside by a rename, and is the only one.
kr_movable() {
  [ "$(stat -c %d "$KR_ARG_HELD_DIR")" = "$(stat -c %d "${KR_ARG_MANIFEST%/*}")" ] ||
    kr_refuse other_disk "$KR_ARG_HELD_DIR and ${KR_ARG_MANIFEST%/*} are on different file systems"
  for kr_f in "${KR_ARG_MANIFEST%/*}"/*; do
    [ -f "$kr_f" ] && [ "$kr_f" != "$KR_ARG_MANIFEST" ] && grep -q -- '--initial-advertise-peer-urls' "$kr_f" 2>/dev/null || continue
    kr_refuse two_manifests "kubelet reads $kr_f too, and would start etcd by it: move it out of ${kr_f%/*} first"
  done
}

# The old data goes away only while the mark does not say that what lies there is the new member's own.
kr_clear() {
  [ "$(cat "$KR_MARK" 2>/dev/null)" = "$KR_ARG_MEMBER_ID" ] && return 0
  # Whether its manifest can be changed shows before anything is moved.
  for kr_src in "$KR_HELD_ETCD" "$KR_ARG_MANIFEST" "${KR_ARG_TOLD:-}"; do [ ! -f "$kr_src" ] || kr_rejoinable "$kr_src"; done
  kr_old=$KR_ARG_DATA_DIR/member
  kr_now=$(find "$kr_old/wal" -name '*.wal' 2>/dev/null | wc -l)
  [ "$kr_now" -le "$KR_ARG_WAL_FILES" ] ||
    kr_refuse changed "$kr_old/wal holds $kr_now WAL files, $KR_ARG_WAL_FILES when it was judged: look again"
  kr_hold
  if [ -e "$kr_old" ]; then
    kr_v=$(kr_vault) || kr_refuse no_room "there is no place on this node to keep a record of what is moved"
    if [ "$(stat -c %d "$kr_v")" = "$(stat -c %d "$KR_ARG_DATA_DIR")" ]; then
      kr_aside "$kr_old"
    else
      KR_ASIDE=$KR_ARG_DATA_DIR/member.kuberevive-$KR_RUN-$(date +%s)
      mv "$kr_old" "$KR_ASIDE" || kr_fail "could not move $kr_old to $KR_ASIDE"
      kr_journal "aside $kr_old $KR_ASIDE"
    fi
    kr_did "moved $kr_old to $KR_ASIDE"
  fi
  printf '%s\n' "$KR_ARG_MEMBER_ID" | kr_put "$KR_MARK" 600 root:root || exit 4
}

# Only the two arguments that say how to join; everything else stays as it is, byte for byte.
kr_rejoin() {
  if [ -n "$KR_UNIT" ]; then kr_unit_rejoin "$1" "$KR_ARG_INITIAL_CLUSTER"; return; fi
  awk -v list="$KR_ARG_INITIAL_CLUSTER" '
    /^ *- *["\047]?--initial-cluster=/ {
      head = $0; sub(/--initial-cluster=.*/, "", head)
      tail = (head ~ /["\047]$/) ? substr(head, length(head)) : ""
      print head "--initial-cluster=" list tail
      print head "--initial-cluster-state=existing" tail
      next
    }
    /^ *- *["\047]?--initial-cluster-state=/ { next }
    { print }' "$1"
}

kr_rejoinable() {
  if [ -n "$KR_UNIT" ]; then
    kr_rejoin "$1" | grep -qE -e '--initial-cluster-state=existing' -e 'ETCD_INITIAL_CLUSTER_STATE="?existing' && return 0
    kr_refuse unit "what $1 says of --initial-cluster cannot be changed safely: write the flag without quotes of its own"
  fi
  kr_rejoin "$1" | grep -qF -- "--initial-cluster=$KR_ARG_INITIAL_CLUSTER" ||
    kr_refuse manifest "$1 has no line of its own for --initial-cluster=, so it cannot be changed safely: write it as kubeadm does, '- --initial-cluster=…'"
}

# kr_told_anew FILE TMPDIR
kr_told_anew() {
  kr_rejoinable "$1"
  kr_text=$(kr_rejoin "$1")
  if [ "$kr_text" != "$(cat "$1")" ]; then
    kr_backup "$1"
    kr_meta=$(stat -c '%a %U:%G' "$1")
    printf '%s\n' "$kr_text" | kr_put_via "$2" "$1" "${kr_meta% *}" "${kr_meta#* }" || exit 4
    kr_did "set --initial-cluster=$KR_ARG_INITIAL_CLUSTER and --initial-cluster-state=existing in ${1##*/}"
  fi
}

kr_mount_manifest() {
  kr_src=$KR_HELD_ETCD
  [ -e "$kr_src" ] || kr_src=$KR_ARG_MANIFEST
  kr_told_anew "$kr_src" "$KR_ARG_HELD_DIR"
  kr_back_manifest "$KR_HELD_ETCD" "$KR_ARG_MANIFEST"
}

kr_start() {
  kr_clear
  if [ -n "$KR_UNIT" ]; then kr_start_unit; return; fi
  kr_mount_manifest
  kr_kubelet_start
  kr_wait 30 "kubelet to start etcd" kr_some kr_etcd_pids && return 0
  kr_limit 90 systemctl restart kubelet || kr_fail "kubelet could not be restarted"
  kr_did "restarted kubelet, which had not started etcd in 30 s"
  kr_wait 90 "kubelet to start etcd" kr_some kr_etcd_pids ||
    kr_fail "kubelet does not start etcd: $(journalctl -u kubelet -n 1 -o cat --no-pager 2>/dev/null | cut -c1-300)"
}

kr_start_unit() {
  kr_told_anew "$KR_ARG_TOLD" "${KR_ARG_TOLD%/*}"
  kr_unit_release "$KR_UNIT"
  kr_wait 60 "systemd to start etcd" kr_some kr_etcd_pids ||
    kr_fail "systemd does not start $KR_UNIT.service: $(journalctl -u "$KR_UNIT" -n 1 -o cat --no-pager 2>/dev/null | cut -c1-300)"
}

# kr_back UNIT HELD HOME
kr_back() {
  if [ -n "$1" ]; then kr_unit_release "$1"; else kr_back_manifest "$2" "$3"; fi
}

kr_tidy() {
  rm -f "$KR_MARK" "$KR_NOTE"
  rmdir "$KR_ARG_HELD_DIR" 2>/dev/null || :
}

# Whatever happens, a kubelet that ran runs again: with the manifests aside it cannot hurt the cluster.
KR_WAS=
kr_again() {
  case $KR_WAS in active | activating | reloading) ;; *) return 0 ;; esac
  case $(kr_kubelet_state) in active | activating | reloading) return 0 ;; esac
  systemctl start --no-block kubelet && kr_did "started kubelet again"
}
trap kr_again EXIT
kr_trap_signals

case $KR_ARG_DO in
  hold) kr_hold ;;
  start) kr_start ;;
  finish)
    kr_back "$KR_API_UNIT" "$KR_HELD_API" "$KR_ARG_APISERVER_MANIFEST"
    kr_tidy ;;
  release)
    kr_back "$KR_UNIT" "$KR_HELD_ETCD" "$KR_ARG_MANIFEST"
    kr_back "$KR_API_UNIT" "$KR_HELD_API" "$KR_ARG_APISERVER_MANIFEST"
    kr_tidy ;;
  *) kr_refuse usage "do=$KR_ARG_DO is not known" ;;
esac
