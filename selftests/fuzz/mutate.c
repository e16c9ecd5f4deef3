// SPDX-License-Identifier: GPL-2.0-only
/*
 * Making up programs. A new call is made for the place where it goes: it
 * mostly uses descriptors, regions and ids that the calls before it have
 * made, so that most calls do something; and now and then anything else.
 */
#include <string.h>

#include <linux/rsmctl.h>
#include <sys/mman.h>

#include "mutate.h"

/* What a slot holds after the calls so far, if they all worked. */
enum holds {
	HOLDS_NOTHING,
	HOLDS_CONTROL,
	HOLDS_EXPORT,
	HOLDS_IMPORT,
	HOLDS_TICKET,
	HOLDS_OTHER,
	HOLDS_MEMORY,
	HOLDS_MAPPING,
};

/* What is there at a place of a program. */
struct scene {
	uint8_t fds[NR_PROCS][NR_FDS];
	uint8_t regions[NR_PROCS][NR_REGIONS];
	uint8_t mail[NR_PROCS];
	bool keys[NR_KEYS];
	bool forked[NR_PROCS];
};

static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 24) % limit;
}

/* True once in @times. */
static bool once_in(uint32_t times)
{
	return !random_below(times);
}

#define PICK(_array) ((_array)[random_below(ARRAY_SIZE(_array))])

/* What calls leave */

static uint8_t new_kind(unsigned int op)
{
	switch (op) {
	case OP_OPEN:
		return HOLDS_CONTROL;
	case OP_CREATE:
		return HOLDS_EXPORT;
	case OP_CONNECT:
	case OP_REDEEM:
		return HOLDS_IMPORT;
	case OP_GRANT:
		return HOLDS_TICKET;
	}
	return HOLDS_OTHER;
}

static void play_memory(struct scene *scene, const struct step *step)
{
	uint8_t *regions = scene->regions[step->proc];
	const uint64_t *arg = step->arg;

	switch (step->op) {
	case OP_MEM:
		regions[arg[ROLE_REGION]] = HOLDS_MEMORY;
		break;
	case OP_MAP:
		regions[arg[ROLE_REGION]] = HOLDS_MAPPING;
		break;
	case OP_UNMAP:
		if (arg[ROLE_PAGES] == AUTO)
			regions[arg[ROLE_REGION]] = HOLDS_NOTHING;
		break;
	case OP_MOVE:
		regions[arg[ROLE_INTO]] = regions[arg[ROLE_REGION]];
		regions[arg[ROLE_REGION]] = HOLDS_NOTHING;
		break;
	}
}

static void play_process(struct scene *scene, const struct step *step)
{
	unsigned int to = step->arg[ROLE_TO], proc = step->proc;

	if (step->op == OP_FORK && !scene->forked[to] && to != proc) {
		scene->forked[to] = true;
		memcpy(scene->fds[to], scene->fds[proc], NR_FDS);
		memcpy(scene->regions[to], scene->regions[proc], NR_REGIONS);
	}
	if (step->op == OP_EXEC)
		memset(scene->regions[proc], HOLDS_NOTHING, NR_REGIONS);
}

static void play(struct scene *scene, const struct step *step)
{
	uint8_t *fds = scene->fds[step->proc];
	const uint64_t *arg = step->arg;

	switch (step->op) {
	case OP_CLOSE:
		fds[arg[ROLE_FD]] = HOLDS_NOTHING;
		break;
	case OP_DUP:
		fds[arg[ROLE_OUT]] = fds[arg[ROLE_FD]];
		break;
	case OP_SEND:
		scene->mail[arg[ROLE_TO]] = fds[arg[ROLE_FD]];
		break;
	case OP_RECV:
		fds[arg[ROLE_OUT]] = scene->mail[step->proc];
		break;
	case OP_PUBLISH:
		scene->keys[arg[ROLE_KEY]] = true;
		break;
	default:
		if (find_param(step->op, ROLE_OUT))
			fds[arg[ROLE_OUT]] = new_kind(step->op);
		play_memory(scene, step);
		play_process(scene, step);
	}
}

