// SPDX-License-Identifier: LGPL-2.1-or-later
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

static struct rsm_handle *hold(rsm_memseg_import_handle_t im_memseg)
{
	return rsm_handle_hold(im_memseg, RSM_HANDLE_IMPORT);
}

/* Connect, and map the status page. */
static int connect_import(struct rsm_import *import,
			  struct rsm_import_connect *cmd)
{
	void *status = NULL;

	int ret = rsm_control(RSM_IMPORT_CONNECT, cmd, &cmd->out_error,
			      RSMERR_INSUFFICIENT_RESOURCES);
	if (ret)
		return ret;
	if (rsm_mmap(&status, rsm_page_size(), PROT_READ, MAP_SHARED,
		     cmd->out_fd, RSM_STATUS_OFFSET)) {
		close(cmd->out_fd);
		return RSMERR_INSUFFICIENT_MEM;
	}
	*import = (struct rsm_import){
		.fd = cmd->out_fd,
		.mode = RSM_BARRIER_MODE_IMPLICIT,
		.length = cmd->out_length,
		.status = status,
	};
	return RSM_SUCCESS;
}

int rsm_memseg_import_connect(rsmapi_controller_handle_t controller,
			      rsm_node_id_t node_id, rsm_memseg_id_t segment_id,
			      rsm_permission_t perm,
			      rsm_memseg_import_handle_t *im_memseg)
{
	struct rsm_import_connect cmd = {
		.size = sizeof(cmd),
		.node = node_id,
		.segid = segment_id,
		.perm = perm,
	};
	struct rsm_controller_info info;
	struct rsm_handle *handle;
	int ret;

	ret = rsm_ctlr_info(controller, &info);
	if (ret)
		return ret;
	if (!im_memseg)
		return RSMERR_BAD_SEG_HNDL;
	if (perm & ~RSM_PERM_RDWR)
		return RSMERR_PERM_DENIED;
	handle = rsm_handle_new(RSM_HANDLE_IMPORT);
	if (!handle)
		return RSMERR_INSUFFICIENT_MEM;

	cmd.controller = info.out_controller;
	ret = connect_import(&handle->import, &cmd);
	if (ret) {
		rsm_handle_free(handle);
		return ret;
	}
	*im_memseg = (rsm_memseg_import_handle_t)handle->value;
	rsm_handle_release(handle);
	return RSM_SUCCESS;
}

int rsm_memseg_import_disconnect(rsm_memseg_import_handle_t im_memseg)
{
	struct rsm_handle *handle = hold(im_memseg);

	if (!handle)
		return RSMERR_BAD_SEG_HNDL;
	if (handle->import.map_length) {
		rsm_handle_release(handle);
		return RSMERR_SEG_STILL_MAPPED;
	}
	munmap((void *)handle->import.status, rsm_page_size());
	close(handle->import.fd);
	rsm_handle_free(handle);
	return RSM_SUCCESS;
}

static int perm_to_prot(rsm_permission_t perm)
{
	return (perm & RSM_PERM_READ ? PROT_READ : PROT_NONE) |
	       (perm & RSM_PERM_WRITE ? PROT_WRITE : PROT_NONE);
}

static int check_map(const struct rsm_import *import, const void *address,
		     rsm_attribute_t attr, rsm_permission_t perm, off_t offset,
		     size_t length)
{
	size_t page_mask = rsm_page_size() - 1;

	if (import->map_length)
		return RSMERR_SEG_ALREADY_MAPPED;
	if (perm & ~RSM_PERM_RDWR)
		return RSMERR_BAD_PERMS;
	if (!length || length > import->length)
		return RSMERR_BAD_LENGTH;
	if (offset < 0 || (uint64_t)offset > import->length - length)
		return RSMERR_BAD_LENGTH;
	if (offset & page_mask)
		return RSMERR_BAD_MEM_ALIGNMENT;
	if ((attr & RSM_MAP_FIXED) && ((uintptr_t)address & page_mask))
		return RSMERR_BAD_MEM_ALIGNMENT;
	return RSM_SUCCESS;
}

/*
 * To Linux a hint of more than 47 bits is a request for an address that is as
 * long, which other code may not cope with. It is likely not even a hint, as
 * *address need not be set.
 */
static void *usable_hint(void *hint)
{
	return (uint64_t)(uintptr_t)hint >> 47 ? NULL : hint;
}

static int map(struct rsm_import *import, void **address, rsm_attribute_t attr,
	       rsm_permission_t perm, off_t offset, size_t length)
{
	size_t page_mask = rsm_page_size() - 1;
	int flags = attr & RSM_MAP_FIXED ? MAP_FIXED : 0;
	void *addr;
	int ret;

	if (!address)
		return RSMERR_BAD_ADDR;
	ret = check_map(import, *address, attr, perm, offset, length);
	if (ret)
		return ret;
	addr = flags ? *address : usable_hint(*address);
	length = (length + page_mask) & ~page_mask;
	ret = rsm_mmap(&addr, length, perm_to_prot(perm), MAP_SHARED | flags,
		       import->fd, offset);
	if (ret)
		return ret;
	import->map = addr;
	import->map_length = length;
	*address = addr;
	return RSM_SUCCESS;
}

int rsm_memseg_import_map(rsm_memseg_import_handle_t im_memseg, void **address,
			  rsm_attribute_t attr, rsm_permission_t perm,
			  off_t offset, size_t length)
{
	struct rsm_handle *handle = hold(im_memseg);
	int ret;

	if (!handle)
		return RSMERR_BAD_SEG_HNDL;
	ret = map(&handle->import, address, attr, perm, offset, length);
	rsm_handle_release(handle);
	return ret;
}

int rsm_memseg_import_unmap(rsm_memseg_import_handle_t im_memseg)
{
	struct rsm_handle *handle = hold(im_memseg);
	int ret = RSMERR_SEG_NOT_MAPPED;

	if (!handle)
		return RSMERR_BAD_SEG_HNDL;
	if (handle->import.map_length) {
		munmap(handle->import.map, handle->import.map_length);
		handle->import.map_length = 0;
		ret = RSM_SUCCESS;
	}
	rsm_handle_release(handle);
	return ret;
}

int rsm_memseg_import_set_mode(rsm_memseg_import_handle_t im_memseg,
			       rsm_barrier_mode_t mode)
{
	struct rsm_handle *handle = hold(im_memseg);
	int ret = RSMERR_BAD_MODE;

	if (!handle)
		return RSMERR_BAD_SEG_HNDL;
	if (mode == RSM_BARRIER_MODE_EXPLICIT ||
	    mode == RSM_BARRIER_MODE_IMPLICIT) {
		handle->import.mode = mode;
		ret = RSM_SUCCESS;
	}
	rsm_handle_release(handle);
	return ret;
}

int rsm_memseg_import_get_mode(rsm_memseg_import_handle_t im_memseg,
			       rsm_barrier_mode_t *mode)
{
	struct rsm_handle *handle = hold(im_memseg);
	int ret = RSMERR_BAD_ADDR;

	if (!handle)
		return RSMERR_BAD_SEG_HNDL;
	if (mode) {
		*mode = handle->import.mode;
		ret = RSM_SUCCESS;
	}
	rsm_handle_release(handle);
	return ret;
}
