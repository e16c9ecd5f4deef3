// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl wait: sleeps until the exporter of a segment posts a signal.
 */
#include <getopt.h>
#include <stdio.h>

#include "cmd.h"
#include "output.h"
#include "progress.h"
#include "share.h"

#define WORD "wait"

/* As timeout(1) says it */
#define EXIT_TIMEOUT 124

/**
 * struct request - what was asked for
 * @target: the segment
 * @count: how many signals
 * @timeout: for all of them together, in milliseconds; -1: none
 */
struct request {
	struct share_target target;
	unsigned long count;
	int timeout;
};

static const struct option long_options[] = {
	{ "count", required_argument, NULL, 'n' },
	{ "timeout", required_argument, NULL, 't' },
	{ "help", no_argument, NULL, 'h' },
	{},
};

static void print_usage(void)
{
	puts("usage: rsmctl wait [OPTION]... ID\n\n"
	     "Waits for a signal from the exporter of a segment.\n\n"
	     "  -n, --count N          for so many (default 1)\n"
	     "  -t, --timeout SECONDS  no longer than that; then the status is 124\n"
	     "  -h, --help             this text");
}

static int time_left(int timeout, uint64_t began)
{
	uint64_t passed = progress_clock_ms() - began;

	if (timeout < 0)
		return -1;
	return passed < (uint64_t)timeout ? timeout - passed : 0;
}

static int wait_for(const struct share_import *imp,
		    const struct request *request)
{
	uint64_t began = progress_clock_ms();
	unsigned long count = request->count;
	int error = RSM_SUCCESS;

	while (count-- && !error)
		error = rsm_intr_signal_wait(imp->handle,
					     time_left(request->timeout,
						       began));
	return error;
}

static int run(const struct request *request)
{
	struct share_import imp;
	int error;

	if (!share_connect(&imp, WORD, &request->target, RSM_PERM_NONE))
		return EXIT_FAILED;
	error = wait_for(&imp, request);
	share_disconnect(&imp);
	switch (error) {
	case RSM_SUCCESS:
		return 0;
	case RSMERR_TIMEOUT:
		return EXIT_TIMEOUT;
	default:
		share_failed(WORD, "wait for a signal", error);
		return EXIT_FAILED;
	}
}

static bool take_option(struct request *request, int opt)
{
	if (opt == 'n')
		return share_parse_count(optarg, &request->count);
	return share_parse_seconds(optarg, &request->timeout);
}

static int wait_main(int argc, char **argv)
{
	struct request request = { .count = 1, .timeout = -1 };
	int opt;

	while ((opt = getopt_long(argc, argv, "n:t:h", long_options, NULL)) !=
	       -1) {
		if (opt == 'h') {
			print_usage();
			return 0;
		}
		if (opt == '?')
			return cmd_usage_told(WORD);
		if (!take_option(&request, opt))
			return cmd_usage(WORD, "-%c takes no \"%s\"", opt,
					   optarg);
	}
	if (argc - optind != 1)
		return cmd_usage(WORD, optind < argc ? "one ID is wanted" :
							 "no ID");
	if (!share_parse_target(argv[optind], &request.target))
		return cmd_usage(WORD, "\"%s\" is no segment id",
				   argv[optind]);
	return run(&request);
}

const struct cmd cmd_wait = {
	.name = WORD,
	.help = "wait for a signal from the exporter of a segment",
	.run = wait_main,
};
