// SPDX-License-Identifier: GPL-2.0-only
/*
 * Controllers that reach other machines by RDMA: what the core knows of them,
 * and that they listen.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/ipc_namespace.h>
#include <linux/module.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <net/net_namespace.h>

#include "rdma.h"

/* How long to wait before trying to listen once more. */
#define LISTEN_AGAIN msecs_to_jiffies(1000)

/* Connections from a node that has not shown to know the key */
#define STRANGERS_MAX 32

struct workqueue_struct *rsm_rdma_wq;

static void get_info(const struct rsm_controller *ctl,
		     struct rsm_controller_info *info)
{
	info->out_atomic_sizes = 8;
	info->out_page_sizes = PAGE_SIZE / SZ_1K;
}

static bool is_known(const struct rsm_controller *ctl, u32 node)
{
	struct sockaddr_storage addr;

	return !rsm_rdma_node_addr(to_rdma_ctl(ctl), node, &addr);
}

static int check_access(const struct rsm_controller *ctl,
			const struct rsm_access_entry *acl, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (!is_known(ctl, acl[i].node))
			return RSM_ERR_BAD_ACL;
	return 0;
}

/* Who has another network does not get to use this one. */
static int check_node(const struct rsm_controller *ctl, u32 node)
{
	if (!net_eq(current->nsproxy->net_ns, to_rdma_ctl(ctl)->net))
		return RSM_ERR_CTLR_NOT_PRESENT;
	return is_known(ctl, node) ? 0 : RSM_ERR_CTLR_NOT_PRESENT;
}

static unsigned int get_nodes(const struct rsm_controller *ctl,
			      struct rsm_node *nodes, unsigned int room)
{
	struct rsm_rdma_ctl *rctl = to_rdma_ctl(ctl);
	struct rsm_rdma_node *node;
	unsigned int count = 1;
	unsigned long id;

	if (room)
		nodes[0] = (struct rsm_node){
			.node = ctl->local_node,
			.state = RSM_NODE_LOCAL,
		};
	mutex_lock(&rctl->mutex);
	xa_for_each(&rctl->nodes, id, node) {
		if (count < room)
			nodes[count] = (struct rsm_node){
				.node = id,
				.state = rsm_rdma_node_state(node),
			};
		count++;
	}
	mutex_unlock(&rctl->mutex);
	return count;
}

static void ctl_release(struct kref *ref)
{
	struct rsm_rdma_ctl *rctl = container_of(ref, struct rsm_rdma_ctl, ref);

	if (rctl->enabled) {
		put_net(rctl->net);
		rsm_ipc_ns_put(rctl->ipc_ns);
	}
	if (rctl->hmac)
		crypto_free_shash(rctl->hmac);
	xa_destroy(&rctl->nodes);
	kfree_sensitive(rctl);
}

void rsm_rdma_ctl_put(struct rsm_rdma_ctl *rctl)
{
	kref_put(&rctl->ref, ctl_release);
}

/* The core does not know it any more. */
static void release(struct rsm_controller *ctl)
{
	rsm_rdma_ctl_put(to_rdma_ctl(ctl));
}

static const struct rsm_provider_ops provider_ops = {
	.owner = THIS_MODULE,
	.get_info = get_info,
	.check_access = check_access,
	.check_node = check_node,
	.nodes = get_nodes,
	.release = release,
	.link = &rsm_rdma_link_ops,
};

static unsigned int count_strangers(const struct rsm_rdma_ctl *rctl, u32 node)
{
	const struct rsm_rdma_conn *conn;
	unsigned int count = 0;

	lockdep_assert_held(&rctl->lock);
	list_for_each_entry(conn, &rctl->conns, entry)
		count += !conn->importing && conn->node == node &&
			 !test_bit(RSM_RDMA_OPENED, &conn->flags);
	return count;
}

