// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rules that all ioctls share. Driven by one table: a new ioctl without a row
 * does not build.
 */
#include "rsm_utils.h"
#include "uapi_layout.h"

#include <assert.h>
#include <dirent.h>
#include <stddef.h>
#include <sys/resource.h>

#define LENGTH (4 * 4096)
#define BUFFER 8192
#define RW (RSM_RIGHT_READ | RSM_RIGHT_WRITE)

/* Numbers of ioctls for tests only, see kernel/rsm_test.h. */
#define TEST_NR 0xF0

/* Of descriptors, and sets of these. */
enum kind { CONTROL, EXPORT, IMPORT, TICKET, KINDS };

enum {
	ON_EXPORT = 1 << EXPORT,
	ON_IMPORT = 1 << IMPORT,
	ON_TICKET = 1 << TICKET,
	ON_BOTH = ON_EXPORT | ON_IMPORT,
};

FIXTURE(uapi)
{
	struct rsm_scene scene;
	char *mem;
	char *mem2;
};

FIXTURE_SETUP(uapi)
{
	ASSERT_OK(rsm_scene_open(&self->scene));
	self->mem = rsm_alloc(LENGTH);
	ASSERT_NE(MAP_FAILED, self->mem);
	self->mem2 = rsm_alloc(LENGTH);
	ASSERT_NE(MAP_FAILED, self->mem2);
}

FIXTURE_TEARDOWN(uapi)
{
	EXPECT_TRUE(rsm_scene_close(&self->scene));
}

typedef FIXTURE_DATA(uapi) uapi_self;

/* A call that is about to be made: its segment, and where it goes. */
struct call {
	int fds[KINDS];
	int target;
	__u32 segid;
	struct rsm_copy_vec vec;
	struct rsm_node node;
	char cmd[BUFFER];
};

static void fill_info(const uapi_self *self, const struct call *call, void *arg)
{
	struct rsm_controller_info *cmd = arg;

	(void)self;
	(void)call;
	strcpy(cmd->name, "loopback");
}

static void fill_nodes(const uapi_self *self, const struct call *call,
		       void *arg)
{
	struct rsm_controller_nodes *cmd = arg;

	cmd->controller = self->scene.controller;
	cmd->nodes = (uintptr_t)&call->node;
	cmd->node_count = 1;
}

static void fill_create(const uapi_self *self, const struct call *call,
			void *arg)
{
	struct rsm_export_create *cmd = arg;

	(void)call;
	cmd->controller = self->scene.controller;
	cmd->vaddr = (uintptr_t)self->mem;
	cmd->length = LENGTH;
}

static void fill_rebind(const uapi_self *self, const struct call *call,
			void *arg)
{
	struct rsm_export_rebind *cmd = arg;

	(void)call;
	cmd->vaddr = (uintptr_t)self->mem2;
	cmd->length = LENGTH;
}

static void fill_connect(const uapi_self *self, const struct call *call,
			 void *arg)
{
	struct rsm_import_connect *cmd = arg;

	cmd->controller = self->scene.controller;
	cmd->node = self->scene.node;
	cmd->segid = call->segid;
	cmd->perm = RW;
}

static void fill_copy(const uapi_self *self, const struct call *call, void *arg)
{
	struct rsm_import_copy *cmd = arg;

	(void)self;
	cmd->vec = (uintptr_t)&call->vec;
	cmd->vec_count = 1;
}

/* There is one to take. */
static void fill_wait(const uapi_self *self, const struct call *call, void *arg)
{
	bool of_export = call->target == call->fds[EXPORT];

	(void)self;
	(void)arg;
	rsm_post(call->fds[of_export ? IMPORT : EXPORT], 0, NULL);
}

static void fill_unlock(const uapi_self *self, const struct call *call,
			void *arg)
{
	(void)self;
	(void)arg;
	rsm_lock(call->target, 0, 0, NULL, NULL);
}

static void fill_grant(const uapi_self *self, const struct call *call,
		       void *arg)
{
	struct rsm_export_grant *cmd = arg;

	(void)self;
	(void)call;
	cmd->rights = RW;
}

static void fill_ticket_connect(const uapi_self *self, const struct call *call,
				void *arg)
{
	struct rsm_ticket_connect *cmd = arg;

	(void)self;
	(void)call;
	cmd->perm = RW;
}

static void fill_nothing(const uapi_self *self, const struct call *call,
			 void *arg)
{
	(void)self;
	(void)call;
	(void)arg;
}

/**
 * struct row - an ioctl
 * @name: for messages
 * @nr: number of the ioctl
 * @size: of its structure
 * @error: offset of out_error
 * @reserved: offset of __reserved, or 0
 * @out_fd: offset of out_fd, or 0
 * @flags: that it knows
 * @kinds: of descriptors that it is for; 0: the control node
 * @published: it needs a published segment, else one that is not
 * @fill: fill in a zeroed structure, but for its size, for success
 */
struct row {
	char name[20];
	unsigned long nr;
	__u32 size;
	__u32 error;
	__u32 reserved;
	__u32 out_fd;
	__u32 flags;
	__u32 kinds;
	bool published;
	void (*fill)(const uapi_self *self, const struct call *call, void *arg);
};

#define ROW(_nr, _struct, ...)                                                 \
	[RSM_CMD_##_nr - RSM_CMD_BASE] = {                                     \
		.name = #_nr,                                                  \
		.nr = RSM_##_nr,                                               \
		.size = sizeof(struct _struct),                                \
		.error = offsetof(struct _struct, out_error),                  \
		__VA_ARGS__                                                    \
	}

