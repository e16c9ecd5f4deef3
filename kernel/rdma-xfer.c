// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copies by RDMA, on the importer's side.
 *
 * What is long is written from and read into the caller's pages, which are
 * pinned meanwhile; what is short, or cannot be pinned, goes through a page of
 * ours. A copy has ended when the call returns, so that nothing is left to be
 * waited for but for what the exporter's machine may not have put in place:
 * see rsm_rdma_fence().
 *
 * User memory is faulted in while nothing is held that the end of a connection
 * waits for: it may be long in coming.
 */
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "rdma.h"

/* From here on pinning is cheaper than copying. */
#define PIN_MIN (PAGE_SIZE + 1)

/**
 * struct piece - part of a copy that is done at once
 * @conn: the connection
 * @put: from the caller to the segment
 * @uaddr: the caller's memory
 * @offset: in the segment
 * @size: bytes
 * @pages: room for the caller's pages, or NULL
 * @room: how many may be under way
 */
struct piece {
	struct rsm_rdma_conn *conn;
	bool put;
	void __user *uaddr;
	u64 offset;
	size_t size;
	struct page **pages;
	unsigned int room;
};

static void last_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct rsm_rdma_xfer *xfer = container_of(wc->wr_cqe,
						  struct rsm_rdma_xfer, last);

	if (wc->status == IB_WC_SUCCESS)
		WRITE_ONCE(xfer->conn->alive, jiffies);
	else
		rsm_rdma_conn_fail(xfer->conn, wc->status);
	xfer->status = wc->status;
	complete(&xfer->done);
}

/* Comes with an error only, and then the last one has one, too. */
static void early_done(struct ib_cq *cq, struct ib_wc *wc)
{
	rsm_rdma_conn_fail(cq->cq_context, wc->status);
}

static struct rsm_rdma_xfer *take_idle(struct rsm_rdma_conn *conn)
{
	struct rsm_rdma_xfer *xfer;

	spin_lock_irq(&conn->lock);
	/* Once it is lost they may be gone: see rsm_rdma_xfer_drain(). */
	xfer = rsm_rdma_is_lost(conn) ? NULL :
	       list_first_entry_or_null(&conn->idle, struct rsm_rdma_xfer,
					link);
	if (xfer) {
		list_del(&xfer->link);
		conn->nr_idle--;
	}
	spin_unlock_irq(&conn->lock);
	return xfer;
}

static void put_xfer(struct rsm_rdma_xfer *xfer)
{
	struct rsm_rdma_conn *conn = xfer->conn;

	rsm_rdma_put_grant(conn, xfer->grant);
	spin_lock_irq(&conn->lock);
	list_add(&xfer->link, &conn->idle);
	conn->nr_idle++;
	spin_unlock_irq(&conn->lock);
	wake_up(&conn->wait);
}

/* Wait for what a copy needs: 0, -EINTR or RSM_ERR_CONN_ABORTED. */
static int get_xfer(struct rsm_rdma_conn *conn, struct rsm_rdma_xfer **xfer)
{
	int ret;

	*xfer = NULL;
	ret = wait_event_killable(conn->wait, rsm_rdma_is_lost(conn) ||
				  (*xfer = take_idle(conn)));
	if (ret)
		return -EINTR;
	if (!*xfer)
		return RSM_ERR_CONN_ABORTED;
	(*xfer)->grant = rsm_rdma_get_grant(conn);
	if (!rsm_rdma_is_lost(conn))
		return 0;
	put_xfer(*xfer);
	return RSM_ERR_CONN_ABORTED;
}

/* Bytes from @offset on that one key is for */
static u64 to_chunk_end(const struct rsm_rdma_grant *grant, u64 offset)
{
	u32 rest;

	div_u64_rem(offset, grant->chunk, &rest);
	return grant->chunk - rest;
}

static u32 key_of(const struct rsm_rdma_grant *grant, u64 offset)
{
	return grant->keys[div_u64(offset, grant->chunk)];
}

/* Begin the next work request of a copy. */
static struct ib_rdma_wr *begin_wr(struct rsm_rdma_xfer *xfer, unsigned int nr,
				   u64 offset, bool put)
{
	struct ib_rdma_wr *wr = &xfer->wrs[nr];

	*wr = (struct ib_rdma_wr){
		.wr = {
			.wr_cqe = &xfer->early,
			.sg_list = xfer->sges[nr],
			.opcode = put ? IB_WR_RDMA_WRITE : IB_WR_RDMA_READ,
		},
		.remote_addr = offset,
		.rkey = key_of(xfer->grant, offset),
	};
	if (nr)
		xfer->wrs[nr - 1].wr.next = &wr->wr;
	return wr;
}

