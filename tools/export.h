/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rsmctl export, between its arguments and what it does.
 */
#ifndef EXPORT_H
#define EXPORT_H

#include <stdio.h>

#include "share.h"

#define EXPORT_WORD "export"

/**
 * struct export_request - what is to be shared, and how
 * @name: the file; NULL: none
 * @from_stdin: it is stdin
 * @controller: for other machines; NULL: loopback
 * @id: id to be published under; 0: any
 * @mode: permissions
 * @mode_given: they were asked for
 * @length: room that there is to be; 0: what the contents need
 * @read_write: importers may write
 * @rebind: SIGHUP replaces the contents
 * @huge: with pages of 2 MiB
 * @background: not as a child of the shell
 * @timeout: ends it, in milliseconds; -1: does not
 * @once: the end of the first import ends it
 * @wait_signal: the first signal ends it
 * @save: where the contents go in the end, or NULL
 * @verbose: tell what happens
 * @json: output for programs
 * @command: the end of this ends it; or NULL
 */
struct export_request {
	const char *name;
	bool from_stdin;
	const char *controller;
	uint32_t id;
	unsigned int mode;
	bool mode_given;
	uint64_t length;
	bool read_write;
	bool rebind;
	bool huge;
	bool background;
	int timeout;
	bool once;
	bool wait_signal;
	const char *save;
	bool verbose;
	bool json;
	char **command;
};

/* Shares it until the end; prints the id to @to. Returns the exit status. */
int export_run(const struct export_request *request, FILE *to);

/* Starts the command; -1: it was told why not. */
pid_t export_command_start(const struct export_request *request,
			   rsm_memseg_export_handle_t handle,
			   rsm_memseg_id_t id);

/* Whether it has ended, and with which exit status */
bool export_command_ended(pid_t child, int *result);
void export_command_stop(pid_t child);

#endif /* EXPORT_H */
