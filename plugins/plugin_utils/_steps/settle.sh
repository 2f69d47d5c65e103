# shellcheck shell=sh
# Waits, up to KR_ARG_SECONDS, until what was repaired lives again; changes nothing. Then, where KR_ARG_CANARY names it, writes,
# reads and deletes a ConfigMap through this node's own kube-apiserver. KR_ARG_COVERED: resources that it encrypts; all of them are
# read as well, and a Secret written here is read through every other master (KR_ARG_PEERS: https://ADDRESS:PORT).
# KR_ARG_WORKS: a Deployment of no replicas must be taken up by a controller as well.
# Masters: KR_ARG_ADDRESS, KR_ARG_PORT, KR_ARG_CA, KR_ARG_CERT, KR_ARG_KEY (as in kr_health), KR_ARG_CONFS (admin kubeconfigs), KR_ARG_NODES (Node names that should live).
# KR_ARG_LEADERS: also until controller-manager and scheduler lead and the nodes say Ready (a column that only leaders write).
# All: KR_ARG_HEALTHZ, where kubelet says that it is well (ADDRESS:PORT), or empty.
KR_URL=https://$(kr_host "$KR_ARG_ADDRESS"):$KR_ARG_PORT
KR_SEEN=
KR_CONF=

# kr_not_fresh: of the first and the newest lease lines (a line @now between), the wanted leases that are neither younger than
# 25 s by this node's clock nor renewed since the first look (clocks may differ).
kr_not_fresh() {
  awk -v now="$(date -u +%s)" -v wanted="$1" '
    function epoch(t,  a, y, m) {
      if (split(t, a, /[-T:.Z]/) < 6) return 0
      y = a[1]; m = a[2]
      if (m <= 2) { y--; m += 12 }
      return ((365 * y + int(y / 4) - int(y / 100) + int(y / 400) + int((153 * (m - 3) + 2) / 5) + a[3] - 719469) * 24 + a[4]) * 3600 + a[5] * 60 + a[6]
    }
    $1 == "@now" { second = 1; next }
    NF == 4 { key = $1 "/" $2; if (second) renewed[key] = $4; else before[key] = $4 }
    END {
      n = split(wanted, w, " ")
      for (i = 1; i <= n; i++) {
        r = renewed[w[i]]
        if (r == "" || (now - epoch(r) > 25 && (before[w[i]] == "" || before[w[i]] == r))) printf "%s ", w[i]
      }
    }'
}

# kr_wanted: the leases that should move.
kr_wanted() {
  [ -z "$KR_ARG_LEADERS" ] || printf 'kube-system/kube-controller-manager kube-system/kube-scheduler'
  for kr_n in $KR_ARG_NODES; do printf ' kube-node-lease/%s' "$kr_n"; done
}

# kr_read: the lease lines, read with the first admin kubeconfig that is accepted (KR_CONF).
kr_read() {
  for kr_c in $KR_ARG_CONFS; do
    [ -s "$kr_c" ] || continue
    KR_CONF=$kr_c
    KR_LEASES=$(kr_leases "$kr_c" "$KR_ARG_CA" 3 "$KR_URL")
    case $KR_LEASES in *@code=401* | *@code=403*) ;; *) break ;; esac
  done
}

# kr_look: what is still waited for, in KR_WAITS.
kr_look() {
  KR_WAITS=
  if [ -n "$KR_ARG_HEALTHZ" ] && ! kr_get /dev/null 3 "http://$KR_ARG_HEALTHZ/healthz" | grep -qx '@code=200'; then
    KR_WAITS="its kubelet to be healthy"
    return
  fi
  [ -n "$KR_ARG_ADDRESS" ] || return 0
  kr_said=$(kr_health "$KR_ARG_CA" 3 "$KR_ARG_CERT" "$KR_ARG_KEY" "$KR_URL/readyz")
  case $kr_said in
    *@code=200*) ;;
    *) KR_WAITS="its kube-apiserver to be ready ($(printf '%s\n' "$kr_said" | grep -E '^(@code=|curl: )' | head -n 1))"; return ;;
  esac
  kr_read
  case $KR_LEASES in
    *@code=200*@code=200*) ;;
    *) KR_WAITS="its kube-apiserver to let the leases be read ($(printf '%s\n' "$KR_LEASES" | grep -E '^(@code=|curl: )' | head -n 1))"; return ;;
  esac
  [ -n "$KR_SEEN" ] || KR_SEEN=$KR_LEASES
  kr_old=$(printf '%s\n@now\n%s\n' "$KR_SEEN" "$KR_LEASES" | kr_not_fresh "$(kr_wanted)")
  if [ -n "$kr_old" ]; then KR_WAITS="these leases to be renewed: ${kr_old% }"; return; fi
  [ -n "$KR_ARG_LEADERS" ] || return 0
  kr_table=$(kr_nodes "$KR_CONF" "$KR_ARG_CA" 3 "$KR_URL")
  for kr_n in $KR_ARG_NODES; do
    printf '%s\n' "$kr_table" | grep -qE "^$kr_n Ready(,| )" || KR_WAITS="${KR_WAITS:-these nodes to say Ready:} $kr_n"
  done
}

# kr_ask METHOD PATH [curl word…]: the answer's code, its body in KR_BODY.
kr_ask() {
  kr_method=$1 kr_path=$2
  shift 2
  KR_BODY=$(kr_as "$KR_CONF" "$KR_ARG_CA" 8 "$KR_URL$kr_path?pretty=0" -X "$kr_method" "$@")
  KR_CODE=$(printf '%s\n' "$KR_BODY" | sed -n 's/^@code=//p' | tail -n 1)
}

