// SPDX-License-Identifier: GPL-2.0-only
/*
 * libusrsm: what the kernel does, and does not do, with the addresses of a
 * mapping. A test for each line of the table in rsm_memseg_import_map(3rsm).
 * And what works where nothing more can be mapped.
 */
#include "lib_utils.h"

#include <linux/futex.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "fuse_hang.h"

/* The mappings of two connections, one of which can only read */
static char *map;
static char *read_only;
static rsm_memseg_import_handle_t reader;

FIXTURE(map) {};

FIXTURE_SETUP(map)
{
	void *addr = NULL;

	open_controller(_metadata);
	open_import(_metadata);
	ASSERT_OK(map_im(&addr, RSM_PERM_RDWR));
	map = addr;
	reader = connect_new(RSM_PERM_READ);
	addr = NULL;
	ASSERT_OK(rsm_memseg_import_map(reader, &addr, RSM_MAP_NONE,
					RSM_PERM_READ, 0, length));
	read_only = addr;
}

FIXTURE_TEARDOWN(map)
{
	EXPECT_OK(rsm_memseg_import_unmap(reader));
	EXPECT_OK(rsm_memseg_import_disconnect(reader));
	EXPECT_OK(rsm_memseg_import_unmap(im));
	close_import(_metadata);
	close_controller(_metadata);
}

#define EXPECT_ERRNO(_errno, _call)            \
	do {                                   \
		EXPECT_EQ(-1, (long)(_call));  \
		EXPECT_EQ(_errno, errno);      \
	} while (0)

/* Copies work, within the rights of the mapping. */

TEST_F(map, read_and_write)
{
	int fds[2];

	ASSERT_OK(pipe(fds));
	EXPECT_EQ(64, write(fds[1], map, 64));
	EXPECT_EQ(64, read(fds[0], map + page, 64));
	EXPECT_EQ(0, memcmp(mem, mem + page, 64));
	EXPECT_EQ(64, write(fds[1], read_only, 64));
	EXPECT_ERRNO(EFAULT, read(fds[0], read_only, 64));
	EXPECT_EQ(64, read(fds[0], map + 2 * page, 64));
	EXPECT_EQ(0, memcmp(mem, mem + 2 * page, 64));
	close(fds[0]);
	close(fds[1]);
}

TEST_F(map, read_and_write_files)
{
	int fd = memfd_create("limits", MFD_CLOEXEC);

	EXPECT_EQ(length, pwrite(fd, map, length, 0));
	memset(mem, 0, length);
	EXPECT_EQ(length, pread(fd, map, length, 0));
	EXPECT_EQ(-1, rsm_stamp_check(mem, length, 1));
	close(fd);
}

TEST_F(map, send_and_receive)
{
	int fds[2];

	ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	EXPECT_EQ(page, send(fds[0], map + page, page, 0));
	EXPECT_EQ(page, recv(fds[1], map, page, MSG_WAITALL));
	EXPECT_EQ(0, memcmp(mem, mem + page, page));
	close(fds[0]);
	close(fds[1]);
}

/* A child that stops itself, with the mappings of its parent */
static pid_t start_traced(struct __test_metadata *_metadata)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSTOPPED(status));
	return pid;
}

TEST_F(map, ptrace)
{
	pid_t child = start_traced(_metadata);

	*(long *)mem = 4711;
	EXPECT_EQ(4711, ptrace(PTRACE_PEEKDATA, child, map, NULL));
	EXPECT_EQ(4711, ptrace(PTRACE_PEEKDATA, child, read_only, NULL));
	EXPECT_OK(ptrace(PTRACE_POKEDATA, child, map, 4712));
	EXPECT_EQ(4712, *(long *)mem);
	EXPECT_ERRNO(EIO, ptrace(PTRACE_POKEDATA, child, read_only, 4713));
	EXPECT_EQ(4712, *(long *)mem);
	EXPECT_OK(ptrace(PTRACE_CONT, child, NULL, 0));
	EXPECT_OK(rsm_wait_child(child));
}

