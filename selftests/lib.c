// SPDX-License-Identifier: GPL-2.0-only
/*
 * libusrsm: the errors of each function in the order in which it checks,
 * what a success does, and handles that are none.
 *
 * Every test has a process of its own, so what it works on is static.
 */
#include "rsm_utils.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <rsmapi.h>

/* Pages of the segment */
#define PAGES 4

/* An id that applications may choose */
#define SEGID 0x400123

static size_t page;
static size_t length;
static char *mem;
static char *other;
static rsmapi_controller_handle_t ctl;
static rsm_node_id_t node;
static rsm_memseg_export_handle_t seg;
static rsm_memseg_import_handle_t im;
static rsm_memseg_id_t id;
static struct rsm_stats before;
static int descriptors;

static int count_descriptors(void)
{
	int count = 0;
	int fd;

	for (fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void open_controller(struct __test_metadata *_metadata)
{
	rsm_topology_t *topology;

	page = rsm_page_size();
	length = PAGES * page;
	mem = rsm_alloc(length);
	ASSERT_NE(MAP_FAILED, (void *)mem);
	other = rsm_alloc(length);
	ASSERT_NE(MAP_FAILED, (void *)other);
	rsm_stamp(mem, length, 1);
	rsm_stamp(other, length, 2);
	ASSERT_OK(rsm_get_controller("loopback", &ctl));
	ASSERT_OK(rsm_get_interconnect_topology(&topology));
	node = topology->topology_hdr.local_nodeid;
	rsm_free_interconnect_topology(topology);
	rsm_stats_read(&before);
	ASSERT_LE(0, before.segments);
	descriptors = count_descriptors();
}

static void close_controller(struct __test_metadata *_metadata)
{
	EXPECT_OK(rsm_release_controller(ctl));
	EXPECT_EQ(descriptors, count_descriptors());
	EXPECT_TRUE(rsm_stats_settle(&before));
}

static int create(uint_t flags)
{
	return rsm_memseg_export_create(ctl, &seg, mem, length, flags);
}

static int connect_to(rsm_permission_t perm)
{
	return rsm_memseg_import_connect(ctl, node, id, perm, &im);
}

static int map_im(void **addr, rsm_permission_t perm)
{
	*addr = NULL;
	return rsm_memseg_import_map(im, addr, RSM_MAP_NONE, perm, 0, length);
}

/* No segment */
FIXTURE(lib) {};

FIXTURE_SETUP(lib)
{
	open_controller(_metadata);
}

FIXTURE_TEARDOWN(lib)
{
	close_controller(_metadata);
}

/* A segment that may be rebound, not published */
FIXTURE(seg) {};

FIXTURE_SETUP(seg)
{
	open_controller(_metadata);
	ASSERT_OK(create(RSM_ALLOW_REBIND));
}

FIXTURE_TEARDOWN(seg)
{
	EXPECT_OK(rsm_memseg_export_destroy(seg));
	close_controller(_metadata);
}

/* A published segment and a connection that may do everything */
FIXTURE(imp) {};

FIXTURE_SETUP(imp)
{
	open_controller(_metadata);
	ASSERT_OK(create(RSM_ALLOW_REBIND));
	ASSERT_OK(rsm_memseg_export_publish(seg, &id, NULL, 0));
	ASSERT_OK(connect_to(RSM_PERM_RDWR));
}

FIXTURE_TEARDOWN(imp)
{
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	EXPECT_OK(rsm_memseg_export_destroy(seg));
	close_controller(_metadata);
}

/* Memory of two pages, the second one with @prot, or not there if negative */
static char *half(int prot)
{
	char *addr = rsm_alloc(2 * page);

	if (prot < 0)
		munmap(addr + page, page);
	else
		mprotect(addr + page, page, prot);
	return addr;
}

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

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
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
	EXPECT_EQ(0, attr.attr_max_export_segment_size);
	EXPECT_EQ(0, attr.attr_tot_export_segment_size);
	EXPECT_EQ(0, attr.attr_max_export_segments);
	EXPECT_EQ(0, attr.attr_max_import_map_size);
	EXPECT_EQ(0, attr.attr_tot_import_map_size);
	EXPECT_EQ(0, attr.attr_max_import_segments);
}

TEST_F(lib, topology)
{
	rsm_topology_t *topology = NULL;

	EXPECT_ERR(RSMERR_BAD_TOPOLOGY_PTR,
		   rsm_get_interconnect_topology(NULL));
	ASSERT_OK(rsm_get_interconnect_topology(&topology));
	EXPECT_EQ(0, topology->topology_hdr.local_cntlr_count);
	rsm_free_interconnect_topology(topology);
	rsm_free_interconnect_topology(NULL);
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

/* Ranges of segment ids */

#define SEGMENTID_FILE "/etc/rsm/rsm.segmentid"

/* A directory of our own in the place of /etc/rsm, for this process only */
static int hide_etc_rsm(void)
{
	mkdir("/etc", 0755);
	mkdir("/etc/rsm", 0755);
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/etc/rsm", "tmpfs", 0, NULL))
		return -errno;
	return 0;
}

static int write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	if (!file)
		return -errno;
	fputs(text, file);
	return fclose(file) ? -errno : 0;
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
	const struct segmentid_case *end = c + sizeof(segmentid_cases) /
					       sizeof(segmentid_cases[0]);
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

/* rsm_memseg_export_create() */

TEST_F(lib, create_errors)
{
	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL,
		   rsm_memseg_export_create(NULL, &seg, mem, length, 0));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_export_create(ctl, NULL, mem, length, 0));
	EXPECT_ERR(RSMERR_BAD_ADDR,
		   rsm_memseg_export_create(ctl, &seg, NULL, length, 0));
	EXPECT_ERR(RSMERR_BAD_LENGTH,
		   rsm_memseg_export_create(ctl, &seg, mem, 0, 0));
	EXPECT_ERR(RSMERR_BAD_MEM_ALIGNMENT,
		   rsm_memseg_export_create(ctl, &seg, mem + 1, page, 0));
	EXPECT_ERR(RSMERR_BAD_MEM_ALIGNMENT,
		   rsm_memseg_export_create(ctl, &seg, mem, page + 1, 0));
	EXPECT_ERR(RSMERR_BAD_MEM_ALIGNMENT,
		   rsm_memseg_export_create(ctl, &seg, mem, 1, 0));
	EXPECT_ERR(RSMERR_BAD_LENGTH,
		   rsm_memseg_export_create(ctl, &seg, mem,
					    RSM_MAX_LENGTH + page, 0));
	EXPECT_ERR(RSMERR_BAD_ADDR,
		   rsm_memseg_export_create(ctl, &seg, (void *)-page,
					    2 * page, 0));
}

TEST_F(lib, create_errors_of_memory)
{
	char *hole = half(-1);
	char *read_only = half(PROT_READ);
	char *none = half(PROT_NONE);

	EXPECT_ERR(RSMERR_BAD_ADDR,
		   rsm_memseg_export_create(ctl, &seg, hole + page, page, 0));
	EXPECT_ERR(RSMERR_BAD_ADDR,
		   rsm_memseg_export_create(ctl, &seg, hole, 2 * page, 0));
	EXPECT_ERR(RSMERR_PERM_DENIED,
		   rsm_memseg_export_create(ctl, &seg, read_only, 2 * page, 0));
	EXPECT_ERR(RSMERR_PERM_DENIED,
		   rsm_memseg_export_create(ctl, &seg, none, 2 * page, 0));
}

TEST_F(lib, create_errors_in_order)
{
	char *hole = half(-1);

	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL,
		   rsm_memseg_export_create(NULL, NULL, NULL, 0, 0));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_export_create(ctl, NULL, NULL, 0, 0));
	EXPECT_ERR(RSMERR_BAD_ADDR,
		   rsm_memseg_export_create(ctl, &seg, NULL, 0, 0));
	EXPECT_ERR(RSMERR_BAD_LENGTH,
		   rsm_memseg_export_create(ctl, &seg, mem + 1, 0, 0));
	EXPECT_ERR(RSMERR_BAD_MEM_ALIGNMENT,
		   rsm_memseg_export_create(ctl, &seg, mem + 1,
					    RSM_MAX_LENGTH + page, 0));
	EXPECT_ERR(RSMERR_BAD_MEM_ALIGNMENT,
		   rsm_memseg_export_create(ctl, &seg, hole + 1, page, 0));
}

