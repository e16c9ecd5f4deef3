// SPDX-License-Identifier: GPL-2.0-only
/*
 * libusrsm: what rsm_porting(7) says to differ from Solaris, in its order, as
 * far as no other suite is about it. Comments there name the test of each entry.
 */
#include "lib_utils.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/time.h>

static int set_explicit(void)
{
	return rsm_memseg_import_set_mode(im, RSM_BARRIER_MODE_EXPLICIT);
}

/* All functions */

#define FAR (4UL << 30)
#define HUGE_PAGE (2UL << 20)

/* FAR bytes that are one huge page again and again, and PAGES pages more */
static char *alloc_far(struct __test_metadata *_metadata)
{
	char *start = (char *)(1UL << 44);
	int fd = memfd_create("rsm", MFD_CLOEXEC | MFD_HUGETLB);
	char *addr;

	ASSERT_OK(ftruncate(fd, HUGE_PAGE));
	for (addr = start; addr < start + FAR; addr += HUGE_PAGE)
		ASSERT_EQ(addr, mmap(addr, HUGE_PAGE, PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0));
	close(fd);
	ASSERT_EQ(addr, mmap(addr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			     MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
	return start;
}

static int put_far(uint64_t word)
{
	return set_explicit() ?:
	       rsm_memseg_import_put64(im, FAR + page, &word, 1);
}

/* Through a mapping of all of it, through one of its end, and the kernel */
static void use_far(struct __test_metadata *_metadata, const char *end)
{
	const uint64_t *word = (const uint64_t *)(end + page);
	void *addr = NULL;

	ASSERT_OK(connect_to(RSM_PERM_RDWR));
	EXPECT_OK(put_far(1));
	EXPECT_EQ(1, *word);
	ASSERT_OK(rsm_memseg_import_unmap(im));
	ASSERT_OK(rsm_memseg_import_map(im, &addr, RSM_MAP_NONE, RSM_PERM_READ,
					FAR + page, page));
	EXPECT_EQ(1, *(uint64_t *)addr);
	ASSERT_OK(rsm_memseg_import_unmap(im));
	ASSERT_OK(rsm_memseg_import_disconnect(im));
	ASSERT_OK(connect_to(RSM_PERM_WRITE));
	EXPECT_OK(put_far(2));
	EXPECT_EQ(2, *word);
	ASSERT_OK(rsm_memseg_import_disconnect(im));
}

/* Set how many huge pages there are. */
static void huge_pages(int count)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", count);
	rsm_file_write("/proc/sys/vm/nr_hugepages", text);
}

TEST_F(lib, lengths_and_offsets_from_2_gib_on)
{
	char *far;
	long max;

	huge_pages(1);
	far = alloc_far(_metadata);
	max = rsm_param("max_exported_memory", 0);
	EXPECT_OK(rsm_memseg_export_create(ctl, &seg, far, FAR + length,
					   RSM_ALLOW_REBIND));
	rsm_param("max_exported_memory", max);
	ASSERT_OK(rsm_memseg_export_publish(seg, &id, NULL, 0));
	use_far(_metadata, far + FAR);
	EXPECT_ERR(RSMERR_BAD_LENGTH,
		   rsm_memseg_export_rebind(seg, far, 0, 2 * FAR + length));
	EXPECT_OK(rsm_memseg_export_destroy(seg));
	munmap(far, FAR + length);
	huge_pages(0);
}

static volatile sig_atomic_t interruptions;

static void on_signal(int signal)
{
	interruptions += signal == SIGALRM;
}

/* What Solaris lets be interrupted, but for waits */
static void use_once(struct __test_metadata *_metadata)
{
	id = SEGID;
	ASSERT_OK(create(RSM_ALLOW_REBIND));
	EXPECT_OK(rsm_memseg_export_rebind(seg, other, 0, length));
	EXPECT_OK(publish_id(id));
	ASSERT_OK(connect_to(RSM_PERM_RDWR));
	EXPECT_OK(rsm_memseg_export_unpublish(seg));
	EXPECT_ERR(RSMERR_CONN_ABORTED, rsm_intr_signal_post(im, 0));
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	EXPECT_OK(rsm_memseg_export_destroy(seg));
}

TEST_F(lib, signals_interrupt_nothing_but_waits)
{
	struct itimerval often = { { 0, 1000 }, { 0, 1000 } };
	struct itimerval never = { 0 };

	ASSERT_NE(SIG_ERR, signal(SIGALRM, on_signal));
	ASSERT_OK(setitimer(ITIMER_REAL, &often, NULL));
	while (interruptions < 200)
		use_once(_metadata);
	ASSERT_OK(setitimer(ITIMER_REAL, &never, NULL));
}

/* The library has the device open meanwhile, and may have the lowest one. */
TEST_F(lib, descriptor_is_among_the_lowest)
{
	int lowest = dup(STDERR_FILENO);
	struct pollfd fd;

	close(lowest);
	ASSERT_OK(create(0));
	ASSERT_OK(rsm_memseg_get_pollfd(seg, &fd));
	EXPECT_GE(lowest + 1, fd.fd);
	EXPECT_OK(rsm_memseg_release_pollfd(seg));
	EXPECT_OK(rsm_memseg_export_destroy(seg));
}

/* rsm_release_controller() */

TEST_F(imp, connections_of_a_released_controller)
{
	void *addr;

	ASSERT_OK(rsm_release_controller(ctl));
	EXPECT_OK(map_im(&addr, RSM_PERM_RDWR));
	EXPECT_EQ(-1, rsm_stamp_check(addr, length, 1));
	EXPECT_OK(rsm_memseg_import_unmap(im));
	EXPECT_OK(rsm_intr_signal_post(im, 0));
	EXPECT_OK(rsm_intr_signal_wait(seg, 0));
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	ASSERT_OK(rsm_get_controller("loopback", &ctl));
	/* for the fixture */
	ASSERT_OK(connect_to(RSM_PERM_RDWR));
}

/* rsm_memseg_export_create() */

TEST_F(imp, memory_is_unmapped_or_its_protection_changed)
{
	void *addr;

	ASSERT_OK(map_im(&addr, RSM_PERM_RDWR));
	ASSERT_OK(mprotect(mem, page, PROT_NONE));
	ASSERT_OK(mprotect(mem + page, page, PROT_READ));
	EXPECT_EQ(-1, rsm_stamp_check(addr, length, 1));
	rsm_stamp(addr, length, 3);
	ASSERT_OK(mprotect(mem, page, PROT_READ));
	EXPECT_EQ(-1, rsm_stamp_check(mem, length, 3));

	ASSERT_OK(madvise(mem, length, MADV_DONTNEED));
	EXPECT_TRUE(rsm_is_zero(mem, length));
	EXPECT_EQ(-1, rsm_stamp_check(addr, length, 3));
	ASSERT_OK(munmap(mem, length));
	EXPECT_EQ(-1, rsm_stamp_check(addr, length, 3));
	EXPECT_OK(rsm_memseg_import_unmap(im));
}

/* rsm_memseg_export_rebind() */

static int child_rebinds_to_present(void *limit)
{
	struct rlimit memlock = { (size_t)limit, (size_t)limit };
	int ret;

	if (setrlimit(RLIMIT_MEMLOCK, &memlock) || create(RSM_ALLOW_REBIND))
		return 255;
	ret = rsm_memseg_export_rebind(seg, mem, 0, length);
	rsm_memseg_export_destroy(seg);
	return ret;
}

TEST_F(lib, present_address_counts_twice)
{
	void *twice = (void *)(2 * length);
	void *less = twice - page;

	EXPECT_ERR(RSMERR_INSUFFICIENT_MEM,
		   rsm_in_child_as(RSM_NOBODY, child_rebinds_to_present, less));
	EXPECT_OK(rsm_in_child_as(RSM_NOBODY, child_rebinds_to_present, twice));
}

/* rsm_memseg_import_map() */

TEST_F(imp, one_page_again_and_again_after_an_abort)
{
	volatile char *map;
	void *addr;
	size_t i;

	ASSERT_OK(map_im(&addr, RSM_PERM_RDWR));
	map = addr;
	ASSERT_OK(rsm_memseg_export_unpublish(seg));
	for (i = 0; i < PAGES; i++) {
		map[i * page + 7] = 'a' + i;
		EXPECT_EQ('a' + (char)i, map[7]);
		EXPECT_EQ('a' + (char)i, map[length - page + 7]);
	}
	EXPECT_EQ(-1, rsm_stamp_check(mem, length, 1));
	EXPECT_OK(rsm_memseg_import_unmap(im));
}

/* rsm_memseg_import_get(), rsm_memseg_import_put(), and those for 8 to 64 */

TEST_F(path, last_barrier_counts_in_implicit_mode)
{
	rsmapi_barrier_t last;
	uint64_t word = 1;

	ASSERT_OK(rsm_memseg_import_init_barrier(im, RSM_BAR_DEFAULT, &last));
	EXPECT_OK(rsm_memseg_import_destroy_barrier(&barrier));
	EXPECT_OK(rsm_memseg_import_put64(im, 0, &word, 1));
	EXPECT_OK(rsm_memseg_import_destroy_barrier(&last));
	EXPECT_ERR(RSMERR_BARRIER_UNINITIALIZED,
		   rsm_memseg_import_put64(im, 0, &word, 1));
	/* for the fixture */
	ASSERT_OK(init_barrier());
}

static int child_puts(void *from)
{
	return rsm_memseg_import_put(im, 0, from, 1);
}

TEST_F(imp, memory_of_the_caller_that_is_not_there)
{
	rsm_memseg_import_handle_t first = im;
	char *hole = half(-1) + page;

	ASSERT_OK(set_explicit());
	EXPECT_EQ(-SIGSEGV, rsm_in_child(child_puts, hole));
	ASSERT_OK(connect_to(RSM_PERM_WRITE));
	ASSERT_OK(set_explicit());
	EXPECT_ERR(RSMERR_BAD_ADDR, rsm_memseg_import_put(im, 0, hole, 1));
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	im = first;
}

/* More than the segment has; 32 bits of the count are one. */
TEST_F(path, more_than_4294967295_elements)
{
	ulong_t count = (1UL << 32) + 1;
	uint64_t words[2] = { 0 };

	EXPECT_ERR(RSMERR_BAD_OFFSET,
		   rsm_memseg_import_put8(im, 0, (uint8_t *)words, count));
	EXPECT_ERR(RSMERR_BAD_OFFSET,
		   rsm_memseg_import_get64(im, 0, words, count));
	EXPECT_EQ(-1, rsm_stamp_check(mem, length, 1));
}

/* rsm_create_localmemory_handle(), rsm_free_localmemory_handle() */

TEST_F(path, address_is_no_handle_of_local_memory)
{
	rsm_iovec_t vec = {
		.io_type = RSM_HANDLE_TYPE,
		.local.handle = (rsm_localmemory_handle_t)other,
		.transfer_length = 8,
	};
	rsm_localmemory_handle_t handle;

	ASSERT_OK(rsm_create_localmemory_handle(ctl, &handle, other, page));
	EXPECT_ERR(RSMERR_BAD_LOCALMEM_HNDL,
		   one_vec(rsm_memseg_import_putv, &vec, 0));
	EXPECT_ERR(RSMERR_BAD_LOCALMEM_HNDL,
		   rsm_free_localmemory_handle(ctl, vec.local.handle));
	EXPECT_OK(rsm_free_localmemory_handle(ctl, handle));
}

TEST_F(lib, what_handles_of_local_memory_take)
{
	rsm_localmemory_handle_t handles[1000];
	struct rsm_stats now;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(handles); i++)
		ASSERT_OK(rsm_create_localmemory_handle(ctl, &handles[i], other,
							page));
	rsm_stats_read(&now);
	EXPECT_EQ(0, memcmp(&before, &now, sizeof(now)));
	EXPECT_EQ(descriptors, count_descriptors());
	for (i = 0; i < ARRAY_SIZE(handles); i++)
		EXPECT_OK(rsm_free_localmemory_handle(ctl, handles[i]));
}

