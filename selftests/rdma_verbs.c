// SPDX-License-Identifier: GPL-2.0-only
/*
 * One end of a connection by hand: libibverbs and librdmacm. The queue pair is
 * made without the latter's help where we connect, as that would answer REP by
 * itself.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "rdma_verbs.h"

/* Completions: of sends, and from here on of receives */
#define RECEIVE_ID 1000

static long now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* Events */

static bool is_end(int event)
{
	switch (event) {
	case RDMA_CM_EVENT_ADDR_ERROR:
	case RDMA_CM_EVENT_ROUTE_ERROR:
	case RDMA_CM_EVENT_CONNECT_ERROR:
	case RDMA_CM_EVENT_UNREACHABLE:
	case RDMA_CM_EVENT_REJECTED:
	case RDMA_CM_EVENT_DISCONNECTED:
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		return true;
	}
	return false;
}

static void keep_private(struct verbs *verbs,
			 const struct rdma_conn_param *param)
{
	verbs->private_length = param->private_data_len;
	if (param->private_data)
		memcpy(verbs->private, param->private_data,
		       param->private_data_len);
}

static void take_event(struct verbs *verbs)
{
	struct rdma_cm_id *other = NULL;
	struct rdma_cm_event *event;

	if (rdma_get_cm_event(verbs->channel, &event))
		return;
	if (event->event == RDMA_CM_EVENT_CONNECT_REQUEST) {
		if (verbs->id)
			other = event->id;
		else
			verbs->id = event->id;
	}
	if (!other) {
		verbs->event = event->event;
		verbs->lost |= is_end(event->event);
		keep_private(verbs, &event->param.conn);
	}
	rdma_ack_cm_event(event);
	/* One at a time */
	if (other)
		rdma_destroy_id(other);
}

static bool has_event(struct verbs *verbs)
{
	struct pollfd pollfd = {
		.fd = verbs->channel->fd,
		.events = POLLIN,
	};

	return poll(&pollfd, 1, 0) == 1;
}

/* Completions */

static int post_receive(struct verbs *verbs, unsigned int index)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)&verbs->memory->in[index],
		.length = RSM_WIRE_SIZE,
		.lkey = verbs->mr->lkey,
	};
	struct ibv_recv_wr wr = {
		.wr_id = RECEIVE_ID + index,
		.sg_list = &sge,
		.num_sge = 1,
	}, *bad;

	return ibv_post_recv(verbs->qp, &wr, &bad) ? -1 : 0;
}

static void take_completion(struct verbs *verbs, const struct ibv_wc *wc)
{
	unsigned int index = wc->wr_id - RECEIVE_ID;

	if (wc->wr_id < RECEIVE_ID) {
		verbs->done++;
		if (verbs->status == IBV_WC_SUCCESS)
			verbs->status = wc->status;
	} else if (wc->status == IBV_WC_SUCCESS) {
		verbs->lengths[index] = wc->byte_len;
		verbs->queue[verbs->head++ % VERBS_RECEIVES] = index;
	}
	/* Sends that fail and receives that are given back alike */
	if (wc->status != IBV_WC_SUCCESS)
		verbs->lost = true;
}

void verbs_look(struct verbs *verbs)
{
	struct ibv_wc wc;

	while (verbs->channel && has_event(verbs))
		take_event(verbs);
	while (verbs->cq && ibv_poll_cq(verbs->cq, 1, &wc) == 1)
		take_completion(verbs, &wc);
}

/* Look, and if there is nothing to see until @end wait a moment. */
static bool goes_on(struct verbs *verbs, long end)
{
	verbs_look(verbs);
	if (now_ms() > end)
		return false;
	usleep(500);
	return true;
}

int verbs_await(struct verbs *verbs, int event)
{
	long end = now_ms() + VERBS_MS;

	do {
		verbs_look(verbs);
		if (verbs->event == event || verbs->lost)
			return verbs->event;
	} while (goes_on(verbs, end));
	return -1;
}

long verbs_end(struct verbs *verbs)
{
	long begin = now_ms();

	do {
		verbs_look(verbs);
		if (verbs->lost)
			return now_ms() - begin;
	} while (goes_on(verbs, begin + VERBS_MS));
	return -1;
}

int verbs_await_done(struct verbs *verbs, unsigned int count)
{
	long end = now_ms() + VERBS_MS;

	do {
		verbs_look(verbs);
		if (verbs->done >= count)
			return verbs->status;
	} while (goes_on(verbs, end));
	return VERBS_NONE;
}

/* Making and ending */

