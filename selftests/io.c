// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copies and atomic operations through the kernel: RSM_IMPORT_PUT,
 * RSM_IMPORT_GET and RSM_IMPORT_ATOMIC. The test process is the exporter as
 * well, so that it sees the segment's memory.
 */
#include "rsm_utils.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>

#define PAGE 4096UL
#define LENGTH (16 * PAGE)
#define HUGE_LENGTH (2UL << 20)
#define RW (RSM_RIGHT_READ | RSM_RIGHT_WRITE)
#define PROT_RW (PROT_READ | PROT_WRITE)
#define KERNEL_ADDR 0xffff888000000000UL

/* What is in a buffer before something is copied to it. */
#define CANARY 0x5a

/* How long races run. */
#define RACE_MS 2000

FIXTURE(io)
{
	struct rsm_scene scene;
	struct rsm_export exp;
	int fd;
	char *buffer;
	char *model;
};

FIXTURE_SETUP(io)
{
	ASSERT_OK(rsm_scene_open(&self->scene));
	ASSERT_OK(rsm_export_locks(&self->scene, LENGTH, 1, &self->exp));
	self->fd = rsm_import(&self->scene, self->exp.segid, RW);
	ASSERT_LE(0, self->fd);
	self->buffer = rsm_alloc(LENGTH);
	ASSERT_NE(MAP_FAILED, self->buffer);
	memset(self->buffer, CANARY, LENGTH);
	self->model = malloc(LENGTH);
	memcpy(self->model, self->exp.mem, LENGTH);
}

FIXTURE_TEARDOWN(io)
{
	EXPECT_TRUE(rsm_scene_close(&self->scene));
	free(self->model);
}

typedef FIXTURE_DATA(io) io_self;

/* Other bytes for each @seed, and no two words alike. */
static void scramble(char *mem, size_t length, uint32_t seed)
{
	uint32_t value = seed * 2654435761U + 1;
	size_t i;

	for (i = 0; i < length; i++) {
		value ^= value << 13;
		value ^= value >> 17;
		value ^= value << 5;
		mem[i] = value;
	}
}

static bool all_bytes(const char *mem, size_t length, char byte)
{
	size_t i;

	for (i = 0; i < length; i++)
		if (((const volatile char *)mem)[i] != byte)
			return false;
	return true;
}

static struct rsm_copy_vec entry(const void *mem, __u64 offset, __u64 length)
{
	return (struct rsm_copy_vec){ (uintptr_t)mem, offset, length };
}

/* Let @fn run in a thread of its own until the process or it ends. */
static pthread_t start_thread(void *(*fn)(void *arg), void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, fn, arg))
		abort();
	return thread;
}

static bool get_flag(const bool *flag)
{
	return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

static void set_flag(bool *flag)
{
	__atomic_store_n(flag, true, __ATOMIC_RELEASE);
}

/* Both directions, and what is refused in which order */

FIXTURE(copy)
{
	io_self io;
};

FIXTURE_VARIANT(copy)
{
	unsigned long nr;
	__u32 right;
};

FIXTURE_VARIANT_ADD(copy, put)
{
	.nr = RSM_IMPORT_PUT,
	.right = RSM_RIGHT_WRITE,
};

FIXTURE_VARIANT_ADD(copy, get)
{
	.nr = RSM_IMPORT_GET,
	.right = RSM_RIGHT_READ,
};

FIXTURE_SETUP(copy)
{
	io_setup(_metadata, &self->io, NULL);
}

FIXTURE_TEARDOWN(copy)
{
	/* whatever was refused has moved no byte */
	EXPECT_EQ(0, memcmp(self->io.exp.mem, self->io.model, LENGTH));
	io_teardown(_metadata, &self->io, NULL);
}

typedef FIXTURE_DATA(copy) copy_self;

/* A copy of 8 bytes, or of whatever @offset and @length say. */
static int copy(const copy_self *self, unsigned long nr, __u64 offset,
		__u64 length, __u32 *error)
{
	struct rsm_copy_vec vec = entry(self->io.buffer, offset, length);

	return rsm_copy(self->io.fd, nr, &vec, 1, NULL, error);
}

TEST_F(copy, rights)
{
	static const __u32 perms[] = { 0, RSM_RIGHT_READ, RSM_RIGHT_WRITE, RW };
	struct rsm_copy_vec vec = entry(self->io.exp.mem + 8, 8, 8);
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(perms); i++) {
		fd = rsm_import(&self->io.scene, self->io.exp.segid, perms[i]);
		ASSERT_LE(0, fd);
		if (perms[i] & variant->right) {
			EXPECT_OK(rsm_copy(fd, variant->nr, &vec, 1, NULL,
					   NULL));
		} else {
			EXPECT_FAIL(EACCES, RSM_ERR_PERM_DENIED,
				    rsm_copy(fd, variant->nr, &vec, 1, NULL,
					     &error));
		}
		close(fd);
	}
}

/* The right comes before all that is wrong with the entries. */
TEST_F(copy, no_right_is_told_first)
{
	int fd = rsm_import(&self->io.scene, self->io.exp.segid,
			    RW & ~variant->right);

	ASSERT_LE(0, fd);
	EXPECT_FAIL(EACCES, RSM_ERR_PERM_DENIED,
		    rsm_copy(fd, variant->nr, NULL, 0, NULL, &error));
	ASSERT_OK(rsm_unpublish(self->io.exp.fd, NULL));
	EXPECT_FAIL(EACCES, RSM_ERR_PERM_DENIED,
		    rsm_copy(fd, variant->nr, NULL, 17, NULL, &error));
}

TEST_F(copy, threat_50_number_of_entries)
{
	static const __u32 bad[] = { 0, RSM_COPY_VEC_MAX + 1, 1 << 16,
				     0x0aaaaaab, 1U << 31, ~0U };
	unsigned int i;
	__u32 done;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		/* before the array is read */
		EXPECT_FAIL(EINVAL, RSM_ERR_BAD_SGIO,
			    rsm_copy(self->io.fd, variant->nr, NULL, bad[i],
				     &done, &error));
		EXPECT_EQ(0, done);
	}
}

TEST_F(copy, unreadable_entries)
{
	struct rsm_copy_vec *vec = rsm_alloc(2 * PAGE);
	struct rsm_copy_vec *last = (void *)((char *)vec + PAGE - sizeof(*vec));
	__u32 done;

	ASSERT_NE(MAP_FAILED, vec);
	munmap((char *)vec + PAGE, PAGE);
	*last = entry(self->io.buffer, 0, 0);
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    rsm_copy(self->io.fd, variant->nr, NULL, 1, NULL, &error));
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    rsm_copy(self->io.fd, variant->nr, (void *)KERNEL_ADDR, 1,
			     NULL, &error));
	EXPECT_OK(rsm_copy(self->io.fd, variant->nr, last, 1, NULL, NULL));
	/* the first one is not done if the second cannot be read */
	*last = entry(self->io.buffer, 0, 8);
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    rsm_copy(self->io.fd, variant->nr, last, 2, &done, &error));
	EXPECT_EQ(0, done);
	EXPECT_TRUE(all_bytes(self->io.buffer, 8, CANARY));
	/* before what is in them */
	last->offset = ~0ULL;
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    rsm_copy(self->io.fd, variant->nr, last, 2, &done, &error));
	munmap(vec, PAGE);
}

