/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Helpers of all suites. Include it first: it defines _GNU_SOURCE and brings
 * in the kselftest harness.
 *
 * A function with an int result returns 0 (or what it is asked for) or a
 * negative errno. Functions that carry out an ioctl also store the out_error
 * of its structure through their last argument, which may be NULL.
 */
#ifndef RSM_UTILS_H
#define RSM_UTILS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/rsmctl.h>
#include <linux/userfaultfd.h>

#include "kselftest_harness.h"

/*
 * The controller that is tested. A suite can be built once more for one that
 * reaches other machines, which here is this one: imports cannot be mapped.
 */
#ifdef RSM_REMOTE
#define RSM_CONTROLLER "rdma0"
#else
#define RSM_CONTROLLER "loopback"
#endif

/*
 * What is posted, and that a segment has ended, reaches another machine a
 * moment after the call returned: how long it may take, and how long is looked
 * if nothing comes. On the same machine it is there by then.
 */
#ifdef RSM_REMOTE
#define RSM_COMES_MS 10000
#define RSM_ARRIVAL_MS 1000
#else
#define RSM_COMES_MS 0
#define RSM_ARRIVAL_MS 0
#endif

/* Emulated processors take their time. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 120

/*
 * Kernels that watch themselves take more of it: what is in RSM_TIMES, times
 * each test's limit. Run after the harness has entered the tests.
 */
#ifdef TEST_HARNESS_MAIN
static void __attribute__((constructor)) rsm_stretch_limits(void)
{
	const char *times = getenv("RSM_TIMES");
	struct __fixture_metadata *fixture;
	struct __test_metadata *test;

	if (!times)
		return;
	for (fixture = __fixture_list; fixture; fixture = fixture->next)
		for (test = fixture->tests; test; test = test->next)
			test->timeout *= atoi(times);
}
#endif

#define RSM_DEV "/dev/rsmctl"
#define RSM_STATS_DIR "/sys/module/rsmctl/stats/"

/* How long the last trace of a handle may take to vanish, in milliseconds. */
#define RSM_QUIET_MS 5000

/* uid and gid of nobody in particular. */
#define RSM_NOBODY 65534

/*
 * EXPECT_FAIL(EINVAL, RSM_ERR_BAD_LENGTH, rsm_rebind(fd, mem, 0, &error));
 * The call must name the variable error, which the macro declares.
 */
#define EXPECT_FAIL(_errno, _error, _call)                                     \
	do {                                                                   \
		__u32 error = ~0U;                                             \
									       \
		EXPECT_EQ(-(_errno), _call);                                   \
		EXPECT_EQ((__u32)(_error), error);                             \
	} while (0)

/* EXPECT_ERR(RSMERR_BAD_LENGTH, rsm_memseg_export_rebind(...)), for libusrsm */
#define EXPECT_ERR(_rsmerr, _call) EXPECT_EQ(_rsmerr, _call)

#define ASSERT_OK(_call) ASSERT_EQ(0, _call)
#define EXPECT_OK(_call) EXPECT_EQ(0, _call)

/*
 * That memory cannot be mapped for execution; the call returns -errno. Newer
 * kernels refuse it before they ask the driver, and with another errno.
 */
#define EXPECT_NO_EXEC(_call) do {					\
	int __no_exec = (_call);					\
									\
	EXPECT_EQ(__no_exec == -EPERM ? -EPERM : -EACCES, __no_exec);	\
} while (0)

/* Memory */

static inline size_t rsm_page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

