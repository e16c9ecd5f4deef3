/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Remote Shared Memory: objects of the core and who locks what.
 *
 * Lock order, outermost first:
 *
 *   rsm_segment.bind_mutex   pin, charge, provider calls, user copies
 *   mm->mmap_lock
 *   rsm_segment.areas_lock
 *   rsm_segment.map_sem      nothing allocates or faults on user memory
 *   rsm_segment.lock
 *   registry (buckets of the hash table)
 *
 * mmap, fault and VMA callbacks take areas_lock and map_sem only. The death
 * of a creator takes map_sem and lock only, so that nothing the creator was
 * stuck in can delay it.
 *
 * Functions that carry out an ioctl return 0, a negative errno, or one of
 * enum rsm_error, which is positive and stands for errno and out_error.
 */
#ifndef _RSM_PRIVATE_H
#define _RSM_PRIVATE_H

#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/rhashtable-types.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/rsm_provider.h>
#include <linux/rsmctl.h>

#include "compat.h"

struct ipc_namespace;
struct rsm_creator;
struct rsm_user;
struct user_struct;

/* Page offset of the status page in every handle's file. */
#define RSM_STATUS_PGOFF (RSM_STATUS_OFFSET >> PAGE_SHIFT)

/* main.c */

/**
 * struct rsm_stats - live objects, as shown in /sys/module/rsmctl/stats/
 * @segments: exports
 * @imports: connections
 * @areas: VMAs of imports on the area list of their segment
 * @page_sets: pinned ranges
 * @pinned_pages: pages of these
 */
struct rsm_stats {
	atomic_long_t segments;
	atomic_long_t imports;
	atomic_long_t areas;
	atomic_long_t page_sets;
	atomic_long_t pinned_pages;
};

extern struct rsm_stats rsm_stats;

/**
 * struct rsm_ucmd - an ioctl under way
 * @file: descriptor that it was called on
 * @cmd: kernel copy of the caller's structure
 * @new_file: file to install when nothing can fail any more, or NULL
 * @new_fd: descriptor number reserved for @new_file
 */
struct rsm_ucmd {
	struct file *file;
	void *cmd;
	struct file *new_file;
	int new_fd;
};

int rsm_ucmd_new_file(struct rsm_ucmd *ucmd, const char *name,
		      const struct file_operations *fops, void *object);
long rsm_export_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

/* pages.c */

/**
 * struct rsm_extent - a run of physically contiguous pages
 * @first: index in the page set of its first page
 * @count: number of pages
 * @pfn: frame number of its first page
 */
struct rsm_extent {
	unsigned long first;
	unsigned long count;
	unsigned long pfn;
};

/**
 * struct rsm_pages - pinned pages, never changed once made
 * @ref: the last put unpins and uncharges
 * @count: number of pages
 * @charged: pages charged, which is @count once made
 * @mm: address space whose pinned_vm they are added to
 * @user: user whose locked_vm they are added to
 * @extents: the pages, in order
 * @nr_extents: number of @extents
 * @max_extents: number of @extents that there is room for
 */
struct rsm_pages {
	struct kref ref;
	unsigned long count;
	unsigned long charged;
	struct mm_struct *mm;
	struct user_struct *user;
	struct rsm_extent *extents;
	unsigned int nr_extents;
	unsigned int max_extents;
};

int rsm_pages_pin(unsigned long vaddr, unsigned long count,
		  struct rsm_pages **out);
void rsm_pages_put(struct rsm_pages *pages);
const struct rsm_extent *rsm_pages_find(const struct rsm_pages *pages,
					unsigned long index);

/* segment.c */

