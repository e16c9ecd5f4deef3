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

	if ((uintptr_t)local_vaddr & (rsm_page_size() - 1))
		return RSMERR_BAD_ADDR;
	if (rsm_ctlr_info(controller, &info))
		return RSMERR_BAD_CTLR_HNDL;
	if (!handle)
		return RSMERR_BAD_LOCALMEM_HNDL;
	if (!len)
		return RSMERR_BAD_LENGTH;
	return local_vaddr ? RSM_SUCCESS : RSMERR_BAD_ADDR;
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
		return RSMERR_INSUFFICIENT_MEM;
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

	if (rsm_ctlr_info(controller, &info))
		return RSMERR_BAD_CTLR_HNDL;
	old = rsm_handle_hold(handle, RSM_HANDLE_LOCALMEM);
	if (!old)
		return RSMERR_BAD_LOCALMEM_HNDL;
	rsm_handle_free(old);
	return RSM_SUCCESS;
}