/* Writable anonymous memory for munmap(), or MAP_FAILED. */
static inline void *rsm_alloc(size_t length)
{
	return mmap(NULL, length, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Give every page of @mem a first and a last word of its own. */
static inline void rsm_stamp(void *mem, size_t length, uint32_t seed)
{
	size_t words = rsm_page_size() / sizeof(uint64_t);
	volatile uint64_t *word = mem;
	size_t page;

	for (page = 0; page < length / rsm_page_size(); page++, word += words) {
		word[0] = (uint64_t)seed << 32 | page;
		word[words - 1] = ~word[0];
	}
}

/* Index of the first page that lacks the stamp of @seed, or -1. */
static inline long rsm_stamp_check(const void *mem, size_t length,
				   uint32_t seed)
{
	size_t words = rsm_page_size() / sizeof(uint64_t);
	const volatile uint64_t *word = mem;
	size_t page;

	for (page = 0; page < length / rsm_page_size(); page++, word += words)
		if (word[0] != ((uint64_t)seed << 32 | page) ||
		    word[words - 1] != ~((uint64_t)seed << 32 | page))
			return page;
	return -1;
}

/* Whether no page shows anything at its start and end. */
static inline bool rsm_is_zero(const void *mem, size_t length)
{
	size_t words = rsm_page_size() / sizeof(uint64_t);
	const volatile uint64_t *word = mem;
	size_t page;

	for (page = 0; page < length / rsm_page_size(); page++, word += words)
		if (word[0] || word[words - 1])
			return false;
	return true;
}

/* Pages that come when somebody says so */

/* A userfaultfd that does not block, or a negative errno. */
static inline int rsm_uffd_open(__u64 features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int ret, fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (!ioctl(fd, UFFDIO_API, &api))
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

/* @mode: UFFDIO_REGISTER_MODE_ */
static inline int rsm_uffd_register(int fd, const void *mem, size_t length,
				    __u64 mode)
{
	struct uffdio_register range = {
		.range = { (uintptr_t)mem, length },
		.mode = mode,
	};

	return ioctl(fd, UFFDIO_REGISTER, &range) ? -errno : 0;
}

/* Let a store to the memory wait, or those that wait go on. */
static inline int rsm_uffd_protect(int fd, const void *mem, size_t length,
				   bool protect)
{
	struct uffdio_writeprotect range = {
		.range = { (uintptr_t)mem, length },
		.mode = protect ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return ioctl(fd, UFFDIO_WRITEPROTECT, &range) ? -errno : 0;
}

/* Wait until somebody waits for a page, for at most @ms: its address. */
static inline uintptr_t rsm_uffd_wait(int fd, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	struct uffd_msg msg;

	if (poll(&pfd, 1, ms) != 1 || read(fd, &msg, sizeof(msg)) !=
				      (ssize_t)sizeof(msg))
		return 0;
	return msg.arg.pagefault.address & -rsm_page_size();
}

/* Ioctls */

static inline int rsm_open(void)
{
	int fd = open(RSM_DEV, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static inline int rsm_cmd(int fd, unsigned long nr, void *cmd,
			  const __u32 *out_error, __u32 *error)
{
	int ret = ioctl(fd, nr, cmd) ? -errno : 0;

	if (error)
		*error = *out_error;
	return ret;
}

static inline int rsm_controller_info(int fd, const char *name,
				      struct rsm_controller_info *info,
				      __u32 *error)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	memcpy(info->name, name, strnlen(name, sizeof(info->name)));
	return rsm_cmd(fd, RSM_CONTROLLER_INFO, info, &info->out_error, error);
}

/* The new export's descriptor goes to *@out_fd. */
static inline int rsm_create(int fd, __u32 controller, const void *vaddr,
			     __u64 length, __u32 flags, int *out_fd,
			     __u32 *error)
{
	struct rsm_export_create cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.controller = controller,
		.out_fd = -1,
		.vaddr = (uintptr_t)vaddr,
		.length = length,
	};
	int ret = rsm_cmd(fd, RSM_EXPORT_CREATE, &cmd, &cmd.out_error, error);

	*out_fd = ret ? -1 : cmd.out_fd;
	return ret;
}

static inline int rsm_rebind(int fd, const void *vaddr, __u64 length,
			     __u32 *error)
{
	struct rsm_export_rebind cmd = {
		.size = sizeof(cmd),
		.vaddr = (uintptr_t)vaddr,
		.length = length,
	};

	return rsm_cmd(fd, RSM_EXPORT_REBIND, &cmd, &cmd.out_error, error);
}

/* *@segid: wanted, or 0; receives the segment id. */
static inline int rsm_publish(int fd, __u32 *segid,
			      const struct rsm_access_entry *acl, __u32 count,
			      __u32 *error)
{
	struct rsm_export_publish cmd = {
		.size = sizeof(cmd),
		.acl = (uintptr_t)acl,
		.acl_count = count,
		.segid = *segid,
	};
	int ret = rsm_cmd(fd, RSM_EXPORT_PUBLISH, &cmd, &cmd.out_error, error);

	if (!ret)
		*segid = cmd.out_segid;
	return ret;
}

static inline int rsm_republish(int fd, const struct rsm_access_entry *acl,
				__u32 count, __u32 *error)
{
	struct rsm_export_republish cmd = {
		.size = sizeof(cmd),
		.acl = (uintptr_t)acl,
		.acl_count = count,
	};

	return rsm_cmd(fd, RSM_EXPORT_REPUBLISH, &cmd, &cmd.out_error, error);
}

static inline int rsm_unpublish(int fd, __u32 *error)
{
	struct rsm_export_unpublish cmd = { .size = sizeof(cmd) };

	return rsm_cmd(fd, RSM_EXPORT_UNPUBLISH, &cmd, &cmd.out_error, error);
}

static inline int rsm_destroy(int fd, __u32 *error)
{
	struct rsm_export_destroy cmd = { .size = sizeof(cmd) };

	return rsm_cmd(fd, RSM_EXPORT_DESTROY, &cmd, &cmd.out_error, error);
}

/* The new import's descriptor goes to *@out_fd. */
static inline int rsm_connect(int fd, __u32 controller, __u32 node, __u32 segid,
			      __u32 perm, int *out_fd, __u32 *error)
{
	struct rsm_import_connect cmd = {
		.size = sizeof(cmd),
		.controller = controller,
		.node = node,
		.segid = segid,
		.perm = perm,
		.out_fd = -1,
	};
	int ret = rsm_cmd(fd, RSM_IMPORT_CONNECT, &cmd, &cmd.out_error, error);

	*out_fd = ret ? -1 : cmd.out_fd;
	return ret;
}

/* @nr: RSM_IMPORT_PUT or RSM_IMPORT_GET; *@done may be NULL. */
static inline int rsm_copy(int fd, unsigned long nr,
			   const struct rsm_copy_vec *vec, __u32 count,
			   __u32 *done, __u32 *error)
{
	struct rsm_import_copy cmd = {
		.size = sizeof(cmd),
		.vec = (uintptr_t)vec,
		.vec_count = count,
		.out_done = ~0U,
	};
	int ret = rsm_cmd(fd, nr, &cmd, &cmd.out_error, error);

	if (done)
		*done = cmd.out_done;
	return ret;
}

static inline int rsm_put(int fd, const void *from, __u64 offset, __u64 length,
			  __u32 *error)
{
	struct rsm_copy_vec vec = { (uintptr_t)from, offset, length };

	return rsm_copy(fd, RSM_IMPORT_PUT, &vec, 1, NULL, error);
}

static inline int rsm_get(int fd, const void *to, __u64 offset, __u64 length,
			  __u32 *error)
{
	struct rsm_copy_vec vec = { (uintptr_t)to, offset, length };

	return rsm_copy(fd, RSM_IMPORT_GET, &vec, 1, NULL, error);
}

/* *@old may be NULL. */
static inline int rsm_atomic(int fd, __u32 op, __u64 offset, __u64 compare,
			     __u64 operand, __u64 *old, __u32 *error)
{
	struct rsm_import_atomic cmd = {
		.size = sizeof(cmd),
		.offset = offset,
		.compare = compare,
		.operand = operand,
		.op = op,
	};
	int ret = rsm_cmd(fd, RSM_IMPORT_ATOMIC, &cmd, &cmd.out_error, error);

	if (old)
		*old = cmd.out_old;
	return ret;
}

static inline int rsm_post(int fd, __u32 flags, __u32 *error)
{
	struct rsm_signal_post cmd = { .size = sizeof(cmd), .flags = flags };

	return rsm_cmd(fd, RSM_SIGNAL_POST, &cmd, &cmd.out_error, error);
}

/* Take a signal. */
static inline int rsm_take(int fd, __u64 timeout_ns, __u32 *error)
{
	struct rsm_signal_wait cmd = {
		.size = sizeof(cmd),
		.timeout_ns = timeout_ns,
	};

	return rsm_cmd(fd, RSM_SIGNAL_WAIT, &cmd, &cmd.out_error, error);
}

/* *@out_flags may be NULL. */
static inline int rsm_lock(int fd, __u64 offset, __u64 timeout_ns,
			   __u32 *out_flags, __u32 *error)
{
	struct rsm_lock cmd = {
		.size = sizeof(cmd),
		.offset = offset,
		.timeout_ns = timeout_ns,
		.out_flags = ~0U,
	};
	int ret = rsm_cmd(fd, RSM_LOCK, &cmd, &cmd.out_error, error);

	if (out_flags)
		*out_flags = cmd.out_flags;
	return ret;
}

static inline int rsm_unlock(int fd, __u64 offset, __u32 *error)
{
	struct rsm_unlock cmd = { .size = sizeof(cmd), .offset = offset };

	return rsm_cmd(fd, RSM_UNLOCK, &cmd, &cmd.out_error, error);
}

/* The new ticket's descriptor goes to *@out_fd. */
static inline int rsm_grant(int fd, __u32 rights, int *out_fd, __u32 *error)
{
	struct rsm_export_grant cmd = {
		.size = sizeof(cmd),
		.rights = rights,
		.out_fd = -1,
	};
	int ret = rsm_cmd(fd, RSM_EXPORT_GRANT, &cmd, &cmd.out_error, error);

	*out_fd = ret ? -1 : cmd.out_fd;
	return ret;
}

/* Connect with a ticket: the new import's descriptor goes to *@out_fd. */
static inline int rsm_redeem(int fd, __u32 perm, int *out_fd, __u32 *error)
{
	struct rsm_ticket_connect cmd = {
		.size = sizeof(cmd),
		.perm = perm,
		.out_fd = -1,
	};
	int ret = rsm_cmd(fd, RSM_TICKET_CONNECT, &cmd, &cmd.out_error, error);

	*out_fd = ret ? -1 : cmd.out_fd;
	return ret;
}

/* The first @length bytes of an import, or MAP_FAILED and errno. */
static inline void *rsm_map(int fd, size_t length, int prot)
{
	return mmap(NULL, length, prot, MAP_SHARED, fd, 0);
}

/* The status page of an export or import, or MAP_FAILED and errno. */
static inline const volatile struct rsm_status *rsm_map_status(int fd)
{
	return mmap(NULL, rsm_page_size(), PROT_READ, MAP_SHARED, fd,
		    RSM_STATUS_OFFSET);
}

/* What is left over */

/* A live-object counter of the module. */
static inline long rsm_stat(const char *name)
{
	char path[128];
	long value;
	FILE *file;

	snprintf(path, sizeof(path), RSM_STATS_DIR "%s", name);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	if (fscanf(file, "%ld", &value) != 1)
		value = -EIO;
	fclose(file);
	return value;
}

struct rsm_stats {
	long handles;
	long segments;
	long imports;
	long tickets;
	long areas;
	long page_sets;
	long pinned_pages;
	long mutexes;
};

static inline void rsm_stats_read(struct rsm_stats *stats)
{
	stats->handles = rsm_stat("handles");
	stats->segments = rsm_stat("segments");
	stats->imports = rsm_stat("imports");
	stats->tickets = rsm_stat("tickets");
	stats->areas = rsm_stat("areas");
	stats->page_sets = rsm_stat("page_sets");
	stats->pinned_pages = rsm_stat("pinned_pages");
	stats->mutexes = rsm_stat("mutexes");
}

static inline void rsm_sleep_ms(long ms)
{
	struct timespec delay = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&delay, &delay) && errno == EINTR)
		;
}

/* Of a clock that goes on by itself. */
static inline long rsm_now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* Wait for the counters to be as at *@before: true if they ever are. */
static inline bool rsm_stats_settle(const struct rsm_stats *before)
{
	struct rsm_stats now;
	int ms;

	for (ms = 0; ms <= RSM_QUIET_MS; ms += 10) {
		rsm_stats_read(&now);
		if (!memcmp(&now, before, sizeof(now)))
			return true;
		rsm_sleep_ms(10);
	}
	fprintf(stderr,
		"# segments %ld, imports %ld, areas %ld, sets %ld, pages %ld\n",
		now.segments - before->segments, now.imports - before->imports,
		now.areas - before->areas, now.page_sets - before->page_sets,
		now.pinned_pages - before->pinned_pages);
	fprintf(stderr, "# tickets %ld, mutexes %ld, handles %ld\n",
		now.tickets - before->tickets, now.mutexes - before->mutexes,
		now.handles - before->handles);
	return false;
}

/* Wait until an import knows of the end of its segment. */
static inline void rsm_wait_aborted(int fd)
{
	struct pollfd pfd = { .fd = fd };

	poll(&pfd, 1, RSM_COMES_MS);
}

/* Write to a file that is there, as of the kernel's in /proc and /sys. */
static inline int rsm_file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t done;

	if (fd < 0)
		return -errno;
	done = write(fd, text, strlen(text));
	if (done < 0)
		done = -errno;
	close(fd);
	return done < 0 ? done : 0;
}

/* A number of a file like /proc/meminfo, in its unit (mostly KiB). */
static inline long rsm_proc_number(const char *path, const char *field)
{
	size_t length = strlen(field);
	char line[256];
	long value = -ENOENT;
	FILE *file = fopen(path, "re");

	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, field, length) && line[length] == ':')
			value = strtol(line + length + 1, NULL, 10);
	fclose(file);
	return value;
}

