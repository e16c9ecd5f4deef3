// SPDX-License-Identifier: GPL-2.0-only
#include "json.h"

/*
 * Names of commands and files are bytes of no known encoding: what is not
 * ASCII is written as if it were Latin-1, so that all output is ASCII.
 */
static void write_quoted(FILE *to, const char *text)
{
	const unsigned char *c;

	fputc('"', to);
	for (c = (const unsigned char *)text; *c; c++) {
		if (*c == '"' || *c == '\\')
			fprintf(to, "\\%c", *c);
		else if (*c < ' ' || *c > '~')
			fprintf(to, "\\u%04x", *c);
		else
			fputc(*c, to);
	}
	fputc('"', to);
}

static void new_line(struct json *json)
{
	if (!json->line)
		fprintf(json->to, "\n%*s", 2 * json->depth, "");
}

/* What comes before a value */
static void write_key(struct json *json, const char *key)
{
	if (json->depth) {
		if (!json->empty)
			fputs(json->line ? ", " : ",", json->to);
		new_line(json);
	}
	json->empty = false;
	if (!key)
		return;
	write_quoted(json->to, key);
	fputs(": ", json->to);
}

static void open_group(struct json *json, const char *key, char bracket)
{
	write_key(json, key);
	fputc(bracket, json->to);
	json->depth++;
	json->empty = true;
}

static void close_group(struct json *json, char bracket)
{
	json->depth--;
	if (!json->empty)
		new_line(json);
	fputc(bracket, json->to);
	if (!json->depth)
		fputc('\n', json->to);
	json->empty = false;
}

void json_begin(struct json *json, FILE *to)
{
	*json = (struct json){ .to = to, .empty = true };
}

void json_object(struct json *json, const char *key)
{
	open_group(json, key, '{');
}

void json_object_end(struct json *json)
{
	close_group(json, '}');
}

void json_array(struct json *json, const char *key)
{
	open_group(json, key, '[');
}

void json_array_end(struct json *json)
{
	close_group(json, ']');
}

void json_string(struct json *json, const char *key, const char *value)
{
	if (!value) {
		json_null(json, key);
		return;
	}
	write_key(json, key);
	write_quoted(json->to, value);
}

void json_number(struct json *json, const char *key, uint64_t value)
{
	write_key(json, key);
	fprintf(json->to, "%ju", (uintmax_t)value);
}

void json_real(struct json *json, const char *key, double value)
{
	write_key(json, key);
	fprintf(json->to, "%.6f", value);
}

void json_bool(struct json *json, const char *key, bool value)
{
	write_key(json, key);
	fputs(value ? "true" : "false", json->to);
}

void json_null(struct json *json, const char *key)
{
	write_key(json, key);
	fputs("null", json->to);
}
