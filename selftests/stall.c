// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nobody waits for another: an importer that cannot go on does not delay the
 * exporter, nor the other way round. Each test proves that somebody was stuck
 * all the time that somebody else was not.
 */
#include "rsm_utils.h"
#include "rsm_cgroup.h"
#include "fuse_hang.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "../kernel/rsm_test.h"

#define LENGTH (64UL << 20)
#define SMALL_LENGTH (64UL << 10)
#define FUSE_SIZE (1024UL << 10)
#define SEED 7
#define LATER_SEED 8
#define CGROUP "rsm_stall"
#define CGROUP_BYTES (16L << 20)
#define RIGHTS (RSM_RIGHT_READ | RSM_RIGHT_WRITE)

/* A copy of some pages, the second of which does not come. */
#define COPY_PAGES 4
#define COPY_LENGTH (COPY_PAGES * 4096UL)

/*
 * No operation may be delayed longer. Where the kernel watches itself, the end of
 * a process alone takes seconds; what stalls lasts until all is looked at.
 */
#define BOUND_MS (getenv("RSM_TIMES") ? 30000L : 1000L)

/* How long the mmap lock is held for writing. */
#define HOLD_MS 6000
#define PATIENCE_MS 30000

/* How long a probe that is not stopped would need at most. */
#define PROBE_MS 200

enum { STEP_NONE, STEP_REBIND, STEP_DESTROY, STEP_SIGNAL, STEP_EXIT };

/* Seen by all processes of a test. */
struct shared {
	__u32 segid;
	__u32 exporter_ready;
	__u32 step;		/* what the exporter shall do */
	__u32 step_done;
	long step_ms;
	int step_result;
	__u32 importer_ready;
	__u32 stalled;		/* the stall has begun */
	__u32 probe_started;
	__u32 probe_done;
	__u32 verify;		/* the importer shall look at its memory */
	__u32 verified;
	long bad_page;
	__u32 rounds;
	void *fuse_mem;
	__u32 release;		/* the page that is waited for may come */
	__u32 copy_done;	/* the copy that waited has ended */
	int copy_result;
	__u32 copy_error;
	char copied[COPY_LENGTH];
};

static struct shared *shared;
static struct fuse_hang hang = { .file = -1 };

static void set(__u32 *flag, __u32 value)
{
	__atomic_store_n(flag, value, __ATOMIC_RELEASE);
}

