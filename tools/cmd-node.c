// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl node: machines that RDMA controllers connect with.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "controllers.h"
#include "json.h"
#include "output.h"
#include "rdma-apply.h"
#include "rdma-configfs.h"
#include "verb.h"

#define WORD "node"

static const struct option long_options[] = {
	{ "addr", required_argument, NULL, 'a' },
	{ "controller", required_argument, NULL, 'c' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{},
};

static void print_usage(void)
{
	printf("usage: rsmctl node [list|add|remove] [OPTION]... [N]\n\n"
	       "  list      the nodes that controllers know\n"
	       "  add N     let an RDMA controller connect with node N\n"
	       "  remove N  take node N away, and cut its connections\n\n"
	       "  -a, --addr ADDRESS[:PORT]    of add: where the node listens; port %u\n"
	       "  -c, --controller CONTROLLER  of which; without it, of the only RDMA controller,\n"
	       "                               or list those of all\n"
	       "  -j, --json                   of list: output for programs\n"
	       "  -h, --help                   this text\n", RDMA_PORT);
}

/**
 * struct request - what the options say
 * @node: the node, and its controller
 * @as_json: output for programs
 * @given: letters of the options
 */
struct request {
	struct rdma_node node;
	bool as_json;
	char given[VERB_GIVEN_MAX];
};

static const struct rdma_from from = { .word = WORD };

static bool is_wanted(const struct request *request,
		      const struct controller *controller)
{
	const char *name = request->node.controller;

	return !*name || !strcasecmp(name, controller->name);
}

static const char *or_none(const char *text)
{
	return *text ? text : "-";
}

static void print_nodes(const struct controller *controller)
{
	const struct node *node;
	unsigned int i;

	for (i = 0; i < controller->node_count; i++) {
		node = &controller->nodes[i];
		printf("%-15s %10u %-21s %s\n", controller->name, node->id,
		       or_none(node->address), or_none(node->state));
	}
}

static void json_nodes(struct json *json, const struct controller *controller)
{
	const struct node *node;
	unsigned int i;

	for (i = 0; i < controller->node_count; i++) {
		node = &controller->nodes[i];
		json_object(json, NULL);
		json_string(json, "controller", controller->name);
		json_number(json, "node", node->id);
		json_string(json, "address",
			    *node->address ? node->address : NULL);
		json_string(json, "state", *node->state ? node->state : NULL);
		json_object_end(json);
	}
}

static void print_table(const struct request *request,
			const struct controllers *controllers)
{
	unsigned int i;

	printf("%-15s %10s %-21s %s\n", "CONTROLLER", "NODE", "ADDRESS",
	       "STATE");
	for (i = 0; i < controllers->count; i++)
		if (is_wanted(request, &controllers->controller[i]))
			print_nodes(&controllers->controller[i]);
}

static void print_json(const struct request *request,
		       const struct controllers *controllers)
{
	struct json json;
	unsigned int i;

	json_begin(&json, stdout);
	json_object(&json, NULL);
	json_array(&json, "nodes");
	for (i = 0; i < controllers->count; i++)
		if (is_wanted(request, &controllers->controller[i]))
			json_nodes(&json, &controllers->controller[i]);
	json_array_end(&json);
	json_object_end(&json);
}

/* Whether there is any of those that are asked for */
static bool has_any(const struct request *request,
		    const struct controllers *controllers)
{
	unsigned int i;

	for (i = 0; i < controllers->count; i++)
		if (is_wanted(request, &controllers->controller[i]))
			return true;
	out_error(WORD, "there is no controller %s: see \"rsmctl controller list\"",
		  request->node.controller);
	return false;
}

static bool list(const struct request *request,
		 const struct controllers *controllers)
{
	if (!has_any(request, controllers))
		return false;
	if (request->as_json)
		print_json(request, controllers);
	else
		print_table(request, controllers);
	return true;
}

static int run_list(void *data, const char *argument)
{
	struct controllers controllers;
	int error = -controllers_get(&controllers);
	bool listed = false;

	(void)argument;
	if (error)
		out_error(WORD, "%s", controllers_remedy(error));
	else
		listed = list(data, &controllers);
	controllers_free(&controllers);
	return listed ? 0 : EXIT_FAILED;
}

static int run_add(void *data, const char *argument)
{
	struct request *request = data;
	struct rdma_node *node = &request->node;
	char why[RDMA_WHY_MAX], address[RDMA_ADDRESS_MAX];

	if (!rdma_set_id(node, argument, why) ||
	    !rdma_check_node(node, "--", why))
		return cmd_usage(WORD, "%s", why);
	if (!rdma_choose_controller(&from, node->controller))
		return EXIT_FAILED;
	if (rdma_is_local(node))
		out_error(WORD, "node %u of %s is this machine itself: no other one can have its number",
			  node->id, node->controller);
	if (rdma_is_local(node) || !rdma_add_node(&from, node))
		return EXIT_FAILED;
	printf("%s: node %u at %s\n", node->controller, node->id,
	       rdma_address_text(address, &node->address));
	return 0;
}

static int run_remove(void *data, const char *argument)
{
	struct request *request = data;
	struct rdma_node *node = &request->node;
	char why[RDMA_WHY_MAX];

	if (!rdma_set_id(node, argument, why))
		return cmd_usage(WORD, "%s", why);
	if (!rdma_choose_controller(&from, node->controller) ||
	    !rdma_remove_node(&from, node))
		return EXIT_FAILED;
	return 0;
}

static const struct verb verbs[] = {
	{ "list", "cj", NULL, false, run_list },
	{ "add", "ac", "node number", false, run_add },
	{ "remove", "c", "node number", false, run_remove },
	{},
};

/* That of this machine has nodes, too, though none can be added. */
static bool set_controller(struct rdma_node *node, const char *name,
			   char why[RDMA_WHY_MAX])
{
	if (strcmp(name, "loopback"))
		return rdma_set_node(node, "controller", name, why);
	strcpy(node->controller, name);
	return true;
}

/* Returns 0, or the exit status. */
static int take_option(struct request *request, int letter)
{
	char why[RDMA_WHY_MAX];
	bool taken = true;

	verb_give(request->given, letter);
	switch (letter) {
	case 'a':
		taken = rdma_set_node(&request->node, "addr", optarg, why);
		break;
	case 'c':
		taken = set_controller(&request->node, optarg, why);
		break;
	case 'j':
		request->as_json = true;
		break;
	default:
		return cmd_usage_told(WORD);
	}
	return taken ? 0 : cmd_usage(WORD, "%s", why);
}

static int node_main(int argc, char **argv)
{
	struct request request = { };
	int opt, status;

	while ((opt = getopt_long(argc, argv, "a:c:jh", long_options, NULL)) !=
	       -1) {
		if (opt == 'h') {
			print_usage();
			return 0;
		}
		status = take_option(&request, opt);
		if (status)
			return status;
	}
	return verb_run(WORD, verbs, argv + optind, long_options,
			request.given, &request);
}

const struct cmd cmd_node = {
	.name = "node",
	.help = "machines that a controller connects with",
	.run = node_main,
};
