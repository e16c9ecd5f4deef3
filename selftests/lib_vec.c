// SPDX-License-Identifier: GPL-2.0-only
/*
 * libusrsm: putv and getv, and handles of local memory.
 */
#include "lib_utils.h"

/* The memory of the transfers, of two pages */
static char *local;

static int (*const ops[])(rsm_scat_gath_t *sg_io) = {
	rsm_memseg_import_putv,
	rsm_memseg_import_getv,
};

static const char *op_name(int (*op)(rsm_scat_gath_t *sg_io))
{
	return op == rsm_memseg_import_putv ? "putv" : "getv";
}

static rsm_iovec_t vec_of(size_t local_offset, size_t remote_offset,
			  size_t size)
{
	return (rsm_iovec_t){
		.io_type = RSM_VA_TYPE,
		.local.vaddr = local,
		.local_offset = local_offset,
		.remote_offset = remote_offset,
		.transfer_length = size,
	};
}

static rsm_scat_gath_t list_of(rsm_iovec_t *vec, ulong_t count)
{
	return (rsm_scat_gath_t){
		.io_request_count = count,
		.io_residual_count = 4711,
		.remote_handle = im,
		.iovec = vec,
	};
}

static void open_local(struct __test_metadata *_metadata)
{
	local = rsm_alloc(2 * page);
	ASSERT_NE(MAP_FAILED, (void *)local);
	rsm_stamp(local, 2 * page, 7);
}

/* Both functions, with a list of one transfer */
#define EXPECT_ONE(_rsmerr, _vec)                                              \
	do {                                                                   \
		rsm_iovec_t one = _vec;                                        \
		size_t o;                                                      \
									       \
		for (o = 0; o < ARRAY_SIZE(ops); o++)                          \
			EXPECT_ERR(_rsmerr, one_vec(ops[o], &one, 0)) {        \
				TH_LOG("%s", op_name(ops[o]));                 \
			}                                                      \
	} while (0)

/* Data */

TEST_F(path, putv_arrives)
{
	rsm_iovec_t vec[3];
	rsm_scat_gath_t sg_io = list_of(vec, 3);

	open_local(_metadata);
	vec[0] = vec_of(0, page, page);
	vec[1] = vec_of(page, 3 * page, page);
	vec[2] = vec_of(3, 2 * page + 5, 100);
	EXPECT_OK(rsm_memseg_import_putv(&sg_io));
	EXPECT_EQ(0, sg_io.io_residual_count);
	EXPECT_EQ(0, memcmp(mem + page, local, page));
	EXPECT_EQ(0, memcmp(mem + 3 * page, local + page, page));
	EXPECT_EQ(0, memcmp(mem + 2 * page + 5, local + 3, 100));
	EXPECT_EQ(-1, rsm_stamp_check(mem, page, 1));
}

TEST_F(path, getv_arrives)
{
	rsm_iovec_t vec[3];
	rsm_scat_gath_t sg_io = list_of(vec, 3);

	open_local(_metadata);
	vec[0] = vec_of(page, 2 * page, 64);
	vec[1] = vec_of(64, page - 32, 64);
	vec[2] = vec_of(1, 0, 8);
	EXPECT_OK(rsm_memseg_import_getv(&sg_io));
	EXPECT_EQ(0, sg_io.io_residual_count);
	EXPECT_EQ(0, memcmp(local + page, mem + 2 * page, 64));
	EXPECT_EQ(0, memcmp(local + 64, mem + page - 32, 64));
	EXPECT_EQ(0, memcmp(local + 1, mem, 8));
	EXPECT_EQ(-1, rsm_stamp_check(mem, length, 1));
}

/* The second of two transfers to one place wins. */
TEST_F(path, entries_are_done_in_order)
{
	rsm_iovec_t vec[2];
	rsm_scat_gath_t sg_io = list_of(vec, 2);

	open_local(_metadata);
	memset(local, 'a', page);
	memset(local + page, 'b', page);
	vec[0] = vec_of(0, 0, page);
	vec[1] = vec_of(page, 8, page);
	EXPECT_OK(rsm_memseg_import_putv(&sg_io));
	EXPECT_EQ('a', mem[7]);
	EXPECT_EQ('b', mem[8]);
}

