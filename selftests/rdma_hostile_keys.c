// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an importer reaches for that is not for it: keys of others, from before,
 * and beyond the end. See rdma_hostile.h.
 */
#include "rdma_hostile.h"

FIXTURE(keys)
{
	nodes_self nodes;
	struct verbs verbs;
};

FIXTURE_SETUP(keys)
{
	ASSERT_OK(begin(&self->nodes, NULL));
}

FIXTURE_TEARDOWN(keys)
{
	EXPECT_TRUE(stop_load(&self->nodes));
	verbs_close(&self->verbs);
	EXPECT_TRUE(end(&self->nodes));
}

/* A try to reach what is not for us */
struct try {
	enum ibv_wr_opcode opcode;
	__u32 perm;
	__u64 address;
	size_t length;
};

/* True if it fails, and neither gets anything nor changes anything. */
static bool is_barred(nodes_self *nodes, struct verbs *verbs,
		      const struct try *try, __u32 key)
{
	char *data = verbs->memory->data;
	int status;

	memset(data, 0xa5, VERBS_DATA);
	status = verbs_copy(verbs, try->opcode, key, try->address,
			    try->length);
	if (status == IBV_WC_REM_ACCESS_ERR && is_unchanged(nodes) &&
	    is_filled(data, VERBS_DATA, 0xa5))
		return true;
	fprintf(stderr, "# status %d, memory is %s, data are %s\n", status,
		is_unchanged(nodes) ? "unchanged" : "changed",
		is_filled(data, VERBS_DATA, 0xa5) ? "not there" : "there");
	return false;
}

/* The same on a connection of its own, with a key @delta from the right one */
static bool is_barred_from(nodes_self *nodes, const struct try *try,
			   __u32 delta)
{
	struct verbs verbs;
	bool barred;
	__u32 key;

	barred = !connect_to(&verbs, nodes->exp.segid, try->perm, &key) &&
		 is_barred(nodes, &verbs, try, key + delta) &&
		 verbs_end(&verbs) >= 0;
	verbs_close(&verbs);
	return barred;
}

#define READ IBV_WR_RDMA_READ
#define WRITE IBV_WR_RDMA_WRITE
#define MAY_READ RSM_RIGHT_READ
#define MAY_WRITE RSM_RIGHT_WRITE

TEST_F_TIMEOUT(keys, bounds, 300)
{
	static const struct try tries[] = {
		{ READ, RIGHTS, LENGTH - 1, 2 },
		{ WRITE, RIGHTS, LENGTH - 1, 2 },
		{ READ, RIGHTS, LENGTH, 1 },
		{ WRITE, RIGHTS, LENGTH, 1 },
		{ READ, RIGHTS, LENGTH - VERBS_DATA + 1, VERBS_DATA },
		{ WRITE, RIGHTS, LENGTH - VERBS_DATA + 1, VERBS_DATA },
		{ READ, RIGHTS, 1ULL << 63, 8 },
		{ READ, RIGHTS, -1, 1 },
		{ READ, RIGHTS, -1, 2 },
		{ READ, RIGHTS, -8, 16 },
		{ WRITE, RIGHTS, -8, 16 },
		{ READ, RIGHTS, -4096, 8192 },
		{ WRITE, RIGHTS, -4096, 8192 },
		{ WRITE, MAY_READ, 0, 8 },
		{ WRITE, MAY_READ, 0, VERBS_DATA },
		{ READ, MAY_WRITE, 0, 8 },
		{ READ, MAY_WRITE, 0, VERBS_DATA },
		{ IBV_WR_ATOMIC_FETCH_AND_ADD, RIGHTS, 0, 8 },
	};
	struct verbs *verbs = &self->verbs;
	__u32 key;
	size_t i;

	for (i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		EXPECT_TRUE(is_barred_from(&self->nodes, &tries[i], 0))
			TH_LOG("try %zu", i);
	}
	/* The last byte is there. */
	ASSERT_OK(connect_to(verbs, self->nodes.exp.segid, MAY_READ, &key));
	EXPECT_EQ(IBV_WC_SUCCESS, verbs_copy(verbs, READ, key, LENGTH - 1, 1));
	EXPECT_EQ(self->nodes.exp.mem[LENGTH - 1], verbs->memory->data[0]);
}

