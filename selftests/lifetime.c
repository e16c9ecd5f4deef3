// SPDX-License-Identifier: GPL-2.0-only
/*
 * The death of a creator, in every form, and what must not be taken for it.
 * The creator is a child of the test, which is the importer.
 */
#include "rsm_utils.h"
#include "rsm_cgroup.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

#define PAGES 16
#define LENGTH (PAGES * rsm_page_size())
#define SEED 7
#define LATER_SEED 8
#define CGROUP "rsm_lifetime"
#define CGROUP_BYTES (16L << 20)
#define STACK_SIZE (64 << 10)
#define SET_USER_ID "/tmp/rsm-lifetime"
#define RIGHTS (RSM_RIGHT_READ | RSM_RIGHT_WRITE)

/* How long it may take until importers notice, and anything else. */
#define NOTICE_MS 30000
#define PATIENCE_MS 20000

/* How long nothing must happen. */
#define STILL_MS 300

struct shared {
	__u32 ready;	/* the segment is published as segid, or error */
	__u32 go;	/* the creator may die */
	__u32 again;	/* the creator may do what it does later */
	__u32 done;	/* it has done so, with result */
	__u32 segid;
	int error;
	int result;
	pid_t helper;	/* a process that outlives the creator */
	int socket[2];
};

/* Of the creator, and of what shares its memory. */
static struct shared *shared;
static void *export_mem;
static int export_fd;

/* Who the creator is to be, if not root. */
static uid_t creator_uid;

/* What a program that executes as another user can do as a creator. */
struct verdict {
	uid_t uid, euid;
	int publish, rebind, unpublish, destroy;
};

static void try_as_creator(int fd, int report)
{
	void *mem = rsm_alloc(LENGTH);
	__u32 segid = 0;
	struct verdict verdict = {
		.uid = getuid(),
		.euid = geteuid(),
		.publish = rsm_publish(fd, &segid, NULL, 0, NULL),
		.rebind = rsm_rebind(fd, mem, LENGTH, NULL),
		.unpublish = rsm_unpublish(fd, NULL),
		.destroy = rsm_destroy(fd, NULL),
	};

	if (write(report, &verdict, sizeof(verdict)) < 0)
		_exit(1);
}

/* What a process becomes that has called exec: it only has to be there. */
__attribute__((constructor)) static void pause_if_told(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "--try"))
		try_as_creator(atoi(argv[2]), atoi(argv[3]));
	else if (argc != 2 || strcmp(argv[1], "--pause"))
		return;
	for (;;)
		pause();
}

static void exec_pause(void)
{
	execl("/proc/self/exe", "lifetime", "--pause", NULL);
}

static void set(__u32 *flag)
{
	__atomic_store_n(flag, 1, __ATOMIC_RELEASE);
}

static bool wait_for(const void *flag)
{
	int ms;

	for (ms = 0; ms < PATIENCE_MS; ms++) {
		if (__atomic_load_n((const __u32 *)flag, __ATOMIC_ACQUIRE))
			return true;
		rsm_sleep_ms(1);
	}
	return false;
}

/* The rest of a process that is only there; never returns. */
static int stay(void *unused)
{
	(void)unused;
	__atomic_store_n(&shared->helper, syscall(SYS_getpid),
			 __ATOMIC_RELEASE);
	for (;;)
		pause();
	return 0;
}

/* Of the controller that is tested. */
static const struct rsm_controller_info *controller(int ctl)
{
	static struct rsm_controller_info info;

	rsm_controller_info(ctl, RSM_CONTROLLER, &info, NULL);
	return &info;
}

static int connect_to(int ctl, int *fd, __u32 *error)
{
	const struct rsm_controller_info *info = controller(ctl);

	return rsm_connect(ctl, info->out_controller, info->out_node,
			   shared->segid, RIGHTS, fd, error);
}

static int make_segment(void)
{
	int ret, ctl = rsm_open();

	if (ctl < 0)
		return ctl;
	export_mem = rsm_alloc(LENGTH);
	if (export_mem == MAP_FAILED)
		return -errno;
	rsm_stamp(export_mem, LENGTH, SEED);
	ret = rsm_create(ctl, controller(ctl)->out_controller, export_mem,
			 LENGTH, RSM_EXPORT_ALLOW_REBIND, &export_fd, NULL);
	close(ctl);
	return ret ?: rsm_publish(export_fd, &shared->segid, NULL, 0, NULL);
}

