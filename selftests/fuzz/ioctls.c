// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of the driver, right or wrong as the program says.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/rsmctl.h>

#include "exec.h"

/* How long a call may wait that others have to wait for, in nanoseconds. */
#define SYNC_NS 1000000

/* An ioctl to be made, and where in its structure things are. */
struct command {
	unsigned long nr;
	uint32_t *error;
	uint32_t *reserved;	/* or NULL */
	size_t size;
	/* A page, as the size that is told may be longer than the structure. */
	union {
		struct {
			uint32_t size;
			uint32_t flags;
		} head;
		struct rsm_controller_info info;
		struct rsm_controller_find find;
		struct rsm_controller_nodes nodes;
		struct rsm_export_create create;
		struct rsm_export_rebind rebind;
		struct rsm_export_publish publish;
		struct rsm_export_republish republish;
		struct rsm_export_unpublish unpublish;
		struct rsm_export_destroy destroy;
		struct rsm_import_connect connect;
		struct rsm_import_copy copy;
		struct rsm_import_atomic atomic;
		struct rsm_import_fence fence;
		struct rsm_signal_post post;
		struct rsm_signal_wait wait;
		struct rsm_lock lock;
		struct rsm_unlock unlock;
		struct rsm_export_grant grant;
		struct rsm_ticket_connect redeem;
		char bytes[PAGE];
	} u;
};

#define COMMAND(_nr, _member)                                                  \
	struct command cmd = {                                                 \
		.nr = _nr,                                                     \
		.error = &cmd.u._member.out_error,                             \
		.size = sizeof(cmd.u._member),                                 \
	}
#define COMMAND_RESERVED(_nr, _member)                                         \
	COMMAND(_nr, _member);                                                 \
	cmd.reserved = &cmd.u._member.__reserved

/* A structure on its way to or from where the program wants it. */
struct transfer {
	void *to;
	const void *from;
	size_t size;
};

static void copy(void *arg)
{
	struct transfer *transfer = arg;

	memcpy(transfer->to, transfer->from, transfer->size);
}

static void set_head(const struct call *call, struct command *cmd)
{
	uint64_t size = arg(call, ROLE_SIZE);
	uint32_t rsv = arg(call, ROLE_RSV);

	cmd->u.head.size = size == AUTO ? cmd->size : size;
	cmd->u.head.flags = arg(call, ROLE_FLAGS);
	if (cmd->reserved)
		*cmd->reserved = rsv;
	/* What a kernel that knows less has to find zero. */
	if (cmd->u.head.size > cmd->size && cmd->u.head.size <= PAGE)
		memcpy(cmd->u.bytes + cmd->u.head.size - sizeof(rsv), &rsv,
		       sizeof(rsv));
}

/* How much of the structure the call is about. */
static size_t told_size(const struct command *cmd)
{
	size_t size = cmd->u.head.size;

	if (size < cmd->size)
		return cmd->size;
	return size < PAGE ? size : PAGE;
}

/*
 * Nothing fails while we touch it ourselves: if the kernel cannot bring in the
 * stack for our handler of faults, it ends us.
 */
static int ioctl_at(struct call *call, struct command *cmd, void *at)
{
	uint64_t nth = arg(call, ROLE_FAIL);
	struct transfer in = { at, cmd->u.bytes, told_size(cmd) };
	struct transfer out = { cmd->u.bytes, at, told_size(cmd) };
	int ret;

	note_addr(call->log, at, in.size);
	if (nth)
		fail_nth(0);
	/* What cannot be touched, the driver cannot touch either. */
	touch(copy, &in);
	if (nth)
		fail_nth(nth);
	ret = ioctl(slot_fd(call), cmd->nr, at) ? -errno : 0;
	if (nth)
		fail_nth(0);
	touch(copy, &out);
	return ret;
}

static int run(struct call *call, struct command *cmd)
{
	uint64_t at = arg(call, ROLE_AT);
	int ret;

	call->log->obj = call->state->fds[arg(call, ROLE_FD)].obj;
	set_head(call, cmd);
	if (at != AUTO)
		ret = ioctl_at(call, cmd, resolve(at));
	else
		ret = ioctl(slot_fd(call), cmd->nr, &cmd->u) ? -errno : 0;
	call->log->error = *cmd->error;
	return ret;
}

/* As what one call was given depends on which others have been made. */
static uint64_t auto_length(const struct call *call, uint64_t right)
{
	uint64_t length = arg(call, ROLE_LEN);

	return length == AUTO ? right : length;
}

