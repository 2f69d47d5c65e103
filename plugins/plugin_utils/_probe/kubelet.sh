# shellcheck shell=sh
# Section kubelet: unit, configuration, credentials, static pods; its journal only where it does not run well.

# kr_credential PATH: certificates in a file and the hash of the key beside them. The first one's key counts again for the file
# that it is a link to.
KR_FIRST=
kr_credential() {
  kr_pem "$1"
  # shellcheck disable=SC3013 # a shell without -ef would look at the key again
  if [ -z "$KR_FIRST" ]; then
    KR_FIRST=$1 KR_FIRST_KEY=$(kr_key "$1")
    printf '%s\n' "$KR_FIRST_KEY"
  elif [ "$1" -ef "$KR_FIRST" ]; then printf 'key\t%s\t%s\n' "$1" "${KR_FIRST_KEY#key"$TAB"*"$TAB"}"
  else kr_key "$1"; fi
}

# kr_kubeconfig_field NAME: a value in the kubelet's kubeconfig, without quotes.
kr_kubeconfig_field() {
  sed -n "s/^ *$1: *[\"']\{0,1\}\([^\"']*\)[\"']\{0,1\} *\$/\1/p" "$KUBELET_KUBECONFIG" 2>/dev/null | head -n 1
}

# kr_kubelet_healthz ADDRESS PORT: ok, what else it said, or nothing. A proxy of root's environment is not asked.
kr_kubelet_healthz() {
  kr_url=http://$(kr_host "$1"):$2/healthz
  if kr_have curl; then curl -s -m 3 --noproxy '*' "$kr_url" 2>/dev/null | head -c 200
  elif kr_have wget; then http_proxy='' no_proxy=$1 wget -q -T 3 -O - "$kr_url" 2>/dev/null | head -c 200
  elif grep -qiE "^ *[0-9]+: [0-9A-F]+:$(printf %04X "$2") [0-9A-F:]+ 0A " /proc/net/tcp /proc/net/tcp6 2>/dev/null; then echo ok
  fi
}

# kr_kubelet_switch FLAG: true or false; nothing where no flag tells, and its configuration counts.
kr_kubelet_switch() {
  case $NL$KUBELET_TEXT$NL in
    *"$NL--$1$NL"* | *"$NL--$1=true$NL"*) kr_val "$1" true ;;
    *"$NL--$1=false$NL"*) kr_val "$1" false ;;
  esac
}

# kr_kubelet_setting KEY: the value of a key of its configuration that stands at the beginning of a line.
kr_kubelet_setting() { sed -n "s/^$1: *[\"']\{0,1\}\([0-9a-fA-F.:]*\)[\"']\{0,1\} *\(#.*\)\{0,1\}\$/\1/p" "$KUBELET_CONFIG" 2>/dev/null | tail -n 1; }

# Where it serves, and the addresses of this node (interface and address) that a certificate of it may have in it.
kr_kubelet_served_at() {
  kr_port=$(kr_kubelet_setting port)
  kr_at=$(kr_kubelet_setting address)
  kr_port=$(kr_flag "$KUBELET_TEXT" port "${kr_port:-10250}")
  kr_at=$(kr_flag "$KUBELET_TEXT" address "${kr_at:-0.0.0.0}")
  case $kr_at in 0.0.0.0) kr_at=127.0.0.1 ;; ::) kr_at=::1 ;; esac
  kr_val serving_at "$(kr_host "$kr_at"):$kr_port"
  kr_have ip || return 0
  kr_limit 2 ip -o addr show 2>/dev/null | awk '/ scope global / { sub(/\/.*/, "", $4); print $2, $4 }' |
    head -n 400 | while read -r kr_line; do kr_val address "$kr_line"; done
}

