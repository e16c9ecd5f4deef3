// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is connected to what, until when, and who may change it.
 *
 * The publications that an import may belong to are those that may have been
 * there when it was made. It is certainly aborted when all of them are
 * certainly gone, and may be so when something has begun that ends one.
 */
#include <errno.h>

#include <linux/rsmctl.h>

#include "oracle.h"

uint16_t export_of_publication(unsigned int pub)
{
	return object_of(pub);
}

static uint32_t earlier(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* When a process may have begun to end. */
uint32_t death_begins(unsigned int proc)
{
	const struct log *scan = &sh->scans[proc];
	uint32_t time = NEVER;
	unsigned int i;

	for (i = 0; i < sh->prog.count; i++) {
		if (has_op(i, OP_EXIT) && step_of(i)->proc == proc)
			time = earlier(time, start_of(i));
		if (has_op(i, OP_KILL) && step_of(i)->arg[ROLE_TO] == proc &&
		    step_of(i)->arg[ROLE_WHAT] == KILL_KILL)
			time = earlier(time, start_of(i));
	}
	if (scan->state == LOG_DONE)
		time = earlier(time, scan->end);
	/* Nobody knows why. */
	return time == NEVER ? 0 : time;
}

/* True if the address space that made an export is gone at a time. */
static bool creator_died_by(uint16_t export, uint32_t time)
{
	const struct log *log = log_of(export - 1);
	unsigned int i;

	if (sh->procs[log->proc].died && sh->procs[log->proc].died < time)
		return true;
	if (by_child(export - 1) && end_of(export - 1) < time)
		return true;
	for (i = 0; i < sh->prog.count; i++)
		if (has_op(i, OP_EXEC) && step_of(i)->proc == log->proc &&
		    succeeded(i) && start_of(i) > end_of(export - 1) &&
		    end_of(i) < time)
			return true;
	return false;
}

static bool creator_may_die_by(uint16_t export, uint32_t time)
{
	const struct log *log = log_of(export - 1);
	unsigned int i;

	if (by_child(export - 1) || death_begins(log->proc) < time)
		return true;
	for (i = 0; i < sh->prog.count; i++)
		if (has_op(i, OP_EXEC) && step_of(i)->proc == log->proc &&
		    start_of(i) < time)
			return true;
	return false;
}

bool ended_by(uint16_t export, uint32_t time)
{
	unsigned int i;

	for (i = 0; i < sh->prog.count; i++)
		if (has_op(i, OP_DESTROY) && object_of(i) == export &&
		    succeeded(i) && end_of(i) < time)
			return true;
	return creator_died_by(export, time);
}

bool may_have_ended_by(uint16_t export, uint32_t time)
{
	unsigned int i;

	for (i = 0; i < sh->prog.count; i++) {
		if (object_of(i) != export || start_of(i) >= time)
			continue;
		/* The last descriptor, for all we know */
		if (has_op(i, OP_CLOSE) ||
		    (has_op(i, OP_DESTROY) && may_have_succeeded(i)))
			return true;
	}
	return creator_may_die_by(export, time);
}

/* True if a publication is certainly gone at a time. */
bool withdrawn_by(unsigned int pub, uint32_t time)
{
	uint16_t export = export_of_publication(pub);
	unsigned int i;

	for (i = 0; i < sh->prog.count; i++)
		if (has_op(i, OP_UNPUBLISH) && object_of(i) == export &&
		    succeeded(i) && start_of(i) > end_of(pub) &&
		    end_of(i) < time)
			return true;
	return ended_by(export, time);
}

static bool may_be_withdrawn_by(unsigned int pub, uint32_t time)
{
	uint16_t export = export_of_publication(pub);
	unsigned int i;

	for (i = 0; i < sh->prog.count; i++)
		if (has_op(i, OP_UNPUBLISH) && object_of(i) == export &&
		    may_have_succeeded(i) && start_of(i) < time)
			return true;
	return may_have_ended_by(export, time);
}

/* True if a publication may have been there during a step. */
static bool may_be_there(unsigned int pub, unsigned int i)
{
	return has_op(pub, OP_PUBLISH) && is_export(object_of(pub)) &&
	       may_have_succeeded(pub) && start_of(pub) < end_of(i) &&
	       !withdrawn_by(pub, start_of(i));
}

static bool has_id(unsigned int pub, uint32_t id, uint16_t ns)
{
	/* Nobody knows what it was called. */
	if (!succeeded(pub))
		return true;
	return log_of(pub)->ns == ns && log_of(pub)->out[0] == id;
}

static steps_t named_publications(unsigned int i, uint32_t id)
{
	steps_t set = 0;
	unsigned int pub;

	for (pub = 0; pub < sh->prog.count; pub++)
		if (pub != i && may_be_there(pub, i) &&
		    has_id(pub, id, log_of(i)->ns))
			set |= 1ULL << pub;
	return set;
}

static steps_t granted_publications(uint16_t ticket)
{
	unsigned int grant = ticket - 1, pub;
	steps_t set = 0;

	if (op_of_object(ticket) != OP_GRANT)
		return 0;
	for (pub = 0; pub < sh->prog.count; pub++)
		if (object_of(pub) == object_of(grant) &&
		    may_be_there(pub, grant))
			set |= 1ULL << pub;
	return set;
}

/* Publications that an import may belong to, as step that published. */
steps_t publications_of(uint16_t import)
{
	unsigned int i = import - 1;

	if (has_op(i, OP_REDEEM))
		return granted_publications(object_of(i));
	return named_publications(i, log_of(i)->out[3]);
}

bool aborted_by(uint16_t handle, uint32_t time)
{
	steps_t set;
	unsigned int pub;

	if (is_export(handle))
		return ended_by(handle, time);
	if (!is_import(handle))
		return false;
	set = publications_of(handle);
	for (pub = 0; pub < sh->prog.count; pub++)
		if (set >> pub & 1 && !withdrawn_by(pub, time))
			return false;
	return set;
}

bool may_be_aborted_by(uint16_t handle, uint32_t time)
{
	steps_t set;
	unsigned int pub;

	if (is_export(handle))
		return may_have_ended_by(handle, time);
	if (!is_import(handle))
		return true;
	set = publications_of(handle);
	for (pub = 0; pub < sh->prog.count; pub++)
		if (set >> pub & 1 && may_be_withdrawn_by(pub, time))
			return true;
	return !set;
}

/* The export of an import, or an export itself; 0 if it may be several. */
uint16_t only_export_of(uint16_t handle)
{
	uint16_t export = 0;
	unsigned int pub;
	steps_t set;

	if (!is_import(handle))
		return is_export(handle) ? handle : 0;
	set = publications_of(handle);
	for (pub = 0; pub < sh->prog.count; pub++) {
		if (!(set >> pub & 1))
			continue;
		if (export && export != export_of_publication(pub))
			return 0;
		export = export_of_publication(pub);
	}
	return export;
}

/* Judgements */

static bool is_creators(unsigned int op)
{
	return op == OP_REBIND || op == OP_PUBLISH || op == OP_REPUBLISH ||
	       op == OP_UNPUBLISH || op == OP_DESTROY || op == OP_GRANT;
}

static void judge_creator(unsigned int i)
{
	const struct log *log = log_of(i), *created;

	if (!is_creators(step_of(i)->op) || !succeeded(i) ||
	    !is_export(log->obj))
		return;
	created = log_of(log->obj - 1);
	if (log->proc != created->proc || log->epoch != created->epoch ||
	    by_child(i) != by_child(log->obj - 1))
		accuse(i, "done by a process that is not the creator");
}

static void judge_connection(unsigned int i)
{
	steps_t set = publications_of(i + 1);
	unsigned int pub;

	for (pub = 0; pub < sh->prog.count; pub++)
		if (set >> pub & 1 && !withdrawn_by(pub, start_of(i)))
			return;
	accuse(i, "connected to what is not published");
}

static void judge_id(unsigned int i)
{
	if (log_of(i)->error == RSM_ERR_SEGID_IN_USE &&
	    !named_publications(i, step_of(i)->arg[ROLE_ID]))
		accuse(i, "the segment id is not in use");
}

static bool needs_life(unsigned int op)
{
	return op == OP_GET || op == OP_PUT || op == OP_ATOMIC ||
	       op == OP_FENCE || op == OP_LOCK || op == OP_POST ||
	       op == OP_REBIND || op == OP_GRANT || op == OP_PUBLISH;
}

static void judge_status(unsigned int i)
{
	uint64_t state = log_of(i)->out[0];
	uint16_t handle = object_of(i);

	if (!is_export(handle) && !is_import(handle))
		accuse(i, "has no status page");
	else if (state == RSM_STATE_LIVE && aborted_by(handle, start_of(i)))
		accuse(i, "tells that it is live");
	else if (state == RSM_STATE_ABORTED &&
		 !may_be_aborted_by(handle, end_of(i)))
		accuse(i, "tells that it is aborted");
	else if (state != RSM_STATE_LIVE && state != RSM_STATE_ABORTED)
		accuse(i, "tells no state");
}

/* A rebind that is under way or whose end is not known: nothing is certain. */
static bool rebinds_are_known(uint16_t export, unsigned int i, uint64_t *count)
{
	unsigned int j;

	*count = 0;
	for (j = 0; j < sh->prog.count; j++) {
		if (!has_op(j, OP_REBIND) || object_of(j) != export ||
		    !may_have_succeeded(j) || start_of(j) > end_of(i))
			continue;
		if (!succeeded(j) || end_of(j) > start_of(i))
			return false;
		++*count;
	}
	return true;
}

/* An import that has been aborted is not told any more. */
static void judge_generation(unsigned int i)
{
	uint16_t export = only_export_of(object_of(i));
	uint64_t count;

	if (export && !may_be_aborted_by(object_of(i), end_of(i)) &&
	    rebinds_are_known(export, i, &count) &&
	    log_of(i)->out[1] != 2 * count)
		accuse(i, "tells a wrong number of rebinds");
}

void judge_life(unsigned int i)
{
	judge_creator(i);
	if (has_op(i, OP_PUBLISH))
		judge_id(i);
	if (!succeeded(i))
		return;
	if (has_op(i, OP_CONNECT) || has_op(i, OP_REDEEM))
		judge_connection(i);
	if (needs_life(step_of(i)->op) &&
	    aborted_by(object_of(i), start_of(i)))
		accuse(i, "done on what has been aborted");
	if (has_op(i, OP_STATUS)) {
		judge_status(i);
		judge_generation(i);
	}
}
