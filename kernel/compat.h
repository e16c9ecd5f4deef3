/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * New names for old kernels. The only place that tests versions.
 */
#ifndef _RSM_COMPAT_H
#define _RSM_COMPAT_H

#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/sched/mm.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	lockdep_assert_held_write(&vma->vm_mm->mmap_lock);
	vma->vm_flags |= flags;
}

static inline void vm_flags_clear(struct vm_area_struct *vma, vm_flags_t flags)
{
	lockdep_assert_held_write(&vma->vm_mm->mmap_lock);
	vma->vm_flags &= ~flags;
}
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 1, 0)
#define zap_vma_ptes zap_special_vma_range
#endif

/* From 6.12 on page frames can have entries of PMD_SIZE. */
#if defined(CONFIG_ARCH_SUPPORTS_PMD_PFNMAP) && \
	defined(CONFIG_TRANSPARENT_HUGEPAGE)
#define RSM_HUGE_ENTRIES
#ifdef HAVE_PFN_T
#include <linux/pfn_t.h>
#endif

static inline vm_fault_t rsm_insert_pfn_pmd(struct vm_fault *vmf,
					    unsigned long pfn)
{
	bool write = vmf->flags & FAULT_FLAG_WRITE;

#ifdef HAVE_PFN_T
	return vmf_insert_pfn_pmd(vmf, __pfn_to_pfn_t(pfn, PFN_DEV), write);
#else
	return vmf_insert_pfn_pmd(vmf, pfn, write);
#endif
}
#endif

/*
 * From 6.16 on no module can tell it not to make page tables. They are there
 * when it is called, so it makes none.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
#define apply_to_existing_page_range apply_to_page_range
#endif

/*
 * Before 6.3 a long-term pin that has to fault holds the mmap lock all the
 * time and cannot be killed: fault in as ordinary references do, and then pin.
 */
static inline long rsm_pin_pages(unsigned long addr, unsigned long count,
				 struct page **pages)
{
	unsigned int flags = FOLL_WRITE | FOLL_LONGTERM;
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
	long got = pin_user_pages_fast_only(addr, count, flags, pages);
	unsigned int pin_flags;

	if (got > 0)
		return got;
	/* Pages that are new are to be where they may be pinned. */
	pin_flags = memalloc_pin_save();
	got = get_user_pages_unlocked(addr, count, NULL, FOLL_WRITE);
	memalloc_pin_restore(pin_flags);
	if (got <= 0)
		return got;
	count = got;
#endif
	return pin_user_pages_fast(addr, count, flags, pages);
}

/* mmap_write_trylock() went away; mmap_write_unlock() undoes this one. */
static inline bool rsm_mmap_write_trylock(struct mm_struct *mm)
{
	if (!down_write_trylock(&mm->mmap_lock))
		return false;
#if defined(MM_LOCK_SEQCOUNT) || LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	mm_lock_seqcount_begin(mm);
#endif
	return true;
}

#endif /* _RSM_COMPAT_H */
