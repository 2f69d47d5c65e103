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

KR_UNIT_DIRS='/etc/systemd/system /run/systemd/system /usr/local/lib/systemd/system /usr/lib/systemd/system /lib/systemd/system'

# kr_unit_files NAME: the unit's file and its drop-ins, as systemd reads them: of one name the one in the first directory.
kr_unit_files() {
  kr_ins=
  for kr_d in $KR_UNIT_DIRS; do
    [ -L "${kr_d%/systemd/system}" ] && continue
    if [ -z "$kr_ins" ] && [ -f "$kr_d/$1.service" ] && [ -r "$kr_d/$1.service" ]; then kr_ins=$kr_d/$1.service; echo "$kr_ins"; fi
  done
  for kr_d in $KR_UNIT_DIRS; do
    [ -L "${kr_d%/systemd/system}" ] && continue
    for kr_f in "$kr_d/$1.service.d"/*.conf; do
      [ ! -f "$kr_f" ] || [ ! -r "$kr_f" ] || echo "$kr_f"
    done
  done | awk -F/ '!($NF in seen) { seen[$NF] = 1; print $NF "/" $0 }' | sort -t/ -k1,1 | cut -d/ -f2-
}

# kr_unit_starts: into KR_STARTS, FILE:ExecStart=… of the units that start any of the components. A node has hundreds of units:
# they are read once, and not at all where every component has its manifest.
KR_STARTS=
kr_unit_starts() {
  [ -z "$KR_STARTS" ] || return 0
  kr_units=
  for kr_d in $KR_UNIT_DIRS; do [ -L "${kr_d%/systemd/system}" ] || kr_units="$kr_units $kr_d/*.service"; done
  # shellcheck disable=SC2086 # patterns of paths
  KR_STARTS=none$NL$(grep -sE '^ExecStart=[-@:+!]*"?[^ "]*/(kube-apiserver|etcd|kube-controller-manager|kube-scheduler)([ "]|$)' /dev/null $kr_units 2>/dev/null)
}

# kr_unit_of COMPONENT: the name of the unit that runs it, its own or one that names the program (etcd-member, etcd3).
kr_unit_of() {
  for kr_d in $KR_UNIT_DIRS; do
    if [ -f "$kr_d/$1.service" ]; then printf '%s\n' "$1"; return; fi
  done
  kr_unit_starts
  case $KR_STARTS in
    *"/$1"*) printf '%s\n' "$KR_STARTS" | grep -E ":ExecStart=[-@:+!]*\"?[^ \"]*/$1([ \"]|\$)" | sed -n '1s#^.*/\(.*\)\.service:ExecStart=.*#\1#p' ;;
  esac
}

# kr_unit NAME: how the unit tells its program to run: ExecStart as it counts after all drop-ins, its variables in their places;
# what tells etcd by its environment, as flags.
# shellcheck disable=SC2016 # fields of awk
KR_UNIT='
  # One word after the other as systemd cuts them, into word[1..n].
  function cut(text,   i, c, quote, open) {
    n = 0; open = 0; quote = ""
    for (i = 1; i <= length(text); i++) {
      c = substr(text, i, 1)
      if (quote == "" && (c == " " || c == "\t")) { open = 0; continue }
      if (!open) { open = 1; word[++n] = "" }
      if (quote == "" && (c == "\"" || c == "\047")) quote = c
      else if (c == quote) quote = ""
      else if (c == "\\" && quote != "\047") word[n] = word[n] substr(text, ++i, 1)
      else word[n] = word[n] c
    }
  }
  function set(text) { if (match(text, /^[A-Za-z_][A-Za-z0-9_]*=/)) env[substr(text, 1, RLENGTH - 1)] = substr(text, RLENGTH + 1) }
  function read_env(file,   line, all) {
    all = ""
    while ((getline line < file) > 0) {
      sub(/\r$/, "", line)
      if (all == "") sub(/^[ \t]+/, "", line)
      if (all == "" && line ~ /^[#;]/) continue
      if (line ~ /\\$/) { all = all substr(line, 1, length(line) - 1) " "; continue }
      take_env(all line); all = ""
    }
    take_env(all)
    close(file)
  }
  function take_env(text,   name) {
    sub(/^export[ \t]+/, "", text)
    if (!match(text, /^[A-Za-z_][A-Za-z0-9_]*[ \t]*=/)) return
    name = substr(text, 1, RLENGTH - 1); text = substr(text, RLENGTH + 1)
    gsub(/[ \t]/, "", name); sub(/^[ \t]+/, "", text); sub(/[ \t]+$/, "", text)
    if (text ~ /^".*"$/ || text ~ /^\047.*\047$/) text = substr(text, 2, length(text) - 2)
    env[name] = text
  }
  function fill(text,   out, name) {
    out = ""
    while (match(text, /\$(\{[A-Za-z_][A-Za-z0-9_]*\}|[A-Za-z_][A-Za-z0-9_]*)/)) {
      name = substr(text, RSTART + 1, RLENGTH - 1)
      gsub(/[{}]/, "", name)
      out = out substr(text, 1, RSTART - 1) env[name]
      text = substr(text, RSTART + RLENGTH)
    }
    return out text
  }
  FNR == 1 { section = ""; held = "" }
  { sub(/\r$/, "") }
  held != "" && /^[ \t]*[#;]/ { next }
  /\\$/ { held = held substr($0, 1, length($0) - 1) " "; next }
  { line = held $0; held = "" }
  line ~ /^[ \t]*([#;].*)?$/ { next }
  line ~ /^\[/ { section = line; next }
  section !~ /^\[Service\]/ || line !~ /=/ { next }
  {
    key = value = line
    sub(/[ \t]*=.*/, "", key); sub(/^[^=]*=[ \t]*/, "", value); sub(/[ \t]+$/, "", value)
    if (key == "ExecStart") exec = value == "" ? "" : exec " " value
    else if (key == "Environment" && value == "") split("", env)
    else if (key == "Environment") { cut(value); for (i = 1; i <= n; i++) set(word[i]) }
    else if (key == "EnvironmentFile" && value == "") files = 0
    else if (key == "EnvironmentFile") { sub(/^-/, "", value); gsub(/"/, "", value); file[++files] = value }
  }
  END {
    for (i = 1; i <= files; i++) read_env(file[i])
    sub(/^ *[-@:+!]*/, "", exec)
    cut(exec)
    print word[1]
    # Its flags count more than its environment.
    if (word[1] ~ /(^|\/)etcd$/) for (name in env) if (name ~ /^ETCD_/ && name !~ /PASS|SECRET|TOKEN/) {
      flag = tolower(substr(name, 6)); gsub(/_/, "-", flag)
      print "--" flag "=" env[name]
    }
    for (i = 2; i <= n; i++) print fill(word[i])
  }'

kr_unit() {
  kr_fs=$(kr_unit_files "$1")
  # shellcheck disable=SC2086 # a list of paths
  [ -z "$kr_fs" ] || (IFS=$NL; set -f; awk "$KR_UNIT" $kr_fs 2>/dev/null)
}

# kr_unit_sources UNIT: its files, and the environment files that they name.
kr_unit_sources() {
  kr_unit_files "$1" | while read -r kr_f; do
    echo "$kr_f"
    sed -n 's/^EnvironmentFile=-\{0,1\}//p' "$kr_f" | while read -r kr_e; do [ ! -f "$kr_e" ] || echo "$kr_e"; done
  done
}

# kr_unit_told UNIT TEXT: its files, and of its flags each as --flag=value; what may be a secret only by name.
kr_unit_told() {
  kr_unit_files "$1" | while read -r kr_f; do kr_val unit_file "$kr_f"; done
  printf '%s\n' "$2" | awk '
    function tell() {
      sub(/^--?/, "--", flag)
      if (flag ~ /^--[^=]*(pass|secret|token)[a-z]*=/ || flag ~ /:\/\/[^\/]*@/) sub(/=.*/, "", flag)
      if (flag != "") print "val\tflag\t" flag
      flag = ""
    }
    /^-/ { tell(); flag = $0; next }
    flag != "" && flag !~ /=/ { flag = flag "=" $0; tell() }
    END { tell() }'
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

# kr_component NAME MANIFEST UNIT: how it was told to run: its manifest, else its unit, else its process.
kr_component() { kr_told "$@" | kr_words; }

kr_told() {
  if [ -f "$2" ] && [ -s "$2" ]; then cat "$2"; return; fi
  kr_t=
  [ -z "$3" ] || kr_t=$(kr_unit "$3")
  case $kr_t in *"$NL-"*) ;; *) kr_process "$1" && return ;; esac # a unit may run a script that knows the flags
  [ -z "$kr_t" ] || printf '%s\n' "$kr_t"
}

# kr_runs_as NAME: into KR_MANIFEST or KR_UNIT_NAME what runs it here, and into KR_TEXT how it is told to run.
kr_runs_as() {
  KR_MANIFEST=$(kr_manifest "$1") KR_UNIT_NAME=
  [ -n "$KR_MANIFEST" ] || { kr_unit_starts; KR_UNIT_NAME=$(kr_unit_of "$1"); }
  KR_TEXT=$(kr_component "$1" "$KR_MANIFEST" "$KR_UNIT_NAME")
}

# kr_etcd_used: a unit that came with a package, that nothing starts and that has no data, is no member.
kr_etcd_used() {
  if kr_process etcd >/dev/null; then return 0; fi
  for kr_f in /etc/systemd/system/*.wants/"$ETCD_UNIT.service"; do [ ! -L "$kr_f" ] || return 0; done
  kr_limit 2 ls -d "$(kr_flag "$ETCD_TEXT" data-dir /var/lib/etcd)/member" >/dev/null 2>&1
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
  kr_runs_as kube-apiserver
  APISERVER_MANIFEST=$KR_MANIFEST APISERVER_UNIT=$KR_UNIT_NAME APISERVER_TEXT=$KR_TEXT
  kr_runs_as etcd
  ETCD_MANIFEST=$KR_MANIFEST ETCD_UNIT=$KR_UNIT_NAME ETCD_TEXT=$KR_TEXT
  [ -z "$ETCD_UNIT" ] || kr_etcd_used || ETCD_UNIT='' ETCD_TEXT=''
  kr_runs_as kube-controller-manager
  KCM_MANIFEST=$KR_MANIFEST KCM_UNIT=$KR_UNIT_NAME KCM_TEXT=$KR_TEXT
  kr_runs_as kube-scheduler
  SCHEDULER_MANIFEST=$KR_MANIFEST SCHEDULER_UNIT=$KR_UNIT_NAME SCHEDULER_TEXT=$KR_TEXT
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
