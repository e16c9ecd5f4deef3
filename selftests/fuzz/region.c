// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of a process: regions at fixed addresses, for memory of its own and
 * for mappings of imports. For each page it is known what it should be: the
 * object, the memory or the import, and which page of it.
 *
 * Memory is stamped when it is made. What a step stores is a word that says
 * which step it was. So whoever sees a word later can tell where it is from.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/rsmctl.h>

#include "exec.h"

/* A page of a region; @obj is 0 where that is not known. */
struct page {
	uint16_t obj;
	uint16_t index : 12;
	uint16_t prot : 3;
	uint16_t vague : 1;
};

static struct page regions[NR_REGIONS][REGION_PAGES];

/* Pages of a region that may have been used, from its start on. */
static unsigned int used[NR_REGIONS];

/* Some regions begin just before or after a boundary of 2 MiB. */
static const unsigned int shifts[NR_REGIONS] = {
	[2] = 1, [5] = 511, [7] = 509
};

/* One for each thread, as they would mix up what they write. */
#define BUF_SIZE (64 << 10)
static alignas(PAGE) char bufs[1 + NR_HELPERS][BUF_SIZE];
static __thread char *buf = bufs[0];

void *region_addr(unsigned int region, unsigned int page)
{
	return (void *)(REGION_AT + region * REGION_STEP +
			(shifts[region] + page) * PAGE);
}

void *call_buf(void)
{
	return buf;
}

void call_buf_of(unsigned int helper)
{
	buf = bufs[1 + helper];
}

/* What an address of a program is in this process. */
void *resolve(uint64_t addr)
{
	unsigned int base = addr_base(addr);
	uint64_t at = 0;

	if (base < BASE_NULL)
		at = (uintptr_t)region_addr(base, 0);
	else if (base == BASE_BUF)
		at = (uintptr_t)buf;
	else if (base == BASE_TOP)
		at = 0x7ffffffff000;
	else if (base == BASE_KERNEL)
		at = 0xffff888000000000;
	else if (base == BASE_END)
		at = 0xfffffffffffff000;
	return (void *)(at + addr_offset(addr));
}

/* Which page an address is, or NULL if it is in no region. */
static struct page *find_page(uintptr_t addr)
{
	unsigned int region = (addr - REGION_AT) / REGION_STEP;
	size_t page;

	if (addr < REGION_AT || region >= NR_REGIONS ||
	    addr < (uintptr_t)region_addr(region, 0))
		return NULL;
	page = (addr - (uintptr_t)region_addr(region, 0)) / PAGE;
	return page < REGION_PAGES ? &regions[region][page] : NULL;
}

/* The pages of one object from an address to the end of what is there. */
uint64_t pages_from(uint64_t addr)
{
	const struct page *first = find_page((uintptr_t)resolve(addr));
	const struct page *page = first;

	if (!first)
		return 0;
	while (find_page((uintptr_t)resolve(addr) + (page - first) * PAGE) &&
	       page->prot && page->obj == first->obj)
		page++;
	return page - first;
}

/* Logs */

static bool continues(const struct span *span, const struct page *page)
{
	uint16_t index = span->index + (span->obj ? span->count : 0);

	return span->obj == page->obj && index == page->index &&
	       span->prot == page->prot && span->vague == page->vague;
}

static void note_page(struct log *log, const struct page *page)
{
	static const struct page outside = { .vague = 1 };
	struct span *last = log->spans + log->nr_spans - 1;

	page = page ?: &outside;
	if (log->nr_spans && continues(last, page)) {
		last->count++;
		return;
	}
	if (log->nr_spans == MAX_SPANS) {
		log->more_spans = true;
		return;
	}
	log->spans[log->nr_spans++] = (struct span){
		.obj = page->obj,
		.index = page->index,
		.count = 1,
		.prot = page->prot,
		.vague = page->vague,
	};
}

