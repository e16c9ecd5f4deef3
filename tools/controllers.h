/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The controllers that there are, and the nodes that they know: as the driver
 * tells everybody, and what configfs adds to that.
 */
#ifndef CONTROLLERS_H
#define CONTROLLERS_H

#include <stdbool.h>
#include <stdint.h>

#include "rdma-config.h"

#define CONTROLLER_STATE_MAX 16

/**
 * struct node - a node that a controller knows
 * @id: its id
 * @state: "local", "idle", "connected", "unreachable"; empty: not known
 * @address: where it listens; empty: not known, or it needs none
 */
struct node {
	uint32_t id;
	char state[CONTROLLER_STATE_MAX];
	char address[RDMA_ADDRESS_MAX];
};

/**
 * struct controller - a controller
 * @name: its name
 * @usable: the driver has it
 * @id: what that calls it
 * @has_local: the first node is this machine
 * @state: "disabled", "waiting", "listening"; empty: not known
 * @has_connections: @connections is known
 * @connections: live ones, in both directions
 * @node_count: nodes, with this machine
 * @nodes: them
 */
struct controller {
	char name[RDMA_NAME_MAX];
	bool usable;
	uint32_t id;
	bool has_local;
	char state[CONTROLLER_STATE_MAX];
	bool has_connections;
	uint32_t connections;
	unsigned int node_count;
	struct node *nodes;
};

/**
 * struct controllers - all of them
 * @count: their number
 * @controller: them
 */
struct controllers {
	unsigned int count;
	struct controller *controller;
};

/* Returns 0 or -errno. controllers_free() what there is, also then. */
int controllers_get(struct controllers *controllers);
void controllers_free(struct controllers *controllers);

/* The one of that name, or NULL */
const struct controller *controllers_find(const struct controllers *controllers,
					  const char *name);

/* What is to be said of an error of controllers_get() */
const char *controllers_remedy(int error);

#endif /* CONTROLLERS_H */
