// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl doctor: whether RDMA controllers listen, and reach their nodes.
 */
#include <stdio.h>
#include <string.h>

#include "controllers.h"
#include "doctor.h"
#include "rdma-configfs.h"
#include "rdma-device.h"

#define NO_DEVICE \
	"rdma link add rxe0 type rxe netdev eth0, or load an adapter's driver"
/* The kernel does not tell why it does not listen. */
#define NO_PORT \
	"rsmctl controller remove, and add: with another port, if rdma resource show cm_id has that; in another network namespace, if rdma link shows no netdev of the device"
/* Nor does a node tell who has not shown to know the key. */
#define NO_NODE \
	"let UDP port 4791 (RoCE, Soft-RoCE) through all firewalls between; on the node see whether its controller listens (rsmctl controller), knows this machine (rsmctl node) and has the same key"

/**
 * struct findings - what is found
 * @listening: controllers that listen
 * @idle: the first one that does not, or NULL
 * @nodes: nodes of all
 * @unreachable: those of them that cannot be reached
 * @lost: the first of these, or NULL
 * @loser: its controller
 */
struct findings {
	unsigned int listening;
	const struct controller *idle;
	unsigned int nodes;
	unsigned int unreachable;
	const struct node *lost;
	const struct controller *loser;
};

static void look_at_node(struct findings *findings,
			 const struct controller *controller,
			 const struct node *node)
{
	findings->nodes++;
	if (strcmp(node->state, "unreachable"))
		return;
	if (!findings->unreachable++) {
		findings->lost = node;
		findings->loser = controller;
	}
}

static void look_at(struct findings *findings,
		    const struct controller *controller)
{
	unsigned int i;

	if (!strcmp(controller->state, "listening"))
		findings->listening++;
	else if (!findings->idle)
		findings->idle = controller;
	for (i = controller->has_local; i < controller->node_count; i++)
		look_at_node(findings, controller, &controller->nodes[i]);
}

/* It has its device, and does not listen all the same. */
static bool report_not_bound(struct doctor *doctor,
			     const struct controller *controller)
{
	char device[RDMA_DEVICE_MAX];
	struct rdma_address address;

	if (strcmp(controller->state, "waiting") || !controller->has_local ||
	    !rdma_parse_address(controller->nodes->address, &address) ||
	    !rdma_find_device(&address, device))
		return false;
	doctor_report(doctor, DOCTOR_WARNING, NO_PORT,
		      "%s cannot listen at %s, though %s has the address",
		      controller->name, controller->nodes->address, device);
	return true;
}

static void report_idle(struct doctor *doctor,
			const struct controller *controller)
{
	char remedy[64 + RDMA_DEVICES_MAX] = NO_DEVICE;
	char addresses[RDMA_DEVICES_MAX];
	bool waits = !strcmp(controller->state, "waiting");

	if (report_not_bound(doctor, controller))
		return;
	rdma_addresses_text(addresses);
	if (!waits)
		strcpy(remedy, "rsmctl controller remove, and add");
	else if (*addresses)
		snprintf(remedy, sizeof(remedy), "give it one that there is: %s",
			 addresses);
	doctor_report(doctor, DOCTOR_WARNING, remedy, "%s %s%s",
		      controller->name, waits ?
		      "waits for an RDMA device with the address " :
		      "is not enabled", waits && controller->has_local ?
		      controller->nodes->address : "");
}

static void report_unreachable(struct doctor *doctor,
			       const struct findings *findings)
{
	const struct node *node = findings->lost;

	doctor_report(doctor, DOCTOR_WARNING, NO_NODE,
		      "%u of %u node%s cannot be reached: %u of %s at %s%s",
		      findings->unreachable, findings->nodes,
		      findings->nodes == 1 ? "" : "s", node->id,
		      findings->loser->name, node->address,
		      findings->unreachable > 1 ? ", and others" : "");
}

static void report(struct doctor *doctor, const struct findings *findings)
{
	if (findings->idle)
		report_idle(doctor, findings->idle);
	else if (findings->unreachable)
		report_unreachable(doctor, findings);
	else
		doctor_report(doctor, DOCTOR_OK, NULL,
			      "%u controller%s, %u other node%s",
			      findings->listening,
			      findings->listening == 1 ? "" : "s",
			      findings->nodes, findings->nodes == 1 ? "" : "s");
}

/* Where there are no RDMA controllers there is nothing to be said of them. */
void doctor_rdma(struct doctor *doctor)
{
	struct findings findings = { };
	struct controllers controllers;
	unsigned int i;

	if (!doctor->usable || !rdma_exists(""))
		return;
	/* What does not work is found by others. */
	controllers_get(&controllers);
	for (i = 0; i < controllers.count; i++)
		if (rdma_exists(controllers.controller[i].name))
			look_at(&findings, &controllers.controller[i]);
	if (findings.listening || findings.idle)
		report(doctor, &findings);
	controllers_free(&controllers);
}
