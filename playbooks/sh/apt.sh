# apt and dpkg: no question is ever asked, local configuration files stay, and nothing is removed.
export DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical APT_LISTCHANGES_FRONTEND=none NEEDRESTART_MODE=l NEEDRESTART_SUSPEND=1 UCF_FORCE_CONFFOLD=1

aptget() {
	apt-get -q -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=60 "$@" </dev/null
}

holder() {
	lock_holder /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock
}

# query FORMAT NAME...: what dpkg knows of packages. 1 says that one isn't there; anything else that dpkg knows nothing.
query() {
	format=$1
	shift
	dpkg-query -W -f="$format" "$@" 2>/dev/null || [ $? -eq 1 ] ||
		fail 'dpkg-query fails, so nobody knows what is installed: see what dpkg-query -W says on the machine'
}

# installed NAME...: name, version, architecture, what is wanted of it (install, hold) and its state.
installed() { query '${Package}\t${Version}\t${Architecture}\t${db:Status-Want}\t${db:Status-Status}\n' "$@"; }

# candidates NAME...: what the package index knows, and the sources with a minor in their URL.
candidates() {
	apt-cache madison "$@" 2>/dev/null | sed 's/^/madison /'
	grep -H -s -E '^ *(deb|URIs:|Suites:|Components:|Types:|$)' /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources | sed 's/^/source /'
	printf 'arch %s\n' "$(dpkg --print-architecture)"
}

# peek NAME URL...: the versions of NAME in indexes that this machine doesn't have yet, read-only.
peek() {
	name=$1 dir=$(mktemp -d)
	shift
	for url in "$@"; do
		for end in '' .gz .xz; do
			fetch "$url$end" "$dir/index" || continue
			case $end in '') cat "$dir/index" ;; .gz) gzip -dc <"$dir/index" ;; .xz) xz -dc <"$dir/index" ;; esac >"$dir/list" 2>/dev/null || continue
			echo "looked $url"
			awk -v name="$name" '$1 == "Package:" { mine = $2 == name } mine && $1 == "Version:" { print "found " name " " $2 }' "$dir/list"
			break
		done
	done
	rm -rf "$dir"
}

fetch() {
	rm -f "$2"
	case $1 in
	file:*) path=${1#file:} && cp "/${path##/}" "$2" 2>/dev/null ;;
	http*)
		if command -v curl >/dev/null 2>&1; then
			curl -fsSL --max-time 10 -o "$2" "$1" 2>/dev/null
		elif [ -x /usr/lib/apt/apt-helper ]; then
			timeout 10 /usr/lib/apt/apt-helper download-file "$1" "$2" >/dev/null 2>&1
		else
			return 1
		fi ;;
	*) return 1 ;;
	esac
}

# prepare SECONDS: nothing of an earlier installation is left half done, and nobody else installs.
prepare() {
	wait_lock "$1"
	pending=$(dpkg --audit 2>/dev/null) || :
	for update in /var/lib/dpkg/updates/[0-9]*; do [ ! -e "$update" ] || pending=yes; done
	[ -n "$pending" ] || return 0
	say 'an earlier installation was interrupted: finishing it (dpkg --configure -a)'
	dpkg --configure -a --force-confdef --force-confold </dev/null || fail 'dpkg --configure -a failed: see its lines above'
}