/* Barriers */

TEST_F(path, copy_of_an_open_barrier_is_not_open)
{
	rsmapi_barrier_t copy;

	ASSERT_OK(rsm_memseg_import_open_barrier(&barrier));
	copy = barrier;
	EXPECT_ERR(RSMERR_BARRIER_NOT_OPENED,
		   rsm_memseg_import_close_barrier(&copy));
	EXPECT_OK(rsm_memseg_import_close_barrier(&barrier));
}

TEST_F(path, gnum_is_not_used)
{
	EXPECT_OK(rsm_memseg_import_open_barrier(&barrier));
	barrier.gnum++;
	EXPECT_OK(rsm_memseg_import_close_barrier(&barrier));
	EXPECT_OK(rsm_memseg_import_open_barrier(&barrier));
	ASSERT_OK(rsm_memseg_export_unpublish(seg));
	barrier.gnum++;
	EXPECT_ERR(RSMERR_CONN_ABORTED,
		   rsm_memseg_import_close_barrier(&barrier));
}

/* rsm_intr_signal_post() */

/* When the other side of @pipe is closed */
static int child_posts(void *pipe)
{
	char byte;

	close(((int *)pipe)[1]);
	return read(((int *)pipe)[0], &byte, 1) ? 255 :
			rsm_intr_signal_post(seg, 0);
}

