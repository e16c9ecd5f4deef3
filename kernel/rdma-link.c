// SPDX-License-Identifier: GPL-2.0-only
/*
 * The importer's side: connecting, and what is not a copy.
 */
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "rdma.h"

/* Keys of the longest segment, in chunks as they are usual */
#define KEYS_MAX (RSM_MAX_LENGTH / SZ_2M)

/* Neither result nor event yet */
#define NO_RESULT (-1)
#define NO_EVENT (-1)

/* Grants */

/**
 * rsm_rdma_get_grant() - find out how to reach the segment, for a copy
 * @conn: the connection
 *
 * Return: the grant, for rsm_rdma_put_grant().
 */
struct rsm_rdma_grant *rsm_rdma_get_grant(struct rsm_rdma_conn *conn)
{
	struct rsm_rdma_grant *grant;

	spin_lock_irq(&conn->lock);
	grant = conn->grant;
	grant->users++;
	spin_unlock_irq(&conn->lock);
	return grant;
}

/* The copy is done. */
void rsm_rdma_put_grant(struct rsm_rdma_conn *conn,
			struct rsm_rdma_grant *grant)
{
	spin_lock_irq(&conn->lock);
	if (!--grant->users && grant == conn->old_grant)
		queue_work(rsm_rdma_wq, &conn->work);
	spin_unlock_irq(&conn->lock);
}

/* If nobody uses the keys from before the rebind, forget them and say so. */
static void finish_rebind(struct rsm_rdma_conn *conn)
{
	struct rsm_rdma_grant *old;

	spin_lock_irq(&conn->lock);
	old = conn->old_grant;
	if (old && old->users)
		old = NULL;
	if (old) {
		conn->old_grant = NULL;
		conn->acked = conn->grant->epoch;
	}
	spin_unlock_irq(&conn->lock);
	if (!old)
		return;
	kvfree(old);
	rsm_link_set_rebinding(conn->seg, false);
	rsm_rdma_msg_send(conn, RSM_RDMA_SEND_ACK);
}

/* The first grant says what has been connected to. */
static void take_first(struct rsm_rdma_conn *conn,
		       struct rsm_rdma_grant *grant,
		       const struct rsm_wire_grant *wire)
{
	conn->length = le64_to_cpu(wire->length);
	conn->seg_flags = le32_to_cpu(wire->flags);
	spin_lock_irq(&conn->lock);
	conn->grant = grant;
	spin_unlock_irq(&conn->lock);
	/* Pairs with ask(), which looks at it then. */
	smp_mb__before_atomic();
	set_bit(RSM_RDMA_OPENED, &conn->flags);
	wake_up_all(&conn->wait);
}

/* From now on copies use the new pages. */
static void take_next(struct rsm_rdma_conn *conn, struct rsm_rdma_grant *grant)
{
	rsm_link_set_rebinding(conn->seg, true);
	spin_lock_irq(&conn->lock);
	conn->old_grant = conn->grant;
	conn->grant = grant;
	spin_unlock_irq(&conn->lock);
	queue_work(rsm_rdma_wq, &conn->work);
}

static bool keys_are_good(const struct rsm_wire_grant *wire)
{
	u32 first = le32_to_cpu(wire->first);
	u32 count = le32_to_cpu(wire->count);
	u32 total = le32_to_cpu(wire->total);

	return count <= RSM_WIRE_KEYS && count <= total &&
	       first <= total - count &&
	       !memchr_inv(&wire->keys[count], 0,
			   (RSM_WIRE_KEYS - count) * sizeof(*wire->keys));
}

