// SPDX-License-Identifier: GPL-2.0-only
/*
 * The exporter's calls: what they refuse, in which order, and which memory
 * can be exported. Rebinding is in rebind.c.
 */
#include "rsm_utils.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define PAGE 4096UL
#define LENGTH (4 * PAGE)
#define HUGE_LENGTH (2UL << 20)
#define RW (RSM_RIGHT_READ | RSM_RIGHT_WRITE)

/* A segment id that an application may choose. */
#define SEGID 0x400010

/* Upper half of the address space, where there is only the kernel. */
#define KERNEL_ADDR ((void *)0xffff888000000000UL)

FIXTURE(export)
{
	struct rsm_scene scene;
	char *mem;
};

FIXTURE_SETUP(export)
{
	ASSERT_OK(rsm_scene_open(&self->scene));
	self->mem = rsm_alloc(LENGTH);
	ASSERT_NE(MAP_FAILED, self->mem);
}

FIXTURE_TEARDOWN(export)
{
	EXPECT_TRUE(rsm_scene_close(&self->scene));
}

/* Create and, if that works, close. */
static int try_create(const struct rsm_scene *scene, const void *vaddr,
		      __u64 length, __u32 *error)
{
	int fd;
	int ret = rsm_create(scene->fd, scene->controller, vaddr, length, 0,
			     &fd, error);

	if (!ret)
		close(fd);
	return ret;
}

/* Create: the export's descriptor or a negative errno. */
static int make(const struct rsm_scene *scene, void *mem)
{
	int fd;
	int ret = rsm_create(scene->fd, scene->controller, mem, LENGTH,
			     RSM_EXPORT_ALLOW_REBIND, &fd, NULL);

	return ret ?: fd;
}

/* Connect and, if that works, close. */
static int try_connect(const struct rsm_scene *scene, __u32 segid, __u32 *error)
{
	int fd;
	int ret = rsm_connect(scene->fd, scene->controller, scene->node, segid,
			      RW, &fd, error);

	if (!ret)
		close(fd);
	return ret;
}

static int publish_as(int fd, __u32 segid, __u32 *error)
{
	return rsm_publish(fd, &segid, NULL, 0, error);
}

static int publish_acl(int fd, const struct rsm_access_entry *acl, __u32 count,
		       __u32 *error)
{
	__u32 segid = 0;

	return rsm_publish(fd, &segid, acl, count, error);
}

/* create */

TEST_F(export, create_and_close)
{
	int fd = make(&self->scene, self->mem);

	ASSERT_LE(0, fd);
	EXPECT_EQ(1, rsm_stat("segments") - self->scene.before.segments);
	EXPECT_EQ(4, rsm_stat("pinned_pages") -
			     self->scene.before.pinned_pages);
	EXPECT_EQ(self->scene.vm_pin + 4, rsm_vm_pin());
	close(fd);
	EXPECT_TRUE(rsm_stats_settle(&self->scene.before));
	EXPECT_EQ(self->scene.vm_pin, rsm_vm_pin());
}

TEST_F(export, create_keeps_the_content)
{
	rsm_stamp(self->mem, LENGTH, 1);
	ASSERT_LE(0, make(&self->scene, self->mem));
	EXPECT_EQ(-1, rsm_stamp_check(self->mem, LENGTH, 1));
}

TEST_F(export, create_unknown_controller)
{
	int fd;

	EXPECT_FAIL(ENODEV, RSM_ERR_CTLR_NOT_PRESENT,
		    rsm_create(self->scene.fd, 77, self->mem, LENGTH, 0, &fd,
			       &error));
	EXPECT_FAIL(ENODEV, RSM_ERR_CTLR_NOT_PRESENT,
		    rsm_create(self->scene.fd, ~0U, self->mem, LENGTH, 0, &fd,
			       &error));
	/* before a null address */
	EXPECT_FAIL(ENODEV, RSM_ERR_CTLR_NOT_PRESENT,
		    rsm_create(self->scene.fd, 77, NULL, 0, 0, &fd, &error));
}

TEST_F(export, create_null)
{
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    try_create(&self->scene, NULL, LENGTH, &error));
	/* before the length */
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    try_create(&self->scene, NULL, 0, &error));
}

TEST_F(export, create_zero_length)
{
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_LENGTH,
		    try_create(&self->scene, self->mem, 0, &error));
	/* before the alignment */
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_LENGTH,
		    try_create(&self->scene, self->mem + 1, 0, &error));
}

TEST_F(export, create_misaligned_address)
{
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    try_create(&self->scene, self->mem + 8, PAGE, &error));
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    try_create(&self->scene, (void *)1, PAGE, &error));
	/* before the alignment of the length */
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    try_create(&self->scene, self->mem + 1, 1, &error));
}

TEST_F(export, create_misaligned_length)
{
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_LENGTH,
		    try_create(&self->scene, self->mem, 1, &error));
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_LENGTH,
		    try_create(&self->scene, self->mem, LENGTH - 1, &error));
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_LENGTH,
		    try_create(&self->scene, self->mem, LENGTH + 1, &error));
	/* before the memory */
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_LENGTH,
		    try_create(&self->scene, KERNEL_ADDR, 1, &error));
}

TEST_F(export, threat_49_create_huge_length)
{
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_LENGTH,
		    try_create(&self->scene, self->mem, RSM_MAX_LENGTH + PAGE,
			       &error));
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_LENGTH,
		    try_create(&self->scene, self->mem, 1ULL << 63, &error));
	EXPECT_FAIL(ENOMEM, RSM_ERR_INSUFFICIENT_MEM,
		    try_create(&self->scene, self->mem, RSM_MAX_LENGTH,
			       &error));
}

TEST_F(export, threat_49_create_wraps_around)
{
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    try_create(&self->scene, self->mem, -PAGE, &error));
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    try_create(&self->scene, (void *)-PAGE, 2 * PAGE, &error));
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    try_create(&self->scene, (void *)-PAGE, PAGE, &error));
	/* before the alignment of the length */
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    try_create(&self->scene, self->mem, ~0ULL, &error));
}

TEST_F(export, create_kernel_address)
{
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    try_create(&self->scene, KERNEL_ADDR, PAGE, &error));
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    try_create(&self->scene, (void *)(1UL << 62), PAGE,
			       &error));
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    try_create(&self->scene, (void *)((1UL << 47) - PAGE),
			       2 * PAGE, &error));
}

TEST_F(export, create_hole)
{
	munmap(self->mem + PAGE, PAGE);
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    try_create(&self->scene, self->mem + PAGE, PAGE, &error));
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    try_create(&self->scene, self->mem, LENGTH, &error));
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    try_create(&self->scene, self->mem, 2 * PAGE, &error));
	EXPECT_OK(try_create(&self->scene, self->mem, PAGE, NULL));
}

/* Whichever page comes first decides. */
TEST_F(export, create_half_protected)
{
	mprotect(self->mem + PAGE, PAGE, PROT_READ);
	munmap(self->mem + 2 * PAGE, PAGE);
	EXPECT_FAIL(EACCES, RSM_ERR_PERM_DENIED,
		    try_create(&self->scene, self->mem, 2 * PAGE, &error));
	EXPECT_FAIL(EACCES, RSM_ERR_PERM_DENIED,
		    try_create(&self->scene, self->mem, LENGTH, &error));
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    try_create(&self->scene, self->mem + 2 * PAGE, 2 * PAGE,
			       &error));
}

TEST_F(export, create_twice_and_overlapping)
{
	int same = make(&self->scene, self->mem);
	__u32 segid[3] = { 0 };
	char *map[3];
	int fd[3], i;

	ASSERT_LE(0, same);
	close(same);
	for (i = 0; i < 3; i++) {
		ASSERT_OK(rsm_create(self->scene.fd, self->scene.controller,
				     self->mem + (i == 2 ? PAGE : 0), 3 * PAGE,
				     0, &fd[i], NULL));
		ASSERT_OK(rsm_publish(fd[i], &segid[i], NULL, 0, NULL));
		map[i] = rsm_import_view(&self->scene, segid[i], 3 * PAGE);
		ASSERT_NE(MAP_FAILED, map[i]);
	}
	EXPECT_EQ(self->scene.vm_pin + 9, rsm_vm_pin());
	map[0][PAGE] = 42;
	EXPECT_EQ(42, map[1][PAGE]);
	EXPECT_EQ(42, map[2][0]);
	/* the end of one does not touch the others */
	close(fd[0]);
	EXPECT_EQ(42, map[1][PAGE]);
	EXPECT_EQ(42, map[2][0]);
	EXPECT_EQ(0, map[0][PAGE]);
}

TEST_F(export, threat_26_many_pins_of_one_page)
{
	struct rlimit limit = { 4096, 4096 };
	int i, fd;

	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	for (i = 0; i < 2000; i++) {
		ASSERT_OK(rsm_create(self->scene.fd, self->scene.controller,
				     self->mem, PAGE, 0, &fd, NULL));
	}
	EXPECT_EQ(2000, rsm_stat("pinned_pages") -
				self->scene.before.pinned_pages);
	EXPECT_EQ(self->scene.vm_pin + 2000, rsm_vm_pin());
}