TEST_F(seg, post_to_a_segment_that_has_ended)
{
	int fds[2];
	pid_t child;

	ASSERT_OK(pipe(fds));
	child = rsm_start_child(child_posts, fds);
	EXPECT_OK(rsm_memseg_export_destroy(seg));
	close(fds[0]);
	close(fds[1]);
	EXPECT_ERR(RSMERR_CONN_ABORTED, rsm_wait_child(child));
	/* for the fixture */
	ASSERT_OK(create(0));
}

/* rsm_memseg_get_pollfd() */

/* Whether select() and epoll_wait() say that there is something to read */
static int is_readable(int fd, int epoll)
{
	struct timeval none = { 0 };
	struct epoll_event event;
	fd_set fds;

	FD_ZERO(&fds);
	FD_SET(fd, &fds);
	return select(fd + 1, &fds, NULL, NULL, &none) +
	       epoll_wait(epoll, &event, 1, 0);
}

TEST_F(path, select_and_epoll_take_no_signal)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct pollfd fd;

	ASSERT_OK(rsm_memseg_get_pollfd(seg, &fd));
	ASSERT_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd.fd, &event));
	EXPECT_EQ(0, is_readable(fd.fd, epoll));
	EXPECT_OK(rsm_intr_signal_post(im, 0));
	EXPECT_EQ(2, is_readable(fd.fd, epoll));
	EXPECT_EQ(2, is_readable(fd.fd, epoll));
	EXPECT_OK(rsm_intr_signal_wait(seg, 0));
	EXPECT_EQ(0, is_readable(fd.fd, epoll));
	EXPECT_OK(rsm_memseg_release_pollfd(seg));
	close(epoll);
}

TEST_HARNESS_MAIN
