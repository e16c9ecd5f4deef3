// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "rdma-apply.h"
#include "rdma-compare.h"
#include "rdma-configfs.h"
#include "rdma-file.h"

#define BLANKS " \t\n"

/**
 * struct entry - what a line asks for
 * @from: the line, for messages
 * @text: its text, of which strtok_r() makes words
 * @good: it is understood
 * @is_node: it is @node, else @controller
 * @controller: a controller
 * @node: a node
 */
struct entry {
	struct rdma_from from;
	char *text;
	bool good;
	bool is_node;
	struct rdma_controller controller;
	struct rdma_node node;
};

/**
 * struct entries - what a file asks for
 * @count: how many
 * @entry: them, in the order of the lines
 */
struct entries {
	unsigned int count;
	struct entry *entry;
};

/* Ends at a word that begins with "#", or at the end of the line. */
static char *next_word(char **rest)
{
	char *word = strtok_r(NULL, BLANKS, rest);

	if (!word || *word != '#')
		return word;
	*rest = word + strlen(word);
	return NULL;
}

static bool set_name(struct entry *entry, const char *name, char *why)
{
	return entry->is_node ? rdma_set_id(&entry->node, name, why) :
	       rdma_set_name(entry->controller.name, name, why);
}

static bool set_word(struct entry *entry, const char *word, const char *value,
		     char *why)
{
	return entry->is_node ?
	       rdma_set_node(&entry->node, word, value, why) :
	       rdma_set_controller(&entry->controller, word, value, why);
}

static bool check(const struct entry *entry, char *why)
{
	const char *key_file = entry->controller.key_file;

	if (entry->is_node)
		return rdma_check_node(&entry->node, "", why);
	/* It is not known from where the file is read. */
	if (key_file && *key_file != '/') {
		snprintf(why, RDMA_WHY_MAX, "key-file \"%.100s\" is no path from \"/\" on",
			 key_file);
		return false;
	}
	return rdma_check_controller(&entry->controller, "", why);
}

/* All words after the name or number */
static bool parse_rest(struct entry *entry, char **rest, char *why)
{
	const char *word, *value;

	while ((word = next_word(rest))) {
		value = rdma_takes_value(word) ? next_word(rest) : NULL;
		if (!value && rdma_takes_value(word)) {
			snprintf(why, RDMA_WHY_MAX, "nothing comes after \"%.100s\"",
				 word);
			return false;
		}
		if (!set_word(entry, word, value, why))
			return false;
	}
	return check(entry, why);
}

static bool parse_words(struct entry *entry, char **rest, char *why)
{
	const char *kind = next_word(rest), *name;

	entry->is_node = !strcmp(kind, "node");
	if (!entry->is_node && strcmp(kind, "controller")) {
		snprintf(why, RDMA_WHY_MAX, "a line begins with \"controller\" or \"node\", not with \"%.100s\"",
			 kind);
		return false;
	}
	name = next_word(rest);
	if (!name) {
		snprintf(why, RDMA_WHY_MAX, "nothing comes after \"%s\"", kind);
		return false;
	}
	return set_name(entry, name, why) && parse_rest(entry, rest, why);
}

/* The line's text is taken to pieces. */
static bool parse(struct entry *entry)
{
	char why[RDMA_WHY_MAX], *rest = entry->text;
	const char *c;

	for (c = rest; *c; c++)
		if (iscntrl((unsigned char)*c) && !strchr(BLANKS, *c)) {
			rdma_error(&entry->from, "a character with the code %u is in it",
				   (unsigned char)*c);
			return false;
		}
	if (parse_words(entry, &rest, why))
		return true;
	rdma_error(&entry->from, "%s", why);
	return false;
}

static bool apply_controller(const struct rdma_from *from,
			     const struct rdma_controller *controller)
{
	if (!rdma_exists(controller->name))
		return rdma_add_controller(from, controller, true);
	if (!rdma_is_controller(from, controller))
		return false;
	printf("%s: there already\n", controller->name);
	return true;
}

