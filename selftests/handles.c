// SPDX-License-Identifier: GPL-2.0-only
/*
 * Handles: who may hold them, in which order they go, and that nothing is
 * left of them. The test process is the exporter.
 */
#include "rsm_utils.h"
#include "rsm_cgroup.h"

#include <linux/falloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#define PAGES 16
#define LENGTH (PAGES * rsm_page_size())
#define SEED 7
#define LATER_SEED 8
#define RIGHTS (RSM_RIGHT_READ | RSM_RIGHT_WRITE)
#define ROUNDS 1000
#define RACE_MS 2500
#define SET_USER_ID "/tmp/rsm-handles"

/* What a program that executes as another user can do with an import. */
struct verdict {
	uid_t uid, euid;
	int load, store, put, get;
};

/* 0, or minus errno of mapping it. */
static int try_map(int fd, int prot)
{
	void *mem = rsm_map(fd, LENGTH, prot);

	if (mem == MAP_FAILED)
		return -errno;
	return rsm_stamp_check(mem, LENGTH, SEED) == -1 ? 0 : -EIO;
}

static void try_as_importer(int fd, int report)
{
	char word[8] = { 0 };
	struct verdict verdict = {
		.uid = getuid(),
		.euid = geteuid(),
		.load = try_map(fd, PROT_READ),
		.store = try_map(fd, PROT_READ | PROT_WRITE),
		.put = rsm_put(fd, word, 0, sizeof(word), NULL),
		.get = rsm_get(fd, word, 0, sizeof(word), NULL),
	};

	if (write(report, &verdict, sizeof(verdict)) < 0)
		_exit(1);
}

/* What a process becomes that has called exec: it only has to be there. */
__attribute__((constructor)) static void pause_if_told(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "--try"))
		try_as_importer(atoi(argv[2]), atoi(argv[3]));
	else if (argc != 2 || strcmp(argv[1], "--pause"))
		return;
	for (;;)
		pause();
}

FIXTURE(handles)
{
	struct rsm_stats before;
	int ctl;
	int memfd;
	void *mem;
	int export;
	__u32 segid;
	int import;
};

/* The memory is that of a memfd, at its start. */
FIXTURE_SETUP(handles)
{
	self->segid = 0;
	self->ctl = rsm_open();
	ASSERT_LE(0, self->ctl);
	rsm_stats_read(&self->before);
	self->memfd = memfd_create("handles", MFD_CLOEXEC);
	ASSERT_LE(0, self->memfd);
	ASSERT_EQ(0, ftruncate(self->memfd, LENGTH));
	self->mem = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED,
			 self->memfd, 0);
	ASSERT_NE(MAP_FAILED, self->mem);
	rsm_stamp(self->mem, LENGTH, SEED);
	ASSERT_OK(rsm_create(self->ctl, 0, self->mem, LENGTH,
			     RSM_EXPORT_ALLOW_REBIND, &self->export, NULL));
	ASSERT_OK(rsm_publish(self->export, &self->segid, NULL, 0, NULL));
	ASSERT_OK(rsm_connect(self->ctl, 0, 0, self->segid, RIGHTS,
			      &self->import, NULL));
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

FIXTURE_TEARDOWN(handles)
{
	close_fd(&self->import);
	close_fd(&self->export);
	EXPECT_TRUE(rsm_stats_settle(&self->before));
}

static int events(int fd)
{
	struct pollfd pfd = { .fd = fd };

	return poll(&pfd, 1, 0) < 0 ? -errno : pfd.revents;
}

/* 17: the exported memory goes away, and the importers keep the pages */

static int vanish_munmap(void *mem, int memfd)
{
	(void)memfd;
	return munmap(mem, LENGTH);
}

static int vanish_map_over(void *mem, int memfd)
{
	(void)memfd;
	return mmap(mem, LENGTH, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS |
		    MAP_FIXED, -1, 0) == MAP_FAILED;
}

static int vanish_mremap(void *mem, int memfd)
{
	(void)memfd;
	return mremap(mem, LENGTH, LENGTH * 4, MREMAP_MAYMOVE) == MAP_FAILED;
}

static int vanish_dontneed(void *mem, int memfd)
{
	(void)memfd;
	return madvise(mem, LENGTH, MADV_DONTNEED);
}

static int vanish_remove(void *mem, int memfd)
{
	(void)memfd;
	return madvise(mem, LENGTH, MADV_REMOVE);
}

static int vanish_hole(void *mem, int memfd)
{
	(void)mem;
	return fallocate(memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			 LENGTH);
}

