// SPDX-License-Identifier: GPL-2.0-only
/*
 * libusrsm: put and get, and the mapping that they imply.
 */
#include "lib_utils.h"

#include <limits.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum copy {
	PUT8,
	PUT16,
	PUT32,
	PUT64,
	PUT,
	GET8,
	GET16,
	GET32,
	GET64,
	GET,
	NR_COPIES,
};

static const struct {
	const char *name;
	size_t size;
} copies[] = {
	[PUT8] = { "put8", 1 },	  [PUT16] = { "put16", 2 },
	[PUT32] = { "put32", 4 }, [PUT64] = { "put64", 8 },
	[PUT] = { "put", 1 },	  [GET8] = { "get8", 1 },
	[GET16] = { "get16", 2 }, [GET32] = { "get32", 4 },
	[GET64] = { "get64", 8 }, [GET] = { "get", 1 },
};

static int copy(enum copy c, void *handle, off_t offset, void *data,
		ulong_t count)
{
	switch (c) {
	case PUT8:
		return rsm_memseg_import_put8(handle, offset, data, count);
	case PUT16:
		return rsm_memseg_import_put16(handle, offset, data, count);
	case PUT32:
		return rsm_memseg_import_put32(handle, offset, data, count);
	case PUT64:
		return rsm_memseg_import_put64(handle, offset, data, count);
	case PUT:
		return rsm_memseg_import_put(handle, offset, data, count);
	case GET8:
		return rsm_memseg_import_get8(handle, offset, data, count);
	case GET16:
		return rsm_memseg_import_get16(handle, offset, data, count);
	case GET32:
		return rsm_memseg_import_get32(handle, offset, data, count);
	case GET64:
		return rsm_memseg_import_get64(handle, offset, data, count);
	default:
		return rsm_memseg_import_get(handle, offset, data, count);
	}
}

static bool is_put(enum copy c)
{
	return c <= PUT;
}

/*
 * What each of the functions from @_first to @_last returns. The arguments may
 * name size: that of the function's elements.
 */
#define EXPECT_COPIES(_rsmerr, _first, _last, _handle, _offset, _data, _count) \
	do {                                                                   \
		enum copy c;                                                   \
									       \
		for (c = (_first); c <= (_last); c++) {                        \
			size_t size = copies[c].size;                          \
									       \
			(void)size;                                            \
			EXPECT_ERR(_rsmerr, copy(c, _handle, _offset, _data,   \
						 _count)) {                    \
				TH_LOG("%s", copies[c].name);                  \
			}                                                      \
		}                                                              \
	} while (0)

#define EXPECT_ALL(_rsmerr, _offset, _data, _count) \
	EXPECT_COPIES(_rsmerr, PUT8, GET, im, _offset, _data, _count)
#define EXPECT_PUTS(_rsmerr, _offset, _data, _count) \
	EXPECT_COPIES(_rsmerr, PUT8, PUT, im, _offset, _data, _count)
#define EXPECT_GETS(_rsmerr, _offset, _data, _count) \
	EXPECT_COPIES(_rsmerr, GET8, GET, im, _offset, _data, _count)

/* Those that know what alignment is, of puts and of gets */
#define EXPECT_ALIGNED(_rsmerr, _handle, _offset, _data, _count)               \
	do {                                                                   \
		EXPECT_COPIES(_rsmerr, PUT16, PUT64, _handle, _offset, _data,  \
			      _count);                                         \
		EXPECT_COPIES(_rsmerr, GET16, GET64, _handle, _offset, _data,  \
			      _count);                                         \
	} while (0)

/* As much as the data of any test */
static uint64_t data[4096];
static char *const bytes = (char *)data;

static void fill(void *to, size_t size, unsigned int seed)
{
	unsigned char *byte = to;
	size_t i;

	for (i = 0; i < size; i++)
		byte[i] = seed + i * 7 + (i >> 8);
}

/* Everything of @mem is as in @was but the range, which is as @data. */
static bool only_range_changed(const char *was, size_t start, size_t size,
			       const void *now)
{
	return !memcmp(mem, was, start) && !memcmp(mem + start, now, size) &&
	       !memcmp(mem + start + size, was + start + size,
		       length - start - size);
}

