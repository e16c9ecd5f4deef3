// SPDX-License-Identifier: GPL-2.0-only
/*
 * libusrsm: signals and poll descriptors.
 */
#include "lib_utils.h"

#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>

/* What is waited for, and what may be waited in vain */
#define SHORT_MS 50

static int post(void *memseg)
{
	return rsm_intr_signal_post(memseg, 0);
}

static int post_once(void *memseg)
{
	return rsm_intr_signal_post(memseg, RSM_SIGPOST_NO_ACCUMULATE);
}

/* rsm_intr_signal_post(), rsm_intr_signal_wait() */

TEST_F(imp, errors)
{
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, post(NULL));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, post(ctl));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, post(mem));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_intr_signal_wait(NULL, -1));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_intr_signal_wait(ctl, -1));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_intr_signal_wait(mem, -1));
	EXPECT_ERR(RSMERR_TIMEOUT, take_none(seg));
	EXPECT_ERR(RSMERR_TIMEOUT, take_none(im));
}

TEST_F(path, to_exporter)
{
	EXPECT_OK(post(im));
	EXPECT_ERR(RSMERR_TIMEOUT, take_none(im));
	EXPECT_OK(rsm_intr_signal_wait(seg, -1));
	EXPECT_ERR(RSMERR_TIMEOUT, take_none(seg));
}

TEST_F(path, to_importers)
{
	rsm_memseg_import_handle_t second = connect_new(RSM_PERM_READ);
	rsm_memseg_import_handle_t third;

	EXPECT_OK(post(seg));
	third = connect_new(RSM_PERM_READ);
	EXPECT_OK(rsm_intr_signal_wait(im, -1));
	EXPECT_OK(rsm_intr_signal_wait(second, -1));
	EXPECT_ERR(RSMERR_TIMEOUT, take_none(im));
	EXPECT_ERR(RSMERR_TIMEOUT, take_none(second));
	EXPECT_ERR(RSMERR_TIMEOUT, take_none(third));
	EXPECT_ERR(RSMERR_TIMEOUT, take_none(seg));
	EXPECT_OK(rsm_memseg_import_disconnect(second));
	EXPECT_OK(rsm_memseg_import_disconnect(third));
}

TEST_F(path, are_counted)
{
	int i;

	for (i = 0; i < 1000; i++)
		EXPECT_OK(post(i & 1 ? (void *)seg : (void *)im));
	for (i = 0; i < 500; i++) {
		EXPECT_OK(take_posted(seg));
		EXPECT_OK(take_posted(im));
	}
	EXPECT_ERR(RSMERR_TIMEOUT, take_none(seg));
	EXPECT_ERR(RSMERR_TIMEOUT, take_none(im));
}

TEST_F(path, no_accumulate)
{
	int i;

	for (i = 0; i < 3; i++) {
		EXPECT_OK(post_once(im));
		EXPECT_OK(post_once(im));
		let_arrive();
		EXPECT_OK(take_posted(seg));
		EXPECT_ERR(RSMERR_TIMEOUT, take_none(seg));
	}
	EXPECT_OK(post_once(im));
	EXPECT_OK(post(im));
	EXPECT_OK(post_once(im));
	let_arrive();
	EXPECT_OK(take_posted(seg));
	EXPECT_OK(take_posted(seg));
	EXPECT_ERR(RSMERR_TIMEOUT, take_none(seg));
}

/* Only those that have none pending get one. */
TEST_F(path, no_accumulate_to_importers)
{
	rsm_memseg_import_handle_t second = connect_new(RSM_PERM_READ);

	EXPECT_OK(post(seg));
	EXPECT_OK(take_posted(second));
	EXPECT_OK(post_once(seg));
	let_arrive();
	EXPECT_OK(take_posted(im));
	EXPECT_ERR(RSMERR_TIMEOUT, take_none(im));
	EXPECT_OK(take_posted(second));
	EXPECT_OK(rsm_memseg_import_disconnect(second));
}

