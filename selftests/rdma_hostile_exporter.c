// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an exporter says that it may not to those who import from it, and what it
 * does not say. See rdma_hostile.h.
 */
#include "rdma_hostile.h"

#define EXPORTED VERBS_DATA
#define CHUNK (2U << 20)

static int be_opened(struct verbs *verbs, const nodes_self *nodes,
		     struct connecting *connecting)
{
	struct rsm_wire_reply reply = good_reply();

	if (be_asked(verbs, nodes, connecting, HOSTILE) ||
	    !is_believed(verbs, &reply, sizeof(reply)))
		return -1;
	return verbs_let_in(verbs, EXPORTED);
}

static union rsm_wire_message *put_grant(struct verbs *verbs, unsigned int type,
					 __u32 epoch)
{
	union rsm_wire_message *message = verbs_message(verbs, type);

	message->grant.length = htole64(EXPORTED);
	message->grant.epoch = htole32(epoch);
	message->grant.chunk = htole32(CHUNK);
	message->grant.count = htole32(1);
	message->grant.total = htole32(1);
	message->grant.keys[0] = htole32(verbs->open_mr->rkey);
	return message;
}

/* The import, connected, or a negative errno */
static int be_imported(struct verbs *verbs, const nodes_self *nodes)
{
	struct connecting connecting;

	if (be_opened(verbs, nodes, &connecting))
		return -EIO;
	put_grant(verbs, RSM_WIRE_GRANT, 1);
	if (send_type(verbs, RSM_WIRE_GRANT))
		return -EIO;
	pthread_join(connecting.thread, NULL);
	return connecting.fd;
}

FIXTURE(exporter)
{
	nodes_self nodes;
	struct verbs verbs;
};

FIXTURE_SETUP(exporter)
{
	ASSERT_OK(begin(&self->nodes, NULL));
}

FIXTURE_TEARDOWN(exporter)
{
	EXPECT_TRUE(stop_load(&self->nodes));
	EXPECT_TRUE(is_unchanged(&self->nodes));
	verbs_close(&self->verbs);
	EXPECT_TRUE(end(&self->nodes));
}

TEST_F_TIMEOUT(exporter, good, 120)
{
	struct verbs *verbs = &self->verbs;
	int imp = be_imported(verbs, &self->nodes);

	ASSERT_LE(0, imp);
	memset(verbs->memory->data, 0, EXPORTED);
	verbs->memory->data[64] = 42;
	EXPECT_EQ(42, get_word(imp, 64));
	EXPECT_OK(put_word(imp, 128, 0x77));
	EXPECT_EQ(0x77, verbs->memory->data[128]);
	EXPECT_OK(close(imp));
	EXPECT_LE(0, verbs_end(verbs));
}

/* Who does not answer is not waited for. */
TEST_F_TIMEOUT(exporter, no_reply, 120)
{
	struct connecting connecting;

	ASSERT_OK(be_asked(&self->verbs, &self->nodes, &connecting, HOSTILE));
	EXPECT_TRUE(comes_back(&connecting, -EHOSTUNREACH));
	TH_LOG("after %ld ms", connecting.ms);
}

/* No reason that can be given has it wait, or believe that it is connected. */
TEST_F_TIMEOUT(exporter, rejections, 300)
{
	static const struct {
		__u32 magic;
		__u16 reason;
		__u8 length;
		int result;
	} rejections[] = {
		{ 0, 0, 0, -EHOSTUNREACH },
		{ 0xffffffff, 0xffff, 8, -EHOSTUNREACH },
		{ 0xffffffff, RSM_WIRE_BUSY, 8, -EHOSTUNREACH },
		{ RSM_WIRE_MAGIC, 0, 8, -EHOSTUNREACH },
		{ RSM_WIRE_MAGIC, 0xffff, 8, -EHOSTUNREACH },
		{ RSM_WIRE_MAGIC, RSM_WIRE_BUSY, 5, -EHOSTUNREACH },
		{ RSM_WIRE_MAGIC, RSM_WIRE_BUSY, 8, -ENOSPC },
	};
	struct verbs *verbs = &self->verbs;
	struct connecting connecting;
	size_t i;

	for (i = 0; i < sizeof(rejections) / sizeof(*rejections); i++) {
		struct rsm_wire_reject reject = {
			.magic = htole32(rejections[i].magic),
			.version = htole16(RSM_WIRE_VERSION),
			.reason = htole16(rejections[i].reason),
		};

		ASSERT_OK(be_asked(verbs, &self->nodes, &connecting, HOSTILE));
		ASSERT_OK(rdma_reject(verbs->id, &reject,
				      rejections[i].length));
		EXPECT_TRUE(comes_back(&connecting, rejections[i].result))
			TH_LOG("rejection %zu", i);
		verbs_close(verbs);
	}
}

