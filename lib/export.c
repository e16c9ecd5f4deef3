// SPDX-License-Identifier: LGPL-2.1-or-later
#include <assert.h>

#include "internal.h"

/* Access lists and flags are handed to the kernel as they are. */
static_assert(sizeof(rsmapi_access_entry_t) == sizeof(struct rsm_access_entry),
	      "layout");
static_assert((int)RSM_ALLOW_REBIND == (int)RSM_EXPORT_ALLOW_REBIND, "value");
static_assert((int)RSM_CREATE_SEG_DONTWAIT == (int)RSM_EXPORT_DONTWAIT,
	      "value");
static_assert((int)RSM_LOCK_OPS == (int)RSM_EXPORT_LOCK_OPS, "value");

static struct rsm_handle *hold(rsm_memseg_export_handle_t memseg)
{
	return rsm_handle_hold(memseg, RSM_HANDLE_EXPORT);
}

static struct rsm_handle *share(rsm_memseg_export_handle_t memseg)
{
	return rsm_handle_share(memseg, RSM_HANDLE_EXPORT);
}

static int check_range(const struct rsm_controller_info *info,
		       const void *vaddr, size_t length)
{
	if (!vaddr)
		return RSMERR_BAD_ADDR;
	if (!length)
		return RSMERR_BAD_LENGTH;
	if (((uintptr_t)vaddr | length) & (rsm_page_size() - 1))
		return RSMERR_BAD_MEM_ALIGNMENT;
	if (info->out_max_export_size && length > info->out_max_export_size)
		return RSMERR_BAD_LENGTH;
	return RSM_SUCCESS;
}

static int create(struct rsm_handle *handle, struct rsm_export_create *cmd)
{
	int ret = rsm_control(RSM_EXPORT_CREATE, cmd, &cmd->out_error,
			      RSMERR_INSUFFICIENT_RESOURCES);

	if (ret)
		return ret;
	handle->export.published = false;
	handle->seg = (struct rsm_segment){ .fd = cmd->out_fd };
	return RSM_SUCCESS;
}

int rsm_memseg_export_create(rsmapi_controller_handle_t controller,
			     rsm_memseg_export_handle_t *memseg, void *vaddr,
			     size_t length, uint_t flags)
{
	struct rsm_export_create cmd = {
		.size = sizeof(cmd),
		.flags = flags & (RSM_ALLOW_REBIND | RSM_CREATE_SEG_DONTWAIT |
				  RSM_LOCK_OPS),
		.vaddr = (uintptr_t)vaddr,
		.length = length,
	};
	struct rsm_controller_info info;
	struct rsm_handle *handle;
	int ret;

	ret = rsm_ctlr_info(controller, &info);
	if (ret)
		return ret;
	if (!memseg)
		return RSMERR_BAD_SEG_HNDL;
	*memseg = NULL;
	ret = check_range(&info, vaddr, length);
	if (ret)
		return ret;
	handle = rsm_handle_new(RSM_HANDLE_EXPORT);
	if (!handle)
		return RSMERR_INSUFFICIENT_MEM;

	cmd.controller = info.out_controller;
	ret = create(handle, &cmd);
	if (ret) {
		rsm_handle_free(handle);
		return ret;
	}
	*memseg = (rsm_memseg_export_handle_t)handle->value;
	rsm_handle_release(handle);
	return RSM_SUCCESS;
}

int rsm_memseg_export_destroy(rsm_memseg_export_handle_t memseg)
{
	struct rsm_export_destroy cmd = { .size = sizeof(cmd) };
	struct rsm_handle *handle = hold(memseg);

	if (!handle)
		return RSMERR_BAD_SEG_HNDL;
	if (handle->seg.pollfds) {
		rsm_handle_release(handle);
		return RSMERR_POLLFD_IN_USE;
	}
	rsm_handle_end(handle);
	/* Refused to a child, which has but its copy of the descriptor. */
	(void)rsm_ioctl(handle->seg.fd, RSM_EXPORT_DESTROY, &cmd,
			&cmd.out_error);
	rsm_segment_close(handle);
	rsm_handle_free(handle);
	return RSM_SUCCESS;
}

int rsm_memseg_export_rebind(rsm_memseg_export_handle_t memseg, void *vaddr,
			     offset_t off, size_t length)
{
	struct rsm_export_rebind cmd = {
		.size = sizeof(cmd),
		.vaddr = (uintptr_t)vaddr,
		.length = length,
	};
	struct rsm_handle *handle = share(memseg);
	int ret = RSMERR_BAD_ADDR;

	(void)off;
	if (!handle)
		return RSMERR_BAD_SEG_HNDL;
	if (vaddr)
		ret = rsm_ioctl(handle->seg.fd, RSM_EXPORT_REBIND, &cmd,
				&cmd.out_error);
	rsm_handle_unshare(handle);
	return ret;
}

