// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Get, put, and atomic operations.
 *
 * What is mapped is loaded and stored without a call of the kernel. A
 * connection that is not is mapped first, as a whole; if that cannot be, as
 * with one that may only write, or by a network, the kernel copies.
 *
 * In implicit mode a look at the status page before and after tells if the
 * data reached the segment, as with a barrier. In explicit mode nothing does;
 * but a connection that was cut off cannot be mapped any more.
 *
 * A put or get of a single element should cost little more than the access, so
 * that has a way of its own, inline in each function, in transfer(). Whatever
 * else there is to a transfer is up to transfer_any().
 */
#include <string.h>

#include "internal.h"

#define load(word) __atomic_load_n(word, __ATOMIC_RELAXED)
#define store(word, value) __atomic_store_n(word, value, __ATOMIC_RELAXED)

typedef void *copy_elements(void *to, const void *from, size_t count);

/**
 * struct element - what a transfer copies
 * @size: bytes of an element
 * @copy: as memcpy(), but for @count of them
 * @copy_few: the same, and little code to be inlined; NULL for bytes
 */
struct element {
	size_t size;
	copy_elements *copy;
	copy_elements *copy_few;
};

/*
 * Processors with AVX promise to access 16 aligned bytes at once, so that no
 * element is divided and all are in order. Of longer vectors none promises it.
 * ThreadSanitizer would not know of that.
 */
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
typedef long long vector __attribute__((vector_size(16), may_alias));

/* How many of @count elements come before vectors can be used: maybe all. */
static size_t before_vectors(const void *to, const void *from, size_t count,
			     size_t size)
{
	size_t before = -(uintptr_t)to % sizeof(vector) / size;
	bool together = !(((uintptr_t)to ^ (uintptr_t)from) % sizeof(vector));

	if (!together || before >= count || !__builtin_cpu_supports("avx"))
		return count;
	return before;
}

/* Copy aligned bytes, all that are whole vectors; returns how many. */
static size_t copy_vectors(void *to, const void *from, size_t length)
{
	const volatile vector *source = from;
	volatile vector *target = to;
	size_t i;

	_Pragma("GCC unroll 8")
	for (i = 0; i < length / sizeof(vector); i++)
		target[i] = source[i];
	return i * sizeof(vector);
}
#else
static size_t before_vectors(const void *to, const void *from, size_t count,
			     size_t size)
{
	(void)to;
	(void)from;
	(void)size;
	return count;
}

static size_t copy_vectors(void *to, const void *from, size_t length)
{
	(void)to;
	(void)from;
	(void)length;
	return 0;
}
#endif

/* Elements of a type: none is divided, on either side. */
#define ELEMENT(_name, _type)                                                  \
	static void *_name##_copy_few(void *to, const void *from,              \
				      size_t count)                            \
	{                                                                      \
		const _type *source = from;                                    \
		_type *target = to;                                            \
		size_t i;                                                      \
									       \
		_Pragma("GCC unroll 8")                                        \
		for (i = 0; i < count; i++)                                    \
			store(&target[i], load(&source[i]));                   \
		return to;                                                     \
	}                                                                      \
									       \
	static void *_name##_copy(void *to, const void *from, size_t count)    \
	{                                                                      \
		size_t done = before_vectors(to, from, count, sizeof(_type));  \
		const _type *source = from;                                    \
		_type *target = to;                                            \
									       \
		_name##_copy_few(target, source, done);                        \
		done += copy_vectors(&target[done], &source[done],             \
				     (count - done) * sizeof(_type)) /         \
			sizeof(_type);                                         \
		_name##_copy_few(&target[done], &source[done], count - done);  \
		return to;                                                     \
	}                                                                      \
	static const struct element _name = {                                  \
		.size = sizeof(_type),                                         \
		.copy = _name##_copy,                                          \
		.copy_few = _name##_copy_few,                                  \
	}

