// SPDX-License-Identifier: GPL-2.0-only
/*
 * libusrsm: locks. Those between threads are in lib_thread.c.
 */
#include "lib_utils.h"

#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/time.h>

#define OFFSET 64
#define SHORT_MS 50

static int lock(void *memseg)
{
	return rsm_memseg_lock(memseg, OFFSET, 0, NULL);
}

static int unlock(void *memseg)
{
	return rsm_memseg_unlock(memseg, OFFSET);
}

/* Lock, wait for it if need be, and look at what is told of the last owner. */
static void expect_lock(struct __test_metadata *_metadata, void *memseg,
			uint_t expected)
{
	uint_t flags = ~0U;

	EXPECT_OK(rsm_memseg_lock(memseg, OFFSET, LONG_MS, &flags));
	EXPECT_EQ(expected, flags);
}

TEST_F(path, lock_and_unlock)
{
	void *const both[] = { seg, im };
	size_t i;

	for (i = 0; i < 2; i++) {
		expect_lock(_metadata, both[i], 0);
		EXPECT_ERR(RSMERR_LOCK_HELD, lock(both[i]));
		EXPECT_OK(unlock(both[i]));
		EXPECT_ERR(RSMERR_LOCK_NOT_HELD, unlock(both[i]));
	}
	EXPECT_OK(rsm_memseg_lock(im, OFFSET, -1, NULL));
	EXPECT_OK(unlock(im));
	EXPECT_OK(rsm_memseg_lock(im, OFFSET, INT_MIN, NULL));
	EXPECT_OK(unlock(im));
	EXPECT_EQ(-1, rsm_stamp_check(mem, length, 1));
}

/* Each handle is an owner of its own, all of one segment. */
TEST_F(path, handles_exclude_each_other)
{
	rsm_memseg_import_handle_t second = connect_new(RSM_PERM_WRITE);
	void *const all[] = { seg, im, second };
	size_t i;
	size_t k;

	for (i = 0; i < 3; i++) {
		EXPECT_OK(lock(all[i]));
		for (k = 0; k < 3; k++)
			if (k != i) {
				EXPECT_ERR(RSMERR_TIMEOUT, lock(all[k]));
				EXPECT_ERR(RSMERR_LOCK_NOT_HELD,
					   unlock(all[k]));
			}
		EXPECT_OK(unlock(all[i]));
	}
	EXPECT_OK(rsm_memseg_import_disconnect(second));
}

TEST_F(path, offsets_are_names)
{
	EXPECT_OK(rsm_memseg_lock(im, 0, 0, NULL));
	EXPECT_OK(rsm_memseg_lock(im, 8, 0, NULL));
	EXPECT_OK(rsm_memseg_lock(im, length - 8, 0, NULL));
	EXPECT_OK(rsm_memseg_lock(seg, 16, 0, NULL));
	EXPECT_ERR(RSMERR_TIMEOUT, rsm_memseg_lock(seg, 8, 0, NULL));
	EXPECT_OK(rsm_memseg_unlock(im, 8));
	EXPECT_ERR(RSMERR_LOCK_NOT_HELD, rsm_memseg_unlock(im, 8));
	EXPECT_OK(rsm_memseg_lock(seg, 8, 0, NULL));
	EXPECT_OK(rsm_memseg_unlock(seg, 8));
	EXPECT_OK(rsm_memseg_unlock(im, 0));
	EXPECT_OK(rsm_memseg_unlock(im, length - 8));
	EXPECT_OK(rsm_memseg_unlock(seg, 16));
}

TEST_F(path, outlives_rebind)
{
	EXPECT_OK(lock(im));
	EXPECT_OK(rsm_memseg_export_rebind(seg, other, 0, length));
	EXPECT_ERR(RSMERR_LOCK_HELD, lock(im));
	EXPECT_ERR(RSMERR_TIMEOUT, lock(seg));
	EXPECT_OK(unlock(im));
	expect_lock(_metadata, seg, 0);
	EXPECT_OK(unlock(seg));
}

