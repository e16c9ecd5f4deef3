// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Locks.
 *
 * To the kernel a process is one owner. So that its threads keep each other
 * out as well, each handle has a list of the locks that threads of the process
 * have, or ask the kernel for; who wants one that another thread has waits for
 * it to leave the list, and does not bother the kernel before.
 *
 * A child after fork() begins with empty lists: the kernel knows it as another
 * owner.
 */
#include <errno.h>
#include <stdlib.h>

#include "internal.h"

/**
 * struct rsm_held_lock - a lock that a thread has or is taking
 * @next: next of the handle
 * @offset: which lock
 * @owner: number of the thread
 */
struct rsm_held_lock {
	struct rsm_held_lock *next;
	off_t offset;
	uint64_t owner;
};

/*
 * How often a thread that waits for another one looks if the import has been
 * aborted, in nanoseconds: the kernel does not know that it waits.
 */
#define LOOK_NS (100 * NS_PER_MS)

/* Beside RSMERR_: another thread has the lock, or is taking it */
#define BUSY (-1)

/* The number of this thread; a pthread_t is used again when one has ended. */
static uint64_t self(void)
{
	static _Thread_local uint64_t number;
	static uint64_t last;

	if (!number)
		number = __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
	return number;
}

/* All lists are protected by rsm_locks_lock. */

/* Returns the link to the lock, which is to NULL if nobody has it. */
static struct rsm_held_lock **find(struct rsm_segment *seg, off_t offset)
{
	struct rsm_held_lock **link = &seg->locks;

	while (*link && (*link)->offset != offset)
		link = &(*link)->next;
	return link;
}

static bool is_mine(const struct rsm_held_lock *lock)
{
	return lock->owner == self();
}

/* Those who wait in claim() look again. */
void rsm_locks_wake(struct rsm_segment *seg)
{
	__atomic_add_fetch(&seg->unlocks, 1, __ATOMIC_SEQ_CST);
	rsm_futex_wake(&seg->unlocks);
}

/* When the kernel has let go of all locks of a handle; under rsm_locks_lock. */
void rsm_locks_free(struct rsm_segment *seg)
{
	struct rsm_held_lock *lock;

	while ((lock = seg->locks)) {
		seg->locks = lock->next;
		free(lock);
	}
}

static int add(struct rsm_segment *seg, off_t offset)
{
	int saved_errno = errno;
	struct rsm_held_lock *lock = malloc(sizeof(*lock));

	errno = saved_errno;
	if (!lock)
		return rsm_fail(RSMERR_INSUFFICIENT_MEM,
				"no memory to note the lock");
	*lock = (struct rsm_held_lock){
		.next = seg->locks,
		.offset = offset,
		.owner = self(),
	};
	seg->locks = lock;
	return RSM_SUCCESS;
}

/* Try to be the one thread, or return BUSY. */
static int try_claim(struct rsm_segment *seg, off_t offset)
{
	const struct rsm_held_lock *lock = *find(seg, offset);

	if (!lock)
		return add(seg, offset);
	/* The kernel let go of it. */
	if (!rsm_segment_is_live(seg))
		return rsm_fail_plain(RSMERR_CONN_ABORTED);
	if (is_mine(lock))
		return rsm_fail(RSMERR_LOCK_HELD,
				"this thread has lock %#jx already", offset);
	return BUSY;
}

/* Wait to be the one thread that has the lock or is taking it. */
static int claim(struct rsm_handle *handle, const void *memseg, off_t offset,
		 uint64_t deadline)
{
	struct rsm_segment *seg = &handle->seg;
	uint32_t unlocks;
	uint64_t left;
	int ret;

	for (;;) {
		left = rsm_time_left(deadline);
		unlocks = __atomic_load_n(&seg->unlocks, __ATOMIC_SEQ_CST);
		if (rsm_handle_ended(handle, memseg))
			return rsm_handle_fail(memseg, RSM_HANDLE_SEGMENT);
		pthread_mutex_lock(&rsm_locks_lock);
		ret = try_claim(seg, offset);
		pthread_mutex_unlock(&rsm_locks_lock);
		if (ret != BUSY)
			return ret;
		if (!left)
			return rsm_fail(RSMERR_TIMEOUT,
					"another thread of the process has lock %#jx",
					offset);
		rsm_futex_wait(&seg->unlocks, unlocks,
			       left < LOOK_NS ? left : LOOK_NS);
	}
}

static void unclaim(struct rsm_segment *seg, off_t offset)
{
	struct rsm_held_lock **link;
	struct rsm_held_lock *lock;

	pthread_mutex_lock(&rsm_locks_lock);
	link = find(seg, offset);
	lock = *link;
	*link = lock->next;
	free(lock);
	pthread_mutex_unlock(&rsm_locks_lock);
	rsm_locks_wake(seg);
}

/* Have the kernel give the lock to the process; a signal does not matter. */
static int acquire(struct rsm_segment *seg, off_t offset, uint64_t deadline,
		   uint_t *flags)
{
	struct rsm_lock cmd = { .size = sizeof(cmd), .offset = offset };
	int ret;

	do {
		cmd.timeout_ns = rsm_time_left(deadline);
		ret = rsm_try_ioctl(seg->fd, RSM_LOCK, &cmd, &cmd.out_error);
	} while (ret == RSMERR_INTERRUPTED);
	if (ret) {
		unclaim(seg, offset);
		return rsm_fail_ioctl(RSM_LOCK, &cmd, ret, 0);
	}
	if (flags)
		*flags = cmd.out_flags & RSM_LOCK_OWNER_DIED ? RSM_OWNER_DIED :
							       0;
	return RSM_SUCCESS;
}

int rsm_memseg_lock(void *memseg, off_t offset, int timeout, uint_t *flags)
{
	uint64_t deadline = rsm_deadline(timeout);
	struct rsm_handle *handle;
	int ret;

	handle = rsm_handle_enter(memseg);
	if (!handle)
		return rsm_handle_fail(memseg, RSM_HANDLE_SEGMENT);
	ret = claim(handle, memseg, offset, deadline);
	if (!ret)
		ret = acquire(&handle->seg, offset, deadline, flags);
	return rsm_handle_leave(handle, memseg, ret);
}

static bool have(struct rsm_segment *seg, off_t offset)
{
	const struct rsm_held_lock *lock;
	bool ret;

	pthread_mutex_lock(&rsm_locks_lock);
	lock = *find(seg, offset);
	ret = lock && is_mine(lock);
	pthread_mutex_unlock(&rsm_locks_lock);
	return ret;
}

int rsm_memseg_unlock(void *memseg, off_t offset)
{
	struct rsm_unlock cmd = { .size = sizeof(cmd), .offset = offset };
	struct rsm_handle *handle;
	int ret;

	handle = rsm_handle_share(memseg, RSM_HANDLE_SEGMENT);
	if (!handle)
		return rsm_handle_fail(memseg, RSM_HANDLE_SEGMENT);
	if (have(&handle->seg, offset)) {
		ret = rsm_ioctl(handle->seg.fd, RSM_UNLOCK, &cmd,
				&cmd.out_error);
		/* In this order: else another thread is told it has it. */
		unclaim(&handle->seg, offset);
	} else {
		ret = rsm_fail(RSMERR_LOCK_NOT_HELD,
			       "this thread does not have lock %#jx", offset);
	}
	rsm_handle_unshare(handle);
	return ret;
}
