/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sweeps of fail_nth.c. A call is made again and again, and the first, second,
 * third ... place in it where the kernel can run out of memory or fail to copy
 * from or to user space does so, until it has fewer such places. Each time the
 * call must have had its effect or none, and must then be possible.
 *
 * /proc/thread-self/fail-nth says which place of this thread fails next, and
 * counts down; 0 means that it has failed. Work queues and other threads are
 * not affected.
 *
 * Include it after rsm_utils.h.
 */
#ifndef FAIL_NTH_H
#define FAIL_NTH_H

#include <linux/capability.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* More than any call has: a sweep that gets there does not end. */
#define NTH_MAX 5000

/* Seconds, for a machine that is slow and busy. */
#define NTH_TIMEOUT 300

/* Memory cgroup of searches for leaks. */
#define NTH_CGROUP "fail_nth"

/* How often a place fails in a search for leaks. */
#define NTH_OFTEN 24

/* What out_error is before an ioctl, and after a call that is none. */
#define NTH_NO_ERROR (~0U)

/* Parameter max_segments where it does not matter. */
#define NTH_HANDLES 65535

/* Things that are counted */

enum {
	SEGMENTS,
	IMPORTS,
	TICKETS,
	AREAS,
	PAGE_SETS,
	PINNED_PAGES,
	MUTEXES,
	/* references to the module */
	USERS,
	/* pages charged to the address space, here in KiB */
	CHARGED,
	/* lowest descriptor that is free: without file, and not reserved */
	FREE_FD,
	NR_COUNTS,
};

#define NR_COUNT_FILES FREE_FD

struct counts {
	long of[NR_COUNTS];
};

static const struct {
	const char *name;
	const char *path;
	const char *key;
} count_files[NR_COUNTS] = {
	[SEGMENTS] = { "segments", RSM_STATS_DIR "segments", NULL },
	[IMPORTS] = { "imports", RSM_STATS_DIR "imports", NULL },
	[TICKETS] = { "tickets", RSM_STATS_DIR "tickets", NULL },
	[AREAS] = { "areas", RSM_STATS_DIR "areas", NULL },
	[PAGE_SETS] = { "page sets", RSM_STATS_DIR "page_sets", NULL },
	[PINNED_PAGES] = { "pinned pages", RSM_STATS_DIR "pinned_pages", NULL },
	[MUTEXES] = { "mutexes", RSM_STATS_DIR "mutexes", NULL },
	[USERS] = { "users of the module", "/sys/module/rsmctl/refcnt", NULL },
	[CHARGED] = { "VmPin", "/proc/thread-self/status", "\nVmPin:" },
	[FREE_FD] = { "free descriptor", NULL, NULL },
};

/* Files that are read and written all the time, and so kept open. */
struct nth_files {
	int nth;
	int max_segments;
	int counts[NR_COUNT_FILES];
};

/* The number after @key, or the first one. */
static inline long read_number(int fd, const char *key)
{
	char text[8192];
	ssize_t length = pread(fd, text, sizeof(text) - 1, 0);
	char *found = text;

	if (length < 0)
		return -errno;
	text[length] = 0;
	if (key)
		found = strstr(text, key);
	return found ? strtol(found + (key ? strlen(key) : 0), NULL, 10) :
		       -ENOENT;
}

static inline int open_count(struct nth_files *files, int i)
{
	files->counts[i] = open(count_files[i].path, O_RDONLY | O_CLOEXEC);
	return files->counts[i] < 0 ? -errno : 0;
}

/* Those of the calling thread. */
static inline int nth_open_own(struct nth_files *files)
{
	files->nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	return files->nth < 0 ? -errno : open_count(files, CHARGED);
}

static inline int nth_open(struct nth_files *files)
{
	int i, ret = nth_open_own(files);

	files->max_segments = open("/sys/module/rsmctl/parameters/max_segments",
				   O_WRONLY | O_CLOEXEC);
	if (files->max_segments < 0)
		return -errno;
	for (i = 0; i < CHARGED && !ret; i++)
		ret = open_count(files, i);
	return ret;
}

