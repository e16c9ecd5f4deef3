#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# rsmctl export, import, signal and wait: what goes in comes out, whole and of
# one state, and whoever ends takes everything along.
# shellcheck disable=SC2317 # the tests are called by judge

# shellcheck source=judge.sh
. "$(dirname "$0")/judge.sh"

THP=/sys/kernel/mm/transparent_hugepage/enabled

count_is()
{
	[ "$(cat "$STATS/$1")" = "$2" ]
}

# share ARGUMENT...: starts an exporter; its id is $id, its process $pid. What
# it reads as stdin is $input, for the shell gives it nothing.
share()
{
	: >"$tmp/id"
	rsmctl export "$@" <"${input:-/dev/null}" \
		>"$tmp/id" 2>"$tmp/export" &
	pid=$!
	eventually [ -s "$tmp/id" ] && id=$(cat "$tmp/id") && return
	cat "$tmp/export"
	kill "$pid"
	return 1
}

# share_as USER ARGUMENT...: the same, as another user; end with unshare_as
share_as()
{
	user=$1
	shift
	: >"$tmp/id"
	su "$user" -c "exec rsmctl export $*" >"$tmp/id" 2>"$tmp/export" &
	pid=$!
	eventually [ -s "$tmp/id" ] && id=$(cat "$tmp/id") && return
	cat "$tmp/export"
	kill "$pid"
	return 1
}

unshare()
{
	kill -INT "$pid" && ends 0
}

# sum FILE, or of stdin
sum()
{
	sha256sum "$@" | cut -d ' ' -f 1
}

# fill BYTES FILE: with what is not the same everywhere
fill()
{
	head -c "$1" /dev/urandom >"$2"
}

# same FILE FILE
same()
{
	cmp "$1" "$2"
}

SIZES='0 1 4095 4096 4097 1048577'

pipes_give_what_the_file_has()
{
	for size in $SIZES; do
		fill "$size" "$tmp/file"
		share "$tmp/file" || return
		for how in '' --get; do
			# shellcheck disable=SC2086 # none, or one
			got=$(rsmctl import $how "$id" | sum)
			[ "$got" = "$(sum "$tmp/file")" ] || {
				echo "$size bytes, $how: other contents"
				return 1
			}
		done
		unshare || return
	done
}

stdin_can_be_shared()
{
	for size in $SIZES; do
		fill "$size" "$tmp/file"
		rm -f "$tmp/fifo"
		mkfifo "$tmp/fifo"
		cat "$tmp/file" >"$tmp/fifo" &
		writer=$!
		input=$tmp/fifo
		share -
		ret=$?
		input=
		[ "$ret" = 0 ] || {
			kill "$writer"
			return 1
		}
		status 0 rsmctl import "$id" && same "$tmp/out" "$tmp/file" &&
			unshare || return
	done
}

huge_pages_and_room_change_nothing()
{
	fill 5000000 "$tmp/file"
	share --huge --length 8M "$tmp/file" || return
	# kernels whose locks sleep have none
	if [ -e "$THP" ] && ! grep -q '\[never]' "$THP"; then
		cat "/proc/$pid/fdinfo"/* >"$tmp/fdinfo"
		has "$tmp/fdinfo" '^rsm-pages-2M:.[1-4]$' || return
	fi
	status 0 rsmctl import "$id" && same "$tmp/out" "$tmp/file" && unshare
}

memory_without_a_file_is_zero()
{
	share --length 10000 || return
	head -c 10000 /dev/zero >"$tmp/file"
	status 0 rsmctl import "$id" && same "$tmp/out" "$tmp/file" && unshare
}

# Its exporter tells the length somewhere in the segment, but not to us.
segments_of_others_are_copied_as_a_whole()
{
	echo 'some text' >"$tmp/file"
	demo-exporter 0x400042 "$tmp/file" >"$tmp/export" 2>&1 &
	pid=$!
	eventually status 0 rsmctl import 0x400042 >/dev/null || return
	kill "$pid"
	wait "$pid"
	is bytes "$(wc -c <"$tmp/out")" 4096 && has "$tmp/out" 'some text'
}

ranges_are_as_asked_for()
{
	printf 0123456789 >"$tmp/file"
	share "$tmp/file" || return
	for case in '0 3 012' '4 3 456' '8 9 89' '10 1 '; do
		# shellcheck disable=SC2086 # words wanted
		set -- $case
		got=$(rsmctl import --offset "$1" --length "$2" "$id")
		is "offset $1, length $2" "$got" "${3-}" || return
	done
	status 1 rsmctl import --offset 11 "$id" &&
		has "$tmp/err" 'nothing at --offset 11' 'have 10 bytes' &&
		is_empty "$tmp/out" && unshare
}

ids_are_the_only_output()
{
	echo text >"$tmp/file"
	share --id 0x412345 "$tmp/file" || return
	is id "$(cat "$tmp/id")" 0x412345 && is_empty "$tmp/export" || return
	status 0 rsmctl import 4268869 && unshare
}

json_tells_more()
{
	echo text >"$tmp/file"
	share --json --id 0x400123 --mode 0640 --rebind "$tmp/file" || return
	has "$tmp/id" '^{$' '"id": 4194595,' '"length": 5,' \
		'"segment_length": 8192' '"mode": "0640"' '"rebind": true' \
		"\"pid\": $pid" '"file": "/.*/file"' '^}$' && unshare
}

