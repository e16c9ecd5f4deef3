/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rsmctl doctor: how its checks report.
 */
#ifndef DOCTOR_H
#define DOCTOR_H

#include <stdbool.h>

#include "json.h"
#include "module.h"

/**
 * enum doctor_result - what a check has found
 * @DOCTOR_OK: all is well
 * @DOCTOR_WARNING: something will not work for all, or not everywhere
 * @DOCTOR_PROBLEM: nothing works before that is mended
 * @DOCTOR_RESULTS: their number
 */
enum doctor_result {
	DOCTOR_OK,
	DOCTOR_WARNING,
	DOCTOR_PROBLEM,
	DOCTOR_RESULTS,
};

/**
 * struct doctor - a run of all checks
 * @module: the kernel module
 * @may_load: opening the device may load it
 * @loaded: it was loaded when the checks began
 * @usable: the device can be opened, without loading the module unasked
 * @check: name of the check that runs
 * @results: how many had each result
 * @as_json: write for programs, with @json
 * @json: where they are written to
 */
struct doctor {
	struct module *module;
	bool may_load;
	bool loaded;
	bool usable;
	const char *check;
	unsigned int results[DOCTOR_RESULTS];
	bool as_json;
	struct json json;
};

/*
 * What the check has found, and how to mend it: NULL, if it is well. Each check
 * calls this once, or not at all if there is nothing for it to look at.
 */
void doctor_report(struct doctor *doctor, enum doctor_result result,
		   const char *remedy, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* doctor-system.c: the kernel, the module, the device */
void doctor_kernel(struct doctor *doctor);
void doctor_architecture(struct doctor *doctor);
void doctor_module(struct doctor *doctor);
void doctor_versions(struct doctor *doctor);
void doctor_device(struct doctor *doctor);

/* doctor-caller.c: limits and rights of who calls */
void doctor_locked_memory(struct doctor *doctor);
void doctor_exported_memory(struct doctor *doctor);
void doctor_handles(struct doctor *doctor);
void doctor_processes(struct doctor *doctor);
void doctor_ipc_namespace(struct doctor *doctor);
void doctor_user_namespace(struct doctor *doctor);
void doctor_tracing(struct doctor *doctor);

/* doctor-loopback.c: a segment, from its creation to its end */
void doctor_loopback(struct doctor *doctor);

/* doctor-rdma.c: controllers that connect machines; nothing, without any */
void doctor_rdma(struct doctor *doctor);

#endif /* DOCTOR_H */
