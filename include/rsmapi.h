/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Remote Shared Memory API.
 *
 * An exporter makes a segment of its own memory and publishes it under an id.
 * Others connect to the id and map the segment, or copy to and from it. The
 * exporter may put other memory in the place of the segment's at any time.
 *
 * Every function returns RSM_SUCCESS (0) or one of RSMERR_, and leaves errno
 * alone. All may be called from any thread. A handle that is not one, or is
 * one no longer, gives RSMERR_BAD_SEG_HNDL or RSMERR_BAD_CTLR_HNDL.
 *
 * After fork() the child may use import handles. Exports belong to the process
 * that made them: to a child, what changes them gives RSMERR_NOT_CREATOR.
 */
#ifndef _RSMAPI_H
#define _RSMAPI_H

#include <poll.h>
#include <sys/param.h>
#include <sys/rsm/rsm_common.h>
#include <sys/rsm/rsmapi_common.h>

#ifndef MAXNAMELEN
#define MAXNAMELEN 256
#elif MAXNAMELEN != 256
#error "MAXNAMELEN must be 256"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* How rsm_memseg_import_map() chooses the address. */
typedef enum {
	RSM_MAP_NONE = 0x0,
	RSM_MAP_FIXED = 0x1,
	RSM_MAP_RESERVED = 0x2
} rsm_attribute_t;

/* The connection_state in which a node can be connected to, as far as is known */
#define RSM_CONNECTION_ACTIVE 3

typedef struct rsm_topology_hdr {
	rsm_node_id_t local_nodeid;
	uint_t local_cntlr_count;
} rsm_topology_hdr_t;

typedef struct rsm_connections_hdr {
	char cntlr_name[MAXNAMELEN];
	rsm_addr_t local_hwaddr;
	int remote_cntlr_count;
} rsm_connections_hdr_t;

typedef struct rsm_remote_cntlr {
	rsm_node_id_t remote_nodeid;
	char remote_cntlrname[MAXNAMELEN];
	rsm_addr_t remote_hwaddr;
	uint_t connection_state;
} rsm_remote_cntlr_t;

/* There are hdr.remote_cntlr_count elements of remote_cntlr. */
typedef struct rsm_connection {
	rsm_connections_hdr_t hdr;
	rsm_remote_cntlr_t remote_cntlr[1];
} rsm_connections_t;

/* There are topology_hdr.local_cntlr_count elements of connections. */
typedef struct rsm_topology {
	rsm_topology_hdr_t topology_hdr;
	rsm_connections_t *connections[1];
} rsm_topology_t;

/* Controllers */

/*
 * Get a handle of the controller @name, as "rdma0"; case is ignored, and no
 * number means 0. "loopback", or NULL, reaches this machine. A second call
 * returns the same handle; each call needs a rsm_release_controller().
 *
 * RSMERR_BAD_CTLR_HNDL: @controller is NULL.
 * RSMERR_CTLR_NOT_PRESENT: no such controller, or no driver.
 * RSMERR_INSUFFICIENT_MEM
 */
int rsm_get_controller(char *name, rsmapi_controller_handle_t *controller);

/*
 * Tell what the controller could do when the handle was got. Where
 * attr_direct_access_sizes is 0 connections cannot be mapped, and the kernel
 * copies.
 *
 * RSMERR_BAD_CTLR_HNDL
 * RSMERR_BAD_ADDR: @attr is NULL.
 */
int rsm_get_controller_attr(rsmapi_controller_handle_t controller,
			    rsmapi_controller_attr_t *attr);

/*
 * Give a handle back. Segments made with it live on.
 *
 * RSMERR_BAD_CTLR_HNDL
 */
int rsm_release_controller(rsmapi_controller_handle_t controller);

/*
 * Tell the controllers ("loopback" is never listed), the local node id on the
 * first of them or else on loopback, and the other nodes of each. hwaddr is the
 * node id on that controller. To be freed with
 * rsm_free_interconnect_topology(), which takes NULL, too.
 *
 * RSMERR_BAD_TOPOLOGY_PTR: @topology is NULL.
 * RSMERR_CTLR_NOT_PRESENT: no driver.
 * RSMERR_INSUFFICIENT_MEM
 */
int rsm_get_interconnect_topology(rsm_topology_t **topology);
void rsm_free_interconnect_topology(rsm_topology_t *topology);

/*
 * Tell which segment ids the administrator reserved for the application
 * @appid (case is ignored) in /etc/rsm/rsm.segmentid: @length ids from
 * @baseid on. The lines of the file are
 *
 *	reserved APPID BASEID LENGTH
 *
 * with BASEID in hexadecimal, LENGTH in decimal, and # for comments.
 *
 * RSMERR_BAD_ADDR: an argument is NULL.
 * RSMERR_BAD_CONF: the file cannot be read, or a line is malformed.
 * RSMERR_BAD_APPID: @appid is not in the file.
 */
