// SPDX-License-Identifier: GPL-2.0-only
/*
 * Made by fuzz2c. Build it with "gcc -w -static -pthread -I include/uapi",
 * and run it as root where the module is loaded. Each step is made by one of
 * the processes, in the order of their numbers; steps of threads (ASYNC) go on
 * while others are made.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/rsmctl.h>

#define PAGE 4096UL
#define NR_PROCS 4

/* Regions of memory are where they are in the fuzzer. */
static const unsigned int shifts[] = { 0, 0, 1, 0, 0, 511, 0, 509 };
#define MEM(_region)                                                           \
	(0x20000000000UL + (_region) * (64UL << 20) + shifts[_region] * PAGE)

enum mode { MAIN, ASYNC, CHILD, VM };

struct step {
	void (*run)(void);
	int proc;
	enum mode mode;
};

/* Common to all processes. */
static struct {
	int turn;
	int pid[NR_PROCS];
	unsigned int key[4];
} *sh;

static int inbox[NR_PROCS][2];

/* Of each process: descriptors, lengths of what they are, pages of regions. */
static int fd[12] = { -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1 };
static unsigned long length[12], pages[8];
static alignas(4096) char buf[64 << 10];
static int me;
static __thread int turn;
static __thread sigjmp_buf *on_fault;
static __thread unsigned int armed;

static int tell_call(int ret, const char *call)
{
	int err = errno;

	printf("%2d p%d %.60s: %d%s%s\n", turn, me, call, ret,
	       ret < 0 ? " " : "", ret < 0 ? strerror(err) : "");
	fflush(stdout);
	errno = err;
	return ret;
}

#define CALL(_call) int ret = tell_call((_call), #_call)
#define tell(_error) printf("   out_error %u\n", (_error))

static void turn_done(void)
{
	__atomic_store_n(&sh->turn, turn + 1, __ATOMIC_SEQ_CST);
}

static int goes_on(int until)
{
	return __atomic_load_n(&sh->turn, __ATOMIC_SEQ_CST) <= until;
}

/* Who has died gives away its turn after a second. */
static void turn_wait(int step)
{
	int tries;

	for (tries = 0; __atomic_load_n(&sh->turn, __ATOMIC_SEQ_CST) < step &&
	     tries < 10000; tries++)
		usleep(100);
	turn = step;
}

static void fault(int signal)
{
	if (on_fault)
		siglongjmp(*on_fault, 1);
	_exit(1);
}

static void ignore(int signal)
{
}

static int load(const volatile void *start, unsigned long count)
{
	const volatile unsigned long *word = start;
	sigjmp_buf env;

	if (sigsetjmp(env, 0))
		return on_fault = NULL, errno = EFAULT, -1;
	on_fault = &env;
	for (; count--; word += PAGE / sizeof(*word))
		if (turn >= 0)
			(void)*word;
	on_fault = NULL;
	return 0;
}

static int store(volatile void *start, unsigned long count)
{
	volatile unsigned long *word = start;
	sigjmp_buf env;

	if (sigsetjmp(env, 0))
		return on_fault = NULL, errno = EFAULT, -1;
	on_fault = &env;
	for (; count--; word += PAGE / sizeof(*word))
		word[1 + me] = 0x5a00 + turn;
	on_fault = NULL;
	return 0;
}

static int get_memory(int region, unsigned long count, const char *kind)
{
	int flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, file = -1;
	void *at = (void *)MEM(region);

	if (!strcmp(kind, "shared"))
		flags = MAP_FIXED | MAP_SHARED | MAP_ANONYMOUS;
	if (!strcmp(kind, "huge")) {
		count = (count + 511) & ~511UL;
		flags |= MAP_HUGETLB;
	}
	if (!strcmp(kind, "memfd") || !strcmp(kind, "secret")) {
		file = *kind == 'm' ? memfd_create("mem", 0) :
				      syscall(SYS_memfd_secret, 0);
		ftruncate(file, count * PAGE);
		flags = MAP_FIXED | MAP_SHARED;
	}
	if (!strcmp(kind, "file")) {
		file = open("/proc/self/exe", O_RDONLY);
		flags = MAP_FIXED | MAP_PRIVATE;
	}
	munmap(at, 2560 * PAGE);
	at = mmap(at, count * PAGE, PROT_READ | PROT_WRITE, flags, file, 0);
	close(file);
	if (at == MAP_FAILED)
		return -1;
	if (!strcmp(kind, "thp"))
		madvise(at, count * PAGE, MADV_HUGEPAGE);
	if (!strcmp(kind, "dontfork"))
		madvise(at, count * PAGE, MADV_DONTFORK);
	pages[region] = count;
	if (strcmp(kind, "zero") && strcmp(kind, "file"))
		store(at, count);
	if (!strcmp(kind, "ro"))
		mprotect(at, count * PAGE, PROT_READ);
	return 0;
}

