/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Remote Shared Memory: objects of the core and who locks what.
 *
 * Lock order, outermost first:
 *
 *   rsm_segment.bind_mutex   pin, charge, provider calls, user copies
 *   rsm_segment.post_mutex   signals to all imports
 *   mm->mmap_lock
 *   rsm_segment.areas_lock
 *   rsm_segment.write_mutex  writers of map_sem
 *   rsm_segment.map_sem      nothing allocates or faults on user memory
 *   rsm_segment.lock
 *   registry (buckets of the hash table)
 *
 * mmap, fault and VMA callbacks take areas_lock and map_sem only. Copies take
 * map_sem, with page faults disabled; signals and locks take lock, but for a
 * signal to all imports, which takes post_mutex and map_sem. The death
 * of a creator takes map_sem and lock only, so that nothing the creator was
 * stuck in can delay it.
 *
 * A task that others keep from running must not own what a rebind or an abort
 * waits for: importers take map_sem by rsm_map_read_lock(), while they run, and
 * are not preempted with it. What remains is the mm's own, the i_mmap_rwsem of
 * the segment's inode, which mmap, munmap and fork of importers hold for
 * writing; and on PREEMPT_RT, where map_sem can be preempted as well.
 *
 * Functions that carry out an ioctl return 0, a negative errno, or one of
 * enum rsm_error, which is positive and stands for errno and out_error.
 */
#ifndef _RSM_PRIVATE_H
#define _RSM_PRIVATE_H

#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/ipc_namespace.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/rbtree.h>
#include <linux/rhashtable-types.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/rsm_provider.h>
#include <linux/rsmctl.h>

#include "compat.h"

struct rsm_creator;
struct rsm_import;
struct rsm_user;
struct user_struct;

/* Page offset of the status page in every handle's file. */
#define RSM_STATUS_PGOFF (RSM_STATUS_OFFSET >> PAGE_SHIFT)

/* main.c */

/**
 * struct rsm_stats - live objects, as shown in /sys/module/rsmctl/stats/
 * @handles: what max_segments limits: open exports, imports and tickets
 * @segments: exports, and those that imports or tickets keep
 * @imports: connections
 * @areas: VMAs of imports on the area list of their segment
 * @page_sets: pinned ranges
 * @pinned_pages: pages of these
 * @tickets: tickets
 * @mutexes: locks that are held, or whose owner died
 */
struct rsm_stats {
	atomic_long_t handles;
	atomic_long_t segments;
	atomic_long_t imports;
	atomic_long_t areas;
	atomic_long_t page_sets;
	atomic_long_t pinned_pages;
	atomic_long_t tickets;
	atomic_long_t mutexes;
};

extern struct rsm_stats rsm_stats;

/**
 * struct rsm_ucmd - an ioctl under way
 * @file: descriptor that it was called on
 * @handle: the export or import that @file is, or NULL
 * @cmd: kernel copy of the caller's structure
 * @new_file: file to install when nothing can fail any more, or NULL
 * @new_fd: descriptor number reserved for @new_file
 */
struct rsm_ucmd {
	struct file *file;
	struct rsm_handle *handle;
	void *cmd;
	struct file *new_file;
	int new_fd;
};

int rsm_ucmd_new_file(struct rsm_ucmd *ucmd, const char *name,
		      const struct file_operations *fops, void *object);
long rsm_export_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
long rsm_import_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
long rsm_ticket_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

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
 * @nr_huge: number of huge entries that all pages together may have
 * @max_extents: number of @extents that there is room for
 * @phase: number of its first page modulo PTRS_PER_PMD, if the pages of the
 *         longest extent are to be where huge entries have theirs
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
	unsigned int phase;
	unsigned long nr_huge;
};

int rsm_pages_pin(unsigned long vaddr, unsigned long count,
		  struct rsm_pages **out);
const struct rsm_extent *rsm_pages_find(const struct rsm_pages *pages,
					unsigned long index);
struct page *rsm_pages_page(const struct rsm_pages *pages, unsigned long index);

/* handle.c */

#define RSM_RIGHTS (RSM_RIGHT_READ | RSM_RIGHT_WRITE)

