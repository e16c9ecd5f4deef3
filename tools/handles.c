// SPDX-License-Identifier: GPL-2.0-only
/*
 * The walk through /proc: processes, the tables of descriptors of each, what is
 * in these, and mappings. Everything of a process is opened relative to its
 * directory in /proc, so that a new process with the number of an old one is
 * not taken for it.
 *
 * No descriptor is opened, nor looked at in a way that asks a file server:
 * one that does not answer would hold us up.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/rsmctl.h>

#include "caller.h"
#include "fdinfo.h"
#include "handles.h"
#include "output.h"

/* Tables of descriptors that are told apart in one process */
#define MAX_TABLES 64

/**
 * struct handles - where the walk is
 * @kinds: what is looked for
 * @only: the one process to look at, or 0
 * @procs: /proc
 * @process: /proc/PID of @now.pid, or -1 between processes
 * @tasks: /proc/PID/task, while there are threads to look at
 * @fds: the table of descriptors that is being looked at, or NULL
 * @maps: mappings that are being looked at, or NULL
 * @line: of @maps
 * @line_size: room there
 * @tables: a thread for each table of descriptors of the process
 * @nr_tables: their number
 * @denied: tables that may not be looked at
 * @named: @now.comm and @now.uid are known
 * @now: the current one
 * @info: what the kernel tells of it, once that was asked for
 * @hidden: processes that cannot be looked into
 * @hidden_own: those of them that are of the caller's user
 */
struct handles {
	unsigned int kinds;
	pid_t only;
	DIR *procs;
	int process;
	DIR *tasks;
	DIR *fds;
	FILE *maps;
	char *line;
	size_t line_size;
	pid_t tables[MAX_TABLES];
	unsigned int nr_tables;
	unsigned int denied;
	bool named;
	struct handle now;
	struct fdinfo info;
	unsigned int hidden;
	unsigned int hidden_own;
};

static const struct {
	enum handle_kind kind;
	const char *name;
	const char *link;
} kinds[] = {
	{ HANDLE_EXPORT, "export", "anon_inode:[rsm-export]" },
	{ HANDLE_IMPORT, "import", "anon_inode:[rsm-import]" },
	{ HANDLE_TICKET, "ticket", "anon_inode:[rsm-ticket]" },
	{ HANDLE_CONTROL, "control", NULL },
	{ HANDLE_MAPPING, "mapping", NULL },
};

#define NR_KINDS (sizeof(kinds) / sizeof(*kinds))

const char *handle_kind_name(enum handle_kind kind)
{
	size_t i;

	for (i = 0; i < NR_KINDS; i++)
		if (kinds[i].kind == kind)
			return kinds[i].name;
	return NULL;
}

/* 0 if it is none of the driver's */
static enum handle_kind kind_of_link(const char *link)
{
	size_t i;

	for (i = 0; i < NR_KINDS; i++)
		if (kinds[i].link && !strcmp(kinds[i].link, link))
			return kinds[i].kind;
	return 0;
}

/* The number that a name in /proc is, or -1 */
static int parse_number(const char *name)
{
	char *end;
	long number;

	if (!isdigit((unsigned char)*name))
		return -1;
	number = strtol(name, &end, 10);
	return *end || number > INT_MAX ? -1 : number;
}

static DIR *open_folder(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir;

	if (fd < 0)
		return NULL;
	dir = fdopendir(fd);
	if (!dir)
		close(fd);
	return dir;
}

/* Reads a small file, ended by a zero. Returns its length, or -1. */
static ssize_t read_small(int at, const char *path, char *text, size_t size)
{
	int fd = openat(at, path, O_RDONLY | O_CLOEXEC);
	ssize_t length;

	if (fd < 0)
		return -1;
	length = read(fd, text, size - 1);
	close(fd);
	text[length > 0 ? length : 0] = '\0';
	return length;
}

struct handles *handles_open(unsigned int which, pid_t pid)
{
	struct handles *it = calloc(1, sizeof(*it));
	char name[16];

	if (!it)
		return NULL;
	it->kinds = which;
	it->only = pid;
	it->process = -1;
	it->procs = open_folder(AT_FDCWD, "/proc");
	snprintf(name, sizeof(name), "%d", pid);
	if (it->procs &&
	    (!pid || !faccessat(dirfd(it->procs), name, F_OK, 0)))
		return it;
	handles_close(it);
	return NULL;
}

static void close_table(struct handles *it)
{
	if (it->fds)
		closedir(it->fds);
	it->fds = NULL;
}

static void close_process(struct handles *it)
{
	close_table(it);
	if (it->tasks)
		closedir(it->tasks);
	it->tasks = NULL;
	if (it->maps)
		fclose(it->maps);
	it->maps = NULL;
	if (it->process >= 0)
		close(it->process);
	it->process = -1;
}

