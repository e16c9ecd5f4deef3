// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "output.h"
#include "progress.h"

/* In milliseconds: what is not worth a line, and how often it changes */
#define MOMENT 500
#define PERIOD 200

uint64_t progress_clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * UINT64_C(1000) + ts.tv_nsec / 1000000;
}

void progress_begin(struct progress *progress, const char *word, uint64_t total)
{
	*progress = (struct progress){
		.word = word,
		.total = total,
		.next_ms = progress_clock_ms() + MOMENT,
		.terminal = isatty(STDERR_FILENO),
	};
}

static void show(const struct progress *progress)
{
	char done[OUT_SIZE_MAX], total[OUT_SIZE_MAX];

	fprintf(stderr, "\rrsmctl %s: %s", progress->word,
		out_size(done, progress->done));
	if (progress->total)
		fprintf(stderr, " of %s, %u%%",
			out_size(total, progress->total),
			(unsigned int)(100.0 * progress->done /
				       progress->total));
	/* what is left of a longer line */
	fputs("    ", stderr);
}

void progress_add(struct progress *progress, uint64_t bytes)
{
	uint64_t now;

	progress->done += bytes;
	if (!progress->terminal)
		return;
	now = progress_clock_ms();
	if (now < progress->next_ms)
		return;
	progress->next_ms = now + PERIOD;
	progress->shown = true;
	show(progress);
}

void progress_end(struct progress *progress)
{
	if (progress->shown)
		fprintf(stderr, "\r%70s\r", "");
	progress->shown = false;
}