static __u32 get(const __u32 *flag)
{
	return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

static bool wait_for(const __u32 *flag)
{
	int ms;

	for (ms = 0; ms < PATIENCE_MS; ms++) {
		if (get(flag))
			return true;
		rsm_sleep_ms(1);
	}
	return false;
}

static long now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* The exporter */

static int export(int *fd)
{
	void *mem = rsm_alloc(LENGTH);
	int ret, ctl = rsm_open();

	rsm_stamp(mem, LENGTH, SEED);
	ret = rsm_create(ctl, 0, mem, LENGTH,
			 RSM_EXPORT_ALLOW_REBIND | RSM_EXPORT_LOCK_OPS, fd,
			 NULL);
	return ret ?: rsm_publish(*fd, &shared->segid, NULL, 0, NULL);
}

static int do_step(int fd, void *later)
{
	switch (get(&shared->step)) {
	case STEP_REBIND:
		return rsm_rebind(fd, later, LENGTH, NULL);
	case STEP_SIGNAL:
		return rsm_post(fd, 0, NULL) ?: rsm_lock(fd, 0, 0, NULL, NULL);
	}
	return rsm_destroy(fd, NULL);
}

static int run_exporter(void)
{
	void *later = rsm_alloc(LENGTH);
	long start;
	int fd;

	rsm_stamp(later, LENGTH, LATER_SEED);
	if (export(&fd))
		return 1;
	set(&shared->exporter_ready, 1);
	if (!wait_for(&shared->step) || get(&shared->step) == STEP_EXIT)
		return 0;
	start = now_ms();
	shared->step_result = do_step(fd, later);
	shared->step_ms = now_ms() - start;
	set(&shared->step_done, 1);
	wait_for(&shared->verified);
	return 0;
}

/* The importer, and how it gets stuck */

static void *probe(void *arg)
{
	void *mem;

	while (!get(&shared->stalled))
		rsm_sleep_ms(1);
	/* The lock is taken by now, or about to be. */
	rsm_sleep_ms(PROBE_MS);
	set(&shared->probe_started, 1);
	mem = rsm_alloc(rsm_page_size());
	munmap(mem, rsm_page_size());
	set(&shared->probe_done, 1);
	return arg;
}

static void start_thread(void *(*function)(void *arg), void *arg)
{
	pthread_t thread;

	if (!pthread_create(&thread, NULL, function, arg))
		pthread_detach(thread);
}

static void *hold_lock(void *arg)
{
	set(&shared->stalled, 1);
	ioctl((long)arg, RSM_TEST_HOLD_MMAP_LOCK, HOLD_MS);
	return NULL;
}

/* All threads are there before the lock is: they need it to start. */
static void stall_write_locked(const uint64_t *mem)
{
	(void)mem;
	start_thread(probe, NULL);
	rsm_sleep_ms(PROBE_MS);
	start_thread(hold_lock, (void *)(long)rsm_open());
}

static void stall_read_locked(const uint64_t *mem)
{
	(void)mem;
	shared->fuse_mem = mmap(NULL, FUSE_SIZE, PROT_READ, MAP_SHARED,
				hang.file, 0);
	start_thread(probe, NULL);
}

static void *fork_on(void *arg)
{
	pid_t pid;

	while (!get(&shared->verify)) {
		pid = fork();
		if (!pid)
			_exit(0);
		rsm_wait_child(pid);
		__atomic_fetch_add(&shared->rounds, 1, __ATOMIC_RELAXED);
		set(&shared->stalled, 1);
	}
	return arg;
}

static void stall_forking(const uint64_t *mem)
{
	(void)mem;
	start_thread(fork_on, NULL);
}

/* The one that the kernel kills when there is no memory left. */
static void eat(void)
{
	char *mem = rsm_alloc(CGROUP_BYTES * 2);
	long i;

	rsm_file_write("/proc/self/oom_score_adj", "1000");
	for (i = 0; i < CGROUP_BYTES * 2; i += rsm_page_size())
		mem[i] = 1;
	_exit(0);
}

static void *eat_on(void *arg)
{
	pid_t pid;

	while (!get(&shared->verify)) {
		pid = fork();
		if (!pid)
			eat();
		if (rsm_wait_child(pid) == -SIGKILL) {
			__atomic_fetch_add(&shared->rounds, 1,
					   __ATOMIC_RELAXED);
			set(&shared->stalled, 1);
		}
	}
	return arg;
}

static void *touch_on(void *arg)
{
	const volatile uint64_t *mem = arg;
	size_t i = 0;

	while (!get(&shared->verify)) {
		(void)mem[i / sizeof(*mem)];
		i = (i + rsm_page_size()) % LENGTH;
	}
	return NULL;
}

static void stall_at_limit(const uint64_t *mem)
{
	rsm_file_write("/proc/self/oom_score_adj", "-1000");
	rsm_cgroup_enter(CGROUP, getpid());
	start_thread(touch_on, (void *)mem);
	start_thread(eat_on, NULL);
}

/* Nothing to do: it is stopped from outside. */
static void stall_stopped(const uint64_t *mem)
{
	(void)mem;
}

static long first_not_zero(const uint64_t *mem)
{
	size_t i;

	for (i = 0; i < LENGTH / sizeof(*mem); i++)
		if (((const volatile uint64_t *)mem)[i])
			return i * sizeof(*mem) / rsm_page_size();
	return -1;
}

/* The first page that is not as the last step has left it, or -1. */
static long find_bad_page(int fd, const uint64_t *mem)
{
	switch (get(&shared->step)) {
	case STEP_REBIND:
		return rsm_stamp_check(mem, LENGTH, LATER_SEED);
	case STEP_SIGNAL:
		if (rsm_take(fd, 0, NULL))
			return -2;
		return rsm_stamp_check(mem, LENGTH, SEED);
	}
	return first_not_zero(mem);
}

static int run_importer(void (*stall)(const uint64_t *mem))
{
	int fd, ctl = rsm_open();
	uint64_t *mem;

	if (rsm_connect(ctl, 0, 0, shared->segid, RIGHTS, &fd, NULL))
		return 1;
	mem = rsm_map(fd, LENGTH, PROT_READ | PROT_WRITE);
	if (mem == MAP_FAILED || rsm_stamp_check(mem, LENGTH, SEED) != -1)
		return 2;
	stall(mem);
	set(&shared->importer_ready, 1);
	if (!wait_for(&shared->verify))
		return 3;
	shared->bad_page = find_bad_page(fd, mem);
	set(&shared->verified, 1);
	return 0;
}

/* In the place of a debugger: read from the importer's FUSE page. */
static int run_reader(pid_t importer)
{
	char path[64], byte;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", importer);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 1;
	return pread(fd, &byte, 1, (uintptr_t)shared->fuse_mem) != 1;
}

FIXTURE(stall)
{
	struct rsm_stats before;
	pid_t exporter;
	pid_t importer;
	pid_t reader;
	int ctl;
};

FIXTURE_VARIANT(stall)
{
	void (*stall)(const uint64_t *mem);
	bool stop;
	bool probed;	/* its mmap lock is held */
	bool fuse;
	bool limited;
	bool rounds;	/* it goes on doing what it does */
};

FIXTURE_VARIANT_ADD(stall, stopped)
{
	.stall = stall_stopped,
	.stop = true,
};

FIXTURE_VARIANT_ADD(stall, at_memory_limit)
{
	.stall = stall_at_limit,
	.limited = true,
	.rounds = true,
};

FIXTURE_VARIANT_ADD(stall, write_locked)
{
	.stall = stall_write_locked,
	.probed = true,
};

FIXTURE_VARIANT_ADD(stall, read_locked)
{
	.stall = stall_read_locked,
	.probed = true,
	.fuse = true,
};

FIXTURE_VARIANT_ADD(stall, forking)
{
	.stall = stall_forking,
	.rounds = true,
};

FIXTURE_SETUP(stall)
{
	int ret = 0;

	self->exporter = 0;
	self->importer = 0;
	self->reader = 0;
	self->ctl = rsm_open();
	ASSERT_LE(0, self->ctl);
	if (variant->probed && !variant->fuse &&
	    ioctl(self->ctl, RSM_TEST_HOLD_MMAP_LOCK, 0))
		SKIP(return, "module without test code");
	if (variant->fuse)
		ret = fuse_hang_start(&hang, FUSE_SIZE);
	if (variant->limited)
		ret = rsm_cgroup_make(CGROUP, CGROUP_BYTES);
	if (ret)
		SKIP(return, "no FUSE or no memory cgroups: %s",
		     strerror(-ret));
	rsm_stats_read(&self->before);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, shared);
}

