# shellcheck shell=sh
# Section host: disks, clock, swap, units, mounts. What only a nearly full disk needs is asked only there.

kr_host_paths() {
  kr_docker_root=$(sed -n 's/.*"data-root" *: *"\([^"]*\)".*/\1/p' /etc/docker/daemon.json 2>/dev/null | tail -n 1)
  kr_containerd_root=$(sed -n "s/^root *= *[\"']\([^\"']*\)[\"'].*/\1/p" /etc/containerd/config.toml 2>/dev/null | tail -n 1)
  for kr_p in / /etc/kubernetes /var /var/log /var/log/pods /var/lib /var/tmp /tmp "$KUBELET_ROOT" \
    "$(kr_flag "$ETCD_TEXT" data-dir /var/lib/etcd)" "${kr_docker_root:-/var/lib/docker}" \
    "${kr_containerd_root:-/var/lib/containerd}" /var/lib/containers; do
    [ -d "$kr_p" ] && echo "$kr_p"
  done
}

# Two calls for all disks; the answers come in the order of the paths.
kr_host_disks() {
  kr_paths=$(kr_host_paths)
  kr_val disk_paths "$(echo "$kr_paths" | tr '\n' ' ')"
  # shellcheck disable=SC2086 # paths without blanks, one a line
  kr_out df kr_limit 4 df -P -k $kr_paths
  # shellcheck disable=SC2086
  kr_out df_inodes kr_limit 4 df -P -i $kr_paths
}

# kr_host_elsewhere PLACE: a link leads from there to where it is mounted.
kr_host_elsewhere() {
  kr_real=$(kr_limit 2 readlink -f "$1" 2>/dev/null)
  [ -n "$kr_real" ] && [ "$kr_real" != "$1" ] && grep -qF " $kr_real " /proc/mounts
}

