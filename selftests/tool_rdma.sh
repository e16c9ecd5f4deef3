#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# rsmctl controller and rsmctl node: what they make of their arguments and of
# rsm.conf, that they leave nothing half done, and what they tell. And export,
# import, signal and wait, by such a controller. Some need the module rsm_rdma,
# and of these some an RDMA device with an address; they are skipped where there
# is none.
# shellcheck disable=SC2317 # the tests are called by judge

# shellcheck source=judge.sh
. "$(dirname "$0")/judge.sh"

ROOT=/sys/kernel/config/rsm_rdma
# Nobody has it.
NOWHERE=192.0.2.1
modprobe rsmctl || exit 1

# Starts without controllers. Status 4: there is no module for them.
fresh()
{
	modprobe rsm_rdma 2>/dev/null || {
		echo 'no module rsm_rdma'
		return 4
	}
	[ -e "$ROOT" ] || mount -t configfs configfs /sys/kernel/config ||
		return
	clean && nothing_left
}

# Nobody has the module afterwards.
unload()
{
	[ -e /sys/module/rsm_rdma ] || return 0
	clean && rmmod rsm_rdma
}

clean()
{
	for dir in "$ROOT/"*/nodes/* "$ROOT/"*; do
		[ ! -d "$dir" ] || rmdir "$dir" || return
	done
}

# Whether a device has an address: sets DEVICE and ADDRESS. Status 4: none
device()
{
	for path in /sys/class/infiniband/*; do
		[ -e "$path" ] || continue
		DEVICE=${path##*/}
		ADDRESS=$(ip -4 addr show dev "$(cat "$path/parent")" |
			sed -n 's|.* inet \([0-9.]*\)/.*|\1|p' | head -n 1)
		[ -z "$ADDRESS" ] || return 0
	done
	echo 'no RDMA device that has an address'
	return 4
}

# value_is PATH WANTED: of a file in configfs
value_is()
{
	is "$1" "$(cat "$ROOT/$1")" "$2"
}

# no_controller: whether there is none
no_controller()
{
	[ -z "$(ls "$ROOT")" ] && return
	echo "there is $(ls "$ROOT")"
	return 1
}

# adds NAME ARGUMENT...: makes one that waits
adds()
{
	status 0 rsmctl controller add --trusted --wait "$@"
}

# refuses PATTERN ARGUMENT...: those of a controller that cannot be
refuses()
{
	pattern=$1
	shift
	wrong 2 "$pattern" rsmctl controller add "$@" &&
		has "$tmp/err" '^try "rsmctl controller --help"$'
}

what_can_be_done_is_checked()
{
	wrong 2 '"mend" is nothing' rsmctl controller mend &&
		wrong 2 '"mend" is nothing' rsmctl node mend &&
		wrong 2 '"add" needs a NAME' rsmctl controller add &&
		wrong 2 '"remove" needs a node number' rsmctl node remove &&
		wrong 2 '"x" is not expected' rsmctl controller list x &&
		wrong 2 '"x" is not expected' rsmctl node add 2 x &&
		wrong 2 '"list" takes no --addr' \
			rsmctl controller list --addr 10.0.0.1 &&
		wrong 2 '"add" takes no --force' rsmctl controller add r0 -f &&
		wrong 2 '"load" takes no --wait' rsmctl controller load -w &&
		wrong 2 '"add" takes no --json' rsmctl node add 2 --json &&
		wrong 2 '"remove" takes no --addr' rsmctl node remove 2 -a ::1
}

names_are_checked()
{
	for bad in '' 0 rdma Rdma0 rdma-0 rdma0a rdma00 rdma01 ../rdma0 \
		rdma0/ abcdefghijklmno1 'rdma 0'; do
		refuses "\"$bad\" is no name" "$bad" &&
			wrong 2 "\"$bad\" is no name" \
				rsmctl controller remove "$bad" &&
			wrong 2 "\"$bad\" is no name" \
				rsmctl node remove 2 -c "$bad" || return
	done
	refuses '"loopback" is no name' loopback
}

