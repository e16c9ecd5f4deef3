// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page sets: pinned user memory.
 *
 * Pages are kept as extents, runs of contiguous page frames, so that what is
 * done to them later costs by the extent and not by the page. A set is made
 * whole or not at all and never changes; who wants other pages makes another
 * set. It remembers whom it charged, because the last put may happen in any
 * task. "index" counts the pages of a set from 0.
 *
 * This is the only file that pins and unpins.
 */
#include <linux/bsearch.h>
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/scatterlist.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>

#include "rsm_private.h"
#include "rsm_test.h"

/* Pages pinned at a time: what one page of pointers holds. */
#define PIN_BATCH (PAGE_SIZE / sizeof(struct page *))

/*
 * References of a folio from which on it is not pinned any more. A pin of a
 * small page counts for 1024 of them, and the kernel warns when an int is full.
 */
#define FOLIO_REFS_MAX (INT_MAX / 2)

/* Pages unpinned before other tasks get their turn. */
#define UNPIN_BATCH 4096UL

static bool charge_user(struct user_struct *user, unsigned long count)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	long old = atomic_long_read(&user->locked_vm);

	do {
		if (old + count > limit && !capable(CAP_IPC_LOCK))
			return false;
	} while (!atomic_long_try_cmpxchg(&user->locked_vm, &old, old + count));
	return true;
}

/* Charge @count pages to the caller and the node; undone by uncharge(). */
static int charge(struct rsm_pages *pages, unsigned long count)
{
	struct user_struct *user = get_uid(current_user());

	if (!rsm_limits_charge(count))
		goto err_user;
	if (!charge_user(user, count))
		goto err_limits;
	pages->user = user;
	pages->mm = current->mm;
	mmgrab(pages->mm);
	atomic64_add(count, &pages->mm->pinned_vm);
	pages->charged = count;
	return 0;

err_limits:
	rsm_limits_uncharge(count);
err_user:
	free_uid(user);
	return RSM_ERR_INSUFFICIENT_MEM;
}

static void uncharge(struct rsm_pages *pages)
{
	atomic64_sub(pages->charged, &pages->mm->pinned_vm);
	mmdrop(pages->mm);
	atomic_long_sub(pages->charged, &pages->user->locked_vm);
	free_uid(pages->user);
	rsm_limits_uncharge(pages->charged);
}

/* Judged on the pages and not their VMA, which can change under the pin. */
static bool folio_allowed(struct folio *folio)
{
	struct address_space *mapping;
	bool allowed;

	if (folio_test_anon(folio) || folio_test_hugetlb(folio))
		return true;
	/* A truncated page has no mapping; RCU keeps one that goes now. */
	rcu_read_lock();
	mapping = folio_mapping(folio);
	allowed = mapping && shmem_mapping(mapping);
	rcu_read_unlock();
	return allowed;
}

static int grow_extents(struct rsm_pages *pages)
{
	unsigned int max = pages->max_extents * 2 ?: 16;
	struct rsm_extent *extents;

	extents = kvmalloc_array(max, sizeof(*extents),
				 GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!extents)
		return -ENOMEM;
	if (pages->nr_extents)
		memcpy(extents, pages->extents,
		       array_size(pages->nr_extents, sizeof(*extents)));
	kvfree(pages->extents);
	pages->extents = extents;
	pages->max_extents = max;
	return 0;
}

/* Add @count pages of one folio, the first of which is @page. */
static int add_run(struct rsm_pages *pages, struct page *page,
		   unsigned long count)
{
	unsigned long pfn = page_to_pfn(page), first = pages->count;
	struct rsm_extent *next;
	int ret;

	if (pages->nr_extents == pages->max_extents) {
		ret = grow_extents(pages);
		if (ret)
			return ret;
	}
	pages->count = first + count;
	next = pages->extents + pages->nr_extents;
	if (first && next[-1].pfn + next[-1].count == pfn) {
		next[-1].count += count;
		return 0;
	}
	pages->nr_extents++;
	*next = (struct rsm_extent){
		.first = first,
		.count = count,
		.pfn = pfn,
	};
	return 0;
}

/* How many of @count pages follow each other in @folio. */
static unsigned long run_in_folio(struct folio *folio, struct page **batch,
				  unsigned long count)
{
	unsigned long first, run = 1;

	if (!folio_test_large(folio))
		return run;
	first = folio_page_idx(folio, *batch);
	count = min(count, folio_nr_pages(folio) - first);
	while (run < count && batch[run] == folio_page(folio, first + run))
		run++;
	return run;
}

