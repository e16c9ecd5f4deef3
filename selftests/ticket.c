// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tickets: who may make one, what it is good for and for how long, and that
 * whoever holds it needs nothing else.
 */
#include "rsm_utils.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#define PAGE 4096UL
#define LENGTH (4 * PAGE)
#define RW (RSM_RIGHT_READ | RSM_RIGHT_WRITE)
#define PROT_RW (PROT_READ | PROT_WRITE)
#define DEAD (POLLERR | POLLHUP)
#define MS 1000000ULL
#define RACE_MS 2000

/* Users without privileges. */
#define OWNER 1001
#define OTHER 1002

FIXTURE(ticket)
{
	struct rsm_scene scene;
	struct rsm_export exp;
	int fd;
	int socket[2];
};

FIXTURE_SETUP(ticket)
{
	ASSERT_OK(rsm_scene_open(&self->scene));
	ASSERT_OK(rsm_export_locks(&self->scene, LENGTH, 1, &self->exp));
	ASSERT_OK(rsm_grant(self->exp.fd, RW, &self->fd, NULL));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				self->socket));
}

FIXTURE_TEARDOWN(ticket)
{
	EXPECT_TRUE(rsm_scene_close(&self->scene));
}

typedef FIXTURE_DATA(ticket) ticket_self;

/* Connect and, if that works, close. */
static int try_redeem(int ticket, __u32 perm, __u32 *error)
{
	int fd;
	int ret = rsm_redeem(ticket, perm, &fd, error);

	if (!ret)
		close(fd);
	return ret;
}

static int try_grant(int export, __u32 rights, __u32 *error)
{
	int fd;
	int ret = rsm_grant(export, rights, &fd, error);

	if (!ret)
		close(fd);
	return ret;
}

static int poll_now(int fd)
{
	struct pollfd pollfd = { .fd = fd };

	poll(&pollfd, 1, 0);
	return pollfd.revents;
}

/* What is refused, and in which order */

static const __u32 bad_rights[] = { 0100, 0040, 0004, 0666, 0700, 01600, 1,
				    1U << 31, ~0U };

static int grant_as_another(void *arg)
{
	ticket_self *self = arg;
	__u32 errors[2];

	if (try_grant(self->exp.fd, RW, &errors[0]) != -EPERM ||
	    try_grant(self->exp.fd, ~0U, &errors[1]) != -EPERM)
		return 1;
	return errors[0] != RSM_ERR_NOT_CREATOR ||
	       errors[1] != RSM_ERR_NOT_CREATOR;
}

TEST_F(ticket, threat_15_only_the_creator_grants)
{
	EXPECT_EQ(0, rsm_in_child(grant_as_another, self));
	/* nor when there is nothing to grant */
	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	EXPECT_EQ(0, rsm_in_child(grant_as_another, self));
}

TEST_F(ticket, grant_bad_rights)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad_rights); i++) {
		EXPECT_FAIL(EINVAL, RSM_ERR_BAD_PERMS,
			    try_grant(self->exp.fd, bad_rights[i], &error));
	}
	/* before the publication */
	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_PERMS,
		    try_grant(self->exp.fd, 0100, &error));
}

TEST_F(ticket, grant_not_published)
{
	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	EXPECT_FAIL(ENOENT, RSM_ERR_SEG_NOT_PUBLISHED,
		    try_grant(self->exp.fd, RW, &error));
	ASSERT_OK(rsm_destroy(self->exp.fd, NULL));
	EXPECT_FAIL(ENOENT, RSM_ERR_SEG_NOT_PUBLISHED,
		    try_grant(self->exp.fd, RW, &error));
}

TEST_F(ticket, connect_bad_rights)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad_rights); i++) {
		EXPECT_FAIL(EINVAL, RSM_ERR_BAD_PERMS,
			    try_redeem(self->fd, bad_rights[i], &error));
	}
}

