# shellcheck shell=sh
# A kubelet that waits for no certificate asks anew when it starts.
kr_limit 60 systemctl restart kubelet.service </dev/null >/dev/null 2>&1 || kr_fail "kubelet.service could not be started again"
kr_did "started the kubelet again, so that it asks for a serving certificate"
kr_wait 60 "the kubelet's own healthz to say ok" kr_kubelet_well "$KR_ARG_HEALTHZ" || kr_fail "the kubelet does not become healthy"
