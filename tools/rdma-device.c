// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device tells of its interfaces in several places: one over Ethernet with
 * each address that it has taken up, one that is made of another interface in
 * "parent", and an InfiniBand adapter has its interfaces below it, beside the
 * RDMA device.
 */
#include <arpa/inet.h>
#include <glob.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rdma-device.h"

#define DEVICES "/sys/class/infiniband"
#define PATH_SIZE 512

static bool read_line(const char *path, char text[IF_NAMESIZE])
{
	FILE *from = fopen(path, "re");
	bool read;

	if (!from)
		return false;
	read = fgets(text, IF_NAMESIZE, from);
	fclose(from);
	if (read)
		text[strcspn(text, "\n")] = '\0';
	return read;
}

/* Whether one of the files has the interface's name in it */
static bool is_in_files(const char *device, const char *files,
			const char *interface)
{
	char pattern[PATH_SIZE], text[IF_NAMESIZE];
	bool found = false;
	glob_t list;
	size_t i;

	snprintf(pattern, sizeof(pattern), "%s/%s", device, files);
	if (glob(pattern, 0, NULL, &list))
		return false;
	for (i = 0; i < list.gl_pathc && !found; i++)
		found = read_line(list.gl_pathv[i], text) &&
			!strcmp(text, interface);
	globfree(&list);
	return found;
}

static bool has_interface(const char *device, const char *interface)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s/device/net/%s", device, interface);
	return !access(path, F_OK) ||
	       is_in_files(device, "parent", interface) ||
	       is_in_files(device, "ports/*/gid_attrs/ndevs/*", interface);
}

static bool find_device(const char *interface, char device[RDMA_DEVICE_MAX])
{
	const char *path;
	bool found = false;
	glob_t list;
	size_t i;

	if (glob(DEVICES "/*", 0, NULL, &list))
		return false;
	for (i = 0; i < list.gl_pathc && !found; i++) {
		path = list.gl_pathv[i];
		found = has_interface(path, interface);
		if (found)
			snprintf(device, RDMA_DEVICE_MAX, "%.*s",
				 RDMA_DEVICE_MAX - 1, strrchr(path, '/') + 1);
	}
	globfree(&list);
	return found;
}

bool rdma_has_device(void)
{
	glob_t list;

	if (glob(DEVICES "/*", 0, NULL, &list))
		return false;
	globfree(&list);
	return true;
}

/* Returns false if it is no address that a controller could have. */
static bool get_address(const struct sockaddr *from, struct rdma_address *to)
{
	const void *bytes;

	*to = (struct rdma_address){ };
	if (!from)
		return false;
	if (from->sa_family == AF_INET)
		bytes = &((const struct sockaddr_in *)from)->sin_addr;
	else if (from->sa_family == AF_INET6)
		bytes = &((const struct sockaddr_in6 *)from)->sin6_addr;
	else
		return false;
	to->family = from->sa_family;
	memcpy(to->bytes, bytes, to->family == AF_INET ? 4 : 16);
	/* It means nothing without an interface. */
	return to->family == AF_INET || to->bytes[0] != 0xfe ||
	       (to->bytes[1] & 0xc0) != 0x80;
}

bool rdma_find_device(const struct rdma_address *address,
		      char device[RDMA_DEVICE_MAX])
{
	struct ifaddrs *list, *at;
	struct rdma_address has;
	bool found = false;

	if (getifaddrs(&list))
		return false;
	for (at = list; at && !found; at = at->ifa_next) {
		if (!get_address(at->ifa_addr, &has))
			continue;
		has.port = address->port;
		found = rdma_same_address(&has, address) &&
			find_device(at->ifa_name, device);
	}
	freeifaddrs(list);
	return found;
}

void rdma_addresses_text(char text[RDMA_DEVICES_MAX])
{
	char host[INET6_ADDRSTRLEN], device[RDMA_DEVICE_MAX];
	struct ifaddrs *list, *at;
	struct rdma_address has;
	size_t length = 0;

	*text = '\0';
	if (getifaddrs(&list))
		return;
	for (at = list; at && length < RDMA_DEVICES_MAX; at = at->ifa_next)
		if (get_address(at->ifa_addr, &has) &&
		    find_device(at->ifa_name, device) &&
		    inet_ntop(has.family, has.bytes, host, sizeof(host)))
			length += snprintf(text + length,
					   RDMA_DEVICES_MAX - length,
					   "%s%s (%s)", length ? ", " : "",
					   host, device);
	freeifaddrs(list);
}
