# shellcheck shell=sh
# What may be freed on a full file system, safest first. Shared by the probe (how much would it be?) and by the repair.
# Only files, by pattern and age, below fixed roots, never across a mount; audit logs, images, volumes and etcd are not on it.
KR_LADDER_ROOTS='/var/log /var/log/journal /var/log/pods /var/lib/docker/containers /var/cache/apt /var/cache/yum
/var/cache/dnf /var/cache/zypp /var/lib/systemd/coredump /var/crash /var/lib/apport/coredump'

# kr_ladder_roots MOUNT: the roots that lie on that file system and are not below another one of them.
kr_ladder_roots() {
  kr_there=
  for kr_r in $KR_LADDER_ROOTS; do [ -d "$kr_r" ] && kr_there="$kr_there $kr_r"; done
  # shellcheck disable=SC2086 # fixed paths without blanks
  kr_limit 5 df -P $kr_there 2>/dev/null | awk -v want="$1" -v roots="$kr_there" '
    BEGIN { split(roots, root, " ") }
    NR > 1 {
      sub(/^.*[0-9]%[ \t]+/, "")
      if ($0 != want) next
      path = root[NR - 1]
      for (i in kept) if (index(path "/", kept[i] "/") == 1) next
      kept[NR] = path
      print path
    }'
}

# kr_ladder MOUNT SECONDS: every candidate on that file system as RUNG TAB BYTES TAB HOW TAB PATH, rung after rung, the
# biggest first. Packages of the cluster itself stay: they may be the only way back to an older version.
kr_ladder() {
  kr_roots=$(kr_ladder_roots "$1")
  [ -n "$kr_roots" ] || return 0
  # A name with a line break in it could pass for another path, so such files are left alone.
  # shellcheck disable=SC2086 # fixed paths without blanks
  kr_limit "$2" find -H $kr_roots -xdev -type f ! -path '*
*' -exec stat -c '%b %Y %n' {} + 2>/dev/null | awk -v now="$(date +%s)" '
    function add(rung, how) { printf "%s\t%.0f\t%s\t%s\n", rung, size, how, path }
    BEGIN { big = 104857600; day = 86400 }
    {
      size = $1 * 512; age = now - $2; path = $0
      sub(/^[0-9]+ [0-9]+ /, "", path)
      name = path; sub(/.*\//, "", name)
      if (size == 0 || tolower(path) ~ /audit/) next
      if (path ~ /^\/var\/log\/journal\//) { journal += size; if (name ~ /@/) archived += size; next }
      logs = path ~ /^\/var\/(log|lib\/docker\/containers)\//
      if (logs && name ~ /(\.(gz|xz|bz2|zst|old|[0-9][0-9]?)|\.log\.20[0-9][0-9].*|-20[0-9][0-9][01][0-9][0-3][0-9]|[.-][0-9][0-9]?[0-9]?\.log)$/)
        add(age > day ? "1 rotated" : "6 recent", "remove")
      else if (path ~ /^\/var\/cache\// && name ~ /(\.deb|\.rpm|pkgcache\.bin)$/ && name !~ /^(kube|containerd|docker|cri-|runc|etcd)/)
        add("3 package", "remove")
      else if (path ~ /^\/var\/(lib\/systemd\/coredump|crash|lib\/apport\/coredump)\// && age > day) add("4 coredump", "remove")
      else if (path ~ /^\/var\/(log\/pods|lib\/docker\/containers)\/.*\.log$/) { if (size > big) add("5 container", "empty") }
      else if (logs && size > big && name ~ /(\.log|^syslog|^messages|^debug)$/) add("7 system", "empty")
    }
    END {
      size = journal - 209715200
      if (size > archived) size = archived
      path = "/var/log/journal"
      if (size > 0) add("2 journal", "vacuum")
    }' | sort -t "$(printf '\t')" -k1,1 -k2,2nr
}

# kr_ladder_mail MOUNT SECONDS: a mail queue that nobody empties, as RUNG TAB FILES TAB HOW TAB PATH. Only where inodes are
# short: it is packed into one file, not deleted.
kr_ladder_mail() {
  kr_queue=/var/spool/postfix/maildrop
  [ -d "$kr_queue" ] && [ "$(kr_limit 5 df -P "$kr_queue" 2>/dev/null | awk 'NR == 2 { sub(/^.*[0-9]%[ \t]+/, ""); print }')" = "$1" ] || return 0
  kr_limit "$2" find -H "$kr_queue" -xdev -type f 2>/dev/null | awk -v path="$kr_queue" 'END { if (NR > 10000) printf "8 mail\t%d\tpack\t%s\n", NR, path }'
}
