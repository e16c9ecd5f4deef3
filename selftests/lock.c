// SPDX-License-Identifier: GPL-2.0-only
/*
 * Locks of segments: one owner at a time, first come first served, and an
 * owner that dies is found out. Two handles are two owners, even in one
 * process, so that most tests need no other.
 */
#include "rsm_utils.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>

#define PAGE 4096UL
#define LENGTH (4 * PAGE)
#define RW (RSM_RIGHT_READ | RSM_RIGHT_WRITE)
#define PROT_RW (PROT_READ | PROT_WRITE)
#define MS 1000000ULL

/* How long something may take, and how long nothing must happen. */
#define BOUND_MS 5000
#define STILL_MS 100

#define WAITERS 6

/* What a process becomes that has called exec: it only has to be there. */
__attribute__((constructor)) static void pause_if_told(int argc, char **argv)
{
	while (argc == 2 && !strcmp(argv[1], "--pause"))
		pause();
}

FIXTURE(lock)
{
	struct rsm_scene scene;
	struct rsm_export exp;
	long mutexes;
	int imp;
	int other;
};

FIXTURE_SETUP(lock)
{
	ASSERT_OK(rsm_scene_open(&self->scene));
	ASSERT_OK(rsm_export_locks(&self->scene, LENGTH, 1, &self->exp));
	self->imp = rsm_import(&self->scene, self->exp.segid, RW);
	ASSERT_LE(0, self->imp);
	self->other = rsm_import(&self->scene, self->exp.segid,
				 RSM_RIGHT_WRITE);
	ASSERT_LE(0, self->other);
	self->mutexes = rsm_stat("mutexes");
}

FIXTURE_TEARDOWN(lock)
{
	EXPECT_TRUE(rsm_scene_close(&self->scene));
}

typedef FIXTURE_DATA(lock) lock_self;

/* Free or not: without waiting. */
static int try_lock(int fd, __u64 offset, __u32 *out_flags)
{
	return rsm_lock(fd, offset, 0, out_flags, NULL);
}

/* Take a lock that is free and let go of it: what out_flags tells. */
static int pass_through(int fd, __u64 offset)
{
	__u32 out_flags;
	int ret = try_lock(fd, offset, &out_flags);

	return ret ?: rsm_unlock(fd, offset, NULL) ?: (int)out_flags;
}

static long mutexes(const lock_self *self)
{
	return rsm_stat("mutexes") - self->mutexes;
}

/* A thread that waits for a lock. */
struct waiter {
	pthread_t thread;
	pid_t tid;
	int fd;
	__u64 offset;
	__u64 timeout_ns;
	int *turn;	/* counts those who have got it */
	int order;	/* which of these it was */
	bool unlock;	/* it lets go of it at once */
	bool done;
	int ret;
	__u32 error;
	__u32 out_flags;
};

static void *lock_in_thread(void *arg)
{
	struct waiter *waiter = arg;

	__atomic_store_n(&waiter->tid, gettid(), __ATOMIC_RELEASE);
	waiter->ret = rsm_lock(waiter->fd, waiter->offset, waiter->timeout_ns,
			       &waiter->out_flags, &waiter->error);
	if (!waiter->ret && waiter->turn)
		waiter->order = (*waiter->turn)++;
	if (!waiter->ret && waiter->unlock)
		waiter->ret = rsm_unlock(waiter->fd, waiter->offset, NULL);
	__atomic_store_n(&waiter->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* When this returns it stands in line. */
static void start_waiter(struct waiter *waiter, int fd, __u64 offset)
{
	waiter->fd = fd;
	waiter->offset = offset;
	if (!waiter->timeout_ns)
		waiter->timeout_ns = RSM_WAIT_FOREVER;
	if (pthread_create(&waiter->thread, NULL, lock_in_thread, waiter) ||
	    !rsm_wait_asleep(&waiter->tid))
		abort();
}

static bool is_done(const struct waiter *waiter)
{
	return __atomic_load_n(&waiter->done, __ATOMIC_ACQUIRE);
}

/* True if it is, after a while. */
static bool wait_done(struct waiter *waiter)
{
	long end = rsm_now_ms() + BOUND_MS;

	while (!is_done(waiter)) {
		if (rsm_now_ms() > end)
			return false;
		rsm_sleep_ms(1);
	}
	pthread_join(waiter->thread, NULL);
	return true;
}

/* What is refused, and in which order */

/* Each with all that is told later wrong as well. */
TEST_F(lock, errors_in_order)
{
	struct rsm_export plain;
	int fd, reader;

	ASSERT_OK(rsm_export_new(&self->scene, LENGTH, 2, &plain));
	fd = rsm_import(&self->scene, plain.segid, 0);
	reader = rsm_import(&self->scene, self->exp.segid, RSM_RIGHT_READ);
	ASSERT_LE(0, fd);
	ASSERT_LE(0, reader);
	EXPECT_OK(try_lock(self->imp, 8, NULL));
	EXPECT_OK(try_lock(self->exp.fd, 16, NULL));
	EXPECT_FAIL(EPERM, RSM_ERR_LOCKS_NOT_ENABLED,
		    rsm_lock(plain.fd, 0, 0, NULL, &error));
	ASSERT_OK(rsm_unpublish(plain.fd, NULL));
	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	EXPECT_FAIL(EPERM, RSM_ERR_LOCKS_NOT_ENABLED,
		    rsm_lock(fd, ~0ULL, 0, NULL, &error));
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_MEM_ALIGNMENT,
		    rsm_lock(reader, ~0ULL, 0, NULL, &error));
	EXPECT_FAIL(EACCES, RSM_ERR_PERM_DENIED,
		    rsm_lock(reader, ~7ULL, 0, NULL, &error));
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_OFFSET,
		    rsm_lock(self->imp, ~7ULL, 0, NULL, &error));
	EXPECT_FAIL(ECONNABORTED, RSM_ERR_CONN_ABORTED,
		    rsm_lock(self->imp, 8, 0, NULL, &error));
	EXPECT_FAIL(ECONNABORTED, RSM_ERR_CONN_ABORTED,
		    rsm_lock(self->imp, 0, RSM_WAIT_FOREVER, NULL, &error));
	ASSERT_OK(rsm_destroy(self->exp.fd, NULL));
	EXPECT_FAIL(ECONNABORTED, RSM_ERR_CONN_ABORTED,
		    rsm_lock(self->exp.fd, 16, 0, NULL, &error));
}

