// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Several processes count in a segment with plain loads and stores, under a
 * lock of the segment. One is killed while it has the lock, its work half done:
 * the next owner is told so and repairs what the lock protects.
 */
#include <signal.h>
#include <string.h>

#include "example.h"

#define WORKERS 4
#define ROUNDS 1000

/* The worker that is killed, and the rounds it begins until then. */
#define VICTIM 1
#define VICTIM_ROUNDS (ROUNDS / 2)

/* All steps together are the count, whenever nobody has the lock. */
struct counter {
	uint64_t steps[WORKERS];
	uint64_t count;
	uint64_t repairs;
};

/* Locks have offsets for names, and these are not used otherwise. */
#define COUNTER_LOCK offsetof(struct counter, count)

static uint64_t all_steps(const struct counter *counter)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < WORKERS; i++)
		sum += counter->steps[i];
	return sum;
}

static void repair(struct counter *counter)
{
	uint64_t sum = all_steps(counter);

	printf("process %d: the last owner died: I set the count of %llu to %llu\n",
	       (int)getpid(), (unsigned long long)counter->count,
	       (unsigned long long)sum);
	counter->count = sum;
	counter->repairs++;
}

static void lock(void *memseg, struct counter *counter)
{
	uint_t flags = 0;

	check(rsm_memseg_lock(memseg, COUNTER_LOCK, PATIENCE_MS, &flags),
	      "lock");
	if (flags & RSM_OWNER_DIED)
		repair(counter);
}

static void unlock(void *memseg)
{
	check(rsm_memseg_unlock(memseg, COUNTER_LOCK), "unlock");
}

static void count(rsm_memseg_import_handle_t imp, struct counter *counter,
		  int me)
{
	int i;

	for (i = 1; i <= ROUNDS; i++) {
		lock(imp, counter);
		counter->steps[me]++;
		if (me == VICTIM && i == VICTIM_ROUNDS)
			kill(getpid(), SIGKILL);
		counter->count++;
		unlock(imp);
	}
}

/* Has a connection of its own: the owner of a lock is found out by that. */
static void worker(rsm_memseg_id_t id, int me)
{
	rsmapi_controller_handle_t ctl;
	rsm_memseg_import_handle_t imp;
	void *counter = NULL;

	check(rsm_get_controller("loopback", &ctl), "get the controller");
	check(rsm_memseg_import_connect(ctl, 0, id, RSM_PERM_RDWR, &imp),
	      "connect");
	check(rsm_memseg_import_map(imp, &counter, RSM_MAP_NONE, RSM_PERM_RDWR,
				    0, whole_pages(sizeof(struct counter))),
	      "map");
	count(imp, counter, me);
	check(rsm_memseg_import_unmap(imp), "unmap");
	check(rsm_memseg_import_disconnect(imp), "disconnect");
	check(rsm_release_controller(ctl), "release the controller");
}

static void run_workers(rsm_memseg_id_t id)
{
	pid_t pids[WORKERS];
	int i;

	for (i = 0; i < WORKERS; i++) {
		pids[i] = new_process();
		if (!pids[i]) {
			worker(id, i);
			exit(0);
		}
	}
	for (i = 0; i < WORKERS; i++)
		if (end_of(pids[i]) != (i == VICTIM ? SIGKILL : 0))
			fail("a worker did not end as it should");
}

/* The victim may have been the last: then it is on us to repair. */
static void judge(rsm_memseg_export_handle_t seg, struct counter *counter)
{
	const uint64_t expected = (WORKERS - 1) * ROUNDS + VICTIM_ROUNDS;

	lock(seg, counter);
	printf("the count is %llu, expected %llu; repaired %llu times\n",
	       (unsigned long long)counter->count, (unsigned long long)expected,
	       (unsigned long long)counter->repairs);
	if (counter->count != expected || all_steps(counter) != expected)
		fail("the count is wrong");
	if (counter->repairs != 1)
		fail("exactly one owner should have been told of the death");
	unlock(seg);
}

int main(void)
{
	size_t length = whole_pages(sizeof(struct counter));
	struct counter *counter = new_memory(length);
	rsmapi_controller_handle_t ctl;
	rsm_memseg_export_handle_t seg;
	rsm_memseg_id_t id = 0;

	check(rsm_get_controller("loopback", &ctl), "get the controller");
	check(rsm_memseg_export_create(ctl, &seg, counter, length,
				       RSM_LOCK_OPS), "export");
	check(rsm_memseg_export_publish(seg, &id, NULL, 0), "publish");
	run_workers(id);
	judge(seg, counter);
	check(rsm_memseg_export_destroy(seg), "destroy");
	check(rsm_release_controller(ctl), "release the controller");
	munmap(counter, length);
	return 0;
}
