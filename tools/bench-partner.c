// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl bench: partners, which are processes that a benchmark has call
 * functions, and threads.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define MAX_THREADS 64

/* Until the pipe is closed. Functions are where they are in the other one. */
static void serve(struct bench *bench, int request, int answer)
{
	bench_side call;
	double result;

	while (read(request, &call, sizeof(call)) == sizeof(call)) {
		result = call(bench);
		if (write(answer, &result, sizeof(result)) != sizeof(result))
			break;
	}
	_exit(0);
}

/* So that nothing is left behind, whatever ends the parent */
void bench_die_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
}

static void fork_partner(struct bench *bench)
{
	struct bench_partner *partner = &bench->partners[bench->nr_partners];
	pid_t parent = getpid();
	int request[2], answer[2];

	if (pipe(request) || pipe(answer))
		bench_die("pipe", 0);
	partner->pid = fork();
	if (partner->pid < 0)
		bench_die("fork", 0);
	if (!partner->pid) {
		bench_die_with(parent);
		bench_end_partners(bench);
		close(request[1]);
		close(answer[0]);
		bench_pin_cpu(bench->nr_partners + 1);
		serve(bench, request[0], answer[1]);
	}
	close(request[0]);
	close(answer[1]);
	partner->request = request[1];
	partner->answer = answer[0];
	bench->nr_partners++;
}

void bench_fork(struct bench *bench, unsigned int count)
{
	while (count--)
		fork_partner(bench);
}

void bench_ask(struct bench *bench, unsigned int partner, bench_side call)
{
	int fd = bench->partners[partner].request;

	if (write(fd, &call, sizeof(call)) != sizeof(call))
		bench_die("the other process", 0);
}

double bench_answer(struct bench *bench, unsigned int partner)
{
	double result;
	int status;

	if (read(bench->partners[partner].answer, &result, sizeof(result)) ==
	    sizeof(result))
		return result;
	/* It has said why, and that is what becomes of this one. */
	waitpid(bench->partners[partner].pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status))
		exit(WEXITSTATUS(status));
	bench_die("the other process", 0);
}

double bench_call(struct bench *bench, unsigned int partner, bench_side call)
{
	bench_ask(bench, partner, call);
	return bench_answer(bench, partner);
}

/* One after the other; returns the sum. */
double bench_call_all(struct bench *bench, bench_side call)
{
	double sum = 0;
	unsigned int i;

	for (i = 0; i < bench->nr_partners; i++)
		sum += bench_call(bench, i, call);
	return sum;
}

/* Or, in one of them, lets go of those that were forked before it. */
void bench_end_partners(struct bench *bench)
{
	unsigned int i;

	for (i = 0; i < bench->nr_partners; i++) {
		close(bench->partners[i].request);
		close(bench->partners[i].answer);
		waitpid(bench->partners[i].pid, NULL, 0);
	}
}

struct worker {
	pthread_t thread;
	unsigned int index;
	struct bench *bench;
	pthread_barrier_t *barrier;
	void (*work)(struct bench *bench, unsigned int thread);
	double start;
	double end;
};

static void *worker(void *arg)
{
	struct worker *me = arg;

	bench_pin_cpu(me->index);
	pthread_barrier_wait(me->barrier);
	me->start = bench_now();
	me->work(me->bench, me->index);
	me->end = bench_now();
	return NULL;
}

/*
 * Have as many threads as the benchmark is to have do some work. Returns the
 * time from the start of the first one to the end of the last one.
 */
double bench_parallel(struct bench *bench,
		      void (*work)(struct bench *bench, unsigned int thread))
{
	struct worker workers[MAX_THREADS] = {};
	unsigned int i, count = bench->param.threads;
	pthread_barrier_t barrier;
	double start, end;

	pthread_barrier_init(&barrier, NULL, count);
	for (i = 0; i < count; i++) {
		workers[i] = (struct worker){ .index = i, .bench = bench,
					      .barrier = &barrier,
					      .work = work };
		if (pthread_create(&workers[i].thread, NULL, worker,
				   &workers[i]))
			bench_die("thread", 0);
	}
	for (i = 0; i < count; i++)
		pthread_join(workers[i].thread, NULL);
	start = workers[0].start;
	end = workers[0].end;
	for (i = 1; i < count; i++) {
		start = start < workers[i].start ? start : workers[i].start;
		end = end > workers[i].end ? end : workers[i].end;
	}
	pthread_barrier_destroy(&barrier);
	return end - start;
}
