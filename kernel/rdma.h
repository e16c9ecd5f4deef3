/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Objects of rsm_rdma.ko and who locks what.
 *
 * Lock order, outermost first:
 *
 *   configfs' own
 *   rsm_rdma_ctl.mutex       configuration, nodes, listener
 *   rsm_segment.lock         when the core tells of something
 *   rsm_rdma_ctl.lock        list of connections
 *   rsm_rdma_conn.lock       messages and grants
 *
 * A connection is used by its work alone where nothing else is said: one
 * instance of it runs at a time. Its end comes in two steps: whoever notices
 * that it is lost calls rsm_rdma_conn_lose(), in any context; the work then
 * takes it down, which waits for nobody but the device.
 */
#ifndef _RSM_RDMA_H
#define _RSM_RDMA_H

#include <crypto/hash.h>
#include <linux/configfs.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rsm_provider.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/socket.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <rdma/ib_verbs.h>
#include <rdma/rdma_cm.h>

#include "rdma-proto.h"

struct rsm_rdma_conn;

#define RSM_RDMA_KEY_MAX 128

/*
 * Bytes of a copy that may be under way. The least is what every network takes:
 * of more, those that do not hold back their senders lose some, and then a copy
 * takes ten times as long, or the connection is lost.
 */
#define RSM_RDMA_WINDOW_MIN SZ_64K
#define RSM_RDMA_WINDOW_MAX SZ_1M

/* How long a node is held to be unreachable */
#define RSM_RDMA_UNREACHABLE_MS 10000

/* For the making of a connection, and of each of its steps */
#define RSM_RDMA_CONNECT_MS 5000
#define RSM_RDMA_STEP_MS 2000
#define RSM_RDMA_OPEN_MS 10000
/* For the answer to an atomic operation */
#define RSM_RDMA_ANSWER_MS 10000
/* And for the last messages of a connection */
#define RSM_RDMA_FLUSH_MS 500

/*
 * An answer may take 4.096 us * 2^16 (times up to 4), and is asked for four
 * times again: it takes 1.5 s until a node that is gone is given up. Seven
 * times, and the timeout 0, would be for ever on some devices.
 */
#define RSM_RDMA_ACK_TIMEOUT 16
#define RSM_RDMA_RETRIES 4
#define RSM_RDMA_RNR_RETRIES 6

/* rdma-config.c */

/**
 * struct rsm_rdma_node - a node that a controller knows
 * @item: its directory in configfs
 * @ctl: the controller
 * @id: node id
 * @addr: where it listens; ss_family is 0 until it is set
 * @lost: the last connection was lost, or did not come about
 * @lost_at: jiffies then: after a while it is worth another try
 */
struct rsm_rdma_node {
	struct config_item item;
	struct rsm_rdma_ctl *ctl;
	u32 id;
	struct sockaddr_storage addr;
	bool lost;
	unsigned long lost_at;
};

/**
 * struct rsm_rdma_ctl - a controller: an address of this machine
 * @ref: held by configfs, and by the core
 * @group: its directory in configfs
 * @nodes_group: that of its nodes
 * @ctl: what the core knows of it, once it is enabled
 * @name: its name
 * @addr: where it listens; ss_family is 0 until it is set
 * @key: shared secret
 * @key_length: bytes of it, 0 if there is none
 * @hmac: keyed with it, or NULL
 * @trusted: peers need not know a key
 * @keepalive_ms: after so long without a sign of life one is asked for
 * @rebind_timeout_ms: an importer has so long to let go of the old pages
 * @max_connections: from importers on other nodes, and from those here
 * @copy_window: bytes of a copy that may be under way
 * @enabled: cannot be undone but by removing it
 * @net: network namespace in which it was enabled
 * @ipc_ns: IPC namespace in which it was enabled, where ids are looked up
 * @listener: listens, or NULL
 * @listener_lost: it is of no use any more
 * @listen_work: tries to, again and again
 * @wait: for the end of all connections
 */
struct rsm_rdma_ctl {
	struct kref ref;
	struct config_group group;
	struct config_group nodes_group;
	struct rsm_controller ctl;
	char name[RSM_CONTROLLER_NAME_MAX];
	struct sockaddr_storage addr;
	u8 key[RSM_RDMA_KEY_MAX];
	unsigned int key_length;
	struct crypto_shash *hmac;
	bool trusted;
	unsigned int keepalive_ms;
	unsigned int rebind_timeout_ms;
	unsigned int max_connections;
	unsigned int copy_window;
	bool enabled;
	struct net *net;
	struct ipc_namespace *ipc_ns;
	struct rdma_cm_id *listener;
	bool listener_lost;
	struct delayed_work listen_work;
	wait_queue_head_t wait;

