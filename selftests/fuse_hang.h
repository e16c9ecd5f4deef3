/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A file system with one file, whose pages do not come until told: whoever
 * touches a mapping of it waits.
 */
#ifndef FUSE_HANG_H
#define FUSE_HANG_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct fuse_hang_state;

/**
 * struct fuse_hang - a mount and its server
 * @server: process that answers, or does not
 * @file: the file, open for reading and writing
 * @dir: where it is mounted
 * @state: shared with the server
 */
struct fuse_hang {
	pid_t server;
	int file;
	char dir[32];
	struct fuse_hang_state *state;
};

/* Mount a file of @size bytes: 0 or a negative errno. */
int fuse_hang_start(struct fuse_hang *hang, size_t size);

/* Wait until somebody waits for a page, for at most @ms milliseconds. */
bool fuse_hang_wait(struct fuse_hang *hang, int ms);

/* Let all pages come, those that are waited for and others; they are zero. */
void fuse_hang_release(struct fuse_hang *hang);

/* End the server: who still waits gets an error. */
void fuse_hang_stop(struct fuse_hang *hang);

#endif /* FUSE_HANG_H */