addresses_are_checked()
{
	for address in '' x 1 10.0.0 10.0.0.256 10.0.0.1: 10.0.0.1:0 \
		10.0.0.1:65536 10.0.0.1:-1 10.0.0.1:+1 '10.0.0.1: 1' \
		10.0.0.1:1x 10.0.0.1:000001 '[10.0.0.1]:1' '[fd00::1' \
		'[fd00::1]1' '[fd00::1]:' fd00::x 0.0.0.0 :: 224.0.0.1 \
		255.255.255.255 ff02::1 localhost; do
		pattern=$(echo "$address" | sed 's/[][]/\\&/g')
		refuses "\"$pattern\" is no address" rdma0 \
			 --addr "$address" --node-id 1 --trusted || return
	done
}

numbers_are_checked()
{
	for number in '' x 0 -1 1x 4294967295 4294967296; do
		refuses "\"$number\" is no node-id.* 1 to 4294967294\$" \
			rdma0 --node-id "$number" &&
			wrong 2 "\"$number\" is no node-id" \
				rsmctl node add --addr 10.0.0.1 -- "$number" ||
			return
	done
	refuses '"99" is no keepalive-ms' rdma0 --keepalive-ms 99 &&
		refuses '"60001" is no keepalive-ms' rdma0 --keepalive 60001 &&
		refuses '"9" is no rebind-timeout-ms' rdma0 --rebind 9 &&
		refuses '"4097" is no max-connections' rdma0 --max 4097 &&
		refuses '"65535" is no copy-window' rdma0 --copy 65535 &&
		refuses '"1048577" is no copy-window' rdma0 -W 1048577 &&
		refuses 'node-id is given twice' rdma0 -n 1 -n 2
}

what_is_missing_is_told()
{
	refuses -- '--addr is missing' rdma0 --node-id 1 --trusted &&
		refuses -- '--node-id is missing' rdma0 -a 10.0.0.1 --trusted &&
		refuses 'no key: --key-file FILE.* --trusted' rdma0 \
			-a 10.0.0.1 -n 1 &&
		refuses '--key-file and --trusted' rdma0 -a 10.0.0.1 -n 1 -t \
			-k /dev/null &&
		wrong 2 '--addr is missing' rsmctl node add 2
}

# loads STATUS: what is in $tmp/conf; the messages are in $tmp/err.
loads()
{
	status "$1" rsmctl controller load "$tmp/conf"
}

# told LINE PATTERN: of this line, and once
told()
{
	has "$tmp/err" "^rsmctl controller: $tmp/conf:$1: $2" &&
		is "messages of line $1" \
			"$(grep -c "/conf:$1: " "$tmp/err")" 1
}

wrong_lines_are_named()
{
	cat >"$tmp/conf" <<-END
	# A comment
	controller
	  node   # with nothing
	nodes 1
	controller rdma
	controller rdma0 addr
	controller rdma0 addr 10.0.0.1 addr 10.0.0.1 node-id 1 trusted
	controller rdma0 node-id 1 trusted
	controller rdma0 addr 10.0.0.1 trusted
	controller rdma0 addr 10.0.0.1 node-id 1 # trusted
	controller rdma0 addr 10.0.0.1 node-id 1 trusted colour blue
	controller rdma0 addr 10.0.0.1 node-id 1 key-file key
	controller rdma0 addr 10.0.0.1 node-id 1 key-file -
	node x addr 10.0.0.2

	node 2
	node 2 addr 10.0.0.2 controller loopback
	node 2 addr 10.0.0.2 trusted
	node $(printf '2\033[1m') addr 10.0.0.2
	END
	loads 1 && is_empty "$tmp/out" || return
	told 2 'nothing comes after "controller"' &&
		told 3 'nothing comes after "node"' &&
		told 4 '.*not with "nodes"' && told 5 '"rdma" is no name' &&
		told 6 'nothing comes after "addr"' && told 7 'addr is given' &&
		told 8 'addr is missing' && told 9 'node-id is missing' &&
		told 10 'no key: key-file' && told 11 '"colour" is nothing' &&
		told 12 'key-file "key" is no path' && told 13 'key-file "-"' &&
		told 14 '"x" is no node-id' && told 16 'addr is missing' &&
		told 17 '"loopback" is no name' && told 18 '"trusted" is not' &&
		told 19 'a character with the code 27'
}

