// SPDX-License-Identifier: GPL-2.0-only
/*
 * The exporter's side: connections of importers on other nodes.
 *
 * The work of a connection makes what the importer may reach the same as what
 * the segment has: it registers the pages, tells the importer, and when that
 * has let go of those before, takes them away from it.
 */
#include <linux/jiffies.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>
#include <rdma/ib_cm.h>

#include "rdma.h"

static void peer_updated(void *conn)
{
	struct rsm_rdma_conn *self = conn;

	queue_work(rsm_rdma_wq, &self->work);
}

static void peer_posted(void *conn, bool accumulate)
{
	rsm_rdma_msg_signal(conn, accumulate);
}

static const struct rsm_peer_ops peer_ops = {
	.update = peer_updated,
	.post = peer_posted,
};

/* enum rsm_error of a result of the core's */
static u32 result_error(int ret)
{
	switch (ret) {
	case -ENOMEM:
		return RSM_ERR_INSUFFICIENT_MEM;
	case -EINTR:
		return RSM_ERR_INTERRUPTED;
	}
	return ret < 0 ? RSM_ERR_INSUFFICIENT_RESOURCES : ret;
}

static int connect_peer(struct rsm_rdma_conn *conn)
{
	const struct rsm_wire_open *open = &conn->open;
	unsigned int nr_gids = le32_to_cpu(open->nr_gids), i;
	kgid_t gids[RSM_WIRE_GIDS];
	const struct rsm_peer_request request = {
		.ipc_ns = conn->ctl->ipc_ns,
		.node = conn->node,
		.id = le32_to_cpu(open->id),
		.perm = le32_to_cpu(open->perm),
		.uid = make_kuid(&init_user_ns, le32_to_cpu(open->uid)),
		.gids = gids,
		.nr_gids = nr_gids,
	};

	for (i = 0; i < nr_gids; i++)
		gids[i] = make_kgid(&init_user_ns, le32_to_cpu(open->gids[i]));
	return rsm_peer_connect(&conn->ctl->ctl, &request, &peer_ops, conn,
				&conn->peer);
}

/* Answer what the importer has asked for. True if there is a peer now. */
static bool open_peer(struct rsm_rdma_conn *conn)
{
	int ret;

	/* It was denied, and is to go. */
	if (conn->error)
		return false;
	if (!rsm_rdma_open_is_good(conn, &conn->open)) {
		rsm_rdma_conn_lose(conn);
		return false;
	}
	ret = connect_peer(conn);
	if (!ret) {
		/* Pairs with rsm_rdma_peer_message(): the peer is there. */
		smp_store_release(&conn->granted, true);
		return true;
	}
	conn->error = result_error(ret);
	rsm_rdma_msg_send(conn, RSM_RDMA_SEND_DENY);
	rsm_rdma_msg_flush(conn);
	rsm_rdma_conn_lose(conn);
	return false;
}

/* Take the old pages away, if the importer has let go of them. */
static void drop_old(struct rsm_rdma_conn *conn)
{
	struct rsm_rdma_reg *old = conn->old_reg;
	u32 acked;

	spin_lock_irq(&conn->lock);
	acked = conn->acked;
	spin_unlock_irq(&conn->lock);
	if (!old || acked != conn->epoch)
		return;
	WRITE_ONCE(conn->old_reg, NULL);
	rsm_rdma_reg_destroy(conn, old);
}

/* Register the segment's pages instead of those that are registered. */
static void change_pages(struct rsm_rdma_conn *conn, struct rsm_pages *pages)
{
	struct rsm_rdma_reg *reg = rsm_rdma_reg_create(conn, pages);
	unsigned long timeout = RSM_RDMA_OPEN_MS;

	if (!reg) {
		rsm_rdma_conn_lose(conn);
		return;
	}
	if (conn->reg)
		timeout = READ_ONCE(conn->ctl->rebind_timeout_ms);
	reg->epoch = ++conn->epoch;
	WRITE_ONCE(conn->deadline, jiffies + msecs_to_jiffies(timeout));
	WRITE_ONCE(conn->old_reg, conn->reg);
	spin_lock_irq(&conn->lock);
	conn->reg = reg;
	conn->grant_next = 0;
	spin_unlock_irq(&conn->lock);
	rsm_rdma_msg_send(conn, RSM_RDMA_SEND_GRANT);
	/* There is a deadline now. */
	if (conn->old_reg)
		mod_delayed_work(rsm_rdma_wq, &conn->timer, 0);
}

/* Tell if the importer does not know all of the pages yet. */
static bool is_telling(struct rsm_rdma_conn *conn)
{
	bool telling;

	spin_lock_irq(&conn->lock);
	telling = test_bit(RSM_RDMA_SEND_GRANT, &conn->pending);
	spin_unlock_irq(&conn->lock);
	return telling;
}