TEST_F(lock, threat_51_offsets)
{
	static const __u64 bad[] = { LENGTH, LENGTH + 8, 1ULL << 32,
				     (1ULL << 32) + 8, 1ULL << 44,
				     RSM_STATUS_OFFSET, 1ULL << 63, ~7ULL };
	unsigned int i;

	for (i = 1; i < 8; i++) {
		EXPECT_FAIL(EINVAL, RSM_ERR_BAD_MEM_ALIGNMENT,
			    rsm_lock(self->imp, i, 0, NULL, &error));
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_FAIL(EINVAL, RSM_ERR_BAD_OFFSET,
			    rsm_lock(self->imp, bad[i], 0, NULL, &error));
		EXPECT_FAIL(EINVAL, RSM_ERR_BAD_OFFSET,
			    rsm_lock(self->exp.fd, bad[i], 0, NULL, &error));
	}
	EXPECT_OK(try_lock(self->imp, LENGTH - 8, NULL));
}

TEST_F(lock, rights)
{
	static const __u32 perms[] = { 0, RSM_RIGHT_READ };
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(perms); i++) {
		fd = rsm_import(&self->scene, self->exp.segid, perms[i]);
		ASSERT_LE(0, fd);
		EXPECT_FAIL(EACCES, RSM_ERR_PERM_DENIED,
			    rsm_lock(fd, 0, 0, NULL, &error));
	}
}

TEST_F(lock, twice)
{
	struct rsm_lock cmd = { .size = sizeof(cmd), .flags = RSM_LOCK_TRY };

	EXPECT_OK(try_lock(self->imp, 0, NULL));
	EXPECT_FAIL(EDEADLK, RSM_ERR_LOCK_HELD,
		    rsm_lock(self->imp, 0, 0, NULL, &error));
	EXPECT_FAIL(EDEADLK, RSM_ERR_LOCK_HELD,
		    rsm_lock(self->imp, 0, RSM_WAIT_FOREVER, NULL, &error));
	EXPECT_EQ(-EDEADLK, rsm_cmd(self->imp, RSM_LOCK, &cmd, NULL, NULL));
	/* it has been taken once */
	EXPECT_OK(rsm_unlock(self->imp, 0, NULL));
	EXPECT_OK(pass_through(self->other, 0));
}

TEST_F(lock, unlock_what_is_not_held)
{
	static const __u64 offsets[] = { 0, 8, 4, LENGTH, ~0ULL };
	unsigned int i;

	EXPECT_OK(try_lock(self->imp, 0, NULL));
	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		EXPECT_FAIL(EPERM, RSM_ERR_LOCK_NOT_HELD,
			    rsm_unlock(self->other, offsets[i], &error));
		EXPECT_FAIL(EPERM, RSM_ERR_LOCK_NOT_HELD,
			    rsm_unlock(self->exp.fd, offsets[i], &error));
	}
	EXPECT_FAIL(EPERM, RSM_ERR_LOCK_NOT_HELD,
		    rsm_unlock(self->imp, 8, &error));
	EXPECT_OK(rsm_unlock(self->imp, 0, NULL));
	EXPECT_FAIL(EPERM, RSM_ERR_LOCK_NOT_HELD,
		    rsm_unlock(self->imp, 0, &error));
}

/* One owner at a time */

/* An import and the export, two imports, and the other way round. */
TEST_F(lock, exclusive)
{
	const int fds[] = { self->imp, self->other, self->exp.fd };
	unsigned int i, j;

	for (i = 0; i < 3; i++) {
		EXPECT_OK(try_lock(fds[i], 0, NULL));
		for (j = 0; j < 3; j++) {
			if (i == j)
				continue;
			EXPECT_FAIL(ETIMEDOUT, RSM_ERR_TIMEOUT,
				    rsm_lock(fds[j], 0, 0, NULL, &error));
			EXPECT_FAIL(ETIMEDOUT, RSM_ERR_TIMEOUT,
				    rsm_lock(fds[j], 0, 20 * MS, NULL, &error));
		}
		EXPECT_OK(rsm_unlock(fds[i], 0, NULL));
	}
}

TEST_F(lock, each_offset_is_another)
{
	static const __u64 offsets[] = { 0, 8, 16, PAGE - 8, PAGE, LENGTH - 8 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(offsets); i++)
		EXPECT_OK(try_lock(i & 1 ? self->imp : self->other, offsets[i],
				   NULL));
	EXPECT_EQ(ARRAY_SIZE(offsets), mutexes(self));
	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		EXPECT_EQ(-ETIMEDOUT, try_lock(i & 1 ? self->other : self->imp,
					       offsets[i], NULL));
		EXPECT_OK(rsm_unlock(i & 1 ? self->imp : self->other,
				     offsets[i], NULL));
		EXPECT_EQ(-EPERM, rsm_unlock(self->imp, offsets[i], NULL));
	}
	EXPECT_EQ(0, mutexes(self));
}

TEST_F(lock, each_segment_has_its_own)
{
	struct rsm_export exp;

	ASSERT_OK(rsm_export_locks(&self->scene, LENGTH, 1, &exp));
	EXPECT_OK(try_lock(self->exp.fd, 0, NULL));
	EXPECT_OK(try_lock(exp.fd, 0, NULL));
}

/* The flag, whatever the time limit says. */
TEST_F(lock, try)
{
	struct rsm_lock cmd = { .size = sizeof(cmd), .flags = RSM_LOCK_TRY,
				.timeout_ns = RSM_WAIT_FOREVER };

	EXPECT_OK(rsm_cmd(self->other, RSM_LOCK, &cmd, NULL, NULL));
	EXPECT_EQ(-ETIMEDOUT, rsm_cmd(self->imp, RSM_LOCK, &cmd, NULL, NULL));
	EXPECT_EQ(RSM_ERR_TIMEOUT, cmd.out_error);
	EXPECT_OK(rsm_unlock(self->other, 0, NULL));
	EXPECT_OK(rsm_cmd(self->imp, RSM_LOCK, &cmd, NULL, NULL));
}

