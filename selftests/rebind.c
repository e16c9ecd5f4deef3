// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rebinding: importers go on with other memory at the addresses that they
 * have, or nothing changes at all.
 */
#include "rsm_utils.h"
#include "../kernel/rsm_test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/shm.h>

#define PAGE 4096UL
#define LENGTH (5 * PAGE)
#define WINDOW (2UL << 20)

/* Networks that are emulated are slow. */
#ifdef RSM_REMOTE
#define MUCH_MAX (128UL << 20)
#else
#define MUCH_MAX (512UL << 20)
#endif

#define RW (RSM_RIGHT_READ | RSM_RIGHT_WRITE)
#define PROT_RW (PROT_READ | PROT_WRITE)
#define SEGID 0x400020

#define KERNEL_ADDR ((char *)0xffff888000000000UL)

FIXTURE(rebind)
{
	struct rsm_scene scene;
	struct rsm_export exp;
	char *map;
	char *next;
};

FIXTURE_SETUP(rebind)
{
	ASSERT_OK(rsm_scene_open(&self->scene));
	ASSERT_OK(rsm_export_new(&self->scene, LENGTH, 1, &self->exp));
	self->map = rsm_import_view(&self->scene, self->exp.segid, LENGTH);
	ASSERT_NE(MAP_FAILED, self->map);
	self->next = rsm_alloc(LENGTH);
	ASSERT_NE(MAP_FAILED, self->next);
	rsm_stamp(self->next, LENGTH, 2);
}

FIXTURE_TEARDOWN(rebind)
{
	EXPECT_TRUE(rsm_scene_close(&self->scene));
}

typedef FIXTURE_DATA(rebind) rebind_self;

static int rebind_next(const rebind_self *self)
{
	return rsm_rebind(self->exp.fd, self->next, LENGTH, NULL);
}

#ifndef RSM_REMOTE
static long minor_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

/* As long as nobody else has the lock of its address space. */
TEST_F(rebind, small_segments_are_there_without_a_fault)
{
	long faults;

	EXPECT_EQ(-1, rsm_stamp_check(rsm_look(self->map), LENGTH, 1));
	EXPECT_LE(0, minor_faults());
	ASSERT_OK(rebind_next(self));
	/* It comes some milliseconds later; what has come is waited for. */
	rsm_sleep_ms(200);
	ASSERT_OK(ioctl(self->scene.fd, RSM_TEST_FLUSH));
	faults = minor_faults();
	EXPECT_EQ(-1, rsm_stamp_check(rsm_look(self->map), LENGTH, 2));
	EXPECT_EQ(faults, minor_faults());
}
#endif

/* What is refused, and in which order */

TEST_F(rebind, not_allowed)
{
	int fd;

	ASSERT_OK(rsm_create(self->scene.fd, self->scene.controller,
			     self->exp.mem, LENGTH, 0, &fd, NULL));
	EXPECT_FAIL(EPERM, RSM_ERR_REBIND_NOT_ALLOWED,
		    rsm_rebind(fd, self->next, LENGTH, &error));
	/* before the address, the length and the state */
	EXPECT_FAIL(EPERM, RSM_ERR_REBIND_NOT_ALLOWED,
		    rsm_rebind(fd, NULL, 1, &error));
	ASSERT_OK(rsm_destroy(fd, NULL));
	EXPECT_FAIL(EPERM, RSM_ERR_REBIND_NOT_ALLOWED,
		    rsm_rebind(fd, self->next, LENGTH, &error));
}

struct child_call {
	int fd;
	char *vaddr;
	__u64 length;
	int ret;
	__u32 error;
};

static int rebind_in_child(void *arg)
{
	struct child_call *call = arg;

	call->ret = rsm_rebind(call->fd, call->vaddr, call->length,
			       &call->error);
	return 0;
}

TEST_F(rebind, threat_15_not_creator)
{
	struct child_call *call = mmap(NULL, PAGE, PROT_RW,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd;

	ASSERT_NE(MAP_FAILED, call);
	call->fd = self->exp.fd;
	call->vaddr = self->next;
	call->length = LENGTH;
	EXPECT_OK(rsm_in_child(rebind_in_child, call));
	EXPECT_EQ(-EPERM, call->ret);
	EXPECT_EQ(RSM_ERR_NOT_CREATOR, call->error);
	EXPECT_EQ(-1, rsm_stamp_check(rsm_look(self->map), LENGTH, 1));
	/* before the address and the length */
	call->vaddr = NULL;
	call->length = 1;
	EXPECT_OK(rsm_in_child(rebind_in_child, call));
	EXPECT_EQ(RSM_ERR_NOT_CREATOR, call->error);
	/* after the permission to rebind */
	ASSERT_OK(rsm_create(self->scene.fd, self->scene.controller,
			     self->exp.mem, LENGTH, 0, &fd, NULL));
	call->fd = fd;
	EXPECT_OK(rsm_in_child(rebind_in_child, call));
	EXPECT_EQ(RSM_ERR_REBIND_NOT_ALLOWED, call->error);
}

TEST_F(rebind, null_is_before_the_length)
{
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    rsm_rebind(self->exp.fd, NULL, 1, &error));
}

TEST_F(rebind, length_is_before_the_address)
{
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_LENGTH,
		    rsm_rebind(self->exp.fd, self->next + 1, LENGTH - PAGE,
			       &error));
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_LENGTH,
		    rsm_rebind(self->exp.fd, KERNEL_ADDR, 0, &error));
}

TEST_F(rebind, after_the_end)
{
	ASSERT_OK(rsm_destroy(self->exp.fd, NULL));
	EXPECT_FAIL(ENODEV, RSM_ERR_BAD_SEG_HNDL,
		    rsm_rebind(self->exp.fd, self->next, LENGTH, &error));
	/* before the alignment, after null and the length */
	EXPECT_FAIL(ENODEV, RSM_ERR_BAD_SEG_HNDL,
		    rsm_rebind(self->exp.fd, self->next + 1, LENGTH, &error));
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    rsm_rebind(self->exp.fd, NULL, LENGTH, &error));
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_LENGTH,
		    rsm_rebind(self->exp.fd, self->next, PAGE, &error));
}

