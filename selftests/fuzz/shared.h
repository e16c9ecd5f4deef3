/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the processes of a program share: the program, whose turn it is, and
 * the log of what happened, which the oracle judges when all is over.
 *
 * An object is a number: one more than the step that made it, 0 for none and
 * for what is not known. A step makes one object at most.
 */
#ifndef FUZZ_SHARED_H
#define FUZZ_SHARED_H

#include <stdint.h>

#include "prog.h"

/* Where things are in every process. */
#define SHARED_AT 0x10000000000UL
#define REGION_AT 0x20000000000UL
#define REGION_STEP (64UL << 20)
#define REGION_PAGES 2560U

/*
 * Descriptors of the machinery, out of the way of the program's, but not far:
 * the kernel takes its time over tables of descriptors that are long.
 */
#define SHARED_FD 80
#define CONTROL_FD 81
#define INBOX_FD(_proc, _side) (82 + 2 * (_proc) + (_side))
#define KCOV_FD(_task) (92 + (_task))

/* Threads of a process that make calls beside it. */
#define NR_HELPERS 2

/* Tasks whose coverage is looked at; the last of a process is its children. */
#define TASKS_PER_PROC (1 + NR_HELPERS + 1)
#define NR_TASKS (NR_PROCS * TASKS_PER_PROC)

enum { PROC_NOT_YET, PROC_ALIVE, PROC_DEAD };
enum { LOG_NONE, LOG_RUNS, LOG_DONE };

/* The index of pages of no object that may be anything, an import's too. */
#define LOST 1

/* Pages one after another that belong to one object. */
struct span {
	uint16_t obj;
	uint16_t index;
	uint16_t count;
	uint8_t prot;
	bool vague;	/* may be there or not */
};

/*
 * What a word of a page was; of identities, those of @count pages, each one
 * more than the one before. It was first seen before what came after @first,
 * and last seen after what came up to @last.
 */
struct seen {
	uint16_t obj;
	uint16_t index;
	uint16_t count;
	uint32_t first;
	uint32_t last;
	uint64_t value;
};

#define MAX_SPANS 8
#define MAX_SEEN 24

/* What became of a step. */
struct log {
	uint32_t state;
	uint32_t start, end;	/* in the order of all that happened */
	int32_t ret;		/* 0 or more, or a negative errno */
	uint32_t error;		/* enum rsm_error */
	uint16_t obj;		/* what the descriptor was */
	uint16_t ns;		/* IPC namespace: step that made it, or 0 */
	uint8_t proc, mode;
	uint8_t epoch;		/* how often the process had called exec */
	uint32_t uid, gid, mask;
	uint64_t out[4];
	uint32_t nr_spans;
	uint32_t nr_bound;	/* of these, memory to be exported */
	struct span spans[MAX_SPANS];
	bool more_spans;	/* there was no room for all */
	uint32_t nr_seen;
	struct seen seen[MAX_SEEN];
};

/* A descriptor of a process. */
struct slot {
	int fd;
	uint16_t obj;
};

/* What is known of a process, over exec too. */
struct state {
	struct slot fds[NR_FDS];
	uint32_t uid, gid, mask;
	uint16_t ns;
	uint8_t epoch;
};

struct proc {
	uint32_t alive;
	int32_t pid;
	bool stopped;
	uint32_t died;		/* in the order of all that happened */
	struct state state;
};

/*
 * A process that is kept for the next program, as making one takes long. It
 * begins when @go is another number than before, and says so when it is done.
 */
struct worker {
	int32_t pid;
	uint32_t go;
	uint32_t done;
};

#define NR_FEATURES (64U << 10)
#define MAX_MESSAGE 4096

struct shared {
	struct prog prog;
	uint32_t turn;		/* the step whose turn it is */
	uint32_t order;		/* next number of what happens */
	uint32_t grace_ms;	/* for what is under way in the end */
	uint32_t ctl[2];	/* ids of the controllers */
	uint32_t events;	/* changes when there is something to see */
	struct worker workers[NR_PROCS];
	struct proc procs[NR_PROCS];
	uint32_t keys[NR_KEYS];
	uint64_t lengths[MAX_STEPS + 1];
	struct log logs[MAX_STEPS];
	struct log scans[NR_PROCS];	/* of memory, in the end */
	uint64_t late[NR_PROCS];	/* steps that had not ended then */
	uint8_t features[NR_FEATURES];
	char message[MAX_MESSAGE];	/* the verdict, if it is bad */
};

extern struct shared *sh;

/* Stamps. Identity, of a page: its first word, and inverted its last. */
#define IDENTITY_MARK 0xa5a5ULL
#define IDENTITY(_obj, _index)                                                 \
	(IDENTITY_MARK << 48 | (uint64_t)(_obj) << 32 | (_index))

/*
 * The word that a step writes says which step, also if it is written to an
 * address that is not aligned.
 */
#define WRITTEN(_step) ((0x5a00ULL | (_step)) * 0x0001000100010001ULL)

/* The step that wrote @value, or -1 if that cannot be told. */
static inline int written_by(uint64_t value)
{
	unsigned int even = value & 0xff, odd = value >> 8 & 0xff;

	if (value != (value & 0xffff) * 0x0001000100010001ULL)
		return -1;
	if (odd == 0x5a && even < MAX_STEPS)
		return even;
	return even == 0x5a && odd < MAX_STEPS ? (int)odd : -1;
}

#define WORDS (PAGE / sizeof(uint64_t))

/* Words at the start of a page that are looked at. */
#define DATA_WORDS 16

#endif /* FUZZ_SHARED_H */
