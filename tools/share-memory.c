// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory for contents whose length nobody knows before they have been read. A
 * segment is never longer than the machine's memory: so many addresses are
 * reserved, and made memory from the first one on. Nothing has to move, and
 * runs of 2 MiB stay where the processor can map them at once.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output.h"
#include "progress.h"
#include "share.h"

#define HUGE_PAGE (UINT64_C(2) << 20)

/* What is made memory at once where the length is not known */
#define STEP (UINT64_C(16) << 20)

static uint64_t round_up(uint64_t bytes, uint64_t unit)
{
	return (bytes + unit - 1) / unit * unit;
}

static uint64_t machine_memory(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
}

/* Leave over what begins, and is, a multiple of 2 MiB. */
static void align(struct share_memory *mem)
{
	uint64_t skip = -(uintptr_t)mem->base % HUGE_PAGE;

	if (skip)
		munmap(mem->base, skip);
	mem->base += skip;
	mem->reserved -= skip;
}

bool share_memory_reserve(struct share_memory *mem, const char *word, bool huge)
{
	uint64_t bytes = round_up(machine_memory(), HUGE_PAGE) + HUGE_PAGE;
	void *base = mmap(NULL, bytes, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	*mem = (struct share_memory){};
	if (base == MAP_FAILED)
		return share_failed_errno(word, "reserve", "addresses (ulimit -v)");
	mem->base = base;
	mem->reserved = bytes;
	align(mem);
	/* Without them it works as well. */
	if (huge)
		madvise(mem->base, mem->reserved, MADV_HUGEPAGE);
	return true;
}

static bool too_large(const char *word, uint64_t bytes)
{
	char needed[OUT_SIZE_MAX], there[OUT_SIZE_MAX];

	out_error(word, "not enough memory: %s are needed, the machine has %s",
		  out_size(needed, bytes), out_size(there, machine_memory()));
	return false;
}

bool share_memory_grow(struct share_memory *mem, const char *word,
		       uint64_t bytes)
{
	bytes = round_up(bytes, SHARE_PAGE);
	if (bytes <= mem->usable)
		return true;
	if (bytes > mem->reserved)
		return too_large(word, bytes);
	if (mprotect(mem->base + mem->usable, bytes - mem->usable,
		     PROT_READ | PROT_WRITE))
		return too_large(word, bytes);
	mem->usable = bytes;
	return true;
}

/* 0: it is not a regular file, or does not say */
static uint64_t expected_length(int fd)
{
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return 0;
	return st.st_size;
}

/* Returns as read(). The memory has room for one piece at least. */
static ssize_t read_piece(struct share_memory *mem, int fd)
{
	uint64_t room = mem->usable - mem->used;
	ssize_t got;

	do {
		got = read(fd, mem->base + mem->used,
			   room < SHARE_PIECE ? room : SHARE_PIECE);
	} while (got < 0 && errno == EINTR);
	return got;
}

static bool make_room(struct share_memory *mem, const char *word,
		      uint64_t expected)
{
	if (mem->usable > mem->used)
		return true;
	if (expected > mem->used)
		return share_memory_grow(mem, word, expected + 1);
	return share_memory_grow(mem, word, mem->usable + STEP);
}

static bool too_long(const char *word, const char *name, uint64_t limit)
{
	out_error(word, "%s is longer than the %ju bytes that there is room for",
		  name, (uintmax_t)limit);
	return false;
}

static bool read_all(struct share_memory *mem, const char *word, int fd,
		     const char *name, uint64_t limit,
		     struct progress *progress)
{
	ssize_t got;

	do {
		if (!make_room(mem, word, progress->total))
			return false;
		got = read_piece(mem, fd);
		if (got < 0)
			return share_failed_errno(word, "read", name);
		mem->used += got;
		if (mem->used > limit)
			return too_long(word, name, limit);
		progress_add(progress, got);
	} while (got);
	return true;
}

bool share_memory_read(struct share_memory *mem, const char *word, int fd,
		       const char *name, uint64_t limit)
{
	struct progress progress;
	bool good;

	progress_begin(&progress, word, expected_length(fd));
	if (progress.total > limit)
		return too_long(word, name, limit);
	good = read_all(mem, word, fd, name, limit, &progress);
	progress_end(&progress);
	return good;
}

bool share_memory_fit(struct share_memory *mem, const char *word,
		      uint64_t bytes)
{
	if (!share_memory_grow(mem, word, bytes))
		return false;
	if (mem->reserved > bytes)
		munmap(mem->base + bytes, mem->reserved - bytes);
	mem->reserved = bytes;
	mem->usable = bytes;
	return true;
}

void share_memory_free(struct share_memory *mem)
{
	if (mem->reserved)
		munmap(mem->base, mem->reserved);
	*mem = (struct share_memory){};
}
