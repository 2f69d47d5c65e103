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
  kr_answer=$(kr_get "$kr_client_ca" 3 "$kr_url/livez" "$kr_url/readyz?verbose")
  case $kr_answer in
    *@code=401*) # No anonymous requests here: ask as the apiserver's own kubelet client, which every version lets see these paths.
      kr_val anonymous no
      kr_answer=$(kr_get "$kr_client_ca" 3 "$kr_url/livez" "$kr_url/readyz?verbose" \
        --cert "$(kr_flag "$kr_told" kubelet-client-certificate "$KR_PKI/apiserver-kubelet-client.crt")" \
        --key "$(kr_flag "$kr_told" kubelet-client-key "$KR_PKI/apiserver-kubelet-client.key")") ;;
  esac
  kr_out health printf '%s' "$kr_answer"
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
  kr_encryption
}