/* What holds for each message of a grant */
static bool grant_is_good(const struct rsm_rdma_conn *conn,
			  const struct rsm_wire_grant *wire)
{
	const u32 flags = RSM_EXPORT_ALLOW_REBIND | RSM_EXPORT_DONTWAIT |
			  RSM_EXPORT_LOCK_OPS;
	u32 chunk = le32_to_cpu(wire->chunk);
	u64 length = le64_to_cpu(wire->length);
	u64 wanted = 0;

	if (!length || length > RSM_MAX_LENGTH || !PAGE_ALIGNED(length) ||
	    !chunk || !PAGE_ALIGNED(chunk) ||
	    le32_to_cpu(wire->flags) & ~flags)
		return false;
	if (conn->open.perm)
		wanted = DIV_ROUND_UP_ULL(length, chunk);
	if (wanted > KEYS_MAX)
		return false;
	return le32_to_cpu(wire->total) == wanted && keys_are_good(wire);
}

/* What holds for the first message of a grant */
static bool begins_grant(const struct rsm_rdma_conn *conn,
			 const struct rsm_wire_grant *wire)
{
	u32 epoch = le32_to_cpu(wire->epoch);

	if (wire->header.type == RSM_WIRE_GRANT)
		return epoch == 1 && !conn->grant &&
		       !test_bit(RSM_RDMA_OPENED, &conn->flags);
	/* Only this function's caller changes the grant. */
	return conn->grant && epoch == conn->grant->epoch + 1 &&
	       !READ_ONCE(conn->old_grant) &&
	       le64_to_cpu(wire->length) == conn->length &&
	       le32_to_cpu(wire->flags) == conn->seg_flags;
}

static struct rsm_rdma_grant *grant_alloc(const struct rsm_wire_grant *wire)
{
	u32 total = le32_to_cpu(wire->total);
	struct rsm_rdma_grant *grant;

	grant = kvzalloc(struct_size(grant, keys, total),
			 GFP_KERNEL | __GFP_NOWARN);
	if (!grant)
		return NULL;
	grant->nr = total;
	grant->epoch = le32_to_cpu(wire->epoch);
	grant->chunk = le32_to_cpu(wire->chunk);
	return grant;
}

static bool take_grant(struct rsm_rdma_conn *conn,
		       const struct rsm_wire_grant *wire)
{
	unsigned int count = le32_to_cpu(wire->count), i;
	struct rsm_rdma_grant *grant = conn->incoming;

	if (!grant_is_good(conn, wire))
		return false;
	if (!grant) {
		if (!begins_grant(conn, wire))
			return false;
		grant = grant_alloc(wire);
		if (!grant)
			return false;
		conn->incoming = grant;
	}
	if (le32_to_cpu(wire->epoch) != grant->epoch ||
	    le32_to_cpu(wire->total) != grant->nr ||
	    le32_to_cpu(wire->chunk) != grant->chunk ||
	    le32_to_cpu(wire->first) != grant->filled ||
	    (!count && grant->nr))
		return false;
	for (i = 0; i < count; i++)
		grant->keys[grant->filled++] = le32_to_cpu(wire->keys[i]);
	if (grant->filled < grant->nr)
		return true;
	conn->incoming = NULL;
	if (grant->epoch == 1)
		take_first(conn, grant, wire);
	else
		take_next(conn, grant);
	return true;
}

/* Other messages */

static bool take_deny(struct rsm_rdma_conn *conn,
		      const struct rsm_wire_deny *deny)
{
	u32 error = le32_to_cpu(deny->error);

	if (deny->reserved || !error || error > RSM_ERR_LOCK_NOT_HELD ||
	    test_bit(RSM_RDMA_OPENED, &conn->flags))
		return false;
	conn->error = error;
	/* Pairs with ask(), which looks at it then. */
	smp_mb__before_atomic();
	set_bit(RSM_RDMA_OPENED, &conn->flags);
	wake_up_all(&conn->wait);
	return true;
}

static bool take_signal(struct rsm_rdma_conn *conn,
			const struct rsm_wire_signal *signal)
{
	u32 once = le32_to_cpu(signal->once);

	if (once <= 1)
		rsm_link_signal(conn->seg, le32_to_cpu(signal->count), once);
	return once <= 1;
}

