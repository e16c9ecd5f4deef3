/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The layout of the structures of <linux/rsmctl.h>, for all architectures and
 * for 32 bit callers of 64 bit ones. Needs no header of the C library, so that
 * "make lint" can compile it for 32 bit.
 */
#ifndef UAPI_LAYOUT_H
#define UAPI_LAYOUT_H

#include <stddef.h>

#include <linux/rsmctl.h>

#define FIELD(_struct, _field, _offset, _size)                                 \
	_Static_assert(offsetof(struct _struct, _field) == (_offset) &&        \
		       sizeof(((struct _struct *)0)->_field) == (_size),       \
		       #_struct "." #_field)
#define SIZE(_struct, _size)                                                   \
	_Static_assert(sizeof(struct _struct) == (_size) &&                    \
		       (_size) % 8 == 0 &&                                     \
		       __alignof__(struct _struct) == 8, #_struct)
/* Without 64 bit fields. */
#define SIZE4(_struct, _size)                                                  \
	_Static_assert(sizeof(struct _struct) == (_size) &&                    \
		       (_size) % 8 == 0, #_struct)

SIZE(rsm_controller_info, 104);
FIELD(rsm_controller_info, name, 8, 16);
FIELD(rsm_controller_info, out_controller, 24, 4);
FIELD(rsm_controller_info, out_node, 28, 4);
FIELD(rsm_controller_info, out_direct_access_sizes, 32, 4);
FIELD(rsm_controller_info, out_atomic_sizes, 36, 4);
FIELD(rsm_controller_info, out_page_sizes, 40, 8);
FIELD(rsm_controller_info, out_max_export_size, 48, 8);
FIELD(rsm_controller_info, out_total_export_size, 56, 8);
FIELD(rsm_controller_info, out_max_exports, 64, 8);
FIELD(rsm_controller_info, out_max_import_size, 72, 8);
FIELD(rsm_controller_info, out_total_import_size, 80, 8);
FIELD(rsm_controller_info, out_max_imports, 88, 8);
FIELD(rsm_controller_info, out_error, 96, 4);
FIELD(rsm_controller_info, __reserved, 100, 4);
SIZE4(rsm_controller_find, 40);
FIELD(rsm_controller_find, controller, 8, 4);
FIELD(rsm_controller_find, out_controller, 12, 4);
FIELD(rsm_controller_find, out_name, 16, 16);
FIELD(rsm_controller_find, out_error, 32, 4);
FIELD(rsm_controller_find, __reserved, 36, 4);
SIZE4(rsm_node, 8);
FIELD(rsm_node, state, 4, 4);
SIZE(rsm_controller_nodes, 32);
FIELD(rsm_controller_nodes, controller, 8, 4);
FIELD(rsm_controller_nodes, node_count, 12, 4);
FIELD(rsm_controller_nodes, nodes, 16, 8);
FIELD(rsm_controller_nodes, out_count, 24, 4);
FIELD(rsm_controller_nodes, out_error, 28, 4);
SIZE(rsm_export_create, 40);
FIELD(rsm_export_create, controller, 8, 4);
FIELD(rsm_export_create, out_fd, 12, 4);
FIELD(rsm_export_create, vaddr, 16, 8);
FIELD(rsm_export_create, length, 24, 8);
FIELD(rsm_export_create, out_error, 32, 4);
FIELD(rsm_export_create, __reserved, 36, 4);
SIZE(rsm_export_rebind, 32);
FIELD(rsm_export_rebind, vaddr, 8, 8);
FIELD(rsm_export_rebind, length, 16, 8);
FIELD(rsm_export_rebind, out_error, 24, 4);
FIELD(rsm_export_rebind, __reserved, 28, 4);
SIZE(rsm_export_publish, 32);
FIELD(rsm_export_publish, acl, 8, 8);
FIELD(rsm_export_publish, acl_count, 16, 4);
FIELD(rsm_export_publish, segid, 20, 4);
FIELD(rsm_export_publish, out_segid, 24, 4);
FIELD(rsm_export_publish, out_error, 28, 4);
SIZE(rsm_export_republish, 24);
FIELD(rsm_export_republish, acl, 8, 8);
FIELD(rsm_export_republish, acl_count, 16, 4);
FIELD(rsm_export_republish, out_error, 20, 4);
SIZE4(rsm_export_unpublish, 16);
FIELD(rsm_export_unpublish, out_error, 8, 4);
FIELD(rsm_export_unpublish, __reserved, 12, 4);
SIZE4(rsm_export_destroy, 16);
FIELD(rsm_export_destroy, out_error, 8, 4);
FIELD(rsm_export_destroy, __reserved, 12, 4);
SIZE(rsm_import_connect, 48);
FIELD(rsm_import_connect, controller, 8, 4);
FIELD(rsm_import_connect, node, 12, 4);
FIELD(rsm_import_connect, segid, 16, 4);
FIELD(rsm_import_connect, perm, 20, 4);
FIELD(rsm_import_connect, out_length, 24, 8);
FIELD(rsm_import_connect, out_fd, 32, 4);
FIELD(rsm_import_connect, out_rights, 36, 4);
FIELD(rsm_import_connect, out_flags, 40, 4);
FIELD(rsm_import_connect, out_error, 44, 4);
SIZE(rsm_copy_vec, 24);
FIELD(rsm_copy_vec, vaddr, 0, 8);
FIELD(rsm_copy_vec, offset, 8, 8);
FIELD(rsm_copy_vec, length, 16, 8);
SIZE(rsm_import_copy, 32);
FIELD(rsm_import_copy, vec, 8, 8);
FIELD(rsm_import_copy, vec_count, 16, 4);
FIELD(rsm_import_copy, out_done, 20, 4);
FIELD(rsm_import_copy, out_error, 24, 4);
FIELD(rsm_import_copy, __reserved, 28, 4);
SIZE(rsm_import_atomic, 48);
FIELD(rsm_import_atomic, offset, 8, 8);
FIELD(rsm_import_atomic, compare, 16, 8);
FIELD(rsm_import_atomic, operand, 24, 8);
FIELD(rsm_import_atomic, out_old, 32, 8);
FIELD(rsm_import_atomic, op, 40, 4);
FIELD(rsm_import_atomic, out_error, 44, 4);
SIZE4(rsm_import_fence, 16);
FIELD(rsm_import_fence, out_error, 8, 4);
FIELD(rsm_import_fence, __reserved, 12, 4);
SIZE4(rsm_signal_post, 16);
FIELD(rsm_signal_post, out_error, 8, 4);
FIELD(rsm_signal_post, __reserved, 12, 4);
SIZE(rsm_signal_wait, 24);
FIELD(rsm_signal_wait, timeout_ns, 8, 8);
FIELD(rsm_signal_wait, out_error, 16, 4);
FIELD(rsm_signal_wait, __reserved, 20, 4);
SIZE(rsm_lock, 32);
FIELD(rsm_lock, offset, 8, 8);
FIELD(rsm_lock, timeout_ns, 16, 8);
FIELD(rsm_lock, out_flags, 24, 4);
FIELD(rsm_lock, out_error, 28, 4);
SIZE(rsm_unlock, 24);
FIELD(rsm_unlock, offset, 8, 8);
FIELD(rsm_unlock, out_error, 16, 4);
FIELD(rsm_unlock, __reserved, 20, 4);
SIZE4(rsm_export_grant, 24);
FIELD(rsm_export_grant, rights, 8, 4);
FIELD(rsm_export_grant, out_fd, 12, 4);
FIELD(rsm_export_grant, out_error, 16, 4);
FIELD(rsm_export_grant, __reserved, 20, 4);
SIZE(rsm_ticket_connect, 40);
FIELD(rsm_ticket_connect, perm, 8, 4);
FIELD(rsm_ticket_connect, out_fd, 12, 4);
FIELD(rsm_ticket_connect, out_length, 16, 8);
FIELD(rsm_ticket_connect, out_rights, 24, 4);
FIELD(rsm_ticket_connect, out_flags, 28, 4);
FIELD(rsm_ticket_connect, out_error, 32, 4);
FIELD(rsm_ticket_connect, __reserved, 36, 4);
SIZE4(rsm_access_entry, 8);
FIELD(rsm_access_entry, perm, 4, 4);
SIZE(rsm_status, 16);
FIELD(rsm_status, state, 0, 4);
FIELD(rsm_status, signals, 4, 4);
FIELD(rsm_status, rebinds, 8, 8);

#endif /* UAPI_LAYOUT_H */
