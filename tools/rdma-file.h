/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rsm.conf: which RDMA controllers and nodes there are to be, one a line.
 */
#ifndef RDMA_FILE_H
#define RDMA_FILE_H

#include <stdbool.h>

#define RDMA_FILE "/etc/rsm/rsm.conf"

/**
 * rdma_load_file() - make what the file asks for and is not there yet
 * @word: the subcommand, for messages
 * @path: the file
 *
 * Return: false if not all is there now, as the file has it. What is not is
 * told, line by line; the other lines are done.
 */
bool rdma_load_file(const char *word, const char *path);

#endif /* RDMA_FILE_H */
