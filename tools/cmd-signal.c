// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl signal: wakes the exporter of a segment.
 */
#include <getopt.h>
#include <stdio.h>

#include "cmd.h"
#include "output.h"
#include "share.h"

#define WORD "signal"

static const struct option long_options[] = {
	{ "controller", required_argument, NULL, 'c' },
	{ "node", required_argument, NULL, 'N' },
	{ "count", required_argument, NULL, 'n' },
	{ "help", no_argument, NULL, 'h' },
	{},
};

static void print_usage(void)
{
	puts("usage: rsmctl signal [OPTION]... ID\n\n"
	     "Posts a signal to the exporter of a segment.\n\n"
	     "  -c, --controller NAME  of another machine, by this controller\n"
	     "  -N, --node NODE        that machine (default: the only one it knows)\n"
	     "  -n, --count N          that many (default 1)\n"
	     "  -h, --help             this text");
}

static int run(const struct share_target *target, unsigned long count)
{
	struct share_import imp;
	int error = RSM_SUCCESS;

	if (!share_connect(&imp, WORD, target, RSM_PERM_NONE))
		return EXIT_FAILED;
	while (count-- && !error)
		error = rsm_intr_signal_post(imp.handle, 0);
	if (error)
		share_import_failed(&imp, "post a signal", error);
	share_disconnect(&imp);
	return error ? EXIT_FAILED : 0;
}

/* Returns 0, or the exit status. */
static int take_option(struct share_target *target, unsigned long *count,
		       int opt)
{
	if (opt == '?')
		return cmd_usage_told(WORD);
	if (opt == 'c' || opt == 'N')
		return share_take_place(WORD, target, opt);
	if (!share_parse_count(optarg, count))
		return cmd_usage(WORD, "\"%s\" is no number of signals",
				 optarg);
	return 0;
}

static int signal_main(int argc, char **argv)
{
	struct share_target target = { .ticket = -1 };
	unsigned long count = 1;
	int opt, status;

	while ((opt = getopt_long(argc, argv, "c:N:n:h", long_options,
				  NULL)) != -1) {
		if (opt == 'h') {
			print_usage();
			return 0;
		}
		status = take_option(&target, &count, opt);
		if (status)
			return status;
	}
	status = share_take_id(WORD, &target, argc - optind, argv + optind);
	if (status)
		return status;
	return share_find_target(WORD, &target) ? run(&target, count) :
						  EXIT_FAILED;
}

const struct cmd cmd_signal = {
	.name = WORD,
	.help = "post a signal to the exporter of a segment",
	.run = signal_main,
};