TEST_F(lib, create_clears_handle)
{
	seg = (rsm_memseg_export_handle_t)mem;
	EXPECT_ERR(RSMERR_BAD_ADDR,
		   rsm_memseg_export_create(ctl, &seg, NULL, length, 0));
	EXPECT_EQ(NULL, seg);
}

TEST_F(lib, create_ignores_unknown_flags)
{
	ASSERT_OK(create(~RSM_ALLOW_REBIND));
	EXPECT_ERR(RSMERR_REBIND_NOT_ALLOWED,
		   rsm_memseg_export_rebind(seg, other, 0, length));
	EXPECT_OK(rsm_memseg_export_destroy(seg));
	ASSERT_OK(create(~0U));
	EXPECT_OK(rsm_memseg_export_rebind(seg, other, 0, length));
	EXPECT_OK(rsm_memseg_export_destroy(seg));
	ASSERT_OK(create(RSM_LOCK_OPS | RSM_CREATE_SEG_DONTWAIT));
	EXPECT_OK(rsm_memseg_export_destroy(seg));
}

TEST_F(lib, create_and_connect_without_descriptors)
{
	struct rlimit none = { 0, 0 };
	struct rlimit limit;

	ASSERT_OK(getrlimit(RLIMIT_NOFILE, &limit));
	none.rlim_max = limit.rlim_max;
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &none));
	EXPECT_ERR(RSMERR_INSUFFICIENT_RESOURCES, create(0));
	EXPECT_ERR(RSMERR_INSUFFICIENT_RESOURCES, connect_to(RSM_PERM_READ));
	EXPECT_ERR(RSMERR_BAD_ADDR,
		   rsm_memseg_export_create(ctl, &seg, NULL, length, 0));
	EXPECT_ERR(RSMERR_PERM_DENIED, connect_to(0100));
	EXPECT_OK(setrlimit(RLIMIT_NOFILE, &limit));
}

TEST_F(lib, create_same_memory_twice)
{
	rsm_memseg_export_handle_t again;

	ASSERT_OK(create(0));
	ASSERT_OK(rsm_memseg_export_create(ctl, &again, mem + page, page, 0));
	EXPECT_NE(seg, again);
	EXPECT_OK(rsm_memseg_export_destroy(seg));
	EXPECT_OK(rsm_memseg_export_destroy(again));
}

static int limit_memlock(size_t bytes)
{
	struct rlimit limit = { bytes, bytes };

	return setrlimit(RLIMIT_MEMLOCK, &limit);
}

static int child_create_over_limit(void *arg)
{
	(void)arg;
	return limit_memlock(length - page) ? 255 : create(0);
}

/* The limit lets the segment be, but not the old and new memory at once. */
static int child_rebind_over_limit(void *arg)
{
	int ret;

	(void)arg;
	if (limit_memlock(2 * length - page))
		return 255;
	ret = create(RSM_ALLOW_REBIND);
	if (ret)
		return 254;
	ret = rsm_memseg_export_rebind(seg, other, 0, length);
	rsm_memseg_export_destroy(seg);
	return ret;
}

TEST_F(lib, memory_limit)
{
	EXPECT_ERR(RSMERR_INSUFFICIENT_MEM,
		   rsm_in_child_as(RSM_NOBODY, child_create_over_limit, NULL));
	EXPECT_ERR(RSMERR_INSUFFICIENT_MEM,
		   rsm_in_child_as(RSM_NOBODY, child_rebind_over_limit, NULL));
}

/* rsm_memseg_export_destroy() */

TEST_F(lib, destroy)
{
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_memseg_export_destroy(NULL));
	ASSERT_OK(create(0));
	EXPECT_OK(rsm_memseg_export_destroy(seg));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_memseg_export_destroy(seg));
}

TEST_F(imp, destroy_in_use)
{
	void *addr;

	ASSERT_OK(map_im(&addr, RSM_PERM_RDWR));
	EXPECT_EQ(-1, rsm_stamp_check(addr, length, 1));
	EXPECT_OK(rsm_memseg_export_destroy(seg));

	/* neither a fault nor an effect */
	rsm_stamp(addr, length, 3);
	EXPECT_EQ(-1, rsm_stamp_check(mem, length, 1));
	EXPECT_OK(rsm_memseg_import_unmap(im));
	EXPECT_ERR(RSMERR_CONN_ABORTED, map_im(&addr, RSM_PERM_RDWR));
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	EXPECT_ERR(RSMERR_SEG_NOT_PUBLISHED, connect_to(RSM_PERM_RDWR));

	/* for the fixture */
	ASSERT_OK(create(0));
	id = 0;
	ASSERT_OK(rsm_memseg_export_publish(seg, &id, NULL, 0));
	ASSERT_OK(connect_to(RSM_PERM_RDWR));
}

/* rsm_memseg_export_rebind() */

static int child_rebind(void *arg)
{
	return rsm_memseg_export_rebind(seg, other, 0, *(size_t *)arg);
}

TEST_F(seg, rebind_errors)
{
	char *hole = half(-1);

	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_export_rebind(NULL, other, 0, length));
	EXPECT_ERR(RSMERR_BAD_ADDR,
		   rsm_memseg_export_rebind(seg, NULL, 0, length));
	EXPECT_ERR(RSMERR_NOT_CREATOR, rsm_in_child(child_rebind, &length));
	EXPECT_ERR(RSMERR_BAD_LENGTH,
		   rsm_memseg_export_rebind(seg, other, 0, 0));
	EXPECT_ERR(RSMERR_BAD_LENGTH,
		   rsm_memseg_export_rebind(seg, other, 0, length - page));
	EXPECT_ERR(RSMERR_BAD_LENGTH,
		   rsm_memseg_export_rebind(seg, other, 0, length + page));
	EXPECT_ERR(RSMERR_BAD_LENGTH,
		   rsm_memseg_export_rebind(seg, other, 0, length - 1));
	EXPECT_ERR(RSMERR_BAD_ADDR,
		   rsm_memseg_export_rebind(seg, other + 1, 0, length));
	EXPECT_ERR(RSMERR_BAD_ADDR,
		   rsm_memseg_export_rebind(seg, hole, 0, length));
	ASSERT_OK(mprotect(other + page, page, PROT_READ));
	EXPECT_ERR(RSMERR_PERM_DENIED,
		   rsm_memseg_export_rebind(seg, other, 0, length));
	ASSERT_OK(mprotect(other + page, page, PROT_NONE));
	EXPECT_ERR(RSMERR_PERM_DENIED,
		   rsm_memseg_export_rebind(seg, other, 0, length));
}

TEST_F(seg, rebind_errors_in_order)
{
	size_t bad_length = 1;

	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_export_rebind(NULL, NULL, 0, 0));
	EXPECT_ERR(RSMERR_BAD_ADDR, rsm_memseg_export_rebind(seg, NULL, 0, 0));
	EXPECT_ERR(RSMERR_NOT_CREATOR, rsm_in_child(child_rebind, &bad_length));
	EXPECT_ERR(RSMERR_BAD_LENGTH,
		   rsm_memseg_export_rebind(seg, other + 1, 0, page));
	EXPECT_ERR(RSMERR_BAD_LENGTH,
		   rsm_memseg_export_rebind(seg, half(-1), 0, 2 * page));
}

TEST_F(lib, rebind_not_allowed)
{
	ASSERT_OK(create(0));
	EXPECT_ERR(RSMERR_REBIND_NOT_ALLOWED,
		   rsm_memseg_export_rebind(seg, other, 0, length));
	EXPECT_ERR(RSMERR_REBIND_NOT_ALLOWED,
		   rsm_memseg_export_rebind(seg, other + 1, 0, 1));
	EXPECT_ERR(RSMERR_REBIND_NOT_ALLOWED,
		   rsm_in_child(child_rebind, &length));
	EXPECT_ERR(RSMERR_BAD_ADDR,
		   rsm_memseg_export_rebind(seg, NULL, 0, length));
	EXPECT_OK(rsm_memseg_export_destroy(seg));
}

