// SPDX-License-Identifier: GPL-2.0-only
/*
 * libusrsm: threads. None may stop another one for good, nor see the end of a
 * handle in the middle of a call.
 */
#include "lib_utils.h"

#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

/* Work on whatever connection there is, which ends at any time. */
static void *thread_use(void *arg)
{
	bool *stop = arg;
	rsm_memseg_import_handle_t handle;
	void *addr;
	long bad = 0;
	int ret;

	while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
		handle = __atomic_load_n(&im, __ATOMIC_RELAXED);
		addr = NULL;
		ret = rsm_memseg_import_map(handle, &addr, RSM_MAP_NONE,
					    RSM_PERM_READ, 0, length);
		bad += ret && ret != RSMERR_BAD_SEG_HNDL &&
		       ret != RSMERR_SEG_ALREADY_MAPPED;
		ret = rsm_memseg_import_unmap(handle);
		bad += ret && ret != RSMERR_BAD_SEG_HNDL &&
		       ret != RSMERR_SEG_NOT_MAPPED;
	}
	return (void *)bad;
}

TEST_F(imp, threads_share_a_handle)
{
	rsm_memseg_import_handle_t old;
	rsm_memseg_import_handle_t new;
	pthread_t threads[3];
	bool stop = false;
	void *bad;
	int ret;
	int i;

	for (i = 0; i < 3; i++)
		ASSERT_OK(pthread_create(&threads[i], NULL, thread_use, &stop));
	for (i = 0; i < 300; i++) {
		old = im;
		ASSERT_OK(rsm_memseg_import_connect(ctl, node, id,
						    RSM_PERM_READ, &new));
		__atomic_store_n(&im, new, __ATOMIC_RELAXED);
		do {
			rsm_memseg_import_unmap(old);
			ret = rsm_memseg_import_disconnect(old);
		} while (ret == RSMERR_SEG_STILL_MAPPED);
		EXPECT_OK(ret);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < 3; i++) {
		ASSERT_OK(pthread_join(threads[i], &bad));
		EXPECT_EQ(NULL, bad);
	}
	rsm_memseg_import_unmap(im);
}

/* Every thread makes and ends what it works on, with the same controller. */
static void *thread_make(void *arg)
{
	rsm_memseg_export_handle_t e = NULL;
	rsmapi_controller_handle_t c;
	long bad = 0;
	int i;

	for (i = 0; i < 100; i++) {
		bad += !!rsm_get_controller(NULL, &c);
		bad += !!rsm_memseg_export_create(c, &e, arg, page, 0);
		bad += !!rsm_release_controller(c);
		bad += !!rsm_memseg_export_destroy(e);
	}
	return (void *)bad;
}

TEST_F(lib, threads_make_handles)
{
	pthread_t threads[3];
	void *bad;
	int i;

	ASSERT_OK(rsm_release_controller(ctl));
	for (i = 0; i < 3; i++)
		ASSERT_OK(pthread_create(&threads[i], NULL, thread_make,
					 mem + i * page));
	for (i = 0; i < 3; i++) {
		ASSERT_OK(pthread_join(threads[i], &bad));
		EXPECT_EQ(NULL, bad);
	}
	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL, rsm_release_controller(ctl));
	ASSERT_OK(rsm_get_controller("loopback", &ctl));
}

/* Data against the end of mappings and connections */

#define THREADS 3

/* A handle may end at any time, and nothing else may go wrong. */
static bool is_bad(int ret)
{
	return ret && ret != RSMERR_BAD_SEG_HNDL;
}

/* Each thread on a page of its own: the first argument is its number. */
static void *thread_copies(void *arg)
{
	off_t offset = (uintptr_t)arg * page;
	uint64_t words[64] = { 0 };
	rsm_iovec_t vec = {
		.io_type = RSM_VA_TYPE,
		.local.vaddr = (char *)words,
		.remote_offset = offset,
		.transfer_length = sizeof(words),
	};
	rsm_scat_gath_t sg_io = { .io_request_count = 1, .iovec = &vec };
	long bad = 0;

	while (!stopped()) {
		sg_io.remote_handle = current_im();
		bad += is_bad(rsm_memseg_import_put64(current_im(), offset,
						      words, 64));
		bad += is_bad(rsm_memseg_import_get8(current_im(), offset,
						     (uint8_t *)words, 8));
		bad += is_bad(rsm_memseg_import_put(current_im(), offset, words,
						    sizeof(words)));
		bad += is_bad(rsm_memseg_import_getv(&sg_io));
		bad += is_bad(rsm_memseg_import_putv(&sg_io));
		bad += is_bad(rsm_memseg_import_add64(current_im(), offset, 1,
						      NULL));
		bad += is_bad(rsm_intr_signal_post(current_im(), 0));
	}
	return (void *)bad;
}

