// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl bench: what was measured, for programs.
 */
#include <sys/utsname.h>

#include "bench.h"

static void json_stats(FILE *to, const char *name,
		       const struct bench_stats *stats)
{
	fprintf(to, "\"%s\": {\"median\": %.6g, \"q1\": %.6g, \"q3\": %.6g}, ",
		name, stats->median, stats->low, stats->high);
}

/* In the order in which they were taken */
static void json_samples(FILE *to, const char *name,
			 const struct bench_result *result, unsigned int side)
{
	unsigned int i;

	fprintf(to, "\"%s\": [", name);
	for (i = 0; i < result->reps; i++)
		fprintf(to, "%s%.6g", i ? ", " : "", result->samples[side][i]);
	fprintf(to, "], ");
}

static void json_goal(FILE *to, const struct bench_peer *peer,
		      enum bench_verdict verdict)
{
	static const char *const verdicts[] = {
		[BENCH_NOT_JUDGED] = "null",
		[BENCH_MET] = "true",
		[BENCH_MISSED] = "false",
	};

	if (verdict == BENCH_NO_GOAL)
		fprintf(to, "\"goal\": null}");
	else if (peer->more)
		fprintf(to, "\"goal\": {\"difference\": %g, \"met\": %s}}",
			peer->more, verdicts[verdict]);
	else
		fprintf(to, "\"goal\": {\"ratio\": %g, \"met\": %s}}",
			peer->ratio, verdicts[verdict]);
}

/* Returns false if there is nothing to tell. */
static bool json_row(FILE *to, const struct bench_options *options,
		     const struct bench_result *result, unsigned int side,
		     bool first)
{
	const struct bench_peer *peer = &result->def->peers[side - 1];
	const struct bench_param *param = &result->param;
	struct bench_row row;

	if (!bench_row(options, result, side, &row))
		return false;
	fprintf(to, "%s\n  {\"name\": \"%s\", \"size\": %zu, \"importers\": %u, ",
		first ? "" : ",", result->def->name, param->size,
		param->importers);
	fprintf(to, "\"threads\": %u, \"segments\": %u, \"peer\": \"%s\", ",
		param->threads, param->segments, peer->name);
	json_stats(to, "ours", &row.ours);
	json_stats(to, "theirs", &row.theirs);
	json_stats(to, "ratio", &row.ratio);
	json_samples(to, "ours_samples", result, 0);
	json_samples(to, "theirs_samples", result, side);
	json_goal(to, peer, row.verdict);
	return true;
}

void bench_json(FILE *to, const struct bench_options *options,
		const struct bench_result *results, unsigned int count)
{
	unsigned int i, side;
	bool first = true;
	struct utsname name;

	uname(&name);
	fprintf(to, "{\"kernel\": \"%s\", \"version\": \"%s\", ", name.release,
		RSMCTL_VERSION);
	fprintf(to, "\"unit\": \"%s\", \"repetitions\": %u, \"rows\": [",
		options->instructions ? "instructions" : "nanoseconds",
		options->reps);
	for (i = 0; i < count; i++)
		for (side = 1; side <= bench_nr_peers(results[i].def); side++)
			if (json_row(to, options, &results[i], side, first))
				first = false;
	fprintf(to, "\n]}\n");
}
