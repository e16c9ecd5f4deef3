// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every call that reaches the driver, with each place in it failing in turn
 * where the kernel allocates memory or copies from or to user space. A call
 * has its effect or none, says so with an errno that its caller may expect,
 * and leaves nothing behind. What takes something down does not fail.
 *
 * Needs a kernel that injects failures, as the debug kernel does.
 */
#include "rsm_utils.h"
#include "rsm_cgroup.h"
#include "fail_nth.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <sys/utsname.h>

#define PAGE 4096UL
#define WINDOW (2UL << 20)
#define PAGES 5
#define LENGTH (PAGES * PAGE)
#define RW (RSM_RIGHT_READ | RSM_RIGHT_WRITE)
#define PROT_RW (PROT_READ | PROT_WRITE)
#define SEGID 0x400060
#define OFFSET 64
#define POLLFDS 64

/* The last pages of a window far from all others: no page table is there. */
#define FAR ((char *)0x200000000000UL + WINDOW - 2 * PAGE)
#define FARTHER (FAR + (1UL << 40))

FIXTURE(fail_nth)
{
	struct world w;
};

FIXTURE_SETUP(fail_nth)
{
	if (access("/proc/self/fail-nth", F_OK))
		SKIP(return, "this kernel does not inject failures");
	ASSERT_OK(rsm_scene_open(&self->w.scene));
	ASSERT_OK(nth_open(&self->w.files));
	ASSERT_OK(nth_no_limit(&self->w));
	ASSERT_OK(nth_drop_capabilities());
	self->w.flags = RSM_EXPORT_ALLOW_REBIND | RSM_EXPORT_LOCK_OPS;
}

FIXTURE_TEARDOWN(fail_nth)
{
	nth_no_limit(&self->w);
	EXPECT_TRUE(rsm_scene_close(&self->w.scene));
}

#define SWEEP(...)                                                             \
	do {                                                                   \
		static const struct sequence seq = { __VA_ARGS__ };            \
									       \
		sweep(_metadata, &self->w, &seq);                              \
	} while (0)

#define ADDS(_what, _count) .adds.of[_what] = (_count)
#define ADDS_PAGES(_count)                                                     \
	.adds.of[PAGE_SETS] = 1, .adds.of[PINNED_PAGES] = (_count)
#define ENDS_PAGES(_count)                                                     \
	.adds.of[PAGE_SETS] = -1, .adds.of[PINNED_PAGES] = -(_count)

static int error_of(int result)
{
	return result < 0 ? -errno : 0;
}

static int fd_result(int fd, int *out)
{
	*out = fd;
	return fd < 0 ? fd : 0;
}

static int close_fd(struct world *w)
{
	return error_of(close(w->fd));
}

/* The node */

static int open_node(struct world *w)
{
	return fd_result(rsm_open(), &w->fd);
}

TEST_F_TIMEOUT(fail_nth, open, NTH_TIMEOUT)
{
	SWEEP(.call = open_node, .undo = close_fd, .errors = { ENOMEM, EFAULT },
	      .at_least = 3);
}

static int info(struct world *w)
{
	struct rsm_controller_info info;

	return rsm_controller_info(w->scene.fd, "test0", &info, &w->error);
}

TEST_F_TIMEOUT(fail_nth, controller_info, NTH_TIMEOUT)
{
	SWEEP(.call = info, .errors = { EFAULT }, .at_least = 3);
}

/* From here on the controller has no mappings and no locks. */
static int use_test0(struct world *w)
{
	struct rsm_controller_info info;
	int ret = rsm_controller_info(w->scene.fd, "test0", &info, NULL);

	w->scene.controller = info.out_controller;
	w->scene.node = info.out_node;
	w->flags = RSM_EXPORT_ALLOW_REBIND;
	return ret;
}

/* Exports of all kinds of memory */

static char *small_pages(size_t length)
{
	return rsm_alloc(length);
}

static char *huge_pages(size_t length)
{
	char *mem = rsm_alloc(length + WINDOW);

	mem = (char *)(((uintptr_t)mem + WINDOW - 1) & -WINDOW);
	madvise(mem, length, MADV_HUGEPAGE);
	return mem;
}

