// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signals between exports and imports: each one is counted, none gets lost,
 * and whoever waits is told when none can come any more.
 */
#include "rsm_utils.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/time.h>

#define PAGE 4096UL
#define LENGTH (4 * PAGE)
#define RW (RSM_RIGHT_READ | RSM_RIGHT_WRITE)
#define MS 1000000ULL
#define READABLE (POLLIN | POLLRDNORM)
#define DEAD (POLLERR | POLLHUP)

/* How long something may take, and how long nothing must happen. */
#define BOUND_MS 5000
#define STILL_MS 100

/* How long races run, and how long a publication in them lasts. */
#ifdef RSM_REMOTE
#define RACE_MS 10000
#define CHURN_MS 200
#else
#define RACE_MS 3000
#define CHURN_MS 2
#endif

FIXTURE(event)
{
	struct rsm_scene scene;
	struct rsm_export exp;
	int imp;
};

FIXTURE_SETUP(event)
{
	ASSERT_OK(rsm_scene_open(&self->scene));
	ASSERT_OK(rsm_export_new(&self->scene, LENGTH, 1, &self->exp));
	self->imp = rsm_import(&self->scene, self->exp.segid, RW);
	ASSERT_LE(0, self->imp);
}

FIXTURE_TEARDOWN(event)
{
	EXPECT_TRUE(rsm_scene_close(&self->scene));
}

typedef FIXTURE_DATA(event) event_self;

static int poll_for(int fd, int ms)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN | POLLRDNORM };

	return poll(&pollfd, 1, ms) < 0 ? -errno : pollfd.revents;
}

static int publish_again(event_self *self)
{
	int ret = rsm_unpublish(self->exp.fd, NULL);

	self->exp.segid = 0;
	return ret ?: rsm_publish(self->exp.fd, &self->exp.segid, NULL, 0,
				  NULL);
}

/* Take a signal that was posted. */
static int take_posted(int fd, __u32 *error)
{
	return rsm_take(fd, RSM_COMES_MS * MS, error);
}

/* The same if none was, as far as is known. */
static int take_none(int fd, __u32 *error)
{
	return rsm_take(fd, RSM_ARRIVAL_MS * MS, error);
}

/* Let signals arrive of which it is not seen if they did. */
static void let_arrive(void)
{
	rsm_sleep_ms(RSM_ARRIVAL_MS);
}

/* A thread that waits, and what came of it. */
struct waiter {
	pthread_t thread;
	pid_t tid;
	int fd;
	__u64 timeout_ns;
	bool done;
	int ret;
	__u32 error;
};

