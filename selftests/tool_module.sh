#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# rsmctl as a whole, and rsmctl load, unload, status and limits: what they do,
# what they say when they cannot, and that they see who uses the module.
# shellcheck disable=SC2317 # the tests are called by judge

# shellcheck source=judge.sh
. "$(dirname "$0")/judge.sh"

here=$(realpath "$(dirname "$0")")
SYS=/sys/module/rsmctl
ko=$(modinfo -n rsmctl) || exit 1

words()
{
	rsmctl help | sed -n 's/^  \([a-z]*\) .*/\1/p'
}

value_is()
{
	is "$1" "$(cat "$SYS/$1")" "$2"
}

is_gone()
{
	[ ! -e "$SYS" ] && return
	echo 'the module is there'
	return 1
}

loaded()
{
	[ -e "$SYS" ] || modprobe rsmctl
}

unloaded()
{
	[ ! -e "$SYS" ] || modprobe -r rsmctl
}

help_is_output_and_wrong_usage_is_not()
{
	status 0 rsmctl --help && has "$tmp/out" '^usage:' '^  load ' || return
	wrong 2 '^usage:' rsmctl || return
	for word in $(words); do
		status 0 rsmctl "$word" --help &&
			has "$tmp/out" "^usage: rsmctl $word" &&
			mv "$tmp/out" "$tmp/help" &&
			status 0 rsmctl help "$word" &&
			cmp "$tmp/out" "$tmp/help" &&
			wrong 2 'nosuch' rsmctl "$word" --nosuch || return
	done
}

all_that_is_wrong_is_named()
{
	for word in load unload status limits doctor; do
		wrong 2 "^try \"rsmctl $word --help\"\$" \
			rsmctl "$word" --nosuch || return
	done
	for word in unload status limits doctor; do
		wrong 2 '"xyz"' rsmctl "$word" xyz || return
	done
	for seconds in x 1x -1 nan 1e99 ''; do
		wrong 2 "\"$seconds\"" rsmctl unload "--wait=$seconds" || return
	done
}

near_words_are_suggested()
{
	wrong 2 'mean "load"' rsmctl loda &&
		wrong 2 'mean "status"' rsmctl stauts &&
		wrong 2 'mean "limits"' rsmctl lim &&
		wrong 2 'no command "xyzzy"$' rsmctl xyzzy &&
		wrong 2 'no command ""$' rsmctl '' &&
		wrong 2 'no command "unloadunloadunload"' \
			rsmctl unloadunloadunload &&
		wrong 2 'mean "doctor"' rsmctl help docter
}

versions_are_told()
{
	loaded && status 0 rsmctl --version &&
		has "$tmp/out" '^rsmctl [0-9]' '^libusrsm [0-9]' || return
	[ -z "$(cat "$SYS/version")" ] ||
		has "$tmp/out" "^module $(cat "$SYS/version")\$" || return
	unloaded && status 0 rsmctl --version && has "$tmp/out" 'not loaded' &&
		is_gone
}

lost_output_is_a_failure_and_a_closed_pipe_is_not()
{
	rsmctl help >/dev/full 2>"$tmp/err" && {
		echo 'no failure'
		return 1
	}
	has "$tmp/err" 'No space' || return
	for word in help 'status --json' 'doctor --json'; do
		# shellcheck disable=SC2086 # words wanted
		rsmctl $word 2>"$tmp/err" | true
		is_empty "$tmp/err" || return
	done
}

status_tells_whether_it_is_loaded()
{
	unloaded && status 3 rsmctl status && has "$tmp/out" ' not loaded' &&
		status 3 rsmctl status --json && is_json "$tmp/out" &&
		has "$tmp/out" '"loaded": false' "\"file\": \"$ko\"" && is_gone &&
		loaded && status 0 rsmctl status &&
		has "$tmp/out" ' loaded' '^  segments  *0$' \
			"^  max_segments  *65535\$" '10:250, mode' &&
		status 0 rsmctl status --json && is_json "$tmp/out" &&
		has "$tmp/out" '"loaded": true' '"segments": 0' \
			'"max_segments": 65535' '"minor": 250' &&
		status 0 as rsm1 status --json && is_json "$tmp/out" &&
		has "$tmp/out" '"loaded": true' '"references": 0'
}

