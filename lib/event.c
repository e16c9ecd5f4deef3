// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Signals.
 *
 * They are counted by the kernel, for each export and import. poll() on the
 * descriptor of either tells that there are any, and the library takes one.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

int rsm_segment_post(const struct rsm_segment *seg, uint_t flags)
{
	struct rsm_signal_post cmd = {
		.size = sizeof(cmd),
		.flags = flags & RSM_SIGPOST_NO_ACCUMULATE ?
				 RSM_SIGNAL_NO_ACCUMULATE :
				 0,
	};

	return rsm_ioctl(seg->fd, RSM_SIGNAL_POST, &cmd, &cmd.out_error);
}

int rsm_intr_signal_post(void *memseg, uint_t flags)
{
	struct rsm_handle *handle;
	int ret;

	handle = rsm_handle_share(memseg, RSM_HANDLE_SEGMENT);
	if (!handle)
		return rsm_handle_fail(memseg, RSM_HANDLE_SEGMENT);
	ret = rsm_segment_post(&handle->seg, flags);
	rsm_handle_unshare(handle);
	return ret;
}

/* Take a signal, and say nothing if there is none. */
static int take(int fd, uint64_t timeout_ns)
{
	struct rsm_signal_wait cmd = {
		.size = sizeof(cmd),
		.timeout_ns = timeout_ns,
	};

	return rsm_try_ioctl(fd, RSM_SIGNAL_WAIT, &cmd, &cmd.out_error);
}

static int fail_timeout(int timeout)
{
	if (!timeout)
		return rsm_fail(RSMERR_TIMEOUT, "no signal is pending");
	return rsm_fail(RSMERR_TIMEOUT, "no signal came in %d milliseconds",
			timeout);
}

static int wait_to_take(int fd, int timeout)
{
	int ret = take(fd, timeout < 0 ? RSM_WAIT_FOREVER :
					 timeout * NS_PER_MS);

	if (ret == RSMERR_TIMEOUT)
		return fail_timeout(timeout);
	return ret ? rsm_fail_plain(ret) : RSM_SUCCESS;
}

/* Of an aborted import none can come; that is for the kernel to say. */
static bool none_pending(struct rsm_segment *seg)
{
	const struct rsm_status *status;

	if (rsm_segment_map_status(seg))
		return false;
	status = __atomic_load_n(&seg->status, __ATOMIC_ACQUIRE);
	return rsm_is_live(status) &&
	       !__atomic_load_n(&status->signals, __ATOMIC_ACQUIRE);
}

int rsm_intr_signal_wait(void *memseg, int timeout)
{
	struct rsm_handle *handle = rsm_handle_enter(memseg);
	int ret;

	if (!handle)
		return rsm_handle_fail(memseg, RSM_HANDLE_SEGMENT);
	if (!timeout && none_pending(&handle->seg))
		ret = fail_timeout(timeout);
	else
		ret = wait_to_take(handle->seg.fd, timeout);
	return rsm_handle_leave(handle, memseg, ret);
}

/*
 * By descriptor, how many pollfds of a segment there are. A handle does not
 * end while it has any, so a descriptor is not used for something else while
 * it is listed here and rsm_pollfds_lock is held.
 */
static struct {
	unsigned int *refs;
	size_t length;
} pollfds;

static int grow_pollfds(size_t fd)
{
	size_t length = fd + 1 > 2 * pollfds.length ? fd + 1 :
						      2 * pollfds.length;
	int saved_errno = errno;
	unsigned int *refs;

	if (fd < pollfds.length)
		return RSM_SUCCESS;
	refs = realloc(pollfds.refs, length * sizeof(*refs));
	errno = saved_errno;
	if (!refs)
		return rsm_fail(RSMERR_INSUFFICIENT_MEM,
				"no memory to count the pollfds");
	memset(refs + pollfds.length, 0,
	       (length - pollfds.length) * sizeof(*refs));
	pollfds.refs = refs;
	pollfds.length = length;
	return RSM_SUCCESS;
}

static int add_pollfd(struct rsm_segment *seg)
{
	int ret;

	pthread_mutex_lock(&rsm_pollfds_lock);
	ret = grow_pollfds(seg->fd);
	if (!ret) {
		pollfds.refs[seg->fd]++;
		seg->pollfds++;
	}
	pthread_mutex_unlock(&rsm_pollfds_lock);
	return ret;
}