wrong_usage_names_what_is_wrong()
{
	while read -r line; do
		# shellcheck disable=SC2086 # words wanted
		status 2 rsmctl $line </dev/null || return
		if [ -s "$tmp/out" ] || [ "$(wc -l <"$tmp/err")" != 2 ]; then
			echo "$line: says"
			cat "$tmp/out" "$tmp/err"
			return 1
		fi
		has "$tmp/err" "^rsmctl ${line%% *}: " \
			"^try \"rsmctl ${line%% *} --help\"" || return
	done <<-END
	export
	export --nosuch file
	export file file
	export --mode 0777 file
	export --mode rw file
	export --length 0 file
	export --length big file
	export --id 0 file
	export --timeout soon file
	export --rebind -
	export --rebind --length 4096
	export --once --wait-signal file
	export --background file -- true
	export --read-write --mode 0444 file
	import
	import x
	import 0x400001 0x400002
	import --ticket-fd 3 0x400001
	import --put --output file 0x400001
	import --offset -1 0x400001
	signal
	signal 0
	signal -n 0 0x400001
	wait
	wait -t x 0x400001
	wait 0x400001 1
	END
}

help_is_output()
{
	for word in export import signal wait; do
		status 0 rsmctl "$word" --help &&
			has "$tmp/out" "^usage: rsmctl $word " &&
			is_empty "$tmp/err" || return
	done
}

unknown_ids_are_told()
{
	for word in import signal wait; do
		status 1 rsmctl "$word" 0x7ffffff0 &&
			has "$tmp/err" 'cannot connect to 0x7ffffff0: no such' ||
			return
	done
	status 1 rsmctl import --ticket-fd 0 </dev/null &&
		has "$tmp/err" 'no descriptor of a ticket'
}

ids_that_cannot_be_had_are_told()
{
	echo text >"$tmp/file"
	share --id 0x400001 "$tmp/file" || return
	status 1 rsmctl export --id 0x400001 "$tmp/file" &&
		has "$tmp/err" '0x400001.*in use.*leave out --id' &&
		status 1 rsmctl export --id 0x1000 "$tmp/file" &&
		has "$tmp/err" '0x1000 is reserved' '0x400000 to 0x7fffffff' &&
		unshare
}

files_that_cannot_be_had_are_told()
{
	status 1 rsmctl export /nosuch && has "$tmp/err" '/nosuch: No such' &&
		status 1 rsmctl export / && has "$tmp/err" 'read /: Is a dir' &&
		status 1 rsmctl export --rebind /dev/null &&
		has "$tmp/err" 'regular file' || return
	echo long >"$tmp/file"
	status 1 rsmctl export --length 2 "$tmp/file" &&
		has "$tmp/err" 'longer than the 2 bytes' || return
	share "$tmp/file" || return
	status 1 rsmctl import --output /nosuch/file "$id" &&
		has "$tmp/err" /nosuch/file && unshare
}

# may USER COMMAND..., may_not USER PATTERN COMMAND...
may()
{
	user=$1
	shift
	status 0 su "$user" -c "exec rsmctl $*"
}

may_not()
{
	user=$1
	pattern=$2
	shift 2
	status 1 su "$user" -c "exec rsmctl $*" && has "$tmp/err" "$pattern"
}

