// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "internal.h"

static struct rsm_handle *hold(rsm_memseg_import_handle_t im_memseg)
{
	return rsm_handle_hold(im_memseg, RSM_HANDLE_IMPORT);
}

/* To be called after any change of what it looks at. */
void rsm_import_update(struct rsm_handle *handle)
{
	const struct rsm_import *import = &handle->import;
	bool ready = import->mapped && import->span >= sizeof(uint64_t) &&
		     (import->barrier ||
		      import->mode == RSM_BARRIER_MODE_EXPLICIT);

	handle->ready = ready ? import->rights : RSM_PERM_NONE;
}

static void remove_mapping(struct rsm_handle *handle)
{
	struct rsm_import *import = &handle->import;
	uint64_t span = import->span;

	/* First, as a child may be forked meanwhile, and is to believe it. */
	__atomic_store_n(&import->mapped, false, __ATOMIC_SEQ_CST);
	import->implicit = false;
	import->first = 0;
	import->span = import->length;
	import->rights = import->granted;
	rsm_import_update(handle);
	munmap(import->map, span);
}

/* Make @handle that of a new import. */
static void open_import(struct rsm_handle *handle, int fd, uint64_t length,
			rsm_permission_t granted, __u32 flags)
{
	handle->import = (struct rsm_import){
		.mode = RSM_BARRIER_MODE_IMPLICIT,
		.flags = flags,
		.length = length,
		.granted = granted,
		.span = length,
		.rights = granted,
	};
	handle->seg = (struct rsm_segment){ .fd = fd };
}

/* Give the caller a new handle if @ret says that it was opened. */
static int hand_out(struct rsm_handle *handle, int ret,
		    rsm_memseg_import_handle_t *im_memseg)
{
	if (ret) {
		rsm_handle_free(handle);
		return ret;
	}
	*im_memseg = (rsm_memseg_import_handle_t)handle->value;
	rsm_handle_release(handle);
	return RSM_SUCCESS;
}

static int connect_import(struct rsm_handle *handle,
			  const struct rsm_controller_info *info,
			  struct rsm_import_connect *cmd)
{
	int ret;

	cmd->controller = info->out_controller;
	ret = rsm_control(RSM_IMPORT_CONNECT, cmd, &cmd->out_error,
			  RSMERR_INSUFFICIENT_RESOURCES);
	if (ret)
		return ret;
	open_import(handle, cmd->out_fd, cmd->out_length, cmd->out_rights,
		    cmd->out_flags);
	/* Not with a ticket, which is for a segment of this machine. */
	handle->import.fenced = !info->out_direct_access_sizes &&
				cmd->out_rights & RSM_PERM_WRITE;
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
		return rsm_fail(RSMERR_BAD_SEG_HNDL, "im_memseg is NULL");
	if (perm & ~RSM_PERM_RDWR)
		return rsm_fail(RSMERR_PERM_DENIED, RSM_OTHER_BITS, perm);
	handle = rsm_handle_new(RSM_HANDLE_IMPORT);
	if (!handle)
		return rsm_handle_fail_new();

	ret = connect_import(handle, &info, &cmd);
	return hand_out(handle, ret, im_memseg);
}

static int fail_ticket(int ticket)
{
	return rsm_fail(RSMERR_BAD_ADDR, "descriptor %d is not a ticket",
			ticket);
}

static int redeem(struct rsm_handle *handle, int ticket, rsm_permission_t perm)
{
	struct rsm_ticket_connect cmd = {
		.size = sizeof(cmd),
		.perm = perm,
		.out_fd = -1,
	};
	int ret = rsm_ioctl(ticket, RSM_TICKET_CONNECT, &cmd, &cmd.out_error);

	switch (ret) {
	case RSM_SUCCESS:
		break;
	case RSMERR_BAD_PERMS:
		return rsm_fail(RSMERR_PERM_DENIED, RSM_OTHER_BITS, perm);
	case RSMERR_BAD_SEG_HNDL:
	case RSMERR_INTERNAL_ERROR:
		/* a descriptor that is closed, or another driver's */
		return fail_ticket(ticket);
	default:
		return ret;
	}
	if (cmd.out_fd < 0)
		return fail_ticket(ticket);
	open_import(handle, cmd.out_fd, cmd.out_length, cmd.out_rights,
		    cmd.out_flags);
	return RSM_SUCCESS;
}

