// SPDX-License-Identifier: GPL-2.0-only
/*
 * libusrsm: what rsm_last_error() tells of the cause of a failure.
 */
#include "lib_fake.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/time.h>

/* The text that a failure is to replace, and an errno that it is to keep */
#define OLD_TEXT "controller is NULL"
#define OLD_ERRNO 4711

static void leave_old_text(void)
{
	rsm_get_controller(NULL, NULL);
	errno = OLD_ERRNO;
}

/* In which functions a failure was seen, as they were called */
static const char *seen[256];
static size_t nr_seen;

static void see(const char *call)
{
	if (nr_seen < ARRAY_SIZE(seen))
		seen[nr_seen++] = call;
}

static bool told(const char *what)
{
	const char *text = rsm_last_error();
	int error = errno;

	if (error == OLD_ERRNO && strstr(text, what) && is_a_phrase(text, 256))
		return true;
	printf("# \"%s\", and not \"%s\"; errno %d\n", text, what, error);
	return false;
}

/* FAILS(RSMERR_BAD_ADDR, "mode is NULL", rsm_memseg_import_get_mode(...)) */
#define FAILS(_error, _text, _call)                                            \
	do {                                                                   \
		see(#_call);                                                   \
		leave_old_text();                                              \
		EXPECT_ERR(_error, _call);                                     \
		EXPECT_TRUE(told(_text));                                      \
	} while (0)

static void fail_controller(struct __test_metadata *_metadata)
{
	rsmapi_controller_handle_t c;
	uint32_t ids;

	FAILS(RSMERR_CTLR_NOT_PRESENT, "\"nosuch0\"",
	      rsm_get_controller("nosuch", &c));
	FAILS(RSMERR_CTLR_NOT_PRESENT, "\"42\" is no name",
	      rsm_get_controller("42", &c));
	FAILS(RSMERR_BAD_ADDR, "attr is NULL",
	      rsm_get_controller_attr(ctl, NULL));
	FAILS(RSMERR_BAD_TOPOLOGY_PTR, "topology is NULL",
	      rsm_get_interconnect_topology(NULL));
	FAILS(RSMERR_BAD_ADDR, "baseid",
	      rsm_get_segmentid_range("app", NULL, &ids));
	FAILS(RSMERR_BAD_CTLR_HNDL, "an export, not of a controller",
	      rsm_release_controller((rsmapi_controller_handle_t)seg));
}

static void fail_export(struct __test_metadata *_metadata)
{
	rsm_memseg_export_handle_t new;
	char text[80];
	int ticket;

	snprintf(text, sizeof(text), "address %p is not a multiple of %zu",
		 mem + 1, page);
	FAILS(RSMERR_BAD_MEM_ALIGNMENT, text,
	      rsm_memseg_export_create(ctl, &new, mem + 1, page, 0));
	FAILS(RSMERR_BAD_SEG_HNDL, "an export is NULL",
	      rsm_memseg_export_destroy(NULL));
	snprintf(text, sizeof(text), "length %zu is not that", page);
	FAILS(RSMERR_BAD_LENGTH, text,
	      rsm_memseg_export_rebind(seg, other, 0, page));
	FAILS(RSMERR_SEG_ALREADY_PUBLISHED, "republish",
	      rsm_memseg_export_publish(seg, &id, NULL, 0));
	FAILS(RSMERR_BAD_ACL, "length 1",
	      rsm_memseg_export_republish(seg, NULL, 1));
	FAILS(RSMERR_BAD_SEG_HNDL, "an import, not of an export",
	      rsm_memseg_export_unpublish((rsm_memseg_export_handle_t)im));
	FAILS(RSMERR_BAD_PERMS, "permissions 0611 ",
	      rsm_memseg_export_grant(seg, 0611, &ticket));
}

static void fail_import(struct __test_metadata *_metadata)
{
	rsm_memseg_import_handle_t new;
	void *addr = NULL;

	FAILS(RSMERR_SEG_NOT_PUBLISHED, "published as 0x400999",
	      rsm_memseg_import_connect(via, node, 0x400999, 0, &new));
	FAILS(RSMERR_CTLR_NOT_PRESENT, "node 99",
	      rsm_memseg_import_connect(via, 99, id, 0, &new));
	FAILS(RSMERR_BAD_ADDR, "descriptor -1 is not",
	      rsm_memseg_import_redeem(-1, 0, &new));
	FAILS(RSMERR_BAD_SEG_HNDL, "0x123 was never",
	      rsm_memseg_import_disconnect((void *)0x123));
	FAILS(RSMERR_BAD_MEM_ALIGNMENT, "offset 0x10 is not",
	      rsm_memseg_import_map(im, &addr, 0, 0, 16, page));
	FAILS(RSMERR_SEG_NOT_MAPPED, "no mapping",
	      rsm_memseg_import_unmap(im));
	FAILS(RSMERR_BAD_MODE, "mode 7", rsm_memseg_import_set_mode(im, 7));
	FAILS(RSMERR_BAD_ADDR, "mode is NULL",
	      rsm_memseg_import_get_mode(im, NULL));
}

static void fail_elements(struct __test_metadata *_metadata)
{
	void *data = mem;

	FAILS(RSMERR_BAD_ADDR, "data pointer",
	      rsm_memseg_import_put8(im, 0, NULL, 1));
	FAILS(RSMERR_BAD_ADDR, "data pointer",
	      rsm_memseg_import_get8(im, 0, NULL, 1));
	FAILS(RSMERR_BAD_MEM_ALIGNMENT, "offset 0x1 is not a multiple of 2",
	      rsm_memseg_import_put16(im, 1, data, 1));
	FAILS(RSMERR_BAD_MEM_ALIGNMENT, "offset 0x3 is not a multiple of 2",
	      rsm_memseg_import_get16(im, 3, data, 1));
	FAILS(RSMERR_BAD_OFFSET, "4 bytes at offset 0x4000 are not",
	      rsm_memseg_import_put32(im, 0x4000, data, 1));
	FAILS(RSMERR_BAD_OFFSET, "8 bytes at offset 0x4000 are not",
	      rsm_memseg_import_get32(im, 0x4000, data, 2));
	FAILS(RSMERR_BAD_LENGTH, "elements of 8",
	      rsm_memseg_import_put64(im, 0, data, ~0UL));
	FAILS(RSMERR_BAD_SEG_HNDL, "0xfffff was never",
	      rsm_memseg_import_get64((void *)0xfffff, 0, data, 1));
}

static void fail_copies(struct __test_metadata *_metadata)
{
	rsm_iovec_t vec = { .io_type = 9 };

	FAILS(RSMERR_BAD_OFFSET, "offset -1 is negative",
	      rsm_memseg_import_put(im, -1, mem, 1));
	FAILS(RSMERR_BAD_SEG_HNDL, "an import is NULL",
	      rsm_memseg_import_get(NULL, 0, mem, 1));
	FAILS(RSMERR_BAD_SGIO, "sg_io is NULL", rsm_memseg_import_getv(NULL));
	see("rsm_memseg_import_putv(");
	FAILS(RSMERR_BAD_SGIO, "io_type 9",
	      one_vec(rsm_memseg_import_putv, &vec, 0));
	FAILS(RSMERR_BAD_MEM_ALIGNMENT, "offset 0x4 is not a multiple of 8",
	      rsm_memseg_import_cas64(im, 4, 0, 0, NULL));
	FAILS(RSMERR_BAD_OFFSET, "8 bytes at offset 0x4000",
	      rsm_memseg_import_add64(im, 0x4000, 0, NULL));
	FAILS(RSMERR_BAD_SEG_HNDL, "an export, not of an import",
	      rsm_memseg_import_swap64((void *)seg, 0, 0, NULL));
}

static void fail_barrier(struct __test_metadata *_metadata)
{
	rsmapi_barrier_t none = { .seg = NULL };

	FAILS(RSMERR_BAD_BARRIER_PTR, "barrier is NULL",
	      rsm_memseg_import_init_barrier(im, RSM_BAR_DEFAULT, NULL));
	FAILS(RSMERR_BARRIER_UNINITIALIZED, "init_barrier() comes first",
	      rsm_memseg_import_open_barrier(&none));
	FAILS(RSMERR_BARRIER_NOT_OPENED, "open_barrier() comes first",
	      rsm_memseg_import_order_barrier(&barrier));
	FAILS(RSMERR_BARRIER_NOT_OPENED, "open_barrier() comes first",
	      rsm_memseg_import_close_barrier(&barrier));
	FAILS(RSMERR_BARRIER_UNINITIALIZED, "init_barrier() comes first",
	      rsm_memseg_import_destroy_barrier(&none));
}

static void fail_event(struct __test_metadata *_metadata)
{
	FAILS(RSMERR_BAD_SEG_HNDL, "an export or import is NULL",
	      rsm_intr_signal_post(NULL, 0));
	FAILS(RSMERR_TIMEOUT, "no signal is pending",
	      rsm_intr_signal_wait(im, 0));
	FAILS(RSMERR_TIMEOUT, "in 2 milliseconds", rsm_intr_signal_wait(im, 2));
	FAILS(RSMERR_TIMEOUT, "none of 0 pollfds",
	      rsm_intr_signal_wait_pollfd(NULL, 0, 0, NULL));
	FAILS(RSMERR_BAD_ADDR, "pollfd is NULL",
	      rsm_memseg_get_pollfd(im, NULL));
	FAILS(RSMERR_BAD_SEG_HNDL, "an export or import is NULL",
	      rsm_memseg_release_pollfd(NULL));
}

static void fail_others(struct __test_metadata *_metadata)
{
	rsm_localmemory_handle_t local;

	FAILS(RSMERR_BAD_MEM_ALIGNMENT, "offset 0x4 is not a multiple of 8",
	      rsm_memseg_lock(seg, 4, 0, NULL));
	FAILS(RSMERR_LOCK_NOT_HELD, "does not have lock 0x8",
	      rsm_memseg_unlock(im, 8));
	FAILS(RSMERR_BAD_LENGTH, "len is 0",
	      rsm_create_localmemory_handle(ctl, &local, mem, 0));
	FAILS(RSMERR_BAD_LOCALMEM_HNDL, "an import, not of local memory",
	      rsm_free_localmemory_handle(ctl, (void *)im));
}

/* The library's list of its functions: it is complete, or it does not link. */
asm(".pushsection .rodata\nfunction_list:\n"
	".incbin \"../lib/libusrsm.map\"\n"
	".byte 0\n.popsection\n");
extern const char function_list[];

static bool cannot_fail(const char *name)
{
	return !strncmp(name, "rsm_strerror", strlen("rsm_strerror")) ||
	       !strcmp(name, "rsm_last_error") ||
	       !strcmp(name, "rsm_free_interconnect_topology");
}

static bool was_seen(const char *name)
{
	size_t size = strlen(name);
	size_t i;

	for (i = 0; i < nr_seen; i++)
		if (!strncmp(seen[i], name, size) && seen[i][size] == '(')
			return true;
	return false;
}

TEST_F(path, every_function_tells)
{
	const char *next = function_list;
	int functions = 0;
	char name[64];

	fail_controller(_metadata);
	fail_export(_metadata);
	fail_import(_metadata);
	fail_elements(_metadata);
	fail_copies(_metadata);
	fail_barrier(_metadata);
	fail_event(_metadata);
	fail_others(_metadata);

	while ((next = strstr(next, "\trsm_"))) {
		next++;
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(next, ";"),
			 next);
		EXPECT_TRUE(cannot_fail(name) || was_seen(name)) {
			TH_LOG("%s was not tried", name);
		}
		functions++;
	}
	EXPECT_LT(50, functions);
}

