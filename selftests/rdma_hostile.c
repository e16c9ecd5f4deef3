// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an importer says that it may not: requests, messages, floods. See
 * rdma_hostile.h.
 */
#include "rdma_hostile.h"

FIXTURE(importer)
{
	nodes_self nodes;
	struct verbs verbs;
};

FIXTURE_SETUP(importer)
{
	ASSERT_OK(begin(&self->nodes, NULL));
}

FIXTURE_TEARDOWN(importer)
{
	EXPECT_TRUE(stop_load(&self->nodes));
	verbs_close(&self->verbs);
	EXPECT_TRUE(end(&self->nodes));
}

/* That it gets what it may have shows that the rest is refused for a reason. */
TEST_F_TIMEOUT(importer, good, 120)
{
	struct verbs *verbs = &self->verbs;
	char *data;
	__u32 key;

	ASSERT_OK(connect_to(verbs, self->nodes.exp.segid, RIGHTS, &key));
	data = verbs->memory->data;
	EXPECT_EQ(IBV_WC_SUCCESS,
		  verbs_copy(verbs, IBV_WR_RDMA_READ, key, 4096, 4096));
	EXPECT_EQ(0, memcmp(data, self->nodes.exp.mem + 4096, 4096));
	memset(data, 7, 64);
	EXPECT_EQ(IBV_WC_SUCCESS,
		  verbs_copy(verbs, IBV_WR_RDMA_WRITE, key, 64, 64));
	EXPECT_TRUE(is_filled(self->nodes.exp.mem + 64, 64, 7));
	EXPECT_FALSE(is_unchanged(&self->nodes));
}

/* Requests */

/* @type: why they are refused */
static const struct wrong requests[] = {
	{ "magic", RSM_WIRE_BAD_REQUEST, AT(request, magic), 0x5352724d },
	{ "version 0", RSM_WIRE_BAD_REQUEST, AT(request, version), 0 },
	{ "version 2", RSM_WIRE_BAD_REQUEST, AT(request, version), 2 },
	{ "reserved", RSM_WIRE_BAD_REQUEST, AT(request, reserved), 1 },
	{ "no node", RSM_WIRE_UNKNOWN_NODE, AT(request, from), 0 },
	{ "unknown", RSM_WIRE_UNKNOWN_NODE, AT(request, from), 77 },
	{ "the exporter", RSM_WIRE_UNKNOWN_NODE, AT(request, from), EXPORTER },
	{ "another", RSM_WIRE_UNKNOWN_NODE, AT(request, from), IMPORTER },
	{ "to nobody", RSM_WIRE_UNKNOWN_NODE, AT(request, to), 0 },
	{ "to another", RSM_WIRE_UNKNOWN_NODE, AT(request, to), IMPORTER },
	{ "garbage", RSM_WIRE_BAD_REQUEST, 0, sizeof(struct rsm_wire_request),
	  0xff },
};

/* True if a request is rejected for that reason, and nothing else is said. */
static bool is_rejected(struct verbs *verbs, unsigned int reason)
{
	struct rsm_wire_reject expected = {
		.magic = htole32(RSM_WIRE_MAGIC),
		.version = htole16(RSM_WIRE_VERSION),
		.reason = htole16(reason),
	};
	size_t length = sizeof(expected);

	return verbs->event == RDMA_CM_EVENT_REJECTED &&
	       verbs->private_length >= length &&
	       !memcmp(verbs->private, &expected, length) &&
	       is_filled(verbs->private + length,
			 verbs->private_length - length, 0);
}

TEST_F_TIMEOUT(importer, requests, 300)
{
	struct verbs *verbs = &self->verbs;
	size_t i;

	for (i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
		struct rsm_wire_request request = request_from(HOSTILE);

		spoil(&request, &requests[i]);
		ASSERT_OK(verbs_open(verbs));
		ask_with(verbs, &request, sizeof(request));
		EXPECT_TRUE(is_rejected(verbs, requests[i].type))
			TH_LOG("%s: event %d", requests[i].name, verbs->event);
		verbs_close(verbs);
	}
}

