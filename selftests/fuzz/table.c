// SPDX-License-Identifier: GPL-2.0-only
/*
 * The calls that there are, and which values each of them has.
 */
#include <linux/rsmctl.h>
#include <sys/mman.h>

#include "prog.h"

const struct role_info role_table[NR_ROLES] = {
	[ROLE_FD] = { "fd", KIND_FD },
	[ROLE_OUT] = { "out", KIND_FD },
	[ROLE_TO] = { "to", KIND_PROC },
	[ROLE_REGION] = { "m", KIND_REGION },
	[ROLE_INTO] = { "into", KIND_REGION },
	[ROLE_ADDR] = { "addr", KIND_ADDR },
	[ROLE_LEN] = { "len", KIND_NUMBER },
	[ROLE_OFF] = { "off", KIND_NUMBER },
	[ROLE_ADDR1] = { "addr1", KIND_ADDR },
	[ROLE_LEN1] = { "len1", KIND_NUMBER },
	[ROLE_OFF1] = { "off1", KIND_NUMBER },
	[ROLE_ADDR2] = { "addr2", KIND_ADDR },
	[ROLE_LEN2] = { "len2", KIND_NUMBER },
	[ROLE_OFF2] = { "off2", KIND_NUMBER },
	[ROLE_FIRST] = { "first", KIND_NUMBER },
	[ROLE_PAGES] = { "pages", KIND_NUMBER },
	[ROLE_PROT] = { "prot", KIND_WORDS },
	[ROLE_RIGHTS] = { "rights", KIND_WORDS },
	[ROLE_FLAGS] = { "flags", KIND_WORDS },
	[ROLE_WHAT] = { "what", KIND_CHOICE },
	[ROLE_KEY] = { "key", KIND_KEY },
	[ROLE_ID] = { "id", KIND_NUMBER },
	[ROLE_ACCESS] = { "acl", KIND_ACCESS },
	[ROLE_LIST] = { "list", KIND_ADDR },
	[ROLE_COUNT] = { "n", KIND_NUMBER },
	[ROLE_VALUE] = { "val", KIND_NUMBER },
	[ROLE_COMPARE] = { "cmp", KIND_NUMBER },
	[ROLE_TIME] = { "ns", KIND_NUMBER },
	[ROLE_CTL] = { "ctl", KIND_NUMBER },
	[ROLE_NODE] = { "node", KIND_NUMBER },
	[ROLE_UNTIL] = { "until", KIND_NUMBER },
	[ROLE_SIZE] = { "size", KIND_NUMBER },
	[ROLE_RSV] = { "rsv", KIND_NUMBER },
	[ROLE_AT] = { "at", KIND_ADDR },
	[ROLE_FAIL] = { "fail", KIND_NUMBER },
};

#define END_OF_WORDS { NULL, 0 }

static const struct word none[] = { END_OF_WORDS };

static const struct word other_words[] = {
	{ "null", OTHER_NULL }, { "event", OTHER_EVENT },
	{ "memfd", OTHER_MEMFD }, { "epoll", OTHER_EPOLL },
	{ "socket", OTHER_SOCKET }, { "dir", OTHER_DIR }, END_OF_WORDS
};

static const struct word file_words[] = {
	{ "read", FILE_READ }, { "write", FILE_WRITE }, { "seek", FILE_SEEK },
	{ "sync", FILE_SYNC }, { "allocate", FILE_ALLOCATE },
	{ "truncate", FILE_TRUNCATE }, { "splice", FILE_SPLICE },
	{ "stat", FILE_STAT }, END_OF_WORDS
};

static const struct word exit_words[] = {
	{ "group", EXIT_GROUP }, { "leader", EXIT_LEADER }, END_OF_WORDS
};

static const struct word kill_words[] = {
	{ "kill", KILL_KILL }, { "usr1", KILL_USR1 }, { "stop", KILL_STOP },
	{ "cont", KILL_CONT }, END_OF_WORDS
};

static const struct word limit_words[] = {
	{ "memlock", LIMIT_MEMLOCK }, { "nofile", LIMIT_NOFILE }, END_OF_WORDS
};

static const struct word mem_words[] = {
	{ "anon", MEM_ANON }, { "shared", MEM_SHARED }, { "memfd", MEM_MEMFD },
	{ "thp", MEM_THP }, { "huge", MEM_HUGE }, { "ro", MEM_RO },
	{ "file", MEM_FILE }, { "secret", MEM_SECRET }, { "zero", MEM_ZERO },
	{ "dontfork", MEM_DONTFORK }, END_OF_WORDS
};

static const struct word map_words[] = {
	{ "pages", MAP_PAGES }, { "status", MAP_STATUS },
	{ "private", MAP_PRIVATELY }, { "populate", MAP_POPULATED },
	{ "locked", MAP_LOCKED_IN }, END_OF_WORDS
};