int rsm_get_segmentid_range(const char *appid, rsm_memseg_id_t *baseid,
			    uint32_t *length);

/* Export */

/*
 * Pin @length bytes of the caller's memory at @vaddr and make a segment of
 * them. Both are multiples of the page size. The memory is anonymous or
 * shared memory (SysV, memfd, tmpfs, shared anonymous, huge pages), writable,
 * and goes on to be used as before.
 *
 * @flags: RSM_ALLOW_REBIND to allow rsm_memseg_export_rebind();
 * RSM_CREATE_SEG_DONTWAIT not to wait for resources of the controller;
 * RSM_LOCK_OPS to allow the locks and atomic operations of <rsm_ext.h>; others
 * are ignored.
 *
 * The segment ends with rsm_memseg_export_destroy() and when the process
 * exits or calls exec.
 *
 * RSMERR_BAD_CTLR_HNDL
 * RSMERR_BAD_SEG_HNDL: @memseg is NULL.
 * RSMERR_BAD_ADDR: @vaddr is NULL, not mapped, or other memory than the above.
 * RSMERR_BAD_LENGTH: 0, or more than the controller takes.
 * RSMERR_BAD_MEM_ALIGNMENT: @vaddr or @length
 * RSMERR_INSUFFICIENT_MEM: memory, or a limit as RLIMIT_MEMLOCK
 * RSMERR_INSUFFICIENT_RESOURCES: descriptors, segments
 * RSMERR_CTLR_NOT_PRESENT: the controller is gone.
 * RSMERR_PERM_DENIED: the memory is not writable.
 * RSMERR_LOCKS_NOT_SUPPORTED: RSM_LOCK_OPS with a controller that has none
 * RSMERR_INTERRUPTED: by a signal; nothing was done.
 */
int rsm_memseg_export_create(rsmapi_controller_handle_t controller,
			     rsm_memseg_export_handle_t *memseg, void *vaddr,
			     size_t length, uint_t flags);

/*
 * End a segment, published or not: release its memory and disconnect its
 * importers. In another process than the creator only the handle ends.
 *
 * RSMERR_BAD_SEG_HNDL
 * RSMERR_POLLFD_IN_USE: rsm_memseg_release_pollfd() comes first.
 */
int rsm_memseg_export_destroy(rsm_memseg_export_handle_t memseg);

/*
 * Put the memory at @vaddr, @length bytes as at the creation, in the place of
 * the segment's. Importers notice nothing but the other content: no data is
 * copied. On return the old memory is released. @off is not used.
 *
 * A failure changes nothing.
 *
 * RSMERR_BAD_SEG_HNDL
 * RSMERR_BAD_ADDR: @vaddr is NULL, not aligned, not mapped, or not as in
 *	rsm_memseg_export_create().
 * RSMERR_REBIND_NOT_ALLOWED: created without RSM_ALLOW_REBIND
 * RSMERR_NOT_CREATOR
 * RSMERR_BAD_LENGTH: not the segment's length
 * RSMERR_INSUFFICIENT_MEM: old and new memory are needed at once.
 * RSMERR_PERM_DENIED: the memory is not writable.
 * RSMERR_INTERRUPTED
 */
int rsm_memseg_export_rebind(rsm_memseg_export_handle_t memseg, void *vaddr,
			     offset_t off, size_t length);

/*
 * Let others connect to a segment.
 *
 * @segment_id: id wanted, 0x400000 to 0x7fffffff, or 0 to be given one, which
 * is stored there.
 * @access_list, @access_list_length: nodes that may connect, up to 64 and 1
 * for "loopback"; with length 0 every node may, with the permissions that the
 * umask left at the creation.
 *
 * RSMERR_BAD_SEGID: @segment_id is NULL.
 * RSMERR_BAD_SEG_HNDL
 * RSMERR_BAD_ACL: NULL with a length, too long, or a bad entry
 * RSMERR_SEG_ALREADY_PUBLISHED
 * RSMERR_RESERVED_SEGID: the id is none that applications may choose.
 * RSMERR_NOT_CREATOR
 * RSMERR_BAD_ADDR: the list cannot be read.
 * RSMERR_SEGID_IN_USE
 * RSMERR_INSUFFICIENT_MEM
 * RSMERR_INSUFFICIENT_RESOURCES
 * RSMERR_INTERRUPTED
 */
