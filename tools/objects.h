/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Exports, imports and tickets that the caller may see, all at a moment. Each
 * open file is here once, however many descriptors of it there are.
 */
#ifndef OBJECTS_H
#define OBJECTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "handles.h"
#include "json.h"

#define OBJECT_TEXT_MAX 64
/* Room for a long access list */
#define OBJECT_ACL_MAX 1024

/**
 * struct object - an export, an import or a ticket
 * @handle: one of its descriptors: the creator's own, if there is
 * @others: how many descriptors more were seen, in other processes too
 * @segment: number of the segment
 * @id: segment id: published, or asked for; 0: none
 * @ipc_ns: number of the IPC namespace of @id
 * @creator: process that made the segment; 0: of another namespace
 * @length: in bytes
 * @user: whose limit of handles it counts for
 * @uid: who owns an export
 * @gid: the same
 * @mode: permissions without an access list
 * @pages: pages of 4 KiB
 * @huge: huge entries that these make possible
 * @extents: runs of pages
 * @imports: live imports of an export
 * @mappings: of an import
 * @rebinds: so far
 * @signals: pending
 * @posted: signals so far
 * @locks: held or waited for
 * @controller: its name
 * @state: a word of the kernel
 * @flags: words, with tabs between them, or "-"
 * @rights: "r", "w", "rw" or "-"
 * @acl: access list, or empty
 * @rebind_rate: rebinds in a second, as rsmctl watch has found
 * @signal_rate: signals in a second
 */
struct object {
	struct handle handle;
	unsigned int others;
	uint64_t segment;
	uint64_t id;
	uint64_t ipc_ns;
	uint64_t creator;
	uint64_t length;
	uint64_t user;
	uint64_t uid;
	uint64_t gid;
	uint64_t mode;
	uint64_t pages;
	uint64_t huge;
	uint64_t extents;
	uint64_t imports;
	uint64_t mappings;
	uint64_t rebinds;
	uint64_t signals;
	uint64_t posted;
	uint64_t locks;
	char controller[OBJECT_TEXT_MAX];
	char state[OBJECT_TEXT_MAX];
	char flags[OBJECT_TEXT_MAX];
	char rights[OBJECT_TEXT_MAX];
	char acl[OBJECT_ACL_MAX];
	double rebind_rate;
	double signal_rate;
};

/**
 * struct objects - what was seen
 * @list: them, exports first, then imports, then tickets, by segment
 * @count: their number
 * @whole: nothing can be missing
 * @hidden_own: processes of the caller's user that could not be looked into
 */
struct objects {
	struct object *list;
	size_t count;
	bool whole;
	unsigned int hidden_own;
};

/* Whether the driver is there. If it is not, an error of @word, unless NULL */
bool objects_have_driver(const char *word);

/* False, with errno set: they could not be read, and there is nothing to free */
bool objects_read(struct objects *objects);
void objects_free(struct objects *objects);

/* Say that objects_read() has failed. Returns the exit status. */
int objects_failed(const char *word);

/* A note for people, if something may be missing */
void objects_say_missing(const struct objects *objects, const char *word);

/* All that is known of one, as an object of JSON */
void object_json(struct json *json, const struct object *object);

#endif /* OBJECTS_H */
