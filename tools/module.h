/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel module: what is installed for the running kernel, what is loaded,
 * and what that tells in /sys/module/rsmctl.
 */
#ifndef MODULE_H
#define MODULE_H

#include <stdbool.h>
#include <stdint.h>

#define MODULE_NAME "rsmctl"
#define MODULE_DEVICE "/dev/rsmctl"
#define MODULE_TEXT_MAX 64
#define MODULE_MAX_NAMES 16

/**
 * struct module_names - names of parameters, or of counters
 * @count: how many there are, the first MODULE_MAX_NAMES of them
 * @name: them, in order
 */
struct module_names {
	unsigned int count;
	char name[MODULE_MAX_NAMES][MODULE_TEXT_MAX];
};

/**
 * struct module_param - a parameter, as the module's file has it
 * @name: its name
 * @type: "uint", "bool", and so on
 * @text: what it is for
 */
struct module_param {
	char name[MODULE_TEXT_MAX];
	char type[MODULE_TEXT_MAX];
	char text[256];
};

struct module;

/* @name: MODULE_NAME, or one that needs it. Return: NULL if there is no memory. */
struct module *module_open(const char *name);
void module_close(struct module *module);

/* Whether it is there, and may be used by now */
bool module_is_loaded(const struct module *module);

/* The file for the running kernel, or NULL */
const char *module_path(const struct module *module);

/*
 * What the file says of itself: "version", "srcversion". False if that is
 * nothing, or it is not there.
 */
bool module_file_info(const struct module *module, const char *key,
		      char text[MODULE_TEXT_MAX]);

/* Parameters that the file has, in order. Returns their number, up to @max. */
unsigned int module_file_params(const struct module *module,
				struct module_param *params, unsigned int max);

/*
 * Load it, with @options as "NAME=VALUE NAME=VALUE" besides those that are
 * configured; unload it. Return: 0 or the kernel's -errno; -ENOENT: no file.
 */
int module_load(struct module *module, const char *options);
int module_unload(struct module *module);

/* Modules that use it, separated by blanks; empty: none */
void module_holders(const struct module *module, char text[MODULE_TEXT_MAX]);

/*
 * A file of /sys/module/rsmctl: "version", "stats/segments". False: it is not
 * there, as nothing is while the module is not loaded.
 */
bool module_read(const char *file, char text[MODULE_TEXT_MAX]);
bool module_read_number(const char *file, uint64_t *value);

/* The files of "parameters" or of "stats" there, in order */
void module_list(const char *folder, struct module_names *names);

#endif /* MODULE_H */
