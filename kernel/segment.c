// SPDX-License-Identifier: GPL-2.0-only
/*
 * Segments: what importers reach, and how it is taken from them.
 *
 * Every change of what importers may reach is made under map_sem for writing
 * and followed by a zap of all mappings under the same lock: page table
 * entries are made under map_sem for reading only, so none to the former
 * pages survives or comes later. Then, and not before, these may be unpinned.
 *
 * A segment ends once, whoever comes first: destroy, its last descriptor, or
 * the creator's death. It stays as an object until the last import is closed.
 */
#include <linux/cred.h>
#include <linux/fs_struct.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "rsm_private.h"
#include "rsm_test.h"
#include "trace.h"

#define RSM_FS_MAGIC 0x52534d43

static int rsm_fs_init_context(struct fs_context *fc)
{
	return init_pseudo(fc, RSM_FS_MAGIC) ? 0 : -ENOMEM;
}

/* For inodes of segments: those of anon_inode files are all the same one. */
static struct file_system_type rsm_fs = {
	.name = "rsm",
	.owner = THIS_MODULE,
	.init_fs_context = rsm_fs_init_context,
	.kill_sb = kill_anon_super,
};

static struct vfsmount *rsm_mount;
static int rsm_mount_count;

static int make_inode(struct rsm_segment *seg)
{
	struct inode *inode;
	int ret;

	ret = simple_pin_fs(&rsm_fs, &rsm_mount, &rsm_mount_count);
	if (ret)
		return ret;
	inode = alloc_anon_inode(rsm_mount->mnt_sb);
	if (IS_ERR(inode)) {
		simple_release_fs(&rsm_mount, &rsm_mount_count);
		return PTR_ERR(inode);
	}
	seg->inode = inode;
	rsm_test_add_inode(inode);
	return 0;
}

static void free_inode(struct rsm_segment *seg)
{
	rsm_test_remove_inode(seg->inode);
	iput(seg->inode);
	simple_release_fs(&rsm_mount, &rsm_mount_count);
}

static void init_locks(struct rsm_segment *seg)
{
	mutex_init(&seg->bind_mutex);
	mutex_init(&seg->post_mutex);
	mutex_init(&seg->write_mutex);
	spin_lock_init(&seg->areas_lock);
	init_rwsem(&seg->map_sem);
	init_waitqueue_head(&seg->map_wait);
	spin_lock_init(&seg->lock);
	seg->mutexes = RB_ROOT;
	INIT_LIST_HEAD(&seg->areas);
	INIT_LIST_HEAD(&seg->imports);
	INIT_LIST_HEAD(&seg->dead_mutexes);
	INIT_LIST_HEAD(&seg->creator_link);
	INIT_DELAYED_WORK(&seg->repopulate_work, rsm_repopulate);
}

static struct rsm_segment *alloc(void)
{
	struct rsm_segment *seg = kzalloc(sizeof(*seg), GFP_KERNEL_ACCOUNT);

	if (!seg)
		return NULL;
	kref_init(&seg->ref);
	init_locks(seg);
	seg->mode = 0777 & ~current_umask();
	current_euid_egid(&seg->uid, &seg->gid);
	return seg;
}

/**
 * rsm_segment_alloc() - make a segment without pages for the caller
 * @ctl: its controller, which belongs to the segment from now on
 * @length: length in bytes
 * @flags: of enum rsm_export_flags
 * @out: the segment, for rsm_segment_close()
 *
 * Return: 0, -errno or an enum rsm_error; @ctl is the caller's then.
 */
int rsm_segment_alloc(struct rsm_controller *ctl, u64 length, u32 flags,
		      struct rsm_segment **out)
{
	struct rsm_segment *seg = alloc();
	int ret;

