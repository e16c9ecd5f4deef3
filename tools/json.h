/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Output for programs: a writer of JSON that minds commas and quotes, so that
 * who calls it cannot write what is none.
 *
 * Each value has a @key where it is within an object, and NULL within an array
 * or on the outside.
 */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/**
 * struct json - what is being written
 * @to: where to
 * @depth: objects and arrays that are open
 * @empty: nothing is in the innermost of them yet
 * @line: all in one line; may be set after json_begin()
 */
struct json {
	FILE *to;
	unsigned int depth;
	bool empty;
	bool line;
};

void json_begin(struct json *json, FILE *to);
void json_object(struct json *json, const char *key);
void json_object_end(struct json *json);
void json_array(struct json *json, const char *key);
void json_array_end(struct json *json);

/* NULL is written as null. */
void json_string(struct json *json, const char *key, const char *value);
void json_number(struct json *json, const char *key, uint64_t value);
void json_real(struct json *json, const char *key, double value);
void json_bool(struct json *json, const char *key, bool value);
void json_null(struct json *json, const char *key);

#endif /* JSON_H */