/* What only the kernel knows */

static void fail_rebind(struct __test_metadata *_metadata, int error, void *to,
			const char *why)
{
	char text[80];

	snprintf(text, sizeof(text), "%zu bytes at %p is %s", length, to, why);
	FAILS(error, text, rsm_memseg_export_rebind(seg, to, 0, length));
}

static int fail_as_child(void *arg)
{
	(void)arg;
	leave_old_text();
	return rsm_memseg_export_rebind(seg, other, 0, length) !=
		       RSMERR_NOT_CREATOR || !told("another process");
}

TEST_F(seg, by_the_kernel)
{
	rsm_memseg_export_handle_t new;
	rsmapi_access_entry_t acl = { .ae_node = 99 };
	rsm_memseg_id_t segid = SEGID;

	ASSERT_OK(mprotect(other + page, page, PROT_READ));
	fail_rebind(_metadata, RSMERR_PERM_DENIED, other, "writable");
	ASSERT_OK(munmap(other, page));
	fail_rebind(_metadata, RSMERR_BAD_ADDR, other, "anonymous");
	FAILS(RSMERR_BAD_ADDR, "1 is not a multiple of",
	      rsm_memseg_export_rebind(seg, mem + 1, 0, length));
	EXPECT_OK(rsm_in_child(fail_as_child, NULL));
	FAILS(RSMERR_BAD_ACL, "wrong node",
	      rsm_memseg_export_publish(seg, &segid, &acl, 1));
	FAILS(RSMERR_BAD_ADDR, "access list cannot be read",
	      rsm_memseg_export_publish(seg, &segid, (void *)other, 1));
	ASSERT_OK(publish_id(SEGID));
	ASSERT_OK(rsm_memseg_export_create(ctl, &new, mem, page, 0));
	FAILS(RSMERR_SEGID_IN_USE, "as 0x400123:",
	      rsm_memseg_export_publish(new, &segid, NULL, 0));
	FAILS(RSMERR_REBIND_NOT_ALLOWED, "RSM_ALLOW_REBIND",
	      rsm_memseg_export_rebind(new, mem, 0, page));
	FAILS(RSMERR_LOCKS_NOT_ENABLED, "RSM_LOCK_OPS",
	      rsm_memseg_lock(new, 0, 0, NULL));
	EXPECT_OK(rsm_memseg_export_destroy(new));
}

