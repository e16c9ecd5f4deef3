// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/PID/fdinfo/FD of exports, imports and tickets: all that is to be seen
 * of them from outside, by whom the kernel lets look into the process.
 *
 * Numbers are those of the reader's namespaces. A segment is known by the
 * number of its inode, which tells nothing else.
 */
#include <linux/pid.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/uidgid.h>

#include "rsm_private.h"

static void show_segment(struct seq_file *m, const struct rsm_segment *seg,
			 const char *state)
{
	struct pid_namespace *ns = proc_pid_ns(file_inode(m->file)->i_sb);
	pid_t creator = 0;

	/* The number of one that has ended may be another's by now. */
	if (!seg->remote && pid_has_task(seg->tgid, PIDTYPE_TGID))
		creator = pid_nr_ns(seg->tgid, ns);
	seq_printf(m, "rsm-segment:\t%llu\n", (u64)seg->inode->i_ino);
	seq_printf(m, "rsm-controller:\t%s\n", seg->ctl->name);
	seq_printf(m, "rsm-state:\t%s\n", state);
	seq_printf(m, "rsm-creator:\t%d\n", creator);
	seq_printf(m, "rsm-length:\t%llu\n", seg->length);
}

/* Whose limit of handles it counts for; nobody else puts @user meanwhile. */
static void show_user(struct seq_file *m, const struct rsm_user *user)
{
	seq_printf(m, "rsm-user:\t%u\n",
		   from_kuid_munged(seq_user_ns(m), rsm_limits_uid(user)));
}

static void show_flags(struct seq_file *m, u32 flags)
{
	seq_puts(m, flags ? "rsm-flags:" : "rsm-flags:\t-");
	if (flags & RSM_EXPORT_ALLOW_REBIND)
		seq_puts(m, "\trebind");
	if (flags & RSM_EXPORT_LOCK_OPS)
		seq_puts(m, "\tlocks");
	if (flags & RSM_EXPORT_DONTWAIT)
		seq_puts(m, "\tdontwait");
	seq_putc(m, '\n');
}

static void show_rights(struct seq_file *m, u32 rights)
{
	seq_printf(m, "rsm-rights:\t%s%s%s\n", rights ? "" : "-",
		   rights & RSM_RIGHT_READ ? "r" : "",
		   rights & RSM_RIGHT_WRITE ? "w" : "");
}

/* Where the segment is found, or was by an import: 0 with a ticket. */
static void show_id(struct seq_file *m, u32 id, unsigned int ipc_ns)
{
	seq_printf(m, "rsm-id:\t0x%x\n", id);
	seq_printf(m, "rsm-ipcns:\t%u\n", ipc_ns);
}

static void show_handle(struct seq_file *m, const struct rsm_handle *handle)
{
	lockdep_assert_held(&handle->seg->lock);
	seq_printf(m, "rsm-rebinds:\t%llu\n", handle->seg->rebinds / 2);
	seq_printf(m, "rsm-signals:\t%u\n", handle->signals);
	seq_printf(m, "rsm-posted:\t%llu\n", handle->posted);
	seq_printf(m, "rsm-locks:\t%u\n", handle->nr_mutexes);
}

static void show_acl(struct seq_file *m, const struct rsm_acl *acl)
{
	unsigned int i;

	seq_puts(m, "rsm-acl:\t");
	for (i = 0; i < acl->count; i++)
		seq_printf(m, "%s%u:%04o", i ? " " : "", acl->entries[i].node,
			   acl->entries[i].perm);
	seq_putc(m, '\n');
}

static void show_owner(struct seq_file *m, const struct rsm_segment *seg)
{
	struct user_namespace *ns = seq_user_ns(m);

	seq_printf(m, "rsm-uid:\t%u\n", from_kuid_munged(ns, seg->uid));
	seq_printf(m, "rsm-gid:\t%u\n", from_kgid_munged(ns, seg->gid));
	seq_printf(m, "rsm-mode:\t%04o\n", seg->mode & RSM_ACCESS_BITS);
}

static void show_publication(struct seq_file *m,
			     const struct rsm_publication *pub)
{
	show_id(m, pub->key.id, rsm_ipc_ns_number(pub->key.ns));
	if (pub->acl)
		show_acl(m, pub->acl);
}

static void show_pages(struct seq_file *m, struct rsm_segment *seg)
{
	unsigned long count = 0, huge = 0, extents = 0;

	if (rsm_map_read_lock(seg))
		return;
	if (seg->pages) {
		count = seg->pages->count;
		huge = seg->pages->nr_huge;
		extents = seg->pages->nr_extents;
	}
	rsm_map_read_unlock(seg);
	seq_printf(m, "rsm-pages:\t%lu\n", count);
	seq_printf(m, "rsm-pages-2M:\t%lu\n", huge);
	seq_printf(m, "rsm-extents:\t%lu\n", extents);
}

static const char *export_state(const struct rsm_segment *seg)
{
	if (seg->handle.ended)
		return "ended";
	return seg->pub ? "published" : "unpublished";
}

void rsm_export_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct rsm_segment *seg = file->private_data;

	spin_lock(&seg->lock);
	show_segment(m, seg, export_state(seg));
	show_user(m, seg->handle.user);
	if (seg->pub)
		show_publication(m, seg->pub);
	show_flags(m, seg->flags);
	show_owner(m, seg);
	seq_printf(m, "rsm-imports:\t%u\n", seg->nr_imports);
	show_handle(m, &seg->handle);
	spin_unlock(&seg->lock);
	show_pages(m, seg);
}

static const char *import_state(const struct rsm_import *imp)
{
	if (!imp->handle.ended)
		return "connected";
	return READ_ONCE(imp->handle.seg->unreachable) ? "unreachable" :
							  "aborted";
}

void rsm_import_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct rsm_import *imp = file->private_data;
	struct rsm_segment *seg = imp->handle.seg;

	spin_lock(&seg->lock);
	show_segment(m, seg, import_state(imp));
	show_user(m, imp->handle.user);
	show_id(m, imp->id, imp->ipc_ns);
	seq_printf(m, "rsm-node:\t%u\n",
		   seg->remote ? seg->node : seg->ctl->local_node);
	show_flags(m, seg->flags);
	show_rights(m, imp->handle.rights);
	seq_printf(m, "rsm-mappings:\t%d\n", atomic_read(&imp->vmas));
	show_handle(m, &imp->handle);
	spin_unlock(&seg->lock);
}

void rsm_ticket_show_fdinfo(struct seq_file *m, struct file *file)
{
	const struct rsm_ticket *ticket = file->private_data;
	struct rsm_segment *seg = ticket->seg;
	bool valid;

	spin_lock(&seg->lock);
	valid = seg->pub && seg->pub->serial == ticket->serial;
	spin_unlock(&seg->lock);
	show_segment(m, seg, valid ? "valid" : "ended");
	show_user(m, ticket->user);
	show_rights(m, ticket->rights);
}
