# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # used, and set, by scripts that source this
#
# Debian's archive, and systems made from it. For setup and install.

KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

say()
{
	echo "$PROG: $*"
}

as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "needs root: run as root: ${*/#DEBIAN*/}"
	fi
}

# installed PACKAGE: is it, and completely?
installed()
{
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# missing PACKAGE...: those that are not installed.
missing()
{
	local package

	for package; do
		installed "$package" || echo "$package"
	done
}

apt_update()
{
	say "updating the package lists ..."
	as_root apt-get -qq update || die "apt-get update failed: see above"
}

install_packages()
{
	local -a want

	mapfile -t want < <(missing "$@")
	[ ${#want[@]} = 0 ] && return
	apt_update
	say "installing ${want[*]} ..."
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
		-o Dpkg::Use-Pty=0 --no-install-recommends install \
		"${want[@]}" >"$CACHE/apt.log" 2>&1 ||
		{ tail -n 20 "$CACHE/apt.log" >&2
		  die "cannot install ${want[*]}"; }
}

# archive LABEL: the address that the system's own sources have for an archive
archive()
{
	# shellcheck disable=SC2016 # a format of apt's
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
		"Label: $1" 2>/dev/null | sed 's:/*$::' | head -n 1
}

# find_mirrors: sets mirror and security to addresses of Debian's archives.
find_mirrors()
{
	mirror=${RSM_DEBIAN_MIRROR:-$(archive Debian)}
	[ -n "$mirror" ] ||
		die "set RSM_DEBIAN_MIRROR to the address of a Debian mirror"
	security=${RSM_DEBIAN_SECURITY:-}
	[ -n "$security" ] || [ -n "${RSM_DEBIAN_MIRROR-}" ] ||
		security=$(archive Debian-Security)
	security=${security:-$mirror-security}
}

# bootstrap SUITE DIR PACKAGES: makes a root of Debian, all at once or not at
# all; PACKAGES are separated by commas.
bootstrap()
{
	local suite=$1 dir=$2 packages=$3 new

	install_packages debootstrap debian-archive-keyring
	new=$(mktemp -d "$CACHE/root.XXXXXX") || exit 2
	# what it mounts goes away with it, however it ends
	if ! as_root unshare --mount debootstrap --variant=minbase \
		--keyring="$KEYRING" --include="$packages" \
		"$suite" "$new" "$mirror" >"$CACHE/debootstrap.log" 2>&1; then
		tail -n 20 "$CACHE/debootstrap.log" >&2
		as_root rm -rf "$new"
		die "cannot make a root of Debian $suite from $mirror: see above, and $CACHE/debootstrap.log"
	fi
	as_root rm -rf "$new"/usr/share/{doc,man,info,locale} \
		"$new"/var/cache/apt/archives/*.deb
	as_root chmod 755 "$new"
	# somebody else may have been faster
	as_root mv -T "$new" "$dir" 2>/dev/null || as_root rm -rf "$new"
}