/* Data */

TEST_F(path, put_arrives)
{
	size_t offset = page - 8;
	size_t size = page + 16;
	char *was = rsm_alloc(length);
	enum copy c;

	for (c = PUT8; c <= PUT; c++) {
		memcpy(was, mem, length);
		fill(data, size, c);
		EXPECT_OK(copy(c, im, offset, data, size / copies[c].size));
		EXPECT_TRUE(only_range_changed(was, offset, size, data)) {
			TH_LOG("%s", copies[c].name);
		}
	}
}

TEST_F(path, get_arrives)
{
	size_t offset = page - 8;
	size_t size = page + 16;
	enum copy c;

	for (c = GET8; c <= GET; c++) {
		fill(mem, length, c);
		memset(data, 0xee, sizeof(data));
		EXPECT_OK(copy(c, im, offset, bytes + 8,
			       size / copies[c].size));
		EXPECT_EQ(0, memcmp(bytes + 8, mem + offset, size)) {
			TH_LOG("%s", copies[c].name);
		}
		EXPECT_EQ((char)0xee, bytes[7]);
		EXPECT_EQ((char)0xee, bytes[8 + size]);
	}
}

/* A copy of up to 64 bytes, with neighbours that are to stay as they are */
static bool copy_is_exact(enum copy c, off_t offset, char *local, size_t count)
{
	static char was[128], want[128];
	char *there = mem + offset - 32;
	char *here = local - 32;
	char *to = is_put(c) ? there : here;
	char *from = is_put(c) ? here : there;
	size_t size = count * copies[c].size;

	fill(there, sizeof(was), count);
	fill(here, sizeof(was), count + 100);
	memcpy(was, to, sizeof(was));
	memcpy(want, from, sizeof(want));
	memcpy(want, was, 32);
	memcpy(want + 32 + size, was + 32 + size, sizeof(was) - 32 - size);
	return !copy(c, im, offset, local, count) &&
	       !memcmp(to, want, sizeof(want));
}

/* Each way to begin and end within or beside longer units of a processor */
TEST_F(path, any_number_of_elements_anywhere)
{
	size_t at, count, size;
	enum copy c;

	for (c = PUT8; c <= GET; c++) {
		size = copies[c].size;
		for (at = 0; at <= 16; at += size) {
			for (count = 0; count * size <= 64; count++) {
				EXPECT_TRUE(copy_is_exact(c, page - 32 + at,
							  bytes + 64, count));
				EXPECT_TRUE(copy_is_exact(c, page - 32 + at,
							  bytes + 64 + at,
							  count));
			}
		}
	}
}

TEST_F(path, bytes_need_no_alignment)
{
	char *was = rsm_alloc(length);
	size_t size;

	for (size = 1; size < 40; size += 3) {
		memcpy(was, mem, length);
		fill(bytes + 3, size, size);
		EXPECT_OK(rsm_memseg_import_put(im, page - 11, bytes + 3,
						size));
		EXPECT_TRUE(only_range_changed(was, page - 11, size,
					       bytes + 3));
		memset(bytes + 101, 0, size);
		EXPECT_OK(rsm_memseg_import_get(im, page - 11, bytes + 101,
						size));
		EXPECT_EQ(0, memcmp(bytes + 101, bytes + 3, size));
	}
}

/* The whole segment, and its first and last elements */
TEST_F(path, put_get_to_the_ends)
{
	char *whole = rsm_alloc(length);

	EXPECT_ALL(0, 0, data, 1);
	EXPECT_ALL(0, length - size, data, 1);
	EXPECT_ALL(0, 0, whole, length / size);
	rsm_stamp(whole, length, 3);
	EXPECT_OK(rsm_memseg_import_put(im, 0, whole, length));
	EXPECT_EQ(-1, rsm_stamp_check(mem, length, 3));
	rsm_stamp(mem, length, 4);
	EXPECT_OK(rsm_memseg_import_get(im, 0, whole, length));
	EXPECT_EQ(-1, rsm_stamp_check(whole, length, 4));
}

