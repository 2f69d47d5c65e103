# shellcheck shell=sh
# Words the sections speak in. Every record is one line, fields separated by tabs; contents travel in base64.
# Nothing here writes: no temporary file, no here-document (bash would make one on the full disk).
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/bin
LC_ALL=C
export PATH LC_ALL
TAB=$(printf '\t')

NL='
'

kr_have() { command -v "$1" >/dev/null 2>&1; }

# A probe is mostly the starting of small programs: what a value or a file needs is kept to one or two of them.
if base64 -w0 </dev/null >/dev/null 2>&1; then KR_B64='base64 -w0'; else KR_B64=kr_b64; fi

kr_b64() { base64 | tr -d '\n'; }

kr_val() {
  case $2 in
    *"$NL"* | *"$TAB"*) printf 'val\t%s\t%s\n' "$1" "$(printf %s "$2" | tr '\n\t' '  ')" ;;
    *) printf 'val\t%s\t%s\n' "$1" "$2" ;;
  esac
}

# kr_limit SECONDS COMMAND…: where timeout(1) is missing the section's own limit still holds.
kr_limit() {
  if kr_have timeout; then timeout "$@"; else shift; "$@"; fi
}

# kr_out NAME COMMAND…: its output (last 64 KiB) and how it ended.
kr_out() {
  kr_name=$1
  shift
  printf 'out\t%s\t%s\n' "$kr_name" "$({ "$@" 2>&1; printf '@rc=%s' "$?"; } </dev/null | tail -c 65536 | $KR_B64)"
}

# kr_blob NAME <TEXT: all of it, up to 16 MiB, packed where the node can.
kr_blob() {
  if kr_have gzip; then printf 'blob\t%s\tgzip\t%s\n' "$1" "$(head -c 16777216 | gzip -c | $KR_B64)"
  else printf 'blob\t%s\tplain\t%s\n' "$1" "$(head -c 16777216 | $KR_B64)"; fi
}

# kr_state PATH [BASE64]: into KR_STATE. What its content begins with can save the look for a file of nothing but NULs.
kr_state() {
  if [ -L "$1" ] && [ ! -e "$1" ]; then KR_STATE=dangling
  elif [ ! -e "$1" ]; then KR_STATE=missing
  elif [ ! -f "$1" ]; then KR_STATE=not_a_file
  elif [ ! -r "$1" ]; then KR_STATE=unreadable
  elif [ ! -s "$1" ]; then KR_STATE=empty
  elif case ${2:-} in '' | AAAA*) false ;; esac then KR_STATE=ok
  elif [ "$(head -c 256 "$1" 2>/dev/null | tr -d '\000'; echo .)" = . ]; then KR_STATE=nul
  else KR_STATE=ok; fi
}

# kr_facts PATH: size, mode, owner and time into KR_META.
kr_facts() { KR_META=$(stat -L -c "%s$TAB%a$TAB%U:%G$TAB%Y" "$1" 2>/dev/null) || KR_META="0$TAB$TAB${TAB}0"; }

# kr_record PATH BASE64 [STATE]: the file's facts; follows a symbolic link and says where it points.
kr_record() {
  kr_facts "$1"
  kr_recorded "$@"
}

# kr_recorded: the same, of the file that kr_facts has just looked at.
kr_recorded() {
  kr_link=
  [ -L "$1" ] && kr_link=$(readlink "$1" 2>/dev/null)
  kr_state "$1" "$2"
  KR_STATE=${3:-$KR_STATE}
  printf 'file\t%s\t%s\t%s\t%s\t%s\n' "$1" "$KR_STATE" "$KR_META" "$kr_link" "$2"
}

kr_stat() { kr_record "$1" ""; }

# kr_file PATH: with its content (first 256 KiB). Of a manifest with a key in it only whether it is a Pod leaves the node.
kr_file() {
  case $KR_SECRET in
    *"$NL$1$NL"*)
      if grep -qE "kind[\"']?: *[\"']?Pod" "$1" 2>/dev/null; then kr_record "$1" "" withheld; else kr_record "$1" ""; fi ;;
    *)
      kr_facts "$1"
      kr_size=${KR_META%%"$TAB"*} kr_body=
      if [ ! -f "$1" ]; then :
      elif [ "$kr_size" -gt 0 ] && [ "$kr_size" -le 262144 ]; then kr_body=$($KR_B64 2>/dev/null <"$1")
      else kr_body=$(head -c 262144 "$1" 2>/dev/null | $KR_B64); fi
      kr_recorded "$1" "$kr_body" ;;
  esac
}

# kr_pem PATH: only the certificates in it, whatever else lies in the file (a torn one may have a key before its end).
kr_pem() {
  kr_record "$1" "$([ ! -f "$1" ] || sed -n -e '/-BEGIN.*PRIVATE KEY-/,/-END.*PRIVATE KEY-/d' \
    -e '/-BEGIN CERTIFICATE-/,/-END CERTIFICATE-/p' "$1" 2>/dev/null | $KR_B64)"
}