static const struct row rows[] = {
	ROW(CONTROLLER_INFO, rsm_controller_info, .fill = fill_info,
	    .reserved = offsetof(struct rsm_controller_info, __reserved)),
	ROW(EXPORT_CREATE, rsm_export_create, .fill = fill_create,
	    .reserved = offsetof(struct rsm_export_create, __reserved),
	    .out_fd = offsetof(struct rsm_export_create, out_fd),
	    .flags = RSM_EXPORT_ALLOW_REBIND | RSM_EXPORT_DONTWAIT |
		     RSM_EXPORT_LOCK_OPS),
	ROW(EXPORT_REBIND, rsm_export_rebind, .fill = fill_rebind,
	    .reserved = offsetof(struct rsm_export_rebind, __reserved),
	    .kinds = ON_EXPORT),
	ROW(EXPORT_PUBLISH, rsm_export_publish, .fill = fill_nothing,
	    .kinds = ON_EXPORT),
	ROW(EXPORT_REPUBLISH, rsm_export_republish, .fill = fill_nothing,
	    .kinds = ON_EXPORT, .published = true),
	ROW(EXPORT_UNPUBLISH, rsm_export_unpublish, .fill = fill_nothing,
	    .reserved = offsetof(struct rsm_export_unpublish, __reserved),
	    .kinds = ON_EXPORT, .published = true),
	ROW(EXPORT_DESTROY, rsm_export_destroy, .fill = fill_nothing,
	    .reserved = offsetof(struct rsm_export_destroy, __reserved),
	    .kinds = ON_EXPORT),
	ROW(IMPORT_CONNECT, rsm_import_connect, .fill = fill_connect,
	    .out_fd = offsetof(struct rsm_import_connect, out_fd),
	    .published = true),
	ROW(IMPORT_PUT, rsm_import_copy, .fill = fill_copy,
	    .reserved = offsetof(struct rsm_import_copy, __reserved),
	    .kinds = ON_IMPORT, .published = true),
	ROW(IMPORT_GET, rsm_import_copy, .fill = fill_copy,
	    .reserved = offsetof(struct rsm_import_copy, __reserved),
	    .kinds = ON_IMPORT, .published = true),
	ROW(IMPORT_ATOMIC, rsm_import_atomic, .fill = fill_nothing,
	    .kinds = ON_IMPORT, .published = true),
	ROW(SIGNAL_POST, rsm_signal_post, .fill = fill_nothing,
	    .reserved = offsetof(struct rsm_signal_post, __reserved),
	    .flags = RSM_SIGNAL_NO_ACCUMULATE,
	    .kinds = ON_BOTH, .published = true),
	ROW(SIGNAL_WAIT, rsm_signal_wait, .fill = fill_wait,
	    .reserved = offsetof(struct rsm_signal_wait, __reserved),
	    .kinds = ON_BOTH, .published = true),
	ROW(LOCK, rsm_lock, .fill = fill_nothing,
	    .flags = RSM_LOCK_TRY, .kinds = ON_BOTH, .published = true),
	ROW(UNLOCK, rsm_unlock, .fill = fill_unlock,
	    .reserved = offsetof(struct rsm_unlock, __reserved),
	    .kinds = ON_BOTH, .published = true),
	ROW(EXPORT_GRANT, rsm_export_grant, .fill = fill_grant,
	    .reserved = offsetof(struct rsm_export_grant, __reserved),
	    .out_fd = offsetof(struct rsm_export_grant, out_fd),
	    .kinds = ON_EXPORT, .published = true),
	ROW(TICKET_CONNECT, rsm_ticket_connect, .fill = fill_ticket_connect,
	    .reserved = offsetof(struct rsm_ticket_connect, __reserved),
	    .out_fd = offsetof(struct rsm_ticket_connect, out_fd),
	    .kinds = ON_TICKET, .published = true),
	ROW(CONTROLLER_FIND, rsm_controller_find, .fill = fill_nothing,
	    .reserved = offsetof(struct rsm_controller_find, __reserved)),
	ROW(CONTROLLER_NODES, rsm_controller_nodes, .fill = fill_nodes),
	ROW(IMPORT_FENCE, rsm_import_fence, .fill = fill_nothing,
	    .reserved = offsetof(struct rsm_import_fence, __reserved),
	    .kinds = ON_IMPORT, .published = true),
};

static_assert(ARRAY_SIZE(rows) == RSM_CMD_IMPORT_FENCE - RSM_CMD_BASE + 1,
	      "each ioctl has a row");

#define for_each_row(_row)                                                     \
	for (_row = rows; _row < rows + ARRAY_SIZE(rows); _row++)

/* A segment, and an import and a ticket of it if it is published. */
static int make_fds(const uapi_self *self, bool published, struct call *call)
{
	int ret;

	call->fds[CONTROL] = self->scene.fd;
	call->fds[IMPORT] = -1;
	call->fds[TICKET] = -1;
	ret = rsm_create(self->scene.fd, self->scene.controller, self->mem,
			 LENGTH, RSM_EXPORT_ALLOW_REBIND | RSM_EXPORT_LOCK_OPS,
			 &call->fds[EXPORT], NULL);
	if (ret || !published)
		return ret;
	ret = rsm_publish(call->fds[EXPORT], &call->segid, NULL, 0, NULL) ?:
	      rsm_grant(call->fds[EXPORT], RW, &call->fds[TICKET], NULL);
	call->fds[IMPORT] = rsm_import(&self->scene, call->segid, RW);
	return ret;
}

static bool is_for(const struct row *row, enum kind kind)
{
	return row->kinds ? row->kinds & 1 << kind : kind == CONTROL;
}

/*
 * Make the segment that @row needs and fill in @call for a success on a
 * descriptor of this kind.
 */
static int begin_on(const uapi_self *self, const struct row *row,
		    enum kind kind, struct call *call)
{
	int ret;

	memset(call, 0, sizeof(*call));
	ret = make_fds(self, row->published, call);
	call->target = call->fds[kind];
	memcpy(call->cmd, &row->size, sizeof(row->size));
	row->fill(self, call, call->cmd);
	return ret;
}

static int begin(const uapi_self *self, const struct row *row,
		 struct call *call)
{
	enum kind kind = CONTROL;

	while (!is_for(row, kind))
		kind++;
	return begin_on(self, row, kind, call);
}

static __u32 get_u32(const void *buffer, __u32 offset)
{
	__u32 value;

	memcpy(&value, (const char *)buffer + offset, sizeof(value));
	return value;
}

