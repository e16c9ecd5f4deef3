// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl bench: what an application gets, beside what it could use instead, in
 * the same run.
 */
#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "cmd.h"
#include "output.h"

#define DEFAULT_SIZE (64 * MIB)
#define QUICK_SIZE (2 * MIB)
#define DEFAULT_REPS 11
/* In MiB */
#define MOST_SIZE 1048576
#define MAX_RESULTS 256

static const struct bench_def *const local_tables[] = {
	export_benches,	 connect_benches, map_benches,	copy_benches,
	threads_benches, rebind_benches,  signal_benches, scale_benches,
	NULL
};

static const struct bench_def *const remote_tables[] = { remote_benches, NULL };

/* The benchmark with this number, or NULL at the end */
static const struct bench_def *find_bench(unsigned int number)
{
	const struct bench_def *const *table, *def;

	table = bench_target.node ? remote_tables : local_tables;
	for (; *table; table++)
		for (def = *table; def->name; def++)
			if (!number--)
				return def;
	return NULL;
}

/* What is to be done, and its results */
static struct bench_result results[MAX_RESULTS];
static unsigned int nr_results;

static void print_usage(void)
{
	printf("usage: rsmctl bench [OPTION]... [NAME]...\n\n"
		    "Measures operations of Remote Shared Memory and, in the same run, what else\n"
		    "an application could use. NAME is a name of --list, or a pattern: 'map*'.\n\n"
		    "  -l, --list            what can be measured\n"
		    "  -s, --size MIB        memory to share, and the most to copy (default %lu)\n"
		    "  -r, --repetitions N   samples of each operation, 1 to %d (default %d)\n"
		    "  -q, --quick           one short sample of each: see that all works\n"
		    "  -i, --instructions    the clock counts instructions, as that of a virtual\n"
		    "                        machine can (selftests/vm/bench)\n"
		    "  -j, --json[=FILE]     output for programs, instead of the table or in FILE\n"
		    "  -p, --plot FILE.svg   draw it, too (needs gnuplot); FILE.gp: the commands\n"
		    "                        for gnuplot\n"
		    "  -c, --controller NAME the controller, for these two:\n"
		    "  -N, --node NODE       measure segments of another machine, on which runs\n"
		    "                        rsmctl bench --serve --controller NAME\n"
		    "  -S, --serve           export memory for that, until it is interrupted\n"
		    "  -h, --help            this text\n",
		DEFAULT_SIZE / MIB, BENCH_MAX_REPS, DEFAULT_REPS);
}

static void print_list(void)
{
	const struct bench_def *def;
	unsigned int i;

	for (i = 0; (def = find_bench(i)); i++)
		printf("%-19s %s\n", def->name, def->what);
}

static bool number(const char *text, unsigned long max, unsigned long *out)
{
	char *end;

	errno = 0;
	*out = strtoul(text, &end, 10);
	return !errno && *text != '-' && end != text && !*end && *out &&
	       *out <= max;
}

static void add_result(const struct bench_options *options,
		       const struct bench_def *def,
		       const struct bench_param *param)
{
	struct bench_result *result = &results[nr_results];

	if (param->size > options->size || nr_results == MAX_RESULTS)
		return;
	result->def = def;
	result->param = *param;
	if (!param->size)
		result->param.size = options->size;
	result->reps = options->reps;
	nr_results++;
}

static void add_bench(const struct bench_options *options,
		      const struct bench_def *def)
{
	const struct bench_param *param = def->params;

	if (!param)
		add_result(options, def, &def->only);
	for (; param && (param->size || param->threads); param++)
		add_result(options, def, param);
}

/* Returns false if there is none of that name. */
static bool add_matching(const struct bench_options *options,
			 const char *pattern)
{
	const struct bench_def *def;
	bool found = false;
	unsigned int i;

	for (i = 0; (def = find_bench(i)); i++) {
		if (fnmatch(pattern, def->name, 0))
			continue;
		add_bench(options, def);
		found = true;
	}
	if (!found)
		fprintf(stderr, "rsmctl bench: no \"%s\"; try --list\n",
			pattern);
	return found;
}

static bool add_all(const struct bench_options *options, char **patterns)
{
	if (!*patterns)
		return add_matching(options, "*");
	for (; *patterns; patterns++)
		if (!add_matching(options, *patterns))
			return false;
	return true;
}

/* Prints the table as the results come in. */
static int measure(const struct bench_options *options, bool table)
{
	bool go_on = true;
	int status = 0;
	unsigned int i;

	/* Or each of them would say that there is none. */
	bench_controller();
	if (options->instructions)
		bench_check_clock();
	if (table)
		bench_report_head(options);
	for (i = 0; i < nr_results && go_on; i++) {
		go_on = bench_run(options, &results[i]);
		if (results[i].failed)
			status = 1;
		if (table)
			bench_report_part(options, &results[i],
					  !i || results[i - 1].def !=
							results[i].def);
	}
	nr_results = i;
	return status;
}

