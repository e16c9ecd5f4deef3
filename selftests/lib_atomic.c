// SPDX-License-Identifier: GPL-2.0-only
/*
 * libusrsm: atomic operations.
 */
#include "lib_utils.h"

#include <limits.h>

#define OFFSET 4088

static uint64_t old;

static uint64_t *word(void)
{
	return (uint64_t *)(mem + OFFSET);
}

enum atomic {
	CAS,
	ADD,
	SWAP,
	NR_ATOMICS,
};

static int atomic(enum atomic a, void *handle, off_t offset, uint64_t *out)
{
	if (a == CAS)
		return rsm_memseg_import_cas64(handle, offset, 0, 0, out);
	if (a == ADD)
		return rsm_memseg_import_add64(handle, offset, 0, out);
	return rsm_memseg_import_swap64(handle, offset, 0, out);
}

#define EXPECT_ATOMICS(_rsmerr, _handle, _offset)                            \
	do {                                                                 \
		enum atomic a;                                               \
									     \
		for (a = CAS; a < NR_ATOMICS; a++)                           \
			EXPECT_ERR(_rsmerr, atomic(a, _handle, _offset,      \
						   &old)) {                  \
				TH_LOG("operation %d", a);                   \
			}                                                    \
	} while (0)

TEST_F(path, cas)
{
	*word() = 5;
	EXPECT_OK(rsm_memseg_import_cas64(im, OFFSET, 5, 6, &old));
	EXPECT_EQ(5, old);
	EXPECT_EQ(6, *word());
	EXPECT_OK(rsm_memseg_import_cas64(im, OFFSET, 5, 7, &old));
	EXPECT_EQ(6, old);
	EXPECT_EQ(6, *word());
	EXPECT_OK(rsm_memseg_import_cas64(im, OFFSET, 6, UINT64_MAX, NULL));
	EXPECT_EQ(UINT64_MAX, *word());
	/* all 64 bits are compared */
	EXPECT_OK(rsm_memseg_import_cas64(im, OFFSET, UINT32_MAX, 0, &old));
	EXPECT_EQ(UINT64_MAX, *word());
}

TEST_F(path, add)
{
	*word() = UINT64_MAX - 1;
	EXPECT_OK(rsm_memseg_import_add64(im, OFFSET, 1, &old));
	EXPECT_EQ(UINT64_MAX - 1, old);
	EXPECT_EQ(UINT64_MAX, *word());
	EXPECT_OK(rsm_memseg_import_add64(im, OFFSET, 3, NULL));
	EXPECT_EQ(2, *word());
	EXPECT_OK(rsm_memseg_import_add64(im, OFFSET, -2, &old));
	EXPECT_EQ(2, old);
	EXPECT_EQ(0, *word());
}

TEST_F(path, swap)
{
	*word() = 1;
	EXPECT_OK(rsm_memseg_import_swap64(im, OFFSET, UINT64_MAX, &old));
	EXPECT_EQ(1, old);
	EXPECT_EQ(UINT64_MAX, *word());
	EXPECT_OK(rsm_memseg_import_swap64(im, OFFSET, 2, NULL));
	EXPECT_EQ(2, *word());
}

TEST_F(path, neighbours_are_left_alone)
{
	memset(mem, 0xee, length);
	EXPECT_ATOMICS(0, im, OFFSET);
	EXPECT_EQ(UINT64_C(0xeeeeeeeeeeeeeeee), word()[-1]);
	EXPECT_EQ(UINT64_C(0xeeeeeeeeeeeeeeee), word()[1]);
	EXPECT_ATOMICS(0, im, 0);
	EXPECT_ATOMICS(0, im, length - 8);
}

TEST_F(path, rebind_between)
{
	uint64_t *new = (uint64_t *)(other + OFFSET);

	*word() = 1;
	EXPECT_OK(rsm_memseg_import_add64(im, OFFSET, 1, &old));
	*new = 10;
	ASSERT_OK(rsm_memseg_export_rebind(seg, other, 0, length));
	EXPECT_OK(rsm_memseg_import_add64(im, OFFSET, 1, &old));
	EXPECT_EQ(10, old);
	EXPECT_EQ(11, *new);
	EXPECT_EQ(2, *word());
}

TEST_F(path, errors)
{
	EXPECT_ATOMICS(RSMERR_BAD_SEG_HNDL, NULL, 0);
	EXPECT_ATOMICS(RSMERR_BAD_SEG_HNDL, seg, 0);
	EXPECT_ATOMICS(RSMERR_BAD_SEG_HNDL, ctl, 1);
	EXPECT_ATOMICS(RSMERR_BAD_MEM_ALIGNMENT, im, 4);
	EXPECT_ATOMICS(RSMERR_BAD_MEM_ALIGNMENT, im, -1);
	EXPECT_ATOMICS(RSMERR_BAD_OFFSET, im, -8);
	EXPECT_ATOMICS(RSMERR_BAD_OFFSET, im, length);
	EXPECT_ATOMICS(RSMERR_BAD_OFFSET, im, LONG_MIN);
	EXPECT_ATOMICS(RSMERR_BAD_OFFSET, im, LONG_MAX & ~7L);
	EXPECT_EQ(-1, rsm_stamp_check(mem, length, 1));
}

