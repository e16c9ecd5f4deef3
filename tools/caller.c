// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <link.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "caller.h"

/* How the namespaces are numbered that the machine starts with */
static const struct {
	const char *name;
	const char *link;
} first_namespaces[] = {
	{ "ipc", "ipc:[4026531839]" },
	{ "user", "user:[4026531837]" },
	{ "pid", "pid:[4026531836]" },
};

bool caller_in_first_namespace(const char *name)
{
	char path[32], link[64];
	ssize_t length;
	size_t i;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	length = readlink(path, link, sizeof(link) - 1);
	if (length < 0)
		return false;
	link[length] = '\0';
	for (i = 0; i < sizeof(first_namespaces) / sizeof(*first_namespaces); i++)
		if (!strcmp(first_namespaces[i].name, name))
			return !strcmp(first_namespaces[i].link, link);
	return false;
}

bool caller_is_capable(int capability)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	return caller_in_first_namespace("user") &&
	       !syscall(SYS_capget, &header, data) &&
	       data[CAP_TO_INDEX(capability)].effective &
		       CAP_TO_MASK(capability);
}

/* As the kernel's limit has it: /proc/meminfo can be a container's. */
uint64_t caller_total_memory(void)
{
	struct sysinfo info;

	return sysinfo(&info) ? 0 : (uint64_t)info.totalram * info.mem_unit;
}

static int find_library(struct dl_phdr_info *info, size_t size, void *path)
{
	(void)size;
	if (!strstr(info->dlpi_name, "/libusrsm.so"))
		return 0;
	*(char **)path = realpath(info->dlpi_name, NULL);
	return 1;
}

/* It is installed as libusrsm.so.VERSION. */
bool caller_library(char text[MODULE_TEXT_MAX])
{
	const char *version = NULL;
	char *path = NULL;

	dl_iterate_phdr(find_library, &path);
	if (path)
		version = strstr(path, ".so.");
	if (version)
		snprintf(text, MODULE_TEXT_MAX, "%s", version + strlen(".so."));
	free(path);
	return version;
}
