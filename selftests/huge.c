// SPDX-License-Identifier: GPL-2.0-only
/*
 * Huge memory: where the kernel can, importers get one entry for 2 MiB of it.
 * How many there are is told by the memory that their page tables take.
 */
#include "rsm_utils.h"
#include "rsm_cgroup.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/utsname.h>

#define PAGE 4096UL
#define WINDOW (2UL << 20)
#define WINDOWS 8UL
#define LENGTH (WINDOWS * WINDOW)
#define RW (RSM_RIGHT_READ | RSM_RIGHT_WRITE)
#define PROT_RW (PROT_READ | PROT_WRITE)
#define HUGE_PAGES "/proc/sys/vm/nr_hugepages"
#define ROUNDS 60

FIXTURE(huge)
{
	struct rsm_scene scene;
	struct rsm_export exp;
	int imp;
	char *map;
};

/* @skip: pages of the memory before the segment's first one */
FIXTURE_VARIANT(huge)
{
	int flags;
	size_t skip;
};

FIXTURE_VARIANT_ADD(huge, transparent)
{
};

FIXTURE_VARIANT_ADD(huge, transparent_in_part)
{
	.skip = 5,
};

FIXTURE_VARIANT_ADD(huge, hugetlb)
{
	.flags = MAP_HUGETLB,
};

FIXTURE_VARIANT_ADD(huge, hugetlb_in_part)
{
	.flags = MAP_HUGETLB,
	.skip = 511,
};

static char *alloc_at(char *addr, int flags)
{
	return mmap(addr, LENGTH + WINDOW, PROT_RW,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | flags, -1, 0);
}

