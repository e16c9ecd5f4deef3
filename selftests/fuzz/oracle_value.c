// SPDX-License-Identifier: GPL-2.0-only
/*
 * What was read, and where what was written has got to.
 *
 * Through an import a process reads the page of memory that was bound there
 * last, one that is being bound, or zeros once it may be aborted; and nothing
 * but zeros when it is aborted for certain. What a step has written is found
 * in the pages that it could write to, and nowhere else.
 *
 * Some calls write over stamps. Then nothing is said of the pages that they
 * may have reached: these are "tainted".
 */
#include <errno.h>
#include <string.h>

#include <linux/rsmctl.h>

#include "oracle.h"

/* Tainted pages, by object and index; or all of them. */
#define TAINT_PAGES 64
static uint64_t taint[MAX_STEPS + 1][TAINT_PAGES / 64];
static bool all_tainted;

static void taint_frame(struct frame frame)
{
	if (frame.index < TAINT_PAGES)
		taint[frame.obj][frame.index / 64] |= 1ULL << frame.index % 64;
	else
		all_tainted = true;
}

static bool is_tainted(struct frame frame)
{
	return all_tainted || frame.index >= TAINT_PAGES ||
	       taint[frame.obj][frame.index / 64] >> frame.index % 64 & 1;
}

/* Memory that is bound */

/* The page of memory that a create or rebind has bound at a page. */
static struct frame bound_frame(unsigned int i, unsigned int page)
{
	const struct log *log = log_of(i);
	const struct span *span = log->spans;
	unsigned int first = page;

	for (; span < log->spans + log->nr_bound; span++) {
		if (page < span->count)
			return (struct frame){
				.obj = span->obj,
				.index = span->obj ? span->index + page : 0,
			};
		page -= span->count;
	}
	return (struct frame){ .obj = 0, .index = first };
}

static bool binds(unsigned int i, uint16_t export)
{
	if (i + 1 == export)
		return true;
	return has_op(i, OP_REBIND) && object_of(i) == export &&
	       may_have_succeeded(i);
}

/* True if what step @i has bound was replaced for certain before @time. */
static bool is_replaced(unsigned int i, uint16_t export, uint32_t time)
{
	unsigned int j;

	for (j = 0; j < sh->prog.count; j++)
		if (has_op(j, OP_REBIND) && object_of(j) == export &&
		    succeeded(j) && start_of(j) > end_of(i) &&
		    end_of(j) < time)
			return true;
	return false;
}

/* True if what step @i binds may be what @export has in a time. */
static bool may_be_bound(unsigned int i, uint16_t export, uint32_t start,
			 uint32_t end)
{
	return binds(i, export) && start_of(i) < end &&
	       !is_replaced(i, export, start);
}

/*
 * Call @func for each page of memory that may be found at a page of an import
 * in a time, until it returns true.
 */
static bool any_frame(uint16_t import, unsigned int page, uint32_t start,
		      uint32_t end,
		      bool (*func)(struct frame frame, const void *data),
		      const void *data)
{
	steps_t set = publications_of(import);
	unsigned int pub, i;

	for (pub = 0; pub < sh->prog.count; pub++) {
		uint16_t export = export_of_publication(pub);

		if (!(set >> pub & 1))
			continue;
		for (i = 0; i < sh->prog.count; i++)
			if (may_be_bound(i, export, start, end) &&
			    (!memory_is_stable(i) ||
			     func(bound_frame(i, page), data)))
				return true;
	}
	return false;
}

/* Taint */

static bool taint_any(struct frame frame, const void *data)
{
	(void)data;
	if (frame.obj)
		taint_frame(frame);
	return false;
}

/* All pages of an aborted import are one. */
static struct frame trash_of(uint16_t import)
{
	return (struct frame){ .obj = import };
}

static void taint_import_page(uint16_t import, unsigned int page)
{
	taint_frame(trash_of(import));
	if (any_frame(import, page, 0, NEVER, taint_any, NULL))
		all_tainted = true;
}

static void taint_page(uint16_t obj, unsigned int page)
{
	if (is_import(obj))
		taint_import_page(obj, page);
	else if (obj)
		taint_frame((struct frame){ obj, page });
}

/* It may be anybody's memory. */
static bool is_lost(const struct span *span)
{
	return !span->obj && span->index == LOST;
}

static void taint_spans(unsigned int i)
{
	const struct log *log = log_of(i);
	const struct span *span = log->spans + log->nr_bound;
	unsigned int page;

	if (log->more_spans)
		all_tainted = true;
	for (; span < log->spans + log->nr_spans; span++) {
		all_tainted |= is_lost(span);
		for (page = 0; page < span->count; page++)
			taint_page(span->obj, span->index + page);
	}
}

/* What an ioctl puts into a segment. */
struct range {
	uint64_t start;
	uint64_t end;
	bool known;	/* it is what the step writes */
};