/* What is refused, and in which order */

TEST_F(path, errors)
{
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, lock(NULL));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, lock(ctl));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, lock(mem));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, unlock(NULL));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, unlock(ctl));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, unlock(mem));
	EXPECT_ERR(RSMERR_BAD_MEM_ALIGNMENT, rsm_memseg_lock(im, 4, 0, NULL));
	EXPECT_ERR(RSMERR_BAD_MEM_ALIGNMENT, rsm_memseg_lock(seg, -1, 0, NULL));
	EXPECT_ERR(RSMERR_BAD_OFFSET, rsm_memseg_lock(im, -8, 0, NULL));
	EXPECT_ERR(RSMERR_BAD_OFFSET, rsm_memseg_lock(im, length, 0, NULL));
	EXPECT_ERR(RSMERR_BAD_OFFSET, rsm_memseg_lock(seg, LONG_MIN, 0, NULL));
	EXPECT_ERR(RSMERR_LOCK_NOT_HELD, rsm_memseg_unlock(im, 1));
	EXPECT_ERR(RSMERR_LOCK_NOT_HELD, rsm_memseg_unlock(im, -8));
	EXPECT_ERR(RSMERR_LOCK_NOT_HELD, rsm_memseg_unlock(seg, length));
}

TEST_F(path, errors_of_rights)
{
	static const rsm_permission_t perms[] = { RSM_PERM_NONE,
						  RSM_PERM_READ };
	rsm_memseg_import_handle_t new;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(perms); i++) {
		new = connect_new(perms[i]);
		EXPECT_ERR(RSMERR_BAD_MEM_ALIGNMENT,
			   rsm_memseg_lock(new, 1, 0, NULL));
		EXPECT_ERR(RSMERR_PERM_DENIED, lock(new));
		EXPECT_ERR(RSMERR_PERM_DENIED,
			   rsm_memseg_lock(new, length, 0, NULL));
		EXPECT_ERR(RSMERR_LOCK_NOT_HELD, unlock(new));
		EXPECT_OK(rsm_memseg_import_disconnect(new));
	}
}

TEST_F(imp, not_enabled)
{
	EXPECT_ERR(RSMERR_LOCKS_NOT_ENABLED, lock(seg));
	EXPECT_ERR(RSMERR_LOCKS_NOT_ENABLED, lock(im));
	EXPECT_ERR(RSMERR_LOCKS_NOT_ENABLED, rsm_memseg_lock(im, 1, 0, NULL));
	EXPECT_ERR(RSMERR_LOCKS_NOT_ENABLED,
		   rsm_memseg_lock(seg, length, 0, NULL));
	EXPECT_ERR(RSMERR_LOCK_NOT_HELD, unlock(seg));
	EXPECT_ERR(RSMERR_LOCK_NOT_HELD, unlock(im));
}

TEST_F(lib, not_supported)
{
	rsmapi_controller_handle_t test;

	ASSERT_OK(rsm_get_controller("test0", &test));
	EXPECT_ERR(RSMERR_LOCKS_NOT_SUPPORTED,
		   rsm_memseg_export_create(test, &seg, mem, length,
					    RSM_LOCK_OPS));
	EXPECT_ERR(RSMERR_BAD_LENGTH,
		   rsm_memseg_export_create(test, &seg, mem, 0, RSM_LOCK_OPS));
	EXPECT_ERR(RSMERR_BAD_MEM_ALIGNMENT,
		   rsm_memseg_export_create(test, &seg, mem, 1, RSM_LOCK_OPS));
	ASSERT_OK(rsm_memseg_export_create(test, &seg, mem, length, 0));
	EXPECT_ERR(RSMERR_LOCKS_NOT_ENABLED, lock(seg));
	EXPECT_OK(rsm_memseg_export_destroy(seg));
	EXPECT_OK(rsm_release_controller(test));
}

