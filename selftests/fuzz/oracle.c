// SPDX-License-Identifier: GPL-2.0-only
/*
 * The oracle: what the log of a program tells that cannot be, whatever the
 * order in which things happened that had none.
 */
#include <errno.h>

#include "oracle.h"

void accuse(unsigned int i, const char *what)
{
	char text[512];

	step_print(step_of(i), text, sizeof(text));
	complain("step %u, '%s': %s\n", i, text, what);
}

bool succeeded(unsigned int i)
{
	return log_of(i)->state == LOG_DONE && log_of(i)->ret >= 0;
}

/*
 * Also where nobody could say so any more: the process was killed, or the
 * answer could not be written.
 */
bool may_have_succeeded(unsigned int i)
{
	const struct log *log = log_of(i);

	if (log->state != LOG_DONE)
		return log->state == LOG_RUNS;
	return log->ret >= 0 ||
	       (log->ret == -EFAULT && (step_of(i)->arg[ROLE_FAIL] ||
					(find_param(step_of(i)->op, ROLE_AT) &&
					 step_of(i)->arg[ROLE_AT] != AUTO)));
}

uint32_t start_of(unsigned int i)
{
	return log_of(i)->state == LOG_NONE ? NEVER : log_of(i)->start;
}

/* What did not end, ended with its process. */
uint32_t end_of(unsigned int i)
{
	const struct log *log = log_of(i);

	if (log->state == LOG_DONE)
		return log->end;
	return sh->procs[step_of(i)->proc].died ?: NEVER;
}

/* What the descriptor was that a step was about. */
uint16_t object_of(unsigned int i)
{
	return log_of(i)->obj;
}

unsigned int op_of_object(uint16_t obj)
{
	return obj ? step_of(obj - 1)->op : NR_OPS;
}

bool is_import(uint16_t obj)
{
	unsigned int op = op_of_object(obj);

	return op == OP_CONNECT || op == OP_REDEEM;
}

bool is_export(uint16_t obj)
{
	return op_of_object(obj) == OP_CREATE;
}

/* By a process that ends with the step. */
bool by_child(unsigned int i)
{
	return log_of(i)->mode == MODE_CHILD || log_of(i)->mode == MODE_VM;
}

static bool changes_memory(unsigned int op)
{
	switch (op) {
	case OP_MEM:
	case OP_MAP:
	case OP_UNMAP:
	case OP_PROTECT:
	case OP_MOVE:
	case OP_ADVISE:
		return true;
	}
	return false;
}

/* True if two threads of a process may have changed its memory at a time. */
static bool overlap(unsigned int i, unsigned int j, unsigned int proc)
{
	return step_of(i)->proc == proc && step_of(j)->proc == proc &&
	       changes_memory(step_of(i)->op) &&
	       changes_memory(step_of(j)->op) && start_of(i) < end_of(j) &&
	       start_of(j) < end_of(i);
}

/* From then on it is not known what is there; a process may have inherited it. */
static bool is_mixed_up(unsigned int proc, uint32_t time)
{
	unsigned int i, j;

	for (i = 0; i < sh->prog.count; i++) {
		if (has_op(i, OP_FORK) && step_of(i)->arg[ROLE_TO] == proc &&
		    succeeded(i) && start_of(i) < time &&
		    is_mixed_up(step_of(i)->proc, end_of(i)))
			return true;
		for (j = 0; j < i; j++)
			if (overlap(i, j, proc) && start_of(i) < time &&
			    start_of(j) < time)
				return true;
	}
	return false;
}

/* True if no other thread changed memory of @proc between the two times. */
static bool is_stable(unsigned int proc, unsigned int self, uint32_t start,
		      uint32_t end)
{
	unsigned int i;

	for (i = 0; i < sh->prog.count; i++)
		if (i != self && step_of(i)->proc == proc &&
		    changes_memory(step_of(i)->op) && start_of(i) < end &&
		    end_of(i) > start)
			return false;
	return !is_mixed_up(proc, end);
}

bool memory_is_stable(unsigned int i)
{
	return is_stable(step_of(i)->proc, i, start_of(i), end_of(i));
}

bool scan_is_stable(unsigned int proc)
{
	const struct log *scan = &sh->scans[proc];

	return is_stable(proc, MAX_STEPS, scan->start, scan->end);
}

static bool all_waits_are_right(void)
{
	unsigned int i;

	for (i = 0; i < sh->prog.count; i++)
		if (waits_in_vain(i))
			return false;
	return true;
}

/*
 * Judge what happened. False if a step may have been about to end: then the
 * program has to be run again, and given more time in the end.
 */
bool oracle_judge(void)
{
	unsigned int i;

	find_taint();
	for (i = 0; i < sh->prog.count; i++) {
		judge_life(i);
		judge_right(i);
		judge_value(i);
		judge_wait(i);
	}
	for (i = 0; i < NR_PROCS; i++)
		judge_scan(i);
	if (all_waits_are_right())
		return true;
	if (sh->grace_ms < 100)
		return false;
	for (i = 0; i < sh->prog.count; i++)
		if (waits_in_vain(i))
			accuse(i, "does not end");
	return true;
}
