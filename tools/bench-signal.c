// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl bench: a signal to the importer and one back, beside eventfds and
 * pipes.
 */
#include <fcntl.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bench.h"

#define ROUNDS 500

/* Of either kind of descriptors: one to wait at, one for the other side's */
static struct {
	int events[2];
	int pipes[2][2];
} fds;
static rsm_memseg_export_handle_t seg;

static unsigned int rounds_of(const struct bench *bench)
{
	return bench_ops(bench, 1, ROUNDS);
}

static void post(void *memseg)
{
	int error = rsm_intr_signal_post(memseg, 0);

	if (error)
		bench_die("signal", error);
}

static void wait_for(void *memseg)
{
	int error = rsm_intr_signal_wait(memseg, -1);

	if (error)
		bench_die("signal", error);
}

static double echo_signals(struct bench *bench)
{
	static rsm_memseg_import_handle_t imp;
	unsigned int i, rounds = rounds_of(bench);

	if (!imp)
		imp = bench_import(bench, RSM_PERM_RDWR);
	/* Only now may the exporter begin. */
	post(imp);
	for (i = 0; i < rounds; i++) {
		wait_for(imp);
		post(imp);
	}
	return 0;
}

static double signals(struct bench *bench)
{
	unsigned int i, rounds = rounds_of(bench);
	double start;

	bench_ask(bench, 0, echo_signals);
	wait_for(seg);
	start = bench_now();
	for (i = 0; i < rounds; i++) {
		post(seg);
		wait_for(seg);
	}
	start = bench_now() - start;
	bench_answer(bench, 0);
	return start / rounds;
}

/* Eight bytes, as an eventfd wants them */
static void send_word(int fd)
{
	uint64_t word = 1;

	if (write(fd, &word, sizeof(word)) != sizeof(word))
		bench_die("write", 0);
}

static void take_word(int fd)
{
	uint64_t word;

	if (read(fd, &word, sizeof(word)) != sizeof(word))
		bench_die("read", 0);
}

static void echo(struct bench *bench, int from, int to)
{
	unsigned int i, rounds = rounds_of(bench);

	send_word(to);
	for (i = 0; i < rounds; i++) {
		take_word(from);
		send_word(to);
	}
}

static double rounds(struct bench *bench, bench_side other, int from, int to)
{
	unsigned int i, count = rounds_of(bench);
	double start;

	bench_ask(bench, 0, other);
	take_word(from);
	start = bench_now();
	for (i = 0; i < count; i++) {
		send_word(to);
		take_word(from);
	}
	start = bench_now() - start;
	bench_answer(bench, 0);
	return start / count;
}

static double echo_events(struct bench *bench)
{
	echo(bench, fds.events[1], fds.events[0]);
	return 0;
}

static double events(struct bench *bench)
{
	return rounds(bench, echo_events, fds.events[0], fds.events[1]);
}

static double echo_pipes(struct bench *bench)
{
	echo(bench, fds.pipes[1][0], fds.pipes[0][1]);
	return 0;
}

static double pipes(struct bench *bench)
{
	return rounds(bench, echo_pipes, fds.pipes[0][0], fds.pipes[1][1]);
}

static void setup(struct bench *bench)
{
	size_t size = bench->param.size;

	fds.events[0] = eventfd(0, EFD_CLOEXEC);
	fds.events[1] = eventfd(0, EFD_CLOEXEC);
	if (pipe2(fds.pipes[0], O_CLOEXEC) || pipe2(fds.pipes[1], O_CLOEXEC))
		bench_die("pipe", 0);
	bench_fork(bench, 1);
	seg = bench_export_memory(bench, bench_memory(size, BENCH_SMALL), size);
}

const struct bench_def signal_benches[] = {
	{
		.name = "signal",
		.what = "a signal to the importer and one back",
		.only = { .size = 4 * KIB },
		.setup = setup,
		.run = signals,
		.peers = {
			{ .name = "eventfd", .run = events, .ratio = 1.05 },
			{ .name = "pipe", .run = pipes },
		},
	},
	{}
};
