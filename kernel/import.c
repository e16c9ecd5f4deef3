// SPDX-License-Identifier: GPL-2.0-only
/*
 * The importer's side: connections.
 *
 * Everything that an abort needs is allocated at connect, because an abort
 * must not fail. An aborted import keeps its trash page, to which its loads
 * and stores go, and is good for closing and unmapping only.
 */
#include <linux/slab.h>

#include "rsm_private.h"

#define RSM_RIGHTS (RSM_RIGHT_READ | RSM_RIGHT_WRITE)

/* Nothing reaches the files of these but mmap, poll and close. */
static const struct file_operations import_fops;

/* Imports that are looked at before the segment's lock is let go. */
#define IMPORT_BATCH 64

static bool for_batch(struct rsm_segment *seg, struct list_head *from,
		      struct list_head *to,
		      void (*func)(struct rsm_segment *seg,
				   struct rsm_import *imp))
{
	struct rsm_import *imp;
	unsigned int i;
	bool more;

	spin_lock(&seg->lock);
	for (i = 0; i < IMPORT_BATCH && !list_empty(from); i++) {
		imp = list_first_entry(from, struct rsm_import, link);
		list_del_init(&imp->link);
		if (to)
			list_add(&imp->link, to);
		func(seg, imp);
	}
	more = !list_empty(from);
	spin_unlock(&seg->lock);
	return more;
}

/*
 * Call @func for each import on the list @from and move it to the list @to,
 * if not NULL. An import that is closed meanwhile takes itself off either.
 */
static void for_imports(struct rsm_segment *seg, struct list_head *from,
			struct list_head *to,
			void (*func)(struct rsm_segment *seg,
				     struct rsm_import *imp))
{
	lockdep_assert_held_write(&seg->map_sem);
	while (for_batch(seg, from, to, func))
		cond_resched();
}

static void set_rebinds(struct rsm_segment *seg, struct rsm_import *imp)
{
	rsm_status_set_rebinds(imp->status, seg->rebinds);
}

/* Show all imports the segment's rebind generation; new ones have it. */
void rsm_import_set_rebinds(struct rsm_segment *seg)
{
	LIST_HEAD(todo);

	spin_lock(&seg->lock);
	list_splice_init(&seg->imports, &todo);
	spin_unlock(&seg->lock);
	for_imports(seg, &todo, &seg->imports, set_rebinds);
}

static void abort_import(struct rsm_segment *seg, struct rsm_import *imp)
{
	imp->aborted = true;
	rsm_status_set_state(imp->status, RSM_STATE_ABORTED);
}

/**
 * rsm_import_abort_all() - abort imports
 * @seg: their segment
 * @live: the imports, of a publication that is no more
 * @aborted: takes the imports, for rsm_import_hang_up() after their mappings
 *           have been zapped
 */
void rsm_import_abort_all(struct rsm_segment *seg, struct list_head *live,
			  struct list_head *aborted)
{
	for_imports(seg, live, aborted, abort_import);
}

static void hang_up(struct rsm_segment *seg, struct rsm_import *imp)
{
	WRITE_ONCE(imp->hung_up, true);
	wake_up_poll(&imp->wait, EPOLLERR | EPOLLHUP);
}

/* Tell pollers, who take it that nothing reaches the segment any more. */
void rsm_import_hang_up(struct rsm_segment *seg, struct list_head *aborted)
{
	for_imports(seg, aborted, NULL, hang_up);
}

static bool same_key(const struct rsm_pub_key *a, const struct rsm_pub_key *b)
{
	return a->ns == b->ns && a->id == b->id;
}

/*
 * Judge if the caller may connect to what is published under @key, and if so
 * add @imp, unless it is NULL, to the segment's imports.
 */
static int admit(struct rsm_segment *seg, const struct rsm_pub_key *key,
		 u32 perm, struct rsm_import *imp)
{
	int ret = RSM_ERR_SEG_NOT_PUBLISHED;

	spin_lock(&seg->lock);
	if (seg->pub && same_key(&seg->pub->key, key))
		ret = rsm_access_check(seg, seg->pub, seg->ctl->local_node,
				       perm);
	if (!ret && imp) {
		imp->rights = perm;
		rsm_status_set_rebinds(imp->status, seg->rebinds);
		list_add(&imp->link, &seg->imports);
	}
	spin_unlock(&seg->lock);
	return ret;
}