static int fail_to_connect(void *arg)
{
	(void)arg;
	leave_old_text();
	return connect_to(RSM_PERM_RDWR) != RSMERR_PERM_DENIED ||
	       !told("does not grant 0600");
}

TEST_F(imp, by_the_access_list)
{
	EXPECT_OK(rsm_in_child_as(RSM_NOBODY, fail_to_connect, NULL));
}

TEST_F(path, by_the_end_of_a_connection)
{
	static const char why[] = "the exporter withdrew the segment";
	void *addr = NULL;
	uint64_t word = 1;

	ASSERT_OK(rsm_memseg_import_put64(im, 0, &word, 1));
	ASSERT_OK(rsm_memseg_import_open_barrier(&barrier));
	ASSERT_OK(rsm_memseg_export_unpublish(seg));
	FAILS(RSMERR_CONN_ABORTED, why,
	      rsm_memseg_import_put64(im, 0, &word, 1));
	FAILS(RSMERR_CONN_ABORTED, why,
	      rsm_memseg_import_get64(im, 0, &word, 1));
	FAILS(RSMERR_CONN_ABORTED, why, rsm_memseg_import_put(im, 0, mem, 9));
	FAILS(RSMERR_CONN_ABORTED, why,
	      rsm_memseg_import_add64(im, 0, 1, NULL));
	FAILS(RSMERR_CONN_ABORTED, why,
	      rsm_memseg_import_close_barrier(&barrier));
	FAILS(RSMERR_CONN_ABORTED, why, rsm_intr_signal_post(im, 0));
	FAILS(RSMERR_CONN_ABORTED, why, rsm_intr_signal_wait(im, 0));
	FAILS(RSMERR_CONN_ABORTED, why, rsm_memseg_lock(im, 0, 0, NULL));
	rsm_memseg_import_unmap(im);
	if (variant->mapped)
		FAILS(RSMERR_CONN_ABORTED, why, map_im(&addr, RSM_PERM_READ));
	else
		FAILS(RSMERR_MAP_FAILED, "use get and put",
		      map_im(&addr, RSM_PERM_READ));
}

