# shellcheck shell=sh
# Where this cluster keeps its things: read from processes, unit files, drop-ins, environment files and manifests.
# Inventory overrides arrive as KR_SET_<NAME>.

# kr_process NAME: the command line of a running process, one word a line.
kr_process() {
  # By the kernel's short name first: two processes for each of thousands would cost seconds.
  for kr_p in $(grep -lxF "$(printf '%.15s' "$1")" /proc/[0-9]*/comm 2>/dev/null); do
    kr_w=$(tr '\000' '\n' <"${kr_p%comm}cmdline" 2>/dev/null | head -n 1)
    [ "${kr_w##*/}" = "$1" ] && { tr '\000' '\n' <"${kr_p%comm}cmdline" 2>/dev/null; return 0; }
  done
  return 1
}

# kr_unit NAME: the unit's text with its drop-ins and environment files.
kr_unit_files() {
  for kr_d in /usr/lib/systemd/system /lib/systemd/system /usr/local/lib/systemd/system /etc/systemd/system /run/systemd/system; do
    [ -L "${kr_d%/systemd/system}" ] && continue
    for kr_f in "$kr_d/$1.service" "$kr_d/$1.service.d"/*.conf; do
      [ -f "$kr_f" ] && [ -r "$kr_f" ] && echo "$kr_f"
    done
  done
}

kr_unit() {
  kr_unit_files "$1" | while read -r kr_u; do
    cat "$kr_u"
    sed -n 's/^EnvironmentFile=-\{0,1\}//p' "$kr_u" | while read -r kr_e; do [ ! -f "$kr_e" ] || cat "$kr_e" 2>/dev/null; done
  done
}

# kr_pick TEXT FLAG: the flag's last value in a command line, a unit (NAME=--flag=value too) or a manifest, into KR_PICK.
# Starts no process: there are dozens of flags to read.
kr_pick() {
  KR_PICK='' kr_next=''
  set -f
  for kr_w in $1; do
    kr_w=${kr_w#[\"\']}
    kr_w=${kr_w%,}
    kr_w=${kr_w%[\"\']}
    if [ -n "$kr_next" ]; then
      KR_PICK=$kr_w kr_next=''
      continue
    fi
    case $kr_w in
      *"--$2="*) KR_PICK=${kr_w#*"--$2="} ;; # also behind ARGS=" of an environment file
      "-$2="*) KR_PICK=${kr_w#*=} ;;
      "--$2" | "-$2") kr_next=1 ;;
    esac
  done
  set +f
  KR_PICK=${KR_PICK#[\"\']}
  KR_PICK=${KR_PICK%[\"\']}
}

# kr_flag TEXT FLAG DEFAULT: the same, printed.
kr_flag() {
  kr_pick "$1" "$2"
  printf '%s\n' "${KR_PICK:-$3}"
}

# kr_manifest COMPONENT: the static pod manifest that runs it, also where a run of ours put it aside.
kr_manifest() {
  # shellcheck disable=SC2086 # a list of paths
  kr_m=$(IFS=$NL; set -f; grep -lE -e "^ *component: *\"?$1\"? *\$" -e "^ *- *(/[a-z/]*)?$1 *\$" /dev/null $KR_POD_FILES 2>/dev/null | head -n 1)
  [ -n "$kr_m" ] || [ ! -e "$KR_MANIFESTS/$1.yaml" ] || kr_m=$KR_MANIFESTS/$1.yaml
  printf '%s\n' "$kr_m"
}

# kr_pod_files: the regular files among the manifests (a named pipe would keep its reader for ever), and those with a key in them.
kr_pod_files() {
  KR_POD_FILES=
  for kr_f in "$KR_MANIFESTS"/* "$KR_HELD"/*; do
    [ ! -f "$kr_f" ] || KR_POD_FILES=$KR_POD_FILES$NL$kr_f
  done
  # shellcheck disable=SC2086 # a list of paths
  KR_SECRET=$NL$(IFS=$NL; set -f; grep -lE 'PRIVATE KEY|client-key-data' /dev/null $KR_POD_FILES 2>/dev/null)$NL
}

# kr_words: of such a text only its flags with their values, one a line, behind a dot that says there was a text. Dozens of
# flags are looked up in it.
kr_words() {
  awk '
    NR == 1 { print "." }
    {
      gsub(/["\047\\]/, " ")
      gsub(/=--/, " --")
      for (i = 1; i <= NF; i++) {
        sub(/,$/, "", $i)
        if ($i == "") continue
        if ($i ~ /^--?[A-Za-z]/) { print $i; open = $i !~ /=/ }
        else if (open) { print $i; open = 0 }
      }
    }'
}

# kr_component NAME MANIFEST: how it was told to run: its manifest, else its unit, else its process.
kr_component() { kr_told "$1" "$2" | kr_words; }

kr_told() {
  if [ -f "$2" ] && [ -s "$2" ]; then cat "$2"; return; fi
  kr_t=$(kr_unit "$1")
  if [ -n "$kr_t" ]; then printf '%s\n' "$kr_t"; return; fi
  kr_process "$1"
}

# kr_etcd_reach: where this node's member is asked and with what; false where there is none.
kr_etcd_reach() {
  # Who listens everywhere is asked at the loopback address, which its certificate names.
  kr_urls=$(kr_flag "$ETCD_TEXT" listen-client-urls "" | tr ',' '\n' | sed 's#//0\.0\.0\.0:#//127.0.0.1:#; s#//\[::\]:#//[::1]:#')
  kr_etcd_url=$(printf '%s\n' "$kr_urls" | sed -n '/127\.0\.0\.1/p; /localhost/p; /\[::1\]/p' | head -n 1)
  [ -n "$kr_etcd_url" ] || kr_etcd_url=$(printf '%s\n' "$kr_urls" | head -n 1)
  [ -n "$kr_etcd_url" ] || return 1
  kr_etcd_ca=$(kr_flag "$ETCD_TEXT" trusted-ca-file "")
  kr_etcd_cert=$(kr_flag "$ETCD_TEXT" cert-file "")
  kr_etcd_key=$(kr_flag "$ETCD_TEXT" key-file "")
}

kr_discover() {
  KUBELET_TEXT=$({ kr_process kubelet || kr_unit kubelet; } | kr_words)
  KUBELET_CONFIG=${KR_SET_KUBELET_CONFIG:-$(kr_flag "$KUBELET_TEXT" config /var/lib/kubelet/config.yaml)}
  KUBELET_KUBECONFIG=${KR_SET_KUBELET_KUBECONFIG:-$(kr_flag "$KUBELET_TEXT" kubeconfig /etc/kubernetes/kubelet.conf)}
  KUBELET_BOOTSTRAP=$(kr_flag "$KUBELET_TEXT" bootstrap-kubeconfig "")
  KUBELET_ROOT=$(kr_flag "$KUBELET_TEXT" root-dir /var/lib/kubelet)
  KUBELET_PKI=$(kr_flag "$KUBELET_TEXT" cert-dir "$KUBELET_ROOT/pki")
  KR_MANIFESTS=${KR_SET_MANIFESTS:-$(sed -n 's/^staticPodPath: *"\{0,1\}\([^"]*\)"\{0,1\} *$/\1/p' "$KUBELET_CONFIG" 2>/dev/null | tail -n 1)}
  [ -n "$KR_MANIFESTS" ] || KR_MANIFESTS=$(kr_flag "$KUBELET_TEXT" pod-manifest-path /etc/kubernetes/manifests)
  KR_CONF_DIR=${KR_MANIFESTS%/*}
  KR_HELD=$KR_CONF_DIR/kuberevive-held
  kr_pod_files
  APISERVER_MANIFEST=$(kr_manifest kube-apiserver)
  APISERVER_TEXT=$(kr_component kube-apiserver "$APISERVER_MANIFEST")
  ETCD_MANIFEST=$(kr_manifest etcd)
  ETCD_TEXT=$(kr_component etcd "$ETCD_MANIFEST")
  KCM_MANIFEST=$(kr_manifest kube-controller-manager)
  KCM_TEXT=$(kr_component kube-controller-manager "$KCM_MANIFEST")
  SCHEDULER_MANIFEST=$(kr_manifest kube-scheduler)
  SCHEDULER_TEXT=$(kr_component kube-scheduler "$SCHEDULER_MANIFEST")
  kr_ca=$(kr_flag "$APISERVER_TEXT" client-ca-file "")
  KR_PKI=${KR_SET_PKI:-${kr_ca%/*}}
  [ -n "$KR_PKI" ] || KR_PKI=/etc/kubernetes/pki
  kr_socket=$(kr_flag "$KUBELET_TEXT" container-runtime-endpoint "")
  [ -n "$kr_socket" ] || kr_socket=$(sed -n 's/^containerRuntimeEndpoint: *"\{0,1\}\([^"]*\)"\{0,1\} *$/\1/p' "$KUBELET_CONFIG" 2>/dev/null | tail -n 1)
  KR_SOCKET=${KR_SET_RUNTIME_SOCKET:-${kr_socket#unix://}}
  case $KR_SOCKET in
    *containerd*) KR_RUNTIME=containerd ;;
    *crio*) KR_RUNTIME=crio ;;
    *docker*) KR_RUNTIME=docker ;;
    *) # No endpoint named: dockershim's era, else what is installed.
      if kr_unit_files docker | grep -q . && [ -n "$(kr_flag "$KUBELET_TEXT" network-plugin "")" ]; then KR_RUNTIME=docker
      elif kr_unit_files containerd | grep -q . && ! kr_unit_files docker | grep -q .; then KR_RUNTIME=containerd
      elif kr_unit_files docker | grep -q .; then KR_RUNTIME=docker
      elif kr_unit_files crio | grep -q .; then KR_RUNTIME=crio
      else KR_RUNTIME=none; fi ;;
  esac
  if [ -z "$KR_SOCKET" ]; then
    case $KR_RUNTIME in
      docker) KR_SOCKET=/var/run/docker.sock ;;
      containerd) KR_SOCKET=/run/containerd/containerd.sock ;;
      crio) KR_SOCKET=/var/run/crio/crio.sock ;;
    esac
  fi
}
