/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Answers that a test makes up: libusrsm calls the program's ioctl(), which is
 * this one. So it is seen what the library asks for as well, and it can be told
 * of nodes, and of failures, that the machine does not have.
 */
#ifndef LIB_FAKE_H
#define LIB_FAKE_H

#include "lib_utils.h"

#include <stdarg.h>

/* What a fake returns for the kernel to be asked */
#define NOT_FAKED 1

/* Answers instead of the kernel, if it is set: 0, -errno, or NOT_FAKED. */
static int (*fake)(unsigned long nr, void *arg);

/* Calls of each number */
static unsigned int calls[256];

static inline unsigned int calls_of(unsigned long nr)
{
	return calls[_IOC_NR(nr)];
}

int ioctl(int fd, unsigned long nr, ...)
{
	int ret = NOT_FAKED;
	va_list args;
	void *arg;

	va_start(args, nr);
	arg = va_arg(args, void *);
	va_end(args);
	calls[_IOC_NR(nr)]++;
	if (fake)
		ret = fake(nr, arg);
	if (ret == NOT_FAKED)
		return syscall(SYS_ioctl, fd, nr, arg);
	if (!ret)
		return 0;
	errno = -ret;
	return -1;
}

/* For a fake: fail, with the errno and the out_error that belong together. */
static inline int fail_as(__u32 *out_error, __u32 error)
{
	*out_error = error;
	switch (error) {
	case RSM_ERR_CTLR_NOT_PRESENT:
		return -ENODEV;
	case RSM_ERR_LOCKS_NOT_SUPPORTED:
		return -EOPNOTSUPP;
	case RSM_ERR_INSUFFICIENT_MEM:
		return -ENOMEM;
	case RSM_ERR_REMOTE_NODE_UNREACHABLE:
		return -EHOSTUNREACH;
	case RSM_ERR_CONN_ABORTED:
		return -ECONNABORTED;
	case RSM_ERR_INTERRUPTED:
		return -EINTR;
	}
	return -EINVAL;
}

#endif /* LIB_FAKE_H */
