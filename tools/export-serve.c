// SPDX-License-Identifier: GPL-2.0-only
/*
 * A segment from the memory's first byte to its end.
 *
 * From before the id is printed, signals of the process are taken in the loop
 * that also waits for those of importers, so that the end is the same whatever
 * the cause: importers are cut off, contents saved, the segment destroyed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "export.h"
#include "json.h"
#include "output.h"
#include "progress.h"

/* How often importers are counted, in milliseconds */
#define LOOK 100

/**
 * struct exporter - a segment
 * @request: what was asked for
 * @ctl: controller
 * @memory: the contents, and a page more
 * @length: of the contents, in bytes
 * @version: how many contents there were
 * @handle: the segment
 * @id: its id
 * @fds: the segment's signals, and the process's
 * @deadline: when it ends, on the monotonic clock; 0: not by itself
 * @importers: there were any
 * @over: it is to end
 * @child: the command, or 0: none that runs
 * @status: exit status, if all goes well
 */
struct exporter {
	const struct export_request *request;
	rsmapi_controller_handle_t ctl;
	struct share_memory memory;
	uint64_t length;
	uint64_t version;
	rsm_memseg_export_handle_t handle;
	rsm_memseg_id_t id;
	struct pollfd fds[2];
	uint64_t deadline;
	bool importers;
	bool over;
	pid_t child;
	int status;
};

static bool talkative(const struct exporter *exp)
{
	return exp->request->verbose || isatty(STDERR_FILENO);
}

/* A file that is to be read again must be one that can be. */
static bool check_kind(const struct export_request *request, int fd)
{
	struct stat st;

	if (!request->rebind || (!fstat(fd, &st) && S_ISREG(st.st_mode)))
		return true;
	out_error(EXPORT_WORD, "--rebind needs a regular file, which %s is not",
		  request->name);
	return false;
}

static bool read_file(struct share_memory *mem,
		      const struct export_request *request, uint64_t limit)
{
	int fd = STDIN_FILENO;
	bool good;

	/* What is no file, and only waits to be one, would keep us here. */
	if (!request->from_stdin)
		fd = open(request->name, O_RDONLY | O_CLOEXEC |
			  (request->rebind ? O_NONBLOCK : 0));
	if (fd < 0)
		return share_failed_errno(EXPORT_WORD, "open", request->name);
	good = check_kind(request, fd) &&
	       share_memory_read(mem, EXPORT_WORD, fd,
				 request->from_stdin ? "stdin" : request->name,
				 limit);
	if (!request->from_stdin)
		close(fd);
	return good;
}

static void write_trailer(const struct exporter *exp,
			  const struct share_memory *mem, uint64_t length,
			  uint64_t version)
{
	struct share_trailer *trailer = (struct share_trailer *)(mem->base +
				mem->usable - SHARE_PAGE);

	*trailer = (struct share_trailer){
		.magic = SHARE_MAGIC,
		.length = length,
		.version = version,
		.flags = exp->request->once ? SHARE_TELL : 0,
	};
}

/*
 * Where importers may write, all the room is for them to write to. Else the
 * contents are the file, and the rest is for longer ones.
 */
static uint64_t contents_length(const struct export_request *request,
				uint64_t used)
{
	if (request->length && (request->read_write || !request->name))
		return request->length;
	return used;
}

static uint64_t segment_length(uint64_t contents)
{
	return (contents + SHARE_PAGE - 1) / SHARE_PAGE * SHARE_PAGE +
	       SHARE_PAGE;
}

/* Read the file into memory of @total bytes, if that is not 0. */
static bool load(struct exporter *exp, struct share_memory *mem,
		 uint64_t total)
{
	const struct export_request *request = exp->request;
	uint64_t limit = request->length ? request->length : UINT64_MAX;

	if (total && !request->length)
		limit = total - SHARE_PAGE;
	if (!share_memory_reserve(mem, EXPORT_WORD, request->huge) ||
	    (request->name && !read_file(mem, request, limit)))
		return false;
	if (!total)
		total = segment_length(request->length ? request->length :
							 mem->used);
	return share_memory_fit(mem, EXPORT_WORD, total);
}

/*
 * Its mode is that of the umask, which holds for all nodes: an access list would
 * not let those in that the controller knows later.
 */
static bool create(struct exporter *exp)
{
	uint_t flags = exp->request->rebind ? RSM_ALLOW_REBIND : 0;
	char size[OUT_SIZE_MAX], what[OUT_SIZE_MAX + 20];
	mode_t mask = umask(0666 & ~exp->request->mode);
	int error;

	error = rsm_memseg_export_create(exp->ctl, &exp->handle,
					 exp->memory.base, exp->memory.usable,
					 flags);
	umask(mask);
	if (!error)
		return true;
	snprintf(what, sizeof(what), "share %s",
		 out_size(size, exp->memory.usable));
	return share_failed(EXPORT_WORD, what, error);
}