/* A rebind that fails leaves all as it was. */

FIXTURE(failure)
{
	rebind_self rebind;
};

FIXTURE_VARIANT(failure)
{
	char *(*vaddr)(const rebind_self *self);
	long longer;
	int err;
	__u32 error;
	bool limited;
};

static char *next_as_it_is(const rebind_self *self)
{
	return self->next;
}

static char *next_null(const rebind_self *self)
{
	(void)self;
	return NULL;
}

static char *next_misaligned(const rebind_self *self)
{
	return self->next + 8;
}

static char *next_kernel(const rebind_self *self)
{
	(void)self;
	return KERNEL_ADDR;
}

static char *next_wraps(const rebind_self *self)
{
	(void)self;
	return (char *)-PAGE;
}

static char *next_hole(const rebind_self *self)
{
	munmap(self->next + 3 * PAGE, PAGE);
	return self->next;
}

static char *next_unmapped(const rebind_self *self)
{
	munmap(self->next, LENGTH);
	return self->next;
}

static char *next_read_only(const rebind_self *self)
{
	mprotect(self->next + 4 * PAGE, PAGE, PROT_READ);
	return self->next;
}

static char *next_none(const rebind_self *self)
{
	mprotect(self->next, LENGTH, PROT_NONE);
	return self->next;
}

#define FAILURE(_vaddr, _longer, _err, _error, _limited)                       \
	{                                                                      \
		.vaddr = next_##_vaddr, .longer = _longer, .err = _err,        \
		.error = RSM_ERR_##_error, .limited = _limited,                \
	}

FIXTURE_VARIANT_ADD(failure, null)
	FAILURE(null, 0, EFAULT, BAD_ADDR, false);
FIXTURE_VARIANT_ADD(failure, zero_length)
	FAILURE(as_it_is, -(long)LENGTH, EINVAL, BAD_LENGTH, false);
FIXTURE_VARIANT_ADD(failure, shorter)
	FAILURE(as_it_is, -(long)PAGE, EINVAL, BAD_LENGTH, false);
FIXTURE_VARIANT_ADD(failure, longer)
	FAILURE(as_it_is, PAGE, EINVAL, BAD_LENGTH, false);
FIXTURE_VARIANT_ADD(failure, odd_length)
	FAILURE(as_it_is, 1, EINVAL, BAD_LENGTH, false);
FIXTURE_VARIANT_ADD(failure, huge_length)
	FAILURE(as_it_is, INT64_MAX, EINVAL, BAD_LENGTH, false);
FIXTURE_VARIANT_ADD(failure, misaligned)
	FAILURE(misaligned, 0, EFAULT, BAD_ADDR, false);
FIXTURE_VARIANT_ADD(failure, wraps)
	FAILURE(wraps, 0, EFAULT, BAD_ADDR, false);
FIXTURE_VARIANT_ADD(failure, kernel)
	FAILURE(kernel, 0, EFAULT, BAD_ADDR, false);
FIXTURE_VARIANT_ADD(failure, hole)
	FAILURE(hole, 0, EFAULT, BAD_ADDR, false);
FIXTURE_VARIANT_ADD(failure, unmapped)
	FAILURE(unmapped, 0, EFAULT, BAD_ADDR, false);
FIXTURE_VARIANT_ADD(failure, read_only)
	FAILURE(read_only, 0, EACCES, PERM_DENIED, false);
FIXTURE_VARIANT_ADD(failure, none)
	FAILURE(none, 0, EACCES, PERM_DENIED, false);
FIXTURE_VARIANT_ADD(failure, limit)
	FAILURE(as_it_is, 0, ENOMEM, INSUFFICIENT_MEM, true);
/* the limit is before the memory, and the alignment before the limit */
FIXTURE_VARIANT_ADD(failure, limit_hole)
	FAILURE(hole, 0, ENOMEM, INSUFFICIENT_MEM, true);
FIXTURE_VARIANT_ADD(failure, limit_misaligned)
	FAILURE(misaligned, 0, EFAULT, BAD_ADDR, true);

#ifndef RSM_REMOTE
static char *next_import(const rebind_self *self)
{
	return self->map;
}

static char *next_half_import(const rebind_self *self)
{
	return mremap(self->map, LENGTH, PAGE, 0) == MAP_FAILED ? NULL :
	       mremap(self->map, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		      self->next + 4 * PAGE) - 4 * PAGE;
}

FIXTURE_VARIANT_ADD(failure, own_import)
	FAILURE(import, 0, EFAULT, BAD_ADDR, false);

TEST_F(rebind, memory_with_an_import_in_it)
{
	char *vaddr = next_half_import(self);

	ASSERT_NE(NULL, vaddr);
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    rsm_rebind(self->exp.fd, vaddr, LENGTH, &error));
	EXPECT_EQ(1L << 32, *(volatile long *)(vaddr + 4 * PAGE));
}
#endif

FIXTURE_SETUP(failure)
{
	rebind_setup(_metadata, &self->rebind, NULL);
}

FIXTURE_TEARDOWN(failure)
{
	EXPECT_TRUE(rsm_scene_close(&self->rebind.scene));
}

/* No memory may be locked, for this user, who has lost the exemption. */
static void lose_privilege(struct __test_metadata *_metadata)
{
	struct rlimit none = { 0, 0 };

	ASSERT_OK(setrlimit(RLIMIT_MEMLOCK, &none));
	ASSERT_OK(setresuid(RSM_NOBODY, RSM_NOBODY, 0));
}

