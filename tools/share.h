/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the subcommands have in common that share memory: export, import,
 * signal, wait.
 *
 * A segment is a number of pages, and a file is a number of bytes. So a segment
 * that "rsmctl export" makes has one page more than its contents need, the last
 * one, which tells their length. Segments without it are contents as a whole.
 *
 * Functions that return false have said on stderr what is wrong.
 */
#ifndef SHARE_H
#define SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/rsmctl.h>
#include <rsm_ext.h>

#include "output.h"

#define SHARE_PAGE UINT64_C(4096)

/* How much is copied between looks at what else there is to do */
#define SHARE_PIECE (UINT64_C(1) << 20)

/* share.c: arguments and errors */

/* Seconds, with digits after the point, as milliseconds */
bool share_parse_seconds(const char *text, int *ms);
bool share_parse_count(const char *text, unsigned long *count);

/* "cannot @what: ", and what the library just said of it. Returns false. */
bool share_failed(const char *word, const char *what, int error);
bool share_failed_errno(const char *word, const char *what, const char *name);

/* @name is NULL for the one of this machine alone; @ctl is NULL on failure. */
bool share_controller(const char *word, const char *name,
		      rsmapi_controller_handle_t *ctl);

/**
 * share_fdinfo() - what the kernel tells of a handle
 * @fd: its descriptor
 * @key: as "rsm-length"
 * @value: receives what comes after it on the line
 * @size: room for that
 *
 * Returns false, and says nothing, if it does not tell.
 */
bool share_fdinfo(int fd, const char *key, char *value, size_t size);

/* The last page of a segment */

#define SHARE_MAGIC "rsmctl export 1"

/* The exporter wants a signal from who has a copy. */
#define SHARE_TELL UINT64_C(1)

/**
 * struct share_trailer - what the last page begins with
 * @magic: SHARE_MAGIC with its zero
 * @length: of the contents, which begin with the segment, in bytes
 * @version: other contents have another one
 * @flags: SHARE_TELL
 */
struct share_trailer {
	char magic[16];
	uint64_t length;
	uint64_t version;
	uint64_t flags;
};

/* share-target.c: the segment that is meant */

/**
 * struct share_target - the segment that is meant
 * @id: its id
 * @ticket: or a descriptor that is a ticket; -1: none
 * @controller: controller that it is found on; NULL: loopback
 * @node: node that exports it; 0: the only other one
 */
struct share_target {
	uint32_t id;
	int ticket;
	const char *controller;
	uint32_t node;
};

/* These return 0, or the exit status: */

/* The argument of --controller, which optarg is; NULL: loopback */
int share_take_controller(const char *word, const char **name);
/* That or --node, by the letters c and N */
int share_take_place(const char *word, struct share_target *target, int opt);
/* What remains of the arguments, which is an id: "0x400001", "4194305" */
int share_take_id(const char *word, struct share_target *target, int argc,
		  char **argv);

/* Whether there is such a controller, and node. Fills in the node. */
bool share_find_target(const char *word, struct share_target *target);

bool share_connect_failed(const char *word, const struct share_target *target,
			  rsm_permission_t perm, int error);

/* share-connect.c: a connection */

/**
 * struct share_import - a connection
 * @word: the subcommand, for errors
 * @ctl: controller
 * @handle: the connection
 * @barrier: of it
 * @fd: its descriptor
 * @remote: it is not by loopback, and cannot be mapped
 * @length: of the segment
 * @rebinds: the exporter may put other memory in the place of the segment's
 * @status: the kernel's status page
 * @map: all of the segment, or NULL
 */
struct share_import {
	const char *word;
	rsmapi_controller_handle_t ctl;
	rsm_memseg_import_handle_t handle;
	rsmapi_barrier_t barrier;
	int fd;
	bool remote;
	uint64_t length;
	bool rebinds;
	const struct rsm_status *status;
	const char *map;
};

