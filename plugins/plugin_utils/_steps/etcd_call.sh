# shellcheck shell=sh
# Asks the JSON gateway of each client URL the same question; answers travel raw, to be read on the controller.
# KR_ARG_URLS, KR_ARG_PATH, KR_ARG_BODY, KR_ARG_LIMIT, KR_ARG_PEER_CA, KR_ARG_PEER_CERT, KR_ARG_PEER_KEY
kr_have curl || kr_refuse no_curl "there is no curl on this node to talk to etcd with: install it"
kr_n=0
for kr_u in $KR_ARG_URLS; do
  kr_value "reply_$kr_n" "$({ kr_limit $((KR_ARG_LIMIT + 2)) curl -sS -m "$KR_ARG_LIMIT" --noproxy '*' --cacert "$KR_ARG_PEER_CA" \
    --cert "$KR_ARG_PEER_CERT" --key "$KR_ARG_PEER_KEY" -w '\n@http=%{http_code}' -X POST -d "$KR_ARG_BODY" \
    "$kr_u$KR_ARG_PATH" 2>&1; } </dev/null | base64 | tr -d '\n')"
  kr_n=$((kr_n + 1))
done