/* What only a network brings about */

static __u32 fake_error;

static int fake_network(unsigned long nr, void *arg)
{
	switch (nr) {
	case RSM_IMPORT_CONNECT:
		return fail_as(&((struct rsm_import_connect *)arg)->out_error,
			       fake_error);
	case RSM_IMPORT_FENCE:
		return fail_as(&((struct rsm_import_fence *)arg)->out_error,
			       fake_error);
	case RSM_SIGNAL_POST:
		return fail_as(&((struct rsm_signal_post *)arg)->out_error,
			       fake_error);
	case RSM_LOCK:
		return fail_as(&((struct rsm_lock *)arg)->out_error,
			       fake_error);
	}
	return NOT_FAKED;
}

TEST_F(path, by_the_network)
{
	rsm_memseg_import_handle_t new;
	uint64_t word = 1;

	fake = fake_network;
	fake_error = RSM_ERR_REMOTE_NODE_UNREACHABLE;
	FAILS(RSMERR_REMOTE_NODE_UNREACHABLE, "node 77 does not answer: ",
	      rsm_memseg_import_connect(via, 77, id, 0, &new));
	FAILS(RSMERR_REMOTE_NODE_UNREACHABLE, "node does not answer: ",
	      rsm_intr_signal_post(im, 0));
	fake_error = RSM_ERR_LOCKS_NOT_SUPPORTED;
	FAILS(RSMERR_LOCKS_NOT_SUPPORTED, "on other machines",
	      rsm_memseg_lock(im, 0, 0, NULL));
	if (variant->mapped)
		return;
	ASSERT_OK(rsm_memseg_import_open_barrier(&barrier));
	fake_error = RSM_ERR_INTERRUPTED;
	FAILS(RSMERR_BARRIER_FAILURE, "arrived (RSMERR_INTERRUPTED): ",
	      rsm_memseg_import_close_barrier(&barrier));
	FAILS(RSMERR_BARRIER_FAILURE, "put it again",
	      rsm_memseg_import_put64(im, 0, &word, 1));
}