static void set_u32(void *buffer, __u32 offset, __u32 value)
{
	memcpy((char *)buffer + offset, &value, sizeof(value));
}

static int run_at(const struct row *row, const struct call *call, void *buffer)
{
	return ioctl(call->target, row->nr, buffer) ? -errno : 0;
}

static int run(const struct row *row, struct call *call)
{
	return run_at(row, call, call->cmd);
}

static void end(const struct row *row, const struct call *call, int ret)
{
	if (!ret && row->out_fd)
		close(get_u32(call->cmd, row->out_fd));
	close(call->fds[TICKET]);
	close(call->fds[IMPORT]);
	close(call->fds[EXPORT]);
}

/* begin(), run() with the size field as @size, end(). */
static int run_size(const uapi_self *self, const struct row *row, __u32 size)
{
	struct call call;
	int ret = begin(self, row, &call);

	if (ret)
		return ret;
	set_u32(call.cmd, 0, size);
	ret = run(row, &call);
	end(row, &call, ret);
	return ret;
}

/* The same with @value at @offset. */
static int run_value(const uapi_self *self, const struct row *row, __u32 size,
		     __u32 offset, __u32 value)
{
	struct call call;
	int ret = begin(self, row, &call);

	if (ret)
		return ret;
	set_u32(call.cmd, 0, size);
	memcpy(call.cmd + offset, &value, offset < row->size ? 4 : 1);
	ret = run(row, &call);
	end(row, &call, ret);
	return ret;
}

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count;
}

TEST_F(uapi, each_row_works)
{
	const struct row *row;

	for_each_row(row) {
		EXPECT_OK(run_size(self, row, row->size))
			TH_LOG("%s", row->name);
	}
}

TEST_F(uapi, each_row_works_on_each_kind)
{
	const struct row *row;
	enum kind kind;
	struct call call;

	for_each_row(row)
		for (kind = CONTROL; kind < KINDS; kind++) {
			if (!is_for(row, kind))
				continue;
			ASSERT_OK(begin_on(self, row, kind, &call));
			EXPECT_OK(run(row, &call))
				TH_LOG("%s %d", row->name, kind);
			end(row, &call, 0);
		}
}

TEST_F(uapi, size_too_short)
{
	static const __u32 sizes[] = { 0, 1, 4, 8 };
	const struct row *row;
	unsigned int i;

	for_each_row(row) {
		EXPECT_EQ(-EINVAL, run_size(self, row, row->size - 1))
			TH_LOG("%s", row->name);
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			EXPECT_EQ(-EINVAL, run_size(self, row, sizes[i]))
				TH_LOG("%s %u", row->name, sizes[i]);
		}
	}
}

TEST_F(uapi, size_longer_with_garbage)
{
	const struct row *row;

	for_each_row(row) {
		EXPECT_EQ(-E2BIG, run_value(self, row, row->size + 1,
					    row->size, 1))
			TH_LOG("%s", row->name);
		EXPECT_EQ(-E2BIG, run_value(self, row, 4096, 4095, 1))
			TH_LOG("%s", row->name);
	}
}

TEST_F(uapi, size_longer_with_zeroes)
{
	const struct row *row;

	for_each_row(row) {
		EXPECT_OK(run_size(self, row, row->size + 1))
			TH_LOG("%s", row->name);
		EXPECT_OK(run_size(self, row, row->size + 8))
			TH_LOG("%s", row->name);
		EXPECT_OK(run_size(self, row, 4096)) TH_LOG("%s", row->name);
		/* what lies behind the structure does not matter */
		EXPECT_OK(run_value(self, row, row->size + 1, row->size + 1, 1))
			TH_LOG("%s", row->name);
	}
}

TEST_F(uapi, size_huge)
{
	static const __u32 sizes[] = { 4097, 1 << 20, 1U << 31, ~0U };
	const struct row *row;
	unsigned int i;

	for_each_row(row)
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			EXPECT_EQ(-E2BIG, run_size(self, row, sizes[i]))
				TH_LOG("%s %u", row->name, sizes[i]);
		}
}

TEST_F(uapi, threat_53_unknown_flags)
{
	const struct row *row;
	__u32 bit;

	for_each_row(row)
		for (bit = 1; bit; bit <<= 1) {
			EXPECT_EQ(row->flags & bit ? 0 : -EOPNOTSUPP,
				  run_value(self, row, row->size, 4, bit))
				TH_LOG("%s %#x", row->name, bit);
		}
}

TEST_F(uapi, threat_53_reserved_fields)
{
	const struct row *row;
	__u32 bit;

	for_each_row(row)
		for (bit = 1; bit && row->reserved; bit <<= 1) {
			EXPECT_EQ(-EOPNOTSUPP, run_value(self, row, row->size,
							 row->reserved, bit))
				TH_LOG("%s %#x", row->name, bit);
		}
}

/* Rules on the structure come before everything that it says. */
TEST_F(uapi, structure_is_judged_first)
{
	struct rsm_export_create cmd = { .size = sizeof(cmd), .flags = 1 << 9,
					 .controller = 77 };

	EXPECT_EQ(-EOPNOTSUPP, rsm_cmd(self->scene.fd, RSM_EXPORT_CREATE, &cmd,
				       NULL, NULL));
	cmd.size--;
	EXPECT_EQ(-EINVAL, rsm_cmd(self->scene.fd, RSM_EXPORT_CREATE, &cmd,
				   NULL, NULL));
	cmd.size = 8192;
	EXPECT_EQ(-E2BIG, rsm_cmd(self->scene.fd, RSM_EXPORT_CREATE, &cmd,
				  NULL, NULL));
}

