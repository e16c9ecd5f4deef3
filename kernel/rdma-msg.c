// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages. There is no queue of what is to be sent: a bit for each kind tells
 * that there is something, and what it is, is looked at when it is sent. So
 * nothing needs memory, and a flood of signals becomes few messages.
 */
#include <linux/dma-mapping.h>
#include <linux/jiffies.h>
#include <linux/slab.h>

#include "rdma.h"

#define BUFFERS (RSM_RDMA_SENDS + RSM_WIRE_RECEIVES)

/*
 * Of so many signals one has a completion, which is that of those before it,
 * too: it costs as much as the signal.
 */
#define COMPLETION_EVERY (RSM_RDMA_SENDS / 2)

/* Messages are counted modulo 2^32. */
static_assert((1ULL << 32) % RSM_RDMA_SENDS == 0);

/* Length of each type of message in bytes, 0 if there is no such type */
static const u16 lengths[] = {
	[RSM_WIRE_OPEN] = sizeof(struct rsm_wire_open),
	[RSM_WIRE_GRANT] = sizeof(struct rsm_wire_grant),
	[RSM_WIRE_DENY] = sizeof(struct rsm_wire_deny),
	[RSM_WIRE_REBIND] = sizeof(struct rsm_wire_grant),
	[RSM_WIRE_ACK] = sizeof(struct rsm_wire_ack),
	[RSM_WIRE_SIGNAL] = sizeof(struct rsm_wire_signal),
	[RSM_WIRE_ATOMIC] = sizeof(struct rsm_wire_atomic),
	[RSM_WIRE_RESULT] = sizeof(struct rsm_wire_result),
	[RSM_WIRE_CREDIT] = sizeof(struct rsm_wire_header),
};

/* Sending */

static void put_open(struct rsm_rdma_conn *conn, union rsm_wire_message *msg)
{
	msg->open = conn->open;
	msg->header.type = RSM_WIRE_OPEN;
}

static void put_grant(struct rsm_rdma_conn *conn, union rsm_wire_message *msg)
{
	const struct rsm_rdma_reg *reg = conn->reg;
	unsigned int first = conn->grant_next, i;
	unsigned int count = min(reg->nr - first, RSM_WIRE_KEYS);

	msg->header.type = reg->epoch == 1 ? RSM_WIRE_GRANT : RSM_WIRE_REBIND;
	msg->grant.length = cpu_to_le64(rsm_peer_length(conn->peer));
	msg->grant.flags = cpu_to_le32(rsm_peer_flags(conn->peer));
	msg->grant.epoch = cpu_to_le32(reg->epoch);
	msg->grant.chunk = cpu_to_le32(rsm_rdma_chunk_size(conn));
	msg->grant.first = cpu_to_le32(first);
	msg->grant.count = cpu_to_le32(count);
	msg->grant.total = cpu_to_le32(reg->nr);
	for (i = 0; i < count; i++)
		msg->grant.keys[i] = cpu_to_le32(reg->chunks[first + i].mr->rkey);
	conn->grant_next = first + count;
	if (conn->grant_next < reg->nr)
		__set_bit(RSM_RDMA_SEND_GRANT, &conn->pending);
	else
		/* There may be other pages meanwhile. */
		queue_work(rsm_rdma_wq, &conn->work);
}

static void put_signal(struct rsm_rdma_conn *conn, union rsm_wire_message *msg)
{
	msg->header.type = RSM_WIRE_SIGNAL;
	msg->signal.count = cpu_to_le32(conn->signals);
	msg->signal.once = cpu_to_le32(conn->signal_once);
	conn->signals = 0;
	conn->signal_once = false;
}

static void put_atomic(struct rsm_rdma_conn *conn, union rsm_wire_message *msg,
		       unsigned int slot)
{
	const struct rsm_rdma_atomic *atomic = &conn->atomics[slot];

	if (!conn->importing) {
		msg->header.type = RSM_WIRE_RESULT;
		msg->result.slot = cpu_to_le32(slot);
		msg->result.error = cpu_to_le32(atomic->error);
		msg->result.old = cpu_to_le64(atomic->cmd.out_old);
		return;
	}
	msg->header.type = RSM_WIRE_ATOMIC;
	msg->atomic.slot = cpu_to_le32(slot);
	msg->atomic.op = cpu_to_le32(atomic->cmd.op);
	msg->atomic.offset = cpu_to_le64(atomic->cmd.offset);
	msg->atomic.compare = cpu_to_le64(atomic->cmd.compare);
	msg->atomic.operand = cpu_to_le64(atomic->cmd.operand);
}

