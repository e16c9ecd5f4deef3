// SPDX-License-Identifier: GPL-2.0-only
#include <linux/capability.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "caller.h"
#include "doctor.h"
#include "limit.h"
#include "output.h"

/* Less is not enough for much. */
#define ENOUGH_MEMORY (UINT64_C(8) << 20)
/* What is fuller than this will be full soon. */
#define FULL_PERCENT 90

void doctor_locked_memory(struct doctor *doctor)
{
	struct rlimit limit = { };
	char size[OUT_SIZE_MAX];

	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (caller_is_capable(CAP_IPC_LOCK))
		doctor_report(doctor, DOCTOR_OK, NULL,
			      "not limited for you: CAP_IPC_LOCK");
	else if (limit.rlim_cur == RLIM_INFINITY)
		doctor_report(doctor, DOCTOR_OK, NULL, "not limited");
	else if (limit.rlim_cur >= ENOUGH_MEMORY)
		doctor_report(doctor, DOCTOR_OK, NULL, "up to %s",
			      out_size(size, limit.rlim_cur));
	else
		doctor_report(doctor, DOCTOR_WARNING,
			      limit.rlim_max >= ENOUGH_MEMORY ?
			      "ulimit -l 8192" :
			      "raise memlock in /etc/security/limits.conf, or LimitMEMLOCK= of the service",
			      "up to %s, and half of that for segments that are rebound",
			      out_size(size, limit.rlim_cur));
}

/* False if the module is not loaded: then the limits are not known. */
static bool get_limits(struct doctor *doctor, struct limits *limits)
{
	if (limits_get(limits))
		return true;
	doctor_report(doctor, DOCTOR_OK, NULL,
		      "known when the module is loaded");
	return false;
}

void doctor_exported_memory(struct doctor *doctor)
{
	const struct limit *limit;
	char used[OUT_SIZE_MAX], max[OUT_SIZE_MAX];
	struct limits limits;

	if (!get_limits(doctor, &limits))
		return;
	limit = &limits.limit[LIMIT_EXPORTED];
	out_size(used, limit->used);
	if (limit->max == LIMIT_NONE)
		doctor_report(doctor, DOCTOR_OK, NULL,
			      "%s in use, not limited", used);
	else if (limit_percent(limit) < FULL_PERCENT)
		doctor_report(doctor, DOCTOR_OK, NULL, "%s of %s in use", used,
			      out_size(max, limit->max));
	else
		doctor_report(doctor, DOCTOR_WARNING,
			      "raise /sys/module/rsmctl/parameters/max_exported_memory (percent)",
			      "%s of %s in use", used,
			      out_size(max, limit->max));
}

void doctor_handles(struct doctor *doctor)
{
	const struct limit *all, *user;
	struct limits limits;
	bool full;

	if (!get_limits(doctor, &limits))
		return;
	all = &limits.limit[LIMIT_UNPRIVILEGED];
	user = &limits.limit[LIMIT_USER];
	full = limit_percent(all) >= FULL_PERCENT ||
	       (!user->exempt && limit_percent(user) >= FULL_PERCENT);
	doctor_report(doctor, full ? DOCTOR_WARNING : DOCTOR_OK, !full ? NULL :
		      "end what is not needed, or raise the limit: see rsmctl limits",
		      "%ju of %ju in use, %s%ju of %ju by you",
		      (uintmax_t)all->used, (uintmax_t)all->max,
		      user->at_least ? "at least " : "",
		      (uintmax_t)user->used, (uintmax_t)user->max);
}

/* What rsmctl list and others see of other processes */
void doctor_processes(struct doctor *doctor)
{
	if (access("/proc/self", F_OK))
		doctor_report(doctor, DOCTOR_PROBLEM,
			      "mount -t proc none /proc",
			      "/proc is not mounted");
	else if (!caller_in_first_namespace("pid"))
		doctor_report(doctor, DOCTOR_OK, NULL,
			      "those of a PID namespace: others are not to be seen");
	else if (access("/proc/1", F_OK))
		doctor_report(doctor, DOCTOR_WARNING,
			      "mount -o remount,hidepid=0 /proc, if all may",
			      "those of others are hidden (hidepid)");
	else
		doctor_report(doctor, DOCTOR_OK, NULL, "%s",
			      caller_is_capable(CAP_SYS_PTRACE) ?
			      "all can be looked into" :
			      "yours can be looked into");
}

void doctor_ipc_namespace(struct doctor *doctor)
{
	if (caller_in_first_namespace("ipc"))
		doctor_report(doctor, DOCTOR_OK, NULL,
			      "that of the machine");
	else
		doctor_report(doctor, DOCTOR_WARNING,
			      "run both in one, or pass tickets instead of ids",
			      "one of its own: the ids of segments are, too");
}

void doctor_user_namespace(struct doctor *doctor)
{
	doctor_report(doctor, DOCTOR_OK, NULL, "%s",
		      caller_in_first_namespace("user") ?
		      "that of the machine" :
		      "one of its own: its capabilities lift no limit");
}

/* For rsmctl trace; nothing else depends on it. */
void doctor_tracing(struct doctor *doctor)
{
	if (!access("/sys/kernel/tracing/events", R_OK))
		doctor_report(doctor, DOCTOR_OK, NULL, "can be used");
	else if (!caller_is_capable(CAP_DAC_READ_SEARCH))
		doctor_report(doctor, DOCTOR_OK, NULL, "for root only");
	else
		doctor_report(doctor, DOCTOR_WARNING,
			      "mount -t tracefs none /sys/kernel/tracing",
			      "tracefs is not there: no rsmctl trace");
}