	/** @mutex: protects the configuration, @nodes and @listener */
	struct mutex mutex;
	/** @nodes: struct rsm_rdma_node by id */
	struct xarray nodes;

	/** @lock: protects what follows */
	spinlock_t lock;
	/** @conns: connections that have not been taken down */
	struct list_head conns;
	/** @nr_peers: those of importers on other nodes */
	unsigned int nr_peers;
	/** @nr_links: those of importers here */
	unsigned int nr_links;
	/** @closed: no more of them */
	bool closed;
};

static inline struct rsm_rdma_ctl *to_rdma_ctl(const struct rsm_controller *ctl)
{
	return container_of(ctl, struct rsm_rdma_ctl, ctl);
}

int rsm_rdma_config_init(void);
void rsm_rdma_config_exit(void);
int rsm_rdma_node_addr(struct rsm_rdma_ctl *rctl, u32 id,
		       struct sockaddr_storage *addr);
u32 rsm_rdma_node_state(const struct rsm_rdma_node *node);
void rsm_rdma_node_note(struct rsm_rdma_ctl *rctl, u32 id, bool lost);
bool rsm_rdma_same_host(const struct sockaddr_storage *one,
			const struct sockaddr_storage *other);

/* rdma-main.c */
extern struct workqueue_struct *rsm_rdma_wq;

struct rsm_rdma_ctl *rsm_rdma_ctl_alloc(const char *name);
void rsm_rdma_ctl_put(struct rsm_rdma_ctl *rctl);
int rsm_rdma_ctl_enable(struct rsm_rdma_ctl *rctl);
void rsm_rdma_ctl_disable(struct rsm_rdma_ctl *rctl);
bool rsm_rdma_add_conn(struct rsm_rdma_ctl *rctl, struct rsm_rdma_conn *conn);
void rsm_rdma_remove_conn(struct rsm_rdma_ctl *rctl,
			  struct rsm_rdma_conn *conn);
unsigned int rsm_rdma_count_conns(struct rsm_rdma_ctl *rctl, u32 node);
void rsm_rdma_lose_conns(struct rsm_rdma_ctl *rctl, u32 node);

/* rdma-auth.c */
int rsm_rdma_auth_init(struct rsm_rdma_ctl *rctl);
int rsm_rdma_sign_reply(struct rsm_rdma_ctl *rctl,
			const struct rsm_wire_request *request,
			struct rsm_wire_reply *reply);
bool rsm_rdma_reply_is_good(struct rsm_rdma_ctl *rctl,
			    const struct rsm_wire_request *request,
			    const struct rsm_wire_reply *reply);
int rsm_rdma_sign_open(const struct rsm_rdma_conn *conn,
		       struct rsm_wire_open *open);
bool rsm_rdma_open_is_good(const struct rsm_rdma_conn *conn,
			   const struct rsm_wire_open *open);

/* rdma-xfer.c */

/* Copies under way at a time on a connection */
#define RSM_RDMA_XFERS 4
#define RSM_RDMA_XFER_SGES 16
#define RSM_RDMA_XFER_WRS (RSM_RDMA_WINDOW_MAX / PAGE_SIZE / RSM_RDMA_XFER_SGES)

/**
 * struct rsm_rdma_xfer - a copy under way, of up to some pages
 * @link: on the list of idle ones
 * @conn: the connection
 * @grant: whose keys are used
 * @last: completion of the last work request
 * @early: completion of the others, which comes when they fail
 * @done: @last has come
 * @status: with this
 * @bounce: page for what is too little to be worth pinning
 * @bounce_dma: its address for the device
 * @sgt: pages of the caller, for the device
 * @wrs: work requests
 * @sges: their pieces
 */
struct rsm_rdma_xfer {
	struct list_head link;
	struct rsm_rdma_conn *conn;
	struct rsm_rdma_grant *grant;
	struct ib_cqe last;
	struct ib_cqe early;
	struct completion done;
	enum ib_wc_status status;
	void *bounce;
	u64 bounce_dma;
	struct sg_table sgt;
	struct ib_rdma_wr wrs[RSM_RDMA_XFER_WRS];
	struct ib_sge sges[RSM_RDMA_XFER_WRS][RSM_RDMA_XFER_SGES];
};