/* Add a connection to the controller's, if there may be one more. */
bool rsm_rdma_add_conn(struct rsm_rdma_ctl *rctl, struct rsm_rdma_conn *conn)
{
	bool added;

	spin_lock(&rctl->lock);
	added = !rctl->closed &&
		(conn->importing ? rctl->nr_links : rctl->nr_peers) <
			READ_ONCE(rctl->max_connections) &&
		(conn->importing ||
		 count_strangers(rctl, conn->node) < STRANGERS_MAX);
	if (added) {
		list_add(&conn->entry, &rctl->conns);
		*(conn->importing ? &rctl->nr_links : &rctl->nr_peers) += 1;
	}
	spin_unlock(&rctl->lock);
	return added;
}

/* A connection has been taken down. */
void rsm_rdma_remove_conn(struct rsm_rdma_ctl *rctl, struct rsm_rdma_conn *conn)
{
	spin_lock(&rctl->lock);
	if (!list_empty(&conn->entry)) {
		list_del_init(&conn->entry);
		*(conn->importing ? &rctl->nr_links : &rctl->nr_peers) -= 1;
		/* With the lock: who waits may free the controller. */
		if (list_empty(&rctl->conns))
			wake_up_all(&rctl->wait);
	}
	spin_unlock(&rctl->lock);
}

/* Number of connections with @node, or of all: 0. */
unsigned int rsm_rdma_count_conns(struct rsm_rdma_ctl *rctl, u32 node)
{
	const struct rsm_rdma_conn *conn;
	unsigned int count = 0;

	spin_lock(&rctl->lock);
	list_for_each_entry(conn, &rctl->conns, entry)
		count += (!node || conn->node == node) &&
			 test_bit(RSM_RDMA_OPENED, &conn->flags);
	spin_unlock(&rctl->lock);
	return count;
}

/* Have the connections with @node taken down, or all: 0. */
void rsm_rdma_lose_conns(struct rsm_rdma_ctl *rctl, u32 node)
{
	struct rsm_rdma_conn *conn;

	spin_lock(&rctl->lock);
	list_for_each_entry(conn, &rctl->conns, entry)
		if (!node || conn->node == node)
			rsm_rdma_conn_lose(conn);
	spin_unlock(&rctl->lock);
}

/* The listener's device goes away; it may come back. */
static void lose_listener(struct rsm_rdma_ctl *rctl)
{
	WRITE_ONCE(rctl->listener_lost, true);
	mod_delayed_work(rsm_rdma_wq, &rctl->listen_work, 0);
}

static int listen_event(struct rdma_cm_id *id, struct rdma_cm_event *event)
{
	struct rsm_rdma_ctl *rctl = id->context;

	switch (event->event) {
	case RDMA_CM_EVENT_CONNECT_REQUEST:
		return rsm_rdma_peer_request(rctl, id, &event->param.conn);
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
	case RDMA_CM_EVENT_ADDR_CHANGE:
		lose_listener(rctl);
		break;
	default:
		break;
	}
	return 0;
}

static int listen(struct rsm_rdma_ctl *rctl)
{
	struct rdma_cm_id *id;
	int ret;

	id = rdma_create_id(rctl->net, listen_event, rctl, RDMA_PS_TCP,
			    IB_QPT_RC);
	if (IS_ERR(id))
		return PTR_ERR(id);
	ret = rdma_bind_addr(id, (struct sockaddr *)&rctl->addr);
	if (!ret && !id->device)
		ret = -ENODEV;
	if (ret)
		goto err_id;
	ret = rdma_listen(id, SOMAXCONN);
	if (ret)
		goto err_id;
	WRITE_ONCE(rctl->listener, id);
	return 0;

err_id:
	rdma_destroy_id(id);
	return ret;
}

static void destroy_listener(struct rsm_rdma_ctl *rctl)
{
	struct rdma_cm_id *id = xchg(&rctl->listener, NULL);

	/* Waits for its events. */
	if (id)
		rdma_destroy_id(id);
}

static void listen_work(struct work_struct *work)
{
	struct rsm_rdma_ctl *rctl = container_of(to_delayed_work(work),
						 struct rsm_rdma_ctl,
						 listen_work);

	if (xchg(&rctl->listener_lost, false))
		destroy_listener(rctl);
	if (READ_ONCE(rctl->closed) || READ_ONCE(rctl->listener) ||
	    !listen(rctl))
		return;
	queue_delayed_work(rsm_rdma_wq, &rctl->listen_work, LISTEN_AGAIN);
}