static void add_sge(struct rsm_rdma_xfer *xfer, struct ib_rdma_wr *wr, u64 addr,
		    u32 length)
{
	wr->wr.sg_list[wr->wr.num_sge++] = (struct ib_sge){
		.addr = addr,
		.length = length,
		.lkey = xfer->conn->pd->local_dma_lkey,
	};
}

/* Most pieces of a work request */
static int sges_max(const struct rsm_rdma_conn *conn, bool put)
{
	const struct ib_device_attr *attrs = &conn->id->device->attrs;
	int max = min(RSM_RDMA_XFER_SGES, attrs->max_send_sge);

	if (!put && attrs->max_sge_rd)
		max = min(max, attrs->max_sge_rd);
	return max;
}

/*
 * Wait for the last work request: before that nobody can give back the memory
 * that they use. Who is killed waits no longer than an answer should take.
 */
static void wait_for_last(struct rsm_rdma_xfer *xfer)
{
	if (!wait_for_completion_killable(&xfer->done) ||
	    wait_for_completion_timeout(&xfer->done,
					msecs_to_jiffies(RSM_RDMA_STEP_MS)))
		return;
	/* All that was posted is given back then. */
	rsm_rdma_conn_lose(xfer->conn);
	wait_for_completion(&xfer->done);
}

/* Post work requests, the last of which is @last, and wait for them. */
static int run(struct rsm_rdma_xfer *xfer, struct ib_rdma_wr *last)
{
	struct rsm_rdma_conn *conn = xfer->conn;

	last->wr.wr_cqe = &xfer->last;
	last->wr.send_flags = IB_SEND_SIGNALED;
	reinit_completion(&xfer->done);
	if (ib_post_send(conn->id->qp, &xfer->wrs[0].wr, NULL)) {
		rsm_rdma_conn_lose(conn);
		/* Those that were posted */
		wait_for_completion(&conn->drained);
		return RSM_ERR_CONN_ABORTED;
	}
	wait_for_last(xfer);
	return xfer->status == IB_WC_SUCCESS ? 0 : RSM_ERR_CONN_ABORTED;
}

/* Pieces by way of our own page */

static int run_bounce(struct rsm_rdma_xfer *xfer, u64 offset, size_t size,
		      bool put)
{
	struct ib_rdma_wr *wr = begin_wr(xfer, 0, offset, put);

	add_sge(xfer, wr, xfer->bounce_dma, size);
	return run(xfer, wr);
}

static int put_bounce(struct rsm_rdma_xfer *xfer, const struct piece *piece,
		      size_t size, size_t *done)
{
	size_t missed;
	int ret;

	pagefault_disable();
	missed = __copy_from_user_inatomic(xfer->bounce, piece->uaddr, size);
	pagefault_enable();
	size -= missed;
	if (!size)
		return 0;
	ib_dma_sync_single_for_device(xfer->conn->id->device, xfer->bounce_dma,
				      size, DMA_BIDIRECTIONAL);
	ret = run_bounce(xfer, piece->offset, size, true);
	if (!ret)
		*done = size;
	return ret;
}

static int get_bounce(struct rsm_rdma_xfer *xfer, const struct piece *piece,
		      size_t size, size_t *done)
{
	size_t missed;
	int ret;

	ret = run_bounce(xfer, piece->offset, size, false);
	if (ret)
		return ret;
	ib_dma_sync_single_for_cpu(xfer->conn->id->device, xfer->bounce_dma,
				   size, DMA_BIDIRECTIONAL);
	pagefault_disable();
	missed = __copy_to_user_inatomic(piece->uaddr, xfer->bounce, size);
	pagefault_enable();
	*done = size - missed;
	return 0;
}

/* Copy up to a page; @done is 0 if the caller's memory is not there. */
static int copy_bounce(const struct piece *piece, size_t *done)
{
	struct rsm_rdma_xfer *xfer;
	size_t size;
	int ret;

	ret = get_xfer(piece->conn, &xfer);
	if (ret)
		return ret;
	size = min_t(u64, piece->size,
		     to_chunk_end(xfer->grant, piece->offset));
	size = min_t(size_t, size, PAGE_SIZE);
	ret = piece->put ? put_bounce(xfer, piece, size, done) :
			   get_bounce(xfer, piece, size, done);
	put_xfer(xfer);
	return ret;
}

