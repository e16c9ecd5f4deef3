// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl list: controllers, and what processes have exported and imported.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <rsm_ext.h>

#include "cmd.h"
#include "columns.h"
#include "objects.h"
#include "output.h"

#define WORD "list"

/* The controllers, besides enum handle_kind */
#define CONTROLLERS (HANDLE_ALL + 1)

static const struct option long_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{},
};

/* In the order in which they are shown */
static const struct part {
	const char *name;
	const char *title;
	unsigned int kind;
	const struct column *columns;
} parts[] = {
	{ "controllers", "Controllers", CONTROLLERS, NULL },
	{ "exports", "Exports", HANDLE_EXPORT, export_columns },
	{ "imports", "Imports", HANDLE_IMPORT, import_columns },
	{ "tickets", "Tickets", HANDLE_TICKET, ticket_columns },
};

#define NR_PARTS (sizeof(parts) / sizeof(*parts))

static void print_usage(void)
{
	printf("usage: rsmctl list [OPTION]... [controllers|exports|imports|tickets]...\n\n"
	       "Lists what there is of each kind, or of the kinds that are named, as far as\n"
	       "you may see it: your own processes, or as root all of this PID namespace.\n\n"
	       "  -j, --json  output for programs\n"
	       "  -h, --help  this text\n");
}

/* "1,2,4,8": the bits of a mask as numbers */
static const char *sizes_text(char out[OUT_SIZE_MAX * 2], unsigned long mask)
{
	unsigned int bit;
	size_t used = 0;

	strcpy(out, "-");
	for (bit = 0; bit < 16; bit++)
		if (mask & 1UL << bit)
			used += sprintf(out + used, "%s%u", used ? "," : "",
					1U << bit);
	return out;
}

/* What the loopback controller can do; others will be asked for by name. */
static bool get_loopback(rsmapi_controller_attr_t *attr, rsm_node_id_t *node)
{
	rsmapi_controller_handle_t controller;
	rsm_topology_t *topology;
	char name[] = "loopback";

	/* Or asking would load it. */
	if (!objects_have_driver() ||
	    rsm_get_controller(name, &controller))
		return false;
	rsm_get_controller_attr(controller, attr);
	rsm_release_controller(controller);
	if (rsm_get_interconnect_topology(&topology))
		return false;
	*node = topology->topology_hdr.local_nodeid;
	rsm_free_interconnect_topology(topology);
	return true;
}

static void print_controllers(void)
{
	char direct[OUT_SIZE_MAX * 2], atomic[OUT_SIZE_MAX * 2];
	char pages[OUT_SIZE_MAX * 2];
	rsmapi_controller_attr_t attr;
	rsm_node_id_t node;

	if (!get_loopback(&attr, &node))
		return;
	printf("%-10s  %4s  %-12s  %-12s  %s\n", "NAME", "NODE", "ACCESS",
	       "ATOMIC", "PAGES");
	printf("%-10s  %4u  %-12s  %-12s  %s KiB\n", "loopback", node,
	       sizes_text(direct, attr.attr_direct_access_sizes),
	       sizes_text(atomic, attr.attr_atomic_sizes),
	       sizes_text(pages, attr.attr_page_size));
}

static void json_controllers(struct json *json)
{
	rsmapi_controller_attr_t attr;
	rsm_node_id_t node;

	json_array(json, "controllers");
	if (get_loopback(&attr, &node)) {
		json_object(json, NULL);
		json_string(json, "name", "loopback");
		json_number(json, "node", node);
		json_number(json, "direct_access_sizes",
			    attr.attr_direct_access_sizes);
		json_number(json, "atomic_sizes", attr.attr_atomic_sizes);
		json_number(json, "page_sizes_kib", attr.attr_page_size);
		json_object_end(json);
	}
	json_array_end(json);
}

static void json_part(struct json *json, const struct part *part,
		      const struct objects *objects)
{
	size_t i;

	json_array(json, part->name);
	for (i = 0; i < objects->count; i++)
		if (objects->list[i].handle.kind == part->kind)
			object_json(json, &objects->list[i]);
	json_array_end(json);
}

static void print_json(unsigned int kinds, const struct objects *objects)
{
	const struct part *part;
	struct json json;

	json_begin(&json, stdout);
	json_object(&json, NULL);
	for (part = parts; part < parts + NR_PARTS; part++) {
		if (!(kinds & part->kind))
			continue;
		if (part->kind == CONTROLLERS)
			json_controllers(&json);
		else
			json_part(&json, part, objects);
	}
	json_bool(&json, "complete", objects->whole);
	json_object_end(&json);
}

static bool has_kind(const struct objects *objects, unsigned int kind)
{
	size_t i;

	for (i = 0; i < objects->count; i++)
		if (objects->list[i].handle.kind == kind)
			return true;
	return false;
}

/* Each part has a title, unless there is but one to show. */
static void print_parts(unsigned int kinds, const struct objects *objects)
{
	bool title = kinds & (kinds - 1), first = true;
	const struct part *part;

	for (part = parts; part < parts + NR_PARTS; part++) {
		if (!(kinds & part->kind) || (part->columns &&
					      !has_kind(objects, part->kind)))
			continue;
		if (title)
			printf("%s%s\n", first ? "" : "\n", part->title);
		first = false;
		if (part->columns)
			columns_print(stdout, part->columns, objects,
				      part->kind, NULL, NULL);
		else
			print_controllers();
	}
	if (!objects->count && kinds != CONTROLLERS)
		printf("%sNothing is exported or imported%s.\n",
		       first ? "" : "\n",
		       objects->whole ? "" : ", as far as you may see");
}

/* False: an argument is none of the parts. */
static bool parse_kinds(char **words, unsigned int *kinds)
{
	size_t i;

	for (; *words; words++) {
		for (i = 0; i < NR_PARTS; i++)
			if (!strcmp(*words, parts[i].name))
				break;
		if (i == NR_PARTS) {
			cmd_usage(WORD, "\"%s\" is nothing that can be listed",
				  *words);
			return false;
		}
		*kinds |= parts[i].kind;
	}
	if (!*kinds)
		*kinds = CONTROLLERS | HANDLE_ALL;
	return true;
}

static int list(unsigned int kinds, bool json)
{
	struct objects objects;

	if (!objects_have_driver()) {
		out_error(WORD, "the module is not loaded: try \"rsmctl load\"");
		return EXIT_FAILED;
	}
	if (!objects_read(&objects))
		return objects_failed(WORD);
	if (json)
		print_json(kinds, &objects);
	else
		print_parts(kinds, &objects);
	objects_say_missing(&objects, WORD);
	objects_free(&objects);
	return 0;
}

static int list_main(int argc, char **argv)
{
	unsigned int kinds = 0;
	bool json = false;
	int opt;

	while ((opt = getopt_long(argc, argv, "jh", long_options, NULL)) != -1) {
		switch (opt) {
		case 'j':
			json = true;
			break;
		case 'h':
			print_usage();
			return 0;
		default:
			return cmd_usage_told(WORD);
		}
	}
	if (!parse_kinds(argv + optind, &kinds))
		return EXIT_USAGE;
	return list(kinds, json);
}

const struct cmd cmd_list = {
	.name = WORD,
	.help = "list controllers, exports, imports and tickets",
	.run = list_main,
};