TEST_F(map, proc_mem)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	char *buffer = rsm_alloc(page);

	ASSERT_LE(0, fd);
	EXPECT_EQ(page, pread(fd, buffer, page, (uintptr_t)map + page));
	EXPECT_EQ(0, memcmp(mem + page, buffer, page));
	EXPECT_EQ(page, pread(fd, buffer, page, (uintptr_t)read_only));
	EXPECT_EQ(0, memcmp(mem, buffer, page));
	EXPECT_EQ(page, pwrite(fd, buffer, page, (uintptr_t)map + 2 * page));
	EXPECT_EQ(0, memcmp(mem + 2 * page, buffer, page));
	EXPECT_ERRNO(EIO, pwrite(fd, buffer, page,
				 (uintptr_t)read_only + 3 * page));
	close(fd);
}

/* What wants a reference to the page, to keep it */

TEST_F(map, direct_io)
{
	struct fuse_hang hang;
	char path[64];
	int fd;

	ASSERT_OK(fuse_hang_start(&hang, 4 * page));
	snprintf(path, sizeof(path), "%s/file", hang.dir);
	fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_ERRNO(EFAULT, read(fd, map, page));
	EXPECT_ERRNO(EFAULT, write(fd, map, page));
	EXPECT_ERRNO(EFAULT, write(fd, read_only, page));
	fuse_hang_release(&hang);
	EXPECT_EQ(page, read(fd, other, page));
	close(fd);
	fuse_hang_stop(&hang);
}

TEST_F(map, vmsplice)
{
	struct iovec iov = { map, page };
	int fds[2];

	ASSERT_OK(pipe(fds));
	EXPECT_ERRNO(EFAULT, vmsplice(fds[1], &iov, 1, 0));
	EXPECT_ERRNO(EFAULT, vmsplice(fds[1], &iov, 1, SPLICE_F_GIFT));
	/* the other way it is a copy */
	ASSERT_EQ(64, write(fds[1], mem, 64));
	iov.iov_base = map + page;
	iov.iov_len = 64;
	EXPECT_EQ(64, vmsplice(fds[0], &iov, 1, 0));
	EXPECT_EQ(0, memcmp(mem, mem + page, 64));
	close(fds[0]);
	close(fds[1]);
}

/* As the other process's memory; the caller's own is copied. */
TEST_F(map, process_vm)
{
	struct iovec import = { map, page };
	struct iovec usual = { other, page };
	pid_t pid = getpid();

	EXPECT_ERRNO(EFAULT, process_vm_readv(pid, &usual, 1, &import, 1, 0));
	EXPECT_ERRNO(EFAULT, process_vm_writev(pid, &usual, 1, &import, 1, 0));
	EXPECT_EQ(-1, rsm_stamp_check(mem, length, 1));
	EXPECT_EQ(page, process_vm_readv(pid, &import, 1, &usual, 1, 0));
	EXPECT_EQ(-1, rsm_stamp_check(mem, page, 2));
}

static int register_buffer(int ring, void *addr)
{
	struct iovec iov = { addr, page };

	return syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS,
		       &iov, 1);
}

TEST_F(map, io_uring_buffers)
{
	struct io_uring_params params = { 0 };
	int ring = syscall(SYS_io_uring_setup, 1, &params);

	if (ring < 0)
		SKIP(return, "no io_uring");
	EXPECT_EQ(-1, register_buffer(ring, map));
	EXPECT_TRUE(errno == EFAULT || errno == EOPNOTSUPP);
	EXPECT_OK(register_buffer(ring, other));
	close(ring);
}

TEST_F(map, export)
{
	rsm_memseg_export_handle_t again;

	EXPECT_ERR(RSMERR_BAD_ADDR,
		   rsm_memseg_export_create(ctl, &again, map, length, 0));
	EXPECT_ERR(RSMERR_BAD_ADDR,
		   rsm_memseg_export_rebind(seg, map, 0, length));
}

/* Futexes, and what is made of them */

static int futex(int op, uint32_t value)
{
	static const struct timespec soon = { .tv_nsec = 1000000 };

	return syscall(SYS_futex, map, op, value, &soon, NULL, 0);
}

