// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control node, the tables of ioctls, and the module itself.
 *
 * An ioctl that makes an export or an import returns a new descriptor. It is
 * installed last, after the answer is copied out, when nothing can fail: as
 * soon as user space can name it, another thread can close it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/init.h>
#include <linux/kobject.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/sysfs.h>
#include <linux/uaccess.h>

#include "rsm_private.h"

/* From the range for local use: the static node makes autoloading work. */
#define RSM_MINOR 250

struct rsm_stats rsm_stats;

/**
 * struct rsm_op - an ioctl
 * @cmd: its number
 * @size: of its structure
 * @min_size: of the structure of the first release
 * @flags: that are known
 * @error: offset of out_error
 * @reserved: offset of a u32 that must be 0, or 0
 * @answers: there are other fields to be returned than out_error
 * @execute: carries it out
 */
struct rsm_op {
	unsigned int cmd;
	u32 size;
	u32 min_size;
	u32 flags;
	u32 error;
	u32 reserved;
	bool answers;
	int (*execute)(struct rsm_ucmd *ucmd);
};

union rsm_buffer {
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
};

/*
 * _last is the last field of the first release and never changes; _reserved
 * is the offset of a u32 that must be zero, or 0 when there is none.
 */
#define RSM_ENTRY(_cmd, _fn, _struct, _flags, _last, _reserved, _answers)      \
	[_IOC_NR(_cmd) - RSM_CMD_BASE] = {                                     \
		.cmd = _cmd,                                                   \
		.size = sizeof(_struct) +                                      \
			BUILD_BUG_ON_ZERO(sizeof(union rsm_buffer) <           \
					  sizeof(_struct)),                    \
		.min_size = offsetofend(_struct, _last),                       \
		.flags = _flags,                                               \
		.error = offsetof(_struct, out_error),                         \
		.reserved = _reserved,                                         \
		.answers = _answers,                                           \
		.execute = _fn,                                                \
	}

/* An ioctl that returns something, and one that only does something. */
#define RSM_OP(_cmd, _fn, _struct, _flags, _last, _reserved)                   \
	RSM_ENTRY(_cmd, _fn, _struct, _flags, _last, _reserved, true)
#define RSM_DO(_cmd, _fn, _struct, _flags, _last, _reserved)                   \
	RSM_ENTRY(_cmd, _fn, _struct, _flags, _last, _reserved, false)

#define RSM_RESERVED(_struct) offsetof(_struct, __reserved)

static const struct rsm_op control_ops[] = {
	RSM_OP(RSM_CONTROLLER_INFO, rsm_controller_info,
	       struct rsm_controller_info, 0, __reserved,
	       RSM_RESERVED(struct rsm_controller_info)),
	RSM_OP(RSM_EXPORT_CREATE, rsm_export_create, struct rsm_export_create,
	       RSM_EXPORT_ALLOW_REBIND | RSM_EXPORT_DONTWAIT |
	       RSM_EXPORT_LOCK_OPS, __reserved,
	       RSM_RESERVED(struct rsm_export_create)),
	RSM_OP(RSM_IMPORT_CONNECT, rsm_import_connect,
	       struct rsm_import_connect, 0, out_error, 0),
	RSM_OP(RSM_CONTROLLER_FIND, rsm_controller_find,
	       struct rsm_controller_find, 0, __reserved,
	       RSM_RESERVED(struct rsm_controller_find)),
	RSM_OP(RSM_CONTROLLER_NODES, rsm_controller_nodes,
	       struct rsm_controller_nodes, 0, out_error, 0),
};

/* For exports and imports alike */
static const struct rsm_op handle_ops[] = {
	RSM_DO(RSM_SIGNAL_POST, rsm_signal_post, struct rsm_signal_post,
	       RSM_SIGNAL_NO_ACCUMULATE, __reserved,
	       RSM_RESERVED(struct rsm_signal_post)),
	RSM_DO(RSM_SIGNAL_WAIT, rsm_signal_wait, struct rsm_signal_wait, 0,
	       __reserved, RSM_RESERVED(struct rsm_signal_wait)),
	RSM_OP(RSM_LOCK, rsm_lock, struct rsm_lock, RSM_LOCK_TRY, out_error,
	       0),
	RSM_DO(RSM_UNLOCK, rsm_unlock, struct rsm_unlock, 0, __reserved,
	       RSM_RESERVED(struct rsm_unlock)),
};