static char *hugetlb_pages(size_t length)
{
	write_text("/proc/sys/vm/nr_hugepages", "1");
	return mmap(NULL, length, PROT_RW,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
}

static char *memfd_pages(size_t length)
{
	int fd = memfd_create("rsm", MFD_CLOEXEC);
	char *mem = MAP_FAILED;

	if (!ftruncate(fd, length))
		mem = mmap(NULL, length, PROT_RW, MAP_SHARED, fd, 0);
	close(fd);
	return mem;
}

static int set_memory(struct world *w, int i, char *mem, size_t length)
{
	if (mem == MAP_FAILED)
		return -errno;
	w->length = length;
	w->mem[i] = mem;
	rsm_stamp(mem, length, i + 1);
	return 0;
}

static int small_memory(struct world *w)
{
	return set_memory(w, 0, small_pages(LENGTH), LENGTH) ?:
	       set_memory(w, 1, small_pages(LENGTH), LENGTH);
}

/* Another export, so that what all exports share is there. */
static int keep_export(struct world *w)
{
	return rsm_export_new(&w->scene, PAGE, 3, &w->exp);
}

static int create(struct world *w)
{
	return rsm_create(w->scene.fd, w->scene.controller, w->mem[0],
			  w->length, w->flags, &w->fd, &w->error);
}

/* The memory still belongs to the process, and has what it had. */
static bool has_stamp(struct world *w, bool done)
{
	(void)done;
	return rsm_stamp_check(w->mem[0], w->length, 1) < 0;
}

#define CREATES(_begin, _call, _pages, ...)                                    \
	.begin = _begin, .call = _call, .undo = close_fd,                      \
	ADDS(SEGMENTS, 1), ADDS_PAGES(_pages), .pins = (_pages),               \
	.errors = { ENOMEM, EFAULT }, .at_least = 10, __VA_ARGS__

TEST_F_TIMEOUT(fail_nth, create_first_of_node, NTH_TIMEOUT)
{
	SWEEP(CREATES(small_memory, create, PAGES, .intact = has_stamp));
}

static int begin_small(struct world *w)
{
	return keep_export(w) ?: small_memory(w);
}

static int begin_huge(struct world *w)
{
	return keep_export(w) ?: set_memory(w, 0, huge_pages(WINDOW), WINDOW);
}

static int begin_hugetlb(struct world *w)
{
	return keep_export(w) ?:
	       set_memory(w, 0, hugetlb_pages(WINDOW), WINDOW);
}

static int begin_memfd(struct world *w)
{
	return keep_export(w) ?: set_memory(w, 0, memfd_pages(LENGTH), LENGTH);
}

TEST_F_TIMEOUT(fail_nth, create, NTH_TIMEOUT)
{
	SWEEP(CREATES(begin_small, create, PAGES, .leaks = true));
}

TEST_F_TIMEOUT(fail_nth, create_huge, NTH_TIMEOUT)
{
	SWEEP(CREATES(begin_huge, create, WINDOW / PAGE, .intact = has_stamp));
}

TEST_F_TIMEOUT(fail_nth, create_hugetlb, NTH_TIMEOUT)
{
	SWEEP(CREATES(begin_hugetlb, create, WINDOW / PAGE,
		      .intact = has_stamp));
}

TEST_F_TIMEOUT(fail_nth, create_memfd, NTH_TIMEOUT)
{
	SWEEP(CREATES(begin_memfd, create, PAGES, .intact = has_stamp));
}

/* Memory that is not there: the pin has to fault it in */

static int drop_pages(struct world *w)
{
	return error_of(madvise(w->mem[0], w->length, MADV_DONTNEED));
}

static int remove_pages(struct world *w)
{
	return error_of(madvise(w->mem[0], w->length, MADV_REMOVE));
}

TEST_F_TIMEOUT(fail_nth, create_of_untouched, NTH_TIMEOUT)
{
	SWEEP(CREATES(begin_small, create, PAGES, .prepare = drop_pages));
}

TEST_F_TIMEOUT(fail_nth, create_of_untouched_huge, NTH_TIMEOUT)
{
	SWEEP(CREATES(begin_huge, create, WINDOW / PAGE,
		      .prepare = drop_pages));
}

TEST_F_TIMEOUT(fail_nth, create_of_untouched_hugetlb, NTH_TIMEOUT)
{
	SWEEP(CREATES(begin_hugetlb, create, WINDOW / PAGE,
		      .prepare = drop_pages));
}

TEST_F_TIMEOUT(fail_nth, create_of_untouched_memfd, NTH_TIMEOUT)
{
	SWEEP(CREATES(begin_memfd, create, PAGES, .prepare = remove_pages));
}

/* Pages pinned at a time, and some that come in the second turn. */
#define BATCH 512
#define MANY_PAGES (BATCH + 3)

static int begin_many(struct world *w)
{
	return keep_export(w) ?:
	       set_memory(w, 0, small_pages(MANY_PAGES * PAGE),
			  MANY_PAGES * PAGE);
}

static int drop_second_batch(struct world *w)
{
	return error_of(madvise(w->mem[0] + BATCH * PAGE,
				w->length - BATCH * PAGE, MADV_DONTNEED));
}

TEST_F_TIMEOUT(fail_nth, create_second_batch, NTH_TIMEOUT)
{
	SWEEP(CREATES(begin_many, create, MANY_PAGES,
		      .prepare = drop_second_batch));
}

/* Every second page goes: the list of runs grows two times. */
#define SCATTERED_PAGES 40

static int begin_scattered(struct world *w)
{
	char *mem = rsm_alloc(2 * SCATTERED_PAGES * PAGE);
	char *next = mem + SCATTERED_PAGES * PAGE;
	int i;

	if (mem == MAP_FAILED)
		return -errno;
	for (i = 0; i < SCATTERED_PAGES; i++) {
		mem[i * PAGE] = 1;
		next[i * PAGE] = 1;
	}
	return keep_export(w) ?: set_memory(w, 0, mem, SCATTERED_PAGES * PAGE);
}

TEST_F_TIMEOUT(fail_nth, create_scattered, NTH_TIMEOUT)
{
	SWEEP(CREATES(begin_scattered, create, SCATTERED_PAGES,
		      .intact = has_stamp));
}

/* The first one of a process, whose table of descriptors has to grow. */
static int create_in_full_table(struct world *w)
{
	int first = dup(STDERR_FILENO), last = first, ret;

	while (last < 63)
		last = dup(STDERR_FILENO);
	ret = create(w);
	close_range(first, last, 0);
	return ret;
}

TEST_F_TIMEOUT(fail_nth, threat_28_first_create_in_full_table, NTH_TIMEOUT)
{
	SWEEP(CREATES(begin_small, create_in_full_table, PAGES, .fresh = true));
}

/* Publications */

static int begin_unpublished(struct world *w)
{
	return small_memory(w) ?: create(w) ?: fd_result(w->fd, &w->exp.fd);
}

static int begin_published(struct world *w)
{
	w->exp.segid = SEGID;
	return begin_unpublished(w) ?:
	       rsm_publish(w->exp.fd, &w->exp.segid, NULL, 0, NULL);
}

/* The first @count - 1 entries are of nodes that are not there. */
static void make_acl(struct world *w, __u32 count, __u32 perm)
{
	__u32 i;

	for (i = 0; i < count; i++) {
		w->acl[i].node = w->scene.node + count - 1 - i;
		w->acl[i].perm = perm;
	}
	w->acl_count = count;
}

static int begin_acl_1(struct world *w)
{
	make_acl(w, 1, 0600);
	return begin_unpublished(w);
}

static int begin_acl_64(struct world *w)
{
	int ret = use_test0(w);

	make_acl(w, RSM_ACL_MAX, 0600);
	return ret ?: begin_unpublished(w);
}

static int publish(struct world *w)
{
	w->exp.segid = SEGID;
	return rsm_publish(w->exp.fd, &w->exp.segid, w->acl, w->acl_count,
			   &w->error);
}

static int unpublish(struct world *w)
{
	return rsm_unpublish(w->exp.fd, &w->error);
}

static bool admits(const struct world *w, __u32 perm)
{
	int fd = rsm_import(&w->scene, SEGID, perm);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool is_published(struct world *w)
{
	return admits(w, RSM_RIGHT_READ);
}

#define PUBLISHES(_begin)                                                      \
	.begin = _begin, .call = publish, .done = is_published,                \
	.undo = unpublish, .errors = { ENOMEM, EFAULT }, .late = true

TEST_F_TIMEOUT(fail_nth, publish, NTH_TIMEOUT)
{
	SWEEP(PUBLISHES(begin_unpublished), .at_least = 4);
}

TEST_F_TIMEOUT(fail_nth, publish_acl_1, NTH_TIMEOUT)
{
	SWEEP(PUBLISHES(begin_acl_1), .at_least = 6, .bad_addr = true);
}

TEST_F_TIMEOUT(fail_nth, publish_acl_64, NTH_TIMEOUT)
{
	SWEEP(PUBLISHES(begin_acl_64), .at_least = 6, .bad_addr = true);
}

static int begin_republish_1(struct world *w)
{
	make_acl(w, 1, 0400);
	return begin_published(w);
}

static int begin_republish_64(struct world *w)
{
	int ret = use_test0(w);

	make_acl(w, RSM_ACL_MAX, 0400);
	return ret ?: begin_published(w);
}

static int republish(struct world *w)
{
	return rsm_republish(w->exp.fd, w->acl, w->acl_count, &w->error);
}

static int republish_without(struct world *w)
{
	return rsm_republish(w->exp.fd, NULL, 0, &w->error);
}

static bool is_restricted(struct world *w)
{
	return !admits(w, RW);
}

/* A list holds as a whole or not at all. */
static bool may_read(struct world *w, bool done)
{
	(void)done;
	return admits(w, RSM_RIGHT_READ);
}

#define REPUBLISHES(_begin)                                                    \
	.begin = _begin, .call = republish, .done = is_restricted,             \
	.intact = may_read, .undo = republish_without,                         \
	.errors = { ENOMEM, EFAULT }, .at_least = 3, .bad_addr = true

TEST_F_TIMEOUT(fail_nth, republish_acl_1, NTH_TIMEOUT)
{
	SWEEP(REPUBLISHES(begin_republish_1));
}

TEST_F_TIMEOUT(fail_nth, republish_acl_64, NTH_TIMEOUT)
{
	SWEEP(REPUBLISHES(begin_republish_64));
}

/* Connections */

static int connect_both(struct world *w)
{
	return rsm_connect(w->scene.fd, w->scene.controller, w->scene.node,
			   w->exp.segid, RW, &w->import[0], &w->error);
}

static int disconnect(struct world *w)
{
	return error_of(close(w->import[0]));
}

static bool import_works(struct world *w, bool done)
{
	char buffer[LENGTH];

	return !done || (!rsm_get(w->import[0], buffer, 0, LENGTH, NULL) &&
			 rsm_stamp_check(buffer, LENGTH, 1) < 0);
}

#define CONNECTS(_begin, _call)                                                \
	.begin = _begin, .call = _call, .intact = import_works,                \
	.undo = disconnect, ADDS(IMPORTS, 1),                                  \
	.errors = { ENOMEM, EFAULT }, .at_least = 9

TEST_F_TIMEOUT(fail_nth, connect, NTH_TIMEOUT)
{
	SWEEP(CONNECTS(begin_published, connect_both), .leaks = true);
}

static int begin_ticket(struct world *w)
{
	return begin_published(w) ?: rsm_grant(w->exp.fd, RW, &w->other, NULL);
}

static int redeem(struct world *w)
{
	return rsm_redeem(w->other, RW, &w->import[0], &w->error);
}

TEST_F_TIMEOUT(fail_nth, connect_with_ticket, NTH_TIMEOUT)
{
	SWEEP(CONNECTS(begin_ticket, redeem));
}

static int begin_published_test0(struct world *w)
{
	return use_test0(w) ?: begin_published(w);
}

TEST_F_TIMEOUT(fail_nth, connect_test0, NTH_TIMEOUT)
{
	SWEEP(CONNECTS(begin_published_test0, connect_both));
}

static int grant(struct world *w)
{
	return rsm_grant(w->exp.fd, RW, &w->fd, &w->error);
}

TEST_F_TIMEOUT(fail_nth, grant, NTH_TIMEOUT)
{
	SWEEP(.begin = begin_published, .call = grant, .undo = close_fd,
	      ADDS(TICKETS, 1), .errors = { ENOMEM, EFAULT }, .at_least = 7);
}

static int lock(struct world *w)
{
	return rsm_lock(w->import[0], OFFSET, 0, NULL, &w->error);
}

static int connect_and_lock(struct world *w)
{
	return connect_both(w) ?: lock(w);
}

/* The export takes over, and is told what has become of the owner. */
static int inherit_lock(struct world *w)
{
	__u32 flags = 0;
	int ret = rsm_lock(w->exp.fd, OFFSET, 0, &flags, NULL);

	if (!ret && flags != RSM_LOCK_OWNER_DIED)
		ret = -EPROTO;
	return ret ?: rsm_unlock(w->exp.fd, OFFSET, NULL);
}

TEST_F_TIMEOUT(fail_nth, disconnect_owner_of_lock, NTH_TIMEOUT)
{
	SWEEP(.begin = begin_published, .prepare = connect_and_lock,
	      .call = disconnect, .undo = inherit_lock, ADDS(IMPORTS, -1));
}

/* Mappings */

static int begin_import(struct world *w)
{
	return begin_published(w) ?: connect_both(w);
}

static int map_at(const struct world *w, int i, char *addr, char **out)
{
	*out = mmap(addr, LENGTH, PROT_RW,
		    MAP_SHARED | (addr ? MAP_FIXED_NOREPLACE : 0),
		    w->import[i], 0);
	return *out == MAP_FAILED ? -errno : 0;
}

static int map_import(struct world *w)
{
	return map_at(w, 0, NULL, &w->map[0]);
}

static int unmap_import(struct world *w)
{
	return error_of(munmap(w->map[0], LENGTH));
}

static int rebind_to(const struct world *w, int i)
{
	return rsm_rebind(w->exp.fd, w->mem[i], w->length, NULL);
}

/* The mapping has memory @i, but for the second page with a @hole. */
static bool map_has(const struct world *w, int i, bool hole)
{
	size_t from = hole ? 2 * PAGE : PAGE;

	return !memcmp(w->map[0], w->mem[i], PAGE) &&
	       !memcmp(w->map[0] + from, w->mem[i] + from, LENGTH - from);
}

/* It follows a rebind, even if the driver could not take note of it. */
static bool map_follows(const struct world *w, bool hole)
{
	bool follows = map_has(w, 0, hole);

	follows &= !rebind_to(w, 1);
	follows &= map_has(w, 1, hole);
	return !rebind_to(w, 0) && follows;
}

static bool new_map_follows(struct world *w, bool done)
{
	return !done || map_follows(w, false);
}

static bool old_map_follows(struct world *w, bool done)
{
	return done || map_follows(w, false);
}

static bool whole_map_follows(struct world *w, bool done)
{
	(void)done;
	return map_follows(w, false);
}

static bool map_with_hole_follows(struct world *w, bool done)
{
	return map_follows(w, done);
}

TEST_F_TIMEOUT(fail_nth, map, NTH_TIMEOUT)
{
	SWEEP(.begin = begin_import, .call = map_import,
	      .intact = new_map_follows, .undo = unmap_import,
	      ADDS(AREAS, 1), .may_lack = 1, .errors = { ENOMEM },
	      .at_least = 2);
}

static int map_status(struct world *w)
{
	w->status = rsm_map_status(w->exp.fd);
	return w->status == MAP_FAILED ? -errno : 0;
}

static bool status_works(struct world *w, bool done)
{
	return !done || w->status->state == RSM_STATE_LIVE;
}

static int unmap_status(struct world *w)
{
	return error_of(munmap((void *)w->status, PAGE));
}

TEST_F_TIMEOUT(fail_nth, map_status, NTH_TIMEOUT)
{
	SWEEP(.begin = begin_import, .call = map_status, .intact = status_works,
	      .undo = unmap_status, .errors = { ENOMEM }, .at_least = 1);
}

TEST_F_TIMEOUT(fail_nth, unmap, NTH_TIMEOUT)
{
	SWEEP(.begin = begin_import, .prepare = map_import,
	      .call = unmap_import, .intact = old_map_follows,
	      ADDS(AREAS, -1), .errors = { ENOMEM });
}

static int unmap_hole(struct world *w)
{
	return error_of(munmap(w->map[0] + PAGE, PAGE));
}

TEST_F_TIMEOUT(fail_nth, threat_01_unmap_hole, NTH_TIMEOUT)
{
	SWEEP(.begin = begin_import, .prepare = map_import, .call = unmap_hole,
	      .intact = map_with_hole_follows, .undo = unmap_import,
	      ADDS(AREAS, 1), .may_lack = 1, .may_gain = 1,
	      .errors = { ENOMEM }, .at_least = 2);
}

static int protect_middle(struct world *w)
{
	return error_of(mprotect(w->map[0] + PAGE, PAGE, PROT_READ));
}

TEST_F_TIMEOUT(fail_nth, threat_01_protect_middle, NTH_TIMEOUT)
{
	SWEEP(.begin = begin_import, .prepare = map_import,
	      .call = protect_middle, .intact = whole_map_follows,
	      .undo = unmap_import, ADDS(AREAS, 2), .may_lack = 1,
	      .may_gain = 1, .errors = { ENOMEM }, .at_least = 2);
}

static int map_far(struct world *w)
{
	return map_at(w, 0, FAR, &w->map[0]);
}

/* The kernel may be unable to remove the old VMA, empty as it is. */
static int unmap_both(struct world *w)
{
	return error_of(munmap(FAR, LENGTH)) ?: unmap_import(w);
}

static int move_mapping(struct world *w)
{
	char *map = mremap(w->map[0], LENGTH, LENGTH,
			   MREMAP_MAYMOVE | MREMAP_FIXED, FARTHER);

	if (map == MAP_FAILED)
		return -errno;
	w->map[0] = map;
	return 0;
}

TEST_F_TIMEOUT(fail_nth, threat_03_move, NTH_TIMEOUT)
{
	SWEEP(.begin = begin_import, .prepare = map_far, .call = move_mapping,
	      .intact = whole_map_follows, .undo = unmap_both, .may_lack = 1,
	      .may_gain = 1, .errors = { ENOMEM }, .at_least = 3);
}

/* Faults: an access does not fail, it is made again */

static int touch(struct world *w)
{
	size_t i;

	for (i = 0; i < LENGTH; i += PAGE)
		*(volatile char *)(w->map[0] + i);
	return 0;
}

static int touch_to_write(struct world *w)
{
	rsm_stamp(w->map[0], LENGTH, 1);
	return 0;
}

#define FAULTS(_call)                                                          \
	.begin = begin_import, .prepare = map_far, .call = _call,              \
	.intact = whole_map_follows, .undo = unmap_import, .at_least = 3

TEST_F_TIMEOUT(fail_nth, fault, NTH_TIMEOUT)
{
	SWEEP(FAULTS(touch));
}

TEST_F_TIMEOUT(fail_nth, fault_to_write, NTH_TIMEOUT)
{
	SWEEP(FAULTS(touch_to_write));
}

static int map_aborted(struct world *w)
{
	return publish(w) ?: connect_both(w) ?: map_far(w) ?: unpublish(w);
}

static bool is_trash(struct world *w, bool done)
{
	(void)done;
	return !w->map[0][0] && !memcmp(w->map[0], w->map[0] + 1, LENGTH - 1);
}

static int unmap_and_disconnect(struct world *w)
{
	return unmap_import(w) ?: disconnect(w);
}

TEST_F_TIMEOUT(fail_nth, fault_after_abort, NTH_TIMEOUT)
{
	SWEEP(.begin = begin_unpublished, .prepare = map_aborted, .call = touch,
	      .intact = is_trash, .undo = unmap_and_disconnect, .at_least = 3);
}

static int map_status_far(struct world *w)
{
	w->status = mmap(FAR, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE,
			 w->exp.fd, RSM_STATUS_OFFSET);
	return w->status == MAP_FAILED ? -errno : 0;
}

static int touch_status(struct world *w)
{
	return w->status->state == RSM_STATE_LIVE ? 0 : -EPROTO;
}

TEST_F_TIMEOUT(fail_nth, fault_of_status, NTH_TIMEOUT)
{
	SWEEP(.begin = begin_import, .prepare = map_status_far,
	      .call = touch_status, .undo = unmap_status, .at_least = 3);
}

/* Faults on behalf of a system call, which gives up */

static int begin_command(struct world *w)
{
	const struct rsm_signal_post cmd = { .size = sizeof(cmd) };
	int ret = begin_import(w);

	if (!ret)
		memcpy(w->mem[0], &cmd, sizeof(cmd));
	return ret;
}

static int post_from_import(struct world *w)
{
	return error_of(ioctl(w->import[0], RSM_SIGNAL_POST, w->map[0]));
}

static bool export_was_told(struct world *w)
{
	return !rsm_take(w->exp.fd, 0, NULL);
}

TEST_F_TIMEOUT(fail_nth, threat_44_fault_of_a_command, NTH_TIMEOUT)
{
	SWEEP(.begin = begin_command, .prepare = map_far,
	      .call = post_from_import, .done = export_was_told,
	      .undo = unmap_import, .errors = { EFAULT }, .at_least = 4);
}

static int begin_proc_mem(struct world *w)
{
	w->other = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	return begin_import(w) ?: error_of(w->other);
}

static int read_proc_mem(struct world *w)
{
	char buffer[PAGE];
	ssize_t got = pread(w->other, buffer, PAGE, (uintptr_t)w->map[0]);

	if (got < 0)
		return -errno;
	return memcmp(buffer, w->mem[0], PAGE) ? -EPROTO : 0;
}

static int write_proc_mem(struct world *w)
{
	ssize_t got = pwrite(w->other, w->mem[1], PAGE, (uintptr_t)w->map[0]);

	return got < 0 ? -errno : 0;
}

static bool first_page_new(struct world *w)
{
	return !memcmp(w->mem[0], w->mem[1], PAGE);
}

static bool rest_is_old(struct world *w, bool done)
{
	rsm_stamp(w->mem[0], done ? PAGE : 0, 1);
	return has_stamp(w, done);
}

TEST_F_TIMEOUT(fail_nth, threat_09_read_by_proc_mem, NTH_TIMEOUT)
{
	SWEEP(.begin = begin_proc_mem, .prepare = map_far,
	      .call = read_proc_mem, .undo = unmap_import,
	      .errors = { ENOMEM, EFAULT }, .at_least = 2);
}

TEST_F_TIMEOUT(fail_nth, threat_09_write_by_proc_mem, NTH_TIMEOUT)
{
	SWEEP(.begin = begin_proc_mem, .prepare = map_far,
	      .call = write_proc_mem, .done = first_page_new,
	      .intact = rest_is_old, .undo = unmap_import,
	      .errors = { ENOMEM, EFAULT }, .at_least = 2);
}

/* Page references are never to be had. */
static int read_by_reference(struct world *w)
{
	char buffer[PAGE];
	struct iovec local = { buffer, PAGE }, remote = { w->map[0], PAGE };

	if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) >= 0)
		return -EPROTO;
	return errno == EFAULT ? 0 : -errno;
}