static void remove_pollfd(struct rsm_segment *seg)
{
	pthread_mutex_lock(&rsm_pollfds_lock);
	if (seg->pollfds) {
		pollfds.refs[seg->fd]--;
		seg->pollfds--;
	}
	pthread_mutex_unlock(&rsm_pollfds_lock);
}

int rsm_memseg_get_pollfd(void *memseg, struct pollfd *pollfd)
{
	struct rsm_handle *handle;
	int ret;

	handle = rsm_handle_share(memseg, RSM_HANDLE_SEGMENT);
	if (!handle)
		return rsm_handle_fail(memseg, RSM_HANDLE_SEGMENT);
	if (pollfd)
		ret = add_pollfd(&handle->seg);
	else
		ret = rsm_fail(RSMERR_BAD_ADDR, "pollfd is NULL");
	if (!ret) {
		pollfd->fd = handle->seg.fd;
		pollfd->events = POLLRDNORM;
	}
	rsm_handle_unshare(handle);
	return ret;
}

int rsm_memseg_release_pollfd(void *memseg)
{
	struct rsm_handle *handle;

	handle = rsm_handle_share(memseg, RSM_HANDLE_SEGMENT);
	if (!handle)
		return rsm_handle_fail(memseg, RSM_HANDLE_SEGMENT);
	remove_pollfd(&handle->seg);
	rsm_handle_unshare(handle);
	return RSM_SUCCESS;
}

/*
 * Take a signal of an entry that is ready, if it is a segment's. Another
 * thread may have been faster; then it is not ready for that.
 */
static void take_of_entry(struct pollfd *entry)
{
	int ret;

	if (!(entry->revents & POLLRDNORM) ||
	    (size_t)entry->fd >= pollfds.length || !pollfds.refs[entry->fd])
		return;
	ret = take(entry->fd, 0);
	if (ret == RSMERR_TIMEOUT || ret == RSMERR_CONN_ABORTED)
		entry->revents &= ~(POLLRDNORM | POLLIN);
}

/* Returns how many entries are ready after that. */
static int take_of_all(struct pollfd *fds, nfds_t nfds)
{
	int ready = 0;
	nfds_t i;

	pthread_mutex_lock(&rsm_pollfds_lock);
	for (i = 0; i < nfds; i++) {
		take_of_entry(&fds[i]);
		ready += fds[i].revents != 0;
	}
	pthread_mutex_unlock(&rsm_pollfds_lock);
	return ready;
}

static int fail_poll(int error, nfds_t nfds)
{
	switch (error) {
	case EINTR:
		return rsm_fail_plain(RSMERR_INTERRUPTED);
	case EFAULT:
		return rsm_fail(RSMERR_BAD_ADDR,
				"the array of %lu pollfds cannot be read and written",
				nfds);
	case ENOMEM:
		return rsm_fail(RSMERR_INSUFFICIENT_MEM,
				"no memory to poll %lu pollfds", nfds);
	default:
		return rsm_fail(RSMERR_BAD_ARGS_ERRORS,
				"%lu pollfds are more than RLIMIT_NOFILE allows",
				nfds);
	}
}

static int poll_until(struct pollfd *fds, nfds_t nfds, uint64_t deadline)
{
	uint64_t left = rsm_time_left(deadline);
	int saved_errno = errno;
	int ret = RSM_SUCCESS;
	int ready;

	ready = poll(fds, nfds, left == RSM_WAIT_FOREVER ?
					-1 :
					(int)((left + NS_PER_MS - 1) /
					      NS_PER_MS));
	if (ready < 0)
		ret = fail_poll(errno, nfds);
	else if (!ready)
		ret = rsm_fail(RSMERR_TIMEOUT,
			       "none of %lu pollfds was ready in time", nfds);
	errno = saved_errno;
	return ret;
}

int rsm_intr_signal_wait_pollfd(struct pollfd fds[], nfds_t nfds, int timeout,
				int *numfdsp)
{
	uint64_t deadline = rsm_deadline(timeout);
	int ready = 0;
	int ret;

	if (numfdsp)
		*numfdsp = 0;
	while (!ready) {
		ret = poll_until(fds, nfds, deadline);
		if (ret)
			return ret;
		ready = take_of_all(fds, nfds);
	}
	if (numfdsp)
		*numfdsp = ready;
	return RSM_SUCCESS;
}
