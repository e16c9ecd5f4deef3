// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "output.h"
#include "rdma-apply.h"
#include "rdma-configfs.h"
#include "rdma-device.h"
#include "rdma-key.h"

/*
 * It is looked at this often until it listens, in nanoseconds, and so many times
 * if there is a device for it, or if there is not.
 */
#define PAUSE 50000000
#define MANY 200
#define FEW 20

/* What is half done is not left: signals come when it is done or undone. */
static void hold_signals(sigset_t *old)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, old);
}

static void let_signals(const sigset_t *old)
{
	sigprocmask(SIG_SETMASK, old, NULL);
}

static bool is_interrupted(void)
{
	sigset_t set;

	return !sigpending(&set) &&
	       (sigismember(&set, SIGINT) || sigismember(&set, SIGTERM) ||
		sigismember(&set, SIGHUP));
}

static bool write_bytes(const struct rdma_from *from, const char *dir,
			const char *file, const char *bytes, size_t length)
{
	int error = -rdma_write(dir, file, bytes, length);

	if (error)
		rdma_error(from, "cannot write %s of %s: %s; %s", file, dir,
			   strerror(error), rdma_remedy(error));
	return !error;
}

static bool write_text(const struct rdma_from *from, const char *dir,
		       const char *file, const char *text)
{
	return write_bytes(from, dir, file, text, strlen(text));
}

static bool write_address(const struct rdma_from *from, const char *dir,
			  const struct rdma_address *address)
{
	char text[RDMA_ADDRESS_MAX];

	return write_text(from, dir, "address",
			  rdma_address_text(text, address));
}

static bool write_numbers(const struct rdma_from *from,
			  const struct rdma_controller *controller)
{
	char text[16];
	unsigned int i;

	for (i = 0; i < RDMA_NUMBERS; i++) {
		if (!controller->number[i])
			continue;
		snprintf(text, sizeof(text), "%" PRIu32, controller->number[i]);
		if (!write_text(from, controller->name, rdma_numbers[i].file,
				text))
			return false;
	}
	return true;
}

/* The key, or that none is needed */
static bool write_trust(const struct rdma_from *from,
			const struct rdma_controller *controller,
			const struct rdma_key *key)
{
	if (controller->trusted)
		return write_text(from, controller->name, "trusted", "1");
	return write_bytes(from, controller->name, "key", key->bytes,
			   key->length);
}

static bool is_waiting(const char *name)
{
	char state[RDMA_TEXT_MAX];

	return rdma_read(name, "state", state) && !strcmp(state, "waiting");
}

/* Returns false if it does not listen before long. */
static bool does_listen(const struct rdma_controller *controller)
{
	const struct timespec pause = { .tv_nsec = PAUSE };
	char device[RDMA_DEVICE_MAX];
	unsigned int tries = FEW;

	if (rdma_find_device(&controller->address, device))
		tries = MANY;
	while (is_waiting(controller->name) && !is_interrupted() && tries--)
		nanosleep(&pause, NULL);
	return !is_waiting(controller->name);
}

static bool listens_at(const char *name, const struct rdma_address *address)
{
	struct rdma_address has;
	char text[RDMA_TEXT_MAX];

	return rdma_read(name, "state", text) && !strcmp(text, "listening") &&
	       rdma_read(name, "address", text) &&
	       rdma_parse_address(text, &has) &&
	       rdma_same_address(&has, address);
}

/* The controller that has the address and its port. Returns false if none has. */
static bool find_listener(const struct rdma_address *address,
			  char name[RDMA_NAME_MAX])
{
	struct rdma_names names;
	bool found = false;
	unsigned int i;

	rdma_list("", &names);
	for (i = 0; i < names.count && !found; i++) {
		found = listens_at(names.name[i], address);
		if (found)
			snprintf(name, RDMA_NAME_MAX, "%.15s", names.name[i]);
	}
	rdma_free(&names);
	return found;
}

/*
 * There is a device: then it is the port, which is one of RDMA and not of TCP,
 * or another network namespace has the device, with an interface of the same
 * name. The kernel's log has nothing of either.
 */