static int vanish_truncate(void *mem, int memfd)
{
	(void)mem;
	return ftruncate(memfd, 0);
}

FIXTURE(vanish)
{
	FIXTURE_DATA(handles) base;
};

FIXTURE_VARIANT(vanish)
{
	int (*vanish)(void *mem, int memfd);
	bool anonymous;
};

FIXTURE_VARIANT_ADD(vanish, munmap) { .vanish = vanish_munmap };
FIXTURE_VARIANT_ADD(vanish, map_over) { .vanish = vanish_map_over };
FIXTURE_VARIANT_ADD(vanish, mremap) { .vanish = vanish_mremap };
FIXTURE_VARIANT_ADD(vanish, dontneed) { .vanish = vanish_dontneed };
FIXTURE_VARIANT_ADD(vanish, remove) { .vanish = vanish_remove };
FIXTURE_VARIANT_ADD(vanish, hole) { .vanish = vanish_hole };
FIXTURE_VARIANT_ADD(vanish, truncate) { .vanish = vanish_truncate };

FIXTURE_VARIANT_ADD(vanish, anonymous_munmap)
{
	.vanish = vanish_munmap,
	.anonymous = true,
};

FIXTURE_VARIANT_ADD(vanish, anonymous_map_over)
{
	.vanish = vanish_map_over,
	.anonymous = true,
};

FIXTURE_VARIANT_ADD(vanish, anonymous_mremap)
{
	.vanish = vanish_mremap,
	.anonymous = true,
};

FIXTURE_VARIANT_ADD(vanish, anonymous_dontneed)
{
	.vanish = vanish_dontneed,
	.anonymous = true,
};

FIXTURE_SETUP(vanish)
{
	FIXTURE_DATA(handles) *base = &self->base;

	handles_setup(_metadata, base, NULL);
	if (!variant->anonymous)
		return;
	base->mem = rsm_alloc(LENGTH);
	ASSERT_NE(MAP_FAILED, base->mem);
	rsm_stamp(base->mem, LENGTH, SEED);
	ASSERT_OK(rsm_rebind(base->export, base->mem, LENGTH, NULL));
}

FIXTURE_TEARDOWN(vanish)
{
	handles_teardown(_metadata, &self->base, NULL);
}

TEST_F(vanish, threat_17_importers_keep_the_pages)
{
	FIXTURE_DATA(handles) *base = &self->base;
	void *touched = rsm_map(base->import, LENGTH, PROT_READ | PROT_WRITE);
	void *fresh = rsm_map(base->import, LENGTH, PROT_READ | PROT_WRITE);
	void *mem = rsm_alloc(LENGTH);

	ASSERT_NE(MAP_FAILED, touched);
	ASSERT_NE(MAP_FAILED, fresh);
	ASSERT_EQ(-1, rsm_stamp_check(touched, LENGTH, SEED));
	ASSERT_EQ(0, variant->vanish(base->mem, base->memfd));
	EXPECT_EQ(-1, rsm_stamp_check(touched, LENGTH, SEED));
	EXPECT_EQ(-1, rsm_stamp_check(fresh, LENGTH, SEED));
	rsm_stamp(touched, LENGTH, 3);
	EXPECT_EQ(-1, rsm_stamp_check(fresh, LENGTH, 3));
	EXPECT_EQ(0, events(base->import));

	/* And a rebind brings them together again. */
	rsm_stamp(mem, LENGTH, LATER_SEED);
	EXPECT_OK(rsm_rebind(base->export, mem, LENGTH, NULL));
	EXPECT_EQ(-1, rsm_stamp_check(touched, LENGTH, LATER_SEED));
	munmap(touched, LENGTH);
	munmap(fresh, LENGTH);
}

/* Importers that go without a word */

struct job {
	FIXTURE_DATA(handles) *self;
	int socket;
	void (*die)(void);
};

static void die_exit(void)
{
	_exit(0);
}

static void die_kill(void)
{
	kill(getpid(), SIGKILL);
}

static void die_exec(void)
{
	execl("/proc/self/exe", "handles", "--pause", NULL);
}

static void import_and_die(struct job *job)
{
	void *mem;
	int fd;

	if (rsm_connect(job->self->ctl, 0, 0, job->self->segid, RIGHTS, &fd,
			NULL))
		_exit(1);
	mem = rsm_map(fd, LENGTH, PROT_READ | PROT_WRITE);
	if (mem == MAP_FAILED || rsm_stamp_check(mem, LENGTH, SEED) != -1)
		_exit(2);
	if (write(job->socket, "", 1) == 1)
		job->die();
	_exit(3);
}