/**
 * struct rsm_handle - what the descriptors of exports and imports share
 * @seg: the segment, whose lock protects all below that changes
 * @rights: RSM_RIGHT_ bits granted
 * @user: who the handle is counted for, or NULL
 * @status: status page
 * @wait: pollers, and who waits for a signal
 * @ended: the import was aborted, or the export's segment has ended; written
 *         under the segment's map_sem, too
 * @hung_up: what @wait is told: @ended, and nothing reaches the segment
 * @signals: signals pending
 * @posted: signals that have ever become so
 * @flushed: a process has closed a descriptor of the file
 * @sleepers: who waits for a signal
 * @mutexes: locks that are held
 * @nr_mutexes: locks that are held or waited for
 * @lock_waiters: who waits for a lock
 */
struct rsm_handle {
	struct rsm_segment *seg;
	u32 rights;
	struct rsm_user *user;
	struct page *status;
	wait_queue_head_t wait;
	bool ended;
	bool hung_up;
	u32 signals;
	u64 posted;
	bool flushed;
	struct list_head sleepers;
	struct list_head mutexes;
	unsigned int nr_mutexes;
	struct list_head lock_waiters;
};

/**
 * struct rsm_sleeper - who waits for a signal
 * @link: on the list of the handle
 * @owner: table of descriptors of the task
 * @closed: it no longer has the handle
 */
struct rsm_sleeper {
	struct list_head link;
	fl_owner_t owner;
	bool closed;
};

void rsm_handle_prepare(struct rsm_handle *handle, struct rsm_segment *seg);
int rsm_handle_init(struct rsm_handle *handle, struct rsm_segment *seg);
void rsm_handle_destroy(struct rsm_handle *handle);
void rsm_handle_end(struct rsm_handle *handle);
void rsm_handle_hang_up(struct rsm_handle *handle);
__poll_t rsm_handle_poll(struct rsm_handle *handle, struct file *file,
			 poll_table *wait);
void rsm_handle_flush(struct rsm_handle *handle, fl_owner_t owner);
bool rsm_handle_is_open(const struct rsm_ucmd *ucmd);
ktime_t rsm_deadline(u64 timeout_ns);
int rsm_wait_result(int err, ktime_t deadline, u64 *timeout_ns);

/*
 * Wait for a condition, up to *@timeout_ns: 0, RSM_ERR_TIMEOUT or, with a
 * signal, -ERESTARTNOHAND. Then the ioctl's time limit, which it is, has been
 * set to what is left of it.
 */
#define rsm_wait(queue, condition, timeout_ns)                                 \
({                                                                             \
	u64 *__timeout = (timeout_ns);                                         \
	ktime_t __deadline = rsm_deadline(*__timeout);                         \
	int __err;                                                             \
									       \
	if (__deadline == KTIME_MAX)                                           \
		__err = wait_event_freezable(queue, condition);                \
	else                                                                   \
		__err = __wait_event_hrtimeout(queue, condition, *__timeout,   \
					       (TASK_INTERRUPTIBLE |           \
						TASK_FREEZABLE));              \
	rsm_wait_result(__err, __deadline, __timeout);                         \
})