static void tell_why_not_bound(const struct rdma_from *from,
			       const struct rdma_address *address,
			       const char *device)
{
	char text[RDMA_ADDRESS_MAX], name[RDMA_NAME_MAX];

	rdma_address_text(text, address);
	if (find_listener(address, name))
		rdma_error(from, "cannot listen at %s, as %s does: give it another port, or \"rsmctl controller remove %s\" first",
			   text, name, name);
	else
		rdma_error(from, "cannot listen at %s, though the RDMA device %s has the address: give it another port, if something else has that (\"rdma resource show cm_id\"); if \"rdma link\" shows no netdev of %s, that belongs to another network namespace: add the controller there",
			   text, device, device);
}

static void tell_why_waiting(const struct rdma_from *from,
			     const struct rdma_address *address)
{
	char text[RDMA_ADDRESS_MAX], device[RDMA_DEVICE_MAX];
	char others[RDMA_DEVICES_MAX];

	rdma_address_text(text, address);
	rdma_addresses_text(others);
	if (!rdma_has_device())
		rdma_error(from, "there is no RDMA device: load its driver or, for one over the Ethernet interface eth0, \"rdma link add rxe0 type rxe netdev eth0\"; or let it wait for one, with --wait");
	else if (rdma_find_device(address, device))
		tell_why_not_bound(from, address, device);
	else if (*others)
		rdma_error(from, "no RDMA device has the address %s, but they have: %s; or let it wait for one, with --wait",
			   text, others);
	else
		rdma_error(from, "no RDMA device has the address %s, or any: give one to its network interface, as with \"ip address add\"; or let it wait for that, with --wait",
			   text);
}

static const char *spell_state(bool listens, const struct rdma_address *address)
{
	char device[RDMA_DEVICE_MAX];

	if (listens)
		return "listens at";
	return rdma_find_device(address, device) ?
	       "waits until it can listen at" : "waits for an RDMA device with";
}

/* Returns false if it cannot be left as it is. */
static bool check_state(const struct rdma_from *from,
			const struct rdma_controller *controller, bool may_wait)
{
	char text[RDMA_ADDRESS_MAX];
	bool listens = does_listen(controller);

	if (is_interrupted())
		return false;
	if (!listens && !may_wait) {
		tell_why_waiting(from, &controller->address);
		return false;
	}
	printf("%s: node %" PRIu32 ", %s %s\n", controller->name,
	       controller->number[RDMA_NODE_ID],
	       spell_state(listens, &controller->address),
	       rdma_address_text(text, &controller->address));
	return true;
}

static bool fill_controller(const struct rdma_from *from,
			    const struct rdma_controller *controller,
			    const struct rdma_key *key, bool may_wait)
{
	return write_address(from, controller->name, &controller->address) &&
	       write_numbers(from, controller) &&
	       write_trust(from, controller, key) &&
	       write_text(from, controller->name, "enabled", "1") &&
	       check_state(from, controller, may_wait);
}

/* "rdma0", or "node 2 of rdma0" */
static const char *spell(char text[RDMA_DIR_MAX], const char *dir)
{
	const char *slash = strchr(dir, '/');

	if (slash)
		snprintf(text, RDMA_DIR_MAX, "node %.10s of %.*s",
			 strrchr(dir, '/') + 1, (int)(slash - dir), dir);
	else
		snprintf(text, RDMA_DIR_MAX, "%.15s", dir);
	return text;
}

static bool make_dir(const struct rdma_from *from, const char *dir)
{
	int error = -rdma_make(dir);
	char text[RDMA_DIR_MAX];

	if (error == EEXIST)
		rdma_error(from, "%s is there already: \"rsmctl %s remove\" first",
			   spell(text, dir), from->word);
	else if (error)
		rdma_error(from, "cannot make %s: %s; %s", spell(text, dir),
			   strerror(error), rdma_remedy(error));
	return !error;
}

static bool make_controller(const struct rdma_from *from,
			    const struct rdma_controller *controller,
			    const struct rdma_key *key, bool may_wait)
{
	sigset_t old;
	bool made;

	hold_signals(&old);
	made = make_dir(from, controller->name);
	if (made && !fill_controller(from, controller, key, may_wait)) {
		rdma_remove(controller->name);
		made = false;
	}
	let_signals(&old);
	return made;
}