TEST_F(seg, rebind_whenever)
{
	EXPECT_OK(rsm_memseg_export_rebind(seg, other, 0, length));
	EXPECT_OK(rsm_memseg_export_rebind(seg, other, 0, length));
	EXPECT_OK(rsm_memseg_export_publish(seg, &id, NULL, 0));
	EXPECT_OK(rsm_memseg_export_rebind(seg, mem, -1, length));
	EXPECT_OK(rsm_memseg_export_unpublish(seg));
	EXPECT_OK(rsm_memseg_export_rebind(seg, other, 12345, length));
}

TEST_F(imp, rebind_is_transparent)
{
	rsmapi_barrier_t barrier;
	void *addr;

	ASSERT_OK(map_im(&addr, RSM_PERM_RDWR));
	ASSERT_OK(rsm_memseg_import_init_barrier(im, RSM_BAR_DEFAULT,
						 &barrier));
	ASSERT_OK(rsm_memseg_import_open_barrier(&barrier));
	EXPECT_EQ(-1, rsm_stamp_check(addr, length, 1));
	EXPECT_OK(rsm_memseg_export_rebind(seg, other, 0, length));
	EXPECT_EQ(-1, rsm_stamp_check(addr, length, 2));
	rsm_stamp(addr, length, 3);
	EXPECT_EQ(-1, rsm_stamp_check(other, length, 3));
	EXPECT_EQ(-1, rsm_stamp_check(mem, length, 1));
	EXPECT_OK(rsm_memseg_import_close_barrier(&barrier));
	EXPECT_OK(rsm_memseg_import_destroy_barrier(&barrier));
	EXPECT_OK(rsm_memseg_import_unmap(im));
}

TEST_F(imp, failed_rebind_changes_nothing)
{
	void *addr;

	ASSERT_OK(map_im(&addr, RSM_PERM_RDWR));
	EXPECT_ERR(RSMERR_BAD_ADDR,
		   rsm_memseg_export_rebind(seg, (void *)page, 0, length));
	EXPECT_EQ(-1, rsm_stamp_check(addr, length, 1));
	rsm_stamp(addr, length, 3);
	EXPECT_EQ(-1, rsm_stamp_check(mem, length, 3));
	EXPECT_OK(rsm_memseg_import_unmap(im));
}

/* rsm_memseg_export_publish() */

static int publish_id(rsm_memseg_id_t segid)
{
	return rsm_memseg_export_publish(seg, &segid, NULL, 0);
}

static int publish_list(rsmapi_access_entry_t *list, uint_t count)
{
	rsm_memseg_id_t segid = SEGID;

	return rsm_memseg_export_publish(seg, &segid, list, count);
}

static int publish_entry(rsm_node_id_t ae_node, rsm_permission_t perm)
{
	rsmapi_access_entry_t list[] = { { ae_node, perm } };

	return publish_list(list, 1);
}

static int child_publish(void *arg)
{
	return publish_id(*(rsm_memseg_id_t *)arg);
}

static int child_publish_list(void *arg)
{
	return publish_list(arg, 2);
}

TEST_F(seg, publish_errors)
{
	rsmapi_access_entry_t list[65];
	rsm_memseg_id_t segid = SEGID;
	size_t i;

	for (i = 0; i < 65; i++)
		list[i] = (rsmapi_access_entry_t){ node, 0666 };
	EXPECT_ERR(RSMERR_BAD_SEGID,
		   rsm_memseg_export_publish(seg, NULL, NULL, 0));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_export_publish(NULL, &segid, NULL, 0));
	EXPECT_ERR(RSMERR_BAD_ACL, publish_list(NULL, 1));
	EXPECT_ERR(RSMERR_NOT_CREATOR, rsm_in_child(child_publish, &segid));
	EXPECT_ERR(RSMERR_BAD_ACL, publish_list(list, 2));
	EXPECT_ERR(RSMERR_BAD_ACL, publish_list(list, 65));
	EXPECT_ERR(RSMERR_BAD_ACL, publish_list(list, UINT_MAX));
	EXPECT_ERR(RSMERR_BAD_ADDR, publish_list((void *)page, 1));
	EXPECT_ERR(RSMERR_BAD_ACL, publish_entry(node + 1, 0666));
	EXPECT_ERR(RSMERR_BAD_ACL, publish_entry(node + 64, 0666));
	EXPECT_ERR(RSMERR_BAD_ACL, publish_entry(node, 0667));
	EXPECT_ERR(RSMERR_BAD_ACL, publish_entry(node, 0111));
	EXPECT_ERR(RSMERR_BAD_ACL, publish_entry(node, 01666));
	EXPECT_OK(publish_entry(node, 0666));
	EXPECT_ERR(RSMERR_SEG_ALREADY_PUBLISHED, publish_id(SEGID));
	EXPECT_ERR(RSMERR_SEG_ALREADY_PUBLISHED, publish_id(0));
}

TEST_F(seg, publish_errors_in_order)
{
	rsm_memseg_id_t reserved = 1;
	rsmapi_access_entry_t list[2] = { { node, 0666 }, { node, 0666 } };

	EXPECT_ERR(RSMERR_BAD_SEGID,
		   rsm_memseg_export_publish(NULL, NULL, NULL, 1));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_export_publish(NULL, &reserved, NULL, 1));
	EXPECT_ERR(RSMERR_BAD_ACL,
		   rsm_memseg_export_publish(seg, &reserved, NULL, 1));
	EXPECT_ERR(RSMERR_RESERVED_SEGID,
		   rsm_memseg_export_publish(seg, &reserved, list, 2));
	EXPECT_ERR(RSMERR_RESERVED_SEGID,
		   rsm_in_child(child_publish, &reserved));
	EXPECT_ERR(RSMERR_NOT_CREATOR, rsm_in_child(child_publish_list, list));
	ASSERT_OK(publish_id(SEGID));
	EXPECT_ERR(RSMERR_BAD_ACL, publish_list(NULL, 1));
	EXPECT_ERR(RSMERR_SEG_ALREADY_PUBLISHED, publish_id(reserved));
	EXPECT_ERR(RSMERR_SEG_ALREADY_PUBLISHED, publish_list(list, 2));
}

TEST_F(seg, publish_reserved_ids)
{
	static const rsm_memseg_id_t reserved[] = {
		0x1,	  0x0fffff, 0x100000, 0x1fffff,	  0x200000,
		0x2fffff, 0x300000, 0x3fffff, 0x80000000, 0xffffffff,
	};
	static const rsm_memseg_id_t allowed[] = {
		0x400000, 0x4fffff, 0x500000, 0x5fffff, 0x600000, 0x7fffffff,
	};
	size_t i;

	for (i = 0; i < sizeof(reserved) / sizeof(*reserved); i++)
		EXPECT_ERR(RSMERR_RESERVED_SEGID, publish_id(reserved[i])) {
			TH_LOG("%#x", reserved[i]);
		}
	for (i = 0; i < sizeof(allowed) / sizeof(*allowed); i++) {
		EXPECT_OK(publish_id(allowed[i])) {
			TH_LOG("%#x", allowed[i]);
		}
		EXPECT_OK(rsm_memseg_export_unpublish(seg));
	}
}

TEST_F(imp, publish_id_in_use)
{
	rsmapi_access_entry_t bad[1] = { { node, 0777 } };
	rsm_memseg_export_handle_t first = seg;
	rsm_memseg_id_t segid = SEGID;

	ASSERT_OK(rsm_memseg_export_unpublish(first));
	ASSERT_OK(publish_id(SEGID));
	ASSERT_OK(create(0));
	EXPECT_ERR(RSMERR_SEGID_IN_USE, publish_id(SEGID));
	EXPECT_ERR(RSMERR_BAD_ACL, publish_list(bad, 1));
	EXPECT_ERR(RSMERR_SEGID_IN_USE,
		   rsm_memseg_export_publish(seg, &segid, NULL, 0));
	EXPECT_EQ(SEGID, segid);
	ASSERT_OK(rsm_memseg_export_unpublish(first));
	EXPECT_OK(publish_id(SEGID));
	EXPECT_OK(rsm_memseg_export_destroy(seg));
	seg = first;
}