/* Note what is at [addr, addr + length), as far as it may matter. */
void note_addr(struct log *log, const void *addr, uint64_t length)
{
	uintptr_t at = (uintptr_t)addr & ~(PAGE - 1);
	uint64_t count;

	length = length < REGION_PAGES * PAGE ? length : REGION_PAGES * PAGE;
	count = ((uintptr_t)addr + length - at + PAGE - 1) / PAGE;
	for (; length && count--; at += PAGE)
		note_page(log, find_page(at));
}

static bool seen_before(const struct seen *seen, const struct span *at,
			uint64_t value)
{
	unsigned int i = at->index - seen->index;

	return seen->obj == at->obj && i < seen->count &&
	       seen->value + (seen->count > 1 ? i : 0) == value;
}

static bool extends(const struct seen *seen, const struct span *at,
		    uint64_t value)
{
	return seen->obj == at->obj && seen->index + seen->count == at->index &&
	       seen->value + seen->count == value && written_by(value) < 0;
}

/* What had happened before the words that are about to be seen were read. */
static __thread uint32_t since;

static uint32_t order_now(void)
{
	return __atomic_load_n(&sh->order, __ATOMIC_SEQ_CST);
}

void note_since(void)
{
	since = order_now();
}

static void see(struct log *log, const struct span *at, uint64_t value)
{
	struct seen *seen = log->seen;

	for (; seen < log->seen + log->nr_seen; seen++) {
		if (seen_before(seen, at, value)) {
			/* Of several pages this is not known of each. */
			if (seen->count == 1)
				seen->last = since;
			return;
		}
		if (extends(seen, at, value)) {
			seen->first = order_now();
			seen->count++;
			return;
		}
	}
	if (log->nr_seen == MAX_SEEN)
		return;
	*seen = (struct seen){
		.obj = at->obj,
		.index = at->index,
		.count = 1,
		.first = order_now(),
		.last = since,
		.value = value,
	};
	log->nr_seen++;
}

/*
 * Note the words of a page, from its start on, that say something: the
 * identity, unless it is the page's own, and what steps have written.
 */
void note_seen(struct log *log, const struct span *at, const uint64_t *words,
	       unsigned int count)
{
	unsigned int i;

	if (words[0] != IDENTITY(at->obj, at->index))
		see(log, at, words[0]);
	for (i = 1; i < count; i++)
		if (written_by(words[i]) >= 0)
			see(log, at, words[i]);
}

static struct span page_span(const struct page *page)
{
	return (struct span){ .obj = page->obj, .index = page->index };
}

/* Pages being loaded or stored. */
struct access {
	struct call *call;
	volatile uint64_t *words;
	struct page *page;
	bool store;
};

/* A page of zeros has no inverted word. */
static uint64_t last_word(uint64_t word)
{
	return word ? ~word : 0;
}

static void load_page(struct access *access)
{
	const struct span at = page_span(access->page);
	uint64_t words[DATA_WORDS], last;
	unsigned int i;

	note_since();
	for (i = 0; i < DATA_WORDS; i++)
		words[i] = access->words[i];
	last = last_word(access->words[WORDS - 1]);
	if (!access->page->obj)
		return;
	note_seen(access->call->log, &at, words, DATA_WORDS);
	note_seen(access->call->log, &at, &last, 1);
}

/* Each process has a word of its own, so that they do not hide the others'. */
static void store_page(struct access *access)
{
	const struct call *call = access->call;

	access->words[1 + call->step->proc] = WRITTEN(call->index);
}

static void access_page(void *arg)
{
	struct access *access = arg;

	if (access->store)
		store_page(access);
	else
		load_page(access);
}

/* The pages that a call is about: what it says, clipped to the region. */
static unsigned int first_page(const struct call *call)
{
	return arg(call, ROLE_FIRST) % REGION_PAGES;
}