bool rdma_add_controller(const struct rdma_from *from,
			 const struct rdma_controller *controller,
			 bool may_wait)
{
	struct rdma_key key = { };
	bool made;

	if (controller->key_file &&
	    !rdma_read_key(from, controller->key_file, &key))
		return false;
	made = make_controller(from, controller, &key, may_wait);
	rdma_forget_key(&key);
	return made;
}

bool rdma_is_local(const struct rdma_node *node)
{
	char text[RDMA_TEXT_MAX];
	uint32_t id;

	return rdma_read(node->controller, "node_id", text) &&
	       out_parse_id(text, &id) && id == node->id;
}

bool rdma_add_node(const struct rdma_from *from, const struct rdma_node *node)
{
	char dir[RDMA_DIR_MAX];
	sigset_t old;
	bool made;

	rdma_node_dir(dir, node->controller, node->id);
	hold_signals(&old);
	made = make_dir(from, dir);
	if (made && !write_address(from, dir, &node->address)) {
		rdma_remove(dir);
		made = false;
	}
	let_signals(&old);
	return made;
}

static bool take_away(const struct rdma_from *from, const char *dir)
{
	int error = -rdma_remove(dir);
	char text[RDMA_DIR_MAX];

	spell(text, dir);
	if (error == ENOENT)
		rdma_error(from, "there is no %s", text);
	else if (error == ENOTEMPTY)
		rdma_error(from, "%s got nodes meanwhile: try again", text);
	else if (error)
		rdma_error(from, "cannot remove %s: %s; %s", text,
			   strerror(error), rdma_remedy(error));
	return !error;
}

static bool is_unused(const struct rdma_from *from, const char *name,
		      unsigned int nodes)
{
	char connections[RDMA_TEXT_MAX];

	if (!rdma_read(name, "connections", connections))
		strcpy(connections, "0");
	if (!nodes && !strcmp(connections, "0"))
		return true;
	rdma_error(from, "%s has %u node%s and %s connection%s, which --force takes away with it",
		   name, nodes, nodes == 1 ? "" : "s", connections,
		   strcmp(connections, "1") ? "s" : "");
	return false;
}

bool rdma_remove_controller(const struct rdma_from *from, const char *name,
			    bool force)
{
	struct rdma_names nodes;
	char dir[RDMA_DIR_MAX];
	unsigned int i;
	bool done;

	rdma_list(rdma_nodes_dir(dir, name), &nodes);
	done = force || is_unused(from, name, nodes.count);
	for (i = 0; i < nodes.count && done; i++) {
		snprintf(dir, sizeof(dir), "%s/nodes/%.16s", name,
			 nodes.name[i]);
		done = take_away(from, dir);
	}
	rdma_free(&nodes);
	return done && take_away(from, name);
}

bool rdma_remove_node(const struct rdma_from *from,
		      const struct rdma_node *node)
{
	char dir[RDMA_DIR_MAX];

	return take_away(from, rdma_node_dir(dir, node->controller, node->id));
}

/* There is no telling which is meant. */
static bool ambiguous(const struct rdma_from *from,
		      const struct rdma_names *names)
{
	if (names->count)
		rdma_error(from, "there are %u controllers, %s and others: name the one that is meant",
			   names->count, names->name[0]);
	else
		rdma_error(from, "there is no RDMA controller yet: see \"rsmctl controller add\"");
	return false;
}

bool rdma_choose_controller(const struct rdma_from *from,
			    char name[RDMA_NAME_MAX])
{
	struct rdma_names names;
	bool found;

	if (*name && !rdma_exists(name)) {
		rdma_error(from, "there is no RDMA controller %s: see \"rsmctl controller list\"",
			   name);
		return false;
	}
	if (*name)
		return true;
	rdma_list("", &names);
	found = names.count == 1 || ambiguous(from, &names);
	if (found)
		snprintf(name, RDMA_NAME_MAX, "%.15s", names.name[0]);
	rdma_free(&names);
	return found;
}
