/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the suites of the RDMA controller do with its configuration and with
 * imports.
 */
#ifndef RDMA_UTILS_H
#define RDMA_UTILS_H

#define RSM_REMOTE
#include "rsm_utils.h"

#define CONFIG "/sys/kernel/config/rsm_rdma"
/* Of the device that selftests/vm/run -r makes */
#define ADDRESS "10.8.0.1"
#define EXPORTER 1
#define IMPORTER 2

/*
 * Of a segment. No multiple of 1 MiB: copies up to the end of such a region have
 * rxe of Linux 6.1 read beyond its own list of pages.
 */
#define LENGTH 0xff000UL

#define RIGHTS (RSM_RIGHT_READ | RSM_RIGHT_WRITE)

static inline bool is_dead(int fd)
{
	struct pollfd pollfd = { .fd = fd };

	return poll(&pollfd, 1, 0) == 1 && pollfd.revents & POLLHUP;
}

/* A word of the segment, as the importer gets it, or -errno */
static inline long get_word(int fd, __u64 offset)
{
	long word = -1;
	int ret = rsm_get(fd, &word, offset, sizeof(word), NULL);

	return ret ?: word;
}

static inline int put_word(int fd, __u64 offset, long word)
{
	return rsm_put(fd, &word, offset, sizeof(word), NULL);
}

/* Configuration */

static inline int config_write(const char *name, const char *attribute,
			       const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), CONFIG "/%s/%s", name, attribute);
	return rsm_file_write(path, text);
}

static inline bool config_is(const char *name, const char *attribute,
			     const char *expected)
{
	char path[256], text[64] = "";
	FILE *file;

	snprintf(path, sizeof(path), CONFIG "/%s/%s", name, attribute);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (!fgets(text, sizeof(text), file))
		text[0] = '\0';
	fclose(file);
	text[strcspn(text, "\n")] = '\0';
	return !strcmp(text, expected);
}

static inline bool config_becomes(const char *name, const char *attribute,
				  const char *expected)
{
	long end = rsm_now_ms() + 20000;

	while (!config_is(name, attribute, expected)) {
		if (rsm_now_ms() > end)
			return false;
		rsm_sleep_ms(10);
	}
	return true;
}

static inline int config_mkdir(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), CONFIG "/%s", name);
	return mkdir(path, 0755) ? -errno : 0;
}

static inline int config_rmdir(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), CONFIG "/%s", name);
	return rmdir(path) ? -errno : 0;
}

static inline int add_node(const char *controller, const char *node,
			   const char *address)
{
	char name[64];
	int ret;

	snprintf(name, sizeof(name), "%s/nodes/%s", controller, node);
	ret = config_mkdir(name);
	return ret ?: config_write(name, "address", address);
}

/* @key: NULL if nodes are trusted without one */
static inline int add_controller(const char *name, const char *address,
				 const char *node, const char *key)
{
	int ret = config_mkdir(name);

	ret = ret ?: config_write(name, "address", address);
	ret = ret ?: config_write(name, "node_id", node);
	if (key)
		ret = ret ?: config_write(name, "key", key);
	else
		ret = ret ?: config_write(name, "trusted", "1");
	ret = ret ?: config_write(name, "enabled", "1");
	if (ret)
		return ret;
	return config_becomes(name, "state", "listening") ? 0 : -ETIMEDOUT;
}

/* Two controllers here, rdma8 and rdma9, are two nodes: of exporter and importer. */
static inline int find_nodes(struct rsm_scene *from, struct rsm_scene *to)
{
	struct rsm_controller_info info;
	int ret;

	ret = rsm_controller_info(from->fd, "rdma8", &info, NULL);
	from->controller = info.out_controller;
	from->node = info.out_node;
	if (ret)
		return ret;
	*to = *from;
	ret = rsm_controller_info(from->fd, "rdma9", &info, NULL);
	to->controller = info.out_controller;
	return ret;
}

#endif /* RDMA_UTILS_H */
