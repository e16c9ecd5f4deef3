// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "module.h"
#include "objects.h"
#include "output.h"

#define KINDS (HANDLE_EXPORT | HANDLE_IMPORT | HANDLE_TICKET)

/* Where a line of fdinfo goes: into a number, or with @size into a text */
static const struct field {
	const char *key;
	size_t offset;
	size_t size;
} fields[] = {
#define NUMBER(_key, _member)                                                  \
	{ "rsm-" _key, offsetof(struct object, _member), 0 }
#define TEXT(_key, _member)                                                    \
	{ "rsm-" _key, offsetof(struct object, _member),                       \
	  sizeof(((struct object *)NULL)->_member) }
	NUMBER("segment", segment),
	NUMBER("id", id),
	NUMBER("ipcns", ipc_ns),
	NUMBER("creator", creator),
	NUMBER("length", length),
	NUMBER("user", user),
	NUMBER("uid", uid),
	NUMBER("gid", gid),
	NUMBER("mode", mode),
	NUMBER("pages", pages),
	NUMBER("pages-2M", huge),
	NUMBER("extents", extents),
	NUMBER("imports", imports),
	NUMBER("mappings", mappings),
	NUMBER("rebinds", rebinds),
	NUMBER("signals", signals),
	NUMBER("posted", posted),
	NUMBER("locks", locks),
	TEXT("controller", controller),
	TEXT("state", state),
	TEXT("flags", flags),
	TEXT("rights", rights),
	TEXT("acl", acl),
#undef NUMBER
#undef TEXT
};

#define NR_FIELDS (sizeof(fields) / sizeof(*fields))

static void take_line(struct object *object, const char *key, const char *value)
{
	const struct field *field;
	char *to;

	for (field = fields; field < fields + NR_FIELDS; field++) {
		if (strcmp(field->key, key))
			continue;
		to = (char *)object + field->offset;
		if (field->size)
			snprintf(to, field->size, "%s", value);
		else
			*(uint64_t *)(void *)to = strtoull(value, NULL, 0);
	}
}

/* False: it has gone meanwhile. */
static bool take(struct object *object, struct handles *it,
		 const struct handle *handle)
{
	const char *key = NULL, *value;

	*object = (struct object){ .handle = *handle };
	while ((key = handle_info_next(it, key, &value)))
		take_line(object, key, value);
	return object->segment;
}

static struct object *new_object(struct objects *objects, size_t *room)
{
	struct object *list;

	if (objects->count == *room) {
		*room = *room ? 2 * *room : 64;
		list = reallocarray(objects->list, *room, sizeof(*list));
		if (!list)
			return NULL;
		objects->list = list;
	}
	return &objects->list[objects->count];
}

