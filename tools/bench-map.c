// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl bench: mapping memory of another process and using it, beside a memfd,
 * SysV shared memory, and plain memory.
 */
#include <math.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/shm.h>

#include "bench.h"

#define RANDOM_ACCESSES 200000

/* Memory of all kinds; what a benchmark does not need is not there. */
static struct {
	rsm_memseg_import_handle_t imp;
	char *imported;
	char *plain;
	int memfd;
	int shm;
} mem;

static void setup_map(struct bench *bench)
{
	bench_fork_exporter(bench, bench->param.size, BENCH_SMALL);
	mem.memfd = bench_memfd(bench->param.size);
	mem.shm = bench_shm(bench->param.size);
	mem.imp = bench_import(bench, RSM_PERM_RDWR);
}

static void setup_map_huge(struct bench *bench)
{
	bench_fork_exporter(bench, bench->param.size, BENCH_HUGE);
	mem.memfd = bench_memfd(bench->param.size);
	mem.imp = bench_import(bench, RSM_PERM_RDWR);
}

static double map_touch(struct bench *bench)
{
	double start = bench_now(), took;
	char *memory = bench_import_map(mem.imp, bench->param.size);

	took = bench_now() - start;
	took += bench_first_touch(memory, bench->param.size);
	rsm_memseg_import_unmap(mem.imp);
	return took;
}

static double map_touch_memfd_flags(struct bench *bench, int flags)
{
	double start = bench_now(), took;
	char *memory = bench_map_memfd(mem.memfd, bench->param.size, flags);

	took = bench_now() - start;
	took += bench_first_touch(memory, bench->param.size);
	munmap(memory, bench->param.size);
	return took;
}

static double map_touch_memfd(struct bench *bench)
{
	return map_touch_memfd_flags(bench, 0);
}

static double map_touch_populate(struct bench *bench)
{
	return map_touch_memfd_flags(bench, MAP_POPULATE);
}

static double map_touch_shm(struct bench *bench)
{
	double start = bench_now(), took;
	char *memory = shmat(mem.shm, NULL, 0);

	if (memory == (char *)-1)
		return NAN;
	took = bench_now() - start;
	took += bench_first_touch(memory, bench->param.size);
	shmdt(memory);
	return took;
}

static double map_touch_huge(struct bench *bench)
{
	double start = bench_now();
	char *memory = bench_import_map(mem.imp, bench->param.size);

	bench_touch(memory, bench->param.size, HUGE_SIZE);
	start = bench_now() - start;
	rsm_memseg_import_unmap(mem.imp);
	return start;
}

static double map_touch_pages(struct bench *bench)
{
	double start = bench_now();
	char *memory = bench_map_memfd(mem.memfd, bench->param.size, 0);

	bench_touch(memory, bench->param.size, 4 * KIB);
	start = bench_now() - start;
	munmap(memory, bench->param.size);
	return start;
}

static void map_and_touch(struct bench *bench, enum bench_pages pages)
{
	bench_fork_exporter(bench, bench->param.size, pages);
	mem.plain = bench_memory(bench->param.size, pages);
	mem.imp = bench_import(bench, RSM_PERM_RDWR);
	mem.imported = bench_import_map(mem.imp, bench->param.size);
	bench_touch(mem.imported, bench->param.size, 4 * KIB);
}

static void setup_access(struct bench *bench)
{
	map_and_touch(bench, BENCH_SMALL);
}

static void setup_access_huge(struct bench *bench)
{
	map_and_touch(bench, BENCH_HUGE);
}

static double touch_pages(struct bench *bench, const char *memory)
{
	double start = bench_now();

	bench_touch(memory, bench->param.size, 4 * KIB);
	return bench_now() - start;
}

static double touch_imported(struct bench *bench)
{
	return touch_pages(bench, mem.imported);
}

static double touch_plain(struct bench *bench)
{
	return touch_pages(bench, mem.plain);
}

/* The same words each time, all over the memory */
static double random_reads(struct bench *bench, const char *memory)
{
	unsigned int i, ops = bench_ops(bench, 8, RANDOM_ACCESSES);
	const uint64_t *words = (const void *)memory;
	size_t count = bench->param.size / sizeof(*words);
	double start = bench_now();
	uint32_t random = 1;

	for (i = 0; i < ops; i++) {
		random = random * 1664525 + 1013904223;
		(void)__atomic_load_n(&words[random % count], __ATOMIC_RELAXED);
	}
	return (bench_now() - start) / ops;
}

static double random_imported(struct bench *bench)
{
	return random_reads(bench, mem.imported);
}

static double random_plain(struct bench *bench)
{
	return random_reads(bench, mem.plain);
}

const struct bench_def map_benches[] = {
	{
		.name = "map-touch",
		.what = "map a segment and touch each page, less another touch",
		.setup = setup_map,
		.run = map_touch,
		.peers = {
			{ .name = "memfd", .run = map_touch_memfd,
			  .ratio = 0.20 },
			{ .name = "memfd MAP_POPULATE",
			  .run = map_touch_populate, .ratio = 0.12 },
			{ .name = "SysV shm", .run = map_touch_shm },
		},
	},
	{
		.name = "map-touch-thp",
		.what = "map a segment of huge pages and touch each of them",
		.setup = setup_map_huge,
		.run = map_touch_huge,
		.peers = {
			{ .name = "memfd, 4 KiB pages", .run = map_touch_pages,
			  .ratio = 0.02,
			  .since = BENCH_KERNEL(6, 12) },
		},
	},
	{
		.name = "touch-again",
		.what = "touch each 4 KiB page once more",
		.setup = setup_access,
		.run = touch_imported,
		.peers = {
			{ .name = "plain memory", .run = touch_plain,
			  .ratio = 1.00 },
		},
	},
	{
		.name = "random",
		.what = "load a random word of a segment",
		.setup = setup_access,
		.run = random_imported,
		.peers = {
			{ .name = "plain memory", .run = random_plain,
			  .ratio = 1.00 },
		},
	},
	{
		.name = "random-thp",
		.what = "load a random word of a segment of huge pages",
		.setup = setup_access_huge,
		.run = random_imported,
		.peers = {
			{ .name = "plain huge pages", .run = random_plain,
			  .ratio = 1.00,
			  .since = BENCH_KERNEL(6, 12) },
		},
	},
	{}
};