	if (!seg)
		return -ENOMEM;
	seg->length = length;
	seg->flags = flags;
	ret = rsm_handle_init(&seg->handle, seg);
	if (ret)
		goto err_free;
	seg->handle.rights = RSM_RIGHTS;
	ret = make_inode(seg);
	if (ret)
		goto err_handle;
	ret = rsm_creator_join(seg);
	if (ret)
		goto err_inode;
	seg->ctl = ctl;
	atomic_long_inc(&rsm_stats.segments);
	*out = seg;
	return 0;

err_inode:
	free_inode(seg);
err_handle:
	rsm_handle_destroy(&seg->handle);
err_free:
	kfree(seg);
	return ret;
}

/**
 * rsm_segment_alloc_remote() - make what stands for a segment of another node
 * @ctl: the controller that reaches it; belongs to the segment from now on
 * @node: the exporter's node
 * @out: the segment, for rsm_segment_put()
 *
 * Return: 0 or -errno; @ctl is the caller's then.
 */
int rsm_segment_alloc_remote(struct rsm_controller *ctl, u32 node,
			     struct rsm_segment **out)
{
	struct rsm_segment *seg = alloc();
	int ret;

	if (!seg)
		return -ENOMEM;
	ret = make_inode(seg);
	if (ret) {
		kfree(seg);
		return ret;
	}
	rsm_handle_prepare(&seg->handle, seg);
	seg->remote = true;
	seg->node = node;
	seg->ctl = ctl;
	atomic_long_inc(&rsm_stats.segments);
	*out = seg;
	return 0;
}

static void segment_release(struct kref *ref)
{
	struct rsm_segment *seg = container_of(ref, struct rsm_segment, ref);

	/* First, as it may be about to end the segment. */
	if (seg->link)
		seg->ctl->ops->link->disconnect(seg->link);
	WARN_ON_ONCE(seg->pub || seg->pages || !list_empty(&seg->imports) ||
		     !list_empty(&seg->areas) ||
		     !RB_EMPTY_ROOT(&seg->mutexes));
	free_inode(seg);
	rsm_handle_destroy(&seg->handle);
	put_pid(seg->tgid);
	rsm_controller_put(seg->ctl);
	atomic_long_dec(&rsm_stats.segments);
	/* rsm_registry_find() and the creator's death look at @ref. */
	kfree_rcu(seg, rcu);
}

void rsm_segment_put(struct rsm_segment *seg)
{
	kref_put(&seg->ref, segment_release);
}

/* Preemption is off while a task has map_sem for reading, where that can be. */
static bool map_read_trylock(struct rsm_segment *seg)
{
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		preempt_disable();
	if (down_read_trylock(&seg->map_sem))
		return true;
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		preempt_enable();
	return false;
}

/**
 * rsm_map_read_lock() - keep a segment's pages and its state as they are
 * @seg: the segment
 *
 * down_read() would give map_sem to readers that sleep in its queue, and
 * writers would wait until those get to run, which their cgroup or others may
 * prevent. Here a task sleeps without it.
 *
 * Context: sleeps; the caller must not sleep until rsm_map_read_unlock().
 * Return: 0 or -EINTR.
 */
int rsm_map_read_lock(struct rsm_segment *seg)
{
	int ret = 0;

	might_lock_read(&seg->map_sem);
	if (map_read_trylock(seg))
		return 0;
	atomic_inc(&seg->map_waiting);
	while (!ret && !map_read_trylock(seg))
		ret = wait_event_killable(seg->map_wait,
					  !READ_ONCE(seg->map_written));
	if (atomic_dec_and_test(&seg->map_waiting))
		wake_up_all(&seg->map_wait);
	return ret ? -EINTR : 0;
}

void rsm_map_read_unlock(struct rsm_segment *seg)
{
	/* In this order: else it is now that the task is preempted. */
	up_read(&seg->map_sem);
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		preempt_enable();
}

/*
 * Rebinds that follow each other closely would keep readers out for ever: the
 * next one lets those who waited for the last come first, but for those who
 * cannot even run. Called by one writer at a time.
 */
