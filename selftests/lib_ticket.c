// SPDX-License-Identifier: GPL-2.0-only
/*
 * libusrsm: tickets.
 */
#include "lib_utils.h"

#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static int ticket = -1;

static int grant(rsm_permission_t perm)
{
	return rsm_memseg_export_grant(seg, perm, &ticket);
}

static int redeem(rsm_permission_t perm)
{
	return rsm_memseg_import_redeem(ticket, perm, &im);
}

/* Redeem for @perm, and end the connection. */
static int try_redeem(rsm_permission_t perm)
{
	rsm_memseg_import_handle_t new;
	int ret = rsm_memseg_import_redeem(ticket, perm, &new);

	return ret ?: rsm_memseg_import_disconnect(new);
}

static void publish(struct __test_metadata *_metadata)
{
	rsmapi_access_entry_t nobody[] = { { node, 0 } };
	rsm_memseg_id_t segid = SEGID;

	ASSERT_OK(rsm_memseg_export_publish(seg, &segid, nobody, 1));
}

static void limit_descriptors(rlim_t count)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = count < limit.rlim_max ? count : limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int child_grants(void *arg)
{
	(void)arg;
	return grant(RSM_PERM_READ);
}

static int child_grants_badly(void *arg)
{
	(void)arg;
	return rsm_memseg_export_grant(seg, RSM_PERM_READ, NULL);
}

TEST_F(seg, grant_errors)
{
	EXPECT_ERR(RSMERR_SEG_NOT_PUBLISHED, grant(RSM_PERM_READ));
	publish(_metadata);
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_export_grant(NULL, RSM_PERM_READ, &ticket));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_export_grant((void *)ctl, RSM_PERM_READ,
					   &ticket));
	EXPECT_ERR(RSMERR_BAD_ADDR,
		   rsm_memseg_export_grant(seg, RSM_PERM_READ, NULL));
	EXPECT_ERR(RSMERR_BAD_PERMS, grant(0100));
	EXPECT_ERR(RSMERR_BAD_PERMS, grant(0640));
	EXPECT_ERR(RSMERR_BAD_PERMS, grant(01400));
	EXPECT_ERR(RSMERR_NOT_CREATOR, rsm_in_child(child_grants, NULL));
	limit_descriptors(0);
	EXPECT_ERR(RSMERR_INSUFFICIENT_RESOURCES, grant(RSM_PERM_READ));
	limit_descriptors(RLIM_INFINITY);
	EXPECT_EQ(-1, ticket);
}

TEST_F(seg, grant_errors_in_order)
{
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_export_grant(NULL, 0100, NULL));
	EXPECT_ERR(RSMERR_BAD_ADDR, rsm_memseg_export_grant(seg, 0100, NULL));
	EXPECT_ERR(RSMERR_BAD_PERMS, grant(0100));
	EXPECT_ERR(RSMERR_BAD_ADDR, rsm_in_child(child_grants_badly, NULL));
}

TEST_F(seg, redeem_errors)
{
	rsm_memseg_import_handle_t new;

	publish(_metadata);
	ASSERT_OK(grant(RSM_PERM_READ));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_import_redeem(ticket, RSM_PERM_READ, NULL));
	EXPECT_ERR(RSMERR_BAD_ADDR,
		   rsm_memseg_import_redeem(-1, RSM_PERM_READ, &new));
	EXPECT_ERR(RSMERR_BAD_ADDR,
		   rsm_memseg_import_redeem(999, RSM_PERM_READ, &new));
	EXPECT_ERR(RSMERR_PERM_DENIED, try_redeem(0100));
	EXPECT_ERR(RSMERR_PERM_DENIED, try_redeem(0440));
	EXPECT_ERR(RSMERR_PERM_DENIED, try_redeem(RSM_PERM_WRITE));
	EXPECT_ERR(RSMERR_PERM_DENIED, try_redeem(RSM_PERM_RDWR));
	EXPECT_ERR(RSMERR_BAD_SEG_HNDL,
		   rsm_memseg_import_redeem(-1, 0100, NULL));
	limit_descriptors(0);
	EXPECT_ERR(RSMERR_INSUFFICIENT_RESOURCES, try_redeem(RSM_PERM_READ));
	limit_descriptors(RLIM_INFINITY);
	close(ticket);
}

