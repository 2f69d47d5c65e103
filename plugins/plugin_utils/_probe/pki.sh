# shellcheck shell=sh
# Section pki: the certificates that the components' own flags name, the kubeconfigs, and what is served.

# kr_path TEXT FLAG DEFAULT: into KR_PICK. A default counts only where nothing tells the flags and the file is there.
kr_path() {
  kr_pick "$1" "$2"
  if [ -z "$1" ] && [ -e "$3" ]; then KR_PICK=$3; fi
}

# kr_pki_pair NAME TEXT CERTFLAG KEYFLAG DEFAULT
kr_pki_pair() {
  kr_path "$2" "$3" "$5.crt"
  kr_crt=$KR_PICK
  [ -n "$kr_crt" ] || return 0
  kr_path "$2" "$4" "$5.key"
  kr_pki_cert "$1" pair "$kr_crt" "$KR_PICK"
}

# kr_pki_cert NAME KIND CERT KEY: the certificates themselves follow together, see kr_pki_pems; the keys, see kr_pki_keys.
kr_pki_cert() {
  kr_val cert "$1|$2|$3|$4"
  KR_PEMS="$KR_PEMS
$3"
  [ -z "$4" ] || KR_PAIRS="$KR_PAIRS
$2|$3|$4"
}

# kr_pki_key PATH: the public half, in one word.
kr_pki_key() {
  if [ ! -s "$1" ] || [ -z "$KR_OPENSSL" ]; then
    kr_key "$1"
    return
  fi
  kr_half=
  for kr_w in $(openssl pkey -pubout -in "$1" 2>/dev/null); do
    case $kr_w in *-* | KEY | PUBLIC) ;; *) kr_half=$kr_half$kr_w ;; esac
  done
  if [ -n "$kr_half" ]; then printf 'val\tpub\t%s|%s\n' "$1" "$kr_half"; else printf 'key\t%s\tunparsable\t\n' "$1"; fi
}

# kr_pki_keys: a whole key that was written together with its certificate fits it; the others, and those that sign, are looked
# at, which costs more.
kr_pki_keys() {
  [ -n "$KR_PAIRS" ] || return 0
  {
    # shellcheck disable=SC2046 # a list of paths
    set -- $(printf '%s\n' "$KR_PAIRS" | tr '|' '\n' | sed '/^\//!d')
    stat -L -c 't|%Y|%n|%s' "$@" 2>/dev/null
    grep -ls -e '-END .*PRIVATE KEY-' "$@" /dev/null
    printf '%s\n' "$KR_PAIRS"
  } | awk -F'|' '
    $1 == "t" { time[$3] = $2; size[$3] = $4; next }
    NF == 1 { whole[$1] = 1 }
    NF == 3 && $3 != "" {
      apart = time[$2] - time[$3]
      same = $1 != "ca" && size[$2] > 0 && $3 in whole && apart <= 2 && apart >= -2
      print (same ? "same|" : "look|") $3
    }' | while IFS='|' read -r kr_how kr_f; do
    case $kr_how in
      same) printf 'key\t%s\ttogether\t\n' "$kr_f" ;;
      look) kr_pki_key "$kr_f" ;;
    esac
  done
}

# kr_pki_pems: every certificate in one pass, with its file's facts; a process for each file only where one is odd.
kr_pki_pems() {
  kr_ifs=$IFS
  IFS='
'
  set -f
  kr_there=
  for kr_f in $KR_PEMS; do
    if [ -f "$kr_f" ] && [ -r "$kr_f" ] && [ -s "$kr_f" ]; then
      kr_there="$kr_there
$kr_f"
    else
      kr_stat "$kr_f"
    fi
  done
  # shellcheck disable=SC2086 # a list of paths
  [ -z "$kr_there" ] || {
    stat -L -c "file$TAB%n${TAB}ok$TAB%s$TAB%a$TAB%U:%G$TAB%Y$TAB$TAB" $kr_there
    awk '
      FNR == 1 { on = 0 }
      /-BEGIN CERTIFICATE-/ { on = 1; b = ""; next }
      /-BEGIN / { on = 0 } # behind a torn one
      /-END CERTIFICATE-/ { if (on) print "val\tpem\t" FILENAME "|" b; on = 0; next }
      on { gsub(/[\r \t]/, ""); b = b $0 }' $kr_there
  }
  set +f
  IFS=$kr_ifs
}

# kr_pki_ca NAME CERT KEY
kr_pki_ca() {
  [ -n "$2" ] || return 0
  kr_pki_cert "$1" ca "$2" "${3:-${2%.*}.key}"
}

# kr_pki_conf NAME KIND PATH: an embedded key comes with its certificate, so it is not looked at.
kr_pki_conf() {
  kr_val conf "$1|$2|$3"
  KR_CONFS=$KR_CONFS$NL$3
  kr_kubeconfig "$3"
  kr_pki_beside "$3"
}