TEST_F(imp, unknown_flags)
{
	EXPECT_OK(rsm_intr_signal_post(im, ~RSM_SIGPOST_NO_ACCUMULATE));
	EXPECT_OK(rsm_intr_signal_post(im, ~RSM_SIGPOST_NO_ACCUMULATE));
	EXPECT_OK(take_posted(seg));
	EXPECT_OK(take_posted(seg));
	EXPECT_OK(rsm_intr_signal_post(im, ~0U));
	EXPECT_OK(rsm_intr_signal_post(im, ~0U));
	let_arrive();
	EXPECT_OK(take_posted(seg));
	EXPECT_ERR(RSMERR_TIMEOUT, take_none(seg));
}

TEST_F(path, need_no_rights)
{
	rsm_memseg_import_handle_t none = connect_new(RSM_PERM_NONE);

	EXPECT_OK(post(none));
	EXPECT_OK(take_posted(seg));
	EXPECT_OK(post(seg));
	EXPECT_OK(take_posted(none));
	EXPECT_OK(rsm_memseg_import_disconnect(none));
}

TEST_F(seg, nobody_there)
{
	EXPECT_OK(post(seg));
	EXPECT_ERR(RSMERR_TIMEOUT, take_none(seg));
	EXPECT_OK(publish_id(SEGID));
	EXPECT_OK(post(seg));
	EXPECT_ERR(RSMERR_TIMEOUT, rsm_intr_signal_wait(seg, 1));
}

TEST_F(imp, outlive_rebind)
{
	EXPECT_OK(post(im));
	EXPECT_OK(post(seg));
	EXPECT_OK(rsm_memseg_export_rebind(seg, other, 0, length));
	EXPECT_OK(take_posted(im));
	EXPECT_OK(take_posted(seg));
	EXPECT_OK(post(im));
	EXPECT_OK(take_posted(seg));
}

/* What came before the end can still be had. */
TEST_F(path, aborted)
{
	EXPECT_OK(post(seg));
	EXPECT_OK(post(seg));
	EXPECT_OK(post(im));
	wait_posted(seg);
	ASSERT_OK(rsm_memseg_export_unpublish(seg));
	wait_aborted(im);
	EXPECT_ERR(RSMERR_CONN_ABORTED, post(im));
	EXPECT_OK(rsm_intr_signal_wait(im, -1));
	EXPECT_OK(take_posted(im));
	EXPECT_ERR(RSMERR_CONN_ABORTED, take_posted(im));
	EXPECT_ERR(RSMERR_CONN_ABORTED, rsm_intr_signal_wait(im, -1));
	EXPECT_OK(take_posted(seg));
	EXPECT_ERR(RSMERR_TIMEOUT, take_none(seg));
}

/* A connection belongs to one publication, and so do its signals. */
TEST_F(path, published_again)
{
	rsm_memseg_import_handle_t dead = im;

	ASSERT_OK(rsm_memseg_export_unpublish(seg));
	ASSERT_OK(publish_id(SEGID));
	id = SEGID;
	ASSERT_OK(connect_to(RSM_PERM_RDWR));
	EXPECT_OK(post(seg));
	EXPECT_OK(take_posted(im));
	EXPECT_ERR(RSMERR_CONN_ABORTED, take_posted(dead));
	EXPECT_ERR(RSMERR_CONN_ABORTED, post(dead));
	EXPECT_ERR(RSMERR_TIMEOUT, take_none(seg));
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	im = dead;
}

TEST_F(imp, errno_is_left_alone)
{
	errno = 4711;
	EXPECT_ERR(RSMERR_TIMEOUT, take_none(seg));
	EXPECT_ERR(RSMERR_TIMEOUT, rsm_intr_signal_wait(seg, 1));
	ASSERT_OK(rsm_memseg_export_unpublish(seg));
	wait_aborted(im);
	errno = 4711;
	EXPECT_ERR(RSMERR_CONN_ABORTED, post(im));
	EXPECT_ERR(RSMERR_CONN_ABORTED, rsm_intr_signal_wait(im, -1));
	EXPECT_EQ(4711, errno);
}

/* Time */

