// SPDX-License-Identifier: GPL-2.0-only
/*
 * Connections: what both sides have in common. How one is made, found to be
 * lost, and taken down.
 */
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "rdma.h"

/* More RDMA READs at a time do not make it faster. */
#define READS_MAX 16

/**
 * rsm_rdma_conn_lose() - have a connection taken down
 * @conn: the connection
 *
 * Context: any.
 */
void rsm_rdma_conn_lose(struct rsm_rdma_conn *conn)
{
	set_bit(RSM_RDMA_LOST, &conn->flags);
	wake_up_all(&conn->wait);
	queue_work(rsm_rdma_wq, &conn->work);
}

/**
 * rsm_rdma_conn_fail() - have a connection taken down, as its device could not do
 *                        something
 * @conn: the connection
 * @status: why
 *
 * Context: any.
 */
void rsm_rdma_conn_fail(struct rsm_rdma_conn *conn, enum ib_wc_status status)
{
	if (status == IB_WC_RETRY_EXC_ERR)
		set_bit(RSM_RDMA_SILENT, &conn->flags);
	rsm_rdma_conn_lose(conn);
}

static void keepalive_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct rsm_rdma_conn *conn = cq->cq_context;

	if (wc->status == IB_WC_SUCCESS) {
		WRITE_ONCE(conn->alive, jiffies);
		rsm_rdma_msg_arrived(conn, conn->sent_before);
	} else {
		rsm_rdma_conn_fail(conn, wc->status);
	}
	clear_bit(RSM_RDMA_KEEPALIVE, &conn->flags);
}

/* Write nothing, to see if the other side still answers. */
static void send_keepalive(struct rsm_rdma_conn *conn)
{
	struct ib_rdma_wr wr = {
		.wr = {
			.wr_cqe = &conn->keepalive,
			.opcode = IB_WR_RDMA_WRITE,
			.send_flags = IB_SEND_SIGNALED,
		},
	};
	unsigned long flags;

	if (test_and_set_bit(RSM_RDMA_KEEPALIVE, &conn->flags)) {
		/* However patient the device is. */
		if (time_after(jiffies, conn->asked +
					msecs_to_jiffies(RSM_RDMA_OPEN_MS)))
			rsm_rdma_conn_fail(conn, IB_WC_RETRY_EXC_ERR);
		return;
	}
	conn->asked = jiffies;
	spin_lock_irqsave(&conn->lock, flags);
	conn->sent_before = conn->sent;
	if (!rsm_rdma_is_lost(conn) && ib_post_send(conn->id->qp, &wr.wr, NULL))
		rsm_rdma_conn_lose(conn);
	spin_unlock_irqrestore(&conn->lock, flags);
}

/* An importer is to ask, or to let go of the old pages. */
static bool has_deadline(const struct rsm_rdma_conn *conn)
{
	return !conn->importing &&
	       (!READ_ONCE(conn->granted) || READ_ONCE(conn->old_reg) ||
		test_bit(RSM_RDMA_SEND_GRANT, &conn->pending));
}

static bool is_overdue(struct rsm_rdma_conn *conn)
{
	if (conn->importing)
		return rsm_rdma_link_is_overdue(conn);
	return has_deadline(conn) &&
	       time_after_eq(jiffies, READ_ONCE(conn->deadline));
}

/* Jiffies until there may be something to do */
static unsigned long next_look(const struct rsm_rdma_conn *conn,
			       unsigned long keepalive)
{
	unsigned long next = min_t(unsigned long, keepalive / 2, HZ);
	long left = READ_ONCE(conn->deadline) - jiffies;

	return has_deadline(conn) ? clamp_t(long, left, 1, next) : next;
}

static void look_after(struct work_struct *work)
{
	struct rsm_rdma_conn *conn = container_of(to_delayed_work(work),
						  struct rsm_rdma_conn, timer);
	unsigned long keepalive;

	if (rsm_rdma_is_lost(conn))
		return;
	if (is_overdue(conn)) {
		rsm_rdma_conn_lose(conn);
		return;
	}
	keepalive = msecs_to_jiffies(READ_ONCE(conn->ctl->keepalive_ms));
	if (test_bit(RSM_RDMA_ESTABLISHED, &conn->flags) &&
	    time_after_eq(jiffies, READ_ONCE(conn->alive) + keepalive))
		send_keepalive(conn);
	queue_delayed_work(rsm_rdma_wq, &conn->timer,
			   next_look(conn, keepalive));
}