static void publish_and_wait(void)
{
	if (creator_uid)
		shared->error = rsm_drop_to(creator_uid);
	if (!shared->error)
		shared->error = make_segment();
	set(&shared->ready);
	wait_for(&shared->go);
}

static int rebind_later(void)
{
	void *mem = rsm_alloc(LENGTH);

	rsm_stamp(mem, LENGTH, LATER_SEED);
	return rsm_rebind(export_fd, mem, LENGTH, NULL);
}

/* Ways to die, for a creator whose segment is published */

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
	exec_pause();
}

static void die_exec_inherited(void)
{
	fcntl(export_fd, F_SETFD, 0);
	exec_pause();
}

static void die_exec_set_user_id(void)
{
	char fd[12], report[12];

	fcntl(export_fd, F_SETFD, 0);
	fcntl(shared->socket[1], F_SETFD, 0);
	snprintf(fd, sizeof(fd), "%d", export_fd);
	snprintf(report, sizeof(report), "%d", shared->socket[1]);
	execl(SET_USER_ID, "lifetime", "--try", fd, report, NULL);
}

static void die_child_holds(void)
{
	if (!fork())
		stay(NULL);
	wait_for(&shared->helper);
	close(export_fd);
	_exit(0);
}

static void die_clone_files(void)
{
	if (!syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0))
		stay(NULL);
	wait_for(&shared->helper);
	_exit(0);
}

static void die_in_queue(void)
{
	if (!rsm_send_fd(shared->socket[1], export_fd))
		_exit(0);
}

static void die_with_vfork_child(void)
{
	if (!vfork())
		stay(NULL);
}

static void clone_vm(int flags)
{
	char *stack = rsm_alloc(STACK_SIZE);

	clone(stay, stack + STACK_SIZE, CLONE_VM | SIGCHLD | flags, NULL);
	wait_for(&shared->helper);
}

static void die_clone_vm(void)
{
	clone_vm(0);
	_exit(0);
}

static void die_clone_vm_files(void)
{
	clone_vm(CLONE_FILES);
	_exit(0);
}

static void die_clone_vm_closed(void)
{
	clone_vm(0);
	close(export_fd);
	_exit(0);
}

static void *exec_thread(void *unused)
{
	(void)unused;
	exec_pause();
	return NULL;
}

static void die_exec_in_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, exec_thread, NULL);
	for (;;)
		pause();
}

static void die_oom(void)
{
	char *mem = rsm_alloc(CGROUP_BYTES * 4);
	long i;

	for (i = 0; i < CGROUP_BYTES * 4; i += rsm_page_size())
		mem[i] = 1;
}

/* The death of one who was created by vfork and used its parent's memory. */
static void die_vfork_child(void)
{
	_exit(0);
}

FIXTURE(lifetime)
{
	struct rsm_stats before;
	pid_t creator;
	int ctl;
	int fd;
	void *mem;
	const volatile struct rsm_status *status;
};

FIXTURE_SETUP(lifetime)
{
	self->creator = 0;
	self->ctl = rsm_open();
	ASSERT_LE(0, self->ctl);
	rsm_stats_read(&self->before);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, shared);
	self->fd = -1;
	self->mem = NULL;
	self->status = NULL;
	export_fd = -1;
	export_mem = NULL;
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				shared->socket));
}

static void end(pid_t pid)
{
	if (pid > 0)
		kill(pid, SIGKILL);
}

FIXTURE_TEARDOWN(lifetime)
{
	rsm_param("test_exit_delay_ms", 0);
	end(self->creator);
	end(shared->helper);
	while (wait(NULL) > 0)
		;
	close(shared->socket[0]);
	close(shared->socket[1]);
	if (self->fd >= 0)
		close(self->fd);
	if (self->mem)
		rsm_view_close(self->mem, LENGTH);
	if (self->status)
		munmap((void *)self->status, rsm_page_size());
	/* Of a test that is the creator itself. */
	if (export_fd >= 0)
		close(export_fd);
	rsm_cgroup_remove(CGROUP);
	EXPECT_TRUE(rsm_stats_settle(&self->before));
}