#define SAME_PAGES 4096

/* One page at many addresses that follow each other */
static char *map_same_page(void)
{
	int memfd = memfd_create("same", MFD_CLOEXEC);
	char *mem = mmap(NULL, SAME_PAGES * PAGE, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int i;

	if (ftruncate(memfd, PAGE))
		return MAP_FAILED;
	for (i = 0; i < SAME_PAGES && mem != MAP_FAILED; i++)
		if (mmap(mem + i * PAGE, PAGE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, memfd, 0) == MAP_FAILED)
			mem = MAP_FAILED;
	close(memfd);
	return mem;
}

/* A pin takes 1024 references: 2 to the 21 pins would be more than there are. */
TEST_F_TIMEOUT(export, threat_26_more_pins_than_a_page_can_have, 300)
{
	int last = -1, fd = -1, ret = 0, i, max = (1 << 21) / SAME_PAGES - 2;
	struct rlimit limit = { 4096, 4096 };
	char *mem = map_same_page();
	__u32 error = 0;
	long before;

	ASSERT_NE(MAP_FAILED, mem);
	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	before = rsm_param("max_exported_memory", 0);
	for (i = 0; i < max && !ret; i++) {
		last = fd;
		ret = rsm_create(self->scene.fd, self->scene.controller, mem,
				 SAME_PAGES * PAGE, 0, &fd, &error);
	}
	EXPECT_EQ(-ENOMEM, ret);
	EXPECT_EQ(RSM_ERR_INSUFFICIENT_MEM, error);
	EXPECT_EQ((long)(i - 1) * SAME_PAGES,
		  rsm_stat("pinned_pages") - self->scene.before.pinned_pages);
	/* and as soon as there are fewer */
	close(last);
	EXPECT_OK(try_create(&self->scene, mem, PAGE, NULL));
	rsm_param("max_exported_memory", before);
	munmap(mem, SAME_PAGES * PAGE);
}

/* publish */

TEST_F(export, publish_access_list_too_long)
{
	struct rsm_access_entry acl[RSM_ACL_MAX + 1] = { { 0, 0600 } };
	int fd = make(&self->scene, self->mem);

	ASSERT_LE(0, fd);
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_ACL,
		    publish_acl(fd, acl, RSM_ACL_MAX + 1, &error));
	/* before the address */
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_ACL,
		    publish_acl(fd, NULL, RSM_ACL_MAX + 1, &error));
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_ACL,
		    publish_acl(fd, NULL, ~0U, &error));
}

TEST_F(export, publish_access_list_unreadable)
{
	char *acl = self->mem + 2 * PAGE - sizeof(struct rsm_access_entry) + 1;
	int fd = make(&self->scene, self->mem);

	ASSERT_LE(0, fd);
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    publish_acl(fd, NULL, 1, &error));
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    publish_acl(fd, KERNEL_ADDR, RSM_ACL_MAX, &error));
	munmap(self->mem + 2 * PAGE, PAGE);
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    publish_acl(fd, (void *)acl, 1, &error));
	/* before the entries: those before the hole are bad */
	memset(self->mem + PAGE, 0xff, PAGE);
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    publish_acl(fd, (void *)acl, 2, &error));
}

TEST_F(export, publish_bad_permissions)
{
	static const __u32 bad[] = { 01000, 0111, 0667, 0766, 0676, 0100, 0010,
				     0001, 1U << 31 };
	struct rsm_access_entry acl = { .node = self->scene.node };
	int fd = make(&self->scene, self->mem);
	unsigned int i;

	ASSERT_LE(0, fd);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		acl.perm = bad[i];
		EXPECT_FAIL(EINVAL, RSM_ERR_BAD_ACL,
			    publish_acl(fd, &acl, 1, &error));
	}
	acl.perm = 0666;
	EXPECT_OK(publish_acl(fd, &acl, 1, NULL));
}

TEST_F(export, publish_bad_nodes)
{
	struct rsm_access_entry acl[2] = {
		{ .node = self->scene.node + 1, .perm = 0600 },
		{ .node = self->scene.node, .perm = 0600 },
	};
	int fd = make(&self->scene, self->mem);

	ASSERT_LE(0, fd);
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_ACL,
		    publish_acl(fd, acl, 1, &error));
	acl[0].node = ~0U;
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_ACL, publish_acl(fd, acl, 1, &error));
	/* loopback knows one node only */
	acl[0] = acl[1];
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_ACL, publish_acl(fd, acl, 2, &error));
	EXPECT_OK(publish_acl(fd, acl, 1, NULL));
}

TEST_F(export, publish_no_list_with_an_address)
{
	int fd = make(&self->scene, self->mem);

	ASSERT_LE(0, fd);
	EXPECT_OK(publish_acl(fd, KERNEL_ADDR, 0, NULL));
}

TEST_F(export, publish_reserved_ids)
{
	static const __u32 reserved[] = { 1, 0x1fffff, 0x300000, 0x3fffff,
					  0x80000000, ~0U };
	static const __u32 allowed[] = { 0x200000, 0x2fffff, 0x400000,
					 0x7fffffff };
	struct rsm_access_entry bad_acl = { .node = 5, .perm = 0600 };
	int fd = make(&self->scene, self->mem);
	__u32 segid = 1;
	unsigned int i;

	ASSERT_LE(0, fd);
	for (i = 0; i < ARRAY_SIZE(reserved); i++) {
		EXPECT_FAIL(EINVAL, RSM_ERR_RESERVED_SEGID,
			    publish_as(fd, reserved[i], &error));
	}
	for (i = 0; i < ARRAY_SIZE(allowed); i++) {
		EXPECT_OK(publish_as(fd, allowed[i], NULL));
		EXPECT_OK(try_connect(&self->scene, allowed[i], NULL));
		EXPECT_OK(rsm_unpublish(fd, NULL));
	}
	/* after the access list */
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_ACL,
		    rsm_publish(fd, &segid, &bad_acl, 1, &error));
}

TEST_F(export, publish_twice)
{
	int fd = make(&self->scene, self->mem);

	ASSERT_LE(0, fd);
	ASSERT_OK(publish_as(fd, SEGID, NULL));
	EXPECT_FAIL(EBUSY, RSM_ERR_SEG_ALREADY_PUBLISHED,
		    publish_as(fd, SEGID + 1, &error));
	/* before an id that is in use, after one that is reserved */
	EXPECT_FAIL(EBUSY, RSM_ERR_SEG_ALREADY_PUBLISHED,
		    publish_as(fd, SEGID, &error));
	EXPECT_FAIL(EINVAL, RSM_ERR_RESERVED_SEGID, publish_as(fd, 1, &error));
	EXPECT_FAIL(ENOENT, RSM_ERR_SEG_NOT_PUBLISHED,
		    try_connect(&self->scene, SEGID + 1, &error));
}

TEST_F(export, publish_id_in_use)
{
	int fd = make(&self->scene, self->mem);
	int other = make(&self->scene, self->mem);

	ASSERT_LE(0, fd);
	ASSERT_LE(0, other);
	ASSERT_OK(publish_as(fd, SEGID, NULL));
	EXPECT_FAIL(EEXIST, RSM_ERR_SEGID_IN_USE,
		    publish_as(other, SEGID, &error));
	/* the failure has left it as it was */
	EXPECT_OK(publish_as(other, SEGID + 1, NULL));
	EXPECT_OK(rsm_unpublish(other, NULL));
	EXPECT_OK(rsm_unpublish(fd, NULL));
	EXPECT_OK(publish_as(other, SEGID, NULL));
}

TEST_F(export, publish_after_the_end)
{
	int fd = make(&self->scene, self->mem);
	int other = make(&self->scene, self->mem);

	ASSERT_LE(0, fd);
	ASSERT_OK(publish_as(other, SEGID, NULL));
	ASSERT_OK(rsm_destroy(fd, NULL));
	EXPECT_FAIL(ENODEV, RSM_ERR_BAD_SEG_HNDL, publish_as(fd, 0, &error));
	/* before an id that is in use, after one that is reserved */
	EXPECT_FAIL(ENODEV, RSM_ERR_BAD_SEG_HNDL,
		    publish_as(fd, SEGID, &error));
	EXPECT_FAIL(EINVAL, RSM_ERR_RESERVED_SEGID, publish_as(fd, 1, &error));
}

TEST_F(export, publish_system_ids)
{
	__u32 ids[64];
	int fds[64], i, k;

	for (i = 0; i < 64; i++) {
		fds[i] = make(&self->scene, self->mem);
		ASSERT_LE(0, fds[i]);
		ids[i] = 0;
		ASSERT_OK(rsm_publish(fds[i], &ids[i], NULL, 0, NULL));
		EXPECT_LE(0x80000000, ids[i]);
		for (k = 0; k < i; k++)
			EXPECT_NE(ids[k], ids[i]);
	}
	/* not used again at once */
	for (i = 0; i < 64; i++) {
		__u32 id = 0;

		ASSERT_OK(rsm_unpublish(fds[0], NULL));
		ASSERT_OK(rsm_publish(fds[0], &id, NULL, 0, NULL));
		EXPECT_NE(ids[0], id);
		ids[0] = id;
	}
}

