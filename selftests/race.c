// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything at once, and at random: exporters bind, publish and end segments,
 * importers connect, map, move, fork, load, store and copy, and from time to
 * time one of them is killed. Every load is judged; see race_oracle.c. Boot
 * with init_on_free=1: then a page that is freed too early reads as zero, if
 * it has not become somebody else's. The module, if built with RSM_TEST=y,
 * searches importers for pages before it unpins them.
 *
 * RSM_RACE_SECONDS=N: how long a test takes (default 5).
 * RSM_RACE_SEED=N: as printed by another run: every process and thread makes
 * the same choices in the same order. How they meet is up to the scheduler.
 */
#define RACE_HAS_TESTS
#include "race.h"
#include "rsm_cgroup.h"
#include "../kernel/rsm_test.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/swap.h>
#include <sys/syscall.h>

#define SECONDS 5

/* For what is to happen to do so, on a slow machine. */
#define PATIENCE_MS 120000

/* How long it may take until a process has ended, or all have stopped. */
#define STOP_MS 60000

#define NICE_EXPORTERS (-5)
#define NICE_OTHERS 5
#define HUGE_PAGES 40

/* What all may use under pressure, and where the rest is to go. */
#define CGROUP_SIZE (160L << 20)
#define SWAP_SIZE (192UL << 20)

static const char *const settings[] = {
	"/proc/sys/vm/nr_hugepages",
	"/sys/kernel/mm/ksm/run",
	"/sys/kernel/mm/ksm/sleep_millisecs",
};

FIXTURE(race)
{
	struct rsm_stats before;
	struct race *race;
	struct race_worker me;
	int ctl;
	pid_t pids[RACE_PROCESSES];
	unsigned int lives[RACE_PROCESSES];
	unsigned int processes;
	long settings[3];
	char swap[64];
};

FIXTURE_VARIANT(race)
{
	enum race_memory memory;
	bool pressure;
};

FIXTURE_VARIANT_ADD(race, anonymous)
{
	.memory = RACE_ANONYMOUS,
};

FIXTURE_VARIANT_ADD(race, transparent)
{
	.memory = RACE_TRANSPARENT,
};

FIXTURE_VARIANT_ADD(race, hugetlb)
{
	.memory = RACE_HUGETLB,
};

FIXTURE_VARIANT_ADD(race, memfd)
{
	.memory = RACE_MEMFD,
};

FIXTURE_VARIANT_ADD(race, sysv)
{
	.memory = RACE_SYSV,
};

/* Others want the memory, too, and the kernel moves what it can. */
FIXTURE_VARIANT_ADD(race, pressure)
{
	.memory = RACE_ANONYMOUS,
	.pressure = true,
};

/* Set up */

/* Write a number to a file of the kernel, and return what was there. */
static long change(const char *path, long value)
{
	long before = -1;
	char text[32];
	FILE *file = fopen(path, "re");

	if (!file)
		return before;
	if (fscanf(file, "%ld", &before) != 1)
		before = -1;
	fclose(file);
	snprintf(text, sizeof(text), "%ld", value);
	rsm_file_write(path, text);
	return before;
}

static void press(FIXTURE_DATA(race) *self)
{
	self->settings[1] = change(settings[1], 1);
	self->settings[2] = change(settings[2], 1);
	if (!race_swap_on(self->swap, SWAP_SIZE))
		self->swap[0] = 0;
	printf("# swap on %s\n", self->swap[0] ? self->swap : "nothing");
	if (rsm_cgroup_make("race", CGROUP_SIZE)) {
		printf("# no memory cgroup\n");
		return;
	}
	if (self->swap[0])
		rsm_cgroup_set("race", "memory.swap.max", SWAP_SIZE);
}

static void relieve(FIXTURE_DATA(race) *self)
{
	int i;

	if (self->swap[0]) {
		swapoff(self->swap);
		if (strstr(self->swap, "zram"))
			rsm_file_write("/sys/block/zram0/reset", "1");
	}
	rsm_cgroup_remove("race");
	for (i = 0; i < 3; i++)
		if (self->settings[i] >= 0)
			change(settings[i], self->settings[i]);
}

