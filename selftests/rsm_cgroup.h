/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory cgroups for tests: one below the root of the cgroup2 hierarchy.
 * Include it after rsm_utils.h.
 */
#ifndef RSM_CGROUP_H
#define RSM_CGROUP_H

#include <sys/stat.h>

#define RSM_CGROUP_DIR "/sys/fs/cgroup/"

static inline int rsm_cgroup_set(const char *name, const char *file, long value)
{
	char path[256], text[32];

	snprintf(path, sizeof(path), RSM_CGROUP_DIR "%s/%s", name, file);
	snprintf(text, sizeof(text), "%ld", value);
	return rsm_file_write(path, text);
}

/* The sum, or count, that a file such as memory.current shows. */
static inline long rsm_cgroup_get(const char *name, const char *file)
{
	char path[256];
	long value = -EIO;
	FILE *stream;

	snprintf(path, sizeof(path), RSM_CGROUP_DIR "%s/%s", name, file);
	stream = fopen(path, "re");
	if (!stream)
		return -errno;
	if (fscanf(stream, "%ld", &value) != 1)
		value = -EIO;
	fclose(stream);
	return value;
}

/*
 * Bytes that the kernel uses for the cgroup. What each processor has counted is
 * not summed up at once, but it is for who looks at the time that was used.
 */
static inline long rsm_cgroup_kernel_memory(const char *name)
{
	char path[256], key[64] = "";
	long value = -ENOENT, bytes = -ENOENT;
	FILE *stream;

	rsm_cgroup_get(name, "cpu.stat");
	snprintf(path, sizeof(path), RSM_CGROUP_DIR "%s/memory.stat", name);
	stream = fopen(path, "re");
	if (!stream)
		return -errno;
	while (fscanf(stream, "%63s %ld", key, &value) == 2)
		if (!strcmp(key, "kernel"))
			bytes = value;
	fclose(stream);
	return bytes;
}

/* Make a cgroup that may use @bytes of memory and no swap. */
static inline int rsm_cgroup_make(const char *name, long bytes)
{
	char path[256];
	int ret;

	ret = rsm_file_write(RSM_CGROUP_DIR "cgroup.subtree_control",
			     "+memory");
	if (ret)
		return ret;
	snprintf(path, sizeof(path), RSM_CGROUP_DIR "%s", name);
	if (mkdir(path, 0755) && errno != EEXIST)
		return -errno;
	/* Without swap there is no such file. */
	rsm_cgroup_set(name, "memory.swap.max", 0);
	return rsm_cgroup_set(name, "memory.max", bytes);
}

static inline int rsm_cgroup_enter(const char *name, pid_t pid)
{
	return rsm_cgroup_set(name, "cgroup.procs", pid);
}

/* Works when its last process is gone, which takes a moment. */
static inline void rsm_cgroup_remove(const char *name)
{
	char path[256];
	int ms;

	snprintf(path, sizeof(path), RSM_CGROUP_DIR "%s", name);
	for (ms = 0; ms < 1000 && rmdir(path) && errno == EBUSY; ms += 10)
		rsm_sleep_ms(10);
}

#endif /* RSM_CGROUP_H */