static const struct rsm_op export_ops[] = {
	RSM_DO(RSM_EXPORT_REBIND, rsm_export_rebind, struct rsm_export_rebind,
	       0, __reserved, RSM_RESERVED(struct rsm_export_rebind)),
	RSM_OP(RSM_EXPORT_PUBLISH, rsm_export_publish,
	       struct rsm_export_publish, 0, out_error, 0),
	RSM_DO(RSM_EXPORT_REPUBLISH, rsm_export_republish,
	       struct rsm_export_republish, 0, out_error, 0),
	RSM_DO(RSM_EXPORT_UNPUBLISH, rsm_export_unpublish,
	       struct rsm_export_unpublish, 0, __reserved,
	       RSM_RESERVED(struct rsm_export_unpublish)),
	RSM_DO(RSM_EXPORT_DESTROY, rsm_export_destroy,
	       struct rsm_export_destroy, 0, __reserved,
	       RSM_RESERVED(struct rsm_export_destroy)),
	RSM_OP(RSM_EXPORT_GRANT, rsm_export_grant, struct rsm_export_grant, 0,
	       __reserved, RSM_RESERVED(struct rsm_export_grant)),
};

static const struct rsm_op import_ops[] = {
	RSM_OP(RSM_IMPORT_PUT, rsm_import_put, struct rsm_import_copy, 0,
	       __reserved, RSM_RESERVED(struct rsm_import_copy)),
	RSM_OP(RSM_IMPORT_GET, rsm_import_get, struct rsm_import_copy, 0,
	       __reserved, RSM_RESERVED(struct rsm_import_copy)),
	RSM_OP(RSM_IMPORT_ATOMIC, rsm_import_atomic, struct rsm_import_atomic,
	       0, out_error, 0),
	RSM_DO(RSM_IMPORT_FENCE, rsm_import_fence, struct rsm_import_fence, 0,
	       __reserved, RSM_RESERVED(struct rsm_import_fence)),
};

static const struct rsm_op ticket_ops[] = {
	RSM_OP(RSM_TICKET_CONNECT, rsm_ticket_connect,
	       struct rsm_ticket_connect, 0, __reserved,
	       RSM_RESERVED(struct rsm_ticket_connect)),
};

/* errno for each enum rsm_error, which the caller also gets as out_error. */
static const int error_errno[] = {
	[RSM_ERR_CTLR_NOT_PRESENT] = -ENODEV,
	[RSM_ERR_BAD_SEG_HNDL] = -ENODEV,
	[RSM_ERR_SEG_ALREADY_PUBLISHED] = -EBUSY,
	[RSM_ERR_SEG_NOT_PUBLISHED] = -ENOENT,
	[RSM_ERR_SEG_NOT_PUBLISHED_TO_NODE] = -EACCES,
	[RSM_ERR_NOT_CREATOR] = -EPERM,
	[RSM_ERR_BAD_SGIO] = -EINVAL,
	[RSM_ERR_BAD_ADDR] = -EFAULT,
	[RSM_ERR_BAD_MEM_ALIGNMENT] = -EINVAL,
	[RSM_ERR_BAD_OFFSET] = -EINVAL,
	[RSM_ERR_BAD_LENGTH] = -EINVAL,
	[RSM_ERR_BAD_ACL] = -EINVAL,
	[RSM_ERR_RESERVED_SEGID] = -EINVAL,
	[RSM_ERR_SEGID_IN_USE] = -EEXIST,
	[RSM_ERR_BAD_PERMS] = -EINVAL,
	[RSM_ERR_PERM_DENIED] = -EACCES,
	[RSM_ERR_LOCKS_NOT_SUPPORTED] = -EOPNOTSUPP,
	[RSM_ERR_LOCKS_NOT_ENABLED] = -EPERM,
	[RSM_ERR_REBIND_NOT_ALLOWED] = -EPERM,
	[RSM_ERR_INSUFFICIENT_RESOURCES] = -ENOSPC,
	[RSM_ERR_INSUFFICIENT_MEM] = -ENOMEM,
	[RSM_ERR_REMOTE_NODE_UNREACHABLE] = -EHOSTUNREACH,
	[RSM_ERR_CONN_ABORTED] = -ECONNABORTED,
	[RSM_ERR_INTERRUPTED] = -EINTR,
	[RSM_ERR_TIMEOUT] = -ETIMEDOUT,
	[RSM_ERR_LOCK_HELD] = -EDEADLK,
	[RSM_ERR_LOCK_NOT_HELD] = -EPERM,
};