ELEMENT(element8, uint8_t);
ELEMENT(element16, uint16_t);
ELEMENT(element32, uint32_t);
ELEMENT(element64, uint64_t);

/* Bytes that need not be accessed one by one */
static const struct element any_element = { .size = 1, .copy = memcpy };

static struct rsm_handle *share(rsm_memseg_import_handle_t im_memseg)
{
	return rsm_handle_share(im_memseg, RSM_HANDLE_IMPORT);
}

static bool needs_map(const struct rsm_handle *handle)
{
	return !handle->import.mapped && !handle->import.unmappable;
}

/*
 * Map a connection that is shared, which takes to have it alone for a moment.
 * NULL: it was ended meanwhile.
 */
static struct rsm_handle *map_whole(struct rsm_handle *handle,
				    rsm_memseg_import_handle_t im_memseg)
{
	rsm_handle_unshare(handle);
	handle = rsm_handle_hold(im_memseg, RSM_HANDLE_IMPORT);
	if (!handle)
		return NULL;
	rsm_import_map_whole(handle);
	rsm_handle_downgrade(handle);
	return handle;
}

static int check_rights(const struct rsm_import *import,
			rsm_permission_t rights)
{
	if ((import->rights & rights) != rights)
		return rsm_fail(RSMERR_PERM_DENIED,
				"rights %#o are needed: the segment is connected with %#o, and mapped with %#o",
				rights, import->granted, import->rights);
	return RSM_SUCCESS;
}

/* Not inline, so that the check is. */
static __attribute_noinline__ int fail_range(const struct rsm_import *import,
					     uint64_t offset, uint64_t length)
{
	return rsm_fail(RSMERR_BAD_OFFSET,
			"%ju bytes at offset %#jx are not within the %s: %ju bytes at %#jx",
			length, offset, import->mapped ? "mapping" : "segment",
			import->span, import->first);
}

static int check_range(const struct rsm_import *import, uint64_t offset,
		       uint64_t length)
{
	uint64_t end;

	if (__builtin_add_overflow(offset, length, &end))
		return rsm_fail(RSMERR_BAD_LENGTH,
				"length %ju is too large for offset %#jx",
				length, offset);
	if (offset < import->first || end > import->first + import->span)
		return fail_range(import, offset, length);
	return RSM_SUCCESS;
}

static int fail_negative(off_t offset)
{
	return rsm_fail(RSMERR_BAD_OFFSET, "offset %jd is negative", offset);
}

static bool implicit_mode(const struct rsm_import *import)
{
	return import->mode == RSM_BARRIER_MODE_IMPLICIT;
}

static int check_barrier(const struct rsm_import *import)
{
	if (implicit_mode(import) && !import->barrier)
		return rsm_fail(RSMERR_BARRIER_UNINITIALIZED,
				"in implicit mode rsm_memseg_import_init_barrier() comes first, or rsm_memseg_import_set_mode()");
	return RSM_SUCCESS;
}

static __always_inline void copy_mapped(char *mapped, void *data, size_t count,
					copy_elements *copy,
					rsm_permission_t right)
{
	if (right == RSM_PERM_WRITE)
		copy(mapped, data, count);
	else
		copy(data, mapped, count);
}

/* False: in implicit mode, the connection was cut off */
static __always_inline bool
copy_direct(const struct rsm_handle *handle, uint64_t offset, void *data,
	    size_t count, copy_elements *copy, rsm_permission_t right)
{
	const struct rsm_import *import = &handle->import;
	const struct rsm_status *status = handle->seg.status;
	char *mapped = import->map + (offset - import->first);

	if (!implicit_mode(import)) {
		copy_mapped(mapped, data, count, copy, right);
		return true;
	}
	if (unlikely(!rsm_is_live(status)))
		return false;
	copy_mapped(mapped, data, count, copy, right);
	rsm_fence();
	return likely(rsm_is_live(status));
}