TEST_F(export, publish_unpublish_publish)
{
	int fd = make(&self->scene, self->mem);
	int i;

	ASSERT_LE(0, fd);
	for (i = 0; i < 200; i++) {
		EXPECT_OK(publish_as(fd, SEGID, NULL));
		EXPECT_OK(try_connect(&self->scene, SEGID, NULL));
		EXPECT_OK(rsm_unpublish(fd, NULL));
		EXPECT_FAIL(ENOENT, RSM_ERR_SEG_NOT_PUBLISHED,
			    try_connect(&self->scene, SEGID, &error));
	}
}

/* republish, unpublish, destroy */

TEST_F(export, republish_errors)
{
	struct rsm_access_entry acl[2] = {
		{ .node = self->scene.node, .perm = 0600 },
		{ .node = self->scene.node, .perm = 0600 },
	};
	int fd = make(&self->scene, self->mem);

	ASSERT_LE(0, fd);
	EXPECT_FAIL(ENOENT, RSM_ERR_SEG_NOT_PUBLISHED,
		    rsm_republish(fd, acl, 1, &error));
	/* before the access list */
	EXPECT_FAIL(ENOENT, RSM_ERR_SEG_NOT_PUBLISHED,
		    rsm_republish(fd, NULL, 65, &error));
	ASSERT_OK(publish_as(fd, SEGID, NULL));
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_ACL,
		    rsm_republish(fd, NULL, 65, &error));
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    rsm_republish(fd, NULL, 1, &error));
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_ACL, rsm_republish(fd, acl, 2, &error));
	acl[0].perm = 0111;
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_ACL, rsm_republish(fd, acl, 1, &error));
	acl[0].perm = 0600;
	acl[0].node++;
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_ACL, rsm_republish(fd, acl, 1, &error));
	EXPECT_OK(rsm_republish(fd, acl + 1, 1, NULL));
	EXPECT_OK(rsm_republish(fd, NULL, 0, NULL));
	ASSERT_OK(rsm_unpublish(fd, NULL));
	EXPECT_FAIL(ENOENT, RSM_ERR_SEG_NOT_PUBLISHED,
		    rsm_republish(fd, NULL, 0, &error));
	ASSERT_OK(rsm_destroy(fd, NULL));
	EXPECT_FAIL(ENOENT, RSM_ERR_SEG_NOT_PUBLISHED,
		    rsm_republish(fd, NULL, 0, &error));
}

TEST_F(export, unpublish_errors)
{
	int fd = make(&self->scene, self->mem);

	ASSERT_LE(0, fd);
	EXPECT_FAIL(ENOENT, RSM_ERR_SEG_NOT_PUBLISHED,
		    rsm_unpublish(fd, &error));
	ASSERT_OK(publish_as(fd, SEGID, NULL));
	ASSERT_OK(rsm_unpublish(fd, NULL));
	EXPECT_FAIL(ENOENT, RSM_ERR_SEG_NOT_PUBLISHED,
		    rsm_unpublish(fd, &error));
	ASSERT_OK(rsm_destroy(fd, NULL));
	EXPECT_FAIL(ENOENT, RSM_ERR_SEG_NOT_PUBLISHED,
		    rsm_unpublish(fd, &error));
}

TEST_F(export, unpublish_keeps_the_pages)
{
	int fd = make(&self->scene, self->mem);

	ASSERT_LE(0, fd);
	ASSERT_OK(publish_as(fd, SEGID, NULL));
	ASSERT_OK(rsm_unpublish(fd, NULL));
	EXPECT_EQ(self->scene.vm_pin + 4, rsm_vm_pin());
}

TEST_F(export, destroy_ends_the_segment)
{
	const volatile struct rsm_status *status;
	int fd = make(&self->scene, self->mem);

	ASSERT_LE(0, fd);
	ASSERT_OK(publish_as(fd, SEGID, NULL));
	status = rsm_map_status(fd);
	ASSERT_NE(MAP_FAILED, (const void *)status);
	EXPECT_EQ(RSM_STATE_LIVE, status->state);
	EXPECT_OK(rsm_destroy(fd, NULL));
	EXPECT_EQ(RSM_STATE_ABORTED, status->state);
	EXPECT_EQ(self->scene.vm_pin, rsm_vm_pin());
	EXPECT_EQ(self->scene.before.pinned_pages, rsm_stat("pinned_pages"));
	EXPECT_FAIL(ENOENT, RSM_ERR_SEG_NOT_PUBLISHED,
		    try_connect(&self->scene, SEGID, &error));
	EXPECT_FAIL(ENODEV, RSM_ERR_BAD_SEG_HNDL,
		    rsm_rebind(fd, self->mem, LENGTH, &error));
	/* success also when it has ended already */
	EXPECT_OK(rsm_destroy(fd, NULL));
}

TEST_F(export, destroy_with_a_copy_of_the_descriptor)
{
	int fd = make(&self->scene, self->mem);
	int copy = dup(fd);

	ASSERT_LE(0, copy);
	ASSERT_OK(publish_as(fd, SEGID, NULL));
	close(fd);
	EXPECT_OK(try_connect(&self->scene, SEGID, NULL));
	EXPECT_OK(rsm_destroy(copy, NULL));
	EXPECT_FAIL(ENOENT, RSM_ERR_SEG_NOT_PUBLISHED,
		    try_connect(&self->scene, SEGID, &error));
}

struct calls {
	int fd;
	void *mem;
	int ret[5];
	__u32 error[5];
};

/* All calls on an export, with arguments that are wrong themselves. */
static void call_all(struct calls *calls)
{
	__u32 reserved = 1;

	calls->ret[0] = rsm_rebind(calls->fd, NULL, 1, &calls->error[0]);
	calls->ret[1] = rsm_publish(calls->fd, &reserved, NULL, 65,
				    &calls->error[1]);
	calls->ret[2] = rsm_republish(calls->fd, NULL, 65, &calls->error[2]);
	calls->ret[3] = rsm_unpublish(calls->fd, &calls->error[3]);
	calls->ret[4] = rsm_destroy(calls->fd, &calls->error[4]);
}

/* In a child that has the descriptor, NOT_CREATOR comes before all else. */
TEST_F(export, threat_15_not_creator)
{
	struct calls *calls = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;
	int i;

	ASSERT_NE(MAP_FAILED, calls);
	calls->fd = make(&self->scene, self->mem);
	ASSERT_LE(0, calls->fd);
	ASSERT_OK(publish_as(calls->fd, SEGID, NULL));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		call_all(calls);
		_exit(0);
	}
	EXPECT_OK(rsm_wait_child(pid));
	for (i = 0; i < 5; i++) {
		EXPECT_EQ(-EPERM, calls->ret[i]) TH_LOG("call %d", i);
		EXPECT_EQ(RSM_ERR_NOT_CREATOR, calls->error[i])
			TH_LOG("call %d", i);
	}
	/* and the child has not harmed the segment */
	EXPECT_OK(try_connect(&self->scene, SEGID, NULL));
	EXPECT_OK(rsm_rebind(calls->fd, self->mem, LENGTH, NULL));
}

/* SEG_NOT_PUBLISHED is before NOT_CREATOR for republish, not for unpublish. */
TEST_F(export, not_creator_unpublished)
{
	struct calls *calls = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	ASSERT_NE(MAP_FAILED, calls);
	calls->fd = make(&self->scene, self->mem);
	ASSERT_LE(0, calls->fd);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		call_all(calls);
		_exit(0);
	}
	EXPECT_OK(rsm_wait_child(pid));
	EXPECT_EQ(RSM_ERR_SEG_NOT_PUBLISHED, calls->error[2]);
	EXPECT_EQ(RSM_ERR_NOT_CREATOR, calls->error[3]);
}

/* Another thread of the creator is the creator. */
static void *thread_rebinds(void *arg)
{
	struct calls *calls = arg;

	calls->ret[0] = rsm_rebind(calls->fd, calls->mem, LENGTH, NULL);
	return NULL;
}

TEST_F(export, threads_are_the_creator)
{
	struct calls calls = { .mem = self->mem };
	pthread_t thread;

	calls.fd = make(&self->scene, self->mem);
	ASSERT_LE(0, calls.fd);
	ASSERT_OK(pthread_create(&thread, NULL, thread_rebinds, &calls));
	pthread_join(thread, NULL);
	EXPECT_OK(calls.ret[0]);
}

/* Namespaces */

static int own_ipc_ns(void)
{
	return open("/proc/self/ns/ipc", O_RDONLY | O_CLOEXEC);
}