/* Of an errno alone, as of what can be made without an out_error */
static int fake_errno(unsigned long nr, void *arg)
{
	(void)arg;
	return nr == RSM_SIGNAL_POST ? -EHOSTUNREACH : NOT_FAKED;
}

TEST_F(imp, by_an_unreachable_host)
{
	fake = fake_errno;
	FAILS(RSMERR_REMOTE_NODE_UNREACHABLE, "(EHOSTUNREACH)",
	      rsm_intr_signal_post(im, 0));
}

static int fake_nodes(unsigned long nr, void *arg)
{
	struct rsm_controller_nodes *cmd = arg;

	if (nr != RSM_CONTROLLER_NODES)
		return NOT_FAKED;
	return fail_as(&cmd->out_error, fake_error);
}

TEST_F(lib, by_the_topology)
{
	rsm_topology_t *topology;

	fake = fake_nodes;
	fake_error = RSM_ERR_INSUFFICIENT_MEM;
	FAILS(RSMERR_INSUFFICIENT_MEM, "memory for the topology",
	      rsm_get_interconnect_topology(&topology));
	fake_error = RSM_ERR_INTERRUPTED;
	FAILS(RSMERR_INTERRUPTED, "by a signal",
	      rsm_get_interconnect_topology(&topology));
}

/* The application closes what is not its own. */
TEST_F(lib, by_a_closed_descriptor)
{
	struct pollfd fd;
	int null;

	ASSERT_OK(create(RSM_ALLOW_REBIND));
	ASSERT_OK(rsm_memseg_get_pollfd(seg, &fd));
	ASSERT_OK(rsm_memseg_release_pollfd(seg));
	ASSERT_OK(close(fd.fd));
	FAILS(RSMERR_BAD_SEG_HNDL, "descriptor was closed",
	      rsm_memseg_export_rebind(seg, other, 0, length));
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	ASSERT_EQ(fd.fd, dup2(null, fd.fd));
	ASSERT_OK(close(null));
	FAILS(RSMERR_BAD_SEG_HNDL, "no RSM_EXPORT_REBIND:",
	      rsm_memseg_export_rebind(seg, other, 0, length));
	EXPECT_OK(rsm_memseg_export_destroy(seg));
}

static void on_signal(int sig)
{
	(void)sig;
}

