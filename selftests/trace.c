// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tracepoints: each tells what happened, of which segment.
 */
#include "rsm_utils.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdlib.h>

#define PAGE 4096UL
#define LENGTH (4 * PAGE)
#define RW (RSM_RIGHT_READ | RSM_RIGHT_WRITE)

#define TRACEFS "/sys/kernel/tracing/"
#define INSTANCE TRACEFS "instances/rsm_test/"
#define TEXT_MAX 65536
#define LINE_SIZE 256

/* Every one; a new one needs a test here. */
static const char *const events[] = {
	"rsm_abort", "rsm_connect", "rsm_copy", "rsm_create", "rsm_destroy",
	"rsm_disconnect", "rsm_fault", "rsm_map", "rsm_pin", "rsm_publish",
	"rsm_rebind", "rsm_signal", "rsm_unpublish",
};

FIXTURE(trace)
{
	struct rsm_scene scene;
	struct rsm_export exp;
	long segment;
	/* what the buffer had when it was last read */
	char text[TEXT_MAX];
};

typedef FIXTURE_DATA(trace) trace_self;

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	ssize_t done;

	if (fd < 0)
		return -errno;
	done = write(fd, text, strlen(text));
	close(fd);
	return done == (ssize_t)strlen(text) ? 0 : -1;
}

static int set_all(const char *on)
{
	return write_file(INSTANCE "events/rsmctl/enable", on);
}

static int clear_buffer(void)
{
	return write_file(INSTANCE "trace", "");
}

static void read_buffer(trace_self *self)
{
	int fd = open(INSTANCE "trace", O_RDONLY | O_CLOEXEC);
	size_t done = 0;
	ssize_t got = 1;

	while (fd >= 0 && got > 0) {
		got = read(fd, self->text + done, TEXT_MAX - 1 - done);
		done += got > 0 ? got : 0;
	}
	self->text[done] = '\0';
	if (fd >= 0)
		close(fd);
}

static long segment_of(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return rsm_proc_number(path, "rsm-segment");
}

/*
 * How many events in the buffer are "EVENT: segment=N" and then this. What the
 * format says may be the beginning of more.
 */
__attribute__((format(printf, 4, 5)))
static int count_of(trace_self *self, long segment, const char *event,
		    const char *format, ...)
{
	char wanted[2 * LINE_SIZE], rest[LINE_SIZE];
	const char *at;
	va_list args;
	int count = 0;

	va_start(args, format);
	vsnprintf(rest, sizeof(rest), format, args);
	va_end(args);
	snprintf(wanted, sizeof(wanted), ": %s: segment=%ld%s", event, segment,
		 rest);
	read_buffer(self);
	for (at = self->text; (at = strstr(at, wanted)); at++)
		count++;
	if (!count)
		printf("# no \"%s\" in:\n# %s\n", wanted, self->text);
	return count;
}

#define COUNT(_event, ...) count_of(self, self->segment, _event, __VA_ARGS__)

FIXTURE_SETUP(trace)
{
	ASSERT_OK(rsm_scene_open(&self->scene));
	if (access(TRACEFS "events/rsmctl", F_OK))
		SKIP(return, "the kernel has no tracefs");
	ASSERT_EQ(0, mkdir(INSTANCE, 0700));
	ASSERT_OK(rsm_export_locks(&self->scene, LENGTH, 1, &self->exp));
	self->segment = segment_of(self->exp.fd);
	ASSERT_LT(0, self->segment);
	ASSERT_OK(set_all("1"));
	ASSERT_OK(clear_buffer());
}

FIXTURE_TEARDOWN(trace)
{
	set_all("0");
	EXPECT_EQ(0, rmdir(INSTANCE));
	EXPECT_TRUE(rsm_scene_close(&self->scene));
}

static bool is_known(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(events); i++)
		if (!strcmp(name, events[i]))
			return true;
	return false;
}

TEST_F(trace, these_and_no_others)
{
	DIR *dir = opendir(INSTANCE "events/rsmctl");
	unsigned int count = 0;
	struct dirent *entry;

	ASSERT_NE(NULL, dir);
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, "rsm_", 4))
			continue;
		EXPECT_TRUE(is_known(entry->d_name));
		count++;
	}
	closedir(dir);
	EXPECT_EQ(ARRAY_SIZE(events), count);
}

