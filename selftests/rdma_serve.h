/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a machine serves, for rdma_nodes.c: a segment whose first words say what
 * is to be done, and what was.
 */
#ifndef RDMA_SERVE_H
#define RDMA_SERVE_H

#define SERVE_ID(node) (0x200000 + (node))
#define SERVE_LENGTH (8UL << 20)

/* Offsets of words, and of what is nobody's */
#define SERVE_ORDER 0
#define SERVE_NODE 8
#define SERVE_REBINDS 16
#define SERVE_FAILED 24
#define SERVE_IMPORTS 32
#define SERVE_DATA 4096

/* Orders */
#define SERVE_POST 1
#define SERVE_REBIND 2
#define SERVE_EXIT 3
#define SERVE_CUT 4
#define SERVE_DIE 5
#define SERVE_STOP 6

/* How rdma_serve ends: to be started again, or because of SERVE_STOP */
#define SERVE_AGAIN 0
#define SERVE_DONE 3

/* No imports, in a word that is 0 before */
#define SERVE_NONE 1

#endif /* RDMA_SERVE_H */