status_counts()
{
	loaded && hold "$here/tool_holder" export 2 4096 || return
	status 0 rsmctl status --json &&
		has "$tmp/out" '"segments": 2' '"pinned_pages": 2' \
			'"references": [1-9]'
	ret=$?
	let_go
	return "$ret"
}

parameters_are_listed()
{
	unloaded && status 0 rsmctl load --list &&
		has "$tmp/out" '^max_segments ' '^max_user_segments ' \
			'^max_exported_memory .*percent' && is_gone
}

is_loaded_with_parameters()
{
	unloaded && status 0 rsmctl load max_segments=1000 \
		max_exported_memory=25 && has "$tmp/out" '^loaded' &&
		value_is parameters/max_segments 1000 &&
		value_is parameters/max_exported_memory 25
}

loading_twice_is_fine_if_nothing_differs()
{
	unloaded && status 0 rsmctl load max_segments=1000 &&
		status 0 rsmctl load && has "$tmp/out" 'already' &&
		status 0 rsmctl load max_segments=0x3e8 &&
		has "$tmp/out" 'already' &&
		wrong 1 'max_segments=1000, not 999' rsmctl load \
			max_segments=999 max_user_segments=0 &&
		has "$tmp/err" "$SYS/parameters/max_segments" 'rsmctl unload' &&
		has_not "$tmp/err" max_user_segments &&
		value_is parameters/max_segments 1000
}

wrong_parameters_do_not_load()
{
	unloaded || return
	wrong 2 '"max_segment", .*max_exported_memory, max_segments' \
		rsmctl load max_segment=1 &&
		wrong 2 'NAME=VALUE' rsmctl load max_segments &&
		wrong 2 '""' rsmctl load =1 || return
	for value in '' x 1x -1 ' 1' '1 2' 4294967296 99999999999999999999; do
		wrong 2 "\"$value\" is no value for max_segments" \
			rsmctl load "max_segments=$value" || return
	done
	is_gone
}

only_root_loads_and_unloads()
{
	unloaded && wrong 1 'only root' as rsm1 load && is_gone && loaded &&
		wrong 1 'only root' as rsm1 unload && value_is refcnt 0 &&
		status 0 as rsm1 load
}

# Puts the file back, whatever happened.
with_file_changed()
{
	unloaded && cp "$ko" "$tmp/ko" || return
	"$@"
	ret=$?
	cp "$tmp/ko" "$ko"
	return "$ret"
}

no_file()
{
	rm "$ko" && wrong 1 "this kernel, $(uname -r):.*make install.*dkms" \
		rsmctl load &&
		wrong 1 'make install' rsmctl load --list &&
		status 3 rsmctl status && has "$tmp/out" 'none for this kernel'
}

other_file()
{
	echo nothing >"$ko" && wrong 1 "cannot load $ko: .*make install" \
		rsmctl load && is_gone
}

missing_module_is_told()
{
	with_file_changed no_file
}

broken_module_is_told()
{
	with_file_changed other_file
}

# unload_names PATTERN... -- HOLDER...: what is said of who uses it, and that it
# can be unloaded afterwards
unload_names()
{
	patterns=
	while [ "$1" != -- ]; do
		patterns="$patterns$1
"
		shift
	done
	shift
	loaded && hold "$@" || return
	wrong 1 'in use: references [1-9]' rsmctl unload
	ret=$?
	echo "$patterns" | grep . >"$tmp/patterns"
	while read -r pattern; do
		has "$tmp/err" "$(echo "$pattern" | sed "s/PID/$held/")" ||
			ret=1
	done <"$tmp/patterns"
	let_go
	[ "$ret" = 0 ] && status 0 rsmctl unload && has "$tmp/out" unloaded &&
		is_gone
}

unload_names_who_has_the_device()
{
	unload_names '^ *PID  *1001 sleeper  */dev/rsmctl$' -- su rsm1 -c \
		'exec 9<>/dev/rsmctl; printf sleeper >/proc/self/comm;
		 echo ready; while sleep 1 9>&-; do :; done'
}

unload_names_who_exports()
{
	unload_names '^ *PID  *1001 tool_holder  *2 exports' 'segments 2' -- \
		su rsm1 -c "exec $here/tool_holder export 2 4096"
}

# start_importer KIND: of a segment of $held, which becomes $exporter
start_importer()
{
	hold "$here/tool_holder" export 1 4096 || return
	exporter=$held
	id=$(sed -n 's/^id //p' "$tmp/held")
	hold "$here/tool_holder" "$1" "$id" && return
	kill "$exporter"
	return 1
}