TEST_F(failure, changes_nothing)
{
	const rebind_self *rebind = &self->rebind;
	const volatile struct rsm_status *status;
	struct rsm_stats before, after;
	long vm_pin = rsm_vm_pin();
	char *vaddr, *map;

	status = rsm_map_status(rebind->exp.fd);
	ASSERT_NE(MAP_FAILED, (const void *)status);
	EXPECT_EQ(-1, rsm_stamp_check(rsm_look(rebind->map), LENGTH, 1));
	/* last, as nothing must be mapped into the hole that it may make */
	vaddr = variant->vaddr(rebind);
	rsm_stats_read(&before);
	if (variant->limited)
		lose_privilege(_metadata);
	EXPECT_FAIL(variant->err, variant->error,
		    rsm_rebind(rebind->exp.fd, vaddr, LENGTH + variant->longer,
			       &error));
	if (variant->limited)
		ASSERT_OK(setresuid(0, 0, 0));
	rsm_stats_read(&after);
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	EXPECT_EQ(vm_pin, rsm_vm_pin());
	EXPECT_EQ(0, status->rebinds);
	EXPECT_EQ(RSM_STATE_LIVE, status->state);
	/* the old binding works, for old mappings and for new ones */
	EXPECT_EQ(-1, rsm_stamp_check(rsm_look(rebind->map), LENGTH, 1));
	rebind->exp.mem[16] = 77;
	EXPECT_EQ(77, rsm_look(rebind->map)[16]);
	map = rsm_import_view(&rebind->scene, rebind->exp.segid, LENGTH);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(77, rsm_look(map)[16]);
	/* and so does the next rebind */
	EXPECT_OK(rsm_rebind(rebind->exp.fd, rebind->exp.mem, LENGTH, NULL));
	EXPECT_EQ(2, status->rebinds);
}

/* Limits: old and new pages are charged while it runs. */

/* What a child needs: expectations work there as well. */
struct job {
	struct __test_metadata *metadata;
	const struct rsm_scene *scene;
};

static int make_limited(const struct rsm_scene *scene, rlim_t bytes,
			struct rsm_export *exp)
{
	struct rlimit limit = { bytes, bytes };
	int ret = setrlimit(RLIMIT_MEMLOCK, &limit);

	return ret ?: rsm_export_new(scene, LENGTH, 1, exp);
}

static int rebind_within_limit(void *arg)
{
	const struct job *job = arg;
	struct __test_metadata *_metadata = job->metadata;
	char *next = rsm_alloc(LENGTH);
	char *hole = rsm_alloc(LENGTH);
	char *read_only = rsm_alloc(LENGTH);
	struct rsm_export exp = { .fd = -1 };
	int i;

	munmap(hole + 4 * PAGE, PAGE);
	mprotect(read_only, LENGTH, PROT_READ);
	EXPECT_OK(make_limited(job->scene, 2 * LENGTH, &exp));
	for (i = 0; i < 200; i++) {
		EXPECT_OK(rsm_rebind(exp.fd, i % 2 ? exp.mem : next, LENGTH,
				     NULL));
		EXPECT_EQ(-EFAULT, rsm_rebind(exp.fd, hole, LENGTH, NULL));
		EXPECT_EQ(-EACCES, rsm_rebind(exp.fd, read_only, LENGTH, NULL));
		EXPECT_EQ(-EINVAL, rsm_rebind(exp.fd, next, PAGE, NULL));
		EXPECT_EQ(-EFAULT, rsm_rebind(exp.fd, next + 1, LENGTH, NULL));
	}
	EXPECT_EQ(5, rsm_vm_pin());
	return 0;
}

TEST_F(rebind, threat_57_within_the_limit)
{
	struct job job = { _metadata, &self->scene };

	EXPECT_OK(rsm_in_child_as(RSM_NOBODY, rebind_within_limit, &job));
	EXPECT_OK(rsm_in_child_as(RSM_NOBODY, rebind_within_limit, &job));
}

static int rebind_over_limit(void *arg)
{
	const struct job *job = arg;
	struct __test_metadata *_metadata = job->metadata;
	const struct rsm_scene *scene = job->scene;
	char *next = rsm_alloc(LENGTH);
	struct rsm_export exp = { .fd = -1 };
	__u32 error;
	char *map;
	int i;

	EXPECT_OK(make_limited(scene, 2 * LENGTH - PAGE, &exp));
	map = rsm_import_view(scene, exp.segid, LENGTH);
	EXPECT_NE(MAP_FAILED, map);
	for (i = 0; i < 50; i++) {
		EXPECT_EQ(-ENOMEM, rsm_rebind(exp.fd, next, LENGTH, &error));
		EXPECT_EQ(RSM_ERR_INSUFFICIENT_MEM, error);
		EXPECT_EQ(-1, rsm_stamp_check(rsm_look(map), LENGTH, 1));
		EXPECT_EQ(5, rsm_vm_pin());
	}
	/* nothing was charged: there is room for what is left */
	close(exp.fd);
	for (i = 0; i < 50; i++) {
		EXPECT_OK(rsm_export_mem(scene, next, LENGTH, &exp));
		close(exp.fd);
	}
	return 0;
}

TEST_F(rebind, threat_57_over_the_limit)
{
	struct job job = { _metadata, &self->scene };

	EXPECT_OK(rsm_in_child_as(RSM_NOBODY, rebind_over_limit, &job));
	EXPECT_OK(rsm_in_child_as(RSM_NOBODY, rebind_over_limit, &job));
}

/* As many exports of the same memory as are possible: what then comes of it. */
static int export_up_to_limit(const rebind_self *self, struct rsm_export *exp)
{
	int ret, fd;

	do {
		ret = rsm_create(self->scene.fd, self->scene.controller,
				 exp->mem, exp->length, 0, &fd, NULL);
	} while (!ret);
	return ret;
}

TEST_F(rebind, over_the_limit_of_exported_memory)
{
	long total = rsm_proc_number("/proc/meminfo", "MemTotal");
	/* a tenth of one percent of this machine */
	size_t length = total / 1000 * 1024 & -PAGE;
	char *next = rsm_alloc(length);
	struct rsm_export exp;
	long before;
	char *map;

	before = rsm_param("max_exported_memory", 1);
	ASSERT_LE(0, before);
	ASSERT_OK(rsm_export_new(&self->scene, length, 3, &exp));
	map = rsm_import_view(&self->scene, exp.segid, length);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-ENOMEM, export_up_to_limit(self, &exp));
	EXPECT_FAIL(ENOMEM, RSM_ERR_INSUFFICIENT_MEM,
		    rsm_rebind(exp.fd, next, length, &error));
	EXPECT_EQ(-1, rsm_stamp_check(rsm_look(map), length, 3));
	rsm_param("max_exported_memory", before);
	EXPECT_OK(rsm_rebind(exp.fd, next, length, NULL));
}

