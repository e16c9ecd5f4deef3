// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rules are those of kernel/limits.c. What a user has is counted there, and
 * not told: it is counted again by what can be seen.
 */
#include <limits.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <unistd.h>

#include "caller.h"
#include "limit.h"
#include "module.h"
#include "objects.h"

/* The part of max_segments that is kept, and that one user may have */
#define KEPT_PART 16
#define USER_PART 4

/**
 * struct owned - what the caller's user has
 * @handles: exports, imports and tickets that count for the user
 * @bytes: what the user's processes have exported
 * @seen: handles of all users that were seen
 * @hidden: there may be more processes of the user
 */
struct owned {
	uint64_t handles;
	uint64_t bytes;
	uint64_t seen;
	bool hidden;
};

/* Memory counts for its creator's user: others have inherited the export. */
static void add_object(struct owned *owned, const struct object *object)
{
	const struct handle *handle = &object->handle;

	if (object->user == getuid())
		owned->handles++;
	if (handle->kind == HANDLE_EXPORT && handle->uid == getuid() &&
	    object->creator == (uint64_t)handle->pid)
		owned->bytes += object->pages * 4096;
}

static void get_owned(struct owned *owned)
{
	struct objects objects;
	size_t i;

	*owned = (struct owned){ .hidden = true };
	if (!objects_read(&objects))
		return;
	for (i = 0; i < objects.count; i++)
		add_object(owned, &objects.list[i]);
	owned->seen = objects.count;
	owned->hidden = objects.hidden_own || !caller_in_first_namespace("pid");
	objects_free(&objects);
}

static void set_handles(struct limits *limits, const struct owned *owned)
{
	struct limit *limit = limits->limit;
	bool exempt = caller_is_capable(CAP_SYS_RESOURCE);
	uint64_t max = limits->max_segments, used = 0;

	module_read_number("stats/handles", &used);
	limit[LIMIT_HANDLES] = (struct limit){ .max = max, .used = used };
	limit[LIMIT_UNPRIVILEGED] = (struct limit){
		.max = max - max / KEPT_PART,
		.used = used,
		.exempt = exempt,
	};
	limit[LIMIT_USER] = (struct limit){
		.max = limits->max_user_segments ?: max / USER_PART,
		.used = owned->handles,
		/* Others have them by tickets, sockets keep them. */
		.at_least = owned->seen < used,
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
	double percent;

	if (limit->max == LIMIT_NONE)
		return 0;
	percent = limit->max ? 100.0 * limit->used / limit->max : 100;
	return percent < UINT_MAX ? percent : UINT_MAX;
}