TEST_F(path, wait_in_vain)
{
	long start = now_ms();

	EXPECT_ERR(RSMERR_TIMEOUT, rsm_intr_signal_wait(seg, SHORT_MS));
	EXPECT_LE(SHORT_MS, now_ms() - start);
	EXPECT_ERR(RSMERR_TIMEOUT, rsm_intr_signal_wait(im, SHORT_MS));
	EXPECT_LE(2 * SHORT_MS, now_ms() - start);
	EXPECT_ERR(RSMERR_TIMEOUT, take_none(im));
	EXPECT_GT(LONG_MS, now_ms() - start);
}

/* In a child after a while: what @arg points to is posted. */
static int child_posts(void *arg)
{
	rsm_sleep_ms(SHORT_MS);
	return post(arg);
}

static pid_t start_child(int (*fn)(void *arg), void *arg)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid)
		_exit(fn(arg));
	return pid;
}

static void wait_for_child(struct __test_metadata *_metadata, int timeout)
{
	pid_t child = start_child(child_posts, im);
	long start = now_ms();

	EXPECT_OK(rsm_intr_signal_wait(seg, timeout));
	EXPECT_GT(LONG_MS, now_ms() - start);
	EXPECT_OK(rsm_wait_child(child));
}

TEST_F(path, wait_with_success)
{
	wait_for_child(_metadata, -1);
	wait_for_child(_metadata, INT_MIN);
	wait_for_child(_metadata, 2 * LONG_MS);
	wait_for_child(_metadata, INT_MAX);
}

/* The exporter is a child, which ends soon after it is told to. */
static int child_exports(void *arg)
{
	int *sockets = arg;
	rsm_memseg_id_t segid = 0;
	char byte;

	if (create(0) || rsm_memseg_export_publish(seg, &segid, NULL, 0) ||
	    write(sockets[1], &segid, sizeof(segid)) != sizeof(segid) ||
	    read(sockets[1], &byte, 1) != 1)
		return 1;
	rsm_sleep_ms(4 * SHORT_MS);
	return 0;
}

TEST_F(lib, wait_is_ended_by_abort)
{
	long start = now_ms();
	int fds[2];
	pid_t child;

	ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	child = start_child(child_exports, fds);
	ASSERT_EQ(sizeof(id), read(fds[0], &id, sizeof(id)));
	ASSERT_OK(connect_to(RSM_PERM_READ));
	ASSERT_EQ(1, write(fds[0], "", 1));
	EXPECT_ERR(RSMERR_CONN_ABORTED, rsm_intr_signal_wait(im, -1));
	EXPECT_GT(LONG_MS, now_ms() - start);
	EXPECT_OK(rsm_wait_child(child));
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	close(fds[0]);
	close(fds[1]);
}

static void on_alarm(int signal)
{
	(void)signal;
}

