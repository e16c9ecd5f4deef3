/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * Remote Shared Memory: the interface of /dev/rsmctl.
 */
#ifndef _UAPI_LINUX_RSMCTL_H
#define _UAPI_LINUX_RSMCTL_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * DOC: general rules
 *
 * /dev/rsmctl is the control node. An ioctl on it returns a new close-on-exec
 * descriptor for each export and each import; that descriptor is the handle:
 * closing its last copy ends what it stands for.
 *
 * Every ioctl takes a structure whose first field is its size in bytes, as
 * the caller knows it, at most a page. A kernel that knows a longer structure
 * takes the missing part as zero; a kernel that knows a shorter one accepts
 * the rest if it is zero. Structures are the same for 32 and 64 bit callers.
 *
 * errno of all ioctls:
 *
 *  - ENOTTY: no such ioctl on a descriptor of this kind.
 *  - EINVAL: the structure is shorter than the first release's.
 *  - E2BIG: the structure is longer than this kernel's and the rest is not
 *    zero, or longer than a page.
 *  - EOPNOTSUPP: an unknown flag, or a reserved field that is not zero.
 *  - EFAULT: the structure cannot be read or written.
 *  - EINTR: a fatal signal arrived while waiting; nothing was changed.
 *
 * Any other failure also sets out_error to one of enum rsm_error, which tells
 * apart what errno does not. out_error is zero when errno says it all. The
 * failures above may leave the structure as it was: set out_error to 0 before.
 */

#define RSM_TYPE 0xBA
#define RSM_CMD_BASE 0x80

/* Numbers of the ioctls; a number is never used again for something else. */
enum {
	RSM_CMD_CONTROLLER_INFO = RSM_CMD_BASE,
	RSM_CMD_EXPORT_CREATE,
	RSM_CMD_EXPORT_REBIND,
	RSM_CMD_EXPORT_PUBLISH,
	RSM_CMD_EXPORT_REPUBLISH,
	RSM_CMD_EXPORT_UNPUBLISH,
	RSM_CMD_EXPORT_DESTROY,
	RSM_CMD_IMPORT_CONNECT,
};

/**
 * enum rsm_error - what went wrong, in the terms of RSMAPI
 * @RSM_ERR_NONE: nothing, or errno says it all
 * @RSM_ERR_CTLR_NOT_PRESENT: no such controller, or it does not reach the node
 * @RSM_ERR_BAD_SEG_HNDL: the segment has ended
 * @RSM_ERR_SEG_ALREADY_PUBLISHED: publish of a published segment
 * @RSM_ERR_SEG_NOT_PUBLISHED: no such segment id, or not published
 * @RSM_ERR_SEG_NOT_PUBLISHED_TO_NODE: the importing node is not listed
 * @RSM_ERR_NOT_CREATOR: the caller is not the process that made the segment
 * @RSM_ERR_BAD_ADDR: an address that cannot be used
 * @RSM_ERR_BAD_MEM_ALIGNMENT: an address or length not a multiple of the page
 * @RSM_ERR_BAD_LENGTH: zero, too long, or not the segment's length
 * @RSM_ERR_BAD_ACL: an access list that the controller does not take
 * @RSM_ERR_RESERVED_SEGID: a segment id that applications may not choose
 * @RSM_ERR_SEGID_IN_USE: the segment id is published already
 * @RSM_ERR_BAD_PERMS: permission bits other than 0600
 * @RSM_ERR_PERM_DENIED: the access list or the memory's protection forbids it
 * @RSM_ERR_LOCKS_NOT_SUPPORTED: the controller has no lock operations
 * @RSM_ERR_REBIND_NOT_ALLOWED: created without RSM_EXPORT_ALLOW_REBIND
 * @RSM_ERR_INSUFFICIENT_RESOURCES: no descriptor, segment or id left
 * @RSM_ERR_INSUFFICIENT_MEM: out of memory, or over a memory limit
 * @RSM_ERR_INTERRUPTED: a signal arrived; nothing was changed
 *
 * The values are those of the RSMERR_ constants of <rsmapi.h>.
 */
