// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs a program: starts its processes, waits until all of them are gone,
 * looks for traces that they have left, and asks the oracle.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/rsmctl.h>

#include "exec.h"
#include "run.h"

/*
 * How long a program may take, how much longer if a step does not end, and
 * how long its processes to be killed.
 */
#define RUN_MS 50000
#define HANG_MS 60000
#define KILL_MS 20000

/* How long calls under way in the end are waited for; and if it matters. */
#define GRACE_MS 5
#define GRACE_LONG_MS 3000

struct shared *sh;

/* Add to the verdict. */
void complain(const char *format, ...)
{
	size_t used = strlen(sh->message);
	va_list args;

	va_start(args, format);
	vsnprintf(sh->message + used, sizeof(sh->message) - used, format,
		  args);
	va_end(args);
}

static void on_child(int signal)
{
	(void)signal;
	__atomic_add_fetch(&sh->events, 1, __ATOMIC_SEQ_CST);
}

/* Start */

static bool uses(const struct prog *prog, unsigned int op)
{
	unsigned int i;

	for (i = 0; i < prog->count; i++)
		if (prog->steps[i].op == op)
			return true;
	return false;
}

/* Processes that another one makes are not there from the start. */
static bool is_there(const struct prog *prog, unsigned int proc)
{
	bool has_steps = false;
	unsigned int i;

	for (i = 0; i < prog->count; i++) {
		const struct step *step = &prog->steps[i];

		if (step->op == OP_FORK && step->arg[ROLE_TO] == proc &&
		    step->proc != proc)
			return false;
		has_steps |= step->proc == proc;
	}
	return has_steps;
}

/* For descriptors on their way from one process to another. */
static void make_inboxes(void)
{
	unsigned int i, side;
	int fds[2];

	for (i = 0; i < NR_PROCS; i++) {
		if (socketpair(AF_UNIX, SOCK_DGRAM, 0, fds))
			return;
		for (side = 0; side < 2; side++) {
			dup2(fds[side], INBOX_FD(i, side));
			close(fds[side]);
		}
	}
}

/* Messages without room for descriptors drop these. */
static void empty_inboxes(void)
{
	unsigned int i;
	char byte;

	for (i = 0; i < NR_PROCS; i++)
		while (recv(INBOX_FD(i, 1), &byte, 1, MSG_DONTWAIT) > 0)
			;
}

static void init_state(struct state *state)
{
	unsigned int i;

	*state = (struct state){ .mask = 022 };
	for (i = 0; i < NR_FDS; i++)
		state->fds[i].fd = -1;
}

static void init_proc(const struct prog *prog, unsigned int i)
{
	struct proc *proc = &sh->procs[i];

	memset(proc, 0, sizeof(*proc));
	init_state(&proc->state);
	proc->alive = is_there(prog, i) ? PROC_ALIVE : PROC_NOT_YET;
	if (proc->alive == PROC_ALIVE)
		proc->pid = sh->workers[i].pid;
}

static void init_shared(const struct prog *prog, unsigned int grace_ms)
{
	unsigned int i;

	sh->prog = *prog;
	sh->turn = 0;
	sh->order = 0;
	sh->grace_ms = grace_ms;
	sh->message[0] = 0;
	memset(sh->keys, 0, sizeof(sh->keys));
	memset(sh->lengths, 0, sizeof(sh->lengths));
	memset(sh->logs, 0, prog->count * sizeof(sh->logs[0]));
	memset(sh->scans, 0, sizeof(sh->scans));
	memset(sh->late, 0, sizeof(sh->late));
	for (i = 0; i < NR_PROCS; i++)
		init_proc(prog, i);
}

static void start(unsigned int i)
{
	struct worker *worker = &sh->workers[i];
	pid_t pid = syscall(SYS_clone, CLONE_PARENT_SETTID | SIGCHLD, NULL,
			    &worker->pid, NULL, NULL);

	if (!pid)
		proc_main(i);
	sh->procs[i].pid = pid;
	if (pid < 0)
		sh->procs[i].alive = PROC_DEAD;
}

