# dnf and rpm: the same functions as apt.sh has.
holder() {
	who=$(pid_holder /var/lib/dnf/rpmdb_lock.pid /var/cache/dnf/download_lock.pid /var/cache/dnf/metadata_lock.pid)
	if [ -n "$who" ]; then echo "$who"; else lock_holder /var/lib/rpm/.rpm.lock /usr/lib/sysimage/rpm/.rpm.lock; fi
}

# Locks and excludes are there to keep others from upgrading these packages; fleetup names what it means.
dnf_free() { dnf -y --disableexcludes=all --disableplugin=versionlock "$@" </dev/null; }

# query FORMAT NAME...: what rpm knows of packages. It says "is not installed" of those that its database can't be read for, too.
query() {
	format=$1
	shift
	said=$(rpm -q --qf "$format" "$@" 2>&1) || :
	case "
$said" in *"
error: "*) fail "rpm can't say what is installed: $(printf '%s\n' "$said" | grep '^error: ' | head -n 1)" ;; esac
	printf '%s\n' "$said"
}

installed() {
	packages=$(query '%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\t%{ARCH}\n' "$@") || exit
	printf '%s\n' "$packages" | grep '	' | while IFS='	' read -r name version arch; do
		want=install
		if grep -q -s "^$name-[0-9]" /etc/dnf/plugins/versionlock.list; then want=hold; fi
		printf '%s\t%s\t%s\t%s\tinstalled\n' "$name" "$version" "$arch" "$want"
	done
	[ -e /etc/dnf/plugins/versionlock.conf ] || echo 'no versionlock'
}

candidates() {
	dnf -q -C --disableexcludes=all --disableplugin=versionlock --showduplicates repoquery --qf 'madison %{name} | %{epoch}:%{version}-%{release} | %{repoid}' "$@" 2>/dev/null || :
	grep -H -s -E '^ *(\[|baseurl|mirrorlist|metalink)' /etc/yum.repos.d/*.repo | sed 's/^/source /'
	printf 'arch %s\n' "$(uname -m)"
}

peek() {
	name=$1 dir=$(mktemp -d)
	shift
	for url in "$@"; do
		timeout 30 dnf -q --setopt="cachedir=$dir" --setopt="logdir=$dir" --setopt="persistdir=$dir" --repofrompath="peek,$url" --repo=peek \
			--showduplicates repoquery --qf 'found %{name} %{epoch}:%{version}-%{release}' "$name" >"$dir/list" 2>/dev/null || continue
		echo "looked $url"
		cat "$dir/list"
	done
	rm -rf "$dir"
}

prepare() { wait_lock "$1"; }

refresh() {
	if [ $# -eq 0 ]; then dnf -q -y makecache --refresh </dev/null; return; fi
	for repo in "$@"; do dnf -q -y --repo="$repo" makecache --refresh </dev/null; done
}

# fetch_archives DIR NAME VERSION ARCH...
fetch_archives() {
	into=$1 archives=
	shift
	while [ $# -gt 0 ]; do
		archives="$archives $1-${2#*:}.$3"
		shift 3
	done
	timeout 120 dnf -q -y --disableexcludes=all --disableplugin=versionlock download --destdir="$into" $archives >/dev/null 2>&1
}

# Without the repositories, whose lists dnf would want first: what is held is installed.
hold() {
	[ -e /etc/dnf/plugins/versionlock.conf ] || return 0
	unhold "$@"
	dnf -q --disablerepo='*' versionlock add "$@" >/dev/null </dev/null
}
unhold() { dnf -q --disablerepo='*' versionlock delete "$@" >/dev/null 2>&1 </dev/null || :; }
# Left to itself dnf removes the oldest kernel as it installs a fourth one: old ones go only on request.
install() { dnf_free --setopt=installonly_limit=0 install "$@"; }
downgrade() { dnf_free install "$@" || dnf_free downgrade "$@"; }

newest() {
	dnf -q -C --disableexcludes=all --disableplugin=versionlock --showduplicates repoquery --qf '%{epoch}:%{version}-%{release}' "$1" 2>/dev/null |
		sort -V | while read -r version; do case ${version#*:} in "$2" | "$2"-* | "$2"+* | "$2"~*) echo "$version" ;; esac; done | tail -n 1
}
spec() { printf '%s-%s' "$1" "$2"; }
archive() { printf '%s/%s-%s.%s.rpm' "$kept" "$1" "${2#*:}" "$3"; }

keepable() { [ -s "$(archive "$@")" ]; }
# By rpm itself: dnf asks its repositories first, whatever it is to install.
install_kept() { rpm -U --oldpackage "$@"; }
remove_packages() { rpm -e "$@"; }

excludes() {
	options=
	for pattern in "$@"; do options="$options --exclude=$pattern"; done
}

# The patterns must reach dnf as they are, whatever lies in the working folder: no globbing. Without the lists of one
# repository dnf answers nothing at all, which is not to be taken for "nothing is pending".
pending() {
	set -f
	which=$1
	shift
	excludes "$@"
	if [ "$which" = security ]; then options="$options --security"; fi
	answer=$(dnf -q -C $options --latest-limit=1 repoquery --upgrades --qf '%{name} %{epoch}:%{version}-%{release} %{repoid}') || return 1
	set +f
	[ -z "$answer" ] || echo "$answer" | while read -r name version repo; do
		echo "pending $name $(rpm -q --qf '%{EPOCHNUM}:%{VERSION}-%{RELEASE}\n' "$name" | tail -n 1) $version $repo"
	done
}

index_age() {
	last=0
	for file in /var/cache/dnf/*/repodata/repomd.xml; do
		time=$(stat -c %Y "$file" 2>/dev/null) || continue
		if [ "$time" -gt "$last" ]; then last=$time; fi
	done
	echo "age $(($(date +%s) - last))"
}

