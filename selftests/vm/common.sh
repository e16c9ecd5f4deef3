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
SPLAT='kernel BUG at|WARNING:|BUG:|Oops:|possible recursive locking'
SPLAT+='|Internal error|suspicious RCU usage|possible circular locking'
SPLAT+='|general protection fault|unreferenced object'
SPLAT+='|INFO: task .* blocked|soft lockup|rcu.*stall|KASAN|UBSAN'
SPLAT+='|Kernel panic'

# Statuses of run that do not come from the command.
EX_SPLAT=70
EX_DIED=71
EX_TIMEOUT=124

die()
{
	echo "$PROG: $*" >&2
	exit 2
}

# vm_quote ARG...: one word per argument that any POSIX shell reads back.
vm_quote()
{
	local arg

	for arg; do
		printf "'%s' " "${arg//\'/\'\\\'\'}"
	done
}
