// SPDX-License-Identifier: GPL-2.0-only
/*
 * Handles: what the descriptors of exports and imports have in common.
 *
 * A process that closes a descriptor while one of its threads waits on it
 * expects the wait to end. ->flush() tells of each close; by then the
 * descriptor is no longer in the table of the process. So whoever is about to
 * wait enters himself where a flush finds him, and then looks if there has
 * been one and the file is gone from the table.
 */
#include <linux/fdtable.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "rsm_private.h"

/**
 * rsm_handle_prepare() - prepare a handle that no descriptor stands for
 * @handle: zeroed; there is nothing to undo
 * @seg: its segment
 */
void rsm_handle_prepare(struct rsm_handle *handle, struct rsm_segment *seg)
{
	handle->seg = seg;
	init_waitqueue_head(&handle->wait);
	INIT_LIST_HEAD(&handle->mutexes);
	INIT_LIST_HEAD(&handle->lock_waiters);
	INIT_LIST_HEAD(&handle->sleepers);
}

/**
 * rsm_handle_init() - prepare the handle of an export or import
 * @handle: zeroed
 * @seg: its segment
 *
 * Return: 0, -ENOMEM or RSM_ERR_INSUFFICIENT_RESOURCES, and then there is
 * nothing to undo; else undone by rsm_handle_destroy().
 */
int rsm_handle_init(struct rsm_handle *handle, struct rsm_segment *seg)
{
	int ret;

	rsm_handle_prepare(handle, seg);
	ret = rsm_limits_get_handle(&handle->user);
	if (ret)
		return ret;
	handle->status = rsm_status_alloc();
	if (handle->status)
		return 0;
	rsm_limits_put_handle(handle->user);
	return -ENOMEM;
}

void rsm_handle_destroy(struct rsm_handle *handle)
{
	if (handle->status)
		put_page(handle->status);
	if (handle->user)
		rsm_limits_put_handle(handle->user);
}

/* From here on the handle is good for nothing but what is pending. */
void rsm_handle_end(struct rsm_handle *handle)
{
	lockdep_assert_held_write(&handle->seg->map_sem);
	lockdep_assert_held(&handle->seg->lock);
	WRITE_ONCE(handle->ended, true);
	rsm_status_set_state(handle->status, RSM_STATE_ABORTED);
}

/* Tell pollers, who take it that nothing reaches the segment any more. */
void rsm_handle_hang_up(struct rsm_handle *handle)
{
	lockdep_assert_held(&handle->seg->lock);
	/* Pairs with rsm_handle_poll(). */
	smp_store_release(&handle->hung_up, true);
	/* All of them, those with EPOLLEXCLUSIVE too: it is for good. */
	__wake_up(&handle->wait, TASK_NORMAL, 0,
		  poll_to_key(EPOLLERR | EPOLLHUP));
}

__poll_t rsm_handle_poll(struct rsm_handle *handle, struct file *file,
			 poll_table *wait)
{
	__poll_t events = 0;

	poll_wait(file, &handle->wait, wait);
	/*
	 * In this order, so that the last signal is not missed. Pairs with
	 * rsm_handle_hang_up().
	 */
	if (smp_load_acquire(&handle->hung_up))
		events |= EPOLLERR | EPOLLHUP;
	if (READ_ONCE(handle->signals))
		events |= EPOLLIN | EPOLLRDNORM;
	return events;
}

/* A process that shares the descriptor table @owner has closed the handle. */
void rsm_handle_flush(struct rsm_handle *handle, fl_owner_t owner)
{
	struct rsm_sleeper *sleeper;
	bool any = false;

	spin_lock(&handle->seg->lock);
	WRITE_ONCE(handle->flushed, true);
	list_for_each_entry(sleeper, &handle->sleepers, link) {
		if (sleeper->owner == owner) {
			WRITE_ONCE(sleeper->closed, true);
			any = true;
		}
	}
	spin_unlock(&handle->seg->lock);
	/* With an event that no poller asks for. */
	if (any)
		__wake_up(&handle->wait, TASK_NORMAL, 0,
			  poll_to_key(EPOLLNVAL));
	rsm_lock_drop(handle, owner);
}

static int is_file(const void *file, struct file *other, unsigned int fd)
{
	return file == other;
}

/**
 * rsm_handle_is_open() - tell if the caller still has the descriptor
 * @ucmd: an ioctl on a handle, about to wait
 *
 * To be called when a flush from now on would find the caller.
 *
 * Return: true or false.
 */
bool rsm_handle_is_open(const struct rsm_ucmd *ucmd)
{
	return !READ_ONCE(ucmd->handle->flushed) ||
	       iterate_fd(current->files, 0, is_file, ucmd->file);
}

/* The time after @timeout_ns nanoseconds, KTIME_MAX for ever: for rsm_wait(). */
ktime_t rsm_deadline(u64 timeout_ns)
{
	if (timeout_ns >= KTIME_MAX)
		return KTIME_MAX;
	return ktime_add_safe(ktime_get(), ns_to_ktime(timeout_ns));
}

static ktime_t time_left(ktime_t deadline)
{
	return max_t(ktime_t, ktime_sub(deadline, ktime_get()), 0);
}

/* The result of rsm_wait(). */
int rsm_wait_result(int err, ktime_t deadline, u64 *timeout_ns)
{
	if (!err)
		return 0;
	if (err == -ETIME)
		return RSM_ERR_TIMEOUT;
	if (deadline != KTIME_MAX)
		*timeout_ns = time_left(deadline);
	return -ERESTARTNOHAND;
}
