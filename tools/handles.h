/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who uses the driver: all its descriptors, and mappings, that the caller may
 * see in /proc. What tools know of others comes from here, and so does not go
 * beyond what the kernel shows to whoever runs them.
 *
 *	struct handles *it = handles_open(HANDLE_EXPORT | HANDLE_IMPORT, 0);
 *	const struct handle *handle;
 *
 *	while (it && (handle = handles_next(it)))
 *		printf("%d %s\n", handle->pid, handle_info(it, "rsm-segment"));
 *	handles_close(it);
 *
 * Processes come and go meanwhile: those that end are left out, also when it
 * happens half way through. Pages that a process has no descriptor of any more
 * are seen by their mappings; a descriptor that waits in a socket, or that
 * io_uring holds, is not seen at all.
 */
#ifndef HANDLES_H
#define HANDLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * enum handle_kind - what a process holds; to be combined, for handles_open()
 * @HANDLE_CONTROL: the device node
 * @HANDLE_EXPORT: an export
 * @HANDLE_IMPORT: an import
 * @HANDLE_TICKET: a ticket
 * @HANDLE_MAPPING: an area of memory that an import, or an export, is mapped
 *	into. To find these takes reading /proc/PID/maps of every process, which
 *	is slow, and waits for a process that changes its mappings.
 */
enum handle_kind {
	HANDLE_CONTROL = 1 << 0,
	HANDLE_EXPORT = 1 << 1,
	HANDLE_IMPORT = 1 << 2,
	HANDLE_TICKET = 1 << 3,
	HANDLE_MAPPING = 1 << 4,
};

#define HANDLE_FILES \
	(HANDLE_CONTROL | HANDLE_EXPORT | HANDLE_IMPORT | HANDLE_TICKET)
#define HANDLE_ALL (HANDLE_FILES | HANDLE_MAPPING)

/* The device node is the miscellaneous device of this number. */
#define RSM_DEV_MAJOR 10
#define RSM_DEV_MINOR 250

/* Room for the name of a process: kernel threads have long ones. */
#define HANDLE_COMM_MAX 64

/**
 * struct handle - a descriptor or a mapping
 * @kind: one of enum handle_kind
 * @pid: the process, as the mounted /proc numbers it
 * @tid: the thread whose descriptors these are: @pid, unless it has a table of
 *	its own
 * @fd: the descriptor; -1 for a mapping
 * @uid: user that the process runs as (its real one)
 * @comm: name of the process, any bytes but zero, newlines too; see
 *	handle_comm_text()
 * @address: HANDLE_MAPPING: where it begins
 * @length: HANDLE_MAPPING: its bytes
 * @offset: HANDLE_MAPPING: what of the file is mapped there
 * @status: HANDLE_MAPPING: not of the memory, but of the status page, of which
 *	the library maps one for each handle
 * @writable: HANDLE_MAPPING: as it is mapped now
 * @of: HANDLE_MAPPING: HANDLE_IMPORT, or HANDLE_EXPORT (status pages only)
 *
 * A process with the same file in two descriptors, or two processes that share
 * one, give several of these; handle_compare() finds them.
 */
struct handle {
	enum handle_kind kind;
	pid_t pid;
	pid_t tid;
	int fd;
	uid_t uid;
	char comm[HANDLE_COMM_MAX];
	uint64_t address;
	uint64_t length;
	uint64_t offset;
	bool status;
	bool writable;
	enum handle_kind of;
};

struct handles;

/**
 * handles_open() - begin to look
 * @kinds: what is wanted, a combination of enum handle_kind
 * @pid: of this process only; 0: of all
 *
 * Return: what to give to the others; or NULL with errno set: no /proc, no such
 * process (ENOENT), no memory.
 */
struct handles *handles_open(unsigned int kinds, pid_t pid);

/**
 * handles_next() - go to the next one
 * @it: from handles_open()
 *
 * Those of a process come together: by thread with a table of its own, by
 * descriptor, then the mappings by address.
 *
 * Return: it, good until the next call; NULL at the end.
 */
const struct handle *handles_next(struct handles *it);

/**
 * handle_info() - what the kernel tells of the current one
 * @it: from handles_open()
 * @key: without the colon: "rsm-segment"
 *
 * /proc/PID/fdinfo/FD is read when it is first asked for.
 *
 * Return: the text, good until handles_next(); NULL if there is no such line,
 * because the descriptor is gone by now, the kernel does not tell it of this
 * kind, or it is a mapping or the device node.
 */
const char *handle_info(struct handles *it, const char *key);

/**
 * handle_info_number() - the same for a number, in any base that C knows
 * @it: from handles_open()
 * @key: without the colon
 * @value: gets it; unchanged if there is none
 *
 * Octal needs its leading 0, as rsm-mode has.
 *
 * Return: false if there is none.
 */
bool handle_info_number(struct handles *it, const char *key, uint64_t *value);

/**
 * handle_info_next() - all that the kernel tells, line by line
 * @it: from handles_open()
 * @key: NULL, or what this returned last
 * @value: gets the text that goes with it
 *
 * Return: the next line's key; NULL at the end.
 */
const char *handle_info_next(struct handles *it, const char *key,
			     const char **value);

/**
 * handles_hidden() - count the processes that the caller may not look into
 * @it: from handles_open(), at its end
 * @own: only those that run as the caller's user
 *
 * Return: their number. Who may not look into kernel threads has these counted,
 * too.
 */
unsigned int handles_hidden(const struct handles *it, bool own);

/**
 * handles_whole() - whether nothing can be missing
 * @it: from handles_open(), at its end
 *
 * Return: false if a process could not be looked into, if /proc does not show
 * those of others (hidepid) or if it belongs to a PID namespace of its own.
 */
bool handles_whole(const struct handles *it);

/**
 * handle_compare() - an order that has equal files side by side
 * @a: a descriptor
 * @b: another, or the same
 *
 * Fit for qsort(), but not for handles of processes that are gone, or that the
 * kernel does not compare: each of these counts as a file of its own.
 *
 * Return: 0 if both are the same open file, duplicated, inherited or sent.
 */
int handle_compare(const struct handle *a, const struct handle *b);

/* "control", "export", "import", "ticket", "mapping"; NULL for none of them */
const char *handle_kind_name(enum handle_kind kind);

/**
 * handle_comm_text() - the name of the process, fit for a terminal
 * @text: gets it
 * @handle: whose
 *
 * Return: @text; what is not printable ASCII, and so might move the cursor, is
 * a question mark in it.
 */
const char *handle_comm_text(char text[HANDLE_COMM_MAX],
			     const struct handle *handle);

/* Gives back what handles_open() and the rest took; NULL is fine. */
void handles_close(struct handles *it);

#endif /* HANDLES_H */