/* The scene before step @end. */
static void play_to(struct scene *scene, const struct prog *prog,
		    unsigned int end)
{
	unsigned int i;

	memset(scene, 0, sizeof(*scene));
	for (i = 0; i < end && i < prog->count; i++)
		play(scene, &prog->steps[i]);
}

/* Values */

/* One of the slots that hold @kind, or any if there is none. */
static unsigned int pick_slot(const uint8_t *slots, unsigned int count,
			      uint8_t kind)
{
	unsigned int i, found = 0, slot = random_below(count);

	if (once_in(16))
		return slot;
	for (i = 0; i < count; i++)
		if (slots[i] == kind && !random_below(++found))
			slot = i;
	return slot;
}

/* What the descriptor of a call should be. */
static uint8_t wanted_kind(unsigned int op)
{
	static const uint8_t handles[] = { HOLDS_EXPORT, HOLDS_IMPORT };

	switch (op) {
	case OP_INFO:
	case OP_FIND:
	case OP_NODES:
	case OP_CREATE:
	case OP_CONNECT:
		return HOLDS_CONTROL;
	case OP_REBIND:
	case OP_PUBLISH:
	case OP_REPUBLISH:
	case OP_UNPUBLISH:
	case OP_DESTROY:
	case OP_GRANT:
		return HOLDS_EXPORT;
	case OP_PUT:
	case OP_GET:
	case OP_ATOMIC:
	case OP_FENCE:
	case OP_MAP:
		return HOLDS_IMPORT;
	case OP_REDEEM:
		return HOLDS_TICKET;
	case OP_CLOSE:
	case OP_DUP:
	case OP_SEND:
		return once_in(4) ? HOLDS_TICKET : PICK(handles);
	}
	return PICK(handles);
}

/* And what its region should be. */
static uint8_t wanted_region(unsigned int op)
{
	switch (op) {
	case OP_MEM:
		return once_in(2) ? HOLDS_NOTHING : HOLDS_MEMORY;
	case OP_MAP:
		return once_in(4) ? HOLDS_MAPPING : HOLDS_NOTHING;
	case OP_UNMAP:
	case OP_ADVISE:
	case OP_PROTECT:
		return once_in(3) ? HOLDS_MEMORY : HOLDS_MAPPING;
	}
	return once_in(6) ? HOLDS_MEMORY : HOLDS_MAPPING;
}

static uint64_t pick_pages(void)
{
	static const uint16_t counts[] = { 1, 1, 1, 2, 3, 4, 4, 8, 16 };
	static const uint16_t many[] = { 0, 17, 64, 511, 512, 513, 520, 1025,
					 2049, 2560 };

	if (once_in(3))
		return AUTO;
	return once_in(16) ? PICK(many) : PICK(counts);
}

/* Lengths and offsets that are at the limits of something. */
static uint64_t pick_number(void)
{
	static const uint64_t plain[] = { 0, 8, 16, 64, 64, 72, 128, 512 };
	static const uint64_t edges[] = {
		1, 7, 63, 4088, 4092, PAGE - 1, PAGE, PAGE + 1, PAGE + 64,
		2 * PAGE - 32, 2 * PAGE, 3 * PAGE + 8, 4 * PAGE - 8, 4 * PAGE,
		4 * PAGE + 1, 16 * PAGE,
	};
	static const uint64_t wild[] = {
		1ULL << 31, 1ULL << 32, RSM_MAX_LENGTH - PAGE, RSM_MAX_LENGTH,
		RSM_MAX_LENGTH + PAGE, 1ULL << 47, INT64_MAX, 1ULL << 63,
		-PAGE, -8ULL, -1ULL,
	};

	if (once_in(12))
		return PICK(wild);
	return once_in(3) ? PICK(edges) : PICK(plain);
}

static uint64_t pick_time(void)
{
	static const uint64_t times[] = {
		0, 0, 1, 1000, 1000000, 1000000000, 100000000000,
		RSM_WAIT_FOREVER, RSM_WAIT_FOREVER, INT64_MAX,
	};

	return PICK(times);
}