TEST_F(seg, publish_chooses_id)
{
	rsmapi_access_entry_t list[1] = { { node, 0 } };
	rsm_memseg_id_t first = 0;
	rsm_memseg_id_t second = 0;

	/* without a length there is no list */
	ASSERT_OK(rsm_memseg_export_publish(seg, &first, list, 0));
	EXPECT_LE(0x80000000, first);
	id = first;
	EXPECT_OK(connect_to(RSM_PERM_RDWR));
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	ASSERT_OK(rsm_memseg_export_unpublish(seg));
	ASSERT_OK(rsm_memseg_export_publish(seg, &second, NULL, 0));
	EXPECT_LE(0x80000000, second);
	EXPECT_NE(first, second);
}

/* rsm_memseg_export_republish(), rsm_memseg_export_unpublish() */

static int republish_entry(rsm_node_id_t ae_node, rsm_permission_t perm)
{
	rsmapi_access_entry_t list[] = { { ae_node, perm } };

	return rsm_memseg_export_republish(seg, list, 1);
}

static int child_republish(void *arg)
{
	return rsm_memseg_export_republish(seg, arg, 2);
}

static int child_unpublish(void *arg)
{
	(void)arg;
	return rsm_memseg_export_unpublish(seg);
}

TEST_F(imp, republish_errors)
{
	rsmapi_access_entry_t list[2] = { { node, 0666 }, { node, 0666 } };

	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_export_republish(NULL, NULL, 0));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_export_republish(NULL, NULL, 1));
	EXPECT_ERR(RSMERR_BAD_ACL, rsm_memseg_export_republish(seg, NULL, 1));
	EXPECT_ERR(RSMERR_BAD_ACL, rsm_in_child(child_republish, NULL));
	EXPECT_ERR(RSMERR_NOT_CREATOR, rsm_in_child(child_republish, list));
	EXPECT_ERR(RSMERR_BAD_ACL, rsm_memseg_export_republish(seg, list, 2));
	EXPECT_ERR(RSMERR_BAD_ACL,
		   rsm_memseg_export_republish(seg, list, UINT_MAX));
	EXPECT_ERR(RSMERR_BAD_ADDR,
		   rsm_memseg_export_republish(seg, (void *)page, 1));
	EXPECT_ERR(RSMERR_BAD_ACL, republish_entry(node + 1, 0666));
	EXPECT_ERR(RSMERR_BAD_ACL, republish_entry(node, 0777));
}

TEST_F(seg, republish_not_published)
{
	rsmapi_access_entry_t list[2] = { { node, 0666 }, { node, 0666 } };

	EXPECT_ERR(RSMERR_SEG_NOT_PUBLISHED,
		   rsm_memseg_export_republish(seg, NULL, 0));
	EXPECT_ERR(RSMERR_SEG_NOT_PUBLISHED,
		   rsm_memseg_export_republish(seg, NULL, 1));
	EXPECT_ERR(RSMERR_SEG_NOT_PUBLISHED,
		   rsm_in_child(child_republish, list));
	ASSERT_OK(publish_id(SEGID));
	ASSERT_OK(rsm_memseg_export_unpublish(seg));
	EXPECT_ERR(RSMERR_SEG_NOT_PUBLISHED, republish_entry(node, 0666));
}

static int child_connect(void *arg)
{
	int ret = connect_to(*(rsm_permission_t *)arg);

	if (!ret)
		rsm_memseg_import_disconnect(im);
	return ret;
}

static int nobody_connects(rsm_permission_t perm)
{
	return rsm_in_child_as(RSM_NOBODY, child_connect, &perm);
}

TEST_F(imp, republish_is_for_later)
{
	rsm_memseg_import_handle_t present = im;
	void *addr;

	ASSERT_OK(republish_entry(node, 0));
	ASSERT_OK(map_im(&addr, RSM_PERM_RDWR));
	rsm_stamp(addr, length, 3);
	EXPECT_EQ(-1, rsm_stamp_check(mem, length, 3));
	EXPECT_OK(rsm_memseg_import_unmap(im));

	EXPECT_ERR(RSMERR_PERM_DENIED, nobody_connects(RSM_PERM_READ));
	ASSERT_OK(republish_entry(node, 0664));
	EXPECT_OK(nobody_connects(RSM_PERM_READ));
	EXPECT_ERR(RSMERR_PERM_DENIED, nobody_connects(RSM_PERM_WRITE));
	EXPECT_ERR(RSMERR_PERM_DENIED, nobody_connects(RSM_PERM_RDWR));
	ASSERT_OK(republish_entry(node, 0002));
	EXPECT_ERR(RSMERR_PERM_DENIED, nobody_connects(RSM_PERM_READ));
	EXPECT_OK(nobody_connects(RSM_PERM_WRITE));
	EXPECT_OK(nobody_connects(RSM_PERM_NONE));
	im = present;
}

TEST_F(lib, umask_at_creation_counts)
{
	mode_t mask = umask(0026);

	ASSERT_OK(create(0));
	umask(0);
	ASSERT_OK(rsm_memseg_export_publish(seg, &id, NULL, 0));
	EXPECT_OK(nobody_connects(RSM_PERM_NONE));
	EXPECT_ERR(RSMERR_PERM_DENIED, nobody_connects(RSM_PERM_READ));
	ASSERT_OK(republish_entry(node, 0666));
	EXPECT_OK(nobody_connects(RSM_PERM_RDWR));
	ASSERT_OK(rsm_memseg_export_republish(seg, NULL, 0));
	EXPECT_ERR(RSMERR_PERM_DENIED, nobody_connects(RSM_PERM_READ));
	EXPECT_OK(rsm_memseg_export_destroy(seg));
	umask(mask);
}

TEST_F(seg, unpublish_errors)
{
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_memseg_export_unpublish(NULL));
	EXPECT_ERR(RSMERR_SEG_NOT_PUBLISHED, rsm_memseg_export_unpublish(seg));
	EXPECT_ERR(RSMERR_SEG_NOT_PUBLISHED,
		   rsm_in_child(child_unpublish, NULL));
	ASSERT_OK(publish_id(SEGID));
	EXPECT_ERR(RSMERR_NOT_CREATOR, rsm_in_child(child_unpublish, NULL));
	EXPECT_OK(rsm_memseg_export_unpublish(seg));
	EXPECT_ERR(RSMERR_SEG_NOT_PUBLISHED, rsm_memseg_export_unpublish(seg));
}

TEST_F(imp, unpublish_aborts_for_good)
{
	rsm_memseg_import_handle_t old = im;
	void *addr;

	ASSERT_OK(rsm_memseg_export_unpublish(seg));
	EXPECT_ERR(RSMERR_SEG_NOT_PUBLISHED, connect_to(RSM_PERM_RDWR));
	ASSERT_OK(publish_id(SEGID));
	im = old;
	EXPECT_ERR(RSMERR_CONN_ABORTED, map_im(&addr, RSM_PERM_RDWR));
	EXPECT_ERR(RSMERR_CONN_ABORTED, map_im(&addr, RSM_PERM_READ));
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	id = SEGID;
	ASSERT_OK(connect_to(RSM_PERM_RDWR));
	EXPECT_OK(map_im(&addr, RSM_PERM_RDWR));
	EXPECT_EQ(-1, rsm_stamp_check(addr, length, 1));
	EXPECT_OK(rsm_memseg_import_unmap(im));
}

/* rsm_memseg_import_connect(), rsm_memseg_import_disconnect() */

