// SPDX-License-Identifier: GPL-2.0-only
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "columns.h"
#include "output.h"

#define MAX_COLUMNS 16

__attribute__((format(printf, 2, 3)))
static void print(char *out, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(out, COLUMN_TEXT_MAX, format, args);
	va_end(args);
}

static void id_text(char *out, const struct object *object)
{
	if (object->id)
		print(out, "0x%jx", (uintmax_t)object->id);
	else
		print(out, "-");
}

static void length_text(char *out, const struct object *object)
{
	out_size(out, object->length);
}

static void state_text(char *out, const struct object *object)
{
	print(out, "%s", object->state);
}

/* The access list in place of the mode, where it has but one entry */
static void mode_text(char *out, const struct object *object)
{
	const char *colon = strchr(object->acl, ':');

	if (!colon)
		print(out, "%04o", (unsigned int)object->mode);
	else if (strchr(object->acl, ' '))
		print(out, "list");
	else
		print(out, "%s", colon + 1);
}

static void rights_text(char *out, const struct object *object)
{
	print(out, "%s", object->rights);
}

/* "2048" or "2048 (4x2M)" */
static void pages_text(char *out, const struct object *object)
{
	if (object->huge)
		print(out, "%ju (%jux2M)", (uintmax_t)object->pages,
		      (uintmax_t)object->huge);
	else
		print(out, "%ju", (uintmax_t)object->pages);
}

static void pid_text(char *out, const struct object *object)
{
	print(out, "%d", object->handle.pid);
}

static void user_text(char *out, const struct object *object)
{
	struct passwd *user = getpwuid(object->handle.uid);

	if (user)
		print(out, "%s", user->pw_name);
	else
		print(out, "%u", object->handle.uid);
}

/* With how many descriptors more there are */
static void command_text(char *out, const struct object *object)
{
	char comm[HANDLE_COMM_MAX];

	handle_comm_text(comm, &object->handle);
	if (object->others)
		print(out, "%.40s (+%u)", comm, object->others);
	else
		print(out, "%.60s", comm);
}

#define NUMBER(_member)                                                        \
static void _member##_text(char *out, const struct object *object)             \
{                                                                              \
	print(out, "%ju", (uintmax_t)object->_member);                         \
}

#define VALUE(_member)                                                         \
static double _member##_value(const struct object *object)                     \
{                                                                              \
	return object->_member;                                                \
}

NUMBER(imports)
NUMBER(mappings)
NUMBER(rebinds)
NUMBER(signals)
NUMBER(locks)
NUMBER(creator)

VALUE(id)
VALUE(length)
VALUE(imports)
VALUE(rebinds)
VALUE(signals)
VALUE(rebind_rate)
VALUE(signal_rate)

static double pid_value(const struct object *object)
{
	return object->handle.pid;
}

static void rebind_rate_text(char *out, const struct object *object)
{
	print(out, "%.1f", object->rebind_rate);
}

static void signal_rate_text(char *out, const struct object *object)
{
	print(out, "%.1f", object->signal_rate);
}

const struct column export_columns[] = {
	{ "ID", true, id_text, id_value },
	{ "LENGTH", false, length_text, length_value },
	{ "PAGES", false, pages_text, length_value },
	{ "STATE", true, state_text, NULL },
	{ "MODE", true, mode_text, NULL },
	{ "IMPORTS", false, imports_text, imports_value },
	{ "REBINDS", false, rebinds_text, rebinds_value },
	{ "SIGNALS", false, signals_text, signals_value },
	{ "USER", true, user_text, NULL },
	{ "PID", false, pid_text, pid_value },
	{ "COMMAND", true, command_text, NULL },
	{}
};

const struct column import_columns[] = {
	{ "ID", true, id_text, id_value },
	{ "LENGTH", false, length_text, length_value },
	{ "STATE", true, state_text, NULL },
	{ "RIGHTS", true, rights_text, NULL },
	{ "MAPPINGS", false, mappings_text, NULL },
	{ "SIGNALS", false, signals_text, signals_value },
	{ "LOCKS", false, locks_text, NULL },
	{ "EXPORTER", false, creator_text, NULL },
	{ "USER", true, user_text, NULL },
	{ "PID", false, pid_text, pid_value },
	{ "COMMAND", true, command_text, NULL },
	{}
};