/* Of a timer that goes on, in case that the first one is early. */
TEST_F(seg, by_a_signal)
{
	struct itimerval often = { { 0, 20000 }, { 0, 20000 } };
	struct sigaction action = { .sa_handler = on_signal };
	struct pollfd fd;

	ASSERT_OK(rsm_memseg_get_pollfd(seg, &fd));
	ASSERT_OK(sigaction(SIGALRM, &action, NULL));
	ASSERT_OK(setitimer(ITIMER_REAL, &often, NULL));
	FAILS(RSMERR_INTERRUPTED, "by a signal", rsm_intr_signal_wait(seg, -1));
	FAILS(RSMERR_INTERRUPTED, "by a signal",
	      rsm_intr_signal_wait_pollfd(&fd, 1, -1, NULL));
	memset(&often, 0, sizeof(often));
	ASSERT_OK(setitimer(ITIMER_REAL, &often, NULL));
	EXPECT_OK(rsm_memseg_release_pollfd(seg));
}

/* Names of any length */
TEST(long_names)
{
	rsmapi_controller_handle_t c;
	rsm_memseg_id_t base;
	char name[1000];
	uint32_t ids;

	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	FAILS(RSMERR_CTLR_NOT_PRESENT, "xxx\" is no name",
	      rsm_get_controller(name, &c));
	mkdir("/etc", 0755);
	mkdir("/etc/rsm", 0755);
	ASSERT_OK(hide("/etc/rsm"));
	ASSERT_OK(write_file(SEGMENTID_FILE, "reserved app 1 2\n"));
	FAILS(RSMERR_BAD_APPID, "no line for \"xxx",
	      rsm_get_segmentid_range(name, &base, &ids));
}

TEST(segmentid_file)
{
	static const char *const cases[][2] = {
		{ "#\nreserved other\n", "line 2: there are 2 fields" },
		{ "\n", "line 1: there are 0 fields" },
		{ "taken app 1 2", "line 1: \"taken\" is not reserved" },
		{ "#\n#\nreserved app x 2\n", "line 3: \"x\" is not hexa" },
		{ "reserved app 1 0x2\n", "line 1: \"0x2\" is not decimal" },
	};
	rsm_memseg_id_t base;
	uint32_t ids;
	size_t i;

	mkdir("/etc", 0755);
	mkdir("/etc/rsm", 0755);
	ASSERT_OK(hide("/etc/rsm"));
	FAILS(RSMERR_BAD_CONF, SEGMENTID_FILE " cannot be opened (ENOENT)",
	      rsm_get_segmentid_range("app", &base, &ids));
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_OK(write_file(SEGMENTID_FILE, cases[i][0]));
		FAILS(RSMERR_BAD_CONF, cases[i][1],
		      rsm_get_segmentid_range("app", &base, &ids));
	}
	ASSERT_OK(unlink(SEGMENTID_FILE));
	ASSERT_OK(mkdir(SEGMENTID_FILE, 0755));
	FAILS(RSMERR_BAD_CONF, SEGMENTID_FILE " cannot be read (EISDIR)",
	      rsm_get_segmentid_range("app", &base, &ids));
}

/* The device */

static int fail_open(void *arg)
{
	rsm_topology_t *topology;

	leave_old_text();
	return rsm_get_interconnect_topology(&topology) !=
		       RSMERR_CTLR_NOT_PRESENT || !told(arg);
}

TEST(device)
{
	struct stat device;

	ASSERT_OK(stat(RSM_DEV, &device));
	ASSERT_OK(hide("/dev"));
	EXPECT_OK(fail_open("modprobe rsmctl"));
	ASSERT_OK(mknod(RSM_DEV, S_IFCHR | 0600, makedev(240, 99)));
	EXPECT_OK(fail_open("modprobe rsmctl"));
	ASSERT_OK(unlink(RSM_DEV));
	ASSERT_OK(mknod(RSM_DEV, S_IFCHR | 0600, device.st_rdev));
	EXPECT_OK(rsm_in_child_as(RSM_NOBODY, fail_open, "permission denied"));
}

/* Limits */

static int set_limit(int resource, rlim_t value)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit))
		return -errno;
	limit.rlim_cur = value;
	return setrlimit(resource, &limit) ? -errno : 0;
}

static int fail_to_create(int error, const char *text)
{
	rsm_memseg_export_handle_t new;

	leave_old_text();
	return rsm_memseg_export_create(ctl, &new, other, length, 0) != error ||
	       !told(text);
}

