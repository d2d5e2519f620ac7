#!/bin/bash
# packages.sh OUT BIN: the repositories that a machine finds under /srv/repo, each package as .deb and as .rpm from one
# tree. kubemark is taken from BIN. The folders are named like those of the public ones:
#
#   core:/stable:/v1.36/{deb,rpm}/   kubelet kubeadm kubectl 1.36.4
#   core:/stable:/v1.37/{deb,rpm}/   the same 1.37.2, and 1.37.3 whose kubelet exits at once
#   docker/{deb,rpm}/                containerd 2.1.3, 2.1.4, and 2.1.5 whose service fails
#   os/{deb,rpm}/                    labpatch and labextra 1.0
#   security/{deb,rpm}/              labpatch 1.1: a security fix, whose conffile changed too
#   updates/{deb,rpm}/               labextra 1.1: a plain update
#   reboot/{deb,rpm}/                an update that wants a reboot: labreboot as .deb, linux-firmware as .rpm
set -euo pipefail
out=$1 bin=$2
files=$(cd "$(dirname "$0")" && pwd)/files
tree=$out/.tree
deb_arch=$(dpkg --print-architecture) rpm_arch=$(uname -m)

# place FILE PATH MODE: one of files/ into the tree, its @VERSION@ and @BROKEN@ filled in.
place() {
	install -D -m "$3" "$files/$1" "$tree/$2"
	sed -i "s/@VERSION@/$version/; s/@BROKEN@/$broken/" "$tree/$2"
}

# pack REPOSITORY NAME REVISION FORMATS [UNIT]: the tree as packages of $version, and an empty tree for the next one.
pack() {
	local repository=$1 name=$2 revision=$3 formats=$4 unit=${5:-}
	case $formats in *deb*) pack_deb "$repository" "$name" "$revision" "$unit" ;; esac
	case $formats in *rpm*) pack_rpm "$repository" "$name" "$revision" "$unit" ;; esac
	rm -rf "$tree"
	mkdir -p "$tree"
}

# Like debhelper's: the unit is enabled, and started or restarted by the installation itself. An upgrade has to mask
# the kubelet if it wants it to stay down.
pack_deb() {
	mkdir -p "$tree/DEBIAN" "$out/$1/deb"
	printf '%s\n' "Package: $2" "Version: $version-$3" "Architecture: $deb_arch" 'Maintainer: lab <lab@localhost>' \
		'Section: admin' 'Priority: optional' "Description: $2 of the fleetup lab" >"$tree/DEBIAN/control"
	(cd "$tree" && find etc -type f -name '*.conf' -printf '/%p\n' 2>/dev/null) >"$tree/DEBIAN/conffiles" || true
	if [ -n "$4" ]; then
		cat >"$tree/DEBIAN/postinst" <<-END
			#!/bin/sh
			set -e
			if [ "\$1" = configure ]; then
				deb-systemd-helper enable $4 >/dev/null || true
				if [ -d /run/systemd/system ]; then
					systemctl --system daemon-reload >/dev/null || true
					if [ -n "\$2" ]; then action=restart; else action=start; fi
					deb-systemd-invoke \$action $4 >/dev/null || true
				fi
			fi
		END
		cat >"$tree/DEBIAN/prerm" <<-END
			#!/bin/sh
			set -e
			if [ "\$1" = remove ] && [ -d /run/systemd/system ]; then deb-systemd-invoke stop $4 >/dev/null || true; fi
		END
	elif [ "$2" = labreboot ]; then
		printf '%s\n' '#!/bin/sh' 'set -e' 'touch /run/reboot-required' 'echo labreboot >>/run/reboot-required.pkgs' >"$tree/DEBIAN/postinst"
	fi
	find "$tree/DEBIAN" -name 'p*' -exec chmod 0755 {} +
	dpkg-deb --root-owner-group -Zzstd -z1 --build "$tree" "$out/$1/deb/$2_$version-$3_$deb_arch.deb" >/dev/null
	rm -rf "$tree/DEBIAN"
}

# Like systemd's rpm macros: an upgrade restarts the runtime but not the kubelet.
pack_rpm() {
	local restart=true provides=
	[ "$2" != lab-release ] || provides='Provides: /bin/sh' # scriptlets need it, and no rpm here has the shell
	mkdir -p "$out/$1/rpm"
	[ "$4" != containerd.service ] || restart="systemctl try-restart $4"
	cat >"$out/.spec" <<-END
		Name: $2
		Version: $version
		Release: $3
		Summary: $2 of the fleetup lab
		License: Apache-2.0
		AutoReqProv: no
		$provides
		%description
		$2 of the fleetup lab
		%files
		$(cd "$tree" && find . -type f ! -name '*.conf' -printf '/%P\n'; find . -type f -name '*.conf' -printf '%%config(noreplace) /%P\n')
	END
	if [ -n "$4" ]; then
		cat >>"$out/.spec" <<-END
			%post
			systemctl daemon-reload >/dev/null 2>&1 || :
			[ \$1 -ne 1 ] || systemctl enable $4 >/dev/null 2>&1 || :
			%preun
			[ \$1 -ne 0 ] || systemctl disable --now $4 >/dev/null 2>&1 || :
			%postun
			[ \$1 -lt 1 ] || $restart >/dev/null 2>&1 || :
		END
	fi
	rm -rf "$out/.rpmbuild" && mkdir -p "$out/.rpmbuild"
	cp -a "$tree" "$out/.buildroot"
	rpmbuild --quiet -bb --target "$rpm_arch" --buildroot "$out/.buildroot" -D "_topdir $out/.rpmbuild" -D "_rpmdir $out/$1/rpm" \
		-D '_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' -D '_binary_payload w1.zstdio' \
		-D '__os_install_post %{nil}' -D '_build_id_links none' -D 'debug_package %{nil}' "$out/.spec"
	rm -rf "$out/.buildroot"
}