/* One of /proc/PID/status, as "VmPin". */
static inline long rsm_proc_status(pid_t pid, const char *field)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	return rsm_proc_number(path, field);
}

/* As much memory as surely fits @parts times; 512 MiB at most. */
static inline size_t rsm_large_length(unsigned int parts)
{
	long kib = rsm_proc_number("/proc/meminfo", "MemAvailable");
	size_t length = (kib > 0 ? kib : 0) * 1024UL / (parts + 2);

	if (length > 512UL << 20)
		length = 512UL << 20;
	return length & -(2UL << 20);
}

/* Pages that are charged to this process's address space as pinned. */
static inline long rsm_vm_pin(void)
{
	return rsm_proc_status(getpid(), "VmPin") * 1024 /
	       (long)rsm_page_size();
}

/* What most fixtures begin and end with */

/* The control node, a controller, and how all was before. */
struct rsm_scene {
	int fd;
	__u32 controller;
	__u32 node;
	struct rsm_stats before;
	long vm_pin;
};

static inline int rsm_scene_open(struct rsm_scene *scene)
{
	struct rsm_controller_info info;
	int ret;

	scene->fd = rsm_open();
	if (scene->fd < 0)
		return scene->fd;
	ret = rsm_controller_info(scene->fd, RSM_CONTROLLER, &info, NULL);
	scene->controller = info.out_controller;
	scene->node = info.out_node;
	rsm_stats_read(&scene->before);
	scene->vm_pin = rsm_vm_pin();
	return ret;
}

