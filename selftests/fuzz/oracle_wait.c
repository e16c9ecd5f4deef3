// SPDX-License-Identifier: GPL-2.0-only
/*
 * Locks and signals: who has what, and who waits although he need not.
 *
 * The owner of a lock is a process together with an object, which is an open
 * file. A child that makes a call and ends is an owner of its own.
 */
#include <errno.h>

#include <linux/rsmctl.h>

#include "oracle.h"

/* Locks */

/* The lock that a step is about: 0 for the export if that is not known. */
struct name {
	uint16_t export;
	uint64_t offset;
};

static struct name name_of(unsigned int i)
{
	return (struct name){ only_export_of(object_of(i)),
			      step_of(i)->arg[ROLE_OFF] };
}

static bool is_same_name(struct name a, struct name b)
{
	return a.export && a.export == b.export && a.offset == b.offset;
}

/* The table of descriptors is a new one after exec. */
static bool is_same_owner(unsigned int i, unsigned int j)
{
	const struct log *a = log_of(i), *b = log_of(j);

	if (by_child(i) || by_child(j))
		return i == j;
	return a->proc == b->proc && a->obj == b->obj && a->epoch == b->epoch;
}

/* A close of the file by the owner, or its end */
static bool closes(unsigned int i, unsigned int lock)
{
	if (log_of(i)->proc != log_of(lock)->proc || start_of(i) == NEVER)
		return false;
	if (has_op(i, OP_CLOSE))
		return object_of(i) == object_of(lock);
	return has_op(i, OP_EXEC) || has_op(i, OP_EXIT);
}

static bool unlocks(unsigned int i, unsigned int lock)
{
	return has_op(i, OP_UNLOCK) && may_have_succeeded(i) &&
	       is_same_owner(i, lock) &&
	       step_of(i)->arg[ROLE_OFF] == step_of(lock)->arg[ROLE_OFF];
}

/* When a lock that was got may have been let go of, but for an abort. */
static uint32_t may_be_free_from(unsigned int lock)
{
	uint32_t time = death_begins(log_of(lock)->proc);
	unsigned int i;

	if (by_child(lock) && end_of(lock) < time)
		time = end_of(lock);
	for (i = 0; i < sh->prog.count; i++)
		if ((closes(i, lock) || unlocks(i, lock)) &&
		    end_of(i) > start_of(lock) && start_of(i) < time)
			time = start_of(i);
	return time;
}

/* True if who got a lock has certainly ended, and has not let go of it. */
static bool owner_died_by(unsigned int lock, uint32_t time)
{
	const struct proc *proc = &sh->procs[log_of(lock)->proc];
	bool died = by_child(lock) ? end_of(lock) < time :
		    proc->died && proc->died < time;
	unsigned int i;

	for (i = 0; i < sh->prog.count; i++) {
		if (unlocks(i, lock))
			return false;
		if (has_op(i, OP_CLOSE) && closes(i, lock) && succeeded(i) &&
		    start_of(i) > end_of(lock) && end_of(i) < time)
			died = true;
	}
	return died;
}

/* True if a lock that was got is certainly free. */
static bool is_free_by(unsigned int lock, uint32_t time)
{
	unsigned int i;

	for (i = 0; i < sh->prog.count; i++)
		if (unlocks(i, lock) && succeeded(i) &&
		    start_of(i) > end_of(lock) && end_of(i) < time)
			return true;
	return owner_died_by(lock, time);
}

static bool may_lock(unsigned int i)
{
	return has_op(i, OP_LOCK) && may_have_succeeded(i);
}

/* Whoever may have got the same lock as step @i: the next one from @from on. */
static unsigned int next_rival(unsigned int i, unsigned int from)
{
	for (; from < sh->prog.count; from++)
		if (from != i && may_lock(from) &&
		    (!name_of(from).export ||
		     is_same_name(name_of(from), name_of(i))))
			break;
	return from;
}

static void judge_exclusion(unsigned int i)
{
	unsigned int j = next_rival(i, 0);

	for (; j < sh->prog.count; j = next_rival(i, j + 1))
		if (succeeded(j) && name_of(j).export &&
		    !is_same_owner(i, j) && end_of(j) < start_of(i) &&
		    !may_be_aborted_by(object_of(j), end_of(i)) &&
		    may_be_free_from(j) > end_of(i))
			accuse(i, "locks what another one has locked");
}

/* The last one that may have got the lock before step @i, if it is known. */
static unsigned int last_rival(unsigned int i)
{
	unsigned int count = sh->prog.count, last = count, j;

	for (j = next_rival(i, 0); j < count; j = next_rival(i, j + 1)) {
		if (start_of(j) > end_of(i))
			continue;
		if (last == count || start_of(j) > end_of(last))
			last = j;
		else if (end_of(j) > start_of(last))
			return count;
	}
	return last;
}

static void judge_told(unsigned int i)
{
	bool told = log_of(i)->out[0] & RSM_LOCK_OWNER_DIED;
	unsigned int rival = last_rival(i);

	if (step_of(i)->arg[ROLE_AT] != AUTO)
		return;
	if (told && next_rival(i, 0) == sh->prog.count)
		accuse(i, "tells of an owner that there was not");
	if (!told && rival < sh->prog.count && succeeded(rival) &&
	    name_of(rival).export && owner_died_by(rival, start_of(i)))
		accuse(i, "does not tell that the last owner died");
}

/* What is asked for lies in memory, and may be something else. */
static bool any_lock_is_vague(void)
{
	unsigned int i;

	for (i = 0; i < sh->prog.count; i++)
		if (has_op(i, OP_LOCK) && step_of(i)->arg[ROLE_AT] != AUTO)
			return true;
	return false;
}

