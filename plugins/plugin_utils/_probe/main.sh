# shellcheck shell=sh
# Runs discovery and the sections, each with its own limit; a hanging one costs its limit and no more (see docs/architecture.md).

# kr_descend TOP PIDS: all that came of TOP, but for PIDS and what came of them. Processes end while they are listed: cat goes
# on then, awk on the files would not.
kr_descend() {
  cat /proc/[0-9]*/stat | awk -v top="$1" -v spared=" $2 " '
    { pid = $1; sub(/^.*\) /, ""); parent[pid] = $2 }
    function under(p) {
      while (p in parent && p > 1 && !index(spared, " " p " ")) { p = parent[p]; if (p == top) return 1 }
      return 0
    }
    END { for (p in parent) if (under(p)) print p }'
}

# kr_runs PID: false when it ended, true when a signal ended the waiting for it; counts these.
kr_runs() {
  wait "$1"
  [ "$?" -gt 128 ] && kill -0 "$1" 2>/dev/null && KR_TICK=$((KR_TICK + 1))
}

kr_section() {
  kr_s=$1 kr_until=$2 kr_late='' KR_TICK=0
  { "kr_section_$kr_s"; echo "end=$?"; } | sed "s/^/$kr_s|/" & kr_pid=$!
  while kr_runs "$kr_pid"; do
    [ "$KR_TICK" -ge "$kr_until" ] || continue
    # shellcheck disable=SC2046 # a list of pids
    kill -9 $(kr_descend "$kr_me" "$kr_ticker $kr_pid") 2>/dev/null
    # Without a writer sed gives out what it holds and ends; only a child that cannot be killed keeps it.
    [ -z "$kr_late" ] || { kill -9 "$kr_pid"; break; }
    kr_late=1 kr_until=$((kr_until + 2))
  done
  [ -z "$kr_late" ] || printf '\n%s|timeout=%s\n' "$kr_s" "$2"
}

# What reads the node's files has its own process, for even a test of a file can hang. $$ is not a subshell's own pid, and wait
# ends for a stuck child only by a trapped signal: hence /proc/self and the ticker.
kr_work() {
  trap : USR1
  read -r kr_me _ </proc/self/stat
  ( trap - USR1; while sleep 1; do kill -USR1 "$kr_me" "$kr_top" || exit 0; done ) >/dev/null & kr_ticker=$!
  kr_discover
  if [ -n "$KUBELET_TEXT" ] || [ -e "$KUBELET_ROOT" ]; then kr_there=yes; else kr_there=no; fi
  kill -USR2 "$kr_top"
  echo "@kubelet $kr_there"
  for kr_w in $KR_SECTIONS; do kr_section "${kr_w%:*}" "${kr_w#*:}"; done
  kill "$kr_ticker"
}

kr_main() {
  trap : USR1
  trap 'kr_found=1' USR2
  read -r kr_top _ </proc/self/stat
  kr_found='' KR_TICK=0
  echo "@kuberevive 1"
  printf '@uid %s\n' "$(id -u)"
  kr_work & kr_pid=$!
  while kr_runs "$kr_pid"; do
    [ -z "$kr_found" ] && [ "$KR_TICK" -ge "$KR_DISCOVERY" ] || continue
    # shellcheck disable=SC2046 # a list of pids
    kill -9 $(kr_descend "$kr_top" "") 2>/dev/null
    printf '\n@stuck %s\n' "$KR_DISCOVERY"
    break
  done
  echo @end
}

# The relay quits at the end mark, and no child has the channel's stderr, so that a stuck one cannot keep it open (exec, for
# a redirection of the function alone would leave a copy of it with every child).
( exec 2>/dev/null </dev/null; kr_main ) | sed '/^@end$/q'