static struct range range_of(unsigned int i, const enum role *roles)
{
	const struct step *step = step_of(i);
	uint64_t addr = step->arg[roles[0]], length = step->arg[roles[2]];
	struct range range = { .start = step->arg[roles[1]] };

	if (length == AUTO || range.start + length < length)
		length = 0;
	range.end = range.start + length;
	range.known = addr_base(addr) == BASE_BUF && addr_offset(addr) >= 0 &&
		      addr_offset(addr) < 0x8000 && length <= 0x4000;
	return range;
}

#define MAX_RANGES 3

static unsigned int ranges_of(unsigned int i, struct range *ranges)
{
	static const enum role roles[MAX_RANGES][3] = {
		{ ROLE_ADDR, ROLE_OFF, ROLE_LEN },
		{ ROLE_ADDR1, ROLE_OFF1, ROLE_LEN1 },
		{ ROLE_ADDR2, ROLE_OFF2, ROLE_LEN2 },
	};
	unsigned int count;

	if (has_op(i, OP_ATOMIC)) {
		ranges[0].start = step_of(i)->arg[ROLE_OFF];
		ranges[0].end = ranges[0].start + sizeof(uint64_t);
		ranges[0].known = true;
		return 1;
	}
	for (count = 0; count < MAX_RANGES; count++) {
		if (step_of(i)->arg[roles[count][2]] == AUTO)
			break;
		ranges[count] = range_of(i, roles[count]);
	}
	return count;
}

/* A page is tainted by what is not known, or where it has its identity. */
static void taint_range(uint16_t import, const struct range *range)
{
	uint64_t page = range->start / PAGE, start, end;

	if (range->end > REGION_PAGES * PAGE)
		return;
	for (; page * PAGE < range->end; page++) {
		start = page * PAGE;
		end = start + PAGE;
		if (!range->known ||
		    range->start < start + sizeof(uint64_t) ||
		    range->end > end - sizeof(uint64_t))
			taint_import_page(import, page);
	}
}

static bool has_own_list(unsigned int i)
{
	const struct step *step = step_of(i);

	return step->arg[ROLE_LIST] != AUTO || step->arg[ROLE_COUNT] != AUTO ||
	       step->arg[ROLE_AT] != AUTO;
}

static void taint_transfer(unsigned int i)
{
	struct range ranges[MAX_RANGES];
	unsigned int count;

	if (!has_op(i, OP_ATOMIC) && has_own_list(i)) {
		all_tainted = true;
		return;
	}
	count = ranges_of(i, ranges);
	while (!has_op(i, OP_GET) && is_import(object_of(i)) && count--)
		taint_range(object_of(i), &ranges[count]);
	if (has_op(i, OP_GET))
		taint_spans(i);
}

/* A structure that lies in memory is written to by us and by the driver. */
static void taint_structure(unsigned int i)
{
	if (find_param(step_of(i)->op, ROLE_AT) &&
	    step_of(i)->arg[ROLE_AT] != AUTO && !has_op(i, OP_IOCTL))
		taint_spans(i);
}

/* Of a structure in memory it is not known where it leads to. */
static void taint_nodes(unsigned int i)
{
	if (step_of(i)->arg[ROLE_AT] != AUTO)
		all_tainted = true;
	else if (step_of(i)->arg[ROLE_LIST] != AUTO)
		taint_spans(i);
}

static void taint_step(unsigned int i)
{
	switch (step_of(i)->op) {
	case OP_NODES:
		taint_nodes(i);
		break;
	case OP_PUT:
	case OP_GET:
	case OP_ATOMIC:
		taint_transfer(i);
	}
	taint_structure(i);
}

void find_taint(void)
{
	unsigned int i;

	memset(taint, 0, sizeof(taint));
	all_tainted = false;
	for (i = 0; i < sh->prog.count; i++)
		if (start_of(i) != NEVER)
			taint_step(i);
}

/* Who has written */

static bool is_same(struct frame frame, const void *data)
{
	const struct frame *other = data;

	return !frame.obj || (frame.obj == other->obj &&
			      frame.index == other->index);
}

static bool stores(unsigned int i)
{
	return has_op(i, OP_WRITE) || has_op(i, OP_POKE) ||
	       (has_op(i, OP_LOOP) && step_of(i)->arg[ROLE_WHAT] != LOOP_READ);
}

/* True if a step may store to a page through an import. */
static bool reaches(unsigned int i, uint16_t import, unsigned int page,
		    const struct frame *frame)
{
	if (is_import(frame->obj))
		return import == frame->obj &&
		       may_be_aborted_by(import, end_of(i));
	return rights_of(import) & RSM_RIGHT_WRITE &&
	       !aborted_by(import, start_of(i)) &&
	       any_frame(import, page, start_of(i), end_of(i), is_same, frame);
}