/* No more than was granted, and less as well. */
TEST_F(ticket, rights)
{
	static const __u32 perms[] = { 0, RSM_RIGHT_READ, RSM_RIGHT_WRITE, RW };
	unsigned int i, j;
	int fd;

	for (i = 0; i < 4; i++) {
		ASSERT_OK(rsm_grant(self->exp.fd, perms[i], &fd, NULL));
		for (j = 0; j < 4; j++) {
			if (perms[j] & ~perms[i]) {
				EXPECT_FAIL(EACCES, RSM_ERR_PERM_DENIED,
					    try_redeem(fd, perms[j], &error));
			} else {
				EXPECT_OK(try_redeem(fd, perms[j], NULL));
			}
		}
		close(fd);
	}
}

/* What is wrong with the rights is told first, also of a ticket that ended. */
TEST_F(ticket, connect_errors_in_order)
{
	int fd;

	ASSERT_OK(rsm_grant(self->exp.fd, RSM_RIGHT_READ, &fd, NULL));
	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_PERMS, try_redeem(fd, ~0U, &error));
	EXPECT_FAIL(EACCES, RSM_ERR_PERM_DENIED, try_redeem(fd, RW, &error));
	EXPECT_FAIL(ENOENT, RSM_ERR_SEG_NOT_PUBLISHED,
		    try_redeem(fd, RSM_RIGHT_READ, &error));
}

/* An import like any other */

TEST_F(ticket, import_works)
{
	char buffer[64], *map;
	int fd;

	ASSERT_OK(rsm_redeem(self->fd, RW, &fd, NULL));
	/* it does not need the ticket any more */
	close(self->fd);
	map = rsm_map(fd, LENGTH, PROT_RW);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-1, rsm_stamp_check(map, LENGTH, 1));
	map[100] = 42;
	EXPECT_EQ(42, self->exp.mem[100]);
	memset(buffer, 7, sizeof(buffer));
	EXPECT_OK(rsm_put(fd, buffer, PAGE - 32, sizeof(buffer), NULL));
	EXPECT_EQ(0, memcmp(buffer, self->exp.mem + PAGE - 32,
			    sizeof(buffer)));
	EXPECT_OK(rsm_get(fd, buffer, 100, 1, NULL));
	EXPECT_EQ(42, buffer[0]);
	EXPECT_OK(rsm_post(fd, 0, NULL));
	EXPECT_OK(rsm_take(self->exp.fd, 0, NULL));
	EXPECT_OK(rsm_post(self->exp.fd, 0, NULL));
	EXPECT_OK(rsm_take(fd, 0, NULL));
	EXPECT_OK(rsm_lock(fd, 0, 0, NULL, NULL));
	EXPECT_EQ(-ETIMEDOUT, rsm_lock(self->exp.fd, 0, 0, NULL, NULL));
	EXPECT_OK(rsm_atomic(fd, RSM_ATOMIC_ADD, 2 * PAGE, 0, 1, NULL, NULL));
	EXPECT_EQ(0, poll_now(fd));
	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	EXPECT_EQ(DEAD, poll_now(fd));
	EXPECT_EQ(0, *(volatile uint64_t *)map);
	EXPECT_FAIL(ECONNABORTED, RSM_ERR_CONN_ABORTED,
		    rsm_put(fd, buffer, 0, 8, &error));
	EXPECT_OK(rsm_lock(self->exp.fd, 0, 0, NULL, NULL));
}

TEST_F(ticket, import_with_one_right)
{
	char byte = 0;
	int fd;

	ASSERT_OK(rsm_redeem(self->fd, RSM_RIGHT_READ, &fd, NULL));
	EXPECT_EQ(MAP_FAILED, rsm_map(fd, LENGTH, PROT_RW));
	EXPECT_EQ(EACCES, errno);
	EXPECT_NE(MAP_FAILED, rsm_map(fd, LENGTH, PROT_READ));
	EXPECT_FAIL(EACCES, RSM_ERR_PERM_DENIED,
		    rsm_put(fd, &byte, 0, 1, &error));
	EXPECT_OK(rsm_get(fd, &byte, 0, 1, NULL));
}