/**
 * struct rsm_segment - an export
 * @ref: held by the export's file and by each import
 * @ctl: controller; holds its provider's module
 * @length: length in bytes
 * @flags: of enum rsm_export_flags
 * @uid: effective user id of the creator at creation
 * @gid: effective group id of the creator at creation
 * @mode: permissions without an access list, from the creator's umask
 * @tgid: the creating process
 * @exit_wait: waits for the end of @tgid
 * @exit_work: ends the segment then
 * @creator: the creating address space, until the handle is closed
 * @creator_link: on the list of @creator, under its lock
 * @inode: private inode, whose address_space holds every importer's mapping
 * @user: who the handle is counted for, until it is closed
 * @status: status page of the export
 * @wait: pollers of the export
 * @rcu: lookups by id see a segment until a grace period after its end
 */
struct rsm_segment {
	struct kref ref;
	struct rsm_controller *ctl;
	u64 length;
	u32 flags;
	kuid_t uid;
	kgid_t gid;
	umode_t mode;
	struct pid *tgid;
	wait_queue_entry_t exit_wait;
	struct work_struct exit_work;
	struct rsm_creator *creator;
	struct list_head creator_link;
	struct inode *inode;
	struct rsm_user *user;
	struct page *status;
	wait_queue_head_t wait;
	struct rcu_head rcu;

	/** @bind_mutex: one owner's operation at a time */
	struct mutex bind_mutex;

	/** @areas_lock: protects @areas */
	struct mutex areas_lock;
	/** @areas: VMAs of imports, new ones first */
	struct list_head areas;
	/** @repopulate_work: rsm_mmap_repopulate(), queued by a rebind */
	struct work_struct repopulate_work;

	/**
	 * @map_sem: protects @pages and, with @lock, the states; readers make
	 * page table entries and copy
	 */
	struct rw_semaphore map_sem;
	/** @pages: current page set, NULL when @dead */
	struct rsm_pages *pages;
	/** @rebinds: rebind generation, odd while one is under way */
	u64 rebinds;

	/** @lock: protects what follows */
	spinlock_t lock;
	/** @dead: the segment has ended; also under @map_sem */
	bool dead;
	/** @pub: publication or NULL */
	struct rsm_publication *pub;
	/** @imports: imports that have not been aborted */
	struct list_head imports;
};

int rsm_segment_alloc(struct rsm_controller *ctl, u64 length, u32 flags,
		      struct rsm_segment **out);
void rsm_segment_put(struct rsm_segment *seg);
void rsm_segment_close(struct rsm_segment *seg);
int rsm_segment_may_publish(struct rsm_segment *seg);
int rsm_segment_publish(struct rsm_segment *seg, struct rsm_publication *pub);
int rsm_segment_unpublish(struct rsm_segment *seg);
int rsm_segment_swap(struct rsm_segment *seg, struct rsm_pages **pages);
void rsm_segment_end(struct rsm_segment *seg);

/* creator.c */
int rsm_creator_join(struct rsm_segment *seg);
void rsm_creator_leave(struct rsm_segment *seg);
void rsm_creator_unwatch(struct rsm_segment *seg);
bool rsm_creator_is_current(const struct rsm_segment *seg);
void rsm_creator_synchronize(void);

/* access.c */

/**
 * struct rsm_acl - an access list
 * @count: number of @entries
 * @entries: one for each node, the first match counts
 */
struct rsm_acl {
	unsigned int count;
	struct rsm_access_entry entries[] __counted_by(count);
};

int rsm_acl_copy(const struct rsm_controller *ctl, u64 uaddr, u32 count,
		 struct rsm_acl **out);
int rsm_access_check(const struct rsm_segment *seg,
		     const struct rsm_publication *pub, u32 node, u32 perm);

/* registry.c */

/**
 * struct rsm_pub_key - what a publication is found by
 * @ns: IPC namespace; the publication holds it, so that it is not recycled
 * @id: segment id
 * @zero: the key is compared as memory
 */
struct rsm_pub_key {
	struct ipc_namespace *ns;
	u32 id;
	u32 zero;
};

/**
 * struct rsm_publication - one publish of a segment
 * @node: in the registry
 * @key: namespace and id
 * @seg: the segment, which outlives its presence in the registry
 * @acl: access list or NULL, under the segment's lock
 * @rcu: lookups see it until a grace period after it is removed
 */
