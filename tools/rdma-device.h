/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * RDMA devices, and the addresses that their network interfaces have.
 */
#ifndef RDMA_DEVICE_H
#define RDMA_DEVICE_H

#include "rdma-config.h"

/* Name of an RDMA device, or of a network interface */
#define RDMA_DEVICE_MAX 64
#define RDMA_DEVICES_MAX 512

/* Whether there is any */
bool rdma_has_device(void);

/* The RDMA device that has this address, whatever the port. False: none */
bool rdma_find_device(const struct rdma_address *address,
		      char device[RDMA_DEVICE_MAX]);

/* "10.0.0.1 (rxe0), fd00::1 (rxe0)": all that there are; empty: none */
void rdma_addresses_text(char text[RDMA_DEVICES_MAX]);

#endif /* RDMA_DEVICE_H */
