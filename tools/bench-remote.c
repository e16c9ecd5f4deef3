// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl bench: segments of another machine, or of this one by its network, that
 * "rsmctl bench --serve" exports there. Beside them what the network takes by
 * itself: writes, reads and messages of the module rdma_loop, if both machines
 * have loaded it.
 */
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "rdma-configfs.h"

/* The segment that is served: "benc" */
#define SEGMENT_ID 0x62656e63

/* The interface of rdma_loop, see selftests/vm/rdma-loop */
#define LOOP "/sys/kernel/debug/rdma_loop"
#define LOOP_MAX MIB

#define MOST_OPS 200
#define ROUNDS 200

struct bench_target bench_target = { .controller = "loopback" };

static rsm_memseg_import_handle_t imp;
static char *local;

/* Serving */

static void publish(rsm_memseg_export_handle_t seg)
{
	rsm_memseg_id_t id = SEGMENT_ID;
	int error = rsm_memseg_export_publish(seg, &id, NULL, 0);

	if (error)
		bench_die("publish", error);
}

/* Export memory, and answer signals, until the process is ended. */
int bench_serve(size_t size)
{
	rsm_memseg_export_handle_t seg;
	int error;

	error = rsm_memseg_export_create(bench_controller(), &seg,
					 bench_memory(size, BENCH_SMALL), size,
					 0);
	if (error)
		bench_die("export", error);
	publish(seg);
	fprintf(stderr, "rsmctl bench: serving %zu MiB on %s; Ctrl-C ends it\n",
		size / MIB, bench_target.controller);
	while (!error) {
		error = rsm_intr_signal_wait(seg, -1);
		if (!error)
			error = rsm_intr_signal_post(seg, 0);
	}
	bench_die("signal", error);
}

/* What the network takes by itself */

/* Have the module do something. Returns the nanoseconds, or NAN. */
static double loop(const char *format, ...)
{
	char text[128];
	double result = NAN;
	unsigned long ns;
	va_list args;
	FILE *file;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	file = fopen(LOOP, "r+");
	if (!file)
		return NAN;
	/* A seek writes out what is there, and says so if that fails. */
	if (fputs(text, file) >= 0 && !fseek(file, 0, SEEK_SET) &&
	    fscanf(file, "%lu", &ns) == 1)
		result = ns;
	fclose(file);
	return result;
}

/* IPv4, without its port; NULL: none that is known */
static const char *read_address(const char *dir, char text[RDMA_TEXT_MAX])
{
	struct rdma_address address;

	if (!rdma_read(dir, "address", text) ||
	    !rdma_parse_address(text, &address) || address.family != AF_INET)
		return NULL;
	*strchrnul(text, ':') = 0;
	return text;
}

static void connect_loop(void)
{
	char source[RDMA_TEXT_MAX], destination[RDMA_TEXT_MAX];
	const char *from, *to;
	char dir[RDMA_DIR_MAX];

	if (access(LOOP, W_OK))
		return;
	from = read_address(bench_target.controller, source);
	to = read_address(rdma_node_dir(dir, bench_target.controller,
					bench_target.node), destination);
	if (!from || !to)
		fputs("rsmctl bench: rdma_loop is for IPv4 addresses\n", stderr);
	else if (isnan(loop("connect %s %s", from, to)))
		fputs("rsmctl bench: the module rdma_loop of that node does not answer\n",
		      stderr);
}

static double loop_copy(struct bench *bench, const char *what)
{
	unsigned int ops = bench_ops(bench, bench->param.size, MOST_OPS);

	if (bench->param.size > LOOP_MAX)
		return NAN;
	return loop("%s %zu %u", what, bench->param.size, ops) / ops;
}

static double loop_write(struct bench *bench)
{
	return loop_copy(bench, "write");
}

static double loop_read(struct bench *bench)
{
	return loop_copy(bench, "read");
}

static double loop_messages(struct bench *bench, const char *what)
{
	unsigned int rounds = bench_ops(bench, 1, ROUNDS);

	return loop("%s %u", what, rounds) / rounds;
}

