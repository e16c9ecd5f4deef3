// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a rebind makes of importers' entries in place of those it has zapped.
 * Those of 2 MiB are left to faults, of which they need one each.
 */
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/sched/mm.h>

#include "rsm_private.h"
#include "rsm_test.h"

/*
 * Windows of an area that a rebind fills itself. x86 looks up the memory type
 * of each page given to remap_pfn_range(), so that it takes longer than the
 * faults it saves: it is for small segments, and for the start of others.
 */
#define RSM_EAGER_WINDOWS 4

/* Windows of an area that are looked at for those. */
#define RSM_EAGER_SCAN 64

/* What one rebind does for all importers together, so that it has an end. */
#define RSM_EAGER_TOTAL 64
#define RSM_EAGER_AREAS 1024

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
	/* Where it makes page tables it comes to entries of none, too. */
	return pte_none(*pte) ? 0 : -EBUSY;
}

static int remap_window(struct vm_area_struct *vma, unsigned long start,
			unsigned long end)
{
	unsigned long index = rsm_vma_index(vma, start);
	struct rsm_segment *seg = rsm_vma_import(vma)->handle.seg;
	const struct rsm_extent *extent;
	unsigned long skip, size;
	int ret;

	lockdep_assert_held_read(&seg->map_sem);
	/* A fault may have come before, and remap_pfn_range() BUGs on entries. */
	ret = apply_to_existing_page_range(vma->vm_mm, start, end - start,
					   entry_found, NULL);
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
	int ret = -ENODEV;

	cond_resched();
	/* Another rebind, which queues the work again; or there is no need. */
	if (!down_read_trylock(&seg->map_sem))
		return false;
	if (!area->imp->handle.ended)
		ret = remap_window(vma, start, end);
	up_read(&seg->map_sem);
	return !ret || ret == -EBUSY;
}

/*
 * The VMA lock comes before map_sem, as in faults that hold it. @total is
 * what is left of RSM_EAGER_TOTAL.
 */
static void repopulate_area(struct rsm_area *area, unsigned int *total)
{
	struct vm_area_struct *vma = area->vma;
	unsigned long window = vma->vm_start >> PMD_SHIFT;
	unsigned long last = min((vma->vm_end - 1) >> PMD_SHIFT,
				 window + RSM_EAGER_SCAN - 1);
	unsigned int budget = min_t(unsigned int, *total, RSM_EAGER_WINDOWS);

	lockdep_assert_held_write(&vma->vm_mm->mmap_lock);
	if (!(vma->vm_flags & (VM_READ | VM_WRITE)) || vma_pages(vma) == 1)
		return;
	vm_flags_set(vma, VM_PFNMAP);
	for (; window <= last && budget; window++) {
		if (!(area->windows[window - area->base] & RSM_WINDOW_FILLED))
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
 * rsm_repopulate() - fill in what a rebind has zapped
 * @work: the segment's repopulate_work
 *
 * Saves importers their faults where it can be done at once: where the mmap
 * lock is free and page tables exist. Whatever is left comes with a fault. It
 * comes a while after the rebind: importers that are at work have their entries
 * by then, and would only wait for the lock.
 *
 * Context: work, because the exporter must not hold an importer's mmap lock:
 * it may be of the lowest priority or out of its share of CPU time. Never
 * waits for an importer, and does no more than RSM_EAGER_TOTAL windows of
 * RSM_EAGER_AREAS areas.
 */
void rsm_repopulate(struct work_struct *work)
{
	struct rsm_segment *seg =
		container_of(to_delayed_work(work), struct rsm_segment,
			     repopulate_work);
	unsigned int windows = RSM_EAGER_TOTAL;
	unsigned int areas = RSM_EAGER_AREAS;
	struct rsm_area *area;
	struct mm_struct *mm;

	rsm_test_work_begin();
	spin_lock(&seg->areas_lock);
	list_for_each_entry(area, &seg->areas, link) {
		if (!windows || !areas--)
			break;
		mm = area_trylock_mm(area);
		if (!mm)
			continue;
		/* The area stays on the list as long as we have its mm. */
		spin_unlock(&seg->areas_lock);
		repopulate_area(area, &windows);
		spin_lock(&seg->areas_lock);
		mmap_write_unlock(mm);
		mmput_async(mm);
	}
	spin_unlock(&seg->areas_lock);
	rsm_test_work_end();
}
