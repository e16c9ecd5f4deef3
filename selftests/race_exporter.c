// SPDX-License-Identifier: GPL-2.0-only
/*
 * The suite "race": exporters. Two threads do what comes to them to the same
 * few segments, and only a new descriptor is waited for: calls on the same
 * segment meet in the driver.
 *
 * What memory is bound, and what no longer, is known of each thread's own:
 * a set is replaced for certain when another rebind that began after its own
 * had returned has returned, too.
 */
#include "race.h"

#include <pthread.h>

/* Sets of a thread whose memory is there still, or that may be bound. */
#define HELD_MAX 10
#define HELD_MAX_HUGE 4

/* Steps for which poisoned memory is watched. */
#define WATCH_STEPS 8

#define LOCK_OFFSETS 4
#define SHORT_NS 2000000

/* What becomes of the memory of a set when it is bound. */
enum fate {
	FREE_AT_ONCE,	/* then only the segment has the pages */
	DROP_AT_ONCE,	/* the same, but the mapping stays */
	FREE_WHEN_OLD,
	WATCH_WHEN_OLD,	/* poison it, and see if somebody writes to it */
	FATES,
};

/**
 * struct held - a set of a thread
 * @number: its number, or 0 if there is none
 * @segment: what it was given to
 * @pages: number of its pages
 * @mem: its memory, or NULL
 * @bytes: size of that
 * @fate: what is to become of it
 * @watched: poisoned in this step, or 0
 */
struct held {
	uint32_t number, segment, pages;
	char *mem;
	size_t bytes;
	enum fate fate;
	uint64_t watched;
};

/**
 * struct slot - place for a segment
 * @lock: to be held for writing to get another descriptor
 * @fd: the export, or -1
 * @segment: its record
 * @pages: its length
 * @segid: the id that it is published under, or 0
 * @begun: calls of publish
 * @returned: those that have returned, and have been entered
 */
struct slot {
	pthread_rwlock_t lock;
	int fd;
	uint32_t segment, pages;
	__u32 segid;
	uint32_t begun, returned;
};

/* Children have all descriptors for a while. */
static pthread_mutex_t fork_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int children;

struct exporter {
	struct race_worker worker;
	struct slot *slots;
	int ctl;
	pid_t child;
	struct held held[HELD_MAX];
};

static struct race_set *set_of(struct exporter *exporter, uint32_t number)
{
	return &exporter->worker.race->set[number];
}

static struct race_segment *segment_of(struct exporter *exporter,
				       uint32_t number)
{
	return &exporter->worker.race->segment[number];
}

/* The number of a new record, or 0 when there is none left. */
static uint32_t new_record(uint32_t *count, uint32_t max)
{
	uint32_t number = __atomic_add_fetch(count, 1, __ATOMIC_RELAXED);

	return number < max ? number : 0;
}

/* Memory */

static bool is_old(struct exporter *exporter, const struct held *held)
{
	struct race_set *set = set_of(exporter, held->number);
	struct race_segment *segment = segment_of(exporter, held->segment);

	if (set->failed || race_get64(&segment->ended))
		return true;
	return set->end && set->end < race_get64(&segment->floor);
}

static void free_memory(struct held *held)
{
	if (held->mem)
		munmap(held->mem, held->bytes);
	held->mem = NULL;
}

/* True when the set is to be forgotten. */
static bool look_after(struct exporter *exporter, struct held *held)
{
	struct race_worker *worker = &exporter->worker;
	uint64_t spoilt;

	if (!is_old(exporter, held))
		return false;
	if (!held->mem || held->fate != WATCH_WHEN_OLD)
		return true;
	if (!held->watched) {
		race_memory_poison(held->mem, held->pages);
		held->watched = worker->step;
		return false;
	}
	if (worker->step - held->watched < WATCH_STEPS)
		return false;
	spoilt = race_memory_spoilt(held->mem, held->pages);
	if (spoilt)
		race_breach(worker, RACE_WRITTEN, spoilt, held->number,
			    held->segment, 0);
	return true;
}

