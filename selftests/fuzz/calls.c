// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls other than the ioctls of the driver and those that concern memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/rsmctl.h>

#include "../../kernel/rsm_test.h"
#include "exec.h"

/* How long a call may wait that others have to wait for, in nanoseconds. */
#define SYNC_NS 1000000

/* How long a process that was killed is waited for. */
#define KILL_MS 2000

#define JOIN_MS 200
#define PAUSE_MAX_MS 20

int slot_fd(const struct call *call)
{
	return call->state->fds[arg(call, ROLE_FD)].fd;
}

/* What was in the slot stays open, without a name. */
int slot_set(struct call *call, int fd, uint16_t obj)
{
	if (fd < 0)
		return -errno;
	call->state->fds[arg(call, ROLE_OUT)] = (struct slot){ fd, obj };
	return 0;
}

static void note_slot(struct call *call)
{
	call->log->obj = call->state->fds[arg(call, ROLE_FD)].obj;
}

static int result(int ret)
{
	return ret < 0 ? -errno : ret;
}

/* Descriptors */

int do_open(struct call *call)
{
	return slot_set(call, open("/dev/rsmctl", O_RDWR | O_CLOEXEC),
			call->index + 1);
}

static int socket_end(void)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return -1;
	close(fds[1]);
	return fds[0];
}

/* A descriptor that has nothing to do with the driver. */
int do_other(struct call *call)
{
	int fd = -1;

	errno = EINVAL;
	switch (arg(call, ROLE_WHAT)) {
	case OTHER_NULL:
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		break;
	case OTHER_EVENT:
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		break;
	case OTHER_MEMFD:
		fd = memfd_create("other", MFD_CLOEXEC);
		break;
	case OTHER_EPOLL:
		fd = epoll_create1(EPOLL_CLOEXEC);
		break;
	case OTHER_SOCKET:
		fd = socket_end();
		break;
	case OTHER_DIR:
		fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		break;
	}
	return slot_set(call, fd, 0);
}

int do_close(struct call *call)
{
	struct slot *slot = &call->state->fds[arg(call, ROLE_FD)];
	int fd = slot->fd;

	note_slot(call);
	*slot = (struct slot){ .fd = -1 };
	return result(close(fd));
}

int do_dup(struct call *call)
{
	note_slot(call);
	return slot_set(call, fcntl(slot_fd(call), F_DUPFD_CLOEXEC, 0),
			call->log->obj);
}

int do_cloexec(struct call *call)
{
	note_slot(call);
	return result(fcntl(slot_fd(call), F_SETFD,
			    arg(call, ROLE_VALUE) ? FD_CLOEXEC : 0));
}

/* A descriptor in a message that tells which object it is. */
struct letter {
	uint16_t obj;
	struct iovec iov;
	char control[CMSG_SPACE(sizeof(int))];
	struct msghdr msg;
};

static void letter_init(struct letter *letter)
{
	memset(letter, 0, sizeof(*letter));
	letter->iov.iov_base = &letter->obj;
	letter->iov.iov_len = sizeof(letter->obj);
	letter->msg.msg_iov = &letter->iov;
	letter->msg.msg_iovlen = 1;
	letter->msg.msg_control = letter->control;
	letter->msg.msg_controllen = sizeof(letter->control);
}

int do_send(struct call *call)
{
	struct letter letter;
	struct cmsghdr *cmsg;
	int fd = slot_fd(call);

	note_slot(call);
	letter_init(&letter);
	letter.obj = call->log->obj;
	cmsg = CMSG_FIRSTHDR(&letter.msg);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	return result(sendmsg(INBOX_FD(arg(call, ROLE_TO), 0), &letter.msg,
			      MSG_DONTWAIT));
}

int do_recv(struct call *call)
{
	struct letter letter;
	int fd;

	letter_init(&letter);
	if (recvmsg(INBOX_FD(call->step->proc, 1), &letter.msg,
		    MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
		return -errno;
	if (!CMSG_FIRSTHDR(&letter.msg))
		return -EMFILE;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&letter.msg)), sizeof(fd));
	call->log->obj = letter.obj;
	return slot_set(call, fd, letter.obj);
}

