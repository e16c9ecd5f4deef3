// SPDX-License-Identifier: GPL-2.0-only
/*
 * The suite "race": chance, and what is right and wrong.
 *
 * Each page set that is given to the driver has a number, and all its stamps
 * have that number. A shared clock orders events of different processes. The
 * number is entered before a call and the end of the call after it, so what an
 * importer knows is always that something has happened, or may happen by now.
 */
#include "race.h"

#include <setjmp.h>

/* Chance */

/* The finalizer of splitmix64. */
static uint64_t mix(uint64_t value)
{
	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
	value = (value ^ value >> 27) * 0x94d049bb133111eb;
	return value ^ value >> 31;
}

void race_worker_init(struct race_worker *worker, struct race *race,
		      unsigned int process, unsigned int life,
		      unsigned int thread)
{
	uint64_t name = (uint64_t)process << 48 | (uint64_t)thread << 32 | life;

	*worker = (struct race_worker){
		.race = race,
		.process = process,
		.life = life,
		.thread = thread,
		.stream = mix(race->seed ^ mix(name + 1)),
	};
}

/* What a step does depends on its number, and not on how others went. */
void race_next_step(struct race_worker *worker)
{
	worker->random = mix(worker->stream + ++worker->step);
}

uint64_t race_random(struct race_worker *worker, uint64_t below)
{
	worker->random += 0x9e3779b97f4a7c15;
	return mix(worker->random) % below;
}

bool race_goes_on(struct race *race)
{
	return !race_get32(&race->stop) && !race_get32(&race->reported);
}

/* Reports */

static const char *const op_names[RACE_OPS] = {
	[RACE_CREATE] = "create",
	[RACE_REBIND] = "rebind",
	[RACE_PUBLISH] = "publish",
	[RACE_REPUBLISH] = "republish",
	[RACE_UNPUBLISH] = "unpublish",
	[RACE_DESTROY] = "destroy",
	[RACE_GRANT] = "grant",
	[RACE_POST] = "post",
	[RACE_TAKE] = "take",
	[RACE_LOCK] = "lock",
	[RACE_UNLOCK] = "unlock",
	[RACE_CONNECT] = "connect",
	[RACE_REDEEM] = "redeem",
	[RACE_DISCONNECT] = "disconnect",
	[RACE_MAP] = "map",
	[RACE_UNMAP] = "unmap",
	[RACE_MOVE] = "move",
	[RACE_PROTECT] = "protect",
	[RACE_FORK] = "fork",
	[RACE_LOAD] = "load",
	[RACE_STORE] = "store",
	[RACE_PAGE] = "page",
	[RACE_PUT] = "put",
	[RACE_GET] = "get",
	[RACE_ATOMIC] = "atomic",
	[RACE_ACCESS] = "access",
	[RACE_UNLOAD] = "unload",
	[RACE_KILL] = "kill",
};

static const char *const breach_names[] = {
	[RACE_FINE] = "none",
	[RACE_BROKEN] = "broken test",
	[RACE_ERROR] = "illegal error",
	[RACE_SUCCESS] = "illegal success",
	[RACE_SIGNAL] = "signal",
	[RACE_DIED] = "died",
	[RACE_ZERO] = "zero",
	[RACE_FOREIGN] = "foreign",
	[RACE_STALE] = "stale",
	[RACE_FAILED] = "of a failed rebind",
	[RACE_FUTURE] = "from the future",
	[RACE_LATE] = "late",
	[RACE_TORN] = "torn",
	[RACE_LIVE] = "said to be live",
	[RACE_WRITTEN] = "written late",
	[RACE_CHARGED] = "charged",
};

/* The first one is kept, and ends the race. */
void race_breach(struct race_worker *worker, enum race_breach breach,
		 uint64_t detail0, uint64_t detail1, uint64_t detail2,
		 uint64_t detail3)
{
	struct race *race = worker->race;

	if (__atomic_exchange_n(&race->reported, 1, __ATOMIC_ACQ_REL))
		return;
	race->report = (struct race_report){
		.breach = breach,
		.process = worker->process,
		.life = worker->life,
		.thread = worker->thread,
		.op = worker->op,
		.step = worker->step,
		.detail = { detail0, detail1, detail2, detail3 },
	};
}

