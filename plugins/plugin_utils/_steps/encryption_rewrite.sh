# shellcheck shell=sh
# Has kube-apiserver write records again, as they are, so that it encrypts them with its first key. Contents stay in this
# shell's memory and its pipes. Prints "f NAME WHY" for what was not rewritten.
# KR_ARG_RECORDS: lines RESOURCE NAMESPACE NAME (NAMESPACE - for none); KR_ARG_ADDRESS, KR_ARG_PORT, KR_ARG_CA: of this node's
# kube-apiserver; KR_ARG_CONFS: admin kubeconfigs, the first that is there is used.

# kr_rewrite RESOURCE NAMESPACE NAME: empty where done, or gone meanwhile; else why not.
kr_rewrite() {
  if [ "$1" != "$KR_KNOWN" ]; then KR_KNOWN=$1 KR_ROOT=$(kr_root "$1"); fi
  [ -n "$KR_ROOT" ] || { echo "no API serves $1"; return; }
  kr_at=$KR_URL$KR_ROOT/${1%%.*}/$3
  [ "$2" = - ] || kr_at=$KR_URL$KR_ROOT/namespaces/$2/${1%%.*}/$3
  kr_tries=0
  while :; do
    kr_is=$(kr_as "$KR_CONF" "$KR_ARG_CA" 20 "$kr_at?pretty=0")
    case $kr_is in *@code=404*) return ;; *@code=200*) ;; *) kr_short "$kr_is"; return ;; esac
    kr_said=$(printf '%s\n' "${kr_is%@code=200*}" | {
      exec 5<&0
      kr_as "$KR_CONF" "$KR_ARG_CA" 20 "$kr_at?pretty=0" -X PUT -H 'Content-Type: application/json' --data-binary @/proc/self/fd/5 -o /dev/null
    })
    case $kr_said in *@code=200*) return ;; esac
    kr_tries=$((kr_tries + 1)) # 409: somebody else wrote it meanwhile
    if [ "$kr_tries" -ge 5 ]; then kr_short "$kr_said"; return; fi
  done
}

# kr_short TEXT: the code and curl's own words, nothing of a body.
kr_short() { printf '%s\n' "$1" | grep -E '^(@code=[0-9]*|curl: .*)$' | tr '\n' ' '; }

KR_URL=https://$(kr_host "$KR_ARG_ADDRESS"):$KR_ARG_PORT
KR_CONF=$(for kr_c in $KR_ARG_CONFS; do if [ -s "$kr_c" ]; then echo "$kr_c"; break; fi; done)
[ -n "$KR_CONF" ] || kr_refuse no_admin "there is no admin kubeconfig ($KR_ARG_CONFS) on this node to have records rewritten with"
kr_have curl || kr_refuse no_curl "there is no curl on this node to talk to kube-apiserver with: install it"
KR_KNOWN='' KR_ROOT=''
printf '%s\n' "$KR_ARG_RECORDS" | {
  kr_count=0
  while read -r kr_res kr_ns kr_name; do
    [ -n "$kr_name" ] || continue
    kr_why=$(kr_rewrite "$kr_res" "$kr_ns" "$kr_name" </dev/null)
    if [ -z "$kr_why" ]; then kr_count=$((kr_count + 1)); else echo "f $kr_ns/$kr_name $kr_why"; fi
  done
  kr_value rewritten "$kr_count"
}