static void check_importer_dies(struct __test_metadata *_metadata,
				FIXTURE_DATA(handles) *self, void (*die)(void))
{
	struct rsm_stats before;
	int pipes[2];
	char byte;
	struct job job = { .self = self, .die = die };
	pid_t pid;

	ASSERT_EQ(0, pipe2(pipes, O_CLOEXEC));
	job.socket = pipes[1];
	rsm_stats_read(&before);
	fflush(NULL);
	pid = fork();
	if (!pid)
		import_and_die(&job);
	EXPECT_EQ(1, read(pipes[0], &byte, 1));
	EXPECT_TRUE(rsm_stats_settle(&before));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	EXPECT_EQ(0, events(self->export));
}

TEST_F(handles, importer_exits)
{
	check_importer_dies(_metadata, self, die_exit);
}

TEST_F(handles, importer_is_killed)
{
	check_importer_dies(_metadata, self, die_kill);
}

TEST_F(handles, threat_16_importer_executes)
{
	check_importer_dies(_metadata, self, die_exec);
}

static void die_exec_set_user_id(void)
{
	execl(SET_USER_ID, "handles", "--pause", NULL);
}

TEST_F(handles, threat_16_importer_executes_set_user_id)
{
	ASSERT_OK(rsm_copy_program(SET_USER_ID, 04755));
	check_importer_dies(_metadata, self, die_exec_set_user_id);
	unlink(SET_USER_ID);
}

/* As nobody, import with the right to read, and execute with the import. */
static void import_and_execute(FIXTURE_DATA(handles) *self, int report)
{
	char import[12], to[12];
	void *mem;
	int fd;

	if (rsm_drop_to(RSM_NOBODY) ||
	    rsm_connect(self->ctl, 0, 0, self->segid, RSM_RIGHT_READ, &fd,
			NULL))
		_exit(1);
	mem = rsm_map(fd, LENGTH, PROT_READ);
	if (mem == MAP_FAILED || rsm_stamp_check(mem, LENGTH, SEED) != -1)
		_exit(2);
	fcntl(fd, F_SETFD, 0);
	fcntl(report, F_SETFD, 0);
	snprintf(import, sizeof(import), "%d", fd);
	snprintf(to, sizeof(to), "%d", report);
	execl(SET_USER_ID, "handles", "--try", import, to, NULL);
	_exit(3);
}

/* It is root now, and has what it had: an import that it may read. */
TEST_F(handles, threat_16_set_user_id_program_inherits_an_import)
{
	struct rsm_stats before;
	struct verdict verdict;
	int pipes[2];
	pid_t pid;

	ASSERT_OK(rsm_copy_program(SET_USER_ID, 04755));
	ASSERT_EQ(0, pipe2(pipes, O_CLOEXEC));
	rsm_stats_read(&before);
	fflush(NULL);
	pid = fork();
	if (!pid)
		import_and_execute(self, pipes[1]);
	close(pipes[1]);
	ASSERT_EQ((ssize_t)sizeof(verdict),
		  read(pipes[0], &verdict, sizeof(verdict)));
	unlink(SET_USER_ID);
	EXPECT_EQ(RSM_NOBODY, verdict.uid);
	EXPECT_EQ(0, verdict.euid);
	EXPECT_EQ(0, verdict.load);
	EXPECT_EQ(-EACCES, verdict.store);
	EXPECT_EQ(-EACCES, verdict.put);
	EXPECT_EQ(0, verdict.get);
	/* the mapping that it has made, and not the one from before */
	EXPECT_EQ(before.areas + 1, rsm_stat("areas"));
	EXPECT_EQ(before.imports + 1, rsm_stat("imports"));
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, rsm_wait_child(pid));
	EXPECT_TRUE(rsm_stats_settle(&before));
}

/* Orders of letting go */

TEST_F(handles, close_before_munmap)
{
	void *mem = rsm_map(self->import, LENGTH, PROT_READ | PROT_WRITE);

	ASSERT_NE(MAP_FAILED, mem);
	close_fd(&self->import);
	EXPECT_EQ(-1, rsm_stamp_check(mem, LENGTH, SEED));
	EXPECT_EQ(self->before.imports + 1, rsm_stat("imports"));
	munmap(mem, LENGTH);
}