/* For the end of a put: if it may not have arrived, nothing of it counts. */
static int settle(const struct rsm_handle *handle, int ret, size_t *done)
{
	int failed = rsm_import_settle(handle);

	if (!failed)
		return ret;
	*done = 0;
	return failed;
}

/* Let the kernel do transfers, and tell how many were completed. */
static int copy_by_kernel(const struct rsm_handle *handle,
			  rsm_permission_t right,
			  const struct rsm_copy_vec *vec, size_t count,
			  size_t *done)
{
	struct rsm_import_copy cmd = {
		.size = sizeof(cmd),
		.vec = (uintptr_t)vec,
		.vec_count = count,
	};
	int ret = rsm_ioctl(handle->seg.fd,
			    right == RSM_PERM_WRITE ? RSM_IMPORT_PUT :
						      RSM_IMPORT_GET,
			    &cmd, &cmd.out_error);

	*done = ret ? cmd.out_done : count;
	if (*done && right == RSM_PERM_WRITE && handle->import.fenced &&
	    implicit_mode(&handle->import))
		ret = settle(handle, ret, done);
	return ret;
}

static int copy_one_by_kernel(const struct rsm_handle *handle,
			      rsm_permission_t right, uint64_t offset,
			      const void *data, size_t length)
{
	struct rsm_copy_vec vec = {
		.vaddr = (uintptr_t)data,
		.offset = offset,
		.length = length,
	};
	size_t done;

	return copy_by_kernel(handle, right, &vec, 1, &done);
}

static bool aligned(const void *data, off_t offset, size_t size)
{
	return !(((uintptr_t)data | offset) & (size - 1));
}

static int fail_aligned(const void *data, off_t offset, size_t size)
{
	if (aligned(data, 0, size))
		return rsm_fail(RSMERR_BAD_MEM_ALIGNMENT, RSM_NOT_ALIGNED,
				"offset", (uintmax_t)offset, size);
	return rsm_fail(RSMERR_BAD_MEM_ALIGNMENT, RSM_NOT_ALIGNED, "address",
			(uintmax_t)(uintptr_t)data, size);
}

static int check_data(const void *data, off_t offset, size_t size)
{
	if (!data)
		return rsm_fail(RSMERR_BAD_ADDR, "the data pointer is NULL");
	return aligned(data, offset, size) ? RSM_SUCCESS :
					     fail_aligned(data, offset, size);
}

static int do_transfer(const struct rsm_handle *handle, off_t offset,
		       void *data, size_t count, const struct element *element,
		       rsm_permission_t right)
{
	const struct rsm_import *import = &handle->import;
	size_t length;
	int ret;

	ret = check_rights(import, right);
	if (ret)
		return ret;
	if (offset < 0)
		return fail_negative(offset);
	if (__builtin_mul_overflow(count, element->size, &length))
		return rsm_fail(RSMERR_BAD_LENGTH,
				"%zu elements of %zu bytes are too many", count,
				element->size);
	ret = check_range(import, offset, length);
	if (!ret)
		ret = check_barrier(import);
	if (ret)
		return ret;
	if (!import->mapped)
		return copy_one_by_kernel(handle, right, offset, data, length);
	if (!copy_direct(handle, offset, data, count, element->copy, right))
		return rsm_fail_plain(RSMERR_CONN_ABORTED);
	return RSM_SUCCESS;
}

/* @right: of the two, that of a get or that of a put */
static int transfer_any(rsm_memseg_import_handle_t im_memseg, off_t offset,
			void *data, size_t count, const struct element *element,
			rsm_permission_t right)
{
	struct rsm_handle *handle = share(im_memseg);
	int ret;

	if (!handle)
		return rsm_handle_fail(im_memseg, RSM_HANDLE_IMPORT);
	ret = check_data(data, offset, element->size);
	if (!ret && needs_map(handle)) {
		handle = map_whole(handle, im_memseg);
		if (!handle)
			return rsm_handle_fail(im_memseg, RSM_HANDLE_IMPORT);
	}
	if (!ret)
		ret = do_transfer(handle, offset, data, count, element, right);
	rsm_handle_unshare(handle);
	return ret;
}

