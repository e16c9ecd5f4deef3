/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the two programs of the demonstration have in common: the layout of the
 * segment, and how they speak. All they are told is the segment id. Each
 * defines DEMO_PROMPT, which begins its lines, before it includes this.
 */
#ifndef DEMO_H
#define DEMO_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEMO_MAGIC 0x52534d2d44454d4fULL

/* Patience of either side with the other, in milliseconds. */
#define DEMO_WAIT_MS 30000

/**
 * struct demo_segment - a text and who has seen it
 * @magic: DEMO_MAGIC
 * @total: length of the segment in bytes
 * @edition: 1 for the first memory, 2 for the one that replaces it
 * @seen: written by the importer: the edition whose checksum it has verified
 * @checksum: demo_checksum() of @text
 * @length: bytes of @text
 * @text: the contents
 */
struct demo_segment {
	uint64_t magic;
	uint64_t total;
	uint64_t edition;
	uint64_t seen;
	uint64_t checksum;
	uint64_t length;
	char text[];
};

/* FNV-1a, 64 bit. */
static inline uint64_t demo_checksum(const char *text, size_t length)
{
	uint64_t sum = 0xcbf29ce484222325ULL;

	while (length--)
		sum = (sum ^ (unsigned char)*text++) * 0x100000001b3ULL;
	return sum;
}

#define DEMO_LOAD(word) __atomic_load_n(&(word), __ATOMIC_ACQUIRE)
#define DEMO_STORE(word, value) \
	__atomic_store_n(&(word), value, __ATOMIC_RELEASE)

static inline void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf(DEMO_PROMPT " %d: ", (int)getpid());
	vprintf(format, args);
	putchar('\n');
	va_end(args);
	fflush(stdout);
}

static inline void fail(const char *what, int error)
{
	say("FAILED: %s (error %d)", what, error);
	exit(1);
}

static inline void check(int error, const char *what)
{
	if (error)
		fail(what, error);
}

#endif /* DEMO_H */
