# shellcheck shell=sh
# Frees space, safe things first, until KR_ARG_WANTS (lines BYTES INODES MOUNT) is reached. ladder.sh stands in front.
# Log files and caches are what this project deletes instead of moving: a copy would need the room that is missing.
KR_BIG=10485760

kr_free() { df -P -k "$1" 2>/dev/null | awk 'NR == 2 { printf "%.0f", $4 * 1024 }'; }
kr_ifree() { df -P -i "$1" 2>/dev/null | awk 'NR == 2 { printf "%.0f", $4 }'; }
kr_human() {
  awk -v n="$1" 'BEGIN {
    split("B KiB MiB GiB TiB", unit, " ")
    for (i = 1; n >= 1024 && i < 5; i++) n /= 1024
    printf((i > 3 ? "%.1f %s" : "%.0f %s"), n, unit[i])
  }'
}

kr_enough() { [ "$(kr_free "$3")" -ge "$1" ] && { [ "$2" -eq 0 ] || [ "$(kr_ifree "$3")" -ge "$2" ]; }; }

# Files that some process holds open: to remove one frees nothing.
kr_open_files() {
  # shellcheck disable=SC2012 # readlink once for each of thousands of descriptors would take minutes
  ls -l /proc/[0-9]*/fd 2>/dev/null | sed -n 's/^.* -> \(\/var\/.*\)$/\1/p' | sort -u
}

kr_is_open() {
  case "
$KR_OPEN
" in *"
$1
"*) return 0 ;; esac
  return 1
}