/* Now and then, as the first may come too early to interrupt anything */
static void alarms(bool on)
{
	struct timeval delay = { 0, on ? SHORT_MS * 1000 : 0 };
	struct itimerval timer = { delay, delay };
	struct sigaction action = { .sa_handler = on_alarm };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

TEST_F(path, wait_is_interrupted)
{
	struct pollfd fd;
	int count;

	ASSERT_OK(rsm_memseg_get_pollfd(seg, &fd));
	alarms(true);
	EXPECT_ERR(RSMERR_INTERRUPTED, rsm_intr_signal_wait(seg, -1));
	EXPECT_ERR(RSMERR_INTERRUPTED, rsm_intr_signal_wait(im, LONG_MS));
	EXPECT_ERR(RSMERR_INTERRUPTED,
		   rsm_intr_signal_wait_pollfd(&fd, 1, -1, &count));
	EXPECT_EQ(0, count);
	alarms(false);
	EXPECT_OK(rsm_memseg_release_pollfd(seg));
}

/* fork(): the child shares its parent's connection. */

static int child_takes(void *arg)
{
	return take_posted(arg);
}

static int child_takes_none(void *arg)
{
	return take_none(arg);
}

TEST_F(path, fork_shares)
{
	EXPECT_OK(post(seg));
	EXPECT_OK(rsm_in_child(child_takes, im));
	EXPECT_ERR(RSMERR_TIMEOUT, take_none(im));
	EXPECT_ERR(RSMERR_TIMEOUT, rsm_in_child(child_takes_none, im));
}

/* Two children and the parent wait; there is one signal for each. */
static int child_waits(void *arg)
{
	return rsm_intr_signal_wait(arg, LONG_MS);
}

TEST_F(path, several_wait)
{
	pid_t children[2];
	int i;

	for (i = 0; i < 2; i++)
		children[i] = start_child(child_waits, im);
	rsm_sleep_ms(SHORT_MS);
	for (i = 0; i < 3; i++)
		EXPECT_OK(post(seg));
	EXPECT_OK(rsm_intr_signal_wait(im, LONG_MS));
	for (i = 0; i < 2; i++)
		EXPECT_OK(rsm_wait_child(children[i]));
	EXPECT_ERR(RSMERR_TIMEOUT, take_none(im));
}

/* rsm_memseg_get_pollfd(), rsm_memseg_release_pollfd() */

TEST_F(imp, pollfd_errors)
{
	struct pollfd fd;

	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_memseg_get_pollfd(NULL, NULL));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_memseg_get_pollfd(ctl, &fd));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_memseg_get_pollfd(mem, &fd));
	EXPECT_ERR(RSMERR_BAD_ADDR, rsm_memseg_get_pollfd(im, NULL));
	EXPECT_ERR(RSMERR_BAD_ADDR, rsm_memseg_get_pollfd(seg, NULL));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_memseg_release_pollfd(NULL));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_memseg_release_pollfd(ctl));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_memseg_release_pollfd(mem));
	/* one that was not asked for is no error, and is not owed */
	EXPECT_OK(rsm_memseg_release_pollfd(im));
	EXPECT_OK(rsm_memseg_release_pollfd(im));
	ASSERT_OK(rsm_memseg_get_pollfd(im, &fd));
	EXPECT_ERR(RSMERR_POLLFD_IN_USE, rsm_memseg_import_disconnect(im));
	EXPECT_OK(rsm_memseg_release_pollfd(im));
}

TEST_F(imp, pollfd_is_filled_in)
{
	struct pollfd first = { .fd = -1, .revents = 4711 };
	struct pollfd second = first;

	ASSERT_OK(rsm_memseg_get_pollfd(seg, &first));
	EXPECT_LE(0, fcntl(first.fd, F_GETFD));
	EXPECT_EQ(POLLRDNORM, first.events);
	EXPECT_EQ(4711, first.revents);
	ASSERT_OK(rsm_memseg_get_pollfd(seg, &second));
	EXPECT_EQ(first.fd, second.fd);
	ASSERT_OK(rsm_memseg_get_pollfd(im, &second));
	EXPECT_NE(first.fd, second.fd);
	EXPECT_OK(rsm_memseg_release_pollfd(im));
	EXPECT_OK(rsm_memseg_release_pollfd(seg));
	EXPECT_OK(rsm_memseg_release_pollfd(seg));
}

#ifndef RSM_REMOTE
TEST_F(imp, pollfd_in_use_and_mapped)
{
	struct pollfd fd;
	void *addr;

	ASSERT_OK(rsm_memseg_get_pollfd(im, &fd));
	ASSERT_OK(map_im(&addr, RSM_PERM_RDWR));
	EXPECT_ERR(RSMERR_SEG_STILL_MAPPED, rsm_memseg_import_disconnect(im));
	EXPECT_OK(rsm_memseg_import_unmap(im));
	EXPECT_ERR(RSMERR_POLLFD_IN_USE, rsm_memseg_import_disconnect(im));
	EXPECT_OK(rsm_memseg_release_pollfd(im));
}
#endif