upgrade_only() {
	set -f
	specs=$1
	shift
	excludes "$@"
	dnf -y $options upgrade $specs </dev/null
	set +f
}

kernels() {
	packages=$(query 'kernel %{VERSION}-%{RELEASE}.%{ARCH}\n' kernel-core) || exit
	printf '%s\n' "$packages" | grep '^kernel ' || :
}

# kernel_candidates: the repositories' kernels; "unlisted WHY" where dnf can't tell, which doesn't mean that there is none.
kernel_candidates() {
	why=$(mktemp)
	dnf -q -C --disableexcludes=all --disableplugin=versionlock repoquery --qf 'meta %{version}-%{release}.%{arch}' kernel-core 2>"$why" ||
		echo "unlisted $(tail -n 1 "$why")"
	rm -f "$why"
}

kernel_packages() { echo "kernel-$1"; }

# kernel_origin RELEASE: "unsigned WHY" where another vendor than the running kernel's made it.
kernel_origin() {
	running=$(uname -r)
	ours=$(rpm -q --qf '%{VENDOR}\n' "kernel-core-${running%.*}" 2>/dev/null | head -n 1)
	theirs=$(dnf -q -C --disableexcludes=all --disableplugin=versionlock repoquery --qf '%{vendor}' "kernel-core-${1%.*}" 2>/dev/null | head -n 1)
	[ "$ours" = "$theirs" ] || echo "unsigned its vendor is ${theirs:-unknown}, that of the running one ${ours:-unknown}"
}

# needs-restarting is a program of dnf-utils, or a command of dnf's own plugins.
reboot_required() {
	code=0
	if command -v needs-restarting >/dev/null 2>&1; then
		why=$(needs-restarting -r 2>&1) || code=$?
	elif dnf -q needs-restarting --help >/dev/null 2>&1; then
		why=$(dnf -q -C needs-restarting -r 2>&1) || code=$?
	else
		echo 'notool'
		return 0
	fi
	echo "code $code"
	case $why in *'eboot is required'*) echo 'says yes' ;; esac
	printf '%s\n' "$why" | sed -n 's/^ *\* /flag /p'
}
