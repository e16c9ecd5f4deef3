// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rdma-compare.h"
#include "rdma-configfs.h"

/* What can only be changed by making the controller anew */
static bool differs(const struct rdma_from *from, const char *name,
		    const char *file, const char *has, const char *wanted)
{
	rdma_error(from, "%s is there with %s %s, not %s: \"rsmctl controller remove %s\" first",
		   name, file, has, wanted, name);
	return false;
}

static bool differs_for_now(const struct rdma_from *from, const char *dir,
			    const char *file, const char *has,
			    const char *wanted)
{
	rdma_error(from, "%s is there with %s %s, not %s: write that to " RDMA_ROOT "/%s/%s",
		   dir, file, has, wanted, dir, file);
	return false;
}

/* The text of the address, and whether it is this one */
static bool has_address(const char *dir, const struct rdma_address *address,
			char text[RDMA_TEXT_MAX])
{
	struct rdma_address has;

	if (!rdma_read(dir, "address", text) || !*text)
		strcpy(text, "none");
	return rdma_parse_address(text, &has) &&
	       rdma_same_address(&has, address);
}

static bool same_address(const struct rdma_from *from, const char *name,
			 const struct rdma_address *address)
{
	char has[RDMA_TEXT_MAX], wanted[RDMA_ADDRESS_MAX];

	return has_address(name, address, has) ||
	       differs(from, name, "address", has,
		       rdma_address_text(wanted, address));
}

static bool same_number(const struct rdma_from *from,
			const struct rdma_controller *controller,
			enum rdma_number_kind kind)
{
	const char *file = rdma_numbers[kind].file;
	char has[RDMA_TEXT_MAX], wanted[16];

	if (!controller->number[kind])
		return true;
	snprintf(wanted, sizeof(wanted), "%" PRIu32, controller->number[kind]);
	if (!rdma_read(controller->name, file, has))
		strcpy(has, "unknown");
	if (!strcmp(has, wanted))
		return true;
	return kind == RDMA_NODE_ID ?
	       differs(from, controller->name, file, has, wanted) :
	       differs_for_now(from, controller->name, file, has, wanted);
}

static bool same_flag(const struct rdma_from *from, const char *name,
		      const char *file, bool wanted)
{
	char has[RDMA_TEXT_MAX];

	if (!rdma_read(name, file, has))
		strcpy(has, "unknown");
	return !strcmp(has, wanted ? "1" : "0") ||
	       differs(from, name, file, has, wanted ? "1" : "0");
}

bool rdma_is_controller(const struct rdma_from *from,
			const struct rdma_controller *controller)
{
	const char *name = controller->name;
	enum rdma_number_kind kind;
	bool same;

	/* All of them are told. */
	same = same_address(from, name, &controller->address);
	for (kind = 0; kind < RDMA_NUMBERS; kind++)
		same &= same_number(from, controller, kind);
	same &= same_flag(from, name, "trusted", controller->trusted);
	same &= same_flag(from, name, "enabled", true);
	return same;
}

bool rdma_is_node(const struct rdma_from *from, const struct rdma_node *node)
{
	char dir[RDMA_DIR_MAX], has[RDMA_TEXT_MAX], wanted[RDMA_ADDRESS_MAX];

	rdma_node_dir(dir, node->controller, node->id);
	return has_address(dir, &node->address, has) ||
	       differs_for_now(from, dir, "address", has,
			       rdma_address_text(wanted, &node->address));
}
