# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034 # used by the scripts that source this file
#
# Counts what test programs report. For check, and for the lab's own test.

SELFTESTS=$TOP/selftests
SKIPS=$SELFTESTS/SKIPS
DEFAULT_LIMIT=300
passed=0
failed=0
skipped=0

# fail TEXT: a failure that no test program reports itself.
fail()
{
	echo "not ok - $*"
	failed=$((failed + 1))
}

# may_skip KERNEL SUITE TEST: does SKIPS allow it?
may_skip()
{
	local kernel suite test

	while IFS=' |' read -r kernel suite test _; do
		[[ $kernel == '#'* || -z $test ]] && continue
		# shellcheck disable=SC2053 # these are patterns
		[[ $1 == $kernel && $2 == $suite && $3 == $test ]] && return
	done <"$SKIPS"
	return 1
}

# count_test KERNEL SUITE LINE: one "ok" or "not ok" line.
count_test()
{
	local name

	if [[ $3 == 'not ok'* ]]; then
		failed=$((failed + 1))
	elif [[ $3 == *'# SKIP'* ]]; then
		name=$(sed -E 's/^ok [0-9]+ *(- )?//;s/ *# SKIP.*//' <<<"$3")
		if may_skip "$1" "$2" "${name:-?}"; then
			skipped=$((skipped + 1))
		else
			fail "$2 $name on $1: skipped, and not listed in selftests/SKIPS"
		fi
	else
		passed=$((passed + 1))
	fi
}

# count_suite KERNEL SUITE FILE: FILE is the suite's output, and ends with the
# line that says how it ended.
count_suite()
{
	local kernel=$1 suite=$2 file=$3 line plan='' tests=0 bad=0 status=''

	while IFS= read -r line; do
		if [[ $line =~ ^1\.\.([0-9]+) ]]; then
			plan=${BASH_REMATCH[1]}
		elif [[ $line =~ ^(not )?ok\ [0-9]+ ]]; then
			tests=$((tests + 1))
			[[ $line != not* ]] || bad=1
			count_test "$kernel" "$suite" "$line"
		elif [[ $line =~ ^#\ suite\ .*\ ended\ with\ status\ ([0-9]+) ]]; then
			status=${BASH_REMATCH[1]}
		fi
	done <"$file"
	if [ "$tests" = 0 ] || [ "$tests" != "$plan" ]; then
		fail "$suite on $kernel: ran $tests tests of ${plan:-an unknown number} (status ${status:-unknown})"
	elif [ -z "$status" ] || { [ "$status" != 0 ] && [ $bad = 0 ] &&
		[ "$status" != 4 ]; }; then
		fail "$suite on $kernel: ended with status ${status:-unknown}"
	fi
}

# limit_of KERNEL SUITE: its time limit in seconds.
limit_of()
{
	awk -v suite="$2" -v limit=$DEFAULT_LIMIT \
		-v times="$(case $1 in debug*) echo 5 ;; *) echo 1 ;; esac)" \
		'$1 == suite { limit = $2 } END { print limit * times }' \
		"$SELFTESTS/timeouts"
}

# entries_of KERNEL SUITE...: sets entries to what vm/suites is called with, and
# total to the seconds that boot and suites may take.
entries_of()
{
	local kernel=$1 suite limit

	shift
	entries=()
	total=300
	for suite; do
		limit=$(limit_of "$kernel" "$suite")
		entries+=("$suite:$limit")
		total=$((total + limit))
	done
}

# count_run KERNEL FILE STATUS SUITE...: FILE is the output of a run of all
# these, which ended with STATUS.
count_run()
{
	local kernel=$1 file=$2 status=$3 suite

	shift 3
	for suite; do
		sed -n "/^# suite $suite on /,/^# suite $suite ended /p" \
			"$file" >"$file.suite"
		count_suite "$kernel" "$suite" "$file.suite"
	done
	[ "$status" = 0 ] || fail "the run on $kernel ended with status $status"
}