static void end(pid_t pid)
{
	if (pid > 0)
		kill(pid, SIGKILL);
}

FIXTURE_TEARDOWN(stall)
{
	if (hang.state)
		fuse_hang_stop(&hang);
	end(self->reader);
	end(self->importer);
	end(self->exporter);
	while (wait(NULL) > 0)
		;
	if (variant->limited)
		rsm_cgroup_remove(CGROUP);
	EXPECT_TRUE(rsm_stats_settle(&self->before));
}

static pid_t start_exporter(void)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid)
		_exit(run_exporter());
	return wait_for(&shared->exporter_ready) ? pid : -1;
}

static pid_t start_importer(void (*stall)(const uint64_t *mem))
{
	pid_t pid = fork();

	if (!pid)
		_exit(run_importer(stall));
	return wait_for(&shared->importer_ready) ? pid : -1;
}

static pid_t start_reader(pid_t importer)
{
	pid_t pid = fork();

	if (!pid)
		_exit(run_reader(importer));
	return fuse_hang_wait(&hang, PATIENCE_MS) ? pid : -1;
}

/* Bring the importer to where it is stuck, and prove it. */
static void begin_stall(struct __test_metadata *_metadata,
			FIXTURE_DATA(stall) *self,
			const FIXTURE_VARIANT(stall) *variant)
{
	int status;

	self->importer = start_importer(variant->stall);
	ASSERT_LT(0, self->importer);
	if (variant->fuse) {
		self->reader = start_reader(self->importer);
		ASSERT_LT(0, self->reader);
		set(&shared->stalled, 1);
	}
	if (variant->stop) {
		kill(self->importer, SIGSTOP);
		ASSERT_EQ(self->importer, waitpid(self->importer, &status,
						  WUNTRACED));
		ASSERT_TRUE(WIFSTOPPED(status));
	} else {
		ASSERT_TRUE(wait_for(&shared->stalled));
	}
	if (!variant->probed)
		return;
	ASSERT_TRUE(wait_for(&shared->probe_started));
	rsm_sleep_ms(PROBE_MS);
	ASSERT_EQ(0, get(&shared->probe_done));
}

