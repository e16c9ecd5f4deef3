// SPDX-License-Identifier: GPL-2.0-only
/*
 * Publications by segment id. Ids are unique within an IPC namespace, which
 * a publication holds, so that its address stands for it.
 */
#include <linux/export.h>
#include <linux/nsproxy.h>
#include <linux/proc_ns.h>
#include <linux/rhashtable.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "rsm_private.h"

/* Ids that the system chooses have the topmost bit set. */
#define RSM_SYSTEM_ID 0x80000000U

static const struct rhashtable_params registry_params = {
	.key_len = sizeof(struct rsm_pub_key),
	.key_offset = offsetof(struct rsm_publication, key),
	.head_offset = offsetof(struct rsm_publication, node),
	.automatic_shrinking = true,
};

static struct rhashtable registry;
static atomic_t last_system_id;
static atomic64_t last_serial;

int rsm_registry_init(void)
{
	return rhashtable_init(&registry, &registry_params);
}

void rsm_registry_exit(void)
{
	rhashtable_destroy(&registry);
}

/**
 * rsm_registry_alloc() - prepare a publication
 * @seg: what is published
 * @id: segment id, or 0 to have one chosen by rsm_registry_add()
 * @acl: access list or NULL; belongs to the publication if it is made
 *
 * Return: the publication or NULL.
 */
struct rsm_publication *rsm_registry_alloc(struct rsm_segment *seg, u32 id,
					   struct rsm_acl *acl)
{
	struct rsm_publication *pub = kzalloc(sizeof(*pub), GFP_KERNEL_ACCOUNT);

	if (!pub)
		return NULL;
	pub->key.ns = get_ipc_ns(current->nsproxy->ipc_ns);
	pub->key.id = id;
	pub->seg = seg;
	pub->serial = atomic64_inc_return(&last_serial);
	pub->acl = acl;
	return pub;
}

/* put_ipc_ns() is not there for modules. */
void rsm_ipc_ns_put(struct ipc_namespace *ns)
{
	if (IS_ENABLED(CONFIG_IPC_NS))
		ns->ns.ops->put(&ns->ns);
}
EXPORT_SYMBOL_GPL(rsm_ipc_ns_put);

/* Free a publication that is in no table; lookups may still see it. */
void rsm_registry_free(struct rsm_publication *pub)
{
	rsm_ipc_ns_put(pub->key.ns);
	kfree(pub->acl);
	kfree_rcu(pub, rcu);
}

static int insert(struct rsm_publication *pub)
{
	return rhashtable_lookup_insert_fast(&registry, &pub->node,
					     registry_params);
}

/* Ids go round, so that one is not used again soon; live ones are skipped. */
static int insert_system_id(struct rsm_publication *pub)
{
	int ret;

	do {
		pub->key.id = RSM_SYSTEM_ID | atomic_inc_return(&last_system_id);
		ret = insert(pub);
		cond_resched();
	} while (ret == -EEXIST && !fatal_signal_pending(current));
	return ret == -EEXIST ? -EINTR : ret;
}

/**
 * rsm_registry_add() - enter a publication into the table
 * @pub: the publication; an id of 0 is replaced by a chosen one
 *
 * Return: 0, -EINTR, -ENOMEM or RSM_ERR_SEGID_IN_USE.
 */
int rsm_registry_add(struct rsm_publication *pub)
{
	int ret = pub->key.id ? insert(pub) : insert_system_id(pub);

	switch (ret) {
	case 0:
	case -EINTR:
		return ret;
	case -EEXIST:
		return RSM_ERR_SEGID_IN_USE;
	}
	return -ENOMEM;
}

/* Free the id of a publication that is about to be removed. */
void rsm_registry_hide(struct rsm_publication *pub)
{
	rhashtable_remove_fast(&registry, &pub->node, registry_params);
}

/* Take a publication out of the table, if it is there, and free it. */
void rsm_registry_remove(struct rsm_publication *pub)
{
	rsm_registry_hide(pub);
	rsm_registry_free(pub);
}

/**
 * rsm_registry_find() - find what is published
 * @ns: IPC namespace
 * @id: segment id
 * @serial: number of the publication
 *
 * Return: the segment, held, or NULL.
 */
struct rsm_segment *rsm_registry_find(struct ipc_namespace *ns, u32 id,
				      u64 *serial)
{
	const struct rsm_pub_key key = { .ns = ns, .id = id };
	struct rsm_publication *pub;
	struct rsm_segment *seg = NULL;

	rcu_read_lock();
	pub = rhashtable_lookup(&registry, &key, registry_params);
	if (pub && kref_get_unless_zero(&pub->seg->ref)) {
		seg = pub->seg;
		*serial = pub->serial;
	}
	rcu_read_unlock();
	return seg;
}
