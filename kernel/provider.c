// SPDX-License-Identifier: GPL-2.0-only
/*
 * Controllers: registered by their providers, found by id or name.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>

#include "rsm_private.h"

static DEFINE_XARRAY_ALLOC(controllers);
static u32 next_id;

/**
 * rsm_controller_register() - make a controller known
 * @ctl: filled in but for its id; lives until rsm_controller_unregister()
 *
 * Return: 0 or -errno.
 */
int rsm_controller_register(struct rsm_controller *ctl)
{
	int ret;

	kref_init(&ctl->ref);
	ret = xa_alloc_cyclic(&controllers, &ctl->id, ctl, xa_limit_31b,
			      &next_id, GFP_KERNEL);
	return ret < 0 ? ret : 0;
}
EXPORT_SYMBOL_GPL(rsm_controller_register);

static void controller_release(struct kref *ref)
{
	struct rsm_controller *ctl;

	ctl = container_of(ref, struct rsm_controller, ref);
	if (ctl->ops->release)
		ctl->ops->release(ctl);
}

/**
 * rsm_controller_unregister() - make a controller unknown
 * @ctl: the controller; segments and imports may still use it, until its
 *       provider's release is called
 */
void rsm_controller_unregister(struct rsm_controller *ctl)
{
	xa_erase(&controllers, ctl->id);
	synchronize_rcu();
	kref_put(&ctl->ref, controller_release);
}
EXPORT_SYMBOL_GPL(rsm_controller_unregister);

static bool try_hold(struct rsm_controller *ctl)
{
	if (!try_module_get(ctl->ops->owner))
		return false;
	/* Until a grace period after it is unknown it cannot be gone. */
	kref_get(&ctl->ref);
	return true;
}

/* Find a controller and hold it and its provider's module, or NULL. */
struct rsm_controller *rsm_controller_get(u32 id)
{
	struct rsm_controller *ctl;

	rcu_read_lock();
	ctl = xa_load(&controllers, id);
	if (ctl && !try_hold(ctl))
		ctl = NULL;
	rcu_read_unlock();
	return ctl;
}

/* Hold a controller that is held already. */
struct rsm_controller *rsm_controller_hold(struct rsm_controller *ctl)
{
	__module_get(ctl->ops->owner);
	kref_get(&ctl->ref);
	return ctl;
}

void rsm_controller_put(struct rsm_controller *ctl)
{
	struct module *owner = ctl->ops->owner;

	kref_put(&ctl->ref, controller_release);
	module_put(owner);
}

/* Hold the first controller whose id is not below @id, or NULL. */
static struct rsm_controller *controller_get_from(unsigned long id)
{
	struct rsm_controller *ctl;

	rcu_read_lock();
	xa_for_each_start(&controllers, id, ctl, id)
		if (try_hold(ctl))
			break;
	rcu_read_unlock();
	return ctl;
}

/* Whether it is this machine, on any controller. */
bool rsm_node_is_local(u32 node)
{
	struct rsm_controller *ctl;
	bool found = false;
	unsigned long id;

	rcu_read_lock();
	xa_for_each(&controllers, id, ctl)
		found |= READ_ONCE(ctl->local_node) == node;
	rcu_read_unlock();
	return found;
}

static struct rsm_controller *controller_get_name(const char *name)
{
	struct rsm_controller *ctl;
	unsigned long id = 0;

	while ((ctl = controller_get_from(id))) {
		if (!strcasecmp(ctl->name, name))
			return ctl;
		id = ctl->id + 1UL;
		rsm_controller_put(ctl);
	}
	return NULL;
}

int rsm_controller_info(struct rsm_ucmd *ucmd)
{
	struct rsm_controller_info *info = ucmd->cmd;
	struct rsm_controller *ctl;

	if (strnlen(info->name, sizeof(info->name)) == sizeof(info->name))
		return RSM_ERR_CTLR_NOT_PRESENT;
	ctl = controller_get_name(info->name);
	if (!ctl)
		return RSM_ERR_CTLR_NOT_PRESENT;

	memset((void *)info + offsetof(typeof(*info), out_controller), 0,
	       sizeof(*info) - offsetof(typeof(*info), out_controller));
	info->out_controller = ctl->id;
	info->out_node = ctl->local_node;
	ctl->ops->get_info(ctl, info);
	rsm_controller_put(ctl);
	return 0;
}

int rsm_controller_find(struct rsm_ucmd *ucmd)
{
	struct rsm_controller_find *cmd = ucmd->cmd;
	struct rsm_controller *ctl = controller_get_from(cmd->controller);

	if (!ctl)
		return RSM_ERR_CTLR_NOT_PRESENT;
	cmd->out_controller = ctl->id;
	strscpy_pad(cmd->out_name, ctl->name, sizeof(cmd->out_name));
	rsm_controller_put(ctl);
	return 0;
}

static int copy_nodes(const struct rsm_controller *ctl,
		      struct rsm_controller_nodes *cmd)
{
	unsigned int room = min_t(u32, cmd->node_count, RSM_NODES_MAX);
	struct rsm_node *nodes;
	int ret = 0;

	nodes = kvcalloc(room, sizeof(*nodes), GFP_KERNEL_ACCOUNT);
	if (room && !nodes)
		return -ENOMEM;
	cmd->out_count = ctl->ops->nodes(ctl, nodes, room);
	room = min(room, cmd->out_count);
	if (copy_to_user(u64_to_user_ptr(cmd->nodes), nodes,
			 array_size(room, sizeof(*nodes))))
		ret = RSM_ERR_BAD_ADDR;
	kvfree(nodes);
	return ret;
}

int rsm_controller_nodes(struct rsm_ucmd *ucmd)
{
	struct rsm_controller_nodes *cmd = ucmd->cmd;
	struct rsm_controller *ctl = rsm_controller_get(cmd->controller);
	int ret;

	if (!ctl)
		return RSM_ERR_CTLR_NOT_PRESENT;
	ret = copy_nodes(ctl, cmd);
	rsm_controller_put(ctl);
	return ret;
}
