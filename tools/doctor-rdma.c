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

/**
 * struct findings - what is found
 * @listening: controllers that listen
 * @idle: the first one that does not, or NULL
 * @nodes: nodes of all
 * @unreachable: those of them that cannot be reached
 */
struct findings {
	unsigned int listening;
	const struct controller *idle;
	unsigned int nodes;
	unsigned int unreachable;
};

static void look_at(struct findings *findings,
		    const struct controller *controller)
{
	unsigned int i;

	if (!strcmp(controller->state, "listening"))
		findings->listening++;
	else if (!findings->idle)
		findings->idle = controller;
	for (i = controller->has_local; i < controller->node_count; i++) {
		findings->nodes++;
		findings->unreachable += !strcmp(controller->nodes[i].state,
						 "unreachable");
	}
}

static void report_idle(struct doctor *doctor,
			const struct controller *controller)
{
	char remedy[64 + RDMA_DEVICES_MAX] = NO_DEVICE;
	char addresses[RDMA_DEVICES_MAX];
	bool waits = !strcmp(controller->state, "waiting");

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

static void report(struct doctor *doctor, const struct findings *findings)
{
	if (findings->idle)
		report_idle(doctor, findings->idle);
	else if (findings->unreachable)
		doctor_report(doctor, DOCTOR_WARNING,
			      "rsmctl node list: see whether these are up, have this machine among their nodes, and the same key",
			      "%u of %u nodes cannot be reached",
			      findings->unreachable, findings->nodes);
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
