#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs the examples of the library, each of which judges what it shows. They
# were built with nothing but the installed headers and library. RSM_EXAMPLES:
# where they are.

# shellcheck source=judge.sh
. "$(dirname "$0")/judge.sh"

dir=${RSM_EXAMPLES:-/rsm/examples}

# hello_apart: the exporter and the importer of hello, started separately.
# shellcheck disable=SC2317 # called by judge
hello_apart()
{
	mkfifo "$tmp/enter" "$tmp/says" || return
	"$dir/hello" export <"$tmp/enter" >"$tmp/says" &
	exporter=$!
	exec 3>"$tmp/enter" 4<"$tmp/says"
	# "... segment ID"
	read -r line <&4
	"$dir/hello" import "${line##* }"
	status=$?
	# the end of its input is an answer, too
	exec 3>&-
	wait "$exporter" && return "$status"
}

echo 'TAP version 13'
echo 1..5
for example in hello ring rebind counter; do
	judge "$example" "$dir/$example"
done
judge 'hello as two programs' hello_apart
exit $failed
