// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/PID/fdinfo/FD: that it tells what is, to whom, and nothing else.
 */
#include "rsm_utils.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>

#define PAGE 4096UL
#define LENGTH (4 * PAGE)
#define HUGE_PAGE (2UL << 20)
#define RW (RSM_RIGHT_READ | RSM_RIGHT_WRITE)
#define RACE_MS 1000

/* Users without privileges. */
#define OWNER 1001
#define OTHER 1002

#define TEXT_MAX 4096
#define VALUE_MAX 1024

FIXTURE(fdinfo)
{
	struct rsm_scene scene;
	struct rsm_export exp;
	int socket[2];
};

FIXTURE_SETUP(fdinfo)
{
	ASSERT_OK(rsm_scene_open(&self->scene));
	ASSERT_OK(rsm_export_locks(&self->scene, LENGTH, 1, &self->exp));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				self->socket));
}

FIXTURE_TEARDOWN(fdinfo)
{
	EXPECT_TRUE(rsm_scene_close(&self->scene));
}

typedef FIXTURE_DATA(fdinfo) fdinfo_self;

/* Read a whole file: 0 or a negative errno. */
static int read_text(const char *path, char text[TEXT_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t done = -1;

	if (fd >= 0)
		done = read(fd, text, TEXT_MAX - 1);
	if (done < 0) {
		done = -errno;
		if (fd >= 0)
			close(fd);
		return done;
	}
	text[done] = '\0';
	close(fd);
	return 0;
}

static int read_fdinfo(int fd, char text[TEXT_MAX])
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return read_text(path, text);
}

/* The value of a key, with tabs as blanks; "(none)" if it is not there. */
static const char *info(int fd, const char *key)
{
	static char value[VALUE_MAX];
	char text[TEXT_MAX], *line, *save;
	size_t length = strlen(key);
	char *c;

	strcpy(value, "(none)");
	if (read_fdinfo(fd, text))
		return "(not readable)";
	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, key, length) || line[length] != ':')
			continue;
		snprintf(value, sizeof(value), "%s", line + length + 2);
		for (c = value; *c; c++)
			if (*c == '\t')
				*c = ' ';
	}
	return value;
}

static long number(int fd, const char *key)
{
	const char *value = info(fd, key);
	char *end;
	long result = strtol(value, &end, 0);

	return end == value || *end ? -1 : result;
}

#define EXPECT_INFO(_value, _fd, _key) EXPECT_STREQ(_value, info(_fd, _key))

static long ns_number(const char *name)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	return stat(path, &st) ? -errno : (long)st.st_ino;
}

TEST_F(fdinfo, export_state)
{
	int fd = self->exp.fd;

	EXPECT_INFO("published", fd, "rsm-state");
	EXPECT_EQ(self->exp.segid, (__u32)number(fd, "rsm-id"));
	EXPECT_EQ(ns_number("ipc"), number(fd, "rsm-ipcns"));
	ASSERT_OK(rsm_unpublish(fd, NULL));
	EXPECT_INFO("unpublished", fd, "rsm-state");
	EXPECT_INFO("(none)", fd, "rsm-id");
	EXPECT_INFO("(none)", fd, "rsm-ipcns");
	EXPECT_EQ(4, number(fd, "rsm-pages"));
	ASSERT_OK(rsm_destroy(fd, NULL));
	EXPECT_INFO("ended", fd, "rsm-state");
	EXPECT_EQ(0, number(fd, "rsm-pages"));
	EXPECT_EQ(0, number(fd, "rsm-extents"));
}

TEST_F(fdinfo, what_an_export_was_made_with)
{
	int fd = self->exp.fd, plain;

	EXPECT_INFO("loopback", fd, "rsm-controller");
	EXPECT_EQ(getpid(), number(fd, "rsm-creator"));
	EXPECT_EQ(LENGTH, (size_t)number(fd, "rsm-length"));
	EXPECT_INFO("rebind locks", fd, "rsm-flags");
	ASSERT_OK(rsm_create(self->scene.fd, self->scene.controller,
			     self->exp.mem, PAGE, 0, &plain, NULL));
	EXPECT_INFO("-", plain, "rsm-flags");
	EXPECT_EQ(PAGE, (size_t)number(plain, "rsm-length"));
	ASSERT_OK(rsm_create(self->scene.fd, self->scene.controller,
			     self->exp.mem, PAGE, RSM_EXPORT_DONTWAIT, &plain,
			     NULL));
	EXPECT_INFO("dontwait", plain, "rsm-flags");
}