static const struct wrong replies[] = {
	{ "magic", 56, AT(reply, magic), 0 },
	{ "version 0", 56, AT(reply, version), 0 },
	{ "version 2", 56, AT(reply, version), 2 },
	{ "reserved", 56, AT(reply, reserved), 1 },
	{ "proof", 56, AT(reply, mac), 1 },
	{ "garbage", 56, 0, sizeof(struct rsm_wire_reply), 0xff },
	{ "nothing", 0, AT(reply, reserved), 0 },
	{ "short", 4, AT(reply, reserved), 0 },
};

/* @type: its length. Even if the grant comes before it has asked. */
TEST_F_TIMEOUT(exporter, replies, 300)
{
	struct verbs *verbs = &self->verbs;
	struct connecting connecting;
	size_t i;

	for (i = 0; i < sizeof(replies) / sizeof(*replies); i++) {
		struct rsm_wire_reply reply = good_reply();

		spoil(&reply, &replies[i]);
		ASSERT_OK(be_asked(verbs, &self->nodes, &connecting, HOSTILE));
		ASSERT_OK(verbs_let_in(verbs, EXPORTED));
		ASSERT_OK(verbs_accept(verbs, &reply, replies[i].type));
		put_grant(verbs, RSM_WIRE_GRANT, 1);
		send_type(verbs, RSM_WIRE_GRANT);
		EXPECT_TRUE(comes_back(&connecting, -EHOSTUNREACH))
			TH_LOG("%s", replies[i].name);
		EXPECT_TRUE(is_refused(verbs));
		verbs_close(verbs);
	}
}

/* Numbers with which it would wait for ever, or could not read */
TEST_F_TIMEOUT(exporter, numbers_in_replies, 300)
{
	struct rsm_wire_reply reply = good_reply();
	struct verbs *verbs = &self->verbs;
	struct connecting connecting;
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_OK(be_asked(verbs, &self->nodes, &connecting, HOSTILE));
		if (i)
			verbs->param.responder_resources = 0;
		else
			verbs->param.rnr_retry_count = 7;
		ASSERT_OK(verbs_accept(verbs, &reply, sizeof(reply)));
		EXPECT_TRUE(comes_back(&connecting, -EHOSTUNREACH));
		EXPECT_TRUE(is_refused(verbs));
		verbs_close(verbs);
	}
}

/* Accepted, and then nothing */
TEST_F_TIMEOUT(exporter, silence, 120)
{
	struct verbs *verbs = &self->verbs;
	struct connecting connecting;

	ASSERT_OK(be_opened(verbs, &self->nodes, &connecting));
	EXPECT_TRUE(comes_back(&connecting, -EHOSTUNREACH));
	TH_LOG("after %ld ms", connecting.ms);
	EXPECT_TRUE(is_refused(verbs));
}

