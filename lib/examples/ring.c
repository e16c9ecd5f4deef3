// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Messages from one process to another, without polling: a ring in a segment
 * holds them, and signals wake who waits.
 *
 *	ring [MESSAGES]
 *
 * The exporter owns the ring and takes messages out; the importer copies them
 * in. Either writes a number of its own and only reads the other's, so they
 * need no lock.
 */
#include <string.h>

#include "example.h"

#define SLOTS 16

struct message {
	uint64_t number;
	char text[56];
};

struct ring {
	uint64_t put; /* messages so far; the importer writes it */
	uint64_t taken; /* messages so far; the exporter writes it */
	struct message slots[SLOTS];
};

static void write_message(struct message *message, uint64_t number)
{
	memset(message, 0, sizeof(*message));
	message->number = number;
	snprintf(message->text, sizeof(message->text), "this is message %llu",
		 (unsigned long long)number);
}

/*
 * Signals are a hint to look, so one that is pending is as good as many. As
 * the numbers change before a signal is posted, and are read after it is
 * taken, nobody waits for what has happened already.
 */
static void wake_other(void *memseg)
{
	check(rsm_intr_signal_post(memseg, RSM_SIGPOST_NO_ACCUMULATE),
	      "post a signal");
}

/* Wait until the ring has room for message @number. Returns how many times. */
static unsigned int wait_for_room(rsm_memseg_import_handle_t imp,
				  uint64_t number)
{
	unsigned int waits = 0;
	uint64_t taken;

	for (;; waits++) {
		check(rsm_memseg_import_get64(imp, offsetof(struct ring, taken),
					      &taken, 1), "get");
		if (number - taken < SLOTS)
			return waits;
		check(rsm_intr_signal_wait(imp, PATIENCE_MS), "wait for room");
	}
}

static void put_message(rsm_memseg_import_handle_t imp, uint64_t number)
{
	off_t slot = offsetof(struct ring, slots) +
		     number % SLOTS * sizeof(struct message);
	struct message message;
	uint64_t put = number + 1;

	write_message(&message, number);
	check(rsm_memseg_import_put(imp, slot, &message, sizeof(message)),
	      "put the message");
	/* Transfers are done in order: who sees the number sees the message. */
	check(rsm_memseg_import_put64(imp, offsetof(struct ring, put), &put, 1),
	      "put the number");
	wake_other(imp);
}

/* The importer. Put and get need no mapping, but a barrier to work with. */
static void put_messages(rsm_memseg_id_t id, unsigned int total)
{
	rsmapi_controller_handle_t ctl;
	rsm_memseg_import_handle_t imp;
	rsmapi_barrier_t bar;
	unsigned int waits = 0;
	uint64_t number;

	check(rsm_get_controller("loopback", &ctl), "get the controller");
	check(rsm_memseg_import_connect(ctl, 0, id, RSM_PERM_RDWR, &imp),
	      "connect");
	check(rsm_memseg_import_init_barrier(imp, RSM_BAR_DEFAULT, &bar),
	      "make a barrier");
	for (number = 0; number < total; number++) {
		waits += wait_for_room(imp, number);
		put_message(imp, number);
	}
	printf("importer: %u messages put, waited for room %u times\n", total,
	       waits);
	check(rsm_memseg_import_destroy_barrier(&bar), "end the barrier");
	check(rsm_memseg_import_disconnect(imp), "disconnect");
	check(rsm_release_controller(ctl), "release the controller");
}

static void take_message(const struct message *message, uint64_t number)
{
	struct message expected;

	write_message(&expected, number);
	if (memcmp(message, &expected, sizeof(expected)))
		fail("a message is wrong, or out of order");
}

/* The exporter. The ring is its own memory: it uses plain loads and stores. */
static void take_messages(rsm_memseg_export_handle_t seg, struct ring *ring,
			  unsigned int total)
{
	unsigned int signals = 0;
	uint64_t taken = 0;
	uint64_t put;

	for (; taken < total; signals++) {
		check(rsm_intr_signal_wait(seg, PATIENCE_MS),
		      "wait for a message");
		put = __atomic_load_n(&ring->put, __ATOMIC_ACQUIRE);
		/* Importers can write anything there. */
		if (put - taken > SLOTS)
			fail("the importer has overrun the ring");
		for (; taken < put; taken++)
			take_message(&ring->slots[taken % SLOTS], taken);
		__atomic_store_n(&ring->taken, taken, __ATOMIC_RELEASE);
		wake_other(seg);
	}
	printf("exporter: %u messages taken, right and in order, at %u signals\n",
	       total, signals);
}

int main(int argc, char **argv)
{
	unsigned int total = argc > 1 ? strtoul(argv[1], NULL, 0) : 1000;
	size_t length = whole_pages(sizeof(struct ring));
	struct ring *ring = new_memory(length);
	rsmapi_controller_handle_t ctl;
	rsm_memseg_export_handle_t seg;
	rsm_memseg_id_t id = 0;
	pid_t pid;

	check(rsm_get_controller("loopback", &ctl), "get the controller");
	check(rsm_memseg_export_create(ctl, &seg, ring, length, 0), "export");
	check(rsm_memseg_export_publish(seg, &id, NULL, 0), "publish");
	pid = new_process();
	if (!pid) {
		put_messages(id, total);
		return 0;
	}
	take_messages(seg, ring, total);
	if (end_of(pid))
		fail("the importer did not end well");
	check(rsm_memseg_export_destroy(seg), "destroy");
	check(rsm_release_controller(ctl), "release the controller");
	munmap(ring, length);
	return 0;
}
