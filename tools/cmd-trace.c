// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl trace: what happens to segments, as it happens. The kernel's
 * tracepoints are read through an instance of tracefs of our own, so that
 * nobody else's tracing is touched, and nothing is left when we end.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "json.h"
#include "output.h"
#include "tracefs.h"

#define WORD "trace"
/* Names of events that can be asked for */
#define MAX_EVENTS 32
/* Room for the name of a task */
#define NAME_SIZE 64

static const struct option long_options[] = {
	{ "event", required_argument, NULL, 'e' },
	{ "segment", required_argument, NULL, 's' },
	{ "count", required_argument, NULL, 'n' },
	{ "list", no_argument, NULL, 'l' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{},
};

static void print_usage(void)
{
	printf("usage: rsmctl trace [OPTION]...\n\n"
	       "Follows what happens to segments and connections, until it is interrupted. Only\n"
	       "root may do so.\n\n"
	       "  -e, --event NAME      only this event, as rsm_rebind or rebind; more than once\n"
	       "                        for more\n"
	       "  -s, --segment NUMBER  only of this segment (\"rsmctl list --json\")\n"
	       "  -n, --count N         end after N events\n"
	       "  -l, --list            which events there are\n"
	       "  -j, --json            an object in each line, for programs\n"
	       "  -h, --help            this text\n");
}

/**
 * struct event - a line of the kernel, in its parts
 * @comm: name of the task
 * @pid: its number
 * @time: seconds since the machine started
 * @name: the event
 * @fields: "KEY=VALUE KEY=VALUE"
 */
struct event {
	char *comm;
	long pid;
	double time;
	char *name;
	char *fields;
};

/* Cut @line in two at the last @mark. Returns the second part, or NULL. */
static char *cut_last(char *line, const char *mark)
{
	char *at = NULL, *next = line;

	while ((next = strstr(next, mark)))
		at = next++;
	if (!at)
		return NULL;
	*at = '\0';
	return at + strlen(mark);
}

static bool all_digits(const char *text)
{
	return *text && !text[strspn(text, "0123456789")];
}

/* "COMM-PID     [CPU] FLAGS  SECONDS": what stands in front of an event */
static bool parse_task(char *line, struct event *event)
{
	char *time = cut_last(line, " "), *cpu, *pid, *end;

	if (!time)
		return false;
	event->time = strtod(time, &end);
	cpu = cut_last(line, " [");
	if (end == time || *end || !cpu)
		return false;
	for (end = cpu - 2; end > line && end[-1] == ' '; end--)
		end[-1] = '\0';
	pid = cut_last(line, "-");
	if (!pid || !all_digits(pid))
		return false;
	event->pid = strtol(pid, NULL, 10);
	event->comm = line + strspn(line, " ");
	return true;
}

/*
 * "     COMM-PID     [CPU] FLAGS  SECONDS: EVENT: FIELDS", split in place. A task
 * chooses its name, which may have all of that in it: so it goes from the end,
 * where the kernel has written, to the beginning.
 */
static bool parse_line(char *line, struct event *event)
{
	line[strcspn(line, "\n")] = '\0';
	event->fields = cut_last(line, ": ");
	event->name = event->fields ? cut_last(line, ": ") : NULL;
	return event->name && !strncmp(event->name, "rsm_", 4) &&
	       parse_task(line, event);
}

/* The kernel learns the name of a task when it first goes to sleep. */
static void look_up_name(struct event *event, char name[NAME_SIZE])
{
	char path[32];
	FILE *from;

	if (strcmp(event->comm, "<...>"))
		return;
	snprintf(path, sizeof(path), "/proc/%ld/comm", event->pid);
	from = fopen(path, "re");
	if (!from)
		return;
	if (fgets(name, NAME_SIZE, from)) {
		name[strcspn(name, "\n")] = '\0';
		event->comm = name;
	}
	fclose(from);
}

static void print_event(const struct event *event)
{
	out_make_printable(event->comm);
	printf("%12.6f  %-15.15s %7ld  %-14s %s\n", event->time, event->comm,
	       event->pid, event->name + strlen("rsm_"), event->fields);
}

/* A number, in whatever base, or a text */
static void json_field(struct json *json, const char *key, const char *value)
{
	unsigned long long number;
	char *end;

	errno = 0;
	number = strtoull(value, &end, 0);
	if (isdigit((unsigned char)*value) && !*end && !errno)
		json_number(json, key, number);
	else
		json_string(json, key, value);
}

/* "put" and "get" stand alone. */
static void json_fields(struct json *json, char *fields)
{
	char *field, *save, *equal;

	for (field = strtok_r(fields, " ", &save); field;
	     field = strtok_r(NULL, " ", &save)) {
		equal = strchr(field, '=');
		if (!equal) {
			json_bool(json, field, true);
			continue;
		}
		*equal = '\0';
		json_field(json, field, equal + 1);
	}
}

static void json_event(const struct event *event)
{
	struct json json;

	json_begin(&json, stdout);
	json.line = true;
	json_object(&json, NULL);
	json_real(&json, "time", event->time);
	json_string(&json, "command", event->comm);
	json_number(&json, "pid", event->pid);
	json_string(&json, "event", event->name);
	json_fields(&json, event->fields);
	json_object_end(&json);
}

/**
 * struct request - what was asked for
 * @events: names of events; none: all
 * @nr_events: their number
 * @segment: the segment, or 0
 * @count: events until the end, or 0
 * @json: output for programs
 * @list: tell which events there are
 */
struct request {
	const char *events[MAX_EVENTS];
	unsigned int nr_events;
	uint32_t segment;
	uint32_t count;
	bool json;
	bool list;
};

static void show_line(const struct request *request, char *line,
		      uint32_t *shown)
{
	char name[NAME_SIZE];
	struct event event;

	if (!parse_line(line, &event)) {
		/* "CPU:0 [LOST 12 EVENTS]" */
		if (strstr(line, " EVENTS]"))
			out_error(WORD, "more happened than could be told: %s",
				  line);
		return;
	}
	look_up_name(&event, name);
	if (request->json)
		json_event(&event);
	else
		print_event(&event);
	/* Whoever reads us wants to see it now. */
	fflush(stdout);
	(*shown)++;
}

static int follow(const struct request *request)
{
	FILE *pipe = tracefs_pipe();
	uint32_t shown = 0;
	char *line = NULL;
	size_t size = 0;

	if (!pipe) {
		out_error(WORD, "cannot read the events: %s", strerror(errno));
		return EXIT_FAILED;
	}
	while (!tracefs_stopped() && !ferror(stdout) &&
	       (!request->count || shown < request->count) &&
	       getline(&line, &size, pipe) >= 0)
		show_line(request, line, &shown);
	free(line);
	return 0;
}

static int list_events(void)
{
	if (tracefs_list())
		return 0;
	out_error(WORD, "%s", tracefs_why_not());
	return EXIT_FAILED;
}

static int run(const struct request *request)
{
	int status = EXIT_FAILED;
	unsigned int i = 0;

	if (!tracefs_open()) {
		out_error(WORD, "%s", tracefs_why_not());
		return EXIT_FAILED;
	}
	if (request->segment && !tracefs_filter(request->segment)) {
		out_error(WORD, "cannot set the filter: %s", strerror(errno));
	} else if (!request->nr_events) {
		if (tracefs_enable(NULL))
			status = follow(request);
		else
			out_error(WORD, "cannot enable the events: %s",
				  strerror(errno));
	} else {
		while (i < request->nr_events &&
		       tracefs_enable(request->events[i]))
			i++;
		if (i == request->nr_events)
			status = follow(request);
		else
			out_error(WORD, "there is no event \"%s\"; \"rsmctl trace --list\" tells which there are",
				  request->events[i]);
	}
	tracefs_close();
	return status;
}

static bool add_event(struct request *request, const char *name)
{
	if (request->nr_events == MAX_EVENTS || strchr(name, '/'))
		return false;
	request->events[request->nr_events++] = name;
	return true;
}

/* An exit status: of what is wrong, 0 for help, or -1: go on */
static int take_option(struct request *request, int opt)
{
	switch (opt) {
	case 'e':
		if (!add_event(request, optarg))
			return cmd_usage(WORD, "\"%s\" is no event", optarg);
		return -1;
	case 's':
		if (!out_parse_id(optarg, &request->segment) ||
		    !request->segment)
			return cmd_usage(WORD, "\"%s\" is no number of a segment",
					 optarg);
		return -1;
	case 'n':
		if (!out_parse_id(optarg, &request->count) || !request->count)
			return cmd_usage(WORD, "\"%s\" is no number", optarg);
		return -1;
	case 'l':
		request->list = true;
		return -1;
	case 'j':
		request->json = true;
		return -1;
	case 'h':
		print_usage();
		return 0;
	}
	return cmd_usage_told(WORD);
}

static int trace_main(int argc, char **argv)
{
	struct request request = {};
	int opt, status;

	while ((opt = getopt_long(argc, argv, "e:s:n:ljh", long_options,
				  NULL)) != -1) {
		status = take_option(&request, opt);
		if (status >= 0)
			return status;
	}
	if (optind < argc)
		return cmd_usage(WORD, "\"%s\" is one argument too many",
				 argv[optind]);
	return request.list ? list_events() : run(&request);
}

const struct cmd cmd_trace = {
	.name = WORD,
	.help = "follow what happens, event by event",
	.run = trace_main,
};