static struct held *free_held(struct exporter *exporter)
{
	bool huge = exporter->worker.race->memory == RACE_HUGETLB ||
		    exporter->worker.race->memory == RACE_TRANSPARENT;
	unsigned int i, max = huge ? HELD_MAX_HUGE : HELD_MAX;
	struct held *held, *found = NULL;

	for (i = 0; i < max; i++) {
		held = &exporter->held[i];
		if (held->number && look_after(exporter, held)) {
			free_memory(held);
			held->number = 0;
		}
		if (!held->number)
			found = held;
	}
	return found;
}

/* A set of the segment that is bound now, or was; with its memory. */
static struct held *find_held(struct exporter *exporter, uint32_t segment)
{
	struct held *held = exporter->held;
	unsigned int i;

	for (i = 0; i < HELD_MAX; i++, held++)
		if (held->number && held->mem && held->segment == segment &&
		    !held->watched && held->fate != DROP_AT_ONCE &&
		    !set_of(exporter, held->number)->failed)
			return held;
	return NULL;
}

/*
 * Memory with the stamps of a new set, or NULL; in the place of another set's
 * of the segment if @in_place.
 */
static struct held *new_set(struct exporter *exporter, uint32_t segment,
			    uint32_t pages, bool in_place)
{
	struct race *race = exporter->worker.race;
	struct held *held = free_held(exporter);
	struct held *at = in_place ? find_held(exporter, segment) : NULL;
	uint32_t number;

	if (!held || (in_place && !at))
		return NULL;
	*held = (struct held){
		.segment = segment,
		.pages = pages,
		.bytes = race_bytes(race, pages),
		.fate = race_random(&exporter->worker, FATES),
	};
	number = new_record(&race->sets, RACE_SETS_MAX);
	if (number)
		held->mem = race_memory_new(race, held->bytes,
					    at ? at->mem : NULL);
	if (!held->mem)
		return NULL;
	if (at)
		at->mem = NULL;
	race_memory_fill(held->mem, pages, number);
	set_of(exporter, number)->segment = segment;
	held->number = number;
	return held;
}

/* The set is about to be given to the driver, perhaps not the first time. */
static void begin_set(struct exporter *exporter, struct held *held)
{
	struct race_set *set = set_of(exporter, held->number);

	race_set64(&set->end, 0);
	race_set64(&set->begin, race_now(exporter->worker.race));
}

/* Sets whose rebind had returned before this one began have been replaced. */
static void raise_floor(struct race_segment *segment, uint64_t begin)
{
	uint64_t floor = race_get64(&segment->floor);

	while (floor < begin &&
	       !__atomic_compare_exchange_n(&segment->floor, &floor, begin,
					    false, __ATOMIC_ACQ_REL,
					    __ATOMIC_ACQUIRE))
		;
}

static void end_set(struct exporter *exporter, struct held *held, int ret)
{
	struct race *race = exporter->worker.race;
	struct race_set *set = set_of(exporter, held->number);

	if (ret) {
		race_set32(&set->failed, 1);
		return;
	}
	raise_floor(segment_of(exporter, held->segment), set->begin);
	race_set64(&set->end, race_now(race));
	if (held->fate == FREE_AT_ONCE)
		free_memory(held);
	else if (held->fate == DROP_AT_ONCE)
		race_memory_drop(race, held->mem, held->bytes);
}

/* What can be done to a segment */

static int give(struct exporter *exporter, struct slot *slot,
		struct held *held)
{
	__u32 error = 0;
	int ret;

	begin_set(exporter, held);
	ret = rsm_rebind(slot->fd, held->mem, slot->pages * rsm_page_size(),
			 &error);
	return race_result(&exporter->worker, RACE_REBIND, ret, error);
}

static void rebind(struct exporter *exporter, struct slot *slot)
{
	enum race_memory memory = exporter->worker.race->memory;
	bool in_place = !race_random(&exporter->worker, 6) &&
			(memory == RACE_ANONYMOUS || memory == RACE_MEMFD);
	struct held *held = new_set(exporter, slot->segment, slot->pages,
				    in_place);

	if (held)
		end_set(exporter, held, give(exporter, slot, held));
}

