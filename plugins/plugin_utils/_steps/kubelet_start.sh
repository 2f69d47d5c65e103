# shellcheck shell=sh
# Enabled, started, and well by its own word.

# kr_static NAME: pid of a static pod's process on this node.
kr_static() {
  kr_found=$(kr_own_process "$1") && grep -q kubepods "/proc/$kr_found/cgroup" 2>/dev/null && echo "$kr_found"
}

# An empty data directory under a manifest without --initial-cluster-state=existing becomes a new, empty cluster.
kr_no_empty_etcd() {
  for kr_m in "$KR_ARG_MANIFESTS"/*; do
    [ -f "$kr_m" ] && grep -q -- '--initial-advertise-peer-urls=' "$kr_m" || continue
    grep -q -- '--initial-cluster-state=existing' "$kr_m" && continue
    kr_data=$(sed -n 's/^.*--data-dir=\([^" ]*\).*$/\1/p' "$kr_m" | head -n 1)
    for kr_wal in "${kr_data:-/var/lib/etcd}"/member/wal/*.wal; do
      [ -f "$kr_wal" ] || kr_refuse empty_etcd "${kr_data:-/var/lib/etcd} is empty, and kubelet would start etcd there as a new, empty cluster"
      break
    done
  done
}

# An API server that lives on without its etcd answers the kubelet's questions by silence, and etcd's pod waits for minutes.
kr_end_half_dead_apiserver() {
  kr_api=$(kr_static kube-apiserver) || return 0
  [ -n "$KR_ARG_ETCD_DEAD" ] || ! kr_static etcd >/dev/null || return 0
  grep -qsE -- '--initial-advertise-peer-urls=' "$KR_ARG_MANIFESTS"/* || [ -n "$KR_ARG_ETCD_DEAD" ] || return 0
  kill -TERM "$kr_api"
  kr_wait 5 "kube-apiserver to end" kr_gone "$kr_api" || kill -KILL "$kr_api"
  kr_did "ended kube-apiserver, which had no etcd any more (kubelet starts it again)"
}

kr_gone() { ! kill -0 "$1" 2>/dev/null; }

kr_last_words() {
  kr_limit 5 journalctl -u kubelet.service -o cat --no-pager -n 200 </dev/null 2>/dev/null |
    grep -E '^[EF][0-9]{4} |^Error: |failed to run Kubelet|"command failed"' | tail -n 2 | cut -c1-400 | tr '\n' ' '
}

case $(systemctl is-enabled kubelet.service </dev/null 2>/dev/null) in
  enabled | static | indirect | generated | enabled-runtime | linked) ;;
  masked*) kr_refuse masked "kubelet.service is masked: somebody meant it not to run" ;;
  *)
    kr_limit 30 systemctl enable kubelet.service </dev/null >/dev/null 2>&1 || kr_fail "kubelet.service could not be enabled"
    kr_did "enabled kubelet.service"
    ;;
esac
if ! kr_kubelet_well "$KR_ARG_HEALTHZ"; then
  kr_no_empty_etcd
  kr_stop_kubelet
  kr_end_half_dead_apiserver
  systemctl reset-failed kubelet.service </dev/null >/dev/null 2>&1
  kr_limit 60 systemctl start kubelet.service </dev/null >/dev/null 2>&1 || kr_fail "kubelet.service does not start: $(kr_last_words)"
  kr_journal "started kubelet.service"
  kr_did "started the kubelet"
  kr_wait 60 "the kubelet's own healthz to say ok" kr_kubelet_well "$KR_ARG_HEALTHZ" || kr_fail "the kubelet does not become healthy: $(kr_last_words)"
fi
