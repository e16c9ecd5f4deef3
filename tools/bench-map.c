// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl bench: pinning, mapping and rebinding, beside a memfd.
 */
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

static void touch(const char *mem, size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE), i;

	for (i = 0; i < size; i += page)
		(void)__atomic_load_n(&mem[i], __ATOMIC_RELAXED);
}

static double pin(struct bench *bench, const struct bench_row *row)
{
	rsm_memseg_export_handle_t seg;
	double start = bench_now(), us;
	int error;

	(void)row;
	error = rsm_memseg_export_create(bench->ctl, &seg, bench->memory[0],
					 bench->size, 0);
	us = bench_now() - start;
	if (error)
		bench_die("export", error);
	rsm_memseg_export_destroy(seg);
	return us;
}

/* The importer's mapping of the whole segment */
static void *import_mem;

static double map_and_touch(struct bench *bench, const struct bench_row *row,
			    int step)
{
	static rsm_memseg_import_handle_t imp;
	double start;
	int error;

	(void)row;
	(void)step;
	if (!imp)
		imp = bench_connect(bench);
	else
		rsm_memseg_import_unmap(imp);
	start = bench_now();
	error = rsm_memseg_import_map(imp, &import_mem, RSM_MAP_NONE,
				      RSM_PERM_RDWR, 0, bench->size);
	if (error)
		bench_die("map", error);
	touch(import_mem, bench->size);
	return bench_now() - start;
}

static double touch_again(struct bench *bench, const struct bench_row *row,
			  int step)
{
	double start = bench_now();

	(void)row;
	(void)step;
	touch(import_mem, bench->size);
	return bench_now() - start;
}

static double touch_memfd(struct bench *bench, const struct bench_row *row,
			  int step)
{
	double start = bench_now();
	void *mem = mmap(NULL, bench->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 bench->memfd, 0);

	(void)row;
	(void)step;
	if (mem == MAP_FAILED)
		bench_die("mmap of the memfd", 0);
	touch(mem, bench->size);
	munmap(mem, bench->size);
	return bench_now() - start;
}

static double rebind_and_touch(struct bench *bench, const struct bench_row *row)
{
	static unsigned int turn;
	double start = bench_now();
	int error;

	error = rsm_memseg_export_rebind(bench->seg,
					 bench->memory[++turn % 2], 0,
					 bench->size);
	if (error)
		bench_die("rebind", error);
	bench_ask(bench, row, 0);
	bench_answer(bench);
	return bench_now() - start;
}

static bool lock_busy;

static void *keep_lock_busy(void *arg)
{
	size_t size = 16 << 20;
	void *mem;

	while (__atomic_load_n(&lock_busy, __ATOMIC_RELAXED)) {
		mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		if (mem != MAP_FAILED)
			munmap(mem, size);
	}
	return arg;
}

enum { TOUCH, BUSY, IDLE };

static double touch_busy(struct bench *bench, const struct bench_row *row,
			 int step)
{
	static pthread_t busy;

	switch (step) {
	case BUSY:
		lock_busy = true;
		if (pthread_create(&busy, NULL, keep_lock_busy, NULL))
			bench_die("thread", 0);
		return 0;
	case IDLE:
		__atomic_store_n(&lock_busy, false, __ATOMIC_RELAXED);
		pthread_join(busy, NULL);
		return 0;
	}
	return touch_again(bench, row, step);
}

static double rebind_busy(struct bench *bench, const struct bench_row *row)
{
	double us;

	bench_ask(bench, row, BUSY);
	bench_answer(bench);
	us = rebind_and_touch(bench, row);
	bench_ask(bench, row, IDLE);
	bench_answer(bench);
	return us;
}

const struct bench_row bench_map_rows[] = {
	{ "export: pin the memory", "pin", .run = pin },
	{ "import: map and touch each page", "map_touch",
	  .import = map_and_touch },
	{ "import: touch each page again", "second_touch",
	  .import = touch_again },
	{ "memfd: mmap and touch each page", "memfd_touch",
	  .import = touch_memfd },
	{ "rebind and importer's touch", "rebind_touch",
	  .run = rebind_and_touch, .import = touch_again },
	{ "the same, importer's mmap lock busy", "rebind_touch_busy",
	  .run = rebind_busy, .import = touch_busy },
	{}
};