# Of a kubeconfig in plain blocks, one "key: value" a line, the values that are known to be no secret; every other key is
# named and its value, with all below it, left out. What has users and any other form is withheld as a whole.
# shellcheck disable=SC2016 # fields of awk
KR_PLAIN='
  BEGIN {
    drop = -1
    n = split("apiVersion kind clusters contexts users cluster context user name server current-context certificate-authority " \
      "certificate-authority-data client-certificate client-certificate-data client-key tokenFile", word, " ")
    for (i = 1; i <= n; i++) plain[word[i]] = 1
  }
  { sub(/\r$/, ""); gsub(/[^\001-\377]/, "") } # of a file that is half NUL the rest is looked at
  /users/ { users = 1 }
  odd || /^ *(#.*)?$/ || /^---/ { next }
  {
    match($0, /^ */)
    spaces = RLENGTH
    if (drop >= 0 && (spaces > drop || spaces == drop && substr($0, spaces + 1, 1) == "-")) next
    drop = -1
    match($0, /^ *(- +)*/)
    lead = substr($0, 1, RLENGTH)
    rest = substr($0, RLENGTH + 1)
    if (rest !~ /^[A-Za-z][A-Za-z-]*:( |$)/) { odd = 1; next }
    key = value = rest
    sub(/:.*/, "", key)
    sub(/^[^:]*: */, "", value)
    sub(/ +(#.*)?$/, "", value)
    if (!(key in plain)) { drop = length(lead); value = "blanked" }
    else if (value ~ /^([>|&*!%@`?]|"[^"]*$|\047[^\047]*$|[{[].*[^]} ])/) { odd = 1; next }
    out = out lead key ": " value "\n"
  }
  END { ORS = ""; print(odd ? (users ? "withheld" : "") : out) }'

kr_kubeconfig() {
  kr_body=
  [ ! -f "$1" ] || kr_body=$(awk "$KR_PLAIN" "$1" 2>/dev/null | $KR_B64)
  case $kr_body in
    d2l0aGhlbGQ=) kr_record "$1" "" withheld ;; # the word itself in base64
    *) kr_record "$1" "$kr_body" ;;
  esac
}

# kr_pub NAME: the hash of the public half of the private key on stdin; the key itself never leaves the node.
kr_pub() {
  if ! kr_have openssl; then printf 'key\t%s\tno_openssl\t\n' "$1"; return; fi
  kr_hash=$(openssl pkey -pubout -outform DER 2>/dev/null | sha256sum)
  kr_hash=${kr_hash%% *}
  case $kr_hash in
    e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855) printf 'key\t%s\tunparsable\t\n' "$1" ;;
    *) printf 'key\t%s\tok\t%s\n' "$1" "$kr_hash" ;;
  esac
}

kr_key() {
  kr_state "$1"
  # shellcheck disable=SC2094 # the name is printed, not written to
  case $KR_STATE in
    ok) kr_pub "$1" <"$1" ;;
    *) printf 'key\t%s\t%s\t\n' "$1" "$KR_STATE" ;;
  esac
}

# kr_kubeconfig_key PATH: of the key in it; mostly there is only the path of one.
kr_kubeconfig_key() {
  if kr_have openssl && ! grep -q 'client-key-data:' "$1" 2>/dev/null; then printf 'key\t%s\tunparsable\t\n' "$1"; return; fi
  sed -n 's/.*client-key-data: *"\{0,1\}\([A-Za-z0-9+/=]*\).*/\1/p' "$1" 2>/dev/null | head -n 1 | base64 -d 2>/dev/null | kr_pub "$1"
}

# kr_last_words COMPONENT [UNIT]: the newest container log of a kube-system static pod, as kubelet left it on disk; NAME.log its
# path (the file's name counts the restarts), NAME.log_mtime when it was last written to, NAME.tail its end. Of a unit what is
# in the journal of this boot, and NAME.unit_state what systemd says of it.
kr_last_words() {
  if [ -n "${2:-}" ]; then
    kr_val "$1.log" "journalctl -u $2"
    kr_out "$1.unit_state" kr_unit_state "$2"
    kr_out "$1.tail" kr_unit_log "$2" 40
    return
  fi
  kr_l=$(kr_pod_log "$1")
  [ -n "$kr_l" ] || return 0
  kr_val "$1.log" "$kr_l"
  kr_val "$1.log_mtime" "$(stat -L -c %Y "$kr_l" 2>/dev/null)"
  kr_out "$1.tail" kr_tail "$kr_l"
}

KR_S_CA=
# kr_s_ca: into KR_S_CA the CA file for kr_s_client, or none. A section of several connections says it once before them.
kr_s_ca() {
  [ -z "$KR_S_CA" ] || return 0
  KR_S_CA=none
  grep -q -- '-END CERTIFICATE-' "$KR_PKI/ca.crt" 2>/dev/null && openssl asn1parse -noout -in "$KR_PKI/ca.crt" >/dev/null 2>&1 &&
    KR_S_CA=$KR_PKI/ca.crt
  return 0
}

# kr_s_client WORD…: one TLS connection. Without a CA file openssl reads all of the system's first, which costs five times the
# handshake; it is told this cluster's if that can be read. Nothing is verified by it: what is served is looked at, not used.
kr_s_client() {
  kr_s_ca
  [ "$KR_S_CA" = none ] || set -- -CAfile "$KR_S_CA" "$@"
  kr_limit 2 openssl s_client "$@" 2>/dev/null
}

kr_tail() { tail -n 40 "$1" | cut -c1-2000; }