TEST_F(imp, connect_errors)
{
	rsm_memseg_import_handle_t new;

	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL,
		   rsm_memseg_import_connect(NULL, node, id, RSM_PERM_RDWR,
					     &new));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_import_connect(ctl, node, id, RSM_PERM_RDWR,
					     NULL));
	EXPECT_ERR(RSMERR_PERM_DENIED,
		   rsm_memseg_import_connect(ctl, node, id, 0100, &new));
	EXPECT_ERR(RSMERR_PERM_DENIED,
		   rsm_memseg_import_connect(ctl, node, id, 0666, &new));
	EXPECT_ERR(RSMERR_PERM_DENIED,
		   rsm_memseg_import_connect(ctl, node, id, 01400, &new));
	EXPECT_ERR(RSMERR_CTLR_NOT_PRESENT,
		   rsm_memseg_import_connect(ctl, node + 1, id, RSM_PERM_RDWR,
					     &new));
	EXPECT_ERR(RSMERR_SEG_NOT_PUBLISHED,
		   rsm_memseg_import_connect(ctl, node, SEGID, RSM_PERM_RDWR,
					     &new));
	EXPECT_ERR(RSMERR_SEG_NOT_PUBLISHED,
		   rsm_memseg_import_connect(ctl, node, 0, RSM_PERM_RDWR,
					     &new));
}

TEST_F(imp, connect_errors_in_order)
{
	rsm_memseg_import_handle_t new;

	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL,
		   rsm_memseg_import_connect(NULL, node, id, 0100, NULL));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_import_connect(ctl, node, id, 0100, NULL));
	EXPECT_ERR(RSMERR_PERM_DENIED,
		   rsm_memseg_import_connect(ctl, node + 1, id, 0100, &new));
	EXPECT_ERR(RSMERR_CTLR_NOT_PRESENT,
		   rsm_memseg_import_connect(ctl, node + 1, SEGID,
					     RSM_PERM_RDWR, &new));
}

TEST_F(imp, connect_twice)
{
	rsm_memseg_import_handle_t first = im;
	void *a;
	void *b;

	ASSERT_OK(connect_to(RSM_PERM_READ));
	EXPECT_NE(first, im);
	EXPECT_OK(map_im(&a, RSM_PERM_READ));
	EXPECT_OK(rsm_memseg_import_map(first, (b = NULL, &b), RSM_MAP_NONE,
					RSM_PERM_RDWR, 0, length));
	rsm_stamp(b, length, 3);
	EXPECT_EQ(-1, rsm_stamp_check(a, length, 3));
	EXPECT_OK(rsm_memseg_import_unmap(first));
	EXPECT_OK(rsm_memseg_import_unmap(im));
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	im = first;
}

TEST_F(imp, disconnect)
{
	rsm_memseg_import_handle_t first = im;
	void *addr;

	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_memseg_import_disconnect(NULL));
	ASSERT_OK(connect_to(RSM_PERM_RDWR));
	ASSERT_OK(map_im(&addr, RSM_PERM_RDWR));
	EXPECT_ERR(RSMERR_SEG_STILL_MAPPED, rsm_memseg_import_disconnect(im));
	EXPECT_EQ(-1, rsm_stamp_check(addr, length, 1));
	EXPECT_OK(rsm_memseg_import_unmap(im));
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_memseg_import_disconnect(im));
	im = first;
}

TEST_F(imp, disconnect_aborted)
{
	void *addr;

	ASSERT_OK(map_im(&addr, RSM_PERM_RDWR));
	ASSERT_OK(rsm_memseg_export_unpublish(seg));
	EXPECT_ERR(RSMERR_SEG_STILL_MAPPED, rsm_memseg_import_disconnect(im));
	EXPECT_OK(rsm_memseg_import_unmap(im));
}

/* rsm_memseg_import_map(), rsm_memseg_import_unmap() */

static int map_range(off_t offset, size_t len)
{
	void *addr = NULL;

	return rsm_memseg_import_map(im, &addr, RSM_MAP_NONE, RSM_PERM_READ,
				     offset, len);
}

static int map_fixed(void *addr)
{
	return rsm_memseg_import_map(im, &addr, RSM_MAP_FIXED, RSM_PERM_READ, 0,
				     length);
}

static int child_map_fixed(void *addr)
{
	return map_fixed(addr);
}

TEST_F(imp, map_errors)
{
	void *addr = NULL;

	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_import_map(NULL, &addr, RSM_MAP_NONE,
					 RSM_PERM_READ, 0, length));
	EXPECT_ERR(RSMERR_BAD_ADDR,
		   rsm_memseg_import_map(im, NULL, RSM_MAP_NONE, RSM_PERM_READ,
					 0, length));
	EXPECT_ERR(RSMERR_BAD_PERMS, map_im(&addr, 0100));
	EXPECT_ERR(RSMERR_BAD_PERMS, map_im(&addr, 0604));
	EXPECT_ERR(RSMERR_BAD_PERMS, map_im(&addr, 01600));
	EXPECT_ERR(RSMERR_BAD_LENGTH, map_range(0, 0));
	EXPECT_ERR(RSMERR_BAD_LENGTH, map_range(0, length + 1));
	EXPECT_ERR(RSMERR_BAD_LENGTH, map_range(page, length));
	EXPECT_ERR(RSMERR_BAD_LENGTH, map_range(length, page));
	EXPECT_ERR(RSMERR_BAD_LENGTH, map_range(length, 1));
	EXPECT_ERR(RSMERR_BAD_LENGTH, map_range(-(off_t)page, page));
	EXPECT_ERR(RSMERR_BAD_LENGTH, map_range(-(off_t)page, 2 * page));
	EXPECT_ERR(RSMERR_BAD_LENGTH, map_range(page, -page));
	EXPECT_ERR(RSMERR_BAD_LENGTH, map_range(page, SIZE_MAX));
	EXPECT_ERR(RSMERR_BAD_LENGTH, map_range(LONG_MAX, page));
	EXPECT_ERR(RSMERR_BAD_LENGTH, map_range(LONG_MIN, page));
	EXPECT_ERR(RSMERR_BAD_MEM_ALIGNMENT, map_range(1, page));
	EXPECT_ERR(RSMERR_BAD_MEM_ALIGNMENT, map_range(page - 1, 1));
	EXPECT_ERR(RSMERR_BAD_MEM_ALIGNMENT, map_fixed(mem + 1));
	EXPECT_ERR(RSMERR_MAP_FAILED,
		   rsm_in_child_as(RSM_NOBODY, child_map_fixed, NULL));
	EXPECT_OK(map_range(0, length));
	EXPECT_ERR(RSMERR_SEG_ALREADY_MAPPED, map_range(0, length));
	EXPECT_OK(rsm_memseg_import_unmap(im));
}

TEST_F(imp, map_errors_in_order)
{
	void *addr = mem + 1;

	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_import_map(NULL, NULL, RSM_MAP_NONE, 0100, 0, 0));
	EXPECT_ERR(RSMERR_BAD_ADDR,
		   rsm_memseg_import_map(im, NULL, RSM_MAP_NONE, 0100, 0, 0));
	EXPECT_ERR(RSMERR_BAD_PERMS,
		   rsm_memseg_import_map(im, &addr, RSM_MAP_FIXED, 0100, 1, 0));
	EXPECT_ERR(RSMERR_BAD_LENGTH,
		   rsm_memseg_import_map(im, &addr, RSM_MAP_FIXED,
					 RSM_PERM_READ, 1, 0));
	EXPECT_ERR(RSMERR_BAD_LENGTH,
		   rsm_memseg_import_map(im, &addr, RSM_MAP_FIXED,
					 RSM_PERM_READ, 1, length));
	EXPECT_ERR(RSMERR_BAD_MEM_ALIGNMENT,
		   rsm_memseg_import_map(im, &addr, RSM_MAP_FIXED,
					 RSM_PERM_READ, 1, page));
	ASSERT_OK(map_range(0, length));
	EXPECT_ERR(RSMERR_BAD_ADDR,
		   rsm_memseg_import_map(im, NULL, RSM_MAP_NONE, 0100, 0, 0));
	EXPECT_ERR(RSMERR_SEG_ALREADY_MAPPED,
		   rsm_memseg_import_map(im, &addr, RSM_MAP_FIXED, 0100, 1, 0));
	EXPECT_OK(rsm_memseg_import_unmap(im));

	/* an aborted connection is only known to be one at the end */
	ASSERT_OK(rsm_memseg_export_unpublish(seg));
	EXPECT_ERR(RSMERR_BAD_PERMS, map_im(&addr, 0100));
	EXPECT_ERR(RSMERR_BAD_LENGTH, map_range(0, 0));
	EXPECT_ERR(RSMERR_BAD_MEM_ALIGNMENT, map_range(1, page));
	EXPECT_ERR(RSMERR_CONN_ABORTED, map_range(0, length));
}