/* It has been stuck until now. */
static void check_stalled(struct __test_metadata *_metadata,
			  FIXTURE_DATA(stall) *self,
			  const FIXTURE_VARIANT(stall) *variant)
{
	if (variant->probed)
		EXPECT_EQ(0, get(&shared->probe_done));
	if (variant->stop)
		EXPECT_EQ(0, waitpid(self->importer, NULL,
				     WNOHANG | WCONTINUED));
}

static void end_stall(struct __test_metadata *_metadata,
		      FIXTURE_DATA(stall) *self,
		      const FIXTURE_VARIANT(stall) *variant)
{
	if (variant->rounds) {
		__u32 rounds = get(&shared->rounds);
		int ms;

		for (ms = 0; ms < PATIENCE_MS &&
		     get(&shared->rounds) == rounds; ms++)
			rsm_sleep_ms(1);
		EXPECT_NE(rounds, get(&shared->rounds));
	}
	if (variant->fuse)
		fuse_hang_release(&hang);
	if (variant->stop)
		kill(self->importer, SIGCONT);
	if (variant->probed)
		EXPECT_TRUE(wait_for(&shared->probe_done));
	if (variant->limited)
		rsm_cgroup_set(CGROUP, "memory.max", 4 * CGROUP_BYTES);
	set(&shared->verify, 1);
	EXPECT_TRUE(wait_for(&shared->verified));
	EXPECT_EQ(-1, shared->bad_page);
	EXPECT_EQ(0, rsm_wait_child(self->importer));
	self->importer = 0;
}

static void check_step(struct __test_metadata *_metadata,
		       FIXTURE_DATA(stall) *self,
		       const FIXTURE_VARIANT(stall) *variant, __u32 step)
{
	self->exporter = start_exporter();
	ASSERT_LT(0, self->exporter);
	begin_stall(_metadata, self, variant);
	set(&shared->step, step);
	ASSERT_TRUE(wait_for(&shared->step_done));
	check_stalled(_metadata, self, variant);
	printf("# %ld ms\n", shared->step_ms);
	EXPECT_EQ(0, shared->step_result);
	EXPECT_GT(BOUND_MS, shared->step_ms);
	end_stall(_metadata, self, variant);
	EXPECT_EQ(0, rsm_wait_child(self->exporter));
	self->exporter = 0;
}

TEST_F_TIMEOUT(stall, rebind_does_not_wait, 120)
{
	check_step(_metadata, self, variant, STEP_REBIND);
}

TEST_F_TIMEOUT(stall, destroy_does_not_wait, 120)
{
	check_step(_metadata, self, variant, STEP_DESTROY);
}

TEST_F_TIMEOUT(stall, signal_and_lock_do_not_wait, 120)
{
	check_step(_metadata, self, variant, STEP_SIGNAL);
}