TEST_F(path, put_get_nothing)
{
	EXPECT_ALL(0, 0, data, 0);
	EXPECT_ALL(0, length - size, data, 0);
	EXPECT_EQ(-1, rsm_stamp_check(mem, length, 1));
}

TEST_F(path, rebind_between)
{
	uint64_t value = 4711;

	EXPECT_OK(rsm_memseg_import_put64(im, page, &value, 1));
	EXPECT_EQ(0, memcmp(mem + page, &value, sizeof(value)));
	ASSERT_OK(rsm_memseg_export_rebind(seg, other, 0, length));
	EXPECT_OK(rsm_memseg_import_get64(im, page, &value, 1));
	EXPECT_EQ(0, memcmp(other + page, &value, sizeof(value)));
	value = 4712;
	EXPECT_OK(rsm_memseg_import_put64(im, page, &value, 1));
	EXPECT_EQ(0, memcmp(other + page, &value, sizeof(value)));
	EXPECT_NE(0, memcmp(mem + page, &value, sizeof(value)));
}

TEST_F(path, errno_is_left_alone)
{
	errno = 4711;
	EXPECT_ALL(0, 0, data, 1);
	EXPECT_ALL(RSMERR_BAD_OFFSET, length, data, 1);
	ASSERT_OK(rsm_memseg_export_unpublish(seg));
	errno = 4711;
	EXPECT_ALL(RSMERR_CONN_ABORTED, 0, data, 1);
	EXPECT_EQ(4711, errno);
}

/* What is refused, and in which order */

TEST_F(path, copy_errors)
{
	EXPECT_COPIES(RSMERR_BAD_SEG_HNDL, PUT8, GET, NULL, 0, data, 1);
	EXPECT_COPIES(RSMERR_BAD_SEG_HNDL, PUT8, GET, seg, 0, data, 1);
	EXPECT_COPIES(RSMERR_BAD_SEG_HNDL, PUT8, GET, ctl, 0, data, 1);
	EXPECT_ALL(RSMERR_BAD_ADDR, 0, NULL, 1);
	EXPECT_ALL(RSMERR_BAD_ADDR, 0, NULL, 0);
	EXPECT_ALIGNED(RSMERR_BAD_MEM_ALIGNMENT, im, 0, bytes + 1, 1);
	EXPECT_ALIGNED(RSMERR_BAD_MEM_ALIGNMENT, im, 0, bytes + size / 2, 1);
	EXPECT_ALIGNED(RSMERR_BAD_MEM_ALIGNMENT, im, 1, data, 1);
	EXPECT_ALIGNED(RSMERR_BAD_MEM_ALIGNMENT, im, size / 2, data, 1);
	EXPECT_ALL(RSMERR_BAD_OFFSET, -(off_t)size, data, 1);
	EXPECT_ALL(RSMERR_BAD_OFFSET, -(off_t)page, data, 1);
	EXPECT_ALL(RSMERR_BAD_OFFSET, LONG_MIN, data, 1);
	EXPECT_ALL(RSMERR_BAD_OFFSET, length, data, 1);
	EXPECT_ALL(RSMERR_BAD_OFFSET, length - size, data, 2);
	EXPECT_ALL(RSMERR_BAD_OFFSET, 0, data, length / size + 1);
	EXPECT_ALL(RSMERR_BAD_OFFSET, LONG_MAX & ~7L, data, 1);
	EXPECT_ALL(RSMERR_BAD_LENGTH, size, data, ULONG_MAX / size);
	EXPECT_ALL(RSMERR_BAD_LENGTH, 8, data, ULONG_MAX);
	EXPECT_EQ(-1, rsm_stamp_check(mem, length, 1));
}

