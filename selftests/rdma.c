// SPDX-License-Identifier: GPL-2.0-only
/*
 * Controllers that reach other machines by RDMA. Two of them, on one device,
 * are two nodes here: what is exported on the first is imported through the
 * second.
 *
 * What needs machines that can be switched off is in rdma_nodes.c.
 */
#include "rdma_utils.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/utsname.h>

/* How long it may take until the other side knows of an end */
#define BOUNDED_MS 5000

/* Less than a connection waits for its last messages */
#define FLUSH_MS 400

/* Configuration */

/* Whatever a test before has left */
static void remove_controllers(void)
{
	config_rmdir("rdma8/nodes/2");
	config_rmdir("rdma9/nodes/1");
	config_rmdir("rdma8");
	config_rmdir("rdma9");
}

static int add_both(const char *key, const char *other_key)
{
	int ret;

	ret = add_controller("rdma8", ADDRESS ":7768", "1", key);
	ret = ret ?: add_controller("rdma9", ADDRESS ":7769", "2", other_key);
	ret = ret ?: add_node("rdma8", "2", ADDRESS ":7769");
	return ret ?: add_node("rdma9", "1", ADDRESS ":7768");
}

/* Two nodes */

typedef struct {
	struct rsm_scene from;
	struct rsm_scene to;
} nodes_self;

FIXTURE(nodes)
{
	nodes_self nodes;
	struct rsm_export exp;
	int imp;
};

FIXTURE_SETUP(nodes)
{
	nodes_self *nodes = &self->nodes;

	mount("none", "/sys/kernel/config", "configfs", 0, NULL);
	remove_controllers();
	nodes->from.fd = rsm_open();
	ASSERT_LE(0, nodes->from.fd);
	ASSERT_OK(add_both("secret", "secret"));
	rsm_stats_read(&nodes->from.before);
	nodes->from.vm_pin = rsm_vm_pin();
	ASSERT_OK(find_nodes(&nodes->from, &nodes->to));
	ASSERT_OK(rsm_export_locks(&nodes->from, LENGTH, 1, &self->exp));
	self->imp = rsm_import(&nodes->to, self->exp.segid, RIGHTS);
	ASSERT_LE(0, self->imp);
}

FIXTURE_TEARDOWN(nodes)
{
	EXPECT_TRUE(rsm_scene_close(&self->nodes.from));
	remove_controllers();
	EXPECT_EQ(-ENOENT, config_rmdir("rdma8"));
	EXPECT_EQ(-ENOENT, config_rmdir("rdma9"));
}

static bool dies(int fd)
{
	struct pollfd pollfd = { .fd = fd };

	return poll(&pollfd, 1, BOUNDED_MS) == 1 && pollfd.revents & POLLHUP;
}

static void set_word(char *mem, __u64 offset, long word)
{
	__atomic_store_n((long *)(mem + offset), word, __ATOMIC_SEQ_CST);
}

static long word_of(const char *mem, __u64 offset)
{
	return __atomic_load_n((const long *)(mem + offset), __ATOMIC_SEQ_CST);
}

static int fence(int fd)
{
	struct rsm_import_fence cmd = { .size = sizeof(cmd) };

	return rsm_cmd(fd, RSM_IMPORT_FENCE, &cmd, &cmd.out_error, NULL);
}

TEST_F(nodes, put_and_get)
{
	set_word(self->exp.mem, 64, 4711);
	EXPECT_EQ(4711, get_word(self->imp, 64));
	EXPECT_OK(put_word(self->imp, LENGTH - 8, 42));
	EXPECT_OK(fence(self->imp));
	EXPECT_EQ(42, word_of(self->exp.mem, LENGTH - 8));
	EXPECT_EQ(MAP_FAILED, rsm_map(self->imp, LENGTH, PROT_READ));
	EXPECT_EQ(EOPNOTSUPP, errno);
}

/* No two neighbours alike, and other than with another @seed */
static void fill(char *mem, unsigned int seed)
{
	size_t i;

	for (i = 0; i < LENGTH; i++)
		mem[i] = 128 | (i * 31 + seed);
}