/* Start a creator, which then does @then, and wait for its segment. */
static pid_t start(void (*then)(void))
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		publish_and_wait();
		then();
		_exit(99);
	}
	if (!wait_for(&shared->ready))
		return -ETIMEDOUT;
	return shared->error ?: pid;
}

/* The same with a creator that is the vfork child of another process. */
static pid_t start_vforked(void (*then)(void))
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		if (!vfork()) {
			publish_and_wait();
			then();
			_exit(99);
		}
		stay(NULL);
	}
	if (!wait_for(&shared->ready))
		return -ETIMEDOUT;
	return shared->error ?: pid;
}

static int import(FIXTURE_DATA(lifetime) *self)
{
	int ret = connect_to(self->ctl, &self->fd, NULL);

	if (ret)
		return ret;
	self->mem = rsm_view_of(self->fd, LENGTH, PROT_READ | PROT_WRITE);
	self->status = rsm_map_status(self->fd);
	return self->mem == MAP_FAILED || self->status == MAP_FAILED ? -EIO : 0;
}

static int events(int fd, int ms)
{
	struct pollfd pfd = { .fd = fd };

	return poll(&pfd, 1, ms) < 0 ? -errno : pfd.revents;
}

static int wait_events(int fd, short wanted)
{
	struct pollfd pfd = { .fd = fd, .events = wanted };

	return poll(&pfd, 1, PATIENCE_MS) < 0 ? -errno : pfd.revents;
}

#ifdef RSM_REMOTE

static bool nothing_left(const void *mem)
{
	return rsm_view_ended(mem, LENGTH);
}

static void check_trash(struct __test_metadata *_metadata,
			FIXTURE_DATA(lifetime) *self, void *other)
{
	rsm_view_wait_ended(other);
	EXPECT_TRUE(nothing_left(other));
	EXPECT_EQ(-ECONNABORTED, rsm_store(self->mem, 0, "", 1));
}

#else

static bool nothing_left(const void *mem)
{
	const volatile uint64_t *word = mem;
	size_t i;

	for (i = 0; i < LENGTH / sizeof(*word); i++)
		if (word[i])
			return false;
	return true;
}

struct trash_user {
	volatile uint64_t *mem;
};

/* As importer's child: the memory is there and shared with the parent. */
static int use_trash(void *arg)
{
	struct trash_user *user = arg;

	if (user->mem[0] != 1)
		return 1;
	user->mem[0] = 2;
	return 0;
}

static void check_trash(struct __test_metadata *_metadata,
			FIXTURE_DATA(lifetime) *self, volatile uint64_t *other)
{
	struct trash_user user = { .mem = self->mem };

	user.mem[0] = 1;
	EXPECT_EQ(1, user.mem[0]);
	EXPECT_EQ(0, other[0]);
	EXPECT_EQ(0, rsm_in_child(use_trash, &user));
	EXPECT_EQ(2, user.mem[0]);
	EXPECT_EQ(MAP_FAILED, rsm_map(self->fd, LENGTH, PROT_READ));
	EXPECT_EQ(ENODEV, errno);
}

#endif

/* @other is what another import sees, from before the death. */
static void check_aborted(struct __test_metadata *_metadata,
			  FIXTURE_DATA(lifetime) *self, void *other)
{
	int fd;

	EXPECT_EQ(POLLERR | POLLHUP, events(self->fd, NOTICE_MS));
	EXPECT_EQ(RSM_STATE_ABORTED, self->status->state);
	EXPECT_TRUE(nothing_left(self->mem));
	check_trash(_metadata, self, other);
	EXPECT_FAIL(ENOENT, RSM_ERR_SEG_NOT_PUBLISHED,
		    connect_to(self->ctl, &fd, &error));
}

/* Nothing has happened and nothing does for a while. */
static void check_live(struct __test_metadata *_metadata,
		       FIXTURE_DATA(lifetime) *self, uint32_t seed)
{
	EXPECT_EQ(0, events(self->fd, STILL_MS));
	EXPECT_EQ(RSM_STATE_LIVE, self->status->state);
	EXPECT_EQ(-1, rsm_stamp_check(rsm_look(self->mem), LENGTH, seed));
}