/* SIGKILL in the middle of it. */
static int rebind_for_ever(void *arg)
{
	size_t length = 64UL << 20;
	char *mem[2] = { rsm_alloc(length), rsm_alloc(length) };
	struct rsm_export exp;
	int i = 0;

	memset(mem[0], 1, length);
	if (rsm_export_mem(arg, mem[0], length, &exp) ||
	    rsm_import_view(arg, exp.segid, length) == MAP_FAILED)
		return 1;
	for (;;) {
		madvise(mem[!i], length, MADV_DONTNEED);
		if (rsm_rebind(exp.fd, mem[!i], length, NULL))
			return 2;
		i = !i;
	}
}

TEST_F(rebind, threat_47_killed)
{
	struct rsm_stats before;
	pid_t pid;
	int i;

	rsm_stats_read(&before);
	for (i = 0; i < 12; i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			_exit(rebind_for_ever(&self->scene));
		rsm_sleep_ms(100 + i * 23);
		kill(pid, SIGKILL);
		EXPECT_EQ(-SIGKILL, rsm_wait_child(pid));
		EXPECT_TRUE(rsm_stats_settle(&before));
	}
}

/*
 * The same with some 100 MiB, when so much of the new memory has been faulted
 * in. The test process is the importer.
 */
struct large {
	const struct rsm_scene *scene;
	size_t length;
	__u32 segid;
	bool go;
	bool done;
};

static int rebind_large(void *arg)
{
	struct large *large = arg;
	char *mem = rsm_alloc(large->length);
	char *next = rsm_alloc(large->length);
	struct rsm_export exp;

	madvise(mem, large->length, MADV_NOHUGEPAGE);
	madvise(next, large->length, MADV_NOHUGEPAGE);
	rsm_stamp(mem, large->length, 1);
	if (rsm_export_mem(large->scene, mem, large->length, &exp))
		return 1;
	__atomic_store_n(&large->segid, exp.segid, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&large->go, __ATOMIC_ACQUIRE))
		rsm_sleep_ms(1);
	if (rsm_rebind(exp.fd, next, large->length, NULL))
		return 2;
	__atomic_store_n(&large->done, true, __ATOMIC_RELEASE);
	return pause();
}

/* Start it, and look at what it exports. */
static char *start_large(struct large *large, pid_t *pid)
{
	char *map;

	*pid = rsm_start_child(rebind_large, large);
	while (!__atomic_load_n(&large->segid, __ATOMIC_ACQUIRE))
		rsm_sleep_ms(1);
	map = rsm_import_view(large->scene, large->segid, large->length);
	if (map == MAP_FAILED ||
	    rsm_stamp_check(rsm_look(map), large->length, 1) != -1)
		return NULL;
	return map;
}

/* Kill it when its memory has grown by @part: the pages it had faulted in. */
static long kill_in_rebind(pid_t pid, size_t part)
{
	long faults, kib = rsm_proc_status(pid, "VmRSS") + part / 1024;
	struct rusage usage;
	int status;

	while (rsm_proc_status(pid, "VmRSS") < kib)
		rsm_sleep_ms(1);
	kill(pid, SIGKILL);
	if (wait4(pid, &status, 0, &usage) != pid || !WIFSIGNALED(status))
		return -1;
	faults = usage.ru_minflt;
	printf("# killed after %ld page faults\n", faults);
	return faults;
}

FIXTURE(much)
{
	struct rsm_scene scene;
	struct large *large;
	long limit;
};

FIXTURE_SETUP(much)
{
	ASSERT_OK(rsm_scene_open(&self->scene));
	self->limit = rsm_param("max_exported_memory", 0);
	ASSERT_LE(0, self->limit);
	self->large = rsm_alloc_shared(PAGE);
	ASSERT_NE(MAP_FAILED, self->large);
	self->large->scene = &self->scene;
	self->large->length = rsm_large_length(2);
	if (self->large->length > MUCH_MAX)
		self->large->length = MUCH_MAX;
	printf("# %zu MiB\n", self->large->length >> 20);
}

FIXTURE_TEARDOWN(much)
{
	rsm_param("max_exported_memory", self->limit);
	EXPECT_TRUE(rsm_scene_close(&self->scene));
}

TEST_F_TIMEOUT(much, threat_47_killed_in_a_rebind, 300)
{
	struct large *large = self->large;
	long faults, pages = large->length / PAGE;
	char *map;
	pid_t pid;

	map = start_large(large, &pid);
	ASSERT_NE(NULL, map);
	__atomic_store_n(&large->go, true, __ATOMIC_RELEASE);
	faults = kill_in_rebind(pid, large->length / 8);
	/* those of the old memory, and a part of the new */
	EXPECT_LT(pages + pages / 16, faults);
	EXPECT_GT(pages + pages / 2, faults);
	rsm_view_wait_ended(map);
	EXPECT_TRUE(rsm_view_ended(map, large->length));
}

TEST_F_TIMEOUT(much, threat_47_rebound_and_killed, 300)
{
	struct large *large = self->large;
	char *map;
	pid_t pid;

	map = start_large(large, &pid);
	ASSERT_NE(NULL, map);
	__atomic_store_n(&large->go, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&large->done, __ATOMIC_ACQUIRE))
		rsm_sleep_ms(1);
	EXPECT_TRUE(rsm_is_zero(rsm_look(map), large->length));
	rsm_stamp(map, large->length, 2);
	EXPECT_OK(rsm_show(map));
	EXPECT_EQ(-1, rsm_stamp_check(rsm_look(map), large->length, 2));
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, rsm_wait_child(pid));
	rsm_view_wait_ended(map);
	EXPECT_TRUE(rsm_view_ended(map, large->length));
}

/* Where the data goes */