TEST_F(map, futex)
{
	*(uint32_t *)mem = 1;
	EXPECT_ERRNO(EFAULT, futex(FUTEX_WAIT, 1));
	EXPECT_ERRNO(EFAULT, futex(FUTEX_WAIT, 0));
	EXPECT_ERRNO(EFAULT, futex(FUTEX_WAKE, 1));
	/* the threads of a process can use the address */
	EXPECT_ERRNO(ETIMEDOUT, futex(FUTEX_WAIT_PRIVATE, 1));
	EXPECT_ERRNO(EAGAIN, futex(FUTEX_WAIT_PRIVATE, 0));
	EXPECT_EQ(0, futex(FUTEX_WAKE_PRIVATE, 1));
}

/* Without anybody to wait for all is well. */
static int child_locks(void *arg)
{
	return pthread_mutex_lock(arg) || pthread_mutex_unlock(arg);
}

static int child_waits(void *arg)
{
	/* does not sleep, but spins or aborts */
	alarm(1);
	return pthread_mutex_lock(arg);
}

TEST_F(map, shared_mutex)
{
	pthread_mutex_t *mutex = (pthread_mutex_t *)map;
	pthread_mutexattr_t attr;
	int ret;

	ASSERT_OK(pthread_mutexattr_init(&attr));
	ASSERT_OK(pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED));
	ASSERT_OK(pthread_mutex_init(mutex, &attr));
	EXPECT_OK(rsm_in_child(child_locks, mutex));
	ASSERT_OK(pthread_mutex_lock(mutex));
	ret = rsm_in_child(child_waits, mutex);
	EXPECT_TRUE(ret == -SIGALRM || ret == -SIGABRT);
}

/* The mapping itself */

TEST_F(map, mprotect)
{
	EXPECT_OK(mprotect(map, length, PROT_READ));
	EXPECT_OK(mprotect(map, length, PROT_READ | PROT_WRITE));
	rsm_stamp(map, length, 3);
	EXPECT_EQ(-1, rsm_stamp_check(mem, length, 3));
	EXPECT_ERRNO(EACCES, mprotect(map, length, PROT_READ | PROT_EXEC));
	EXPECT_ERRNO(EACCES,
		     mprotect(read_only, length, PROT_READ | PROT_WRITE));
}

TEST_F(map, mremap)
{
	char *to = rsm_alloc(length);
	void *addr = map;

	EXPECT_ERRNO(EFAULT, mremap(map, length, length + page,
				    MREMAP_MAYMOVE));
	/* moving works, behind the library's back, and so does moving back */
	ASSERT_EQ(to, mremap(map, length, length,
			     MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_EQ(-1, rsm_stamp_check(to, length, 1));
	ASSERT_EQ(addr, mremap(to, length, length,
			       MREMAP_MAYMOVE | MREMAP_FIXED, map));
	EXPECT_EQ(-1, rsm_stamp_check(map, length, 1));
}

TEST_F(map, madvise)
{
	EXPECT_ERRNO(EINVAL, madvise(map, length, MADV_DONTNEED));
	EXPECT_ERRNO(EINVAL, madvise(map, length, MADV_DODUMP));
	EXPECT_EQ(-1, rsm_stamp_check(map, length, 1));
}

TEST_F(map, mlock)
{
	EXPECT_OK(mlock(map, length));
	EXPECT_EQ(-1, rsm_stamp_check(map, length, 1));
	EXPECT_OK(rsm_memseg_export_rebind(seg, other, 0, length));
	EXPECT_EQ(-1, rsm_stamp_check(map, length, 2));
	EXPECT_OK(munlock(map, length));
}

static int child_stores(void *arg)
{
	(void)arg;
	rsm_stamp(map, length, 3);
	return rsm_stamp_check(read_only, length, 3) != -1;
}

static int child_loads(void *arg)
{
	return *(volatile char *)arg & 0;
}

TEST_F(map, fork_inherits)
{
	EXPECT_OK(rsm_in_child(child_stores, NULL));
	EXPECT_EQ(-1, rsm_stamp_check(mem, length, 3));
	EXPECT_OK(madvise(read_only, length, MADV_DONTFORK));
	EXPECT_EQ(-SIGSEGV, rsm_in_child(child_loads, read_only));
	EXPECT_OK(rsm_in_child(child_loads, map));
	/* not to be undone on such a mapping */
	EXPECT_ERRNO(EINVAL, madvise(read_only, length, MADV_DOFORK));
}

/* Find the flags of the mapping in /proc/self/smaps: "VmFlags: rd wr sh ..." */
static bool read_flags(char *line, size_t size)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	unsigned long start = 0;
	unsigned long end;
	bool found = false;

	while (!found && fgets(line, size, file))
		if (!strncmp(line, "VmFlags:", 8))
			found = start == (uintptr_t)map;
		else if (sscanf(line, "%lx-%lx ", &end, &end) == 2)
			start = strtoul(line, NULL, 16);
	fclose(file);
	return found;
}

TEST_F(map, core_dump_leaves_it_out)
{
	char line[512];

	ASSERT_TRUE(read_flags(line, sizeof(line)));
	EXPECT_NE(NULL, strstr(line, " dd"));
	EXPECT_NE(NULL, strstr(line, " io"));
}

/* The result of @call where the address space may not grow */
static int without_room(int (*call)(void))
{
	struct rlimit limit, none;
	int ret;

	getrlimit(RLIMIT_AS, &limit);
	none = limit;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_AS, &none);
	ret = call();
	setrlimit(RLIMIT_AS, &limit);
	return ret;
}