TEST_F(export, ipc_namespaces)
{
	struct rsm_export here, there;
	int ns = own_ipc_ns();
	__u32 segid = SEGID;
	char *map;

	ASSERT_LE(0, ns);
	ASSERT_OK(rsm_export_new(&self->scene, LENGTH, 1, &here));
	ASSERT_OK(rsm_unpublish(here.fd, NULL));
	ASSERT_OK(rsm_publish(here.fd, &segid, NULL, 0, NULL));
	ASSERT_OK(unshare(CLONE_NEWIPC));
	EXPECT_FAIL(ENOENT, RSM_ERR_SEG_NOT_PUBLISHED,
		    try_connect(&self->scene, SEGID, &error));
	ASSERT_OK(rsm_export_new(&self->scene, LENGTH, 2, &there));
	ASSERT_OK(rsm_unpublish(there.fd, NULL));
	ASSERT_OK(rsm_publish(there.fd, &segid, NULL, 0, NULL));
	map = rsm_import_view(&self->scene, SEGID, LENGTH);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-1, rsm_stamp_check(map, LENGTH, 2));
	/* from here, too, unpublish finds the one that was published */
	ASSERT_OK(rsm_unpublish(here.fd, NULL));
	EXPECT_OK(try_connect(&self->scene, SEGID, NULL));
	ASSERT_OK(setns(ns, CLONE_NEWIPC));
	EXPECT_FAIL(ENOENT, RSM_ERR_SEG_NOT_PUBLISHED,
		    try_connect(&self->scene, SEGID, &error));
	EXPECT_EQ(-1, rsm_stamp_check(map, LENGTH, 2));
}

/* A publication holds its namespace: nobody gets the same one again. */
TEST_F(export, ipc_namespace_that_nobody_is_in)
{
	int fd = make(&self->scene, self->mem);
	int ns = own_ipc_ns();
	int i;

	ASSERT_LE(0, fd);
	ASSERT_OK(unshare(CLONE_NEWIPC));
	ASSERT_OK(publish_as(fd, SEGID, NULL));
	ASSERT_OK(setns(ns, CLONE_NEWIPC));
	for (i = 0; i < 20; i++) {
		ASSERT_OK(unshare(CLONE_NEWIPC));
		EXPECT_FAIL(ENOENT, RSM_ERR_SEG_NOT_PUBLISHED,
			    try_connect(&self->scene, SEGID, &error));
		ASSERT_OK(setns(ns, CLONE_NEWIPC));
	}
	EXPECT_OK(rsm_unpublish(fd, NULL));
}

/* Limits */

TEST_F(export, limit_of_exported_memory)
{
	size_t length = 64UL << 20;
	char *big = rsm_alloc(length);
	long before = rsm_param("max_exported_memory", 1);

	ASSERT_LE(0, before);
	EXPECT_FAIL(ENOMEM, RSM_ERR_INSUFFICIENT_MEM,
		    try_create(&self->scene, big, length, &error));
	/* before the memory, after the length */
	EXPECT_FAIL(ENOMEM, RSM_ERR_INSUFFICIENT_MEM,
		    try_create(&self->scene, KERNEL_ADDR, length, &error));
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_LENGTH,
		    try_create(&self->scene, big, length + 1, &error));
	EXPECT_EQ(self->scene.vm_pin, rsm_vm_pin());
	EXPECT_OK(try_create(&self->scene, big, LENGTH, NULL));
	rsm_param("max_exported_memory", 0);
	EXPECT_OK(try_create(&self->scene, big, length, NULL));
	rsm_param("max_exported_memory", before);
	munmap(big, length);
}

TEST_F(export, limit_of_segments)
{
	long used = self->scene.before.segments + self->scene.before.imports;
	int fd = make(&self->scene, self->mem);
	long before;

	ASSERT_LE(0, fd);
	ASSERT_OK(publish_as(fd, SEGID, NULL));
	before = rsm_param("max_segments", used + 1);
	EXPECT_FAIL(ENOSPC, RSM_ERR_INSUFFICIENT_RESOURCES,
		    try_create(&self->scene, self->mem, LENGTH, &error));
	/* before the memory, after the length */
	EXPECT_FAIL(ENOSPC, RSM_ERR_INSUFFICIENT_RESOURCES,
		    try_create(&self->scene, KERNEL_ADDR, LENGTH, &error));
	EXPECT_FAIL(EINVAL, RSM_ERR_BAD_LENGTH,
		    try_create(&self->scene, self->mem, 1, &error));
	EXPECT_FAIL(ENOSPC, RSM_ERR_INSUFFICIENT_RESOURCES,
		    try_connect(&self->scene, SEGID, &error));
	rsm_param("max_segments", used + 2);
	EXPECT_OK(try_connect(&self->scene, SEGID, NULL));
	EXPECT_OK(try_create(&self->scene, self->mem, LENGTH, NULL));
	rsm_param("max_segments", before);
}

/* What a child needs: expectations work there as well. */
struct job {
	struct __test_metadata *metadata;
	const struct rsm_scene *scene;
};

static int user_limit(void *arg)
{
	const struct job *job = arg;
	struct __test_metadata *_metadata = job->metadata;
	const struct rsm_scene *scene = job->scene;
	char *mem = rsm_alloc(LENGTH);
	__u32 error;
	int fd = make(scene, mem);

	EXPECT_LE(0, fd);
	EXPECT_OK(publish_as(fd, SEGID, NULL));
	EXPECT_EQ(-ENOSPC, try_create(scene, mem, LENGTH, &error));
	EXPECT_EQ(RSM_ERR_INSUFFICIENT_RESOURCES, error);
	EXPECT_EQ(-ENOSPC, try_connect(scene, SEGID, &error));
	EXPECT_EQ(RSM_ERR_INSUFFICIENT_RESOURCES, error);
	close(fd);
	EXPECT_OK(try_create(scene, mem, LENGTH, NULL));
	return 0;
}

TEST_F(export, limit_of_segments_of_a_user)
{
	struct job job = { _metadata, &self->scene };
	long before = rsm_param("max_user_segments", 1);

	ASSERT_LE(0, before);
	EXPECT_OK(rsm_in_child_as(RSM_NOBODY, user_limit, &job));
	/* the last handle is gone: counting begins again */
	EXPECT_OK(rsm_in_child_as(RSM_NOBODY, user_limit, &job));
	/* with CAP_SYS_RESOURCE */
	ASSERT_LE(0, make(&self->scene, self->mem));
	EXPECT_LE(0, make(&self->scene, self->mem));
	rsm_param("max_user_segments", before);
}

struct held {
	struct job job;
	int ready[2];
	int go[2];
};

/* With a limit of one: close an export that somebody imports, make another. */
static int remake(void *arg)
{
	struct held *held = arg;
	struct __test_metadata *_metadata = held->job.metadata;
	const struct rsm_scene *scene = held->job.scene;
	char *mem = rsm_alloc(LENGTH);
	int fd = make(scene, mem);
	char byte = 0;

	EXPECT_OK(publish_as(fd, SEGID, NULL));
	EXPECT_EQ(1, write(held->ready[1], &byte, 1));
	EXPECT_EQ(1, read(held->go[0], &byte, 1));
	close(fd);
	EXPECT_OK(try_create(scene, mem, LENGTH, NULL));
	return 0;
}

TEST_F(export, importers_do_not_hold_the_exporters_handle)
{
	struct held held = { .job = { _metadata, &self->scene } };
	long before = rsm_param("max_user_segments", 1);
	char byte = 0;
	pid_t pid;
	int imp;

	ASSERT_OK(pipe(held.ready));
	ASSERT_OK(pipe(held.go));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(rsm_drop_to(RSM_NOBODY) ? 255 : remake(&held));
	EXPECT_EQ(1, read(held.ready[0], &byte, 1));
	imp = rsm_import(&self->scene, SEGID, 0);
	EXPECT_LE(0, imp);
	EXPECT_EQ(1, write(held.go[1], &byte, 1));
	EXPECT_OK(rsm_wait_child(pid));
	close(imp);
	rsm_param("max_user_segments", before);
}

static int set_memlock(rlim_t bytes)
{
	struct rlimit limit = { bytes, bytes };

	return setrlimit(RLIMIT_MEMLOCK, &limit);
}

/* If one page were not given back, the next create would fail. */
static int memlock_loop(void *arg)
{
	const struct job *job = arg;
	struct __test_metadata *_metadata = job->metadata;
	const struct rsm_scene *scene = job->scene;
	char *mem = rsm_alloc(LENGTH);
	char *hole = rsm_alloc(LENGTH);
	char *read_only = rsm_alloc(LENGTH);
	__u32 error;
	int i, fd;

	munmap(hole + 3 * PAGE, PAGE);
	mprotect(read_only + 3 * PAGE, PAGE, PROT_READ);
	EXPECT_OK(set_memlock(LENGTH));
	for (i = 0; i < 100; i++) {
		fd = make(scene, mem);
		EXPECT_LE(0, fd);
		EXPECT_EQ(-ENOMEM, try_create(scene, mem, PAGE, &error));
		EXPECT_EQ(RSM_ERR_INSUFFICIENT_MEM, error);
		if (i % 2)
			EXPECT_OK(rsm_destroy(fd, NULL));
		close(fd);
		EXPECT_EQ(-EFAULT, try_create(scene, hole, LENGTH, NULL));
		EXPECT_EQ(-EACCES, try_create(scene, read_only, LENGTH, NULL));
		EXPECT_EQ(-EFAULT, try_create(scene, KERNEL_ADDR, LENGTH,
					      NULL));
		EXPECT_EQ(-ENOMEM, try_create(scene, mem, LENGTH + PAGE, NULL));
	}
	return 0;
}