/**
 * rsm_rdma_ctl_alloc() - make a controller that is not enabled
 * @name: its name
 *
 * Return: the controller, for rsm_rdma_ctl_put(), or NULL.
 */
struct rsm_rdma_ctl *rsm_rdma_ctl_alloc(const char *name)
{
	struct rsm_rdma_ctl *rctl = kzalloc(sizeof(*rctl), GFP_KERNEL);

	if (!rctl)
		return NULL;
	kref_init(&rctl->ref);
	strscpy(rctl->name, name, sizeof(rctl->name));
	rctl->keepalive_ms = 1000;
	rctl->rebind_timeout_ms = 2000;
	rctl->max_connections = 256;
	rctl->copy_window = RSM_RDMA_WINDOW_MIN;
	rctl->ctl.name = rctl->name;
	rctl->ctl.ops = &provider_ops;
	rctl->ctl.caps = RSM_CAP_LOCK;
	mutex_init(&rctl->mutex);
	xa_init(&rctl->nodes);
	spin_lock_init(&rctl->lock);
	INIT_LIST_HEAD(&rctl->conns);
	init_waitqueue_head(&rctl->wait);
	INIT_DELAYED_WORK(&rctl->listen_work, listen_work);
	return rctl;
}

/**
 * rsm_rdma_ctl_enable() - let a controller be used
 * @rctl: the controller, configured
 *
 * Return: 0 or -errno.
 */
int rsm_rdma_ctl_enable(struct rsm_rdma_ctl *rctl)
{
	int ret;

	lockdep_assert_held(&rctl->mutex);
	if (!rctl->addr.ss_family || !rctl->ctl.local_node)
		return -EINVAL;
	if (!rctl->key_length && !rctl->trusted)
		return -EINVAL;
	ret = rsm_rdma_auth_init(rctl);
	if (ret)
		return ret;
	ret = rsm_controller_register(&rctl->ctl);
	if (ret)
		return ret;
	kref_get(&rctl->ref);
	rctl->net = get_net(current->nsproxy->net_ns);
	rctl->ipc_ns = get_ipc_ns(current->nsproxy->ipc_ns);
	rctl->enabled = true;
	queue_delayed_work(rsm_rdma_wq, &rctl->listen_work, 0);
	return 0;
}

/* Cut all connections, and let there be no more. */
void rsm_rdma_ctl_disable(struct rsm_rdma_ctl *rctl)
{
	spin_lock(&rctl->lock);
	WRITE_ONCE(rctl->closed, true);
	spin_unlock(&rctl->lock);
	if (!rctl->enabled)
		return;
	cancel_delayed_work_sync(&rctl->listen_work);
	destroy_listener(rctl);
	/* That its device went away may have been the last that was heard of it. */
	cancel_delayed_work_sync(&rctl->listen_work);
	rsm_rdma_lose_conns(rctl, 0);
	wait_event(rctl->wait, list_empty_careful(&rctl->conns));
	/* Who has emptied it is done with it. */
	spin_lock(&rctl->lock);
	spin_unlock(&rctl->lock);
	rsm_controller_unregister(&rctl->ctl);
}

static int __init rsm_rdma_init(void)
{
	int ret;

	rsm_rdma_wq = alloc_workqueue("rsm_rdma", WQ_UNBOUND | WQ_MEM_RECLAIM,
				      0);
	if (!rsm_rdma_wq)
		return -ENOMEM;
	ret = rsm_rdma_config_init();
	if (ret)
		destroy_workqueue(rsm_rdma_wq);
	return ret;
}

static void __exit rsm_rdma_exit(void)
{
	rsm_rdma_config_exit();
	destroy_workqueue(rsm_rdma_wq);
}

module_init(rsm_rdma_init);
module_exit(rsm_rdma_exit);

MODULE_DESCRIPTION("Remote Shared Memory over RDMA");
MODULE_LICENSE("GPL");
MODULE_VERSION(RSMCTL_VERSION);
MODULE_SOFTDEP("pre: sha256 hmac");
