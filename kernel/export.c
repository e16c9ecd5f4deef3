// SPDX-License-Identifier: GPL-2.0-only
/*
 * The exporter's side: what its descriptor can do, and in which order what
 * is checked. Only the creator may change a segment; any holder of the
 * descriptor may post and take signals, take locks, look at the status page
 * and poll.
 */
#include <linux/overflow.h>
#include <linux/slab.h>

#include "rsm_private.h"
#include "trace.h"

static int check_range(u64 vaddr, u64 length)
{
	unsigned long end;

	if (!vaddr)
		return RSM_ERR_BAD_ADDR;
	if (!length)
		return RSM_ERR_BAD_LENGTH;
	if (!PAGE_ALIGNED(vaddr) || check_add_overflow(vaddr, length, &end))
		return RSM_ERR_BAD_ADDR;
	if (!PAGE_ALIGNED(length) || length > RSM_MAX_LENGTH)
		return RSM_ERR_BAD_LENGTH;
	return 0;
}

/* Pin memory for @seg. */
static int pin(struct rsm_segment *seg, u64 vaddr, struct rsm_pages **out)
{
	u64 started = trace_rsm_pin_enabled() ? ktime_get_ns() : 0;
	struct rsm_pages *pages = NULL;
	int ret = rsm_pages_pin(vaddr, seg->length >> PAGE_SHIFT, &pages);

	trace_rsm_pin(seg, pages, started, ret);
	if (!ret)
		*out = pages;
	return ret;
}

static int create_on(struct rsm_ucmd *ucmd, struct rsm_controller *ctl)
{
	struct rsm_export_create *cmd = ucmd->cmd;
	struct rsm_segment *seg;
	int ret;

	ret = check_range(cmd->vaddr, cmd->length);
	if (ret)
		goto err_ctl;
	ret = RSM_ERR_LOCKS_NOT_SUPPORTED;
	if ((cmd->flags & RSM_EXPORT_LOCK_OPS) && !(ctl->caps & RSM_CAP_LOCK))
		goto err_ctl;
	ret = rsm_segment_alloc(ctl, cmd->length, cmd->flags, &seg);
	if (ret)
		goto err_ctl;
	ret = rsm_ucmd_new_file(ucmd, "[rsm-export]", &rsm_export_fops, seg);
	if (ret) {
		rsm_segment_close(seg);
		return ret;
	}
	/*
	 * From here on the file owns the segment and closes it. Until it is
	 * installed nobody else knows of it, so that map_sem is not needed.
	 */
	ret = pin(seg, cmd->vaddr, &seg->pages);
	if (ret)
		return ret;
	trace_rsm_create(seg);
	cmd->out_fd = ucmd->new_fd;
	return 0;

err_ctl:
	rsm_controller_put(ctl);
	return ret;
}

int rsm_export_create(struct rsm_ucmd *ucmd)
{
	struct rsm_export_create *cmd = ucmd->cmd;
	struct rsm_controller *ctl = rsm_controller_get(cmd->controller);

	cmd->out_fd = -1;
	return ctl ? create_on(ucmd, ctl) : RSM_ERR_CTLR_NOT_PRESENT;
}

static struct rsm_segment *ucmd_segment(struct rsm_ucmd *ucmd)
{
	return ucmd->file->private_data;
}

static int rebind_locked(struct rsm_segment *seg, u64 vaddr,
			 struct rsm_pages **old)
{
	struct rsm_pages *pages;
	int ret;

	lockdep_assert_held(&seg->bind_mutex);
	if (READ_ONCE(seg->handle.ended))
		return RSM_ERR_BAD_SEG_HNDL;
	ret = check_range(vaddr, seg->length);
	if (ret)
		return ret;
	ret = pin(seg, vaddr, &pages);
	if (ret)
		return ret;
	ret = rsm_segment_swap(seg, &pages);
	*old = pages;
	if (ret)
		return ret;
	mod_delayed_work(rsm_wq, &seg->repopulate_work, RSM_REPOPULATE_DELAY);
	rsm_peer_wait_all_killable(seg);
	return 0;
}

int rsm_export_rebind(struct rsm_ucmd *ucmd)
{
	struct rsm_export_rebind *cmd = ucmd->cmd;
	struct rsm_segment *seg = ucmd_segment(ucmd);
	struct rsm_pages *old = NULL;
	int ret;

	if (!(seg->flags & RSM_EXPORT_ALLOW_REBIND))
		return RSM_ERR_REBIND_NOT_ALLOWED;
	if (!rsm_creator_is_current(seg))
		return RSM_ERR_NOT_CREATOR;
	if (!cmd->vaddr)
		return RSM_ERR_BAD_ADDR;
	if (cmd->length != seg->length)
		return RSM_ERR_BAD_LENGTH;

	if (mutex_lock_killable(&seg->bind_mutex))
		return -EINTR;
	ret = rebind_locked(seg, cmd->vaddr, &old);
	mutex_unlock(&seg->bind_mutex);
	/* The former pages, or on failure those that did not get in. */
	rsm_pages_put(old);
	return ret;
}

