// SPDX-License-Identifier: GPL-2.0-only
/*
 * Connecting: who may, what a connection is worth, and how its end is told.
 * Mappings are in mmap.c.
 */
#include "rsm_utils.h"

#include <linux/capability.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define PAGE 4096UL
#define LENGTH (4 * PAGE)
#define RW (RSM_RIGHT_READ | RSM_RIGHT_WRITE)
#define PROT_RW (PROT_READ | PROT_WRITE)
#define DEAD (POLLERR | POLLHUP)

/* The exporter of the tests on users, and others. */
#define OWNER 1001
#define GROUP 1001
#define OTHER 1002
#define OTHER_GROUP 1002

FIXTURE(import)
{
	struct rsm_scene scene;
	struct rsm_export exp;
};

FIXTURE_SETUP(import)
{
	ASSERT_OK(rsm_scene_open(&self->scene));
	ASSERT_OK(rsm_export_new(&self->scene, LENGTH, 1, &self->exp));
}

FIXTURE_TEARDOWN(import)
{
	EXPECT_TRUE(rsm_scene_close(&self->scene));
}

typedef FIXTURE_DATA(import) import_self;

/* Connect and, if that works, close. */
static int try_connect(const import_self *self, __u32 segid, __u32 perm,
		       __u32 *error)
{
	int fd;
	int ret = rsm_connect(self->scene.fd, self->scene.controller,
			      self->scene.node, segid, perm, &fd, error);

	if (!ret)
		close(fd);
	return ret;
}

static int poll_now(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN | POLLOUT };

	poll(&pollfd, 1, 0);
	return pollfd.revents;
}

/* What is refused, and in which order */

TEST_F(import, unknown_controller)
{
	int fd;

	EXPECT_FAIL(ENODEV, RSM_ERR_CTLR_NOT_PRESENT,
		    rsm_connect(self->scene.fd, 77, self->scene.node,
				self->exp.segid, RW, &fd, &error));
	/* before the rights */
	EXPECT_FAIL(ENODEV, RSM_ERR_CTLR_NOT_PRESENT,
		    rsm_connect(self->scene.fd, ~0U, self->scene.node, 0, ~0U,
				&fd, &error));
}

TEST_F(import, unknown_node)
{
	int fd;

	EXPECT_FAIL(ENODEV, RSM_ERR_CTLR_NOT_PRESENT,
		    rsm_connect(self->scene.fd, self->scene.controller,
				self->scene.node + 1, self->exp.segid, RW, &fd,
				&error));
	/* before the rights and the id */
	EXPECT_FAIL(ENODEV, RSM_ERR_CTLR_NOT_PRESENT,
		    rsm_connect(self->scene.fd, self->scene.controller, ~0U, 0,
				0100, &fd, &error));
}

TEST_F(import, bad_rights)
{
	static const __u32 bad[] = { 0100, 0040, 0004, 0666, 0700, 01600, 1,
				     1U << 31, ~0U };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_FAIL(EINVAL, RSM_ERR_BAD_PERMS,
			    try_connect(self, self->exp.segid, bad[i],
					&error));
	}
	/* before the id */
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_PERMS,
		    try_connect(self, 0x400077, 0100, &error));
}

TEST_F(import, not_published)
{
	static const __u32 ids[] = { 0, 1, 0x400077, 0x80000000, ~0U };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		EXPECT_FAIL(ENOENT, RSM_ERR_SEG_NOT_PUBLISHED,
			    try_connect(self, ids[i], RW, &error));
	}
}

TEST_F(import, unpublished_and_ended)
{
	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	EXPECT_FAIL(ENOENT, RSM_ERR_SEG_NOT_PUBLISHED,
		    try_connect(self, self->exp.segid, RW, &error));
	self->exp.segid = 0;
	ASSERT_OK(rsm_publish(self->exp.fd, &self->exp.segid, NULL, 0, NULL));
	EXPECT_OK(try_connect(self, self->exp.segid, RW, NULL));
	close(self->exp.fd);
	EXPECT_FAIL(ENOENT, RSM_ERR_SEG_NOT_PUBLISHED,
		    try_connect(self, self->exp.segid, RW, &error));
}