TEST_F_TIMEOUT(path, too_many, 60)
{
	off_t offset;

	for (offset = 0; offset < 1024 * 8; offset += 8)
		ASSERT_OK(rsm_memseg_lock(im, offset, 0, NULL));
	EXPECT_ERR(RSMERR_INSUFFICIENT_RESOURCES,
		   rsm_memseg_lock(im, offset, 0, NULL));
	EXPECT_OK(rsm_memseg_lock(seg, offset, 0, NULL));
	EXPECT_OK(rsm_memseg_unlock(seg, offset));
	EXPECT_OK(rsm_memseg_unlock(im, 0));
	EXPECT_OK(rsm_memseg_lock(im, offset, 0, NULL));
}

TEST_F(path, errno_is_left_alone)
{
	errno = 4711;
	EXPECT_OK(lock(im));
	EXPECT_ERR(RSMERR_TIMEOUT, rsm_memseg_lock(seg, OFFSET, 1, NULL));
	EXPECT_ERR(RSMERR_LOCK_NOT_HELD, unlock(seg));
	EXPECT_OK(unlock(im));
	EXPECT_EQ(4711, errno);
}

/* The end of a connection */

TEST_F(path, aborted)
{
	EXPECT_OK(lock(im));
	ASSERT_OK(rsm_memseg_export_unpublish(seg));
	EXPECT_ERR(RSMERR_LOCK_NOT_HELD, unlock(im));
	EXPECT_ERR(RSMERR_CONN_ABORTED, lock(im));
	expect_lock(_metadata, seg, RSM_OWNER_DIED);
	EXPECT_OK(unlock(seg));
	expect_lock(_metadata, seg, 0);
	/* which the exporter keeps when it publishes again */
	ASSERT_OK(publish_id(SEGID));
	EXPECT_ERR(RSMERR_LOCK_HELD, lock(seg));
	EXPECT_OK(unlock(seg));
}

TEST_F(path, disconnected)
{
	rsm_memseg_import_handle_t second = connect_new(RSM_PERM_WRITE);

	EXPECT_OK(lock(second));
	EXPECT_ERR(RSMERR_TIMEOUT, lock(im));
	EXPECT_OK(rsm_memseg_import_disconnect(second));
	expect_lock(_metadata, im, RSM_OWNER_DIED);
	EXPECT_OK(unlock(im));
	expect_lock(_metadata, seg, 0);
	EXPECT_OK(unlock(seg));
}

/* Processes */

/* Runs @fn in a child, which lives until it is told, and waits for @fn. */
struct child {
	pid_t pid;
	int ret;
	int pipe[2];
};

static void child_main(int (*fn)(void), int out, int in)
{
	int ret = fn();
	char byte;

	if (write(out, &ret, sizeof(ret)) == sizeof(ret))
		_exit(read(in, &byte, 1) != 0);
	_exit(255);
}

static void child_start(struct __test_metadata *_metadata, struct child *child,
			int (*fn)(void))
{
	int answer[2];

	ASSERT_OK(pipe(child->pipe));
	ASSERT_OK(pipe(answer));
	fflush(NULL);
	child->pid = fork();
	if (!child->pid) {
		close(child->pipe[1]);
		child_main(fn, answer[1], child->pipe[0]);
	}
	ASSERT_EQ(sizeof(child->ret),
		  read(answer[0], &child->ret, sizeof(child->ret)));
	close(answer[0]);
	close(answer[1]);
}

static int child_end(struct child *child)
{
	close(child->pipe[0]);
	close(child->pipe[1]);
	return rsm_wait_child(child->pid);
}

static int child_locks(void)
{
	return rsm_memseg_lock(im, OFFSET, LONG_MS, NULL);
}

static int child_connects_and_locks(void)
{
	return connect_to(RSM_PERM_RDWR) ?: child_locks();
}

static int child_tries(void *arg)
{
	return lock(arg);
}

static int child_unlocks(void *arg)
{
	return unlock(arg);
}

