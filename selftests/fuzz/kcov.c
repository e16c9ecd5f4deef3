// SPDX-License-Identifier: GPL-2.0-only
/*
 * Coverage of the driver, on kernels that have KCOV and with a module that
 * was built for it. Each task that makes calls has an instance of its own,
 * which is there before the task and keeps what it has seen.
 *
 * What the driver leaves to work queues is seen by an instance more, if the
 * module has a parameter to be told of it.
 *
 * The places that were reached are kept as offsets in the module's text. What
 * processes do while they end is not seen.
 */
#include <fcntl.h>
#include <linux/kcov.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "exec.h"
#include "run.h"

/* Places that one task can reach in one program. */
#define AREA_WORDS (32U << 10)

/* Room for the text of the module, in bytes. */
#define MAX_TEXT_SIZE (256U << 10)

/* Those of tasks, and the one of work queues. */
#define WORK_AREA NR_TASKS
#define NR_AREAS (NR_TASKS + 1)

static uint64_t *areas[NR_AREAS];
static uint64_t text_start;
static uint8_t reached[MAX_TEXT_SIZE / 8];
static bool enabled;
static bool places_only;

/* By a task, for itself. */
void kcov_enable(unsigned int task)
{
	ioctl(KCOV_FD(task), KCOV_ENABLE, KCOV_TRACE_PC);
}

static bool area_open(unsigned int i)
{
	int fd = open("/sys/kernel/debug/kcov", O_RDWR);

	if (fd < 0)
		return false;
	dup2(fd, KCOV_FD(i));
	close(fd);
	if (ioctl(KCOV_FD(i), KCOV_INIT_TRACE, AREA_WORDS))
		return false;
	areas[i] = mmap(NULL, AREA_WORDS * sizeof(uint64_t),
			PROT_READ | PROT_WRITE, MAP_SHARED, KCOV_FD(i), 0);
	/* The processes of programs have no need of it. */
	return areas[i] != MAP_FAILED &&
	       !madvise(areas[i], AREA_WORDS * sizeof(uint64_t),
			MADV_DONTFORK);
}

static uint64_t find_text(void)
{
	FILE *file = fopen("/sys/module/rsmctl/sections/.text", "re");
	unsigned long start = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%lx", &start) != 1)
		start = 0;
	fclose(file);
	return start;
}

/* The handle that work of the driver has to name, for us to be told. */
#define WORK_HANDLE kcov_remote_handle(KCOV_SUBSYSTEM_COMMON, 1)

/* Places that work reaches at a time. */
#define WORK_WORDS 4096

static void work_enable(void)
{
	struct kcov_remote_arg arg = {
		.trace_mode = KCOV_TRACE_PC,
		.area_size = WORK_WORDS,
		.common_handle = WORK_HANDLE,
	};
	int fd = open("/sys/module/rsmctl/parameters/test_kcov",
		      O_WRONLY | O_CLOEXEC);
	char text[24];
	int length = snprintf(text, sizeof(text), "%llu",
			      (unsigned long long)WORK_HANDLE);

	if (fd < 0)
		return;
	if (write(fd, text, length) == length)
		ioctl(KCOV_FD(WORK_AREA), KCOV_REMOTE_ENABLE, &arg);
	close(fd);
}

void kcov_init(void)
{
	unsigned int i;

	places_only = getenv("FUZZ_PLACES");
	text_start = find_text();
	enabled = text_start;
	for (i = 0; enabled && i < NR_AREAS; i++)
		enabled = area_open(i);
	if (enabled)
		work_enable();
}

void kcov_reset(void)
{
	unsigned int i;

	memset(sh->features, 0, sizeof(sh->features));
	for (i = 0; enabled && i < NR_AREAS; i++)
		__atomic_store_n(areas[i], 0, __ATOMIC_RELAXED);
}

static void count_feature(uint32_t feature)
{
	uint8_t *counter = &sh->features[feature % NR_FEATURES];

	if (*counter < UINT8_MAX && !(places_only && *counter))
		++*counter;
}

static uint32_t mix(uint32_t value)
{
	value = (value ^ value >> 15) * 0x2c1b3c6dU;
	return value ^ value >> 12;
}

/*
 * What the fuzzer is told: which place came after which, and how often. With
 * FUZZ_PLACES in the environment just which were reached.
 */
static void collect_area(const uint64_t *area)
{
	uint64_t i, offset, last = 0, count = area[0];

	for (i = 1; i <= count && i < AREA_WORDS; i++) {
		offset = area[i] - text_start;
		if (offset >= MAX_TEXT_SIZE)
			continue;
		reached[offset / 8] |= 1 << offset % 8;
		count_feature(mix(offset) ^ mix(last) >> 1);
		last = places_only ? 0 : offset;
	}
}

/* And what calls have returned. */
static void collect_results(void)
{
	unsigned int i;

	for (i = 0; i < sh->prog.count; i++) {
		const struct log *log = &sh->logs[i];

		if (log->state != LOG_NONE)
			count_feature(mix(sh->prog.steps[i].op << 20 ^
					  log->error << 8 ^
					  (log->ret < 0 ? -log->ret : 0) ^
					  1U << 31));
	}
}

void kcov_collect(void)
{
	unsigned int i;

	for (i = 0; enabled && i < NR_AREAS; i++)
		collect_area(areas[i]);
	collect_results();
}

/* Write all that was reached so far, one offset a line. */
void kcov_report(const char *path)
{
	FILE *file = enabled ? fopen(path, "we") : NULL;
	unsigned int i;

	if (!file)
		return;
	for (i = 0; i < MAX_TEXT_SIZE; i++)
		if (reached[i / 8] >> i % 8 & 1)
			fprintf(file, "%#x\n", i);
	fclose(file);
}