TEST_F(import, answer)
{
	static const __u32 perms[] = { 0, RSM_RIGHT_READ, RSM_RIGHT_WRITE, RW };
	struct rsm_import_connect cmd;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(perms); i++) {
		memset(&cmd, 0, sizeof(cmd));
		cmd.size = sizeof(cmd);
		cmd.controller = self->scene.controller;
		cmd.node = self->scene.node;
		cmd.segid = self->exp.segid;
		cmd.perm = perms[i];
		ASSERT_OK(rsm_cmd(self->scene.fd, RSM_IMPORT_CONNECT, &cmd,
				  NULL, NULL));
		EXPECT_EQ(LENGTH, cmd.out_length);
		EXPECT_EQ(perms[i], cmd.out_rights);
		EXPECT_EQ(0, poll_now(cmd.out_fd));
		close(cmd.out_fd);
	}
}

/* A connection without rights is one, but there is nothing to map. */
TEST_F(import, no_rights)
{
	const volatile struct rsm_status *status;
	int fd = rsm_import(&self->scene, self->exp.segid, 0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(MAP_FAILED, rsm_map(fd, LENGTH, PROT_NONE));
	EXPECT_EQ(EACCES, errno);
	status = rsm_map_status(fd);
	ASSERT_NE(MAP_FAILED, (const void *)status);
	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	EXPECT_EQ(RSM_STATE_ABORTED, status->state);
	EXPECT_EQ(DEAD, poll_now(fd));
}

/* Users */

struct who {
	uid_t uid;
	gid_t gid;
	/* supplementary group, or 0 */
	gid_t group;
};

static int become(const struct who *who)
{
	return setgroups(who->group ? 1 : 0, &who->group) ||
	       setresgid(who->gid, who->gid, who->gid) ||
	       setresuid(who->uid, who->uid, who->uid);
}

static const __u32 all_perms[] = { 0, RSM_RIGHT_READ, RSM_RIGHT_WRITE, RW };

/* In a child as @who: a bit for each of all_perms that can connect. */
static int tried_by(const import_self *self, const struct who *who)
{
	int ret, mask = 0, i;
	__u32 error;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid)
		return rsm_wait_child(pid);
	if (become(who))
		_exit(100);
	for (i = 0; i < 4; i++) {
		ret = try_connect(self, self->exp.segid, all_perms[i], &error);
		if (!ret)
			mask |= 1 << i;
		else if (ret != -EACCES || error != RSM_ERR_PERM_DENIED)
			_exit(101);
	}
	_exit(mask);
}

/* The same as the octal digit @digit of a mode promises. */
static int promised(unsigned int digit)
{
	int mask = 0, i;

	for (i = 0; i < 4; i++)
		if (!(all_perms[i] >> 6 & ~digit))
			mask |= 1 << i;
	return mask;
}

/* Make the test's export anew, as OWNER with @mask as umask. */
static int export_as_owner(import_self *self, mode_t mask)
{
	int ret;

	close(self->exp.fd);
	umask(mask);
	if (setegid(GROUP) || seteuid(OWNER))
		return -errno;
	ret = rsm_export_mem(&self->scene, self->exp.mem, LENGTH, &self->exp);
	if (seteuid(0) || setegid(0))
		return -errno;
	umask(022);
	return ret;
}

static const struct {
	struct who who;
	/* position of the digit that judges them */
	int shift;
} users[] = {
	{ { OWNER, GROUP, 0 }, 6 },
	{ { OWNER, OTHER_GROUP, 0 }, 6 },
	{ { OWNER, OTHER_GROUP, GROUP }, 6 },
	{ { OTHER, GROUP, 0 }, 3 },
	{ { OTHER, OTHER_GROUP, GROUP }, 3 },
	{ { OTHER, OTHER_GROUP, 0 }, 0 },
	{ { OTHER, OTHER_GROUP, 7 }, 0 },
};

static void check_mode(struct __test_metadata *_metadata,
		       const import_self *self, unsigned int mode)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(users); i++) {
		EXPECT_EQ(promised(mode >> users[i].shift & 6),
			  tried_by(self, &users[i].who))
			TH_LOG("mode %#o user %u", mode, i);
	}
}