static const struct word prot_words[] = {
	{ "r", PROT_READ }, { "w", PROT_WRITE }, { "x", PROT_EXEC },
	END_OF_WORDS
};

static const struct word right_words[] = {
	{ "r", RSM_RIGHT_READ }, { "w", RSM_RIGHT_WRITE }, END_OF_WORDS
};

static const struct word advise_words[] = {
	{ "dontneed", MADV_DONTNEED }, { "remove", MADV_REMOVE },
	{ "dontfork", MADV_DONTFORK }, { "dofork", MADV_DOFORK },
	{ "free", MADV_FREE }, { "hugepage", MADV_HUGEPAGE },
	{ "nohugepage", MADV_NOHUGEPAGE }, { "mergeable", MADV_MERGEABLE },
	{ "wipeonfork", MADV_WIPEONFORK }, { "dodump", MADV_DODUMP },
	{ "cold", MADV_COLD }, { "pageout", MADV_PAGEOUT },
	{ "populate_read", MADV_POPULATE_READ },
	{ "populate_write", MADV_POPULATE_WRITE },
	{ "collapse", 25 }, END_OF_WORDS
};

static const struct word loop_words[] = {
	{ "read", LOOP_READ }, { "write", LOOP_WRITE }, { "both", LOOP_BOTH },
	END_OF_WORDS
};

static const struct word proc_words[] = {
	{ "maps", PROC_MAPS }, { "smaps", PROC_SMAPS },
	{ "fdinfo", PROC_FDINFO }, { "pagemap", PROC_PAGEMAP },
	{ "mincore", PROC_MINCORE }, { "stats", PROC_STATS }, END_OF_WORDS
};

static const struct word export_words[] = {
	{ "rebind", RSM_EXPORT_ALLOW_REBIND },
	{ "dontwait", RSM_EXPORT_DONTWAIT },
	{ "locks", RSM_EXPORT_LOCK_OPS }, END_OF_WORDS
};

static const struct word post_words[] = {
	{ "once", RSM_SIGNAL_NO_ACCUMULATE }, END_OF_WORDS
};

static const struct word lock_words[] = {
	{ "try", RSM_LOCK_TRY }, END_OF_WORDS
};

static const struct word atomic_words[] = {
	{ "cas", RSM_ATOMIC_CAS }, { "add", RSM_ATOMIC_ADD },
	{ "swap", RSM_ATOMIC_SWAP }, END_OF_WORDS
};

static const struct word poll_words[] = {
	{ "in", 0x1 }, { "pri", 0x2 }, { "out", 0x4 }, { "norm", 0x40 },
	END_OF_WORDS
};

#define BOTH_RIGHTS (RSM_RIGHT_READ | RSM_RIGHT_WRITE)
#define BUF ADDR(BASE_BUF, 0)

#define FAIL { ROLE_FAIL, 0, none }
#define SIZE { ROLE_SIZE, AUTO, none }
#define RSV { ROLE_RSV, 0, none }
#define AT { ROLE_AT, AUTO, none }
#define FD(_slot) { ROLE_FD, _slot, none }
#define OUT(_slot) { ROLE_OUT, _slot, none }
#define NUMBER(_role, _value) { ROLE_##_role, _value, none }
#define NAMED(_role, _value, _words) { ROLE_##_role, _value, _words }
#define END { NR_ROLES, 0, NULL }