static bool segid_reserved(u32 id)
{
	if (!id)
		return false;
	return id < 0x200000 || (id >= 0x300000 && id < 0x400000) ||
	       id >= 0x80000000;
}

/* @acl belongs to the publication, or is freed. */
static int publish(struct rsm_segment *seg, u32 id, struct rsm_acl *acl,
		   u32 *out_id)
{
	struct rsm_publication *pub = rsm_registry_alloc(seg, id, acl);
	int ret;

	if (!pub) {
		kfree(acl);
		return -ENOMEM;
	}
	ret = rsm_registry_add(pub);
	if (ret) {
		rsm_registry_free(pub);
		return ret;
	}
	*out_id = pub->key.id;
	ret = rsm_segment_publish(seg, pub);
	if (ret)
		rsm_registry_remove(pub);
	return ret;
}

int rsm_export_publish(struct rsm_ucmd *ucmd)
{
	struct rsm_export_publish *cmd = ucmd->cmd;
	struct rsm_segment *seg = ucmd_segment(ucmd);
	struct rsm_acl *acl;
	int ret;

	if (!rsm_creator_is_current(seg))
		return RSM_ERR_NOT_CREATOR;
	ret = rsm_acl_copy(seg->ctl, cmd->acl, cmd->acl_count, &acl);
	if (ret)
		return ret;
	if (segid_reserved(cmd->segid))
		ret = RSM_ERR_RESERVED_SEGID;
	else
		ret = rsm_segment_may_publish(seg);
	if (ret) {
		kfree(acl);
		return ret;
	}
	return publish(seg, cmd->segid, acl, &cmd->out_segid);
}

/* For who looks again when he has the lock. */
static bool is_published(struct rsm_segment *seg)
{
	return READ_ONCE(seg->pub);
}

/* @acl becomes the access list that the caller has to free. */
static int replace_acl(struct rsm_segment *seg, struct rsm_acl **acl)
{
	int ret = RSM_ERR_SEG_NOT_PUBLISHED;

	spin_lock(&seg->lock);
	if (seg->pub) {
		swap(seg->pub->acl, *acl);
		ret = 0;
	}
	spin_unlock(&seg->lock);
	return ret;
}

int rsm_export_republish(struct rsm_ucmd *ucmd)
{
	struct rsm_export_republish *cmd = ucmd->cmd;
	struct rsm_segment *seg = ucmd_segment(ucmd);
	struct rsm_acl *acl;
	int ret;

	if (!is_published(seg))
		return RSM_ERR_SEG_NOT_PUBLISHED;
	if (!rsm_creator_is_current(seg))
		return RSM_ERR_NOT_CREATOR;
	ret = rsm_acl_copy(seg->ctl, cmd->acl, cmd->acl_count, &acl);
	if (ret)
		return ret;
	ret = replace_acl(seg, &acl);
	kfree(acl);
	return ret;
}

int rsm_export_unpublish(struct rsm_ucmd *ucmd)
{
	struct rsm_segment *seg = ucmd_segment(ucmd);

	if (!rsm_creator_is_current(seg))
		return RSM_ERR_NOT_CREATOR;
	if (!is_published(seg))
		return RSM_ERR_SEG_NOT_PUBLISHED;
	return rsm_segment_unpublish(seg);
}

int rsm_export_destroy(struct rsm_ucmd *ucmd)
{
	struct rsm_segment *seg = ucmd_segment(ucmd);

	if (!rsm_creator_is_current(seg))
		return RSM_ERR_NOT_CREATOR;
	rsm_segment_end(seg);
	return 0;
}

static int export_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct rsm_segment *seg = file->private_data;

	if (vma->vm_pgoff != RSM_STATUS_PGOFF)
		return -ENXIO;
	return rsm_status_mmap(vma, seg->handle.status);
}

static __poll_t export_poll(struct file *file, poll_table *wait)
{
	struct rsm_segment *seg = file->private_data;

	return rsm_handle_poll(&seg->handle, file, wait);
}

static int export_flush(struct file *file, fl_owner_t owner)
{
	struct rsm_segment *seg = file->private_data;

	rsm_handle_flush(&seg->handle, owner);
	return 0;
}

static int export_release(struct inode *inode, struct file *file)
{
	rsm_segment_close(file->private_data);
	return 0;
}

const struct file_operations rsm_export_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = rsm_export_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = export_mmap,
	.poll = export_poll,
	.flush = export_flush,
	.release = export_release,
	.show_fdinfo = rsm_export_show_fdinfo,
	.llseek = noop_llseek,
};