/* Each class is judged by its own digit, even if a lower one gives more. */
TEST_F(import, threat_59_classes_of_users)
{
	static const __u32 modes[] = { 0, 0600, 0060, 0006, 0400, 0020, 0002,
				       0640, 0246, 0624, 0066, 0606, 0666 };
	struct rsm_access_entry acl = { .node = self->scene.node };
	unsigned int i;

	ASSERT_OK(export_as_owner(self, 0));
	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		acl.perm = modes[i];
		ASSERT_OK(rsm_republish(self->exp.fd, &acl, 1, NULL));
		check_mode(_metadata, self, modes[i]);
	}
}

TEST_F(import, umask_without_a_list)
{
	static const mode_t masks[] = { 0, 022, 077, 0777, 0527, 0444 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(masks); i++) {
		ASSERT_OK(export_as_owner(self, masks[i]));
		check_mode(_metadata, self, 0777 & ~masks[i]);
	}
}

/* The umask at creation counts, and no list means it again. */
TEST_F(import, umask_is_that_of_the_creation)
{
	struct rsm_access_entry acl = { .node = self->scene.node, .perm = 0 };

	ASSERT_OK(export_as_owner(self, 027));
	umask(0777);
	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	self->exp.segid = 0;
	ASSERT_OK(rsm_publish(self->exp.fd, &self->exp.segid, NULL, 0, NULL));
	check_mode(_metadata, self, 0640 | 0100 | 0010);
	ASSERT_OK(rsm_republish(self->exp.fd, &acl, 1, NULL));
	check_mode(_metadata, self, 0);
	ASSERT_OK(rsm_republish(self->exp.fd, NULL, 0, NULL));
	check_mode(_metadata, self, 0750);
}

/* Effective ids judge, of both sides. */
TEST_F(import, effective_ids)
{
	struct rsm_access_entry acl = { .node = self->scene.node,
					.perm = 0600 };

	ASSERT_OK(export_as_owner(self, 0));
	ASSERT_OK(rsm_republish(self->exp.fd, &acl, 1, NULL));
	ASSERT_OK(seteuid(OWNER));
	EXPECT_OK(try_connect(self, self->exp.segid, RW, NULL));
	ASSERT_OK(seteuid(0));
	ASSERT_OK(seteuid(OTHER));
	EXPECT_FAIL(EACCES, RSM_ERR_PERM_DENIED,
		    try_connect(self, self->exp.segid, RW, &error));
	ASSERT_OK(seteuid(0));
	/* root's own segment, for a user */
	close(self->exp.fd);
	ASSERT_OK(rsm_export_mem(&self->scene, self->exp.mem, LENGTH,
				 &self->exp));
	ASSERT_OK(rsm_republish(self->exp.fd, &acl, 1, NULL));
	ASSERT_OK(seteuid(OTHER));
	EXPECT_FAIL(EACCES, RSM_ERR_PERM_DENIED,
		    try_connect(self, self->exp.segid, RSM_RIGHT_READ,
				&error));
	ASSERT_OK(seteuid(0));
}

static int drop_capability(int capability)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	data[0].effective &= ~(1U << capability);
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

TEST_F(import, threat_60_cap_ipc_owner_overrides)
{
	struct rsm_access_entry acl = { .node = self->scene.node, .perm = 0 };
	int fd;

	ASSERT_OK(export_as_owner(self, 0));
	ASSERT_OK(rsm_republish(self->exp.fd, &acl, 1, NULL));
	fd = rsm_import(&self->scene, self->exp.segid, RW);
	EXPECT_LE(0, fd);
	EXPECT_NE(MAP_FAILED, rsm_map(fd, LENGTH, PROT_RW));
	ASSERT_OK(drop_capability(CAP_IPC_OWNER));
	EXPECT_FAIL(EACCES, RSM_ERR_PERM_DENIED,
		    try_connect(self, self->exp.segid, RSM_RIGHT_READ,
				&error));
	EXPECT_OK(try_connect(self, self->exp.segid, 0, NULL));
}

struct namespaced {
	const import_self *self;
	int flags;
};

static int connect_in_namespace(void *arg)
{
	const struct namespaced *namespaced = arg;
	__u32 error = 0;

	if (unshare(namespaced->flags))
		return 200;
	try_connect(namespaced->self, namespaced->self->exp.segid, RW, &error);
	return error;
}

