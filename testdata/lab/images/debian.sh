#!/bin/bash
# debian.sh OUT: a small Debian with systemd, sshd and sudo, the lowest layer of every machine.
set -euo pipefail
out=$1

# The mirror that this machine itself uses, so that a site's own mirror is honoured; none, and debootstrap takes its own.
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' 'Codename: bookworm' 'Component: main' |
	head -n 1)

debootstrap --variant=minbase --include="$(tr -s ' \n' ',' <<<"ca-certificates dbus iproute2 kmod libpam-systemd \
openssh-server procps sudo systemd systemd-sysv udev" | sed 's/,$//')" bookworm "$out" ${mirror:+"$mirror"}

# No mirror is reachable from a machine of the lab, and a dead one would cost every apt-get update its timeout.
cp "$out/etc/apt/sources.list" "$out/etc/apt/sources.list.debootstrap"
: >"$out/etc/apt/sources.list"
rm -rf "$out"/var/cache/apt/archives/*.deb "$out"/var/lib/apt/lists/* "$out"/etc/ssh/ssh_host_*
: >"$out/etc/machine-id"
