#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# rsmctl doctor: each thing is broken that it looks at, as far as a test can, and
# it is to say so, and to leave all as it was.
# shellcheck disable=SC2317 # the tests are called by judge

# shellcheck source=judge.sh
. "$(dirname "$0")/judge.sh"

here=$(realpath "$(dirname "$0")")
PARAMETERS=/sys/module/rsmctl/parameters
NODE=/dev/rsmctl
CHECKS='kernel architecture module versions device locked-memory exported-memory
handles processes ipc-namespace user-namespace tracing loopback'
ko=$(modinfo -n rsmctl) || exit 1

fresh()
{
	[ ! -e /sys/module/rsmctl ] || modprobe -r rsmctl || return
	modprobe rsmctl
}

# doctor STATUS [ARGUMENT]...: as root, or as $user
doctor()
{
	expected=$1
	shift
	if [ -n "$user" ]; then
		status "$expected" su "$user" -c "$limit exec rsmctl doctor $*"
	else
		status "$expected" rsmctl doctor "$@"
	fi
}

user=
limit=

# as USER COMMAND...: what doctor() is called by it is for this user, with $limit
as()
{
	user=$1
	shift
	"$@"
	ret=$?
	user=
	limit=
	return "$ret"
}

# finds RESULT CHECK [PATTERN]: as the last run of it did; the line after has the
# remedy, which all but what is well have.
finds()
{
	has "$tmp/out" "^$1 *$2 .*$3" || return
	grep -A 1 "^$1 *$2 " "$tmp/out" | grep -q '^  *> [a-z]' && remedy=1 ||
		remedy=0
	[ "$1" = ok ] && expected=0 || expected=1
	[ "$remedy" = "$expected" ] && return
	echo "$2: $remedy remedies"
	cat "$tmp/out"
	return 1
}

# all_is_well: but for what is named, which is for others to look at
all_is_well()
{
	for check in $CHECKS; do
		finds ok "$check" || return
	done
	has "$tmp/out" '^0 problems, 0 warnings$'
}

is_well_for_root()
{
	fresh && doctor 0 && all_is_well && nothing_left
}

is_well_for_users()
{
	fresh && as rsm1 doctor 0 && all_is_well && nothing_left
}

json_has_all_checks()
{
	fresh && doctor 0 --json && is_json "$tmp/out" &&
		has "$tmp/out" '"problems": 0' '"warnings": 0' || return
	for check in $CHECKS; do
		has "$tmp/out" "\"name\": \"$check\"" || return
	done
	count=$(grep -c '"remedy": null' "$tmp/out")
	[ "$count" = "$(echo "$CHECKS" | wc -w)" ] || {
		echo "$count checks"
		return 1
	}
}

# without_node COMMAND...: and with it again afterwards
without_node()
{
	mv "$NODE" "$NODE.away" || return
	"$@"
	ret=$?
	rm -f "$NODE"
	mv "$NODE.away" "$NODE"
	return "$ret"
}

missing_node()
{
	doctor 1 && finds problem device 'No such file' &&
		has "$tmp/out" 'mknod -m 0666 /dev/rsmctl c 10 250' &&
		finds warning loopback 'not tried' &&
		has "$tmp/out" '^1 problem, 1 warning$' &&
		status 1 rsmctl doctor --json && is_json "$tmp/out" &&
		has "$tmp/out" '"problems": 1'
}

missing_node_is_found()
{
	fresh && without_node missing_node
}

other_node()
{
	mknod -m 666 "$NODE" c 1 3 && doctor 1 &&
		finds problem device 'not the character device 10:250' &&
		finds warning loopback || return
	rm "$NODE" && echo >"$NODE" && doctor 1 && finds problem device &&
		has "$tmp/out" "> rm $NODE && mknod"
}

wrong_node_is_found()
{
	fresh && without_node other_node
}

closed_node_is_found()
{
	fresh && chmod 600 "$NODE" || return
	as rsm1 doctor 1 && finds problem device 'Permission denied' &&
		has "$tmp/out" '> chmod 0666' && finds warning loopback &&
		doctor 0 && finds ok device 'mode 0600'
	ret=$?
	chmod 666 "$NODE"
	return "$ret"
}

# The node is there, and to open it would load the module.
is_loaded_only_when_asked_to()
{
	modprobe -r rsmctl && doctor 0 &&
		finds warning module 'not loaded' && finds ok device &&
		finds warning loopback 'not tried' || return
	[ ! -e /sys/module/rsmctl ] || {
		echo 'it is loaded'
		return 1
	}
	doctor 0 --load && finds ok module 'will do' && finds ok device &&
		finds ok loopback && [ -e /sys/module/rsmctl ]
}

missing_module()
{
	rm "$ko" && doctor 1 && finds problem module 'none for this kernel' &&
		has "$tmp/out" 'make install' && finds warning loopback
}

uninstalled_module()
{
	rm "$ko" && doctor 0 && finds warning module 'not installed' &&
		finds ok loopback
}

