# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154 # set by guest, which sources this
#
# The stages of selftests/vm/install.

make_root()
{
	make -C $SOURCE "$@"
}

leaves_it_to_dkms()
{
	make_root install && kept_by_dkms "$(uname -r)"
}

uninstall()
{
	make_root uninstall && nothing_left
}

uninstall_all()
{
	make_root uninstall && make_root dkms-uninstall && nothing_left
}

stage_plain()
{
	claim "make builds everything for a user" as rsm1 make -C rsm -j2
	claim "make install succeeds" make_root install
	claim "programs are built with pkg-config" build_programs
	claim "the installed command runs" as rsm1 rsmctl --version
	claim "the installed module loads" modprobe rsmctl
	claim "the program in README works with it" readme_program
	claim "it can be unloaded" unload
	claim "make uninstall leaves nothing" uninstall
	claim "and what used it fails" is_gone
}

stage_dkms()
{
	claim "make dkms-install succeeds" make_root dkms-install
	claim "DKMS has the module" kept_by_dkms "$(uname -r)"
	claim "make install leaves the module to it" leaves_it_to_dkms
}

new_kernel()
{
	DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-download \
		--no-install-recommends install \
		linux-image-6.12-amd64 linux-headers-6.12-amd64
}

stage_upgrade()
{
	used 6.1
	claim "a new kernel can be installed" new_kernel
	claim "DKMS has built the module for it" kept_by_dkms "$(uname -r)" \
		"$(cd /lib/modules && echo 6.12*)"
}

stage_remove()
{
	used 6.12
	claim "make uninstall and dkms-uninstall leave nothing" uninstall_all
	claim "and what used it fails" is_gone
}