/* All capabilities in a user namespace are none over others' segments. */
TEST_F(import, threat_60_user_namespaces)
{
	struct rsm_access_entry acl = { .node = self->scene.node, .perm = 0 };
	struct namespaced namespaced = { self, CLONE_NEWUSER };

	ASSERT_OK(export_as_owner(self, 0));
	ASSERT_OK(rsm_republish(self->exp.fd, &acl, 1, NULL));
	EXPECT_EQ(RSM_ERR_PERM_DENIED,
		  rsm_in_child(connect_in_namespace, &namespaced));
	namespaced.flags |= CLONE_NEWIPC;
	EXPECT_EQ(RSM_ERR_SEG_NOT_PUBLISHED,
		  rsm_in_child(connect_in_namespace, &namespaced));
}

TEST_F(import, republish_is_for_the_future)
{
	struct rsm_access_entry acl = { .node = self->scene.node,
					.perm = 0400 };
	int old = rsm_import(&self->scene, self->exp.segid, RW);
	char *map;

	ASSERT_LE(0, old);
	ASSERT_OK(drop_capability(CAP_IPC_OWNER));
	ASSERT_OK(rsm_republish(self->exp.fd, &acl, 1, NULL));
	map = rsm_map(old, LENGTH, PROT_RW);
	ASSERT_NE(MAP_FAILED, map);
	map[0] = 42;
	EXPECT_EQ(42, self->exp.mem[0]);
	EXPECT_EQ(0, poll_now(old));
	EXPECT_FAIL(EACCES, RSM_ERR_PERM_DENIED,
		    try_connect(self, self->exp.segid, RW, &error));
	EXPECT_OK(try_connect(self, self->exp.segid, RSM_RIGHT_READ, NULL));
	acl.perm = 0600;
	ASSERT_OK(rsm_republish(self->exp.fd, &acl, 1, NULL));
	EXPECT_OK(try_connect(self, self->exp.segid, RW, NULL));
}

/* Rights come from the class that let the importer in, not from another. */
TEST_F(import, rights_of_the_class)
{
	struct rsm_access_entry acl = { .node = self->scene.node,
					.perm = 0006 };
	char *map;
	int fd;

	ASSERT_OK(export_as_owner(self, 0));
	ASSERT_OK(rsm_republish(self->exp.fd, &acl, 1, NULL));
	ASSERT_OK(setegid(OTHER_GROUP));
	ASSERT_OK(seteuid(OTHER));
	fd = rsm_import(&self->scene, self->exp.segid, RW);
	ASSERT_LE(0, fd);
	map = rsm_map(fd, LENGTH, PROT_RW);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-1, rsm_stamp_check(map, LENGTH, 1));
	ASSERT_OK(seteuid(0));
}

/* Imports among each other */

TEST_F(import, own_segment)
{
	char *map = rsm_import_view(&self->scene, self->exp.segid, LENGTH);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-1, rsm_stamp_check(map, LENGTH, 1));
	map[5] = 42;
	EXPECT_EQ(42, self->exp.mem[5]);
}

TEST_F(import, many)
{
	struct rlimit limit = { 1024, 1024 };
	int fds[500], i;

	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	for (i = 0; i < 500; i++) {
		fds[i] = rsm_import(&self->scene, self->exp.segid, RW);
		ASSERT_LE(0, fds[i]);
	}
	EXPECT_EQ(500, rsm_stat("imports") - self->scene.before.imports);
	for (i = 0; i < 500; i += 2)
		close(fds[i]);
	EXPECT_EQ(250, rsm_stat("imports") - self->scene.before.imports);
	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	for (i = 1; i < 500; i += 2)
		EXPECT_EQ(DEAD, poll_now(fds[i]));
}

TEST_F(import, closing_one_is_nothing_to_others)
{
	int one = rsm_import(&self->scene, self->exp.segid, RW);
	char *map = rsm_import_view(&self->scene, self->exp.segid, LENGTH);

	ASSERT_LE(0, one);
	ASSERT_NE(MAP_FAILED, map);
	close(one);
	EXPECT_EQ(-1, rsm_stamp_check(map, LENGTH, 1));
}

