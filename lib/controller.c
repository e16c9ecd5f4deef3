// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Controllers, topology, and the administrator's ranges of segment ids.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#ifndef RSM_SEGMENTID_FILE
#define RSM_SEGMENTID_FILE "/etc/rsm/rsm.segmentid"
#endif

/* Beside RSMERR_: the line is a good one, but for somebody else */
#define OTHER_APPID (-1)

/*
 * Controllers that have a handle. rsm_controllers_lock is taken before the lock
 * of a handle and for changes of any controller's refs.
 */
static struct rsm_handle *controllers;

static int fail_name(const char *name)
{
	return rsm_fail(RSMERR_CTLR_NOT_PRESENT,
			"\"%.40s\" is no name of a controller, as \"loopback\" or \"rdma0\"",
			name);
}

/*
 * Write the name as the kernel knows it: a kind in lower case and a number
 * without leading zeros, which loopback does not have. False: it is no name
 */
static bool normalize_name(const char *name, char out[RSM_CONTROLLER_NAME_MAX])
{
	size_t length = strlen(name);
	size_t kind = length;
	size_t i;

	while (kind && isdigit((unsigned char)name[kind - 1]))
		kind--;
	if (!kind || length >= RSM_CONTROLLER_NAME_MAX)
		return false;
	for (i = 0; i < kind; i++)
		out[i] = tolower((unsigned char)name[i]);
	out[kind] = '\0';
	if (!strcmp(out, "loopback"))
		return true;

	for (name += kind; name[0] == '0' && name[1]; name++)
		;
	return snprintf(out + kind, RSM_CONTROLLER_NAME_MAX - kind, "%s",
			*name ? name : "0") <
	       (int)(RSM_CONTROLLER_NAME_MAX - kind);
}

static int query(struct rsm_controller_info *info)
{
	return rsm_control(RSM_CONTROLLER_INFO, info, &info->out_error,
			   RSMERR_CTLR_NOT_PRESENT);
}

static struct rsm_handle *find(const char *name)
{
	struct rsm_handle *handle = controllers;

	while (handle && strcmp(handle->ctlr.info.name, name))
		handle = handle->ctlr.next;
	return handle;
}

/* Make the handle of a controller that has none. NULL: out of memory */
static struct rsm_handle *add(const struct rsm_controller_info *info)
{
	struct rsm_handle *handle = rsm_handle_new(RSM_HANDLE_CONTROLLER);

	if (!handle)
		return NULL;
	handle->ctlr.refs = 0;
	handle->ctlr.info = *info;
	handle->ctlr.next = controllers;
	controllers = handle;
	rsm_handle_release(handle);
	return handle;
}

/* Get a controller; if @known is not set, one that has a handle. */
static bool get(const struct rsm_controller_info *info, bool known,
		rsmapi_controller_handle_t *controller)
{
	struct rsm_handle *handle;

	pthread_mutex_lock(&rsm_controllers_lock);
	handle = find(info->name);
	if (!handle && known)
		handle = add(info);
	if (handle) {
		handle->ctlr.refs++;
		*controller = (rsmapi_controller_handle_t)handle->value;
	}
	pthread_mutex_unlock(&rsm_controllers_lock);
	return handle;
}

int rsm_get_controller(char *name, rsmapi_controller_handle_t *controller)
{
	struct rsm_controller_info info = { .size = sizeof(info) };
	int ret;

	if (!controller)
		return rsm_fail(RSMERR_BAD_CTLR_HNDL, "controller is NULL");
	if (!normalize_name(name ? name : "loopback", info.name))
		return fail_name(name);
	if (get(&info, false, controller))
		return RSM_SUCCESS;
	/* Without the lock: the first one may have to load the module. */
	ret = query(&info);
	if (ret)
		return ret;
	return get(&info, true, controller) ? RSM_SUCCESS :
					      rsm_handle_fail_new();
}

static void remove_controller(struct rsm_handle *handle)
{
	struct rsm_handle **link = &controllers;

	while (*link != handle)
		link = &(*link)->ctlr.next;
	*link = handle->ctlr.next;
	rsm_handle_free(handle);
}

int rsm_release_controller(rsmapi_controller_handle_t controller)
{
	struct rsm_handle *handle;

	pthread_mutex_lock(&rsm_controllers_lock);
	handle = rsm_handle_hold(controller, RSM_HANDLE_CONTROLLER);
	if (handle) {
		if (--handle->ctlr.refs)
			rsm_handle_release(handle);
		else
			remove_controller(handle);
	}
	pthread_mutex_unlock(&rsm_controllers_lock);
	return handle ? RSM_SUCCESS :
			rsm_handle_fail(controller, RSM_HANDLE_CONTROLLER);
}

/* Copy what is known of a controller. */
int rsm_ctlr_info(rsmapi_controller_handle_t controller,
		  struct rsm_controller_info *info)
{
	struct rsm_handle *handle;

	handle = rsm_handle_share(controller, RSM_HANDLE_CONTROLLER);
	if (!handle)
		return rsm_handle_fail(controller, RSM_HANDLE_CONTROLLER);
	*info = handle->ctlr.info;
	rsm_handle_unshare(handle);
	return RSM_SUCCESS;
}