TEST_F_TIMEOUT(fail_nth, fault_by_reference, NTH_TIMEOUT)
{
	SWEEP(.begin = begin_import, .prepare = map_far,
	      .call = read_by_reference, .intact = whole_map_follows,
	      .undo = unmap_import, .at_least = 2);
}

/* Children of an importer */

static int begin_fork(struct world *w)
{
	return begin_import(w) ?: map_far(w) ?:
	       map_at(w, 0, FARTHER, &w->map[1]) ?: touch(w);
}

static int make_pipe(struct world *w)
{
	return error_of(pipe2(w->pipe, O_CLOEXEC));
}

/* The child looks at what it has inherited when it is told. */
static int fork_child(struct world *w)
{
	char byte;

	w->child = fork();
	if (w->child)
		return error_of(w->child);
	close(w->pipe[1]);
	if (read(w->pipe[0], &byte, 1) != 1 ||
	    rsm_stamp_check(w->map[0], LENGTH, 2) >= 0 ||
	    rsm_stamp_check(w->map[1], LENGTH, 2) >= 0)
		_exit(1);
	_exit(0);
}

static bool child_follows(struct world *w, bool done)
{
	bool follows;

	if (!done)
		return true;
	follows = !rebind_to(w, 1);
	follows &= write(w->pipe[1], "", 1) == 1;
	follows &= !rsm_wait_child(w->child);
	return !rebind_to(w, 0) && follows;
}

