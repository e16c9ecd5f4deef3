#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# rsmctl bench: its arguments, its output, and that no benchmark leaves anything
# in the kernel. What it measures is not judged.
# shellcheck disable=SC2317 # the tests are called by judge

# shellcheck source=judge.sh
. "$(dirname "$0")/judge.sh"

bench()
{
	rsmctl bench "$@"
}

json_is_told_from_other_text()
{
	for good in '{}' '{"a": [1, -2.5e+06, "b", null], "c": {"d": true}}' \
		'["", "\"]", "\\\\", "\u00e9"]'; do
		printf '%s\n' "$good" >"$tmp/json"
		is_json "$tmp/json" || return
	done
	for bad in '{' '[1,]' '{"a" 1}' '{"a": nan}' '[1] [2]' '' '["\x"]' \
		'["\"]'; do
		printf '%s\n' "$bad" >"$tmp/json"
		! is_json "$tmp/json" >/dev/null || {
			echo "taken for JSON: $bad"
			return 1
		}
	done
}

help_is_output_and_wrong_usage_is_not()
{
	status 0 bench --help && has "$tmp/out" '^usage:' || return
	for wrong in --nosuch '-s 0' '-s -1' '-s 1x' '-s 1048577' '-r 0' \
		'-r 1001' '-r' 'nosuch' 'signal nosuch' '-N 2' '-N 0' '-S' \
		'-c rdma0' '-c rdma0 -N x' '-c rdma0 -N 2 -S' \
		'-c rdma0 -N 4294967295' '-c rdma0 -N 2 signal' \
		'-c rdma0 -S signal' '-c rdma0 -S -q'; do
		# shellcheck disable=SC2086 # words wanted
		status 2 bench $wrong || return
		if [ -s "$tmp/out" ] || [ ! -s "$tmp/err" ]; then
			echo "$wrong: says so in the wrong place"
			return 1
		fi
	done
}

names_are_different_and_patterns_find_them()
{
	status 0 bench --list || return
	doubles=$(cut -d ' ' -f 1 "$tmp/out" | sort | uniq -d)
	is 'twice there' "$doubles" '' || return
	status 0 bench --quick 'get6[0-9]' signal &&
		has "$tmp/out" '^get64: ' '^signal: ' || return
	! grep -q '^put' "$tmp/out"
}

json_has_every_row()
{
	status 0 bench --quick --json put64 "rebind*" && is_json "$tmp/out" &&
		has "$tmp/out" "\"kernel\": \"$(uname -r)\"" \
			'"unit": "nanoseconds"' '"name": "put64"' \
			'"name": "rebind-importers".*"importers": 64,' || return
	# put64: a peer; rebind: three, up to 2 MiB; with importers: three
	is rows "$(grep -c '"peer"' "$tmp/out")" 22
}

json_goes_to_a_file_beside_the_table()
{
	status 0 bench --quick --json="$tmp/json" random &&
		is_json "$tmp/json" && has "$tmp/json" '"name": "random"' &&
		has "$tmp/out" '^random: ' '1\.00 not judged' &&
		status 1 bench --quick --json=/nosuch/file random
}

only_instructions_judge_what_is_fine()
{
	status 0 bench --quick --json put64 connect &&
		has "$tmp/out" '"put64".*"met": null' \
			'"connect".*"met": \(true\|false\)' &&
		status 0 bench --quick --instructions --json put64 &&
		has "$tmp/out" '"unit": "instructions"' \
			'"put64".*"met": \(true\|false\)'
}

plots_are_commands_for_gnuplot()
{
	status 0 bench --quick --plot "$tmp/plot.gp" rebind-importers random &&
		has "$tmp/plot.gp" 'set terminal svg' 'title "its parts' \
			'"2 MiB, 64 importers" [0-9]' '"random / plain' &&
		status 1 bench --quick --plot /nosuch/plot.gp random &&
		has "$tmp/err" '/nosuch/plot.gp' || return
	command -v gnuplot >/dev/null || {
		status 1 bench --quick --plot "$tmp/plot.svg" random &&
			has "$tmp/err" gnuplot
	}
}

# The limit is that of a user who may not lock more.
too_low_a_limit_is_named()
{
	chmod 755 "$tmp"
	if su rsm1 -c 'ulimit -l 64; exec rsmctl bench --quick put rebind' \
		>"$tmp/out" 2>"$tmp/err"; then
		echo 'no failure'
		return 1
	fi
	has "$tmp/err" 'RLIMIT_MEMLOCK' && nothing_left || return
	# and once is enough
	is 'times that it is told' "$(grep -c 'out of memory' "$tmp/err")" 1
}

# Waits until a run of ours is busy.
something_there()
{
	try=0
	while [ "$(cat "$STATS/imports")" = 0 ]; do
		try=$((try + 1))
		[ "$try" -lt 120 ] || return
		sleep 0.5
	done
}

nothing_stays_of_a_run_that_is_killed()
{
	for signal in KILL TERM; do
		setsid rsmctl bench --repetitions 1000 map-touch \
			>"$tmp/out" 2>&1 &
		pid=$!
		something_there
		there=$?
		kill -s "$signal" "$pid"
		wait "$pid"
		[ "$there" = 0 ] || {
			echo 'it never began'
			return 1
		}
		nothing_left || return
	done
}

runs_and_leaves_nothing()
{
	status 0 bench --quick "$1" || return
	sed 's/^/# /' "$tmp/err"
	has "$tmp/out" "^$1: " && nothing_left
}

modprobe rsmctl || exit 1
benchmarks=$(rsmctl bench --list | cut -d ' ' -f 1)
[ -n "$benchmarks" ] || exit 1
tests='json_is_told_from_other_text
help_is_output_and_wrong_usage_is_not
names_are_different_and_patterns_find_them
json_has_every_row
json_goes_to_a_file_beside_the_table
only_instructions_judge_what_is_fine
plots_are_commands_for_gnuplot
too_low_a_limit_is_named
nothing_stays_of_a_run_that_is_killed'

echo 'TAP version 13'
echo "1..$(echo "$tests $benchmarks" | wc -w)"
for test in $tests; do
	judge "$test" "$test"
done
for benchmark in $benchmarks; do
	judge "$benchmark" runs_and_leaves_nothing "$benchmark"
done
exit $failed
