// SPDX-License-Identifier: GPL-2.0-only
/*
 * A segment lives as long as the address space that created it. Descriptors
 * do not tell: they outlive their owner in children, in socket queues and
 * through exec. One mmu notifier for each exporting address space does, and
 * it is used for its ->release only.
 */
#include <linux/err.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_notifier.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "rsm_private.h"

/**
 * struct rsm_creator - an address space with exports
 * @mn: notifier; its users are the segments
 */
struct rsm_creator {
	struct mmu_notifier mn;
	/** @lock: protects @segments */
	spinlock_t lock;
	/** @segments: those that have not been ended by us */
	struct list_head segments;
};

static struct mmu_notifier *creator_alloc(struct mm_struct *mm)
{
	struct rsm_creator *creator;

	creator = kzalloc(sizeof(*creator), GFP_KERNEL_ACCOUNT);
	if (!creator)
		return ERR_PTR(-ENOMEM);
	spin_lock_init(&creator->lock);
	INIT_LIST_HEAD(&creator->segments);
	return &creator->mn;
}

static void creator_free(struct mmu_notifier *mn)
{
	kfree(container_of(mn, struct rsm_creator, mn));
}

/* Take one segment off the list and hold it; one being freed is left out. */
static struct rsm_segment *creator_pop(struct rsm_creator *creator)
{
	struct rsm_segment *seg, *found = NULL;

	spin_lock(&creator->lock);
	while (!found && !list_empty(&creator->segments)) {
		seg = list_first_entry(&creator->segments, struct rsm_segment,
				       creator_link);
		list_del_init(&seg->creator_link);
		if (kref_get_unless_zero(&seg->ref))
			found = seg;
	}
	spin_unlock(&creator->lock);
	return found;
}

static void creator_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct rsm_creator *creator = container_of(mn, struct rsm_creator, mn);
	struct rsm_segment *seg;

	while ((seg = creator_pop(creator))) {
		rsm_segment_end(seg);
		rsm_segment_put(seg);
	}
}

static const struct mmu_notifier_ops creator_ops = {
	.alloc_notifier = creator_alloc,
	.free_notifier = creator_free,
	.release = creator_release,
};

/**
 * rsm_creator_join() - make the caller the creator of a segment
 * @seg: the new segment
 *
 * Context: takes mmap_lock. Undone by rsm_creator_leave().
 * Return: 0 or -errno.
 */
int rsm_creator_join(struct rsm_segment *seg)
{
	struct mm_struct *mm = current->mm;
	struct mmu_notifier *mn;

	if (mmap_write_lock_killable(mm))
		return -EINTR;
	mn = mmu_notifier_get_locked(&creator_ops, mm);
	mmap_write_unlock(mm);
	/* Any signal makes the first registration in a mm give up. */
	if (IS_ERR(mn))
		return mn == ERR_PTR(-EINTR) ? -ERESTARTNOINTR : PTR_ERR(mn);

	seg->tgid = get_pid(task_tgid(current));
	seg->creator = container_of(mn, struct rsm_creator, mn);
	spin_lock(&seg->creator->lock);
	list_add(&seg->creator_link, &seg->creator->segments);
	spin_unlock(&seg->creator->lock);
	return 0;
}

void rsm_creator_leave(struct rsm_segment *seg)
{
	spin_lock(&seg->creator->lock);
	list_del_init(&seg->creator_link);
	spin_unlock(&seg->creator->lock);
	mmu_notifier_put(&seg->creator->mn);
	put_pid(seg->tgid);
}

/* A child has another address space; one made by vfork another thread group. */
bool rsm_creator_is_current(const struct rsm_segment *seg)
{
	return current->mm == seg->creator->mn.mm &&
	       task_tgid(current) == seg->tgid;
}

/* Wait for creators that were left; needed before the module goes. */
void rsm_creator_synchronize(void)
{
	mmu_notifier_synchronize();
}
