/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of the suite "race" share: race.c conducts, exporters and
 * importers do things at random, and the oracle says what importers may see.
 */
#ifndef RACE_H
#define RACE_H

/* The harness is for the file with the tests, as there can be but one. */
#ifndef RACE_HAS_TESTS
#define __KSELFTEST_HARNESS_H
#endif

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include "rsm_utils.h"

#define RACE_EXPORTERS 2
#define RACE_IMPORTERS 3
#define RACE_SLOTS 3		/* segments of an exporter */
#define RACE_EXPORT_THREADS 2
#define RACE_READERS 2		/* threads of an importer beside the first */

/* Exporters come first, importers then, and after them who looks on. */
#define RACE_BESIDE (RACE_EXPORTERS + RACE_IMPORTERS)
#define RACE_HOG (RACE_BESIDE + 1)
#define RACE_PROCESSES (RACE_HOG + 1)

/* Records are never used twice, so that late news do no harm. */
#define RACE_SETS_MAX 0x400000
#define RACE_SEGMENTS_MAX 0x80000
#define RACE_PUBLICATIONS_MAX 0x100000

/*
 * A page has stamps in every RACE_STRIDE'th word, and at its end a word for
 * each importer to write.
 */
#define RACE_WORDS 512
#define RACE_STRIDE 8
#define RACE_WRITER_WORD(id) (RACE_WORDS - RACE_IMPORTERS - 1 + (id))

/* In the stamp of one who cannot know to which page his store will go. */
#define RACE_ANY_PAGE 0xffff

enum race_memory {
	RACE_ANONYMOUS,
	RACE_TRANSPARENT,
	RACE_HUGETLB,
	RACE_MEMFD,
	RACE_SYSV,
};

enum race_op {
	RACE_CREATE,
	RACE_REBIND,
	RACE_PUBLISH,
	RACE_REPUBLISH,
	RACE_UNPUBLISH,
	RACE_DESTROY,
	RACE_GRANT,
	RACE_POST,
	RACE_TAKE,
	RACE_LOCK,
	RACE_UNLOCK,
	RACE_CONNECT,
	RACE_REDEEM,
	RACE_DISCONNECT,
	RACE_MAP,
	RACE_UNMAP,
	RACE_MOVE,
	RACE_PROTECT,
	RACE_FORK,
	RACE_LOAD,
	RACE_STORE,
	RACE_PAGE,
	RACE_PUT,
	RACE_GET,
	RACE_ATOMIC,
	RACE_ACCESS,
	RACE_UNLOAD,
	RACE_KILL,
	RACE_OPS,
};

enum race_breach {
	RACE_FINE,
	RACE_BROKEN,	/* nothing of the driver's business */
	RACE_ERROR,	/* an error that the call must not have */
	RACE_SUCCESS,	/* a call that must not succeed any more, or ever */
	RACE_SIGNAL,	/* a fault where a mapping should be */
	RACE_DIED,	/* a process ended by itself */
	RACE_ZERO,	/* a zero word through a live import */
	RACE_FOREIGN,	/* what belongs to somebody else, or is elsewhere */
	RACE_STALE,	/* of pages that a later rebind has replaced */
	RACE_FAILED,	/* of pages whose rebind failed */
	RACE_FUTURE,	/* of pages that were never given to a rebind */
	RACE_LATE,	/* of a segment, after the import was aborted */
	RACE_TORN,	/* two page sets within one generation */
	RACE_LIVE,	/* the status page says so, of an import that is not */
	RACE_WRITTEN,	/* somebody wrote to pages that were given back */
	RACE_CHARGED,	/* locked memory is left */
};

/**
 * struct race_set - a page set that was given to create or rebind
 * @begin: when it was
 * @end: when that had returned, 0 before
 * @segment: what for
 * @failed: it did not work
 */
struct race_set {
	uint64_t begin;
	uint64_t end;
	uint32_t segment;
	uint32_t failed;
};

/**
 * struct race_segment - a segment
 * @floor: @begin of the latest rebind that has returned: sets with an @end
 *         before that have been replaced
 * @ended: when that was known, or 0
 * @pages: its length
 * @locks: created with RSM_EXPORT_LOCK_OPS
 */
struct race_segment {
	uint64_t floor;
	uint64_t ended;
	uint32_t pages;
	uint32_t locks;
};

/**
 * struct race_publication - a publication
 * @ended: when that was known, or 0
 * @segment: of what
 * @segid: under which id
 * @named: the exporter chose the id, so that it is used again
 */
struct race_publication {
	uint64_t ended;
	uint32_t segment;
	uint32_t segid;
	uint32_t named;
};

/* What was wrong first. */
struct race_report {
	enum race_breach breach;
	unsigned int process, life, thread;
	enum race_op op;
	uint64_t step;
	uint64_t detail[4];
};

