// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Handles.
 *
 * A handle is a number in the guise of a pointer: which slot of a table, and
 * how many handles the slot has stood for. The table grows and is never freed,
 * so that a handle that has ended, was made up, or is of another kind is told
 * from a valid one without following it.
 *
 * Who works on a handle does one of three things with its slot:
 *
 *  - has it alone (hold): what changes the handle, or ends it. Takes the
 *    slot's lock, closes it to those who share, and waits for them to go.
 *  - shares it: what uses the handle for a short while. That is an addition to
 *    a counter, unless the slot is closed; then it waits for the lock.
 *  - waits (enter): what may take for ever, and so must not be waited for.
 *    The handle can change and end meanwhile, but the descriptor's number is
 *    not used for something else: who ends the handle sees to it that the
 *    waiters come back, and waits for that.
 *
 * No thread waits for a slot while it shares or has another one. The lock of
 * the list of controllers comes before that of a slot.
 *
 * A child after fork() has copies of the slots. Those who worked on them in
 * other threads, and may have waited for ever, do not exist there: all slots
 * are free to use. So what is changed of a handle is changed in an order in
 * which it can be used at any time.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

struct rsm_handle *rsm_handle_chunks[RSM_CHUNKS];

/* Of fewer bits, handles would be used again before long. */
static_assert(sizeof(uintptr_t) == 8, "handles have 64 bits");

/* This, and changes of rsm_handle_chunks, are protected by rsm_table_lock. */
static struct {
	size_t nr_chunks;
	struct rsm_handle *free;
} table;

/* For a child; its locks are none of those that the kernel knows of there. */
void rsm_handle_forget_threads(void)
{
	struct rsm_handle *handle;
	size_t i;

	for (i = 0; i < table.nr_chunks * RSM_CHUNK_SLOTS; i++) {
		handle = &rsm_handle_chunks[i / RSM_CHUNK_SLOTS]
					   [i % RSM_CHUNK_SLOTS];
		pthread_mutex_init(&handle->lock, NULL);
		handle->users = 0;
		handle->waiters = 0;
		rsm_locks_free(&handle->seg);
		if (handle->kind == RSM_HANDLE_IMPORT)
			rsm_import_update(handle);
	}
}

static struct rsm_handle *alloc_chunk(void)
{
	size_t size = RSM_CHUNK_SLOTS * sizeof(struct rsm_handle);
	int saved_errno = errno;
	struct rsm_handle *chunk;

	chunk = aligned_alloc(alignof(struct rsm_handle), size);
	errno = saved_errno;
	if (chunk)
		memset(chunk, 0, size);
	return chunk;
}

/* Make a chunk of free slots; the first handle of slot n is 1 << BITS | n. */
static void table_grow(void)
{
	struct rsm_handle *chunk;
	size_t i;

	if (table.nr_chunks == RSM_CHUNKS)
		return;
	chunk = alloc_chunk();
	if (!chunk)
		return;
	for (i = RSM_CHUNK_SLOTS; i-- > 0;) {
		pthread_mutex_init(&chunk[i].lock, NULL);
		chunk[i].value = (uintptr_t)1 << RSM_SLOT_BITS |
				 (table.nr_chunks * RSM_CHUNK_SLOTS + i);
		chunk[i].next_free = table.free;
		table.free = &chunk[i];
	}
	/* pairs with the load in rsm_handle_slot() */
	__atomic_store_n(&rsm_handle_chunks[table.nr_chunks], chunk,
			 __ATOMIC_RELEASE);
	table.nr_chunks++;
}

/* Close a counter to newcomers and wait for those who are counted. */
static void drain(int32_t *count)
{
	int32_t seen = __atomic_add_fetch(count, RSM_HANDLE_CLOSED,
					  __ATOMIC_ACQUIRE);

	while (seen != RSM_HANDLE_CLOSED) {
		rsm_futex_wait((uint32_t *)count, seen, RSM_WAIT_FOREVER);
		seen = __atomic_load_n(count, __ATOMIC_ACQUIRE);
	}
}

static void open_to_others(int32_t *count)
{
	__atomic_sub_fetch(count, RSM_HANDLE_CLOSED, __ATOMIC_RELEASE);
}

/* One of those that drain() waits for has gone. */
void rsm_handle_wake(int32_t *count)
{
	rsm_futex_wake((uint32_t *)count);
}

/* Make a handle and hold it. NULL: out of memory */
struct rsm_handle *rsm_handle_new(enum rsm_handle_kind kind)
{
	struct rsm_handle *handle;

	if (!rsm_fork_prepare())
		return NULL;
	pthread_mutex_lock(&rsm_table_lock);
	if (!table.free)
		table_grow();
	handle = table.free;
	if (handle)
		table.free = handle->next_free;
	pthread_mutex_unlock(&rsm_table_lock);
	if (!handle)
		return NULL;

	pthread_mutex_lock(&handle->lock);
	drain(&handle->users);
	__atomic_store_n(&handle->kind, kind, __ATOMIC_RELAXED);
	return handle;
}

/* Not to be waited for: what is done with the slot may take its time. */
static bool is_hopeless(const struct rsm_handle *handle, const void *value,
			enum rsm_handle_kind kinds)
{
	return rsm_handle_ended(handle, value) ||
	       !(__atomic_load_n(&handle->kind, __ATOMIC_RELAXED) & kinds);
}