refresh() {
	if [ $# -eq 0 ]; then aptget update; return; fi
	for file in "$@"; do
		aptget update -o APT::Update::Error-Mode=any -o "Dir::Etc::sourcelist=$file" -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0
	done
}

# fetch_archives DIR NAME VERSION ARCH...: from the cache, from a repository, or packed again from what is installed.
fetch_archives() {
	into=$1 archives=
	shift
	while [ $# -gt 0 ]; do
		file=/var/cache/apt/archives/$(basename "$(archive "$1" "$2" "$3")")
		if [ -s "$file" ]; then cp "$file" "$into/"; else archives="$archives $1=$2" last=$1; fi
		shift 3
	done
	[ -n "$archives" ] || return 0
	(cd "$into" && timeout 120 apt-get -q download $archives >/dev/null 2>&1) && return 0
	case ${archives# } in *' '*) return 1 ;; esac
	command -v dpkg-repack >/dev/null 2>&1 && (cd "$into" && dpkg-repack "$last" >/dev/null 2>&1)
}

hold() { apt-mark hold "$@" >/dev/null; }
unhold() { apt-mark unhold "$@" >/dev/null; }
# Without --allow-change-held-packages: what is held and isn't meant here must not be changed as a dependency either.
install() { aptget install --no-install-recommends --no-remove "$@"; }
downgrade() { aptget install --no-install-recommends --allow-downgrades "$@"; }

# newest NAME WANTED: the newest version that is the wanted one, epoch aside, or goes on from it. madison lists the newest first.
newest() {
	apt-cache madison "$1" 2>/dev/null | sed 's/^[^|]*| *\([^ |]*\).*/\1/' | while read -r version; do
		case ${version#*:} in "$2" | "$2"-* | "$2"+* | "$2"~*) echo "$version" && break ;; esac
	done
}
spec() { printf '%s=%s' "$1" "$2"; }
archive() { printf '%s/%s_%s_%s.deb' "$kept" "$1" "$(printf '%s' "$2" | sed 's/:/%3a/')" "$3"; }

# keepable NAME VERSION ARCH: whether the archive is to be had without a repository.
keepable() { [ -s "$(archive "$@")" ] || [ -s "/var/cache/apt/archives/$(basename "$(archive "$@")")" ] || command -v dpkg-repack >/dev/null 2>&1; }
# install_kept ARCHIVE...: from files alone. With its sources apt would ask a mirror first for a version that its lists know;
# its own user can't read the folder that the archives are in.
install_kept() {
	aptget -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=- -o APT::Sandbox::User=root \
		install --no-install-recommends --no-remove --allow-downgrades "$@"
}
# remove_packages NAME...: these and no others; refused where another one needs them.
remove_packages() { dpkg --remove "$@" </dev/null; }

# pins PATTERN...: a preferences file that leaves these packages as they are, whatever depends on them.
pins() {
	preferences=$(mktemp)
	cat /etc/apt/preferences >"$preferences" 2>/dev/null || :
	printf '\nPackage: %s\nPin: release *\nPin-Priority: -1\n' "$*" >>"$preferences"
}

# pending security|all PATTERN...: what an upgrade would bring, "pending NAME OLD NEW ORIGIN"; PATTERNs are left out.
pending() {
	which=$1
	shift
	pins "$@"
	apt-get -s -q -y -o Debug::NoLocking=1 -o "Dir::Etc::preferences=$preferences" upgrade --with-new-pkgs 2>/dev/null |
		sed -n 's/^Inst \([^ ]*\) \[\([^]]*\)\] (\([^ ]*\) \([^[)]*\).*/pending \1 \2 \3 \4/p' | sort |
		while IFS= read -r line; do
			case $which/$line in all/* | security/*[Ss]ecurity*) echo "$line" ;; esac
		done
	rm -f "$preferences"
}

# index_age: seconds since the package lists were fetched last. Their own times are the server's, their folder's are ours.
index_age() {
	last=0
	for list in /var/lib/apt/lists/*_Packages*; do
		[ -e "$list" ] || continue
		for file in /var/lib/apt/lists /var/lib/apt/lists/partial /var/lib/apt/periodic/update-success-stamp; do
			time=$(stat -c %Y "$file" 2>/dev/null) || continue
			if [ "$time" -gt "$last" ]; then last=$time; fi
		done
		break
	done
	echo "age $(($(date +%s) - last))"
}

# upgrade_only SPECS PATTERN...: exactly these packages, at these versions; who was installed as a dependency stays one.
upgrade_only() {
	specs=$1
	shift
	pins "$@"
	auto=$(apt-mark showauto) || :
	code=0
	aptget -o "Dir::Etc::preferences=$preferences" install --only-upgrade --no-install-recommends --no-remove $specs || code=$?
	again=
	for spec in $specs; do
		name=${spec%%=*}
		case "
$auto
" in *"
$name
"*) again="$again $name" ;; esac
	done
	[ -z "$again" ] || apt-mark auto $again >/dev/null
	rm -f "$preferences"
	return $code
}

# kernels: the images that are installed, as uname -r says them.
kernels() {
	images=$(query '${Package}\t${db:Status-Status}\n' 'linux-image-*') || exit
	printf '%s\n' "$images" |
		sed -n 's/^linux-image-\(unsigned-\)\{0,1\}\([0-9][^	]*\)	installed$/kernel \2/p' | grep -v -e -dbg || :
}

# kernel_candidates FLAVOUR: those that the installed metapackages point to, and those of the flavour.
kernel_candidates() {
	images=$(query '${Package}\t${db:Status-Status}\n' 'linux-image-*') || exit
	for meta in $(printf '%s\n' "$images" | sed -n 's/^\(linux-image-[a-z][^	]*\)	installed$/\1/p' | grep -v -e unsigned -e -dbg); do
		apt-cache depends "$meta" 2>/dev/null | sed -n 's/.*Depends: linux-image-\([0-9].*\)/meta \1/p'
	done
	apt-cache pkgnames linux-image- 2>/dev/null | sed -n 's/^linux-image-\([0-9].*\)/available \1/p' | grep -e "-$1\$" || :
}

# kernel_packages VERSION: what has to be installed for it. Ubuntu keeps most drivers in a package of their own.
kernel_packages() {
	echo "linux-image-$1"
	if dpkg-query -W "linux-modules-extra-$(uname -r)" >/dev/null 2>&1; then echo "linux-modules-extra-$1"; fi
}

# kernel_origin RELEASE: "unsigned WHY" where its package isn't one of those whose images the distribution has signed.
kernel_origin() {
	source=$(apt-cache show "linux-image-$1" 2>/dev/null | sed -n 's/^Source: \([^ ]*\).*/\1/p' | head -n 1)
	case $source in *signed*) ;; *) echo "unsigned its package comes from ${source:-its own source}, not from a signed one" ;; esac
}

reboot_required() {
	for flag in /run/reboot-required /var/run/reboot-required; do
		if [ -e "$flag" ]; then
			echo "flag $(sort -u "$flag.pkgs" 2>/dev/null | tr '\n' ' ')"
			break
		fi
	done
	kernels
	echo "running $(uname -r)"
}