/* True if nobody can have the lock that step @i wants, from @time on. */
static bool lock_is_free(unsigned int i, uint32_t time)
{
	unsigned int j = next_rival(i, 0);

	if (!name_of(i).export || any_lock_is_vague())
		return false;
	for (; j < sh->prog.count; j = next_rival(i, j + 1))
		if (!succeeded(j) || !is_free_by(j, time))
			return false;
	return true;
}

static bool may_own(unsigned int i)
{
	unsigned int j;

	for (j = 0; j < sh->prog.count; j++)
		if (j != i && may_lock(j) && is_same_owner(i, j) &&
		    start_of(j) < end_of(i) &&
		    step_of(i)->arg[ROLE_OFF] == step_of(j)->arg[ROLE_OFF])
			return true;
	return false;
}

/* Signals */

/* True if a post, if it was made, arrives at a handle. */
static bool arrives(unsigned int post, uint16_t handle, bool certainly)
{
	uint16_t from = object_of(post);
	uint16_t export = only_export_of(from);

	if (!has_op(post, OP_POST))
		return false;
	if (!export)
		return !certainly;
	if (is_export(handle))
		return is_import(from) && export == handle;
	if (!is_export(from))
		return false;
	if (certainly)
		return export == only_export_of(handle) &&
		       start_of(post) > end_of(handle - 1);
	return end_of(post) > start_of(handle - 1);
}

static unsigned int posts_by(uint16_t handle, uint32_t time)
{
	unsigned int i, count = 0;

	for (i = 0; i < sh->prog.count; i++)
		count += arrives(i, handle, false) && may_have_succeeded(i) &&
			 start_of(i) < time;
	return count;
}

/* Some are posted only where none is pending. */
static unsigned int certain_posts_by(uint16_t handle, uint32_t time)
{
	unsigned int i, count = 0;

	for (i = 0; i < sh->prog.count; i++)
		count += arrives(i, handle, true) && succeeded(i) &&
			 end_of(i) < time && !step_of(i)->arg[ROLE_FLAGS] &&
			 step_of(i)->arg[ROLE_AT] == AUTO;
	return count;
}

static unsigned int takes_by(uint16_t handle, uint32_t time)
{
	unsigned int i, count = 0;

	for (i = 0; i < sh->prog.count; i++)
		count += has_op(i, OP_WAIT) && object_of(i) == handle &&
			 succeeded(i) && end_of(i) <= time;
	return count;
}

/* Without @self, which has not taken any. */
static unsigned int possible_takes_by(uint16_t handle, uint32_t time,
				      unsigned int self)
{
	unsigned int i, count = 0;

	for (i = 0; i < sh->prog.count; i++)
		count += i != self && has_op(i, OP_WAIT) &&
			 object_of(i) == handle && may_have_succeeded(i) &&
			 start_of(i) < time;
	return count;
}

/* True if there is a signal for certain, from some time before @time on. */
static bool is_pending(uint16_t handle, uint32_t time, uint32_t end,
		       unsigned int self)
{
	if (may_be_aborted_by(handle, time))
		return false;
	return certain_posts_by(handle, time) >
	       possible_takes_by(handle, end, self);
}

static bool is_handle(uint16_t obj)
{
	return is_import(obj) || is_export(obj);
}

static void judge_take(unsigned int i)
{
	uint16_t handle = object_of(i);

	if (!is_handle(handle))
		return;
	if (succeeded(i) &&
	    takes_by(handle, end_of(i)) > posts_by(handle, end_of(i)))
		accuse(i, "takes a signal that nobody has sent");
	if (log_of(i)->ret == -ETIMEDOUT &&
	    is_pending(handle, start_of(i), end_of(i), i))
		accuse(i, "finds no signal, but there is one");
}

void judge_wait(unsigned int i)
{
	if (log_of(i)->state != LOG_DONE)
		return;
	if (has_op(i, OP_WAIT))
		judge_take(i);
	if (has_op(i, OP_LOCK) && succeeded(i) && name_of(i).export) {
		judge_exclusion(i);
		judge_told(i);
	}
	if (has_op(i, OP_LOCK) && log_of(i)->ret == -ETIMEDOUT &&
	    lock_is_free(i, start_of(i)))
		accuse(i, "finds the lock taken, but it is free");
	if ((has_op(i, OP_UNLOCK) && succeeded(i) && !may_own(i)) ||
	    (has_op(i, OP_LOCK) && log_of(i)->error == RSM_ERR_LOCK_HELD &&
	     !may_own(i)))
		accuse(i, "takes the caller for the owner of the lock");
}

/* What did not end */

static bool waits_for_signal(unsigned int i, uint32_t time)
{
	return is_handle(object_of(i)) &&
	       is_pending(object_of(i), time, NEVER - 1, i);
}

static bool may_take_its_time(unsigned int op)
{
	return op == OP_LOOP || op == OP_PAUSE || op == OP_POLL;
}

/*
 * True if a thread has not come back in the end from a call that has nothing
 * to wait for. The end is when its process has seen it: it did not die before.
 */
bool waits_in_vain(unsigned int i)
{
	unsigned int proc = step_of(i)->proc;
	/* Since then it has had all the time. */
	uint32_t time = sh->scans[proc].start;
	uint16_t handle = object_of(i);

	if (!(sh->late[proc] >> i & 1) || sh->scans[proc].state != LOG_DONE ||
	    may_take_its_time(step_of(i)->op))
		return false;
	if (has_op(i, OP_WAIT))
		return aborted_by(handle, time) || waits_for_signal(i, time);
	if (has_op(i, OP_LOCK))
		return aborted_by(handle, time) || lock_is_free(i, time);
	return true;
}
