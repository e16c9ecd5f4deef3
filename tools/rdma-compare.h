/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether what is there is as it is to be. Each difference is told, with how to
 * change it. A key cannot be read, and so not be compared.
 */
#ifndef RDMA_COMPARE_H
#define RDMA_COMPARE_H

#include "rdma-config.h"

bool rdma_is_controller(const struct rdma_from *from,
			const struct rdma_controller *controller);
bool rdma_is_node(const struct rdma_from *from, const struct rdma_node *node);

#endif /* RDMA_COMPARE_H */