a_missing_file_is_told()
{
	wrong 1 "$tmp/nosuch: No such file.* rsm.conf(5)" \
		rsmctl controller load "$tmp/nosuch" &&
		wrong 1 '/etc/rsm/rsm.conf: No such file' \
			rsmctl controller load || return
	: >"$tmp/conf"
	loads 0 && is_empty "$tmp/err"
}

all_see_what_there_is()
{
	status 0 rsmctl controller &&
		has "$tmp/out" '^NAME .* CONNECTIONS$' '^loopback ' &&
		status 0 as rsm1 controller list --json && is_json "$tmp/out" &&
		has "$tmp/out" '"name": "loopback"' '"connections": null' &&
		status 0 as rsm1 node && has "$tmp/out" '^loopback .* local$' &&
		status 0 as rsm1 node list -c loopback --json &&
		is_json "$tmp/out" && has "$tmp/out" '"state": "local"' &&
		wrong 1 'no controller nosuch0' rsmctl node list -c nosuch0 &&
		nothing_left
}

nothing_is_to_be_seen_without_the_module()
{
	unload && rmmod rsmctl &&
		wrong 1 'rsmctl load' rsmctl controller list &&
		wrong 1 'rsmctl load' rsmctl node list || return
	if [ -e /sys/module/rsmctl ]; then
		echo 'it was loaded'
		return 1
	fi
	modprobe rsmctl
}

# Puts the file back, whatever happened.
a_missing_module_is_told()
{
	fresh || return
	unload && ko=$(modinfo -n rsm_rdma) &&
		mv "$ko" "$ko.away" || return
	wrong 1 'no module rsm_rdma for this kernel: .*make install' \
		rsmctl controller add rdma0 -a "$NOWHERE" -n 1 -t
	ret=$?
	mv "$ko.away" "$ko"
	return "$ret"
}

the_module_is_loaded_and_configfs_mounted()
{
	fresh || return
	unload && umount /sys/kernel/config &&
		adds rdma0 -n 1 -a "$NOWHERE" &&
		has "$tmp/out" 'mounted configfs' &&
		value_is rdma0/state waiting && clean
}

only_root_adds_and_removes()
{
	fresh || return
	wrong 1 'only root' as rsm1 controller add rdma0 -a 10.0.0.1 -n 1 -t &&
		no_controller && adds rdma0 -n 1 -a "$NOWHERE" &&
		wrong 1 'only root' as rsm1 controller remove rdma0 &&
		wrong 1 'only root' as rsm1 node add 2 -a 10.0.0.2 &&
		status 0 as rsm1 controller list --json &&
		has "$tmp/out" '"name": "rdma0"' '"node": 1,' \
			'"state": "waiting"' "\"address\": \"$NOWHERE:7760\"" \
			'"nodes": 0' '"connections": 0' && clean
}

a_controller_is_as_it_was_asked_for()
{
	fresh || return
	status 0 rsmctl controller add rdma7 --addr '[fd00::1]:99' \
		--node-id 4294967294 --trusted --wait --keepalive-ms 500 \
		--rebind-timeout-ms 10 --max-connections 4096 \
		--copy-window 1048576 &&
		has "$tmp/out" '^rdma7: node 4294967294, waits ' &&
		has "$tmp/out" ' \[fd00::1\]:99$' &&
		value_is rdma7/address '[fd00::1]:99' &&
		value_is rdma7/node_id 4294967294 &&
		value_is rdma7/trusted 1 && value_is rdma7/enabled 1 &&
		value_is rdma7/keepalive_ms 500 &&
		value_is rdma7/rebind_timeout_ms 10 &&
		value_is rdma7/max_connections 4096 &&
		value_is rdma7/copy_window 1048576 &&
		wrong 1 'rdma7 is there already' rsmctl controller add rdma7 \
			-a "$NOWHERE" -n 1 -t &&
		value_is rdma7/node_id 4294967294 &&
		status 0 rsmctl list controllers &&
		has "$tmp/out" '^loopback ' '^rdma7 *4294967294 ' &&
		status 0 rsmctl controller remove rdma7 && no_controller &&
		wrong 1 'there is no rdma7' rsmctl controller remove rdma7
}

letters_stand_for_options()
{
	fresh || return
	status 0 rsmctl controller add rdma7 -a "$NOWHERE" -n 5 -t -w -K 60000 \
		-R 60000 -m 1 -W 131072 &&
		value_is rdma7/node_id 5 && value_is rdma7/trusted 1 &&
		value_is rdma7/keepalive_ms 60000 &&
		value_is rdma7/rebind_timeout_ms 60000 &&
		value_is rdma7/max_connections 1 &&
		value_is rdma7/copy_window 131072 && clean
}