/* What a file has that is the same on all nodes */
static bool skip_local(const struct rdma_node *node)
{
	if (!rdma_is_local(node))
		return false;
	printf("%s: node %" PRIu32 " is this machine\n", node->controller,
	       node->id);
	return true;
}

static bool apply_node(const struct rdma_from *from, struct rdma_node *node)
{
	char dir[RDMA_DIR_MAX], address[RDMA_ADDRESS_MAX];
	bool exists;

	if (!rdma_choose_controller(from, node->controller))
		return false;
	if (skip_local(node))
		return true;
	exists = rdma_exists(rdma_node_dir(dir, node->controller, node->id));
	if (!(exists ? rdma_is_node : rdma_add_node)(from, node))
		return false;
	printf("%s: node %" PRIu32 " at %s%s\n", node->controller, node->id,
	       rdma_address_text(address, &node->address),
	       exists ? ", there already" : "");
	return true;
}

static bool apply(struct entry *entry)
{
	return entry->is_node ? apply_node(&entry->from, &entry->node) :
	       apply_controller(&entry->from, &entry->controller);
}

static void free_entries(struct entries *entries)
{
	unsigned int i;

	for (i = 0; i < entries->count; i++)
		free(entries->entry[i].text);
	free(entries->entry);
}

/* Whether there is a word on the line that is no comment */
static bool says_something(const char *text)
{
	text += strspn(text, BLANKS);
	return *text && *text != '#';
}

/* Returns 0 or -errno. */
static int append(struct entries *entries, const struct rdma_from *from,
		  const char *text)
{
	struct entry *grown;

	if (!says_something(text))
		return 0;
	grown = realloc(entries->entry, (entries->count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	entries->entry = grown;
	grown += entries->count;
	*grown = (struct entry){ .from = *from, .text = strdup(text) };
	if (!grown->text)
		return -ENOMEM;
	entries->count++;
	return 0;
}

static int read_lines(FILE *file, struct rdma_from *from,
		      struct entries *entries)
{
	char *text = NULL;
	size_t size = 0;
	int error = 0;

	while (!error && getline(&text, &size, file) >= 0) {
		from->line++;
		error = append(entries, from, text);
	}
	if (!error && ferror(file))
		error = -errno;
	free(text);
	return error;
}

static int read_file(struct rdma_from *from, struct entries *entries)
{
	FILE *file = fopen(from->file, "re");
	int error;

	if (!file)
		return -errno;
	error = read_lines(file, from, entries);
	fclose(file);
	return error;
}

/* Returns the number of those that are good. */
static unsigned int parse_all(struct entries *entries)
{
	unsigned int i, good = 0;

	for (i = 0; i < entries->count; i++) {
		entries->entry[i].good = parse(&entries->entry[i]);
		good += entries->entry[i].good;
	}
	return good;
}

/* Those about nodes, or the others */
static bool apply_all(struct entries *entries, bool nodes)
{
	bool done = true;
	struct entry *entry;
	unsigned int i;

	for (i = 0; i < entries->count; i++) {
		entry = &entries->entry[i];
		if (entry->good && entry->is_node == nodes)
			done &= apply(entry);
	}
	return done;
}

static bool do_entries(const char *word, struct entries *entries)
{
	const struct rdma_from from = { .word = word };
	unsigned int good = parse_all(entries);
	bool done = good == entries->count;

	if (!good)
		return done;
	if (!rdma_prepare(&from))
		return false;
	/* A node may be named before the controller that it is of. */
	done &= apply_all(entries, false);
	done &= apply_all(entries, true);
	return done;
}

bool rdma_load_file(const char *word, const char *path)
{
	struct rdma_from from = { .word = word, .file = path };
	struct entries entries = { };
	int error = -read_file(&from, &entries);
	bool done = false;

	if (error)
		out_error(word, "cannot read %s: %s; rsm.conf(5) tells what is in it",
			  path, strerror(error));
	else
		done = do_entries(word, &entries);
	free_entries(&entries);
	return done;
}