enum rsm_error {
	RSM_ERR_NONE = 0,
	RSM_ERR_CTLR_NOT_PRESENT = 4,
	RSM_ERR_BAD_SEG_HNDL = 5,
	RSM_ERR_SEG_ALREADY_PUBLISHED = 6,
	RSM_ERR_SEG_NOT_PUBLISHED = 7,
	RSM_ERR_SEG_NOT_PUBLISHED_TO_NODE = 8,
	RSM_ERR_NOT_CREATOR = 12,
	RSM_ERR_BAD_ADDR = 16,
	RSM_ERR_BAD_MEM_ALIGNMENT = 17,
	RSM_ERR_BAD_LENGTH = 20,
	RSM_ERR_BAD_ACL = 21,
	RSM_ERR_RESERVED_SEGID = 23,
	RSM_ERR_SEGID_IN_USE = 24,
	RSM_ERR_BAD_PERMS = 26,
	RSM_ERR_PERM_DENIED = 27,
	RSM_ERR_LOCKS_NOT_SUPPORTED = 28,
	RSM_ERR_REBIND_NOT_ALLOWED = 30,
	RSM_ERR_INSUFFICIENT_RESOURCES = 31,
	RSM_ERR_INSUFFICIENT_MEM = 32,
	RSM_ERR_INTERRUPTED = 41,
};

/* Longest controller name, with its terminating zero, in bytes. */
#define RSM_CONTROLLER_NAME_MAX 16

/**
 * struct rsm_controller_info - ioctl(RSM_CONTROLLER_INFO) on the control node
 * @size: sizeof(struct rsm_controller_info)
 * @flags: must be 0
 * @name: name of the controller, zero terminated, case ignored; "loopback"
 *        always exists
 * @out_controller: id of the controller, for other ioctls
 * @out_node: node id of this machine on that controller
 * @out_direct_access_sizes: bit i set: loads and stores of 2^i bytes on a
 *        mapped import reach the segment; 0: imports cannot be mapped
 * @out_atomic_sizes: bit i set: accesses of 2^i bytes are atomic
 * @out_page_sizes: bit i set: pages of 1024 * 2^i bytes can be exported
 * @out_max_export_size: longest segment in bytes; 0: not limited by the
 *        controller
 * @out_total_export_size: sum of all segments in bytes; 0: not limited
 * @out_max_exports: number of segments; 0: not limited
 * @out_max_import_size: longest mapping in bytes; 0: not limited
 * @out_total_import_size: sum of all mappings in bytes; 0: not limited
 * @out_max_imports: number of imports; 0: not limited
 * @out_error: enum rsm_error
 * @__reserved: must be 0
 *
 * Describe a controller. Errors: RSM_ERR_CTLR_NOT_PRESENT (ENODEV).
 */
struct rsm_controller_info {
	__u32 size;
	__u32 flags;
	char name[RSM_CONTROLLER_NAME_MAX];
	__u32 out_controller;
	__u32 out_node;
	__u32 out_direct_access_sizes;
	__u32 out_atomic_sizes;
	__aligned_u64 out_page_sizes;
	__aligned_u64 out_max_export_size;
	__aligned_u64 out_total_export_size;
	__aligned_u64 out_max_exports;
	__aligned_u64 out_max_import_size;
	__aligned_u64 out_total_import_size;
	__aligned_u64 out_max_imports;
	__u32 out_error;
	__u32 __reserved;
};

#define RSM_CONTROLLER_INFO _IO(RSM_TYPE, RSM_CMD_CONTROLLER_INFO)

/**
 * enum rsm_export_flags - flags of RSM_EXPORT_CREATE
 * @RSM_EXPORT_ALLOW_REBIND: RSM_EXPORT_REBIND is allowed
 * @RSM_EXPORT_DONTWAIT: the controller must not wait for resources of its own
 */
enum rsm_export_flags {
	RSM_EXPORT_ALLOW_REBIND = 1 << 0,
	RSM_EXPORT_DONTWAIT = 1 << 1,
};

