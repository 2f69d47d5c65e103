# shellcheck shell=sh
# Runs the sections, each with its own limit; a hanging one costs its limit and no more (see docs/architecture.md).

# kr_descend PID: all that came of it. Processes end while they are listed: cat goes on then, awk on the files would not.
kr_descend() {
  cat /proc/[0-9]*/stat | awk -v top="$1" '
    { pid = $1; sub(/^.*\) /, ""); parent[pid] = $2 }
    function under(p) { while (p in parent && p > 1) { p = parent[p]; if (p == top) return 1 } return 0 }
    END { for (p in parent) if (under(p)) print p }'
}

kr_section() {
  kr_s=$1 kr_lim=$2 kr_tick=0
  ( { "kr_section_$kr_s"; echo "end=$?"; } | sed "s/^/$kr_s|/" ) & kr_pid=$!
  while :; do
    wait "$kr_pid"
    kr_rc=$?
    [ "$kr_rc" -gt 128 ] && kill -0 "$kr_pid" 2>/dev/null || break # it ended
    kr_tick=$((kr_tick + 1))
    [ "$kr_tick" -ge "$kr_lim" ] || continue # woken by the ticker
    # shellcheck disable=SC2046 # a list of pids
    kill -9 $(kr_descend "$kr_pid") "$kr_pid" 2>/dev/null
    echo "$kr_s|timeout=$kr_lim"
    break
  done
}

# $$ is not this shell's own pid behind a pipe, and wait ends for a stuck child only by a trapped signal: hence the ticker.
kr_main() {
  trap : USR1
  kr_me=$(exec sh -c 'echo $PPID')
  ( trap - USR1; while sleep 1; do kill -USR1 "$kr_me" || exit 0; done ) >/dev/null 2>&1 </dev/null & kr_ticker=$!
  echo "@kuberevive 1"
  printf '@uid %s\n' "$(id -u)"
  kr_discover
  if [ -n "$KUBELET_TEXT" ] || [ -e "$KUBELET_ROOT" ]; then echo "@kubelet yes"; else echo "@kubelet no"; fi
  for kr_w in $KR_SECTIONS; do kr_section "${kr_w%:*}" "${kr_w#*:}"; done
  kill "$kr_ticker"
  echo @end
}

# The relay quits at the end mark, and no child has the channel's stderr, so that a stuck one cannot keep it open (exec, for
# a redirection of the function alone would leave a copy of it with every child).
( exec 2>/dev/null </dev/null; kr_main ) | sed '/^@end$/q'