/* A step makes one object: it goes by the number of the step. */
static void new_object(struct call *call, int fd, uint64_t length)
{
	slot_set(call, fd, call->index + 1);
	/* Never 0, which is for what has none. */
	sh->lengths[call->index + 1] = length ?: PAGE;
}

static uint32_t controller(const struct call *call)
{
	uint64_t ctl = arg(call, ROLE_CTL);

	return ctl < 2 ? sh->ctl[ctl] : ctl;
}

int do_info(struct call *call)
{
	static const char names[][RSM_CONTROLLER_NAME_MAX + 1] = {
		"loopback", "test0", "LoopBack", "", "0123456789abcdef"
	};
	uint64_t which = arg(call, ROLE_CTL);

	COMMAND_RESERVED(RSM_CONTROLLER_INFO, info);
	memcpy(cmd.u.info.name, names[which % 5], sizeof(cmd.u.info.name));
	return run(call, &cmd);
}

int do_find(struct call *call)
{
	COMMAND_RESERVED(RSM_CONTROLLER_FIND, find);
	cmd.u.find.controller = controller(call);
	return run(call, &cmd);
}

/* However much room is claimed, it has no more to tell than that. */
int do_nodes(struct call *call)
{
	uint64_t at = arg(call, ROLE_LIST), count = arg(call, ROLE_COUNT);
	struct rsm_node nodes[RSM_NODES_MAX] = {};
	void *to = at == AUTO ? nodes : resolve(at);

	COMMAND(RSM_CONTROLLER_NODES, nodes);
	cmd.u.nodes.controller = controller(call);
	cmd.u.nodes.nodes = (uintptr_t)to;
	cmd.u.nodes.node_count = count == AUTO ? RSM_NODES_MAX : count;
	if (at != AUTO)
		note_addr(call->log, to, sizeof(nodes));
	return run(call, &cmd);
}

static void note_bound(struct call *call, uint64_t addr, uint64_t length)
{
	note_addr(call->log, resolve(addr), length);
	call->log->nr_bound = call->log->nr_spans;
}

int do_create(struct call *call)
{
	uint64_t addr = arg(call, ROLE_ADDR);
	uint64_t length = auto_length(call, pages_from(addr) * PAGE);
	int ret;

	COMMAND_RESERVED(RSM_EXPORT_CREATE, create);
	cmd.u.create.controller = controller(call);
	cmd.u.create.vaddr = (uintptr_t)resolve(addr);
	cmd.u.create.length = length;
	note_bound(call, addr, length);
	ret = run(call, &cmd);
	if (!ret)
		new_object(call, cmd.u.create.out_fd, length);
	return ret;
}

int do_rebind(struct call *call)
{
	uint16_t obj = call->state->fds[arg(call, ROLE_FD)].obj;
	uint64_t addr = arg(call, ROLE_ADDR);

	COMMAND_RESERVED(RSM_EXPORT_REBIND, rebind);
	cmd.u.rebind.vaddr = (uintptr_t)resolve(addr);
	cmd.u.rebind.length = auto_length(call, sh->lengths[obj]);
	note_bound(call, addr, cmd.u.rebind.length);
	return run(call, &cmd);
}

/* The list that a program gives, or whatever is where it points to. */
static void access_list(const struct call *call,
			struct rsm_access_entry *entries, __u64 *acl,
			__u32 *acl_count)
{
	uint64_t list = arg(call, ROLE_ACCESS), at = arg(call, ROLE_LIST);
	uint64_t count = arg(call, ROLE_COUNT);
	unsigned int i;

	for (i = 0; i < access_count(list); i++) {
		entries[i].node = access_node(list, i);
		entries[i].perm = access_mode(list, i);
	}
	*acl = (uintptr_t)(at == AUTO ? entries : resolve(at));
	*acl_count = count == AUTO ? access_count(list) : count;
}

int do_publish(struct call *call)
{
	struct rsm_access_entry entries[RSM_ACL_MAX + 1] = {};
	int ret;

	COMMAND(RSM_EXPORT_PUBLISH, publish);
	access_list(call, entries, &cmd.u.publish.acl,
		    &cmd.u.publish.acl_count);
	cmd.u.publish.segid = arg(call, ROLE_ID);
	ret = run(call, &cmd);
	call->log->out[0] = cmd.u.publish.out_segid;
	if (!ret)
		sh->keys[arg(call, ROLE_KEY)] = cmd.u.publish.out_segid;
	return ret;
}

