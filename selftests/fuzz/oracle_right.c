// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may do what: access lists, rights of imports and of mappings, and what
 * memory may be exported.
 */
#include <errno.h>
#include <sys/mman.h>

#include <linux/rsmctl.h>

#include "oracle.h"

uint32_t rights_of(uint16_t import)
{
	return step_of(import - 1)->arg[ROLE_RIGHTS];
}

/* Access lists */

/* The list of a publish or republish is not to be seen in the program. */
static bool is_secret(unsigned int i)
{
	const struct step *step = step_of(i);

	return step->arg[ROLE_LIST] != AUTO || step->arg[ROLE_COUNT] != AUTO ||
	       step->arg[ROLE_AT] != AUTO;
}

static bool sets_list(unsigned int i, unsigned int pub)
{
	if (i == pub)
		return true;
	return has_op(i, OP_REPUBLISH) && may_have_succeeded(i) &&
	       object_of(i) == object_of(pub) && end_of(i) > start_of(pub);
}

static bool is_replaced(unsigned int i, unsigned int pub, uint32_t time)
{
	unsigned int j;

	for (j = 0; j < sh->prog.count; j++)
		if (j != i && sets_list(j, pub) && succeeded(j) &&
		    start_of(j) > end_of(i) && end_of(j) < time)
			return true;
	return false;
}

/* The digits that hold for the local node, or -1. */
static int list_mode(unsigned int i)
{
	uint64_t list = step_of(i)->arg[ROLE_ACCESS];
	unsigned int k;

	if (!access_count(list))
		return 0777 & ~log_of(object_of(i) - 1)->mask;
	for (k = 0; k < access_count(list); k++)
		if (!access_node(list, k))
			return access_mode(list, k);
	return -1;
}

/* True if the list of step @i lets step @connect in. */
static bool list_allows(unsigned int i, unsigned int connect)
{
	const struct log *log = log_of(connect);
	const struct log *made = log_of(object_of(i) - 1);
	uint32_t perm = step_of(connect)->arg[ROLE_RIGHTS];
	int mode = list_mode(i), shift = 0;

	if (mode < 0)
		return false;
	if (!log->uid)
		return true;
	if (log->uid == made->uid)
		shift = 6;
	else if (log->gid == made->gid)
		shift = 3;
	return !(perm & ~((mode >> shift & 7) << 6));
}

/* The lists that may hold: does any let in; or, with @all, do all? */
static bool lists_allow(unsigned int connect, bool all)
{
	steps_t set = publications_of(connect + 1);
	unsigned int pub, i;

	for (pub = 0; pub < sh->prog.count; pub++) {
		for (i = 0; set >> pub & 1 && i < sh->prog.count; i++) {
			if (!sets_list(i, pub) ||
			    start_of(i) > end_of(connect) ||
			    is_replaced(i, pub, start_of(connect)))
				continue;
			if ((is_secret(i) || list_allows(i, connect)) != all)
				return !all;
		}
	}
	return all;
}

static void judge_connect(unsigned int i)
{
	const struct log *log = log_of(i);

	if (step_of(i)->arg[ROLE_AT] != AUTO)
		return;
	if (!succeeded(i)) {
		if ((log->error == RSM_ERR_PERM_DENIED ||
		     log->error == RSM_ERR_SEG_NOT_PUBLISHED_TO_NODE) &&
		    publications_of(i + 1) && !by_child(i) &&
		    lists_allow(i, true))
			accuse(i, "refused, but the access list allows it");
		return;
	}
	if (!lists_allow(i, false))
		accuse(i, "let in, but the access list forbids it");
	if (log->out[0] != step_of(i)->arg[ROLE_RIGHTS])
		accuse(i, "has not the rights that it wanted");
}

static void judge_redeem(unsigned int i)
{
	uint16_t ticket = object_of(i);
	uint64_t granted, wanted = step_of(i)->arg[ROLE_RIGHTS];

	if (op_of_object(ticket) != OP_GRANT || !succeeded(i))
		return;
	granted = step_of(ticket - 1)->arg[ROLE_RIGHTS];
	if (wanted & ~granted)
		accuse(i, "has more rights than the ticket");
}

