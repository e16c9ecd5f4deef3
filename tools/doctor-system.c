// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "caller.h"
#include "doctor.h"
#include "handles.h"

/* The oldest kernel that is supported */
#define KERNEL_MAJOR 6
#define KERNEL_MINOR 1

void doctor_kernel(struct doctor *doctor)
{
	unsigned int major = 0, minor = 0;
	struct utsname name;

	uname(&name);
	if (sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
	    (major > KERNEL_MAJOR ||
	     (major == KERNEL_MAJOR && minor >= KERNEL_MINOR)))
		doctor_report(doctor, DOCTOR_OK, NULL, "%s", name.release);
	else
		doctor_report(doctor, DOCTOR_PROBLEM,
			      "boot Linux 6.1 or later",
			      "%s is too old", name.release);
}

void doctor_architecture(struct doctor *doctor)
{
	struct utsname name;

	uname(&name);
	if (!strcmp(name.machine, "x86_64"))
		doctor_report(doctor, DOCTOR_OK, NULL, "%s", name.machine);
	else
		doctor_report(doctor, DOCTOR_PROBLEM,
			      "use a machine that runs x86_64",
			      "%s is not supported", name.machine);
}

/* There the host has the module, and says who may use the device. */
static bool in_container(void)
{
	return !caller_in_first_namespace("pid") ||
	       !caller_in_first_namespace("user");
}

static void no_module_file(struct doctor *doctor)
{
	if (!in_container())
		doctor_report(doctor, DOCTOR_PROBLEM,
			      "install it: make install, or make dkms-install",
			      "none for this kernel");
	else if (doctor->may_load)
		doctor_report(doctor, DOCTOR_OK, NULL,
			      "not loaded, which the check of the device may do if the host has it");
	else
		doctor_report(doctor, DOCTOR_WARNING,
			      "on the host: rsmctl load",
			      "not loaded, and its file is the host's");
}

void doctor_module(struct doctor *doctor)
{
	const char *path = module_path(doctor->module);

	doctor->loaded = module_is_loaded(doctor->module);
	if (doctor->loaded && path)
		doctor_report(doctor, DOCTOR_OK, NULL, "loaded, %s", path);
	else if (doctor->loaded && in_container())
		doctor_report(doctor, DOCTOR_OK, NULL,
			      "loaded, and its file is the host's");
	else if (doctor->loaded)
		doctor_report(doctor, DOCTOR_WARNING,
			      "install it, or it is gone with the next boot: make install, or make dkms-install",
			      "loaded, but not installed for this kernel");
	else if (!path)
		no_module_file(doctor);
	else if (doctor->may_load)
		doctor_report(doctor, DOCTOR_OK, NULL,
			      "not loaded, which the check of the device will do, %s",
			      path);
	else
		doctor_report(doctor, DOCTOR_WARNING,
			      "rsmctl load; or any use of the device will do it",
			      "not loaded, %s", path);
}

/* Whether what is loaded was built from other source than what is installed */
static bool is_outdated(const struct doctor *doctor)
{
	char loaded[MODULE_TEXT_MAX], file[MODULE_TEXT_MAX];

	return module_read("srcversion", loaded) &&
	       module_file_info(doctor->module, "srcversion", file) &&
	       strcmp(loaded, file);
}

static bool is_other(const char *version)
{
	return *version && strcmp(version, RSMCTL_VERSION);
}

void doctor_versions(struct doctor *doctor)
{
	char module[MODULE_TEXT_MAX] = "", library[MODULE_TEXT_MAX] = "";

	if (!module_read("version", module))
		module_file_info(doctor->module, "version", module);
	caller_library(library);
	if (is_other(module) || is_other(library))
		doctor_report(doctor, DOCTOR_WARNING,
			      "install all of one version, then rsmctl unload and load",
			      "module %s, library %s, command %s", module,
			      library, RSMCTL_VERSION);
	else if (is_outdated(doctor))
		doctor_report(doctor, DOCTOR_WARNING,
			      "rsmctl unload, then rsmctl load",
			      "the module that is loaded is not the one that is installed");
	else
		doctor_report(doctor, DOCTOR_OK, NULL, "%s", RSMCTL_VERSION);
}

static bool can_open(void)
{
	int fd = open(MODULE_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static const char *open_remedy(int error)
{
	switch (error) {
	case EACCES:
		if (!access(MODULE_DEVICE, R_OK | W_OK))
			return "mount -o remount,dev /dev";
		return "chmod 0666 /dev/rsmctl, if all may, and MODE= in the udev rule";
	case EPERM:
		return "let the container use the device: c 10:250 rw";
	case ENODEV:
	case ENXIO:
		return "rsmctl load, and see what it says";
	}
	return "see the kernel's log (dmesg)";
}

#define MAKE_NODE "mknod -m 0666 " MODULE_DEVICE " c 10 250"
#define PASS_NODE "give it to the container (--device " MODULE_DEVICE ")"

static void no_node(struct doctor *doctor, int error)
{
	const char *remedy = MAKE_NODE;

	if (in_container())
		remedy = PASS_NODE;
	else if (!doctor->loaded)
		remedy = "rsmctl load, which makes it";
	doctor_report(doctor, DOCTOR_PROBLEM, remedy, "%s: %s", MODULE_DEVICE,
		      strerror(error));
}

static bool check_node(struct doctor *doctor)
{
	struct stat node;

	if (stat(MODULE_DEVICE, &node)) {
		no_node(doctor, errno);
		return false;
	}
	if (S_ISCHR(node.st_mode) &&
	    node.st_rdev == makedev(RSM_DEV_MAJOR, RSM_DEV_MINOR))
		return true;
	doctor_report(doctor, DOCTOR_PROBLEM, in_container() ? PASS_NODE :
		      "rm " MODULE_DEVICE " && " MAKE_NODE,
		      "%s is not the character device %u:%u", MODULE_DEVICE,
		      RSM_DEV_MAJOR, RSM_DEV_MINOR);
	return false;
}

static void report_open(struct doctor *doctor)
{
	struct stat node = { };

	stat(MODULE_DEVICE, &node);
	doctor_report(doctor, DOCTOR_OK, NULL, "%s, mode %04o, can be opened",
		      MODULE_DEVICE, node.st_mode & 07777);
}

/* To open it loads the module. */
void doctor_device(struct doctor *doctor)
{
	bool may_open = doctor->loaded || doctor->may_load;

	if (!check_node(doctor))
		return;
	if (may_open ? !can_open() : access(MODULE_DEVICE, R_OK | W_OK)) {
		doctor_report(doctor, DOCTOR_PROBLEM, open_remedy(errno),
			      "%s cannot be opened: %s", MODULE_DEVICE,
			      strerror(errno));
		return;
	}
	if (may_open)
		report_open(doctor);
	else
		doctor_report(doctor, DOCTOR_OK, NULL,
			      "%s is there, and not tried", MODULE_DEVICE);
	doctor->usable = may_open;
}
