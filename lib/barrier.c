// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Barriers.
 *
 * The kernel writes to the status page of a connection before it cuts the
 * mappings off, and never takes that back. So a look at the page after the
 * accesses tells if all of them reached the segment.
 *
 * Of the caller's structure seg is the handle, NULL without one, and privdata
 * the structure's own address while the barrier is open.
 */
#include "internal.h"

/* Find the connection of a barrier and share it. */
static int share(const rsmapi_barrier_t *barrier, struct rsm_handle **out)
{
	if (!barrier)
		return RSMERR_BAD_BARRIER_PTR;
	if (!barrier->seg)
		return RSMERR_BARRIER_UNINITIALIZED;
	*out = rsm_handle_share(barrier->seg, RSM_HANDLE_IMPORT);
	return *out ? RSM_SUCCESS : RSMERR_BAD_SEG_HNDL;
}

static int share_open(const rsmapi_barrier_t *barrier, struct rsm_handle **out)
{
	int ret = share(barrier, out);

	if (!ret && barrier->privdata != barrier) {
		rsm_handle_unshare(*out);
		ret = RSMERR_BARRIER_NOT_OPENED;
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
		return RSMERR_BAD_SEG_HNDL;
	if (barrier) {
		*barrier = (rsmapi_barrier_t){ .seg = im_memseg };
		handle->import.barrier = barrier;
		rsm_import_update(handle);
	}
	rsm_handle_release(handle);
	return barrier ? RSM_SUCCESS : RSMERR_BAD_BARRIER_PTR;
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

int rsm_memseg_import_close_barrier(rsmapi_barrier_t *barrier)
{
	struct rsm_handle *handle;
	bool live;
	int ret;

	ret = share_open(barrier, &handle);
	if (ret)
		return ret;
	rsm_fence();
	live = rsm_segment_is_live(&handle->seg);
	barrier->privdata = NULL;
	rsm_handle_unshare(handle);
	return live ? RSM_SUCCESS : RSMERR_CONN_ABORTED;
}

int rsm_memseg_import_destroy_barrier(rsmapi_barrier_t *barrier)
{
	struct rsm_handle *handle;
	int ret = RSMERR_BAD_SEG_HNDL;

	if (!barrier)
		return RSMERR_BAD_BARRIER_PTR;
	if (!barrier->seg)
		return RSMERR_BARRIER_UNINITIALIZED;
	handle = rsm_handle_hold(barrier->seg, RSM_HANDLE_IMPORT);
	if (handle) {
		if (handle->import.barrier == barrier)
			handle->import.barrier = NULL;
		rsm_import_update(handle);
		rsm_handle_release(handle);
		ret = RSM_SUCCESS;
	}
	*barrier = (rsmapi_barrier_t){ .seg = NULL };
	return ret;
}
