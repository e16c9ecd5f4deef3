// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl bench: what an application gets, beside what it could use instead, in
 * the same run.
 *
 * Each repetition measures every row once, so that whatever else the machine
 * does meets all of them alike.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <rsm_ext.h>

#include "bench.h"
#include "cmd.h"

/* What can be asked for by name. */
static const struct {
	const char *name;
	const struct bench_row *rows;
} tables[] = {
	{ "map", bench_map_rows },
	{ "copy", bench_copy_rows },
	{ "signal", bench_signal_rows },
	{}
};

#define MAX_ROWS 64

struct bench_request {
	const struct bench_row *row;
	int step;
};

/* The rows of this run, and what they took. */
static const struct bench_row *rows[MAX_ROWS];
static double results[MAX_ROWS][BENCH_MAX_REPS];
static unsigned int nr_rows;

void bench_die(const char *what, int error)
{
	fprintf(stderr, "rsmctl bench: %s failed (%s)\n", what,
		error ? rsm_strerror(error) : strerror(errno));
	exit(1);
}

double bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e6 + ts.tv_nsec / 1e3;
}

rsm_memseg_import_handle_t bench_connect(struct bench *bench)
{
	rsm_memseg_import_handle_t imp;
	int error;

	error = rsm_memseg_import_connect(bench->ctl, 0, bench->id,
					  RSM_PERM_RDWR, &imp);
	if (error)
		bench_die("connect", error);
	return imp;
}

/* The importer has the tables at the same addresses. */
static void importer(struct bench *bench)
{
	struct bench_request request;
	double us;

	close(bench->request[1]);
	close(bench->answer[0]);
	while (read(bench->request[0], &request, sizeof(request)) ==
	       sizeof(request)) {
		us = request.row->import(bench, request.row, request.step);
		if (write(bench->answer[1], &us, sizeof(us)) != sizeof(us))
			break;
	}
	_exit(0);
}

void bench_ask(struct bench *bench, const struct bench_row *row, int step)
{
	struct bench_request request = { row, step };

	if (write(bench->request[1], &request, sizeof(request)) !=
	    sizeof(request))
		bench_die("the importer", 0);
}

double bench_answer(struct bench *bench)
{
	double us;

	if (read(bench->answer[0], &us, sizeof(us)) != sizeof(us))
		bench_die("the importer", 0);
	return us;
}

static double measure(struct bench *bench, const struct bench_row *row)
{
	if (row->run)
		return row->run(bench, row);
	bench_ask(bench, row, 0);
	return bench_answer(bench);
}

static char *fresh_memory(size_t size)
{
	char *mem = aligned_alloc(sysconf(_SC_PAGESIZE), size);

	if (!mem)
		bench_die("malloc", 0);
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

	bench->exporter = getpid();
	bench->memory[0] = fresh_memory(bench->size);
	bench->memory[1] = fresh_memory(bench->size);
	bench->memfd = memfd_create("rsmctl-bench", MFD_CLOEXEC);
	if (bench->memfd < 0 || ftruncate(bench->memfd, bench->size))
		bench_die("memfd", 0);
	mem = mmap(NULL, bench->size, PROT_READ | PROT_WRITE, MAP_SHARED,
		   bench->memfd, 0);
	if (mem == MAP_FAILED)
		bench_die("mmap of the memfd", 0);
	memset(mem, 1, bench->size);
	munmap(mem, bench->size);
	if (pipe(bench->request) || pipe(bench->answer))
		bench_die("pipe", 0);
	bench->events[0] = eventfd(0, EFD_CLOEXEC);
	bench->events[1] = eventfd(0, EFD_CLOEXEC);
}

static void export(struct bench *bench)
{
	int error;

	error = rsm_get_controller("loopback", &bench->ctl);
	if (error)
		bench_die("opening /dev/rsmctl; is the module installed? It",
			  error);
	error = rsm_memseg_export_create(bench->ctl, &bench->seg,
					 bench->memory[0], bench->size,
					 RSM_ALLOW_REBIND);
	if (error == RSMERR_INSUFFICIENT_MEM)
		fprintf(stderr, "rsmctl bench: is RLIMIT_MEMLOCK below %zu MiB?\n",
			2 * bench->size >> 20);
	if (!error)
		error = rsm_memseg_export_publish(bench->seg, &bench->id, NULL,
						  0);
	if (error)
		bench_die("export", error);
}