TEST_F(copy, threat_49_offset_and_length_wrap)
{
	static const struct {
		__u64 offset, length;
	} bad[] = {
		{ 1, ~0ULL }, { ~0ULL, 1 }, { ~0ULL, ~0ULL },
		{ 1ULL << 63, 1ULL << 63 }, { LENGTH, -LENGTH },
		{ -8ULL, 8 }, { -8ULL, 16 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_FAIL(EINVAL, RSM_ERR_BAD_LENGTH,
			    copy(self, variant->nr, bad[i].offset,
				 bad[i].length, &error));
	}
}

/* Among them those that are good ones if the upper half gets lost. */
TEST_F(copy, threat_51_not_within)
{
	static const struct {
		__u64 offset, length;
	} bad[] = {
		{ LENGTH, 1 }, { LENGTH + 1, 0 }, { 0, LENGTH + 1 },
		{ LENGTH - 1, 2 }, { 1, LENGTH }, { 0, ~0ULL }, { 0, 1 << 30 },
		{ 0, 1U << 31 }, { 0, (1ULL << 31) + 8 }, { 0, 1ULL << 32 },
		{ 0, (1ULL << 32) + 8 }, { 1ULL << 32, 8 }, { 1ULL << 32, 0 },
		{ 1ULL << 44, 8 }, { 1ULL << 63, 8 }, { 0, 1ULL << 63 },
		{ RSM_STATUS_OFFSET, 8 }, { ~0ULL, 0 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_FAIL(EINVAL, RSM_ERR_BAD_OFFSET,
			    copy(self, variant->nr, bad[i].offset,
				 bad[i].length, &error));
	}
	EXPECT_TRUE(all_bytes(self->io.buffer, LENGTH, CANARY));
}

TEST_F(copy, nothing_to_do)
{
	static const __u64 offsets[] = { 0, 1, PAGE, LENGTH - 1, LENGTH };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(offsets); i++)
		EXPECT_OK(copy(self, variant->nr, offsets[i], 0, NULL));
	EXPECT_TRUE(all_bytes(self->io.buffer, LENGTH, CANARY));
}

TEST_F(copy, bad_memory)
{
	static const __u64 bad[] = { 0, 8, KERNEL_ADDR, 1ULL << 62, -4ULL,
				     -PAGE, (1ULL << 47) - PAGE };
	struct rsm_copy_vec vec;
	unsigned int i;
	__u32 done;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		vec = (struct rsm_copy_vec){ bad[i], 0, 8 };
		EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
			    rsm_copy(self->io.fd, variant->nr, &vec, 1, &done,
				     &error));
		EXPECT_EQ(0, done);
		/* the range comes first */
		vec.offset = LENGTH;
		EXPECT_FAIL(EINVAL, RSM_ERR_BAD_OFFSET,
			    rsm_copy(self->io.fd, variant->nr, &vec, 1, NULL,
				     &error));
	}
}

TEST_F(copy, protected_memory)
{
	struct rsm_copy_vec vec = entry(self->io.buffer + PAGE - 8, 8, 16);

	memcpy(self->io.buffer, self->io.exp.mem, LENGTH);
	vec.offset = PAGE - 8;
	ASSERT_OK(mprotect(self->io.buffer + PAGE, PAGE, PROT_READ));
	if (variant->nr == RSM_IMPORT_PUT) {
		EXPECT_OK(rsm_copy(self->io.fd, variant->nr, &vec, 1, NULL,
				   NULL));
	} else {
		EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
			    rsm_copy(self->io.fd, variant->nr, &vec, 1, NULL,
				     &error));
	}
	ASSERT_OK(mprotect(self->io.buffer + PAGE, PAGE, PROT_NONE));
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    rsm_copy(self->io.fd, variant->nr, &vec, 1, NULL, &error));
}

/* Memory that needs a fault first: never touched, or copied on write. */
TEST_F(copy, memory_that_faults)
{
	char *mem = rsm_alloc(LENGTH);
	pid_t pid;

	ASSERT_NE(MAP_FAILED, mem);
	memset(self->io.exp.mem, 0, LENGTH);
	EXPECT_OK(rsm_copy(self->io.fd, variant->nr,
			   &(struct rsm_copy_vec){ (uintptr_t)mem, 0, LENGTH },
			   1, NULL, NULL));
	EXPECT_TRUE(all_bytes(mem, LENGTH, 0));
	EXPECT_TRUE(all_bytes(self->io.exp.mem, LENGTH, 0));
	memset(self->io.exp.mem, 7, LENGTH);
	memset(mem, 7, LENGTH);
	/* from now on its pages are shared with a child */
	pid = fork();
	if (!pid)
		_exit(pause());
	EXPECT_OK(rsm_copy(self->io.fd, variant->nr,
			   &(struct rsm_copy_vec){ (uintptr_t)mem, 0, LENGTH },
			   1, NULL, NULL));
	EXPECT_TRUE(all_bytes(mem, LENGTH, 7));
	kill(pid, SIGKILL);
	rsm_wait_child(pid);
	memcpy(self->io.exp.mem, self->io.model, LENGTH);
}

TEST_F(copy, aborted)
{
	struct rsm_copy_vec vec[2];
	__u32 done;

	ASSERT_OK(rsm_unpublish(self->io.exp.fd, NULL));
	vec[0] = entry(self->io.buffer, 0, LENGTH);
	vec[1] = entry(self->io.buffer, 0, 8);
	EXPECT_FAIL(ECONNABORTED, RSM_ERR_CONN_ABORTED,
		    rsm_copy(self->io.fd, variant->nr, vec, 2, &done, &error));
	EXPECT_EQ(0, done);
	/* before the memory, and after the range */
	vec[0] = entry(NULL, 0, 8);
	EXPECT_FAIL(ECONNABORTED, RSM_ERR_CONN_ABORTED,
		    rsm_copy(self->io.fd, variant->nr, vec, 1, NULL, &error));
	vec[0] = entry(NULL, LENGTH, 8);
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_OFFSET,
		    rsm_copy(self->io.fd, variant->nr, vec, 1, NULL, &error));
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_SGIO,
		    rsm_copy(self->io.fd, variant->nr, vec, 0, NULL, &error));
	/* nor does it come back */
	self->io.exp.segid = 0;
	ASSERT_OK(rsm_publish(self->io.exp.fd, &self->io.exp.segid, NULL, 0,
			      NULL));
	EXPECT_FAIL(ECONNABORTED, RSM_ERR_CONN_ABORTED,
		    copy(self, variant->nr, 0, 8, &error));
	EXPECT_TRUE(all_bytes(self->io.buffer, LENGTH, CANARY));
}

static void *flip_entry(void *arg)
{
	volatile struct rsm_copy_vec *vec = arg;

	for (;;) {
		vec->offset = 1ULL << 40;
		vec->length = 1ULL << 33;
		vec->offset = 0;
		vec->length = 8;
	}
	return NULL;
}

/* An entry is what it was when it was judged. */
TEST_F(copy, threat_54_entry_that_changes)
{
	static struct rsm_copy_vec vec;
	long end = rsm_now_ms() + RACE_MS;
	int ret, ok = 0, refused = 0;
	char bytes[8];

	memcpy(bytes, self->io.exp.mem, 8);
	vec.vaddr = (uintptr_t)bytes;
	start_thread(flip_entry, &vec);
	while (rsm_now_ms() < end) {
		ret = rsm_copy(self->io.fd, variant->nr, &vec, 1, NULL, NULL);
		if (ret)
			refused++;
		else
			ok++;
		if (ret && ret != -EINVAL)
			EXPECT_EQ(-EINVAL, ret);
	}
	EXPECT_LT(0, ok);
	EXPECT_LT(0, refused);
}

/* Bytes, in every alignment, over the edges of pages of many kinds */

static void *kind_anonymous(size_t length)
{
	return rsm_alloc(length);
}

static void *kind_thp(size_t length)
{
	char *mem = rsm_alloc(length + HUGE_LENGTH);

	if (mem == MAP_FAILED)
		return mem;
	mem = (char *)(((uintptr_t)mem + HUGE_LENGTH - 1) & -HUGE_LENGTH);
	madvise(mem, length, MADV_HUGEPAGE);
	return mem;
}

static void *map_memfd(size_t length, unsigned int flags)
{
	int fd = memfd_create("io", MFD_CLOEXEC | flags);
	void *mem = MAP_FAILED;

	if (fd >= 0 && !ftruncate(fd, length))
		mem = mmap(NULL, length, PROT_RW, MAP_SHARED, fd, 0);
	close(fd);
	return mem;
}