static bool publish_it(struct exporter *exp)
{
	int error;

	exp->id = exp->request->id;
	error = rsm_memseg_export_publish(exp->handle, &exp->id, NULL, 0);
	if (!error)
		return true;
	if (error == RSMERR_SEGID_IN_USE) {
		out_error(EXPORT_WORD,
			  "cannot publish it: the id 0x%x is in use: choose another, or leave out --id",
			  exp->request->id);
		return false;
	}
	return share_failed(EXPORT_WORD, "publish it", error);
}

static bool watch_segment(struct exporter *exp)
{
	int error = rsm_memseg_get_pollfd(exp->handle, &exp->fds[0]);

	return !error || share_failed(EXPORT_WORD, "watch the segment", error);
}

/* nohup(1) ignores it, and means it. */
static bool takes_hangup(const struct export_request *request)
{
	struct sigaction act;

	return request->rebind || sigaction(SIGHUP, NULL, &act) ||
	       act.sa_handler != SIG_IGN;
}

/*
 * Signals come by a descriptor from now on; those that end it also if a shell
 * that started it with "&" made them ignored.
 */
static bool watch_process(struct exporter *exp)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	/* Whoever started us may have ignored it. */
	signal(SIGCHLD, SIG_DFL);
	sigaddset(&set, SIGCHLD);
	if (takes_hangup(exp->request))
		sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	exp->fds[1].fd = signalfd(-1, &set, SFD_CLOEXEC);
	exp->fds[1].events = POLLIN;
	return exp->fds[1].fd >= 0 ||
	       share_failed_errno(EXPORT_WORD, "watch", "signals");
}

static void print_json(const struct exporter *exp, FILE *to)
{
	struct json json;
	char mode[8];

	snprintf(mode, sizeof(mode), "%04o", exp->request->mode);
	json_begin(&json, to);
	json_object(&json, NULL);
	json_number(&json, "id", exp->id);
	json_string(&json, "controller",
		    exp->request->controller ?: "loopback");
	json_number(&json, "length", exp->length);
	json_number(&json, "segment_length", exp->memory.usable);
	json_string(&json, "mode", mode);
	json_bool(&json, "rebind", exp->request->rebind);
	json_number(&json, "pid", getpid());
	json_string(&json, "file", exp->request->name);
	json_object_end(&json);
}

/* What a command prints is not mixed with the id, which it knows. */
static bool print_id(const struct exporter *exp, FILE *to)
{
	char size[OUT_SIZE_MAX];

	if (exp->request->json)
		print_json(exp, to);
	else if (!exp->request->command)
		fprintf(to, "0x%x\n", exp->id);
	if (talkative(exp))
		fprintf(stderr, "rsmctl export: %s, mode %04o, process %d\n",
			out_size(size, exp->length), exp->request->mode,
			(int)getpid());
	return !fflush(to) ||
	       share_failed_errno(EXPORT_WORD, "print", "the id");
}

/* Away from the terminal, and from who waits for the end of its pipe. */
static bool leave(FILE *to)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return share_failed_errno(EXPORT_WORD, "open", "/dev/null");
	setsid();
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	close(null);
	return !fclose(to);
}

/* The old contents stay if anything is wrong with the new ones. */
static bool replace(struct exporter *exp, struct share_memory *mem)
{
	uint64_t length;
	int error;

	if (!load(exp, mem, exp->memory.usable))
		return false;
	length = contents_length(exp->request, mem->used);
	write_trailer(exp, mem, length, exp->version + 1);
	error = rsm_memseg_export_rebind(exp->handle, mem->base, 0,
					 mem->usable);
	if (error)
		return share_failed(EXPORT_WORD,
				    "rebind (old and new contents are needed at once)",
				    error);
	exp->length = length;
	exp->version++;
	return true;
}

static void reload(struct exporter *exp)
{
	struct share_memory mem = {};

	if (!replace(exp, &mem)) {
		out_error(EXPORT_WORD, "the contents stay as they were");
		share_memory_free(&mem);
		return;
	}
	share_memory_free(&exp->memory);
	exp->memory = mem;
	rsm_intr_signal_post(exp->handle, 0);
	if (talkative(exp))
		fprintf(stderr, "rsmctl export: %s has been read again, %ju bytes\n",
			exp->request->name, (uintmax_t)exp->length);
}

