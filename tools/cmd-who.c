// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl who: who has to do with a segment.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cmd.h"
#include "columns.h"
#include "objects.h"
#include "output.h"

#define WORD "who"

static const struct option long_options[] = {
	{ "segment", no_argument, NULL, 's' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{},
};

static void print_usage(void)
{
	printf("usage: rsmctl who [OPTION]... ID\n\n"
	       "Tells who exports the segment with this id, who imports it, and who has\n"
	       "tickets for it, as far as you may see. The exit status is 1 if there is nobody.\n\n"
	       "  -s, --segment  ID is the number of a segment, as \"rsmctl list --json\" and\n"
	       "                 \"rsmctl trace\" tell it\n"
	       "  -j, --json     output for programs\n"
	       "  -h, --help     this text\n");
}

/* Segments that the id stands for: one, unless it was used again meanwhile. */
#define MAX_SEGMENTS 64

struct segments {
	unsigned int count;
	uint64_t number[MAX_SEGMENTS];
};

static bool is_one_of(const struct object *object, const void *argument)
{
	const struct segments *segments = argument;
	unsigned int i;

	for (i = 0; i < segments->count; i++)
		if (segments->number[i] == object->segment)
			return true;
	return false;
}

static uint64_t own_ipc_ns(void)
{
	struct stat st;

	return stat("/proc/self/ns/ipc", &st) ? 0 : st.st_ino;
}

/* The id is the caller's namespace's; others have the same for other segments. */
static void find_id(const struct objects *objects, uint32_t id,
		    struct segments *segments)
{
	const struct object *object = objects->list;
	uint64_t ns = own_ipc_ns();
	size_t i;

	for (i = 0; i < objects->count; i++, object++)
		if (object->id == id && object->ipc_ns == ns &&
		    segments->count < MAX_SEGMENTS &&
		    !is_one_of(object, segments))
			segments->number[segments->count++] = object->segment;
}

static size_t count(const struct objects *objects,
		    const struct segments *segments)
{
	size_t i, found = 0;

	for (i = 0; i < objects->count; i++)
		found += is_one_of(&objects->list[i], segments);
	return found;
}

static void print_who(const struct objects *objects,
		      const struct segments *segments)
{
	static const struct {
		enum handle_kind kind;
		const char *title;
		const struct column *columns;
	} parts[] = {
		{ HANDLE_EXPORT, "Exporter", export_columns },
		{ HANDLE_IMPORT, "Importers", import_columns },
		{ HANDLE_TICKET, "Tickets", ticket_columns },
	};
	unsigned int i;

	for (i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		printf("%s%s\n", i ? "\n" : "", parts[i].title);
		columns_print(stdout, parts[i].columns, objects, parts[i].kind,
			      is_one_of, segments);
	}
}

static void json_who(const struct objects *objects,
		     const struct segments *segments)
{
	struct json json;
	size_t i;

	json_begin(&json, stdout);
	json_object(&json, NULL);
	json_array(&json, "handles");
	for (i = 0; i < objects->count; i++)
		if (is_one_of(&objects->list[i], segments))
			object_json(&json, &objects->list[i]);
	json_array_end(&json);
	json_bool(&json, "complete", objects->whole);
	json_object_end(&json);
}

/**
 * struct request - what was asked for
 * @segment: by its number
 * @json: output for programs
 * @id: segment id, or number
 */
struct request {
	bool segment;
	bool json;
	uint32_t id;
};

static void say_nobody(const struct request *request,
		       const struct objects *objects)
{
	out_error(WORD, request->segment ?
		  "nobody%s has to do with segment %u; \"rsmctl list --json\" tells what there is" :
		  "nobody%s has to do with 0x%x; \"rsmctl list\" tells what there is",
		  objects->whole ? "" : " that you may see", request->id);
}

static int who(const struct request *request)
{
	struct segments segments = {};
	struct objects objects;
	size_t found;

	if (!objects_have_driver(WORD))
		return EXIT_FAILED;
	if (!objects_read(&objects))
		return objects_failed(WORD);
	if (request->segment)
		segments.number[segments.count++] = request->id;
	else
		find_id(&objects, request->id, &segments);
	found = count(&objects, &segments);
	if (request->json)
		json_who(&objects, &segments);
	else if (found)
		print_who(&objects, &segments);
	else
		say_nobody(request, &objects);
	if (found && !request->json)
		objects_say_missing(&objects, WORD);
	objects_free(&objects);
	return found ? 0 : EXIT_FAILED;
}

static int who_main(int argc, char **argv)
{
	struct request request = {};
	int opt;

	while ((opt = getopt_long(argc, argv, "sjh", long_options,
				  NULL)) != -1) {
		switch (opt) {
		case 's':
			request.segment = true;
			break;
		case 'j':
			request.json = true;
			break;
		case 'h':
			print_usage();
			return 0;
		default:
			return cmd_usage_told(WORD);
		}
	}
	if (optind + 1 != argc)
		return cmd_usage(WORD, "one segment id is needed");
	if (!out_parse_id(argv[optind], &request.id))
		return cmd_usage(WORD, "\"%s\" is no segment id",
				 argv[optind]);
	return who(&request);
}

const struct cmd cmd_who = {
	.name = WORD,
	.help = "tell who exports and imports a segment",
	.run = who_main,
};
