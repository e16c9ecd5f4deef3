// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl load: puts the module into the kernel, with parameters that it has.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cmd.h"
#include "module.h"
#include "output.h"

#define WORD "load"
#define MAX_PARAMS 32

/**
 * struct known - the parameters that there are
 * @count: how many
 * @param: them
 */
struct known {
	unsigned int count;
	struct module_param param[MAX_PARAMS];
};

static const struct option long_options[] = {
	{ "list", no_argument, NULL, 'l' },
	{ "help", no_argument, NULL, 'h' },
	{},
};

static void print_usage(void)
{
	printf("usage: rsmctl load [OPTION]... [NAME=VALUE]...\n\n"
	       "Loads the module, with these parameters of it.\n\n"
	       "  -l, --list  the parameters that it has\n"
	       "  -h, --help  this text\n");
}

/* The file tells more of them; without it, those of what is loaded will do. */
static void get_known(const struct module *module, struct known *known)
{
	struct module_names names;
	unsigned int i;

	known->count = module_file_params(module, known->param, MAX_PARAMS);
	if (known->count)
		return;
	module_list("parameters", &names);
	for (i = 0; i < names.count; i++) {
		known->param[i] = (struct module_param){ };
		strcpy(known->param[i].name, names.name[i]);
	}
	known->count = names.count;
}

static int not_found(void)
{
	struct utsname kernel;

	uname(&kernel);
	out_error(WORD, "no module for this kernel, %s: install it with \"make install\", or with \"make dkms-install\", which minds new kernels, too",
		  kernel.release);
	return EXIT_FAILED;
}

static int list(const struct known *known)
{
	unsigned int i;

	if (!known->count)
		return not_found();
	for (i = 0; i < known->count; i++)
		printf("%-20s %s\n", known->param[i].name,
		       known->param[i].text);
	return 0;
}

static const struct module_param *find_param(const struct known *known,
					     const char *name, size_t length)
{
	unsigned int i;

	for (i = 0; i < known->count; i++)
		if (!strncmp(known->param[i].name, name, length) &&
		    !known->param[i].name[length])
			return &known->param[i];
	return NULL;
}

static int unknown(const struct known *known, const char *name, int length)
{
	unsigned int i;

	fprintf(stderr, "rsmctl load: the module has no parameter \"%.*s\", but",
		length, name);
	for (i = 0; i < known->count; i++)
		fprintf(stderr, "%s %s", i ? "," : "", known->param[i].name);
	fputc('\n', stderr);
	return cmd_usage_told(WORD);
}

/* What the kernel takes for a number of this type; others are left to it. */
static bool is_value(const struct module_param *param, const char *value)
{
	unsigned long long number;
	const char *c;
	char *end;

	for (c = value; *c; c++)
		if (!isgraph((unsigned char)*c) || *c == '"')
			return false;
	if (strcmp(param->type, "uint"))
		return *value;
	errno = 0;
	number = strtoull(value, &end, 0);
	return isdigit((unsigned char)*value) && !errno && !*end &&
	       number <= UINT_MAX;
}

/* Returns 0 if all of @args can be given to the module. */
static int check_args(const struct known *known, char **args)
{
	const struct module_param *param;
	size_t length;

	for (; *args; args++) {
		length = strcspn(*args, "=");
		if (!(*args)[length])
			return cmd_usage(WORD, "\"%s\" is not NAME=VALUE",
					 *args);
		param = find_param(known, *args, length);
		if (!param)
			return unknown(known, *args, length);
		if (!is_value(param, *args + length + 1))
			return cmd_usage(WORD, "\"%s\" is no value for %s%s",
					 *args + length + 1, param->name,
					 strcmp(param->type, "uint") ? "" :
					 ", which takes a number");
	}
	return 0;
}

/* Whether two values mean the same: numbers may be written in several ways. */
static bool same_value(const char *a, const char *b)
{
	unsigned long long number = strtoull(a, NULL, 0);
	char *end;

	if (!strcmp(a, b))
		return true;
	return isdigit((unsigned char)*a) && isdigit((unsigned char)*b) &&
	       number == strtoull(b, &end, 0) && !*end;
}