static int map_inherited(void *arg)
{
	char *map = rsm_map(*(int *)arg, LENGTH, PROT_RW);

	if (map == MAP_FAILED || rsm_stamp_check(map, LENGTH, 1) != -1)
		return 1;
	map[0] = 42;
	return 0;
}

TEST_F(import, inherited_descriptor)
{
	int fd = rsm_import(&self->scene, self->exp.segid, RW);

	ASSERT_LE(0, fd);
	EXPECT_OK(rsm_in_child(map_inherited, &fd));
	EXPECT_EQ(42, self->exp.mem[0]);
}

TEST_F(import, publish_again_leaves_old_imports_dead)
{
	const volatile struct rsm_status *status;
	int old = rsm_import(&self->scene, self->exp.segid, RW);
	char *map = rsm_map(old, LENGTH, PROT_RW);
	__u32 segid = 0x400033;
	int i;

	ASSERT_NE(MAP_FAILED, map);
	status = rsm_map_status(old);
	ASSERT_NE(MAP_FAILED, (const void *)status);
	for (i = 0; i < 3; i++) {
		ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
		ASSERT_OK(rsm_publish(self->exp.fd, &segid, NULL, 0, NULL));
		EXPECT_EQ(RSM_STATE_ABORTED, status->state);
		EXPECT_EQ(DEAD, poll_now(old));
		EXPECT_EQ(0, *(volatile uint64_t *)map);
		EXPECT_EQ(MAP_FAILED, rsm_map(old, LENGTH, PROT_READ));
		EXPECT_EQ(ENODEV, errno);
	}
	/* while a new one works */
	map = rsm_import_view(&self->scene, segid, LENGTH);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-1, rsm_stamp_check(map, LENGTH, 1));
}

/* Another segment under the same id is another segment. */
TEST_F(import, threat_64_id_used_again)
{
	struct rsm_export other;
	__u32 segid = 0x400034;
	char *map;
	int old;

	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	ASSERT_OK(rsm_publish(self->exp.fd, &segid, NULL, 0, NULL));
	old = rsm_import(&self->scene, segid, RW);
	map = rsm_map(old, LENGTH, PROT_RW);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_OK(rsm_destroy(self->exp.fd, NULL));
	ASSERT_OK(rsm_export_new(&self->scene, LENGTH, 9, &other));
	ASSERT_OK(rsm_unpublish(other.fd, NULL));
	ASSERT_OK(rsm_publish(other.fd, &segid, NULL, 0, NULL));
	EXPECT_EQ(DEAD, poll_now(old));
	memset(map, 5, LENGTH);
	EXPECT_EQ(-1, rsm_stamp_check(other.mem, LENGTH, 9));
}

/* poll */

TEST_F(import, poll_of_a_live_one)
{
	struct pollfd pollfd = { .events = POLLIN | POLLOUT | POLLPRI };

	pollfd.fd = rsm_import(&self->scene, self->exp.segid, RW);
	ASSERT_LE(0, pollfd.fd);
	EXPECT_EQ(0, poll(&pollfd, 1, 50));
	EXPECT_EQ(0, pollfd.revents);
	ASSERT_OK(rsm_rebind(self->exp.fd, self->exp.mem, LENGTH, NULL));
	EXPECT_EQ(0, poll(&pollfd, 1, 50));
	pollfd.fd = self->exp.fd;
	EXPECT_EQ(0, poll(&pollfd, 1, 50));
}

TEST_F(import, poll_of_an_export)
{
	EXPECT_EQ(0, poll_now(self->exp.fd));
	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	EXPECT_EQ(0, poll_now(self->exp.fd));
	ASSERT_OK(rsm_destroy(self->exp.fd, NULL));
	EXPECT_EQ(DEAD, poll_now(self->exp.fd));
}

static void *wait_for_end(void *arg)
{
	struct pollfd *pollfd = arg;

	/* POLLERR and POLLHUP need not be asked for */
	poll(pollfd, 1, 10000);
	return NULL;
}

FIXTURE(wakeup)
{
	import_self import;
	struct pollfd pollfd;
	pthread_t thread;
};

FIXTURE_VARIANT(wakeup)
{
	int (*end)(const import_self *self);
	bool of_export;
};