TEST_F(rebind, old_memory_is_left_alone)
{
	EXPECT_EQ(-1, rsm_stamp_check(rsm_look(self->map), LENGTH, 1));
	ASSERT_OK(rebind_next(self));
	rsm_stamp(self->map, LENGTH, 3);
	EXPECT_OK(rsm_show(self->map));
	EXPECT_EQ(-1, rsm_stamp_check(self->next, LENGTH, 3));
	EXPECT_EQ(-1, rsm_stamp_check(self->exp.mem, LENGTH, 1));
	/* nor does the exporter's old memory reach the importer */
	rsm_stamp(self->exp.mem, LENGTH, 4);
	EXPECT_EQ(-1, rsm_stamp_check(rsm_look(self->map), LENGTH, 3));
}

TEST_F(rebind, old_memory_is_released)
{
	ASSERT_OK(rebind_next(self));
	EXPECT_EQ(self->scene.vm_pin + 5, rsm_vm_pin());
	EXPECT_EQ(5, rsm_stat("pinned_pages") -
			     self->scene.before.pinned_pages);
	EXPECT_EQ(1, rsm_stat("page_sets") - self->scene.before.page_sets);
	EXPECT_OK(munmap(self->exp.mem, LENGTH));
	EXPECT_EQ(-1, rsm_stamp_check(rsm_look(self->map), LENGTH, 2));
}

TEST_F(rebind, back_and_forth)
{
	int i;

	for (i = 0; i < 100; i++) {
		ASSERT_OK(rsm_rebind(self->exp.fd,
				     i % 2 ? self->exp.mem : self->next, LENGTH,
				     NULL));
		EXPECT_EQ(-1, rsm_stamp_check(rsm_look(self->map), LENGTH,
					      i % 2 ? 1 : 2));
	}
}

TEST_F(rebind, same_address)
{
	ASSERT_OK(rsm_rebind(self->exp.fd, self->exp.mem, LENGTH, NULL));
	EXPECT_EQ(-1, rsm_stamp_check(rsm_look(self->map), LENGTH, 1));
	/* other memory there: what is mapped now counts */
	ASSERT_EQ(self->exp.mem, mmap(self->exp.mem, LENGTH, PROT_RW,
				      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				      -1, 0));
	rsm_stamp(self->exp.mem, LENGTH, 3);
	EXPECT_EQ(-1, rsm_stamp_check(rsm_look(self->map), LENGTH, 1));
	ASSERT_OK(rsm_rebind(self->exp.fd, self->exp.mem, LENGTH, NULL));
	EXPECT_EQ(-1, rsm_stamp_check(rsm_look(self->map), LENGTH, 3));
	EXPECT_EQ(self->scene.vm_pin + 5, rsm_vm_pin());
}

TEST_F(rebind, overlapping_ranges)
{
	char *mem = rsm_alloc(3 * LENGTH);
	int i;

	ASSERT_NE(MAP_FAILED, mem);
	for (i = 0; i < 10; i++) {
		ASSERT_OK(rsm_rebind(self->exp.fd, mem + i * PAGE, LENGTH,
				     NULL));
		rsm_stamp(mem + i * PAGE, LENGTH, i);
		EXPECT_EQ(-1, rsm_stamp_check(rsm_look(self->map), LENGTH, i));
	}
	EXPECT_EQ(self->scene.vm_pin + 5, rsm_vm_pin());
}

TEST_F(rebind, memory_that_is_exported_elsewhere)
{
	struct rsm_export other;
	char *map;

	ASSERT_OK(rsm_export_mem(&self->scene, self->next, LENGTH, &other));
	ASSERT_OK(rebind_next(self));
	map = rsm_import_view(&self->scene, other.segid, LENGTH);
	ASSERT_NE(MAP_FAILED, map);
	rsm_stamp(map, LENGTH, 3);
	EXPECT_OK(rsm_show(map));
	EXPECT_EQ(-1, rsm_stamp_check(rsm_look(self->map), LENGTH, 3));
	EXPECT_EQ(self->scene.vm_pin + 10, rsm_vm_pin());
}

TEST_F(rebind, before_publish)
{
	__u32 segid = 0;
	char *map;
	int fd;

	ASSERT_OK(rsm_create(self->scene.fd, self->scene.controller,
			     self->exp.mem, LENGTH, RSM_EXPORT_ALLOW_REBIND,
			     &fd, NULL));
	EXPECT_OK(rsm_rebind(fd, self->next, LENGTH, NULL));
	ASSERT_OK(rsm_publish(fd, &segid, NULL, 0, NULL));
	map = rsm_import_view(&self->scene, segid, LENGTH);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-1, rsm_stamp_check(rsm_look(map), LENGTH, 2));
}

TEST_F(rebind, after_unpublish)
{
	char *map;

	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	EXPECT_OK(rebind_next(self));
	/* the aborted import stays where it is */
	EXPECT_TRUE(rsm_view_ended(self->map, LENGTH));
	memset(self->map, 5, LENGTH);
	rsm_show(self->map);
	EXPECT_EQ(-1, rsm_stamp_check(self->next, LENGTH, 2));
	self->exp.segid = 0;
	ASSERT_OK(rsm_publish(self->exp.fd, &self->exp.segid, NULL, 0, NULL));
	map = rsm_import_view(&self->scene, self->exp.segid, LENGTH);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-1, rsm_stamp_check(rsm_look(map), LENGTH, 2));
	EXPECT_OK(rsm_rebind(self->exp.fd, self->exp.mem, LENGTH, NULL));
	EXPECT_EQ(-1, rsm_stamp_check(rsm_look(map), LENGTH, 1));
	EXPECT_EQ(5, self->map[0]);
}

/* Another machine does not know of the rebind before a connection. */
#ifdef RSM_REMOTE
#define NOT_KNOWN 2
#else
#define NOT_KNOWN 0
#endif