static void *take_in_thread(void *arg)
{
	struct waiter *waiter = arg;

	__atomic_store_n(&waiter->tid, gettid(), __ATOMIC_RELEASE);
	waiter->ret = rsm_take(waiter->fd, waiter->timeout_ns, &waiter->error);
	__atomic_store_n(&waiter->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Start @count of them; when this returns they sleep. */
static void start_waiters(struct waiter *waiters, int count, int fd,
			  __u64 timeout_ns)
{
	int i;

	for (i = 0; i < count; i++) {
		waiters[i] = (struct waiter){ .fd = fd,
					      .timeout_ns = timeout_ns };
		if (pthread_create(&waiters[i].thread, NULL, take_in_thread,
				   &waiters[i]) ||
		    !rsm_wait_asleep(&waiters[i].tid))
			abort();
	}
}

static int done_waiters(const struct waiter *waiters, int count)
{
	int i, done = 0;

	for (i = 0; i < count; i++)
		done += __atomic_load_n(&waiters[i].done, __ATOMIC_ACQUIRE);
	return done;
}

/* Wait until so many of them are done: true if they ever are. */
static bool wait_done(const struct waiter *waiters, int count, int done)
{
	long end = rsm_now_ms() + BOUND_MS;

	while (done_waiters(waiters, count) < done) {
		if (rsm_now_ms() > end)
			return false;
		rsm_sleep_ms(1);
	}
	return true;
}

/* In both directions */

FIXTURE(signal)
{
	event_self event;
	const volatile struct rsm_status *status;
	int from;
	int to;
};

FIXTURE_VARIANT(signal)
{
	bool to_export;
};

FIXTURE_VARIANT_ADD(signal, to_export)
{
	.to_export = true,
};

FIXTURE_VARIANT_ADD(signal, to_import)
{
	.to_export = false,
};

FIXTURE_SETUP(signal)
{
	event_setup(_metadata, &self->event, NULL);
	self->from = variant->to_export ? self->event.imp : self->event.exp.fd;
	self->to = variant->to_export ? self->event.exp.fd : self->event.imp;
	self->status = rsm_map_status(self->to);
	ASSERT_NE(MAP_FAILED, (const void *)self->status);
}

FIXTURE_TEARDOWN(signal)
{
	event_teardown(_metadata, &self->event, NULL);
}

typedef FIXTURE_DATA(signal) signal_self;

/* Signals that are pending, when as many as were posted are there. */
static __u32 pending(const signal_self *self, __u32 posted)
{
	long end = rsm_now_ms() + RSM_COMES_MS;

	while (self->status->signals != posted && rsm_now_ms() < end)
		rsm_sleep_ms(1);
	return self->status->signals;
}

/* The same when more of them would have come. */
static __u32 still_pending(const signal_self *self, __u32 posted)
{
	pending(self, posted);
	let_arrive();
	return self->status->signals;
}

TEST_F(signal, each_one_counts)
{
	int i;

	EXPECT_EQ(0, self->status->signals);
	EXPECT_FAIL(ETIMEDOUT, RSM_ERR_TIMEOUT, take_none(self->to, &error));
	for (i = 1; i <= 5; i++) {
		EXPECT_OK(rsm_post(self->from, 0, NULL));
		EXPECT_EQ(i, pending(self, i));
	}
	while (--i) {
		EXPECT_OK(take_posted(self->to, NULL));
		EXPECT_EQ(i - 1, self->status->signals);
	}
	EXPECT_FAIL(ETIMEDOUT, RSM_ERR_TIMEOUT, take_none(self->to, &error));
	EXPECT_EQ(0, self->status->signals);
}

/* One does not come back to who posts it. */
TEST_F(signal, goes_to_the_other_side)
{
	EXPECT_OK(rsm_post(self->from, 0, NULL));
	EXPECT_FAIL(ETIMEDOUT, RSM_ERR_TIMEOUT,
		    take_none(self->from, &error));
	EXPECT_EQ(0, poll_for(self->from, 0));
	EXPECT_OK(take_posted(self->to, NULL));
}

TEST_F(signal, not_accumulated)
{
	EXPECT_OK(rsm_post(self->from, RSM_SIGNAL_NO_ACCUMULATE, NULL));
	EXPECT_EQ(1, still_pending(self, 1));
	EXPECT_OK(rsm_post(self->from, RSM_SIGNAL_NO_ACCUMULATE, NULL));
	EXPECT_EQ(1, still_pending(self, 1));
	EXPECT_OK(rsm_post(self->from, 0, NULL));
	EXPECT_EQ(2, still_pending(self, 2));
	EXPECT_OK(rsm_post(self->from, RSM_SIGNAL_NO_ACCUMULATE, NULL));
	EXPECT_EQ(2, still_pending(self, 2));
	EXPECT_OK(take_posted(self->to, NULL));
	EXPECT_OK(take_posted(self->to, NULL));
	EXPECT_OK(rsm_post(self->from, RSM_SIGNAL_NO_ACCUMULATE, NULL));
	EXPECT_OK(take_posted(self->to, NULL));
	EXPECT_FAIL(ETIMEDOUT, RSM_ERR_TIMEOUT, take_none(self->to, &error));
}

TEST_F(signal, time_limit)
{
	static const int limits[] = { 1, 50, 200 };
	unsigned int i;
	long took;

	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		took = -rsm_now_ms();
		EXPECT_FAIL(ETIMEDOUT, RSM_ERR_TIMEOUT,
			    rsm_take(self->to, limits[i] * MS, &error));
		took += rsm_now_ms();
		/* the clock is read in whole milliseconds */
		EXPECT_LE(limits[i] - 1, took);
		EXPECT_GT(limits[i] + 1000, took);
	}
	/* what is pending is not waited for, nor is nothing */
	EXPECT_OK(rsm_post(self->from, 0, NULL));
	took = -rsm_now_ms();
	EXPECT_OK(rsm_take(self->to, 5000 * MS, NULL));
	EXPECT_FAIL(ETIMEDOUT, RSM_ERR_TIMEOUT, rsm_take(self->to, 0, &error));
	EXPECT_GT(1000, took + rsm_now_ms());
}

/* Long limits, some of which are negative or overflow as a signed number. */
TEST_F(signal, long_time_limits)
{
	static const __u64 limits[] = {
		RSM_WAIT_FOREVER, RSM_WAIT_FOREVER - 1, 1ULL << 63,
		(1ULL << 63) - 1, 1ULL << 62, 100000 * MS,
	};
	struct waiter waiter;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		start_waiters(&waiter, 1, self->to, limits[i]);
		rsm_sleep_ms(STILL_MS);
		EXPECT_EQ(0, done_waiters(&waiter, 1));
		EXPECT_OK(rsm_post(self->from, 0, NULL));
		ASSERT_TRUE(wait_done(&waiter, 1, 1));
		pthread_join(waiter.thread, NULL);
		EXPECT_EQ(0, waiter.ret);
		EXPECT_EQ(0, waiter.error);
	}
	EXPECT_EQ(0, self->status->signals);
}

/* Each signal wakes one waiter, and the others sleep on. */
TEST_F(signal, one_waiter_for_each)
{
	struct waiter waiters[8];
	int i;

	start_waiters(waiters, 8, self->to, RSM_WAIT_FOREVER);
	for (i = 0; i < 5; i++)
		EXPECT_OK(rsm_post(self->from, 0, NULL));
	ASSERT_TRUE(wait_done(waiters, 8, 5));
	rsm_sleep_ms(STILL_MS);
	EXPECT_EQ(5, done_waiters(waiters, 8));
	EXPECT_EQ(0, self->status->signals);
	for (i = 0; i < 3; i++)
		EXPECT_OK(rsm_post(self->from, 0, NULL));
	ASSERT_TRUE(wait_done(waiters, 8, 8));
	for (i = 0; i < 8; i++) {
		pthread_join(waiters[i].thread, NULL);
		EXPECT_EQ(0, waiters[i].ret);
	}
	EXPECT_EQ(0, self->status->signals);
}

