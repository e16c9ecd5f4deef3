// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Handles.
 *
 * A handle is a number in the guise of a pointer: which slot of a table, and
 * how many handles the slot has stood for. The table grows and is never freed,
 * so that a handle that has ended, was made up, or is of another kind is told
 * from a valid one without following it. Whoever works on a handle holds the
 * lock of its slot; the end of the handle waits for that.
 */
#include <errno.h>
#include <stdlib.h>

#include "internal.h"

/* Low bits of a handle: the slot's number, from 1. */
#define SLOT_BITS 20
#define SLOT_MASK (((uintptr_t)1 << SLOT_BITS) - 1)

#define CHUNK_SLOTS 256
#define CHUNKS ((SLOT_MASK + 1) / CHUNK_SLOTS)

static struct {
	/* protects all but reading chunks[] */
	pthread_mutex_t lock;
	/* written once, with release semantics */
	struct rsm_handle *chunks[CHUNKS];
	size_t nr_chunks;
	struct rsm_handle *free;
} table = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Make a chunk of free slots; the first handle of slot n is 1 << BITS | n. */
static void table_grow(void)
{
	struct rsm_handle *chunk;
	int saved_errno = errno;
	size_t i;

	/* The number SLOT_MASK + 1, the last of the last chunk, has no bits. */
	if (table.nr_chunks == CHUNKS - 1)
		return;
	chunk = calloc(CHUNK_SLOTS, sizeof(*chunk));
	errno = saved_errno;
	if (!chunk)
		return;
	for (i = CHUNK_SLOTS; i-- > 0;) {
		pthread_mutex_init(&chunk[i].lock, NULL);
		chunk[i].value = (uintptr_t)1 << SLOT_BITS |
				 (table.nr_chunks * CHUNK_SLOTS + i + 1);
		chunk[i].next_free = table.free;
		table.free = &chunk[i];
	}
	/* pairs with the load in rsm_handle_hold() */
	__atomic_store_n(&table.chunks[table.nr_chunks++], chunk,
			 __ATOMIC_RELEASE);
}

/* Make a handle and hold it. NULL: out of memory */
struct rsm_handle *rsm_handle_new(enum rsm_handle_kind kind)
{
	struct rsm_handle *handle;

	pthread_mutex_lock(&table.lock);
	if (!table.free)
		table_grow();
	handle = table.free;
	if (handle)
		table.free = handle->next_free;
	pthread_mutex_unlock(&table.lock);
	if (!handle)
		return NULL;

	pthread_mutex_lock(&handle->lock);
	handle->kind = kind;
	return handle;
}

/* Hold a handle. NULL: not a valid handle of this kind */
struct rsm_handle *rsm_handle_hold(const void *value, enum rsm_handle_kind kind)
{
	size_t slot = ((uintptr_t)value & SLOT_MASK) - 1;
	struct rsm_handle *chunk;
	struct rsm_handle *handle;

	if (slot >= SLOT_MASK)
		return NULL;
	chunk = __atomic_load_n(&table.chunks[slot / CHUNK_SLOTS],
				__ATOMIC_ACQUIRE);
	if (!chunk)
		return NULL;

	handle = &chunk[slot % CHUNK_SLOTS];
	pthread_mutex_lock(&handle->lock);
	if (handle->value == (uintptr_t)value && handle->kind == kind)
		return handle;
	pthread_mutex_unlock(&handle->lock);
	return NULL;
}

void rsm_handle_release(struct rsm_handle *handle)
{
	pthread_mutex_unlock(&handle->lock);
}

/* End a handle that is held. */
void rsm_handle_free(struct rsm_handle *handle)
{
	handle->kind = RSM_HANDLE_FREE;
	handle->value += (uintptr_t)1 << SLOT_BITS;
	pthread_mutex_unlock(&handle->lock);

	pthread_mutex_lock(&table.lock);
	handle->next_free = table.free;
	table.free = handle;
	pthread_mutex_unlock(&table.lock);
}