TEST_F(rebind, status_pages)
{
	const volatile struct rsm_status *exp, *imp[2];
	int fd, i;

	exp = rsm_map_status(self->exp.fd);
	ASSERT_NE(MAP_FAILED, (const void *)exp);
	for (i = 0; i < 2; i++) {
		fd = rsm_import(&self->scene, self->exp.segid, RSM_RIGHT_READ);
		imp[i] = rsm_map_status(fd);
		ASSERT_NE(MAP_FAILED, (const void *)imp[i]);
		close(fd);
		EXPECT_EQ((2 - NOT_KNOWN) * i, imp[i]->rebinds);
		ASSERT_OK(rebind_next(self));
	}
	for (i = 2; i < 10; i++) {
		EXPECT_EQ(2 * i, exp->rebinds);
		EXPECT_EQ(2 * i, imp[0]->rebinds);
		EXPECT_EQ(2 * i - NOT_KNOWN, imp[1]->rebinds);
		ASSERT_OK(rebind_next(self));
	}
	EXPECT_EQ(RSM_STATE_LIVE, exp->state);
	EXPECT_EQ(RSM_STATE_LIVE, imp[0]->state);
	EXPECT_EQ(RSM_STATE_LIVE, imp[1]->state);
}

#ifndef RSM_REMOTE
TEST_F(rebind, mapping_without_access)
{
	ASSERT_OK(mprotect(self->map, LENGTH, PROT_NONE));
	ASSERT_OK(rebind_next(self));
	ASSERT_OK(mprotect(self->map, LENGTH, PROT_RW));
	EXPECT_EQ(-1, rsm_stamp_check(rsm_look(self->map), LENGTH, 2));
	/* after a load, there are page tables */
	ASSERT_OK(mprotect(self->map, LENGTH, PROT_NONE));
	ASSERT_OK(rsm_rebind(self->exp.fd, self->exp.mem, LENGTH, NULL));
	ASSERT_OK(mprotect(self->map, LENGTH, PROT_READ));
	EXPECT_EQ(-1, rsm_stamp_check(rsm_look(self->map), LENGTH, 1));
}

static int store(void *addr)
{
	*(volatile char *)addr = 1;
	return 0;
}

static int load(void *addr)
{
	(void)*(volatile char *)addr;
	return 0;
}

TEST_F(rebind, no_more_access_than_before)
{
	int fd = rsm_import(&self->scene, self->exp.segid, RSM_RIGHT_READ);
	char *map = rsm_map(fd, LENGTH, PROT_READ);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-1, rsm_stamp_check(rsm_look(map), LENGTH, 1));
	EXPECT_EQ(-1, rsm_stamp_check(rsm_look(self->map), LENGTH, 1));
	ASSERT_OK(mprotect(self->map, LENGTH, PROT_NONE));
	ASSERT_OK(rebind_next(self));
	EXPECT_EQ(-SIGSEGV, rsm_in_child(store, map));
	EXPECT_EQ(-SIGSEGV, rsm_in_child(load, self->map));
	EXPECT_EQ(-1, rsm_stamp_check(rsm_look(map), LENGTH, 2));
	EXPECT_EQ(-SIGSEGV, rsm_in_child(store, map));
}
#endif

/* Transparency, for all sizes and ways to map */

FIXTURE(transparent)
{
	struct rsm_scene scene;
	struct rsm_export exp;
	size_t length;
	int imp;
	char *map;
	uint32_t seed;
};

typedef FIXTURE_DATA(transparent) transparent_self;

static bool right(const transparent_self *self, const char *map)
{
	return rsm_stamp_check(rsm_look(map), self->length, self->seed) == -1;
}

FIXTURE_VARIANT(transparent)
{
	size_t pages;
	/* where the mapping begins within its window, in pages */
	size_t misplaced;
	bool touched;
};

#define SHAPE(_pages, _misplaced, _touched)                                    \
	{                                                                      \
		.pages = _pages, .misplaced = _misplaced, .touched = _touched, \
	}

FIXTURE_VARIANT_ADD(transparent, page)
	SHAPE(1, 0, true);
FIXTURE_VARIANT_ADD(transparent, two_pages)
	SHAPE(2, 511, true);
FIXTURE_VARIANT_ADD(transparent, window)
	SHAPE(512, 0, true);
FIXTURE_VARIANT_ADD(transparent, window_and_page)
	SHAPE(513, 0, true);
FIXTURE_VARIANT_ADD(transparent, four_windows)
	SHAPE(2048, 0, true);
FIXTURE_VARIANT_ADD(transparent, odd)
	SHAPE(1301, 77, true);

#ifndef RSM_REMOTE
FIXTURE_VARIANT_ADD(transparent, page_untouched)
	SHAPE(1, 0, false);
FIXTURE_VARIANT_ADD(transparent, window_untouched)
	SHAPE(512, 0, false);
FIXTURE_VARIANT_ADD(transparent, window_and_page_misplaced)
	SHAPE(513, 1, true);
FIXTURE_VARIANT_ADD(transparent, window_misplaced)
	SHAPE(512, 100, true);
FIXTURE_VARIANT_ADD(transparent, odd_untouched)
	SHAPE(1301, 77, false);
#endif

/* In its place, where there are places. */
static char *view_at(int fd, size_t length, size_t misplaced)
{
#ifdef RSM_REMOTE
	(void)misplaced;
	return rsm_view_of(fd, length, PROT_RW);
#else
	char *room = rsm_alloc(length + 2 * WINDOW);

	room = (char *)(((uintptr_t)room + WINDOW - 1) & -WINDOW) +
	       misplaced * PAGE;
	return mmap(room, length, PROT_RW, MAP_SHARED | MAP_FIXED, fd, 0);
#endif
}

FIXTURE_SETUP(transparent)
{
	self->length = variant->pages * PAGE;
	self->seed = 1;
	ASSERT_OK(rsm_scene_open(&self->scene));
	ASSERT_OK(rsm_export_new(&self->scene, self->length, 1, &self->exp));
	self->imp = rsm_import(&self->scene, self->exp.segid, RW);
	ASSERT_LE(0, self->imp);
	self->map = view_at(self->imp, self->length, variant->misplaced);
	ASSERT_NE(MAP_FAILED, self->map);
	if (variant->touched)
		EXPECT_TRUE(right(self, self->map));
}

FIXTURE_TEARDOWN(transparent)
{
	EXPECT_TRUE(rsm_scene_close(&self->scene));
}

