# shellcheck shell=sh
# Ends the container of each component properly (TERM, 30 s, KILL), lets kubelet start a new one, waits until all serve; what is a
# unit is restarted by systemd. KR_ARG_COMPONENTS, KR_ARG_UNITS (- for a static pod) and KR_ARG_STARTED: lists of the same
# length; KR_ARG_RUNTIME containerd | docker | crio; KR_ARG_SOCKET;
# KR_ARG_ADDRESS, KR_ARG_PORT, KR_ARG_CA: of this node's kube-apiserver, KR_ARG_CERT, KR_ARG_KEY: as in kr_health;
# KR_ARG_UNSERVED: one that does not serve is ended, so that
# it reads anew what is on disk, and not waited for.

kr_cri() { kr_limit 40 crictl --runtime-endpoint "unix://$KR_ARG_SOCKET" "$@"; }
kr_ctr() { kr_limit 40 ctr -a "$KR_ARG_SOCKET" -n k8s.io "$@"; }
kr_docker() {
  # Kubernetes may speak to Docker through another socket (cri-dockerd); then Docker's own default is right.
  case $KR_ARG_SOCKET in */docker.sock) kr_limit 40 docker -H "unix://$KR_ARG_SOCKET" "$@" ;; *) kr_limit 40 docker "$@" ;; esac
}

# kr_client: which client can speak to the runtime.
kr_client() {
  if [ "$KR_ARG_RUNTIME" = docker ]; then kr_have docker && echo docker
  elif kr_have crictl && kr_cri version >/dev/null 2>&1; then echo crictl
  elif [ "$KR_ARG_RUNTIME" = containerd ] && kr_have ctr; then echo ctr
  fi
}

# kr_running NAME: ids of its running containers in kube-system.
kr_running() {
  case $KR_CLIENT in
    docker) kr_docker ps -q --no-trunc -f "name=^k8s_$1_" -f status=running ;;
    crictl) kr_cri ps -q --name "^$1\$" --state Running --label io.kubernetes.pod.namespace=kube-system ;;
    ctr)
      kr_tasks=$(kr_ctr tasks ls 2>/dev/null | awk '$3 == "RUNNING" { print $1 }')
      kr_ctr containers ls -q "labels.\"io.kubernetes.container.name\"==\"$1\",labels.\"io.kubernetes.pod.namespace\"==\"kube-system\"" 2>/dev/null |
        while read -r kr_i; do
          case "
$kr_tasks
" in *"
$kr_i
"*) echo "$kr_i" ;; esac
        done ;;
  esac
}

kr_gone() { ! kr_running "$1" | grep -qxF "$2"; }

# kr_end NAME ID: an API server whose etcd is gone never ends on TERM, hence KILL after 30 s.
kr_end() {
  case $KR_CLIENT in
    docker) kr_docker stop -t 30 "$2" >/dev/null ;;
    crictl) kr_cri stop -t 30 "$2" >/dev/null ;;
    ctr)
      kr_ctr tasks kill -s TERM "$2" >/dev/null 2>&1
      kr_wait 30 "$1 to end after TERM" kr_gone "$1" "$2" || kr_ctr tasks kill -s KILL "$2" >/dev/null 2>&1 ;;
  esac
  kr_wait 10 "$1 to be gone" kr_gone "$1" "$2" || kr_fail "the container of $1 ($2) does not end, not even after KILL"
}

# kr_said NAME UNIT: its last lines.
kr_said() {
  if [ "$2" != - ]; then kr_unit_log "$2" 10; return; fi
  kr_l=$(kr_pod_log "$1")
  [ -z "$kr_l" ] || tail -n 10 "$kr_l"
}

# kr_accepted NAME UNIT: it has run for 8 s, and nothing it said since says that it is shut out.
kr_accepted() {
  kr_since=$(kr_started "$1") || return 1
  [ $(($(date +%s) - kr_since)) -ge 8 ] || return 1
  ! kr_said "$1" "$2" | grep -q Unauthorized
}

# kr_serves NAME UNIT: waits for what shows that the new container does its work.
kr_serves() {
  case $1 in
    kube-apiserver)
      kr_have curl || { kr_note "there is no curl here to ask $1 with"; return 0; }
      kr_wait 120 "$1 to answer ready at $KR_ARG_ADDRESS:$KR_ARG_PORT" kr_ready_at 3 "https://$(kr_host "$KR_ARG_ADDRESS"):$KR_ARG_PORT" ||
        kr_fail "$1 was restarted but is not ready within 120 s" ;;
    *) kr_wait 90 "$1 to be accepted by the API server" kr_accepted "$1" "$2" ||
        kr_fail "$1 was restarted but the API server still does not accept it" ;;
  esac
}