TEST_F(ticket, import_is_rebound)
{
	void *later = rsm_alloc(LENGTH), *map;
	int fd;

	ASSERT_OK(rsm_redeem(self->fd, RW, &fd, NULL));
	map = rsm_map(fd, LENGTH, PROT_RW);
	ASSERT_NE(MAP_FAILED, map);
	rsm_stamp(later, LENGTH, 2);
	ASSERT_OK(rsm_rebind(self->exp.fd, later, LENGTH, NULL));
	EXPECT_EQ(-1, rsm_stamp_check(map, LENGTH, 2));
	/* a rebind is no end of it */
	EXPECT_OK(try_redeem(self->fd, RW, NULL));
}

TEST_F(ticket, used_again_and_again)
{
	int fds[20], i;

	for (i = 0; i < 20; i++)
		ASSERT_OK(rsm_redeem(self->fd, RW, &fds[i], NULL));
	EXPECT_EQ(20, rsm_stat("imports") - self->scene.before.imports);
	EXPECT_EQ(1, rsm_stat("tickets") - self->scene.before.tickets);
	EXPECT_OK(rsm_post(self->exp.fd, 0, NULL));
	for (i = 0; i < 20; i++)
		EXPECT_OK(rsm_take(fds[i], 0, NULL));
}

/* Those who could not connect otherwise */

static int map_and_check(int fd)
{
	char *map = rsm_map(fd, LENGTH, PROT_RW);

	if (map == MAP_FAILED || rsm_stamp_check(map, LENGTH, 1) != -1)
		return 10;
	map[100] = 42;
	return 0;
}

static int redeem_and_check(int ticket)
{
	int fd;

	if (rsm_redeem(ticket, RW, &fd, NULL))
		return 11;
	return map_and_check(fd);
}

static int redeem_not_listed(void *arg)
{
	ticket_self *self = arg;

	if (rsm_import(&self->scene, self->exp.segid, RSM_RIGHT_READ) !=
	    -EACCES)
		return 1;
	return redeem_and_check(self->fd);
}

TEST_F(ticket, whatever_the_access_list_says)
{
	struct rsm_access_entry acl = { .node = self->scene.node, .perm = 0 };

	/* which may change meanwhile */
	ASSERT_OK(rsm_republish(self->exp.fd, &acl, 1, NULL));
	EXPECT_EQ(0, rsm_in_child_as(OTHER, redeem_not_listed, self));
	EXPECT_EQ(42, self->exp.mem[100]);
}

/* Another world: of users, of IPC, or of both */

struct elsewhere {
	ticket_self *self;
	int flags;
};

static int redeem_elsewhere(void *arg)
{
	struct elsewhere *elsewhere = arg;
	ticket_self *self = elsewhere->self;

	if (unshare(elsewhere->flags))
		return 1;
	if (elsewhere->flags & CLONE_NEWIPC &&
	    rsm_import(&self->scene, self->exp.segid, RW) != -ENOENT)
		return 2;
	return redeem_and_check(self->fd);
}

TEST_F(ticket, threat_60_from_other_namespaces)
{
	static const int flags[] = {
		CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWUSER | CLONE_NEWIPC,
		CLONE_NEWUSER | CLONE_NEWIPC | CLONE_NEWNS | CLONE_NEWPID,
	};
	struct elsewhere elsewhere = { .self = self };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		elsewhere.flags = flags[i];
		self->exp.mem[100] = 0;
		EXPECT_EQ(0, rsm_in_child(redeem_elsewhere, &elsewhere));
		EXPECT_EQ(42, self->exp.mem[100]);
	}
}