/* Rebind to memory with the next stamp, and free the old one. */
static int move(transparent_self *self)
{
	char *mem = rsm_alloc(self->length);
	int ret;

	if (mem == MAP_FAILED)
		return -errno;
	rsm_stamp(mem, self->length, self->seed + 1);
	ret = rsm_rebind(self->exp.fd, mem, self->length, NULL);
	munmap(ret ? mem : self->exp.mem, self->length);
	if (ret)
		return ret;
	self->exp.mem = mem;
	self->seed++;
	return 0;
}

TEST_F(transparent, mapped_before)
{
	int i;

	for (i = 0; i < 5; i++) {
		ASSERT_OK(move(self));
		EXPECT_TRUE(right(self, self->map));
	}
	rsm_stamp(self->map, self->length, 99);
	EXPECT_OK(rsm_show(self->map));
	EXPECT_EQ(-1, rsm_stamp_check(self->exp.mem, self->length, 99));
}

/* The first access after it is a store. */
TEST_F(transparent, store_comes_first)
{
	ASSERT_OK(move(self));
	EXPECT_OK(rsm_store(self->map, self->length - 1, "\x2a", 1));
	EXPECT_OK(rsm_store(self->map, 0, "\x2b", 1));
	EXPECT_EQ(42, self->exp.mem[self->length - 1]);
	EXPECT_EQ(43, self->exp.mem[0]);
}

TEST_F(transparent, mapped_after)
{
	char *map;

	ASSERT_OK(move(self));
	map = rsm_view_of(self->imp, self->length, PROT_RW);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_TRUE(right(self, map));
	ASSERT_OK(move(self));
	EXPECT_TRUE(right(self, map));
	EXPECT_TRUE(right(self, self->map));
}

TEST_F(transparent, connected_after)
{
	char *map;

	ASSERT_OK(move(self));
	map = rsm_import_view(&self->scene, self->exp.segid, self->length);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_TRUE(right(self, map));
	ASSERT_OK(move(self));
	EXPECT_TRUE(right(self, map));
}

#ifndef RSM_REMOTE
/* Only the first and the last page have been touched. */
TEST_F(transparent, partly_touched)
{
	char *map = rsm_map(self->imp, self->length, PROT_RW);

	ASSERT_NE(MAP_FAILED, map);
	load(map);
	ASSERT_OK(move(self));
	EXPECT_TRUE(right(self, map));
	load(map + self->length - 1);
	ASSERT_OK(move(self));
	EXPECT_TRUE(right(self, map));
}

TEST_F(transparent, last_page_mapped)
{
	size_t last = self->length - PAGE;
	const volatile uint64_t *map = mmap(NULL, PAGE, PROT_RW, MAP_SHARED,
					    self->imp, last);
	int i;

	ASSERT_NE(MAP_FAILED, (const void *)map);
	for (i = 0; i < 4; i++) {
		EXPECT_EQ((uint64_t)self->seed << 32 | last / PAGE, *map);
		ASSERT_OK(move(self));
	}
}
#endif

TEST_F(transparent, read_only_mapping)
{
	int fd = rsm_import(&self->scene, self->exp.segid, RSM_RIGHT_READ);
	char *map = rsm_view_of(fd, self->length, PROT_READ);
	int i;

	ASSERT_NE(MAP_FAILED, map);
	for (i = 0; i < 3; i++) {
		EXPECT_TRUE(right(self, map));
		ASSERT_OK(move(self));
	}
}

/* To and from another process: a byte for "go on". */
static void signal_peer(int fd)
{
	char byte = 0;

	if (write(fd, &byte, 1) != 1)
		_exit(3);
}

static void wait_peer(int fd)
{
	char byte;

	if (read(fd, &byte, 1) != 1)
		_exit(3);
}

/* A child that looks at @map, at its own one if NULL, after each rebind. */
static pid_t start_child(transparent_self *self, const char *map, int rounds,
			 int to[2], int from[2])
{
	pid_t pid;

	if (pipe(to) || pipe(from))
		return -1;
	pid = fork();
	if (pid)
		return pid;
	if (!map)
		map = rsm_import_view(&self->scene, self->exp.segid,
				      self->length);
	for (; rounds; rounds--) {
		if (map == MAP_FAILED || !right(self, map))
			_exit(1);
		signal_peer(from[1]);
		wait_peer(to[0]);
		self->seed++;
	}
	_exit(0);
}

static void play(struct __test_metadata *_metadata, transparent_self *self,
		 const char *map)
{
	int to[2], from[2], i;
	pid_t pid = start_child(self, map, 5, to, from);

	ASSERT_LT(0, pid);
	/* when it dies, our read() ends */
	close(from[1]);
	for (i = 0; i < 5; i++) {
		char byte;

		ASSERT_EQ(1, read(from[0], &byte, 1));
		EXPECT_OK(move(self));
		signal_peer(to[1]);
	}
	EXPECT_OK(rsm_wait_child(pid));
	EXPECT_TRUE(right(self, self->map));
}

TEST_F(transparent, threat_13_inherited_mapping)
{
	play(_metadata, self, self->map);
}

TEST_F(transparent, other_process)
{
	play(_metadata, self, NULL);
}

TEST_F(transparent, sixteen_importers)
{
	char *maps[16];
	int i, k;

	for (i = 0; i < 16; i++) {
		maps[i] = rsm_import_view(&self->scene, self->exp.segid,
					  self->length);
		ASSERT_NE(MAP_FAILED, maps[i]);
		if (i % 2)
			EXPECT_TRUE(right(self, maps[i]));
	}
	for (k = 0; k < 3; k++) {
		ASSERT_OK(move(self));
		for (i = 0; i < 16; i++)
			EXPECT_TRUE(right(self, maps[i]));
	}
	/* the ends of some are nothing to the others */
	for (i = 0; i < 16; i += 3)
		rsm_view_close(maps[i], self->length);
	ASSERT_OK(move(self));
	EXPECT_TRUE(right(self, maps[1]));
	EXPECT_TRUE(right(self, maps[14]));
}

