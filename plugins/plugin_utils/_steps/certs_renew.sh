# shellcheck shell=sh
# Renews certificates of one master: by kubeadm where it can, by openssl from the CA where it cannot, and proves each.
# KR_ARG_LIVING: not empty where the cluster lives and nobody shall notice, see certs_living.sh.
# Rows: name|kind|path|key|CA|CA's key|CN|O,O|SANs|usages|server|cluster (see _steps/pki.py).

kr_seconds=$((KR_ARG_WITHIN * 86400))
# What a new one must last: so long that it is not renewed again at once, where the CA itself lasts. How long the cluster lets
# its certificates live beyond that (certificateValidityPeriod of kubeadm) is its own choice.
kr_enough=$(((KR_ARG_DAYS - 1 < KR_ARG_WITHIN ? KR_ARG_DAYS - 1 : KR_ARG_WITHIN) * 86400))
# Not in files: a full disk must not make them look empty.
KR_BAD='' KR_FILES='' KR_WRONGS='' KR_FAILED=''

# kr_rows COMMAND: calls it for every row, fields in KR_NAME … KR_CLUSTER.
kr_rows() {
  kr_call=$1
  while IFS='|' read -r KR_NAME KR_KIND KR_PATH KR_KEY KR_CA KR_CAKEY KR_CN KR_ORGS KR_SANS KR_USAGES KR_SERVER KR_CLUSTER; do
    [ -z "$KR_NAME" ] || "$kr_call" </dev/null || return 1
  done <"$KR_WORK/rows"
}

# kr_bad SECONDS: whether it is no good for that long; why, in KR_WRONG.
kr_bad() {
  kr_wrong "$KR_KIND" "$KR_PATH" "$KR_KEY" "$KR_CA" "$1"
  [ -n "$KR_WRONG" ]
}

kr_clock() {
  kr_off=$(($(date +%s) - KR_ARG_NOW))
  [ "$kr_off" -ge "-$KR_ARG_SKEW" ] && [ "$kr_off" -le "$KR_ARG_SKEW" ] ||
    kr_refuse clock "this node's clock differs by $kr_off s, and what is signed now would be wrong for as long: set the clock first"
}

# kr_look: note what it is now, and whether it needs anything.
kr_look() {
  if kr_bad "$kr_seconds"; then KR_BAD=yes; fi
  KR_FILES="$KR_FILES $(kr_files)"
  kr_sans_of "$KR_TEXT" >"$KR_WORK/sans.$KR_NAME" && kr_enddate "$KR_TEXT" >"$KR_WORK/ends.$KR_NAME" ||
    kr_refuse no_room "no room in $KR_WORK"
}

# kr_files: every file of the row that may be written, and where it is a link, written through it.
kr_files() {
  {
    printf '%s\n%s\n' "$KR_PATH" "$KR_KEY"
    [ "$KR_KIND" = pair ] || kr_named client-certificate <"$KR_PATH" 2>/dev/null
  } | while read -r kr_f; do
    echo "$kr_f"
    [ ! -L "$kr_f" ] || readlink -f "$kr_f"
  done
}

# kr_new_key OLD_TEXT: of the same kind and size as the old one.
kr_new_key() {
  case $1 in
    *id-ecPublicKey*) openssl ecparam -genkey -noout -name "$(printf '%s\n' "$1" | sed -n 's/.*ASN1 OID: *//p' | head -n 1)" ;;
    *) openssl genrsa "$(printf '%s\n' "$1" | sed -n 's/.*Public-Key: (\([0-9]*\) bit.*/\1/p' | head -n 1 | grep . || echo 2048)" ;;
  esac 2>/dev/null
}

# kr_old_words TEXT MARK PAIRS: what stands below MARK, in the words of openssl's configuration.
kr_old_words() {
  printf '%s\n' "$1" | sed -n "/$2/{n;p;}" | tr ',' '\n' | sed 's/^ *//; s/ *$//' |
    sed -e 's/^Digital Signature$/digitalSignature/' -e 's/^Key Encipherment$/keyEncipherment/' \
      -e 's/^Data Encipherment$/dataEncipherment/' -e 's/^Key Agreement$/keyAgreement/' -e 's/^Non Repudiation$/nonRepudiation/' \
      -e 's/^TLS Web Server Authentication$/serverAuth/' -e 's/^TLS Web Client Authentication$/clientAuth/' | tr '\n' ',' | sed 's/,$//'
}