/* With nothing but a socket, through which the ticket comes. */
static int receive_and_redeem(void *arg)
{
	ticket_self *self = arg;
	int ticket;

	dup2(self->socket[1], 3);
	close_range(4, ~0U, 0);
	if (chroot("/sys") || chdir("/") || rsm_drop_to(RSM_NOBODY))
		return 1;
	if (rsm_open() != -ENOENT)
		return 2;
	ticket = rsm_receive_fd(3);
	return ticket < 0 ? 3 : redeem_and_check(ticket);
}

TEST_F(ticket, passed_through_a_socket)
{
	pid_t pid = rsm_start_child(receive_and_redeem, self);

	ASSERT_OK(rsm_send_fd(self->socket[0], self->fd));
	/* it is theirs now */
	close(self->fd);
	EXPECT_EQ(0, rsm_wait_child(pid));
	EXPECT_EQ(42, self->exp.mem[100]);
}

/* The end of a ticket */

FIXTURE(ending)
{
	ticket_self ticket;
	__u32 segid;
	int fd;
	int imp;
};

FIXTURE_VARIANT(ending)
{
	int (*end)(const struct rsm_export *exp, __u32 segid);
};

static int end_unpublish(const struct rsm_export *exp, __u32 segid)
{
	(void)segid;
	return rsm_unpublish(exp->fd, NULL);
}

/* The same id, and the same segment, but another publication. */
static int end_publish_again(const struct rsm_export *exp, __u32 segid)
{
	return rsm_unpublish(exp->fd, NULL) ?:
	       rsm_publish(exp->fd, &segid, NULL, 0, NULL);
}

static int end_destroy(const struct rsm_export *exp, __u32 segid)
{
	(void)segid;
	return rsm_destroy(exp->fd, NULL);
}

static int end_close(const struct rsm_export *exp, __u32 segid)
{
	(void)segid;
	return close(exp->fd);
}

FIXTURE_VARIANT_ADD(ending, unpublish) { .end = end_unpublish };
FIXTURE_VARIANT_ADD(ending, publish_again) { .end = end_publish_again };
FIXTURE_VARIANT_ADD(ending, destroy) { .end = end_destroy };
FIXTURE_VARIANT_ADD(ending, close) { .end = end_close };

FIXTURE_SETUP(ending)
{
	ticket_self *ticket = &self->ticket;

	ticket_setup(_metadata, ticket, NULL);
	self->segid = 0x400041;
	ASSERT_OK(rsm_unpublish(ticket->exp.fd, NULL));
	ASSERT_OK(rsm_publish(ticket->exp.fd, &self->segid, NULL, 0, NULL));
	ASSERT_OK(rsm_grant(ticket->exp.fd, RW, &self->fd, NULL));
	ASSERT_OK(rsm_redeem(self->fd, RW, &self->imp, NULL));
}

FIXTURE_TEARDOWN(ending)
{
	ticket_teardown(_metadata, &self->ticket, NULL);
}

TEST_F(ending, threat_64_ends_ticket_and_import)
{
	EXPECT_EQ(0, poll_now(self->imp));
	ASSERT_OK(variant->end(&self->ticket.exp, self->segid));
	EXPECT_EQ(DEAD, poll_now(self->imp));
	EXPECT_FAIL(ENOENT, RSM_ERR_SEG_NOT_PUBLISHED,
		    try_redeem(self->fd, RW, &error));
	EXPECT_FAIL(ENOENT, RSM_ERR_SEG_NOT_PUBLISHED,
		    try_redeem(self->fd, 0, &error));
	/* nor does the one of the first publication live up again */
	EXPECT_FAIL(ENOENT, RSM_ERR_SEG_NOT_PUBLISHED,
		    try_redeem(self->ticket.fd, RW, &error));
}

/* A ticket that somebody keeps is no burden to the exporter. */
TEST_F(ticket, holds_no_memory)
{
	close(self->exp.fd);
	EXPECT_EQ(self->scene.before.pinned_pages, rsm_stat("pinned_pages"));
	EXPECT_EQ(self->scene.before.page_sets, rsm_stat("page_sets"));
	EXPECT_EQ(self->scene.vm_pin, rsm_vm_pin());
	EXPECT_EQ(1, rsm_stat("tickets") - self->scene.before.tickets);
}