void race_print(struct race *race)
{
	const struct race_report *report = &race->report;
	int op;

	printf("# ");
	for (op = 0; op < RACE_OPS; op++)
		printf("%s %lu/%lu%s", op_names[op], race->done[op][0],
		       race->done[op][1],
		       op == RACE_OPS - 1 ? "\n" : op % 8 == 7 ? ",\n# " : ", ");
	printf("# sets %u, segments %u, publications %u\n", race->sets,
	       race->segments, race->publications);
	printf("# loads from aborted imports %lu, not judged %lu\n",
	       race->trashed, race->discarded);
	if (!report->breach)
		return;
	printf("# breach: %s, by process %u life %u thread %u step %lu\n",
	       breach_names[report->breach], report->process, report->life,
	       report->thread, report->step);
	printf("# in %s: %#lx %#lx %#lx %#lx\n", op_names[report->op],
	       report->detail[0], report->detail[1], report->detail[2],
	       report->detail[3]);
}

/* Errors */

static const struct legal {
	enum race_op op;
	int err;
	__u32 error;
} legal[] = {
	{ RACE_REBIND, ENODEV, RSM_ERR_BAD_SEG_HNDL },
	{ RACE_PUBLISH, EBUSY, RSM_ERR_SEG_ALREADY_PUBLISHED },
	{ RACE_PUBLISH, ENODEV, RSM_ERR_BAD_SEG_HNDL },
	{ RACE_REPUBLISH, ENOENT, RSM_ERR_SEG_NOT_PUBLISHED },
	{ RACE_UNPUBLISH, ENOENT, RSM_ERR_SEG_NOT_PUBLISHED },
	{ RACE_GRANT, ENOENT, RSM_ERR_SEG_NOT_PUBLISHED },
	{ RACE_POST, ECONNABORTED, RSM_ERR_CONN_ABORTED },
	{ RACE_TAKE, ECONNABORTED, RSM_ERR_CONN_ABORTED },
	{ RACE_TAKE, ETIMEDOUT, RSM_ERR_TIMEOUT },
	{ RACE_LOCK, ECONNABORTED, RSM_ERR_CONN_ABORTED },
	{ RACE_LOCK, ETIMEDOUT, RSM_ERR_TIMEOUT },
	{ RACE_LOCK, EDEADLK, RSM_ERR_LOCK_HELD },
	{ RACE_LOCK, EPERM, RSM_ERR_LOCKS_NOT_ENABLED },
	{ RACE_UNLOCK, EPERM, RSM_ERR_LOCK_NOT_HELD },
	{ RACE_UNLOCK, EPERM, RSM_ERR_LOCKS_NOT_ENABLED },
	{ RACE_CONNECT, ENOENT, RSM_ERR_SEG_NOT_PUBLISHED },
	{ RACE_REDEEM, ENOENT, RSM_ERR_SEG_NOT_PUBLISHED },
	{ RACE_MAP, ENODEV, RSM_ERR_NONE },
	{ RACE_PUT, ECONNABORTED, RSM_ERR_CONN_ABORTED },
	{ RACE_GET, ECONNABORTED, RSM_ERR_CONN_ABORTED },
	{ RACE_ATOMIC, ECONNABORTED, RSM_ERR_CONN_ABORTED },
	{ RACE_ATOMIC, EPERM, RSM_ERR_LOCKS_NOT_ENABLED },
	{ RACE_UNLOAD, EAGAIN, RSM_ERR_NONE },
	{ RACE_UNLOAD, EBUSY, RSM_ERR_NONE },
	{ RACE_OPS, 0, RSM_ERR_NONE },
};

static bool is_legal(const struct race *race, enum race_op op, int err,
		     __u32 error)
{
	const struct legal *row;

	if (race->pressure && err == ENOMEM &&
	    (!error || error == RSM_ERR_INSUFFICIENT_MEM))
		return true;
	for (row = legal; row->op != RACE_OPS; row++)
		if (row->op == op && row->err == err && row->error == error)
			return true;
	return false;
}

/* Count and judge the result of a call, and return it. */
int race_result(struct race_worker *worker, enum race_op op, int ret,
		__u32 error)
{
	struct race *race = worker->race;

	worker->op = op;
	__atomic_fetch_add(&race->done[op][!!ret], 1, __ATOMIC_RELAXED);
	if (ret && !is_legal(race, op, -ret, error))
		race_breach(worker, RACE_ERROR, -ret, error, 0, 0);
	return ret;
}

/* Views */

bool race_view_same(const struct race_view *view)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return race_get32(view->seq[0]) == view->seen[0] &&
	       race_get32(view->seq[1]) == view->seen[1];
}

void race_before(const struct race_view *view, struct race_before *before)
{
	const struct race *race = view->worker->race;
	const struct race_segment *segment = &race->segment[view->segment];
	const struct race_publication *publication =
		&race->publication[view->publication];

	before->floor = race_get64(&segment->floor);
	before->ended = race_get64(&segment->ended) ?:
			race_get64(&publication->ended);
}