static uint64_t choose_seed(void)
{
	const char *given = getenv("RSM_RACE_SEED");
	uint64_t seed;

	if (given)
		return strtoull(given, NULL, 0);
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		seed = rsm_now_ms();
	return seed;
}

/* Of another kind, if there is none of this one. */
static void fall_back(struct race *race)
{
	size_t bytes = race_bytes(race, 1);
	void *mem = race_memory_new(race, bytes, NULL);

	if (mem) {
		munmap(mem, bytes);
		return;
	}
	printf("# no such memory: anonymous instead\n");
	race->memory = RACE_ANONYMOUS;
}

/* Memory of which most is never touched. */
static void *alloc_records(size_t number, size_t size)
{
	void *mem = mmap(NULL, number * size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

static struct race *make_race(void)
{
	struct race *race = alloc_records(1, sizeof(*race));

	if (!race)
		return NULL;
	race->set = alloc_records(RACE_SETS_MAX, sizeof(*race->set));
	race->segment = alloc_records(RACE_SEGMENTS_MAX,
				      sizeof(*race->segment));
	race->publication = alloc_records(RACE_PUBLICATIONS_MAX,
					  sizeof(*race->publication));
	/* 0 stands for never. */
	race->clock = 1;
	race->seed = choose_seed();
	if (!race->set || !race->segment || !race->publication ||
	    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, race->tickets))
		return NULL;
	return race;
}

/* Give back what the records took. */
static void free_race(struct race *race)
{
	munmap(race->set, RACE_SETS_MAX * sizeof(*race->set));
	munmap(race->segment, RACE_SEGMENTS_MAX * sizeof(*race->segment));
	munmap(race->publication,
	       RACE_PUBLICATIONS_MAX * sizeof(*race->publication));
	close(race->tickets[0]);
	close(race->tickets[1]);
	munmap(race, sizeof(*race));
}

FIXTURE_SETUP(race)
{
	memset(self, 0, sizeof(*self));
	self->settings[1] = -1;
	self->settings[2] = -1;
	self->ctl = rsm_open();
	ASSERT_LE(0, self->ctl);
	rsm_stats_read(&self->before);
	self->race = make_race();
	ASSERT_NE(NULL, self->race);
	printf("# RSM_RACE_SEED=%#lx\n", self->race->seed);
	self->race->memory = variant->memory;
	self->race->pressure = variant->pressure;
	self->settings[0] = -1;
	if (variant->memory == RACE_HUGETLB)
		self->settings[0] = change(settings[0], HUGE_PAGES);
	if (variant->pressure)
		press(self);
	fall_back(self->race);
	self->processes = variant->pressure ? RACE_PROCESSES : RACE_HOG;
	race_worker_init(&self->me, self->race, RACE_PROCESSES, 0, 0);
	/* Whose parent is killed becomes ours. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}

/* Wait for a process, or with -1 for all of them: 0 if that was in vain. */
static pid_t wait_for(pid_t pid, int *status)
{
	long end = rsm_now_ms() + STOP_MS;
	pid_t found;

	do {
		found = waitpid(pid, status, WNOHANG);
		if (!found)
			rsm_sleep_ms(1);
	} while ((!found || (found > 0 && pid < 0)) && rsm_now_ms() < end);
	return found;
}

FIXTURE_TEARDOWN(race)
{
	unsigned int i;

	/* Of a test that did not get so far as to end them. */
	for (i = 0; i < self->processes; i++)
		if (self->pids[i] > 0)
			kill(self->pids[i], SIGKILL);
	EXPECT_NE(0, wait_for(-1, NULL));
	free_race(self->race);
	close(self->ctl);
	relieve(self);
	EXPECT_TRUE(rsm_stats_settle(&self->before));
}

/* Processes */

static int run(FIXTURE_DATA(race) *self, unsigned int process)
{
	struct race *race = self->race;
	unsigned int life = self->lives[process];

	close(self->ctl);
	if (race->pressure) {
		rsm_cgroup_enter("race", getpid());
		rsm_file_write("/proc/self/oom_score_adj", "0");
	}
	/* Left alone, the others would leave exporters little time. */
	setpriority(PRIO_PROCESS, 0, process < RACE_EXPORTERS ?
		    NICE_EXPORTERS : NICE_OTHERS);
	if (process == RACE_HOG)
		return race_hog(race);
	if (process < RACE_EXPORTERS)
		return race_export(race, process, life);
	if (process < RACE_BESIDE)
		return race_import(race, process, life);
	return race_beside(race);
}

static int start(FIXTURE_DATA(race) *self, unsigned int process)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid)
		_exit(run(self, process));
	self->pids[process] = pid;
	return pid < 0 ? -errno : 0;
}