an_address_that_nobody_has_is_a_failure()
{
	fresh || return
	wrong 1 'no RDMA device' rsmctl controller add rdma0 \
		-a "$NOWHERE" -n 1 -t && has "$tmp/err" '--wait' &&
		no_controller && nothing_left
}

keys_come_from_files()
{
	fresh || return
	echo secret >"$tmp/key" && chmod 600 "$tmp/key" &&
		status 0 rsmctl controller add rdma0 -a "$NOWHERE" -n 1 -w \
			-k "$tmp/key" && is_empty "$tmp/err" &&
		value_is rdma0/trusted 0 && value_is rdma0/enabled 1 &&
		clean && chmod 640 "$tmp/key" &&
		status 0 rsmctl controller add rdma0 -a "$NOWHERE" -n 1 -w \
			-k "$tmp/key" &&
		has "$tmp/err" "warning: .*$tmp/key (mode 0640): chmod 600" &&
		clean && echo secret | status 0 rsmctl controller add rdma0 \
			-a "$NOWHERE" -n 1 -w -k - && is_empty "$tmp/err" &&
		clean
}

# key_fails PATTERN FILE
key_fails()
{
	wrong 1 "$1" rsmctl controller add rdma0 -a "$NOWHERE" -n 1 -w \
		-k "$2" && no_controller
}

keys_that_are_none_are_refused()
{
	fresh || return
	printf '%0128d\n' 0 >"$tmp/key" && chmod 600 "$tmp/key" &&
		status 0 rsmctl controller add rdma0 -a "$NOWHERE" -n 1 -w \
			-k "$tmp/key" && clean || return
	printf '%0129d' 0 >"$tmp/key"
	key_fails 'longer than 128 bytes' "$tmp/key" || return
	echo >"$tmp/key"
	key_fails "no key in $tmp/key: it is empty" "$tmp/key" &&
		key_fails 'no key in /dev/null: it is empty' /dev/null &&
		key_fails "$tmp/nosuch: No such file" "$tmp/nosuch" &&
		key_fails "$tmp: Is a directory" "$tmp" && nothing_left
}

nodes_are_added_and_removed()
{
	fresh || return
	wrong 1 'no RDMA controller yet' rsmctl node add 2 -a 10.0.0.2 &&
		adds rdma0 -n 1 -a "$NOWHERE" &&
		status 0 rsmctl node add 2 -a 10.0.0.2 &&
		has "$tmp/out" '^rdma0: node 2 at 10.0.0.2:7760$' &&
		status 0 rsmctl node add 0x10 -a fd00::2 -c rdma0 &&
		value_is rdma0/nodes/16/address '[fd00::2]:7760' &&
		wrong 1 'node 2 of rdma0 is there' rsmctl node add 2 -a ::1 &&
		wrong 1 'this machine itself' rsmctl node add 1 -a 10.0.0.1 &&
		status 0 as rsm1 node list -c rdma0 &&
		has "$tmp/out" "^rdma0 * 1 $NOWHERE:7760 *local\$" \
			'^rdma0 * 2 10.0.0.2:7760 * idle$' \
			'^rdma0 * 16 \[fd00::2\]:7760 * idle$' &&
		has_not "$tmp/out" loopback && status 0 rsmctl node list -j &&
		is_json "$tmp/out" && has "$tmp/out" '"node": 16' '"idle"' &&
		status 0 rsmctl node remove 2 &&
		[ ! -e "$ROOT/rdma0/nodes/2" ] &&
		wrong 1 'no node 2 of rdma0' rsmctl node remove 2 && clean
}

of_several_controllers_one_has_to_be_named()
{
	fresh || return
	adds rdma0 -n 1 -a "$NOWHERE" && adds rdma10 -n 2 -a "$NOWHERE:1" &&
		wrong 1 '2 controllers' rsmctl node add 3 -a 10.0.0.3 &&
		status 0 rsmctl node add 3 -a 10.0.0.3 -c rdma10 &&
		value_is rdma10/nodes/3/address 10.0.0.3:7760 &&
		wrong 1 'no node 3 of rdma0' rsmctl node remove 3 -c rdma0 &&
		wrong 1 'controller rdma1:' rsmctl node remove 3 -c rdma1 &&
		wrong 1 'controller loopback:' \
			rsmctl node add 3 -a 10.0.0.3 -c loopback && clean
}