/* main.c */
extern struct workqueue_struct *rsm_wq;

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
 * @exit_work: ends the segment then, or when @creator_gone
 * @creator_gone: the creating address space is being taken down
 * @creator: the creating address space, until the handle is closed
 * @creator_link: on the list of @creator, under its lock
 * @inode: private inode, whose address_space holds every importer's mapping
 * @handle: the export; its user is forgotten when it is closed
 * @rcu: lookups by id see a segment until a grace period after its end
 * @remote: it stands for one of another node, and has no pages and no creator
 * @node: that node
 * @unreachable: it has ended because that does not answer
 * @link: leads there, for the controller's link operations
 * @nr_behind: peers that may reach pages which the segment no longer has
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
	bool creator_gone;
	struct rsm_creator *creator;
	struct list_head creator_link;
	struct inode *inode;
	struct rsm_handle handle;
	struct rcu_head rcu;
	bool remote;
	bool unreachable;
	u32 node;
	void *link;
	atomic_t nr_behind;

	/** @bind_mutex: one owner's operation at a time */
	struct mutex bind_mutex;
	/** @post_mutex: one post to all imports at a time, which moves them */
	struct mutex post_mutex;

	/** @areas_lock: protects @areas */
	spinlock_t areas_lock;
	/** @areas: VMAs of imports, new ones first */
	struct list_head areas;
	/** @repopulate_work: rsm_repopulate(), queued by a rebind */
	struct delayed_work repopulate_work;

	/**
	 * @map_sem: protects @pages and, with @lock, the states; readers make
	 * page table entries and copy
	 */
	struct rw_semaphore map_sem;
	/** @map_wait: readers of @map_sem who wait, and writers for those */
	wait_queue_head_t map_wait;
	/** @map_waiting: number of readers there */
	atomic_t map_waiting;
	/** @write_mutex: one writer of @map_sem at a time, who wants it, too */
	struct mutex write_mutex;
	/** @map_written: there is one, so that readers have to wait */
	bool map_written;
	/** @pages: current page set, NULL when the segment has ended */
	struct rsm_pages *pages;
	/** @rebinds: rebind generation, odd while one is under way */
	u64 rebinds;

	/** @lock: protects what follows, and the handles */
	spinlock_t lock;
	/** @pub: publication or NULL */
	struct rsm_publication *pub;
	/** @imports: imports that have not been aborted */
	struct list_head imports;
	/** @nr_imports: number of them, wherever they are meanwhile */
	unsigned int nr_imports;
	/** @mutexes: locks that are held, or whose owner died, by offset */
	struct rb_root mutexes;
	/** @dead_mutexes: those that nobody holds, the oldest first */
	struct list_head dead_mutexes;
	/** @nr_dead_mutexes: number of @dead_mutexes */
	unsigned int nr_dead_mutexes;
	/** @owners_forgotten: a dead mutex was dropped, so it may be any */
	bool owners_forgotten;
};

int rsm_segment_alloc(struct rsm_controller *ctl, u64 length, u32 flags,
		      struct rsm_segment **out);
int rsm_segment_alloc_remote(struct rsm_controller *ctl, u32 node,
			     struct rsm_segment **out);
void rsm_segment_put(struct rsm_segment *seg);
void rsm_segment_close(struct rsm_segment *seg);
int rsm_segment_may_publish(struct rsm_segment *seg);
int rsm_segment_publish(struct rsm_segment *seg, struct rsm_publication *pub);
int rsm_segment_unpublish(struct rsm_segment *seg);
int rsm_segment_swap(struct rsm_segment *seg, struct rsm_pages **pages);
void rsm_segment_hide(struct rsm_segment *seg);
int rsm_map_read_lock(struct rsm_segment *seg);
void rsm_map_read_unlock(struct rsm_segment *seg);
void rsm_segment_end(struct rsm_segment *seg);

/* creator.c */
int rsm_creator_join(struct rsm_segment *seg);
void rsm_creator_leave(struct rsm_segment *seg);
void rsm_creator_unwatch(struct rsm_segment *seg);
bool rsm_creator_is_current(const struct rsm_segment *seg);
void rsm_creator_synchronize(void);

/* access.c */

/* Bits of the permissions in access lists */
#define RSM_ACCESS_BITS 0666

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
int rsm_access_check_peer(const struct rsm_segment *seg,
			  const struct rsm_publication *pub,
			  const struct rsm_peer_request *request);

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
 * @serial: number of the publication, never used again
 * @acl: access list or NULL, under the segment's lock
 * @rcu: lookups see it until a grace period after it is removed
 */
struct rsm_publication {
	struct rhash_head node;
	struct rsm_pub_key key;
	struct rsm_segment *seg;
	u64 serial;
	struct rsm_acl *acl;
	struct rcu_head rcu;
};

/* The number of @ns in /proc; a kernel can be without IPC namespaces. */
static inline unsigned int rsm_ipc_ns_number(const struct ipc_namespace *ns)
{
	return ns ? ns->ns.inum : 0;
}

struct rsm_publication *rsm_registry_alloc(struct rsm_segment *seg, u32 id,
					   struct rsm_acl *acl);
void rsm_registry_free(struct rsm_publication *pub);
int rsm_registry_add(struct rsm_publication *pub);
void rsm_registry_hide(struct rsm_publication *pub);
void rsm_registry_remove(struct rsm_publication *pub);
struct rsm_segment *rsm_registry_find(struct ipc_namespace *ns, u32 id,
				      u64 *serial);