# kr_canary NAME RESOURCE KIND FIELD WANT: empty where one could be written, read (in FIELD, as WANT) and deleted, else what failed.
kr_canary() {
  kr_all=/api/v1/namespaces/kube-system/$2
  kr_body="{\"apiVersion\":\"v1\",\"kind\":\"$3\",\"metadata\":{\"name\":\"$1\"},\"$4\":{\"run\":\"$KR_RUN\"}}"
  kr_ask POST "$kr_all" -H 'Content-Type: application/json' --data "$kr_body"
  if [ "$KR_CODE" = 409 ]; then # left by a run that was killed
    kr_ask DELETE "$kr_all/$1"
    kr_ask POST "$kr_all" -H 'Content-Type: application/json' --data "$kr_body"
  fi
  [ "$KR_CODE" = 201 ] || { kr_said_of "write of $2"; return; }
  kr_own=$KR_URL
  for KR_URL in "$kr_own" $KR_ARG_PEERS; do
    kr_ask GET "$kr_all/$1"
    case $KR_CODE$KR_BODY in 200*"\"run\":\"$5\""*) ;; *) kr_said_of "read of $2 at $KR_URL"; return ;; esac
  done
  KR_URL=$kr_own
  kr_ask DELETE "$kr_all/$1"
  [ "$KR_CODE" = 200 ] || kr_said_of "delete of $2"
}

# kr_list RESOURCE: empty where all of it can be read, page by page; contents only pass through a pipe.
kr_list() {
  kr_at=$(kr_root "$1")
  [ -n "$kr_at" ] || return 0 # a configuration may name what no API serves
  kr_at=$KR_URL$kr_at/${1%%.*}
  kr_more=
  while :; do
    kr_got=$(kr_as "$KR_CONF" "$KR_ARG_CA" 30 "$kr_at?pretty=0&limit=500$kr_more" | tr '{' '\n' | tr ',' '\n' |
      grep -E '^("continue":"|"message":"|@code=|curl: )')
    case $kr_got in *@code=200*) ;; *@code=404*) return 0 ;; *) echo "list of $1: $(printf '%s' "$kr_got" | tr '\n' ' ' | cut -c1-300)"; return ;; esac
    kr_next=$(printf '%s\n' "$kr_got" | sed -n 's/^"continue":"\([^"]*\)".*/\1/p')
    [ -n "$kr_next" ] || return 0
    kr_more="&continue=$kr_next"
  done
}

# kr_works NAME: empty where the controller-manager takes up a Deployment of no replicas, else what failed.
kr_works() {
  kr_all=/apis/apps/v1/namespaces/kube-system/deployments
  kr_body="{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"$1\"},\"spec\":{\"replicas\":0,
    \"selector\":{\"matchLabels\":{\"app\":\"$1\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":\"$1\"}},
    \"spec\":{\"containers\":[{\"name\":\"canary\",\"image\":\"registry.k8s.io/pause:3.9\"}]}}}}"
  kr_ask POST "$kr_all" -H 'Content-Type: application/json' --data "$kr_body"
  case $KR_CODE in
    201 | 409) ;; # left by a run that was killed
    *) kr_said_of "write of deployments"; return ;;
  esac
  kr_no=
  kr_wait 30 "a controller to take up a Deployment" kr_taken_up "$1" >/dev/null || kr_no=$(kr_said_of "no controller has taken up a Deployment within 30 s")
  kr_ask DELETE "$kr_all/$1" -H 'Content-Type: application/json' --data '{"propagationPolicy":"Background"}'
  printf '%s' "$kr_no"
}

kr_taken_up() {
  kr_ask GET "$kr_all/$1"
  case $KR_CODE$KR_BODY in 200*'"observedGeneration":'*) return 0 ;; *) return 1 ;; esac
}

# kr_prove NAME: the first thing that fails; a ConfigMap, and where secrets are encrypted one of them, and all that is encrypted.
kr_prove() {
  kr_peers=$KR_ARG_PEERS
  KR_ARG_PEERS=
  kr_no=$(kr_canary "$1" configmaps ConfigMap data "$KR_RUN")
  KR_ARG_PEERS=$kr_peers
  for kr_covered in $KR_ARG_COVERED; do
    [ -z "$kr_no" ] || break
    kr_no=$(kr_list "$kr_covered")
    if [ -z "$kr_no" ] && [ "$kr_covered" = secrets ]; then
      kr_no=$(kr_canary "$1" secrets Secret stringData "$(printf %s "$KR_RUN" | base64 | tr -d '\n')")
    fi
  done
  [ -n "$kr_no" ] || [ -z "$KR_ARG_WORKS" ] || kr_no=$(kr_works "$1")
  echo "${kr_no:-ok}"
}

kr_said_of() {
  echo "$1: HTTP $KR_CODE $(printf '%s\n' "$KR_BODY" | grep -v '^@code=' | tr -s '\n\t ' ' ' | cut -c1-300)"
}

kr_tick
kr_begun=$KR_TICK
while :; do
  kr_look
  kr_tick
  kr_took=$((KR_TICK - kr_begun))
  if [ -z "$KR_WAITS" ] || [ "$kr_took" -ge "$KR_ARG_SECONDS" ]; then break; fi
  sleep 2
done
kr_value took "$kr_took"
[ -z "$KR_WAITS" ] || kr_value waits "$KR_WAITS"
if [ -n "$KR_ARG_CANARY" ] && [ -n "$KR_ARG_ADDRESS" ]; then
  if [ -z "$KR_CONF" ]; then kr_value canary "could not be tried: no answer to an admin kubeconfig"
  else kr_value canary "$(kr_prove "$KR_ARG_CANARY")"; fi
fi
