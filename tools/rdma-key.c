// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rdma-key.h"

/* Returns 0 or -errno. */
static int read_all(int fd, struct rdma_key *key)
{
	ssize_t got;

	key->length = 0;
	do {
		got = read(fd, key->bytes + key->length,
			   sizeof(key->bytes) - key->length);
		if (got < 0 && errno != EINTR)
			return -errno;
		key->length += got > 0 ? got : 0;
	} while (got && key->length < sizeof(key->bytes));
	return 0;
}

static void check_mode(const struct rdma_from *from, int fd, const char *file)
{
	struct stat stat;

	if (fstat(fd, &stat) || !S_ISREG(stat.st_mode) ||
	    !(stat.st_mode & 0077))
		return;
	rdma_error(from, "warning: others than its owner may open %s (mode %04o): chmod 600 %s",
		   file, stat.st_mode & 07777, file);
}

static bool check_length(const struct rdma_from *from, const char *file,
			 const struct rdma_key *key)
{
	size_t length = key->length;

	if (length && key->bytes[length - 1] == '\n')
		length--;
	if (!length)
		rdma_error(from, "no key in %s: it is empty", file);
	else if (length > RDMA_KEY_MAX)
		rdma_error(from, "the key in %s is longer than %u bytes", file,
			   RDMA_KEY_MAX);
	return length && length <= RDMA_KEY_MAX;
}

static bool read_file(const struct rdma_from *from, int fd, const char *file,
		      struct rdma_key *key)
{
	int error = -read_all(fd, key);

	if (error) {
		rdma_error(from, "cannot read the key from %s: %s", file,
			   strerror(error));
		return false;
	}
	check_mode(from, fd, file);
	return check_length(from, file, key);
}

static bool read_input(const struct rdma_from *from, struct rdma_key *key)
{
	if (isatty(STDIN_FILENO)) {
		rdma_error(from, "the standard input is a terminal, which would show the key: give a file, or a pipe");
		return false;
	}
	return read_file(from, STDIN_FILENO, "the standard input", key);
}

bool rdma_read_key(const struct rdma_from *from, const char *file,
		   struct rdma_key *key)
{
	bool read;
	int fd;

	if (!strcmp(file, "-"))
		return read_input(from, key);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		rdma_error(from, "cannot open the key's file %s: %s", file,
			   strerror(errno));
		return false;
	}
	read = read_file(from, fd, file, key);
	close(fd);
	return read;
}

void rdma_forget_key(struct rdma_key *key)
{
	explicit_bzero(key, sizeof(*key));
}
