/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Programs that are built in.
 */
#ifndef FUZZ_REPLAY_H
#define FUZZ_REPLAY_H

#include "run.h"

struct seed {
	const char *name;
	const char *text;
};

/* The last one has no name. */
extern const struct seed seeds[];

#endif /* FUZZ_REPLAY_H */
