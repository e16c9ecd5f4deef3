// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hooks for the tests, built with RSM_TEST=y only.
 */
#include <linux/delay.h>
#include <linux/mmap_lock.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sizes.h>

#include "rsm_private.h"
#include "rsm_test.h"

static unsigned int test_mmap_delay_ms;
module_param(test_mmap_delay_ms, uint, 0600);
MODULE_PARM_DESC(test_mmap_delay_ms,
		 "sleep in mmap of an import, before its area is linked");

/* A controller that has neither mappings nor locks. */

static void test_get_info(const struct rsm_controller *ctl,
			  struct rsm_controller_info *info)
{
	info->out_page_sizes = PAGE_SIZE / SZ_1K;
}

static int test_check_access(const struct rsm_controller *ctl,
			     const struct rsm_access_entry *acl,
			     unsigned int count)
{
	return 0;
}

static int test_check_node(const struct rsm_controller *ctl, u32 node)
{
	return node == ctl->local_node ? 0 : RSM_ERR_CTLR_NOT_PRESENT;
}

static const struct rsm_provider_ops test_ops = {
	.owner = THIS_MODULE,
	.get_info = test_get_info,
	.check_access = test_check_access,
	.check_node = test_check_node,
};

static struct rsm_controller test_controller = {
	.name = "test0",
	.ops = &test_ops,
};

int rsm_test_init(void)
{
	return rsm_controller_register(&test_controller);
}

void rsm_test_exit(void)
{
	rsm_controller_unregister(&test_controller);
}

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