/* In a child, where those of the parent would be of no use. */
static inline int nth_reopen_own(struct nth_files *files)
{
	close(files->nth);
	close(files->counts[CHARGED]);
	return nth_open_own(files);
}

static inline long find_free_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

static inline void count_all(const struct nth_files *files,
			     struct counts *counts)
{
	int i;

	for (i = 0; i < NR_COUNT_FILES; i++)
		counts->of[i] = read_number(files->counts[i],
					    count_files[i].key);
	counts->of[FREE_FD] = find_free_fd();
}

static inline long count_handles(const struct counts *counts)
{
	return counts->of[SEGMENTS] + counts->of[IMPORTS] + counts->of[TICKETS];
}

static inline int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* Pins by the kernel's own count, of all processes. */
static inline long count_pins(void)
{
	int fd = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
	long pins;

	/* Each CPU keeps some to itself until told to hand them over. */
	write_text("/proc/sys/vm/stat_refresh", "1");
	pins = read_number(fd, "nr_foll_pin_acquired") -
	       read_number(fd, "nr_foll_pin_released");
	close(fd);
	return pins;
}

/* What a sweep works on, and what is done in it */

/**
 * struct world - what there is
 * @scene: the node
 * @files: see there
 * @error: out_error of the last call
 * @length: bytes of @mem
 * @mem: memory with the stamps 1 and 2, of which the first is exported
 * @exp: an export
 * @flags: those of exports
 * @acl: access list
 * @acl_count: entries of it
 * @import: imports of the export
 * @map: mappings of these
 * @status: status page of the export
 * @fd: descriptor that the call is to return, or works on
 * @other: another one
 * @pipe: tells a child to go on
 * @child: the child
 * @thread: lets go of what the call waits for, or brings it
 * @tid: thread that makes the call, when it is about to
 * @lock_flags: answer to a lock
 * @agree: all importers are in the same state
 */
struct world {
	struct rsm_scene scene;
	struct nth_files files;
	__u32 error;
	size_t length;
	char *mem[2];
	struct rsm_export exp;
	__u32 flags;
	struct rsm_access_entry acl[RSM_ACL_MAX];
	__u32 acl_count;
	int import[2];
	char *map[3];
	const volatile struct rsm_status *status;
	int fd;
	int other;
	int pipe[2];
	pid_t child;
	pthread_t thread;
	pid_t tid;
	__u32 lock_flags;
	bool agree;
};

/* Most errnos of one call. */
#define NTH_ERRORS 3

/**
 * struct sequence - a call and what is around it
 * @begin: called once, before the sweep
 * @prepare: called before each try
 * @call: what is tried: 0 or -errno; stores what its ioctl returns in
 *        world.error
 * @done: tells if it has had its effect; not needed if @adds tells
 * @intact: judges the data after a call that had an effect, or none
 * @undo: called after each try, when @call has had its effect
 * @adds: what the effect is on the counts; that on CHARGED is that on
 *        PINNED_PAGES, USERS and FREE_FD are not looked at
 * @pins: pages that are charged while the call is under way
 * @may_lack: AREAS that may be missing of those that are added: a mapping
 *            works without one
 * @may_gain: AREAS that may be added besides: VMAs that the kernel has split,
 *            or could not remove
 * @errors: the errnos that the call may fail with, each of which it must
 *          have shown at the end
 * @at_least: places that there must be
 * @late: EFAULT also tells that the answer could not be copied out, after all
 *        was done
 * @bad_addr: EFAULT may come with RSM_ERR_BAD_ADDR
 * @fresh: each try is in a process of its own. This takes long, so each place
 *         is tried once, and only those of slabs
 * @at_most: places that are tried, of pages a quarter of them, each once;
 *           0: all
 * @leaks: it allocates single pages
 * @foreign: the pages are those of another process
 */