static void *kind_memfd(size_t length)
{
	return map_memfd(length, 0);
}

static void *kind_hugetlb(size_t length)
{
	return map_memfd(length, MFD_HUGETLB);
}

static void huge_pages(int count)
{
	FILE *file = fopen("/proc/sys/vm/nr_hugepages", "we");

	if (!file)
		return;
	fprintf(file, "%d\n", count);
	fclose(file);
}

FIXTURE(memory)
{
	struct rsm_scene scene;
	struct rsm_export exp;
	int fd;
	char *buffer;
	char *model;
};

FIXTURE_VARIANT(memory)
{
	void *(*map)(size_t length);
	size_t length;
	size_t edge;
};

FIXTURE_VARIANT_ADD(memory, anonymous)
{
	.map = kind_anonymous,
	.length = LENGTH,
	.edge = 2 * PAGE,
};

FIXTURE_VARIANT_ADD(memory, memfd)
{
	.map = kind_memfd,
	.length = LENGTH,
	.edge = PAGE,
};

FIXTURE_VARIANT_ADD(memory, thp)
{
	.map = kind_thp,
	.length = 2 * HUGE_LENGTH,
	.edge = HUGE_LENGTH,
};

FIXTURE_VARIANT_ADD(memory, hugetlb)
{
	.map = kind_hugetlb,
	.length = 2 * HUGE_LENGTH,
	.edge = HUGE_LENGTH,
};

#define BUFFER_LENGTH (8 * PAGE)

FIXTURE_SETUP(memory)
{
	char *mem;

	ASSERT_OK(rsm_scene_open(&self->scene));
	huge_pages(4);
	mem = variant->map(variant->length);
	if (mem == MAP_FAILED)
		SKIP(return, "no such memory here");
	scramble(mem, variant->length, 1);
	ASSERT_OK(rsm_export_mem(&self->scene, mem, variant->length,
				 &self->exp));
	self->fd = rsm_import(&self->scene, self->exp.segid, RW);
	ASSERT_LE(0, self->fd);
	self->buffer = rsm_alloc(BUFFER_LENGTH);
	ASSERT_NE(MAP_FAILED, self->buffer);
	self->model = malloc(variant->length);
	memcpy(self->model, mem, variant->length);
}

FIXTURE_TEARDOWN(memory)
{
	EXPECT_TRUE(rsm_scene_close(&self->scene));
	munmap(self->exp.mem, variant->length);
	huge_pages(0);
	free(self->model);
}

typedef FIXTURE_DATA(memory) memory_self;

static const size_t lengths[] = { 0, 1, 7, 8, 9, PAGE - 1, PAGE, PAGE + 1,
				  2 * PAGE + 8, 4 * PAGE + 3 };

/* @fn for all alignments of both sides to both sides of an edge. */
static bool for_all_alignments(memory_self *self, size_t edge,
			       bool (*fn)(memory_self *self, char *mem,
					  size_t offset, size_t length))
{
	unsigned int i;
	int a, b;

	for (a = -8; a <= 8; a++)
		for (b = -8; b <= 8; b++)
			for (i = 0; i < ARRAY_SIZE(lengths); i++)
				if (!fn(self, self->buffer + PAGE + a, edge + b,
					lengths[i])) {
					fprintf(stderr, "# %d %d %zu\n", a, b,
						lengths[i]);
					return false;
				}
	return true;
}

/* Compare with the model what is near to where it was written. */
static bool put_works(memory_self *self, char *mem, size_t offset,
		      size_t length)
{
	size_t start = (offset & -PAGE) - (offset >= PAGE ? PAGE : 0);

	memcpy(self->model + offset, mem, length);
	return !rsm_put(self->fd, mem, offset, length, NULL) &&
	       !memcmp(self->exp.mem + start, self->model + start, 7 * PAGE);
}

static bool get_works(memory_self *self, char *mem, size_t offset,
		      size_t length)
{
	memset(self->buffer, CANARY, BUFFER_LENGTH);
	return !rsm_get(self->fd, mem, offset, length, NULL) &&
	       !memcmp(mem, self->model + offset, length) &&
	       all_bytes(self->buffer, mem - self->buffer, CANARY) &&
	       all_bytes(mem + length,
			 self->buffer + BUFFER_LENGTH - (mem + length), CANARY);
}

TEST_F_TIMEOUT(memory, put_alignments, 120)
{
	scramble(self->buffer, BUFFER_LENGTH, 2);
	EXPECT_TRUE(for_all_alignments(self, variant->edge, put_works));
	EXPECT_EQ(0, memcmp(self->exp.mem, self->model, variant->length));
}

TEST_F_TIMEOUT(memory, get_alignments, 120)
{
	EXPECT_TRUE(for_all_alignments(self, variant->edge, get_works));
	EXPECT_EQ(0, memcmp(self->exp.mem, self->model, variant->length));
}

TEST_F(memory, whole_segment)
{
	char *mem = rsm_alloc(variant->length);

	ASSERT_NE(MAP_FAILED, mem);
	EXPECT_OK(rsm_get(self->fd, mem, 0, variant->length, NULL));
	EXPECT_EQ(0, memcmp(mem, self->model, variant->length));
	scramble(mem, variant->length, 3);
	EXPECT_OK(rsm_put(self->fd, mem, 0, variant->length, NULL));
	EXPECT_EQ(0, memcmp(mem, self->exp.mem, variant->length));
	/* and of all others that there may be */
	memset(self->exp.mem, 1, variant->length);
	EXPECT_OK(rsm_put(self->fd, mem + 1, 1, variant->length - 2, NULL));
	EXPECT_EQ(1, self->exp.mem[0]);
	EXPECT_EQ(1, self->exp.mem[variant->length - 1]);
	EXPECT_EQ(0, memcmp(mem + 1, self->exp.mem + 1, variant->length - 2));
}

/* Several entries */

TEST_F(io, sixteen_entries)
{
	struct rsm_copy_vec vec[RSM_COPY_VEC_MAX];
	__u32 done;
	int i;

	scramble(self->buffer, LENGTH, 5);
	for (i = 0; i < RSM_COPY_VEC_MAX; i++) {
		size_t offset = LENGTH - (i + 1) * 1000;

		vec[i] = entry(self->buffer + i * 300, offset, i * 20);
		memcpy(self->model + offset, self->buffer + i * 300, i * 20);
	}
	EXPECT_OK(rsm_copy(self->fd, RSM_IMPORT_PUT, vec, RSM_COPY_VEC_MAX,
			   &done, NULL));
	EXPECT_EQ(RSM_COPY_VEC_MAX, done);
	EXPECT_EQ(0, memcmp(self->exp.mem, self->model, LENGTH));
	memset(self->buffer, CANARY, LENGTH);
	EXPECT_OK(rsm_copy(self->fd, RSM_IMPORT_GET, vec, RSM_COPY_VEC_MAX,
			   &done, NULL));
	EXPECT_EQ(RSM_COPY_VEC_MAX, done);
	for (i = 0; i < RSM_COPY_VEC_MAX; i++) {
		EXPECT_EQ(0, memcmp(self->buffer + i * 300,
				    self->model + vec[i].offset, i * 20));
		EXPECT_TRUE(all_bytes(self->buffer + i * 300 + i * 20,
				      300 - i * 20, CANARY));
	}
}

/* Entries are done in order: a later one sees and covers an earlier one. */
TEST_F(io, entries_in_order)
{
	struct rsm_copy_vec vec[3];

	memset(self->buffer, 1, PAGE);
	memset(self->buffer + PAGE, 2, PAGE);
	memset(self->buffer + 2 * PAGE, 3, PAGE);
	vec[0] = entry(self->buffer, 0, PAGE);
	vec[1] = entry(self->buffer + PAGE, 0, PAGE);
	vec[2] = entry(self->buffer + 2 * PAGE, 100, 8);
	EXPECT_OK(rsm_copy(self->fd, RSM_IMPORT_PUT, vec, 3, NULL, NULL));
	EXPECT_TRUE(all_bytes(self->exp.mem, 100, 2));
	EXPECT_TRUE(all_bytes(self->exp.mem + 100, 8, 3));
	EXPECT_TRUE(all_bytes(self->exp.mem + 108, PAGE - 108, 2));
}