TEST_F(uapi, bad_pointer)
{
	char *page = rsm_alloc(2 * rsm_page_size());
	const struct row *row;
	struct call call;
	long segments;
	int fds;

	munmap(page + rsm_page_size(), rsm_page_size());
	for_each_row(row) {
		/* only the size can be read, or all but the last byte */
		char *size_only = page + rsm_page_size() - 4;
		char *no_last = page + rsm_page_size() - row->size + 1;

		ASSERT_OK(begin(self, row, &call));
		fds = count_fds();
		segments = rsm_stat("segments");
		EXPECT_EQ(-EFAULT, run_at(row, &call, NULL))
			TH_LOG("%s", row->name);
		EXPECT_EQ(-EFAULT, run_at(row, &call, (void *)1))
			TH_LOG("%s", row->name);
		EXPECT_EQ(-EFAULT, run_at(row, &call, (void *)-4096UL))
			TH_LOG("%s", row->name);
		EXPECT_EQ(-EFAULT, run_at(row, &call, (void *)~0UL))
			TH_LOG("%s", row->name);
		set_u32(size_only, 0, row->size);
		EXPECT_EQ(-EFAULT, run_at(row, &call, size_only))
			TH_LOG("%s", row->name);
		memcpy(no_last, call.cmd, row->size - 1);
		EXPECT_EQ(-EFAULT, run_at(row, &call, no_last))
			TH_LOG("%s", row->name);
		EXPECT_EQ(fds, count_fds()) TH_LOG("%s", row->name);
		EXPECT_EQ(segments, rsm_stat("segments"))
			TH_LOG("%s", row->name);
		/* nothing has happened: the call still works */
		EXPECT_OK(run(row, &call)) TH_LOG("%s", row->name);
		end(row, &call, 0);
	}
	munmap(page, rsm_page_size());
}

TEST_F(uapi, threat_28_read_only_buffer)
{
	char *page = rsm_alloc(rsm_page_size());
	const struct row *row;
	struct rsm_stats before, after;
	struct call call;
	int fds;

	for_each_row(row) {
		ASSERT_OK(begin(self, row, &call));
		memcpy(page, call.cmd, row->size);
		ASSERT_OK(mprotect(page, rsm_page_size(), PROT_READ));
		fds = count_fds();
		rsm_stats_read(&before);
		EXPECT_EQ(-EFAULT, run_at(row, &call, page))
			TH_LOG("%s", row->name);
		rsm_stats_read(&after);
		EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)))
			TH_LOG("%s", row->name);
		EXPECT_EQ(fds, count_fds()) TH_LOG("%s", row->name);
		ASSERT_OK(mprotect(page, rsm_page_size(),
				   PROT_READ | PROT_WRITE));
		EXPECT_OK(run(row, &call)) TH_LOG("%s", row->name);
		end(row, &call, 0);
	}
	munmap(page, rsm_page_size());
}

/* The answer cannot be written, which is noticed only at the end. */
TEST_F(uapi, threat_28_start_of_buffer_read_only)
{
	char *page = rsm_alloc(2 * rsm_page_size());
	struct rsm_stats before, after;
	const struct row *row;
	struct call call;
	char *buffer;
	int fds;

	for_each_row(row) {
		if (!row->out_fd)
			continue;
		/* out_error is the first field on the second page */
		buffer = page + rsm_page_size() - row->error;
		ASSERT_OK(begin(self, row, &call));
		memcpy(buffer, call.cmd, row->size);
		ASSERT_OK(mprotect(page, rsm_page_size(), PROT_READ));
		fds = count_fds();
		rsm_stats_read(&before);
		EXPECT_EQ(-EFAULT, run_at(row, &call, buffer))
			TH_LOG("%s", row->name);
		EXPECT_EQ(fds, count_fds()) TH_LOG("%s", row->name);
		rsm_stats_read(&after);
		EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)))
			TH_LOG("%s", row->name);
		ASSERT_OK(mprotect(page, rsm_page_size(),
				   PROT_READ | PROT_WRITE));
		end(row, &call, -EFAULT);
	}
	munmap(page, 2 * rsm_page_size());
}

/* Every ioctl on every kind of descriptor that it is not for. */
TEST_F(uapi, wrong_kind_of_descriptor)
{
	struct call others = { 0 };
	const struct row *row;
	struct call call;
	enum kind kind;
	int null;

	ASSERT_OK(make_fds(self, true, &others));
	null = open("/dev/null", O_RDWR);
	ASSERT_LE(0, null);
	for_each_row(row) {
		ASSERT_OK(begin(self, row, &call));
		for (kind = CONTROL; kind < KINDS; kind++) {
			if (is_for(row, kind))
				continue;
			call.target = others.fds[kind];
			EXPECT_EQ(-ENOTTY, run(row, &call))
				TH_LOG("%s %d", row->name, kind);
			/* before the structure is looked at */
			EXPECT_EQ(-ENOTTY, run_at(row, &call, NULL))
				TH_LOG("%s %d", row->name, kind);
		}
		call.target = null;
		EXPECT_EQ(-ENOTTY, run(row, &call)) TH_LOG("%s", row->name);
		call.target = -1;
		EXPECT_EQ(-EBADF, run(row, &call)) TH_LOG("%s", row->name);
		end(row, &call, -ENOTTY);
	}
}

static bool has_row(unsigned int nr)
{
	return nr - RSM_CMD_BASE < ARRAY_SIZE(rows);
}

/* An ioctl that is in the kernel and not in the table above is found here. */
TEST_F(uapi, unknown_numbers)
{
	struct call call = { 0 };
	enum kind kind;
	unsigned int nr;

	ASSERT_OK(make_fds(self, true, &call));
	for (kind = CONTROL; kind < KINDS; kind++)
		for (nr = 0; nr < 256; nr++) {
			if (has_row(nr) || nr >= TEST_NR)
				continue;
			EXPECT_EQ(-1, ioctl(call.fds[kind],
					    _IO(RSM_TYPE, nr), NULL));
			EXPECT_EQ(ENOTTY, errno) TH_LOG("%d %#x", kind, nr);
		}
}