static uint64_t pick_addr(const struct scene *scene, const struct step *step)
{
	const uint8_t *regions = scene->regions[step->proc];
	bool exports = step->op == OP_CREATE || step->op == OP_REBIND;
	unsigned int base = BASE_BUF;
	uint64_t offset = 0;

	if (exports || once_in(6))
		base = pick_slot(regions, NR_REGIONS, once_in(8) ? HOLDS_MAPPING :
								   HOLDS_MEMORY);
	else if (once_in(8))
		base = pick_slot(regions, NR_REGIONS, HOLDS_MAPPING);
	if (once_in(24))
		base = random_below(NR_BASES);
	if (once_in(exports ? 8 : 3))
		offset = exports && !once_in(4) ? random_below(4) * PAGE :
						  pick_number();
	return ADDR(base, offset);
}

static uint64_t pick_access(void)
{
	static const uint16_t mode[] = { 0600, 0644, 0666, 0640, 0604, 0060,
					 0006, 0400, 0200, 0660, 0, 0777 };
	uint64_t list = 0;
	unsigned int i, count;

	if (once_in(2))
		return 0;
	count = once_in(6) ? random_below(ACCESS_MAX + 1) : 1;
	for (i = 0; i < count; i++)
		list |= access_entry(i, once_in(8) ? random_below(3) : 0,
				     PICK(mode));
	return list | count;
}

static uint64_t pick_words(const struct param *param)
{
	const struct word *word;
	uint64_t value = 0;

	if (once_in(24))
		return 1ULL << random_below(32) | param->value;
	if (!once_in(3))
		return param->value;
	for (word = param->words; word->name; word++)
		value |= once_in(2) ? word->value : 0;
	return value;
}

static uint64_t pick_choice(const struct param *param)
{
	const struct word *words = param->words;
	unsigned int count = 0;

	if (once_in(3))
		return param->value;
	while (words[count].name)
		count++;
	return count ? words[random_below(count)].value : 0;
}

/* Values that are best left alone, but for once in a while. */
static uint64_t pick_rare(const struct param *param)
{
	if (!once_in(40))
		return param->value;
	switch (param->role) {
	case ROLE_FAIL:
		return 1 + random_below(12);
	case ROLE_SIZE:
		return once_in(2) ? random_below(128) : PAGE - random_below(3);
	case ROLE_RSV:
		return 1U << random_below(32);
	case ROLE_COUNT:
		return random_below(70);
	case ROLE_CTL:
	case ROLE_NODE:
		return random_below(3);
	case ROLE_LIST:
	case ROLE_AT:
		return ADDR(random_below(NR_BASES),
			    once_in(2) ? 0 : pick_number());
	default:
		return 0x7fffffff;
	}
}

static uint64_t pick_small(const struct step *step, const struct param *param)
{
	switch (param->role) {
	case ROLE_UNTIL:
		return 1 + random_below(5);
	case ROLE_FIRST:
		return once_in(3) ? random_below(5) : param->value;
	case ROLE_LEN1:
	case ROLE_LEN2:
		return once_in(4) ? pick_number() : AUTO;
	case ROLE_COMPARE:
		return once_in(2) ? 0 : pick_number();
	case ROLE_VALUE:
		if (step->op == OP_ATOMIC)
			return once_in(2) ? AUTO : pick_number();
		if (step->op == OP_UMASK)
			return random_below(8) << 3 | random_below(8);
		return step->op == OP_IOCTL ? random_below(0x200) :
					      random_below(4);
	case ROLE_ID:
		if (step->op == OP_USER)
			return random_below(3);
		/* Few, so that they are in use. */
		if (step->op == OP_PUBLISH && once_in(6))
			return 0x200000 + random_below(2);
		return pick_rare(param);
	default:
		return pick_rare(param);
	}
}

static uint64_t pick_length(const struct step *step)
{
	bool exports = step->op == OP_CREATE || step->op == OP_REBIND ||
		       step->op == OP_MOVE;

	if (!exports)
		return once_in(8) ? random_below(5 * PAGE) : pick_number();
	if (!once_in(4))
		return AUTO;
	return once_in(2) ? pick_number() : (1 + random_below(8)) * PAGE;
}

