// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <libkmod.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "module.h"

#define SYSFS "/sys/module/" MODULE_NAME

/* What the file says of parameters: "parmtype=NAME:TYPE", "parm=NAME:TEXT" */
#define PARAM_TYPE "parmtype"
#define PARAM_TEXT "parm"

/**
 * struct module - the module, as libkmod knows it
 * @ctx: libkmod's context, for the running kernel
 * @mod: the module in there
 */
struct module {
	struct kmod_ctx *ctx;
	struct kmod_module *mod;
};

struct module *module_open(const char *name)
{
	struct module *module = calloc(1, sizeof(*module));

	if (!module)
		return NULL;
	module->ctx = kmod_new(NULL, NULL);
	if (module->ctx) {
		/* What fails is told by who asked for it. */
		kmod_set_log_priority(module->ctx, LOG_EMERG);
		if (!kmod_module_new_from_name(module->ctx, name,
					       &module->mod))
			return module;
	}
	module_close(module);
	return NULL;
}

void module_close(struct module *module)
{
	if (!module)
		return;
	kmod_module_unref(module->mod);
	kmod_unref(module->ctx);
	free(module);
}

bool module_is_loaded(const struct module *module)
{
	int state = kmod_module_get_initstate(module->mod);

	return state == KMOD_MODULE_LIVE || state == KMOD_MODULE_BUILTIN;
}

/* The index may know of a file that is gone. */
const char *module_path(const struct module *module)
{
	const char *path = kmod_module_get_path(module->mod);

	return path && !access(path, F_OK) ? path : NULL;
}

static void copy_text(char *to, size_t size, const char *from)
{
	size_t length = strnlen(from, size - 1);

	memcpy(to, from, length);
	to[length] = '\0';
}

bool module_file_info(const struct module *module, const char *key,
		      char text[MODULE_TEXT_MAX])
{
	struct kmod_list *list = NULL, *at;
	bool found = false;

	if (kmod_module_get_info(module->mod, &list) < 0)
		return false;
	kmod_list_foreach(at, list) {
		if (strcmp(kmod_module_info_get_key(at), key))
			continue;
		copy_text(text, MODULE_TEXT_MAX,
			  kmod_module_info_get_value(at));
		found = *text;
		break;
	}
	kmod_module_info_free_list(list);
	return found;
}

/* Of this name, or a new one; NULL if there are too many */
static struct module_param *get_param(struct module_param *params,
				      unsigned int *count, unsigned int max,
				      const char *name)
{
	unsigned int i;

	for (i = 0; i < *count; i++)
		if (!strcmp(params[i].name, name))
			return &params[i];
	if (*count == max)
		return NULL;
	(*count)++;
	params[i] = (struct module_param){ };
	copy_text(params[i].name, sizeof(params[i].name), name);
	return &params[i];
}

static int compare_params(const void *a, const void *b)
{
	return strcmp(((const struct module_param *)a)->name,
		      ((const struct module_param *)b)->name);
}

unsigned int module_file_params(const struct module *module,
				struct module_param *params, unsigned int max)
{
	struct kmod_list *list = NULL, *at;
	struct module_param *param;
	unsigned int count = 0;
	char name[512], *value;
	const char *key;

	if (kmod_module_get_info(module->mod, &list) < 0)
		return 0;
	kmod_list_foreach(at, list) {
		key = kmod_module_info_get_key(at);
		if (strcmp(key, PARAM_TYPE) && strcmp(key, PARAM_TEXT))
			continue;
		copy_text(name, sizeof(name), kmod_module_info_get_value(at));
		value = strchr(name, ':');
		if (!value)
			continue;
		*value++ = '\0';
		param = get_param(params, &count, max, name);
		if (param && !strcmp(key, PARAM_TYPE))
			copy_text(param->type, sizeof(param->type), value);
		else if (param)
			copy_text(param->text, sizeof(param->text), value);
	}
	kmod_module_info_free_list(list);
	qsort(params, count, sizeof(*params), compare_params);
	return count;
}

/* Commands that are configured for it are modprobe's affair, and not run. */
int module_load(struct module *module, const char *options)
{
	if (!module_path(module))
		return -ENOENT;
	return kmod_module_probe_insert_module(module->mod,
					       KMOD_PROBE_IGNORE_COMMAND,
					       options, NULL, NULL, NULL);
}

int module_unload(struct module *module)
{
	return kmod_module_remove_module(module->mod, KMOD_REMOVE_NOLOG);
}

void module_holders(const struct module *module, char text[MODULE_TEXT_MAX])
{
	struct kmod_list *list = kmod_module_get_holders(module->mod), *at;
	struct kmod_module *holder;
	size_t length = 0;

	*text = '\0';
	kmod_list_foreach(at, list) {
		holder = kmod_module_get_module(at);
		if (length < MODULE_TEXT_MAX)
			length += snprintf(text + length,
					   MODULE_TEXT_MAX - length, "%s%s",
					   length ? " " : "",
					   kmod_module_get_name(holder));
		kmod_module_unref(holder);
	}
	kmod_module_unref_list(list);
}

bool module_read(const char *file, char text[MODULE_TEXT_MAX])
{
	char path[sizeof(SYSFS) + 2 * MODULE_TEXT_MAX];
	FILE *from;
	bool read;

	snprintf(path, sizeof(path), SYSFS "/%s", file);
	from = fopen(path, "re");
	if (!from)
		return false;
	read = fgets(text, MODULE_TEXT_MAX, from);
	fclose(from);
	if (read)
		text[strcspn(text, "\n")] = '\0';
	return read;
}

bool module_read_number(const char *file, uint64_t *value)
{
	char text[MODULE_TEXT_MAX], *end;
	uint64_t number;

	if (!module_read(file, text))
		return false;
	number = strtoull(text, &end, 10);
	if (end == text || *end)
		return false;
	*value = number;
	return true;
}

static int is_name(const struct dirent *entry)
{
	return *entry->d_name != '.';
}

void module_list(const char *folder, struct module_names *names)
{
	char path[sizeof(SYSFS) + MODULE_TEXT_MAX];
	struct dirent **list;
	int i, n;

	names->count = 0;
	snprintf(path, sizeof(path), SYSFS "/%s", folder);
	n = scandir(path, &list, is_name, alphasort);
	for (i = 0; i < n; i++) {
		if (names->count < MODULE_MAX_NAMES)
			copy_text(names->name[names->count++], MODULE_TEXT_MAX,
				  list[i]->d_name);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
}
