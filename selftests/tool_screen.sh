#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# rsmctl watch as somebody at a terminal has it: in a terminal of tmux, whose
# screen is looked at, with keys and windows of all sizes.
# shellcheck disable=SC2317 # the tests are called by judge

# shellcheck source=judge.sh
. "$(dirname "$0")/judge.sh"

ID=0x400030
export TMUX_TMPDIR="$tmp" TERM=screen SHELL=/bin/sh

echo 'set -g default-terminal screen' >"$tmp/tmux.conf"

# Each terminal has a server of its own, as the last one takes its time to end.
terminal()
{
	tmux -u -L "test$screens" -f "$tmp/tmux.conf" "$@"
}

# screen WIDTH HEIGHT COMMAND: that command, and then its exit status
screen()
{
	terminal kill-server 2>/dev/null
	screens=$((screens + 1))
	terminal new-session -d -x "$1" -y "$2" \
		"trap : INT; $3; echo status \$?; sleep 1000"
}

look()
{
	terminal capture-pane -p >"$tmp/screen"
}

# shows PATTERN...: whether the screen has each of them, before long
shows()
{
	for pattern; do
		eventually seen "$pattern" && continue
		cat "$tmp/screen"
		return 1
	done
}

seen()
{
	look && grep -q -e "$1" "$tmp/screen"
}

keys()
{
	terminal send-keys "$@"
}

# share ARGUMENT...: exports it as $ID
share()
{
	: >"$tmp/shared"
	rsmctl export --id "$ID" "$@" >"$tmp/shared" 2>&1 &
	shared=$!
	eventually grep -q "$ID" "$tmp/shared" && return
	cat "$tmp/shared"
	return 1
}

unshare_all()
{
	terminal kill-server 2>/dev/null
	kill "$shared" 2>/dev/null
	wait "$shared"
	nothing_left
}

whole_screen()
{
	share --length 64K && screen 100 20 'rsmctl watch -d 0.5' &&
		shows '1 segments, 0 imports' '^ID .* COMMAND' \
			"^$ID .*published.* root .*rsmctl" && keys q &&
		shows '^status 0$'
	result=$?
	unshare_all && return "$result"
}

# What comes and goes is seen without a key.
it_follows()
{
	if ! { screen 100 20 'rsmctl watch -d 0.5' && shows '0 segments' &&
	       share --length 64K && shows '1 segments' "^$ID"; }; then
		unshare_all
		return 1
	fi
	kill "$shared"
	wait "$shared"
	shows '0 segments' && has_not "$tmp/screen" "^$ID"
	result=$?
	unshare_all && return "$result"
}

keys_sort()
{
	share --length 64K || return
	: >"$tmp/other"
	rsmctl export --length 32K --id 0x400031 >"$tmp/other" 2>&1 &
	other=$!
	# by their ids, and in the end by their lengths
	eventually grep -q 0x400031 "$tmp/other" &&
		screen 100 20 'rsmctl watch -d 600 -s id' &&
		eventually both_seen && is first "$(first)" 0x400031 &&
		keys r && eventually first_is "$ID" &&
		keys r && eventually first_is 0x400031 &&
		keys Left Left Right Right Right && eventually first_is "$ID" &&
		keys ' ' && keys q && shows '^status 0$'
	result=$?
	kill "$other"
	wait "$other"
	unshare_all && return "$result"
}

first()
{
	grep '^0x' "$tmp/screen" | head -n 1 | cut -d ' ' -f 1
}

first_is()
{
	look && [ "$(first)" = "$1" ]
}

both_seen()
{
	look && [ "$(grep -c '^0x' "$tmp/screen")" = 2 ]
}

# A window that is too small shows what fits, and all when it grows.
small_windows()
{
	share --length 64K && screen 20 3 'rsmctl watch -d 0.5' &&
		shows 'segm' '^ID ' &&
		is 'second line' "$(sed -n 2p "$tmp/screen")" '' &&
		terminal resize-window -x 100 -y 20 && shows "^$ID .*rsmctl" &&
		terminal resize-window -x 1 -y 1 && sleep 2 &&
		terminal resize-window -x 100 -y 20 && shows "^$ID .*rsmctl" &&
		keys q && shows '^status 0$'
	result=$?
	unshare_all && return "$result"
}