int rsm_rdma_xfer_init(struct rsm_rdma_conn *conn);
void rsm_rdma_xfer_drain(struct rsm_rdma_conn *conn);
void rsm_rdma_xfer_destroy(struct rsm_rdma_conn *conn);
int rsm_rdma_copy(void *link, const struct rsm_copy_vec *vec, bool put);
int rsm_rdma_fence(void *link);

/* rdma-conn.c */

/* Work requests that are not for copies: messages, one other, and the drain */
#define RSM_RDMA_SENDS 8
#define RSM_RDMA_SEND_DEPTH (RSM_RDMA_XFERS * RSM_RDMA_XFER_WRS + \
			     RSM_RDMA_SENDS + 4)

/**
 * enum rsm_rdma_flag - bits of struct rsm_rdma_conn's @flags
 * @RSM_RDMA_MADE: whoever makes it is done, and leaves it to its work
 * @RSM_RDMA_ESTABLISHED: messages can be sent
 * @RSM_RDMA_LOST: it is to be taken down
 * @RSM_RDMA_OPENED: OPEN has come, or the answer to it
 * @RSM_RDMA_KEEPALIVE: one is under way
 * @RSM_RDMA_SILENT: the other side has not answered
 */
enum rsm_rdma_flag {
	RSM_RDMA_MADE,
	RSM_RDMA_ESTABLISHED,
	RSM_RDMA_LOST,
	RSM_RDMA_OPENED,
	RSM_RDMA_KEEPALIVE,
	RSM_RDMA_SILENT,
};

/**
 * enum rsm_rdma_pending - messages that are to be sent: bits of @pending
 * @RSM_RDMA_SEND_OPEN: @open
 * @RSM_RDMA_SEND_GRANT: the keys of @reg from @grant_next on
 * @RSM_RDMA_SEND_DENY: @error
 * @RSM_RDMA_SEND_ACK: @acked
 * @RSM_RDMA_SEND_SIGNAL: @signals and @signal_once
 * @RSM_RDMA_SEND_ATOMIC: the first of RSM_WIRE_ATOMICS, for each slot
 * @RSM_RDMA_SEND_CREDIT: how many were received
 */
enum rsm_rdma_pending {
	RSM_RDMA_SEND_OPEN,
	RSM_RDMA_SEND_GRANT,
	RSM_RDMA_SEND_DENY,
	RSM_RDMA_SEND_ACK,
	RSM_RDMA_SEND_SIGNAL,
	RSM_RDMA_SEND_ATOMIC,
	RSM_RDMA_SEND_CREDIT = RSM_RDMA_SEND_ATOMIC + RSM_WIRE_ATOMICS,
};

/**
 * struct rsm_rdma_buffer - room for a message
 * @cqe: its completion
 * @conn: the connection
 * @message: the message
 * @dma: its address for the device
 */
struct rsm_rdma_buffer {
	struct ib_cqe cqe;
	struct rsm_rdma_conn *conn;
	union rsm_wire_message *message;
	u64 dma;
};

/**
 * struct rsm_rdma_chunk - pages that a device has been told of
 * @mr: memory region
 * @sgt: the pages
 */
struct rsm_rdma_chunk {
	struct ib_mr *mr;
	struct sg_table sgt;
};

/**
 * struct rsm_rdma_reg - pages of a segment that an importer may reach
 * @pages: the pages, held
 * @epoch: their number for the importer
 * @nr: number of chunks, 0 if it has no rights
 * @chunks: each of as many pages as the device takes
 */
struct rsm_rdma_reg {
	struct rsm_pages *pages;
	u32 epoch;
	unsigned int nr;
	struct rsm_rdma_chunk chunks[] __counted_by(nr);
};

/**
 * struct rsm_rdma_grant - what an exporter lets us reach
 * @epoch: number of its pages
 * @users: copies under way
 * @chunk: bytes that each key is for
 * @filled: number of keys that are there
 * @nr: number of keys that there will be
 * @keys: remote keys
 */