TEST_F(path, processes_exclude_each_other)
{
	struct child child;

	child_start(_metadata, &child, child_connects_and_locks);
	EXPECT_OK(child.ret);
	EXPECT_ERR(RSMERR_TIMEOUT, lock(im));
	EXPECT_ERR(RSMERR_TIMEOUT,
		   rsm_memseg_lock(im, OFFSET, SHORT_MS, NULL));
	EXPECT_ERR(RSMERR_TIMEOUT, lock(seg));
	EXPECT_OK(child_end(&child));
	expect_lock(_metadata, im, RSM_OWNER_DIED);
	EXPECT_ERR(RSMERR_TIMEOUT, lock(seg));
	EXPECT_OK(unlock(im));
	expect_lock(_metadata, seg, 0);
	EXPECT_OK(unlock(seg));
}

/* The parent has the lock, and no other. */
static int child_is_not_the_parent(void *arg)
{
	return lock(arg) != RSMERR_TIMEOUT ||
	       unlock(arg) != RSMERR_LOCK_NOT_HELD ||
	       rsm_memseg_lock(arg, OFFSET + 8, 0, NULL) ||
	       rsm_memseg_unlock(arg, OFFSET + 8);
}

/* An inherited handle is the same file, and yet another owner. */
TEST_F(path, fork_does_not_share_locks)
{
	struct child child;

	EXPECT_OK(lock(im));
	EXPECT_OK(rsm_in_child(child_is_not_the_parent, im));
	EXPECT_OK(rsm_in_child(child_is_not_the_parent, seg));
	EXPECT_ERR(RSMERR_TIMEOUT, rsm_in_child(child_tries, im));
	EXPECT_ERR(RSMERR_LOCK_NOT_HELD, rsm_in_child(child_unlocks, im));
	EXPECT_ERR(RSMERR_LOCK_HELD, lock(im));
	EXPECT_OK(unlock(im));

	child_start(_metadata, &child, child_locks);
	EXPECT_OK(child.ret);
	EXPECT_ERR(RSMERR_TIMEOUT, lock(im));
	EXPECT_ERR(RSMERR_LOCK_NOT_HELD, unlock(im));
	EXPECT_OK(child_end(&child));
	expect_lock(_metadata, im, RSM_OWNER_DIED);
	EXPECT_OK(unlock(im));
}

/* Each in a process namespace of its own, in which it is number 1 */
static int in_namespace(int (*fn)(void *arg), void *arg)
{
	return unshare(CLONE_NEWPID) ? 255 : rsm_in_child(fn, arg);
}

static int child_with_the_same_number(void *arg)
{
	return getpid() == 1 ? child_is_not_the_parent(arg) : 254;
}

static int child_with_a_child(void *arg)
{
	if (getpid() != 1 || lock(arg))
		return 253;
	return in_namespace(child_with_the_same_number, arg) ?: unlock(arg);
}

static int child_in_namespace(void *arg)
{
	return in_namespace(child_with_a_child, arg);
}

TEST_F(path, process_ids_do_not_matter)
{
	EXPECT_OK(rsm_in_child(child_in_namespace, im));
	EXPECT_OK(rsm_in_child(child_in_namespace, seg));
}

/* A handle that is ended by one process goes on to be the other's. */
static int child_disconnects(void *arg)
{
	return rsm_memseg_import_disconnect(arg);
}

TEST_F(path, fork_and_disconnect)
{
	EXPECT_OK(lock(im));
	EXPECT_OK(rsm_in_child(child_disconnects, im));
	EXPECT_ERR(RSMERR_LOCK_HELD, lock(im));
	EXPECT_ERR(RSMERR_TIMEOUT, lock(seg));
	EXPECT_OK(unlock(im));
}

TEST_F(path, owner_is_killed)
{
	struct child child;

	child_start(_metadata, &child, child_connects_and_locks);
	EXPECT_OK(child.ret);
	EXPECT_OK(kill(child.pid, SIGKILL));
	expect_lock(_metadata, im, RSM_OWNER_DIED);
	EXPECT_EQ(-SIGKILL, child_end(&child));
	EXPECT_OK(unlock(im));
}

