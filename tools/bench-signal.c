// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl bench: a signal there and one back, beside eventfds.
 */
#include <stdint.h>
#include <unistd.h>

#include "bench.h"

#define ROUNDS 500

/* Both ends wait for what the other one has sent, and send. */
static void echo_signal(void *memseg)
{
	int error = rsm_intr_signal_wait(memseg, -1);

	if (!error)
		error = rsm_intr_signal_post(memseg, 0);
	if (error)
		bench_die("signal", error);
}

static void echo_event(int from, int to)
{
	uint64_t count = 1;

	if (read(from, &count, sizeof(count)) != sizeof(count) ||
	    write(to, &count, sizeof(count)) != sizeof(count))
		bench_die("eventfd", 0);
}

static double signals(struct bench *bench, const struct bench_row *row)
{
	int i;

	bench_ask(bench, row, 0);
	for (i = 0; i < ROUNDS; i++)
		echo_signal(bench->seg);
	return bench_answer(bench);
}

static double signals_import(struct bench *bench, const struct bench_row *row,
			     int step)
{
	static rsm_memseg_import_handle_t imp;
	double start;
	int i;

	(void)row;
	(void)step;
	if (!imp)
		imp = bench_connect(bench);
	start = bench_now();
	rsm_intr_signal_post(imp, 0);
	for (i = 1; i < ROUNDS; i++)
		echo_signal(imp);
	if (rsm_intr_signal_wait(imp, -1))
		bench_die("signal", 0);
	return (bench_now() - start) / ROUNDS;
}

static double events(struct bench *bench, const struct bench_row *row)
{
	int i;

	bench_ask(bench, row, 0);
	for (i = 0; i < ROUNDS; i++)
		echo_event(bench->events[0], bench->events[1]);
	return bench_answer(bench);
}

static double events_import(struct bench *bench, const struct bench_row *row,
			    int step)
{
	double start = bench_now();
	uint64_t count = 1;
	int i;

	(void)row;
	(void)step;
	if (write(bench->events[0], &count, sizeof(count)) != sizeof(count))
		bench_die("eventfd", 0);
	for (i = 1; i < ROUNDS; i++)
		echo_event(bench->events[1], bench->events[0]);
	if (read(bench->events[1], &count, sizeof(count)) != sizeof(count))
		bench_die("eventfd", 0);
	return (bench_now() - start) / ROUNDS;
}

const struct bench_row bench_signal_rows[] = {
	{ "signal there and back", "signal", .run = signals,
	  .import = signals_import },
	{ "eventfd there and back", "eventfd", .run = events,
	  .import = events_import },
	{}
};
