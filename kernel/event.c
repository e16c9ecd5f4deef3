// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signals: a counter in each handle. They are bound to the connection, so
 * that a segment id that is used again does not matter, and a flood of them
 * costs who receives it no more than the counter.
 */
#include <linux/sched.h>

#include "rsm_private.h"
#include "trace.h"

/**
 * rsm_signal_add() - make more signals pending on a handle
 * @handle: the handle, whose segment is locked
 * @count: how many more; more than it can count are dropped
 * @accumulate: also if one is pending already
 */
void rsm_signal_add(struct rsm_handle *handle, u32 count, bool accumulate)
{
	lockdep_assert_held(&handle->seg->lock);
	count = min(count, U32_MAX - handle->signals);
	if (!count || (handle->signals && !accumulate))
		return;
	WRITE_ONCE(handle->signals, handle->signals + count);
	handle->posted += count;
	trace_rsm_signal(handle);
	rsm_status_set_signals(handle->status, handle->signals);
	wake_up_poll(&handle->wait, EPOLLIN | EPOLLRDNORM);
}

/**
 * rsm_signal_add_remote() - make signals pending that came from elsewhere
 * @handle: the handle, whose segment is locked
 * @count: how many
 * @once: one before these, if none is pending
 */
void rsm_signal_add_remote(struct rsm_handle *handle, u32 count, bool once)
{
	if (once)
		rsm_signal_add(handle, 1, false);
	rsm_signal_add(handle, count, true);
}

static int post_to_export(struct rsm_handle *handle, bool accumulate)
{
	struct rsm_segment *seg = handle->seg;
	int ret = RSM_ERR_CONN_ABORTED;

	spin_lock(&seg->lock);
	if (!handle->ended) {
		ret = 0;
		if (seg->remote)
			ret = seg->ctl->ops->link->post(seg->link, accumulate);
		else
			rsm_signal_add(&seg->handle, 1, accumulate);
	}
	spin_unlock(&seg->lock);
	return ret;
}

static int post_to_imports(struct rsm_segment *seg, bool accumulate)
{
	int ret = -EINTR;

	if (READ_ONCE(seg->handle.ended))
		return RSM_ERR_CONN_ABORTED;
	if (mutex_lock_killable(&seg->post_mutex))
		return ret;
	if (!down_read_killable(&seg->map_sem)) {
		rsm_import_post_all(seg, accumulate);
		up_read(&seg->map_sem);
		ret = 0;
	}
	mutex_unlock(&seg->post_mutex);
	return ret;
}

int rsm_signal_post(struct rsm_ucmd *ucmd)
{
	const struct rsm_signal_post *cmd = ucmd->cmd;
	bool accumulate = !(cmd->flags & RSM_SIGNAL_NO_ACCUMULATE);
	struct rsm_handle *handle = ucmd->handle;

	if (handle == &handle->seg->handle)
		return post_to_imports(handle->seg, accumulate);
	return post_to_export(handle, accumulate);
}

/* Take a signal; -EAGAIN: there is none yet. */
static int take(struct rsm_handle *handle, const struct rsm_sleeper *me)
{
	int ret = -EAGAIN;

	if (!READ_ONCE(handle->signals) && !READ_ONCE(handle->hung_up) &&
	    !READ_ONCE(me->closed))
		return ret;
	spin_lock(&handle->seg->lock);
	if (handle->signals) {
		WRITE_ONCE(handle->signals, handle->signals - 1);
		rsm_status_set_signals(handle->status, handle->signals);
		ret = 0;
	} else if (handle->hung_up) {
		ret = RSM_ERR_CONN_ABORTED;
	} else if (me->closed) {
		ret = -EBADF;
	}
	spin_unlock(&handle->seg->lock);
	return ret;
}

static int wait_and_take(struct rsm_ucmd *ucmd, struct rsm_sleeper *me)
{
	struct rsm_signal_wait *cmd = ucmd->cmd;
	struct rsm_handle *handle = ucmd->handle;
	int ret, taken;

	if (!rsm_handle_is_open(ucmd))
		return -EBADF;
	ret = rsm_wait(handle->wait, (taken = take(handle, me)) != -EAGAIN,
		       &cmd->timeout_ns);
	return ret ?: taken;
}

int rsm_signal_wait(struct rsm_ucmd *ucmd)
{
	const struct rsm_signal_wait *cmd = ucmd->cmd;
	struct rsm_sleeper me = { .owner = current->files };
	struct rsm_handle *handle = ucmd->handle;
	int ret = take(handle, &me);

	if (ret != -EAGAIN)
		return ret;
	if (!cmd->timeout_ns)
		return RSM_ERR_TIMEOUT;
	spin_lock(&handle->seg->lock);
	list_add(&me.link, &handle->sleepers);
	spin_unlock(&handle->seg->lock);

	ret = wait_and_take(ucmd, &me);

	spin_lock(&handle->seg->lock);
	list_del(&me.link);
	spin_unlock(&handle->seg->lock);
	return ret;
}
