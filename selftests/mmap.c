// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings of imports: what can be mapped, what the kernel's own operations
 * on mappings do to them, and what they show after an abort.
 */
#include "rsm_utils.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define PAGE 4096UL
#define PAGES 1029
/* Two windows of 2 MiB and a bit. */
#define LENGTH (PAGES * PAGE)
#define RW (RSM_RIGHT_READ | RSM_RIGHT_WRITE)
#define PROT_RW (PROT_READ | PROT_WRITE)

FIXTURE(mmap)
{
	struct rsm_scene scene;
	struct rsm_export exp;
	int imp;
	char *map;
};

FIXTURE_SETUP(mmap)
{
	ASSERT_OK(rsm_scene_open(&self->scene));
	ASSERT_OK(rsm_export_new(&self->scene, LENGTH, 1, &self->exp));
	self->imp = rsm_import(&self->scene, self->exp.segid, RW);
	ASSERT_LE(0, self->imp);
	self->map = rsm_map(self->imp, LENGTH, PROT_RW);
	ASSERT_NE(MAP_FAILED, self->map);
}

FIXTURE_TEARDOWN(mmap)
{
	EXPECT_TRUE(rsm_scene_close(&self->scene));
}

typedef FIXTURE_DATA(mmap) mmap_self;

/* Whether @map, which begins at page @first, has the stamp of @seed. */
static bool stamped(const char *map, size_t first, size_t pages, uint32_t seed)
{
	const volatile uint64_t *word = (const volatile uint64_t *)map;
	size_t i;

	for (i = 0; i < pages; i++, word += PAGE / sizeof(*word))
		if (*word != ((uint64_t)seed << 32 | (first + i)))
			return false;
	return true;
}

static bool zero(const char *map, size_t length)
{
	size_t i;

	for (i = 0; i < length; i += 8)
		if (*(const volatile uint64_t *)(map + i))
			return false;
	return true;
}

/* Rebind to new memory with the stamp of @seed and free the old one. */
static int move_to(mmap_self *self, uint32_t seed)
{
	char *mem = rsm_alloc(LENGTH);
	int ret;

	if (mem == MAP_FAILED)
		return -errno;
	rsm_stamp(mem, LENGTH, seed);
	ret = rsm_rebind(self->exp.fd, mem, LENGTH, NULL);
	munmap(ret ? mem : self->exp.mem, LENGTH);
	if (!ret)
		self->exp.mem = mem;
	return ret;
}

/* 0, or minus errno of mapping this much of an import. */
static int try_map(int imp, size_t length, int prot, int flags, off_t offset)
{
	void *map = mmap(NULL, length, prot, flags, imp, offset);

	if (map == MAP_FAILED)
		return -errno;
	munmap(map, length);
	return 0;
}

/* What may be mapped */

TEST_F(mmap, data_goes_both_ways)
{
	EXPECT_EQ(-1, rsm_stamp_check(self->map, LENGTH, 1));
	rsm_stamp(self->map, LENGTH, 2);
	EXPECT_EQ(-1, rsm_stamp_check(self->exp.mem, LENGTH, 2));
}

TEST_F(mmap, parts)
{
	static const struct {
		size_t first;
		size_t pages;
	} parts[] = { { 0, 1 }, { 1, 1 }, { PAGES - 1, 1 }, { 511, 2 },
		      { 1, PAGES - 1 }, { 0, PAGES - 1 }, { 500, 300 } };
	unsigned int i;
	char *map;

	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		map = mmap(NULL, parts[i].pages * PAGE, PROT_RW, MAP_SHARED,
			   self->imp, parts[i].first * PAGE);
		ASSERT_NE(MAP_FAILED, map);
		EXPECT_TRUE(stamped(map, parts[i].first, parts[i].pages, 1));
		munmap(map, parts[i].pages * PAGE);
	}
}

TEST_F(mmap, threat_07_bounds)
{
	EXPECT_OK(try_map(self->imp, LENGTH - 1, PROT_READ, MAP_SHARED, 0));
	EXPECT_EQ(-ENXIO, try_map(self->imp, LENGTH + 1, PROT_READ, MAP_SHARED,
				  0));
	EXPECT_EQ(-ENXIO, try_map(self->imp, LENGTH, PROT_READ, MAP_SHARED,
				  PAGE));
	EXPECT_EQ(-ENXIO, try_map(self->imp, 2 * PAGE, PROT_READ, MAP_SHARED,
				  LENGTH - PAGE));
	EXPECT_EQ(-ENXIO, try_map(self->imp, PAGE, PROT_READ, MAP_SHARED,
				  LENGTH));
	EXPECT_EQ(-ENXIO, try_map(self->imp, PAGE, PROT_READ, MAP_SHARED,
				  1UL << 42));
	EXPECT_EQ(-ENXIO, try_map(self->imp, 1UL << 40, PROT_READ, MAP_SHARED,
				  0));
	EXPECT_EQ(-ENXIO, try_map(self->imp, PAGE, PROT_READ, MAP_SHARED,
				  1UL << 62));
}

TEST_F(mmap, threat_07_around_the_status_page)
{
	off_t status = RSM_STATUS_OFFSET;

	EXPECT_EQ(-ENXIO, try_map(self->imp, PAGE, PROT_READ, MAP_SHARED,
				  status - PAGE));
	EXPECT_EQ(-ENXIO, try_map(self->imp, PAGE, PROT_READ, MAP_SHARED,
				  status + PAGE));
	EXPECT_EQ(-ENXIO, try_map(self->imp, 2 * PAGE, PROT_READ, MAP_SHARED,
				  status - PAGE));
	EXPECT_EQ(-ENXIO, try_map(self->imp, 2 * PAGE, PROT_READ, MAP_SHARED,
				  status));
}