/* Unmap every import and status page of this process. */
static inline void rsm_unmap_all(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long start, end;
	char line[512];

	while (maps && fgets(line, sizeof(line), maps))
		if (strstr(line, "[rsm-") &&
		    sscanf(line, "%lx-%lx", &start, &end) == 2)
			munmap((void *)start, end - start);
	if (maps)
		fclose(maps);
}

/* Let go of all handles and mappings: true if nothing is left of them. */
static inline bool rsm_scene_close(const struct rsm_scene *scene)
{
	bool settled;

	rsm_unmap_all();
	close_range(STDERR_FILENO + 1, ~0U, 0);
	settled = rsm_stats_settle(&scene->before);
	return settled && rsm_vm_pin() == scene->vm_pin;
}

/* A published export of memory of its own, which may be rebound. */
struct rsm_export {
	int fd;
	__u32 segid;
	char *mem;
	size_t length;
};

/* Export @mem and publish it under an id that the system chooses. */
static inline int rsm_export_with(const struct rsm_scene *scene, void *mem,
				  size_t length, __u32 flags,
				  struct rsm_export *out)
{
	int ret;

	out->segid = 0;
	out->mem = mem;
	out->length = length;
	ret = rsm_create(scene->fd, scene->controller, mem, length, flags,
			 &out->fd, NULL);
	return ret ?: rsm_publish(out->fd, &out->segid, NULL, 0, NULL);
}