TEST_F(trace, create_and_destroy)
{
	long segment;
	int fd;

	ASSERT_OK(rsm_create(self->scene.fd, self->scene.controller,
			     self->exp.mem, LENGTH,
			     RSM_EXPORT_ALLOW_REBIND | RSM_EXPORT_LOCK_OPS, &fd,
			     NULL));
	segment = segment_of(fd);
	EXPECT_EQ(1, count_of(self, segment, "rsm_create",
			      " length=16384 flags=rebind|locks\n"));
	EXPECT_EQ(1, count_of(self, segment, "rsm_pin", " pages=4 extents="));
	/* it takes time, and the event is enabled */
	EXPECT_EQ(NULL, strstr(self->text, "ns=0 "));
	ASSERT_OK(rsm_destroy(fd, NULL));
	EXPECT_EQ(1, count_of(self, segment, "rsm_destroy", " length=16384 "));
	/* and not once more at close */
	close(fd);
	EXPECT_EQ(1, count_of(self, segment, "rsm_destroy", " length=16384 "));
}

TEST_F(trace, pin_that_fails)
{
	char wanted[64];
	int fd;

	munmap(self->exp.mem + PAGE, PAGE);
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    rsm_create(self->scene.fd, self->scene.controller,
			       self->exp.mem, LENGTH, 0, &fd, &error));
	read_buffer(self);
	snprintf(wanted, sizeof(wanted), " ret=%d\n", RSM_ERR_BAD_ADDR);
	EXPECT_NE(NULL, strstr(self->text, wanted));
	EXPECT_EQ(NULL, strstr(self->text, "rsm_create"));
	EXPECT_EQ(NULL, strstr(self->text, "rsm_destroy"));
}

TEST_F(trace, publish_and_unpublish)
{
	__u32 id = 0x400123;

	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	EXPECT_EQ(1, COUNT("rsm_unpublish", " id=0x%x\n", self->exp.segid));
	ASSERT_OK(rsm_publish(self->exp.fd, &id, NULL, 0, NULL));
	EXPECT_EQ(1, COUNT("rsm_publish", " id=0x400123\n"));
}

TEST_F(trace, connect_abort_disconnect)
{
	__u32 id = self->exp.segid;
	int imp[2];

	imp[0] = rsm_import(&self->scene, id, RSM_RIGHT_READ);
	imp[1] = rsm_import(&self->scene, id, RW);
	ASSERT_LE(0, imp[1]);
	EXPECT_EQ(1, COUNT("rsm_connect", " id=0x%x rights=r\n", id));
	EXPECT_EQ(1, COUNT("rsm_connect", " id=0x%x rights=r|w\n", id));
	close(imp[0]);
	EXPECT_EQ(1, COUNT("rsm_disconnect", " id=0x%x rights=r\n", id));
	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	EXPECT_EQ(1, COUNT("rsm_abort", " id=0x%x rights=r|w\n", id));
	close(imp[1]);
	EXPECT_EQ(1, COUNT("rsm_disconnect", " id=0x%x rights=r|w\n", id));
}

TEST_F(trace, map_and_fault)
{
	int imp = rsm_import(&self->scene, self->exp.segid, RW);
	volatile char *map;

	ASSERT_LE(0, imp);
	map = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, imp, PAGE);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(1, COUNT("rsm_map", " offset=4096 length=8192 write=0\n"));
	(void)map[PAGE];
	EXPECT_EQ(1, COUNT("rsm_fault", " offset=8192 huge=0 ret=0x"));
}

TEST_F(trace, rebind)
{
	void *other = rsm_alloc(LENGTH);

	ASSERT_LE(0, rsm_import(&self->scene, self->exp.segid, RW));
	ASSERT_OK(rsm_rebind(self->exp.fd, other, LENGTH, NULL));
	EXPECT_EQ(1, COUNT("rsm_pin", " pages=4 extents="));
	EXPECT_EQ(1, COUNT("rsm_rebind", " rebinds=1 pages=4 imports=1 ns="));
	EXPECT_EQ(NULL, strstr(self->text, "ns=0"));
}