/* Tell what the lock is like, and become another program. */
static void child_execs(int out)
{
	int ret = child_connects_and_locks();

	if (write(out, &ret, sizeof(ret)) == sizeof(ret))
		execl("/bin/sleep", "sleep", "1000", NULL);
	_exit(255);
}

TEST_F(path, owner_execs)
{
	int answer[2];
	pid_t child;
	int ret;

	ASSERT_OK(pipe(answer));
	fflush(NULL);
	child = fork();
	if (!child)
		child_execs(answer[1]);
	ASSERT_EQ(sizeof(ret), read(answer[0], &ret, sizeof(ret)));
	EXPECT_OK(ret);
	expect_lock(_metadata, im, RSM_OWNER_DIED);
	EXPECT_OK(unlock(im));
	EXPECT_OK(kill(child, SIGKILL));
	EXPECT_EQ(-SIGKILL, rsm_wait_child(child));
	close(answer[0]);
	close(answer[1]);
}

/* The lock goes from one to the other, and both count on. */
#define ROUNDS 500

static int count_under_lock(void)
{
	volatile uint64_t *counter = (uint64_t *)other;
	int bad = 0;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		bad += !!rsm_memseg_lock(im, OFFSET, -1, NULL);
		*counter = *counter + 1;
		bad += !!unlock(im);
	}
	return !!bad;
}

static int child_counts(void *arg)
{
	return *(bool *)arg && connect_to(RSM_PERM_WRITE) ? 255 :
							    count_under_lock();
}

TEST_F_TIMEOUT(path, mutual_exclusion, 60)
{
	bool connect[3] = { true, true, false };
	pid_t children[3];
	int i;

	other = mmap(NULL, page, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)other);
	for (i = 0; i < 3; i++) {
		fflush(NULL);
		children[i] = fork();
		if (!children[i])
			_exit(child_counts(&connect[i]));
	}
	EXPECT_OK(count_under_lock());
	for (i = 0; i < 3; i++)
		EXPECT_OK(rsm_wait_child(children[i]));
	EXPECT_EQ(4 * ROUNDS, *(uint64_t *)other);
}

TEST_F(path, time)
{
	struct child child;
	long start;

	child_start(_metadata, &child, child_connects_and_locks);
	EXPECT_OK(child.ret);
	start = now_ms();
	EXPECT_ERR(RSMERR_TIMEOUT,
		   rsm_memseg_lock(im, OFFSET, SHORT_MS, NULL));
	EXPECT_LE(SHORT_MS, now_ms() - start);
	EXPECT_GT(LONG_MS, now_ms() - start);
	EXPECT_OK(child_end(&child));
}

/* Signals, of which one ends the holder */

static volatile sig_atomic_t alarms;
static pid_t victim;

static void count_alarm(int signal)
{
	(void)signal;
	if (++alarms == 20 && victim)
		kill(victim, SIGKILL);
}

/* Every @us microseconds, with a handler; 0: no more */
static void set_alarms(suseconds_t us)
{
	struct sigaction action = { .sa_handler = count_alarm };
	struct itimerval timer = { { 0, us }, { 0, us } };

	alarms = 0;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

TEST_F(path, signals_do_not_matter)
{
	struct child child;
	long start;

	child_start(_metadata, &child, child_connects_and_locks);
	EXPECT_OK(child.ret);
	start = now_ms();
	set_alarms(5000);
	EXPECT_ERR(RSMERR_TIMEOUT,
		   rsm_memseg_lock(im, OFFSET, 4 * SHORT_MS, NULL));
	EXPECT_LE(4 * SHORT_MS, now_ms() - start);
	EXPECT_GT(LONG_MS, now_ms() - start);
	EXPECT_LT(2, alarms);

	victim = child.pid;
	set_alarms(5000);
	expect_lock(_metadata, im, RSM_OWNER_DIED);
	EXPECT_LE(20, alarms);
	set_alarms(0);
	EXPECT_EQ(-SIGKILL, child_end(&child));
	EXPECT_OK(unlock(im));
}

TEST_HARNESS_MAIN
