#!/bin/sh
# Installs what the lab and the tests need from Debian on the machine that runs them. Safe to run again.
set -eu

packages="podman runc containernetworking-plugins mmdebstrap xfsprogs e2fsprogs haproxy iproute2 iptables
    openssh-client util-linux kmod gcc libc6-dev etcd-server etcd-client conntrack
    openssl curl dash busybox shellcheck python3-venv prometheus systemd"

if [ "$(id -u)" -ne 0 ]; then
    echo "setup-host: the lab makes containers, mounts and loop devices: run it as root" >&2
    exit 1
fi
if ! grep -qs '^VERSION_CODENAME=bookworm$' /etc/os-release; then
    echo "setup-host: this was made for Debian 12 (bookworm); install by hand: $packages" >&2
    exit 1
fi

missing=""
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' || missing="$missing $package"
done
if [ -n "$missing" ]; then
    echo "setup-host: installing$missing"
    apt-get update -qq
    # The packages' own daemons are not wanted on this machine, only their programs. RUNLEVEL is for invoke-rc.d alone: on a
    # machine with systemd only a policy keeps them from being started. Where an administrator has one, it is left as it is.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        trap 'exit 1' HUP INT TERM # dash runs no trap on EXIT when a signal ends it
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    # shellcheck disable=SC2086 # a list of words on purpose
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

for tool in go podman runc mmdebstrap mkfs.xfs mkfs.ext4 haproxy ssh-keygen promtool systemd-analyze; do
    command -v "$tool" >/dev/null || { echo "setup-host: $tool is missing" >&2; exit 1; }
done