/* Let the importer reach what the segment has. */
static void update_pages(struct rsm_rdma_conn *conn)
{
	struct rsm_pages *pages;

	drop_old(conn);
	pages = rsm_peer_get_pages(conn->peer);
	if (!pages) {
		rsm_rdma_msg_flush(conn);
		rsm_rdma_conn_lose(conn);
		return;
	}
	/* One step at a time: it is called again when that is done. */
	if (conn->old_reg || is_telling(conn)) {
		rsm_pages_put(pages);
		return;
	}
	if (conn->reg && conn->reg->pages == pages) {
		rsm_peer_settle(conn->peer, pages);
		rsm_pages_put(pages);
		return;
	}
	change_pages(conn, pages);
	/* At first there are no old ones. */
	if (conn->reg && !conn->old_reg)
		rsm_peer_settle(conn->peer, conn->reg->pages);
}

static void finish(struct rsm_rdma_conn *conn)
{
	rsm_rdma_conn_down(conn);
	if (conn->peer)
		rsm_peer_disconnect(conn->peer);
	rsm_rdma_conn_free(conn);
}

static void peer_work(struct work_struct *work)
{
	struct rsm_rdma_conn *conn = container_of(work, struct rsm_rdma_conn,
						  work);

	if (!test_bit(RSM_RDMA_MADE, &conn->flags))
		return;
	if (!rsm_rdma_is_lost(conn) &&
	    test_bit(RSM_RDMA_ESTABLISHED, &conn->flags) &&
	    test_bit(RSM_RDMA_OPENED, &conn->flags) &&
	    (conn->peer || open_peer(conn)))
		update_pages(conn);
	if (rsm_rdma_is_lost(conn))
		finish(conn);
}

/* Messages */

static bool groups_are_good(const struct rsm_wire_open *open)
{
	unsigned int nr = le32_to_cpu(open->nr_gids);

	return nr && nr <= RSM_WIRE_GIDS &&
	       !memchr_inv(&open->gids[nr], 0,
			   (RSM_WIRE_GIDS - nr) * sizeof(*open->gids));
}

static bool take_open(struct rsm_rdma_conn *conn,
		      const struct rsm_wire_open *open)
{
	if (!groups_are_good(open) ||
	    test_bit(RSM_RDMA_OPENED, &conn->flags))
		return false;
	conn->open = *open;
	/* Pairs with the tests in peer_work(), which looks at @open then. */
	smp_mb__before_atomic();
	set_bit(RSM_RDMA_OPENED, &conn->flags);
	queue_work(rsm_rdma_wq, &conn->work);
	return true;
}

static bool take_ack(struct rsm_rdma_conn *conn, const struct rsm_wire_ack *ack)
{
	if (ack->reserved)
		return false;
	spin_lock_irq(&conn->lock);
	conn->acked = le32_to_cpu(ack->epoch);
	spin_unlock_irq(&conn->lock);
	queue_work(rsm_rdma_wq, &conn->work);
	return true;
}

static bool take_signal(struct rsm_rdma_conn *conn,
			const struct rsm_wire_signal *signal)
{
	u32 once = le32_to_cpu(signal->once);

	/* That the segment has ended meanwhile is nobody's fault. */
	if (once <= 1)
		rsm_peer_post(conn->peer, le32_to_cpu(signal->count), once);
	return once <= 1;
}

static bool take_atomic(struct rsm_rdma_conn *conn,
			const struct rsm_wire_atomic *wire)
{
	struct rsm_rdma_atomic atomic = {
		.cmd = {
			.op = le32_to_cpu(wire->op),
			.offset = le64_to_cpu(wire->offset),
			.compare = le64_to_cpu(wire->compare),
			.operand = le64_to_cpu(wire->operand),
		},
	};
	u32 slot = le32_to_cpu(wire->slot);

	if (slot >= RSM_WIRE_ATOMICS)
		return false;
	if (atomic.cmd.op != RSM_WIRE_NOTHING)
		atomic.error = result_error(rsm_peer_atomic(conn->peer,
							    &atomic.cmd));
	spin_lock_irq(&conn->lock);
	conn->atomics[slot] = atomic;
	spin_unlock_irq(&conn->lock);
	rsm_rdma_msg_send(conn, RSM_RDMA_SEND_ATOMIC + slot);
	return true;
}

/* Take a message of an importer. False: it may not say that. */
bool rsm_rdma_peer_message(struct rsm_rdma_conn *conn,
			   const union rsm_wire_message *message)
{
	if (message->header.type == RSM_WIRE_OPEN)
		return take_open(conn, &message->open);
	/* The rest is for those who were granted something. */
	if (!smp_load_acquire(&conn->granted))
		return false;
	switch (message->header.type) {
	case RSM_WIRE_ACK:
		return take_ack(conn, &message->ack);
	case RSM_WIRE_SIGNAL:
		return take_signal(conn, &message->signal);
	case RSM_WIRE_ATOMIC:
		return take_atomic(conn, &message->atomic);
	}
	return false;
}

