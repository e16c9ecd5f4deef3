// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl bench: what an application gets, beside a memfd in the same run.
 *
 * Each repetition measures every row once, so that whatever else the machine
 * does meets all of them alike. The importer is a process of its own.
 */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <rsmapi.h>

#include "cmd.h"

#define MAX_REPS 1000

enum row {
	PIN,
	MAP_TOUCH,
	SECOND_TOUCH,
	MEMFD_TOUCH,
	REBIND_TOUCH,
	REBIND_BUSY,
	NR_ROWS,
};

static const char *const row_names[NR_ROWS] = {
	[PIN] = "export: pin the memory",
	[MAP_TOUCH] = "import: map and touch each page",
	[SECOND_TOUCH] = "import: touch each page again",
	[MEMFD_TOUCH] = "memfd: mmap and touch each page",
	[REBIND_TOUCH] = "rebind and importer's touch",
	[REBIND_BUSY] = "the same, importer's mmap lock busy",
};

static const char *const row_keys[NR_ROWS] = {
	[PIN] = "pin",
	[MAP_TOUCH] = "map_touch",
	[SECOND_TOUCH] = "second_touch",
	[MEMFD_TOUCH] = "memfd_touch",
	[REBIND_TOUCH] = "rebind_touch",
	[REBIND_BUSY] = "rebind_touch_busy",
};

/**
 * struct bench - a run
 * @size: bytes of the segment
 * @reps: repetitions
 * @json: output for programs
 * @us: results in microseconds
 * @memory: two ranges of @size bytes to export
 * @memfd: populated file of @size bytes
 * @request: pipe of commands for the importer
 * @answer: pipe of its results
 */
struct bench {
	size_t size;
	unsigned int reps;
	bool json;
	double us[NR_ROWS][MAX_REPS];
	char *memory[2];
	int memfd;
	int request[2];
	int answer[2];
};

static void die(const char *what, int error)
{
	fprintf(stderr, "rsmctl bench: %s failed (RSM error %d, %s)\n", what,
		error, strerror(errno));
	exit(1);
}

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e6 + ts.tv_nsec / 1e3;
}

static void touch(const char *mem, size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE), i;

	for (i = 0; i < size; i += page)
		(void)__atomic_load_n(&mem[i], __ATOMIC_RELAXED);
}

/* The importer: commands are single letters, answers are microseconds. */

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

static rsm_memseg_import_handle_t connect_import(rsm_memseg_id_t id)
{
	rsmapi_controller_handle_t ctl;
	rsm_memseg_import_handle_t imp;
	int error;

	error = rsm_get_controller("loopback", &ctl);
	if (!error)
		error = rsm_memseg_import_connect(ctl, 0, id, RSM_PERM_RDWR,
						  &imp);
	if (error)
		die("connect", error);
	return imp;
}

static void map_import(rsm_memseg_import_handle_t imp, size_t size, void **mem)
{
	int error = rsm_memseg_import_map(imp, mem, RSM_MAP_NONE, RSM_PERM_RDWR,
					  0, size);

	if (error)
		die("map", error);
}

static void touch_memfd(const struct bench *bench)
{
	void *mem = mmap(NULL, bench->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 bench->memfd, 0);

	if (mem == MAP_FAILED)
		die("mmap of the memfd", 0);
	touch(mem, bench->size);
	munmap(mem, bench->size);
}

/* Everything but mapping and touching is kept out of the times. */
static double importer_step(struct bench *bench, char command, rsm_memseg_id_t id)
{
	static rsm_memseg_import_handle_t imp;
	static void *mem;
	static pthread_t busy;
	double start;

	if (command == 'm' && !imp)
		imp = connect_import(id);
	else if (command == 'm')
		rsm_memseg_import_unmap(imp);
	start = now_us();
	switch (command) {
	case 'm':
		map_import(imp, bench->size, &mem);
		touch(mem, bench->size);
		break;
	case 't':
		touch(mem, bench->size);
		break;
	case 'f':
		touch_memfd(bench);
		break;
	case 'b':
		lock_busy = true;
		pthread_create(&busy, NULL, keep_lock_busy, NULL);
		break;
	case 'i':
		__atomic_store_n(&lock_busy, false, __ATOMIC_RELAXED);
		pthread_join(busy, NULL);
		break;
	}
	return now_us() - start;
}