/* A process that has threads already cannot become another user. */
static bool needs_new_worker(const struct prog *prog, unsigned int proc)
{
	unsigned int i;

	for (i = 0; i < prog->count; i++)
		if (prog->steps[i].proc == proc &&
		    (prog->steps[i].op == OP_USER ||
		     prog->steps[i].op == OP_UNSHARE))
			return true;
	return false;
}

static void end_worker(struct worker *worker)
{
	kill(worker->pid, SIGKILL);
	while (waitpid(worker->pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	worker->pid = 0;
}

static void end_old_workers(const struct prog *prog)
{
	unsigned int i;

	for (i = 0; i < NR_PROCS; i++)
		if (sh->workers[i].pid > 0 && needs_new_worker(prog, i))
			end_worker(&sh->workers[i]);
}

/* The first ones to be started may fork the others while we are here. */
static void start_all(const struct prog *prog)
{
	unsigned int i;

	turn_skip_dead();
	for (i = 0; i < NR_PROCS; i++) {
		struct worker *worker = &sh->workers[i];

		if (!is_there(prog, i))
			continue;
		__atomic_add_fetch(&worker->go, 1, __ATOMIC_SEQ_CST);
		if (worker->pid > 0)
			futex_wake(&worker->go);
		else
			start(i);
	}
}

/* The end */

static struct proc *find_proc(pid_t pid)
{
	unsigned int i;

	for (i = 0; i < NR_PROCS; i++)
		if (sh->procs[i].pid == pid)
			return &sh->procs[i];
	return NULL;
}

static void check_status(const struct proc *proc, int status)
{
	unsigned int i = proc - sh->procs;

	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		complain("p%u was ended by signal %d\n", i, WTERMSIG(status));
}

static void forget_worker(pid_t pid)
{
	unsigned int i;

	for (i = 0; i < NR_PROCS; i++)
		if (sh->workers[i].pid == pid)
			sh->workers[i].pid = 0;
}

static void note_death(pid_t pid, int status)
{
	struct proc *proc = find_proc(pid);

	forget_worker(pid);
	if (!proc)
		return;
	check_status(proc, status);
	flush_ends();
	proc->died = next_order();
	__atomic_store_n(&proc->alive, PROC_DEAD, __ATOMIC_SEQ_CST);
	futex_wake(&proc->alive);
	turn_skip_dead();
}

static void note_deaths(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, __WALL | WNOHANG)) > 0)
		note_death(pid, status);
}

/* A process is done when it has ended, or waits for the next program. */
static bool is_done(unsigned int i)
{
	const struct worker *worker = &sh->workers[i];

	if (sh->procs[i].pid <= 0)
		return true;
	if (worker->pid == sh->procs[i].pid)
		return __atomic_load_n(&worker->done, __ATOMIC_SEQ_CST) ==
		       worker->go;
	return sh->procs[i].died;
}

static bool all_done(void)
{
	unsigned int i;

	for (i = 0; i < NR_PROCS; i++)
		if (!is_done(i))
			return false;
	return true;
}

/* Wait for all processes: false if it takes too long. */
static bool wait_all(long ms)
{
	long end = now_ms() + ms;
	uint32_t events;

	for (;;) {
		events = __atomic_load_n(&sh->events, __ATOMIC_SEQ_CST);
		note_deaths();
		if (all_done())
			return true;
		if (now_ms() > end)
			return false;
		futex_wait(&sh->events, events, 1000000);
	}
}

static void kill_all(void)
{
	unsigned int i;

	for (i = 0; i < NR_PROCS; i++)
		if (!is_done(i))
			kill(sh->procs[i].pid, SIGKILL);
}

/* A step that others wait for, and that does not end, has no excuse. */
static bool hangs(unsigned int i)
{
	return sh->logs[i].state == LOG_RUNS &&
	       sh->prog.steps[i].mode != MODE_ASYNC;
}

static bool any_hangs(void)
{
	unsigned int i;

	for (i = 0; i < sh->prog.count; i++)
		if (hangs(i))
			return true;
	return false;
}

static void find_hanging(void)
{
	unsigned int i;

	for (i = 0; i < sh->prog.count; i++)
		if (hangs(i))
			complain("step %u does not end\n", i);
}