/* To memory that has been given before. */
static void rebind_again(struct exporter *exporter, struct slot *slot)
{
	struct held *held = find_held(exporter, slot->segment);

	if (!held)
		return;
	/* If it fails the set is what it was before, which is hard to tell. */
	if (!give(exporter, slot, held))
		end_set(exporter, held, 0);
	else
		race_set64(&set_of(exporter, held->number)->end,
			   race_now(exporter->worker.race));
}

static uint32_t *shown(struct exporter *exporter, struct slot *slot)
{
	struct race_worker *worker = &exporter->worker;
	unsigned int i = slot - exporter->slots;

	return &worker->race->slots[worker->process][i].publication;
}

static void publish(struct exporter *exporter, struct slot *slot)
{
	struct race *race = exporter->worker.race;
	uint32_t number = new_record(&race->publications,
				     RACE_PUBLICATIONS_MAX);
	__u32 error = 0, segid = slot->segid;
	int ret;

	if (!number)
		return;
	__atomic_add_fetch(&slot->begun, 1, __ATOMIC_ACQ_REL);
	ret = rsm_publish(slot->fd, &segid, NULL, 0, &error);
	if (!race_result(&exporter->worker, RACE_PUBLISH, ret, error)) {
		race->publication[number].segment = slot->segment;
		race->publication[number].segid = segid;
		race->publication[number].named = slot->segid != 0;
		race_set32(shown(exporter, slot), number);
	}
	__atomic_add_fetch(&slot->returned, 1, __ATOMIC_ACQ_REL);
}

static void republish(struct exporter *exporter, struct slot *slot)
{
	const struct rsm_access_entry all = { 0, 0666 };
	__u32 error = 0;
	int ret;

	ret = rsm_republish(slot->fd, &all, race_random(&exporter->worker, 2),
			    &error);
	race_result(&exporter->worker, RACE_REPUBLISH, ret, error);
}

