// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl limits: what is limited, and how near that is.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "json.h"
#include "limit.h"
#include "output.h"

#define WORD "limits"
#define TEXT_MAX 80

static const struct option long_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{},
};

static void print_usage(void)
{
	printf("usage: rsmctl limits [OPTION]...\n\n"
	       "Shows each limit, and how much of it is used.\n\n"
	       "  -j, --json  output for programs\n"
	       "  -h, --help  this text\n");
}

/**
 * struct row - how a limit is shown
 * @name: to programs
 * @title: to people
 * @bytes: it is one of memory
 * @privilege: what lifts it, or NULL
 */
static const struct row {
	const char *name;
	const char *title;
	bool bytes;
	const char *privilege;
} rows[LIMIT_COUNT] = {
	[LIMIT_HANDLES] = { "handles", "handles", false, NULL },
	[LIMIT_UNPRIVILEGED] = { "handles_unprivileged", "  unprivileged",
				 false, "CAP_SYS_RESOURCE" },
	[LIMIT_USER] = { "user_handles", "  of this user", false,
			 "CAP_SYS_RESOURCE" },
	[LIMIT_EXPORTED] = { "exported_memory", "exported memory", true, NULL },
	[LIMIT_LOCKED] = { "locked_memory", "  of this user", true,
			   "CAP_IPC_LOCK" },
	[LIMIT_LOCKED_HARD] = { "locked_memory_hard", "    can be raised to",
				true, "CAP_IPC_LOCK" },
};

/* What sets the limit */
static const char *origin(const struct limits *limits, enum limit_kind kind,
			  char text[TEXT_MAX])
{
	switch (kind) {
	case LIMIT_HANDLES:
		return "max_segments";
	case LIMIT_UNPRIVILEGED:
		return "15/16 of max_segments";
	case LIMIT_USER:
		return limits->max_user_segments ? "max_user_segments" :
		       "max_user_segments (0: a quarter)";
	case LIMIT_EXPORTED:
		snprintf(text, TEXT_MAX, "max_exported_memory (%" PRIu64 "%%)",
			 limits->max_exported_memory);
		return text;
	case LIMIT_LOCKED:
		return "RLIMIT_MEMLOCK";
	default:
		return "RLIMIT_MEMLOCK, hard";
	}
}

static const char *amount(const struct row *row, uint64_t value,
			  char text[OUT_SIZE_MAX])
{
	if (value == LIMIT_NONE)
		return "unlimited";
	if (row->bytes)
		return out_size(text, value);
	snprintf(text, OUT_SIZE_MAX, "%" PRIu64, value);
	return text;
}

static void print_row(const struct limits *limits, enum limit_kind kind)
{
	const struct limit *limit = &limits->limit[kind];
	const struct row *row = &rows[kind];
	char max[OUT_SIZE_MAX], used[OUT_SIZE_MAX], text[TEXT_MAX];
	char percent[16] = "-";

	if (limit->max != LIMIT_NONE)
		snprintf(percent, sizeof(percent), "%u%%",
			 limit_percent(limit));
	printf("%-20s %10s %2s%10s %5s  %s", row->title,
	       amount(row, limit->max, max), limit->at_least ? ">=" : "",
	       amount(row, limit->used, used), percent,
	       origin(limits, kind, text));
	if (limit->exempt)
		printf("; lifted for you: %s", row->privilege);
	putchar('\n');
}

static void print_table(const struct limits *limits)
{
	enum limit_kind kind;

	printf("%-20s %10s %12s %5s  %s\n", "LIMIT", "MAX", "USED", "USE%",
	       "SET BY");
	for (kind = 0; kind < LIMIT_COUNT; kind++)
		print_row(limits, kind);
}

static void json_limit(struct json *json, const struct limits *limits,
		       enum limit_kind kind)
{
	const struct limit *limit = &limits->limit[kind];
	char text[TEXT_MAX];

	json_object(json, NULL);
	json_string(json, "name", rows[kind].name);
	json_string(json, "unit", rows[kind].bytes ? "bytes" : "handles");
	if (limit->max == LIMIT_NONE)
		json_null(json, "max");
	else
		json_number(json, "max", limit->max);
	json_number(json, "used", limit->used);
	json_bool(json, "at_least", limit->at_least);
	if (limit->max == LIMIT_NONE)
		json_null(json, "percent");
	else
		json_number(json, "percent", limit_percent(limit));
	json_bool(json, "exempt", limit->exempt);
	json_string(json, "set_by", origin(limits, kind, text));
	json_object_end(json);
}

static void print_json(const struct limits *limits)
{
	enum limit_kind kind;
	struct json json;

	json_begin(&json, stdout);
	json_object(&json, NULL);
	json_number(&json, "uid", getuid());
	json_number(&json, "max_segments", limits->max_segments);
	json_number(&json, "max_user_segments", limits->max_user_segments);
	json_number(&json, "max_exported_memory", limits->max_exported_memory);
	json_array(&json, "limits");
	for (kind = 0; kind < LIMIT_COUNT; kind++)
		json_limit(&json, limits, kind);
	json_array_end(&json);
	json_object_end(&json);
}

static int limits_main(int argc, char **argv)
{
	struct limits limits;
	bool as_json = false;
	int opt;

	while ((opt = getopt_long(argc, argv, "jh", long_options, NULL)) != -1)
		switch (opt) {
		case 'j':
			as_json = true;
			break;
		case 'h':
			print_usage();
			return 0;
		default:
			return cmd_usage_told(WORD);
		}
	if (argv[optind])
		return cmd_usage(WORD, "\"%s\" is not expected", argv[optind]);
	if (!limits_get(&limits)) {
		out_error(WORD, "the module is not loaded: try \"rsmctl load\"");
		return EXIT_FAILED;
	}
	if (as_json)
		print_json(&limits);
	else
		print_table(&limits);
	return 0;
}

const struct cmd cmd_limits = {
	.name = "limits",
	.help = "limits, and how much of them is used",
	.run = limits_main,
};