TEST_F(uapi, wrong_type_or_size_bits)
{
	static const unsigned long flips[] = {
		1UL << _IOC_TYPESHIFT, 0x80UL << _IOC_TYPESHIFT,
		(unsigned long)_IOC_READ << _IOC_DIRSHIFT,
		(unsigned long)_IOC_WRITE << _IOC_DIRSHIFT,
		8UL << _IOC_SIZESHIFT, 0x2000UL << _IOC_SIZESHIFT,
	};
	const struct row *row;
	struct call call;
	unsigned int i;

	for_each_row(row) {
		ASSERT_OK(begin(self, row, &call));
		for (i = 0; i < ARRAY_SIZE(flips); i++) {
			struct row other = *row;

			other.nr ^= flips[i];
			EXPECT_EQ(-ENOTTY, run(&other, &call))
				TH_LOG("%s %#lx", row->name, other.nr);
		}
		end(row, &call, -ENOTTY);
	}
}

/* Take every descriptor below the limit; the last one is returned. */
static int fill_fd_table(int fd, unsigned int limit)
{
	struct rlimit rlimit = { limit, limit };
	int last = -1, next;

	if (setrlimit(RLIMIT_NOFILE, &rlimit))
		return -errno;
	while ((next = dup(fd)) >= 0)
		last = next;
	return last;
}

TEST_F(uapi, threat_28_fd_table_full)
{
	const struct row *row;
	struct call call;
	int last, i;

	for_each_row(row) {
		if (!row->out_fd)
			continue;
		ASSERT_OK(begin(self, row, &call));
		last = fill_fd_table(self->scene.fd, 64);
		ASSERT_LT(0, last);
		for (i = 0; i < 16; i++) {
			EXPECT_EQ(-EMFILE, run(row, &call))
				TH_LOG("%s", row->name);
		}
		EXPECT_EQ(RSM_ERR_INSUFFICIENT_RESOURCES,
			  get_u32(call.cmd, row->error))
			TH_LOG("%s", row->name);
		EXPECT_EQ(~0U, get_u32(call.cmd, row->out_fd))
			TH_LOG("%s", row->name);
		close(last);
		EXPECT_OK(run(row, &call)) TH_LOG("%s", row->name);
		end(row, &call, 0);
		close_range(self->scene.fd + 1, ~0U, 0);
		EXPECT_TRUE(rsm_stats_settle(&self->scene.before))
			TH_LOG("%s", row->name);
	}
}

/* The buffer is memory of the segment that the call is about. */
TEST_F(uapi, threat_44_buffer_in_an_import)
{
	const struct row *row;
	struct call call;
	__u32 segid;
	char *map;
	int imp, ret;

	for_each_row(row) {
		ASSERT_OK(begin(self, row, &call));
		segid = call.segid;
		if (!row->published) {
			ASSERT_OK(rsm_publish(call.fds[EXPORT], &segid, NULL, 0,
					      NULL));
		}
		imp = rsm_import(&self->scene, segid, RW);
		ASSERT_LE(0, imp);
		map = rsm_map(imp, LENGTH, PROT_READ | PROT_WRITE);
		ASSERT_NE(MAP_FAILED, map);
		memset(map, 0, LENGTH);
		/* across two pages of it */
		memcpy(map + 4096 - 8, call.cmd, row->size);
		ret = run_at(row, &call, map + 4096 - 8);
		/* what has been published for the import is published */
		EXPECT_EQ(row->nr == RSM_EXPORT_PUBLISH ? -EBUSY : 0, ret)
			TH_LOG("%s", row->name);
		memcpy(call.cmd, map + 4096 - 8, row->size);
		end(row, &call, ret);
		munmap(map, LENGTH);
		close(imp);
	}
}

TEST_F(uapi, threat_44_access_list_in_an_import)
{
	struct rsm_access_entry *acl;
	struct rsm_export exp;

	ASSERT_OK(rsm_export_new(&self->scene, LENGTH, 1, &exp));
	acl = rsm_import_view(&self->scene, exp.segid, LENGTH);
	ASSERT_NE(MAP_FAILED, acl);
	acl->node = self->scene.node;
	acl->perm = 0640;
	EXPECT_OK(rsm_republish(exp.fd, acl, 1, NULL));
	EXPECT_OK(rsm_unpublish(exp.fd, NULL));
	/* the private page of an aborted import can be read as well */
	acl->node = self->scene.node;
	acl->perm = 0600;
	exp.segid = 0;
	EXPECT_OK(rsm_publish(exp.fd, &exp.segid, acl, 1, NULL));
}

TEST_F(uapi, new_descriptors_are_close_on_exec)
{
	const struct row *row;
	struct call call;

	for_each_row(row) {
		if (!row->out_fd)
			continue;
		ASSERT_OK(begin(self, row, &call));
		ASSERT_OK(run(row, &call));
		EXPECT_EQ(FD_CLOEXEC,
			  fcntl(get_u32(call.cmd, row->out_fd), F_GETFD))
			TH_LOG("%s", row->name);
		end(row, &call, 0);
	}
}

TEST_F(uapi, out_error_is_zero_on_success)
{
	const struct row *row;
	struct call call;

	for_each_row(row) {
		ASSERT_OK(begin(self, row, &call));
		set_u32(call.cmd, row->error, 0xdeadbeef);
		EXPECT_OK(run(row, &call)) TH_LOG("%s", row->name);
		EXPECT_EQ(0, get_u32(call.cmd, row->error))
			TH_LOG("%s", row->name);
		end(row, &call, 0);
	}
}

/* What is copied out is the structure, and nothing behind it. */
TEST_F(uapi, threat_52_nothing_else_is_written)
{
	char canary[64];
	const struct row *row;
	struct call call;

	memset(canary, 0x5a, sizeof(canary));
	for_each_row(row) {
		ASSERT_OK(begin(self, row, &call));
		memcpy(call.cmd + row->size, canary, sizeof(canary));
		EXPECT_OK(run(row, &call)) TH_LOG("%s", row->name);
		EXPECT_EQ(0, memcmp(call.cmd + row->size, canary,
				    sizeof(canary)))
			TH_LOG("%s", row->name);
		end(row, &call, 0);
	}
}

static int info_with(const uapi_self *self, int fill,
		     struct rsm_controller_info *info)
{
	memset(info, fill, sizeof(*info));
	memset(info, 0, offsetof(struct rsm_controller_info, out_controller));
	info->size = sizeof(*info);
	info->__reserved = 0;
	strcpy(info->name, "loopback");
	return rsm_cmd(self->scene.fd, RSM_CONTROLLER_INFO, info, NULL, NULL);
}

