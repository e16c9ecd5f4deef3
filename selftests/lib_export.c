// SPDX-License-Identifier: GPL-2.0-only
/*
 * libusrsm: the errors of an exporter's calls in the order in which they
 * are checked, and what a success does.
 */
#include "lib_utils.h"

#include <limits.h>
#include <sys/resource.h>
#include <sys/stat.h>

/*
 * What an importer has of a segment: a mapping, or a buffer and copies of all
 * from and to it.
 */
#ifdef RSM_REMOTE

static const void *look(void *addr)
{
	if (rsm_memseg_import_get(im, 0, addr, length))
		memset(addr, 0xee, length);
	return addr;
}

static int show(void *addr)
{
	return rsm_memseg_import_put(im, 0, addr, length);
}

static int open_view(void **addr, rsm_permission_t perm)
{
	(void)perm;
	*addr = rsm_alloc(length);
	rsm_memseg_import_set_mode(im, RSM_BARRIER_MODE_EXPLICIT);
	return rsm_memseg_import_get(im, 0, *addr, length);
}

static int close_view(void *addr)
{
	return munmap(addr, length);
}

#else

static const void *look(void *addr)
{
	return addr;
}

static int show(void *addr)
{
	(void)addr;
	return 0;
}

static int open_view(void **addr, rsm_permission_t perm)
{
	return map_im(addr, perm);
}

static int close_view(void *addr)
{
	(void)addr;
	return rsm_memseg_import_unmap(im);
}

#endif

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

#ifndef RSM_REMOTE
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
#endif

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

	ASSERT_OK(open_view(&addr, RSM_PERM_RDWR));
	ASSERT_OK(rsm_memseg_import_init_barrier(im, RSM_BAR_DEFAULT,
						 &barrier));
	ASSERT_OK(rsm_memseg_import_open_barrier(&barrier));
	EXPECT_EQ(-1, rsm_stamp_check(look(addr), length, 1));
	EXPECT_OK(rsm_memseg_export_rebind(seg, other, 0, length));
	EXPECT_EQ(-1, rsm_stamp_check(look(addr), length, 2));
	rsm_stamp(addr, length, 3);
	EXPECT_OK(show(addr));
	EXPECT_EQ(-1, rsm_stamp_check(other, length, 3));
	EXPECT_EQ(-1, rsm_stamp_check(mem, length, 1));
	EXPECT_OK(rsm_memseg_import_close_barrier(&barrier));
	EXPECT_OK(rsm_memseg_import_destroy_barrier(&barrier));
	EXPECT_OK(close_view(addr));
}

TEST_F(imp, failed_rebind_changes_nothing)
{
	void *addr;

	ASSERT_OK(open_view(&addr, RSM_PERM_RDWR));
	EXPECT_ERR(RSMERR_BAD_ADDR,
		   rsm_memseg_export_rebind(seg, (void *)page, 0, length));
	EXPECT_EQ(-1, rsm_stamp_check(look(addr), length, 1));
	rsm_stamp(addr, length, 3);
	EXPECT_OK(show(addr));
	EXPECT_EQ(-1, rsm_stamp_check(mem, length, 3));
	EXPECT_OK(close_view(addr));
}

/* rsm_memseg_export_publish() */

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
#ifndef RSM_REMOTE
	EXPECT_ERR(RSMERR_BAD_ACL, publish_list(list, 2));
#endif
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

	for (i = 0; i < ARRAY_SIZE(reserved); i++)
		EXPECT_ERR(RSMERR_RESERVED_SEGID, publish_id(reserved[i])) {
			TH_LOG("%#x", reserved[i]);
		}
	for (i = 0; i < ARRAY_SIZE(allowed); i++) {
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
#ifndef RSM_REMOTE
	EXPECT_ERR(RSMERR_BAD_ACL, rsm_memseg_export_republish(seg, list, 2));
#endif
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
	ASSERT_OK(open_view(&addr, RSM_PERM_RDWR));
	rsm_stamp(addr, length, 3);
	EXPECT_OK(show(addr));
	EXPECT_EQ(-1, rsm_stamp_check(mem, length, 3));
	EXPECT_OK(close_view(addr));

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
	EXPECT_ERR(RSMERR_CONN_ABORTED, open_view(&addr, RSM_PERM_RDWR));
	EXPECT_ERR(RSMERR_CONN_ABORTED, open_view(&addr, RSM_PERM_READ));
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	id = SEGID;
	ASSERT_OK(connect_to(RSM_PERM_RDWR));
	EXPECT_OK(open_view(&addr, RSM_PERM_RDWR));
	EXPECT_EQ(-1, rsm_stamp_check(look(addr), length, 1));
	EXPECT_OK(close_view(addr));
}

TEST_HARNESS_MAIN
