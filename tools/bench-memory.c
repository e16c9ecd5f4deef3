// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl bench: memory of all kinds, for either side.
 */
#include <stdint.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#include "bench.h"

/* Prime, and of no size that pages come in */
#define STRIDE 37

/* That of the process, got when it is first asked for */
rsmapi_controller_handle_t bench_controller(void)
{
	static rsmapi_controller_handle_t ctl;
	int error;

	if (!ctl) {
		error = rsm_get_controller(bench_target.controller, &ctl);
		if (error)
			bench_die(bench_target.is_set ?
				  bench_target.controller :
				  "opening /dev/rsmctl", error);
	}
	return ctl;
}

/* Whether what follows the line of the mapping at @mem says so */
static bool is_huge(const char *mem)
{
	FILE *smaps = fopen("/proc/self/smaps", "r");
	unsigned long first, last, kib = 0;
	bool found = false;
	char line[512];

	while (smaps && fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx", &first, &last) == 2)
			found = first <= (unsigned long)mem &&
				(unsigned long)mem < last;
		else if (found && sscanf(line, "AnonHugePages: %lu", &kib) == 1)
			break;
	}
	if (smaps)
		fclose(smaps);
	return kib;
}

/*
 * Fill pages in an order that leaves no two neighbours in one piece, as they
 * would be if the memory of the machine were all unused yet.
 */
static void scatter(char *mem, size_t size)
{
	size_t i, page = 0, count = size / (4 * KIB);

	for (i = 0; i < count; i++) {
		memset(mem + page * 4 * KIB, 1, 4 * KIB);
		page = (page + STRIDE) % count;
	}
	/* Whatever the count, none is left out. */
	memset(mem, 1, size);
}

/* Private memory, all of it there, and in pages of the kind asked for */
char *bench_memory(size_t size, enum bench_pages pages)
{
	char *mem = mmap(NULL, size + HUGE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		bench_die("mmap", 0);
	mem = (char *)(((uintptr_t)mem + HUGE_SIZE - 1) & -HUGE_SIZE);
	madvise(mem, size, pages == BENCH_HUGE ? MADV_HUGEPAGE :
						 MADV_NOHUGEPAGE);
	/* Or after a fork the first pin would copy every page. */
	madvise(mem, size, MADV_DONTFORK);
	if (pages == BENCH_SMALL)
		scatter(mem, size);
	else
		memset(mem, 1, size);
	if (pages == BENCH_HUGE && !is_huge(mem))
		bench_skip("there are no transparent huge pages");
	return mem;
}

/* A file with all its pages there */
int bench_memfd(size_t size)
{
	int fd = memfd_create("rsmctl-bench", MFD_CLOEXEC);
	char *mem;

	if (fd < 0 || ftruncate(fd, size))
		bench_die("memfd", 0);
	mem = bench_map_memfd(fd, size, 0);
	memset(mem, 1, size);
	munmap(mem, size);
	return fd;
}

char *bench_map_memfd(int fd, size_t size, int flags)
{
	char *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | flags, fd, 0);

	if (mem == MAP_FAILED)
		bench_die("mmap of a memfd", 0);
	return mem;
}

/*
 * A SysV segment with all its pages there, or -1. It stays attached once and
 * is removed already, so that it ends with the process.
 */
int bench_shm(size_t size)
{
	int id = shmget(IPC_PRIVATE, size, IPC_CREAT | 0600);
	char *mem;

	if (id < 0)
		return -1;
	mem = shmat(id, NULL, 0);
	shmctl(id, IPC_RMID, NULL);
	if (mem == (char *)-1)
		return -1;
	memset(mem, 1, size);
	return id;
}

void bench_touch(const char *mem, size_t size, size_t step)
{
	size_t i;

	for (i = 0; i < size; i += step)
		(void)__atomic_load_n(&mem[i], __ATOMIC_RELAXED);
}

/* What the first touch of each page takes longer than another one */
double bench_first_touch(const char *mem, size_t size)
{
	double start, middle;

	start = bench_now();
	bench_touch(mem, size, 4 * KIB);
	middle = bench_now();
	bench_touch(mem, size, 4 * KIB);
	return 2 * middle - start - bench_now();
}

void bench_publish(struct bench *bench, rsm_memseg_export_handle_t seg)
{
	int error;

	bench->shared->id = 0;
	error = rsm_memseg_export_publish(seg, &bench->shared->id, NULL, 0);
	if (error)
		bench_die("publish", error);
}

/* A published segment, which others find */
rsm_memseg_export_handle_t bench_export_memory(struct bench *bench, char *mem,
					       size_t size)
{
	rsm_memseg_export_handle_t seg;
	int error;

	error = rsm_memseg_export_create(bench_controller(), &seg, mem, size,
					 RSM_ALLOW_REBIND);
	if (error)
		bench_die("export", error);
	bench_publish(bench, seg);
	bench->shared->memory = mem;
	return seg;
}

rsm_memseg_import_handle_t bench_import(struct bench *bench,
					rsm_permission_t perm)
{
	rsm_memseg_import_handle_t imp;
	int error;

	error = rsm_memseg_import_connect(bench_controller(), 0,
					  bench->shared->id, perm, &imp);
	if (error)
		bench_die("connect", error);
	return imp;
}

char *bench_import_map(rsm_memseg_import_handle_t imp, size_t size)
{
	void *mem = NULL;
	int error;

	error = rsm_memseg_import_map(imp, &mem, RSM_MAP_NONE, RSM_PERM_RDWR,
				      0, size);
	if (error)
		bench_die("map", error);
	return mem;
}

size_t bench_whole_pages(size_t size)
{
	return (size + 4 * KIB - 1) & -(4 * KIB);
}

/* What the exporter is to export */
static size_t exporter_size;
static enum bench_pages exporter_pages;

static double export_all(struct bench *bench)
{
	bench_export_memory(bench, bench_memory(exporter_size, exporter_pages),
			    exporter_size);
	return 0;
}

/* Partner 0 exports memory for the others. */
void bench_fork_exporter(struct bench *bench, size_t size,
			 enum bench_pages pages)
{
	exporter_size = size;
	exporter_pages = pages;
	bench_fork(bench, 1);
	bench_call(bench, 0, export_all);
}
