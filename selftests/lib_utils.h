/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Helpers of the suites of libusrsm: what a test works on, and how it starts.
 *
 * Every test has a process of its own, so what it works on is static.
 */
#ifndef LIB_UTILS_H
#define LIB_UTILS_H

#include "rsm_utils.h"

#include <sched.h>
#include <sys/mount.h>

#include <rsmapi.h>
#include <rsm_ext.h>

/* Pages of the segment */
#define PAGES 4

/* An id that applications may choose */
#define SEGID 0x400123

/* Longer than anything takes that works */
#define LONG_MS 10000

#ifdef __SANITIZE_ADDRESS__
/* Some tests want to see a child killed for what it touches. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "handle_segv=0";
}
#endif

static size_t page;
static size_t length;
static char *mem;
static char *other;
static rsmapi_controller_handle_t ctl;
/* The controller that connections go through, if it is not ctl */
static rsmapi_controller_handle_t via;
static rsm_node_id_t node;
static rsm_memseg_export_handle_t seg;
static rsm_memseg_import_handle_t im;
static rsm_memseg_id_t id;
static rsmapi_barrier_t barrier;
static struct rsm_stats before;
static int descriptors;

static inline int count_descriptors(void)
{
	int count = 0;
	int fd;

	for (fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* The node id that this machine has on the controller that is tested */
static inline rsm_node_id_t local_node(const rsm_topology_t *topology)
{
	uint_t i;

	for (i = 0; i < topology->topology_hdr.local_cntlr_count; i++)
		if (!strcmp(topology->connections[i]->hdr.cntlr_name,
			    RSM_CONTROLLER))
			return topology->connections[i]->hdr.local_hwaddr;
	return topology->topology_hdr.local_nodeid;
}

static inline void open_controller(struct __test_metadata *_metadata)
{
	rsm_topology_t *topology;

	page = rsm_page_size();
	length = PAGES * page;
	mem = rsm_alloc(length);
	ASSERT_NE(MAP_FAILED, (void *)mem);
	other = rsm_alloc(length);
	ASSERT_NE(MAP_FAILED, (void *)other);
	rsm_stamp(mem, length, 1);
	rsm_stamp(other, length, 2);
	ASSERT_OK(rsm_get_controller(RSM_CONTROLLER, &ctl));
	ASSERT_OK(rsm_get_interconnect_topology(&topology));
	node = local_node(topology);
	rsm_free_interconnect_topology(topology);
	rsm_stats_read(&before);
	ASSERT_LE(0, before.segments);
	descriptors = count_descriptors();
}

static inline void close_controller(struct __test_metadata *_metadata)
{
	EXPECT_OK(rsm_release_controller(ctl));
	EXPECT_EQ(descriptors, count_descriptors());
	EXPECT_TRUE(rsm_stats_settle(&before));
}

/* Take a signal that was posted. */
static inline int take_posted(void *memseg)
{
	return rsm_intr_signal_wait(memseg, RSM_COMES_MS);
}

/* The same if none was, as far as is known. */
static inline int take_none(void *memseg)
{
	return rsm_intr_signal_wait(memseg, RSM_ARRIVAL_MS);
}

/* Let signals arrive of which it is not seen if they did. */
static inline void let_arrive(void)
{
	rsm_sleep_ms(RSM_ARRIVAL_MS);
}

static inline void wait_events(void *memseg, short events)
{
	struct pollfd fd;

	if (!RSM_COMES_MS || rsm_memseg_get_pollfd(memseg, &fd))
		return;
	fd.events = events;
	poll(&fd, 1, RSM_COMES_MS);
	rsm_memseg_release_pollfd(memseg);
}

/* Wait until a signal that was posted is there. */
static inline void wait_posted(void *memseg)
{
	wait_events(memseg, POLLRDNORM);
}

/* Wait until a connection knows of the end of its segment. */
static inline void wait_aborted(rsm_memseg_import_handle_t imp)
{
	wait_events(imp, 0);
}

static inline int create(uint_t flags)
{
	return rsm_memseg_export_create(ctl, &seg, mem, length, flags);
}

static inline int publish_id(rsm_memseg_id_t segid)
{
	return rsm_memseg_export_publish(seg, &segid, NULL, 0);
}

static inline int connect_to(rsm_permission_t perm)
{
	return rsm_memseg_import_connect(via ?: ctl, node, id, perm, &im);
}

/* A connection of its own */
static inline rsm_memseg_import_handle_t connect_new(rsm_permission_t perm)
{
	rsm_memseg_import_handle_t new = NULL;

	rsm_memseg_import_connect(via ?: ctl, node, id, perm, &new);
	return new;
}

/* The same without implicit barriers, as these belong to one connection */
static inline rsm_memseg_import_handle_t connect_explicit(void)
{
	rsm_memseg_import_handle_t new = connect_new(RSM_PERM_RDWR);

	rsm_memseg_import_set_mode(new, RSM_BARRIER_MODE_EXPLICIT);
	return new;
}

static inline int map_im(void **addr, rsm_permission_t perm)
{
	*addr = NULL;
	return rsm_memseg_import_map(im, addr, RSM_MAP_NONE, perm, 0, length);
}

static inline int init_barrier(void)
{
	return rsm_memseg_import_init_barrier(im, RSM_BAR_DEFAULT, &barrier);
}

/* A published segment of every kind, a connection, and its barrier */
static inline void open_import(struct __test_metadata *_metadata)
{
	ASSERT_OK(create(RSM_ALLOW_REBIND | RSM_LOCK_OPS));
	ASSERT_OK(rsm_memseg_export_publish(seg, &id, NULL, 0));
	ASSERT_OK(connect_to(RSM_PERM_RDWR));
	ASSERT_OK(init_barrier());
}

static inline void close_import(struct __test_metadata *_metadata)
{
	EXPECT_OK(rsm_memseg_import_destroy_barrier(&barrier));
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	EXPECT_OK(rsm_memseg_export_destroy(seg));
}

/* No segment */
FIXTURE(lib) {};

FIXTURE_SETUP(lib)
{
	open_controller(_metadata);
}

FIXTURE_TEARDOWN(lib)
{
	close_controller(_metadata);
}

/* A segment that may be rebound, not published */
FIXTURE(seg) {};

FIXTURE_SETUP(seg)
{
	open_controller(_metadata);
	ASSERT_OK(create(RSM_ALLOW_REBIND));
}

FIXTURE_TEARDOWN(seg)
{
	EXPECT_OK(rsm_memseg_export_destroy(seg));
	close_controller(_metadata);
}

/* A published segment and a connection that may do everything */
FIXTURE(imp) {};

FIXTURE_SETUP(imp)
{
	open_controller(_metadata);
	ASSERT_OK(create(RSM_ALLOW_REBIND));
	ASSERT_OK(rsm_memseg_export_publish(seg, &id, NULL, 0));
	ASSERT_OK(connect_to(RSM_PERM_RDWR));
}

FIXTURE_TEARDOWN(imp)
{
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	EXPECT_OK(rsm_memseg_export_destroy(seg));
	close_controller(_metadata);
}

/*
 * The same with lock operations and a barrier. Data goes through a mapping, or
 * through the kernel: connections through "test0" cannot be mapped.
 */
FIXTURE(path) {};

FIXTURE_VARIANT(path)
{
	bool mapped;
	char controller[16];
};

#ifdef RSM_REMOTE
FIXTURE_VARIANT_ADD(path, remote)
{
	.mapped = false,
	.controller = RSM_CONTROLLER,
};
#else
FIXTURE_VARIANT_ADD(path, loopback)
{
	.mapped = true,
	.controller = "loopback",
};

FIXTURE_VARIANT_ADD(path, test0)
{
	.mapped = false,
	.controller = "test0",
};
#endif

FIXTURE_SETUP(path)
{
	open_controller(_metadata);
	ASSERT_OK(rsm_get_controller((char *)variant->controller, &via));
	open_import(_metadata);
}

FIXTURE_TEARDOWN(path)
{
	close_import(_metadata);
	EXPECT_OK(rsm_release_controller(via));
	close_controller(_metadata);
}

/* Where nobody takes memory who is free to choose, so that a hole stays one */
#define HALVES 0x40000000UL

/* Memory of two pages, the second one with @prot, or not there if negative */
static inline char *half(int prot)
{
	static size_t count;
	char *addr = mmap((char *)HALVES + 4 * page * count++, 2 * page,
			  PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
			  MAP_FIXED_NOREPLACE, -1, 0);

	if (prot < 0)
		munmap(addr + page, page);
	else
		mprotect(addr + page, page, prot);
	return addr;
}

/* For threads that go on until told, on a connection that others change */

static bool stop;

static inline bool stopped(void)
{
	return __atomic_load_n(&stop, __ATOMIC_RELAXED);
}

static inline rsm_memseg_import_handle_t current_im(void)
{
	return __atomic_load_n(&im, __ATOMIC_RELAXED);
}

/* Milliseconds since some point in time */
static inline long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A list of one transfer, for which the rest of @vec is filled in. */
static inline int one_vec(int (*op)(rsm_scat_gath_t *sg_io), rsm_iovec_t *vec,
			  uint_t flags)
{
	rsm_scat_gath_t sg_io = {
		.io_request_count = 1,
		.flags = flags,
		.remote_handle = im,
		.iovec = vec,
	};

	return op(&sg_io);
}

/* Words of less than @max bytes, without a newline or a full stop */
static inline bool is_a_phrase(const char *text, size_t max)
{
	size_t size = strlen(text);
	size_t i;

	for (i = 0; i < size; i++)
		if (text[i] < ' ' || text[i] > '~')
			return false;
	return size >= 5 && size < max && text[size - 1] != '.';
}

/* Of a controller that limits neither segments nor their number */
static inline void expect_no_limits(struct __test_metadata *_metadata,
				    const rsmapi_controller_attr_t *attr)
{
	EXPECT_EQ(0, attr->attr_max_export_segment_size);
	EXPECT_EQ(0, attr->attr_tot_export_segment_size);
	EXPECT_EQ(0, attr->attr_max_export_segments);
	EXPECT_EQ(0, attr->attr_max_import_map_size);
	EXPECT_EQ(0, attr->attr_tot_import_map_size);
	EXPECT_EQ(0, attr->attr_max_import_segments);
}

/* Files in the place of those of the system, for this process only */

#define SEGMENTID_FILE "/etc/rsm/rsm.segmentid"

static inline int hide(const char *path)
{
	if (unshare(CLONE_NEWNS) ||
	    mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", path, "tmpfs", 0, NULL))
		return -errno;
	return 0;
}

static inline int write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	if (!file)
		return -errno;
	fputs(text, file);
	return fclose(file) ? -errno : 0;
}

#endif /* LIB_UTILS_H */