TEST_F(path, copy_errors_of_rights)
{
	rsm_memseg_import_handle_t first = im;

	ASSERT_OK(connect_to(RSM_PERM_READ));
	EXPECT_PUTS(RSMERR_PERM_DENIED, 0, data, 1);
	EXPECT_GETS(RSMERR_BARRIER_UNINITIALIZED, 0, data, 1);
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	ASSERT_OK(connect_to(RSM_PERM_WRITE));
	EXPECT_GETS(RSMERR_PERM_DENIED, 0, data, 1);
	EXPECT_PUTS(RSMERR_BARRIER_UNINITIALIZED, 0, data, 1);
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	ASSERT_OK(connect_to(RSM_PERM_NONE));
	EXPECT_ALL(RSMERR_PERM_DENIED, 0, data, 1);
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	im = first;
}

TEST_F(path, copy_errors_in_order)
{
	rsm_memseg_import_handle_t first = im;

	EXPECT_COPIES(RSMERR_BAD_SEG_HNDL, PUT8, GET, NULL, 1, NULL, 1);
	EXPECT_ALL(RSMERR_BAD_ADDR, 1, NULL, ULONG_MAX);
	ASSERT_OK(connect_to(RSM_PERM_NONE));
	EXPECT_ALIGNED(RSMERR_BAD_MEM_ALIGNMENT, im, 0, bytes + 1, 1);
	EXPECT_ALIGNED(RSMERR_BAD_MEM_ALIGNMENT, im, -1, data, 1);
	EXPECT_ALL(RSMERR_PERM_DENIED, -(off_t)size, data, 1);
	EXPECT_ALL(RSMERR_PERM_DENIED, size, data, ULONG_MAX / size);
	EXPECT_ALL(RSMERR_PERM_DENIED, length, data, 1);
	EXPECT_OK(rsm_memseg_import_disconnect(im));

	ASSERT_OK(connect_to(RSM_PERM_RDWR));
	EXPECT_ALL(RSMERR_BAD_OFFSET, -(off_t)size, data, ULONG_MAX);
	EXPECT_ALL(RSMERR_BAD_LENGTH, size, data, ULONG_MAX / size);
	EXPECT_ALL(RSMERR_BAD_OFFSET, length, data, 1);
	EXPECT_ALL(RSMERR_BARRIER_UNINITIALIZED, 0, data, 1);
	ASSERT_OK(rsm_memseg_export_unpublish(seg));
	EXPECT_ALL(RSMERR_BAD_OFFSET, length, data, 1);
	EXPECT_ALL(RSMERR_BARRIER_UNINITIALIZED, 0, data, 1);
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	im = first;
}

/* The kernel looks at the caller's memory, and the library at its own risk. */
TEST_F(path, data_that_is_not_there)
{
	char *hole = half(-1);

	if (variant->mapped)
		return;
	EXPECT_ALL(RSMERR_BAD_ADDR, 0, hole + page, 1);
	EXPECT_ALL(RSMERR_BAD_ADDR, 0, hole, 2 * page / size);
	EXPECT_GETS(RSMERR_BAD_ADDR, 0, half(PROT_READ) + page, 1);
}

/* Modes and barriers */

TEST_F(path, explicit_mode_needs_no_barrier)
{
	rsm_memseg_import_handle_t first = im;

	ASSERT_OK(connect_to(RSM_PERM_RDWR));
	EXPECT_OK(rsm_memseg_import_set_mode(im, RSM_BARRIER_MODE_EXPLICIT));
	EXPECT_ALL(0, 0, data, 1);
	EXPECT_OK(rsm_memseg_import_set_mode(im, RSM_BARRIER_MODE_IMPLICIT));
	EXPECT_ALL(RSMERR_BARRIER_UNINITIALIZED, 0, data, 1);
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	im = first;
}

TEST_F(path, implicit_mode_needs_a_barrier)
{
	EXPECT_ALL(0, 0, data, 1);
	EXPECT_OK(rsm_memseg_import_destroy_barrier(&barrier));
	EXPECT_ALL(RSMERR_BARRIER_UNINITIALIZED, 0, data, 1);
	EXPECT_OK(init_barrier());
	EXPECT_ALL(0, 0, data, 1);
}

/* A barrier of the caller's own around it makes no difference. */
TEST_F(path, within_a_barrier)
{
	EXPECT_OK(rsm_memseg_import_open_barrier(&barrier));
	EXPECT_ALL(0, 0, data, 1);
	EXPECT_OK(rsm_memseg_import_close_barrier(&barrier));
}