/* RDMA CM fills what is short with zeros; what is long has a part unknown. */
TEST_F_TIMEOUT(importer, lengths_of_requests, 300)
{
	static const struct {
		size_t length;
		unsigned int reason;
	} lengths[] = { { 0, RSM_WIRE_BAD_REQUEST },
			{ 3, RSM_WIRE_BAD_REQUEST },
			{ 5, RSM_WIRE_UNKNOWN_NODE },
			{ 8, RSM_WIRE_UNKNOWN_NODE },
			{ 12, RSM_WIRE_UNKNOWN_NODE },
			{ 56, 0 } };
	struct {
		struct rsm_wire_request request;
		char more[24];
	} data = { .request = request_from(HOSTILE) };
	struct verbs *verbs = &self->verbs;
	size_t i;

	memset(data.more, 0xff, sizeof(data.more));
	for (i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		ASSERT_OK(verbs_open(verbs));
		ask_with(verbs, &data, lengths[i].length);
		EXPECT_TRUE(lengths[i].reason ?
				    is_rejected(verbs, lengths[i].reason) :
				    verbs->event ==
					    RDMA_CM_EVENT_CONNECT_RESPONSE)
			TH_LOG("%zu bytes", lengths[i].length);
		verbs_close(verbs);
	}
}

/* 255: as many as the device has */
TEST_F_TIMEOUT(importer, numbers_in_requests, 300)
{
	static const struct {
		__u8 responder_resources;
		__u8 initiator_depth;
		__u8 retry_count;
		__u8 rnr_retry_count;
		bool good;
	} numbers[] = { { 0, 4, 4, 6, true },	{ 4, 0, 4, 6, true },
			{ 0, 0, 0, 0, true },	{ 255, 255, 4, 6, true },
			{ 4, 4, 4, 7, true },	{ 4, 4, 5, 6, false },
			{ 4, 4, 7, 7, false } };
	struct verbs *verbs = &self->verbs;
	__u32 key;
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		ASSERT_OK(verbs_open(verbs));
		verbs->param.responder_resources =
			numbers[i].responder_resources;
		verbs->param.initiator_depth = numbers[i].initiator_depth;
		verbs->param.retry_count = numbers[i].retry_count;
		verbs->param.rnr_retry_count = numbers[i].rnr_retry_count;
		ask(verbs);
		if (numbers[i].good) {
			EXPECT_OK(verbs_establish(verbs, true));
			EXPECT_OK(get_key(verbs, self->nodes.exp.segid, RIGHTS,
					  &key))
				TH_LOG("numbers %zu", i);
		} else {
			EXPECT_TRUE(is_rejected(verbs, RSM_WIRE_BAD_REQUEST));
		}
		verbs_close(verbs);
	}
}

/* Who says nothing for long is not waited for. */
TEST_F_TIMEOUT(importer, silence, 120)
{
	ASSERT_OK(start(&self->verbs));
	EXPECT_TRUE(is_refused(&self->verbs));
}

/* Without RTU, what comes is not looked at, and the time is the same. */
TEST_F_TIMEOUT(importer, never_established, 300)
{
	struct verbs *verbs = &self->verbs;
	int what;

	for (what = 0; what < 3; what++) {
		ASSERT_OK(verbs_open(verbs));
		ASSERT_EQ(RDMA_CM_EVENT_CONNECT_RESPONSE, ask(verbs));
		ASSERT_OK(verbs_establish(verbs, false));
		put_open(verbs, self->nodes.exp.segid, RIGHTS);
		if (what == 1)
			memset(verbs->memory->bytes, 0xa5, RSM_WIRE_SIZE);
		if (what)
			EXPECT_OK(send_last(verbs, RSM_WIRE_OPEN));
		EXPECT_TRUE(is_refused(verbs))
			TH_LOG("event %d", verbs->event);
		verbs_close(verbs);
	}
}

#define STRANGERS 32

/* Who has not asked for anything yet takes no room from others. */
TEST_F_TIMEOUT(importer, strangers, 300)
{
	struct verbs *strangers = calloc(STRANGERS + 1, sizeof(*strangers));
	long begin = rsm_now_ms();
	int i, fd;

	ASSERT_NE(NULL, strangers);
	for (i = 0; i < STRANGERS; i++) {
		ASSERT_OK(verbs_open(&strangers[i]));
		/* They have 5 s: those that are gone make room. */
		ask(&strangers[i]);
	}
	ASSERT_OK(verbs_open(&strangers[i]));
	ask(&strangers[i]);
	/* Where it was not too slow to see the limit */
	EXPECT_TRUE(strangers[i].event == RDMA_CM_EVENT_REJECTED ||
		    rsm_now_ms() - begin > 4500)
		TH_LOG("event %d", strangers[i].event);
	fd = rsm_import(&self->nodes.to, self->nodes.exp.segid, RIGHTS);
	EXPECT_LE(0, fd);
	for (i = 0; i <= STRANGERS; i++)
		verbs_close(&strangers[i]);
	free(strangers);
}