TEST_F(lock, time_limit)
{
	static const int limits[] = { 1, 50, 200 };
	unsigned int i;
	long took;

	EXPECT_OK(try_lock(self->other, 0, NULL));
	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		took = -rsm_now_ms();
		EXPECT_FAIL(ETIMEDOUT, RSM_ERR_TIMEOUT,
			    rsm_lock(self->imp, 0, limits[i] * MS, NULL,
				     &error));
		took += rsm_now_ms();
		/* the clock is read in whole milliseconds */
		EXPECT_LE(limits[i] - 1, took);
		EXPECT_GT(limits[i] + 1000, took);
	}
	/* who has given up is not in line any more */
	EXPECT_OK(rsm_unlock(self->other, 0, NULL));
	EXPECT_EQ(0, mutexes(self));
	EXPECT_OK(pass_through(self->other, 0));
}

/* Some of which are negative or overflow as a signed number. */
TEST_F(lock, long_time_limits)
{
	static const __u64 limits[] = {
		RSM_WAIT_FOREVER - 1, 1ULL << 63, (1ULL << 63) - 1, 1ULL << 62,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		struct waiter waiter = { .timeout_ns = limits[i],
					 .unlock = true };

		EXPECT_OK(try_lock(self->other, 0, NULL));
		start_waiter(&waiter, self->imp, 0);
		rsm_sleep_ms(STILL_MS);
		EXPECT_FALSE(is_done(&waiter));
		EXPECT_OK(rsm_unlock(self->other, 0, NULL));
		ASSERT_TRUE(wait_done(&waiter));
		EXPECT_EQ(0, waiter.ret);
	}
}

/* Start some more, each of which has an import of its own. */
static void start_line(const lock_self *self, struct waiter *waiters, int count,
		       int *turn)
{
	int i;

	for (i = 0; i < count; i++) {
		waiters[i].turn = turn;
		waiters[i].unlock = true;
		start_waiter(&waiters[i], rsm_import(&self->scene,
						     self->exp.segid, RW), 0);
	}
}

TEST_F(lock, first_come_first_served)
{
	struct waiter waiters[WAITERS] = { 0 };
	int turn = 0, i;

	EXPECT_OK(try_lock(self->exp.fd, 0, NULL));
	start_line(self, waiters, WAITERS, &turn);
	EXPECT_EQ(1, mutexes(self));
	EXPECT_OK(rsm_unlock(self->exp.fd, 0, NULL));
	for (i = 0; i < WAITERS; i++) {
		ASSERT_TRUE(wait_done(&waiters[i]));
		EXPECT_EQ(0, waiters[i].ret);
		EXPECT_EQ(i, waiters[i].order);
		EXPECT_EQ(0, waiters[i].out_flags);
	}
	EXPECT_EQ(0, mutexes(self));
}

/* Who lets go of it and wants it again comes last. */
TEST_F(lock, nobody_is_passed)
{
	struct waiter waiter = { 0 };

	EXPECT_OK(try_lock(self->other, 0, NULL));
	start_waiter(&waiter, self->imp, 0);
	EXPECT_OK(rsm_unlock(self->other, 0, NULL));
	/* it has been given away, even if the other is not awake yet */
	EXPECT_EQ(-ETIMEDOUT, try_lock(self->other, 0, NULL));
	ASSERT_TRUE(wait_done(&waiter));
	EXPECT_EQ(0, waiter.ret);
}

static void ignore(int signal)
{
	(void)signal;
}

/* By any signal that is handled, with SA_RESTART as well. */
TEST_F(lock, interrupted)
{
	static const int flags[] = { 0, SA_RESTART };
	struct sigaction action = { .sa_handler = ignore };
	struct itimerval timer = { .it_value.tv_usec = 50000 };
	unsigned int i;

	EXPECT_OK(try_lock(self->other, 0, NULL));
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		action.sa_flags = flags[i];
		ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
		ASSERT_EQ(0, setitimer(ITIMER_REAL, &timer, NULL));
		EXPECT_FAIL(EINTR, RSM_ERR_NONE,
			    rsm_lock(self->imp, 0, RSM_WAIT_FOREVER, NULL,
				     &error));
	}
	/* it is not in line any more */
	EXPECT_OK(rsm_unlock(self->other, 0, NULL));
	EXPECT_EQ(0, mutexes(self));
}

TEST_F(lock, time_left_when_interrupted)
{
	struct rsm_lock cmd = { .size = sizeof(cmd), .timeout_ns = 5000 * MS };
	struct sigaction action = { .sa_handler = ignore };
	struct itimerval timer = { .it_value.tv_usec = 200000 };
	long begin;

	EXPECT_OK(try_lock(self->other, 0, NULL));
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	begin = rsm_now_ms();
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &timer, NULL));
	EXPECT_EQ(-EINTR, rsm_cmd(self->imp, RSM_LOCK, &cmd, NULL, NULL));
	EXPECT_GT(5000 * MS, cmd.timeout_ns);
	EXPECT_LE((4999 - (rsm_now_ms() - begin)) * MS, cmd.timeout_ns);
}

#define LIMIT_MS 3000
#define STOPS 5
#define STOP_MS 150

struct limited {
	const lock_self *self;
	long start;
	long end;
};

static int lock_within_limit(void *arg)
{
	struct limited *limited = arg;
	int ret;

	limited->start = rsm_now_ms();
	ret = rsm_lock(limited->self->imp, 0, LIMIT_MS * MS, NULL, NULL);
	limited->end = rsm_now_ms();
	return ret != -ETIMEDOUT;
}

/* Who is stopped and goes on goes on waiting, and not from the start. */
TEST_F(lock, stopped_and_continued)
{
	struct limited *limited = rsm_alloc_shared(PAGE);
	long last = 0;
	pid_t pid;
	int i;

	ASSERT_NE(MAP_FAILED, limited);
	limited->self = self;
	EXPECT_OK(try_lock(self->other, 0, NULL));
	pid = rsm_start_child(lock_within_limit, limited);
	ASSERT_TRUE(rsm_wait_asleep(&pid));
	for (i = 0; i < STOPS; i++) {
		rsm_sleep_ms(STOP_MS);
		kill(pid, SIGSTOP);
		rsm_sleep_ms(STOP_MS);
		last = rsm_now_ms();
		kill(pid, SIGCONT);
	}
	EXPECT_EQ(0, rsm_wait_child(pid));
	EXPECT_LE(LIMIT_MS - 1, limited->end - limited->start);
	EXPECT_GT(LIMIT_MS, limited->end - last);
	munmap(limited, PAGE);
}

