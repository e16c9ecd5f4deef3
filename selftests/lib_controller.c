// SPDX-License-Identifier: GPL-2.0-only
/*
 * libusrsm: controllers, their topology and barriers, and ranges of segment
 * ids.
 */
#include "lib_fake.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

/* Controllers */

TEST_F(lib, get_controller_errors)
{
	rsmapi_controller_handle_t c;
	char name[300];

	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL, rsm_get_controller("loopback", NULL));
	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL, rsm_get_controller("nosuch0", NULL));
	EXPECT_ERR(RSMERR_CTLR_NOT_PRESENT, rsm_get_controller("nosuch0", &c));
	EXPECT_ERR(RSMERR_CTLR_NOT_PRESENT, rsm_get_controller("loop", &c));
	EXPECT_ERR(RSMERR_CTLR_NOT_PRESENT, rsm_get_controller("", &c));
	EXPECT_ERR(RSMERR_CTLR_NOT_PRESENT, rsm_get_controller("42", &c));
	EXPECT_ERR(RSMERR_CTLR_NOT_PRESENT, rsm_get_controller(name, &c));
	name[15] = '\0';
	EXPECT_ERR(RSMERR_CTLR_NOT_PRESENT, rsm_get_controller(name, &c));
	EXPECT_ERR(RSMERR_CTLR_NOT_PRESENT,
		   rsm_get_controller("loopback loopback", &c));
}

TEST_F(lib, get_controller_again)
{
	static char *const names[] = {
		"loopback", "LOOPBACK", "LoopBack", "loopback0", "loopback7",
		NULL,
	};
	rsmapi_controller_handle_t c;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		c = NULL;
		EXPECT_OK(rsm_get_controller(names[i], &c));
		EXPECT_EQ(ctl, c);
		EXPECT_OK(rsm_release_controller(c));
	}
}

TEST_F(lib, release_controller)
{
	rsmapi_controller_handle_t old = ctl;
	rsmapi_controller_attr_t attr;

	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL, rsm_release_controller(NULL));
	EXPECT_OK(rsm_release_controller(old));
	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL, rsm_release_controller(old));
	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL, rsm_get_controller_attr(old, &attr));
	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL, create(0));
	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL, connect_to(RSM_PERM_RDWR));
	ASSERT_OK(rsm_get_controller("loopback", &ctl));
	EXPECT_NE(old, ctl);
	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL, rsm_release_controller(old));
}

TEST_F(seg, outlives_controller)
{
	ASSERT_OK(rsm_release_controller(ctl));
	EXPECT_OK(rsm_memseg_export_publish(seg, &id, NULL, 0));
	EXPECT_OK(rsm_memseg_export_rebind(seg, other, 0, length));
	EXPECT_OK(rsm_memseg_export_unpublish(seg));
	ASSERT_OK(rsm_get_controller("loopback", &ctl));
}

TEST_F(lib, controller_attr)
{
	rsmapi_controller_attr_t attr;

	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL, rsm_get_controller_attr(NULL, NULL));
	EXPECT_ERR(RSMERR_BAD_ADDR, rsm_get_controller_attr(ctl, NULL));

	memset(&attr, 0xff, sizeof(attr));
	EXPECT_OK(rsm_get_controller_attr(ctl, &attr));
	EXPECT_EQ(page / 1024, attr.attr_page_size);
	/* 1, 2, 4 and 8 bytes */
	EXPECT_EQ(0xf, attr.attr_direct_access_sizes);
	EXPECT_EQ(0xf, attr.attr_atomic_sizes);
	expect_no_limits(_metadata, &attr);
}

/* It has neither mappings nor other nodes. */
TEST_F(lib, controller_attr_without_mappings)
{
	rsmapi_controller_attr_t attr;

	ASSERT_OK(rsm_get_controller("test0", &via));
	memset(&attr, 0xff, sizeof(attr));
	EXPECT_OK(rsm_get_controller_attr(via, &attr));
	EXPECT_EQ(page / 1024, attr.attr_page_size);
	EXPECT_EQ(0, attr.attr_direct_access_sizes);
	EXPECT_OK(rsm_release_controller(via));
}

