// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the errors are called.
 */
#include <stddef.h>

#include <rsm_ext.h>

#define ERROR(error, text) { error, #error, text }

static const struct {
	int error;
	const char *name;
	const char *text;
} errors[] = {
	ERROR(RSM_SUCCESS, "success"),
	ERROR(RSMERR_BAD_LIBRARY_VERSION, "wrong version of the library"),
	ERROR(RSMERR_BAD_TOPOLOGY_PTR, "invalid topology pointer"),
	ERROR(RSMERR_BAD_CTLR_HNDL, "invalid controller handle"),
	ERROR(RSMERR_CTLR_NOT_PRESENT, "no such controller"),
	ERROR(RSMERR_BAD_SEG_HNDL, "invalid segment handle"),
	ERROR(RSMERR_SEG_ALREADY_PUBLISHED, "segment is published already"),
	ERROR(RSMERR_SEG_NOT_PUBLISHED, "segment is not published"),
	ERROR(RSMERR_SEG_NOT_PUBLISHED_TO_NODE,
	      "segment is not published to this node"),
	ERROR(RSMERR_SEG_ALREADY_MAPPED, "segment is mapped already"),
	ERROR(RSMERR_SEG_STILL_MAPPED, "segment is still mapped"),
	ERROR(RSMERR_SEG_NOT_MAPPED, "segment is not mapped"),
	ERROR(RSMERR_NOT_CREATOR, "not the creator of the segment"),
	ERROR(RSMERR_BAD_BARRIER_PTR, "invalid barrier pointer"),
	ERROR(RSMERR_BAD_SGIO, "invalid list of transfers"),
	ERROR(RSMERR_BAD_LOCALMEM_HNDL, "invalid local memory handle"),
	ERROR(RSMERR_BAD_ADDR, "invalid address"),
	ERROR(RSMERR_BAD_MEM_ALIGNMENT,
	      "address, offset or length is not aligned"),
	ERROR(RSMERR_BAD_OFFSET, "offset is not within the segment"),
	ERROR(RSMERR_MISALIGNED_OFFSET, "offset is not aligned"),
	ERROR(RSMERR_BAD_LENGTH, "invalid length"),
	ERROR(RSMERR_BAD_ACL, "invalid access list"),
	ERROR(RSMERR_BAD_SEGID, "invalid segment id"),
	ERROR(RSMERR_RESERVED_SEGID, "segment id is reserved"),
	ERROR(RSMERR_SEGID_IN_USE, "segment id is in use"),
	ERROR(RSMERR_BAD_MODE, "invalid barrier mode"),
	ERROR(RSMERR_BAD_PERMS, "invalid permissions"),
	ERROR(RSMERR_PERM_DENIED, "permission denied"),
	ERROR(RSMERR_LOCKS_NOT_SUPPORTED, "controller has no lock operations"),
	ERROR(RSMERR_LOCKS_NOT_ENABLED,
	      "segment was created without lock operations"),
	ERROR(RSMERR_REBIND_NOT_ALLOWED, "segment was created without rebind"),
	ERROR(RSMERR_INSUFFICIENT_RESOURCES, "out of resources"),
	ERROR(RSMERR_INSUFFICIENT_MEM, "out of memory"),
	ERROR(RSMERR_MAP_FAILED, "mapping failed"),
	ERROR(RSMERR_POLLFD_IN_USE,
	      "segment has descriptors for polling in use"),
	ERROR(RSMERR_BARRIER_UNINITIALIZED, "barrier is not initialized"),
	ERROR(RSMERR_BARRIER_OPEN_FAILED, "barrier could not be opened"),
	ERROR(RSMERR_BARRIER_NOT_OPENED, "barrier is not open"),
	ERROR(RSMERR_BARRIER_FAILURE, "barrier failed"),
	ERROR(RSMERR_REMOTE_NODE_UNREACHABLE, "remote node is unreachable"),
	ERROR(RSMERR_CONN_ABORTED, "connection was aborted"),
	ERROR(RSMERR_INTERRUPTED, "interrupted by a signal"),
	ERROR(RSMERR_TIMEOUT, "timed out"),
	ERROR(RSMERR_BAD_APPID, "application id is not configured"),
	ERROR(RSMERR_BAD_CONF, "invalid configuration file"),
	ERROR(RSMERR_SEG_NOT_CONNECTED, "segment is not connected"),
	ERROR(RSMERR_INTERNAL_ERROR, "internal error"),
	ERROR(RSMERR_BAD_DRIVER_VERSION, "wrong version of the driver"),
	ERROR(RSMERR_UNSUPPORTED_VERSION, "unsupported version"),
	ERROR(RSMERR_DRIVER_NAME_IN_USE, "driver name is in use"),
	ERROR(RSMERR_DRIVER_NOT_REGISTERED, "driver is not registered"),
	ERROR(RSMERR_DRIVER_THREAD_RUNNING, "driver's thread is running"),
	ERROR(RSMERR_NEED_THREAD_INIT,
	      "driver's thread needs to be initialized"),
	ERROR(RSMERR_THREAD_NOT_INITED, "driver's thread is not initialized"),
	ERROR(RSMERR_CTLRS_REGISTERED, "controllers are registered"),
	ERROR(RSMERR_CTLR_NOT_REGISTERED, "controller is not registered"),
	ERROR(RSMERR_CTLR_ALREADY_REGISTERED,
	      "controller is registered already"),
	ERROR(RSMERR_CTLR_IN_USE, "controller is in use"),
	ERROR(RSMERR_NAME_TOO_LONG, "name is too long"),
	ERROR(RSMERR_SEG_PUBLISHED, "segment is published"),
	ERROR(RSMERR_SEG_NOT_PUBLISHED_TO_RSM_ADDR,
	      "segment is not published to this address"),
	ERROR(RSMERR_SEG_IN_USE, "segment is in use"),
	ERROR(RSMERR_BAD_SENDQ_HNDL, "invalid send queue handle"),
	ERROR(RSMERR_BAD_ARGS_ERRORS, "invalid arguments"),
	ERROR(RSMERR_BAD_MSTYPE, "invalid memory type"),
	ERROR(RSMERR_NO_BACKING_MEM, "no memory behind it"),
	ERROR(RSMERR_NOT_MEM, "not memory"),
	ERROR(RSMERR_MEM_ALREADY_BOUND, "memory is bound already"),
	ERROR(RSMERR_MEM_NOT_BOUND, "memory is not bound"),
	ERROR(RSMERR_HANDLER_NOT_REGISTERED, "handler is not registered"),
	ERROR(RSMERR_NO_HANDLER, "no handler"),
	ERROR(RSMERR_UNBIND_REBIND_NOT_ALLOWED,
	      "unbind and rebind are not allowed"),
	ERROR(RSMERR_CALLBACKS_NOT_SUPPORTED, "callbacks are not supported"),
	ERROR(RSMERR_UNSUPPORTED_OPERATION, "operation is not supported"),
	ERROR(RSMERR_RSM_ADDR_UNREACHABLE, "address is unreachable"),
	ERROR(RSMERR_UNKNOWN_RSM_ADDR, "unknown address"),
	ERROR(RSMERR_BAD_BARRIER_HNDL, "invalid barrier handle"),
	ERROR(RSMERR_COMM_ERR_MAYBE_DELIVERED,
	      "communication failed, the message may have arrived"),
	ERROR(RSMERR_COMM_ERR_NOT_DELIVERED,
	      "communication failed, the message did not arrive"),
	ERROR(RSMERR_QUEUE_FENCE_UP, "queue is fenced off"),
	ERROR(RSMERR_QUEUE_FULL, "queue is full"),
	ERROR(RSMERR_LOCK_HELD, "the caller has the lock already"),
	ERROR(RSMERR_LOCK_NOT_HELD, "the caller does not have the lock"),
	/* any other */
	{ 0, NULL, "unknown error" },
};

static size_t find(int error)
{
	size_t i = 0;

	while (errors[i].name && errors[i].error != error)
		i++;
	return i;
}

const char *rsm_strerror(int error)
{
	return errors[find(error)].text;
}

const char *rsm_strerrorname(int error)
{
	return errors[find(error)].name;
}
