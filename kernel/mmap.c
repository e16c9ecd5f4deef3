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
 * A fault fills the window of 2 MiB around it, as far as the VMA goes. The
 * entries are special: nobody takes a page reference through them, so that a
 * zap takes all there is to take.
 *
 * An "area" remembers a VMA for the repopulation after a rebind, and which
 * windows have page tables. It is a convenience: a VMA without one is filled
 * by its faults, and zapped like the others.
 */
#include <linux/bitmap.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "rsm_private.h"

/*
 * Windows of an area that a rebind fills itself. x86 looks up the memory type
 * of each page given to remap_pfn_range(), so that it takes longer than the
 * faults it saves: it is for small segments, and for the start of others.
 */
#define RSM_EAGER_WINDOWS 4

/* What one rebind does for all importers together, so that it has an end. */
#define RSM_EAGER_TOTAL 64
#define RSM_EAGER_AREAS 1024

/* VMAs of one import, fork aside: each costs a zap its time. */
#define RSM_MAX_VMAS 4096

/**
 * struct rsm_area - a VMA of an import
 * @link: on the segment's area list
 * @imp: the import, which the VMA's file keeps
 * @vma: the VMA; it is closed before it is freed
 * @base: number of the window of the first bit, as address / PMD_SIZE
 * @filled: windows that have been filled, and so have page tables
 */
struct rsm_area {
	struct list_head link;
	struct rsm_import *imp;
	struct vm_area_struct *vma;
	unsigned long base;
	unsigned long filled[];
};

static struct rsm_import *vma_import(const struct vm_area_struct *vma)
{
	return vma->vm_file->private_data;
}

/* Index in the page set of the page at @addr. */
static unsigned long vma_index(const struct vm_area_struct *vma,
			       unsigned long addr)
{
	return vma->vm_pgoff + ((addr - vma->vm_start) >> PAGE_SHIFT);
}

/* Put the VMA on the area list; without memory it goes without an area. */
static void area_open(struct vm_area_struct *vma)
{
	struct rsm_import *imp = vma_import(vma);
	unsigned long base = vma->vm_start >> PMD_SHIFT;
	unsigned long windows = ((vma->vm_end - 1) >> PMD_SHIFT) - base + 1;
	struct rsm_area *area;

	atomic_inc(&imp->vmas);
	area = kvzalloc(struct_size(area, filled, BITS_TO_LONGS(windows)),
			GFP_KERNEL_ACCOUNT);
	vma->vm_private_data = area;
	if (!area)
		return;
	area->imp = imp;
	area->vma = vma;
	area->base = base;
	atomic_long_inc(&rsm_stats.areas);
	mutex_lock(&imp->handle.seg->areas_lock);
	/* First, where rsm_mmap_repopulate() has been already. */
	list_add(&area->link, &imp->handle.seg->areas);
	mutex_unlock(&imp->handle.seg->areas_lock);
}

static bool may_add_vma(struct rsm_import *imp)
{
	return atomic_read(&imp->vmas) < RSM_MAX_VMAS;
}

static int area_may_split(struct vm_area_struct *vma, unsigned long addr)
{
	return may_add_vma(vma_import(vma)) ? 0 : -ENOMEM;
}

static void area_close(struct vm_area_struct *vma)
{
	struct rsm_area *area = vma->vm_private_data;
	struct rsm_segment *seg = vma_import(vma)->handle.seg;

	atomic_dec(&vma_import(vma)->vmas);
	if (!area)
		return;
	mutex_lock(&seg->areas_lock);
	list_del(&area->link);
	mutex_unlock(&seg->areas_lock);
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
	struct rsm_import *imp = vma_import(vma);
	struct rsm_segment *seg = imp->handle.seg;
	struct fill fill = { .vma = vma, .index = vma_index(vma, start) };

	lockdep_assert_held_read(&seg->map_sem);
	if (imp->handle.ended)
		fill.trash = imp->trash;
	else
		fill.extent = rsm_pages_find(seg->pages, fill.index);
	return apply_to_page_range(vma->vm_mm, start, end - start, fill_entry,
				   &fill);
}

