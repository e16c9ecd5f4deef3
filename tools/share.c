// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fdinfo.h"
#include "output.h"
#include "share.h"

/* In seconds: what poll() can wait for */
#define MOST_SECONDS 2000000

bool share_parse_seconds(const char *text, int *ms)
{
	double seconds;
	char *end;

	errno = 0;
	seconds = strtod(text, &end);
	if (!isdigit((unsigned char)*text) || *end || errno ||
	    !(seconds <= MOST_SECONDS))
		return false;
	*ms = ceil(seconds * 1000);
	return true;
}

bool share_parse_count(const char *text, unsigned long *count)
{
	char *end;

	errno = 0;
	*count = strtoul(text, &end, 10);
	return isdigit((unsigned char)*text) && !*end && !errno && *count;
}

bool share_failed(const char *word, const char *what, int error)
{
	const char *detail = rsm_last_error();

	out_error(word, "cannot %s: %s", what,
		  *detail ? detail : rsm_strerror(error));
	return false;
}

bool share_failed_errno(const char *word, const char *what, const char *name)
{
	out_error(word, "cannot %s %s: %s", what, name, strerror(errno));
	return false;
}

/* Loopback is there if the driver is. */
bool share_controller(const char *word, const char *name,
		      rsmapi_controller_handle_t *ctl)
{
	int error = rsm_get_controller("loopback", ctl);

	if (!error && name) {
		rsm_release_controller(*ctl);
		error = rsm_get_controller((char *)name, ctl);
	} else {
		name = NULL;
	}
	if (!error)
		return true;
	*ctl = NULL;
	if (!name || error != RSMERR_CTLR_NOT_PRESENT)
		return share_failed(word, "use the driver", error);
	out_error(word, "there is no controller %s: see \"rsmctl controller list\"; root adds one with \"rsmctl controller add\"",
		  name);
	return false;
}

bool share_fdinfo(int fd, const char *key, char *value, size_t size)
{
	struct fdinfo info;
	const char *found;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	fdinfo_read(&info, AT_FDCWD, path);
	found = fdinfo_find(&info, key);
	if (found)
		snprintf(value, size, "%s", found);
	fdinfo_free(&info);
	return found;
}
