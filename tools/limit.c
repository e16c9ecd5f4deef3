// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rules are those of kernel/limits.c. What a user has is counted there, and
 * not told: it is counted again by what can be seen of the user's processes.
 */
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "caller.h"
#include "handles.h"
#include "limit.h"
#include "module.h"

/* The part of max_segments that is kept, and that one user may have */
#define KEPT_PART 16
#define USER_PART 4

/**
 * struct owned - what the caller's user has
 * @handles: exports, imports and tickets
 * @count: their number
 * @size: room there
 * @bytes: what is exported with them
 * @hidden: there may be more
 */
struct owned {
	struct handle *handles;
	size_t count;
	size_t size;
	uint64_t bytes;
	bool hidden;
};

static bool add_handle(struct owned *owned, const struct handle *handle)
{
	struct handle *more;

	if (owned->count == owned->size) {
		owned->size = 2 * owned->size + 64;
		more = realloc(owned->handles,
			       owned->size * sizeof(*more));
		if (!more)
			return false;
		owned->handles = more;
	}
	owned->handles[owned->count++] = *handle;
	return true;
}

static int compare(const void *a, const void *b)
{
	return handle_compare(a, b);
}

/* The same file may be in several processes, or twice in one. */
static void remove_doubles(struct owned *owned)
{
	size_t i, count = 0;

	if (!owned->count)
		return;
	qsort(owned->handles, owned->count, sizeof(*owned->handles), compare);
	for (i = 1; i < owned->count; i++)
		if (handle_compare(&owned->handles[count], &owned->handles[i]))
			owned->handles[++count] = owned->handles[i];
	owned->count = count + 1;
}

/* Only the creator's own descriptor counts: others have inherited theirs. */
static void add_bytes(struct owned *owned, struct handles *it,
		      const struct handle *handle)
{
	uint64_t pages, creator;

	if (handle->kind == HANDLE_EXPORT &&
	    handle_info_number(it, "rsm-creator", &creator) &&
	    creator == (uint64_t)handle->pid &&
	    handle_info_number(it, "rsm-pages", &pages))
		owned->bytes += pages * 4096;
}

static void get_owned(struct owned *owned)
{
	struct handles *it = handles_open(HANDLE_FILES & ~HANDLE_CONTROL, 0);
	const struct handle *handle;

	*owned = (struct owned){ .hidden = true };
	if (!it)
		return;
	while ((handle = handles_next(it))) {
		if (handle->uid != getuid())
			continue;
		add_bytes(owned, it, handle);
		if (!add_handle(owned, handle))
			break;
	}
	owned->hidden = handle || handles_hidden(it, true) ||
			!caller_in_first_namespace("pid");
	handles_close(it);
	remove_doubles(owned);
	free(owned->handles);
}

static uint64_t count_handles(void)
{
	static const char * const stats[] = {
		"stats/segments", "stats/imports", "stats/tickets"
	};
	uint64_t sum = 0, value;
	size_t i;

	for (i = 0; i < sizeof(stats) / sizeof(*stats); i++)
		if (module_read_number(stats[i], &value))
			sum += value;
	return sum;
}

static void set_handles(struct limits *limits, const struct owned *owned)
{
	struct limit *limit = limits->limit;
	bool exempt = caller_is_capable(CAP_SYS_RESOURCE);
	uint64_t max = limits->max_segments;
	uint64_t used = count_handles();

	limit[LIMIT_HANDLES] = (struct limit){ .max = max, .used = used };
	limit[LIMIT_UNPRIVILEGED] = (struct limit){
		.max = max - max / KEPT_PART,
		.used = used,
		.exempt = exempt,
	};
	limit[LIMIT_USER] = (struct limit){
		.max = limits->max_user_segments ?: max / USER_PART,
		.used = owned->count,
		.at_least = owned->hidden && owned->count < used,
		.exempt = exempt,
	};
}

static uint64_t from_rlim(rlim_t value)
{
	return value == RLIM_INFINITY ? LIMIT_NONE : value;
}

static void set_memory(struct limits *limits, const struct owned *owned)
{
	uint64_t percent = limits->max_exported_memory, pages = 0;
	uint64_t page = sysconf(_SC_PAGESIZE);
	uint64_t total = caller_total_memory() / page;
	struct limit *limit = limits->limit;
	struct rlimit memlock = { };

	module_read_number("stats/pinned_pages", &pages);
	limit[LIMIT_EXPORTED] = (struct limit){
		.max = percent ? total * percent / 100 * page : LIMIT_NONE,
		.used = pages * page,
	};
	getrlimit(RLIMIT_MEMLOCK, &memlock);
	limit[LIMIT_LOCKED] = (struct limit){
		.max = from_rlim(memlock.rlim_cur),
		.used = owned->bytes,
		.at_least = owned->hidden && owned->bytes < pages * page,
		.exempt = caller_is_capable(CAP_IPC_LOCK),
	};
	limit[LIMIT_LOCKED_HARD] = limit[LIMIT_LOCKED];
	limit[LIMIT_LOCKED_HARD].max = from_rlim(memlock.rlim_max);
}

bool limits_get(struct limits *limits)
{
	struct owned owned;

	*limits = (struct limits){ };
	if (!module_read_number("parameters/max_segments",
				&limits->max_segments) ||
	    !module_read_number("parameters/max_user_segments",
				&limits->max_user_segments) ||
	    !module_read_number("parameters/max_exported_memory",
				&limits->max_exported_memory))
		return false;
	get_owned(&owned);
	set_handles(limits, &owned);
	set_memory(limits, &owned);
	return true;
}

unsigned int limit_percent(const struct limit *limit)
{
	if (limit->max == LIMIT_NONE)
		return 0;
	return limit->max ? 100.0 * limit->used / limit->max : 100;
}
