/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef RSM_INTERNAL_H
#define RSM_INTERNAL_H

#include <pthread.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/rsmctl.h>
#include <rsm_ext.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define __cold __attribute__((__cold__))
#define __printf(format, first) __attribute__((__format__(printf, format, first)))

/* detail.c */

__cold __printf(1, 2) void rsm_say(const char *format, ...);
__cold void rsm_say_plain(int error);
__cold int rsm_fail_ioctl(unsigned long nr, const void *cmd, int ret, int error);
__cold int rsm_fail_errno(unsigned long nr, int ret, int error);

/*
 * Say for rsm_last_error() why the caller's function fails, and return @error.
 * All that fails does so by one of these, or of those above, when nothing can
 * make it succeed any more.
 */
#define rsm_fail(error, ...) (rsm_say(__VA_ARGS__), (error))

/* The same with what there is to say of the error in general */
static inline int rsm_fail_plain(int error)
{
	rsm_say_plain(error);
	return error;
}

/* For several functions */
#define RSM_NOT_ALIGNED "%s %#jx is not a multiple of %zu"
#define RSM_OTHER_BITS "permissions %#o are not of RSM_PERM_RDWR, 0600"
#define RSM_FD_CLOSED "the handle's descriptor was closed by the application"

/* limits.c */
__cold int rsm_fail_memory(const char *what, uint64_t total, uint64_t more);
__cold int rsm_fail_resources(int ret, int error);

/* handle.c */

/* Bits, so that a function can ask for one of several. */
enum rsm_handle_kind {
	RSM_HANDLE_FREE = 0,
	RSM_HANDLE_CONTROLLER = 1 << 0,
	RSM_HANDLE_EXPORT = 1 << 1,
	RSM_HANDLE_IMPORT = 1 << 2,
	RSM_HANDLE_LOCALMEM = 1 << 3,
	RSM_HANDLE_SEGMENT = RSM_HANDLE_EXPORT | RSM_HANDLE_IMPORT,
};

/**
 * struct rsm_ctlr - what a controller handle stands for
 * @refs: calls of rsm_get_controller() to be undone
 * @next: next controller in use
 * @info: as the kernel told when the handle was made
 */
struct rsm_ctlr {
	unsigned long refs;
	struct rsm_handle *next;
	struct rsm_controller_info info;
};

/**
 * struct rsm_segment - what export and import handles have in common
 * @fd: the kernel's export or import
 * @pollfds: calls of rsm_memseg_get_pollfd() to be undone
 * @status: status page of @fd, NULL until it is needed
 * @locks: locks that threads of the process have or are taking; see lock.c
 * @unlocks: changed when one is removed, for those who wait
 */
struct rsm_segment {
	int fd;
	unsigned int pollfds;
	const struct rsm_status *status;
	struct rsm_held_lock *locks;
	uint32_t unlocks;
};

/**
 * struct rsm_export - what an export handle stands for
 * @published: a publish succeeded and was not undone
 */
struct rsm_export {
	bool published;
};

/**
 * struct rsm_import - what an import handle stands for
 * @mode: of get and put
 * @flags: flags that the segment was created with
 * @length: length of the segment in bytes
 * @granted: rights of the connection
 * @barrier: the barrier that was last made, or NULL
 * @mapped: there is a mapping
 * @implicit: it was made by a get or put
 * @unmappable: a get or put could not make it
 * @fenced: what was put is in memory only once rsm_import_settle() says so
 * @map: the mapping, which may be at address 0
 * @first: offset in the segment of what get and put may reach
 * @span: length of that in bytes
 * @rights: which of them may
 */
struct rsm_import {
	rsm_barrier_mode_t mode;
	__u32 flags;
	uint64_t length;
	rsm_permission_t granted;
	const rsmapi_barrier_t *barrier;
	bool mapped;
	bool implicit;
	bool unmappable;
	bool fenced;
	char *map;
	uint64_t first;
	uint64_t span;
	rsm_permission_t rights;
};

/**
 * struct rsm_localmem - what a handle of local memory stands for
 * @addr: the caller's memory
 * @length: its length in bytes
 */
struct rsm_localmem {
	char *addr;
	size_t length;
};