/* @fd is none, and is left alone. */
static void expect_no_ticket(struct __test_metadata *_metadata, int fd)
{
	int open = fcntl(fd, F_GETFD);

	ticket = fd;
	EXPECT_ERR(RSMERR_BAD_ADDR, try_redeem(RSM_PERM_READ));
	EXPECT_EQ(open, fcntl(fd, F_GETFD));
	EXPECT_LE(0, fcntl(0, F_GETFD));
}

TEST_F(imp, other_descriptors)
{
	int fds[] = {
		open("/dev/null", O_RDWR | O_CLOEXEC),
		open("/dev/urandom", O_RDONLY | O_CLOEXEC),
		open("/proc/self/exe", O_RDONLY | O_CLOEXEC),
		eventfd(0, EFD_CLOEXEC),
		rsm_open(),
		-1,
		-1,
	};
	size_t i;

	ASSERT_LE(0, fcntl(0, F_GETFD));
	ASSERT_OK(pipe(fds + 5));
	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		ASSERT_LE(0, fds[i]);
		expect_no_ticket(_metadata, fds[i]);
		close(fds[i]);
		expect_no_ticket(_metadata, fds[i]);
	}
	expect_no_ticket(_metadata, 0);
	expect_no_ticket(_metadata, -1);
	expect_no_ticket(_metadata, INT_MAX);
}

TEST_F(imp, handles_are_no_tickets)
{
	struct pollfd fd;

	ASSERT_OK(rsm_memseg_get_pollfd(seg, &fd));
	expect_no_ticket(_metadata, fd.fd);
	EXPECT_OK(rsm_memseg_release_pollfd(seg));
	ASSERT_OK(rsm_memseg_get_pollfd(im, &fd));
	expect_no_ticket(_metadata, fd.fd);
	EXPECT_OK(rsm_memseg_release_pollfd(im));
}