/* What an import of its own sees, or MAP_FAILED. */
static void *view_another(const FIXTURE_DATA(lifetime) *self)
{
	void *mem;
	int fd;

	if (connect_to(self->ctl, &fd, NULL))
		return MAP_FAILED;
	mem = rsm_view_of(fd, LENGTH, PROT_READ | PROT_WRITE);
	close(fd);
	return mem;
}

FIXTURE(death)
{
	FIXTURE_DATA(lifetime) base;
	void *other;
};

FIXTURE_VARIANT(death)
{
	void (*die)(void);
	bool vforked;	/* the creator is a vfork child */
	bool kill;	/* once its helper is there */
	bool limited;	/* in a cgroup of its own */
};

FIXTURE_VARIANT_ADD(death, exit) { .die = die_exit };
FIXTURE_VARIANT_ADD(death, kill) { .die = die_kill };
FIXTURE_VARIANT_ADD(death, exec) { .die = die_exec };
FIXTURE_VARIANT_ADD(death, exec_inherited) { .die = die_exec_inherited };
FIXTURE_VARIANT_ADD(death, exec_in_thread) { .die = die_exec_in_thread };
FIXTURE_VARIANT_ADD(death, child_holds) { .die = die_child_holds };
FIXTURE_VARIANT_ADD(death, clone_files) { .die = die_clone_files };
FIXTURE_VARIANT_ADD(death, clone_vm) { .die = die_clone_vm };
FIXTURE_VARIANT_ADD(death, clone_vm_files) { .die = die_clone_vm_files };
FIXTURE_VARIANT_ADD(death, clone_vm_closed) { .die = die_clone_vm_closed };
FIXTURE_VARIANT_ADD(death, in_queue) { .die = die_in_queue };

FIXTURE_VARIANT_ADD(death, with_vfork_child)
{
	.die = die_with_vfork_child,
	.kill = true,
};

FIXTURE_VARIANT_ADD(death, vfork_child)
{
	.die = die_vfork_child,
	.vforked = true,
};

FIXTURE_VARIANT_ADD(death, oom)
{
	.die = die_oom,
	.limited = true,
};

FIXTURE_SETUP(death)
{
	int ret;

	lifetime_setup(_metadata, &self->base, NULL);
	ret = variant->limited ? rsm_cgroup_make(CGROUP, CGROUP_BYTES) : 0;
	if (ret)
		SKIP(return, "no memory cgroups here: %s", strerror(-ret));
	self->base.creator = variant->vforked ? start_vforked(variant->die) :
						start(variant->die);
	ASSERT_LT(0, self->base.creator);
	if (variant->limited)
		ASSERT_OK(rsm_cgroup_enter(CGROUP, self->base.creator));
	ASSERT_OK(import(&self->base));
	self->other = view_another(&self->base);
	ASSERT_NE(MAP_FAILED, self->other);
}

FIXTURE_TEARDOWN(death)
{
	rsm_view_close(self->other, LENGTH);
	lifetime_teardown(_metadata, &self->base, NULL);
}

TEST_F(death, threat_16_is_noticed)
{
	ASSERT_EQ(-1, rsm_stamp_check(rsm_look(self->base.mem), LENGTH, SEED));
	ASSERT_EQ(RSM_STATE_LIVE, self->base.status->state);
	set(&shared->go);
	if (variant->kill) {
		ASSERT_TRUE(wait_for(&shared->helper));
		EXPECT_EQ(0, events(self->base.fd, STILL_MS));
		kill(self->base.creator, SIGKILL);
	}
	check_aborted(_metadata, &self->base, self->other);
}