TEST_F(mmap, threat_07_overflow)
{
	EXPECT_NE(0, try_map(self->imp, 0, PROT_READ, MAP_SHARED, 0));
	EXPECT_NE(0, try_map(self->imp, PAGE, PROT_READ, MAP_SHARED, 1));
	EXPECT_NE(0, try_map(self->imp, PAGE, PROT_READ, MAP_SHARED, -PAGE));
	EXPECT_NE(0, try_map(self->imp, 2 * PAGE, PROT_READ, MAP_SHARED,
			     -PAGE));
	EXPECT_NE(0, try_map(self->imp, LENGTH, PROT_READ, MAP_SHARED,
			     INT64_MIN));
	EXPECT_NE(0, try_map(self->imp, -PAGE, PROT_READ, MAP_SHARED, 0));
}

TEST_F(mmap, private_is_refused)
{
	EXPECT_EQ(-EINVAL, try_map(self->imp, PAGE, PROT_READ, MAP_PRIVATE, 0));
	EXPECT_EQ(-EINVAL, try_map(self->imp, PAGE, PROT_RW, MAP_PRIVATE, 0));
}

TEST_F(mmap, exec_is_refused)
{
	EXPECT_EQ(-EACCES, try_map(self->imp, PAGE, PROT_EXEC, MAP_SHARED, 0));
	EXPECT_EQ(-EACCES, try_map(self->imp, PAGE, PROT_RW | PROT_EXEC,
				   MAP_SHARED, 0));
	EXPECT_EQ(-1, mprotect(self->map, PAGE, PROT_READ | PROT_EXEC));
	EXPECT_EQ(EACCES, errno);
}

TEST_F(mmap, rights)
{
	static const __u32 rights[] = { 0, RSM_RIGHT_READ, RSM_RIGHT_WRITE,
					RW };
	static const int prots[] = { PROT_NONE, PROT_READ, PROT_WRITE,
				     PROT_RW };
	static const int expected[4][4] = {
		{ -EACCES, -EACCES, -EACCES, -EACCES },
		{ 0, 0, -EACCES, -EACCES },
		/* there are no pages that can be written and not read */
		{ -EACCES, -EACCES, -EACCES, -EACCES },
		{ 0, 0, 0, 0 },
	};
	int imp, i, k;

	for (i = 0; i < 4; i++) {
		imp = rsm_import(&self->scene, self->exp.segid, rights[i]);
		ASSERT_LE(0, imp);
		for (k = 0; k < 4; k++) {
			EXPECT_EQ(expected[i][k],
				  try_map(imp, LENGTH, prots[k], MAP_SHARED, 0))
				TH_LOG("rights %#o prot %d", rights[i],
				       prots[k]);
		}
		close(imp);
	}
}

/* A mapping of one page without the right to write. */
static char *map_read_only(const mmap_self *self)
{
	int imp = rsm_import(&self->scene, self->exp.segid, RSM_RIGHT_READ);
	char *map = rsm_map(imp, LENGTH, PROT_READ);

	close(imp);
	return map;
}

TEST_F(mmap, threat_08_mprotect_cannot_widen)
{
	char *map = map_read_only(self);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-1, mprotect(map, LENGTH, PROT_RW));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, mprotect(map + PAGE, PAGE, PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	/* down and up again within the rights */
	EXPECT_OK(mprotect(map, LENGTH, PROT_NONE));
	EXPECT_EQ(-1, mprotect(map, LENGTH, PROT_RW));
	EXPECT_OK(mprotect(map, LENGTH, PROT_READ));
	EXPECT_TRUE(stamped(map, 0, PAGES, 1));
}

TEST_F(mmap, mprotect_within_the_rights)
{
	EXPECT_OK(mprotect(self->map, LENGTH, PROT_NONE));
	EXPECT_OK(mprotect(self->map + PAGE, PAGE, PROT_READ));
	EXPECT_TRUE(stamped(self->map + PAGE, 1, 1, 1));
	EXPECT_OK(mprotect(self->map, LENGTH, PROT_RW));
	EXPECT_EQ(-1, rsm_stamp_check(self->map, LENGTH, 1));
	self->map[0] = 7;
	EXPECT_EQ(7, self->exp.mem[0]);
}

static int store(void *addr)
{
	*(volatile char *)addr = 1;
	return 0;
}

TEST_F(mmap, store_without_right_is_a_fault)
{
	char *map = map_read_only(self);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-SIGSEGV, rsm_in_child(store, map));
	EXPECT_TRUE(stamped(map, 0, PAGES, 1));
	EXPECT_EQ(-SIGSEGV, rsm_in_child(store, map));
}

/* Other ways to memory */

/* Copy by /proc/self/mem: bytes or minus errno. */
static ssize_t proc_mem(char *addr, void *buf, size_t length, bool write)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	ssize_t ret;

	if (write)
		ret = pwrite(fd, buf, length, (off_t)(uintptr_t)addr);
	else
		ret = pread(fd, buf, length, (off_t)(uintptr_t)addr);
	if (ret < 0)
		ret = -errno;
	close(fd);
	return ret;
}

TEST_F(mmap, threat_09_proc_mem_within_the_rights)
{
	char buf[3 * PAGE];

	/* across pages, and across windows */
	EXPECT_EQ(3 * PAGE, proc_mem(self->map + 511 * PAGE, buf, 3 * PAGE,
				     false));
	EXPECT_TRUE(stamped(buf, 511, 3, 1));
	memset(buf, 5, sizeof(buf));
	EXPECT_EQ(100, proc_mem(self->map + 2 * PAGE - 50, buf, 100, true));
	EXPECT_EQ(5, self->exp.mem[2 * PAGE - 50]);
	EXPECT_EQ(5, self->exp.mem[2 * PAGE + 49]);
	EXPECT_NE(5, self->exp.mem[2 * PAGE - 51]);
	EXPECT_NE(5, self->exp.mem[2 * PAGE + 50]);
}