/* Topology */

TEST_F(lib, topology)
{
	rsm_topology_t *topology = NULL;
	rsmapi_controller_handle_t c;
	int found = 0;
	uint_t i;

	EXPECT_ERR(RSMERR_BAD_TOPOLOGY_PTR,
		   rsm_get_interconnect_topology(NULL));
	ASSERT_OK(rsm_get_interconnect_topology(&topology));
	for (i = 0; i < topology->topology_hdr.local_cntlr_count; i++) {
		rsm_connections_hdr_t *hdr = &topology->connections[i]->hdr;

		EXPECT_NE(0, strcmp("loopback", hdr->cntlr_name));
		EXPECT_OK(rsm_get_controller(hdr->cntlr_name, &c));
		EXPECT_OK(rsm_release_controller(c));
		if (strcmp("test0", hdr->cntlr_name))
			continue;
		EXPECT_EQ(0, hdr->local_hwaddr);
		EXPECT_EQ(0, hdr->remote_cntlr_count);
		found++;
	}
	EXPECT_EQ(1, found);
	rsm_free_interconnect_topology(topology);
	rsm_free_interconnect_topology(NULL);
}

/* One that there might be: its id, its nodes, and if it goes at once. */
struct fake_controller {
	__u32 id;
	char name[RSM_CONTROLLER_NAME_MAX];
	__u32 count;
	const struct rsm_node *nodes;
	bool gone;
};

/* In the order of their ids, up to one without a name */
static const struct fake_controller *fakes;

static int fake_find(struct rsm_controller_find *cmd)
{
	const struct fake_controller *ctlr = fakes;

	while (ctlr->name[0] && ctlr->id < cmd->controller)
		ctlr++;
	if (!ctlr->name[0])
		return fail_as(&cmd->out_error, RSM_ERR_CTLR_NOT_PRESENT);
	cmd->out_controller = ctlr->id;
	memcpy(cmd->out_name, ctlr->name, sizeof(cmd->out_name));
	return 0;
}

static int fake_nodes(struct rsm_controller_nodes *cmd)
{
	const struct fake_controller *ctlr = fakes;
	struct rsm_node *nodes = (void *)(uintptr_t)cmd->nodes;
	__u32 i;

	while (ctlr->id != cmd->controller)
		ctlr++;
	if (ctlr->gone)
		return fail_as(&cmd->out_error, RSM_ERR_CTLR_NOT_PRESENT);
	for (i = 0; i < ctlr->count && i < cmd->node_count; i++)
		nodes[i] = ctlr->nodes[i];
	cmd->out_count = ctlr->count;
	return 0;
}

static int fake_topology(unsigned long nr, void *arg)
{
	switch (nr) {
	case RSM_CONTROLLER_FIND:
		return fake_find(arg);
	case RSM_CONTROLLER_NODES:
		return fake_nodes(arg);
	}
	return NOT_FAKED;
}

static int get_fake_topology(const struct fake_controller *ctlrs,
			     rsm_topology_t **topology)
{
	int ret;

	fakes = ctlrs;
	fake = fake_topology;
	ret = rsm_get_interconnect_topology(topology);
	fake = NULL;
	return ret;
}

TEST_F(lib, topology_of_loopback)
{
	static const struct rsm_node nodes[] = { { 0, RSM_NODE_LOCAL } };
	static const struct fake_controller ctlrs[] = {
		{ 1, "loopback", 1, nodes, false }, { 0 },
	};
	rsm_topology_t *topology = NULL;

	ASSERT_OK(get_fake_topology(ctlrs, &topology));
	EXPECT_EQ(0, topology->topology_hdr.local_cntlr_count);
	EXPECT_EQ(0, topology->topology_hdr.local_nodeid);
	rsm_free_interconnect_topology(topology);
}