/* Messages */

static const struct wrong opens[] = {
	{ "magic", RSM_WIRE_OPEN, AT(header, magic), 0 },
	{ "version 0", RSM_WIRE_OPEN, AT(header, version), 0 },
	{ "version 2", RSM_WIRE_OPEN, AT(header, version), 2 },
	{ "type 0", RSM_WIRE_OPEN, AT(header, type), 0 },
	{ "type 10", RSM_WIRE_OPEN, AT(header, type), 10 },
	{ "type 255", RSM_WIRE_OPEN, AT(header, type), 255 },
	{ "another type", RSM_WIRE_OPEN, AT(header, type), RSM_WIRE_ACK },
	{ "length 0", RSM_WIRE_OPEN, AT(header, length), 0 },
	{ "length 319", RSM_WIRE_OPEN, AT(header, length), 319 },
	{ "length 65535", RSM_WIRE_OPEN, AT(header, length), 65535 },
	{ "reserved", RSM_WIRE_OPEN, AT(header, reserved), 1 },
	{ "received 1", RSM_WIRE_OPEN, AT(header, received), 1 },
	{ "received -1", RSM_WIRE_OPEN, AT(header, received), -1 },
	{ "65 groups", RSM_WIRE_OPEN, AT(open, nr_gids), 65 },
	{ "many groups", RSM_WIRE_OPEN, AT(open, nr_gids), -1 },
	{ "no group", RSM_WIRE_OPEN, AT(open, nr_gids), 0 },
	{ "a group beyond", RSM_WIRE_OPEN, AT(open, gids[1]), 7 },
	{ "the last group", RSM_WIRE_OPEN, AT(open, gids[63]), 7 },
	{ "proof", RSM_WIRE_OPEN, AT(open, mac), 1 },
	/* What may not be the first */
	{ "grant", RSM_WIRE_GRANT, AT(grant, epoch), 1 },
	{ "deny", RSM_WIRE_DENY, AT(deny, error), RSM_ERR_PERM_DENIED },
	{ "rebind", RSM_WIRE_REBIND, AT(grant, epoch), 1 },
	{ "ack", RSM_WIRE_ACK, AT(ack, epoch), 1 },
	{ "signal", RSM_WIRE_SIGNAL, AT(signal, count), 1 },
	{ "atomic", RSM_WIRE_ATOMIC, AT(atomic, op), RSM_ATOMIC_ADD },
	{ "nothing", RSM_WIRE_ATOMIC, AT(atomic, op), RSM_WIRE_NOTHING },
	{ "result", RSM_WIRE_RESULT, AT(result, slot), 0 },
};

/* What an importer may not say once it has a grant */
static const struct wrong messages[] = {
	{ "open again", RSM_WIRE_OPEN, AT(open, uid), 0 },
	{ "grant", RSM_WIRE_GRANT, AT(grant, epoch), 1 },
	{ "grant 2", RSM_WIRE_GRANT, AT(grant, epoch), 2 },
	{ "deny", RSM_WIRE_DENY, AT(deny, error), RSM_ERR_PERM_DENIED },
	{ "rebind", RSM_WIRE_REBIND, AT(grant, epoch), 2 },
	{ "result", RSM_WIRE_RESULT, AT(result, slot), 0 },
	{ "ack, reserved", RSM_WIRE_ACK, AT(ack, reserved), 1 },
	{ "signal 2", RSM_WIRE_SIGNAL, AT(signal, once), 2 },
	{ "signal -1", RSM_WIRE_SIGNAL, AT(signal, once), -1 },
	{ "slot 4", RSM_WIRE_ATOMIC, AT(atomic, slot), 4 },
	{ "slot -1", RSM_WIRE_ATOMIC, AT(atomic, slot), -1 },
	{ "received 2", RSM_WIRE_SIGNAL, AT(header, received), 2 },
	{ "received 2^31", RSM_WIRE_SIGNAL, AT(header, received), 1U << 31 },
	{ "received -1", RSM_WIRE_CREDIT, AT(header, received), -1 },
};

