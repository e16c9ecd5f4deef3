// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl: the command for Remote Shared Memory. The table of subcommands is
 * all there is here.
 */
#include <stdio.h>
#include <string.h>

#include "cmd.h"

static const struct cmd *const cmds[] = {
	&cmd_bench,
	NULL
};

static void print_usage(FILE *to)
{
	const struct cmd *const *cmd;

	fprintf(to, "usage: rsmctl COMMAND [OPTION]...\n\n");
	for (cmd = cmds; *cmd; cmd++)
		fprintf(to, "  %-10s %s\n", (*cmd)->name, (*cmd)->help);
	fprintf(to, "\n\"rsmctl COMMAND --help\" tells more.\n");
}

int main(int argc, char **argv)
{
	const struct cmd *const *cmd;

	if (argc < 2) {
		print_usage(stderr);
		return 2;
	}
	if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help")) {
		print_usage(stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version")) {
		printf("rsmctl %s\n", RSMCTL_VERSION);
		return 0;
	}
	for (cmd = cmds; *cmd; cmd++)
		if (!strcmp(argv[1], (*cmd)->name))
			return (*cmd)->run(argc - 1, argv + 1);
	fprintf(stderr, "rsmctl: no command \"%s\"; try \"rsmctl help\"\n",
		argv[1]);
	return 2;
}