static int owner_and_mode(void *arg)
{
	fdinfo_self *self = arg;
	struct rsm_export exp = {};

	umask(0026);
	if (rsm_export_new(&self->scene, PAGE, 1, &exp))
		return 1;
	if (number(exp.fd, "rsm-uid") != OWNER)
		return 2;
	if (number(exp.fd, "rsm-gid") != OWNER)
		return 3;
	return strcmp(info(exp.fd, "rsm-mode"), "0640") ? 4 : 0;
}

TEST_F(fdinfo, owner_and_mode)
{
	EXPECT_EQ(0, rsm_in_child_as(OWNER, owner_and_mode, self));
}

TEST_F(fdinfo, access_list)
{
	struct rsm_access_entry entry = {
		.node = self->scene.node,
		.perm = 0640,
	};
	int fd = self->exp.fd;
	char wanted[32];

	EXPECT_INFO("(none)", fd, "rsm-acl");
	ASSERT_OK(rsm_republish(fd, &entry, 1, NULL));
	snprintf(wanted, sizeof(wanted), "%u:0640", self->scene.node);
	EXPECT_INFO(wanted, fd, "rsm-acl");
	ASSERT_OK(rsm_republish(fd, NULL, 0, NULL));
	EXPECT_INFO("(none)", fd, "rsm-acl");
}

TEST_F(fdinfo, number_of_imports)
{
	int fd = self->exp.fd, imp[3], i;
	__u32 id = self->exp.segid;

	EXPECT_EQ(0, number(fd, "rsm-imports"));
	for (i = 0; i < 3; i++) {
		imp[i] = rsm_import(&self->scene, id, RW);
		ASSERT_LE(0, imp[i]);
		EXPECT_EQ(i + 1, number(fd, "rsm-imports"));
	}
	close(imp[0]);
	EXPECT_EQ(2, number(fd, "rsm-imports"));
	ASSERT_OK(rsm_unpublish(fd, NULL));
	EXPECT_EQ(0, number(fd, "rsm-imports"));
	close(imp[1]);
	EXPECT_EQ(0, number(fd, "rsm-imports"));
	id = 0;
	ASSERT_OK(rsm_publish(fd, &id, NULL, 0, NULL));
	imp[0] = rsm_import(&self->scene, id, RW);
	ASSERT_LE(0, imp[0]);
	/* aborted, and closed only now */
	close(imp[2]);
	EXPECT_EQ(1, number(fd, "rsm-imports"));
}

static int refused(void *arg)
{
	fdinfo_self *self = arg;

	return rsm_import(&self->scene, self->exp.segid, RW) != -EACCES;
}

TEST_F(fdinfo, who_is_refused_is_not_counted)
{
	struct rsm_access_entry entry = { .node = self->scene.node };

	ASSERT_OK(rsm_republish(self->exp.fd, &entry, 1, NULL));
	EXPECT_EQ(0, rsm_in_child_as(OTHER, refused, self));
	EXPECT_EQ(0, number(self->exp.fd, "rsm-imports"));
}

TEST_F(fdinfo, signals)
{
	int imp = rsm_import(&self->scene, self->exp.segid, RW), i;

	ASSERT_LE(0, imp);
	for (i = 0; i < 3; i++)
		ASSERT_OK(rsm_post(imp, 0, NULL));
	ASSERT_OK(rsm_post(imp, RSM_SIGNAL_NO_ACCUMULATE, NULL));
	EXPECT_EQ(3, number(self->exp.fd, "rsm-signals"));
	EXPECT_EQ(3, number(self->exp.fd, "rsm-posted"));
	EXPECT_EQ(0, number(imp, "rsm-posted"));
	ASSERT_OK(rsm_take(self->exp.fd, 0, NULL));
	EXPECT_EQ(2, number(self->exp.fd, "rsm-signals"));
	EXPECT_EQ(3, number(self->exp.fd, "rsm-posted"));
	ASSERT_OK(rsm_post(self->exp.fd, 0, NULL));
	EXPECT_EQ(1, number(imp, "rsm-signals"));
	EXPECT_EQ(1, number(imp, "rsm-posted"));
}

TEST_F(fdinfo, rebinds)
{
	int imp = rsm_import(&self->scene, self->exp.segid, RW), i;
	char *other = rsm_alloc(LENGTH);

	ASSERT_LE(0, imp);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(i, number(self->exp.fd, "rsm-rebinds"));
		EXPECT_EQ(i, number(imp, "rsm-rebinds"));
		ASSERT_OK(rsm_rebind(self->exp.fd, i & 1 ? self->exp.mem : other,
				     LENGTH, NULL));
	}
}