int rsm_memseg_import_redeem(int ticket, rsm_permission_t perm,
			     rsm_memseg_import_handle_t *im_memseg)
{
	struct rsm_handle *handle;

	if (!im_memseg)
		return rsm_fail(RSMERR_BAD_SEG_HNDL, "im_memseg is NULL");
	handle = rsm_handle_new(RSM_HANDLE_IMPORT);
	if (!handle)
		return rsm_handle_fail_new();
	return hand_out(handle, redeem(handle, ticket, perm), im_memseg);
}

static int check_disconnect(const struct rsm_handle *handle)
{
	if (handle->import.mapped)
		return rsm_fail(RSMERR_SEG_STILL_MAPPED,
				"the segment is mapped at %p: rsm_memseg_import_unmap() comes first",
				handle->import.map);
	if (handle->seg.pollfds)
		return rsm_segment_fail_pollfds(&handle->seg);
	return RSM_SUCCESS;
}

int rsm_memseg_import_disconnect(rsm_memseg_import_handle_t im_memseg)
{
	struct rsm_handle *handle = hold(im_memseg);
	int ret;

	if (!handle)
		return rsm_handle_fail(im_memseg, RSM_HANDLE_IMPORT);
	if (handle->import.mapped && handle->import.implicit)
		remove_mapping(handle);
	ret = check_disconnect(handle);
	if (ret) {
		rsm_handle_release(handle);
		return ret;
	}
	rsm_handle_end(handle);
	rsm_segment_close(handle);
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
	size_t page_size = rsm_page_size();

	if (import->mapped)
		return rsm_fail(RSMERR_SEG_ALREADY_MAPPED,
				"the segment is mapped at %p%s: rsm_memseg_import_unmap() comes first",
				import->map,
				import->implicit ? " by a get or put" : "");
	if (perm & ~RSM_PERM_RDWR)
		return rsm_fail(RSMERR_BAD_PERMS, RSM_OTHER_BITS, perm);
	if (!length || length > import->length || offset < 0 ||
	    (uint64_t)offset > import->length - length)
		return rsm_fail(RSMERR_BAD_LENGTH,
				"%zu bytes at offset %#jx are not within the segment of %ju bytes",
				length, offset, import->length);
	if (offset % page_size)
		return rsm_fail(RSMERR_BAD_MEM_ALIGNMENT, RSM_NOT_ALIGNED,
				"offset", (uintmax_t)offset, page_size);
	if ((attr & RSM_MAP_FIXED) && (uintptr_t)address % page_size)
		return rsm_fail(RSMERR_BAD_MEM_ALIGNMENT, RSM_NOT_ALIGNED,
				"address", (uintmax_t)(uintptr_t)address,
				page_size);
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

/*
 * Map, and let get and put go there. The length need not be a multiple of the
 * page size; the rest of the last page is mapped, too, but not theirs. Returns
 * 0 or an errno.
 */
static int add_mapping(struct rsm_handle *handle, void **address, int flags,
		       rsm_permission_t perm, off_t offset, size_t length)
{
	struct rsm_import *import = &handle->import;
	int error;

	error = rsm_try_mmap(address, length, perm_to_prot(perm),
			     MAP_SHARED | flags, handle->seg.fd, offset);
	if (error)
		return error;
	import->map = *address;
	import->first = offset;
	import->span = length;
	import->rights = perm;
	/* Last, for the sake of children as well. */
	__atomic_store_n(&import->mapped, true, __ATOMIC_RELEASE);
	rsm_import_update(handle);
	return 0;
}

static int fail_status(int error)
{
	if (error == EBADF)
		return rsm_fail(rsm_mmap_error(error), RSM_FD_CLOSED);
	return rsm_fail(RSMERR_INSUFFICIENT_MEM,
			"no memory to map the status page (%s): see RLIMIT_AS, and vm.max_map_count",
			strerrorname_np(error));
}

static int fail_mapping(int error, rsm_permission_t perm, size_t length)
{
	int ret = rsm_mmap_error(error);

	switch (error) {
	case EACCES:
		return rsm_fail(ret, "connected without %s",
				perm & RSM_PERM_WRITE ?
					"RSM_PERM_RDWR, which such a mapping needs" :
					"RSM_PERM_READ, which a mapping needs");
	case EAGAIN:
		return rsm_fail(ret, "the connection has too many mappings, those of children and of parts included");
	case EBADF:
		return rsm_fail(ret, RSM_FD_CLOSED);
	case ENODEV:
		return rsm_fail_plain(ret);
	case ENOMEM:
		return rsm_fail(ret, "no room to map %zu bytes: see RLIMIT_AS, and vm.max_map_count",
				length);
	case EOPNOTSUPP:
		return rsm_fail(ret, "the controller's connections cannot be mapped: use get and put");
	}
	return rsm_fail(ret, "mmap() failed (%s)", strerrorname_np(error));
}

static int map(struct rsm_handle *handle, void **address, rsm_attribute_t attr,
	       rsm_permission_t perm, off_t offset, size_t length)
{
	int flags = attr & RSM_MAP_FIXED ? MAP_FIXED : 0;
	void *addr;
	int ret;

	if (!address)
		return rsm_fail(RSMERR_BAD_ADDR, "address is NULL");
	ret = check_map(&handle->import, *address, attr, perm, offset, length);
	if (ret)
		return ret;
	ret = rsm_segment_map_status(&handle->seg);
	if (ret)
		return fail_status(ret);
	addr = flags ? *address : usable_hint(*address);
	ret = add_mapping(handle, &addr, flags, perm, offset, length);
	if (ret)
		return fail_mapping(ret, perm, length);
	*address = addr;
	return RSM_SUCCESS;
}

/*
 * For get and put: map all of a segment that is held, as far as its rights
 * go. Where that cannot be, the kernel is to copy; and later as well, unless
 * it was for a lack of something, or the connection is gone.
 */
void rsm_import_map_whole(struct rsm_handle *handle)
{
	struct rsm_import *import = &handle->import;
	void *addr = NULL;
	int error;

	if (import->mapped || rsm_segment_map_status(&handle->seg))
		return;
	/* Before it is mapped, so that a child does not take it for another. */
	import->implicit = true;
	error = add_mapping(handle, &addr, 0, import->granted, 0,
			    import->length);
	if (!error)
		return;
	switch (rsm_mmap_error(error)) {
	case RSMERR_BAD_PERMS:
	case RSMERR_MAP_FAILED:
		import->unmappable = true;
	}
	import->implicit = false;
}

int rsm_memseg_import_map(rsm_memseg_import_handle_t im_memseg, void **address,
			  rsm_attribute_t attr, rsm_permission_t perm,
			  off_t offset, size_t length)
{
	struct rsm_handle *handle = hold(im_memseg);
	int ret;

	if (!handle)
		return rsm_handle_fail(im_memseg, RSM_HANDLE_IMPORT);
	ret = map(handle, address, attr, perm, offset, length);
	rsm_handle_release(handle);
	return ret;
}

int rsm_memseg_import_unmap(rsm_memseg_import_handle_t im_memseg)
{
	struct rsm_handle *handle = hold(im_memseg);
	int ret = RSM_SUCCESS;

	if (!handle)
		return rsm_handle_fail(im_memseg, RSM_HANDLE_IMPORT);
	if (handle->import.mapped)
		remove_mapping(handle);
	else
		ret = rsm_fail(RSMERR_SEG_NOT_MAPPED,
			       "the connection has no mapping");
	rsm_handle_release(handle);
	return ret;
}

int rsm_memseg_import_set_mode(rsm_memseg_import_handle_t im_memseg,
			       rsm_barrier_mode_t mode)
{
	struct rsm_handle *handle = hold(im_memseg);
	int ret = RSM_SUCCESS;

	if (!handle)
		return rsm_handle_fail(im_memseg, RSM_HANDLE_IMPORT);
	if (mode == RSM_BARRIER_MODE_EXPLICIT ||
	    mode == RSM_BARRIER_MODE_IMPLICIT) {
		handle->import.mode = mode;
		rsm_import_update(handle);
	} else {
		ret = rsm_fail(RSMERR_BAD_MODE,
			       "mode %d is not RSM_BARRIER_MODE_EXPLICIT or RSM_BARRIER_MODE_IMPLICIT",
			       mode);
	}
	rsm_handle_release(handle);
	return ret;
}

int rsm_memseg_import_get_mode(rsm_memseg_import_handle_t im_memseg,
			       rsm_barrier_mode_t *mode)
{
	struct rsm_handle *handle = rsm_handle_share(im_memseg,
						     RSM_HANDLE_IMPORT);
	int ret = RSM_SUCCESS;

	if (!handle)
		return rsm_handle_fail(im_memseg, RSM_HANDLE_IMPORT);
	if (mode)
		*mode = handle->import.mode;
	else
		ret = rsm_fail(RSMERR_BAD_ADDR, "mode is NULL");
	rsm_handle_unshare(handle);
	return ret;
}