static void importer(struct bench *bench, rsm_memseg_id_t id)
{
	double us;
	char command;

	close(bench->request[1]);
	close(bench->answer[0]);
	while (read(bench->request[0], &command, 1) == 1) {
		us = importer_step(bench, command, id);
		if (write(bench->answer[1], &us, sizeof(us)) != sizeof(us))
			break;
	}
	_exit(0);
}

static double ask(struct bench *bench, char command)
{
	double us;

	if (write(bench->request[1], &command, 1) != 1 ||
	    read(bench->answer[0], &us, sizeof(us)) != sizeof(us))
		die("the importer", 0);
	return us;
}

/* The exporter */

static double pin_once(rsmapi_controller_handle_t ctl, struct bench *bench)
{
	rsm_memseg_export_handle_t seg;
	double start = now_us(), us;
	int error;

	error = rsm_memseg_export_create(ctl, &seg, bench->memory[0],
					 bench->size, 0);
	us = now_us() - start;
	if (error == RSMERR_INSUFFICIENT_MEM)
		fprintf(stderr, "rsmctl bench: is RLIMIT_MEMLOCK below %zu MiB?\n",
			2 * bench->size >> 20);
	if (error)
		die("export", error);
	rsm_memseg_export_destroy(seg);
	return us;
}

static double rebind_touch(struct bench *bench, rsm_memseg_export_handle_t seg)
{
	static unsigned int turn;
	double start = now_us();
	int error;

	error = rsm_memseg_export_rebind(seg, bench->memory[++turn % 2], 0,
					 bench->size);
	if (error)
		die("rebind", error);
	ask(bench, 't');
	return now_us() - start;
}

static void measure(struct bench *bench, rsmapi_controller_handle_t ctl,
		    rsm_memseg_export_handle_t seg, unsigned int rep)
{
	bench->us[PIN][rep] = pin_once(ctl, bench);
	bench->us[MAP_TOUCH][rep] = ask(bench, 'm');
	bench->us[SECOND_TOUCH][rep] = ask(bench, 't');
	bench->us[MEMFD_TOUCH][rep] = ask(bench, 'f');
	bench->us[REBIND_TOUCH][rep] = rebind_touch(bench, seg);
	ask(bench, 'b');
	bench->us[REBIND_BUSY][rep] = rebind_touch(bench, seg);
	ask(bench, 'i');
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\rrepetition %u of %u", rep + 1, bench->reps);
}

static char *fresh_memory(size_t size)
{
	char *mem = aligned_alloc(sysconf(_SC_PAGESIZE), size);

	if (!mem)
		die("malloc", 0);
	/* 4 KiB pages, as the comparison has them. */
	madvise(mem, size, MADV_NOHUGEPAGE);
	/* Or the importer's fork makes the first pin copy every page. */
	madvise(mem, size, MADV_DONTFORK);
	memset(mem, 1, size);
	return mem;
}

static void prepare(struct bench *bench)
{
	char *mem;

	bench->memory[0] = fresh_memory(bench->size);
	bench->memory[1] = fresh_memory(bench->size);
	bench->memfd = memfd_create("rsmctl-bench", MFD_CLOEXEC);
	if (bench->memfd < 0 || ftruncate(bench->memfd, bench->size))
		die("memfd", 0);
	mem = mmap(NULL, bench->size, PROT_READ | PROT_WRITE, MAP_SHARED,
		   bench->memfd, 0);
	if (mem == MAP_FAILED)
		die("mmap of the memfd", 0);
	memset(mem, 1, bench->size);
	munmap(mem, bench->size);
	if (pipe(bench->request) || pipe(bench->answer))
		die("pipe", 0);
}