static bool take_result(struct rsm_rdma_conn *conn,
			const struct rsm_wire_result *result)
{
	u32 slot = le32_to_cpu(result->slot);
	u32 error = le32_to_cpu(result->error);
	struct rsm_rdma_atomic *atomic;
	bool good;

	if (slot >= RSM_WIRE_ATOMICS || error > RSM_ERR_LOCK_NOT_HELD)
		return false;
	atomic = &conn->atomics[slot];
	spin_lock_irq(&conn->lock);
	good = atomic->busy && atomic->error == NO_RESULT;
	if (good) {
		atomic->cmd.out_old = le64_to_cpu(result->old);
		atomic->error = error;
		if (atomic->abandoned)
			atomic->busy = false;
	}
	spin_unlock_irq(&conn->lock);
	wake_up_all(&conn->wait);
	return good;
}

/* Take a message of the exporter. False: it may not say that. */
bool rsm_rdma_link_message(struct rsm_rdma_conn *conn,
			   const union rsm_wire_message *message)
{
	switch (message->header.type) {
	case RSM_WIRE_GRANT:
	case RSM_WIRE_REBIND:
		return take_grant(conn, &message->grant);
	case RSM_WIRE_DENY:
		return take_deny(conn, &message->deny);
	case RSM_WIRE_SIGNAL:
		return take_signal(conn, &message->signal);
	case RSM_WIRE_RESULT:
		return take_result(conn, &message->result);
	}
	return false;
}

/* Making and ending a link */

static void link_work(struct work_struct *work)
{
	struct rsm_rdma_conn *conn = container_of(work, struct rsm_rdma_conn,
						  work);

	if (!test_bit(RSM_RDMA_MADE, &conn->flags))
		return;
	if (!rsm_rdma_is_lost(conn)) {
		finish_rebind(conn);
		return;
	}
	rsm_rdma_conn_down(conn);
	rsm_rdma_remove_conn(conn->ctl, conn);
	rsm_link_abort(conn->seg, test_bit(RSM_RDMA_SILENT, &conn->flags));
	complete_all(&conn->down);
}

/*
 * Have a connection taken down, and wait for that. No flush_work(): it does not
 * wait if somebody else is about to queue the work.
 */
static void take_down(struct rsm_rdma_conn *conn)
{
	rsm_rdma_conn_lose(conn);
	wait_for_completion(&conn->down);
}

static void link_disconnect(void *link)
{
	struct rsm_rdma_conn *conn = link;

	rsm_rdma_msg_flush(conn);
	take_down(conn);
	/* It may have been queued once more while it ran. */
	cancel_work_sync(&conn->work);
	kvfree(conn->incoming);
	kvfree(conn->grant);
	kvfree(conn->old_grant);
	rsm_rdma_conn_free(conn);
}

static void take_reply(struct rsm_rdma_conn *conn,
		       const struct rdma_conn_param *param)
{
	/* With other numbers it could have us wait for ever. */
	if (param->private_data_len < sizeof(conn->reply) ||
	    param->rnr_retry_count > RSM_RDMA_RNR_RETRIES ||
	    !param->initiator_depth) {
		rsm_rdma_conn_lose(conn);
		return;
	}
	memcpy(&conn->reply, param->private_data, sizeof(conn->reply));
	rsm_rdma_conn_start(conn);
}

static void take_reject(struct rsm_rdma_conn *conn,
			const struct rdma_conn_param *param)
{
	struct rsm_wire_reject data;

	if (param->private_data_len < sizeof(data))
		return;
	memcpy(&data, param->private_data, sizeof(data));
	if (le32_to_cpu(data.magic) == RSM_WIRE_MAGIC)
		conn->reject = le16_to_cpu(data.reason);
}