/* Wait for the caller's memory. */
static int fault_in(const struct piece *piece)
{
	size_t size = min_t(size_t, piece->size, PAGE_SIZE), missed;

	if (piece->put)
		missed = fault_in_readable(piece->uaddr, size);
	else
		missed = fault_in_safe_writeable(piece->uaddr, size);
	if (missed < size)
		return 0;
	return fatal_signal_pending(current) ? -EINTR : RSM_ERR_BAD_ADDR;
}

static int copy_short(const struct piece *piece, size_t *done)
{
	int ret = copy_bounce(piece, done);

	if (!ret && !*done)
		ret = fault_in(piece);
	return ret;
}

/* Pieces of pinned pages */

/* Make the work requests for pages, and return the last one. */
static struct ib_rdma_wr *fill(struct rsm_rdma_xfer *xfer, u64 offset, bool put)
{
	unsigned int max = sges_max(xfer->conn, put), nr = 0, i;
	struct ib_rdma_wr *wr = NULL;
	struct scatterlist *sg;

	for_each_sgtable_dma_sg(&xfer->sgt, sg, i) {
		if (!wr || wr->wr.num_sge == max)
			wr = begin_wr(xfer, nr++, offset, put);
		add_sge(xfer, wr, sg_dma_address(sg), sg_dma_len(sg));
		offset += sg_dma_len(sg);
	}
	return wr;
}

static int run_pages(struct rsm_rdma_xfer *xfer, const struct piece *piece,
		     unsigned int count, size_t size)
{
	enum dma_data_direction direction = piece->put ? DMA_TO_DEVICE :
							 DMA_FROM_DEVICE;
	struct ib_device *dev = xfer->conn->id->device;
	int ret;

	ret = sg_alloc_table_from_pages(&xfer->sgt, piece->pages, count,
					offset_in_page(piece->uaddr), size,
					GFP_KERNEL);
	if (ret)
		return ret;
	ret = ib_dma_map_sgtable_attrs(dev, &xfer->sgt, direction, 0);
	if (!ret) {
		ret = run(xfer, fill(xfer, piece->offset, piece->put));
		ib_dma_unmap_sgtable_attrs(dev, &xfer->sgt, direction, 0);
	}
	sg_free_table(&xfer->sgt);
	return ret < 0 ? -ENOMEM : ret;
}

static int copy_pages(const struct piece *piece, unsigned int count,
		      size_t *done)
{
	size_t size = count * PAGE_SIZE - offset_in_page(piece->uaddr);
	struct rsm_rdma_xfer *xfer;
	int ret;

	ret = get_xfer(piece->conn, &xfer);
	if (ret)
		return ret;
	size = min(size, piece->size);
	size = min_t(u64, size, to_chunk_end(xfer->grant, piece->offset));
	count = DIV_ROUND_UP(offset_in_page(piece->uaddr) + size, PAGE_SIZE);
	ret = run_pages(xfer, piece, count, size);
	put_xfer(xfer);
	if (!ret)
		*done = size;
	return ret;
}

/* Pages that may be under way, and fit into the work requests of a copy */
static unsigned int pages_max(const struct rsm_rdma_conn *conn)
{
	unsigned int window = READ_ONCE(conn->ctl->copy_window) / PAGE_SIZE;

	return min(window, conn->max_sges * RSM_RDMA_XFER_WRS);
}

static int copy_long(const struct piece *piece, size_t *done)
{
	unsigned long addr = (unsigned long)piece->uaddr;
	unsigned long count;
	int got, ret;

	count = DIV_ROUND_UP(offset_in_page(addr) + piece->size, PAGE_SIZE);
	count = min_t(unsigned long, count, piece->room);
	got = pin_user_pages_fast(addr, count, piece->put ? 0 : FOLL_WRITE,
				  piece->pages);
	/* Not there, or no pages, as with other imports: byte by byte. */
	if (got <= 0)
		return copy_short(piece, done);
	ret = copy_pages(piece, got, done);
	unpin_user_pages_dirty_lock(piece->pages, got, !piece->put);
	return ret;
}

/**
 * rsm_rdma_copy() - copy between the caller and the segment
 * @link: the connection
 * @vec: what
 * @put: from the caller to the segment
 *
 * Return: 0, -errno or an enum rsm_error.
 */
