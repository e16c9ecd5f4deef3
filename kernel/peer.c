// SPDX-License-Identifier: GPL-2.0-only
/*
 * Peers: importers on other nodes, for whom a controller's driver stands in.
 *
 * A peer is an import without a descriptor. Nothing here can take a page away
 * from a device that has been told of it: the driver holds the page sets that
 * it has told of, and is asked to catch up with the segment when the peer is
 * aborted or the segment has other pages. Until it has, the peer is behind, and
 * whoever changed the segment waits for it. That takes as long as the driver
 * gives the other machine to answer, and no longer.
 */
#include <linux/export.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "rsm_private.h"

/**
 * struct rsm_peer - an importer on another node
 * @imp: its import
 * @ops: whom to tell of what happens to it
 * @conn: for @ops
 * @behind: it may reach pages that it should not, under the segment's lock
 */
struct rsm_peer {
	struct rsm_import imp;
	const struct rsm_peer_ops *ops;
	void *conn;
	bool behind;
};

static struct rsm_segment *peer_segment(const struct rsm_peer *peer)
{
	return peer->imp.handle.seg;
}

/* Ask for what has changed to be looked at. */
void rsm_peer_update(struct rsm_peer *peer)
{
	struct rsm_segment *seg = peer_segment(peer);

	lockdep_assert_held(&seg->lock);
	if (!peer->behind) {
		peer->behind = true;
		atomic_inc(&seg->nr_behind);
	}
	peer->ops->update(peer->conn);
}

/* Let a peer know of a signal. */
void rsm_peer_signal(struct rsm_peer *peer, bool accumulate)
{
	lockdep_assert_held(&peer_segment(peer)->lock);
	peer->ops->post(peer->conn, accumulate);
}

static void catch_up(struct rsm_peer *peer)
{
	struct rsm_segment *seg = peer_segment(peer);

	lockdep_assert_held(&seg->lock);
	if (!peer->behind)
		return;
	peer->behind = false;
	if (atomic_dec_and_test(&seg->nr_behind))
		wake_up_var(&seg->nr_behind);
}

/* Wait until no peer reaches what the segment no longer has. */
void rsm_peer_wait_all(struct rsm_segment *seg)
{
	wait_var_event(&seg->nr_behind, !atomic_read(&seg->nr_behind));
}

/* The same, but whoever is killed leaves the rest to the peers. */
void rsm_peer_wait_all_killable(struct rsm_segment *seg)
{
	wait_var_event_killable(&seg->nr_behind,
				!atomic_read(&seg->nr_behind));
}

static struct rsm_segment *find(struct rsm_controller *ctl,
				const struct rsm_peer_request *request,
				u64 *serial)
{
	struct rsm_segment *seg;

	seg = rsm_registry_find(request->ipc_ns, request->id, serial);
	if (seg && seg->ctl != ctl) {
		rsm_segment_put(seg);
		seg = NULL;
	}
	return seg;
}

static struct rsm_peer *peer_alloc(struct rsm_segment *seg, u32 id)
{
	struct rsm_peer *peer = kzalloc(sizeof(*peer), GFP_KERNEL_ACCOUNT);

	if (!peer)
		return NULL;
	rsm_handle_prepare(&peer->imp.handle, seg);
	INIT_LIST_HEAD(&peer->imp.link);
	peer->imp.ctl = rsm_controller_hold(seg->ctl);
	peer->imp.peer = peer;
	peer->imp.id = id;
	atomic_long_inc(&rsm_stats.imports);
	return peer;
}

static void peer_free(struct rsm_peer *peer)
{
	rsm_controller_put(peer->imp.ctl);
	rsm_segment_put(peer_segment(peer));
	atomic_long_dec(&rsm_stats.imports);
	kfree(peer);
}

/**
 * rsm_peer_connect() - connect an importer on another node
 * @ctl: its controller
 * @request: who wants to connect to what
 * @ops: who is told of what happens to it, from when the segment knows of it
 * @conn: for @ops
 * @out: the peer, for rsm_peer_disconnect()
 *
 * Return: 0, -errno or an enum rsm_error.
 */
int rsm_peer_connect(struct rsm_controller *ctl,
		     const struct rsm_peer_request *request,
		     const struct rsm_peer_ops *ops, void *conn,
		     struct rsm_peer **out)
{
	struct rsm_admission admission = {
		.perm = request->perm,
		.peer = request,
	};
	struct rsm_segment *seg;
	struct rsm_peer *peer;
	int ret;