/* Events */

static int peer_event(struct rdma_cm_id *id, struct rdma_cm_event *event)
{
	struct rsm_rdma_conn *conn = id->context;

	if (event->event == RDMA_CM_EVENT_ESTABLISHED)
		rsm_rdma_conn_start(conn);
	else
		rsm_rdma_conn_lose(conn);
	return 0;
}

/* Tell if a request may be looked at: 0 or enum rsm_wire_reason. */
static unsigned int judge(struct rsm_rdma_ctl *rctl,
			  const struct rdma_cm_id *id,
			  const struct rsm_wire_request *request)
{
	struct sockaddr_storage addr;

	if (le32_to_cpu(request->magic) != RSM_WIRE_MAGIC ||
	    le16_to_cpu(request->version) != RSM_WIRE_VERSION ||
	    request->reserved)
		return RSM_WIRE_BAD_REQUEST;
	if (le32_to_cpu(request->to) != rctl->ctl.local_node ||
	    rsm_rdma_node_addr(rctl, le32_to_cpu(request->from), &addr) ||
	    !rsm_rdma_same_host(&addr, &id->route.addr.dst_addr))
		return RSM_WIRE_UNKNOWN_NODE;
	return 0;
}

static int reject(struct rdma_cm_id *id, unsigned int reason)
{
	const struct rsm_wire_reject data = {
		.magic = cpu_to_le32(RSM_WIRE_MAGIC),
		.version = cpu_to_le16(RSM_WIRE_VERSION),
		.reason = cpu_to_le16(reason),
	};

	rdma_reject(id, &data, sizeof(data), IB_CM_REJ_CONSUMER_DEFINED);
	/* RDMA CM destroys the id. */
	return -ECONNREFUSED;
}

static int accept(struct rsm_rdma_conn *conn,
		  const struct rdma_conn_param *asked)
{
	struct rsm_wire_reply *reply = &conn->reply;
	struct rdma_conn_param param = {
		.private_data = reply,
		.private_data_len = sizeof(*reply),
	};
	int ret;

	reply->magic = cpu_to_le32(RSM_WIRE_MAGIC);
	reply->version = cpu_to_le16(RSM_WIRE_VERSION);
	get_random_bytes(reply->nonce, sizeof(reply->nonce));
	ret = rsm_rdma_sign_reply(conn->ctl, &conn->request, reply);
	if (ret)
		return ret;
	rsm_rdma_conn_param(conn, &param);
	param.responder_resources = min(param.responder_resources,
					asked->responder_resources);
	param.initiator_depth = min(param.initiator_depth,
				    asked->initiator_depth);
	/* The importer's could be for ever. */
	ret = rdma_set_ack_timeout(conn->id, RSM_RDMA_ACK_TIMEOUT);
	return ret ?: rdma_accept(conn->id, &param);
}

/**
 * rsm_rdma_peer_request() - an importer asks for a connection
 * @rctl: the controller that it asks
 * @id: of the connection
 * @param: what it says
 *
 * Return: 0, or -errno to have @id destroyed.
 */
int rsm_rdma_peer_request(struct rsm_rdma_ctl *rctl, struct rdma_cm_id *id,
			  const struct rdma_conn_param *param)
{
	struct rsm_wire_request request;
	struct rsm_rdma_conn *conn;
	unsigned int reason;

	/* With more retries it could have us wait for ever. */
	if (param->private_data_len < sizeof(request) ||
	    param->retry_count > RSM_RDMA_RETRIES)
		return reject(id, RSM_WIRE_BAD_REQUEST);
	memcpy(&request, param->private_data, sizeof(request));
	reason = judge(rctl, id, &request);
	if (reason)
		return reject(id, reason);
	conn = rsm_rdma_conn_alloc(rctl, le32_to_cpu(request.from), false,
				   peer_work);
	if (!conn)
		return reject(id, RSM_WIRE_BUSY);
	conn->request = request;
	conn->id = id;
	/* The id is the connection's from here on. */
	id->context = conn;
	id->event_handler = peer_event;
	/* Once more: only now it is cut off if its node is removed. */
	reason = judge(rctl, id, &request);
	if (reason || rsm_rdma_conn_prepare(conn) || accept(conn, param)) {
		reject(id, reason ?: RSM_WIRE_BUSY);
		rsm_rdma_conn_lose(conn);
	} else {
		/* It has some time to say what it wants. */
		queue_delayed_work(rsm_rdma_wq, &conn->timer, HZ);
	}
	rsm_rdma_conn_made(conn);
	return 0;
}