static unsigned int page_count(const struct call *call)
{
	const struct page *pages = regions[arg(call, ROLE_REGION)];
	uint64_t count = arg(call, ROLE_PAGES);
	unsigned int first = first_page(call), end = REGION_PAGES;

	if (count != AUTO)
		return count < end - first ? count : end - first;
	while (end > first && !pages[end - 1].prot && !pages[end - 1].obj)
		end--;
	return end - first;
}

static void *call_start(const struct call *call)
{
	return region_addr(arg(call, ROLE_REGION), first_page(call));
}

static int access_pages(struct call *call, bool store)
{
	struct page *pages = regions[arg(call, ROLE_REGION)];
	unsigned int i = first_page(call), end = i + page_count(call);
	struct access access = { .call = call, .store = store };

	for (; i < end; i++) {
		access.page = &pages[i];
		access.words = region_addr(arg(call, ROLE_REGION), i);
		if (!touch(access_page, &access))
			return -EFAULT;
	}
	return 0;
}

static void note_call(struct call *call)
{
	note_addr(call->log, call_start(call), page_count(call) * PAGE);
}

int do_read(struct call *call)
{
	note_call(call);
	return access_pages(call, false);
}

int do_write(struct call *call)
{
	note_call(call);
	return access_pages(call, true);
}

#define LOOP_TIMES 3
#define LOOP_MS 2000

/* True until as many steps have been made as the call says. */
static bool loops(const struct call *call, unsigned int times, long end)
{
	uint32_t turn = __atomic_load_n(&sh->turn, __ATOMIC_SEQ_CST);

	if (!call->waits)
		return times < LOOP_TIMES;
	return turn < sh->prog.count && now_ms() < end &&
	       turn <= call->index + (arg(call, ROLE_UNTIL) & 0xff);
}

/* Load or store again and again, in a thread while other steps are made. */
int do_loop(struct call *call)
{
	uint64_t what = arg(call, ROLE_WHAT);
	long end = now_ms() + LOOP_MS;
	unsigned int times;
	int ret = 0;

	note_call(call);
	for (times = 0; !ret && loops(call, times, end); times++) {
		if (what != LOOP_WRITE)
			ret = access_pages(call, false);
		if (!ret && what != LOOP_READ)
			ret = access_pages(call, true);
	}
	return ret;
}

/* Memory */

static void note_used(const struct page *end)
{
	unsigned int region = (end - 1 - regions[0]) / REGION_PAGES;
	unsigned int count = end - regions[region];

	if (count > used[region])
		used[region] = count;
}

static void set_pages(struct page *pages, unsigned int count, uint16_t obj,
		      unsigned int index, unsigned int prot)
{
	if (prot && count)
		note_used(pages + count);
	for (; count--; pages++, index++)
		*pages = (struct page){ .obj = obj, .index = obj ? index : 0,
					.prot = prot };
}

static void make_vague(struct page *pages, unsigned int count)
{
	if (count)
		note_used(pages + count);
	for (; count--; pages++)
		pages->vague = 1;
}

static void stamp(void *arg)
{
	struct access *access = arg;
	uint64_t identity = IDENTITY(access->page->obj, access->page->index);

	access->words[0] = identity;
	access->words[WORDS - 1] = ~identity;
}

static bool stamp_pages(struct call *call, unsigned int first,
			unsigned int count)
{
	unsigned int region = arg(call, ROLE_REGION);
	struct access access = { .call = call };

	for (; count--; first++) {
		access.page = &regions[region][first];
		access.words = region_addr(region, first);
		if (!touch(stamp, &access))
			return false;
	}
	return true;
}

static int memory_fd(uint64_t what)
{
	if (what == MEM_MEMFD)
		return memfd_create("fuzz", MFD_CLOEXEC);
	if (what == MEM_SECRET)
		return syscall(SYS_memfd_secret, O_CLOEXEC);
	return open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
}