static const struct wrong grants[] = {
	{ "magic", RSM_WIRE_GRANT, AT(header, magic), 0 },
	{ "version", RSM_WIRE_GRANT, AT(header, version), 2 },
	{ "type 0", RSM_WIRE_GRANT, AT(header, type), 0 },
	{ "type 10", RSM_WIRE_GRANT, AT(header, type), 10 },
	{ "header's length", RSM_WIRE_GRANT, AT(header, length), 16 },
	{ "reserved", RSM_WIRE_GRANT, AT(header, reserved), 1 },
	{ "received", RSM_WIRE_GRANT, AT(header, received), 2 },
	{ "received -1", RSM_WIRE_GRANT, AT(header, received), -1 },
	{ "length 0", RSM_WIRE_GRANT, AT(grant, length), 0 },
	{ "length 1", RSM_WIRE_GRANT, AT(grant, length), 1 },
	{ "length 4097", RSM_WIRE_GRANT, AT(grant, length), 4097 },
	{ "length 4 MiB", RSM_WIRE_GRANT, AT(grant, length), 4U << 20 },
	{ "length 2^44", RSM_WIRE_GRANT, AT(grant, length), 1ULL << 44 },
	{ "length -4096", RSM_WIRE_GRANT, AT(grant, length), -4096 },
	{ "chunk 0", RSM_WIRE_GRANT, AT(grant, chunk), 0 },
	{ "chunk 1", RSM_WIRE_GRANT, AT(grant, chunk), 1 },
	{ "chunk 4096", RSM_WIRE_GRANT, AT(grant, chunk), 4096 },
	{ "chunk -1", RSM_WIRE_GRANT, AT(grant, chunk), -1 },
	{ "first 1", RSM_WIRE_GRANT, AT(grant, first), 1 },
	{ "first -1", RSM_WIRE_GRANT, AT(grant, first), -1 },
	{ "count 0", RSM_WIRE_GRANT, AT(grant, count), 0 },
	{ "count 2", RSM_WIRE_GRANT, AT(grant, count), 2 },
	{ "count 97", RSM_WIRE_GRANT, AT(grant, count), 97 },
	{ "count -1", RSM_WIRE_GRANT, AT(grant, count), -1 },
	{ "total 0", RSM_WIRE_GRANT, AT(grant, total), 0 },
	{ "total 2", RSM_WIRE_GRANT, AT(grant, total), 2 },
	{ "total -1", RSM_WIRE_GRANT, AT(grant, total), -1 },
	{ "a key more", RSM_WIRE_GRANT, AT(grant, keys[1]), 1 },
	{ "flags 8", RSM_WIRE_GRANT, AT(grant, flags), 8 },
	{ "flags -1", RSM_WIRE_GRANT, AT(grant, flags), -1 },
	{ "epoch 0", RSM_WIRE_GRANT, AT(grant, epoch), 0 },
	{ "epoch 2", RSM_WIRE_GRANT, AT(grant, epoch), 2 },
	{ "epoch -1", RSM_WIRE_GRANT, AT(grant, epoch), -1 },
	{ "rebind", RSM_WIRE_REBIND, AT(grant, epoch), 1 },
	{ "deny 0", RSM_WIRE_DENY, AT(deny, error), 0 },
	{ "deny 202", RSM_WIRE_DENY, AT(deny, error), 202 },
	{ "deny -1", RSM_WIRE_DENY, AT(deny, error), -1 },
	{ "result", RSM_WIRE_RESULT, AT(result, slot), 0 },
	{ "open", RSM_WIRE_OPEN, AT(open, id), 4711 },
	{ "ack", RSM_WIRE_ACK, AT(ack, epoch), 1 },
	{ "atomic", RSM_WIRE_ATOMIC, AT(atomic, slot), 0 },
	{ "signal 2", RSM_WIRE_SIGNAL, AT(signal, once), 2 },
};

/* A message as an exporter may send it but for that */
static void answer(struct verbs *verbs, __u32 epoch, const struct wrong *wrong)
{
	union rsm_wire_message *message;

	if (wrong->type == RSM_WIRE_GRANT || wrong->type == RSM_WIRE_REBIND)
		message = put_grant(verbs, wrong->type, epoch);
	else
		message = verbs_message(verbs, wrong->type);
	spoil(message, wrong);
	verbs_send(verbs, verbs_length(wrong->type));
}