TEST_F(path, errors_of_rights)
{
	static const rsm_permission_t perms[] = {
		RSM_PERM_NONE, RSM_PERM_READ, RSM_PERM_WRITE,
	};
	rsm_memseg_import_handle_t first = im;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(perms); i++) {
		ASSERT_OK(connect_to(perms[i]));
		EXPECT_ATOMICS(RSMERR_BAD_MEM_ALIGNMENT, im, 4);
		EXPECT_ATOMICS(RSMERR_PERM_DENIED, im, 0);
		EXPECT_ATOMICS(RSMERR_PERM_DENIED, im, length);
		EXPECT_OK(rsm_memseg_import_disconnect(im));
	}
	im = first;
}

TEST_F(path, not_enabled)
{
	ASSERT_OK(rsm_memseg_export_destroy(seg));
	ASSERT_OK(rsm_memseg_import_disconnect(im));
	id = 0;
	ASSERT_OK(create(0));
	ASSERT_OK(rsm_memseg_export_publish(seg, &id, NULL, 0));
	ASSERT_OK(connect_to(RSM_PERM_RDWR));
	ASSERT_OK(init_barrier());
	EXPECT_ATOMICS(RSMERR_LOCKS_NOT_ENABLED, im, 0);
	EXPECT_EQ(-1, rsm_stamp_check(mem, length, 1));
}

TEST_F(path, modes)
{
	EXPECT_OK(rsm_memseg_import_destroy_barrier(&barrier));
	EXPECT_ATOMICS(RSMERR_BARRIER_UNINITIALIZED, im, 0);
	EXPECT_OK(rsm_memseg_import_set_mode(im, RSM_BARRIER_MODE_EXPLICIT));
	EXPECT_ATOMICS(0, im, OFFSET);
	EXPECT_OK(rsm_memseg_import_set_mode(im, RSM_BARRIER_MODE_IMPLICIT));
	EXPECT_OK(init_barrier());
	EXPECT_ATOMICS(0, im, OFFSET);
}

TEST_F(path, aborted)
{
	EXPECT_ATOMICS(0, im, OFFSET);
	ASSERT_OK(rsm_memseg_export_unpublish(seg));
	*word() = 1;
	EXPECT_ERR(RSMERR_CONN_ABORTED,
		   rsm_memseg_import_add64(im, OFFSET, 1, &old));
	EXPECT_ATOMICS(RSMERR_CONN_ABORTED, im, OFFSET);
	EXPECT_OK(rsm_memseg_import_set_mode(im, RSM_BARRIER_MODE_EXPLICIT));
	EXPECT_ATOMICS(variant->mapped ? 0 : RSMERR_CONN_ABORTED, im, OFFSET);
	rsm_memseg_import_unmap(im);
	EXPECT_ATOMICS(RSMERR_CONN_ABORTED, im, OFFSET);
	EXPECT_EQ(1, *word());
}

TEST_F(path, atomic_maps)
{
	void *addr;

	EXPECT_ATOMICS(0, im, OFFSET);
	EXPECT_ERR(variant->mapped ? RSMERR_SEG_ALREADY_MAPPED :
				     RSMERR_MAP_FAILED,
		   map_im(&addr, RSM_PERM_RDWR));
}

#ifndef RSM_REMOTE
TEST_F(path, mapping_limits)
{
	void *addr = NULL;

	if (!variant->mapped)
		return;
	ASSERT_OK(rsm_memseg_import_map(im, &addr, RSM_MAP_NONE, RSM_PERM_RDWR,
					page, page + 12));
	EXPECT_ATOMICS(0, im, page);
	EXPECT_ATOMICS(0, im, 2 * page);
	EXPECT_ATOMICS(RSMERR_BAD_OFFSET, im, page - 8);
	EXPECT_ATOMICS(RSMERR_BAD_OFFSET, im, 2 * page + 8);
	EXPECT_OK(rsm_memseg_import_unmap(im));
	ASSERT_OK(map_im(&addr, RSM_PERM_READ));
	EXPECT_ATOMICS(RSMERR_PERM_DENIED, im, 0);
	EXPECT_OK(rsm_memseg_import_unmap(im));
}
#endif

TEST_F(path, errno_is_left_alone)
{
	errno = 4711;
	EXPECT_ATOMICS(0, im, 0);
	EXPECT_ATOMICS(RSMERR_BAD_OFFSET, im, length);
	EXPECT_EQ(4711, errno);
}

/*
 * Counts of this process and of a child, through a mapping and through the
 * kernel: none is lost.
 */
#ifdef RSM_REMOTE
#define ROUNDS 300
#else
#define ROUNDS 20000
#endif

static int child_counts(void *arg)
{
	uint64_t seen;
	int bad = 0;
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		bad += !!rsm_memseg_import_add64(im, OFFSET, 1, NULL);
		bad += !!rsm_memseg_import_get64(im, OFFSET + 8, &seen, 1);
		bad += !!rsm_memseg_import_cas64(im, OFFSET + 8, seen, seen + 1,
						 NULL);
	}
	return !!bad;
}

TEST_F_TIMEOUT(path, all_counts_count, 60)
{
	pid_t child;
	int i;

	memset(mem, 0, length);
	child = fork();
	if (!child)
		_exit(child_counts(NULL));
	for (i = 0; i < ROUNDS; i++)
		__atomic_fetch_add(word(), 1, __ATOMIC_SEQ_CST);
	EXPECT_OK(child_counts(NULL));
	EXPECT_OK(rsm_wait_child(child));
	EXPECT_EQ(3 * ROUNDS, *word());
	EXPECT_LE(ROUNDS, word()[1]);
	EXPECT_GE(2 * ROUNDS, word()[1]);
}

TEST_HARNESS_MAIN
