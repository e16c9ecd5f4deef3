// SPDX-License-Identifier: GPL-2.0-only
/*
 * The importer's side: connections.
 *
 * Everything that an abort needs is allocated at connect, because an abort
 * must not fail. An aborted import keeps its trash page, to which its loads
 * and stores go, and is good for closing and unmapping only.
 */
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "rsm_private.h"
#include "trace.h"

static const struct file_operations import_fops;

/*
 * Imports that are looked at before the segment's lock is let go. Where pollers
 * are woken it is one: an import can have as many as its owner likes.
 */
#define IMPORT_BATCH 64
#define WAKE_BATCH 1

static bool for_batch(struct rsm_segment *seg, struct list_head *from,
		      struct list_head *to, unsigned int batch,
		      void (*func)(struct rsm_segment *seg,
				   struct rsm_import *imp))
{
	struct rsm_import *imp;
	bool more;

	spin_lock(&seg->lock);
	while (batch-- && !list_empty(from)) {
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
 * One at a time may do so: the writer of map_sem, or who has post_mutex, too.
 */
static void for_imports(struct rsm_segment *seg, struct list_head *from,
			struct list_head *to, unsigned int batch,
			void (*func)(struct rsm_segment *seg,
				     struct rsm_import *imp))
{
	lockdep_assert_held(&seg->map_sem);
	while (for_batch(seg, from, to, batch, func))
		cond_resched();
}

/* Call @func for each live import. New ones come meanwhile. */
static void for_live_imports(struct rsm_segment *seg, unsigned int batch,
			     void (*func)(struct rsm_segment *seg,
					  struct rsm_import *imp))
{
	LIST_HEAD(todo);

	spin_lock(&seg->lock);
	list_splice_init(&seg->imports, &todo);
	spin_unlock(&seg->lock);
	for_imports(seg, &todo, &seg->imports, batch, func);
}

static void set_rebinds(struct rsm_segment *seg, struct rsm_import *imp)
{
	rsm_status_set_rebinds(imp->handle.status, seg->rebinds);
	/* Even: the new pages are there. */
	if (imp->peer && seg->rebinds % 2 == 0)
		rsm_peer_update(imp->peer);
}

/* Show all imports the segment's rebind generation; new ones have it. */
void rsm_import_set_rebinds(struct rsm_segment *seg)
{
	lockdep_assert_held_write(&seg->map_sem);
	for_live_imports(seg, IMPORT_BATCH, set_rebinds);
}

static void post_one(struct rsm_import *imp, bool accumulate)
{
	if (imp->peer)
		rsm_peer_signal(imp->peer, accumulate);
	else
		rsm_signal_add(&imp->handle, 1, accumulate);
}

static void post(struct rsm_segment *seg, struct rsm_import *imp)
{
	post_one(imp, true);
}

static void post_if_none(struct rsm_segment *seg, struct rsm_import *imp)
{
	post_one(imp, false);
}

/* Post a signal to each import; see rsm_signal_add(). */
void rsm_import_post_all(struct rsm_segment *seg, bool accumulate)
{
	lockdep_assert_held(&seg->post_mutex);
	for_live_imports(seg, WAKE_BATCH, accumulate ? post : post_if_none);
}

static void abort_import(struct rsm_segment *seg, struct rsm_import *imp)
{
	rsm_handle_end(&imp->handle);
	WRITE_ONCE(seg->nr_imports, seg->nr_imports - 1);
	if (imp->peer)
		rsm_peer_update(imp->peer);
	trace_rsm_abort(imp);
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
	for_imports(seg, live, aborted, IMPORT_BATCH, abort_import);
}

static void hang_up(struct rsm_segment *seg, struct rsm_import *imp)
{
	rsm_handle_hang_up(&imp->handle);
}

/* Tell pollers, who take it that nothing reaches the segment any more. */
void rsm_import_hang_up(struct rsm_segment *seg, struct list_head *aborted)
{
	for_imports(seg, aborted, NULL, WAKE_BATCH, hang_up);
}

static int judge(const struct rsm_segment *seg,
		 const struct rsm_admission *admission)
{
	lockdep_assert_held(&seg->lock);
	if (admission->remote)
		return 0;
	if (!seg->pub || seg->pub->serial != admission->serial)
		return RSM_ERR_SEG_NOT_PUBLISHED;
	if (admission->ticket)
		return 0;
	if (admission->peer)
		return rsm_access_check_peer(seg, seg->pub, admission->peer);
	return rsm_access_check(seg, seg->pub, seg->ctl->local_node,
				admission->perm);
}

/**
 * rsm_import_admit() - judge if an importer may connect to a publication
 * @seg: the segment
 * @admission: who wants what
 * @imp: to be added to the segment's imports, if so, or NULL
 *
 * Return: 0 or an enum rsm_error.
 */
int rsm_import_admit(struct rsm_segment *seg,
		     const struct rsm_admission *admission,
		     struct rsm_import *imp)
{
	int ret;

	spin_lock(&seg->lock);
	ret = judge(seg, admission);
	if (!ret && imp) {
		imp->handle.rights = admission->perm;
		rsm_status_set_rebinds(imp->handle.status, seg->rebinds);
		list_add(&imp->link, &seg->imports);
		WRITE_ONCE(seg->nr_imports, seg->nr_imports + 1);
		trace_rsm_connect(imp);
	}
	spin_unlock(&seg->lock);
	return ret;
}

static void import_free(struct rsm_import *imp)
{
	struct rsm_segment *seg = imp->handle.seg;

	rsm_handle_destroy(&imp->handle);
	__free_page(imp->trash);
	rsm_controller_put(imp->ctl);
	rsm_segment_put(seg);
	atomic_long_dec(&rsm_stats.imports);
	kfree(imp);
}

/* The import takes over the references to @ctl and @seg, if it is made. */
static int import_alloc(struct rsm_controller *ctl, struct rsm_segment *seg,
			struct rsm_import **out)
{
	struct rsm_import *imp = kzalloc(sizeof(*imp), GFP_KERNEL_ACCOUNT);
	int ret = -ENOMEM;

	if (!imp)
		return ret;
	imp->trash = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!imp->trash)
		goto err_free;
	ret = rsm_handle_init(&imp->handle, seg);
	if (ret)
		goto err_trash;
	imp->ctl = ctl;
	INIT_LIST_HEAD(&imp->link);
	atomic_long_inc(&rsm_stats.imports);
	*out = imp;
	return 0;

err_trash:
	__free_page(imp->trash);
err_free:
	kfree(imp);
	return ret;
}

/**
 * rsm_import_open() - make an import, and the file that the ioctl returns
 * @ucmd: the ioctl
 * @ctl: controller of the connection; the import's from now on, or put
 * @seg: the segment; the same
 * @admission: what makes the import one of the segment
 *
 * Return: 0, -errno or an enum rsm_error.
 */
int rsm_import_open(struct rsm_ucmd *ucmd, struct rsm_controller *ctl,
		    struct rsm_segment *seg,
		    const struct rsm_admission *admission)
{
	struct rsm_import *imp;
	int ret;

	ret = import_alloc(ctl, seg, &imp);
	if (ret) {
		rsm_controller_put(ctl);
		rsm_segment_put(seg);
		return ret;
	}
	imp->id = admission->id;
	imp->ipc_ns = admission->ipc_ns;
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
	return rsm_import_admit(seg, admission, imp);
}

/* Find the segment and hold it, if the caller may connect to it. */
static int find(const struct rsm_import_connect *cmd,
		struct rsm_admission *admission, struct rsm_segment **seg)
{
	struct ipc_namespace *ns = current->nsproxy->ipc_ns;
	int ret;