kr_main_pid() { systemctl show --no-pager -p MainPID "$1.service" 2>/dev/null | cut -d= -f2; }
kr_other_pid() { [ "$(kr_main_pid "$1")" != "$2" ]; }

# kr_unit_begin UNIT: end it and start it; systemd alone would wait 90 s for one that does not end on TERM.
kr_unit_begin() {
  case $(systemctl show --no-pager -p LoadState "$1.service") in
    *=loaded) ;;
    *) kr_refuse unit "$1.service is not loaded ($(systemctl show --no-pager -p LoadState "$1.service")): somebody meant it not to run" ;;
  esac
  kr_pid=$(kr_main_pid "$1")
  kr_journal "restart $1.service, pid $kr_pid"
  kr_limit 10 systemctl reset-failed "$1.service" 2>/dev/null
  kr_limit 30 systemctl restart --no-block "$1.service" || kr_fail "systemctl restart $1.service did not work"
  [ "$kr_pid" = 0 ] || kr_wait 30 "$1.service to end after TERM" kr_other_pid "$1" "$kr_pid" ||
    systemctl kill -s KILL "$1.service"
  [ "$kr_pid" = 0 ] || kr_wait 10 "$1.service to be gone" kr_other_pid "$1" "$kr_pid" || kr_fail "$1.service does not end, not even after KILL"
}

# kr_stop NAME UNIT: end what runs; how, in KR_HOW.
kr_stop() {
  if [ "$2" != - ]; then
    kr_unit_begin "$2"
    KR_HOW="restarted $1 (unit $2)"
    return 0
  fi
  kr_id=$(kr_running "$1" | head -n 1)
  [ -n "$kr_id" ] || kr_refuse no_container "$1 runs, but $KR_CLIENT knows no container of it in kube-system: it is not ended"
  kr_journal "end $1 $kr_id"
  kr_end "$1" "$kr_id"
  KR_HOW="ended $1 (container $(printf '%.12s' "$kr_id")), kubelet starts a new one"
}

# kr_begin NAME STARTED UNIT: started as seen when the step was planned; a newer process has been restarted already. What is to
# come up then is added to KR_BEGUN.
kr_begin() {
  kr_before=$(kr_started "$1") || kr_before=0
  if [ -n "${KR_ARG_UNSERVED:-}" ] && ! kr_listens "$KR_ARG_PORT"; then
    [ "$3" = - ] && [ -z "$(kr_running "$1")" ] || kr_stop "$1" "$3"
    kr_note "$1 did not serve; it starts with what is on disk now"
    return 0
  fi
  if [ "$2" -gt 0 ] && [ "$kr_before" -gt "$(($2 + 2))" ]; then
    kr_note "$1 has been restarted meanwhile"
    kr_before=$2
  elif [ "$kr_before" -eq 0 ] && [ "$3" = - ]; then
    kr_note "no $1 runs at this moment; kubelet starts it"
  else
    kr_stop "$1" "$3"
    kr_did "$KR_HOW"
  fi
  KR_BEGUN="$KR_BEGUN $1|$kr_before|$3"
}

# kr_await NAME|BEFORE|UNIT: a newer one, that serves.
kr_await() {
  kr_name=${1%%|*} kr_from=${1%|*} kr_unit=${1##*|}
  if ! kr_wait 120 "a newer $kr_name" kr_newer "$kr_name" "${kr_from#*|}"; then
    [ "$kr_unit" = - ] && kr_fail "kubelet has started no new $kr_name within 120 s"
    kr_fail "systemd has started no new $kr_name within 120 s: $(kr_unit_log "$kr_unit" 1 | cut -c1-300)"
  fi
  kr_serves "$kr_name" "$kr_unit"
  kr_note "$kr_name runs again"
}

if printf '%s\n' "${KR_ARG_UNITS:--}" | grep -qx -e -; then
  kr_started kubelet >/dev/null || kr_refuse no_kubelet "kubelet does not run here, nothing would start them again"
  KR_CLIENT=$(kr_client)
  [ -n "$KR_CLIENT" ] || kr_refuse no_client "there is neither crictl nor ctr nor docker here to end a container with"
fi
# All of this node are ended before the first is waited for: they come up side by side.
kr_count=0 KR_BEGUN=
for kr_component in $KR_ARG_COMPONENTS; do
  kr_count=$((kr_count + 1))
  kr_at=$(printf '%s\n' "$KR_ARG_STARTED" | sed -n "${kr_count}p")
  kr_unit=$(printf '%s\n' "${KR_ARG_UNITS:--}" | sed -n "${kr_count}p")
  kr_begin "$kr_component" "$kr_at" "$kr_unit"
done
for kr_row in $KR_BEGUN; do kr_await "$kr_row"; done
