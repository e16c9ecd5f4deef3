// SPDX-License-Identifier: GPL-2.0-only
/*
 * Built as a module of the name rsmctl that holds a reference on itself and so
 * cannot be unloaded: stands for a driver that leaks one.
 */
#include <linux/module.h>

static int __init stuck_init(void)
{
	__module_get(THIS_MODULE);
	return 0;
}

static void __exit stuck_exit(void)
{
}

module_init(stuck_init);
module_exit(stuck_exit);
MODULE_DESCRIPTION("Cannot be unloaded");
MODULE_LICENSE("GPL");
