// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl import: a segment's contents, as a file or a stream, and the way back.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "output.h"
#include "progress.h"
#include "share.h"

#define WORD "import"

/* How often a follower looks if there was a rebind without a signal, in ms */
#define LOOK 1000

/**
 * struct request - what was asked for
 * @target: the segment
 * @range: what of it
 * @output: where to copy to, or NULL
 * @input: where to copy from, or NULL
 * @put: copy to the segment
 * @get: without a mapping
 * @follow: again, when there is something new
 * @ranged: a length was given
 */
struct request {
	struct share_target target;
	struct share_range range;
	const char *output;
	const char *input;
	bool put;
	bool get;
	bool follow;
	bool ranged;
};

static const char short_options[] = "c:N:T:o:s:l:gfpi:h";

static const struct option long_options[] = {
	{ "controller", required_argument, NULL, 'c' },
	{ "node", required_argument, NULL, 'N' },
	{ "ticket-fd", required_argument, NULL, 'T' },
	{ "output", required_argument, NULL, 'o' },
	{ "offset", required_argument, NULL, 's' },
	{ "length", required_argument, NULL, 'l' },
	{ "get", no_argument, NULL, 'g' },
	{ "follow", no_argument, NULL, 'f' },
	{ "put", no_argument, NULL, 'p' },
	{ "input", required_argument, NULL, 'i' },
	{ "help", no_argument, NULL, 'h' },
	{},
};

static void print_usage(void)
{
	puts("usage: rsmctl import [OPTION]... ID\n"
	     "       rsmctl import [OPTION]... --ticket-fd FD\n\n"
	     "Copies the contents of a segment, as \"rsmctl export\" or any other program\n"
	     "shares it, to stdout.\n\n"
	     "  -c, --controller NAME  of another machine, by this controller\n"
	     "                         (rsmctl controller list)\n"
	     "  -N, --node NODE        that machine (default: the only one it knows)\n"
	     "  -T, --ticket-fd FD     the segment of a ticket, which is an open descriptor\n"
	     "  -o, --output FILE      copy to FILE, which is replaced when all is there\n"
	     "  -s, --offset SIZE      from there on\n"
	     "  -l, --length SIZE      no more than that\n"
	     "  -g, --get              copy by rsm_memseg_import_get(), and do not map it\n"
	     "  -f, --follow           again, each time that the exporter replaces it\n"
	     "  -p, --put              the other way round: copy stdin to the segment\n"
	     "  -i, --input FILE       the same, with FILE\n"
	     "  -h, --help             this text");
}

/* What a new content is, if a signal comes or none does */
static bool is_news(const struct share_copy *copy, bool signal)
{
	struct share_trailer trailer;
	bool rebound = share_generation(copy->imp) != copy->generation;

	if (rebound || !signal)
		return rebound;
	/* Other exporters write to their memory, and then post a signal. */
	return share_fetch_trailer(copy->imp, &trailer) ||
	       !copy->trailer.version;
}

/* Signals that have come meanwhile are of contents that are gone. */
static void take_signals(struct share_import *imp)
{
	while (!rsm_intr_signal_wait(imp->handle, 0))
		;
}

/* Waits for news. False: there will not be any. */
static bool wait_for_news(const struct share_copy *copy, int *error)
{
	struct share_import *imp = copy->imp;

	do {
		*error = rsm_intr_signal_wait(imp->handle, LOOK);
		if (*error && *error != RSMERR_TIMEOUT)
			return false;
		take_signals(imp);
	} while (!is_news(copy, !*error));
	return true;
}

/* Returns the exit status: what was copied last may be old. */
static int follow_end(const struct share_import *imp)
{
	if (!share_is_unreachable(imp))
		return 0;
	out_error(WORD, "%s", share_end(imp));
	return EXIT_FAILED;
}