/**
 * struct request - what was asked for
 * @options: how to measure
 * @list: do not measure, but tell what can be
 * @help: nor that, but tell how to ask
 * @serve: be the other machine
 * @json: output for programs
 * @json_path: where to, or NULL: instead of the table
 * @plot_path: where to draw, or NULL
 */
struct request {
	struct bench_options options;
	bool list;
	bool help;
	bool serve;
	bool json;
	const char *json_path;
	const char *plot_path;
};

static const struct option long_options[] = {
	{ "list", no_argument, NULL, 'l' },
	{ "size", required_argument, NULL, 's' },
	{ "repetitions", required_argument, NULL, 'r' },
	{ "quick", no_argument, NULL, 'q' },
	{ "instructions", no_argument, NULL, 'i' },
	{ "json", optional_argument, NULL, 'j' },
	{ "plot", required_argument, NULL, 'p' },
	{ "controller", required_argument, NULL, 'c' },
	{ "node", required_argument, NULL, 'N' },
	{ "serve", no_argument, NULL, 'S' },
	{ "help", no_argument, NULL, 'h' },
	{},
};

/* Says so, and returns false, if the argument of the option is none. */
static bool take_number(struct bench_options *options, int opt)
{
	unsigned long max = opt == 's' ? MOST_SIZE : BENCH_MAX_REPS, value;

	if (!number(optarg, max, &value)) {
		out_error("bench", "\"%s\" is no number from 1 to %lu", optarg,
			  max);
		return false;
	}
	if (opt == 's')
		options->size = value * MIB;
	else
		options->reps = value;
	return true;
}

static bool take_target(int opt)
{
	unsigned long id;

	switch (opt) {
	case 'c':
		bench_target.controller = optarg;
		bench_target.is_set = true;
		return true;
	case 'N':
		if (!number(optarg, UINT32_MAX - 1, &id)) {
			out_error("bench", "\"%s\" is no node id", optarg);
			return false;
		}
		bench_target.node = id;
		return true;
	}
	return false;
}

static bool take_option(struct request *request, int opt)
{
	switch (opt) {
	case 's':
	case 'r':
		return take_number(&request->options, opt);
	case 'l':
		request->list = true;
		return true;
	case 'q':
		request->options.quick = true;
		return true;
	case 'i':
		request->options.instructions = true;
		return true;
	case 'j':
		request->json = true;
		request->json_path = optarg;
		return true;
	case 'p':
		request->plot_path = optarg;
		return true;
	case 'h':
		request->help = true;
		return true;
	case 'S':
		request->serve = true;
		return true;
	}
	return take_target(opt);
}

/* Whether the options go together */
static bool check(const struct request *request, bool named)
{
	if (request->serve &&
	    (bench_target.node || named || request->json ||
	     request->plot_path || request->options.quick ||
	     request->options.instructions || request->options.reps)) {
		out_error("bench", "--serve goes with --controller and --size only");
		return false;
	}
	if (bench_target.is_set == (bench_target.node || request->serve))
		return true;
	out_error("bench", bench_target.is_set ?
			   "--controller NAME needs --node NODE, or --serve" :
			   "--node and --serve need --controller NAME");
	return false;
}

static bool parse(struct request *request, int argc, char **argv)
{
	struct bench_options *options = &request->options;
	int opt;

	while ((opt = getopt_long(argc, argv, "ls:r:qijp:c:N:Sh", long_options,
				  NULL)) != -1)
		if (!take_option(request, opt))
			return false;
	if (!request->list && !request->help &&
	    !check(request, optind < argc))
		return false;
	if (!options->size)
		options->size = options->quick ? QUICK_SIZE : DEFAULT_SIZE;
	if (!options->reps)
		options->reps = options->quick ? 1 : DEFAULT_REPS;
	return true;
}

static bool write_json(const struct request *request)
{
	FILE *to = stdout;

	if (request->json_path) {
		to = fopen(request->json_path, "w");
		if (!to) {
			perror(request->json_path);
			return false;
		}
	}
	bench_json(to, &request->options, results, nr_results);
	return to == stdout || !fclose(to);
}

static int run(const struct request *request)
{
	const struct bench_options *options = &request->options;
	int status;

	if (request->plot_path && !bench_plot_possible(request->plot_path))
		return 1;
	status = measure(options, !request->json || request->json_path);
	if (request->json && !write_json(request))
		status = 1;
	if (request->plot_path && !bench_plot(options, request->plot_path,
					      results, nr_results))
		status = 1;
	return status;
}

static int bench_main(int argc, char **argv)
{
	struct request request = {};

	if (!parse(&request, argc, argv))
		return cmd_usage_told("bench");
	if (request.help) {
		print_usage();
		return 0;
	}
	if (request.list) {
		print_list();
		return 0;
	}
	if (request.serve)
		return bench_serve(request.options.size);
	if (!add_all(&request.options, argv + optind))
		return 2;
	return run(&request);
}

const struct cmd cmd_bench = {
	.name = "bench",
	.help = "measure what all this costs, beside what else there is",
	.run = bench_main,
};
