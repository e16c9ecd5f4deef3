// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What export and import handles have in common: a descriptor of the kernel's,
 * and those who wait with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

/*
 * Have the status page, which is mapped when it is first needed: to map it
 * takes as long as to connect. Threads may do so at the same time. Returns 0 or
 * an errno, and says nothing.
 */
int rsm_segment_map_status(struct rsm_segment *seg)
{
	const struct rsm_status *none = NULL;
	void *status = NULL;
	int error;

	if (__atomic_load_n(&seg->status, __ATOMIC_ACQUIRE))
		return 0;
	error = rsm_try_mmap(&status, rsm_page_size(), PROT_READ, MAP_SHARED,
			     seg->fd, RSM_STATUS_OFFSET);
	if (error)
		return error;
	if (!__atomic_compare_exchange_n(&seg->status, &none, status, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		munmap(status, rsm_page_size());
	return 0;
}

/* Fail because there are pollfds of it. */
int rsm_segment_fail_pollfds(const struct rsm_segment *seg)
{
	return rsm_fail(RSMERR_POLLFD_IN_USE,
			"rsm_memseg_release_pollfd() has yet to be called, as often as rsm_memseg_get_pollfd(): %u times",
			seg->pollfds);
}

/* Neither was the import aborted, nor has the segment ended. */
bool rsm_segment_is_live(struct rsm_segment *seg)
{
	struct pollfd pollfd = { .fd = seg->fd };

	if (!rsm_segment_map_status(seg))
		return rsm_is_live(__atomic_load_n(&seg->status,
						   __ATOMIC_ACQUIRE));
	/* Without memory for it the kernel is asked. */
	return poll(&pollfd, 1, 0) <= 0 ||
	       !(pollfd.revents & (POLLERR | POLLHUP));
}

/*
 * Make those who wait on a descriptor come back: the kernel wakes them when
 * the descriptor is closed. Another file takes its place, so that who is late
 * does not meet one that was opened since under the same number. Where that
 * fails, for want of a descriptor, it is but closed, and that could happen.
 * Return if there is one to be closed yet.
 */
static bool expel_waiters(int fd)
{
	int other = eventfd(0, EFD_CLOEXEC);
	bool replaced = other >= 0 && dup3(other, fd, O_CLOEXEC) >= 0;

	if (other >= 0)
		rsm_close(other);
	if (!replaced)
		rsm_close(fd);
	return replaced;
}

/* Give all of a segment back; the handle is held and has ended. */
void rsm_segment_close(struct rsm_handle *handle)
{
	struct rsm_segment *seg = &handle->seg;
	int saved_errno = errno;
	bool opened = true;

	if (rsm_handle_has_waiters(handle)) {
		opened = expel_waiters(seg->fd);
		rsm_locks_wake(seg);
		rsm_handle_drain_waiters(handle);
	}
	pthread_mutex_lock(&rsm_locks_lock);
	rsm_locks_free(seg);
	pthread_mutex_unlock(&rsm_locks_lock);
	if (seg->status)
		munmap((void *)seg->status, rsm_page_size());
	if (opened)
		rsm_close(seg->fd);
	errno = saved_errno;
}