TEST_F_TIMEOUT(exporter, grants, 600)
{
	struct verbs *verbs = &self->verbs;
	struct connecting connecting;
	size_t i;

	for (i = 0; i < sizeof(grants) / sizeof(*grants); i++) {
		ASSERT_OK(be_opened(verbs, &self->nodes, &connecting));
		answer(verbs, 1, &grants[i]);
		EXPECT_TRUE(comes_back(&connecting, -EHOSTUNREACH))
			TH_LOG("%s", grants[i].name);
		EXPECT_TRUE(is_refused(verbs));
		verbs_close(verbs);
	}
}

/* A denial with something beside it is none; one with any error is. */
TEST_F_TIMEOUT(exporter, denials, 300)
{
	static const struct {
		__u32 error;
		int result;
	} errors[] = { { 1, -EIO },
		       { RSM_ERR_SEG_NOT_PUBLISHED, -ENOENT },
		       { RSM_ERR_LOCK_NOT_HELD, -EPERM } };
	struct verbs *verbs = &self->verbs;
	struct connecting connecting;
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		ASSERT_OK(be_opened(verbs, &self->nodes, &connecting));
		verbs_message(verbs, RSM_WIRE_DENY)->deny.error =
			htole32(errors[i].error);
		send_type(verbs, RSM_WIRE_DENY);
		EXPECT_TRUE(comes_back(&connecting, errors[i].result));
		verbs_close(verbs);
	}
	ASSERT_OK(be_opened(verbs, &self->nodes, &connecting));
	verbs_message(verbs, RSM_WIRE_DENY)->deny.error =
		htole32(RSM_ERR_SEG_NOT_PUBLISHED);
	verbs->memory->out.deny.reserved = htole32(1);
	send_type(verbs, RSM_WIRE_DENY);
	EXPECT_TRUE(comes_back(&connecting, -EHOSTUNREACH));
}

/* More keys to come, that do not: @count of 97 */
static void grant_a_part(struct verbs *verbs, unsigned int type, __u32 epoch,
			 __u32 count)
{
	union rsm_wire_message *message = put_grant(verbs, type, epoch);

	message->grant.length = htole64(97 * 4096);
	message->grant.chunk = htole32(4096);
	message->grant.count = htole32(count);
	message->grant.total = htole32(97);
	send_type(verbs, type);
}

TEST_F_TIMEOUT(exporter, endless_grant, 120)
{
	struct verbs *verbs = &self->verbs;
	struct connecting connecting;

	ASSERT_OK(be_opened(verbs, &self->nodes, &connecting));
	grant_a_part(verbs, RSM_WIRE_GRANT, 1, 96);
	EXPECT_TRUE(comes_back(&connecting, -EHOSTUNREACH));
	TH_LOG("after %ld ms", connecting.ms);
	EXPECT_TRUE(is_refused(verbs));
}

/* What an exporter may not say to one who has a grant */
static const struct wrong rebinds[] = {
	{ "grant again", RSM_WIRE_GRANT, AT(grant, epoch), 1 },
	{ "grant 2", RSM_WIRE_GRANT, AT(grant, epoch), 2 },
	{ "epoch 0", RSM_WIRE_REBIND, AT(grant, epoch), 0 },
	{ "epoch 1", RSM_WIRE_REBIND, AT(grant, epoch), 1 },
	{ "epoch 3", RSM_WIRE_REBIND, AT(grant, epoch), 3 },
	{ "shorter", RSM_WIRE_REBIND, AT(grant, length), EXPORTED - 4096 },
	{ "longer", RSM_WIRE_REBIND, AT(grant, length), EXPORTED + 4096 },
	{ "flags", RSM_WIRE_REBIND, AT(grant, flags), 1 },
	{ "no key", RSM_WIRE_REBIND, AT(grant, count), 0 },
	{ "deny", RSM_WIRE_DENY, AT(deny, error), RSM_ERR_PERM_DENIED },
	{ "result 0", RSM_WIRE_RESULT, AT(result, slot), 0 },
	{ "result 3", RSM_WIRE_RESULT, AT(result, slot), 3 },
	{ "result 4", RSM_WIRE_RESULT, AT(result, slot), 4 },
	{ "result -1", RSM_WIRE_RESULT, AT(result, slot), -1 },
	{ "error 202", RSM_WIRE_RESULT, AT(result, error), 202 },
	{ "signal 2", RSM_WIRE_SIGNAL, AT(signal, once), 2 },
	{ "open", RSM_WIRE_OPEN, AT(open, id), 4711 },
	{ "ack", RSM_WIRE_ACK, AT(ack, epoch), 1 },
	{ "atomic", RSM_WIRE_ATOMIC, AT(atomic, slot), 0 },
};

