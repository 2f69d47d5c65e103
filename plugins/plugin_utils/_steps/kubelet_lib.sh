# shellcheck shell=sh
# What several repairs of the kubelet share. The text itself comes in on stdin, so every command here gets another one.

# kr_own_process NAME: pid of a process of that name in this node's own network namespace (both kubelet and static pods are).
kr_own_process() {
  for kr_p in $(grep -lxF "$(printf '%.15s' "$1")" /proc/[0-9]*/comm 2>/dev/null); do
    kr_p=${kr_p%/comm}
    kr_w=$(tr '\000' '\n' <"$kr_p/cmdline" 2>/dev/null | head -n 1)
    if [ "${kr_w##*/}" = "$1" ] && [ "$(readlink "$kr_p/ns/net")" = "$(readlink /proc/self/ns/net)" ]; then
      echo "${kr_p#/proc/}"
      return 0
    fi
  done
  return 1
}

# kr_stop_kubelet: before its files change, so that a run cut short leaves it down (and found), not running on old ones.
kr_stop_kubelet() {
  kr_limit 60 systemctl stop kubelet.service </dev/null >/dev/null 2>&1 || kr_fail "kubelet.service could not be stopped"
}

# kr_put_stopped PATH MODE <content: kubelet goes on running where there is no room for a new file.
kr_put_stopped() {
  kr_stage "${1%/*}" "$1" "$2" root:root
  (kr_stop_kubelet) || { rm -f "$KR_STAGED"; exit 4; }
  kr_unstage "$1"
}

# kr_kubelet_well ADDRESS:PORT: whether it says so itself. A proxy of root's environment is not asked.
kr_kubelet_well() {
  kr_own_process kubelet >/dev/null || return 1
  [ -n "$1" ] || return 0
  if kr_have curl; then [ "$(curl -s -m 3 --noproxy '*' "http://$1/healthz" </dev/null 2>/dev/null)" = ok ]
  elif kr_have wget; then [ "$(http_proxy='' no_proxy=${1%:*} wget -q -T 3 -O - "http://$1/healthz" </dev/null 2>/dev/null)" = ok ]
  else grep -qiE "^ *[0-9]+: [0-9A-F]+:$(printf %04X "${1##*:}") [0-9A-F:]+ 0A " /proc/net/tcp /proc/net/tcp6; fi
}

kr_subject() { openssl x509 -noout -subject -nameopt RFC2253 2>/dev/null | sed 's/^subject= *//'; }

kr_cert_public() { openssl x509 -noout -pubkey 2>/dev/null; }

# kr_credential_good FILE NODE CA: certificate and key in one file, of one another, the node's own, from the CA, not near its end.
kr_credential_good() {
  [ -f "$1" ] && [ -s "$1" ] || return 1
  [ "$(kr_subject <"$1")" = "CN=system:node:$2,O=system:nodes" ] || return 1
  openssl x509 -in "$1" -noout -checkend 3600 </dev/null >/dev/null 2>&1 || return 1
  [ "$(kr_cert_public <"$1")" = "$(openssl pkey -in "$1" -pubout </dev/null 2>/dev/null)" ] || return 1
  kr_chains "$3" "$1"
}

# kr_chains CA FILE: rc alone is not enough, old openssl ends with 0 all the same.
kr_chains() {
  case $(openssl verify -purpose sslclient -CAfile "$1" "$2" </dev/null 2>/dev/null) in
    *": OK"*) return 0 ;;
  esac
  return 1
}
