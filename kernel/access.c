// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may connect: access lists, and users judged as for files.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/user_namespace.h>

#include "rsm_private.h"

static int check_entries(const struct rsm_controller *ctl,
			 const struct rsm_acl *acl)
{
	unsigned int i;

	for (i = 0; i < acl->count; i++)
		if (acl->entries[i].perm & ~RSM_ACCESS_BITS)
			return RSM_ERR_BAD_ACL;
	return ctl->ops->check_access(ctl, acl->entries, acl->count);
}

/**
 * rsm_acl_copy() - copy an access list from the caller and check it
 * @ctl: controller that it is for
 * @uaddr: address of an array of struct rsm_access_entry
 * @count: number of its entries
 * @out: the list, to be freed with kfree(), or NULL when @count is 0
 *
 * Context: faults on user memory.
 * Return: 0, -ENOMEM, RSM_ERR_BAD_ACL or RSM_ERR_BAD_ADDR.
 */
int rsm_acl_copy(const struct rsm_controller *ctl, u64 uaddr, u32 count,
		 struct rsm_acl **out)
{
	struct rsm_acl *acl;
	int ret;

	*out = NULL;
	if (!count)
		return 0;
	if (count > RSM_ACL_MAX)
		return RSM_ERR_BAD_ACL;
	acl = kzalloc(struct_size(acl, entries, count), GFP_KERNEL_ACCOUNT);
	if (!acl)
		return -ENOMEM;
	acl->count = count;

	ret = RSM_ERR_BAD_ADDR;
	if (copy_from_user(acl->entries, u64_to_user_ptr(uaddr),
			   flex_array_size(acl, entries, count)))
		goto err_free;
	ret = check_entries(ctl, acl);
	if (ret)
		goto err_free;
	/* To loopback all node ids of this machine are one. */
	if (ctl == &rsm_loopback)
		acl->entries[0].node = ctl->local_node;
	*out = acl;
	return 0;

err_free:
	kfree(acl);
	return ret;
}

/* The three octal digits that hold for @node, or RSM_ERR_ as negative. */
static int node_mode(const struct rsm_segment *seg, const struct rsm_acl *acl,
		     u32 node)
{
	unsigned int i;

	if (!acl)
		return seg->mode;
	for (i = 0; i < acl->count; i++)
		if (acl->entries[i].node == node)
			return acl->entries[i].perm;
	return -RSM_ERR_SEG_NOT_PUBLISHED_TO_NODE;
}

/* Position of the digit that judges the caller: one and no other. */
static unsigned int class_shift(const struct rsm_segment *seg)
{
	if (uid_eq(current_euid(), seg->uid))
		return 6;
	return in_egroup_p(seg->gid) ? 3 : 0;
}

/* The same for the importer on another node that @request tells of. */
static unsigned int peer_class_shift(const struct rsm_segment *seg,
				     const struct rsm_peer_request *request)
{
	unsigned int i;

	if (uid_eq(request->uid, seg->uid))
		return 6;
	for (i = 0; i < request->nr_gids; i++)
		if (gid_eq(request->gids[i], seg->gid))
			return 3;
	return 0;
}

/* @perm is an owner's digit: bring the importer's to that place. */
static bool allows(int mode, unsigned int shift, u32 perm)
{
	return !(perm & ~(mode << (6 - shift)));
}

/**
 * rsm_access_check() - judge if the caller may connect
 * @seg: the segment, locked
 * @pub: its publication
 * @node: node id of the importer
 * @perm: RSM_RIGHT_ bits wanted
 *
 * Return: 0, RSM_ERR_SEG_NOT_PUBLISHED_TO_NODE or RSM_ERR_PERM_DENIED.
 */
int rsm_access_check(const struct rsm_segment *seg,
		     const struct rsm_publication *pub, u32 node, u32 perm)
{
	int mode = node_mode(seg, pub->acl, node);

	lockdep_assert_held(&seg->lock);
	if (mode < 0)
		return -mode;
	if (allows(mode, class_shift(seg), perm))
		return 0;
	if (ns_capable(pub->key.ns ? pub->key.ns->user_ns : &init_user_ns,
		       CAP_IPC_OWNER))
		return 0;
	return RSM_ERR_PERM_DENIED;
}

/**
 * rsm_access_check_peer() - judge if an importer on another node may connect
 * @seg: the segment, locked
 * @pub: its publication
 * @request: who wants what
 *
 * No capability counts: those of another machine are not ours to believe in.
 *
 * Return: 0, RSM_ERR_SEG_NOT_PUBLISHED_TO_NODE or RSM_ERR_PERM_DENIED.
 */
int rsm_access_check_peer(const struct rsm_segment *seg,
			  const struct rsm_publication *pub,
			  const struct rsm_peer_request *request)
{
	int mode = node_mode(seg, pub->acl, request->node);

	lockdep_assert_held(&seg->lock);
	if (mode < 0)
		return -mode;
	if (allows(mode, peer_class_shift(seg, request), request->perm))
		return 0;
	return RSM_ERR_PERM_DENIED;
}