int rsm_memseg_export_publish(rsm_memseg_export_handle_t memseg,
			      rsm_memseg_id_t *segment_id,
			      rsmapi_access_entry_t access_list[],
			      uint_t access_list_length);

/*
 * Replace the access list. Present connections keep their permissions.
 *
 * RSMERR_BAD_SEG_HNDL
 * RSMERR_SEG_NOT_PUBLISHED
 * RSMERR_BAD_ACL, RSMERR_BAD_ADDR: as rsm_memseg_export_publish()
 * RSMERR_NOT_CREATOR
 * RSMERR_INSUFFICIENT_MEM
 * RSMERR_INTERRUPTED
 */
int rsm_memseg_export_republish(rsm_memseg_export_handle_t memseg,
				rsmapi_access_entry_t access_list[],
				uint_t access_list_length);

/*
 * Free the segment's id and disconnect its importers. The segment may be
 * published again, under any id.
 *
 * RSMERR_BAD_SEG_HNDL
 * RSMERR_SEG_NOT_PUBLISHED
 * RSMERR_NOT_CREATOR
 * RSMERR_INTERRUPTED
 */
int rsm_memseg_export_unpublish(rsm_memseg_export_handle_t memseg);

/* Import */

/*
 * Connect to the segment @segment_id of node @node_id. @perm: RSM_PERM_READ,
 * RSM_PERM_WRITE, both (RSM_PERM_RDWR), or RSM_PERM_NONE.
 *
 * RSMERR_BAD_CTLR_HNDL
 * RSMERR_BAD_SEG_HNDL: @im_memseg is NULL.
 * RSMERR_PERM_DENIED: other bits in @perm, or the access list forbids it.
 * RSMERR_CTLR_NOT_PRESENT: the controller is gone or does not reach the node.
 * RSMERR_REMOTE_NODE_UNREACHABLE: the node does not answer, or refuses to.
 * RSMERR_SEG_NOT_PUBLISHED: no such segment
 * RSMERR_SEG_NOT_PUBLISHED_TO_NODE: this node is not on the access list.
 * RSMERR_INSUFFICIENT_MEM
 * RSMERR_INSUFFICIENT_RESOURCES
 * RSMERR_INTERRUPTED
 */
int rsm_memseg_import_connect(rsmapi_controller_handle_t controller,
			      rsm_node_id_t node_id,
			      rsm_memseg_id_t segment_id, rsm_permission_t perm,
			      rsm_memseg_import_handle_t *im_memseg);

/*
 * End a connection. A mapping that a get or put made is removed.
 *
 * RSMERR_BAD_SEG_HNDL
 * RSMERR_SEG_STILL_MAPPED: rsm_memseg_import_unmap() comes first.
 * RSMERR_POLLFD_IN_USE: rsm_memseg_release_pollfd() comes first.
 */
int rsm_memseg_import_disconnect(rsm_memseg_import_handle_t im_memseg);

/*
 * Map @length bytes of a segment from @offset on, a multiple of the page size.
 * A connection has one mapping at a time. It needs RSM_PERM_READ.
 *
 * @address: with RSM_MAP_FIXED, where, replacing what is mapped there; else a
 * hint. Receives the address.
 * @perm: as in rsm_memseg_import_connect(), no more than was asked for there
 *
 * Loads and stores never fail. When the exporter withdraws the segment they
 * reach memory of no meaning; a barrier tells.
 *
 * RSMERR_BAD_SEG_HNDL
 * RSMERR_BAD_ADDR: @address is NULL.
 * RSMERR_SEG_ALREADY_MAPPED: also by a get or put
 * RSMERR_BAD_PERMS: @perm
 * RSMERR_BAD_LENGTH: 0, or not within the segment
 * RSMERR_BAD_MEM_ALIGNMENT: @offset, or *@address with RSM_MAP_FIXED
 * RSMERR_INSUFFICIENT_MEM: no room for the library's own mapping
 * RSMERR_CONN_ABORTED: the exporter withdrew the segment.
 * RSMERR_INSUFFICIENT_RESOURCES
 * RSMERR_MAP_FAILED: the controller's connections cannot be mapped; or for any
 *	other reason
 */
int rsm_memseg_import_map(rsm_memseg_import_handle_t im_memseg, void **address,
			  rsm_attribute_t attr, rsm_permission_t perm,
			  off_t offset, size_t length);

/*
 * Remove the mapping, all of it.
 *
 * RSMERR_BAD_SEG_HNDL
 * RSMERR_SEG_NOT_MAPPED
 */
int rsm_memseg_import_unmap(rsm_memseg_import_handle_t im_memseg);