static bool dies(int fd)
{
	struct pollfd pollfd = { .fd = fd };

	return poll(&pollfd, 1, BOUNDED_MS) == 1 && pollfd.revents & POLLHUP;
}

TEST_F_TIMEOUT(exporter, after_the_grant, 600)
{
	struct verbs *verbs = &self->verbs;
	size_t i;
	int imp;

	for (i = 0; i < sizeof(rebinds) / sizeof(*rebinds); i++) {
		imp = be_imported(verbs, &self->nodes);
		ASSERT_LE(0, imp);
		answer(verbs, 2, &rebinds[i]);
		EXPECT_TRUE(dies(imp))
			TH_LOG("%s", rebinds[i].name);
		EXPECT_EQ(-ECONNABORTED, get_word(imp, 0));
		EXPECT_EQ(-ECONNABORTED, put_word(imp, 0, 1));
		EXPECT_TRUE(is_refused(verbs));
		close(imp);
		verbs_close(verbs);
	}
}

/* An atomic operation that is under way in a thread of its own */
struct adding {
	int fd;
	int ret;
	__u64 old;
	pthread_t thread;
};

static void *run_adding(void *arg)
{
	struct adding *adding = arg;

	adding->ret = rsm_atomic(adding->fd, RSM_ATOMIC_ADD, 64, 0, 1,
				 &adding->old, NULL);
	return NULL;
}

/* Have the driver ask us for an atomic operation; the slot, or -1. */
static int be_added_to(struct verbs *verbs, const nodes_self *nodes,
		       struct adding *adding)
{
	const union rsm_wire_message *message;
	struct connecting connecting;

	*adding = (struct adding){ .ret = -1 };
	if (be_opened(verbs, nodes, &connecting))
		return -1;
	put_grant(verbs, RSM_WIRE_GRANT, 1)->grant.flags =
		htole32(RSM_EXPORT_LOCK_OPS);
	send_type(verbs, RSM_WIRE_GRANT);
	pthread_join(connecting.thread, NULL);
	adding->fd = connecting.fd;
	if (connecting.fd < 0 ||
	    pthread_create(&adding->thread, NULL, run_adding, adding))
		return -1;
	message = receive_type(verbs, RSM_WIRE_ATOMIC);
	return message ? (int)le32toh(message->atomic.slot) : -1;
}

/* One result is enough, and one that makes no sense is none. */
TEST_F_TIMEOUT(exporter, results, 300)
{
	struct verbs *verbs = &self->verbs;
	union rsm_wire_message *message;
	struct adding adding;
	int i, slot;

	for (i = 0; i < 3; i++) {
		slot = be_added_to(verbs, &self->nodes, &adding);
		ASSERT_LE(0, slot);
		message = verbs_message(verbs, RSM_WIRE_RESULT);
		message->result.slot = htole32(i == 2 ? slot + 1 : slot);
		message->result.error = htole32(i == 1 ? 202 : 0);
		message->result.old = htole64(77);
		send_type(verbs, RSM_WIRE_RESULT);
		if (!i) {
			pthread_join(adding.thread, NULL);
			EXPECT_EQ(77, adding.old);
			send_type(verbs, RSM_WIRE_RESULT);
		}
		EXPECT_TRUE(dies(adding.fd));
		if (i)
			pthread_join(adding.thread, NULL);
		EXPECT_EQ(i ? -ECONNABORTED : 0, adding.ret);
		EXPECT_TRUE(is_refused(verbs));
		close(adding.fd);
		verbs_close(verbs);
	}
}