TEST_F(uapi, threat_52_info_is_deterministic)
{
	struct rsm_controller_info a, b;

	EXPECT_OK(info_with(self, 0x55, &a));
	EXPECT_OK(info_with(self, 0xaa, &b));
	EXPECT_EQ(0, memcmp(&a, &b, sizeof(a)));
}

TEST_F(uapi, threat_52_connect_is_deterministic)
{
	struct rsm_import_connect cmd = { .size = sizeof(cmd) };
	struct rsm_export exp;

	ASSERT_OK(rsm_export_new(&self->scene, LENGTH, 1, &exp));
	cmd.controller = self->scene.controller;
	cmd.node = self->scene.node;
	cmd.segid = exp.segid;
	cmd.perm = RSM_RIGHT_READ;
	cmd.out_length = ~0ULL;
	cmd.out_fd = -7;
	cmd.out_rights = ~0U;
	cmd.out_flags = ~0U;
	ASSERT_OK(rsm_cmd(self->scene.fd, RSM_IMPORT_CONNECT, &cmd, NULL,
			  NULL));
	EXPECT_EQ(LENGTH, cmd.out_length);
	EXPECT_LT(2, cmd.out_fd);
	EXPECT_EQ(RSM_RIGHT_READ, cmd.out_rights);
	EXPECT_EQ(RSM_EXPORT_ALLOW_REBIND, cmd.out_flags);
}

/* The fields of answers are not taken for reserved ones. */
TEST_F(uapi, threat_52_new_answers_are_deterministic)
{
	struct rsm_ticket_connect cmd = { .size = sizeof(cmd), .perm = RW };
	struct rsm_lock lock = { .size = sizeof(lock), .out_flags = ~0U };
	struct call call = { 0 };

	ASSERT_OK(make_fds(self, true, &call));
	cmd.out_fd = -7;
	cmd.out_length = ~0ULL;
	cmd.out_rights = ~0U;
	cmd.out_flags = ~0U;
	ASSERT_OK(rsm_cmd(call.fds[TICKET], RSM_TICKET_CONNECT, &cmd, NULL,
			  NULL));
	EXPECT_EQ(LENGTH, cmd.out_length);
	EXPECT_LT(2, cmd.out_fd);
	EXPECT_EQ(RW, cmd.out_rights);
	EXPECT_EQ(RSM_EXPORT_ALLOW_REBIND | RSM_EXPORT_LOCK_OPS, cmd.out_flags);
	ASSERT_OK(rsm_cmd(call.fds[IMPORT], RSM_LOCK, &lock, NULL, NULL));
	EXPECT_EQ(0, lock.out_flags);
}

TEST_F(uapi, failure_returns_no_descriptor)
{
	struct rsm_export_create create = { .size = sizeof(create),
					    .controller = 77, .out_fd = 5 };
	struct rsm_import_connect connect = { .size = sizeof(connect),
					      .controller = 77, .out_fd = 5 };
	struct rsm_export_grant grant = { .size = sizeof(grant),
					  .rights = ~0U, .out_fd = 5 };
	struct rsm_ticket_connect redeem = { .size = sizeof(redeem),
					     .perm = ~0U, .out_fd = 5 };
	struct call call = { 0 };

	ASSERT_OK(make_fds(self, true, &call));
	EXPECT_EQ(-ENODEV, rsm_cmd(self->scene.fd, RSM_EXPORT_CREATE, &create,
				   NULL, NULL));
	EXPECT_EQ(-1, create.out_fd);
	EXPECT_EQ(-ENODEV, rsm_cmd(self->scene.fd, RSM_IMPORT_CONNECT, &connect,
				   NULL, NULL));
	EXPECT_EQ(-1, connect.out_fd);
	EXPECT_EQ(-EINVAL, rsm_cmd(call.fds[EXPORT], RSM_EXPORT_GRANT, &grant,
				   NULL, NULL));
	EXPECT_EQ(-1, grant.out_fd);
	EXPECT_EQ(-EINVAL, rsm_cmd(call.fds[TICKET], RSM_TICKET_CONNECT,
				   &redeem, NULL, NULL));
	EXPECT_EQ(-1, redeem.out_fd);
}

/* Of 32 bit programs, through the entry that these use. */
static int ioctl32(int fd, unsigned long nr, void *arg)
{
	int ret = -ENOSYS;

#ifdef __x86_64__
	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "a"(54), "b"(fd), "c"((__u32)nr),
			   "d"((__u32)(uintptr_t)arg)
			 : "memory", "r8", "r9", "r10", "r11");
#endif
	return ret;
}

TEST_F(uapi, threat_51_32bit_callers)
{
	const struct row *row;
	struct call call;
	char *low;

	low = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	ASSERT_NE(MAP_FAILED, low);
	if (ioctl32(-1, RSM_CONTROLLER_INFO, low) != -EBADF)
		SKIP(return, "no 32 bit system calls");
	for_each_row(row) {
		ASSERT_OK(begin(self, row, &call));
		memcpy(low, call.cmd, row->size);
		EXPECT_OK(ioctl32(call.target, row->nr, low))
			TH_LOG("%s", row->name);
		memcpy(call.cmd, low, row->size);
		end(row, &call, 0);
	}
}

TEST_F(uapi, no_read_and_write)
{
	struct call call = { 0 };
	enum kind kind;
	char byte;

	ASSERT_OK(make_fds(self, true, &call));
	for (kind = CONTROL; kind < KINDS; kind++) {
		EXPECT_EQ(-1, read(call.fds[kind], &byte, 1))
			TH_LOG("%d", kind);
		EXPECT_EQ(-1, write(call.fds[kind], &byte, 1))
			TH_LOG("%d", kind);
	}
	EXPECT_EQ(MAP_FAILED, rsm_map(call.fds[CONTROL], 4096, PROT_READ));
	EXPECT_EQ(MAP_FAILED, rsm_map(call.fds[TICKET], 4096, PROT_READ));
}

