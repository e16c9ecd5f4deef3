#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# rsmctl trace: follows events, and leaves nothing in tracefs.
# shellcheck disable=SC2317 # the tests are called by judge

# shellcheck source=judge.sh
. "$(dirname "$0")/judge.sh"

INSTANCES=/sys/kernel/tracing/instances
ID=0x400020

# follow [OPTION...]: a trace in the background that has begun
follow()
{
	rsmctl trace "$@" >"$tmp/trace" 2>"$tmp/err" &
	tracer=$!
	eventually instance_is_on
}

instance_is_on()
{
	# shellcheck disable=SC2010 # the names are numbers
	ls -l /proc/"$tracer"/fd 2>/dev/null | grep -q trace_pipe
}

no_instance()
{
	! ls -d "$INSTANCES"/rsmctl-* >/dev/null 2>&1
}

some_instance()
{
	! no_instance
}

share()
{
	: >"$tmp/shared"
	echo hello | rsmctl export --id "$ID" --timeout 60 - >"$tmp/shared" 2>&1 &
	exporter=$!
	eventually grep -q "$ID" "$tmp/shared" && return
	cat "$tmp/shared"
	unshare
	return 1
}

unshare()
{
	kill "$exporter"
	wait "$exporter"
}

# Something happens: a segment is made, signalled, imported, and ends.
something()
{
	share || return
	rsmctl import "$ID" >/dev/null && rsmctl signal "$ID"
	result=$?
	unshare
	return "$result"
}

told()
{
	grep -q -e "$1" "$tmp/trace"
}

# wait_for COMMAND...: until it succeeds, as the tracer has told
wait_for()
{
	eventually "$@" && return
	cat "$tmp/trace" "$tmp/err"
	kill "$tracer"
	return 1
}

# What happened last may still be on its way to the tracer: see wait_for.
stop_tracer()
{
	kill -INT "$tracer"
	wait "$tracer"
	is 'status of trace' $? 0 && eventually no_instance && return
	cat "$tmp/err"
	return 1
}

the_life_of_a_segment()
{
	follow && something && wait_for told ' destroy ' && stop_tracer &&
		has "$tmp/trace" 'rsmctl .* create .*segment=.* length=' \
			"publish .*id=$ID" "connect .*id=$ID rights=r" \
			'signal .*to=export pending=1' 'disconnect' &&
		is_empty "$tmp/err" && nothing_left
}

in_json()
{
	follow --json && something && wait_for told rsm_destroy && stop_tracer ||
		return
	while read -r line; do
		echo "$line" >"$tmp/line"
		is_json "$tmp/line" || return
	done <"$tmp/trace"
	has "$tmp/trace" '"event": "rsm_create", "segment": [0-9]*, ' \
		'"command": "rsmctl", "pid": [0-9]*' '"id": 4194336'
}

events_can_be_chosen()
{
	follow --event publish -e rsm_destroy && something &&
		wait_for told ' destroy ' && stop_tracer &&
		has "$tmp/trace" ' publish ' &&
		has_not "$tmp/trace" ' create ' ' connect '
}

a_segment_can_be_chosen()
{
	share || return
	number=$(cat "/proc/$exporter/fdinfo"/* |
		sed -n 's/^rsm-segment:\t//p')
	follow --segment "$number" && something_else &&
		rsmctl signal "$ID" && wait_for told ' signal '
	result=$?
	unshare
	[ "$result" = 0 ] && wait_for told ' destroy ' && stop_tracer &&
		! grep -vw "segment=$number" "$tmp/trace"
}

# The same happens to another segment.
something_else()
{
	echo hello | status 0 rsmctl export --timeout 0 -
}

it_ends_after_some()
{
	follow -n 2 && something && wait "$tracer" && eventually no_instance &&
		is lines "$(wc -l <"$tmp/trace")" 2
}

nothing_is_left_when_it_is_killed()
{
	follow && kill -9 "$tracer" || return
	wait "$tracer"
	some_instance || {
		echo 'nothing to take away'
		return 1
	}
	# the next one takes that away, and its own
	follow && stop_tracer
}

all_enabled()
{
	grep -qs 1 "$INSTANCES"/rsmctl-*/events/rsmctl/enable
}

readers_may_stop()
{
	{
		timeout -s KILL 120 rsmctl trace 2>"$tmp/err"
		echo $? >"$tmp/status"
	} | head -n 1 >"$tmp/trace" &
	reader=$!
	eventually all_enabled && something
	result=$?
	wait "$reader"
	[ "$result" = 0 ] && eventually no_instance &&
		is status "$(cat "$tmp/status")" 0 && is_empty "$tmp/err" &&
		is lines "$(wc -l <"$tmp/trace")" 1
}

# A task chooses its name: no crash, nothing hidden, nothing that is not so, and
# nothing that moves a cursor.
names_of_tasks_are_data()
{
	for task in '-1 [0: rsm_' 'a [0b' 'z-9 [0 x' '- [0 : rsm_: ' \
		"$(printf 'x\033[2J\nfoo')"; do
		cp "$(command -v rsmctl)" "$tmp/$task"
		follow --event connect && something || return
		"$tmp/$task" signal 0x400999 2>/dev/null
		share || return
		"$tmp/$task" signal "$ID"
		result=$?
		unshare
		# import and signal of "something", and this one
		[ "$result" = 0 ] && wait_for three_lines && stop_tracer &&
			is lines "$(wc -l <"$tmp/trace")" 3 &&
			is connects "$(grep -c \
				" connect .*segment=.* id=$ID rights=" \
				"$tmp/trace")" 3 &&
			! grep "$(printf '\033')" "$tmp/trace" && continue
		echo "$task:"
		cat "$tmp/trace"
		return 1
	done
}

three_lines()
{
	[ "$(wc -l <"$tmp/trace")" -ge 3 ]
}

lists_events()
{
	status 0 rsmctl trace --list &&
		for event in /sys/kernel/tracing/events/rsmctl/rsm_*; do
			has "$tmp/out" "^${event##*/}\$" || return
		done &&
		has "$tmp/out" '^rsm_rebind$'
}

root_only()
{
	status 1 su -s /bin/sh rsm1 -c 'exec rsmctl trace' &&
		has "$tmp/err" 'only root' && no_instance
}

asked_wrongly()
{
	status 1 rsmctl trace --event nosuch && has "$tmp/err" nosuch \
		'trace --list' && no_instance &&
		status 2 rsmctl trace --event ../x &&
		status 2 rsmctl trace --segment x && status 2 rsmctl trace -n 0 &&
		status 2 rsmctl trace more && has "$tmp/err" more
}

without_the_module()
{
	rmmod rsmctl
	status 1 rsmctl trace && has "$tmp/err" 'rsmctl load'
	result=$?
	modprobe rsmctl && return "$result"
}

modprobe rsmctl || exit 1
judge_all the_life_of_a_segment in_json events_can_be_chosen \
	a_segment_can_be_chosen it_ends_after_some \
	nothing_is_left_when_it_is_killed readers_may_stop \
	names_of_tasks_are_data lists_events root_only asked_wrongly without_the_module
exit "$failed"