/* Limits */

TEST_F(lock, so_many_of_a_descriptor)
{
	int i;

	for (i = 0; i < RSM_LOCKS_MAX; i++)
		ASSERT_OK(try_lock(self->imp, i * 8, NULL));
	EXPECT_EQ(RSM_LOCKS_MAX, mutexes(self));
	EXPECT_FAIL(ENOSPC, RSM_ERR_INSUFFICIENT_RESOURCES,
		    rsm_lock(self->imp, i * 8, 0, NULL, &error));
	EXPECT_FAIL(ENOSPC, RSM_ERR_INSUFFICIENT_RESOURCES,
		    rsm_lock(self->imp, i * 8, RSM_WAIT_FOREVER, NULL,
			     &error));
	/* one that it has is told apart from that */
	EXPECT_FAIL(EDEADLK, RSM_ERR_LOCK_HELD,
		    rsm_lock(self->imp, 8, 0, NULL, &error));
	/* others have their own */
	EXPECT_OK(try_lock(self->other, i * 8, NULL));
	EXPECT_OK(rsm_unlock(self->imp, 0, NULL));
	EXPECT_OK(try_lock(self->imp, (i + 1) * 8, NULL));
	close(self->imp);
	self->imp = -1;
	/* all of them can be had again, by who did not own them */
	for (i = 1; i < RSM_LOCKS_MAX; i++)
		ASSERT_EQ(RSM_LOCK_OWNER_DIED, pass_through(self->exp.fd,
							    i * 8));
}

/* Those that are waited for count as well. */
TEST_F(lock, so_many_with_waiters)
{
	struct waiter waiter = { .unlock = true };
	int i;

	EXPECT_OK(try_lock(self->other, LENGTH - 8, NULL));
	for (i = 0; i < RSM_LOCKS_MAX - 1; i++)
		ASSERT_OK(try_lock(self->imp, i * 8, NULL));
	start_waiter(&waiter, self->imp, LENGTH - 8);
	EXPECT_FAIL(ENOSPC, RSM_ERR_INSUFFICIENT_RESOURCES,
		    rsm_lock(self->imp, i * 8, 0, NULL, &error));
	EXPECT_OK(rsm_unlock(self->other, LENGTH - 8, NULL));
	ASSERT_TRUE(wait_done(&waiter));
	EXPECT_OK(try_lock(self->imp, i * 8, NULL));
}

/* Dead owners leave traces, but not without end; then all are told. */
TEST_F(lock, threat_58_many_dead_owners)
{
	__u64 offset = 0;
	int fd, i;

	while (offset < LENGTH - 8) {
		fd = rsm_import(&self->scene, self->exp.segid, RW);
		ASSERT_LE(0, fd);
		for (i = 0; i < 500 && offset < LENGTH - 8; i++, offset += 8)
			ASSERT_OK(try_lock(fd, offset, NULL));
		close(fd);
	}
	EXPECT_EQ(1024, mutexes(self));
	for (offset = 0; offset < LENGTH; offset += 8)
		ASSERT_EQ(RSM_LOCK_OWNER_DIED, pass_through(self->imp, offset));
	EXPECT_EQ(0, mutexes(self));
}

/* What nobody holds takes no memory. */
TEST_F(lock, nothing_is_left)
{
	__u64 offset;

	for (offset = 0; offset < LENGTH; offset += 8)
		ASSERT_OK(pass_through(self->imp, offset));
	EXPECT_EQ(0, mutexes(self));
}

/* Rebind */

TEST_F(lock, rebind_leaves_them)
{
	struct waiter waiter = { .unlock = true };
	char *later = rsm_alloc(LENGTH);

	memset(later, 7, LENGTH);
	EXPECT_OK(try_lock(self->imp, 64, NULL));
	start_waiter(&waiter, self->other, 64);
	ASSERT_OK(rsm_rebind(self->exp.fd, later, LENGTH, NULL));
	rsm_sleep_ms(STILL_MS);
	EXPECT_FALSE(is_done(&waiter));
	EXPECT_EQ(-ETIMEDOUT, try_lock(self->exp.fd, 64, NULL));
	EXPECT_OK(rsm_unlock(self->imp, 64, NULL));
	ASSERT_TRUE(wait_done(&waiter));
	EXPECT_EQ(0, waiter.ret);
	EXPECT_EQ(0, waiter.out_flags);
	/* and the locks leave the memory */
	EXPECT_EQ(0, memcmp(later, later + 8, LENGTH - 8));
	EXPECT_EQ(-1, rsm_stamp_check(self->exp.mem, LENGTH, 1));
}

/* Owners: a file and a table of descriptors */

static int use_as_another(void *arg)
{
	lock_self *self = arg;

	if (rsm_unlock(self->imp, 0, NULL) != -EPERM)
		return 1;
	if (try_lock(self->imp, 0, NULL) != -ETIMEDOUT)
		return 2;
	/* a lock of its own on the same file */
	if (try_lock(self->imp, 8, NULL))
		return 3;
	return 0;
}

TEST_F(lock, child_is_another_owner)
{
	EXPECT_OK(try_lock(self->imp, 0, NULL));
	EXPECT_EQ(0, rsm_in_child(use_as_another, self));
	/* the child is gone, and so is its lock, but none of ours */
	EXPECT_EQ(-ETIMEDOUT, try_lock(self->other, 0, NULL));
	EXPECT_EQ(RSM_LOCK_OWNER_DIED, pass_through(self->other, 8));
	EXPECT_OK(rsm_unlock(self->imp, 0, NULL));
	EXPECT_EQ(0, pass_through(self->other, 0));
}

static int close_inherited(void *arg)
{
	lock_self *self = arg;

	return close(self->imp);
}

TEST_F(lock, child_closes_its_copy)
{
	EXPECT_OK(try_lock(self->imp, 0, NULL));
	EXPECT_EQ(0, rsm_in_child(close_inherited, self));
	EXPECT_EQ(-ETIMEDOUT, try_lock(self->other, 0, NULL));
	EXPECT_OK(rsm_unlock(self->imp, 0, NULL));
}