static int fake_old_kernel(unsigned long nr, void *arg)
{
	(void)arg;
	return nr == RSM_CONTROLLER_INFO ? NOT_FAKED : -ENOTTY;
}

TEST_F(lib, topology_of_an_older_kernel)
{
	rsm_topology_t *topology = NULL;

	fake = fake_old_kernel;
	ASSERT_OK(rsm_get_interconnect_topology(&topology));
	fake = NULL;
	EXPECT_EQ(0, topology->topology_hdr.local_cntlr_count);
	EXPECT_EQ(0, topology->topology_hdr.local_nodeid);
	rsm_free_interconnect_topology(topology);
}

#define EXPECT_REMOTE(_node, _state, _name, _remote)                           \
	do {                                                                   \
		EXPECT_EQ(_node, (_remote)->remote_nodeid);                    \
		EXPECT_EQ(_node, (_remote)->remote_hwaddr);                    \
		EXPECT_EQ(_state, (_remote)->connection_state);                \
		EXPECT_STREQ(_name, (_remote)->remote_cntlrname);              \
	} while (0)

/* Two of them; programs want active ones, and make the first connection. */
TEST_F(lib, topology_of_nodes)
{
	static const struct rsm_node nodes[] = {
		{ 7, RSM_NODE_LOCAL }, { 2, RSM_NODE_IDLE },
		{ 3, RSM_NODE_CONNECTED }, { 900, RSM_NODE_UNREACHABLE },
	};
	static const struct rsm_node others[] = { { 8, RSM_NODE_LOCAL } };
	static const struct fake_controller ctlrs[] = {
		{ 1, "loopback", 1, others, false },
		{ 5, "rdma0", ARRAY_SIZE(nodes), nodes, false },
		{ ~0U, "rdma.0123456789", 1, others, false },
		{ 0 },
	};
	rsm_topology_t *topology = NULL;
	rsm_connections_t *con;

	ASSERT_OK(get_fake_topology(ctlrs, &topology));
	EXPECT_EQ(7, topology->topology_hdr.local_nodeid);
	ASSERT_EQ(2, topology->topology_hdr.local_cntlr_count);
	con = topology->connections[0];
	EXPECT_STREQ("rdma0", con->hdr.cntlr_name);
	EXPECT_EQ(7, con->hdr.local_hwaddr);
	ASSERT_EQ(3, con->hdr.remote_cntlr_count);
	EXPECT_REMOTE(2, RSM_CONNECTION_ACTIVE, "rdma0", &con->remote_cntlr[0]);
	EXPECT_REMOTE(3, RSM_CONNECTION_ACTIVE, "rdma0", &con->remote_cntlr[1]);
	EXPECT_REMOTE(900, 1, "rdma0", &con->remote_cntlr[2]);
	con = topology->connections[1];
	EXPECT_STREQ("rdma.0123456789", con->hdr.cntlr_name);
	EXPECT_EQ(8, con->hdr.local_hwaddr);
	EXPECT_EQ(0, con->hdr.remote_cntlr_count);
	rsm_free_interconnect_topology(topology);
}

/* More of them than there may be; the last one that is told of is the last. */
TEST_F(lib, topology_of_too_many_nodes)
{
	static struct rsm_node nodes[RSM_NODES_MAX + 1];
	const struct fake_controller ctlrs[] = {
		{ 5, "rdma0", ARRAY_SIZE(nodes), nodes, false }, { 0 },
	};
	rsm_topology_t *topology = NULL;
	rsm_connections_t *con;
	__u32 i;

	for (i = 0; i < ARRAY_SIZE(nodes); i++)
		nodes[i] = (struct rsm_node){ i, i ? RSM_NODE_IDLE :
						     RSM_NODE_LOCAL };
	ASSERT_OK(get_fake_topology(ctlrs, &topology));
	con = topology->connections[0];
	ASSERT_EQ(RSM_NODES_MAX - 1, con->hdr.remote_cntlr_count);
	EXPECT_REMOTE(RSM_NODES_MAX - 1, RSM_CONNECTION_ACTIVE, "rdma0",
		      &con->remote_cntlr[RSM_NODES_MAX - 2]);
	rsm_free_interconnect_topology(topology);
}

