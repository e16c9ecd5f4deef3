/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Remote Shared Memory: what a controller's driver provides.
 */
#ifndef _LINUX_RSM_PROVIDER_H
#define _LINUX_RSM_PROVIDER_H

#include <linux/types.h>
#include <linux/rsmctl.h>

struct module;
struct rsm_controller;

/**
 * struct rsm_provider_ops - operations of a kind of controller
 * @owner: module that a segment or import on the controller keeps loaded
 * @get_info: fill in the out_ fields of @info that the core does not know
 * @check_access: judge an access list: 0 or an enum rsm_error
 * @check_node: tell if @node can be connected to: 0 or an enum rsm_error
 *
 * All are required and may sleep.
 */
struct rsm_provider_ops {
	struct module *owner;
	void (*get_info)(const struct rsm_controller *ctl,
			 struct rsm_controller_info *info);
	int (*check_access)(const struct rsm_controller *ctl,
			    const struct rsm_access_entry *acl,
			    unsigned int count);
	int (*check_node)(const struct rsm_controller *ctl, u32 node);
};

/**
 * enum rsm_controller_caps - what a controller can do
 * @RSM_CAP_MAP: imports can be mapped
 * @RSM_CAP_LOCK: segments may have RSM_EXPORT_LOCK_OPS
 */
enum rsm_controller_caps {
	RSM_CAP_MAP = 1 << 0,
	RSM_CAP_LOCK = 1 << 1,
};

/**
 * struct rsm_controller - a controller, as its provider registers it
 * @name: unique name, as "loopback" or "rdma0"
 * @ops: operations of its provider
 * @caps: any of enum rsm_controller_caps
 * @local_node: node id of this machine on the controller
 * @id: filled in by rsm_controller_register(), never used again for another
 */
struct rsm_controller {
	const char *name;
	const struct rsm_provider_ops *ops;
	u32 caps;
	u32 local_node;
	u32 id;
};

int rsm_controller_register(struct rsm_controller *ctl);
void rsm_controller_unregister(struct rsm_controller *ctl);

#endif /* _LINUX_RSM_PROVIDER_H */