/* Of five entries the fourth, a copy that fails with @vec. */
static void check_middle(struct __test_metadata *_metadata, io_self *self,
			 unsigned long nr, struct rsm_copy_vec bad, int err,
			 __u32 expected)
{
	struct rsm_copy_vec vec[5];
	__u32 done = ~0U;
	int i;

	memcpy(self->exp.mem, self->model, LENGTH);
	memset(self->buffer, CANARY, 8 * PAGE);
	for (i = 0; i < 5; i++)
		vec[i] = entry(self->buffer + i * PAGE, i * 2 * PAGE, PAGE);
	vec[3] = bad;
	EXPECT_FAIL(err, expected, rsm_copy(self->fd, nr, vec, 5, &done,
					    &error));
	EXPECT_EQ(3, done);
	for (i = 0; i < 5; i++) {
		if (i == 3)
			continue;
		/* the first three are equal now, and the last one is not */
		EXPECT_EQ(i < 3, !memcmp(self->buffer + i * PAGE,
					 self->exp.mem + i * 2 * PAGE, PAGE))
			TH_LOG("%d", i);
	}
	/* the target of the last one is as before */
	if (nr == RSM_IMPORT_PUT) {
		EXPECT_EQ(0, memcmp(self->exp.mem + 8 * PAGE,
				    self->model + 8 * PAGE, PAGE));
	} else {
		EXPECT_TRUE(all_bytes(self->buffer + 4 * PAGE, PAGE, CANARY));
	}
}

static void check_middles(struct __test_metadata *_metadata, io_self *self,
			  unsigned long nr)
{
	char *mem = self->buffer + 8 * PAGE;

	check_middle(_metadata, self, nr, entry(mem, 2, ~0ULL), EINVAL,
		     RSM_ERR_BAD_LENGTH);
	check_middle(_metadata, self, nr, entry(mem, LENGTH - 7, 8), EINVAL,
		     RSM_ERR_BAD_OFFSET);
	check_middle(_metadata, self, nr, entry(NULL, 0, 8), EFAULT,
		     RSM_ERR_BAD_ADDR);
	/* memory that ends in the middle of the entry */
	munmap(mem + PAGE, PAGE);
	check_middle(_metadata, self, nr, entry(mem + 8, 12 * PAGE, 2 * PAGE),
		     EFAULT, RSM_ERR_BAD_ADDR);
	ASSERT_EQ(mem + PAGE, mmap(mem + PAGE, PAGE, PROT_RW, MAP_PRIVATE |
				   MAP_ANONYMOUS | MAP_FIXED, -1, 0));
}

TEST_F(io, put_fails_in_the_middle)
{
	check_middles(_metadata, self, RSM_IMPORT_PUT);
	/* nothing behind the entry that was done in part */
	EXPECT_EQ(0, memcmp(self->exp.mem + 14 * PAGE, self->model + 14 * PAGE,
			    2 * PAGE));
}

TEST_F(io, get_fails_in_the_middle)
{
	check_middles(_metadata, self, RSM_IMPORT_GET);
	EXPECT_EQ(0, memcmp(self->exp.mem, self->model, LENGTH));
}

TEST_F(io, write_only_import)
{
	int fd = rsm_import(&self->scene, self->exp.segid, RSM_RIGHT_WRITE);

	ASSERT_LE(0, fd);
	EXPECT_EQ(MAP_FAILED, rsm_map(fd, LENGTH, PROT_WRITE));
	EXPECT_OK(rsm_put(fd, self->buffer, 1, LENGTH - 2, NULL));
	EXPECT_TRUE(all_bytes(self->exp.mem + 1, LENGTH - 2, CANARY));
	EXPECT_EQ(self->model[0], self->exp.mem[0]);
	EXPECT_EQ(self->model[LENGTH - 1], self->exp.mem[LENGTH - 1]);
}

TEST_F(io, read_only_import)
{
	int fd = rsm_import(&self->scene, self->exp.segid, RSM_RIGHT_READ);

	ASSERT_LE(0, fd);
	EXPECT_OK(rsm_get(fd, self->buffer + 1, 1, LENGTH - 2, NULL));
	EXPECT_EQ(0, memcmp(self->buffer + 1, self->model + 1, LENGTH - 2));
	EXPECT_EQ(CANARY, self->buffer[0]);
	EXPECT_EQ(CANARY, self->buffer[LENGTH - 1]);
}

/* A thread that goes on with other memory all the time */

struct rebinder {
	const struct rsm_export *exp;
	char *mem[2];
	bool stop;
	int rounds;
	int failed;
};

static void *rebind_on(void *arg)
{
	struct rebinder *rebinder = arg;

	while (!get_flag(&rebinder->stop)) {
		rebinder->rounds++;
		if (rsm_rebind(rebinder->exp->fd,
			       rebinder->mem[rebinder->rounds & 1],
			       rebinder->exp->length, NULL))
			rebinder->failed++;
		sched_yield();
	}
	return NULL;
}

/* Memory of segments on both sides */

/* The exporter's own address of the segment's memory. */
TEST_F(io, threat_45_buffer_is_the_exported_memory)
{
	EXPECT_OK(rsm_put(self->fd, self->exp.mem, 8 * PAGE + 1, 4 * PAGE,
			  NULL));
	memcpy(self->model + 8 * PAGE + 1, self->model, 4 * PAGE);
	EXPECT_EQ(0, memcmp(self->exp.mem, self->model, LENGTH));
	EXPECT_OK(rsm_get(self->fd, self->exp.mem, 0, LENGTH, NULL));
	EXPECT_EQ(0, memcmp(self->exp.mem, self->model, LENGTH));
}

#ifndef RSM_REMOTE
TEST_F(io, threat_44_45_buffer_in_the_same_segment)
{
	char *map = rsm_map(self->fd, LENGTH, PROT_RW);

	ASSERT_NE(MAP_FAILED, map);
	/* to other pages, none of which has been touched by the mapping */
	EXPECT_OK(rsm_put(self->fd, map + PAGE - 3, 8 * PAGE - 1, 2 * PAGE,
			  NULL));
	memcpy(self->model + 8 * PAGE - 1, self->model + PAGE - 3, 2 * PAGE);
	EXPECT_EQ(0, memcmp(self->exp.mem, self->model, LENGTH));
	EXPECT_OK(rsm_get(self->fd, map + 12 * PAGE, 3, 3 * PAGE, NULL));
	memcpy(self->model + 12 * PAGE, self->model + 3, 3 * PAGE);
	EXPECT_EQ(0, memcmp(self->exp.mem, self->model, LENGTH));
	/* and all of it to itself */
	EXPECT_OK(rsm_put(self->fd, map, 0, LENGTH, NULL));
	EXPECT_OK(rsm_get(self->fd, map, 0, LENGTH, NULL));
	EXPECT_EQ(0, memcmp(self->exp.mem, self->model, LENGTH));
	EXPECT_EQ(0, memcmp(map, self->model, LENGTH));
}

/* What it gives is not told, but not beyond the range, and it ends. */
TEST_F(io, threat_45_overlapping)
{
	static const int shifts[] = { -4096, -9, -8, -1, 1, 8, 9, 4096 };
	char *map = rsm_map(self->fd, LENGTH, PROT_RW);
	unsigned int i;

	ASSERT_NE(MAP_FAILED, map);
	for (i = 0; i < ARRAY_SIZE(shifts); i++) {
		size_t from = 4 * PAGE + shifts[i];

		EXPECT_OK(rsm_put(self->fd, map + from, 4 * PAGE, 4 * PAGE,
				  NULL));
		EXPECT_OK(rsm_get(self->fd, map + 4 * PAGE, from, 4 * PAGE,
				  NULL));
		EXPECT_EQ(0, memcmp(self->exp.mem, self->model, 4 * PAGE));
		EXPECT_EQ(0, memcmp(self->exp.mem + 8 * PAGE,
				    self->model + 8 * PAGE, 8 * PAGE));
	}
}

