# shellcheck shell=sh
# How the container runtime is asked and started; for runtime_start.sh and runtime_config.sh.

kr_runtime_active() { [ "$(systemctl is-active "$KR_ARG_UNIT.service" 2>/dev/null)" = active ]; }

# kr_runtime_answers: by its client, or where there is none by its socket.
kr_runtime_answers() {
  [ -z "$KR_ARG_SOCKET" ] || [ -S "$KR_ARG_SOCKET" ] || return 1
  case $KR_ARG_UNIT in
    docker) kr_limit 10 docker version --format '{{.Server.Version}}' ;;
    containerd)
      if kr_have ctr; then kr_limit 10 ctr ${KR_ARG_SOCKET:+-a "$KR_ARG_SOCKET"} version
      else kr_runtime_active; fi
      ;;
    *) kr_runtime_active ;;
  esac
}

kr_runtime_words() { kr_limit 5 journalctl -u "$KR_ARG_UNIT" -n 4 --no-pager -o cat 2>/dev/null | tr '\n' ' '; }

# kr_runtime_up VERB: start or restart it, and wait until it answers.
kr_runtime_up() {
  kr_limit 10 systemctl reset-failed "$KR_ARG_UNIT.service" 2>/dev/null
  kr_limit 120 systemctl "$1" "$KR_ARG_UNIT.service" 2>/dev/null
  kr_wait 60 "$KR_ARG_UNIT to answer" kr_runtime_answers || kr_fail "$KR_ARG_UNIT does not answer: $(kr_runtime_words)"
  kr_journal "$1 $KR_ARG_UNIT"
  kr_did "${1}ed $KR_ARG_UNIT; it answers"
}
