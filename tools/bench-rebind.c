// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl bench: rebind and abort, by number of importers, each of which is a
 * process that has touched all of the memory.
 *
 * Of a rebind, the call and the importers' next touch of each page count, less
 * another touch; the time that it takes to ask them does not.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

/* The exporter's */
static rsm_memseg_export_handle_t seg;
static char *memory[2];
static unsigned int turn;
static char *copy_target;

/* An importer's, but for the files, which are there before it */
static rsm_memseg_import_handle_t imp;
static char *imported;
static char *mapped_file;
static int files[2];

static double touch_import(struct bench *bench)
{
	return bench_first_touch(imported, bench->param.size);
}

static double map_import(struct bench *bench)
{
	double start = bench_now(), took;

	imported = bench_import_map(imp, bench->param.size);
	took = bench_now() - start;
	return took + touch_import(bench);
}

static double unmap_import(struct bench *bench)
{
	double start = bench_now();

	(void)bench;
	rsm_memseg_import_unmap(imp);
	return bench_now() - start;
}

static double connect_import(struct bench *bench)
{
	imp = bench_import(bench, RSM_PERM_RDWR);
	return map_import(bench);
}

static double disconnect_import(struct bench *bench)
{
	unmap_import(bench);
	rsm_memseg_import_disconnect(imp);
	return 0;
}

static double map_file(struct bench *bench)
{
	mapped_file = bench_map_memfd(files[0], bench->param.size, 0);
	bench_touch(mapped_file, bench->param.size, 4 * KIB);
	return 0;
}

static double unmap_file(struct bench *bench)
{
	munmap(mapped_file, bench->param.size);
	return 0;
}

/* The file that is mapped makes room for the other one. */
static double exchange_file(struct bench *bench)
{
	size_t size = bench->param.size;
	double start = bench_now(), took;
	static unsigned int file;

	munmap(mapped_file, size);
	mapped_file = bench_map_memfd(files[++file % 2], size, 0);
	took = bench_now() - start;
	return took + bench_first_touch(mapped_file, size);
}

static void setup_importers(struct bench *bench)
{
	size_t size = bench->param.size;

	files[0] = bench_memfd(size);
	files[1] = bench_memfd(size);
	bench_fork(bench, bench->param.importers);
	memory[0] = bench_memory(size, BENCH_SMALL);
	memory[1] = bench_memory(size, BENCH_SMALL);
	copy_target = bench_map_memfd(files[0], size, MAP_POPULATE);
	seg = bench_export_memory(bench, memory[0], size);
	bench_call_all(bench, connect_import);
	bench_call_all(bench, map_file);
}

static double rebind(struct bench *bench)
{
	double start = bench_now();
	int error;

	error = rsm_memseg_export_rebind(seg, memory[++turn % 2], 0,
					 bench->param.size);
	if (error)
		bench_die("rebind", error);
	start = bench_now() - start;
	return start + bench_call_all(bench, touch_import);
}

/* Pin the other memory, unpin it, zap, and map and populate, each alone */
static double parts(struct bench *bench)
{
	rsm_memseg_export_handle_t other;
	double start = bench_now();
	int error;

	error = rsm_memseg_export_create(bench_controller(), &other,
					 memory[(turn + 1) % 2],
					 bench->param.size, 0);
	if (error)
		bench_die("export", error);
	rsm_memseg_export_destroy(other);
	start = bench_now() - start;
	start += bench_call_all(bench, unmap_import);
	return start + bench_call_all(bench, map_import);
}

static double exchange_files(struct bench *bench)
{
	return bench_call_all(bench, exchange_file);
}

static double copy_content(struct bench *bench)
{
	double start = bench_now();

	memcpy(copy_target, memory[(turn + 1) % 2], bench->param.size);
	return bench_now() - start;
}

static double abort_imports(struct bench *bench)
{
	double start = bench_now();
	int error = rsm_memseg_export_unpublish(seg);

	start = bench_now() - start;
	if (error)
		bench_die("unpublish", error);
	bench_call_all(bench, disconnect_import);
	bench_publish(bench, seg);
	bench_call_all(bench, connect_import);
	return start;
}

/* What is punched out has to be there again for the next time. */
static double punch_hole(struct bench *bench)
{
	size_t size = bench->param.size;
	double start = bench_now();

	if (fallocate(files[0], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
		      size))
		bench_die("fallocate", 0);
	start = bench_now() - start;
	memset(copy_target, 1, size);
	bench_call_all(bench, unmap_file);
	bench_call_all(bench, map_file);
	return start;
}

static const struct bench_param sizes[] = {
	{ .size = 4 * KIB, .importers = 1 },
	{ .size = 64 * KIB, .importers = 1 },
	{ .size = 2 * MIB, .importers = 1 },
	{ .size = 64 * MIB, .importers = 1 },
	{}
};

static const struct bench_param importers[] = {
	{ .size = 2 * MIB, .importers = 1 },
	{ .size = 2 * MIB, .importers = 4 },
	{ .size = 2 * MIB, .importers = 16 },
	{ .size = 2 * MIB, .importers = 64 },
	{}
};

#define REBIND_PEERS                                                           \
	{                                                                      \
		{ .name = "its parts alone", .run = parts, .ratio = 1.25 },    \
		{ .name = "another memfd", .run = exchange_files },            \
		{ .name = "memcpy to a memfd", .run = copy_content },          \
	}

const struct bench_def rebind_benches[] = {
	{
		.name = "rebind",
		.what = "rebind and the importer's touch of each page",
		.params = sizes,
		.setup = setup_importers,
		.run = rebind,
		.peers = REBIND_PEERS,
	},
	{
		.name = "rebind-importers",
		.what = "rebind and each importer's touch of each page",
		.params = importers,
		.setup = setup_importers,
		.run = rebind,
		.peers = REBIND_PEERS,
	},
	{
		.name = "abort",
		.what = "unpublish a segment that an importer has mapped",
		.params = sizes,
		.setup = setup_importers,
		.run = abort_imports,
		.peers = {
			{ .name = "hole in a memfd", .run = punch_hole },
		},
	},
	{
		.name = "abort-importers",
		.what = "unpublish a segment that importers have mapped",
		.params = importers,
		.setup = setup_importers,
		.run = abort_imports,
		.peers = {
			{ .name = "hole in a memfd", .run = punch_hole },
		},
	},
	{}
};
