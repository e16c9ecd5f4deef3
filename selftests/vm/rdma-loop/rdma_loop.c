// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a network for RDMA takes by itself: the least that a kernel module can
 * do to write, to read, and to send a message and get one back. "rsmctl bench"
 * measures rsm_rdma beside it.
 *
 * Each machine has loaded it and listens. In debugfs there is a file rdma_loop,
 * to be opened once at a time, to which is written one of
 *
 *   connect SOURCE DESTINATION     addresses (IPv4)
 *   write BYTES COUNT              to the other machine's memory, up to 1 MiB,
 *   read BYTES COUNT               one after the other
 *   ping COUNT                     messages there and back
 *   talk COUNT                     the same, answered by a thread that is woken
 *
 * A read gives the nanoseconds that the last of these took.
 */
#include <linux/debugfs.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/inet.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <net/net_namespace.h>
#include <rdma/ib_cm.h>
#include <rdma/ib_verbs.h>
#include <rdma/rdma_cm.h>

#define PORT 7761
#define PAGES 256
/* As rsm_rdma has them */
#define WR_PAGES 16
#define WRS (PAGES / WR_PAGES)
#define ACK_TIMEOUT 16
#define RETRIES 4
#define RNR_RETRIES 6
#define WAIT_MS 20000
/* Of so many messages one has a completion, as in rsm_rdma. */
#define COMPLETION_EVERY 4
#define SEND_DEPTH (WRS + COMPLETION_EVERY + 4)

/* The first one tells where the memory is. Others ask for a thread, or not. */
struct message {
	__le64 addr;
	__le32 key;
	__le32 thread;
};

struct loop {
	struct list_head entry;
	struct rdma_cm_id *id;
	struct ib_pd *pd;
	struct ib_cq *send_cq;
	struct ib_cq *recv_cq;
	struct ib_mr *mr;
	struct sg_table sgt;
	struct page *pages[PAGES];
	bool mapped;
	bool server;
	bool ends;
	struct message *messages;
	u64 messages_dma;
	struct ib_cqe sent;
	struct ib_cqe told;
	struct ib_cqe received;
	unsigned int nr_told;
	struct completion event;
	struct completion done;
	struct completion arrived;
	struct work_struct answer;
	int status;
	u64 addr;
	u32 key;
	struct ib_rdma_wr wrs[WRS];
	struct ib_sge sges[WRS][WR_PAGES];
};

static struct rdma_cm_id *listener;
static struct dentry *file;
static struct loop *client;
static u64 result;

static DEFINE_MUTEX(mutex);
static LIST_HEAD(servers);
static DEFINE_SPINLOCK(servers_lock);
/* Held while one of them offers its memory */
static DEFINE_MUTEX(offering);

/* Work requests */

static int finish(struct loop *loop)
{
	if (!wait_for_completion_timeout(&loop->done,
					 msecs_to_jiffies(WAIT_MS)))
		return -ETIMEDOUT;
	return loop->status;
}

static void sent(struct ib_cq *cq, struct ib_wc *wc)
{
	struct loop *loop = cq->cq_context;

	loop->status = wc->status ? -EIO : 0;
	complete(&loop->done);
}

static void told(struct ib_cq *cq, struct ib_wc *wc)
{
}

/* Have a message sent; @cqe: its completion, or NULL */
static int post_send(struct loop *loop, struct ib_cqe *cqe)
{
	struct ib_sge sge = {
		.addr = loop->messages_dma,
		.length = sizeof(struct message),
		.lkey = loop->pd->local_dma_lkey,
	};
	struct ib_send_wr wr = {
		.wr_cqe = cqe ?: &loop->told,
		.sg_list = &sge,
		.num_sge = 1,
		.opcode = IB_WR_SEND,
		.send_flags = cqe ? IB_SEND_SIGNALED : 0,
	};

	ib_dma_sync_single_for_device(loop->id->device, sge.addr, sge.length,
				      DMA_BIDIRECTIONAL);
	return ib_post_send(loop->id->qp, &wr, NULL);
}

/* Nobody waits until it has arrived. */
static int tell(struct loop *loop)
{
	bool last = ++loop->nr_told % COMPLETION_EVERY == 0;

	return post_send(loop, last ? &loop->told : NULL);
}