static int connect_reader(void)
{
	reader = connect_new(RSM_PERM_READ);
	return reader ? RSM_SUCCESS : RSMERR_INSUFFICIENT_MEM;
}

static int map_all(void)
{
	void *addr;

	return map_im(&addr, RSM_PERM_RDWR);
}

static int put_all(void)
{
	return rsm_memseg_import_put(im, 0, other, length);
}

static int close_barrier(void)
{
	return rsm_memseg_import_close_barrier(&barrier);
}

TEST_F(imp, without_room_connect)
{
	ASSERT_OK(without_room(connect_reader));
	EXPECT_OK(rsm_memseg_import_disconnect(reader));
}

/* The library's own mapping comes first. */
TEST_F(imp, without_room_map)
{
	EXPECT_ERR(RSMERR_INSUFFICIENT_MEM, without_room(map_all));
	EXPECT_ERR(RSMERR_SEG_NOT_MAPPED, rsm_memseg_import_unmap(im));
	EXPECT_OK(map_all());
	EXPECT_OK(rsm_memseg_import_unmap(im));
	EXPECT_ERR(RSMERR_BAD_LENGTH, without_room(map_all));
	EXPECT_ERR(RSMERR_SEG_NOT_MAPPED, rsm_memseg_import_unmap(im));
}

/* The kernel copies, until there is room again. */
TEST_F(imp, without_room_put)
{
	ASSERT_OK(init_barrier());
	EXPECT_OK(without_room(put_all));
	EXPECT_EQ(-1, rsm_stamp_check(mem, length, 2));
	EXPECT_ERR(RSMERR_SEG_NOT_MAPPED, rsm_memseg_import_unmap(im));
	EXPECT_OK(put_all());
	EXPECT_OK(rsm_memseg_import_unmap(im));
	EXPECT_OK(rsm_memseg_import_destroy_barrier(&barrier));
}

/* The kernel is asked. */
TEST_F(imp, without_room_close_barrier)
{
	ASSERT_OK(init_barrier());
	ASSERT_OK(rsm_memseg_import_open_barrier(&barrier));
	EXPECT_OK(without_room(close_barrier));
	ASSERT_OK(rsm_memseg_export_unpublish(seg));
	ASSERT_OK(rsm_memseg_import_open_barrier(&barrier));
	EXPECT_ERR(RSMERR_CONN_ABORTED, without_room(close_barrier));
	EXPECT_OK(rsm_memseg_import_destroy_barrier(&barrier));
}

TEST_HARNESS_MAIN