static int end_unpublish(const import_self *self)
{
	return rsm_unpublish(self->exp.fd, NULL);
}

static int end_destroy(const import_self *self)
{
	return rsm_destroy(self->exp.fd, NULL);
}

static int end_close(const import_self *self)
{
	return close(self->exp.fd);
}

FIXTURE_VARIANT_ADD(wakeup, unpublish)
{
	.end = end_unpublish,
};

FIXTURE_VARIANT_ADD(wakeup, destroy)
{
	.end = end_destroy,
};

FIXTURE_VARIANT_ADD(wakeup, close)
{
	.end = end_close,
};

FIXTURE_VARIANT_ADD(wakeup, export_destroy)
{
	.end = end_destroy,
	.of_export = true,
};

FIXTURE_SETUP(wakeup)
{
	import_setup(_metadata, &self->import, NULL);
	self->pollfd.fd = variant->of_export ? self->import.exp.fd :
			  rsm_import(&self->import.scene,
				     self->import.exp.segid, RW);
	ASSERT_LE(0, self->pollfd.fd);
	ASSERT_OK(pthread_create(&self->thread, NULL, wait_for_end,
				 &self->pollfd));
	/* most likely it sleeps by now; if not, nothing is lost */
	rsm_sleep_ms(100);
}

FIXTURE_TEARDOWN(wakeup)
{
	EXPECT_TRUE(rsm_scene_close(&self->import.scene));
}

TEST_F(wakeup, poll)
{
	ASSERT_OK(variant->end(&self->import));
	pthread_join(self->thread, NULL);
	EXPECT_EQ(DEAD, self->pollfd.revents);
}

TEST_F(import, epoll)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int fd = rsm_import(&self->scene, self->exp.segid, RW);
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	ASSERT_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
	EXPECT_EQ(0, epoll_wait(epoll, &event, 1, 50));
	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	EXPECT_EQ(1, epoll_wait(epoll, &event, 1, 5000));
	EXPECT_EQ(EPOLLERR | EPOLLHUP, event.events);
	/* a watched descriptor that is closed leaves the set */
	close(fd);
	EXPECT_EQ(0, epoll_wait(epoll, &event, 1, 0));
	close(epoll);
}

/* Status pages, which exports and imports have alike */

FIXTURE(status)
{
	import_self import;
	int fd;
};

FIXTURE_VARIANT(status)
{
	bool of_export;
};

FIXTURE_VARIANT_ADD(status, export)
{
	.of_export = true,
};

FIXTURE_VARIANT_ADD(status, import)
{
	.of_export = false,
};