# kr_pki_beside KUBECONFIG: the certificate and key that it names and does not hold.
kr_pki_beside() {
  [ -s "$1" ] || return 0
  kr_crt=$(kr_conf_word "$1" client-certificate)
  [ -n "$kr_crt" ] || return 0
  kr_crt=$(kr_beside "$1" "$kr_crt")
  KR_PEMS="$KR_PEMS
$kr_crt"
  KR_PAIRS="$KR_PAIRS
pair|$kr_crt|$(kr_beside "$1" "$(kr_conf_word "$1" client-key)")"
}

# kr_pki_served COMPONENT ADDRESS NAME [CERT KEY]: one TLS handshake; the client certificate keeps etcd's log quiet.
kr_pki_served() {
  case $2 in :* | *: | '') return 0 ;; esac
  if [ -r "$4" ] && [ -r "$5" ]; then set -- "$1" "$2" "$3" -cert "$4" -key "$5"; else set -- "$1" "$2" "$3"; fi
  kr_label="served|$1|$2|$3"
  kr_at=$2
  shift 3
  kr_out "$kr_label" kr_handshake "$kr_at" "$@"
}

kr_handshake() {
  kr_a=$1
  shift
  kr_s_client -connect "$kr_a" "$@" </dev/null |
    sed -n '/-BEGIN CERTIFICATE-/,/-END CERTIFICATE-/p'
}

# kr_https_at URLS: host:port of the first https URL that is not loopback, else of the first.
kr_https_at() {
  printf '%s\n' "$1" | tr ',' '\n' | sed -n 's#^https://##p' | sed 's#/.*##' |
    awk '!/^(127|localhost|\[::1)/ { print; found = 1; exit } { first = first ? first : $0 } END { if (!found) print first }'
}

kr_pki_components() {
  kr_pki_pair apiserver "$APISERVER_TEXT" tls-cert-file tls-private-key-file "$KR_PKI/apiserver"
  kr_pki_pair apiserver-etcd-client "$APISERVER_TEXT" etcd-certfile etcd-keyfile "$KR_PKI/apiserver-etcd-client"
  kr_pki_pair apiserver-kubelet-client "$APISERVER_TEXT" kubelet-client-certificate kubelet-client-key "$KR_PKI/apiserver-kubelet-client"
  kr_pki_pair front-proxy-client "$APISERVER_TEXT" proxy-client-cert-file proxy-client-key-file "$KR_PKI/front-proxy-client"
  kr_pki_pair etcd-server "$ETCD_TEXT" cert-file key-file "$KR_PKI/etcd/server"
  kr_etcd_crt=$kr_crt kr_etcd_key=$KR_PICK
  kr_pki_pair etcd-peer "$ETCD_TEXT" peer-cert-file peer-key-file "$KR_PKI/etcd/peer"
  if [ -n "$kr_etcd_crt" ] && [ -e "${kr_etcd_crt%/*}/healthcheck-client.crt" ]; then
    kr_pki_cert etcd-healthcheck-client pair "${kr_etcd_crt%/*}/healthcheck-client.crt" "${kr_etcd_crt%/*}/healthcheck-client.key"
  fi
  kr_pick "$KCM_TEXT" cluster-signing-key-file
  kr_signing=$KR_PICK
  kr_path "$APISERVER_TEXT" client-ca-file "$KR_PKI/ca.crt"
  kr_pki_ca ca "$KR_PICK" "$kr_signing"
  kr_path "$APISERVER_TEXT" requestheader-client-ca-file "$KR_PKI/front-proxy-ca.crt"
  kr_pki_ca front-proxy-ca "$KR_PICK" ""
  kr_path "$ETCD_TEXT" trusted-ca-file "$KR_PKI/etcd/ca.crt"
  [ -n "$KR_PICK" ] || kr_pick "$APISERVER_TEXT" etcd-cafile
  kr_pki_ca etcd-ca "$KR_PICK" ""
  kr_path "$KCM_TEXT" kubeconfig "$KR_CONF_DIR/controller-manager.conf"
  [ -z "$KR_PICK" ] || kr_pki_conf controller-manager.conf kubeconfig "$KR_PICK"
  kr_path "$SCHEDULER_TEXT" kubeconfig "$KR_CONF_DIR/scheduler.conf"
  [ -z "$KR_PICK" ] || kr_pki_conf scheduler.conf kubeconfig "$KR_PICK"
  for kr_f in admin super-admin; do
    [ ! -e "$KR_CONF_DIR/$kr_f.conf" ] || kr_pki_conf "$kr_f.conf" kubeconfig "$KR_CONF_DIR/$kr_f.conf"
  done
}