TEST_F(signal, poll)
{
	EXPECT_EQ(0, poll_for(self->to, 0));
	EXPECT_OK(rsm_post(self->from, 0, NULL));
	EXPECT_OK(rsm_post(self->from, 0, NULL));
	/* looking takes none */
	EXPECT_EQ(READABLE, poll_for(self->to, RSM_COMES_MS));
	EXPECT_EQ(READABLE, poll_for(self->to, RSM_COMES_MS));
	EXPECT_OK(take_posted(self->to, NULL));
	EXPECT_EQ(READABLE, poll_for(self->to, RSM_COMES_MS));
	EXPECT_OK(take_posted(self->to, NULL));
	EXPECT_EQ(0, poll_for(self->to, 10 + RSM_ARRIVAL_MS));
}

static void *poll_in_thread(void *arg)
{
	struct waiter *waiter = arg;

	__atomic_store_n(&waiter->tid, gettid(), __ATOMIC_RELEASE);
	waiter->ret = poll_for(waiter->fd, BOUND_MS);
	return NULL;
}

/* All pollers wake up for one signal. */
TEST_F(signal, poll_wakes_up)
{
	struct waiter pollers[4];
	long start = rsm_now_ms();
	int i;

	for (i = 0; i < 4; i++) {
		pollers[i] = (struct waiter){ .fd = self->to };
		ASSERT_OK(pthread_create(&pollers[i].thread, NULL,
					 poll_in_thread, &pollers[i]));
		ASSERT_TRUE(rsm_wait_asleep(&pollers[i].tid));
	}
	EXPECT_OK(rsm_post(self->from, 0, NULL));
	for (i = 0; i < 4; i++) {
		pthread_join(pollers[i].thread, NULL);
		EXPECT_EQ(READABLE, pollers[i].ret);
	}
	EXPECT_GT(BOUND_MS, rsm_now_ms() - start);
}

TEST_F(signal, epoll_by_level)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDNORM };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	ASSERT_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, self->to, &event));
	EXPECT_EQ(0, epoll_wait(epoll, &event, 1, 10));
	EXPECT_OK(rsm_post(self->from, 0, NULL));
	EXPECT_EQ(1, epoll_wait(epoll, &event, 1, BOUND_MS));
	EXPECT_EQ(EPOLLIN | EPOLLRDNORM, event.events);
	EXPECT_EQ(1, epoll_wait(epoll, &event, 1, 0));
	EXPECT_OK(take_posted(self->to, NULL));
	EXPECT_EQ(0, epoll_wait(epoll, &event, 1, 10));
	close(epoll);
}

TEST_F(signal, epoll_by_edge)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int i;

	ASSERT_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, self->to, &event));
	EXPECT_EQ(0, epoll_wait(epoll, &event, 1, 10));
	/* each signal is an edge, taken or not */
	for (i = 0; i < 3; i++) {
		EXPECT_OK(rsm_post(self->from, 0, NULL));
		EXPECT_EQ(1, epoll_wait(epoll, &event, 1, BOUND_MS));
		EXPECT_EQ(EPOLLIN, event.events);
		EXPECT_EQ(0, epoll_wait(epoll, &event, 1, 10));
	}
	close(epoll);
}

static void ignore(int signal)
{
	(void)signal;
}

/* Any signal that is handled, with SA_RESTART as well. */
TEST_F(signal, interrupted)
{
	static const int flags[] = { 0, SA_RESTART };
	struct sigaction action = { .sa_handler = ignore };
	struct itimerval timer = { .it_value.tv_usec = 50000 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		action.sa_flags = flags[i];
		ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
		ASSERT_EQ(0, setitimer(ITIMER_REAL, &timer, NULL));
		EXPECT_FAIL(EINTR, RSM_ERR_NONE,
			    rsm_take(self->to, RSM_WAIT_FOREVER, &error));
		ASSERT_EQ(0, setitimer(ITIMER_REAL, &timer, NULL));
		EXPECT_FAIL(EINTR, RSM_ERR_NONE,
			    rsm_take(self->to, 5000 * MS, &error));
	}
	/* and nothing is lost by that */
	EXPECT_OK(rsm_post(self->from, 0, NULL));
	EXPECT_OK(take_posted(self->to, NULL));
}

