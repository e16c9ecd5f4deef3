// SPDX-License-Identifier: GPL-2.0-only
/*
 * libusrsm: what applications do with it. Between two processes run messages
 * as those of a message passing library, for RSM_WORKLOAD_SECONDS (5).
 */
#include "lib_utils.h"

#include <sched.h>
#include <stddef.h>
#include <stdlib.h>

/* The diagnostic of a controller: patterns through a connection to itself */

#define DIAGNOSTIC_PAGES 256

static bool is_filled(const volatile char *addr, size_t size, char pattern)
{
	size_t i;

	for (i = 0; i < size; i++)
		if (addr[i] != pattern)
			return false;
	return true;
}

TEST_F(lib, diagnostic)
{
	static const unsigned char patterns[] = { 0x00, 0xff, 0x55, 0xaa };
	void *addr = NULL;
	size_t i;

	length = DIAGNOSTIC_PAGES * page;
	mem = rsm_alloc(length);
	ASSERT_NE(MAP_FAILED, (void *)mem);
	open_import(_metadata);
	ASSERT_OK(map_im(&addr, RSM_PERM_RDWR));
	for (i = 0; i < ARRAY_SIZE(patterns); i++) {
		ASSERT_OK(rsm_memseg_import_open_barrier(&barrier));
		memset(addr, patterns[i], length);
		ASSERT_OK(rsm_memseg_import_order_barrier(&barrier));
		EXPECT_TRUE(is_filled(addr, length, patterns[i]));
		ASSERT_OK(rsm_memseg_import_close_barrier(&barrier));
		EXPECT_TRUE(is_filled(mem, length, patterns[i]));
	}
	EXPECT_OK(rsm_memseg_import_unmap(im));
	close_import(_metadata);
}

/*
 * Postboxes. Each process exports an area with some boxes, which the other one
 * puts short messages into, in turn, and a buffer for long ones. A message is
 * there when its number is; who has read it puts the number into the other's
 * area, so that the box can be used again. Of a long message a short one asks
 * for the buffer, another one grants it, and a third tells that it is full.
 */
#define BOXES 15
#define SHORT_SIZE 401
#define LONG_SIZE (16 << 10)
#define LONG_MAX_SIZE (64 << 10)

/* Every so many messages are long. */
#define LONG_EVERY 16

enum kind {
	SHORT_MESSAGE,
	REQUEST,
	GRANT,
	FULL,
	QUIT,
};

struct box {
	uint32_t number;
	uint32_t kind;
	uint32_t size;
	char data[SHORT_SIZE];
};

struct area {
	struct box boxes[BOXES];
	uint32_t read;
	char buffer[LONG_MAX_SIZE];
};

/* Our own area, and how many messages went out and came in */
static volatile struct area *area;
static uint32_t sent;
static uint32_t received;
static unsigned long long long_bytes;

/* What is in a message, from somewhere in the first bytes on */
static char pattern[LONG_MAX_SIZE + UINT8_MAX];

static void make_pattern(void)
{
	size_t i;

	for (i = 0; i < sizeof(pattern); i++)
		pattern[i] = i * 13 + (i >> 8);
}

static void *text(uint32_t seed)
{
	return pattern + seed % UINT8_MAX;
}

static bool is_intact(const volatile void *from, size_t size, uint32_t seed)
{
	return !memcmp((const void *)from, text(seed), size);
}

/* Put @size bytes, with the barrier that tells whether they arrived. */
static int put(size_t offset, void *from, size_t size)
{
	return rsm_memseg_import_open_barrier(&barrier) ?:
	       rsm_memseg_import_put(im, offset, from, size) ?:
	       rsm_memseg_import_close_barrier(&barrier);
}

static int put_number(size_t offset, uint32_t number)
{
	return rsm_memseg_import_put32(im, offset, &number, 1);
}

/* Poll for a number that the other process puts into our area, or a later one */
static bool await(const volatile uint32_t *word, uint32_t number)
{
	long end = now_ms() + LONG_MS;
	long i;

	for (i = 1; (int32_t)(__atomic_load_n(word, __ATOMIC_ACQUIRE) -
			      number) < 0; i++) {
		if (i % 1000)
			continue;
		if (now_ms() > end)
			return false;
		sched_yield();
	}
	return true;
}

/* Box first, then its number, in one span of a barrier */
static int put_box(size_t offset, struct box *box)
{
	size_t skip = offsetof(struct box, kind);
	size_t size = offsetof(struct box, data) + box->size - skip;

	return rsm_memseg_import_open_barrier(&barrier) ?:
	       rsm_memseg_import_put(im, offset + skip, &box->kind, size) ?:
	       rsm_memseg_import_order_barrier(&barrier) ?:
	       put_number(offset, box->number) ?:
	       rsm_memseg_import_close_barrier(&barrier);
}

static int send_message(enum kind kind, uint32_t size)
{
	struct box box = { .kind = kind, .size = size };

	/* until the box is free: its last message has been read */
	if (!await(&area->read, sent + 1 - BOXES))
		return RSMERR_TIMEOUT;
	box.number = ++sent;
	if (kind != SHORT_MESSAGE)
		box.size = sizeof(size);
	memcpy(box.data, &size, sizeof(size));
	if (kind == SHORT_MESSAGE)
		memcpy(box.data, text(sent), size);
	return put_box(sent % BOXES * sizeof(struct box), &box);
}

