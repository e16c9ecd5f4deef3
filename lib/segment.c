// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What export and import handles have in common: a descriptor of the kernel's,
 * and those who wait with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

/* Take over a new descriptor, and map its status page. Closes it on failure. */
int rsm_segment_open(struct rsm_segment *seg, int fd)
{
	void *status = NULL;

	if (rsm_mmap(&status, rsm_page_size(), PROT_READ, MAP_SHARED, fd,
		     RSM_STATUS_OFFSET)) {
		rsm_close(fd);
		return RSMERR_INSUFFICIENT_MEM;
	}
	*seg = (struct rsm_segment){ .fd = fd, .status = status };
	return RSM_SUCCESS;
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
	munmap((void *)seg->status, rsm_page_size());
	if (opened)
		rsm_close(seg->fd);
	errno = saved_errno;
}
