// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <libkmod.h>
#include <stdbool.h>
#include <syslog.h>
#include <unistd.h>

#include "rdma-configfs.h"
#include "rdma-module.h"

static bool is_loaded(const struct kmod_module *module)
{
	int state = kmod_module_get_initstate(module);

	return state == KMOD_MODULE_LIVE || state == KMOD_MODULE_BUILTIN;
}

static int load(struct kmod_module *module)
{
	const char *path = kmod_module_get_path(module);

	if (is_loaded(module))
		return 0;
	if (!path || access(path, F_OK))
		return -ENOENT;
	return kmod_module_probe_insert_module(module,
					       KMOD_PROBE_IGNORE_COMMAND, NULL,
					       NULL, NULL, NULL);
}

int rdma_module_load(void)
{
	struct kmod_ctx *ctx = kmod_new(NULL, NULL);
	struct kmod_module *module;
	int error;

	if (!ctx)
		return -ENOMEM;
	/* What fails is told by who asked for it. */
	kmod_set_log_priority(ctx, LOG_EMERG);
	error = kmod_module_new_from_name(ctx, RDMA_MODULE, &module);
	if (!error) {
		error = load(module);
		kmod_module_unref(module);
	}
	kmod_unref(ctx);
	return error;
}