	admission->id = cmd->segid;
	admission->ipc_ns = rsm_ipc_ns_number(ns);
	admission->perm = cmd->perm;
	*seg = rsm_registry_find(ns, cmd->segid, &admission->serial);
	if (!*seg)
		return RSM_ERR_SEG_NOT_PUBLISHED;
	ret = rsm_import_admit(*seg, admission, NULL);
	if (ret)
		rsm_segment_put(*seg);
	return ret;
}

/* Connect to a segment of this machine. */
static int connect_local(struct rsm_ucmd *ucmd, struct rsm_controller *ctl)
{
	struct rsm_import_connect *cmd = ucmd->cmd;
	struct rsm_admission admission = {};
	struct rsm_segment *seg;
	int ret;

	ret = find(cmd, &admission, &seg);
	if (ret) {
		rsm_controller_put(ctl);
		return ret;
	}
	ret = rsm_import_open(ucmd, ctl, seg, &admission);
	if (ret)
		return ret;
	cmd->out_length = seg->length;
	cmd->out_rights = cmd->perm;
	cmd->out_flags = seg->flags;
	return 0;
}

static int check_connect(const struct rsm_controller *ctl,
			 const struct rsm_import_connect *cmd)
{
	int ret = ctl->ops->check_node(ctl, cmd->node);

	if (ret)
		return ret;
	return cmd->perm & ~RSM_RIGHTS ? RSM_ERR_BAD_PERMS : 0;
}

int rsm_import_connect(struct rsm_ucmd *ucmd)
{
	struct rsm_import_connect *cmd = ucmd->cmd;
	struct rsm_controller *ctl = rsm_controller_get(cmd->controller);
	int ret;

	cmd->out_fd = -1;
	if (!ctl)
		return RSM_ERR_CTLR_NOT_PRESENT;
	ret = check_connect(ctl, cmd);
	if (ret) {
		rsm_controller_put(ctl);
		return ret;
	}
	ret = ctl->ops->link ? rsm_link_connect(ucmd, ctl) :
			       connect_local(ucmd, ctl);
	if (!ret)
		cmd->out_fd = ucmd->new_fd;
	return ret;
}

static int import_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct rsm_import *imp = file->private_data;