static int post_receive(struct loop *loop)
{
	struct ib_sge sge = {
		.addr = loop->messages_dma + sizeof(struct message),
		.length = sizeof(struct message),
		.lkey = loop->pd->local_dma_lkey,
	};
	struct ib_recv_wr wr = {
		.wr_cqe = &loop->received,
		.sg_list = &sge,
		.num_sge = 1,
	};

	return ib_post_recv(loop->id->qp, &wr, NULL);
}

static void answer(struct work_struct *work)
{
	tell(container_of(work, struct loop, answer));
}

static void received(struct ib_cq *cq, struct ib_wc *wc)
{
	struct loop *loop = cq->cq_context;
	bool thread;

	if (wc->status)
		return;
	ib_dma_sync_single_for_cpu(loop->id->device,
				   loop->messages_dma + sizeof(struct message),
				   sizeof(struct message), DMA_BIDIRECTIONAL);
	thread = loop->messages[1].thread;
	/* The client looks at what it is offered before there is more. */
	if (post_receive(loop))
		return;
	if (!loop->server)
		complete(&loop->arrived);
	else if (thread)
		schedule_work(&loop->answer);
	else
		tell(loop);
}

/* A connection */

static void loop_free(struct loop *loop)
{
	struct ib_device *dev = loop->id->device;
	unsigned int i;

	if (loop->id->qp) {
		rdma_disconnect(loop->id);
		/* Nothing is received then that asks for an answer. */
		ib_drain_rq(loop->id->qp);
		cancel_work_sync(&loop->answer);
		ib_drain_sq(loop->id->qp);
		/* See kernel/rdma-conn.c. */
		synchronize_rcu();
		rdma_destroy_qp(loop->id);
	}
	if (!IS_ERR_OR_NULL(loop->mr))
		ib_dereg_mr(loop->mr);
	if (!IS_ERR_OR_NULL(loop->send_cq))
		ib_free_cq(loop->send_cq);
	if (!IS_ERR_OR_NULL(loop->recv_cq))
		ib_free_cq(loop->recv_cq);
	if (!IS_ERR_OR_NULL(loop->pd))
		ib_dealloc_pd(loop->pd);
	if (loop->mapped) {
		ib_dma_unmap_sgtable_attrs(dev, &loop->sgt, DMA_BIDIRECTIONAL,
					   0);
		ib_dma_unmap_single(dev, loop->messages_dma,
				    2 * sizeof(struct message),
				    DMA_BIDIRECTIONAL);
	}
	sg_free_table(&loop->sgt);
	for (i = 0; i < PAGES && loop->pages[i]; i++)
		__free_page(loop->pages[i]);
	kfree(loop->messages);
	rdma_destroy_id(loop->id);
	kfree(loop);
}

static int alloc_memory(struct loop *loop)
{
	unsigned int i;

	loop->messages = kcalloc(2, sizeof(struct message), GFP_KERNEL);
	if (!loop->messages)
		return -ENOMEM;
	for (i = 0; i < PAGES; i++) {
		loop->pages[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!loop->pages[i])
			return -ENOMEM;
	}
	/* Pieces of a page, as if no two of them followed each other */
	return sg_alloc_table_from_pages_segment(&loop->sgt, loop->pages, PAGES,
						 0, PAGES * PAGE_SIZE,
						 PAGE_SIZE, GFP_KERNEL);
}

static int map_memory(struct loop *loop)
{
	struct ib_device *dev = loop->id->device;
	int ret;

	loop->messages_dma = ib_dma_map_single(dev, loop->messages,
					       2 * sizeof(struct message),
					       DMA_BIDIRECTIONAL);
	if (ib_dma_mapping_error(dev, loop->messages_dma))
		return -ENOMEM;
	ret = ib_dma_map_sgtable_attrs(dev, &loop->sgt, DMA_BIDIRECTIONAL, 0);
	if (ret)
		ib_dma_unmap_single(dev, loop->messages_dma,
				    2 * sizeof(struct message),
				    DMA_BIDIRECTIONAL);
	loop->mapped = !ret;
	return ret;
}

