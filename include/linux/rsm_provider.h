/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Remote Shared Memory: what a controller's driver provides.
 *
 * The core maps the exporter's pages itself for importers on the same machine.
 * A controller that reaches others carries out what importers want on its
 * side of a link, and what the core asks for on the exporter's side, where it
 * stands in for the importer as a peer:
 *
 *   importer's machine                          exporter's machine
 *   import - segment without pages - link ...... peer - segment
 */
#ifndef _LINUX_RSM_PROVIDER_H
#define _LINUX_RSM_PROVIDER_H

#include <linux/cred.h>
#include <linux/kref.h>
#include <linux/types.h>
#include <linux/rsmctl.h>

struct ipc_namespace;
struct module;
struct rsm_controller;
struct rsm_pages;
struct rsm_peer;
struct rsm_segment;
struct sg_table;

/**
 * struct rsm_link_info - what a link is to lead to, and what it leads to
 * @node: node id of the exporter
 * @id: segment id
 * @perm: RSM_RIGHT_ bits wanted
 * @length: filled in by the provider: length of the segment in bytes
 * @flags: likewise: enum rsm_export_flags that it was created with
 */
struct rsm_link_info {
	u32 node;
	u32 id;
	u32 perm;
	u64 length;
	u32 flags;
};

/**
 * struct rsm_link_ops - the importer's side of a link
 * @connect: make a link for the caller, which the segment @seg stands for.
 *           Waits, and can be killed. Returns 0, -errno or an enum rsm_error;
 *           *@link is given to the other operations. From then on, and until
 *           @disconnect returns, the rsm_link_ functions may be called.
 * @disconnect: give up a link; nobody uses it, nor will. Must not fail
 * @copy: copy between the caller's memory and the segment. The range is
 *        within the segment, the rights are there. Returns 0, -EINTR or an
 *        enum rsm_error
 * @fence: see RSM_IMPORT_FENCE
 * @post: post a signal to the export; must not sleep
 * @atomic: see RSM_IMPORT_ATOMIC; the arguments have been checked
 */
struct rsm_link_ops {
	int (*connect)(struct rsm_controller *ctl, struct rsm_link_info *info,
		       struct rsm_segment *seg, void **link);
	void (*disconnect)(void *link);
	int (*copy)(void *link, const struct rsm_copy_vec *vec, bool put);
	int (*fence)(void *link);
	int (*post)(void *link, bool accumulate);
	int (*atomic)(void *link, struct rsm_import_atomic *cmd);
};

/**
 * struct rsm_peer_ops - what peers are told, under a spinlock
 * @update: the segment has other pages, or the peer was aborted: see
 *          rsm_peer_get_pages()
 * @post: the export has posted a signal
 */
struct rsm_peer_ops {
	void (*update)(void *conn);
	void (*post)(void *conn, bool accumulate);
};

/**
 * struct rsm_provider_ops - operations of a kind of controller
 * @owner: module that a segment or import on the controller keeps loaded
 * @get_info: fill in the out_ fields of @info that the core does not know
 * @check_access: judge an access list: 0 or an enum rsm_error
 * @check_node: tell if @node can be connected to: 0 or an enum rsm_error
 * @nodes: write up to @room nodes, this one first, the others by id; returns
 *         how many there are
 * @release: the controller was unregistered and nobody uses it any more; NULL
 *           if it is never freed
 * @link: operations of links; NULL if importers are on this machine only
 *
 * All are required if not said otherwise, and all but @release may sleep.
 */
struct rsm_provider_ops {
	struct module *owner;
	void (*get_info)(const struct rsm_controller *ctl,
			 struct rsm_controller_info *info);
	int (*check_access)(const struct rsm_controller *ctl,
			    const struct rsm_access_entry *acl,
			    unsigned int count);
	int (*check_node)(const struct rsm_controller *ctl, u32 node);
	unsigned int (*nodes)(const struct rsm_controller *ctl,
			      struct rsm_node *nodes, unsigned int room);
	void (*release)(struct rsm_controller *ctl);
	const struct rsm_link_ops *link;
};

/**
 * enum rsm_controller_caps - what a controller can do
 * @RSM_CAP_MAP: imports can be mapped
 * @RSM_CAP_LOCK: segments may have RSM_EXPORT_LOCK_OPS
 */
enum rsm_controller_caps {
	RSM_CAP_MAP = 1 << 0,
	RSM_CAP_LOCK = 1 << 1,
};

/**
 * struct rsm_controller - a controller, as its provider registers it
 * @name: unique name, as "loopback" or "rdma0"
 * @ops: operations of its provider
 * @caps: any of enum rsm_controller_caps
 * @local_node: node id of this machine on the controller
 * @id: filled in by rsm_controller_register(), never used again for another
 * @ref: who uses it; the provider's is put by rsm_controller_unregister()
 */
struct rsm_controller {
	const char *name;
	const struct rsm_provider_ops *ops;
	u32 caps;
	u32 local_node;
	u32 id;
	struct kref ref;
};

int rsm_controller_register(struct rsm_controller *ctl);
void rsm_controller_unregister(struct rsm_controller *ctl);
void rsm_ipc_ns_put(struct ipc_namespace *ns);

/* The importer's side: called by links, not under a spinlock */

void rsm_link_abort(struct rsm_segment *seg, bool unreachable);
void rsm_link_signal(struct rsm_segment *seg, u32 count, bool once);
void rsm_link_set_rebinding(struct rsm_segment *seg, bool rebinding);

/* The exporter's side */

/**
 * struct rsm_peer_request - who wants to connect to what
 * @ipc_ns: IPC namespace in which the segment id is looked up
 * @node: node id of the importer
 * @id: segment id
 * @perm: RSM_RIGHT_ bits wanted
 * @uid: effective user id of the importer
 * @gids: its group ids
 * @nr_gids: number of them
 */
struct rsm_peer_request {
	struct ipc_namespace *ipc_ns;
	u32 node;
	u32 id;
	u32 perm;
	kuid_t uid;
	const kgid_t *gids;
	unsigned int nr_gids;
};

int rsm_peer_connect(struct rsm_controller *ctl,
		     const struct rsm_peer_request *request,
		     const struct rsm_peer_ops *ops, void *conn,
		     struct rsm_peer **out);
void rsm_peer_disconnect(struct rsm_peer *peer);
bool rsm_peer_is_aborted(const struct rsm_peer *peer);
u64 rsm_peer_length(const struct rsm_peer *peer);
u32 rsm_peer_flags(const struct rsm_peer *peer);
struct rsm_pages *rsm_peer_get_pages(struct rsm_peer *peer);
void rsm_peer_settle(struct rsm_peer *peer, const struct rsm_pages *pages);
int rsm_peer_post(struct rsm_peer *peer, u32 count, bool once);
int rsm_peer_atomic(struct rsm_peer *peer, struct rsm_import_atomic *cmd);

/* Pages of a segment, as rsm_peer_get_pages() returns them */

void rsm_pages_put(struct rsm_pages *pages);
unsigned long rsm_pages_count(const struct rsm_pages *pages);
int rsm_pages_sg(const struct rsm_pages *pages, unsigned long first,
		 unsigned long count, struct sg_table *sgt);

#endif /* _LINUX_RSM_PROVIDER_H */
