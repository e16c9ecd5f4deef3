// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl bench: put and get, beside memcpy() on a memfd and
 * process_vm_writev(). A row tells the time of one operation, as the mean of
 * as many as take a while.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "bench.h"

/* Bytes that are copied for one row, and the most operations. */
#define MIB 1048576
#define ROW_BYTES (16 * MIB)
#define ROW_OPS 20000

/* The importer's end */
static struct {
	rsm_memseg_import_handle_t imp;
	rsm_memseg_import_handle_t write_only;
	rsmapi_barrier_t barriers[2];
	char *memfd;
	char *buffer;
} io;

static void connect_with(struct bench *bench, rsm_permission_t perm,
			 rsm_memseg_import_handle_t *imp,
			 rsmapi_barrier_t *barrier)
{
	int error = rsm_memseg_import_connect(bench->ctl, 0, bench->id, perm,
					      imp);

	if (!error)
		error = rsm_memseg_import_init_barrier(*imp, RSM_BAR_DEFAULT,
						       barrier);
	if (error)
		bench_die("connect", error);
}

static void prepare(struct bench *bench)
{
	if (io.imp)
		return;
	io.buffer = aligned_alloc(4096, MIB);
	if (!io.buffer)
		bench_die("malloc", 0);
	memset(io.buffer, 1, MIB);
	connect_with(bench, RSM_PERM_RDWR, &io.imp, &io.barriers[0]);
	/* Such a connection cannot be mapped: it goes through the kernel. */
	connect_with(bench, RSM_PERM_WRITE, &io.write_only, &io.barriers[1]);
	io.memfd = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED,
			bench->memfd, 0);
	if (io.memfd == MAP_FAILED)
		bench_die("mmap of the memfd", 0);
}

static unsigned int ops_of(const struct bench_row *row)
{
	unsigned int ops = ROW_BYTES / row->size;

	return ops < ROW_OPS ? ops : ROW_OPS;
}

static int element(const struct bench_row *row, uint64_t *word)
{
	return row->write ? rsm_memseg_import_put64(io.imp, 0, word, 1) :
			    rsm_memseg_import_get64(io.imp, 0, word, 1);
}

static double copy_element(struct bench *bench, const struct bench_row *row,
			   int step)
{
	unsigned int i, ops = ops_of(row);
	uint64_t word = 1;
	double start;

	(void)step;
	prepare(bench);
	element(row, &word);
	start = bench_now();
	for (i = 0; i < ops; i++)
		if (element(row, &word))
			bench_die("put64 or get64", 0);
	return (bench_now() - start) / ops;
}

static int segment_copy(struct bench *bench, const struct bench_row *row)
{
	(void)bench;
	return row->write ?
		rsm_memseg_import_put(io.imp, 0, io.buffer, row->size) :
		rsm_memseg_import_get(io.imp, 0, io.buffer, row->size);
}

static int kernel_copy(struct bench *bench, const struct bench_row *row)
{
	(void)bench;
	return rsm_memseg_import_put(io.write_only, 0, io.buffer, row->size);
}

static int memfd_copy(struct bench *bench, const struct bench_row *row)
{
	(void)bench;
	if (row->write)
		memcpy(io.memfd, io.buffer, row->size);
	else
		memcpy(io.buffer, io.memfd, row->size);
	/* so that no copy is left out */
	__asm__ volatile("" : : : "memory");
	return 0;
}

static int vm_copy(struct bench *bench, const struct bench_row *row)
{
	struct iovec local = { io.buffer, row->size };
	struct iovec remote = { bench->memory[0], row->size };
	ssize_t done;

	if (row->write)
		done = process_vm_writev(bench->exporter, &local, 1, &remote, 1,
					 0);
	else
		done = process_vm_readv(bench->exporter, &local, 1, &remote, 1,
					0);
	return done != (ssize_t)row->size;
}

static double repeat(struct bench *bench, const struct bench_row *row,
		     int (*copy)(struct bench *bench,
				 const struct bench_row *row))
{
	unsigned int i, ops = ops_of(row);
	double start;

	prepare(bench);
	copy(bench, row);
	start = bench_now();
	for (i = 0; i < ops; i++)
		if (copy(bench, row))
			bench_die(row->name, 0);
	return (bench_now() - start) / ops;
}

static double copy_segment(struct bench *bench, const struct bench_row *row,
			   int step)
{
	(void)step;
	return repeat(bench, row, segment_copy);
}

static double copy_kernel(struct bench *bench, const struct bench_row *row,
			  int step)
{
	(void)step;
	return repeat(bench, row, kernel_copy);
}

static double copy_memfd(struct bench *bench, const struct bench_row *row,
			 int step)
{
	(void)step;
	return repeat(bench, row, memfd_copy);
}

static double copy_vm(struct bench *bench, const struct bench_row *row,
		      int step)
{
	(void)step;
	return repeat(bench, row, vm_copy);
}

#define WRITE(_text, _key, _bytes, _import)                                    \
	{ .name = _text, .key = _key, .size = _bytes, .write = true,           \
	  .import = _import }
#define READ(_text, _key, _bytes, _import)                                     \
	{ .name = _text, .key = _key, .size = _bytes, .import = _import }

const struct bench_row bench_copy_rows[] = {
	WRITE("put64, one element", "put64", 8, copy_element),
	READ("get64, one element", "get64", 8, copy_element),
	WRITE("memfd: memcpy to, 8 B", "memfd_put_8", 8, copy_memfd),
	WRITE("process_vm_writev, 8 B", "vm_writev_8", 8, copy_vm),
	READ("process_vm_readv, 8 B", "vm_readv_8", 8, copy_vm),
	WRITE("put, 64 B", "put_64", 64, copy_segment),
	WRITE("put by the kernel, 64 B", "kernel_put_64", 64, copy_kernel),
	WRITE("memfd: memcpy to, 64 B", "memfd_put_64", 64, copy_memfd),
	WRITE("process_vm_writev, 64 B", "vm_writev_64", 64, copy_vm),
	READ("get, 64 B", "get_64", 64, copy_segment),
	READ("memfd: memcpy from, 64 B", "memfd_get_64", 64, copy_memfd),
	READ("process_vm_readv, 64 B", "vm_readv_64", 64, copy_vm),
	WRITE("put, 4 KiB", "put_4k", 4096, copy_segment),
	WRITE("put by the kernel, 4 KiB", "kernel_put_4k", 4096, copy_kernel),
	WRITE("memfd: memcpy to, 4 KiB", "memfd_put_4k", 4096, copy_memfd),
	WRITE("process_vm_writev, 4 KiB", "vm_writev_4k", 4096, copy_vm),
	READ("get, 4 KiB", "get_4k", 4096, copy_segment),
	READ("memfd: memcpy from, 4 KiB", "memfd_get_4k", 4096, copy_memfd),
	READ("process_vm_readv, 4 KiB", "vm_readv_4k", 4096, copy_vm),
	WRITE("put, 1 MiB", "put_1m", MIB, copy_segment),
	WRITE("put by the kernel, 1 MiB", "kernel_put_1m", MIB,
	      copy_kernel),
	WRITE("memfd: memcpy to, 1 MiB", "memfd_put_1m", MIB, copy_memfd),
	WRITE("process_vm_writev, 1 MiB", "vm_writev_1m", MIB, copy_vm),
	READ("get, 1 MiB", "get_1m", MIB, copy_segment),
	READ("memfd: memcpy from, 1 MiB", "memfd_get_1m", MIB, copy_memfd),
	READ("process_vm_readv, 1 MiB", "vm_readv_1m", MIB, copy_vm),
	{}
};
