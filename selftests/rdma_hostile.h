/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A node that does what it may not, for rdma_hostile*.c: rsm_rdma.ko must
 * survive it, have it cost nothing but its own connection, in bounded time, and
 * tell it nothing.
 *
 * Nodes 1 and 2 are controllers, connected with each other; node 3 is this
 * program, by hand: see rdma_verbs.h. While it is at its work the other two
 * copy all the time.
 */
#ifndef RDMA_HOSTILE_H
#define RDMA_HOSTILE_H

#include "rdma_utils.h"
#include "rdma_verbs.h"

#include <endian.h>
#include <pthread.h>
#include <sys/mount.h>

#define PORT 7768
/* Ours */
#define HOSTILE 3
#define HOSTILE_ADDRESS "10.8.0.3"
#define HOSTILE_PORT 7773

/* What a hostile node makes others wait for, at most: see rdma.h. */
#define BOUNDED_MS 10000
/* And what it has of whoever connects to it: to connect, and for an answer */
#define CONNECTING_MS 20000
/* Where the others copy */
#define LOAD_OFFSET (LENGTH / 2)
#define LOAD_SIZE 64

/* Nodes */

/* The two of them know each other, and us. */
static inline int configure(const char *key)
{
	const char *ours = HOSTILE_ADDRESS ":7773";
	int ret;

	ret = add_controller("rdma8", ADDRESS ":7768", "1", key);
	ret = ret ?: add_controller("rdma9", ADDRESS ":7769", "2", key);
	ret = ret ?: add_node("rdma8", "2", ADDRESS ":7769");
	ret = ret ?: add_node("rdma8", "3", ours);
	ret = ret ?: add_node("rdma9", "1", ADDRESS ":7768");
	return ret ?: add_node("rdma9", "3", ours);
}

