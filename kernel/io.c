// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copies between the caller and a segment, and atomic operations, for those
 * who have no mapping.
 *
 * A copy goes from page to page of the segment. What is done with a page is
 * done under map_sem, with page faults disabled: a page of the caller that is
 * not there may be long in coming. It is waited for without the lock, and
 * then the import and the page set are looked at again. So whoever takes the
 * pages away from importers has to wait for one page at most, and nobody
 * writes to it after that.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/pagemap.h>
#include <linux/preempt.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "rsm_private.h"
#include "trace.h"

/**
 * struct copy - a transfer under way
 * @imp: the import
 * @put: from the caller to the segment
 * @uaddr: next byte of the caller
 * @offset: next byte of the segment
 * @left: bytes left
 */
struct copy {
	struct rsm_import *imp;
	bool put;
	void __user *uaddr;
	u64 offset;
	u64 left;
};

/* Keep a page of the segment where it is until end_access(). */
static int begin_access(struct rsm_import *imp, u64 offset, void **kaddr)
{
	struct rsm_segment *seg = imp->handle.seg;
	struct page *page;

	if (rsm_map_read_lock(seg))
		return -EINTR;
	if (imp->handle.ended) {
		rsm_map_read_unlock(seg);
		return RSM_ERR_CONN_ABORTED;
	}
	page = rsm_pages_page(seg->pages, offset >> PAGE_SHIFT);
	*kaddr = kmap_local_page(page);
	return 0;
}

static void end_access(struct rsm_import *imp, void *kaddr)
{
	kunmap_local(kaddr);
	rsm_map_read_unlock(imp->handle.seg);
}

/* Copy @size bytes within a page of the segment, or as far as they are there. */
static int copy_present(struct copy *copy, size_t size)
{
	unsigned long missed;
	void *kaddr;
	int ret;

	ret = begin_access(copy->imp, copy->offset, &kaddr);
	if (ret)
		return ret;
	kaddr += offset_in_page(copy->offset);
	pagefault_disable();
	if (copy->put)
		/* What is in the segment is its users' affair. */
		missed = data_race(__copy_from_user_inatomic(kaddr, copy->uaddr,
							     size));
	else
		/* As above */
		missed = data_race(__copy_to_user_inatomic(copy->uaddr, kaddr,
							   size));
	pagefault_enable();
	end_access(copy->imp, kaddr);

	size -= missed;
	copy->uaddr += size;
	copy->offset += size;
	copy->left -= size;
	return 0;
}

/* Wait for the caller's next @size bytes, or some of them. */
static int fault_in(const struct copy *copy, size_t size)
{
	size_t missed;

	if (copy->put)
		missed = fault_in_readable(copy->uaddr, size);
	else
		missed = fault_in_safe_writeable(copy->uaddr, size);
	if (missed < size)
		return 0;
	return fatal_signal_pending(current) ? -EINTR : RSM_ERR_BAD_ADDR;
}

static int copy_all(struct copy *copy)
{
	size_t size, rest;
	u64 before;
	int ret = 0;

	while (copy->left && !ret) {
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
		rest = PAGE_SIZE - offset_in_page(copy->offset);
		size = min_t(u64, copy->left, rest);
		before = copy->left;
		ret = copy_present(copy, size);
		size -= before - copy->left;
		if (!ret && size)
			ret = fault_in(copy, size);
	}
	return ret;
}

static int check_range(const struct rsm_segment *seg, u64 offset, u64 length)
{
	u64 end;

	if (check_add_overflow(offset, length, &end))
		return RSM_ERR_BAD_LENGTH;
	return end > seg->length ? RSM_ERR_BAD_OFFSET : 0;
}

static const struct rsm_link_ops *link_ops(const struct rsm_import *imp)
{
	return imp->ctl->ops->link;
}

static int do_copy_vec(struct rsm_import *imp, const struct rsm_copy_vec *vec,
		       bool put)
{
	struct copy copy = {
		.imp = imp,
		.put = put,
		.uaddr = u64_to_user_ptr(vec->vaddr),
		.offset = vec->offset,
		.left = vec->length,
	};
	int ret = check_range(imp->handle.seg, vec->offset, vec->length);

	if (ret)
		return ret;
	if (READ_ONCE(imp->handle.ended))
		return RSM_ERR_CONN_ABORTED;
	if (!access_ok(copy.uaddr, copy.left))
		return RSM_ERR_BAD_ADDR;
	/* As in copy_from_user(): not with an address that is not ok. */
	barrier_nospec();
	if (imp->handle.seg->remote)
		return link_ops(imp)->copy(imp->handle.seg->link, vec, put);
	return copy_all(&copy);
}

