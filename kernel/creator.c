// SPDX-License-Identifier: GPL-2.0-only
/*
 * A segment lives as long as the process that created it and its address
 * space, whichever ends first. Descriptors do not tell: they outlive their
 * owner in children, in socket queues and through exec.
 *
 * One mmu notifier for each exporting address space, used for its ->release
 * only, sees exit and exec. An address space that vfork or CLONE_VM
 * shares goes on without the creator: the process's own end is seen as by
 * those who poll a pidfd of it.
 */
#include <linux/err.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_notifier.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "rsm_private.h"
#include "rsm_test.h"

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

/* Leave the end of one segment to work; its id is free at once. */
static bool end_one(struct rsm_creator *creator)
{
	struct rsm_segment *seg;

	spin_lock(&creator->lock);
	seg = list_first_entry_or_null(&creator->segments, struct rsm_segment,
				       creator_link);
	if (seg) {
		list_del_init(&seg->creator_link);
		WRITE_ONCE(seg->creator_gone, true);
		rsm_segment_hide(seg);
		/* With the lock: it is cancelled once the list is left. */
		queue_work(rsm_wq, &seg->exit_work);
	}
	spin_unlock(&creator->lock);
	return seg;
}

/*
 * In a section of SRCU in which the notifiers of all address spaces are, so
 * nothing that takes long or waits for others is done here.
 */
static void creator_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct rsm_creator *creator = container_of(mn, struct rsm_creator, mn);

	while (end_one(creator))
		cond_resched();
}

static const struct mmu_notifier_ops creator_ops = {
	.alloc_notifier = creator_alloc,
	.free_notifier = creator_free,
	.release = creator_release,
};

static bool creator_alive(const struct rsm_segment *seg)
{
	struct task_struct *task;
	bool alive;

	rcu_read_lock();
	task = pid_task(seg->tgid, PIDTYPE_TGID);
	alive = task && atomic_read(&task->signal->live);
	rcu_read_unlock();
	return alive;
}

static void creator_exit_work(struct work_struct *work)
{
	struct rsm_segment *seg;

	seg = container_of(work, struct rsm_segment, exit_work);
	rsm_test_work_begin();
	rsm_test_exit_delay();
	if (READ_ONCE(seg->creator_gone) || !creator_alive(seg))
		rsm_segment_end(seg);
	rsm_test_work_end();
}

/* Called under a spinlock of the pid, so the rest is left to work. */
static int creator_exit_wake(wait_queue_entry_t *wait, unsigned int mode,
			     int flags, void *key)
{
	struct rsm_segment *seg;

	seg = container_of(wait, struct rsm_segment, exit_wait);
	queue_work(rsm_wq, &seg->exit_work);
	return 0;
}

static void watch_exit(struct rsm_segment *seg)
{
	seg->tgid = get_pid(task_tgid(current));
	INIT_WORK(&seg->exit_work, creator_exit_work);
	init_waitqueue_func_entry(&seg->exit_wait, creator_exit_wake);
	add_wait_queue(&seg->tgid->wait_pidfd, &seg->exit_wait);
}

/* No more need to know; may be called again. */
void rsm_creator_unwatch(struct rsm_segment *seg)
{
	wait_queue_head_t *head;

	/* The creator of a remote segment is not here. */
	if (seg->remote)
		return;
	head = &seg->tgid->wait_pidfd;
	spin_lock_irq(&head->lock);
	list_del_init(&seg->exit_wait.entry);
	spin_unlock_irq(&head->lock);
}

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

	watch_exit(seg);
	seg->creator = container_of(mn, struct rsm_creator, mn);
	spin_lock(&seg->creator->lock);
	list_add(&seg->creator_link, &seg->creator->segments);
	spin_unlock(&seg->creator->lock);
	return 0;
}

/* Undo rsm_creator_join() for a segment that has ended. */
void rsm_creator_leave(struct rsm_segment *seg)
{
	spin_lock(&seg->creator->lock);
	list_del_init(&seg->creator_link);
	spin_unlock(&seg->creator->lock);
	/* Whoever has ended the segment may not have got to this yet. */
	rsm_creator_unwatch(seg);
	/* Nobody queues it any more. It holds no reference: let it end. */
	cancel_work_sync(&seg->exit_work);
	mmu_notifier_put(&seg->creator->mn);
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