static inline int rsm_export_mem(const struct rsm_scene *scene, void *mem,
				 size_t length, struct rsm_export *out)
{
	return rsm_export_with(scene, mem, length, RSM_EXPORT_ALLOW_REBIND,
			       out);
}

/* The same of new memory with the stamp of @seed. */
static inline int rsm_export_new(const struct rsm_scene *scene, size_t length,
				 uint32_t seed, struct rsm_export *out)
{
	void *mem = rsm_alloc(length);

	if (mem == MAP_FAILED)
		return -errno;
	rsm_stamp(mem, length, seed);
	return rsm_export_mem(scene, mem, length, out);
}

/* And with the lock operations. */
static inline int rsm_export_locks(const struct rsm_scene *scene, size_t length,
				   uint32_t seed, struct rsm_export *out)
{
	void *mem = rsm_alloc(length);

	if (mem == MAP_FAILED)
		return -errno;
	rsm_stamp(mem, length, seed);
	return rsm_export_with(scene, mem, length,
			       RSM_EXPORT_ALLOW_REBIND | RSM_EXPORT_LOCK_OPS,
			       out);
}

/* A new import's descriptor, or a negative errno. */
static inline int rsm_import(const struct rsm_scene *scene, __u32 segid,
			     __u32 perm)
{
	int fd;
	int ret = rsm_connect(scene->fd, scene->controller, scene->node, segid,
			      perm, &fd, NULL);

	return ret ?: fd;
}

