// SPDX-License-Identifier: GPL-2.0-only
/*
 * libusrsm: fork() at any moment of what other threads do. They do not exist
 * in the child, which can nevertheless use all that they were using.
 */
#include "lib_utils.h"

#include <pthread.h>
#include <signal.h>

/* How long a test goes on, and after how many children it is enough */
#define FORK_MS 1500
#define FORKS 500

/* Seconds in which a child has to be done */
#define CHILD_S 10

/* All that there is, and the mode that asks for no barrier */
FIXTURE(fork) {};

FIXTURE_SETUP(fork)
{
	open_controller(_metadata);
	open_import(_metadata);
	ASSERT_OK(rsm_memseg_import_set_mode(im, RSM_BARRIER_MODE_EXPLICIT));
}

FIXTURE_TEARDOWN(fork)
{
	close_import(_metadata);
	close_controller(_metadata);
}

static int put(rsm_memseg_import_handle_t handle)
{
	uint8_t byte = 1;

	return rsm_memseg_import_put8(handle, 0, &byte, 1);
}

/* What a thread does all the time, and then a child once */

static int use_mapping(void)
{
	return put(im) ?: rsm_memseg_import_unmap(im);
}

static int use_pollfd(void)
{
	struct pollfd fd;

	return rsm_memseg_get_pollfd(im, &fd) ?: rsm_memseg_release_pollfd(im);
}

/* The child's turn comes when the parent's thread lets go. */
static int use_lock(void)
{
	return rsm_memseg_lock(im, 0, LONG_MS, NULL) ?:
	       rsm_memseg_unlock(im, 0);
}

/* Looks for it and finds none. */
static int use_no_lock(void)
{
	return rsm_memseg_unlock(im, 8) != RSMERR_LOCK_NOT_HELD;
}

static int use_controller(void)
{
	rsmapi_controller_handle_t test;

	return rsm_get_controller("test0", &test) ?:
	       rsm_release_controller(test);
}

static int use_connection(void)
{
	rsm_memseg_import_handle_t new = connect_explicit();

	return put(new) ?: rsm_memseg_import_disconnect(new);
}

static int use_export(void)
{
	rsm_memseg_export_handle_t new;

	return rsm_memseg_export_create(ctl, &new, other, length, 0) ?:
	       rsm_memseg_export_destroy(new);
}

static int use_localmemory(void)
{
	rsm_localmemory_handle_t new;

	return rsm_create_localmemory_handle(ctl, &new, other, length) ?:
	       rsm_free_localmemory_handle(ctl, new);
}

static int (*const uses[])(void) = {
	use_mapping,	use_pollfd,	use_lock,   use_no_lock,
	use_controller, use_connection, use_export, use_localmemory,
};

static void *thread_uses(void *arg)
{
	int (*use)(void) = uses[(uintptr_t)arg];
	int ret = 0;

	while (!ret && !stopped())
		ret = use();
	return (void *)(long)ret;
}

/* A connection that is another one each time */
static void *thread_reconnects(void *arg)
{
	long bad = 0;

	(void)arg;
	while (!stopped()) {
		bad += !!put(im);
		bad += !!rsm_memseg_import_disconnect(im);
		__atomic_store_n(&im, connect_explicit(), __ATOMIC_RELAXED);
	}
	return (void *)bad;
}

static void end_thread(struct __test_metadata *_metadata, pthread_t thread)
{
	void *ret;

	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	ASSERT_OK(pthread_join(thread, &ret));
	EXPECT_EQ(NULL, ret);
}

/* What the first child gets that fails, or the last one */
static int fork_on(int (*fn)(void *arg))
{
	long last = now_ms() + FORK_MS;
	int count = 0;
	int ret;

	do
		ret = rsm_in_child(fn, NULL);
	while (!ret && ++count < FORKS && now_ms() < last);
	return ret;
}

static int child_puts(void *arg)
{
	(void)arg;
	alarm(CHILD_S);
	return put(im);
}

/* The connection may just have ended. */
static int child_tries_to_put(void *arg)
{
	int ret = child_puts(arg);

	return ret == RSMERR_BAD_SEG_HNDL ? 0 : ret;
}

static int child_uses_all(void *arg)
{
	int ret = 0;
	size_t i;

	(void)arg;
	alarm(CHILD_S);
	for (i = 0; i < ARRAY_SIZE(uses) && !ret; i++) {
		ret = uses[i]();
		if (ret)
			fprintf(stderr, "# use %zu: %d\n", i, ret);
	}
	return ret;
}

TEST_F(fork, while_unmapping)
{
	pthread_t thread;

	ASSERT_OK(pthread_create(&thread, NULL, thread_uses, NULL));
	EXPECT_OK(fork_on(child_puts));
	end_thread(_metadata, thread);
}

TEST_F(fork, while_disconnecting)
{
	rsm_memseg_import_handle_t first = im;
	pthread_t thread;

	im = connect_explicit();
	ASSERT_OK(pthread_create(&thread, NULL, thread_reconnects, NULL));
	EXPECT_OK(fork_on(child_tries_to_put));
	end_thread(_metadata, thread);
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	im = first;
}

TEST_F_TIMEOUT(fork, while_using_one, 60)
{
	pthread_t thread;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(uses); i++) {
		stop = false;
		ASSERT_OK(pthread_create(&thread, NULL, thread_uses,
					 (void *)i));
		EXPECT_OK(fork_on(child_uses_all)) {
			TH_LOG("use %zu", i);
		}
		end_thread(_metadata, thread);
	}
}

TEST_F(fork, while_using_all)
{
	pthread_t threads[ARRAY_SIZE(uses)];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(uses); i++)
		ASSERT_OK(pthread_create(&threads[i], NULL, thread_uses,
					 (void *)i));
	EXPECT_OK(fork_on(child_uses_all));
	for (i = 0; i < ARRAY_SIZE(uses); i++)
		end_thread(_metadata, threads[i]);
}

TEST_HARNESS_MAIN