static void import_free(struct rsm_import *imp)
{
	if (imp->trash)
		__free_page(imp->trash);
	if (imp->status)
		put_page(imp->status);
	if (imp->user)
		rsm_limits_put_handle(imp->user);
	rsm_segment_put(imp->seg);
	atomic_long_dec(&rsm_stats.imports);
	kfree(imp);
}

static int import_fill(struct rsm_import *imp)
{
	int ret = rsm_limits_get_handle(&imp->user);

	if (ret)
		return ret;
	imp->status = rsm_status_alloc();
	imp->trash = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	return imp->status && imp->trash ? 0 : -ENOMEM;
}

/* The import takes over the caller's reference to @seg, or puts it. */
static int import_alloc(struct rsm_segment *seg, struct rsm_import **out)
{
	struct rsm_import *imp = kzalloc(sizeof(*imp), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!imp) {
		rsm_segment_put(seg);
		return -ENOMEM;
	}
	imp->seg = seg;
	INIT_LIST_HEAD(&imp->link);
	init_waitqueue_head(&imp->wait);
	atomic_long_inc(&rsm_stats.imports);
	ret = import_fill(imp);
	if (ret) {
		import_free(imp);
		return ret;
	}
	*out = imp;
	return 0;
}

static int import_open(struct rsm_ucmd *ucmd, struct rsm_segment *seg,
		       const struct rsm_pub_key *key)
{
	struct rsm_import_connect *cmd = ucmd->cmd;
	struct rsm_import *imp;
	int ret;

	ret = import_alloc(seg, &imp);
	if (ret)
		return ret;
	ret = rsm_ucmd_new_file(ucmd, "[rsm-import]", &import_fops, imp);
	if (ret) {
		import_free(imp);
		return ret;
	}
	/*
	 * From here on the file owns the import. All importers' mappings are
	 * on the segment's inode, where one call zaps them.
	 */
	ucmd->new_file->f_mapping = seg->inode->i_mapping;
	ret = admit(seg, key, cmd->perm, imp);
	if (ret)
		return ret;
	cmd->out_fd = ucmd->new_fd;
	cmd->out_length = seg->length;
	cmd->out_rights = cmd->perm;
	cmd->out_flags = seg->flags;
	return 0;
}

static int connect_on(struct rsm_ucmd *ucmd, const struct rsm_controller *ctl)
{
	struct rsm_import_connect *cmd = ucmd->cmd;
	struct rsm_pub_key key;
	struct rsm_segment *seg;
	int ret;

	ret = ctl->ops->check_node(ctl, cmd->node);
	if (ret)
		return ret;
	if (cmd->perm & ~RSM_RIGHTS)
		return RSM_ERR_BAD_PERMS;
	rsm_registry_current_key(cmd->segid, &key);
	seg = rsm_registry_find(&key);
	if (!seg)
		return RSM_ERR_SEG_NOT_PUBLISHED;
	ret = admit(seg, &key, cmd->perm, NULL);
	if (ret) {
		rsm_segment_put(seg);
		return ret;
	}
	return import_open(ucmd, seg, &key);
}

int rsm_import_connect(struct rsm_ucmd *ucmd)
{
	struct rsm_import_connect *cmd = ucmd->cmd;
	struct rsm_controller *ctl = rsm_controller_get(cmd->controller);
	int ret;

	cmd->out_fd = -1;
	if (!ctl)
		return RSM_ERR_CTLR_NOT_PRESENT;
	ret = connect_on(ucmd, ctl);
	rsm_controller_put(ctl);
	return ret;
}

static int import_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct rsm_import *imp = file->private_data;

	if (vma->vm_pgoff == RSM_STATUS_PGOFF)
		return rsm_status_mmap(vma, imp->status);
	return rsm_import_mmap(imp, vma);
}

static __poll_t import_poll(struct file *file, poll_table *wait)
{
	struct rsm_import *imp = file->private_data;

	poll_wait(file, &imp->wait, wait);
	return READ_ONCE(imp->hung_up) ? EPOLLERR | EPOLLHUP : 0;
}

static int import_release(struct inode *inode, struct file *file)
{
	struct rsm_import *imp = file->private_data;

	spin_lock(&imp->seg->lock);
	list_del_init(&imp->link);
	spin_unlock(&imp->seg->lock);
	import_free(imp);
	return 0;
}

static const struct file_operations import_fops = {
	.owner = THIS_MODULE,
	.mmap = import_mmap,
	.poll = import_poll,
	.release = import_release,
	.llseek = noop_llseek,
};