TEST_F(imp, map_perms)
{
	static const struct {
		rsm_permission_t connect;
		rsm_permission_t map;
		int error;
	} cases[] = {
		{ RSM_PERM_RDWR, RSM_PERM_RDWR, 0 },
		{ RSM_PERM_RDWR, RSM_PERM_READ, 0 },
		{ RSM_PERM_RDWR, RSM_PERM_WRITE, 0 },
		{ RSM_PERM_RDWR, RSM_PERM_NONE, 0 },
		{ RSM_PERM_READ, RSM_PERM_READ, 0 },
		{ RSM_PERM_READ, RSM_PERM_NONE, 0 },
		{ RSM_PERM_READ, RSM_PERM_WRITE, RSMERR_BAD_PERMS },
		{ RSM_PERM_READ, RSM_PERM_RDWR, RSMERR_BAD_PERMS },
		/* there is no memory that can only be written to */
		{ RSM_PERM_WRITE, RSM_PERM_WRITE, RSMERR_BAD_PERMS },
		{ RSM_PERM_WRITE, RSM_PERM_NONE, RSMERR_BAD_PERMS },
		{ RSM_PERM_NONE, RSM_PERM_READ, RSMERR_BAD_PERMS },
		{ RSM_PERM_NONE, RSM_PERM_NONE, RSMERR_BAD_PERMS },
	};
	rsm_memseg_import_handle_t first = im;
	void *addr;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		ASSERT_OK(connect_to(cases[i].connect));
		EXPECT_ERR(cases[i].error, map_im(&addr, cases[i].map)) {
			TH_LOG("%#o %#o", cases[i].connect, cases[i].map);
		}
		rsm_memseg_import_unmap(im);
		EXPECT_OK(rsm_memseg_import_disconnect(im));
	}
	im = first;
}

static int child_store(void *addr)
{
	*(volatile char *)addr = 0;
	return 0;
}

static int child_load(void *addr)
{
	return *(volatile char *)addr & 0;
}

TEST_F(imp, map_protects)
{
	void *addr;

	ASSERT_OK(map_im(&addr, RSM_PERM_NONE));
	EXPECT_EQ(-SIGSEGV, rsm_in_child(child_load, addr));
	ASSERT_OK(rsm_memseg_import_unmap(im));
	ASSERT_OK(map_im(&addr, RSM_PERM_READ));
	EXPECT_EQ(0, rsm_in_child(child_load, addr));
	EXPECT_EQ(-SIGSEGV, rsm_in_child(child_store, addr));
	ASSERT_OK(rsm_memseg_import_unmap(im));
	EXPECT_EQ(-1, rsm_stamp_check(mem, length, 1));
}

TEST_F(imp, map_part)
{
	void *addr = NULL;

	/* up to the end of the page, though asked for less */
	ASSERT_OK(rsm_memseg_import_map(im, &addr, RSM_MAP_NONE, RSM_PERM_RDWR,
					page, page + 1));
	EXPECT_EQ(0, memcmp(addr, mem + page, 2 * page));
	memset(addr, 'x', 2 * page);
	EXPECT_EQ(0, memcmp(addr, mem + page, 2 * page));
	EXPECT_EQ('x', mem[3 * page - 1]);
	EXPECT_NE('x', mem[3 * page]);
	EXPECT_NE('x', mem[page - 1]);
	EXPECT_OK(rsm_memseg_import_unmap(im));

	ASSERT_OK(map_range(length - page, page));
	EXPECT_OK(rsm_memseg_import_unmap(im));
	ASSERT_OK(map_range(length - page, 1));
	EXPECT_OK(rsm_memseg_import_unmap(im));
}

TEST_F(imp, map_address)
{
	void *addr = other;

	/* a hint is no order */
	ASSERT_OK(rsm_memseg_import_map(im, &addr, RSM_MAP_NONE, RSM_PERM_RDWR,
					0, length));
	EXPECT_NE((void *)other, addr);
	EXPECT_EQ(-1, rsm_stamp_check(other, length, 2));
	EXPECT_OK(rsm_memseg_import_unmap(im));

	/* nor is garbage an error */
	addr = (void *)0x123456789abcdef;
	ASSERT_OK(rsm_memseg_import_map(im, &addr, RSM_MAP_RESERVED,
					RSM_PERM_RDWR, 0, length));
	EXPECT_EQ(0, (uintptr_t)addr >> 47);
	EXPECT_EQ(-1, rsm_stamp_check(addr, length, 1));
	EXPECT_OK(rsm_memseg_import_unmap(im));

	addr = other;
	ASSERT_OK(rsm_memseg_import_map(im, &addr, RSM_MAP_FIXED, RSM_PERM_RDWR,
					0, length));
	EXPECT_EQ((void *)other, addr);
	EXPECT_EQ(-1, rsm_stamp_check(other, length, 1));
	EXPECT_OK(rsm_memseg_import_unmap(im));
}

/* Which root may do */
TEST_F(imp, map_at_address_0)
{
	ASSERT_OK(map_fixed(NULL));
	EXPECT_ERR(RSMERR_SEG_ALREADY_MAPPED, map_fixed(NULL));
	EXPECT_ERR(RSMERR_SEG_STILL_MAPPED, rsm_memseg_import_disconnect(im));
	EXPECT_OK(rsm_memseg_import_unmap(im));
	EXPECT_ERR(RSMERR_SEG_NOT_MAPPED, rsm_memseg_import_unmap(im));
}

TEST_F(imp, unmap)
{
	void *addr;

	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_memseg_import_unmap(NULL));
	EXPECT_ERR(RSMERR_SEG_NOT_MAPPED, rsm_memseg_import_unmap(im));
	ASSERT_OK(map_im(&addr, RSM_PERM_RDWR));
	EXPECT_OK(rsm_memseg_import_unmap(im));
	EXPECT_EQ(-SIGSEGV, rsm_in_child(child_load, addr));
	EXPECT_EQ(-SIGSEGV, rsm_in_child(child_load, (char *)addr + length - 1));
	EXPECT_ERR(RSMERR_SEG_NOT_MAPPED, rsm_memseg_import_unmap(im));
}

/* Barriers and modes */

TEST_F(imp, barrier_errors)
{
	rsmapi_barrier_t barrier;
	rsmapi_barrier_t unset = { NULL, 0, NULL };

	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_import_init_barrier(NULL, RSM_BAR_DEFAULT, NULL));
	EXPECT_ERR(RSMERR_BAD_BARRIER_PTR,
		   rsm_memseg_import_init_barrier(im, RSM_BAR_DEFAULT, NULL));

	EXPECT_ERR(RSMERR_BAD_BARRIER_PTR,
		   rsm_memseg_import_open_barrier(NULL));
	EXPECT_ERR(RSMERR_BAD_BARRIER_PTR,
		   rsm_memseg_import_order_barrier(NULL));
	EXPECT_ERR(RSMERR_BAD_BARRIER_PTR,
		   rsm_memseg_import_close_barrier(NULL));
	EXPECT_ERR(RSMERR_BAD_BARRIER_PTR,
		   rsm_memseg_import_destroy_barrier(NULL));

	EXPECT_ERR(RSMERR_BARRIER_UNINITIALIZED,
		   rsm_memseg_import_open_barrier(&unset));
	EXPECT_ERR(RSMERR_BARRIER_UNINITIALIZED,
		   rsm_memseg_import_order_barrier(&unset));
	EXPECT_ERR(RSMERR_BARRIER_UNINITIALIZED,
		   rsm_memseg_import_close_barrier(&unset));
	EXPECT_ERR(RSMERR_BARRIER_UNINITIALIZED,
		   rsm_memseg_import_destroy_barrier(&unset));

	memset(&barrier, 0x5a, sizeof(barrier));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_import_open_barrier(&barrier));
	ASSERT_OK(rsm_memseg_import_init_barrier(im, RSM_BAR_DEFAULT,
						 &barrier));
	EXPECT_ERR(RSMERR_BARRIER_NOT_OPENED,
		   rsm_memseg_import_order_barrier(&barrier));
	EXPECT_ERR(RSMERR_BARRIER_NOT_OPENED,
		   rsm_memseg_import_close_barrier(&barrier));
	EXPECT_OK(rsm_memseg_import_destroy_barrier(&barrier));
	EXPECT_ERR(RSMERR_BARRIER_UNINITIALIZED,
		   rsm_memseg_import_destroy_barrier(&barrier));
	EXPECT_ERR(RSMERR_BARRIER_UNINITIALIZED,
		   rsm_memseg_import_open_barrier(&barrier));
}

