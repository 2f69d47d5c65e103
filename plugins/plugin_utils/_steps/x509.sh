# shellcheck shell=sh
# Words about certificates, for the repairs of layer pki. A key is never an argument of a command, only a file or a pipe.

# kr_embedded FIELD: the first value of that field of the kubeconfig on stdin, in base64.
kr_embedded() { sed -n "s/^[ -]*$1: *\"\{0,1\}\([A-Za-z0-9+\/=]*\)\"\{0,1\} *\$/\1/p" | head -n 1; }

# kr_named FIELD: the first path that field names.
kr_named() { sed -n "s/^[ -]*$1: *\"\{0,1\}\([^\"]*\)\"\{0,1\} *\$/\1/p" | head -n 1; }

# kr_cert KIND PATH: the certificate in PEM.
kr_cert() {
  [ -s "$2" ] || return 0
  if [ "$1" = pair ]; then
    cat "$2"
  elif grep -q 'client-certificate-data:' "$2"; then
    kr_embedded client-certificate-data <"$2" | base64 -d 2>/dev/null
  else
    cat "$(kr_named client-certificate <"$2")" 2>/dev/null
  fi
}

# kr_public KIND PATH KEY: the public half of the private key.
kr_public() {
  if [ "$1" = pair ] || ! grep -q 'client-key-data:' "$2" 2>/dev/null; then
    openssl pkey -pubout -in "$3" 2>/dev/null
  else
    kr_embedded client-key-data <"$2" | base64 -d 2>/dev/null | openssl pkey -pubout 2>/dev/null
  fi
}

kr_ends() { openssl x509 -noout -enddate 2>/dev/null | sed 's/^notAfter=//'; }

# kr_sans_of TEXT: the alternative names in what openssl x509 -text says, sorted, one a line.
kr_sans_of() {
  printf '%s\n' "$1" | sed -n '/X509v3 Subject Alternative Name/{n;p;}' | tr -d ' ' | tr ',' '\n' | sed 's/^IPAddress:/IP:/' | sort
}

# kr_wrong KIND PATH KEY CA SECONDS: why it is no good for that long, into KR_WRONG; empty when it is. Its text: KR_TEXT.
# shellcheck disable=SC2034 # KR_WRONG and KR_TEXT are for the caller
kr_wrong() {
  kr_pem=$(kr_cert "$1" "$2")
  KR_WRONG='' KR_TEXT=''
  case $kr_pem in *BEGIN*) ;; *) KR_WRONG="holds no certificate"; return ;; esac
  if ! KR_TEXT=$(printf '%s\n' "$kr_pem" | openssl x509 -noout -text -enddate -pubkey -checkend "$5" 2>/dev/null); then
    KR_WRONG="ends $(kr_enddate "$KR_TEXT")"
    [ -n "$KR_TEXT" ] || KR_WRONG="holds no certificate"
    return
  fi
  kr_half=$(kr_public "$1" "$2" "$3")
  case $KR_TEXT in
    *"${kr_half:-no key}"*) ;;
    *) KR_WRONG="does not fit its private key"; return ;;
  esac
  case $(printf '%s\n' "$kr_pem" | openssl verify -CAfile "$4" 2>&1) in # openssl 1.0 says OK after an error, with exit code 0
    *rror*) KR_WRONG="does not verify against $4" ;;
    *OK*) ;;
    *) KR_WRONG="could not be verified against $4" ;;
  esac
}

kr_enddate() { printf '%s\n' "$1" | sed -n 's/^notAfter=//p'; }

# kr_swap_identity CRT KEY [OLD] <kubeconfig: with another embedded certificate and key; only where OLD (base64) stood.
kr_swap_identity() {
  { base64 <"$1" | tr -d '\n'; echo; base64 <"$2" | tr -d '\n'; echo; printf '%s\n' "$3"; cat; } | awk '
    NR == 1 { crt = $0; next }
    NR == 2 { key = $0; next }
    NR == 3 { only = $0; next }
    /client-certificate-data:/ {
      old = $0; sub(/.*client-certificate-data: */, "", old); gsub(/["\r ]/, "", old)
      mine = (only == "" || only == old)
      if (mine) sub(/client-certificate-data:.*/, "client-certificate-data: " crt)
    }
    /client-key-data:/ { if (mine) sub(/client-key-data:.*/, "client-key-data: " key); mine = 0 }
    { print }'
}

# kr_workplace: a directory of this run for what is being made, into KR_WORK; it goes when the step ends. With it goes what a
# run that was cut off (power, kill -9) left: there may be keys in it.
kr_workplace() {
  kr_v=$(kr_vault) || kr_refuse no_room "there is no place on this node to keep a backup: free some space first"
  KR_WORK=$kr_v/work
  rm -rf "$KR_WORK"
  for kr_left in /var/lib/kuberevive/*/work /run/kuberevive/*/work /dev/shm/kuberevive/*/work; do
    kr_pid=$(cat "$kr_left/pid" 2>/dev/null)
    [ -n "$kr_pid" ] && kill -0 "$kr_pid" 2>/dev/null || rm -rf "$kr_left"
  done
  trap 'rm -rf "$KR_WORK"' EXIT
  kr_trap_signals
  mkdir -p "$KR_WORK" && chmod 700 "$KR_WORK" && echo $$ >"$KR_WORK/pid" || kr_refuse no_room "no room in $kr_v"
}