static int close_pipe(struct world *w)
{
	return error_of(close(w->pipe[0])) ?: error_of(close(w->pipe[1]));
}

TEST_F_TIMEOUT(fail_nth, threat_13_fork, NTH_TIMEOUT)
{
	SWEEP(.begin = begin_fork, .prepare = make_pipe, .call = fork_child,
	      .intact = child_follows, .undo = close_pipe, ADDS(AREAS, 2),
	      .may_lack = 1, .errors = { ENOMEM }, .at_least = 20,
	      .at_most = 64);
}

/* Copies by the kernel */

static int begin_import_test0(struct world *w)
{
	return use_test0(w) ?: begin_import(w);
}

/* Data comes in order, so that of @new as many bytes have come as differ. */
static bool is_prefix(const char *mem, const char *new, const char *old)
{
	size_t i = 0;

	while (i < LENGTH && mem[i] == new[i])
		i++;
	return !memcmp(mem + i, old + i, LENGTH - i);
}

static int stamp_exported(struct world *w)
{
	rsm_stamp(w->mem[0], LENGTH, 1);
	return 0;
}

static int put(struct world *w)
{
	return rsm_put(w->import[0], w->mem[1], 0, LENGTH, &w->error);
}

static bool was_put(struct world *w)
{
	return rsm_stamp_check(w->mem[0], LENGTH, 2) < 0;
}

