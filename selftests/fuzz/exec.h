/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The side of the processes that make the calls.
 */
#ifndef FUZZ_EXEC_H
#define FUZZ_EXEC_H

#include <stdatomic.h>
#include <sys/types.h>

#include "shared.h"

#define DEFAULT_UMASK 022

/* A call being made. */
struct call {
	struct state *state;	/* of the process, or a copy for a child */
	const struct step *step;
	struct log *log;
	unsigned int index;	/* of the step */
	bool waits;		/* may take its time: nobody waits for it */
};

/* exec.c */
void exec_init(void);
void proc_main(unsigned int proc);
void proc_resume(unsigned int proc, unsigned int index);
void turn_skip_dead(void);
void spoil(void);
void notify(void);
void flush_ends(void);
bool have_helpers(void);
bool join_helpers(unsigned int ms);
void leader_exit(unsigned int index);
pid_t fork_as(unsigned int proc);
uint32_t next_order(void);
long now_ms(void);
void sleep_us(long us);
void futex_wake(uint32_t *word);
void futex_wait(uint32_t *word, uint32_t value, long us);

/* Run @run, which touches memory: false if that faulted. */
bool touch(void (*run)(void *arg), void *arg);
void fail_nth(unsigned int nth);

/* region.c */
void *region_addr(unsigned int region, unsigned int page);
void *resolve(uint64_t addr);
uint64_t pages_from(uint64_t addr);
void *call_buf(void);
void call_buf_of(unsigned int helper);
void note_addr(struct log *log, const void *addr, uint64_t length);
void note_since(void);
void note_seen(struct log *log, const struct span *at, const uint64_t *words,
	       unsigned int count);
void scan_memory(struct log *log);
void forget_memory(void);

/* calls.c, region.c, ioctls.c: the result is 0 or more, or a negative errno. */
int do_open(struct call *call);
int do_other(struct call *call);
int do_close(struct call *call);
int do_dup(struct call *call);
int do_cloexec(struct call *call);
int do_send(struct call *call);
int do_recv(struct call *call);
int do_poll(struct call *call);
int do_file(struct call *call);
int do_fork(struct call *call);
int do_exec(struct call *call);
int do_exit(struct call *call);
int do_kill(struct call *call);
int do_user(struct call *call);
int do_umask(struct call *call);
int do_limit(struct call *call);
int do_unshare(struct call *call);
int do_pause(struct call *call);
int do_join(struct call *call);
int do_slow(struct call *call);
int do_mem(struct call *call);
int do_map(struct call *call);
int do_unmap(struct call *call);
int do_protect(struct call *call);
int do_move(struct call *call);
int do_advise(struct call *call);
int do_read(struct call *call);
int do_write(struct call *call);
int do_loop(struct call *call);
int do_peek(struct call *call);
int do_poke(struct call *call);
int do_status(struct call *call);
int do_proc(struct call *call);
int do_ioctl(struct call *call);
int do_info(struct call *call);
int do_create(struct call *call);
int do_rebind(struct call *call);
int do_publish(struct call *call);
int do_republish(struct call *call);
int do_unpublish(struct call *call);
int do_destroy(struct call *call);
int do_connect(struct call *call);
int do_put(struct call *call);
int do_get(struct call *call);
int do_atomic(struct call *call);
int do_post(struct call *call);
int do_wait(struct call *call);
int do_lock(struct call *call);
int do_unlock(struct call *call);
int do_grant(struct call *call);
int do_redeem(struct call *call);
int do_find(struct call *call);
int do_nodes(struct call *call);
int do_fence(struct call *call);

static inline uint64_t arg(const struct call *call, enum role role)
{
	return call->step->arg[role];
}

/* calls.c */
int slot_fd(const struct call *call);
int slot_set(struct call *call, int fd, uint16_t obj);

/* kcov.c */
void kcov_enable(unsigned int task);

#endif /* FUZZ_EXEC_H */