struct rsm_rdma_grant {
	u32 epoch;
	unsigned int users;
	u32 chunk;
	unsigned int filled;
	unsigned int nr;
	u32 keys[] __counted_by(nr);
};

/**
 * struct rsm_rdma_atomic - an atomic operation under way
 * @cmd: what is to be done, and the result
 * @asked: jiffies when it was begun
 * @busy: the slot is in use
 * @abandoned: nobody waits for the result
 * @error: enum rsm_error, or -1 while there is no result
 */
struct rsm_rdma_atomic {
	struct rsm_import_atomic cmd;
	unsigned long asked;
	bool busy;
	bool abandoned;
	int error;
};

/**
 * struct rsm_rdma_conn - a connection: the import of a segment
 * @ctl: the controller
 * @entry: on its list
 * @node: the other node
 * @importing: we are the importer
 * @id: RDMA CM's
 * @pd: protection domain, of this connection alone
 * @send_cq: completions of what we do
 * @recv_cq: completions of messages from the other side
 * @cm_event: last event of RDMA CM that is waited for
 * @reject: enum rsm_wire_reason, or 0
 * @flags: bits of enum rsm_rdma_flag
 * @work: looks after it
 * @timer: asks for signs of life, and watches time limits
 * @wait: whoever waits for anything
 * @alive: jiffies at the last sign of life
 * @deadline: in jiffies: an importer has to have asked for a segment, or has to
 *            have let go of @old_reg
 * @keepalive: completion of a write of nothing
 * @asked: jiffies when it was posted
 * @sent_before: what @sent was then
 * @request: sent, or received
 * @reply: sent, or received
 * @open: to be sent, or received
 * @error: enum rsm_error: what OPEN was answered with
 * @buffers: RSM_RDMA_SENDS for sending, then RSM_WIRE_RECEIVES for receiving
 * @memory: the messages in @buffers
 * @memory_dma: its address for the device
 * @peer: exporter: the importer, for the core
 * @granted: exporter: it is there
 * @reg: exporter: what it may reach
 * @old_reg: exporter: what it may reach still
 * @epoch: exporter: number of @reg
 * @reg_cqe: exporter: completion of a registration
 * @reg_done: exporter: it has come
 * @reg_status: exporter: with this
 * @length: importer: of the segment in bytes
 * @seg_flags: importer: enum rsm_export_flags of the segment
 * @seg: importer: what stands for the segment here
 * @incoming: importer: a grant of which there is more to come
 * @max_sges: importer: pieces that a work request may have
 * @nr_xfers: importer: number of @xfers
 * @xfers: importer: all copies, under way or not
 * @drained: nothing that was posted is under way any more
 * @down: importer: it has been taken down
 */
struct rsm_rdma_conn {
	struct rsm_rdma_ctl *ctl;
	struct list_head entry;
	u32 node;
	bool importing;
	struct rdma_cm_id *id;
	struct ib_pd *pd;
	struct ib_cq *send_cq;
	struct ib_cq *recv_cq;
	int cm_event;
	u32 reject;
	unsigned long flags;
	struct work_struct work;
	struct delayed_work timer;
	wait_queue_head_t wait;
	unsigned long alive;
	unsigned long deadline;
	struct ib_cqe keepalive;
	unsigned long asked;
	u32 sent_before;
	struct rsm_wire_request request;
	struct rsm_wire_reply reply;
	struct rsm_wire_open open;
	u32 error;
	struct rsm_rdma_buffer buffers[RSM_RDMA_SENDS + RSM_WIRE_RECEIVES];
	union rsm_wire_message *memory;
	u64 memory_dma;

	struct rsm_peer *peer;
	bool granted;
	struct rsm_rdma_reg *reg;
	struct rsm_rdma_reg *old_reg;
	u32 epoch;
	struct ib_cqe reg_cqe;
	struct completion reg_done;
	enum ib_wc_status reg_status;

	u64 length;
	u32 seg_flags;
	struct rsm_segment *seg;
	struct rsm_rdma_grant *incoming;
	unsigned int max_sges;
	unsigned int nr_xfers;
	struct rsm_rdma_xfer *xfers[RSM_RDMA_XFERS];
	struct completion drained;
	struct completion down;