/* One who was nobody becomes root, with the descriptor that it had. */
TEST_F(lifetime, threat_16_creator_executes_set_user_id)
{
	struct verdict verdict;
	void *other;

	ASSERT_OK(rsm_copy_program(SET_USER_ID, 04755));
	/* The root of another machine is one of the others there. */
	umask(0);
	creator_uid = RSM_NOBODY;
	self->creator = start(die_exec_set_user_id);
	ASSERT_LT(0, self->creator);
	ASSERT_OK(import(self));
	other = view_another(self);
	ASSERT_NE(MAP_FAILED, other);
	set(&shared->go);
	ASSERT_EQ(POLLIN, wait_events(shared->socket[0], POLLIN));
	ASSERT_EQ((ssize_t)sizeof(verdict),
		  read(shared->socket[0], &verdict, sizeof(verdict)));
	unlink(SET_USER_ID);
	EXPECT_EQ(RSM_NOBODY, verdict.uid);
	EXPECT_EQ(0, verdict.euid);
	EXPECT_EQ(-EPERM, verdict.publish);
	EXPECT_EQ(-EPERM, verdict.rebind);
	EXPECT_EQ(-EPERM, verdict.unpublish);
	EXPECT_EQ(-EPERM, verdict.destroy);
	check_aborted(_metadata, self, other);
	rsm_view_close(other, LENGTH);
}

/*
 * 32: the creator is killed while somebody else closes the last descriptor.
 * Both end the segment. That takes its time, as there are many mappings. How
 * long a death takes until then is measured first, so that the two may meet.
 */
#define MEETINGS 150
#define MEETING_MS 15000	/* no more of them after that */
#define MEASURED 10
#ifdef RSM_REMOTE
#define MEETING_MAPS 1
#else
#define MEETING_MAPS 64
#endif

struct meeting {
	FIXTURE_DATA(lifetime) *self;
	int fd;		/* the last descriptor */
	uint64_t when;	/* it is to be closed, or 0 */
	void *maps[MEETING_MAPS];
};

static uint64_t now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

static void die_without_descriptor(void)
{
	if (rsm_send_fd(shared->socket[1], export_fd))
		_exit(1);
	close(export_fd);
	set(&shared->done);
	pause();
}

static void *close_when_told(void *arg)
{
	struct meeting *meeting = arg;
	uint64_t when;

	do {
		when = __atomic_load_n(&meeting->when, __ATOMIC_ACQUIRE);
	} while (!when || now_ns() < when);
	close(meeting->fd);
	return NULL;
}

static void meeting_begin(struct __test_metadata *_metadata,
			  struct meeting *meeting)
{
	FIXTURE_DATA(lifetime) *self = meeting->self;
	int i;

	shared->ready = 0;
	shared->go = 0;
	shared->done = 0;
	shared->segid = 0;
	self->creator = start(die_without_descriptor);
	ASSERT_LT(0, self->creator);
	ASSERT_OK(import(self));
	for (i = 0; i < MEETING_MAPS; i++) {
		meeting->maps[i] = rsm_view_of(self->fd, LENGTH, PROT_READ);
		ASSERT_EQ(-1, rsm_stamp_check(rsm_look(meeting->maps[i]),
					      LENGTH, SEED));
	}
	set(&shared->go);
	meeting->fd = rsm_receive_fd(shared->socket[0]);
	ASSERT_LE(0, meeting->fd);
	ASSERT_TRUE(wait_for(&shared->done));
}

/* Pages are given back when nobody reaches them any more, and then soon. */
static bool nothing_pinned(const FIXTURE_DATA(lifetime) *self)
{
	long end = rsm_now_ms() + NOTICE_MS;

	while (rsm_stat("pinned_pages") != self->before.pinned_pages &&
	       rsm_now_ms() < end)
		rsm_sleep_ms(1);
	return rsm_stat("pinned_pages") == self->before.pinned_pages;
}

static void meeting_end(struct __test_metadata *_metadata,
			struct meeting *meeting)
{
	FIXTURE_DATA(lifetime) *self = meeting->self;
	int i;

	EXPECT_EQ(-SIGKILL, rsm_wait_child(self->creator));
	self->creator = 0;
	EXPECT_EQ(POLLERR | POLLHUP, events(self->fd, NOTICE_MS));
	EXPECT_TRUE(nothing_left(self->mem));
	EXPECT_TRUE(nothing_pinned(self));
	for (i = 0; i < MEETING_MAPS; i++)
		rsm_view_close(meeting->maps[i], LENGTH);
	rsm_view_close(self->mem, LENGTH);
	munmap((void *)self->status, rsm_page_size());
	close(self->fd);
	self->mem = NULL;
	self->status = NULL;
	self->fd = -1;
}

