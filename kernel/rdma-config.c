// SPDX-License-Identifier: GPL-2.0-only
/*
 * Configuration: controllers, and the nodes that each knows, as directories in
 * configfs, that is /sys/kernel/config/rsm_rdma/CONTROLLER/nodes/NODE. See
 * rsm_rdma(4).
 */
#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/inet.h>
#include <linux/jiffies.h>
#include <linux/kstrtox.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/stringify.h>
#include <net/ipv6.h>

#include "rdma.h"

/* [, an address, ], a colon and a port */
#define ADDR_MAX 80

#define DEFAULT_PORT __stringify(RSM_WIRE_PORT)

static struct rsm_rdma_ctl *item_ctl(struct config_item *item)
{
	return container_of(to_config_group(item), struct rsm_rdma_ctl, group);
}

static struct rsm_rdma_ctl *nodes_item_ctl(struct config_item *item)
{
	return container_of(to_config_group(item), struct rsm_rdma_ctl,
			    nodes_group);
}

static struct rsm_rdma_node *item_node(struct config_item *item)
{
	return container_of(item, struct rsm_rdma_node, item);
}

/* Addresses */

/* Cut the port off @text: what follows the last colon, unless it is IPv6. */
static const char *cut_port(char *text)
{
	char *port;

	if (*text == '[') {
		port = strchr(text, ']');
		if (!port)
			return NULL;
		*port++ = '\0';
		if (!*port)
			return DEFAULT_PORT;
		return *port == ':' ? port + 1 : NULL;
	}
	port = strchr(text, ':');
	if (!port || strchr(port + 1, ':'))
		return DEFAULT_PORT;
	*port = '\0';
	return port + 1;
}

static int parse_addr(const char *page, size_t length,
		      struct sockaddr_storage *addr)
{
	char text[ADDR_MAX], *host;
	const char *port;

	if (length >= sizeof(text))
		return -EINVAL;
	strscpy(text, page, length + 1);
	host = strim(text);
	port = cut_port(host);
	if (!port)
		return -EINVAL;
	return inet_pton_with_scope(&init_net, AF_UNSPEC,
				    host + (*host == '['), port, addr);
}

static ssize_t show_addr(const struct sockaddr_storage *addr, char *page)
{
	return addr->ss_family ? sysfs_emit(page, "%pISpc\n", addr) : 0;
}

/* Tell if two addresses are the same but for their ports. */
bool rsm_rdma_same_host(const struct sockaddr_storage *one,
			const struct sockaddr_storage *other)
{
	const struct sockaddr_in *one4 = (const void *)one;
	const struct sockaddr_in *other4 = (const void *)other;
	const struct sockaddr_in6 *one6 = (const void *)one;
	const struct sockaddr_in6 *other6 = (const void *)other;

	if (one->ss_family != other->ss_family)
		return false;
	if (one->ss_family == AF_INET)
		return one4->sin_addr.s_addr == other4->sin_addr.s_addr;
	return one->ss_family == AF_INET6 &&
	       ipv6_addr_equal(&one6->sin6_addr, &other6->sin6_addr);
}

/* Nodes */

/* The node @id, or NULL. */
static struct rsm_rdma_node *find_node(struct rsm_rdma_ctl *rctl, u32 id)
{
	lockdep_assert_held(&rctl->mutex);
	return xa_load(&rctl->nodes, id);
}

/* Where node @id listens: 0, or -ENOENT if it is not known. */
int rsm_rdma_node_addr(struct rsm_rdma_ctl *rctl, u32 id,
		       struct sockaddr_storage *addr)
{
	const struct rsm_rdma_node *node;
	int ret = -ENOENT;

	mutex_lock(&rctl->mutex);
	node = find_node(rctl, id);
	if (id == rctl->ctl.local_node)
		*addr = rctl->addr;
	else if (node)
		*addr = node->addr;
	else
		addr = NULL;
	if (addr && addr->ss_family)
		ret = 0;
	mutex_unlock(&rctl->mutex);
	return ret;
}

/* Remember what has become of the last connection with node @id. */
void rsm_rdma_node_note(struct rsm_rdma_ctl *rctl, u32 id, bool lost)
{
	struct rsm_rdma_node *node;

	mutex_lock(&rctl->mutex);
	node = find_node(rctl, id);
	if (node) {
		WRITE_ONCE(node->lost_at, jiffies);
		WRITE_ONCE(node->lost, lost);
	}
	mutex_unlock(&rctl->mutex);
}

/* enum rsm_node_state of a node that is not this one */
u32 rsm_rdma_node_state(const struct rsm_rdma_node *node)
{
	unsigned long until;

	if (rsm_rdma_count_conns(node->ctl, node->id))
		return RSM_NODE_CONNECTED;
	until = READ_ONCE(node->lost_at) +
		msecs_to_jiffies(RSM_RDMA_UNREACHABLE_MS);
	if (READ_ONCE(node->lost) && time_before(jiffies, until))
		return RSM_NODE_UNREACHABLE;
	return RSM_NODE_IDLE;
}