static void start_threads(struct __test_metadata *_metadata, pthread_t *threads,
			  void *(*fn)(void *arg))
{
	uintptr_t i;

	for (i = 0; i < THREADS; i++)
		ASSERT_OK(pthread_create(&threads[i], NULL, fn, (void *)i));
}

static void end_threads(struct __test_metadata *_metadata, pthread_t *threads)
{
	void *bad;
	int i;

	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < THREADS; i++) {
		ASSERT_OK(pthread_join(threads[i], &bad));
		EXPECT_EQ(NULL, bad);
	}
}

TEST_F_TIMEOUT(path, copies_against_disconnect, 60)
{
	rsm_memseg_import_handle_t first = im;
	rsm_memseg_import_handle_t last;
	pthread_t threads[THREADS];
	int i;

	im = connect_explicit();
	start_threads(_metadata, threads, thread_copies);
	for (i = 0; i < 200; i++) {
		last = im;
		__atomic_store_n(&im, connect_explicit(), __ATOMIC_RELAXED);
		EXPECT_OK(rsm_memseg_import_disconnect(last));
	}
	end_threads(_metadata, threads);
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	im = first;
}

TEST_F_TIMEOUT(path, copies_against_unmap, 60)
{
	pthread_t threads[THREADS];
	void *addr;
	int ret;
	int i;

	ASSERT_OK(rsm_memseg_import_set_mode(im, RSM_BARRIER_MODE_EXPLICIT));
	start_threads(_metadata, threads, thread_copies);
	for (i = 0; i < 500; i++) {
		ret = rsm_memseg_import_unmap(im);
		EXPECT_TRUE(!ret || ret == RSMERR_SEG_NOT_MAPPED);
		ret = map_im(&addr, RSM_PERM_RDWR);
		EXPECT_TRUE(!ret || ret == RSMERR_SEG_ALREADY_MAPPED ||
			    (!variant->mapped && ret == RSMERR_MAP_FAILED));
	}
	end_threads(_metadata, threads);
	rsm_memseg_import_unmap(im);
}

TEST_F_TIMEOUT(path, copies_against_rebind, 60)
{
	pthread_t threads[THREADS];
	int i;

	ASSERT_OK(rsm_memseg_import_set_mode(im, RSM_BARRIER_MODE_EXPLICIT));
	start_threads(_metadata, threads, thread_copies);
	for (i = 0; i < 200; i++)
		EXPECT_OK(rsm_memseg_export_rebind(seg, i & 1 ? mem : other, 0,
						   length));
	end_threads(_metadata, threads);
}

/*
 * Each thread sees success until it sees the abort, and then nothing else. What
 * was a success has arrived.
 */
static void *thread_copies_until_abort(void *arg)
{
	off_t offset = (uintptr_t)arg * page;
	uint64_t word = 0;
	uint64_t sent;
	int ret;

	do {
		sent = word++;
		ret = rsm_memseg_import_put64(im, offset, &word, 1);
	} while (!ret);
	if (ret != RSMERR_CONN_ABORTED ||
	    rsm_memseg_import_get64(im, offset, &word, 1) != ret)
		return (void *)1;
	return (void *)(long)(*(volatile uint64_t *)(mem + offset) < sent);
}

TEST_F_TIMEOUT(path, copies_against_unpublish, 60)
{
	pthread_t threads[THREADS];
	int i;

	for (i = 0; i < 30; i++) {
		memset(mem, 0, length);
		start_threads(_metadata, threads, thread_copies_until_abort);
		rsm_sleep_ms(5);
		EXPECT_OK(rsm_memseg_export_unpublish(seg));
		end_threads(_metadata, threads);
		close_import(_metadata);
		id = 0;
		open_import(_metadata);
	}
}

/* The same of much data: a put that the abort comes into is none. */
#define LARGE_PAGES 256

