// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl bench: several threads that share an import, each of which uses its
 * own part of the segment.
 */
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"

#define PART (64 * KIB)
/* Many, as not all threads begin at once */
#define MOST_OPS 200000
#define MOST_THREADS 8

static rsm_memseg_import_handle_t imp;
static rsmapi_barrier_t barrier;
static char *mapped;
static int memfd;
static char *file;
static char *local;

static void setup(struct bench *bench, size_t size)
{
	bench_fork_exporter(bench, size, BENCH_SMALL);
	imp = bench_import(bench, RSM_PERM_RDWR);
	memfd = bench_memfd(size);
}

static void setup_map(struct bench *bench)
{
	setup(bench, bench->param.size);
}

static void setup_copy(struct bench *bench)
{
	size_t size = MOST_THREADS * PART;
	int error;

	setup(bench, size);
	error = rsm_memseg_import_init_barrier(imp, RSM_BAR_DEFAULT, &barrier);
	if (error)
		bench_die("barrier", error);
	file = bench_map_memfd(memfd, size, MAP_POPULATE);
	local = bench_memory(size, BENCH_SMALL);
}

static unsigned int ops_of(const struct bench *bench)
{
	return bench_ops(bench, bench->param.size, MOST_OPS);
}

static void put_words(struct bench *bench, unsigned int thread)
{
	unsigned int i, ops = ops_of(bench);
	uint64_t word = thread;

	for (i = 0; i < ops; i++)
		rsm_memseg_import_put64(imp, thread * PART, &word, 1);
}

static void store_words(struct bench *bench, unsigned int thread)
{
	volatile uint64_t *to = (void *)(file + thread * PART);
	unsigned int i, ops = ops_of(bench);

	for (i = 0; i < ops; i++)
		*to = thread;
}

static void put_pages(struct bench *bench, unsigned int thread)
{
	unsigned int i, ops = ops_of(bench);

	for (i = 0; i < ops; i++)
		rsm_memseg_import_put(imp, thread * PART,
				      local + thread * PART, 4 * KIB);
}

static void copy_pages(struct bench *bench, unsigned int thread)
{
	unsigned int i, ops = ops_of(bench);

	for (i = 0; i < ops; i++) {
		memcpy(file + thread * PART, local + thread * PART, 4 * KIB);
		__asm__ volatile("" : : : "memory");
	}
}

#define SIDE(_work)                                                            \
	static double _work##_side(struct bench *bench)                        \
	{                                                                      \
		return bench_parallel(bench, _work) / ops_of(bench);           \
	}

SIDE(put_words)
SIDE(store_words)
SIDE(put_pages)
SIDE(copy_pages)

/* Each thread has its share of the pages. */
static void touch_share(struct bench *bench, unsigned int thread)
{
	size_t share = bench->param.size / bench->param.threads;

	bench_touch(mapped + thread * share, share, 4 * KIB);
}

static double map_touch(struct bench *bench)
{
	double took;

	mapped = bench_import_map(imp, bench->param.size);
	took = bench_parallel(bench, touch_share);
	rsm_memseg_import_unmap(imp);
	return took;
}

static double map_touch_memfd(struct bench *bench)
{
	double took;

	mapped = bench_map_memfd(memfd, bench->param.size, 0);
	took = bench_parallel(bench, touch_share);
	munmap(mapped, bench->param.size);
	return took;
}

static const struct bench_param words[] = {
	{ .size = 8, .threads = 1 }, { .size = 8, .threads = 2 },
	{ .size = 8, .threads = 4 }, { .size = 8, .threads = 8 },
	{}
};

static const struct bench_param pages[] = {
	{ .size = 4 * KIB, .threads = 1 }, { .size = 4 * KIB, .threads = 2 },
	{ .size = 4 * KIB, .threads = 4 }, { .size = 4 * KIB, .threads = 8 },
	{}
};

static const struct bench_param whole[] = {
	{ .threads = 1 }, { .threads = 2 }, { .threads = 4 }, { .threads = 8 },
	{}
};

const struct bench_def threads_benches[] = {
	{
		.name = "put64-threads",
		.what = "put64 of one element, in each thread at a time",
		.params = words,
		.setup = setup_copy,
		.run = put_words_side,
		.peers = { { .name = "store", .run = store_words_side } },
	},
	{
		.name = "put-threads",
		.what = "put of a page, in each thread at a time",
		.params = pages,
		.setup = setup_copy,
		.run = put_pages_side,
		.peers = { { .name = "memcpy", .run = copy_pages_side } },
	},
	{
		.name = "touch-threads",
		.what = "touch each page of a mapping, shared out to threads",
		.params = whole,
		.setup = setup_map,
		.run = map_touch,
		.peers = { { .name = "memfd", .run = map_touch_memfd } },
	},
	{}
};