static int follow(struct share_copy *copy)
{
	enum share_copied copied;
	int error;

	while (wait_for_news(copy, &error)) {
		copied = share_copy(copy);
		if (copied == SHARE_FAILED)
			return EXIT_FAILED;
		if (copied == SHARE_ENDED)
			return follow_end(copy->imp);
	}
	if (error == RSMERR_CONN_ABORTED)
		return follow_end(copy->imp);
	share_failed(WORD, "wait for a signal", error);
	return EXIT_FAILED;
}

/* Who exports with --once wants to know. */
static void tell_exporter(const struct share_copy *copy)
{
	if (copy->trailer.flags & SHARE_TELL)
		rsm_intr_signal_post(copy->imp->handle, 0);
}

static int copy_out(struct share_import *imp, const struct request *request)
{
	struct share_copy copy = { .imp = imp,
				   .range = request->range,
				   .output = request->output };
	int status = 0;

	if (!request->get && !share_map(imp))
		return EXIT_FAILED;
	switch (share_copy(&copy)) {
	case SHARE_COPIED:
		break;
	case SHARE_ENDED:
		out_error(WORD, "%s: nothing was written", share_end(imp));
		return EXIT_FAILED;
	default:
		return EXIT_FAILED;
	}
	if (request->follow)
		status = follow(&copy);
	tell_exporter(&copy);
	return status;
}

static int run_get(const struct request *request)
{
	struct share_import imp;
	int status = EXIT_FAILED;

	if (!share_connect(&imp, WORD, &request->target, RSM_PERM_READ))
		return EXIT_FAILED;
	if (share_look_up(&imp))
		status = copy_out(&imp, request);
	share_disconnect(&imp);
	return status;
}

/* To write takes no right to read; but who may not read sees no trailer. */
static bool connect_to_write(struct share_import *imp,
			     const struct request *request, bool *readable)
{
	int error = share_try_connect(imp, WORD, &request->target,
				      RSM_PERM_RDWR);

	*readable = !error;
	if (error == RSMERR_PERM_DENIED)
		error = share_try_connect(imp, WORD, &request->target,
					  RSM_PERM_WRITE);
	if (error)
		return share_connect_failed(WORD, &request->target,
					    RSM_PERM_WRITE, error);
	if (share_look_up(imp))
		return true;
	share_disconnect(imp);
	return false;
}

static bool read_input(struct share_memory *mem, const struct request *request,
		       uint64_t limit)
{
	const char *name = request->input;
	int fd = STDIN_FILENO;
	bool good;

	if (name && strcmp(name, "-"))
		fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return share_failed_errno(WORD, "open", name);
	good = share_memory_reserve(mem, WORD, false) &&
	       share_memory_read(mem, WORD, fd,
				 fd == STDIN_FILENO ? "stdin" : name, limit);
	if (fd != STDIN_FILENO)
		close(fd);
	return good;
}

static int put_pieces(struct share_import *imp, const struct share_memory *mem,
		      uint64_t offset)
{
	struct progress progress;
	uint64_t at, piece;
	int error = RSM_SUCCESS;

	progress_begin(&progress, WORD, mem->used);
	for (at = 0; at < mem->used && !error; at += piece) {
		piece = mem->used - at;
		if (piece > SHARE_PIECE)
			piece = SHARE_PIECE;
		error = rsm_memseg_import_put(imp->handle, offset + at,
					      mem->base + at, piece);
		progress_add(&progress, piece);
	}
	progress_end(&progress);
	return error;
}

static bool put_all(struct share_import *imp, const struct share_memory *mem,
		    uint64_t offset)
{
	uint64_t generation = share_generation(imp);
	int error = put_pieces(imp, mem, offset);

	if (error == RSMERR_CONN_ABORTED) {
		out_error(WORD, "%s: not all was written", share_end(imp));
		return false;
	}
	if (error)
		return share_failed(WORD, "write to the segment", error);
	if (share_generation(imp) == generation)
		return true;
	out_error(WORD, "the exporter has replaced the contents meanwhile: not all was written; try again");
	return false;
}

