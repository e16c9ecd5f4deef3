// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program as it is written for Solaris: it knows <rsmapi.h>, the types that
 * come with it, and nothing else of this library. One process has both roles.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rsmapi.h>

#define SEGMENT_ID (RSM_HPC_ID_BASE + 0x77)
#define SEGMENT_PAGES 2
#define PERMISSION 0666

static int failures;

static void check(int expected, int result, const char *what)
{
	if (result == expected)
		return;
	printf("# %s: %d instead of %d\n", what, result, expected);
	failures++;
}

#define CHECK(_call) check(RSM_SUCCESS, _call, #_call)
#define CHECK_TRUE(_condition) check(1, !!(_condition), #_condition)

static rsmapi_controller_handle_t controller;
static rsm_node_id_t local_node;

static void find_controller(void)
{
	rsmapi_controller_attr_t attr;
	rsm_topology_t *topology;
	char name[MAXNAMELEN];
	uint_t i;

	(void)strcpy(name, "loopback");
	CHECK(rsm_get_interconnect_topology(&topology));
	local_node = topology->topology_hdr.local_nodeid;
	for (i = 0; i < topology->topology_hdr.local_cntlr_count; i++) {
		rsm_connections_t *c = topology->connections[i];

		if (c->hdr.remote_cntlr_count > 0 &&
		    c->remote_cntlr[0].connection_state ==
			    RSM_CONNECTION_ACTIVE)
			(void)printf("# there is %s\n", c->hdr.cntlr_name);
	}
	rsm_free_interconnect_topology(topology);
	CHECK(rsm_get_controller(name, &controller));
	CHECK(rsm_get_controller_attr(controller, &attr));
	CHECK_TRUE(attr.attr_page_size != 0);
}

/* Exporter */

static rsm_memseg_export_handle_t export_handle;
static caddr_t export_addr;
static size_t export_length;

static void export_segment(size_t page)
{
	rsm_memseg_id_t id = SEGMENT_ID;
	rsmapi_access_entry_t list[1];

	export_length = SEGMENT_PAGES * page;
	export_addr = (caddr_t)valloc(export_length);
	CHECK_TRUE(export_addr);
	(void)memset(export_addr, 0, export_length);
	CHECK(rsm_memseg_export_create(controller, &export_handle,
				       (void *)export_addr, export_length,
				       RSM_ALLOW_REBIND));
	list[0].ae_node = local_node;
	list[0].ae_permission = PERMISSION;
	CHECK(rsm_memseg_export_publish(export_handle, &id, list, 1));
	CHECK(rsm_memseg_export_republish(export_handle, list, 1));
}

static void rebind_segment(void)
{
	caddr_t new_addr = (caddr_t)valloc(export_length);
	offset_t off = 0;

	CHECK_TRUE(new_addr);
	(void)memset(new_addr, 1, export_length);
	CHECK(rsm_memseg_export_rebind(export_handle, (void *)new_addr, off,
				       export_length));
	free(export_addr);
	export_addr = new_addr;
}

/* Importer */

static rsm_memseg_import_handle_t import_handle;
static rsmapi_barrier_t barrier;

static void connect_segment(void)
{
	CHECK(rsm_memseg_import_connect(controller, local_node, SEGMENT_ID,
					RSM_PERM_RDWR, &import_handle));
	CHECK(rsm_memseg_import_init_barrier(import_handle, RSM_BAR_DEFAULT,
					     &barrier));
}

static void put_and_get(void)
{
	uint8_t u8[] = { 1, 2, 3, 4 };
	uint16_t u16[] = { 5, 6 };
	uint32_t u32 = 7;
	uint64_t u64 = 8;
	ulong_t count = 4;
	char text[] = "as on Solaris";
	char back[sizeof(text)];

	CHECK(rsm_memseg_import_put8(import_handle, 0, u8, count));
	CHECK(rsm_memseg_import_put16(import_handle, 4, u16, 2));
	CHECK(rsm_memseg_import_put32(import_handle, 8, &u32, 1));
	CHECK(rsm_memseg_import_put64(import_handle, 16, &u64, 1));
	CHECK(rsm_memseg_import_put(import_handle, 32, text, sizeof(text)));
	CHECK(rsm_memseg_import_get8(import_handle, 3, u8, 1));
	CHECK(rsm_memseg_import_get16(import_handle, 6, u16, 1));
	CHECK(rsm_memseg_import_get32(import_handle, 8, &u32, 1));
	CHECK(rsm_memseg_import_get64(import_handle, 16, &u64, 1));
	CHECK(rsm_memseg_import_get(import_handle, 32, back, sizeof(back)));
	CHECK_TRUE(u8[0] == 4 && u16[0] == 6 && u32 == 7 && u64 == 8);
	CHECK_TRUE(strcmp(text, back) == 0);
	CHECK_TRUE(strcmp(text, export_addr + 32) == 0);
	CHECK(rsm_memseg_import_unmap(import_handle));
}

