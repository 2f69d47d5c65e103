# shellcheck shell=sh
# The EncryptionConfiguration that the apiserver is told to read, with the fingerprint of every key in the key's place.

# kr_mounted MANIFEST PATH: where that path of the first container lies on the node; nothing where no hostPath is mounted there.
kr_mounted() {
  sed 's/[{},]/\n/g' "$1" | awk -v path="$2" '
    function item() { if (place != "" && name != "") at[name] = place; if (source != "" && name != "") from[name] = source }
    function word(s) { sub(/^[^:]*: */, "", s); sub(/ *(#.*)?$/, "", s); gsub(/["\047]/, "", s); return s }
    { indent = match($0, /[^ ]/) - 1 }
    /^ *(- *)?(volumeMounts|volumes|containers|initContainers): *$/ { item(); place = name = source = "" }
    /^ *- / { if (indent <= deep || place source == "" || name != "") { item(); place = name = source = "" } deep = indent }
    /^[ -]*["\047]?mountPath["\047]?:/ { place = word($0) }
    /^[ -]*["\047]?path["\047]?:/ { source = word($0) }
    /^[ -]*["\047]?name["\047]?:/ { name = word($0) }
    END {
      item()
      for (n in at) {
        sub(/\/$/, "", at[n])
        if (n in from && (path == at[n] || index(path, at[n] "/") == 1) && length(at[n]) > best) {
          best = length(at[n]); found = from[n] substr(path, best + 1)
        }
      }
      print found
    }'
}

# kr_fingerprint KEY: of the key that this base64 stands for. The key is in no command line: printf is the shell's own.
kr_fingerprint() {
  if [ $((${#1} % 4)) -ne 0 ] || ! printf %s "$1" | base64 -d >/dev/null 2>&1; then printf 'no-base64'; return; fi
  kr_bytes=$(printf %s "$1" | base64 -d 2>/dev/null | wc -c)
  kr_hash=$(printf %s "$1" | base64 -d 2>/dev/null | sha256sum)
  printf 'sha256-%s-%d' "${kr_hash%% *}" "$kr_bytes"
}

# kr_keyless <file: line by line what is known to hold no key; a key's line with its fingerprint. Anything else stays here.
kr_keyless() {
  kr_n=0
  while IFS= read -r kr_line || [ -n "$kr_line" ]; do
    kr_n=$((kr_n + 1))
    kr_key=$(printf '%s\n' "$kr_line" | sed -n 's/^\([ -]*\)["'\'']\{0,1\}secret["'\'']\{0,1\}:  *["'\'']\{0,1\}\([A-Za-z0-9+/=]*\)["'\'']\{0,1\} *$/\2/p')
    if [ -n "$kr_key" ]; then printf '%ssecret: %s\n' "${kr_line%%[!\ -]*}" "$(kr_fingerprint "$kr_key")"
    elif printf '%s\n' "$kr_line" | grep -qE "$KR_KEYLESS"; then printf '%s\n' "$kr_line"
    else case $kr_line in
      *[!\ ]*) case ${kr_line#"${kr_line%%[!\ ]*}"} in '#'*) echo ;; *) echo "@withheld $kr_n" ;; esac ;;
      *) echo ;;
    esac; fi
  done
}
KR_KEYLESS='^(---|[ -]*(apiVersion|kind): *["'\'']?(apiserver\.config\.k8s\.io/v[a-z0-9]*|v1|EncryptionConfig(uration)?)["'\'']?|[ -]*(resources|providers|keys|identity|aescbc|aesgcm|secretbox|kms):( *\{\})?|[ -]*name: *["'\'']?[A-Za-z0-9._-]{1,40}["'\'']?|[ -]*(cachesize|timeout): *[0-9]{1,9}(ms|s|m)?|[ -]*endpoint: *["'\'']?unix:[A-Za-z0-9@._/-]*["'\'']?|[ -]+["'\'']?[a-z0-9.*-]{1,80}["'\'']?) *$'

kr_encryption() {
  kr_path=$(kr_flag "$kr_told" encryption-provider-config "$(kr_flag "$kr_told" experimental-encryption-provider-config "")")
  [ -n "$kr_path" ] || return 0
  kr_val encryption_path "$kr_path"
  kr_val encryption_prefix "$(kr_flag "$kr_told" etcd-prefix /registry)"
  kr_val encryption_reload "$(kr_flag "$kr_told" encryption-provider-config-automatic-reload false)"
  [ -z "$kr_m" ] || kr_path=$(kr_mounted "$kr_m" "$kr_path")
  kr_val encryption_file "$kr_path"
  [ -n "$kr_path" ] || return 0
  if [ -f "$kr_path" ]; then kr_record "$kr_path" "$(kr_keyless <"$kr_path" | $KR_B64)"; else kr_stat "$kr_path"; fi
}
