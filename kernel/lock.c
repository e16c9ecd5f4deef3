// SPDX-License-Identifier: GPL-2.0-only
/*
 * Locks of segments. They are called mutexes in here.
 *
 * A mutex is named by an offset, and there is an object for it as long as it
 * is held, or its owner has died and the next one is to be told. The owner is
 * a handle and a table of descriptors, as with locks of fcntl(): who opened
 * the file does not tell who is still alive, but ->flush() does.
 *
 * Who has to wait stands in line, and is given the mutex by the one who lets
 * go of it. All is under the segment's lock. Waiters live on the stacks of
 * those who wait, who take the lock once more before they leave.
 *
 * When a handle ends nobody of it may get a mutex any more, and those that it
 * has go on. rsm_lock_revoke() sees to that after the zap, so that the next
 * owner is alone with what the mutex protects.
 */
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "rsm_private.h"

/*
 * Mutexes of one segment that dead owners have left. Of more the oldest is
 * forgotten, and as nobody knows which it was, all are told from then on.
 */
#define DEAD_MUTEXES 1024

/* Mutexes that are looked at before the segment's lock is let go. */
#define MUTEX_BATCH 64

/* A waiter's result while there is none. */
#define WAITING (-EINPROGRESS)

/**
 * struct rsm_mutex - a lock that is held, or whose owner died
 * @node: in the segment's tree
 * @offset: its name
 * @holder: handle that it is held through, or NULL
 * @owner: table of descriptors of the owner
 * @link: on the list of @holder, or of dead mutexes
 * @waiters: those who wait, first come first served; none without @holder
 * @owner_died: to be told to the next owner
 */
struct rsm_mutex {
	struct rb_node node;
	u64 offset;
	struct rsm_handle *holder;
	fl_owner_t owner;
	struct list_head link;
	struct list_head waiters;
	bool owner_died;
};

/**
 * struct rsm_waiter - a task that waits for a mutex
 * @link: on the list of the mutex
 * @handle_link: on the list of @handle
 * @handle: handle through which it wants it
 * @owner: its table of descriptors
 * @wait: woken when @result is set
 * @result: WAITING or what has become of it
 * @flags: of enum rsm_lock_out_flags
 */
struct rsm_waiter {
	struct list_head link;
	struct list_head handle_link;
	struct rsm_handle *handle;
	fl_owner_t owner;
	wait_queue_head_t wait;
	int result;
	u32 flags;
};

static struct rsm_mutex *node_mutex(struct rb_node *node)
{
	return rb_entry(node, struct rsm_mutex, node);
}

static int compare_offset(const void *key, const struct rb_node *node)
{
	u64 offset = *(const u64 *)key;
	const struct rsm_mutex *mutex =
		rb_entry(node, const struct rsm_mutex, node);

	if (offset < mutex->offset)
		return -1;
	return offset > mutex->offset;
}

static int compare_nodes(struct rb_node *new, const struct rb_node *node)
{
	return compare_offset(&node_mutex(new)->offset, node);
}

static struct rsm_mutex *find(struct rsm_segment *seg, u64 offset)
{
	struct rb_node *node;

	lockdep_assert_held(&seg->lock);
	node = rb_find(&offset, &seg->mutexes, compare_offset);
	return node ? node_mutex(node) : NULL;
}

/* The first mutex from @offset on, or NULL. */
static struct rsm_mutex *find_from(struct rsm_segment *seg, u64 offset)
{
	struct rb_node *node = seg->mutexes.rb_node;
	struct rsm_mutex *found = NULL;

