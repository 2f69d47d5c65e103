# shellcheck shell=sh
# Reads a range of etcd page by page, all pages at one revision, and prints of each record its name and the little that proves
# which key opens it: "r NAME HEAD TAIL", base64. Of what is stored in plain text only the first six bytes leave the node.
# KR_ARG_START, KR_ARG_END: keys, base64; KR_ARG_REVISION: 0 for now; KR_ARG_COUNT: records at most;
# KR_ARG_PEER_ENDPOINT, KR_ARG_PEER_CA, KR_ARG_PEER_CERT, KR_ARG_PEER_KEY
KR_BYTES=4000000 # of base64 that one page should have

# kr_page FROM LIMIT: curl's words come behind the answer, and {@cut where it did not come whole.
kr_page() {
  kr_limit 40 curl -sS -m 30 --noproxy '*' --cacert "$KR_ARG_PEER_CA" --cert "$KR_ARG_PEER_CERT" --key "$KR_ARG_PEER_KEY" -X POST \
    -d "{\"key\":\"$1\",\"range_end\":\"$KR_ARG_END\",\"limit\":\"$2\",\"revision\":\"$KR_ARG_REVISION\"}" \
    "$KR_ARG_PEER_ENDPOINT/v3/kv/range" 2>&1 </dev/null || printf '{@cut'
}

# kr_cut: records to stdout; of the page as a whole one line to stderr: RECORDS BYTES MORE REVISION LAST, or ! and what was said.
kr_cut() {
  awk -F'"' '
    BEGIN { RS = "{"; n = size = more = 0; revision = last = "" }
    match($0, /"revision":"[0-9]+"/) && revision == "" { revision = substr($0, RSTART + 12, RLENGTH - 13) }
    $2 == "key" {
      value = ""
      for (i = 5; i < NF; i++) if ($i == "value") { value = $(i + 2); break }
      size += length(value)
      mark = substr(value, 1, 15)
      if (mark == "azhzOmVuYzprbXM") print "r", $4, substr(value, 1, 16384), "-"
      else if (substr(mark, 1, 10) == "azhzOmVuYz") print "r", $4, substr(value, 1, 224), substr(value, length(value) - 47)
      else print "r", $4, substr(value, 1, 8), "-"
      n++
      last = $4
    }
    /^@cut/ { cut = 1; next }
    revision == "" || /^curl: |\ncurl: / { said = said $0 }
    /"more":true/ { more = 1 }
    /"count":"/ { whole = 1 }
    END {
      gsub(/[ \t\r\n]+/, " ", said)
      if (cut || revision == "") print "!", substr(said, 1, 400) >"/dev/stderr"
      else if (n > 0 && !whole) print "! its answer has no end" >"/dev/stderr"
      else print n, size, more, revision, last >"/dev/stderr"
    }'
}

kr_have curl || kr_refuse no_curl "there is no curl on this node to read etcd with: install it"
exec 4>&1
kr_from=$KR_ARG_START kr_many=100 kr_read=0
while :; do
  kr_said=$(kr_page "$kr_from" "$kr_many" | kr_cut 2>&1 >&4)
  case $kr_said in '!'*) kr_fail "etcd does not let its records be read: ${kr_said#! }" ;; esac
  # shellcheck disable=SC2086 # words of kr_cut, base64 and numbers
  set -- $kr_said
  KR_ARG_REVISION=$4
  kr_read=$((kr_read + $1))
  if [ "$3" = 0 ] || [ "$1" = 0 ]; then kr_from=; break; fi
  kr_from=$({ printf %s "$5" | base64 -d; printf '\0'; } | base64 | tr -d '\n')
  if [ "$kr_read" -ge "$KR_ARG_COUNT" ]; then break; fi
  # Values may be large, and etcd makes up a page in its memory: as many records as fit into KR_BYTES by the last page.
  kr_many=$((KR_BYTES / ($2 / $1 + 1)))
  if [ "$kr_many" -gt 2000 ]; then kr_many=2000; elif [ "$kr_many" -lt 10 ]; then kr_many=10; fi
done
kr_value revision "$KR_ARG_REVISION"
kr_value next "$kr_from"
