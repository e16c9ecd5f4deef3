// SPDX-License-Identifier: GPL-2.0-only
/*
 * libusrsm: handles that are none, many handles, and fork().
 */
#include "lib_utils.h"

/* Handles */

static void expect_no_segment(struct __test_metadata *_metadata, void *handle)
{
	struct pollfd fd;

	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_intr_signal_post(handle, 0));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_intr_signal_wait(handle, -1));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_memseg_get_pollfd(handle, &fd));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_memseg_release_pollfd(handle));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_memseg_lock(handle, 0, -1, NULL));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_memseg_unlock(handle, 0));
}

static void expect_no_export(struct __test_metadata *_metadata, void *handle)
{
	rsm_memseg_id_t segid = SEGID;
	int ticket;

	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_export_rebind(handle, other, 0, length));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_export_publish(handle, &segid, NULL, 0));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_export_republish(handle, NULL, 0));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_memseg_export_unpublish(handle));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_export_grant(handle, RSM_PERM_READ, &ticket));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_memseg_export_destroy(handle));
}

static void expect_no_data(struct __test_metadata *_metadata, void *handle)
{
	uint64_t word = 0;
	rsm_iovec_t vec = {
		.io_type = RSM_VA_TYPE,
		.local.vaddr = (char *)&word,
		.transfer_length = sizeof(word),
	};
	rsm_scat_gath_t sg_io = {
		.io_request_count = 1,
		.remote_handle = handle,
		.iovec = &vec,
	};

	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_import_put64(handle, 0, &word, 1));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_import_get(handle, 0, &word, 1));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_import_add64(handle, 0, 1, NULL));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_memseg_import_putv(&sg_io));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_memseg_import_getv(&sg_io));
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
	expect_no_data(_metadata, handle);
}

static void expect_no_controller(struct __test_metadata *_metadata,
				 void *handle)
{
	rsm_memseg_export_handle_t e;
	rsm_memseg_import_handle_t i;
	rsm_localmemory_handle_t l;
	rsmapi_controller_attr_t attr;

	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL,
		   rsm_get_controller_attr(handle, &attr));
	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL,
		   rsm_memseg_export_create(handle, &e, mem, length, 0));
	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL,
		   rsm_memseg_import_connect(handle, node, id, RSM_PERM_READ,
					     &i));
	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL,
		   rsm_create_localmemory_handle(handle, &l, mem, page));
	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL, rsm_release_controller(handle));
}

/* Of no kind that it is not one of */
static void expect_no_handle(struct __test_metadata *_metadata, void *handle)
{
	if (handle != seg)
		expect_no_export(_metadata, handle);
	if (handle != im)
		expect_no_import(_metadata, handle);
	if (handle != seg && handle != im)
		expect_no_segment(_metadata, handle);
	if (handle != ctl)
		expect_no_controller(_metadata, handle);
}

TEST_F(imp, handles_that_are_none)
{
	void *const none[] = { seg, im, ctl, &seg, mem, half };
	uintptr_t valid[] = { (uintptr_t)seg, (uintptr_t)im, (uintptr_t)ctl };
	uintptr_t bit;
	size_t i;

	/* of another kind, or an address */
	for (i = 0; i < ARRAY_SIZE(none); i++)
		expect_no_handle(_metadata, none[i]);
	/* made up, or with one bit wrong */
	for (bit = 1; bit; bit <<= 1) {
		expect_no_handle(_metadata, (void *)bit);
		expect_no_handle(_metadata, (void *)-bit);
		for (i = 0; i < ARRAY_SIZE(valid); i++)
			expect_no_handle(_metadata, (void *)(valid[i] ^ bit));
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
	im = first_im;
	seg = first_seg;
	for (i = 0; i < 64; i++) {
		expect_no_handle(_metadata, old_im[i]);
		expect_no_handle(_metadata, old_seg[i]);
	}
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
