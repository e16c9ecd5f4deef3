// SPDX-License-Identifier: GPL-2.0-only
/*
 * libusrsm: the errors of an importer's calls in the order in which they
 * are checked, and what a success does.
 */
#include "lib_utils.h"

#include <limits.h>

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

TEST_F(imp, disconnect)
{
	rsm_memseg_import_handle_t first = im;

	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_memseg_import_disconnect(NULL));
	ASSERT_OK(connect_to(RSM_PERM_RDWR));
	EXPECT_NE(first, im);
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_memseg_import_disconnect(im));
	im = first;
}

#ifdef RSM_REMOTE

/* There are no mappings, whatever is asked for. */
TEST_F(imp, map_is_refused)
{
	void *addr;

	EXPECT_ERR(RSMERR_BAD_PERMS, map_im(&addr, 0100));
	EXPECT_ERR(RSMERR_MAP_FAILED, map_im(&addr, RSM_PERM_RDWR));
	EXPECT_ERR(RSMERR_MAP_FAILED, map_im(&addr, RSM_PERM_READ));
	EXPECT_ERR(RSMERR_SEG_NOT_MAPPED, rsm_memseg_import_unmap(im));
}

/* As that, and with words of 8 bytes that nobody sees half done */
TEST_F(lib, controller_attr)
{
	rsmapi_controller_attr_t attr;

	memset(&attr, 0xff, sizeof(attr));
	ASSERT_OK(rsm_get_controller_attr(ctl, &attr));
	EXPECT_EQ(0, attr.attr_direct_access_sizes);
	EXPECT_EQ(8, attr.attr_atomic_sizes);
	EXPECT_EQ(page / 1024, attr.attr_page_size);
	expect_no_limits(_metadata, &attr);
}

/* rsm_memseg_lock(), rsm_memseg_unlock(): not for another machine */

/* Whatever else is wrong with what is asked for */
static void expect_no_locks(struct __test_metadata *_metadata)
{
	EXPECT_ERR(RSMERR_LOCKS_NOT_SUPPORTED, rsm_memseg_lock(im, 0, 0, NULL));
	EXPECT_ERR(RSMERR_LOCKS_NOT_SUPPORTED,
		   rsm_memseg_lock(im, length - 8, -1, NULL));
	EXPECT_ERR(RSMERR_LOCKS_NOT_SUPPORTED, rsm_memseg_lock(im, 1, 0, NULL));
	EXPECT_ERR(RSMERR_LOCKS_NOT_SUPPORTED,
		   rsm_memseg_lock(im, length, 0, NULL));
	EXPECT_ERR(RSMERR_LOCK_NOT_HELD, rsm_memseg_unlock(im, 0));
}

TEST_F(path, import_has_no_locks)
{
	rsm_memseg_import_handle_t first = im;

	expect_no_locks(_metadata);
	ASSERT_OK(connect_to(RSM_PERM_READ));
	expect_no_locks(_metadata);
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	im = first;
}

TEST_F(imp, import_has_no_locks)
{
	expect_no_locks(_metadata);
	EXPECT_ERR(RSMERR_LOCKS_NOT_ENABLED, rsm_memseg_lock(seg, 0, 0, NULL));
}

/* Where the segment is there are: the exporter has them, and loopback. */
TEST_F(path, locks_of_its_own_machine)
{
	rsm_memseg_import_handle_t near;
	rsmapi_controller_handle_t c;

	ASSERT_OK(rsm_get_controller("loopback", &c));
	ASSERT_OK(rsm_memseg_import_connect(c, 0, id, RSM_PERM_RDWR, &near));
	EXPECT_OK(rsm_memseg_lock(seg, 0, 0, NULL));
	EXPECT_ERR(RSMERR_TIMEOUT, rsm_memseg_lock(near, 0, 0, NULL));
	expect_no_locks(_metadata);
	EXPECT_OK(rsm_memseg_unlock(seg, 0));
	EXPECT_OK(rsm_memseg_lock(near, 0, 0, NULL));
	EXPECT_ERR(RSMERR_TIMEOUT, rsm_memseg_lock(seg, 0, 0, NULL));
	EXPECT_OK(rsm_memseg_unlock(near, 0));
	EXPECT_OK(rsm_memseg_import_disconnect(near));
	EXPECT_OK(rsm_release_controller(c));
}

#else

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

TEST_F(imp, disconnect_mapped)
{
	rsm_memseg_import_handle_t first = im;
	void *addr;

	ASSERT_OK(connect_to(RSM_PERM_RDWR));
	ASSERT_OK(map_im(&addr, RSM_PERM_RDWR));
	EXPECT_ERR(RSMERR_SEG_STILL_MAPPED, rsm_memseg_import_disconnect(im));
	EXPECT_EQ(-1, rsm_stamp_check(addr, length, 1));
	EXPECT_OK(rsm_memseg_import_unmap(im));
	EXPECT_OK(rsm_memseg_import_disconnect(im));
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

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
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

#endif /* RSM_REMOTE */

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

TEST_HARNESS_MAIN