/* Who asks for no rights gets no key. */
TEST_F_TIMEOUT(keys, no_rights_no_key, 120)
{
	const union rsm_wire_message *message;
	struct verbs *verbs = &self->verbs;

	ASSERT_OK(start(verbs));
	put_open(verbs, self->nodes.exp.segid, 0);
	EXPECT_OK(send_type(verbs, RSM_WIRE_OPEN));
	message = receive_type(verbs, RSM_WIRE_GRANT);
	ASSERT_NE(NULL, message);
	EXPECT_EQ(0, message->grant.total);
	EXPECT_EQ(0, message->grant.count);
	EXPECT_TRUE(is_filled(message->grant.keys,
			      sizeof(message->grant.keys), 0));
}

/* A key is good on its connection only. */
TEST_F_TIMEOUT(keys, key_of_another, 120)
{
	static const struct try tries[] = { { READ, RIGHTS, 0, 8 },
					    { WRITE, RIGHTS, 0, 8 } };
	struct verbs *verbs = &self->verbs, other;
	__u32 key, others;
	int i;

	ASSERT_OK(connect_to(&other, self->nodes.exp.segid, RIGHTS, &others));
	for (i = 0; i < 2; i++) {
		ASSERT_OK(connect_to(verbs, self->nodes.exp.segid, RIGHTS,
				     &key));
		EXPECT_NE(key, others);
		EXPECT_TRUE(is_barred(&self->nodes, verbs, &tries[i], others));
		EXPECT_LE(0, verbs_end(verbs));
		EXPECT_TRUE(is_well(&other, others));
		verbs_close(verbs);
	}
	verbs_close(&other);
}

/* All that is next to it, some further on, and from 256 on what rxe gives others */
static __u32 step(__u32 delta)
{
	if (delta >= 256)
		return 256;
	return delta < 8 ? 1 : 31;
}

/* Nor is anything near it: other connections have keys there. */
TEST_F_TIMEOUT(keys, keys_nearby, 600)
{
	static const struct try tries[] = { { READ, RIGHTS, 0, 8 },
					    { WRITE, RIGHTS, 0, 8 } };
	int sign, tried = 0;
	__u32 delta;

	for (delta = 1; delta <= 4096; delta += step(delta)) {
		for (sign = -1; sign <= 1; sign += 2) {
			EXPECT_TRUE(is_barred_from(&self->nodes,
						   &tries[tried++ & 1],
						   sign * delta))
				TH_LOG("key %+d", sign * (int)delta);
		}
	}
}

/* Rebinds */

struct rebind {
	int fd;
	char *mem;
	int ret;
	long ms;
};

static void *run_rebind(void *arg)
{
	struct rebind *rebind = arg;
	long begin = rsm_now_ms();

	rebind->ret = rsm_rebind(rebind->fd, rebind->mem, LENGTH, NULL);
	rebind->ms = rsm_now_ms() - begin;
	return NULL;
}

static int send_ack(struct verbs *verbs, __u32 epoch)
{
	verbs_message(verbs, RSM_WIRE_ACK)->ack.epoch = htole32(epoch);
	return send_type(verbs, RSM_WIRE_ACK);
}