TEST_F(path, longest_list)
{
	rsm_iovec_t vec[RSM_MAX_SGIOREQS];
	rsm_scat_gath_t sg_io = list_of(vec, RSM_MAX_SGIOREQS);
	size_t i;

	open_local(_metadata);
	for (i = 0; i < RSM_MAX_SGIOREQS; i++) {
		vec[i] = vec_of(i * 16, length - (i + 1) * 16, 16);
		memset(local + i * 16, 'a' + i, 16);
	}
	EXPECT_OK(rsm_memseg_import_putv(&sg_io));
	for (i = 0; i < RSM_MAX_SGIOREQS; i++)
		EXPECT_EQ((char)('a' + i), mem[length - (i + 1) * 16]);
	memset(local, 0, page);
	EXPECT_OK(rsm_memseg_import_getv(&sg_io));
	for (i = 0; i < RSM_MAX_SGIOREQS; i++)
		EXPECT_EQ((char)('a' + i), local[i * 16 + 15]);
}

TEST_F(path, entries_of_nothing)
{
	open_local(_metadata);
	EXPECT_ONE(0, vec_of(0, 0, 0));
	EXPECT_ONE(0, vec_of(0, length - 1, 0));
	EXPECT_EQ(-1, rsm_stamp_check(mem, length, 1));
}

TEST_F(path, the_caller_keeps_the_list)
{
	rsm_iovec_t vec;
	rsm_scat_gath_t sg_io;
	rsm_iovec_t vec_before;
	rsm_scat_gath_t before_call;

	open_local(_metadata);
	/* with the holes between the members, which are compared, too */
	memset(&vec, 0, sizeof(vec));
	vec.io_type = RSM_VA_TYPE;
	vec.local.vaddr = local;
	vec.transfer_length = 8;
	memset(&sg_io, 0, sizeof(sg_io));
	sg_io.local_nodeid = 4711;
	sg_io.io_request_count = 1;
	sg_io.io_residual_count = 4711;
	sg_io.flags = RSM_IMPLICIT_SIGPOST | RSM_SIGPOST_NO_ACCUMULATE | 1U << 9;
	sg_io.remote_handle = im;
	sg_io.iovec = &vec;
	memcpy(&vec_before, &vec, sizeof(vec));
	memcpy(&before_call, &sg_io, sizeof(sg_io));
	before_call.io_residual_count = 0;
	EXPECT_OK(rsm_memseg_import_putv(&sg_io));
	EXPECT_EQ(0, memcmp(&vec, &vec_before, sizeof(vec)));
	EXPECT_EQ(0, memcmp(&sg_io, &before_call, sizeof(sg_io)));
}

TEST_F(path, rebind_between)
{
	open_local(_metadata);
	EXPECT_ONE(0, vec_of(0, 0, 8));
	ASSERT_OK(rsm_memseg_export_rebind(seg, other, 0, length));
	rsm_stamp(local, page, 7);
	EXPECT_ONE(0, vec_of(0, page, page));
	EXPECT_EQ(0, memcmp(other + page, local, page));
	EXPECT_NE(0, memcmp(mem + page, local, page));
}

/* Signals */

TEST_F(path, signal_at_the_end)
{
	rsm_iovec_t vec[2];
	rsm_scat_gath_t sg_io = list_of(vec, 2);
	uint_t once = RSM_IMPLICIT_SIGPOST | RSM_SIGPOST_NO_ACCUMULATE;

	open_local(_metadata);
	vec[0] = vec_of(0, 0, 8);
	vec[1] = vec_of(0, 8, 8);
	EXPECT_OK(rsm_memseg_import_putv(&sg_io));
	EXPECT_ERR(RSMERR_TIMEOUT, take_none(seg));
	sg_io.flags = RSM_IMPLICIT_SIGPOST;
	EXPECT_OK(rsm_memseg_import_putv(&sg_io));
	EXPECT_OK(rsm_memseg_import_getv(&sg_io));
	EXPECT_OK(take_posted(seg));
	EXPECT_OK(take_posted(seg));
	EXPECT_ERR(RSMERR_TIMEOUT, take_none(seg));
	sg_io.flags = once;
	EXPECT_OK(rsm_memseg_import_putv(&sg_io));
	EXPECT_OK(rsm_memseg_import_putv(&sg_io));
	let_arrive();
	EXPECT_OK(take_posted(seg));
	EXPECT_ERR(RSMERR_TIMEOUT, take_none(seg));
	/* not without success */
	sg_io.flags = RSM_IMPLICIT_SIGPOST;
	vec[1].remote_offset = length;
	EXPECT_ERR(RSMERR_BAD_OFFSET, rsm_memseg_import_putv(&sg_io));
	EXPECT_ERR(RSMERR_TIMEOUT, take_none(seg));
}

/* What is refused, and in which order */