/* What was published before the call is not any more, whoever ended it. */
static void forget(struct exporter *exporter, struct slot *slot,
		   uint32_t publication)
{
	struct race *race = exporter->worker.race;

	if (publication)
		race_set64(&race->publication[publication].ended,
			   race_now(race));
	__atomic_compare_exchange_n(shown(exporter, slot), &publication, 0,
				    false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* The segment has ended, whatever it was published as. */
static void end_segment(struct exporter *exporter, struct slot *slot)
{
	struct race *race = exporter->worker.race;

	race_set64(&segment_of(exporter, slot->segment)->ended,
		   race_now(race));
}

static void unpublish(struct exporter *exporter, struct slot *slot)
{
	uint32_t publication = race_get32(shown(exporter, slot));
	__u32 error = 0;
	int ret = rsm_unpublish(slot->fd, &error);

	if (!race_result(&exporter->worker, RACE_UNPUBLISH, ret, error))
		forget(exporter, slot, publication);
}

static void destroy(struct exporter *exporter, struct slot *slot)
{
	uint32_t publication = race_get32(shown(exporter, slot));
	__u32 error = 0;
	int ret = rsm_destroy(slot->fd, &error);

	if (race_result(&exporter->worker, RACE_DESTROY, ret, error))
		return;
	end_segment(exporter, slot);
	forget(exporter, slot, publication);
}

static void send_ticket(const struct race *race, int fd,
			struct race_ticket ticket)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &ticket, sizeof(ticket) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	/* When nobody takes them the queue is full, and the ticket is lost. */
	if (sendmsg(race->tickets[0], &msg, MSG_DONTWAIT) < 0)
		return;
}

/* Tickets are sent only if it is known which publication they are for. */
static void grant(struct exporter *exporter, struct slot *slot)
{
	uint32_t returned = race_get32(&slot->returned);
	uint32_t begun = race_get32(&slot->begun);
	struct race_ticket ticket = {
		.publication = race_get32(shown(exporter, slot)),
		.rights = RSM_RIGHT_READ,
	};
	__u32 error = 0;
	int fd, ret;

	if (race_random(&exporter->worker, 3))
		ticket.rights |= RSM_RIGHT_WRITE;
	ret = rsm_grant(slot->fd, ticket.rights, &fd, &error);
	if (race_result(&exporter->worker, RACE_GRANT, ret, error))
		return;
	if (ticket.publication && returned == begun &&
	    ticket.publication == race_get32(shown(exporter, slot)) &&
	    begun == race_get32(&slot->begun))
		send_ticket(exporter->worker.race, fd, ticket);
	close(fd);
}

static void signal_or_lock(struct exporter *exporter, struct slot *slot)
{
	struct race_worker *worker = &exporter->worker;
	__u64 offset = race_random(worker, LOCK_OFFSETS) * sizeof(__u64);
	__u64 timeout = race_random(worker, SHORT_NS);
	enum race_op op = RACE_POST + race_random(worker, 4);
	__u32 error = 0;
	int ret;

	if (op == RACE_POST)
		ret = rsm_post(slot->fd, 0, &error);
	else if (op == RACE_TAKE)
		ret = rsm_take(slot->fd, timeout, &error);
	else if (op == RACE_LOCK)
		ret = rsm_lock(slot->fd, offset, timeout, NULL, &error);
	else
		ret = rsm_unlock(slot->fd, offset, &error);
	race_result(worker, op, ret, error);
}

/* A child has the descriptors for a while, but may not do what its parent may. */
static void live_on(struct exporter *exporter, int fd)
{
	struct race_worker *worker = &exporter->worker;
	__u32 error = 0;
	int ret = rsm_unpublish(fd, &error);

	if (ret != -EPERM || error != RSM_ERR_NOT_CREATOR)
		race_breach(worker, RACE_ERROR, -ret, error, 0, 0);
	rsm_sleep_ms(race_random(worker, 30));
	_exit(0);
}

static void reap(struct exporter *exporter, int options)
{
	if (exporter->child <= 0 ||
	    !waitpid(exporter->child, NULL, options))
		return;
	exporter->child = 0;
	pthread_mutex_lock(&fork_lock);
	children--;
	pthread_mutex_unlock(&fork_lock);
}

static void fork_child(struct exporter *exporter, struct slot *slot)
{
	struct race_worker *worker = &exporter->worker;

	reap(exporter, WNOHANG);
	if (exporter->child > 0)
		return;
	worker->op = RACE_FORK;
	pthread_mutex_lock(&fork_lock);
	exporter->child = fork();
	if (!exporter->child)
		live_on(exporter, slot->fd);
	if (exporter->child > 0)
		children++;
	pthread_mutex_unlock(&fork_lock);
	race_result(worker, RACE_FORK, exporter->child < 0 ? -errno : 0, 0);
}

/* @what: a number below 64 */
static void do_something(struct exporter *exporter, struct slot *slot,
			 unsigned int what)
{
	switch (what) {
	case 0 ... 7:
		publish(exporter, slot);
		break;
	case 8 ... 9:
		republish(exporter, slot);
		break;
	case 10 ... 13:
		unpublish(exporter, slot);
		break;
	case 14 ... 15:
		destroy(exporter, slot);
		break;
	case 16 ... 19:
		grant(exporter, slot);
		break;
	case 20 ... 28:
		signal_or_lock(exporter, slot);
		break;
	case 29:
		fork_child(exporter, slot);
		break;
	case 30 ... 33:
		rebind_again(exporter, slot);
		break;
	default:
		rebind(exporter, slot);
	}
}

/* Descriptors */

/* To close the descriptor is enough, if no child has it, too. */
static void close_export(struct exporter *exporter, struct slot *slot)
{
	if (slot->fd < 0)
		return;
	pthread_mutex_lock(&fork_lock);
	if (children || race_random(&exporter->worker, 2))
		destroy(exporter, slot);
	close(slot->fd);
	pthread_mutex_unlock(&fork_lock);
	end_segment(exporter, slot);
	race_set32(shown(exporter, slot), 0);
	slot->fd = -1;
}

static void make_export(struct exporter *exporter, struct slot *slot)
{
	struct race_worker *worker = &exporter->worker;
	struct race *race = worker->race;
	uint32_t segment = new_record(&race->segments, RACE_SEGMENTS_MAX);
	uint32_t pages = race_pick_pages(worker);
	__u32 flags = RSM_EXPORT_ALLOW_REBIND, error = 0;
	struct held *held;
	int ret;

	held = segment ? new_set(exporter, segment, pages, false) : NULL;
	if (!held)
		return;
	race->segment[segment].pages = pages;
	race->segment[segment].locks = race_random(worker, 4) != 0;
	if (race->segment[segment].locks)
		flags |= RSM_EXPORT_LOCK_OPS;
	begin_set(exporter, held);
	ret = rsm_create(exporter->ctl, 0, held->mem, pages * rsm_page_size(),
			 flags, &slot->fd, &error);
	end_set(exporter, held, ret);
	if (race_result(worker, RACE_CREATE, ret, error))
		return;
	slot->segment = segment;
	slot->pages = pages;
	race_set32(&race->slots[worker->process][slot - exporter->slots].segment,
		   segment);
	publish(exporter, slot);
}

static bool is_over(struct exporter *exporter, struct slot *slot)
{
	return slot->fd < 0 ||
	       race_get64(&segment_of(exporter, slot->segment)->ended);
}

static void make_again(struct exporter *exporter, struct slot *slot)
{
	pthread_rwlock_wrlock(&slot->lock);
	if (is_over(exporter, slot)) {
		close_export(exporter, slot);
		make_export(exporter, slot);
	}
	pthread_rwlock_unlock(&slot->lock);
}

static void step(struct exporter *exporter)
{
	struct race_worker *worker = &exporter->worker;
	struct slot *slot;
	unsigned int what;
	bool beyond, over;

	race_next_step(worker);
	slot = &exporter->slots[race_random(worker, RACE_SLOTS)];
	what = race_random(worker, 64);
	beyond = !race_random(worker, 4);
	/* With an id of its own it is published by one at a time. */
	if (slot->segid)
		pthread_rwlock_wrlock(&slot->lock);
	else
		pthread_rwlock_rdlock(&slot->lock);
	over = is_over(exporter, slot);
	if (slot->fd >= 0 && (!over || beyond))
		do_something(exporter, slot, what);
	pthread_rwlock_unlock(&slot->lock);
	if (over && !beyond)
		make_again(exporter, slot);
}

static void *run(void *arg)
{
	struct exporter *exporter = arg;

	while (race_goes_on(exporter->worker.race))
		step(exporter);
	reap(exporter, 0);
	return NULL;
}

static void end_all(struct exporter *exporter)
{
	unsigned int i;

	for (i = 0; i < RACE_SLOTS; i++)
		close_export(exporter, &exporter->slots[i]);
	/* Nothing is pinned any more. */
	if (rsm_vm_pin())
		race_breach(&exporter->worker, RACE_CHARGED, rsm_vm_pin(), 0,
			    0, 0);
}

static void init_slots(struct race_worker *worker, struct slot *slots)
{
	unsigned int i;

	for (i = 0; i < RACE_SLOTS; i++) {
		pthread_rwlock_init(&slots[i].lock, NULL);
		slots[i].fd = -1;
	}
	slots[0].segid = 0x200000 + worker->process;
}

/* An exporter's process. */
int race_export(struct race *race, unsigned int process, unsigned int life)
{
	static struct exporter exporters[RACE_EXPORT_THREADS];
	static struct slot slots[RACE_SLOTS];
	pthread_t threads[RACE_EXPORT_THREADS];
	int i, ctl = rsm_open();

	for (i = 0; i < RACE_EXPORT_THREADS; i++) {
		race_worker_init(&exporters[i].worker, race, process, life, i);
		exporters[i].slots = slots;
		exporters[i].ctl = ctl;
	}
	init_slots(&exporters[0].worker, slots);
	for (i = 0; i < RACE_EXPORT_THREADS; i++)
		if (pthread_create(&threads[i], NULL, run, &exporters[i]))
			return 1;
	for (i = 0; i < RACE_EXPORT_THREADS; i++)
		pthread_join(threads[i], NULL);
	end_all(&exporters[0]);
	return 0;
}
