/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A line on a terminal that tells how far something has come, for what takes
 * more than a moment. Elsewhere nothing is shown.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct progress - what is shown of it
 * @word: the subcommand that works
 * @total: bytes that there will be, 0 if nobody knows
 * @done: bytes that there are
 * @next_ms: when to show it again, on the monotonic clock
 * @terminal: there is somebody to see it
 * @shown: there is a line to be removed
 */
struct progress {
	const char *word;
	uint64_t total;
	uint64_t done;
	uint64_t next_ms;
	bool terminal;
	bool shown;
};

void progress_begin(struct progress *progress, const char *word,
		    uint64_t total);
void progress_add(struct progress *progress, uint64_t bytes);
void progress_end(struct progress *progress);

/* Milliseconds of the monotonic clock */
uint64_t progress_clock_ms(void);

#endif /* PROGRESS_H */
