// SPDX-License-Identifier: GPL-2.0-only
/*
 * The protocol of /dev/fuse, as far as one file needs it.
 */
#include "fuse_hang.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/fuse.h>

#define FILE_NODE 2
#define BUFFER_SIZE (256 << 10)
#define READ_MAX (128 << 10)
#define HELD_MAX 64
#define POLL_MS 5
#define ATTR_SECONDS 3600

struct fuse_hang_state {
	uint32_t held;		/* reads that were not answered */
	uint32_t released;
};

struct held_read {
	uint64_t unique;
	uint32_t size;
};

struct server {
	int fd;
	size_t size;
	struct fuse_hang_state *state;
	struct held_read held[HELD_MAX];
	unsigned int nr_held;
	char *buffer;
};

static void sleep_ms(int ms)
{
	struct timespec delay = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&delay, NULL);
}

static void reply(struct server *server, uint64_t unique, int error,
		  const void *body, size_t size)
{
	struct fuse_out_header header = {
		.len = sizeof(header) + size,
		.error = error,
		.unique = unique,
	};
	struct iovec iov[2] = {
		{ &header, sizeof(header) },
		{ (void *)body, size },
	};

	/* Fails when the request was given up, which is no matter. */
	if (writev(server->fd, iov, 2) < 0 && errno == ENODEV)
		_exit(0);
}

static void reply_init(struct server *server, uint64_t unique)
{
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = READ_MAX,
		.flags = FUSE_ASYNC_READ,
		.max_background = HELD_MAX,
		.max_write = READ_MAX,
	};

	reply(server, unique, 0, &out, sizeof(out));
}

static struct fuse_attr node_attr(const struct server *server, uint64_t node)
{
	bool dir = node == FUSE_ROOT_ID;

	return (struct fuse_attr){
		.ino = node,
		.size = dir ? 0 : server->size,
		.mode = dir ? S_IFDIR | 0755 : S_IFREG | 0666,
		.nlink = 1,
		.blksize = 4096,
	};
}

static void reply_entry(struct server *server, uint64_t unique)
{
	struct fuse_entry_out out = {
		.nodeid = FILE_NODE,
		.entry_valid = ATTR_SECONDS,
		.attr_valid = ATTR_SECONDS,
		.attr = node_attr(server, FILE_NODE),
	};

	reply(server, unique, 0, &out, sizeof(out));
}

static void reply_attr(struct server *server, uint64_t unique, uint64_t node)
{
	struct fuse_attr_out out = {
		.attr_valid = ATTR_SECONDS,
		.attr = node_attr(server, node),
	};

	reply(server, unique, 0, &out, sizeof(out));
}

static void reply_open(struct server *server, uint64_t unique)
{
	struct fuse_open_out out = { .open_flags = FOPEN_KEEP_CACHE };

	reply(server, unique, 0, &out, sizeof(out));
}

static void answer_read(struct server *server, const struct held_read *read)
{
	static const char zeros[READ_MAX];
	uint32_t size = read->size < READ_MAX ? read->size : READ_MAX;

	reply(server, read->unique, 0, zeros, size);
}

static void hold_read(struct server *server, uint64_t unique, uint32_t size)
{
	struct held_read read = { unique, size };

	if (server->nr_held == HELD_MAX) {
		reply(server, unique, -EIO, NULL, 0);
		return;
	}
	server->held[server->nr_held++] = read;
	__atomic_store_n(&server->state->held, server->nr_held,
			 __ATOMIC_RELEASE);
}

static void answer_held(struct server *server)
{
	while (server->nr_held)
		answer_read(server, &server->held[--server->nr_held]);
}