/* Whoever shares the table of descriptors is the same owner. */
TEST_F(lock, shared_table_of_descriptors)
{
	pid_t pid;

	EXPECT_OK(try_lock(self->imp, 0, NULL));
	fflush(NULL);
	pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (!pid) {
		if (try_lock(self->imp, 0, NULL) != -EDEADLK ||
		    try_lock(self->imp, 8, NULL) ||
		    rsm_unlock(self->imp, 0, NULL) ||
		    try_lock(self->imp, 0, NULL))
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	EXPECT_EQ(-SIGKILL, rsm_wait_child(pid));
	/* its death has let go of nothing */
	EXPECT_EQ(-ETIMEDOUT, try_lock(self->other, 0, NULL));
	EXPECT_EQ(-ETIMEDOUT, try_lock(self->other, 8, NULL));
	EXPECT_OK(rsm_unlock(self->imp, 0, NULL));
	EXPECT_OK(rsm_unlock(self->imp, 8, NULL));
	EXPECT_EQ(0, pass_through(self->other, 0));
}

/* As with fcntl(): the first close() is the end, whatever copies there are. */
TEST_F(lock, close_of_a_copy)
{
	struct waiter waiter = { .unlock = true };
	int copy = dup(self->imp);

	EXPECT_OK(try_lock(self->imp, 0, NULL));
	start_waiter(&waiter, self->other, 0);
	close(copy);
	ASSERT_TRUE(wait_done(&waiter));
	EXPECT_EQ(0, waiter.ret);
	EXPECT_EQ(RSM_LOCK_OWNER_DIED, waiter.out_flags);
	EXPECT_FAIL(EPERM, RSM_ERR_LOCK_NOT_HELD,
		    rsm_unlock(self->imp, 0, &error));
	EXPECT_EQ(0, pass_through(self->imp, 0));
}

TEST_F(lock, closed_by_another_thread)
{
	struct waiter waiters[2] = { 0 };

	EXPECT_OK(try_lock(self->other, 0, NULL));
	EXPECT_OK(try_lock(self->other, 8, NULL));
	start_waiter(&waiters[0], self->imp, 0);
	start_waiter(&waiters[1], self->imp, 8);
	close(self->imp);
	ASSERT_TRUE(wait_done(&waiters[0]));
	ASSERT_TRUE(wait_done(&waiters[1]));
	EXPECT_EQ(-EBADF, waiters[0].ret);
	EXPECT_EQ(-EBADF, waiters[1].ret);
	EXPECT_OK(rsm_unlock(self->other, 0, NULL));
	EXPECT_EQ(0, pass_through(self->other, 0));
}

/* Two threads of one owner are not in each other's way for ever. */
TEST_F(lock, two_threads_wait_as_one_owner)
{
	struct waiter waiters[2] = { 0 };

	EXPECT_OK(try_lock(self->other, 0, NULL));
	start_waiter(&waiters[0], self->imp, 0);
	start_waiter(&waiters[1], self->imp, 0);
	EXPECT_OK(rsm_unlock(self->other, 0, NULL));
	ASSERT_TRUE(wait_done(&waiters[0]));
	EXPECT_EQ(0, waiters[0].ret);
	rsm_sleep_ms(STILL_MS);
	EXPECT_FALSE(is_done(&waiters[1]));
	EXPECT_OK(rsm_unlock(self->imp, 0, NULL));
	ASSERT_TRUE(wait_done(&waiters[1]));
	EXPECT_EQ(0, waiters[1].ret);
	EXPECT_OK(rsm_unlock(self->imp, 0, NULL));
	EXPECT_EQ(0, mutexes(self));
}

/* The death of an owner, in every form */

struct plan {
	lock_self *self;
	int socket[2];
	pid_t helper;
	bool ready;
	bool go;
	void (*die)(struct plan *plan);
};

static void set_flag(bool *flag)
{
	__atomic_store_n(flag, true, __ATOMIC_RELEASE);
}

static void wait_flag(const bool *flag)
{
	while (!__atomic_load_n(flag, __ATOMIC_ACQUIRE))
		rsm_sleep_ms(1);
}

static void stay(struct plan *plan)
{
	plan->helper = syscall(SYS_getpid);
	set_flag(&plan->ready);
	for (;;)
		pause();
}

static void die_exit(struct plan *plan)
{
	(void)plan;
	_exit(0);
}

static void die_kill(struct plan *plan)
{
	(void)plan;
	kill(getpid(), SIGKILL);
}

static void die_close(struct plan *plan)
{
	close(plan->self->imp);
	for (;;)
		pause();
}

static void die_exec(struct plan *plan)
{
	(void)plan;
	execl("/proc/self/exe", "lock", "--pause", NULL);
}

/* A child holds the same file. */
static void die_child_holds(struct plan *plan)
{
	plan->ready = false;
	if (!fork())
		stay(plan);
	wait_flag(&plan->ready);
	kill(getpid(), SIGKILL);
}

/* The file is on its way to somebody. */
static void die_in_queue(struct plan *plan)
{
	if (!rsm_send_fd(plan->socket[1], plan->self->imp))
		kill(getpid(), SIGKILL);
}

static void *exec_thread(void *unused)
{
	execl("/proc/self/exe", "lock", "--pause", NULL);
	return unused;
}

static void die_exec_in_thread(struct plan *plan)
{
	pthread_t thread;

	(void)plan;
	pthread_create(&thread, NULL, exec_thread, NULL);
	for (;;)
		pause();
}

FIXTURE(owner)
{
	lock_self lock;
	struct plan *plan;
	pid_t pid;
};

FIXTURE_VARIANT(owner)
{
	void (*die)(struct plan *plan);
};

FIXTURE_VARIANT_ADD(owner, exit) { .die = die_exit };
FIXTURE_VARIANT_ADD(owner, kill) { .die = die_kill };
FIXTURE_VARIANT_ADD(owner, close) { .die = die_close };
FIXTURE_VARIANT_ADD(owner, exec) { .die = die_exec };
FIXTURE_VARIANT_ADD(owner, exec_in_thread) { .die = die_exec_in_thread };
FIXTURE_VARIANT_ADD(owner, child_holds) { .die = die_child_holds };
FIXTURE_VARIANT_ADD(owner, in_queue) { .die = die_in_queue };

static int own_and_die(void *arg)
{
	struct plan *plan = arg;

	if (try_lock(plan->self->imp, 0, NULL) ||
	    try_lock(plan->self->imp, 8, NULL))
		return 1;
	set_flag(&plan->ready);
	wait_flag(&plan->go);
	plan->die(plan);
	return 2;
}

FIXTURE_SETUP(owner)
{
	lock_setup(_metadata, &self->lock, NULL);
	self->plan = rsm_alloc_shared(PAGE);
	ASSERT_NE(MAP_FAILED, self->plan);
	self->plan->self = &self->lock;
	self->plan->die = variant->die;
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				self->plan->socket));
	self->pid = rsm_start_child(own_and_die, self->plan);
	ASSERT_LT(0, self->pid);
	wait_flag(&self->plan->ready);
}

