/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rsmctl bench: tables of benchmarks. Each measures an operation of ours and,
 * by turns with it, what an application would use instead.
 *
 * A benchmark runs in a process of its own, so that all it holds goes with it,
 * and may have partners: processes forked from it that call functions for it.
 * So each keeps its state in static variables; a partner has its own. A new
 * benchmark is an entry in a table, with a function for each of its sides.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>
#include <sys/types.h>

#include <rsmapi.h>

#define KIB 1024UL
#define MIB 1048576UL
#define HUGE_SIZE (2 * MIB)

#define BENCH_MAX_REPS 1000
#define BENCH_MAX_PEERS 4
#define BENCH_MAX_PARTNERS 64
#define BENCH_KERNEL(_major, _minor) ((_major) * 1000 + (_minor))

struct bench;

/* A side returns the nanoseconds of one operation; NAN: not possible here. */
typedef double (*bench_side)(struct bench *bench);

/**
 * struct bench_param - what a benchmark is run with
 * @size: bytes, or 0 for what the user has asked for
 * @importers: how many, where that matters
 * @threads: how many, where that matters
 * @segments: how many others, where that matters
 */
struct bench_param {
	size_t size;
	unsigned int importers;
	unsigned int threads;
	unsigned int segments;
};

/**
 * struct bench_peer - what could be used instead, and how ours is to compare
 * @name: for people and programs
 * @run: does it
 * @ratio: ours takes at most so many times as long; 0: no such goal
 * @more: ours takes at most so many instructions more; 0: no such goal
 * @since: BENCH_KERNEL() from which on the goal is one, or 0
 * @from: bytes from which on the goal is one
 * @to: bytes up to which the goal is one, or 0
 */
struct bench_peer {
	const char *name;
	bench_side run;
	double ratio;
	double more;
	int since;
	size_t from;
	size_t to;
};

/**
 * struct bench_def - a benchmark
 * @name: what the user types
 * @what: what is measured, in a line
 * @params: what it is run with, one after the other, up to one that is all 0
 * @only: is what @params has one entry of, if that is NULL
 * @setup: makes what both sides need
 * @run: our side
 * @teardown: undoes what the end of the process does not, or NULL
 * @peers: other sides
 */
struct bench_def {
	const char *name;
	const char *what;
	const struct bench_param *params;
	struct bench_param only;
	void (*setup)(struct bench *bench);
	bench_side run;
	void (*teardown)(struct bench *bench);
	struct bench_peer peers[BENCH_MAX_PEERS + 1];
};

/**
 * struct bench_shared - what a benchmark and its partners tell each other
 * @id: of the segment
 * @memory: the exporter's memory
 */
struct bench_shared {
	rsm_memseg_id_t id;
	char *memory;
};

/**
 * struct bench_partner - a process that calls functions
 * @pid: its id
 * @request: pipe to it
 * @answer: pipe from it
 */
struct bench_partner {
	pid_t pid;
	int request;
	int answer;
};

/**
 * struct bench - a benchmark that runs
 * @param: what it is run with, @size being that of the segment, too
 * @effort: operations of a sample are divided by this
 * @shared: memory shared with the partners
 * @partners: the processes
 * @nr_partners: how many
 */
struct bench {
	struct bench_param param;
	unsigned int effort;
	struct bench_shared *shared;
	struct bench_partner partners[BENCH_MAX_PARTNERS];
	unsigned int nr_partners;
};

/**
 * struct bench_result - what was measured
 * @def: the benchmark
 * @param: what it was run with
 * @reps: samples of each side
 * @failed: there are none, and not because it makes no sense here
 * @samples: of our side and those of the peers, in nanoseconds
 */
struct bench_result {
	const struct bench_def *def;
	struct bench_param param;
	unsigned int reps;
	bool failed;
	double *samples[1 + BENCH_MAX_PEERS];
};

/**
 * struct bench_options - what the user wants
 * @size: bytes of a segment, and the most of a transfer
 * @reps: samples of each side
 * @quick: see that all works
 * @instructions: the clock counts instructions
 */
struct bench_options {
	size_t size;
	unsigned int reps;
	bool quick;
	bool instructions;
};

/* The tables, each ended by an entry without a name */
extern const struct bench_def export_benches[];
extern const struct bench_def connect_benches[];
extern const struct bench_def map_benches[];
extern const struct bench_def copy_benches[];
extern const struct bench_def threads_benches[];
extern const struct bench_def rebind_benches[];
extern const struct bench_def signal_benches[];
extern const struct bench_def scale_benches[];
/* Of another machine */
extern const struct bench_def remote_benches[];

