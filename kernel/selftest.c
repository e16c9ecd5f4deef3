// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hooks for the tests, built with RSM_TEST=y only.
 */
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/kcov.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/module.h>
#include <linux/nodemask.h>
#include <linux/pgtable.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <linux/vmalloc.h>

#include "rsm_private.h"
#include "rsm_test.h"

/* The kernel says so when it is loaded, and is tainted from then on. */
MODULE_INFO(test, "Y");

static unsigned int test_mmap_delay_ms;
module_param(test_mmap_delay_ms, uint, 0600);
MODULE_PARM_DESC(test_mmap_delay_ms,
		 "sleep in mmap of an import, before its area is linked, as long as this is not zero and at most so long");

static unsigned int test_exit_delay_ms;
module_param(test_exit_delay_ms, uint, 0600);
MODULE_PARM_DESC(test_exit_delay_ms,
		 "sleep before segments of a creator that is gone are ended, likewise");

/* As long as *@param is not zero, and at most so many milliseconds. */
static void delay(const unsigned int *param)
{
	unsigned long begin = jiffies;
	unsigned int ms;

	do {
		ms = READ_ONCE(*param);
		if (ms)
			fsleep(USEC_PER_MSEC);
	} while (time_is_after_jiffies(begin + msecs_to_jiffies(ms)));
}

void rsm_test_mmap_delay(void)
{
	delay(&test_mmap_delay_ms);
}

void rsm_test_exit_delay(void)
{
	delay(&test_exit_delay_ms);
}

/* KCOV is told of work here: it does not see tasks that nobody asked it to. */

static ulong test_kcov;
module_param(test_kcov, ulong, 0600);
MODULE_PARM_DESC(test_kcov, "common handle of KCOV for the coverage of work, or 0");

void rsm_test_work_begin(void)
{
#ifdef CONFIG_KCOV
	kcov_remote_start_common(READ_ONCE(test_kcov));
#endif
}

void rsm_test_work_end(void)
{
	kcov_remote_stop();
}

/* A controller that has neither mappings nor locks. */

static void test_get_info(const struct rsm_controller *ctl,
			  struct rsm_controller_info *info)
{
	info->out_page_sizes = PAGE_SIZE / SZ_1K;
}

static int test_check_access(const struct rsm_controller *ctl,
			     const struct rsm_access_entry *acl,
			     unsigned int count)
{
	return 0;
}

static int test_check_node(const struct rsm_controller *ctl, u32 node)
{
	return node == ctl->local_node ? 0 : RSM_ERR_CTLR_NOT_PRESENT;
}

static const struct rsm_provider_ops test_ops = {
	.owner = THIS_MODULE,
	.get_info = test_get_info,
	.check_access = test_check_access,
	.check_node = test_check_node,
	.nodes = rsm_loopback_nodes,
};

static struct rsm_controller test_controller = {
	.name = "test0",
	.ops = &test_ops,
};

/*
 * Nobody's page tables lead to pages that are given back.
 *
 * Before a page set is unpinned, all VMAs of all importers are searched for
 * entries that should not be there. Of what the driver knows itself only the
 * page sets are asked: the VMAs are those that the kernel has in the inode of
 * each segment, and each page is counted here as often as it is pinned.
 *
 * walk_sem comes before map_sem, which is only tried for, and i_mmap_rwsem.
 * That keeps the VMAs and their page tables in place, as for a zap.
 */

static bool test_walk = true;
module_param(test_walk, bool, 0600);
MODULE_PARM_DESC(test_walk, "search importers for pages before they are unpinned");

static atomic_long_t test_walked;

static int get_walked(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%ld\n", atomic_long_read(&test_walked));
}

static const struct kernel_param_ops walked_ops = {
	.get = get_walked,
};

module_param_cb(test_walked, &walked_ops, NULL, 0400);
MODULE_PARM_DESC(test_walked, "VMAs of importers that were searched");

/**
 * struct walked_inode - the inode of a segment, which has it in i_private
 * @link: on the list @inodes
 * @mapping: of the inode
 */
struct walked_inode {
	struct list_head link;
	struct address_space *mapping;
};

