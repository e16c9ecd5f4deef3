/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rsmctl watch: what is looked at, in a file of its own for each way to show it.
 */
#ifndef WATCH_H
#define WATCH_H

#include <stdbool.h>
#include <stdio.h>

#include "columns.h"

#define WATCH_WORD "watch"

/**
 * struct watch - what is watched, and how
 * @delay: seconds between two looks
 * @count: looks until the end, 0: for ever
 * @sort: column to sort by
 * @reverse: the other way round
 * @plain: without a screen
 * @objects: as they were last seen
 * @time: when that was, in seconds; 0: not yet
 */
struct watch {
	double delay;
	unsigned long count;
	const struct column *sort;
	bool reverse;
	bool plain;
	struct objects objects;
	double time;
};

/* cmd-watch.c */

/*
 * Look again. False: it failed, with errno set, and all is as it was:
 * see objects_failed().
 */
bool watch_look(struct watch *watch);

/* What was seen, as text */
void watch_print(FILE *to, const struct watch *watch);

/* watch-screen.c */
bool watch_has_screen(void);
int watch_screen(struct watch *watch);

#endif /* WATCH_H */
