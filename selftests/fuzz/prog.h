/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An input of the fuzzer: a program of calls, made by a few processes one
 * after the other or at the same time. Its bytes are its text, a call a line:
 *
 *	p0 mem m=m1 pages=4		process 0 gets memory, region 1
 *	p0 create fd=f0 out=f1 addr=m1	and exports it
 *	p1& loop m=m2 until=3		a thread of process 1 goes on
 *	p0^ destroy fd=f1		a child of process 0 tries
 *	p2% unpublish fd=f1		a child that shares its memory tries
 *
 * Descriptors, regions of memory and segment ids are slots, so that a call
 * can use what another has returned, or what is there by accident. What a
 * call does not mention has the default that the table of calls gives it.
 */
#ifndef FUZZ_PROG_H
#define FUZZ_PROG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "compiler.h"

#define MAX_STEPS 40
#define NR_PROCS 4
#define NR_FDS 12
#define NR_REGIONS 8
#define NR_KEYS 4

/* Longest text that is read, and longest that is written of a program. */
#define MAX_TEXT 16384

/* A value that the call works out itself: what would be right. */
#define AUTO 0x4155544f4155544fULL

/* Size of a page: there is one architecture. */
#define PAGE 4096UL

/* Who makes a call. */
enum mode {
	MODE_MAIN,	/* the process */
	MODE_ASYNC,	/* a thread of it, and the program goes on */
	MODE_CHILD,	/* a child made by fork, which ends */
	MODE_VM,	/* a child that shares the memory, which ends */
	NR_MODES,
};

/* What a value of a call is, and how it is written. */
enum kind {
	KIND_FD,	/* f0: slot of a descriptor */
	KIND_PROC,	/* p0 */
	KIND_REGION,	/* m0: region of memory */
	KIND_KEY,	/* k0: slot of a segment id */
	KIND_ADDR,	/* m0+0x10, or another base and an offset */
	KIND_NUMBER,	/* 12, 0x1234, 3p (pages), auto */
	KIND_WORDS,	/* flags by name and a rest: rebind|locks|0x40 */
	KIND_CHOICE,	/* one of some names, or a number */
	KIND_ACCESS,	/* 0:0644,1:0600: an access list */
};

/* The values that calls have, each with one meaning in all of them. */
enum role {
	ROLE_FD,
	ROLE_OUT,
	ROLE_TO,
	ROLE_REGION,
	ROLE_INTO,
	ROLE_ADDR,
	ROLE_LEN,
	ROLE_OFF,
	ROLE_ADDR1,
	ROLE_LEN1,
	ROLE_OFF1,
	ROLE_ADDR2,
	ROLE_LEN2,
	ROLE_OFF2,
	ROLE_FIRST,
	ROLE_PAGES,
	ROLE_PROT,
	ROLE_RIGHTS,
	ROLE_FLAGS,
	ROLE_WHAT,
	ROLE_KEY,
	ROLE_ID,
	ROLE_ACCESS,
	ROLE_LIST,
	ROLE_COUNT,
	ROLE_VALUE,
	ROLE_COMPARE,
	ROLE_TIME,
	ROLE_CTL,
	ROLE_NODE,
	ROLE_UNTIL,
	ROLE_SIZE,
	ROLE_RSV,
	ROLE_AT,
	ROLE_FAIL,
	NR_ROLES,
};

/* The calls; each has an entry in op_table[] and a function do_NAME(). */
enum op {
	OP_OPEN,
	OP_OTHER,
	OP_CLOSE,
	OP_DUP,
	OP_CLOEXEC,
	OP_SEND,
	OP_RECV,
	OP_POLL,
	OP_FILE,
	OP_FORK,
	OP_EXEC,
	OP_EXIT,
	OP_KILL,
	OP_USER,
	OP_UMASK,
	OP_LIMIT,
	OP_UNSHARE,
	OP_PAUSE,
	OP_JOIN,
	OP_SLOW,
	OP_MEM,
	OP_MAP,
	OP_UNMAP,
	OP_PROTECT,
	OP_MOVE,
	OP_ADVISE,
	OP_READ,
	OP_WRITE,
	OP_LOOP,
	OP_PEEK,
	OP_POKE,
	OP_STATUS,
	OP_PROC,
	OP_IOCTL,
	OP_INFO,
	OP_CREATE,
	OP_REBIND,
	OP_PUBLISH,
	OP_REPUBLISH,
	OP_UNPUBLISH,
	OP_DESTROY,
	OP_CONNECT,
	OP_PUT,
	OP_GET,
	OP_ATOMIC,
	OP_POST,
	OP_WAIT,
	OP_LOCK,
	OP_UNLOCK,
	OP_GRANT,
	OP_REDEEM,
	OP_FIND,
	OP_NODES,
	OP_FENCE,
	NR_OPS,
};

