// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Barriers.
 *
 * The kernel writes to the status page of a connection before it cuts the
 * mappings off, and never takes that back. So a look at the page after the
 * accesses tells if all of them reached the segment.
 *
 * What is not mapped the kernel copies, and is done when it returns. But if a
 * network lies between, what was put has got to the other machine by then, and
 * may not be in memory yet: that the kernel has to be asked for.
 *
 * Of the caller's structure seg is the handle, NULL without one, and privdata
 * the structure's own address while the barrier is open.
 */
#include "internal.h"

static int check(const rsmapi_barrier_t *barrier)
{
	if (!barrier)
		return rsm_fail(RSMERR_BAD_BARRIER_PTR, "barrier is NULL");
	if (!barrier->seg)
		return rsm_fail(RSMERR_BARRIER_UNINITIALIZED,
				"the barrier is not initialized, or destroyed: rsm_memseg_import_init_barrier() comes first");
	return RSM_SUCCESS;
}

/* Find the connection of a barrier and share it. */
static int share(const rsmapi_barrier_t *barrier, struct rsm_handle **out)
{
	int ret = check(barrier);

	if (ret)
		return ret;
	*out = rsm_handle_share(barrier->seg, RSM_HANDLE_IMPORT);
	return *out ? RSM_SUCCESS :
		      rsm_handle_fail(barrier->seg, RSM_HANDLE_IMPORT);
}

static int share_open(const rsmapi_barrier_t *barrier, struct rsm_handle **out)
{
	int ret = share(barrier, out);

	if (!ret && barrier->privdata != barrier) {
		rsm_handle_unshare(*out);
		ret = rsm_fail(RSMERR_BARRIER_NOT_OPENED,
			       "the barrier is not open: rsm_memseg_import_open_barrier() comes first");
	}
	return ret;
}

int rsm_memseg_import_init_barrier(rsm_memseg_import_handle_t im_memseg,
				   rsm_barrier_type_t type,
				   rsmapi_barrier_t *barrier)
{
	struct rsm_handle *handle;

	(void)type;
	handle = rsm_handle_hold(im_memseg, RSM_HANDLE_IMPORT);
	if (!handle)
		return rsm_handle_fail(im_memseg, RSM_HANDLE_IMPORT);
	if (barrier) {
		*barrier = (rsmapi_barrier_t){ .seg = im_memseg };
		handle->import.barrier = barrier;
		rsm_import_update(handle);
	}
	rsm_handle_release(handle);
	/* What is in it by now may be another thread's. */
	return barrier ? RSM_SUCCESS : check(NULL);
}

int rsm_memseg_import_open_barrier(rsmapi_barrier_t *barrier)
{
	struct rsm_handle *handle;
	int ret;

	ret = share(barrier, &handle);
	if (ret)
		return ret;
	barrier->privdata = barrier;
	rsm_handle_unshare(handle);
	rsm_fence();
	return RSM_SUCCESS;
}

int rsm_memseg_import_order_barrier(rsmapi_barrier_t *barrier)
{
	struct rsm_handle *handle;
	int ret;

	ret = share_open(barrier, &handle);
	if (ret)
		return ret;
	rsm_handle_unshare(handle);
	rsm_fence();
	return RSM_SUCCESS;
}

/* Wait for what was put to be in memory, where that takes a call. */
int rsm_import_settle(const struct rsm_handle *handle)
{
	struct rsm_import_fence cmd = { .size = sizeof(cmd) };
	int ret = rsm_ioctl(handle->seg.fd, RSM_IMPORT_FENCE, &cmd,
			    &cmd.out_error);

	switch (ret) {
	case RSM_SUCCESS:
	case RSMERR_CONN_ABORTED:
	case RSMERR_BAD_SEG_HNDL:
		return ret;
	}
	return rsm_fail(RSMERR_BARRIER_FAILURE,
			"it is not certain that what was put has arrived (%s): put it again",
			rsm_strerrorname(ret));
}

static int close_span(struct rsm_handle *handle)
{
	int ret = RSM_SUCCESS;

	rsm_fence();
	if (handle->import.fenced)
		ret = rsm_import_settle(handle);
	if (!ret && !rsm_segment_is_live(&handle->seg))
		ret = rsm_fail_plain(RSMERR_CONN_ABORTED);
	return ret;
}

int rsm_memseg_import_close_barrier(rsmapi_barrier_t *barrier)
{
	struct rsm_handle *handle;
	int ret;

	ret = share_open(barrier, &handle);
	if (ret)
		return ret;
	ret = close_span(handle);
	barrier->privdata = NULL;
	rsm_handle_unshare(handle);
	return ret;
}

int rsm_memseg_import_destroy_barrier(rsmapi_barrier_t *barrier)
{
	struct rsm_handle *handle;
	int ret = check(barrier);

	if (ret)
		return ret;
	handle = rsm_handle_hold(barrier->seg, RSM_HANDLE_IMPORT);
	if (handle) {
		if (handle->import.barrier == barrier)
			handle->import.barrier = NULL;
		rsm_import_update(handle);
		rsm_handle_release(handle);
	} else {
		ret = rsm_handle_fail(barrier->seg, RSM_HANDLE_IMPORT);
	}
	*barrier = (rsmapi_barrier_t){ .seg = NULL };
	return ret;
}