/* Transfers */

static void judge_rights(unsigned int i, uint32_t needed)
{
	if (!is_import(object_of(i)))
		accuse(i, "done on what is no import");
	else if (needed & ~rights_of(object_of(i)))
		accuse(i, "done without the right");
}

static uint64_t length_of(uint16_t obj)
{
	return sh->lengths[obj];
}

static void judge_range(unsigned int i, uint64_t start, uint64_t length)
{
	uint64_t whole = length_of(object_of(i));

	if (length > whole || start > whole - length)
		accuse(i, "done outside of the segment");
}

static bool has_list(unsigned int i)
{
	return step_of(i)->arg[ROLE_LIST] == AUTO &&
	       step_of(i)->arg[ROLE_COUNT] == AUTO;
}

static void judge_transfer(unsigned int i, uint32_t needed)
{
	const struct step *step = step_of(i);

	judge_rights(i, needed);
	if (has_list(i) && step->arg[ROLE_LEN] != AUTO)
		judge_range(i, step->arg[ROLE_OFF], step->arg[ROLE_LEN]);
}

static bool has_locks(uint16_t handle)
{
	uint16_t export = only_export_of(handle);

	return !export ||
	       step_of(export - 1)->arg[ROLE_FLAGS] & RSM_EXPORT_LOCK_OPS;
}

static void judge_atomic(unsigned int i)
{
	judge_rights(i, RSM_RIGHT_READ | RSM_RIGHT_WRITE);
	judge_range(i, step_of(i)->arg[ROLE_OFF], sizeof(uint64_t));
	if (!has_locks(object_of(i)))
		accuse(i, "done without lock operations");
}

static void judge_lock(unsigned int i)
{
	uint16_t handle = object_of(i);

	if (!is_export(handle))
		judge_rights(i, RSM_RIGHT_WRITE);
	judge_range(i, step_of(i)->arg[ROLE_OFF], sizeof(uint64_t));
	if (!has_locks(handle))
		accuse(i, "done without lock operations");
}

/* Mappings */

static void judge_map(unsigned int i)
{
	const struct step *step = step_of(i);
	uint64_t what = step->arg[ROLE_WHAT], prot = step->arg[ROLE_PROT] & 7;
	uint16_t obj = object_of(i);

	if (!obj || !find_param(op_of_object(obj), ROLE_OUT))
		return;
	if (what == MAP_PRIVATELY || prot & PROT_EXEC ||
	    (what == MAP_STATUS && prot & PROT_WRITE))
		accuse(i, "cannot be mapped like this");
	if (what == MAP_STATUS || step->arg[ROLE_OFF] >= RSM_STATUS_OFFSET)
		return;
	if (!is_import(obj)) {
		accuse(i, "cannot be mapped");
		return;
	}
	judge_rights(i, RSM_RIGHT_READ |
		     (prot & PROT_WRITE ? RSM_RIGHT_WRITE : 0));
	if (step->arg[ROLE_PAGES] != AUTO)
		judge_range(i, step->arg[ROLE_OFF],
			    step->arg[ROLE_PAGES] * PAGE);
	if (aborted_by(obj, start_of(i)))
		accuse(i, "mapped when aborted");
}

static bool any_span(unsigned int i,
		     bool (*func)(const struct span *span, uint64_t data),
		     uint64_t data)
{
	const struct log *log = log_of(i);
	const struct span *span = log->spans;

	for (; span < log->spans + log->nr_spans; span++)
		if (func(span, data))
			return true;
	return false;
}

static bool widens(const struct span *span, uint64_t prot)
{
	return is_import(span->obj) &&
	       (prot & PROT_EXEC ||
		(prot & PROT_WRITE && !(rights_of(span->obj) & RSM_RIGHT_WRITE)));
}

static bool forces(const struct span *span, uint64_t prot)
{
	return is_import(span->obj) && !span->vague && !(span->prot & prot);
}