static int copy_vec(struct rsm_import *imp, const struct rsm_copy_vec *vec,
		    bool put)
{
	int ret = do_copy_vec(imp, vec, put);

	trace_rsm_copy(imp, vec, put, ret);
	return ret;
}

static int copy_vecs(struct rsm_ucmd *ucmd, bool put)
{
	struct rsm_import_copy *cmd = ucmd->cmd;
	struct rsm_import *imp = ucmd->file->private_data;
	struct rsm_copy_vec vecs[RSM_COPY_VEC_MAX];
	int ret = 0;

	cmd->out_done = 0;
	if (!(imp->handle.rights & (put ? RSM_RIGHT_WRITE : RSM_RIGHT_READ)))
		return RSM_ERR_PERM_DENIED;
	if (!cmd->vec_count || cmd->vec_count > RSM_COPY_VEC_MAX)
		return RSM_ERR_BAD_SGIO;
	if (copy_from_user(vecs, u64_to_user_ptr(cmd->vec),
			   cmd->vec_count * sizeof(*vecs)))
		return RSM_ERR_BAD_ADDR;
	while (cmd->out_done < cmd->vec_count) {
		ret = copy_vec(imp, &vecs[cmd->out_done], put);
		if (ret)
			break;
		cmd->out_done++;
	}
	return ret;
}

int rsm_import_put(struct rsm_ucmd *ucmd)
{
	return copy_vecs(ucmd, true);
}

int rsm_import_get(struct rsm_ucmd *ucmd)
{
	return copy_vecs(ucmd, false);
}

/* Tell if @cmd can be carried out: 0, -errno or an enum rsm_error. */
int rsm_import_check_atomic(const struct rsm_import *imp,
			    const struct rsm_import_atomic *cmd)
{
	const struct rsm_handle *handle = &imp->handle;

	if (!(handle->seg->flags & RSM_EXPORT_LOCK_OPS))
		return RSM_ERR_LOCKS_NOT_ENABLED;
	if (cmd->op > RSM_ATOMIC_SWAP)
		return -EOPNOTSUPP;
	if (!IS_ALIGNED(cmd->offset, sizeof(u64)))
		return RSM_ERR_BAD_MEM_ALIGNMENT;
	if (handle->rights != RSM_RIGHTS)
		return RSM_ERR_PERM_DENIED;
	return cmd->offset < handle->seg->length ? 0 : RSM_ERR_BAD_OFFSET;
}

static u64 change_word(atomic64_t *word, const struct rsm_import_atomic *cmd)
{
	switch (cmd->op) {
	case RSM_ATOMIC_CAS:
		return atomic64_cmpxchg(word, cmd->compare, cmd->operand);
	case RSM_ATOMIC_ADD:
		return atomic64_fetch_add(cmd->operand, word);
	}
	return atomic64_xchg(word, cmd->operand);
}

/* Change a word of a segment of this machine; @cmd has been checked. */
int rsm_import_do_atomic(struct rsm_import *imp, struct rsm_import_atomic *cmd)
{
	void *kaddr;
	int ret;

	ret = begin_access(imp, cmd->offset, &kaddr);
	if (ret)
		return ret;
	cmd->out_old = change_word(kaddr + offset_in_page(cmd->offset), cmd);
	end_access(imp, kaddr);
	return 0;
}

int rsm_import_atomic(struct rsm_ucmd *ucmd)
{
	struct rsm_import_atomic *cmd = ucmd->cmd;
	struct rsm_import *imp = ucmd->file->private_data;
	int ret;

	ret = rsm_import_check_atomic(imp, cmd);
	if (ret)
		return ret;
	if (imp->handle.seg->remote)
		return link_ops(imp)->atomic(imp->handle.seg->link, cmd);
	return rsm_import_do_atomic(imp, cmd);
}

int rsm_import_fence(struct rsm_ucmd *ucmd)
{
	struct rsm_import *imp = ucmd->file->private_data;

	if (READ_ONCE(imp->handle.ended))
		return RSM_ERR_CONN_ABORTED;
	if (imp->handle.seg->remote)
		return link_ops(imp)->fence(imp->handle.seg->link);
	return 0;
}
