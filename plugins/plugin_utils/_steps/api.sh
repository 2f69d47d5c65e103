# shellcheck shell=sh
# How a node's own apiserver and processes are asked; the probe and the steps share it. Needs kr_have and kr_limit.
# The apiserver's certificate is always verified. A key goes through a pipe, never into an argument or a file.

# kr_listens PORT: something on this node accepts connections there.
kr_listens() {
  cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
    awk -v p="$(printf '%04X' "$1")" '{ n = split($2, a, ":"); if (a[n] == p && $4 == "0A") f = 1 } END { exit !f }'
}

# kr_unit_log UNIT LINES: the end of its journal since this node's start, each line with its time.
kr_unit_log() {
  kr_have journalctl || return 0
  kr_limit 4 journalctl -u "$1.service" --since "@$(kr_began /proc/1/stat)" -n "$2" -o short-iso --no-pager 2>/dev/null |
    sed '/^-- /d' | cut -c1-2000
}

# kr_unit_state UNIT
kr_unit_state() {
  kr_limit 3 systemctl show --no-pager -p Id -p LoadState -p ActiveState -p SubState -p UnitFileState -p Result -p NRestarts -p Restart \
    -p DropInPaths "$1.service"
}

# kr_started NAME: epoch second at which the newest running process of that name (15 characters, as the kernel keeps it)
# began; fails where none runs.
kr_started() {
  kr_stats=$(grep -lxF "$(printf '%.15s' "$1")" /proc/[0-9]*/comm 2>/dev/null | sed 's/comm$/stat/')
  [ -n "$kr_stats" ] || return 1
  # shellcheck disable=SC2086 # a list of paths below /proc
  kr_began $kr_stats
}

# kr_began /proc/PID/stat…: epoch second at which the newest of these processes began.
kr_began() {
  kr_hz=$(getconf CLK_TCK 2>/dev/null) || kr_hz=100
  # cat goes on when a process ends meanwhile, awk on the files would not.
  cat /proc/stat "$@" 2>/dev/null | awk -v hz="${kr_hz:-100}" '
    $1 == "btime" { b = $2 }
    /^[0-9]+ \(/ { sub(/^[0-9]+ \(.*\) /, ""); if ($1 != "Z" && $20 > s) s = $20 }
    END { if (s == "") exit 1; printf "%d\n", b + s / hz }'
}

# kr_host ADDRESS: as it stands in a URL.
kr_host() { case $1 in *:*) echo "[$1]" ;; *) echo "$1" ;; esac; }

# kr_pod_log COMPONENT: path of the newest log of that kube-system container; its name is the number of restarts.
kr_pod_log() {
  # shellcheck disable=SC2012 # names made by kubelet, by time
  ls -1t /var/log/pods/kube-system_"$1"-*/"$1"/*.log 2>/dev/null | head -n 1
}

# kr_get CA SECONDS URL… [curl word…]: each answer's body, then a line @code=NNN (000: none) and curl's own words.
kr_get() {
  kr_ca=$1 kr_max=$2
  shift 2
  kr_limit $((kr_max * 3)) curl -sS --noproxy '*' --connect-timeout 2 --max-time "$kr_max" --cacert "$kr_ca" \
    -w '\n@code=%{http_code}\n' "$@" 2>&1
}

# kr_health CA SECONDS CERT KEY URL…: kr_get; where nobody may ask without a name, with this certificate (kube-apiserver's own
# as kubelets' client: every version lets it see the paths of its health), behind a line @anonymous=no.
kr_health() {
  kr_ca=$1 kr_max=$2 kr_crt=$3 kr_own=$4
  shift 4
  kr_first=$(kr_get "$kr_ca" "$kr_max" "$@")
  case $kr_first in
    *@code=401*)
      echo @anonymous=no
      kr_get "$kr_ca" "$kr_max" "$@" --cert "$kr_crt" --key "$kr_own" ;;
    *) printf '%s\n' "$kr_first" ;;
  esac
}

# kr_ready_at SECONDS URL: that kube-apiserver says that it is ready. KR_ARG_CA, KR_ARG_CERT, KR_ARG_KEY: as in kr_health.
kr_ready_at() { kr_health "$KR_ARG_CA" "$1" "$KR_ARG_CERT" "$KR_ARG_KEY" "$2/readyz" | grep -qx '@code=200'; }

# kr_newer NAME SECOND: a process of that name runs that began later; the kernel's time of boot wavers by a second.
kr_newer() { kr_now=$(kr_started "$1") && [ "$kr_now" -gt "$(($2 + 1))" ]; }

# kr_conf_word KUBECONFIG KEY: the first value of that key.
kr_conf_word() { sed -n "s/^[ -]*$2: *[\"']\{0,1\}\([^\"' ]*\)[\"']\{0,1\} *\$/\1/p;/^[ -]*$2:/q" "$1" 2>/dev/null; }

# kr_beside FILE PATH: a path in a kubeconfig is relative to where the kubeconfig lies.
kr_beside() { case $2 in /* | '') echo "$2" ;; *) echo "${1%/*}/$2" ;; esac; }

# kr_as KUBECONFIG CA SECONDS URL [curl word…]: kr_get with the kubeconfig's client certificate.
kr_as() {
  kr_conf=$1
  shift
  kr_crt=$(kr_conf_word "$kr_conf" client-certificate)
  if [ -n "$kr_crt" ]; then
    kr_get "$@" --cert "$(kr_beside "$kr_conf" "$kr_crt")" \
      --key "$(kr_beside "$kr_conf" "$(kr_conf_word "$kr_conf" client-key)")"
    return
  fi
  kr_conf_word "$kr_conf" client-certificate-data | base64 -d 2>/dev/null | {
    exec 3<&0
    kr_conf_word "$kr_conf" client-key-data | base64 -d 2>/dev/null |
      kr_get "$@" --cert /proc/self/fd/3 --key /proc/self/fd/0
  }
}

# kr_lease_lines: of LeaseLists on stdin, one lease a line: NAMESPACE NAME HOLDER RENEWED (- where not said);
# code and error lines of kr_get pass.
kr_lease_lines() {
  tr '{' '\n' | awk '
    function word(key) {
      if (!match($0, "\"" key "\":\"[^\"]*\"")) return "-"
      key = substr($0, RSTART + length(key) + 4, RLENGTH - length(key) - 5)
      return key == "" ? "-" : key
    }
    /^@code=|^curl: / { print; next }
    /^"name":"/ { space = word("namespace"); name = word("name"); next }
    /^"(holderIdentity|leaseDurationSeconds|acquireTime|renewTime)"/ { print space, name, word("holderIdentity"), word("renewTime") }'
}

# kr_node_lines: of a Table of nodes on stdin: NAME STATUS ROLES.
kr_node_lines() {
  tr '{' '\n' | sed -n -e '/^@code=/p' -e '/^curl: /p' -e 's/^"cells":\["\([^"]*\)","\([^"]*\)","\([^"]*\)".*/\1 \2 \3/p'
}