TEST_F(io, threat_44_buffer_in_another_import)
{
	struct rsm_export other;
	char *map;

	ASSERT_OK(rsm_export_new(&self->scene, LENGTH, 2, &other));
	map = rsm_import_view(&self->scene, other.segid, LENGTH);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_OK(rsm_put(self->fd, map, 0, LENGTH, NULL));
	EXPECT_EQ(-1, rsm_stamp_check(self->exp.mem, LENGTH, 2));
	rsm_stamp(self->exp.mem, LENGTH, 3);
	EXPECT_OK(rsm_get(self->fd, map, 0, LENGTH, NULL));
	EXPECT_EQ(-1, rsm_stamp_check(other.mem, LENGTH, 3));
	/* its private page when it has been aborted */
	ASSERT_OK(rsm_unpublish(other.fd, NULL));
	EXPECT_OK(rsm_get(self->fd, map, 0, PAGE, NULL));
	EXPECT_EQ(0, memcmp(map, self->exp.mem, PAGE));
	EXPECT_EQ(-1, rsm_stamp_check(other.mem, LENGTH, 3));
	/* and one that cannot be written */
	map = rsm_map(self->fd, LENGTH, PROT_READ);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    rsm_get(self->fd, map, 0, 8, &error));
}

/* The entries as well are where the copy goes. */
TEST_F(io, threat_44_entries_in_the_segment)
{
	struct rsm_copy_vec *vec = rsm_map(self->fd, LENGTH, PROT_RW);

	ASSERT_NE(MAP_FAILED, vec);
	vec[0] = entry(self->buffer, 0, PAGE);
	vec[1] = entry(self->buffer, 2 * PAGE, PAGE);
	EXPECT_OK(rsm_copy(self->fd, RSM_IMPORT_PUT, vec, 2, NULL, NULL));
	EXPECT_TRUE(all_bytes(self->exp.mem, PAGE, CANARY));
	EXPECT_TRUE(all_bytes(self->exp.mem + 2 * PAGE, PAGE, CANARY));
	EXPECT_EQ(0, memcmp(self->exp.mem + PAGE, self->model + PAGE, PAGE));
}

/* Two processes that copy from each other, with rebinds that make faults. */

struct pair {
	__u32 segid[2];
	bool stop;
	int rounds[2];
	const struct rsm_scene *scene;
};

/* Copy to one's own segment from a mapping of the other's, and back. */
static int copy_from(struct pair *pair, int me)
{
	struct rsm_export exp;
	struct rebinder rebinder = { .exp = &exp };
	int fd, other, ret = 0;
	char *map;

	if (rsm_export_new(pair->scene, LENGTH, me, &exp))
		return 1;
	rebinder.mem[0] = exp.mem;
	rebinder.mem[1] = rsm_alloc(LENGTH);
	__atomic_store_n(&pair->segid[me], exp.segid, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&pair->segid[!me], __ATOMIC_ACQUIRE))
		sched_yield();
	fd = rsm_import(pair->scene, exp.segid, RW);
	other = rsm_import(pair->scene, pair->segid[!me], RW);
	map = rsm_map(other, LENGTH, PROT_RW);
	if (fd < 0 || map == MAP_FAILED)
		return 2;
	start_thread(rebind_on, &rebinder);
	while (!get_flag(&pair->stop) && !ret) {
		ret = rsm_put(fd, map, 0, LENGTH, NULL) ?:
		      rsm_get(fd, map, 0, LENGTH, NULL);
		pair->rounds[me]++;
	}
	/* the other one may have ended first */
	return (ret && !get_flag(&pair->stop)) || rebinder.failed;
}

static int copy_as_first(void *arg)
{
	return copy_from(arg, 0);
}

static int copy_as_second(void *arg)
{
	return copy_from(arg, 1);
}

TEST_F_TIMEOUT(io, threat_45_two_processes_crosswise, 60)
{
	struct pair *pair = rsm_alloc_shared(PAGE);
	pid_t pids[2];

	ASSERT_NE(MAP_FAILED, pair);
	pair->scene = &self->scene;
	pids[0] = rsm_start_child(copy_as_first, pair);
	pids[1] = rsm_start_child(copy_as_second, pair);
	rsm_sleep_ms(RACE_MS);
	set_flag(&pair->stop);
	EXPECT_EQ(0, rsm_wait_child(pids[0]));
	EXPECT_EQ(0, rsm_wait_child(pids[1]));
	EXPECT_LT(10, pair->rounds[0]);
	EXPECT_LT(10, pair->rounds[1]);
	munmap(pair, PAGE);
}
#endif

/* Rebind and abort */

TEST_F(io, rebind)
{
	char *later = rsm_alloc(LENGTH);

	rsm_stamp(later, LENGTH, 2);
	ASSERT_OK(rsm_rebind(self->exp.fd, later, LENGTH, NULL));
	EXPECT_OK(rsm_get(self->fd, self->buffer, 0, LENGTH, NULL));
	EXPECT_EQ(-1, rsm_stamp_check(self->buffer, LENGTH, 2));
	memset(self->buffer, CANARY, LENGTH);
	EXPECT_OK(rsm_put(self->fd, self->buffer, 1, LENGTH - 1, NULL));
	EXPECT_TRUE(all_bytes(later + 1, LENGTH - 1, CANARY));
	EXPECT_EQ(0, memcmp(self->exp.mem, self->model, LENGTH));
}

/* A thread that copies all the time. */
struct copier {
	int fd;
	unsigned long nr;
	char *mem;
	bool stop;
	int rounds;
	int ret;
	__u32 error;
};

