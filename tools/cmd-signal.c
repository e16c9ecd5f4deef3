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
	{ "count", required_argument, NULL, 'n' },
	{ "help", no_argument, NULL, 'h' },
	{},
};

static void print_usage(void)
{
	puts("usage: rsmctl signal [OPTION]... ID\n\n"
	     "Posts a signal to the exporter of a segment.\n\n"
	     "  -n, --count N   that many (default 1)\n"
	     "  -h, --help      this text");
}

static int run(const struct share_target *target, unsigned long count)
{
	struct share_import imp;
	int error = RSM_SUCCESS;

	if (!share_connect(&imp, WORD, target, RSM_PERM_NONE))
		return EXIT_FAILED;
	while (count-- && !error)
		error = rsm_intr_signal_post(imp.handle, 0);
	share_disconnect(&imp);
	if (!error)
		return 0;
	share_failed(WORD, "post a signal", error);
	return EXIT_FAILED;
}

static int signal_main(int argc, char **argv)
{
	struct share_target target;
	unsigned long count = 1;
	int opt;

	while ((opt = getopt_long(argc, argv, "n:h", long_options, NULL)) !=
	       -1) {
		if (opt == 'h') {
			print_usage();
			return 0;
		}
		if (opt == '?')
			return cmd_usage_told(WORD);
		if (!share_parse_count(optarg, &count))
			return cmd_usage(WORD, "\"%s\" is no number of signals",
					   optarg);
	}
	if (argc - optind != 1)
		return cmd_usage(WORD, optind < argc ? "one ID is wanted" :
							 "no ID");
	if (!share_parse_target(argv[optind], &target))
		return cmd_usage(WORD, "\"%s\" is no segment id",
				   argv[optind]);
	return run(&target, count);
}

const struct cmd cmd_signal = {
	.name = WORD,
	.help = "post a signal to the exporter of a segment",
	.run = signal_main,
};
