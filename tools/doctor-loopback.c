// SPDX-License-Identifier: GPL-2.0-only
/*
 * A segment of one page is exported, imported in the same process, rebound and
 * destroyed, and each side has to see what the other wrote.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rsm_ext.h>

#include "doctor.h"

/* Values that no memory has by chance */
#define FIRST UINT64_C(0x5ca1ab1e0ddba11)
#define SECOND UINT64_C(0xb01dface5eed1e55)
#define WRITTEN UINT64_C(0x7e57ab1ec0ffee00)

/**
 * struct loopback - what there is of the segment so far
 * @length: of the segment: a page
 * @memory: what is exported, and what replaces it
 * @ctl: the controller, or NULL
 * @seg: the export, or NULL
 * @imp: the import, or NULL
 * @mapped: where it is mapped, or NULL
 * @step: what is being done
 */
struct loopback {
	size_t length;
	volatile uint64_t *memory[2];
	rsmapi_controller_handle_t ctl;
	rsm_memseg_export_handle_t seg;
	rsm_memseg_import_handle_t imp;
	void *mapped;
	const char *step;
};

static uint64_t load(const struct loopback *test)
{
	return *(volatile uint64_t *)test->mapped;
}

static void store(const struct loopback *test, uint64_t value)
{
	*(volatile uint64_t *)test->mapped = value;
}

static int get_memory(struct loopback *test)
{
	size_t i;

	test->step = "get memory";
	test->length = sysconf(_SC_PAGESIZE);
	for (i = 0; i < 2; i++) {
		test->memory[i] = aligned_alloc(test->length, test->length);
		if (!test->memory[i])
			return RSMERR_INSUFFICIENT_MEM;
		*test->memory[i] = i ? SECOND : FIRST;
	}
	return 0;
}

static int offer(struct loopback *test, rsm_memseg_id_t *id)
{
	rsmapi_access_entry_t list = { .ae_permission = 0600 };
	int error;

	test->step = "get the controller";
	error = rsm_get_controller("loopback", &test->ctl);
	if (error)
		return error;
	test->step = "export a page";
	error = rsm_memseg_export_create(test->ctl, &test->seg,
					 (void *)test->memory[0], test->length,
					 RSM_ALLOW_REBIND);
	if (error)
		return error;
	test->step = "publish it";
	/* Without a list the umask could keep us out. */
	return rsm_memseg_export_publish(test->seg, id, &list, 1);
}

static int attach(struct loopback *test, rsm_memseg_id_t id)
{
	int error;

	test->step = "connect to it";
	error = rsm_memseg_import_connect(test->ctl, 0, id, RSM_PERM_RDWR,
					  &test->imp);
	if (error)
		return error;
	test->step = "map it";
	return rsm_memseg_import_map(test->imp, &test->mapped, RSM_MAP_NONE,
				     RSM_PERM_RDWR, 0, test->length);
}

static bool rest_is_right(const struct loopback *test)
{
	store(test, WRITTEN);
	return *test->memory[1] == WRITTEN && *test->memory[0] == FIRST;
}

/* Returns 0, or the error; -1: all was done, with a wrong value. */
static int run_test(struct loopback *test)
{
	rsm_memseg_id_t id = 0;
	int error;

	error = get_memory(test) ?: offer(test, &id) ?: attach(test, id);
	if (error)
		return error;
	test->step = "read it";
	if (load(test) != FIRST)
		return -1;
	test->step = "rebind it";
	error = rsm_memseg_export_rebind(test->seg, (void *)test->memory[1], 0,
					 test->length);
	if (error)
		return error;
	test->step = "see other memory after the rebind";
	if (load(test) != SECOND || !rest_is_right(test))
		return -1;
	test->step = "destroy it";
	error = rsm_memseg_export_destroy(test->seg);
	test->seg = NULL;
	return error;
}

static void clean_up(struct loopback *test)
{
	if (test->mapped)
		rsm_memseg_import_unmap(test->imp);
	if (test->imp)
		rsm_memseg_import_disconnect(test->imp);
	if (test->seg)
		rsm_memseg_export_destroy(test->seg);
	if (test->ctl)
		rsm_release_controller(test->ctl);
	free((void *)test->memory[0]);
	free((void *)test->memory[1]);
}

static const char *found(int error)
{
	if (error < 0)
		return "wrong data";
	return *rsm_last_error() ? rsm_last_error() : rsm_strerror(error);
}

static const char *remedy(int error)
{
	if (error < 0)
		return "this is an error of the driver: see the kernel's log (dmesg)";
	switch (error) {
	case RSMERR_INSUFFICIENT_MEM:
		return "raise the limit that is reached: see rsmctl limits";
	case RSMERR_INSUFFICIENT_RESOURCES:
		return "end what is not needed: see rsmctl limits, rsmctl list, ulimit -n";
	case RSMERR_CTLR_NOT_PRESENT:
		return "rsmctl load, and see what it says";
	}
	return "see the kernel's log (dmesg)";
}

void doctor_loopback(struct doctor *doctor)
{
	struct loopback test = { };
	int error;

	if (!doctor->usable) {
		doctor_report(doctor, DOCTOR_WARNING,
			      doctor->loaded || doctor->may_load ?
			      "mend what is wrong with the device" :
			      "rsmctl load, or rsmctl doctor --load, which does it",
			      "not tried");
		return;
	}
	error = run_test(&test);
	if (!error)
		doctor_report(doctor, DOCTOR_OK, NULL,
			      "a page was shared, rebound and taken back");
	else
		doctor_report(doctor, DOCTOR_PROBLEM, remedy(error),
			      "cannot %s: %s", test.step, found(error));
	clean_up(&test);
}
