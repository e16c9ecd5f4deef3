#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC2034 # failed is for them
#
# For the tests that are scripts: a directory for their files, which goes with
# them, how they look at what a command did, and how they tell what passed.
# They end with "exit $failed".

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
STATS=/sys/module/rsmctl/stats
n=0
failed=0

# judge NAME COMMAND...: runs a test and tells how it ended. With status 4 it was
# skipped, for what it said.
judge()
{
	name=$1
	shift
	n=$((n + 1))
	"$@" >"$tmp/said" 2>&1
	case $? in
	0)	verdict=ok ;;
	4)	verdict=ok
		name="$name # SKIP $(tail -n 1 "$tmp/said")" ;;
	*)	verdict='not ok'
		failed=1 ;;
	esac
	sed 's/^/# /' "$tmp/said"
	echo "$verdict $n $name"
}

# judge_all TEST...: all there are, each a function
judge_all()
{
	echo 'TAP version 13'
	echo "1..$#"
	for test; do
		judge "$test" "$test"
	done
}

# status N COMMAND...: whether it ends with this one; $tmp/out and $tmp/err have
# what it says.
status()
{
	wanted=$1
	shift
	"$@" >"$tmp/out" 2>"$tmp/err"
	status=$?
	[ "$status" = "$wanted" ] && return
	echo "$*: status $status, not $wanted"
	cat "$tmp/err"
	return 1
}

# is WHAT GOT WANTED: whether it is what it is to be
is()
{
	[ "$2" = "$3" ] && return
	echo "$1: \"$2\", not \"$3\""
	return 1
}

# is_empty FILE
is_empty()
{
	[ ! -s "$1" ] && return
	echo "${1##*/} has:"
	head -c 2000 "$1" | tr -cd '\t\n -~'
	return 1
}

# has FILE PATTERN...: whether each of the patterns is there
has()
{
	file=$1
	shift
	for pattern; do
		grep -q -e "$pattern" "$file" && continue
		echo "no \"$pattern\" in:"
		head -c 2000 "$file" | tr -cd '\t\n -~'
		return 1
	done
}

# has_not FILE PATTERN...: whether none of them is
has_not()
{
	file=$1
	shift
	for pattern; do
		grep -q -e "$pattern" "$file" || continue
		echo "\"$pattern\" in:"
		cat "$file"
		return 1
	done
}

# wrong STATUS PATTERN COMMAND...: it says what is wrong, where that is said
wrong()
{
	expected=$1
	pattern=$2
	shift 2
	status "$expected" "$@" && has "$tmp/err" "$pattern" &&
		is_empty "$tmp/out"
}

# as USER ARGUMENT...: rsmctl, run by somebody else
as()
{
	user=$1
	shift
	su -s /bin/sh -c 'exec rsmctl "$@"' -- "$user" sh "$@"
}

# eventually COMMAND...: whether it succeeds before long
eventually()
{
	for _ in $(seq 240); do
		"$@" && return
		sleep 0.25
	done
	echo "never: $*"
	return 1
}

# Without the module nothing is known.
all_zero()
{
	[ -e "$STATS" ] && ! grep -qv '^0$' "$STATS"/*
}

# Some of what is given back is gone a moment later.
nothing_left()
{
	eventually all_zero && return
	grep . "$STATS"/*
	return 1
}

# hold COMMAND...: starts what holds on to the driver until it is killed, and says
# "ready" when it does. $held is its process, $tmp/held what it said.
hold()
{
	: >"$tmp/held"
	"$@" >"$tmp/held" 2>&1 &
	held=$!
	eventually grep -q ready "$tmp/held" && return
	cat "$tmp/held"
	let_go
	return 1
}

let_go()
{
	kill "$held"
	wait "$held" 2>/dev/null
	return 0
}

# is_json FILE: reduces values, from the inner ones out, until one is left.
is_json()
{
	awk '
	{ text = text $0 }
	END {
		gsub(/"([^"\\]|\\["\\]|\\u[0-9a-f][0-9a-f][0-9a-f][0-9a-f])*"/, "S", text)
		gsub(/-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?/, "V", text)
		gsub(/true|false|null/, "V", text)
		gsub(/[ \t]/, "", text)
		do {
			before = text
			gsub(/\{(S:[SV](,S:[SV])*)?\}/, "V", text)
			gsub(/\[([SV](,[SV])*)?\]/, "V", text)
		} while (text != before)
		if (text == "V")
			exit 0
		print "not JSON, as this remains: " text
		exit 1
	}' "$1"
}

# has_ended PROCESS: one of ours, which may still be there to be waited for
has_ended()
{
	[ ! -e "/proc/$1" ] || grep -qs ') Z' "/proc/$1/stat"
}

# ends N: whether the exporter $pid, whose errors are in $tmp/export, ends with
# this status
# shellcheck disable=SC2154 # theirs
ends()
{
	eventually has_ended "$pid" || kill -KILL "$pid"
	wait "$pid"
	is 'status of the exporter' $? "$1" && return
	cat "$tmp/export"
	return 1
}