/* What costs it nothing, and does nobody harm */
static const struct wrong harmless[] = {
	{ "ack 0", RSM_WIRE_ACK, AT(ack, epoch), 0 },
	{ "ack 1", RSM_WIRE_ACK, AT(ack, epoch), 1 },
	{ "ack 1 again", RSM_WIRE_ACK, AT(ack, epoch), 1 },
	{ "ack -1", RSM_WIRE_ACK, AT(ack, epoch), -1 },
	{ "no signal", RSM_WIRE_SIGNAL, AT(signal, count), 0 },
	{ "once", RSM_WIRE_SIGNAL, AT(signal, once), 1 },
	{ "many signals", RSM_WIRE_SIGNAL, AT(signal, count), -1 },
	{ "many more", RSM_WIRE_SIGNAL, AT(signal, count), -1 },
	{ "credit", RSM_WIRE_CREDIT, AT(header, reserved), 0 },
};

/* Send a message that is right but for that. */
static void say(struct verbs *verbs, __u32 id, const struct wrong *wrong)
{
	union rsm_wire_message *message = put_open(verbs, id, RIGHTS);

	if (wrong->type != RSM_WIRE_OPEN)
		message = verbs_message(verbs, wrong->type);
	spoil(message, wrong);
	verbs_send(verbs, verbs_length(wrong->type));
}

TEST_F_TIMEOUT(importer, first_messages, 600)
{
	struct verbs *verbs = &self->verbs;
	size_t i;

	for (i = 0; i < sizeof(opens) / sizeof(*opens); i++) {
		ASSERT_OK(start(verbs));
		say(verbs, self->nodes.exp.segid, &opens[i]);
		EXPECT_TRUE(is_refused(verbs))
			TH_LOG("%s", opens[i].name);
		verbs_close(verbs);
	}
	EXPECT_TRUE(is_unchanged(&self->nodes));
}

TEST_F_TIMEOUT(importer, later_messages, 600)
{
	struct verbs *verbs = &self->verbs;
	__u32 key;
	size_t i;

	for (i = 0; i < sizeof(messages) / sizeof(*messages); i++) {
		ASSERT_OK(connect_to(verbs, self->nodes.exp.segid, RIGHTS,
				     &key));
		ASSERT_TRUE(is_well(verbs, key));
		say(verbs, self->nodes.exp.segid, &messages[i]);
		EXPECT_TRUE(is_refused(verbs))
			TH_LOG("%s", messages[i].name);
		verbs_close(verbs);
	}
	EXPECT_TRUE(is_unchanged(&self->nodes));
}

TEST_F_TIMEOUT(importer, harmless_messages, 300)
{
	struct verbs *verbs = &self->verbs;
	__u32 key;
	size_t i;

	ASSERT_OK(connect_to(verbs, self->nodes.exp.segid, RIGHTS, &key));
	for (i = 0; i < sizeof(harmless) / sizeof(*harmless); i++) {
		say(verbs, self->nodes.exp.segid, &harmless[i]);
		EXPECT_TRUE(is_well(verbs, key))
			TH_LOG("%s", harmless[i].name);
	}
	/* And now one that was taken back */
	say(verbs, self->nodes.exp.segid, &(struct wrong){
		"less received", RSM_WIRE_SIGNAL, AT(header, received), 0 });
	EXPECT_TRUE(is_refused(verbs));
	EXPECT_TRUE(is_unchanged(&self->nodes));
}