unload_names_who_imports()
{
	loaded && start_importer import || return
	kill "$exporter"
	wait "$exporter" 2>/dev/null
	wrong 1 'imports 1' rsmctl unload &&
		has "$tmp/err" "^ *$held  *0 tool_holder  *1 import, 2 mappings"
	ret=$?
	let_go
	[ "$ret" = 0 ] && status 0 rsmctl unload
}

unload_names_a_mapping_without_a_descriptor()
{
	loaded && start_importer mapping || return
	kill "$exporter"
	wait "$exporter" 2>/dev/null
	wrong 1 'in use' rsmctl unload &&
		has "$tmp/err" "^ *$held  *0 tool_holder  *2 mappings$"
	ret=$?
	let_go
	[ "$ret" = 0 ] && status 0 rsmctl unload
}

unload_names_a_thread_with_descriptors_of_its_own()
{
	unload_names '^ *PID .* tool_holder  */dev/rsmctl$' -- \
		"$here/tool_holder" thread
}

unload_names_a_process_whose_first_thread_is_gone()
{
	unload_names '^ *PID .* tool_holder  */dev/rsmctl$' -- \
		"$here/tool_holder" leaderless
}

unload_knows_that_sockets_are_not_seen()
{
	unload_names 'No process shows it' -- "$here/tool_holder" socket
}

names_of_processes_cannot_forge_lines()
{
	unload_names '^ *PID .*a?b?\[7m  */dev/rsmctl$' -- sh -c \
		'exec 9<>/dev/rsmctl; printf "a\nb\033[7m" >/proc/self/comm;
		 echo ready; while sleep 1 9>&-; do :; done'
}

# A node of another name is the same device.
unload_names_who_has_another_node()
{
	mknod -m 666 "$tmp/node" c 10 250 && unload_names \
		'^ *PID .*/dev/rsmctl$' -- sh -c "exec 9<>$tmp/node; rm $tmp/node
			echo ready; while sleep 1 9>&-; do :; done"
}

unload_waits()
{
	loaded && hold sh -c 'exec 9<>/dev/rsmctl; echo ready; sleep 3 9>&-; :' &&
		status 0 rsmctl unload --wait 200 && is_gone || return
	wait "$held"
	loaded && hold "$here/tool_holder" export 1 4096 || return
	wrong 1 'in use' rsmctl unload --wait 0.3
	ret=$?
	let_go
	return "$ret"
}

unloading_twice_is_fine()
{
	unloaded && status 0 rsmctl unload && has "$tmp/out" 'not loaded' &&
		is_gone
}

# limit NAME FIELD: of the JSON in $tmp/out
limit()
{
	sed -n "/\"name\": \"$1\"/,/}/s/.*\"$2\": \([^,]*\),\{0,1\}\$/\1/p" \
		"$tmp/out"
}

# limit_is NAME FIELD VALUE
limit_is()
{
	is "$1 $2" "$(limit "$1" "$2")" "$3"
}

limits_are_those_of_the_module()
{
	unloaded && wrong 1 'rsmctl load' rsmctl limits && is_gone &&
		rsmctl load max_segments=1600 max_exported_memory=0 &&
		status 0 as rsm1 limits --json && is_json "$tmp/out" &&
		limit_is handles max 1600 &&
		limit_is handles_unprivileged max 1500 &&
		limit_is user_handles max 400 &&
		limit_is user_handles exempt false &&
		limit_is exported_memory max null || return
	echo 7 >"$SYS/parameters/max_user_segments"
	echo 50 >"$SYS/parameters/max_exported_memory"
	half=$(awk '/^MemTotal/ { print int($2 / 8) * 4096 }' /proc/meminfo)
	status 0 rsmctl limits --json && limit_is user_handles max 7 &&
		limit_is user_handles exempt true &&
		limit_is exported_memory max "$half" &&
		status 0 rsmctl limits &&
		has "$tmp/out" '^LIMIT  *MAX' '^handles  *1600  *0  *0%' \
			'max_exported_memory (50%)'
}

