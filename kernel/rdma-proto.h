/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What nodes say to each other. A connection stands for one import:
 *
 *   importer                                     exporter
 *
 *   request: node, nonce ------- REQ ----------> is the node known, by that
 *                                                address? may it have one more?
 *   it ends here          <----- REJ ----------- if not: reject: reason
 *   does it know the key? <----- REP ----------- reply: nonce, proof
 *                         ------ RTU ---------->
 *   OPEN: segment, rights, user, proof --------> does it know the key? may the
 *                                                user have it?
 *   it ends here <------------------------------ if not: DENY: why
 *                                                register the pages
 *   <------------------------------------------- GRANT: length, keys of pages
 *
 *   RDMA WRITE, RDMA READ ---------------------> (the exporter's CPU sleeps)
 *   SIGNAL <-----------------------------------> SIGNAL
 *   CREDIT <-----------------------------------> CREDIT: there is room again,
 *                                                if no other message says so
 *   RDMA WRITE of 0 bytes <--------------------> the same, after some silence:
 *                                                is the other side there? its
 *                                                device answers
 *   ATOMIC ------------------------------------> done by the CPU, as the words
 *   <------------------------------------------- RESULT     may be mapped there
 *
 *   <------------------------------------------- REBIND: keys of the new pages
 *   from now on only these; and when nothing is
 *   under way to the old ones: ACK ------------> forget the old pages' keys
 *
 *   either side ends it: DREQ <----------------> or does not answer any more
 *
 * There is no message that takes rights away: the end is that of the
 * connection. The exporter disconnects, drains and destroys the queue pair, and
 * destroys the registrations; then no key is good for anything. It needs no
 * answer for that, so an importer that is stuck, or lies, keeps nothing and
 * holds nobody.
 *
 * All that a peer says is checked, and what it may not say ends the connection.
 * Who has not proved to know the key learns nothing, not even if a segment
 * exists. Keys of pages are for one connection: its protection domain has no
 * other pages.
 *
 * Each side has posted RSM_WIRE_RECEIVES buffers of RSM_WIRE_SIZE bytes when the
 * connection is established, and posts a buffer again when it has taken a
 * message from it. "received" in every message tells how many have been taken,
 * so that nobody sends more than the other has room for.
 *
 * All numbers are little-endian. What is reserved is zero.
 */
#ifndef _RSM_RDMA_PROTO_H
#define _RSM_RDMA_PROTO_H

#include <linux/build_bug.h>
#include <linux/types.h>

#define RSM_WIRE_MAGIC 0x724d5352	/* "RSMr" */
#define RSM_WIRE_VERSION 1

/* Port that exporters listen on, if not told otherwise */
#define RSM_WIRE_PORT 7760

#define RSM_WIRE_NONCE 16
/* HMAC-SHA256 */
#define RSM_WIRE_MAC 32

/**
 * struct rsm_wire_request - private data of REQ
 * @magic: RSM_WIRE_MAGIC
 * @version: RSM_WIRE_VERSION
 * @reserved: 0
 * @from: node id of the importer
 * @to: node id of the exporter
 * @nonce: random
 */
struct rsm_wire_request {
	__le32 magic;
	__le16 version;
	__le16 reserved;
	__le32 from;
	__le32 to;
	u8 nonce[RSM_WIRE_NONCE];
};

/* NOTE: max size 56 bytes, see man rdma_connect(3). */
static_assert(sizeof(struct rsm_wire_request) == 32);

/**
 * struct rsm_wire_reply - private data of REP
 * @magic: RSM_WIRE_MAGIC
 * @version: RSM_WIRE_VERSION
 * @reserved: 0
 * @nonce: random
 * @mac: HMAC of "reply", the request and what precedes it here; 0 without a key
 */
struct rsm_wire_reply {
	__le32 magic;
	__le16 version;
	__le16 reserved;
	u8 nonce[RSM_WIRE_NONCE];
	u8 mac[RSM_WIRE_MAC];
};

/* NOTE: max size 196 bytes, see man rdma_accept(3). */
static_assert(sizeof(struct rsm_wire_reply) == 56);

/**
 * enum rsm_wire_reason - why a request is rejected
 * @RSM_WIRE_BAD_REQUEST: it cannot be read, or is of another version
 * @RSM_WIRE_UNKNOWN_NODE: no such node, or not at that address
 * @RSM_WIRE_BUSY: too many connections
 */
enum rsm_wire_reason {
	RSM_WIRE_BAD_REQUEST = 1,
	RSM_WIRE_UNKNOWN_NODE = 2,
	RSM_WIRE_BUSY = 3,
};

/**
 * struct rsm_wire_reject - private data of REJ
 * @magic: RSM_WIRE_MAGIC
 * @version: RSM_WIRE_VERSION of who rejects
 * @reason: enum rsm_wire_reason
 */
struct rsm_wire_reject {
	__le32 magic;
	__le16 version;
	__le16 reason;
};

static_assert(sizeof(struct rsm_wire_reject) == 8);

/* Messages */

#define RSM_WIRE_RECEIVES 16
#define RSM_WIRE_SIZE 512

/* Buffers that are kept for messages without which no other could be sent */
#define RSM_WIRE_RESERVE 2

/**
 * enum rsm_wire_type - what a message is
 * @RSM_WIRE_OPEN: struct rsm_wire_open, to the exporter, the first
 * @RSM_WIRE_GRANT: struct rsm_wire_grant, to the importer, the first
 * @RSM_WIRE_DENY: struct rsm_wire_deny, to the importer, instead
 * @RSM_WIRE_REBIND: struct rsm_wire_grant, to the importer
 * @RSM_WIRE_ACK: struct rsm_wire_ack, to the exporter
 * @RSM_WIRE_SIGNAL: struct rsm_wire_signal
 * @RSM_WIRE_ATOMIC: struct rsm_wire_atomic, to the exporter
 * @RSM_WIRE_RESULT: struct rsm_wire_result, to the importer
 * @RSM_WIRE_CREDIT: nothing but a header
 */
enum rsm_wire_type {
	RSM_WIRE_OPEN = 1,
	RSM_WIRE_GRANT = 2,
	RSM_WIRE_DENY = 3,
	RSM_WIRE_REBIND = 4,
	RSM_WIRE_ACK = 5,
	RSM_WIRE_SIGNAL = 6,
	RSM_WIRE_ATOMIC = 7,
	RSM_WIRE_RESULT = 8,
	RSM_WIRE_CREDIT = 9,
};

/**
 * struct rsm_wire_header - how every message begins
 * @magic: RSM_WIRE_MAGIC
 * @version: RSM_WIRE_VERSION
 * @type: enum rsm_wire_type
 * @length: of the message in bytes, with the header
 * @received: messages of the other side that have been taken, modulo 2^32
 * @reserved: 0
 */
struct rsm_wire_header {
	__le32 magic;
	u8 version;
	u8 type;
	__le16 length;
	__le32 received;
	__le32 reserved;
};

static_assert(sizeof(struct rsm_wire_header) == 16);

#define RSM_WIRE_GIDS 64

/**
 * struct rsm_wire_open - what is wanted, and by whom
 * @header: of type RSM_WIRE_OPEN
 * @id: segment id
 * @perm: RSM_RIGHT_ bits
 * @uid: effective user id
 * @nr_gids: number of @gids, 1 to RSM_WIRE_GIDS; the first is the effective one
 * @gids: group ids, the rest is 0
 * @mac: HMAC of "open", request, reply, and what is between header and this;
 *       0 without a key
 */
struct rsm_wire_open {
	struct rsm_wire_header header;
	__le32 id;
	__le32 perm;
	__le32 uid;
	__le32 nr_gids;
	__le32 gids[RSM_WIRE_GIDS];
	u8 mac[RSM_WIRE_MAC];
};

static_assert(sizeof(struct rsm_wire_open) == 320);

#define RSM_WIRE_KEYS 96

/**
 * struct rsm_wire_grant - how to reach the segment's pages, or some of them
 * @header: of type RSM_WIRE_GRANT or RSM_WIRE_REBIND
 * @length: of the segment in bytes
 * @flags: enum rsm_export_flags, and nothing else
 * @epoch: number of the pages: 1, 2, ...
 * @chunk: bytes that each key is for, but the last, which may be for less
 * @first: index of the first of @keys here
 * @count: number of @keys here
 * @total: number of keys in all: more messages follow, in order, up to it; 0
 *         if the importer has no right to read or write
 * @keys: remote keys, the rest is 0; addresses are offsets in the segment
 */
struct rsm_wire_grant {
	struct rsm_wire_header header;
	__le64 length;
	__le32 flags;
	__le32 epoch;
	__le32 chunk;
	__le32 first;
	__le32 count;
	__le32 total;
	__le32 keys[RSM_WIRE_KEYS];
};

static_assert(sizeof(struct rsm_wire_grant) == 432);

/**
 * struct rsm_wire_deny - no
 * @header: of type RSM_WIRE_DENY
 * @error: enum rsm_error
 * @reserved: 0
 */
struct rsm_wire_deny {
	struct rsm_wire_header header;
	__le32 error;
	__le32 reserved;
};

static_assert(sizeof(struct rsm_wire_deny) == 24);

/**
 * struct rsm_wire_ack - nothing uses the pages before any more
 * @header: of type RSM_WIRE_ACK
 * @epoch: number of the pages that are used
 * @reserved: 0
 */
struct rsm_wire_ack {
	struct rsm_wire_header header;
	__le32 epoch;
	__le32 reserved;
};

static_assert(sizeof(struct rsm_wire_ack) == 24);

/**
 * struct rsm_wire_signal - signals
 * @header: of type RSM_WIRE_SIGNAL
 * @count: how many
 * @once: 1: one before these, if none is pending
 */
struct rsm_wire_signal {
	struct rsm_wire_header header;
	__le32 count;
	__le32 once;
};

static_assert(sizeof(struct rsm_wire_signal) == 24);

/* Atomic operations under way on a connection */
#define RSM_WIRE_ATOMICS 4

/* Beside enum rsm_atomic_op: nothing, but that all writes before are seen */
#define RSM_WIRE_NOTHING 0xffffffff

/**
 * struct rsm_wire_atomic - change a word of 64 bits
 * @header: of type RSM_WIRE_ATOMIC
 * @slot: below RSM_WIRE_ATOMICS; not used again before the result is there
 * @op: enum rsm_atomic_op, or RSM_WIRE_NOTHING
 * @offset: in the segment
 * @compare: for RSM_ATOMIC_CAS
 * @operand: see enum rsm_atomic_op
 */
struct rsm_wire_atomic {
	struct rsm_wire_header header;
	__le32 slot;
	__le32 op;
	__le64 offset;
	__le64 compare;
	__le64 operand;
};

static_assert(sizeof(struct rsm_wire_atomic) == 48);

/**
 * struct rsm_wire_result - what has become of an atomic operation
 * @header: of type RSM_WIRE_RESULT
 * @slot: of the operation
 * @error: enum rsm_error
 * @old: the word as it was before
 */
struct rsm_wire_result {
	struct rsm_wire_header header;
	__le32 slot;
	__le32 error;
	__le64 old;
};

static_assert(sizeof(struct rsm_wire_result) == 32);

/**
 * union rsm_wire_message - any of them
 * @header: of all
 * @open: RSM_WIRE_OPEN
 * @grant: RSM_WIRE_GRANT, RSM_WIRE_REBIND
 * @deny: RSM_WIRE_DENY
 * @ack: RSM_WIRE_ACK
 * @signal: RSM_WIRE_SIGNAL
 * @atomic: RSM_WIRE_ATOMIC
 * @result: RSM_WIRE_RESULT
 * @size: room for all
 */
union rsm_wire_message {
	struct rsm_wire_header header;
	struct rsm_wire_open open;
	struct rsm_wire_grant grant;
	struct rsm_wire_deny deny;
	struct rsm_wire_ack ack;
	struct rsm_wire_signal signal;
	struct rsm_wire_atomic atomic;
	struct rsm_wire_result result;
	u8 size[RSM_WIRE_SIZE];
};

static_assert(sizeof(union rsm_wire_message) == RSM_WIRE_SIZE);

#endif /* _RSM_RDMA_PROTO_H */