int do_poll(struct call *call)
{
	uint64_t ns = arg(call, ROLE_TIME);
	struct pollfd poll = {
		.fd = slot_fd(call),
		.events = arg(call, ROLE_FLAGS),
	};
	struct timespec time;
	int ret;

	if (!call->waits && ns > SYNC_NS)
		ns = SYNC_NS;
	time = (struct timespec){ ns / 1000000000, ns % 1000000000 };
	note_slot(call);
	ret = result(ppoll(&poll, 1, &time, NULL));
	call->log->out[0] = poll.revents;
	return ret;
}

/* What files can be asked that the driver's do not offer. */
int do_file(struct call *call)
{
	int fd = slot_fd(call);
	struct stat stat;

	note_slot(call);
	switch (arg(call, ROLE_WHAT)) {
	case FILE_READ:
		return result(read(fd, call_buf(), 64));
	case FILE_WRITE:
		return result(write(fd, call_buf(), 64));
	case FILE_SEEK:
		return result(lseek(fd, 64, SEEK_SET));
	case FILE_SYNC:
		return result(fsync(fd));
	case FILE_ALLOCATE:
		return result(fallocate(fd, 0, 0, PAGE));
	case FILE_TRUNCATE:
		return result(ftruncate(fd, PAGE));
	case FILE_SPLICE:
		return result(sendfile(fd, fd, NULL, 64));
	case FILE_STAT:
		return result(fstat(fd, &stat));
	}
	return -EINVAL;
}

/* Processes */

int do_fork(struct call *call)
{
	unsigned int to = arg(call, ROLE_TO);

	if (__atomic_load_n(&sh->procs[to].alive, __ATOMIC_SEQ_CST) !=
	    PROC_NOT_YET)
		return -EBUSY;
	return fork_as(to);
}

/* This program once more, which goes on where this has been. */
int do_exec(struct call *call)
{
	char proc[16], index[16];

	snprintf(proc, sizeof(proc), "%u", call->step->proc);
	snprintf(index, sizeof(index), "%u", call->index);
	execl("/proc/self/exe", "fuzz", "--resume", proc, index, NULL);
	return -errno;
}

/* Without an end: whoever watches us sees that, and passes on the turn. */
int do_exit(struct call *call)
{
	if (arg(call, ROLE_WHAT) == EXIT_LEADER)
		leader_exit(call->index);
	_exit(0);
}

static void wait_dead(struct proc *proc)
{
	long end = now_ms() + KILL_MS;
	uint32_t alive;

	while (now_ms() < end) {
		alive = __atomic_load_n(&proc->alive, __ATOMIC_SEQ_CST);
		if (alive == PROC_DEAD)
			return;
		futex_wait(&proc->alive, alive, 10000);
	}
}

static int send_signal(struct call *call, struct proc *proc, int signal)
{
	if (proc->alive != PROC_ALIVE || proc->pid <= 0)
		return -ESRCH;
	if (arg(call, ROLE_TO) == call->step->proc && signal == SIGSTOP)
		return -EINVAL;
	return result(kill(proc->pid, signal));
}

int do_kill(struct call *call)
{
	static const int signals[] = {
		[KILL_KILL] = SIGKILL, [KILL_USR1] = SIGUSR1,
		[KILL_STOP] = SIGSTOP, [KILL_CONT] = SIGCONT,
	};
	struct proc *proc = &sh->procs[arg(call, ROLE_TO)];
	uint64_t what = arg(call, ROLE_WHAT);
	int ret;

	if (what > KILL_CONT)
		return -EINVAL;
	ret = send_signal(call, proc, signals[what]);
	if (!ret && what == KILL_STOP)
		proc->stopped = true;
	if (!ret && what == KILL_KILL)
		wait_dead(proc);
	return ret;
}

static uint32_t id_of(uint64_t value)
{
	return value ? 1000 + value % 3 : 0;
}

/* Become another user for good. Threads would not. */
int do_user(struct call *call)
{
	uint32_t uid = id_of(arg(call, ROLE_ID));
	uint32_t gid = id_of(arg(call, ROLE_VALUE));

	if (have_helpers())
		return -EBUSY;
	spoil();
	/* Not those of the library, which change all threads with signals. */
	if (syscall(SYS_setgroups, 0, NULL) ||
	    syscall(SYS_setresgid, gid, gid, gid))
		return -errno;
	call->state->gid = gid;
	if (syscall(SYS_setresuid, uid, uid, uid))
		return -errno;
	call->state->uid = uid;
	return 0;
}

int do_umask(struct call *call)
{
	call->state->mask = arg(call, ROLE_VALUE) & 0777;
	umask(call->state->mask);
	return 0;
}