/* What is denied is denied in a word. */
TEST_F_TIMEOUT(importer, denied, 300)
{
	static const struct wrong denied[] = {
		{ "no id", RSM_ERR_SEG_NOT_PUBLISHED, AT(open, id), 0 },
		{ "unknown id", RSM_ERR_SEG_NOT_PUBLISHED, AT(open, id),
		  0x7ffffff0 },
		{ "a right", RSM_ERR_BAD_PERMS, AT(open, perm),
		  RIGHTS | 1U << 31 },
		{ "all rights", RSM_ERR_BAD_PERMS, AT(open, perm), -1 },
	};
	const union rsm_wire_message *message;
	struct verbs *verbs = &self->verbs;
	size_t i;

	for (i = 0; i < sizeof(denied) / sizeof(*denied); i++) {
		ASSERT_OK(start(verbs));
		spoil(put_open(verbs, self->nodes.exp.segid, RIGHTS),
		      &denied[i]);
		EXPECT_OK(send_last(verbs, RSM_WIRE_OPEN));
		message = receive_type(verbs, RSM_WIRE_DENY);
		ASSERT_NE(NULL, message);
		EXPECT_EQ(denied[i].type, le32toh(message->deny.error));
		EXPECT_EQ(sizeof(message->deny), verbs->length);
		EXPECT_TRUE(is_refused(verbs));
		verbs_close(verbs);
	}
}

/* A part of a message, or more than one */
TEST_F_TIMEOUT(importer, lengths_of_messages, 300)
{
	static const size_t lengths[] = { 0, 1, 15, 16, 319, 321, 512, 513,
					  VERBS_LONG };
	struct verbs *verbs = &self->verbs;
	size_t i;

	for (i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		ASSERT_OK(start(verbs));
		put_open(verbs, self->nodes.exp.segid, RIGHTS);
		verbs_send(verbs, lengths[i]);
		EXPECT_TRUE(is_refused(verbs))
			TH_LOG("%zu bytes", lengths[i]);
		verbs_close(verbs);
	}
}

/* Atomic operations */

static const union rsm_wire_message *do_atomic(struct verbs *verbs,
					       const struct wrong *wrong)
{
	union rsm_wire_message *message;

	message = verbs_message(verbs, RSM_WIRE_ATOMIC);
	message->atomic.op = htole32(RSM_ATOMIC_ADD);
	message->atomic.operand = htole64(1);
	message->atomic.offset = htole64(128);
	spoil(message, wrong);
	if (send_type(verbs, RSM_WIRE_ATOMIC))
		return NULL;
	return receive_type(verbs, RSM_WIRE_RESULT);
}

/* They have an error for a result, nothing of what is there, and no effect. */
TEST_F_TIMEOUT(importer, atomics, 300)
{
	static const struct wrong wrongs[] = {
		{ "op 3", RIGHTS, AT(atomic, op), 3 },
		{ "op -2", RIGHTS, AT(atomic, op), -2 },
		{ "offset 1", RIGHTS, AT(atomic, offset), 1 },
		{ "offset 4", RIGHTS, AT(atomic, offset), 4 },
		{ "the end", RIGHTS, AT(atomic, offset), LENGTH },
		{ "2^63", RIGHTS, AT(atomic, offset), 1ULL << 63 },
		{ "2^64 - 8", RIGHTS, AT(atomic, offset), -8 },
		{ "reader", RSM_RIGHT_READ, AT(atomic, slot), 0 },
		{ "writer", RSM_RIGHT_WRITE, AT(atomic, slot), 0 },
		{ "nobody", 0, AT(atomic, slot), 0 },
	};
	const union rsm_wire_message *result;
	struct verbs *verbs = &self->verbs;
	__u32 key;
	size_t i;

	for (i = 0; i < sizeof(wrongs) / sizeof(*wrongs); i++) {
		ASSERT_OK(connect_to(verbs, self->nodes.exp.segid,
				     wrongs[i].type, &key));
		result = do_atomic(verbs, &wrongs[i]);
		ASSERT_NE(NULL, result)
			TH_LOG("%s", wrongs[i].name);
		EXPECT_NE(0, result->result.error)
			TH_LOG("%s", wrongs[i].name);
		EXPECT_EQ(0, result->result.old);
		EXPECT_FALSE(verbs->lost);
		verbs_close(verbs);
	}
	EXPECT_TRUE(is_unchanged(&self->nodes));
}