TEST_F(export, threat_57_locked_memory_limit)
{
	struct job job = { _metadata, &self->scene };

	EXPECT_OK(rsm_in_child_as(RSM_NOBODY, memlock_loop, &job));
	/* another process of the same user has the whole limit again */
	EXPECT_OK(rsm_in_child_as(RSM_NOBODY, memlock_loop, &job));
}

static int memlock_twice(void *arg)
{
	const struct job *job = arg;
	struct __test_metadata *_metadata = job->metadata;
	char *mem = rsm_alloc(LENGTH);

	EXPECT_OK(set_memlock(2 * LENGTH));
	EXPECT_LE(0, make(job->scene, mem));
	EXPECT_LE(0, make(job->scene, mem));
	EXPECT_EQ(-ENOMEM, make(job->scene, mem));
	/* what is still charged is given back by the exit */
	return 0;
}

TEST_F(export, locked_memory_charged_for_each_export)
{
	struct job job = { _metadata, &self->scene };

	EXPECT_OK(rsm_in_child_as(RSM_NOBODY, memlock_twice, &job));
	EXPECT_OK(rsm_in_child_as(RSM_NOBODY, memlock_twice, &job));
}

TEST_F(export, locked_memory_limit_not_for_cap_ipc_lock)
{
	ASSERT_OK(set_memlock(0));
	EXPECT_LE(0, make(&self->scene, self->mem));
}

/* Seals of memory files */

static int new_sealable(void)
{
	int memfd = memfd_create("sealable", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	return ftruncate(memfd, LENGTH) ? -errno : memfd;
}

static int add_seal(int memfd, int seal)
{
	return fcntl(memfd, F_ADD_SEALS, seal) ? -errno : 0;
}

TEST_F(export, threat_55_what_is_exported_cannot_be_sealed)
{
	int memfd = new_sealable(), fd;
	char *mem, *map, byte = 0;

	ASSERT_LE(0, memfd);
	mem = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	ASSERT_NE(MAP_FAILED, mem);
	fd = make(&self->scene, mem);
	ASSERT_LE(0, fd);
	ASSERT_OK(publish_as(fd, SEGID, NULL));
	map = rsm_import_view(&self->scene, SEGID, LENGTH);
	ASSERT_NE(MAP_FAILED, map);

	EXPECT_EQ(-EBUSY, add_seal(memfd, F_SEAL_WRITE));
	/* not for the mapping's sake only */
	munmap(mem, LENGTH);
	EXPECT_EQ(-EBUSY, add_seal(memfd, F_SEAL_WRITE));
	map[PAGE] = 42;
	EXPECT_EQ(1, pread(memfd, &byte, 1, PAGE));
	EXPECT_EQ(42, byte);
	ASSERT_OK(rsm_destroy(fd, NULL));
	EXPECT_OK(add_seal(memfd, F_SEAL_WRITE));
}

TEST_F(export, threat_55_what_is_sealed_cannot_be_exported)
{
	static const int seals[] = { F_SEAL_WRITE, F_SEAL_FUTURE_WRITE };
	static const int flags[] = { MAP_SHARED, MAP_PRIVATE };
	int i, memfd;
	char *mem;

	for (i = 0; i < 4; i++) {
		memfd = new_sealable();
		ASSERT_LE(0, memfd);
		ASSERT_OK(add_seal(memfd, seals[i / 2]));
		mem = mmap(NULL, LENGTH, PROT_READ, flags[i % 2], memfd, 0);
		if (mem == MAP_FAILED && !i)
			continue; /* not before 6.7 */
		ASSERT_NE(MAP_FAILED, mem);
		EXPECT_FAIL(EACCES, RSM_ERR_PERM_DENIED,
			    try_create(&self->scene, mem, LENGTH, &error));
	}
}

/* Of a private mapping that may be written to, a copy is exported. */
TEST_F(export, threat_55_sealed_contents_stay)
{
	int memfd = new_sealable();
	char *mem, *map, byte = 42;

	ASSERT_LE(0, memfd);
	ASSERT_OK(add_seal(memfd, F_SEAL_WRITE));
	mem = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_PRIVATE, memfd, 0);
	ASSERT_NE(MAP_FAILED, mem);
	ASSERT_OK(publish_as(make(&self->scene, mem), SEGID, NULL));
	map = rsm_import_view(&self->scene, SEGID, LENGTH);
	ASSERT_NE(MAP_FAILED, map);
	map[0] = 43;
	EXPECT_EQ(43, mem[0]);
	EXPECT_EQ(1, pread(memfd, &byte, 1, 0));
	EXPECT_EQ(0, byte);
}

/* Races, in loops short enough for each run */

#define ROUNDS 2000

struct race {
	const struct rsm_scene *scene;
	pthread_barrier_t barrier;
	volatile bool stop;
	int fd;
	int ret;
	long bad;
	void *mem;
	struct rsm_access_entry acl;
};

static void *race_connects(void *arg)
{
	struct race *race = arg;
	char *map;
	int fd, ret;

	while (!race->stop) {
		ret = rsm_connect(race->scene->fd, race->scene->controller,
				  race->scene->node, SEGID, RW, &fd, NULL);
		if (ret && ret != -ENOENT)
			race->bad = ret;
		if (ret)
			continue;
		map = rsm_map(fd, LENGTH, PROT_READ | PROT_WRITE);
		if (map != MAP_FAILED) {
			map[0] = 1;
			munmap(map, LENGTH);
		} else if (errno != ENODEV) {
			race->bad = -errno;
		}
		close(fd);
	}
	return NULL;
}

TEST_F(export, threat_29_30_connect_while_published_and_not)
{
	struct race race = { .scene = &self->scene };
	pthread_t threads[2];
	int i, fd;

	for (i = 0; i < 2; i++) {
		ASSERT_OK(pthread_create(&threads[i], NULL, race_connects,
					 &race));
	}
	for (i = 0; i < ROUNDS; i++) {
		fd = make(&self->scene, self->mem);
		EXPECT_OK(publish_as(fd, SEGID, NULL));
		if (i % 3 == 0)
			EXPECT_OK(rsm_unpublish(fd, NULL));
		if (i % 3 == 1)
			EXPECT_OK(rsm_destroy(fd, NULL));
		close(fd);
	}
	race.stop = true;
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(0, race.bad);
}

static void *race_flips(void *arg)
{
	struct race *race = arg;
	volatile struct rsm_access_entry *acl = &race->acl;
	unsigned int i;

	/* Now and then others get to run, for whom it is good, or bad. */
	for (i = 0; !race->stop; i++) {
		acl->node = race->scene->node;
		acl->perm = 0600;
		if (i % 256 == 0)
			sched_yield();
		acl->perm = 0111;
		acl->node = 7;
		if (i % 256 == 128)
			sched_yield();
	}
	return NULL;
}

/* What was checked is what is used. */
TEST_F(export, threat_54_access_list_changes_meanwhile)
{
	struct race race = { .scene = &self->scene, .acl = { 7, 0111 } };
	int fd = make(&self->scene, self->mem);
	int i, ret, taken = 0, refused_again = 0;
	long end = rsm_now_ms() + RSM_QUIET_MS;
	pthread_t thread;

	ASSERT_LE(0, fd);
	ASSERT_OK(publish_as(fd, SEGID, NULL));
	ASSERT_OK(pthread_create(&thread, NULL, race_flips, &race));
	for (i = 0; i < ROUNDS || (!refused_again && rsm_now_ms() < end); i++) {
		ret = rsm_republish(fd, &race.acl, 1, NULL);
		if (!ret)
			taken++;
		else
			refused_again += taken != 0;
		if (ret != -EINVAL)
			EXPECT_OK(ret);
		EXPECT_OK(try_connect(&self->scene, SEGID, NULL));
	}
	race.stop = true;
	pthread_join(thread, NULL);
	/* or else nothing has changed meanwhile */
	EXPECT_LT(0, taken);
	EXPECT_LT(0, refused_again);
}

static void *race_publishes(void *arg)
{
	struct race *race = arg;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(&race->barrier);
		race->ret = publish_as(race->fd, SEGID, NULL);
		pthread_barrier_wait(&race->barrier);
	}
	return NULL;
}