/* Returns false if @arg is not what the loaded module has; says so. */
static bool is_set(const char *arg)
{
	int length = strcspn(arg, "=");
	char file[32 + MODULE_TEXT_MAX], value[MODULE_TEXT_MAX];

	snprintf(file, sizeof(file), "parameters/%.*s", length, arg);
	if (!module_read(file, value) || same_value(arg + length + 1, value))
		return true;
	out_error(WORD, "it is loaded already with %.*s=%s, not %s: write that to /sys/module/rsmctl/%s, or \"rsmctl unload\" first",
		  length, arg, value, arg + length + 1, file);
	return false;
}

static void print_version(const char *what)
{
	char version[MODULE_TEXT_MAX];

	if (module_read("version", version) && *version)
		printf("%s, version %s\n", what, version);
	else
		printf("%s\n", what);
}

static int keep(char **args)
{
	int status = 0;

	for (; *args; args++)
		if (!is_set(*args))
			status = EXIT_FAILED;
	if (!status)
		print_version("loaded already");
	return status;
}

/* Why root is not allowed to */
static const char *why_not(void)
{
	char text[64] = "";
	FILE *from;

	if (geteuid())
		return "only root may do that: try sudo";
	from = fopen("/proc/sys/kernel/modules_disabled", "re");
	if (from) {
		if (fgets(text, sizeof(text), from) && *text != '0')
			text[0] = '!';
		fclose(from);
	}
	if (*text == '!')
		return "kernel.modules_disabled forbids it until the next boot";
	return "not from a container; or it must be signed (Secure Boot): see README";
}

static const char *cause(int error)
{
	switch (error) {
	case EPERM:
	case EACCES:
		return why_not();
	case EKEYREJECTED:
	case ENOKEY:
	case EBADMSG:
		return "it must be signed with a trusted key (Secure Boot): see README";
	case ENOENT:
	case EINVAL:
	case ENOEXEC:
		return "it is not for this kernel (see dmesg): make install, or make dkms-install";
	case EBUSY:
		return "another driver has the number of its device: see /proc/misc";
	}
	return "see the kernel's log (dmesg)";
}

/* Returns false if they are too long to be meant. */
static bool join(char **args, char *text, size_t size)
{
	size_t length = 0;

	*text = '\0';
	for (; *args && length < size; args++)
		length += snprintf(text + length, size - length, "%s%s",
				   length ? " " : "", *args);
	return length < size;
}

static int insert(struct module *module, char **args)
{
	char options[1024];
	int error;

	if (!module_path(module))
		return not_found();
	if (!join(args, options, sizeof(options)))
		return cmd_usage(WORD, "the parameters are too long");
	error = -module_load(module, options);
	if (error) {
		out_error(WORD, "cannot load %s: %s; %s", module_path(module),
			  strerror(error), cause(error));
		return EXIT_FAILED;
	}
	print_version("loaded");
	return 0;
}

static int run(struct module *module, bool only_list, char **args)
{
	struct known known;
	int status;

	get_known(module, &known);
	if (only_list)
		return list(&known);
	/* A file that tells nothing is none: the kernel says so better. */
	status = known.count ? check_args(&known, args) : 0;
	if (status)
		return status;
	if (module_is_loaded(module))
		return keep(args);
	return insert(module, args);
}

static int load_main(int argc, char **argv)
{
	bool only_list = false;
	struct module *module;
	int opt, status;

	while ((opt = getopt_long(argc, argv, "lh", long_options, NULL)) != -1)
		switch (opt) {
		case 'l':
			only_list = true;
			break;
		case 'h':
			print_usage();
			return 0;
		default:
			return cmd_usage_told(WORD);
		}
	module = module_open(MODULE_NAME);
	if (!module) {
		out_error(WORD, "libkmod cannot be set up: no memory");
		return EXIT_FAILED;
	}
	status = run(module, only_list, argv + optind);
	module_close(module);
	return status;
}

const struct cmd cmd_load = {
	.name = "load",
	.help = "load the module",
	.run = load_main,
};