/* Bytes around it, and those of it, after a put and after a get */
static bool copies_exactly(FIXTURE_DATA(nodes) *self, char *mine, size_t shift,
			   size_t length)
{
	size_t offset = 64 - shift;
	char *theirs = self->exp.mem + offset;

	memset(self->exp.mem, 1, LENGTH);
	fill(mine, 0);
	mine += shift;
	if (rsm_put(self->imp, mine, offset, length, NULL) ||
	    fence(self->imp) || theirs[-1] != 1 || theirs[length] != 1 ||
	    memcmp(mine, theirs, length))
		return false;
	fill(self->exp.mem, 1);
	memset(mine - shift, 5, LENGTH);
	return !rsm_get(self->imp, mine, offset, length, NULL) &&
	       !memcmp(mine, theirs, length) && mine[length] == 5 &&
	       (!shift || mine[-1] == 5);
}

/* Any length at any place of either side arrives, and nothing beside it. */
TEST_F(nodes, any_length_anywhere)
{
	static const size_t lengths[] = { 1, 7, 8, 4095, 4096, 4097, 8192,
					  65536, 65537, LENGTH - 65 };
	char *mine = rsm_alloc(LENGTH);
	size_t i, shift;

	ASSERT_NE(MAP_FAILED, (void *)mine);
	for (i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
		for (shift = 0; shift < 64; shift += 21)
			EXPECT_TRUE(copies_exactly(self, mine, shift,
						   lengths[i]))
				TH_LOG("%zu bytes at %zu", lengths[i], shift);
}

/* However much of a copy is under way */
TEST_F(nodes, any_window)
{
	static const char *const windows[] = { "65536", "65537", "100000",
					       "524287", "1048576" };
	char *mine = rsm_alloc(LENGTH);
	size_t i;

	ASSERT_NE(MAP_FAILED, (void *)mine);
	EXPECT_EQ(-ERANGE, config_write("rdma8", "copy_window", "65535"));
	EXPECT_EQ(-ERANGE, config_write("rdma8", "copy_window", "1048577"));
	for (i = 0; i < sizeof(windows) / sizeof(*windows); i++) {
		ASSERT_OK(config_write("rdma9", "copy_window", windows[i]));
		EXPECT_TRUE(copies_exactly(self, mine, 0, LENGTH - 65));
		EXPECT_TRUE(copies_exactly(self, mine, 21, LENGTH - 65));
		EXPECT_TRUE(copies_exactly(self, mine, 1, 65536));
	}
}

/* More pages than fit into one key, and more keys than into one message */
TEST_F_TIMEOUT(nodes, large, 300)
{
	size_t length = 200UL << 20;
	struct rsm_export exp;
	struct utsname name;
	__u64 offset;
	int imp;

	ASSERT_OK(uname(&name));
	if (strstr(name.release, "-debug"))
		SKIP(return, "KASAN would report rxe: see LENGTH");
	ASSERT_OK(rsm_export_new(&self->nodes.from, length, 5, &exp));
	imp = rsm_import(&self->nodes.to, exp.segid, RIGHTS);
	ASSERT_LE(0, imp);
	for (offset = 0; offset < length; offset += (2UL << 20) - 8)
		EXPECT_EQ(word_of(exp.mem, offset), get_word(imp, offset));
	/* across the border of two keys, by one page and by many */
	EXPECT_OK(rsm_get(imp, self->exp.mem, (2UL << 20) - 6, 12, NULL));
	EXPECT_EQ(0, memcmp(self->exp.mem, exp.mem + (2UL << 20) - 6, 12));
	EXPECT_OK(rsm_get(imp, self->exp.mem, (4UL << 20) - 40000, 80000,
			  NULL));
	EXPECT_EQ(0, memcmp(self->exp.mem, exp.mem + (4UL << 20) - 40000,
			    80000));
}

/* Rights are the exporter's to judge, and its device's to enforce. */
TEST_F(nodes, rights)
{
	int reader = rsm_import(&self->nodes.to, self->exp.segid,
				RSM_RIGHT_READ);
	int writer = rsm_import(&self->nodes.to, self->exp.segid,
				RSM_RIGHT_WRITE);
	int none = rsm_import(&self->nodes.to, self->exp.segid, 0);

	ASSERT_LE(0, reader);
	ASSERT_LE(0, writer);
	ASSERT_LE(0, none);
	EXPECT_EQ(-EACCES, put_word(reader, 0, 1));
	EXPECT_EQ(-EACCES, get_word(writer, 0));
	EXPECT_EQ(-EACCES, get_word(none, 0));
	EXPECT_OK(put_word(writer, 0, 7));
	EXPECT_OK(fence(writer));
	EXPECT_EQ(7, word_of(self->exp.mem, 0));
	EXPECT_EQ(7, get_word(reader, 0));
	EXPECT_OK(rsm_post(none, 0, NULL));
	EXPECT_OK(rsm_take(self->exp.fd, 1000000000, NULL));
}

struct user {
	const struct rsm_scene *scene;
	__u32 segid;
	__u32 perm;
	gid_t gid;
	bool supplementary;
};

static int child_connects(void *arg)
{
	struct user *user = arg;
	int fd = rsm_import(user->scene, user->segid, user->perm);

	return fd < 0 ? -fd : 0;
}

/* The digits of the access list hold for users of the other node. */
TEST_F(nodes, users)
{
	const struct rsm_access_entry acl = { .node = IMPORTER, .perm = 0604 };
	const struct rsm_access_entry none = { .node = EXPORTER, .perm = 0666 };
	struct user user = {
		.scene = &self->nodes.to,
		.segid = self->exp.segid,
		.perm = RSM_RIGHT_READ,
	};

	ASSERT_OK(rsm_republish(self->exp.fd, &acl, 1, NULL));
	EXPECT_EQ(0, rsm_in_child_as(65534, child_connects, &user));
	user.perm = RSM_RIGHT_WRITE;
	EXPECT_EQ(EACCES, rsm_in_child_as(65534, child_connects, &user));
	EXPECT_EQ(0, rsm_in_child(child_connects, &user));
	/* another node's */
	ASSERT_OK(rsm_republish(self->exp.fd, &none, 1, NULL));
	EXPECT_EQ(EACCES, rsm_in_child(child_connects, &user));
}

/* One user with other groups: the effective one, and a supplementary one */
static int child_in_groups(void *arg)
{
	const gid_t groups[] = { 65533, 0, 65532 };
	struct user *user = arg;

	if (setgroups(user->supplementary ? 3 : 0, groups) ||
	    setresgid(user->gid, user->gid, user->gid) ||
	    setresuid(65534, 65534, 65534))
		return 255;
	return child_connects(user);
}

/* And those for the segment's group, which the exporter's has given it. */
TEST_F(nodes, groups)
{
	const struct rsm_access_entry acl = { .node = IMPORTER, .perm = 0640 };
	struct user user = {
		.scene = &self->nodes.to,
		.segid = self->exp.segid,
		.perm = RSM_RIGHT_READ,
		.gid = 65534,
	};

	ASSERT_OK(rsm_republish(self->exp.fd, &acl, 1, NULL));
	EXPECT_EQ(EACCES, rsm_in_child(child_in_groups, &user));
	user.supplementary = true;
	EXPECT_EQ(0, rsm_in_child(child_in_groups, &user));
	user.perm = RSM_RIGHT_WRITE;
	EXPECT_EQ(EACCES, rsm_in_child(child_in_groups, &user));
	user = (struct user){ .scene = user.scene, .segid = user.segid,
			      .perm = RSM_RIGHT_READ };
	EXPECT_EQ(0, rsm_in_child(child_in_groups, &user));
}

TEST_F(nodes, errors_of_connect)
{
	struct rsm_scene other = self->nodes.to;
	const struct rsm_access_entry acl = { .node = 77, .perm = 0666 };

	EXPECT_EQ(-ENOENT, rsm_import(&self->nodes.to, 0x7ffffff0, RIGHTS));
	other.node = 77;
	EXPECT_EQ(-ENODEV, rsm_import(&other, self->exp.segid, RIGHTS));
	EXPECT_EQ(-EINVAL, rsm_import(&self->nodes.to, self->exp.segid, 0777));
	EXPECT_EQ(-EINVAL, rsm_republish(self->exp.fd, &acl, 1, NULL));
	/* nobody listens */
	ASSERT_OK(config_write("rdma9/nodes/1", "address", ADDRESS ":7999"));
	EXPECT_EQ(-EHOSTUNREACH,
		  rsm_import(&self->nodes.to, self->exp.segid, RIGHTS));
	EXPECT_TRUE(config_is("rdma9/nodes/1", "state", "connected"));
	/* and a node that is somewhere else than its address says */
	ASSERT_OK(config_write("rdma9/nodes/1", "address", ADDRESS ":7768"));
	ASSERT_OK(config_write("rdma8/nodes/2", "address", "10.8.0.9"));
	EXPECT_EQ(-EHOSTUNREACH,
		  rsm_import(&self->nodes.to, self->exp.segid, RIGHTS));
}

/* Who does not know the key connects to nothing, whichever side it is. */
TEST_F(nodes, key)
{
	static const char *const keys[] = { "other", "", NULL };
	int i;

	for (i = 0; i < 2; i++) {
		close(self->imp);
		config_rmdir("rdma9/nodes/1");
		ASSERT_OK(config_rmdir("rdma9"));
		ASSERT_OK(add_controller("rdma9", ADDRESS ":7769", "2",
					 i ? NULL : keys[i]));
		ASSERT_OK(add_node("rdma9", "1", ADDRESS ":7768"));
		ASSERT_OK(find_nodes(&self->nodes.from, &self->nodes.to));
		EXPECT_EQ(-EHOSTUNREACH,
			  rsm_import(&self->nodes.to, self->exp.segid, RIGHTS));
		self->imp = -1;
	}
}

/* Rebind */

struct load {
	int fd;
	bool stop;
	long copies;
	long failed;
	char *seen;
};

/* Put and get long and short pieces without a pause. */
static void *run_load(void *arg)
{
	static __thread char data[80000];
	struct load *load = arg;
	long round;

	for (round = 0; !__atomic_load_n(&load->stop, __ATOMIC_RELAXED);
	     round++) {
		size_t length = round % 3 ? 64 : sizeof(data);
		int ret = round & 1 ?
			rsm_put(load->fd, data, LENGTH / 2, length, NULL) :
			rsm_get(load->fd, data, LENGTH / 2, length, NULL);

		load->failed += !!ret;
		load->copies++;
	}
	return NULL;
}

/*
 * Under load no copy fails; when the call returns, the importer reads what is
 * in the new pages, and nothing that it writes gets into the old ones.
 */
TEST_F_TIMEOUT(nodes, rebind_under_load, 300)
{
	struct load load = { .fd = self->imp };
	pthread_t threads[2];
	char *mem[2] = { self->exp.mem, rsm_alloc(LENGTH) };
	int i;

	ASSERT_NE(MAP_FAILED, (void *)mem[1]);
	for (i = 0; i < 2; i++)
		ASSERT_OK(pthread_create(&threads[i], NULL, run_load, &load));
	for (i = 1; i <= 20; i++) {
		char *new = mem[i % 2], *old = mem[!(i % 2)];

		set_word(new, 0, i);
		ASSERT_OK(rsm_rebind(self->exp.fd, new, LENGTH, NULL));
		memset(old, 0x55, LENGTH);
		EXPECT_EQ(i, get_word(self->imp, 0));
		rsm_sleep_ms(20);
		EXPECT_EQ(0x55, old[LENGTH / 2]);
		EXPECT_EQ(0, memcmp(old, old + 1, LENGTH - 1));
	}
	__atomic_store_n(&load.stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(0, load.failed);
	EXPECT_LT(20, load.copies);
	EXPECT_FALSE(is_dead(self->imp));
}

/* The importer is told: even again, and two more for each rebind. */
TEST_F(nodes, rebind_is_seen)
{
	const volatile struct rsm_status *status = rsm_map_status(self->imp);
	char *mem = rsm_alloc(LENGTH);
	long end = rsm_now_ms() + BOUNDED_MS;

	ASSERT_NE(MAP_FAILED, (void *)status);
	EXPECT_EQ(0, status->rebinds);
	ASSERT_OK(rsm_rebind(self->exp.fd, mem, LENGTH, NULL));
	while (status->rebinds != 2 && rsm_now_ms() < end)
		rsm_sleep_ms(1);
	EXPECT_EQ(2, status->rebinds);
}

/* The end */

/* Once it returns nothing that an importer writes gets anywhere. */
TEST_F_TIMEOUT(nodes, destroy_under_load, 300)
{
	struct load load = { .fd = self->imp };
	pthread_t threads[2];
	int i;

	for (i = 0; i < 2; i++)
		ASSERT_OK(pthread_create(&threads[i], NULL, run_load, &load));
	rsm_sleep_ms(100);
	ASSERT_OK(rsm_destroy(self->exp.fd, NULL));
	memset(self->exp.mem, 0x55, LENGTH);
	EXPECT_TRUE(dies(self->imp));
	rsm_sleep_ms(100);
	EXPECT_EQ(0x55, self->exp.mem[0]);
	EXPECT_EQ(0, memcmp(self->exp.mem, self->exp.mem + 1, LENGTH - 1));
	__atomic_store_n(&load.stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(-ECONNABORTED, get_word(self->imp, 0));
	EXPECT_EQ(-ECONNABORTED, put_word(self->imp, 0, 1));
	EXPECT_EQ(-ECONNABORTED, fence(self->imp));
	EXPECT_EQ(-ECONNABORTED, rsm_post(self->imp, 0, NULL));
	EXPECT_EQ(0, rsm_stat("page_sets"));
}

TEST_F(nodes, unpublish_and_publish_again)
{
	int again;

	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	EXPECT_TRUE(dies(self->imp));
	EXPECT_EQ(-ENOENT, rsm_import(&self->nodes.to, self->exp.segid,
				      RIGHTS));
	self->exp.segid = 0;
	ASSERT_OK(rsm_publish(self->exp.fd, &self->exp.segid, NULL, 0, NULL));
	again = rsm_import(&self->nodes.to, self->exp.segid, RIGHTS);
	ASSERT_LE(0, again);
	EXPECT_EQ(word_of(self->exp.mem, 8), get_word(again, 8));
	EXPECT_EQ(-ECONNABORTED, get_word(self->imp, 8));
}

/* What was said before the end arrives before it. */
TEST_F(nodes, signals_before_the_end)
{
	int i;

	for (i = 0; i < 100; i++)
		EXPECT_OK(rsm_post(self->imp, 0, NULL));
	EXPECT_OK(close(self->imp));
	for (i = 0; i < 100; i++)
		EXPECT_OK(rsm_take(self->exp.fd, BOUNDED_MS * 1000000ULL,
				   NULL));
	self->imp = rsm_import(&self->nodes.to, self->exp.segid, 0);
	ASSERT_LE(0, self->imp);
	for (i = 0; i < 100; i++)
		EXPECT_OK(rsm_post(self->exp.fd, 0, NULL));
	ASSERT_OK(rsm_destroy(self->exp.fd, NULL));
	for (i = 0; i < 100; i++)
		EXPECT_OK(rsm_take(self->imp, BOUNDED_MS * 1000000ULL, NULL));
	EXPECT_EQ(-ECONNABORTED, rsm_take(self->imp, BOUNDED_MS * 1000000ULL,
					  NULL));
}

/* Post some, and close. Returns the milliseconds that closing takes, or -1. */
static long post_and_close(const struct rsm_scene *to,
			   const struct rsm_export *exp, int count)
{
	int fd = rsm_import(to, exp->segid, RIGHTS), i;
	long start;

	for (i = 0; i < count; i++)
		if (rsm_post(fd, 0, NULL))
			return -1;
	start = rsm_now_ms();
	if (close(fd))
		return -1;
	start = rsm_now_ms() - start;
	for (i = 0; i < count; i++)
		if (rsm_take(exp->fd, BOUNDED_MS * 1000000ULL, NULL))
			return -1;
	return start;
}

/* Not all messages have a completion, which an end waits for, up to a limit. */
TEST_F(nodes, end_after_any_number_of_signals)
{
	int count, tries;
	long took;

	for (count = 0; count <= 9; count++) {
		/* A busy machine may take as long as the limit, but not always. */
		for (tries = 0; tries < 5; tries++) {
			took = post_and_close(&self->nodes.to, &self->exp, count);
			ASSERT_LE(0, took);
			if (took < FLUSH_MS)
				break;
		}
		EXPECT_GT(5, tries)
			TH_LOG("the end after %d takes %ld ms", count, took);
	}
}

/* A child that exports or imports, says so, and waits for its end */
struct member {
	nodes_self *nodes;
	__u32 segid;
	bool exports;
	bool ready;
	bool copies;
};

static int run_member(void *arg)
{
	struct member *member = arg;
	struct rsm_export exp = { .fd = -1 };
	int fd = -1;

	if (member->exports) {
		if (rsm_export_new(&member->nodes->from, LENGTH, 9, &exp))
			return 1;
		member->segid = exp.segid;
	} else {
		fd = rsm_import(&member->nodes->to, member->segid, RIGHTS);
		if (fd < 0)
			return 2;
	}
	__atomic_store_n(&member->ready, true, __ATOMIC_SEQ_CST);
	while (member->copies && !get_word(fd, 0))
		;
	while (1)
		pause();
}

static bool is_ready(const struct member *member)
{
	long end = rsm_now_ms() + BOUNDED_MS;

	while (!__atomic_load_n(&member->ready, __ATOMIC_SEQ_CST)) {
		if (rsm_now_ms() > end)
			return false;
		rsm_sleep_ms(1);
	}
	return true;
}

TEST_F(nodes, exporter_is_killed)
{
	struct member *member = rsm_alloc_shared(rsm_page_size());
	pid_t pid;
	int imp;

	*member = (struct member){ .nodes = &self->nodes, .exports = true };
	pid = rsm_start_child(run_member, member);
	ASSERT_TRUE(is_ready(member));
	imp = rsm_import(&self->nodes.to, member->segid, RIGHTS);
	ASSERT_LE(0, imp);
	EXPECT_LE(0, get_word(imp, 0));
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, rsm_wait_child(pid));
	EXPECT_TRUE(dies(imp));
	EXPECT_EQ(-ECONNABORTED, get_word(imp, 0));
	EXPECT_FALSE(is_dead(self->imp));
}

TEST_F(nodes, importer_is_killed)
{
	struct member *member = rsm_alloc_shared(rsm_page_size());
	long imports = rsm_stat("imports");
	long end;
	pid_t pid;
	int i;

	for (i = 0; i < 4; i++) {
		*member = (struct member){
			.nodes = &self->nodes,
			.segid = self->exp.segid,
			.copies = i & 1,
		};
		set_word(self->exp.mem, 0, 0);
		pid = rsm_start_child(run_member, member);
		ASSERT_TRUE(is_ready(member));
		rsm_sleep_ms(20);
		kill(pid, SIGKILL);
		EXPECT_EQ(-SIGKILL, rsm_wait_child(pid));
		end = rsm_now_ms() + BOUNDED_MS;
		while (rsm_stat("imports") != imports && rsm_now_ms() < end)
			rsm_sleep_ms(1);
		EXPECT_EQ(imports, rsm_stat("imports"));
	}
	EXPECT_FALSE(is_dead(self->imp));
}

static void *run_put(void *arg)
{
	struct load *load = arg;

	load->failed = rsm_put(load->fd, load->seen, 0, 2 * rsm_page_size(),
			       NULL);
	return NULL;
}

/* While a copy waits for the caller's memory, all else goes on. */
TEST_F(nodes, copy_that_hangs_holds_nobody)
{
	size_t length = 4 * rsm_page_size();
	struct load load = { .fd = self->imp, .seen = rsm_alloc(length) };
	int uffd = rsm_uffd_open(0);
	pthread_t thread;

	ASSERT_LE(0, uffd);
	ASSERT_OK(rsm_uffd_register(uffd, load.seen, length,
				    UFFDIO_REGISTER_MODE_MISSING));
	ASSERT_OK(pthread_create(&thread, NULL, run_put, &load));
	EXPECT_NE(0, rsm_uffd_wait(uffd, BOUNDED_MS));
	EXPECT_EQ(word_of(self->exp.mem, 8), get_word(self->imp, 8));
	/* The connection can be taken down. */
	ASSERT_OK(rsm_destroy(self->exp.fd, NULL));
	EXPECT_TRUE(dies(self->imp));
	close(uffd);
	pthread_join(thread, NULL);
	EXPECT_EQ(-ECONNABORTED, load.failed);
}

/* Configuration and the end of controllers */

TEST_F(nodes, controller_is_removed)
{
	int i;

	EXPECT_EQ(-EBUSY, config_write("rdma8", "enabled", "0"));
	EXPECT_EQ(-EBUSY, config_write("rdma8", "node_id", "5"));
	EXPECT_EQ(-EBUSY, config_write("rdma8", "key", "5"));
	EXPECT_EQ(-ENOTEMPTY, config_rmdir("rdma8"));
	for (i = 0; i < 2; i++) {
		if (i) {
			ASSERT_OK(config_rmdir("rdma9/nodes/1"));
			ASSERT_OK(config_rmdir("rdma9"));
		} else {
			ASSERT_OK(config_rmdir("rdma8/nodes/2"));
			ASSERT_OK(config_rmdir("rdma8"));
		}
		EXPECT_TRUE(dies(self->imp));
	}
	EXPECT_EQ(-ENODEV, rsm_import(&self->nodes.to, self->exp.segid,
				      RIGHTS));
	/* It is the segment's still. */
	EXPECT_OK(rsm_destroy(self->exp.fd, NULL));
}

/* Nodes come and go while others connect to them. */
static void *run_removal(void *arg)
{
	struct load *load = arg;

	while (!__atomic_load_n(&load->stop, __ATOMIC_RELAXED)) {
		config_rmdir("rdma8/nodes/2");
		add_node("rdma8", "2", ADDRESS ":7769");
		load->copies++;
	}
	return NULL;
}

TEST_F_TIMEOUT(nodes, node_is_removed_while_connecting, 300)
{
	struct load load = { .fd = -1 };
	long end = rsm_now_ms() + 5000;
	int connected = 0;
	pthread_t thread;
	int fd;

	ASSERT_OK(pthread_create(&thread, NULL, run_removal, &load));
	while (rsm_now_ms() < end) {
		fd = rsm_import(&self->nodes.to, self->exp.segid, RIGHTS);
		connected += fd >= 0;
		if (fd >= 0)
			close(fd);
		else
			EXPECT_TRUE(fd == -EHOSTUNREACH ||
				    fd == -ECONNABORTED);
	}
	__atomic_store_n(&load.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	EXPECT_LT(0, load.copies);
	TH_LOG("%d connections, %ld removals", connected, load.copies);
	config_rmdir("rdma8/nodes/2");
	ASSERT_OK(add_node("rdma8", "2", ADDRESS ":7769"));
	fd = rsm_import(&self->nodes.to, self->exp.segid, RIGHTS);
	EXPECT_LE(0, fd);
}

/* Who is killed while it connects leaves nothing. */
TEST_F_TIMEOUT(nodes, killed_while_connecting, 300)
{
	struct member *member = rsm_alloc_shared(rsm_page_size());
	pid_t pid;
	int i;

	for (i = 0; i < 60; i++) {
		*member = (struct member){
			.nodes = &self->nodes,
			.segid = self->exp.segid,
		};
		pid = rsm_start_child(run_member, member);
		rsm_sleep_ms(i);
		kill(pid, SIGKILL);
		EXPECT_EQ(-SIGKILL, rsm_wait_child(pid));
	}
	EXPECT_FALSE(is_dead(self->imp));
}

TEST_F(nodes, node_is_removed)
{
	ASSERT_OK(config_rmdir("rdma8/nodes/2"));
	EXPECT_TRUE(dies(self->imp));
	EXPECT_EQ(-EHOSTUNREACH,
		  rsm_import(&self->nodes.to, self->exp.segid, RIGHTS));
}

TEST_F(nodes, module_in_use)
{
	EXPECT_EQ(-1, syscall(SYS_delete_module, "rsm_rdma", O_NONBLOCK));
	EXPECT_EQ(EAGAIN, errno);
}

/* The device goes away and comes back. */
TEST_F_TIMEOUT(nodes, device_is_removed, 120)
{
	int again;

	ASSERT_OK(system("rdma link delete rxe0"));
	EXPECT_TRUE(dies(self->imp));
	EXPECT_EQ(-ECONNABORTED, get_word(self->imp, 0));
	EXPECT_TRUE(config_becomes("rdma8", "state", "waiting"));
	EXPECT_EQ(-EHOSTUNREACH,
		  rsm_import(&self->nodes.to, self->exp.segid, RIGHTS));
	ASSERT_OK(system("rdma link add rxe0 type rxe netdev dummy0"));
	EXPECT_TRUE(config_becomes("rdma8", "state", "listening"));
	EXPECT_TRUE(config_becomes("rdma9", "state", "listening"));
	again = rsm_import(&self->nodes.to, self->exp.segid, RIGHTS);
	EXPECT_LE(0, again);
	EXPECT_EQ(word_of(self->exp.mem, 8), get_word(again, 8));
}

#define CONNECTIONS 100

TEST_F_TIMEOUT(nodes, hundred_connections, 300)
{
	int fds[CONNECTIONS];
	int i;

	for (i = 0; i < CONNECTIONS; i++) {
		fds[i] = rsm_import(&self->nodes.to, self->exp.segid, RIGHTS);
		ASSERT_LE(0, fds[i]);
	}
	for (i = 0; i < CONNECTIONS; i++)
		EXPECT_OK(put_word(fds[i], i * 8, i));
	for (i = 0; i < CONNECTIONS; i++)
		EXPECT_EQ(i, get_word(fds[CONNECTIONS - 1 - i], i * 8));
	EXPECT_OK(rsm_post(self->exp.fd, 0, NULL));
	for (i = 0; i < CONNECTIONS; i++)
		EXPECT_OK(rsm_take(fds[i], BOUNDED_MS * 1000000ULL, NULL));
	/* On slow kernels a hundred answers take their time. */
	ASSERT_OK(config_write("rdma8", "rebind_timeout_ms", "60000"));
	ASSERT_OK(rsm_rebind(self->exp.fd, rsm_alloc(LENGTH), LENGTH, NULL));
	for (i = 0; i < CONNECTIONS; i++)
		EXPECT_EQ(0, get_word(fds[i], 8));
	ASSERT_OK(rsm_destroy(self->exp.fd, NULL));
	for (i = 0; i < CONNECTIONS; i++)
		EXPECT_TRUE(dies(fds[i]));
}

/* There are not more connections than the administrator allows. */
TEST_F(nodes, limit_of_connections)
{
	ASSERT_OK(config_write("rdma8", "max_connections", "1"));
	EXPECT_EQ(-ENOSPC, rsm_import(&self->nodes.to, self->exp.segid,
				      RIGHTS));
	ASSERT_OK(config_write("rdma8", "max_connections", "2"));
	EXPECT_LE(0, rsm_import(&self->nodes.to, self->exp.segid, RIGHTS));
	EXPECT_EQ(-ERANGE, config_write("rdma8", "max_connections", "0"));
}

TEST_F(nodes, configuration_is_checked)
{
	static const char *const names[] = { "", "0", "rdma", "7", "Rdma0",
					     "rdma00", "rdma01", "a b0",
					     "abcdefghijklmno0" };
	static const char *const addresses[] = { "\n", "10.8.0", "10.8.0.1:",
						 "10.8.0.1:0x", "[::1", "x",
						 "10.8.0.1:70000" };
	unsigned int i;

	for (i = 1; i < sizeof(names) / sizeof(*names); i++)
		EXPECT_EQ(-EINVAL, config_mkdir(names[i]));
	EXPECT_EQ(-EINVAL, config_mkdir("rdma8/nodes/0"));
	EXPECT_EQ(-EINVAL, config_mkdir("rdma8/nodes/03"));
	EXPECT_EQ(-EINVAL, config_mkdir("rdma8/nodes/x"));
	EXPECT_EQ(-EEXIST, config_mkdir("rdma8/nodes/1"));
	for (i = 0; i < sizeof(addresses) / sizeof(*addresses); i++)
		EXPECT_NE(0, config_write("rdma8/nodes/2", "address",
					  addresses[i]));
	ASSERT_OK(config_mkdir("rdma7"));
	EXPECT_EQ(-EINVAL, config_write("rdma7", "enabled", "1"));
	EXPECT_OK(config_write("rdma7", "address", "[fe80::1]:1234"));
	EXPECT_TRUE(config_is("rdma7", "address", "[fe80::1]:1234"));
	EXPECT_OK(config_write("rdma7", "node_id", "9"));
	EXPECT_EQ(-EINVAL, config_write("rdma7", "enabled", "1"));
	EXPECT_OK(config_write("rdma7", "trusted", "1"));
	EXPECT_TRUE(config_is("rdma7", "state", "disabled"));
	EXPECT_OK(config_write("rdma7", "enabled", "1"));
	EXPECT_TRUE(config_is("rdma7", "state", "waiting"));
	EXPECT_OK(config_rmdir("rdma7"));
}

TEST_HARNESS_MAIN