/* @fd and race->fd are published at once: one gets it, the other @expected. */
static long publish_against(struct race *race, int fd, int expected)
{
	pthread_t thread;
	long bad = 0;
	int i, ret;

	pthread_barrier_init(&race->barrier, NULL, 2);
	if (pthread_create(&thread, NULL, race_publishes, race))
		return -1;
	for (i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(&race->barrier);
		ret = publish_as(fd, SEGID, NULL);
		pthread_barrier_wait(&race->barrier);
		if ((ret || race->ret != expected) &&
		    (race->ret || ret != expected))
			bad++;
		rsm_unpublish(ret ? race->fd : fd, NULL);
	}
	pthread_join(thread, NULL);
	return bad;
}

TEST_F(export, threat_29_two_segments_for_one_id)
{
	struct race race = { .scene = &self->scene,
			     .fd = make(&self->scene, self->mem) };
	int fd = make(&self->scene, self->mem);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, publish_against(&race, fd, -EEXIST));
}

static void *race_uses(void *arg)
{
	struct race *race = arg;
	__u32 segid;

	while (!race->stop) {
		segid = 0;
		rsm_publish(race->fd, &segid, NULL, 0, NULL);
		rsm_rebind(race->fd, race->mem, LENGTH, NULL);
		rsm_republish(race->fd, NULL, 0, NULL);
		rsm_unpublish(race->fd, NULL);
	}
	return NULL;
}

/* All calls against the end of the segment, by destroy and by close. */
TEST_F(export, threat_32_33_calls_while_destroyed)
{
	struct race race = { .mem = self->mem };
	pthread_t threads[2];
	int i, k;

	for (i = 0; i < ROUNDS / 10; i++) {
		race.fd = make(&self->scene, self->mem);
		race.stop = false;
		ASSERT_LE(0, race.fd);
		for (k = 0; k < 2; k++) {
			ASSERT_OK(pthread_create(&threads[k], NULL, race_uses,
						 &race));
		}
		EXPECT_OK(i % 2 ? rsm_destroy(race.fd, NULL) : close(race.fd));
		race.stop = true;
		for (k = 0; k < 2; k++)
			pthread_join(threads[k], NULL);
		if (i % 2)
			close(race.fd);
	}
	EXPECT_TRUE(rsm_stats_settle(&self->scene.before));
}

/* Kinds of memory */

static void *kind_anonymous(size_t length)
{
	return rsm_alloc(length);
}

static void *kind_thp(size_t length)
{
	char *mem = rsm_alloc(length + HUGE_LENGTH);

	mem = (char *)(((uintptr_t)mem + HUGE_LENGTH - 1) & -HUGE_LENGTH);
	madvise(mem, length, MADV_HUGEPAGE);
	memset(mem, 1, length);
	return mem;
}

static void *map_shared(int fd, size_t length)
{
	void *mem = MAP_FAILED;

	if (fd >= 0 && !ftruncate(fd, length))
		mem = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			   0);
	close(fd);
	return mem;
}

static void *kind_memfd(size_t length)
{
	return map_shared(memfd_create("rsm", MFD_CLOEXEC), length);
}

static void *kind_hugetlb_memfd(size_t length)
{
	return map_shared(memfd_create("rsm", MFD_CLOEXEC | MFD_HUGETLB),
			  length);
}

static void *kind_hugetlb(size_t length)
{
	return mmap(NULL, length, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
}

static void *kind_shared_anonymous(size_t length)
{
	return mmap(NULL, length, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static void *kind_sysv(size_t length)
{
	int id = shmget(IPC_PRIVATE, length, IPC_CREAT | 0600);
	void *mem = id < 0 ? MAP_FAILED : shmat(id, NULL, 0);

	shmctl(id, IPC_RMID, NULL);
	return mem;
}

static void *kind_tmpfs(size_t length)
{
	return map_shared(open("/dev/shm", O_RDWR | O_TMPFILE | O_CLOEXEC,
			       0600),
			  length);
}

static void *kind_private_file(size_t length)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	void *mem = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd,
			 0);

	close(fd);
	return mem;
}

static void *kind_dev_zero(size_t length)
{
	int fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
	void *mem = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd,
			 0);

	close(fd);
	return mem;
}

static void *kind_read_only(size_t length)
{
	char *mem = rsm_alloc(length);

	mprotect(mem, length, PROT_READ);
	return mem;
}

/* The zero page must not be shared with others (threat 22). */
static void *kind_zero_page(size_t length)
{
	char *mem = rsm_alloc(length);
	size_t i;

	for (i = 0; i < length; i += PAGE)
		if (*(volatile char *)(mem + i))
			return MAP_FAILED;
	return mem;
}

static void *kind_none(size_t length)
{
	return mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
}

static void *kind_text(size_t length)
{
	uintptr_t addr = (uintptr_t)&pthread_create & -PAGE;

	(void)length;
	return (void *)addr;
}

static void *kind_vdso(size_t length)
{
	(void)length;
	return (void *)getauxval(AT_SYSINFO_EHDR);
}

/* The kernel's time data, just before the vdso. */
static void *kind_vvar(size_t length)
{
	return (char *)getauxval(AT_SYSINFO_EHDR) - length;
}

/* A file system with a page cache that is neither tmpfs nor hugetlbfs. */
static void *kind_shared_file(size_t length)
{
	void *mem = MAP_FAILED;

	mkdir("/tmp/ramfs", 0700);
	if (mount("none", "/tmp/ramfs", "ramfs", 0, NULL))
		return mem;
	mem = map_shared(open("/tmp/ramfs/file", O_RDWR | O_CREAT | O_CLOEXEC,
			      0600),
			 length);
	umount2("/tmp/ramfs", MNT_DETACH);
	return mem;
}

static void *kind_secret(size_t length)
{
	return map_shared(syscall(__NR_memfd_secret, O_CLOEXEC), length);
}

FIXTURE(memory)
{
	struct rsm_scene scene;
	char *mem;
};

FIXTURE_VARIANT(memory)
{
	void *(*map)(size_t length);
	size_t length;
	int err;
	__u32 error;
};

#define KIND(_kind, _length, _err, _error)                                     \
	{                                                                      \
		.map = kind_##_kind, .length = _length, .err = _err,           \
		.error = _error,                                               \
	}

FIXTURE_VARIANT_ADD(memory, anonymous)
	KIND(anonymous, LENGTH, 0, 0);
FIXTURE_VARIANT_ADD(memory, thp)
	KIND(thp, 2 * HUGE_LENGTH, 0, 0);
FIXTURE_VARIANT_ADD(memory, memfd)
	KIND(memfd, LENGTH, 0, 0);
FIXTURE_VARIANT_ADD(memory, hugetlb_memfd)
	KIND(hugetlb_memfd, 2 * HUGE_LENGTH, 0, 0);
FIXTURE_VARIANT_ADD(memory, hugetlb)
	KIND(hugetlb, 2 * HUGE_LENGTH, 0, 0);
FIXTURE_VARIANT_ADD(memory, shared_anonymous)
	KIND(shared_anonymous, LENGTH, 0, 0);
FIXTURE_VARIANT_ADD(memory, sysv)
	KIND(sysv, LENGTH, 0, 0);
FIXTURE_VARIANT_ADD(memory, tmpfs)
	KIND(tmpfs, LENGTH, 0, 0);
FIXTURE_VARIANT_ADD(memory, private_file)
	KIND(private_file, LENGTH, 0, 0);
FIXTURE_VARIANT_ADD(memory, dev_zero)
	KIND(dev_zero, LENGTH, 0, 0);
FIXTURE_VARIANT_ADD(memory, zero_page)
	KIND(zero_page, LENGTH, 0, 0);
FIXTURE_VARIANT_ADD(memory, read_only)
	KIND(read_only, LENGTH, EACCES, RSM_ERR_PERM_DENIED);
FIXTURE_VARIANT_ADD(memory, none)
	KIND(none, LENGTH, EACCES, RSM_ERR_PERM_DENIED);
FIXTURE_VARIANT_ADD(memory, text)
	KIND(text, PAGE, EACCES, RSM_ERR_PERM_DENIED);
FIXTURE_VARIANT_ADD(memory, vdso)
	KIND(vdso, PAGE, EACCES, RSM_ERR_PERM_DENIED);
FIXTURE_VARIANT_ADD(memory, vvar)
	KIND(vvar, PAGE, EFAULT, RSM_ERR_BAD_ADDR);
FIXTURE_VARIANT_ADD(memory, shared_file)
	KIND(shared_file, LENGTH, EFAULT, RSM_ERR_BAD_ADDR);
FIXTURE_VARIANT_ADD(memory, secret)
	KIND(secret, LENGTH, EFAULT, RSM_ERR_BAD_ADDR);

static void huge_pages(int count)
{
	FILE *file = fopen("/proc/sys/vm/nr_hugepages", "we");

	if (!file)
		return;
	fprintf(file, "%d\n", count);
	fclose(file);
}

FIXTURE_SETUP(memory)
{
	ASSERT_OK(rsm_scene_open(&self->scene));
	huge_pages(8);
	self->mem = variant->map(variant->length);
	if (self->mem == MAP_FAILED)
		SKIP(return, "no such memory here");
	ASSERT_NE(NULL, self->mem);
}

