// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl bench: pinning memory, beside what pins it for io_uring.
 */
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/io_uring.h>

#include "bench.h"

static char *memory;
static int ring;

/* Without a library for it: the ring is never used for anything else. */
static void setup_ring(void)
{
	struct io_uring_params params = {};

	ring = syscall(__NR_io_uring_setup, 1, &params);
}

static void setup_small(struct bench *bench)
{
	memory = bench_memory(bench->param.size, BENCH_SMALL);
	bench_controller();
	setup_ring();
}

static void setup_huge(struct bench *bench)
{
	memory = bench_memory(bench->param.size, BENCH_HUGE);
	bench_controller();
	setup_ring();
}

/* What a pin and its undoing take */
struct times {
	double pin;
	double unpin;
};

static struct times time_export(struct bench *bench)
{
	rsm_memseg_export_handle_t seg;
	double start, middle;
	int error;

	start = bench_now();
	error = rsm_memseg_export_create(bench_controller(), &seg, memory,
					 bench->param.size, 0);
	middle = bench_now();
	if (error)
		bench_die("export", error);
	rsm_memseg_export_destroy(seg);
	return (struct times){ middle - start, bench_now() - middle };
}

static struct times time_ring(struct bench *bench)
{
	struct iovec iov = { memory, bench->param.size };
	double start, middle;

	start = bench_now();
	if (syscall(__NR_io_uring_register, ring, IORING_REGISTER_BUFFERS,
		    &iov, 1))
		return (struct times){ NAN, NAN };
	middle = bench_now();
	if (syscall(__NR_io_uring_register, ring, IORING_UNREGISTER_BUFFERS,
		    NULL, 0))
		bench_die("io_uring", 0);
	return (struct times){ middle - start, bench_now() - middle };
}

static double export_pin(struct bench *bench)
{
	return time_export(bench).pin;
}

static double export_unpin(struct bench *bench)
{
	return time_export(bench).unpin;
}

static double ring_pin(struct bench *bench)
{
	return time_ring(bench).pin;
}

static double ring_unpin(struct bench *bench)
{
	return time_ring(bench).unpin;
}

static double lock_memory(struct bench *bench)
{
	double start = bench_now();

	if (mlock(memory, bench->param.size))
		return NAN;
	start = bench_now() - start;
	munlock(memory, bench->param.size);
	return start;
}

const struct bench_def export_benches[] = {
	{
		.name = "export",
		.what = "pin memory of 4 KiB pages as a segment",
		.setup = setup_small,
		.run = export_pin,
		.peers = {
			{ .name = "io_uring buffer", .run = ring_pin,
			  .ratio = 1.15 },
			{ .name = "mlock", .run = lock_memory },
		},
	},
	{
		.name = "export-thp",
		.what = "pin memory of transparent huge pages as a segment",
		.setup = setup_huge,
		.run = export_pin,
		.peers = {
			{ .name = "io_uring buffer", .run = ring_pin,
			  .ratio = 1.15 },
			{ .name = "mlock", .run = lock_memory },
		},
	},
	{
		.name = "destroy",
		.what = "end a segment of 4 KiB pages and release its memory",
		.setup = setup_small,
		.run = export_unpin,
		.peers = {
			{ .name = "io_uring buffer", .run = ring_unpin },
		},
	},
	{}
};