static void serve(struct server *server)
{
	const struct fuse_in_header *in = (void *)server->buffer;
	const struct fuse_read_in *read = (void *)(in + 1);

	switch (in->opcode) {
	case FUSE_INIT:
		return reply_init(server, in->unique);
	case FUSE_LOOKUP:
		return reply_entry(server, in->unique);
	case FUSE_GETATTR:
		return reply_attr(server, in->unique, in->nodeid);
	case FUSE_OPEN:
		return reply_open(server, in->unique);
	case FUSE_READ:
		return hold_read(server, in->unique, read->size);
	case FUSE_RELEASE:
	case FUSE_DESTROY:
		return reply(server, in->unique, 0, NULL, 0);
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return;	/* these want no answer */
	}
	reply(server, in->unique, -ENOSYS, NULL, 0);
}

static void server_loop(struct server *server)
{
	struct pollfd pfd = { .fd = server->fd, .events = POLLIN };
	ssize_t got;

	for (;;) {
		if (__atomic_load_n(&server->state->released, __ATOMIC_ACQUIRE))
			answer_held(server);
		if (poll(&pfd, 1, POLL_MS) <= 0)
			continue;
		got = read(server->fd, server->buffer, BUFFER_SIZE);
		if (got < 0 && errno == ENODEV)
			return;
		if (got >= (ssize_t)sizeof(struct fuse_in_header))
			serve(server);
	}
}

static pid_t start_server(struct fuse_hang *hang, int fd, size_t size)
{
	struct server server = {
		.fd = fd,
		.size = size,
		.state = hang->state,
	};
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid)
		return pid < 0 ? -errno : pid;
	server.buffer = malloc(BUFFER_SIZE);
	if (server.buffer)
		server_loop(&server);
	_exit(0);
}

static int mount_at(const char *dir, int fd)
{
	char options[80];

	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0,max_read=%d", fd,
		 READ_MAX);
	return mount("fuse_hang", dir, "fuse", MS_NOSUID | MS_NODEV, options) ?
	       -errno : 0;
}

static int open_file(struct fuse_hang *hang)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/file", hang->dir);
	hang->file = open(path, O_RDWR | O_CLOEXEC);
	return hang->file < 0 ? -errno : 0;
}

/* The server has the only descriptor of the connection, and it ends with it. */
static int mount_and_serve(struct fuse_hang *hang, size_t size)
{
	int ret, fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	ret = mount_at(hang->dir, fd);
	if (!ret) {
		hang->server = start_server(hang, fd, size);
		ret = hang->server < 0 ? hang->server : 0;
	}
	close(fd);
	return ret ?: open_file(hang);
}

int fuse_hang_start(struct fuse_hang *hang, size_t size)
{
	int ret;

	*hang = (struct fuse_hang){
		.file = -1,
		.dir = "/tmp/fuse_hang.XXXXXX",
	};
	if (!mkdtemp(hang->dir))
		return -errno;
	hang->state = mmap(NULL, sizeof(*hang->state), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (hang->state == MAP_FAILED) {
		hang->state = NULL;
		rmdir(hang->dir);
		return -ENOMEM;
	}
	ret = mount_and_serve(hang, size);
	if (ret)
		fuse_hang_stop(hang);
	return ret;
}

bool fuse_hang_wait(struct fuse_hang *hang, int ms)
{
	for (; ms > 0; ms--) {
		if (__atomic_load_n(&hang->state->held, __ATOMIC_ACQUIRE))
			return true;
		sleep_ms(1);
	}
	return false;
}

void fuse_hang_release(struct fuse_hang *hang)
{
	__atomic_store_n(&hang->state->released, 1, __ATOMIC_RELEASE);
}

void fuse_hang_stop(struct fuse_hang *hang)
{
	if (hang->server > 0) {
		kill(hang->server, SIGKILL);
		waitpid(hang->server, NULL, 0);
	}
	if (hang->file >= 0)
		close(hang->file);
	umount2(hang->dir, MNT_DETACH);
	rmdir(hang->dir);
	if (hang->state)
		munmap(hang->state, sizeof(*hang->state));
	*hang = (struct fuse_hang){ .file = -1 };
}