static void abort_and_expect(struct __test_metadata *_metadata, int error)
{
	ASSERT_OK(rsm_memseg_export_unpublish(seg));
	fill(data, sizeof(data), 9);
	EXPECT_ALL(error, 0, data, page / size);
	/* published again it is no more reached than before */
	ASSERT_OK(publish_id(SEGID));
	EXPECT_ALL(error, 0, data, page / size);
	EXPECT_EQ(-1, rsm_stamp_check(mem, length, 1));
}

TEST_F(path, aborted)
{
	abort_and_expect(_metadata, RSMERR_CONN_ABORTED);
}

TEST_F(path, aborted_after_use)
{
	EXPECT_GETS(0, 0, data, 1);
	abort_and_expect(_metadata, RSMERR_CONN_ABORTED);
}

TEST_F(path, aborted_in_explicit_mode)
{
	EXPECT_OK(rsm_memseg_import_set_mode(im, RSM_BARRIER_MODE_EXPLICIT));
	EXPECT_GETS(0, 0, data, 1);
	EXPECT_OK(rsm_memseg_import_open_barrier(&barrier));
	/* the kernel knows what a mapping does not */
	abort_and_expect(_metadata, variant->mapped ? RSM_SUCCESS :
						      RSMERR_CONN_ABORTED);
	EXPECT_ERR(RSMERR_CONN_ABORTED,
		   rsm_memseg_import_close_barrier(&barrier));
	EXPECT_ALL(RSMERR_BAD_OFFSET, length, data, 1);
	/* without its mapping it is known to everybody */
	rsm_memseg_import_unmap(im);
	EXPECT_ALL(RSMERR_CONN_ABORTED, 0, data, 1);
}

TEST_F(path, aborted_in_explicit_mode_before_use)
{
	EXPECT_OK(rsm_memseg_import_set_mode(im, RSM_BARRIER_MODE_EXPLICIT));
	abort_and_expect(_metadata, RSMERR_CONN_ABORTED);
}

TEST_F(path, aborted_by_destroy)
{
	EXPECT_GETS(0, 0, data, 1);
	EXPECT_OK(rsm_memseg_export_destroy(seg));
	EXPECT_ALL(RSMERR_CONN_ABORTED, 0, data, 1);
	/* for the fixture */
	ASSERT_OK(create(0));
}

/* Mappings */

static void expect_mapped(struct __test_metadata *_metadata, bool mapped)
{
	void *addr;

	EXPECT_ERR(mapped ? RSMERR_SEG_ALREADY_MAPPED : RSMERR_MAP_FAILED,
		   map_im(&addr, RSM_PERM_RDWR));
	EXPECT_ERR(mapped ? RSM_SUCCESS : RSMERR_SEG_NOT_MAPPED,
		   rsm_memseg_import_unmap(im));
	EXPECT_ERR(RSMERR_SEG_NOT_MAPPED, rsm_memseg_import_unmap(im));
}

TEST_F(path, copy_maps)
{
	enum copy c;

	for (c = 0; c < NR_COPIES; c++) {
		EXPECT_OK(copy(c, im, 0, data, 1));
		expect_mapped(_metadata, variant->mapped);
	}
	EXPECT_OK(rsm_memseg_import_destroy_barrier(&barrier));
	EXPECT_ERR(RSMERR_BARRIER_UNINITIALIZED, copy(GET8, im, 0, data, 1));
	expect_mapped(_metadata, variant->mapped);
	EXPECT_OK(init_barrier());
}

