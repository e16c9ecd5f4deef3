/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What rdma.c and rdma_nodes.c do with imports.
 */
#ifndef RDMA_UTILS_H
#define RDMA_UTILS_H

#define RSM_REMOTE
#include "rsm_utils.h"

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