static void *map_file(void *addr, size_t size, uint64_t what)
{
	int flags = MAP_FIXED | (what == MEM_FILE ? MAP_PRIVATE : MAP_SHARED);
	int fd = memory_fd(what);
	void *map;

	if (fd < 0)
		return MAP_FAILED;
	if (what != MEM_FILE && ftruncate(fd, size))
		map = MAP_FAILED;
	else
		map = mmap(addr, size, PROT_READ | PROT_WRITE, flags, fd, 0);
	close(fd);
	return map;
}

static void *map_anonymous(void *addr, size_t size, uint64_t what)
{
	int flags = MAP_FIXED | MAP_ANONYMOUS;

	flags |= what == MEM_SHARED ? MAP_SHARED : MAP_PRIVATE;
	flags |= what == MEM_HUGE ? MAP_HUGETLB : 0;
	return mmap(addr, size, PROT_READ | PROT_WRITE, flags, -1, 0);
}

static void *map_memory(void *addr, size_t size, uint64_t what)
{
	switch (what) {
	case MEM_MEMFD:
	case MEM_SECRET:
	case MEM_FILE:
		return map_file(addr, size, what);
	}
	return map_anonymous(addr, size, what);
}

/* What is done with some kinds of memory before it is used, and after. */
static void prepare_memory(void *addr, size_t size, uint64_t what)
{
	if (what == MEM_THP)
		madvise(addr, size, MADV_HUGEPAGE);
	if (what == MEM_DONTFORK)
		madvise(addr, size, MADV_DONTFORK);
}

static bool is_stamped(uint64_t what)
{
	return what != MEM_FILE && what != MEM_ZERO;
}

/* Replace a region by memory of a kind. */
int do_mem(struct call *call)
{
	uint64_t what = arg(call, ROLE_WHAT), count = arg(call, ROLE_PAGES);
	unsigned int region = arg(call, ROLE_REGION);
	void *addr = region_addr(region, 0);

	count = count < REGION_PAGES ? count : REGION_PAGES;
	if (what == MEM_HUGE)
		count = (count + 511) & ~511ULL;
	munmap(addr, REGION_PAGES * PAGE);
	set_pages(regions[region], REGION_PAGES, 0, 0, 0);
	if (map_memory(addr, count * PAGE, what) == MAP_FAILED)
		return -errno;
	prepare_memory(addr, count * PAGE, what);
	set_pages(regions[region], count, is_stamped(what) ? call->index + 1 : 0,
		  0, PROT_READ | PROT_WRITE);
	if (is_stamped(what) && !stamp_pages(call, 0, count)) {
		set_pages(regions[region], count, 0, 0, PROT_READ);
		return -EFAULT;
	}
	if (what == MEM_RO && !mprotect(addr, count * PAGE, PROT_READ))
		set_pages(regions[region], count, call->index + 1, 0,
			  PROT_READ);
	return 0;
}

/* Mappings of imports */

static int map_flags(uint64_t what)
{
	switch (what) {
	case MAP_PRIVATELY:
		return MAP_PRIVATE | MAP_FIXED;
	case MAP_POPULATED:
		return MAP_SHARED | MAP_FIXED | MAP_POPULATE;
	case MAP_LOCKED_IN:
		return MAP_SHARED | MAP_FIXED | MAP_LOCKED;
	}
	return MAP_SHARED | MAP_FIXED;
}

/* Keep within the region, whatever the length of the file. */
static size_t map_size(const struct call *call)
{
	uint16_t obj = call->state->fds[arg(call, ROLE_FD)].obj;
	uint64_t pages = arg(call, ROLE_PAGES);

	if (pages == AUTO)
		pages = arg(call, ROLE_WHAT) == MAP_STATUS ? 1 :
			sh->lengths[obj] / PAGE;
	return (pages < 4 * REGION_PAGES ? pages : 4 * REGION_PAGES) * PAGE;
}