TEST_F(imp, pollfd_in_use)
{
	struct pollfd fd;

	ASSERT_OK(rsm_memseg_get_pollfd(seg, &fd));
	ASSERT_OK(rsm_memseg_get_pollfd(im, &fd));
	ASSERT_OK(rsm_memseg_get_pollfd(im, &fd));
	EXPECT_ERR(RSMERR_POLLFD_IN_USE, rsm_memseg_import_disconnect(im));
	EXPECT_OK(rsm_memseg_release_pollfd(im));
	EXPECT_ERR(RSMERR_POLLFD_IN_USE, rsm_memseg_import_disconnect(im));
	EXPECT_OK(rsm_memseg_release_pollfd(im));
	EXPECT_ERR(RSMERR_POLLFD_IN_USE, rsm_memseg_export_destroy(seg));

	/* nothing has happened to the segment, and unpublish does not mind */
	EXPECT_OK(post(im));
	EXPECT_OK(take_posted(seg));
	EXPECT_OK(rsm_memseg_export_unpublish(seg));
	EXPECT_OK(publish_id(SEGID));
	EXPECT_ERR(RSMERR_POLLFD_IN_USE, rsm_memseg_export_destroy(seg));
	EXPECT_OK(rsm_memseg_release_pollfd(seg));
}

/* A refused disconnect has removed the mapping that get made. */
TEST_F(path, pollfd_in_use_of_implicit_mapping)
{
	struct pollfd fd;
	uint8_t byte;

	EXPECT_OK(rsm_memseg_import_get8(im, 0, &byte, 1));
	ASSERT_OK(rsm_memseg_get_pollfd(im, &fd));
	EXPECT_ERR(RSMERR_POLLFD_IN_USE, rsm_memseg_import_disconnect(im));
	EXPECT_ERR(RSMERR_SEG_NOT_MAPPED, rsm_memseg_import_unmap(im));
	EXPECT_OK(rsm_memseg_import_get8(im, 0, &byte, 1));
	EXPECT_OK(rsm_memseg_release_pollfd(im));
}

TEST_F(path, poll_takes_nothing)
{
	struct pollfd fd = { 0 };

	ASSERT_OK(rsm_memseg_get_pollfd(seg, &fd));
	EXPECT_EQ(0, poll(&fd, 1, 0));
	EXPECT_OK(post(im));
	EXPECT_EQ(1, poll(&fd, 1, LONG_MS));
	EXPECT_EQ(POLLRDNORM, fd.revents);
	EXPECT_EQ(1, poll(&fd, 1, LONG_MS));
	EXPECT_OK(take_posted(seg));
	EXPECT_EQ(0, poll(&fd, 1, RSM_ARRIVAL_MS));
	EXPECT_OK(rsm_memseg_release_pollfd(seg));
}

TEST_F(path, pollfd_of_aborted)
{
	struct pollfd fd = { 0 };
	int count;

	ASSERT_OK(rsm_memseg_get_pollfd(im, &fd));
	EXPECT_OK(post(seg));
	ASSERT_OK(rsm_memseg_export_unpublish(seg));
	wait_aborted(im);
	EXPECT_OK(rsm_intr_signal_wait_pollfd(&fd, 1, -1, &count));
	EXPECT_EQ(1, count);
	EXPECT_EQ(POLLRDNORM | POLLERR | POLLHUP, fd.revents);
	EXPECT_OK(rsm_intr_signal_wait_pollfd(&fd, 1, -1, &count));
	EXPECT_EQ(1, count);
	EXPECT_EQ(POLLERR | POLLHUP, fd.revents);
	EXPECT_OK(rsm_memseg_release_pollfd(im));
}

/* rsm_intr_signal_wait_pollfd() */

/* One that nothing is known of */
static struct pollfd in_of(int fd)
{
	return (struct pollfd){ .fd = fd, .events = POLLIN, .revents = 4711 };
}

static int wait_pollfd(struct pollfd *fds, nfds_t nfds, int timeout, int *count)
{
	*count = 4711;
	return rsm_intr_signal_wait_pollfd(fds, nfds, timeout, count);
}

