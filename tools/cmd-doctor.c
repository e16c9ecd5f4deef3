// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl doctor: why it does not work, and what to do about it.
 */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>

#include "cmd.h"
#include "doctor.h"
#include "output.h"

#define WORD "doctor"
#define TEXT_MAX 512

static const struct option long_options[] = {
	{ "load", no_argument, NULL, 'l' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{},
};

/* Later ones know of the earlier ones what is in struct doctor. */
static const struct {
	const char *name;
	void (*run)(struct doctor *doctor);
} checks[] = {
	{ "kernel", doctor_kernel },
	{ "architecture", doctor_architecture },
	{ "module", doctor_module },
	{ "versions", doctor_versions },
	{ "device", doctor_device },
	{ "locked-memory", doctor_locked_memory },
	{ "exported-memory", doctor_exported_memory },
	{ "handles", doctor_handles },
	{ "processes", doctor_processes },
	{ "ipc-namespace", doctor_ipc_namespace },
	{ "user-namespace", doctor_user_namespace },
	{ "tracing", doctor_tracing },
	{ "loopback", doctor_loopback },
	{ "rdma", doctor_rdma },
};

static const char * const result_names[DOCTOR_RESULTS] = {
	[DOCTOR_OK] = "ok",
	[DOCTOR_WARNING] = "warning",
	[DOCTOR_PROBLEM] = "problem",
};

static void print_usage(void)
{
	printf("usage: rsmctl doctor [OPTION]...\n\n"
	       "Checks whether Remote Shared Memory works here, for you, and tells how to mend\n"
	       "what is wrong. The exit status is 1 if there are problems; warnings are none.\n\n"
	       "  -l, --load  load the module, if need be, by opening the device\n"
	       "  -j, --json  output for programs\n"
	       "  -h, --help  this text\n");
}

static void report_json(struct json *json, const char *check,
			const char *result, const char *found,
			const char *remedy)
{
	json_object(json, NULL);
	json_string(json, "name", check);
	json_string(json, "result", result);
	json_string(json, "found", found);
	json_string(json, "remedy", remedy);
	json_object_end(json);
}

void doctor_report(struct doctor *doctor, enum doctor_result result,
		   const char *remedy, const char *format, ...)
{
	char found[TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(found, sizeof(found), format, args);
	va_end(args);
	doctor->results[result]++;
	if (doctor->as_json) {
		report_json(&doctor->json, doctor->check, result_names[result],
			    found, remedy);
		return;
	}
	printf("%-8s %-16s %s\n", result_names[result], doctor->check, found);
	if (remedy)
		printf("%-8s %-16s > %s\n", "", "", remedy);
	/* So that it is known what it was about if the next one hangs. */
	fflush(stdout);
}

static void run_checks(struct doctor *doctor)
{
	size_t i;

	for (i = 0; i < sizeof(checks) / sizeof(*checks); i++) {
		doctor->check = checks[i].name;
		checks[i].run(doctor);
	}
}

static void run_text(struct doctor *doctor)
{
	unsigned int problems, warnings;

	run_checks(doctor);
	problems = doctor->results[DOCTOR_PROBLEM];
	warnings = doctor->results[DOCTOR_WARNING];
	printf("\n%u problem%s, %u warning%s\n", problems,
	       problems == 1 ? "" : "s", warnings, warnings == 1 ? "" : "s");
}

static void run_json(struct doctor *doctor)
{
	struct json *json = &doctor->json;

	json_begin(json, stdout);
	json_object(json, NULL);
	json_array(json, "checks");
	run_checks(doctor);
	json_array_end(json);
	json_number(json, "problems", doctor->results[DOCTOR_PROBLEM]);
	json_number(json, "warnings", doctor->results[DOCTOR_WARNING]);
	json_object_end(json);
}

static int examine(struct doctor *doctor)
{
	doctor->module = module_open(MODULE_NAME);
	if (!doctor->module) {
		out_error(WORD, "libkmod cannot be set up: no memory");
		return EXIT_FAILED;
	}
	if (doctor->as_json)
		run_json(doctor);
	else
		run_text(doctor);
	module_close(doctor->module);
	return doctor->results[DOCTOR_PROBLEM] ? EXIT_FAILED : 0;
}

static int doctor_main(int argc, char **argv)
{
	struct doctor doctor = { };
	int opt;

	while ((opt = getopt_long(argc, argv, "ljh", long_options, NULL)) != -1)
		switch (opt) {
		case 'l':
			doctor.may_load = true;
			break;
		case 'j':
			doctor.as_json = true;
			break;
		case 'h':
			print_usage();
			return 0;
		default:
			return cmd_usage_told(WORD);
		}
	if (argv[optind])
		return cmd_usage(WORD, "\"%s\" is not expected", argv[optind]);
	return examine(&doctor);
}

const struct cmd cmd_doctor = {
	.name = "doctor",
	.help = "find out what does not work here, and why",
	.run = doctor_main,
};