# Passwords stand in the options of fstab: only device, place and type leave the node.
kr_host_mounts() {
  awk '$3 ~ /^(ext[234]|xfs|btrfs|zfs|f2fs|jfs|reiserfs|bcachefs|overlay|composefs|erofs|squashfs)$/ && $2 !~ /\/(overlay2|pods|volumes|rootfs|containers)\// {
    # Since Linux 6.15 ext4 keeps "rw" after an error and adds emergency_ro; a file system that was shut down takes no write either.
    ro = ($4 ~ /(^|,)(ro|emergency_ro|shutdown)(,|$)/) ? "ro" : "rw"; printf "val\tmount\t%s %s %s %s\n", $2, $1, $3, ro }' /proc/mounts
  awk 'FILENAME == "/proc/mounts" { there[$2] = 1; next }
    /^[ \t]*#/ || NF < 3 { next }
    $3 == "swap" { printf "val\tfstab_swap\t%s\n", $1; next }
    {
      place = $2; if (length(place) > 1) sub(/\/$/, "", place)
      if ($4 ~ /(^|,)ro(,|$)/) printf "val\tfstab_ro\t%s\n", place
      if (place ~ /^\// && $4 !~ /(^|,)(noauto|x-systemd.automount)(,|$)/ && !(place in there))
        printf "val\tfstab_missing\t%s %s %s %s\n", place, $1, $3, ($4 ~ /(^|,)nofail(,|$)/) ? "nofail" : "needed"
    }' /proc/mounts /etc/fstab 2>/dev/null | while read -r kr_line; do
    kr_w=${kr_line#*"fstab_missing$TAB"}
    [ "$kr_w" != "$kr_line" ] && kr_host_elsewhere "${kr_w%% *}" || printf '%s\n' "$kr_line"
  done
  awk 'NR > 1 { print $1, $2, $3, $4 }' /proc/swaps 2>/dev/null | while read -r kr_swap kr_kind kr_size kr_used; do
    # A container sees the swap of its machine; what is not here is not this node's.
    [ -e "$(printf '%b' "$(echo "$kr_swap" | sed 's/\\/\\0/g')")" ] || continue
    kr_val swap "$kr_swap $kr_kind $kr_size $kr_used"
  done
}

kr_host_units() {
  kr_have systemctl || return 0
  kr_plane=
  for kr_f in "$ETCD_UNIT" "$APISERVER_UNIT" "$KCM_UNIT" "$SCHEDULER_UNIT"; do [ -z "$kr_f" ] || kr_plane="$kr_plane $kr_f.service"; done
  kr_val plane_units "$kr_plane"
  # shellcheck disable=SC2086 # a list of units
  kr_out units kr_limit 5 systemctl show --no-pager -p Id -p LoadState -p ActiveState -p UnitFileState -p Result -p NRestarts -p Restart \
    -p DropInPaths $kr_plane \
    kubelet.service "$KR_RUNTIME.service" cri-docker.service chronyd.service chrony.service systemd-timesyncd.service \
    ntpd.service ntp.service ntpsec.service
  kr_out swap_units kr_limit 3 systemctl list-units --type=swap --all --no-legend --plain --no-pager
}

# kr_host_full MOUNT: what could be freed there, and what takes the room.
kr_host_full() {
  kr_ladder "$1" 3 | awk -F '\t' -v mount="$1" '
    { count[$1]++; sum[$1] += $2 }
    END { for (rung in count) printf "val\tfreeable\t%s %d %.0f %s\n", rung, count[rung], sum[rung], mount }'
  kr_limit 2 find "$1" -xdev -type f -size +40960 -exec stat -c '%b %n' {} + 2>/dev/null | sort -rn | head -n 12 |
    awk '{ size = $1 * 512; sub(/^[0-9]+ /, ""); gsub(/\t/, " "); printf "val\teater\t%.0f %s\n", size, $0 }'
}

kr_host_inodes() {
  kr_ladder_mail "$1" 2 | awk -F '\t' -v mount="$1" '{ printf "val\tfreeable\t%s %d 0 %s\n", $1, $2, mount }'
  # awk counts, because sort would want a temporary file for so many lines.
  kr_limit 3 find "$1" -xdev -type f 2>/dev/null | awk '{ sub(/\/[^\/]*$/, ""); count[$0]++ }
    END { for (place in count) if (count[place] > 1000) { name = place; gsub(/\t/, " ", name); print count[place], name } }' |
    sort -rn | head -n 5 | sed 's/^/val\tcrowd\t/'
}

# kr_host_low df-words: the mounts with less than 10 % left, once each.
kr_host_low() {
  kr_limit 4 df -P "$@" 2>/dev/null | awk 'NR > 1 && $2 > 0 && $4 < $2 / 10 { sub(/^.*[0-9]%[ \t]+/, ""); if (!seen[$0]++) print }'
}

kr_section_host() {
  kr_val node_time "$(date +%s.%N)"
  kr_val hostname "$(hostname 2>/dev/null || cat /proc/sys/kernel/hostname)"
  kr_val boot_id "$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)"
  kr_val os "$(sed -n 's/^PRETTY_NAME="\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' /etc/os-release 2>/dev/null)"
  kr_have python3 && kr_val python "$(kr_limit 2 python3 -V 2>&1)"
  kr_val runtime "$KR_RUNTIME"
  kr_val fail_swap_on "$(kr_flag "$KUBELET_TEXT" fail-swap-on "$(sed -n 's/^failSwapOn: *\([a-z]*\).*/\1/p' "$KUBELET_CONFIG" 2>/dev/null)")"
  kr_tools=
  for kr_t in openssl curl base64 timeout kubeadm kubectl crictl ctr docker etcdctl jq; do
    kr_have "$kr_t" && kr_tools="$kr_tools $kr_t"
  done
  kr_val tools "${kr_tools# }"
  kr_host_mounts
  kr_host_disks
  kr_host_units
  grep -qE '^[^ ]+ [^ ]+ (ext[234]|xfs|btrfs) ([^ ]*,)?(ro|emergency_ro|shutdown)(,| )' /proc/mounts && kr_out kernel kr_limit 3 sh -c \
    "dmesg 2>/dev/null | grep -E 'EXT4-fs error|Remounting filesystem|XFS .*([Cc]orrupt|[Ss]hut)|I/O error|Medium Error|Aborting journal' | tail -n 20"
  # shellcheck disable=SC2086
  kr_host_low -k $kr_paths | while read -r kr_m; do kr_host_full "$kr_m"; done
  # shellcheck disable=SC2086
  kr_host_low -i $kr_paths | while read -r kr_m; do kr_host_inodes "$kr_m"; [ -z "$(kr_host_low -k "$kr_m")" ] && kr_host_full "$kr_m"; done
}
