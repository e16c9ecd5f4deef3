/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver's events in tracefs, in an instance of our own. There is one at a
 * time, which ends with the process also when that is interrupted.
 */
#ifndef TRACEFS_H
#define TRACEFS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Print the names of the events. False: there are none to be seen. */
bool tracefs_list(void);

/* Why there are no events, or no instance: what to do about it */
const char *tracefs_why_not(void);

/* Make the instance. From here on signals that end us only stop us. */
bool tracefs_open(void);

/* Take it away again, and what tracefs_pipe() returned. */
void tracefs_close(void);

/* Whether a signal asked us to end */
bool tracefs_stopped(void);

/* Only events of this segment */
bool tracefs_filter(uint32_t segment);

/* Enable an event, with or without its "rsm_", or with NULL all. */
bool tracefs_enable(const char *event);

/* What happens, a line for each event; reading waits for it */
FILE *tracefs_pipe(void);

#endif /* TRACEFS_H */