/* A call that failed may have unmapped what was there, or not. */
static void lose_pages(struct page *pages, unsigned int count)
{
	set_pages(pages, count, 0, 0, 0);
	make_vague(pages, count);
	for (; count--; pages++)
		pages->index = LOST;
}

int do_map(struct call *call)
{
	struct page *pages = regions[arg(call, ROLE_REGION)];
	uint16_t obj = call->state->fds[arg(call, ROLE_FD)].obj;
	uint64_t what = arg(call, ROLE_WHAT), off = arg(call, ROLE_OFF);
	int prot = arg(call, ROLE_PROT) & 7;
	unsigned int first = first_page(call), count;
	size_t size = map_size(call);
	int ret;

	call->log->obj = obj;
	if (what == MAP_STATUS)
		off += RSM_STATUS_OFFSET;
	count = size / PAGE < REGION_PAGES - first ? size / PAGE :
		REGION_PAGES - first;
	if (mmap(call_start(call), size, prot, map_flags(what),
		 slot_fd(call), off) == MAP_FAILED) {
		ret = -errno;
		lose_pages(pages + first, count);
		return ret;
	}
	if (what == MAP_STATUS || what == MAP_PRIVATELY || !sh->lengths[obj])
		obj = 0;
	set_pages(pages + first, count, obj, off / PAGE, prot);
	note_call(call);
	return 0;
}

int do_unmap(struct call *call)
{
	unsigned int count = page_count(call);

	note_call(call);
	if (munmap(call_start(call), count * PAGE))
		return -errno;
	set_pages(regions[arg(call, ROLE_REGION)] + first_page(call), count, 0,
		  0, 0);
	return 0;
}

int do_protect(struct call *call)
{
	struct page *page = regions[arg(call, ROLE_REGION)] + first_page(call);
	unsigned int count = page_count(call);
	int prot = arg(call, ROLE_PROT) & 7;

	note_call(call);
	if (mprotect(call_start(call), count * PAGE, prot)) {
		/* It may have got half way. */
		make_vague(page, count);
		return -errno;
	}
	for (; count--; page++)
		page->prot = prot;
	return 0;
}

/* With no pages it makes another mapping of the same. */
int do_move(struct call *call)
{
	struct page *from = regions[arg(call, ROLE_REGION)] + first_page(call);
	struct page *into = regions[arg(call, ROLE_INTO)];
	unsigned int count = page_count(call);
	uint64_t size = arg(call, ROLE_LEN);
	struct page copy[REGION_PAGES];
	int ret;

	note_call(call);
	size = size == AUTO ? count * PAGE : size % (REGION_PAGES * PAGE);
	if (mremap(call_start(call), count * PAGE, size,
		   MREMAP_MAYMOVE | MREMAP_FIXED,
		   region_addr(arg(call, ROLE_INTO), 0)) == MAP_FAILED) {
		ret = -errno;
		lose_pages(from, count);
		lose_pages(into, (size + PAGE - 1) / PAGE);
		return ret;
	}
	memcpy(copy, from, (REGION_PAGES - first_page(call)) * sizeof(*copy));
	set_pages(from, count, 0, 0, 0);
	size = (size + PAGE - 1) / PAGE;
	if (!count)
		count = size < REGION_PAGES - first_page(call) ? size : 0;
	if (size > count)
		size = count;
	memcpy(into, copy, size * sizeof(*copy));
	if (size)
		note_used(into + size);
	return 0;
}

/* Not MADV_FREE: it does so when memory is short, and not if they are pinned. */
static bool discards(uint64_t what)
{
	return what == MADV_DONTNEED || what == MADV_REMOVE ||
	       what == MADV_WIPEONFORK;
}

