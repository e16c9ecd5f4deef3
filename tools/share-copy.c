// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copies of contents that may be replaced meanwhile.
 *
 * The kernel counts rebinds: what was read while the count stayed the same is
 * of one memory, and a barrier tells that it was the segment's. If it did not
 * stay the same the copy begins again. That cannot be done to what has been
 * written to a pipe; so if the segment can be rebound at all, nothing is written
 * there before all has been read.
 */
#include <stdio.h>
#include <stdlib.h>

#include "output.h"
#include "progress.h"
#include "share.h"

/**
 * struct attempt - to copy all
 * @copy: what
 * @file: where to
 * @progress: how far it is
 * @buffer: what is not written yet
 * @size: of @buffer
 * @begin: offset in the segment
 * @end: of the last byte, and one
 * @written: something is
 */
struct attempt {
	struct share_copy *copy;
	struct share_file file;
	struct progress progress;
	char *buffer;
	uint64_t size;
	uint64_t begin;
	uint64_t end;
	bool written;
};

enum outcome {
	DONE,
	AGAIN,
	ABORTED,
	FAILED,
};

static enum outcome outcome_of(const struct share_import *imp, int error)
{
	if (!error)
		return DONE;
	if (error == RSMERR_CONN_ABORTED)
		return ABORTED;
	share_failed(imp->word, "copy the segment", error);
	return FAILED;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static enum outcome find_range(struct attempt *attempt)
{
	const struct share_range *range = &attempt->copy->range;
	struct share_import *imp = attempt->copy->imp;
	uint64_t length = attempt->copy->trailer.length;

	if (range->offset > length) {
		out_error(imp->word,
			  "there is nothing at --offset %ju: the contents have %ju bytes",
			  (uintmax_t)range->offset, (uintmax_t)length);
		return FAILED;
	}
	attempt->begin = range->offset;
	attempt->end = attempt->begin +
		       smaller(range->length, length - range->offset);
	return DONE;
}

/* The length may have been that of other contents than those copied next. */
static enum outcome begin(struct attempt *attempt)
{
	struct share_copy *copy = attempt->copy;
	enum outcome outcome;

	copy->generation = share_generation(copy->imp);
	outcome = outcome_of(copy->imp,
			     share_fetch_trailer(copy->imp, &copy->trailer));
	if (outcome != DONE)
		return outcome;
	if (share_generation(copy->imp) != copy->generation)
		return AGAIN;
	return find_range(attempt);
}

static enum outcome make_buffer(struct attempt *attempt)
{
	const struct share_import *imp = attempt->copy->imp;
	uint64_t length = attempt->end - attempt->begin;
	char text[OUT_SIZE_MAX];

	attempt->size = SHARE_PIECE;
	if (attempt->file.direct && imp->rebinds && length > SHARE_PIECE)
		attempt->size = length;
	free(attempt->buffer);
	attempt->buffer = malloc(attempt->size);
	if (attempt->buffer)
		return DONE;
	out_error(imp->word,
		  "no memory for a copy of %s, as the exporter may replace the contents: use --output FILE, which needs none",
		  out_size(text, attempt->size));
	return FAILED;
}

/* Fill the buffer with what is at @offset. */
static enum outcome fill(struct attempt *attempt, uint64_t offset,
			 uint64_t length)
{
	struct share_copy *copy = attempt->copy;
	enum outcome outcome;
	uint64_t at, piece;

	for (at = 0; at < length; at += piece) {
		piece = smaller(length - at, SHARE_PIECE);
		outcome = outcome_of(copy->imp,
				     share_fetch(copy->imp, offset + at,
						 attempt->buffer + at, piece));
		if (outcome != DONE)
			return outcome;
		if (share_generation(copy->imp) != copy->generation)
			return AGAIN;
		progress_add(&attempt->progress, piece);
	}
	return DONE;
}

static enum outcome copy_pieces(struct attempt *attempt)
{
	uint64_t at, piece;
	enum outcome outcome;

	for (at = attempt->begin; at < attempt->end; at += piece) {
		piece = smaller(attempt->end - at, attempt->size);
		outcome = fill(attempt, at, piece);
		if (outcome != DONE)
			return outcome;
		attempt->written = true;
		if (!share_file_write(&attempt->file, attempt->buffer, piece))
			return FAILED;
	}
	return DONE;
}

static enum outcome try(struct attempt *attempt)
{
	const char *word = attempt->copy->imp->word;
	enum outcome outcome = begin(attempt);

	if (outcome == DONE)
		outcome = make_buffer(attempt);
	if (outcome != DONE)
		return outcome;
	progress_begin(&attempt->progress, word, attempt->end - attempt->begin);
	outcome = copy_pieces(attempt);
	progress_end(&attempt->progress);
	return outcome;
}

/* Until the contents stay the same for as long as that takes. */
static enum outcome try_all(struct attempt *attempt)
{
	enum outcome outcome;

	while ((outcome = try(attempt)) == AGAIN) {
		if (!attempt->written)
			continue;
		if (!share_file_rewind(&attempt->file))
			return FAILED;
		attempt->written = false;
	}
	return outcome;
}

static enum share_copied conclude(struct attempt *attempt, enum outcome outcome)
{
	bool partial = attempt->written && attempt->file.direct;

	if (outcome == DONE && share_file_commit(&attempt->file))
		return SHARE_COPIED;
	if (outcome != DONE)
		share_file_abandon(&attempt->file);
	if (outcome == ABORTED && !partial)
		return SHARE_ENDED;
	if (outcome == ABORTED)
		out_error(attempt->copy->imp->word,
			  "%s: what was written is incomplete",
			  share_end(attempt->copy->imp));
	return SHARE_FAILED;
}

enum share_copied share_copy(struct share_copy *copy)
{
	struct attempt attempt = { .copy = copy };
	enum share_copied copied;

	if (!share_file_open(&attempt.file, copy->imp->word, copy->output))
		return SHARE_FAILED;
	copied = conclude(&attempt, try_all(&attempt));
	free(attempt.buffer);
	return copied;
}