# kr_leases KUBECONFIG CA SECONDS https://ADDRESS:PORT. One question at a time: the key can be read from its pipe only once.
kr_leases() {
  for kr_space in kube-node-lease kube-system; do
    kr_as "$1" "$2" "$3" "$4/apis/coordination.k8s.io/v1/namespaces/$kr_space/leases?pretty=0"
  done | kr_lease_lines
}

# kr_nodes KUBECONFIG CA SECONDS https://ADDRESS:PORT
kr_nodes() {
  kr_as "$1" "$2" "$3" "$4/api/v1/nodes?pretty=0&includeObject=None" \
    -H 'Accept: application/json;as=Table;v=v1;g=meta.k8s.io' | kr_node_lines
}

# kr_requests KUBECONFIG CA SECONDS https://ADDRESS:PORT: what kubelets ask to be signed as their serving certificates and nobody has
# approved or denied: each as one line of JSON, of each who asks the three newest (all of a day lie there); @version= the API's.
kr_requests() {
  for kr_v in v1 v1beta1; do
    kr_list=$4/apis/certificates.k8s.io/$kr_v/certificatesigningrequests
    echo "@version=$kr_v"
    kr_as "$1" "$2" "$3" "$kr_list?pretty=0&fieldSelector=spec.signerName%3Dkubernetes.io%2Fkubelet-serving" | kr_request_lines || return 0
  done
}

# kr_request_lines: of such a list on stdin; code and error lines of kr_get pass. True where that version is not there.
kr_request_lines() {
  awk '{ gsub(/\{"metadata":\{"name":"/, "\n&"); print }' | awk '
    function word(key) {
      if (!match($0, "\"" key "\":\"[^\"]*\"")) return ""
      return substr($0, RSTART + length(key) + 4, RLENGTH - length(key) - 5)
    }
    /^@code=404/ { gone = 1 }
    /^@code=|^curl: / { print; next }
    !/^\{"metadata":\{"name":"/ || !/"status":\{\}/ || length($0) > 32768 { next }
    {
      who = word("username"); at = word("creationTimestamp")
      for (i = 1; i <= 3; i++) if (!((who, i) in line) || at > when[who, i]) break
      if (i > 3) next
      for (j = 3; j > i; j--) if ((who, j - 1) in line) { line[who, j] = line[who, j - 1]; when[who, j] = when[who, j - 1] }
      line[who, i] = $0; when[who, i] = at
    }
    END { for (each in line) print line[each]; exit !gone }'
}

# kr_root RESOURCE: path below which its group's preferred version is served, at KR_URL with KR_CONF (empty: nowhere).
kr_root() {
  case $1 in
    *.*) ;;
    *) echo /api/v1; return ;;
  esac
  # shellcheck disable=SC2153 # the caller's
  kr_as "$KR_CONF" "$KR_ARG_CA" 10 "$KR_URL/apis/${1#*.}?pretty=0" |
    sed -n 's|.*"preferredVersion":{"groupVersion":"\([^"]*\)".*|/apis/\1|p'
}