void handles_close(struct handles *it)
{
	int error = errno;

	if (!it)
		return;
	close_process(it);
	fdinfo_free(&it->info);
	if (it->procs)
		closedir(it->procs);
	free(it->line);
	free(it);
	errno = error;
}

/* Whether what could not be opened has only ended meanwhile */
static bool has_ended(void)
{
	return errno == ENOENT || errno == ESRCH;
}

/* Whose that is cannot be said, either. */
static void count_unknown(struct handles *it)
{
	it->hidden += !has_ended();
	it->hidden_own += !has_ended();
}

static void count_denied(struct handles *it)
{
	if (!has_ended())
		it->denied++;
}

/* Who may not be looked into counts, but for what is dead already. */
static void count_hidden(struct handles *it)
{
	char text[1024], *line;
	unsigned int uid;

	if (!it->denied || it->nr_tables)
		return;
	if (read_small(it->process, "status", text, sizeof(text)) <= 0) {
		count_unknown(it);
		return;
	}
	line = strstr(text, "\nState:\t");
	if (line && line[8] == 'Z')
		return;
	it->hidden++;
	line = strstr(text, "\nUid:\t");
	if (line && sscanf(line, "\nUid:\t%u", &uid) == 1 && uid == getuid())
		it->hidden_own++;
}

static bool open_process(struct handles *it, pid_t pid)
{
	char name[16];

	snprintf(name, sizeof(name), "%d", pid);
	it->process = openat(dirfd(it->procs), name,
			     O_PATH | O_DIRECTORY | O_CLOEXEC);
	it->nr_tables = 0;
	it->denied = 0;
	it->named = false;
	it->now = (struct handle){ .pid = pid, .tid = pid };
	return it->process >= 0;
}

/* False at the end of all of them */
static bool next_process(struct handles *it)
{
	struct dirent *entry;
	pid_t pid;

	if (it->only) {
		pid = it->only;
		it->only = -1;
		return pid > 0 && open_process(it, pid);
	}
	while ((entry = readdir(it->procs))) {
		pid = parse_number(entry->d_name);
		if (pid <= 0)
			continue;
		if (open_process(it, pid))
			return true;
		count_unknown(it);
	}
	return false;
}

/* Threads share a table, unless they say otherwise. */
static bool table_is_new(struct handles *it, pid_t tid)
{
	unsigned int i;

	if (it->nr_tables == MAX_TABLES)
		return false;
	for (i = 0; i < it->nr_tables; i++)
		if (syscall(SYS_kcmp, it->tables[i], tid, KCMP_FILES, 0, 0) <= 0)
			return false;
	return true;
}

static bool open_table(struct handles *it, pid_t tid)
{
	char path[32];

	if (!table_is_new(it, tid))
		return false;
	snprintf(path, sizeof(path), "task/%d/fd", tid);
	it->fds = open_folder(it->process, path);
	if (!it->fds) {
		count_denied(it);
		return false;
	}
	it->now.tid = tid;
	it->tables[it->nr_tables++] = tid;
	return true;
}

/*
 * That of the first thread comes first, and most have no other. The first one
 * may be dead, and denied for that; one more says if all are.
 */
static bool next_table(struct handles *it)
{
	struct dirent *entry;
	pid_t tid;

	if (!it->tasks) {
		it->tasks = open_folder(it->process, "task");
		if (!it->tasks)
			count_denied(it);
		else if (open_table(it, it->now.pid))
			return true;
	}
	while (it->tasks && (it->nr_tables || it->denied < 2) &&
	       (entry = readdir(it->tasks))) {
		tid = parse_number(entry->d_name);
		if (tid > 0 && tid != it->now.pid && open_table(it, tid))
			return true;
	}
	return false;
}

static bool is_control(const struct handles *it, const char *name)
{
	struct statx stx;

	return !statx(dirfd(it->fds), name,
		      AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &stx) &&
	       S_ISCHR(stx.stx_mode) && stx.stx_rdev_major == RSM_DEV_MAJOR &&
	       stx.stx_rdev_minor == RSM_DEV_MINOR;
}

/* Other links than those to files in some file system are no device nodes. */
static enum handle_kind kind_of_fd(const struct handles *it, const char *name)
{
	char link[64];
	ssize_t length;

	length = readlinkat(dirfd(it->fds), name, link, sizeof(link) - 1);
	if (length <= 0)
		return 0;
	link[length] = '\0';
	if (*link != '/')
		return kind_of_link(link);
	if (it->kinds & HANDLE_CONTROL && is_control(it, name))
		return HANDLE_CONTROL;
	return 0;
}