/* The exporter is there, and does not say what has become of it. */
TEST_F_TIMEOUT(exporter, no_result, 120)
{
	struct verbs *verbs = &self->verbs;
	struct adding adding;
	long begin;

	ASSERT_LE(0, be_added_to(verbs, &self->nodes, &adding));
	begin = rsm_now_ms();
	pthread_join(adding.thread, NULL);
	EXPECT_GE(CONNECTING_MS, rsm_now_ms() - begin);
	EXPECT_EQ(-ECONNABORTED, adding.ret);
	EXPECT_TRUE(is_refused(verbs));
	verbs_close(verbs);
	close(adding.fd);
}

/* Until all the keys are there, those from before are used. */
TEST_F_TIMEOUT(exporter, endless_rebind, 120)
{
	struct verbs *verbs = &self->verbs;
	struct connecting connecting;
	union rsm_wire_message *message;
	int imp;

	ASSERT_OK(be_opened(verbs, &self->nodes, &connecting));
	message = put_grant(verbs, RSM_WIRE_GRANT, 1);
	message->grant.length = htole64(97 * 4096);
	send_type(verbs, RSM_WIRE_GRANT);
	pthread_join(connecting.thread, NULL);
	imp = connecting.fd;
	ASSERT_LE(0, imp);
	grant_a_part(verbs, RSM_WIRE_REBIND, 2, 96);
	EXPECT_EQ(0, get_word(imp, 0));
	rsm_sleep_ms(3000);
	EXPECT_EQ(0, get_word(imp, 8));
	EXPECT_FALSE(is_dead(imp));
	EXPECT_OK(close(imp));
	EXPECT_TRUE(is_refused(verbs));
}

/* The second rebind before the first is confirmed: in order, or not at all */
TEST_F_TIMEOUT(exporter, two_rebinds, 120)
{
	struct verbs *verbs = &self->verbs;
	struct ibv_send_wr wr = { .opcode = IBV_WR_SEND };
	int imp = be_imported(verbs, &self->nodes);
	const union rsm_wire_message *message;
	union rsm_wire_message *second;
	__u32 epoch = 2;

	ASSERT_LE(0, imp);
	second = (void *)(put_grant(verbs, RSM_WIRE_REBIND, 2) + 1);
	*second = verbs->memory->out;
	second->grant.epoch = htole32(3);
	verbs->done = 0;
	ASSERT_OK(verbs_post(verbs, &wr, 0, sizeof(message->grant)));
	ASSERT_OK(verbs_post(verbs, &wr, RSM_WIRE_SIZE,
			     sizeof(message->grant)));
	for (;;) {
		message = receive(verbs, 1000);
		if (!message)
			break;
		EXPECT_EQ(RSM_WIRE_ACK, message->header.type);
		EXPECT_EQ(epoch, le32toh(message->ack.epoch));
		epoch++;
	}
	TH_LOG("%u of 2 were confirmed", epoch - 2);
	EXPECT_GE(4, epoch);
	EXPECT_TRUE(verbs->lost ? dies(imp) : !is_dead(imp));
	close(imp);
}

/* Floods, and signals without number */
TEST_F_TIMEOUT(exporter, flood, 300)
{
	struct verbs *verbs = &self->verbs;
	int imp = be_imported(verbs, &self->nodes);

	ASSERT_LE(0, imp);
	verbs_message(verbs, RSM_WIRE_SIGNAL)->signal.count = htole32(-1);
	TH_LOG("the flood %s", flood(verbs, RSM_WIRE_SIGNAL, 50) ?
				       "arrives" : "ends the connection");
	EXPECT_OK(rsm_take(imp, BOUNDED_MS * 1000000ULL, NULL));
	close(imp);
}