/* One goes while it is looked at, which is no failure. */
TEST_F(lib, topology_without_what_has_gone)
{
	static const struct rsm_node nodes[] = { { 8, RSM_NODE_LOCAL } };
	static const struct fake_controller ctlrs[] = {
		{ 5, "rdma0", 0, NULL, true },
		{ 6, "rdma1", 1, nodes, false },
		{ 7, "rdma2", 0, NULL, true },
		{ 0 },
	};
	rsm_topology_t *topology = NULL;

	rsm_get_controller(NULL, NULL);
	ASSERT_OK(get_fake_topology(ctlrs, &topology));
	EXPECT_STREQ("controller is NULL", rsm_last_error());
	EXPECT_EQ(8, topology->topology_hdr.local_nodeid);
	ASSERT_EQ(1, topology->topology_hdr.local_cntlr_count);
	EXPECT_STREQ("rdma1", topology->connections[0]->hdr.cntlr_name);
	rsm_free_interconnect_topology(topology);
}

/* Of the second controller; what was known of the first is given up. */
static int fake_failure(unsigned long nr, void *arg)
{
	struct rsm_controller_nodes *cmd = arg;

	if (nr == RSM_CONTROLLER_NODES && cmd->controller == fakes[1].id)
		return fail_as(&cmd->out_error, RSM_ERR_INSUFFICIENT_MEM);
	return fake_topology(nr, arg);
}

TEST_F(lib, topology_fails)
{
	static const struct rsm_node nodes[] = { { 8, RSM_NODE_LOCAL } };
	static const struct fake_controller ctlrs[] = {
		{ 5, "rdma0", 1, nodes, false },
		{ 6, "rdma1", 1, nodes, false },
		{ 0 },
	};
	rsm_topology_t *topology = (void *)1;

	fakes = ctlrs;
	fake = fake_failure;
	errno = 4711;
	EXPECT_ERR(RSMERR_INSUFFICIENT_MEM,
		   rsm_get_interconnect_topology(&topology));
	EXPECT_EQ(4711, errno);
	EXPECT_EQ(NULL, topology);
	fake = NULL;
}

TEST_F(lib, errno_is_left_alone)
{
	rsmapi_controller_handle_t c;
	void *addr = mem;

	errno = 4711;
	EXPECT_ERR(RSMERR_CTLR_NOT_PRESENT, rsm_get_controller("nosuch0", &c));
	EXPECT_EQ(4711, errno);
	EXPECT_ERR(RSMERR_BAD_ADDR,
		   rsm_memseg_export_create(ctl, &seg, (void *)page, page, 0));
	EXPECT_EQ(4711, errno);
	EXPECT_ERR(RSMERR_SEG_NOT_PUBLISHED, connect_to(RSM_PERM_RDWR));
	EXPECT_EQ(4711, errno);
	ASSERT_OK(create(0));
	ASSERT_OK(rsm_memseg_export_publish(seg, &id, NULL, 0));
	ASSERT_OK(connect_to(RSM_PERM_READ));
	errno = 4711;
	EXPECT_ERR(RSMERR_BAD_PERMS, map_im(&addr, RSM_PERM_RDWR));
	EXPECT_EQ(4711, errno);
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	EXPECT_OK(rsm_memseg_export_destroy(seg));
	EXPECT_EQ(4711, errno);
}

/* Barriers where a network may lie between, for which test0 stands */

/* A published segment, and a connection that cannot be mapped */
FIXTURE(far) {};

