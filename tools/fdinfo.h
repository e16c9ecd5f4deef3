/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel tells of a descriptor: a file of lines "KEY:\tVALUE".
 */
#ifndef FDINFO_H
#define FDINFO_H

#include <stddef.h>

/**
 * struct fdinfo - such a file
 * @text: KEY, zero, VALUE, zero for each line; or NULL: nothing was read
 * @size: bytes there
 */
struct fdinfo {
	char *text;
	size_t size;
};

/* Leaves @info empty if @path, from the directory @at on, cannot be read. */
void fdinfo_read(struct fdinfo *info, int at, const char *path);

/* The key after @key, of which NULL is the first; its value; NULL at the end */
const char *fdinfo_next(const struct fdinfo *info, const char *key,
			const char **value);

/* The value of a key, or NULL */
const char *fdinfo_find(const struct fdinfo *info, const char *key);

void fdinfo_free(struct fdinfo *info);

#endif /* FDINFO_H */