bool share_connect(struct share_import *imp, const char *word,
		   const struct share_target *target, rsm_permission_t perm);
/* As above, but returns an error and says nothing of it. */
int share_try_connect(struct share_import *imp, const char *word,
		      const struct share_target *target, rsm_permission_t perm);
/* Learn what the fields from @remote on are; not needed for signals. */
bool share_look_up(struct share_import *imp);
/* Only where that can be: copies do not need it. */
bool share_map(struct share_import *imp);
void share_disconnect(struct share_import *imp);

/* As share_failed(); and what is said of a connection that was aborted */
bool share_import_failed(const struct share_import *imp, const char *what,
			 int error);
const char *share_end(const struct share_import *imp);
/* Was it, because the exporter's node does not answer? */
bool share_is_unreachable(const struct share_import *imp);

/*
 * Even, unless the connection has ended; while it stays the same the segment is
 * the same memory.
 */
uint64_t share_generation(const struct share_import *imp);

/* Copy from the segment; an error of the library, which is not told yet */
int share_fetch(struct share_import *imp, uint64_t offset, void *to,
		size_t length);

/* What the contents are. An error of the library, which is not told yet */
int share_fetch_trailer(struct share_import *imp,
			struct share_trailer *trailer);

/* share-copy.c: copies of one state of the contents */

/**
 * struct share_range - what of the contents is meant
 * @offset: from here on
 * @length: as much, or what there is if that is less
 */
struct share_range {
	uint64_t offset;
	uint64_t length;
};

/**
 * struct share_copy - how it is copied, and what was
 * @imp: from this connection
 * @range: what
 * @output: where to; NULL: stdout
 * @trailer: of the contents that were copied last
 * @generation: the same
 */
struct share_copy {
	struct share_import *imp;
	struct share_range range;
	const char *output;
	struct share_trailer trailer;
	uint64_t generation;
};

/**
 * enum share_copied - how that went
 * @SHARE_COPIED: the contents have been written
 * @SHARE_ENDED: the segment has ended, before anything was written
 * @SHARE_FAILED: something else, which was told
 */
enum share_copied {
	SHARE_COPIED,
	SHARE_ENDED,
	SHARE_FAILED,
};

enum share_copied share_copy(struct share_copy *copy);

/* share-memory.c: memory to be shared */

/**
 * struct share_memory - memory that grows without moving
 * @base: where it is
 * @reserved: bytes of addresses from there on
 * @usable: of them, bytes that are memory
 * @used: of them, bytes of contents
 */
struct share_memory {
	char *base;
	uint64_t reserved;
	uint64_t usable;
	uint64_t used;
};

bool share_memory_reserve(struct share_memory *mem, const char *word,
			  bool huge);
bool share_memory_grow(struct share_memory *mem, const char *word,
		       uint64_t bytes);

/* Reads all of a file, which is to be no longer than @limit. */
bool share_memory_read(struct share_memory *mem, const char *word, int fd,
		       const char *name, uint64_t limit);

/* Makes it exactly as long as that. */
bool share_memory_fit(struct share_memory *mem, const char *word,
		      uint64_t bytes);
void share_memory_free(struct share_memory *mem);

/* share-file.c: where contents are written to */

/**
 * struct share_file - a file that is there as a whole, or not at all
 * @word: the subcommand, for errors
 * @name: as the user named it; NULL: stdout
 * @path: the file, without symbolic links
 * @temp: where it is being written
 * @fd: the open file
 * @direct: it is not a regular file, and written to at once
 */
struct share_file {
	const char *word;
	const char *name;
	char *path;
	char *temp;
	int fd;
	bool direct;
};

bool share_file_open(struct share_file *file, const char *word,
		     const char *name);
bool share_file_write(struct share_file *file, const char *from,
		      uint64_t length);
/* Begin again, for what is not direct */
bool share_file_rewind(struct share_file *file);
bool share_file_commit(struct share_file *file);
void share_file_abandon(struct share_file *file);

#endif /* SHARE_H */