/* Room for a structure of a size, whose last word is @last if it is not ours. */
static unsigned long zeros(unsigned int size, unsigned int last)
{
	static __thread char room[2 * PAGE];

	memset(room, 0, sizeof(room));
	if (size >= sizeof(last) && size <= PAGE)
		memcpy(room + size - sizeof(last), &last, sizeof(last));
	return (unsigned long)room;
}

static int write_file(const char *path, const char *text)
{
	int file = open(path, O_WRONLY);
	int ret = write(file, text, strlen(text));

	close(file);
	return ret;
}

static void fail_nth(unsigned int nth)
{
	int err = errno;
	char text[16];

	armed = nth;
	sprintf(text, "%u", nth);
	write_file("/proc/thread-self/fail-nth", text);
	errno = err;
}

/*
 * An ioctl whose structure lies where the program wants it. Nothing fails while
 * we touch it ourselves: if the kernel cannot bring in the stack for our handler
 * of faults, it ends us.
 */
static int ioctl_at(int file, unsigned long nr, unsigned long at, void *cmd,
		    size_t size)
{
	volatile unsigned int nth = armed;
	sigjmp_buf env;
	int ret;

	if (nth)
		fail_nth(0);
	if (!sigsetjmp(env, 0)) {
		on_fault = &env;
		memcpy((void *)at, cmd, size);
	}
	on_fault = NULL;
	if (nth)
		fail_nth(nth);
	ret = ioctl(file, nr, at);
	if (nth)
		fail_nth(0);
	if (!sigsetjmp(env, 0)) {
		on_fault = &env;
		memcpy(cmd, (void *)at, size);
	}
	on_fault = NULL;
	return ret;
}

static int send_fd(int to, int file, unsigned long size)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &size, sizeof(size) };
	struct msghdr msg = { NULL, 0, &iov, 1, control, sizeof(control), 0 };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &file, sizeof(int));
	return sendmsg(inbox[to][0], &msg, MSG_DONTWAIT);
}