static bool put_in_order(struct world *w, bool done)
{
	char old[LENGTH];

	(void)done;
	memset(old, 0, LENGTH);
	rsm_stamp(old, LENGTH, 1);
	return is_prefix(w->mem[0], w->mem[1], old);
}

#define PUTS(_begin, _prepare, _call, ...)                                     \
	.begin = _begin, .prepare = _prepare, .call = _call,                   \
	.done = was_put, .intact = put_in_order, .errors = { EFAULT },         \
	.late = true, .bad_addr = true, __VA_ARGS__

TEST_F_TIMEOUT(fail_nth, put, NTH_TIMEOUT)
{
	SWEEP(PUTS(begin_import, stamp_exported, put, .at_least = 4));
}

TEST_F_TIMEOUT(fail_nth, put_test0, NTH_TIMEOUT)
{
	SWEEP(PUTS(begin_import_test0, stamp_exported, put, .at_least = 4));
}

static void make_vecs(struct rsm_copy_vec *vecs, const char *mem)
{
	vecs[0] = (struct rsm_copy_vec){ (uintptr_t)mem, 0, PAGE - 8 };
	vecs[1] = (struct rsm_copy_vec){ (uintptr_t)mem + PAGE - 8, PAGE - 8,
					 2 * PAGE };
	vecs[2] = (struct rsm_copy_vec){ (uintptr_t)mem + 3 * PAGE - 8,
					 3 * PAGE - 8, 2 * PAGE + 8 };
}

static int put_vector(struct world *w)
{
	struct rsm_copy_vec vecs[3];

	make_vecs(vecs, w->mem[1]);
	return rsm_copy(w->import[0], RSM_IMPORT_PUT, vecs, 3, NULL, &w->error);
}

TEST_F_TIMEOUT(fail_nth, put_vector, NTH_TIMEOUT)
{
	SWEEP(PUTS(begin_import, stamp_exported, put_vector, .at_least = 4));
}

TEST_F_TIMEOUT(fail_nth, put_vector_test0, NTH_TIMEOUT)
{
	SWEEP(PUTS(begin_import_test0, stamp_exported, put_vector,
		   .at_least = 4));
}

/* The caller's memory has no page tables, or is not there. */
static int begin_memfd_buffer(struct world *w)
{
	w->other = memfd_create("rsm", MFD_CLOEXEC);
	return begin_import(w) ?:
	       error_of(pwrite(w->other, w->mem[1], LENGTH, 0));
}

static int map_memfd_buffer(struct world *w)
{
	w->map[0] = mmap(FAR, LENGTH, PROT_RW, MAP_SHARED | MAP_FIXED_NOREPLACE,
			 w->other, 0);
	return w->map[0] == MAP_FAILED ? -errno : stamp_exported(w);
}

static int put_untouched(struct world *w)
{
	return rsm_put(w->import[0], w->map[0], 0, LENGTH, &w->error);
}

TEST_F_TIMEOUT(fail_nth, put_from_untouched, NTH_TIMEOUT)
{
	SWEEP(PUTS(begin_memfd_buffer, map_memfd_buffer, put_untouched,
		   .undo = unmap_import, .at_least = 6));
}

static int map_buffer(struct world *w)
{
	w->map[0] = mmap(FAR, LENGTH, PROT_RW,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
			 0);
	return w->map[0] == MAP_FAILED ? -errno : 0;
}

static int map_and_touch_buffer(struct world *w)
{
	int ret = map_buffer(w);

	if (!ret)
		memset(w->map[0], 0, LENGTH);
	return ret;
}

static int get(struct world *w)
{
	return rsm_get(w->import[0], w->map[0], 0, LENGTH, &w->error);
}

static int get_vector(struct world *w)
{
	struct rsm_copy_vec vecs[3];

	make_vecs(vecs, w->map[0]);
	return rsm_copy(w->import[0], RSM_IMPORT_GET, vecs, 3, NULL, &w->error);
}

static bool was_got(struct world *w)
{
	return rsm_stamp_check(w->map[0], LENGTH, 1) < 0;
}

static bool got_in_order(struct world *w, bool done)
{
	static const char zeroes[LENGTH];

	(void)done;
	return is_prefix(w->map[0], w->mem[0], zeroes);
}

#define GETS(_begin, _prepare, _call)                                          \
	.begin = _begin, .prepare = _prepare, .call = _call,                   \
	.done = was_got, .intact = got_in_order, .undo = unmap_import,         \
	.errors = { EFAULT }, .late = true, .bad_addr = true,                  \
	.at_least = 4 + PAGES

TEST_F_TIMEOUT(fail_nth, get_to_untouched, NTH_TIMEOUT)
{
	SWEEP(GETS(begin_import, map_buffer, get));
}

TEST_F_TIMEOUT(fail_nth, get, NTH_TIMEOUT)
{
	SWEEP(GETS(begin_import, map_and_touch_buffer, get));
}

TEST_F_TIMEOUT(fail_nth, get_test0, NTH_TIMEOUT)
{
	SWEEP(GETS(begin_import_test0, map_and_touch_buffer, get));
}

TEST_F_TIMEOUT(fail_nth, get_vector, NTH_TIMEOUT)
{
	SWEEP(GETS(begin_import, map_and_touch_buffer, get_vector));
}

TEST_F_TIMEOUT(fail_nth, get_vector_test0, NTH_TIMEOUT)
{
	SWEEP(GETS(begin_import_test0, map_and_touch_buffer, get_vector));
}

static volatile __u64 *atomic_word(const struct world *w)
{
	return (__u64 *)(w->mem[0] + OFFSET);
}

static int clear_word(struct world *w)
{
	*atomic_word(w) = 0;
	return 0;
}

static int add_1(struct world *w)
{
	return rsm_atomic(w->import[0], RSM_ATOMIC_ADD, OFFSET, 0, 1, NULL,
			  &w->error);
}

static int change_0_to_1(struct world *w)
{
	return rsm_atomic(w->import[0], RSM_ATOMIC_CAS, OFFSET, 0, 1, NULL,
			  &w->error);
}

static bool word_is_1(struct world *w)
{
	return *atomic_word(w) == 1;
}

static bool word_is_valid(struct world *w, bool done)
{
	return *atomic_word(w) == done;
}

#define CHANGES_WORD(_call)                                                    \
	.begin = begin_import, .prepare = clear_word, .call = _call,           \
	.done = word_is_1, .intact = word_is_valid, .errors = { EFAULT },      \
	.late = true, .at_least = 3

TEST_F_TIMEOUT(fail_nth, atomic_add, NTH_TIMEOUT)
{
	SWEEP(CHANGES_WORD(add_1));
}

