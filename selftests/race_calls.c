// SPDX-License-Identifier: GPL-2.0-only
/*
 * The suite "race": each call beside each other one, as fast as two threads
 * can make them, on the same few handles. What the calls say is nobody's
 * business here; it is for kernels that watch themselves.
 *
 * Handles keep their numbers: a new one takes the place of an old one, which
 * is closed by that, with calls on it under way.
 */
#include "race.h"

#include <poll.h>
#include <pthread.h>

#define ID 0x200100
#define PAGES 2
#define LOCKS 2

/* Numbers that no other descriptor gets by itself. */
enum {
	EXPORT = 500,
	IMPORT,
	TICKET,
};

static struct calls {
	int ctl;
	char *mem[2];
	const volatile struct rsm_status *status;
	bool stop;
	uint64_t made;
} calls;

static size_t length(void)
{
	return PAGES * rsm_page_size();
}

/* Put a new descriptor in the place of @number. */
static void install(int fd, int number)
{
	if (fd < 0)
		return;
	dup2(fd, number);
	close(fd);
}

static void publish(void)
{
	__u32 segid = ID;

	rsm_publish(EXPORT, &segid, NULL, 0, NULL);
}

static void make_export(unsigned int turn)
{
	int fd;

	rsm_create(calls.ctl, 0, calls.mem[turn % 2], length(),
		   RSM_EXPORT_ALLOW_REBIND | RSM_EXPORT_LOCK_OPS, &fd, NULL);
	install(fd, EXPORT);
	publish();
}

static void make_import(void)
{
	int fd;

	rsm_connect(calls.ctl, 0, 0, ID, RSM_RIGHT_READ | RSM_RIGHT_WRITE, &fd,
		    NULL);
	install(fd, IMPORT);
}

/* One of these is called again and again; @turn counts. */

static void do_publish(unsigned int turn)
{
	rsm_unpublish(EXPORT, NULL);
	publish();
	if (turn % 4 == 0)
		make_import();
}

static void do_republish(unsigned int turn)
{
	const struct rsm_access_entry all = { 0, 0666 };

	rsm_republish(EXPORT, &all, turn % 2, NULL);
}

static void do_rebind(unsigned int turn)
{
	rsm_rebind(EXPORT, calls.mem[turn % 2], length(), NULL);
}

static void do_destroy(unsigned int turn)
{
	if (turn % 2)
		rsm_destroy(EXPORT, NULL);
	make_export(turn);
	make_import();
}

static void do_grant(unsigned int turn)
{
	int fd;

	rsm_grant(EXPORT, RSM_RIGHT_READ | turn % 2, &fd, NULL);
	install(fd, TICKET);
}

static void do_redeem(unsigned int turn)
{
	int fd;

	rsm_redeem(TICKET, RSM_RIGHT_READ, &fd, NULL);
	install(fd, IMPORT);
	if (turn % 2)
		do_grant(turn);
}

static void do_connect(unsigned int turn)
{
	int fd;

	rsm_connect(calls.ctl, 0, 0, ID, turn % 2 ? RSM_RIGHT_READ : 0, &fd,
		    NULL);
	close(fd);
}

static void do_reconnect(unsigned int turn)
{
	(void)turn;
	make_import();
}

static void do_map(unsigned int turn)
{
	volatile char *map = rsm_map(IMPORT, length(), PROT_READ | PROT_WRITE);

	if (map == MAP_FAILED) {
		make_import();
		return;
	}
	map[turn % 8] = map[length() - 1];
	munmap((void *)map, length());
}

static void do_post(unsigned int turn)
{
	rsm_post(turn % 2 ? EXPORT : IMPORT,
		 turn % 4 < 2 ? RSM_SIGNAL_NO_ACCUMULATE : 0, NULL);
}

static void do_take(unsigned int turn)
{
	rsm_take(turn % 2 ? EXPORT : IMPORT, turn % 8 ? 0 : 50000, NULL);
}

static void do_lock(unsigned int turn)
{
	__u64 offset = turn / 2 % LOCKS * sizeof(__u64);
	int fd = turn % 2 ? EXPORT : IMPORT;

	rsm_lock(fd, offset, turn % 8 ? 0 : 50000, NULL, NULL);
	/* Now and then who closes the handle has it. */
	if (turn % 16)
		rsm_unlock(fd, offset, NULL);
}

static void do_put(unsigned int turn)
{
	uint64_t word = turn;

	rsm_put(IMPORT, &word, 0, sizeof(word), NULL);
}

static void do_get(unsigned int turn)
{
	uint64_t word;

	rsm_get(IMPORT, &word, turn % PAGES * rsm_page_size(), sizeof(word),
		NULL);
}

static void do_atomic(unsigned int turn)
{
	rsm_atomic(IMPORT, RSM_ATOMIC_ADD, 0, 0, turn, NULL, NULL);
}

static void do_poll(unsigned int turn)
{
	struct pollfd fds[] = {
		{ .fd = EXPORT, .events = POLLIN },
		{ .fd = IMPORT, .events = POLLIN },
	};

	poll(fds, 1 + turn % 2, 0);
}

static void do_status(unsigned int turn)
{
	const volatile struct rsm_status *status =
		rsm_map_status(turn % 2 ? EXPORT : IMPORT);

	if (status == MAP_FAILED)
		return;
	calls.status = status;
	munmap((void *)status, rsm_page_size());
}

static void do_close(unsigned int turn)
{
	close(turn % 2 ? IMPORT : TICKET);
	if (turn % 2)
		make_import();
	else
		do_grant(turn);
}

static void (*const all_calls[])(unsigned int turn) = {
	do_publish, do_republish, do_rebind, do_destroy, do_grant, do_redeem,
	do_connect, do_reconnect, do_map, do_post, do_take, do_lock, do_put,
	do_get, do_atomic, do_poll, do_status, do_close, NULL,
};

static void *call_on(void *arg)
{
	void (*call)(unsigned int turn) = *(void (*const *)(unsigned int))arg;
	unsigned int turn = 0;

	while (!__atomic_load_n(&calls.stop, __ATOMIC_ACQUIRE))
		call(turn++);
	__atomic_fetch_add(&calls.made, turn, __ATOMIC_RELAXED);
	return NULL;
}

static int call_both(unsigned int one, unsigned int other, long ms)
{
	pthread_t threads[2];

	/* Whatever those before have left. */
	make_export(0);
	make_import();
	calls.stop = false;
	if (pthread_create(&threads[0], NULL, call_on,
			   (void *)&all_calls[one]))
		return -EAGAIN;
	if (pthread_create(&threads[1], NULL, call_on,
			   (void *)&all_calls[other]))
		return -EAGAIN;
	rsm_sleep_ms(ms);
	__atomic_store_n(&calls.stop, true, __ATOMIC_RELEASE);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	return 0;
}

/* All pairs, in @ms together: 0, or 1 if there is something wrong. */
int race_calls(long ms)
{
	unsigned int one, other, number = 0;

	while (all_calls[number])
		number++;
	calls.ctl = rsm_open();
	calls.mem[0] = rsm_alloc(length());
	calls.mem[1] = rsm_alloc(length());
	if (calls.ctl < 0 || calls.mem[1] == MAP_FAILED)
		return 1;
	ms /= number * (number + 1) / 2;
	for (one = 0; one < number; one++)
		for (other = 0; other <= one; other++)
			if (call_both(one, other, ms))
				return 1;
	printf("# %lu calls\n", calls.made);
	close_range(EXPORT, TICKET, 0);
	return rsm_vm_pin() != 0;
}