a_controller_with_nodes_is_removed_by_force()
{
	fresh || return
	adds rdma0 -n 1 -a "$NOWHERE" &&
		status 0 rsmctl node add 2 -a 10.0.0.2 &&
		status 0 rsmctl node add 3 -a 10.0.0.3 &&
		wrong 1 'rdma0 has 2 nodes and 0 connections.*--force' \
			rsmctl controller remove rdma0 &&
		[ -e "$ROOT/rdma0/nodes/2" ] &&
		status 0 rsmctl controller remove rdma0 --force &&
		no_controller && nothing_left
}

who_is_interrupted_leaves_nothing()
{
	fresh || return
	rsmctl controller add rdma0 -a "$NOWHERE" -n 1 -t >/dev/null 2>&1 &
	pid=$!
	until [ -d "$ROOT/rdma0" ] || ! kill -0 "$pid" 2>/dev/null; do
		:
	done
	kill "$pid" 2>/dev/null
	wait "$pid" && {
		echo 'it succeeded'
		return 1
	}
	no_controller
}

a_file_is_loaded_again_and_again()
{
	fresh || return
	key=$tmp/key
	echo secret >"$key" && chmod 600 "$key" || return
	cat >"$tmp/conf" <<-END
	node 2 addr 10.0.0.2 controller rdma0	# before its controller
	controller rdma0 keepalive-ms 700 addr $NOWHERE node-id 1 key-file $key

		controller rdma1 addr $NOWHERE:1 node-id 9 trusted
	node 3 controller rdma1 addr fd00::3
	node 1 addr 10.0.0.1 controller rdma0
	END
	loads 0 && is_empty "$tmp/err" && value_is rdma0/keepalive_ms 700 &&
		value_is rdma0/trusted 0 && value_is rdma1/trusted 1 &&
		value_is rdma0/nodes/2/address 10.0.0.2:7760 &&
		value_is rdma1/nodes/3/address '[fd00::3]:7760' &&
		has "$tmp/out" '^rdma0: node 1 is this machine$' || return
	loads 0 && is_empty "$tmp/err" &&
		is 'what was there' "$(grep -c 'there already' "$tmp/out")" 4 &&
		rmdir "$ROOT/rdma1/nodes/3" && loads 0 &&
		value_is rdma1/nodes/3/address '[fd00::3]:7760' && clean
}

what_differs_from_the_file_is_left_and_told()
{
	fresh || return
	adds rdma0 -n 1 -a "$NOWHERE" -K 500 &&
		status 0 rsmctl node add 2 -a 10.0.0.2 || return
	cat >"$tmp/conf" <<-END
	controller rdma0 addr 192.0.2.2 node-id 3 key-file /k keepalive-ms 600
	node 2 addr 10.0.0.3
	node 4 addr 10.0.0.4
	END
	loads 1 && value_is rdma0/node_id 1 &&
		value_is rdma0/keepalive_ms 500 &&
		value_is rdma0/nodes/2/address 10.0.0.2:7760 &&
		value_is rdma0/nodes/4/address 10.0.0.4:7760 &&
		has "$tmp/err" "conf:1: .*address $NOWHERE:7760, not 192.0.2" \
			'conf:1: .*node_id 1, not 3' \
			'conf:1: .*trusted 1, not 0' \
			"conf:1: .*500, not 600: .*$ROOT/rdma0/keepalive_ms" \
			'conf:2: .*address 10.0.0.2:7760, not 10.0.0.3:7760' &&
		has_not "$tmp/err" 'conf:3' && clean
}

a_bad_line_keeps_no_other_from_being_done()
{
	fresh || return
	cat >"$tmp/conf" <<-END
	controller rdma0 addr $NOWHERE node-id 1
	controller rdma1 addr $NOWHERE node-id 1 key-file $tmp/nosuch
	controller rdma2 addr $NOWHERE node-id 1 trusted
	node 1x addr 10.0.0.1
	node 2 addr 10.0.0.2
	END
	loads 1 && told 1 'no key' && told 2 ".*$tmp/nosuch: No such file" &&
		told 4 '"1x"' && is controllers "$(ls "$ROOT")" rdma2 &&
		value_is rdma2/nodes/2/address 10.0.0.2:7760 && clean
}