static ssize_t node_address_show(struct config_item *item, char *page)
{
	struct rsm_rdma_node *node = item_node(item);
	ssize_t ret;

	mutex_lock(&node->ctl->mutex);
	ret = show_addr(&node->addr, page);
	mutex_unlock(&node->ctl->mutex);
	return ret;
}

static ssize_t node_address_store(struct config_item *item, const char *page,
				  size_t length)
{
	struct rsm_rdma_node *node = item_node(item);
	struct sockaddr_storage addr = {};
	int ret = parse_addr(page, length, &addr);

	if (ret)
		return ret;
	mutex_lock(&node->ctl->mutex);
	node->addr = addr;
	mutex_unlock(&node->ctl->mutex);
	return length;
}

static ssize_t node_state_show(struct config_item *item, char *page)
{
	switch (rsm_rdma_node_state(item_node(item))) {
	case RSM_NODE_CONNECTED:
		return sysfs_emit(page, "connected\n");
	case RSM_NODE_UNREACHABLE:
		return sysfs_emit(page, "unreachable\n");
	}
	return sysfs_emit(page, "idle\n");
}

CONFIGFS_ATTR(node_, address);
CONFIGFS_ATTR_RO(node_, state);

static struct configfs_attribute *node_attrs[] = {
	&node_attr_address,
	&node_attr_state,
	NULL,
};

static void node_release(struct config_item *item)
{
	struct rsm_rdma_node *node = item_node(item);

	rsm_rdma_ctl_put(node->ctl);
	kfree(node);
}

static struct configfs_item_operations node_item_ops = {
	.release = node_release,
};

static const struct config_item_type node_type = {
	.ct_item_ops = &node_item_ops,
	.ct_attrs = node_attrs,
	.ct_owner = THIS_MODULE,
};

/* A node id as it is written, without leading zeros */
static int parse_id(const char *name, u32 *id)
{
	char text[12];
	int ret = kstrtou32(name, 10, id);

	if (ret)
		return ret;
	snprintf(text, sizeof(text), "%u", *id);
	return *id && *id != U32_MAX && !strcmp(text, name) ? 0 : -EINVAL;
}

static int add_node(struct rsm_rdma_ctl *rctl, struct rsm_rdma_node *node)
{
	unsigned int count = 0;
	unsigned long id;
	void *other;
	int ret;

	mutex_lock(&rctl->mutex);
	xa_for_each(&rctl->nodes, id, other)
		count++;
	/* This machine is one of them. */
	if (count + 1 >= RSM_NODES_MAX)
		ret = -ENOSPC;
	else if (node->id == rctl->ctl.local_node)
		ret = -EEXIST;
	else
		ret = xa_insert(&rctl->nodes, node->id, node, GFP_KERNEL);
	mutex_unlock(&rctl->mutex);
	return ret;
}

static struct config_item *make_node(struct config_group *group,
				     const char *name)
{
	struct rsm_rdma_ctl *rctl = nodes_item_ctl(&group->cg_item);
	struct rsm_rdma_node *node;
	u32 id;
	int ret;

	ret = parse_id(name, &id);
	if (ret)
		return ERR_PTR(ret);
	node = kzalloc(sizeof(*node), GFP_KERNEL);
	if (!node)
		return ERR_PTR(-ENOMEM);
	node->id = id;
	node->ctl = rctl;
	ret = add_node(rctl, node);
	if (ret) {
		kfree(node);
		return ERR_PTR(ret);
	}
	kref_get(&rctl->ref);
	config_item_init_type_name(&node->item, name, &node_type);
	return &node->item;
}

static void drop_node(struct config_group *group, struct config_item *item)
{
	struct rsm_rdma_node *node = item_node(item);

	mutex_lock(&node->ctl->mutex);
	xa_erase(&node->ctl->nodes, node->id);
	mutex_unlock(&node->ctl->mutex);
	rsm_rdma_lose_conns(node->ctl, node->id);
	config_item_put(item);
}

static struct configfs_group_operations nodes_group_ops = {
	.make_item = make_node,
	.drop_item = drop_node,
};

static const struct config_item_type nodes_type = {
	.ct_group_ops = &nodes_group_ops,
	.ct_owner = THIS_MODULE,
};

/* Controllers */

/* What others know of a controller does not change. */
static int check_disabled(const struct rsm_rdma_ctl *rctl)
{
	lockdep_assert_held(&rctl->mutex);
	return rctl->enabled ? -EBUSY : 0;
}

