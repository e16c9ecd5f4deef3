// SPDX-License-Identifier: GPL-2.0-only
/*
 * Limits of the node and of each user: handles and exported memory.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/hashtable.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/slab.h>

#include "rsm_private.h"

static unsigned int max_segments = 65535;
module_param(max_segments, uint, 0644);
MODULE_PARM_DESC(max_segments,
		 "exports, imports and tickets of the whole node, a sixteenth of them for CAP_SYS_RESOURCE only (default 65535)");

static unsigned int max_user_segments;
module_param(max_user_segments, uint, 0644);
MODULE_PARM_DESC(max_user_segments,
		 "exports, imports and tickets of one user without CAP_SYS_RESOURCE (default 0: a quarter of max_segments)");

static unsigned int max_exported_memory = 50;
module_param(max_exported_memory, uint, 0644);
MODULE_PARM_DESC(max_exported_memory,
		 "exported memory in percent of the node's memory, 0: not limited (default 50)");

/**
 * struct rsm_user - a user with handles
 * @node: in the table of users
 * @uid: the user
 * @ref: held by each handle, and while one is counted
 * @handles: number of handles
 * @rcu: who looks up users sees this one for a grace period more
 */
struct rsm_user {
	struct hlist_node node;
	kuid_t uid;
	refcount_t ref;
	atomic_long_t handles;
	struct rcu_head rcu;
};

/* For changes: a user's first handle and the last one */
static DEFINE_SPINLOCK(users_lock);
static DEFINE_HASHTABLE(users, 6);

static atomic_long_t exported_pages;

static struct rsm_user *lookup_user(kuid_t uid)
{
	struct rsm_user *user;

	hash_for_each_possible_rcu(users, user, node, __kuid_val(uid),
				   lockdep_is_held(&users_lock))
		if (uid_eq(user->uid, uid) &&
		    refcount_inc_not_zero(&user->ref))
			return user;
	return NULL;
}

/* Enter @new, unless the user is known by now: then @new is freed. */
static struct rsm_user *add_user(struct rsm_user *new)
{
	struct rsm_user *user;

	spin_lock(&users_lock);
	user = lookup_user(new->uid);
	if (!user)
		hash_add_rcu(users, &new->node, __kuid_val(new->uid));
	spin_unlock(&users_lock);
	if (!user)
		return new;
	kfree(new);
	return user;
}

static struct rsm_user *hold_user(kuid_t uid)
{
	struct rsm_user *user;

	rcu_read_lock();
	user = lookup_user(uid);
	rcu_read_unlock();
	if (user)
		return user;
	user = kzalloc(sizeof(*user), GFP_KERNEL_ACCOUNT);
	if (!user)
		return NULL;
	user->uid = uid;
	refcount_set(&user->ref, 1);
	return add_user(user);
}

/* refcount_dec_and_lock() does the same, and sparse cannot follow it. */
static void release_user(struct rsm_user *user)
{
	bool last;

	if (refcount_dec_not_one(&user->ref))
		return;
	spin_lock(&users_lock);
	last = refcount_dec_and_test(&user->ref);
	if (last)
		hash_del_rcu(&user->node);
	spin_unlock(&users_lock);
	if (last)
		kfree_rcu(user, rcu);
}

/* Add @more to @count, unless there would be more than @max. */
static bool add_up_to(atomic_long_t *count, unsigned long more,
		      unsigned long max)
{
	long old = atomic_long_read(count);

	do {
		if (old + more > max)
			return false;
	} while (!atomic_long_try_cmpxchg(count, &old, old + more));
	return true;
}

static bool count_handle(struct rsm_user *user, bool exempt)
{
	unsigned int max = READ_ONCE(max_segments);
	unsigned int max_user = READ_ONCE(max_user_segments) ?: max / 4;

	/* A rest is kept for the exempt: many users can be one person. */
	if (exempt)
		max_user = UINT_MAX;
	else
		max -= max / 16;
	if (!add_up_to(&user->handles, 1, max_user))
		return false;
	if (add_up_to(&rsm_stats.handles, 1, max))
		return true;
	atomic_long_dec(&user->handles);
	return false;
}

/**
 * rsm_limits_get_handle() - count one more handle for the caller
 * @out: what to give to rsm_limits_put_handle()
 *
 * Return: 0, -ENOMEM or RSM_ERR_INSUFFICIENT_RESOURCES.
 */
int rsm_limits_get_handle(struct rsm_user **out)
{
	struct rsm_user *user = hold_user(current_uid());

	if (!user)
		return -ENOMEM;
	if (!count_handle(user, false) &&
	    !(capable(CAP_SYS_RESOURCE) && count_handle(user, true))) {
		release_user(user);
		return RSM_ERR_INSUFFICIENT_RESOURCES;
	}
	*out = user;
	return 0;
}

void rsm_limits_put_handle(struct rsm_user *user)
{
	atomic_long_dec(&rsm_stats.handles);
	atomic_long_dec(&user->handles);
	release_user(user);
}

/* Who a handle is counted for */
kuid_t rsm_limits_uid(const struct rsm_user *user)
{
	return user->uid;
}

/* Count exported pages of the node; false when there would be too many. */
bool rsm_limits_charge(unsigned long pages)
{
	unsigned long percent = READ_ONCE(max_exported_memory);
	unsigned long limit = mult_frac(totalram_pages(), percent, 100UL);

	return add_up_to(&exported_pages, pages, percent ? limit : ULONG_MAX);
}

void rsm_limits_uncharge(unsigned long pages)
{
	atomic_long_sub(pages, &exported_pages);
}
