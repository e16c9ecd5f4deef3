// SPDX-License-Identifier: GPL-2.0-only
/*
 * Links: imports of segments of other nodes.
 *
 * On the importer's machine a segment without pages stands for the remote one,
 * and belongs to the one import that it was made for. So the state, the status
 * page, pollers and waits of such an import are as those of any other; what
 * reaches the memory goes to the link, which the segment owns.
 */
#include <linux/export.h>
#include <linux/nsproxy.h>

#include "rsm_private.h"

static int open_link(struct rsm_segment *seg, struct rsm_import_connect *cmd)
{
	struct rsm_link_info info = {
		.node = cmd->node,
		.id = cmd->segid,
		.perm = cmd->perm,
	};
	int ret;

	ret = seg->ctl->ops->link->connect(seg->ctl, &info, seg, &seg->link);
	if (ret)
		return ret;
	seg->length = info.length;
	seg->flags = info.flags;
	cmd->out_length = info.length;
	cmd->out_flags = info.flags;
	cmd->out_rights = cmd->perm;
	return 0;
}

/**
 * rsm_link_connect() - connect to a segment of another node
 * @ucmd: the ioctl
 * @ctl: the controller; belongs to the import from now on
 *
 * Return: 0, -errno or an enum rsm_error.
 */
int rsm_link_connect(struct rsm_ucmd *ucmd, struct rsm_controller *ctl)
{
	struct rsm_import_connect *cmd = ucmd->cmd;
	const struct rsm_admission admission = {
		.id = cmd->segid,
		.ipc_ns = rsm_ipc_ns_number(current->nsproxy->ipc_ns),
		.perm = cmd->perm,
		.remote = true,
	};
	struct rsm_segment *seg;
	int ret;

	ret = rsm_segment_alloc_remote(ctl, cmd->node, &seg);
	if (ret) {
		rsm_controller_put(ctl);
		return ret;
	}
	/* The import comes first, so that no signal gets lost. */
	ret = rsm_import_open(ucmd, rsm_controller_hold(ctl), seg, &admission);
	return ret ?: open_link(seg, cmd);
}

/**
 * rsm_link_abort() - a link has ended, or the remote segment has
 * @seg: the segment that stands for it
 * @unreachable: its node does not answer
 */
void rsm_link_abort(struct rsm_segment *seg, bool unreachable)
{
	WRITE_ONCE(seg->unreachable, unreachable);
	rsm_segment_end(seg);
}
EXPORT_SYMBOL_GPL(rsm_link_abort);

/**
 * rsm_link_signal() - the export has posted signals
 * @seg: the segment that stands for the remote one
 * @count: how many
 * @once: one before these, if none is pending
 */
void rsm_link_signal(struct rsm_segment *seg, u32 count, bool once)
{
	struct rsm_import *imp;

	spin_lock(&seg->lock);
	/* Only an abort takes the import off the list for a moment. */
	list_for_each_entry(imp, &seg->imports, link)
		rsm_signal_add_remote(&imp->handle, count, once);
	spin_unlock(&seg->lock);
}
EXPORT_SYMBOL_GPL(rsm_link_signal);

/**
 * rsm_link_set_rebinding() - a rebind of the remote segment begins or ends
 * @seg: the segment that stands for it
 * @rebinding: from now on copies may reach one set of pages or the other
 */
void rsm_link_set_rebinding(struct rsm_segment *seg, bool rebinding)
{
	struct rsm_import *imp;

	spin_lock(&seg->lock);
	if (seg->rebinds % 2 != rebinding)
		seg->rebinds++;
	list_for_each_entry(imp, &seg->imports, link)
		rsm_status_set_rebinds(imp->handle.status, seg->rebinds);
	spin_unlock(&seg->lock);
}
EXPORT_SYMBOL_GPL(rsm_link_set_rebinding);
