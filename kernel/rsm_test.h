/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What modules built with RSM_TEST=y have for the tests: ioctls on the control
 * node, and calls from the places where something is to be looked at.
 */
#ifndef _RSM_TEST_H
#define _RSM_TEST_H

#include <linux/ioctl.h>
#include <linux/rsmctl.h>

/* Hold the caller's mmap lock for writing; the argument is in milliseconds. */
#define RSM_TEST_HOLD_MMAP_LOCK _IO(RSM_TYPE, 0xF0)

/* Wait for the ends of segments whose creators have died. */
#define RSM_TEST_FLUSH _IO(RSM_TYPE, 0xF1)

#ifdef __KERNEL__
struct inode;
struct rsm_pages;

#ifdef RSM_TEST
void rsm_test_pinned(const struct rsm_pages *pages);
void rsm_test_unpin(const struct rsm_pages *pages);
void rsm_test_add_inode(struct inode *inode);
void rsm_test_remove_inode(struct inode *inode);
void rsm_test_work_begin(void);
void rsm_test_work_end(void);
void rsm_test_exit_delay(void);
#else
static inline void rsm_test_pinned(const struct rsm_pages *pages)
{
}

static inline void rsm_test_unpin(const struct rsm_pages *pages)
{
}

static inline void rsm_test_add_inode(struct inode *inode)
{
}

static inline void rsm_test_remove_inode(struct inode *inode)
{
}

static inline void rsm_test_work_begin(void)
{
}

static inline void rsm_test_work_end(void)
{
}

static inline void rsm_test_exit_delay(void)
{
}
#endif
#endif /* __KERNEL__ */

#endif /* _RSM_TEST_H */