/*
 * Judge a call on an import that must fail once it was aborted. When the
 * import was closed in the middle of it, it may have reached another one.
 */
void race_call(const struct race_view *view, const struct race_before *before,
	       enum race_op op, int ret, __u32 error)
{
	struct race_worker *worker = view->worker;

	if (!race_view_same(view)) {
		__atomic_fetch_add(&worker->race->discarded, 1,
				   __ATOMIC_RELAXED);
		return;
	}
	race_result(worker, op, ret, error);
	if (!ret && before->ended)
		race_breach(worker, RACE_SUCCESS, view->publication,
			    before->ended, 0, 0);
}

/* Loads */

static enum race_breach judge_set(const struct race *race, uint32_t segment,
				  const struct race_before *before,
				  uint64_t number)
{
	const struct race_set *set = &race->set[number];
	uint64_t end;

	if (!number || number >= RACE_SETS_MAX)
		return RACE_FOREIGN;
	if (!race_get64(&set->begin))
		return RACE_FUTURE;
	if (set->segment != segment)
		return RACE_FOREIGN;
	if (race_get32(&set->failed))
		return RACE_FAILED;
	end = race_get64(&set->end);
	if (end && end < before->floor)
		return RACE_STALE;
	return before->ended ? RACE_LATE : RACE_FINE;
}

/* A word that an importer has written, while it may be the exporter's still. */
static enum race_breach judge_written(const struct race_before *before,
				      bool is_mine, bool aborted)
{
	/* The page that an aborted import has instead is its own. */
	if (aborted && is_mine)
		return RACE_FINE;
	return before->ended ? RACE_LATE : RACE_FINE;
}

static enum race_breach judge(const struct race_view *view,
			      const struct race_before *before, uint32_t page,
			      unsigned int word, uint64_t value, bool aborted)
{
	unsigned int me = view->worker->process - RACE_EXPORTERS + 1;
	unsigned int writer = value >> 16 & 0xff;
	uint64_t set = value >> 32;

	if (!value)
		return aborted ? RACE_FINE : RACE_ZERO;
	/* All pages of an aborted import are one and the same. */
	if ((aborted && writer == me) ||
	    (writer && (value & 0xffff) == RACE_ANY_PAGE))
		page = value & 0xffff;
	if (value != race_stamp(set, writer, page))
		return RACE_FOREIGN;
	if (!writer)
		return judge_set(view->worker->race, view->segment, before,
				 set);
	if (word != RACE_WRITER_WORD(writer))
		return RACE_FOREIGN;
	return judge_written(before, writer == me, aborted);
}

/**
 * race_judge() - judge what was loaded, and report it if it is wrong
 * @view: what was looked at
 * @before: what was known before
 * @page: page of the segment
 * @word: word of it
 * @value: what was found
 * @aborted: the import was aborted, when asked after the load
 *
 * Return: true if all is well.
 */
bool race_judge(const struct race_view *view, const struct race_before *before,
		uint32_t page, unsigned int word, uint64_t value, bool aborted)
{
	enum race_breach breach =
		judge(view, before, page, word, value, aborted);

	if (breach == RACE_FINE && before->ended && !aborted)
		breach = RACE_LIVE;
	if (breach == RACE_FINE)
		return true;
	if (race_view_same(view))
		race_breach(view->worker, breach, value,
			    (uint64_t)page << 32 | word, before->floor,
			    before->ended);
	return false;
}

/* Faults */

static __thread sigjmp_buf trap;
static __thread volatile sig_atomic_t trapped;

static void on_fault(int signal)
{
	struct sigaction action = { .sa_handler = SIG_DFL };

	if (trapped)
		siglongjmp(trap, signal);
	/* It happens once more, and ends the process. */
	sigaction(signal, &action, NULL);
}

int race_catch_faults(void)
{
	/* Not blocked meanwhile, which saves restoring the mask. */
	struct sigaction action = {
		.sa_handler = on_fault,
		.sa_flags = SA_NODEFER,
	};

	return sigaction(SIGSEGV, &action, NULL) ||
	       sigaction(SIGBUS, &action, NULL);
}

/* Call @fn, which touches memory: 0 or the signal that this has led to. */
int race_guard(void (*fn)(void *arg), void *arg)
{
	int signal = sigsetjmp(trap, 0);

	if (!signal) {
		trapped = 1;
		fn(arg);
	}
	trapped = 0;
	return signal;
}