one_that_is_not_enabled_is_told()
{
	fresh || return
	mkdir "$ROOT/rdma0" || return
	echo "controller rdma0 addr $NOWHERE node-id 1 trusted" >"$tmp/conf"
	loads 1 && has "$tmp/err" 'enabled 0, not 1' 'address none, not' &&
		status 0 rsmctl controller list && has "$tmp/out" \
			'^rdma0  *-  *-  *disabled  *0  *0$' &&
		status 0 rsmctl doctor && has "$tmp/out" \
			'^warning  *rdma  *rdma0 is not enabled$' && clean
}

doctor_tells_who_waits()
{
	fresh || return
	status 0 rsmctl doctor && has_not "$tmp/out" ' rdma ' &&
		adds rdma0 -n 1 -a "$NOWHERE" && status 0 rsmctl doctor &&
		has "$tmp/out" \
			"^warning  *rdma  *rdma0 waits .*$NOWHERE:7760\$" &&
		status 0 rsmctl doctor --json && is_json "$tmp/out" && clean
}

a_controller_listens()
{
	fresh && device || return
	status 0 rsmctl controller add rdma0 -a "$ADDRESS:7761" -n 1 -t &&
		has "$tmp/out" "^rdma0: node 1, listens at $ADDRESS:7761\$" &&
		value_is rdma0/state listening &&
		status 0 rsmctl controller list &&
		has "$tmp/out" '^rdma0  *[0-9]*  *1 listening ' &&
		status 0 rsmctl doctor && has "$tmp/out" \
			'^ok  *rdma  *1 controller, 0 other nodes$' &&
		status 0 rsmctl controller remove rdma0 && nothing_left
}

# The second of them waits until the first one is gone.
a_port_is_for_one_controller()
{
	fresh && device || return
	status 0 rsmctl controller add rdma0 -a "$ADDRESS" -n 1 -t &&
		wrong 1 "cannot listen at $ADDRESS:7760, as rdma0 does: .*port" \
			rsmctl controller add rdma1 -a "$ADDRESS" -n 1 -t &&
		[ ! -e "$ROOT/rdma1" ] && adds rdma1 -n 1 -a "$ADDRESS" &&
		has "$tmp/out" "waits until it can listen at $ADDRESS:7760" &&
		value_is rdma1/state waiting && status 0 rsmctl doctor &&
		has "$tmp/out" "rdma1 cannot listen at $ADDRESS:7760, .*$DEVICE" \
			'> .*another port.*rdma resource show cm_id' &&
		rdma resource show cm_id | grep "$ADDRESS:7760" &&
		status 0 rsmctl controller remove rdma0 &&
		eventually value_is rdma1/state listening && clean
}

addresses_that_there_are_are_told()
{
	fresh && device || return
	wrong 1 "they have: .*$ADDRESS ($DEVICE)" \
		rsmctl controller add rdma0 -a "$NOWHERE" -n 1 -t &&
		no_controller && adds rdma0 -n 1 -a "$NOWHERE" &&
		status 0 rsmctl doctor &&
		has "$tmp/out" "> give it one that there is: .*$ADDRESS" &&
		clean
}

# share ARGUMENT...: starts an exporter; its id is $id, its process $pid.
share()
{
	: >"$tmp/id"
	rsmctl export "$@" >"$tmp/id" 2>"$tmp/export" </dev/null &
	pid=$!
	eventually [ -s "$tmp/id" ] && id=$(cat "$tmp/id") && return
	cat "$tmp/export"
	kill "$pid"
	return 1
}

unshare()
{
	kill "$pid" && ends 0
}

says()
{
	grep -q -e "$1" "$tmp/export"
}

# A controller that is connected with itself: what node 1 exports comes to it
# through the device.
itself()
{
	fresh && device || return
	status 0 rsmctl controller add rdma0 -a "$ADDRESS" -n 1 -t
}

# far WORD ARGUMENT...: of node 1
far()
{
	word=$1
	shift
	rsmctl "$word" --controller rdma0 --node 1 "$@"
}

