// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

static const char units[] = "KMGTPE";

void out_error(const char *word, const char *format, ...)
{
	va_list args;

	/* In order with what is on stdout, where both are the same. */
	fflush(stdout);
	fprintf(stderr, "rsmctl %s: ", word);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

void out_make_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || (unsigned char)*text > '~')
			*text = '?';
}

const char *out_size(char text[OUT_SIZE_MAX], uint64_t bytes)
{
	const char *unit = units;
	double value = bytes / 1024.0;

	if (bytes < 1024) {
		snprintf(text, OUT_SIZE_MAX, "%ju B", (uintmax_t)bytes);
		return text;
	}
	/* Not 1024.0 of them, which the next unit has the room for. */
	for (; value >= 1023.95 && unit[1]; unit++)
		value /= 1024;
	snprintf(text, OUT_SIZE_MAX, "%.*f %ciB",
		 value == (uint64_t)value ? 0 : 1, value, *unit);
	return text;
}

static bool parse_number(const char *text, int base, uint64_t *value,
			 char **end)
{
	errno = 0;
	*value = strtoull(text, end, base);
	return isdigit((unsigned char)*text) && !errno;
}

bool out_parse_size(const char *text, uint64_t *bytes)
{
	const char *unit;
	unsigned int shift = 0;
	char *end;

	if (!parse_number(text, 10, bytes, &end))
		return false;
	if (*end) {
		unit = strchr(units, toupper((unsigned char)*end));
		if (!unit)
			return false;
		shift = 10 * (unit - units + 1);
		end++;
		if (!strcmp(end, "iB") || !strcmp(end, "B"))
			end += strlen(end);
	}
	if (*end || *bytes > UINT64_MAX >> shift)
		return false;
	*bytes <<= shift;
	return true;
}

bool out_parse_id(const char *text, uint32_t *id)
{
	uint64_t value;
	/* Not 0, which would take a leading zero for octal. */
	int base = !strncasecmp(text, "0x", 2) ? 16 : 10;
	char *end;

	if (!parse_number(text, base, &value, &end) || *end || value > UINT32_MAX)
		return false;
	*id = value;
	return true;
}
