#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# rsmctl list, who and watch: what there is, to whom it is shown, and for whom.
# shellcheck disable=SC2317 # the tests are called by judge

# shellcheck source=judge.sh
. "$(dirname "$0")/judge.sh"

here=$(realpath "$(dirname "$0")")
ID=0x400010

# share: 4 MiB of one user, exported; $shared is the process
share()
{
	# what the last test left must not be taken for an answer
	: >"$tmp/shared"
	su -s /bin/sh -c 'exec rsmctl export "$@"' -- rsm1 sh \
		--length 4M --id "$ID" --mode 0666 >"$tmp/shared" 2>&1 &
	shared=$!
	eventually shared_or_not
	grep -q "$ID" "$tmp/shared" && return
	cat "$tmp/shared"
	return 1
}

shared_or_not()
{
	grep -q "$ID" "$tmp/shared" || ! kill -0 "$shared" 2>/dev/null
}

# follow USER: an import of it
follow()
{
	su -s /bin/sh -c 'exec rsmctl import --follow "$@"' -- "$1" sh \
		"$ID" >"$tmp/followed" 2>&1 &
	eventually imports 1
}

imports()
{
	[ "$(cat "$STATS/imports")" = "$1" ]
}

end_all()
{
	# shellcheck disable=SC2046 # words wanted
	kill $(pidof rsmctl) 2>/dev/null
	wait
	nothing_left
}

an_idle_machine()
{
	status 0 rsmctl list &&
		has "$tmp/out" '^loopback ' 'Nothing is exported or imported' &&
		status 0 rsmctl list exports && status 0 rsmctl list --json &&
		is_json "$tmp/out" && has "$tmp/out" '"exports": \[\]' &&
		status 1 rsmctl who "$ID" && has "$tmp/err" 'nobody' &&
		status 0 rsmctl watch -n 1 </dev/null &&
		has "$tmp/out" '0 segments, 0 imports'
}

what_is_shared_is_listed()
{
	share && follow rsm2 && status 0 rsmctl list &&
		has "$tmp/out" '^Exports' '^ID .* LENGTH .* PAGES .*COMMAND$' \
			"^$ID  *4.0 MiB  *10[0-9][0-9].* published .* 1 .*rsm1 .* rsmctl" \
			'^Imports' "^$ID  *4.0 MiB  *connected  *r.*rsm2 .* rsmctl"
	result=$?
	end_all && return "$result"
}

json_has_what_the_table_has()
{
	share && follow rsm2 && status 0 rsmctl list --json && is_json "$tmp/out" &&
		has "$tmp/out" '"kind": "export"' '"kind": "import"' \
			'"command": "rsmctl"' '"id": 4194320' '"uid": 1001' \
			'"uid": 1002' '"imports": 1' '"state": "published"' \
			'"rights": "r"' '"flags": ' '"complete": true' &&
		status 0 rsmctl who --json "$ID" && is_json "$tmp/out" &&
		has "$tmp/out" '"kind": "export"' '"kind": "import"'
	result=$?
	end_all && return "$result"
}

parts_can_be_chosen()
{
	share && follow rsm2 && status 0 rsmctl list imports &&
		has "$tmp/out" '^ID .*RIGHTS' && has_not "$tmp/out" '^Imports' \
			'PAGES' && status 0 rsmctl list --json exports &&
		is_json "$tmp/out" && has_not "$tmp/out" '"imports": \[' &&
		status 2 rsmctl list exprts && has "$tmp/err" 'exprts' 'help'
	result=$?
	end_all && return "$result"
}

# Threat 61: the kernel decides what a user sees.
threat_61_each_sees_only_its_own()
{
	share && follow rsm2 && status 0 as rsm1 list &&
		has "$tmp/out" "^$ID .* published" &&
		has_not "$tmp/out" connected && status 0 as rsm2 list &&
		has "$tmp/out" "^$ID .* connected" &&
		has_not "$tmp/out" published && status 0 as nobody list &&
		has "$tmp/out" 'as far as you may see' &&
		has_not "$tmp/out" 0x4 && status 0 as nobody list --json &&
		has "$tmp/out" '"complete": false' &&
		status 1 as nobody who "$ID" &&
		has "$tmp/err" 'nobody that you may see'
	result=$?
	end_all && return "$result"
}

# Also with the rights of a root user that is none outside.
threat_61_a_pid_namespace_sees_only_its_own()
{
	share && follow rsm2 &&
		status 0 unshare -p -f -m --mount-proc rsmctl list &&
		has "$tmp/out" 'as far as you may see' &&
		has_not "$tmp/out" 0x4
	result=$?
	end_all && return "$result"
}