TEST_F(handles, munmap_before_close)
{
	void *mem = rsm_map(self->import, LENGTH, PROT_READ | PROT_WRITE);

	ASSERT_NE(MAP_FAILED, mem);
	EXPECT_EQ(-1, rsm_stamp_check(mem, LENGTH, SEED));
	EXPECT_EQ(self->before.areas + 1, rsm_stat("areas"));
	munmap(mem, LENGTH);
	EXPECT_EQ(self->before.areas, rsm_stat("areas"));
	EXPECT_EQ(self->before.imports + 1, rsm_stat("imports"));
}

TEST_F(handles, export_closed_before_import)
{
	volatile uint64_t *mem = rsm_map(self->import, LENGTH, PROT_READ);

	ASSERT_NE(MAP_FAILED, mem);
	EXPECT_NE(0, mem[rsm_page_size() / sizeof(*mem)]);
	close_fd(&self->export);
	EXPECT_EQ(POLLERR | POLLHUP, events(self->import));
	EXPECT_EQ(0, mem[rsm_page_size() / sizeof(*mem)]);
	EXPECT_EQ(self->before.pinned_pages, rsm_stat("pinned_pages"));
	munmap((void *)mem, LENGTH);
}

TEST_F(handles, export_closed_before_import_is_mapped)
{
	close_fd(&self->export);
	EXPECT_EQ(MAP_FAILED, rsm_map(self->import, LENGTH, PROT_READ));
	EXPECT_EQ(ENODEV, errno);
}

TEST_F(handles, export_destroyed_before_close)
{
	volatile uint64_t *mem = rsm_map(self->import, LENGTH, PROT_READ);

	ASSERT_NE(MAP_FAILED, mem);
	EXPECT_OK(rsm_destroy(self->export, NULL));
	EXPECT_EQ(0, mem[0]);
	EXPECT_EQ(POLLERR | POLLHUP, events(self->export));
	EXPECT_EQ(self->before.pinned_pages, rsm_stat("pinned_pages"));
	close_fd(&self->import);
	munmap((void *)mem, LENGTH);
}

TEST_F(handles, control_node_closed_first)
{
	void *mem = rsm_map(self->import, LENGTH, PROT_READ);

	ASSERT_NE(MAP_FAILED, mem);
	close_fd(&self->ctl);
	EXPECT_EQ(-1, rsm_stamp_check(mem, LENGTH, SEED));
	EXPECT_EQ(0, events(self->import));
	munmap(mem, LENGTH);
}

TEST_F(handles, double_close)
{
	int fd = self->import;

	EXPECT_EQ(0, close(fd));
	self->import = -1;
	EXPECT_EQ(-1, close(fd));
	EXPECT_EQ(EBADF, errno);
}

static int hold_until_eof(void *arg)
{
	struct job *job = arg;
	char byte;

	return read(job->socket, &byte, 1);
}

/* Others' copies of the descriptor do not keep the segment. */
TEST_F(handles, destroy_with_a_copy_elsewhere)
{
	struct job job;
	int pipes[2];
	pid_t pid;

	ASSERT_EQ(0, pipe2(pipes, O_CLOEXEC));
	job.socket = pipes[0];
	pid = fork();
	if (!pid) {
		close(pipes[1]);
		_exit(hold_until_eof(&job));
	}
	close(pipes[0]);
	EXPECT_OK(rsm_destroy(self->export, NULL));
	EXPECT_EQ(POLLERR | POLLHUP, events(self->import));
	EXPECT_EQ(self->before.pinned_pages, rsm_stat("pinned_pages"));
	EXPECT_EQ(self->before.segments + 1, rsm_stat("segments"));
	close(pipes[1]);
	EXPECT_EQ(0, rsm_wait_child(pid));
}

/* Passing descriptors to a process that was there before */

/* fds[0] is an export, fds[1] an import. */
static void use_passed(struct __test_metadata *_metadata, int *fds)
{
	void *mem = rsm_map(fds[1], LENGTH, PROT_READ | PROT_WRITE);
	__u32 segid = 0;

	EXPECT_NE(MAP_FAILED, mem);
	EXPECT_EQ(-1, rsm_stamp_check(mem, LENGTH, SEED));
	rsm_stamp(mem, LENGTH, LATER_SEED);
	EXPECT_FAIL(EPERM, RSM_ERR_NOT_CREATOR,
		    rsm_publish(fds[0], &segid, NULL, 0, &error));
	EXPECT_FAIL(EPERM, RSM_ERR_NOT_CREATOR,
		    rsm_rebind(fds[0], mem, LENGTH, &error));
	EXPECT_FAIL(EPERM, RSM_ERR_NOT_CREATOR, rsm_destroy(fds[0], &error));
}

