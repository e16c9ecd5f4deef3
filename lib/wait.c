// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Time limits, and waiting for a word of memory to change.
 *
 * Not with condition variables: a child after fork() could not use one again
 * that other threads wait for in the parent.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

#define NS_PER_S 1000000000ULL

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* When a time limit that begins now is over; negative: never */
uint64_t rsm_deadline(int timeout_ms)
{
	return timeout_ms < 0 ? RSM_WAIT_FOREVER :
				now() + timeout_ms * NS_PER_MS;
}

/* Nanoseconds until then */
uint64_t rsm_time_left(uint64_t deadline)
{
	uint64_t time;

	if (deadline == RSM_WAIT_FOREVER)
		return RSM_WAIT_FOREVER;
	time = now();
	return time < deadline ? deadline - time : 0;
}

/* Wait while *@word is @value; returns early at times. */
void rsm_futex_wait(const uint32_t *word, uint32_t value, uint64_t timeout_ns)
{
	struct timespec ts = {
		.tv_sec = timeout_ns / NS_PER_S,
		.tv_nsec = timeout_ns % NS_PER_S,
	};
	int saved_errno = errno;

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value,
		timeout_ns == RSM_WAIT_FOREVER ? NULL : &ts, NULL, 0);
	errno = saved_errno;
}

void rsm_futex_wake(const uint32_t *word)
{
	int saved_errno = errno;

	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
	errno = saved_errno;
}
