// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl watch: what is exported, once more each second, with rates.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "module.h"
#include "output.h"
#include "watch.h"

#define WORD WATCH_WORD
#define MAX_DELAY 86400.0
#define MIN_DELAY 0.1

static const struct option long_options[] = {
	{ "delay", required_argument, NULL, 'd' },
	{ "count", required_argument, NULL, 'n' },
	{ "sort", required_argument, NULL, 's' },
	{ "reverse", no_argument, NULL, 'r' },
	{ "plain", no_argument, NULL, 'p' },
	{ "help", no_argument, NULL, 'h' },
	{},
};

static void print_usage(void)
{
	const struct column *column;

	printf("usage: rsmctl watch [OPTION]...\n\n"
	       "Shows what is exported, as far as you may see, and how often it is rebound and\n"
	       "signalled, on the whole screen. Where there is none: one table after another.\n\n"
	       "  -d, --delay SECONDS  between two looks, %g to %g (default 1)\n"
	       "  -n, --count N        look N times, and end\n"
	       "  -s, --sort COLUMN    sort by it (default IMPORTS)\n"
	       "  -r, --reverse        the smallest first\n"
	       "  -p, --plain          one table after another on a screen, too\n"
	       "  -h, --help           this text\n\n"
	       "Columns:", MIN_DELAY, MAX_DELAY);
	for (column = watch_columns; column->title; column++)
		printf(" %s", column->title);
	printf("\nKeys: left and right choose the column to sort by, r turns the order round,\n"
	       "space looks at once, q ends.\n");
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static struct object *find(const struct objects *objects,
			   const struct object *wanted)
{
	size_t i;

	for (i = 0; i < objects->count; i++)
		if (objects->list[i].segment == wanted->segment &&
		    objects->list[i].handle.kind == wanted->handle.kind)
			return &objects->list[i];
	return NULL;
}

static void set_rates(struct object *object, const struct object *before,
		      double seconds)
{
	if (!before || seconds <= 0)
		return;
	object->rebind_rate = (object->rebinds - before->rebinds) / seconds;
	object->signal_rate = (object->posted - before->posted) / seconds;
}

bool watch_look(struct watch *watch)
{
	struct objects objects;
	double time = now();
	size_t i;

	if (!objects_read(&objects))
		return false;
	for (i = 0; i < objects.count; i++)
		set_rates(&objects.list[i],
			  find(&watch->objects, &objects.list[i]),
			  time - watch->time);
	objects_free(&watch->objects);
	watch->objects = objects;
	watch->time = time;
	columns_sort(&watch->objects, watch->sort, watch->reverse);
	return true;
}

static uint64_t stat_of(const char *name)
{
	char path[MODULE_TEXT_MAX];
	uint64_t value = 0;

	snprintf(path, sizeof(path), "stats/%s", name);
	module_read_number(path, &value);
	return value;
}

void watch_print(FILE *to, const struct watch *watch)
{
	char pinned[OUT_SIZE_MAX], clock[16];
	time_t seconds = time(NULL);

	if (!objects_have_driver(NULL)) {
		fprintf(to, "The module is not loaded.\n");
		return;
	}
	strftime(clock, sizeof(clock), "%H:%M:%S", localtime(&seconds));
	fprintf(to, "%s  %ju segments, %ju imports, %ju mappings, %ju tickets, %s pinned\n\n",
		clock, (uintmax_t)stat_of("segments"),
		(uintmax_t)stat_of("imports"), (uintmax_t)stat_of("areas"),
		(uintmax_t)stat_of("tickets"),
		out_size(pinned, stat_of("pinned_pages") * getpagesize()));
	columns_print(to, watch_columns, &watch->objects, HANDLE_EXPORT, NULL,
		      NULL);
	if (!watch->objects.whole)
		fprintf(to, "\nProcesses that you may not look into are left out.\n");
}

static int watch_plain(struct watch *watch)
{
	struct timespec delay = {
		.tv_sec = watch->delay,
		.tv_nsec = (watch->delay - (time_t)watch->delay) * 1e9,
	};
	unsigned long i;

	for (i = 0; !watch->count || i < watch->count; i++) {
		if (i) {
			putchar('\n');
			nanosleep(&delay, NULL);
		}
		if (!watch_look(watch))
			return objects_failed(WORD);
		watch_print(stdout, watch);
		fflush(stdout);
	}
	return 0;
}

static bool parse_delay(const char *text, double *delay)
{
	char *end;

	*delay = strtod(text, &end);
	return end != text && !*end && *delay >= MIN_DELAY &&
	       *delay <= MAX_DELAY;
}

static bool parse_count(const char *text, unsigned long *number)
{
	uint64_t value;

	if (!out_parse_size(text, &value) || !value)
		return false;
	*number = value;
	return true;
}

/* An exit status: of what is wrong, 0 for help, or -1: go on */
static int take_option(struct watch *watch, int opt)
{
	switch (opt) {
	case 'd':
		if (!parse_delay(optarg, &watch->delay))
			return cmd_usage(WORD, "\"%s\" is no delay in seconds",
					 optarg);
		return -1;
	case 'n':
		if (!parse_count(optarg, &watch->count))
			return cmd_usage(WORD, "\"%s\" is no number", optarg);
		return -1;
	case 's':
		watch->sort = columns_find(watch_columns, optarg);
		if (!watch->sort)
			return cmd_usage(WORD, "there is no column \"%s\"",
					 optarg);
		return -1;
	case 'r':
		watch->reverse = true;
		return -1;
	case 'p':
		watch->plain = true;
		return -1;
	case 'h':
		print_usage();
		return 0;
	}
	return cmd_usage_told(WORD);
}

static int watch_main(int argc, char **argv)
{
	struct watch watch = {
		.delay = 1,
		.sort = columns_find(watch_columns, "IMPORTS"),
	};
	int opt, status;

	while ((opt = getopt_long(argc, argv, "d:n:s:rph", long_options,
				  NULL)) != -1) {
		status = take_option(&watch, opt);
		if (status >= 0)
			return status;
	}
	if (optind < argc)
		return cmd_usage(WORD, "\"%s\" is one argument too many",
				 argv[optind]);
	if (watch.plain || !watch_has_screen())
		status = watch_plain(&watch);
	else
		status = watch_screen(&watch);
	objects_free(&watch.objects);
	return status;
}

const struct cmd cmd_watch = {
	.name = WORD,
	.help = "show what is exported, with rates, again and again",
	.run = watch_main,
};
