// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tickets: descriptors that stand for the right to connect. What the creator
 * hands out is one publication and some rights; who has the descriptor needs
 * no name, no namespace and no permission beyond it.
 */
#include <linux/slab.h>

#include "rsm_private.h"

static int get_serial(struct rsm_segment *seg, u64 *serial)
{
	int ret = RSM_ERR_SEG_NOT_PUBLISHED;

	spin_lock(&seg->lock);
	if (seg->pub) {
		*serial = seg->pub->serial;
		ret = 0;
	}
	spin_unlock(&seg->lock);
	return ret;
}

static void ticket_free(struct rsm_ticket *ticket)
{
	rsm_limits_put_handle(ticket->user);
	rsm_controller_put(ticket->ctl);
	rsm_segment_put(ticket->seg);
	atomic_long_dec(&rsm_stats.tickets);
	kfree(ticket);
}

static int ticket_alloc(struct rsm_segment *seg, u32 rights,
			struct rsm_ticket **out)
{
	struct rsm_ticket *ticket = kzalloc(sizeof(*ticket), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!ticket)
		return -ENOMEM;
	ret = rsm_limits_get_handle(&ticket->user);
	if (ret) {
		kfree(ticket);
		return ret;
	}
	kref_get(&seg->ref);
	ticket->seg = seg;
	ticket->ctl = rsm_controller_hold(seg->ctl);
	ticket->rights = rights;
	atomic_long_inc(&rsm_stats.tickets);
	*out = ticket;
	return 0;
}

static int ticket_release(struct inode *inode, struct file *file)
{
	ticket_free(file->private_data);
	return 0;
}

static const struct file_operations ticket_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = rsm_ticket_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = ticket_release,
	.show_fdinfo = rsm_ticket_show_fdinfo,
	.llseek = noop_llseek,
};

int rsm_export_grant(struct rsm_ucmd *ucmd)
{
	struct rsm_export_grant *cmd = ucmd->cmd;
	struct rsm_segment *seg = ucmd->file->private_data;
	struct rsm_ticket *ticket;
	int ret;

	cmd->out_fd = -1;
	if (!rsm_creator_is_current(seg))
		return RSM_ERR_NOT_CREATOR;
	if (cmd->rights & ~RSM_RIGHTS)
		return RSM_ERR_BAD_PERMS;
	ret = ticket_alloc(seg, cmd->rights, &ticket);
	if (ret)
		return ret;
	ret = rsm_ucmd_new_file(ucmd, "[rsm-ticket]", &ticket_fops, ticket);
	if (ret) {
		ticket_free(ticket);
		return ret;
	}
	/* From here on the file owns the ticket. */
	ret = get_serial(seg, &ticket->serial);
	if (!ret)
		cmd->out_fd = ucmd->new_fd;
	return ret;
}

int rsm_ticket_connect(struct rsm_ucmd *ucmd)
{
	struct rsm_ticket_connect *cmd = ucmd->cmd;
	struct rsm_ticket *ticket = ucmd->file->private_data;
	struct rsm_segment *seg = ticket->seg;
	const struct rsm_admission admission = {
		.serial = ticket->serial,
		.perm = cmd->perm,
		.ticket = true,
	};
	int ret;

	cmd->out_fd = -1;
	if (cmd->perm & ~RSM_RIGHTS)
		return RSM_ERR_BAD_PERMS;
	if (cmd->perm & ~ticket->rights)
		return RSM_ERR_PERM_DENIED;
	kref_get(&seg->ref);
	ret = rsm_import_open(ucmd, rsm_controller_hold(ticket->ctl), seg,
			      &admission);
	if (ret)
		return ret;
	cmd->out_fd = ucmd->new_fd;
	cmd->out_length = seg->length;
	cmd->out_rights = cmd->perm;
	cmd->out_flags = seg->flags;
	return 0;
}
