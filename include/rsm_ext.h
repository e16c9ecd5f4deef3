/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What this library has beyond RSMAPI: names of errors and what caused them,
 * atomic operations and locks on segments, and tickets.
 *
 * The functions keep the rules of <rsmapi.h>: they return RSM_SUCCESS (0) or
 * one of RSMERR_, leave errno alone, and may be called from any thread.
 */
#ifndef _RSM_EXT_H
#define _RSM_EXT_H

#include <rsmapi.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The caller has the lock already. */
#define RSMERR_LOCK_HELD 200
/* The caller does not have the lock. */
#define RSMERR_LOCK_NOT_HELD 201

/* Errors */

/*
 * What an error means, in a few words: "segment id is in use". The strings
 * are constant; an unknown error gives "unknown error".
 */
const char *rsm_strerror(int error);

/* The name of an error: "RSMERR_SEGID_IN_USE"; NULL if it is unknown. */
const char *rsm_strerrorname(int error);

/*
 * Why the last function of the library failed that the calling thread had fail,
 * with the values in question, and what to do about it if that is not obvious:
 * "address 0x7f3a5c001010 is not a multiple of 4096". The wording can change
 * from release to release.
 *
 * One line of up to 255 characters, "" before the first failure, never NULL. It
 * can be read until another function fails in the thread, or the thread ends; a
 * success leaves it alone.
 */
const char *rsm_last_error(void);

/* Atomic operations */

/*
 * Change the word of 64 bits at @offset bytes of a segment, a multiple of 8,
 * as one step with regard to all other such operations and to atomic
 * instructions on the exporter's memory and on mappings. All memory accesses
 * before and after keep their order.
 *
 * cas: store @desired if the word is equal to @expected. add: add @value,
 * modulo 2^64. swap: store @value. *@old, unless NULL, receives the word as it
 * was before.
 *
 * The connection needs RSM_PERM_RDWR, the segment RSM_LOCK_OPS. It is mapped
 * and judged by its mode as with rsm_memseg_import_put64().
 *
 * RSMERR_BAD_SEG_HNDL
 * RSMERR_BAD_MEM_ALIGNMENT: @offset
 * RSMERR_PERM_DENIED: connected, or mapped, without both rights
 * RSMERR_BAD_OFFSET: not within the segment, or what of it is mapped
 * RSMERR_LOCKS_NOT_ENABLED: created without RSM_LOCK_OPS
 * RSMERR_BARRIER_UNINITIALIZED
 * RSMERR_CONN_ABORTED
 */
int rsm_memseg_import_cas64(rsm_memseg_import_handle_t im_memseg, off_t offset,
			    uint64_t expected, uint64_t desired, uint64_t *old);
int rsm_memseg_import_add64(rsm_memseg_import_handle_t im_memseg, off_t offset,
			    uint64_t value, uint64_t *old);
int rsm_memseg_import_swap64(rsm_memseg_import_handle_t im_memseg, off_t offset,
			     uint64_t value, uint64_t *old);

/* Locks; @memseg is an export or import handle. */

/* In *@flags: the last owner ended, or was cut off, without unlocking. */
#define RSM_OWNER_DIED 0x01

/*
 * Take the lock named @offset of a segment that was made with RSM_LOCK_OPS:
 * a multiple of 8 within the segment, at which any data may be. Waits up to
 * @timeout milliseconds, with -1 for ever; 0 tries. The owner is the calling
 * thread, and to other processes the calling process.
 *
 * The lock is kept by the kernel and not in the segment. It is let go of when
 * its owner's process ends, whatever the reason, calls exec, or ends the
 * handle, and when the exporter withdraws the segment from an importer. The
 * next owner finds RSM_OWNER_DIED in *@flags and should repair what the lock
 * protects. @flags may be NULL.
 *
 * RSMERR_BAD_SEG_HNDL: also when the handle ends while waiting
 * RSMERR_LOCKS_NOT_SUPPORTED: connected to another machine
 * RSMERR_LOCKS_NOT_ENABLED: created without RSM_LOCK_OPS
 * RSMERR_BAD_MEM_ALIGNMENT: @offset
 * RSMERR_PERM_DENIED: connected without RSM_PERM_WRITE
 * RSMERR_BAD_OFFSET: not within the segment
 * RSMERR_LOCK_HELD: the caller has it already.
 * RSMERR_TIMEOUT
 * RSMERR_CONN_ABORTED: the exporter withdrew the segment.
 * RSMERR_INSUFFICIENT_MEM
 * RSMERR_INSUFFICIENT_RESOURCES: 1024 locks of one handle
 */
int rsm_memseg_lock(void *memseg, off_t offset, int timeout, uint_t *flags);

/*
 * Let go of a lock.
 *
 * RSMERR_BAD_SEG_HNDL
 * RSMERR_LOCK_NOT_HELD: the caller does not have it, or lost it when the
 *	exporter withdrew the segment.
 */
int rsm_memseg_unlock(void *memseg, off_t offset);

/* Tickets */

/*
 * Make a ticket of a published segment: a descriptor that lets whoever holds
 * it connect with the rights @perm, whatever the access list says. It can be
 * sent through a socket (SCM_RIGHTS) to a process that shares no namespace and
 * no user with the exporter. close() it when done; it is close-on-exec. It
 * ends with the publication.
 *
 * RSMERR_BAD_SEG_HNDL
 * RSMERR_BAD_ADDR: @ticket is NULL.
 * RSMERR_BAD_PERMS: other bits in @perm
 * RSMERR_SEG_NOT_PUBLISHED
 * RSMERR_NOT_CREATOR
 * RSMERR_INSUFFICIENT_MEM
 * RSMERR_INSUFFICIENT_RESOURCES
 */
int rsm_memseg_export_grant(rsm_memseg_export_handle_t memseg,
			    rsm_permission_t perm, int *ticket);

/*
 * Connect with a ticket, as rsm_memseg_import_connect(). The ticket can be
 * used again, and stays the caller's to close.
 *
 * RSMERR_BAD_SEG_HNDL: @im_memseg is NULL.
 * RSMERR_BAD_ADDR: @ticket is no ticket.
 * RSMERR_PERM_DENIED: other bits in @perm, or more than the ticket grants
 * RSMERR_SEG_NOT_PUBLISHED: the ticket has ended.
 * RSMERR_INSUFFICIENT_MEM
 * RSMERR_INSUFFICIENT_RESOURCES
 */
int rsm_memseg_import_redeem(int ticket, rsm_permission_t perm,
			     rsm_memseg_import_handle_t *im_memseg);

#ifdef __cplusplus
}
#endif

#endif /* _RSM_EXT_H */
