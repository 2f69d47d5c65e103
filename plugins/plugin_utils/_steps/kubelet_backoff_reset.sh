# shellcheck shell=sh
# Restarts kubelet: its CrashLoopBackOff (up to 5 min) lives in its memory, containers go on running.
# KR_ARG_KUBELET_STARTED: epoch second of the kubelet that was seen; a newer one has no back-off any more.
# KR_ARG_HEALTHZ: where it says that it is well (ADDRESS:PORT), or empty.
kr_healthy() { kr_get /dev/null 3 "http://$KR_ARG_HEALTHZ/healthz" | grep -qx '@code=200'; }

kr_since=$(kr_started kubelet) || kr_since=0
if [ "$kr_since" -gt "$((KR_ARG_KUBELET_STARTED + 2))" ]; then
  kr_note "kubelet has been restarted meanwhile"
else
  kr_journal "restart kubelet"
  kr_limit 60 systemctl restart kubelet || kr_fail "kubelet could not be restarted: $(systemctl is-active kubelet 2>&1)"
  kr_did "restarted kubelet, so that it starts at once what it held in CrashLoopBackOff"
fi
if kr_have curl && [ -n "$KR_ARG_HEALTHZ" ]; then
  kr_wait 60 "kubelet to say that it is healthy" kr_healthy || kr_fail "kubelet was restarted but is not healthy within 60 s"
fi