TEST_F(handles, threat_15_passed_over_a_socket)
{
	int sockets[2], fds[2];
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				sockets));
	fflush(NULL);
	pid = fork();
	if (!pid) {
		close_fd(&self->import);
		close_fd(&self->export);
		fds[0] = rsm_receive_fd(sockets[1]);
		fds[1] = rsm_receive_fd(sockets[1]);
		if (fds[0] < 0 || fds[1] < 0)
			_exit(1);
		use_passed(_metadata, fds);
		_exit(0);
	}
	EXPECT_OK(rsm_send_fd(sockets[0], self->export));
	EXPECT_OK(rsm_send_fd(sockets[0], self->import));
	EXPECT_EQ(0, rsm_wait_child(pid));
	EXPECT_EQ(-1, rsm_stamp_check(self->mem, LENGTH, LATER_SEED));
	EXPECT_EQ(0, events(self->import));
}

struct impostor {
	int sockets[2];
	int export;
	void *mem;
};

/* Make a segment, pass its descriptor on, and exit. */
static int creator_of_pid(struct impostor *arg)
{
	int fd, ctl = rsm_open();

	arg->mem = rsm_alloc(LENGTH);
	if (rsm_create(ctl, 0, arg->mem, LENGTH, RSM_EXPORT_ALLOW_REBIND, &fd,
		       NULL))
		return 1;
	return !!rsm_send_fd(arg->sockets[1], fd);
}

static pid_t fork_with_pid(pid_t pid)
{
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal;
		uint64_t stack, stack_size, tls, set_tid, set_tid_size;
	} args = {
		.exit_signal = SIGCHLD,
		.set_tid = (uintptr_t)&pid,
		.set_tid_size = 1,
	};

	return syscall(SYS_clone3, &args, sizeof(args));
}

TEST_F(handles, threat_39_same_pid_is_not_the_creator)
{
	struct impostor arg;
	pid_t pid, again;
	__u32 segid = 0;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				arg.sockets));
	fflush(NULL);
	pid = fork();
	if (!pid)
		_exit(creator_of_pid(&arg));
	ASSERT_EQ(0, rsm_wait_child(pid));
	arg.export = rsm_receive_fd(arg.sockets[0]);
	ASSERT_LE(0, arg.export);
	again = fork_with_pid(pid);
	if (!again) {
		EXPECT_FAIL(EPERM, RSM_ERR_NOT_CREATOR,
			    rsm_publish(arg.export, &segid, NULL, 0, &error));
		EXPECT_FAIL(EPERM, RSM_ERR_NOT_CREATOR,
			    rsm_destroy(arg.export, &error));
		_exit(0);
	}
	if (again < 0)
		SKIP(return, "no choice of process ids here");
	EXPECT_EQ(pid, again);
	EXPECT_EQ(0, rsm_wait_child(again));
	EXPECT_EQ(POLLERR | POLLHUP, events(arg.export));
	close(arg.export);
}

/* Many times */

TEST_F(handles, connect_and_disconnect_often)
{
	struct rsm_stats before;
	int i, fd, ret = 0;
	void *mem;

	rsm_stats_read(&before);
	for (i = 0; i < ROUNDS && !ret; i++) {
		ret = rsm_connect(self->ctl, 0, 0, self->segid, RIGHTS, &fd,
				  NULL);
		mem = rsm_map(fd, LENGTH, PROT_READ);
		if (rsm_stamp_check(mem, LENGTH, SEED) != -1)
			ret = -EIO;
		close(fd);
		munmap(mem, LENGTH);
	}
	EXPECT_EQ(0, ret);
	EXPECT_EQ(ROUNDS, i);
	EXPECT_TRUE(rsm_stats_settle(&before));
}

TEST_F(handles, create_and_destroy_often)
{
	long pinned = rsm_vm_pin();
	struct rsm_stats before;
	int i, fd, ret = 0;

	rsm_stats_read(&before);
	for (i = 0; i < ROUNDS && !ret; i++) {
		ret = rsm_create(self->ctl, 0, self->mem, LENGTH, 0, &fd, NULL);
		if (!ret && i % 2)
			ret = rsm_destroy(fd, NULL);
		close(fd);
	}
	EXPECT_EQ(0, ret);
	EXPECT_EQ(ROUNDS, i);
	EXPECT_TRUE(rsm_stats_settle(&before));
	EXPECT_EQ(pinned, rsm_vm_pin());
}