	lockdep_assert_held(&seg->lock);
	while (node) {
		if (offset <= node_mutex(node)->offset) {
			found = node_mutex(node);
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

static void add(struct rsm_segment *seg, struct rsm_mutex *mutex)
{
	lockdep_assert_held(&seg->lock);
	mutex->owner_died = seg->owners_forgotten;
	rb_find_add(&mutex->node, &seg->mutexes, compare_nodes);
	atomic_long_inc(&rsm_stats.mutexes);
}

static void erase(struct rsm_segment *seg, struct rsm_mutex *mutex)
{
	lockdep_assert_held(&seg->lock);
	rb_erase(&mutex->node, &seg->mutexes);
	atomic_long_dec(&rsm_stats.mutexes);
	kfree(mutex);
}

/* Keep a mutex that nobody holds, to tell the next owner. */
static void bury(struct rsm_segment *seg, struct rsm_mutex *mutex)
{
	list_add_tail(&mutex->link, &seg->dead_mutexes);
	if (seg->nr_dead_mutexes < DEAD_MUTEXES) {
		seg->nr_dead_mutexes++;
		return;
	}
	mutex = list_first_entry(&seg->dead_mutexes, struct rsm_mutex, link);
	list_del(&mutex->link);
	erase(seg, mutex);
	seg->owners_forgotten = true;
}

static void unbury(struct rsm_segment *seg, struct rsm_mutex *mutex)
{
	list_del(&mutex->link);
	seg->nr_dead_mutexes--;
}

static bool is_held_by(const struct rsm_mutex *mutex,
		       const struct rsm_handle *handle, fl_owner_t owner)
{
	return mutex->holder == handle && mutex->owner == owner;
}

static void grant(struct rsm_mutex *mutex, struct rsm_waiter *waiter)
{
	lockdep_assert_held(&waiter->handle->seg->lock);
	mutex->holder = waiter->handle;
	mutex->owner = waiter->owner;
	list_add(&mutex->link, &waiter->handle->mutexes);
	waiter->flags = mutex->owner_died ? RSM_LOCK_OWNER_DIED : 0;
	mutex->owner_died = false;
}

/* Take a waiter out of the line; with a result it leaves, and may be gone. */
static void finish(struct rsm_waiter *waiter, int result)
{
	lockdep_assert_held(&waiter->handle->seg->lock);
	list_del(&waiter->link);
	list_del(&waiter->handle_link);
	if (result)
		waiter->handle->nr_mutexes--;
	WRITE_ONCE(waiter->result, result);
	wake_up(&waiter->wait);
}

/*
 * Send away waiters whose handle has ended, up to the first of another, or
 * @all. True if there are more of them than *@budget.
 */
static bool finish_ended(struct rsm_mutex *mutex, unsigned int *budget,
			 bool all)
{
	struct rsm_waiter *waiter, *next;

	list_for_each_entry_safe(waiter, next, &mutex->waiters, link) {
		if (!waiter->handle->ended) {
			if (all)
				continue;
			return false;
		}
		finish(waiter, RSM_ERR_CONN_ABORTED);
		if (!--*budget)
			return true;
	}
	return false;
}

/* Take a mutex from its owner and give it to the next; after finish_ended(). */
static void pass_on(struct rsm_segment *seg, struct rsm_mutex *mutex)
{
	struct rsm_waiter *next;

	lockdep_assert_held(&seg->lock);
	list_del(&mutex->link);
	mutex->holder->nr_mutexes--;
	mutex->holder = NULL;
	next = list_first_entry_or_null(&mutex->waiters, struct rsm_waiter,
					link);
	if (next) {
		grant(mutex, next);
		finish(next, 0);
	} else if (mutex->owner_died && !seg->handle.ended) {
		bury(seg, mutex);
	} else {
		erase(seg, mutex);
	}
}

static void pass_on_from_dead(struct rsm_segment *seg, struct rsm_mutex *mutex)
{
	mutex->owner_died = true;
	pass_on(seg, mutex);
}

/* Wait for what @waiter stands in line for. */
static int wait_in_line(struct rsm_waiter *waiter, u64 *timeout_ns)
{
	struct rsm_segment *seg = waiter->handle->seg;
	int ret;

	ret = rsm_wait(waiter->wait, READ_ONCE(waiter->result) != WAITING,
		       timeout_ns);
	/* Also so that whoever wakes us is done with the waiter. */
	spin_lock(&seg->lock);
	if (waiter->result == WAITING)
		finish(waiter, ret);
	ret = waiter->result;
	spin_unlock(&seg->lock);
	return ret;
}

/*
 * Take the mutex if it is free, or put @waiter in line, which makes it
 * WAITING. *@new is NULL if it was used.
 */
static int take_or_queue(struct rsm_waiter *waiter, struct rsm_mutex **new,
			 bool wait)
{
	struct rsm_handle *handle = waiter->handle;
	struct rsm_mutex *mutex;

	lockdep_assert_held(&handle->seg->lock);
	if (handle->ended)
		return RSM_ERR_CONN_ABORTED;
	mutex = find(handle->seg, (*new)->offset);
	if (mutex && is_held_by(mutex, handle, waiter->owner))
		return RSM_ERR_LOCK_HELD;
	if (handle->nr_mutexes == RSM_LOCKS_MAX)
		return RSM_ERR_INSUFFICIENT_RESOURCES;
	if (mutex && mutex->holder && !wait)
		return RSM_ERR_TIMEOUT;

	handle->nr_mutexes++;
	if (mutex && mutex->holder) {
		list_add_tail(&waiter->link, &mutex->waiters);
		list_add_tail(&waiter->handle_link, &handle->lock_waiters);
		return WAITING;
	}
	if (mutex) {
		unbury(handle->seg, mutex);
	} else {
		mutex = *new;
		*new = NULL;
		add(handle->seg, mutex);
	}
	grant(mutex, waiter);
	return 0;
}

/* Leave a handle that was closed before a flush could find the caller. */
static int abandon(struct rsm_handle *handle)
{
	rsm_lock_drop(handle, current->files);
	/* Whoever let go of us before that may not be done with the waiter. */
	spin_lock(&handle->seg->lock);
	spin_unlock(&handle->seg->lock);
	return -EBADF;
}

static int acquire(struct rsm_ucmd *ucmd, struct rsm_mutex **new)
{
	struct rsm_lock *cmd = ucmd->cmd;
	bool wait = cmd->timeout_ns && !(cmd->flags & RSM_LOCK_TRY);
	struct rsm_segment *seg = ucmd->handle->seg;
	struct rsm_waiter waiter = {
		.handle = ucmd->handle,
		.owner = current->files,
		.result = WAITING,
	};
	int ret;

	init_waitqueue_head(&waiter.wait);
	spin_lock(&seg->lock);
	ret = take_or_queue(&waiter, new, wait);
	spin_unlock(&seg->lock);
	if ((!ret || ret == WAITING) && !rsm_handle_is_open(ucmd))
		return abandon(ucmd->handle);
	if (ret == WAITING)
		ret = wait_in_line(&waiter, &cmd->timeout_ns);
	if (!ret)
		cmd->out_flags = waiter.flags;
	return ret;
}

static int check_lock(const struct rsm_handle *handle, u64 offset)
{
	const struct rsm_segment *seg = handle->seg;

	if (!(seg->flags & RSM_EXPORT_LOCK_OPS))
		return RSM_ERR_LOCKS_NOT_ENABLED;
	if (!IS_ALIGNED(offset, sizeof(u64)))
		return RSM_ERR_BAD_MEM_ALIGNMENT;
	if (!(handle->rights & RSM_RIGHT_WRITE))
		return RSM_ERR_PERM_DENIED;
	return offset < seg->length ? 0 : RSM_ERR_BAD_OFFSET;
}

int rsm_lock(struct rsm_ucmd *ucmd)
{
	struct rsm_lock *cmd = ucmd->cmd;
	struct rsm_mutex *new;
	int ret;

	cmd->out_flags = 0;
	if (ucmd->handle->seg->remote)
		return RSM_ERR_LOCKS_NOT_SUPPORTED;
	ret = check_lock(ucmd->handle, cmd->offset);
	if (ret)
		return ret;
	new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	new->offset = cmd->offset;
	INIT_LIST_HEAD(&new->waiters);
	ret = acquire(ucmd, &new);
	kfree(new);
	return ret;
}

/* -EAGAIN: there is more to do */
static int release(struct rsm_handle *handle, u64 offset)
{
	struct rsm_mutex *mutex = find(handle->seg, offset);
	unsigned int budget = MUTEX_BATCH;

	/* Those of a handle that has ended are taken from it. */
	if (!mutex || handle->ended ||
	    !is_held_by(mutex, handle, current->files))
		return RSM_ERR_LOCK_NOT_HELD;
	if (finish_ended(mutex, &budget, false))
		return -EAGAIN;
	pass_on(handle->seg, mutex);
	return 0;
}

int rsm_unlock(struct rsm_ucmd *ucmd)
{
	struct rsm_unlock *cmd = ucmd->cmd;
	struct rsm_segment *seg = ucmd->handle->seg;
	int ret;

	do {
		spin_lock(&seg->lock);
		ret = release(ucmd->handle, cmd->offset);
		spin_unlock(&seg->lock);
	} while (ret == -EAGAIN);
	return ret;
}

/* True if there is more to do. */
static bool drop_batch(struct rsm_handle *handle, fl_owner_t owner)
{
	struct rsm_waiter *waiter, *next_waiter;
	struct rsm_mutex *mutex, *next_mutex;
	unsigned int budget = MUTEX_BATCH;

	lockdep_assert_held(&handle->seg->lock);
	list_for_each_entry_safe(waiter, next_waiter, &handle->lock_waiters,
				 handle_link) {
		if (waiter->owner != owner)
			continue;
		finish(waiter, -EBADF);
		if (!--budget)
			return true;
	}
	list_for_each_entry_safe(mutex, next_mutex, &handle->mutexes, link) {
		if (owner && mutex->owner != owner)
			continue;
		if (finish_ended(mutex, &budget, false))
			return true;
		pass_on_from_dead(handle->seg, mutex);
		if (!--budget)
			return true;
	}
	return false;
}

/**
 * rsm_lock_drop() - let go of what an owner has and wants
 * @handle: the handle
 * @owner: its table of descriptors; NULL: all, when the handle is released
 */
void rsm_lock_drop(struct rsm_handle *handle, fl_owner_t owner)
{
	bool more;

	do {
		spin_lock(&handle->seg->lock);
		more = drop_batch(handle, owner);
		spin_unlock(&handle->seg->lock);
		cond_resched();
	} while (more);
}

/* True if there is more to do for the mutex; what is done costs of *@budget. */
static bool revoke(struct rsm_segment *seg, struct rsm_mutex *mutex,
		   unsigned int *budget)
{
	if (finish_ended(mutex, budget, true))
		return true;
	if (!mutex->holder) {
		/* Nobody will come to be told. */
		if (seg->handle.ended) {
			unbury(seg, mutex);
			erase(seg, mutex);
		}
	} else if (mutex->holder->ended) {
		pass_on_from_dead(seg, mutex);
	}
	--*budget;
	return false;
}

static bool revoke_batch(struct rsm_segment *seg, u64 *from)
{
	unsigned int budget = MUTEX_BATCH;
	struct rsm_mutex *mutex;

	lockdep_assert_held(&seg->lock);
	while (budget) {
		mutex = find_from(seg, *from);
		if (!mutex)
			return false;
		*from = mutex->offset;
		if (!revoke(seg, mutex, &budget))
			++*from;
	}
	return true;
}

/**
 * rsm_lock_revoke() - take their locks from handles that have ended
 * @seg: the segment; nothing reaches it through those handles any more
 */
void rsm_lock_revoke(struct rsm_segment *seg)
{
	u64 from = 0;
	bool more;

	do {
		spin_lock(&seg->lock);
		more = revoke_batch(seg, &from);
		spin_unlock(&seg->lock);
		cond_resched();
	} while (more);
}