TEST_F_TIMEOUT(stall, exit_does_not_wait, 120)
{
	long start, took;

	self->exporter = start_exporter();
	ASSERT_LT(0, self->exporter);
	begin_stall(_metadata, self, variant);
	start = now_ms();
	kill(self->exporter, SIGKILL);
	EXPECT_EQ(-SIGKILL, rsm_wait_child(self->exporter));
	took = now_ms() - start;
	self->exporter = 0;
	check_stalled(_metadata, self, variant);
	printf("# %ld ms\n", took);
	EXPECT_GT(BOUND_MS, took);
	set(&shared->step, STEP_EXIT);
	end_stall(_metadata, self, variant);
}

/* The exporter is stuck in memory of its own */

enum { ACT_UNPUBLISH = 1, ACT_PUBLISH, ACT_DESTROY, ACT_MAX = ACT_DESTROY };

struct stuck_exporter {
	bool in_create;
	int fd;
	int ctl;
};

static void *get_stuck(void *arg)
{
	struct stuck_exporter *stuck = arg;
	int fd;
	void *mem = mmap(NULL, SMALL_LENGTH, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE, hang.file, 0);

	if (stuck->in_create)
		rsm_create(stuck->ctl, 0, mem, SMALL_LENGTH, 0, &fd, NULL);
	else
		rsm_rebind(stuck->fd, mem, SMALL_LENGTH, NULL);
	set(&shared->probe_done, 1);
	return NULL;
}

static int act(int fd, __u32 what)
{
	__u32 segid = 0;

	switch (what) {
	case ACT_UNPUBLISH:
		return rsm_unpublish(fd, NULL);
	case ACT_PUBLISH:
		return rsm_publish(fd, &segid, NULL, 0, NULL);
	}
	return rsm_destroy(fd, NULL);
}

static int run_stuck(bool in_create)
{
	struct stuck_exporter stuck = {
		.in_create = in_create,
		.ctl = rsm_open(),
	};
	void *mem = rsm_alloc(SMALL_LENGTH);
	long start;
	__u32 what;

	rsm_stamp(mem, SMALL_LENGTH, SEED);
	if (rsm_create(stuck.ctl, 0, mem, SMALL_LENGTH, RSM_EXPORT_ALLOW_REBIND,
		       &stuck.fd, NULL) ||
	    rsm_publish(stuck.fd, &shared->segid, NULL, 0, NULL))
		return 1;
	start_thread(get_stuck, &stuck);
	set(&shared->exporter_ready, 1);
	for (what = ACT_UNPUBLISH; what <= ACT_MAX; what++) {
		while (get(&shared->step) != what)
			rsm_sleep_ms(1);
		start = now_ms();
		shared->step_result = act(stuck.fd, what);
		shared->step_ms = now_ms() - start;
		set(&shared->step_done, what);
	}
	for (;;)
		pause();
	return 0;
}

FIXTURE(stuck)
{
	struct rsm_stats before;
	pid_t exporter;
	int ctl;
};

FIXTURE_VARIANT(stuck)
{
	bool in_create;
};

FIXTURE_VARIANT_ADD(stuck, in_create)
{
	.in_create = true,
};

FIXTURE_VARIANT_ADD(stuck, in_rebind)
{
	.in_create = false,
};

FIXTURE_SETUP(stuck)
{
	int ret;

	self->ctl = rsm_open();
	ASSERT_LE(0, self->ctl);
	ret = fuse_hang_start(&hang, FUSE_SIZE);
	if (ret)
		SKIP(return, "no FUSE: %s", strerror(-ret));
	rsm_stats_read(&self->before);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, shared);
	fflush(NULL);
	self->exporter = fork();
	if (!self->exporter)
		_exit(run_stuck(variant->in_create));
	ASSERT_TRUE(wait_for(&shared->exporter_ready));
	ASSERT_TRUE(fuse_hang_wait(&hang, PATIENCE_MS));
	rsm_sleep_ms(PROBE_MS);
}

FIXTURE_TEARDOWN(stuck)
{
	end(self->exporter);
	fuse_hang_stop(&hang);
	while (wait(NULL) > 0)
		;
	EXPECT_TRUE(rsm_stats_settle(&self->before));
}

