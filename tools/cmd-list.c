// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl list: controllers, and what processes have exported and imported.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "abilities.h"
#include "cmd.h"
#include "columns.h"
#include "objects.h"
#include "output.h"

#define WORD "list"

/* Of enum handle_kind, and besides that the controllers */
#define KINDS (HANDLE_EXPORT | HANDLE_IMPORT | HANDLE_TICKET)
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

/**
 * struct listing - what is to be shown
 * @kinds: of enum handle_kind, and CONTROLLERS
 * @objects: exports, imports and tickets
 * @failed: the controllers are not known
 * @controllers: what they can do
 */
struct listing {
	unsigned int kinds;
	struct objects objects;
	bool failed;
	struct abilities controllers;
};

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

static void print_json(const struct listing *listing)
{
	const struct part *part;
	struct json json;

	json_begin(&json, stdout);
	json_object(&json, NULL);
	for (part = parts; part < parts + NR_PARTS; part++) {
		if (!(listing->kinds & part->kind))
			continue;
		if (part->kind == CONTROLLERS)
			abilities_json(&json, &listing->controllers);
		else
			json_part(&json, part, &listing->objects);
	}
	json_bool(&json, "complete",
		  listing->objects.whole && !listing->failed);
	json_object_end(&json);
}

/* Whether there is one of these kinds */
static bool has_kind(const struct objects *objects, unsigned int kinds)
{
	size_t i;

	for (i = 0; i < objects->count; i++)
		if (objects->list[i].handle.kind & kinds)
			return true;
	return false;
}

static bool is_empty(const struct listing *listing, const struct part *part)
{
	if (!(listing->kinds & part->kind))
		return true;
	return part->columns ? !has_kind(&listing->objects, part->kind) :
			       listing->failed;
}

static void say_nothing(const struct listing *listing, bool first)
{
	unsigned int kinds = listing->kinds & KINDS;
	const char *what = "There is nothing of these";

	if (kinds == KINDS || kinds == (HANDLE_EXPORT | HANDLE_IMPORT))
		what = "Nothing is exported or imported";
	else if (kinds == HANDLE_EXPORT)
		what = "Nothing is exported";
	else if (kinds == HANDLE_IMPORT)
		what = "Nothing is imported";
	else if (kinds == HANDLE_TICKET)
		what = "There are no tickets";
	printf("%s%s%s.\n", first ? "" : "\n", what,
	       listing->objects.whole ? "" : ", as far as you may see");
}

/* Each part has a title, unless there is but one to show. */
static void print_parts(const struct listing *listing)
{
	unsigned int kinds = listing->kinds & HANDLE_ALL;
	bool title = listing->kinds & (listing->kinds - 1), first = true;
	const struct part *part;

	for (part = parts; part < parts + NR_PARTS; part++) {
		if (is_empty(listing, part))
			continue;
		if (title)
			printf("%s%s\n", first ? "" : "\n", part->title);
		first = false;
		if (part->columns)
			columns_print(stdout, part->columns, &listing->objects,
				      part->kind, NULL, NULL);
		else
			abilities_print(&listing->controllers);
	}
	if (kinds && !has_kind(&listing->objects, kinds))
		say_nothing(listing, first);
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

static void show(const struct listing *listing, bool json)
{
	if (json) {
		print_json(listing);
		return;
	}
	print_parts(listing);
	objects_say_missing(&listing->objects, WORD);
}

static int list(unsigned int kinds, bool json)
{
	struct listing listing = { .kinds = kinds, .objects.whole = true };

	if (!objects_have_driver(WORD))
		return EXIT_FAILED;
	if (kinds & HANDLE_ALL && !objects_read(&listing.objects))
		return objects_failed(WORD);
	if (kinds & CONTROLLERS)
		listing.failed = !abilities_get(WORD, &listing.controllers);
	show(&listing, json);
	objects_free(&listing.objects);
	abilities_free(&listing.controllers);
	return listing.failed ? EXIT_FAILED : 0;
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