/**
 * struct rsm_export_create - ioctl(RSM_EXPORT_CREATE) on the control node
 * @size: sizeof(struct rsm_export_create)
 * @flags: any of enum rsm_export_flags
 * @controller: id from RSM_CONTROLLER_INFO
 * @out_fd: the new export descriptor
 * @vaddr: start of the caller's memory, a multiple of the page size
 * @length: length of that memory in bytes, a multiple of the page size,
 *          from one page to RSM_MAX_LENGTH
 * @out_error: enum rsm_error
 * @__reserved: must be 0
 *
 * Pin the caller's memory, which must be writable and anonymous, huge page,
 * or shared memory (SysV, memfd, tmpfs), and make a segment of it. Access is
 * judged by the caller's effective user and group id and umask, as they are
 * now. The pages are charged to the caller's RLIMIT_MEMLOCK.
 *
 * Undone by RSM_EXPORT_DESTROY, by closing the last copy of the descriptor,
 * and when the caller's address space ends (exit, exec).
 *
 * Errors, in the order of the checks: RSM_ERR_CTLR_NOT_PRESENT (ENODEV),
 * RSM_ERR_BAD_ADDR (EFAULT: null), RSM_ERR_BAD_LENGTH (EINVAL: zero),
 * RSM_ERR_BAD_ADDR (EFAULT: not aligned, or past the end of the address
 * space), RSM_ERR_BAD_LENGTH (EINVAL: not a multiple of the page size or too
 * long), RSM_ERR_INSUFFICIENT_RESOURCES (ENOSPC: the number of segments;
 * EMFILE or ENFILE: descriptors), RSM_ERR_INSUFFICIENT_MEM (ENOMEM: a limit
 * or memory), RSM_ERR_BAD_ADDR (EFAULT: not mapped or not such memory),
 * RSM_ERR_PERM_DENIED (EACCES: not writable), RSM_ERR_INTERRUPTED (EINTR).
 */
struct rsm_export_create {
	__u32 size;
	__u32 flags;
	__u32 controller;
	__s32 out_fd;
	__aligned_u64 vaddr;
	__aligned_u64 length;
	__u32 out_error;
	__u32 __reserved;
};

#define RSM_EXPORT_CREATE _IO(RSM_TYPE, RSM_CMD_EXPORT_CREATE)

/* Longest segment in bytes; file offsets from here on have other uses. */
#define RSM_MAX_LENGTH (1ULL << 43)

/**
 * struct rsm_export_rebind - ioctl(RSM_EXPORT_REBIND) on an export
 * @size: sizeof(struct rsm_export_rebind)
 * @flags: must be 0
 * @vaddr: start of the caller's new memory, a multiple of the page size
 * @length: the segment's length in bytes
 * @out_error: enum rsm_error
 * @__reserved: must be 0
 *
 * Pin other memory of the caller and put it in the place of the segment's
 * pages. When the call returns every importer reads and writes the new
 * memory, at the addresses it had before, and the old memory is released.
 * No data is copied. A call that fails changes nothing. Old and new pages
 * are both charged while the call runs.
 *
 * Errors, in the order of the checks: RSM_ERR_REBIND_NOT_ALLOWED (EPERM),
 * RSM_ERR_NOT_CREATOR (EPERM), RSM_ERR_BAD_ADDR (EFAULT: null),
 * RSM_ERR_BAD_LENGTH (EINVAL), RSM_ERR_BAD_SEG_HNDL (ENODEV: the segment has
 * ended), RSM_ERR_BAD_ADDR (EFAULT: not aligned),
 * RSM_ERR_INSUFFICIENT_MEM (ENOMEM), RSM_ERR_BAD_ADDR (EFAULT),
 * RSM_ERR_PERM_DENIED (EACCES: not writable), RSM_ERR_INTERRUPTED (EINTR).
 */
struct rsm_export_rebind {
	__u32 size;
	__u32 flags;
	__aligned_u64 vaddr;
	__aligned_u64 length;
	__u32 out_error;
	__u32 __reserved;
};

#define RSM_EXPORT_REBIND _IO(RSM_TYPE, RSM_CMD_EXPORT_REBIND)

/**
 * struct rsm_access_entry - one entry of an access list
 * @node: node id
 * @perm: permissions of that node's users as octal digits for the exporter's
 *        user, its group, and others; any bits of 0666
 */
struct rsm_access_entry {
	__u32 node;
	__u32 perm;
};

/* Longest access list, in entries. */
#define RSM_ACL_MAX 64