/* A single element of a segment that is mapped, and nothing stands against. */
static __always_inline bool is_simple(const struct rsm_handle *handle,
				      const void *im_memseg, off_t offset,
				      const void *data, size_t count,
				      size_t size, rsm_permission_t right)
{
	const struct rsm_import *import = &handle->import;
	uint64_t start = offset - import->first;

	/* What is ready has room for an element. */
	return handle->value == (uintptr_t)im_memseg &&
	       handle->ready & right && data && aligned(data, offset, size) &&
	       start <= import->span - size && count == 1;
}

static __attribute_noinline__ int
uncount_and_transfer(rsm_memseg_import_handle_t im_memseg, off_t offset,
		     void *data, size_t count, const struct element *element,
		     rsm_permission_t right)
{
	rsm_handle_unshare(rsm_handle_slot(im_memseg));
	return transfer_any(im_memseg, offset, data, count, element, right);
}

static __attribute_noinline__ int wake(struct rsm_handle *handle)
{
	rsm_handle_wake(&handle->users);
	return RSM_SUCCESS;
}

static __attribute_noinline__ int fail_aborted(struct rsm_handle *handle)
{
	rsm_handle_unshare(handle);
	return rsm_fail_plain(RSMERR_CONN_ABORTED);
}

/* All calls are the last thing done: nothing is to be saved for after them. */
static __always_inline int transfer(rsm_memseg_import_handle_t im_memseg,
				    off_t offset, void *data, size_t count,
				    const struct element *element,
				    rsm_permission_t right)
{
	struct rsm_handle *handle = rsm_handle_slot(im_memseg);

	if (unlikely(!handle))
		return rsm_handle_fail(im_memseg, RSM_HANDLE_IMPORT);
	if (unlikely(!rsm_handle_count(handle) ||
		     !is_simple(handle, im_memseg, offset, data, count,
				element->size, right)))
		return uncount_and_transfer(im_memseg, offset, data, count,
					    element, right);
	if (unlikely(!copy_direct(handle, offset, data, 1, element->copy_few,
				  right)))
		return fail_aborted(handle);
	return likely(rsm_handle_uncount(handle)) ? RSM_SUCCESS : wake(handle);
}

int rsm_memseg_import_get8(rsm_memseg_import_handle_t im_memseg, off_t offset,
			   uint8_t *datap, ulong_t rep_cnt)
{
	return transfer(im_memseg, offset, datap, rep_cnt, &element8,
			RSM_PERM_READ);
}

int rsm_memseg_import_get16(rsm_memseg_import_handle_t im_memseg, off_t offset,
			    uint16_t *datap, ulong_t rep_cnt)
{
	return transfer(im_memseg, offset, datap, rep_cnt, &element16,
			RSM_PERM_READ);
}

int rsm_memseg_import_get32(rsm_memseg_import_handle_t im_memseg, off_t offset,
			    uint32_t *datap, ulong_t rep_cnt)
{
	return transfer(im_memseg, offset, datap, rep_cnt, &element32,
			RSM_PERM_READ);
}

int rsm_memseg_import_get64(rsm_memseg_import_handle_t im_memseg, off_t offset,
			    uint64_t *datap, ulong_t rep_cnt)
{
	return transfer(im_memseg, offset, datap, rep_cnt, &element64,
			RSM_PERM_READ);
}

int rsm_memseg_import_get(rsm_memseg_import_handle_t im_memseg, off_t offset,
			  void *dst_addr, size_t length)
{
	return transfer_any(im_memseg, offset, dst_addr, length, &any_element,
			    RSM_PERM_READ);
}

