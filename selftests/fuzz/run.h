/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The side that starts the processes, waits for their end and judges.
 */
#ifndef FUZZ_RUN_H
#define FUZZ_RUN_H

#include <stdarg.h>

#include "shared.h"

/* run.c */
void run_resume(int argc, char **argv);
bool run_init(void);
bool run_prog(const struct prog *prog);
__printf(1, 2) void complain(const char *format, ...);

/* traces.c */
bool traces_init(void);
void traces_check(void);
bool charges_check(void);
void charges_accept(void);

/* oracle.c */
bool oracle_judge(void);

/* kcov.c */
void kcov_init(void);
void kcov_reset(void);
void kcov_collect(void);
void kcov_report(const char *path);

#endif /* FUZZ_RUN_H */
