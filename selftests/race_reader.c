// SPDX-License-Identifier: GPL-2.0-only
/*
 * The suite "race": one access to a segment, by load and store or by ioctl,
 * and a look at what came of it.
 */
#include "race.h"

#define LOCK_OFFSETS 4
#define SHORT_NS 2000000
#define VECS 3
#define GET_PAGES 2

/* Words of a page with stamps of the exporter, other than those to write. */
#define STAMPS (RACE_WORDS / RACE_STRIDE)

/* How often one word is loaded on end. */
#define LOADS 16

static unsigned int my_id(const struct race_view *view)
{
	return view->worker->process - RACE_EXPORTERS + 1;
}

static uint64_t chance(const struct race_view *view, uint64_t below)
{
	return race_random(view->worker, below);
}

static void count(const struct race_view *view, enum race_op op,
		  unsigned int number)
{
	view->worker->op = op;
	__atomic_fetch_add(&view->worker->race->done[op][0], number,
			   __ATOMIC_RELAXED);
}

static void discard(const struct race_view *view)
{
	__atomic_fetch_add(&view->worker->race->discarded, 1,
			   __ATOMIC_RELAXED);
}

static uint64_t *word_at(const struct race_view *view, uint32_t page,
			 unsigned int word)
{
	return view->mem + (size_t)(page - view->first) * RACE_WORDS + word;
}

/* A page of the view. */
static uint32_t pick_page(const struct race_view *view)
{
	return view->first + chance(view, view->count);
}

/* Where it is mapped nothing but a change of the mapping lets an access fail. */
static bool is_through(const struct race_view *view, int signal)
{
	if (!signal)
		return true;
	if (signal == SIGBUS || race_view_same(view))
		race_breach(view->worker, RACE_SIGNAL, signal,
			    (uintptr_t)view->mem, view->first, view->count);
	else
		discard(view);
	return false;
}