static int make_queues(struct loop *loop)
{
	struct ib_device *dev = loop->id->device;
	struct ib_qp_init_attr init = {
		.qp_type = IB_QPT_RC,
		.sq_sig_type = IB_SIGNAL_REQ_WR,
		.cap = {
			.max_send_wr = SEND_DEPTH,
			.max_recv_wr = 4,
			.max_send_sge = WR_PAGES,
			.max_recv_sge = 1,
		},
	};

	loop->pd = ib_alloc_pd(dev, 0);
	if (IS_ERR(loop->pd))
		return PTR_ERR(loop->pd);
	loop->send_cq = ib_alloc_cq_any(dev, loop, SEND_DEPTH, IB_POLL_SOFTIRQ);
	if (IS_ERR(loop->send_cq))
		return PTR_ERR(loop->send_cq);
	loop->recv_cq = ib_alloc_cq_any(dev, loop, 4, IB_POLL_WORKQUEUE);
	if (IS_ERR(loop->recv_cq))
		return PTR_ERR(loop->recv_cq);
	init.send_cq = loop->send_cq;
	init.recv_cq = loop->recv_cq;
	return rdma_create_qp(loop->id, loop->pd, &init) ?: post_receive(loop);
}

static int prepare(struct loop *loop)
{
	return alloc_memory(loop) ?: map_memory(loop) ?: make_queues(loop);
}

static struct loop *loop_alloc(bool server)
{
	struct loop *loop = kzalloc(sizeof(*loop), GFP_KERNEL);

	if (!loop)
		return NULL;
	loop->server = server;
	loop->sent.done = sent;
	loop->told.done = told;
	loop->received.done = received;
	INIT_WORK(&loop->answer, answer);
	init_completion(&loop->event);
	init_completion(&loop->done);
	init_completion(&loop->arrived);
	return loop;
}

static const struct rdma_conn_param param = {
	.responder_resources = 16,
	.initiator_depth = 16,
	.retry_count = RETRIES,
	.rnr_retry_count = RNR_RETRIES,
};

/* The other side of it */

/* Let the client reach the memory, and tell it how. */
static int offer(struct loop *loop)
{
	struct ib_reg_wr wr = {
		.wr.wr_cqe = &loop->sent,
		.wr.opcode = IB_WR_REG_MR,
		.wr.send_flags = IB_SEND_SIGNALED,
		.access = IB_ACCESS_REMOTE_READ | IB_ACCESS_REMOTE_WRITE |
			  IB_ACCESS_LOCAL_WRITE,
	};
	int ret;

	loop->mr = ib_alloc_mr(loop->pd, IB_MR_TYPE_MEM_REG, PAGES);
	if (IS_ERR(loop->mr))
		return PTR_ERR(loop->mr);
	if (ib_map_mr_sg(loop->mr, loop->sgt.sgl, loop->sgt.nents, NULL,
			 PAGE_SIZE) != PAGES)
		return -EINVAL;
	wr.mr = loop->mr;
	wr.key = loop->mr->rkey;
	ret = ib_post_send(loop->id->qp, &wr.wr, NULL) ?: finish(loop);
	if (ret)
		return ret;
	loop->messages[0].addr = cpu_to_le64(loop->mr->iova);
	loop->messages[0].key = cpu_to_le32(loop->mr->rkey);
	return post_send(loop, &loop->sent) ?: finish(loop);
}

static int server_event(struct rdma_cm_id *id, struct rdma_cm_event *event)
{
	struct loop *loop = id->context;

	mutex_lock(&offering);
	if (event->event == RDMA_CM_EVENT_ESTABLISHED && !loop->ends &&
	    offer(loop))
		pr_err("rdma_loop: cannot offer memory\n");
	mutex_unlock(&offering);
	return 0;
}

static int listen_event(struct rdma_cm_id *id, struct rdma_cm_event *event)
{
	struct rdma_conn_param answer = param;
	struct loop *loop;
	int ret;

	if (event->event != RDMA_CM_EVENT_CONNECT_REQUEST)
		return 0;
	loop = loop_alloc(true);
	if (!loop)
		return -ENOMEM;
	loop->id = id;
	id->context = loop;
	id->event_handler = server_event;
	/* All of them are freed when the module goes. */
	spin_lock(&servers_lock);
	list_add(&loop->entry, &servers);
	spin_unlock(&servers_lock);
	ret = prepare(loop);
	if (!ret) {
		rdma_set_ack_timeout(id, ACK_TIMEOUT);
		ret = rdma_accept(id, &answer);
	}
	if (ret)
		rdma_reject(id, NULL, 0, IB_CM_REJ_CONSUMER_DEFINED);
	return 0;
}