static int link_event(struct rdma_cm_id *id, struct rdma_cm_event *event)
{
	struct rsm_rdma_conn *conn = id->context;

	switch (event->event) {
	case RDMA_CM_EVENT_ADDR_RESOLVED:
	case RDMA_CM_EVENT_ROUTE_RESOLVED:
		WRITE_ONCE(conn->cm_event, event->event);
		wake_up_all(&conn->wait);
		break;
	case RDMA_CM_EVENT_ESTABLISHED:
		take_reply(conn, &event->param.conn);
		break;
	case RDMA_CM_EVENT_REJECTED:
		take_reject(conn, &event->param.conn);
		fallthrough;
	default:
		rsm_rdma_conn_lose(conn);
	}
	return 0;
}

/* Why a connection is lost that was never made */
static int lost_error(const struct rsm_rdma_conn *conn)
{
	if (conn->reject == RSM_WIRE_BUSY)
		return RSM_ERR_INSUFFICIENT_RESOURCES;
	return RSM_ERR_REMOTE_NODE_UNREACHABLE;
}

/*
 * Wait for something to happen to the connection, which may have been the last
 * that did: 0, -EINTR, or an error.
 */
#define wait_for(conn, condition, ms)                                          \
({                                                                             \
	long __left = wait_event_killable_timeout((conn)->wait, (condition) || \
						  rsm_rdma_is_lost(conn),      \
						  msecs_to_jiffies(ms));       \
	int __ret = 0;                                                         \
									       \
	if (__left < 0)                                                        \
		__ret = -EINTR;                                                \
	else if (!(condition))                                                 \
		__ret = lost_error(conn);                                      \
	__ret;                                                                 \
})

/* Find the device and the way. */
static int resolve(struct rsm_rdma_conn *conn, struct sockaddr_storage *to)
{
	struct sockaddr_storage from = conn->ctl->addr;

	/* Any port */
	if (from.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&from)->sin6_port = 0;
	else
		((struct sockaddr_in *)&from)->sin_port = 0;
	if (rdma_resolve_addr(conn->id, (struct sockaddr *)&from,
			      (struct sockaddr *)to, RSM_RDMA_STEP_MS))
		return RSM_ERR_REMOTE_NODE_UNREACHABLE;
	return wait_for(conn, READ_ONCE(conn->cm_event) ==
				      RDMA_CM_EVENT_ADDR_RESOLVED,
			RSM_RDMA_STEP_MS);
}

static int find_route(struct rsm_rdma_conn *conn)
{
	/* Of iWARP, reads want more than we give them. */
	if (!rdma_ib_or_roce(conn->id->device, conn->id->port_num))
		return RSM_ERR_REMOTE_NODE_UNREACHABLE;
	if (rdma_set_ack_timeout(conn->id, RSM_RDMA_ACK_TIMEOUT) ||
	    rdma_resolve_route(conn->id, RSM_RDMA_STEP_MS))
		return RSM_ERR_REMOTE_NODE_UNREACHABLE;
	return wait_for(conn, READ_ONCE(conn->cm_event) ==
				      RDMA_CM_EVENT_ROUTE_RESOLVED,
			RSM_RDMA_STEP_MS);
}

static int request(struct rsm_rdma_conn *conn)
{
	struct rsm_wire_request *request = &conn->request;
	struct rdma_conn_param param = {
		.private_data = request,
		.private_data_len = sizeof(*request),
	};

	request->magic = cpu_to_le32(RSM_WIRE_MAGIC);
	request->version = cpu_to_le16(RSM_WIRE_VERSION);
	request->from = cpu_to_le32(conn->ctl->ctl.local_node);
	request->to = cpu_to_le32(conn->node);
	get_random_bytes(request->nonce, sizeof(request->nonce));
	rsm_rdma_conn_param(conn, &param);
	if (rdma_connect(conn->id, &param))
		return RSM_ERR_REMOTE_NODE_UNREACHABLE;
	return wait_for(conn, test_bit(RSM_RDMA_ESTABLISHED, &conn->flags),
			RSM_RDMA_CONNECT_MS);
}

