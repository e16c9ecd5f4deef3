// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl bench: publishing, connecting and disconnecting, beside what is done
 * with a file on tmpfs instead.
 */
#include <fcntl.h>
#include <unistd.h>

#include "bench.h"

#define MOST_OPS 200

/* A file on tmpfs */
static char path[64];

static void setup(struct bench *bench)
{
	int fd;

	bench_fork_exporter(bench, bench->param.size, BENCH_SMALL);
	snprintf(path, sizeof(path), "/dev/shm/rsmctl-bench.%d", getpid());
	fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		bench_die("a file in /dev/shm", 0);
	close(fd);
	bench_controller();
}

static void teardown(struct bench *bench)
{
	(void)bench;
	unlink(path);
}

static rsm_memseg_export_handle_t seg;

static void setup_publish(struct bench *bench)
{
	size_t size = bench->param.size;

	seg = bench_export_memory(bench, bench_memory(size, BENCH_SMALL), size);
	rsm_memseg_export_unpublish(seg);
	snprintf(path, sizeof(path), "/dev/shm/rsmctl-bench.%d", getpid());
}

static int publish(struct bench *bench)
{
	bench_publish(bench, seg);
	return rsm_memseg_export_unpublish(seg);
}

static int create_file(struct bench *bench)
{
	int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);

	(void)bench;
	return fd < 0 || close(fd) || unlink(path);
}

static double publish_side(struct bench *bench)
{
	return bench_repeat(bench, bench_ops(bench, 1, MOST_OPS), publish);
}

static double create_side(struct bench *bench)
{
	return bench_repeat(bench, bench_ops(bench, 1, MOST_OPS), create_file);
}

static unsigned int ops_of(const struct bench *bench)
{
	return bench_ops(bench, 1, MOST_OPS);
}

static void connect_often(struct bench *bench, unsigned int thread)
{
	rsm_memseg_import_handle_t imp;
	unsigned int i, ops = ops_of(bench);

	(void)thread;
	for (i = 0; i < ops; i++) {
		imp = bench_import(bench, RSM_PERM_RDWR);
		rsm_memseg_import_disconnect(imp);
	}
}

static void open_often(struct bench *bench, unsigned int thread)
{
	unsigned int i, ops = ops_of(bench);
	int fd;

	(void)thread;
	for (i = 0; i < ops; i++) {
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			bench_die("open", 0);
		close(fd);
	}
}

static double connects(struct bench *bench)
{
	return bench_parallel(bench, connect_often) / ops_of(bench);
}

static double opens(struct bench *bench)
{
	return bench_parallel(bench, open_often) / ops_of(bench);
}

static const struct bench_param threads[] = {
	{ .size = 4 * KIB, .threads = 1 }, { .size = 4 * KIB, .threads = 2 },
	{ .size = 4 * KIB, .threads = 4 }, { .size = 4 * KIB, .threads = 8 },
	{}
};

const struct bench_def connect_benches[] = {
	{
		.name = "publish",
		.what = "publish a segment and unpublish it",
		.only = { .size = 4 * KIB },
		.setup = setup_publish,
		.run = publish_side,
		.peers = {
			{ .name = "tmpfs file, unlinked", .run = create_side },
		},
	},
	{
		.name = "connect",
		.what = "connect to a segment and disconnect, in each thread",
		.params = threads,
		.setup = setup,
		.run = connects,
		.teardown = teardown,
		.peers = {
			{ .name = "open, close on tmpfs", .run = opens,
			  .ratio = 3 },
		},
	},
	{}
};