int rsm_memseg_import_put8(rsm_memseg_import_handle_t im_memseg, off_t offset,
			   uint8_t *datap, ulong_t rep_cnt)
{
	return transfer(im_memseg, offset, datap, rep_cnt, &element8,
			RSM_PERM_WRITE);
}

int rsm_memseg_import_put16(rsm_memseg_import_handle_t im_memseg, off_t offset,
			    uint16_t *datap, ulong_t rep_cnt)
{
	return transfer(im_memseg, offset, datap, rep_cnt, &element16,
			RSM_PERM_WRITE);
}

int rsm_memseg_import_put32(rsm_memseg_import_handle_t im_memseg, off_t offset,
			    uint32_t *datap, ulong_t rep_cnt)
{
	return transfer(im_memseg, offset, datap, rep_cnt, &element32,
			RSM_PERM_WRITE);
}

int rsm_memseg_import_put64(rsm_memseg_import_handle_t im_memseg, off_t offset,
			    uint64_t *datap, ulong_t rep_cnt)
{
	return transfer(im_memseg, offset, datap, rep_cnt, &element64,
			RSM_PERM_WRITE);
}

int rsm_memseg_import_put(rsm_memseg_import_handle_t im_memseg, off_t offset,
			  void *src_addr, size_t length)
{
	return transfer_any(im_memseg, offset, src_addr, length, &any_element,
			    RSM_PERM_WRITE);
}

/**
 * struct batch - the valid entries of a list of transfers, up to the first bad
 * @vec: transfers
 * @count: how many
 * @held: handles of local memory, shared until all is done
 * @nr_held: how many
 */
struct batch {
	struct rsm_copy_vec vec[RSM_MAX_SGIOREQS];
	size_t count;
	struct rsm_handle *held[RSM_MAX_SGIOREQS];
	size_t nr_held;
};

/*
 * Find the memory that a handle stands for. One that is being freed is taken
 * for none: to wait for that while others of the list are shared could be for
 * ever, as who frees those waits, too.
 */
static int find_localmem(struct batch *batch, const rsm_iovec_t *entry,
			 char **out)
{
	struct rsm_handle *handle = rsm_handle_slot(entry->local.handle);
	uint64_t end;

	if (handle)
		handle = rsm_handle_try_share(handle, entry->local.handle,
					      RSM_HANDLE_LOCALMEM);
	if (!handle)
		return rsm_handle_fail(entry->local.handle,
				       RSM_HANDLE_LOCALMEM);
	batch->held[batch->nr_held++] = handle;
	if (__builtin_add_overflow(entry->local_offset, entry->transfer_length,
				   &end) ||
	    end > handle->localmem.length)
		return rsm_fail(RSMERR_BAD_LENGTH,
				"%zu bytes at %zu are not within the local memory of %zu bytes",
				entry->transfer_length, entry->local_offset,
				handle->localmem.length);
	*out = handle->localmem.addr + entry->local_offset;
	return RSM_SUCCESS;
}

static int find_local(struct batch *batch, const rsm_iovec_t *entry, char **out)
{
	if (entry->io_type == RSM_HANDLE_TYPE)
		return find_localmem(batch, entry, out);
	if (entry->io_type != RSM_VA_TYPE)
		return rsm_fail(RSMERR_BAD_SGIO,
				"io_type %d is not RSM_HANDLE_TYPE or RSM_VA_TYPE",
				entry->io_type);
	if (!entry->local.vaddr)
		return rsm_fail(RSMERR_BAD_ADDR, "local.vaddr is NULL");
	*out = entry->local.vaddr + entry->local_offset;
	return RSM_SUCCESS;
}

static int add_entry(struct batch *batch, const struct rsm_import *import,
		     rsm_permission_t right, const rsm_iovec_t *entry)
{
	char *local;
	int ret;

	ret = find_local(batch, entry, &local);
	if (!ret)
		ret = check_rights(import, right);
	if (!ret)
		ret = check_range(import, entry->remote_offset,
				  entry->transfer_length);
	if (ret)
		return ret;
	batch->vec[batch->count++] = (struct rsm_copy_vec){
		.vaddr = (uintptr_t)local,
		.offset = entry->remote_offset,
		.length = entry->transfer_length,
	};
	return RSM_SUCCESS;
}

