// SPDX-License-Identifier: GPL-2.0-only
/*
 * Controllers: registered by their providers, found by id or name.
 */
#include <linux/module.h>
#include <linux/string.h>
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
	int ret = xa_alloc_cyclic(&controllers, &ctl->id, ctl, xa_limit_31b,
				  &next_id, GFP_KERNEL);

	return ret < 0 ? ret : 0;
}
EXPORT_SYMBOL_GPL(rsm_controller_register);

/**
 * rsm_controller_unregister() - make a controller unknown
 * @ctl: the controller; its module must not be in use
 */
void rsm_controller_unregister(struct rsm_controller *ctl)
{
	xa_erase(&controllers, ctl->id);
	synchronize_rcu();
}
EXPORT_SYMBOL_GPL(rsm_controller_unregister);

/* Find a controller and hold its provider's module, or NULL. */
struct rsm_controller *rsm_controller_get(u32 id)
{
	struct rsm_controller *ctl;

	rcu_read_lock();
	ctl = xa_load(&controllers, id);
	if (ctl && !try_module_get(ctl->ops->owner))
		ctl = NULL;
	rcu_read_unlock();
	return ctl;
}

/* Hold a controller that is held already. */
struct rsm_controller *rsm_controller_hold(struct rsm_controller *ctl)
{
	__module_get(ctl->ops->owner);
	return ctl;
}

void rsm_controller_put(struct rsm_controller *ctl)
{
	module_put(ctl->ops->owner);
}

static struct rsm_controller *controller_get_name(const char *name)
{
	struct rsm_controller *ctl;
	unsigned long id;

	xa_for_each(&controllers, id, ctl) {
		ctl = rsm_controller_get(id);
		if (!ctl)
			continue;
		if (!strcasecmp(ctl->name, name))
			return ctl;
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