/* Have a handle alone. NULL: not a valid handle of these kinds */
struct rsm_handle *rsm_handle_hold(const void *value,
				   enum rsm_handle_kind kinds)
{
	struct rsm_handle *handle = rsm_handle_slot(value);

	if (!handle || is_hopeless(handle, value, kinds))
		return NULL;
	pthread_mutex_lock(&handle->lock);
	/* Before others are shut out: they may have the right to it. */
	if (!rsm_handle_is(handle, value, kinds)) {
		pthread_mutex_unlock(&handle->lock);
		return NULL;
	}
	drain(&handle->users);
	return handle;
}

void rsm_handle_release(struct rsm_handle *handle)
{
	open_to_others(&handle->users);
	pthread_mutex_unlock(&handle->lock);
}

/* From now on share a handle that is held. */
void rsm_handle_downgrade(struct rsm_handle *handle)
{
	__atomic_add_fetch(&handle->users, 1, __ATOMIC_RELAXED);
	rsm_handle_release(handle);
}

/* Share a handle that seems to be invalid, or is held. */
struct rsm_handle *rsm_handle_share_slowly(struct rsm_handle *handle,
					   const void *value,
					   enum rsm_handle_kind kinds)
{
	struct rsm_handle *ret;

	if (is_hopeless(handle, value, kinds))
		return NULL;
	pthread_mutex_lock(&handle->lock);
	ret = rsm_handle_try_share(handle, value, kinds);
	pthread_mutex_unlock(&handle->lock);
	return ret;
}

/* Wait with a segment's handle. NULL: not a valid one */
struct rsm_handle *rsm_handle_enter(const void *value)
{
	struct rsm_handle *handle = rsm_handle_share(value, RSM_HANDLE_SEGMENT);

	if (!handle)
		return NULL;
	__atomic_add_fetch(&handle->waiters, 1, __ATOMIC_RELAXED);
	rsm_handle_unshare(handle);
	return handle;
}

/*
 * Return to the caller with @ret. When the handle has ended that is what
 * failed, however it showed.
 */
int rsm_handle_leave(struct rsm_handle *handle, const void *value, int ret)
{
	bool ended = rsm_handle_ended(handle, value);

	if (__atomic_sub_fetch(&handle->waiters, 1, __ATOMIC_RELEASE) < 0)
		rsm_handle_wake(&handle->waiters);
	return ret && ended ? rsm_handle_fail(value, RSM_HANDLE_SEGMENT) : ret;
}

/* @value is no handle, or not any more. */
bool rsm_handle_ended(const struct rsm_handle *handle, const void *value)
{
	return __atomic_load_n(&handle->value, __ATOMIC_ACQUIRE) !=
	       (uintptr_t)value;
}

/* For who holds an ended handle: there can be no more than now. */
bool rsm_handle_has_waiters(const struct rsm_handle *handle)
{
	return __atomic_load_n(&handle->waiters, __ATOMIC_ACQUIRE);
}

void rsm_handle_drain_waiters(struct rsm_handle *handle)
{
	drain(&handle->waiters);
	open_to_others(&handle->waiters);
}

/* End a handle that is held, and go on holding the slot. */
void rsm_handle_end(struct rsm_handle *handle)
{
	__atomic_store_n(&handle->kind, RSM_HANDLE_FREE, __ATOMIC_RELAXED);
	handle->ready = RSM_PERM_NONE;
	/* pairs with the load in rsm_handle_ended() */
	__atomic_store_n(&handle->value,
			 handle->value + ((uintptr_t)1 << RSM_SLOT_BITS),
			 __ATOMIC_RELEASE);
}

/* Give a slot back that is held; ends the handle if that was not done. */
void rsm_handle_free(struct rsm_handle *handle)
{
	if (handle->kind != RSM_HANDLE_FREE)
		rsm_handle_end(handle);
	rsm_handle_release(handle);

	pthread_mutex_lock(&rsm_table_lock);
	handle->next_free = table.free;
	table.free = handle;
	pthread_mutex_unlock(&rsm_table_lock);
}

static const char *kind_name(enum rsm_handle_kind kinds)
{
	switch (kinds) {
	case RSM_HANDLE_CONTROLLER:
		return "a controller";
	case RSM_HANDLE_EXPORT:
		return "an export";
	case RSM_HANDLE_IMPORT:
		return "an import";
	case RSM_HANDLE_LOCALMEM:
		return "local memory";
	default:
		return "an export or import";
	}
}

/* Say what @value is, as it is no handle of these kinds. */
void rsm_handle_say(const void *value, enum rsm_handle_kind kinds)
{
	const struct rsm_handle *handle = rsm_handle_slot(value);
	enum rsm_handle_kind kind = RSM_HANDLE_FREE;
	uintptr_t now = 0;

	if (handle) {
		kind = __atomic_load_n(&handle->kind, __ATOMIC_RELAXED);
		now = __atomic_load_n(&handle->value, __ATOMIC_ACQUIRE);
	}
	if (!value)
		rsm_say("the handle of %s is NULL", kind_name(kinds));
	/* Each handle that a slot has stood for was less than the present. */
	else if ((uintptr_t)value >> RSM_SLOT_BITS && (uintptr_t)value < now)
		rsm_say("handle %p has ended", value);
	else if ((uintptr_t)value != now || !kind)
		rsm_say("%p was never a handle", value);
	else if (kind & kinds)
		rsm_say("handle %p is being ended", value);
	else
		rsm_say("%p is a handle of %s, not of %s", value,
			kind_name(kind), kind_name(kinds));
}
