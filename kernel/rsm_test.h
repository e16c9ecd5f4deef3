/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ioctls on the control node for the tests, in modules built with RSM_TEST=y.
 */
#ifndef _RSM_TEST_H
#define _RSM_TEST_H

#include <linux/ioctl.h>
#include <linux/rsmctl.h>

/* Hold the caller's mmap lock for writing; the argument is in milliseconds. */
#define RSM_TEST_HOLD_MMAP_LOCK _IO(RSM_TYPE, 0xF0)

#endif /* _RSM_TEST_H */