TEST_F(signal, time_left_when_interrupted)
{
	struct rsm_signal_wait cmd = { .size = sizeof(cmd),
				       .timeout_ns = 5000 * MS };
	struct sigaction action = { .sa_handler = ignore };
	struct itimerval timer = { .it_value.tv_usec = 200000 };

	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &timer, NULL));
	EXPECT_EQ(-EINTR, rsm_cmd(self->to, RSM_SIGNAL_WAIT, &cmd, NULL, NULL));
	EXPECT_GT(5000 * MS, cmd.timeout_ns);
	EXPECT_LT(0, cmd.timeout_ns);
	cmd.timeout_ns = RSM_WAIT_FOREVER;
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &timer, NULL));
	EXPECT_EQ(-EINTR, rsm_cmd(self->to, RSM_SIGNAL_WAIT, &cmd, NULL, NULL));
	EXPECT_EQ(RSM_WAIT_FOREVER, cmd.timeout_ns);
}

static int take_within_limit(void *arg)
{
	long start = rsm_now_ms();
	int ret = rsm_take(*(int *)arg, 1200 * MS, NULL);
	long took = rsm_now_ms() - start;

	if (ret != -ETIMEDOUT)
		return 1;
	/* Six times from the start would make it 3000 and more. */
	return took < 1199 || took > 2800 ? 2 : 0;
}

/* Who is stopped and goes on goes on waiting, and not from the start. */
TEST_F(signal, stopped_and_continued)
{
	pid_t pid = rsm_start_child(take_within_limit, &self->to);
	int i;

	ASSERT_TRUE(rsm_wait_asleep(&pid));
	for (i = 0; i < 6; i++) {
		rsm_sleep_ms(150);
		kill(pid, SIGSTOP);
		rsm_sleep_ms(150);
		kill(pid, SIGCONT);
	}
	EXPECT_EQ(0, rsm_wait_child(pid));
}

/* A duplicate counts as the descriptor. */
TEST_F(signal, duplicate_closed_by_another_thread)
{
	int copy = dup(self->to);
	struct waiter waiter;

	start_waiters(&waiter, 1, self->to, RSM_WAIT_FOREVER);
	close(copy);
	ASSERT_TRUE(wait_done(&waiter, 1, 1));
	pthread_join(waiter.thread, NULL);
	EXPECT_EQ(-EBADF, waiter.ret);
	/* that is no reason not to wait again */
	EXPECT_FAIL(ETIMEDOUT, RSM_ERR_TIMEOUT,
		    rsm_take(self->to, 20 * MS, &error));
}

TEST_F(signal, closed_by_another_thread)
{
	struct waiter waiters[3];
	int i;

	start_waiters(waiters, 3, self->to, RSM_WAIT_FOREVER);
	close(self->to);
	ASSERT_TRUE(wait_done(waiters, 3, 3));
	for (i = 0; i < 3; i++) {
		pthread_join(waiters[i].thread, NULL);
		EXPECT_EQ(-EBADF, waiters[i].ret);
	}
}

static int close_inherited(void *arg)
{
	return close(*(int *)arg);
}

TEST_F(signal, closed_by_a_child)
{
	struct waiter waiter;

	start_waiters(&waiter, 1, self->to, RSM_WAIT_FOREVER);
	EXPECT_EQ(0, rsm_in_child(close_inherited, &self->to));
	rsm_sleep_ms(STILL_MS);
	EXPECT_EQ(0, done_waiters(&waiter, 1));
	EXPECT_OK(rsm_post(self->from, 0, NULL));
	ASSERT_TRUE(wait_done(&waiter, 1, 1));
	pthread_join(waiter.thread, NULL);
	EXPECT_EQ(0, waiter.ret);
}

/* Killed while it waits: no signal goes to who is not there any more. */
static int take_forever(void *arg)
{
	return rsm_take(*(int *)arg, RSM_WAIT_FOREVER, NULL);
}

TEST_F(signal, killed_waiter_takes_none)
{
	long start;
	pid_t pid;
	int i;

	for (i = 0; i < 50; i++) {
		pid = rsm_start_child(take_forever, &self->to);
		ASSERT_LT(0, pid);
		rsm_sleep_ms(i % 8);
		start = rsm_now_ms();
		kill(pid, SIGKILL);
		EXPECT_EQ(-SIGKILL, rsm_wait_child(pid));
		EXPECT_GT(1000, rsm_now_ms() - start);
		EXPECT_OK(rsm_post(self->from, 0, NULL));
		EXPECT_OK(take_posted(self->to, NULL));
	}
}

#define FLOOD 100000

static long memory_of(const char *field)
{
	char line[128], format[64];
	long value = -1, found;
	FILE *file = fopen("/proc/meminfo", "re");

	snprintf(format, sizeof(format), "%s: %%ld", field);
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, format, &found) == 1)
			value = found;
	if (file)
		fclose(file);
	return value;
}

/* Whoever does not take them has a larger number, and that is all. */
TEST_F_TIMEOUT(signal, threat_63_signal_flood, 120)
{
	struct rsm_stats before, after;
	long slab = memory_of("Slab");
	int i;

	rsm_stats_read(&before);
	for (i = 0; i < FLOOD; i++)
		ASSERT_OK(rsm_post(self->from, 0, NULL));
	rsm_stats_read(&after);
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	/* in KiB: a record of 64 bytes for each would be 6 MiB */
	EXPECT_GT(3000, memory_of("Slab") - slab);
	EXPECT_EQ(FLOOD, pending(self, FLOOD));
	EXPECT_EQ(READABLE, poll_for(self->to, RSM_COMES_MS));
	for (i = 0; i < FLOOD; i++)
		ASSERT_OK(take_posted(self->to, NULL));
	EXPECT_FAIL(ETIMEDOUT, RSM_ERR_TIMEOUT, take_none(self->to, &error));
}