int do_limit(struct call *call)
{
	bool memory = arg(call, ROLE_WHAT) == LIMIT_MEMLOCK;
	int resource = memory ? RLIMIT_MEMLOCK : RLIMIT_NOFILE;
	uint64_t value = arg(call, ROLE_VALUE);
	struct rlimit limit;

	spoil();
	if (getrlimit(resource, &limit))
		return -errno;
	limit.rlim_cur = memory ? (value & 0xffff) * PAGE : value & 0x3f;
	if (limit.rlim_cur > limit.rlim_max)
		limit.rlim_cur = limit.rlim_max;
	return result(setrlimit(resource, &limit));
}

int do_unshare(struct call *call)
{
	if (have_helpers())
		return -EBUSY;
	spoil();
	if (unshare(CLONE_NEWIPC))
		return -errno;
	call->state->ns = call->index + 1;
	return 0;
}

int do_pause(struct call *call)
{
	uint64_t ms = arg(call, ROLE_VALUE);

	sleep_us((ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS) * 1000);
	return 0;
}

int do_join(struct call *call)
{
	(void)call;
	return join_helpers(JOIN_MS) ? 0 : -ETIMEDOUT;
}

/* Let mmap of an import take its time, where the module can do that. */
int do_slow(struct call *call)
{
	uint64_t ms = arg(call, ROLE_VALUE);
	char text[16];
	int fd, ret;

	fd = open("/sys/module/rsmctl/parameters/test_mmap_delay_ms",
		  O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = snprintf(text, sizeof(text), "%u",
		       (unsigned int)(ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS));
	ret = result(write(fd, text, ret));
	close(fd);
	return ret;
}

/* What a handle's status page says. */
int do_status(struct call *call)
{
	const volatile struct rsm_status *status;
	int fd = slot_fd(call);

	note_slot(call);
	status = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd,
		      RSM_STATUS_OFFSET);
	if (status == MAP_FAILED)
		return -errno;
	/* Other files can be mapped there, and have nothing to be read. */
	if (call->log->obj) {
		call->log->out[0] = status->state;
		call->log->out[1] = status->rebinds;
		call->log->out[2] = status->signals;
	}
	munmap((void *)status, PAGE);
	return call->log->obj ? 0 : -ENXIO;
}

static int read_file(const char *path, off_t offset)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret;
	static char data[4 * PAGE];

	if (fd < 0)
		return -errno;
	lseek(fd, offset, SEEK_SET);
	do {
		ret = read(fd, data, sizeof(data));
	} while (ret > 0 && !offset);
	close(fd);
	return result(ret);
}

/* What the kernel tells of a process's memory and descriptors. */
int do_proc(struct call *call)
{
	char *mem = region_addr(arg(call, ROLE_REGION), 0);
	unsigned char present[8];
	char path[64];

	switch (arg(call, ROLE_WHAT)) {
	case PROC_MAPS:
		return read_file("/proc/self/maps", 0);
	case PROC_SMAPS:
		return read_file("/proc/self/smaps", 0);
	case PROC_FDINFO:
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d",
			 slot_fd(call));
		return read_file(path, 0);
	case PROC_PAGEMAP:
		return read_file("/proc/self/pagemap",
				 (uintptr_t)mem / PAGE * sizeof(uint64_t));
	case PROC_MINCORE:
		return result(mincore(mem, sizeof(present) * PAGE, present));
	case PROC_STATS:
		return read_file("/sys/module/rsmctl/stats/segments", 0);
	}
	return -EINVAL;
}

/* There is a call of its own for it, or it would hold up all. */
static bool is_known(unsigned long nr)
{
	return (nr >= RSM_CONTROLLER_INFO && nr <= RSM_IMPORT_FENCE) ||
	       nr == RSM_TEST_HOLD_MMAP_LOCK;
}

/* Any other number of the driver's, on any descriptor. */
int do_ioctl(struct call *call)
{
	uint64_t at = arg(call, ROLE_AT);
	unsigned long nr = arg(call, ROLE_VALUE);
	char data[PAGE] = { 0 };
	uint32_t size = arg(call, ROLE_SIZE);

	note_slot(call);
	memcpy(data, &size, sizeof(size));
	nr = (nr & 0xffff00ff) | RSM_TYPE << 8;
	if (is_known(nr))
		return -EINVAL;
	return result(ioctl(slot_fd(call), nr,
			    at == AUTO ? data : resolve(at)));
}