no_controller_remains()
{
	status 0 rsmctl controller remove --force rdma0 && nothing_left
}

places_are_checked()
{
	echo text >"$tmp/file"
	for word in import signal wait; do
		wrong 2 '"RDMA0" is no name' rsmctl "$word" -c RDMA0 1 &&
			wrong 2 '"0" is no node-id' rsmctl "$word" -N 0 1 &&
			wrong 2 '--node needs --controller' \
				rsmctl "$word" -N 2 0x400001 &&
			wrong 2 '--node needs --controller' \
				rsmctl "$word" -c loopback -N 2 0x400001 &&
			wrong 1 'no controller nosuch0: .*controller list' \
				rsmctl "$word" -c nosuch0 -N 2 0x400001 || return
	done
	wrong 2 '"RDMA0" is no name' rsmctl export -c RDMA0 "$tmp/file" &&
		wrong 1 'no controller nosuch0: .*controller list' \
			rsmctl export -c nosuch0 "$tmp/file" &&
		wrong 2 'ticket-fd excludes' rsmctl import -T 0 -c rdma0 &&
		share --controller loopback "$tmp/file" &&
		status 0 rsmctl import --controller loopback "$id" &&
		cmp "$tmp/out" "$tmp/file" && unshare && nothing_left
}

a_node_is_chosen_if_there_is_one()
{
	fresh || return
	adds rdma0 -n 1 -a "$NOWHERE" &&
		wrong 1 'rdma0 knows no other node: .*node add' \
			rsmctl import -c rdma0 0x400001 &&
		status 0 rsmctl node add 2 -a 192.0.2.2 &&
		wrong 1 'to 0x400001 of node 2: ' \
			rsmctl import -c rdma0 0x400001 &&
		status 0 rsmctl node add 3 -a 192.0.2.3 &&
		wrong 1 'rdma0 knows 2 other nodes: .*--node.*node list' \
			rsmctl signal -c rdma0 0x400001 &&
		wrong 1 'rdma0 knows no node 4: .*node list' \
			rsmctl wait -c rdma0 -N 4 0x400001 && clean
}

files_and_pipes_come_from_a_node()
{
	itself || return
	for size in 0 1 4096 5000 3000000; do
		head -c "$size" /dev/urandom >"$tmp/file"
		share --controller rdma0 "$tmp/file" &&
			status 0 far import "$id" && cmp "$tmp/out" "$tmp/file" &&
			far import "$id" | cmp - "$tmp/file" &&
			status 0 far import -o "$tmp/copy" -g "$id" &&
			cmp "$tmp/copy" "$tmp/file" && unshare || return
	done
	wrong 1 'of node 1: no such segment there.*--controller' \
		far import "$id" && no_controller_remains
}

# By loopback it is found, and may be mapped; what is exported there is not for
# other nodes.
each_controller_has_its_own()
{
	itself || return
	echo text >"$tmp/file"
	share -c rdma0 --json "$tmp/file" &&
		is_json "$tmp/id" && has "$tmp/id" '"controller": "rdma0"' ||
		return
	id=$(sed -n 's/.*"id": \([0-9]*\).*/\1/p' "$tmp/id")
	status 0 rsmctl import "$id" && cmp "$tmp/out" "$tmp/file" && unshare &&
		share "$tmp/file" && wrong 1 'no such segment there' \
			far import "$id" && unshare && no_controller_remains
}

rights_are_those_of_numbers()
{
	itself || return
	echo text >"$tmp/file"
	share -c rdma0 "$tmp/file" &&
		wrong 1 'not let user 1001 read it (rsmctl export --mode)' \
			as rsm1 import -c rdma0 -N 1 "$id" && unshare &&
		share -c rdma0 --mode 0404 "$tmp/file" &&
		status 0 as rsm1 import -c rdma0 -N 1 "$id" &&
		cmp "$tmp/out" "$tmp/file" && unshare && no_controller_remains
}

