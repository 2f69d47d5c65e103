# shellcheck shell=sh
# The pair that the kubelet signed itself: kept, taken out of its way, and proven that it made and serves a new one; else put back.
# Where the kubelet does not run, only the pair is moved: kubelet_start starts it.
KR_CRT=$KR_ARG_CERT_DIR/kubelet.crt
KR_KEY=$KR_ARG_CERT_DIR/kubelet.key
kr_have openssl || kr_refuse no_openssl "openssl is not installed on this node, so nobody can prove what the kubelet serves"

# kr_good: what lies there is a pair and lives long enough.
kr_good() {
  [ -s "$KR_CRT" ] && [ -s "$KR_KEY" ] || return 1
  openssl x509 -in "$KR_CRT" -noout -checkend "$KR_ARG_LIVES" </dev/null >/dev/null 2>&1 || return 1
  [ "$(kr_cert_public <"$KR_CRT")" = "$(openssl pkey -in "$KR_KEY" -pubout </dev/null 2>/dev/null)" ]
}

kr_serves_it() { kr_good && kr_shows "$KR_ARG_AT" "$KR_CRT"; }

# kr_take FILE: away; this run's copy of it was made before.
kr_take() {
  [ -e "$1" ] || [ -L "$1" ] || return 0
  if kr_copy=$(kr_kept "$1") && [ ! -L "$1" ] && cmp -s "$1" "$kr_copy"; then
    rm -f "$1" || kr_fail "could not move $1 away"
    kr_journal "moved $1 to $kr_copy"
  else kr_aside "$1"; fi
}

kr_start() { kr_limit 60 systemctl start kubelet.service </dev/null >/dev/null 2>&1 || return 1; }

# kr_put_back WHY: the old pair again, and a kubelet that runs with it; the certificate first, see below.
kr_put_back() {
  kr_limit 60 systemctl stop kubelet.service </dev/null >/dev/null 2>&1
  for kr_f in "$KR_CRT" "$KR_KEY"; do
    kr_copy=$(kr_kept "$kr_f") || continue
    [ ! -e "$kr_f" ] || kr_aside "$kr_f"
    cp -a "$kr_copy" "$kr_f" || kr_note "could not put $kr_f back from $kr_copy"
  done
  systemctl reset-failed kubelet.service </dev/null >/dev/null 2>&1
  kr_start
  kr_wait 60 "the kubelet's own healthz to say ok" kr_kubelet_well "$KR_ARG_HEALTHZ" || kr_fail "$1; the old pair is back, and the kubelet is not healthy"
  kr_fail "$1; the old pair is back and the kubelet runs with it"
}

if ! kr_good; then
  kr_ran=
  ! kr_kubelet_well "$KR_ARG_HEALTHZ" || kr_ran=yes
  kr_backup "$KR_KEY" "$KR_CRT"
  [ -z "$kr_ran" ] || kr_stop_kubelet
  # The key first: a run that is cut short here leaves a certificate that is found again.
  kr_take "$KR_KEY"
  kr_take "$KR_CRT"
  kr_did "moved $KR_CRT and its key away"
  if [ -n "$kr_ran" ]; then
    kr_start || kr_put_back "the kubelet does not start without its old serving certificate"
    kr_wait 60 "the kubelet's own healthz to say ok" kr_kubelet_well "$KR_ARG_HEALTHZ" || kr_put_back "the kubelet does not become healthy without its old serving certificate"
    kr_wait 60 "the kubelet to serve a new certificate at $KR_ARG_AT" kr_serves_it || kr_put_back "the kubelet serves no new certificate at $KR_ARG_AT"
    kr_did "the kubelet started again and serves its new certificate until $(openssl x509 -in "$KR_CRT" -noout -enddate </dev/null | cut -d= -f2)"
  fi
fi