#define TAKERS 4
#define POSTERS 2
#define POSTS 3000

struct crowd {
	int from;
	int to;
	int taken;
};

static int post_many(void *arg)
{
	struct crowd *crowd = arg;
	int i, ret = 0;

	for (i = 0; i < POSTS && !ret; i++)
		ret = rsm_post(crowd->from, 0, NULL);
	return !!ret;
}

static int take_many(void *arg)
{
	struct crowd *crowd = arg;
	int ret;

	for (;;) {
		ret = rsm_take(crowd->to, 1000 * MS, NULL);
		if (ret)
			return ret != -ETIMEDOUT;
		__atomic_fetch_add(&crowd->taken, 1, __ATOMIC_RELAXED);
	}
}

/* Of many posts by many to many, no one is lost, and none doubled. */
TEST_F_TIMEOUT(signal, none_is_lost, 120)
{
	struct crowd *crowd = rsm_alloc_shared(PAGE);
	pid_t pids[TAKERS + POSTERS];
	int i;

	ASSERT_NE(MAP_FAILED, crowd);
	crowd->from = self->from;
	crowd->to = self->to;
	for (i = 0; i < TAKERS + POSTERS; i++)
		pids[i] = rsm_start_child(i < TAKERS ? take_many : post_many,
					  crowd);
	for (i = 0; i < TAKERS + POSTERS; i++)
		EXPECT_EQ(0, rsm_wait_child(pids[i]));
	EXPECT_EQ(POSTERS * POSTS, crowd->taken);
	EXPECT_EQ(0, self->status->signals);
	munmap(crowd, PAGE);
}

/* From one to the other and back */

#define ROUNDS 3000

static int answer(void *arg)
{
	event_self *self = arg;
	int i, ret = 0;

	for (i = 0; i < ROUNDS && !ret; i++)
		ret = rsm_take(self->imp, RSM_WAIT_FOREVER, NULL) ?:
		      rsm_post(self->imp, 0, NULL);
	return !!ret;
}

TEST_F_TIMEOUT(event, to_and_fro, 60)
{
	pid_t pid = rsm_start_child(answer, self);
	int i;

	for (i = 0; i < ROUNDS; i++) {
		ASSERT_OK(rsm_post(self->exp.fd, 0, NULL));
		ASSERT_OK(rsm_take(self->exp.fd, BOUND_MS * MS, NULL));
	}
	EXPECT_EQ(0, rsm_wait_child(pid));
}

/* Who gets them */

TEST_F(event, no_rights_needed)
{
	int fd = rsm_import(&self->scene, self->exp.segid, 0);

	ASSERT_LE(0, fd);
	EXPECT_OK(rsm_post(fd, 0, NULL));
	EXPECT_OK(take_posted(self->exp.fd, NULL));
	EXPECT_OK(rsm_post(self->exp.fd, 0, NULL));
	EXPECT_OK(take_posted(fd, NULL));
	EXPECT_OK(take_posted(self->imp, NULL));
}

TEST_F(event, nobody_to_get_it)
{
	close(self->imp);
	EXPECT_OK(rsm_post(self->exp.fd, 0, NULL));
	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	EXPECT_OK(rsm_post(self->exp.fd, 0, NULL));
	self->exp.segid = 0;
	ASSERT_OK(rsm_publish(self->exp.fd, &self->exp.segid, NULL, 0, NULL));
	/* who comes later gets none of the past */
	self->imp = rsm_import(&self->scene, self->exp.segid, RW);
	ASSERT_LE(0, self->imp);
	EXPECT_FAIL(ETIMEDOUT, RSM_ERR_TIMEOUT,
		    take_none(self->imp, &error));
	EXPECT_FAIL(ETIMEDOUT, RSM_ERR_TIMEOUT,
		    take_none(self->exp.fd, &error));
}

/* An export that has never been published */
TEST_F(event, export_that_is_not_published)
{
	char *mem = rsm_alloc(LENGTH);
	int fd;

	ASSERT_OK(rsm_create(self->scene.fd, self->scene.controller, mem,
			     LENGTH, 0, &fd, NULL));
	EXPECT_OK(rsm_post(fd, 0, NULL));
	EXPECT_FAIL(ETIMEDOUT, RSM_ERR_TIMEOUT, take_none(fd, &error));
	EXPECT_EQ(0, poll_for(fd, 0));
}

static int post_and_take(void *arg)
{
	event_self *self = arg;

	return rsm_post(self->exp.fd, 0, NULL) ||
	       rsm_take(self->exp.fd, BOUND_MS * MS, NULL);
}