static int export_and_send(void *arg)
{
	ticket_self *self = arg;
	struct rsm_export exp;
	char byte;
	int fd;

	close(self->socket[0]);
	if (rsm_export_new(&self->scene, LENGTH, 1, &exp) ||
	    rsm_grant(exp.fd, RW, &fd, NULL) ||
	    rsm_send_fd(self->socket[1], fd))
		return 1;
	return read(self->socket[1], &byte, 1) != 1;
}

TEST_F(ticket, exporter_exits)
{
	pid_t pid = rsm_start_child(export_and_send, self);
	int ticket = rsm_receive_fd(self->socket[0]);
	int fd;

	ASSERT_LE(0, ticket);
	ASSERT_OK(rsm_redeem(ticket, RW, &fd, NULL));
	EXPECT_EQ(0, map_and_check(fd));
	ASSERT_EQ(1, write(self->socket[0], "", 1));
	EXPECT_EQ(0, rsm_wait_child(pid));
	EXPECT_EQ(DEAD, poll_now(fd));
	EXPECT_FAIL(ENOENT, RSM_ERR_SEG_NOT_PUBLISHED,
		    try_redeem(ticket, RW, &error));
}

TEST_F(ticket, copies)
{
	int copy = dup(self->fd);

	close(self->fd);
	EXPECT_OK(try_redeem(copy, RW, NULL));
	EXPECT_EQ(1, rsm_stat("tickets") - self->scene.before.tickets);
	close(copy);
	EXPECT_EQ(0, rsm_stat("tickets") - self->scene.before.tickets);
	/* which is nothing to other tickets */
	ASSERT_OK(rsm_grant(self->exp.fd, RW, &self->fd, NULL));
	EXPECT_OK(try_redeem(self->fd, RW, NULL));
}

TEST_F(ticket, lost_on_the_way)
{
	ASSERT_OK(rsm_send_fd(self->socket[0], self->fd));
	close(self->fd);
	EXPECT_EQ(1, rsm_stat("tickets") - self->scene.before.tickets);
	close(self->socket[0]);
	close(self->socket[1]);
	EXPECT_TRUE(rsm_stat("tickets") == self->scene.before.tickets);
}

/* In a queue that only the queue itself holds */
TEST_F(ticket, lost_in_a_circle)
{
	int sockets[2], i;

	ASSERT_OK(rsm_send_fd(self->socket[0], self->socket[1]));
	ASSERT_OK(rsm_send_fd(self->socket[0], self->fd));
	close(self->socket[0]);
	close(self->socket[1]);
	close(self->fd);
	/* the kernel looks for such ones when others are closed */
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
		ASSERT_OK(rsm_send_fd(sockets[0], sockets[0]));
		close(sockets[0]);
		close(sockets[1]);
		if (rsm_stat("tickets") == self->scene.before.tickets)
			break;
		rsm_sleep_ms(20);
	}
	EXPECT_EQ(self->scene.before.tickets, rsm_stat("tickets"));
}

/* Limits */

struct limited {
	const struct rsm_scene *scene;
	int max;
};

/* One export, and as many tickets and imports as there may be beside it. */
static int reach_limit(void *arg)
{
	struct limited *limited = arg;
	struct rsm_export exp = { .fd = -1 };
	int fds[16], count = 0, fd;
	__u32 error;

	if (rsm_export_new(limited->scene, LENGTH, 1, &exp))
		return 1;
	while (count < limited->max - 2)
		if (rsm_grant(exp.fd, RW, &fds[count++], NULL))
			return 2;
	if (rsm_redeem(fds[0], RW, &fd, NULL))
		return 3;
	if (try_grant(exp.fd, RW, &error) != -ENOSPC ||
	    error != RSM_ERR_INSUFFICIENT_RESOURCES)
		return 4;
	if (try_redeem(fds[0], RW, &error) != -ENOSPC ||
	    error != RSM_ERR_INSUFFICIENT_RESOURCES)
		return 5;
	/* and it is the number of those that are */
	close(fds[1]);
	if (try_redeem(fds[0], RW, NULL) || try_grant(exp.fd, RW, NULL))
		return 6;
	return 0;
}