static void take_end_of_command(struct exporter *exp)
{
	if (!exp->child || !export_command_ended(exp->child, &exp->status))
		return;
	exp->child = 0;
	exp->over = true;
}

static void take_process_signal(struct exporter *exp)
{
	struct signalfd_siginfo info;

	if (read(exp->fds[1].fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP && exp->request->rebind)
		reload(exp);
	else if (info.ssi_signo == SIGCHLD)
		take_end_of_command(exp);
	else
		exp->over = true;
}

static void take_segment_signal(struct exporter *exp)
{
	if (exp->request->verbose)
		fputs("rsmctl export: a signal\n", stderr);
	exp->importers = true;
	if (exp->request->wait_signal)
		exp->over = true;
}

/* Only the kernel knows who is connected. */
static void count_importers(struct exporter *exp)
{
	char value[32];

	if (!share_fdinfo(exp->fds[0].fd, "rsm-imports", value, sizeof(value)))
		return;
	if (strcmp(value, "0"))
		exp->importers = true;
	else if (exp->importers)
		exp->over = true;
}

static int time_to_wait(const struct exporter *exp)
{
	uint64_t now = progress_clock_ms();
	uint64_t left = UINT64_MAX;

	if (exp->deadline)
		left = exp->deadline > now ? exp->deadline - now : 0;
	if (exp->request->once && left > LOOK)
		left = LOOK;
	return left == UINT64_MAX ? -1 : (int)left;
}

static bool serve_once(struct exporter *exp)
{
	int error;

	exp->fds[0].revents = 0;
	exp->fds[1].revents = 0;
	error = rsm_intr_signal_wait_pollfd(exp->fds, 2, time_to_wait(exp),
					    NULL);
	if (error && error != RSMERR_TIMEOUT)
		return share_failed(EXPORT_WORD, "wait for a signal", error);
	if (exp->fds[0].revents & (POLLERR | POLLHUP)) {
		out_error(EXPORT_WORD, "the segment has ended");
		return false;
	}
	if (exp->fds[0].revents)
		take_segment_signal(exp);
	if (exp->fds[1].revents)
		take_process_signal(exp);
	if (exp->request->once)
		count_importers(exp);
	if (exp->deadline && progress_clock_ms() >= exp->deadline)
		exp->over = true;
	return true;
}

static bool serve(struct exporter *exp)
{
	while (!exp->over)
		if (!serve_once(exp))
			return false;
	return true;
}

static bool save(const struct exporter *exp)
{
	struct share_file file;

	if (!share_file_open(&file, EXPORT_WORD, exp->request->save))
		return false;
	if (share_file_write(&file, exp->memory.base, exp->length))
		return share_file_commit(&file);
	share_file_abandon(&file);
	return false;
}

static bool start_command(struct exporter *exp)
{
	if (!exp->request->command)
		return true;
	exp->child = export_command_start(exp->request, exp->handle, exp->id);
	return exp->child > 0;
}

static bool run_published(struct exporter *exp, FILE *to)
{
	bool good;

	if (!print_id(exp, to) || (exp->request->background && !leave(to)) ||
	    !start_command(exp))
		return false;
	if (exp->request->timeout >= 0)
		exp->deadline = progress_clock_ms() + exp->request->timeout;
	good = serve(exp);
	if (exp->child)
		export_command_stop(exp->child);
	/* Nobody changes it while it is saved. */
	rsm_memseg_export_unpublish(exp->handle);
	if (exp->request->save && !save(exp))
		good = false;
	return good;
}

static bool run_created(struct exporter *exp, FILE *to)
{
	bool good;

	if (!watch_segment(exp))
		return false;
	good = watch_process(exp) && publish_it(exp) && run_published(exp, to);
	rsm_memseg_release_pollfd(exp->handle);
	return good;
}

static bool run_loaded(struct exporter *exp, FILE *to)
{
	bool good;

	exp->version = 1;
	exp->length = contents_length(exp->request, exp->memory.used);
	write_trailer(exp, &exp->memory, exp->length, exp->version);
	if (!share_controller(EXPORT_WORD, exp->request->controller, &exp->ctl))
		return false;
	if (!create(exp))
		return false;
	good = run_created(exp, to);
	rsm_memseg_export_destroy(exp->handle);
	return good;
}

int export_run(const struct export_request *request, FILE *to)
{
	struct exporter exp = { .request = request };
	bool good = load(&exp, &exp.memory, 0) && run_loaded(&exp, to);

	if (exp.ctl)
		rsm_release_controller(exp.ctl);
	share_memory_free(&exp.memory);
	return good ? exp.status : EXIT_FAILED;
}