static void let_readers_in(struct rsm_segment *seg)
{
	lockdep_assert_held(&seg->write_mutex);
	if (atomic_read(&seg->map_waiting))
		wait_event_timeout(seg->map_wait,
				   !atomic_read(&seg->map_waiting), 1);
	WRITE_ONCE(seg->map_written, true);
}

static void wake_readers(struct rsm_segment *seg)
{
	WRITE_ONCE(seg->map_written, false);
	wake_up_all(&seg->map_wait);
}

static void map_write_lock(struct rsm_segment *seg)
{
	mutex_lock(&seg->write_mutex);
	let_readers_in(seg);
	down_write(&seg->map_sem);
}

static int map_write_lock_killable(struct rsm_segment *seg)
{
	int ret = mutex_lock_killable(&seg->write_mutex);

	if (ret)
		return ret;
	let_readers_in(seg);
	ret = down_write_killable(&seg->map_sem);
	if (!ret)
		return 0;
	wake_readers(seg);
	mutex_unlock(&seg->write_mutex);
	return ret;
}

static void map_write_unlock(struct rsm_segment *seg)
{
	up_write(&seg->map_sem);
	wake_readers(seg);
	mutex_unlock(&seg->write_mutex);
}

/* Take away the publication and every import; the caller frees the former. */
static struct rsm_publication *revoke(struct rsm_segment *seg)
{
	struct rsm_publication *pub;
	LIST_HEAD(live);
	LIST_HEAD(aborted);

	lockdep_assert_held_write(&seg->map_sem);
	spin_lock(&seg->lock);
	pub = seg->pub;
	WRITE_ONCE(seg->pub, NULL);
	/* Those who come from here on belong to another publication. */
	list_splice_init(&seg->imports, &live);
	spin_unlock(&seg->lock);
	if (pub)
		trace_rsm_unpublish(seg, pub->key.id);
	rsm_import_abort_all(seg, &live, &aborted);
	rsm_mmap_zap(seg);
	rsm_import_hang_up(seg, &aborted);
	return pub;
}

/**
 * rsm_segment_unpublish() - free the segment id and abort all imports
 * @seg: the segment
 *
 * Return: 0, -EINTR, or RSM_ERR_SEG_NOT_PUBLISHED.
 */
int rsm_segment_unpublish(struct rsm_segment *seg)
{
	struct rsm_publication *pub;

	if (map_write_lock_killable(seg))
		return -EINTR;
	pub = revoke(seg);
	map_write_unlock(seg);
	rsm_peer_wait_all(seg);
	if (!pub)
		return RSM_ERR_SEG_NOT_PUBLISHED;
	rsm_lock_revoke(seg);
	rsm_registry_remove(pub);
	return 0;
}

/* Free the id of a segment whose end is to come. */
void rsm_segment_hide(struct rsm_segment *seg)
{
	spin_lock(&seg->lock);
	if (seg->pub)
		rsm_registry_hide(seg->pub);
	spin_unlock(&seg->lock);
}

/* As revoke(), and the export's handle ends, too. */
static struct rsm_publication *revoke_all(struct rsm_segment *seg)
{
	spin_lock(&seg->lock);
	rsm_handle_end(&seg->handle);
	spin_unlock(&seg->lock);
	return revoke(seg);
}

/* Importers reach nothing any more, and those on other nodes neither. */
static void hang_up(struct rsm_segment *seg)
{
	rsm_peer_wait_all(seg);
	spin_lock(&seg->lock);
	rsm_handle_hang_up(&seg->handle);
	spin_unlock(&seg->lock);
}

/**
 * rsm_segment_end() - end a segment; nothing if it has ended
 * @seg: the segment
 *
 * When it returns nobody reaches the segment's pages, whoever ended it.
 *
 * Context: sleeps; never fails, never allocates, takes no lock that a task
 * may hold while it waits for user memory.
 */
