# shellcheck shell=sh
# Starts the container runtime; restarts it only where it runs and has not answered for half a minute.

# A pid file that a dead Docker left (20.10 and older refuse to start over it).
kr_stale_pid() {
  [ "$KR_ARG_UNIT" = docker ] && [ -s /var/run/docker.pid ] || return 0
  kr_pid=$(head -c 20 /var/run/docker.pid)
  [ "$(cat "/proc/$kr_pid/comm" 2>/dev/null)" = dockerd ] && return 0
  kr_aside /var/run/docker.pid
  kr_did "moved /var/run/docker.pid aside: process $kr_pid is not Docker"
}

kr_runtime_start() {
  if kr_runtime_active; then
    kr_wait 30 "$KR_ARG_UNIT to answer by itself" kr_runtime_answers && return 0
    kr_runtime_up restart
    return
  fi
  kr_stale_pid
  kr_runtime_up start
}
kr_runtime_start </dev/null
