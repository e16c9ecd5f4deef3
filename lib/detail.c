// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What there is to say of the last failure of each thread.
 *
 * It is said when the failure is certain to be the caller's, as a success is to
 * leave it alone. lib/Makefile looks for errors of which nothing is said.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

/* Those that are longer are cut off. */
#define TEXT_MAX 256

/**
 * struct detail - what there is to say
 * @text: @buffer, a constant, or NULL before the first failure
 * @buffer: for a text with values
 */
struct detail {
	const char *text;
	char buffer[TEXT_MAX];
};

static _Thread_local struct detail last;

const char *rsm_last_error(void)
{
	return last.text ?: "";
}

/* @format is constant. */
void rsm_say(const char *format, ...)
{
	int saved_errno = errno;
	va_list args;

	last.text = format;
	/* Who looks for signals may do so all the time. */
	if (!strchr(format, '%'))
		return;
	last.text = last.buffer;
	va_start(args, format);
	vsnprintf(last.buffer, sizeof(last.buffer), format, args);
	va_end(args);
	errno = saved_errno;
}

/* What is said of ioctls with values; 0: nothing of this error */

static int fail_info(int ret, const void *arg)
{
	const struct rsm_controller_info *cmd = arg;

	if (ret != RSMERR_CTLR_NOT_PRESENT)
		return 0;
	return rsm_fail(ret, "there is no controller \"%s\"", cmd->name);
}

static int fail_range(int ret, __u64 vaddr, __u64 length)
{
	if (ret == RSMERR_BAD_ADDR && vaddr % rsm_page_size())
		return rsm_fail(ret, RSM_NOT_ALIGNED, "address",
				(uintmax_t)vaddr, rsm_page_size());
	if (ret == RSMERR_BAD_ADDR)
		return rsm_fail(ret, "not all of %llu bytes at %#llx is anonymous, huge page or shared memory (SysV, memfd, tmpfs)",
				length, vaddr);
	if (ret == RSMERR_PERM_DENIED)
		return rsm_fail(ret, "not all of %llu bytes at %#llx is writable",
				length, vaddr);
	return 0;
}

static int fail_create(int ret, const void *arg)
{
	const struct rsm_export_create *cmd = arg;

	switch (ret) {
	case RSMERR_INSUFFICIENT_MEM:
		return rsm_fail_memory("export", cmd->length, cmd->length);
	case RSMERR_BAD_LENGTH:
		return rsm_fail(ret, "length %llu is more than %llu",
				cmd->length, RSM_MAX_LENGTH);
	}
	return fail_range(ret, cmd->vaddr, cmd->length);
}

static int fail_rebind(int ret, const void *arg)
{
	const struct rsm_export_rebind *cmd = arg;

	switch (ret) {
	case RSMERR_INSUFFICIENT_MEM:
		return rsm_fail_memory("rebind (old and new memory)",
				       2 * cmd->length, cmd->length);
	case RSMERR_BAD_LENGTH:
		return rsm_fail(ret, "length %llu is not that of the segment",
				cmd->length);
	}
	return fail_range(ret, cmd->vaddr, cmd->length);
}

static int fail_publish(int ret, const void *arg)
{
	const struct rsm_export_publish *cmd = arg;

	if (ret != RSMERR_SEGID_IN_USE)
		return 0;
	return rsm_fail(ret, "another segment is published as %#x: choose another id, or 0 to be given one",
			cmd->segid);
}

static int fail_connect(int ret, const void *arg)
{
	const struct rsm_import_connect *cmd = arg;

	switch (ret) {
	case RSMERR_CTLR_NOT_PRESENT:
		return rsm_fail(ret, "the controller is gone, does not reach node %u, or is another network namespace's",
				cmd->node);
	case RSMERR_SEG_NOT_PUBLISHED:
		return rsm_fail(ret, "node %u has no segment published as %#x, or in another IPC namespace",
				cmd->node, cmd->segid);
	case RSMERR_REMOTE_NODE_UNREACHABLE:
		return rsm_fail(ret, "node %u does not answer: it may be down, cut off from the network, or without a controller that knows this node",
				cmd->node);
	case RSMERR_PERM_DENIED:
		return rsm_fail(ret, "segment %#x does not grant %#o to this user: see its access list, and umask",
				cmd->segid, cmd->perm);
	}
	return 0;
}

static int fail_redeem(int ret, const void *arg)
{
	const struct rsm_ticket_connect *cmd = arg;

	if (ret != RSMERR_PERM_DENIED)
		return 0;
	return rsm_fail(ret, "the ticket does not grant %#o", cmd->perm);
}

static int fail_lock(int ret, const void *arg)
{
	const struct rsm_lock *cmd = arg;

	switch (ret) {
	case RSMERR_TIMEOUT:
		return rsm_fail(ret, "another process has lock %#llx",
				cmd->offset);
	case RSMERR_BAD_MEM_ALIGNMENT:
		return rsm_fail(ret, RSM_NOT_ALIGNED, "offset",
				(uintmax_t)cmd->offset, sizeof(uint64_t));
	case RSMERR_BAD_OFFSET:
		return rsm_fail(ret, "offset %#llx is not within the segment",
				cmd->offset);
	case RSMERR_INSUFFICIENT_RESOURCES:
		return rsm_fail(ret, "the handle has %u locks: unlock some, or connect once more",
				RSM_LOCKS_MAX);
	}
	return 0;
}