who_has_to_do_with_an_id()
{
	share && follow rsm2 && status 0 rsmctl who "$ID" &&
		has "$tmp/out" '^Exporter' '^Importers' 'rsm1' 'rsm2' &&
		segment=$(sed -n 's/^rsm-segment:\t//p' \
			/proc/[0-9]*/fdinfo/* 2>/dev/null | head -n 1) &&
		status 0 rsmctl who --segment "$segment" &&
		has "$tmp/out" "^$ID .* rsm1" "^$ID .* rsm2" &&
		status 1 rsmctl who 0x400011 && status 2 rsmctl who &&
		status 2 rsmctl who "$ID" "$ID" && status 2 rsmctl who id
	result=$?
	end_all && return "$result"
}

# The same id in another IPC namespace is another segment.
an_id_is_that_of_the_namespace()
{
	share && status 1 unshare -i rsmctl who "$ID" &&
		status 0 unshare -i rsmctl list && has "$tmp/out" "^$ID "
	result=$?
	end_all && return "$result"
}

# A descriptor that a child inherits is the same export.
an_open_file_is_listed_once()
{
	hold "$here/tool_holder" fork 1 4096 || return
	status 0 rsmctl list exports && has "$tmp/out" 'tool_holder (+1)$' &&
		is rows "$(grep -c '^0x' "$tmp/out")" 1
	result=$?
	let_go
	nothing_left && return "$result"
}

watch_shows_rates()
{
	if ! { share && follow rsm2 &&
	       status 0 rsmctl watch -d 0.5 -n 2 </dev/null &&
	       has "$tmp/out" '1 segments, 1 imports' \
			"^$ID .* 0\.0 .* 0\.0 "; }; then
		end_all
		return 1
	fi
	while sleep 0.2; do rsmctl signal "$ID"; done &
	signals=$!
	status 0 rsmctl watch -d 4 -n 2 </dev/null &&
		has "$tmp/out" \
			"^$ID .* 0\.0  *\(0\.[1-9]\|[1-9][0-9]*\.[0-9]\) .*rsmctl"
	result=$?
	kill "$signals"
	end_all && return "$result"
}

watch_is_asked_wrongly()
{
	status 2 rsmctl watch -d 0 && has "$tmp/err" 'no delay' &&
		status 2 rsmctl watch -d nan && status 2 rsmctl watch -n x &&
		status 2 rsmctl watch -s nosuch && has "$tmp/err" nosuch &&
		status 2 rsmctl watch --nosuch && status 2 rsmctl watch more
}

# What is not read to the end is no failure: SIGPIPE ends it silently.
readers_may_stop()
{
	share || { end_all; return 1; }
	rsmctl list --json 2>"$tmp/err" | head -n 1 >"$tmp/out"
	{
		timeout -s KILL 120 rsmctl watch -d 0.1 </dev/null 2>>"$tmp/err"
		echo $? >"$tmp/status"
	} | head -n 3 >>"$tmp/out"
	is status "$(cat "$tmp/status")" 141 && is_empty "$tmp/err" &&
		is lines "$(wc -l <"$tmp/out")" 4
	result=$?
	end_all && return "$result"
}

names_of_commands_are_data()
{
	# the name of a process is that of its program
	cp "$(command -v rsmctl)" "$tmp/$(printf 'a\033"\n\\b')"
	: >"$tmp/shared"
	"$tmp/$(printf 'a\033"\n\\b')" export --length 4K --id "$ID" \
		>"$tmp/shared" 2>&1 &
	eventually grep -q "$ID" "$tmp/shared" && status 0 rsmctl list exports &&
		has "$tmp/out" 'a?"?\\b$' && status 0 rsmctl list --json &&
		is_json "$tmp/out"
	result=$?
	kill $!
	wait
	nothing_left && return "$result"
}

without_the_module()
{
	rmmod rsmctl
	status 1 rsmctl list && has "$tmp/err" 'rsmctl load' &&
		status 0 rsmctl watch -n 1 </dev/null &&
		has "$tmp/out" 'not loaded' && [ ! -e "$STATS" ]
	result=$?
	modprobe rsmctl && return "$result"
}

modprobe rsmctl || exit 1
# With no descriptor left for it, a process cannot be looked into.
what_cannot_be_opened_is_missed()
{
	share || return
	for limit in 5 6 7; do
		status 1 sh -c "ulimit -n $limit; exec rsmctl who --json $ID" &&
			is_json "$tmp/out" && has "$tmp/out" \
			'"handles": \[\]' '"complete": false' && continue
		end_all
		return 1
	done
	end_all
}

a_device_that_cannot_be_used_is_told()
{
	share && mv /dev/rsmctl "$tmp/node" || return
	status 1 rsmctl list && has "$tmp/err" '/dev/rsmctl' &&
		has "$tmp/out" "^$ID " && has_not "$tmp/out" Controllers &&
		status 1 rsmctl list --json controllers && is_json "$tmp/out" &&
		has "$tmp/out" '"complete": false' && status 0 rsmctl list exports
	result=$?
	mv "$tmp/node" /dev/rsmctl
	end_all && return "$result"
}

# Also with a zero before it.
ids_are_decimal()
{
	status 1 rsmctl who 010 && has "$tmp/err" '0xa;' &&
		status 1 rsmctl who 0x010 && has "$tmp/err" '0x10;' &&
		status 1 rsmctl who -s 1234 && has "$tmp/err" 'segment 1234;' &&
		status 2 rsmctl who 08x
}

judge_all an_idle_machine what_is_shared_is_listed \
	json_has_what_the_table_has parts_can_be_chosen \
	threat_61_each_sees_only_its_own \
	threat_61_a_pid_namespace_sees_only_its_own who_has_to_do_with_an_id \
	an_id_is_that_of_the_namespace an_open_file_is_listed_once \
	watch_shows_rates watch_is_asked_wrongly readers_may_stop \
	names_of_commands_are_data what_cannot_be_opened_is_missed \
	a_device_that_cannot_be_used_is_told ids_are_decimal without_the_module
exit "$failed"