TEST_F(uapi, controller_info)
{
	struct rsm_controller_info info;

	ASSERT_OK(rsm_controller_info(self->scene.fd, "loopback", &info, NULL));
	EXPECT_EQ(15, info.out_direct_access_sizes);
	EXPECT_EQ(15, info.out_atomic_sizes);
	EXPECT_EQ(rsm_page_size() / 1024, info.out_page_sizes);
	EXPECT_EQ(0, info.out_max_export_size);
	EXPECT_EQ(0, info.out_max_exports);
}

TEST_F(uapi, controller_name_ignores_case)
{
	struct rsm_controller_info info;

	EXPECT_OK(rsm_controller_info(self->scene.fd, "LoopBack", &info, NULL));
	EXPECT_EQ(self->scene.controller, info.out_controller);
}

TEST_F(uapi, controller_unknown)
{
	static const char *const names[] = {
		"", "loop", "loopback0", "loopbackloopback", "wrsm0", "\xff",
	};
	struct rsm_controller_info info;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		EXPECT_FAIL(ENODEV, RSM_ERR_CTLR_NOT_PRESENT,
			    rsm_controller_info(self->scene.fd, names[i], &info,
						&error));
	}
}

static int find(int fd, __u32 from, struct rsm_controller_find *cmd,
		__u32 *error)
{
	memset(cmd, 0x55, sizeof(*cmd));
	cmd->size = sizeof(*cmd);
	cmd->flags = 0;
	cmd->controller = from;
	cmd->__reserved = 0;
	return rsm_cmd(fd, RSM_CONTROLLER_FIND, cmd, &cmd->out_error, error);
}

TEST_F(uapi, controller_find)
{
	struct rsm_controller_info info;
	struct rsm_controller_find cmd;
	__u32 from = 0, loopback = 0, test = 0;

	while (!find(self->scene.fd, from, &cmd, NULL)) {
		ASSERT_LE(from, cmd.out_controller);
		ASSERT_OK(rsm_controller_info(self->scene.fd, cmd.out_name,
					      &info, NULL));
		EXPECT_EQ(cmd.out_controller, info.out_controller);
		loopback += !strcmp(cmd.out_name, "loopback");
		test += !strcmp(cmd.out_name, "test0");
		from = cmd.out_controller + 1;
	}
	EXPECT_EQ(1, loopback);
	EXPECT_EQ(1, test);
	EXPECT_FAIL(ENODEV, RSM_ERR_CTLR_NOT_PRESENT,
		    find(self->scene.fd, from, &cmd, &error));
}

TEST_F(uapi, controller_find_from)
{
	__u32 loopback = self->scene.controller;
	struct rsm_controller_find cmd;

	EXPECT_OK(find(self->scene.fd, loopback, &cmd, NULL));
	EXPECT_EQ(loopback, cmd.out_controller);
	EXPECT_OK(find(self->scene.fd, loopback + 1, &cmd, NULL));
	EXPECT_LT(loopback, cmd.out_controller);
	EXPECT_FAIL(ENODEV, RSM_ERR_CTLR_NOT_PRESENT,
		    find(self->scene.fd, 1U << 31, &cmd, &error));
	EXPECT_FAIL(ENODEV, RSM_ERR_CTLR_NOT_PRESENT,
		    find(self->scene.fd, ~0U, &cmd, &error));
}

TEST_F(uapi, threat_52_find_is_deterministic)
{
	static const char zeros[RSM_CONTROLLER_NAME_MAX];
	struct rsm_controller_find cmd;
	size_t length;

	ASSERT_OK(find(self->scene.fd, self->scene.controller, &cmd, NULL));
	length = strnlen(cmd.out_name, sizeof(cmd.out_name));
	ASSERT_GT(sizeof(cmd.out_name), length);
	EXPECT_EQ(0, memcmp(cmd.out_name + length, zeros,
			    sizeof(cmd.out_name) - length));
}

static int get_nodes(int fd, __u32 controller, void *to, __u32 room,
		     __u32 *count, __u32 *error)
{
	struct rsm_controller_nodes cmd = {
		.size = sizeof(cmd),
		.controller = controller,
		.nodes = (uintptr_t)to,
		.node_count = room,
		.out_count = ~0U,
	};
	int ret = rsm_cmd(fd, RSM_CONTROLLER_NODES, &cmd, &cmd.out_error,
			  error);

	*count = cmd.out_count;
	return ret;
}

/* Of a controller with no other nodes; what there is no node for is left. */
static void check_local_node(struct __test_metadata *_metadata, int fd,
			     __u32 controller, __u32 room)
{
	struct rsm_node nodes[3] = { { 77, 77 }, { 78, 78 }, { 79, 79 } };
	__u32 count = 0;

	EXPECT_OK(get_nodes(fd, controller, nodes, room, &count, NULL));
	EXPECT_EQ(1, count);
	EXPECT_EQ(0, nodes[0].node);
	EXPECT_EQ(RSM_NODE_LOCAL, nodes[0].state);
	EXPECT_EQ(78, nodes[1].node);
	EXPECT_EQ(78, nodes[1].state);
}

TEST_F(uapi, controller_nodes)
{
	struct rsm_controller_info test;

	ASSERT_OK(rsm_controller_info(self->scene.fd, "test0", &test, NULL));
	EXPECT_EQ(0, self->scene.node);
	EXPECT_EQ(0, test.out_node);
	check_local_node(_metadata, self->scene.fd, self->scene.controller, 1);
	check_local_node(_metadata, self->scene.fd, self->scene.controller, 3);
	check_local_node(_metadata, self->scene.fd, self->scene.controller,
			 RSM_NODES_MAX + 1);
	check_local_node(_metadata, self->scene.fd, self->scene.controller,
			 ~0U);
	check_local_node(_metadata, self->scene.fd, test.out_controller, 2);
}