static uint64_t pick_offset(const struct step *step)
{
	if (step->op == OP_MAP)
		return once_in(3) ? random_below(5) * PAGE :
		       once_in(16) ? pick_number() : 0;
	/* The same few locks, so that they are wanted by several. */
	if (step->op == OP_LOCK || step->op == OP_UNLOCK)
		return once_in(8) ? pick_number() : random_below(2) * 8;
	return pick_number();
}

static uint64_t pick_value(const struct scene *scene, const struct step *step,
			   const struct param *param)
{
	const uint8_t *fds = scene->fds[step->proc];

	switch (param->role) {
	case ROLE_FD:
		return pick_slot(fds, NR_FDS, wanted_kind(step->op));
	case ROLE_OUT:
		return once_in(3) ? random_below(NR_FDS) :
				    pick_slot(fds, NR_FDS, HOLDS_NOTHING);
	case ROLE_TO:
		return random_below(once_in(4) ? NR_PROCS : 2);
	case ROLE_REGION:
		return pick_slot(scene->regions[step->proc], NR_REGIONS,
				 wanted_region(step->op));
	case ROLE_INTO:
		return random_below(NR_REGIONS);
	case ROLE_KEY:
		return once_in(4) ? random_below(NR_KEYS) : 0;
	case ROLE_ADDR:
	case ROLE_ADDR1:
	case ROLE_ADDR2:
		return pick_addr(scene, step);
	case ROLE_LEN:
		return pick_length(step);
	case ROLE_OFF:
	case ROLE_OFF1:
	case ROLE_OFF2:
		return pick_offset(step);
	case ROLE_PAGES:
		return pick_pages();
	case ROLE_TIME:
		return pick_time();
	case ROLE_ACCESS:
		return pick_access();
	case ROLE_WHAT:
		return pick_choice(param);
	case ROLE_PROT:
	case ROLE_RIGHTS:
	case ROLE_FLAGS:
		return pick_words(param);
	default:
		return pick_small(step, param);
	}
}

/* Calls */

/* How often a call is made, and what it needs to make sense. */
static const struct {
	uint8_t op;
	uint8_t weight;
} weights[] = {
	{ OP_OPEN, 4 }, { OP_OTHER, 1 }, { OP_CLOSE, 6 }, { OP_DUP, 2 },
	{ OP_CLOEXEC, 1 }, { OP_SEND, 3 }, { OP_RECV, 3 }, { OP_POLL, 3 },
	{ OP_FILE, 1 }, { OP_FORK, 3 }, { OP_EXEC, 1 }, { OP_EXIT, 2 },
	{ OP_KILL, 2 }, { OP_USER, 3 }, { OP_UMASK, 1 }, { OP_LIMIT, 1 },
	{ OP_UNSHARE, 1 }, { OP_PAUSE, 1 }, { OP_JOIN, 3 }, { OP_SLOW, 1 },
	{ OP_MEM, 8 }, { OP_MAP, 12 }, { OP_UNMAP, 5 }, { OP_PROTECT, 4 },
	{ OP_MOVE, 3 }, { OP_ADVISE, 3 }, { OP_READ, 14 }, { OP_WRITE, 6 },
	{ OP_LOOP, 6 }, { OP_PEEK, 2 }, { OP_POKE, 2 }, { OP_STATUS, 4 },
	{ OP_PROC, 1 }, { OP_IOCTL, 1 }, { OP_INFO, 2 }, { OP_CREATE, 8 },
	{ OP_REBIND, 12 }, { OP_PUBLISH, 9 }, { OP_REPUBLISH, 3 },
	{ OP_UNPUBLISH, 8 }, { OP_DESTROY, 5 }, { OP_CONNECT, 12 },
	{ OP_PUT, 7 }, { OP_GET, 7 }, { OP_ATOMIC, 4 }, { OP_POST, 5 },
	{ OP_WAIT, 5 }, { OP_LOCK, 8 }, { OP_UNLOCK, 5 }, { OP_GRANT, 4 },
	{ OP_REDEEM, 5 }, { OP_FIND, 1 }, { OP_NODES, 2 }, { OP_FENCE, 3 },
};

static unsigned int pick_op(void)
{
	unsigned int i, sum = 0;
	int at;

	for (i = 0; i < ARRAY_SIZE(weights); i++)
		sum += weights[i].weight;
	at = random_below(sum);
	for (i = 0; at >= weights[i].weight; i++)
		at -= weights[i].weight;
	return weights[i].op;
}

