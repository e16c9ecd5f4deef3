/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who calls, and where: what the kernel's limits and rights depend on.
 */
#ifndef CALLER_H
#define CALLER_H

#include <stdbool.h>
#include <stdint.h>

#include "module.h"

/*
 * Whether the caller has this capability (CAP_IPC_LOCK) with regard to the
 * machine: those of a user namespace do not count.
 */
bool caller_is_capable(int capability);

/* Whether the namespace "ipc", "user" or "pid" is the one of the machine */
bool caller_in_first_namespace(const char *name);

/* The version of the library in use; false if its file name does not tell. */
bool caller_library(char text[MODULE_TEXT_MAX]);

/* Memory of the machine, in bytes, as far as the kernel has the use of it */
uint64_t caller_total_memory(void);

#endif /* CALLER_H */