TEST_F(fdinfo, locks)
{
	int imp = rsm_import(&self->scene, self->exp.segid, RW);

	ASSERT_LE(0, imp);
	ASSERT_OK(rsm_lock(imp, 0, 0, NULL, NULL));
	ASSERT_OK(rsm_lock(imp, 8, 0, NULL, NULL));
	EXPECT_EQ(2, number(imp, "rsm-locks"));
	EXPECT_EQ(0, number(self->exp.fd, "rsm-locks"));
	ASSERT_OK(rsm_unlock(imp, 8, NULL));
	EXPECT_EQ(1, number(imp, "rsm-locks"));
}

static void *alloc_huge(size_t length)
{
	char count[32];

	snprintf(count, sizeof(count), "%zu", length / HUGE_PAGE);
	rsm_file_write("/proc/sys/vm/nr_hugepages", count);
	return mmap(NULL, length, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
}

TEST_F(fdinfo, pages_by_size)
{
	void *huge = alloc_huge(2 * HUGE_PAGE);
	int fd;

	EXPECT_EQ(LENGTH / PAGE, (size_t)number(self->exp.fd, "rsm-pages"));
	EXPECT_EQ(0, number(self->exp.fd, "rsm-pages-2M"));
	EXPECT_LE(1, number(self->exp.fd, "rsm-extents"));
	EXPECT_GE(4, number(self->exp.fd, "rsm-extents"));
	if (huge == MAP_FAILED)
		SKIP(return, "no huge pages");
	ASSERT_OK(rsm_create(self->scene.fd, self->scene.controller, huge,
			     2 * HUGE_PAGE, 0, &fd, NULL));
	EXPECT_EQ(1024, number(fd, "rsm-pages"));
	EXPECT_EQ(2, number(fd, "rsm-pages-2M"));
	close(fd);
	/* half a huge page at either end */
	ASSERT_OK(rsm_create(self->scene.fd, self->scene.controller,
			     huge + HUGE_PAGE / 2, HUGE_PAGE, 0, &fd, NULL));
	EXPECT_EQ(512, number(fd, "rsm-pages"));
	EXPECT_GE(1, number(fd, "rsm-pages-2M"));
	close(fd);
	munmap(huge, 2 * HUGE_PAGE);
	alloc_huge(0);
}

TEST_F(fdinfo, import_state)
{
	int imp = rsm_import(&self->scene, self->exp.segid, RW);

	ASSERT_LE(0, imp);
	EXPECT_INFO("connected", imp, "rsm-state");
	EXPECT_INFO("loopback", imp, "rsm-controller");
	EXPECT_INFO("rebind locks", imp, "rsm-flags");
	EXPECT_EQ(self->exp.segid, (__u32)number(imp, "rsm-id"));
	EXPECT_EQ(ns_number("ipc"), number(imp, "rsm-ipcns"));
	EXPECT_EQ(getpid(), number(imp, "rsm-creator"));
	EXPECT_EQ(LENGTH, (size_t)number(imp, "rsm-length"));
	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	EXPECT_INFO("aborted", imp, "rsm-state");
	EXPECT_EQ(self->exp.segid, (__u32)number(imp, "rsm-id"));
}

TEST_F(fdinfo, import_rights)
{
	static const struct {
		__u32 perm;
		const char *text;
	} rights[] = {
		{ 0, "-" },
		{ RSM_RIGHT_READ, "r" },
		{ RSM_RIGHT_WRITE, "w" },
		{ RW, "rw" },
	};
	unsigned int i;
	int imp;

	for (i = 0; i < ARRAY_SIZE(rights); i++) {
		imp = rsm_import(&self->scene, self->exp.segid, rights[i].perm);
		ASSERT_LE(0, imp);
		EXPECT_INFO(rights[i].text, imp, "rsm-rights");
		close(imp);
	}
}

TEST_F(fdinfo, import_mappings)
{
	int imp = rsm_import(&self->scene, self->exp.segid, RW);
	char *map;

	ASSERT_LE(0, imp);
	EXPECT_EQ(0, number(imp, "rsm-mappings"));
	map = rsm_map(imp, LENGTH, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(1, number(imp, "rsm-mappings"));
	ASSERT_EQ(0, munmap(map + PAGE, PAGE));
	EXPECT_EQ(2, number(imp, "rsm-mappings"));
	ASSERT_EQ(0, munmap(map, LENGTH));
	EXPECT_EQ(0, number(imp, "rsm-mappings"));
}

static int redeem_and_send(void *arg)
{
	fdinfo_self *self = arg;
	int imp = -1;

	if (rsm_redeem(rsm_receive_fd(self->socket[1]), RSM_RIGHT_READ, &imp,
		       NULL))
		return 1;
	return rsm_send_fd(self->socket[1], imp) ? 2 : 0;
}

/* Who made it, whoever has it now. */
TEST_F(fdinfo, user_who_it_counts_for)
{
	int ticket, imp;

	ASSERT_OK(rsm_grant(self->exp.fd, RSM_RIGHT_READ, &ticket, NULL));
	EXPECT_EQ(0, number(self->exp.fd, "rsm-user"));
	EXPECT_EQ(0, number(ticket, "rsm-user"));
	ASSERT_EQ(0, rsm_send_fd(self->socket[0], ticket));
	ASSERT_EQ(0, rsm_in_child_as(OTHER, redeem_and_send, self));
	imp = rsm_receive_fd(self->socket[0]);
	ASSERT_LE(0, imp);
	EXPECT_EQ(OTHER, number(imp, "rsm-user"));
	EXPECT_EQ(3, rsm_stat("handles") - self->scene.before.handles);
}

TEST_F(fdinfo, tickets)
{
	int ticket, imp;

	ASSERT_OK(rsm_grant(self->exp.fd, RSM_RIGHT_READ, &ticket, NULL));
	EXPECT_INFO("valid", ticket, "rsm-state");
	EXPECT_INFO("r", ticket, "rsm-rights");
	EXPECT_EQ(LENGTH, (size_t)number(ticket, "rsm-length"));
	EXPECT_INFO("(none)", ticket, "rsm-id");
	ASSERT_OK(rsm_redeem(ticket, RSM_RIGHT_READ, &imp, NULL));
	/* How it came by the segment is not told. */
	EXPECT_EQ(0, number(imp, "rsm-id"));
	EXPECT_EQ(0, number(imp, "rsm-ipcns"));
	EXPECT_EQ(1, number(self->exp.fd, "rsm-imports"));
	ASSERT_OK(rsm_unpublish(self->exp.fd, NULL));
	EXPECT_INFO("ended", ticket, "rsm-state");
	self->exp.segid = 0;
	ASSERT_OK(rsm_publish(self->exp.fd, &self->exp.segid, NULL, 0, NULL));
	EXPECT_INFO("ended", ticket, "rsm-state");
}

TEST_F(fdinfo, one_number_for_a_segment)
{
	int imp = rsm_import(&self->scene, self->exp.segid, RW), ticket;
	long segment = number(self->exp.fd, "rsm-segment");
	struct rsm_export other;

	EXPECT_LT(0, segment);
	ASSERT_LE(0, imp);
	EXPECT_EQ(segment, number(imp, "rsm-segment"));
	ASSERT_OK(rsm_grant(self->exp.fd, RW, &ticket, NULL));
	EXPECT_EQ(segment, number(ticket, "rsm-segment"));
	EXPECT_EQ(segment, number(dup(self->exp.fd), "rsm-segment"));
	ASSERT_OK(rsm_export_new(&self->scene, PAGE, 1, &other));
	EXPECT_NE(segment, number(other.fd, "rsm-segment"));
	/* also when the export is gone */
	close(self->exp.fd);
	EXPECT_EQ(segment, number(imp, "rsm-segment"));
}

static int export_and_die(void *arg)
{
	fdinfo_self *self = arg;
	struct rsm_export exp = {};

	return rsm_export_new(&self->scene, PAGE, 1, &exp) ?:
	       rsm_send_fd(self->socket[0], exp.fd);
}

TEST_F(fdinfo, a_creator_that_has_ended_has_no_number)
{
	long end = rsm_now_ms() + RSM_QUIET_MS;
	int fd;

	ASSERT_EQ(0, rsm_in_child(export_and_die, self));
	fd = rsm_receive_fd(self->socket[1]);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, number(fd, "rsm-creator"));
	while (strcmp(info(fd, "rsm-state"), "ended") && rsm_now_ms() < end)
		rsm_sleep_ms(10);
	EXPECT_INFO("ended", fd, "rsm-state");
}

/* What of the caller's is shown elsewhere */

static int read_as_another(void *arg)
{
	char text[TEXT_MAX];

	return read_text(arg, text) != -EACCES;
}

TEST_F(fdinfo, threat_61_not_for_others)
{
	char path[64], text[TEXT_MAX];

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", getpid(),
		 self->exp.fd);
	ASSERT_OK(read_text(path, text));
	EXPECT_EQ(0, rsm_in_child_as(OTHER, read_as_another, path));
}

