/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The secret that nodes share. It comes from a file, as what is in a command
 * line is seen by everybody, and is not kept longer than it is needed.
 */
#ifndef RDMA_KEY_H
#define RDMA_KEY_H

#include "rdma-config.h"

/* The longest, without a newline at its end */
#define RDMA_KEY_MAX 128

/**
 * struct rdma_key - a key
 * @length: how long it is, with the newline that may end it
 * @bytes: it, and room for what makes it too long
 */
struct rdma_key {
	size_t length;
	char bytes[RDMA_KEY_MAX + 2];
};

/* "-" is the standard input. Warns of a file that others can read. */
bool rdma_read_key(const struct rdma_from *from, const char *file,
		   struct rdma_key *key);
void rdma_forget_key(struct rdma_key *key);

#endif /* RDMA_KEY_H */
