// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl bench: what was measured, for people.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <sys/utsname.h>

#include "bench.h"

/* A clock tells apart no less than this factor on a machine that is in use. */
#define FINE 1.25

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct bench_stats stats_of(const double *samples, unsigned int reps)
{
	double sorted[BENCH_MAX_REPS];

	memcpy(sorted, samples, reps * sizeof(*sorted));
	qsort(sorted, reps, sizeof(*sorted), compare);
	return (struct bench_stats){
		.low = sorted[reps / 4],
		.median = reps % 2 ? sorted[reps / 2] :
			(sorted[reps / 2 - 1] + sorted[reps / 2]) / 2,
		.high = sorted[reps - 1 - reps / 4],
	};
}

double bench_median(const struct bench_result *result, unsigned int side)
{
	return stats_of(result->samples[side], result->reps).median;
}

/* Of the samples of each repetition, as they met the same conditions */
static struct bench_stats ratios_of(const struct bench_result *result,
				    unsigned int side)
{
	double ratios[BENCH_MAX_REPS] = {};
	unsigned int i;

	for (i = 0; i < result->reps; i++)
		ratios[i] = result->samples[0][i] / result->samples[side][i];
	return stats_of(ratios, result->reps);
}

static int running_kernel(void)
{
	struct utsname name;
	int major, minor;

	uname(&name);
	if (sscanf(name.release, "%d.%d", &major, &minor) != 2)
		return 0;
	return BENCH_KERNEL(major, minor);
}

static bool has_goal(const struct bench_peer *peer, size_t size)
{
	return (peer->ratio || peer->more) && size >= peer->from &&
	       (!peer->to || size <= peer->to);
}

/* Whether what was measured is fit to judge the goal by */
static bool is_judged(const struct bench_options *options,
		      const struct bench_peer *peer)
{
	bool fine = peer->more ||
		    (peer->ratio < FINE && peer->ratio > 1 / FINE);

	return running_kernel() >= peer->since &&
	       (options->instructions || !fine);
}

/* As precise as the table shows it */
static bool is_met(const struct bench_peer *peer, const struct bench_row *row)
{
	if (peer->more)
		return row->ours.median - row->theirs.median < peer->more + 0.5;
	return row->ratio.median < peer->ratio + 0.005;
}

/* Returns false if the peer was not possible. */
bool bench_row(const struct bench_options *options,
	       const struct bench_result *result, unsigned int side,
	       struct bench_row *row)
{
	const struct bench_peer *peer = &result->def->peers[side - 1];

	if (!result->reps || isnan(result->samples[side][0]))
		return false;
	row->ours = stats_of(result->samples[0], result->reps);
	row->theirs = stats_of(result->samples[side], result->reps);
	row->ratio = ratios_of(result, side);
	row->verdict = BENCH_NO_GOAL;
	if (!has_goal(peer, result->param.size))
		return true;
	if (!is_judged(options, peer))
		row->verdict = BENCH_NOT_JUDGED;
	else
		row->verdict = is_met(peer, row) ? BENCH_MET : BENCH_MISSED;
	return true;
}

void bench_param_text(const struct bench_param *param, char *text, size_t len)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB" };
	unsigned int unit = 0, many = 0;
	size_t size = param->size;
	const char *of = NULL;

	for (; unit < 3 && size >= KIB && !(size % KIB); unit++)
		size /= KIB;
	if (param->importers) {
		many = param->importers;
		of = "importer";
	} else if (param->threads) {
		many = param->threads;
		of = "thread";
	} else if (param->segments) {
		many = param->segments;
		of = "segment";
	}
	if (of)
		snprintf(text, len, "%zu %s, %u %s%s", size, units[unit], many,
			 of, many == 1 ? "" : "s");
	else
		snprintf(text, len, "%zu %s", size, units[unit]);
}

