// SPDX-License-Identifier: GPL-2.0-only
/*
 * Limits of the node and of each user: handles and exported memory.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/hashtable.h>
#include <linux/module.h>
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
 * @handles: number of handles; the user is forgotten with the last one
 */
struct rsm_user {
	struct hlist_node node;
	kuid_t uid;
	unsigned int handles;
};

static DEFINE_SPINLOCK(users_lock);
static DEFINE_HASHTABLE(users, 6);
static unsigned int node_handles;

static atomic_long_t exported_pages;

static struct rsm_user *lookup_user(kuid_t uid)
{
	struct rsm_user *user;

	lockdep_assert_held(&users_lock);
	hash_for_each_possible(users, user, node, __kuid_val(uid))
		if (uid_eq(user->uid, uid))
			return user;
	return NULL;
}

static bool over_limit(const struct rsm_user *user, bool exempt)
{
	unsigned int max = READ_ONCE(max_segments);
	unsigned int max_user = READ_ONCE(max_user_segments) ?: max / 4;

	lockdep_assert_held(&users_lock);
	if (exempt)
		return node_handles >= max;
	/* A rest is kept for the exempt: many users can be one person. */
	return node_handles >= max - max / 16 || user->handles >= max_user;
}

/* Count a handle for @new's user, who is entered with @new if not known. */
static struct rsm_user *count_handle(struct rsm_user *new, bool exempt)
{
	struct rsm_user *user;

	spin_lock(&users_lock);
	user = lookup_user(new->uid) ?: new;
	if (over_limit(user, exempt)) {
		user = NULL;
		goto out_unlock;
	}
	if (user == new)
		hash_add(users, &new->node, __kuid_val(new->uid));
	user->handles++;
	node_handles++;
out_unlock:
	spin_unlock(&users_lock);
	return user;
}

/**
 * rsm_limits_get_handle() - count one more handle for the caller
 * @out: what to give to rsm_limits_put_handle()
 *
 * Return: 0, -ENOMEM or RSM_ERR_INSUFFICIENT_RESOURCES.
 */
int rsm_limits_get_handle(struct rsm_user **out)
{
	struct rsm_user *new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	struct rsm_user *user;

	if (!new)
		return -ENOMEM;
	new->uid = current_uid();
	user = count_handle(new, false);
	if (!user && capable(CAP_SYS_RESOURCE))
		user = count_handle(new, true);
	if (user != new)
		kfree(new);
	*out = user;
	return user ? 0 : RSM_ERR_INSUFFICIENT_RESOURCES;
}

void rsm_limits_put_handle(struct rsm_user *user)
{
	bool last;

	spin_lock(&users_lock);
	node_handles--;
	last = !--user->handles;
	if (last)
		hash_del(&user->node);
	spin_unlock(&users_lock);
	if (last)
		kfree(user);
}

/* Count exported pages of the node; false when there would be too many. */
bool rsm_limits_charge(unsigned long pages)
{
	unsigned long percent = READ_ONCE(max_exported_memory);
	unsigned long limit = mult_frac(totalram_pages(), percent, 100UL);
	long old = atomic_long_read(&exported_pages);

	do {
		if (percent && old + pages > limit)
			return false;
	} while (!atomic_long_try_cmpxchg(&exported_pages, &old, old + pages));
	return true;
}

void rsm_limits_uncharge(unsigned long pages)
{
	atomic_long_sub(pages, &exported_pages);
}
