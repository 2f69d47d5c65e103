# shellcheck shell=sh
# A cluster that lives: who must be well before a master's certificates are touched, and what must show the new ones after.
# KR_ARG_ADDRESS, _PORT, _CA, _CERT, _KEY: this node's kube-apiserver, as in kr_health; KR_ARG_PEERS: https://ADDRESS:PORT of the other
# masters'; KR_ARG_VOTERS: client URLs of etcd's members, KR_ARG_VOTER_CA, _CERT, _KEY; KR_ARG_SHOWN: rows ADDRESS:PORT|PATH. Needs api.sh.

# kr_reads_at URL: a linearizable read, which only a voter with a quorum answers.
kr_reads_at() {
  kr_get "$KR_ARG_VOTER_CA" 5 --cert "$KR_ARG_VOTER_CERT" --key "$KR_ARG_VOTER_KEY" -d '{"key":"AA==","limit":"1"}' "$1/v3/kv/range" |
    grep -qx '@code=200'
}

# kr_all_well SECONDS URL-OF-APISERVER…: the first that is not, in KR_UNWELL.
kr_all_well() {
  kr_secs_each=$1
  KR_UNWELL=
  shift
  for kr_u in "$@"; do
    kr_wait "$kr_secs_each" "kube-apiserver at $kr_u to be ready" kr_ready_at 5 "$kr_u" || { KR_UNWELL="kube-apiserver at $kr_u is not ready"; return 1; }
  done
  for kr_u in $KR_ARG_VOTERS; do
    kr_wait "$kr_secs_each" "etcd at $kr_u to read with a quorum" kr_reads_at "$kr_u" || { KR_UNWELL="etcd at $kr_u reads nothing with a quorum"; return 1; }
  done
}

# kr_gate: before anything is touched.
kr_gate() {
  # shellcheck disable=SC2086 # a list of URLs
  kr_all_well 60 "https://$(kr_host "$KR_ARG_ADDRESS"):$KR_ARG_PORT" $KR_ARG_PEERS ||
    kr_refuse not_well "$KR_UNWELL, and nothing is touched while something else is not well: repair it first"
}

# kr_taken: every process shows its new certificate within 100 s (kube-apiserver looks at the file once a minute), and all is well; else why, in KR_UNWELL.
kr_taken() {
  KR_UNWELL=
  for kr_row in $KR_ARG_SHOWN; do
    kr_wait 100 "${kr_row%%|*} to show ${kr_row#*|}" kr_shows "${kr_row%%|*}" "${kr_row#*|}" ||
      { KR_UNWELL="what listens at ${kr_row%%|*} does not show the new ${kr_row#*|}"; return 1; }
  done
  kr_all_well 30 "https://$(kr_host "$KR_ARG_ADDRESS"):$KR_ARG_PORT"
}