void rsm_segment_end(struct rsm_segment *seg)
{
	struct rsm_publication *pub;
	struct rsm_pages *pages;

	map_write_lock(seg);
	if (seg->handle.ended) {
		map_write_unlock(seg);
		rsm_peer_wait_all(seg);
		return;
	}
	pub = revoke_all(seg);
	pages = seg->pages;
	seg->pages = NULL;
	map_write_unlock(seg);
	hang_up(seg);

	/* Without pages it was never there for anybody. */
	if (pages)
		trace_rsm_destroy(seg);
	rsm_creator_unwatch(seg);
	rsm_lock_revoke(seg);
	if (pub)
		rsm_registry_remove(pub);
	rsm_pages_put(pages);
}

/**
 * rsm_segment_close() - the export's handle has gone
 * @seg: the segment, put
 *
 * Imports may keep the object, but nothing that counts for its creator.
 */
void rsm_segment_close(struct rsm_segment *seg)
{
	rsm_segment_end(seg);
	cancel_delayed_work_sync(&seg->repopulate_work);
	rsm_creator_leave(seg);
	rsm_limits_put_handle(seg->handle.user);
	seg->handle.user = NULL;
	rsm_segment_put(seg);
}

/* The state in which a segment can be published: 0 or an enum rsm_error. */
static int publishable(const struct rsm_segment *seg)
{
	lockdep_assert_held(&seg->lock);
	if (seg->handle.ended)
		return RSM_ERR_BAD_SEG_HNDL;
	return seg->pub ? RSM_ERR_SEG_ALREADY_PUBLISHED : 0;
}

/* Tell early what rsm_segment_publish() would say of the segment now. */
int rsm_segment_may_publish(struct rsm_segment *seg)
{
	int ret;

	spin_lock(&seg->lock);
	ret = publishable(seg);
	spin_unlock(&seg->lock);
	return ret;
}

/**
 * rsm_segment_publish() - let importers find a publication's segment
 * @seg: the segment
 * @pub: its publication, in the registry already
 *
 * Return: 0, RSM_ERR_SEG_ALREADY_PUBLISHED or RSM_ERR_BAD_SEG_HNDL; the
 * caller removes @pub then.
 */
int rsm_segment_publish(struct rsm_segment *seg, struct rsm_publication *pub)
{
	int ret;

	spin_lock(&seg->lock);
	ret = publishable(seg);
	if (!ret) {
		WRITE_ONCE(seg->pub, pub);
		trace_rsm_publish(seg, pub->key.id);
	}
	spin_unlock(&seg->lock);
	return ret;
}

static void set_rebinds(struct rsm_segment *seg, u64 rebinds)
{
	lockdep_assert_held_write(&seg->map_sem);
	spin_lock(&seg->lock);
	seg->rebinds = rebinds;
	spin_unlock(&seg->lock);
	rsm_status_set_rebinds(seg->handle.status, rebinds);
	rsm_import_set_rebinds(seg);
}

/**
 * rsm_segment_swap() - put other pages in the place of a segment's
 * @seg: the segment
 * @pages: as many pages as the segment has; on success the former ones, which
 *         nobody reaches any more
 *
 * Return: 0, -EINTR or RSM_ERR_BAD_SEG_HNDL, and then nothing has changed.
 */
int rsm_segment_swap(struct rsm_segment *seg, struct rsm_pages **pages)
{
	u64 started;

	if (map_write_lock_killable(seg))
		return -EINTR;
	if (seg->handle.ended) {
		map_write_unlock(seg);
		return RSM_ERR_BAD_SEG_HNDL;
	}
	started = trace_rsm_rebind_enabled() ? ktime_get_ns() : 0;
	/* Odd from before the first new page can be seen to after the last old. */
	set_rebinds(seg, seg->rebinds + 1);
	swap(seg->pages, *pages);
	rsm_mmap_zap(seg);
	set_rebinds(seg, seg->rebinds + 1);
	trace_rsm_rebind(seg, started);
	map_write_unlock(seg);
	return 0;
}