	if (vma->vm_pgoff == RSM_STATUS_PGOFF)
		return rsm_status_mmap(vma, imp->handle.status);
	return rsm_import_mmap(imp, vma);
}

static __poll_t import_poll(struct file *file, poll_table *wait)
{
	struct rsm_import *imp = file->private_data;

	return rsm_handle_poll(&imp->handle, file, wait);
}

static int import_flush(struct file *file, fl_owner_t owner)
{
	struct rsm_import *imp = file->private_data;

	rsm_handle_flush(&imp->handle, owner);
	return 0;
}

/* Take an import off its segment, which it may have been aborted from. */
void rsm_import_leave(struct rsm_import *imp)
{
	struct rsm_segment *seg = imp->handle.seg;
	bool live, admitted;

	spin_lock(&seg->lock);
	/* An import that was not admitted is on no list. */
	live = !list_empty(&imp->link) && !imp->handle.ended;
	admitted = live || imp->handle.ended;
	if (live)
		WRITE_ONCE(seg->nr_imports, seg->nr_imports - 1);
	list_del_init(&imp->link);
	spin_unlock(&seg->lock);
	rsm_lock_drop(&imp->handle, NULL);
	if (admitted)
		trace_rsm_disconnect(imp);
}

static int import_release(struct inode *inode, struct file *file)
{
	struct rsm_import *imp = file->private_data;

	rsm_import_leave(imp);
	import_free(imp);
	return 0;
}

static const struct file_operations import_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = rsm_import_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = import_mmap,
#ifdef RSM_HUGE_ENTRIES
	.get_unmapped_area = rsm_import_get_unmapped_area,
#endif
	.poll = import_poll,
	.flush = import_flush,
	.release = import_release,
	.show_fdinfo = rsm_import_show_fdinfo,
	.llseek = noop_llseek,
};