int rsm_registry_init(void);
void rsm_registry_exit(void);

/* limits.c */
int rsm_limits_get_handle(struct rsm_user **out);
void rsm_limits_put_handle(struct rsm_user *user);
kuid_t rsm_limits_uid(const struct rsm_user *user);
bool rsm_limits_charge(unsigned long pages);
void rsm_limits_uncharge(unsigned long pages);

/* status.c */
struct page *rsm_status_alloc(void);
void rsm_status_set_state(struct page *page, u32 state);
void rsm_status_set_signals(struct page *page, u32 signals);
void rsm_status_set_rebinds(struct page *page, u64 rebinds);
int rsm_status_mmap(struct vm_area_struct *vma, struct page *page);

/* event.c */
void rsm_signal_add(struct rsm_handle *handle, u32 count, bool accumulate);
void rsm_signal_add_remote(struct rsm_handle *handle, u32 count, bool once);
int rsm_signal_post(struct rsm_ucmd *ucmd);
int rsm_signal_wait(struct rsm_ucmd *ucmd);

/* lock.c */
int rsm_lock(struct rsm_ucmd *ucmd);
int rsm_unlock(struct rsm_ucmd *ucmd);
void rsm_lock_drop(struct rsm_handle *handle, fl_owner_t owner);
void rsm_lock_revoke(struct rsm_segment *seg);

/* ticket.c */

/**
 * struct rsm_ticket - a ticket
 * @seg: segment, held
 * @ctl: controller of the segment, held
 * @user: who the descriptor is counted for
 * @serial: the publication
 * @rights: RSM_RIGHT_ bits granted
 */
struct rsm_ticket {
	struct rsm_segment *seg;
	struct rsm_controller *ctl;
	struct rsm_user *user;
	u64 serial;
	u32 rights;
};

int rsm_export_grant(struct rsm_ucmd *ucmd);
int rsm_ticket_connect(struct rsm_ucmd *ucmd);

/* io.c */
int rsm_import_put(struct rsm_ucmd *ucmd);
int rsm_import_get(struct rsm_ucmd *ucmd);
int rsm_import_check_atomic(const struct rsm_import *imp,
			    const struct rsm_import_atomic *cmd);
int rsm_import_do_atomic(struct rsm_import *imp, struct rsm_import_atomic *cmd);
int rsm_import_atomic(struct rsm_ucmd *ucmd);
int rsm_import_fence(struct rsm_ucmd *ucmd);

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
 * @handle: its segment is held; ended means aborted
 * @ctl: controller that the connection goes through
 * @link: on the segment's list of imports, under its lock
 * @id: segment id that was asked for, 0 with a ticket
 * @ipc_ns: number of the IPC namespace in which it was found
 * @vmas: number of VMAs, of forked processes too
 * @trash: page that takes loads and stores after an abort
 * @peer: who stands in for an importer on another node, or NULL
 */
struct rsm_import {
	struct rsm_handle handle;
	struct rsm_controller *ctl;
	struct list_head link;
	u32 id;
	unsigned int ipc_ns;
	atomic_t vmas;
	struct page *trash;
	struct rsm_peer *peer;
};

/**
 * struct rsm_admission - what an import is to be admitted to
 * @serial: the publication
 * @id: segment id that was asked for, 0 with a ticket
 * @ipc_ns: number of the IPC namespace in which it was found
 * @perm: RSM_RIGHT_ bits wanted
 * @ticket: granted already, whatever the access list says
 * @remote: the segment stands for one of another node, which judges
 * @peer: an importer on another node, or NULL
 */
struct rsm_admission {
	u64 serial;
	u32 id;
	unsigned int ipc_ns;
	u32 perm;
	bool ticket;
	bool remote;
	const struct rsm_peer_request *peer;
};

int rsm_import_open(struct rsm_ucmd *ucmd, struct rsm_controller *ctl,
		    struct rsm_segment *seg,
		    const struct rsm_admission *admission);
int rsm_import_connect(struct rsm_ucmd *ucmd);
int rsm_import_admit(struct rsm_segment *seg,
		     const struct rsm_admission *admission,
		     struct rsm_import *imp);