int rsm_rdma_copy(void *link, const struct rsm_copy_vec *vec, bool put)
{
	struct piece piece = {
		.conn = link,
		.put = put,
		.uaddr = u64_to_user_ptr(vec->vaddr),
		.offset = vec->offset,
		.size = vec->length,
	};
	int ret = 0;

	if (piece.size >= PIN_MIN) {
		piece.room = pages_max(link);
		piece.pages = kmalloc_array(piece.room, sizeof(*piece.pages),
					    GFP_KERNEL_ACCOUNT);
	}
	while (piece.size && !ret) {
		size_t done = 0;

		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		if (piece.pages && piece.size >= PIN_MIN)
			ret = copy_long(&piece, &done);
		else
			ret = copy_short(&piece, &done);
		piece.uaddr += done;
		piece.offset += done;
		piece.size -= done;
		cond_resched();
	}
	kfree(piece.pages);
	return ret;
}

/**
 * rsm_rdma_fence() - wait until what was put is in the exporter's memory
 * @link: the connection
 *
 * That a write has been answered says that it has arrived, and not that it is
 * where a processor sees it. Both a read that follows it and a message do.
 *
 * Return: 0, -EINTR or RSM_ERR_CONN_ABORTED.
 */
int rsm_rdma_fence(void *link)
{
	struct rsm_rdma_conn *conn = link;
	struct rsm_import_atomic nothing = { .op = RSM_WIRE_NOTHING };
	struct rsm_rdma_xfer *xfer;
	int ret;

	if (!(le32_to_cpu(conn->open.perm) & RSM_RIGHT_READ))
		return rsm_rdma_link_atomic(link, &nothing);
	ret = get_xfer(conn, &xfer);
	if (ret)
		return ret;
	ret = run_bounce(xfer, 0, sizeof(u64), false);
	put_xfer(xfer);
	return ret;
}

/* Making and freeing */

static struct rsm_rdma_xfer *xfer_alloc(struct rsm_rdma_conn *conn)
{
	struct rsm_rdma_xfer *xfer = kzalloc(sizeof(*xfer), GFP_KERNEL_ACCOUNT);

	if (!xfer)
		return NULL;
	xfer->conn = conn;
	xfer->last.done = last_done;
	xfer->early.done = early_done;
	init_completion(&xfer->done);
	xfer->bounce = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!xfer->bounce)
		goto err_free;
	xfer->bounce_dma = ib_dma_map_single(conn->id->device, xfer->bounce,
					     PAGE_SIZE, DMA_BIDIRECTIONAL);
	if (ib_dma_mapping_error(conn->id->device, xfer->bounce_dma))
		goto err_page;
	return xfer;

err_page:
	free_page((unsigned long)xfer->bounce);
err_free:
	kfree(xfer);
	return NULL;
}

/* Get ready to copy; rsm_rdma_xfer_destroy() in any case. 0 or -ENOMEM */
int rsm_rdma_xfer_init(struct rsm_rdma_conn *conn)
{
	struct rsm_rdma_xfer *xfer;
	unsigned int i;

	conn->max_sges = min(sges_max(conn, true), sges_max(conn, false));
	for (i = 0; i < RSM_RDMA_XFERS; i++) {
		xfer = xfer_alloc(conn);
		if (!xfer)
			return -ENOMEM;
		conn->xfers[i] = xfer;
		list_add(&xfer->link, &conn->idle);
		conn->nr_idle++;
		conn->nr_xfers++;
	}
	return 0;
}

static bool all_idle(struct rsm_rdma_conn *conn)
{
	bool all;

	spin_lock_irq(&conn->lock);
	all = conn->nr_idle == conn->nr_xfers;
	spin_unlock_irq(&conn->lock);
	return all;
}

/* Wait until no copy is under way on a connection that is lost. */
void rsm_rdma_xfer_drain(struct rsm_rdma_conn *conn)
{
	wait_event(conn->wait, all_idle(conn));
}

void rsm_rdma_xfer_destroy(struct rsm_rdma_conn *conn)
{
	unsigned int i;

	for (i = 0; i < conn->nr_xfers; i++) {
		ib_dma_unmap_single(conn->id->device,
				    conn->xfers[i]->bounce_dma, PAGE_SIZE,
				    DMA_BIDIRECTIONAL);
		free_page((unsigned long)conn->xfers[i]->bounce);
		kfree(conn->xfers[i]);
	}
	conn->nr_xfers = 0;
	conn->nr_idle = 0;
	INIT_LIST_HEAD(&conn->idle);
}
