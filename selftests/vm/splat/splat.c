// SPDX-License-Identifier: GPL-2.0-only
/*
 * Breaks the kernel on purpose, so that the lab can prove that it notices.
 * The parameter "how" says in which way; loading always fails.
 */
#include <linux/bug.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/workqueue.h>

static char *how = "warn";
module_param(how, charp, 0);
MODULE_PARM_DESC(how, "warn, bug, oops; for debug kernels order, sleep, beyond, freed, leak, race");

static DEFINE_MUTEX(lock_a);
static DEFINE_MUTEX(lock_b);
static DEFINE_SPINLOCK(lock_c);

static void splat_warn(void)
{
	WARN(1, "splat on purpose\n");
}

static void splat_bug(void)
{
	BUG();
}

static void splat_oops(void)
{
	WRITE_ONCE(*(int *)8, 1);
}

/* Two locks in both orders: nothing hangs, but might. */
static void splat_order(void)
{
	mutex_lock(&lock_a);
	mutex_lock(&lock_b);
	mutex_unlock(&lock_b);
	mutex_unlock(&lock_a);
	mutex_lock(&lock_b);
	mutex_lock(&lock_a);
	mutex_unlock(&lock_a);
	mutex_unlock(&lock_b);
}

static void splat_sleep(void)
{
	spin_lock(&lock_c);
	mutex_lock(&lock_a);
	mutex_unlock(&lock_a);
	spin_unlock(&lock_c);
}

static void splat_beyond(void)
{
	size_t size = 17;
	char *bytes = kmalloc(size, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(size);
	if (bytes)
		WRITE_ONCE(bytes[size], 1);
	kfree(bytes);
}

/* As hardware would, or a process by a mapping: KASAN does not see it. */
static noinline void __no_sanitize_address write_unseen(int *where)
{
	WRITE_ONCE(*where, 1);
}

/* Whoever gets the page next finds that it was written to. */
static void splat_freed(void)
{
	void *page = (void *)__get_free_page(GFP_KERNEL);

	if (!page)
		return;
	free_page((unsigned long)page);
	write_unseen(page);
	free_page(__get_free_page(GFP_KERNEL));
}

static void splat_leak(void)
{
	void *bytes = kmalloc(100, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(bytes);
}

static int raced;

/* Long enough to be watched at the wrong moment. */
static void add_for_seconds(struct work_struct *work)
{
	unsigned long end = jiffies + 5 * HZ;

	while (time_before(jiffies, end)) {
		raced++;
		cond_resched();
	}
}

static DECLARE_WORK(race_work, add_for_seconds);

static void splat_race(void)
{
	schedule_work(&race_work);
	add_for_seconds(NULL);
	flush_work(&race_work);
}

static const struct {
	const char *name;
	void (*splat)(void);
} ways[] = {
	{ "warn", splat_warn },
	{ "bug", splat_bug },
	{ "oops", splat_oops },
	{ "order", splat_order },
	{ "sleep", splat_sleep },
	{ "beyond", splat_beyond },
	{ "freed", splat_freed },
	{ "leak", splat_leak },
	{ "race", splat_race },
};

static int __init splat_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		if (strcmp(how, ways[i].name))
			continue;
		ways[i].splat();
		return -ECANCELED;
	}
	return -EINVAL;
}

module_init(splat_init);
MODULE_DESCRIPTION("Breaks the kernel on purpose");
MODULE_LICENSE("GPL");