kr_extensions() {
  kr_usage=$(kr_old_words "$1" 'X509v3 Key Usage')
  kr_extended=$(kr_old_words "$1" 'X509v3 Extended Key Usage')
  kr_names=$(tr '\n' ',' <"$KR_WORK/sans.$KR_NAME" | sed 's/,$//')
  printf '[req]\ndistinguished_name=dn\n[dn]\n[ext]\nbasicConstraints=critical,CA:FALSE\nauthorityKeyIdentifier=keyid\n'
  printf 'keyUsage=critical,%s\n' "${kr_usage:-digitalSignature,keyEncipherment}"
  printf 'extendedKeyUsage=%s\n' "${kr_extended:-${KR_USAGES:-clientAuth}}"
  kr_names=${kr_names:-$KR_SANS}
  [ -z "$kr_names" ] || printf 'subjectAltName=%s\n' "$kr_names"
}

# kr_sign: new key and certificate of the row into $KR_WORK/new.key and new.crt.
kr_sign() {
  rm -f "$KR_WORK/new.key" "$KR_WORK/new.csr" "$KR_WORK/new.crt"
  kr_old=$(kr_cert "$KR_KIND" "$KR_PATH" | openssl x509 -noout -text 2>/dev/null)
  kr_new_key "$kr_old" >"$KR_WORK/new.key"
  kr_extensions "$kr_old" >"$KR_WORK/ext"
  if [ -n "$kr_old" ]; then
    kr_cert "$KR_KIND" "$KR_PATH" | openssl x509 -x509toreq -signkey "$KR_WORK/new.key" -out "$KR_WORK/new.csr" 2>/dev/null
  else
    kr_subject=
    for kr_o in $(echo "$KR_ORGS" | tr ',' ' '); do kr_subject=$kr_subject/O=$kr_o; done
    openssl req -new -config "$KR_WORK/ext" -key "$KR_WORK/new.key" -subj "$kr_subject/CN=$KR_CN" -out "$KR_WORK/new.csr" 2>/dev/null
  fi
  openssl x509 -req -in "$KR_WORK/new.csr" -CA "$KR_CA" -CAkey "$KR_CAKEY" -set_serial "0x1$(openssl rand -hex 7)" \
    -days "$KR_ARG_DAYS" -sha256 -extfile "$KR_WORK/ext" -extensions ext -out "$KR_WORK/new.crt" 2>"$KR_WORK/error" &&
    [ -s "$KR_WORK/new.crt" ]
}

kr_mode() { stat -L -c %a "$1" 2>/dev/null | grep . || echo "$2"; }
kr_owner() { stat -L -c %u:%g "$1" 2>/dev/null | grep . || echo 0:0; }

kr_fresh_kubeconfig() {
  printf 'apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: %s\n' "$(base64 <"$KR_CA" | tr -d '\n')"
  printf '    server: %s\n  name: %s\n' "$KR_SERVER" "$KR_CLUSTER"
  printf 'contexts:\n- context:\n    cluster: %s\n    user: %s\n  name: %s@%s\n' "$KR_CLUSTER" "$KR_CN" "$KR_CN" "$KR_CLUSTER"
  printf 'current-context: %s@%s\nkind: Config\nusers:\n- name: %s\n  user:\n' "$KR_CN" "$KR_CLUSTER" "$KR_CN"
  printf '    client-certificate-data: \n    client-key-data: \n'
}

kr_place() {
  if [ "$KR_KIND" = kubeconfig ] && [ -z "$KR_CN" ] && ! grep -q 'client-certificate-data:' "$KR_PATH"; then
    kr_put "$KR_KEY" 600 0:0 <"$KR_WORK/new.key"
    kr_put "$(kr_named client-certificate <"$KR_PATH")" 600 0:0 <"$KR_WORK/new.crt"
    return
  fi
  if [ "$KR_KIND" = pair ]; then
    kr_put "$KR_KEY" "$(kr_mode "$KR_KEY" 600)" "$(kr_owner "$KR_KEY")" <"$KR_WORK/new.key"
    kr_put "$KR_PATH" "$(kr_mode "$KR_PATH" 644)" "$(kr_owner "$KR_PATH")" <"$KR_WORK/new.crt"
    return
  fi
  if [ -n "$KR_CN" ]; then kr_fresh_kubeconfig; else cat "$KR_PATH"; fi |
    kr_swap_identity "$KR_WORK/new.crt" "$KR_WORK/new.key" >"$KR_WORK/conf" || kr_fail "no room in $KR_WORK"
  kr_put "$KR_PATH" "$(kr_mode "$KR_PATH" 600)" "$(kr_owner "$KR_PATH")" <"$KR_WORK/conf"
}

# kr_make: sign and place the row. What cannot be written ends only the subshell: there are old files to put back.
kr_make() {
  if ! kr_sign; then
    KR_FAILED="$KR_FAILED $KR_NAME: $(tail -n 1 "$KR_WORK/error" 2>/dev/null);"
  elif ! kr_said=$(kr_place); then
    KR_FAILED="$KR_FAILED $KR_NAME: ${kr_said#@failed };"
  fi
}