/* What the segment has room for */
static bool find_room(struct share_import *imp, bool readable, uint64_t *room)
{
	struct share_trailer trailer = { .length = imp->length };
	int error = RSM_SUCCESS;

	if (readable)
		error = share_fetch_trailer(imp, &trailer);
	*room = trailer.length;
	return !error || share_import_failed(imp, "read the segment", error);
}

static bool copy_in(struct share_import *imp, const struct request *request,
		    bool readable)
{
	uint64_t offset = request->range.offset;
	struct share_memory mem = {};
	uint64_t room;
	bool good;

	if (!find_room(imp, readable, &room))
		return false;
	if (offset > room) {
		out_error(WORD, "there is nothing at --offset %ju: the contents have %ju bytes",
			  (uintmax_t)offset, (uintmax_t)room);
		return false;
	}
	good = read_input(&mem, request, room - offset) &&
	       put_all(imp, &mem, offset);
	share_memory_free(&mem);
	return good;
}

static int run_put(const struct request *request)
{
	struct share_import imp;
	bool readable, good;

	if (!connect_to_write(&imp, request, &readable))
		return EXIT_FAILED;
	good = copy_in(&imp, request, readable);
	share_disconnect(&imp);
	return good ? 0 : EXIT_FAILED;
}

static bool take_ticket(struct request *request)
{
	uint32_t fd;

	if (!out_parse_id(optarg, &fd) || fd > INT32_MAX)
		return false;
	request->target.ticket = fd;
	return true;
}

/* Returns false if the argument of the option is none. */
static bool take_argument(struct request *request, int opt)
{
	switch (opt) {
	case 'T':
		return take_ticket(request);
	case 'o':
		request->output = optarg;
		return true;
	case 's':
		return out_parse_size(optarg, &request->range.offset);
	case 'l':
		request->ranged = true;
		return out_parse_size(optarg, &request->range.length);
	case 'g':
		request->get = true;
		return true;
	case 'f':
		request->follow = true;
		return true;
	case 'p':
	case 'i':
		request->put = true;
		request->input = opt == 'i' ? optarg : request->input;
		return true;
	}
	return false;
}

/* Returns 0, or the exit status. */
static int take_option(struct request *request, int opt)
{
	if (opt == '?')
		return cmd_usage_told(WORD);
	if (opt == 'c' || opt == 'N')
		return share_take_place(WORD, &request->target, opt);
	if (!take_argument(request, opt))
		return cmd_usage(WORD, "-%c takes no \"%s\"", opt, optarg);
	return 0;
}

/* Returns 0, or the exit status. */
static int check_ticket(const struct share_target *target, int argc, char **argv)
{
	if (argc)
		return cmd_usage(WORD, "--ticket-fd takes the place of an ID: \"%s\"", argv[0]);
	if (target->controller || target->node)
		return cmd_usage(WORD, "--ticket-fd excludes --controller and --node: a ticket is of this machine");
	return 0;
}

/* Returns 0, or the exit status. */
static int check(struct request *request, int argc, char **argv)
{
	bool out = request->output || request->get || request->follow ||
		   request->ranged;

	if (request->put && out)
		return cmd_usage(WORD, "--put and --input exclude --output, --length, --get and --follow");
	if (request->target.ticket >= 0)
		return check_ticket(&request->target, argc, argv);
	return share_take_id(WORD, &request->target, argc, argv);
}

static int import_main(int argc, char **argv)
{
	struct request request = { .range.length = UINT64_MAX,
				   .target.ticket = -1 };
	int opt, status;

	while ((opt = getopt_long(argc, argv, short_options, long_options,
				  NULL)) != -1) {
		if (opt == 'h') {
			print_usage();
			return 0;
		}
		status = take_option(&request, opt);
		if (status)
			return status;
	}
	status = check(&request, argc - optind, argv + optind);
	if (status)
		return status;
	if (!share_find_target(WORD, &request.target))
		return EXIT_FAILED;
	return request.put ? run_put(&request) : run_get(&request);
}

const struct cmd cmd_import = {
	.name = WORD,
	.help = "copy a segment's contents to a file or pipe, or into it",
	.run = import_main,
};
