/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef RSM_INTERNAL_H
#define RSM_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/rsmctl.h>
#include <rsmapi.h>

/* handle.c */

enum rsm_handle_kind {
	RSM_HANDLE_FREE,
	RSM_HANDLE_CONTROLLER,
	RSM_HANDLE_EXPORT,
	RSM_HANDLE_IMPORT,
};

/**
 * struct rsm_ctlr - what a controller handle stands for
 * @refs: calls of rsm_get_controller() to be undone
 * @next: next controller in use
 * @info: as the kernel told when the handle was made
 */
struct rsm_ctlr {
	unsigned long refs;
	struct rsm_handle *next;
	struct rsm_controller_info info;
};

/**
 * struct rsm_export - what an export handle stands for
 * @fd: the kernel's export
 * @published: a publish succeeded and was not undone
 */
struct rsm_export {
	int fd;
	bool published;
};

/**
 * struct rsm_import - what an import handle stands for
 * @fd: the kernel's import
 * @mode: of get and put
 * @length: length of the segment in bytes
 * @status: status page of @fd
 * @map: the mapping, which may be at address 0
 * @map_length: its length in bytes, a multiple of the page size; 0: none
 * @barrier: the barrier that was last made, or NULL
 */
struct rsm_import {
	int fd;
	rsm_barrier_mode_t mode;
	uint64_t length;
	const struct rsm_status *status;
	void *map;
	size_t map_length;
	const rsmapi_barrier_t *barrier;
};

/**
 * struct rsm_handle - a slot of the table of handles
 * @lock: held by the operation on the handle that is under way
 * @value: the handle, as the application knows it
 * @kind: enum rsm_handle_kind, never RSM_HANDLE_FREE for a valid @value
 * @next_free: next free slot
 * @ctlr: for RSM_HANDLE_CONTROLLER
 * @export: for RSM_HANDLE_EXPORT
 * @import: for RSM_HANDLE_IMPORT
 */
struct rsm_handle {
	pthread_mutex_t lock;
	uintptr_t value;
	enum rsm_handle_kind kind;
	struct rsm_handle *next_free;
	union {
		struct rsm_ctlr ctlr;
		struct rsm_export export;
		struct rsm_import import;
	};
};

struct rsm_handle *rsm_handle_new(enum rsm_handle_kind kind);
struct rsm_handle *rsm_handle_hold(const void *value,
				   enum rsm_handle_kind kind);
void rsm_handle_release(struct rsm_handle *handle);
void rsm_handle_free(struct rsm_handle *handle);

/* kernel.c */
int rsm_ioctl(int fd, unsigned long nr, void *cmd, const __u32 *out_error);
int rsm_control(unsigned long nr, void *cmd, const __u32 *out_error,
		int open_error);
int rsm_mmap(void **addr, size_t length, int prot, int flags, int fd,
	     off_t offset);
size_t rsm_page_size(void);

/* controller.c */
int rsm_ctlr_info(rsmapi_controller_handle_t controller,
		  struct rsm_controller_info *info);

#endif /* RSM_INTERNAL_H */