TEST_F(trace, signals)
{
	int imp = rsm_import(&self->scene, self->exp.segid, RW);

	ASSERT_LE(0, imp);
	ASSERT_OK(rsm_post(imp, 0, NULL));
	ASSERT_OK(rsm_post(imp, 0, NULL));
	ASSERT_OK(rsm_post(self->exp.fd, 0, NULL));
	EXPECT_EQ(1, COUNT("rsm_signal", " to=export pending=1\n"));
	EXPECT_EQ(1, COUNT("rsm_signal", " to=export pending=2\n"));
	EXPECT_EQ(1, COUNT("rsm_signal", " to=import pending=1\n"));
}

TEST_F(trace, copies)
{
	int imp = rsm_import(&self->scene, self->exp.segid, RW);
	char buffer[16] = {};

	ASSERT_LE(0, imp);
	ASSERT_OK(rsm_put(imp, buffer, 8, 16, NULL));
	ASSERT_OK(rsm_get(imp, buffer, 24, 8, NULL));
	EXPECT_EQ(1, COUNT("rsm_copy", " put offset=8 length=16 ret=0\n"));
	EXPECT_EQ(1, COUNT("rsm_copy", " get offset=24 length=8 ret=0\n"));
	EXPECT_NE(0, rsm_get(imp, buffer, LENGTH, 8, NULL));
	EXPECT_EQ(1, COUNT("rsm_copy", " get offset=16384 length=8 ret=%d\n",
			   RSM_ERR_BAD_OFFSET));
}

static int refused(void *arg)
{
	trace_self *self = arg;

	return rsm_import(&self->scene, self->exp.segid, RW) != -EACCES;
}

/* Nothing ends that has not begun. */
TEST_F(trace, what_is_refused_leaves_no_end)
{
	struct rsm_access_entry entry = { .node = self->scene.node };
	int ticket, imp;

	ASSERT_OK(rsm_grant(self->exp.fd, RW, &ticket, NULL));
	ASSERT_OK(rsm_republish(self->exp.fd, &entry, 1, NULL));
	EXPECT_EQ(0, rsm_in_child_as(1002, refused, self));
	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	EXPECT_EQ(-ENOENT, rsm_redeem(ticket, RW, &imp, NULL));
	read_buffer(self);
	EXPECT_EQ(NULL, strstr(self->text, "rsm_connect"));
	EXPECT_EQ(NULL, strstr(self->text, "rsm_disconnect"));
}

TEST_F(trace, a_published_segment_ends_with_its_id)
{
	ASSERT_OK(rsm_destroy(self->exp.fd, NULL));
	EXPECT_EQ(1, COUNT("rsm_unpublish", " id=0x%x\n", self->exp.segid));
	EXPECT_EQ(1, COUNT("rsm_destroy", " length=16384 "));
}

static int create_and_die(void *arg)
{
	trace_self *self = arg;
	struct rsm_export exp = {};

	return rsm_export_new(&self->scene, 2 * PAGE, 1, &exp) ? 1 : 0;
}

TEST_F(trace, end_of_the_creator)
{
	long end = rsm_now_ms() + RSM_QUIET_MS;

	ASSERT_EQ(0, rsm_in_child(create_and_die, self));
	do
		read_buffer(self);
	while (!strstr(self->text, "rsm_destroy") && rsm_now_ms() < end);
	EXPECT_NE(NULL, strstr(self->text, " length=8192 flags=rebind\n"));
	EXPECT_NE(NULL, strstr(self->text, "rsm_destroy"));
}

TEST_F(trace, no_addresses)
{
	int imp = rsm_import(&self->scene, self->exp.segid, RW);
	volatile char *map = rsm_map(imp, LENGTH, PROT_READ);

	ASSERT_NE(MAP_FAILED, map);
	(void)map[0];
	ASSERT_OK(rsm_rebind(self->exp.fd, rsm_alloc(LENGTH), LENGTH, NULL));
	ASSERT_LE(1, COUNT("rsm_fault", " "));
	EXPECT_EQ(NULL, strstr(self->text, "0x7f"));
	EXPECT_EQ(NULL, strstr(self->text, "0xffff"));
}

TEST_HARNESS_MAIN
