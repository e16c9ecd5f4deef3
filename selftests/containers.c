// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two containers: processes with namespaces of their own for users, processes,
 * IPC, mounts and network, and without privileges. A ticket goes from one to
 * the other through a socket, and nothing else does.
 */
#include "rsm_utils.h"
#include "rsm_cgroup.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>

#define PAGE 4096UL
#define LENGTH (4 * PAGE)
#define RW (RSM_RIGHT_READ | RSM_RIGHT_WRITE)
#define NAMESPACES (CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWIPC | \
		    CLONE_NEWNS | CLONE_NEWNET)
#define ID 0x400456
#define TEXT_MAX 16384

/* Users without privileges, one for each container. */
#define OWNER 1001
#define OTHER 1002

FIXTURE(containers)
{
	struct rsm_scene scene;
	/* from the exporter's container to that of the importer, and back */
	int socket[2];
	pid_t exporter;
};

FIXTURE_SETUP(containers)
{
	ASSERT_OK(rsm_scene_open(&self->scene));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				self->socket));
	self->exporter = 0;
}

FIXTURE_TEARDOWN(containers)
{
	if (self->exporter > 0) {
		kill(self->exporter, SIGKILL);
		rsm_wait_child(self->exporter);
	}
	EXPECT_TRUE(rsm_scene_close(&self->scene));
}

typedef FIXTURE_DATA(containers) containers_self;

/**
 * struct container - what is to run in one
 * @self: the test
 * @uid: user outside
 * @run: gets the test; its result is that of rsm_in_container()
 */
struct container {
	containers_self *self;
	uid_t uid;
	int (*run)(containers_self *self);
};

static int write_map(const char *path, unsigned int outside)
{
	char text[32];

	snprintf(text, sizeof(text), "0 %u 1\n", outside);
	return rsm_file_write(path, text);
}

