# shellcheck shell=bash disable=SC2034
# Shared by tools/demo and tools/test: packages and builds. Sourced by bash.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# A name with | stands for the first one that this distribution has.
build_packages=(gcc make autoconf automake libtool pkg-config libdwarf-dev libelf-dev
	libcapstone-dev libsqlite3-dev libedit-dev zlib1g-dev)
# What parts of make check ask for: each form of compressed file, files that share debug info.
check_packages=(liblzma-dev libzstd-dev dwz xz-utils zstd binutils python3)
live_packages=(qemu-system-x86 seabios busybox-static cpio xz-utils zstd libc6-dev python3
	gdbserver binutils)
peer_packages=(gdb binutils 'pahole|dwarves' debuginfod 'libdebuginfod1|libdebuginfod1t64')
# For tests/live/t_inner_vmx alone.
bochs_packages=(bochs bochs-term bochsbios vgabios xorriso isolinux syslinux-common)
# What reads a dump of a guest, for tools/peers.
dump_packages=(python3-drgn crash)

# step TEXT: what is going on, on stderr, so that stdout stays the result's.
step() { echo "==> $*" >&2; }

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# need PACKAGE...: installs what is missing as root or by sudo; where that is
# not possible prints the line that does it and fails.
need() {
	local missing=() p alt sudo=()
	command -v dpkg-query >/dev/null || {
		echo "This is no Debian or Ubuntu; install yourself what these hold: $*" >&2
		return 0
	}
	for p in "$@"; do
		for alt in ${p//|/ }; do
			if installed "$alt"; then continue 2; fi
		done
		missing+=("$p")
	done
	[ ${#missing[@]} -gt 0 ] || return 0

	if [ "$(id -u)" != 0 ]; then
		if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
			sudo=(sudo)
		else
			echo "Packages are missing and this user cannot install any. As root, run:" >&2
			echo "  apt-get install --no-install-recommends ${missing[*]//|*/}" >&2
			return 2
		fi
	fi
	step "installing ${missing[*]}"
	"${sudo[@]}" apt-get update -qq >&2 || true
	local names=()
	for p in "${missing[@]}"; do
		for alt in ${p//|/ }; do
			if apt-cache show "$alt" >/dev/null 2>&1; then names+=("$alt"); continue 2; fi
		done
		echo "this distribution has no package $p" >&2
		return 2
	done
	"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -q --no-install-recommends "${names[@]}" >&2
}

# quiet LOG COMMAND...: runs it into the log; shows the log's end only if it fails.
quiet() {
	local log=$1
	shift
	if "$@" >"$log" 2>&1; then return 0; fi
	tail -n 40 "$log" >&2
	echo "failed: $* (all of it in $log)" >&2
	return 1
}

# build DIR [CONFIGURE ARGS]: configures where needed and makes xkd; prints the
# folder that it was built in. A tree configured in place is used as it is, for
# automake cannot build beside it; then a sanitizer build is not possible.
build() {
	local dir=$1
	shift
	if [ -f "$top/config.status" ]; then
		if [[ " $* " == *sanitize* ]]; then
			echo "this tree is configured in place: make distclean first" >&2
			return 1
		fi
		dir=$top
	fi
	mkdir -p "$dir"
	if [ ! -x "$top/configure" ]; then
		step "autoreconf -fi"
		(cd "$top" && quiet "$dir/autoreconf.log" autoreconf -fi) || return 1
	fi
	if [ ! -f "$dir/config.status" ]; then
		step "configure $*"
		(cd "$dir" && quiet configure.log "$top/configure" "$@") || return 1
	fi
	step "make"
	quiet "$dir/make.log" make -C "$dir" -j"$(nproc)" || return 1
	echo "$dir"
}