static void put(struct rsm_rdma_conn *conn, union rsm_wire_message *msg,
		unsigned int what)
{
	switch (what) {
	case RSM_RDMA_SEND_OPEN:
		put_open(conn, msg);
		break;
	case RSM_RDMA_SEND_GRANT:
		put_grant(conn, msg);
		break;
	case RSM_RDMA_SEND_DENY:
		msg->header.type = RSM_WIRE_DENY;
		msg->deny.error = cpu_to_le32(conn->error);
		break;
	case RSM_RDMA_SEND_ACK:
		msg->header.type = RSM_WIRE_ACK;
		msg->ack.epoch = cpu_to_le32(conn->acked);
		break;
	case RSM_RDMA_SEND_SIGNAL:
		put_signal(conn, msg);
		break;
	case RSM_RDMA_SEND_CREDIT:
		msg->header.type = RSM_WIRE_CREDIT;
		break;
	default:
		put_atomic(conn, msg, what - RSM_RDMA_SEND_ATOMIC);
	}
}

static void put_header(struct rsm_rdma_conn *conn,
		       struct rsm_wire_header *header)
{
	header->magic = cpu_to_le32(RSM_WIRE_MAGIC);
	header->version = RSM_WIRE_VERSION;
	header->length = cpu_to_le16(lengths[header->type]);
	header->received = cpu_to_le32(conn->received);
	/* Any message tells of it. */
	conn->told = conn->received;
	__clear_bit(RSM_RDMA_SEND_CREDIT, &conn->pending);
}

/* Hand the first bytes of a buffer to the device. */
static struct ib_sge give(const struct rsm_rdma_buffer *buffer, u32 length)
{
	struct rsm_rdma_conn *conn = buffer->conn;

	ib_dma_sync_single_for_device(conn->id->device, buffer->dma, length,
				      DMA_BIDIRECTIONAL);
	return (struct ib_sge){
		.addr = buffer->dma,
		.length = length,
		.lkey = conn->pd->local_dma_lkey,
	};
}

static int post_send(struct rsm_rdma_conn *conn, struct rsm_rdma_buffer *buffer,
		     bool quiet)
{
	struct ib_sge sge =
		give(buffer, le16_to_cpu(buffer->message->header.length));
	struct ib_send_wr wr = {
		.wr_cqe = &buffer->cqe,
		.sg_list = &sge,
		.num_sge = 1,
		.opcode = IB_WR_SEND,
		.send_flags = quiet ? 0 : IB_SEND_SIGNALED,
	};

	return ib_post_send(conn->id->qp, &wr, NULL);
}

/* What is to be sent and may be, or -1. */
static int next_to_send(const struct rsm_rdma_conn *conn)
{
	u32 under_way = conn->sent - conn->taken;

	lockdep_assert_held(&conn->lock);
	if (!conn->pending || conn->sent - conn->done >= RSM_RDMA_SENDS ||
	    rsm_rdma_is_lost(conn) ||
	    !test_bit(RSM_RDMA_ESTABLISHED, &conn->flags))
		return -1;
	if (under_way < RSM_WIRE_RECEIVES - RSM_WIRE_RESERVE)
		return __ffs(conn->pending);
	if (under_way < RSM_WIRE_RECEIVES &&
	    test_bit(RSM_RDMA_SEND_CREDIT, &conn->pending))
		return RSM_RDMA_SEND_CREDIT;
	return -1;
}

static bool needs_completion(const struct rsm_rdma_conn *conn, int what)
{
	return what != RSM_RDMA_SEND_SIGNAL || conn->flushing ||
	       (conn->sent + 1) % COMPLETION_EVERY == 0;
}

static void send_all(struct rsm_rdma_conn *conn)
{
	struct rsm_rdma_buffer *buffer;
	int what;

	lockdep_assert_held(&conn->lock);
	while ((what = next_to_send(conn)) >= 0) {
		buffer = &conn->buffers[conn->sent % RSM_RDMA_SENDS];
		__clear_bit(what, &conn->pending);
		memset(buffer->message, 0, sizeof(*buffer->message));
		put(conn, buffer->message, what);
		put_header(conn, &buffer->message->header);
		conn->quiet = !needs_completion(conn, what);
		if (post_send(conn, buffer, conn->quiet)) {
			rsm_rdma_conn_lose(conn);
			return;
		}
		conn->sent++;
	}
}