/**
 * struct rsm_export_publish - ioctl(RSM_EXPORT_PUBLISH) on an export
 * @size: sizeof(struct rsm_export_publish)
 * @flags: must be 0
 * @acl: address of an array of struct rsm_access_entry
 * @acl_count: entries of @acl, up to RSM_ACL_MAX; 0: every node, with the
 *             permissions that the creator's umask left at creation
 * @segid: segment id to publish under, 0x200000 to 0x2fffff or 0x400000 to
 *         0x7fffffff; 0: choose one from 0x80000000 up
 * @out_segid: the segment id
 * @out_error: enum rsm_error
 *
 * Let others connect to the segment by its id, which is unique within the
 * IPC namespace of the caller. Undone by RSM_EXPORT_UNPUBLISH and when the
 * segment ends.
 *
 * Errors, in the order of the checks: RSM_ERR_NOT_CREATOR (EPERM),
 * RSM_ERR_BAD_ACL (EINVAL: the number of entries), RSM_ERR_BAD_ADDR (EFAULT:
 * @acl cannot be read), RSM_ERR_BAD_ACL (EINVAL: an entry),
 * RSM_ERR_RESERVED_SEGID (EINVAL), RSM_ERR_BAD_SEG_HNDL (ENODEV: the segment
 * has ended), RSM_ERR_SEG_ALREADY_PUBLISHED (EBUSY), RSM_ERR_SEGID_IN_USE
 * (EEXIST), RSM_ERR_INSUFFICIENT_MEM (ENOMEM), RSM_ERR_INTERRUPTED (EINTR).
 */
struct rsm_export_publish {
	__u32 size;
	__u32 flags;
	__aligned_u64 acl;
	__u32 acl_count;
	__u32 segid;
	__u32 out_segid;
	__u32 out_error;
};

#define RSM_EXPORT_PUBLISH _IO(RSM_TYPE, RSM_CMD_EXPORT_PUBLISH)

/**
 * struct rsm_export_republish - ioctl(RSM_EXPORT_REPUBLISH) on an export
 * @size: sizeof(struct rsm_export_republish)
 * @flags: must be 0
 * @acl: as in struct rsm_export_publish
 * @acl_count: as in struct rsm_export_publish
 * @out_error: enum rsm_error
 *
 * Replace the access list. Present connections keep what they have.
 *
 * Errors, in the order of the checks: RSM_ERR_SEG_NOT_PUBLISHED (ENOENT),
 * RSM_ERR_NOT_CREATOR (EPERM), RSM_ERR_BAD_ACL (EINVAL), RSM_ERR_BAD_ADDR
 * (EFAULT), RSM_ERR_INSUFFICIENT_MEM (ENOMEM).
 */
struct rsm_export_republish {
	__u32 size;
	__u32 flags;
	__aligned_u64 acl;
	__u32 acl_count;
	__u32 out_error;
};

#define RSM_EXPORT_REPUBLISH _IO(RSM_TYPE, RSM_CMD_EXPORT_REPUBLISH)

/**
 * struct rsm_export_unpublish - ioctl(RSM_EXPORT_UNPUBLISH) on an export
 * @size: sizeof(struct rsm_export_unpublish)
 * @flags: must be 0
 * @out_error: enum rsm_error
 * @__reserved: must be 0
 *
 * Free the segment id and abort every import. The segment may be published
 * again. When the call returns no import reads or writes the segment.
 *
 * Errors, in the order of the checks: RSM_ERR_NOT_CREATOR (EPERM),
 * RSM_ERR_SEG_NOT_PUBLISHED (ENOENT), RSM_ERR_INTERRUPTED (EINTR).
 */
struct rsm_export_unpublish {
	__u32 size;
	__u32 flags;
	__u32 out_error;
	__u32 __reserved;
};

#define RSM_EXPORT_UNPUBLISH _IO(RSM_TYPE, RSM_CMD_EXPORT_UNPUBLISH)

/**
 * struct rsm_export_destroy - ioctl(RSM_EXPORT_DESTROY) on an export
 * @size: sizeof(struct rsm_export_destroy)
 * @flags: must be 0
 * @out_error: enum rsm_error
 * @__reserved: must be 0
 *
 * End the segment, whoever else holds its descriptor: unpublish it and
 * release its pages. The descriptor remains and is good for nothing but
 * close() and its status page. Success also when it has ended already.
 *
 * Errors: RSM_ERR_NOT_CREATOR (EPERM).
 */