static void *copy_on(void *arg)
{
	struct copier *copier = arg;
	struct rsm_copy_vec vec = entry(copier->mem, 0, LENGTH);

	while (!copier->ret && !get_flag(&copier->stop)) {
		copier->ret = rsm_copy(copier->fd, copier->nr, &vec, 1, NULL,
				       &copier->error);
		__atomic_fetch_add(&copier->rounds, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Nobody writes to memory that a rebind has taken out. */
TEST_F(io, rebind_waits_for_copies)
{
	char *mem[2] = { self->exp.mem, rsm_alloc(LENGTH) };
	struct copier copier = { .fd = self->fd, .nr = RSM_IMPORT_PUT,
				 .mem = self->buffer };
	pthread_t thread = start_thread(copy_on, &copier);
	long end = rsm_now_ms() + RACE_MS;
	int written = 0, round;

	for (round = 1; rsm_now_ms() < end; round++) {
		char *old = mem[!(round & 1)];

		ASSERT_OK(rsm_rebind(self->exp.fd, mem[round & 1], LENGTH,
				     NULL));
		written += old[0] == CANARY;
		memset(old, 1, LENGTH);
		if (round & 1)
			sched_yield();
		else
			rsm_sleep_ms(1);
		EXPECT_TRUE(all_bytes(old, LENGTH, 1)) TH_LOG("%d", round);
	}
	set_flag(&copier.stop);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, copier.ret);
	EXPECT_LT(10, copier.rounds);
	/* it did write to it before */
	EXPECT_LT(5, written);
}

/* The same for the end of a connection. */
TEST_F(io, abort_waits_for_copies)
{
	struct copier copier = { .nr = RSM_IMPORT_PUT, .mem = self->buffer };
	long end = rsm_now_ms() + RACE_MS;
	pthread_t thread;

	while (rsm_now_ms() < end) {
		copier.fd = rsm_import(&self->scene, self->exp.segid, RW);
		ASSERT_LE(0, copier.fd);
		copier.ret = 0;
		copier.rounds = 0;
		thread = start_thread(copy_on, &copier);
		while (!__atomic_load_n(&copier.rounds, __ATOMIC_RELAXED))
			sched_yield();
		ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
		memset(self->exp.mem, 1, LENGTH);
		rsm_sleep_ms(1);
		EXPECT_TRUE(all_bytes(self->exp.mem, LENGTH, 1));
		pthread_join(thread, NULL);
		EXPECT_EQ(-ECONNABORTED, copier.ret);
		EXPECT_EQ(RSM_ERR_CONN_ABORTED, copier.error);
		close(copier.fd);
		self->exp.segid = 0;
		ASSERT_OK(rsm_publish(self->exp.fd, &self->exp.segid, NULL, 0,
				      NULL));
	}
}

/* What a reader sees is one of the two, and never memory that was put. */
TEST_F(io, get_during_rebinds)
{
	char *other = rsm_alloc(LENGTH);
	struct rebinder rebinder = { .exp = &self->exp,
				     .mem = { self->exp.mem, other } };
	long end = rsm_now_ms() + RACE_MS;
	pthread_t thread;
	int seen[3] = { 0 };
	size_t i;

	memset(self->exp.mem, 1, LENGTH);
	memset(other, 2, LENGTH);
	thread = start_thread(rebind_on, &rebinder);
	while (rsm_now_ms() < end) {
		ASSERT_OK(rsm_get(self->fd, self->buffer, 0, LENGTH, NULL));
		for (i = 0; i < LENGTH; i += 64) {
			unsigned char byte = self->buffer[i];

			ASSERT_TRUE(byte == 1 || byte == 2);
			seen[byte]++;
		}
	}
	set_flag(&rebinder.stop);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, rebinder.failed);
	EXPECT_LT(0, seen[1]);
	EXPECT_LT(0, seen[2]);
}

/* Signals */

/* Networks that are emulated are slow. */
#ifdef RSM_REMOTE
#define LARGE_LENGTH (4UL << 20)
#define MUCH_MAX (64UL << 20)
#else
#define LARGE_LENGTH (64UL << 20)
#define MUCH_MAX (512UL << 20)
#endif

struct large {
	struct rsm_export exp;
	int fd;
	char *mem;
};

/*
 * Sixteen large copies, from memory that has to be faulted in page by
 * page: this takes a while.
 */
static int put_large(void *arg)
{
	struct large *large = arg;
	struct rsm_copy_vec vec[RSM_COPY_VEC_MAX];
	int i;

	large->mem = mmap(NULL, RSM_COPY_VEC_MAX * LARGE_LENGTH, PROT_READ,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (large->mem == MAP_FAILED)
		return 1;
	madvise(large->mem, RSM_COPY_VEC_MAX * LARGE_LENGTH, MADV_NOHUGEPAGE);
	for (i = 0; i < RSM_COPY_VEC_MAX; i++)
		vec[i] = entry(large->mem + i * LARGE_LENGTH, 0, LARGE_LENGTH);
	return !!rsm_copy(large->fd, RSM_IMPORT_PUT, vec, RSM_COPY_VEC_MAX,
			  NULL, NULL);
}

static int export_large(const struct rsm_scene *scene, struct large *large)
{
	int ret = rsm_export_new(scene, LARGE_LENGTH, 1, &large->exp);

	if (ret)
		return ret;
	large->fd = rsm_import(scene, large->exp.segid, RW);
	return large->fd < 0 ? large->fd : 0;
}

TEST_F_TIMEOUT(io, threat_47_killed, 120)
{
	struct large large;
	long start, full, took;
	pid_t pid;

	ASSERT_OK(export_large(&self->scene, &large));
	start = rsm_now_ms();
	EXPECT_EQ(0, rsm_in_child(put_large, &large));
	full = rsm_now_ms() - start;
	pid = rsm_start_child(put_large, &large);
	rsm_sleep_ms(full / 8);
	start = rsm_now_ms();
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, rsm_wait_child(pid));
	took = rsm_now_ms() - start;
	printf("# %ld ms of %ld ms\n", took, full);
	EXPECT_GT(full / 3, took);
	/* the exporter has not noticed */
	EXPECT_OK(rsm_rebind(large.exp.fd, large.exp.mem, LARGE_LENGTH, NULL));
}

/*
 * 47: some 100 MiB in one copy. How far it got is told by the last pages of
 * where it goes, which both processes see.
 */
struct much {
	int fd;
	size_t length;
	char *mem;
	unsigned long nr;
};

static int copy_much(void *arg)
{
	const struct much *much = arg;
	struct rsm_copy_vec vec = entry(much->mem, 0, much->length);

	return !!rsm_copy(much->fd, much->nr, &vec, 1, NULL, NULL);
}

FIXTURE(much)
{
	struct rsm_scene scene;
	struct much much;
	struct rsm_export exp;
	char *to;
	long limit;
};

FIXTURE_VARIANT(much)
{
	unsigned long nr;
};

FIXTURE_VARIANT_ADD(much, put)
{
	.nr = RSM_IMPORT_PUT,
};

FIXTURE_VARIANT_ADD(much, get)
{
	.nr = RSM_IMPORT_GET,
};

/* Zeroes are to come where there are ones. */
FIXTURE_SETUP(much)
{
	bool put = variant->nr == RSM_IMPORT_PUT;
	struct much *much = &self->much;
	char *exported;

	ASSERT_OK(rsm_scene_open(&self->scene));
	self->limit = rsm_param("max_exported_memory", 0);
	ASSERT_LE(0, self->limit);
	much->nr = variant->nr;
	much->length = rsm_large_length(2);
	if (much->length > MUCH_MAX)
		much->length = MUCH_MAX;
	exported = rsm_alloc(much->length);
	much->mem = rsm_alloc_shared(much->length);
	self->to = put ? exported : much->mem;
	memset(self->to, 1, much->length);
	ASSERT_OK(rsm_export_mem(&self->scene, exported, much->length,
				 &self->exp));
	much->fd = rsm_import(&self->scene, self->exp.segid, RW);
	ASSERT_LE(0, much->fd);
}

FIXTURE_TEARDOWN(much)
{
	rsm_param("max_exported_memory", self->limit);
	EXPECT_TRUE(rsm_scene_close(&self->scene));
	munmap(self->much.mem, self->much.length);
}

static bool much_is_there(const FIXTURE_DATA(much) *self, size_t offset)
{
	return !((const volatile char *)self->to)[offset];
}

TEST_F_TIMEOUT(much, threat_47_killed, 300)
{
	size_t length = self->much.length;
	size_t done = length / 8;
	pid_t pid;

	printf("# %zu MiB\n", length >> 20);
	pid = rsm_start_child(copy_much, &self->much);
	ASSERT_LT(0, pid);
	while (!much_is_there(self, done))
		usleep(100);
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, rsm_wait_child(pid));
	for (; done < length && much_is_there(self, done); done += PAGE)
		;
	printf("# died after %zu MiB\n", done >> 20);
	EXPECT_GT(length / 4 * 3, done);
	EXPECT_FALSE(much_is_there(self, length - 1));
	/* and once more, to the end */
	EXPECT_EQ(0, rsm_in_child(copy_much, &self->much));
	EXPECT_TRUE(rsm_is_zero(self->to, length));
}

static volatile sig_atomic_t alarms;

static void count_alarm(int signal)
{
	(void)signal;
	alarms++;
}

/* Any other signal does not interrupt a copy. */
TEST_F_TIMEOUT(io, other_signals, 120)
{
	struct itimerval timer = { { 0, 2000 }, { 0, 2000 } };
	struct sigaction action = { .sa_handler = count_alarm };
	struct large large;

	ASSERT_OK(export_large(&self->scene, &large));
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &timer, NULL));
	EXPECT_EQ(0, put_large(&large));
	timer = (struct itimerval){ 0 };
	setitimer(ITIMER_REAL, &timer, NULL);
	EXPECT_LT(0, alarms);
	EXPECT_TRUE(all_bytes(large.exp.mem, LARGE_LENGTH, 0));
	munmap(large.mem, RSM_COPY_VEC_MAX * LARGE_LENGTH);
}

