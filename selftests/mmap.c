// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings of imports: what can be mapped, what the kernel's own operations
 * on mappings do to them, and what they show after an abort.
 */
#include "rsm_utils.h"

#include <dirent.h>
#include <elf.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define PAGE 4096UL
#define PAGES 1029
#define WINDOW (2UL << 20)
/* Two windows and a bit. */
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
	EXPECT_NO_EXEC(try_map(self->imp, PAGE, PROT_EXEC, MAP_SHARED, 0));
	EXPECT_NO_EXEC(try_map(self->imp, PAGE, PROT_RW | PROT_EXEC,
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

/*
 * 36: an io_uring of one entry, whose requests a worker of the kernel carries
 * out: it is the one that faults.
 */
struct ring {
	int fd;
	char *queues;
	struct io_uring_sqe *entry;
	struct io_uring_params params;
};

static int ring_open(struct ring *ring)
{
	struct io_uring_params *params = &ring->params;

	memset(ring, 0, sizeof(*ring));
	ring->fd = syscall(SYS_io_uring_setup, 1, params);
	if (ring->fd < 0)
		return -errno;
	/* of both queues, which on all kernels that we know are one mapping */
	ring->queues = mmap(NULL, params->cq_off.cqes + params->cq_entries *
			    sizeof(struct io_uring_cqe), PROT_RW, MAP_SHARED,
			    ring->fd, IORING_OFF_SQ_RING);
	ring->entry = mmap(NULL, PAGE, PROT_RW, MAP_SHARED, ring->fd,
			   IORING_OFF_SQES);
	if (ring->queues == MAP_FAILED || ring->entry == MAP_FAILED)
		return -errno;
	return params->features & IORING_FEAT_SINGLE_MMAP ? 0 : -ENOSYS;
}

/* Let a worker carry out what ring->entry says: the result. */
static int ring_work(struct ring *ring)
{
	__u32 *tail = (__u32 *)(ring->queues + ring->params.sq_off.tail);
	__u32 *head = (__u32 *)(ring->queues + ring->params.cq_off.head);
	struct io_uring_cqe *done =
		(struct io_uring_cqe *)(ring->queues + ring->params.cq_off.cqes);

	ring->entry->flags = IOSQE_ASYNC;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS,
		    NULL, 0) != 1)
		return -errno;
	done += *head % ring->params.cq_entries;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return done->res;
}

/* @opcode: IORING_OP_READ or IORING_OP_WRITE, from the start of the file */
static int ring_io(struct ring *ring, __u8 opcode, int fd, char *mem)
{
	*ring->entry = (struct io_uring_sqe){
		.opcode = opcode,
		.fd = fd,
		.addr = (uintptr_t)mem,
		.len = LENGTH,
	};
	return ring_work(ring);
}

/* Whether one of our threads is such a worker. */
static bool has_io_worker(void)
{
	DIR *dir = opendir("/proc/self/task");
	char path[300], name[32] = "";
	struct dirent *entry;
	FILE *file;

	while (dir && strncmp(name, "iou-wrk", 7) && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/comm",
			 entry->d_name);
		file = fopen(path, "re");
		if (!file || !fgets(name, sizeof(name), file))
			name[0] = 0;
		if (file)
			fclose(file);
	}
	closedir(dir);
	return !strncmp(name, "iou-wrk", 7);
}

/* A file with the stamp of @seed, mapped at *@mem. */
static int stamped_file(uint32_t seed, char **mem)
{
	int fd = memfd_create("rsm", MFD_CLOEXEC);

	if (ftruncate(fd, LENGTH))
		return -errno;
	*mem = mmap(NULL, LENGTH, PROT_RW, MAP_SHARED, fd, 0);
	if (*mem == MAP_FAILED)
		return -errno;
	rsm_stamp(*mem, LENGTH, seed);
	return fd;
}