TEST_F_TIMEOUT(fail_nth, atomic_cas, NTH_TIMEOUT)
{
	SWEEP(CHANGES_WORD(change_0_to_1));
}

/* Rebinding under mappings: whole, of another import, and in part */

static int begin_rebind(struct world *w)
{
	int ret;

	w->exp.segid = SEGID;
	ret = create(w) ?: fd_result(w->fd, &w->exp.fd) ?:
	      rsm_publish(w->exp.fd, &w->exp.segid, NULL, 0, NULL) ?:
	      connect_both(w) ?: map_status(w) ?:
	      fd_result(rsm_import(&w->scene, SEGID, RSM_RIGHT_READ),
			&w->import[1]);
	if (ret)
		return ret;
	w->map[0] = rsm_map(w->import[0], w->length, PROT_RW);
	w->map[1] = rsm_map(w->import[1], w->length, PROT_READ);
	w->map[2] = mmap(NULL, PAGE, PROT_RW, MAP_SHARED, w->import[0],
			 w->length - PAGE);
	return w->map[0] == MAP_FAILED || w->map[1] == MAP_FAILED ||
	       w->map[2] == MAP_FAILED ? -errno : 0;
}

/* Every import has what is exported, memory @i. */
static bool all_have(const struct world *w, int i)
{
	char page[PAGE];

	return rsm_stamp_check(w->map[0], w->length, i + 1) < 0 &&
	       rsm_stamp_check(w->map[1], w->length, i + 1) < 0 &&
	       !memcmp(w->map[2], w->mem[i] + w->length - PAGE, PAGE) &&
	       !rsm_get(w->import[1], page, 0, PAGE, NULL) &&
	       !memcmp(page, w->mem[i], PAGE);
}

static int touch_all(struct world *w)
{
	return all_have(w, 0) ? 0 : -EPROTO;
}

static int rebind(struct world *w)
{
	return rsm_rebind(w->exp.fd, w->mem[1], w->length, &w->error);
}

/* The generation goes on by 2 with each rebind, and there are pairs of them. */
static bool was_rebound(struct world *w)
{
	return w->status->rebinds % 4 == 2;
}

static bool all_rebound(struct world *w, bool done)
{
	return all_have(w, done);
}

static int rebind_back(struct world *w)
{
	return rebind_to(w, 0);
}

#define REBINDS(_begin, _prepare, _undo, _pages)                               \
	.begin = _begin, .prepare = _prepare, .call = rebind,                  \
	.done = was_rebound, .intact = all_rebound, .undo = _undo,             \
	.pins = (_pages), .errors = { ENOMEM, EFAULT }, .at_least = 4

static int begin_rebind_small(struct world *w)
{
	return small_memory(w) ?: begin_rebind(w);
}

TEST_F_TIMEOUT(fail_nth, rebind, NTH_TIMEOUT)
{
	SWEEP(REBINDS(begin_rebind_small, touch_all, rebind_back, PAGES));
}

/* The new memory is in no page table yet. */
static int begin_rebind_memfd(struct world *w)
{
	char *mem = memfd_pages(LENGTH);

	w->other = memfd_create("rsm", MFD_CLOEXEC);
	return set_memory(w, 1, mem, LENGTH) ?:
	       error_of(pwrite(w->other, mem, LENGTH, 0)) ?:
	       error_of(munmap(mem, LENGTH)) ?:
	       set_memory(w, 0, small_pages(LENGTH), LENGTH) ?:
	       begin_rebind(w);
}

static int map_new_memory(struct world *w)
{
	w->mem[1] = mmap(FAR, LENGTH, PROT_RW, MAP_SHARED | MAP_FIXED_NOREPLACE,
			 w->other, 0);
	return w->mem[1] == MAP_FAILED ? -errno : touch_all(w);
}

static int unmap_new_memory(struct world *w)
{
	return rebind_back(w) ?: error_of(munmap(w->mem[1], LENGTH));
}

TEST_F_TIMEOUT(fail_nth, rebind_to_untouched, NTH_TIMEOUT)
{
	SWEEP(REBINDS(begin_rebind_memfd, map_new_memory, unmap_new_memory,
		      PAGES));
}

static int begin_rebind_windows(struct world *w, char *from, char *to)
{
	return set_memory(w, 0, from, WINDOW) ?:
	       set_memory(w, 1, to, WINDOW) ?: begin_rebind(w);
}

static int begin_small_to_huge(struct world *w)
{
	return begin_rebind_windows(w, small_pages(WINDOW), huge_pages(WINDOW));
}

static int begin_huge_to_small(struct world *w)
{
	return begin_rebind_windows(w, huge_pages(WINDOW), small_pages(WINDOW));
}

static int begin_small_to_hugetlb(struct world *w)
{
	return begin_rebind_windows(w, small_pages(WINDOW),
				    hugetlb_pages(WINDOW));
}

static int begin_hugetlb_to_small(struct world *w)
{
	return begin_rebind_windows(w, hugetlb_pages(WINDOW),
				    small_pages(WINDOW));
}

#define REBINDS_WINDOW(_begin)                                                 \
	REBINDS(_begin, touch_all, rebind_back, WINDOW / PAGE)

TEST_F_TIMEOUT(fail_nth, rebind_small_to_huge, NTH_TIMEOUT)
{
	SWEEP(REBINDS_WINDOW(begin_small_to_huge));
}

TEST_F_TIMEOUT(fail_nth, rebind_huge_to_small, NTH_TIMEOUT)
{
	SWEEP(REBINDS_WINDOW(begin_huge_to_small));
}

TEST_F_TIMEOUT(fail_nth, rebind_small_to_hugetlb, NTH_TIMEOUT)
{
	SWEEP(REBINDS_WINDOW(begin_small_to_hugetlb));
}

TEST_F_TIMEOUT(fail_nth, rebind_hugetlb_to_small, NTH_TIMEOUT)
{
	SWEEP(REBINDS_WINDOW(begin_hugetlb_to_small));
}

/* Signals */

static int begin_signals(struct world *w)
{
	return begin_import(w) ?: map_status(w) ?:
	       fd_result(rsm_import(&w->scene, SEGID, 0), &w->import[1]);
}

static int post_to_export(struct world *w)
{
	return rsm_post(w->import[0], 0, &w->error);
}

TEST_F_TIMEOUT(fail_nth, post_to_export, NTH_TIMEOUT)
{
	SWEEP(.begin = begin_signals, .call = post_to_export,
	      .done = export_was_told, .errors = { EFAULT }, .at_least = 1);
}

static int post_to_imports(struct world *w)
{
	return rsm_post(w->exp.fd, 0, &w->error);
}

static bool imports_were_told(struct world *w)
{
	bool first = !rsm_take(w->import[0], 0, NULL);
	bool second = !rsm_take(w->import[1], 0, NULL);

	w->agree = first == second;
	return first;
}

static bool imports_agree(struct world *w, bool done)
{
	(void)done;
	return w->agree;
}

TEST_F_TIMEOUT(fail_nth, post_to_imports, NTH_TIMEOUT)
{
	SWEEP(.begin = begin_signals, .call = post_to_imports,
	      .done = imports_were_told, .intact = imports_agree,
	      .errors = { EFAULT }, .at_least = 1);
}

static int take(struct world *w)
{
	return rsm_take(w->exp.fd, 0, &w->error);
}

static bool was_taken(struct world *w)
{
	return !w->status->signals;
}

TEST_F_TIMEOUT(fail_nth, take, NTH_TIMEOUT)
{
	SWEEP(.begin = begin_signals, .prepare = post_to_export, .call = take,
	      .done = was_taken, .errors = { EFAULT }, .at_least = 1);
}