static pid_t fork_importer(struct bench *bench, rsm_memseg_id_t id)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork", 0);
	if (!pid)
		importer(bench, id);
	/* Either side is to notice when the other has gone. */
	close(bench->request[0]);
	close(bench->answer[1]);
	return pid;
}

static void run(struct bench *bench)
{
	rsmapi_controller_handle_t ctl;
	rsm_memseg_export_handle_t seg;
	rsm_memseg_id_t id = 0;
	unsigned int rep;
	int error;
	pid_t pid;

	error = rsm_get_controller("loopback", &ctl);
	if (error)
		die("opening /dev/rsmctl; is the module installed? It", error);
	prepare(bench);
	pin_once(ctl, bench);
	error = rsm_memseg_export_create(ctl, &seg, bench->memory[0],
					 bench->size, RSM_ALLOW_REBIND);
	if (!error)
		error = rsm_memseg_export_publish(seg, &id, NULL, 0);
	if (error)
		die("export", error);
	pid = fork_importer(bench, id);
	ask(bench, 'm');
	for (rep = 0; rep < bench->reps; rep++)
		measure(bench, ctl, seg, rep);
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r%30s\r", "");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	rsm_memseg_export_destroy(seg);
	rsm_release_controller(ctl);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void report_row(struct bench *bench, enum row row)
{
	double *us = bench->us[row];

	qsort(us, bench->reps, sizeof(*us), compare);
	if (bench->json)
		printf("%s\"%s\": {\"median\": %.1f, \"min\": %.1f, \"max\": %.1f}",
		       row ? ", " : "", row_keys[row], us[bench->reps / 2],
		       us[0], us[bench->reps - 1]);
	else
		printf("%-36s %10.0f %10.0f %10.0f\n", row_names[row],
		       us[bench->reps / 2], us[0], us[bench->reps - 1]);
}

static void report(struct bench *bench)
{
	enum row row;

	if (bench->json)
		printf("{\"bytes\": %zu, \"repetitions\": %u, \"microseconds\": {",
		       bench->size, bench->reps);
	else
		printf("%zu MiB, %u repetitions\n%-36s %10s %10s %10s\n",
		       bench->size >> 20, bench->reps, "microseconds",
		       "median", "min", "max");
	for (row = 0; row < NR_ROWS; row++)
		report_row(bench, row);
	if (bench->json)
		printf("}}\n");
}

static void print_usage(FILE *to)
{
	fprintf(to, "usage: rsmctl bench [OPTION]...\n\n"
		    "  -s, --size MIB    memory to share, in MiB (default 64)\n"
		    "  -r, --reps N      repetitions, 1 to %d (default 5)\n"
		    "  -j, --json        output for programs\n"
		    "  -h, --help        this text\n", MAX_REPS);
}

static bool number(const char *text, unsigned long max, unsigned long *out)
{
	char *end;

	errno = 0;
	*out = strtoul(text, &end, 10);
	return !errno && *text != '-' && end != text && !*end && *out &&
	       *out <= max;
}

static int bench_main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "size", required_argument, NULL, 's' },
		{ "reps", required_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	static struct bench bench = { .reps = 5 };
	unsigned long size = 64, reps = 5;
	bool good = true;
	int opt;

	while ((opt = getopt_long(argc, argv, "s:r:jh", options, NULL)) != -1) {
		switch (opt) {
		case 's':
			good &= number(optarg, 1 << 20, &size);
			break;
		case 'r':
			good &= number(optarg, MAX_REPS, &reps);
			break;
		case 'j':
			bench.json = true;
			break;
		case 'h':
			print_usage(stdout);
			return 0;
		default:
			good = false;
		}
	}
	if (!good || optind != argc) {
		print_usage(stderr);
		return 2;
	}
	bench.size = size << 20;
	bench.reps = reps;
	run(&bench);
	report(&bench);
	return 0;
}

const struct cmd cmd_bench = {
	.name = "bench",
	.help = "measure pin, map, rebind beside a memfd",
	.run = bench_main,
};