static bool has_memory(const struct scene *scene, unsigned int proc)
{
	static const uint8_t nothing[NR_REGIONS];

	return memcmp(scene->regions[proc], nothing, NR_REGIONS);
}

static bool has_wanted(const struct scene *scene, unsigned int op,
		       unsigned int proc)
{
	uint8_t kind = wanted_kind(op);

	if (find_param(op, ROLE_REGION) && op != OP_MEM && op != OP_MAP)
		return has_memory(scene, proc);
	return !find_param(op, ROLE_FD) ||
	       memchr(scene->fds[proc], kind, NR_FDS);
}

static unsigned int pick_mode(unsigned int op)
{
	if (op == OP_LOOP)
		return MODE_ASYNC;
	if ((op == OP_WAIT || op == OP_LOCK || op == OP_POLL) && once_in(2))
		return MODE_ASYNC;
	if (once_in(10))
		return MODE_ASYNC;
	return once_in(20) ? random_below(NR_MODES) : MODE_MAIN;
}

static unsigned int pick_proc(void)
{
	return random_below(once_in(4) ? NR_PROCS : 2);
}

static void fill_step(const struct scene *scene, struct step *step)
{
	const struct param *param = op_table[step->op].params;

	for (; param->role != NR_ROLES; param++)
		step->arg[param->role] = pick_value(scene, step, param);
}

/* A call for a place, that has what it needs if that is to be had at all. */
static void make_step(const struct scene *scene, struct step *step)
{
	unsigned int op, proc, tries;

	for (tries = 0; tries < 12; tries++) {
		op = pick_op();
		proc = pick_proc();
		if (has_wanted(scene, op, proc))
			break;
	}
	step_init(step, op, proc);
	step->mode = pick_mode(op);
	fill_step(scene, step);
}

/* Changes */

static void insert(struct prog *prog, unsigned int at, const struct step *step)
{
	if (prog->count == MAX_STEPS)
		return;
	memmove(&prog->steps[at + 1], &prog->steps[at],
		(prog->count - at) * sizeof(*step));
	prog->steps[at] = *step;
	prog->count++;
}

static void insert_new(struct prog *prog)
{
	unsigned int at = once_in(3) ? prog->count :
				       random_below(prog->count + 1);
	struct scene scene;
	struct step step;

	play_to(&scene, prog, at);
	make_step(&scene, &step);
	insert(prog, at, &step);
}

static void leave_out(struct prog *prog)
{
	unsigned int at;

	if (prog->count < 2)
		return;
	at = random_below(prog->count--);
	memmove(&prog->steps[at], &prog->steps[at + 1],
		(prog->count - at) * sizeof(prog->steps[0]));
}

static void change_value(struct prog *prog)
{
	const struct param *params;
	unsigned int at, count = 0;
	struct scene scene;
	struct step *step;

	if (!prog->count)
		return;
	at = random_below(prog->count);
	step = &prog->steps[at];
	params = op_table[step->op].params;
	while (params[count].role != NR_ROLES)
		count++;
	if (!count)
		return;
	play_to(&scene, prog, at);
	params += random_below(count);
	step->arg[params->role] = pick_value(&scene, step, params);
}

static void change_actor(struct prog *prog)
{
	struct step *step;

	if (!prog->count)
		return;
	step = &prog->steps[random_below(prog->count)];
	if (once_in(2))
		step->proc = pick_proc();
	else
		step->mode = once_in(2) ? MODE_MAIN : random_below(NR_MODES);
}

static void repeat(struct prog *prog)
{
	struct step step;

	if (!prog->count)
		return;
	step = prog->steps[random_below(prog->count)];
	insert(prog, random_below(prog->count + 1), &step);
}

static void swap(struct prog *prog)
{
	struct step step;
	unsigned int at;

	if (prog->count < 2)
		return;
	at = random_below(prog->count - 1);
	step = prog->steps[at];
	prog->steps[at] = prog->steps[at + 1];
	prog->steps[at + 1] = step;
}

