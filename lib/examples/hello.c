// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * One process exports a page of its memory; another imports it and prints what
 * it finds there. All the second one is told is the number of the segment.
 *
 *	hello			plays both parts
 *	hello export		tells the number, and waits for Enter
 *	hello import ID		prints what is in the segment ID
 */
#include <string.h>

#include "example.h"

#define GREETING "Hello from the exporter's memory!"

/* Run "hello import ID" and wait for it: a program of its own. */
static void import_elsewhere(rsm_memseg_id_t id)
{
	char text[sizeof("0x12345678")];
	pid_t pid;

	snprintf(text, sizeof(text), "0x%x", id);
	pid = new_process();
	if (!pid) {
		execl("/proc/self/exe", "hello", "import", text, NULL);
		fail("cannot run the importer");
	}
	if (end_of(pid))
		fail("the importer did not end well");
}

static void wait_for_enter(rsm_memseg_id_t id)
{
	printf("Elsewhere, run: hello import 0x%x\nEnter ends this.\n", id);
	fflush(stdout);
	getchar();
}

/* Make @page a segment for as long as @meanwhile runs. */
static void export_page(char *page, size_t length,
			void (*meanwhile)(rsm_memseg_id_t id))
{
	rsmapi_controller_handle_t ctl;
	rsm_memseg_export_handle_t seg;
	rsm_memseg_id_t id = 0;

	check(rsm_get_controller("loopback", &ctl), "get the controller");

	/* The page stays where it is, and ours to use; it is only pinned. */
	check(rsm_memseg_export_create(ctl, &seg, page, length, 0), "export");

	/*
	 * For the id 0 we are given one. Without an access list others have
	 * the rights that our umask would leave them to a file.
	 */
	check(rsm_memseg_export_publish(seg, &id, NULL, 0), "publish");
	printf("exporter: my page is segment 0x%x\n", id);
	meanwhile(id);

	/* Importers that are left are cut off; the page is only ours again. */
	check(rsm_memseg_export_destroy(seg), "destroy");
	check(rsm_release_controller(ctl), "release the controller");
}

static void export_greeting(void (*meanwhile)(rsm_memseg_id_t id))
{
	size_t length = whole_pages(sizeof(GREETING));
	char *page = new_memory(length);

	strcpy(page, GREETING);
	export_page(page, length, meanwhile);
	munmap(page, length);
}

/*
 * Loads never fail: without its exporter a mapping shows memory of no meaning.
 * A barrier around them tells if they have reached the segment.
 */
static void read_greeting(rsm_memseg_import_handle_t imp, const char *page)
{
	char text[sizeof(GREETING)];
	rsmapi_barrier_t bar;

	check(rsm_memseg_import_init_barrier(imp, RSM_BAR_DEFAULT, &bar),
	      "make a barrier");
	check(rsm_memseg_import_open_barrier(&bar), "open the barrier");
	memcpy(text, page, sizeof(text));
	check(rsm_memseg_import_close_barrier(&bar), "read the segment");
	check(rsm_memseg_import_destroy_barrier(&bar), "end the barrier");

	printf("importer: I read \"%.*s\"\n", (int)sizeof(text), text);
	if (memcmp(text, GREETING, sizeof(text)))
		fail("this is not what the exporter wrote");
}

static void import_greeting(rsm_memseg_id_t id)
{
	size_t length = whole_pages(sizeof(GREETING));
	rsmapi_controller_handle_t ctl;
	rsm_memseg_import_handle_t imp;
	void *page = NULL;

	check(rsm_get_controller("loopback", &ctl), "get the controller");
	/* "loopback" has but one node, 0. */
	check(rsm_memseg_import_connect(ctl, 0, id, RSM_PERM_READ, &imp),
	      "connect");
	check(rsm_memseg_import_map(imp, &page, RSM_MAP_NONE, RSM_PERM_READ, 0,
				    length), "map");

	/* It is the exporter's page itself, at an address of ours. */
	read_greeting(imp, page);

	check(rsm_memseg_import_unmap(imp), "unmap");
	check(rsm_memseg_import_disconnect(imp), "disconnect");
	check(rsm_release_controller(ctl), "release the controller");
}

int main(int argc, char **argv)
{
	if (argc == 1) {
		export_greeting(import_elsewhere);
	} else if (argc == 2 && !strcmp(argv[1], "export")) {
		export_greeting(wait_for_enter);
	} else if (argc == 3 && !strcmp(argv[1], "import")) {
		import_greeting(strtoul(argv[2], NULL, 0));
	} else {
		fprintf(stderr, "usage: hello [export | import ID]\n");
		return 2;
	}
	return 0;
}