/* What an exporter had ends when it did, or soon after. */
static void end_segments(FIXTURE_DATA(race) *self, unsigned int exporter)
{
	bool ended = !ioctl(self->ctl, RSM_TEST_FLUSH);
	struct race *race = self->race;
	uint32_t publication, segment;
	int i;

	for (i = 0; i < RACE_SLOTS; i++) {
		publication = race_get32(&race->slots[exporter][i].publication);
		segment = race_get32(&race->slots[exporter][i].segment);
		if (publication && ended)
			race_set64(&race->publication[publication].ended,
				   race_now(race));
		if (segment && ended)
			race_set64(&race->segment[segment].ended,
				   race_now(race));
		race_set32(&race->slots[exporter][i].publication, 0);
		race_set32(&race->slots[exporter][i].segment, 0);
	}
}

/* A process is no more; another takes its place. */
static void replace(FIXTURE_DATA(race) *self, unsigned int process)
{
	if (process < RACE_EXPORTERS)
		end_segments(self, process);
	self->lives[process]++;
	if (start(self, process))
		race_breach(&self->me, RACE_BROKEN, process, 0, 0, 0);
}

static void kill_one(FIXTURE_DATA(race) *self, unsigned int process)
{
	int status = 0;

	kill(self->pids[process], SIGKILL);
	if (wait_for(self->pids[process], &status) <= 0 ||
	    !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		race_breach(&self->me, RACE_DIED, process, status, 0, 0);
	race_result(&self->me, RACE_KILL, 0, 0);
	replace(self, process);
}

/* Killed, or without the memory to begin. */
static bool lacked_memory(int status)
{
	return WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL :
				     WEXITSTATUS(status) == 1;
}

/* A process has ended, and we have not killed it. */
static void look_at_end(FIXTURE_DATA(race) *self, pid_t pid, int status)
{
	bool excused = self->race->pressure && lacked_memory(status);
	unsigned int i;

	for (i = 0; i < self->processes; i++)
		if (self->pids[i] == pid)
			break;
	/* The children of one that was killed, and some of these are, too. */
	if (i == self->processes)
		excused = !status || lacked_memory(status);
	else
		self->pids[i] = 0;
	if (!race_goes_on(self->race))
		excused |= !status;
	if (!excused)
		race_breach(&self->me, RACE_DIED, i, status, 0, 0);
	else if (i < self->processes && race_goes_on(self->race))
		replace(self, i);
}

/* True if there is nobody left. */
static bool reap(FIXTURE_DATA(race) *self)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		look_at_end(self, pid, status);
	return pid < 0;
}

/* The race */

/* Our own descriptor is enough to keep the module. */
static void try_unload(FIXTURE_DATA(race) *self)
{
	int ret = syscall(SYS_delete_module, "rsmctl", O_NONBLOCK) ? -errno : 0;

	race_result(&self->me, RACE_UNLOAD, ret, 0);
	if (!ret)
		race_breach(&self->me, RACE_SUCCESS, 0, 0, 0, 0);
}