/*
 * What an importer sees of a segment from its start on: a mapping. Where there
 * are none, it is memory of the importer's own, and copies from and to it.
 */
#ifdef RSM_REMOTE

#define RSM_VIEWS 32

static struct rsm_view {
	char *mem;
	size_t length;
	int fd;
} rsm_views[RSM_VIEWS];

/* Of NULL: one that is not in use. */
static inline struct rsm_view *rsm_view_find(const void *mem)
{
	int i;

	for (i = 0; i < RSM_VIEWS; i++)
		if (rsm_views[i].mem == mem)
			return &rsm_views[i];
	abort();
}

/* @fd may be closed then; MAP_FAILED if there is no memory. */
static inline void *rsm_view_of(int fd, size_t length, int prot)
{
	struct rsm_view *view = rsm_view_find(NULL);
	void *mem = rsm_alloc(length);

	(void)prot;
	if (mem == MAP_FAILED)
		return mem;
	view->mem = mem;
	view->length = length;
	view->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return mem;
}

static inline void rsm_view_close(void *mem, size_t length)
{
	struct rsm_view *view = rsm_view_find(mem);

	close(view->fd);
	munmap(mem, length);
	view->mem = NULL;
}

/* What is there now; what is no stamp of any kind, if it cannot be read. */
static inline char *rsm_look(const void *mem)
{
	struct rsm_view *view = rsm_view_find(mem);

	if (rsm_get(view->fd, view->mem, 0, view->length, NULL))
		memset(view->mem, 0xee, view->length);
	return view->mem;
}

/* Let all that was stored to it since be seen. */
static inline int rsm_show(const void *mem)
{
	struct rsm_view *view = rsm_view_find(mem);

	return rsm_put(view->fd, view->mem, 0, view->length, NULL);
}

/* Store to it without looking at it. */
static inline int rsm_store(void *mem, size_t offset, const void *from,
			    size_t size)
{
	return rsm_put(rsm_view_find(mem)->fd, from, offset, size, NULL);
}

/* Wait until nothing is left of the segment. */
static inline void rsm_view_wait_ended(const void *mem)
{
	rsm_wait_aborted(rsm_view_find(mem)->fd);
}

/* Whether nothing is left of it. */
static inline bool rsm_view_ended(const void *mem, size_t length)
{
	struct rsm_view *view = rsm_view_find(mem);

	(void)length;
	return rsm_get(view->fd, view->mem, 0, 1, NULL) == -ECONNABORTED;
}

#else

static inline void *rsm_view_of(int fd, size_t length, int prot)
{
	return rsm_map(fd, length, prot);
}

static inline void rsm_view_close(void *mem, size_t length)
{
	munmap(mem, length);
}

static inline char *rsm_look(const void *mem)
{
	return (char *)mem;
}

