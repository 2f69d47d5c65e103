# shellcheck shell=sh
# Section controllers: controller-manager and scheduler, and what this node's own apiserver tells of leases, nodes and
# what kubelets ask to be signed.
kr_section_controllers() {
  kr_val now "$(date +%s)"
  kr_val kubelet_started "$(kr_started kubelet)"
  kr_controller kube-controller-manager 10257 "$KCM_TEXT" "$KCM_MANIFEST" "$KCM_UNIT"
  kr_controller kube-scheduler 10259 "$SCHEDULER_TEXT" "$SCHEDULER_MANIFEST" "$SCHEDULER_UNIT"
  kr_heartbeats
}

# kr_controller NAME PORT TEXT MANIFEST UNIT
kr_controller() {
  kr_m=$4
  [ -n "$3$kr_m" ] || return 0
  kr_val controller "$1"
  [ -z "$5" ] || kr_val "$1.unit" "$5"
  if [ -n "$kr_m" ]; then kr_val "$1.manifest" "$kr_m"; kr_stat "$kr_m"; fi
  case $kr_m in "$KR_HELD"/*) kr_val "$1.held" "$kr_m" ;; esac
  kr_conf=$(kr_flag "$3" kubeconfig "$KR_CONF_DIR/${1#kube-}.conf")
  kr_val "$1.kubeconfig" "$kr_conf"
  kr_stat "$kr_conf"
  kr_val "$1.started" "$(kr_started "$1")"
  kr_last_words "$1" "$5"
  kr_port=$(kr_flag "$3" secure-port "$2")
  if ! kr_listens "$kr_port"; then kr_val "$1.listening" no; return 0; fi
  kr_val "$1.listening" yes
  kr_s_ca
  # Its certificate is self-made in memory, so nothing could verify it; a liveness code from this very node is all that is read.
  kr_val "$1.healthz" "$(printf 'GET /healthz HTTP/1.0\r\n\r\n' |
    kr_s_client -quiet -connect "127.0.0.1:$kr_port" | sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p')"
}

# kr_heartbeats: leases, nodes and requests, read with the first admin kubeconfig that this node's own apiserver accepts.
kr_heartbeats() {
  kr_told=$APISERVER_TEXT
  kr_port=$(kr_flag "$kr_told" secure-port 6443)
  kr_address=$(kr_flag "$kr_told" advertise-address 127.0.0.1)
  kr_url=https://$(kr_host "$kr_address"):$kr_port
  kr_ca=$(kr_flag "$kr_told" client-ca-file "$KR_PKI/ca.crt")
  if ! kr_have curl; then kr_val api "no_tool"; return 0; fi
  if ! kr_listens "$kr_port"; then kr_val api not_listening; return 0; fi
  kr_val api asking
  for kr_c in "$KR_CONF_DIR/admin.conf" "$KR_CONF_DIR/super-admin.conf"; do
    [ -s "$kr_c" ] || continue
    kr_lines=$(kr_leases "$kr_c" "$kr_ca" 3 "$kr_url")
    kr_val credential "$kr_c"
    case $kr_lines in *@code=401* | *@code=403*) continue ;; *@code=200*) break ;; *) break ;; esac
  done
  [ -n "${kr_lines:-}" ] || { kr_val api no_credential; return 0; }
  kr_val api asked
  kr_out leases printf '%s' "$kr_lines"
  case $kr_lines in *@code=200*) ;; *) return 0 ;; esac
  kr_out nodes kr_nodes "$kr_c" "$kr_ca" 3 "$kr_url"
  kr_requests "$kr_c" "$kr_ca" 2 "$kr_url" | kr_blob requests
}
