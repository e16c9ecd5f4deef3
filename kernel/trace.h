/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: what becomes of segments and connections. Who does it, and
 * when, stands in front of each event.
 *
 * A segment is known by its number, as in /proc/PID/fdinfo. Times are in
 * nanoseconds. They are taken while the event is enabled, else they are 0.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM rsmctl

#if !defined(_RSM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _RSM_TRACE_H

#include <linux/tracepoint.h>

#include "rsm_private.h"

#define rsm_show_rights(_rights)                                               \
	__print_flags(_rights, "|", { RSM_RIGHT_READ, "r" },                   \
		      { RSM_RIGHT_WRITE, "w" })

#define rsm_show_export_flags(_flags)                                          \
	__print_flags(_flags, "|", { RSM_EXPORT_ALLOW_REBIND, "rebind" },      \
		      { RSM_EXPORT_DONTWAIT, "dontwait" },                     \
		      { RSM_EXPORT_LOCK_OPS, "locks" })

DECLARE_EVENT_CLASS(rsm_segment,
	TP_PROTO(const struct rsm_segment *seg),
	TP_ARGS(seg),
	TP_STRUCT__entry(
		__field(u64, segment)
		__field(u64, length)
		__field(u32, flags)
	),
	TP_fast_assign(
		__entry->segment = seg->inode->i_ino;
		__entry->length = seg->length;
		__entry->flags = seg->flags;
	),
	TP_printk("segment=%llu length=%llu flags=%s", __entry->segment,
		  __entry->length, rsm_show_export_flags(__entry->flags))
);

DEFINE_EVENT(rsm_segment, rsm_create,
	TP_PROTO(const struct rsm_segment *seg),
	TP_ARGS(seg)
);

/* Whoever ends it: destroy, the last close, or the end of the creator */
DEFINE_EVENT(rsm_segment, rsm_destroy,
	TP_PROTO(const struct rsm_segment *seg),
	TP_ARGS(seg)
);

/* For a new segment and for a rebind: @ret is an errno or an RSMERR_ code. */
TRACE_EVENT(rsm_pin,
	TP_PROTO(const struct rsm_segment *seg, const struct rsm_pages *pages,
		 u64 started, int ret),
	TP_ARGS(seg, pages, started, ret),
	TP_STRUCT__entry(
		__field(u64, segment)
		__field(unsigned long, pages)
		__field(unsigned int, extents)
		__field(u64, ns)
		__field(int, ret)
	),
	TP_fast_assign(
		__entry->segment = seg->inode->i_ino;
		__entry->pages = pages ? pages->count : 0;
		__entry->extents = pages ? pages->nr_extents : 0;
		__entry->ns = started ? ktime_get_ns() - started : 0;
		__entry->ret = ret;
	),
	TP_printk("segment=%llu pages=%lu extents=%u ns=%llu ret=%d",
		  __entry->segment, __entry->pages, __entry->extents,
		  __entry->ns, __entry->ret)
);

DECLARE_EVENT_CLASS(rsm_publication,
	TP_PROTO(const struct rsm_segment *seg, u32 id),
	TP_ARGS(seg, id),
	TP_STRUCT__entry(
		__field(u64, segment)
		__field(u32, id)
	),
	TP_fast_assign(
		__entry->segment = seg->inode->i_ino;
		__entry->id = id;
	),
	TP_printk("segment=%llu id=0x%x", __entry->segment, __entry->id)
);

DEFINE_EVENT(rsm_publication, rsm_publish,
	TP_PROTO(const struct rsm_segment *seg, u32 id),
	TP_ARGS(seg, id)
);

DEFINE_EVENT(rsm_publication, rsm_unpublish,
	TP_PROTO(const struct rsm_segment *seg, u32 id),
	TP_ARGS(seg, id)
);

DECLARE_EVENT_CLASS(rsm_import,
	TP_PROTO(const struct rsm_import *imp),
	TP_ARGS(imp),
	TP_STRUCT__entry(
		__field(u64, segment)
		__field(u32, id)
		__field(u32, rights)
	),
	TP_fast_assign(
		__entry->segment = imp->handle.seg->inode->i_ino;
		__entry->id = imp->id;
		__entry->rights = imp->handle.rights;
	),
	TP_printk("segment=%llu id=0x%x rights=%s", __entry->segment,
		  __entry->id, rsm_show_rights(__entry->rights))
);

DEFINE_EVENT(rsm_import, rsm_connect,
	TP_PROTO(const struct rsm_import *imp),
	TP_ARGS(imp)
);

