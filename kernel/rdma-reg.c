// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registrations: pages of a segment that the device lets an importer reach.
 *
 * They belong to the protection domain of one connection and have keys of
 * their own. Once rsm_rdma_reg_destroy() returns the device does not touch the
 * pages any more; only then they are let go of.
 */
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "rdma.h"

/* Pages of a chunk: as many as the device takes, up to 2 MiB */
static unsigned long chunk_pages(const struct rsm_rdma_conn *conn)
{
	const struct ib_device_attr *attrs = &conn->id->device->attrs;

	return clamp_t(unsigned long, attrs->max_fast_reg_page_list_len, 1,
		       PTRS_PER_PMD);
}

/* Bytes that each key is for */
u32 rsm_rdma_chunk_size(const struct rsm_rdma_conn *conn)
{
	return chunk_pages(conn) << PAGE_SHIFT;
}

static int access_flags(const struct rsm_rdma_conn *conn)
{
	u32 perm = le32_to_cpu(conn->open.perm);

	return (perm & RSM_RIGHT_READ ? IB_ACCESS_REMOTE_READ : 0) |
	       (perm & RSM_RIGHT_WRITE ?
			IB_ACCESS_REMOTE_WRITE | IB_ACCESS_LOCAL_WRITE : 0);
}

static void reg_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct rsm_rdma_conn *conn = cq->cq_context;

	conn->reg_status = wc->status;
	complete(&conn->reg_done);
}

/* Have the device put a memory region into use. */
static int register_mr(struct rsm_rdma_conn *conn, struct ib_mr *mr)
{
	struct ib_reg_wr wr = {
		.wr = {
			.wr_cqe = &conn->reg_cqe,
			.opcode = IB_WR_REG_MR,
			.send_flags = IB_SEND_SIGNALED,
		},
		.mr = mr,
		.key = mr->rkey,
		.access = access_flags(conn),
	};
	int ret = -ENOTCONN;

	conn->reg_cqe.done = reg_done;
	reinit_completion(&conn->reg_done);
	spin_lock_irq(&conn->lock);
	if (!rsm_rdma_is_lost(conn))
		ret = ib_post_send(conn->id->qp, &wr.wr, NULL);
	spin_unlock_irq(&conn->lock);
	if (ret)
		return ret;
	if (!wait_for_completion_timeout(&conn->reg_done,
					 msecs_to_jiffies(RSM_RDMA_STEP_MS))) {
		/* What was posted before does not end: have all given back. */
		rsm_rdma_conn_lose(conn);
		rdma_disconnect(conn->id);
		wait_for_completion(&conn->reg_done);
	}
	return conn->reg_status == IB_WC_SUCCESS ? 0 : -EIO;
}

static int map_chunk(struct rsm_rdma_conn *conn, struct rsm_rdma_chunk *chunk,
		     u64 offset)
{
	int ret;

	ret = ib_dma_map_sgtable_attrs(conn->id->device, &chunk->sgt,
				       DMA_BIDIRECTIONAL, 0);
	if (ret)
		return ret;
	ret = ib_map_mr_sg(chunk->mr, chunk->sgt.sgl, chunk->sgt.nents, NULL,
			   PAGE_SIZE);
	if (ret == chunk->sgt.nents) {
		/* Addresses are offsets in the segment. */
		chunk->mr->iova = offset;
		ret = register_mr(conn, chunk->mr);
		if (!ret)
			return 0;
	} else if (ret >= 0) {
		ret = -EINVAL;
	}
	ib_dma_unmap_sgtable_attrs(conn->id->device, &chunk->sgt,
				   DMA_BIDIRECTIONAL, 0);
	return ret;
}

static int create_chunk(struct rsm_rdma_conn *conn, struct rsm_pages *pages,
			struct rsm_rdma_chunk *chunk, unsigned long first)
{
	unsigned long count = min(chunk_pages(conn),
				  rsm_pages_count(pages) - first);
	int ret;

	chunk->mr = ib_alloc_mr(conn->pd, IB_MR_TYPE_MEM_REG, count);
	if (IS_ERR(chunk->mr))
		return PTR_ERR(chunk->mr);
	ret = rsm_pages_sg(pages, first, count, &chunk->sgt);
	if (ret)
		goto err_mr;
	ret = map_chunk(conn, chunk, (u64)first << PAGE_SHIFT);
	if (!ret)
		return 0;
	sg_free_table(&chunk->sgt);
err_mr:
	ib_dereg_mr(chunk->mr);
	return ret;
}

/* False: the device may go on to use the pages. */
static bool destroy_chunk(struct rsm_rdma_conn *conn,
			  struct rsm_rdma_chunk *chunk)
{
	if (WARN_ONCE(ib_dereg_mr(chunk->mr), "pages remain with the device"))
		return false;
	ib_dma_unmap_sgtable_attrs(conn->id->device, &chunk->sgt,
				   DMA_BIDIRECTIONAL, 0);
	sg_free_table(&chunk->sgt);
	return true;
}

/**
 * rsm_rdma_reg_create() - let an importer reach pages, as far as its rights go
 * @conn: the connection, established
 * @pages: the pages, which belong to the registration from now on, or are put
 *
 * Context: the work of the connection.
 * Return: the registration, for rsm_rdma_reg_destroy(), or NULL.
 */
struct rsm_rdma_reg *rsm_rdma_reg_create(struct rsm_rdma_conn *conn,
					 struct rsm_pages *pages)
{
	unsigned long step = chunk_pages(conn);
	struct rsm_rdma_reg *reg;
	unsigned int nr = 0, i;

	if (access_flags(conn))
		nr = DIV_ROUND_UP(rsm_pages_count(pages), step);
	reg = kvzalloc(struct_size(reg, chunks, nr), GFP_KERNEL_ACCOUNT);
	if (!reg) {
		rsm_pages_put(pages);
		return NULL;
	}
	reg->pages = pages;
	for (i = 0; i < nr; i++) {
		reg->nr = i + 1;
		if (rsm_peer_is_aborted(conn->peer) ||
		    create_chunk(conn, pages, &reg->chunks[i], i * step)) {
			reg->nr = i;
			rsm_rdma_reg_destroy(conn, reg);
			return NULL;
		}
	}
	return reg;
}

/* Take pages away from an importer; @reg can be NULL. */
void rsm_rdma_reg_destroy(struct rsm_rdma_conn *conn, struct rsm_rdma_reg *reg)
{
	bool gone = true;
	unsigned int i;

	if (!reg)
		return;
	for (i = 0; i < reg->nr; i++)
		gone &= destroy_chunk(conn, &reg->chunks[i]);
	/* Rather lose the pages than give them to others. */
	if (!gone)
		return;
	rsm_pages_put(reg->pages);
	kvfree(reg);
}