/**
 * struct walk - a search under way
 * @imp: import that the VMA is of
 * @stable: its segment's map_sem is held, so that there is one right entry
 * @index: in the page set, of the page at @start
 * @start: address that the search starts from
 * @addr: where a wrong entry was found
 * @pfn: page that it leads to
 * @found: there was one
 */
struct walk {
	const struct rsm_import *imp;
	bool stable;
	unsigned long index;
	unsigned long start;
	unsigned long addr;
	unsigned long pfn;
	bool found;
};

static DECLARE_RWSEM(walk_sem);
static LIST_HEAD(inodes);
static atomic_t *pins;
static unsigned long nr_pins;

void rsm_test_add_inode(struct inode *inode)
{
	struct walked_inode *walked =
		kzalloc(sizeof(*walked), GFP_KERNEL | __GFP_NOFAIL);

	walked->mapping = inode->i_mapping;
	inode->i_private = walked;
	down_write(&walk_sem);
	list_add(&walked->link, &inodes);
	up_write(&walk_sem);
}

void rsm_test_remove_inode(struct inode *inode)
{
	struct walked_inode *walked = inode->i_private;

	down_write(&walk_sem);
	list_del(&walked->link);
	up_write(&walk_sem);
	kfree(walked);
}

static void count_pins(const struct rsm_pages *pages, int change)
{
	const struct rsm_extent *extent = pages->extents;
	unsigned int i;
	unsigned long pfn;

	for (i = 0; i < pages->nr_extents; i++, extent++)
		for (pfn = extent->pfn; pfn < extent->pfn + extent->count;
		     pfn++)
			if (!WARN_ON_ONCE(pfn >= nr_pins))
				atomic_add(change, &pins[pfn]);
}

/* The pages of a set, which may not be whole, are pinned. */
void rsm_test_pinned(const struct rsm_pages *pages)
{
	count_pins(pages, 1);
}

static bool entry_is_right(const struct walk *walk, unsigned long addr,
			   unsigned long pfn)
{
	bool trash = pfn == page_to_pfn(walk->imp->trash);
	const struct rsm_pages *pages;
	unsigned long index;

	/* Whether it is the right one or not, it must be pinned. */
	if (!trash && (pfn >= nr_pins || !atomic_read(&pins[pfn])))
		return false;
	if (!walk->stable)
		return true;
	if (walk->imp->handle.ended)
		return trash;
	pages = walk->imp->handle.seg->pages;
	index = walk->index + ((addr - walk->start) >> PAGE_SHIFT);
	return pages && pfn == page_to_pfn(rsm_pages_page(pages, index));
}

static void check_entry(struct walk *walk, unsigned long addr, pte_t entry)
{
	if (!pte_present(entry) || entry_is_right(walk, addr, pte_pfn(entry)))
		return;
	walk->addr = addr;
	walk->pfn = pte_pfn(entry);
	walk->found = true;
}

static pmd_t *find_pmd(struct mm_struct *mm, unsigned long addr)
{
	pgd_t *pgd = pgd_offset(mm, addr);
	p4d_t *p4d;
	pud_t *pud;

	if (pgd_none(READ_ONCE(*pgd)))
		return NULL;
	p4d = p4d_offset(pgd, addr);
	if (p4d_none(READ_ONCE(*p4d)))
		return NULL;
	pud = pud_offset(p4d, addr);
	return pud_none(READ_ONCE(*pud)) ? NULL : pmd_offset(pud, addr);
}

/* What is true of a small entry is to be true of each page of a huge one. */
static void check_huge(struct walk *walk, struct mm_struct *mm, pmd_t *pmd,
		       unsigned long addr)
{
	spinlock_t *lock = pmd_lock(mm, pmd);
	pmd_t entry = READ_ONCE(*pmd);
	unsigned int i;

	for (i = 0; pmd_trans_huge(entry) && i < PTRS_PER_PMD; i++)
		check_entry(walk, addr + i * PAGE_SIZE,
			    pfn_pte(pmd_pfn(entry) + i, PAGE_READONLY));
	spin_unlock(lock);
}