static void mark_filled(struct vm_area_struct *vma, unsigned long addr)
{
	struct rsm_area *area = vma->vm_private_data;

	if (area)
		set_bit((addr >> PMD_SHIFT) - area->base, area->filled);
}

static vm_fault_t rsm_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct rsm_segment *seg = vma_import(vma)->handle.seg;
	unsigned long start = max(vmf->address & PMD_MASK, vma->vm_start);
	unsigned long end = min((vmf->address & PMD_MASK) + PMD_SIZE,
				vma->vm_end);
	int ret;

	/* Page tables first: nothing may be allocated under map_sem. */
	if (apply_to_page_range(vma->vm_mm, start, PAGE_SIZE, NULL, NULL))
		return VM_FAULT_OOM;
	if (down_read_killable(&seg->map_sem))
		return VM_FAULT_SIGBUS;
	ret = fill_window(vma, start, end);
	up_read(&seg->map_sem);
	if (ret)
		return VM_FAULT_OOM;
	mark_filled(vma, start);
	return VM_FAULT_NOPAGE;
}

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
	struct rsm_import *imp = vma_import(vma);
	unsigned int offset = offset_in_page(addr);
	struct page *page;

	if (!(vma->vm_flags & (write ? VM_WRITE : VM_READ)))
		return -EACCES;
	len = min_t(unsigned long, len, PAGE_SIZE - offset);
	if (down_read_killable(&imp->handle.seg->map_sem))
		return -EINTR;
	page = access_page(imp, vma_index(vma, addr));
	if (write)
		memcpy_to_page(page, offset, buf, len);
	else
		memcpy_from_page(buf, page, offset, len);
	up_read(&imp->handle.seg->map_sem);
	return len;
}