static double loop_ping(struct bench *bench)
{
	return loop_messages(bench, "ping");
}

static double loop_talk(struct bench *bench)
{
	return loop_messages(bench, "talk");
}

/* Our side */

/*
 * In explicit mode, as the module: what was written has been answered, and may
 * not be in place yet. "put-settled" has what that takes.
 */
static void setup_mode(struct bench *bench, rsm_barrier_mode_t mode)
{
	static rsmapi_barrier_t barrier;
	int error;

	error = rsm_memseg_import_connect(bench_controller(),
					  bench_target.node, SEGMENT_ID,
					  RSM_PERM_RDWR, &imp);
	if (error)
		bench_die("connecting to 'rsmctl bench --serve' of that node",
			  error);
	if (rsm_memseg_import_init_barrier(imp, RSM_BAR_DEFAULT, &barrier) ||
	    rsm_memseg_import_set_mode(imp, mode))
		bench_die("barrier", 0);
	local = bench_memory(bench_whole_pages(bench->param.size), BENCH_SMALL);
	connect_loop();
}

static void setup(struct bench *bench)
{
	setup_mode(bench, RSM_BARRIER_MODE_EXPLICIT);
}

static void setup_settled(struct bench *bench)
{
	setup_mode(bench, RSM_BARRIER_MODE_IMPLICIT);
}

static int put(struct bench *bench)
{
	return rsm_memseg_import_put(imp, 0, local, bench->param.size);
}

static int get(struct bench *bench)
{
	return rsm_memseg_import_get(imp, 0, local, bench->param.size);
}

static double put_side(struct bench *bench)
{
	return bench_repeat(bench, bench_ops(bench, bench->param.size,
					     MOST_OPS), put);
}

static double get_side(struct bench *bench)
{
	return bench_repeat(bench, bench_ops(bench, bench->param.size,
					     MOST_OPS), get);
}

static int round_trip(struct bench *bench)
{
	(void)bench;
	return rsm_intr_signal_post(imp, 0) ?: rsm_intr_signal_wait(imp, -1);
}

static double signal_side(struct bench *bench)
{
	return bench_repeat(bench, bench_ops(bench, 1, ROUNDS), round_trip);
}

static const struct bench_param sizes[] = {
	{ .size = 64 },	      { .size = 512 }, { .size = 4 * KIB },
	{ .size = 64 * KIB }, { .size = MIB }, { .size = 8 * MIB }, {}
};

const struct bench_def remote_benches[] = {
	{
		.name = "remote-put8",
		.what = "put of 8 bytes to another machine",
		.only = { .size = 8 },
		.setup = setup,
		.run = put_side,
		.peers = {
			{ .name = "RDMA write", .run = loop_write,
			  .ratio = 1.1 },
		},
	},
	{
		.name = "remote-put",
		.what = "put to another machine",
		.params = sizes,
		.setup = setup,
		.run = put_side,
		.peers = {
			/* 0.9 of the bandwidth */
			{ .name = "RDMA write", .run = loop_write,
			  .ratio = 1.11, .from = 64 * KIB, .to = 64 * KIB },
		},
	},
	{
		.name = "remote-get",
		.what = "get from another machine",
		.params = sizes,
		.setup = setup,
		.run = get_side,
		.peers = {
			{ .name = "RDMA read", .run = loop_read,
			  .ratio = 1.11, .from = 64 * KIB, .to = 64 * KIB },
		},
	},
	{
		.name = "remote-put-settled",
		.what = "put to another machine, until it is in place there",
		.params = sizes,
		.setup = setup_settled,
		.run = put_side,
		.peers = {
			{ .name = "RDMA write", .run = loop_write },
		},
	},
	{
		.name = "remote-signal",
		.what = "a signal to another machine and one back",
		.only = { .size = 4 * KIB },
		.setup = setup,
		.run = signal_side,
		.peers = {
			/* Of the same shape: it is a thread that answers. */
			{ .name = "send, by threads", .run = loop_talk,
			  .ratio = 1.1 },
			{ .name = "send, by handlers", .run = loop_ping },
		},
	},
	{}
};