/* A second thread goes on when the first one waits in its call */

static int start_thread(struct world *w, void *(*run)(void *arg))
{
	return -pthread_create(&w->thread, NULL, run, w);
}

static int end_thread(struct world *w)
{
	return -pthread_join(w->thread, NULL);
}

static void *post_later(void *arg)
{
	struct world *w = arg;

	if (rsm_wait_asleep(&w->tid))
		rsm_post(w->import[0], 0, NULL);
	return NULL;
}

static int start_post_later(struct world *w)
{
	return start_thread(w, post_later);
}

static int wait_and_take(struct world *w)
{
	int ret;

	__atomic_store_n(&w->tid, gettid(), __ATOMIC_RELEASE);
	ret = rsm_take(w->exp.fd, RSM_WAIT_FOREVER, &w->error);
	__atomic_store_n(&w->tid, 0, __ATOMIC_RELEASE);
	return ret;
}

TEST_F_TIMEOUT(fail_nth, wait_and_take, NTH_TIMEOUT)
{
	SWEEP(.begin = begin_signals, .prepare = start_post_later,
	      .call = wait_and_take, .undo = end_thread, .errors = { EFAULT },
	      .at_least = 1);
}

/* Locks */

static int unlock(struct world *w)
{
	return rsm_unlock(w->import[0], OFFSET, &w->error);
}

/* Who has a lock is told so. */
static bool is_locked(struct world *w)
{
	int ret = rsm_lock(w->import[0], OFFSET, 0, NULL, NULL);

	if (!ret)
		unlock(w);
	return ret == -EDEADLK;
}

TEST_F_TIMEOUT(fail_nth, lock, NTH_TIMEOUT)
{
	SWEEP(.begin = begin_import, .call = lock, .done = is_locked,
	      .undo = unlock, ADDS(MUTEXES, 1), .errors = { ENOMEM, EFAULT },
	      .at_least = 4, .late = true);
}

static bool is_unlocked(struct world *w)
{
	return !is_locked(w);
}

TEST_F_TIMEOUT(fail_nth, unlock, NTH_TIMEOUT)
{
	SWEEP(.begin = begin_import, .prepare = lock, .call = unlock,
	      .done = is_unlocked, ADDS(MUTEXES, -1), .errors = { EFAULT },
	      .at_least = 1);
}

static void *unlock_later(void *arg)
{
	struct world *w = arg;

	if (rsm_wait_asleep(&w->tid))
		rsm_unlock(w->import[1], OFFSET, NULL);
	return NULL;
}

static int lock_other(struct world *w)
{
	w->import[1] = rsm_import(&w->scene, SEGID, RW);
	return rsm_lock(w->import[1], OFFSET, 0, NULL, NULL);
}

static int start_unlock_later(struct world *w)
{
	return lock_other(w) ?: start_thread(w, unlock_later);
}

static int wait_and_lock(struct world *w)
{
	int ret;

	__atomic_store_n(&w->tid, gettid(), __ATOMIC_RELEASE);
	ret = rsm_lock(w->import[0], OFFSET, RSM_WAIT_FOREVER, &w->lock_flags,
		       &w->error);
	__atomic_store_n(&w->tid, 0, __ATOMIC_RELEASE);
	return ret;
}

static int unlock_and_disconnect(struct world *w)
{
	return unlock(w) ?: end_thread(w) ?: error_of(close(w->import[1]));
}

/* The answer, where it was not lost. */
static bool owner_lives(struct world *w, bool done)
{
	return !done || w->lock_flags == 0 || w->lock_flags == ~0U;
}

TEST_F_TIMEOUT(fail_nth, lock_after_wait, NTH_TIMEOUT)
{
	SWEEP(.begin = begin_import, .prepare = start_unlock_later,
	      .call = wait_and_lock, .done = is_locked, .intact = owner_lives,
	      .undo = unlock_and_disconnect, .errors = { ENOMEM, EFAULT },
	      .at_least = 4, .late = true);
}

static void *close_later(void *arg)
{
	struct world *w = arg;

	if (rsm_wait_asleep(&w->tid))
		close(w->import[1]);
	return NULL;
}

static int start_close_later(struct world *w)
{
	return lock_other(w) ?: start_thread(w, close_later);
}

static bool owner_died(struct world *w, bool done)
{
	return !done || w->lock_flags == RSM_LOCK_OWNER_DIED ||
	       w->lock_flags == ~0U;
}

static int unlock_and_end_thread(struct world *w)
{
	return unlock(w) ?: end_thread(w);
}

TEST_F_TIMEOUT(fail_nth, lock_after_death, NTH_TIMEOUT)
{
	SWEEP(.begin = begin_import, .prepare = start_close_later,
	      .call = wait_and_lock, .done = is_locked, .intact = owner_died,
	      .undo = unlock_and_end_thread, ADDS(IMPORTS, -1),
	      .errors = { ENOMEM, EFAULT }, .at_least = 4, .late = true);
}

/* Pollers */

static int begin_told(struct world *w)
{
	return begin_import(w) ?: post_to_export(w);
}

/* More descriptors than the kernel has room for on its stack. */
static int poll_many(struct world *w)
{
	struct pollfd fds[POLLFDS];
	int i, ret;

	for (i = 0; i < POLLFDS; i++)
		fds[i] = (struct pollfd){ w->exp.fd, POLLIN, 0 };
	ret = poll(fds, POLLFDS, -1);
	if (ret < 0)
		return -errno;
	return ret == POLLFDS ? 0 : -EPROTO;
}

TEST_F_TIMEOUT(fail_nth, poll, NTH_TIMEOUT)
{
	SWEEP(.begin = begin_told, .call = poll_many,
	      .errors = { ENOMEM, EFAULT }, .at_least = 2);
}

static int begin_epoll(struct world *w)
{
	w->other = epoll_create1(EPOLL_CLOEXEC);
	return begin_told(w) ?: error_of(w->other);
}

static int add_to_epoll(struct world *w)
{
	struct epoll_event event = { .events = EPOLLIN };

	return error_of(epoll_ctl(w->other, EPOLL_CTL_ADD, w->exp.fd, &event));
}

static bool epoll_reports(struct world *w)
{
	struct epoll_event event;

	return epoll_wait(w->other, &event, 1, 0) == 1;
}

static int remove_from_epoll(struct world *w)
{
	return error_of(epoll_ctl(w->other, EPOLL_CTL_DEL, w->exp.fd, NULL));
}

TEST_F_TIMEOUT(fail_nth, epoll, NTH_TIMEOUT)
{
	SWEEP(.begin = begin_epoll, .call = add_to_epoll, .done = epoll_reports,
	      .undo = remove_from_epoll, .errors = { ENOMEM, EFAULT },
	      .at_least = 3);
}

/* The end: but for the copy of the command nothing can fail */

static int prepare_import_end(struct world *w)
{
	return publish(w) ?: connect_both(w) ?: map_import(w) ?: touch(w) ?:
	       lock(w);
}

static bool is_unpublished(struct world *w)
{
	return !is_published(w);
}

static bool map_lasts_or_is_trash(struct world *w, bool done)
{
	return done ? is_trash(w, done) : map_follows(w, false);
}

static int inherit_lock_and_unmap(struct world *w)
{
	return inherit_lock(w) ?: unmap_and_disconnect(w);
}

