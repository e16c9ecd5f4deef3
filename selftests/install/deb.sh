# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154 # set by guest, which sources this
#
# The stages of selftests/vm/deb.

DEBS=/run/lab/debs
OURS=(rsmctl-dkms rsmctl libusrsm-dev libusrsm0)

apt()
{
	DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 "$@"
}

# version old|new: of the packages
version()
{
	dpkg-deb -f $DEBS/"$1"/libusrsm0_*.deb Version
}

# install_debs old|new: DKMS has that version then, for this kernel, and no other.
install_debs()
{
	apt --allow-downgrades install $DEBS/"$1"/*.deb &&
		kept_by_dkms "$(uname -r)" &&
		[ "$(dkms status | cut -d , -f 1)" = "rsmctl/$(version "$1")" ]
}

# loads old|new: opening the device has the module of that version loaded.
loads()
{
	open_device && [ "$(cat /sys/module/rsmctl/version)" = "$(version "$1")" ]
}

has_library()
{
	ldd /home/rsm1/readme | grep "libusrsm.so.0 => /lib/x86_64-linux-gnu/"
}

says_version()
{
	[ "$(as rsm1 rsmctl --version | head -n 2)" = \
		"rsmctl $(version "$1")"$'\n'"libusrsm $(version "$1")" ]
}

# hold COMMAND...: while somebody has the device open
hold()
{
	local status

	exec 7<>/dev/rsmctl
	"$@"
	status=$?
	exec 7>&-
	return $status
}

upgrade_in_use()
{
	install_debs new && grep -q 'rsmctl is in use' $LOG &&
		[ "$(cat /sys/module/rsmctl/version)" = "$(version old)" ] &&
		readme_program
}

remove()
{
	apt remove "${OURS[@]}" && is_gone && [ ! -e /sys/module/rsmctl ] &&
		[ ! -e /dev/rsmctl ]
}

purge()
{
	# apt does not know those of which nothing is left
	dpkg --purge "${OURS[@]}" && nothing_left &&
		! dpkg-query -W "${OURS[@]}" 2>/dev/null | grep .
}

purge_in_use()
{
	apt purge "${OURS[@]}" && grep -q 'rsmctl is in use' $LOG &&
		[ -e /sys/module/rsmctl ]
}

stage_packages()
{
	claim "apt installs the packages, and DKMS has the module" \
		install_debs old
	# there was no boot since
	used 6.1
	claim "programs have the library of its package" has_library
	claim "the command tells its version" says_version old
	claim "rsmctl bench measures" as rsm1 rsmctl bench -q 'map*'
	claim "packages are upgraded while the module is in use" \
		hold upgrade_in_use
	claim "that module can be unloaded" unload
	claim "opening the device loads the new one" loads new
	claim "the command is the new one" says_version new
	claim "the program in README works with both" readme_program
	claim "a version is replaced while its module is loaded" install_debs old
	claim "opening the device loads what replaces it" loads old
}

stage_purge()
{
	used 6.1
	claim "the module is loaded again" loads old
	claim "packages are removed, and with them node and module" remove
	claim "purge leaves nothing" purge
	claim "apt installs the packages once more" install_debs new
	claim "packages are purged while the module is in use" hold purge_in_use
	claim "that module can be unloaded" unload
	claim "nothing is left then" nothing_left
}
