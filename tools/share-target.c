// SPDX-License-Identifier: GPL-2.0-only
/*
 * The segment that is meant, and on which machine: what the user says, and what
 * is said if it is not there.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "controllers.h"
#include "output.h"
#include "share.h"

int share_take_controller(const char *word, const char **name)
{
	char copy[RDMA_NAME_MAX], why[RDMA_WHY_MAX];

	*name = NULL;
	if (!strcmp(optarg, "loopback"))
		return 0;
	if (!rdma_set_name(copy, optarg, why))
		return cmd_usage(word, "%s", why);
	*name = optarg;
	return 0;
}

int share_take_place(const char *word, struct share_target *target, int opt)
{
	struct rdma_node node = { };
	char why[RDMA_WHY_MAX];

	if (opt == 'c')
		return share_take_controller(word, &target->controller);
	if (!rdma_set_id(&node, optarg, why))
		return cmd_usage(word, "%s", why);
	target->node = node.id;
	return 0;
}

int share_take_id(const char *word, struct share_target *target, int argc,
		  char **argv)
{
	if (argc != 1)
		return cmd_usage(word, argc ? "one ID is wanted" : "no ID");
	if (!out_parse_id(argv[0], &target->id) || !target->id)
		return cmd_usage(word, "\"%s\" is no segment id", argv[0]);
	if (target->node && !target->controller)
		return cmd_usage(word, "--node needs --controller, by which the node is reached");
	return 0;
}

static bool knows(const struct controller *controller, uint32_t node)
{
	unsigned int i;

	for (i = 0; i < controller->node_count; i++)
		if (controller->nodes[i].id == node)
			return true;
	return false;
}

/* Any that the controller knows, or the only one that is another machine */
static bool choose_node(const char *word, const struct controller *controller,
			uint32_t *node)
{
	unsigned int others = controller->node_count - controller->has_local;

	if (!*node && others == 1)
		*node = controller->nodes[controller->has_local].id;
	if (*node && knows(controller, *node))
		return true;
	if (*node)
		out_error(word, "%s knows no node %u: see \"rsmctl node list\"; root adds one with \"rsmctl node add\"",
			  controller->name, *node);
	else if (others)
		out_error(word, "%s knows %u other nodes: say which with --node (see \"rsmctl node list\")",
			  controller->name, others);
	else
		out_error(word, "%s knows no other node: root adds one with \"rsmctl node add\"",
			  controller->name);
	return false;
}

bool share_find_target(const char *word, struct share_target *target)
{
	const struct controller *controller;
	rsmapi_controller_handle_t ctl;
	struct controllers all;
	bool found = true;

	if (!target->controller)
		return true;
	if (!share_controller(word, target->controller, &ctl))
		return false;
	/* What cannot be told is told by who connects. */
	controllers_get(&all);
	controller = controllers_find(&all, target->controller);
	if (controller)
		found = choose_node(word, controller, &target->node);
	controllers_free(&all);
	rsm_release_controller(ctl);
	return found;
}

static const char *target_name(char *text, size_t size,
			       const struct share_target *target)
{
	if (target->ticket >= 0)
		snprintf(text, size, "with the ticket %d", target->ticket);
	else if (target->controller)
		snprintf(text, size, "to 0x%x of node %u", target->id,
			 target->node);
	else
		snprintf(text, size, "to 0x%x", target->id);
	return text;
}

static const char *perm_name(rsm_permission_t perm)
{
	switch (perm) {
	case RSM_PERM_READ:
		return "read";
	case RSM_PERM_WRITE:
		return "write";
	default:
		return "read and write";
	}
}

static void tell_denied(const char *word, const struct share_target *target,
			const char *name, rsm_permission_t perm)
{
	if (target->ticket >= 0)
		out_error(word, "cannot connect %s: it does not grant to %s",
			  name, perm_name(perm));
	else
		out_error(word,
			  "cannot connect %s: its exporter does not let user %d %s it (rsmctl export --mode)",
			  name, (int)geteuid(), perm_name(perm));
}

static const char *not_published(const struct share_target *target)
{
	if (target->controller)
		return "no such segment there, or it has ended (rsmctl export --controller)";
	return "no such segment here, or it has ended";
}

bool share_connect_failed(const char *word, const struct share_target *target,
			  rsm_permission_t perm, int error)
{
	char name[40], what[60];

	target_name(name, sizeof(name), target);
	snprintf(what, sizeof(what), "connect %s", name);
	switch (error) {
	case RSMERR_SEG_NOT_PUBLISHED:
		out_error(word, "cannot connect %s: %s", name,
			  not_published(target));
		return false;
	case RSMERR_PERM_DENIED:
		tell_denied(word, target, name, perm);
		return false;
	case RSMERR_BAD_ADDR:
		out_error(word,
			  "cannot connect %s: that is no descriptor of a ticket",
			  name);
		return false;
	case RSMERR_REMOTE_NODE_UNREACHABLE:
		out_error(word,
			  "cannot connect %s: that does not answer, or not to this machine: see whether it is up, \"rsmctl controller\" says \"listening\" there, \"rsmctl node\" has this one, and the key is the same",
			  name);
		return false;
	default:
		return share_failed(word, what, error);
	}
}
