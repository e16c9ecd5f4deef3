// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl bench: runs a benchmark in a process of its own. Each repetition
 * takes one sample of every side, so that whatever else the machine does meets
 * all of them alike; every other time in reverse order.
 */
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rsm_ext.h>

#include "bench.h"

/* Exit statuses of the process: the benchmark makes no sense here */
#define SKIPPED 77
/* There is too little memory, as for all the others. */
#define NO_MEMORY 78

/* What to divide the operations of a sample by for --quick */
#define QUICK_EFFORT 1000

void bench_die(const char *what, int error)
{
	fprintf(stderr, "rsmctl bench: %s failed (%s)\n", what,
		error ? rsm_strerror(error) : strerror(errno));
	exit(error == RSMERR_INSUFFICIENT_MEM ? NO_MEMORY : 1);
}

void bench_skip(const char *why)
{
	fprintf(stderr, "rsmctl bench: left out, as %s\n", why);
	exit(SKIPPED);
}

/* Warns if two million instructions do not count as such. */
void bench_check_clock(void)
{
	unsigned long turns = 1000000;
	double start = bench_now();

	__asm__ volatile("1: dec %0; jnz 1b" : "+r"(turns) : : "cc");
	start = bench_now() - start;
	if (start < 1.9e6 || start > 2.2e6)
		fprintf(stderr, "rsmctl bench: two million instructions count as %.1f million\n",
			start / 1e6);
}

/* One of the CPUs that the command may use: threads and partners differ. */
void bench_pin_cpu(unsigned int index)
{
	static cpu_set_t allowed;
	static int count;
	cpu_set_t one;
	int cpu;

	if (!count) {
		sched_getaffinity(0, sizeof(allowed), &allowed);
		count = CPU_COUNT(&allowed);
	}
	index %= count;
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed) && !index--)
			break;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

unsigned int bench_nr_peers(const struct bench_def *def)
{
	unsigned int peers = 0;

	while (peers < BENCH_MAX_PEERS && def->peers[peers].name)
		peers++;
	return peers;
}

static double take_sample(struct bench *bench, const struct bench_def *def,
			  unsigned int side)
{
	return side ? def->peers[side - 1].run(bench) : def->run(bench);
}

static void progress(const struct bench_result *result, unsigned int rep)
{
	char param[64];

	if (!isatty(STDERR_FILENO))
		return;
	bench_param_text(&result->param, param, sizeof(param));
	if (rep < result->reps)
		fprintf(stderr, "\r%-20s %-24s %u of %u\033[K",
			result->def->name, param, rep + 1, result->reps);
	else
		fprintf(stderr, "\r\033[K");
}

static void take_samples(struct bench *bench, struct bench_result *result)
{
	unsigned int i, rep, side, sides = 1 + bench_nr_peers(result->def);

	/* To warm up, and to find out what is not possible. */
	for (side = 0; side < sides; side++)
		result->samples[side][0] = take_sample(bench, result->def,
						       side);
	if (isnan(result->samples[0][0])) {
		fprintf(stderr, "rsmctl bench: %s does not work\n",
			result->def->name);
		exit(1);
	}
	for (rep = 0; rep < result->reps; rep++) {
		progress(result, rep);
		for (i = 0; i < sides; i++) {
			side = rep % 2 ? sides - 1 - i : i;
			if (isnan(result->samples[side][0]))
				continue;
			result->samples[side][rep] =
				take_sample(bench, result->def, side);
		}
	}
	progress(result, rep);
}

static _Noreturn void bench_process(struct bench *bench,
				    struct bench_result *result)
{
	const struct bench_def *def = result->def;

	bench_pin_cpu(0);
	if (def->setup)
		def->setup(bench);
	take_samples(bench, result);
	if (def->teardown)
		def->teardown(bench);
	bench_end_partners(bench);
	exit(0);
}

static void *shared_memory(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		bench_die("mmap", 0);
	return mem;
}

static void share_samples(struct bench_result *result)
{
	unsigned int side;

	for (side = 0; side <= bench_nr_peers(result->def); side++)
		result->samples[side] =
			shared_memory(result->reps * sizeof(double));
}

/* Of the benchmark, whose partners have become ours if it died. */
static int wait_for_all(pid_t benchmark)
{
	int status, result = 1;
	pid_t pid;

	while ((pid = wait(&status)) > 0)
		if (pid == benchmark)
			result = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	return result;
}

/*
 * Returns false if there is no sense in going on. Where the result has no
 * samples afterwards, it was not possible.
 */
bool bench_run(const struct bench_options *options, struct bench_result *result)
{
	struct bench bench = {
		.param = result->param,
		.effort = options->quick ? QUICK_EFFORT : 1,
		.shared = shared_memory(sizeof(*bench.shared)),
	};
	pid_t pid, parent = getpid();
	int status;

	share_samples(result);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		bench_die("fork", 0);
	if (!pid) {
		bench_die_with(parent);
		bench_process(&bench, result);
	}
	status = wait_for_all(pid);
	munmap(bench.shared, sizeof(*bench.shared));
	if (status)
		result->reps = 0;
	result->failed = status && status != SKIPPED;
	if (status == NO_MEMORY)
		fputs("rsmctl bench: three times --size are needed, and RLIMIT_MEMLOCK (ulimit -l)\n"
		      "has to allow it; try a smaller --size\n", stderr);
	return status != NO_MEMORY;
}