followers_see_a_rebind_from_afar()
{
	itself || return
	echo first >"$tmp/file"
	share -c rdma0 --verbose --rebind "$tmp/file" || return
	: >"$tmp/stream"
	far import --follow "$id" >"$tmp/stream" &
	follower=$!
	far wait --timeout 60 "$id" &
	waiter=$!
	eventually grep -q first "$tmp/stream" && eventually imports_are 2 ||
		return
	echo second >"$tmp/file"
	kill -HUP "$pid"
	wait "$waiter" && eventually grep -q second "$tmp/stream" && unshare &&
		wait "$follower" && is 'what was seen' \
		"$(tr '\n' ' ' <"$tmp/stream")" 'first second ' &&
		no_controller_remains
}

imports_are()
{
	cat "/proc/$pid/fdinfo"/* 2>/dev/null | grep -q "^rsm-imports:.$1\$"
}

importers_write_and_signal_from_afar()
{
	itself || return
	share -c rdma0 -w -l 10000 -S -s "$tmp/saved" &&
		printf hello | status 0 far import --put --offset 5000 "$id" &&
		status 124 far wait --timeout 0.2 "$id" &&
		status 0 far signal "$id" && ends 0 || return
	{
		head -c 5000 /dev/zero
		printf hello
		head -c 4995 /dev/zero
	} | cmp - "$tmp/saved" && no_controller_remains
}

once_is_until_a_node_has_it()
{
	itself || return
	echo text >"$tmp/file"
	share -c rdma0 --once "$tmp/file" && status 0 far import "$id" &&
		cmp "$tmp/out" "$tmp/file" && ends 0 && no_controller_remains
}

# They cannot be mapped.
tickets_are_for_what_is_exported_afar_too()
{
	itself || return
	echo text >"$tmp/file"
	# shellcheck disable=SC2016 # for the other shell
	status 0 rsmctl export -c rdma0 "$tmp/file" -- \
		sh -c 'rsmctl import -T $RSMCTL_TICKET' &&
		cmp "$tmp/out" "$tmp/file" && no_controller_remains
}

who_does_not_answer_is_told()
{
	itself || return
	status 0 rsmctl node add 2 -a "${ADDRESS%.*}.99" &&
		wrong 1 'to 0x400001 of node 2: that does not answer' \
			rsmctl import -c rdma0 0x400001 &&
		status 0 rsmctl doctor &&
		has "$tmp/out" \
			'^warning  *rdma  *1 of 1 node cannot .*: 2 of rdma0 at ' \
			'> .*UDP port 4791.*listens.*knows this.*same key$' &&
		no_controller_remains
}

a_connection_that_is_cut_is_told()
{
	itself || return
	echo text >"$tmp/file"
	share -c rdma0 "$tmp/file" || return
	far wait "$id" 2>"$tmp/wait" &
	waiter=$!
	eventually imports_are 1 &&
		status 0 rsmctl controller remove --force rdma0 || return
	wait "$waiter"
	is status "$?" 1 &&
		has "$tmp/wait" 'ended the segment, or a controller' &&
		unshare && nothing_left
}

judge_all what_can_be_done_is_checked names_are_checked addresses_are_checked \
	numbers_are_checked what_is_missing_is_told wrong_lines_are_named \
	a_missing_file_is_told all_see_what_there_is \
	nothing_is_to_be_seen_without_the_module a_missing_module_is_told \
	the_module_is_loaded_and_configfs_mounted only_root_adds_and_removes \
	a_controller_is_as_it_was_asked_for letters_stand_for_options \
	an_address_that_nobody_has_is_a_failure keys_come_from_files \
	keys_that_are_none_are_refused nodes_are_added_and_removed \
	of_several_controllers_one_has_to_be_named \
	a_controller_with_nodes_is_removed_by_force \
	who_is_interrupted_leaves_nothing a_file_is_loaded_again_and_again \
	what_differs_from_the_file_is_left_and_told \
	a_bad_line_keeps_no_other_from_being_done \
	one_that_is_not_enabled_is_told doctor_tells_who_waits \
	a_controller_listens a_port_is_for_one_controller \
	addresses_that_there_are_are_told \
	places_are_checked a_node_is_chosen_if_there_is_one \
	files_and_pipes_come_from_a_node each_controller_has_its_own \
	rights_are_those_of_numbers followers_see_a_rebind_from_afar \
	importers_write_and_signal_from_afar once_is_until_a_node_has_it \
	tickets_are_for_what_is_exported_afar_too who_does_not_answer_is_told \
	a_connection_that_is_cut_is_told
unload
exit "$failed"