/* It has arrived, and those before it. */
static void send_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct rsm_rdma_buffer *buffer;
	struct rsm_rdma_conn *conn;
	unsigned long flags;
	u32 slot;

	buffer = container_of(wc->wr_cqe, struct rsm_rdma_buffer, cqe);
	conn = buffer->conn;
	if (wc->status != IB_WC_SUCCESS) {
		rsm_rdma_conn_fail(conn, wc->status);
		return;
	}
	WRITE_ONCE(conn->alive, jiffies);
	slot = buffer - conn->buffers;
	spin_lock_irqsave(&conn->lock, flags);
	conn->done += (slot - conn->done) % RSM_RDMA_SENDS + 1;
	send_all(conn);
	spin_unlock_irqrestore(&conn->lock, flags);
	wake_up(&conn->wait);
}

/**
 * rsm_rdma_msg_arrived() - messages have arrived, as something later has
 * @conn: the connection
 * @sent: what its @sent was then
 */
void rsm_rdma_msg_arrived(struct rsm_rdma_conn *conn, u32 sent)
{
	unsigned long flags;

	spin_lock_irqsave(&conn->lock, flags);
	if ((s32)(sent - conn->done) > 0)
		conn->done = sent;
	send_all(conn);
	spin_unlock_irqrestore(&conn->lock, flags);
}

/* The other side has taken them, or its device says that they have arrived. */
static bool all_arrived(const struct rsm_rdma_conn *conn)
{
	lockdep_assert_held(&conn->lock);
	return conn->done == conn->sent || conn->taken == conn->sent;
}

static bool all_sent(struct rsm_rdma_conn *conn)
{
	bool all;

	spin_lock_irq(&conn->lock);
	all = !conn->pending && all_arrived(conn);
	spin_unlock_irq(&conn->lock);
	return all;
}

/* From now on each message has a completion, and also the last one before. */
static void begin_flush(struct rsm_rdma_conn *conn)
{
	spin_lock_irq(&conn->lock);
	conn->flushing = true;
	if (conn->quiet && !all_arrived(conn))
		__set_bit(RSM_RDMA_SEND_CREDIT, &conn->pending);
	send_all(conn);
	spin_unlock_irq(&conn->lock);
}

/**
 * rsm_rdma_msg_flush() - wait until what was said has arrived
 * @conn: the connection, which is about to be closed
 *
 * So that a signal can be the last thing that somebody does. Who does not
 * answer is not waited for.
 */
void rsm_rdma_msg_flush(struct rsm_rdma_conn *conn)
{
	if (!test_bit(RSM_RDMA_ESTABLISHED, &conn->flags))
		return;
	begin_flush(conn);
	wait_event_timeout(conn->wait, rsm_rdma_is_lost(conn) || all_sent(conn),
			   msecs_to_jiffies(RSM_RDMA_FLUSH_MS));
}

/**
 * rsm_rdma_msg_send() - send a message, as soon as there is room for it
 * @conn: the connection
 * @what: of enum rsm_rdma_pending
 */
void rsm_rdma_msg_send(struct rsm_rdma_conn *conn, unsigned int what)
{
	unsigned long flags;

	spin_lock_irqsave(&conn->lock, flags);
	__set_bit(what, &conn->pending);
	send_all(conn);
	spin_unlock_irqrestore(&conn->lock, flags);
}

/* Send what has waited for the connection to be established. */
void rsm_rdma_msg_start(struct rsm_rdma_conn *conn)
{
	unsigned long flags;

	spin_lock_irqsave(&conn->lock, flags);
	set_bit(RSM_RDMA_ESTABLISHED, &conn->flags);
	send_all(conn);
	spin_unlock_irqrestore(&conn->lock, flags);
}

/**
 * rsm_rdma_msg_signal() - send a signal
 * @conn: the connection
 * @accumulate: also if one is pending
 *
 * Return: 0 or RSM_ERR_CONN_ABORTED.
 */
int rsm_rdma_msg_signal(struct rsm_rdma_conn *conn, bool accumulate)
{
	unsigned long flags;

	if (rsm_rdma_is_lost(conn))
		return RSM_ERR_CONN_ABORTED;
	spin_lock_irqsave(&conn->lock, flags);
	/* One that is to come first would be pending when this one arrives. */
	if (!accumulate)
		conn->signal_once |= !conn->signals;
	else if (conn->signals < U32_MAX)
		conn->signals++;
	__set_bit(RSM_RDMA_SEND_SIGNAL, &conn->pending);
	send_all(conn);
	spin_unlock_irqrestore(&conn->lock, flags);
	return 0;
}

/* Receiving */

static bool header_is_good(const struct rsm_wire_header *header, u32 length)
{
	return length >= sizeof(*header) &&
	       le32_to_cpu(header->magic) == RSM_WIRE_MAGIC &&
	       header->version == RSM_WIRE_VERSION &&
	       header->type < ARRAY_SIZE(lengths) &&
	       lengths[header->type] == length &&
	       le16_to_cpu(header->length) == length && !header->reserved;
}

