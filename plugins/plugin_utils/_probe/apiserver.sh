# shellcheck shell=sh
# Section apiserver: how it was told to run, what it answers by its own address, its last words.
kr_section_apiserver() {
  kr_val now "$(date +%s)"
  kr_val kubelet_started "$(kr_started kubelet)"
  kr_val started "$(kr_started kube-apiserver)"
  kr_apiserver_told
  kr_last_words kube-apiserver "$APISERVER_UNIT"
  kr_val port "$kr_port"
  kr_val address "$kr_address"
  if ! kr_listens "$kr_port"; then kr_val listening no; return 0; fi
  kr_val listening yes
  if ! kr_have curl; then kr_val tool none; return 0; fi
  kr_val tool curl
  kr_url=https://$(kr_host "$kr_address"):$kr_port
  kr_answer=$(kr_health "$kr_client_ca" 3 "$(kr_flag "$kr_told" kubelet-client-certificate "$KR_PKI/apiserver-kubelet-client.crt")" \
    "$(kr_flag "$kr_told" kubelet-client-key "$KR_PKI/apiserver-kubelet-client.key")" "$kr_url/livez" "$kr_url/readyz?verbose")
  case $kr_answer in @anonymous=no*) kr_val anonymous no; kr_probe_events ;; esac
  kr_out health printf '%s' "$kr_answer"
}

# kr_probe_events: what kubelet says of this API server's probes; it may go on for hours without a line in its own journal.
kr_probe_events() {
  kr_conf=$KR_CONF_DIR/admin.conf
  [ -s "$kr_conf" ] || return 0
  kr_out probe_events kr_probe_lines
}

kr_probe_lines() {
  kr_as "$kr_conf" "$kr_client_ca" 3 \
    "$kr_url/api/v1/namespaces/kube-system/events?pretty=0&limit=500&fieldSelector=reason%3DUnhealthy" |
    tr '{' '\n' | awk '
      /"kind":"Pod"/ { pod = $0; sub(/.*"name":"/, "", pod); sub(/".*/, "", pod) }
      /"reason":"Unhealthy"/ || /"message":"[A-Z][a-z]* probe failed/ {
        said = $0; if (!match(said, /"message":"[^"]*"/)) next
        said = substr(said, RSTART + 11, RLENGTH - 12)
        if (pod ~ /^kube-apiserver-/ && !(pod said in told)) { told[pod said]; print pod ": " said }
      }' | tail -n 6
}

# kr_apiserver_told: manifest (also one that a run put aside), unit or process, and what is read from it.
kr_apiserver_told() {
  kr_told=$APISERVER_TEXT
  kr_m=$APISERVER_MANIFEST
  if [ -n "$kr_m" ]; then kr_val manifest "$kr_m"; kr_file "$kr_m"
  elif [ -n "$APISERVER_UNIT" ]; then kr_val unit "$APISERVER_UNIT"; kr_unit_told "$APISERVER_UNIT" "$kr_told"
  else kr_val expected "$KR_MANIFESTS/kube-apiserver.yaml"; fi
  case $kr_m in "$KR_HELD"/*) kr_val held "$kr_m" ;; esac
  kr_port=$(kr_flag "$kr_told" secure-port 6443)
  kr_address=$(kr_flag "$kr_told" advertise-address "$(kr_flag "$kr_told" bind-address 127.0.0.1)")
  case $kr_address in 0.0.0.0 | ::) kr_address=127.0.0.1 ;; esac
  kr_client_ca=$(kr_flag "$kr_told" client-ca-file "$KR_PKI/ca.crt")
  kr_val client_ca "$kr_client_ca"
  kr_val etcd_servers "$(kr_flag "$kr_told" etcd-servers "")"
  kr_path=$(kr_flag "$kr_told" authentication-config "")
  if [ -n "$kr_path" ]; then
    kr_val authn_path "$kr_path"
    [ -z "$kr_m" ] || kr_path=$(kr_mounted "$kr_m" "$kr_path")
    kr_val authn_file "$kr_path"
    [ -z "$kr_path" ] || kr_file "$kr_path" # issuers and rules, no secret
  fi
  kr_encryption
}