/* LENGTH and one page more that begin @skip pages into a huge page. */
static char *alloc_huge(int flags, size_t skip)
{
	char *mem = mmap(NULL, LENGTH + 2 * WINDOW, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		return mem;
	mem = (char *)(((uintptr_t)mem + WINDOW - 1) & ~(WINDOW - 1));
	if (alloc_at(mem, flags) == MAP_FAILED)
		return MAP_FAILED;
	if (!flags)
		madvise(mem, LENGTH + WINDOW, MADV_HUGEPAGE);
	/* Of pinned pages a child gets copies, for which there may be none. */
	if (madvise(mem, LENGTH + WINDOW, MADV_DONTFORK))
		return MAP_FAILED;
	rsm_stamp(mem, LENGTH + WINDOW, 1);
	return mem + skip * PAGE;
}

static char *alloc_small(uint32_t seed)
{
	char *mem = rsm_alloc(LENGTH);

	if (mem == MAP_FAILED)
		return mem;
	/* EINVAL: the kernel has no transparent huge pages at all. */
	if (madvise(mem, LENGTH, MADV_NOHUGEPAGE) && errno != EINVAL)
		return MAP_FAILED;
	rsm_stamp(mem, LENGTH, seed);
	return mem;
}

FIXTURE_SETUP(huge)
{
	char *mem;

	ASSERT_OK(rsm_file_write("/proc/sys/vm/compact_memory", "1"));
	if (variant->flags)
		ASSERT_OK(rsm_file_write(HUGE_PAGES, "20"));
	ASSERT_OK(rsm_scene_open(&self->scene));
	mem = alloc_huge(variant->flags, variant->skip);
	ASSERT_NE(MAP_FAILED, mem);
	rsm_stamp(mem, LENGTH, 1);
	ASSERT_OK(rsm_export_mem(&self->scene, mem, LENGTH, &self->exp));
	self->imp = rsm_import(&self->scene, self->exp.segid, RW);
	ASSERT_LE(0, self->imp);
	self->map = rsm_map(self->imp, LENGTH, PROT_RW);
	ASSERT_NE(MAP_FAILED, self->map);
}

FIXTURE_TEARDOWN(huge)
{
	EXPECT_TRUE(rsm_scene_close(&self->scene));
	if (variant->flags)
		EXPECT_OK(rsm_file_write(HUGE_PAGES, "0"));
}

typedef FIXTURE_DATA(huge) huge_self;

/* Since 6.12 page frames can have huge entries. */
static bool kernel_can(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname name;

	uname(&name);
	if (sscanf(name.release, "%u.%u", &major, &minor) != 2)
		return false;
	return major > 6 || (major == 6 && minor >= 12);
}

/* Page tables that are made when each window of @map is touched. */
static long tables_of(const char *map)
{
	long before = rsm_proc_status(getpid(), "VmPTE");
	unsigned long i;

	for (i = 0; i < WINDOWS; i++)
		(void)*(volatile const char *)(map + i * WINDOW);
	return (rsm_proc_status(getpid(), "VmPTE") - before) / 4;
}

/* The windows that are not wholly in huge pages have one table each. */
static bool few_tables(long tables)
{
	return kernel_can() ? tables <= 4 : tables >= (long)WINDOWS;
}

static bool is_stamped(const char *map, uint32_t seed)
{
	return rsm_stamp_check(map, LENGTH, seed) == -1;
}

TEST_F(huge, one_entry_for_a_window)
{
	long tables = tables_of(self->map);

	EXPECT_TRUE(few_tables(tables)) TH_LOG("%ld tables", tables);
	EXPECT_TRUE(is_stamped(self->map, 1));
	rsm_stamp(self->map, LENGTH, 2);
	EXPECT_TRUE(is_stamped(self->exp.mem, 2));
}

TEST_F(huge, address_is_chosen_to_fit)
{
	if (kernel_can())
		EXPECT_EQ(variant->skip * PAGE,
			  (uintptr_t)self->map % WINDOW);
	EXPECT_TRUE(is_stamped(self->map, 1));
}

TEST_F(huge, small_entries_where_it_does_not_fit)
{
	char *at = rsm_alloc(LENGTH + 2 * WINDOW), *map;

	at += ((uintptr_t)self->map + PAGE - (uintptr_t)at) % WINDOW;
	map = mmap(at, LENGTH, PROT_RW, MAP_SHARED | MAP_FIXED, self->imp, 0);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_TRUE(is_stamped(map, 1));
	EXPECT_TRUE(is_stamped(self->map, 1));
}

TEST_F(huge, rebind_to_small_pages_and_back)
{
	char *small = alloc_small(2), *map;
	long tables;

	ASSERT_NE(MAP_FAILED, small);
	EXPECT_TRUE(is_stamped(self->map, 1));
	ASSERT_OK(rsm_rebind(self->exp.fd, small, LENGTH, NULL));
	EXPECT_TRUE(is_stamped(self->map, 2));
	ASSERT_OK(rsm_rebind(self->exp.fd, self->exp.mem, LENGTH, NULL));
	EXPECT_TRUE(is_stamped(self->map, 1));

	map = rsm_map(self->imp, LENGTH, PROT_RW);
	ASSERT_NE(MAP_FAILED, map);
	tables = tables_of(map);
	EXPECT_TRUE(few_tables(tables)) TH_LOG("%ld tables", tables);
	EXPECT_TRUE(is_stamped(map, 1));
}

TEST_F(huge, threat_01_part_is_unmapped_protected_moved)
{
	char *to = rsm_alloc(LENGTH + WINDOW), *half = to + LENGTH / 2;
	size_t rest = LENGTH / 2 - 3 * PAGE;

	EXPECT_TRUE(is_stamped(self->map, 1));
	EXPECT_OK(munmap(self->map + PAGE, PAGE));
	EXPECT_OK(mprotect(self->map + WINDOW + PAGE, PAGE, PROT_READ));
	EXPECT_EQ(-1, rsm_stamp_check(self->map, PAGE, 1));
	EXPECT_EQ(half, mremap(self->map + LENGTH / 2 + 3 * PAGE, rest, rest,
			       MREMAP_MAYMOVE | MREMAP_FIXED, half));
	EXPECT_EQ(0, memcmp(half, self->exp.mem + LENGTH / 2 + 3 * PAGE, rest));
	EXPECT_EQ(0, memcmp(self->map + 2 * PAGE, self->exp.mem + 2 * PAGE,
			    LENGTH / 2 - 2 * PAGE));
	rsm_stamp(self->exp.mem, LENGTH, 7);
	EXPECT_EQ(0, memcmp(half, self->exp.mem + LENGTH / 2 + 3 * PAGE, rest));
}

TEST_F(huge, threat_03_moved_as_a_whole)
{
	char *to = rsm_alloc(LENGTH + 2 * WINDOW);

	EXPECT_TRUE(is_stamped(self->map, 1));
	to += ((uintptr_t)self->map - (uintptr_t)to) % WINDOW;
	ASSERT_EQ(to, mremap(self->map, LENGTH, LENGTH,
			     MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_TRUE(is_stamped(to, 1));
	rsm_stamp(self->exp.mem, LENGTH, 3);
	EXPECT_TRUE(is_stamped(to, 3));
}

TEST_F(huge, threat_06_abort)
{
	EXPECT_TRUE(is_stamped(self->map, 1));
	ASSERT_OK(rsm_destroy(self->exp.fd, NULL));
	EXPECT_TRUE(rsm_is_zero(self->map, LENGTH));
	*self->map = 1;
	EXPECT_EQ(1, self->map[PAGE]);
	EXPECT_TRUE(is_stamped(self->exp.mem, 1));
}

static sigjmp_buf trap;

static void on_segv(int signal)
{
	siglongjmp(trap, signal);
}

static bool can_store(volatile char *addr)
{
	signal(SIGSEGV, on_segv);
	if (sigsetjmp(trap, 1))
		return false;
	*addr = 1;
	return true;
}

TEST_F(huge, threat_08_right_to_read_only)
{
	int fd = rsm_import(&self->scene, self->exp.segid, RSM_RIGHT_READ);
	char *map = rsm_map(fd, LENGTH, PROT_READ);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_TRUE(is_stamped(map, 1));
	EXPECT_FALSE(can_store(map));
	EXPECT_FALSE(can_store(map + LENGTH / 2));
	EXPECT_EQ(-1, mprotect(map, LENGTH, PROT_RW));
}

TEST_F(huge, protection_comes_and_goes)
{
	EXPECT_TRUE(is_stamped(self->map, 1));
	ASSERT_OK(mprotect(self->map, LENGTH, PROT_READ));
	EXPECT_FALSE(can_store(self->map + LENGTH / 2));
	ASSERT_OK(mprotect(self->map, LENGTH, PROT_RW));
	EXPECT_TRUE(can_store(self->map + LENGTH / 2 + 64));
	EXPECT_EQ(1, self->exp.mem[LENGTH / 2 + 64]);
}

TEST_F(huge, without_transparent_huge_pages)
{
	char *map;

	ASSERT_OK(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	map = rsm_map(self->imp, LENGTH, PROT_RW);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_LE((long)WINDOWS, tables_of(map));
	EXPECT_TRUE(is_stamped(map, 1));
}

/* Beside rebinds */

struct beside {
	const volatile char *map;
	volatile uint32_t *seed; /* what is to be seen, or later; shared */
	volatile bool stop;
	volatile bool bad;
};

static bool looks_old(struct beside *beside)
{
	uint32_t seed = *beside->seed;
	unsigned long page, pages = LENGTH / PAGE;
	uint64_t word;

	for (page = 3; page < pages && !beside->stop; page += 61) {
		word = *(const volatile uint64_t *)(beside->map + page * PAGE);
		if ((uint32_t)word == page && word >> 32 >= seed)
			continue;
		printf("# page %lu has %#lx, expected %#x or later\n", page,
		       word, seed);
		fflush(stdout);
		return true;
	}
	return false;
}

static void *keep_looking(void *arg)
{
	struct beside *beside = arg;

	while (!beside->stop)
		beside->bad |= looks_old(beside);
	return NULL;
}

static int look_once(void *arg)
{
	struct beside *beside = arg;

	beside->stop = false;
	return looks_old(beside);
}

static void *keep_forking(void *arg)
{
	struct beside *beside = arg;
	int ret = 0;

	while (!beside->stop && !ret)
		ret = rsm_in_child(look_once, beside);
	if (ret)
		printf("# a child ended with %d\n", ret);
	beside->bad |= ret != 0;
	return NULL;
}

/* Each makes three VMAs of one, and one of three. */
static void *keep_splitting(void *arg)
{
	struct beside *beside = arg;
	unsigned long i;
	char *at;

	for (i = 0; !beside->stop; i++) {
		at = (char *)beside->map + (i % WINDOWS) * WINDOW + 7 * PAGE;
		beside->bad |= mprotect(at, WINDOW / 2, PROT_READ) != 0;
		beside->bad |= mprotect(at, WINDOW / 2, PROT_RW) != 0;
	}
	return NULL;
}

typedef void *look(void *arg);

static look *const lookers[] = { keep_looking, keep_looking, NULL };
static look *const forkers[] = { keep_forking, keep_forking, NULL };
static look *const splitters[] = {
	keep_looking, keep_splitting, keep_forking, NULL
};

/* One after the other, and each with a later stamp. */
static int rebind_often(huge_self *self, struct beside *beside, char **mems)
{
	uint32_t seed;
	int ret = 0;

	for (seed = 2; seed < ROUNDS && !ret; seed++) {
		rsm_stamp(mems[seed % 2], LENGTH, seed);
		ret = rsm_rebind(self->exp.fd, mems[seed % 2], LENGTH, NULL);
		*beside->seed = seed;
	}
	return ret;
}

/* @looks: what threads do, up to NULL */
static bool look_beside_rebinds(huge_self *self, char **mems,
				look *const *looks)
{
	struct beside beside = { .map = self->map,
				 .seed = rsm_alloc_shared(PAGE) };
	pthread_t threads[3];
	int i, ret, count;

	*beside.seed = 1;
	for (count = 0; looks[count]; count++)
		if (pthread_create(&threads[count], NULL, looks[count],
				   &beside))
			return false;
	ret = rebind_often(self, &beside, mems);
	beside.stop = true;
	for (i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	return !ret && !beside.bad;
}

TEST_F(huge, threat_06_faults_beside_rebinds)
{
	char *mems[2] = { alloc_small(0), alloc_huge(0, variant->skip) };

	ASSERT_NE(MAP_FAILED, mems[0]);
	ASSERT_NE(MAP_FAILED, mems[1]);
	EXPECT_TRUE(look_beside_rebinds(self, mems, lookers));
}

/* A fork copies no huge entry that a rebind has just taken away. */
TEST_F_TIMEOUT(huge, threat_06_forks_beside_rebinds, 120)
{
	char *mems[2] = { alloc_huge(0, variant->skip),
			  alloc_huge(0, variant->skip) };

	ASSERT_NE(MAP_FAILED, mems[0]);
	ASSERT_NE(MAP_FAILED, mems[1]);
	EXPECT_TRUE(look_beside_rebinds(self, mems, forkers));
}

/* A split keeps faults out late, which may make entries until then. */
TEST_F_TIMEOUT(huge, threat_06_splits_beside_rebinds, 120)
{
	char *mems[2] = { alloc_huge(0, variant->skip),
			  alloc_huge(0, variant->skip) };

	ASSERT_NE(MAP_FAILED, mems[0]);
	ASSERT_NE(MAP_FAILED, mems[1]);
	EXPECT_TRUE(look_beside_rebinds(self, mems, splitters));
}

TEST_HARNESS_MAIN