const struct column ticket_columns[] = {
	{ "LENGTH", false, length_text, length_value },
	{ "STATE", true, state_text, NULL },
	{ "RIGHTS", true, rights_text, NULL },
	{ "EXPORTER", false, creator_text, NULL },
	{ "USER", true, user_text, NULL },
	{ "PID", false, pid_text, pid_value },
	{ "COMMAND", true, command_text, NULL },
	{}
};

const struct column watch_columns[] = {
	{ "ID", true, id_text, id_value },
	{ "LENGTH", false, length_text, length_value },
	{ "STATE", true, state_text, NULL },
	{ "IMPORTS", false, imports_text, imports_value },
	{ "REBINDS/S", false, rebind_rate_text, rebind_rate_value },
	{ "SIGNALS/S", false, signal_rate_text, signal_rate_value },
	{ "PENDING", false, signals_text, signals_value },
	{ "USER", true, user_text, NULL },
	{ "PID", false, pid_text, pid_value },
	{ "COMMAND", true, command_text, NULL },
	{}
};

/**
 * struct table - a table being written
 * @to: where to
 * @columns: of it
 * @width: of each
 */
struct table {
	FILE *to;
	const struct column *columns;
	int width[MAX_COLUMNS];
};

static void widen(struct table *table, const struct object *object)
{
	char text[COLUMN_TEXT_MAX];
	int i, length;

	for (i = 0; table->columns[i].title; i++) {
		length = strlen(table->columns[i].title);
		if (object) {
			table->columns[i].text(text, object);
			length = strlen(text);
		}
		if (length > table->width[i])
			table->width[i] = length;
	}
}

/* A line, without blanks at its end; the headings without an object */
static void print_line(const struct table *table, const struct object *object)
{
	const struct column *column = table->columns;
	char text[COLUMN_TEXT_MAX];
	int i, width;

	for (i = 0; column->title; i++, column++) {
		print(text, "%s", column->title);
		if (object)
			column->text(text, object);
		width = table->width[i];
		if (column->left)
			width = column[1].title ? -width : 0;
		fprintf(table->to, "%s%*s", i ? "  " : "", width, text);
	}
	fputc('\n', table->to);
}

void columns_print(FILE *to, const struct column *columns,
		   const struct objects *objects, enum handle_kind kind,
		   bool (*wanted)(const struct object *object,
				  const void *argument),
		   const void *argument)
{
	struct table table = { .to = to, .columns = columns };
	const struct object *object, *end = objects->list + objects->count;
	int pass, lines = 0;

	widen(&table, NULL);
	for (pass = 0; pass < 2; pass++) {
		for (object = objects->list; object < end; object++) {
			if (object->handle.kind != kind ||
			    (wanted && !wanted(object, argument)))
				continue;
			if (!pass)
				widen(&table, object);
			else if (!lines++)
				print_line(&table, NULL);
			if (pass)
				print_line(&table, object);
		}
	}
}

const struct column *columns_find(const struct column *columns,
				  const char *title)
{
	for (; columns->title; columns++)
		if (!strcasecmp(columns->title, title))
			return columns;
	return NULL;
}

/**
 * struct order - how to sort
 * @column: by what
 * @reverse: the other way round
 */
struct order {
	const struct column *column;
	bool reverse;
};

static int compare(const void *left, const void *right, void *argument)
{
	const struct object *a = left, *b = right;
	const struct order *order = argument;
	char text[2][COLUMN_TEXT_MAX];
	double values[2];
	int result;

	if (order->column->value) {
		values[0] = order->column->value(a);
		values[1] = order->column->value(b);
		result = values[0] > values[1] ? -1 : values[0] < values[1];
	} else {
		order->column->text(text[0], a);
		order->column->text(text[1], b);
		result = strcmp(text[0], text[1]);
	}
	if (order->reverse)
		result = -result;
	/* What is equal keeps its place from one look to the next. */
	return result ? result : (a->segment > b->segment) -
				 (a->segment < b->segment);
}

void columns_sort(struct objects *objects, const struct column *column,
		  bool reverse)
{
	struct order order = { .column = column, .reverse = reverse };

	qsort_r(objects->list, objects->count, sizeof(*objects->list), compare,
		&order);
}
