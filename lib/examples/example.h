/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the examples have in common, none of it about shared memory: they end
 * when something fails, take whole pages, and start other processes.
 */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rsm_ext.h>

/* How long to wait for another process, so that no failure hangs. */
#define PATIENCE_MS 30000

static inline void fail(const char *what)
{
	fprintf(stderr, "FAILED: %s\n", what);
	exit(1);
}

/* The functions return 0 or one of RSMERR_; errno has nothing to do with it. */
static inline void check(int error, const char *what)
{
	if (!error)
		return;
	fprintf(stderr, "FAILED: %s: %s\n", what, rsm_strerror(error));
	exit(1);
}

/* A segment is made of whole pages. */
static inline size_t whole_pages(size_t length)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return (length + page - 1) / page * page;
}

/* Zeroed memory, from the start of a page on, for munmap(). */
static inline void *new_memory(size_t length)
{
	void *mem = mmap(NULL, length, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		fail("no memory");
	return mem;
}

/* As fork(). What waits to be printed must not be printed by both. */
static inline pid_t new_process(void)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		fail("cannot start a process");
	return pid;
}

/* The wait status of a process, when it has ended. */
static inline int end_of(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		fail("cannot wait for a process");
	return status;
}

#endif /* EXAMPLE_H */
