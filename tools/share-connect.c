// SPDX-License-Identifier: GPL-2.0-only
/*
 * A connection, and copies of its segment that are known to be such.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "output.h"
#include "share.h"

static int connect_to(struct share_import *imp,
		      const struct share_target *target, rsm_permission_t perm)
{
	if (target->ticket >= 0)
		return rsm_memseg_import_redeem(target->ticket, perm,
						&imp->handle);
	return rsm_memseg_import_connect(imp->ctl, target->node, target->id,
					 perm, &imp->handle);
}

/* The library does not tell these. */
static bool look_up(struct share_import *imp)
{
	char value[64];
	void *status;

	if (!share_fdinfo(imp->fd, "rsm-controller", value, sizeof(value)))
		return false;
	imp->remote = strcmp(value, "loopback");
	if (!share_fdinfo(imp->fd, "rsm-length", value, sizeof(value)))
		return false;
	imp->length = strtoull(value, NULL, 10);
	if (!share_fdinfo(imp->fd, "rsm-flags", value, sizeof(value)))
		return false;
	imp->rebinds = strstr(value, "rebind");
	status = mmap(NULL, SHARE_PAGE, PROT_READ, MAP_SHARED, imp->fd,
		      RSM_STATUS_OFFSET);
	if (status == MAP_FAILED)
		return false;
	imp->status = status;
	return true;
}

int share_try_connect(struct share_import *imp, const char *word,
		      const struct share_target *target, rsm_permission_t perm)
{
	struct pollfd pollfd;
	int error;

	*imp = (struct share_import){ .word = word,
				      .fd = -1,
				      .remote = target->controller };
	error = rsm_get_controller((char *)target->controller, &imp->ctl);
	if (!error)
		error = connect_to(imp, target, perm);
	if (!error)
		error = rsm_memseg_import_init_barrier(imp->handle,
						       RSM_BAR_DEFAULT,
						       &imp->barrier);
	if (!error)
		error = rsm_memseg_get_pollfd(imp->handle, &pollfd);
	if (error) {
		share_disconnect(imp);
		return error;
	}
	imp->fd = pollfd.fd;
	return RSM_SUCCESS;
}

bool share_connect(struct share_import *imp, const char *word,
		   const struct share_target *target, rsm_permission_t perm)
{
	int error = share_try_connect(imp, word, target, perm);

	return !error || share_connect_failed(word, target, perm, error);
}

bool share_look_up(struct share_import *imp)
{
	if (look_up(imp))
		return true;
	out_error(imp->word,
		  "cannot learn what the segment is from /proc/self/fdinfo: is /proc mounted, and the driver as new as this command?");
	return false;
}

bool share_map(struct share_import *imp)
{
	void *map = NULL;
	int error;

	if (imp->remote)
		return true;
	error = rsm_memseg_import_map(imp->handle, &map, RSM_MAP_NONE,
				      RSM_PERM_READ, 0, imp->length);
	if (error)
		return share_import_failed(imp, "map the segment (--get may copy it)",
					   error);
	imp->map = map;
	return true;
}

void share_disconnect(struct share_import *imp)
{
	if (imp->status)
		munmap((void *)imp->status, SHARE_PAGE);
	if (imp->fd >= 0)
		rsm_memseg_release_pollfd(imp->handle);
	if (imp->map)
		rsm_memseg_import_unmap(imp->handle);
	if (imp->handle)
		rsm_memseg_import_disconnect(imp->handle);
	if (imp->ctl)
		rsm_release_controller(imp->ctl);
	*imp = (struct share_import){ .fd = -1 };
}

bool share_is_unreachable(const struct share_import *imp)
{
	char value[64];

	return share_fdinfo(imp->fd, "rsm-state", value, sizeof(value)) &&
	       !strcmp(value, "unreachable");
}

const char *share_end(const struct share_import *imp)
{
	if (share_is_unreachable(imp))
		return "the exporter's node does not answer any more";
	if (imp->remote)
		return "the exporter has ended the segment, or a controller was removed";
	return "the exporter has ended the segment";
}

bool share_import_failed(const struct share_import *imp, const char *what,
			 int error)
{
	if (error != RSMERR_CONN_ABORTED)
		return share_failed(imp->word, what, error);
	out_error(imp->word, "cannot %s: %s", what, share_end(imp));
	return false;
}

static bool has_ended(const struct share_import *imp)
{
	return __atomic_load_n(&imp->status->state, __ATOMIC_ACQUIRE) !=
	       RSM_STATE_LIVE;
}

uint64_t share_generation(const struct share_import *imp)
{
	const struct timespec moment = { .tv_nsec = 100000 };
	uint64_t rebinds;

	for (;;) {
		rebinds = __atomic_load_n(&imp->status->rebinds,
					  __ATOMIC_ACQUIRE);
		/* A rebind of a node that is gone does not come to its end. */
		if (!(rebinds & 1) || has_ended(imp))
			return rebinds;
		nanosleep(&moment, NULL);
	}
}

int share_fetch(struct share_import *imp, uint64_t offset, void *to,
		size_t length)
{
	int closed, error = RSM_SUCCESS;

	rsm_memseg_import_open_barrier(&imp->barrier);
	if (imp->map)
		memcpy(to, imp->map + offset, length);
	else
		error = rsm_memseg_import_get(imp->handle, offset, to, length);
	closed = rsm_memseg_import_close_barrier(&imp->barrier);
	return error ? error : closed;
}

static bool valid(const struct share_import *imp,
		  const struct share_trailer *trailer)
{
	return !memcmp(trailer->magic, SHARE_MAGIC, sizeof(SHARE_MAGIC)) &&
	       trailer->length <= imp->length - SHARE_PAGE;
}

int share_fetch_trailer(struct share_import *imp, struct share_trailer *trailer)
{
	int error = share_fetch(imp, imp->length - SHARE_PAGE, trailer,
				sizeof(*trailer));

	if (!error && !valid(imp, trailer))
		*trailer = (struct share_trailer){ .length = imp->length };
	return error;
}