#ifndef RSM_REMOTE
/*
 * 62: a userfaultfd may leave markers where an import has no entries, on
 * kernels that take such mappings for it: 6.7 and later ones, but for those
 * that have been taught better since.
 */
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC 0x8000
#endif

static int watch_stores(const transparent_self *self, int *uffd)
{
	*uffd = rsm_uffd_open(UFFD_FEATURE_WP_ASYNC);
	if (*uffd < 0)
		return *uffd;
	return rsm_uffd_register(*uffd, self->map, self->length,
				 UFFDIO_REGISTER_MODE_WP);
}

/* With markers in all places, or in those only that had entries. */
static void check_marked(struct __test_metadata *_metadata,
			 transparent_self *self, int uffd)
{
	int i;

	for (i = 0; i < 4; i++) {
		EXPECT_OK(rsm_uffd_protect(uffd, self->map, self->length,
					   true));
		ASSERT_OK(move(self));
		if (i % 2)
			self->map[self->length - 8] ^= 1;
		else
			EXPECT_TRUE(right(self, self->map));
		rsm_stamp(self->map, self->length, self->seed);
		EXPECT_EQ(-1, rsm_stamp_check(self->exp.mem, self->length,
					      self->seed));
	}
}

TEST_F(transparent, threat_62_markers_of_userfaultfd)
{
	int ret, uffd;

	ret = watch_stores(self, &uffd);
	if (ret) {
		EXPECT_EQ(-EINVAL, ret);
	} else {
		check_marked(_metadata, self, uffd);
		close(uffd);
	}
	ASSERT_OK(move(self));
	EXPECT_TRUE(right(self, self->map));
	ASSERT_OK(rsm_destroy(self->exp.fd, NULL));
	EXPECT_TRUE(rsm_is_zero(self->map, self->length));
}
#endif

/* Other kinds of memory in the place of each kind */

static void *kind_anonymous(void)
{
	return rsm_alloc(WINDOW);
}

static void *kind_thp(void)
{
	char *mem = rsm_alloc(2 * WINDOW);

	mem = (char *)(((uintptr_t)mem + WINDOW - 1) & -WINDOW);
	madvise(mem, WINDOW, MADV_HUGEPAGE);
	return mem;
}

static void *kind_hugetlb(void)
{
	return mmap(NULL, WINDOW, PROT_RW,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
}

static void *kind_memfd(void)
{
	int fd = memfd_create("rsm", MFD_CLOEXEC);
	void *mem = MAP_FAILED;

	if (!ftruncate(fd, WINDOW))
		mem = mmap(NULL, WINDOW, PROT_RW, MAP_SHARED, fd, 0);
	close(fd);
	return mem;
}

static void *kind_sysv(void)
{
	int id = shmget(IPC_PRIVATE, WINDOW, IPC_CREAT | 0600);
	void *mem = shmat(id, NULL, 0);

	shmctl(id, IPC_RMID, NULL);
	return mem;
}

static void huge_pages(int count)
{
	FILE *file = fopen("/proc/sys/vm/nr_hugepages", "we");

	if (!file)
		return;
	fprintf(file, "%d\n", count);
	fclose(file);
}

#define KINDS 5

static void *(*const kinds[KINDS])(void) = {
	kind_anonymous, kind_thp, kind_hugetlb, kind_memfd, kind_sysv,
};

TEST_F(rebind, from_each_kind_of_memory_to_each)
{
	struct rsm_export exp;
	char *mem[KINDS], *map;
	int from, to;

	huge_pages(4);
	for (from = 0; from < KINDS; from++) {
		mem[from] = kinds[from]();
		ASSERT_NE(MAP_FAILED, mem[from]);
		rsm_stamp(mem[from], WINDOW, from);
	}
	ASSERT_OK(rsm_export_mem(&self->scene, mem[0], WINDOW, &exp));
	map = rsm_import_view(&self->scene, exp.segid, WINDOW);
	ASSERT_NE(MAP_FAILED, map);
	for (from = 0; from < KINDS; from++) {
		for (to = 0; to < KINDS; to++) {
			EXPECT_OK(rsm_rebind(exp.fd, mem[from], WINDOW, NULL));
			EXPECT_EQ(-1, rsm_stamp_check(rsm_look(map), WINDOW,
						      from));
			EXPECT_OK(rsm_rebind(exp.fd, mem[to], WINDOW, NULL));
			EXPECT_EQ(-1, rsm_stamp_check(rsm_look(map), WINDOW,
						      to));
		}
	}
	EXPECT_OK(rsm_destroy(exp.fd, NULL));
	munmap(mem[2], WINDOW);
	huge_pages(0);
}

/* Two threads rebind: the last one to return is the one that is seen. */
struct rebinder {
	int fd;
	char *mem;
	int bad;
};

static void *rebind_often(void *arg)
{
	struct rebinder *rebinder = arg;
	int i;

	for (i = 0; i < 300; i++) {
		if (rsm_rebind(rebinder->fd, rebinder->mem, LENGTH, NULL))
			rebinder->bad++;
	}
	return NULL;
}

TEST_F(rebind, threads)
{
	struct rebinder rebinders[2] = {
		{ .fd = self->exp.fd, .mem = self->exp.mem },
		{ .fd = self->exp.fd, .mem = self->next },
	};
	const volatile struct rsm_status *status;
	pthread_t threads[2];
	int i;

	status = rsm_map_status(self->exp.fd);
	ASSERT_NE(MAP_FAILED, (const void *)status);
	for (i = 0; i < 2; i++) {
		ASSERT_OK(pthread_create(&threads[i], NULL, rebind_often,
					 &rebinders[i]));
	}
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(0, rebinders[0].bad);
	EXPECT_EQ(0, rebinders[1].bad);
	EXPECT_EQ(1200, status->rebinds);
	EXPECT_TRUE(rsm_stamp_check(rsm_look(self->map), LENGTH, 1) == -1 ||
		    rsm_stamp_check(rsm_look(self->map), LENGTH, 2) == -1);
	EXPECT_EQ(self->scene.vm_pin + 5, rsm_vm_pin());
}

TEST_HARNESS_MAIN