#define IOCTL(_name, _fail)                                                    \
	[RSM_CMD_##_name - RSM_CMD_BASE] = { "RSM_" #_name, _fail }

static const struct {
	const char *name;
	int (*fail)(int ret, const void *arg);
} ioctls[] = {
	IOCTL(CONTROLLER_INFO, fail_info),
	IOCTL(EXPORT_CREATE, fail_create),
	IOCTL(EXPORT_REBIND, fail_rebind),
	IOCTL(EXPORT_PUBLISH, fail_publish),
	IOCTL(EXPORT_REPUBLISH, NULL),
	IOCTL(EXPORT_UNPUBLISH, NULL),
	IOCTL(EXPORT_DESTROY, NULL),
	IOCTL(IMPORT_CONNECT, fail_connect),
	IOCTL(IMPORT_PUT, NULL),
	IOCTL(IMPORT_GET, NULL),
	IOCTL(IMPORT_ATOMIC, NULL),
	IOCTL(SIGNAL_POST, NULL),
	IOCTL(SIGNAL_WAIT, NULL),
	IOCTL(LOCK, fail_lock),
	IOCTL(UNLOCK, NULL),
	IOCTL(EXPORT_GRANT, NULL),
	IOCTL(TICKET_CONNECT, fail_redeem),
	IOCTL(CONTROLLER_FIND, NULL),
	IOCTL(CONTROLLER_NODES, NULL),
	IOCTL(IMPORT_FENCE, NULL),
};

/* What is said without values, of one ioctl, or (0) of any and of none */
static const struct {
	int error;
	unsigned long nr;
	const char *text;
} texts[] = {
	{ RSMERR_BAD_SEG_HNDL, 0,
	  "the segment has ended, with its creator, or its descriptor was closed" },
	{ RSMERR_SEG_ALREADY_PUBLISHED, 0,
	  "the segment is published: unpublish, or republish it" },
	{ RSMERR_SEG_NOT_PUBLISHED, RSM_TICKET_CONNECT,
	  "the ticket has ended: the segment was unpublished" },
	{ RSMERR_SEG_NOT_PUBLISHED, 0,
	  "the segment is not published: rsm_memseg_export_publish() comes first" },
	{ RSMERR_SEG_NOT_PUBLISHED_TO_NODE, 0,
	  "this node is not on the segment's access list" },
	{ RSMERR_NOT_CREATOR, 0,
	  "the segment is another process's: none but its creator can do this" },
	{ RSMERR_BAD_ADDR, RSM_IMPORT_PUT, "the data cannot be read" },
	{ RSMERR_BAD_ADDR, RSM_IMPORT_GET,
	  "the memory for the data cannot be written" },
	{ RSMERR_BAD_ADDR, 0, "the access list cannot be read" },
	{ RSMERR_BAD_ACL, 0,
	  "the access list is too long, has a wrong node, or more than 0666" },
	{ RSMERR_PERM_DENIED, RSM_LOCK,
	  "the segment is connected without RSM_PERM_WRITE" },
	{ RSMERR_LOCKS_NOT_SUPPORTED, RSM_LOCK,
	  "the controller has no locks of segments on other machines" },
	{ RSMERR_LOCKS_NOT_SUPPORTED, 0,
	  "the controller does not have what RSM_LOCK_OPS asks for" },
	{ RSMERR_LOCKS_NOT_ENABLED, 0,
	  "the segment was created without RSM_LOCK_OPS" },
	{ RSMERR_REBIND_NOT_ALLOWED, 0,
	  "the segment was created without RSM_ALLOW_REBIND" },
	{ RSMERR_REMOTE_NODE_UNREACHABLE, 0,
	  "the exporter's node does not answer: it may be down, or cut off from the network" },
	{ RSMERR_CONN_ABORTED, 0,
	  "the exporter withdrew the segment, or ended: connect once more" },
	{ RSMERR_INTERRUPTED, 0, "interrupted by a signal: call again" },
	{ RSMERR_LOCK_NOT_HELD, 0,
	  "the kernel has let go of the lock: the exporter withdrew the segment" },
	{ 0, 0, NULL },
};

static const char *find_text(unsigned long nr, int error)
{
	size_t i;

	for (i = 0; texts[i].text; i++)
		if (texts[i].error == error &&
		    (texts[i].nr == nr || !texts[i].nr))
			break;
	return texts[i].text;
}

void rsm_say_plain(int error)
{
	last.text = find_text(0, error) ?: rsm_strerror(error);
}

/* An ioctl failed with nothing but an errno. */
int rsm_fail_errno(unsigned long nr, int ret, int error)
{
	const char *name = ioctls[_IOC_NR(nr) - RSM_CMD_BASE].name;

	switch (error) {
	case EBADF:
		return rsm_fail(ret, RSM_FD_CLOSED);
	case ENOTTY:
		return rsm_fail(ret, "no %s: the application has something else open in the place of the descriptor, or the module is older than the library",
				name);
	}
	return rsm_fail(ret, "%s: %s (%s)", name, rsm_strerror(ret),
			strerrorname_np(error) ?: "unknown");
}

/* An ioctl failed with an out_error; @error is the errno. */
int rsm_fail_ioctl(unsigned long nr, const void *cmd, int ret, int error)
{
	size_t i = _IOC_NR(nr) - RSM_CMD_BASE;
	const char *text = find_text(nr, ret);

	if (ioctls[i].fail && ioctls[i].fail(ret, cmd))
		return ret;
	switch (error) {
	case EMFILE:
	case ENFILE:
	case ENOSPC:
		return rsm_fail_resources(ret, error);
	}
	if (!text)
		return rsm_fail_errno(nr, ret, error);
	last.text = text;
	return ret;
}
