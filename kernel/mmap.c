// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings of imports: the only file that touches VMAs and page tables.
 *
 * ->mmap installs nothing. The kernel links the VMA to the segment's inode
 * only after it, so a zap in between would not see what it had installed,
 * and it would survive pointing to pages that are freed. Entries are made in
 * faults and by a rebind, with the VMA linked, its mmap lock held and map_sem
 * held for reading, after a look at the import's state and the page set.
 *
 * A fault fills the window of 2 MiB around it, as far as the VMA goes: with
 * one entry where the kernel can and pages and address fit, or with one for
 * each page. The entries are special: nobody takes a page reference through
 * them, so that a zap takes all there is to take.
 *
 * An "area" remembers a VMA for the repopulation after a rebind, and which
 * windows have page tables. It is a convenience: a VMA without one is filled
 * by its faults, and zapped like the others.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "rsm_private.h"
#include "trace.h"

/* VMAs of one import, fork aside: each costs a zap its time. */
#define RSM_MAX_VMAS 4096

/*
 * @vma begins as a copy of another, which keeps its mmap lock until it has
 * copied or moved the entries as well. fork() copies a huge entry as it was
 * before it had the lock of the page table, and a zap may have come between;
 * without an area there must be none.
 */
static void drop_huge(const struct rsm_area *from, bool to_area,
		      const struct vm_area_struct *vma)
{
	struct vm_area_struct *origin = from->vma;

	if (!from->huge || (to_area && origin->vm_mm == vma->vm_mm))
		return;
	zap_vma_ptes(origin, origin->vm_start,
		     origin->vm_end - origin->vm_start);
}

/* Put the VMA on the area list; without memory it goes without an area. */
static void area_open(struct vm_area_struct *vma)
{
	const struct rsm_area *from = vma->vm_private_data;
	struct rsm_import *imp = rsm_vma_import(vma);
	unsigned long base = vma->vm_start >> PMD_SHIFT;
	unsigned long windows = ((vma->vm_end - 1) >> PMD_SHIFT) - base + 1;
	struct rsm_area *area;

	atomic_inc(&imp->vmas);
	area = kvzalloc(struct_size(area, windows, windows),
			GFP_KERNEL_ACCOUNT);
	vma->vm_private_data = area;
	if (from) {
		/* A split comes here before it keeps faults out. */
		vm_flags_set(from->vma, VM_PFNMAP);
		drop_huge(from, area, vma);
	}
	if (!area)
		return;
	area->huge = from && from->huge;
	area->imp = imp;
	area->vma = vma;
	area->base = base;
	spin_lock_init(&area->lock);
	atomic_long_inc(&rsm_stats.areas);
	spin_lock(&imp->handle.seg->areas_lock);
	/* First, where rsm_repopulate() has been already. */
	list_add(&area->link, &imp->handle.seg->areas);
	spin_unlock(&imp->handle.seg->areas_lock);
}

static bool may_add_vma(struct rsm_import *imp)
{
	return atomic_read(&imp->vmas) < RSM_MAX_VMAS;
}

static int area_may_split(struct vm_area_struct *vma, unsigned long addr)
{
	return may_add_vma(rsm_vma_import(vma)) ? 0 : -ENOMEM;
}

static void area_close(struct vm_area_struct *vma)
{
	struct rsm_area *area = vma->vm_private_data;
	struct rsm_segment *seg = rsm_vma_import(vma)->handle.seg;

	atomic_dec(&rsm_vma_import(vma)->vmas);
	if (!area)
		return;
	spin_lock(&seg->areas_lock);
	list_del(&area->link);
	spin_unlock(&seg->areas_lock);
	atomic_long_dec(&rsm_stats.areas);
	kvfree(area);
}

/**
 * struct fill - entries being made
 * @vma: where
 * @trash: page for all of them, or NULL
 * @extent: extent of the next page, unless @trash
 * @index: index of the next page in the page set
 */
struct fill {
	struct vm_area_struct *vma;
	struct page *trash;
	const struct rsm_extent *extent;
	unsigned long index;
};

static unsigned long fill_next_pfn(struct fill *fill)
{
	unsigned long index = fill->index++;

	if (fill->trash)
		return page_to_pfn(fill->trash);
	if (index - fill->extent->first >= fill->extent->count)
		fill->extent++;
	return fill->extent->pfn + (index - fill->extent->first);
}

static int fill_entry(pte_t *pte, unsigned long addr, void *data)
{
	struct fill *fill = data;
	pte_t entry = pfn_pte(fill_next_pfn(fill), fill->vma->vm_page_prot);

	/*
	 * Another thread may have filled the window meanwhile. What is neither
	 * present nor none is a marker that userfaultfd left on some kernels.
	 */
	if (!pte_present(*pte))
		set_pte_at(fill->vma->vm_mm, addr, pte, pte_mkspecial(entry));
	return 0;
}