/* bench-run.c */
bool bench_run(const struct bench_options *options,
	       struct bench_result *result);
unsigned int bench_nr_peers(const struct bench_def *def);
void bench_check_clock(void);
void bench_pin_cpu(unsigned int index);
_Noreturn void bench_die(const char *what, int error);
_Noreturn void bench_skip(const char *why);

/* bench-partner.c */
void bench_die_with(pid_t parent);
void bench_fork(struct bench *bench, unsigned int count);
void bench_ask(struct bench *bench, unsigned int partner, bench_side call);
double bench_answer(struct bench *bench, unsigned int partner);
double bench_call(struct bench *bench, unsigned int partner, bench_side call);
double bench_call_all(struct bench *bench, bench_side call);
void bench_end_partners(struct bench *bench);
double bench_parallel(struct bench *bench,
		      void (*work)(struct bench *bench, unsigned int thread));

/* bench-remote.c */

/**
 * struct bench_target - whose segments are used
 * @controller: name of the controller
 * @is_set: the user has named it
 * @node: node id, or 0: this machine
 */
struct bench_target {
	char *controller;
	bool is_set;
	rsm_node_id_t node;
};

extern struct bench_target bench_target;

int bench_serve(size_t size);

/* bench-memory.c */
enum bench_pages { BENCH_SMALL, BENCH_HUGE };

rsmapi_controller_handle_t bench_controller(void);
char *bench_memory(size_t size, enum bench_pages pages);
int bench_memfd(size_t size);
char *bench_map_memfd(int fd, size_t size, int flags);
int bench_shm(size_t size);
void bench_touch(const char *mem, size_t size, size_t step);
double bench_first_touch(const char *mem, size_t size);
rsm_memseg_export_handle_t bench_export_memory(struct bench *bench, char *mem,
					       size_t size);
void bench_publish(struct bench *bench, rsm_memseg_export_handle_t seg);
rsm_memseg_import_handle_t bench_import(struct bench *bench,
					rsm_permission_t perm);
char *bench_import_map(rsm_memseg_import_handle_t imp, size_t size);
size_t bench_whole_pages(size_t size);
void bench_fork_exporter(struct bench *bench, size_t size,
			 enum bench_pages pages);

/* bench-report.c */

/* The median and the quartiles */
struct bench_stats {
	double low;
	double median;
	double high;
};

enum bench_verdict { BENCH_NO_GOAL, BENCH_NOT_JUDGED, BENCH_MET, BENCH_MISSED };

/**
 * struct bench_row - ours beside a peer
 * @ours: nanoseconds
 * @theirs: nanoseconds
 * @ratio: of the two in each repetition
 * @verdict: whether that is as it is to be
 */
struct bench_row {
	struct bench_stats ours;
	struct bench_stats theirs;
	struct bench_stats ratio;
	enum bench_verdict verdict;
};

double bench_median(const struct bench_result *result, unsigned int side);
bool bench_row(const struct bench_options *options,
	       const struct bench_result *result, unsigned int side,
	       struct bench_row *row);
void bench_report_head(const struct bench_options *options);
void bench_report_part(const struct bench_options *options,
		       const struct bench_result *result, bool first);
void bench_param_text(const struct bench_param *param, char *text, size_t len);

/* bench-json.c */
void bench_json(FILE *to, const struct bench_options *options,
		const struct bench_result *results, unsigned int count);

/* bench-plot.c */
bool bench_plot_possible(const char *path);
bool bench_plot(const struct bench_options *options, const char *path,
		const struct bench_result *results, unsigned int count);

static inline double bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

/* How many operations of @bytes a sample consists of */
static inline unsigned int bench_ops(const struct bench *bench, size_t bytes,
				     unsigned int most)
{
	size_t ops = 16 * MIB / (bytes ? bytes : 1);

	if (ops > most)
		ops = most;
	ops /= bench->effort;
	return ops ? ops : 1;
}

/*
 * The nanoseconds of one @op, which returns 0. Inline, so that the loop is all
 * that comes on top of it.
 */
static __always_inline double
bench_repeat(struct bench *bench, unsigned int ops,
	     int (*op)(struct bench *bench))
{
	double start = bench_now();
	unsigned int i;

	for (i = 0; i < ops; i++)
		if (op(bench))
			bench_die("an operation", 0);
	return (bench_now() - start) / ops;
}

#endif /* BENCH_H */