static ssize_t ctl_address_show(struct config_item *item, char *page)
{
	struct rsm_rdma_ctl *rctl = item_ctl(item);
	ssize_t ret;

	mutex_lock(&rctl->mutex);
	ret = show_addr(&rctl->addr, page);
	mutex_unlock(&rctl->mutex);
	return ret;
}

static ssize_t ctl_address_store(struct config_item *item, const char *page,
				 size_t length)
{
	struct rsm_rdma_ctl *rctl = item_ctl(item);
	struct sockaddr_storage addr = {};
	int ret;

	ret = parse_addr(page, length, &addr);
	if (ret)
		return ret;
	mutex_lock(&rctl->mutex);
	ret = check_disabled(rctl);
	if (!ret)
		rctl->addr = addr;
	mutex_unlock(&rctl->mutex);
	return ret ?: length;
}

static ssize_t ctl_node_id_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%u\n", item_ctl(item)->ctl.local_node);
}

static ssize_t ctl_node_id_store(struct config_item *item, const char *page,
				 size_t length)
{
	struct rsm_rdma_ctl *rctl = item_ctl(item);
	u32 id;
	int ret;

	ret = kstrtou32(page, 10, &id);
	if (!ret && (!id || id == U32_MAX))
		ret = -EINVAL;
	if (ret)
		return ret;
	mutex_lock(&rctl->mutex);
	ret = check_disabled(rctl);
	if (!ret && find_node(rctl, id))
		ret = -EEXIST;
	if (!ret)
		rctl->ctl.local_node = id;
	mutex_unlock(&rctl->mutex);
	return ret ?: length;
}

static ssize_t ctl_key_store(struct config_item *item, const char *page,
			     size_t length)
{
	struct rsm_rdma_ctl *rctl = item_ctl(item);
	size_t used = length;
	int ret;

	if (used && page[used - 1] == '\n')
		used--;
	if (used > sizeof(rctl->key))
		return -EINVAL;
	mutex_lock(&rctl->mutex);
	ret = check_disabled(rctl);
	if (!ret) {
		memcpy(rctl->key, page, used);
		rctl->key_length = used;
	}
	mutex_unlock(&rctl->mutex);
	return ret ?: length;
}

static ssize_t ctl_trusted_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%u\n", item_ctl(item)->trusted);
}

static ssize_t ctl_trusted_store(struct config_item *item, const char *page,
				 size_t length)
{
	struct rsm_rdma_ctl *rctl = item_ctl(item);
	bool trusted;
	int ret;

	ret = kstrtobool(page, &trusted);
	if (ret)
		return ret;
	mutex_lock(&rctl->mutex);
	ret = check_disabled(rctl);
	if (!ret)
		rctl->trusted = trusted;
	mutex_unlock(&rctl->mutex);
	return ret ?: length;
}

static ssize_t store_number(const char *page, size_t length,
			    unsigned int *field, unsigned int min,
			    unsigned int max)
{
	unsigned int value;
	int ret = kstrtouint(page, 10, &value);

	if (ret)
		return ret;
	if (value < min || value > max)
		return -ERANGE;
	WRITE_ONCE(*field, value);
	return length;
}

/* Numbers that can be changed at any time */

static ssize_t show_number(char *page, const unsigned int *field)
{
	return sysfs_emit(page, "%u\n", READ_ONCE(*field));
}

static ssize_t ctl_keepalive_ms_show(struct config_item *item, char *page)
{
	return show_number(page, &item_ctl(item)->keepalive_ms);
}

static ssize_t ctl_keepalive_ms_store(struct config_item *item, const char *page,
				      size_t length)
{
	return store_number(page, length, &item_ctl(item)->keepalive_ms,
			    100, 60000);
}

static ssize_t ctl_rebind_timeout_ms_show(struct config_item *item, char *page)
{
	return show_number(page, &item_ctl(item)->rebind_timeout_ms);
}

static ssize_t ctl_rebind_timeout_ms_store(struct config_item *item, const char *page,
					   size_t length)
{
	return store_number(page, length, &item_ctl(item)->rebind_timeout_ms,
			    10, 60000);
}

static ssize_t ctl_max_connections_show(struct config_item *item, char *page)
{
	return show_number(page, &item_ctl(item)->max_connections);
}

static ssize_t ctl_max_connections_store(struct config_item *item, const char *page,
					 size_t length)
{
	return store_number(page, length, &item_ctl(item)->max_connections,
			    1, 4096);
}

static ssize_t ctl_copy_window_show(struct config_item *item, char *page)
{
	return show_number(page, &item_ctl(item)->copy_window);
}

static ssize_t ctl_copy_window_store(struct config_item *item, const char *page,
				     size_t length)
{
	return store_number(page, length, &item_ctl(item)->copy_window,
			    RSM_RDMA_WINDOW_MIN, RSM_RDMA_WINDOW_MAX);
}