static void *thread_puts_until_abort(void *arg)
{
	unsigned char *data = arg;
	unsigned char value = 0;

	do
		memset(data, ++value, length);
	while (!rsm_memseg_import_put(im, 0, data, length));
	return (void *)(uintptr_t)(unsigned char)(value - 1);
}

/* In each page is the last put that was a success, or the one after it. */
static bool arrived(unsigned char value)
{
	size_t i;

	for (i = 0; i < length; i += page)
		if (mem[i] != (char)value && mem[i] != (char)(value + 1))
			return false;
	return true;
}

TEST_F_TIMEOUT(path, large_copy_against_unpublish, 60)
{
	char *data = rsm_alloc(LARGE_PAGES * page);
	pthread_t thread;
	void *value;
	int i;

	for (i = 0; i < 20; i++) {
		close_import(_metadata);
		length = LARGE_PAGES * page;
		mem = rsm_alloc(length);
		id = 0;
		open_import(_metadata);
		ASSERT_OK(pthread_create(&thread, NULL, thread_puts_until_abort,
					 data));
		rsm_sleep_ms(10 + i % 3);
		EXPECT_OK(rsm_memseg_export_unpublish(seg));
		ASSERT_OK(pthread_join(thread, &value));
		EXPECT_TRUE(arrived((uintptr_t)value));
	}
}

/* Barriers of their own on one connection */
static void *thread_uses_barrier(void *arg)
{
	off_t offset = (uintptr_t)arg * page;
	rsmapi_barrier_t own;
	uint64_t word = 0;
	long bad = 0;
	int i;

	for (i = 0; i < 300; i++) {
		bad += !!rsm_memseg_import_init_barrier(im, RSM_BAR_DEFAULT,
							&own);
		bad += !!rsm_memseg_import_open_barrier(&own);
		bad += !!rsm_memseg_import_put64(im, offset, &word, 1);
		bad += !!rsm_memseg_import_order_barrier(&own);
		bad += !!rsm_memseg_import_close_barrier(&own);
		bad += !!rsm_memseg_import_destroy_barrier(&own);
	}
	return (void *)bad;
}

TEST_F(path, barriers)
{
	pthread_t threads[THREADS];

	ASSERT_OK(rsm_memseg_import_set_mode(im, RSM_BARRIER_MODE_EXPLICIT));
	start_threads(_metadata, threads, thread_uses_barrier);
	end_threads(_metadata, threads);
	/* for the fixture */
	ASSERT_OK(init_barrier());
}

/* Lists of transfers with a handle that is freed meanwhile */
static rsm_localmemory_handle_t handle;

static void *thread_uses_localmemory(void *arg)
{
	rsm_iovec_t vec = {
		.io_type = RSM_HANDLE_TYPE,
		.local_offset = (uintptr_t)arg * page,
		.remote_offset = (uintptr_t)arg * page,
		.transfer_length = page,
	};
	long bad = 0;
	int ret;

	while (!stopped()) {
		vec.local.handle = __atomic_load_n(&handle, __ATOMIC_RELAXED);
		ret = one_vec(rsm_memseg_import_putv, &vec, 0);
		bad += ret && ret != RSMERR_BAD_LOCALMEM_HNDL;
	}
	return (void *)bad;
}

TEST_F(path, localmemory)
{
	rsm_localmemory_handle_t last;
	rsm_localmemory_handle_t new;
	pthread_t threads[THREADS];
	int i;

	ASSERT_OK(rsm_create_localmemory_handle(ctl, &handle, other, length));
	start_threads(_metadata, threads, thread_uses_localmemory);
	for (i = 0; i < 300; i++) {
		last = handle;
		ASSERT_OK(rsm_create_localmemory_handle(ctl, &new, other,
							length));
		__atomic_store_n(&handle, new, __ATOMIC_RELAXED);
		EXPECT_OK(rsm_free_localmemory_handle(ctl, last));
	}
	end_threads(_metadata, threads);
	EXPECT_OK(rsm_free_localmemory_handle(ctl, handle));
}

/* Single accesses: no element is ever seen half written. */

#define ELEMENTS 64