TEST_F(stuck, importer_does_not_wait)
{
	struct pollfd pfd = { .fd = -1 };
	long start = now_ms();
	void *mem;

	ASSERT_OK(rsm_connect(self->ctl, 0, 0, shared->segid, RIGHTS, &pfd.fd,
			      NULL));
	mem = rsm_map(pfd.fd, SMALL_LENGTH, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, mem);
	EXPECT_EQ(-1, rsm_stamp_check(mem, SMALL_LENGTH, SEED));
	EXPECT_EQ(0, poll(&pfd, 1, 0));
	munmap(mem, SMALL_LENGTH);
	close(pfd.fd);
	EXPECT_GT(BOUND_MS, now_ms() - start);
	EXPECT_EQ(0, get(&shared->probe_done));
}

static int import_and_exit(void *arg)
{
	int *ctl = arg, fd;
	void *mem;

	if (rsm_connect(*ctl, 0, 0, shared->segid, RIGHTS, &fd, NULL))
		return 1;
	mem = rsm_map(fd, SMALL_LENGTH, PROT_READ);
	return mem == MAP_FAILED ||
	       rsm_stamp_check(mem, SMALL_LENGTH, SEED) != -1;
}

TEST_F(stuck, importer_exits)
{
	long start = now_ms();

	EXPECT_EQ(0, rsm_in_child(import_and_exit, &self->ctl));
	EXPECT_GT(BOUND_MS, now_ms() - start);
	EXPECT_EQ(0, get(&shared->probe_done));
}

TEST_F(stuck, threat_46_other_threads_of_the_exporter)
{
	__u32 what;

	for (what = ACT_UNPUBLISH; what <= ACT_MAX; what++) {
		set(&shared->step, what);
		while (get(&shared->step_done) != what)
			rsm_sleep_ms(1);
		EXPECT_EQ(0, shared->step_result);
		EXPECT_GT(BOUND_MS, shared->step_ms);
	}
	EXPECT_EQ(0, get(&shared->probe_done));
}

TEST_F(stuck, threat_47_killed)
{
	long start = now_ms();

	kill(self->exporter, SIGKILL);
	EXPECT_EQ(-SIGKILL, rsm_wait_child(self->exporter));
	EXPECT_GT(BOUND_MS, now_ms() - start);
	EXPECT_EQ(0, get(&shared->probe_done));
	self->exporter = 0;
	EXPECT_TRUE(rsm_stats_settle(&self->before));
}

/*
 * A copy is stuck in the memory of who asked for it. The test process is the
 * exporter, who sees the old memory.
 */

FIXTURE(copying)
{
	struct rsm_scene scene;
	struct rsm_export exp;
	char *later;
	pid_t importer;
};

FIXTURE_VARIANT(copying)
{
	unsigned long nr;
	bool fuse;	/* or else userfaultfd */
};

FIXTURE_VARIANT_ADD(copying, put_fuse)
{
	.nr = RSM_IMPORT_PUT,
	.fuse = true,
};

FIXTURE_VARIANT_ADD(copying, put_userfaultfd)
{
	.nr = RSM_IMPORT_PUT,
	.fuse = false,
};

FIXTURE_VARIANT_ADD(copying, get_fuse)
{
	.nr = RSM_IMPORT_GET,
	.fuse = true,
};

FIXTURE_VARIANT_ADD(copying, get_userfaultfd)
{
	.nr = RSM_IMPORT_GET,
	.fuse = false,
};

/* Let the page that somebody waits for come when told to; it is zero. */
static void *serve_fault(void *arg)
{
	int fd = (long)arg;
	struct uffdio_zeropage zero = { .range.len = 4096 };

	zero.range.start = rsm_uffd_wait(fd, PATIENCE_MS);
	if (!zero.range.start)
		return NULL;
	set(&shared->stalled, 1);
	while (!get(&shared->release))
		rsm_sleep_ms(1);
	ioctl(fd, UFFDIO_ZEROPAGE, &zero);
	return NULL;
}