only_the_owner_reads_unless_a_mode_says_otherwise()
{
	echo secret >"$tmp/file"
	share_as rsm1 "$tmp/file" || return
	may rsm1 import "$id" && same "$tmp/out" "$tmp/file" &&
		may_not rsm2 'does not let user 1002 read' import "$id" &&
		is_empty "$tmp/out" &&
		may_not rsm1 'does not let user 1001 write' \
			import --put "$id" && unshare || return

	share_as rsm1 --mode 0444 "$tmp/file" || return
	may rsm2 import "$id" && same "$tmp/out" "$tmp/file" &&
		may_not rsm2 'user 1002 write' import --put "$id" &&
		unshare || return

	share_as rsm1 --mode 0666 "$tmp/file" || return
	may rsm2 import --input "$tmp/file" "$id" || return
	unshare
}

too_low_a_limit_is_named()
{
	fill 200000 "$tmp/file"
	status 1 su rsm1 -c "ulimit -l 64; exec rsmctl export $tmp/file" &&
		has "$tmp/err" 'RLIMIT_MEMLOCK is 65536 .*ulimit -l'
}

more_than_there_is_is_told()
{
	status 1 rsmctl export --length 4096G &&
		has "$tmp/err" 'needed, the machine has' &&
		status 2 rsmctl export --length 16777215T &&
		status 1 rsmctl export --length 7000000T
}

# The reader's end is no failure that somebody has to hear of.
readers_may_leave()
{
	fill 4000000 "$tmp/file"
	for how in '' --rebind; do
		# shellcheck disable=SC2086 # none, or one
		share $how "$tmp/file" || return
		got=$(rsmctl import "$id" 2>"$tmp/err" | head -c 10 | sum)
		is sum "$got" "$(head -c 10 "$tmp/file" | sum)" &&
			is_empty "$tmp/err" && unshare || return
	done
}

importers_notice_the_end()
{
	for signal in INT TERM HUP KILL; do
		echo text >"$tmp/file"
		share "$tmp/file" || return
		rsmctl wait "$id" 2>"$tmp/err" &
		waiter=$!
		rsmctl import --follow "$id" >"$tmp/out" &
		follower=$!
		eventually count_is imports 2 && eventually [ -s "$tmp/out" ] ||
			return
		kill -s "$signal" "$pid"
		wait "$waiter"
		is 'status of wait' $? 1 &&
			has "$tmp/err" 'ended the segment' || return
		wait "$follower"
		is 'status of import' $? 0 &&
			same "$tmp/out" "$tmp/file" || return
		[ "$signal" = KILL ] || ends 0 || return
	done
	wait
}

# The pipe is full, and the rest still to be copied, when the exporter ends.
an_end_in_the_middle_is_a_failure()
{
	fill 4000000 "$tmp/file"
	share "$tmp/file" || return
	{
		rsmctl import "$id" 2>"$tmp/err"
		echo $? >"$tmp/status"
	} | {
		head -c 1 >/dev/null
		kill "$pid"
		eventually all_aborted
		wc -c >"$tmp/count"
	}
	ends 0 || return
	is status "$(cat "$tmp/status")" 1 && has "$tmp/err" incomplete || return
	[ "$(cat "$tmp/count")" -lt 4000000 ] && return
	echo 'all of it came through the pipe'
	return 1
}

all_aborted()
{
	count_is segments 0 || count_is pinned_pages 0
}

timeouts_end_it()
{
	echo text >"$tmp/file"
	share --timeout 0.5 "$tmp/file" || return
	ends 0 && status 1 rsmctl import "$id"
}

once_is_until_an_importer_has_gone()
{
	echo text >"$tmp/file"
	share --once "$tmp/file" || return
	# though nobody counts meanwhile
	kill -STOP "$pid"
	status 0 rsmctl import "$id" && same "$tmp/out" "$tmp/file" || return
	kill -CONT "$pid"
	ends 0 || return
	# and one that does not tell
	share --once "$tmp/file" || return
	rsmctl wait "$id" 2>/dev/null &
	waiter=$!
	eventually count_is imports 1 && sleep 1 && kill -0 "$pid" || return
	kill "$waiter"
	wait "$waiter"
	ends 0
}