kr_note_freed() { [ -n "$KR_NOTES" ] && printf '%s\t%s\t%s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$KR_STEP" "$1" >>"$KR_NOTES" 2>/dev/null; }

# kr_take BYTES HOW PATH: leaves in KR_GOT what it freed; fails where it left the thing alone.
kr_take() {
  case $3 in
    /var/log | /var/log/* | /var/cache/* | /var/lib/docker/containers/*) ;;
    /var/lib/systemd/coredump/* | /var/crash/* | /var/lib/apport/coredump/*) ;;
    *) return 1 ;;
  esac
  if [ "$2" = vacuum ]; then
    KR_VERB=vacuumed
    kr_was=$(du -sk "$3" | cut -f1)
    kr_limit 60 journalctl --vacuum-size=200M >/dev/null 2>&1
    KR_GOT=$(((kr_was - $(du -sk "$3" | cut -f1)) * 1024))
    [ "$KR_GOT" -gt 0 ]
    return
  fi
  [ -f "$3" ] && [ ! -L "$3" ] || return 1
  KR_GOT=$1 KR_VERB=removed
  if [ "$2" = remove ] && ! kr_is_open "$3"; then
    rm -f "$3"
    return
  fi
  case $3 in *.gz | *.xz | *.bz2 | *.zst) return 1 ;; esac # it is being written just now
  if [ -n "$KR_KEEP" ]; then # the last words may still be needed
    mkdir -p "$KR_KEEP${3%/*}" && tail -c 262144 "$3" >"$KR_KEEP$3.tail" 2>/dev/null
  fi
  KR_VERB=emptied
  : >"$3"
}

# One mount: the candidates one after the other; df is asked again whenever the sum says that it should be enough.
kr_free_mount() {
  kr_want=$1 kr_iwant=$2 kr_mount=$3
  kr_sum=0 kr_next=$((kr_want - $(kr_free "$kr_mount"))) kr_small=0 kr_few=0 kr_seen=
  kr_ladder "$kr_mount" 30 | kr_walk
}

kr_walk() {
  while IFS='	' read -r kr_rung kr_bytes kr_how kr_file; do
    if [ "$kr_rung" != "$kr_seen" ]; then
      kr_small_line
      kr_seen=$kr_rung
      kr_enough "$kr_want" "$kr_iwant" "$kr_mount" && break
    fi
    if [ "$kr_sum" -ge "$kr_next" ] && [ "$kr_iwant" -eq 0 ]; then
      kr_enough "$kr_want" 0 "$kr_mount" && break
      kr_next=$((kr_sum + kr_want - $(kr_free "$kr_mount")))
    fi
    kr_take "$kr_bytes" "$kr_how" "$kr_file" || continue
    kr_sum=$((kr_sum + KR_GOT))
    kr_note_freed "$KR_VERB $kr_file $KR_GOT"
    if [ "$KR_GOT" -ge "$KR_BIG" ]; then
      kr_did "$KR_VERB $(kr_words "$kr_rung") $kr_file ($(kr_human "$KR_GOT"))"
    else
      kr_few=$((kr_few + 1)) kr_small=$((kr_small + KR_GOT))
    fi
  done
  kr_small_line
}

# The queue's files become one archive in the run's backup; only what is in the archive is taken away.
kr_pack_mail() {
  kr_ladder_mail "$1" 60 | while IFS='	' read -r _ kr_count _ kr_queue; do
    kr_box=$(kr_vault) || kr_fail "there is no place to pack $kr_queue into"
    mkdir -p "$kr_box/files${kr_queue%/*}"
    kr_list=$kr_box/mail.list kr_tar=$kr_box/files$kr_queue.tar.gz
    find "$kr_queue" -xdev -type f 2>/dev/null | grep -x '[A-Za-z0-9/._-]*' >"$kr_list"
    if ! tar -czf "$kr_tar" -T "$kr_list" 2>/dev/null || [ "$(tar -tzf "$kr_tar" | wc -l)" -ne "$(wc -l <"$kr_list")" ]; then
      rm -f "$kr_tar" "$kr_list"
      kr_note "left alone: $kr_count mails in $kr_queue: there is no room to pack them in $kr_box"
      continue
    fi
    xargs rm -f <"$kr_list"
    rm -f "$kr_list"
    sha256sum "$kr_tar" >>"$kr_box/sha256"
    kr_note_freed "pack $kr_queue $kr_tar"
    kr_did "packed $kr_count mails that nobody collects from $kr_queue into one archive ($(kr_human "$(stat -c %s "$kr_tar")"))"
  done || exit $?
}

kr_small_line() {
  [ "$kr_few" -gt 0 ] && kr_did "removed $kr_few smaller files of kind $(kr_words "$kr_seen") ($(kr_human "$kr_small")), named in ${KR_NOTES:-no journal}"
  kr_few=0 kr_small=0
}

kr_words() {
  case $1 in
    1*) echo "rotated log" ;; 2*) echo "archived journal" ;; 3*) echo "cached package" ;; 4*) echo "core dump" ;;
    5*) echo "container log" ;; 6*) echo "log rotated today" ;; 7*) echo "overgrown log" ;;
  esac
}

# Stopped containers of pods, older than a day, where Docker can do it itself; never the control plane's.
kr_docker_prune() {
  kr_have docker && [ "$(kr_mount_of_docker)" = "$1" ] && kr_limit 3 docker version >/dev/null 2>&1 || return 0
  kr_text=$(kr_limit 60 docker container prune -f --filter until=24h --filter 'label=io.kubernetes.pod.namespace' \
    --filter 'label!=io.kubernetes.pod.namespace=kube-system' 2>/dev/null) || return 0
  case $kr_text in *'Deleted Containers'*) kr_did "removed stopped containers older than a day: $(echo "$kr_text" | sed -n 's/^Total reclaimed space: //p')" ;; esac
}

kr_mount_of_docker() { df -P /var/lib/docker 2>/dev/null | awk 'NR == 2 { sub(/^.*[0-9]%[ \t]+/, ""); print }'; }

# By name and size what takes the room and may not be freed here, and what is deleted but still held open.
kr_name_rest() {
  kr_limit 60 find "$1" -xdev -type f -size +204800 -exec stat -c '%b %n' {} + 2>/dev/null | sort -rn | head -n 8 |
    while read -r kr_blocks kr_file; do kr_note "left alone: $kr_file ($(kr_human $((kr_blocks * 512))))"; done
  # shellcheck disable=SC2012
  ls -l /proc/[0-9]*/fd 2>/dev/null | awk '/^\/proc\// { split($0, p, "/") } / -> \/.* \(deleted\)$/ { print p[3], $9 }' | sort -u | head -n 200 |
    while read -r kr_p kr_fd; do
      kr_size=$(stat -L -c '%b' "/proc/$kr_p/fd/$kr_fd" 2>/dev/null) || continue
      [ "$kr_size" -gt 204800 ] && kr_note "held open though deleted: $(kr_human $((kr_size * 512))) by $(cat "/proc/$kr_p/comm") (pid $kr_p); restart it to get the room"
    done
}

# What was kept in memory while nothing could be written belongs on the disk.
kr_move_vault() {
  [ -d "/run/kuberevive/$KR_RUN" ] || return 0
  kr_home=/var/lib/kuberevive/$KR_RUN
  mkdir -p "$kr_home" && chmod 700 /var/lib/kuberevive "$kr_home" || return 0
  if [ -d "/run/kuberevive/$KR_RUN/files" ]; then # half a copy must not pass for a backup
    if ! cp -a "/run/kuberevive/$KR_RUN/files" "$kr_home/files.part"; then rm -rf "$kr_home/files.part"; return 0; fi
    if [ ! -e "$kr_home/files" ]; then mv "$kr_home/files.part" "$kr_home/files" || return 0
    else cp -al "$kr_home/files.part/." "$kr_home/files/" || return 0; rm -rf "$kr_home/files.part"; fi
  fi
  for kr_list in journal sha256; do
    [ -f "/run/kuberevive/$KR_RUN/$kr_list" ] &&
      sed "s,/run/kuberevive/,/var/lib/kuberevive/," "/run/kuberevive/$KR_RUN/$kr_list" >>"$kr_home/$kr_list" || :
  done
  rm -rf "/run/kuberevive/${KR_RUN:?}"
}

kr_disk_space() {
  KR_OPEN=$(kr_open_files)
  kr_v=$(kr_vault) && KR_NOTES=$kr_v/journal KR_KEEP=$kr_v/files || KR_NOTES='' KR_KEEP=''
  printf '%s\n' "$KR_ARG_WANTS" | while read -r kr_w kr_i kr_m; do
    [ -n "$kr_m" ] || continue
    kr_enough "$kr_w" "$kr_i" "$kr_m" && continue
    kr_free_mount "$kr_w" "$kr_i" "$kr_m"
    kr_enough "$kr_w" "$kr_i" "$kr_m" || [ "$kr_i" -eq 0 ] || kr_pack_mail "$kr_m"
    kr_enough "$kr_w" "$kr_i" "$kr_m" || kr_docker_prune "$kr_m"
    if ! kr_enough "$kr_w" "$kr_i" "$kr_m"; then kr_name_rest "$kr_m"; fi
    kr_left=$(kr_free "$kr_m")
    kr_note "$kr_m has $(kr_human "$kr_left") and $(kr_ifree "$kr_m") inodes free now"
    if [ "$kr_w" -gt 0 ] && [ "$kr_left" -lt 104857600 ]; then
      kr_fail "only $(kr_human "$kr_left") are free on $kr_m after everything that may safely go; the biggest files are named above"
    fi
    if [ "$kr_i" -gt 0 ] && [ "$(($(kr_ifree "$kr_m") * 5))" -lt "$kr_i" ]; then # a fifth of the target is the limit of the check
      kr_fail "only $(kr_ifree "$kr_m") inodes are free on $kr_m after everything that may safely go"
    fi
  done || exit $?
  kr_move_vault
  kr_v=$(kr_vault) && [ -d "$kr_v/files" ] && printf '@backup %s\n' "$kr_v"
  return 0
}
kr_disk_space </dev/null