TEST_F(mmap, threat_36_io_uring_worker_fills_an_import)
{
	struct ring ring;
	char *mem;
	int fd = stamped_file(2, &mem);

	ASSERT_LE(0, fd);
	ASSERT_OK(ring_open(&ring));
	EXPECT_EQ(LENGTH, ring_io(&ring, IORING_OP_READ, fd, self->map));
	EXPECT_TRUE(has_io_worker());
	EXPECT_EQ(-1, rsm_stamp_check(self->exp.mem, LENGTH, 2));
	/* and again after a rebind, with what it has filled gone */
	ASSERT_OK(move_to(self, 3));
	EXPECT_EQ(LENGTH, ring_io(&ring, IORING_OP_READ, fd, self->map));
	EXPECT_EQ(-1, rsm_stamp_check(self->exp.mem, LENGTH, 2));
}

TEST_F(mmap, threat_36_io_uring_worker_reads_an_import)
{
	struct ring ring;
	char *mem;
	int fd = stamped_file(2, &mem);

	ASSERT_LE(0, fd);
	ASSERT_OK(ring_open(&ring));
	EXPECT_EQ(LENGTH, ring_io(&ring, IORING_OP_WRITE, fd, self->map));
	EXPECT_TRUE(has_io_worker());
	EXPECT_EQ(-1, rsm_stamp_check(mem, LENGTH, 1));
	/* nothing is left of it after an abort */
	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	EXPECT_EQ(LENGTH, ring_io(&ring, IORING_OP_WRITE, fd, self->map));
	EXPECT_TRUE(zero(mem, LENGTH));
}

