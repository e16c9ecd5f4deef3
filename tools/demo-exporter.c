// SPDX-License-Identifier: GPL-2.0-only
/*
 * demo-exporter SEGID FILE: shares a file's contents from memory it has,
 * replaces the memory under the importer, and ends the sharing.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <rsmapi.h>

#define DEMO_PROMPT "exporter"
#include "demo.h"

static size_t round_up(size_t length)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return (length + page - 1) / page * page;
}

static size_t file_length(FILE *file, const char *name)
{
	struct stat st;

	if (!file || fstat(fileno(file), &st) || !st.st_size) {
		say("cannot read %s, or it is empty", name);
		exit(1);
	}
	return st.st_size;
}

/* SysV shared memory with the file in it. */
static struct demo_segment *first_edition(const char *name)
{
	FILE *file = fopen(name, "re");
	size_t length = file_length(file, name);
	size_t total = round_up(sizeof(struct demo_segment) + length);
	int id = shmget(IPC_PRIVATE, total, 0600);
	struct demo_segment *seg = shmat(id, NULL, 0);

	if (seg == (void *)-1)
		fail("no SysV shared memory", 0);
	shmctl(id, IPC_RMID, NULL);
	if (fread(seg->text, 1, length, file) != length)
		fail("the file has become shorter", 0);
	fclose(file);
	seg->magic = DEMO_MAGIC;
	seg->total = total;
	seg->edition = 1;
	seg->length = length;
	seg->checksum = demo_checksum(seg->text, length);
	return seg;
}

/* Memory from malloc's family with other contents. */
static struct demo_segment *second_edition(const struct demo_segment *first)
{
	struct demo_segment *seg;
	size_t i;

	seg = aligned_alloc(sysconf(_SC_PAGESIZE), first->total);
	if (!seg)
		fail("no memory", 0);
	memcpy(seg, first, first->total);
	seg->edition = 2;
	seg->seen = 0;
	for (i = 0; i < seg->length; i++)
		seg->text[i] = toupper((unsigned char)seg->text[i]);
	seg->checksum = demo_checksum(seg->text, seg->length);
	return seg;
}

static void wait_seen(const struct demo_segment *seg, uint64_t edition)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	int i;

	for (i = 0; i < DEMO_WAIT_MS; i++) {
		if (DEMO_LOAD(seg->seen) == edition)
			return;
		nanosleep(&ms, NULL);
	}
	fail("the importer has not answered in time", 0);
}

static void show(const struct demo_segment *seg)
{
	int line = strcspn(seg->text, "\n");

	say("  %zu bytes, checksum %016llx, at %p, first line:",
	    (size_t)seg->length, (unsigned long long)seg->checksum,
	    (void *)seg);
	say("  \"%.*s\"", line < 60 ? line : 60, seg->text);
}

int main(int argc, char **argv)
{
	struct demo_segment *first, *second;
	rsmapi_controller_handle_t ctl;
	rsm_memseg_export_handle_t seg;
	rsm_memseg_id_t id;

	if (argc != 3) {
		fprintf(stderr, "usage: demo-exporter SEGID FILE\n");
		return 2;
	}
	id = strtoul(argv[1], NULL, 0);

	first = first_edition(argv[2]);
	say("I have put %s into SysV shared memory of mine:", argv[2]);
	show(first);

	check(rsm_get_controller("loopback", &ctl), "get the controller");
	check(rsm_memseg_export_create(ctl, &seg, first, first->total,
				       RSM_ALLOW_REBIND), "export the memory");
	check(rsm_memseg_export_publish(seg, &id, NULL, 0), "publish it");
	say("It is exported: pinned in place, and published as segment 0x%x.",
	    id);

	wait_seen(first, 1);
	say("The importer has written into my memory that it saw edition 1.");

	second = second_edition(first);
	say("I make an upper-case copy in fresh memory from malloc:");
	show(second);
	check(rsm_memseg_export_rebind(seg, second, 0, second->total),
	      "rebind");
	say("Rebound: the segment is that memory now. The importer was not told.");

	wait_seen(second, 2);
	say("The importer has written into the new memory that it saw edition 2.");
	if (first->seen != 1)
		fail("the importer has written into the old memory", 0);
	say("The old memory still says edition 1: nobody reaches it any more.");
	if (shmdt(first))
		fail("detach the SysV memory", 0);
	say("So I have given it back to the system.");

	check(rsm_memseg_export_destroy(seg), "destroy the segment");
	say("I have destroyed the segment and am done.");
	check(rsm_release_controller(ctl), "release the controller");
	free(second);
	return 0;
}