/* The right to it is the descriptor. */
TEST_F(event, inherited_descriptor)
{
	EXPECT_OK(rsm_post(self->imp, 0, NULL));
	EXPECT_EQ(0, rsm_in_child_as(RSM_NOBODY, post_and_take, self));
	EXPECT_OK(take_posted(self->imp, NULL));
	EXPECT_FAIL(ETIMEDOUT, RSM_ERR_TIMEOUT,
		    take_none(self->exp.fd, &error));
}

/* Connections to other machines have their price. */
#ifdef RSM_REMOTE
#define MANY 64
#else
#define MANY 1000
#endif

TEST_F_TIMEOUT(event, all_imports_get_it, 60)
{
	struct rlimit limit = { MANY + 100, MANY + 100 };
	int *fds = calloc(MANY, sizeof(*fds));
	int i;

	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	for (i = 0; i < MANY; i++) {
		fds[i] = rsm_import(&self->scene, self->exp.segid, RW);
		ASSERT_LE(0, fds[i]);
	}
	EXPECT_OK(rsm_post(self->exp.fd, 0, NULL));
	for (i = 0; i < MANY; i++)
		EXPECT_OK(take_posted(fds[i], NULL));
	/* one that has its own already, and every second one gone */
	EXPECT_OK(rsm_post(self->exp.fd, 0, NULL));
	for (i = 0; i < MANY; i += 2)
		close(fds[i]);
	EXPECT_OK(rsm_post(self->exp.fd, RSM_SIGNAL_NO_ACCUMULATE, NULL));
	let_arrive();
	for (i = 1; i < MANY; i += 2) {
		EXPECT_OK(rsm_take(fds[i], 0, NULL));
		EXPECT_EQ(-ETIMEDOUT, rsm_take(fds[i], 0, NULL));
	}
	/* a signal of each */
	for (i = 1; i < MANY; i += 2)
		EXPECT_OK(rsm_post(fds[i], 0, NULL));
	for (i = 1; i < MANY; i += 2)
		EXPECT_OK(take_posted(self->exp.fd, NULL));
	EXPECT_EQ(-ETIMEDOUT, take_none(self->exp.fd, NULL));
	free(fds);
}

/* The end of a connection */

TEST_F(event, pending_ones_outlive_the_connection)
{
	const volatile struct rsm_status *status = rsm_map_status(self->imp);

	ASSERT_NE(MAP_FAILED, (const void *)status);
	EXPECT_OK(rsm_post(self->exp.fd, 0, NULL));
	EXPECT_OK(rsm_post(self->exp.fd, 0, NULL));
	EXPECT_OK(rsm_post(self->imp, 0, NULL));
	EXPECT_EQ(READABLE, poll_for(self->exp.fd, RSM_COMES_MS));
	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	rsm_wait_aborted(self->imp);
	EXPECT_EQ(READABLE | DEAD, poll_for(self->imp, 0));
	EXPECT_EQ(2, status->signals);
	EXPECT_OK(rsm_take(self->imp, RSM_WAIT_FOREVER, NULL));
	EXPECT_OK(rsm_take(self->imp, RSM_WAIT_FOREVER, NULL));
	EXPECT_FAIL(ECONNABORTED, RSM_ERR_CONN_ABORTED,
		    rsm_take(self->imp, RSM_WAIT_FOREVER, &error));
	EXPECT_FAIL(ECONNABORTED, RSM_ERR_CONN_ABORTED,
		    take_posted(self->imp, &error));
	EXPECT_EQ(DEAD, poll_for(self->imp, 0));
	EXPECT_FAIL(ECONNABORTED, RSM_ERR_CONN_ABORTED,
		    rsm_post(self->imp, 0, &error));
	EXPECT_FAIL(ECONNABORTED, RSM_ERR_CONN_ABORTED,
		    rsm_post(self->imp, RSM_SIGNAL_NO_ACCUMULATE, &error));
	/* the export is alive, and has what was posted before */
	EXPECT_OK(take_posted(self->exp.fd, NULL));
	EXPECT_FAIL(ETIMEDOUT, RSM_ERR_TIMEOUT,
		    take_none(self->exp.fd, &error));
}

TEST_F(event, end_of_an_export)
{
	EXPECT_OK(rsm_post(self->imp, 0, NULL));
	EXPECT_EQ(READABLE, poll_for(self->exp.fd, RSM_COMES_MS));
	ASSERT_OK(rsm_destroy(self->exp.fd, NULL));
	EXPECT_EQ(READABLE | DEAD, poll_for(self->exp.fd, 0));
	EXPECT_OK(rsm_take(self->exp.fd, RSM_WAIT_FOREVER, NULL));
	EXPECT_FAIL(ECONNABORTED, RSM_ERR_CONN_ABORTED,
		    rsm_take(self->exp.fd, RSM_WAIT_FOREVER, &error));
	EXPECT_FAIL(ECONNABORTED, RSM_ERR_CONN_ABORTED,
		    rsm_post(self->exp.fd, 0, &error));
	EXPECT_EQ(DEAD, poll_for(self->exp.fd, 0));
}