struct sequence {
	int (*begin)(struct world *w);
	int (*prepare)(struct world *w);
	int (*call)(struct world *w);
	bool (*done)(struct world *w);
	bool (*intact)(struct world *w, bool done);
	int (*undo)(struct world *w);
	struct counts adds;
	long pins;
	long may_lack;
	long may_gain;
	int errors[NTH_ERRORS];
	unsigned int at_least;
	bool late;
	bool bad_addr;
	bool fresh;
	unsigned int at_most;
	bool leaks;
	bool foreign;
};

/* What has come of a sweep so far; shared with the processes of its tries. */
struct tally {
	unsigned int places;
	unsigned int calls;
	unsigned int refused[NTH_ERRORS];
	unsigned int late;
	bool injected;
};

/* Which place fails */

static inline void nth_begin(const struct world *w, unsigned int nth)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", nth);

	if (pwrite(w->files.nth, text, length, 0) != length)
		abort();
}

/* How many places are left to the one that fails. The count is cleared. */
static inline long nth_left(const struct world *w)
{
	char text[16] = { 0 };
	/* if reading fails it is that place, and so is writing */
	ssize_t length = pread(w->files.nth, text, sizeof(text) - 1, 0);

	if (pwrite(w->files.nth, "0", 1, 0) != 1 &&
	    pwrite(w->files.nth, "0", 1, 0) != 1)
		abort();
	return length < 0 ? 1 : strtol(text, NULL, 10);
}

/* True if the place was reached. */
static inline bool nth_end(const struct world *w)
{
	return !nth_left(w);
}

/* Settings of what can fail, for all of the kernel */

#define NTH_SLAB "failslab/cache-filter"
#define NTH_PAGES "fail_page_alloc/min-order"

static const struct {
	const char *name;
	const char *value;
} nth_settings[] = {
	{ "failslab/verbose", "0" },
	{ "failslab/ignore-gfp-wait", "N" },
	{ NTH_SLAB, "N" },
	{ "fail_page_alloc/verbose", "0" },
	{ "fail_page_alloc/ignore-gfp-wait", "N" },
	{ "fail_page_alloc/ignore-gfp-highmem", "N" },
	{ NTH_PAGES, "0" },
	{ "fail_usercopy/verbose", "0" },
};

#define NTH_SETTINGS ARRAY_SIZE(nth_settings)

/* As they were before. */
static char nth_saved[NTH_SETTINGS][16];

static inline int nth_set(const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s", name);
	return write_text(path, value);
}

static inline int nth_get(const char *name, char *value, int size)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s", name);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	if (!fgets(value, size, file))
		*value = 0;
	fclose(file);
	return 0;
}

static inline int nth_setup(void)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < NTH_SETTINGS && !ret; i++) {
		ret = nth_get(nth_settings[i].name, nth_saved[i],
			      sizeof(nth_saved[i]));
		if (!ret)
			ret = nth_set(nth_settings[i].name,
				      nth_settings[i].value);
	}
	return ret;
}

static inline void nth_restore(void)
{
	unsigned int i;

	for (i = 0; i < NTH_SETTINGS; i++)
		nth_set(nth_settings[i].name, nth_saved[i]);
}

/* Limits, so that what an error has left is in the way of what follows */

