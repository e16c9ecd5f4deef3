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
	size_t page_size = rsm_page_size();

	if (!vaddr)
		return rsm_fail(RSMERR_BAD_ADDR, "vaddr is NULL");
	if (!length)
		return rsm_fail(RSMERR_BAD_LENGTH, "length is 0");
	if ((uintptr_t)vaddr % page_size)
		return rsm_fail(RSMERR_BAD_MEM_ALIGNMENT, RSM_NOT_ALIGNED,
				"address", (uintmax_t)(uintptr_t)vaddr,
				page_size);
	if (length % page_size)
		return rsm_fail(RSMERR_BAD_MEM_ALIGNMENT, RSM_NOT_ALIGNED,
				"length", (uintmax_t)length, page_size);
	if (info->out_max_export_size && length > info->out_max_export_size)
		return rsm_fail(RSMERR_BAD_LENGTH,
				"length %zu is more than the controller takes, %llu",
				length, info->out_max_export_size);
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
		return rsm_fail(RSMERR_BAD_SEG_HNDL, "memseg is NULL");
	*memseg = NULL;
	ret = check_range(&info, vaddr, length);
	if (ret)
		return ret;
	handle = rsm_handle_new(RSM_HANDLE_EXPORT);
	if (!handle)
		return rsm_handle_fail_new();

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
	int ret;

	if (!handle)
		return rsm_handle_fail(memseg, RSM_HANDLE_EXPORT);
	if (handle->seg.pollfds) {
		ret = rsm_segment_fail_pollfds(&handle->seg);
		rsm_handle_release(handle);
		return ret;
	}
	rsm_handle_end(handle);
	/* Refused to a child, which has but its copy of the descriptor. */
	(void)rsm_try_ioctl(handle->seg.fd, RSM_EXPORT_DESTROY, &cmd,
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
	int ret;

	(void)off;
	if (!handle)
		return rsm_handle_fail(memseg, RSM_HANDLE_EXPORT);
	if (vaddr)
		ret = rsm_ioctl(handle->seg.fd, RSM_EXPORT_REBIND, &cmd,
				&cmd.out_error);
	else
		ret = rsm_fail(RSMERR_BAD_ADDR, "vaddr is NULL");
	rsm_handle_unshare(handle);
	return ret;
}

static int check_list(const rsmapi_access_entry_t *list, uint_t length)
{
	if (length && !list)
		return rsm_fail(RSMERR_BAD_ACL,
				"access_list is NULL, and its length %u",
				length);
	return RSM_SUCCESS;
}

/* Ids that applications may not choose; 0 is no choice. */
static bool segid_reserved(rsm_memseg_id_t id)
{
	return id && (id <= RSM_DLPI_ID_END || id >= RSM_USER_APP_ID_BASE);
}

static int fail_reserved(rsm_memseg_id_t id)
{
	return rsm_fail(RSMERR_RESERVED_SEGID,
			"segment id %#x is reserved: take one from %#x to %#x, or 0 to be given one",
			id, RSM_DLPI_ID_END + 1, RSM_USER_APP_ID_BASE - 1);
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

	ret = check_list(access_list, access_list_length);
	if (ret)
		return ret;
	if (handle->export.published)
		return rsm_fail_plain(RSMERR_SEG_ALREADY_PUBLISHED);
	if (segid_reserved(*segment_id))
		return fail_reserved(*segment_id);
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
		return rsm_fail(RSMERR_BAD_SEGID, "segment_id is NULL");
	handle = hold(memseg);
	if (!handle)
		return rsm_handle_fail(memseg, RSM_HANDLE_EXPORT);
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

	int ret;

	if (!handle->export.published)
		return rsm_fail_plain(RSMERR_SEG_NOT_PUBLISHED);
	ret = check_list(access_list, access_list_length);
	if (ret)
		return ret;
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
		return rsm_handle_fail(memseg, RSM_HANDLE_EXPORT);
	ret = republish(handle, access_list, access_list_length);
	rsm_handle_release(handle);
	return ret;
}

static int unpublish(struct rsm_handle *handle)
{
	struct rsm_export_unpublish cmd = { .size = sizeof(cmd) };
	int ret;

	if (!handle->export.published)
		return rsm_fail_plain(RSMERR_SEG_NOT_PUBLISHED);
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
		return rsm_handle_fail(memseg, RSM_HANDLE_EXPORT);
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
		return rsm_fail(RSMERR_BAD_ADDR, "ticket is NULL");
	if (perm & ~RSM_PERM_RDWR)
		return rsm_fail(RSMERR_BAD_PERMS, RSM_OTHER_BITS, perm);
	if (!handle->export.published)
		return rsm_fail_plain(RSMERR_SEG_NOT_PUBLISHED);
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
		return rsm_handle_fail(memseg, RSM_HANDLE_EXPORT);
	ret = grant(handle, perm, ticket);
	rsm_handle_unshare(handle);
	return ret;
}
