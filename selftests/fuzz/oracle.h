/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Judging what happened. A step has an effect at some time between its start
 * and its end, so there is what is certain and what may be.
 */
#ifndef FUZZ_ORACLE_H
#define FUZZ_ORACLE_H

#include "run.h"

/* After all that happened. */
#define NEVER UINT32_MAX

/* A page of memory: 0 for @obj if it is not known which. */
struct frame {
	uint16_t obj;
	uint16_t index;
};

/* The sets of steps that there are, one bit each. */
typedef uint64_t steps_t;

static inline const struct step *step_of(unsigned int i)
{
	return &sh->prog.steps[i];
}

static inline struct log *log_of(unsigned int i)
{
	return &sh->logs[i];
}

static inline bool has_op(unsigned int i, unsigned int op)
{
	return step_of(i)->op == op;
}

/* oracle.c */
void accuse(unsigned int i, const char *what);
bool succeeded(unsigned int i);
bool may_have_succeeded(unsigned int i);
uint32_t start_of(unsigned int i);
uint32_t end_of(unsigned int i);
uint16_t object_of(unsigned int i);
unsigned int op_of_object(uint16_t obj);
bool is_import(uint16_t obj);
bool is_export(uint16_t obj);
bool by_child(unsigned int i);
bool memory_is_stable(unsigned int i);
bool scan_is_stable(unsigned int proc);

/* oracle_life.c */
steps_t publications_of(uint16_t import);
uint16_t export_of_publication(unsigned int pub);
uint16_t only_export_of(uint16_t handle);
bool ended_by(uint16_t export, uint32_t time);
bool may_have_ended_by(uint16_t export, uint32_t time);
bool aborted_by(uint16_t handle, uint32_t time);
bool may_be_aborted_by(uint16_t handle, uint32_t time);
bool withdrawn_by(unsigned int pub, uint32_t time);
uint32_t death_begins(unsigned int proc);
void judge_life(unsigned int i);

/* oracle_value.c */
void find_taint(void);
void judge_value(unsigned int i);
void judge_scan(unsigned int proc);

/* oracle_right.c */
uint32_t rights_of(uint16_t import);
void judge_right(unsigned int i);

/* oracle_wait.c */
void judge_wait(unsigned int i);
bool waits_in_vain(unsigned int i);

#endif /* FUZZ_ORACLE_H */