/* They do not hold for a process with these capabilities. */
static inline int nth_drop_capabilities(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	data[0].effective &= ~(1U << CAP_IPC_LOCK | 1U << CAP_IPC_OWNER);
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

static inline int nth_limit(const struct world *w, long handles, rlim_t pages)
{
	struct rlimit limit = {
		pages == RLIM_INFINITY ? pages : pages * rsm_page_size(),
		RLIM_INFINITY,
	};
	char text[16];
	int length = snprintf(text, sizeof(text), "%ld", handles);

	if (pwrite(w->files.max_segments, text, length, 0) != length)
		return -errno;
	return setrlimit(RLIMIT_MEMLOCK, &limit) ? -errno : 0;
}

static inline int nth_no_limit(const struct world *w)
{
	return nth_limit(w, NTH_HANDLES, RLIM_INFINITY);
}

/* Just enough for the call. */
static inline int nth_limit_to(const struct world *w,
			       const struct sequence *seq,
			       const struct counts *before)
{
	return nth_limit(w,
			 count_handles(before) + count_handles(&seq->adds),
			 before->of[PINNED_PAGES] + seq->pins);
}

/* What has come of a call */

static inline bool count_fits(const struct sequence *seq, int i, bool done,
			      long before, long now)
{
	long adds = done ? seq->adds.of[i] : 0;

	switch (i) {
	case USERS:
	case FREE_FD:
		return done || now == before;
	case CHARGED:
		if (done && !seq->foreign)
			adds = seq->adds.of[PINNED_PAGES] *
			       (long)(rsm_page_size() / 1024);
		break;
	case AREAS:
		return now >= before + adds - (done ? seq->may_lack : 0) &&
		       now <= before + adds + seq->may_gain;
	}
	return now == before + adds;
}

/* The first of the counts that does not fit, or -1. */
static inline int misfit(const struct sequence *seq, bool done,
			 const struct counts *before, const struct counts *now)
{
	int i;

	for (i = 0; i < NR_COUNTS; i++)
		if (!count_fits(seq, i, done, before->of[i], now->of[i]))
			return i;
	return -1;
}

/* Wait for the counts to be as they should: true if they ever are. */
static inline bool counts_settle(const struct world *w,
				 const struct sequence *seq, bool done,
				 const struct counts *before)
{
	struct counts now;
	int ms, i;

	for (ms = 0; ms <= RSM_QUIET_MS; ms += 10) {
		count_all(&w->files, &now);
		i = misfit(seq, done, before, &now);
		if (i < 0)
			return true;
		rsm_sleep_ms(10);
	}
	fprintf(stderr, "# %s: %ld, before %ld\n", count_files[i].name,
		now.of[i], before->of[i]);
	return false;
}

/* The place of an errno among those of the call, or -1. */
static inline int find_error(const struct sequence *seq, int ret)
{
	int i;

	for (i = 0; i < NTH_ERRORS && seq->errors[i]; i++)
		if (seq->errors[i] == -ret)
			return i;
	return -1;
}

/* A shortage has an out_error of its own; of structures errno says it all. */
static inline bool error_fits(const struct sequence *seq, int ret, __u32 error)
{
	if (error == NTH_NO_ERROR)
		return true;
	switch (-ret) {
	case 0:
		return error == RSM_ERR_NONE;
	case ENOMEM:
		return error == RSM_ERR_INSUFFICIENT_MEM;
	case EFAULT:
		return error == RSM_ERR_NONE ||
		       (seq->bad_addr && error == RSM_ERR_BAD_ADDR);
	}
	return false;
}

/* Make the call, with the @nth place failing, or none if it is 0. */
static inline int nth_call(struct world *w, const struct sequence *seq,
			   unsigned int nth, bool *reached)
{
	int ret;

	w->error = NTH_NO_ERROR;
	nth_begin(w, nth);
	ret = seq->call(w);
	*reached = nth_end(w) && nth;
	return ret;
}

static inline void tally_add(struct tally *tally, int error, bool done)
{
	tally->injected = true;
	tally->calls++;
	if (error >= 0)
		tally->refused[error]++;
	if (error >= 0 && done)
		tally->late++;
}

static inline void nth_expect(struct __test_metadata *_metadata,
			      const struct world *w, unsigned int nth, int ret,
			      bool holds, const char *what)
{
	EXPECT_TRUE(holds)
		TH_LOG("failure %u, result %d, error %d: not %s", nth, ret,
		       (int)w->error, what);
}

/* For what is to hold after a call with the @nth place failing. */
#define NTH_EXPECT(_cond)                                                      \
	nth_expect(_metadata, w, nth, ret, _cond, #_cond)

/* A call under injection: tells if it has had its effect. */
static inline bool try_call(struct __test_metadata *_metadata, struct world *w,
			    const struct sequence *seq, unsigned int nth,
			    const struct counts *before, struct tally *tally)
{
	bool reached, done;
	int ret = nth_call(w, seq, nth, &reached);
	int error = find_error(seq, ret);

	nth_no_limit(w);
	NTH_EXPECT(!ret || (reached && error >= 0));
	NTH_EXPECT(error_fits(seq, ret, w->error));
	done = seq->done ? seq->done(w) : !ret;
	NTH_EXPECT(done == !ret || (seq->late && ret == -EFAULT));
	NTH_EXPECT(counts_settle(w, seq, done, before));
	NTH_EXPECT(!seq->intact || seq->intact(w, done));
	if (reached)
		tally_add(tally, error, done);
	return done;
}

/* One that did not happen is possible now, and has its effect. */
static inline void try_again(struct __test_metadata *_metadata, struct world *w,
			     const struct sequence *seq, unsigned int nth,
			     const struct counts *before)
{
	bool reached;
	int ret;

	nth_limit_to(w, seq, before);
	ret = nth_call(w, seq, 0, &reached);
	nth_no_limit(w);
	NTH_EXPECT(!ret);
	NTH_EXPECT(!seq->done || seq->done(w));
	NTH_EXPECT(counts_settle(w, seq, true, before));
	NTH_EXPECT(!seq->intact || seq->intact(w, true));
}

static inline void try_nth(struct __test_metadata *_metadata, struct world *w,
			   const struct sequence *seq, unsigned int nth,
			   struct tally *tally)
{
	struct counts before;
	int ret = 0;

	NTH_EXPECT(!seq->prepare || !seq->prepare(w));
	count_all(&w->files, &before);
	NTH_EXPECT(!nth_limit_to(w, seq, &before));
	if (!try_call(_metadata, w, seq, nth, &before, tally))
		try_again(_metadata, w, seq, nth, &before);
	NTH_EXPECT(!seq->undo || !seq->undo(w));
}

static inline void try_in_child(struct __test_metadata *_metadata,
				struct world *w, const struct sequence *seq,
				unsigned int nth, struct tally *tally)
{
	int ret;

	w->child = fork();
	if (!w->child) {
		if (nth_reopen_own(&w->files))
			_exit(1);
		try_nth(_metadata, w, seq, nth, tally);
		_exit(0);
	}
	ret = rsm_wait_child(w->child);
	NTH_EXPECT(!ret);
}

static inline void check_tally(struct __test_metadata *_metadata,
			       const struct sequence *seq,
			       const struct tally *tally)
{
	unsigned int refused = 0;
	int i;

	for (i = 0; i < NTH_ERRORS && seq->errors[i]; i++) {
		EXPECT_LT(0, tally->refused[i])
			TH_LOG("%s never", strerror(seq->errors[i]));
		refused += tally->refused[i];
	}
	EXPECT_LE(seq->at_least, tally->places);
	TH_LOG("%u places; of %u calls %u were refused, %u of these too late",
	       tally->places, tally->calls, refused, tally->late);
}

/*
 * Slabs need new pages now and then, which shifts all the places after it. So
 * allocations from slabs have a pass of their own, without those of pages, and
 * where pages fail slabs do not.
 */
static const struct nth_pass {
	const char *slab;
	const char *pages;
	unsigned int part;
} nth_passes[] = {
	/* no cache passes the filter, no allocation is of such an order */
	{ .slab = "N", .pages = "99", .part = 1 },
	{ .slab = "Y", .pages = "0", .part = 4 },
};

/* How often a place is tried, so that one chance shift does not hide it. */
#define NTH_TRIES 2

static inline int nth_start_pass(const struct nth_pass *pass)
{
	return nth_set(NTH_SLAB, pass->slab) ?: nth_set(NTH_PAGES, pass->pages);
}

static inline void sweep_pass(struct __test_metadata *_metadata,
			      struct world *w, const struct sequence *seq,
			      const struct nth_pass *pass, struct tally *tally)
{
	unsigned int max = seq->at_most ? seq->at_most / pass->part : NTH_MAX;
	unsigned int tries = seq->fresh || seq->at_most ? 1 : NTH_TRIES;
	static const struct sequence nothing;
	unsigned int i, nth = 0;
	struct counts base;

	count_all(&w->files, &base);
	/* The first is to succeed, and to leave no page for later faults. */
	for (i = 0; nth < max && !_metadata->exit_code; i++) {
		nth = i / tries;
		tally->injected = false;
		if (seq->fresh)
			try_in_child(_metadata, w, seq, nth, tally);
		else
			try_nth(_metadata, w, seq, nth, tally);
		EXPECT_TRUE(counts_settle(w, &nothing, false, &base))
			TH_LOG("left by failure %u", nth);
		if (nth && !tally->injected)
			break;
	}
	EXPECT_GT(NTH_MAX, nth);
	tally->places += tally->injected ? nth : nth - 1;
}

/* Pages of the kernel's own that the cgroup is charged for. */
static inline long kernel_pages(void)
{
	int fd = open(RSM_CGROUP_DIR NTH_CGROUP "/memory.stat",
		      O_RDONLY | O_CLOEXEC);
	long bytes = read_number(fd, "\nkernel ");

	close(fd);
	return bytes / (long)rsm_page_size();
}

/* What RCU frees takes its time. */
static inline bool kernel_pages_settle(long limit)
{
	int ms;

	for (ms = 0; ms <= RSM_QUIET_MS; ms += 10) {
		if (kernel_pages() < limit)
			return true;
		rsm_sleep_ms(10);
	}
	return false;
}

/* Make the @nth place fail a number of times: 1 if it is there. */
static inline int fail_often(struct world *w, const struct sequence *seq,
			     unsigned int nth)
{
	bool reached = false;
	int i, ret;

	for (i = 0; i < NTH_OFTEN; i++) {
		ret = seq->prepare ? seq->prepare(w) : 0;
		if (ret)
			return ret;
		if (!nth_call(w, seq, nth, &reached))
			ret = seq->undo(w);
		if (ret || !reached)
			return ret;
	}
	return 1;
}

/*
 * Nothing else counts single pages that an error leaves behind. A few of them
 * go unnoticed, so there are to be many. The rest the kernel's search for
 * leaks finds.
 */
static inline void sweep_for_leaks(struct __test_metadata *_metadata,
				   struct world *w, const struct sequence *seq)
{
	long before = kernel_pages();
	unsigned int nth;
	int more = 1;

	ASSERT_OK(rsm_cgroup_enter(NTH_CGROUP, getpid()));
	for (nth = 1; nth < NTH_MAX && more == 1; nth++)
		more = fail_often(w, seq, nth);
	EXPECT_OK(more);
	EXPECT_TRUE(kernel_pages_settle(before + NTH_OFTEN / 2));
	/* the cgroup makes slabs need more than pages */
	ASSERT_OK(rsm_cgroup_enter("", getpid()));
}

/* Sweep all places of a call. */
static inline void sweep(struct __test_metadata *_metadata, struct world *w,
			 const struct sequence *seq)
{
	struct tally *tally = rsm_alloc_shared(sizeof(*tally));
	unsigned int passes = seq->fresh ? 1 : ARRAY_SIZE(nth_passes), i;
	long pins;

	ASSERT_NE(MAP_FAILED, tally);
	ASSERT_OK(seq->begin ? seq->begin(w) : 0);
	pins = count_pins();
	for (i = 0; i < passes; i++) {
		ASSERT_OK(nth_start_pass(&nth_passes[i]));
		sweep_pass(_metadata, w, seq, &nth_passes[i], tally);
		if (seq->leaks && !_metadata->exit_code)
			sweep_for_leaks(_metadata, w, seq);
	}
	EXPECT_EQ(pins, count_pins());
	check_tally(_metadata, seq, tally);
	munmap(tally, sizeof(*tally));
}

#endif /* FAIL_NTH_H */