ctrl_c_gives_the_terminal_back()
{
	screen 100 20 'rsmctl watch' && shows '0 segments' && keys C-c &&
		shows '^status ' && keys 'typed' && shows 'typed'
	result=$?
	unshare_all && return "$result"
}

# Nothing that moves the cursor, and no colour, where there is no such thing.
plain_terminals()
{
	screen 100 20 'TERM=dumb rsmctl watch -n 1' && shows 'status 0' \
		'0 segments' && screen 100 20 'TERM= rsmctl watch -n 1' &&
		shows 'status 0' && screen 100 20 'TERM=nosuch rsmctl watch -n 1' &&
		shows 'status' && screen 100 20 'rsmctl watch --plain -n 2 -d 0.5' &&
		shows 'status 0' &&
		is looks "$(grep -c '0 segments' "$tmp/screen")" 2
	result=$?
	unshare_all && return "$result"
}

# Whatever the environment says, what is no terminal gets text.
no_terminal()
{
	escape=$(printf '\033')
	status 0 rsmctl watch -n 1 </dev/null &&
		has_not "$tmp/out" "$escape" &&
		status 0 rsmctl list && has_not "$tmp/out" "$escape" &&
		status 0 rsmctl help && has_not "$tmp/out" "$escape" &&
		status 0 rsmctl limits && has_not "$tmp/out" "$escape"
}

fed()
{
	head -c 1000 /dev/zero >&9
	seen '^rsmctl export: [0-9.]* KiB *$'
}

drained()
{
	dd bs=65536 count=1 iflag=fullblock <&8 >>"$tmp/got" 2>/dev/null
	seen '^rsmctl import: 2 MiB of 2\.9 MiB, 69%'
}

# What takes more than a moment shows how far it is, and takes that away.
long_work_shows_progress()
{
	[ -p "$tmp/fifo" ] || mkfifo "$tmp/fifo"
	screen 100 20 "rsmctl export --id $ID - <$tmp/fifo" || return
	exec 9>"$tmp/fifo"
	eventually fed && head -c 3000000 /dev/zero >&9
	result=$?
	exec 9>&-
	shows "$ID" && has_not "$tmp/screen" 'rsmctl export: .*iB *$' && keys C-c &&
		shows 'status 0$' && [ "$result" = 0 ]
	result=$?
	unshare_all && return "$result"
}

# That of who writes to a pipe, which a slow reader holds up. The pipe gets
# what was shared, and nothing else.
an_import_tells_how_much_is_left()
{
	head -c 3000000 /dev/urandom >"$tmp/file"
	[ -p "$tmp/fifo" ] || mkfifo "$tmp/fifo"
	: >"$tmp/got"
	if ! { share "$tmp/file" &&
	       screen 100 20 "rsmctl import $ID >$tmp/fifo"; }; then
		unshare_all
		return 1
	fi
	exec 8<"$tmp/fifo"
	eventually drained && cat <&8 >>"$tmp/got" && shows '^status 0$' &&
		has_not "$tmp/screen" 'rsmctl import: ' &&
		cmp "$tmp/got" "$tmp/file"
	result=$?
	exec 8<&-
	unshare_all && return "$result"
}

if ! command -v tmux >/dev/null; then
	echo 'TAP version 13'
	echo '1..0 # SKIP there is no tmux'
	exit 4
fi
modprobe rsmctl || exit 1
shared=
screens=0
judge_all whole_screen it_follows keys_sort small_windows \
	ctrl_c_gives_the_terminal_back plain_terminals no_terminal \
	long_work_shows_progress an_import_tells_how_much_is_left
terminal kill-server 2>/dev/null
exit "$failed"