static int stall_with_userfaultfd(void *page)
{
	int ret, fd = rsm_uffd_open(0);

	if (fd < 0)
		return fd;
	madvise(page, 4096, MADV_DONTNEED);
	ret = rsm_uffd_register(fd, page, 4096, UFFDIO_REGISTER_MODE_MISSING);
	if (ret)
		return ret;
	start_thread(serve_fault, (void *)(long)fd);
	return 0;
}

static int stall_with_fuse(void *page)
{
	void *map = mmap(page, 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_FIXED, hang.file, 0);

	return map == MAP_FAILED ? -errno : 0;
}

/* Copy, get stuck, and tell what has come of it. */
static int run_copier(int fd, unsigned long nr, bool fuse)
{
	char *mem = rsm_alloc(COPY_LENGTH);
	struct rsm_copy_vec vec = { (uintptr_t)mem, 0, COPY_LENGTH };
	int ret;

	memset(mem, 1, COPY_LENGTH);
	ret = fuse ? stall_with_fuse(mem + 4096) :
		     stall_with_userfaultfd(mem + 4096);
	if (ret)
		return 1;
	shared->copy_result = rsm_copy(fd, nr, &vec, 1, NULL,
				       &shared->copy_error);
	set(&shared->copy_done, 1);
	set(&shared->release, 1);
	memcpy(shared->copied, mem, COPY_LENGTH);
	set(&shared->verified, 1);
	return 0;
}

FIXTURE_SETUP(copying)
{
	int ret, fd;

	self->importer = 0;
	ASSERT_OK(rsm_scene_open(&self->scene));
	ret = variant->fuse ? fuse_hang_start(&hang, FUSE_SIZE) :
			      rsm_uffd_open(0);
	if (ret < 0)
		SKIP(return, "no FUSE or no userfaultfd: %s", strerror(-ret));
	if (!variant->fuse)
		close(ret);
	shared = rsm_alloc_shared(sizeof(*shared));
	ASSERT_NE(MAP_FAILED, shared);
	ASSERT_OK(rsm_export_locks(&self->scene, COPY_LENGTH, SEED,
				   &self->exp));
	memset(self->exp.mem, SEED, COPY_LENGTH);
	self->later = rsm_alloc(COPY_LENGTH);
	ASSERT_NE(MAP_FAILED, self->later);
	memset(self->later, LATER_SEED, COPY_LENGTH);
	fd = rsm_import(&self->scene, self->exp.segid, RIGHTS);
	ASSERT_LE(0, fd);
	fflush(NULL);
	self->importer = fork();
	if (!self->importer)
		_exit(run_copier(fd, variant->nr, variant->fuse));
	ASSERT_TRUE(variant->fuse ? fuse_hang_wait(&hang, PATIENCE_MS) :
				    wait_for(&shared->stalled));
	ASSERT_EQ(0, get(&shared->copy_done));
}

FIXTURE_TEARDOWN(copying)
{
	end(self->importer);
	if (hang.state)
		fuse_hang_stop(&hang);
	while (wait(NULL) > 0)
		;
	EXPECT_TRUE(rsm_scene_close(&self->scene));
}

static bool is_all(const char *mem, size_t length, char byte)
{
	size_t i;

	for (i = 0; i < length; i++)
		if (((const volatile char *)mem)[i] != byte)
			return false;
	return true;
}

/* Let the page come and wait for the end of the copy. */
static void release_copy(struct __test_metadata *_metadata,
			 FIXTURE_DATA(copying) *self, bool fuse)
{
	EXPECT_EQ(0, get(&shared->copy_done));
	if (fuse)
		fuse_hang_release(&hang);
	set(&shared->release, 1);
	ASSERT_TRUE(wait_for(&shared->verified));
	EXPECT_EQ(0, rsm_wait_child(self->importer));
	self->importer = 0;
}

