// SPDX-License-Identifier: GPL-2.0-only
/*
 * libusrsm: with many segments and connections each call takes about as long
 * as with few.
 */
#include "lib_utils.h"

#include <stdlib.h>
#include <sys/resource.h>

#define IMPORTERS 1000
#define SEGMENTS 4000
#define SAMPLE 100

/* A busy machine may spoil a measurement. */
#define TRIES 3
#define FACTOR 2

static rsm_memseg_export_handle_t segs[SEGMENTS];
static rsm_memseg_import_handle_t ims[SEGMENTS];
static rsm_memseg_id_t ids[SEGMENTS];
static uint64_t times[SEGMENTS];
static char *memory;
static bool one_segment;

/*
 * Something that is done to each connection, or segment, in turn. While they
 * become more the last times must not be longer than the first, and while they
 * become fewer the other way round.
 */
struct phase {
	const char *name;
	int (*fn)(size_t i);
	bool shrinks;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t median(uint64_t *sample)
{
	qsort(sample, SAMPLE, sizeof(*sample), compare);
	return sample[SAMPLE / 2];
}

/* Returns whether the times are as they should be. */
static bool run_phase(struct __test_metadata *_metadata,
		      const struct phase *phase, size_t count)
{
	uint64_t first, last, start;
	size_t bad = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		start = now_ns();
		bad += !!phase->fn(i);
		times[i] = now_ns() - start;
	}
	EXPECT_EQ(0, bad) {
		TH_LOG("%s", phase->name);
	}
	first = median(times);
	last = median(times + count - SAMPLE);
	TH_LOG("%-10s first %llu ns, last %llu ns", phase->name,
	       (unsigned long long)first, (unsigned long long)last);
	return phase->shrinks ? first <= FACTOR * last :
				last <= FACTOR * first;
}

static int do_create(size_t i)
{
	return rsm_memseg_export_create(ctl, &segs[i], memory + i * page, page,
					RSM_ALLOW_REBIND);
}

static int do_publish(size_t i)
{
	ids[i] = 0;
	return rsm_memseg_export_publish(segs[i], &ids[i], NULL, 0);
}

static int do_connect(size_t i)
{
	return rsm_memseg_import_connect(ctl, node, ids[one_segment ? 0 : i],
					 RSM_PERM_RDWR, &ims[i]);
}

static int do_set_mode(size_t i)
{
	return rsm_memseg_import_set_mode(ims[i], RSM_BARRIER_MODE_EXPLICIT);
}

/* The first one maps. */
static int do_put(size_t i)
{
	uint64_t value = i;

	return rsm_memseg_import_put64(ims[i], 0, &value, 1);
}

static int do_post(size_t i)
{
	return rsm_intr_signal_post(ims[i], 0);
}

static int do_wait(size_t i)
{
	return rsm_intr_signal_wait(segs[one_segment ? 0 : i], 0);
}

static int do_disconnect(size_t i)
{
	return rsm_memseg_import_disconnect(ims[i]);
}

static int do_destroy(size_t i)
{
	return rsm_memseg_export_destroy(segs[i]);
}

static const struct phase before_all[] = {
	{ "create", do_create, false },
	{ "publish", do_publish, false },
};

static const struct phase phases[] = {
	{ "connect", do_connect, false },
	{ "set_mode", do_set_mode, false },
	{ "first put", do_put, false },
	{ "put", do_put, false },
	{ "post", do_post, false },
	{ "wait", do_wait, false },
	{ "disconnect", do_disconnect, true },
};

static const struct phase after_all = { "destroy", do_destroy, true };

static bool run_phases(struct __test_metadata *_metadata, size_t count)
{
	bool good = true;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(phases); i++)
		good &= run_phase(_metadata, &phases[i], count);
	return good;
}

static bool run_segments(struct __test_metadata *_metadata)
{
	bool good = true;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(before_all); i++)
		good &= run_phase(_metadata, &before_all[i], SEGMENTS);
	good &= run_phases(_metadata, SEGMENTS);
	good &= run_phase(_metadata, &after_all, SEGMENTS);
	return good;
}

static void raise_limit(struct __test_metadata *_metadata)
{
	struct rlimit limit = { 4 * SEGMENTS, 4 * SEGMENTS };

	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	memory = rsm_alloc(SEGMENTS * page);
	ASSERT_NE(MAP_FAILED, (void *)memory);
	memset(memory, 0, SEGMENTS * page);
}

TEST_F_TIMEOUT(lib, many_importers, 100)
{
	bool good = false;
	int i;

	raise_limit(_metadata);
	one_segment = true;
	ASSERT_OK(do_create(0));
	ASSERT_OK(do_publish(0));
	for (i = 0; i < TRIES && !good; i++)
		good = run_phases(_metadata, IMPORTERS);
	EXPECT_TRUE(good);
	EXPECT_OK(do_destroy(0));
}

/* One post reaches all, and so does the end. */
TEST_F_TIMEOUT(lib, many_importers_at_once, 100)
{
	size_t i;

	raise_limit(_metadata);
	one_segment = true;
	ASSERT_OK(do_create(0));
	ASSERT_OK(do_publish(0));
	for (i = 0; i < IMPORTERS; i++) {
		ASSERT_OK(do_connect(i));
		ASSERT_OK(do_set_mode(i));
		ASSERT_OK(do_put(i));
	}
	EXPECT_OK(rsm_intr_signal_post(segs[0], 0));
	for (i = 0; i < IMPORTERS; i++)
		EXPECT_OK(rsm_intr_signal_wait(ims[i], 0));
	EXPECT_OK(rsm_memseg_export_rebind(segs[0], memory + page, 0, page));
	for (i = 0; i < IMPORTERS; i++) {
		EXPECT_OK(do_put(i));
		EXPECT_EQ(i, *(uint64_t *)(memory + page));
	}
	EXPECT_OK(rsm_memseg_export_unpublish(segs[0]));
	for (i = 0; i < IMPORTERS; i++) {
		EXPECT_ERR(RSMERR_CONN_ABORTED, do_post(i));
		EXPECT_OK(do_disconnect(i));
	}
	EXPECT_OK(do_destroy(0));
}

TEST_F_TIMEOUT(lib, many_segments, 100)
{
	bool good = false;
	int i;

	raise_limit(_metadata);
	/* This looks at all segments whenever one ends. */
	rsm_param("test_walk", 0);
	for (i = 0; i < TRIES && !good; i++)
		good = run_segments(_metadata);
	rsm_param("test_walk", 1);
	EXPECT_TRUE(good);
}

TEST_HARNESS_MAIN