static int receive_fd(int to, unsigned long *size)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { size, sizeof(*size) };
	struct msghdr msg = { NULL, 0, &iov, 1, control, sizeof(control), 0 };
	int file = -1;

	if (recvmsg(inbox[to][1], &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
		return -1;
	if (CMSG_FIRSTHDR(&msg))
		memcpy(&file, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(file));
	return file;
}

static int slow_down(unsigned int ms)
{
	char text[16];

	sprintf(text, "%u", ms);
	return write_file("/sys/module/rsmctl/parameters/test_mmap_delay_ms",
			  text);
}

static int read_file(const char *format, int number)
{
	static char data[4096];
	char path[64];
	int file, ret;

	sprintf(path, format, number);
	file = open(path, O_RDONLY);
	while ((ret = read(file, data, sizeof(data))) > 0)
		;
	close(file);
	return ret;
}

static int read_pagemap(const void *at)
{
	int file = open("/proc/self/pagemap", O_RDONLY);
	int ret = pread(file, buf, 64, (unsigned long)at / PAGE * 8);

	close(file);
	return ret;
}

static int open_mem(int pid)
{
	char path[32];

	sprintf(path, "/proc/%d/mem", pid);
	return open(path, O_RDWR);
}

static int peek(int pid, const void *at)
{
	int file = open_mem(pid);
	int ret = pread(file, buf, 128, (long)at);

	close(file);
	return ret;
}

static int poke(int pid, void *at)
{
	int file = open_mem(pid);
	int ret = pwrite(file, buf, 8, (long)at + 8);

	close(file);
	return ret;
}

static int become(int uid, int gid)
{
	return syscall(SYS_setgroups, 0, NULL) ||
	       syscall(SYS_setresgid, gid, gid, gid) ||
	       syscall(SYS_setresuid, uid, uid, uid) ? -1 : 0;
}

static int limit(int resource, unsigned long value)
{
	struct rlimit rlimit;

	getrlimit(resource, &rlimit);
	rlimit.rlim_cur = value;
	return setrlimit(resource, &rlimit);
}

static int send_signal(int to, int signal)
{
	int ret = kill(sh->pid[to], signal);

	usleep(100000);
	/* Whoever stopped would hold up all. */
	if (signal == SIGSTOP && !fork()) {
		usleep(500000);
		kill(sh->pid[to], SIGCONT);
		_exit(0);
	}
	return ret;
}

static void run_proc(int proc, int from);
static int fork_proc(int proc);
static void exec_again(int proc);

/* STEPS */
static void *run_async(void *data)
{
	const struct step *step = data;

	turn = step - steps;
	step->run();
	return NULL;
}

static void run_step(const struct step *step)
{
	pthread_t thread;
	pid_t pid;

	switch (step->mode) {
	case MAIN:
		step->run();
		break;
	case ASYNC:
		pthread_create(&thread, NULL, run_async, (void *)step);
		usleep(2000);
		break;
	case CHILD:
	case VM:
		pid = step->mode == VM ? vfork() : fork();
		if (!pid) {
			step->run();
			_exit(0);
		}
		waitpid(pid, NULL, __WALL);
	}
}

#define ARRAY_SIZE(_array) (sizeof(_array) / sizeof((_array)[0]))
#define NR_STEPS ((int)ARRAY_SIZE(steps))

static void run_proc(int proc, int from)
{
	int i;

	me = proc;
	sh->pid[proc] = getpid();
	for (i = from; i < NR_STEPS; i++) {
		if (steps[i].proc != proc)
			continue;
		turn_wait(i);
		run_step(&steps[i]);
		fail_nth(0);
		turn_done();
	}
	turn_wait(NR_STEPS);
	usleep(300000);
	exit(0);
}

static int fork_proc(int proc)
{
	int next = turn + 1;
	pid_t pid = fork();

	if (!pid)
		run_proc(proc, next);
	return pid;
}

/* What goes on is this program, with the descriptors that it still has. */
static void exec_again(int proc)
{
	char number[4][16];
	char table[sizeof(fd) * 4] = "", *at = table;
	int i;

	for (i = 0; i < 12; i++)
		at += sprintf(at, "%d ", fd[i]);
	sprintf(number[0], "%d", proc);
	sprintf(number[1], "%d", turn + 1);
	turn_done();
	execl("/proc/self/exe", "again", number[0], number[1], table, NULL);
}

static void share(void)
{
	int file = 900, i;

	if (fcntl(file, F_GETFD) < 0) {
		i = memfd_create("shared", 0);
		ftruncate(i, PAGE);
		dup2(i, file);
	}
	sh = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
}

static void resume(char **argv)
{
	char *at = argv[3];
	int i;

	for (i = 0; i < 12; i++)
		fd[i] = strtol(at, &at, 10);
	run_proc(atoi(argv[1]), atoi(argv[2]));
}

static int has_steps(int proc)
{
	int i;

	for (i = 0; i < NR_STEPS; i++)
		if (steps[i].proc == proc)
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = fault,
				    .sa_flags = SA_NODEFER };
	int i, pair[2];

	signal(SIGUSR1, ignore);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 4096, 4096 });
	share();
	for (i = 0; i < NR_PROCS; i++) {
		if (argc < 4 && !socketpair(AF_UNIX, SOCK_DGRAM, 0, pair)) {
			dup2(pair[0], 902 + 2 * i);
			dup2(pair[1], 903 + 2 * i);
		}
		inbox[i][0] = 902 + 2 * i;
		inbox[i][1] = 903 + 2 * i;
	}
	if (argc == 4)
		resume(argv);
	for (i = 0; i < NR_PROCS; i++)
		if (has_steps(i) && !(FORKED >> i & 1) && !fork())
			run_proc(i, 0);
	while (wait(NULL) > 0)
		;
	return 0;
}