static void *thread_puts_elements(void *arg)
{
	_Alignas(16) uint64_t words[ELEMENTS];
	size_t size = (uintptr_t)arg;
	int ret = 0;

	memset(words, 0, sizeof(words));
	while (!ret && !stopped()) {
		memset(words, ~*(char *)words, sizeof(words));
		if (size == 2)
			ret = rsm_memseg_import_put16(im, 0, (void *)words,
						      ELEMENTS);
		else if (size == 4)
			ret = rsm_memseg_import_put32(im, 0, (void *)words,
						      ELEMENTS);
		else
			ret = rsm_memseg_import_put64(im, 0, words, ELEMENTS);
	}
	return (void *)(long)ret;
}

/* How many elements at @elements are neither all zeros nor all ones */
static int count_torn(const volatile void *elements, size_t size)
{
	const volatile uint16_t *u16 = elements;
	const volatile uint32_t *u32 = elements;
	const volatile uint64_t *u64 = elements;
	uint64_t value;
	int torn = 0;
	int i;

	for (i = 0; i < ELEMENTS; i++) {
		value = size == 2 ? u16[i] : size == 4 ? u32[i] : u64[i];
		torn += value && value != UINT64_MAX >> (64 - 8 * size);
	}
	return torn;
}

static int get_elements(void *words, size_t size)
{
	if (size == 2)
		return rsm_memseg_import_get16(im, 0, words, ELEMENTS);
	if (size == 4)
		return rsm_memseg_import_get32(im, 0, words, ELEMENTS);
	return rsm_memseg_import_get64(im, 0, words, ELEMENTS);
}

TEST_F(imp, elements_are_whole)
{
	_Alignas(16) uint64_t words[ELEMENTS];
	pthread_t thread;
	void *ret;
	size_t size;
	int i;

	ASSERT_OK(init_barrier());
	memset(mem, 0, length);
	for (size = 2; size <= 8; size *= 2) {
		__atomic_store_n(&stop, false, __ATOMIC_RELAXED);
		ASSERT_OK(pthread_create(&thread, NULL, thread_puts_elements,
					 (void *)size));
		for (i = 0; i < 2000; i++) {
			EXPECT_EQ(0, count_torn(mem, size));
			EXPECT_OK(get_elements(words, size));
			EXPECT_EQ(0, count_torn(words, size));
		}
		__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
		ASSERT_OK(pthread_join(thread, &ret));
		EXPECT_EQ(NULL, ret);
	}
}

/* Waiting */

#define SHORT_MS 50

/* What a thread does with a handle, and what becomes of it */
struct waiter {
	pthread_t thread;
	void *memseg;
	int timeout;
	int ret;
};

static void *thread_waits(void *arg)
{
	struct waiter *waiter = arg;

	waiter->ret = rsm_intr_signal_wait(waiter->memseg, waiter->timeout);
	return NULL;
}

static void *thread_locks(void *arg)
{
	struct waiter *waiter = arg;

	waiter->ret = rsm_memseg_lock(waiter->memseg, 0, waiter->timeout, NULL);
	return NULL;
}

static void *thread_unlocks(void *arg)
{
	struct waiter *waiter = arg;

	waiter->ret = rsm_memseg_unlock(waiter->memseg, 0);
	return NULL;
}

static void start_waiter(struct __test_metadata *_metadata,
			 struct waiter *waiter, void *(*fn)(void *arg),
			 void *memseg, int timeout)
{
	waiter->memseg = memseg;
	waiter->timeout = timeout;
	ASSERT_OK(pthread_create(&waiter->thread, NULL, fn, waiter));
}

static void end_waiter(struct __test_metadata *_metadata,
		       struct waiter *waiter, int expected)
{
	ASSERT_OK(pthread_join(waiter->thread, NULL));
	EXPECT_ERR(expected, waiter->ret);
}

/* What another thread gets from @fn */
static int in_thread(struct __test_metadata *_metadata, void *(*fn)(void *arg),
		     void *memseg)
{
	struct waiter waiter = { .ret = -1 };

	start_waiter(_metadata, &waiter, fn, memseg, 0);
	pthread_join(waiter.thread, NULL);
	return waiter.ret;
}

TEST_F(path, disconnect_while_others_wait)
{
	rsm_memseg_import_handle_t new = connect_new(RSM_PERM_READ);
	struct waiter waiters[THREADS];
	long start = now_ms();
	int i;

	for (i = 0; i < THREADS; i++)
		start_waiter(_metadata, &waiters[i], thread_waits, new, -1);
	rsm_sleep_ms(SHORT_MS);
	EXPECT_OK(rsm_memseg_import_disconnect(new));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_intr_signal_wait(new, 0));
	for (i = 0; i < THREADS; i++)
		end_waiter(_metadata, &waiters[i], RSMERR_BAD_SEG_HNDL);
	EXPECT_GT(LONG_MS, now_ms() - start);
}

