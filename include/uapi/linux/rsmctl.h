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
 *  - EFAULT: the structure cannot be read or written. It is tried before
 *    anything is done; whoever unmaps it meanwhile gets this for a success,
 *    too.
 *  - EINTR: a signal arrived while waiting (a fatal one, where the ioctl does
 *    not say otherwise); nothing was changed, or copies were begun only.
 *  - EBADF: the caller's process closed the descriptor, or a duplicate of it,
 *    while waiting.
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
	RSM_CMD_IMPORT_PUT,
	RSM_CMD_IMPORT_GET,
	RSM_CMD_IMPORT_ATOMIC,
	RSM_CMD_SIGNAL_POST,
	RSM_CMD_SIGNAL_WAIT,
	RSM_CMD_LOCK,
	RSM_CMD_UNLOCK,
	RSM_CMD_EXPORT_GRANT,
	RSM_CMD_TICKET_CONNECT,
	RSM_CMD_CONTROLLER_FIND,
	RSM_CMD_CONTROLLER_NODES,
	RSM_CMD_IMPORT_FENCE,
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
 * @RSM_ERR_BAD_SGIO: a list of transfers that is empty or too long
 * @RSM_ERR_BAD_ADDR: an address that cannot be used
 * @RSM_ERR_BAD_MEM_ALIGNMENT: an address, offset or length that is not the
 *                             multiple that it has to be
 * @RSM_ERR_BAD_OFFSET: not within the segment
 * @RSM_ERR_BAD_LENGTH: zero, too long, or not the segment's length
 * @RSM_ERR_BAD_ACL: an access list that the controller does not take
 * @RSM_ERR_RESERVED_SEGID: a segment id that applications may not choose
 * @RSM_ERR_SEGID_IN_USE: the segment id is published already
 * @RSM_ERR_BAD_PERMS: permission bits other than 0600
 * @RSM_ERR_PERM_DENIED: the access list or the memory's protection forbids it
 * @RSM_ERR_LOCKS_NOT_SUPPORTED: the controller has no lock operations
 * @RSM_ERR_LOCKS_NOT_ENABLED: created without RSM_EXPORT_LOCK_OPS
 * @RSM_ERR_REBIND_NOT_ALLOWED: created without RSM_EXPORT_ALLOW_REBIND
 * @RSM_ERR_INSUFFICIENT_RESOURCES: no descriptor, segment or id left
 * @RSM_ERR_INSUFFICIENT_MEM: out of memory, or over a memory limit
 * @RSM_ERR_REMOTE_NODE_UNREACHABLE: the node does not answer, or refuses to
 * @RSM_ERR_CONN_ABORTED: the import was aborted, or the segment has ended
 * @RSM_ERR_INTERRUPTED: a signal arrived; nothing was changed, but for copies
 *                       that were begun
 * @RSM_ERR_TIMEOUT: it did not happen in the time allowed
 * @RSM_ERR_LOCK_HELD: the caller has the lock already
 * @RSM_ERR_LOCK_NOT_HELD: the caller does not have the lock
 *
 * The values are those of the RSMERR_ constants of <rsmapi.h> and, from 200
 * on, <rsm_ext.h>.
 */