/* The enum rsm_error of a handler's result, see rsm_private.h. */
static u32 result_error(int ret)
{
	if (ret >= 0)
		return ret;
	switch (ret) {
	case -ENOMEM:
		return RSM_ERR_INSUFFICIENT_MEM;
	case -EMFILE:
	case -ENFILE:
		return RSM_ERR_INSUFFICIENT_RESOURCES;
	case -EINTR:
		return RSM_ERR_INTERRUPTED;
	}
	return RSM_ERR_NONE;
}

static int result_errno(int ret)
{
	if (ret <= 0)
		return ret;
	if (WARN_ON_ONCE(ret >= ARRAY_SIZE(error_errno)))
		return -EIO;
	return error_errno[ret] ?: -EIO;
}

/**
 * rsm_ucmd_new_file() - make the file that an ioctl returns
 * @ucmd: the ioctl; its new_file and new_fd are set
 * @name: name in /proc/PID/fd
 * @fops: operations of the file
 * @object: becomes its private_data; the file owns it from now on
 *
 * The file is installed when the ioctl succeeds and else put.
 *
 * Return: 0 or -errno, in which case the caller still owns @object.
 */
int rsm_ucmd_new_file(struct rsm_ucmd *ucmd, const char *name,
		      const struct file_operations *fops, void *object)
{
	struct file *file;
	int fd = get_unused_fd_flags(O_CLOEXEC);

	if (fd < 0)
		return fd;
	file = anon_inode_getfile(name, fops, object, O_RDWR);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	ucmd->new_file = file;
	ucmd->new_fd = fd;
	return 0;
}

static void finish_new_file(struct rsm_ucmd *ucmd, bool success)
{
	if (!ucmd->new_file)
		return;
	if (success) {
		fd_install(ucmd->new_fd, ucmd->new_file);
		return;
	}
	put_unused_fd(ucmd->new_fd);
	fput(ucmd->new_file);
}

static int check_fixed_fields(const struct rsm_op *op, const void *cmd)
{
	const u32 *flags = cmd + sizeof(u32);
	const u32 *reserved = cmd + op->reserved;

	if (*flags & ~op->flags)
		return -EOPNOTSUPP;
	if (op->reserved && *reserved)
		return -EOPNOTSUPP;
	return 0;
}

/* Return what is to be returned, @whole or just the error. */
static int copy_out(const struct rsm_op *op, void __user *ubuf, u32 size,
		    const union rsm_buffer *buffer, bool whole)
{
	const u32 *error = (const void *)buffer + op->error;

	if (!whole)
		return put_user(*error, (u32 __user *)(ubuf + op->error));
	return copy_to_user(ubuf, buffer, min(size, op->size)) ? -EFAULT : 0;
}

static long run_op(const struct rsm_op *op, struct file *file,
		   struct rsm_handle *handle, void __user *ubuf, u32 size)
{
	union rsm_buffer buffer;
	struct rsm_ucmd ucmd = {
		.file = file,
		.handle = handle,
		.cmd = &buffer,
	};
	u32 *error = (void *)&buffer + op->error;
	bool whole = op->answers;
	int ret;

	ret = copy_struct_from_user(&buffer, op->size, ubuf, size);
	if (ret)
		return ret;
	ret = check_fixed_fields(op, &buffer);
	if (ret)
		return ret;
	/* An answer that cannot be copied out is better noticed now. */
	ret = copy_out(op, ubuf, size, &buffer, whole);
	if (ret)
		return ret;

	ret = op->execute(&ucmd);
	*error = result_error(ret);
	/* The call is made once more, with the time that is left. */
	if (ret == -ERESTARTNOHAND)
		whole = true;
	ret = result_errno(ret);
	if (copy_out(op, ubuf, size, &buffer, whole))
		ret = -EFAULT;
	finish_new_file(&ucmd, !ret);
	return ret;
}

static const struct rsm_op *find_op(const struct rsm_op *ops, size_t count,
				    unsigned int cmd)
{
	unsigned int nr = _IOC_NR(cmd) - RSM_CMD_BASE;

	if (nr >= count)
		return NULL;
	nr = array_index_nospec(nr, count);
	return ops[nr].cmd == cmd ? &ops[nr] : NULL;
}

#define FIND_OP(_ops, _cmd) find_op(_ops, ARRAY_SIZE(_ops), _cmd)