static int do_batch(const struct rsm_handle *handle, rsm_permission_t right,
		    const struct batch *batch, size_t *done)
{
	const struct rsm_copy_vec *vec = batch->vec;

	*done = 0;
	if (batch->count && !handle->import.mapped)
		return copy_by_kernel(handle, right, vec, batch->count, done);
	for (; *done < batch->count; ++*done, vec++)
		if (!copy_direct(handle, vec->offset,
				 (void *)(uintptr_t)vec->vaddr, vec->length,
				 any_element.copy, right))
			return rsm_fail_plain(RSMERR_CONN_ABORTED);
	return RSM_SUCCESS;
}

static int do_list(const struct rsm_handle *handle, rsm_permission_t right,
		   rsm_scat_gath_t *sg_io)
{
	struct batch batch = { .count = 0 };
	size_t done;
	size_t i;
	int bad = RSM_SUCCESS;
	int ret;

	for (i = 0; i < sg_io->io_request_count && !bad; i++)
		bad = add_entry(&batch, &handle->import, right,
				&sg_io->iovec[i]);
	ret = do_batch(handle, right, &batch, &done);
	while (batch.nr_held)
		rsm_handle_unshare(batch.held[--batch.nr_held]);
	sg_io->io_residual_count = sg_io->io_request_count - done;
	return ret ? ret : bad;
}

static int check_list(const rsm_scat_gath_t *sg_io)
{
	if (!sg_io->io_request_count ||
	    sg_io->io_request_count > RSM_MAX_SGIOREQS || !sg_io->iovec)
		return rsm_fail(RSMERR_BAD_SGIO,
				"io_request_count %lu is not 1 to %d, or iovec is NULL",
				sg_io->io_request_count, RSM_MAX_SGIOREQS);
	return RSM_SUCCESS;
}

static int transfer_list(rsm_scat_gath_t *sg_io, rsm_permission_t right)
{
	struct rsm_handle *handle;
	int ret;

	if (!sg_io)
		return rsm_fail(RSMERR_BAD_SGIO, "sg_io is NULL");
	sg_io->io_residual_count = sg_io->io_request_count;
	handle = share(sg_io->remote_handle);
	if (!handle)
		return rsm_handle_fail(sg_io->remote_handle, RSM_HANDLE_IMPORT);
	ret = check_list(sg_io);
	if (!ret && needs_map(handle)) {
		handle = map_whole(handle, sg_io->remote_handle);
		if (!handle)
			return rsm_handle_fail(sg_io->remote_handle,
					       RSM_HANDLE_IMPORT);
	}
	if (!ret)
		ret = do_list(handle, right, sg_io);
	if (!ret && sg_io->flags & RSM_IMPLICIT_SIGPOST)
		ret = rsm_segment_post(&handle->seg, sg_io->flags);
	rsm_handle_unshare(handle);
	return ret;
}

int rsm_memseg_import_getv(rsm_scat_gath_t *sg_io)
{
	return transfer_list(sg_io, RSM_PERM_READ);
}

int rsm_memseg_import_putv(rsm_scat_gath_t *sg_io)
{
	return transfer_list(sg_io, RSM_PERM_WRITE);
}