# kr_rebuild: what tells nothing any more goes first: kubeadm stops at an empty kubeconfig.
kr_rebuild() {
  [ -n "$KR_CN" ] && kr_bad "$kr_seconds" || return 0
  kr_make
}

kr_kubeadm() {
  [ -n "$KR_ARG_COMMAND" ] && kr_have kubeadm || return 0
  for kr_n in $KR_ARG_NAMES; do
    # shellcheck disable=SC2086 # the command is several words
    kr_limit 60 $KR_ARG_COMMAND "$kr_n" >"$KR_WORK/kubeadm" 2>&1 </dev/null && continue
    kr_note "$KR_ARG_COMMAND $kr_n failed ($(grep . "$KR_WORK/kubeadm" | tail -n 1)); openssl does the rest"
    return 0
  done
}

# kr_prove: every certificate fits, verifies, lives on and has all the names it had; else sign it once, and look again.
kr_prove() {
  if kr_bad "$kr_enough"; then
    kr_make
    if kr_bad "$kr_enough"; then KR_WRONGS="$KR_WRONGS$KR_NAME $KR_WRONG;"; fi
  fi
  kr_lost=$(kr_sans_of "$KR_TEXT" | grep -vxF -f - "$KR_WORK/sans.$KR_NAME" | tr '\n' ' ')
  [ -z "$kr_lost" ] || KR_WRONGS="$KR_WRONGS$KR_NAME lacks the name $kr_lost;"
}

# kr_restore PATH: as this run's copy has it. Without room for a second file, into the one that is no good anyway.
kr_restore() {
  kr_copy=$(kr_kept "$1") || return 0 # there was none before
  if [ -L "$kr_copy" ]; then
    [ "$(readlink "$kr_copy")" = "$(readlink "$1")" ] && return 0
  else
    [ ! -L "$1" ] && cmp -s "$kr_copy" "$1" && return 0
  fi
  KR_STAGED=${1%/*}/.kuberevive.$$
  cp -a "$kr_copy" "$KR_STAGED" && mv -f "$KR_STAGED" "$1" && return 0
  rm -f "$KR_STAGED"
  [ ! -L "$kr_copy" ] && [ ! -L "$1" ] && cat "$kr_copy" >"$1"
}

# kr_back: all old files; those that could not be put back, in KR_LOST.
kr_back() {
  rm -f "${KR_WORK:?}"/* # the old files may need its room
  KR_LOST=
  for kr_b in $KR_FILES; do kr_restore "$kr_b" || KR_LOST="$KR_LOST $kr_b (kept as $kr_copy)"; done
}

kr_say() {
  read -r kr_was <"$KR_WORK/ends.$KR_NAME" || kr_was=
  kr_now=$(kr_cert "$KR_KIND" "$KR_PATH" | kr_ends)
  [ "$kr_was" = "$kr_now" ] || kr_did "$KR_NAME: valid until $kr_now (was: ${kr_was:-unreadable}); $KR_PATH, $(kr_cert "$KR_KIND" "$KR_PATH" |
    openssl x509 -noout -subject 2>/dev/null)"
}

kr_renew() {
  kr_have openssl || kr_refuse no_openssl "there is no openssl on this node, so nothing that is renewed could be proven"
  kr_clock
  kr_alone certs_renew 300
  kr_workplace
  printf '%s\n' "$KR_ARG_ROWS" >"$KR_WORK/rows" || kr_refuse no_room "no room in $KR_WORK"
  kr_rows kr_look
  [ -n "$KR_BAD" ] || return 0
  [ -z "$KR_ARG_LIVING" ] || kr_gate
  # shellcheck disable=SC2086 # a list of paths
  kr_backup $KR_FILES
  kr_rows kr_rebuild
  kr_kubeadm
  KR_FAILED= # what kubeadm mended
  kr_rows kr_prove
  if [ -n "$KR_WRONGS" ]; then
    kr_back
    [ -z "$KR_LOST" ] || kr_fail "not all new certificates were good, and these could not be put back:$KR_LOST: $KR_WRONGS$KR_FAILED"
    kr_fail "not all new certificates were good, so the old ones were put back: $KR_WRONGS$KR_FAILED"
  fi
  if [ -n "$KR_ARG_LIVING" ] && ! kr_taken; then
    kr_back
    kr_fail "the new certificates were not taken up, so the old ones were put back${KR_LOST:+, but for$KR_LOST}: $KR_UNWELL"
  fi
  kr_rows kr_say
}

kr_renew </dev/null