TEST_F(path, list_errors)
{
	rsm_iovec_t vec[RSM_MAX_SGIOREQS + 1];
	rsm_scat_gath_t sg_io = list_of(vec, 1);
	size_t i;

	open_local(_metadata);
	for (i = 0; i < ARRAY_SIZE(vec); i++)
		vec[i] = vec_of(0, 0, 8);
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		EXPECT_ERR(RSMERR_BAD_SGIO, ops[i](NULL));
		sg_io = list_of(vec, 1);
		sg_io.remote_handle = NULL;
		EXPECT_ERR(RSMERR_BAD_SEG_HNDL, ops[i](&sg_io));
		sg_io.remote_handle = (rsm_memseg_import_handle_t)seg;
		EXPECT_ERR(RSMERR_BAD_SEG_HNDL, ops[i](&sg_io));
		sg_io = list_of(vec, 0);
		EXPECT_ERR(RSMERR_BAD_SGIO, ops[i](&sg_io));
		sg_io = list_of(vec, RSM_MAX_SGIOREQS + 1);
		EXPECT_ERR(RSMERR_BAD_SGIO, ops[i](&sg_io));
		sg_io = list_of(vec, ~0UL);
		EXPECT_ERR(RSMERR_BAD_SGIO, ops[i](&sg_io));
		sg_io = list_of(NULL, 1);
		EXPECT_ERR(RSMERR_BAD_SGIO, ops[i](&sg_io));
		/* the handle comes first */
		sg_io = list_of(NULL, 0);
		sg_io.remote_handle = NULL;
		EXPECT_ERR(RSMERR_BAD_SEG_HNDL, ops[i](&sg_io));
	}
}

static rsm_iovec_t vec_of_type(int type)
{
	rsm_iovec_t vec = vec_of(0, 0, 8);

	vec.io_type = type;
	return vec;
}

static rsm_iovec_t vec_of_addr(void *addr)
{
	rsm_iovec_t vec = vec_of(0, 0, 8);

	vec.local.vaddr = addr;
	return vec;
}

TEST_F(path, entry_errors)
{
	open_local(_metadata);
	EXPECT_ONE(RSMERR_BAD_SGIO, vec_of_type(0));
	EXPECT_ONE(RSMERR_BAD_SGIO, vec_of_type(3));
	EXPECT_ONE(RSMERR_BAD_SGIO, vec_of_type(-1));
	EXPECT_ONE(RSMERR_BAD_ADDR, vec_of_addr(NULL));
	EXPECT_ONE(RSMERR_BAD_LOCALMEM_HNDL, vec_of_type(RSM_HANDLE_TYPE));
	EXPECT_ONE(RSMERR_BAD_OFFSET, vec_of(0, length, 1));
	EXPECT_ONE(RSMERR_BAD_OFFSET, vec_of(0, length - 7, 8));
	EXPECT_ONE(RSMERR_BAD_OFFSET, vec_of(0, 0, length + 1));
	EXPECT_ONE(RSMERR_BAD_LENGTH, vec_of(0, 8, SIZE_MAX));
	EXPECT_EQ(-1, rsm_stamp_check(mem, length, 1));
	EXPECT_EQ(-1, rsm_stamp_check(local, 2 * page, 7));
}

TEST_F(path, entry_errors_of_rights)
{
	rsm_memseg_import_handle_t first = im;
	rsm_iovec_t vec;

	open_local(_metadata);
	vec = vec_of(0, 0, 8);
	ASSERT_OK(connect_to(RSM_PERM_READ));
	EXPECT_OK(one_vec(rsm_memseg_import_getv, &vec, 0));
	EXPECT_ERR(RSMERR_PERM_DENIED,
		   one_vec(rsm_memseg_import_putv, &vec, 0));
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	ASSERT_OK(connect_to(RSM_PERM_WRITE));
	EXPECT_OK(one_vec(rsm_memseg_import_putv, &vec, 0));
	EXPECT_ERR(RSMERR_PERM_DENIED,
		   one_vec(rsm_memseg_import_getv, &vec, 0));
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	ASSERT_OK(connect_to(RSM_PERM_NONE));
	EXPECT_ONE(RSMERR_PERM_DENIED, vec);
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	im = first;
}

