# shellcheck shell=bash
# Packages of the machine's Debian archive, of any of its suites, unpacked and never
# installed: apt with lists and caches of its own, the settings and sources the machine's.
# No root needed. Sourced by bash; cache is set before, say (to tell the user) by the first call.

# A script that sources this may read these.
arch=amd64
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
apt_dir=${cache:?}/apt

# apt_setup SOURCES: SOURCES is empty for the machine's own, else a list file.
apt_setup() {
	local name=own
	[ -z "$1" ] || name=$(basename "$1" .list)
	apt_state=$apt_dir/$name
	mkdir -p "$apt_state/state/lists/partial" "$apt_state/cache/archives/partial" "$apt_dir/conf.d"
	: >"$apt_state/state/status"
	# The machine's settings hold its proxies; its hooks are none of our business.
	rm -f "$apt_dir/conf.d/"*
	[ ! -d /etc/apt/apt.conf.d ] || cp /etc/apt/apt.conf.d/* "$apt_dir/conf.d/" 2>/dev/null || true
	cat >"$apt_dir/conf.d/zz-xkd" <<-END
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
		#clear DPkg::Post-Invoke;
		#clear Acquire::Languages;
		Acquire::Languages { "none"; };
		Acquire::Retries "3";
		APT::Get::List-Cleanup "true";
		APT::Sandbox::User "$(id -un)";
	END
	cat >"$apt_state/apt.conf" <<-END
		Dir::Etc::parts "$apt_dir/conf.d";
		Dir::State "$apt_state/state";
		Dir::State::status "$apt_state/state/status";
		Dir::Cache "$apt_state/cache";
		APT::Architecture "$arch";
		APT::Architectures { "$arch"; };
	END
	if [ -n "$1" ]; then
		printf 'Dir::Etc::sourcelist "%s";\nDir::Etc::sourceparts "/nowhere";\n' "$1" >>"$apt_state/apt.conf"
	fi
	export APT_CONFIG=$apt_state/apt.conf
}

apt_update() {
	# One source of the machine's that does not answer must not spoil the others.
	apt-get update -q >"$apt_state/update.log" 2>&1 || true
}

# archives: the archive's addresses as the machine's own configuration has them,
# "LABEL URI" a line (LABEL is Debian or Debian-Security).
archives() {
	[ -z "${XKD_ARCHIVE:-}" ] || echo "Debian $XKD_ARCHIVE"
	apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
		awk -F'|' '$1 == "Debian" && !seen[$2 $3]++ { print $2, $3 }'
}

# download PACKAGE: prints the path of its .deb, in the cache with its hash.
download() {
	local file sum path part
	path=$(apt-cache show --no-all-versions "$1" | awk '$1 == "Filename:" { print $2; exit }')
	sum=$(apt-cache show --no-all-versions "$1" | awk '$1 == "SHA256:" { print $2; exit }')
	[ -n "$path" ] && [ -n "$sum" ] || return 1
	file=$cache/dl/${path##*/}
	if [ -f "$file" ] && echo "$sum  $file" | sha256sum --quiet -c - >&2; then
		:
	else
		part=$cache/dl/partial
		rm -rf "$part"
		mkdir -p "$part"
		# On a terminal apt draws its bar; else it prints a line a package.
		(cd "$part" && apt-get download "$1" >&2) || return 1
		mv "$part"/*.deb "$file"
		echo "$sum  $file" | sha256sum --quiet -c - >&2 || return 1
	fi
	echo "$sum  ${file##*/}" >"$file.sha256"
	echo "$file"
}

# suite_list SUITE: the list file of a suite of the archive that the machine's sources
# name (their addresses are in $apt_dir/archives).
suite_list() {
	local list=$apt_dir/$1.list label uri
	while read -r label uri; do
		case $label-$1 in
		Debian-sid | Debian-experimental) echo "deb [signed-by=$keyring] $uri $1 main" ;;
		Debian-Security-sid | Debian-Security-experimental) ;;
		Debian-Security-*) echo "deb [signed-by=$keyring] $uri $1-security main" ;;
		Debian-*)
			echo "deb [signed-by=$keyring] $uri $1 main"
			echo "deb [signed-by=$keyring] $uri $1-backports main" ;;
		esac
	done <"$apt_dir/archives" >"$list"
	echo "$list"
}

# find_archives: false where the machine's sources name none.
find_archives() {
	archives >"$apt_dir/archives"
	[ -s "$apt_dir/archives" ] && [ -f "$keyring" ]
}
