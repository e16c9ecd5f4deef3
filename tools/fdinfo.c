// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fdinfo.h"

/* All of a file whose size is not known before, ended by a zero; or NULL */
static char *read_all(int fd)
{
	size_t size = 512, length = 0;
	char *text = NULL, *more;
	ssize_t n;

	do {
		more = realloc(text, size *= 2);
		if (!more)
			break;
		text = more;
		n = read(fd, text + length, size - length - 1);
		if (n > 0)
			length += n;
	} while (n > 0);
	if (text)
		text[length] = '\0';
	return text;
}

/* Makes KEY, zero, VALUE, zero of each line. Returns the bytes that takes. */
static size_t split_lines(char *text)
{
	char *line, *next, *value, *out = text;

	for (line = text; *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		value = strchr(line, ':');
		if (!value)
			continue;
		*value++ = '\0';
		value += strspn(value, " \t");
		memmove(out, line, strlen(line) + 1);
		out += strlen(out) + 1;
		memmove(out, value, strlen(value) + 1);
		out += strlen(out) + 1;
	}
	return out - text;
}

void fdinfo_read(struct fdinfo *info, int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_CLOEXEC);

	*info = (struct fdinfo){ };
	if (fd < 0)
		return;
	info->text = read_all(fd);
	close(fd);
	if (info->text)
		info->size = split_lines(info->text);
}

const char *fdinfo_next(const struct fdinfo *info, const char *key,
			const char **value)
{
	if (key) {
		key += strlen(key) + 1;
		key += strlen(key) + 1;
	} else {
		key = info->text;
	}
	if (!key || key == info->text + info->size)
		return NULL;
	*value = key + strlen(key) + 1;
	return key;
}

const char *fdinfo_find(const struct fdinfo *info, const char *key)
{
	const char *at = NULL, *value;

	while ((at = fdinfo_next(info, at, &value)))
		if (!strcmp(at, key))
			return value;
	return NULL;
}

void fdinfo_free(struct fdinfo *info)
{
	free(info->text);
	*info = (struct fdinfo){ };
}