/* This side of it */

static int client_event(struct rdma_cm_id *id, struct rdma_cm_event *event)
{
	struct loop *loop = id->context;

	switch (event->event) {
	case RDMA_CM_EVENT_ADDR_RESOLVED:
	case RDMA_CM_EVENT_ROUTE_RESOLVED:
	case RDMA_CM_EVENT_ESTABLISHED:
		loop->status = 0;
		break;
	default:
		loop->status = -ECONNREFUSED;
	}
	complete(&loop->event);
	return 0;
}

static int wait_event_of(struct loop *loop)
{
	if (!wait_for_completion_timeout(&loop->event,
					 msecs_to_jiffies(WAIT_MS)))
		return -ETIMEDOUT;
	return loop->status;
}

static int wait_message(struct loop *loop)
{
	if (!wait_for_completion_timeout(&loop->arrived,
					 msecs_to_jiffies(WAIT_MS)))
		return -ETIMEDOUT;
	return 0;
}

static int connect(struct loop *loop, struct sockaddr *from,
		   struct sockaddr *to)
{
	struct rdma_conn_param ask = param;
	int ret;

	ret = rdma_resolve_addr(loop->id, from, to, WAIT_MS) ?:
	      wait_event_of(loop) ?:
	      rdma_set_ack_timeout(loop->id, ACK_TIMEOUT) ?:
	      rdma_resolve_route(loop->id, WAIT_MS) ?:
	      wait_event_of(loop) ?: prepare(loop) ?:
	      rdma_connect(loop->id, &ask) ?: wait_event_of(loop) ?:
	      wait_message(loop);
	if (ret)
		return ret;
	loop->addr = le64_to_cpu(loop->messages[1].addr);
	loop->key = le32_to_cpu(loop->messages[1].key);
	return 0;
}

static int new_client(const char *from, const char *to)
{
	struct sockaddr_storage source, destination;
	int ret;

	if (client)
		loop_free(client);
	client = NULL;
	ret = inet_pton_with_scope(&init_net, AF_INET, from, NULL, &source) ?:
	      inet_pton_with_scope(&init_net, AF_INET, to, __stringify(PORT),
				   &destination);
	if (ret)
		return ret;
	client = loop_alloc(false);
	if (!client)
		return -ENOMEM;
	client->id = rdma_create_id(&init_net, client_event, client,
				    RDMA_PS_TCP, IB_QPT_RC);
	if (IS_ERR(client->id)) {
		ret = PTR_ERR(client->id);
		kfree(client);
		client = NULL;
		return ret;
	}
	ret = connect(client, (struct sockaddr *)&source,
		      (struct sockaddr *)&destination);
	if (ret) {
		loop_free(client);
		client = NULL;
	}
	return ret;
}

/* Fill in the work requests; returns the last one. */
static struct ib_rdma_wr *fill(struct loop *loop, enum ib_wr_opcode opcode,
			       size_t size)
{
	struct scatterlist *sg = loop->sgt.sgl;
	struct ib_rdma_wr *wr = NULL;
	size_t done, part;

	for (done = 0; done < size; done += part, sg = sg_next(sg)) {
		unsigned int page = done / PAGE_SIZE;

		part = min_t(size_t, size - done, PAGE_SIZE);
		if (page % WR_PAGES == 0) {
			struct ib_rdma_wr *next = &loop->wrs[page / WR_PAGES];

			*next = (struct ib_rdma_wr){
				.wr.sg_list = loop->sges[page / WR_PAGES],
				.wr.opcode = opcode,
				.remote_addr = loop->addr + done,
				.rkey = loop->key,
			};
			if (wr)
				wr->wr.next = &next->wr;
			wr = next;
		}
		wr->wr.sg_list[wr->wr.num_sge++] = (struct ib_sge){
			.addr = sg_dma_address(sg),
			.length = part,
			.lkey = loop->pd->local_dma_lkey,
		};
	}
	wr->wr.wr_cqe = &loop->sent;
	wr->wr.send_flags = IB_SEND_SIGNALED;
	return wr;
}