# kr_pki_others COMPONENT TEXT MANIFEST: certificates and kubeconfigs that its flags name beside those; nothing of ours renews
# them. A flag may come more than once; those of the standard set start no process.
kr_pki_others() {
  kr_next=''
  set -f
  for kr_w in $2; do
    case $kr_w in
      -*=*) kr_next=${kr_w%%=*} kr_w=${kr_w#*=} ;;
      -*) kr_next=$kr_w; continue ;;
    esac
    case $kr_next in
      *certificate-authority | *ca-file | *cafile | *signing*cert-file) kr_kind=ca ;;
      *cert-file | *certfile | *client-certificate | *-tls-sni-cert-key) kr_kind=pair ;;
      *kubeconfig | *webhook-config-file) kr_kind=kubeconfig ;;
      *) kr_next=''; continue ;;
    esac
    kr_next=${kr_next#-}
    # --tls-sni-cert-key=CERT,KEY:NAMES
    case $kr_w in /*) kr_pki_other "$1|--${kr_next#-}|$kr_kind" "${kr_w%%,*}" "$3" ;; esac
    kr_next=''
  done
  set +f
}

# kr_pki_other COMPONENT|FLAG|KIND PATH MANIFEST: a static pod may see a file under another path than the node.
kr_pki_other() {
  case $KR_PEMS$KR_CONFS$NL in *"$NL$2$NL"*) return 0 ;; esac
  kr_f=$2
  [ ! -f "$3" ] || kr_f=$(kr_mounted "$3" "$2")
  kr_val other "$1|${kr_f:-$2}"
  case $1:$kr_f in
    *:) kr_record "$2" "" in_image ;;
    *kubeconfig:*)
      KR_CONFS=$KR_CONFS$NL$kr_f
      kr_kubeconfig "$kr_f"
      kr_pki_beside "$kr_f" ;;
    *) KR_PEMS=$KR_PEMS$NL$kr_f ;;
  esac
}

kr_pki_handshakes() {
  [ -n "$KR_OPENSSL" ] || return 0
  kr_pick "$APISERVER_TEXT" secure-port
  kr_port=${KR_PICK:-6443}
  kr_pick "$APISERVER_TEXT" advertise-address
  kr_host=$KR_PICK
  [ -n "$kr_host" ] || kr_pick "$APISERVER_TEXT" bind-address
  [ -n "$kr_host" ] || kr_host=$KR_PICK
  case $kr_host in
    *:*) kr_host="[$kr_host]" ;;
    0.0.0.0) kr_host=127.0.0.1 ;;
  esac
  kr_val apiserver "$kr_host:$kr_port"
  kr_s_ca
  [ -z "$APISERVER_TEXT" ] || kr_pki_served kube-apiserver "${kr_host:-127.0.0.1}:$kr_port" apiserver
  kr_pick "$ETCD_TEXT" listen-client-urls
  kr_pki_served etcd "$(kr_https_at "$KR_PICK")" etcd-server "$kr_etcd_crt" "$kr_etcd_key"
  kr_pick "$ETCD_TEXT" listen-peer-urls
  kr_pki_served etcd-peer "$(kr_https_at "$KR_PICK")" etcd-peer "$kr_etcd_crt" "$kr_etcd_key"
}

# Copies of admin.conf in home directories. A dead NFS home costs its two seconds, and comes last.
kr_pki_users() {
  # shellcheck disable=SC2016 # expanded by the inner sh, which timeout can end
  for kr_f in $(kr_limit 2 sh -c 'ls -d /root/.kube/config /home/*/.kube/config $(cut -d: -f6 /etc/passwd | sed -n "s#^/.*[^/]\$#&/.kube/config#p")' 2>/dev/null | sort -u); do
    kr_pki_conf "$kr_f" user_kubeconfig "$kr_f"
  done
}

# kr_pki_kubeadm: its version is the cluster's; starting it costs more than the rest of this section.
kr_pki_kubeadm() {
  kr_have kubeadm || return 0
  kr_v=
  [ -z "$APISERVER_MANIFEST" ] || kr_v=$(sed -n 's/^ *image: .*kube-apiserver[^:]*:v\([0-9][0-9.]*\).*/\1/p' "$APISERVER_MANIFEST" 2>/dev/null)
  [ -n "$kr_v" ] || kr_v=$(kr_limit 3 kubeadm version -o short 2>/dev/null)
  kr_val kubeadm "$kr_v"
}

kr_pki_control_plane() {
  kr_pki_components
  kr_pki_others kube-apiserver "$APISERVER_TEXT" "$APISERVER_MANIFEST"
  kr_pki_others etcd "$ETCD_TEXT" "$ETCD_MANIFEST"
  kr_pki_others kube-controller-manager "$KCM_TEXT" "$KCM_MANIFEST"
  kr_pki_others kube-scheduler "$SCHEDULER_TEXT" "$SCHEDULER_MANIFEST"
  kr_pki_pems
  kr_pki_keys
  kr_pki_kubeadm
  kr_pki_handshakes
}

kr_section_pki() {
  kr_val dir "$KR_PKI"
  kr_val conf_dir "$KR_CONF_DIR"
  KR_PEMS='' KR_PAIRS='' KR_CONFS='' KR_OPENSSL=''
  if kr_have openssl; then KR_OPENSSL=1; else kr_val openssl no; fi
  if [ -n "$APISERVER_TEXT$ETCD_TEXT$KCM_TEXT$SCHEDULER_TEXT" ] || [ -e "$KR_CONF_DIR/admin.conf" ] || [ -e "$KR_PKI/ca.key" ]; then
    kr_pki_control_plane
  fi
  KR_PEMS='' KR_PAIRS=''
  kr_pki_users
  kr_pki_pems
  kr_pki_keys
}