/* Descriptors of others */

static int put_inherited(void *arg)
{
	io_self *self = arg;

	memset(self->buffer, 7, LENGTH);
	return !!rsm_put(self->fd, self->buffer, 0, LENGTH, NULL);
}

/* The caller's memory is that of who calls, not of who connected. */
TEST_F(io, inherited_descriptor)
{
	EXPECT_EQ(0, rsm_in_child_as(RSM_NOBODY, put_inherited, self));
	EXPECT_TRUE(all_bytes(self->exp.mem, LENGTH, 7));
	EXPECT_TRUE(all_bytes(self->buffer, LENGTH, CANARY));
}

/* Atomic operations */

static __u64 *word_at(const io_self *self, size_t offset)
{
	return (__u64 *)(self->exp.mem + offset);
}

TEST_F(io, atomic_operations)
{
	__u64 *word = word_at(self, LENGTH - 8);
	__u64 old;

	*word = 5;
	EXPECT_OK(rsm_atomic(self->fd, RSM_ATOMIC_ADD, LENGTH - 8, 99, 7, &old,
			     NULL));
	EXPECT_EQ(5, old);
	EXPECT_EQ(12, *word);
	EXPECT_OK(rsm_atomic(self->fd, RSM_ATOMIC_ADD, LENGTH - 8, 0, -13ULL,
			     &old, NULL));
	EXPECT_EQ(12, old);
	EXPECT_EQ(~0ULL, *word);
	EXPECT_OK(rsm_atomic(self->fd, RSM_ATOMIC_ADD, LENGTH - 8, 0, 2, &old,
			     NULL));
	EXPECT_EQ(1, *word);
	EXPECT_OK(rsm_atomic(self->fd, RSM_ATOMIC_SWAP, LENGTH - 8, 99,
			     0x123456789abcdef0, &old, NULL));
	EXPECT_EQ(1, old);
	EXPECT_EQ(0x123456789abcdef0, *word);
	/* half of the word is not enough */
	EXPECT_OK(rsm_atomic(self->fd, RSM_ATOMIC_CAS, LENGTH - 8, 0x9abcdef0,
			     3, &old, NULL));
	EXPECT_EQ(0x123456789abcdef0, old);
	EXPECT_EQ(0x123456789abcdef0, *word);
	EXPECT_OK(rsm_atomic(self->fd, RSM_ATOMIC_CAS, LENGTH - 8,
			     0x123456789abcdef0, 3, &old, NULL));
	EXPECT_EQ(0x123456789abcdef0, old);
	EXPECT_EQ(3, *word);
	/* and no other word */
	EXPECT_EQ(0, memcmp(self->exp.mem, self->model, LENGTH - 8));
}

TEST_F(io, atomic_on_each_page)
{
	size_t offset;
	__u64 old;

	for (offset = 0; offset < LENGTH; offset += PAGE - 8) {
		*word_at(self, offset) = offset;
		EXPECT_OK(rsm_atomic(self->fd, RSM_ATOMIC_SWAP, offset, 0, 77,
				     &old, NULL));
		EXPECT_EQ(offset, old);
		EXPECT_EQ(77, *word_at(self, offset));
	}
}

static int try_atomic(int fd, __u32 op, __u64 offset, __u32 *error)
{
	return rsm_atomic(fd, op, offset, 0, 1, NULL, error);
}

/* Each with all that is told later wrong as well. */
TEST_F(io, atomic_errors_in_order)
{
	struct rsm_export plain;
	int none, fd;

	ASSERT_OK(rsm_export_new(&self->scene, LENGTH, 2, &plain));
	fd = rsm_import(&self->scene, plain.segid, 0);
	none = rsm_import(&self->scene, self->exp.segid, 0);
	ASSERT_LE(0, fd);
	ASSERT_LE(0, none);
	ASSERT_OK(rsm_unpublish(plain.fd, NULL));
	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	EXPECT_FAIL(EPERM, RSM_ERR_LOCKS_NOT_ENABLED,
		    try_atomic(fd, 77, ~0ULL, &error));
	EXPECT_FAIL(EOPNOTSUPP, RSM_ERR_NONE,
		    try_atomic(none, 77, ~0ULL, &error));
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_MEM_ALIGNMENT,
		    try_atomic(none, RSM_ATOMIC_ADD, ~0ULL, &error));
	EXPECT_FAIL(EACCES, RSM_ERR_PERM_DENIED,
		    try_atomic(none, RSM_ATOMIC_ADD, ~7ULL, &error));
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_OFFSET,
		    try_atomic(self->fd, RSM_ATOMIC_ADD, ~7ULL, &error));
	EXPECT_FAIL(ECONNABORTED, RSM_ERR_CONN_ABORTED,
		    try_atomic(self->fd, RSM_ATOMIC_ADD, 0, &error));
	EXPECT_EQ(0, memcmp(self->exp.mem, self->model, LENGTH));
}

TEST_F(io, atomic_unknown_operations)
{
	static const __u32 ops[] = { 3, 4, 0x100, 1U << 31, ~0U };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		EXPECT_FAIL(EOPNOTSUPP, RSM_ERR_NONE,
			    try_atomic(self->fd, ops[i], 0, &error));
	}
	EXPECT_EQ(0, memcmp(self->exp.mem, self->model, LENGTH));
}

TEST_F(io, atomic_rights)
{
	static const __u32 perms[] = { 0, RSM_RIGHT_READ, RSM_RIGHT_WRITE };
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(perms); i++) {
		fd = rsm_import(&self->scene, self->exp.segid, perms[i]);
		ASSERT_LE(0, fd);
		EXPECT_FAIL(EACCES, RSM_ERR_PERM_DENIED,
			    try_atomic(fd, RSM_ATOMIC_CAS, 0, &error));
	}
}

TEST_F(io, threat_51_atomic_offsets)
{
	static const __u64 bad[] = { LENGTH, LENGTH + 8, 1ULL << 32,
				     (1ULL << 32) + 8, 1ULL << 44,
				     RSM_STATUS_OFFSET, 1ULL << 63, ~7ULL };
	unsigned int i;

	for (i = 1; i < 8; i++) {
		EXPECT_FAIL(EINVAL, RSM_ERR_BAD_MEM_ALIGNMENT,
			    try_atomic(self->fd, RSM_ATOMIC_ADD, i, &error));
		EXPECT_FAIL(EINVAL, RSM_ERR_BAD_MEM_ALIGNMENT,
			    try_atomic(self->fd, RSM_ATOMIC_ADD, LENGTH - i,
				       &error));
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_FAIL(EINVAL, RSM_ERR_BAD_OFFSET,
			    try_atomic(self->fd, RSM_ATOMIC_ADD, bad[i],
				       &error));
	}
}

TEST_F(io, atomic_after_rebind)
{
	__u64 *later = rsm_alloc(LENGTH);
	__u64 old;

	*later = 40;
	*word_at(self, 0) = 7;
	ASSERT_OK(rsm_rebind(self->exp.fd, later, LENGTH, NULL));
	EXPECT_OK(rsm_atomic(self->fd, RSM_ATOMIC_ADD, 0, 0, 2, &old, NULL));
	EXPECT_EQ(40, old);
	EXPECT_EQ(42, *later);
	EXPECT_EQ(7, *word_at(self, 0));
}

#ifndef RSM_REMOTE
/*
 * Everybody changes one word all the time, so that there is somebody between
 * any two steps of another: four by the kernel, and two with instructions of
 * their own. What each of them did to the word adds up to what is in it.
 */
#define BY_KERNEL 4
#define RACERS 6
#define WORD 64

/*
 * That many times somebody has to find that the word has changed since, which
 * takes processors that are really there at the same time; or else so long.
 */
