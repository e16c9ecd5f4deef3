// SPDX-License-Identifier: GPL-2.0-only
/*
 * libusrsm: controllers, their topology, and ranges of segment ids.
 */
#include "lib_utils.h"

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