/*
 * Copy from a segment: @rep_cnt elements of the stated size, each of them whole
 * and in order, or @length bytes. @offset, in bytes, is one within the segment
 * and a multiple of the element's size, as is @datap.
 *
 * A connection that is not mapped is mapped as a whole. Where that cannot be,
 * as with one that may only write, or is to another machine, the kernel copies,
 * and may divide elements.
 * In implicit mode, the default, rsm_memseg_import_init_barrier() comes first,
 * and the result tells if all data was transferred.
 *
 * RSMERR_BAD_SEG_HNDL
 * RSMERR_BAD_ADDR: the data pointer is NULL.
 * RSMERR_BAD_MEM_ALIGNMENT: @datap or @offset
 * RSMERR_PERM_DENIED: connected, or mapped, without RSM_PERM_READ
 * RSMERR_BAD_OFFSET: not within the segment, or what of it is mapped
 * RSMERR_BAD_LENGTH: the size overflows.
 * RSMERR_BARRIER_UNINITIALIZED
 * RSMERR_BARRIER_FAILURE: of a put it is not certain that it has arrived.
 * RSMERR_CONN_ABORTED
 * RSMERR_INSUFFICIENT_RESOURCES
 */
int rsm_memseg_import_get8(rsm_memseg_import_handle_t im_memseg, off_t offset,
			   uint8_t *datap, ulong_t rep_cnt);
int rsm_memseg_import_get16(rsm_memseg_import_handle_t im_memseg, off_t offset,
			    uint16_t *datap, ulong_t rep_cnt);
int rsm_memseg_import_get32(rsm_memseg_import_handle_t im_memseg, off_t offset,
			    uint32_t *datap, ulong_t rep_cnt);
int rsm_memseg_import_get64(rsm_memseg_import_handle_t im_memseg, off_t offset,
			    uint64_t *datap, ulong_t rep_cnt);
int rsm_memseg_import_get(rsm_memseg_import_handle_t im_memseg, off_t offset,
			  void *dst_addr, size_t length);

/* Copy to a segment: as above, and needs RSM_PERM_WRITE. */
int rsm_memseg_import_put8(rsm_memseg_import_handle_t im_memseg, off_t offset,
			   uint8_t *datap, ulong_t rep_cnt);
int rsm_memseg_import_put16(rsm_memseg_import_handle_t im_memseg, off_t offset,
			    uint16_t *datap, ulong_t rep_cnt);
int rsm_memseg_import_put32(rsm_memseg_import_handle_t im_memseg, off_t offset,
			    uint32_t *datap, ulong_t rep_cnt);
int rsm_memseg_import_put64(rsm_memseg_import_handle_t im_memseg, off_t offset,
			    uint64_t *datap, ulong_t rep_cnt);
int rsm_memseg_import_put(rsm_memseg_import_handle_t im_memseg, off_t offset,
			  void *src_addr, size_t length);

/*
 * Do a list of transfers from, or to, a segment in order, 1 to
 * RSM_MAX_SGIOREQS. On failure io_residual_count tells how many were not
 * completed. With RSM_IMPLICIT_SIGPOST in flags a signal is posted at the end.
 *
 * No barrier is needed.
 *
 * RSMERR_BAD_SGIO: @sg_io is NULL, or malformed.
 * RSMERR_BAD_SEG_HNDL: remote_handle
 * RSMERR_BAD_LOCALMEM_HNDL
 * RSMERR_BAD_LENGTH: also if not within the local memory
 * and those of the functions above, and of rsm_intr_signal_post()
 */
int rsm_memseg_import_getv(rsm_scat_gath_t *sg_io);
int rsm_memseg_import_putv(rsm_scat_gath_t *sg_io);

/* Barriers */

/*
 * Make @barrier one of the connection @im_memseg, to be ended with
 * rsm_memseg_import_destroy_barrier() before the connection. @type makes no
 * difference: RSM_BAR_DEFAULT.
 *
 * RSMERR_BAD_SEG_HNDL
 * RSMERR_BAD_BARRIER_PTR: @barrier is NULL.
 */
int rsm_memseg_import_init_barrier(rsm_memseg_import_handle_t im_memseg,
				   rsm_barrier_type_t type,
				   rsmapi_barrier_t *barrier);