FIXTURE_TEARDOWN(memory)
{
	EXPECT_TRUE(rsm_scene_close(&self->scene));
	munmap(self->mem, variant->err ? 0 : variant->length);
	huge_pages(0);
}

/* Whatever is in it is seen by an importer, and the other way round. */
TEST_F(memory, threat_21_22_23_export)
{
	struct rsm_export exp;
	char *map;

	if (variant->err) {
		EXPECT_FAIL(variant->err, variant->error,
			    try_create(&self->scene, self->mem, variant->length,
				       &error));
		EXPECT_EQ(self->scene.vm_pin, rsm_vm_pin());
		return;
	}
	ASSERT_OK(rsm_export_mem(&self->scene, self->mem, variant->length,
				 &exp));
	rsm_stamp(self->mem, variant->length, 1);
	map = rsm_import_view(&self->scene, exp.segid, variant->length);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-1, rsm_stamp_check(map, variant->length, 1));
	rsm_stamp(map, variant->length, 2);
	EXPECT_EQ(-1, rsm_stamp_check(self->mem, variant->length, 2));
}

/* As the last page of a range whose others are fine: nothing stays pinned. */
TEST_F(memory, threat_27_behind_good_memory)
{
	struct rsm_stats before;
	char *mem;

	/* only what can be moved behind other memory */
	if (variant->map == kind_vdso || variant->map == kind_vvar ||
	    variant->map == kind_text || variant->length > LENGTH)
		return;
	mem = rsm_alloc(600 * PAGE + LENGTH);
	ASSERT_NE(MAP_FAILED, mem);
	ASSERT_EQ(mem + 600 * PAGE,
		  mremap(self->mem, LENGTH, LENGTH,
			 MREMAP_MAYMOVE | MREMAP_FIXED, mem + 600 * PAGE));
	rsm_stats_read(&before);
	EXPECT_EQ(-variant->err, try_create(&self->scene, mem,
					    600 * PAGE + LENGTH, NULL));
	EXPECT_TRUE(rsm_stats_settle(&before));
	EXPECT_EQ(self->scene.vm_pin, rsm_vm_pin());
	munmap(mem, 600 * PAGE + LENGTH);
	self->mem = rsm_alloc(variant->length);
}

/* Mappings of the module itself are no memory to export. */

TEST_F(export, threat_23_import_mapping)
{
	struct rsm_export exp;
	char *map;

	ASSERT_OK(rsm_export_new(&self->scene, LENGTH, 1, &exp));
	map = rsm_import_view(&self->scene, exp.segid, LENGTH);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    try_create(&self->scene, map, LENGTH, &error));
	/* also when it has been touched, and when it is aborted */
	map[0] = 1;
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    try_create(&self->scene, map, LENGTH, &error));
	ASSERT_OK(rsm_destroy(exp.fd, NULL));
	map[0] = 1;
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    try_create(&self->scene, map, LENGTH, &error));
}

TEST_F(export, threat_23_read_only_import_mapping)
{
	struct rsm_export exp;
	char *map;
	int fd;

	ASSERT_OK(rsm_export_new(&self->scene, LENGTH, 1, &exp));
	fd = rsm_import(&self->scene, exp.segid, RSM_RIGHT_READ);
	ASSERT_LE(0, fd);
	map = rsm_map(fd, LENGTH, PROT_READ);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
		    try_create(&self->scene, map, LENGTH, &error));
}

TEST_F(export, threat_23_status_page)
{
	const volatile struct rsm_status *status;
	struct rsm_export exp;

	ASSERT_OK(rsm_export_new(&self->scene, LENGTH, 1, &exp));
	status = rsm_map_status(exp.fd);
	ASSERT_NE(MAP_FAILED, (const void *)status);
	EXPECT_FAIL(EACCES, RSM_ERR_PERM_DENIED,
		    try_create(&self->scene, (const void *)status, PAGE,
			       &error));
}

/* Pages that are given back or replaced stay pinned: importers keep them. */
TEST_F(export, threat_17_exporter_unmaps)
{
	struct rsm_export exp;
	char *map;

	ASSERT_OK(rsm_export_new(&self->scene, LENGTH, 1, &exp));
	map = rsm_import_view(&self->scene, exp.segid, LENGTH);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_OK(madvise(exp.mem, PAGE, MADV_DONTNEED));
	EXPECT_EQ(-1, rsm_stamp_check(map, LENGTH, 1));
	EXPECT_OK(munmap(exp.mem, LENGTH));
	EXPECT_EQ(-1, rsm_stamp_check(map, LENGTH, 1));
	EXPECT_EQ(self->scene.vm_pin + 4, rsm_vm_pin());
	/* also for one that maps it only now */
	map = rsm_import_view(&self->scene, exp.segid, LENGTH);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-1, rsm_stamp_check(map, LENGTH, 1));
}

TEST_F(export, threat_17_file_truncated_and_punched)
{
	int fd = memfd_create("rsm", MFD_CLOEXEC);
	struct rsm_export exp;
	char *mem, *map;

	ASSERT_OK(ftruncate(fd, LENGTH));
	mem = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, mem);
	rsm_stamp(mem, LENGTH, 1);
	ASSERT_OK(rsm_export_mem(&self->scene, mem, LENGTH, &exp));
	map = rsm_import_view(&self->scene, exp.segid, LENGTH);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			    PAGE));
	EXPECT_OK(ftruncate(fd, 2 * PAGE));
	EXPECT_EQ(-1, rsm_stamp_check(map, LENGTH, 1));
	munmap(mem, LENGTH);
}

/* A page that a fork would share: the exporter keeps the pinned one. */
TEST_F(export, threat_14_exporter_forks)
{
	struct rsm_export exp;
	char *map;
	pid_t pid;

	ASSERT_OK(rsm_export_new(&self->scene, LENGTH, 1, &exp));
	map = rsm_import_view(&self->scene, exp.segid, LENGTH);
	ASSERT_NE(MAP_FAILED, map);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		/* a copy, not seen by others */
		rsm_stamp(exp.mem, LENGTH, 9);
		_exit(0);
	}
	rsm_stamp(exp.mem, LENGTH, 2);
	EXPECT_OK(rsm_wait_child(pid));
	EXPECT_EQ(-1, rsm_stamp_check(map, LENGTH, 2));
}

/*
 * 23: memory of which a page does not come, or must not be stored to, until
 * the one who holds a userfaultfd says so. That is the test process; a child
 * creates or rebinds.
 */
#define UFFD_PAGE 2
#define UFFD_FILL 5
#define UFFD_LATE 9
#define UFFD_STILL_MS 200
#define UFFD_BOUND_MS 20000

struct uffd_call {
	const struct rsm_scene *scene;
	int sockets[2];
	__u64 features;
	bool wp;
	bool rebind;
	__u32 segid;
	bool done;
	int ret;
	__u32 error;
};

FIXTURE(uffd)
{
	struct rsm_scene scene;
	struct uffd_call *call;
	pid_t pid;
	int uffd;
};

FIXTURE_VARIANT(uffd)
{
	bool wp;
	bool rebind;
};

FIXTURE_VARIANT_ADD(uffd, missing_create)
{
	.wp = false,
	.rebind = false,
};

FIXTURE_VARIANT_ADD(uffd, missing_rebind)
{
	.wp = false,
	.rebind = true,
};

FIXTURE_VARIANT_ADD(uffd, protected_create)
{
	.wp = true,
	.rebind = false,
};

FIXTURE_VARIANT_ADD(uffd, protected_rebind)
{
	.wp = true,
	.rebind = true,
};

FIXTURE_SETUP(uffd)
{
	ASSERT_OK(rsm_scene_open(&self->scene));
	self->pid = 0;
	self->uffd = -1;
	self->call = rsm_alloc_shared(PAGE);
	ASSERT_NE(MAP_FAILED, self->call);
	self->call->scene = &self->scene;
	self->call->wp = variant->wp;
	self->call->rebind = variant->rebind;
	ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
			     self->call->sockets));
}

FIXTURE_TEARDOWN(uffd)
{
	if (self->pid > 0) {
		kill(self->pid, SIGKILL);
		rsm_wait_child(self->pid);
	}
	EXPECT_TRUE(rsm_scene_close(&self->scene));
	munmap(self->call, PAGE);
}

/* Memory whose page UFFD_PAGE is under the userfaultfd *@uffd. */
static char *uffd_memory(const struct uffd_call *call, int *uffd)
{
	char *mem = rsm_alloc(LENGTH);
	char *page = mem + UFFD_PAGE * PAGE;
	int ret;

	*uffd = rsm_uffd_open(call->features);
	if (mem == MAP_FAILED || *uffd < 0)
		return NULL;
	memset(mem, UFFD_FILL, LENGTH);
	if (!call->wp)
		madvise(page, PAGE, MADV_DONTNEED);
	ret = rsm_uffd_register(*uffd, page, PAGE,
				call->wp ? UFFDIO_REGISTER_MODE_WP :
					   UFFDIO_REGISTER_MODE_MISSING);
	if (!ret && call->wp)
		ret = rsm_uffd_protect(*uffd, page, PAGE, true);
	return ret ? NULL : mem;
}