int verbs_open(struct verbs *verbs)
{
	*verbs = (struct verbs){
		.param = {
			.responder_resources = 4,
			.initiator_depth = 4,
			.retry_count = 4,
			.rnr_retry_count = 6,
		},
		.event = -1,
	};
	verbs->memory = mmap(NULL, sizeof(*verbs->memory),
			     PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (verbs->memory == MAP_FAILED)
		return -1;
	verbs->channel = rdma_create_event_channel();
	return verbs->channel ? 0 : -1;
}

/* Post so many receives. */
int verbs_room(struct verbs *verbs, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (post_receive(verbs, i))
			return -1;
	return 0;
}

static int post_receives(struct verbs *verbs)
{
	return verbs_room(verbs, verbs->mute ? 0 : VERBS_RECEIVES);
}

static int create_objects(struct verbs *verbs)
{
	struct ibv_context *context = verbs->id->verbs;

	verbs->pd = ibv_alloc_pd(context);
	verbs->cq = ibv_create_cq(context, VERBS_SENDS + VERBS_RECEIVES, NULL,
				  NULL, 0);
	if (!verbs->pd || !verbs->cq)
		return -1;
	verbs->mr = ibv_reg_mr(verbs->pd, verbs->memory, sizeof(*verbs->memory),
			       IBV_ACCESS_LOCAL_WRITE);
	return verbs->mr ? 0 : -1;
}

static struct ibv_qp_init_attr qp_attr(const struct verbs *verbs)
{
	return (struct ibv_qp_init_attr){
		.send_cq = verbs->cq,
		.recv_cq = verbs->cq,
		.cap = {
			.max_send_wr = VERBS_SENDS,
			.max_recv_wr = VERBS_RECEIVES,
			.max_send_sge = 1,
			.max_recv_sge = 1,
		},
		.qp_type = IBV_QPT_RC,
		.sq_sig_all = 1,
	};
}

/* As RDMA CM wants it to be in this state */
static int move(struct verbs *verbs, enum ibv_qp_state state)
{
	struct ibv_qp_attr attr = { .qp_state = state };
	int mask;

	if (rdma_init_qp_attr(verbs->id, &attr, &mask))
		return -1;
	return ibv_modify_qp(verbs->qp, &attr, mask) ? -1 : 0;
}

static int create_qp(struct verbs *verbs)
{
	struct ibv_qp_init_attr attr;

	if (create_objects(verbs))
		return -1;
	attr = qp_attr(verbs);
	verbs->qp = ibv_create_qp(verbs->pd, &attr);
	if (!verbs->qp || move(verbs, IBV_QPS_INIT))
		return -1;
	return post_receives(verbs);
}

static void close_objects(struct verbs *verbs)
{
	if (verbs->id && verbs->id->qp)
		rdma_destroy_qp(verbs->id);
	else if (verbs->qp)
		ibv_destroy_qp(verbs->qp);
	if (verbs->open_mr)
		ibv_dereg_mr(verbs->open_mr);
	if (verbs->mr)
		ibv_dereg_mr(verbs->mr);
	if (verbs->cq)
		ibv_destroy_cq(verbs->cq);
	if (verbs->pd)
		ibv_dealloc_pd(verbs->pd);
}

/* Without a word to the other side, but what the kernel says for us */
void verbs_close(struct verbs *verbs)
{
	close_objects(verbs);
	if (verbs->id)
		rdma_destroy_id(verbs->id);
	if (verbs->listener)
		rdma_destroy_id(verbs->listener);
	if (verbs->channel)
		rdma_destroy_event_channel(verbs->channel);
	if (verbs->memory && verbs->memory != MAP_FAILED)
		munmap(verbs->memory, sizeof(*verbs->memory));
	*verbs = (struct verbs){ .event = -1 };
}

/* Connecting */

static struct sockaddr_in address_of(const char *text, int port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
	};

	inet_pton(AF_INET, text, &addr.sin_addr);
	return addr;
}

int verbs_resolve(struct verbs *verbs, const char *from, const char *to,
		  int port)
{
	struct sockaddr_in source = address_of(from, 0);
	struct sockaddr_in target = address_of(to, port);

	if (rdma_create_id(verbs->channel, &verbs->id, verbs, RDMA_PS_TCP) ||
	    rdma_resolve_addr(verbs->id, (struct sockaddr *)&source,
			      (struct sockaddr *)&target, VERBS_MS) ||
	    verbs_await(verbs, RDMA_CM_EVENT_ADDR_RESOLVED) !=
		    RDMA_CM_EVENT_ADDR_RESOLVED ||
	    rdma_resolve_route(verbs->id, VERBS_MS) ||
	    verbs_await(verbs, RDMA_CM_EVENT_ROUTE_RESOLVED) !=
		    RDMA_CM_EVENT_ROUTE_RESOLVED)
		return -1;
	return create_qp(verbs);
}

/* Returns the event that answers it. */
int verbs_request(struct verbs *verbs, const void *data, size_t length)
{
	verbs->param.private_data = data;
	verbs->param.private_data_len = length;
	verbs->param.qp_num = verbs->qp->qp_num;
	if (rdma_connect(verbs->id, &verbs->param))
		return -1;
	return verbs_await(verbs, RDMA_CM_EVENT_CONNECT_RESPONSE);
}

/*
 * Get ready, and @tell: RTU. What others may do at all is known only since REP
 * came.
 */
