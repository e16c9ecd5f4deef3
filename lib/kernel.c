// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Calls of the kernel, and what their failures are in terms of RSMAPI.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

#define RSM_DEV "/dev/rsmctl"

/*
 * Failures of ioctl() without an out_error and of mmap(). EBADF and ENOTTY:
 * the descriptor was closed, by the application behind our back, or because
 * its handle ended while this thread was waiting.
 */
static const struct {
	int error;
	int ioctl;
	int mmap;
} errors[] = {
	{ EACCES, RSMERR_PERM_DENIED, RSMERR_BAD_PERMS },
	{ EAGAIN, RSMERR_INSUFFICIENT_RESOURCES, RSMERR_INSUFFICIENT_RESOURCES },
	{ EBADF, RSMERR_BAD_SEG_HNDL, RSMERR_BAD_SEG_HNDL },
	{ ECONNABORTED, RSMERR_CONN_ABORTED, RSMERR_MAP_FAILED },
	{ EDEADLK, RSMERR_LOCK_HELD, RSMERR_MAP_FAILED },
	{ EFAULT, RSMERR_BAD_ADDR, RSMERR_MAP_FAILED },
	{ EHOSTUNREACH, RSMERR_REMOTE_NODE_UNREACHABLE, RSMERR_MAP_FAILED },
	{ EINTR, RSMERR_INTERRUPTED, RSMERR_MAP_FAILED },
	{ EMFILE, RSMERR_INSUFFICIENT_RESOURCES, RSMERR_MAP_FAILED },
	{ ENFILE, RSMERR_INSUFFICIENT_RESOURCES, RSMERR_MAP_FAILED },
	{ ENODEV, RSMERR_CTLR_NOT_PRESENT, RSMERR_CONN_ABORTED },
	{ ENOMEM, RSMERR_INSUFFICIENT_MEM, RSMERR_BAD_LENGTH },
	{ ENOTTY, RSMERR_BAD_SEG_HNDL, RSMERR_MAP_FAILED },
	{ ENXIO, RSMERR_CTLR_NOT_PRESENT, RSMERR_BAD_LENGTH },
	{ EOPNOTSUPP, RSMERR_UNSUPPORTED_OPERATION, RSMERR_MAP_FAILED },
	{ EOVERFLOW, RSMERR_INTERNAL_ERROR, RSMERR_BAD_LENGTH },
	{ EPERM, RSMERR_PERM_DENIED, RSMERR_MAP_FAILED },
	{ ETIMEDOUT, RSMERR_TIMEOUT, RSMERR_MAP_FAILED },
	/* anything else */
	{ 0, RSMERR_INTERNAL_ERROR, RSMERR_MAP_FAILED },
};

static size_t find_error(int error)
{
	size_t i = 0;

	while (errors[i].error && errors[i].error != error)
		i++;
	return i;
}

size_t rsm_page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

static int do_ioctl(int fd, unsigned long nr, void *cmd, __u32 *out_error)
{
	/* It is not always written, and may be left over from another call. */
	*out_error = 0;
	if (!ioctl(fd, nr, cmd))
		return RSM_SUCCESS;
	return *out_error ? (int)*out_error : errors[find_error(errno)].ioctl;
}

/* An ioctl of which nothing is said if it fails: it need not be the end. */
int rsm_try_ioctl(int fd, unsigned long nr, void *cmd, __u32 *out_error)
{
	int saved_errno = errno;
	int ret = do_ioctl(fd, nr, cmd, out_error);

	errno = saved_errno;
	return ret;
}

int rsm_ioctl(int fd, unsigned long nr, void *cmd, __u32 *out_error)
{
	int saved_errno = errno;
	int ret = do_ioctl(fd, nr, cmd, out_error);

	if (ret && *out_error)
		rsm_fail_ioctl(nr, cmd, ret, errno);
	else if (ret)
		rsm_fail_errno(nr, ret, errno);
	errno = saved_errno;
	return ret;
}

/* close() that no cancellation of the thread comes between. */
void rsm_close(int fd)
{
	int saved_errno = errno;
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	close(fd);
	pthread_setcancelstate(state, NULL);
	errno = saved_errno;
}

static int open_device(void)
{
	int state;
	int fd;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	fd = open(RSM_DEV, O_RDWR | O_CLOEXEC);
	pthread_setcancelstate(state, NULL);
	return fd;
}

static int fail_open(int ret, int error)
{
	switch (error) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return rsm_fail(ret, RSM_DEV ": the module is not loaded: modprobe rsmctl");
	case EACCES:
	case EPERM:
		return rsm_fail(ret, RSM_DEV ": permission denied: see its mode, and the devices that a container may use");
	case EMFILE:
	case ENFILE:
		return rsm_fail_resources(ret, error);
	}
	return rsm_fail(ret, RSM_DEV " cannot be opened (%s)",
			strerrorname_np(error));
}

/* Open the control node, for rsm_close(), or fail with @open_error. */
int rsm_open_control(int *fd, int open_error)
{
	int saved_errno = errno;
	int ret = RSM_SUCCESS;

	*fd = open_device();
	if (*fd < 0)
		ret = fail_open(open_error, errno);
	errno = saved_errno;
	return ret;
}

/* An ioctl of the control node; @open_error if that cannot be opened. */
int rsm_control(unsigned long nr, void *cmd, __u32 *out_error, int open_error)
{
	int fd;
	int ret = rsm_open_control(&fd, open_error);

	if (ret)
		return ret;
	ret = rsm_ioctl(fd, nr, cmd, out_error);
	rsm_close(fd);
	return ret;
}

/* Returns 0 or an errno, and says nothing. */
int rsm_try_mmap(void **addr, size_t length, int prot, int flags, int fd,
		 off_t offset)
{
	int saved_errno = errno;
	int error = 0;
	void *map;

	map = mmap(*addr, length, prot, flags, fd, offset);
	if (map == MAP_FAILED)
		error = errno;
	else
		*addr = map;
	errno = saved_errno;
	return error;
}

/* What that errno is in terms of RSMAPI */
int rsm_mmap_error(int error)
{
	return errors[find_error(error)].mmap;
}
