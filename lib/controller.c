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

/* Topology */

/* Not RSM_CONNECTION_ACTIVE; that is all that programs ask. */
#define CONNECTION_DOWN 1

/**
 * struct survey - a topology in the making
 * @fd: the control node
 * @nodes: of one controller, RSM_NODES_MAX
 * @topology: what is known by now
 */
struct survey {
	int fd;
	struct rsm_node *nodes;
	rsm_topology_t *topology;
};

static int fail_topology(void)
{
	return rsm_fail(RSMERR_INSUFFICIENT_MEM, "no memory for the topology");
}

/*
 * Programs wait for a node to be active before they connect, so one that
 * nothing is connected to is.
 */
static uint_t connection_state(__u32 state)
{
	return state == RSM_NODE_IDLE || state == RSM_NODE_CONNECTED ?
		       RSM_CONNECTION_ACTIVE :
		       CONNECTION_DOWN;
}

static void add_node(rsm_connections_t *con, const struct rsm_node *node)
{
	rsm_remote_cntlr_t *remote;

	if (node->state == RSM_NODE_LOCAL) {
		con->hdr.local_hwaddr = node->node;
		return;
	}
	remote = &con->remote_cntlr[con->hdr.remote_cntlr_count++];
	remote->remote_nodeid = node->node;
	remote->remote_hwaddr = node->node;
	remote->connection_state = connection_state(node->state);
	strcpy(remote->remote_cntlrname, con->hdr.cntlr_name);
}

static rsm_connections_t *make_connections(const char *name,
					   const struct rsm_node *nodes,
					   size_t count)
{
	rsm_connections_t *con;
	size_t i;

	con = calloc(1, sizeof(*con) + count * sizeof(con->remote_cntlr[0]));
	if (!con)
		return NULL;
	snprintf(con->hdr.cntlr_name, sizeof(con->hdr.cntlr_name), "%.*s",
		 RSM_CONTROLLER_NAME_MAX, name);
	for (i = 0; i < count; i++)
		add_node(con, &nodes[i]);
	return con;
}

static int add_connections(struct survey *survey, rsm_connections_t *con)
{
	uint_t count = survey->topology->topology_hdr.local_cntlr_count;
	rsm_topology_t *topo;

	/* The structure has room for the first one. */
	topo = realloc(survey->topology,
		       sizeof(*topo) + count * sizeof(rsm_connections_t *));
	if (!con || !topo) {
		free(con);
		survey->topology = topo ?: survey->topology;
		return fail_topology();
	}
	if (!count)
		topo->topology_hdr.local_nodeid = con->hdr.local_hwaddr;
	topo->connections[count] = con;
	topo->topology_hdr.local_cntlr_count++;
	survey->topology = topo;
	return RSM_SUCCESS;
}

/* A controller that has gone meanwhile is left out. */
static int add_controller(struct survey *survey,
			  const struct rsm_controller_find *found)
{
	struct rsm_controller_nodes cmd = {
		.size = sizeof(cmd),
		.controller = found->out_controller,
		.node_count = RSM_NODES_MAX,
		.nodes = (uintptr_t)survey->nodes,
	};
	size_t count;
	int ret;

	ret = rsm_try_ioctl(survey->fd, RSM_CONTROLLER_NODES, &cmd,
			    &cmd.out_error);
	if (ret == RSMERR_CTLR_NOT_PRESENT)
		return RSM_SUCCESS;
	if (ret == RSMERR_INSUFFICIENT_MEM)
		return fail_topology();
	if (ret)
		return rsm_fail_ioctl(RSM_CONTROLLER_NODES, &cmd, ret, 0);
	count = cmd.out_count < RSM_NODES_MAX ? cmd.out_count : RSM_NODES_MAX;
	return add_connections(survey, make_connections(found->out_name,
							survey->nodes, count));
}

static int add_controllers(struct survey *survey)
{
	struct rsm_controller_find cmd = { .size = sizeof(cmd) };
	int ret;

	do {
		ret = rsm_try_ioctl(survey->fd, RSM_CONTROLLER_FIND, &cmd,
				    &cmd.out_error);
		/* No more; or (ENOTTY) a kernel that has none but loopback */
		if (ret == RSMERR_CTLR_NOT_PRESENT ||
		    (ret == RSMERR_BAD_SEG_HNDL && !cmd.out_error))
			return RSM_SUCCESS;
		if (ret)
			return rsm_fail_ioctl(RSM_CONTROLLER_FIND, &cmd, ret, 0);
		if (strcmp(cmd.out_name, "loopback"))
			ret = add_controller(survey, &cmd);
		cmd.controller = cmd.out_controller + 1;
	} while (!ret && cmd.controller);
	return ret;
}

static int make_topology(struct survey *survey)
{
	struct rsm_controller_info info = {
		.size = sizeof(info),
		.name = "loopback",
	};
	int ret;

	ret = rsm_ioctl(survey->fd, RSM_CONTROLLER_INFO, &info,
			&info.out_error);
	if (ret)
		return ret;
	survey->nodes = calloc(RSM_NODES_MAX, sizeof(survey->nodes[0]));
	survey->topology = calloc(1, sizeof(*survey->topology));
	if (!survey->nodes || !survey->topology)
		return fail_topology();
	survey->topology->topology_hdr.local_nodeid = info.out_node;
	return add_controllers(survey);
}

int rsm_get_interconnect_topology(rsm_topology_t **topology)
{
	struct survey survey = { .fd = -1 };
	int saved_errno = errno;
	int ret;

	if (!topology)
		return rsm_fail(RSMERR_BAD_TOPOLOGY_PTR, "topology is NULL");
	*topology = NULL;
	ret = rsm_open_control(&survey.fd, RSMERR_CTLR_NOT_PRESENT);
	if (ret)
		return ret;
	ret = make_topology(&survey);
	rsm_close(survey.fd);
	free(survey.nodes);
	if (ret)
		rsm_free_interconnect_topology(survey.topology);
	else
		*topology = survey.topology;
	errno = saved_errno;
	return ret;
}

void rsm_free_interconnect_topology(rsm_topology_t *topology)
{
	uint_t i;

	if (!topology)
		return;
	for (i = 0; i < topology->topology_hdr.local_cntlr_count; i++)
		free(topology->connections[i]);
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
