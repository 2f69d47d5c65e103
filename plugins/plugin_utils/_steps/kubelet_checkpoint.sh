# shellcheck shell=sh
# State files kubelet cannot read: it makes new ones. A running one would write them again, so it is stopped (the copy is made
# before: without room for it nothing happens), and kubelet_start, planned with this step, starts it.
IFS='
'
for kr_state in $KR_ARG_PATHS; do
  [ -e "$kr_state" ] || continue
  kr_backup "$kr_state"
  kr_stop_kubelet
  rm -rf "$kr_state" || kr_fail "could not remove $kr_state"
  kr_did "moved $kr_state away"
done