	if (request->perm & ~RSM_RIGHTS)
		return RSM_ERR_BAD_PERMS;
	seg = find(ctl, request, &admission.serial);
	if (!seg)
		return RSM_ERR_SEG_NOT_PUBLISHED;
	peer = peer_alloc(seg, request->id);
	if (!peer) {
		rsm_segment_put(seg);
		return -ENOMEM;
	}
	peer->imp.ipc_ns = rsm_ipc_ns_number(request->ipc_ns);
	peer->ops = ops;
	peer->conn = conn;
	/* With it, as it can be told of something at once. */
	*out = peer;
	ret = rsm_import_admit(seg, &admission, &peer->imp);
	if (ret) {
		*out = NULL;
		peer_free(peer);
	}
	return ret;
}
EXPORT_SYMBOL_GPL(rsm_peer_connect);

/**
 * rsm_peer_disconnect() - an importer on another node is gone
 * @peer: the peer; no device reaches pages of the segment for it any more
 */
void rsm_peer_disconnect(struct rsm_peer *peer)
{
	struct rsm_segment *seg = peer_segment(peer);

	rsm_import_leave(&peer->imp);
	/* Nobody asks for more from here on. */
	spin_lock(&seg->lock);
	catch_up(peer);
	spin_unlock(&seg->lock);
	peer_free(peer);
}
EXPORT_SYMBOL_GPL(rsm_peer_disconnect);

/* Tell if a peer has nothing to reach any more, or is about to. */
bool rsm_peer_is_aborted(const struct rsm_peer *peer)
{
	return READ_ONCE(peer->imp.handle.ended);
}
EXPORT_SYMBOL_GPL(rsm_peer_is_aborted);

/* Length of a peer's segment in bytes */
u64 rsm_peer_length(const struct rsm_peer *peer)
{
	return peer_segment(peer)->length;
}
EXPORT_SYMBOL_GPL(rsm_peer_length);

/* Flags that a peer's segment was created with, enum rsm_export_flags */
u32 rsm_peer_flags(const struct rsm_peer *peer)
{
	return peer_segment(peer)->flags;
}
EXPORT_SYMBOL_GPL(rsm_peer_flags);

/**
 * rsm_peer_get_pages() - what a peer may reach
 * @peer: the peer
 *
 * Return: the pages, for rsm_pages_put(); NULL if the peer was aborted.
 */
struct rsm_pages *rsm_peer_get_pages(struct rsm_peer *peer)
{
	struct rsm_segment *seg = peer_segment(peer);
	struct rsm_pages *pages = NULL;

	if (rsm_map_read_lock(seg))
		return NULL;
	if (!peer->imp.handle.ended) {
		pages = seg->pages;
		kref_get(&pages->ref);
	}
	rsm_map_read_unlock(seg);
	return pages;
}
EXPORT_SYMBOL_GPL(rsm_peer_get_pages);

/**
 * rsm_peer_settle() - a peer reaches certain pages and no others
 * @peer: the peer
 * @pages: the pages
 */
void rsm_peer_settle(struct rsm_peer *peer, const struct rsm_pages *pages)
{
	struct rsm_segment *seg = peer_segment(peer);

	spin_lock(&seg->lock);
	/* If the pages are being changed, the peer is told of it after that. */
	if (!peer->imp.handle.ended && READ_ONCE(seg->pages) == pages)
		catch_up(peer);
	spin_unlock(&seg->lock);
}
EXPORT_SYMBOL_GPL(rsm_peer_settle);

/**
 * rsm_peer_post() - a peer posts signals to the export
 * @peer: the peer
 * @count: how many
 * @once: one before these, if none is pending
 *
 * Return: 0 or RSM_ERR_CONN_ABORTED.
 */
int rsm_peer_post(struct rsm_peer *peer, u32 count, bool once)
{
	struct rsm_segment *seg = peer_segment(peer);
	int ret = RSM_ERR_CONN_ABORTED;

	spin_lock(&seg->lock);
	if (!peer->imp.handle.ended) {
		rsm_signal_add_remote(&seg->handle, count, once);
		ret = 0;
	}
	spin_unlock(&seg->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(rsm_peer_post);

/**
 * rsm_peer_atomic() - a peer changes a word of the segment
 * @peer: the peer
 * @cmd: as for RSM_IMPORT_ATOMIC, not checked
 *
 * Return: 0, -errno or an enum rsm_error.
 */
int rsm_peer_atomic(struct rsm_peer *peer, struct rsm_import_atomic *cmd)
{
	int ret = rsm_import_check_atomic(&peer->imp, cmd);

	return ret ?: rsm_import_do_atomic(&peer->imp, cmd);
}
EXPORT_SYMBOL_GPL(rsm_peer_atomic);
