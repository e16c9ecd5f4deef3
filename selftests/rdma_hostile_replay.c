// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the others have a key, which we do not know: we are between them, and
 * say what they have said. See rdma_hostile.h.
 */
#include "rdma_hostile.h"

/**
 * struct relay - a connection that goes by way of us
 * @front: the importer's
 * @back: ours, in its name, with the exporter
 * @connecting: the importer
 * @request: what it has said
 * @reply: the answer
 * @open: what it has asked for
 */
struct relay {
	struct verbs front;
	struct verbs back;
	struct connecting connecting;
	struct rsm_wire_request request;
	struct rsm_wire_reply reply;
	struct rsm_wire_open open;
};

/* Another node's request, in its name */
static int ask_as_importer(struct verbs *verbs,
			   const struct rsm_wire_request *request)
{
	if (verbs_open(verbs) ||
	    verbs_resolve(verbs, ADDRESS, ADDRESS, PORT) ||
	    verbs_request(verbs, request, sizeof(*request)) !=
		    RDMA_CM_EVENT_CONNECT_RESPONSE)
		return -1;
	return verbs_establish(verbs, true);
}

/* Get as far as the importer's OPEN, which is kept. */
static int relay_begin(struct relay *relay, const nodes_self *nodes)
{
	if (be_asked(&relay->front, nodes, &relay->connecting, EXPORTER))
		return -1;
	memcpy(&relay->request, relay->front.private, sizeof(relay->request));
	if (ask_as_importer(&relay->back, &relay->request))
		return -1;
	memcpy(&relay->reply, relay->back.private, sizeof(relay->reply));
	if (!is_believed(&relay->front, &relay->reply, sizeof(relay->reply)))
		return -1;
	relay->open = relay->front.message.open;
	return 0;
}

/* True if the importer has got nothing. */
static bool relay_end(struct relay *relay)
{
	verbs_close(&relay->back);
	verbs_close(&relay->front);
	return comes_back(&relay->connecting, -EHOSTUNREACH);
}

/* Say what it has said, but for that. */
static int say_again(struct verbs *verbs, const struct rsm_wire_open *open,
		     const struct wrong *wrong)
{
	union rsm_wire_message *message = verbs_message(verbs, RSM_WIRE_OPEN);

	message->open = *open;
	if (wrong)
		spoil(message, wrong);
	return send_last(verbs, RSM_WIRE_OPEN);
}

FIXTURE(keyed)
{
	nodes_self nodes;
	struct relay relay;
};

FIXTURE_SETUP(keyed)
{
	ASSERT_OK(begin(&self->nodes, "secret"));
	/* Whoever imports from now on takes us for the exporter. */
	ASSERT_OK(config_write("rdma9/nodes/1", "address",
			       HOSTILE_ADDRESS ":7773"));
}

FIXTURE_TEARDOWN(keyed)
{
	EXPECT_TRUE(stop_load(&self->nodes));
	EXPECT_TRUE(is_unchanged(&self->nodes));
	verbs_close(&self->relay.front);
	verbs_close(&self->relay.back);
	EXPECT_TRUE(end(&self->nodes));
}

/*
 * What passes unchanged is believed: whoever changes what is on the network is
 * nothing that a key helps against. But it is so only once.
 */
TEST_F_TIMEOUT(keyed, relayed, 120)
{
	struct relay *relay = &self->relay;

	ASSERT_OK(relay_begin(relay, &self->nodes));
	EXPECT_OK(say_again(&relay->back, &relay->open, NULL));
	EXPECT_NE(NULL, receive_type(&relay->back, RSM_WIRE_GRANT));
	EXPECT_TRUE(is_well(&relay->back, first_key(&relay->back.message)));
	EXPECT_OK(say_again(&relay->back, &relay->open, NULL));
	EXPECT_TRUE(is_refused(&relay->back));
	EXPECT_TRUE(relay_end(relay));
}

/* The proof is for what was asked for, and by whom. */
TEST_F_TIMEOUT(keyed, changed, 300)
{
	static const struct wrong changes[] = {
		{ "id", 0, AT(open, id), 1 },
		{ "rights", 0, AT(open, perm), RSM_RIGHT_READ },
		{ "user", 0, AT(open, uid), 1000 },
		{ "groups", 0, AT(open, nr_gids), 2 },
		{ "group", 0, AT(open, gids), 1 },
		{ "proof", 0, offsetof(struct rsm_wire_open, mac), 1, 0x5a },
		{ "no proof", 0, AT(open, mac), 0 },
	};
	struct relay *relay = &self->relay;
	size_t i;

	for (i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		ASSERT_OK(relay_begin(relay, &self->nodes));
		EXPECT_OK(say_again(&relay->back, &relay->open, &changes[i]));
		EXPECT_TRUE(is_refused(&relay->back))
			TH_LOG("%s", changes[i].name);
		EXPECT_TRUE(relay_end(relay));
	}
}

/* All that was said, said again later, is worth nothing. */
TEST_F_TIMEOUT(keyed, replayed, 300)
{
	struct relay *relay = &self->relay;
	struct rsm_wire_request request;
	struct connecting connecting;
	struct verbs verbs;
	int i;

	ASSERT_OK(relay_begin(relay, &self->nodes));
	EXPECT_OK(say_again(&relay->back, &relay->open, NULL));
	EXPECT_NE(NULL, receive_type(&relay->back, RSM_WIRE_GRANT));
	EXPECT_TRUE(relay_end(relay));
	for (i = 0; i < 2; i++) {
		request = relay->request;
		request.nonce[0] += i;
		ASSERT_OK(ask_as_importer(&verbs, &request));
		EXPECT_NE(0, memcmp(verbs.private, &relay->reply,
				    sizeof(relay->reply)));
		EXPECT_OK(say_again(&verbs, &relay->open, NULL));
		EXPECT_TRUE(is_refused(&verbs));
		verbs_close(&verbs);
	}
	/* and to the importer: */
	ASSERT_OK(be_asked(&verbs, &self->nodes, &connecting, EXPORTER));
	EXPECT_OK(verbs_accept(&verbs, &relay->reply, sizeof(relay->reply)));
	EXPECT_TRUE(comes_back(&connecting, -EHOSTUNREACH));
	EXPECT_TRUE(is_refused(&verbs));
	verbs_close(&verbs);
}

/* Proofs that are to be had are no proof that we know the key. */
TEST_F_TIMEOUT(keyed, borrowed, 300)
{
	struct relay *relay = &self->relay;
	struct verbs *verbs = &relay->back;
	union rsm_wire_message *message;
	struct connecting connecting;
	struct rsm_wire_reply reply;
	int i;

	for (i = 0; i < 4; i++) {
		ASSERT_OK(start(verbs));
		memcpy(&reply, verbs->private, sizeof(reply));
		message = put_open(verbs, i & 1 ? self->nodes.exp.segid : 1,
				   RIGHTS);
		/* the exporter's own */
		if (i & 2)
			memcpy(message->open.mac, reply.mac, RSM_WIRE_MAC);
		EXPECT_OK(send_last(verbs, RSM_WIRE_OPEN));
		EXPECT_TRUE(is_refused(verbs));
		verbs_close(verbs);
	}
	/* It was for another request. */
	ASSERT_OK(be_asked(&relay->front, &self->nodes, &connecting, HOSTILE));
	EXPECT_OK(verbs_accept(&relay->front, &reply, sizeof(reply)));
	EXPECT_TRUE(comes_back(&connecting, -EHOSTUNREACH));
	EXPECT_TRUE(is_refused(&relay->front));
}

TEST_HARNESS_MAIN