/* How long it takes from the kill to the end of the segment, in ns. */
static uint64_t measure_death(struct __test_metadata *_metadata,
			      struct meeting *meeting)
{
	FIXTURE_DATA(lifetime) *self = meeting->self;
	uint64_t took, start;

	meeting_begin(_metadata, meeting);
	start = now_ns();
	kill(self->creator, SIGKILL);
	while (self->status->state != RSM_STATE_ABORTED)
		;
	took = now_ns() - start;
	close(meeting->fd);
	meeting_end(_metadata, meeting);
	return took;
}

/* Close up to two deaths later. */
static void meet(struct __test_metadata *_metadata, struct meeting *meeting,
		 uint64_t death)
{
	pthread_t thread;

	meeting_begin(_metadata, meeting);
	meeting->when = 0;
	ASSERT_EQ(0, pthread_create(&thread, NULL, close_when_told, meeting));
	kill(meeting->self->creator, SIGKILL);
	__atomic_store_n(&meeting->when, now_ns() + random() % (2 * death),
			 __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	meeting_end(_metadata, meeting);
}

TEST_F(lifetime, threat_32_killed_while_the_last_descriptor_is_closed)
{
	long end = rsm_now_ms() + MEETING_MS;
	struct meeting meeting = { .self = self };
	uint64_t death = 0;
	int i;

	for (i = 0; i < MEASURED; i++)
		death += measure_death(_metadata, &meeting) / MEASURED;
	printf("# a death takes %lu us\n", death / 1000);
	for (i = 0; i < MEETINGS && rsm_now_ms() < end; i++)
		meet(_metadata, &meeting, death);
	printf("# %d closes\n", i);
}

/* What takes its place */

#define HEIRS 3
#define HEIR_SEGID 0x400071
/* More than it takes to start one more process, also on a slow machine */
#define HEIR_DELAY_MS 10000

/*
 * As a child: publish memory under HEIR_SEGID. The child's child holds the
 * segment, or else it would end with its descriptor.
 */
static int publish_heir(void *arg)
{
	__u32 segid = HEIR_SEGID;
	int ctl = rsm_open();

	(void)arg;
	export_mem = rsm_alloc(LENGTH);
	shared->error = rsm_create(ctl, controller(ctl)->out_controller,
				   export_mem, LENGTH, 0, &export_fd, NULL) ?:
			rsm_publish(export_fd, &segid, NULL, 0, NULL);
	if (!fork())
		stay(NULL);
	wait_for(&shared->helper);
	set(&shared->ready);
	for (;;)
		pause();
	return 0;
}

/* Though the work that ends the segment comes later. */
TEST_F(lifetime, id_is_free_when_its_creator_is_gone)
{
	pid_t pid, before = 0;
	int i;

	ASSERT_EQ(0, rsm_param("test_exit_delay_ms", HEIR_DELAY_MS));
	for (i = 0; i < HEIRS; i++) {
		__atomic_store_n(&shared->helper, 0, __ATOMIC_RELEASE);
		__atomic_store_n(&shared->ready, 0, __ATOMIC_RELEASE);
		pid = rsm_start_child(publish_heir, NULL);
		ASSERT_TRUE(wait_for(&shared->ready));
		EXPECT_OK(shared->error);
		kill(pid, SIGKILL);
		EXPECT_EQ(-SIGKILL, rsm_wait_child(pid));
		if (before > 0)
			kill(before, SIGKILL);
		before = shared->helper;
	}
	EXPECT_EQ(HEIR_DELAY_MS, rsm_param("test_exit_delay_ms", 0));
	kill(before, SIGKILL);
	shared->helper = 0;
}

/* Not the death of the creator */

static void *outlive_leader(void *unused)
{
	wait_for(&shared->again);
	shared->result = rebind_later();
	set(&shared->done);
	for (;;)
		pause();
	return unused;
}

static void leader_exits(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, outlive_leader, NULL);
	syscall(SYS_exit, 0);
}