/*
 * 58: what is made for a process is charged to its memory cgroup. Each kind is
 * made by a child in a cgroup of its own.
 */
#define CGROUP "rsm_handles"
#define CGROUP_ROOMY (512L << 20)
#define CGROUP_SMALL (2L << 20)
#define HIGHEST_FD 60000
#define LOCK_IMPORTS 40
#define TOO_MANY (LOCK_IMPORTS * RSM_LOCKS_MAX)
#define ENOUGH 800
#define SUMMED_UP_MS 5000

struct making {
	FIXTURE_DATA(handles) *self;
	int export;	/* with the lock operations */
	__u32 segid;
	int imports[LOCK_IMPORTS];
	long cost;	/* bytes each */
	long made;
	int ret;
};

static int make_export(struct making *making, long i)
{
	int fd;

	(void)i;
	return rsm_create(making->self->ctl, 0, making->self->mem, LENGTH, 0,
			  &fd, NULL);
}

static int make_import(struct making *making, long i)
{
	int fd;

	(void)i;
	return rsm_connect(making->self->ctl, 0, 0, making->segid, RIGHTS, &fd,
			   NULL);
}

static int make_ticket(struct making *making, long i)
{
	int fd;

	(void)i;
	return rsm_grant(making->export, RIGHTS, &fd, NULL);
}

/* Any other descriptor. */
static int make_eventfd(struct making *making, long i)
{
	(void)making;
	(void)i;
	return eventfd(0, 0) < 0 ? -errno : 0;
}

/* An area, or another mapping: such as cannot be merged with the one before. */
static int make_mapping(int fd, long i)
{
	void *mem = mmap(NULL, rsm_page_size(), PROT_READ, MAP_SHARED, fd,
			 i % 2 * 2 * rsm_page_size());

	return mem == MAP_FAILED ? -errno : 0;
}

static int make_area(struct making *making, long i)
{
	return make_mapping(making->imports[i % LOCK_IMPORTS], i);
}

static int make_other_mapping(struct making *making, long i)
{
	return make_mapping(making->self->memfd, i);
}

static int make_lock(struct making *making, long i)
{
	return rsm_lock(making->imports[i / RSM_LOCKS_MAX], i * 8, 0, NULL,
			NULL);
}

FIXTURE(charge)
{
	FIXTURE_DATA(handles) base;
	struct making *making;
};

/*
 * @least is what the driver itself has to allocate for each, and @twin is
 * something of the kernel's own for which the rest is about the same.
 */
FIXTURE_VARIANT(charge)
{
	int (*make)(struct making *making, long i);
	int (*twin)(struct making *making, long i);
	long least;
};

/* The structures of a segment, more than 1 KiB, and a page for its status. */
FIXTURE_VARIANT_ADD(charge, exports)
{
	.make = make_export,
	.twin = make_eventfd,
	.least = 4096 + 1600,
};

/* A structure, and pages for its status and for stores after an abort. */
FIXTURE_VARIANT_ADD(charge, imports)
{
	.make = make_import,
	.twin = make_eventfd,
	.least = 2 * 4096 + 128,
};

FIXTURE_VARIANT_ADD(charge, tickets)
{
	.make = make_ticket,
	.twin = make_eventfd,
	.least = 32,
};

FIXTURE_VARIANT_ADD(charge, areas)
{
	.make = make_area,
	.twin = make_other_mapping,
	.least = 32,
};

FIXTURE_VARIANT_ADD(charge, locks)
{
	.make = make_lock,
	.twin = NULL,
	.least = 64,
};

/* What is needed beside what is counted is made first. */
static int prepare_making(struct making *making)
{
	struct rlimit limit = { HIGHEST_FD + 1, HIGHEST_FD + 1 };
	size_t length = TOO_MANY * 8;
	void *mem = rsm_alloc(length);
	int i, ret;

	/* with a table of descriptors that need not grow */
	if (setrlimit(RLIMIT_NOFILE, &limit) ||
	    dup2(making->self->ctl, HIGHEST_FD) < 0)
		return -errno;
	ret = rsm_create(making->self->ctl, 0, mem, length, RSM_EXPORT_LOCK_OPS,
			 &making->export, NULL);
	ret = ret ?: rsm_publish(making->export, &making->segid, NULL, 0, NULL);
	for (i = 0; i < LOCK_IMPORTS && !ret; i++)
		ret = rsm_connect(making->self->ctl, 0, 0, making->segid,
				  RIGHTS, &making->imports[i], NULL);
	return ret;
}