# The certificate that it serves, where it is told one: its own lie in KUBELET_PKI.
kr_kubelet_serving() {
  kr_kubelet_served_at
  [ ! -e "$KUBELET_PKI/kubelet.crt" ] && [ ! -e "$KUBELET_PKI/kubelet.key" ] || kr_key "$KUBELET_PKI/kubelet.key"
  kr_kubelet_switch rotate-certificates
  kr_kubelet_switch rotate-server-certificates
  kr_pick "$KUBELET_TEXT" tls-cert-file
  [ -n "$KR_PICK" ] || KR_PICK=$(sed -n "/^tlsCertFile:/{s/^tlsCertFile: *//;s/[\"']//g;s/ *\(#.*\)\{0,1\}\$//;p;q;}" "$KUBELET_CONFIG" 2>/dev/null)
  [ -n "$KR_PICK" ] || return 0
  kr_val serving_path "$KR_PICK"
  case $KR_PICK in "$KUBELET_PKI"/*.pem | "$KUBELET_PKI"/*.crt) ;; *) kr_pem "$KR_PICK" ;; esac
}

kr_kubelet_credentials() {
  kr_kubeconfig "$KUBELET_KUBECONFIG"
  kr_kubeconfig_key "$KUBELET_KUBECONFIG"
  kr_named=$(kr_kubeconfig_field client-certificate)
  kr_named_key=$(kr_kubeconfig_field client-key)
  if [ -n "$kr_named" ]; then
    kr_named=$(kr_beside "$KUBELET_KUBECONFIG" "$kr_named")
    kr_named_key=$(kr_beside "$KUBELET_KUBECONFIG" "${kr_named_key:-$kr_named}")
    kr_val client_path "$kr_named"
    kr_val client_key_path "$kr_named_key"
    kr_credential "$kr_named"
    [ "$kr_named_key" = "$kr_named" ] || kr_key "$kr_named_key"
  fi
  for kr_f in "$KUBELET_PKI"/*.pem "$KUBELET_PKI"/*.crt; do
    [ -e "$kr_f" ] || [ -L "$kr_f" ] || continue
    [ "$kr_f" = "$kr_named" ] || kr_credential "$kr_f"
  done
  kr_current=$KUBELET_PKI/kubelet-client-current.pem
  [ -e "$kr_current" ] || [ -L "$kr_current" ] || kr_stat "$kr_current"
  kr_ca_file=$(sed -n 's/^ *clientCAFile: *"\{0,1\}\([^"]*\)"\{0,1\} *$/\1/p' "$KUBELET_CONFIG" 2>/dev/null | head -n 1)
  [ -n "$kr_ca_file" ] || kr_ca_file=$(kr_flag "$KUBELET_TEXT" client-ca-file "$KR_PKI/ca.crt")
  kr_val ca_path "$kr_ca_file"
  kr_pem "$kr_ca_file"
}

kr_kubelet_state() {
  kr_pid=
  for kr_p in $(grep -lxF kubelet /proc/[0-9]*/comm 2>/dev/null); do
    kr_pid=${kr_p#/proc/}
    kr_pid=${kr_pid%/comm}
    [ "$(readlink "/proc/$kr_pid/ns/net")" = "$(readlink /proc/self/ns/net)" ] && break
    kr_pid=
  done
  kr_val pid "$kr_pid"
  kr_have systemctl && kr_out unit kr_limit 3 systemctl show -p LoadState,ActiveState,SubState,UnitFileState,NRestarts kubelet.service
  kr_port=10248 kr_at=127.0.0.1
  for kr_w in $(sed -n -e 's/^healthzPort: *\([0-9]*\) *$/port=\1/p' \
    -e "s/^healthzBindAddress: *[\"']\{0,1\}\([0-9a-fA-F.:]*\).*/at=\1/p" "$KUBELET_CONFIG" 2>/dev/null); do
    case $kr_w in port=?*) kr_port=${kr_w#*=} ;; at=?*) kr_at=${kr_w#*=} ;; esac
  done
  kr_port=$(kr_flag "$KUBELET_TEXT" healthz-port "$kr_port")
  kr_at=$(kr_flag "$KUBELET_TEXT" healthz-bind-address "$kr_at")
  case $kr_at in 0.0.0.0) kr_at=127.0.0.1 ;; ::) kr_at=::1 ;; esac
  kr_val healthz_at "$([ "$kr_port" = 0 ] || echo "$(kr_host "$kr_at"):$kr_port")"
  kr_health=
  [ -n "$kr_pid" ] && [ "$kr_port" != 0 ] && kr_health=$(kr_kubelet_healthz "$kr_at" "$kr_port")
  kr_val healthz "$kr_health"
  if [ "$kr_health" != ok ] && kr_have journalctl; then
    kr_out journal kr_kubelet_words
  fi
}

# The lines that name an error; Go's dumps of its goroutines between them are left out.
kr_kubelet_words() {
  kr_limit 4 journalctl -u kubelet.service -o cat --no-pager -n 400 |
    grep -E '^[EF][0-9]{4} |^Error: |failed to run Kubelet|"command failed"|It has been 5m0s since' | cut -c1-1000 | tail -n 30
}

kr_section_kubelet() {
  kr_val hostname "$(uname -n)"
  kr_val hostname_override "$(kr_flag "$KUBELET_TEXT" hostname-override "")"
  kr_val root "$KUBELET_ROOT"
  kr_val cert_dir "$KUBELET_PKI"
  kr_val manifests "$KR_MANIFESTS"
  kr_val config_path "$KUBELET_CONFIG"
  kr_val config_named "$([ -n "$KUBELET_TEXT" ] && [ -z "$(kr_flag "$KUBELET_TEXT" config "")" ] && echo no)"
  kr_val kubeconfig_path "$KUBELET_KUBECONFIG"
  kr_val bootstrap_path "$KUBELET_BOOTSTRAP"
  kr_kubelet_state
  kr_file "$KUBELET_CONFIG"
  kr_env=$(for kr_f in $(kr_unit_files kubelet); do sed -n 's/^EnvironmentFile=-\{0,1\}\(.*kubeadm-flags.env\)$/\1/p' "$kr_f"; done | tail -n 1)
  kr_val flags_path "$kr_env"
  [ -z "$kr_env" ] || kr_file "$kr_env"
  [ -z "$KUBELET_BOOTSTRAP" ] || kr_stat "$KUBELET_BOOTSTRAP"
  kr_kubelet_credentials
  kr_kubelet_serving
  kr_val manifests_dir "$([ -d "$KR_MANIFESTS" ] && echo there)"
  for kr_f in "$KR_MANIFESTS"/*; do
    [ -f "$kr_f" ] && kr_val static_pod "$kr_f" && kr_file "$kr_f"
  done
  for kr_f in cpu_manager_state memory_manager_state allocated_pods_state actuated_pods_state dra_manager_state; do
    [ -e "$KUBELET_ROOT/$kr_f" ] && kr_val checkpoint "$KUBELET_ROOT/$kr_f" && kr_file "$KUBELET_ROOT/$kr_f"
  done
  kr_have kubelet && kr_out version kr_limit 4 kubelet --version
  return 0
}