/* Who asks, as far as it fits in */
static void put_caller(struct rsm_wire_open *open)
{
	const struct group_info *groups = current_cred()->group_info;
	unsigned int nr = 1, i;

	open->uid = cpu_to_le32(from_kuid(&init_user_ns, current_euid()));
	open->gids[0] = cpu_to_le32(from_kgid(&init_user_ns, current_egid()));
	for (i = 0; i < groups->ngroups && nr < RSM_WIRE_GIDS; i++)
		open->gids[nr++] = cpu_to_le32(from_kgid(&init_user_ns,
							 groups->gid[i]));
	open->nr_gids = cpu_to_le32(nr);
}

/* See if it is the right one that answers, and ask it for the segment. */
static int ask(struct rsm_rdma_conn *conn)
{
	struct rsm_wire_open *open = &conn->open;
	int ret;

	if (le32_to_cpu(conn->reply.magic) != RSM_WIRE_MAGIC ||
	    le16_to_cpu(conn->reply.version) != RSM_WIRE_VERSION ||
	    conn->reply.reserved ||
	    !rsm_rdma_reply_is_good(conn->ctl, &conn->request, &conn->reply))
		return RSM_ERR_REMOTE_NODE_UNREACHABLE;
	put_caller(open);
	ret = rsm_rdma_sign_open(conn, open);
	if (ret)
		return ret;
	rsm_rdma_msg_send(conn, RSM_RDMA_SEND_OPEN);
	ret = wait_for(conn, test_bit(RSM_RDMA_OPENED, &conn->flags),
		       RSM_RDMA_OPEN_MS);
	return ret ?: conn->error;
}

static int establish(struct rsm_rdma_conn *conn,
		     const struct rsm_link_info *info)
{
	struct rsm_rdma_ctl *rctl = conn->ctl;
	struct sockaddr_storage to;
	struct rdma_cm_id *id;
	int ret;

	if (rsm_rdma_node_addr(rctl, info->node, &to))
		return RSM_ERR_CTLR_NOT_PRESENT;
	id = rdma_create_id(rctl->net, link_event, conn, RDMA_PS_TCP,
			    IB_QPT_RC);
	if (IS_ERR(id))
		return PTR_ERR(id);
	conn->id = id;
	conn->cm_event = NO_EVENT;
	/* Whenever something is granted, it is judged by that. */
	conn->open.id = cpu_to_le32(info->id);
	conn->open.perm = cpu_to_le32(info->perm);
	ret = resolve(conn, &to) ?: find_route(conn);
	if (ret)
		return ret;
	ret = rsm_rdma_conn_prepare(conn);
	if (ret)
		return ret == -ENOMEM ? ret : RSM_ERR_INSUFFICIENT_RESOURCES;
	return request(conn) ?: ask(conn);
}

/*
 * Why there is no link: what was said last may not have been looked at. Of a
 * rejection the queue pair knows first.
 */
static int last_word(struct rsm_rdma_conn *conn, int ret)
{
	take_down(conn);
	if (ret == RSM_ERR_REMOTE_NODE_UNREACHABLE)
		ret = lost_error(conn);
	if (ret > 0 && test_bit(RSM_RDMA_OPENED, &conn->flags) && conn->error)
		ret = conn->error;
	return ret;
}

static int link_connect(struct rsm_controller *ctl, struct rsm_link_info *info,
			struct rsm_segment *seg, void **link)
{
	struct rsm_rdma_ctl *rctl = to_rdma_ctl(ctl);
	struct rsm_rdma_conn *conn;
	int ret;

	conn = rsm_rdma_conn_alloc(rctl, info->node, true, link_work);
	if (!conn)
		return READ_ONCE(rctl->closed) ?
			       RSM_ERR_CTLR_NOT_PRESENT :
			       RSM_ERR_INSUFFICIENT_RESOURCES;
	conn->seg = seg;
	ret = establish(conn, info);
	rsm_rdma_conn_made(conn);
	if (ret) {
		ret = last_word(conn, ret);
		if (ret == RSM_ERR_REMOTE_NODE_UNREACHABLE)
			rsm_rdma_node_note(rctl, info->node, true);
		link_disconnect(conn);
		return ret;
	}
	info->length = conn->length;
	info->flags = conn->seg_flags;
	*link = conn;
	return 0;
}