background_gives_the_id_and_goes_on()
{
	echo text >"$tmp/file"
	# returns, though the exporter goes on
	id=$(rsmctl export --background "$tmp/file") || return
	status 0 rsmctl import "$id" && same "$tmp/out" "$tmp/file" || return
	status 1 rsmctl export --background --id "$id" "$tmp/file" || return
	status 1 rsmctl export --background /nosuch &&
		has "$tmp/err" /nosuch || return
	status 0 rsmctl export --background --json "$tmp/file" || return
	for process in $(pidof rsmctl); do
		kill "$process"
	done
	nothing_left
}

says()
{
	grep -q -e "$1" "$tmp/export"
}

followers_get_all_contents()
{
	echo first >"$tmp/file"
	share --verbose --rebind "$tmp/file" || return
	: >"$tmp/stream"
	rm -f "$tmp/copy"
	rsmctl import --follow "$id" >"$tmp/stream" &
	stream=$!
	rsmctl import --follow --output "$tmp/copy" "$id" &
	copy=$!
	eventually grep -qs first "$tmp/stream" &&
		eventually grep -qs first "$tmp/copy" || return
	echo 'the second, which is longer' >"$tmp/file"
	kill -HUP "$pid"
	eventually grep -q second "$tmp/stream" &&
		eventually grep -q second "$tmp/copy" || return
	unshare && wait "$stream" && wait "$copy" || return
	{
		echo first
		cat "$tmp/file"
	} | same - "$tmp/stream" && same "$tmp/file" "$tmp/copy" || return
	# no file of another name is left
	set -- "$tmp"/copy*
	is files "$*" "$tmp/copy"
}

# What does not fit in, or is not there, leaves what was.
contents_that_cannot_be_had_change_nothing()
{
	echo small >"$tmp/file"
	cp "$tmp/file" "$tmp/old"
	share --verbose --rebind "$tmp/file" || return
	fill 5000 "$tmp/file"
	kill -HUP "$pid"
	eventually says 'stay as they were' &&
		has "$tmp/export" 'longer than the 4096 bytes' &&
		status 0 rsmctl import "$id" && same "$tmp/out" "$tmp/old" ||
		return
	rm "$tmp/file"
	kill -HUP "$pid"
	eventually says 'file: No such file' &&
		status 0 rsmctl import "$id" && same "$tmp/out" "$tmp/old" ||
		return
	fill 4096 "$tmp/file"
	kill -HUP "$pid"
	eventually says 'read again, 4096 bytes' &&
		status 0 rsmctl import "$id" && same "$tmp/out" "$tmp/file" &&
		unshare
}