/* A connection is to a publication, not to an id. */
TEST_F(event, threat_64_published_again)
{
	__u32 segid = 0x400036;
	int old, later;

	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	ASSERT_OK(rsm_publish(self->exp.fd, &segid, NULL, 0, NULL));
	old = rsm_import(&self->scene, segid, RW);
	ASSERT_LE(0, old);
	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	ASSERT_OK(rsm_publish(self->exp.fd, &segid, NULL, 0, NULL));
	later = rsm_import(&self->scene, segid, RW);
	ASSERT_LE(0, later);
	EXPECT_OK(rsm_post(self->exp.fd, 0, NULL));
	EXPECT_FAIL(ECONNABORTED, RSM_ERR_CONN_ABORTED,
		    take_posted(old, &error));
	EXPECT_OK(take_posted(later, NULL));
	EXPECT_FAIL(ECONNABORTED, RSM_ERR_CONN_ABORTED,
		    rsm_post(old, 0, &error));
	EXPECT_FAIL(ETIMEDOUT, RSM_ERR_TIMEOUT,
		    take_none(self->exp.fd, &error));
	EXPECT_OK(rsm_post(later, 0, NULL));
	EXPECT_OK(take_posted(self->exp.fd, NULL));
}

TEST_F(event, threat_64_id_of_another_segment)
{
	struct rsm_export other;
	__u32 segid = 0x400035;
	int old, imp;

	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	ASSERT_OK(rsm_publish(self->exp.fd, &segid, NULL, 0, NULL));
	old = rsm_import(&self->scene, segid, RW);
	ASSERT_LE(0, old);
	ASSERT_OK(rsm_destroy(self->exp.fd, NULL));
	ASSERT_OK(rsm_export_new(&self->scene, LENGTH, 9, &other));
	ASSERT_OK(rsm_unpublish(other.fd, NULL));
	ASSERT_OK(rsm_publish(other.fd, &segid, NULL, 0, NULL));
	imp = rsm_import(&self->scene, segid, RW);
	ASSERT_LE(0, imp);
	rsm_wait_aborted(old);
	EXPECT_FAIL(ECONNABORTED, RSM_ERR_CONN_ABORTED,
		    rsm_post(old, 0, &error));
	EXPECT_FAIL(ETIMEDOUT, RSM_ERR_TIMEOUT, take_none(other.fd, &error));
	EXPECT_OK(rsm_post(other.fd, 0, NULL));
	EXPECT_FAIL(ECONNABORTED, RSM_ERR_CONN_ABORTED,
		    take_posted(old, &error));
	EXPECT_OK(take_posted(imp, NULL));
}

TEST_F(event, rebind_is_none)
{
	ASSERT_OK(rsm_post(self->exp.fd, 0, NULL));
	ASSERT_OK(rsm_rebind(self->exp.fd, self->exp.mem, LENGTH, NULL));
	EXPECT_OK(take_posted(self->imp, NULL));
	EXPECT_FAIL(ETIMEDOUT, RSM_ERR_TIMEOUT,
		    take_none(self->imp, &error));
	EXPECT_FAIL(ETIMEDOUT, RSM_ERR_TIMEOUT,
		    take_none(self->exp.fd, &error));
}

/* Whoever waits is told of the end, whatever kind of end it is. */

struct plan {
	const struct rsm_scene *scene;
	__u32 segid;
	bool go;
	int (*end)(const struct rsm_export *exp);
};

FIXTURE(ending)
{
	struct rsm_scene scene;
	struct plan *plan;
	pid_t exporter;
	int imp;
};

FIXTURE_VARIANT(ending)
{
	int (*end)(const struct rsm_export *exp);
};

static int end_unpublish(const struct rsm_export *exp)
{
	return rsm_unpublish(exp->fd, NULL) ?: pause();
}

static int end_destroy(const struct rsm_export *exp)
{
	return rsm_destroy(exp->fd, NULL) ?: pause();
}

static int end_close(const struct rsm_export *exp)
{
	close(exp->fd);
	return pause();
}

static int end_exit(const struct rsm_export *exp)
{
	(void)exp;
	_exit(0);
}

static int end_kill(const struct rsm_export *exp)
{
	(void)exp;
	return kill(getpid(), SIGKILL);
}

FIXTURE_VARIANT_ADD(ending, unpublish) { .end = end_unpublish };
FIXTURE_VARIANT_ADD(ending, destroy) { .end = end_destroy };
FIXTURE_VARIANT_ADD(ending, close) { .end = end_close };
FIXTURE_VARIANT_ADD(ending, exit) { .end = end_exit };
FIXTURE_VARIANT_ADD(ending, kill) { .end = end_kill };

static int export_and_end(void *arg)
{
	struct plan *plan = arg;
	struct rsm_export exp;

	if (rsm_export_new(plan->scene, LENGTH, 1, &exp))
		return 1;
	__atomic_store_n(&plan->segid, exp.segid, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&plan->go, __ATOMIC_ACQUIRE))
		rsm_sleep_ms(1);
	return plan->end(&exp);
}

