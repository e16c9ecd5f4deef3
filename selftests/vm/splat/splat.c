// SPDX-License-Identifier: GPL-2.0-only
/*
 * Breaks the kernel on purpose, so that the lab can prove that it notices.
 * The parameter "how" says in which way; loading always fails.
 */
#include <linux/bug.h>
#include <linux/module.h>
#include <linux/string.h>

static char *how = "warn";
module_param(how, charp, 0);
MODULE_PARM_DESC(how, "warn, bug or oops");

static int __init splat_init(void)
{
	if (!strcmp(how, "warn"))
		WARN(1, "splat on purpose\n");
	else if (!strcmp(how, "bug"))
		BUG();
	else if (!strcmp(how, "oops"))
		WRITE_ONCE(*(int *)8, 1);
	else
		return -EINVAL;
	return -ECANCELED;
}

module_init(splat_init);
MODULE_DESCRIPTION("Breaks the kernel on purpose");
MODULE_LICENSE("GPL");
