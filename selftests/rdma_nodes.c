// SPDX-License-Identifier: GPL-2.0-only
/*
 * Three machines, each with a controller rdma0 that knows the others. The
 * first one runs the tests; the others serve a segment each, and do what is put
 * into it: see rdma_serve.c. The second is cut off, the third dies.
 */
#include "rdma_utils.h"

#include <pthread.h>

#include "rdma_serve.h"

/* Machines boot, one after the other, and links come up. */
#define BOOT_MS 240000
#define ANSWER_MS 30000

/*
 * A connection that is used is to end within 2 s of its node, and one that is
 * not within 5 s; three times that, as these machines are emulated.
 */
#define BUSY_MS (3 * 2000)
#define IDLE_MS (3 * 5000)

FIXTURE(nodes)
{
	struct rsm_scene scene;
};

FIXTURE_SETUP(nodes)
{
	ASSERT_OK(rsm_scene_open(&self->scene));
}

FIXTURE_TEARDOWN(nodes)
{
	EXPECT_TRUE(rsm_scene_close(&self->scene));
}

/* Connect to what a machine serves, as soon as it does. */
static int connect_to(const struct rsm_scene *scene, __u32 node, long ms)
{
	long end = rsm_now_ms() + ms;
	int fd, ret;

	do {
		ret = rsm_connect(scene->fd, scene->controller, node,
				  SERVE_ID(node), RIGHTS, &fd, NULL);
		if (!ret)
			return fd;
		rsm_sleep_ms(100);
	} while (rsm_now_ms() < end);
	return ret;
}

/* Have the server do something. */
static int order(int fd, long what)
{
	int ret = put_word(fd, SERVE_ORDER, what);

	return ret ?: rsm_post(fd, 0, NULL);
}

static bool becomes(int fd, __u64 offset, long expected)
{
	long end = rsm_now_ms() + ANSWER_MS;

	while (get_word(fd, offset) != expected) {
		if (rsm_now_ms() > end)
			return false;
		rsm_sleep_ms(1);
	}
	return true;
}

/* How many milliseconds it takes until a connection ends, or -1 */
static long time_of_death(int fd, bool busy)
{
	long begin = rsm_now_ms();

	while (!is_dead(fd)) {
		if (rsm_now_ms() - begin > ANSWER_MS)
			return -1;
		if (busy)
			get_word(fd, 0);
		else
			rsm_sleep_ms(1);
	}
	return rsm_now_ms() - begin;
}

/* What fdinfo says of an import that has ended */
static bool state_is(int fd, const char *expected)
{
	char path[64], line[128], state[64] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "rsm-state: %63s", state);
	if (file)
		fclose(file);
	return !strcmp(state, expected);
}

/* "rsmctl import -f" of what a machine serves, or -1 */
static pid_t follow(__u32 node)
{
	char id[16], number[16];
	pid_t pid = fork();

	if (pid)
		return pid;
	snprintf(id, sizeof(id), "%#x", SERVE_ID(node));
	snprintf(number, sizeof(number), "%u", node);
	execlp("rsmctl", "rsmctl", "import", "-c", "rdma0", "-N", number, "-f",
	       "-l", "8", "-o", "/tmp/followed", id, NULL);
	_exit(127);
}

/* Has it copied something? */
static bool has_followed(void)
{
	long end = rsm_now_ms() + ANSWER_MS;

	while (access("/tmp/followed", F_OK)) {
		if (rsm_now_ms() > end)
			return false;
		rsm_sleep_ms(10);
	}
	return !unlink("/tmp/followed");
}

TEST_F_TIMEOUT(nodes, both_answer, 300)
{
	__u32 node;
	int fd;

	for (node = 2; node <= 3; node++) {
		fd = connect_to(&self->scene, node, BOOT_MS);
		ASSERT_LE(0, fd);
		EXPECT_EQ(node, get_word(fd, SERVE_NODE));
		EXPECT_OK(order(fd, SERVE_POST));
		EXPECT_OK(rsm_take(fd, ANSWER_MS * 1000000ULL, NULL));
		EXPECT_OK(close(fd));
	}
}

TEST_F_TIMEOUT(nodes, large_copies, 300)
{
	int fd = connect_to(&self->scene, 2, ANSWER_MS);
	size_t length = SERVE_LENGTH - SERVE_DATA;
	char *data = rsm_alloc(length);
	char *back = rsm_alloc(length);
	int i;

	ASSERT_LE(0, fd);
	for (i = 0; i < 3; i++) {
		rsm_stamp(data, length, i + 1);
		ASSERT_OK(rsm_put(fd, data, SERVE_DATA, length, NULL));
		memset(back, 0, length);
		ASSERT_OK(rsm_get(fd, back, SERVE_DATA, length, NULL));
		EXPECT_EQ(0, memcmp(data, back, length));
	}
	EXPECT_OK(close(fd));
}

struct load {
	int fd;
	bool stop;
	long failed;
	long copies;
};

static void *run_load(void *arg)
{
	static __thread char data[65536];
	struct load *load = arg;

	while (!__atomic_load_n(&load->stop, __ATOMIC_RELAXED)) {
		load->failed += !!rsm_put(load->fd, data, SERVE_DATA,
					  sizeof(data), NULL);
		load->failed += !!rsm_get(load->fd, data, SERVE_DATA,
					  sizeof(data), NULL);
		load->copies += 2;
	}
	return NULL;
}