FIXTURE_SETUP(ending)
{
	ASSERT_OK(rsm_scene_open(&self->scene));
	self->plan = rsm_alloc_shared(PAGE);
	ASSERT_NE(MAP_FAILED, self->plan);
	self->plan->scene = &self->scene;
	self->plan->end = variant->end;
	self->exporter = rsm_start_child(export_and_end, self->plan);
	while (!__atomic_load_n(&self->plan->segid, __ATOMIC_ACQUIRE))
		rsm_sleep_ms(1);
	self->imp = rsm_import(&self->scene, self->plan->segid, RW);
	ASSERT_LE(0, self->imp);
}

FIXTURE_TEARDOWN(ending)
{
	kill(self->exporter, SIGKILL);
	rsm_wait_child(self->exporter);
	munmap(self->plan, PAGE);
	EXPECT_TRUE(rsm_scene_close(&self->scene));
}

TEST_F(ending, wakes_all_waiters)
{
	struct waiter waiters[6];
	int i;

	start_waiters(waiters, 3, self->imp, RSM_WAIT_FOREVER);
	start_waiters(waiters + 3, 3, self->imp, 60000 * MS);
	EXPECT_EQ(0, done_waiters(waiters, 6));
	__atomic_store_n(&self->plan->go, true, __ATOMIC_RELEASE);
	ASSERT_TRUE(wait_done(waiters, 6, 6));
	for (i = 0; i < 6; i++) {
		pthread_join(waiters[i].thread, NULL);
		EXPECT_EQ(-ECONNABORTED, waiters[i].ret);
		EXPECT_EQ(RSM_ERR_CONN_ABORTED, waiters[i].error);
	}
	EXPECT_EQ(DEAD, poll_for(self->imp, BOUND_MS));
	EXPECT_FAIL(ECONNABORTED, RSM_ERR_CONN_ABORTED,
		    rsm_post(self->imp, 0, &error));
}

TEST_F(event, destroy_wakes_who_waits_on_the_export)
{
	struct waiter waiters[3];
	int i;

	start_waiters(waiters, 3, self->exp.fd, RSM_WAIT_FOREVER);
	/* this is not the end of an export */
	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	rsm_sleep_ms(STILL_MS);
	EXPECT_EQ(0, done_waiters(waiters, 3));
	ASSERT_OK(rsm_destroy(self->exp.fd, NULL));
	ASSERT_TRUE(wait_done(waiters, 3, 3));
	for (i = 0; i < 3; i++) {
		pthread_join(waiters[i].thread, NULL);
		EXPECT_EQ(-ECONNABORTED, waiters[i].ret);
		EXPECT_EQ(RSM_ERR_CONN_ABORTED, waiters[i].error);
	}
}

/* All at once: who comes, who goes, who posts, who waits, and the exporter. */

struct churn {
	event_self *self;
	bool stop;
	__u32 segid;
	long connects;
	long posts;
	long takes;
	int wrong;
};

static bool churning(struct churn *churn)
{
	return !__atomic_load_n(&churn->stop, __ATOMIC_RELAXED);
}

static void check_result(struct churn *churn, int ret, long *count)
{
	if (!ret)
		__atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
	else if (ret != -ECONNABORTED && ret != -ETIMEDOUT)
		__atomic_store_n(&churn->wrong, ret, __ATOMIC_RELAXED);
}

static void *connect_on(void *arg)
{
	struct churn *churn = arg;
	__u32 segid;
	int fd;

	while (churning(churn)) {
		segid = __atomic_load_n(&churn->segid, __ATOMIC_RELAXED);
		fd = rsm_import(&churn->self->scene, segid, RW);
		if (fd < 0)
			continue;
		churn->connects++;
		check_result(churn, rsm_take(fd, MS, NULL), &churn->takes);
		check_result(churn, rsm_post(fd, 0, NULL), &churn->posts);
		close(fd);
	}
	return NULL;
}

static void *broadcast_on(void *arg)
{
	struct churn *churn = arg;

	while (churning(churn))
		check_result(churn, rsm_post(churn->self->exp.fd, 0, NULL),
			     &churn->posts);
	return NULL;
}

static void *drain_on(void *arg)
{
	struct churn *churn = arg;

	while (churning(churn))
		check_result(churn, rsm_take(churn->self->exp.fd, MS, NULL),
			     &churn->takes);
	return NULL;
}

TEST_F_TIMEOUT(event, all_at_once, 60)
{
	static void *(*const what[])(void *arg) = {
		connect_on, connect_on, broadcast_on, drain_on,
	};
	struct churn churn = { .self = self, .segid = self->exp.segid };
	pthread_t threads[ARRAY_SIZE(what)];
	long end = rsm_now_ms() + RACE_MS;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(what); i++)
		ASSERT_OK(pthread_create(&threads[i], NULL, what[i], &churn));
	while (rsm_now_ms() < end) {
		ASSERT_OK(publish_again(self));
		__atomic_store_n(&churn.segid, self->exp.segid,
				 __ATOMIC_RELAXED);
		rsm_sleep_ms(CHURN_MS);
	}
	__atomic_store_n(&churn.stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < ARRAY_SIZE(what); i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(0, churn.wrong);
	EXPECT_LT(10, churn.connects);
	EXPECT_LT(10, churn.posts);
	EXPECT_LT(10, churn.takes);
}

TEST_HARNESS_MAIN
