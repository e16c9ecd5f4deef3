/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The RDMA controllers in configfs. A directory is named from there on: "rdma0"
 * for a controller, "rdma0/nodes/2" for a node of it, "" for all of them.
 *
 * What returns an int returns 0 or -errno.
 */
#ifndef RDMA_CONFIGFS_H
#define RDMA_CONFIGFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rdma-config.h"

/* Where configfs is mounted */
#ifndef RDMA_CONFIGFS
#define RDMA_CONFIGFS "/sys/kernel/config"
#endif

#define RDMA_MODULE "rsm_rdma"
#define RDMA_ROOT RDMA_CONFIGFS "/" RDMA_MODULE

#define RDMA_DIR_MAX 64
#define RDMA_TEXT_MAX 128

/* "rdma0/nodes/2". Returns @dir. */
const char *rdma_node_dir(char dir[RDMA_DIR_MAX], const char *controller,
			  uint32_t id);
/* "rdma0/nodes" */
const char *rdma_nodes_dir(char dir[RDMA_DIR_MAX], const char *controller);

bool rdma_exists(const char *dir);
int rdma_make(const char *dir);
int rdma_remove(const char *dir);

/* The first line of a file. False: it is not there, or may not be read. */
bool rdma_read(const char *dir, const char *file, char text[RDMA_TEXT_MAX]);
int rdma_write(const char *dir, const char *file, const char *bytes,
	       size_t length);

/**
 * struct rdma_names - the directories in one
 * @count: their number
 * @name: them, in the order that people have
 */
struct rdma_names {
	unsigned int count;
	char **name;
};

/* None, if it cannot be read. rdma_free() what is found. */
void rdma_list(const char *dir, struct rdma_names *names);
void rdma_free(struct rdma_names *names);

/*
 * Loads the module and mounts configfs, if need be. Returns false if there are
 * no controllers to be had, and tells why.
 */
bool rdma_prepare(const struct rdma_from *from);

/* What to do about an error, for the end of a message */
const char *rdma_remedy(int error);

#endif /* RDMA_CONFIGFS_H */
