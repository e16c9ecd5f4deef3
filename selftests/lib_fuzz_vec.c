// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lists of transfers with any contents, done by the library and by a model of
 * plain memory, which must agree: for libFuzzer, see selftests/libfuzz.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rsmapi.h>

#define PAGE 4096
#define LENGTH (4 * PAGE)
#define MAX_ENTRIES (RSM_MAX_SGIOREQS + 1)

/* Room for any transfer that fits into the segment, from any start below PAGE */
#define LOCAL_LENGTH (LENGTH + PAGE)

/* What a handle of local memory stands for: less than a segment */
#define HANDLE_START PAGE
#define HANDLE_LENGTH (2 * PAGE)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* One by a mapping and one by the kernel, see kernel/selftest.c */
static char *const controllers[] = { "loopback", "test0" };
static rsmapi_controller_handle_t ctl[2];
static rsm_memseg_import_handle_t imports[2][2];
static rsm_localmemory_handle_t localmem[2];
static char *mem;
static char *local;
static char model_mem[LENGTH];
static char model_local[LOCAL_LENGTH];

struct input {
	const uint8_t *data;
	size_t size;
};

/* The next number; 0 when there are none. */
static uint64_t take(struct input *in, size_t bytes)
{
	uint64_t value = 0;

	if (bytes > in->size)
		bytes = in->size;
	memcpy(&value, in->data, bytes);
	in->data += bytes;
	in->size -= bytes;
	return value;
}

/* Mostly one that is near to what is right, sometimes any. */
static uint64_t take_number(struct input *in)
{
	uint64_t kind = take(in, 1);

	if (kind < 0xe0)
		return take(in, 1) * (kind & 1 ? 1 : 97);
	if (kind < 0xf0)
		return LENGTH - (kind & 15) + (int8_t)take(in, 1);
	return take(in, 8) | (kind & 8 ? 1ull << 63 : 0);
}

static void fail(const char *what, long got, long want)
{
	fprintf(stderr, "%s: %ld, expected %ld\n", what, got, want);
	abort();
}