/* A connection that can only write goes through the kernel everywhere. */
TEST_F(path, write_only)
{
	rsm_memseg_import_handle_t first = im;
	enum copy c;

	ASSERT_OK(connect_to(RSM_PERM_WRITE));
	ASSERT_OK(init_barrier());
	for (c = PUT8; c <= PUT; c++) {
		fill(data, page, c);
		EXPECT_OK(copy(c, im, page, data, page / copies[c].size));
		EXPECT_EQ(0, memcmp(mem + page, data, page)) {
			TH_LOG("%s", copies[c].name);
		}
	}
	EXPECT_GETS(RSMERR_PERM_DENIED, 0, data, 1);
	EXPECT_ERR(RSMERR_SEG_NOT_MAPPED, rsm_memseg_import_unmap(im));
	ASSERT_OK(rsm_memseg_export_unpublish(seg));
	EXPECT_PUTS(RSMERR_CONN_ABORTED, 0, data, 1);
	EXPECT_OK(rsm_memseg_import_set_mode(im, RSM_BARRIER_MODE_EXPLICIT));
	EXPECT_PUTS(RSMERR_CONN_ABORTED, 0, data, 1);
	EXPECT_OK(rsm_memseg_import_destroy_barrier(&barrier));
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	im = first;
	EXPECT_OK(init_barrier());
}

#ifndef RSM_REMOTE
/* As many as the kernel allows of one connection, and one too many */
#define MAPPINGS 4096

TEST_F_TIMEOUT(imp, copy_maps_when_it_can_again, 60)
{
	static void *maps[MAPPINGS];
	struct pollfd fd;
	void *addr;
	int i;

	ASSERT_OK(init_barrier());
	ASSERT_OK(rsm_memseg_get_pollfd(im, &fd));
	for (i = 0; i < MAPPINGS; i++) {
		maps[i] = mmap(NULL, page, PROT_READ, MAP_SHARED, fd.fd, 0);
		ASSERT_NE(MAP_FAILED, maps[i]);
	}
	EXPECT_ERR(RSMERR_INSUFFICIENT_RESOURCES, map_im(&addr, RSM_PERM_RDWR));
	EXPECT_ALL(0, 0, data, 1);
	EXPECT_ERR(RSMERR_SEG_NOT_MAPPED, rsm_memseg_import_unmap(im));
	for (i = 0; i < MAPPINGS; i++)
		munmap(maps[i], page);
	EXPECT_OK(copy(PUT8, im, 0, data, 1));
	expect_mapped(_metadata, true);
	EXPECT_OK(rsm_memseg_release_pollfd(im));
}

TEST_F(imp, copy_maps_read_only)
{
	rsm_memseg_import_handle_t first = im;
	void *addr;

	ASSERT_OK(connect_to(RSM_PERM_READ));
	ASSERT_OK(init_barrier());
	EXPECT_GETS(0, 0, data, 1);
	EXPECT_PUTS(RSMERR_PERM_DENIED, 0, data, 1);
	EXPECT_ERR(RSMERR_SEG_ALREADY_MAPPED, map_im(&addr, RSM_PERM_READ));
	EXPECT_OK(rsm_memseg_import_destroy_barrier(&barrier));
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	im = first;
}

TEST_F(imp, copy_in_partial_mapping)
{
	void *addr = NULL;

	ASSERT_OK(init_barrier());
	ASSERT_OK(rsm_memseg_import_map(im, &addr, RSM_MAP_NONE, RSM_PERM_RDWR,
					page, page + 8));
	/* offsets are those of the segment */
	fill(data, page, 1);
	EXPECT_OK(rsm_memseg_import_put(im, page + 16, data, page - 16));
	EXPECT_EQ(0, memcmp(mem + page + 16, data, page - 16));
	EXPECT_ALL(0, page, data, 1);
	EXPECT_ALL(0, page, data, (page + 8) / size);
	EXPECT_ALL(0, 2 * page + 8 - size, data, 1);

	EXPECT_ALL(RSMERR_BAD_OFFSET, 0, data, 1);
	EXPECT_ALL(RSMERR_BAD_OFFSET, page - size, data, 1);
	EXPECT_ALL(RSMERR_BAD_OFFSET, page - size, data, 2);
	/* what was asked for counts, not the whole page that was mapped */
	EXPECT_ALL(RSMERR_BAD_OFFSET, 2 * page + 8, data, 1);
	EXPECT_ALL(RSMERR_BAD_OFFSET, 2 * page + 8 - size, data, 2);
	EXPECT_ALL(RSMERR_BAD_OFFSET, length - size, data, 1);
	EXPECT_OK(rsm_memseg_import_unmap(im));
	EXPECT_ALL(0, 0, data, 1);
}

