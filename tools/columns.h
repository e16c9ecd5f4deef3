/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Objects as a table, the columns as wide as what is in them.
 */
#ifndef COLUMNS_H
#define COLUMNS_H

#include <stdio.h>

#include "objects.h"

#define COLUMN_TEXT_MAX 64

/**
 * struct column - a column of a table of objects
 * @title: its heading; also what "--sort" calls it, in any case
 * @left: text, that begins at the same place in each line; numbers end there
 * @text: what to write of an object
 * @value: what to sort by, largest first; NULL: the text
 */
struct column {
	const char *title;
	bool left;
	void (*text)(char *out, const struct object *object);
	double (*value)(const struct object *object);
};

/* Each is ended by one without a title. */
extern const struct column export_columns[];
extern const struct column import_columns[];
extern const struct column ticket_columns[];
extern const struct column watch_columns[];

/**
 * columns_print() - write the table, or nothing without objects of @kind
 * @to: where to
 * @columns: what of each
 * @objects: of these
 * @kind: those of this kind
 * @wanted: and only these of them, or NULL
 * @argument: for @wanted
 */
void columns_print(FILE *to, const struct column *columns,
		   const struct objects *objects, enum handle_kind kind,
		   bool (*wanted)(const struct object *object,
				  const void *argument),
		   const void *argument);

/* The column of this name, in any case, or NULL */
const struct column *columns_find(const struct column *columns,
				  const char *title);

/* Sort a list by a column. */
void columns_sort(struct objects *objects, const struct column *column,
		  bool reverse);

#endif /* COLUMNS_H */
