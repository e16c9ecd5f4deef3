// SPDX-License-Identifier: GPL-2.0-only
/*
 * Status pages: what a handle's owner may know without a system call. A page
 * belongs to one handle and is mapped read-only by whoever has the handle.
 */
#include <linux/gfp.h>
#include <linux/mm.h>

#include "rsm_private.h"

static struct rsm_status *status_of(struct page *page)
{
	return page_address(page);
}

struct page *rsm_status_alloc(void)
{
	struct page *page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);

	if (page)
		rsm_status_set_state(page, RSM_STATE_LIVE);
	return page;
}

/* What has no descriptor has no status page: @page is NULL then. */

void rsm_status_set_state(struct page *page, u32 state)
{
	if (!page)
		return;
	/* Pairs with the acquire loads struct rsm_status asks readers for. */
	smp_store_release(&status_of(page)->state, state);
}

void rsm_status_set_signals(struct page *page, u32 signals)
{
	if (!page)
		return;
	/* Pairs as in rsm_status_set_state(). */
	smp_store_release(&status_of(page)->signals, signals);
}

void rsm_status_set_rebinds(struct page *page, u64 rebinds)
{
	if (!page)
		return;
	/* Pairs as in rsm_status_set_state(). */
	smp_store_release(&status_of(page)->rebinds, rebinds);
}

static vm_fault_t status_fault(struct vm_fault *vmf)
{
	vmf->page = vmf->vma->vm_private_data;
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct status_vm_ops = {
	.fault = status_fault,
};

/**
 * rsm_status_mmap() - map a handle's status page
 * @vma: the new area, at RSM_STATUS_PGOFF
 * @page: the status page, which lives as long as the area's file
 *
 * Return: 0 or -errno.
 */
int rsm_status_mmap(struct vm_area_struct *vma, struct page *page)
{
	if (vma_pages(vma) != 1)
		return -ENXIO;
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (vma->vm_flags & (VM_WRITE | VM_EXEC))
		return -EACCES;
	vm_flags_clear(vma, VM_MAYWRITE | VM_MAYEXEC);
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_private_data = page;
	vma->vm_ops = &status_vm_ops;
	return 0;
}