FIXTURE_SETUP(far)
{
	open_controller(_metadata);
	ASSERT_OK(rsm_get_controller("test0", &via));
	open_import(_metadata);
}

FIXTURE_TEARDOWN(far)
{
	close_import(_metadata);
	EXPECT_OK(rsm_release_controller(via));
	close_controller(_metadata);
}

static int put_word(uint64_t word)
{
	return rsm_memseg_import_put64(im, 8, &word, 1);
}

/* One after the other to the start of the segment */
static int put_list(size_t count, const void *const from[], size_t *residual)
{
	rsm_scat_gath_t sg_io = {
		.io_request_count = count,
		.remote_handle = im,
		.iovec = (rsm_iovec_t[2]){
			{ .io_type = RSM_VA_TYPE, .transfer_length = 8 },
			{ .io_type = RSM_VA_TYPE, .transfer_length = 8,
			  .remote_offset = 8 },
		},
	};
	int ret;

	sg_io.iovec[0].local.vaddr = (caddr_t)from[0];
	sg_io.iovec[1].local.vaddr = (caddr_t)from[1];
	ret = rsm_memseg_import_putv(&sg_io);
	*residual = sg_io.io_residual_count;
	return ret;
}

static int open_and_close(void)
{
	return rsm_memseg_import_open_barrier(&barrier) ?:
	       rsm_memseg_import_close_barrier(&barrier);
}

/* Of what was put the kernel is asked if it has arrived, and of nothing else. */
TEST_F(path, puts_are_fenced_if_not_mapped)
{
	const void *from[] = { other, other };
	unsigned int each = variant->mapped ? 0 : 1;
	size_t residual;
	uint64_t word;

	EXPECT_OK(put_word(1));
	EXPECT_EQ(each, calls_of(RSM_IMPORT_FENCE));
	EXPECT_OK(rsm_memseg_import_put(im, 0, other, 100));
	EXPECT_EQ(2 * each, calls_of(RSM_IMPORT_FENCE));
	EXPECT_OK(put_list(2, from, &residual));
	EXPECT_EQ(0, residual);
	EXPECT_EQ(3 * each, calls_of(RSM_IMPORT_FENCE));
	EXPECT_OK(rsm_memseg_import_get64(im, 8, &word, 1));
	EXPECT_OK(rsm_memseg_import_add64(im, 8, 1, NULL));
	EXPECT_EQ(3 * each, calls_of(RSM_IMPORT_FENCE));

	EXPECT_OK(rsm_memseg_import_set_mode(im, RSM_BARRIER_MODE_EXPLICIT));
	EXPECT_OK(rsm_memseg_import_open_barrier(&barrier));
	EXPECT_OK(put_word(0x1234));
	EXPECT_OK(put_list(1, from, &residual));
	EXPECT_OK(rsm_memseg_import_order_barrier(&barrier));
	EXPECT_EQ(3 * each, calls_of(RSM_IMPORT_FENCE));
	EXPECT_OK(rsm_memseg_import_close_barrier(&barrier));
	EXPECT_EQ(4 * each, calls_of(RSM_IMPORT_FENCE));
	EXPECT_EQ(0x1234, *(uint64_t *)(mem + 8));
}

/* The kernel copies as well where there is no right to read. */
TEST_F(path, fences_are_for_those_who_write)
{
	rsm_memseg_import_handle_t first = im;
	rsmapi_barrier_t of_first = barrier;

	ASSERT_OK(connect_to(RSM_PERM_WRITE));
	ASSERT_OK(init_barrier());
	EXPECT_OK(put_word(1));
	EXPECT_OK(open_and_close());
	EXPECT_EQ(variant->mapped ? 0 : 2, calls_of(RSM_IMPORT_FENCE));
	EXPECT_OK(rsm_memseg_import_disconnect(im));

	ASSERT_OK(connect_to(RSM_PERM_READ));
	ASSERT_OK(init_barrier());
	EXPECT_OK(open_and_close());
	EXPECT_EQ(variant->mapped ? 0 : 2, calls_of(RSM_IMPORT_FENCE));
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	im = first;
	barrier = of_first;
}

