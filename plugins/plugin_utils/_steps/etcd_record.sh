# shellcheck shell=sh
# Asks etcd's gateway something whose body is too long, or too private, for a command line. KR_ARG_PATH, KR_ARG_BODY;
# KR_ARG_PEER_ENDPOINT, KR_ARG_PEER_CA, KR_ARG_PEER_CERT, KR_ARG_PEER_KEY
kr_have curl || kr_refuse no_curl "there is no curl on this node to talk to etcd with: install it"
kr_value reply "$(printf %s "$KR_ARG_BODY" | kr_limit 12 curl -sS -m 10 --noproxy '*' --cacert "$KR_ARG_PEER_CA" \
  --cert "$KR_ARG_PEER_CERT" --key "$KR_ARG_PEER_KEY" -w '\n@http=%{http_code}' -X POST --data-binary @- \
  "$KR_ARG_PEER_ENDPOINT$KR_ARG_PATH" 2>&1 | base64 | tr -d '\n')"