const struct op_info op_table[NR_OPS] = {
	[OP_OPEN] = { "open", {
		OUT(0), FAIL, END } },
	[OP_OTHER] = { "other", {
		OUT(8), NAMED(WHAT, OTHER_NULL, other_words), END } },
	[OP_CLOSE] = { "close", {
		FD(1), END } },
	[OP_DUP] = { "dup", {
		FD(1), OUT(9), END } },
	[OP_CLOEXEC] = { "cloexec", {
		FD(1), NUMBER(VALUE, 0), END } },
	[OP_SEND] = { "send", {
		FD(1), NUMBER(TO, 1), END } },
	[OP_RECV] = { "recv", {
		OUT(3), END } },
	[OP_POLL] = { "poll", {
		FD(2), NAMED(FLAGS, 0x41, poll_words), NUMBER(TIME, 0), END } },
	[OP_FILE] = { "file", {
		FD(2), NAMED(WHAT, FILE_READ, file_words), END } },
	[OP_FORK] = { "fork", {
		NUMBER(TO, 3), FAIL, END } },
	[OP_EXEC] = { "exec", {
		END } },
	[OP_EXIT] = { "exit", {
		NAMED(WHAT, EXIT_GROUP, exit_words), END } },
	[OP_KILL] = { "kill", {
		NUMBER(TO, 0), NAMED(WHAT, KILL_KILL, kill_words), END } },
	[OP_USER] = { "user", {
		NUMBER(ID, 1), NUMBER(VALUE, 1), END } },
	[OP_UMASK] = { "umask", {
		NUMBER(VALUE, 022), END } },
	[OP_LIMIT] = { "limit", {
		NAMED(WHAT, LIMIT_MEMLOCK, limit_words), NUMBER(VALUE, 4),
		END } },
	[OP_UNSHARE] = { "unshare", {
		END } },
	[OP_PAUSE] = { "pause", {
		NUMBER(VALUE, 1), END } },
	[OP_JOIN] = { "join", {
		END } },
	[OP_SLOW] = { "slow", {
		NUMBER(VALUE, 20), END } },
	[OP_MEM] = { "mem", {
		NUMBER(REGION, 0), NUMBER(PAGES, 4),
		NAMED(WHAT, MEM_ANON, mem_words), END } },
	[OP_MAP] = { "map", {
		NUMBER(REGION, 4), FD(2), NUMBER(OFF, 0), NUMBER(PAGES, AUTO),
		NAMED(PROT, PROT_READ | PROT_WRITE, prot_words),
		NAMED(WHAT, MAP_PAGES, map_words), NUMBER(FIRST, 0), FAIL,
		END } },
	[OP_UNMAP] = { "unmap", {
		NUMBER(REGION, 4), NUMBER(FIRST, 0), NUMBER(PAGES, AUTO), FAIL,
		END } },
	[OP_PROTECT] = { "protect", {
		NUMBER(REGION, 4), NUMBER(FIRST, 0), NUMBER(PAGES, AUTO),
		NAMED(PROT, PROT_READ | PROT_WRITE, prot_words), FAIL, END } },
	[OP_MOVE] = { "move", {
		NUMBER(REGION, 4), NUMBER(FIRST, 0), NUMBER(PAGES, AUTO),
		NUMBER(INTO, 5), NUMBER(LEN, AUTO), FAIL, END } },
	[OP_ADVISE] = { "advise", {
		NUMBER(REGION, 4), NUMBER(FIRST, 0), NUMBER(PAGES, AUTO),
		NAMED(WHAT, MADV_DONTNEED, advise_words), FAIL, END } },
	[OP_READ] = { "read", {
		NUMBER(REGION, 4), NUMBER(FIRST, 0), NUMBER(PAGES, 1), END } },
	[OP_WRITE] = { "write", {
		NUMBER(REGION, 4), NUMBER(FIRST, 0), NUMBER(PAGES, 1), END } },
	[OP_LOOP] = { "loop", {
		NUMBER(REGION, 4), NUMBER(FIRST, 0), NUMBER(PAGES, 1),
		NAMED(WHAT, LOOP_READ, loop_words), NUMBER(UNTIL, 2), END } },
	[OP_PEEK] = { "peek", {
		NUMBER(TO, 0), NUMBER(REGION, 4), NUMBER(FIRST, 0), END } },
	[OP_POKE] = { "poke", {
		NUMBER(TO, 0), NUMBER(REGION, 4), NUMBER(FIRST, 0), END } },
	[OP_STATUS] = { "status", {
		FD(2), END } },
	[OP_PROC] = { "proc", {
		NAMED(WHAT, PROC_MAPS, proc_words), NUMBER(REGION, 4), FD(2),
		END } },
	[OP_IOCTL] = { "ioctl", {
		FD(2), NUMBER(VALUE, 0x80), AT, NUMBER(SIZE, 16), END } },
	[OP_INFO] = { "info", {
		FD(0), NUMBER(CTL, 0), NUMBER(FLAGS, 0), SIZE, RSV, AT, FAIL,
		END } },
	[OP_CREATE] = { "create", {
		FD(0), OUT(1), NUMBER(ADDR, ADDR(0, 0)), NUMBER(LEN, AUTO),
		NUMBER(CTL, 0),
		NAMED(FLAGS, RSM_EXPORT_ALLOW_REBIND | RSM_EXPORT_LOCK_OPS, export_words),
		SIZE, RSV, AT, FAIL, END } },
	[OP_REBIND] = { "rebind", {
		FD(1), NUMBER(ADDR, ADDR(1, 0)), NUMBER(LEN, AUTO),
		NUMBER(FLAGS, 0), SIZE, RSV, AT, FAIL, END } },
	[OP_PUBLISH] = { "publish", {
		FD(1), NUMBER(KEY, 0), NUMBER(ID, 0), NUMBER(ACCESS, 0),
		NUMBER(LIST, AUTO), NUMBER(COUNT, AUTO), NUMBER(FLAGS, 0), SIZE,
		RSV, AT, FAIL, END } },
	[OP_REPUBLISH] = { "republish", {
		FD(1), NUMBER(ACCESS, 0), NUMBER(LIST, AUTO),
		NUMBER(COUNT, AUTO), NUMBER(FLAGS, 0), SIZE, RSV, AT, FAIL,
		END } },
	[OP_UNPUBLISH] = { "unpublish", {
		FD(1), NUMBER(FLAGS, 0), SIZE, RSV, AT, FAIL, END } },
	[OP_DESTROY] = { "destroy", {
		FD(1), NUMBER(FLAGS, 0), SIZE, RSV, AT, FAIL, END } },
	[OP_CONNECT] = { "connect", {
		FD(0), OUT(2), NUMBER(KEY, 0), NUMBER(ID, 0),
		NAMED(RIGHTS, BOTH_RIGHTS, right_words), NUMBER(CTL, 0),
		NUMBER(NODE, 0), NUMBER(FLAGS, 0), SIZE, RSV, AT, FAIL, END } },
	[OP_PUT] = { "put", {
		FD(2), NUMBER(ADDR, BUF), NUMBER(OFF, 64), NUMBER(LEN, 64),
		NUMBER(ADDR1, BUF + 0x4000), NUMBER(OFF1, 0),
		NUMBER(LEN1, AUTO), NUMBER(ADDR2, BUF + 0x8000),
		NUMBER(OFF2, 0), NUMBER(LEN2, AUTO), NUMBER(LIST, AUTO),
		NUMBER(COUNT, AUTO), NUMBER(FLAGS, 0), SIZE, RSV, AT, FAIL,
		END } },
	[OP_GET] = { "get", {
		FD(2), NUMBER(ADDR, BUF), NUMBER(OFF, 64), NUMBER(LEN, 64),
		NUMBER(ADDR1, BUF + 0x4000), NUMBER(OFF1, 0),
		NUMBER(LEN1, AUTO), NUMBER(ADDR2, BUF + 0x8000),
		NUMBER(OFF2, 0), NUMBER(LEN2, AUTO), NUMBER(LIST, AUTO),
		NUMBER(COUNT, AUTO), NUMBER(FLAGS, 0), SIZE, RSV, AT, FAIL,
		END } },
	[OP_ATOMIC] = { "atomic", {
		FD(2), NAMED(WHAT, RSM_ATOMIC_SWAP, atomic_words),
		NUMBER(OFF, 64), NUMBER(COMPARE, 0), NUMBER(VALUE, AUTO),
		NUMBER(FLAGS, 0), SIZE, RSV, AT, FAIL, END } },
	[OP_POST] = { "post", {
		FD(2), NAMED(FLAGS, 0, post_words), SIZE, RSV, AT, FAIL,
		END } },
	[OP_WAIT] = { "wait", {
		FD(2), NUMBER(TIME, 0), NUMBER(FLAGS, 0), SIZE, RSV, AT, FAIL,
		END } },
	[OP_LOCK] = { "lock", {
		FD(2), NUMBER(OFF, 0), NUMBER(TIME, 0),
		NAMED(FLAGS, 0, lock_words), SIZE, RSV, AT, FAIL, END } },
	[OP_UNLOCK] = { "unlock", {
		FD(2), NUMBER(OFF, 0), NUMBER(FLAGS, 0), SIZE, RSV, AT, FAIL,
		END } },
	[OP_GRANT] = { "grant", {
		FD(1), OUT(4), NAMED(RIGHTS, BOTH_RIGHTS, right_words),
		NUMBER(FLAGS, 0), SIZE, RSV, AT, FAIL, END } },
	[OP_REDEEM] = { "redeem", {
		FD(4), OUT(2), NAMED(RIGHTS, BOTH_RIGHTS, right_words),
		NUMBER(FLAGS, 0), SIZE, RSV, AT, FAIL, END } },
	[OP_FIND] = { "find", {
		FD(0), NUMBER(CTL, 0), NUMBER(FLAGS, 0), SIZE, RSV, AT, FAIL,
		END } },
	[OP_NODES] = { "nodes", {
		FD(0), NUMBER(CTL, 0), NUMBER(LIST, AUTO), NUMBER(COUNT, AUTO),
		NUMBER(FLAGS, 0), SIZE, RSV, AT, FAIL, END } },
	[OP_FENCE] = { "fence", {
		FD(2), NUMBER(FLAGS, 0), SIZE, RSV, AT, FAIL, END } },
};

/* The entry of a value that a call has, or NULL. */
const struct param *find_param(unsigned int op, unsigned int role)
{
	const struct param *param;

	for (param = op_table[op].params; param->role != NR_ROLES; param++)
		if (param->role == role)
			return param;
	return NULL;
}

/* A call with its defaults. */
void step_init(struct step *step, unsigned int op, unsigned int proc)
{
	const struct param *param;

	*step = (struct step){ .op = op, .proc = proc };
	for (param = op_table[op].params; param->role != NR_ROLES; param++)
		step->arg[param->role] = param->value;
}
