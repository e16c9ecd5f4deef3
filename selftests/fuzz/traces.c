// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a program may not leave behind: objects that the module counts, pages
 * charged to a user, handles counted for one, and reports of the kernel.
 *
 * What is charged to a user is to be seen nowhere. So for each user there is
 * a process that tries, with limits that are enough for one page and for one
 * handle, if nothing else is charged.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/rsmctl.h>

#include "exec.h"
#include "run.h"

/* How long the last trace may take to vanish, in milliseconds. */
#define QUIET_MS 5000

/* Handles that programs may have, as other users than root. */
#define MAX_HANDLES 8

/* Where the search for what a user is charged for ends. */
#define MAX_NEED (1024U << 10)

#define PARAM(_name) "/sys/module/rsmctl/parameters/" _name

static const char *const stats[] = {
	"segments", "imports", "tickets", "areas", "page_sets",
	"pinned_pages", "mutexes",
};

#define NR_STATS ARRAY_SIZE(stats)

static int stat_fds[NR_STATS];
static long stats_before[NR_STATS];
static int kmsg_fd = -1;
static int max_fd, slow_fd;
static uint32_t max_before;
static pid_t settings_owner;

/* Limits that a user needs to export one page. */
struct need {
	uint32_t pages;
	uint32_t handles;
};

/* Processes that try, by number of the user as programs have it. */
#define NR_USERS 3
static struct probe {
	int socket;
	struct need need;
	bool used;	/* programs have been that user since it was tried */
} probes[NR_USERS];

/* Counters */

static long read_stat(unsigned int i)
{
	char text[32] = "";

	if (pread(stat_fds[i], text, sizeof(text) - 1, 0) <= 0)
		return -1;
	return strtol(text, NULL, 10);
}

static bool stats_init(void)
{
	char path[64];
	unsigned int i;

	for (i = 0; i < NR_STATS; i++) {
		snprintf(path, sizeof(path), "/sys/module/rsmctl/stats/%s",
			 stats[i]);
		stat_fds[i] = open(path, O_RDONLY | O_CLOEXEC);
		stats_before[i] = read_stat(i);
		if (stats_before[i] < 0)
			return false;
	}
	return true;
}

/* The first counter that is not what it was, or NR_STATS. */
static unsigned int stats_differ(void)
{
	unsigned int i;

	for (i = 0; i < NR_STATS; i++)
		if (read_stat(i) != stats_before[i])
			break;
	return i;
}

static void stats_check(void)
{
	long end = now_ms() + QUIET_MS;
	unsigned int i;

	while ((i = stats_differ()) < NR_STATS && now_ms() < end)
		sleep_us(2000);
	for (; i < NR_STATS; i++)
		if (read_stat(i) != stats_before[i])
			complain("left behind: %s %+ld\n", stats[i],
				 read_stat(i) - stats_before[i]);
}

/* Charges */

static void drop_capabilities(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	syscall(SYS_capget, &head, data);
	data[0].effective &= ~(1U << CAP_IPC_LOCK | 1U << CAP_SYS_RESOURCE);
	syscall(SYS_capset, &head, data);
}

static int try_export(void *mem, uint32_t pages)
{
	struct rsm_export_create cmd = {
		.size = sizeof(cmd),
		.controller = sh->ctl[0],
		.vaddr = (uintptr_t)mem,
		.length = PAGE,
	};
	int fd = open("/dev/rsmctl", O_RDWR | O_CLOEXEC), ret;

	setrlimit(RLIMIT_MEMLOCK,
		  &(struct rlimit){ pages * PAGE, RLIM_INFINITY });
	ret = ioctl(fd, RSM_EXPORT_CREATE, &cmd) ? -errno : 0;
	close(fd);
	if (!ret)
		close(cmd.out_fd);
	return ret;
}

static void probe_main(unsigned int user, int socket)
{
	uid_t uid = user ? 1000 + user : 0;
	uint32_t pages;
	void *mem;
	int ret;

	setrlimit(RLIMIT_MEMLOCK,
		  &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY });
	if (uid && (syscall(SYS_setresgid, uid, uid, uid) ||
		    syscall(SYS_setresuid, uid, uid, uid)))
		_exit(1);
	drop_capabilities();
	mem = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	while (read(socket, &pages, sizeof(pages)) == sizeof(pages)) {
		ret = try_export(mem, pages);
		if (write(socket, &ret, sizeof(ret)) != sizeof(ret))
			break;
	}
	_exit(0);
}

/* In a grandchild, so that the runner does not wait for its end. */
static bool probe_start(unsigned int user)
{
	int fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		return false;
	pid = fork();
	if (!pid) {
		/* It ends when nobody else has this one. */
		close(fds[0]);
		if (!fork())
			probe_main(user, fds[1]);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	close(fds[1]);
	probes[user].socket = fds[0];
	probes[user].need = (struct need){ 1, 1 };
	return pid > 0;
}

static void set_param(int fd, uint32_t value)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", value);

	if (fd >= 0 && pwrite(fd, text, length, 0) < 0)
		errno = 0;
}