/* Ids that applications may not choose; 0 is no choice. */
static bool segid_reserved(rsm_memseg_id_t id)
{
	return id && (id <= RSM_DLPI_ID_END || id >= RSM_USER_APP_ID_BASE);
}

static int publish(struct rsm_handle *handle, rsm_memseg_id_t *segment_id,
		   const rsmapi_access_entry_t *access_list,
		   uint_t access_list_length)
{
	struct rsm_export_publish cmd = {
		.size = sizeof(cmd),
		.acl = (uintptr_t)access_list,
		.acl_count = access_list_length,
		.segid = *segment_id,
	};
	int ret;

	if (access_list_length && !access_list)
		return RSMERR_BAD_ACL;
	if (handle->export.published)
		return RSMERR_SEG_ALREADY_PUBLISHED;
	if (segid_reserved(*segment_id))
		return RSMERR_RESERVED_SEGID;
	ret = rsm_ioctl(handle->seg.fd, RSM_EXPORT_PUBLISH, &cmd,
			&cmd.out_error);
	if (ret)
		return ret;
	handle->export.published = true;
	*segment_id = cmd.out_segid;
	return RSM_SUCCESS;
}

int rsm_memseg_export_publish(rsm_memseg_export_handle_t memseg,
			      rsm_memseg_id_t *segment_id,
			      rsmapi_access_entry_t access_list[],
			      uint_t access_list_length)
{
	struct rsm_handle *handle;
	int ret;

	if (!segment_id)
		return RSMERR_BAD_SEGID;
	handle = hold(memseg);
	if (!handle)
		return RSMERR_BAD_SEG_HNDL;
	ret = publish(handle, segment_id, access_list, access_list_length);
	rsm_handle_release(handle);
	return ret;
}

static int republish(struct rsm_handle *handle,
		     const rsmapi_access_entry_t *access_list,
		     uint_t access_list_length)
{
	struct rsm_export_republish cmd = {
		.size = sizeof(cmd),
		.acl = (uintptr_t)access_list,
		.acl_count = access_list_length,
	};

	if (!handle->export.published)
		return RSMERR_SEG_NOT_PUBLISHED;
	if (access_list_length && !access_list)
		return RSMERR_BAD_ACL;
	return rsm_ioctl(handle->seg.fd, RSM_EXPORT_REPUBLISH, &cmd,
			 &cmd.out_error);
}

int rsm_memseg_export_republish(rsm_memseg_export_handle_t memseg,
				rsmapi_access_entry_t access_list[],
				uint_t access_list_length)
{
	struct rsm_handle *handle = hold(memseg);
	int ret;

	if (!handle)
		return RSMERR_BAD_SEG_HNDL;
	ret = republish(handle, access_list, access_list_length);
	rsm_handle_release(handle);
	return ret;
}

static int unpublish(struct rsm_handle *handle)
{
	struct rsm_export_unpublish cmd = { .size = sizeof(cmd) };
	int ret;

	if (!handle->export.published)
		return RSMERR_SEG_NOT_PUBLISHED;
	ret = rsm_ioctl(handle->seg.fd, RSM_EXPORT_UNPUBLISH, &cmd,
			&cmd.out_error);
	if (!ret)
		handle->export.published = false;
	return ret;
}

int rsm_memseg_export_unpublish(rsm_memseg_export_handle_t memseg)
{
	struct rsm_handle *handle = hold(memseg);
	int ret;

	if (!handle)
		return RSMERR_BAD_SEG_HNDL;
	ret = unpublish(handle);
	rsm_handle_release(handle);
	return ret;
}

static int grant(const struct rsm_handle *handle, rsm_permission_t perm,
		 int *ticket)
{
	struct rsm_export_grant cmd = { .size = sizeof(cmd), .rights = perm };
	int ret;

	if (!ticket)
		return RSMERR_BAD_ADDR;
	if (perm & ~RSM_PERM_RDWR)
		return RSMERR_BAD_PERMS;
	if (!handle->export.published)
		return RSMERR_SEG_NOT_PUBLISHED;
	ret = rsm_ioctl(handle->seg.fd, RSM_EXPORT_GRANT, &cmd,
			&cmd.out_error);
	if (!ret)
		*ticket = cmd.out_fd;
	return ret;
}

int rsm_memseg_export_grant(rsm_memseg_export_handle_t memseg,
			    rsm_permission_t perm, int *ticket)
{
	struct rsm_handle *handle = share(memseg);
	int ret;

	if (!handle)
		return RSMERR_BAD_SEG_HNDL;
	ret = grant(handle, perm, ticket);
	rsm_handle_unshare(handle);
	return ret;
}
