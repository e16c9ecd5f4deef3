// SPDX-License-Identifier: GPL-2.0-only
/*
 * The suite "race": memory to export, and those who want memory, too.
 */
#include "race.h"
#include "rsm_cgroup.h"

#include <linux/loop.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/swap.h>

#define HUGE_SIZE (2UL << 20)
#define POISON 0x7072657473696e67UL
#define FOREIGN 0x6c616e6769657266UL
#define FOREIGN_SIZE (512 << 10)

/* Memory of the hog: what is all the same, and what is not. */
#define SAME_SIZE (4UL << 20)
#define OTHER_SIZE (160UL << 20)

/* Where a swap device says that it is one. */
#define SWAP_VERSION 256
#define SWAP_LAST_PAGE 257
#define SWAP_MAGIC "SWAPSPACE2"

/* Memory to export */

/* What a segment of so many pages takes of the exporter's memory. */
size_t race_bytes(const struct race *race, uint32_t pages)
{
	size_t bytes = pages * rsm_page_size();

	if (race->memory == RACE_HUGETLB)
		bytes = (bytes + HUGE_SIZE - 1) & ~(HUGE_SIZE - 1);
	return bytes;
}

/* One page, part of a window of page tables, or parts of several windows. */
uint32_t race_pick_pages(struct race_worker *worker)
{
	static const uint32_t sizes[][6] = {
		[RACE_ANONYMOUS] = { 1, 2, 3, 16, 64, 600 },
		[RACE_TRANSPARENT] = { 512, 520, 512, 100, 16, 1 },
		[RACE_HUGETLB] = { 512, 100, 512, 16, 3, 1 },
		[RACE_MEMFD] = { 1, 2, 3, 30, 64, 600 },
		[RACE_SYSV] = { 1, 2, 3, 16, 300, 520 },
	};

	return sizes[worker->race->memory][race_random(worker, 6)];
}

static void *map_anonymous(size_t bytes, void *at, int flags)
{
	return mmap(at, bytes, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | flags |
		    (at ? MAP_FIXED : 0), -1, 0);
}

static void *map_transparent(size_t bytes)
{
	char *mem = map_anonymous(bytes + HUGE_SIZE, NULL, 0);
	size_t head;

	if (mem == MAP_FAILED)
		return mem;
	head = -(uintptr_t)mem & (HUGE_SIZE - 1);
	if (head)
		munmap(mem, head);
	munmap(mem + head + bytes, HUGE_SIZE - head);
	madvise(mem + head, bytes, MADV_HUGEPAGE);
	return mem + head;
}

static void *map_memfd(size_t bytes, void *at)
{
	int fd = memfd_create("race", MFD_CLOEXEC);
	void *mem = MAP_FAILED;

	if (fd < 0)
		return mem;
	if (!ftruncate(fd, bytes))
		mem = mmap(at, bytes, PROT_READ | PROT_WRITE,
			   MAP_SHARED | (at ? MAP_FIXED : 0), fd, 0);
	close(fd);
	return mem;
}

static void *map_sysv(size_t bytes)
{
	int id = shmget(IPC_PRIVATE, bytes, IPC_CREAT | 0600);
	void *mem;

	if (id < 0)
		return MAP_FAILED;
	mem = shmat(id, NULL, 0);
	shmctl(id, IPC_RMID, NULL);
	return mem;
}

/**
 * race_memory_new() - make memory for the driver to pin
 * @race: says of which kind
 * @bytes: from race_bytes()
 * @at: in the place of this memory, if it can be; or NULL
 *
 * Return: the memory, or NULL if there is none.
 */