/*
 * open: begin a span of accesses. close: end it, and tell if all of them
 * reached the segment; if not, all are to be repeated. order: accesses before
 * are done before those after. One thread at a time may use a barrier.
 *
 * Where connections cannot be mapped, close makes a call of the kernel, and so
 * does each put in implicit mode.
 *
 * RSMERR_BAD_BARRIER_PTR: @barrier is NULL.
 * RSMERR_BARRIER_UNINITIALIZED
 * RSMERR_BAD_SEG_HNDL: the connection has been ended.
 * RSMERR_BARRIER_NOT_OPENED: order and close only
 * RSMERR_CONN_ABORTED: close only: the exporter withdrew the segment, or its
 *	node cannot be reached any more.
 * RSMERR_BARRIER_FAILURE: close only: of what was put to another machine it is
 *	not certain that it has arrived.
 */
int rsm_memseg_import_open_barrier(rsmapi_barrier_t *barrier);
int rsm_memseg_import_order_barrier(rsmapi_barrier_t *barrier);
int rsm_memseg_import_close_barrier(rsmapi_barrier_t *barrier);

/*
 * End a barrier.
 *
 * RSMERR_BAD_BARRIER_PTR: @barrier is NULL.
 * RSMERR_BARRIER_UNINITIALIZED
 * RSMERR_BAD_SEG_HNDL: the connection has been ended; so has the barrier now.
 */
int rsm_memseg_import_destroy_barrier(rsmapi_barrier_t *barrier);

/*
 * Whether get and put on a connection imply a barrier:
 * RSM_BARRIER_MODE_IMPLICIT, the default, or RSM_BARRIER_MODE_EXPLICIT.
 *
 * RSMERR_BAD_SEG_HNDL
 * RSMERR_BAD_MODE: set only: neither of the two
 * RSMERR_BAD_ADDR: get only: @mode is NULL.
 */
int rsm_memseg_import_set_mode(rsm_memseg_import_handle_t im_memseg,
			       rsm_barrier_mode_t mode);
int rsm_memseg_import_get_mode(rsm_memseg_import_handle_t im_memseg,
			       rsm_barrier_mode_t *mode);

/* Local memory of getv and putv */

/*
 * Make a handle of @len bytes of the caller's memory at @local_vaddr, a
 * multiple of the page size, for RSM_HANDLE_TYPE.
 *
 * RSMERR_BAD_ADDR: @local_vaddr
 * RSMERR_BAD_CTLR_HNDL
 * RSMERR_BAD_LOCALMEM_HNDL: @handle, or what it points to, is NULL or none.
 * RSMERR_BAD_LENGTH: 0
 * RSMERR_INSUFFICIENT_MEM
 */
int rsm_create_localmemory_handle(rsmapi_controller_handle_t controller,
				  rsm_localmemory_handle_t *handle,
				  caddr_t local_vaddr, size_t len);
int rsm_free_localmemory_handle(rsmapi_controller_handle_t controller,
				rsm_localmemory_handle_t handle);

/* Signals; @memseg is an export or import handle. */

/*
 * Post a signal: on an import to the exporter, on an export to all importers.
 * With RSM_SIGPOST_NO_ACCUMULATE in @flags, only if none is pending there.
 *
 * RSMERR_BAD_SEG_HNDL
 * RSMERR_CONN_ABORTED
 * RSMERR_REMOTE_NODE_UNREACHABLE
 */
int rsm_intr_signal_post(void *memseg, uint_t flags);

/*
 * Wait up to @timeout milliseconds for a signal, with -1 for ever, and take
 * it. Those posted earlier count.
 *
 * RSMERR_BAD_SEG_HNDL
 * RSMERR_TIMEOUT
 * RSMERR_CONN_ABORTED
 * RSMERR_INTERRUPTED
 */
int rsm_intr_signal_wait(void *memseg, int timeout);

/*
 * As poll(): wait for signals on several segments and for other events. Takes
 * one signal of each entry that is ready. *@numfdsp receives their number.
 *
 * RSMERR_TIMEOUT
 * RSMERR_INTERRUPTED
 * RSMERR_BAD_ADDR, RSMERR_BAD_ARGS_ERRORS: @fds, @nfds
 * RSMERR_INSUFFICIENT_MEM
 */
int rsm_intr_signal_wait_pollfd(struct pollfd fds[], nfds_t nfds, int timeout,
				int *numfdsp);

/*
 * Fill in an entry for rsm_intr_signal_wait_pollfd(). Each call needs a
 * rsm_memseg_release_pollfd() before the segment's handle ends.
 *
 * RSMERR_BAD_SEG_HNDL
 * RSMERR_BAD_ADDR: @pollfd is NULL.
 * RSMERR_INSUFFICIENT_MEM
 */
int rsm_memseg_get_pollfd(void *memseg, struct pollfd *pollfd);
int rsm_memseg_release_pollfd(void *memseg);

#ifdef __cplusplus
}
#endif

#endif /* _RSMAPI_H */