static int below_memlock(void *arg)
{
	char text[128];

	(void)arg;
	snprintf(text, sizeof(text),
		 "RLIMIT_MEMLOCK is %zu bytes and this export needs %zu: ",
		 length - page, length);
	return set_limit(RLIMIT_MEMLOCK, length - page) ?:
	       fail_to_create(RSMERR_INSUFFICIENT_MEM, text);
}

/* It has all capabilities, in a user namespace of its own. */
static int below_memlock_as_root(void *arg)
{
	return unshare(CLONE_NEWUSER) ? -errno : below_memlock(arg);
}

/* What another segment has does not show from outside. */
static int memlock_used_up(void *arg)
{
	int ret;

	(void)arg;
	ret = set_limit(RLIMIT_MEMLOCK, 2 * length - page) ?:
	      create(RSM_ALLOW_REBIND);
	if (ret)
		return ret;
	ret = fail_to_create(RSMERR_INSUFFICIENT_MEM,
			     "other locked memory leaves of RLIMIT_MEMLOCK (");
	rsm_memseg_export_destroy(seg);
	return ret;
}

static int memlock_for_rebind(void *arg)
{
	char text[128];
	int ret;

	(void)arg;
	ret = set_limit(RLIMIT_MEMLOCK, 2 * length - page) ?:
	      create(RSM_ALLOW_REBIND);
	if (ret)
		return ret;
	snprintf(text, sizeof(text), "this rebind (old and new memory) needs %zu",
		 2 * length);
	leave_old_text();
	ret = rsm_memseg_export_rebind(seg, other, 0, length) !=
		      RSMERR_INSUFFICIENT_MEM || !told(text);
	rsm_memseg_export_destroy(seg);
	return ret;
}

TEST_F(lib, memlock)
{
	EXPECT_OK(rsm_in_child_as(RSM_NOBODY, below_memlock, NULL));
	EXPECT_OK(rsm_in_child_as(RSM_NOBODY, below_memlock_as_root, NULL));
	EXPECT_OK(rsm_in_child_as(RSM_NOBODY, memlock_used_up, NULL));
	EXPECT_OK(rsm_in_child_as(RSM_NOBODY, memlock_for_rebind, NULL));
}

/* RLIMIT_MEMLOCK does not hold for root, and is not what it is told of. */
TEST_F(lib, exported_memory)
{
	rsm_memseg_export_handle_t new;
	struct sysinfo info;
	size_t size;
	long before;
	void *big;

	ASSERT_OK(sysinfo(&info));
	size = info.totalram / 32 * info.mem_unit / page * page;
	big = rsm_alloc(size);
	ASSERT_NE(MAP_FAILED, big);
	ASSERT_OK(set_limit(RLIMIT_MEMLOCK, page));
	before = rsm_param("max_exported_memory", 1);
	ASSERT_LE(0, before);
	FAILS(RSMERR_INSUFFICIENT_MEM, "max_exported_memory allows ",
	      rsm_memseg_export_create(ctl, &new, big, size, 0));
	rsm_param("max_exported_memory", before);
}

static int segments_used_up(void *arg)
{
	int ret = create(0);

	(void)arg;
	if (ret)
		return ret;
	ret = fail_to_create(RSMERR_INSUFFICIENT_RESOURCES,
			     "max_user_segments 1 (");
	rsm_memseg_export_destroy(seg);
	return ret;
}

TEST_F(lib, segments)
{
	long before = rsm_param("max_user_segments", 1);

	ASSERT_LE(0, before);
	EXPECT_OK(rsm_in_child_as(RSM_NOBODY, segments_used_up, NULL));
	rsm_param("max_user_segments", before);
}

static int descriptors_used_up(void *arg)
{
	(void)arg;
	return set_limit(RLIMIT_NOFILE, 0) ?:
	       fail_to_create(RSMERR_INSUFFICIENT_RESOURCES,
			      "RLIMIT_NOFILE allows, 0:");
}

TEST_F(lib, descriptors)
{
	EXPECT_OK(rsm_in_child(descriptors_used_up, NULL));
}

/* Successes leave it alone, whatever failed within them. */