/* What the other side has taken are messages that it was sent. */
static bool take_credit(struct rsm_rdma_conn *conn,
			const struct rsm_wire_header *header)
{
	u32 taken = le32_to_cpu(header->received);
	unsigned long flags;
	bool good;

	spin_lock_irqsave(&conn->lock, flags);
	good = taken - conn->taken <= conn->sent - conn->taken;
	if (good)
		conn->taken = taken;
	spin_unlock_irqrestore(&conn->lock, flags);
	return good;
}

static bool take(struct rsm_rdma_conn *conn,
		 const union rsm_wire_message *message, u32 length)
{
	if (!header_is_good(&message->header, length) ||
	    !take_credit(conn, &message->header))
		return false;
	if (message->header.type == RSM_WIRE_CREDIT)
		return true;
	return conn->importing ? rsm_rdma_link_message(conn, message) :
				 rsm_rdma_peer_message(conn, message);
}

static int post_receive(struct rsm_rdma_conn *conn,
			struct rsm_rdma_buffer *buffer)
{
	struct ib_sge sge = give(buffer, sizeof(*buffer->message));
	const struct ib_recv_wr wr = {
		.wr_cqe = &buffer->cqe,
		.sg_list = &sge,
		.num_sge = 1,
	};

	return ib_post_recv(conn->id->qp, &wr, NULL);
}

static void receive_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct rsm_rdma_buffer *buffer;
	struct rsm_rdma_conn *conn;
	unsigned long flags;

	buffer = container_of(wc->wr_cqe, struct rsm_rdma_buffer, cqe);
	conn = buffer->conn;
	/* What comes with more is no message: it may be there from before. */
	if (wc->status != IB_WC_SUCCESS || wc->opcode != IB_WC_RECV ||
	    wc->wc_flags & (IB_WC_WITH_IMM | IB_WC_WITH_INVALIDATE)) {
		rsm_rdma_conn_lose(conn);
		return;
	}
	WRITE_ONCE(conn->alive, jiffies);
	ib_dma_sync_single_for_cpu(conn->id->device, buffer->dma,
				   sizeof(*buffer->message), DMA_BIDIRECTIONAL);
	if (!take(conn, buffer->message, wc->byte_len) ||
	    post_receive(conn, buffer)) {
		rsm_rdma_conn_lose(conn);
		return;
	}
	spin_lock_irqsave(&conn->lock, flags);
	/* There is room for another one again. */
	conn->received++;
	if (conn->received - conn->told >= RSM_WIRE_RECEIVES / 2)
		__set_bit(RSM_RDMA_SEND_CREDIT, &conn->pending);
	send_all(conn);
	spin_unlock_irqrestore(&conn->lock, flags);
}

/* Making and freeing */

/**
 * rsm_rdma_msg_init() - make room for messages
 * @conn: the connection, with a queue pair
 *
 * Return: 0 or -errno; rsm_rdma_msg_destroy() in any case.
 */
int rsm_rdma_msg_init(struct rsm_rdma_conn *conn)
{
	unsigned int i;

	conn->memory = kcalloc(BUFFERS, sizeof(*conn->memory),
			       GFP_KERNEL_ACCOUNT);
	if (!conn->memory)
		return -ENOMEM;
	conn->memory_dma = ib_dma_map_single(conn->id->device, conn->memory,
					     BUFFERS * sizeof(*conn->memory),
					     DMA_BIDIRECTIONAL);
	if (ib_dma_mapping_error(conn->id->device, conn->memory_dma)) {
		kfree(conn->memory);
		conn->memory = NULL;
		return -ENOMEM;
	}
	for (i = 0; i < BUFFERS; i++)
		conn->buffers[i] = (struct rsm_rdma_buffer){
			.cqe.done = i < RSM_RDMA_SENDS ? send_done :
							 receive_done,
			.conn = conn,
			.message = &conn->memory[i],
			.dma = conn->memory_dma + i * sizeof(*conn->memory),
		};
	return 0;
}

/* Be ready for all that the other side may send. */
int rsm_rdma_msg_receive(struct rsm_rdma_conn *conn)
{
	unsigned int i;
	int ret = 0;

	for (i = RSM_RDMA_SENDS; i < BUFFERS && !ret; i++)
		ret = post_receive(conn, &conn->buffers[i]);
	return ret;
}

void rsm_rdma_msg_destroy(struct rsm_rdma_conn *conn)
{
	if (!conn->memory)
		return;
	ib_dma_unmap_single(conn->id->device, conn->memory_dma,
			    BUFFERS * sizeof(*conn->memory), DMA_BIDIRECTIONAL);
	kfree(conn->memory);
	conn->memory = NULL;
}