static void disturb(FIXTURE_DATA(race) *self)
{
	struct race_worker *me = &self->me;

	race_next_step(me);
	rsm_sleep_ms(race_random(me, 80));
	reap(self);
	if (!race_goes_on(self->race))
		return;
	switch (race_random(me, 16)) {
	case 0:
		kill_one(self, race_random(me, RACE_EXPORTERS));
		break;
	case 1 ... 2:
		kill_one(self, RACE_EXPORTERS +
			       race_random(me, RACE_IMPORTERS));
		break;
	case 3 ... 6:
		try_unload(self);
		break;
	case 7 ... 10:
		if (self->race->pressure)
			race_squeeze(race_random(me, 1000));
	}
}

static long race_ms(void)
{
	const char *seconds = getenv("RSM_RACE_SECONDS");

	return 1000 * (seconds ? strtol(seconds, NULL, 10) : SECONDS);
}

static int start_all(FIXTURE_DATA(race) *self)
{
	unsigned int i;
	int ret = 0;

	/* Of all who may be killed under pressure the last one. */
	rsm_file_write("/proc/self/oom_score_adj", "-1000");
	for (i = 0; i < self->processes && !ret; i++)
		ret = start(self, i);
	return ret;
}

/* Wait until all have stopped: 0, or the number of those who have not. */
static unsigned int stop_all(FIXTURE_DATA(race) *self)
{
	unsigned int i, left = 0;
	long end = rsm_now_ms() + STOP_MS;

	race_set32(&self->race->stop, 1);
	while (!reap(self) && rsm_now_ms() < end)
		rsm_sleep_ms(10);
	for (i = 0; i < self->processes; i++) {
		if (!self->pids[i])
			continue;
		printf("# process %u has not stopped\n", i);
		left++;
	}
	return left;
}

/* If anything is still charged to the user there is nothing left for this. */
static int export_one_page(void *arg)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct none[2] = { 0 };
	struct rlimit limit = { rsm_page_size(), rsm_page_size() };
	int fd, ctl = *(int *)arg;
	void *mem = rsm_alloc(rsm_page_size());

	if (mem == MAP_FAILED || setrlimit(RLIMIT_MEMLOCK, &limit) ||
	    syscall(SYS_capset, &header, none))
		return 1;
	return rsm_create(ctl, 0, mem, rsm_page_size(), 0, &fd, NULL) ? 2 : 0;
}

/* VMAs of importers that the module has searched, -1 if it does not do that. */
static long walked(void)
{
	FILE *file = fopen("/sys/module/rsmctl/parameters/test_walked", "re");
	long number = -1;

	if (file && fscanf(file, "%ld", &number) != 1)
		number = -1;
	if (file)
		fclose(file);
	return number;
}

/* Has each of the things happened of which the test is to have some? */
static bool enough(const struct race *race)
{
	return race->done[RACE_REBIND][0] && race->done[RACE_LOAD][0] &&
	       race->done[RACE_UNLOAD][1];
}

/* The limit is for those who want to wait. */
TEST_F_TIMEOUT(race, threat_06_nobody_reaches_what_was_given_back, 86400)
{
	long before = walked();
	long end = rsm_now_ms() + race_ms();
	struct race *race = self->race;

	ASSERT_OK(start_all(self));
	while (race_goes_on(race) &&
	       (rsm_now_ms() < end ||
		(!enough(race) && rsm_now_ms() < end + PATIENCE_MS)))
		disturb(self);
	EXPECT_EQ(0, stop_all(self));
	race_print(race);
	if (race->pressure)
		race_print_squeeze();
	EXPECT_EQ(RACE_FINE, race->report.breach);
	EXPECT_TRUE(enough(race));
	if (before >= 0)
		EXPECT_LT(before, walked());
	EXPECT_EQ(0, rsm_in_child(export_one_page, &self->ctl));
}

FIXTURE(calls)
{
	struct rsm_stats before;
};

FIXTURE_SETUP(calls)
{
	rsm_stats_read(&self->before);
}

FIXTURE_TEARDOWN(calls)
{
	EXPECT_TRUE(rsm_stats_settle(&self->before));
}

TEST_F_TIMEOUT(calls, each_beside_each, 86400)
{
	EXPECT_EQ(0, race_calls(race_ms()));
}

TEST_HARNESS_MAIN
