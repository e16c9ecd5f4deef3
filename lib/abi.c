// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What programs were compiled with: values, sizes and offsets for 64 bit. No
 * code, but the library is not built if any of it changes.
 */
#include <assert.h>
#include <stddef.h>

#include <linux/rsmctl.h>
#include <rsm_ext.h>

#define IS(what, value) static_assert((what) == (value), #what)
#define AT(type, member, offset) IS(offsetof(type, member), offset)
#define FUNCTION(name, ...)                                                    \
	static_assert(__builtin_types_compatible_p(__typeof__(name),           \
						   __VA_ARGS__), #name)

/* The kernel's errors are the library's. */
#define SAME(name) IS((int)RSM_ERR_##name, RSMERR_##name)

IS(RSM_VERSION, 5);
IS(RSM_SUCCESS, 0);
IS(RSMERR_BAD_LIBRARY_VERSION, 1);
IS(RSMERR_BAD_TOPOLOGY_PTR, 2);
IS(RSMERR_BAD_CTLR_HNDL, 3);
IS(RSMERR_CTLR_NOT_PRESENT, 4);
IS(RSMERR_BAD_SEG_HNDL, 5);
IS(RSMERR_SEG_ALREADY_PUBLISHED, 6);
IS(RSMERR_SEG_NOT_PUBLISHED, 7);
IS(RSMERR_SEG_NOT_PUBLISHED_TO_NODE, 8);
IS(RSMERR_SEG_ALREADY_MAPPED, 9);
IS(RSMERR_SEG_STILL_MAPPED, 10);
IS(RSMERR_SEG_NOT_MAPPED, 11);
IS(RSMERR_NOT_CREATOR, 12);
IS(RSMERR_BAD_BARRIER_PTR, 13);
IS(RSMERR_BAD_SGIO, 14);
IS(RSMERR_BAD_LOCALMEM_HNDL, 15);
IS(RSMERR_BAD_ADDR, 16);
IS(RSMERR_BAD_MEM_ALIGNMENT, 17);
IS(RSMERR_BAD_OFFSET, 18);
IS(RSMERR_MISALIGNED_OFFSET, 19);
IS(RSMERR_BAD_LENGTH, 20);
IS(RSMERR_BAD_ACL, 21);
IS(RSMERR_BAD_SEGID, 22);
IS(RSMERR_RESERVED_SEGID, 23);
IS(RSMERR_SEGID_IN_USE, 24);
IS(RSMERR_BAD_MODE, 25);
IS(RSMERR_BAD_PERMS, 26);
IS(RSMERR_PERM_DENIED, 27);
IS(RSMERR_LOCKS_NOT_SUPPORTED, 28);
IS(RSMERR_LOCKS_NOT_ENABLED, 29);
IS(RSMERR_REBIND_NOT_ALLOWED, 30);
IS(RSMERR_INSUFFICIENT_RESOURCES, 31);
IS(RSMERR_INSUFFICIENT_MEM, 32);
IS(RSMERR_MAP_FAILED, 33);
IS(RSMERR_POLLFD_IN_USE, 34);
IS(RSMERR_BARRIER_UNINITIALIZED, 35);
IS(RSMERR_BARRIER_OPEN_FAILED, 36);
IS(RSMERR_BARRIER_NOT_OPENED, 37);
IS(RSMERR_BARRIER_FAILURE, 38);
IS(RSMERR_REMOTE_NODE_UNREACHABLE, 39);
IS(RSMERR_CONN_ABORTED, 40);
IS(RSMERR_INTERRUPTED, 41);
IS(RSMERR_TIMEOUT, 42);
IS(RSMERR_BAD_APPID, 43);
IS(RSMERR_BAD_CONF, 44);
IS(RSMERR_SEG_NOT_CONNECTED, 45);
IS(RSMERR_INTERNAL_ERROR, 100);
IS(RSMERR_BAD_DRIVER_VERSION, 101);
IS(RSMERR_UNSUPPORTED_VERSION, 102);
IS(RSMERR_DRIVER_NAME_IN_USE, 103);
IS(RSMERR_DRIVER_NOT_REGISTERED, 104);
IS(RSMERR_DRIVER_THREAD_RUNNING, 105);
IS(RSMERR_NEED_THREAD_INIT, 106);
IS(RSMERR_THREAD_NOT_INITED, 107);
IS(RSMERR_CTLRS_REGISTERED, 108);
IS(RSMERR_CTLR_NOT_REGISTERED, 109);
IS(RSMERR_CTLR_ALREADY_REGISTERED, 110);
IS(RSMERR_CTLR_IN_USE, 111);
IS(RSMERR_NAME_TOO_LONG, 112);
IS(RSMERR_SEG_PUBLISHED, 113);
IS(RSMERR_SEG_NOT_PUBLISHED_TO_RSM_ADDR, 114);
IS(RSMERR_SEG_IN_USE, 115);
IS(RSMERR_BAD_SENDQ_HNDL, 116);
IS(RSMERR_BAD_ARGS_ERRORS, 117);
IS(RSMERR_BAD_MSTYPE, 118);
IS(RSMERR_NO_BACKING_MEM, 119);
IS(RSMERR_NOT_MEM, 120);
IS(RSMERR_MEM_ALREADY_BOUND, 121);
IS(RSMERR_MEM_NOT_BOUND, 122);
IS(RSMERR_HANDLER_NOT_REGISTERED, 123);
IS(RSMERR_NO_HANDLER, 124);
IS(RSMERR_UNBIND_REBIND_NOT_ALLOWED, 125);
IS(RSMERR_CALLBACKS_NOT_SUPPORTED, 126);
IS(RSMERR_UNSUPPORTED_OPERATION, 127);
IS(RSMERR_RSM_ADDR_UNREACHABLE, 128);
IS(RSMERR_UNKNOWN_RSM_ADDR, 129);
IS(RSMERR_BAD_BARRIER_HNDL, 130);
IS(RSMERR_COMM_ERR_MAYBE_DELIVERED, 131);
IS(RSMERR_COMM_ERR_NOT_DELIVERED, 132);
IS(RSMERR_QUEUE_FENCE_UP, 133);
IS(RSMERR_QUEUE_FULL, 134);
IS(RSMERR_LOCK_HELD, 200);
IS(RSMERR_LOCK_NOT_HELD, 201);

SAME(CTLR_NOT_PRESENT);
SAME(BAD_SEG_HNDL);
SAME(SEG_ALREADY_PUBLISHED);
SAME(SEG_NOT_PUBLISHED);
SAME(SEG_NOT_PUBLISHED_TO_NODE);
SAME(NOT_CREATOR);
SAME(BAD_SGIO);
SAME(BAD_ADDR);
SAME(BAD_MEM_ALIGNMENT);
SAME(BAD_OFFSET);
SAME(BAD_LENGTH);
SAME(BAD_ACL);
SAME(RESERVED_SEGID);
SAME(SEGID_IN_USE);
SAME(BAD_PERMS);
SAME(PERM_DENIED);
SAME(LOCKS_NOT_SUPPORTED);
SAME(LOCKS_NOT_ENABLED);
SAME(REBIND_NOT_ALLOWED);
SAME(INSUFFICIENT_RESOURCES);
SAME(INSUFFICIENT_MEM);
SAME(REMOTE_NODE_UNREACHABLE);
SAME(CONN_ABORTED);
SAME(INTERRUPTED);
SAME(TIMEOUT);
SAME(LOCK_HELD);
SAME(LOCK_NOT_HELD);

IS(RSM_DRIVER_PRIVATE_ID_BASE, 0);
IS(RSM_DRIVER_PRIVATE_ID_END, 0xfffff);
IS(RSM_CLUSTER_TRANSPORT_ID_BASE, 0x100000);
IS(RSM_CLUSTER_TRANSPORT_ID_END, 0x1fffff);
IS(RSM_RSMLIB_ID_BASE, 0x200000);
IS(RSM_RSMLIB_ID_END, 0x2fffff);
IS(RSM_DLPI_ID_BASE, 0x300000);
IS(RSM_DLPI_ID_END, 0x3fffff);
IS(RSM_HPC_ID_BASE, 0x400000);
IS(RSM_HPC_ID_END, 0x4fffff);
IS(RSM_OPS_ID_BASE, 0x500000);
IS(RSM_OPS_ID_END, 0x5fffff);
IS(RSM_USER_APP_ID_BASE, 0x80000000);
IS(RSM_USER_APP_ID_END, 0xffffffff);

IS(RSM_PERM_NONE, 0);
IS(RSM_PERM_READ, RSM_RIGHT_READ);
IS(RSM_PERM_WRITE, RSM_RIGHT_WRITE);
IS(RSM_PERM_RDWR, 0600);
IS(RSM_ALLOW_REBIND, 0x01);
IS(RSM_CREATE_SEG_DONTWAIT, 0x02);
IS(RSM_LOCK_OPS, 0x04);
IS(RSM_IMPLICIT_SIGPOST, 0x01);
IS(RSM_SIGPOST_NO_ACCUMULATE, 0x02);
IS(RSM_SIG_POST_NO_ACCUMULATE, 0x02);
IS(RSM_MAX_SGIOREQS, 16);
IS(RSM_COPY_VEC_MAX, RSM_MAX_SGIOREQS);
IS(RSM_OWNER_DIED, 0x01);
IS(RSM_HANDLE_TYPE, 0x01);
IS(RSM_VA_TYPE, 0x02);
IS(RSM_CONNECTION_ACTIVE, 3);
IS(MAXNAMELEN, 256);
IS(RSM_DAS8, 1);
IS(RSM_DAS16, 2);
IS(RSM_DAS32, 4);
IS(RSM_DAS64, 8);
IS(RSM_BARRIER_SEGMENT, 0x01);
IS(RSM_BARRIER_NODE, 0x02);
IS(RSM_BARRIER_SEGMENT_THREAD, 0x11);
IS(RSM_BARRIER_NODE_THREAD, 0x12);
IS(RSM_BARRIER_MODE_EXPLICIT, 0);
IS(RSM_BARRIER_MODE_IMPLICIT, 1);
IS(RSM_MAP_NONE, 0);
IS(RSM_MAP_FIXED, 1);
IS(RSM_MAP_RESERVED, 2);

#ifdef __LP64__
IS(sizeof(rsm_addr_t), 8);
IS(sizeof(rsm_node_id_t), 4);
IS(sizeof(rsm_memseg_id_t), 4);
IS(sizeof(rsm_permission_t), 4);
IS(sizeof(offset_t), 8);
IS(sizeof(rsm_barrier_component_t), 8);
IS(sizeof(rsm_barrier_t), 32);

IS(sizeof(rsmapi_controller_attr_t), 64);
AT(rsmapi_controller_attr_t, attr_direct_access_sizes, 0);
AT(rsmapi_controller_attr_t, attr_atomic_sizes, 4);
AT(rsmapi_controller_attr_t, attr_page_size, 8);
AT(rsmapi_controller_attr_t, attr_max_export_segment_size, 16);
AT(rsmapi_controller_attr_t, attr_tot_export_segment_size, 24);
AT(rsmapi_controller_attr_t, attr_max_export_segments, 32);
AT(rsmapi_controller_attr_t, attr_max_import_map_size, 40);
AT(rsmapi_controller_attr_t, attr_tot_import_map_size, 48);
AT(rsmapi_controller_attr_t, attr_max_import_segments, 56);

IS(sizeof(rsmapi_access_entry_t), 8);
IS(sizeof(struct rsm_access_entry), 8);
AT(rsmapi_access_entry_t, ae_node, 0);
AT(struct rsm_access_entry, node, 0);
AT(rsmapi_access_entry_t, ae_permission, 4);
AT(struct rsm_access_entry, perm, 4);

IS(sizeof(rsmapi_barrier_t), 24);
AT(rsmapi_barrier_t, seg, 0);
AT(rsmapi_barrier_t, gnum, 8);
AT(rsmapi_barrier_t, privdata, 16);

IS(sizeof(rsm_iovec_t), 40);
AT(rsm_iovec_t, io_type, 0);
AT(rsm_iovec_t, local, 8);
AT(rsm_iovec_t, local_offset, 16);
AT(rsm_iovec_t, remote_offset, 24);
AT(rsm_iovec_t, transfer_length, 32);

IS(sizeof(rsm_scat_gath_t), 48);
AT(rsm_scat_gath_t, local_nodeid, 0);
AT(rsm_scat_gath_t, io_request_count, 8);
AT(rsm_scat_gath_t, io_residual_count, 16);
AT(rsm_scat_gath_t, flags, 24);
AT(rsm_scat_gath_t, remote_handle, 32);
AT(rsm_scat_gath_t, iovec, 40);

IS(sizeof(rsm_topology_hdr_t), 8);
AT(rsm_topology_hdr_t, local_nodeid, 0);
AT(rsm_topology_hdr_t, local_cntlr_count, 4);

IS(sizeof(struct rsm_connections_hdr), 272);
AT(rsm_connections_hdr_t, cntlr_name, 0);
AT(rsm_connections_hdr_t, local_hwaddr, 256);
AT(rsm_connections_hdr_t, remote_cntlr_count, 264);

IS(sizeof(struct rsm_remote_cntlr), 280);
AT(rsm_remote_cntlr_t, remote_nodeid, 0);
AT(rsm_remote_cntlr_t, remote_cntlrname, 4);
AT(rsm_remote_cntlr_t, remote_hwaddr, 264);
AT(rsm_remote_cntlr_t, connection_state, 272);

AT(struct rsm_connection, remote_cntlr, 272);
AT(rsm_connections_t, hdr, 0);
AT(struct rsm_topology, connections, 8);
AT(rsm_topology_t, topology_hdr, 0);
#endif

FUNCTION(rsm_get_controller, int(char *, rsmapi_controller_handle_t *));
FUNCTION(rsm_get_controller_attr,
	 int(rsmapi_controller_handle_t, rsmapi_controller_attr_t *));
FUNCTION(rsm_release_controller, int(rsmapi_controller_handle_t));
FUNCTION(rsm_get_interconnect_topology, int(rsm_topology_t **));
FUNCTION(rsm_free_interconnect_topology, void(rsm_topology_t *));
FUNCTION(rsm_get_segmentid_range,
	 int(const char *, rsm_memseg_id_t *, uint32_t *));
FUNCTION(rsm_memseg_export_create,
	 int(rsmapi_controller_handle_t, rsm_memseg_export_handle_t *, void *,
	     size_t, uint_t));
FUNCTION(rsm_memseg_export_destroy, int(rsm_memseg_export_handle_t));
FUNCTION(rsm_memseg_export_rebind,
	 int(rsm_memseg_export_handle_t, void *, offset_t, size_t));
FUNCTION(rsm_memseg_export_publish,
	 int(rsm_memseg_export_handle_t, rsm_memseg_id_t *,
	     rsmapi_access_entry_t[], uint_t));
FUNCTION(rsm_memseg_export_republish,
	 int(rsm_memseg_export_handle_t, rsmapi_access_entry_t[], uint_t));
FUNCTION(rsm_memseg_export_unpublish, int(rsm_memseg_export_handle_t));
FUNCTION(rsm_memseg_import_connect,
	 int(rsmapi_controller_handle_t, rsm_node_id_t, rsm_memseg_id_t,
	     rsm_permission_t, rsm_memseg_import_handle_t *));
FUNCTION(rsm_memseg_import_disconnect, int(rsm_memseg_import_handle_t));
FUNCTION(rsm_memseg_import_map,
	 int(rsm_memseg_import_handle_t, void **, rsm_attribute_t,
	     rsm_permission_t, off_t, size_t));
FUNCTION(rsm_memseg_import_unmap, int(rsm_memseg_import_handle_t));
FUNCTION(rsm_memseg_import_get8,
	 int(rsm_memseg_import_handle_t, off_t, uint8_t *, ulong_t));
FUNCTION(rsm_memseg_import_get16,
	 int(rsm_memseg_import_handle_t, off_t, uint16_t *, ulong_t));
FUNCTION(rsm_memseg_import_get32,
	 int(rsm_memseg_import_handle_t, off_t, uint32_t *, ulong_t));
FUNCTION(rsm_memseg_import_get64,
	 int(rsm_memseg_import_handle_t, off_t, uint64_t *, ulong_t));
FUNCTION(rsm_memseg_import_get,
	 int(rsm_memseg_import_handle_t, off_t, void *, size_t));
FUNCTION(rsm_memseg_import_put8,
	 int(rsm_memseg_import_handle_t, off_t, uint8_t *, ulong_t));
FUNCTION(rsm_memseg_import_put16,
	 int(rsm_memseg_import_handle_t, off_t, uint16_t *, ulong_t));
FUNCTION(rsm_memseg_import_put32,
	 int(rsm_memseg_import_handle_t, off_t, uint32_t *, ulong_t));
FUNCTION(rsm_memseg_import_put64,
	 int(rsm_memseg_import_handle_t, off_t, uint64_t *, ulong_t));
FUNCTION(rsm_memseg_import_put,
	 int(rsm_memseg_import_handle_t, off_t, void *, size_t));
FUNCTION(rsm_memseg_import_getv, int(rsm_scat_gath_t *));
FUNCTION(rsm_memseg_import_putv, int(rsm_scat_gath_t *));
FUNCTION(rsm_memseg_import_init_barrier,
	 int(rsm_memseg_import_handle_t, rsm_barrier_type_t,
	     rsmapi_barrier_t *));
FUNCTION(rsm_memseg_import_open_barrier, int(rsmapi_barrier_t *));
FUNCTION(rsm_memseg_import_order_barrier, int(rsmapi_barrier_t *));
FUNCTION(rsm_memseg_import_close_barrier, int(rsmapi_barrier_t *));
FUNCTION(rsm_memseg_import_destroy_barrier, int(rsmapi_barrier_t *));
FUNCTION(rsm_memseg_import_set_mode,
	 int(rsm_memseg_import_handle_t, rsm_barrier_mode_t));
FUNCTION(rsm_memseg_import_get_mode,
	 int(rsm_memseg_import_handle_t, rsm_barrier_mode_t *));
FUNCTION(rsm_create_localmemory_handle,
	 int(rsmapi_controller_handle_t, rsm_localmemory_handle_t *, caddr_t,
	     size_t));
FUNCTION(rsm_free_localmemory_handle,
	 int(rsmapi_controller_handle_t, rsm_localmemory_handle_t));
FUNCTION(rsm_intr_signal_post, int(void *, uint_t));
FUNCTION(rsm_intr_signal_wait, int(void *, int));
FUNCTION(rsm_intr_signal_wait_pollfd, int(struct pollfd[], nfds_t, int, int *));
FUNCTION(rsm_memseg_get_pollfd, int(void *, struct pollfd *));
FUNCTION(rsm_memseg_release_pollfd, int(void *));

FUNCTION(rsm_strerror, const char *(int));
FUNCTION(rsm_strerrorname, const char *(int));
FUNCTION(rsm_last_error, const char *(void));
FUNCTION(rsm_memseg_import_cas64,
	 int(rsm_memseg_import_handle_t, off_t, uint64_t, uint64_t,
	     uint64_t *));
FUNCTION(rsm_memseg_import_add64,
	 int(rsm_memseg_import_handle_t, off_t, uint64_t, uint64_t *));
FUNCTION(rsm_memseg_import_swap64,
	 int(rsm_memseg_import_handle_t, off_t, uint64_t, uint64_t *));
FUNCTION(rsm_memseg_lock, int(void *, off_t, int, uint_t *));
FUNCTION(rsm_memseg_unlock, int(void *, off_t));
FUNCTION(rsm_memseg_export_grant,
	 int(rsm_memseg_export_handle_t, rsm_permission_t, int *));
FUNCTION(rsm_memseg_import_redeem,
	 int(int, rsm_permission_t, rsm_memseg_import_handle_t *));