/**
 * struct rsm_handle - a slot of the table of handles
 * @users: how many share it, and RSM_HANDLE_CLOSED while somebody has it alone
 * @kind: enum rsm_handle_kind, never RSM_HANDLE_FREE for a valid @value
 * @value: the handle, as the application knows it
 * @lock: held by who has it alone
 * @waiters: how many wait, and RSM_HANDLE_CLOSED at the end of the handle
 * @ready: rights with which get and put need not look further: it is a mapped
 *         import, and has a barrier where its mode wants one
 * @next_free: next free slot
 * @seg: for RSM_HANDLE_EXPORT and RSM_HANDLE_IMPORT
 * @ctlr: for RSM_HANDLE_CONTROLLER
 * @export: for RSM_HANDLE_EXPORT
 * @import: for RSM_HANDLE_IMPORT
 * @localmem: for RSM_HANDLE_LOCALMEM
 */
struct rsm_handle {
	/* a cache line of its own: short puts change it all the time */
	alignas(64) int32_t users;
	enum rsm_handle_kind kind;
	uintptr_t value;
	pthread_mutex_t lock;
	int32_t waiters;
	rsm_permission_t ready;
	struct rsm_handle *next_free;
	struct rsm_segment seg;
	union {
		struct rsm_ctlr ctlr;
		struct rsm_export export;
		struct rsm_import import;
		struct rsm_localmem localmem;
	};
};

#define RSM_HANDLE_CLOSED INT32_MIN

/* Low bits of a handle: the slot's number */
#define RSM_SLOT_BITS 20
#define RSM_SLOT_MASK (((uintptr_t)1 << RSM_SLOT_BITS) - 1)

#define RSM_CHUNK_SLOTS 256
#define RSM_CHUNKS ((RSM_SLOT_MASK + 1) / RSM_CHUNK_SLOTS)

/* The table; hidden as well from the library's own global offset table. */
extern struct rsm_handle *rsm_handle_chunks[RSM_CHUNKS]
	__attribute__((visibility("hidden")));

struct rsm_handle *rsm_handle_new(enum rsm_handle_kind kind);
struct rsm_handle *rsm_handle_hold(const void *value,
				   enum rsm_handle_kind kinds);
void rsm_handle_release(struct rsm_handle *handle);
void rsm_handle_downgrade(struct rsm_handle *handle);
void rsm_handle_end(struct rsm_handle *handle);
void rsm_handle_free(struct rsm_handle *handle);

struct rsm_handle *rsm_handle_share_slowly(struct rsm_handle *handle,
					   const void *value,
					   enum rsm_handle_kind kinds);
void rsm_handle_wake(int32_t *count);
__cold void rsm_handle_say(const void *value, enum rsm_handle_kind kinds);

void rsm_handle_forget_threads(void);

struct rsm_handle *rsm_handle_enter(const void *value);
int rsm_handle_leave(struct rsm_handle *handle, const void *value, int ret);
bool rsm_handle_ended(const struct rsm_handle *handle, const void *value);
bool rsm_handle_has_waiters(const struct rsm_handle *handle);
void rsm_handle_drain_waiters(struct rsm_handle *handle);

/* The slot of a handle, valid or not. NULL: there is none yet */
static inline struct rsm_handle *rsm_handle_slot(const void *value)
{
	size_t slot = (uintptr_t)value & RSM_SLOT_MASK;
	struct rsm_handle *chunk;

	/* pairs with the store in table_grow() */
	chunk = __atomic_load_n(&rsm_handle_chunks[slot / RSM_CHUNK_SLOTS],
				__ATOMIC_ACQUIRE);
	return likely(chunk) ? &chunk[slot % RSM_CHUNK_SLOTS] : NULL;
}

static inline bool rsm_handle_is(const struct rsm_handle *handle,
				 const void *value, enum rsm_handle_kind kinds)
{
	return likely(handle->value == (uintptr_t)value &&
		      handle->kind & kinds);
}

/* Count one who shares a slot. False: somebody has it alone */
static inline bool rsm_handle_count(struct rsm_handle *handle)
{
	return __atomic_add_fetch(&handle->users, 1, __ATOMIC_ACQUIRE) >= 0;
}

/* Undo that. False: somebody waits, who is to be woken */
static inline bool rsm_handle_uncount(struct rsm_handle *handle)
{
	return __atomic_sub_fetch(&handle->users, 1, __ATOMIC_RELEASE) >= 0;
}

static inline void rsm_handle_unshare(struct rsm_handle *handle)
{
	if (unlikely(!rsm_handle_uncount(handle)))
		rsm_handle_wake(&handle->users);
}

