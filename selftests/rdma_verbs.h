/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One end of a connection as rsm_rdma.ko makes them, by hand: whoever has it
 * can say what the driver never would. For rdma_hostile.c.
 */
#ifndef RDMA_VERBS_H
#define RDMA_VERBS_H

#include <assert.h>
#include <infiniband/verbs.h>
#include <linux/types.h>
#include <rdma/rdma_cma.h>
#include <stdbool.h>
#include <stddef.h>

/* A name of the kernel's, where the header is from */
typedef __u8 u8;

#include "../kernel/rdma-proto.h"

/* Until something that has to come comes: machines may be slow. */
#define VERBS_MS 20000

/* No such status of a work request: it has not come, or was not posted */
#define VERBS_NONE (-1)

#define VERBS_SENDS 64
#define VERBS_RECEIVES RSM_WIRE_RECEIVES
#define VERBS_LONG (2 * RSM_WIRE_SIZE)
#define VERBS_DATA 65536
/* Private data of what RDMA CM sends, of which none has more */
#define VERBS_PRIVATE 256

/**
 * struct verbs_memory - what the device reads and writes
 * @out: a message to be sent
 * @in: messages received
 * @data: what RDMA READ reads into and RDMA WRITE writes, or what others may
 */
struct verbs_memory {
	union {
		union rsm_wire_message out;
		char bytes[VERBS_LONG];
	};
	union rsm_wire_message in[VERBS_RECEIVES];
	char data[VERBS_DATA] __attribute__((aligned(4096)));
};

/**
 * struct verbs - a connection, or what listens for one
 * @param: what RDMA CM is told of it
 * @mute: post no receive any more
 * @channel: RDMA CM's events
 * @listener: listens, or NULL
 * @id: RDMA CM's
 * @pd: protection domain
 * @cq: completions
 * @qp: queue pair
 * @mr: @memory, for ourselves
 * @open_mr: data of @memory, for the other side, or NULL
 * @memory: what the device reads and writes
 * @event: last event of RDMA CM
 * @private: private data that came with it
 * @private_length: its length
 * @done: sends that have completed
 * @status: first status of these that was bad, or IBV_WC_SUCCESS
 * @message: the message that verbs_receive() returned
 * @length: its length
 * @queue: indices of messages received, modulo VERBS_RECEIVES
 * @lengths: of these, by index
 * @head: number of those that came
 * @taken: number of those that verbs_receive() returned
 * @lost: the connection has ended
 */
struct verbs {
	struct rdma_conn_param param;
	bool mute;
	struct rdma_event_channel *channel;
	struct rdma_cm_id *listener;
	struct rdma_cm_id *id;
	struct ibv_pd *pd;
	struct ibv_cq *cq;
	struct ibv_qp *qp;
	struct ibv_mr *mr;
	struct ibv_mr *open_mr;
	struct verbs_memory *memory;
	int event;
	__u8 private[VERBS_PRIVATE];
	unsigned int private_length;
	unsigned int done;
	int status;
	union rsm_wire_message message;
	__u32 length;
	unsigned int queue[VERBS_RECEIVES];
	__u32 lengths[VERBS_RECEIVES];
	__u32 head;
	__u32 taken;
	bool lost;
};

/* All return 0, or -1 unless something else is said. */
int verbs_open(struct verbs *verbs);
void verbs_close(struct verbs *verbs);

/* As an importer: from one address to another, then REQ, REP, RTU. */
int verbs_resolve(struct verbs *verbs, const char *from, const char *to,
		  int port);
int verbs_request(struct verbs *verbs, const void *data, size_t length);
int verbs_establish(struct verbs *verbs, bool tell);

/* As an exporter */
int verbs_listen(struct verbs *verbs, const char *address, int port);
int verbs_await_request(struct verbs *verbs);
int verbs_accept(struct verbs *verbs, const void *data, size_t length);
int verbs_let_in(struct verbs *verbs, size_t length);

int verbs_room(struct verbs *verbs, unsigned int count);

/* Wait for an event: that one, or the last one if another came, or -1. */
int verbs_await(struct verbs *verbs, int event);
/* How many milliseconds it takes until the connection has ended, or -1 */
long verbs_end(struct verbs *verbs);
/* Look at what has come. */
void verbs_look(struct verbs *verbs);

/*
 * Messages: a new one; send it, as it is, and wait for the answer of the device or
 * not; wait for one, or NULL.
 */
union rsm_wire_message *verbs_message(struct verbs *verbs, unsigned int type);
size_t verbs_length(unsigned int type);
int verbs_post(struct verbs *verbs, struct ibv_send_wr *wr, size_t offset,
	       size_t length);
int verbs_send(struct verbs *verbs, size_t length);
int verbs_begin_send(struct verbs *verbs, size_t length);
const union rsm_wire_message *verbs_receive(struct verbs *verbs, long ms);

/* RDMA READ into, or RDMA WRITE from, the data: status, or VERBS_NONE */
int verbs_copy(struct verbs *verbs, enum ibv_wr_opcode opcode, __u32 key,
	       __u64 address, size_t length);
/* Wait for what was posted: status, or VERBS_NONE. */
int verbs_await_done(struct verbs *verbs, unsigned int count);

#endif /* RDMA_VERBS_H */