kubernetes() { # VERSION works|broken
	local repository=core:/stable:/v${1%.*}
	version=$1 broken=no
	place kubelet usr/bin/kubelet 0755
	place kubelet.service usr/lib/systemd/system/kubelet.service 0644
	place 10-kubeadm.conf usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf 0644
	[ "$2" = broken ] || install -D -m 0755 "$bin/kubemark-$1" "$tree/usr/libexec/kubelet/kubemark"
	pack "$repository" kubelet 1.1 deb,rpm kubelet.service
	place kubeadm usr/bin/kubeadm 0755
	pack "$repository" kubeadm 1.1 deb,rpm
	place kubectl usr/bin/kubectl 0755
	pack "$repository" kubectl 1.1 deb,rpm
}

containerd() { # VERSION yes|no
	version=$1 broken=$2
	place containerd usr/bin/containerd 0755
	place containerd.service usr/lib/systemd/system/containerd.service 0644
	pack docker containerd 1 deb,rpm containerd.service
}

os_package() { # REPOSITORY NAME VERSION FORMATS
	version=$3
	install -d "$tree/usr/share/$2" "$tree/etc"
	echo "$3" >"$tree/usr/share/$2/version"
	echo "# $2 $3: what a local change of this file must survive" >"$tree/etc/$2.conf"
	pack "$1" "$2" 1 "$4"
}

# index REPOSITORY ORIGIN LABEL SUITE: the lists that apt and dnf read.
index() {
	(
		cd "$out/$1/deb"
		dpkg-scanpackages --multiversion . >Packages
		gzip -9nk Packages
		apt-ftparchive -o "APT::FTPArchive::Release::Origin=$2" -o "APT::FTPArchive::Release::Label=$3" \
			-o "APT::FTPArchive::Release::Suite=$4" -o "APT::FTPArchive::Release::Codename=$4" release . >.Release
		mv .Release Release
	)
	createrepo_c --quiet "$out/$1/rpm"
}

# advise REPOSITORY: says in the rpm repository that its update is a security one, for `dnf --security`.
advise() {
	cat >"$out/.updateinfo.xml" <<-END
		<?xml version="1.0" encoding="UTF-8"?>
		<updates><update from="lab" status="final" type="security" version="1"><id>LAB-1</id><title>labpatch</title>
		<severity>Important</severity><issued date="2026-01-01 00:00:00"/><description>labpatch</description><pkglist><collection short="lab"><name>lab</name>
		<package name="labpatch" version="1.1" release="1" epoch="0" arch="$rpm_arch" src="labpatch-1.1-1.src.rpm"><filename>labpatch-1.1-1.$rpm_arch.rpm</filename></package>
		</collection></pkglist></update></updates>
	END
	mv "$out/.updateinfo.xml" "$out/updateinfo.xml"
	modifyrepo_c --mdtype updateinfo "$out/updateinfo.xml" "$out/$1/rpm/repodata"
	rm "$out/updateinfo.xml"
}

mkdir -p "$tree"
kubernetes 1.36.4 works
kubernetes 1.37.2 works
kubernetes 1.37.3 broken
containerd 2.1.3 no
containerd 2.1.4 no
containerd 2.1.5 yes
os_package os labpatch 1.0 deb,rpm
os_package os labextra 1.0 deb,rpm
os_package os lab-release 9 rpm
os_package security labpatch 1.1 deb,rpm
os_package updates labextra 1.1 deb,rpm
os_package reboot labreboot 1.1 deb
os_package reboot linux-firmware 1.1 rpm

for minor in v1.36 v1.37; do
	index "core:/stable:/$minor" obs://build.opensuse.org/isv:kubernetes:core:stable:$minor/deb isv:kubernetes:core:stable:$minor stable
done
index docker Docker 'Docker CE' bookworm
index os Debian Debian bookworm
index security Debian Debian-Security bookworm-security
index updates Debian Debian bookworm-updates
index reboot Debian Debian bookworm-updates
advise security
rm -rf "$out"/.tree "$out"/.spec "$out"/.rpmbuild
