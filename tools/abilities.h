/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What each controller can do, for "rsmctl list".
 */
#ifndef ABILITIES_H
#define ABILITIES_H

#include <stdbool.h>

#include <linux/rsmctl.h>
#include <rsm_ext.h>

#include "json.h"

/**
 * struct ability - what a controller can do
 * @name: its name
 * @node: number of this machine there
 * @attr: sizes that it has
 */
struct ability {
	char name[RSM_CONTROLLER_NAME_MAX];
	rsm_node_id_t node;
	rsmapi_controller_attr_t attr;
};

/**
 * struct abilities - of all controllers
 * @count: their number
 * @ability: them
 */
struct abilities {
	unsigned int count;
	struct ability *ability;
};

/* False: it is not known, which was told. abilities_free() it also then. */
bool abilities_get(const char *word, struct abilities *abilities);
void abilities_free(struct abilities *abilities);

void abilities_print(const struct abilities *abilities);
void abilities_json(struct json *json, const struct abilities *abilities);

#endif /* ABILITIES_H */