/* Returns the word as it was. */
static uint64_t do_atomic(uint64_t *word, const struct rsm_import_atomic *cmd)
{
	uint64_t old = cmd->compare;

	if (cmd->op == RSM_ATOMIC_ADD)
		return __atomic_fetch_add(word, cmd->operand, __ATOMIC_SEQ_CST);
	if (cmd->op == RSM_ATOMIC_SWAP)
		return __atomic_exchange_n(word, cmd->operand,
					   __ATOMIC_SEQ_CST);
	__atomic_compare_exchange_n(word, &old, cmd->operand, false,
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return old;
}

static int atomic_direct(const struct rsm_handle *handle,
			 struct rsm_import_atomic *cmd)
{
	const struct rsm_import *import = &handle->import;
	char *word = import->map + (cmd->offset - import->first);

	if (implicit_mode(import) && !rsm_is_live(handle->seg.status))
		return rsm_fail_plain(RSMERR_CONN_ABORTED);
	cmd->out_old = do_atomic((uint64_t *)word, cmd);
	rsm_fence();
	if (implicit_mode(import) && !rsm_is_live(handle->seg.status))
		return rsm_fail_plain(RSMERR_CONN_ABORTED);
	return RSM_SUCCESS;
}

static int check_atomic(const struct rsm_import *import, off_t offset)
{
	int ret;

	ret = check_rights(import, RSM_PERM_RDWR);
	if (ret)
		return ret;
	if (offset < 0)
		return fail_negative(offset);
	ret = check_range(import, offset, sizeof(uint64_t));
	if (ret)
		return ret;
	if (!(import->flags & RSM_EXPORT_LOCK_OPS))
		return rsm_fail_plain(RSMERR_LOCKS_NOT_ENABLED);
	return check_barrier(import);
}

static int atomic(const struct rsm_handle *handle,
		  struct rsm_import_atomic *cmd, uint64_t *old)
{
	int ret;

	ret = check_atomic(&handle->import, cmd->offset);
	if (ret)
		return ret;
	if (handle->import.mapped)
		ret = atomic_direct(handle, cmd);
	else
		ret = rsm_ioctl(handle->seg.fd, RSM_IMPORT_ATOMIC, cmd,
				&cmd->out_error);
	if (!ret && old)
		*old = cmd->out_old;
	return ret;
}

static int atomic_any(rsm_memseg_import_handle_t im_memseg,
		      struct rsm_import_atomic *cmd, uint64_t *old)
{
	struct rsm_handle *handle = share(im_memseg);
	bool aligned_word = aligned(NULL, cmd->offset, sizeof(uint64_t));
	int ret;

	if (!handle)
		return rsm_handle_fail(im_memseg, RSM_HANDLE_IMPORT);
	if (aligned_word && needs_map(handle)) {
		handle = map_whole(handle, im_memseg);
		if (!handle)
			return rsm_handle_fail(im_memseg, RSM_HANDLE_IMPORT);
	}
	cmd->size = sizeof(*cmd);
	ret = aligned_word ? atomic(handle, cmd, old) :
			     fail_aligned(NULL, cmd->offset, sizeof(uint64_t));
	rsm_handle_unshare(handle);
	return ret;
}

int rsm_memseg_import_cas64(rsm_memseg_import_handle_t im_memseg, off_t offset,
			    uint64_t expected, uint64_t desired, uint64_t *old)
{
	struct rsm_import_atomic cmd = {
		.op = RSM_ATOMIC_CAS,
		.offset = offset,
		.compare = expected,
		.operand = desired,
	};

	return atomic_any(im_memseg, &cmd, old);
}

int rsm_memseg_import_add64(rsm_memseg_import_handle_t im_memseg, off_t offset,
			    uint64_t value, uint64_t *old)
{
	struct rsm_import_atomic cmd = {
		.op = RSM_ATOMIC_ADD,
		.offset = offset,
		.operand = value,
	};

	return atomic_any(im_memseg, &cmd, old);
}

int rsm_memseg_import_swap64(rsm_memseg_import_handle_t im_memseg, off_t offset,
			     uint64_t value, uint64_t *old)
{
	struct rsm_import_atomic cmd = {
		.op = RSM_ATOMIC_SWAP,
		.offset = offset,
		.operand = value,
	};

	return atomic_any(im_memseg, &cmd, old);
}