/* The machine may be busy with other things. */
static bool wait_patiently(void)
{
	return wait_all(RUN_MS) || (any_hangs() && wait_all(HANG_MS));
}

static bool finish(void)
{
	if (wait_patiently())
		return true;
	find_hanging();
	kill_all();
	if (wait_all(KILL_MS))
		return true;
	complain("a process that was killed does not end\n");
	return false;
}

static void run_once(const struct prog *prog, unsigned int grace_ms)
{
	bool mails = uses(prog, OP_SEND) || uses(prog, OP_RECV);

	end_old_workers(prog);
	init_shared(prog, grace_ms);
	kcov_reset();
	start_all(prog);
	if (finish()) {
		if (mails)
			empty_inboxes();
		traces_check();
	}
	kcov_collect();
}

/* True if nothing is wrong; else sh->message says what. */
bool run_prog(const struct prog *prog)
{
	run_once(prog, GRACE_MS);
	/* What waits in vain may just not have been given the time. */
	if (!sh->message[0] && !oracle_judge()) {
		run_once(prog, GRACE_LONG_MS);
		if (!sh->message[0])
			oracle_judge();
	}
	return !sh->message[0];
}

/* Once */

static bool map_shared(void)
{
	int fd;

	if (fcntl(SHARED_FD, F_GETFD) < 0) {
		fd = memfd_create("shared", 0);
		if (fd < 0 || ftruncate(fd, sizeof(*sh)) ||
		    dup2(fd, SHARED_FD) < 0)
			return false;
		close(fd);
	}
	sh = mmap((void *)SHARED_AT, sizeof(*sh), PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_FIXED_NOREPLACE, SHARED_FD, 0);
	return sh == (void *)SHARED_AT;
}

static uint32_t find_controller(int fd, const char *name)
{
	struct rsm_controller_info info = { .size = sizeof(info) };

	strcpy(info.name, name);
	return ioctl(fd, RSM_CONTROLLER_INFO, &info) ? ~0U :
						       info.out_controller;
}

static bool find_controllers(void)
{
	int fd = open("/dev/rsmctl", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return false;
	sh->ctl[0] = find_controller(fd, "loopback");
	sh->ctl[1] = find_controller(fd, "test0");
	dup2(fd, CONTROL_FD);
	close(fd);
	return true;
}

/* What /proc/sys has for the tests; not there is as well. */
static void set_kernel(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, value, strlen(value)) < 0)
		errno = 0;
	close(fd);
}

static void set_kernels(void)
{
	static const char *const settings[][2] = {
		{ "/proc/sys/vm/nr_hugepages", "2" },
		{ "/sys/kernel/debug/failslab/ignore-gfp-wait", "N" },
		{ "/sys/kernel/debug/failslab/verbose", "0" },
		{ "/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N" },
		{ "/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem", "N" },
		{ "/sys/kernel/debug/fail_page_alloc/min-order", "0" },
		{ "/sys/kernel/debug/fail_page_alloc/verbose", "0" },
		{ "/sys/kernel/debug/fail_usercopy/verbose", "0" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(settings); i++)
		set_kernel(settings[i][0], settings[i][1]);
}

static bool is_resumed(int argc, char **argv)
{
	return argc == 4 && !strcmp(argv[1], "--resume");
}

/* First of all: a process of a program that has called exec does not return. */
void run_resume(int argc, char **argv)
{
	unsigned long proc, index;

	if (!is_resumed(argc, argv) || !map_shared())
		return;
	proc = strtoul(argv[2], NULL, 10);
	index = strtoul(argv[3], NULL, 10);
	if (proc < NR_PROCS && index < MAX_STEPS)
		proc_resume(proc, index);
}

bool run_init(void)
{
	struct sigaction action = { .sa_handler = on_child };

	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 4096, 4096 });
	exec_init();
	umask(DEFAULT_UMASK);
	if (!map_shared() || !find_controllers())
		return false;
	sigaction(SIGCHLD, &action, NULL);
	make_inboxes();
	set_kernels();
	kcov_init();
	if (!traces_init())
		return false;
	/* Children of processes that have ended are waited for, too. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	return true;
}