static void vfork_child_execs(void)
{
	pid_t pid = vfork();

	if (!pid) {
		exec_pause();
		_exit(1);
	}
	shared->helper = pid;
	wait_for(&shared->again);
	shared->result = rebind_later();
	set(&shared->done);
	for (;;)
		pause();
}

static void check_survivor(struct __test_metadata *_metadata,
			   FIXTURE_DATA(lifetime) *self)
{
	ASSERT_OK(import(self));
	set(&shared->go);
	check_live(_metadata, self, SEED);
	set(&shared->again);
	ASSERT_TRUE(wait_for(&shared->done));
	EXPECT_EQ(0, shared->result);
	check_live(_metadata, self, LATER_SEED);
	kill(self->creator, SIGKILL);
	EXPECT_EQ(POLLERR | POLLHUP, events(self->fd, NOTICE_MS));
	EXPECT_TRUE(nothing_left(self->mem));
}

TEST_F(lifetime, threat_38_leader_exits_before_a_thread)
{
	self->creator = start(leader_exits);
	ASSERT_LT(0, self->creator);
	check_survivor(_metadata, self);
}

TEST_F(lifetime, vfork_child_executes)
{
	self->creator = start(vfork_child_execs);
	ASSERT_LT(0, self->creator);
	check_survivor(_metadata, self);
}

/* What a child of the creator can do with the descriptor: nothing. */
static int act_as_creator(void *arg)
{
	struct __test_metadata *_metadata = arg;
	__u32 segid = 0;

	EXPECT_FAIL(EPERM, RSM_ERR_NOT_CREATOR,
		    rsm_publish(export_fd, &segid, NULL, 0, &error));
	EXPECT_FAIL(EPERM, RSM_ERR_NOT_CREATOR,
		    rsm_republish(export_fd, NULL, 0, &error));
	EXPECT_FAIL(EPERM, RSM_ERR_NOT_CREATOR,
		    rsm_rebind(export_fd, export_mem, LENGTH, &error));
	EXPECT_FAIL(EPERM, RSM_ERR_NOT_CREATOR,
		    rsm_unpublish(export_fd, &error));
	EXPECT_FAIL(EPERM, RSM_ERR_NOT_CREATOR,
		    rsm_destroy(export_fd, &error));
	close(export_fd);
	return 0;
}

TEST_F(lifetime, threat_15_child_is_not_the_creator)
{
	ASSERT_OK(make_segment());
	ASSERT_OK(import(self));
	EXPECT_EQ(0, rsm_in_child(act_as_creator, _metadata));
	check_live(_metadata, self, SEED);
	EXPECT_OK(rebind_later());
	check_live(_metadata, self, LATER_SEED);
}

static pid_t fork_writer(void)
{
	pid_t pid = fork();

	if (!pid) {
		rsm_stamp(export_mem, LENGTH, 99);
		set(&shared->done);
		wait_for(&shared->go);
		_exit(rsm_stamp_check(export_mem, LENGTH, 99) != -1);
	}
	return pid;
}

/* After fork both parents and children write to copies, but for our pages. */
TEST_F(lifetime, threat_14_child_writes_elsewhere)
{
	uint64_t value = 55;
	pid_t pid;

	ASSERT_OK(make_segment());
	ASSERT_OK(import(self));
	pid = fork_writer();
	ASSERT_LT(0, pid);
	ASSERT_TRUE(wait_for(&shared->done));
	EXPECT_EQ(-1, rsm_stamp_check(rsm_look(self->mem), LENGTH, SEED));
	rsm_stamp(export_mem, LENGTH, LATER_SEED);
	EXPECT_EQ(-1, rsm_stamp_check(rsm_look(self->mem), LENGTH, LATER_SEED));
	EXPECT_OK(rsm_store(self->mem, 5 * sizeof(value), &value,
			    sizeof(value)));
	EXPECT_EQ(55, ((volatile uint64_t *)export_mem)[5]);
	set(&shared->go);
	EXPECT_EQ(0, rsm_wait_child(pid));
	EXPECT_EQ(-1, rsm_stamp_check(rsm_look(self->mem), LENGTH, LATER_SEED));
}

TEST_HARNESS_MAIN