/* Keys that are not good end the connection, and do not hang. */
TEST_F_TIMEOUT(exporter, bad_keys, 300)
{
	struct verbs *verbs = &self->verbs;
	int imp, i;

	for (i = 0; i < 4; i++) {
		struct connecting connecting;

		ASSERT_OK(be_opened(verbs, &self->nodes, &connecting));
		put_grant(verbs, RSM_WIRE_GRANT, 1)->grant.keys[0] =
			i < 2 ? 0 : htole32(verbs->open_mr->rkey + 1);
		send_type(verbs, RSM_WIRE_GRANT);
		pthread_join(connecting.thread, NULL);
		imp = connecting.fd;
		ASSERT_LE(0, imp);
		EXPECT_EQ(-ECONNABORTED, i & 1 ? get_word(imp, 0) :
						 put_word(imp, 0, 1));
		EXPECT_TRUE(dies(imp));
		close(imp);
		verbs_close(verbs);
	}
}

/* The same if there is less than was promised */
TEST_F_TIMEOUT(exporter, less_than_promised, 120)
{
	struct verbs *verbs = &self->verbs;
	struct connecting connecting;
	char *data = rsm_alloc(2 * EXPORTED);

	ASSERT_OK(be_opened(verbs, &self->nodes, &connecting));
	put_grant(verbs, RSM_WIRE_GRANT, 1)->grant.length =
		htole64(2 * EXPORTED);
	send_type(verbs, RSM_WIRE_GRANT);
	pthread_join(connecting.thread, NULL);
	ASSERT_LE(0, connecting.fd);
	EXPECT_EQ(0, get_word(connecting.fd, EXPORTED - 8));
	EXPECT_EQ(-ECONNABORTED, rsm_get(connecting.fd, data, 0, 2 * EXPORTED,
					 NULL));
	close(connecting.fd);
}

static void *run_copies(void *arg)
{
	struct load *load = arg;
	char *data = rsm_alloc(EXPORTED);
	int ret = 0;

	while (!ret) {
		ret = load->copies & 1 ?
			rsm_put(load->fd, data, 0, EXPORTED, NULL) :
			rsm_get(load->fd, data, 0, EXPORTED, NULL);
		__atomic_add_fetch(&load->copies, 1, __ATOMIC_RELAXED);
	}
	load->failed = ret;
	munmap(data, EXPORTED);
	return NULL;
}

/* The exporter goes in the midst of copies: with a word, or without one. */
TEST_F_TIMEOUT(exporter, gone_while_copying, 300)
{
	struct verbs *verbs = &self->verbs;
	pthread_t thread;
	long begin;
	int i;

	for (i = 0; i < 4; i++) {
		struct load load = { .fd = be_imported(verbs, &self->nodes) };
		struct ibv_qp_attr attr = { .qp_state = IBV_QPS_ERR };

		ASSERT_LE(0, load.fd);
		ASSERT_OK(pthread_create(&thread, NULL, run_copies, &load));
		while (__atomic_load_n(&load.copies, __ATOMIC_RELAXED) < 5 + i)
			rsm_sleep_ms(1);
		begin = rsm_now_ms();
		EXPECT_OK(i & 1 ? rdma_disconnect(verbs->id) :
				  ibv_modify_qp(verbs->qp, &attr,
						IBV_QP_STATE));
		pthread_join(thread, NULL);
		TH_LOG("%s: after %ld ms", i & 1 ? "disconnected" : "silent",
		       rsm_now_ms() - begin);
		EXPECT_GE(BOUNDED_MS, rsm_now_ms() - begin);
		EXPECT_EQ(-ECONNABORTED, load.failed);
		EXPECT_TRUE(dies(load.fd));
		close(load.fd);
		verbs_close(verbs);
	}
}

/* An import can be closed though nobody takes what it says. */
TEST_F_TIMEOUT(exporter, deaf, 300)
{
	struct verbs *verbs = &self->verbs;
	int imp, i;
	long begin;

	imp = be_imported(verbs, &self->nodes);
	ASSERT_LE(0, imp);
	/* Each is a message, but for those that find no room. */
	for (i = 0; i < 30; i++) {
		EXPECT_OK(rsm_post(imp, 0, NULL));
		rsm_sleep_ms(20);
	}
	begin = rsm_now_ms();
	EXPECT_OK(close(imp));
	TH_LOG("closed after %ld ms", rsm_now_ms() - begin);
	EXPECT_GE(BOUNDED_MS, rsm_now_ms() - begin);
}

TEST_HARNESS_MAIN
