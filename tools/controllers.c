// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "controllers.h"
#include "module.h"
#include "output.h"
#include "rdma-configfs.h"

static const char * const state_names[] = {
	[RSM_NODE_LOCAL] = "local",
	[RSM_NODE_IDLE] = "idle",
	[RSM_NODE_CONNECTED] = "connected",
	[RSM_NODE_UNREACHABLE] = "unreachable",
};

#define NR_STATES (sizeof(state_names) / sizeof(*state_names))

/* A new one at the end, or NULL */
static struct controller *append(struct controllers *controllers,
				 const char *name)
{
	struct controller *grown;

	grown = realloc(controllers->controller,
			(controllers->count + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	controllers->controller = grown;
	grown += controllers->count++;
	*grown = (struct controller){ };
	snprintf(grown->name, sizeof(grown->name), "%.*s", RDMA_NAME_MAX - 1,
		 name);
	return grown;
}

static struct node *append_node(struct controller *controller, uint32_t id)
{
	struct node *grown;

	grown = realloc(controller->nodes,
			(controller->node_count + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	controller->nodes = grown;
	grown += controller->node_count++;
	*grown = (struct node){ .id = id };
	return grown;
}

/* What a file in configfs has; nothing if that cannot be read. */
static void read_text(char *to, size_t size, const char *dir, const char *file)
{
	char text[RDMA_TEXT_MAX];

	*to = '\0';
	if (rdma_read(dir, file, text))
		snprintf(to, size, "%.*s", (int)size - 1, text);
	out_make_printable(to);
}

static void set_state(struct node *node, uint32_t state)
{
	if (state < NR_STATES)
		strcpy(node->state, state_names[state]);
}

/* What the driver tells of its nodes. Returns 0 or -errno. */
static int add_nodes(struct controller *controller, const struct rsm_node *nodes,
		     uint32_t count)
{
	struct node *node;
	uint32_t i;

	controller->has_local = count && nodes[0].state == RSM_NODE_LOCAL;
	for (i = 0; i < count; i++) {
		node = append_node(controller, nodes[i].node);
		if (!node)
			return -ENOMEM;
		set_state(node, nodes[i].state);
	}
	return 0;
}

static int ask_nodes(int fd, struct controller *controller)
{
	struct rsm_node nodes[RSM_NODES_MAX] = { };
	struct rsm_controller_nodes cmd = {
		.size = sizeof(cmd),
		.controller = controller->id,
		.node_count = RSM_NODES_MAX,
		.nodes = (uintptr_t)nodes,
	};

	if (!ioctl(fd, RSM_CONTROLLER_NODES, &cmd))
		return add_nodes(controller, nodes,
				 cmd.out_count < cmd.node_count ?
				 cmd.out_count : cmd.node_count);
	/* It is gone since it was found. */
	return errno == ENODEV ? 0 : -errno;
}

/* All that there is to an older driver. Returns 0 or -errno. */
static int ask_loopback(int fd, struct controllers *controllers)
{
	struct rsm_controller_info cmd = {
		.size = sizeof(cmd),
		.name = "loopback",
	};
	const struct rsm_node local = { .state = RSM_NODE_LOCAL };
	struct controller *controller;

	if (ioctl(fd, RSM_CONTROLLER_INFO, &cmd))
		return -errno;
	controller = append(controllers, cmd.name);
	if (!controller)
		return -ENOMEM;
	controller->usable = true;
	controller->id = cmd.out_controller;
	return add_nodes(controller, &local, 1);
}

/* Those that the driver has. Returns 0 or -errno. */
static int ask_driver(int fd, struct controllers *controllers)
{
	struct rsm_controller_find cmd = { .size = sizeof(cmd) };
	struct controller *controller;
	int error;

	while (!ioctl(fd, RSM_CONTROLLER_FIND, &cmd)) {
		controller = append(controllers, cmd.out_name);
		if (!controller)
			return -ENOMEM;
		controller->usable = true;
		controller->id = cmd.out_controller;
		error = ask_nodes(fd, controller);
		if (error)
			return error;
		cmd.controller = cmd.out_controller + 1;
		if (!cmd.controller)
			return 0;
	}
	if (errno == ENOTTY)
		return ask_loopback(fd, controllers);
	return errno == ENODEV ? 0 : -errno;
}

static void complete_node(const struct controller *controller,
			  struct node *node)
{
	char dir[RDMA_DIR_MAX];
	const char *from = controller->name;

	if (!controller->has_local || node != controller->nodes)
		from = rdma_node_dir(dir, controller->name, node->id);
	read_text(node->address, sizeof(node->address), from, "address");
	if (!*node->state)
		read_text(node->state, sizeof(node->state), from, "state");
}

/* What only configfs tells of a controller */
static void complete(struct controller *controller)
{
	char connections[RDMA_TEXT_MAX];
	unsigned int i;

	if (!rdma_exists(controller->name))
		return;
	read_text(controller->state, sizeof(controller->state),
		  controller->name, "state");
	controller->has_connections =
		rdma_read(controller->name, "connections", connections) &&
		out_parse_id(connections, &controller->connections);
	for (i = 0; i < controller->node_count; i++)
		complete_node(controller, &controller->nodes[i]);
}

/* The nodes of one that the driver does not have yet */
static int list_nodes(struct controller *controller)
{
	char text[RDMA_TEXT_MAX], dir[RDMA_DIR_MAX];
	struct rdma_names names;
	struct node *node;
	uint32_t id;
	unsigned int i;
	int error = 0;

	if (rdma_read(controller->name, "node_id", text) &&
	    out_parse_id(text, &id) && id) {
		node = append_node(controller, id);
		if (!node)
			return -ENOMEM;
		set_state(node, RSM_NODE_LOCAL);
		controller->has_local = true;
	}
	rdma_list(rdma_nodes_dir(dir, controller->name), &names);
	for (i = 0; i < names.count && !error; i++)
		if (out_parse_id(names.name[i], &id) &&
		    !append_node(controller, id))
			error = -ENOMEM;
	rdma_free(&names);
	return error;
}

const struct controller *controllers_find(const struct controllers *controllers,
					  const char *name)
{
	unsigned int i;

	for (i = 0; i < controllers->count; i++)
		if (!strcasecmp(controllers->controller[i].name, name))
			return &controllers->controller[i];
	return NULL;
}

/* Those that are not enabled, or wait for a device. Returns 0 or -errno. */
static int list_configured(struct controllers *controllers)
{
	struct controller *controller;
	struct rdma_names names;
	unsigned int i;
	int error = 0;

	rdma_list("", &names);
	for (i = 0; i < names.count && !error; i++) {
		if (controllers_find(controllers, names.name[i]))
			continue;
		controller = append(controllers, names.name[i]);
		error = controller ? list_nodes(controller) : -ENOMEM;
	}
	rdma_free(&names);
	return error;
}

static int get(struct controllers *controllers)
{
	int fd = open(MODULE_DEVICE, O_RDWR | O_CLOEXEC);
	int error;

	if (fd < 0)
		return -errno;
	error = ask_driver(fd, controllers);
	close(fd);
	return error ? error : list_configured(controllers);
}

int controllers_get(struct controllers *controllers)
{
	char version[MODULE_TEXT_MAX];
	unsigned int i;
	int error;

	*controllers = (struct controllers){ };
	/* Opening the device would load it. */
	if (!module_read("version", version))
		return -ENODEV;
	error = get(controllers);
	for (i = 0; i < controllers->count && !error; i++)
		complete(&controllers->controller[i]);
	return error;
}

void controllers_free(struct controllers *controllers)
{
	unsigned int i;

	for (i = 0; i < controllers->count; i++)
		free(controllers->controller[i].nodes);
	free(controllers->controller);
	*controllers = (struct controllers){ };
}

const char *controllers_remedy(int error)
{
	switch (error) {
	case ENODEV:
	case ENXIO:
		return "the module is not loaded: try \"rsmctl load\"";
	case ENOENT:
		return "there is no " MODULE_DEVICE ": try \"rsmctl doctor\"";
	case EACCES:
	case EPERM:
		return "you may not open " MODULE_DEVICE ": try \"rsmctl doctor\"";
	case ENOMEM:
		return "there is no memory";
	}
	return strerror(error);
}