/**
 * rsm_rdma_conn_alloc() - make a connection that leads nowhere yet; its work
 *                         leaves it alone until rsm_rdma_conn_made()
 * @rctl: its controller
 * @node: the other node
 * @importing: we are the importer
 * @work: looks after it, and calls rsm_rdma_conn_down() once it is lost
 *
 * Return: the connection, for rsm_rdma_conn_free(), or NULL.
 */
struct rsm_rdma_conn *rsm_rdma_conn_alloc(struct rsm_rdma_ctl *rctl, u32 node,
					  bool importing, work_func_t work)
{
	struct rsm_rdma_conn *conn = kzalloc(sizeof(*conn), GFP_KERNEL_ACCOUNT);

	if (!conn)
		return NULL;
	conn->ctl = rctl;
	conn->node = node;
	conn->importing = importing;
	conn->alive = jiffies;
	conn->deadline = jiffies + msecs_to_jiffies(RSM_RDMA_CONNECT_MS);
	INIT_LIST_HEAD(&conn->entry);
	INIT_WORK(&conn->work, work);
	INIT_DELAYED_WORK(&conn->timer, look_after);
	init_waitqueue_head(&conn->wait);
	init_completion(&conn->reg_done);
	init_completion(&conn->drained);
	init_completion(&conn->down);
	spin_lock_init(&conn->lock);
	INIT_LIST_HEAD(&conn->idle);
	conn->keepalive.done = keepalive_done;
	if (rsm_rdma_add_conn(rctl, conn))
		return conn;
	kfree(conn);
	return NULL;
}

/*
 * Whoever makes a connection is done with it; it may be lost already. That of a
 * peer is not freed before this returns: its end waits for the handler of its id,
 * in which this is called.
 */
void rsm_rdma_conn_made(struct rsm_rdma_conn *conn)
{
	set_bit(RSM_RDMA_MADE, &conn->flags);
	queue_work(rsm_rdma_wq, &conn->work);
}

/* Free a connection that is down; it may be called by its own work. */
void rsm_rdma_conn_free(struct rsm_rdma_conn *conn)
{
	rsm_rdma_remove_conn(conn->ctl, conn);
	/* Nobody queues it from here on, but it may be queued. */
	cancel_work(&conn->work);
	kfree(conn);
}

static int create_qp(struct rsm_rdma_conn *conn)
{
	const struct ib_device_attr *attrs = &conn->id->device->attrs;
	struct ib_qp_init_attr init = {
		.qp_type = IB_QPT_RC,
		.sq_sig_type = IB_SIGNAL_REQ_WR,
		.send_cq = conn->send_cq,
		.recv_cq = conn->recv_cq,
		.cap = {
			.max_send_wr = RSM_RDMA_SEND_DEPTH,
			/* and that of the drain */
			.max_recv_wr = RSM_WIRE_RECEIVES + 1,
			.max_send_sge = min(RSM_RDMA_XFER_SGES,
					    attrs->max_send_sge),
			.max_recv_sge = 1,
		},
	};

	return rdma_create_qp(conn->id, conn->pd, &init);
}

/**
 * rsm_rdma_conn_prepare() - make what a connection needs of its device
 * @conn: the connection, with an id that has a device
 *
 * Return: 0 or -errno; rsm_rdma_conn_release() undoes what was done.
 */
int rsm_rdma_conn_prepare(struct rsm_rdma_conn *conn)
{
	struct ib_device *dev = conn->id->device;
	int ret;

	conn->pd = ib_alloc_pd(dev, 0);
	if (IS_ERR(conn->pd))
		return PTR_ERR(conn->pd);
	conn->send_cq = ib_alloc_cq_any(dev, conn, RSM_RDMA_SEND_DEPTH,
					IB_POLL_SOFTIRQ);
	if (IS_ERR(conn->send_cq))
		return PTR_ERR(conn->send_cq);
	conn->recv_cq = ib_alloc_cq_any(dev, conn, RSM_WIRE_RECEIVES + 1,
					IB_POLL_WORKQUEUE);
	if (IS_ERR(conn->recv_cq))
		return PTR_ERR(conn->recv_cq);
	ret = create_qp(conn) ?: rsm_rdma_msg_init(conn);
	if (!ret && conn->importing)
		ret = rsm_rdma_xfer_init(conn);
	return ret ?: rsm_rdma_msg_receive(conn);
}