TEST_F_TIMEOUT(fail_nth, unpublish, NTH_TIMEOUT)
{
	SWEEP(.begin = begin_unpublished, .prepare = prepare_import_end,
	      .call = unpublish, .done = is_unpublished,
	      .intact = map_lasts_or_is_trash, .undo = inherit_lock_and_unmap,
	      .errors = { EFAULT }, .at_least = 1);
}

static int prepare_export_end(struct world *w)
{
	return create(w) ?: fd_result(w->fd, &w->exp.fd) ?:
	       prepare_import_end(w) ?:
	       rsm_grant(w->exp.fd, RW, &w->other, NULL);
}

static int destroy(struct world *w)
{
	return rsm_destroy(w->exp.fd, &w->error);
}

static int close_export(struct world *w)
{
	return error_of(close(w->exp.fd));
}

static int close_rest(struct world *w)
{
	return error_of(close(w->other)) ?: unmap_and_disconnect(w);
}

static int close_all(struct world *w)
{
	return close_export(w) ?: close_rest(w);
}

#define ENDS_EXPORT(_call, _undo)                                              \
	.begin = small_memory, .prepare = prepare_export_end, .call = _call,   \
	.intact = map_lasts_or_is_trash, .undo = _undo,                        \
	ENDS_PAGES(PAGES), ADDS(MUTEXES, -1)

TEST_F_TIMEOUT(fail_nth, destroy, NTH_TIMEOUT)
{
	SWEEP(ENDS_EXPORT(destroy, close_all),
	      .errors = { EFAULT }, .at_least = 1);
}

TEST_F_TIMEOUT(fail_nth, close_with_imports, NTH_TIMEOUT)
{
	SWEEP(ENDS_EXPORT(close_export, close_rest));
}

TEST_F_TIMEOUT(fail_nth, close_last_of_node, NTH_TIMEOUT)
{
	SWEEP(.begin = small_memory, .prepare = create, .call = close_fd,
	      ADDS(SEGMENTS, -1), ENDS_PAGES(PAGES));
}

/* A process that has one of everything */
static int own_all(struct world *w)
{
	char byte;
	int ret;

	close(w->pipe[0]);
	ret = small_memory(w) ?: prepare_export_end(w);
	if (ret || write(w->pipe[1], "", 1) != 1)
		_exit(1);
	/* it may be this that fails */
	ret = read(w->pipe[1], &byte, 1);
	syscall(SYS_exit_group, 0);
	return ret;
}

static int start_owner(struct world *w)
{
	char path[64], byte;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, w->pipe))
		return -errno;
	w->child = fork();
	if (!w->child)
		return own_all(w);
	close(w->pipe[1]);
	if (read(w->pipe[0], &byte, 1) != 1)
		return -EPROTO;
	/* The places are the owner's, not ours. */
	snprintf(path, sizeof(path), "/proc/%d/fail-nth", w->child);
	w->other = w->files.nth;
	w->files.nth = open(path, O_RDWR | O_CLOEXEC);
	w->exp.segid = SEGID;
	return error_of(w->files.nth) ?: connect_both(w) ?: map_import(w);
}

/* The owner ends; it is kept to be asked if the place was reached. */
static int wait_for_end(struct world *w)
{
	siginfo_t info;

	return error_of(waitid(P_PID, w->child, &info, WEXITED | WNOWAIT));
}

static int let_exit(struct world *w)
{
	return write(w->pipe[0], "", 1) == 1 ? wait_for_end(w) : -errno;
}

static int kill_owner(struct world *w)
{
	return error_of(kill(w->child, SIGKILL)) ?: wait_for_end(w);
}

static int reap_owner(struct world *w)
{
	close(w->files.nth);
	w->files.nth = w->other;
	close(w->pipe[0]);
	rsm_wait_child(w->child);
	return unmap_and_disconnect(w);
}

#define ENDS_OWNER(_call)                                                      \
	.prepare = start_owner, .call = _call, .intact = is_trash,             \
	.undo = reap_owner,                                                    \
	ADDS(IMPORTS, -1), ADDS(TICKETS, -1), ADDS(AREAS, -1),                 \
	ADDS(MUTEXES, -1), ENDS_PAGES(PAGES), .foreign = true

TEST_F_TIMEOUT(fail_nth, exit, NTH_TIMEOUT)
{
	SWEEP(ENDS_OWNER(let_exit), .at_least = 1);
}

TEST_F_TIMEOUT(fail_nth, kill, NTH_TIMEOUT)
{
	SWEEP(ENDS_OWNER(kill_owner));
}

/* The module: its own places are the last ones when it is loaded */

#define LOAD_PLACES 80

FIXTURE(module)
{
	struct world w;
	char path[256];
};

FIXTURE_SETUP(module)
{
	struct utsname name;

	if (nth_open_own(&self->w.files))
		SKIP(return, "this kernel does not inject failures");
	ASSERT_OK(uname(&name));
	snprintf(self->path, sizeof(self->path),
		 "/lib/modules/%s/extra/rsmctl.ko", name.release);
	if (access(self->path, R_OK))
		SKIP(return, "the module is not where it is expected");
}

FIXTURE_TEARDOWN(module)
{
}

static int load(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int ret = error_of(syscall(SYS_finit_module, fd, "", 0));

	close(fd);
	return ret;
}

static int unload(void)
{
	int ms, ret = -EAGAIN;

	for (ms = 0; ret == -EAGAIN && ms <= RSM_QUIET_MS; ms += 10) {
		ret = error_of(syscall(SYS_delete_module, "rsmctl",
				       O_NONBLOCK));
		if (ret == -EAGAIN)
			rsm_sleep_ms(10);
	}
	return ret == -ENOENT ? 0 : ret;
}

static int load_nth(const struct world *w, const char *path, unsigned int nth,
		    bool *reached)
{
	int ret;

	nth_begin(w, nth);
	ret = load(path);
	*reached = nth_end(w);
	return ret;
}

static unsigned int count_places(const struct world *w, const char *path)
{
	const unsigned int many = 1000000;

	nth_begin(w, many);
	return load(path) ? 0 : many - nth_left(w);
}

TEST_F_TIMEOUT(module, load, NTH_TIMEOUT)
{
	unsigned int places, nth, refused = 0;
	bool reached = true;
	int ret;

	ASSERT_OK(nth_start_pass(&nth_passes[0]));
	ASSERT_OK(unload());
	places = count_places(&self->w, self->path);
	ASSERT_LT(LOAD_PLACES, places);
	for (nth = places - LOAD_PLACES; reached; nth++) {
		ASSERT_OK(unload());
		ret = load_nth(&self->w, self->path, nth, &reached);
		if (!ret)
			continue;
		refused++;
		EXPECT_EQ(-ENOMEM, ret);
		EXPECT_NE(0, access("/sys/module/rsmctl", F_OK));
		EXPECT_NE(0, access("/sys/class/misc/rsmctl", F_OK));
		ASSERT_OK(load(self->path));
	}
	TH_LOG("%u places; the last %u were tried, %u refused", places,
	       LOAD_PLACES, refused);
	EXPECT_LE(20, refused);
	EXPECT_LE(0, rsm_open());
}

static void restore(void)
{
	nth_restore();
	rsm_cgroup_remove(NTH_CGROUP);
}

/* The settings are those of the whole kernel, so they are changed once. */
int main(int argc, char **argv)
{
	if (!nth_setup())
		atexit(restore);
	rsm_cgroup_make(NTH_CGROUP, 1L << 30);
	return test_harness_run(argc, argv);
}
