// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abilities.h"
#include "controllers.h"
#include "output.h"
#include "share.h"

/* Bits of a mask of sizes, and room for all of them: "1,2,4,8" */
#define SIZES 16
#define SIZES_TEXT_MAX 64

static const char *sizes_text(char out[SIZES_TEXT_MAX], unsigned long mask)
{
	unsigned int bit;
	size_t used = 0;

	strcpy(out, "-");
	for (bit = 0; bit < SIZES; bit++)
		if (mask & 1UL << bit)
			used += sprintf(out + used, "%s%u", used ? "," : "",
					1U << bit);
	return out;
}

static void json_sizes(struct json *json, const char *key, unsigned long mask)
{
	unsigned int bit;

	json_array(json, key);
	for (bit = 0; bit < SIZES; bit++)
		if (mask & 1UL << bit)
			json_number(json, NULL, 1U << bit);
	json_array_end(json);
}

/* Returns an error of RSMAPI. */
static int ask(struct ability *ability, const struct controller *controller)
{
	rsmapi_controller_handle_t handle;
	int error;

	strcpy(ability->name, controller->name);
	ability->node = controller->has_local ? controller->nodes->id : 0;
	error = rsm_get_controller(ability->name, &handle);
	if (error)
		return error;
	error = rsm_get_controller_attr(handle, &ability->attr);
	rsm_release_controller(handle);
	return error;
}

/* Those that the driver has. One that goes meanwhile is left out. */
static bool ask_all(const char *word, const struct controllers *controllers,
		    struct abilities *abilities)
{
	const struct controller *controller = controllers->controller;
	int error = RSM_SUCCESS;
	unsigned int i;

	for (i = 0; i < controllers->count && !error; i++, controller++) {
		if (!controller->usable)
			continue;
		error = ask(&abilities->ability[abilities->count], controller);
		if (!error)
			abilities->count++;
		else if (error == RSMERR_CTLR_NOT_PRESENT)
			error = RSM_SUCCESS;
	}
	if (error)
		share_failed(word, "ask the controller", error);
	return !error;
}

bool abilities_get(const char *word, struct abilities *abilities)
{
	struct controllers controllers;
	int error = -controllers_get(&controllers);
	bool done = false;

	*abilities = (struct abilities){ };
	if (error)
		out_error(word, "%s", controllers_remedy(error));
	else
		abilities->ability = calloc(controllers.count + 1,
					    sizeof(*abilities->ability));
	if (abilities->ability)
		done = ask_all(word, &controllers, abilities);
	controllers_free(&controllers);
	return done;
}

void abilities_free(struct abilities *abilities)
{
	free(abilities->ability);
	*abilities = (struct abilities){ };
}

void abilities_print(const struct abilities *abilities)
{
	char direct[SIZES_TEXT_MAX], atomic[SIZES_TEXT_MAX];
	char pages[SIZES_TEXT_MAX];
	const struct ability *ability = abilities->ability;
	unsigned int i;

	printf("%-15s  %10s  %-12s  %-12s  %s\n", "NAME", "NODE", "ACCESS",
	       "ATOMIC", "PAGES");
	for (i = 0; i < abilities->count; i++, ability++)
		printf("%-15s  %10u  %-12s  %-12s  %s KiB\n", ability->name,
		       ability->node,
		       sizes_text(direct,
				  ability->attr.attr_direct_access_sizes),
		       sizes_text(atomic, ability->attr.attr_atomic_sizes),
		       sizes_text(pages, ability->attr.attr_page_size));
}

static void json_ability(struct json *json, const struct ability *ability)
{
	const rsmapi_controller_attr_t *attr = &ability->attr;

	json_object(json, NULL);
	json_string(json, "name", ability->name);
	json_number(json, "node", ability->node);
	json_sizes(json, "direct_access_sizes", attr->attr_direct_access_sizes);
	json_sizes(json, "atomic_sizes", attr->attr_atomic_sizes);
	json_sizes(json, "page_sizes_kib", attr->attr_page_size);
	json_object_end(json);
}

void abilities_json(struct json *json, const struct abilities *abilities)
{
	unsigned int i;

	json_array(json, "controllers");
	for (i = 0; i < abilities->count; i++)
		json_ability(json, &abilities->ability[i]);
	json_array_end(json);
}
