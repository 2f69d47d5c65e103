# shellcheck shell=sh
# On a master: approve exactly the request that was judged (its resourceVersion goes with it), and wait until it is signed.
KR_PATH=/apis/certificates.k8s.io/$KR_ARG_VERSION/certificatesigningrequests/$KR_ARG_NAME

kr_issued() {
  kr_with 8 GET "$KR_PATH"
  case $KR_CODE$KR_BODY in 200*'"certificate":'*) return 0 ;; *) return 1 ;; esac
}

kr_admin
kr_with 10 PUT "$KR_PATH/approval" -H 'Content-Type: application/json' --data "$KR_ARG_BODY"
case $KR_CODE in
  200) kr_did "approved $KR_ARG_NAME: $KR_ARG_WHAT" ;;
  409) kr_refuse changed "$KR_ARG_NAME changed after it was judged: run again" ;;
  404) kr_refuse gone "$KR_ARG_NAME is gone: run again" ;;
  *) kr_fail "$KR_ARG_NAME could not be approved: $(kr_answered)" ;;
esac
kr_journal "approved $KR_ARG_NAME: $KR_ARG_WHAT"
kr_wait 90 "the controller manager to sign $KR_ARG_NAME" kr_issued ||
  kr_fail "$KR_ARG_NAME was approved, and nobody signed it: does a controller manager lead, and has it the CA's key?"