	/** @lock: protects what follows */
	spinlock_t lock;
	/** @pending: bits of enum rsm_rdma_pending */
	unsigned long pending;
	/** @sent: messages sent, modulo 2^32, as all of these */
	u32 sent;
	/** @done: those whose buffers are free again */
	u32 done;
	/** @quiet: the last one sent has no completion */
	bool quiet;
	/** @flushing: all have one from now on */
	bool flushing;
	/** @taken: those that the other side has taken */
	u32 taken;
	/** @received: messages taken from the other side */
	u32 received;
	/** @told: those that it was told of */
	u32 told;
	/** @signals: signals to be sent */
	u32 signals;
	/** @signal_once: one before these, if none is pending there */
	bool signal_once;
	/** @grant_next: exporter: the first key of @reg to be sent */
	unsigned int grant_next;
	/** @acked: last epoch that was confirmed */
	u32 acked;
	/** @atomics: by slot */
	struct rsm_rdma_atomic atomics[RSM_WIRE_ATOMICS];
	/** @grant: importer: what copies use */
	struct rsm_rdma_grant *grant;
	/** @old_grant: importer: what those before it still use */
	struct rsm_rdma_grant *old_grant;
	/** @idle: importer: copies that are not under way */
	struct list_head idle;
	/** @nr_idle: importer: number of them */
	unsigned int nr_idle;
};

static inline bool rsm_rdma_is_lost(const struct rsm_rdma_conn *conn)
{
	return test_bit(RSM_RDMA_LOST, &conn->flags);
}

struct rsm_rdma_conn *rsm_rdma_conn_alloc(struct rsm_rdma_ctl *rctl, u32 node,
					  bool importing, work_func_t work);
void rsm_rdma_conn_free(struct rsm_rdma_conn *conn);
void rsm_rdma_conn_made(struct rsm_rdma_conn *conn);
int rsm_rdma_conn_prepare(struct rsm_rdma_conn *conn);
void rsm_rdma_conn_release(struct rsm_rdma_conn *conn);
void rsm_rdma_conn_down(struct rsm_rdma_conn *conn);
void rsm_rdma_conn_lose(struct rsm_rdma_conn *conn);
void rsm_rdma_conn_fail(struct rsm_rdma_conn *conn, enum ib_wc_status status);
void rsm_rdma_conn_start(struct rsm_rdma_conn *conn);
void rsm_rdma_conn_param(struct rsm_rdma_conn *conn,
			 struct rdma_conn_param *param);

/* rdma-msg.c */
int rsm_rdma_msg_init(struct rsm_rdma_conn *conn);
int rsm_rdma_msg_receive(struct rsm_rdma_conn *conn);
void rsm_rdma_msg_destroy(struct rsm_rdma_conn *conn);
void rsm_rdma_msg_send(struct rsm_rdma_conn *conn, unsigned int what);
void rsm_rdma_msg_arrived(struct rsm_rdma_conn *conn, u32 sent);
void rsm_rdma_msg_flush(struct rsm_rdma_conn *conn);
void rsm_rdma_msg_start(struct rsm_rdma_conn *conn);
int rsm_rdma_msg_signal(struct rsm_rdma_conn *conn, bool accumulate);

/* rdma-peer.c */
int rsm_rdma_peer_request(struct rsm_rdma_ctl *rctl, struct rdma_cm_id *id,
			  const struct rdma_conn_param *param);
bool rsm_rdma_peer_message(struct rsm_rdma_conn *conn,
			   const union rsm_wire_message *message);

/* rdma-reg.c */
struct rsm_rdma_reg *rsm_rdma_reg_create(struct rsm_rdma_conn *conn,
					 struct rsm_pages *pages);
void rsm_rdma_reg_destroy(struct rsm_rdma_conn *conn, struct rsm_rdma_reg *reg);
u32 rsm_rdma_chunk_size(const struct rsm_rdma_conn *conn);

/* rdma-link.c */
extern const struct rsm_link_ops rsm_rdma_link_ops;
bool rsm_rdma_link_is_overdue(struct rsm_rdma_conn *conn);
int rsm_rdma_link_atomic(void *link, struct rsm_import_atomic *cmd);
bool rsm_rdma_link_message(struct rsm_rdma_conn *conn,
			   const union rsm_wire_message *message);
struct rsm_rdma_grant *rsm_rdma_get_grant(struct rsm_rdma_conn *conn);
void rsm_rdma_put_grant(struct rsm_rdma_conn *conn,
			struct rsm_rdma_grant *grant);

#endif /* _RSM_RDMA_H */