TEST_F(path, barrier_after_the_end_of_a_connection)
{
	const void *from[] = { other, other };
	size_t residual;

	ASSERT_OK(rsm_memseg_import_open_barrier(&barrier));
	ASSERT_OK(put_word(1));
	ASSERT_OK(rsm_memseg_export_unpublish(seg));
	EXPECT_ERR(RSMERR_CONN_ABORTED, put_word(2));
	EXPECT_ERR(RSMERR_CONN_ABORTED, put_list(2, from, &residual));
	EXPECT_EQ(2, residual);
	EXPECT_OK(rsm_memseg_import_order_barrier(&barrier));
	EXPECT_ERR(RSMERR_CONN_ABORTED,
		   rsm_memseg_import_close_barrier(&barrier));
	EXPECT_ERR(RSMERR_BARRIER_NOT_OPENED,
		   rsm_memseg_import_close_barrier(&barrier));
	EXPECT_ERR(RSMERR_CONN_ABORTED, open_and_close());
	EXPECT_EQ(1, *(uint64_t *)(mem + 8));
}

/* What a fence fails with */
static __u32 fence_error;

static int fake_fence(unsigned long nr, void *arg)
{
	struct rsm_import_fence *cmd = arg;

	if (nr != RSM_IMPORT_FENCE)
		return NOT_FAKED;
	return fail_as(&cmd->out_error, fence_error);
}

TEST_F(far, fence_fails)
{
	static const struct {
		__u32 error;
		int expected;
	} cases[] = {
		{ RSM_ERR_CONN_ABORTED, RSMERR_CONN_ABORTED },
		{ RSM_ERR_INTERRUPTED, RSMERR_BARRIER_FAILURE },
		{ RSM_ERR_REMOTE_NODE_UNREACHABLE, RSMERR_BARRIER_FAILURE },
	};
	const void *from[] = { other, other };
	size_t residual;
	size_t i;

	fake = fake_fence;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		fence_error = cases[i].error;
		EXPECT_ERR(cases[i].expected, put_word(1));
		EXPECT_ERR(cases[i].expected, open_and_close());
		/* and it is closed nevertheless */
		EXPECT_ERR(RSMERR_BARRIER_NOT_OPENED,
			   rsm_memseg_import_close_barrier(&barrier));
		EXPECT_ERR(cases[i].expected, put_list(2, from, &residual));
		EXPECT_EQ(2, residual);
	}
	fake = NULL;
	EXPECT_OK(open_and_close());
}

/* What is copied before the one that fails is to arrive, or does not count. */
TEST_F(far, fence_of_a_part)
{
	char *hole = half(PROT_NONE) + page;
	const void *from[] = { other, hole };
	size_t residual;

	EXPECT_ERR(RSMERR_BAD_ADDR, put_list(2, from, &residual));
	EXPECT_EQ(1, residual);
	EXPECT_EQ(1, calls_of(RSM_IMPORT_FENCE));
	fence_error = RSM_ERR_CONN_ABORTED;
	fake = fake_fence;
	EXPECT_ERR(RSMERR_CONN_ABORTED, put_list(2, from, &residual));
	EXPECT_EQ(2, residual);
	/* nothing was put */
	from[0] = hole;
	EXPECT_ERR(RSMERR_BAD_ADDR, put_list(2, from, &residual));
	EXPECT_EQ(2, residual);
	EXPECT_EQ(2, calls_of(RSM_IMPORT_FENCE));
}

/* Ranges of segment ids */

static int hide_etc_rsm(void)
{
	mkdir("/etc", 0755);
	mkdir("/etc/rsm", 0755);
	return hide("/etc/rsm");
}

