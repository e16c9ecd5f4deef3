// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl bench: put and get by size, through the mapping and by the kernel,
 * beside memcpy() on a memfd, process_vm_writev() and a pipe.
 */
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/rsmctl.h>

#include "bench.h"

#define MOST_OPS 5000
#define PIPE_SIZE MIB

/* The importer's end. A connection that may only write cannot be mapped. */
static struct {
	rsm_memseg_import_handle_t mapped;
	rsm_memseg_import_handle_t write_only;
	rsmapi_barrier_t barriers[2];
	char *memfd;
	char *local;
	int fd;
	int pipe[2];
} io;

static rsm_memseg_import_handle_t connect_with(struct bench *bench,
					       rsm_permission_t perm,
					       rsmapi_barrier_t *barrier)
{
	rsm_memseg_import_handle_t imp = bench_import(bench, perm);
	int error;

	error = rsm_memseg_import_init_barrier(imp, RSM_BAR_DEFAULT, barrier);
	if (error)
		bench_die("barrier", error);
	return imp;
}

static void setup_copy(struct bench *bench)
{
	size_t size = bench_whole_pages(bench->param.size);
	struct pollfd pollfd;

	bench_fork_exporter(bench, size, BENCH_SMALL);
	io.local = bench_memory(size, BENCH_SMALL);
	io.memfd = bench_map_memfd(bench_memfd(size), size, MAP_POPULATE);
	io.mapped = connect_with(bench, RSM_PERM_RDWR, &io.barriers[0]);
	io.write_only = connect_with(bench, RSM_PERM_WRITE, &io.barriers[1]);
	if (!rsm_memseg_get_pollfd(io.mapped, &pollfd)) {
		io.fd = pollfd.fd;
		rsm_memseg_release_pollfd(io.mapped);
	}
	if (pipe2(io.pipe, O_CLOEXEC))
		bench_die("pipe", 0);
	fcntl(io.pipe[1], F_SETPIPE_SZ, PIPE_SIZE);
}

static int put(struct bench *bench)
{
	return rsm_memseg_import_put(io.mapped, 0, io.local, bench->param.size);
}

static int get(struct bench *bench)
{
	return rsm_memseg_import_get(io.mapped, 0, io.local, bench->param.size);
}

static int put_words(struct bench *bench)
{
	return rsm_memseg_import_put64(io.mapped, 0, (void *)io.local,
				       bench->param.size / 8);
}

static int get_words(struct bench *bench)
{
	return rsm_memseg_import_get64(io.mapped, 0, (void *)io.local,
				       bench->param.size / 8);
}

static int put_kernel(struct bench *bench)
{
	return rsm_memseg_import_put(io.write_only, 0, io.local,
				     bench->param.size);
}

/* The library would map a connection that may read. */
static int get_kernel(struct bench *bench)
{
	struct rsm_copy_vec vec = {
		.vaddr = (uintptr_t)io.local,
		.length = bench->param.size,
	};
	struct rsm_import_copy cmd = {
		.size = sizeof(cmd),
		.vec = (uintptr_t)&vec,
		.vec_count = 1,
	};

	return ioctl(io.fd, RSM_IMPORT_GET, &cmd);
}

/* So that the compiler leaves out no copy. */
static void forget_memory(void)
{
	__asm__ volatile("" : : : "memory");
}

static int copy_to_memfd(struct bench *bench)
{
	memcpy(io.memfd, io.local, bench->param.size);
	forget_memory();
	return 0;
}

static int copy_from_memfd(struct bench *bench)
{
	memcpy(io.local, io.memfd, bench->param.size);
	forget_memory();
	return 0;
}

static int store_word(struct bench *bench)
{
	(void)bench;
	*(volatile uint64_t *)io.memfd = *(volatile uint64_t *)io.local;
	return 0;
}

static int load_word(struct bench *bench)
{
	(void)bench;
	*(volatile uint64_t *)io.local = *(volatile uint64_t *)io.memfd;
	return 0;
}

static int store_words(struct bench *bench)
{
	const volatile uint64_t *from = (void *)io.local;
	volatile uint64_t *to = (void *)io.memfd;
	size_t i;

	for (i = 0; i < bench->param.size / 8; i++)
		to[i] = from[i];
	return 0;
}

static int load_words(struct bench *bench)
{
	const volatile uint64_t *from = (void *)io.memfd;
	volatile uint64_t *to = (void *)io.local;
	size_t i;

	for (i = 0; i < bench->param.size / 8; i++)
		to[i] = from[i];
	return 0;
}

static int vm_write(struct bench *bench)
{
	struct iovec local = { io.local, bench->param.size };
	struct iovec remote = { bench->shared->memory, bench->param.size };

	return process_vm_writev(bench->partners[0].pid, &local, 1, &remote, 1,
				 0) != (ssize_t)bench->param.size;
}

