// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl controller: lists controllers, and makes those that go through RDMA.
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
#include "rdma-file.h"
#include "verb.h"

#define WORD "controller"

static const struct option long_options[] = {
	{ "addr", required_argument, NULL, 'a' },
	{ "node-id", required_argument, NULL, 'n' },
	{ "key-file", required_argument, NULL, 'k' },
	{ "trusted", no_argument, NULL, 't' },
	{ "keepalive-ms", required_argument, NULL, 'K' },
	{ "rebind-timeout-ms", required_argument, NULL, 'R' },
	{ "max-connections", required_argument, NULL, 'm' },
	{ "copy-window", required_argument, NULL, 'W' },
	{ "wait", no_argument, NULL, 'w' },
	{ "force", no_argument, NULL, 'f' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{},
};

/* Of these, what a controller is configured to be */
#define SETTINGS "anktKRmW"

static void print_usage(void)
{
	printf("usage: rsmctl controller [list|add|remove|load] [OPTION]... [NAME|FILE]\n\n"
	       "  list         the controllers that there are\n"
	       "  add NAME     make an RDMA controller, and let it listen\n"
	       "  remove NAME  take an RDMA controller away\n"
	       "  load [FILE]  make those that the file asks for: " RDMA_FILE "\n\n"
	       "of add:\n"
	       "  -a, --addr ADDRESS[:PORT]  of this machine, on an RDMA device; port %u\n"
	       "  -n, --node-id N            number of this machine\n"
	       "  -k, --key-file FILE        has the secret that nodes share (\"-\": stdin)\n"
	       "  -t, --trusted              nodes need no secret\n"
	       "  -K, --keepalive-ms N       after so long without a sign of life one is asked for\n"
	       "  -R, --rebind-timeout-ms N  how long a rebind waits for an importer\n"
	       "  -m, --max-connections N    most imports by other nodes, and as many made here\n"
	       "  -W, --copy-window BYTES    of a copy, on the way at once\n"
	       "  -w, --wait                 there need be no such RDMA device yet\n\n"
	       "  -f, --force                of remove: also with nodes and connections\n"
	       "  -j, --json                 of list: output for programs\n"
	       "  -h, --help                 this text\n", RDMA_PORT);
}

/**
 * struct request - what the options say
 * @controller: of the one that is to be made
 * @wait: there need be no device for it
 * @force: take away what has nodes
 * @as_json: output for programs
 * @given: letters of the options
 */
struct request {
	struct rdma_controller controller;
	bool wait;
	bool force;
	bool as_json;
	char given[VERB_GIVEN_MAX];
};

static const struct rdma_from from = { .word = WORD };

static void print_number(char text[16], bool known, uint32_t number)
{
	if (known)
		snprintf(text, 16, "%u", number);
	else
		strcpy(text, "-");
}

static void print_controller(const struct controller *controller)
{
	char id[16], node[16], connections[16];
	bool local = controller->has_local;

	print_number(id, controller->usable, controller->id);
	print_number(node, local, local ? controller->nodes->id : 0);
	print_number(connections, controller->has_connections,
		     controller->connections);
	printf("%-15s %5s %10s %-10s %5u %11s\n", controller->name, id, node,
	       *controller->state ? controller->state : "-",
	       controller->node_count - local, connections);
}

static void json_optional(struct json *json, const char *key, bool known,
			  uint32_t number)
{
	if (known)
		json_number(json, key, number);
	else
		json_null(json, key);
}

static void json_controller(struct json *json,
			    const struct controller *controller)
{
	bool local = controller->has_local;
	const char *address = local ? controller->nodes->address : "";

	json_object(json, NULL);
	json_string(json, "name", controller->name);
	json_optional(json, "id", controller->usable, controller->id);
	json_optional(json, "node", local, local ? controller->nodes->id : 0);
	json_string(json, "state",
		    *controller->state ? controller->state : NULL);
	json_string(json, "address", *address ? address : NULL);
	json_number(json, "nodes", controller->node_count - local);
	json_optional(json, "connections", controller->has_connections,
		      controller->connections);
	json_object_end(json);
}

static void print_table(const struct controllers *controllers)
{
	unsigned int i;

	printf("%-15s %5s %10s %-10s %5s %11s\n", "NAME", "ID", "NODE",
	       "STATE", "NODES", "CONNECTIONS");
	for (i = 0; i < controllers->count; i++)
		print_controller(&controllers->controller[i]);
}

static void print_json(const struct controllers *controllers)
{
	struct json json;
	unsigned int i;

	json_begin(&json, stdout);
	json_object(&json, NULL);
	json_array(&json, "controllers");
	for (i = 0; i < controllers->count; i++)
		json_controller(&json, &controllers->controller[i]);
	json_array_end(&json);
	json_object_end(&json);
}

static int run_list(void *data, const char *argument)
{
	const struct request *request = data;
	struct controllers controllers;
	int error = -controllers_get(&controllers);

	(void)argument;
	if (error)
		out_error(WORD, "%s", controllers_remedy(error));
	else if (request->as_json)
		print_json(&controllers);
	else
		print_table(&controllers);
	controllers_free(&controllers);
	return error ? EXIT_FAILED : 0;
}

static int run_add(void *data, const char *argument)
{
	struct request *request = data;
	struct rdma_controller *controller = &request->controller;
	char why[RDMA_WHY_MAX];

	if (!rdma_set_name(controller->name, argument, why) ||
	    !rdma_check_controller(controller, "--", why))
		return cmd_usage(WORD, "%s", why);
	if (!rdma_prepare(&from) ||
	    !rdma_add_controller(&from, controller, request->wait))
		return EXIT_FAILED;
	return 0;
}

static int run_remove(void *data, const char *argument)
{
	struct request *request = data;
	char name[RDMA_NAME_MAX], why[RDMA_WHY_MAX];

	if (!rdma_set_name(name, argument, why))
		return cmd_usage(WORD, "%s", why);
	if (!rdma_remove_controller(&from, name, request->force))
		return EXIT_FAILED;
	return 0;
}

static int run_load(void *data, const char *argument)
{
	(void)data;
	return rdma_load_file(WORD, argument ? argument : RDMA_FILE) ?
	       0 : EXIT_FAILED;
}

static const struct verb verbs[] = {
	{ "list", "j", NULL, false, run_list },
	{ "add", SETTINGS "w", "NAME", false, run_add },
	{ "remove", "f", "NAME", false, run_remove },
	{ "load", "", "FILE", true, run_load },
	{},
};

/* Returns 0 if the option is one of a controller, and its value can be. */
static int set(struct request *request, int letter, const char *value)
{
	const struct option *option = long_options;
	char why[RDMA_WHY_MAX];

	while (option->val != letter)
		option++;
	if (!rdma_set_controller(&request->controller, option->name, value,
				 why))
		return cmd_usage(WORD, "%s", why);
	return 0;
}

/* Returns 0, or the exit status. */
static int take_option(struct request *request, int letter)
{
	verb_give(request->given, letter);
	switch (letter) {
	case 'w':
		request->wait = true;
		return 0;
	case 'f':
		request->force = true;
		return 0;
	case 'j':
		request->as_json = true;
		return 0;
	}
	return strchr(SETTINGS, letter) ? set(request, letter, optarg) :
					  cmd_usage_told(WORD);
}

static int controller_main(int argc, char **argv)
{
	struct request request = { };
	int opt, status;

	while ((opt = getopt_long(argc, argv, "a:n:k:tK:R:m:W:wfjh",
				  long_options, NULL)) != -1) {
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

const struct cmd cmd_controller = {
	.name = "controller",
	.help = "controllers, which connect machines by RDMA",
	.run = controller_main,
};