TEST_F(path, residual_count)
{
	rsm_iovec_t vec[4];
	rsm_scat_gath_t sg_io = list_of(vec, 4);
	ulong_t bad;
	size_t i;

	open_local(_metadata);
	for (bad = 0; bad < 4; bad++) {
		rsm_stamp(mem, length, 1);
		for (i = 0; i < 4; i++)
			vec[i] = vec_of(0, i * page, page);
		vec[bad].remote_offset = length;
		/* an error of a later entry is not looked at */
		vec[3].io_type = bad < 3 ? 0 : RSM_VA_TYPE;
		EXPECT_ERR(RSMERR_BAD_OFFSET, rsm_memseg_import_putv(&sg_io));
		EXPECT_EQ(4 - bad, sg_io.io_residual_count);
		for (i = 0; i < bad; i++)
			EXPECT_EQ(0, memcmp(mem + i * page, local, page));
		for (; i < 4; i++)
			EXPECT_NE(0, memcmp(mem + i * page, local, page));
	}
}

/* No barrier is asked for, and a dead connection is told from a live one. */
TEST_F(path, aborted)
{
	rsm_iovec_t vec[2];
	rsm_scat_gath_t sg_io = list_of(vec, 2);
	size_t i;

	open_local(_metadata);
	vec[0] = vec_of(0, 0, 8);
	vec[1] = vec_of(0, page, 8);
	EXPECT_OK(rsm_memseg_import_destroy_barrier(&barrier));
	EXPECT_OK(rsm_memseg_import_getv(&sg_io));
	ASSERT_OK(rsm_memseg_export_unpublish(seg));
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		sg_io.io_residual_count = 0;
		EXPECT_ERR(RSMERR_CONN_ABORTED, ops[i](&sg_io));
		EXPECT_EQ(2, sg_io.io_residual_count);
	}
	EXPECT_OK(rsm_memseg_import_set_mode(im, RSM_BARRIER_MODE_EXPLICIT));
	EXPECT_ERR(variant->mapped ? RSM_SUCCESS : RSMERR_CONN_ABORTED,
		   rsm_memseg_import_putv(&sg_io));
	EXPECT_EQ(variant->mapped ? 0 : 2, sg_io.io_residual_count);
	/* the signal has nobody to go to */
	sg_io.flags = RSM_IMPLICIT_SIGPOST;
	EXPECT_ERR(RSMERR_CONN_ABORTED, rsm_memseg_import_putv(&sg_io));
	/* nothing can be mapped any more */
	rsm_memseg_import_unmap(im);
	EXPECT_ERR(RSMERR_CONN_ABORTED, rsm_memseg_import_getv(&sg_io));
	EXPECT_EQ(2, sg_io.io_residual_count);
	EXPECT_EQ(-1, rsm_stamp_check(mem, length, 1));
	ASSERT_OK(init_barrier());
}

#ifndef RSM_REMOTE
TEST_F(imp, partial_mapping)
{
	rsm_iovec_t vec;
	void *addr = NULL;

	open_local(_metadata);
	ASSERT_OK(rsm_memseg_import_map(im, &addr, RSM_MAP_NONE, RSM_PERM_RDWR,
					page, page));
	vec = vec_of(0, page + 8, page - 8);
	EXPECT_OK(one_vec(rsm_memseg_import_putv, &vec, 0));
	EXPECT_EQ(0, memcmp(mem + page + 8, local, page - 8));
	EXPECT_ONE(RSMERR_BAD_OFFSET, vec_of(0, page - 8, 8));
	EXPECT_ONE(RSMERR_BAD_OFFSET, vec_of(0, 2 * page - 4, 8));
	EXPECT_ONE(RSMERR_BAD_OFFSET, vec_of(0, 2 * page, 8));
	EXPECT_OK(rsm_memseg_import_unmap(im));
}

TEST_F(imp, protected_mapping)
{
	rsm_iovec_t vec;
	void *addr;

	open_local(_metadata);
	vec = vec_of(0, 0, 8);
	ASSERT_OK(map_im(&addr, RSM_PERM_READ));
	EXPECT_OK(one_vec(rsm_memseg_import_getv, &vec, 0));
	EXPECT_ERR(RSMERR_PERM_DENIED,
		   one_vec(rsm_memseg_import_putv, &vec, 0));
	EXPECT_OK(rsm_memseg_import_unmap(im));
}
#endif

TEST_F(path, list_maps)
{
	void *addr;

	open_local(_metadata);
	EXPECT_ONE(0, vec_of(0, 0, 8));
	EXPECT_ERR(variant->mapped ? RSMERR_SEG_ALREADY_MAPPED :
				     RSMERR_MAP_FAILED,
		   map_im(&addr, RSM_PERM_RDWR));
}

/* Handles of local memory */

static rsm_localmemory_handle_t handle;