TEST_F(imp, barrier)
{
	rsmapi_barrier_t barrier;
	rsmapi_barrier_t second;

	ASSERT_OK(rsm_memseg_import_init_barrier(im, RSM_BARRIER_SEGMENT,
						 &barrier));
	EXPECT_OK(rsm_memseg_import_init_barrier(im, 12345, &second));
	EXPECT_OK(rsm_memseg_import_open_barrier(&barrier));
	EXPECT_OK(rsm_memseg_import_order_barrier(&barrier));
	EXPECT_OK(rsm_memseg_import_order_barrier(&barrier));
	EXPECT_OK(rsm_memseg_import_close_barrier(&barrier));
	EXPECT_ERR(RSMERR_BARRIER_NOT_OPENED,
		   rsm_memseg_import_close_barrier(&barrier));
	EXPECT_OK(rsm_memseg_import_open_barrier(&barrier));
	EXPECT_OK(rsm_memseg_import_open_barrier(&barrier));
	EXPECT_OK(rsm_memseg_import_close_barrier(&barrier));
	EXPECT_OK(rsm_memseg_import_destroy_barrier(&barrier));
	EXPECT_OK(rsm_memseg_import_open_barrier(&second));
	EXPECT_OK(rsm_memseg_import_close_barrier(&second));
	EXPECT_OK(rsm_memseg_import_destroy_barrier(&second));
}

TEST_F(imp, barrier_of_aborted_connection)
{
	rsmapi_barrier_t barrier;

	ASSERT_OK(rsm_memseg_import_init_barrier(im, RSM_BAR_DEFAULT,
						 &barrier));
	EXPECT_OK(rsm_memseg_import_open_barrier(&barrier));
	ASSERT_OK(rsm_memseg_export_unpublish(seg));
	EXPECT_OK(rsm_memseg_import_order_barrier(&barrier));
	EXPECT_ERR(RSMERR_CONN_ABORTED,
		   rsm_memseg_import_close_barrier(&barrier));
	/* then and ever after, though the segment is published again */
	ASSERT_OK(publish_id(SEGID));
	EXPECT_OK(rsm_memseg_import_open_barrier(&barrier));
	EXPECT_ERR(RSMERR_CONN_ABORTED,
		   rsm_memseg_import_close_barrier(&barrier));
	EXPECT_OK(rsm_memseg_import_destroy_barrier(&barrier));
}

TEST_F(imp, barrier_after_disconnect)
{
	rsmapi_barrier_t barrier;

	ASSERT_OK(rsm_memseg_import_init_barrier(im, RSM_BAR_DEFAULT,
						 &barrier));
	ASSERT_OK(rsm_memseg_import_open_barrier(&barrier));
	ASSERT_OK(rsm_memseg_import_disconnect(im));
	ASSERT_OK(connect_to(RSM_PERM_RDWR));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_import_order_barrier(&barrier));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_import_close_barrier(&barrier));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_import_destroy_barrier(&barrier));
	EXPECT_ERR(RSMERR_BARRIER_UNINITIALIZED,
		   rsm_memseg_import_destroy_barrier(&barrier));
}

TEST_F(imp, mode)
{
	rsm_barrier_mode_t mode = 12345;

	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_import_set_mode(NULL, 12345));
	EXPECT_ERR(RSMERR_BAD_MODE, rsm_memseg_import_set_mode(im, 2));
	EXPECT_ERR(RSMERR_BAD_MODE, rsm_memseg_import_set_mode(im, -1));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_memseg_import_get_mode(NULL, NULL));
	EXPECT_ERR(RSMERR_BAD_ADDR, rsm_memseg_import_get_mode(im, NULL));

	EXPECT_OK(rsm_memseg_import_get_mode(im, &mode));
	EXPECT_EQ(RSM_BARRIER_MODE_IMPLICIT, mode);
	EXPECT_OK(rsm_memseg_import_set_mode(im, RSM_BARRIER_MODE_EXPLICIT));
	EXPECT_OK(rsm_memseg_import_get_mode(im, &mode));
	EXPECT_EQ(RSM_BARRIER_MODE_EXPLICIT, mode);
	EXPECT_OK(rsm_memseg_import_set_mode(im, RSM_BARRIER_MODE_IMPLICIT));
}

/* Handles */

static void expect_no_export(struct __test_metadata *_metadata, void *handle)
{
	rsm_memseg_id_t segid = SEGID;

	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_export_rebind(handle, other, 0, length));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_export_publish(handle, &segid, NULL, 0));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_export_republish(handle, NULL, 0));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_memseg_export_unpublish(handle));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_memseg_export_destroy(handle));
}

static void expect_no_import(struct __test_metadata *_metadata, void *handle)
{
	rsmapi_barrier_t barrier = { handle, 0, NULL };
	rsm_barrier_mode_t mode;
	void *addr = NULL;

	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_import_map(handle, &addr, RSM_MAP_NONE,
					 RSM_PERM_READ, 0, page));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_memseg_import_unmap(handle));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_import_set_mode(handle,
					      RSM_BARRIER_MODE_EXPLICIT));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_import_get_mode(handle, &mode));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_memseg_import_disconnect(handle));
	if (handle)
		EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
			   rsm_memseg_import_open_barrier(&barrier)) {
		}
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_import_init_barrier(handle, RSM_BAR_DEFAULT,
						  &barrier));
}

static void expect_no_controller(struct __test_metadata *_metadata,
				 void *handle)
{
	rsm_memseg_export_handle_t e;
	rsm_memseg_import_handle_t i;
	rsmapi_controller_attr_t attr;

	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL,
		   rsm_get_controller_attr(handle, &attr));
	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL,
		   rsm_memseg_export_create(handle, &e, mem, length, 0));
	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL,
		   rsm_memseg_import_connect(handle, node, id, RSM_PERM_READ,
					     &i));
	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL, rsm_release_controller(handle));
}

TEST_F(imp, handles_that_are_none)
{
	uintptr_t valid[] = { (uintptr_t)seg, (uintptr_t)im, (uintptr_t)ctl };
	uintptr_t bit;
	size_t i;

	/* of another kind */
	expect_no_export(_metadata, im);
	expect_no_export(_metadata, ctl);
	expect_no_import(_metadata, seg);
	expect_no_import(_metadata, ctl);
	expect_no_controller(_metadata, seg);
	expect_no_controller(_metadata, im);

	/* made up */
	for (bit = 1; bit; bit <<= 1) {
		expect_no_export(_metadata, (void *)bit);
		expect_no_export(_metadata, (void *)-bit);
		expect_no_import(_metadata, (void *)bit);
		expect_no_import(_metadata, (void *)-bit);
		expect_no_controller(_metadata, (void *)bit);
		expect_no_controller(_metadata, (void *)-bit);
	}
	expect_no_export(_metadata, &seg);
	expect_no_export(_metadata, &bit);
	expect_no_import(_metadata, mem);
	expect_no_controller(_metadata, half);

	/* one bit wrong, other than makes it one of the other handles */
	for (i = 0; i < 3; i++)
		for (bit = 1; bit; bit <<= 1) {
			void *wrong = (void *)(valid[i] ^ bit);

			if (wrong != seg)
				expect_no_export(_metadata, wrong);
			if (wrong != im)
				expect_no_import(_metadata, wrong);
			if (wrong != ctl)
				expect_no_controller(_metadata, wrong);
		}
}

