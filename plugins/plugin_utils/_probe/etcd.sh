# shellcheck shell=sh
# Section etcd: the manifest, the data on disk, what the member answers, and its last words where it does not answer well.

# kr_etcd_files DIR: what lies in it, or why that cannot be said (a dead mount hangs, a broken disk answers with an error).
kr_etcd_dir() {
  kr_said=$(kr_limit 3 ls -A "$1" 2>&1 >/dev/null)
  kr_rc=$?
  if [ "$kr_rc" -eq 0 ]; then echo ok
  elif [ "$kr_rc" -eq 124 ]; then echo "no answer from the file system within 3 s"
  else case $kr_said in
    *"o such file"*) echo missing ;;
    *) printf '%s\n' "$kr_said" | head -n 1 ;;
  esac; fi
}

# The two meta pages of the bbolt file: pages in use and transaction counter of each (the file itself grows in big steps).
kr_etcd_meta() {
  for kr_at in 56 4152; do
    od -An -tu8 -j"$kr_at" -N16 "$1" 2>/dev/null | tr -s ' \n' ' '
  done
}

# kr_etcd_ask NAME PATH BODY: one question to the member's own gateway.
kr_etcd_ask() {
  kr_out "$1" kr_limit 4 curl -sS -m 3 --noproxy '*' --cacert "$kr_etcd_ca" --cert "$kr_etcd_cert" --key "$kr_etcd_key" \
    -w '\n@http=%{http_code}' -X POST -d "$3" "$kr_etcd_url$2"
}

kr_etcd_answers() {
  kr_etcd_reach || return 0
  kr_val endpoint "$kr_etcd_url"
  kr_have curl || return 0
  kr_val asked_with curl
  kr_first=$(kr_etcd_ask status /v3/maintenance/status '{}')
  printf '%s\n' "$kr_first"
  case $(printf '%s\n' "$kr_first" | cut -f3 | base64 -d 2>/dev/null) in
    *@http=000*) return 0 ;; # nothing more can be asked
  esac
  kr_etcd_ask members /v3/cluster/member/list '{}'
  kr_lin=$(kr_etcd_ask linearizable /v3/kv/range '{"key":"L2t1YmVyZXZpdmUvY2FuYXJ5"}')
  printf '%s\n' "$kr_lin"
  # /registry/ up to /registry0
  kr_etcd_ask objects /v3/kv/range '{"key":"L3JlZ2lzdHJ5Lw==","range_end":"L3JlZ2lzdHJ5MA==","count_only":true,"serializable":true}'
  case $(printf '%s\n' "$kr_lin" | cut -f3 | base64 -d 2>/dev/null) in
    *@http=200*) return 1 ;; # healthy: its log is not needed
  esac
}

# The newest log and the one before it: a crash loop's reason often stands in the older one.
kr_etcd_logs() {
  if [ -n "$ETCD_UNIT" ]; then
    kr_out etcd.tail kr_etcd_unit_log
    return
  fi
  kr_n=0
  for kr_l in $(ls -t /var/log/pods/kube-system_etcd-*/etcd/*.log 2>/dev/null | head -n 2); do
    kr_val "log_file_$kr_n" "$kr_l"
    kr_val "log_mtime_$kr_n" "$(stat -L -c %Y "$kr_l" 2>/dev/null)"
    kr_out "log_$kr_n" kr_etcd_tail "$kr_l"
    kr_n=$((kr_n + 1))
  done
}

# The last lines, and of a panic the line that names it (its stacks would push it out).
kr_etcd_tail() {
  kr_limit 3 tail -n 400 "$1" | grep -E "$KR_ETCD_FATAL" | tail -n 10 | cut -c1-700
  kr_limit 3 tail -n 30 "$1" | cut -c1-700
}
KR_ETCD_FATAL='panic: |"level":"(fatal|panic|error)"'

kr_etcd_unit_log() {
  kr_lines=$(kr_unit_log "$ETCD_UNIT" 400 | cut -c1-800)
  printf '%s\n' "$kr_lines" | grep -E "$KR_ETCD_FATAL" | tail -n 10
  printf '%s\n' "$kr_lines" | tail -n 30
}

kr_section_etcd() {
  for kr_f in "$ETCD_MANIFEST" "$KR_HELD/kube-apiserver.yaml"; do
    [ -n "$kr_f" ] && [ -e "$kr_f" ] || continue
    case $kr_f in *kube-apiserver*) kr_stat "$kr_f" ;; *) kr_file "$kr_f" ;; esac
  done
  kr_val manifest "$ETCD_MANIFEST"
  kr_val manifests_dir "$KR_MANIFESTS"
  kr_val held_dir "$KR_HELD"
  kr_val apiserver_manifest "$APISERVER_MANIFEST"
  [ -f "$KR_HELD/etcd-readd" ] && kr_val readd "$(head -n 1 "$KR_HELD/etcd-readd" 2>/dev/null)"
  [ -f "$KR_HELD/etcd-why" ] && kr_val held_why "$(head -n 1 "$KR_HELD/etcd-why" 2>/dev/null)"
  if [ -n "$ETCD_UNIT" ]; then
    kr_val unit "$ETCD_UNIT"
    kr_out etcd.unit_state kr_unit_state "$ETCD_UNIT"
    kr_unit_told "$ETCD_UNIT" "$ETCD_TEXT"
    kr_unit_sources "$ETCD_UNIT" | while read -r kr_f; do
      grep -qE '^[^#]*(--initial-cluster(-state)?[= ]|ETCD_INITIAL_CLUSTER(_STATE)?=)' "$kr_f" 2>/dev/null && kr_val told_by "$kr_f"
    done
  fi
  if [ -n "$APISERVER_UNIT" ]; then
    kr_val apiserver_unit "$APISERVER_UNIT"
    kr_out kube-apiserver.unit_state kr_unit_state "$APISERVER_UNIT"
  fi
  [ -n "$ETCD_TEXT" ] || return 0
  kr_dir=$(kr_flag "$ETCD_TEXT" data-dir /var/lib/etcd)
  kr_val data_dir "$kr_dir"
  kr_val data_state "$(kr_etcd_dir "$kr_dir")"
  kr_val member_state "$(kr_etcd_dir "$kr_dir/member")"
  kr_val wal_state "$(kr_etcd_dir "$kr_dir/member/wal")"
  kr_val wal_files "$(kr_limit 3 ls -A "$kr_dir/member/wal" 2>/dev/null | grep -c '\.wal$')"
  kr_db=$kr_dir/member/snap/db
  if [ "$(kr_etcd_dir "$kr_db")" = ok ]; then
    kr_stat "$kr_db"
    kr_val db_meta "$(kr_etcd_meta "$kr_db")"
  fi
  for kr_f in "$kr_dir"/member/wal/*.wal; do [ -f "$kr_f" ] && kr_stat "$kr_f"; done | tail -n 3
  kr_etcd_answers && kr_etcd_logs
  return 0
}
