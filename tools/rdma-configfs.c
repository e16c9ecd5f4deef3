// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "module.h"
#include "rdma-configfs.h"

#define PATH_SIZE (sizeof(RDMA_ROOT) + RDMA_DIR_MAX + 32)

const char *rdma_node_dir(char dir[RDMA_DIR_MAX], const char *controller,
			  uint32_t id)
{
	snprintf(dir, RDMA_DIR_MAX, "%s/nodes/%" PRIu32, controller, id);
	return dir;
}

const char *rdma_nodes_dir(char dir[RDMA_DIR_MAX], const char *controller)
{
	snprintf(dir, RDMA_DIR_MAX, "%s/nodes", controller);
	return dir;
}

static const char *dir_path(char path[PATH_SIZE], const char *dir)
{
	snprintf(path, PATH_SIZE, RDMA_ROOT "/%s", dir);
	return path;
}

bool rdma_exists(const char *dir)
{
	char path[PATH_SIZE];

	return !access(dir_path(path, dir), F_OK);
}

int rdma_make(const char *dir)
{
	char path[PATH_SIZE];

	return mkdir(dir_path(path, dir), 0755) ? -errno : 0;
}

int rdma_remove(const char *dir)
{
	char path[PATH_SIZE];

	return rmdir(dir_path(path, dir)) ? -errno : 0;
}

static int open_file(const char *dir, const char *file, int flags)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), RDMA_ROOT "/%s/%s", dir, file);
	return open(path, flags | O_CLOEXEC);
}

bool rdma_read(const char *dir, const char *file, char text[RDMA_TEXT_MAX])
{
	int fd = open_file(dir, file, O_RDONLY);
	ssize_t length;

	if (fd < 0)
		return false;
	length = read(fd, text, RDMA_TEXT_MAX - 1);
	close(fd);
	if (length < 0)
		return false;
	text[length] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return true;
}

/* In one piece: each write() stands for a value of its own. */
int rdma_write(const char *dir, const char *file, const char *bytes,
	       size_t length)
{
	int fd = open_file(dir, file, O_WRONLY);
	int error = 0;
	ssize_t written;

	if (fd < 0)
		return -errno;
	written = write(fd, bytes, length);
	if (written < 0)
		error = -errno;
	else if ((size_t)written != length)
		error = -EIO;
	if (close(fd) && !error)
		error = -errno;
	return error;
}

static int is_name(const struct dirent *entry)
{
	return *entry->d_name != '.' && entry->d_type == DT_DIR;
}

void rdma_list(const char *dir, struct rdma_names *names)
{
	struct dirent **list;
	char path[PATH_SIZE];
	int i, n;

	*names = (struct rdma_names){ };
	n = scandir(dir_path(path, dir), &list, is_name, versionsort);
	if (n < 0)
		return;
	names->name = calloc(n + 1, sizeof(*names->name));
	for (i = 0; i < n; i++) {
		if (names->name)
			names->name[names->count] = strdup(list[i]->d_name);
		if (names->name && names->name[names->count])
			names->count++;
		free(list[i]);
	}
	free(list);
}

void rdma_free(struct rdma_names *names)
{
	unsigned int i;

	for (i = 0; i < names->count; i++)
		free(names->name[i]);
	free(names->name);
	*names = (struct rdma_names){ };
}

const char *rdma_remedy(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
		if (geteuid())
			return "only root may do that: try sudo";
		return "not from a container, nor where the kernel is locked down";
	case EADDRINUSE:
		return "another controller, or another program, listens there";
	case EINVAL:
		return "the module does not take that";
	case ENOMEM:
		return "there is no memory";
	case ENOSPC:
		return "there are as many as there can be";
	case EROFS:
		return "configfs is read-only here, as in a container";
	}
	return "see the kernel's log (dmesg)";
}

/* Returns 0 or -errno; -ENOENT: there is no file of it. */
static int load(void)
{
	struct module *module = module_open(RDMA_MODULE);
	int error = 0;

	if (!module)
		return -ENOMEM;
	if (!module_is_loaded(module))
		error = module_load(module, NULL);
	module_close(module);
	return error;
}

static bool load_module(const struct rdma_from *from)
{
	int error = -load();

	if (!error)
		return true;
	if (error == ENOENT)
		rdma_error(from, "no module " RDMA_MODULE " for this kernel: install it with \"make install\" or \"make dkms-install\"");
	else
		rdma_error(from, "cannot load " RDMA_MODULE ": %s; %s",
			   strerror(error), rdma_remedy(error));
	return false;
}

bool rdma_prepare(const struct rdma_from *from)
{
	if (rdma_exists(""))
		return true;
	if (!load_module(from))
		return false;
	if (rdma_exists(""))
		return true;
	if (mount("configfs", RDMA_CONFIGFS, "configfs",
		  MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL)) {
		rdma_error(from, "cannot mount configfs at " RDMA_CONFIGFS ": %s; %s",
			   strerror(errno), rdma_remedy(errno));
		return false;
	}
	if (!rdma_exists("")) {
		rdma_error(from, "there is no " RDMA_ROOT " though " RDMA_MODULE " is loaded; see the kernel's log (dmesg)");
		return false;
	}
	printf("mounted configfs at " RDMA_CONFIGFS "\n");
	return true;
}