TEST_F(imp, destroy_while_others_wait)
{
	struct waiter waiters[THREADS];
	struct waiter importer;
	int i;

	for (i = 0; i < THREADS; i++)
		start_waiter(_metadata, &waiters[i], thread_waits, seg, -1);
	start_waiter(_metadata, &importer, thread_waits, im, -1);
	rsm_sleep_ms(SHORT_MS);
	EXPECT_OK(rsm_memseg_export_destroy(seg));
	for (i = 0; i < THREADS; i++)
		end_waiter(_metadata, &waiters[i], RSMERR_BAD_SEG_HNDL);
	end_waiter(_metadata, &importer, RSMERR_CONN_ABORTED);
	/* for the fixture */
	ASSERT_OK(create(0));
}

/* Interrupted by a signal whose handler takes its time */

static bool in_handler;

static void handle_slowly(int signal)
{
	(void)signal;
	__atomic_store_n(&in_handler, true, __ATOMIC_RELAXED);
	rsm_sleep_ms(2 * SHORT_MS);
}

static void interrupt(struct __test_metadata *_metadata, pthread_t thread)
{
	struct sigaction action = { .sa_handler = handle_slowly };

	__atomic_store_n(&in_handler, false, __ATOMIC_RELAXED);
	ASSERT_OK(sigaction(SIGUSR1, &action, NULL));
	ASSERT_OK(pthread_kill(thread, SIGUSR1));
	while (!__atomic_load_n(&in_handler, __ATOMIC_RELAXED))
		rsm_sleep_ms(1);
}

static int end(void *memseg)
{
	return memseg == seg ? rsm_memseg_export_destroy(memseg) :
			       rsm_memseg_import_disconnect(memseg);
}

/* End a handle while who waits with it for a lock of @holder's does not. */
static void interrupt_and_end(struct __test_metadata *_metadata, void *holder,
			      void *memseg)
{
	long start = now_ms();
	struct waiter waiter;

	ASSERT_OK(rsm_memseg_lock(holder, 0, 0, NULL));
	start_waiter(_metadata, &waiter, thread_locks, memseg, -1);
	rsm_sleep_ms(SHORT_MS);
	interrupt(_metadata, waiter.thread);
	EXPECT_OK(end(memseg));
	end_waiter(_metadata, &waiter, RSMERR_BAD_SEG_HNDL);
	EXPECT_GT(LONG_MS, now_ms() - start);
}

TEST_F(path, disconnect_while_a_signal_is_handled)
{
	rsm_memseg_import_handle_t new = connect_new(RSM_PERM_RDWR);

	interrupt_and_end(_metadata, seg, new);
	EXPECT_OK(rsm_memseg_unlock(seg, 0));
	new = connect_new(RSM_PERM_RDWR);
	interrupt_and_end(_metadata, new, new);
}

TEST_F(path, destroy_while_a_signal_is_handled)
{
	interrupt_and_end(_metadata, im, seg);
	/* for the fixture */
	ASSERT_OK(create(0));
}

TEST_F(path, destroy_while_the_holder_waits)
{
	interrupt_and_end(_metadata, seg, seg);
	/* for the fixture */
	ASSERT_OK(create(0));
}

/* Handles that have ended, while their slot is in use for another one */

#define SLOT_MASK 0xfffff

static void *thread_creates(void *arg)
{
	rsm_memseg_export_handle_t new = NULL;

	if (rsm_memseg_export_create(ctl, &new, arg, length, 0))
		return NULL;
	rsm_memseg_export_destroy(new);
	return new;
}

