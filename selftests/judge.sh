#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC2034 # failed is for them
#
# For the tests that are scripts: a directory for their files, which goes with
# them, and how they tell what passed. They end with "exit $failed".

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
n=0
failed=0

# judge NAME COMMAND...: runs a test and tells how it ended.
judge()
{
	name=$1
	shift
	n=$((n + 1))
	if "$@" >"$tmp/said" 2>&1; then
		verdict=ok
	else
		verdict='not ok'
		failed=1
	fi
	sed 's/^/# /' "$tmp/said"
	echo "$verdict $n $name"
}
