// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: tool_holder WHAT [ARGUMENT]
 *
 * Holds on to the driver, for the tests of rsmctl: says "ready" when it does,
 * and does so until it is killed. WHAT:
 *
 *	export N BYTES	N segments of so many bytes; the first is published: "id ID"
 *	fork N BYTES	the same, and a child that has them, too
 *	import ID	an import that is mapped
 *	mapping ID	the same, without the descriptor
 *	thread		the device node, in a table of a thread of its own
 *	leaderless	the device node, in a process whose first thread has ended
 *	socket		the device node, in a socket and nowhere else
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rsm_ext.h>

#define PAGE 4096

static void check(int error, const char *what)
{
	if (!error)
		return;
	fprintf(stderr, "%s: %s\n", what, rsm_strerror(error));
	exit(1);
}

static void *idle(void *unused)
{
	for (;;)
		pause();
	return unused;
}

/* With one thread more, which has the same descriptors. */
static void hold(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, idle, NULL);
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}

static int open_device(void)
{
	int fd = open("/dev/rsmctl", O_RDWR);

	if (fd >= 0)
		return fd;
	perror("/dev/rsmctl");
	exit(1);
}

static rsmapi_controller_handle_t controller(void)
{
	rsmapi_controller_handle_t ctl;

	check(rsm_get_controller("loopback", &ctl), "get the controller");
	return ctl;
}

static void add_child(void)
{
	pid_t parent = getpid(), child = fork();

	if (child < 0) {
		perror("fork");
		exit(1);
	}
	if (child)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* It may have been killed before. */
	if (getppid() != parent)
		_exit(0);
	for (;;)
		pause();
}

static void hold_exports(unsigned long count, unsigned long length, bool child)
{
	rsmapi_controller_handle_t ctl = controller();
	char *memory = aligned_alloc(PAGE, count * length);
	rsm_memseg_export_handle_t seg;
	rsm_memseg_id_t id = 0;
	unsigned long i;

	for (i = 0; i < count; i++) {
		check(rsm_memseg_export_create(ctl, &seg, memory + i * length,
					       length, 0), "export");
		if (!i)
			check(rsm_memseg_export_publish(seg, &id, NULL, 0),
			      "publish");
	}
	printf("id 0x%x\n", id);
	fflush(stdout);
	if (child)
		add_child();
	hold();
}

static void hold_import(const char *id, bool descriptor)
{
	rsm_memseg_import_handle_t imp;
	void *addr = NULL;

	check(rsm_memseg_import_connect(controller(), 0, strtoul(id, NULL, 0),
					RSM_PERM_RDWR, &imp), "connect");
	check(rsm_memseg_import_map(imp, &addr, RSM_MAP_NONE, RSM_PERM_RDWR, 0,
				    PAGE), "map");
	if (!descriptor)
		close_range(3, ~0U, 0);
	hold();
}

static void *open_apart(void *unused)
{
	(void)unused;
	if (unshare(CLONE_FILES)) {
		perror("unshare");
		exit(1);
	}
	open_device();
	hold();
	return NULL;
}

static void *open_here(void *first)
{
	pthread_join(*(pthread_t *)first, NULL);
	open_device();
	hold();
	return NULL;
}

static void hold_socket(void)
{
	char text = 0, control[CMSG_SPACE(sizeof(int))] = { };
	struct iovec iov = { .iov_base = &text, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	int pair[2], fd = open_device();

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) ||
	    sendmsg(pair[0], &msg, 0) != 1) {
		perror("socket");
		exit(1);
	}
	close(fd);
	hold();
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	static pthread_t first, other;

	if (argc == 4 && (!strcmp(what, "export") || !strcmp(what, "fork")))
		hold_exports(strtoul(argv[2], NULL, 0),
			     strtoul(argv[3], NULL, 0), *what == 'f');
	if (argc == 3 && (!strcmp(what, "import") || !strcmp(what, "mapping")))
		hold_import(argv[2], *what == 'i');
	if (argc == 2 && !strcmp(what, "socket"))
		hold_socket();
	first = pthread_self();
	if (argc == 2 && (!strcmp(what, "thread") ||
			  !strcmp(what, "leaderless")))
		pthread_create(&other, NULL, *what == 't' ? open_apart :
			       open_here, &first);
	else
		return 2;
	if (*what == 'l')
		pthread_exit(NULL);
	pthread_join(other, NULL);
	return 1;
}
