// SPDX-License-Identifier: GPL-2.0-only
/*
 * A storm of rebinds under importers that read and write all the time, and
 * check every load. Boot with init_on_free=1: then a page that is freed too
 * early reads as zero, if it has not become somebody else's.
 *
 * Each rebind has a number. All words of a page that the exporter gives out
 * are the same stamp: the number, and which page it is. In the last quarter
 * of the pages each importer has one word to write, a stamp that says who.
 *
 * RSM_STORM_REBINDS=N: fewer rebinds of 1 MiB, and of 64 MiB a twentieth.
 */
#include "rsm_utils.h"

#include <stdalign.h>
#include <stdlib.h>
#include <sys/resource.h>

#define WORDS 512
#define IMPORTERS 4
#define OWN_WORD(id) (WORDS - IMPORTERS + (id))
#define MAGIC 0xa5UL
#define POISON 0x7072657473696e67UL
#define FOREIGN 0x6c616e6769657266UL
#define FOREIGN_SIZE (512 << 10)

#define NICE_EXPORTER (-15)
#define NICE_OTHERS 5

/* One rebind in so many keeps the old memory, to see if anybody writes to it. */
#define KEEP_EVERY 8

enum breach {
	BREACH_NONE,
	BREACH_SETUP,	/* nothing of the storm's business */
	BREACH_ZERO,	/* a zero word */
	BREACH_FOREIGN,	/* not a stamp, or that of another page */
	BREACH_STALE,	/* older than a rebind that had returned */
	BREACH_FUTURE,	/* newer than the newest rebind that was called */
	BREACH_BACK,	/* older than an earlier load of the same page */
	BREACH_TORN,	/* two stamps within one generation */
	BREACH_LOST,	/* a store that a later load does not see */
	BREACH_FINAL,	/* status page: not the number of rebinds */
};

struct report {
	uint64_t loads;
	uint64_t whole_pages;	/* read within one generation */
	uint64_t changes;	/* pages that changed while they were read */
	uint64_t stores;
	uint64_t old_loads;	/* old stamp, a rebind was under way */
	uint64_t new_loads;	/* new stamp, the rebind had not returned */
	enum breach breach;
	uint64_t page, word, value, floor, ceiling, last;
};

struct shared {
	/* newest number given to rebind, and newest that came back */
	alignas(64) uint64_t started;
	alignas(64) uint64_t returned;
	alignas(64) uint32_t ready;
	uint32_t stop;
	struct report reports[IMPORTERS];
};

/* An importer: what it sees, and what it has seen. */
struct view {
	struct shared *shared;
	struct report *report;
	uint64_t *mem;
	const volatile struct rsm_status *status;
	uint64_t *last;		/* for each page the newest number seen */
	size_t pages;
	unsigned int id;
	uint64_t random;
	int fd;
};

static uint64_t stamp(uint64_t number, unsigned int writer, size_t page)
{
	return number << 32 | MAGIC << 24 | (uint64_t)writer << 20 | page;
}

static uint64_t number_of(uint64_t value)
{
	return value >> 32;
}