FIXTURE_TEARDOWN(owner)
{
	kill(self->pid, SIGKILL);
	rsm_wait_child(self->pid);
	if (self->plan->helper)
		kill(self->plan->helper, SIGKILL);
	munmap(self->plan, PAGE);
	lock_teardown(_metadata, &self->lock, NULL);
}

TEST_F(owner, dies_with_waiters)
{
	struct waiter waiters[2] = { { .unlock = true }, { .unlock = true } };

	start_waiter(&waiters[0], self->lock.other, 0);
	start_waiter(&waiters[1], self->lock.exp.fd, 0);
	rsm_sleep_ms(STILL_MS);
	EXPECT_FALSE(is_done(&waiters[0]));
	set_flag(&self->plan->go);
	ASSERT_TRUE(wait_done(&waiters[0]));
	ASSERT_TRUE(wait_done(&waiters[1]));
	EXPECT_EQ(0, waiters[0].ret);
	EXPECT_EQ(0, waiters[1].ret);
	/* the first one is told, and only that one */
	EXPECT_EQ(RSM_LOCK_OWNER_DIED, waiters[0].out_flags);
	EXPECT_EQ(0, waiters[1].out_flags);
	EXPECT_EQ(0, pass_through(self->lock.other, 0));
}

/* Who comes later is told as well. */
TEST_F(owner, dies_without_waiters)
{
	__u32 out_flags;

	set_flag(&self->plan->go);
	EXPECT_OK(rsm_lock(self->lock.other, 8, BOUND_MS * MS, &out_flags,
			   NULL));
	EXPECT_EQ(RSM_LOCK_OWNER_DIED, out_flags);
	EXPECT_OK(rsm_unlock(self->lock.other, 8, NULL));
	EXPECT_EQ(0, pass_through(self->lock.exp.fd, 8));
	EXPECT_EQ(RSM_LOCK_OWNER_DIED, pass_through(self->lock.exp.fd, 0));
	EXPECT_EQ(0, mutexes(&self->lock));
}

/* Until then nothing has been let go of. */
TEST_F(owner, lives)
{
	EXPECT_FAIL(ETIMEDOUT, RSM_ERR_TIMEOUT,
		    rsm_lock(self->lock.other, 0, 50 * MS, NULL, &error));
	EXPECT_EQ(2, mutexes(&self->lock));
}

/* An owner that keeps the file over exec keeps the lock. */
static int own_and_keep(void *arg)
{
	struct plan *plan = arg;

	if (try_lock(plan->self->imp, 0, NULL) ||
	    fcntl(plan->self->imp, F_SETFD, 0))
		return 1;
	set_flag(&plan->ready);
	execl("/proc/self/exe", "lock", "--pause", NULL);
	return 2;
}

TEST_F(lock, kept_over_exec)
{
	struct plan *plan = rsm_alloc_shared(PAGE);
	__u32 out_flags;
	pid_t pid;

	plan->self = self;
	pid = rsm_start_child(own_and_keep, plan);
	wait_flag(&plan->ready);
	EXPECT_FAIL(ETIMEDOUT, RSM_ERR_TIMEOUT,
		    rsm_lock(self->other, 0, 300 * MS, NULL, &error));
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, rsm_wait_child(pid));
	EXPECT_OK(try_lock(self->other, 0, &out_flags));
	EXPECT_EQ(RSM_LOCK_OWNER_DIED, out_flags);
	munmap(plan, PAGE);
}

/* Waiters that are killed */

static int lock_forever(void *arg)
{
	lock_self *self = arg;

	return rsm_lock(self->imp, 0, RSM_WAIT_FOREVER, NULL, NULL);
}

TEST_F(lock, killed_waiter_leaves_the_line)
{
	struct waiter before = { .unlock = true }, after = { .unlock = true };
	int turn = 0;
	long start;
	pid_t pid;

	before.turn = &turn;
	after.turn = &turn;
	EXPECT_OK(try_lock(self->exp.fd, 0, NULL));
	start_waiter(&before, self->imp, 0);
	pid = rsm_start_child(lock_forever, self);
	ASSERT_TRUE(rsm_wait_asleep(&pid));
	start_waiter(&after, self->other, 0);
	start = rsm_now_ms();
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, rsm_wait_child(pid));
	EXPECT_GT(1000, rsm_now_ms() - start);
	EXPECT_FALSE(is_done(&before));
	EXPECT_FALSE(is_done(&after));
	EXPECT_OK(rsm_unlock(self->exp.fd, 0, NULL));
	ASSERT_TRUE(wait_done(&before));
	ASSERT_TRUE(wait_done(&after));
	EXPECT_EQ(0, before.order);
	EXPECT_EQ(1, after.order);
	/* one that never had it did not die with it */
	EXPECT_EQ(0, before.out_flags);
	EXPECT_EQ(0, after.out_flags);
}

struct killer {
	pthread_barrier_t barrier;
	pid_t pid;
};

static void *kill_in_thread(void *arg)
{
	struct killer *killer = arg;

	pthread_barrier_wait(&killer->barrier);
	kill(killer->pid, SIGKILL);
	return NULL;
}