/* Make the entries of [start, end), which is within one window. */
static int fill_window(struct vm_area_struct *vma, unsigned long start,
		       unsigned long end)
{
	struct rsm_import *imp = rsm_vma_import(vma);
	struct rsm_segment *seg = imp->handle.seg;
	struct fill fill = { .vma = vma, .index = rsm_vma_index(vma, start) };

	lockdep_assert_held_read(&seg->map_sem);
	if (imp->handle.ended)
		fill.trash = imp->trash;
	else
		fill.extent = rsm_pages_find(seg->pages, fill.index);
	return apply_to_page_range(vma->vm_mm, start, end - start, fill_entry,
				   &fill);
}

/*
 * Decide that the window of @vmf is one of small entries, for as long as the
 * VMA is there: false when it has a huge one, which another fault has made.
 */
static bool claim_small(struct vm_fault *vmf)
{
	struct rsm_area *area = vmf->vma->vm_private_data;
	bool claimed = true;

	/* Without an area there are no huge ones. */
	if (!area)
		return true;
	spin_lock(&area->lock);
	if (pmd_trans_huge(READ_ONCE(*vmf->pmd)))
		claimed = false;
	else
		*rsm_area_window(area, vmf->address) |= RSM_WINDOW_SMALL;
	spin_unlock(&area->lock);
	return claimed;
}

/* There are page tables now, so that a rebind can make entries. */
static void mark_filled(struct vm_fault *vmf)
{
	struct rsm_area *area = vmf->vma->vm_private_data;

	if (!area)
		return;
	spin_lock(&area->lock);
	*rsm_area_window(area, vmf->address) |= RSM_WINDOW_FILLED;
	spin_unlock(&area->lock);
}

static vm_fault_t do_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct rsm_segment *seg = rsm_vma_import(vma)->handle.seg;
	unsigned long start = max(vmf->address & PMD_MASK, vma->vm_start);
	unsigned long end = min((vmf->address & PMD_MASK) + PMD_SIZE,
				vma->vm_end);
	int ret;

	if (!claim_small(vmf))
		return VM_FAULT_NOPAGE;
	/* Page tables first: nothing may be allocated under map_sem. */
	if (apply_to_page_range(vma->vm_mm, start, PAGE_SIZE, NULL, NULL))
		return VM_FAULT_OOM;
	if (rsm_map_read_lock(seg))
		return VM_FAULT_SIGBUS;
	ret = fill_window(vma, start, end);
	rsm_map_read_unlock(seg);
	if (ret)
		return VM_FAULT_OOM;
	mark_filled(vmf);
	return VM_FAULT_NOPAGE;
}

static vm_fault_t rsm_fault(struct vm_fault *vmf)
{
	vm_fault_t ret = do_fault(vmf);

	trace_rsm_fault(vmf->vma, vmf->address, false, ret);
	return ret;
}

#ifdef RSM_HUGE_ENTRIES
/* The first page frame of the window at @addr, if one entry can have it all. */
static bool huge_pfn(const struct vm_area_struct *vma, unsigned long addr,
		     unsigned long *pfn)
{
	const struct rsm_import *imp = rsm_vma_import(vma);
	unsigned long index = rsm_vma_index(vma, addr);
	const struct rsm_extent *extent;

	lockdep_assert_held_read(&imp->handle.seg->map_sem);
	if (imp->handle.ended)
		return false;
	extent = rsm_pages_find(imp->handle.seg->pages, index);
	*pfn = extent->pfn + (index - extent->first);
	return IS_ALIGNED(*pfn, PTRS_PER_PMD) &&
	       extent->first + extent->count - index >= PTRS_PER_PMD;
}

static vm_fault_t insert_huge(struct vm_fault *vmf, unsigned long pfn)
{
	struct rsm_area *area = vmf->vma->vm_private_data;
	vm_fault_t ret = VM_FAULT_FALLBACK;

	spin_lock(&area->lock);
	if (!(*rsm_area_window(area, vmf->address) & RSM_WINDOW_SMALL)) {
		area->huge = true;
		ret = rsm_insert_pfn_pmd(vmf, pfn);
	}
	spin_unlock(&area->lock);
	return ret;
}

static vm_fault_t rsm_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	struct rsm_segment *seg = rsm_vma_import(vma)->handle.seg;
	unsigned long start = vmf->address & PMD_MASK;
	vm_fault_t ret = VM_FAULT_FALLBACK;
	unsigned long pfn;

	if (order != PMD_ORDER || !vma->vm_private_data ||
	    start < vma->vm_start || vma->vm_end - start < PMD_SIZE)
		return VM_FAULT_FALLBACK;
	if (rsm_map_read_lock(seg))
		return VM_FAULT_SIGBUS;
	if (huge_pfn(vma, start, &pfn))
		ret = insert_huge(vmf, pfn);
	rsm_map_read_unlock(seg);
	/* Without a huge entry there is a fault for a small one. */
	if (!(ret & VM_FAULT_FALLBACK))
		trace_rsm_fault(vma, start, true, ret);
	return ret;
}