/* Let who touches @addr wait: the descriptor to end that with */
static int stall(struct __test_metadata *_metadata, void *addr)
{
	struct uffdio_register range = {
		.range = { (uintptr_t)addr, length },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_api api = { .api = UFFD_API };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	ASSERT_LE(0, fd);
	ASSERT_OK(ioctl(fd, UFFDIO_API, &api));
	ASSERT_OK(ioctl(fd, UFFDIO_REGISTER, &range));
	return fd;
}

TEST_F(imp, ended_handles_do_not_wait)
{
	rsm_memseg_import_handle_t old_im = connect_new(RSM_PERM_READ);
	rsmapi_controller_handle_t old_ctl = NULL;
	void *addr = rsm_alloc(length);
	rsm_barrier_mode_t mode;
	struct uffd_msg msg;
	pthread_t thread;
	uintptr_t next;
	void *new;
	int fd;

	EXPECT_OK(rsm_memseg_import_disconnect(old_im));
	EXPECT_OK(rsm_get_controller("test0", &old_ctl));
	EXPECT_OK(rsm_release_controller(old_ctl));
	next = (uintptr_t)old_ctl + SLOT_MASK + 1;
	fd = stall(_metadata, addr);
	ASSERT_OK(pthread_create(&thread, NULL, thread_creates, addr));
	ASSERT_EQ(sizeof(msg), read(fd, &msg, sizeof(msg)));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_import_get_mode(old_im, &mode));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_memseg_import_disconnect(old_im));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL, rsm_intr_signal_wait(old_im, -1));
	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL, rsm_release_controller(old_ctl));
	/* nor does the new one, taken for another kind */
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_import_get_mode((void *)next, &mode));
	EXPECT_ERR(RSMERR_BAD_CTLR_HNDL, rsm_release_controller((void *)next));
	/* closing it lets the thread go on */
	close(fd);
	ASSERT_OK(pthread_join(thread, &new));
	EXPECT_EQ(next, (uintptr_t)new);
	EXPECT_EQ(next & SLOT_MASK, (uintptr_t)old_im & SLOT_MASK);
}

/* Threads that are cancelled, wherever they can be */

static int use_all(void)
{
	rsm_topology_t *topology = NULL;
	rsmapi_controller_handle_t test = NULL;
	rsm_memseg_import_handle_t new;
	rsm_memseg_export_handle_t own = NULL;
	int bad = 0;

	bad += !!rsm_get_controller("test0", &test);
	bad += !!rsm_get_interconnect_topology(&topology);
	rsm_free_interconnect_topology(topology);
	bad += !!rsm_memseg_export_create(ctl, &own, other, length, 0);
	new = connect_explicit();
	bad += !!rsm_memseg_import_put8(new, 0, (uint8_t *)mem, 1);
	bad += !!rsm_memseg_import_disconnect(new);
	bad += !!rsm_memseg_export_destroy(own);
	bad += !!rsm_release_controller(test);
	return bad;
}

static void *thread_uses_all(void *arg)
{
	int *bad = arg;

	for (;;) {
		pthread_testcancel();
		*bad += use_all();
	}
	return NULL;
}

TEST_F(imp, cancelled)
{
	pthread_t thread;
	int bad = 0;
	void *ret;
	int i;

	for (i = 0; i < 50; i++) {
		ASSERT_OK(pthread_create(&thread, NULL, thread_uses_all, &bad));
		rsm_sleep_ms(i % 5);
		ASSERT_OK(pthread_cancel(thread));
		ASSERT_OK(pthread_join(thread, &ret));
		EXPECT_EQ(PTHREAD_CANCELED, ret);
		EXPECT_EQ(0, use_all());
	}
	EXPECT_EQ(0, bad);
}

/* A thread that waits keeps nobody from the handle. */
TEST_F(path, work_while_another_waits)
{
	struct waiter waiter;
	uint64_t word;
	void *addr;

	start_waiter(_metadata, &waiter, thread_waits, im, -1);
	rsm_sleep_ms(SHORT_MS);
	EXPECT_OK(rsm_memseg_import_get64(im, 0, &word, 1));
	if (variant->mapped) {
		EXPECT_OK(rsm_memseg_import_unmap(im));
		EXPECT_OK(map_im(&addr, RSM_PERM_RDWR));
		EXPECT_ERR(RSMERR_SEG_STILL_MAPPED,
			   rsm_memseg_import_disconnect(im));
		EXPECT_OK(rsm_memseg_import_unmap(im));
	}
	EXPECT_OK(rsm_memseg_lock(im, 0, 0, NULL));
	EXPECT_OK(rsm_memseg_unlock(im, 0));
	EXPECT_OK(rsm_intr_signal_post(seg, 0));
	end_waiter(_metadata, &waiter, RSM_SUCCESS);
}