TEST_F(imp, wait_pollfd_errors)
{
	struct pollfd many[65] = { 0 };
	struct rlimit few = { 64, 0 };
	struct rlimit limit;
	struct pollfd fd;
	int count;

	ASSERT_OK(rsm_memseg_get_pollfd(seg, &fd));
	ASSERT_OK(getrlimit(RLIMIT_NOFILE, &limit));
	few.rlim_max = limit.rlim_max;
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &few));
	EXPECT_ERR(RSMERR_BAD_ARGS_ERRORS, wait_pollfd(many, 65, 0, &count));
	EXPECT_EQ(0, count);
	EXPECT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_ERR(RSMERR_BAD_ADDR, wait_pollfd((void *)page, 1, 0, &count));
	EXPECT_EQ(0, count);
	EXPECT_ERR(RSMERR_BAD_ADDR, wait_pollfd(NULL, 1, 0, &count));
	EXPECT_ERR(RSMERR_TIMEOUT, wait_pollfd(&fd, 1, 0, &count));
	EXPECT_EQ(0, count);
	EXPECT_ERR(RSMERR_TIMEOUT, wait_pollfd(&fd, 0, 0, &count));
	EXPECT_ERR(RSMERR_TIMEOUT, wait_pollfd(NULL, 0, 1, &count));
	EXPECT_ERR(RSMERR_TIMEOUT,
		   rsm_intr_signal_wait_pollfd(&fd, 1, 0, NULL));
	EXPECT_OK(post(im));
	EXPECT_OK(rsm_intr_signal_wait_pollfd(&fd, 1, RSM_COMES_MS, NULL));
	EXPECT_EQ(POLLRDNORM, fd.revents);
	EXPECT_OK(rsm_memseg_release_pollfd(seg));
}

TEST_F(path, wait_pollfd_takes_one)
{
	struct pollfd fds[2];
	int count;
	int i;

	ASSERT_OK(rsm_memseg_get_pollfd(seg, &fds[0]));
	ASSERT_OK(rsm_memseg_get_pollfd(im, &fds[1]));
	for (i = 0; i < 2; i++)
		EXPECT_OK(post(im));
	EXPECT_OK(post(seg));
	wait_posted(seg);
	wait_posted(im);
	EXPECT_OK(wait_pollfd(fds, 2, -1, &count));
	EXPECT_EQ(2, count);
	EXPECT_EQ(POLLRDNORM, fds[0].revents);
	EXPECT_EQ(POLLRDNORM, fds[1].revents);
	EXPECT_OK(wait_pollfd(fds, 2, -1, &count));
	EXPECT_EQ(1, count);
	EXPECT_EQ(POLLRDNORM, fds[0].revents);
	EXPECT_EQ(0, fds[1].revents);
	EXPECT_ERR(RSMERR_TIMEOUT,
		   wait_pollfd(fds, 2, RSM_ARRIVAL_MS, &count));
	EXPECT_EQ(0, count);
	EXPECT_ERR(RSMERR_TIMEOUT, take_none(seg));
	EXPECT_OK(rsm_memseg_release_pollfd(seg));
	EXPECT_OK(rsm_memseg_release_pollfd(im));
}

TEST_F(path, wait_pollfd_mixed)
{
	struct pollfd fds[4];
	char byte = 1;
	int count;
	int p[2];

	ASSERT_OK(pipe(p));
	fds[0] = in_of(p[0]);
	fds[1] = in_of(-1);
	ASSERT_OK(rsm_memseg_get_pollfd(seg, &fds[2]));
	ASSERT_OK(rsm_memseg_get_pollfd(im, &fds[3]));
	EXPECT_ERR(RSMERR_TIMEOUT, wait_pollfd(fds, 4, 1, &count));
	EXPECT_EQ(0, fds[0].revents);
	EXPECT_EQ(0, fds[1].revents);

	/* another descriptor alone is reason enough to return */
	ASSERT_EQ(1, write(p[1], &byte, 1));
	EXPECT_OK(wait_pollfd(fds, 4, -1, &count));
	EXPECT_EQ(1, count);
	EXPECT_EQ(POLLIN, fds[0].revents);
	EXPECT_EQ(0, fds[2].revents);
	EXPECT_EQ(0, fds[3].revents);

	EXPECT_OK(post(seg));
	wait_posted(im);
	EXPECT_OK(wait_pollfd(fds, 4, -1, &count));
	EXPECT_EQ(2, count);
	EXPECT_EQ(POLLIN, fds[0].revents);
	EXPECT_EQ(0, fds[2].revents);
	EXPECT_EQ(POLLRDNORM, fds[3].revents);
	EXPECT_ERR(RSMERR_TIMEOUT, take_none(im));
	EXPECT_OK(rsm_memseg_release_pollfd(seg));
	EXPECT_OK(rsm_memseg_release_pollfd(im));
	close(p[0]);
	close(p[1]);
}