TEST_F(mmap, threat_09_proc_mem_cannot_widen)
{
	char *map = map_read_only(self);
	char buf[16] = { 0 };

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_GT(0, proc_mem(map, buf, sizeof(buf), true));
	EXPECT_EQ(sizeof(buf), proc_mem(map, buf, sizeof(buf), false));
	EXPECT_TRUE(stamped(self->exp.mem, 0, PAGES, 1));
	/* nor past the protection that a mapping with all rights has now */
	mprotect(self->map, PAGE, PROT_READ);
	EXPECT_GT(0, proc_mem(self->map, buf, sizeof(buf), true));
	mprotect(self->map, PAGE, PROT_NONE);
	EXPECT_GT(0, proc_mem(self->map, buf, sizeof(buf), false));
	EXPECT_TRUE(stamped(self->exp.mem, 0, PAGES, 1));
}

TEST_F(mmap, threat_09_proc_mem_of_an_aborted_import)
{
	char buf[2 * PAGE];

	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	EXPECT_EQ(2 * PAGE, proc_mem(self->map, buf, 2 * PAGE, false));
	EXPECT_TRUE(zero(buf, sizeof(buf)));
	EXPECT_EQ(8, proc_mem(self->map, memset(buf, 5, 8), 8, true));
	EXPECT_EQ(5, self->map[0]);
	EXPECT_TRUE(stamped(self->exp.mem, 0, PAGES, 1));
}

TEST_F(mmap, threat_09_process_vm)
{
	char buf[16] = { 0 };
	struct iovec local = { buf, sizeof(buf) };
	struct iovec remote = { map_read_only(self), sizeof(buf) };

	EXPECT_EQ(-1, process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_TRUE(stamped(self->exp.mem, 0, PAGES, 1));
}

TEST_F(mmap, threat_09_ptrace)
{
	char *read_only = map_read_only(self);
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_EQ(1L << 32 | 3, ptrace(PTRACE_PEEKDATA, pid,
				       read_only + 3 * PAGE, NULL));
	EXPECT_EQ(-1, ptrace(PTRACE_POKEDATA, pid, read_only + 3 * PAGE, 0L));
	EXPECT_EQ(1L << 32 | 3, ptrace(PTRACE_PEEKDATA, pid,
				       self->map + 3 * PAGE, NULL));
	EXPECT_EQ(0, ptrace(PTRACE_POKEDATA, pid, self->map + 3 * PAGE, 42L));
	EXPECT_EQ(42, self->exp.mem[3 * PAGE]);
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, rsm_wait_child(pid));
}

/* Documented: nobody but the processor takes references to the pages. */
TEST_F(mmap, no_page_references)
{
	struct iovec iov = { self->map, PAGE };
	int fds[2];

	EXPECT_EQ(-1, syscall(SYS_futex, self->map, FUTEX_WAIT, 0, NULL, NULL,
			      0));
	EXPECT_EQ(EFAULT, errno);
	ASSERT_OK(pipe(fds));
	EXPECT_EQ(-1, vmsplice(fds[1], &iov, 1, 0));
	EXPECT_EQ(EFAULT, errno);
	/* copies work */
	EXPECT_EQ(PAGE, write(fds[1], self->map + PAGE, PAGE));
	EXPECT_EQ(PAGE, read(fds[0], self->map + 5 * PAGE, PAGE));
	EXPECT_TRUE(stamped(self->exp.mem + 5 * PAGE, 1, 1, 1));
}

/* munmap, MAP_FIXED, mremap */

/* After [first, first + pages) has gone: the rest works, now and later. */
static bool rest_works(mmap_self *self, size_t first, size_t pages,
		       uint32_t seed)
{
	size_t last = first + pages;

	return stamped(self->map, 0, first, seed) &&
	       stamped(self->map + last * PAGE, last, PAGES - last, seed);
}

static const struct {
	size_t first;
	size_t pages;
} cuts[] = {
	{ 0, 1 }, { 0, 512 }, { 0, 700 }, { PAGES - 1, 1 },
	{ PAGES - 600, 600 }, { 1, 1 }, { 300, 400 }, { 511, 2 },
	{ 1, PAGES - 2 },
};

static void cut(struct __test_metadata *_metadata, mmap_self *self, int i,
		bool touched)
{
	unsigned char vec;

	self->map = rsm_map(self->imp, LENGTH, PROT_RW);
	ASSERT_NE(MAP_FAILED, self->map);
	if (touched)
		EXPECT_TRUE(stamped(self->map, 0, PAGES, 1));
	ASSERT_OK(munmap(self->map + cuts[i].first * PAGE,
			 cuts[i].pages * PAGE));
	EXPECT_EQ(-1, mincore(self->map + cuts[i].first * PAGE, PAGE, &vec));
	EXPECT_EQ(ENOMEM, errno);
	/* so that no other memory gets there */
	ASSERT_NE(MAP_FAILED, mmap(self->map + cuts[i].first * PAGE,
				   cuts[i].pages * PAGE, PROT_NONE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
				   0));
	EXPECT_TRUE(rest_works(self, cuts[i].first, cuts[i].pages, 1));
	EXPECT_OK(move_to(self, 2));
	EXPECT_TRUE(rest_works(self, cuts[i].first, cuts[i].pages, 2));
	EXPECT_OK(munmap(self->map, LENGTH));
	EXPECT_OK(move_to(self, 1));
}

TEST_F(mmap, threat_01_partial_munmap)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cuts); i++) {
		cut(_metadata, self, i, true);
		cut(_metadata, self, i, false);
	}
	EXPECT_EQ(1, rsm_stat("areas") - self->scene.before.areas);
}