/* Names of ROLE_WHAT. */
enum {
	OTHER_NULL,
	OTHER_EVENT,
	OTHER_MEMFD,
	OTHER_EPOLL,
	OTHER_SOCKET,
	OTHER_DIR,
};

enum {
	FILE_READ,
	FILE_WRITE,
	FILE_SEEK,
	FILE_SYNC,
	FILE_ALLOCATE,
	FILE_TRUNCATE,
	FILE_SPLICE,
	FILE_STAT,
};

enum {
	EXIT_GROUP,
	EXIT_LEADER,
};

enum {
	KILL_KILL,
	KILL_USR1,
	KILL_STOP,
	KILL_CONT,
};

enum {
	LIMIT_MEMLOCK,
	LIMIT_NOFILE,
};

enum {
	MEM_ANON,
	MEM_SHARED,
	MEM_MEMFD,
	MEM_THP,
	MEM_HUGE,
	MEM_RO,
	MEM_FILE,
	MEM_SECRET,
	MEM_ZERO,
	MEM_DONTFORK,
};

enum {
	MAP_PAGES,
	MAP_STATUS,
	MAP_PRIVATELY,
	MAP_POPULATED,
	MAP_LOCKED_IN,
};

enum {
	LOOP_READ,
	LOOP_WRITE,
	LOOP_BOTH,
};

enum {
	PROC_MAPS,
	PROC_SMAPS,
	PROC_FDINFO,
	PROC_PAGEMAP,
	PROC_MINCORE,
	PROC_STATS,
};

struct step {
	uint8_t op;
	uint8_t proc;
	uint8_t mode;
	uint64_t arg[NR_ROLES];
};

struct prog {
	unsigned int count;
	struct step steps[MAX_STEPS];
};

/* A name in the text and the value that it stands for. */
struct word {
	const char *name;
	uint64_t value;
};

/* A value that a call has, with what it is when the text does not say. */
struct param {
	enum role role;
	uint64_t value;
	const struct word *words;
};

#define MAX_PARAMS 20

struct op_info {
	const char *name;
	struct param params[MAX_PARAMS];	/* ends with NR_ROLES */
};

struct role_info {
	const char *name;
	enum kind kind;
};

/* Base of an address, in its upper byte; the offset is signed. */
enum {
	BASE_REGION,				/* that and the next seven */
	BASE_NULL = BASE_REGION + NR_REGIONS,
	BASE_BUF,				/* private to each process */
	BASE_TOP,				/* end of user addresses */
	BASE_KERNEL,
	BASE_END,				/* the last page of all */
	NR_BASES,
};

#define ADDR_SHIFT 56
#define ADDR(_base, _offset)                                                   \
	((uint64_t)(_base) << ADDR_SHIFT |                                     \
	 ((uint64_t)(_offset) & ((1ULL << ADDR_SHIFT) - 1)))

static inline unsigned int addr_base(uint64_t addr)
{
	return addr >> ADDR_SHIFT;
}

static inline int64_t addr_offset(uint64_t addr)
{
	return (int64_t)(addr << (64 - ADDR_SHIFT)) >> (64 - ADDR_SHIFT);
}

/* An access list: how many entries, and for each a node and a mode. */
#define ACCESS_MAX 3
#define ACCESS_BITS 20

static inline unsigned int access_count(uint64_t list)
{
	return list & 3;
}

static inline unsigned int access_node(uint64_t list, unsigned int i)
{
	return list >> (4 + i * ACCESS_BITS) & 0xf;
}

static inline unsigned int access_mode(uint64_t list, unsigned int i)
{
	return list >> (8 + i * ACCESS_BITS) & 0xffff;
}

static inline uint64_t access_entry(unsigned int i, unsigned int node,
				    unsigned int mode)
{
	return (uint64_t)((mode & 0xffff) << 4 | (node & 0xf)) <<
	       (4 + i * ACCESS_BITS);
}

#define ACCESS_ONE(_mode) ((uint64_t)(_mode) << 8 | 1)

/* table.c */
extern const struct op_info op_table[NR_OPS];
extern const struct role_info role_table[NR_ROLES];
const struct param *find_param(unsigned int op, unsigned int role);
void step_init(struct step *step, unsigned int op, unsigned int proc);

/* text.c */
bool prog_parse(struct prog *prog, const char *text, size_t size, bool strict);
size_t prog_print(const struct prog *prog, char *text, size_t size);
size_t step_print(const struct step *step, char *text, size_t size);

#endif /* FUZZ_PROG_H */