/* Try to export a page with these limits. */
static int probe_once(const struct probe *probe, const struct need *need)
{
	int ret = -EIO;

	set_param(max_fd, need->handles);
	if (TEMP_FAILURE_RETRY(write(probe->socket, &need->pages,
				     sizeof(need->pages))) < 0 ||
	    TEMP_FAILURE_RETRY(read(probe->socket, &ret, sizeof(ret))) < 0)
		ret = -EIO;
	set_param(max_fd, MAX_HANDLES);
	return ret;
}

static int probe_patiently(const struct probe *probe, const struct need *need)
{
	long end = now_ms() + QUIET_MS;
	int ret;

	while ((ret = probe_once(probe, need)) && now_ms() < end)
		sleep_us(2000);
	return ret;
}

static void note_user(uint64_t user)
{
	probes[user % NR_USERS].used = true;
}

static void note_users(void)
{
	unsigned int i;

	note_user(0);
	for (i = 0; i < sh->prog.count; i++)
		if (sh->prog.steps[i].op == OP_USER)
			note_user(sh->prog.steps[i].arg[ROLE_ID]);
}

/* True if what users are charged for is what it was. */
bool charges_check(void)
{
	unsigned int user;
	bool good = true;
	int ret;

	for (user = 0; user < NR_USERS; user++) {
		if (!probes[user].used)
			continue;
		probes[user].used = false;
		ret = probe_patiently(&probes[user], &probes[user].need);
		if (!ret)
			continue;
		complain("left behind: user %u cannot export a page: %s\n",
			 user, strerror(-ret));
		good = false;
	}
	return good;
}

/* The least limit that does, as one more is no longer too few. */
static void find_need(struct probe *probe, uint32_t *limit, int too_few)
{
	uint32_t low, high = *limit;

	while (high < MAX_NEED && probe_once(probe, &probe->need) == too_few)
		*limit = high *= 2;
	low = high / 2;
	while (low < high) {
		*limit = low + (high - low) / 2;
		if (probe_once(probe, &probe->need) == too_few)
			low = *limit + 1;
		else
			high = *limit;
	}
	*limit = high;
}

/* Take what users are charged for now as what it should be. */
void charges_accept(void)
{
	struct probe *probe = probes;

	for (; probe < probes + NR_USERS; probe++) {
		find_need(probe, &probe->need.handles, -ENOSPC);
		find_need(probe, &probe->need.pages, -ENOMEM);
	}
}

/* Other tests may follow. */
static void restore_settings(void)
{
	if (getpid() == settings_owner)
		set_param(max_fd, max_before);
}

static void read_settings(void)
{
	char text[16] = "";

	if (pread(max_fd, text, sizeof(text) - 1, 0) < 0)
		errno = 0;
	max_before = strtoul(text, NULL, 10);
	settings_owner = getpid();
	atexit(restore_settings);
}

static bool probes_init(void)
{
	unsigned int user;

	max_fd = open(PARAM("max_user_segments"), O_RDWR | O_CLOEXEC);
	read_settings();
	slow_fd = open(PARAM("test_mmap_delay_ms"), O_WRONLY | O_CLOEXEC);
	for (user = 0; user < NR_USERS; user++)
		if (!probe_start(user))
			return false;
	return true;
}

/* Reports of the kernel */

static const char *const reports[] = {
	"kernel BUG at", "WARNING:", "BUG:", "Oops:", "INFO: task",
	"possible recursive locking", "possible circular locking",
	"Internal error", "suspicious RCU usage", "soft lockup", "UBSAN",
	"general protection fault", "KASAN", "rcu_preempt detected stall",
	"inconsistent lock state", "held lock freed", "still held",
	"pagealloc: memory corruption", "bad page",
};

static bool is_report(const char *record)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(reports); i++)
		if (strstr(record, reports[i]))
			return true;
	return false;
}

/* One record: false if there is none. */
static bool read_record(char *record, size_t size)
{
	ssize_t length;

	do {
		length = read(kmsg_fd, record, size - 1);
	} while (length < 0 && (errno == EPIPE || errno == EINTR));
	record[length > 0 ? length : 0] = 0;
	return length > 0;
}

/* The text of a record, in one line. */
static const char *record_text(char *record)
{
	char *text = strchr(record, ';');

	text = text ? text + 1 : record;
	text[strcspn(text, "\n")] = 0;
	return text;
}

#define REPORT_LINES 24

/* Let it report the same again, for other programs that make it do so. */
static void report_again(void)
{
	int fd = open("/sys/kernel/debug/clear_warn_once", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, "1", 1) < 0)
		errno = 0;
	close(fd);
}

static void kmsg_check(void)
{
	unsigned int lines = 0;
	char record[8192];

	while (kmsg_fd >= 0 && read_record(record, sizeof(record))) {
		if (!lines && !is_report(record))
			continue;
		if (!lines)
			complain("the kernel reports:\n");
		if (lines++ < REPORT_LINES)
			complain("  %s\n", record_text(record));
	}
	if (lines)
		report_again();
}

static void kmsg_init(void)
{
	kmsg_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	lseek(kmsg_fd, 0, SEEK_END);
}

bool traces_init(void)
{
	kmsg_init();
	if (!stats_init() || !probes_init())
		return false;
	set_param(max_fd, MAX_HANDLES);
	return true;
}

void traces_check(void)
{
	set_param(slow_fd, 0);
	stats_check();
	note_users();
	kmsg_check();
}