/* 0 when there is no segment any more, and any address is as good. */
static unsigned long current_phase(struct rsm_segment *seg)
{
	unsigned long phase = 0;

	if (rsm_map_read_lock(seg))
		return 0;
	if (seg->pages)
		phase = seg->pages->phase;
	rsm_map_read_unlock(seg);
	return phase;
}

/**
 * rsm_import_get_unmapped_area() - find an address for a mapping
 * @file: the import's
 * @addr: where it is wanted
 * @len: bytes
 * @pgoff: first page, in the file
 * @flags: of mmap
 *
 * Return: one at which huge entries fit, if there is one, or any.
 */
unsigned long rsm_import_get_unmapped_area(struct file *file,
					   unsigned long addr,
					   unsigned long len,
					   unsigned long pgoff,
					   unsigned long flags)
{
	struct rsm_import *imp = file->private_data;

	if (pgoff != RSM_STATUS_PGOFF && len >= PMD_SIZE)
		pgoff += current_phase(imp->handle.seg);
	return thp_get_unmapped_area(file, addr, len, pgoff, flags);
}
#endif

/* Page of the segment, or the trash page, for a copy. */
static struct page *access_page(struct rsm_import *imp, unsigned long index)
{
	lockdep_assert_held_read(&imp->handle.seg->map_sem);
	if (imp->handle.ended)
		return imp->trash;
	return rsm_pages_page(imp->handle.seg->pages, index);
}

/*
 * ptrace and /proc/PID/mem. They may force their way past a protection on
 * memory of their own, but not past the rights of an import.
 */
static int rsm_access(struct vm_area_struct *vma, unsigned long addr,
		      void *buf, int len, int write)
{
	struct rsm_import *imp = rsm_vma_import(vma);
	unsigned int offset = offset_in_page(addr);
	struct page *page;

	if (!(vma->vm_flags & (write ? VM_WRITE : VM_READ)))
		return -EACCES;
	len = min_t(unsigned long, len, PAGE_SIZE - offset);
	if (rsm_map_read_lock(imp->handle.seg))
		return -EINTR;
	page = access_page(imp, rsm_vma_index(vma, addr));
	if (write)
		memcpy_to_page(page, offset, buf, len);
	else
		memcpy_from_page(buf, page, offset, len);
	rsm_map_read_unlock(imp->handle.seg);
	return len;
}

static const struct vm_operations_struct rsm_vm_ops = {
	.open = area_open,
	.close = area_close,
	.may_split = area_may_split,
	.fault = rsm_fault,
#ifdef RSM_HUGE_ENTRIES
	.huge_fault = rsm_huge_fault,
#endif
	.access = rsm_access,
};

static int check_rights(const struct rsm_import *imp, vm_flags_t flags)
{
	/* There are no pages that can be written and not read. */
	if (!(imp->handle.rights & RSM_RIGHT_READ) || (flags & VM_EXEC))
		return -EACCES;
	if ((flags & VM_WRITE) && !(imp->handle.rights & RSM_RIGHT_WRITE))
		return -EACCES;
	return 0;
}

/**
 * rsm_import_mmap() - map a range of a segment
 * @imp: the import
 * @vma: the new area
 *
 * Return: 0; -EINVAL when private; -EOPNOTSUPP when the controller cannot;
 * -ENXIO outside of the segment; -EACCES without the rights; -ENODEV when
 * aborted; -EAGAIN with too many mappings.
 */
int rsm_import_mmap(struct rsm_import *imp, struct vm_area_struct *vma)
{
	unsigned long count = imp->handle.seg->length >> PAGE_SHIFT;
	vm_flags_t never = VM_MAYEXEC;
	int ret;

	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (!(imp->ctl->caps & RSM_CAP_MAP))
		return -EOPNOTSUPP;
	if (vma_pages(vma) > count || vma->vm_pgoff > count - vma_pages(vma))
		return -ENXIO;
	ret = check_rights(imp, vma->vm_flags);
	if (ret)
		return ret;
	if (READ_ONCE(imp->handle.ended))
		return -ENODEV;
	if (!may_add_vma(imp))
		return -EAGAIN;

	if (!(imp->handle.rights & RSM_RIGHT_WRITE))
		never |= VM_MAYWRITE;
	vm_flags_clear(vma, never);
	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_ops = &rsm_vm_ops;
	trace_rsm_map(imp, vma);
	area_open(vma);
	rsm_test_mmap_delay();
	return 0;
}

/* Remove all entries of the segment's pages from all importers. */
void rsm_mmap_zap(struct rsm_segment *seg)
{
	lockdep_assert_held_write(&seg->map_sem);
	unmap_mapping_range(seg->inode->i_mapping, 0, seg->length, 1);
}
