# shellcheck shell=sh
# On a master: what this node's kubelet asks to be signed as its serving certificate, and nobody has approved yet.
kr_admin
kr_lines=$(kr_requests "$KR_CONF" "$KR_ARG_CA" 10 "$KR_URL")
case $kr_lines in
  *@code=200*) ;;
  *) kr_fail "$KR_URL does not tell what kubelets ask: $(printf '%s\n' "$kr_lines" | grep -E '^(@code=|curl: )' | tail -n 1)" ;;
esac
kr_value api "$(printf '%s\n' "$kr_lines" | sed -n 's/^@version=//p' | tail -n 1)"
kr_i=0
printf '%s\n' "$kr_lines" | grep -F "\"username\":\"system:node:$KR_ARG_NODE_NAME\"" | while read -r kr_line; do
  kr_i=$((kr_i + 1))
  kr_value "request_$kr_i" "$(printf '%s' "$kr_line" | base64 | tr -d '\n')"
done