static bool span_reaches(unsigned int i, const struct span *span,
			 const struct frame *frame)
{
	unsigned int page;

	if (!is_import(span->obj))
		return span->obj == frame->obj &&
		       frame->index - span->index < span->count;
	for (page = 0; page < span->count; page++)
		if (reaches(i, span->obj, span->index + page, frame))
			return true;
	return false;
}

static bool stores_to(unsigned int i, const struct frame *frame)
{
	const struct log *log = log_of(i);
	const struct span *span = log->spans;

	if (log->more_spans || !memory_is_stable(i))
		return true;
	for (; span < log->spans + log->nr_spans; span++)
		if (is_lost(span) || span_reaches(i, span, frame))
			return true;
	return false;
}

static bool transfers_to(unsigned int i, const struct frame *frame)
{
	struct range ranges[MAX_RANGES];
	unsigned int count = ranges_of(i, ranges);
	uint64_t page;

	if (!is_import(object_of(i)) || is_import(frame->obj))
		return false;
	while (count--)
		for (page = ranges[count].start / PAGE;
		     page * PAGE < ranges[count].end && page < REGION_PAGES;
		     page++)
			if (reaches(i, object_of(i), page, frame))
				return true;
	return false;
}

/* Not to the memory of who does it, of which it is known what is there. */
static bool pokes_elsewhere(unsigned int i)
{
	return has_op(i, OP_POKE) &&
	       (by_child(i) || step_of(i)->arg[ROLE_TO] != step_of(i)->proc);
}

/* True if step @i may have written to a page. */
static bool writes_to(unsigned int i, const struct frame *frame)
{
	if (start_of(i) == NEVER)
		return false;
	if (stores(i))
		return pokes_elsewhere(i) || stores_to(i, frame);
	if (has_op(i, OP_PUT) || has_op(i, OP_ATOMIC))
		return transfers_to(i, frame);
	return false;
}

/* Judgements */

struct sight {
	uint64_t value;
	int writer;	/* step that wrote it, or -1 */
};

/* True if a page of memory may have had in it what was seen. */
static bool explains(struct frame frame, const void *data)
{
	const struct sight *sight = data;

	if (!frame.obj || is_tainted(frame))
		return true;
	if (sight->writer < 0)
		return sight->value == IDENTITY(frame.obj, frame.index);
	return writes_to(sight->writer, &frame);
}

/* The same of the page that an aborted import is left with. */
static bool trash_explains(struct frame frame, const struct sight *sight)
{
	if (is_tainted(frame))
		return true;
	return sight->writer < 0 ? !sight->value :
				   writes_to(sight->writer, &frame);
}

/* At some time from @start to @end. */
static bool import_explains(struct frame frame, const struct sight *sight,
			    uint32_t start, uint32_t end)
{
	if (may_be_aborted_by(frame.obj, end) &&
	    trash_explains(trash_of(frame.obj), sight))
		return true;
	return !aborted_by(frame.obj, start) &&
	       any_frame(frame.obj, frame.index, start, end, explains, sight);
}

static void accuse_value(unsigned int i, struct frame frame, uint64_t value)
{
	accuse(i, "read what cannot be there");
	complain("  page %u of what step %u made: %#llx\n", frame.index,
		 frame.obj - 1, (unsigned long long)value);
}

static bool judge_seen(unsigned int i, const struct seen *seen)
{
	struct frame frame = { seen->obj, seen->index };
	struct sight sight = { seen->value, written_by(seen->value) };
	unsigned int page;

	for (page = 0; page < seen->count; page++) {
		if (!import_explains(frame, &sight, start_of(i),
				     seen->first + 1) ||
		    !import_explains(frame, &sight, seen->last + 1,
				     end_of(i))) {
			accuse_value(i, frame, sight.value);
			return false;
		}
		frame.index++;
		sight.value++;
	}
	return true;
}

/* Whatever is at the addresses that a step reads from is known for certain. */
static bool knows_memory(unsigned int i)
{
	return has_op(i, OP_GET) || memory_is_stable(i);
}

void judge_value(unsigned int i)
{
	const struct log *log = log_of(i);
	uint32_t k;

	if (log->state == LOG_NONE || !knows_memory(i))
		return;
	for (k = 0; k < log->nr_seen; k++)
		if (is_import(log->seen[k].obj) &&
		    !judge_seen(i, &log->seen[k]))
			break;
}

/* Memory of a process's own, in the end. */
void judge_scan(unsigned int proc)
{
	const struct log *log = &sh->scans[proc];
	const struct seen *seen = log->seen;
	struct sight sight;

	if (log->state != LOG_DONE || !scan_is_stable(proc))
		return;
	for (; seen < log->seen + log->nr_seen; seen++) {
		sight.value = seen->value;
		sight.writer = written_by(seen->value);
		if (explains((struct frame){ seen->obj, seen->index }, &sight))
			continue;
		complain("p%u has in its memory what cannot be there\n", proc);
		complain("  page %u of what step %u made: %#llx\n",
			 seen->index, seen->obj - 1,
			 (unsigned long long)seen->value);
		return;
	}
}