#define SUCCEEDS(_call)                                                        \
	do {                                                                   \
		leave_old_text();                                              \
		EXPECT_OK(_call);                                              \
		EXPECT_STREQ(OLD_TEXT, rsm_last_error());                      \
	} while (0)

TEST_F(lib, success_with_another_controller)
{
	ASSERT_OK(rsm_release_controller(ctl));
	SUCCEEDS(rsm_get_controller("loopback", &ctl));
}

/* What cannot be mapped the kernel copies. */
TEST_F(imp, success_without_mapping)
{
	rsm_memseg_import_handle_t writer = connect_new(RSM_PERM_WRITE);
	uint8_t byte = 1;

	ASSERT_OK(rsm_memseg_import_set_mode(writer,
					     RSM_BARRIER_MODE_EXPLICIT));
	SUCCEEDS(rsm_memseg_import_put8(writer, 0, &byte, 1));
	EXPECT_OK(rsm_memseg_import_disconnect(writer));
}

/* One signal, for which two entries are ready */
TEST_F(imp, success_with_one_of_two_pollfds)
{
	struct pollfd fds[2];
	int ready;

	ASSERT_OK(rsm_memseg_get_pollfd(seg, &fds[0]));
	fds[1] = fds[0];
	ASSERT_OK(rsm_intr_signal_post(im, 0));
	SUCCEEDS(rsm_intr_signal_wait_pollfd(fds, 2, LONG_MS, &ready));
	EXPECT_EQ(1, ready);
	EXPECT_OK(rsm_memseg_release_pollfd(seg));
}

static int destroy_copy(void *arg)
{
	(void)arg;
	leave_old_text();
	return rsm_memseg_export_destroy(seg) ||
	       strcmp(OLD_TEXT, rsm_last_error());
}

TEST_F(seg, success_with_a_child_s_copy)
{
	EXPECT_OK(rsm_in_child(destroy_copy, NULL));
}

static void *hold_lock(void *arg)
{
	pthread_barrier_t *locked = arg;
	int ret = rsm_memseg_lock(seg, 0, 0, NULL);

	pthread_barrier_wait(locked);
	usleep(20000);
	return (void *)(long)(ret ?: rsm_memseg_unlock(seg, 0));
}

TEST_F(path, success_with_a_lock_that_another_thread_had)
{
	pthread_barrier_t locked;
	pthread_t thread;
	void *ret;

	pthread_barrier_init(&locked, NULL, 2);
	ASSERT_OK(pthread_create(&thread, NULL, hold_lock, &locked));
	pthread_barrier_wait(&locked);
	SUCCEEDS(rsm_memseg_lock(seg, 0, LONG_MS, NULL));
	EXPECT_OK(pthread_join(thread, &ret));
	EXPECT_EQ(NULL, ret);
	EXPECT_OK(rsm_memseg_unlock(seg, 0));
}

/* Threads and children */

static void *fail_in_thread(void *arg)
{
	(void)arg;
	if (strcmp("", rsm_last_error()))
		return "not empty";
	errno = OLD_ERRNO;
	rsm_memseg_export_destroy(NULL);
	return told("an export is NULL") ? NULL : "another text";
}

TEST(each_thread_has_its_own)
{
	pthread_t thread;
	void *ret;

	EXPECT_STREQ("", rsm_last_error());
	leave_old_text();
	ASSERT_OK(pthread_create(&thread, NULL, fail_in_thread, NULL));
	EXPECT_OK(pthread_join(thread, &ret));
	EXPECT_EQ(NULL, ret);
	EXPECT_STREQ(OLD_TEXT, rsm_last_error());
}

/* A text with values and one without */
static int child_has_text(void *arg)
{
	return !told(arg) || rsm_memseg_export_destroy(NULL) == 0 ||
	       !told("an export is NULL");
}

TEST(child_has_that_of_its_parent)
{
	rsmapi_controller_handle_t c;

	errno = OLD_ERRNO;
	rsm_get_controller("42", &c);
	EXPECT_OK(rsm_in_child(child_has_text, "\"42\" is no name"));
	EXPECT_NE(NULL, strstr(rsm_last_error(), "\"42\" is no name"));
	leave_old_text();
	EXPECT_OK(rsm_in_child(child_has_text, OLD_TEXT));
}

TEST_HARNESS_MAIN