TEST_F(imp, handles_that_have_ended)
{
	rsm_memseg_import_handle_t old_im[64];
	rsm_memseg_export_handle_t old_seg[64];
	rsm_memseg_import_handle_t first_im = im;
	rsm_memseg_export_handle_t first_seg = seg;
	size_t i;
	size_t k;

	for (i = 0; i < 64; i++) {
		ASSERT_OK(connect_to(RSM_PERM_RDWR));
		old_im[i] = im;
		ASSERT_OK(rsm_memseg_import_disconnect(im));
		ASSERT_OK(create(0));
		old_seg[i] = seg;
		ASSERT_OK(rsm_memseg_export_destroy(seg));
		for (k = 0; k < i; k++) {
			ASSERT_NE(old_im[i], old_im[k]);
			ASSERT_NE(old_seg[i], old_seg[k]);
		}
	}
	for (i = 0; i < 64; i++) {
		expect_no_import(_metadata, old_im[i]);
		expect_no_export(_metadata, old_seg[i]);
	}
	im = first_im;
	seg = first_seg;
}

TEST_F(imp, many_handles)
{
	rsm_memseg_import_handle_t first = im;
	rsm_memseg_import_handle_t many[600];
	void *addr;
	int i;

	for (i = 0; i < 600; i++) {
		ASSERT_OK(connect_to(RSM_PERM_READ));
		many[i] = im;
	}
	for (i = 599; i >= 0; i--) {
		im = many[i];
		EXPECT_OK(map_im(&addr, RSM_PERM_READ));
		EXPECT_EQ(-1, rsm_stamp_check(addr, length, 1));
	}
	for (i = 0; i < 600; i++) {
		EXPECT_OK(rsm_memseg_import_unmap(many[i]));
		EXPECT_OK(rsm_memseg_import_disconnect(many[i]));
	}
	im = first;
}

/* Work on whatever connection there is, which ends at any time. */
static void *thread_use(void *arg)
{
	bool *stop = arg;
	rsm_memseg_import_handle_t handle;
	void *addr;
	long bad = 0;
	int ret;

	while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
		handle = __atomic_load_n(&im, __ATOMIC_RELAXED);
		addr = NULL;
		ret = rsm_memseg_import_map(handle, &addr, RSM_MAP_NONE,
					    RSM_PERM_READ, 0, length);
		bad += ret && ret != RSMERR_BAD_SEG_HNDL &&
		       ret != RSMERR_SEG_ALREADY_MAPPED;
		ret = rsm_memseg_import_unmap(handle);
		bad += ret && ret != RSMERR_BAD_SEG_HNDL &&
		       ret != RSMERR_SEG_NOT_MAPPED;
	}
	return (void *)bad;
}

TEST_F(imp, threads_share_a_handle)
{
	rsm_memseg_import_handle_t old;
	rsm_memseg_import_handle_t new;
	pthread_t threads[3];
	bool stop = false;
	void *bad;
	int ret;
	int i;

	for (i = 0; i < 3; i++)
		ASSERT_OK(pthread_create(&threads[i], NULL, thread_use, &stop));
	for (i = 0; i < 300; i++) {
		old = im;
		ASSERT_OK(rsm_memseg_import_connect(ctl, node, id,
						    RSM_PERM_READ, &new));
		__atomic_store_n(&im, new, __ATOMIC_RELAXED);
		do {
			rsm_memseg_import_unmap(old);
			ret = rsm_memseg_import_disconnect(old);
		} while (ret == RSMERR_SEG_STILL_MAPPED);
		EXPECT_OK(ret);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < 3; i++) {
		ASSERT_OK(pthread_join(threads[i], &bad));
		EXPECT_EQ(NULL, bad);
	}
	rsm_memseg_import_unmap(im);
}

/* Every thread makes and ends what it works on, with the same controller. */
static void *thread_make(void *arg)
{
	rsm_memseg_export_handle_t e = NULL;
	rsmapi_controller_handle_t c;
	long bad = 0;
	int i;

	for (i = 0; i < 100; i++) {
		bad += !!rsm_get_controller(NULL, &c);
		bad += !!rsm_memseg_export_create(c, &e, arg, page, 0);
		bad += !!rsm_release_controller(c);
		bad += !!rsm_memseg_export_destroy(e);
	}
	return (void *)bad;
}

TEST_F(lib, threads_make_handles)
{
	pthread_t threads[3];
	void *bad;
	int i;

	ASSERT_OK(rsm_release_controller(ctl));
	for (i = 0; i < 3; i++)
		ASSERT_OK(pthread_create(&threads[i], NULL, thread_make,
					 mem + i * page));
	for (i = 0; i < 3; i++) {
		ASSERT_OK(pthread_join(threads[i], &bad));
		EXPECT_EQ(NULL, bad);
	}
	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL, rsm_release_controller(ctl));
	ASSERT_OK(rsm_get_controller("loopback", &ctl));
}

/* fork() */

static int child_uses_import(void *arg)
{
	void *addr;
	int ret = map_im(&addr, RSM_PERM_RDWR);

	(void)arg;
	if (ret)
		return ret;
	if (rsm_stamp_check(addr, length, 1) != -1)
		return 254;
	rsm_stamp(addr, length, 3);
	ret = rsm_memseg_import_unmap(im);
	return ret ? ret : rsm_memseg_import_disconnect(im);
}

TEST_F(imp, fork_import)
{
	rsmapi_barrier_t barrier;
	void *addr;

	EXPECT_OK(rsm_in_child(child_uses_import, NULL));
	EXPECT_EQ(-1, rsm_stamp_check(mem, length, 3));
	EXPECT_OK(rsm_memseg_import_init_barrier(im, RSM_BAR_DEFAULT,
						 &barrier));
	EXPECT_OK(rsm_memseg_import_open_barrier(&barrier));
	EXPECT_OK(rsm_memseg_import_close_barrier(&barrier));
	EXPECT_OK(map_im(&addr, RSM_PERM_RDWR));
	EXPECT_OK(rsm_memseg_import_unmap(im));
}

static int child_stamps(void *addr)
{
	if (rsm_stamp_check(addr, length, 1) != -1)
		return 254;
	rsm_stamp(addr, length, 3);
	return rsm_memseg_import_unmap(im);
}

TEST_F(imp, fork_mapping)
{
	void *addr;

	ASSERT_OK(map_im(&addr, RSM_PERM_RDWR));
	EXPECT_OK(rsm_in_child(child_stamps, addr));
	EXPECT_EQ(-1, rsm_stamp_check(addr, length, 3));
	EXPECT_OK(rsm_memseg_import_unmap(im));
}

static int child_destroys(void *arg)
{
	(void)arg;
	return rsm_memseg_export_destroy(seg);
}

TEST_F(imp, fork_export)
{
	struct rsm_stats now;
	void *addr;

	ASSERT_OK(map_im(&addr, RSM_PERM_RDWR));
	EXPECT_OK(rsm_in_child(child_destroys, NULL));
	rsm_stats_read(&now);
	EXPECT_EQ(before.segments + 1, now.segments);
	EXPECT_EQ(-1, rsm_stamp_check(addr, length, 1));
	rsm_stamp(addr, length, 3);
	EXPECT_EQ(-1, rsm_stamp_check(mem, length, 3));
	EXPECT_OK(rsm_memseg_import_unmap(im));
	EXPECT_OK(rsm_memseg_export_rebind(seg, other, 0, length));
}

/* Ends the parent's segment while the child still has its descriptor. */
static int child_waits(void *pipe)
{
	char byte;

	close(((int *)pipe)[1]);
	return read(((int *)pipe)[0], &byte, 1);
}

TEST_F(seg, destroy_with_inherited_descriptor)
{
	struct rsm_stats now;
	int fds[2];
	pid_t child;

	ASSERT_OK(pipe(fds));
	child = fork();
	if (!child)
		_exit(child_waits(fds));
	EXPECT_OK(publish_id(SEGID));
	EXPECT_OK(rsm_memseg_export_destroy(seg));
	rsm_stats_read(&now);
	EXPECT_EQ(before.pinned_pages, now.pinned_pages);
	ASSERT_OK(create(0));
	EXPECT_OK(publish_id(SEGID));
	close(fds[0]);
	close(fds[1]);
	EXPECT_OK(rsm_wait_child(child));
}

TEST_HARNESS_MAIN
