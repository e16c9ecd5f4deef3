// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hooks for the tests, built with RSM_TEST=y only.
 */
#include <linux/delay.h>
#include <linux/mmap_lock.h>
#include <linux/module.h>
#include <linux/sched.h>

#include "rsm_private.h"
#include "rsm_test.h"

static unsigned int test_mmap_delay_ms;
module_param(test_mmap_delay_ms, uint, 0600);
MODULE_PARM_DESC(test_mmap_delay_ms,
		 "sleep in mmap of an import, before its area is linked");

void rsm_test_mmap_delay(void)
{
	unsigned int ms = READ_ONCE(test_mmap_delay_ms);

	if (ms)
		msleep(ms);
}

static long hold_mmap_lock(unsigned long ms)
{
	if (mmap_write_lock_killable(current->mm))
		return -EINTR;
	msleep_interruptible(ms);
	mmap_write_unlock(current->mm);
	return 0;
}

long rsm_test_ioctl(unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case RSM_TEST_HOLD_MMAP_LOCK:
		return hold_mmap_lock(arg);
	}
	return -ENOTTY;
}