/* Of a table that is taken away meanwhile there is nothing to be said. */
static void check_table(struct walk *walk, struct mm_struct *mm, pmd_t *pmd,
			unsigned long addr, unsigned long end)
{
	pmd_t table = READ_ONCE(*pmd);
	spinlock_t *lock; /* of the table */
	pte_t *pte;

	if (!pmd_present(table))
		return;
	if (pmd_trans_huge(table)) {
		check_huge(walk, mm, pmd, addr);
		return;
	}
	lock = pte_lockptr(mm, &table);
	spin_lock(lock);
	if (pmd_same(table, READ_ONCE(*pmd))) {
		pte = pte_offset_kernel(&table, addr);
		for (; addr < end; addr += PAGE_SIZE, pte++)
			check_entry(walk, addr, READ_ONCE(*pte));
	}
	spin_unlock(lock);
}

/* None of the exported functions for this does it on all kernels. */
static void check_tables(struct walk *walk, struct vm_area_struct *vma)
{
	unsigned long addr, end;
	pmd_t *pmd;

	for (addr = vma->vm_start; addr < vma->vm_end; addr = end) {
		end = min((addr & PMD_MASK) + PMD_SIZE, vma->vm_end);
		pmd = find_pmd(vma->vm_mm, addr);
		/* With RCU a table that goes is freed later. */
		rcu_read_lock();
		if (pmd)
			check_table(walk, vma->vm_mm, pmd, addr, end);
		rcu_read_unlock();
		cond_resched();
	}
}

static void check_vma(struct walk *walk, struct vm_area_struct *vma)
{
	struct rw_semaphore *map_sem;

	/* The file's status page is not one of the segment. */
	if (vma->vm_pgoff == RSM_STATUS_PGOFF)
		return;
	walk->imp = vma->vm_file->private_data;
	walk->index = vma->vm_pgoff;
	walk->start = vma->vm_start;
	map_sem = &walk->imp->handle.seg->map_sem;
	/* Not if the caller has it himself, which would be wrong, too. */
	walk->stable = down_read_trylock(map_sem);
	check_tables(walk, vma);
	if (walk->stable)
		up_read(map_sem);
	atomic_long_inc(&test_walked);
}

static void check_mapping(struct walk *walk, struct address_space *mapping)
{
	struct rb_node *node;

	i_mmap_lock_read(mapping);
	for (node = rb_first_cached(&mapping->i_mmap); node && !walk->found;
	     node = rb_next(node))
		check_vma(walk, rb_entry(node, struct vm_area_struct,
					 shared.rb));
	i_mmap_unlock_read(mapping);
}

/* Call it before the pages of @pages are unpinned. */
void rsm_test_unpin(const struct rsm_pages *pages)
{
	struct walked_inode *walked;
	struct walk walk = {};

	count_pins(pages, -1);
	if (!READ_ONCE(test_walk))
		return;
	down_read(&walk_sem);
	list_for_each_entry(walked, &inodes, link)
		if (mapping_mapped(walked->mapping) && !walk.found)
			check_mapping(&walk, walked->mapping);
	up_read(&walk_sem);
	WARN(walk.found,
	     "rsmctl: pages are unpinned, and an importer's entry at %#lx leads to page %#lx, which %s\n",
	     walk.addr, walk.pfn,
	     walk.stable ? "is not the one of its segment" :
			   "may not be pinned");
}

static unsigned long end_of_memory(void)
{
	unsigned long end = 0;
	int node;

	for_each_online_node(node)
		end = max(end, node_end_pfn(node));
	return end;
}

int rsm_test_init(void)
{
	int ret;

	nr_pins = end_of_memory();
	pins = vzalloc(array_size(nr_pins, sizeof(*pins)));
	if (!pins)
		return -ENOMEM;
	ret = rsm_controller_register(&test_controller);
	if (ret)
		vfree(pins);
	return ret;
}

void rsm_test_exit(void)
{
	rsm_controller_unregister(&test_controller);
	vfree(pins);
}

static long hold_mmap_lock(unsigned long ms)
{
	if (mmap_write_lock_killable(current->mm))
		return -EINTR;
	msleep_interruptible(ms);
	mmap_write_unlock(current->mm);
	return 0;
}

long rsm_test_ioctl(unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case RSM_TEST_HOLD_MMAP_LOCK:
		return hold_mmap_lock(arg);
	case RSM_TEST_FLUSH:
		flush_workqueue(rsm_wq);
		return 0;
	}
	return -ENOTTY;
}
