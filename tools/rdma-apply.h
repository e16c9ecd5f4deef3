/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes RDMA controllers and nodes of them, and takes them away. What fails is
 * told, and leaves nothing behind.
 */
#ifndef RDMA_APPLY_H
#define RDMA_APPLY_H

#include "rdma-config.h"

/**
 * rdma_add_controller() - make a controller and let it listen
 * @from: who asks for it
 * @controller: what it is to be
 * @may_wait: it is no failure if no RDMA device has the address: it listens as
 *	soon as one has
 *
 * Needs rdma_prepare().
 */
bool rdma_add_controller(const struct rdma_from *from,
			 const struct rdma_controller *controller,
			 bool may_wait);

/* Whether it is this machine itself; its @controller is named. */
bool rdma_is_local(const struct rdma_node *node);

/* Its @controller is named. */
bool rdma_add_node(const struct rdma_from *from, const struct rdma_node *node);

/* With nodes and connections only by force */
bool rdma_remove_controller(const struct rdma_from *from, const char *name,
			    bool force);
bool rdma_remove_node(const struct rdma_from *from,
		      const struct rdma_node *node);

/*
 * Fill in the name of the only controller where none is given. False: it has to
 * be given, or there is no such controller.
 */
bool rdma_choose_controller(const struct rdma_from *from,
			    char name[RDMA_NAME_MAX]);

#endif /* RDMA_APPLY_H */
