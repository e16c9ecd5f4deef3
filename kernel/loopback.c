// SPDX-License-Identifier: GPL-2.0-only
/*
 * The loopback controller: importers on the exporter's own machine. The core
 * maps the exporter's pages itself, so there is little to provide.
 */
#include <linux/module.h>
#include <linux/sizes.h>

#include "rsm_private.h"

static void loopback_get_info(const struct rsm_controller *ctl,
			      struct rsm_controller_info *info)
{
	info->out_direct_access_sizes = 1 | 2 | 4 | 8;
	info->out_atomic_sizes = 1 | 2 | 4 | 8;
	info->out_page_sizes = PAGE_SIZE / SZ_1K;
}

static int loopback_check_access(const struct rsm_controller *ctl,
				 const struct rsm_access_entry *acl,
				 unsigned int count)
{
	if (count > 1 || (count && !rsm_node_is_local(acl[0].node)))
		return RSM_ERR_BAD_ACL;
	return 0;
}

static int loopback_check_node(const struct rsm_controller *ctl, u32 node)
{
	return rsm_node_is_local(node) ? 0 : RSM_ERR_CTLR_NOT_PRESENT;
}

/* Of a controller that reaches this machine only. */
unsigned int rsm_loopback_nodes(const struct rsm_controller *ctl,
				struct rsm_node *nodes, unsigned int room)
{
	if (room)
		*nodes = (struct rsm_node){
			.node = ctl->local_node,
			.state = RSM_NODE_LOCAL,
		};
	return 1;
}

static const struct rsm_provider_ops loopback_ops = {
	.owner = THIS_MODULE,
	.get_info = loopback_get_info,
	.check_access = loopback_check_access,
	.check_node = loopback_check_node,
	.nodes = rsm_loopback_nodes,
};

struct rsm_controller rsm_loopback = {
	.name = "loopback",
	.caps = RSM_CAP_MAP | RSM_CAP_LOCK,
	.ops = &loopback_ops,
};