static bool is_aborted(const struct race_view *view)
{
	/* What was loaded was loaded before. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return view->status->state == RSM_STATE_ABORTED;
}

/* Loads of words */

struct load {
	const struct race_view *view;
	const volatile uint64_t *at;
	uint64_t value;
	bool aborted;
};

static void do_load(void *arg)
{
	struct load *load = arg;

	load->value = *load->at;
	load->aborted = is_aborted(load->view);
}

/* Load a word and judge it: false if there is nothing to go on with. */
static bool load_word(const struct race_view *view, uint32_t page,
		      unsigned int word, uint64_t *value)
{
	struct load load = { .view = view, .at = word_at(view, page, word) };
	struct race_before before;

	race_before(view, &before);
	if (!is_through(view, race_guard(do_load, &load)))
		return false;
	if (load.aborted)
		__atomic_fetch_add(&view->worker->race->trashed, 1,
				   __ATOMIC_RELAXED);
	*value = load.value;
	return race_judge(view, &before, page, word, load.value, load.aborted);
}

static void load_some(const struct race_view *view)
{
	unsigned int i, word;
	uint64_t value;

	count(view, RACE_LOAD, LOADS);
	for (i = 0; i < LOADS; i++) {
		word = chance(view, STAMPS) * RACE_STRIDE;
		if (!chance(view, 8))
			word = RACE_WRITER_WORD(1 + chance(view,
							   RACE_IMPORTERS));
		if (!load_word(view, pick_page(view), word, &value))
			return;
	}
}

/* Loads of pages */

struct page_load {
	const struct race_view *view;
	const volatile uint64_t *at;
	uint64_t values[STAMPS];
	uint64_t generation, after;
	bool aborted;
};

static uint64_t generation_of(const struct race_view *view)
{
	return race_get64((const uint64_t *)&view->status->rebinds);
}

static void do_load_page(void *arg)
{
	struct page_load *load = arg;
	unsigned int i;

	load->generation = generation_of(load->view);
	for (i = 0; i < STAMPS; i++)
		load->values[i] = load->at[i * RACE_STRIDE];
	load->aborted = is_aborted(load->view);
	load->after = generation_of(load->view);
}

static void judge_page(const struct race_view *view,
		       const struct race_before *before, uint32_t page,
		       const struct page_load *load)
{
	bool torn = false;
	unsigned int i;

	for (i = 0; i < STAMPS; i++) {
		if (!race_judge(view, before, page, i * RACE_STRIDE,
				load->values[i], load->aborted))
			return;
		torn |= load->values[i] != load->values[0];
	}
	if (torn && !load->aborted && load->generation == load->after &&
	    !(load->after & 1) && race_view_same(view))
		race_breach(view->worker, RACE_TORN, load->values[0], page,
			    load->generation, 0);
}

static void load_page(const struct race_view *view)
{
	uint32_t page = pick_page(view);
	struct page_load load = { .view = view, .at = word_at(view, page, 0) };
	struct race_before before;

	race_before(view, &before);
	count(view, RACE_PAGE, 1);
	if (is_through(view, race_guard(do_load_page, &load)))
		judge_page(view, &before, page, &load);
}

/* Stores */

/*
 * What to store to a page, as long as it is mapped there: the first thread of
 * an importer may change that, unless it is who asks.
 */
static uint64_t my_stamp(const struct race_view *view, uint64_t set,
			 uint32_t page)
{
	unsigned int thread = view->worker->thread;

	if (thread && thread <= RACE_READERS)
		page = RACE_ANY_PAGE;
	return race_stamp(set, my_id(view), page);
}

struct store {
	volatile uint64_t *at;
	uint64_t value;
};

static void do_store(void *arg)
{
	const struct store *store = arg;

	*store->at = store->value;
}

static void store_word(const struct race_view *view)
{
	uint32_t page = pick_page(view);
	struct store store = {
		.at = word_at(view, page, RACE_WRITER_WORD(my_id(view))),
	};
	uint64_t seen;

	if (!(view->prot & PROT_WRITE))
		return;
	count(view, RACE_STORE, 1);
	if (!load_word(view, page, 0, &seen))
		return;
	store.value = my_stamp(view, seen >> 32, page);
	if (!is_through(view, race_guard(do_store, &store)))
		return;
	load_word(view, page, RACE_WRITER_WORD(my_id(view)), &seen);
}

/* Calls */

static uint64_t offset_of(uint32_t page, unsigned int word)
{
	return page * rsm_page_size() + word * sizeof(uint64_t);
}

/* True if the import lacks a right, for which there is one answer only. */
static bool is_denied(const struct race_view *view, __u32 right, int ret,
		      __u32 error)
{
	if (view->rights & right)
		return false;
	if ((ret != -EACCES || error != RSM_ERR_PERM_DENIED) &&
	    race_view_same(view))
		race_breach(view->worker, ret ? RACE_ERROR : RACE_SUCCESS,
			    -ret, error, view->rights, right);
	return true;
}

static void put(const struct race_view *view)
{
	struct rsm_copy_vec vecs[VECS];
	uint64_t values[VECS];
	struct race_before before;
	__u32 error = 0;
	uint32_t page;
	int i, ret;

	for (i = 0; i < VECS; i++) {
		page = pick_page(view);
		values[i] = race_stamp(0, my_id(view), page);
		vecs[i].vaddr = (uintptr_t)&values[i];
		vecs[i].offset = offset_of(page, RACE_WRITER_WORD(my_id(view)));
		vecs[i].length = sizeof(values[i]);
	}
	race_before(view, &before);
	view->worker->op = RACE_PUT;
	ret = rsm_copy(view->fd, RSM_IMPORT_PUT, vecs, VECS, NULL, &error);
	if (!is_denied(view, RSM_RIGHT_WRITE, ret, error))
		race_call(view, &before, RACE_PUT, ret, error);
}

static void judge_copy(const struct race_view *view,
		       const struct race_before *before, uint32_t page,
		       const uint64_t *copy)
{
	unsigned int i;

	for (i = 0; i < STAMPS; i++)
		if (!race_judge(view, before, page, i * RACE_STRIDE,
				copy[i * RACE_STRIDE], false))
			return;
	for (i = 1; i <= RACE_IMPORTERS; i++)
		if (!race_judge(view, before, page, RACE_WRITER_WORD(i),
				copy[RACE_WRITER_WORD(i)], false))
			return;
}

static void get(const struct race_view *view)
{
	uint64_t copy[GET_PAGES][RACE_WORDS];
	uint32_t pages = view->count > 1 ? GET_PAGES : 1;
	uint32_t i, page = view->first + chance(view, view->count - pages + 1);
	struct race_before before;
	__u32 error = 0;
	int ret;

	race_before(view, &before);
	view->worker->op = RACE_GET;
	ret = rsm_get(view->fd, copy, offset_of(page, 0),
		      pages * rsm_page_size(), &error);
	if (is_denied(view, RSM_RIGHT_READ, ret, error))
		return;
	race_call(view, &before, RACE_GET, ret, error);
	for (i = 0; i < pages && !ret; i++)
		judge_copy(view, &before, page + i, copy[i]);
}

static void swap_word(const struct race_view *view)
{
	unsigned int word = RACE_WRITER_WORD(my_id(view));
	uint32_t page = pick_page(view);
	struct race_before before;
	__u32 error = 0;
	uint64_t old;
	int ret;

	if (view->rights != (RSM_RIGHT_READ | RSM_RIGHT_WRITE))
		return;
	view->worker->op = RACE_ATOMIC;
	race_before(view, &before);
	ret = rsm_atomic(view->fd, RSM_ATOMIC_SWAP, offset_of(page, word), 0,
			 race_stamp(0, my_id(view), page),
			 (__u64 *)&old, &error);
	race_call(view, &before, RACE_ATOMIC, ret, error);
	if (!ret)
		race_judge(view, &before, page, word, old, false);
}

static void signal_or_lock(const struct race_view *view)
{
	__u64 offset = chance(view, LOCK_OFFSETS) * sizeof(__u64);
	__u64 timeout = chance(view, SHORT_NS);
	struct race_before before;
	__u32 error = 0;
	int ret;

	view->worker->op = RACE_LOCK;
	race_before(view, &before);
	switch (chance(view, 4)) {
	case 0:
		ret = rsm_post(view->fd, 0, &error);
		race_call(view, &before, RACE_POST, ret, error);
		break;
	case 1:
		/* What is pending can be taken for ever. */
		before.ended = 0;
		ret = rsm_take(view->fd, timeout, &error);
		race_call(view, &before, RACE_TAKE, ret, error);
		break;
	case 2:
		if (!(view->rights & RSM_RIGHT_WRITE))
			return;
		ret = rsm_lock(view->fd, offset, timeout, NULL, &error);
		race_call(view, &before, RACE_LOCK, ret, error);
		break;
	default:
		if (!(view->rights & RSM_RIGHT_WRITE))
			return;
		ret = rsm_unlock(view->fd, offset, &error);
		race_call(view, &before, RACE_UNLOCK, ret, error);
	}
}

/* What ptrace does, too: it must not get past the protection of the mapping. */
static void write_by_force(const struct race_view *view, int mem)
{
	uint64_t value = my_stamp(view, 0, view->first);
	uint64_t *at = word_at(view, view->first,
			       RACE_WRITER_WORD(my_id(view)));

	if (!(view->prot & PROT_WRITE) &&
	    pwrite(mem, &value, sizeof(value), (uintptr_t)at) > 0 &&
	    race_view_same(view))
		race_breach(view->worker, RACE_SUCCESS, (uintptr_t)at, 0, 0, 0);
}

static void read_by_force(const struct race_view *view, int mem)
{
	uint32_t page = pick_page(view);
	struct load load = { .view = view };
	struct race_before before;
	ssize_t done;

	race_before(view, &before);
	done = pread(mem, &load.value, sizeof(load.value),
		     (uintptr_t)word_at(view, page, 0));
	if (done != sizeof(load.value)) {
		if (race_view_same(view) && !view->worker->race->pressure)
			race_breach(view->worker, RACE_ERROR, errno, page, 0,
				    0);
		return;
	}
	/* The status page may have gone with the mapping. */
	load.at = &load.value;
	if (is_through(view, race_guard(do_load, &load)))
		race_judge(view, &before, page, 0, load.value, load.aborted);
}

static void use_force(const struct race_view *view)
{
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	if (mem < 0)
		return;
	count(view, RACE_ACCESS, 1);
	if (chance(view, 2))
		write_by_force(view, mem);
	else
		read_by_force(view, mem);
	close(mem);
}

static void call(const struct race_view *view)
{
	switch (chance(view, 8)) {
	case 0 ... 2:
		put(view);
		break;
	case 3 ... 4:
		get(view);
		break;
	case 5:
		swap_word(view);
		break;
	default:
		signal_or_lock(view);
	}
}

/* Do one thing at random with a view. */
void race_read(const struct race_view *view)
{
	uint64_t what = chance(view, 16);

	if (view->fd >= 0 && (what < 6 || !view->mem))
		call(view);
	else if (!view->mem || !(view->prot & PROT_READ))
		return;
	else if (what < 10)
		load_some(view);
	else if (what < 13)
		load_page(view);
	else if (what < 15)
		store_word(view);
	else
		use_force(view);
}