static int uffd_act(struct uffd_call *call, struct rsm_export *exp, char *mem)
{
	int ret;

	if (call->rebind)
		return rsm_rebind(exp->fd, mem, LENGTH, &call->error);
	ret = rsm_create(call->scene->fd, call->scene->controller, mem, LENGTH,
			 0, &exp->fd, &call->error);
	return ret ?: rsm_publish(exp->fd, &call->segid, NULL, 0, NULL);
}

/* Hand the userfaultfd over, and make the call that has to wait. */
static int run_uffd_call(void *arg)
{
	struct uffd_call *call = arg;
	struct rsm_export exp = { .fd = -1 };
	char *mem;
	int uffd;

	if (call->rebind) {
		if (rsm_export_new(call->scene, LENGTH, 1, &exp))
			return 1;
		call->segid = exp.segid;
	}
	mem = uffd_memory(call, &uffd);
	if (!mem || rsm_send_fd(call->sockets[1], uffd))
		return 2;
	close(uffd);
	call->ret = uffd_act(call, &exp, mem);
	__atomic_store_n(&call->done, true, __ATOMIC_RELEASE);
	return pause();
}

static bool uffd_done(const struct uffd_call *call)
{
	return __atomic_load_n(&call->done, __ATOMIC_ACQUIRE);
}

static bool uffd_wait_done(const struct uffd_call *call)
{
	long end = rsm_now_ms() + UFFD_BOUND_MS;

	while (!uffd_done(call) && rsm_now_ms() < end)
		rsm_sleep_ms(1);
	return uffd_done(call);
}

static void start_uffd_call(struct __test_metadata *_metadata,
			    FIXTURE_DATA(uffd) *self)
{
	self->pid = rsm_start_child(run_uffd_call, self->call);
	ASSERT_LT(0, self->pid);
	close(self->call->sockets[1]);
	self->uffd = rsm_receive_fd(self->call->sockets[0]);
	ASSERT_LE(0, self->uffd);
}

/* Start it, and see that it waits: where, is returned. */
static uintptr_t start_waiting_call(struct __test_metadata *_metadata,
				    FIXTURE_DATA(uffd) *self)
{
	uintptr_t page;

	start_uffd_call(_metadata, self);
	page = rsm_uffd_wait(self->uffd, UFFD_BOUND_MS);
	EXPECT_NE(0, page);
	rsm_sleep_ms(UFFD_STILL_MS);
	EXPECT_FALSE(uffd_done(self->call));
	return page;
}

/* All of the memory, with @late in the page that was waited for. */
static void check_uffd_import(struct __test_metadata *_metadata,
			      FIXTURE_DATA(uffd) *self, char late)
{
	char *map = rsm_import_view(&self->scene, self->call->segid, LENGTH);
	size_t i;

	ASSERT_NE(MAP_FAILED, map);
	for (i = 0; i < LENGTH; i += PAGE / 2)
		EXPECT_EQ(i / PAGE == UFFD_PAGE ? late : UFFD_FILL, map[i]);
}

/* What is seen later of a page that is not stored to. */
static char uffd_late(const struct uffd_call *call, char late)
{
	return call->wp ? UFFD_FILL : late;
}

static int let_page_come(const FIXTURE_DATA(uffd) *self, uintptr_t page)
{
	char late[PAGE] = { [0] = UFFD_LATE, [PAGE / 2] = UFFD_LATE };
	struct uffdio_copy copy = {
		.dst = page,
		.src = (uintptr_t)late,
		.len = PAGE,
	};

	if (self->call->wp)
		return rsm_uffd_protect(self->uffd, (void *)page, PAGE, false);
	return ioctl(self->uffd, UFFDIO_COPY, &copy) ? -errno : 0;
}

TEST_F(uffd, threat_23_page_comes_late)
{
	uintptr_t page = start_waiting_call(_metadata, self);

	EXPECT_OK(let_page_come(self, page));
	ASSERT_TRUE(uffd_wait_done(self->call));
	ASSERT_EQ(0, self->call->ret);
	check_uffd_import(_metadata, self, uffd_late(self->call, UFFD_LATE));
}

/* Whoever would have to say so is gone. */
TEST_F(uffd, threat_23_page_is_left_alone)
{
	start_waiting_call(_metadata, self);
	close(self->uffd);
	ASSERT_TRUE(uffd_wait_done(self->call));
	ASSERT_EQ(0, self->call->ret);
	check_uffd_import(_metadata, self, uffd_late(self->call, 0));
}

TEST_F(uffd, threat_23_killed)
{
	start_waiting_call(_metadata, self);
	kill(self->pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, rsm_wait_child(self->pid));
	self->pid = 0;
	EXPECT_TRUE(rsm_stats_settle(&self->scene.before));
}

/* Instead of waiting there is an error, and the call changes nothing. */
TEST_F(uffd, threat_23_page_is_refused)
{
	struct rsm_stats *before = &self->scene.before;
	char *map;

	self->call->features = UFFD_FEATURE_SIGBUS;
	start_uffd_call(_metadata, self);
	ASSERT_TRUE(uffd_wait_done(self->call));
	EXPECT_EQ(-EFAULT, self->call->ret);
	EXPECT_EQ(RSM_ERR_BAD_ADDR, self->call->error);
	if (!variant->rebind) {
		EXPECT_TRUE(rsm_stats_settle(before));
		return;
	}
	map = rsm_import_view(&self->scene, self->call->segid, LENGTH);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-1, rsm_stamp_check(map, LENGTH, 1));
	EXPECT_EQ(before->page_sets + 1, rsm_stat("page_sets"));
	EXPECT_EQ(before->pinned_pages + LENGTH / PAGE,
		  rsm_stat("pinned_pages"));
}

/*
 * 47: memory of some 100 MiB, and death at several points of its creation.
 * How far it got is told by its page faults.
 */
struct large {
	const struct rsm_scene *scene;
	size_t length;
	__u32 segid;
};

static int create_large(void *arg)
{
	struct large *large = arg;
	void *mem = rsm_alloc(large->length);
	int fd;

	madvise(mem, large->length, MADV_NOHUGEPAGE);
	if (rsm_create(large->scene->fd, large->scene->controller, mem,
		       large->length, 0, &fd, NULL))
		return 1;
	if (rsm_publish(fd, &large->segid, NULL, 0, NULL))
		return 2;
	return pause();
}

/* Kill it when it has @part of its pages: the number that it had, or -1. */
static long kill_in_create(struct large *large, size_t part)
{
	pid_t pid = rsm_start_child(create_large, large);
	struct rusage usage;
	int status;

	while (rsm_proc_status(pid, "VmRSS") * 1024 < (long)part)
		rsm_sleep_ms(1);
	kill(pid, SIGKILL);
	if (wait4(pid, &status, 0, &usage) != pid || !WIFSIGNALED(status))
		return -1;
	return usage.ru_minflt;
}

TEST_F_TIMEOUT(export, threat_47_killed_in_the_creation_of_much_memory, 300)
{
	long before = rsm_param("max_exported_memory", 0);
	struct large large = {
		.scene = &self->scene,
		.length = rsm_large_length(1),
	};
	long faults, pages = large.length / PAGE;
	int eighth;

	printf("# %zu MiB\n", large.length >> 20);
	for (eighth = 1; eighth < 6; eighth += 2) {
		faults = kill_in_create(&large, large.length / 8 * eighth);
		printf("# killed after %ld of %ld pages\n", faults, pages);
		EXPECT_LT(pages / 16 * eighth, faults);
		EXPECT_GT(pages / 8 * (eighth + 2), faults);
		EXPECT_TRUE(rsm_stats_settle(&self->scene.before));
	}
	rsm_param("max_exported_memory", before);
}

/* And of its creator, with importers that have mapped all of it. */
TEST_F_TIMEOUT(export, threat_47_killed_with_much_memory, 300)
{
	long before = rsm_param("max_exported_memory", 0);
	struct large *large = rsm_alloc_shared(PAGE);
	char *map;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, large);
	large->scene = &self->scene;
	large->length = rsm_large_length(1);
	pid = rsm_start_child(create_large, large);
	while (!__atomic_load_n(&large->segid, __ATOMIC_ACQUIRE))
		rsm_sleep_ms(1);
	map = rsm_import_view(&self->scene, large->segid, large->length);
	ASSERT_NE(MAP_FAILED, map);
	rsm_stamp(map, large->length, 1);
	EXPECT_EQ(-1, rsm_stamp_check(map, large->length, 1));
	kill(pid, SIGKILL);
	EXPECT_EQ(-SIGKILL, rsm_wait_child(pid));
	EXPECT_EQ(self->scene.before.pinned_pages, rsm_stat("pinned_pages"));
	EXPECT_TRUE(rsm_is_zero(map, large->length));
	rsm_param("max_exported_memory", before);
}

TEST_HARNESS_MAIN