static ssize_t ctl_enabled_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%u\n", item_ctl(item)->enabled);
}

static ssize_t ctl_enabled_store(struct config_item *item, const char *page,
				 size_t length)
{
	struct rsm_rdma_ctl *rctl = item_ctl(item);
	bool enable;
	int ret;

	ret = kstrtobool(page, &enable);
	if (ret)
		return ret;
	mutex_lock(&rctl->mutex);
	if (enable != rctl->enabled)
		ret = enable ? rsm_rdma_ctl_enable(rctl) : -EBUSY;
	mutex_unlock(&rctl->mutex);
	return ret ?: length;
}

static ssize_t ctl_state_show(struct config_item *item, char *page)
{
	struct rsm_rdma_ctl *rctl = item_ctl(item);

	if (!READ_ONCE(rctl->enabled))
		return sysfs_emit(page, "disabled\n");
	return sysfs_emit(page, "%s\n", READ_ONCE(rctl->listener) ?
						"listening" : "waiting");
}

static ssize_t ctl_connections_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%u\n",
			  rsm_rdma_count_conns(item_ctl(item), 0));
}

CONFIGFS_ATTR(ctl_, address);
CONFIGFS_ATTR(ctl_, node_id);
CONFIGFS_ATTR_WO(ctl_, key);
CONFIGFS_ATTR(ctl_, trusted);
CONFIGFS_ATTR(ctl_, keepalive_ms);
CONFIGFS_ATTR(ctl_, rebind_timeout_ms);
CONFIGFS_ATTR(ctl_, max_connections);
CONFIGFS_ATTR(ctl_, copy_window);
CONFIGFS_ATTR(ctl_, enabled);
CONFIGFS_ATTR_RO(ctl_, state);
CONFIGFS_ATTR_RO(ctl_, connections);

static struct configfs_attribute *ctl_attrs[] = {
	&ctl_attr_address,
	&ctl_attr_node_id,
	&ctl_attr_key,
	&ctl_attr_trusted,
	&ctl_attr_keepalive_ms,
	&ctl_attr_rebind_timeout_ms,
	&ctl_attr_max_connections,
	&ctl_attr_copy_window,
	&ctl_attr_enabled,
	&ctl_attr_state,
	&ctl_attr_connections,
	NULL,
};

static void ctl_item_release(struct config_item *item)
{
	rsm_rdma_ctl_put(item_ctl(item));
}

static struct configfs_item_operations ctl_item_ops = {
	.release = ctl_item_release,
};

static const struct config_item_type ctl_type = {
	.ct_item_ops = &ctl_item_ops,
	.ct_attrs = ctl_attrs,
	.ct_owner = THIS_MODULE,
};

/* Letters, then digits, as the library knows names of controllers */
static bool is_name(const char *name)
{
	size_t letters = 0, length = strlen(name), i;

	while (islower(name[letters]) && isascii(name[letters]))
		letters++;
	for (i = letters; i < length; i++)
		if (!isdigit(name[i]))
			return false;
	/* The library takes no number for 0, and 01 for 1. */
	return letters && letters < length && length < RSM_CONTROLLER_NAME_MAX &&
	       (name[letters] != '0' || letters + 1 == length);
}

static struct config_group *make_ctl(struct config_group *group,
				     const char *name)
{
	struct rsm_rdma_ctl *rctl;

	if (!is_name(name))
		return ERR_PTR(-EINVAL);
	rctl = rsm_rdma_ctl_alloc(name);
	if (!rctl)
		return ERR_PTR(-ENOMEM);
	config_group_init_type_name(&rctl->group, name, &ctl_type);
	config_group_init_type_name(&rctl->nodes_group, "nodes", &nodes_type);
	configfs_add_default_group(&rctl->nodes_group, &rctl->group);
	return &rctl->group;
}

static void drop_ctl(struct config_group *group, struct config_item *item)
{
	rsm_rdma_ctl_disable(item_ctl(item));
	config_item_put(item);
}

static struct configfs_group_operations ctls_group_ops = {
	.make_group = make_ctl,
	.drop_item = drop_ctl,
};

static const struct config_item_type ctls_type = {
	.ct_group_ops = &ctls_group_ops,
	.ct_owner = THIS_MODULE,
};

static struct configfs_subsystem subsystem = {
	.su_group = {
		.cg_item = {
			.ci_namebuf = "rsm_rdma",
			.ci_type = &ctls_type,
		},
	},
};

int rsm_rdma_config_init(void)
{
	config_group_init(&subsystem.su_group);
	mutex_init(&subsystem.su_mutex);
	return configfs_register_subsystem(&subsystem);
}

void rsm_rdma_config_exit(void)
{
	configfs_unregister_subsystem(&subsystem);
}