static int copy(struct loop *loop, enum ib_wr_opcode opcode, size_t size,
		unsigned int count)
{
	int ret = 0;

	if (!size || size > PAGES * PAGE_SIZE)
		return -EINVAL;
	while (count-- && !ret && !fatal_signal_pending(current)) {
		/* Each time, as a copy from elsewhere would have to. */
		fill(loop, opcode, size);
		ret = ib_post_send(loop->id->qp, &loop->wrs[0].wr, NULL) ?:
		      finish(loop);
	}
	return ret;
}

static int ping(struct loop *loop, unsigned int count, bool thread)
{
	int ret = 0;

	loop->messages[0].thread = cpu_to_le32(thread);
	while (count-- && !ret && !fatal_signal_pending(current))
		ret = tell(loop) ?: wait_message(loop);
	return ret;
}

/* After a failure something may be under way, and come later. */
static int end_if(int failed)
{
	if (failed && failed != -EINVAL) {
		loop_free(client);
		client = NULL;
	}
	return failed;
}

static int obey(const char *text)
{
	char from[32], to[32], name[8];
	unsigned int count;
	size_t size;

	if (sscanf(text, "connect %31s %31s", from, to) == 2)
		return new_client(from, to);
	if (!client)
		return -ENOTCONN;
	if (sscanf(text, "ping %u", &count) == 1)
		return end_if(ping(client, count, false));
	if (sscanf(text, "talk %u", &count) == 1)
		return end_if(ping(client, count, true));
	if (sscanf(text, "%7s %zu %u", name, &size, &count) != 3)
		return -EINVAL;
	if (!strcmp(name, "write"))
		return end_if(copy(client, IB_WR_RDMA_WRITE, size, count));
	if (!strcmp(name, "read"))
		return end_if(copy(client, IB_WR_RDMA_READ, size, count));
	return -EINVAL;
}

static ssize_t file_write(struct file *unused, const char __user *from,
			  size_t size, loff_t *pos)
{
	char *text = memdup_user_nul(from, min_t(size_t, size, PAGE_SIZE - 1));
	u64 start;
	int ret;

	if (IS_ERR(text))
		return PTR_ERR(text);
	mutex_lock(&mutex);
	start = ktime_get_ns();
	ret = obey(text);
	result = ktime_get_ns() - start;
	mutex_unlock(&mutex);
	kfree(text);
	return ret ?: size;
}

static ssize_t file_read(struct file *unused, char __user *to, size_t size,
			 loff_t *pos)
{
	char text[32];
	int length = scnprintf(text, sizeof(text), "%llu\n", result);

	return simple_read_from_buffer(to, size, pos, text, length);
}

static const struct file_operations file_ops = {
	.owner = THIS_MODULE,
	.write = file_write,
	.read = file_read,
	.llseek = default_llseek,
};

static int __init loop_init(void)
{
	struct sockaddr_in any = {
		.sin_family = AF_INET,
		.sin_port = htons(PORT),
	};
	int ret;

	listener = rdma_create_id(&init_net, listen_event, NULL, RDMA_PS_TCP,
				  IB_QPT_RC);
	if (IS_ERR(listener))
		return PTR_ERR(listener);
	ret = rdma_bind_addr(listener, (struct sockaddr *)&any) ?:
	      rdma_listen(listener, 4);
	if (ret) {
		rdma_destroy_id(listener);
		return ret;
	}
	file = debugfs_create_file("rdma_loop", 0600, NULL, NULL, &file_ops);
	return 0;
}

static void __exit loop_exit(void)
{
	struct loop *loop, *next;

	debugfs_remove(file);
	rdma_destroy_id(listener);
	if (client)
		loop_free(client);
	mutex_lock(&offering);
	list_for_each_entry(loop, &servers, entry)
		loop->ends = true;
	mutex_unlock(&offering);
	list_for_each_entry_safe(loop, next, &servers, entry)
		loop_free(loop);
}

module_init(loop_init);
module_exit(loop_exit);

MODULE_DESCRIPTION("What a network for RDMA takes by itself");
MODULE_LICENSE("GPL");