/* Handles that end while others begin to wait, time and again */
static void *thread_begins_to_wait(void *arg)
{
	long bad = 0;
	int ret;

	(void)arg;
	while (!stopped()) {
		ret = rsm_intr_signal_wait(current_im(), -1);
		bad += is_bad(ret);
		ret = rsm_memseg_lock(current_im(), 0, 1, NULL);
		bad += is_bad(ret) && ret != RSMERR_TIMEOUT;
		ret = ret ?: rsm_memseg_unlock(current_im(), 0);
		bad += is_bad(ret) && ret != RSMERR_TIMEOUT &&
		       ret != RSMERR_LOCK_NOT_HELD;
	}
	return (void *)bad;
}

TEST_F_TIMEOUT(path, waits_against_disconnect, 60)
{
	rsm_memseg_import_handle_t first = im;
	rsm_memseg_import_handle_t last;
	pthread_t threads[THREADS];
	int i;

	im = connect_new(RSM_PERM_RDWR);
	start_threads(_metadata, threads, thread_begins_to_wait);
	for (i = 0; i < 200; i++) {
		last = im;
		__atomic_store_n(&im, connect_new(RSM_PERM_RDWR),
				 __ATOMIC_RELAXED);
		EXPECT_OK(rsm_memseg_import_disconnect(last));
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	end_threads(_metadata, threads);
	im = first;
}

/* Every signal is had once. */
#define SIGNALS 300

static void *thread_takes(void *arg)
{
	long taken = 0;

	(void)arg;
	while (!rsm_intr_signal_wait(im, -1))
		taken++;
	return (void *)taken;
}

static void *thread_takes_by_poll(void *arg)
{
	struct pollfd fd;
	long taken = 0;
	int count;

	(void)arg;
	if (rsm_memseg_get_pollfd(im, &fd))
		return NULL;
	while (!rsm_intr_signal_wait_pollfd(&fd, 1, -1, &count) &&
	       fd.revents & POLLRDNORM)
		taken += count;
	rsm_memseg_release_pollfd(im);
	return (void *)taken;
}

TEST_F(path, signals_are_had_once)
{
	pthread_t threads[2 * THREADS];
	void *taken;
	long sum = 0;
	int i;

	for (i = 0; i < 2 * THREADS; i++)
		ASSERT_OK(pthread_create(&threads[i], NULL,
					 i & 1 ? thread_takes :
						 thread_takes_by_poll, NULL));
	for (i = 0; i < SIGNALS; i++)
		EXPECT_OK(rsm_intr_signal_post(seg, 0));
	EXPECT_OK(rsm_memseg_export_unpublish(seg));
	for (i = 0; i < 2 * THREADS; i++) {
		ASSERT_OK(pthread_join(threads[i], &taken));
		sum += (long)taken;
	}
	EXPECT_EQ(SIGNALS, sum);
}

/* Locks between threads */

TEST_F(path, a_lock_is_the_threads)
{
	long start;

	EXPECT_OK(rsm_memseg_lock(im, 0, 0, NULL));
	EXPECT_ERR(RSMERR_LOCK_HELD, rsm_memseg_lock(im, 0, 0, NULL));
	EXPECT_ERR(RSMERR_TIMEOUT, in_thread(_metadata, thread_locks, im));
	EXPECT_ERR(RSMERR_TIMEOUT, in_thread(_metadata, thread_locks, seg));
	EXPECT_ERR(RSMERR_LOCK_NOT_HELD,
		   in_thread(_metadata, thread_unlocks, im));
	EXPECT_OK(rsm_memseg_unlock(im, 0));
	EXPECT_OK(in_thread(_metadata, thread_locks, im));
	start = now_ms();
	EXPECT_ERR(RSMERR_TIMEOUT, rsm_memseg_lock(im, 0, SHORT_MS, NULL));
	EXPECT_LE(SHORT_MS, now_ms() - start);
	EXPECT_ERR(RSMERR_LOCK_NOT_HELD, rsm_memseg_unlock(im, 0));
}

/* The second one may well get the first one's pthread_t. */
TEST_F(path, a_lock_is_not_the_next_threads)
{
	EXPECT_OK(in_thread(_metadata, thread_locks, im));
	EXPECT_ERR(RSMERR_TIMEOUT, in_thread(_metadata, thread_locks, im));
	EXPECT_ERR(RSMERR_LOCK_NOT_HELD,
		   in_thread(_metadata, thread_unlocks, im));
	EXPECT_ERR(RSMERR_TIMEOUT, in_thread(_metadata, thread_locks, seg));
}

static void lock_and_unlock(struct __test_metadata *_metadata, void *memseg)
{
	struct waiter waiter;

	EXPECT_OK(rsm_memseg_lock(im, 0, 0, NULL));
	start_waiter(_metadata, &waiter, thread_locks, memseg, -1);
	rsm_sleep_ms(SHORT_MS);
	EXPECT_OK(rsm_memseg_unlock(im, 0));
	end_waiter(_metadata, &waiter, RSM_SUCCESS);
	EXPECT_ERR(RSMERR_TIMEOUT, rsm_memseg_lock(im, 0, 0, NULL));
}

TEST_F(path, a_lock_goes_to_the_thread_that_waits)
{
	lock_and_unlock(_metadata, im);
}

TEST_F(path, a_lock_goes_to_the_handle_that_waits)
{
	lock_and_unlock(_metadata, seg);
}

/* The holder is another handle, or another thread with the same one. */
static void lock_and_disconnect(struct __test_metadata *_metadata, bool same)
{
	rsm_memseg_import_handle_t new = connect_new(RSM_PERM_RDWR);
	void *holder = same ? (void *)new : (void *)seg;
	struct waiter waiters[THREADS];
	int i;

	EXPECT_OK(rsm_memseg_lock(holder, 0, 0, NULL));
	for (i = 0; i < THREADS; i++)
		start_waiter(_metadata, &waiters[i], thread_locks, new, -1);
	rsm_sleep_ms(SHORT_MS);
	EXPECT_OK(rsm_memseg_import_disconnect(new));
	for (i = 0; i < THREADS; i++)
		end_waiter(_metadata, &waiters[i], RSMERR_BAD_SEG_HNDL);
	EXPECT_ERR(same ? RSMERR_LOCK_NOT_HELD : RSM_SUCCESS,
		   rsm_memseg_unlock(seg, 0));
}

TEST_F(path, disconnect_while_others_wait_for_a_lock)
{
	lock_and_disconnect(_metadata, false);
	lock_and_disconnect(_metadata, true);
}

static void lock_and_unpublish(struct __test_metadata *_metadata, void *holder)
{
	struct waiter waiters[THREADS];
	long start;
	int i;

	EXPECT_OK(rsm_memseg_lock(holder, 0, 0, NULL));
	for (i = 0; i < THREADS; i++)
		start_waiter(_metadata, &waiters[i], thread_locks, im, -1);
	rsm_sleep_ms(SHORT_MS);
	start = now_ms();
	EXPECT_OK(rsm_memseg_export_unpublish(seg));
	for (i = 0; i < THREADS; i++)
		end_waiter(_metadata, &waiters[i], RSMERR_CONN_ABORTED);
	EXPECT_GT(1000, now_ms() - start);
	EXPECT_ERR(holder == im ? RSMERR_LOCK_NOT_HELD : RSM_SUCCESS,
		   rsm_memseg_unlock(holder, 0));
}

TEST_F(path, unpublish_while_others_wait_for_a_lock)
{
	lock_and_unpublish(_metadata, seg);
}

TEST_F(path, unpublish_while_threads_wait_for_a_lock)
{
	lock_and_unpublish(_metadata, im);
}

#define ROUNDS 300

static long under_lock;

/* Not in one access. That the kernel keeps the order no sanitizer knows. */
static void count(void)
{
	long seen = __atomic_load_n(&under_lock, __ATOMIC_RELAXED);

	__atomic_store_n(&under_lock, seen + 1, __ATOMIC_RELAXED);
}

/* Two threads share a handle, and the third has one of its own. */
static void *thread_counts(void *arg)
{
	void *memseg = arg ? (void *)im : (void *)seg;
	long bad = 0;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		bad += !!rsm_memseg_lock(memseg, 8, -1, NULL);
		count();
		bad += !!rsm_memseg_unlock(memseg, 8);
	}
	return (void *)bad;
}

TEST_F_TIMEOUT(path, locks_exclude, 60)
{
	pthread_t threads[THREADS];

	start_threads(_metadata, threads, thread_counts);
	end_threads(_metadata, threads);
	EXPECT_EQ(THREADS * ROUNDS, under_lock);
}

TEST_HARNESS_MAIN