TEST_F(mmap, threat_36_io_uring_worker_has_no_more_rights)
{
	char *mem, *map = map_read_only(self);
	int fd = stamped_file(2, &mem);
	struct ring ring;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_LE(0, fd);
	ASSERT_OK(ring_open(&ring));
	EXPECT_EQ(-EFAULT, ring_io(&ring, IORING_OP_READ, fd, map));
	EXPECT_EQ(-1, rsm_stamp_check(self->exp.mem, LENGTH, 1));
	EXPECT_EQ(LENGTH, ring_io(&ring, IORING_OP_WRITE, fd, map));
	EXPECT_EQ(-1, rsm_stamp_check(mem, LENGTH, 1));
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

static void walk_page_tables(char *map)
{
	static unsigned char vec[PAGES];

	mincore(map, LENGTH, vec);
	read_all("/proc/self/pagemap", (uintptr_t)map / PAGE * 8, PAGES * 8);
	read_all("/proc/self/smaps", 0, 1 << 24);
	read_all("/proc/self/numa_maps", 0, 1 << 24);
	rsm_file_write("/proc/self/clear_refs", "1");
	rsm_file_write("/proc/self/clear_refs", "4");
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

/*
 * 24: the exporter's memory is said to be broken, or about to. A load by an
 * importer shows what it should, or ends in SIGBUS.
 */
#define POISON_LENGTH (2 * WINDOW)
#define POISON_PAGE 700

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif

static sigjmp_buf bus_jump;
static volatile sig_atomic_t bus_expected;

/* The kernel may tell of it at other times, too. */
static void on_bus(int signal)
{
	if (!bus_expected)
		return;
	bus_expected = 0;
	siglongjmp(bus_jump, signal);
}

/* Load a word: false if that ends in SIGBUS. */
static bool load_word(const char *at, uint64_t *word)
{
	if (sigsetjmp(bus_jump, 1))
		return false;
	bus_expected = 1;
	*word = *(const volatile uint64_t *)at;
	bus_expected = 0;
	return true;
}

static bool store_word(char *at, uint64_t word)
{
	if (sigsetjmp(bus_jump, 1))
		return false;
	bus_expected = 1;
	*(volatile uint64_t *)at = word;
	bus_expected = 0;
	return true;
}

/* Loads of each page: how many end in SIGBUS, or -1 if one is wrong. */
static int count_bus(const char *map, uint32_t seed)
{
	uint64_t word;
	int count = 0;
	size_t i;

	for (i = 0; i < POISON_LENGTH / PAGE; i++) {
		if (!load_word(map + i * PAGE, &word))
			count++;
		else if (word != ((uint64_t)seed << 32 | i))
			return -1;
	}
	return count;
}

FIXTURE(poison)
{
	struct rsm_scene scene;
	struct rsm_export exp;
	char *mem;
	char *touched;
	char *untouched;
};

FIXTURE_VARIANT(poison)
{
	char *(*alloc)(void);
	int advice;
};

static char *poison_aligned(int advice)
{
	char *mem = rsm_alloc(POISON_LENGTH + WINDOW);

	mem = (char *)(((uintptr_t)mem + WINDOW - 1) & -WINDOW);
	madvise(mem, POISON_LENGTH, advice);
	return mem;
}

static char *poison_small(void)
{
	return poison_aligned(MADV_NOHUGEPAGE);
}

static char *poison_thp(void)
{
	return poison_aligned(MADV_HUGEPAGE);
}

static char *poison_memfd(void)
{
	int fd = memfd_create("rsm", MFD_CLOEXEC);
	char *mem = MAP_FAILED;

	if (!ftruncate(fd, POISON_LENGTH))
		mem = mmap(NULL, POISON_LENGTH, PROT_RW, MAP_SHARED, fd, 0);
	close(fd);
	return mem;
}

#define POISON(_alloc, _advice)                                                \
	{                                                                      \
		.alloc = poison_##_alloc, .advice = MADV_##_advice,            \
	}

FIXTURE_VARIANT_ADD(poison, small)
	POISON(small, HWPOISON);
FIXTURE_VARIANT_ADD(poison, thp)
	POISON(thp, HWPOISON);
FIXTURE_VARIANT_ADD(poison, memfd)
	POISON(memfd, HWPOISON);
FIXTURE_VARIANT_ADD(poison, small_soon)
	POISON(small, SOFT_OFFLINE);
FIXTURE_VARIANT_ADD(poison, thp_soon)
	POISON(thp, SOFT_OFFLINE);
FIXTURE_VARIANT_ADD(poison, memfd_soon)
	POISON(memfd, SOFT_OFFLINE);

/* Give the advice for POISON_PAGE: 0, or minus errno. */
static int poison(char *mem, int advice)
{
	int ret = madvise(mem + POISON_PAGE * PAGE, PAGE, advice) ? -errno : 0;

	printf("# advice %d: %s\n", advice, strerror(-ret));
	return ret;
}

FIXTURE_SETUP(poison)
{
	struct sigaction action = { .sa_handler = on_bus };

	self->mem = variant->alloc();
	ASSERT_NE(MAP_FAILED, self->mem);
	rsm_stamp(self->mem, POISON_LENGTH, 1);
	ASSERT_OK(sigaction(SIGBUS, &action, NULL));
	ASSERT_OK(rsm_scene_open(&self->scene));
	ASSERT_OK(rsm_export_mem(&self->scene, self->mem, POISON_LENGTH,
				 &self->exp));
	self->touched = rsm_import_view(&self->scene, self->exp.segid,
					POISON_LENGTH);
	ASSERT_NE(MAP_FAILED, self->touched);
	EXPECT_TRUE(stamped(self->touched, 0, POISON_LENGTH / PAGE, 1));
	self->untouched = rsm_import_view(&self->scene, self->exp.segid,
					  POISON_LENGTH);
	ASSERT_NE(MAP_FAILED, self->untouched);
}

FIXTURE_TEARDOWN(poison)
{
	EXPECT_TRUE(rsm_scene_close(&self->scene));
	/*
	 * Now that it can, let the kernel split a huge page, so that its broken
	 * one is not used again: offering it a neighbour does.
	 */
	if (variant->alloc == poison_thp)
		EXPECT_OK(poison(self->mem + PAGE, MADV_SOFT_OFFLINE));
}

/* Either all of a THP, or a page. */
static void check_poisoned(struct __test_metadata *_metadata, const char *map,
			   uint32_t seed)
{
	int count = count_bus(map, seed);

	EXPECT_LE(0, count);
	EXPECT_GE(512, count);
	if (count)
		printf("# %d pages are no longer there\n", count);
}

/* Whoever gets free memory now gets none that importers have. */
static void use_free_memory(struct __test_metadata *_metadata)
{
	char *mem = rsm_alloc(16 * WINDOW);

	ASSERT_NE(MAP_FAILED, mem);
	rsm_stamp(mem, 16 * WINDOW, 99);
	munmap(mem, 16 * WINDOW);
}

TEST_F(poison, threat_24_importers_see_the_page_or_nothing)
{
	char *map;

	poison(self->exp.mem, variant->advice);
	use_free_memory(_metadata);
	check_poisoned(_metadata, self->touched, 1);
	check_poisoned(_metadata, self->untouched, 1);
	map = rsm_import_view(&self->scene, self->exp.segid, POISON_LENGTH);
	ASSERT_NE(MAP_FAILED, map);
	check_poisoned(_metadata, map, 1);
	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	EXPECT_TRUE(zero(map, POISON_LENGTH));
}

/* What is not taken from the exporter stays the same memory. */
TEST_F(poison, threat_24_memory_stays_shared)
{
	size_t offset = POISON_PAGE * PAGE;
	uint64_t word = 0;
	bool there;

	poison(self->exp.mem, variant->advice);
	use_free_memory(_metadata);
	rsm_stamp(self->touched, offset, 2);
	EXPECT_EQ(-1, rsm_stamp_check(self->exp.mem, offset, 2));
	there = store_word(self->exp.mem + offset, 77) &&
		load_word(self->untouched + offset, &word);
	if (there)
		EXPECT_EQ(77, word);
	if (variant->advice == MADV_SOFT_OFFLINE)
		EXPECT_TRUE(there);
}

TEST_F(poison, threat_24_rebind_to_good_memory)
{
	char *mem = variant->alloc();

	ASSERT_NE(MAP_FAILED, mem);
	rsm_stamp(mem, POISON_LENGTH, 3);
	poison(self->exp.mem, variant->advice);
	ASSERT_OK(rsm_rebind(self->exp.fd, mem, POISON_LENGTH, NULL));
	use_free_memory(_metadata);
	EXPECT_EQ(0, count_bus(self->touched, 3));
	EXPECT_EQ(0, count_bus(self->untouched, 3));
}

/* Memory that is broken already: refused, and nothing changes. */
TEST_F(poison, threat_24_rebind_to_broken_memory)
{
	char *mem = variant->alloc();

	ASSERT_NE(MAP_FAILED, mem);
	rsm_stamp(mem, POISON_LENGTH, 3);
	ASSERT_OK(poison(mem, variant->advice));
	if (variant->advice == MADV_SOFT_OFFLINE) {
		/* the kernel has put another page there */
		EXPECT_OK(rsm_rebind(self->exp.fd, mem, POISON_LENGTH, NULL));
		EXPECT_EQ(0, count_bus(self->touched, 3));
		return;
	}
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    rsm_rebind(self->exp.fd, mem, POISON_LENGTH, &error));
	EXPECT_EQ(0, count_bus(self->touched, 1));
	EXPECT_EQ(0, count_bus(self->untouched, 1));
	EXPECT_EQ(self->scene.vm_pin + POISON_LENGTH / PAGE, rsm_vm_pin());
}

#define CORE "/tmp/rsm-core"

static int dump_core(void *arg)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	mmap_self *self = arg;

	/* of the contents there is the mapping, and no copy */
	munmap(self->exp.mem, LENGTH);
	rsm_file_write("/proc/self/coredump_filter", "0x1ff\n");
	setrlimit(RLIMIT_CORE, &limit);
	if (!stamped(self->map, 0, PAGES, 1) || chdir("/tmp"))
		return 1;
	abort();
}