/* Most processes hold nothing of ours, and need no name. */
static void name_process(struct handles *it)
{
	struct handle *now = &it->now;
	char text[1024], *line;
	ssize_t length;

	if (it->named)
		return;
	it->named = true;
	length = read_small(it->process, "comm", now->comm, sizeof(now->comm));
	if (length > 0 && now->comm[length - 1] == '\n')
		now->comm[length - 1] = '\0';
	now->uid = (uid_t)-1;
	if (read_small(it->process, "status", text, sizeof(text)) <= 0)
		return;
	line = strstr(text, "\nUid:\t");
	if (line)
		sscanf(line, "\nUid:\t%u", &now->uid);
}

static bool next_fd(struct handles *it)
{
	struct handle *now = &it->now;
	struct dirent *entry;

	while (it->fds && (entry = readdir(it->fds))) {
		now->fd = parse_number(entry->d_name);
		if (now->fd < 0)
			continue;
		now->kind = kind_of_fd(it, entry->d_name);
		if (!(now->kind & it->kinds))
			continue;
		name_process(it);
		return true;
	}
	close_table(it);
	return false;
}

/* Of the thread looked at last: the first one may be dead, and have none. */
static bool open_maps(struct handles *it)
{
	char path[32];
	int fd;

	if (!(it->kinds & HANDLE_MAPPING) || !it->nr_tables)
		return false;
	snprintf(path, sizeof(path), "task/%d/maps", it->now.tid);
	fd = openat(it->process, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	it->maps = fdopen(fd, "r");
	if (!it->maps)
		close(fd);
	it->now.kind = HANDLE_MAPPING;
	it->now.fd = -1;
	return it->maps;
}

static bool parse_mapping(struct handle *now, char *line)
{
	unsigned long long first, end, offset;
	char rights[5];
	int name = 0;

	if (!strstr(line, "anon_inode:[rsm-") ||
	    sscanf(line, "%llx-%llx %4s %llx %*s %*s %n", &first, &end, rights,
		   &offset, &name) != 4 || !name)
		return false;
	line[strcspn(line, "\n")] = '\0';
	now->of = kind_of_link(line + name);
	now->address = first;
	now->length = end - first;
	now->offset = offset;
	now->status = offset >= RSM_STATUS_OFFSET;
	now->writable = rights[1] == 'w';
	return now->of;
}

static bool next_mapping(struct handles *it)
{
	while (it->maps && getline(&it->line, &it->line_size, it->maps) > 0) {
		if (!parse_mapping(&it->now, it->line))
			continue;
		name_process(it);
		return true;
	}
	return false;
}

const struct handle *handles_next(struct handles *it)
{
	fdinfo_free(&it->info);
	while (it->process >= 0 || next_process(it)) {
		if (next_fd(it) || next_mapping(it))
			return &it->now;
		if (!it->maps && (next_table(it) || open_maps(it)))
			continue;
		count_hidden(it);
		close_process(it);
	}
	return NULL;
}

static void read_info(struct handles *it)
{
	char path[48];

	if (it->info.text || it->now.kind == HANDLE_MAPPING)
		return;
	snprintf(path, sizeof(path), "task/%d/fdinfo/%d", it->now.tid,
		 it->now.fd);
	errno = ENOENT;
	fdinfo_read(&it->info, it->process, path);
	if (!it->info.text)
		count_unknown(it);
}

const char *handle_info_next(struct handles *it, const char *key,
			     const char **value)
{
	read_info(it);
	return fdinfo_next(&it->info, key, value);
}

const char *handle_info(struct handles *it, const char *key)
{
	read_info(it);
	return fdinfo_find(&it->info, key);
}

bool handle_info_number(struct handles *it, const char *key, uint64_t *value)
{
	const char *text = handle_info(it, key);
	uint64_t number;
	char *end;

	if (!text || !isdigit((unsigned char)*text))
		return false;
	errno = 0;
	number = strtoull(text, &end, 0);
	if (errno || *end)
		return false;
	*value = number;
	return true;
}

unsigned int handles_hidden(const struct handles *it, bool own)
{
	return own ? it->hidden_own : it->hidden;
}

bool handles_whole(const struct handles *it)
{
	return !it->hidden && !faccessat(dirfd(it->procs), "1", F_OK, 0) &&
	       caller_in_first_namespace("pid");
}

int handle_compare(const struct handle *a, const struct handle *b)
{
	long order = syscall(SYS_kcmp, a->tid, b->tid, KCMP_FILE, a->fd, b->fd);

	if (order >= 0)
		return order == 1 ? -1 : order != 0;
	if (a->tid != b->tid)
		return a->tid < b->tid ? -1 : 1;
	return a->fd < b->fd ? -1 : a->fd > b->fd;
}

const char *handle_comm_text(char text[HANDLE_COMM_MAX],
			     const struct handle *handle)
{
	strcpy(text, handle->comm);
	out_make_printable(text);
	return text;
}