static long check_and_run(const struct rsm_op *op, struct file *file,
			  struct rsm_handle *handle, unsigned long arg)
{
	void __user *ubuf = (void __user *)arg;
	u32 size;

	if (!op)
		return -ENOTTY;
	if (get_user(size, (u32 __user *)ubuf))
		return -EFAULT;
	if (size < op->min_size)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	return run_op(op, file, handle, ubuf, size);
}

long rsm_export_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct rsm_segment *seg = file->private_data;
	const struct rsm_op *op = FIND_OP(export_ops, cmd);

	return check_and_run(op ?: FIND_OP(handle_ops, cmd), file,
			     &seg->handle, arg);
}

long rsm_import_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct rsm_import *imp = file->private_data;
	const struct rsm_op *op = FIND_OP(import_ops, cmd);

	return check_and_run(op ?: FIND_OP(handle_ops, cmd), file,
			     &imp->handle, arg);
}

long rsm_ticket_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return check_and_run(FIND_OP(ticket_ops, cmd), file, NULL, arg);
}

static long control_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	const struct rsm_op *op = FIND_OP(control_ops, cmd);

	return op ? check_and_run(op, file, NULL, arg) :
		    rsm_test_ioctl(cmd, arg);
}

static const struct file_operations control_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = control_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice control_dev = {
	.minor = RSM_MINOR,
	.name = "rsmctl",
	.fops = &control_fops,
	.mode = 0666,
};

#define RSM_STAT(_name)                                                        \
	static ssize_t _name##_show(struct kobject *kobj,                      \
				    struct kobj_attribute *attr, char *buf)    \
	{                                                                      \
		return sysfs_emit(buf, "%ld\n",                                \
				  atomic_long_read(&rsm_stats._name));         \
	}                                                                      \
	static struct kobj_attribute _name##_attr = __ATTR_RO(_name)

RSM_STAT(handles);
RSM_STAT(segments);
RSM_STAT(imports);
RSM_STAT(areas);
RSM_STAT(page_sets);
RSM_STAT(pinned_pages);
RSM_STAT(tickets);
RSM_STAT(mutexes);

static struct attribute *stats_attrs[] = {
	&handles_attr.attr,
	&segments_attr.attr,
	&imports_attr.attr,
	&areas_attr.attr,
	&page_sets_attr.attr,
	&pinned_pages_attr.attr,
	&tickets_attr.attr,
	&mutexes_attr.attr,
	NULL,
};

static const struct attribute_group stats_group = {
	.name = "stats",
	.attrs = stats_attrs,
};

/* Pages of a creator that was killed for its memory are given back by work. */
struct workqueue_struct *rsm_wq;

static int __init rsm_init(void)
{
	int ret;

	rsm_wq = alloc_workqueue("rsmctl", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!rsm_wq)
		return -ENOMEM;
	ret = rsm_registry_init();
	if (ret)
		goto err_wq;
	ret = rsm_controller_register(&rsm_loopback);
	if (ret)
		goto err_registry;
	ret = rsm_test_init();
	if (ret)
		goto err_loopback;
	ret = sysfs_create_group(&THIS_MODULE->mkobj.kobj, &stats_group);
	if (ret)
		goto err_test;
	ret = misc_register(&control_dev);
	if (ret)
		goto err_stats;
	return 0;

err_stats:
	sysfs_remove_group(&THIS_MODULE->mkobj.kobj, &stats_group);
err_test:
	rsm_test_exit();
err_loopback:
	rsm_controller_unregister(&rsm_loopback);
err_registry:
	rsm_registry_exit();
err_wq:
	destroy_workqueue(rsm_wq);
	return ret;
}

static void __exit rsm_exit(void)
{
	misc_deregister(&control_dev);
	sysfs_remove_group(&THIS_MODULE->mkobj.kobj, &stats_group);
	rsm_test_exit();
	rsm_controller_unregister(&rsm_loopback);
	rsm_creator_synchronize();
	rsm_registry_exit();
	destroy_workqueue(rsm_wq);
}

module_init(rsm_init);
module_exit(rsm_exit);

MODULE_DESCRIPTION("Remote Shared Memory");
MODULE_LICENSE("GPL");
MODULE_VERSION(RSMCTL_VERSION);
MODULE_ALIAS("devname:rsmctl");
MODULE_ALIAS_MISCDEV(RSM_MINOR);
