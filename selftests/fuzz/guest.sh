#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# usage: guest.sh fuzz SECONDS | merge | replay ARG...
#
# Runs in the guest, for selftests/vm/fuzz. "fuzz" and "merge" begin with the
# programs in corpus.tar, and print what is new, in the end, as a tar archive
# in base64, and the places that were reached. "replay" runs fuzz_replay.

# section NAME COMMAND...: what the command prints, marked.
section()
{
	echo "@begin $1"
	shift
	"$@"
	echo '@end'
}

send_results()
{
	[ ! -s reached ] || section reached cat reached
	tar -C out -czf out.tar .
	section corpus base64 out.tar
}

# -timeout= is far away: fuzz_replay notices by itself what does not end.
options='-max_len=8192 -len_control=0 -report_slow_units=600 -rss_limit_mb=0 -detect_leaks=0 -timeout=600'

modprobe rsmctl || exit 2
mkdir in out
[ ! -f corpus.tar ] || tar -xf corpus.tar -C in || exit 2
mode=$1
shift
case $mode in
fuzz)
	# shellcheck disable=SC2086 # options is a list
	FUZZ_ANNOUNCE=1 ./fuzz $options -print_final_stats=1 \
		-max_total_time="$1" out in 2>&1
	status=$?
	send_results
	;;
merge)
	# shellcheck disable=SC2086 # options is a list
	FUZZ_PLACES=1 ./fuzz $options -set_cover_merge=1 out in 2>&1
	status=$?
	send_results
	;;
replay)
	./fuzz_replay "$@"
	status=$?
	[ ! -f minimised ] || section minimised cat minimised
	;;
esac
exit "$status"