/* Add pinned pages to the set; those that are not added are unpinned. */
static int add_batch(struct rsm_pages *pages, struct page **batch,
		     unsigned long count)
{
	unsigned long i, run;
	int ret = 0;

	for (i = 0; i < count; i += run) {
		struct folio *folio = page_folio(batch[i]);

		run = run_in_folio(folio, batch + i, count - i);
		if (!folio_allowed(folio))
			ret = RSM_ERR_BAD_ADDR;
		else if (folio_ref_count(folio) > FOLIO_REFS_MAX)
			ret = RSM_ERR_INSUFFICIENT_MEM;
		else
			ret = add_run(pages, batch[i], run);
		if (ret)
			break;
	}
	unpin_user_pages(batch + i, count - i);
	return ret;
}

/* Why @addr cannot be pinned: not writable, or not memory of ours at all. */
static int address_error(unsigned long addr)
{
	struct vm_area_struct *vma;
	int ret = RSM_ERR_BAD_ADDR;

	if (mmap_read_lock_killable(current->mm))
		return -EINTR;
	vma = vma_lookup(current->mm, addr);
	if (vma && !(vma->vm_flags & (VM_WRITE | VM_IO | VM_PFNMAP)))
		ret = RSM_ERR_PERM_DENIED;
	mmap_read_unlock(current->mm);
	return ret;
}

static int pin_error(unsigned long addr, int err)
{
	if (fatal_signal_pending(current))
		return -EINTR;
	switch (err) {
	case -ENOMEM:
	case -EAGAIN:
	case -EBUSY:
		return -ENOMEM;
	}
	return address_error(addr);
}

static int pin_batch(struct rsm_pages *pages, unsigned long vaddr,
		     unsigned long count, struct page **batch)
{
	unsigned long addr = vaddr + pages->count * PAGE_SIZE;
	long got;

	if (fatal_signal_pending(current))
		return -EINTR;
	cond_resched();
	got = rsm_pin_pages(addr, min(count - pages->count, PIN_BATCH), batch);
	if (got <= 0)
		return pin_error(addr, got);
	return add_batch(pages, batch, got);
}

static const struct rsm_extent *find_longest(const struct rsm_pages *pages)
{
	const struct rsm_extent *extent = pages->extents, *longest = extent;
	unsigned int i;

	for (i = 0; i < pages->nr_extents; i++, extent++)
		if (extent->count > longest->count)
			longest = extent;
	return longest;
}

/* Huge entries that fit, where addresses go with the phase. */
static unsigned long count_huge(const struct rsm_pages *pages)
{
	unsigned long first, end, huge = 0;
	unsigned int i;

	for (i = 0; i < pages->nr_extents; i++) {
		const struct rsm_extent *extent = &pages->extents[i];

		if ((extent->pfn - extent->first) % PTRS_PER_PMD != pages->phase)
			continue;
		first = DIV_ROUND_UP(extent->pfn, PTRS_PER_PMD);
		end = (extent->pfn + extent->count) / PTRS_PER_PMD;
		huge += max(first, end) - first;
	}
	return huge;
}

/* Where huge entries can be: addresses go with the longest extent. */
static void find_huge(struct rsm_pages *pages)
{
	const struct rsm_extent *longest = find_longest(pages);

	pages->phase = (longest->pfn - longest->first) % PTRS_PER_PMD;
	if (longest->count >= PTRS_PER_PMD)
		pages->nr_huge = count_huge(pages);
}

static int pin_all(struct rsm_pages *pages, unsigned long vaddr,
		   unsigned long count)
{
	struct page **batch = (struct page **)__get_free_page(GFP_KERNEL);
	int ret = 0;

	if (!batch)
		return -ENOMEM;
	while (pages->count < count && !ret)
		ret = pin_batch(pages, vaddr, count, batch);
	free_page((unsigned long)batch);
	if (ret)
		return ret;
	find_huge(pages);
	return 0;
}

/**
 * rsm_pages_pin() - pin memory of the caller
 * @vaddr: page aligned address
 * @count: number of pages; @vaddr and @count do not wrap
 * @out: the page set, for rsm_pages_put()
 *
 * Context: faults on user memory, so no lock that a fault needs is held.
 * Return: 0, -EINTR, -ENOMEM, RSM_ERR_INSUFFICIENT_MEM, RSM_ERR_BAD_ADDR or
 * RSM_ERR_PERM_DENIED.
 */