void *race_memory_new(const struct race *race, size_t bytes, void *at)
{
	void *mem;

	switch (race->memory) {
	case RACE_TRANSPARENT:
		mem = map_transparent(bytes);
		break;
	case RACE_HUGETLB:
		mem = map_anonymous(bytes, NULL, MAP_HUGETLB);
		break;
	case RACE_MEMFD:
		mem = map_memfd(bytes, at);
		break;
	case RACE_SYSV:
		mem = map_sysv(bytes);
		break;
	default:
		mem = map_anonymous(bytes, at, 0);
	}
	if (mem == MAP_FAILED)
		return NULL;
	if (race->pressure)
		madvise(mem, bytes, MADV_MERGEABLE);
	return mem;
}

/* Give back the pages while the mapping stays: only pins keep them. */
void race_memory_drop(const struct race *race, void *mem, size_t bytes)
{
	bool shared = race->memory == RACE_MEMFD || race->memory == RACE_SYSV;

	madvise(mem, bytes, shared ? MADV_REMOVE : MADV_DONTNEED);
}

/* Words with stamps: @word is one, and this the next. */
static unsigned int next_word(unsigned int word)
{
	if (word + RACE_STRIDE < RACE_WORDS)
		return word + RACE_STRIDE;
	return word < RACE_WRITER_WORD(1) ? RACE_WRITER_WORD(1) : word + 1;
}

void race_memory_fill(void *mem, uint32_t pages, uint64_t set)
{
	uint64_t *page = mem;
	unsigned int word;
	uint32_t i;

	for (i = 0; i < pages; i++, page += RACE_WORDS)
		for (word = 0; word < RACE_WORDS; word = next_word(word))
			page[word] = race_stamp(set, 0, i);
}

void race_memory_poison(void *mem, uint32_t pages)
{
	uint64_t *page = mem;
	unsigned int word;
	uint32_t i;

	for (i = 0; i < pages; i++, page += RACE_WORDS)
		for (word = 0; word < RACE_WORDS; word = next_word(word))
			page[word] = POISON;
}

/* What somebody has written to poisoned memory, or 0. */
uint64_t race_memory_spoilt(const void *mem, uint32_t pages)
{
	const volatile uint64_t *page = mem;
	unsigned int word;
	uint32_t i;

	for (i = 0; i < pages; i++, page += RACE_WORDS)
		for (word = 0; word < RACE_WORDS; word = next_word(word))
			if (page[word] != POISON)
				return page[word] ?: 1;
	return 0;
}

/* Those who want memory, too */

static uint64_t foreign_spoilt(const volatile uint64_t *mem)
{
	size_t i;

	for (i = 0; i < FOREIGN_SIZE / sizeof(*mem); i++)
		if (mem[i] != FOREIGN)
			return mem[i] ?: 1;
	return 0;
}

/* Take pages that others free, and look if somebody still writes to them. */
int race_beside(struct race *race)
{
	struct race_worker worker;
	uint64_t *mem, spoilt;
	size_t i;

	race_worker_init(&worker, race, RACE_BESIDE, 0, 0);
	while (race_goes_on(race)) {
		mem = rsm_alloc(FOREIGN_SIZE);
		if (mem == MAP_FAILED)
			continue;
		for (i = 0; i < FOREIGN_SIZE / sizeof(*mem); i++)
			mem[i] = FOREIGN;
		rsm_sleep_ms(1);
		spoilt = foreign_spoilt(mem);
		if (spoilt)
			race_breach(&worker, RACE_WRITTEN, spoilt, 0, 0, 0);
		munmap(mem, FOREIGN_SIZE);
	}
	return 0;
}

static void hog_once(struct race_worker *worker, char *same, char *other)
{
	size_t page = rsm_page_size();
	size_t i;

	race_next_step(worker);
	for (i = 0; i < SAME_SIZE; i += page)
		same[i] = 1;
	/* Written, so that it has to be swapped out again. */
	for (i = 0; i < OTHER_SIZE && race_goes_on(worker->race); i += page)
		*(uint64_t *)(other + i) = worker->step;
	madvise(other + race_random(worker, OTHER_SIZE / page) * page,
		page, MADV_DONTNEED);
}