static int vm_read(struct bench *bench)
{
	struct iovec local = { io.local, bench->param.size };
	struct iovec remote = { bench->shared->memory, bench->param.size };

	return process_vm_readv(bench->partners[0].pid, &local, 1, &remote, 1,
				0) != (ssize_t)bench->param.size;
}

/* Both ends of the pipe in one process, without a switch between two */
static int through_pipe(struct bench *bench)
{
	size_t done, size = bench->param.size;
	struct iovec iov;
	ssize_t part;

	for (done = 0; done < size; done += part) {
		iov.iov_base = io.local + done;
		iov.iov_len = size - done < PIPE_SIZE ? size - done : PIPE_SIZE;
		part = vmsplice(io.pipe[1], &iov, 1, 0);
		if (part <= 0 ||
		    read(io.pipe[0], io.memfd + done, part) != part)
			return 1;
	}
	return 0;
}

/* A side that does one of these, as often as is worth while for the size */
#define SIDE(_op)                                                              \
	static double _op##_side(struct bench *bench)                          \
	{                                                                      \
		if (_op(bench))                                                \
			return NAN;                                            \
		return bench_repeat(bench,                                     \
				    bench_ops(bench, bench->param.size,        \
					      MOST_OPS), _op);                 \
	}

SIDE(put)
SIDE(get)
SIDE(put_words)
SIDE(get_words)
SIDE(put_kernel)
SIDE(get_kernel)
SIDE(copy_to_memfd)
SIDE(copy_from_memfd)
SIDE(store_word)
SIDE(load_word)
SIDE(store_words)
SIDE(load_words)
SIDE(vm_write)
SIDE(vm_read)
SIDE(through_pipe)

static const struct bench_param sizes[] = {
	{ .size = 8 },	      { .size = 64 },	    { .size = 512 },
	{ .size = 4 * KIB },  { .size = 64 * KIB }, { .size = MIB },
	{ .size = 8 * MIB },  { .size = 64 * MIB }, {}
};

const struct bench_def copy_benches[] = {
	{
		.name = "put64",
		.what = "put64 of one element",
		.only = { .size = 8 },
		.setup = setup_copy,
		.run = put_words_side,
		.peers = {
			{ .name = "store", .run = store_word_side, .more = 60 },
		},
	},
	{
		.name = "get64",
		.what = "get64 of one element",
		.only = { .size = 8 },
		.setup = setup_copy,
		.run = get_words_side,
		.peers = {
			{ .name = "load", .run = load_word_side, .more = 60 },
		},
	},
	{
		.name = "put64-many",
		.what = "put64 of 1,024 elements",
		.only = { .size = 8 * KIB },
		.setup = setup_copy,
		.run = put_words_side,
		.peers = {
			{ .name = "memcpy", .run = copy_to_memfd_side,
			  .ratio = 1.1 },
			{ .name = "a loop of stores", .run = store_words_side },
		},
	},
	{
		.name = "get64-many",
		.what = "get64 of 1,024 elements",
		.only = { .size = 8 * KIB },
		.setup = setup_copy,
		.run = get_words_side,
		.peers = {
			{ .name = "memcpy", .run = copy_from_memfd_side,
			  .ratio = 1.1 },
			{ .name = "a loop of loads", .run = load_words_side },
		},
	},
	{
		.name = "put",
		.what = "put through the mapping",
		.params = sizes,
		.setup = setup_copy,
		.run = put_side,
		.peers = {
			{ .name = "memcpy", .run = copy_to_memfd_side,
			  .ratio = 1.03, .from = MIB },
			{ .name = "process_vm_writev", .run = vm_write_side },
			{ .name = "pipe, vmsplice", .run = through_pipe_side },
		},
	},
	{
		.name = "get",
		.what = "get through the mapping",
		.params = sizes,
		.setup = setup_copy,
		.run = get_side,
		.peers = {
			{ .name = "memcpy", .run = copy_from_memfd_side,
			  .ratio = 1.03, .from = MIB },
			{ .name = "process_vm_readv", .run = vm_read_side },
		},
	},
	{
		.name = "put-kernel",
		.what = "put by the kernel, as the connection may only write",
		.params = sizes,
		.setup = setup_copy,
		.run = put_kernel_side,
		.peers = {
			{ .name = "process_vm_writev", .run = vm_write_side,
			  .ratio = 0.8,
			  .from = 4 * KIB, .to = 4 * KIB },
		},
	},
	{
		.name = "get-kernel",
		.what = "get by the kernel, with ioctl(RSM_IMPORT_GET)",
		.params = sizes,
		.setup = setup_copy,
		.run = get_kernel_side,
		.peers = {
			{ .name = "process_vm_readv", .run = vm_read_side,
			  .ratio = 0.8,
			  .from = 4 * KIB, .to = 4 * KIB },
		},
	},
	{}
};