/* Receive one: 0, or what went wrong. @size: see send_message() */
static int receive_message(enum kind *kind, uint32_t *size)
{
	volatile struct box *box = &area->boxes[++received % BOXES];

	if (!await(&box->number, received))
		return RSMERR_TIMEOUT;
	*kind = box->kind;
	*size = box->size;
	if (*kind != SHORT_MESSAGE)
		memcpy(size, (const void *)box->data, sizeof(*size));
	else if (!is_intact(box->data, *size, received))
		return RSMERR_BARRIER_FAILURE;
	return put_number(offsetof(struct area, read), received);
}

static int expect_message(enum kind kind)
{
	enum kind got;
	uint32_t size;
	int ret = receive_message(&got, &size);

	return ret ?: got == kind ? 0 : RSMERR_BAD_ARGS_ERRORS;
}

static int send_long(uint32_t size)
{
	int ret = send_message(REQUEST, size) ?: expect_message(GRANT);

	long_bytes += size;
	return ret ?: put(offsetof(struct area, buffer), text(size), size) ?:
	       send_message(FULL, size) ?: expect_message(GRANT);
}

/* What a process does until it is told to quit: answer each message */
static int answer(void)
{
	enum kind kind;
	uint32_t size;
	int ret;

	for (;;) {
		ret = receive_message(&kind, &size);
		if (ret || kind == QUIT)
			return ret;
		if (kind == FULL && !is_intact(area->buffer, size, size))
			return RSMERR_BARRIER_FAILURE;
		ret = send_message(kind == SHORT_MESSAGE ? SHORT_MESSAGE :
							   GRANT, size);
		if (ret)
			return ret;
	}
}

/* A burst of short messages, whose answers come meanwhile, and a long one */
static int talk(uint32_t round)
{
	uint32_t i;
	int ret = 0;

	for (i = 0; !ret && i < LONG_EVERY; i++) {
		ret = send_message(SHORT_MESSAGE,
				   (round + i) % 8 ? SHORT_SIZE : 1);
		if (!ret && i >= BOXES / 2)
			ret = expect_message(SHORT_MESSAGE);
	}
	for (i = 0; !ret && i < BOXES / 2; i++)
		ret = expect_message(SHORT_MESSAGE);
	return ret ?: send_long(LONG_SIZE + 1 + round * 4093 %
				(LONG_MAX_SIZE - LONG_SIZE));
}

/* Export our area, and connect to the other's; ids go through pipes. */
static int set_up(int in, int out)
{
	rsm_memseg_id_t segid = 0;
	int ret;

	make_pattern();
	length = (sizeof(struct area) + page - 1) / page * page;
	mem = rsm_alloc(length);
	area = (volatile struct area *)mem;
	ret = create(0) ?: rsm_memseg_export_publish(seg, &segid, NULL, 0);
	if (ret)
		return ret;
	if (write(out, &segid, sizeof(segid)) != sizeof(segid) ||
	    read(in, &id, sizeof(id)) != sizeof(id))
		return -errno;
	return connect_to(RSM_PERM_RDWR) ?: init_barrier() ?:
	       rsm_memseg_import_set_mode(im, RSM_BARRIER_MODE_EXPLICIT);
}

static int tear_down(void)
{
	return rsm_memseg_import_destroy_barrier(&barrier) ?:
	       rsm_memseg_import_disconnect(im) ?:
	       rsm_memseg_export_destroy(seg);
}

static long workload_ms(void)
{
	const char *seconds = getenv("RSM_WORKLOAD_SECONDS");

	return 1000 * (seconds ? strtol(seconds, NULL, 10) : 5);
}

TEST_F_TIMEOUT(lib, postboxes, 1000)
{
	uint32_t round = 0;
	int to[2], from[2];
	pid_t child;
	long start;
	int ret = 0;

	ASSERT_OK(pipe(to));
	ASSERT_OK(pipe(from));
	fflush(NULL);
	child = fork();
	if (!child)
		_exit(set_up(to[0], from[1]) ?: answer() ?: tear_down());
	ASSERT_OK(set_up(from[0], to[1]));
	for (start = now_ms(); !ret && now_ms() - start < workload_ms();)
		ret = talk(round++);
	EXPECT_OK(ret);
	TH_LOG("%u short messages and %llu MiB of %u long ones in %ld ms",
	       sent - 2 * round, long_bytes >> 20, round, now_ms() - start);
	EXPECT_OK(send_message(QUIT, 0));
	EXPECT_OK(rsm_wait_child(child));
	/* the other has gone, and with it the connection */
	EXPECT_ERR(RSMERR_CONN_ABORTED, put(0, pattern, 8));
	EXPECT_OK(tear_down());
	close(to[0]);
	close(to[1]);
	close(from[0]);
	close(from[1]);
}

TEST_HARNESS_MAIN
