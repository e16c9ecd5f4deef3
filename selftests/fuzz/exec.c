// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process of a program: makes its calls when it is their turn. Whose turn
 * it is, is a number in shared memory; who has made a call adds one. Steps of
 * processes that are not there are passed over. A step that is made by a
 * thread gives away the turn as soon as it has begun.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../kernel/rsm_test.h"
#include "exec.h"

/* How long a step of a thread is waited for, in case it ends at once. */
#define BEGIN_US 1000

/* How long a process lives on without its first thread. */
#define LINGER_NS 200000000

/* How long threads that a signal was sent to may take to come back. */
#define INTERRUPT_MS 50

/* How long calls that wait for nothing may take in the end: some do a lot. */
#define WORK_MS 30000

#define HELPER_STACK (128 << 10)

/* A thread of the process, and the step that it is to make, plus one. */
struct helper {
	uint32_t job;
	pthread_t thread;
	bool started;
	unsigned int task;
};

static struct helper helpers[NR_HELPERS];
static unsigned int me;
static bool spoiled;
static __thread sigjmp_buf *on_fault;

/* Time and waiting */

long now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

void sleep_us(long us)
{
	struct timespec delay = { us / 1000000, us % 1000000 * 1000 };

	nanosleep(&delay, NULL);
}

/* Wait until a word is not @value, for @us at most, or without end if 0. */
void futex_wait(uint32_t *word, uint32_t value, long us)
{
	struct timespec limit = { us / 1000000, us % 1000000 * 1000 };

	syscall(SYS_futex, word, FUTEX_WAIT, value, us ? &limit : NULL, NULL,
		0);
}

