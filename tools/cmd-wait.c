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
	{ "controller", required_argument, NULL, 'c' },
	{ "node", required_argument, NULL, 'N' },
	{ "count", required_argument, NULL, 'n' },
	{ "timeout", required_argument, NULL, 't' },
	{ "help", no_argument, NULL, 'h' },
	{},
};

static void print_usage(void)
{
	puts("usage: rsmctl wait [OPTION]... ID\n\n"
	     "Waits for a signal from the exporter of a segment.\n\n"
	     "  -c, --controller NAME  of another machine, by this controller\n"
	     "  -N, --node NODE        that machine (default: the only one it knows)\n"
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
	if (error && error != RSMERR_TIMEOUT)
		share_import_failed(&imp, "wait for a signal", error);
	share_disconnect(&imp);
	if (error == RSMERR_TIMEOUT)
		return EXIT_TIMEOUT;
	return error ? EXIT_FAILED : 0;
}

static bool take_argument(struct request *request, int opt)
{
	if (opt == 'n')
		return share_parse_count(optarg, &request->count);
	return share_parse_seconds(optarg, &request->timeout);
}

/* Returns 0, or the exit status. */
static int take_option(struct request *request, int opt)
{
	if (opt == '?')
		return cmd_usage_told(WORD);
	if (opt == 'c' || opt == 'N')
		return share_take_place(WORD, &request->target, opt);
	if (!take_argument(request, opt))
		return cmd_usage(WORD, "-%c takes no \"%s\"", opt, optarg);
	return 0;
}

static int wait_main(int argc, char **argv)
{
	struct request request = { .target.ticket = -1,
				   .count = 1,
				   .timeout = -1 };
	int opt, status;

	while ((opt = getopt_long(argc, argv, "c:N:n:t:h", long_options,
				  NULL)) != -1) {
		if (opt == 'h') {
			print_usage();
			return 0;
		}
		status = take_option(&request, opt);
		if (status)
			return status;
	}
	status = share_take_id(WORD, &request.target, argc - optind,
			       argv + optind);
	if (status)
		return status;
	return share_find_target(WORD, &request.target) ? run(&request) :
							  EXIT_FAILED;
}

const struct cmd cmd_wait = {
	.name = WORD,
	.help = "wait for a signal from the exporter of a segment",
	.run = wait_main,
};