/* At the moment in which it is given the lock: others get it all the same. */
TEST_F_TIMEOUT(lock, killed_when_granted, 120)
{
	struct killer killer;
	pthread_t thread;
	__u32 out_flags;
	int i, died = 0;

	pthread_barrier_init(&killer.barrier, NULL, 2);
	for (i = 0; i < 100; i++) {
		ASSERT_OK(try_lock(self->exp.fd, 0, NULL));
		killer.pid = rsm_start_child(lock_forever, self);
		ASSERT_TRUE(rsm_wait_asleep(&killer.pid));
		ASSERT_OK(pthread_create(&thread, NULL, kill_in_thread,
					 &killer));
		pthread_barrier_wait(&killer.barrier);
		if (i & 1)
			sched_yield();
		ASSERT_OK(rsm_unlock(self->exp.fd, 0, NULL));
		ASSERT_OK(rsm_lock(self->other, 0, BOUND_MS * MS, &out_flags,
				   NULL));
		died += out_flags;
		ASSERT_OK(rsm_unlock(self->other, 0, NULL));
		pthread_join(thread, NULL);
		rsm_wait_child(killer.pid);
		/* what a late child has left */
		pass_through(self->other, 0);
	}
	EXPECT_EQ(0, mutexes(self));
	printf("# %d had it\n", died);
}

/* The end of the connection */

TEST_F(lock, unpublish_takes_them_from_imports)
{
	struct waiter exporter = { 0 }, importer = { 0 };
	__u32 out_flags;
	int fd;

	EXPECT_OK(try_lock(self->imp, 0, NULL));
	EXPECT_OK(try_lock(self->imp, 8, NULL));
	start_waiter(&importer, self->other, 0);
	start_waiter(&exporter, self->exp.fd, 0);
	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	ASSERT_TRUE(wait_done(&importer));
	EXPECT_EQ(-ECONNABORTED, importer.ret);
	EXPECT_EQ(RSM_ERR_CONN_ABORTED, importer.error);
	ASSERT_TRUE(wait_done(&exporter));
	EXPECT_EQ(0, exporter.ret);
	EXPECT_EQ(RSM_LOCK_OWNER_DIED, exporter.out_flags);
	EXPECT_FAIL(EPERM, RSM_ERR_LOCK_NOT_HELD,
		    rsm_unlock(self->imp, 0, &error));
	/* for new imports the exporter's is one like any other */
	self->exp.segid = 0;
	ASSERT_OK(rsm_publish(self->exp.fd, &self->exp.segid, NULL, 0, NULL));
	fd = rsm_import(&self->scene, self->exp.segid, RW);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-ETIMEDOUT, try_lock(fd, 0, NULL));
	EXPECT_OK(try_lock(fd, 8, &out_flags));
	EXPECT_EQ(RSM_LOCK_OWNER_DIED, out_flags);
	EXPECT_OK(rsm_unlock(self->exp.fd, 0, NULL));
	EXPECT_EQ(0, pass_through(fd, 0));
}

TEST_F(lock, exporter_keeps_its_own)
{
	struct waiter importer = { 0 };
	int fd;

	EXPECT_OK(try_lock(self->exp.fd, 0, NULL));
	start_waiter(&importer, self->imp, 0);
	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	ASSERT_TRUE(wait_done(&importer));
	EXPECT_EQ(-ECONNABORTED, importer.ret);
	EXPECT_EQ(RSM_ERR_CONN_ABORTED, importer.error);
	self->exp.segid = 0;
	ASSERT_OK(rsm_publish(self->exp.fd, &self->exp.segid, NULL, 0, NULL));
	fd = rsm_import(&self->scene, self->exp.segid, RW);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-ETIMEDOUT, try_lock(fd, 0, NULL));
	EXPECT_OK(rsm_unlock(self->exp.fd, 0, NULL));
	EXPECT_EQ(0, pass_through(fd, 0));
}

/* All together: held, waited for, and left by the dead. */
TEST_F(lock, end_of_the_segment)
{
	struct waiter waiters[2] = { 0 };
	int fd = rsm_import(&self->scene, self->exp.segid, RW);

	EXPECT_OK(try_lock(fd, 16, NULL));
	close(fd);
	EXPECT_OK(try_lock(self->imp, 0, NULL));
	EXPECT_OK(try_lock(self->exp.fd, 8, NULL));
	start_waiter(&waiters[0], self->other, 0);
	start_waiter(&waiters[1], self->other, 8);
	EXPECT_EQ(3, mutexes(self));
	ASSERT_OK(rsm_destroy(self->exp.fd, NULL));
	ASSERT_TRUE(wait_done(&waiters[0]));
	ASSERT_TRUE(wait_done(&waiters[1]));
	EXPECT_EQ(-ECONNABORTED, waiters[0].ret);
	EXPECT_EQ(-ECONNABORTED, waiters[1].ret);
	EXPECT_EQ(0, mutexes(self));
	EXPECT_FAIL(EPERM, RSM_ERR_LOCK_NOT_HELD,
		    rsm_unlock(self->imp, 0, &error));
	EXPECT_FAIL(EPERM, RSM_ERR_LOCK_NOT_HELD,
		    rsm_unlock(self->exp.fd, 8, &error));
}

struct exporting {
	const struct rsm_scene *scene;
	__u32 segid;
};

static int export_and_stay(void *arg)
{
	struct exporting *exporting = arg;
	struct rsm_export exp;

	if (rsm_export_locks(exporting->scene, LENGTH, 1, &exp))
		return 1;
	__atomic_store_n(&exporting->segid, exp.segid, __ATOMIC_RELEASE);
	return pause();
}

TEST_F(lock, exporter_dies_with_waiters)
{
	struct exporting *exporting = rsm_alloc_shared(PAGE);
	struct waiter waiters[WAITERS] = { 0 };
	pid_t pid;
	int fd, i;

	exporting->scene = &self->scene;
	pid = rsm_start_child(export_and_stay, exporting);
	while (!__atomic_load_n(&exporting->segid, __ATOMIC_ACQUIRE))
		rsm_sleep_ms(1);
	self->exp.segid = exporting->segid;
	fd = rsm_import(&self->scene, exporting->segid, RW);
	ASSERT_LE(0, fd);
	EXPECT_OK(try_lock(fd, 0, NULL));
	start_line(self, waiters, WAITERS, NULL);
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, rsm_wait_child(pid));
	for (i = 0; i < WAITERS; i++) {
		ASSERT_TRUE(wait_done(&waiters[i]));
		EXPECT_EQ(-ECONNABORTED, waiters[i].ret);
		EXPECT_EQ(RSM_ERR_CONN_ABORTED, waiters[i].error);
	}
	EXPECT_FAIL(EPERM, RSM_ERR_LOCK_NOT_HELD, rsm_unlock(fd, 0, &error));
	EXPECT_EQ(0, mutexes(self));
	munmap(exporting, PAGE);
}