/* From machine to machine, with both sides busy, nothing fails. */
TEST_F_TIMEOUT(nodes, rebind_under_load, 600)
{
	struct load load = { .fd = connect_to(&self->scene, 2, ANSWER_MS) };
	pthread_t thread;
	long i, rebinds;

	ASSERT_LE(0, load.fd);
	rebinds = get_word(load.fd, SERVE_REBINDS);
	ASSERT_OK(pthread_create(&thread, NULL, run_load, &load));
	for (i = 1; i <= 15; i++) {
		EXPECT_OK(order(load.fd, SERVE_REBIND));
		EXPECT_TRUE(becomes(load.fd, SERVE_REBINDS, rebinds + i));
	}
	__atomic_store_n(&load.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, load.failed);
	EXPECT_LT(0, load.copies);
	EXPECT_EQ(0, get_word(load.fd, SERVE_FAILED));
	EXPECT_FALSE(is_dead(load.fd));
	EXPECT_OK(close(load.fd));
}

/* The process ends, and its machine goes on. */
TEST_F_TIMEOUT(nodes, exporter_is_killed, 300)
{
	int fd = connect_to(&self->scene, 2, ANSWER_MS);
	pid_t follower = follow(2);

	ASSERT_LE(0, fd);
	ASSERT_TRUE(has_followed());
	EXPECT_OK(order(fd, SERVE_EXIT));
	EXPECT_LE(0, time_of_death(fd, false));
	EXPECT_EQ(-ECONNABORTED, get_word(fd, 0));
	EXPECT_TRUE(state_is(fd, "aborted"));
	EXPECT_EQ(0, rsm_wait_child(follower));
	EXPECT_OK(close(fd));
	/* Another one takes its place. */
	fd = connect_to(&self->scene, 2, ANSWER_MS);
	ASSERT_LE(0, fd);
	EXPECT_OK(close(fd));
}

/* Both sides notice, and come together again when the link is up. */
TEST_F_TIMEOUT(nodes, partition, 300)
{
	int fd = connect_to(&self->scene, 2, ANSWER_MS);
	long ms;

	ASSERT_LE(0, fd);
	EXPECT_OK(order(fd, SERVE_CUT));
	ms = time_of_death(fd, false);
	TH_LOG("noticed after %ld ms", ms);
	EXPECT_LE(0, ms);
	EXPECT_GE(IDLE_MS, ms);
	EXPECT_EQ(-ECONNABORTED, get_word(fd, 0));
	EXPECT_TRUE(state_is(fd, "unreachable"));
	EXPECT_OK(close(fd));
	fd = connect_to(&self->scene, 2, ANSWER_MS);
	ASSERT_LE(0, fd);
	/* What the exporter's machine had left of it while it was cut off */
	EXPECT_TRUE(becomes(fd, SERVE_IMPORTS, SERVE_NONE));
	EXPECT_OK(close(fd));
}

/* A machine that is gone says nothing any more. */
TEST_F_TIMEOUT(nodes, node_dies, 300)
{
	int idle = connect_to(&self->scene, 3, ANSWER_MS);
	int busy = connect_to(&self->scene, 3, ANSWER_MS);
	pid_t follower = follow(3);
	long ms;

	ASSERT_LE(0, idle);
	ASSERT_LE(0, busy);
	ASSERT_TRUE(has_followed());
	EXPECT_OK(order(busy, SERVE_DIE));
	ms = time_of_death(busy, true);
	TH_LOG("busy connection: noticed after %ld ms", ms);
	EXPECT_LE(0, ms);
	EXPECT_GE(BUSY_MS, ms);
	EXPECT_TRUE(state_is(busy, "unreachable"));
	ms = time_of_death(idle, false);
	TH_LOG("idle connection: noticed %ld ms later", ms);
	EXPECT_LE(0, ms);
	EXPECT_GE(IDLE_MS, ms);
	EXPECT_TRUE(state_is(idle, "unreachable"));
	EXPECT_EQ(1, rsm_wait_child(follower));
	EXPECT_TRUE(config_is("rdma0/nodes/3", "state", "unreachable"));
	EXPECT_EQ(-ECONNABORTED, get_word(busy, 0));
	EXPECT_EQ(-ECONNABORTED, get_word(idle, 0));
	EXPECT_EQ(-EHOSTUNREACH,
		  rsm_connect(self->scene.fd, self->scene.controller, 3,
			      SERVE_ID(3), RIGHTS, &busy, NULL));
	EXPECT_OK(close(idle));
}

/* So that its machine can be looked at, too. */
TEST_F_TIMEOUT(nodes, the_other_stops, 120)
{
	int fd = connect_to(&self->scene, 2, ANSWER_MS);

	ASSERT_LE(0, fd);
	EXPECT_OK(order(fd, SERVE_STOP));
	EXPECT_LE(0, time_of_death(fd, false));
	EXPECT_OK(close(fd));
	/* Its controller is removed without our help. */
	rsm_sleep_ms(5000);
}

TEST_HARNESS_MAIN