/**
 * struct race - what all processes share
 * @clock: counts, so that what happens can be put in order
 * @sets: number of @set records in use, and so on
 * @slots: current publication and segment of each exporter, or 0
 * @trashed: loads from imports that were aborted
 * @discarded: loads that are not judged, as the mapping was changed meanwhile
 * @done: calls that worked, and that did not
 */
struct race {
	uint64_t clock;
	uint32_t sets, segments, publications;
	uint32_t stop;
	struct {
		uint32_t publication;
		uint32_t segment;
	} slots[RACE_EXPORTERS][RACE_SLOTS];
	uint64_t trashed;
	uint64_t discarded;
	uint64_t done[RACE_OPS][2];
	uint32_t reported;
	struct race_report report;

	/* not changed any more once there are others */
	enum race_memory memory;
	bool pressure;
	uint64_t seed;
	int tickets[2];
	struct race_set *set;
	struct race_segment *segment;
	struct race_publication *publication;
};

/* Who does something. */
struct race_worker {
	struct race *race;
	unsigned int process, life, thread;
	enum race_op op;
	uint64_t step;
	uint64_t stream, random;
};

static inline uint64_t race_get64(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void race_set64(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static inline uint32_t race_get32(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void race_set32(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static inline uint64_t race_now(struct race *race)
{
	return __atomic_fetch_add(&race->clock, 1, __ATOMIC_ACQ_REL);
}

/* race_oracle.c */
void race_worker_init(struct race_worker *worker, struct race *race,
		      unsigned int process, unsigned int life,
		      unsigned int thread);
void race_next_step(struct race_worker *worker);
uint64_t race_random(struct race_worker *worker, uint64_t below);
bool race_goes_on(struct race *race);
void race_breach(struct race_worker *worker, enum race_breach breach,
		 uint64_t detail0, uint64_t detail1, uint64_t detail2,
		 uint64_t detail3);
int race_result(struct race_worker *worker, enum race_op op, int ret,
		__u32 error);
void race_print(struct race *race);

/* A stamp: the number of the set, who wrote it (0: the exporter), which page */
static inline uint64_t race_stamp(uint64_t set, unsigned int writer,
				  uint32_t page)
{
	return set << 32 | 0xa5UL << 24 | writer << 16 | page;
}

/**
 * struct race_view - how an importer sees a part of a segment
 * @worker: the importer
 * @publication: what it is connected to
 * @segment: whose that is
 * @rights: what it was granted
 * @fd: the import, or -1 if it is closed
 * @mem: where the part is mapped, or NULL
 * @first: first page of the part
 * @count: number of pages
 * @prot: protection of the mapping
 * @status: status page
 * @seq: counters that say if any of this has changed
 * @seen: what they were
 */
struct race_view {
	struct race_worker *worker;
	uint32_t publication, segment;
	__u32 rights;
	int fd;
	uint64_t *mem;
	uint32_t first, count;
	int prot;
	const volatile struct rsm_status *status;
	const uint32_t *seq[2];
	uint32_t seen[2];
};

/* What was known before an access. */
struct race_before {
	uint64_t floor;
	uint64_t ended;
};

bool race_view_same(const struct race_view *view);
void race_before(const struct race_view *view, struct race_before *before);
bool race_judge(const struct race_view *view, const struct race_before *before,
		uint32_t page, unsigned int word, uint64_t value, bool aborted);
void race_call(const struct race_view *view, const struct race_before *before,
	       enum race_op op, int ret, __u32 error);
int race_guard(void (*fn)(void *arg), void *arg);
int race_catch_faults(void);

/* race_memory.c */
size_t race_bytes(const struct race *race, uint32_t pages);
uint32_t race_pick_pages(struct race_worker *worker);
void *race_memory_new(const struct race *race, size_t bytes, void *at);
void race_memory_drop(const struct race *race, void *mem, size_t bytes);
void race_memory_fill(void *mem, uint32_t pages, uint64_t set);
void race_memory_poison(void *mem, uint32_t pages);
uint64_t race_memory_spoilt(const void *mem, uint32_t pages);
int race_beside(struct race *race);
int race_hog(struct race *race);
void race_squeeze(uint64_t random);
void race_print_squeeze(void);
bool race_swap_on(char *name, size_t size);

/* race_exporter.c, race_importer.c, race_reader.c */
int race_export(struct race *race, unsigned int process, unsigned int life);
int race_import(struct race *race, unsigned int process, unsigned int life);
void race_read(const struct race_view *view);

/* race_calls.c */
int race_calls(long ms);

/* A ticket on its way: what comes with the descriptor. */
struct race_ticket {
	uint32_t publication;
	__u32 rights;
};

#endif /* RACE_H */