/* A slot that is in use: what is there is done, and a result may be missing. */
TEST_F_TIMEOUT(importer, slot_in_use, 120)
{
	struct ibv_send_wr wr = { .opcode = IBV_WR_SEND };
	struct verbs *verbs = &self->verbs;
	union rsm_wire_message *message;
	unsigned int i, results = 0;
	__u64 old, new;
	__u32 key;

	ASSERT_OK(connect_to(verbs, self->nodes.exp.segid, RIGHTS, &key));
	message = verbs_message(verbs, RSM_WIRE_ATOMIC);
	message->atomic.op = htole32(RSM_ATOMIC_ADD);
	message->atomic.operand = htole64(1);
	memcpy(&old, self->nodes.exp.mem, sizeof(old));
	verbs->done = 0;
	verbs->status = IBV_WC_SUCCESS;
	for (i = 0; i < 12; i++)
		ASSERT_OK(verbs_post(verbs, &wr, 0, sizeof(message->atomic)));
	EXPECT_EQ(IBV_WC_SUCCESS, verbs_await_done(verbs, 12));
	while (receive(verbs, 1000))
		results++;
	EXPECT_LE(1, results);
	EXPECT_GE(12, results);
	memcpy(&new, self->nodes.exp.mem, sizeof(new));
	EXPECT_EQ(old + 12, new);
	EXPECT_TRUE(is_well(verbs, key));
}

/* Floods */

TEST_F_TIMEOUT(importer, flood_of_signals, 300)
{
	struct verbs *verbs = &self->verbs;
	__u32 key;

	ASSERT_OK(connect_to(verbs, self->nodes.exp.segid, RIGHTS, &key));
	verbs_message(verbs, RSM_WIRE_SIGNAL)->signal.count = htole32(1);
	/* Whether they arrive or not */
	TH_LOG("the flood %s", flood(verbs, RSM_WIRE_SIGNAL, 50) ?
				       "arrives" : "ends the connection");
	EXPECT_OK(rsm_take(self->nodes.exp.fd, 1000000000, NULL));
}

/* Nobody is sent more than it has room for. */
TEST_F_TIMEOUT(importer, flood_and_no_room, 300)
{
	struct verbs *verbs = &self->verbs;
	unsigned int results = 0;
	__u32 key;

	ASSERT_OK(connect_to(verbs, self->nodes.exp.segid, RIGHTS, &key));
	verbs->mute = true;
	verbs_message(verbs, RSM_WIRE_ATOMIC)->atomic.operand = htole64(1);
	flood(verbs, RSM_WIRE_ATOMIC, 10);
	while (verbs_receive(verbs, 500))
		results++;
	EXPECT_GE(RSM_WIRE_RECEIVES, results);
	EXPECT_LE(RSM_WIRE_RECEIVES - RSM_WIRE_RESERVE, results);
	EXPECT_TRUE(is_well(verbs, key));
}

/* Who receives nothing, and would be tried for ever, is given up. */
TEST_F_TIMEOUT(importer, deaf, 300)
{
	struct verbs *verbs = &self->verbs;
	long ms;

	ASSERT_OK(verbs_open(verbs));
	verbs->mute = true;
	verbs->param.rnr_retry_count = 7;
	ASSERT_EQ(RDMA_CM_EVENT_CONNECT_RESPONSE, ask(verbs));
	ASSERT_OK(verbs_establish(verbs, true));
	put_open(verbs, self->nodes.exp.segid, RIGHTS);
	EXPECT_OK(send_type(verbs, RSM_WIRE_OPEN));
	ms = verbs_end(verbs);
	TH_LOG("ended after %ld ms", ms);
	EXPECT_LE(0, ms);
}

/* Nor does the exporter wait for it when it takes its memory back. */
TEST_F_TIMEOUT(importer, deaf_at_the_end, 300)
{
	struct verbs *verbs = &self->verbs;
	long begin, ms;
	__u32 key;

	ASSERT_OK(verbs_open(verbs));
	verbs->mute = true;
	verbs->param.rnr_retry_count = 7;
	ASSERT_EQ(RDMA_CM_EVENT_CONNECT_RESPONSE, ask(verbs));
	/* Room for the grant, and no more */
	verbs->mute = false;
	ASSERT_OK(verbs_room(verbs, 1));
	verbs->mute = true;
	ASSERT_OK(verbs_establish(verbs, true));
	ASSERT_OK(get_key(verbs, self->nodes.exp.segid, RIGHTS, &key));
	EXPECT_OK(rsm_post(self->nodes.exp.fd, 0, NULL));
	begin = rsm_now_ms();
	EXPECT_OK(rsm_rebind(self->nodes.exp.fd, self->nodes.copy, LENGTH,
			     NULL));
	ms = rsm_now_ms() - begin;
	TH_LOG("the rebind took %ld ms", ms);
	EXPECT_GE(BOUNDED_MS, ms);
	EXPECT_LE(0, verbs_end(verbs));
}