/* The first process there, its own init */
static int first_process(void *arg)
{
	struct container *container = arg;

	/* All ends with the process that the test knows. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("proc", "/proc", "proc", 0, NULL))
		return 100;
	return container->run(container->self);
}

static int enter(void *arg)
{
	struct container *container = arg;

	if (unshare(NAMESPACES) ||
	    rsm_file_write("/proc/self/setgroups", "deny") ||
	    write_map("/proc/self/uid_map", container->uid) ||
	    write_map("/proc/self/gid_map", container->uid))
		return 101;
	return rsm_in_child(first_process, container);
}

/* Dropping privileges makes /proc/self root's, and its maps cannot be written. */
static int drop_and_enter(void *arg)
{
	struct container *container = arg;

	if (rsm_drop_to(container->uid) || prctl(PR_SET_DUMPABLE, 1))
		return 102;
	return enter(container);
}

static int rsm_in_container(containers_self *self, uid_t uid,
			    int (*run)(containers_self *self))
{
	struct container container = { self, uid, run };

	return rsm_in_child(drop_and_enter, &container);
}

/* The same, beside us */
static pid_t rsm_start_container(containers_self *self, uid_t uid,
				 int (*run)(containers_self *self))
{
	struct container container = { self, uid, run };

	return rsm_start_child(drop_and_enter, &container);
}

/* Export, publish as ID, send a ticket, and stay. */
static int export_and_stay(containers_self *self)
{
	int control = rsm_open(), export, ticket;
	void *mem = rsm_alloc(LENGTH);
	__u32 id = ID;

	rsm_stamp(mem, LENGTH, 1);
	if (control < 0 ||
	    rsm_create(control, self->scene.controller, mem, LENGTH, 0,
		       &export, NULL) ||
	    rsm_publish(export, &id, NULL, 0, NULL))
		return 1;
	if (rsm_grant(export, RW, &ticket, NULL) ||
	    rsm_send_fd(self->socket[0], ticket))
		return 2;
	close(ticket);
	for (;;)
		pause();
}

/* Redeem the ticket, and read through a mapping. */
static int import_by_ticket(containers_self *self)
{
	int ticket = rsm_receive_fd(self->socket[1]), imp;
	void *map;

	if (ticket < 0)
		return 1;
	if (rsm_redeem(ticket, RW, &imp, NULL))
		return 2;
	map = rsm_map(imp, LENGTH, PROT_READ | PROT_WRITE);
	if (map == MAP_FAILED)
		return 3;
	return rsm_stamp_check(map, LENGTH, 1) >= 0 ? 4 : 0;
}

TEST_F(containers, a_ticket_goes_from_one_to_the_other)
{
	self->exporter = rsm_start_container(self, OWNER, export_and_stay);
	ASSERT_LT(0, self->exporter);
	EXPECT_EQ(0, rsm_in_container(self, OTHER, import_by_ticket));
}

/* Of the same user outside, with all rights: it is not there. */
static int import_by_id(containers_self *self)
{
	int control = rsm_open(), ticket = rsm_receive_fd(self->socket[1]);
	__u32 error = 0;
	int imp, ret;

	if (control < 0 || ticket < 0)
		return 1;
	ret = rsm_connect(control, self->scene.controller, self->scene.node, ID,
			  RSM_RIGHT_READ, &imp, &error);
	return ret != -ENOENT || error != RSM_ERR_SEG_NOT_PUBLISHED ? 2 : 0;
}

TEST_F(containers, ids_do_not_go_from_one_to_the_other)
{
	self->exporter = rsm_start_container(self, OWNER, export_and_stay);
	ASSERT_LT(0, self->exporter);
	EXPECT_EQ(0, rsm_in_container(self, OWNER, import_by_id));
}

/* The same id in each */
static int export_same_id(containers_self *self)
{
	int control = rsm_open(), ticket = rsm_receive_fd(self->socket[1]);
	void *mem = rsm_alloc(PAGE);
	__u32 id = ID;
	int export;

	if (control < 0 || ticket < 0)
		return 1;
	if (rsm_create(control, self->scene.controller, mem, PAGE, 0, &export,
		       NULL))
		return 2;
	return rsm_publish(export, &id, NULL, 0, NULL) ? 3 : 0;
}

TEST_F(containers, each_has_ids_of_its_own)
{
	self->exporter = rsm_start_container(self, OWNER, export_and_stay);
	ASSERT_LT(0, self->exporter);
	EXPECT_EQ(0, rsm_in_container(self, OTHER, export_same_id));
}

/* What "rsmctl list --json" says: 0 or a negative errno. */
static int run_list(char text[TEXT_MAX])
{
	FILE *from = popen("rsmctl list --json", "r");
	size_t length;

	if (!from)
		return -errno;
	length = fread(text, 1, TEXT_MAX - 1, from);
	text[length] = '\0';
	return pclose(from) ? -EIO : 0;
}

static int list_in_other(containers_self *self)
{
	char text[TEXT_MAX];
	int ticket = rsm_receive_fd(self->socket[1]), imp;

	if (ticket < 0 || run_list(text))
		return 1;
	/* The ticket is there, and whose it was is not. */
	if (!strstr(text, "\"kind\": \"ticket\"") ||
	    !strstr(text, "\"creator\": null"))
		return 2;
	if (strstr(text, "\"kind\": \"export\""))
		return 3;
	if (rsm_redeem(ticket, RW, &imp, NULL) || run_list(text))
		return 4;
	return strstr(text, "\"kind\": \"import\"") ? 0 : 5;
}

TEST_F(containers, threat_61_each_lists_only_its_own)
{
	self->exporter = rsm_start_container(self, OWNER, export_and_stay);
	ASSERT_LT(0, self->exporter);
	EXPECT_EQ(0, rsm_in_container(self, OTHER, list_in_other));
}

static int list_own(containers_self *self)
{
	int control = rsm_open(), export;
	void *mem = rsm_alloc(PAGE);
	char text[TEXT_MAX];

	if (control < 0 ||
	    rsm_create(control, self->scene.controller, mem, PAGE, 0, &export,
		       NULL) || run_list(text))
		return 1;
	/* the first process, as all of it is counted anew */
	return strstr(text, "\"kind\": \"export\"") &&
	       strstr(text, "\"creator\": 1,") &&
	       strstr(text, "\"owner\": 0,") ? 0 : 2;
}

TEST_F(containers, own_numbers_inside)
{
	EXPECT_EQ(0, rsm_in_container(self, OWNER, list_own));
}

TEST_HARNESS_MAIN
