// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Handles of local memory: an address and a length that getv and putv keep
 * within. The memory is neither pinned nor looked at.
 */
#include "internal.h"

static int check_memory(rsmapi_controller_handle_t controller,
			const rsm_localmemory_handle_t *handle,
			const char *local_vaddr, size_t len)
{
	struct rsm_controller_info info;

	int ret;

	if ((uintptr_t)local_vaddr % rsm_page_size())
		return rsm_fail(RSMERR_BAD_ADDR, RSM_NOT_ALIGNED, "address",
				(uintmax_t)(uintptr_t)local_vaddr,
				rsm_page_size());
	ret = rsm_ctlr_info(controller, &info);
	if (ret)
		return ret;
	if (!handle)
		return rsm_fail(RSMERR_BAD_LOCALMEM_HNDL, "handle is NULL");
	if (!len)
		return rsm_fail(RSMERR_BAD_LENGTH, "len is 0");
	if (!local_vaddr)
		return rsm_fail(RSMERR_BAD_ADDR, "local_vaddr is NULL");
	return RSM_SUCCESS;
}

int rsm_create_localmemory_handle(rsmapi_controller_handle_t controller,
				  rsm_localmemory_handle_t *handle,
				  caddr_t local_vaddr, size_t len)
{
	struct rsm_handle *new;
	int ret;

	ret = check_memory(controller, handle, local_vaddr, len);
	if (ret)
		return ret;
	new = rsm_handle_new(RSM_HANDLE_LOCALMEM);
	if (!new)
		return rsm_handle_fail_new();
	new->localmem.addr = local_vaddr;
	new->localmem.length = len;
	*handle = (rsm_localmemory_handle_t)new->value;
	rsm_handle_release(new);
	return RSM_SUCCESS;
}

int rsm_free_localmemory_handle(rsmapi_controller_handle_t controller,
				rsm_localmemory_handle_t handle)
{
	struct rsm_controller_info info;
	struct rsm_handle *old;
	int ret;

	ret = rsm_ctlr_info(controller, &info);
	if (ret)
		return ret;
	old = rsm_handle_hold(handle, RSM_HANDLE_LOCALMEM);
	if (!old)
		return rsm_handle_fail(handle, RSM_HANDLE_LOCALMEM);
	rsm_handle_free(old);
	return RSM_SUCCESS;
}