FIXTURE_SETUP(status)
{
	import_setup(_metadata, &self->import, NULL);
	self->fd = variant->of_export ? self->import.exp.fd :
		   rsm_import(&self->import.scene, self->import.exp.segid, RW);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(status)
{
	EXPECT_TRUE(rsm_scene_close(&self->import.scene));
}

static int try_status(int fd, size_t length, int prot, int flags, off_t offset)
{
	void *map = mmap(NULL, length, prot, flags, fd,
			 RSM_STATUS_OFFSET + offset);

	if (map == MAP_FAILED)
		return -errno;
	munmap(map, length);
	return 0;
}

TEST_F(status, what_can_be_mapped)
{
	EXPECT_OK(try_status(self->fd, PAGE, PROT_READ, MAP_SHARED, 0));
	EXPECT_OK(try_status(self->fd, 1, PROT_READ, MAP_SHARED, 0));
	EXPECT_OK(try_status(self->fd, PAGE, PROT_NONE, MAP_SHARED, 0));
	EXPECT_EQ(-EACCES, try_status(self->fd, PAGE, PROT_RW, MAP_SHARED, 0));
	EXPECT_EQ(-EACCES, try_status(self->fd, PAGE, PROT_WRITE, MAP_SHARED,
				      0));
	EXPECT_NO_EXEC(try_status(self->fd, PAGE, PROT_READ | PROT_EXEC,
				  MAP_SHARED, 0));
	EXPECT_EQ(-EINVAL, try_status(self->fd, PAGE, PROT_READ, MAP_PRIVATE,
				      0));
	EXPECT_EQ(-ENXIO, try_status(self->fd, 2 * PAGE, PROT_READ, MAP_SHARED,
				     0));
	EXPECT_EQ(-ENXIO, try_status(self->fd, PAGE, PROT_READ, MAP_SHARED,
				     PAGE));
	EXPECT_EQ(-ENXIO, try_status(self->fd, PAGE, PROT_READ, MAP_SHARED,
				     -PAGE));
}

static const volatile struct rsm_status *map_status(int fd)
{
	return rsm_map_status(fd);
}

TEST_F(status, threat_08_cannot_be_written)
{
	char *map = (char *)map_status(self->fd);
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	__u64 word = 0;

	ASSERT_NE(MAP_FAILED, (void *)map);
	ASSERT_LE(0, mem);
	EXPECT_EQ(-1, mprotect(map, PAGE, PROT_RW));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, mprotect(map, PAGE, PROT_READ | PROT_EXEC));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, pwrite(mem, &word, 8, (off_t)(uintptr_t)map));
	EXPECT_EQ(8, pread(mem, &word, 8, (off_t)(uintptr_t)map));
	EXPECT_EQ(RSM_STATE_LIVE, word);
	EXPECT_EQ(MAP_FAILED, mremap(map, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(RSM_STATE_LIVE, map_status(self->fd)->state);
}

TEST_F(status, content)
{
	const volatile struct rsm_status *status = map_status(self->fd);
	const volatile char *byte = (const volatile char *)status;
	size_t i;

	ASSERT_NE(MAP_FAILED, (const void *)status);
	EXPECT_EQ(RSM_STATE_LIVE, status->state);
	EXPECT_EQ(0, status->signals);
	EXPECT_EQ(0, status->rebinds);
	for (i = sizeof(*status); i < PAGE; i++)
		EXPECT_EQ(0, byte[i]);
	ASSERT_OK(rsm_destroy(self->import.exp.fd, NULL));
	EXPECT_EQ(RSM_STATE_ABORTED, status->state);
	EXPECT_EQ(0, status->signals);
	EXPECT_EQ(0, status->rebinds);
	/* also for one that looks only now */
	status = map_status(self->fd);
	ASSERT_NE(MAP_FAILED, (const void *)status);
	EXPECT_EQ(RSM_STATE_ABORTED, status->state);
}

TEST_F(status, outlives_the_descriptor)
{
	const volatile struct rsm_status *status = map_status(self->fd);

	ASSERT_NE(MAP_FAILED, (const void *)status);
	close(self->fd);
	EXPECT_EQ(RSM_STATE_LIVE, status->state);
	if (!variant->of_export) {
		ASSERT_OK(rsm_unpublish(self->import.exp.fd, NULL));
		EXPECT_EQ(RSM_STATE_ABORTED, status->state);
	}
}

static int load_status(void *arg)
{
	return ((const volatile struct rsm_status *)arg)->state;
}

TEST_F(status, moved_and_inherited)
{
	char *to = rsm_alloc(PAGE);
	void *map = mremap((void *)map_status(self->fd), PAGE, PAGE,
			   MREMAP_MAYMOVE | MREMAP_FIXED, to);

	ASSERT_EQ(to, map);
	EXPECT_EQ(RSM_STATE_LIVE, load_status(map));
	EXPECT_EQ(RSM_STATE_LIVE, rsm_in_child(load_status, map));
}

TEST_F(import, export_has_nothing_else_to_map)
{
	EXPECT_EQ(MAP_FAILED, rsm_map(self->exp.fd, LENGTH, PROT_READ));
	EXPECT_EQ(ENXIO, errno);
}

TEST_F(import, unpublish_is_not_the_end_of_an_export)
{
	const volatile struct rsm_status *exp = map_status(self->exp.fd);
	const volatile struct rsm_status *imp;
	int fd = rsm_import(&self->scene, self->exp.segid, RW);

	ASSERT_NE(MAP_FAILED, (const void *)exp);
	imp = map_status(fd);
	ASSERT_NE(MAP_FAILED, (const void *)imp);
	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	EXPECT_EQ(RSM_STATE_LIVE, exp->state);
	EXPECT_EQ(RSM_STATE_ABORTED, imp->state);
}

TEST_HARNESS_MAIN
