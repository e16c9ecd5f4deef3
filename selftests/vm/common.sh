# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Shared by the scripts of this directory: where things are.
# shellcheck disable=SC2034 # used by the scripts that source this file

VM=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$VM/../.." && pwd)
BUILD=${RSM_BUILD:-$TOP/build}
CACHE=${RSM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rsmctl}
PROG=$(basename "$0")

# Kernels that "make check" tests. Each is a link in $CACHE/kernels, made by
# setup, with vmlinuz, release (its uname -r), lib/modules and build (headers).
KERNELS=${RSM_KERNELS:-6.1 6.12}

# What a broken kernel says.
SPLAT='kernel BUG at|WARNING:|BUG:|BUG [a-z]|Oops:|possible recursive locking'
SPLAT+='|Internal error|suspicious RCU usage|possible circular locking'
SPLAT+='|general protection fault|unreferenced object|pagealloc: '
SPLAT+='|INFO: task .* blocked|soft lockup|rcu.*stall|KASAN|UBSAN'
SPLAT+='|INFO: trying to register non-static key|Kernel panic'

# Whether KVM works, see run: what was found since this machine was booted.
KVM_NOTE=$CACHE/kvm-$(cat /proc/sys/kernel/random/boot_id)

# Statuses of run that do not come from the command.
EX_SPLAT=70
EX_DIED=71
EX_TIMEOUT=124

# append_of KERNEL: arguments for a kernel that is to notice who writes to pages,
# or reads them, after they were freed. 6.1 has secret memory only if told so.
append_of()
{
	case $1 in
	debug-kcsan)
		# the module alone is watched, so often enough
		echo "page_poison=1 secretmem.enable=1 kcsan.skip_watch=200" ;;
	debug)	echo "page_poison=1 secretmem.enable=1" ;;
	*)	echo "init_on_free=1 secretmem.enable=1" ;;
	esac
}

die()
{
	echo "$PROG: $*" >&2
	exit 2
}

# since_start LOG: the guest's log from the start of the command on; all of it if
# the guest did not get so far.
since_start()
{
	if grep -qa 'lab: command starts' "$1"; then
		sed '1,/lab: command starts/d' "$1"
	else
		cat "$1"
	fi | tr -d '\r'
}

# vm_quote ARG...: one word per argument that any POSIX shell reads back.
vm_quote()
{
	local arg

	for arg; do
		printf "'%s' " "${arg//\'/\'\\\'\'}"
	done
}