/* Pages of a discarded range that were memory of ours are other pages now. */
static void renew(struct call *call, unsigned int first, unsigned int count)
{
	struct page *pages = regions[arg(call, ROLE_REGION)];
	unsigned int i;

	for (i = first; i < first + count; i++) {
		if (!pages[i].obj || sh->lengths[pages[i].obj])
			continue;
		pages[i].obj = call->index + 1;
		pages[i].index = i;
		if (arg(call, ROLE_WHAT) == MADV_WIPEONFORK ||
		    !stamp_pages(call, i, 1))
			pages[i] = (struct page){ .prot = pages[i].prot };
	}
}

int do_advise(struct call *call)
{
	struct page *pages = regions[arg(call, ROLE_REGION)];
	unsigned int first = first_page(call), count = page_count(call);
	uint64_t what = arg(call, ROLE_WHAT);
	int ret;

	note_call(call);
	ret = madvise(call_start(call), count * PAGE, what) ? -errno : 0;
	if (discards(what))
		renew(call, first, count);
	/* It is not there in children; and half of it may be so. */
	make_vague(pages + first, count);
	return ret;
}

/* Through /proc/PID/mem */

static int open_mem(const struct call *call)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/mem",
		 sh->procs[arg(call, ROLE_TO)].pid);
	return open(path, O_RDWR | O_CLOEXEC);
}

/* Of another process it is not known what is there. */
static bool is_own_memory(const struct call *call)
{
	return call->step->mode <= MODE_ASYNC &&
	       arg(call, ROLE_TO) == call->step->proc;
}

int do_peek(struct call *call)
{
	const struct page *page = find_page((uintptr_t)call_start(call));
	uint64_t words[DATA_WORDS];
	int fd = open_mem(call), ret;
	struct span at;

	if (fd < 0)
		return -errno;
	if (is_own_memory(call))
		note_addr(call->log, call_start(call), PAGE);
	ret = pread(fd, words, sizeof(words), (off_t)call_start(call));
	ret = ret < 0 ? -errno : ret;
	close(fd);
	if (ret == sizeof(words) && is_own_memory(call) && page->obj) {
		at = page_span(page);
		note_seen(call->log, &at, words, DATA_WORDS);
	}
	return ret;
}

int do_poke(struct call *call)
{
	const uint64_t value = WRITTEN(call->index);
	int fd = open_mem(call), ret;

	if (fd < 0)
		return -errno;
	if (is_own_memory(call))
		note_addr(call->log, call_start(call), PAGE);
	ret = pwrite(fd, &value, sizeof(value), (off_t)call_start(call) +
		     (1 + call->step->proc) * sizeof(value));
	ret = ret < 0 ? -errno : ret;
	close(fd);
	return ret;
}

/* The end */

static void scan_page(void *arg)
{
	struct access *access = arg;
	const struct span at = page_span(access->page);
	uint64_t words[WORDS], last;
	unsigned int i;

	for (i = 0; i < WORDS; i++)
		words[i] = access->words[i];
	last = last_word(words[WORDS - 1]);
	note_seen(access->call->log, &at, words, WORDS - 1);
	note_seen(access->call->log, &at, &last, 1);
}

/* Note all that steps have written to memory of this process's own. */
void scan_memory(struct log *log)
{
	struct step step = { .proc = log->proc };
	struct call call = { .step = &step, .log = log };
	struct access access = { .call = &call };
	unsigned int region, i;

	for (region = 0; region < NR_REGIONS; region++) {
		for (i = 0; i < used[region]; i++) {
			access.page = &regions[region][i];
			access.words = region_addr(region, i);
			if (access.page->obj && access.page->prot &&
			    !sh->lengths[access.page->obj])
				touch(scan_page, &access);
		}
	}
}

/* Let go of all regions. */
void forget_memory(void)
{
	unsigned int region;

	munmap((void *)REGION_AT, NR_REGIONS * REGION_STEP);
	for (region = 0; region < NR_REGIONS; region++) {
		memset(regions[region], 0, used[region] * sizeof(struct page));
		used[region] = 0;
	}
}