/* Atomic operations */

static int get_slot(struct rsm_rdma_conn *conn,
		    const struct rsm_import_atomic *cmd)
{
	int slot;

	spin_lock_irq(&conn->lock);
	for (slot = 0; slot < RSM_WIRE_ATOMICS; slot++)
		if (!conn->atomics[slot].busy)
			break;
	if (slot < RSM_WIRE_ATOMICS)
		conn->atomics[slot] = (struct rsm_rdma_atomic){
			.cmd = *cmd,
			.asked = jiffies,
			.busy = true,
			.error = NO_RESULT,
		};
	spin_unlock_irq(&conn->lock);
	return slot < RSM_WIRE_ATOMICS ? slot : -1;
}

/* Take the result and give the slot back, now or when the result comes. */
static int put_slot(struct rsm_rdma_conn *conn, unsigned int slot,
		    struct rsm_import_atomic *cmd, int ret)
{
	struct rsm_rdma_atomic *atomic = &conn->atomics[slot];

	spin_lock_irq(&conn->lock);
	if (atomic->error != NO_RESULT) {
		ret = atomic->error;
		cmd->out_old = atomic->cmd.out_old;
		atomic->busy = false;
	} else {
		atomic->abandoned = true;
	}
	spin_unlock_irq(&conn->lock);
	wake_up(&conn->wait);
	return ret;
}

/**
 * rsm_rdma_link_is_overdue() - see if an atomic operation has had no answer
 * @conn: the connection
 *
 * Return: true if it is long ago that the exporter was asked, which fails then,
 * though it is there.
 */
bool rsm_rdma_link_is_overdue(struct rsm_rdma_conn *conn)
{
	const struct rsm_rdma_atomic *atomic;
	bool overdue = false;
	unsigned int slot;

	spin_lock_irq(&conn->lock);
	for (slot = 0; slot < RSM_WIRE_ATOMICS; slot++) {
		atomic = &conn->atomics[slot];
		overdue |= atomic->busy && atomic->error == NO_RESULT &&
			   time_after(jiffies, atomic->asked +
				      msecs_to_jiffies(RSM_RDMA_ANSWER_MS));
	}
	spin_unlock_irq(&conn->lock);
	return overdue;
}

/**
 * rsm_rdma_link_atomic() - have the exporter change a word
 * @link: the connection
 * @cmd: how
 *
 * Return: 0, -EINTR or an enum rsm_error.
 */
int rsm_rdma_link_atomic(void *link, struct rsm_import_atomic *cmd)
{
	struct rsm_rdma_conn *conn = link;
	struct rsm_rdma_atomic *atomic;
	int slot, ret;

	ret = wait_event_killable(conn->wait, rsm_rdma_is_lost(conn) ||
				  (slot = get_slot(conn, cmd)) >= 0);
	if (ret)
		return -EINTR;
	if (rsm_rdma_is_lost(conn))
		return RSM_ERR_CONN_ABORTED;
	atomic = &conn->atomics[slot];
	rsm_rdma_msg_send(conn, RSM_RDMA_SEND_ATOMIC + slot);
	ret = wait_event_killable(conn->wait, rsm_rdma_is_lost(conn) ||
				  READ_ONCE(atomic->error) != NO_RESULT);
	return put_slot(conn, slot, cmd, ret ? -EINTR : RSM_ERR_CONN_ABORTED);
}

static int link_post(void *link, bool accumulate)
{
	return rsm_rdma_msg_signal(link, accumulate);
}

const struct rsm_link_ops rsm_rdma_link_ops = {
	.connect = link_connect,
	.disconnect = link_disconnect,
	.copy = rsm_rdma_copy,
	.fence = rsm_rdma_fence,
	.post = link_post,
	.atomic = rsm_rdma_link_atomic,
};