TEST_F(uapi, controller_nodes_without_room)
{
	__u32 controller = self->scene.controller, count;
	struct rsm_node node = { 77, 77 };

	EXPECT_OK(get_nodes(self->scene.fd, controller, &node, 0, &count,
			    NULL));
	EXPECT_EQ(1, count);
	EXPECT_EQ(77, node.node);
	EXPECT_OK(get_nodes(self->scene.fd, controller, NULL, 0, &count, NULL));
	EXPECT_EQ(1, count);
}

TEST_F(uapi, controller_nodes_of_none)
{
	static const __u32 ids[] = { 1U << 30, 1U << 31, ~0U };
	struct rsm_node node = { 77, 77 };
	unsigned int i;
	__u32 count;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		EXPECT_FAIL(ENODEV, RSM_ERR_CTLR_NOT_PRESENT,
			    get_nodes(self->scene.fd, ids[i], &node, 1, &count,
				      &error));
		/* before the array is looked at */
		EXPECT_FAIL(ENODEV, RSM_ERR_CTLR_NOT_PRESENT,
			    get_nodes(self->scene.fd, ids[i], NULL, 1, &count,
				      &error));
	}
	EXPECT_EQ(77, node.node);
}

TEST_F(uapi, controller_nodes_bad_array)
{
	__u32 controller = self->scene.controller, count, i;
	size_t size = rsm_page_size();
	char *page = rsm_alloc(3 * size);
	void *bad[] = {
		NULL, (void *)1, (void *)-4096UL, (void *)~0UL,
		(void *)(1UL << 63), page, page + 2 * size,
		/* half of a node */
		page + 2 * size - 4,
	};

	ASSERT_NE(MAP_FAILED, page);
	ASSERT_OK(mprotect(page, size, PROT_READ));
	ASSERT_OK(munmap(page + 2 * size, size));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_FAIL(EFAULT, RSM_ERR_BAD_ADDR,
			    get_nodes(self->scene.fd, controller, bad[i], 1,
				      &count, &error));
	}
	EXPECT_OK(get_nodes(self->scene.fd, controller, page + size, 1, &count,
			    NULL));
}

static int fence(int fd, __u32 *error)
{
	struct rsm_import_fence cmd = { .size = sizeof(cmd) };

	return rsm_cmd(fd, RSM_IMPORT_FENCE, &cmd, &cmd.out_error, error);
}

/* An import by any controller, with any rights, up to the end of the segment */
static void check_fence(struct __test_metadata *_metadata,
			const uapi_self *self, const char *controller,
			__u32 rights)
{
	struct rsm_controller_info info;
	struct rsm_export exp;
	int imp;

	ASSERT_OK(rsm_controller_info(self->scene.fd, controller, &info,
				      NULL));
	ASSERT_OK(rsm_export_new(&self->scene, LENGTH, 1, &exp));
	ASSERT_OK(rsm_connect(self->scene.fd, info.out_controller,
			      info.out_node, exp.segid, rights, &imp, NULL));
	EXPECT_EQ(rights & RSM_RIGHT_WRITE ? 0 : -EACCES,
		  rsm_put(imp, self->mem, 0, 8, NULL));
	EXPECT_OK(fence(imp, NULL));
	ASSERT_OK(rsm_unpublish(exp.fd, NULL));
	EXPECT_FAIL(ECONNABORTED, RSM_ERR_CONN_ABORTED, fence(imp, &error));
	ASSERT_OK(rsm_destroy(exp.fd, NULL));
	EXPECT_FAIL(ECONNABORTED, RSM_ERR_CONN_ABORTED, fence(imp, &error));
	close(imp);
	close(exp.fd);
}

TEST_F(uapi, import_fence)
{
	check_fence(_metadata, self, "loopback", RW);
	check_fence(_metadata, self, "loopback", RSM_RIGHT_READ);
	check_fence(_metadata, self, "test0", RW);
	check_fence(_metadata, self, "test0", 0);
}

/*
 * A structure whose start cannot be written, though its end can: the answer
 * does not get out, so nothing may have been done.
 */
static void *across_read_only(size_t end)
{
	char *mem = rsm_alloc(2 * 4096);

	if (mem == MAP_FAILED)
		return mem;
	return mem + 4096 - end;
}

/* Of one that returns only the error, that has to be written. */
TEST_F(uapi, read_only_error_rebinds_nothing)
{
	struct rsm_export_rebind *cmd =
		across_read_only(offsetof(typeof(*cmd), __reserved));
	char *next = rsm_alloc(4096);
	struct rsm_export exp;
	char *map;

	ASSERT_NE(MAP_FAILED, next);
	ASSERT_OK(rsm_export_new(&self->scene, 4096, 1, &exp));
	map = rsm_import_view(&self->scene, exp.segid, 4096);
	ASSERT_NE(MAP_FAILED, map);
	rsm_stamp(next, 4096, 2);
	*cmd = (struct rsm_export_rebind){
		.size = sizeof(*cmd),
		.vaddr = (uintptr_t)next,
		.length = 4096,
	};
	ASSERT_OK(mprotect((void *)((uintptr_t)cmd & ~4095UL), 4096, PROT_READ));
	EXPECT_EQ(-1, ioctl(exp.fd, RSM_EXPORT_REBIND, cmd));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, rsm_stamp_check(map, 4096, 1));
}

TEST_F(uapi, read_only_start_publishes_nothing)
{
	struct rsm_export_publish *cmd =
		across_read_only(offsetof(typeof(*cmd), out_error));
	struct rsm_export exp;
	__u32 id = 0;

	ASSERT_OK(rsm_export_new(&self->scene, 4096, 1, &exp));
	ASSERT_OK(rsm_unpublish(exp.fd, NULL));
	*cmd = (struct rsm_export_publish){ .size = sizeof(*cmd) };
	ASSERT_OK(mprotect((void *)((uintptr_t)cmd & ~4095UL), 4096, PROT_READ));
	EXPECT_EQ(-1, ioctl(exp.fd, RSM_EXPORT_PUBLISH, cmd));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_OK(rsm_publish(exp.fd, &id, NULL, 0, NULL));
}

TEST_HARNESS_MAIN