int rsm_get_controller_attr(rsmapi_controller_handle_t controller,
			    rsmapi_controller_attr_t *attr)
{
	struct rsm_controller_info info;
	int ret;

	ret = rsm_ctlr_info(controller, &info);
	if (ret)
		return ret;
	if (!attr)
		return rsm_fail(RSMERR_BAD_ADDR, "attr is NULL");
	attr->attr_direct_access_sizes = info.out_direct_access_sizes;
	attr->attr_atomic_sizes = info.out_atomic_sizes;
	attr->attr_page_size = info.out_page_sizes;
	attr->attr_max_export_segment_size = info.out_max_export_size;
	attr->attr_tot_export_segment_size = info.out_total_export_size;
	attr->attr_max_export_segments = info.out_max_exports;
	attr->attr_max_import_map_size = info.out_max_import_size;
	attr->attr_tot_import_map_size = info.out_total_import_size;
	attr->attr_max_import_segments = info.out_max_imports;
	return RSM_SUCCESS;
}

int rsm_get_interconnect_topology(rsm_topology_t **topology)
{
	struct rsm_controller_info info = {
		.size = sizeof(info),
		.name = "loopback",
	};
	int saved_errno = errno;
	rsm_topology_t *topo;
	int ret;

	if (!topology)
		return rsm_fail(RSMERR_BAD_TOPOLOGY_PTR, "topology is NULL");
	*topology = NULL;
	ret = query(&info);
	if (ret)
		return ret;
	topo = calloc(1, sizeof(*topo));
	errno = saved_errno;
	if (!topo)
		return rsm_fail(RSMERR_INSUFFICIENT_MEM,
				"no memory for the topology");
	topo->topology_hdr.local_nodeid = info.out_node;
	*topology = topo;
	return RSM_SUCCESS;
}

void rsm_free_interconnect_topology(rsm_topology_t *topology)
{
	free(topology);
}

/* A whole field as a number that fits in 32 bits */
static bool parse_u32(const char *field, int base, uint32_t *out)
{
	unsigned long long value;
	char *end;

	if (!isxdigit((unsigned char)field[0]))
		return false;
	errno = 0;
	value = strtoull(field, &end, base);
	if (errno || *end || value > UINT32_MAX)
		return false;
	*out = value;
	return true;
}

static int fail_field(unsigned int number, const char *field, const char *what)
{
	return rsm_fail(RSMERR_BAD_CONF,
			RSM_SEGMENTID_FILE ", line %u: \"%.40s\" is not %s",
			number, field, what);
}

/* The range of @appid, or OTHER_APPID, in line @number */
static int parse_line(char *line, unsigned int number, const char *appid,
		      rsm_memseg_id_t *baseid, uint32_t *length)
{
	char *fields[4];
	char *save;
	int i;

	line += strspn(line, " \t");
	if (*line == '#')
		return OTHER_APPID;
	for (i = 0; i < 4; i++, line = NULL) {
		fields[i] = strtok_r(line, " \t\n", &save);
		if (!fields[i])
			return rsm_fail(RSMERR_BAD_CONF,
					RSM_SEGMENTID_FILE ", line %u: there are %d fields and not 4: reserved APPID BASEID LENGTH",
					number, i);
	}
	if (strcasecmp(fields[1], appid))
		return OTHER_APPID;
	/* The manual says the one and shows the other. */
	if (strcasecmp(fields[0], "reserve") &&
	    strcasecmp(fields[0], "reserved"))
		return fail_field(number, fields[0], "reserved");
	if (!parse_u32(fields[2], 16, baseid))
		return fail_field(number, fields[2],
				  "hexadecimal, of up to 32 bits");
	if (!parse_u32(fields[3], 10, length))
		return fail_field(number, fields[3],
				  "decimal, of up to 32 bits");
	return RSM_SUCCESS;
}

static int fail_file(const char *what)
{
	return rsm_fail(RSMERR_BAD_CONF, RSM_SEGMENTID_FILE " cannot be %s (%s)",
			what, strerrorname_np(errno));
}

static int parse_file(FILE *file, const char *appid, rsm_memseg_id_t *baseid,
		      uint32_t *length)
{
	unsigned int number = 0;
	int ret = OTHER_APPID;
	char *line = NULL;
	size_t size = 0;

	while (ret == OTHER_APPID && getline(&line, &size, file) >= 0)
		ret = parse_line(line, ++number, appid, baseid, length);
	if (ferror(file))
		ret = fail_file("read");
	else if (ret == OTHER_APPID)
		ret = rsm_fail(RSMERR_BAD_APPID,
			       RSM_SEGMENTID_FILE " has no line for \"%.40s\"",
			       appid);
	free(line);
	return ret;
}

int rsm_get_segmentid_range(const char *appid, rsm_memseg_id_t *baseid,
			    uint32_t *length)
{
	int saved_errno = errno;
	FILE *file;
	int ret;

	if (!appid || !baseid || !length)
		return rsm_fail(RSMERR_BAD_ADDR,
				"appid, baseid or length is NULL");
	file = fopen(RSM_SEGMENTID_FILE, "re");
	if (file) {
		ret = parse_file(file, appid, baseid, length);
		fclose(file);
	} else {
		ret = fail_file("opened");
	}
	errno = saved_errno;
	return ret;
}