static unsigned long long largest_number(const char *text)
{
	unsigned long long value, largest = 0;
	char *end;

	while (*text) {
		if (*text < '0' || *text > '9') {
			text++;
			continue;
		}
		value = strtoull(text, &end, *text == '0' && text[1] == 'x' ? 16 :
								    10);
		if (value > largest)
			largest = value;
		text = end;
	}
	return largest;
}

TEST_F(fdinfo, threat_61_no_addresses)
{
	int imp = rsm_import(&self->scene, self->exp.segid, RW), ticket, fd;
	char text[TEXT_MAX];

	ASSERT_LE(0, imp);
	ASSERT_NE(MAP_FAILED, rsm_map(imp, LENGTH, PROT_READ));
	ASSERT_OK(rsm_grant(self->exp.fd, RW, &ticket, NULL));
	for (fd = self->scene.fd; fd <= ticket; fd++) {
		if (read_fdinfo(fd, text))
			continue;
		/* of user space, of the kernel, and numbers of page frames */
		EXPECT_GT(0x100000000ULL, largest_number(text));
		EXPECT_EQ(NULL, strstr(text, "ffff"));
	}
}

static int in_pid_namespace(void *arg)
{
	fdinfo_self *self = arg;

	if (mount("proc", "/proc", "proc", 0, NULL))
		return 1;
	if (getpid() != 1)
		return 2;
	if (number(self->exp.fd, "rsm-creator"))
		return 3;
	return number(self->exp.fd, "rsm-length") != (long)LENGTH ? 4 : 0;
}