static const struct vm_operations_struct rsm_vm_ops = {
	.open = area_open,
	.close = area_close,
	.may_split = area_may_split,
	.fault = rsm_fault,
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

/*
 * remap_pfn_range() over a whole VMA makes x86 claim it for PAT, with
 * warnings and failing forks to follow: go in two steps. A VMA of one page
 * has been left to its fault.
 */
static int remap_run(struct vm_area_struct *vma, unsigned long addr,
		     unsigned long pfn, unsigned long size)
{
	int ret;

	if (size < vma->vm_end - vma->vm_start)
		return remap_pfn_range(vma, addr, pfn, size, vma->vm_page_prot);
	ret = remap_pfn_range(vma, addr, pfn, PAGE_SIZE, vma->vm_page_prot);
	if (ret)
		return ret;
	return remap_pfn_range(vma, addr + PAGE_SIZE, pfn + 1, size - PAGE_SIZE,
			       vma->vm_page_prot);
}

static int entry_found(pte_t *pte, unsigned long addr, void *data)
{
	return -EBUSY;
}

/* Faults may have come before us, and remap_pfn_range() BUGs on theirs. */
static int empty_window(struct vm_area_struct *vma, unsigned long start,
			unsigned long end)
{
	zap_vma_ptes(vma, start, end - start);
	/* A zap keeps the markers of userfaultfd. */
	return apply_to_existing_page_range(vma->vm_mm, start, end - start,
					    entry_found, NULL);
}

static int remap_window(struct vm_area_struct *vma, unsigned long start,
			unsigned long end)
{
	unsigned long index = vma_index(vma, start);
	struct rsm_segment *seg = vma_import(vma)->handle.seg;
	const struct rsm_extent *extent;
	unsigned long skip, size;
	int ret;

	lockdep_assert_held_read(&seg->map_sem);
	ret = empty_window(vma, start, end);
	if (ret)
		return ret;
	extent = rsm_pages_find(seg->pages, index);
	skip = index - extent->first;
	for (; start < end; start += size, extent++, skip = 0) {
		size = min((extent->count - skip) << PAGE_SHIFT, end - start);
		ret = remap_run(vma, start, extent->pfn + skip, size);
		if (ret)
			return ret;
	}
	return 0;
}

/* Repopulate a window; false when no more is to be done for this VMA. */
static bool repopulate_window(struct rsm_area *area, unsigned long window)
{
	struct vm_area_struct *vma = area->vma;
	struct rsm_segment *seg = area->imp->handle.seg;
	unsigned long start = max(window << PMD_SHIFT, vma->vm_start);
	unsigned long end = min((window + 1) << PMD_SHIFT, vma->vm_end);
	bool more = false;

	cond_resched();
	/* Another rebind, which queues the work again; or there is no need. */
	if (!down_read_trylock(&seg->map_sem))
		return false;
	if (!area->imp->handle.ended)
		more = !remap_window(vma, start, end);
	up_read(&seg->map_sem);
	return more;
}

/*
 * The VMA lock comes before map_sem, as in faults that hold it. @total is
 * what is left of RSM_EAGER_TOTAL.
 */
static void repopulate_area(struct rsm_area *area, unsigned int *total)
{
	struct vm_area_struct *vma = area->vma;
	unsigned long window = vma->vm_start >> PMD_SHIFT;
	unsigned long last = (vma->vm_end - 1) >> PMD_SHIFT;
	unsigned int budget = min_t(unsigned int, *total, RSM_EAGER_WINDOWS);

	lockdep_assert_held_write(&vma->vm_mm->mmap_lock);
	if (!(vma->vm_flags & (VM_READ | VM_WRITE)) || vma_pages(vma) == 1)
		return;
	vm_flags_set(vma, VM_PFNMAP);
	for (; window <= last && budget; window++) {
		if (!test_bit(window - area->base, area->filled))
			continue;
		if (!repopulate_window(area, window))
			return;
		budget--;
		(*total)--;
	}
}

/* Lock the address space of an area without waiting for its owner. */
static struct mm_struct *area_trylock_mm(struct rsm_area *area)
{
	struct mm_struct *mm = area->vma->vm_mm;

	lockdep_assert_held(&area->imp->handle.seg->areas_lock);
	if (!mmget_not_zero(mm))
		return NULL;
	if (rsm_mmap_write_trylock(mm))
		return mm;
	mmput_async(mm);
	return NULL;
}

/**
 * rsm_mmap_repopulate() - fill in what a rebind has zapped
 * @work: the segment's repopulate_work
 *
 * Saves importers their faults where it can be done at once: where the mmap
 * lock is free and page tables exist. Whatever is left comes with a fault.
 *
 * Context: work, because the exporter must not hold an importer's mmap lock:
 * it may be of the lowest priority or out of its share of CPU time. Never
 * waits for an importer, and does no more than RSM_EAGER_TOTAL windows of
 * RSM_EAGER_AREAS areas.
 */
void rsm_mmap_repopulate(struct work_struct *work)
{
	struct rsm_segment *seg =
		container_of(work, struct rsm_segment, repopulate_work);
	unsigned int windows = RSM_EAGER_TOTAL;
	unsigned int areas = RSM_EAGER_AREAS;
	struct rsm_area *area;
	struct mm_struct *mm;

	mutex_lock(&seg->areas_lock);
	list_for_each_entry(area, &seg->areas, link) {
		if (!windows || !areas--)
			break;
		mm = area_trylock_mm(area);
		if (!mm)
			continue;
		/* The area stays on the list as long as we have its mm. */
		mutex_unlock(&seg->areas_lock);
		repopulate_area(area, &windows);
		mutex_lock(&seg->areas_lock);
		mmap_write_unlock(mm);
		mmput_async(mm);
	}
	mutex_unlock(&seg->areas_lock);
}