static void check(int ret, const char *what)
{
	if (ret)
		fail(what, ret, 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	rsm_memseg_export_handle_t seg;
	rsm_memseg_id_t id = 0;
	rsm_topology_t *topo;
	int i;

	mem = aligned_alloc(PAGE, LENGTH);
	local = aligned_alloc(PAGE, LOCAL_LENGTH);
	if (!mem || !local)
		abort();
	check(rsm_get_interconnect_topology(&topo), "topology");
	for (i = 0; i < 2; i++) {
		check(rsm_get_controller(controllers[i], &ctl[i]), "controller");
		check(rsm_create_localmemory_handle(ctl[i], &localmem[i],
						    local + HANDLE_START,
						    HANDLE_LENGTH), "localmem");
	}
	check(rsm_memseg_export_create(ctl[0], &seg, mem, LENGTH, 0), "create");
	check(rsm_memseg_export_publish(seg, &id, NULL, 0), "publish");
	for (i = 0; i < 4; i++)
		check(rsm_memseg_import_connect(ctl[i / 2],
						topo->topology_hdr.local_nodeid,
						id, i % 2 ? RSM_PERM_RDWR :
						RSM_PERM_READ,
						&imports[i / 2][i % 2]),
		      "connect");
	rsm_free_interconnect_topology(topo);
	return 0;
}

static void take_entry(struct input *in, int via, rsm_iovec_t *entry)
{
	uint64_t kind = take(in, 1);

	entry->io_type = kind % 16 == 15 ? (int)take_number(in) :
			 kind % 2 ? RSM_HANDLE_TYPE : RSM_VA_TYPE;
	if (entry->io_type == RSM_HANDLE_TYPE)
		entry->local.handle = kind & 0x40 && kind & 0x80 ? NULL :
				      localmem[via];
	else
		entry->local.vaddr = kind & 0x40 && kind & 0x80 ? NULL : local;
	entry->local_offset = take_number(in);
	if (entry->io_type != RSM_HANDLE_TYPE)
		entry->local_offset %= PAGE;
	entry->remote_offset = take_number(in);
	entry->transfer_length = take_number(in);
}

static bool outside(uint64_t offset, uint64_t length, uint64_t end)
{
	return offset > end || length > end - offset;
}

/* What the documentation says of one entry. */
static int judge(const rsm_iovec_t *entry, bool put, bool may_write)
{
	if (entry->io_type == RSM_HANDLE_TYPE) {
		if (!entry->local.handle)
			return RSMERR_BAD_LOCALMEM_HNDL;
		if (outside(entry->local_offset, entry->transfer_length,
			    HANDLE_LENGTH))
			return RSMERR_BAD_LENGTH;
	} else if (entry->io_type != RSM_VA_TYPE) {
		return RSMERR_BAD_SGIO;
	} else if (!entry->local.vaddr) {
		return RSMERR_BAD_ADDR;
	}
	if (put && !may_write)
		return RSMERR_PERM_DENIED;
	if (entry->transfer_length > UINT64_MAX - entry->remote_offset)
		return RSMERR_BAD_LENGTH;
	if (outside(entry->remote_offset, entry->transfer_length, LENGTH))
		return RSMERR_BAD_OFFSET;
	return RSM_SUCCESS;
}

static void model_copy(const rsm_iovec_t *entry, bool put)
{
	char *here = model_local + entry->local_offset;
	char *there = model_mem + entry->remote_offset;

	if (entry->io_type == RSM_HANDLE_TYPE)
		here += HANDLE_START;
	if (put)
		memcpy(there, here, entry->transfer_length);
	else
		memcpy(here, there, entry->transfer_length);
}

/* Returns the result, and in *left the number of entries not done. */
static int model(const rsm_scat_gath_t *list, bool put, bool may_write,
		 unsigned long *left)
{
	unsigned long i;
	int ret;

	*left = list->io_request_count;
	if (!*left || *left > RSM_MAX_SGIOREQS || !list->iovec)
		return RSMERR_BAD_SGIO;
	for (i = 0; i < list->io_request_count; i++, --*left) {
		ret = judge(&list->iovec[i], put, may_write);
		if (ret)
			return ret;
		model_copy(&list->iovec[i], put);
	}
	return RSM_SUCCESS;
}

static void do_list(struct input *in)
{
	uint64_t kind = take(in, 1);
	int via = kind & 1;
	bool may_write = !(kind & 0x30);
	bool put = kind & 2;
	rsm_iovec_t vec[MAX_ENTRIES];
	rsm_scat_gath_t list = {
		.io_request_count = take(in, 1) % (MAX_ENTRIES + 1),
		.remote_handle = imports[via][may_write],
		.iovec = kind % 0xf0 == 0xe0 ? NULL : vec,
	};
	unsigned long left;
	unsigned long i;
	int want;
	int got;

	for (i = 0; i < list.io_request_count; i++)
		take_entry(in, via, &vec[i]);
	want = model(&list, put, may_write, &left);
	got = put ? rsm_memseg_import_putv(&list) :
		    rsm_memseg_import_getv(&list);
	if (got != want)
		fail("result", got, want);
	if (list.io_residual_count != left)
		fail("residual", list.io_residual_count, left);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	size_t i;

	for (i = 0; i < LENGTH; i++)
		model_mem[i] = i * 7;
	for (i = 0; i < LOCAL_LENGTH; i++)
		model_local[i] = i * 11 + 1;
	memcpy(mem, model_mem, LENGTH);
	memcpy(local, model_local, LOCAL_LENGTH);
	while (in.size)
		do_list(&in);
	if (memcmp(mem, model_mem, LENGTH))
		fail("the segment differs", 0, 0);
	if (memcmp(local, model_local, LOCAL_LENGTH))
		fail("local memory differs", 0, 0);
	return 0;
}
