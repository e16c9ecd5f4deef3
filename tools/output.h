/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What all subcommands say, and read, in the same way.
 */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit statuses, besides 0 */
#define EXIT_FAILED 1
#define EXIT_USAGE 2

/* Room for out_size() */
#define OUT_SIZE_MAX 24

/*
 * A line on stderr: "rsmctl WORD: " and what is wrong. It ends with what to do
 * about it, if that is not obvious.
 */
void out_error(const char *word, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Put a question mark for what is not printable ASCII: it may move the cursor. */
void out_make_printable(char *text);

/* "4 KiB", "1.5 MiB": at most one digit after the point. Returns @text. */
const char *out_size(char text[OUT_SIZE_MAX], uint64_t bytes);

/* "4096", "64K", "1.5" is none. False: no number, or too large */
bool out_parse_size(const char *text, uint64_t *bytes);

/* "4194305" or "0x400001". False: no number, or too large */
bool out_parse_id(const char *text, uint32_t *id);

#endif /* OUTPUT_H */
