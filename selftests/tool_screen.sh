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

terminal()
{
	tmux -u -L test -f "$tmp/tmux.conf" "$@"
}

# screen WIDTH HEIGHT COMMAND: that command, and then its exit status
screen()
{
	terminal kill-server 2>/dev/null
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

share()
{
	: >"$tmp/shared"
	rsmctl export --length 64K --id "$ID" >"$tmp/shared" 2>&1 &
	shared=$!
	eventually grep -q "$ID" "$tmp/shared"
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
	share && screen 100 20 'rsmctl watch -d 0.5' &&
		shows '1 segments, 0 imports' '^ID .* COMMAND' \
			"^$ID .*published.* root .*rsmctl" && keys q &&
		shows '^status 0$'
	result=$?
	unshare_all && return "$result"
}

# What comes and goes is seen without a key.
it_follows()
{
	screen 100 20 'rsmctl watch -d 0.5' && shows '0 segments' && share &&
		shows '1 segments' "^$ID" && kill "$shared" && wait "$shared"
	shows '0 segments'
	result=$?
	unshare_all && ! grep -q "^$ID" "$tmp/screen" && return "$result"
}

keys_sort()
{
	share || return
	rsmctl export --length 128K --id 0x400031 >/dev/null 2>&1 &
	other=$!
	screen 100 20 'rsmctl watch -d 60 -s id' && eventually both_seen &&
		[ "$(first)" = 0x400031 ] && keys r && eventually first_is "$ID" &&
		keys r && eventually first_is 0x400031 && keys Left Left &&
		keys Right Right Right && keys ' ' && shows '2 segments'
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
	share && screen 20 3 'rsmctl watch -d 0.5' && shows 'segm' &&
		[ "$(wc -l <"$tmp/screen")" -le 3 ] &&
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
		shows 'status 0' && [ "$(grep -c '0 segments' "$tmp/screen")" = 2 ]
	result=$?
	unshare_all && return "$result"
}

no_escapes()
{
	! grep -q "$(printf '\033')" "$1"
}

# Whatever the environment says, what is no terminal gets text.
no_terminal()
{
	status 0 rsmctl watch -n 1 </dev/null && no_escapes "$tmp/out" &&
		NO_COLOR=1 status 0 rsmctl list && no_escapes "$tmp/out" &&
		status 0 rsmctl help && no_escapes "$tmp/out" &&
		status 0 rsmctl limits && no_escapes "$tmp/out"
}

no_color()
{
	screen 100 20 'NO_COLOR=1 rsmctl doctor' && shows '^status' &&
		terminal capture-pane -p -e >"$tmp/escapes" &&
		! grep -q "$(printf '\033')\[3[0-7]" "$tmp/escapes"
	result=$?
	unshare_all && return "$result"
}

# Progress goes to the terminal, and what is read to the pipe.
progress_is_not_in_the_pipe()
{
	head -c 3000000 /dev/urandom >"$tmp/file"
	screen 100 20 "rsmctl export --id $ID $tmp/file" && shows "$ID" &&
		[ "$(rsmctl import "$ID" | sha256sum)" = \
		  "$(sha256sum <"$tmp/file")" ] && keys C-c && shows 'status 0$'
	result=$?
	unshare_all && return "$result"
}

fed()
{
	head -c 1000 /dev/zero >&9
	seen '^rsmctl export: [0-9.]* KiB *$'
}

drained()
{
	head -c 65536 <&8 >/dev/null
	seen '^rsmctl import: 2 MiB of 2\.9 MiB, 69%'
}

# What takes more than a moment shows how far it is, and takes that away.
long_work_shows_progress()
{
	[ -p "$tmp/fifo" ] || mkfifo "$tmp/fifo"
	screen 100 20 "rsmctl export --id $ID - <$tmp/fifo"
	exec 9>"$tmp/fifo"
	eventually fed && head -c 3000000 /dev/zero >&9
	result=$?
	exec 9>&-
	shows "$ID" && has_not "$tmp/screen" 'rsmctl export: .*iB *$' && keys C-c &&
		shows 'status 0$' && [ "$result" = 0 ]
	result=$?
	unshare_all && return "$result"
}

# That of who reads from a pipe, which a slow reader holds up
an_import_tells_how_much_is_left()
{
	head -c 3000000 /dev/zero >"$tmp/file"
	: >"$tmp/shared"
	rsmctl export --id "$ID" "$tmp/file" >"$tmp/shared" 2>&1 &
	shared=$!
	eventually grep -q "$ID" "$tmp/shared" || return
	[ -p "$tmp/fifo" ] || mkfifo "$tmp/fifo"
	screen 100 20 "rsmctl import $ID >$tmp/fifo"
	exec 8<"$tmp/fifo"
	eventually drained && cat <&8 >/dev/null && shows '^status 0$' &&
		has_not "$tmp/screen" 'rsmctl import: '
	result=$?
	exec 8<&-
	unshare_all && return "$result"
}

if ! command -v tmux >/dev/null; then
	echo 'TAP version 13'
	echo '1..0 # SKIP there is no tmux'
	exit 4
fi
shared=
judge_all whole_screen it_follows keys_sort small_windows \
	ctrl_c_gives_the_terminal_back plain_terminals no_terminal no_color \
	progress_is_not_in_the_pipe long_work_shows_progress \
	an_import_tells_how_much_is_left
terminal kill-server 2>/dev/null
exit "$failed"
