// SPDX-License-Identifier: GPL-2.0-only
/*
 * demo-importer SEGID: maps the segment of demo-exporter, and keeps on
 * reading it while its memory is replaced and taken away.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rsmapi.h>

#define DEMO_PROMPT "                    importer"
#include "demo.h"

static void sleep_ms(void)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	nanosleep(&ms, NULL);
}

static rsm_memseg_import_handle_t
connect_to(rsmapi_controller_handle_t ctl, rsm_memseg_id_t id)
{
	rsm_memseg_import_handle_t imp;
	int error, i;

	for (i = 0; i < DEMO_WAIT_MS; i++) {
		error = rsm_memseg_import_connect(ctl, 0, id, RSM_PERM_RDWR,
						  &imp);
		if (!error)
			return imp;
		if (error != RSMERR_SEG_NOT_PUBLISHED)
			break;
		sleep_ms();
	}
	fail("connect to the segment", error);
	return NULL;
}

static struct demo_segment *map_range(rsm_memseg_import_handle_t imp, size_t length)
{
	void *addr = NULL;

	check(rsm_memseg_import_map(imp, &addr, RSM_MAP_NONE, RSM_PERM_RDWR, 0,
				    length), "map the segment");
	return addr;
}

/* The first page says how long the segment is. */
static struct demo_segment *map_whole(rsm_memseg_import_handle_t imp)
{
	struct demo_segment *seg = map_range(imp, sizeof(*seg));
	size_t total = seg->total;

	if (seg->magic != DEMO_MAGIC)
		fail("this is not the segment of demo-exporter", 0);
	check(rsm_memseg_import_unmap(imp), "unmap the first page");
	return map_range(imp, total);
}

static void verify(struct demo_segment *seg, uint64_t edition)
{
	uint64_t sum = demo_checksum(seg->text, seg->length);
	int line = strcspn(seg->text, "\n");

	say("  at %p I read edition %llu, first line:", (void *)seg,
	    (unsigned long long)edition);
	say("  \"%.*s\"", line < 60 ? line : 60, seg->text);
	if (seg->edition != edition || sum != seg->checksum)
		fail("the checksum is wrong", 0);
	say("  its checksum is right: %016llx.", (unsigned long long)sum);
	DEMO_STORE(seg->seen, edition);
}

static unsigned long wait_edition(struct demo_segment *seg, uint64_t edition)
{
	unsigned long reads = 1;
	int i;

	for (i = 0; DEMO_LOAD(seg->edition) != edition; i++, reads++) {
		if (i == DEMO_WAIT_MS)
			fail("the new contents have not come in time", 0);
		sleep_ms();
	}
	return reads;
}

/* Barriers around reads tell if these came from the segment. */
static void wait_abort(struct demo_segment *seg, rsmapi_barrier_t *bar)
{
	uint64_t word;
	int error, i;

	for (i = 0; i < DEMO_WAIT_MS; i++) {
		check(rsm_memseg_import_open_barrier(bar), "open a barrier");
		word = DEMO_LOAD(seg->edition);
		error = rsm_memseg_import_close_barrier(bar);
		if (error == RSMERR_CONN_ABORTED)
			break;
		check(error, "close a barrier");
		if (word != 2)
			fail("the data changed under a good barrier", 0);
		sleep_ms();
	}
	if (i == DEMO_WAIT_MS)
		fail("the end of the segment has not been noticed in time", 0);
	say("A barrier reports RSMERR_CONN_ABORTED: the segment has ended.");
}

static void after_the_end(rsm_memseg_import_handle_t imp,
			  struct demo_segment *seg)
{
	size_t total = 0;
	uint64_t word;
	void *addr = NULL;
	int error;

	word = DEMO_LOAD(seg->edition);
	DEMO_STORE(seg->seen, 3);
	say("Loads and stores at %p still work, and reach nobody (I read %llu).",
	    (void *)seg, (unsigned long long)word);
	if (word)
		fail("I read somebody's data", 0);

	total = sysconf(_SC_PAGESIZE);
	check(rsm_memseg_import_unmap(imp), "unmap");
	error = rsm_memseg_import_map(imp, &addr, RSM_MAP_NONE, RSM_PERM_RDWR,
				      0, total);
	if (error != RSMERR_CONN_ABORTED)
		fail("a new map should report RSMERR_CONN_ABORTED", error);
	say("A new map reports RSMERR_CONN_ABORTED as well.");
}

int main(int argc, char **argv)
{
	rsmapi_controller_handle_t ctl;
	rsm_memseg_import_handle_t imp;
	struct demo_segment *seg;
	rsmapi_barrier_t bar;
	rsm_memseg_id_t id;
	unsigned long reads;

	if (argc != 2) {
		fprintf(stderr, "usage: demo-importer SEGID\n");
		return 2;
	}
	id = strtoul(argv[1], NULL, 0);

	check(rsm_get_controller("loopback", &ctl), "get the controller");
	imp = connect_to(ctl, id);
	say("Connected to segment 0x%x; the id is all I know.", id);
	seg = map_whole(imp);
	check(rsm_memseg_import_init_barrier(imp, RSM_BAR_DEFAULT, &bar),
	      "set up a barrier");
	say("Mapped: it is memory of mine now, without a copy.");
	verify(seg, 1);

	reads = wait_edition(seg, 2);
	say("I kept on reading the same address (%lu times): other data is there.",
	    reads);
	verify(seg, 2);

	wait_abort(seg, &bar);
	after_the_end(imp, seg);

	check(rsm_memseg_import_destroy_barrier(&bar), "destroy the barrier");
	check(rsm_memseg_import_disconnect(imp), "disconnect");
	check(rsm_release_controller(ctl), "release the controller");
	say("Disconnected. All was as told.");
	return 0;
}