/* What came before the rebind is old, and what comes after it is new. */
TEST_F(copying, threat_46_rebind_does_not_wait)
{
	bool put = variant->nr == RSM_IMPORT_PUT;
	long start = now_ms();

	ASSERT_OK(rsm_rebind(self->exp.fd, self->later, COPY_LENGTH, NULL));
	EXPECT_GT(BOUND_MS, now_ms() - start);
	memset(self->exp.mem, 99, COPY_LENGTH);
	release_copy(_metadata, self, variant->fuse);
	EXPECT_EQ(0, shared->copy_result);
	EXPECT_TRUE(is_all(self->exp.mem, COPY_LENGTH, 99));
	if (put) {
		EXPECT_TRUE(is_all(self->later, 4096, LATER_SEED));
		EXPECT_TRUE(is_all(self->later + 4096, 4096, 0));
		EXPECT_TRUE(is_all(self->later + 8192, 8192, 1));
	} else {
		EXPECT_TRUE(is_all(shared->copied, 4096, SEED));
		EXPECT_TRUE(is_all(shared->copied + 4096, 12288, LATER_SEED));
	}
}

static void check_end(struct __test_metadata *_metadata,
		      FIXTURE_DATA(copying) *self,
		      const FIXTURE_VARIANT(copying) *variant,
		      int (*end)(int fd, __u32 *error))
{
	long start = now_ms();

	ASSERT_OK(end(self->exp.fd, NULL));
	EXPECT_GT(BOUND_MS, now_ms() - start);
	memset(self->exp.mem, 99, COPY_LENGTH);
	release_copy(_metadata, self, variant->fuse);
	EXPECT_EQ(-ECONNABORTED, shared->copy_result);
	EXPECT_EQ(RSM_ERR_CONN_ABORTED, shared->copy_error);
	EXPECT_TRUE(is_all(self->exp.mem, COPY_LENGTH, 99));
	if (variant->nr == RSM_IMPORT_GET)
		EXPECT_TRUE(is_all(shared->copied + 8192, 8192, 1));
}

TEST_F(copying, threat_46_unpublish_does_not_wait)
{
	check_end(_metadata, self, variant, rsm_unpublish);
}

TEST_F(copying, threat_46_destroy_does_not_wait)
{
	check_end(_metadata, self, variant, rsm_destroy);
}

/* All that the others do, exporter and importers. */
static int do_all(const FIXTURE_DATA(copying) *self, int fd)
{
	char buffer[4096] = { 0 };
	__u64 old;

	return rsm_post(self->exp.fd, 0, NULL) ?:
	       rsm_take(fd, 0, NULL) ?:
	       rsm_post(fd, 0, NULL) ?:
	       rsm_take(self->exp.fd, 0, NULL) ?:
	       rsm_lock(fd, 8, 0, NULL, NULL) ?:
	       rsm_unlock(fd, 8, NULL) ?:
	       rsm_atomic(fd, RSM_ATOMIC_ADD, COPY_LENGTH - 8, 0, 1, &old,
			  NULL) ?:
	       rsm_get(fd, buffer, 0, sizeof(buffer), NULL) ?:
	       rsm_put(fd, buffer, 0, sizeof(buffer), NULL);
}

TEST_F(copying, threat_46_others_do_not_wait)
{
	int fd = rsm_import(&self->scene, self->exp.segid, RIGHTS);
	long start = now_ms();
	int ticket;

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, do_all(self, fd));
	EXPECT_OK(rsm_rebind(self->exp.fd, self->later, COPY_LENGTH, NULL));
	EXPECT_EQ(0, do_all(self, fd));
	ASSERT_OK(rsm_grant(self->exp.fd, RIGHTS, &ticket, NULL));
	ASSERT_OK(rsm_redeem(ticket, RIGHTS, &fd, NULL));
	EXPECT_EQ(0, do_all(self, fd));
	EXPECT_GT(BOUND_MS, now_ms() - start);
	EXPECT_EQ(0, get(&shared->copy_done));
}

TEST_F(copying, threat_47_killed)
{
	long start = now_ms();

	kill(self->importer, SIGKILL);
	EXPECT_EQ(-SIGKILL, rsm_wait_child(self->importer));
	self->importer = 0;
	EXPECT_GT(BOUND_MS, now_ms() - start);
	EXPECT_EQ(0, get(&shared->copy_done));
}

TEST_HARNESS_MAIN