static rsm_iovec_t vec_of_handle(size_t local_offset, size_t size)
{
	rsm_iovec_t vec = vec_of(local_offset, page, size);

	vec.io_type = RSM_HANDLE_TYPE;
	vec.local.handle = handle;
	return vec;
}

TEST_F(lib, localmemory_errors)
{
	open_local(_metadata);
	EXPECT_ERR(RSMERR_BAD_ADDR,
		   rsm_create_localmemory_handle(ctl, &handle, local + 1,
						 page));
	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL,
		   rsm_create_localmemory_handle(NULL, &handle, local, page));
	EXPECT_ERR(RSMERR_BAD_LOCALMEM_HNDL,
		   rsm_create_localmemory_handle(ctl, NULL, local, page));
	EXPECT_ERR(RSMERR_BAD_LENGTH,
		   rsm_create_localmemory_handle(ctl, &handle, local, 0));
	EXPECT_ERR(RSMERR_BAD_ADDR,
		   rsm_create_localmemory_handle(ctl, &handle, NULL, page));
	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL,
		   rsm_free_localmemory_handle(NULL, NULL));
	EXPECT_ERR(RSMERR_BAD_LOCALMEM_HNDL,
		   rsm_free_localmemory_handle(ctl, NULL));
	EXPECT_ERR(RSMERR_BAD_LOCALMEM_HNDL,
		   rsm_free_localmemory_handle(ctl, (void *)ctl));

	/* two at once */
	EXPECT_ERR(RSMERR_BAD_ADDR,
		   rsm_create_localmemory_handle(NULL, NULL, local + 1, 0));
	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL,
		   rsm_create_localmemory_handle(NULL, NULL, local, 0));
	EXPECT_ERR(RSMERR_BAD_LOCALMEM_HNDL,
		   rsm_create_localmemory_handle(ctl, NULL, local, 0));
}

TEST_F(path, localmemory)
{
	rsm_iovec_t vec;

	open_local(_metadata);
	/* of any length */
	ASSERT_OK(rsm_create_localmemory_handle(ctl, &handle, local,
						page + 16));
	EXPECT_NE(NULL, handle);
	vec = vec_of_handle(16, page);
	EXPECT_OK(one_vec(rsm_memseg_import_putv, &vec, 0));
	EXPECT_EQ(0, memcmp(mem + page, local + 16, page));
	memset(local, 0, 2 * page);
	EXPECT_OK(one_vec(rsm_memseg_import_getv, &vec, 0));
	EXPECT_EQ(0, memcmp(mem + page, local + 16, page));
	EXPECT_ONE(0, vec_of_handle(page + 16, 0));
	EXPECT_ONE(RSMERR_BAD_LENGTH, vec_of_handle(17, page));
	EXPECT_ONE(RSMERR_BAD_LENGTH, vec_of_handle(page + 17, 0));
	EXPECT_ONE(RSMERR_BAD_LENGTH, vec_of_handle(page + 16, 1));
	EXPECT_ONE(RSMERR_BAD_LENGTH, vec_of_handle(8, SIZE_MAX));
	EXPECT_ONE(RSMERR_BAD_LENGTH, vec_of_handle(SIZE_MAX, 8));
	EXPECT_OK(rsm_free_localmemory_handle(ctl, handle));
	EXPECT_ONE(RSMERR_BAD_LOCALMEM_HNDL, vec_of_handle(0, 8));
	EXPECT_ERR(RSMERR_BAD_LOCALMEM_HNDL,
		   rsm_free_localmemory_handle(ctl, handle));
}

TEST_F(imp, handles_that_are_none)
{
	void *const wrong[] = { NULL, seg, im, ctl, mem, &handle, (void *)1 };
	rsm_iovec_t vec;
	size_t i;

	open_local(_metadata);
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		handle = wrong[i];
		EXPECT_ONE(RSMERR_BAD_LOCALMEM_HNDL, vec_of_handle(0, 8));
		EXPECT_ERR(RSMERR_BAD_LOCALMEM_HNDL,
			   rsm_free_localmemory_handle(ctl, handle));
	}
	ASSERT_OK(rsm_create_localmemory_handle(ctl, &handle, local, page));
	vec = vec_of(0, 0, 8);
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_export_destroy((void *)handle));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_import_disconnect((void *)handle));
	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL,
		   rsm_release_controller((void *)handle));
	vec = vec_of_handle(0, 8);
	EXPECT_OK(one_vec(rsm_memseg_import_putv, &vec, 0));
	EXPECT_OK(rsm_free_localmemory_handle(ctl, handle));
}

TEST_HARNESS_MAIN