/* Want more memory than there is. */
int race_hog(struct race *race)
{
	struct race_worker worker;
	char *same = rsm_alloc(SAME_SIZE);
	char *other = rsm_alloc(OTHER_SIZE);

	rsm_file_write("/proc/self/oom_score_adj", "1000");
	if (same == MAP_FAILED || other == MAP_FAILED)
		return 0;
	madvise(same, SAME_SIZE, MADV_MERGEABLE);
	race_worker_init(&worker, race, RACE_HOG, 0, 0);
	while (race_goes_on(race))
		hog_once(&worker, same, other);
	return 0;
}

/* How much of that came about. */
void race_print_squeeze(void)
{
	static const char *const names[] = {
		"pswpout", "pswpin", "compact_success", "pgmigrate_success",
		"ksm_swpin_copy", "cow_ksm", "oom_kill", NULL
	};
	FILE *file = fopen("/proc/vmstat", "re");
	const char *const *name;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		for (name = names; *name; name++)
			if (!strncmp(line, *name, strlen(*name)))
				printf("# %s", line);
	if (file)
		fclose(file);
}

/* Have the kernel move pages about. */
void race_squeeze(uint64_t random)
{
	switch (random % 3) {
	case 0:
		rsm_file_write("/proc/sys/vm/compact_memory", "1");
		break;
	case 1:
		rsm_file_write("/proc/sys/vm/drop_caches", "3");
		break;
	default:
		rsm_file_write(RSM_CGROUP_DIR "race/memory.reclaim", "8M");
	}
}

/* Swap */

static int make_swap(const char *name, size_t size)
{
	size_t page = rsm_page_size();
	uint32_t head[1024] = {
		[SWAP_VERSION] = 1,
		[SWAP_LAST_PAGE] = size / page - 1,
	};
	int fd = open(name, O_RDWR | O_CLOEXEC);
	bool done;

	if (fd < 0)
		return -errno;
	memcpy((char *)head + page - strlen(SWAP_MAGIC), SWAP_MAGIC,
	       strlen(SWAP_MAGIC));
	done = pwrite(fd, head, page, 0) == (ssize_t)page && !fsync(fd);
	close(fd);
	if (!done || swapon(name, 0))
		return -errno;
	return 0;
}

static void load_module(const char *name)
{
	char command[64];

	/* Without a shell's complaint where it is built in, or missing. */
	snprintf(command, sizeof(command), "modprobe %s 2>/dev/null", name);
	if (system(command))
		return;
}

static int zram_on(char *name, size_t size)
{
	char text[32];
	int ret;

	load_module("zram");
	snprintf(text, sizeof(text), "%zu", size);
	strcpy(name, "/dev/zram0");
	ret = rsm_file_write("/sys/block/zram0/disksize", text);
	return ret ?: make_swap(name, size);
}

static int loop_on(char *name, size_t size)
{
	int control, loop, number, file;
	int ret = -ENODEV;

	load_module("loop");
	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	number = ioctl(control, LOOP_CTL_GET_FREE);
	close(control);
	sprintf(name, "/dev/loop%d", number);
	loop = open(name, O_RDWR | O_CLOEXEC);
	file = memfd_create("swap", MFD_CLOEXEC);
	if (number >= 0 && loop >= 0 && file >= 0 && !ftruncate(file, size) &&
	    !ioctl(loop, LOOP_SET_FD, file)) {
		ret = make_swap(name, size);
		/* With swap on it goes when that does. */
		ioctl(loop, LOOP_CLR_FD);
	}
	close(file);
	close(loop);
	return ret;
}

static int ram_on(char *name)
{
	load_module("brd");
	strcpy(name, "/dev/ram0");
	return make_swap(name, 4 << 20);
}

/* Find something to swap to; its name is for swapoff(). */
bool race_swap_on(char *name, size_t size)
{
	return !zram_on(name, size) || !loop_on(name, size) || !ram_on(name);
}