/* Bytes that a core has of what was at @addr, or -1 if that is not in it. */
static long bytes_in_core(const char *core, const void *addr)
{
	const Elf64_Ehdr *header = (const void *)core;
	const Elf64_Phdr *part = (const void *)(core + header->e_phoff);
	int i;

	for (i = 0; i < header->e_phnum; i++)
		if (part[i].p_type == PT_LOAD &&
		    (uintptr_t)addr - part[i].p_vaddr < part[i].p_memsz)
			return part[i].p_filesz;
	return -1;
}

/* Pages of the core with the stamp that one of @map has there */
static int stamps_in_core(const char *core, size_t size, const char *map)
{
	size_t offset;
	int count = 0;

	for (offset = 0; offset + PAGE <= size; offset += PAGE)
		count += !memcmp(core + offset, map + 7 * PAGE, 8) &&
			 !memcmp(core + offset + PAGE - 8,
				 map + 8 * PAGE - 8, 8);
	return count;
}

/* A mapping is left out, and other memory is not. */
TEST_F(mmap, threat_24_core_dump)
{
	char *mem = rsm_alloc(PAGE), *core;
	struct stat stat;
	int fd;

	ASSERT_NE(MAP_FAILED, mem);
	mem[0] = 1;
	rsm_file_write("/proc/sys/kernel/core_pattern", CORE "\n");
	EXPECT_EQ(-SIGABRT, rsm_in_child(dump_core, self));
	rsm_file_write("/proc/sys/kernel/core_pattern", "core\n");
	fd = open(CORE, O_RDONLY | O_CLOEXEC);
	unlink(CORE);
	ASSERT_LE(0, fd);
	ASSERT_OK(fstat(fd, &stat));
	core = mmap(NULL, stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, core);
	EXPECT_LT(0, bytes_in_core(core, mem));
	EXPECT_EQ(0, bytes_in_core(core, self->map));
	EXPECT_EQ(0, stamps_in_core(core, stat.st_size, self->map));
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
	EXPECT_NO_EXEC(try_map(self->imp, PAGE, PROT_EXEC, MAP_SHARED, 0));
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
	char *other = rsm_import_view(&self->mmap.scene, self->mmap.exp.segid,
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
#define DELAY_MS 30000

struct slow {
	pid_t pid;
	int told;	/* it may look at what it has mapped */
};

static int map_slowly(mmap_self *self, int told, bool (*good)(const char *map))
{
	char *map = rsm_map(self->imp, LENGTH, PROT_RW);

	if (map == MAP_FAILED)
		return errno == ENODEV ? 2 : 3;
	await(told);
	return !good(map);
}

/* Fork an importer that maps slowly, and wait until it is in mmap(). */
static bool slow_importer(mmap_self *self, struct slow *slow,
			  bool (*good)(const char *map))
{
	long areas, end = rsm_now_ms() + DELAY_MS;
	int to[2];

	if (rsm_param("test_mmap_delay_ms", DELAY_MS) < 0 || pipe(to))
		return false;
	areas = rsm_stat("areas");
	slow->told = to[1];
	slow->pid = fork();
	if (!slow->pid)
		_exit(map_slowly(self, to[0], good));
	while (rsm_stat("areas") < areas + 2 && rsm_now_ms() < end)
		rsm_sleep_ms(1);
	return slow->pid > 0 && rsm_stat("areas") == areas + 2;
}

/* 0, 1 if it saw what it should not, or 2 if it came too late to map. */
static int slow_result(const struct slow *slow)
{
	rsm_param("test_mmap_delay_ms", 0);
	step(slow->told);
	return rsm_wait_child(slow->pid);
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
	struct slow slow;

	ASSERT_TRUE(slow_importer(self, &slow, has_second));
	EXPECT_OK(move_to(self, 2));
	EXPECT_OK(slow_result(&slow));
}

TEST_F(mmap, threat_05_06_rebind_while_mapping_with_others)
{
	struct slow slow;

	ASSERT_TRUE(slow_importer(self, &slow, has_second));
	EXPECT_TRUE(stamped(self->map, 0, PAGES, 1));
	EXPECT_OK(move_to(self, 3));
	EXPECT_TRUE(stamped(self->map, 0, PAGES, 3));
	EXPECT_OK(move_to(self, 2));
	EXPECT_TRUE(stamped(self->map, 0, PAGES, 2));
	EXPECT_OK(slow_result(&slow));
}

TEST_F(mmap, threat_05_06_unpublish_while_mapping)
{
	struct slow slow;
	int ret;

	ASSERT_TRUE(slow_importer(self, &slow, has_zero));
	EXPECT_OK(rsm_unpublish(self->exp.fd, NULL));
	ret = slow_result(&slow);
	EXPECT_TRUE(ret == 0 || ret == 2) TH_LOG("%d", ret);
	EXPECT_TRUE(stamped(self->exp.mem, 0, PAGES, 1));
}

TEST_F(mmap, threat_05_06_destroy_while_mapping)
{
	struct slow slow;
	char *mem;
	int ret;

	ASSERT_TRUE(slow_importer(self, &slow, has_zero));
	EXPECT_OK(rsm_destroy(self->exp.fd, NULL));
	munmap(self->exp.mem, LENGTH);
	/* whoever gets the pages now must not be seen */
	mem = rsm_alloc(LENGTH);
	rsm_stamp(mem, LENGTH, 9);
	ret = slow_result(&slow);
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

/*
 * 5: importers that connect, map, load and unmap all the time. While the
 * segment is published its memory is full of PUBLIC, and when unpublish has
 * returned of SECRET, which nobody may ever see.
 */
#define CHURN_LENGTH (4 * WINDOW)
#define CHURN_IMPORTERS 3
#define CHURN_ROUNDS 300
#define CHURN_MS 15000
#define PUBLIC 7
#define SECRET 0x5a

struct churn {
	const struct rsm_scene *scene;
	__u32 segid;
	bool over;
	unsigned long loads[CHURN_IMPORTERS];	/* that showed PUBLIC */
	unsigned long zeroes[CHURN_IMPORTERS];
	unsigned char breach;
	unsigned int next;
};

/* Where importers look: the first page, and one of each window. */
#define CHURN_PLACES (CHURN_LENGTH / WINDOW + 1)

static size_t churn_offset(size_t i)
{
	size_t window = i % CHURN_PLACES;

	return window ? window * WINDOW - PAGE : 0;
}

static bool churn_load(struct churn *churn, unsigned int me, const char *map)
{
	unsigned char seen;
	size_t i;

	for (i = 0; i < CHURN_PLACES; i++) {
		seen = *(volatile unsigned char *)(map + churn_offset(me + i));
		if (seen == PUBLIC) {
			churn->loads[me]++;
		} else if (!seen) {
			churn->zeroes[me]++;
		} else {
			churn->breach = seen;
			return false;
		}
	}
	return true;
}

/* A mapping of an import of its own, or NULL: it may be too late for one. */
static char *churn_map(struct churn *churn)
{
	char *map = rsm_import_view(churn->scene,
				   __atomic_load_n(&churn->segid,
						   __ATOMIC_ACQUIRE),
				   CHURN_LENGTH);

	return map == MAP_FAILED ? NULL : map;
}

/* The mapping of the round before is looked at once more. */
static int churn_importer(void *arg)
{
	struct churn *churn = arg;
	unsigned int me = __atomic_fetch_add(&churn->next, 1, __ATOMIC_RELAXED);
	char *map, *before = NULL;
	bool good = true;

	while (good && !__atomic_load_n(&churn->over, __ATOMIC_ACQUIRE)) {
		map = churn_map(churn);
		if (map)
			good = churn_load(churn, me, map);
		if (good && before)
			good = churn_load(churn, me, before);
		if (before)
			munmap(before, CHURN_LENGTH);
		before = map;
	}
	return !good;
}

static void churn_fill(struct rsm_export *exp, int byte)
{
	size_t i;

	for (i = 0; i < CHURN_PLACES; i++)
		memset(exp->mem + churn_offset(i), byte, PAGE);
}

static int churn_exporter(struct churn *churn, struct rsm_export *exp)
{
	long end = rsm_now_ms() + CHURN_MS;
	int round, ret = 0;

	for (round = 0; round < CHURN_ROUNDS && !ret; round++) {
		if (churn->breach || rsm_now_ms() > end)
			break;
		churn_fill(exp, PUBLIC);
		exp->segid = 0;
		ret = rsm_publish(exp->fd, &exp->segid, NULL, 0, NULL);
		__atomic_store_n(&churn->segid, exp->segid, __ATOMIC_RELEASE);
		usleep(3000 + random() % 10000);
		ret = ret ?: rsm_unpublish(exp->fd, NULL);
		churn_fill(exp, SECRET);
		usleep(random() % 3000);
	}
	printf("# %d rounds\n", round);
	return ret;
}

TEST_F_TIMEOUT(mmap, threat_05_unpublish_while_mapping_and_loading, 100)
{
	struct churn *churn = rsm_alloc_shared(PAGE);
	pid_t pids[CHURN_IMPORTERS];
	struct rsm_export exp;
	int i;

	ASSERT_NE(MAP_FAILED, churn);
	churn->scene = &self->scene;
	ASSERT_OK(rsm_export_new(&self->scene, CHURN_LENGTH, 1, &exp));
	ASSERT_OK(rsm_unpublish(exp.fd, NULL));
	for (i = 0; i < CHURN_IMPORTERS; i++)
		pids[i] = rsm_start_child(churn_importer, churn);
	EXPECT_OK(churn_exporter(churn, &exp));
	__atomic_store_n(&churn->over, true, __ATOMIC_RELEASE);
	for (i = 0; i < CHURN_IMPORTERS; i++) {
		EXPECT_EQ(0, rsm_wait_child(pids[i]));
		printf("# loads %lu, zeroes %lu\n", churn->loads[i],
		       churn->zeroes[i]);
		EXPECT_LT(0, churn->loads[i]);
		EXPECT_LT(0, churn->zeroes[i]);
	}
	EXPECT_EQ(0, churn->breach);
}

/*
 * 38: the last thread of a process is killed in a fault that waits for a
 * rebind. That takes long, as a crowd of mappings is in its way. The victim's
 * first thread has ended before. Another process that has the victim's memory,
 * too, lets it be seen that it does not wait for the rebind when it dies: else
 * its mapping would have to go first, which the kernel makes it wait for.
 */
#define CROWD_LENGTH WINDOW
#define CROWD 1000
#define VICTIMS 3
#define VICTIM_TRIALS 60

struct crowd {
	const struct rsm_scene *scene;
	int fd;
	__u32 asked;		/* how often all is to be touched */
	__u32 touched;
	bool go;		/* the victim may load */
	pid_t victim;		/* its last thread */
	pid_t keeper;		/* who has its memory, too */
	volatile char *map;
};

static int run_crowd(void *arg)
{
	struct crowd *crowd = arg;
	char *maps[CROWD];
	__u32 asked;
	int i;

	for (i = 0; i < CROWD; i++)
		maps[i] = rsm_map(crowd->fd, CROWD_LENGTH, PROT_READ);
	for (;;) {
		asked = __atomic_load_n(&crowd->asked, __ATOMIC_ACQUIRE);
		if (asked == crowd->touched) {
			rsm_sleep_ms(1);
			continue;
		}
		for (i = 0; i < CROWD; i++) {
			(void)*(volatile char *)maps[i];
			(void)*(volatile char *)(maps[i] + CROWD_LENGTH - 1);
		}
		__atomic_store_n(&crowd->touched, asked, __ATOMIC_RELEASE);
	}
	return 0;
}

static void gather_crowd(struct crowd *crowd)
{
	__u32 asked = crowd->asked + 1;

	__atomic_store_n(&crowd->asked, asked, __ATOMIC_RELEASE);
	while (__atomic_load_n(&crowd->touched, __ATOMIC_ACQUIRE) != asked)
		rsm_sleep_ms(1);
}

static int keep_memory(void *arg)
{
	(void)arg;
	for (;;)
		syscall(SYS_pause);
	return 0;
}

static void *load_when_told(void *arg)
{
	struct crowd *crowd = arg;

	__atomic_store_n(&crowd->victim, syscall(SYS_gettid), __ATOMIC_RELEASE);
	while (!__atomic_load_n(&crowd->go, __ATOMIC_ACQUIRE))
		;
	(void)*crowd->map;
	for (;;)
		pause();
	return NULL;
}

static int run_victim(void *arg)
{
	struct crowd *crowd = arg;
	char *stack = rsm_alloc(16 * PAGE);
	pthread_t thread;

	crowd->map = rsm_map(crowd->fd, CROWD_LENGTH, PROT_READ);
	if (crowd->map == MAP_FAILED || stack == MAP_FAILED)
		return 1;
	crowd->keeper = clone(keep_memory, stack + 16 * PAGE,
			      CLONE_VM | CLONE_PARENT | SIGCHLD, NULL);
	if (crowd->keeper < 0 ||
	    pthread_create(&thread, NULL, load_when_told, crowd))
		return 2;
	syscall(SYS_exit, 0);
	return 3;
}

static bool in_our_fault(pid_t tid)
{
	char path[64], name[64] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/wchan", tid);
	file = fopen(path, "re");
	if (file && !fgets(name, sizeof(name), file))
		name[0] = 0;
	if (file)
		fclose(file);
	return !strcmp(name, "rsm_map_read_lock");
}

struct rebinding {
	int fd;
	char *mem;
	const volatile struct rsm_status *status;
	int ret;
};

static void *rebind_in_thread(void *arg)
{
	struct rebinding *rebinding = arg;

	rebinding->ret = rsm_rebind(rebinding->fd, rebinding->mem, CROWD_LENGTH,
				    NULL);
	return NULL;
}

static bool moving(const struct rebinding *rebinding, __u64 generation)
{
	return rebinding->status->rebinds == generation;
}

/*
 * Kill the victim in its fault: true if it died before the rebind ended. The
 * kernel may have been too quick for us, and then it is false.
 */
static bool kill_in_fault(struct crowd *crowd, pid_t pid,
			  struct rebinding *rebinding)
{
	__u64 generation = rebinding->status->rebinds + 1;
	bool caught = false;
	pthread_t thread;

	if (pthread_create(&thread, NULL, rebind_in_thread, rebinding))
		return false;
	while (rebinding->status->rebinds < generation)
		;
	__atomic_store_n(&crowd->go, true, __ATOMIC_RELEASE);
	while (!caught && moving(rebinding, generation))
		caught = in_our_fault(crowd->victim);
	kill(pid, SIGKILL);
	if (rsm_wait_child(pid) != -SIGKILL)
		rebinding->ret = -ECHILD;
	caught = caught && moving(rebinding, generation);
	pthread_join(thread, NULL);
	return caught;
}

static bool try_victim(struct crowd *crowd, struct rebinding *rebinding)
{
	bool caught;
	pid_t pid;

	gather_crowd(crowd);
	crowd->victim = 0;
	crowd->keeper = 0;
	crowd->go = false;
	pid = rsm_start_child(run_victim, crowd);
	while (!__atomic_load_n(&crowd->victim, __ATOMIC_ACQUIRE) ||
	       rsm_task_state(pid) != 'Z')
		rsm_sleep_ms(1);
	caught = kill_in_fault(crowd, pid, rebinding);
	kill(crowd->keeper, SIGKILL);
	rsm_wait_child(crowd->keeper);
	return caught;
}

TEST_F_TIMEOUT(mmap, threat_38_last_thread_killed_in_a_fault, 300)
{
	struct rebinding rebinding = { .mem = rsm_alloc(CROWD_LENGTH) };
	struct crowd *crowd = rsm_alloc_shared(PAGE);
	int caught = 0, trials = 0;
	struct rsm_export exp;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, crowd);
	/* With huge entries a rebind would be over too soon. */
	ASSERT_OK(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	ASSERT_OK(rsm_export_new(&self->scene, CROWD_LENGTH, 1, &exp));
	rebinding.fd = exp.fd;
	rebinding.status = rsm_map_status(exp.fd);
	ASSERT_NE(MAP_FAILED, (const void *)rebinding.status);
	crowd->fd = rsm_import(&self->scene, exp.segid, RW);
	ASSERT_LE(0, crowd->fd);
	pid = rsm_start_child(run_crowd, crowd);
	for (; caught < VICTIMS && trials < VICTIM_TRIALS; trials++) {
		caught += try_victim(crowd, &rebinding);
		ASSERT_EQ(0, rebinding.ret);
	}
	printf("# %d of %d died before the rebind ended\n", caught, trials);
	EXPECT_EQ(VICTIMS, caught);
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, rsm_wait_child(pid));
}

TEST_HARNESS_MAIN