static int enter_pid_namespace(void *arg)
{
	if (unshare(CLONE_NEWPID | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return 10;
	return rsm_in_child(in_pid_namespace, arg);
}

TEST_F(fdinfo, threat_61_processes_of_other_namespaces_have_no_number)
{
	EXPECT_EQ(0, rsm_in_child(enter_pid_namespace, self));
}

static int in_user_namespace(void *arg)
{
	fdinfo_self *self = arg;

	if (unshare(CLONE_NEWUSER))
		return 1;
	/* without a mapping everybody is nobody */
	if (number(self->exp.fd, "rsm-uid") != RSM_NOBODY)
		return 2;
	return number(self->exp.fd, "rsm-gid") != RSM_NOBODY ? 3 : 0;
}

TEST_F(fdinfo, threat_61_users_of_other_namespaces_have_no_number)
{
	EXPECT_EQ(0, number(self->exp.fd, "rsm-uid"));
	EXPECT_EQ(0, rsm_in_child(in_user_namespace, self));
}

/* That looking is safe at any time */

static volatile bool stop;

static void *reader(void *arg)
{
	fdinfo_self *self = arg;
	char text[TEXT_MAX];
	long reads = 0;
	int fd;

	while (!stop)
		for (fd = self->scene.fd; fd < self->scene.fd + 8; fd++)
			reads += !read_fdinfo(fd, text);
	return (void *)reads;
}

/* One life of a segment, with an import and a ticket */
static int live_once(fdinfo_self *self, void *other)
{
	struct rsm_access_entry entry = { .node = self->scene.node };
	struct rsm_export exp = {};
	int imp, ticket, ret;

	ret = rsm_export_mem(&self->scene, self->exp.mem, LENGTH, &exp);
	if (ret)
		return ret;
	imp = rsm_import(&self->scene, exp.segid, RW);
	ret = rsm_grant(exp.fd, RW, &ticket, NULL) ?:
	      rsm_republish(exp.fd, &entry, 1, NULL) ?:
	      rsm_rebind(exp.fd, other, LENGTH, NULL) ?:
	      rsm_post(imp, 0, NULL) ?:
	      rsm_unpublish(exp.fd, NULL) ?:
	      rsm_destroy(exp.fd, NULL);
	close(imp);
	close(ticket);
	close(exp.fd);
	return ret;
}

TEST_F(fdinfo, reads_beside_all_else)
{
	char *other = rsm_alloc(LENGTH);
	long end = rsm_now_ms() + RACE_MS;
	pthread_t thread;
	void *reads;

	stop = false;
	ASSERT_EQ(0, pthread_create(&thread, NULL, reader, self));
	while (rsm_now_ms() < end)
		ASSERT_OK(live_once(self, other));
	stop = true;
	pthread_join(thread, &reads);
	EXPECT_LT(0, (long)reads);
}

TEST_HARNESS_MAIN
