/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What rdma.c and rdma_nodes.c do with imports.
 */
#ifndef RDMA_UTILS_H
#define RDMA_UTILS_H

#define RSM_REMOTE
#include "rsm_utils.h"

/*
 * Of a segment. No multiple of 1 MiB: copies up to the end of such a region have
 * rxe of Linux 6.1 read beyond its own list of pages.
 */
#define LENGTH 0xff000UL

#define RIGHTS (RSM_RIGHT_READ | RSM_RIGHT_WRITE)

static inline bool is_dead(int fd)
{
	struct pollfd pollfd = { .fd = fd };

	return poll(&pollfd, 1, 0) == 1 && pollfd.revents & POLLHUP;
}

/* A word of the segment, as the importer gets it, or -errno */
static inline long get_word(int fd, __u64 offset)
{
	long word = -1;
	int ret = rsm_get(fd, &word, offset, sizeof(word), NULL);

	return ret ?: word;
}

static inline int put_word(int fd, __u64 offset, long word)
{
	return rsm_put(fd, &word, offset, sizeof(word), NULL);
}

#endif /* RDMA_UTILS_H */