limits_tell_those_of_the_caller()
{
	loaded && status 0 su rsm1 -c \
		'ulimit -S -l 64; exec rsmctl limits --json' &&
		limit_is locked_memory max 65536 &&
		limit_is locked_memory exempt false || return
	status 0 sh -c 'ulimit -l unlimited; exec rsmctl limits --json' &&
		limit_is locked_memory max null &&
		limit_is locked_memory exempt true &&
		status 0 sh -c 'ulimit -l unlimited; exec rsmctl limits' &&
		has "$tmp/out" 'of this user  *unlimited .*CAP_IPC_LOCK'
}

# What a child has inherited counts once, and what others have not at all.
limits_count_what_there_is()
{
	unloaded && rsmctl load max_user_segments=12 || return
	hold "$here/tool_holder" export 2 4096 || return
	other=$held
	hold su rsm1 -c "exec $here/tool_holder fork 3 8192" &&
		status 0 as rsm1 limits --json && is_json "$tmp/out" &&
		limit_is handles used 5 && limit_is user_handles used 3 &&
		limit_is user_handles percent 25 &&
		limit_is exported_memory used 32768 &&
		limit_is locked_memory used 24576 &&
		limit_is locked_memory at_least false &&
		status 0 rsmctl limits --json && limit_is user_handles used 2 &&
		limit_is locked_memory used 8192
	ret=$?
	let_go
	kill "$other"
	wait "$other"
	nothing_left && status 0 as rsm1 limits --json &&
		limit_is handles used 0 && limit_is user_handles used 0 &&
		limit_is locked_memory used 0 && return "$ret"
}

# In a PID namespace not all of the user's processes can be seen.
limits_say_when_there_may_be_more()
{
	loaded && hold "$here/tool_holder" export 2 4096 || return
	status 0 unshare -p -f --mount-proc rsmctl limits --json &&
		limit_is handles used 2 && limit_is user_handles used 0 &&
		limit_is user_handles at_least true &&
		status 0 unshare -p -f --mount-proc rsmctl limits &&
		has "$tmp/out" 'of this user.*>= *0' &&
		wrong 1 'in use' unshare -p -f --mount-proc rsmctl unload &&
		has "$tmp/err" 'There may be more' &&
		has_not "$tmp/err" tool_holder
	ret=$?
	let_go
	return "$ret"
}

# A program that may not be read is not to be looked into, even by its user.
limits_say_when_a_process_cannot_be_looked_into()
{
	loaded && chmod 755 "$tmp" && cp /bin/busybox "$tmp/sleep" &&
		chmod 711 "$tmp/sleep" &&
		hold "$here/tool_holder" export 2 4096 || return
	other=$held
	status 0 as rsm1 limits --json &&
		limit_is locked_memory at_least false &&
		hold su rsm1 -c "echo ready; exec $tmp/sleep 1000" &&
		eventually grep -q '^sleep$' "/proc/$held/comm" &&
		status 0 as rsm1 limits --json &&
		limit_is user_handles at_least true &&
		limit_is locked_memory at_least true
	ret=$?
	let_go
	kill "$other" 2>/dev/null
	wait "$other" 2>/dev/null
	return "$ret"
}

nothing_is_left()
{
	loaded && nothing_left && value_is refcnt 0
}

judge_all help_is_output_and_wrong_usage_is_not all_that_is_wrong_is_named \
	near_words_are_suggested versions_are_told \
	lost_output_is_a_failure_and_a_closed_pipe_is_not \
	status_tells_whether_it_is_loaded status_counts parameters_are_listed \
	is_loaded_with_parameters loading_twice_is_fine_if_nothing_differs \
	wrong_parameters_do_not_load only_root_loads_and_unloads \
	missing_module_is_told broken_module_is_told \
	unload_names_who_has_the_device unload_names_who_exports \
	unload_names_who_imports unload_names_a_mapping_without_a_descriptor \
	unload_names_a_thread_with_descriptors_of_its_own \
	unload_names_a_process_whose_first_thread_is_gone \
	unload_knows_that_sockets_are_not_seen \
	names_of_processes_cannot_forge_lines \
	unload_names_who_has_another_node unload_waits unloading_twice_is_fine \
	limits_are_those_of_the_module limits_tell_those_of_the_caller \
	limits_count_what_there_is limits_say_when_there_may_be_more \
	limits_say_when_a_process_cannot_be_looked_into \
	nothing_is_left
# As the next suite expects it
rmmod rsmctl
modprobe rsmctl
exit $failed