/* Share a handle, unless somebody has it alone. NULL: also if it is not valid */
static inline struct rsm_handle *
rsm_handle_try_share(struct rsm_handle *handle, const void *value,
		     enum rsm_handle_kind kinds)
{
	if (likely(rsm_handle_count(handle)) &&
	    rsm_handle_is(handle, value, kinds))
		return handle;
	rsm_handle_unshare(handle);
	return NULL;
}

/*
 * Share a handle, which keeps its end, its mapping and whatever else changes
 * away until rsm_handle_unshare(). NULL: not a valid handle of these kinds
 */
static inline struct rsm_handle *rsm_handle_share(const void *value,
						  enum rsm_handle_kind kinds)
{
	struct rsm_handle *handle = rsm_handle_slot(value);

	if (!handle || rsm_handle_try_share(handle, value, kinds))
		return handle;
	return rsm_handle_share_slowly(handle, value, kinds);
}

/* Fail because @value is no handle of these kinds. */
static inline int rsm_handle_fail(const void *value, enum rsm_handle_kind kinds)
{
	rsm_handle_say(value, kinds);
	switch (kinds) {
	case RSM_HANDLE_CONTROLLER:
		return RSMERR_BAD_CTLR_HNDL;
	case RSM_HANDLE_LOCALMEM:
		return RSMERR_BAD_LOCALMEM_HNDL;
	default:
		return RSMERR_BAD_SEG_HNDL;
	}
}

/* Fail because rsm_handle_new() did. */
static inline int rsm_handle_fail_new(void)
{
	return rsm_fail(RSMERR_INSUFFICIENT_MEM,
			"no memory for a handle, or %zu are in use",
			RSM_CHUNKS * RSM_CHUNK_SLOTS);
}

/* segment.c */
int rsm_segment_map_status(struct rsm_segment *seg);
__cold int rsm_segment_fail_pollfds(const struct rsm_segment *seg);
bool rsm_segment_is_live(struct rsm_segment *seg);
void rsm_segment_close(struct rsm_handle *handle);

static inline bool rsm_is_live(const struct rsm_status *status)
{
	return __atomic_load_n(&status->state, __ATOMIC_ACQUIRE) ==
	       RSM_STATE_LIVE;
}

/* import.c */
void rsm_import_map_whole(struct rsm_handle *handle);
void rsm_import_update(struct rsm_handle *handle);

/* barrier.c */
int rsm_import_settle(const struct rsm_handle *handle);

/* Loads and stores before come first to everybody, to the exporter as well. */
static inline void rsm_fence(void)
{
	/* __atomic_thread_fence() without a warning of ThreadSanitizer */
	__sync_synchronize();
}

/* fork.c */
bool rsm_fork_prepare(void);
extern pthread_mutex_t rsm_controllers_lock;
extern pthread_mutex_t rsm_table_lock;
extern pthread_mutex_t rsm_locks_lock;
extern pthread_mutex_t rsm_pollfds_lock;

/* lock.c */
void rsm_locks_wake(struct rsm_segment *seg);
void rsm_locks_free(struct rsm_segment *seg);

/* event.c */
int rsm_segment_post(const struct rsm_segment *seg, uint_t flags);

/* wait.c */
#define NS_PER_MS 1000000ULL

uint64_t rsm_deadline(int timeout_ms);
uint64_t rsm_time_left(uint64_t deadline);
void rsm_futex_wait(const uint32_t *word, uint32_t value, uint64_t timeout_ns);
void rsm_futex_wake(const uint32_t *word);

/* kernel.c */
int rsm_try_ioctl(int fd, unsigned long nr, void *cmd, __u32 *out_error);
int rsm_ioctl(int fd, unsigned long nr, void *cmd, __u32 *out_error);
int rsm_open_control(int *fd, int open_error);
int rsm_control(unsigned long nr, void *cmd, __u32 *out_error, int open_error);
void rsm_close(int fd);
int rsm_try_mmap(void **addr, size_t length, int prot, int flags, int fd,
		 off_t offset);
int rsm_mmap_error(int error);
size_t rsm_page_size(void);

/* controller.c */
int rsm_ctlr_info(rsmapi_controller_handle_t controller,
		  struct rsm_controller_info *info);

#endif /* RSM_INTERNAL_H */