static inline int rsm_show(const void *mem)
{
	(void)mem;
	return 0;
}

static inline int rsm_store(void *mem, size_t offset, const void *from,
			    size_t size)
{
	memcpy((char *)mem + offset, from, size);
	return 0;
}

static inline void rsm_view_wait_ended(const void *mem)
{
	(void)mem;
}

static inline bool rsm_view_ended(const void *mem, size_t length)
{
	return rsm_is_zero(mem, length);
}

#endif

/* Connect with both rights and see all: what is seen, or MAP_FAILED. */
static inline void *rsm_import_view(const struct rsm_scene *scene, __u32 segid,
				    size_t length)
{
	int fd = rsm_import(scene, segid, RSM_RIGHT_READ | RSM_RIGHT_WRITE);
	void *view;

	if (fd < 0)
		return MAP_FAILED;
	view = rsm_view_of(fd, length, PROT_READ | PROT_WRITE);
	close(fd);
	return view;
}

/* Set a parameter of the module, and return what it was. */
static inline long rsm_param(const char *name, long value)
{
	long before = -1;
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/module/rsmctl/parameters/%s", name);
	file = fopen(path, "r+e");
	if (!file)
		return -errno;
	if (fscanf(file, "%ld", &before) != 1)
		before = -EIO;
	rewind(file);
	fprintf(file, "%ld\n", value);
	fclose(file);
	return before;
}

/* Other processes */

/* Become @uid, with the group of the same number and no other, for good. */
static inline int rsm_drop_to(uid_t uid)
{
	if (setgroups(0, NULL) || setresgid(uid, uid, uid) ||
	    setresuid(uid, uid, uid))
		return -errno;
	return 0;
}

/* Wait for a child: its exit status, or minus the signal that ended it. */
static inline int rsm_wait_child(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Run @fn in a child as @uid; its result (0 to 254) as rsm_wait_child(). */
static inline int rsm_in_child_as(uid_t uid, int (*fn)(void *arg), void *arg)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		_exit(uid && rsm_drop_to(uid) ? 255 : fn(arg));
	return rsm_wait_child(pid);
}

static inline int rsm_in_child(int (*fn)(void *arg), void *arg)
{
	return rsm_in_child_as(0, fn, arg);
}

/* Let a child run @fn and return its process id. */
static inline pid_t rsm_start_child(int (*fn)(void *arg), void *arg)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid)
		_exit(fn(arg));
	return pid < 0 ? -errno : pid;
}

/* Copy the program that runs to @path, with this mode. */
static inline int rsm_copy_program(const char *path, mode_t mode)
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
	ssize_t done = from < 0 || to < 0 ? -1 : 1;

	while (done > 0)
		done = sendfile(to, from, NULL, 1 << 20);
	if (!done)
		done = fchmod(to, mode);
	if (done)
		done = -errno;
	close(from);
	close(to);
	return done;
}

static inline char rsm_task_state(pid_t tid)
{
	char path[64], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)tid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	fclose(file);
	return state;
}

/*
 * Wait until a child or a thread sleeps, in a call that it is about to make:
 * true if it does within a while.
 */
static inline bool rsm_wait_asleep(const pid_t *tid)
{
	long end = rsm_now_ms() + RSM_QUIET_MS;
	int asleep = 0;
	char state;

	while (asleep < 2 && rsm_now_ms() < end) {
		rsm_sleep_ms(1);
		state = rsm_task_state(__atomic_load_n(tid, __ATOMIC_ACQUIRE));
		asleep = state == 'S' || state == 'D' ? asleep + 1 : 0;
	}
	return asleep == 2;
}

/* Zeroed memory that this process and its children share. */
static inline void *rsm_alloc_shared(size_t length)
{
	return mmap(NULL, length, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* Send descriptor @fd through a socket. */
static inline int rsm_send_fd(int socket, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	return sendmsg(socket, &msg, 0) == 1 ? 0 : -errno;
}

/* Receive one: the descriptor, or a negative errno. */
static inline int rsm_receive_fd(int socket)
{
	char byte, control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	int fd = -1;

	if (recvmsg(socket, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -errno;
	if (!CMSG_FIRSTHDR(&msg))
		return -EMFILE;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

#endif /* RSM_UTILS_H */