DEFINE_EVENT(rsm_import, rsm_disconnect,
	TP_PROTO(const struct rsm_import *imp),
	TP_ARGS(imp)
);

DEFINE_EVENT(rsm_import, rsm_abort,
	TP_PROTO(const struct rsm_import *imp),
	TP_ARGS(imp)
);

TRACE_EVENT(rsm_map,
	TP_PROTO(const struct rsm_import *imp, const struct vm_area_struct *vma),
	TP_ARGS(imp, vma),
	TP_STRUCT__entry(
		__field(u64, segment)
		__field(u64, offset)
		__field(u64, length)
		__field(bool, write)
	),
	TP_fast_assign(
		__entry->segment = imp->handle.seg->inode->i_ino;
		__entry->offset = (u64)vma->vm_pgoff << PAGE_SHIFT;
		__entry->length = vma->vm_end - vma->vm_start;
		__entry->write = vma->vm_flags & VM_WRITE;
	),
	TP_printk("segment=%llu offset=%llu length=%llu write=%d",
		  __entry->segment, __entry->offset, __entry->length,
		  __entry->write)
);

/* @ret: of enum vm_fault_reason */
TRACE_EVENT(rsm_fault,
	TP_PROTO(const struct vm_area_struct *vma, unsigned long address,
		 bool huge, vm_fault_t ret),
	TP_ARGS(vma, address, huge, ret),
	TP_STRUCT__entry(
		__field(u64, segment)
		__field(u64, offset)
		__field(bool, huge)
		__field(unsigned int, ret)
	),
	TP_fast_assign(
		__entry->segment =
			rsm_vma_import(vma)->handle.seg->inode->i_ino;
		__entry->offset = (u64)rsm_vma_index(vma, address) << PAGE_SHIFT;
		__entry->huge = huge;
		__entry->ret = (__force unsigned int)ret;
	),
	TP_printk("segment=%llu offset=%llu huge=%d ret=0x%x", __entry->segment,
		  __entry->offset, __entry->huge, __entry->ret)
);

/* @started: when importers began to be kept out */
TRACE_EVENT(rsm_rebind,
	TP_PROTO(const struct rsm_segment *seg, u64 started),
	TP_ARGS(seg, started),
	TP_STRUCT__entry(
		__field(u64, segment)
		__field(u64, rebinds)
		__field(unsigned long, pages)
		__field(unsigned int, imports)
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->segment = seg->inode->i_ino;
		__entry->rebinds = seg->rebinds / 2;
		__entry->pages = seg->pages->count;
		__entry->imports = READ_ONCE(seg->nr_imports);
		__entry->ns = started ? ktime_get_ns() - started : 0;
	),
	TP_printk("segment=%llu rebinds=%llu pages=%lu imports=%u ns=%llu",
		  __entry->segment, __entry->rebinds, __entry->pages,
		  __entry->imports, __entry->ns)
);

TRACE_EVENT(rsm_signal,
	TP_PROTO(const struct rsm_handle *handle),
	TP_ARGS(handle),
	TP_STRUCT__entry(
		__field(u64, segment)
		__field(bool, import)
		__field(u32, pending)
	),
	TP_fast_assign(
		__entry->segment = handle->seg->inode->i_ino;
		__entry->import = handle != &handle->seg->handle;
		__entry->pending = handle->signals;
	),
	TP_printk("segment=%llu to=%s pending=%u", __entry->segment,
		  __entry->import ? "import" : "export", __entry->pending)
);

/* A copy by the kernel; what goes through mappings is not seen. */
TRACE_EVENT(rsm_copy,
	TP_PROTO(const struct rsm_import *imp, const struct rsm_copy_vec *vec,
		 bool put, int ret),
	TP_ARGS(imp, vec, put, ret),
	TP_STRUCT__entry(
		__field(u64, segment)
		__field(bool, put)
		__field(u64, offset)
		__field(u64, length)
		__field(int, ret)
	),
	TP_fast_assign(
		__entry->segment = imp->handle.seg->inode->i_ino;
		__entry->put = put;
		__entry->offset = vec->offset;
		__entry->length = vec->length;
		__entry->ret = ret;
	),
	TP_printk("segment=%llu %s offset=%llu length=%llu ret=%d",
		  __entry->segment, __entry->put ? "put" : "get",
		  __entry->offset, __entry->length, __entry->ret)
);

#endif /* _RSM_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