/* Three digits and a unit, or thousands of instructions */
static void value_text(const struct bench_options *options, double value,
		       char *text, size_t len)
{
	static const char *const times[] = { "ns", "us", "ms", "s" };
	static const char *const counts[] = { "", "k", "M", "G" };
	unsigned int unit = 0;
	double size = fabs(value);

	for (; unit < 3 && size >= 999.5; unit++)
		size /= 1000;
	if (options->instructions && unit == 0)
		snprintf(text, len, "%.1f ", value);
	else
		snprintf(text, len, "%s%.*f %s", value < 0 ? "-" : "",
			 size < 9.995 ? 2 : size < 99.95 ? 1 : 0, size,
			 (options->instructions ? counts : times)[unit]);
}

/* Half the distance of the quartiles, in percent of the median */
static double spread(const struct bench_stats *stats)
{
	return 50 * (stats->high - stats->low) / fabs(stats->median);
}

static void print_value(const struct bench_options *options,
			const struct bench_stats *stats)
{
	char text[32];

	value_text(options, stats->median, text, sizeof(text));
	printf(" %9s %3.0f%%", text, fmin(spread(stats), 999));
}

static void print_goal(const struct bench_peer *peer,
		       enum bench_verdict verdict)
{
	static const char *const verdicts[] = {
		[BENCH_NOT_JUDGED] = "not judged",
		[BENCH_MET] = "met",
		[BENCH_MISSED] = "missed",
	};

	if (verdict == BENCH_NO_GOAL)
		return;
	if (peer->more)
		printf("  +%.0f instr. %s", peer->more, verdicts[verdict]);
	else
		printf("  %.2f %s", peer->ratio, verdicts[verdict]);
	if (peer->since && verdict == BENCH_NOT_JUDGED)
		printf(" (since %d.%d)", peer->since / 1000,
		       peer->since % 1000);
}

static void print_row(const struct bench_options *options,
		      const struct bench_result *result, unsigned int side)
{
	const struct bench_peer *peer = &result->def->peers[side - 1];
	struct bench_row row;
	char param[64] = "";

	if (side == 1)
		bench_param_text(&result->param, param, sizeof(param));
	printf("  %-20s", param);
	if (!bench_row(options, result, side, &row)) {
		printf(" %14s  %-20s not possible here\n", "", peer->name);
		return;
	}
	print_value(options, &row.ours);
	printf("  %-20s", peer->name);
	print_value(options, &row.theirs);
	printf(" %7.*f", row.ratio.median < 0.1 ? 3 : 2, row.ratio.median);
	print_goal(peer, row.verdict);
	putchar('\n');
}

void bench_report_head(const struct bench_options *options)
{
	struct utsname name;
	cpu_set_t cpus;

	uname(&name);
	sched_getaffinity(0, sizeof(cpus), &cpus);
	printf("Linux %s, rsmctl %s, %d CPU%s, %u repetition%s, in %s\n",
	       name.release, RSMCTL_VERSION, CPU_COUNT(&cpus),
	       CPU_COUNT(&cpus) == 1 ? "" : "s", options->reps,
	       options->reps == 1 ? "" : "s",
	       options->instructions ? "instructions (k: thousands)" : "time");
	puts("\n"
	     "ours, theirs  what one operation takes: the median of the repetitions\n"
	     "+/-           half the distance of the quartiles, in percent of the median\n"
	     "ratio         ours / theirs in the same repetition, median; below 1 ours is less\n"
	     "goal          what the ratio is to be at most. A clock is too inexact for one that\n"
	     "              is near 1: only instructions judge that (see selftests/vm/bench).");
}

/* A part of the table: a benchmark with one parameter, the first or another */
void bench_report_part(const struct bench_options *options,
		       const struct bench_result *result, bool first)
{
	const struct bench_def *def = result->def;
	unsigned int side;

	if (first)
		printf("\n%s: %s\n  %-20s %9s %4s  %-20s %9s %4s %7s  %s\n",
		       def->name, def->what, "", "ours", "+/-", "instead of",
		       "theirs", "+/-", "ratio", "goal");
	for (side = 1; side <= bench_nr_peers(def); side++)
		print_row(options, result, side);
	fflush(stdout);
}
