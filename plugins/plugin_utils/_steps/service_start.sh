# shellcheck shell=sh
# Enables services, starts KR_ARG_START in their order; KR_ARG_ENABLE (kubelet) is not started here: it has its own phase.
# KR_ARG_BEGIN: units of the control plane, which are not waited for: what they need may be repaired later in the run.

kr_unit_is() { [ "$(systemctl show --no-pager -p "$2" "$1.service" | cut -d= -f2-)" = "$3" ]; }

kr_service_enable() {
  if kr_unit_is "$1" UnitFileState disabled; then
    kr_limit 30 systemctl enable "$1.service" >/dev/null 2>&1 || kr_fail "systemctl enable $1 did not work"
    kr_journal "enable $1"
    kr_did "enabled $1"
  fi
  if kr_unit_is "$1" ActiveState failed; then
    kr_limit 10 systemctl reset-failed "$1.service" && kr_did "lifted the start limit of $1"
  fi
}

kr_service_start() {
  kr_service_enable "$1"
  kr_unit_is "$1" ActiveState active && return 0
  kr_limit 10 systemctl reset-failed "$1.service" 2>/dev/null
  kr_limit 90 systemctl start "$1.service" 2>/dev/null
  if ! kr_wait 30 "$1 to be active" kr_unit_is "$1" ActiveState active; then
    kr_fail "$1 does not start: $(kr_limit 5 journalctl -u "$1" -n 3 --no-pager -o cat 2>/dev/null | tr '\n' ' ')"
  fi
  kr_journal "start $1"
  kr_did "started $1"
}

kr_service_begin() {
  kr_service_enable "$1"
  if kr_unit_is "$1" ActiveState inactive; then
    kr_limit 30 systemctl start --no-block "$1.service" || kr_fail "systemctl start $1 did not work"
    kr_journal "start $1"
    kr_did "started $1"
  fi
}

kr_services() {
  for kr_name in $KR_ARG_START; do kr_service_start "$kr_name"; done
  for kr_name in $KR_ARG_ENABLE; do kr_service_enable "$kr_name"; done
  for kr_name in ${KR_ARG_BEGIN:-}; do kr_service_begin "$kr_name"; done
}
kr_services </dev/null