int verbs_establish(struct verbs *verbs, bool tell)
{
	if (move(verbs, IBV_QPS_INIT) || move(verbs, IBV_QPS_RTR) || move(verbs, IBV_QPS_RTS))
		return -1;
	return tell ? rdma_establish(verbs->id) : 0;
}

int verbs_listen(struct verbs *verbs, const char *address, int port)
{
	struct sockaddr_in addr = address_of(address, port);

	if (rdma_create_id(verbs->channel, &verbs->listener, verbs,
			   RDMA_PS_TCP) ||
	    rdma_bind_addr(verbs->listener, (struct sockaddr *)&addr))
		return -1;
	return rdma_listen(verbs->listener, 8);
}

int verbs_await_request(struct verbs *verbs)
{
	struct ibv_qp_init_attr attr;

	if (verbs_await(verbs, RDMA_CM_EVENT_CONNECT_REQUEST) !=
	    RDMA_CM_EVENT_CONNECT_REQUEST)
		return -1;
	if (create_objects(verbs))
		return -1;
	attr = qp_attr(verbs);
	if (rdma_create_qp(verbs->id, verbs->pd, &attr))
		return -1;
	verbs->qp = verbs->id->qp;
	return post_receives(verbs);
}

int verbs_accept(struct verbs *verbs, const void *data, size_t length)
{
	verbs->param.private_data = data;
	verbs->param.private_data_len = length;
	return rdma_accept(verbs->id, &verbs->param);
}

/* Let the other side reach the data, as a segment of @length bytes. */
int verbs_let_in(struct verbs *verbs, size_t length)
{
	verbs->open_mr = ibv_reg_mr_iova(verbs->pd, verbs->memory->data,
					 length, 0, IBV_ACCESS_LOCAL_WRITE |
					 IBV_ACCESS_REMOTE_READ |
					 IBV_ACCESS_REMOTE_WRITE);
	return verbs->open_mr ? 0 : -1;
}

/* Messages */

size_t verbs_length(unsigned int type)
{
	static const size_t lengths[] = {
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

	return type < sizeof(lengths) / sizeof(*lengths) ? lengths[type] : 0;
}

union rsm_wire_message *verbs_message(struct verbs *verbs, unsigned int type)
{
	union rsm_wire_message *message = &verbs->memory->out;

	memset(verbs->memory->bytes, 0, sizeof(verbs->memory->bytes));
	message->header.magic = htole32(RSM_WIRE_MAGIC);
	message->header.version = RSM_WIRE_VERSION;
	message->header.type = type;
	message->header.length = htole16(verbs_length(type));
	message->header.received = htole32(verbs->taken);
	return message;
}

/* Post a work request with a part of the room for a message. */
int verbs_post(struct verbs *verbs, struct ibv_send_wr *wr, size_t offset,
	       size_t length)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)verbs->memory->bytes + offset,
		.length = length,
		.lkey = verbs->mr->lkey,
	};
	struct ibv_send_wr *bad;

	wr->sg_list = &sge;
	wr->num_sge = length ? 1 : 0;
	return ibv_post_send(verbs->qp, wr, &bad) ? -1 : 0;
}

/* Send the message: status, or VERBS_NONE */
int verbs_begin_send(struct verbs *verbs, size_t length)
{
	struct ibv_send_wr wr = { .opcode = IBV_WR_SEND };

	verbs->done = 0;
	verbs->status = IBV_WC_SUCCESS;
	return verbs_post(verbs, &wr, 0, length);
}

int verbs_send(struct verbs *verbs, size_t length)
{
	if (verbs_begin_send(verbs, length))
		return VERBS_NONE;
	return verbs_await_done(verbs, 1);
}

const union rsm_wire_message *verbs_receive(struct verbs *verbs, long ms)
{
	long end = now_ms() + ms;
	unsigned int index;

	do {
		verbs_look(verbs);
		if (verbs->taken != verbs->head)
			break;
		if (verbs->lost)
			return NULL;
	} while (goes_on(verbs, end));
	if (verbs->taken == verbs->head)
		return NULL;
	index = verbs->queue[verbs->taken++ % VERBS_RECEIVES];
	verbs->message = verbs->memory->in[index];
	verbs->length = verbs->lengths[index];
	if (!verbs->mute)
		post_receive(verbs, index);
	return &verbs->message;
}

int verbs_copy(struct verbs *verbs, enum ibv_wr_opcode opcode, __u32 key,
	       __u64 address, size_t length)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)verbs->memory->data,
		.length = length,
		.lkey = verbs->mr->lkey,
	};
	struct ibv_send_wr wr = {
		.opcode = opcode,
		.sg_list = &sge,
		.num_sge = 1,
		.wr.rdma = { .remote_addr = address, .rkey = key },
	}, *bad;

	verbs->done = 0;
	verbs->status = IBV_WC_SUCCESS;
	if (ibv_post_send(verbs->qp, &wr, &bad))
		return VERBS_NONE;
	return verbs_await_done(verbs, 1);
}