#define MEETINGS 20000
#define MEETINGS_MS 4000

struct race {
	int fd;
	__u32 op;
	int ready;
	int meetings;
	bool stop;
	__u64 sums[RACERS];
};

struct racer {
	struct race *race;
	int number;
};

FIXTURE(race)
{
	io_self io;
	struct race *race;
};

FIXTURE_VARIANT(race)
{
	__u32 op;
};

FIXTURE_VARIANT_ADD(race, cas)
{
	.op = RSM_ATOMIC_CAS,
};

FIXTURE_VARIANT_ADD(race, add)
{
	.op = RSM_ATOMIC_ADD,
};

FIXTURE_VARIANT_ADD(race, swap)
{
	.op = RSM_ATOMIC_SWAP,
};

FIXTURE_SETUP(race)
{
	io_setup(_metadata, &self->io, NULL);
	self->race = rsm_alloc_shared(PAGE);
	ASSERT_NE(MAP_FAILED, self->race);
	self->race->fd = self->io.fd;
	self->race->op = variant->op;
	*word_at(&self->io, WORD) = 0;
}

FIXTURE_TEARDOWN(race)
{
	munmap(self->race, PAGE);
	io_teardown(_metadata, &self->io, NULL);
}

/* By how much an operation that saw @old has changed the word */
static __u64 change_of(__u32 op, __u64 compare, __u64 operand, __u64 old)
{
	switch (op) {
	case RSM_ATOMIC_ADD:
		return operand;
	case RSM_ATOMIC_SWAP:
		return operand - old;
	}
	return old == compare ? operand - compare : 0;
}

static __u64 change_word(__u64 *word, __u32 op, __u64 compare, __u64 operand)
{
	switch (op) {
	case RSM_ATOMIC_ADD:
		return __atomic_fetch_add(word, operand, __ATOMIC_SEQ_CST);
	case RSM_ATOMIC_SWAP:
		return __atomic_exchange_n(word, operand, __ATOMIC_SEQ_CST);
	}
	__atomic_compare_exchange_n(word, &compare, operand, false,
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return compare;
}

static int change_by_kernel(struct race *race, __u64 compare, __u64 operand,
			    __u64 *old)
{
	static __u64 last;

	if (rsm_atomic(race->fd, race->op, WORD, compare, operand, old, NULL))
		return 1;
	if (*old != last)
		__atomic_fetch_add(&race->meetings, 1, __ATOMIC_RELAXED);
	last = *old + change_of(race->op, compare, operand, *old);
	return 0;
}

/* Compare and swap goes between 0 and 1, so that it often finds its value. */
static int change_until_stop(struct racer *racer, __u64 *word)
{
	struct race *race = racer->race;
	bool cas = race->op == RSM_ATOMIC_CAS;
	__u64 i, compare, operand, old, sum = 0;
	int ret = 0;

	for (i = 0; !ret && !get_flag(&race->stop); i++) {
		compare = i & 1;
		operand = cas ? !compare : i * RACERS + racer->number;
		if (racer->number < BY_KERNEL)
			ret = change_by_kernel(race, compare, operand, &old);
		else
			old = change_word(word, race->op, compare, operand);
		sum += change_of(race->op, compare, operand, old);
	}
	race->sums[racer->number] = sum;
	return ret;
}

/* With one of every two processors, all start at once. */
static int run_racer(void *arg)
{
	struct racer *racer = arg;
	char *map = rsm_map(racer->race->fd, LENGTH, PROT_RW);
	cpu_set_t cpus;

	if (map == MAP_FAILED)
		return 1;
	CPU_ZERO(&cpus);
	CPU_SET(racer->number & 1, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	__atomic_fetch_add(&racer->race->ready, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&racer->race->ready, __ATOMIC_SEQ_CST) < RACERS)
		sched_yield();
	return change_until_stop(racer, (__u64 *)(map + WORD));
}

TEST_F(race, atomic_operations_add_up)
{
	struct racer racer = { .race = self->race };
	long end = rsm_now_ms() + MEETINGS_MS;
	pid_t pids[RACERS];
	__u64 sum = 0;

	for (; racer.number < RACERS; racer.number++)
		pids[racer.number] = rsm_start_child(run_racer, &racer);
	while (rsm_now_ms() < end &&
	       __atomic_load_n(&self->race->meetings, __ATOMIC_RELAXED) <
		       MEETINGS)
		rsm_sleep_ms(1);
	set_flag(&self->race->stop);
	while (racer.number-- > 0) {
		EXPECT_OK(rsm_wait_child(pids[racer.number]));
		sum += self->race->sums[racer.number];
	}
	EXPECT_EQ(sum, *word_at(&self->io, WORD));
}
#endif

#ifdef RSM_REMOTE
#define ADDS 3000
#else
#define ADDS 30000
#endif

static int add_by_ioctl(void *arg)
{
	io_self *self = arg;
	int i, ret = 0;

	for (i = 0; i < ADDS && !ret; i++)
		ret = rsm_atomic(self->fd, RSM_ATOMIC_ADD, 64, 0, 1, NULL,
				 NULL);
	return !!ret;
}

/* Each one is in the old or in the new memory, and none in both or nowhere. */
TEST_F_TIMEOUT(io, atomic_adds_during_rebinds, 120)
{
	char *other = rsm_alloc(LENGTH);
	struct rebinder rebinder = { .exp = &self->exp,
				     .mem = { self->exp.mem, other } };
	pthread_t thread;
	pid_t pids[2];
	__u64 sum;

	*word_at(self, 64) = 0;
	thread = start_thread(rebind_on, &rebinder);
	pids[0] = rsm_start_child(add_by_ioctl, self);
	pids[1] = rsm_start_child(add_by_ioctl, self);
	EXPECT_EQ(0, rsm_wait_child(pids[0]));
	EXPECT_EQ(0, rsm_wait_child(pids[1]));
	set_flag(&rebinder.stop);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, rebinder.failed);
	EXPECT_LT(10, rebinder.rounds);
	sum = *word_at(self, 64) + *(__u64 *)(other + 64);
	EXPECT_EQ(2 * ADDS, sum);
}

struct adder {
	int fd;
	int ret;
	__u32 error;
	__u64 done;
};

static void *add_until_error(void *arg)
{
	struct adder *adder = arg;

	for (;;) {
		adder->ret = rsm_atomic(adder->fd, RSM_ATOMIC_ADD, 64, 0, 1,
					NULL, &adder->error);
		if (adder->ret)
			return NULL;
		__atomic_fetch_add(&adder->done, 1, __ATOMIC_RELAXED);
	}
}

/*
 * What was successful has been done, and what was refused has not; of another
 * machine the last answer may have been lost.
 */
#ifdef RSM_REMOTE
#define LOST_ANSWERS 1
#else
#define LOST_ANSWERS 0
#endif

TEST_F(io, atomic_until_aborted)
{
	int round;

	for (round = 0; round < 100; round++) {
		struct adder adder = { 0 };
		pthread_t thread;

		adder.fd = rsm_import(&self->scene, self->exp.segid, RW);
		ASSERT_LE(0, adder.fd);
		*word_at(self, 64) = 0;
		thread = start_thread(add_until_error, &adder);
		while (!__atomic_load_n(&adder.done, __ATOMIC_RELAXED))
			sched_yield();
		ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
		pthread_join(thread, NULL);
		EXPECT_EQ(-ECONNABORTED, adder.ret);
		EXPECT_EQ(RSM_ERR_CONN_ABORTED, adder.error);
		EXPECT_LE(adder.done, *word_at(self, 64));
		EXPECT_GE(adder.done + LOST_ANSWERS, *word_at(self, 64));
		close(adder.fd);
		self->exp.segid = 0;
		ASSERT_OK(rsm_publish(self->exp.fd, &self->exp.segid, NULL, 0,
				      NULL));
	}
}

TEST_HARNESS_MAIN