/* Another driver may take the ioctl for its own: it succeeds, and that is it. */
static int succeed_without_the_kernel(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RSM_TICKET_CONNECT, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { ARRAY_SIZE(filter), filter };

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

TEST_F(lib, other_drivers)
{
	ASSERT_OK(succeed_without_the_kernel());
	expect_no_ticket(_metadata, 1);
}

TEST_F(seg, is_a_close_on_exec_descriptor)
{
	publish(_metadata);
	ASSERT_OK(grant(RSM_PERM_READ));
	EXPECT_LE(3, ticket);
	EXPECT_EQ(FD_CLOEXEC, fcntl(ticket, F_GETFD));
	close(ticket);
}

TEST_F(seg, rights)
{
	static const rsm_permission_t perms[] = {
		RSM_PERM_NONE, RSM_PERM_READ, RSM_PERM_WRITE, RSM_PERM_RDWR,
	};
	size_t g;
	size_t r;

	publish(_metadata);
	for (g = 0; g < ARRAY_SIZE(perms); g++) {
		ASSERT_OK(grant(perms[g]));
		for (r = 0; r < ARRAY_SIZE(perms); r++)
			EXPECT_ERR(perms[r] & ~perms[g] ? RSMERR_PERM_DENIED :
							  RSM_SUCCESS,
				   try_redeem(perms[r])) {
				TH_LOG("%#o of %#o", perms[r], perms[g]);
			}
		close(ticket);
	}
}

/* What it gives is a connection like any other. */
static int use_connection(void)
{
	uint64_t value = 0;
	void *addr;
	int ret;

	ret = rsm_memseg_import_init_barrier(im, RSM_BAR_DEFAULT, &barrier);
	ret = ret ?: rsm_memseg_import_get64(im, 0, &value, 1);
	if (ret || value != (uint64_t)1 << 32)
		return ret ?: 254;
	ret = rsm_memseg_import_put64(im, 8, &value, 1);
	ret = ret ?: rsm_memseg_import_unmap(im);
	ret = ret ?: map_im(&addr, RSM_PERM_RDWR);
	ret = ret ?: rsm_intr_signal_post(im, 0);
	ret = ret ?: rsm_memseg_import_unmap(im);
	return ret ?: rsm_memseg_import_disconnect(im);
}

TEST_F(seg, connects)
{
	int i;

	publish(_metadata);
	ASSERT_OK(grant(RSM_PERM_RDWR));
	for (i = 0; i < 3; i++) {
		ASSERT_OK(redeem(RSM_PERM_RDWR));
		EXPECT_OK(use_connection());
		EXPECT_OK(rsm_intr_signal_wait(seg, 0));
		EXPECT_EQ((uint64_t)1 << 32, ((uint64_t *)mem)[1]);
	}
	/* the connection needs its ticket no longer, nor each other */
	ASSERT_OK(redeem(RSM_PERM_RDWR));
	close(ticket);
	EXPECT_OK(use_connection());
	EXPECT_OK(rsm_intr_signal_wait(seg, 0));
}

TEST_F(lib, locks)
{
	ASSERT_OK(create(RSM_LOCK_OPS));
	publish(_metadata);
	ASSERT_OK(grant(RSM_PERM_RDWR));
	ASSERT_OK(redeem(RSM_PERM_RDWR));
	EXPECT_OK(rsm_memseg_import_set_mode(im, RSM_BARRIER_MODE_EXPLICIT));
	EXPECT_OK(rsm_memseg_import_add64(im, 0, 1, NULL));
	EXPECT_OK(rsm_memseg_lock(im, 0, 0, NULL));
	EXPECT_OK(rsm_memseg_unlock(im, 0));
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	close(ticket);
	EXPECT_OK(rsm_memseg_export_destroy(seg));
}

TEST_F(seg, ends_with_publication)
{
	publish(_metadata);
	ASSERT_OK(grant(RSM_PERM_READ));
	ASSERT_OK(redeem(RSM_PERM_READ));
	ASSERT_OK(rsm_memseg_export_unpublish(seg));
	EXPECT_ERR(RSMERR_SEG_NOT_PUBLISHED, try_redeem(RSM_PERM_READ));
	EXPECT_ERR(RSMERR_CONN_ABORTED, rsm_intr_signal_post(im, 0));
	/* and for good */
	publish(_metadata);
	EXPECT_ERR(RSMERR_SEG_NOT_PUBLISHED, try_redeem(RSM_PERM_READ));
	EXPECT_ERR(RSMERR_PERM_DENIED, try_redeem(RSM_PERM_WRITE));
	EXPECT_OK(rsm_memseg_import_disconnect(im));
	close(ticket);
}

TEST_F(lib, ends_with_segment)
{
	ASSERT_OK(create(0));
	publish(_metadata);
	ASSERT_OK(grant(RSM_PERM_READ));
	EXPECT_OK(rsm_memseg_export_destroy(seg));
	EXPECT_ERR(RSMERR_SEG_NOT_PUBLISHED, try_redeem(RSM_PERM_READ));
	close(ticket);
}

/* The access list is of no matter to it, now or later. */
TEST_F(seg, republish)
{
	publish(_metadata);
	ASSERT_OK(grant(RSM_PERM_READ));
	ASSERT_OK(rsm_memseg_export_republish(seg, NULL, 0));
	EXPECT_OK(try_redeem(RSM_PERM_READ));
	close(ticket);
}

/* Through a socket */

/* Another user, in another IPC namespace, that has nothing but the socket */
static int child_redeems(void *arg)
{
	int socket = *(int *)arg;
	int ret;

	if (unshare(CLONE_NEWIPC) || rsm_drop_to(RSM_NOBODY))
		return 255;
	ticket = rsm_receive_fd(socket);
	if (ticket < 0)
		return 254;
	id = SEGID;
	if (connect_to(RSM_PERM_READ) != RSMERR_SEG_NOT_PUBLISHED)
		return 253;
	ret = redeem(RSM_PERM_RDWR);
	return ret ?: use_connection();
}

TEST_F(seg, sent_to_another_namespace)
{
	int sockets[2];
	pid_t child;

	publish(_metadata);
	ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	fflush(NULL);
	child = fork();
	if (!child)
		_exit(child_redeems(&sockets[1]));
	ASSERT_OK(grant(RSM_PERM_RDWR));
	EXPECT_OK(rsm_send_fd(sockets[0], ticket));
	close(ticket);
	EXPECT_OK(rsm_wait_child(child));
	EXPECT_OK(rsm_intr_signal_wait(seg, 0));
	EXPECT_EQ((uint64_t)1 << 32, ((uint64_t *)mem)[1]);
	close(sockets[0]);
	close(sockets[1]);
}

TEST_F(seg, errno_is_left_alone)
{
	errno = 4711;
	EXPECT_ERR(RSMERR_SEG_NOT_PUBLISHED, grant(RSM_PERM_READ));
	EXPECT_ERR(RSMERR_BAD_ADDR, rsm_memseg_import_redeem(-1, 0, &im));
	EXPECT_EQ(4711, errno);
}

TEST_HARNESS_MAIN