void rsm_import_leave(struct rsm_import *imp);
void rsm_import_post_all(struct rsm_segment *seg, bool accumulate);
void rsm_import_set_rebinds(struct rsm_segment *seg);
void rsm_import_abort_all(struct rsm_segment *seg, struct list_head *live,
			  struct list_head *aborted);
void rsm_import_hang_up(struct rsm_segment *seg, struct list_head *aborted);

/* link.c */
int rsm_link_connect(struct rsm_ucmd *ucmd, struct rsm_controller *ctl);

/* peer.c */
void rsm_peer_update(struct rsm_peer *peer);
void rsm_peer_signal(struct rsm_peer *peer, bool accumulate);
void rsm_peer_wait_all(struct rsm_segment *seg);
void rsm_peer_wait_all_killable(struct rsm_segment *seg);

/* mmap.c */

/* States of a window of an area. */
#define RSM_WINDOW_SMALL	BIT(0)	/* it gets no huge entry any more */
#define RSM_WINDOW_FILLED	BIT(1)	/* it has page tables */

/**
 * struct rsm_area - a VMA of an import
 * @link: on the segment's area list
 * @imp: the import, which the VMA's file keeps
 * @vma: the VMA; it is closed before it is freed
 * @base: number of the first window, as address / PMD_SIZE
 * @huge: it may have huge entries
 * @windows: the state of each window
 */
struct rsm_area {
	struct list_head link;
	struct rsm_import *imp;
	struct vm_area_struct *vma;
	unsigned long base;
	bool huge;
	/** @lock: protects @windows, and that they get huge entries */
	spinlock_t lock;
	u8 windows[];
};

static inline u8 *rsm_area_window(struct rsm_area *area, unsigned long addr)
{
	return &area->windows[(addr >> PMD_SHIFT) - area->base];
}

static inline struct rsm_import *
rsm_vma_import(const struct vm_area_struct *vma)
{
	return vma->vm_file->private_data;
}

/* Index in the page set of the page at @addr. */
static inline unsigned long rsm_vma_index(const struct vm_area_struct *vma,
					  unsigned long addr)
{
	return vma->vm_pgoff + ((addr - vma->vm_start) >> PAGE_SHIFT);
}

int rsm_import_mmap(struct rsm_import *imp, struct vm_area_struct *vma);
void rsm_mmap_zap(struct rsm_segment *seg);
#ifdef RSM_HUGE_ENTRIES
unsigned long rsm_import_get_unmapped_area(struct file *file,
					   unsigned long addr,
					   unsigned long len,
					   unsigned long pgoff,
					   unsigned long flags);
#endif

/* repopulate.c */

/* From a rebind to what it makes of importers' entries. */
#define RSM_REPOPULATE_DELAY msecs_to_jiffies(10)

void rsm_repopulate(struct work_struct *work);

/* provider.c */
struct rsm_controller *rsm_controller_get(u32 id);
bool rsm_node_is_local(u32 node);
struct rsm_controller *rsm_controller_hold(struct rsm_controller *ctl);
void rsm_controller_put(struct rsm_controller *ctl);
int rsm_controller_info(struct rsm_ucmd *ucmd);
int rsm_controller_find(struct rsm_ucmd *ucmd);
int rsm_controller_nodes(struct rsm_ucmd *ucmd);

/* fdinfo.c */
void rsm_export_show_fdinfo(struct seq_file *m, struct file *file);
void rsm_import_show_fdinfo(struct seq_file *m, struct file *file);
void rsm_ticket_show_fdinfo(struct seq_file *m, struct file *file);

/* loopback.c */
extern struct rsm_controller rsm_loopback;
unsigned int rsm_loopback_nodes(const struct rsm_controller *ctl,
				struct rsm_node *nodes, unsigned int room);

/* selftest.c */
#ifdef RSM_TEST
int rsm_test_init(void);
void rsm_test_exit(void);
void rsm_test_mmap_delay(void);
long rsm_test_ioctl(unsigned int cmd, unsigned long arg);
#else
static inline int rsm_test_init(void)
{
	return 0;
}

static inline void rsm_test_exit(void)
{
}

static inline void rsm_test_mmap_delay(void)
{
}

static inline long rsm_test_ioctl(unsigned int cmd, unsigned long arg)
{
	return -ENOTTY;
}
#endif

#endif /* _RSM_PRIVATE_H */