enum rsm_error {
	RSM_ERR_NONE = 0,
	RSM_ERR_CTLR_NOT_PRESENT = 4,
	RSM_ERR_BAD_SEG_HNDL = 5,
	RSM_ERR_SEG_ALREADY_PUBLISHED = 6,
	RSM_ERR_SEG_NOT_PUBLISHED = 7,
	RSM_ERR_SEG_NOT_PUBLISHED_TO_NODE = 8,
	RSM_ERR_NOT_CREATOR = 12,
	RSM_ERR_BAD_SGIO = 14,
	RSM_ERR_BAD_ADDR = 16,
	RSM_ERR_BAD_MEM_ALIGNMENT = 17,
	RSM_ERR_BAD_OFFSET = 18,
	RSM_ERR_BAD_LENGTH = 20,
	RSM_ERR_BAD_ACL = 21,
	RSM_ERR_RESERVED_SEGID = 23,
	RSM_ERR_SEGID_IN_USE = 24,
	RSM_ERR_BAD_PERMS = 26,
	RSM_ERR_PERM_DENIED = 27,
	RSM_ERR_LOCKS_NOT_SUPPORTED = 28,
	RSM_ERR_LOCKS_NOT_ENABLED = 29,
	RSM_ERR_REBIND_NOT_ALLOWED = 30,
	RSM_ERR_INSUFFICIENT_RESOURCES = 31,
	RSM_ERR_INSUFFICIENT_MEM = 32,
	RSM_ERR_REMOTE_NODE_UNREACHABLE = 39,
	RSM_ERR_CONN_ABORTED = 40,
	RSM_ERR_INTERRUPTED = 41,
	RSM_ERR_TIMEOUT = 42,
	RSM_ERR_LOCK_HELD = 200,
	RSM_ERR_LOCK_NOT_HELD = 201,
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
 * struct rsm_controller_find - ioctl(RSM_CONTROLLER_FIND) on the control node
 * @size: sizeof(struct rsm_controller_find)
 * @flags: must be 0
 * @controller: id from which on to look; 0: the first controller
 * @out_controller: the lowest id of a controller that is not below @controller
 * @out_name: its name, zero terminated
 * @out_error: enum rsm_error
 * @__reserved: must be 0
 *
 * Tell which controllers there are, one with each call. An id is never used
 * again. Errors: RSM_ERR_CTLR_NOT_PRESENT (ENODEV: no more).
 */
struct rsm_controller_find {
	__u32 size;
	__u32 flags;
	__u32 controller;
	__u32 out_controller;
	char out_name[RSM_CONTROLLER_NAME_MAX];
	__u32 out_error;
	__u32 __reserved;
};

#define RSM_CONTROLLER_FIND _IO(RSM_TYPE, RSM_CMD_CONTROLLER_FIND)

/**
 * enum rsm_node_state - values of struct rsm_node's @state
 * @RSM_NODE_LOCAL: this machine
 * @RSM_NODE_IDLE: nothing is connected, and nothing is known against it
 * @RSM_NODE_CONNECTED: there are connections
 * @RSM_NODE_UNREACHABLE: some seconds ago the last connection was lost, or was
 *                        not made for want of an answer
 */
enum rsm_node_state {
	RSM_NODE_LOCAL = 0,
	RSM_NODE_IDLE = 1,
	RSM_NODE_CONNECTED = 2,
	RSM_NODE_UNREACHABLE = 3,
};

/**
 * struct rsm_node - a node that a controller knows
 * @node: its id
 * @state: enum rsm_node_state
 */
struct rsm_node {
	__u32 node;
	__u32 state;
};

/* Most nodes that a controller knows. */
#define RSM_NODES_MAX 1024

/**
 * struct rsm_controller_nodes - ioctl(RSM_CONTROLLER_NODES) on the control node
 * @size: sizeof(struct rsm_controller_nodes)
 * @flags: must be 0
 * @controller: id from RSM_CONTROLLER_INFO or RSM_CONTROLLER_FIND
 * @node_count: entries that @nodes has room for
 * @nodes: address of an array of struct rsm_node
 * @out_count: nodes that there are; as many are written as there is room for,
 *             this machine first, the others by id
 * @out_error: enum rsm_error
 *
 * Tell which nodes a controller knows, and if it has connections with them.
 *
 * Errors: RSM_ERR_CTLR_NOT_PRESENT (ENODEV), RSM_ERR_INSUFFICIENT_MEM
 * (ENOMEM), RSM_ERR_BAD_ADDR (EFAULT: @nodes cannot be written).
 */
struct rsm_controller_nodes {
	__u32 size;
	__u32 flags;
	__u32 controller;
	__u32 node_count;
	__aligned_u64 nodes;
	__u32 out_count;
	__u32 out_error;
};

#define RSM_CONTROLLER_NODES _IO(RSM_TYPE, RSM_CMD_CONTROLLER_NODES)

/**
 * enum rsm_export_flags - flags of RSM_EXPORT_CREATE
 * @RSM_EXPORT_ALLOW_REBIND: RSM_EXPORT_REBIND is allowed
 * @RSM_EXPORT_DONTWAIT: the controller must not wait for resources of its own
 * @RSM_EXPORT_LOCK_OPS: RSM_LOCK and RSM_IMPORT_ATOMIC are allowed
 */
enum rsm_export_flags {
	RSM_EXPORT_ALLOW_REBIND = 1 << 0,
	RSM_EXPORT_DONTWAIT = 1 << 1,
	RSM_EXPORT_LOCK_OPS = 1 << 2,
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
 * long), RSM_ERR_LOCKS_NOT_SUPPORTED (EOPNOTSUPP: by the controller),
 * RSM_ERR_INSUFFICIENT_RESOURCES (ENOSPC: the number of segments;
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
 * @out_flags: flags that the segment was created with, enum rsm_export_flags
 * @out_error: enum rsm_error
 *
 * Connect to a published segment. mmap() the descriptor with MAP_SHARED at
 * offset 0 to the segment's length: loads and stores reach the exporter's
 * memory. mmap() fails with ENXIO for a range outside of the segment, EACCES
 * for a protection beyond the rights (and always for PROT_EXEC, and without
 * RSM_RIGHT_READ), ENODEV when the import was aborted, EOPNOTSUPP where the
 * controller's imports cannot be mapped, EAGAIN with thousands of mappings of
 * one import, EINVAL for MAP_PRIVATE.
 *
 * When the exporter unpublishes, destroys or dies the import is aborted:
 * poll() reports POLLERR and POLLHUP, the status page says so, and loads and
 * stores reach a private page of this import.
 *
 * Undone by closing the last copy of the descriptor and unmapping.
 *
 * Errors, in the order of the checks: RSM_ERR_CTLR_NOT_PRESENT (ENODEV: no
 * such controller or node), RSM_ERR_BAD_PERMS (EINVAL),
 * RSM_ERR_REMOTE_NODE_UNREACHABLE (EHOSTUNREACH: another machine does not
 * answer, or does not know us), RSM_ERR_SEG_NOT_PUBLISHED (ENOENT),
 * RSM_ERR_SEG_NOT_PUBLISHED_TO_NODE (EACCES), RSM_ERR_PERM_DENIED (EACCES),
 * RSM_ERR_INSUFFICIENT_RESOURCES (ENOSPC, EMFILE, ENFILE),
 * RSM_ERR_INSUFFICIENT_MEM (ENOMEM), RSM_ERR_INTERRUPTED (EINTR).
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
	__u32 out_flags;
	__u32 out_error;
};

#define RSM_IMPORT_CONNECT _IO(RSM_TYPE, RSM_CMD_IMPORT_CONNECT)

/**
 * struct rsm_copy_vec - one transfer of RSM_IMPORT_PUT and RSM_IMPORT_GET
 * @vaddr: the caller's memory, with any alignment
 * @offset: where in the segment, in bytes from its start, with any alignment
 * @length: bytes; 0 is allowed
 */
struct rsm_copy_vec {
	__aligned_u64 vaddr;
	__aligned_u64 offset;
	__aligned_u64 length;
};

/* Most transfers of one RSM_IMPORT_PUT or RSM_IMPORT_GET. */
#define RSM_COPY_VEC_MAX 16

/**
 * struct rsm_import_copy - ioctl(RSM_IMPORT_PUT) and ioctl(RSM_IMPORT_GET) on
 *                          an import
 * @size: sizeof(struct rsm_import_copy)
 * @flags: must be 0
 * @vec: address of an array of struct rsm_copy_vec
 * @vec_count: entries of @vec, 1 to RSM_COPY_VEC_MAX
 * @out_done: entries that were completed
 * @out_error: enum rsm_error
 * @__reserved: must be 0
 *
 * Copy from the caller's memory to the segment (RSM_IMPORT_PUT), or from the
 * segment to the caller's memory (RSM_IMPORT_GET), without a mapping. Entries
 * are done in order up to the first that fails, which may have been done in
 * part. Nothing is promised of the size of single accesses, nor of memory that
 * overlaps. Once an ioctl that aborts the import or rebinds the segment has
 * returned, no copy that began before it touches the old memory.
 *
 * Errors, in the order of the checks: RSM_ERR_PERM_DENIED (EACCES: the import
 * lacks the right), RSM_ERR_BAD_SGIO (EINVAL: @vec_count), RSM_ERR_BAD_ADDR
 * (EFAULT: @vec cannot be read); then for each entry RSM_ERR_BAD_LENGTH
 * (EINVAL: offset and length wrap), RSM_ERR_BAD_OFFSET (EINVAL: not within
 * the segment), RSM_ERR_CONN_ABORTED (ECONNABORTED), RSM_ERR_BAD_ADDR (EFAULT:
 * memory that cannot be read, or written), RSM_ERR_INSUFFICIENT_MEM (ENOMEM:
 * to another machine), RSM_ERR_INTERRUPTED (EINTR).
 */
struct rsm_import_copy {
	__u32 size;
	__u32 flags;
	__aligned_u64 vec;
	__u32 vec_count;
	__u32 out_done;
	__u32 out_error;
	__u32 __reserved;
};

#define RSM_IMPORT_PUT _IO(RSM_TYPE, RSM_CMD_IMPORT_PUT)
#define RSM_IMPORT_GET _IO(RSM_TYPE, RSM_CMD_IMPORT_GET)

/**
 * enum rsm_atomic_op - values of struct rsm_import_atomic's @op
 * @RSM_ATOMIC_CAS: store the operand if the word is equal to compare
 * @RSM_ATOMIC_ADD: add the operand to the word, modulo 2^64
 * @RSM_ATOMIC_SWAP: store the operand
 */
enum rsm_atomic_op {
	RSM_ATOMIC_CAS = 0,
	RSM_ATOMIC_ADD = 1,
	RSM_ATOMIC_SWAP = 2,
};

/**
 * struct rsm_import_atomic - ioctl(RSM_IMPORT_ATOMIC) on an import
 * @size: sizeof(struct rsm_import_atomic)
 * @flags: must be 0
 * @offset: where in the segment, in bytes, a multiple of 8
 * @compare: for RSM_ATOMIC_CAS
 * @operand: see enum rsm_atomic_op
 * @out_old: the word as it was before
 * @op: enum rsm_atomic_op
 * @out_error: enum rsm_error
 *
 * Change a word of 64 bits in the segment as one step, also with regard to
 * atomic instructions on mappings, and in order with all other accesses. If the
 * segment is on another machine and the connection ends meanwhile, it may have
 * been done.
 *
 * Errors, in the order of the checks: RSM_ERR_LOCKS_NOT_ENABLED (EPERM),
 * EOPNOTSUPP (@op), RSM_ERR_BAD_MEM_ALIGNMENT (EINVAL: @offset),
 * RSM_ERR_PERM_DENIED (EACCES: both rights are needed), RSM_ERR_BAD_OFFSET
 * (EINVAL), RSM_ERR_CONN_ABORTED (ECONNABORTED), RSM_ERR_INTERRUPTED (EINTR).
 */
struct rsm_import_atomic {
	__u32 size;
	__u32 flags;
	__aligned_u64 offset;
	__aligned_u64 compare;
	__aligned_u64 operand;
	__aligned_u64 out_old;
	__u32 op;
	__u32 out_error;
};

#define RSM_IMPORT_ATOMIC _IO(RSM_TYPE, RSM_CMD_IMPORT_ATOMIC)

/**
 * struct rsm_import_fence - ioctl(RSM_IMPORT_FENCE) on an import
 * @size: sizeof(struct rsm_import_fence)
 * @flags: must be 0
 * @out_error: enum rsm_error
 * @__reserved: must be 0
 *
 * Wait until all that was put through the import before is in the segment's
 * memory, where the exporter and whoever it tells can see it. There is nothing
 * to wait for where imports can be mapped.
 *
 * Errors: RSM_ERR_CONN_ABORTED (ECONNABORTED: it may not be there),
 * RSM_ERR_INTERRUPTED (EINTR).
 */
struct rsm_import_fence {
	__u32 size;
	__u32 flags;
	__u32 out_error;
	__u32 __reserved;
};

#define RSM_IMPORT_FENCE _IO(RSM_TYPE, RSM_CMD_IMPORT_FENCE)

/**
 * enum rsm_signal_flags - flags of RSM_SIGNAL_POST
 * @RSM_SIGNAL_NO_ACCUMULATE: only where none is pending
 */
enum rsm_signal_flags {
	RSM_SIGNAL_NO_ACCUMULATE = 1 << 0,
};

/**
 * struct rsm_signal_post - ioctl(RSM_SIGNAL_POST) on an export or import
 * @size: sizeof(struct rsm_signal_post)
 * @flags: any of enum rsm_signal_flags
 * @out_error: enum rsm_error
 * @__reserved: must be 0
 *
 * On an import: post a signal to its export. On an export: post one to each
 * of its imports. Signals that are pending are counted, up to 2^32 - 1; more
 * are dropped. No rights are needed but the connection. An export that has no
 * imports is no error.
 *
 * Errors: RSM_ERR_CONN_ABORTED (ECONNABORTED: the import was aborted, or the
 * export's segment has ended), RSM_ERR_INTERRUPTED (EINTR).
 */
struct rsm_signal_post {
	__u32 size;
	__u32 flags;
	__u32 out_error;
	__u32 __reserved;
};

#define RSM_SIGNAL_POST _IO(RSM_TYPE, RSM_CMD_SIGNAL_POST)

/* A time limit that is none. */
#define RSM_WAIT_FOREVER (~0ULL)

/**
 * struct rsm_signal_wait - ioctl(RSM_SIGNAL_WAIT) on an export or import
 * @size: sizeof(struct rsm_signal_wait)
 * @flags: must be 0
 * @timeout_ns: time limit in nanoseconds; 0: do not wait; RSM_WAIT_FOREVER;
 *              when interrupted, what is left of it
 * @out_error: enum rsm_error
 * @__reserved: must be 0
 *
 * Take one pending signal, waiting for it if there is none. Those that were
 * pending when the import was aborted can still be taken. poll() reports
 * POLLIN and POLLRDNORM while any is pending, and takes none.
 *
 * Errors: RSM_ERR_TIMEOUT (ETIMEDOUT), RSM_ERR_CONN_ABORTED (ECONNABORTED:
 * none is pending and none can come), EINTR (by any signal that has a
 * handler), EBADF.
 */
struct rsm_signal_wait {
	__u32 size;
	__u32 flags;
	__aligned_u64 timeout_ns;
	__u32 out_error;
	__u32 __reserved;
};

#define RSM_SIGNAL_WAIT _IO(RSM_TYPE, RSM_CMD_SIGNAL_WAIT)

/**
 * enum rsm_lock_flags - flags of RSM_LOCK
 * @RSM_LOCK_TRY: do not wait: as with a time limit of 0
 */
enum rsm_lock_flags {
	RSM_LOCK_TRY = 1 << 0,
};

/**
 * enum rsm_lock_out_flags - struct rsm_lock's @out_flags
 * @RSM_LOCK_OWNER_DIED: the last owner ended without unlocking: what the lock
 *                       protects may be half changed. Told to the next owner;
 *                       for an exception see struct rsm_lock.
 */
enum rsm_lock_out_flags {
	RSM_LOCK_OWNER_DIED = 1 << 0,
};

/* Most locks that one descriptor holds and waits for. */
#define RSM_LOCKS_MAX 1024

/**
 * struct rsm_lock - ioctl(RSM_LOCK) on an export or import
 * @size: sizeof(struct rsm_lock)
 * @flags: any of enum rsm_lock_flags
 * @offset: which lock of the segment: a multiple of 8 within its length
 * @timeout_ns: time limit in nanoseconds; RSM_WAIT_FOREVER; when interrupted,
 *              what is left of it
 * @out_flags: enum rsm_lock_out_flags
 * @out_error: enum rsm_error
 *
 * Take a lock. It is the kernel's own and no part of the segment's memory: the
 * offset is only its name, and a rebind does not matter. Its owner is whoever
 * shares the caller's descriptor table, together with the descriptor's open
 * file, as with locks of fcntl(): any close() of that file by the owner, its
 * exit, or an exec that closes it lets go of the lock, and the next owner is
 * told RSM_LOCK_OWNER_DIED. So does the abort of the import. Locks are granted
 * in the order in which they were asked for; any signal, also SIGSTOP, makes
 * the caller ask once more, or return. Deadlocks are not found. Where
 * more than a thousand owners have died and nobody has come to be told, every
 * lock of the segment that nobody holds or waits for tells it from then on.
 *
 * Undone by RSM_UNLOCK.
 *
 * Errors, in the order of the checks: RSM_ERR_LOCKS_NOT_SUPPORTED (EOPNOTSUPP:
 * the segment is on another machine), RSM_ERR_LOCKS_NOT_ENABLED (EPERM),
 * RSM_ERR_BAD_MEM_ALIGNMENT (EINVAL: @offset), RSM_ERR_PERM_DENIED (EACCES: an
 * import needs RSM_RIGHT_WRITE), RSM_ERR_BAD_OFFSET (EINVAL),
 * RSM_ERR_INSUFFICIENT_MEM (ENOMEM), RSM_ERR_CONN_ABORTED
 * (ECONNABORTED), RSM_ERR_LOCK_HELD (EDEADLK), RSM_ERR_INSUFFICIENT_RESOURCES
 * (ENOSPC: RSM_LOCKS_MAX), RSM_ERR_TIMEOUT (ETIMEDOUT), EBADF, EINTR (by any
 * signal that has a handler).
 */
struct rsm_lock {
	__u32 size;
	__u32 flags;
	__aligned_u64 offset;
	__aligned_u64 timeout_ns;
	__u32 out_flags;
	__u32 out_error;
};

#define RSM_LOCK _IO(RSM_TYPE, RSM_CMD_LOCK)

/**
 * struct rsm_unlock - ioctl(RSM_UNLOCK) on an export or import
 * @size: sizeof(struct rsm_unlock)
 * @flags: must be 0
 * @offset: which lock of the segment
 * @out_error: enum rsm_error
 * @__reserved: must be 0
 *
 * Let go of a lock; the task that waits for it first becomes its owner.
 *
 * Errors: RSM_ERR_LOCK_NOT_HELD (EPERM: the caller is not its owner, or was
 * so on a descriptor whose import has been aborted).
 */
struct rsm_unlock {
	__u32 size;
	__u32 flags;
	__aligned_u64 offset;
	__u32 out_error;
	__u32 __reserved;
};

#define RSM_UNLOCK _IO(RSM_TYPE, RSM_CMD_UNLOCK)

/**
 * struct rsm_export_grant - ioctl(RSM_EXPORT_GRANT) on an export
 * @size: sizeof(struct rsm_export_grant)
 * @flags: must be 0
 * @rights: any of RSM_RIGHT_READ and RSM_RIGHT_WRITE
 * @out_fd: the new ticket descriptor
 * @out_error: enum rsm_error
 * @__reserved: must be 0
 *
 * Make a ticket: a descriptor that stands for the right to connect to the
 * segment as it is published now. Whoever holds it, passed as SCM_RIGHTS to
 * another container for example, connects with RSM_TICKET_CONNECT, any number
 * of times, without the segment id and whatever the access list says. It ends
 * when the segment is unpublished or ends, or its last copy is closed; until
 * the latter it counts among the creator's handles: rather pass on copies of
 * one ticket than make many.
 *
 * Errors, in the order of the checks: RSM_ERR_NOT_CREATOR (EPERM),
 * RSM_ERR_BAD_PERMS (EINVAL), RSM_ERR_INSUFFICIENT_RESOURCES (ENOSPC, EMFILE,
 * ENFILE), RSM_ERR_INSUFFICIENT_MEM (ENOMEM), RSM_ERR_SEG_NOT_PUBLISHED
 * (ENOENT).
 */
struct rsm_export_grant {
	__u32 size;
	__u32 flags;
	__u32 rights;
	__s32 out_fd;
	__u32 out_error;
	__u32 __reserved;
};

#define RSM_EXPORT_GRANT _IO(RSM_TYPE, RSM_CMD_EXPORT_GRANT)

/**
 * struct rsm_ticket_connect - ioctl(RSM_TICKET_CONNECT) on a ticket
 * @size: sizeof(struct rsm_ticket_connect)
 * @flags: must be 0
 * @perm: rights wanted: any of RSM_RIGHT_READ and RSM_RIGHT_WRITE
 * @out_fd: the new import descriptor
 * @out_length: length of the segment in bytes
 * @out_rights: rights granted
 * @out_flags: flags that the segment was created with, enum rsm_export_flags
 * @out_error: enum rsm_error
 * @__reserved: must be 0
 *
 * Connect to the ticket's segment: see RSM_IMPORT_CONNECT for what the import
 * can do.
 *
 * Errors, in the order of the checks: RSM_ERR_BAD_PERMS (EINVAL),
 * RSM_ERR_PERM_DENIED (EACCES: more than the ticket grants),
 * RSM_ERR_INSUFFICIENT_RESOURCES (ENOSPC, EMFILE, ENFILE),
 * RSM_ERR_INSUFFICIENT_MEM (ENOMEM), RSM_ERR_SEG_NOT_PUBLISHED (ENOENT: the
 * ticket has ended).
 */
struct rsm_ticket_connect {
	__u32 size;
	__u32 flags;
	__u32 perm;
	__s32 out_fd;
	__aligned_u64 out_length;
	__u32 out_rights;
	__u32 out_flags;
	__u32 out_error;
	__u32 __reserved;
};

#define RSM_TICKET_CONNECT _IO(RSM_TYPE, RSM_CMD_TICKET_CONNECT)

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
 * @signals: signals pending
 * @rebinds: rebind generation: odd while importers are being moved to other
 *           memory, else twice the number of rebinds; where imports cannot be
 *           mapped, of those since it connected. Data read between two
 *           equal even values comes from one set of pages.
 *
 * mmap() one page of an export or import descriptor at RSM_STATUS_OFFSET,
 * MAP_SHARED and PROT_READ. Read the fields with acquire semantics.
 */
struct rsm_status {
	__u32 state;
	__u32 signals;
	__aligned_u64 rebinds;
};

#endif /* _UAPI_LINUX_RSMCTL_H */