int do_republish(struct call *call)
{
	struct rsm_access_entry entries[RSM_ACL_MAX + 1] = {};

	COMMAND(RSM_EXPORT_REPUBLISH, republish);
	access_list(call, entries, &cmd.u.republish.acl,
		    &cmd.u.republish.acl_count);
	return run(call, &cmd);
}

int do_unpublish(struct call *call)
{
	COMMAND_RESERVED(RSM_EXPORT_UNPUBLISH, unpublish);
	return run(call, &cmd);
}

int do_destroy(struct call *call)
{
	COMMAND_RESERVED(RSM_EXPORT_DESTROY, destroy);
	return run(call, &cmd);
}

static void note_import(struct call *call, uint32_t rights, uint64_t length,
			uint32_t flags)
{
	call->log->out[0] = rights;
	call->log->out[1] = length;
	call->log->out[2] = flags;
}

int do_connect(struct call *call)
{
	struct rsm_import_connect *connect;
	uint64_t id = arg(call, ROLE_ID);
	int ret;

	COMMAND(RSM_IMPORT_CONNECT, connect);
	connect = &cmd.u.connect;
	connect->controller = controller(call);
	connect->node = arg(call, ROLE_NODE);
	connect->segid = id ?: sh->keys[arg(call, ROLE_KEY)];
	connect->perm = arg(call, ROLE_RIGHTS);
	call->log->out[3] = connect->segid;
	ret = run(call, &cmd);
	note_import(call, connect->out_rights, connect->out_length,
		    connect->out_flags);
	if (!ret)
		new_object(call, connect->out_fd, connect->out_length);
	return ret;
}

int do_grant(struct call *call)
{
	int ret;

	COMMAND_RESERVED(RSM_EXPORT_GRANT, grant);
	cmd.u.grant.rights = arg(call, ROLE_RIGHTS);
	ret = run(call, &cmd);
	if (!ret)
		slot_set(call, cmd.u.grant.out_fd, call->index + 1);
	return ret;
}

int do_redeem(struct call *call)
{
	struct rsm_ticket_connect *redeem;
	int ret;

	COMMAND_RESERVED(RSM_TICKET_CONNECT, redeem);
	redeem = &cmd.u.redeem;
	redeem->perm = arg(call, ROLE_RIGHTS);
	ret = run(call, &cmd);
	note_import(call, redeem->out_rights, redeem->out_length,
		    redeem->out_flags);
	if (!ret)
		new_object(call, redeem->out_fd, redeem->out_length);
	return ret;
}

/* Transfers */

static const enum role vec_roles[][3] = {
	{ ROLE_ADDR, ROLE_OFF, ROLE_LEN },
	{ ROLE_ADDR1, ROLE_OFF1, ROLE_LEN1 },
	{ ROLE_ADDR2, ROLE_OFF2, ROLE_LEN2 },
};

/* How much of the buffer is filled for a transfer. */
#define BUF_USED (48UL << 10)

#define NR_VECS ARRAY_SIZE(vec_roles)

/* Those that have a length, up to the first that does not: how many. */
static unsigned int fill_vecs(const struct call *call,
			      struct rsm_copy_vec *vecs)
{
	unsigned int i;

	for (i = 0; i < NR_VECS; i++) {
		vecs[i].vaddr = (uintptr_t)
			resolve(arg(call, vec_roles[i][0]));
		vecs[i].offset = arg(call, vec_roles[i][1]);
		vecs[i].length = arg(call, vec_roles[i][2]);
		if (vecs[i].length == AUTO) {
			vecs[i].length = 0;
			break;
		}
		note_addr(call->log, (void *)vecs[i].vaddr, vecs[i].length);
	}
	return i;
}

static bool is_in_buf(const struct rsm_copy_vec *vec)
{
	uint64_t start = vec->vaddr - (uintptr_t)call_buf();

	return start < BUF_USED && vec->length <= BUF_USED - start;
}

static bool overlap(const struct rsm_copy_vec *vec,
		    const struct rsm_copy_vec *other)
{
	return vec->vaddr < other->vaddr + other->length &&
	       other->vaddr < vec->vaddr + vec->length;
}

static void fill_buf(struct call *call)
{
	uint64_t *words = call_buf();
	size_t i;

	for (i = 0; i < BUF_USED / sizeof(*words); i++)
		words[i] = WRITTEN(call->index);
}