TEST_F(imp, wait_pollfd_of_a_closed_descriptor)
{
	struct pollfd fds[2];
	int count;

	fds[0] = in_of(999);
	ASSERT_OK(rsm_memseg_get_pollfd(seg, &fds[1]));
	EXPECT_OK(wait_pollfd(fds, 2, -1, &count));
	EXPECT_EQ(1, count);
	EXPECT_EQ(POLLNVAL, fds[0].revents);
	EXPECT_EQ(0, fds[1].revents);
	EXPECT_OK(rsm_memseg_release_pollfd(seg));
}

/* What was released is a descriptor like any other: nothing is taken. */
TEST_F(imp, wait_pollfd_of_a_released_one)
{
	struct pollfd fd;
	int count;

	ASSERT_OK(rsm_memseg_get_pollfd(seg, &fd));
	EXPECT_OK(rsm_memseg_release_pollfd(seg));
	EXPECT_OK(post(im));
	EXPECT_OK(wait_pollfd(&fd, 1, -1, &count));
	EXPECT_EQ(1, count);
	EXPECT_OK(take_posted(seg));
}

TEST_F(path, wait_pollfd_many)
{
	rsm_memseg_import_handle_t ims[40];
	struct pollfd fds[40];
	int count;
	int i;

	for (i = 0; i < 40; i++) {
		ims[i] = connect_new(RSM_PERM_READ);
		ASSERT_OK(rsm_memseg_get_pollfd(ims[i], &fds[i]));
	}
	EXPECT_OK(post(seg));
	for (i = 0; i < 40; i++)
		wait_posted(ims[i]);
	EXPECT_OK(wait_pollfd(fds, 40, -1, &count));
	EXPECT_EQ(40, count);
	EXPECT_ERR(RSMERR_TIMEOUT,
		   wait_pollfd(fds, 40, RSM_ARRIVAL_MS, &count));
	for (i = 0; i < 40; i++) {
		EXPECT_OK(rsm_memseg_release_pollfd(ims[i]));
		EXPECT_OK(rsm_memseg_import_disconnect(ims[i]));
	}
	EXPECT_OK(take_posted(im));
}

TEST_F(path, wait_pollfd_time)
{
	long start = now_ms();
	struct pollfd fd;
	pid_t child;
	int count;

	ASSERT_OK(rsm_memseg_get_pollfd(seg, &fd));
	EXPECT_ERR(RSMERR_TIMEOUT, wait_pollfd(&fd, 1, SHORT_MS, &count));
	EXPECT_LE(SHORT_MS, now_ms() - start);
	child = start_child(child_posts, im);
	EXPECT_OK(wait_pollfd(&fd, 1, 2 * LONG_MS, &count));
	EXPECT_EQ(1, count);
	EXPECT_GT(LONG_MS, now_ms() - start);
	EXPECT_OK(rsm_wait_child(child));
	EXPECT_OK(rsm_memseg_release_pollfd(seg));
}

/*
 * Two processes and two pollers of each signal: who comes second goes on
 * waiting, for ever if told so, and nobody returns with nothing.
 */
static int child_takes_by_poll(void *arg)
{
	struct pollfd fd;
	int count = 0;
	int ret;

	if (rsm_memseg_get_pollfd(arg, &fd))
		return 255;
	ret = rsm_intr_signal_wait_pollfd(&fd, 1, -1, &count);
	if (ret || count != 1 || fd.revents != POLLRDNORM)
		return 254;
	return 0;
}

TEST_F(path, wait_pollfd_lost_race)
{
	pid_t children[4];
	int i;

	for (i = 0; i < 4; i++)
		children[i] = start_child(child_takes_by_poll, seg);
	rsm_sleep_ms(SHORT_MS);
	for (i = 0; i < 4; i++) {
		EXPECT_OK(post(im));
		rsm_sleep_ms(SHORT_MS / 2);
	}
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, rsm_wait_child(children[i]));
	EXPECT_ERR(RSMERR_TIMEOUT, take_none(seg));
}

TEST_HARNESS_MAIN