void futex_wake(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

uint32_t next_order(void)
{
	return __atomic_add_fetch(&sh->order, 1, __ATOMIC_SEQ_CST);
}

/* Turns */

static uint32_t load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void proc_continue(struct proc *proc)
{
	if (!proc->stopped)
		return;
	proc->stopped = false;
	kill(proc->pid, SIGCONT);
}

static bool turn_next(uint32_t turn)
{
	return __atomic_compare_exchange_n(&sh->turn, &turn, turn + 1, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* Pass over the steps of those who are not there, and wake who is next. */
void turn_skip_dead(void)
{
	unsigned int i;
	uint32_t turn;

	while ((turn = load(&sh->turn)) < sh->prog.count) {
		struct proc *proc = &sh->procs[sh->prog.steps[turn].proc];

		if (load(&proc->alive) == PROC_ALIVE) {
			proc_continue(proc);
			break;
		}
		turn_next(turn);
	}
	for (i = 0; turn >= sh->prog.count && i < NR_PROCS; i++)
		proc_continue(&sh->procs[i]);
	futex_wake(&sh->turn);
}

static void turn_done(unsigned int index)
{
	turn_next(index);
	turn_skip_dead();
}

static void turn_wait(unsigned int index)
{
	uint32_t turn;

	while ((turn = load(&sh->turn)) < index)
		futex_wait(&sh->turn, turn, 0);
}

/* Faults */

static void fault(int signal)
{
	if (on_fault)
		siglongjmp(*on_fault, 1);
	/* What is not expected ends us, and is seen. */
	sigaction(signal, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
}

bool touch(void (*run)(void *arg), void *arg)
{
	sigjmp_buf env, *outer = on_fault;
	bool good = false;

	if (!sigsetjmp(env, 0)) {
		on_fault = &env;
		run(arg);
		good = true;
	}
	on_fault = outer;
	return good;
}

static void ignore(int signal)
{
	(void)signal;
}

static void block_usr1(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(how, &set, NULL);
}

/* Children inherit all of it but over exec. */
void exec_init(void)
{
	struct sigaction action = { .sa_handler = fault,
				    .sa_flags = SA_NODEFER };

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	/* Without SA_RESTART: to interrupt calls */
	action.sa_handler = ignore;
	action.sa_flags = 0;
	sigaction(SIGUSR1, &action, NULL);
	/* It is for the threads, which are the ones that wait. */
	block_usr1(SIG_BLOCK);
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
}

/* Calls */

static int (*const calls[NR_OPS])(struct call *call) = {
	[OP_OPEN] = do_open,
	[OP_OTHER] = do_other,
	[OP_CLOSE] = do_close,
	[OP_DUP] = do_dup,
	[OP_CLOEXEC] = do_cloexec,
	[OP_SEND] = do_send,
	[OP_RECV] = do_recv,
	[OP_POLL] = do_poll,
	[OP_FILE] = do_file,
	[OP_FORK] = do_fork,
	[OP_EXEC] = do_exec,
	[OP_EXIT] = do_exit,
	[OP_KILL] = do_kill,
	[OP_USER] = do_user,
	[OP_UMASK] = do_umask,
	[OP_LIMIT] = do_limit,
	[OP_UNSHARE] = do_unshare,
	[OP_PAUSE] = do_pause,
	[OP_JOIN] = do_join,
	[OP_SLOW] = do_slow,
	[OP_MEM] = do_mem,
	[OP_MAP] = do_map,
	[OP_UNMAP] = do_unmap,
	[OP_PROTECT] = do_protect,
	[OP_MOVE] = do_move,
	[OP_ADVISE] = do_advise,
	[OP_READ] = do_read,
	[OP_WRITE] = do_write,
	[OP_LOOP] = do_loop,
	[OP_PEEK] = do_peek,
	[OP_POKE] = do_poke,
	[OP_STATUS] = do_status,
	[OP_PROC] = do_proc,
	[OP_IOCTL] = do_ioctl,
	[OP_INFO] = do_info,
	[OP_CREATE] = do_create,
	[OP_REBIND] = do_rebind,
	[OP_PUBLISH] = do_publish,
	[OP_REPUBLISH] = do_republish,
	[OP_UNPUBLISH] = do_unpublish,
	[OP_DESTROY] = do_destroy,
	[OP_CONNECT] = do_connect,
	[OP_PUT] = do_put,
	[OP_GET] = do_get,
	[OP_ATOMIC] = do_atomic,
	[OP_POST] = do_post,
	[OP_WAIT] = do_wait,
	[OP_LOCK] = do_lock,
	[OP_UNLOCK] = do_unlock,
	[OP_GRANT] = do_grant,
	[OP_REDEEM] = do_redeem,
	[OP_FIND] = do_find,
	[OP_NODES] = do_nodes,
	[OP_FENCE] = do_fence,
};

static void log_begin(struct call *call)
{
	const struct state *state = call->state;
	struct log *log = call->log;

	log->proc = call->step->proc;
	log->mode = call->step->mode;
	log->ns = state->ns;
	log->epoch = state->epoch;
	log->uid = state->uid;
	log->gid = state->gid;
	log->mask = state->mask;
	log->ret = -EINPROGRESS;
	log->start = next_order();
	__atomic_store_n(&log->state, LOG_RUNS, __ATOMIC_SEQ_CST);
}

static void log_end(struct call *call, int ret)
{
	call->log->ret = ret;
	call->log->end = next_order();
	__atomic_store_n(&call->log->state, LOG_DONE, __ATOMIC_SEQ_CST);
	futex_wake(&call->log->state);
}

/* Let the @nth allocation or other thing that can fail do so; 0: none. */
void fail_nth(unsigned int nth)
{
	char text[16];
	int fd, length;

	fd = open("/proc/thread-self/fail-nth", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	length = snprintf(text, sizeof(text), "%u", nth);
	if (write(fd, text, length) != length)
		length = 0;
	close(fd);
}

static void make_call(struct call *call)
{
	uint64_t nth = arg(call, ROLE_FAIL);
	int ret;

	log_begin(call);
	note_since();
	if (nth)
		fail_nth(nth);
	ret = calls[call->step->op](call);
	if (nth)
		fail_nth(0);
	log_end(call, ret);
}

static struct call call_of(unsigned int index, struct state *state)
{
	return (struct call){
		.state = state,
		.step = &sh->prog.steps[index],
		.log = &sh->logs[index],
		.index = index,
	};
}

/* In a child, whose descriptors are its own from here on. */
static void child_call(unsigned int index)
{
	struct state state = sh->procs[me].state;
	struct call call = call_of(index, &state);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	kcov_enable(me * TASKS_PER_PROC + 1 + NR_HELPERS);
	make_call(&call);
	_exit(0);
}

static void reap(pid_t pid)
{
	while (pid > 0 && waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	flush_ends();
}

static void call_in_child(unsigned int index)
{
	pid_t pid = fork();

	if (!pid)
		child_call(index);
	reap(pid);
}

/* The child is the parent's task on its stack until it ends. */
static __attribute_noinline__ void call_in_vfork(unsigned int index)
{
	volatile pid_t pid = vfork();

	if (!pid)
		child_call(index);
	reap(pid);
}

/* Threads */

static void *helper_main(void *data)
{
	struct helper *helper = data;
	struct call call;
	uint32_t job;

	kcov_enable(helper->task);
	call_buf_of(helper - helpers);
	block_usr1(SIG_UNBLOCK);
	for (;;) {
		while (!(job = load(&helper->job)))
			futex_wait(&helper->job, 0, 0);
		call = call_of(job - 1, &sh->procs[me].state);
		call.waits = true;
		make_call(&call);
		__atomic_store_n(&helper->job, 0, __ATOMIC_SEQ_CST);
		futex_wake(&helper->job);
	}
	return NULL;
}

static bool helper_start(struct helper *helper)
{
	static alignas(PAGE) char stacks[NR_HELPERS][HELPER_STACK];
	size_t i = helper - helpers;
	pthread_attr_t attr;

	helper->task = me * TASKS_PER_PROC + 1 + i;
	pthread_attr_init(&attr);
	pthread_attr_setstack(&attr, stacks[i], HELPER_STACK);
	helper->started = !pthread_create(&helper->thread, &attr, helper_main,
					  helper);
	return helper->started;
}

bool have_helpers(void)
{
	return helpers[0].started;
}

/* A thread that has nothing to do, or NULL. */
static struct helper *helper_find(void)
{
	unsigned int i;

	for (i = 0; i < NR_HELPERS; i++)
		if (!load(&helpers[i].job) &&
		    (helpers[i].started || helper_start(&helpers[i])))
			return &helpers[i];
	return NULL;
}

static bool call_in_thread(unsigned int index)
{
	struct helper *helper = helper_find();
	uint32_t *state = &sh->logs[index].state;

	if (!helper)
		return false;
	__atomic_store_n(&helper->job, index + 1, __ATOMIC_SEQ_CST);
	futex_wake(&helper->job);
	while (load(state) == LOG_NONE)
		sched_yield();
	futex_wait(state, LOG_RUNS, BEGIN_US);
	return true;
}

/* Wait for all threads, up to @ms: true if none has anything to do. */
bool join_helpers(unsigned int ms)
{
	long end = now_ms() + ms;
	unsigned int i;
	uint32_t job;
	long left;

	for (i = 0; i < NR_HELPERS; i++) {
		while ((job = load(&helpers[i].job))) {
			left = end - now_ms();
			if (left <= 0)
				return false;
			futex_wait(&helpers[i].job, job, left * 1000);
		}
	}
	return true;
}

/* The loop */

/* Calls that concern the process itself are made by nobody else. */
static bool is_own_call(unsigned int op)
{
	return op == OP_FORK || op == OP_EXEC || op == OP_EXIT ||
	       op == OP_JOIN || op == OP_USER || op == OP_UNSHARE;
}

static void run_step(unsigned int index)
{
	const struct step *step = &sh->prog.steps[index];
	struct call call = call_of(index, &sh->procs[me].state);
	unsigned int mode = is_own_call(step->op) ? MODE_MAIN : step->mode;

	if (mode == MODE_CHILD)
		call_in_child(index);
	else if (mode == MODE_VM)
		call_in_vfork(index);
	else if (mode != MODE_ASYNC || !call_in_thread(index))
		make_call(&call);
}

/* Steps that threads have not come back from, one bit each. */
static uint64_t busy_steps(void)
{
	uint64_t steps = 0;
	unsigned int i;
	uint32_t job;

	for (i = 0; i < NR_HELPERS; i++) {
		job = load(&helpers[i].job);
		if (job)
			steps |= 1ULL << (job - 1);
	}
	return steps;
}

/* Make them come back, if a signal does: true if all did. */
static bool interrupt_helpers(void)
{
	unsigned int i;

	for (i = 0; i < NR_HELPERS; i++)
		if (load(&helpers[i].job))
			pthread_kill(helpers[i].thread, SIGUSR1);
	return join_helpers(INTERRUPT_MS);
}

static bool waits(unsigned int op)
{
	return op == OP_WAIT || op == OP_LOCK || op == OP_POLL ||
	       op == OP_PAUSE || op == OP_LOOP;
}

/* True if a thread is in a call that does not wait for others. */
static bool anyone_works(void)
{
	uint64_t steps = busy_steps();
	unsigned int i;

	for (i = 0; i < sh->prog.count; i++)
		if (steps >> i & 1 && !waits(sh->prog.steps[i].op))
			return true;
	return false;
}

/* All has been done: threads have a while to come back. */
static void end(void)
{
	struct log *log = &sh->scans[me];
	long limit = now_ms() + WORK_MS;

	log->proc = me;
	log->start = next_order();
	log->state = LOG_RUNS;
	join_helpers(sh->grace_ms);
	while (anyone_works() && now_ms() < limit)
		sleep_us(1000);
	sh->late[me] = busy_steps();
	scan_memory(log);
	log->end = next_order();
	log->state = LOG_DONE;
}

static void run_from(unsigned int index)
{
	for (; index < sh->prog.count; index++) {
		if (sh->prog.steps[index].proc != me)
			continue;
		turn_wait(index);
		run_step(index);
		turn_done(index);
	}
	turn_wait(sh->prog.count);
	end();
}

/* End this thread, the first one, and let the others go on for a while. */
void leader_exit(unsigned int index)
{
	struct itimerspec limit = { .it_value.tv_nsec = LINGER_NS };
	struct sigevent event = { .sigev_signo = SIGKILL };
	timer_t timer;

	if (!busy_steps() || timer_create(CLOCK_MONOTONIC, &event, &timer) ||
	    timer_settime(timer, 0, &limit, NULL))
		return;
	__atomic_store_n(&sh->procs[me].alive, PROC_DEAD, __ATOMIC_SEQ_CST);
	turn_done(index);
	syscall(SYS_exit, 0);
}

/* A new process, which inherits who makes it. */
static void proc_start(unsigned int proc)
{
	me = proc;
	memset(helpers, 0, sizeof(helpers));
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Else it would interrupt calls. */
	signal(SIGCHLD, SIG_DFL);
	kcov_enable(me * TASKS_PER_PROC);
}

/*
 * Let go of everything for the next program: false if what this one has done
 * to the process cannot be undone.
 */
static bool clean_up(void)
{
	if (spoiled || !interrupt_helpers())
		return false;
	umask(DEFAULT_UMASK);
	forget_memory();
	syscall(SYS_close_range, STDERR_FILENO + 1, SHARED_FD - 1, 0);
	return true;
}

/* Something is not as for a new process, and cannot be made so. */
void spoil(void)
{
	spoiled = true;
}

void notify(void)
{
	__atomic_add_fetch(&sh->events, 1, __ATOMIC_SEQ_CST);
	futex_wake(&sh->events);
}

/* Segments whose creator is dead are ended by work, which is over then. */
void flush_ends(void)
{
	ioctl(CONTROL_FD, RSM_TEST_FLUSH);
}

/* Make the calls of one process in program after program. */
void proc_main(unsigned int proc)
{
	struct worker *worker = &sh->workers[proc];
	uint32_t go;

	proc_start(proc);
	for (;;) {
		go = load(&worker->go);
		run_from(0);
		if (!clean_up())
			_exit(0);
		__atomic_store_n(&worker->done, go, __ATOMIC_SEQ_CST);
		notify();
		while (load(&worker->go) == go)
			futex_wait(&worker->go, go, 0);
	}
}

/* Make a child process @proc, with what this one has, from the next step on. */
pid_t fork_as(unsigned int proc)
{
	struct proc *new = &sh->procs[proc];
	unsigned int next = load(&sh->turn) + 1;
	pid_t pid;

	new->state = sh->procs[me].state;
	__atomic_store_n(&new->alive, PROC_ALIVE, __ATOMIC_SEQ_CST);
	/* The child of whoever watches us, to be seen to end. */
	pid = syscall(SYS_clone, CLONE_PARENT | CLONE_PARENT_SETTID | SIGCHLD,
		      NULL, &new->pid, NULL, NULL);
	if (!pid) {
		proc_start(proc);
		run_from(next);
		_exit(0);
	}
	if (pid < 0)
		__atomic_store_n(&new->alive, PROC_NOT_YET, __ATOMIC_SEQ_CST);
	return pid < 0 ? -errno : pid;
}

/* After exec: the descriptors that it has left are there still. */
void proc_resume(unsigned int proc, unsigned int index)
{
	struct state *state = &sh->procs[proc].state;
	struct call call;
	unsigned int i;

	exec_init();
	me = proc;
	for (i = 0; i < NR_FDS; i++)
		if (fcntl(state->fds[i].fd, F_GETFD) < 0)
			state->fds[i] = (struct slot){ .fd = -1 };
	state->epoch++;
	flush_ends();
	call = call_of(index, state);
	log_end(&call, 0);
	turn_done(index);
	run_from(index + 1);
	_exit(0);
}