static uint64_t acquire(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static uint64_t load(const uint64_t *word)
{
	return *(const volatile uint64_t *)word;
}

static bool is_written(size_t page, size_t pages)
{
	return page >= pages - pages / 4;
}

static bool stopped(const struct shared *shared)
{
	return __atomic_load_n(&shared->stop, __ATOMIC_ACQUIRE);
}

static uint64_t next_random(struct view *view)
{
	view->random ^= view->random << 13;
	view->random ^= view->random >> 7;
	view->random ^= view->random << 17;
	return view->random;
}

/* The oracle */

static bool breach(struct view *view, enum breach breach, size_t page,
		   size_t word, uint64_t value, uint64_t floor)
{
	struct report *report = view->report;

	report->page = page;
	report->word = word;
	report->value = value;
	report->floor = floor;
	report->ceiling = acquire(&view->shared->started);
	report->last = view->last[page];
	report->breach = breach;
	return false;
}

static bool is_stamp(struct view *view, unsigned int writer, size_t page,
		     size_t word, uint64_t value)
{
	if (value == stamp(number_of(value), writer, page))
		return true;
	return breach(view, value ? BREACH_FOREIGN : BREACH_ZERO, page, word,
		      value, 0);
}

/* @value was loaded after @floor was read from shared->returned. */
static bool check_load(struct view *view, size_t page, size_t word,
		       uint64_t value, uint64_t floor)
{
	uint64_t ceiling = acquire(&view->shared->started);
	uint64_t number = number_of(value);

	if (!is_stamp(view, 0, page, word, value))
		return false;
	if (number < floor)
		return breach(view, BREACH_STALE, page, word, value, floor);
	if (number > ceiling)
		return breach(view, BREACH_FUTURE, page, word, value, floor);
	if (number < view->last[page])
		return breach(view, BREACH_BACK, page, word, value, floor);
	view->last[page] = number;
	view->report->old_loads += number == floor && ceiling > floor;
	view->report->new_loads += number > floor;
	return true;
}

static bool check_word(struct view *view, size_t page, size_t word,
		       uint64_t *value)
{
	uint64_t floor = acquire(&view->shared->returned);

	*value = load(view->mem + page * WORDS + word);
	view->report->loads++;
	return check_load(view, page, word, *value, floor);
}

/* A word that its importer writes: any number, but the right page and writer */
static bool check_written_word(struct view *view, size_t page, unsigned int id)
{
	uint64_t value = load(view->mem + page * WORDS + OWN_WORD(id));
	uint64_t ceiling = acquire(&view->shared->started);

	if (value == stamp(number_of(value), 0, page))
		return true;
	if (!is_stamp(view, id + 1, page, OWN_WORD(id), value))
		return false;
	if (number_of(value) <= ceiling)
		return true;
	return breach(view, BREACH_FUTURE, page, OWN_WORD(id), value, 0);
}

/* Load all words of a page; @changes counts those unlike the one before. */
static bool load_page(struct view *view, size_t page, unsigned int *changes)
{
	size_t words = is_written(page, view->pages) ? OWN_WORD(0) : WORDS;
	uint64_t floor = acquire(&view->shared->returned);
	const uint64_t *mem = view->mem + page * WORDS;
	uint64_t value, before = load(mem);
	size_t word;

	*changes = 0;
	if (!check_load(view, page, 0, before, floor))
		return false;
	for (word = 1; word < words; word++) {
		value = load(mem + word);
		if (value == before)
			continue;
		++*changes;
		before = value;
		if (!check_load(view, page, word, value, floor))
			return false;
	}
	view->report->loads += words;
	return true;
}

static bool check_page(struct view *view, size_t page)
{
	uint64_t generation, after;
	unsigned int changes, id;

	generation = acquire((const uint64_t *)&view->status->rebinds);
	if (!load_page(view, page, &changes))
		return false;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	after = acquire((const uint64_t *)&view->status->rebinds);
	view->report->changes += !!changes;
	if (generation == after && !(generation & 1)) {
		view->report->whole_pages++;
		if (changes)
			return breach(view, BREACH_TORN, page, 0,
				      load(view->mem + page * WORDS), after);
	}
	for (id = 0; is_written(page, view->pages) && id < IMPORTERS; id++)
		if (!check_written_word(view, page, id))
			return false;
	return true;
}

/* Store to our word of the page: it must be there, or the page be replaced. */
static bool check_store(struct view *view, size_t page)
{
	volatile uint64_t *own = view->mem + page * WORDS + OWN_WORD(view->id);
	uint64_t seen, value, got, generation, after;

	if (!check_word(view, page, 0, &seen))
		return false;
	value = stamp(number_of(seen), view->id + 1, page);
	generation = acquire((const uint64_t *)&view->status->rebinds);
	*own = value;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	got = *own;
	after = acquire((const uint64_t *)&view->status->rebinds);
	view->report->stores++;
	if (got == value)
		return true;
	if (!is_stamp(view, 0, page, OWN_WORD(view->id), got))
		return false;
	if (number_of(got) > number_of(seen) &&
	    (generation != after || generation & 1))
		return true;
	return breach(view, BREACH_LOST, page, OWN_WORD(view->id), got, after);
}

/* Importers */

static bool check_something(struct view *view)
{
	uint64_t random = next_random(view);
	size_t page = (random >> 8) % view->pages;
	uint64_t value;

	switch (random % 8) {
	case 0:
		return check_page(view, page);
	case 1:
	case 2:
		page = view->pages - 1 - page % (view->pages / 4);
		return check_store(view, page);
	}
	return check_word(view, page, (random >> 40) % OWN_WORD(0), &value);
}

/* When all is over every page has the last stamp. */
static bool check_end(struct view *view)
{
	size_t page;

	for (page = 0; page < view->pages; page++)
		if (!check_page(view, page))
			return false;
	if (view->status->rebinds == 2 * (view->shared->returned - 1))
		return true;
	return breach(view, BREACH_FINAL, 0, 0, view->status->rebinds, 0);
}

static bool view_open(struct view *view, __u32 segid)
{
	size_t size = view->pages * rsm_page_size();
	int ctl = rsm_open();

	view->last = calloc(view->pages, sizeof(*view->last));
	if (ctl < 0 || !view->last)
		return false;
	if (rsm_connect(ctl, 0, 0, segid, RSM_RIGHT_READ | RSM_RIGHT_WRITE,
			&view->fd, NULL))
		return false;
	view->mem = rsm_map(view->fd, size, PROT_READ | PROT_WRITE);
	view->status = rsm_map_status(view->fd);
	return view->mem != MAP_FAILED && view->status != MAP_FAILED;
}

static int import(struct shared *shared, unsigned int id, size_t pages,
		  __u32 segid)
{
	struct view view = {
		.shared = shared,
		.report = &shared->reports[id],
		.pages = pages,
		.id = id,
		.random = 0x9e3779b97f4a7c15 * (id + 1),
	};
	bool fine;

	if (!view_open(&view, segid)) {
		view.report->breach = BREACH_SETUP;
		return 1;
	}
	__atomic_fetch_add(&shared->ready, 1, __ATOMIC_RELEASE);
	do
		fine = check_something(&view);
	while (fine && !stopped(shared));
	return !fine || !check_end(&view);
}

/* Somebody who takes pages that others free, and wants them for himself. */
static int live_beside(struct shared *shared)
{
	size_t i, words = FOREIGN_SIZE / sizeof(uint64_t);
	uint64_t *mem;

	while (!stopped(shared)) {
		mem = rsm_alloc(FOREIGN_SIZE);
		if (mem == MAP_FAILED)
			return 2;
		for (i = 0; i < words; i++)
			mem[i] = FOREIGN;
		rsm_sleep_ms(1);
		for (i = 0; i < words; i++)
			if (load(mem + i) != FOREIGN)
				return 1;
		munmap(mem, FOREIGN_SIZE);
	}
	return 0;
}

/* The exporter */

static void fill(uint64_t *mem, size_t pages, uint64_t number)
{
	size_t page, word;

	for (page = 0; page < pages; page++)
		for (word = 0; word < WORDS; word++)
			*mem++ = stamp(number, 0, page);
}

/* New memory, with huge pages every other time, full of its stamps. */
static uint64_t *new_memory(size_t pages, uint64_t number)
{
	size_t size = pages * rsm_page_size();
	uint64_t *mem = rsm_alloc(size);

	if (mem == MAP_FAILED)
		return NULL;
	if (number & 1)
		madvise(mem, size, MADV_HUGEPAGE);
	fill(mem, pages, number);
	return mem;
}

/* The same where the old one is, of which nothing but the pins is left. */
static uint64_t *memory_in_place(uint64_t *mem, size_t pages, uint64_t number)
{
	if (madvise(mem, pages * rsm_page_size(), MADV_DONTNEED))
		return NULL;
	fill(mem, pages, number);
	return mem;
}

/* Words of importers in old memory; from now on they are POISON. */
static size_t poison(uint64_t *mem, size_t pages)
{
	size_t page, found = 0;
	uint64_t *own;
	int id;

	for (page = pages - pages / 4; page < pages; page++) {
		for (id = 0; id < IMPORTERS; id++) {
			own = mem + page * WORDS + OWN_WORD(id);
			found += load(own) != stamp(number_of(*own), 0, page);
			*(volatile uint64_t *)own = POISON;
		}
	}
	return found;
}

static size_t count_unpoisoned(const uint64_t *mem, size_t pages)
{
	size_t page, found = 0;
	int id;

	for (page = pages - pages / 4; page < pages; page++)
		for (id = 0; id < IMPORTERS; id++)
			found += load(mem + page * WORDS + OWN_WORD(id)) !=
				 POISON;
	return found;
}

FIXTURE(storm)
{
	struct rsm_stats before;
	struct shared *shared;
	pid_t children[IMPORTERS + 1];
	size_t pages;
	uint64_t rebinds;
	uint64_t *mem;
	uint64_t *kept;
	size_t arrived;
	size_t late;
	uint64_t fill_ns, rebind_ns, release_ns;
	int ctl;
	int fd;
};

FIXTURE_VARIANT(storm)
{
	size_t size;
	unsigned int rebinds;
	unsigned int share;	/* of RSM_STORM_REBINDS */
};

FIXTURE_VARIANT_ADD(storm, of_1_mib)
{
	.size = 1 << 20,
	.rebinds = 10000,
	.share = 1,
};

FIXTURE_VARIANT_ADD(storm, of_64_mib)
{
	.size = 64 << 20,
	.rebinds = 500,
	.share = 20,
};

FIXTURE_SETUP(storm)
{
	const char *rebinds = getenv("RSM_STORM_REBINDS");

	self->ctl = rsm_open();
	ASSERT_LE(0, self->ctl);
	rsm_stats_read(&self->before);
	memset(self->children, 0, sizeof(self->children));
	self->kept = NULL;
	self->arrived = 0;
	self->late = 0;
	self->fill_ns = 0;
	self->rebind_ns = 0;
	self->release_ns = 0;
	self->pages = variant->size / rsm_page_size();
	self->rebinds = variant->rebinds;
	if (rebinds)
		self->rebinds = strtoul(rebinds, NULL, 10) / variant->share;
	ASSERT_LT(0, self->rebinds);
	self->shared = mmap(NULL, sizeof(*self->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
	self->mem = new_memory(self->pages, 1);
	ASSERT_NE(NULL, self->mem);
	self->shared->started = 1;
	self->shared->returned = 1;
	ASSERT_OK(rsm_create(self->ctl, 0, self->mem, variant->size,
			     RSM_EXPORT_ALLOW_REBIND, &self->fd, NULL));
}

FIXTURE_TEARDOWN(storm)
{
	int i;

	/* Of a test that did not get so far as to end them. */
	for (i = 0; i <= IMPORTERS; i++)
		if (self->children[i])
			kill(self->children[i], SIGKILL);
	close(self->fd);
	close(self->ctl);
	EXPECT_TRUE(rsm_stats_settle(&self->before));
}

static int start_all(FIXTURE_DATA(storm) *self, __u32 segid)
{
	int i, ms;
	pid_t pid;

	/* Left alone, the others would leave the exporter little time. */
	setpriority(PRIO_PROCESS, 0, NICE_EXPORTER);
	fflush(NULL);
	for (i = 0; i <= IMPORTERS; i++) {
		pid = fork();
		if (pid < 0)
			return -errno;
		if (!pid) {
			close(self->fd);
			setpriority(PRIO_PROCESS, 0, NICE_OTHERS);
			_exit(i == IMPORTERS ? live_beside(self->shared) :
			      import(self->shared, i, self->pages, segid));
		}
		self->children[i] = pid;
	}
	for (ms = 0; ms < 10000; ms += 10) {
		if (__atomic_load_n(&self->shared->ready, __ATOMIC_ACQUIRE) ==
		    IMPORTERS)
			return 0;
		rsm_sleep_ms(10);
	}
	return -ETIMEDOUT;
}

static void let_go(FIXTURE_DATA(storm) *self, uint64_t *old, bool keep)
{
	size_t size = self->pages * rsm_page_size();

	if (self->kept) {
		self->late += count_unpoisoned(self->kept, self->pages);
		munmap(self->kept, size);
		self->kept = NULL;
	}
	if (keep) {
		self->arrived += poison(old, self->pages);
		self->kept = old;
	} else {
		munmap(old, size);
	}
}

/* Add the time since *@since to *@sum. */
static void add_time(uint64_t *sum, uint64_t *since)
{
	struct timespec time;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC, &time);
	now = time.tv_sec * 1000000000UL + time.tv_nsec;
	*sum += now - *since;
	*since = now;
}

static int rebind_once(FIXTURE_DATA(storm) *self, uint64_t number)
{
	size_t size = self->pages * rsm_page_size();
	uint64_t *mem, *old = self->mem;
	uint64_t none = 0, since = 0;
	/* Every other time the segment is the last to hold the old pages. */
	bool in_place = number % 4 == 1, early = number % 4 == 3;
	int ret;

	add_time(&none, &since);
	mem = in_place ? memory_in_place(old, self->pages, number) :
			 new_memory(self->pages, number);
	if (!mem)
		return -ENOMEM;
	add_time(&self->fill_ns, &since);
	__atomic_store_n(&self->shared->started, number, __ATOMIC_RELEASE);
	if (early)
		let_go(self, old, false);
	ret = rsm_rebind(self->fd, mem, size, NULL);
	if (ret)
		return ret;
	__atomic_store_n(&self->shared->returned, number, __ATOMIC_RELEASE);
	self->mem = mem;
	add_time(&self->rebind_ns, &since);
	if (!early && !in_place)
		let_go(self, old, !(number % KEEP_EVERY));
	add_time(&self->release_ns, &since);
	return 0;
}

static bool any_breach(const struct shared *shared)
{
	int id;

	for (id = 0; id < IMPORTERS; id++)
		if (*(volatile enum breach *)&shared->reports[id].breach)
			return true;
	return false;
}

static int rebind_all(FIXTURE_DATA(storm) *self)
{
	uint64_t number;
	int ret = 0;

	for (number = 2; number <= self->rebinds + 1 && !ret; number++) {
		if (any_breach(self->shared))
			break;
		ret = rebind_once(self, number);
	}
	__atomic_store_n(&self->shared->stop, 1, __ATOMIC_RELEASE);
	return ret;
}

static void print_report(const struct report *r)
{
	printf("# loads %lu (old %lu, new %lu), stores %lu\n", r->loads,
	       r->old_loads, r->new_loads, r->stores);
	printf("# whole pages %lu, changed under a read %lu\n",
	       r->whole_pages, r->changes);
	if (!r->breach)
		return;
	printf("# breach %d: page %lu, word %lu, value %#lx\n", r->breach,
	       r->page, r->word, r->value);
	printf("# floor %lu, ceiling %lu, last %lu\n", r->floor, r->ceiling,
	       r->last);
}

/* The limit is for machines that have to emulate the processor. */
TEST_F_TIMEOUT(storm, threat_06_no_load_or_store_reaches_old_pages, 400)
{
	uint64_t old_loads = 0, new_loads = 0;
	struct report *report;
	__u32 segid = 0;
	int i;

	ASSERT_OK(rsm_publish(self->fd, &segid, NULL, 0, NULL));
	ASSERT_OK(start_all(self, segid));
	EXPECT_OK(rebind_all(self));
	for (i = 0; i <= IMPORTERS; i++) {
		EXPECT_EQ(0, rsm_wait_child(self->children[i]));
		self->children[i] = 0;
	}

	printf("# us for each of %lu: filling %lu, rebind %lu, release %lu\n",
	       self->rebinds, self->fill_ns / 1000 / self->rebinds,
	       self->rebind_ns / 1000 / self->rebinds,
	       self->release_ns / 1000 / self->rebinds);
	for (i = 0; i < IMPORTERS; i++) {
		report = &self->shared->reports[i];
		print_report(report);
		EXPECT_EQ(BREACH_NONE, report->breach);
		EXPECT_LT(10 * self->rebinds, report->loads);
		EXPECT_LT(self->rebinds / 4, report->whole_pages);
		EXPECT_LT(self->rebinds, report->stores);
		old_loads += report->old_loads;
		new_loads += report->new_loads;
	}
	EXPECT_LT(0, old_loads);
	EXPECT_LT(0, new_loads);
	EXPECT_LT(0, self->arrived);
	EXPECT_EQ(0, self->late);
}

TEST_HARNESS_MAIN