/* Until it says so it has the old pages; and then not even by their key. */
TEST_F_TIMEOUT(keys, key_from_before, 300)
{
	static const struct try tries[] = { { WRITE, RIGHTS, 0, 8 },
					    { READ, RIGHTS, 0, 8 } };
	const union rsm_wire_message *message;
	struct rebind rebind = { .fd = self->nodes.exp.fd };
	struct verbs *verbs = &self->verbs;
	pthread_t thread;
	__u32 key, new;
	int i;

	rebind.mem = rsm_alloc(LENGTH);
	ASSERT_OK(connect_to(verbs, self->nodes.exp.segid, RIGHTS, &key));
	ASSERT_OK(pthread_create(&thread, NULL, run_rebind, &rebind));
	message = receive_type(verbs, RSM_WIRE_REBIND);
	new = first_key(message);
	EXPECT_TRUE(is_well(verbs, key));
	EXPECT_OK(send_ack(verbs, 2));
	pthread_join(thread, NULL);
	EXPECT_OK(rebind.ret);
	EXPECT_TRUE(is_well(verbs, new));
	EXPECT_TRUE(is_barred(&self->nodes, verbs, &tries[0], key));
	verbs_close(verbs);
	for (i = 0; i < 4; i++) {
		ASSERT_OK(connect_to(verbs, self->nodes.exp.segid, RIGHTS,
				     &new));
		EXPECT_TRUE(is_barred(&self->nodes, verbs, &tries[i & 1], key));
		verbs_close(verbs);
	}
	EXPECT_TRUE(is_filled(rebind.mem, LOAD_OFFSET, 0));
}

/*
 * Who does not let go of the old pages, says so too soon, or lets go of others,
 * is cut off in time; and who lies has what it says.
 */
TEST_F_TIMEOUT(keys, no_ack, 300)
{
	struct rebind rebind = { .fd = self->nodes.exp.fd };
	struct verbs *verbs = &self->verbs;
	char *mem[2] = { rsm_alloc(LENGTH), self->nodes.exp.mem };
	pthread_t thread;
	__u32 key;
	int i;

	for (i = 0; i < 4; i++) {
		ASSERT_OK(connect_to(verbs, self->nodes.exp.segid, RIGHTS,
				     &key));
		if (i == 1)
			EXPECT_OK(send_ack(verbs, 2));
		rebind.mem = mem[i & 1];
		ASSERT_OK(pthread_create(&thread, NULL, run_rebind, &rebind));
		EXPECT_NE(NULL, receive_type(verbs, RSM_WIRE_REBIND));
		if (i > 1)
			EXPECT_OK(send_ack(verbs, i == 2 ? 1 : 3));
		pthread_join(thread, NULL);
		EXPECT_OK(rebind.ret);
		TH_LOG("the rebind took %ld ms", rebind.ms);
		EXPECT_GE(BOUNDED_MS, rebind.ms);
		/* It has the new ones from the beginning, or nothing. */
		if (i != 1)
			EXPECT_LE(0, verbs_end(verbs));
		memset(verbs->memory->data, 0x77, 8);
		EXPECT_NE(IBV_WC_SUCCESS, verbs_copy(verbs, WRITE, key, 0, 8));
		EXPECT_FALSE(is_filled(mem[!(i & 1)], 8, 0x77));
		verbs_close(verbs);
	}
}

/* After the end of a segment its key is worth nothing, for another either. */
TEST_F_TIMEOUT(keys, key_of_what_has_ended, 300)
{
	static const struct try tries[] = { { WRITE, RIGHTS, 0, 8 },
					    { READ, RIGHTS, 0, 8 } };
	struct verbs *verbs = &self->verbs;
	struct rsm_export exp;
	__u32 key, new;
	long begin;
	int i;

	ASSERT_OK(rsm_export_new(&self->nodes.from, LENGTH, 9, &exp));
	ASSERT_OK(connect_to(verbs, exp.segid, RIGHTS, &key));
	ASSERT_TRUE(is_well(verbs, key));
	begin = rsm_now_ms();
	EXPECT_OK(rsm_destroy(exp.fd, NULL));
	EXPECT_GE(BOUNDED_MS, rsm_now_ms() - begin);
	memset(verbs->memory->data, 0x77, 8);
	EXPECT_NE(IBV_WC_SUCCESS, verbs_copy(verbs, WRITE, key, 0, 8));
	EXPECT_FALSE(is_filled(exp.mem, 8, 0x77));
	EXPECT_LE(0, verbs_end(verbs));
	verbs_close(verbs);
	for (i = 0; i < 2; i++) {
		ASSERT_OK(connect_to(verbs, self->nodes.exp.segid, RIGHTS,
				     &new));
		EXPECT_TRUE(is_barred(&self->nodes, verbs, &tries[i], key));
		verbs_close(verbs);
	}
}

TEST_HARNESS_MAIN
