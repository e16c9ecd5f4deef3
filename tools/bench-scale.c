// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl bench: what a crowd of other segments and connections adds to an
 * operation. The peer is the same operation without them.
 */
#include <sys/resource.h>

#include "bench.h"

#define SEGMENTS 10000
#define IMPORTERS 1000
#define MOST_OPS 200

/* The partner with what else there is; partner 0 has the segment. */
#define CROWD 1

/* The crowd is of one kind or the other. */
static rsm_memseg_export_handle_t others[SEGMENTS];
static rsm_memseg_import_handle_t connections[IMPORTERS];
static char *crowd_memory;
static rsm_memseg_import_handle_t imp;

/* Who may not have so many gets an error with the first too many. */
static void allow_descriptors(void)
{
	struct rlimit limit = { SEGMENTS + 100, SEGMENTS + 100 };

	setrlimit(RLIMIT_NOFILE, &limit);
}

static void add_segment(unsigned int i)
{
	rsm_memseg_id_t id = 0;
	int error;

	error = rsm_memseg_export_create(bench_controller(), &others[i],
					 crowd_memory + i * 4 * KIB, 4 * KIB,
					 0);
	if (!error)
		error = rsm_memseg_export_publish(others[i], &id, NULL, 0);
	if (error)
		bench_die("so many segments", error);
}

static double gather(struct bench *bench)
{
	unsigned int i, segments = bench->param.segments / bench->effort;
	unsigned int importers = bench->param.importers / bench->effort;

	allow_descriptors();
	if (segments && !crowd_memory)
		crowd_memory = bench_memory(segments * 4 * KIB, BENCH_SMALL);
	for (i = 0; i < segments; i++)
		add_segment(i);
	for (i = 0; i < importers; i++) {
		connections[i] = bench_import(bench, RSM_PERM_RDWR);
		bench_import_map(connections[i], bench->param.size);
	}
	return 0;
}

static double disperse(struct bench *bench)
{
	unsigned int i, segments = bench->param.segments / bench->effort;
	unsigned int importers = bench->param.importers / bench->effort;

	for (i = 0; i < segments; i++)
		rsm_memseg_export_destroy(others[i]);
	for (i = 0; i < importers; i++) {
		rsm_memseg_import_unmap(connections[i]);
		rsm_memseg_import_disconnect(connections[i]);
	}
	return 0;
}

static double among_others(struct bench *bench, bench_side side)
{
	double result;

	bench_call(bench, CROWD, gather);
	result = side(bench);
	bench_call(bench, CROWD, disperse);
	return result;
}

static void setup(struct bench *bench)
{
	bench_fork_exporter(bench, bench->param.size, BENCH_SMALL);
	bench_fork(bench, 1);
	imp = bench_import(bench, RSM_PERM_RDWR);
}

static int connect_once(struct bench *bench)
{
	return rsm_memseg_import_disconnect(bench_import(bench,
							 RSM_PERM_RDWR));
}

static int post_once(struct bench *bench)
{
	(void)bench;
	return rsm_intr_signal_post(imp, 0);
}

static double connects(struct bench *bench)
{
	return bench_repeat(bench, bench_ops(bench, 1, MOST_OPS), connect_once);
}

static double posts(struct bench *bench)
{
	return bench_repeat(bench, bench_ops(bench, 1, MOST_OPS), post_once);
}

static double touches(struct bench *bench)
{
	char *mem = bench_import_map(imp, bench->param.size);
	double result = bench_first_touch(mem, bench->param.size);

	rsm_memseg_import_unmap(imp);
	return result;
}

static double connects_among(struct bench *bench)
{
	return among_others(bench, connects);
}

static double posts_among(struct bench *bench)
{
	return among_others(bench, posts);
}

static double touches_among(struct bench *bench)
{
	return among_others(bench, touches);
}

static const struct bench_param crowds[] = {
	{ .size = 2 * MIB, .segments = SEGMENTS },
	{ .size = 2 * MIB, .importers = IMPORTERS },
	{}
};

const struct bench_def scale_benches[] = {
	{
		.name = "connect-scale",
		.what = "connect and disconnect, among others",
		.params = crowds,
		.setup = setup,
		.run = connects_among,
		.peers = {
			{ .name = "no others", .run = connects, .ratio = 1.05 },
		},
	},
	{
		.name = "touch-scale",
		.what = "first touch of each page, among others",
		.params = crowds,
		.setup = setup,
		.run = touches_among,
		.peers = {
			{ .name = "no others", .run = touches, .ratio = 1.05 },
		},
	},
	{
		.name = "post-scale",
		.what = "post a signal to the exporter, among others",
		.params = crowds,
		.setup = setup,
		.run = posts_among,
		.peers = {
			{ .name = "no others", .run = posts, .ratio = 1.05 },
		},
	},
	{}
};
