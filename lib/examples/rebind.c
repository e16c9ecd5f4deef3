// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The exporter puts other memory in the place of a segment's, while an importer
 * reads through its mapping. The importer does nothing about it: its address
 * shows the new memory, and the old one is the exporter's alone again.
 */
#include <string.h>

#include "example.h"

#define LENGTH whole_pages(65536)
#define MORE_READS 100000

/* What is in the memory: edition 1 in the first, 2 in the second. */
struct page {
	uint64_t edition;
	char text[56];
};

static struct page *new_edition(uint64_t edition, const char *text)
{
	struct page *page = new_memory(LENGTH);

	page->edition = edition;
	strcpy(page->text, text);
	return page;
}

static uint64_t read_edition(const struct page *page)
{
	return __atomic_load_n(&page->edition, __ATOMIC_ACQUIRE);
}

/* Read, all the time, until the second edition is there. */
static unsigned long read_until_second(const struct page *page)
{
	unsigned long reads = 1;
	uint64_t edition;

	while ((edition = read_edition(page)) == 1)
		reads++;
	if (edition != 2)
		fail("the importer has read what was never in the segment");
	return reads;
}

/* Once the new memory has been seen the old one never is. */
static void read_only_second(const struct page *page)
{
	int i;

	for (i = 0; i < MORE_READS; i++)
		if (read_edition(page) != 2)
			fail("the importer has read the old memory");
}

static void read_all(rsm_memseg_import_handle_t imp, const struct page *page)
{
	unsigned long reads;

	if (read_edition(page) != 1)
		fail("the first edition is not there");
	printf("importer: at %p I read \"%s\"\n", (void *)page, page->text);
	check(rsm_intr_signal_post(imp, 0), "tell the exporter to go on");

	reads = read_until_second(page);
	printf("importer: at %p I read \"%s\", after %lu reads\n",
	       (void *)page, page->text, reads);
	read_only_second(page);
}

static void importer(rsm_memseg_id_t id)
{
	rsmapi_controller_handle_t ctl;
	rsm_memseg_import_handle_t imp;
	void *page = NULL;

	check(rsm_get_controller("loopback", &ctl), "get the controller");
	check(rsm_memseg_import_connect(ctl, 0, id, RSM_PERM_READ, &imp),
	      "connect");
	check(rsm_memseg_import_map(imp, &page, RSM_MAP_NONE, RSM_PERM_READ, 0,
				    LENGTH), "map");
	/* Plain loads know no time limit: end the process should all fail. */
	alarm(PATIENCE_MS / 1000);
	read_all(imp, page);
	check(rsm_memseg_import_unmap(imp), "unmap");
	check(rsm_memseg_import_disconnect(imp), "disconnect");
	check(rsm_release_controller(ctl), "release the controller");
}

/* How much of this process's memory is pinned, in KiB. */
static unsigned long pinned(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	unsigned long kib = 0;
	char line[256];

	if (!file)
		fail("cannot read /proc/self/status");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "VmPin: %lu", &kib) == 1)
			break;
	fclose(file);
	return kib;
}

static void rebind(rsm_memseg_export_handle_t seg, struct page *old,
		   struct page *new)
{
	unsigned long before = pinned();

	check(rsm_memseg_export_rebind(seg, new, 0, LENGTH), "rebind");
	printf("exporter: rebound; %lu KiB were pinned, %lu KiB are\n", before,
	       pinned());
	if (pinned() != before)
		fail("the old memory is still pinned");

	/* Nobody reaches the old memory any more: this is for us alone. */
	old->edition = 3;
	if (munmap(old, LENGTH))
		fail("cannot give the old memory back");
}

int main(void)
{
	struct page *old = new_edition(1, "first edition");
	struct page *new = new_edition(2, "second edition");
	rsmapi_controller_handle_t ctl;
	rsm_memseg_export_handle_t seg;
	rsm_memseg_id_t id = 0;
	pid_t pid;

	check(rsm_get_controller("loopback", &ctl), "get the controller");
	check(rsm_memseg_export_create(ctl, &seg, old, LENGTH,
				       RSM_ALLOW_REBIND), "export");
	check(rsm_memseg_export_publish(seg, &id, NULL, 0), "publish");
	pid = new_process();
	if (!pid) {
		importer(id);
		return 0;
	}
	check(rsm_intr_signal_wait(seg, PATIENCE_MS), "wait for the importer");
	rebind(seg, old, new);
	if (end_of(pid))
		fail("the importer did not end well");
	check(rsm_memseg_export_destroy(seg), "destroy");
	check(rsm_release_controller(ctl), "release the controller");
	munmap(new, LENGTH);
	return 0;
}