TEST_F(imp, copy_in_protected_mapping)
{
	static const rsm_permission_t perms[] = {
		RSM_PERM_NONE, RSM_PERM_READ, RSM_PERM_WRITE, RSM_PERM_RDWR,
	};
	rsm_permission_t perm;
	void *addr;
	size_t i;

	ASSERT_OK(init_barrier());
	for (i = 0; i < ARRAY_SIZE(perms); i++) {
		perm = perms[i];
		ASSERT_OK(map_im(&addr, perm));
		EXPECT_PUTS(perm & RSM_PERM_WRITE ? 0 : RSMERR_PERM_DENIED, 0,
			    data, 1);
		EXPECT_GETS(perm & RSM_PERM_READ ? 0 : RSMERR_PERM_DENIED, 0,
			    data, 1);
		EXPECT_OK(rsm_memseg_import_unmap(im));
	}
}

TEST_F(imp, copy_in_mapping_at_address_0)
{
	void *addr = NULL;

	ASSERT_OK(init_barrier());
	ASSERT_OK(rsm_memseg_import_map(im, &addr, RSM_MAP_FIXED, RSM_PERM_RDWR,
					0, length));
	EXPECT_EQ(NULL, addr);
	EXPECT_ALL(0, 0, data, 1);
	EXPECT_OK(rsm_memseg_import_unmap(im));
}

/* Every function on a mapped connection, when a system call is deadly */
static int child_copies_without_kernel(void *arg)
{
	int bad = 0;
	enum copy c;

	(void)arg;
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
		return 255;
	for (c = 0; c < NR_COPIES; c++)
		bad += !!copy(c, im, page, data, page / copies[c].size);
	syscall(SYS_exit, bad);
	return 255;
}

TEST_F(imp, copy_without_system_call)
{
	ASSERT_OK(init_barrier());
	EXPECT_OK(copy(GET8, im, 0, data, 1));
	EXPECT_EQ(0, rsm_in_child(child_copies_without_kernel, NULL));
}
#endif

/* fork() */

static int child_puts(void *arg)
{
	(void)arg;
	fill(data, page, 5);
	return rsm_memseg_import_put(im, page, data, page);
}

TEST_F(path, fork_before_and_after_the_mapping)
{
	EXPECT_OK(rsm_in_child(child_puts, NULL));
	fill(data, page, 5);
	EXPECT_EQ(0, memcmp(mem + page, data, page));
	memset(mem, 0, length);
	EXPECT_ALL(0, 0, data, 1);
	EXPECT_OK(rsm_in_child(child_puts, NULL));
	fill(data, page, 5);
	EXPECT_EQ(0, memcmp(mem + page, data, page));
}

static int child_puts_and_gets(void *arg)
{
	rsm_permission_t perm = *(rsm_permission_t *)arg;
	int ret = connect_to(perm);
	enum copy c;

	ret = ret ?: init_barrier();
	for (c = 0; !ret && c < NR_COPIES; c++)
		if (is_put(c) ? perm & RSM_PERM_WRITE : perm & RSM_PERM_READ)
			ret = copy(c, im, 0, data, page / copies[c].size);
	return ret;
}

/* Rights come from the access list, whose user is another. */
TEST_F(path, other_user)
{
	rsmapi_access_entry_t list[] = { { node, 0602 } };
	rsm_permission_t write = RSM_PERM_WRITE;
	rsm_permission_t both = RSM_PERM_RDWR;

	ASSERT_OK(rsm_memseg_export_republish(seg, list, 1));
	EXPECT_OK(rsm_in_child_as(RSM_NOBODY, child_puts_and_gets, &write));
	EXPECT_ERR(RSMERR_PERM_DENIED,
		   rsm_in_child_as(RSM_NOBODY, child_puts_and_gets, &both));
	EXPECT_OK(rsm_in_child(child_puts_and_gets, &both));
}

TEST_HARNESS_MAIN