static inline void remove_controllers(void)
{
	static const char *const names[] = { "rdma8/nodes/2", "rdma8/nodes/3",
					     "rdma9/nodes/1", "rdma9/nodes/3",
					     "rdma8", "rdma9" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		config_rmdir(names[i]);
}

/* The others, who know nothing of us */

struct load {
	int fd;
	bool stop;
	long copies;
	long failed;
};

static inline void *run_load(void *arg)
{
	struct load *load = arg;
	char data[LOAD_SIZE];
	int ret;

	while (!__atomic_load_n(&load->stop, __ATOMIC_RELAXED)) {
		ret = rsm_get(load->fd, data, LOAD_OFFSET, LOAD_SIZE, NULL);
		ret = ret ?: rsm_put(load->fd, data, LOAD_OFFSET, LOAD_SIZE,
				     NULL);
		load->failed += !!ret;
		load->copies++;
		rsm_sleep_ms(5);
	}
	return NULL;
}

typedef struct {
	struct rsm_scene from;
	struct rsm_scene to;
	struct rsm_export exp;
	char *copy;
	struct load load;
	pthread_t thread;
} nodes_self;

static inline int start_nodes(nodes_self *nodes, const char *key)
{
	int ret = configure(key);

	if (ret)
		return ret;
	ret = find_nodes(&nodes->from, &nodes->to);
	rsm_stats_read(&nodes->from.before);
	nodes->from.vm_pin = rsm_vm_pin();
	return ret ?: rsm_export_locks(&nodes->from, LENGTH, 1, &nodes->exp);
}

static inline int start_load(nodes_self *nodes)
{
	nodes->copy = rsm_alloc(LENGTH);
	if (nodes->copy == MAP_FAILED)
		return -ENOMEM;
	memcpy(nodes->copy, nodes->exp.mem, LENGTH);
	nodes->load = (struct load){
		.fd = rsm_import(&nodes->to, nodes->exp.segid, RIGHTS),
	};
	if (nodes->load.fd < 0)
		return nodes->load.fd;
	return pthread_create(&nodes->thread, NULL, run_load, &nodes->load);
}

/* True if they have not been disturbed: all copies went well, to the last. */
static inline bool stop_load(nodes_self *nodes)
{
	struct load *load = &nodes->load;
	long copies = __atomic_load_n(&load->copies, __ATOMIC_RELAXED);
	long end = rsm_now_ms() + VERBS_MS;

	while (__atomic_load_n(&load->copies, __ATOMIC_RELAXED) < copies + 2 &&
	       rsm_now_ms() < end)
		rsm_sleep_ms(1);
	__atomic_store_n(&load->stop, true, __ATOMIC_RELAXED);
	pthread_join(nodes->thread, NULL);
	return !load->failed && load->copies >= copies + 2 &&
	       !is_dead(load->fd);
}

static inline bool is_unchanged(const nodes_self *nodes)
{
	return !memcmp(nodes->copy, nodes->exp.mem, LENGTH);
}

static inline void prepare_machine(void)
{
	mount("none", "/sys/kernel/config", "configfs", 0, NULL);
	if (system("modprobe -a ib_uverbs rdma_ucm; "
		   "ip addr add " HOSTILE_ADDRESS "/24 dev dummy0 2>/dev/null"))
		return;
	/* Its device learns of the address by and by. */
	rsm_sleep_ms(500);
}

/* All there is before a test */
static inline int begin(nodes_self *nodes, const char *key)
{
	int ret;

	prepare_machine();
	remove_controllers();
	nodes->from.fd = rsm_open();
	if (nodes->from.fd < 0)
		return nodes->from.fd;
	ret = start_nodes(nodes, key);
	return ret ?: start_load(nodes);
}

/* And after it, when the load has been stopped: true if nothing is left */
static inline bool end(const nodes_self *nodes)
{
	bool closed = rsm_scene_close(&nodes->from);

	remove_controllers();
	return closed && access(CONFIG "/rdma8", F_OK) &&
	       access(CONFIG "/rdma9", F_OK);
}

/* What is wrong in something that is right otherwise */
struct wrong {
	const char *name;
	unsigned int type;
	unsigned int offset;
	unsigned int size;
	__u64 value;
};

#define AT(_type, _field)						\
	.offset = offsetof(struct rsm_wire_##_type, _field),		\
	.size = sizeof(((struct rsm_wire_##_type *)0)->_field)

static inline void spoil(void *what, const struct wrong *wrong)
{
	__u64 value = htole64(wrong->value);

	if (wrong->size <= sizeof(value))
		memcpy((char *)what + wrong->offset, &value, wrong->size);
	else
		memset((char *)what + wrong->offset, wrong->value, wrong->size);
}

/* We as an importer */

static inline struct rsm_wire_request request_from(__u32 node)
{
	struct rsm_wire_request request = {
		.magic = htole32(RSM_WIRE_MAGIC),
		.version = htole16(RSM_WIRE_VERSION),
		.from = htole32(node),
		.to = htole32(EXPORTER),
	};

	memset(request.nonce, 0x5a, sizeof(request.nonce));
	return request;
}

/* Get as far as REP, or the event that comes instead. */
static inline int ask_with(struct verbs *verbs, const void *data, size_t length)
{
	if (verbs_resolve(verbs, HOSTILE_ADDRESS, ADDRESS, PORT))
		return -1;
	return verbs_request(verbs, data, length);
}

static inline int ask(struct verbs *verbs)
{
	struct rsm_wire_request request = request_from(HOSTILE);

	return ask_with(verbs, &request, sizeof(request));
}

static inline int start(struct verbs *verbs)
{
	if (verbs_open(verbs) || ask(verbs) != RDMA_CM_EVENT_CONNECT_RESPONSE)
		return -1;
	return verbs_establish(verbs, true);
}

static inline union rsm_wire_message *put_open(struct verbs *verbs, __u32 id,
					       __u32 perm)
{
	union rsm_wire_message *message = verbs_message(verbs, RSM_WIRE_OPEN);

	message->open.id = htole32(id);
	message->open.perm = htole32(perm);
	message->open.nr_gids = htole32(1);
	return message;
}

/* What comes next and is not about how much was received, or NULL */
static inline const union rsm_wire_message *receive(struct verbs *verbs,
						    long ms)
{
	const union rsm_wire_message *message;

	do
		message = verbs_receive(verbs, ms);
	while (message && message->header.type == RSM_WIRE_CREDIT);

	return message;
}

/* What comes next if it is of that type, or NULL */
static inline const union rsm_wire_message *receive_type(struct verbs *verbs,
							 unsigned int type)
{
	const union rsm_wire_message *message = receive(verbs, VERBS_MS);

	return message && message->header.type == type ? message : NULL;
}

/* Send the message that was made, which is of that type. */
static inline int send_type(struct verbs *verbs, unsigned int type)
{
	return verbs_send(verbs, verbs_length(type)) == IBV_WC_SUCCESS ? 0 : -1;
}

/*
 * The same, where that may end the connection: the answer is not waited for, as it
 * may not come any more.
 */
static inline int send_last(struct verbs *verbs, unsigned int type)
{
	return verbs_begin_send(verbs, verbs_length(type));
}

static inline __u32 first_key(const union rsm_wire_message *message)
{
	return message ? le32toh(message->grant.keys[0]) : 0;
}

/* Ask for a segment, and get its key. */
static inline int get_key(struct verbs *verbs, __u32 id, __u32 perm, __u32 *key)
{
	const union rsm_wire_message *message;

	put_open(verbs, id, perm);
	if (send_type(verbs, RSM_WIRE_OPEN))
		return -1;
	message = receive_type(verbs, RSM_WIRE_GRANT);
	*key = first_key(message);
	return message ? 0 : -1;
}

static inline int connect_to(struct verbs *verbs, __u32 id, __u32 perm, __u32 *key)
{
	return start(verbs) ?: get_key(verbs, id, perm, key);
}

/* True if the connection ends, and nothing was said on it. */
static inline bool is_refused(struct verbs *verbs)
{
	long ms = verbs_end(verbs);
	bool silent = !receive(verbs, 0);

	if (ms >= 0 && ms <= BOUNDED_MS && silent)
		return true;
	fprintf(stderr, "# ended after %ld ms, message %u\n", ms,
		silent ? 0 : verbs->message.header.type);
	return false;
}

/* True if it can still be used. */
static inline bool is_well(struct verbs *verbs, __u32 key)
{
	return verbs_copy(verbs, IBV_WR_RDMA_READ, key, 0, 8) ==
	       IBV_WC_SUCCESS && !verbs->lost;
}

static inline bool is_filled(const void *mem, size_t length, int byte)
{
	const unsigned char *bytes = mem;
	size_t i;

	for (i = 0; i < length; i++)
		if (bytes[i] != byte)
			return false;
	return true;
}

/* Send without regard to what the other has room for: true if all arrives. */
static inline bool flood(struct verbs *verbs, unsigned int type, unsigned int rounds)
{
	struct ibv_send_wr wr = { .opcode = IBV_WR_SEND };
	unsigned int i;

	while (rounds-- && !verbs->lost) {
		verbs->done = 0;
		verbs->status = IBV_WC_SUCCESS;
		for (i = 0; i < VERBS_SENDS; i++)
			if (verbs_post(verbs, &wr, 0, verbs_length(type)))
				return false;
		if (verbs_await_done(verbs, VERBS_SENDS) != IBV_WC_SUCCESS)
			return false;
	}
	return !verbs->lost;
}

/* We as an exporter */

/* An import that is under way in a thread of its own */
struct connecting {
	const struct rsm_scene *scene;
	__u32 node;
	__u32 id;
	__u32 perm;
	int fd;
	long ms;
	pthread_t thread;
};

static inline void *run_connect(void *arg)
{
	struct connecting *connecting = arg;
	const struct rsm_scene *scene = connecting->scene;
	long begin = rsm_now_ms();
	int ret;

	ret = rsm_connect(scene->fd, scene->controller, connecting->node,
			  connecting->id, connecting->perm, &connecting->fd,
			  NULL);
	if (ret)
		connecting->fd = ret;
	connecting->ms = rsm_now_ms() - begin;
	return NULL;
}

/* Have the driver ask us for a segment. */
static inline int be_asked(struct verbs *verbs, const nodes_self *nodes,
			   struct connecting *connecting, __u32 node)
{
	*connecting = (struct connecting){
		.scene = &nodes->to,
		.node = node,
		.id = nodes->exp.segid,
		.perm = RIGHTS,
	};
	if (verbs_open(verbs) ||
	    verbs_listen(verbs, HOSTILE_ADDRESS, HOSTILE_PORT) ||
	    pthread_create(&connecting->thread, NULL, run_connect, connecting))
		return -1;
	return verbs_await_request(verbs);
}

static inline struct rsm_wire_reply good_reply(void)
{
	struct rsm_wire_reply reply = {
		.magic = htole32(RSM_WIRE_MAGIC),
		.version = htole16(RSM_WIRE_VERSION),
	};

	memset(reply.nonce, 0x3c, sizeof(reply.nonce));
	return reply;
}

/* And answer: true if it goes on to ask. */
static inline bool is_believed(struct verbs *verbs, const void *reply, size_t length)
{
	return !verbs_accept(verbs, reply, length) &&
	       receive_type(verbs, RSM_WIRE_OPEN);
}

/* True if it has come back with that, and in time. */
static inline bool comes_back(struct connecting *connecting, int expected)
{
	int fd;

	pthread_join(connecting->thread, NULL);
	fd = connecting->fd;
	if (fd >= 0)
		close(fd);
	if (fd == expected && connecting->ms <= CONNECTING_MS)
		return true;
	fprintf(stderr, "# result %d after %ld ms\n", fd, connecting->ms);
	return false;
}

#endif /* RDMA_HOSTILE_H */