/* Look at what has arrived of a page, if it is there from its start on. */
static void see_page(struct call *call, const struct rsm_copy_vec *vec,
		     uint64_t page)
{
	const struct span at = { .obj = call->log->obj, .index = page };
	uint64_t start = page * PAGE, words = DATA_WORDS;
	uint64_t left = vec->offset + vec->length - start;
	const char *from = (const char *)vec->vaddr + (start - vec->offset);
	uint64_t copy[DATA_WORDS];

	if (start < vec->offset || left < sizeof(*copy))
		return;
	if (left < sizeof(copy))
		words = left / sizeof(*copy);
	memcpy(copy, from, words * sizeof(*copy));
	note_seen(call->log, &at, copy, words);
}

static void see_vec(struct call *call, const struct rsm_copy_vec *vec)
{
	uint64_t page = vec->offset / PAGE;

	if (!is_in_buf(vec))
		return;
	for (; page * PAGE < vec->offset + vec->length; page++)
		see_page(call, vec, page);
}

/* See what has been got, unless something else has been put in its place. */
static void see_vecs(struct call *call, const struct rsm_copy_vec *vecs,
		     unsigned int count)
{
	unsigned int i, j;

	if (arg(call, ROLE_AT) != AUTO || arg(call, ROLE_LIST) != AUTO)
		return;
	for (i = 0; i < count; i++) {
		for (j = 0; j < NR_VECS; j++)
			if (j != i && overlap(&vecs[i], &vecs[j]))
				break;
		if (j == NR_VECS)
			see_vec(call, &vecs[i]);
	}
}

static int transfer(struct call *call, unsigned long nr)
{
	uint64_t at = arg(call, ROLE_LIST), count = arg(call, ROLE_COUNT);
	struct rsm_copy_vec vecs[RSM_COPY_VEC_MAX + 1] = {};
	unsigned int filled;
	int ret;

	COMMAND_RESERVED(nr, copy);
	filled = fill_vecs(call, vecs);
	cmd.u.copy.vec = (uintptr_t)(at == AUTO ? vecs : resolve(at));
	cmd.u.copy.vec_count = count == AUTO ? filled : count;
	if (nr == RSM_IMPORT_PUT)
		fill_buf(call);
	ret = run(call, &cmd);
	call->log->out[0] = cmd.u.copy.out_done;
	if (nr == RSM_IMPORT_GET)
		see_vecs(call, vecs, cmd.u.copy.out_done < filled ?
				     cmd.u.copy.out_done : filled);
	return ret;
}

int do_put(struct call *call)
{
	return transfer(call, RSM_IMPORT_PUT);
}

int do_get(struct call *call)
{
	return transfer(call, RSM_IMPORT_GET);
}

int do_atomic(struct call *call)
{
	uint64_t value = arg(call, ROLE_VALUE);
	int ret;

	COMMAND(RSM_IMPORT_ATOMIC, atomic);
	cmd.u.atomic.offset = arg(call, ROLE_OFF);
	cmd.u.atomic.compare = arg(call, ROLE_COMPARE);
	cmd.u.atomic.operand = value == AUTO ? WRITTEN(call->index) : value;
	cmd.u.atomic.op = arg(call, ROLE_WHAT);
	ret = run(call, &cmd);
	call->log->out[0] = cmd.u.atomic.out_old;
	return ret;
}

int do_fence(struct call *call)
{
	COMMAND_RESERVED(RSM_IMPORT_FENCE, fence);
	return run(call, &cmd);
}

/* Signals and locks */

static uint64_t wait_time(const struct call *call)
{
	uint64_t ns = arg(call, ROLE_TIME);

	return !call->waits && ns > SYNC_NS ? SYNC_NS : ns;
}

int do_post(struct call *call)
{
	COMMAND_RESERVED(RSM_SIGNAL_POST, post);
	return run(call, &cmd);
}

int do_wait(struct call *call)
{
	COMMAND_RESERVED(RSM_SIGNAL_WAIT, wait);
	cmd.u.wait.timeout_ns = wait_time(call);
	return run(call, &cmd);
}

int do_lock(struct call *call)
{
	int ret;

	COMMAND(RSM_LOCK, lock);
	cmd.u.lock.offset = arg(call, ROLE_OFF);
	cmd.u.lock.timeout_ns = wait_time(call);
	ret = run(call, &cmd);
	call->log->out[0] = cmd.u.lock.out_flags;
	return ret;
}

int do_unlock(struct call *call)
{
	COMMAND_RESERVED(RSM_UNLOCK, unlock);
	cmd.u.unlock.offset = arg(call, ROLE_OFF);
	return run(call, &cmd);
}
