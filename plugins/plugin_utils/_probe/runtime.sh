# shellcheck shell=sh
# Section runtime: the container runtime's socket, unit, configuration, and the control plane's containers.

kr_runtime_config() {
  case $KR_RUNTIME in
    docker) kr_daemon=dockerd kr_word=config-file kr_usual=/etc/docker/daemon.json ;;
    containerd) kr_daemon=containerd kr_word=config kr_usual=/etc/containerd/config.toml ;;
    crio) kr_daemon=crio kr_word=config kr_usual=/etc/crio/crio.conf ;;
    *) return 0 ;;
  esac
  kr_text=$(kr_process "$kr_daemon") || kr_text=$(kr_unit "$KR_RUNTIME")
  kr_cfg=$(kr_flag "$kr_text" "$kr_word" "$kr_usual")
  kr_val config "$kr_cfg"
  # A configuration with credentials of a registry or a proxy stays on the node.
  if grep -qiE "^[^#]*(auth|passw|token|secret|credential)[a-z_]*[\"']?[[:space:]]*[=:][[:space:]]*[\"'][^\"']|://[^/@ ]*:[^/@ ]*@" "$kr_cfg" 2>/dev/null; then
    kr_val config_secret yes
    kr_stat "$kr_cfg"
  else
    kr_file "$kr_cfg"
  fi
  [ -s "$kr_cfg" ] && kr_val config_sha256 "$(sha256sum "$kr_cfg" 2>/dev/null | cut -d' ' -f1)"
}

# Where the daemon is asked, it also tells its containers; one call.
kr_runtime_ask() {
  [ -S "$KR_SOCKET" ] || return 0
  case $KR_RUNTIME in
    docker)
      kr_have docker && kr_out ask kr_limit 8 docker ps -a --no-trunc --filter label=io.kubernetes.pod.namespace=kube-system \
        --format '{{.ID}} {{.Names}} {{.Status}}'
      ;;
    containerd)
      if kr_have ctr; then kr_out ask kr_limit 8 ctr -a "$KR_SOCKET" -n k8s.io tasks ls
      elif kr_have crictl; then kr_out ask kr_limit 8 crictl -r "unix://$KR_SOCKET" version; fi
      ;;
    crio) kr_have crictl && kr_out ask kr_limit 8 crictl -r "unix://$KR_SOCKET" version ;;
  esac
}

# kubelet's links name every container's id, pod and log; a daemon is not needed for it. Newest first.
kr_runtime_logs() {
  # shellcheck disable=SC2012 # names here are made by kubelet
  ls -lt /var/log/containers 2>/dev/null | sed -n 's/^.* \([^ ]*_kube-system_[^ ]*\)\.log -> \(.*\)$/val\tlog\t\1 \2/p' | head -n 200
}

# Processes tell what runs even where the daemon is dead: name, container id, start as epoch seconds.
kr_runtime_processes() {
  kr_boot=$(sed -n 's/^btime //p' /proc/stat)
  for kr_p in $(grep -lxE 'etcd|kube-apiserver|kube-controller|kube-scheduler' /proc/[0-9]*/comm 2>/dev/null); do
    kr_id=$(sed -n 's/.*\([0-9a-f]\{64\}\).*/\1/p' "${kr_p%comm}cgroup" 2>/dev/null | head -n 1)
    [ -n "$kr_id" ] || continue
    kr_val process "$(cat "$kr_p" 2>/dev/null) $kr_id $(awk -v boot="$kr_boot" '{ sub(/^.*\) /, ""); printf "%.0f", boot + $20 / 100 }' "${kr_p%comm}stat" 2>/dev/null)"
  done
}

kr_section_runtime() {
  kr_val kind "$KR_RUNTIME"
  kr_val socket "$KR_SOCKET"
  [ -S "$KR_SOCKET" ] && kr_val socket_there yes
  kr_runtime_config
  kr_runtime_ask
  kr_runtime_logs
  kr_runtime_processes
  [ "$KR_RUNTIME" = none ] || ! kr_have systemctl && return 0
  kr_state_of=$(kr_limit 3 systemctl is-active "$KR_RUNTIME.service" 2>/dev/null)
  kr_val active "$kr_state_of"
  [ "$kr_state_of" = active ] || kr_out log kr_limit 3 journalctl -u "$KR_RUNTIME.service" -n 15 --no-pager -o cat
  if [ "$KR_RUNTIME" = docker ] && [ "$kr_state_of" != active ] && [ -s /var/run/docker.pid ]; then
    kr_val docker_pid "$(head -c 20 /var/run/docker.pid) $(cat "/proc/$(head -c 20 /var/run/docker.pid)/comm" 2>/dev/null)"
  fi
  return 0
}