static void free_cq(struct ib_cq **cq)
{
	if (!IS_ERR_OR_NULL(*cq))
		ib_free_cq(*cq);
	*cq = NULL;
}

/* Undo rsm_rdma_conn_prepare(), as far as it got; nothing is under way. */
void rsm_rdma_conn_release(struct rsm_rdma_conn *conn)
{
	if (conn->id->qp)
		rdma_destroy_qp(conn->id);
	free_cq(&conn->send_cq);
	free_cq(&conn->recv_cq);
	rsm_rdma_reg_destroy(conn, conn->reg);
	rsm_rdma_reg_destroy(conn, conn->old_reg);
	conn->reg = NULL;
	WRITE_ONCE(conn->old_reg, NULL);
	rsm_rdma_xfer_destroy(conn);
	rsm_rdma_msg_destroy(conn);
	if (!IS_ERR_OR_NULL(conn->pd))
		ib_dealloc_pd(conn->pd);
	conn->pd = NULL;
}

/*
 * Wait until nothing is under way. Then there may still be softirqs that look at
 * the queues: ib_free_cq() does not wait for one that has handled the last
 * completion and is about to ask for further ones; and rxe of Linux 6.1 looks at
 * a queue pair once more after it has handed over a packet, and its reference.
 */
static void drain(struct rsm_rdma_conn *conn)
{
	if (conn->id->qp)
		ib_drain_qp(conn->id->qp);
	complete_all(&conn->drained);
	/* Who has not seen that it is lost posts one that fails at once. */
	rsm_rdma_xfer_drain(conn);
	synchronize_rcu();
}

/* Tell if the other side has not answered, and if so, of its node. */
static void judge(struct rsm_rdma_conn *conn)
{
	unsigned long silence =
		2 * msecs_to_jiffies(READ_ONCE(conn->ctl->keepalive_ms));

	/* The node is not to blame for a connection that was closed. */
	if (time_after(jiffies, READ_ONCE(conn->alive) + silence))
		set_bit(RSM_RDMA_SILENT, &conn->flags);
	if (test_bit(RSM_RDMA_SILENT, &conn->flags))
		rsm_rdma_node_note(conn->ctl, conn->node, true);
}

/**
 * rsm_rdma_conn_down() - take a connection down that is lost; nothing if it is
 * @conn: the connection
 *
 * Nobody reaches any memory through it any more when it returns.
 *
 * Context: the work of the connection. Waits for the device, and not for the
 * other side.
 */
void rsm_rdma_conn_down(struct rsm_rdma_conn *conn)
{
	if (!conn->id)
		return;
	judge(conn);
	cancel_delayed_work_sync(&conn->timer);
	/* Who has looked before it was lost has posted by then. */
	spin_lock_irq(&conn->lock);
	spin_unlock_irq(&conn->lock);
	rdma_disconnect(conn->id);
	drain(conn);
	rsm_rdma_conn_release(conn);
	rdma_destroy_id(conn->id);
	/* Its events may have started it once more. */
	cancel_delayed_work_sync(&conn->timer);
	conn->id = NULL;
}

/* From now on messages are sent. */
void rsm_rdma_conn_start(struct rsm_rdma_conn *conn)
{
	WRITE_ONCE(conn->alive, jiffies);
	rsm_rdma_msg_start(conn);
	rsm_rdma_node_note(conn->ctl, conn->node, false);
	queue_delayed_work(rsm_rdma_wq, &conn->timer, HZ / 10);
	queue_work(rsm_rdma_wq, &conn->work);
	wake_up_all(&conn->wait);
}

/* What both sides tell RDMA CM of a connection */
void rsm_rdma_conn_param(struct rsm_rdma_conn *conn,
			 struct rdma_conn_param *param)
{
	const struct ib_device_attr *attrs = &conn->id->device->attrs;

	param->initiator_depth = min(READS_MAX, attrs->max_qp_init_rd_atom);
	param->responder_resources = min(READS_MAX, attrs->max_qp_rd_atom);
	param->retry_count = RSM_RDMA_RETRIES;
	param->rnr_retry_count = RSM_RDMA_RNR_RETRIES;
}
