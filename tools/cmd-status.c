// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl status: what is loaded, and what it is busy with.
 */
#include <getopt.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>

#include "caller.h"
#include "cmd.h"
#include "json.h"
#include "module.h"
#include "output.h"

#define WORD "status"
/* As systemctl has it */
#define EXIT_NOT_LOADED 3

static const struct option long_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{},
};

static void print_usage(void)
{
	printf("usage: rsmctl status [OPTION]...\n\n"
	       "Tells whether the module is loaded, with which parameters, and how much there\n"
	       "is of what it keeps. The exit status is 0 if it is, and %d if it is not.\n\n"
	       "  -j, --json  output for programs\n"
	       "  -h, --help  this text\n", EXIT_NOT_LOADED);
}

/* A text, or NULL: it is empty */
static const char *known(const char *text)
{
	return *text ? text : NULL;
}

/**
 * struct status - what there is to tell
 * @loaded: whether the module is
 * @kernel: release of the kernel
 * @version: of what is loaded; empty: not known, as are the others then
 * @file: the module's file for this kernel, or NULL
 * @file_version: its version
 * @library: the library's
 * @counted: @refcount is known
 * @refcount: references to the module
 * @device: there is something at MODULE_DEVICE
 * @node: what it is
 */
struct status {
	bool loaded;
	struct utsname kernel;
	char version[MODULE_TEXT_MAX];
	const char *file;
	char file_version[MODULE_TEXT_MAX];
	char library[MODULE_TEXT_MAX];
	bool counted;
	uint64_t refcount;
	bool device;
	struct stat node;
};

static void get_status(const struct module *module, struct status *status)
{
	*status = (struct status){ .loaded = module_is_loaded(module) };
	uname(&status->kernel);
	module_read("version", status->version);
	status->file = module_path(module);
	module_file_info(module, "version", status->file_version);
	caller_library(status->library);
	status->counted = module_read_number("refcnt", &status->refcount);
	status->device = !stat(MODULE_DEVICE, &status->node);
}

static void json_values(struct json *json, const char *folder)
{
	char file[2 * MODULE_TEXT_MAX], text[MODULE_TEXT_MAX];
	struct module_names names;
	uint64_t value;
	unsigned int i;

	module_list(folder, &names);
	json_object(json, folder);
	for (i = 0; i < names.count; i++) {
		snprintf(file, sizeof(file), "%s/%s", folder, names.name[i]);
		if (module_read_number(file, &value))
			json_number(json, names.name[i], value);
		else if (module_read(file, text))
			json_string(json, names.name[i], text);
	}
	json_object_end(json);
}

static void json_device(struct json *json, const struct status *status)
{
	char mode[8];

	snprintf(mode, sizeof(mode), "%04o", status->node.st_mode & 07777);
	json_object(json, "device");
	json_string(json, "path", MODULE_DEVICE);
	json_bool(json, "present", status->device);
	if (status->device) {
		json_bool(json, "character", S_ISCHR(status->node.st_mode));
		json_number(json, "major", major(status->node.st_rdev));
		json_number(json, "minor", minor(status->node.st_rdev));
		json_string(json, "mode", mode);
	}
	json_object_end(json);
}

static void print_json(const struct status *status)
{
	struct json json;

	json_begin(&json, stdout);
	json_object(&json, NULL);
	json_bool(&json, "loaded", status->loaded);
	json_string(&json, "kernel", status->kernel.release);
	json_string(&json, "version", known(status->version));
	json_string(&json, "file", status->file);
	json_string(&json, "file_version", known(status->file_version));
	json_string(&json, "library_version", known(status->library));
	json_string(&json, "tool_version", RSMCTL_VERSION);
	if (status->counted)
		json_number(&json, "references", status->refcount);
	else
		json_null(&json, "references");
	json_values(&json, "parameters");
	json_values(&json, "stats");
	json_device(&json, status);
	json_object_end(&json);
}

static void print_values(const char *title, const char *folder)
{
	char file[2 * MODULE_TEXT_MAX], text[MODULE_TEXT_MAX];
	struct module_names names;
	unsigned int i;

	module_list(folder, &names);
	if (names.count)
		printf("%s\n", title);
	for (i = 0; i < names.count; i++) {
		snprintf(file, sizeof(file), "%s/%s", folder, names.name[i]);
		if (module_read(file, text))
			printf("  %-20s %s\n", names.name[i], text);
	}
}

static void print_device(const struct status *status)
{
	const struct stat *node = &status->node;

	if (!status->device)
		printf("device      %s is not there\n", MODULE_DEVICE);
	else if (!S_ISCHR(node->st_mode))
		printf("device      %s is no character device\n", MODULE_DEVICE);
	else
		printf("device      %s, number %u:%u, mode %04o\n",
		       MODULE_DEVICE, major(node->st_rdev),
		       minor(node->st_rdev), node->st_mode & 07777);
}

static void print_text(const struct status *status)
{
	if (status->loaded)
		printf("module      loaded, version %s\n",
		       known(status->version) ?: "unknown");
	else
		printf("module      not loaded\n");
	printf("kernel      %s\n", status->kernel.release);
	if (status->file)
		printf("file        %s, version %s\n", status->file,
		       known(status->file_version) ?: "unknown");
	else
		printf("file        none for this kernel\n");
	printf("library     version %s\n", known(status->library) ?: "unknown");
	printf("tool        version %s\n", RSMCTL_VERSION);
	print_device(status);
	if (!status->loaded)
		return;
	if (status->counted)
		printf("references  %ju\n", (uintmax_t)status->refcount);
	print_values("parameters", "parameters");
	print_values("there are", "stats");
}

static int tell(bool as_json)
{
	struct module *module = module_open(MODULE_NAME);
	struct status status;

	if (!module) {
		out_error(WORD, "libkmod cannot be set up: no memory");
		return EXIT_FAILED;
	}
	get_status(module, &status);
	if (as_json)
		print_json(&status);
	else
		print_text(&status);
	module_close(module);
	return status.loaded ? 0 : EXIT_NOT_LOADED;
}

static int status_main(int argc, char **argv)
{
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
	return tell(as_json);
}

const struct cmd cmd_status = {
	.name = "status",
	.help = "whether the module is loaded, and what there is",
	.run = status_main,
};