/* What comes together as a rule. The first two are what most others need. */
static const char *const idioms[] = {
	"p0 open\np0 mem\np0 create\np0 publish\n",
	"p1 open\np1 connect\np1 map\np1 read\n",
	"p0 mem m=m1\np0 rebind\np1 read\n",
	"p0 unmap m=m0\np0 mem m=m1\np0 rebind\np0 unmap m=m1\n",
	"p0 unpublish\np0 publish\np1 connect\np1 map\n",
	"p0 grant\np0 send fd=f4 to=p1\np1 recv out=f4\np1 redeem\n",
	"p1& lock ns=100000000000\np0 unlock fd=f1\np1 join\n",
	"p1& wait ns=100000000000\np0 post fd=f1\np1 join\n",
	"p0 lock fd=f1\np1& lock ns=100000000000\n",
	"p1 lock\np1 fork\np3 lock\np3 unlock\np1 exit\np0 lock fd=f1\n",
	"p1 lock\np1 close fd=f2\np0 lock fd=f1\n",
	"p1 user\np1 open\np0 republish acl=0:0640\np1 connect rights=r\n",
	"p1 user val=0\np1 open\np0 republish acl=0:0640\np1 connect rights=r\n",
	"p0 grant\np0 unpublish\np0 publish\np0 redeem\n",
	"p0 slow\np1& map\np0 unpublish\np1 join\np1 read\n",
	"p0 slow\np1& map\np0 mem m=m1\np0 rebind\np1 join\np1 read\n",
	"p0 send to=p1\np1 recv out=f2\np1 map\n",
	"p1 map\np1& loop\n",
	"p0 unmap m=m0\np0 mem m=m1\np1& loop pages=auto\np0 rebind\n",
	"p1& loop pages=auto\np0 unpublish\np0 close\np1 join\n",
};

static void add_idiom(struct prog *prog)
{
	const char *text = PICK(idioms);
	unsigned int i, at = random_below(prog->count + 1), turn = 0;
	struct prog idiom;

	if (once_in(3))
		turn = random_below(NR_PROCS);
	prog_parse(&idiom, text, strlen(text), false);
	for (i = 0; i < idiom.count; i++) {
		idiom.steps[i].proc = (idiom.steps[i].proc + turn) % NR_PROCS;
		insert(prog, at + i < prog->count ? at + i : prog->count,
		       &idiom.steps[i]);
	}
}

static void append(struct prog *prog, const char *text)
{
	struct prog idiom;
	unsigned int i;

	prog_parse(&idiom, text, strlen(text), false);
	for (i = 0; i < idiom.count && prog->count < MAX_STEPS; i++)
		prog->steps[prog->count++] = idiom.steps[i];
}

/* Forget what there is: an exporter, an importer, and a few things to do. */
static void start_over(struct prog *prog)
{
	prog->count = 0;
	append(prog, idioms[0]);
	append(prog, idioms[1]);
	do {
		append(prog, PICK(idioms));
	} while (once_in(2));
}

static void change(struct prog *prog)
{
	switch (random_below(16)) {
	case 0 ... 4:
		insert_new(prog);
		break;
	case 5:
	case 6:
		leave_out(prog);
		break;
	case 7 ... 10:
		change_value(prog);
		break;
	case 11:
		change_actor(prog);
		break;
	case 12:
		once_in(2) ? repeat(prog) : swap(prog);
		break;
	default:
		add_idiom(prog);
	}
}

/* Change a program in a few places. */
void mutate(struct prog *prog, uint32_t seed)
{
	unsigned int times;

	random_state = (uint64_t)seed << 20 | 0x5eed1;
	random_below(1);
	if (once_in(10))
		start_over(prog);
	times = 1 + random_below(once_in(4) ? 8 : 3);
	while (times--)
		change(prog);
}

/* The start of one program and the end of another. */
void cross(struct prog *prog, const struct prog *other, uint32_t seed)
{
	unsigned int from;

	random_state = (uint64_t)seed << 20 | 0x5eed2;
	random_below(1);
	prog->count = random_below(prog->count + 1);
	from = random_below(other->count + 1);
	while (from < other->count && prog->count < MAX_STEPS)
		prog->steps[prog->count++] = other->steps[from++];
}