/* Immediate data */

static int send_immediate(struct verbs *verbs, enum ibv_wr_opcode opcode,
			  __u32 key, size_t length)
{
	struct ibv_send_wr wr = {
		.opcode = opcode,
		.imm_data = htole32(0x12345678),
		.wr.rdma = { .remote_addr = 256, .rkey = key },
	};

	verbs->done = 0;
	verbs->status = IBV_WC_SUCCESS;
	if (verbs_post(verbs, &wr, 0, length))
		return VERBS_NONE;
	return verbs_await_done(verbs, 1);
}

/* It is no part of any message. */
TEST_F_TIMEOUT(importer, send_with_immediate, 120)
{
	struct verbs *verbs = &self->verbs;
	__u32 key;

	ASSERT_OK(connect_to(verbs, self->nodes.exp.segid, RIGHTS, &key));
	verbs_message(verbs, RSM_WIRE_SIGNAL)->signal.count = htole32(1);
	send_immediate(verbs, IBV_WR_SEND_WITH_IMM, 0,
		       sizeof(struct rsm_wire_signal));
	EXPECT_TRUE(is_refused(verbs));
	EXPECT_NE(0, rsm_take(self->nodes.exp.fd, 0, NULL));
}

/*
 * It takes a buffer, and leaves in it what was there before, which is not taken
 * for a message once more.
 */
TEST_F_TIMEOUT(importer, write_with_immediate, 120)
{
	const size_t length = sizeof(struct rsm_wire_signal);
	struct verbs *verbs = &self->verbs;
	unsigned int i;
	__u32 key;

	ASSERT_OK(connect_to(verbs, self->nodes.exp.segid, RIGHTS, &key));
	verbs_message(verbs, RSM_WIRE_SIGNAL)->signal.count = htole32(1);
	/* so that each buffer has one */
	for (i = 0; i < RSM_WIRE_RECEIVES; i++)
		ASSERT_OK(send_type(verbs, RSM_WIRE_SIGNAL));
	for (i = 0; i < RSM_WIRE_RECEIVES; i++)
		EXPECT_OK(rsm_take(self->nodes.exp.fd, BOUNDED_MS * 1000000ULL,
				   NULL));
	memset(verbs->memory->bytes, 0, length);
	send_immediate(verbs, IBV_WR_RDMA_WRITE_WITH_IMM, key, length);
	EXPECT_TRUE(is_refused(verbs));
	EXPECT_NE(0, rsm_take(self->nodes.exp.fd, 0, NULL));
}

/*
 * Nor can it be said which keys are forgotten. Of some devices' keys that are
 * for others it can, too: these then lose their connection, and get a new one.
 */
TEST_F_TIMEOUT(importer, send_with_invalidate, 120)
{
	struct ibv_send_wr wr = { .opcode = IBV_WR_SEND_WITH_INV };
	struct verbs *verbs = &self->verbs, other;
	__u32 key, others;
	int i;

	ASSERT_OK(connect_to(&other, self->nodes.exp.segid, RIGHTS, &others));
	for (i = 0; i < 2; i++) {
		ASSERT_OK(connect_to(verbs, self->nodes.exp.segid, RIGHTS,
				     &key));
		verbs_message(verbs, RSM_WIRE_CREDIT);
		wr.invalidate_rkey = i ? others : key;
		verbs->done = 0;
		ASSERT_OK(verbs_post(verbs, &wr, 0,
				     sizeof(struct rsm_wire_header)));
		EXPECT_TRUE(is_refused(verbs));
		verbs_close(verbs);
		if (!i)
			EXPECT_TRUE(is_well(&other, others));
	}
	TH_LOG("keys of others are %s", is_well(&other, others) ?
						"safe" : "not safe");
	verbs_close(&other);
	ASSERT_OK(connect_to(verbs, self->nodes.exp.segid, RIGHTS, &key));
	EXPECT_TRUE(is_well(verbs, key));
}

TEST_HARNESS_MAIN