struct rsm_publication {
	struct rhash_head node;
	struct rsm_pub_key key;
	struct rsm_segment *seg;
	struct rsm_acl *acl;
	struct rcu_head rcu;
};

struct rsm_publication *rsm_registry_alloc(struct rsm_segment *seg, u32 id,
					   struct rsm_acl *acl);
void rsm_registry_free(struct rsm_publication *pub);
int rsm_registry_add(struct rsm_publication *pub);
void rsm_registry_remove(struct rsm_publication *pub);
struct rsm_segment *rsm_registry_find(const struct rsm_pub_key *key);
void rsm_registry_current_key(u32 id, struct rsm_pub_key *key);
int rsm_registry_init(void);
void rsm_registry_exit(void);

/* limits.c */
int rsm_limits_get_handle(struct rsm_user **out);
void rsm_limits_put_handle(struct rsm_user *user);
bool rsm_limits_charge(unsigned long pages);
void rsm_limits_uncharge(unsigned long pages);

/* status.c */
struct page *rsm_status_alloc(void);
void rsm_status_set_state(struct page *page, u32 state);
void rsm_status_set_rebinds(struct page *page, u64 rebinds);
int rsm_status_mmap(struct vm_area_struct *vma, struct page *page);

/* export.c */
extern const struct file_operations rsm_export_fops;
int rsm_export_create(struct rsm_ucmd *ucmd);
int rsm_export_rebind(struct rsm_ucmd *ucmd);
int rsm_export_publish(struct rsm_ucmd *ucmd);
int rsm_export_republish(struct rsm_ucmd *ucmd);
int rsm_export_unpublish(struct rsm_ucmd *ucmd);
int rsm_export_destroy(struct rsm_ucmd *ucmd);

/* import.c */

/**
 * struct rsm_import - a connection
 * @seg: segment, held
 * @link: on the segment's list of imports, under its lock
 * @rights: RSM_RIGHT_ bits granted
 * @aborted: no longer reaches the segment; written under the segment's
 *           map_sem and lock
 * @hung_up: what pollers are told: @aborted, and the mappings are zapped;
 *           written under the segment's lock
 * @vmas: number of VMAs, of forked processes too
 * @user: who the handle is counted for
 * @status: status page
 * @trash: page that takes loads and stores after an abort
 * @wait: pollers
 */
struct rsm_import {
	struct rsm_segment *seg;
	struct list_head link;
	u32 rights;
	bool aborted;
	bool hung_up;
	atomic_t vmas;
	struct rsm_user *user;
	struct page *status;
	struct page *trash;
	wait_queue_head_t wait;
};

int rsm_import_connect(struct rsm_ucmd *ucmd);
void rsm_import_set_rebinds(struct rsm_segment *seg);
void rsm_import_abort_all(struct rsm_segment *seg, struct list_head *live,
			  struct list_head *aborted);
void rsm_import_hang_up(struct rsm_segment *seg, struct list_head *aborted);

/* mmap.c */
int rsm_import_mmap(struct rsm_import *imp, struct vm_area_struct *vma);
void rsm_mmap_zap(struct rsm_segment *seg);
void rsm_mmap_repopulate(struct work_struct *work);

/* provider.c */
struct rsm_controller *rsm_controller_get(u32 id);
void rsm_controller_put(struct rsm_controller *ctl);
int rsm_controller_info(struct rsm_ucmd *ucmd);

/* loopback.c */
extern struct rsm_controller rsm_loopback;

/* selftest.c */
#ifdef RSM_TEST
void rsm_test_mmap_delay(void);
long rsm_test_ioctl(unsigned int cmd, unsigned long arg);
#else
static inline void rsm_test_mmap_delay(void)
{
}

static inline long rsm_test_ioctl(unsigned int cmd, unsigned long arg)
{
	return -ENOTTY;
}
#endif

#endif /* _RSM_PRIVATE_H */
