/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rsmctl bench: a table of rows, each measured once in every repetition. The
 * exporter runs the table; the importer is a process of its own, forked from
 * it, that does what the rows ask of it.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <rsmapi.h>

#define BENCH_MAX_REPS 1000

/**
 * struct bench - a run
 * @size: bytes of the segment
 * @reps: repetitions
 * @ctl: the controller
 * @seg: the exported segment
 * @id: what it is published under
 * @memory: two ranges of @size bytes to export
 * @memfd: populated file of @size bytes
 * @events: two eventfds: for the exporter and for the importer
 * @exporter: process that owns @memory
 * @request: pipe of struct bench_request for the importer
 * @answer: pipe of its results in microseconds
 */
struct bench {
	size_t size;
	unsigned int reps;
	rsmapi_controller_handle_t ctl;
	rsm_memseg_export_handle_t seg;
	rsm_memseg_id_t id;
	char *memory[2];
	int memfd;
	int events[2];
	pid_t exporter;
	int request[2];
	int answer[2];
};

/**
 * struct bench_row - what is measured, in microseconds
 * @name: for people
 * @key: for programs
 * @run: what the exporter does; NULL: just let the importer
 * @import: what the importer does; @step tells apart several calls
 * @size: bytes of one operation, where that matters
 * @write: direction, where that matters
 */
struct bench_row {
	const char *name;
	const char *key;
	double (*run)(struct bench *bench, const struct bench_row *row);
	double (*import)(struct bench *bench, const struct bench_row *row,
			 int step);
	size_t size;
	bool write;
};

extern const struct bench_row bench_map_rows[];
extern const struct bench_row bench_copy_rows[];
extern const struct bench_row bench_signal_rows[];

/* cmd-bench.c */
void bench_die(const char *what, int error);
double bench_now(void);
void bench_ask(struct bench *bench, const struct bench_row *row, int step);
double bench_answer(struct bench *bench);
rsm_memseg_import_handle_t bench_connect(struct bench *bench);

#endif /* BENCH_H */
