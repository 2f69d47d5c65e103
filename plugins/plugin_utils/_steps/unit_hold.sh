# shellcheck shell=sh
# How a component that systemd runs is kept from being started, by a condition that never holds: in a drop-in, so that it also
# counts after a reboot, is seen by whoever asks systemctl, and is undone by the removal of one file. (A mask does not work where
# the unit's own file lies in /etc, and who disables a unit must know afterwards whether it was enabled.)

kr_hold_file() { echo "/etc/systemd/system/$1.service.d/90-kuberevive-hold.conf"; }
kr_unit_pid() { systemctl show --no-pager -p MainPID "$1.service" 2>/dev/null | sed -n 's/^MainPID=\([1-9][0-9]*\)$/\1/p'; }
kr_unit_reload() { kr_limit 60 systemctl daemon-reload || kr_fail "systemctl daemon-reload did not work"; }

# kr_unit_hold UNIT: it is also told to stop; its process is the caller's to end.
kr_unit_hold() {
  kr_h=$(kr_hold_file "$1")
  if [ ! -e "$kr_h" ]; then
    mkdir -p "${kr_h%/*}" || kr_fail "${kr_h%/*} cannot be made"
    printf '# A repair of Kuberevive (run %s) keeps this unit from being started; it is taken away when the repair is done.\n[Unit]\nConditionPathExists=!/\n' \
      "$KR_RUN" | kr_put "$kr_h" 644 root:root || exit 4
    kr_did "kept $1.service from being started, by $kr_h"
  fi
  kr_unit_reload # also where an earlier run was cut off before it
  kr_limit 30 systemctl stop --no-block "$1.service" || kr_fail "systemctl stop $1.service did not work"
}

# kr_unit_release UNIT: it may start again, and does.
kr_unit_release() {
  kr_h=$(kr_hold_file "$1")
  if [ -e "$kr_h" ]; then
    rm -f "$kr_h" || kr_fail "$kr_h cannot be removed"
    rmdir "${kr_h%/*}" 2>/dev/null || :
    kr_journal "unheld $1.service"
    kr_did "let $1.service start again"
  fi
  kr_unit_reload
  kr_limit 10 systemctl reset-failed "$1.service" 2>/dev/null
  kr_limit 30 systemctl start --no-block "$1.service" || kr_fail "systemctl start $1.service did not work"
}

# kr_unit_rejoin FILE LIST: the unit's file, drop-in or environment file with another --initial-cluster and the state "existing";
# everything else stays as it is, byte for byte.
kr_unit_rejoin() {
  awk -v list="$2" -v flag="$(grep -c '^[^#]*--initial-cluster-state[= ]' "$1")" \
    -v env="$(grep -c '^[^#]*ETCD_INITIAL_CLUSTER_STATE=' "$1")" '
    /^[ \t]*[#;]/ || /[ \t]["\047]--initial-cluster/ { print; next } # a word in quotes of its own has no room for a second one
    {
      gsub(/--initial-cluster-state[= ][^ \t"\047\\]*/, "--initial-cluster-state=existing")
      if (match($0, /--initial-cluster[= ][^ \t"\047\\]*/))
        $0 = substr($0, 1, RSTART - 1) "--initial-cluster=" list (flag > 0 ? "" : " --initial-cluster-state=existing") substr($0, RSTART + RLENGTH)
      if (match($0, /ETCD_INITIAL_CLUSTER_STATE=["\047]?new/))
        $0 = substr($0, 1, RSTART + RLENGTH - 4) "existing" substr($0, RSTART + RLENGTH)
      more = ""
      if (match($0, /ETCD_INITIAL_CLUSTER=["\047]?[^ \t"\047]*["\047]?/)) {
        open = substr($0, RSTART + 21, 1); if (open !~ /["\047]/) open = ""
        shut = substr($0, RSTART + RLENGTH - 1, 1); if (shut !~ /["\047]/) shut = ""
        $0 = substr($0, 1, RSTART - 1) "ETCD_INITIAL_CLUSTER=" open list shut substr($0, RSTART + RLENGTH)
        if (env == 0) more = ($0 ~ /^Environment=/ ? "Environment=" : "") "ETCD_INITIAL_CLUSTER_STATE=existing"
      }
      print
      if (more != "") print more
    }' "$1"
}