# with_file_changed COMMAND...: the file is back afterwards
with_file_changed()
{
	cp "$ko" "$tmp/ko" || return
	"$@"
	ret=$?
	cp "$tmp/ko" "$ko"
	return "$ret"
}

missing_module_is_found()
{
	fresh && with_file_changed uninstalled_module &&
		modprobe -r rsmctl && with_file_changed missing_module
}

low_limit_is_found()
{
	fresh || return
	limit='ulimit -S -l 64;'
	as rsm1 doctor 0 && finds warning locked-memory '64 KiB' &&
		has "$tmp/out" '> ulimit -l 8192' && finds ok loopback || return
	limit='ulimit -l 64;'
	as rsm1 doctor 0 && finds warning locked-memory &&
		has "$tmp/out" 'limits.conf' || return
	limit='ulimit -l 0;'
	as rsm1 doctor 1 && finds problem loopback 'export a page' &&
		has "$tmp/out" '> .*rsmctl limits' || return
	doctor 0 && finds ok locked-memory CAP_IPC_LOCK && nothing_left
}

# Nearly a percent of the memory
full_memory_is_found()
{
	fresh || return
	bytes=$(awk '/^MemTotal/ { print int($2 / 4 * 0.98 / 100) * 4096 }' \
		/proc/meminfo)
	hold "$here/tool_holder" export 1 "$bytes" || return
	echo 1 >"$PARAMETERS/max_exported_memory"
	doctor 0 && finds warning exported-memory 'in use' &&
		has "$tmp/out" '> .*max_exported_memory' &&
		finds ok handles && finds ok loopback
	ret=$?
	let_go
	return "$ret"
}

# All but those that the check of loopback needs, and then all
full_handles_are_found()
{
	fresh && hold su rsm1 -c "exec $here/tool_holder export 20 4096" ||
		return
	echo 22 >"$PARAMETERS/max_user_segments"
	as rsm1 doctor 0 && finds warning handles ' 20 of 22 by you' &&
		has "$tmp/out" '> .*rsmctl limits' && finds ok loopback &&
		echo 20 >"$PARAMETERS/max_user_segments" &&
		as rsm1 doctor 1 && finds problem loopback 'export a page' &&
		has "$tmp/out" '> end what'
	ret=$?
	let_go
	return "$ret"
}

who_may_have_more_is_not_warned()
{
	fresh && hold "$here/tool_holder" export 20 4096 || return
	echo 20 >"$PARAMETERS/max_user_segments"
	doctor 0 && finds ok handles ' 20 of 20 by you' && finds ok loopback
	ret=$?
	let_go
	return "$ret"
}

namespaces_are_told()
{
	fresh && status 0 unshare -i rsmctl doctor &&
		finds warning ipc-namespace && has "$tmp/out" '> .*tickets' &&
		finds ok loopback &&
		status 0 unshare -U -r rsmctl doctor &&
		finds ok user-namespace 'one of its own' &&
		has_not "$tmp/out" CAP_IPC_LOCK && finds ok loopback &&
		status 0 unshare -p -f --mount-proc rsmctl doctor &&
		finds ok processes 'PID namespace' && nothing_left
}

hidden_processes_are_told()
{
	fresh && mount -o remount,hidepid=2 /proc || return
	as rsm1 doctor 0 && finds warning processes hidepid &&
		finds ok loopback && doctor 0 && finds ok processes
	ret=$?
	mount -o remount,hidepid=0 /proc
	return "$ret"
}

missing_tracefs_is_told()
{
	[ -e /sys/kernel/tracing/events ] || {
		echo 'there is no tracefs'
		return 4
	}
	fresh && umount /sys/kernel/tracing || return
	doctor 0 && finds warning tracing && as rsm1 doctor 0 &&
		finds ok tracing
	ret=$?
	mount -t tracefs none /sys/kernel/tracing
	return "$ret"
}

all_is_as_it_was()
{
	is_well_for_root
}

# contained STATUS COMMAND: the doctor's, where there is no file of the module and
# COMMAND was run before
contained()
{
	status "$1" unshare -p -f -m --mount-proc sh -c \
		"mount -t tmpfs none /lib/modules; $2; exec rsmctl doctor"
}

# There others have installed the module, and let it use the device.
containers_need_no_file()
{
	fresh && contained 0 : && finds ok module 'the host' &&
		finds ok loopback && modprobe -r rsmctl &&
		contained 0 : && finds warning module &&
		has "$tmp/out" 'on the host: rsmctl load' && fresh &&
		contained 1 "mount -t tmpfs none /dev" &&
		finds problem device && has "$tmp/out" '> give it to the container'
}

judge_all is_well_for_root is_well_for_users json_has_all_checks \
	missing_node_is_found wrong_node_is_found closed_node_is_found \
	is_loaded_only_when_asked_to missing_module_is_found \
	low_limit_is_found full_memory_is_found full_handles_are_found \
	who_may_have_more_is_not_warned namespaces_are_told \
	containers_need_no_file hidden_processes_are_told \
	missing_tracefs_is_told all_is_as_it_was
exit $failed