/* Many processes that count, some of which are killed while they do */

#define COUNTERS 4
#define COUNTS 2000
#define COUNT_MS 15000

struct count {
	__u64 owner;	/* who is within */
	__u64 value;
	__u64 died;
};

struct contest {
	const lock_self *self;
	int done[COUNTERS];
	int breaches;
	int errors;
	int told;
};

/* Which counter a child is; each has a copy. */
static int counter;

/* Within the lock; who dies here leaves its mark as owner. */
static void count_once(struct contest *contest, volatile struct count *count,
		       bool told)
{
	if (count->owner && !told)
		__atomic_fetch_add(&contest->breaches, 1, __ATOMIC_RELAXED);
	count->owner = getpid();
	count->value++;
	if (!(count->value % 16))
		sched_yield();
	if (count->owner != (__u64)getpid())
		__atomic_fetch_add(&contest->breaches, 1, __ATOMIC_RELAXED);
	count->owner = 0;
}

static int count_on(void *arg)
{
	struct contest *contest = arg;
	int fd = rsm_import(&contest->self->scene, contest->self->exp.segid,
			    RW);
	volatile struct count *count = rsm_map(fd, LENGTH, PROT_RW);
	__u32 out_flags;

	while (contest->done[counter] < COUNTS) {
		if (rsm_lock(fd, 0, RSM_WAIT_FOREVER, &out_flags, NULL)) {
			__atomic_fetch_add(&contest->errors, 1,
					   __ATOMIC_RELAXED);
			return 1;
		}
		if (out_flags)
			__atomic_fetch_add(&contest->told, 1, __ATOMIC_RELAXED);
		count_once(contest, count, out_flags);
		contest->done[counter]++;
		rsm_unlock(fd, 0, NULL);
	}
	return 0;
}

static pid_t start_counter(struct contest *contest, int which)
{
	counter = which;
	return rsm_start_child(count_on, contest);
}

static bool all_counted(const struct contest *contest)
{
	int i;

	for (i = 0; i < COUNTERS; i++)
		if (*(volatile const int *)&contest->done[i] < COUNTS)
			return false;
	return true;
}

TEST_F_TIMEOUT(lock, contest_with_deaths, 120)
{
	struct contest *contest = rsm_alloc_shared(PAGE);
	struct count *count = (struct count *)self->exp.mem;
	long end = rsm_now_ms() + COUNT_MS;
	pid_t pids[COUNTERS];
	int i, kills = 0, total = 0;

	ASSERT_NE(MAP_FAILED, contest);
	memset(count, 0, sizeof(*count));
	contest->self = self;
	for (i = 0; i < COUNTERS; i++)
		pids[i] = start_counter(contest, i);
	while (!all_counted(contest) && rsm_now_ms() < end) {
		i = kills++ % COUNTERS;
		rsm_sleep_ms(20 + kills % 7);
		kill(pids[i], SIGKILL);
		rsm_wait_child(pids[i]);
		pids[i] = start_counter(contest, i);
	}
	for (i = 0; i < COUNTERS; i++) {
		EXPECT_EQ(0, rsm_wait_child(pids[i]));
		total += contest->done[i];
	}
	printf("# %d counts, %d killed, %d told\n", total, kills,
	       contest->told);
	EXPECT_TRUE(all_counted(contest));
	EXPECT_LT(3, kills);
	EXPECT_EQ(0, contest->errors);
	EXPECT_EQ(0, contest->breaches);
	/* who is killed between the two counts has made one more of them */
	EXPECT_LE(total, count->value);
	EXPECT_GE(total + kills, count->value);
	munmap(contest, PAGE);
}

/* Locks and ends of all kinds at once */

struct turmoil {
	lock_self *self;
	bool stop;
	__u32 segid;
	long locks;
	int wrong;
};

static void *lock_on(void *arg)
{
	struct turmoil *turmoil = arg;
	int fd, ret;

	while (!__atomic_load_n(&turmoil->stop, __ATOMIC_RELAXED)) {
		fd = rsm_import(&turmoil->self->scene,
				__atomic_load_n(&turmoil->segid,
						__ATOMIC_RELAXED), RW);
		if (fd < 0)
			continue;
		ret = rsm_lock(fd, 0, 5 * MS, NULL, NULL);
		if (!ret)
			__atomic_fetch_add(&turmoil->locks, 1,
					   __ATOMIC_RELAXED);
		else if (ret != -ECONNABORTED && ret != -ETIMEDOUT)
			turmoil->wrong = ret;
		if (turmoil->locks & 1)
			rsm_unlock(fd, 0, NULL);
		close(fd);
	}
	return NULL;
}

TEST_F_TIMEOUT(lock, all_at_once, 60)
{
	struct turmoil turmoil = { .self = self, .segid = self->exp.segid };
	long end = rsm_now_ms() + 3000;
	pthread_t threads[3];
	int i, ret, own = 0;

	for (i = 0; i < 3; i++)
		ASSERT_OK(pthread_create(&threads[i], NULL, lock_on, &turmoil));
	while (rsm_now_ms() < end) {
		ret = rsm_lock(self->exp.fd, 0, 5 * MS, NULL, NULL);
		own += !ret;
		if (ret)
			EXPECT_EQ(-ETIMEDOUT, ret);
		ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
		if (!ret)
			EXPECT_OK(rsm_unlock(self->exp.fd, 0, NULL));
		self->exp.segid = 0;
		ASSERT_OK(rsm_publish(self->exp.fd, &self->exp.segid, NULL, 0,
				      NULL));
		__atomic_store_n(&turmoil.segid, self->exp.segid,
				 __ATOMIC_RELAXED);
		rsm_sleep_ms(1);
	}
	__atomic_store_n(&turmoil.stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(0, turmoil.wrong);
	EXPECT_LT(10, turmoil.locks);
	EXPECT_LT(10, own);
}

TEST_HARNESS_MAIN
