#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The commands of README's tour, line by line, and that each says what README
# says it does. "..." there stands for anything. And the commands of the man
# pages' examples: that they are understood.
# shellcheck disable=SC2317 # the tests are called by judge

# shellcheck source=judge.sh
. "$(dirname "$0")/judge.sh"

README=$(dirname "$0")/README
MAN=$(dirname "$0")/man

# The tour: "$ COMMAND", and after it what the command says
tour()
{
	sed -n '/^A tour$/,/^Install it/s/^    //p' "$README"
}

# said FILE PATTERNS: whether FILE has lines for the patterns, in this order
said()
{
	awk '
	NR == FNR { wanted[++n] = $0; next }
	{ got[++m] = $0 }
	# Whether the rest of both fits: "..." alone is any number of lines.
	function fits(i, j,    k) {
		if (i > n)
			return j > m
		if (wanted[i] == "...") {
			for (k = j; k <= m + 1; k++)
				if (fits(i + 1, k))
					return 1
			return 0
		}
		return j <= m && line_fits(wanted[i], got[j]) && fits(i + 1, j + 1)
	}
	function line_fits(pattern, text,    parts, count, k, at) {
		count = split(pattern, parts, /\.\.\./)
		if (substr(text, 1, length(parts[1])) != parts[1])
			return 0
		text = substr(text, length(parts[1]) + 1)
		for (k = 2; k <= count; k++) {
			at = index(text, parts[k])
			if (!at && parts[k] != "")
				return 0
			text = substr(text, at + length(parts[k]))
		}
		return count > 1 ? parts[count] == "" || text == "" : text == ""
	}
	END { exit !fits(1, 1) }' "$2" "$1"
}

run_and_compare()
{
	(cd "$tmp/home" && eval "$command") >"$tmp/out" 2>&1 </dev/null
	said "$tmp/out" "$tmp/wanted"
}

# What a command does to others takes a moment: it is seen by the next.
check_command()
{
	[ -n "$command" ] || return 0
	case $command in
	rsmctl\ export*|echo*|kill*) run_and_compare ;;
	*) eventually run_and_compare ;;
	esac && return
	echo "$command: README says"
	cat "$tmp/wanted"
	echo 'and it is'
	cat "$tmp/out"
	return 1
}

the_tour()
{
	mkdir "$tmp/home"
	command=
	commands=0
	tour >"$tmp/tour"
	while IFS= read -r line; do
		case $line in
		'$ '*)
			check_command || return
			command=${line#'$ '}
			commands=$((commands + 1))
			: >"$tmp/wanted" ;;
		*)
			echo "$line" >>"$tmp/wanted" ;;
		esac
	done <"$tmp/tour"
	check_command && nothing_left && [ "$commands" -ge 10 ] && return
	echo "$commands commands"
	return 1
}

# That a difference would be noticed
differences_are_seen()
{
	printf 'a b\nlast\n' >"$tmp/got"
	for wanted in 'a b\nlast' 'a...\n...' '...' '...\nlast' \
		'...b\n...st'; do
		printf "%b\n" "$wanted" >"$tmp/wanted"
		said "$tmp/got" "$tmp/wanted" && continue
		echo "not taken: $wanted"
		return 1
	done
	for wanted in 'a b' 'a c\nlast' 'a...\nlost' '...c\n...' ''; do
		printf "%b\n" "$wanted" >"$tmp/wanted"
		said "$tmp/got" "$tmp/wanted" || continue
		echo "taken: $wanted"
		return 1
	done
}

# The commands themselves, whatever is done with them there
man_examples()
{
	sed -n '/^\.Sh EXAMPLES/,/^\.Sh [^E]/p' "$MAN"/*.1 |
		grep -v '^\.Nm' | grep -o 'rsmctl [a-z][^|&;)]*' | grep -v '^rsmctl [a-z]*:' |
		sed 's/\\-/-/g; s/[$]id/0x400001/; s/ -- .*//'
}

# They may fail, as what they are about is not there; not for their arguments.
man_examples_are_understood()
{
	man_examples >"$tmp/examples"
	while IFS= read -r command; do
		(cd "$tmp/home" && eval "timeout 5 $command") >"$tmp/out" \
			2>&1 </dev/null
		status=$?
		# 124 and 143: it goes on until it is told to end
		case $status in 0|1|3|124|143) continue ;; esac
		echo "$command: status $status"
		cat "$tmp/out"
		return 1
	done <"$tmp/examples"
	# some stay in the background, some load and unload
	# shellcheck disable=SC2046 # words wanted
	kill $(pidof rsmctl) 2>/dev/null
	modprobe rsmctl && nothing_left &&
		[ "$(wc -l <"$tmp/examples")" -ge 12 ] && return
	echo "$(wc -l <"$tmp/examples") examples"
	return 1
}

judge_all differences_are_seen the_tour man_examples_are_understood
# As the next suite expects it
rmmod rsmctl
modprobe rsmctl
exit "$failed"
