# shellcheck shell=sh
# Switches off this node's swap (KR_ARG_NAMES, as /proc/swaps writes them) and keeps it off: fstab, systemd units.

kr_plain() { printf '%b' "$(printf %s "$1" | sed 's/\\/\\0/g')"; }

kr_swap_now() {
  printf '%s\n' "$KR_ARG_NAMES" | while read -r kr_name; do
    [ -n "$kr_name" ] || continue
    kr_used=$(while read -r kr_n _ _ kr_u _; do [ "$kr_n" = "$kr_name" ] && echo "$kr_u"; done </proc/swaps)
    [ -n "$kr_used" ] || continue # off by now
    kr_avail=$(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo)
    if [ "$kr_used" -ge "${kr_avail:-0}" ]; then
      kr_refuse no_memory "$kr_name holds $((kr_used / 1024)) MiB and only $((${kr_avail:-0} / 1024)) MiB of memory are available: stop something big first"
    fi
    kr_limit 300 swapoff "$(kr_plain "$kr_name")" || kr_fail "swapoff $kr_name did not work"
    kr_journal "swapoff $kr_name"
    kr_did "switched swap off: $kr_name"
  done || exit $?
}

kr_swap_fstab() {
  awk '!/^[ \t]*#/ && $3 == "swap" { found = 1 } END { exit !found }' /etc/fstab 2>/dev/null || return 0
  kr_backup /etc/fstab
  kr_new=$(awk -v run="$KR_RUN" '!/^[ \t]*#/ && $3 == "swap" { print "# kuberevive " run ": kubelet does not run with swap"; print "#" $0; next } { print }' /etc/fstab)
  printf '%s\n' "$kr_new" | kr_put /etc/fstab "$(stat -c %a /etc/fstab)" "$(stat -c %U:%G /etc/fstab)" || exit $?
  kr_did "commented the swap lines of /etc/fstab out"
}

# Units that fstab made are gone after the reload; what is left (GPT, zram, hand-made) is masked.
kr_swap_units() {
  kr_have systemctl || return 0
  kr_limit 30 systemctl daemon-reload
  kr_limit 5 systemctl list-units --type=swap --all --no-legend --plain --no-pager 2>/dev/null |
    awk '$2 == "loaded" { print $1 }' | while read -r kr_unit; do
    kr_limit 30 systemctl stop "$kr_unit" 2>/dev/null
    kr_limit 10 systemctl mask "$kr_unit" >/dev/null 2>&1 || kr_fail "could not mask $kr_unit"
    kr_journal "mask $kr_unit"
    kr_did "masked $kr_unit, which would switch swap on again"
  done || exit $?
}

kr_swap_off() {
  kr_swap_now
  kr_swap_fstab
  kr_swap_units
}
kr_swap_off </dev/null
