// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What fork() does to the library: the locks that are held for moments only
 * are taken before, so that nobody has them in the child. The slots of handles
 * may be in use for as long as anybody likes: see handle.c.
 */
#include "internal.h"

/* In the order in which they are taken; the last two are never held together */
pthread_mutex_t rsm_controllers_lock = PTHREAD_MUTEX_INITIALIZER;
pthread_mutex_t rsm_table_lock = PTHREAD_MUTEX_INITIALIZER;
pthread_mutex_t rsm_locks_lock = PTHREAD_MUTEX_INITIALIZER;
pthread_mutex_t rsm_pollfds_lock = PTHREAD_MUTEX_INITIALIZER;

static void before_fork(void)
{
	pthread_mutex_lock(&rsm_controllers_lock);
	pthread_mutex_lock(&rsm_table_lock);
	pthread_mutex_lock(&rsm_locks_lock);
	pthread_mutex_lock(&rsm_pollfds_lock);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&rsm_pollfds_lock);
	pthread_mutex_unlock(&rsm_locks_lock);
	pthread_mutex_unlock(&rsm_table_lock);
	pthread_mutex_unlock(&rsm_controllers_lock);
}

static bool prepared;

static void in_child(void)
{
	/* Also if another thread was about to note it. */
	prepared = true;
	rsm_handle_forget_threads();
	after_fork();
}

static void prepare(void)
{
	if (!prepared)
		prepared = !pthread_atfork(before_fork, after_fork, in_child);
}

/* Must succeed before the first handle is made. */
bool rsm_fork_prepare(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, prepare);
	return prepared;
}