struct rsm_export_destroy {
	__u32 size;
	__u32 flags;
	__u32 out_error;
	__u32 __reserved;
};

#define RSM_EXPORT_DESTROY _IO(RSM_TYPE, RSM_CMD_EXPORT_DESTROY)

/* Bits of struct rsm_import_connect's @perm and @out_rights. */
#define RSM_RIGHT_READ 0400
#define RSM_RIGHT_WRITE 0200

/**
 * struct rsm_import_connect - ioctl(RSM_IMPORT_CONNECT) on the control node
 * @size: sizeof(struct rsm_import_connect)
 * @flags: must be 0
 * @controller: id from RSM_CONTROLLER_INFO
 * @node: node id of the exporter
 * @segid: segment id
 * @perm: rights wanted: any of RSM_RIGHT_READ and RSM_RIGHT_WRITE
 * @out_length: length of the segment in bytes
 * @out_fd: the new import descriptor
 * @out_rights: rights granted
 * @out_error: enum rsm_error
 * @__reserved: must be 0
 *
 * Connect to a published segment. mmap() the descriptor with MAP_SHARED at
 * offset 0 to the segment's length: loads and stores reach the exporter's
 * memory. mmap() fails with ENXIO for a range outside of the segment, EACCES
 * for a protection beyond the rights (and always for PROT_EXEC, and without
 * RSM_RIGHT_READ), ENODEV when the import was aborted, EAGAIN with thousands
 * of mappings of one import, EINVAL for MAP_PRIVATE.
 *
 * When the exporter unpublishes, destroys or dies the import is aborted:
 * poll() reports POLLERR and POLLHUP, the status page says so, and loads and
 * stores reach a private page of this import.
 *
 * Undone by closing the last copy of the descriptor and unmapping.
 *
 * Errors, in the order of the checks: RSM_ERR_CTLR_NOT_PRESENT (ENODEV: no
 * such controller or node), RSM_ERR_BAD_PERMS (EINVAL),
 * RSM_ERR_SEG_NOT_PUBLISHED (ENOENT), RSM_ERR_SEG_NOT_PUBLISHED_TO_NODE
 * (EACCES), RSM_ERR_PERM_DENIED (EACCES), RSM_ERR_INSUFFICIENT_RESOURCES
 * (ENOSPC, EMFILE, ENFILE), RSM_ERR_INSUFFICIENT_MEM (ENOMEM).
 */
struct rsm_import_connect {
	__u32 size;
	__u32 flags;
	__u32 controller;
	__u32 node;
	__u32 segid;
	__u32 perm;
	__aligned_u64 out_length;
	__s32 out_fd;
	__u32 out_rights;
	__u32 out_error;
	__u32 __reserved;
};

#define RSM_IMPORT_CONNECT _IO(RSM_TYPE, RSM_CMD_IMPORT_CONNECT)

/* File offset in bytes of the status page of an export or import. */
#define RSM_STATUS_OFFSET (1ULL << 43)

/**
 * enum rsm_state - values of struct rsm_status's @state
 * @RSM_STATE_LIVE: the export or import works
 * @RSM_STATE_ABORTED: the import was aborted, or the segment has ended
 */
enum rsm_state {
	RSM_STATE_LIVE = 1,
	RSM_STATE_ABORTED = 2,
};

/**
 * struct rsm_status - first bytes of the status page
 * @state: enum rsm_state; never goes back to RSM_STATE_LIVE
 * @__reserved: 0
 * @rebinds: rebind generation: odd while importers are being moved to other
 *           memory, else twice the number of rebinds. Data read between two
 *           equal even values comes from one set of pages.
 *
 * mmap() one page of an export or import descriptor at RSM_STATUS_OFFSET,
 * MAP_SHARED and PROT_READ. Read the fields with acquire semantics.
 */
struct rsm_status {
	__u32 state;
	__u32 __reserved;
	__aligned_u64 rebinds;
};

#endif /* _UAPI_LINUX_RSMCTL_H */
