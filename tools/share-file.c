// SPDX-License-Identifier: GPL-2.0-only
/*
 * Contents go to a file of another name beside the one that is meant, which
 * takes its place when they are complete. Until then a signal that ends the
 * command removes it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "share.h"

static const int endings[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };

/* What is to be removed: there is but one at a time. */
static const char *volatile unfinished;

static void remove_unfinished(int signal_nr)
{
	if (unfinished)
		unlink(unfinished);
	/* As if there was no handler: it is reset, and not blocked for long. */
	raise(signal_nr);
}

static void watch_endings(void)
{
	struct sigaction act = { .sa_handler = remove_unfinished,
				 .sa_flags = SA_RESETHAND };
	struct sigaction old;
	size_t i;

	for (i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		sigaction(endings[i], NULL, &old);
		if (old.sa_handler == SIG_DFL)
			sigaction(endings[i], &act, NULL);
	}
}

/*
 * As it would be with open(), or as the file had that it replaces: its owner,
 * too, as far as we may, and never the right to run as that.
 */
static bool set_owner_and_mode(int fd, const char *path)
{
	mode_t mask = umask(0);
	struct stat st;

	umask(mask);
	if (stat(path, &st))
		return !fchmod(fd, 0666 & ~mask);
	if (st.st_uid != geteuid() && fchown(fd, st.st_uid, st.st_gid))
		return false;
	return !fchmod(fd, st.st_mode & 0777);
}

/* No signal comes between the file and the note that it is to be removed. */
static int make_temp(char *path)
{
	sigset_t all, old;
	int fd;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unfinished = path;
	sigprocmask(SIG_SETMASK, &old, NULL);
	return fd;
}

static bool open_temp(struct share_file *file)
{
	if (asprintf(&file->temp, "%s.XXXXXX", file->path) < 0) {
		file->temp = NULL;
		return share_failed_errno(file->word, "write", file->name);
	}
	watch_endings();
	file->fd = make_temp(file->temp);
	if (file->fd < 0)
		return share_failed_errno(file->word, "make a file beside",
					  file->name);
	if (!set_owner_and_mode(file->fd, file->path))
		return share_failed_errno(file->word, "write", file->name);
	return true;
}

static bool open_direct(struct share_file *file)
{
	file->direct = true;
	file->fd = open(file->path, O_WRONLY | O_CLOEXEC);
	return file->fd >= 0 ||
	       share_failed_errno(file->word, "open", file->name);
}

/*
 * Where the file is, whatever links lead to it. The kernel follows them, as it
 * knows which ones not to follow.
 */
static char *find_file(const char *name)
{
	int fd = open(name, O_PATH | O_CLOEXEC);
	char link[32], *path;

	if (fd < 0)
		return errno == ENOENT ? strdup(name) : NULL;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	path = realpath(link, NULL);
	close(fd);
	return path;
}

static bool open_named(struct share_file *file)
{
	struct stat st;

	file->path = find_file(file->name);
	if (!file->path)
		return share_failed_errno(file->word, "open", file->name);
	if (!stat(file->path, &st) && !S_ISREG(st.st_mode))
		return open_direct(file);
	return open_temp(file);
}

bool share_file_open(struct share_file *file, const char *word,
		     const char *name)
{
	*file = (struct share_file){ .word = word, .name = name, .fd = -1 };
	if (name && strcmp(name, "-")) {
		if (open_named(file))
			return true;
		share_file_abandon(file);
		return false;
	}
	file->name = NULL;
	file->direct = true;
	file->fd = STDOUT_FILENO;
	return true;
}

bool share_file_write(struct share_file *file, const char *from,
		      uint64_t length)
{
	ssize_t put;

	for (; length; length -= put, from += put) {
		put = write(file->fd, from, length);
		if (put < 0 && errno == EINTR) {
			put = 0;
			continue;
		}
		if (put >= 0)
			continue;
		/* Who reads has had enough: no mistake of anybody */
		return errno != EPIPE &&
		       share_failed_errno(file->word, "write to",
					  file->name ? file->name : "stdout");
	}
	return true;
}

bool share_file_rewind(struct share_file *file)
{
	if (ftruncate(file->fd, 0) || lseek(file->fd, 0, SEEK_SET))
		return share_failed_errno(file->word, "write", file->name);
	return true;
}

bool share_file_commit(struct share_file *file)
{
	int fd = file->fd;

	file->fd = -1;
	if (file->name && close(fd)) {
		share_failed_errno(file->word, "write", file->name);
		share_file_abandon(file);
		return false;
	}
	if (!file->direct && rename(file->temp, file->path)) {
		share_failed_errno(file->word, "replace", file->name);
		share_file_abandon(file);
		return false;
	}
	unfinished = NULL;
	free(file->temp);
	free(file->path);
	*file = (struct share_file){ .word = file->word, .fd = -1 };
	return true;
}

void share_file_abandon(struct share_file *file)
{
	if (file->name && file->fd >= 0)
		close(file->fd);
	if (unfinished)
		unlink(unfinished);
	unfinished = NULL;
	free(file->temp);
	free(file->path);
	*file = (struct share_file){ .word = file->word, .fd = -1 };
}