int rsm_pages_pin(unsigned long vaddr, unsigned long count,
		  struct rsm_pages **out)
{
	struct rsm_pages *pages = kzalloc(sizeof(*pages), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!pages)
		return -ENOMEM;
	ret = charge(pages, count);
	if (ret == RSM_ERR_INSUFFICIENT_MEM) {
		/* Creators that have died may have it yet, but not for long. */
		flush_workqueue(rsm_wq);
		ret = charge(pages, count);
	}
	if (ret) {
		kfree(pages);
		return ret;
	}
	kref_init(&pages->ref);
	atomic_long_inc(&rsm_stats.page_sets);
	atomic_long_add(count, &rsm_stats.pinned_pages);

	ret = pin_all(pages, vaddr, count);
	rsm_test_pinned(pages);
	if (ret) {
		rsm_pages_put(pages);
		return ret;
	}
	*out = pages;
	return 0;
}

/* Importers and exporter may have written: always mark dirty. */
static void unpin_extent(const struct rsm_extent *extent)
{
	unsigned long done, step;

	for (done = 0; done < extent->count; done += step) {
		step = min(extent->count - done, UNPIN_BATCH);
		unpin_user_page_range_dirty_lock(pfn_to_page(extent->pfn + done),
						 step, true);
		cond_resched();
	}
}

static void pages_release(struct kref *ref)
{
	struct rsm_pages *pages = container_of(ref, struct rsm_pages, ref);
	unsigned int i;

	rsm_test_unpin(pages);
	for (i = 0; i < pages->nr_extents; i++)
		unpin_extent(&pages->extents[i]);
	/* Before the statistics, so that tests may take these for all there is. */
	uncharge(pages);
	atomic_long_sub(pages->charged, &rsm_stats.pinned_pages);
	atomic_long_dec(&rsm_stats.page_sets);
	kvfree(pages->extents);
	kfree(pages);
}

/**
 * rsm_pages_put() - let go of a page set
 * @pages: the page set, or NULL
 *
 * Context: may sleep, holds no lock: marking a page dirty may wait for it.
 */
void rsm_pages_put(struct rsm_pages *pages)
{
	if (pages)
		kref_put(&pages->ref, pages_release);
}
EXPORT_SYMBOL_GPL(rsm_pages_put);

unsigned long rsm_pages_count(const struct rsm_pages *pages)
{
	return pages->count;
}
EXPORT_SYMBOL_GPL(rsm_pages_count);

static int compare_extent(const void *key, const void *elt)
{
	const struct rsm_extent *extent = elt;
	unsigned long index = *(const unsigned long *)key;

	if (index < extent->first)
		return -1;
	return index - extent->first >= extent->count;
}

/* The extent with page @index, which is in the set. */
const struct rsm_extent *rsm_pages_find(const struct rsm_pages *pages,
					unsigned long index)
{
	return bsearch(&index, pages->extents, pages->nr_extents,
		       sizeof(*pages->extents), compare_extent);
}

struct page *rsm_pages_page(const struct rsm_pages *pages, unsigned long index)
{
	const struct rsm_extent *extent = rsm_pages_find(pages, index);

	return pfn_to_page(extent->pfn + (index - extent->first));
}

/* Extents that have pages @first to @first + @count - 1 */
static unsigned int count_extents(const struct rsm_pages *pages,
				  unsigned long first, unsigned long count)
{
	return rsm_pages_find(pages, first + count - 1) -
	       rsm_pages_find(pages, first) + 1;
}

/**
 * rsm_pages_sg() - describe pages for a device
 * @pages: the page set
 * @first: index of the first page
 * @count: number of pages, which are less than 4 GiB
 * @sgt: the table, for sg_free_table()
 *
 * Return: 0 or -ENOMEM.
 */
int rsm_pages_sg(const struct rsm_pages *pages, unsigned long first,
		 unsigned long count, struct sg_table *sgt)
{
	const struct rsm_extent *extent = rsm_pages_find(pages, first);
	unsigned long skip = first - extent->first, run;
	struct scatterlist *sg;
	unsigned int i;
	int ret;

	ret = sg_alloc_table(sgt, count_extents(pages, first, count),
			     GFP_KERNEL);
	if (ret)
		return ret;
	for_each_sgtable_sg(sgt, sg, i) {
		run = min(count, extent->count - skip);
		sg_set_page(sg, pfn_to_page(extent->pfn + skip),
			    run << PAGE_SHIFT, 0);
		count -= run;
		skip = 0;
		extent++;
	}
	return 0;
}
EXPORT_SYMBOL_GPL(rsm_pages_sg);