TEST_F(ticket, counted_for_its_user)
{
	struct limited limited = { .scene = &self->scene, .max = 8 };
	long before = rsm_param("max_user_segments", limited.max);

	ASSERT_LE(0, before);
	EXPECT_EQ(0, rsm_in_child_as(OWNER, reach_limit, &limited));
	/* nothing of it stays counted */
	EXPECT_EQ(0, rsm_in_child_as(OWNER, reach_limit, &limited));
	rsm_param("max_user_segments", before);
}

static int use_up_descriptors(int limit)
{
	struct rlimit rlimit = { limit, limit };
	int last = -1, next;

	if (setrlimit(RLIMIT_NOFILE, &rlimit))
		return -errno;
	while ((next = dup(STDERR_FILENO)) >= 0)
		last = next;
	return last;
}

TEST_F(ticket, threat_28_no_descriptor_left)
{
	struct rsm_stats before, after;
	int i, last, fd;

	last = use_up_descriptors(64);
	ASSERT_LT(0, last);
	/* reading it takes one */
	close(last);
	rsm_stats_read(&before);
	ASSERT_EQ(last, dup(STDERR_FILENO));
	for (i = 0; i < 16; i++) {
		EXPECT_FAIL(EMFILE, RSM_ERR_INSUFFICIENT_RESOURCES,
			    rsm_grant(self->exp.fd, RW, &fd, &error));
		EXPECT_FAIL(EMFILE, RSM_ERR_INSUFFICIENT_RESOURCES,
			    rsm_redeem(self->fd, RW, &fd, &error));
	}
	close(last);
	rsm_stats_read(&after);
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	EXPECT_OK(rsm_redeem(self->fd, RW, &fd, NULL));
	EXPECT_EQ(last, fd);
}

/* A ticket and its end at the same time */

struct redeemer {
	int ticket;
	int last;
	int count;
	int ret;
	__u32 error;
};

static void *redeem_on(void *arg)
{
	struct redeemer *redeemer = arg;
	int fd;

	for (;;) {
		redeemer->ret = rsm_redeem(redeemer->ticket, RW, &fd,
					   &redeemer->error);
		if (redeemer->ret)
			return NULL;
		close(redeemer->last);
		redeemer->last = fd;
		__atomic_fetch_add(&redeemer->count, 1, __ATOMIC_RELAXED);
	}
}

/* No import of an ended ticket is alive. */
TEST_F(ticket, threat_30_connect_and_unpublish)
{
	long end = rsm_now_ms() + RACE_MS;
	pthread_t thread;

	while (rsm_now_ms() < end) {
		struct redeemer redeemer = { .last = -1 };

		ASSERT_OK(rsm_grant(self->exp.fd, RW, &redeemer.ticket, NULL));
		ASSERT_OK(pthread_create(&thread, NULL, redeem_on, &redeemer));
		while (!__atomic_load_n(&redeemer.count, __ATOMIC_RELAXED))
			sched_yield();
		ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
		pthread_join(thread, NULL);
		EXPECT_EQ(-ENOENT, redeemer.ret);
		EXPECT_EQ(RSM_ERR_SEG_NOT_PUBLISHED, redeemer.error);
		EXPECT_EQ(DEAD, poll_now(redeemer.last));
		close(redeemer.last);
		close(redeemer.ticket);
		self->exp.segid = 0;
		ASSERT_OK(rsm_publish(self->exp.fd, &self->exp.segid, NULL, 0,
				      NULL));
	}
}

TEST_HARNESS_MAIN