/* Reading through /proc/PID/mem obeys a mapping, and so does writing. */
static void judge_memory(unsigned int i)
{
	if (!memory_is_stable(i))
		return;
	if (has_op(i, OP_PROTECT) &&
	    any_span(i, widens, step_of(i)->arg[ROLE_PROT]))
		accuse(i, "gives a mapping more than the import's rights");
	if (has_op(i, OP_PEEK) && any_span(i, forces, PROT_READ))
		accuse(i, "reads what is mapped without that");
	if (has_op(i, OP_POKE) && any_span(i, forces, PROT_WRITE))
		accuse(i, "writes what is mapped without that");
}

/* Loads and stores of mapped pages do not fail, whatever becomes of them. */

static bool is_missing(const struct span *span, uint64_t prot)
{
	return !is_import(span->obj) || span->vague ||
	       (span->prot & prot) != prot;
}

static void judge_fault(unsigned int i)
{
	uint64_t prot = PROT_READ;

	if (!has_op(i, OP_READ) && !has_op(i, OP_WRITE) && !has_op(i, OP_LOOP))
		return;
	if (log_of(i)->state != LOG_DONE || log_of(i)->ret != -EFAULT ||
	    log_of(i)->more_spans || !memory_is_stable(i))
		return;
	if (has_op(i, OP_WRITE) ||
	    (has_op(i, OP_LOOP) && step_of(i)->arg[ROLE_WHAT] != LOOP_READ))
		prot |= PROT_WRITE;
	if (log_of(i)->nr_spans && !any_span(i, is_missing, prot))
		accuse(i, "faults on what is mapped");
}

/* Exports */

static bool cannot_be_exported(const struct span *span, uint64_t data)
{
	(void)data;
	if (span->vague)
		return false;
	if (!(span->prot & PROT_WRITE) || is_import(span->obj))
		return true;
	return op_of_object(span->obj) == OP_MEM &&
	       step_of(span->obj - 1)->arg[ROLE_WHAT] == MEM_SECRET;
}

static void judge_export(unsigned int i)
{
	if (memory_is_stable(i) && !log_of(i)->more_spans && !by_child(i) &&
	    step_of(i)->arg[ROLE_AT] == AUTO &&
	    any_span(i, cannot_be_exported, 0))
		accuse(i, "exports what it must not");
	if (has_op(i, OP_REBIND) && is_export(object_of(i)) &&
	    !(step_of(object_of(i) - 1)->arg[ROLE_FLAGS] &
	      RSM_EXPORT_ALLOW_REBIND))
		accuse(i, "was not allowed to");
}

/* What a kernel that knows no more must not accept. */
static void judge_form(unsigned int i)
{
	const struct step *step = step_of(i);
	const struct param *flags = find_param(step->op, ROLE_FLAGS);
	const struct word *word;
	uint32_t known = 0;

	if (!flags || !find_param(step->op, ROLE_SIZE) || !succeeded(i) ||
	    step->arg[ROLE_AT] != AUTO)
		return;
	for (word = flags->words; word->name; word++)
		known |= word->value;
	if ((uint32_t)step->arg[ROLE_FLAGS] & ~known)
		accuse(i, "knows flags that there are not");
}

void judge_right(unsigned int i)
{
	judge_fault(i);
	judge_form(i);
	if (has_op(i, OP_CONNECT))
		judge_connect(i);
	if (!succeeded(i))
		return;
	switch (step_of(i)->op) {
	case OP_REDEEM:
		judge_redeem(i);
		break;
	case OP_GET:
		judge_transfer(i, RSM_RIGHT_READ);
		break;
	case OP_PUT:
		judge_transfer(i, RSM_RIGHT_WRITE);
		break;
	case OP_ATOMIC:
		judge_atomic(i);
		break;
	case OP_FENCE:
		judge_rights(i, 0);
		break;
	case OP_LOCK:
		judge_lock(i);
		break;
	case OP_MAP:
		judge_map(i);
		break;
	case OP_CREATE:
	case OP_REBIND:
		judge_export(i);
		break;
	case OP_PROTECT:
	case OP_PEEK:
	case OP_POKE:
		judge_memory(i);
		break;
	}
}