# is_pure FILE LENGTH: whether it is a row of blocks, each of one letter; how
# many is $blocks
is_pure()
{
	total=$(wc -c <"$1")
	blocks=$((total / $2))
	[ "$total" = $((blocks * $2)) ] || {
		echo "$total bytes"
		return 1
	}
	for block in $(seq "$blocks"); do
		letters=$(dd if="$1" bs="$2" skip=$((block - 1)) count=1 \
			2>/dev/null | tr -s '[:lower:]')
		[ ${#letters} = 1 ] && continue
		echo "block $block of $blocks: $letters"
		return 1
	done
}

# letters LETTER LENGTH: a file of that, in place at once
letters()
{
	head -c "$2" /dev/zero | tr '\0' "$1" >"$tmp/$1"
	mv "$tmp/$1" "$tmp/file"
}

followers_never_mix_contents()
{
	length=2097152
	letters a "$length"
	share --verbose --rebind "$tmp/file" || return
	: >"$tmp/stream"
	# shellcheck disable=SC2086 # none, or one
	rsmctl import --follow $1 "$id" >"$tmp/stream" &
	follower=$!
	eventually [ -s "$tmp/stream" ] || return
	for letter in b c d e f g h i; do
		letters "$letter" "$length"
		kill -HUP "$pid"
	done
	eventually longer_than "$length" "$tmp/stream" || return
	unshare && wait "$follower" && is_pure "$tmp/stream" "$length"
}

longer_than()
{
	[ "$(wc -c <"$2")" -gt "$1" ]
}

# rebinds LETTER LENGTH: to contents of that
rebinds()
{
	letters "$1" "$2"
	: >"$tmp/export"
	kill -HUP "$pid"
	eventually says 'read again'
}

# The reader takes a byte, and the rest after a rebind.
pipes_get_one_state()
{
	length=4194304
	letters a "$length"
	share --verbose --rebind "$tmp/file" || return
	rsmctl import "$id" | {
		dd bs=1 count=1 2>/dev/null
		rebinds b "$length" >"$tmp/told"
		cat
	} >"$tmp/stream"
	# of a rebind that did not come
	is_empty "$tmp/told" && unshare && is_pure "$tmp/stream" "$length" &&
		is blocks "$blocks" 1
}

# stop_midway: an importer that copies $length bytes to a file. Its temporary
# file tells how far it is.
stop_midway()
{
	rm -f "$tmp"/copy*
	size=$length
	rsmctl import --output "$tmp/copy" "$id" &
	importer=$!
	until [ -s "$1" ] || has_ended "$importer"; do
		set -- "$tmp"/copy*
	done
	kill -STOP "$importer"
	size=$(stat -c %s "$1") || return
	case $1 in
	*/copy) return 1 ;;
	esac
	[ "$size" -lt "$length" ]
}

copies_begin_again_after_a_rebind()
{
	length=67108864
	letters a "$length"
	share --verbose --rebind "$tmp/file" || return
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		stop_midway '' && break
		echo 'it was too fast, or failed; once more'
		kill -CONT "$importer"
		wait "$importer" || return
	done
	echo "stopped after $size bytes"
	[ "$size" -lt "$length" ] || return
	rebinds b "$length" || return
	kill -CONT "$importer"
	wait "$importer" || return
	unshare && same "$tmp/copy" "$tmp/file"
}

importers_write_what_is_saved()
{
	share --length 10000 --read-write --save "$tmp/saved" || return
	printf hello | status 0 rsmctl import --put --offset 5000 "$id" &&
		status 0 rsmctl import --offset 4999 --length 7 "$id" || return
	is 'what was put' "$(tr '\0' . <"$tmp/out")" .hello. || return
	# nothing beyond the end
	fill 10001 "$tmp/file"
	status 1 rsmctl import --input "$tmp/file" "$id" &&
		has "$tmp/err" 'longer than the 10000 bytes' &&
		status 1 rsmctl import --put --offset 9996 "$id" \
			<"$tmp/file" || return
	unshare || return
	{
		head -c 5000 /dev/zero
		printf hello
		head -c 4995 /dev/zero
	} | same - "$tmp/saved"
}

who_may_only_write_can()
{
	share_as rsm1 --mode 0602 --length 4096 --save "$tmp/saved1" || return
	chmod 1777 "$tmp"
	printf word >"$tmp/file"
	may_not rsm2 'not let user 1002 read' import "$id" &&
		may rsm2 import --input "$tmp/file" "$id" && unshare &&
		head -c 4 "$tmp/saved1" | same - "$tmp/file"
}

a_full_disk_leaves_the_old_file()
{
	mkdir "$tmp/small"
	mount -t tmpfs -o size=1m small "$tmp/small" || return
	echo old >"$tmp/small/file"
	fill 2000000 "$tmp/file"
	share "$tmp/file" || return
	status 1 rsmctl import --output "$tmp/small/file" "$id" &&
		has "$tmp/err" 'No space left' && unshare &&
		is files "$(ls "$tmp/small")" file &&
		has "$tmp/small/file" '^old$'
	good=$?
	umount "$tmp/small"
	return "$good"
}

other_outputs_are_not_replaced()
{
	echo text >"$tmp/file"
	ln -s copy "$tmp/link"
	echo old >"$tmp/copy"
	chmod 640 "$tmp/copy"
	share "$tmp/file" || return
	status 0 rsmctl import --output /dev/null "$id" &&
		[ -c /dev/null ] &&
		status 0 rsmctl import --output "$tmp/link" "$id" &&
		[ -L "$tmp/link" ] && same "$tmp/copy" "$tmp/file" || return
	is mode "$(stat -c %a "$tmp/copy")" 640 && unshare
}

signals_reach_the_exporter()
{
	echo text >"$tmp/file"
	share --verbose "$tmp/file" || return
	status 0 rsmctl signal -n 3 "$id" || return
	eventually three_signals && unshare || return
	share_as rsm1 --wait-signal "$tmp/file" || return
	status 0 rsmctl import "$id" && kill -0 "$pid" &&
		may rsm2 signal "$id" && ends 0
}

three_signals()
{
	[ "$(grep -c 'a signal$' "$tmp/export")" = 3 ]
}

# Nobody may read it, but who has the ticket can.
commands_are_given_a_ticket()
{
	echo text >"$tmp/file"
	cat >"$tmp/reader" <<-END
	exec rsmctl import --ticket-fd \$RSMCTL_TICKET
	END
	cat >"$tmp/writer" <<-END
	rsmctl import --put --ticket-fd \$RSMCTL_TICKET
	END
	status 0 rsmctl export --mode 0 "$tmp/file" -- \
		su rsm2 -c ". $tmp/reader" && same "$tmp/out" "$tmp/file" ||
		return
	status 1 rsmctl export "$tmp/file" -- sh "$tmp/writer" &&
		has "$tmp/err" 'with the ticket .* not grant to write' &&
		status 0 rsmctl export --read-write --save "$tmp/saved" \
			--length 10 "$tmp/file" -- sh "$tmp/writer"
}

commands_end_it()
{
	echo text >"$tmp/file"
	# shellcheck disable=SC2016 # for the other shell
	status 7 rsmctl export "$tmp/file" -- \
		sh -c 'rsmctl import $RSMCTL_ID; exit 7' &&
		same "$tmp/out" "$tmp/file" &&
		status 143 rsmctl export "$tmp/file" -- \
			sh -c 'kill $$; sleep 1000' &&
		status 127 rsmctl export "$tmp/file" -- /nosuch &&
		has "$tmp/err" 'cannot run /nosuch' || return
	# and the other way round
	status 0 rsmctl export --timeout 0.2 "$tmp/file" -- sleep 1000 &&
		eventually none_sleeps
}

# The command is the one process of the guest that sleeps that long.
none_sleeps()
{
	! grep -qs 'sleep.1000' /proc/[0-9]*/cmdline
}

waits_end_with_a_signal_or_the_time()
{
	echo text >"$tmp/file"
	share --verbose --rebind "$tmp/file" || return
	status 124 rsmctl wait --timeout 0 "$id" &&
		status 124 rsmctl wait --timeout 0.3 "$id" || return
	rsmctl wait --count 2 --timeout 100 "$id" &
	waiter=$!
	eventually count_is imports 1 || return
	kill -HUP "$pid"
	eventually says 'read again' || return
	sleep 0.5
	# one is not enough
	kill -0 "$waiter" || return
	kill -HUP "$pid"
	wait "$waiter" || return
	unshare
}

modprobe rsmctl || exit 1
chmod 755 "$tmp"
tests='pipes_give_what_the_file_has
stdin_can_be_shared
huge_pages_and_room_change_nothing
memory_without_a_file_is_zero
segments_of_others_are_copied_as_a_whole
ranges_are_as_asked_for
ids_are_the_only_output
json_tells_more
wrong_usage_names_what_is_wrong
help_is_output
unknown_ids_are_told
ids_that_cannot_be_had_are_told
files_that_cannot_be_had_are_told
only_the_owner_reads_unless_a_mode_says_otherwise
too_low_a_limit_is_named
more_than_there_is_is_told
readers_may_leave
importers_notice_the_end
an_end_in_the_middle_is_a_failure
timeouts_end_it
once_is_until_an_importer_has_gone
background_gives_the_id_and_goes_on
followers_get_all_contents
contents_that_cannot_be_had_change_nothing
followers_never_mix_contents
followers_never_mix_contents:--get
pipes_get_one_state
copies_begin_again_after_a_rebind
importers_write_what_is_saved
who_may_only_write_can
a_full_disk_leaves_the_old_file
other_outputs_are_not_replaced
signals_reach_the_exporter
waits_end_with_a_signal_or_the_time
commands_are_given_a_ticket
commands_end_it'

# Whatever a test leaves running is not for the next one.
clear_away()
{
	for process in $(pidof rsmctl demo-exporter); do
		kill -KILL "$process"
	done
	nothing_left >/dev/null
}

leaves_nothing()
{
	argument=
	case $1 in *:*) argument=${1#*:} ;; esac
	"${1%%:*}" "$argument" && nothing_left
}

echo 'TAP version 13'
tests=${TESTS:-$tests}
echo "1..$(echo "$tests" | wc -w)"
for test in $tests; do
	judge "$test" leaves_nothing "$test"
	[ "$verdict" = ok ] || clear_away
done
exit $failed