/* Make so many: 0, or what there was instead of the next one. */
static int make_all(struct making *making,
		    int (*make)(struct making *making, long i), long count)
{
	int ret = 0;
	long i;

	for (i = 0; i < count && !ret; i++) {
		ret = make(making, i);
		making->made += !ret;
	}
	return ret;
}

/*
 * What each of them costs, in bytes, but for @less. Some kernels take a while
 * to sum it up: wait for more than @least.
 */
static long cost_of(struct making *making,
		    int (*make)(struct making *making, long i), long less,
		    long least)
{
	long before = rsm_cgroup_kernel_memory(CGROUP);
	long cost, end = rsm_now_ms() + SUMMED_UP_MS;

	making->ret = make_all(making, make, ENOUGH);
	for (;;) {
		cost = rsm_cgroup_kernel_memory(CGROUP) - before;
		cost = cost / ENOUGH - less;
		if (cost > least || rsm_now_ms() > end)
			return cost;
		rsm_sleep_ms(100);
	}
}

FIXTURE_SETUP(charge)
{
	int ret = rsm_cgroup_make(CGROUP, CGROUP_ROOMY);

	if (ret)
		SKIP(return, "no memory cgroups here: %s", strerror(-ret));
	handles_setup(_metadata, &self->base, NULL);
	self->making = rsm_alloc_shared(sizeof(*self->making));
	ASSERT_NE(MAP_FAILED, self->making);
	self->making->self = &self->base;
	self->making->export = -1;
}

FIXTURE_TEARDOWN(charge)
{
	handles_teardown(_metadata, &self->base, NULL);
	rsm_cgroup_remove(CGROUP);
}

typedef FIXTURE_VARIANT(charge) charge_kind;

static int make_and_count(struct making *making, const charge_kind *kind)
{
	int ret = rsm_cgroup_enter(CGROUP, getpid());
	long twin = 0;

	ret = ret ?: prepare_making(making);
	if (!ret && kind->twin)
		twin = cost_of(making, kind->twin, 0, 0);
	if (ret || making->ret)
		return 1;
	making->cost = cost_of(making, kind->make, twin, kind->least);
	return 0;
}

TEST_F(charge, threat_58_to_the_cgroup_of_who_makes_them)
{
	struct making *making = self->making;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid)
		_exit(make_and_count(making, variant));
	EXPECT_EQ(0, rsm_wait_child(pid));
	EXPECT_EQ(0, making->ret);
	printf("# %ld bytes each\n", making->cost);
	EXPECT_LT(variant->least, making->cost);
}

/* More than fit, with nothing else in the cgroup. */
static int make_too_many(struct making *making, const charge_kind *kind)
{
	int ret = prepare_making(making);

	making->made = 0;
	ret = ret ?: rsm_cgroup_enter(CGROUP, getpid());
	if (ret)
		return 1;
	making->ret = make_all(making, kind->make, TOO_MANY);
	return 0;
}

/* Either it is told so, or the kernel ends it; nothing is left in any case. */
TEST_F(charge, threat_58_too_many_for_a_small_cgroup)
{
	struct making *making = self->making;
	struct rsm_stats before;
	pid_t pid;
	int ret;

	ASSERT_OK(rsm_cgroup_set(CGROUP, "memory.max", CGROUP_SMALL));
	rsm_stats_read(&before);
	fflush(NULL);
	pid = fork();
	if (!pid)
		_exit(make_too_many(making, variant));
	ret = rsm_wait_child(pid);
	printf("# %ld, then %s\n", making->made,
	       ret ? strsignal(-ret) : strerror(-making->ret));
	EXPECT_TRUE(ret == -SIGKILL || making->ret < 0);
	EXPECT_GT(TOO_MANY, making->made);
	EXPECT_TRUE(rsm_stats_settle(&before));
	/* slabs and pages that processors keep are not given back at once */
	EXPECT_GT(CGROUP_SMALL / 8 * 7,
		  rsm_cgroup_get(CGROUP, "memory.current"));
}

/* Threads that pull on the same descriptors */

struct race {
	FIXTURE_DATA(handles) *self;
	int export;
	int import;
	uint32_t stop;
	long done[5];
};

static bool racing(struct race *race)
{
	return !__atomic_load_n(&race->stop, __ATOMIC_RELAXED);
}