static pid_t fork_importer(struct bench *bench)
{
	pid_t pid = fork();

	if (pid < 0)
		bench_die("fork", 0);
	if (!pid)
		importer(bench);
	/* Where only parents may, process_vm_writev() needs this. */
	prctl(PR_SET_PTRACER, pid);
	/* Either side is to notice when the other has gone. */
	close(bench->request[0]);
	close(bench->answer[1]);
	return pid;
}

static void run(struct bench *bench)
{
	unsigned int rep, row;
	pid_t pid;

	prepare(bench);
	export(bench);
	pid = fork_importer(bench);
	/* The first round warms up. */
	for (row = 0; row < nr_rows; row++)
		measure(bench, rows[row]);
	for (rep = 0; rep < bench->reps; rep++) {
		for (row = 0; row < nr_rows; row++)
			results[row][rep] = measure(bench, rows[row]);
		if (isatty(STDERR_FILENO))
			fprintf(stderr, "\rrepetition %u of %u", rep + 1,
				bench->reps);
	}
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r%30s\r", "");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	rsm_memseg_export_destroy(bench->seg);
	rsm_release_controller(bench->ctl);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void report_row(const struct bench *bench, unsigned int row, bool json)
{
	double *us = results[row];

	qsort(us, bench->reps, sizeof(*us), compare);
	if (json)
		printf("%s\"%s\": {\"median\": %.4f, \"min\": %.4f, \"max\": %.4f}",
		       row ? ", " : "", rows[row]->key, us[bench->reps / 2],
		       us[0], us[bench->reps - 1]);
	else
		printf("%-36s %12.3f %12.3f %12.3f\n", rows[row]->name,
		       us[bench->reps / 2], us[0], us[bench->reps - 1]);
}

static void report(const struct bench *bench, bool json)
{
	unsigned int row;

	if (json)
		printf("{\"bytes\": %zu, \"repetitions\": %u, \"microseconds\": {",
		       bench->size, bench->reps);
	else
		printf("%zu MiB, %u repetitions\n%-36s %12s %12s %12s\n",
		       bench->size >> 20, bench->reps, "microseconds",
		       "median", "min", "max");
	for (row = 0; row < nr_rows; row++)
		report_row(bench, row, json);
	if (json)
		printf("}}\n");
}

static bool add_rows(const char *table)
{
	const struct bench_row *row;
	bool found = false;
	size_t i;

	for (i = 0; tables[i].name; i++) {
		if (table && strcmp(table, tables[i].name))
			continue;
		for (row = tables[i].rows; row->name; row++)
			rows[nr_rows++] = row;
		found = true;
	}
	return found;
}

static void print_usage(FILE *to)
{
	fprintf(to, "usage: rsmctl bench [OPTION]... [map | copy | signal]\n\n"
		    "Measures one group of operations, or all.\n\n"
		    "  -s, --size MIB    memory to share, in MiB (default 64)\n"
		    "  -r, --reps N      repetitions, 1 to %d (default 5)\n"
		    "  -j, --json        output for programs\n"
		    "  -h, --help        this text\n", BENCH_MAX_REPS);
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
	static struct bench bench;
	unsigned long size = 64, reps = 5;
	bool good = true, json = false;
	int opt;

	while ((opt = getopt_long(argc, argv, "s:r:jh", options, NULL)) != -1) {
		switch (opt) {
		case 's':
			good &= number(optarg, 1 << 20, &size);
			break;
		case 'r':
			good &= number(optarg, BENCH_MAX_REPS, &reps);
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			print_usage(stdout);
			return 0;
		default:
			good = false;
		}
	}
	if (!good || argc - optind > 1 || !add_rows(argv[optind])) {
		print_usage(stderr);
		return 2;
	}
	bench.size = size << 20;
	bench.reps = reps;
	run(&bench);
	report(&bench, json);
	return 0;
}

const struct cmd cmd_bench = {
	.name = "bench",
	.help = "measure map, rebind, put, get and signals beside others",
	.run = bench_main,
};