static const struct segmentid_case {
	const char *text;
	int error;
	rsm_memseg_id_t base;
	uint32_t length;
} segmentid_cases[] = {
	{ "reserved app 0x600000 100\n", 0, 0x600000, 100 },
	{ "reserve app 600000 100\n", 0, 0x600000, 100 },
	{ "RESERVED APP 0X600000 100\n", 0, 0x600000, 100 },
	{ " \treserved\tapp  0x600000\t100", 0, 0x600000, 100 },
	{ "reserved app 7fffffff 4294967295\n", 0, 0x7fffffff, UINT32_MAX },
	{ "reserved app 1 010\n", 0, 1, 10 },
	{ "reserved app 1 2 more\n", 0, 1, 2 },
	{ "# a comment\n  # another\nreserved app 1 2\n", 0, 1, 2 },
	{ "reserved other 3 4\nreserved app 1 2\n", 0, 1, 2 },
	{ "reserved app 1 2\nreserved app 3 4\n", 0, 1, 2 },
	{ "reserved app 1 2\nnonsense\n", 0, 1, 2 },
	{ "nonsense other 3 4\nreserved app 1 2\n", 0, 1, 2 },
	{ "", RSMERR_BAD_APPID, 0, 0 },
	{ "# reserved app 1 2\n", RSMERR_BAD_APPID, 0, 0 },
	{ "reserved apps 1 2\n", RSMERR_BAD_APPID, 0, 0 },
	{ "\nreserved app 1 2\n", RSMERR_BAD_CONF, 0, 0 },
	{ " \t\nreserved app 1 2\n", RSMERR_BAD_CONF, 0, 0 },
	{ "nonsense\nreserved app 1 2\n", RSMERR_BAD_CONF, 0, 0 },
	{ "reserved app 1\n", RSMERR_BAD_CONF, 0, 0 },
	{ "taken app 1 2\n", RSMERR_BAD_CONF, 0, 0 },
	{ "reserved app 100000000 2\n", RSMERR_BAD_CONF, 0, 0 },
	{ "reserved app 1 4294967296\n", RSMERR_BAD_CONF, 0, 0 },
	{ "reserved app 1 99999999999999999999\n", RSMERR_BAD_CONF, 0, 0 },
	{ "reserved app -1 2\n", RSMERR_BAD_CONF, 0, 0 },
	{ "reserved app x 2\n", RSMERR_BAD_CONF, 0, 0 },
	{ "reserved app 1 2x\n", RSMERR_BAD_CONF, 0, 0 },
};

TEST_F(lib, segmentid_range)
{
	const struct segmentid_case *c = segmentid_cases;
	const struct segmentid_case *end = c + ARRAY_SIZE(segmentid_cases);
	rsm_memseg_id_t base;
	uint32_t len;

	EXPECT_ERR(RSMERR_BAD_ADDR, rsm_get_segmentid_range(NULL, &base, &len));
	EXPECT_ERR(RSMERR_BAD_ADDR, rsm_get_segmentid_range("a", NULL, &len));
	EXPECT_ERR(RSMERR_BAD_ADDR, rsm_get_segmentid_range("a", &base, NULL));

	ASSERT_OK(hide_etc_rsm());
	errno = 4711;
	EXPECT_ERR(RSMERR_BAD_CONF,
		   rsm_get_segmentid_range("app", &base, &len));
	EXPECT_EQ(4711, errno);
	for (; c < end; c++) {
		base = 0;
		len = 0;
		ASSERT_OK(write_file(SEGMENTID_FILE, c->text));
		EXPECT_ERR(c->error,
			   rsm_get_segmentid_range("app", &base, &len)) {
			TH_LOG("%s", c->text);
		}
		if (!c->error) {
			EXPECT_EQ(c->base, base);
			EXPECT_EQ(c->length, len);
		}
	}
}

TEST_HARNESS_MAIN
