# shellcheck shell=sh
# State files kubelet cannot read: it makes new ones.
IFS='
'
for kr_state in $KR_ARG_PATHS; do
  [ -e "$kr_state" ] || continue
  kr_stop_kubelet
  kr_aside "$kr_state"
  kr_did "moved $kr_state away"
done
