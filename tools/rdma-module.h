/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel module of RDMA controllers, which needs that of module.h.
 */
#ifndef RDMA_MODULE_H
#define RDMA_MODULE_H

/*
 * Load it, if it is not, and what it needs. Return: 0 or -errno; -ENOENT: there
 * is no file of it.
 */
int rdma_module_load(void);

#endif /* RDMA_MODULE_H */