TEST_F(mmap, threat_01_every_other_page)
{
	size_t i;

	for (i = 0; i < 100; i += 2)
		ASSERT_OK(munmap(self->map + i * PAGE, PAGE));
	for (i = 1; i < 100; i += 2)
		EXPECT_TRUE(stamped(self->map + i * PAGE, i, 1, 1));
	EXPECT_OK(move_to(self, 2));
	for (i = 1; i < 100; i += 2)
		EXPECT_TRUE(stamped(self->map + i * PAGE, i, 1, 2));
	EXPECT_TRUE(stamped(self->map + 100 * PAGE, 100, PAGES - 100, 2));
}

TEST_F(mmap, threat_01_holes_by_mprotect)
{
	size_t i;

	for (i = 0; i < 100; i += 2)
		ASSERT_OK(mprotect(self->map + i * PAGE, PAGE, PROT_READ));
	EXPECT_OK(move_to(self, 2));
	EXPECT_TRUE(stamped(self->map, 0, PAGES, 2));
	ASSERT_OK(mprotect(self->map, LENGTH, PROT_RW));
	EXPECT_OK(move_to(self, 3));
	EXPECT_TRUE(stamped(self->map, 0, PAGES, 3));
}

TEST_F(mmap, threat_02_fixed_over_it)
{
	char *mem = mmap(self->map + 500 * PAGE, 100 * PAGE, PROT_RW,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	ASSERT_EQ(self->map + 500 * PAGE, mem);
	memset(mem, 9, 100 * PAGE);
	EXPECT_TRUE(stamped(self->exp.mem, 0, PAGES, 1));
	EXPECT_OK(move_to(self, 2));
	EXPECT_TRUE(rest_works(self, 500, 100, 2));
	EXPECT_EQ(9, mem[0]);
	EXPECT_EQ(9, mem[100 * PAGE - 1]);
}

TEST_F(mmap, threat_02_itself_over_it)
{
	int i;

	for (i = 0; i < 10; i++) {
		ASSERT_EQ(self->map, mmap(self->map, LENGTH, PROT_RW,
					  MAP_SHARED | MAP_FIXED, self->imp,
					  0));
		EXPECT_TRUE(stamped(self->map, 0, PAGES, 1));
	}
	ASSERT_EQ(self->map + PAGE, mmap(self->map + PAGE, PAGE, PROT_RW,
					 MAP_SHARED | MAP_FIXED, self->imp,
					 700 * PAGE));
	EXPECT_TRUE(stamped(self->map + PAGE, 700, 1, 1));
	EXPECT_TRUE(rest_works(self, 1, 1, 1));
	EXPECT_OK(move_to(self, 2));
	EXPECT_TRUE(stamped(self->map + PAGE, 700, 1, 2));
	EXPECT_TRUE(rest_works(self, 1, 1, 2));
	/* one that is refused is refused here, too */
	EXPECT_EQ(MAP_FAILED, mmap(self->map + 2 * PAGE, PAGE, PROT_EXEC,
				   MAP_SHARED | MAP_FIXED, self->imp, PAGE));
}

TEST_F(mmap, threat_03_mremap_moves)
{
	char *to = rsm_alloc(LENGTH);
	char *old = self->map;
	unsigned char vec;

	ASSERT_NE(MAP_FAILED, to);
	EXPECT_TRUE(stamped(self->map, 0, PAGES, 1));
	self->map = mremap(old, LENGTH, LENGTH, MREMAP_MAYMOVE | MREMAP_FIXED,
			   to);
	ASSERT_EQ(to, self->map);
	EXPECT_EQ(-1, mincore(old, PAGE, &vec));
	EXPECT_TRUE(stamped(self->map, 0, PAGES, 1));
	EXPECT_OK(move_to(self, 2));
	EXPECT_TRUE(stamped(self->map, 0, PAGES, 2));
	EXPECT_EQ(1, rsm_stat("areas") - self->scene.before.areas);
}

/* To an address that differs in its place within the window. */
TEST_F(mmap, threat_03_mremap_moves_across_windows)
{
	char *to = rsm_alloc(5 * LENGTH);
	size_t i;

	for (i = 1; i < 6; i++) {
		char *next = to + (i % 2) * 2 * LENGTH + i * 77 * PAGE;

		EXPECT_TRUE(stamped(self->map, 0, PAGES, i));
		ASSERT_EQ(next, mremap(self->map, LENGTH, LENGTH,
				       MREMAP_MAYMOVE | MREMAP_FIXED, next));
		self->map = next;
		EXPECT_OK(move_to(self, i + 1));
	}
	EXPECT_TRUE(stamped(self->map, 0, PAGES, 6));
}

TEST_F(mmap, threat_03_mremap_moves_a_part)
{
	char *to = rsm_alloc(100 * PAGE);
	char *part;

	EXPECT_TRUE(stamped(self->map, 0, PAGES, 1));
	part = mremap(self->map + 480 * PAGE, 100 * PAGE, 100 * PAGE,
		      MREMAP_MAYMOVE | MREMAP_FIXED, to);
	ASSERT_EQ(to, part);
	EXPECT_TRUE(stamped(part, 480, 100, 1));
	EXPECT_OK(move_to(self, 2));
	EXPECT_TRUE(stamped(part, 480, 100, 2));
	EXPECT_TRUE(rest_works(self, 480, 100, 2));
}

TEST_F(mmap, threat_03_mremap_shrinks)
{
	ASSERT_EQ(self->map, mremap(self->map, LENGTH, 600 * PAGE, 0));
	EXPECT_OK(move_to(self, 2));
	EXPECT_TRUE(stamped(self->map, 0, 600, 2));
	ASSERT_EQ(self->map, mremap(self->map, 600 * PAGE, PAGE,
				    MREMAP_MAYMOVE));
	EXPECT_OK(move_to(self, 3));
	EXPECT_TRUE(stamped(self->map, 0, 1, 3));
}

TEST_F(mmap, threat_03_mremap_cannot_grow)
{
	char *map = mmap(NULL, PAGE, PROT_RW, MAP_SHARED, self->imp, 0);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(MAP_FAILED, mremap(map, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(MAP_FAILED, mremap(map, PAGE, LENGTH + PAGE, 0));
	EXPECT_TRUE(stamped(map, 0, 1, 1));
}

TEST_F(mmap, threat_03_mremap_copies_nothing)
{
	EXPECT_EQ(MAP_FAILED, mremap(self->map, 0, LENGTH, MREMAP_MAYMOVE));
	EXPECT_EQ(MAP_FAILED, mremap(self->map, 0, PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(MAP_FAILED, mremap(self->map, LENGTH, LENGTH,
				     MREMAP_MAYMOVE | MREMAP_DONTUNMAP));
	EXPECT_TRUE(stamped(self->map, 0, PAGES, 1));
}

TEST_F(mmap, remap_file_pages_stays_inside)
{
	EXPECT_NE(0, syscall(SYS_remap_file_pages, self->map, PAGE, 0, PAGES,
			     0));
	if (!syscall(SYS_remap_file_pages, self->map, PAGE, 0, 9, 0))
		EXPECT_TRUE(stamped(self->map, 9, 1, 1));
	EXPECT_TRUE(stamped(self->map + PAGE, 1, PAGES - 1, 1));
}

/* fork */

static void step(int fd)
{
	char byte = 0;

	if (write(fd, &byte, 1) != 1)
		_exit(1);
}

static void await(int fd)
{
	char byte;

	if (read(fd, &byte, 1) != 1)
		_exit(1);
}

TEST_F(mmap, threat_13_child_sees_rebinds)
{
	int to[2], from[2];
	pid_t pid;

	EXPECT_TRUE(stamped(self->map, 0, PAGES, 1));
	ASSERT_OK(pipe(to));
	ASSERT_OK(pipe(from));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		EXPECT_TRUE(stamped(self->map, 0, PAGES, 1));
		step(from[1]);
		await(to[0]);
		EXPECT_TRUE(stamped(self->map, 0, PAGES, 2));
		self->map[8] = 77;
		munmap(self->map, LENGTH);
		step(from[1]);
		await(to[0]);
		_exit(0);
	}
	await(from[0]);
	EXPECT_OK(move_to(self, 2));
	step(to[1]);
	await(from[0]);
	/* the child has unmapped, which is nothing to us */
	EXPECT_EQ(77, self->map[8]);
	EXPECT_OK(move_to(self, 3));
	EXPECT_TRUE(stamped(self->map, 0, PAGES, 3));
	step(to[1]);
	EXPECT_OK(rsm_wait_child(pid));
	EXPECT_TRUE(stamped(self->map, 0, PAGES, 3));
}

TEST_F(mmap, threat_13_parent_unmaps)
{
	int to[2], from[2];
	pid_t pid;

	ASSERT_OK(pipe(to));
	ASSERT_OK(pipe(from));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		await(to[0]);
		EXPECT_TRUE(stamped(self->map, 0, PAGES, 2));
		step(from[1]);
		await(to[0]);
		EXPECT_TRUE(zero(self->map, LENGTH));
		_exit(0);
	}
	ASSERT_OK(munmap(self->map, LENGTH));
	close(self->imp);
	EXPECT_OK(move_to(self, 2));
	step(to[1]);
	await(from[0]);
	EXPECT_OK(rsm_destroy(self->exp.fd, NULL));
	step(to[1]);
	EXPECT_OK(rsm_wait_child(pid));
}

/* What else the kernel does with mappings */

/* Advice is taken or refused; the data is as before, and nothing warns. */
TEST_F(mmap, threat_24_madvise)
{
	static const int advice[] = {
		MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED,
		MADV_DONTNEED, MADV_FREE, MADV_REMOVE, MADV_DONTFORK,
		MADV_DOFORK, MADV_HWPOISON, 101 /* MADV_SOFT_OFFLINE */,
		MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_HUGEPAGE,
		MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_DODUMP, MADV_WIPEONFORK,
		MADV_KEEPONFORK, MADV_COLD, MADV_PAGEOUT, MADV_POPULATE_READ,
		MADV_POPULATE_WRITE, 24 /* MADV_DONTNEED_LOCKED */,
		25 /* MADV_COLLAPSE */, 102 /* MADV_GUARD_INSTALL */,
		103 /* MADV_GUARD_REMOVE */,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(advice); i++) {
		madvise(self->map, LENGTH, advice[i]);
		EXPECT_TRUE(stamped(self->map, 0, PAGES, 1))
			TH_LOG("advice %d", advice[i]);
		madvise(self->map + 2 * PAGE, PAGE, advice[i]);
		EXPECT_TRUE(stamped(self->map, 0, PAGES, 1))
			TH_LOG("advice %d", advice[i]);
		EXPECT_TRUE(stamped(self->exp.mem, 0, PAGES, 1))
			TH_LOG("advice %d", advice[i]);
	}
	EXPECT_OK(move_to(self, 2));
	EXPECT_TRUE(stamped(self->map, 0, PAGES, 2));
}

static int touch(void *addr)
{
	(void)*(volatile char *)addr;
	return 0;
}

TEST_F(mmap, threat_13_dontfork)
{
	ASSERT_OK(madvise(self->map, LENGTH, MADV_DONTFORK));
	EXPECT_EQ(-SIGSEGV, rsm_in_child(touch, self->map));
	EXPECT_TRUE(stamped(self->map, 0, PAGES, 1));
}

static long read_all(const char *path, off_t offset, long limit)
{
	static char buf[65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	long total = 0;
	ssize_t got;

	lseek(fd, offset, SEEK_SET);
	while (total < limit && (got = read(fd, buf, sizeof(buf))) > 0)
		total += got;
	close(fd);
	return total;
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	if (!file)
		return;
	fputs(text, file);
	fclose(file);
}

static void walk_page_tables(char *map)
{
	static unsigned char vec[PAGES];

	mincore(map, LENGTH, vec);
	read_all("/proc/self/pagemap", (uintptr_t)map / PAGE * 8, PAGES * 8);
	read_all("/proc/self/smaps", 0, 1 << 24);
	read_all("/proc/self/numa_maps", 0, 1 << 24);
	write_file("/proc/self/clear_refs", "1");
	write_file("/proc/self/clear_refs", "4");
	msync(map, LENGTH, MS_SYNC);
	msync(map, LENGTH, MS_ASYNC | MS_INVALIDATE);
}

TEST_F(mmap, threat_24_page_table_walks)
{
	char *read_only = map_read_only(self);

	/* not filled, filled, moved, aborted */
	walk_page_tables(self->map);
	EXPECT_TRUE(stamped(self->map, 0, PAGES, 1));
	EXPECT_TRUE(stamped(read_only, 0, PAGES, 1));
	walk_page_tables(self->map);
	walk_page_tables(read_only);
	EXPECT_TRUE(stamped(self->map, 0, PAGES, 1));
	EXPECT_OK(move_to(self, 2));
	walk_page_tables(self->map);
	walk_page_tables(read_only);
	EXPECT_TRUE(stamped(self->map, 0, PAGES, 2));
	EXPECT_TRUE(stamped(read_only, 0, PAGES, 2));
	EXPECT_OK(rsm_destroy(self->exp.fd, NULL));
	walk_page_tables(self->map);
	EXPECT_TRUE(zero(self->map, LENGTH));
	walk_page_tables(self->map);
}

static int dump_core(void *arg)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	(void)arg;
	write_file("/proc/self/coredump_filter", "0x1ff\n");
	setrlimit(RLIMIT_CORE, &limit);
	if (chdir("/tmp"))
		return 1;
	abort();
}

TEST_F(mmap, threat_24_core_dump)
{
	write_file("/proc/sys/kernel/core_pattern", "/tmp/rsm-core\n");
	EXPECT_TRUE(stamped(self->map, 0, PAGES, 1));
	EXPECT_EQ(-SIGABRT, rsm_in_child(dump_core, NULL));
	write_file("/proc/sys/kernel/core_pattern", "core\n");
	EXPECT_OK(access("/tmp/rsm-core", F_OK));
	unlink("/tmp/rsm-core");
	EXPECT_TRUE(stamped(self->map, 0, PAGES, 1));
}

TEST_F(mmap, mlock)
{
	char *map;

	mlock(self->map, LENGTH);
	EXPECT_TRUE(stamped(self->map, 0, PAGES, 1));
	EXPECT_OK(mlockall(MCL_CURRENT | MCL_FUTURE));
	map = rsm_map(self->imp, LENGTH, PROT_RW);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_OK(move_to(self, 2));
	EXPECT_TRUE(stamped(self->map, 0, PAGES, 2));
	EXPECT_TRUE(stamped(map, 0, PAGES, 2));
	EXPECT_OK(munmap(map, LENGTH));
	EXPECT_OK(munlockall());
}

TEST_F(mmap, populate)
{
	char *map = mmap(NULL, LENGTH, PROT_RW, MAP_SHARED | MAP_POPULATE,
			 self->imp, 0);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_TRUE(stamped(map, 0, PAGES, 1));
	EXPECT_OK(move_to(self, 2));
	EXPECT_TRUE(stamped(map, 0, PAGES, 2));
}

TEST_F(mmap, threat_25_many_mappings)
{
	char *maps[300];
	int i;

	for (i = 0; i < 300; i++) {
		maps[i] = mmap(NULL, 2 * PAGE, PROT_RW, MAP_SHARED, self->imp,
			       i * PAGE);
		ASSERT_NE(MAP_FAILED, maps[i]);
		EXPECT_TRUE(stamped(maps[i], i, 2, 1));
	}
	EXPECT_EQ(301, rsm_stat("areas") - self->scene.before.areas);
	EXPECT_OK(move_to(self, 2));
	for (i = 0; i < 300; i++) {
		EXPECT_TRUE(stamped(maps[i], i, 2, 2));
		munmap(maps[i], 2 * PAGE);
	}
	EXPECT_EQ(1, rsm_stat("areas") - self->scene.before.areas);
}

TEST_F(mmap, threat_25_mappings_of_an_import_have_a_limit)
{
	char *map = MAP_FAILED;
	int i;

	for (i = 0; i < 10000; i++) {
		map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->imp,
			   i % 2 * PAGE);
		if (map == MAP_FAILED)
			break;
	}
	ASSERT_EQ(MAP_FAILED, map);
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_LE(1000, i);
	/* a split is refused as well, and nothing is lost */
	EXPECT_EQ(-1, munmap(self->map + PAGE, PAGE));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_OK(move_to(self, 2));
	EXPECT_TRUE(stamped(self->map, 0, 3, 2));
}

TEST_F(mmap, mapping_keeps_the_import)
{
	close(self->imp);
	EXPECT_EQ(1, rsm_stat("imports") - self->scene.before.imports);
	EXPECT_TRUE(stamped(self->map, 0, PAGES, 1));
	ASSERT_OK(munmap(self->map, LENGTH));
	EXPECT_EQ(self->scene.before.imports, rsm_stat("imports"));
}

/* After an abort */

TEST_F(mmap, map_after_abort)
{
	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	EXPECT_EQ(-ENODEV, try_map(self->imp, PAGE, PROT_READ, MAP_SHARED, 0));
	/* after the range and the rights */
	EXPECT_EQ(-ENXIO, try_map(self->imp, PAGE, PROT_READ, MAP_SHARED,
				  LENGTH));
	EXPECT_EQ(-EACCES, try_map(self->imp, PAGE, PROT_EXEC, MAP_SHARED, 0));
	EXPECT_EQ(-EINVAL, try_map(self->imp, PAGE, PROT_READ, MAP_PRIVATE, 0));
}

FIXTURE(abort)
{
	mmap_self mmap;
};

FIXTURE_VARIANT(abort)
{
	bool touched;
	bool destroy;
};

FIXTURE_VARIANT_ADD(abort, unpublish)
{
	.touched = true,
};

FIXTURE_VARIANT_ADD(abort, destroy)
{
	.touched = true,
	.destroy = true,
};

FIXTURE_VARIANT_ADD(abort, unpublish_untouched)
{
	.destroy = false,
};

FIXTURE_VARIANT_ADD(abort, destroy_untouched)
{
	.destroy = true,
};

FIXTURE_SETUP(abort)
{
	mmap_setup(_metadata, &self->mmap, NULL);
	if (variant->touched)
		EXPECT_TRUE(stamped(self->mmap.map, 0, PAGES, 1));
}

FIXTURE_TEARDOWN(abort)
{
	EXPECT_TRUE(rsm_scene_close(&self->mmap.scene));
}

static int abort_all(const mmap_self *self, bool destroy)
{
	return destroy ? rsm_destroy(self->exp.fd, NULL) :
			 rsm_unpublish(self->exp.fd, NULL);
}

TEST_F(abort, loads_show_zeroes)
{
	ASSERT_OK(abort_all(&self->mmap, variant->destroy));
	EXPECT_TRUE(zero(self->mmap.map, LENGTH));
}

TEST_F(abort, threat_06_stores_do_not_reach_the_exporter)
{
	ASSERT_OK(abort_all(&self->mmap, variant->destroy));
	memset(self->mmap.map, 0x5a, LENGTH);
	EXPECT_TRUE(stamped(self->mmap.exp.mem, 0, PAGES, 1));
}

TEST_F(abort, threat_06_nor_what_comes_after_it)
{
	char *mem;

	ASSERT_OK(rsm_destroy(self->mmap.exp.fd, NULL));
	munmap(self->mmap.exp.mem, LENGTH);
	mem = rsm_alloc(LENGTH);
	rsm_stamp(mem, LENGTH, 9);
	EXPECT_TRUE(zero(self->mmap.map, LENGTH));
	memset(self->mmap.map, 0x5a, LENGTH);
	EXPECT_EQ(-1, rsm_stamp_check(mem, LENGTH, 9));
}

TEST_F(abort, trash_is_private_to_the_import)
{
	char *other = rsm_import_map(&self->mmap.scene, self->mmap.exp.segid,
				     LENGTH);
	char *same = rsm_map(self->mmap.imp, LENGTH, PROT_RW);

	ASSERT_NE(MAP_FAILED, other);
	ASSERT_NE(MAP_FAILED, same);
	ASSERT_OK(abort_all(&self->mmap, variant->destroy));
	memset(self->mmap.map, 0x5a, LENGTH);
	EXPECT_TRUE(zero(other, LENGTH));
	EXPECT_EQ(0x5a, same[0]);
}

TEST_F(abort, mappings_can_be_handled)
{
	char *map = self->mmap.map;
	char *to = rsm_alloc(LENGTH);

	ASSERT_OK(abort_all(&self->mmap, variant->destroy));
	EXPECT_OK(munmap(map + 100 * PAGE, PAGE));
	EXPECT_OK(mprotect(map, PAGE, PROT_READ));
	EXPECT_EQ(0, rsm_in_child(touch, map));
	ASSERT_EQ(to, mremap(map + PAGE, 99 * PAGE, 99 * PAGE,
			     MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_TRUE(zero(to, 99 * PAGE));
	EXPECT_TRUE(zero(map + 101 * PAGE, LENGTH - 101 * PAGE));
}

TEST_F(abort, pages_are_unpinned_at_once)
{
	ASSERT_OK(rsm_destroy(self->mmap.exp.fd, NULL));
	EXPECT_EQ(self->mmap.scene.before.pinned_pages,
		  rsm_stat("pinned_pages"));
	EXPECT_EQ(self->mmap.scene.vm_pin, rsm_vm_pin());
}

/*
 * mmap() of an import sleeps after all its checks, with its area not linked
 * yet, and meanwhile the pages go. The importer is another process, as the
 * sleep holds the lock of its address space.
 */
#define DELAY_MS 400

/* Fork an importer that maps slowly, and wait until it is about to. */
static pid_t slow_importer(mmap_self *self, bool (*good)(const char *map))
{
	int from[2];
	pid_t pid;
	char *map;

	if (rsm_param("test_mmap_delay_ms", DELAY_MS) < 0 || pipe(from))
		return -1;
	pid = fork();
	if (!pid) {
		step(from[1]);
		map = rsm_map(self->imp, LENGTH, PROT_RW);
		if (map == MAP_FAILED)
			_exit(errno == ENODEV ? 2 : 3);
		_exit(good(map) ? 0 : 1);
	}
	await(from[0]);
	rsm_sleep_ms(DELAY_MS / 4);
	rsm_param("test_mmap_delay_ms", 0);
	return pid;
}

static bool has_second(const char *map)
{
	return stamped(map, 0, PAGES, 2);
}

static bool has_zero(const char *map)
{
	return zero(map, LENGTH);
}

TEST_F(mmap, threat_05_06_rebind_while_mapping)
{
	pid_t pid = slow_importer(self, has_second);

	ASSERT_LT(0, pid);
	EXPECT_OK(move_to(self, 2));
	EXPECT_OK(rsm_wait_child(pid));
}

TEST_F(mmap, threat_05_06_rebind_while_mapping_with_others)
{
	pid_t pid = slow_importer(self, has_second);

	ASSERT_LT(0, pid);
	EXPECT_TRUE(stamped(self->map, 0, PAGES, 1));
	EXPECT_OK(move_to(self, 3));
	EXPECT_TRUE(stamped(self->map, 0, PAGES, 3));
	EXPECT_OK(move_to(self, 2));
	EXPECT_TRUE(stamped(self->map, 0, PAGES, 2));
	EXPECT_OK(rsm_wait_child(pid));
}

TEST_F(mmap, threat_05_06_unpublish_while_mapping)
{
	pid_t pid = slow_importer(self, has_zero);
	int ret;

	ASSERT_LT(0, pid);
	EXPECT_OK(rsm_unpublish(self->exp.fd, NULL));
	ret = rsm_wait_child(pid);
	EXPECT_TRUE(ret == 0 || ret == 2) TH_LOG("%d", ret);
	EXPECT_TRUE(stamped(self->exp.mem, 0, PAGES, 1));
}

TEST_F(mmap, threat_05_06_destroy_while_mapping)
{
	pid_t pid = slow_importer(self, has_zero);
	char *mem;
	int ret;

	ASSERT_LT(0, pid);
	EXPECT_OK(rsm_destroy(self->exp.fd, NULL));
	munmap(self->exp.mem, LENGTH);
	/* whoever gets the pages now must not be seen */
	mem = rsm_alloc(LENGTH);
	rsm_stamp(mem, LENGTH, 9);
	ret = rsm_wait_child(pid);
	EXPECT_TRUE(ret == 0 || ret == 2) TH_LOG("%d", ret);
	EXPECT_EQ(-1, rsm_stamp_check(mem, LENGTH, 9));
}

/* Threads that fault in one window at once, and unmap while others fault. */
struct faults {
	char *map;
	volatile bool bad;
	volatile bool stop;
};

static void *keep_loading(void *arg)
{
	struct faults *faults = arg;
	size_t i;

	while (!faults->stop) {
		for (i = 0; i < PAGES; i += 37) {
			uint64_t word = *(volatile uint64_t *)(faults->map +
							       i * PAGE);

			if ((uint32_t)word != i)
				faults->bad = true;
		}
	}
	return NULL;
}

TEST_F(mmap, threat_04_threads_fault_while_remapped)
{
	struct faults faults = { .map = self->map };
	pthread_t threads[3];
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_OK(pthread_create(&threads[i], NULL, keep_loading,
					 &faults));
	}
	for (i = 0; i < 200; i++) {
		EXPECT_EQ(self->map, mmap(self->map, LENGTH, PROT_RW,
					  MAP_SHARED | MAP_FIXED, self->imp,
					  0));
		if (i % 20 == 0)
			EXPECT_OK(move_to(self, i));
	}
	faults.stop = true;
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	EXPECT_FALSE(faults.bad);
}

/* An importer that maps and faults all the time, until it is told to look. */
#define WINDOW (2UL << 20)
#define RACE_LENGTH (8 * WINDOW)
#define RACE_ROUNDS 150

struct fault_race {
	int fd;
	bool begun;
	bool over;
};

static int map_and_fault(void *arg)
{
	struct fault_race *race = arg;
	char *next, *map = MAP_FAILED;
	size_t i;

	while (!__atomic_load_n(&race->over, __ATOMIC_ACQUIRE)) {
		next = rsm_map(race->fd, RACE_LENGTH, PROT_RW);
		if (next == MAP_FAILED)
			break;
		if (map != MAP_FAILED)
			munmap(map, RACE_LENGTH);
		map = next;
		__atomic_store_n(&race->begun, true, __ATOMIC_RELEASE);
		for (i = PAGE; i < RACE_LENGTH; i += WINDOW)
			(void)*(volatile char *)(map + i);
	}
	while (!__atomic_load_n(&race->over, __ATOMIC_ACQUIRE))
		sched_yield();
	for (i = 0; i < RACE_LENGTH; i += PAGE)
		if (map[i])
			return 1;
	return 0;
}

/* When unpublish has returned no fault that began earlier shows a page. */
TEST_F_TIMEOUT(mmap, threat_06_unpublish_while_faulting, 100)
{
	struct fault_race *race = mmap(NULL, PAGE, PROT_RW,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct rsm_export exp;
	int round;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, race);
	ASSERT_OK(rsm_export_new(&self->scene, RACE_LENGTH, 1, &exp));
	memset(exp.mem, 7, RACE_LENGTH);
	for (round = 0; round < RACE_ROUNDS; round++) {
		memset(race, 0, sizeof(*race));
		race->fd = rsm_import(&self->scene, exp.segid, RW);
		ASSERT_LE(0, race->fd);
		pid = rsm_start_child(map_and_fault, race);
		close(race->fd);
		while (!__atomic_load_n(&race->begun, __ATOMIC_ACQUIRE))
			sched_yield();
		usleep(random() % 3000);
		EXPECT_OK(rsm_unpublish(exp.fd, NULL));
		__atomic_store_n(&race->over, true, __ATOMIC_RELEASE);
		ASSERT_EQ(0, rsm_wait_child(pid));
		exp.segid = 0;
		ASSERT_OK(rsm_publish(exp.fd, &exp.segid, NULL, 0, NULL));
	}
}

TEST_HARNESS_MAIN
