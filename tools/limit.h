/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel limits, and how much of it is used.
 */
#ifndef LIMIT_H
#define LIMIT_H

#include <stdbool.h>
#include <stdint.h>

/**
 * enum limit_kind - each of the limits
 * @LIMIT_HANDLES: exports, imports and tickets of the machine
 * @LIMIT_UNPRIVILEGED: up to how many those without CAP_SYS_RESOURCE may add
 * @LIMIT_USER: those of the caller's user
 * @LIMIT_EXPORTED: memory that is exported, of the machine
 * @LIMIT_LOCKED: RLIMIT_MEMLOCK, the soft one: memory that is exported, of the
 *	caller's user
 * @LIMIT_LOCKED_HARD: up to what the caller may raise that
 * @LIMIT_COUNT: their number
 */
enum limit_kind {
	LIMIT_HANDLES,
	LIMIT_UNPRIVILEGED,
	LIMIT_USER,
	LIMIT_EXPORTED,
	LIMIT_LOCKED,
	LIMIT_LOCKED_HARD,
	LIMIT_COUNT,
};

/* Not limited */
#define LIMIT_NONE UINT64_MAX

/**
 * struct limit - a limit and its use
 * @max: LIMIT_NONE, a number of handles, or bytes
 * @used: of that
 * @at_least: there may be more that cannot be seen
 * @exempt: the caller has a capability that lifts it
 */
struct limit {
	uint64_t max;
	uint64_t used;
	bool at_least;
	bool exempt;
};

/**
 * struct limits - all of them
 * @limit: by enum limit_kind
 * @max_segments: the module's parameter of that name
 * @max_user_segments: likewise
 * @max_exported_memory: likewise, in percent
 */
struct limits {
	struct limit limit[LIMIT_COUNT];
	uint64_t max_segments;
	uint64_t max_user_segments;
	uint64_t max_exported_memory;
};

/* False: the module, if loaded, does not tell. */
bool limits_get(struct limits *limits);

/* Used in percent of what there is; 0 if there is no limit */
unsigned int limit_percent(const struct limit *limit);

#endif /* LIMIT_H */