static bool collect(struct objects *objects, struct handles *it)
{
	const struct handle *handle;
	struct object *object;
	size_t room = 0;

	while ((handle = handles_next(it))) {
		object = new_object(objects, &room);
		if (!object)
			return false;
		if (take(object, it, handle))
			objects->count++;
	}
	return true;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static bool by_creator(const struct object *object)
{
	return object->creator == (uint64_t)object->handle.pid;
}

/* Those of one file are side by side, its creator's own descriptor first. */
static int compare(const void *left, const void *right)
{
	const struct object *a = left, *b = right;
	int order = compare_numbers(a->handle.kind, b->handle.kind);

	if (!order)
		order = compare_numbers(a->segment, b->segment);
	if (!order)
		order = handle_compare(&a->handle, &b->handle);
	if (!order)
		order = by_creator(b) - by_creator(a);
	if (!order)
		order = compare_numbers(a->handle.pid, b->handle.pid);
	return order ? order : compare_numbers(a->handle.fd, b->handle.fd);
}

static bool same_file(const struct object *a, const struct object *b)
{
	return a->handle.kind == b->handle.kind && a->segment == b->segment &&
	       !handle_compare(&a->handle, &b->handle);
}

static void merge(struct objects *objects)
{
	struct object *list = objects->list;
	size_t from, to = 0;

	for (from = 1; from < objects->count; from++) {
		if (same_file(&list[to], &list[from]))
			list[to].others++;
		else
			list[++to] = list[from];
	}
	if (objects->count)
		objects->count = to + 1;
}

/* Not by its device: to open that would load it. */
bool objects_have_driver(const char *word)
{
	char state[MODULE_TEXT_MAX];

	if (module_read("initstate", state) && !strcmp(state, "live"))
		return true;
	if (word)
		out_error(word, "the module is not loaded: try \"rsmctl load\"");
	return false;
}

bool objects_read(struct objects *objects)
{
	struct handles *it = handles_open(KINDS, 0);
	bool done;

	*objects = (struct objects){};
	if (!it)
		return false;
	done = collect(objects, it);
	if (done) {
		objects->whole = handles_whole(it);
		objects->hidden_own = handles_hidden(it, true);
		qsort(objects->list, objects->count, sizeof(*objects->list),
		      compare);
		merge(objects);
	} else {
		objects_free(objects);
		errno = ENOMEM;
	}
	handles_close(it);
	return done;
}

int objects_failed(const char *word)
{
	out_error(word, "cannot look through /proc: %s", strerror(errno));
	return EXIT_FAILED;
}

void objects_free(struct objects *objects)
{
	free(objects->list);
	*objects = (struct objects){};
}

void objects_say_missing(const struct objects *objects, const char *word)
{
	if (!objects->whole)
		out_error(word, "what processes have that you may not see is left out%s",
			  geteuid() ? "; root sees more" : "");
}

static void json_words(struct json *json, const char *key, const char *words)
{
	char text[OBJECT_ACL_MAX], *word, *save;

	snprintf(text, sizeof(text), "%s", words);
	json_array(json, key);
	for (word = strtok_r(text, " \t", &save); word;
	     word = strtok_r(NULL, " \t", &save))
		if (strcmp(word, "-"))
			json_string(json, NULL, word);
	json_array_end(json);
}

static void json_export(struct json *json, const struct object *object)
{
	char mode[8];

	snprintf(mode, sizeof(mode), "%04o", (unsigned int)object->mode);
	json_number(json, "owner", object->uid);
	json_number(json, "group", object->gid);
	json_string(json, "mode", mode);
	json_words(json, "acl", object->acl);
	json_number(json, "pages", object->pages);
	json_number(json, "huge_entries", object->huge);
	json_number(json, "extents", object->extents);
	json_number(json, "imports", object->imports);
}

static void json_import(struct json *json, const struct object *object)
{
	json_string(json, "rights", object->rights);
	json_number(json, "mappings", object->mappings);
}

static void json_counts(struct json *json, const struct object *object)
{
	json_words(json, "flags", object->flags);
	json_number(json, "rebinds", object->rebinds);
	json_number(json, "signals_pending", object->signals);
	json_number(json, "signals_posted", object->posted);
	json_number(json, "locks", object->locks);
}

static void json_where(struct json *json, const struct object *object)
{
	json_number(json, "segment", object->segment);
	if (object->id) {
		json_number(json, "id", object->id);
		json_number(json, "ipc_namespace", object->ipc_ns);
	} else {
		json_null(json, "id");
		json_null(json, "ipc_namespace");
	}
	json_string(json, "controller", object->controller);
	json_string(json, "state", object->state);
	json_number(json, "length", object->length);
	if (object->creator)
		json_number(json, "creator", object->creator);
	else
		json_null(json, "creator");
}

void object_json(struct json *json, const struct object *object)
{
	json_object(json, NULL);
	json_string(json, "kind", handle_kind_name(object->handle.kind));
	json_number(json, "pid", object->handle.pid);
	json_string(json, "command", object->handle.comm);
	json_number(json, "uid", object->handle.uid);
	json_number(json, "counted_for", object->user);
	json_number(json, "fd", object->handle.fd);
	json_number(json, "other_descriptors", object->others);
	json_where(json, object);
	if (object->handle.kind == HANDLE_EXPORT)
		json_export(json, object);
	else
		json_import(json, object);
	if (object->handle.kind != HANDLE_TICKET)
		json_counts(json, object);
	json_object_end(json);
}