/* Close the descriptors again and again, and put new ones in their place. */
static void *race_close(void *arg)
{
	struct race *race = arg;
	int export, import;
	__u32 segid;

	for (; racing(race); race->done[0]++) {
		segid = 0;
		if (rsm_create(race->self->ctl, 0, race->self->mem, LENGTH,
			       RSM_EXPORT_ALLOW_REBIND, &export, NULL))
			break;
		if (rsm_publish(export, &segid, NULL, 0, NULL) ||
		    rsm_connect(race->self->ctl, 0, 0, segid, RIGHTS, &import,
				NULL))
			break;
		dup2(export, race->export);
		dup2(import, race->import);
		close(export);
		close(import);
		if (race->done[0] % 2)
			usleep(500);
		close(race->export);
		close(race->import);
	}
	return NULL;
}

static void *race_ioctl(void *arg)
{
	struct race *race = arg;
	unsigned int round;
	__u32 segid;

	for (round = 0; racing(race); round++) {
		segid = 0;
		race->done[1] += !rsm_rebind(race->export, race->self->mem,
					     LENGTH, NULL);
		if (round % 8)
			continue;
		rsm_unpublish(race->export, NULL);
		rsm_publish(race->export, &segid, NULL, 0, NULL);
		rsm_destroy(race->export, NULL);
	}
	return NULL;
}

static void *race_mmap(void *arg)
{
	struct race *race = arg;
	volatile uint64_t *mem;

	while (racing(race)) {
		mem = rsm_map(race->import, LENGTH, PROT_READ | PROT_WRITE);
		if (mem == MAP_FAILED)
			continue;
		race->done[2]++;
		mem[1]++;
		munmap((void *)mem, LENGTH);
	}
	return NULL;
}

static void *race_dup(void *arg)
{
	struct race *race = arg;
	int fd;

	while (racing(race)) {
		fd = dup(race->export);
		race->done[3] += fd >= 0;
		close_fd(&fd);
		fd = dup(race->import);
		events(fd);
		close_fd(&fd);
	}
	return NULL;
}

static void *race_fork(void *arg)
{
	struct race *race = arg;
	pid_t pid;

	for (; racing(race); race->done[4]++) {
		pid = fork();
		if (!pid)
			_exit(0);
		rsm_wait_child(pid);
	}
	return NULL;
}

TEST_F(handles, threat_33_threads_race_on_a_descriptor)
{
	void *(*const threads[])(void *) = {
		race_close, race_ioctl, race_mmap, race_dup, race_fork,
	};
	struct race race = { .self = self };
	pthread_t ids[5];
	int i;

	/* Numbers of their own that nobody else is given. */
	race.export = 200;
	race.import = 201;
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, pthread_create(&ids[i], NULL, threads[i], &race));
	rsm_sleep_ms(RACE_MS);
	__atomic_store_n(&race.stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < 5; i++)
		pthread_join(ids[i], NULL);
	close(race.export);
	close(race.import);
	for (i = 0; i < 5; i++)
		EXPECT_LT(0, race.done[i]);
	EXPECT_EQ(-1, rsm_stamp_check(self->mem, rsm_page_size(), SEED));
}

/* The module */

static int unload(void)
{
	return syscall(SYS_delete_module, "rsmctl", O_NONBLOCK) ? -errno : 0;
}

/* Returns what the last of many trials says: puts may take their time. */
static int unload_patiently(void)
{
	int ms, ret = -1;

	for (ms = 0; ms < RSM_QUIET_MS && ret; ms += 50) {
		rsm_sleep_ms(50);
		ret = unload();
	}
	return ret;
}

TEST(threat_35_unload)
{
	int ctl = rsm_open(), export, import;
	void *mem = rsm_alloc(LENGTH), *map;
	__u32 segid = 0;

	ASSERT_LE(0, ctl);
	EXPECT_EQ(-EAGAIN, unload());
	ASSERT_OK(rsm_create(ctl, 0, mem, LENGTH, 0, &export, NULL));
	ASSERT_OK(rsm_publish(export, &segid, NULL, 0, NULL));
	ASSERT_OK(rsm_connect(ctl, 0, 0, segid, RIGHTS, &import, NULL));
	close(ctl);
	EXPECT_EQ(-EAGAIN, unload());
	map = rsm_map(import, LENGTH, PROT_READ);
	ASSERT_NE(MAP_FAILED, map);
	close(import);
	close(export);
	EXPECT_EQ(-EAGAIN, unload());
	EXPECT_EQ(0, *(volatile uint64_t *)map);
	munmap(map, LENGTH);
	EXPECT_EQ(0, unload_patiently());
	/* Opening the node loads it again. */
	ctl = rsm_open();
	EXPECT_LE(0, ctl);
	close_fd(&ctl);
}

TEST_HARNESS_MAIN