static void scatter_and_gather(size_t page)
{
	rsm_localmemory_handle_t local;
	caddr_t addr = (caddr_t)valloc(page);
	rsm_scat_gath_t sg_io;
	rsm_iovec_t iov[2];
	uint_t i;

	CHECK_TRUE(addr);
	(void)memset(addr, 'x', page);
	CHECK(rsm_create_localmemory_handle(controller, &local, addr, page));
	iov[0].io_type = RSM_HANDLE_TYPE;
	iov[0].local.handle = local;
	iov[1].io_type = RSM_VA_TYPE;
	iov[1].local.vaddr = addr;
	for (i = 0; i < 2; i++) {
		iov[i].local_offset = 0;
		iov[i].remote_offset = i * page;
		iov[i].transfer_length = page;
	}
	sg_io.local_nodeid = local_node;
	sg_io.io_request_count = 2;
	sg_io.flags = RSM_IMPLICIT_SIGPOST;
	sg_io.remote_handle = import_handle;
	sg_io.iovec = iov;
	CHECK(rsm_memseg_import_putv(&sg_io));
	CHECK_TRUE(sg_io.io_residual_count == 0);
	CHECK_TRUE(export_addr[2 * page - 1] == 'x');
	CHECK(rsm_memseg_import_getv(&sg_io));
	CHECK(rsm_free_localmemory_handle(controller, local));
	CHECK(rsm_intr_signal_wait(export_handle, -1));
	CHECK(rsm_intr_signal_wait(export_handle, -1));
	free(addr);
}

static void load_and_store(void)
{
	rsm_barrier_mode_t mode;
	volatile char *addr;
	void *map = NULL;
	off_t offset = 0;

	/* sg_io has left the segment mapped */
	CHECK(rsm_memseg_import_unmap(import_handle));
	CHECK(rsm_memseg_import_map(import_handle, &map, RSM_MAP_NONE,
				    RSM_PERM_RDWR, offset, export_length));
	CHECK(rsm_memseg_import_set_mode(import_handle,
					 RSM_BARRIER_MODE_EXPLICIT));
	CHECK(rsm_memseg_import_get_mode(import_handle, &mode));
	CHECK_TRUE(mode == RSM_BARRIER_MODE_EXPLICIT);
	addr = (volatile char *)map;
	CHECK(rsm_memseg_import_open_barrier(&barrier));
	addr[0] = 2;
	CHECK(rsm_memseg_import_order_barrier(&barrier));
	CHECK(rsm_memseg_import_close_barrier(&barrier));
	CHECK_TRUE(export_addr[0] == 2);
	rebind_segment();
	CHECK_TRUE(addr[0] == 1);
	CHECK(rsm_memseg_import_unmap(import_handle));
}

static void signals(void)
{
	struct pollfd fds[1];
	int ready;

	CHECK(rsm_memseg_get_pollfd(import_handle, &fds[0]));
	CHECK(rsm_intr_signal_post(export_handle, RSM_SIGPOST_NO_ACCUMULATE));
	CHECK(rsm_intr_signal_wait_pollfd(fds, 1, 1000, &ready));
	CHECK_TRUE(ready == 1 && fds[0].revents == POLLRDNORM);
	CHECK(rsm_memseg_release_pollfd(import_handle));
}

static void disconnect_and_destroy(void)
{
	CHECK(rsm_memseg_import_destroy_barrier(&barrier));
	CHECK(rsm_memseg_import_disconnect(import_handle));
	CHECK(rsm_memseg_export_unpublish(export_handle));
	CHECK(rsm_memseg_export_destroy(export_handle));
	CHECK(rsm_release_controller(controller));
	free(export_addr);
}

int main(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	rsm_memseg_id_t base;
	uint32_t ids;

	(void)printf("TAP version 13\n1..1\n");
	find_controller();
	check(RSMERR_BAD_ADDR, rsm_get_segmentid_range(NULL, &base, &ids),
	      "rsm_get_segmentid_range");
	export_segment(page);
	connect_segment();
	put_and_get();
	scatter_and_gather(page);
	load_and_store();
	signals();
	disconnect_and_destroy();
	(void)printf("%sok 1 compat\n", failures ? "not " : "");
	return failures != 0;
}
