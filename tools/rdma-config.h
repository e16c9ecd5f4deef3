/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an RDMA controller and its nodes are configured to be, as the options of
 * rsmctl and the words of rsm.conf have it.
 */
#ifndef RDMA_CONFIG_H
#define RDMA_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/rsmctl.h>

#define RDMA_NAME_MAX RSM_CONTROLLER_NAME_MAX
#define RDMA_PORT 7760U
/* "[", an address, "]:65535" */
#define RDMA_ADDRESS_MAX 64
/* Room for what is wrong with a word */
#define RDMA_WHY_MAX 256

/**
 * struct rdma_address - where to listen, or to connect to
 * @family: AF_INET, AF_INET6, or 0: none
 * @port: port
 * @bytes: as on the wire; the rest of them is zero
 */
struct rdma_address {
	int family;
	uint16_t port;
	unsigned char bytes[16];
};

/* Numbers that a controller has */
enum rdma_number_kind {
	RDMA_NODE_ID,
	RDMA_KEEPALIVE,
	RDMA_REBIND_TIMEOUT,
	RDMA_CONNECTIONS,
	RDMA_COPY_WINDOW,
	RDMA_NUMBERS,
};

/**
 * struct rdma_number - one of them
 * @word: what the user calls it
 * @file: what the kernel calls it
 * @min: the least that it can be
 * @max: the most
 */
struct rdma_number {
	const char *word;
	const char *file;
	uint32_t min;
	uint32_t max;
};

extern const struct rdma_number rdma_numbers[RDMA_NUMBERS];

/**
 * struct rdma_controller - a controller as it is to be
 * @name: its name
 * @address: of this machine
 * @key_file: file that has the key, or NULL
 * @trusted: peers need no key
 * @number: see rdma_numbers; 0: left as the kernel has it
 */
struct rdma_controller {
	char name[RDMA_NAME_MAX];
	struct rdma_address address;
	const char *key_file;
	bool trusted;
	uint32_t number[RDMA_NUMBERS];
};

/**
 * struct rdma_node - a node that may be connected with
 * @id: its id
 * @address: where it listens
 * @controller: name of the controller; empty: the only one
 */
struct rdma_node {
	uint32_t id;
	struct rdma_address address;
	char controller[RDMA_NAME_MAX];
};

/*
 * "10.0.0.1", "10.0.0.1:7760", "fd00::1", "[fd00::1]:7760". False: no such
 * address.
 */
bool rdma_parse_address(const char *text, struct rdma_address *address);

/* With its port, as the kernel takes it. Returns @text. */
const char *rdma_address_text(char text[RDMA_ADDRESS_MAX],
			      const struct rdma_address *address);
bool rdma_same_address(const struct rdma_address *a,
		       const struct rdma_address *b);

/*
 * These return false if the value cannot be, and tell why: a controller's name,
 * a node's id, and by their word what else there is. The value of a word that
 * takes none is NULL.
 */
bool rdma_set_name(char name[RDMA_NAME_MAX], const char *value,
		   char why[RDMA_WHY_MAX]);
bool rdma_set_id(struct rdma_node *node, const char *value,
		 char why[RDMA_WHY_MAX]);
bool rdma_set_controller(struct rdma_controller *controller, const char *word,
			 const char *value, char why[RDMA_WHY_MAX]);
bool rdma_set_node(struct rdma_node *node, const char *word, const char *value,
		   char why[RDMA_WHY_MAX]);

/* Whether the next word is its value; so it is of words that are not known. */
bool rdma_takes_value(const char *word);

/*
 * Whether all is there that has to be. @dashes come before each word, where the
 * words are options.
 */
bool rdma_check_controller(const struct rdma_controller *controller,
			   const char *dashes, char why[RDMA_WHY_MAX]);
bool rdma_check_node(const struct rdma_node *node, const char *dashes,
		     char why[RDMA_WHY_MAX]);

/**
 * struct rdma_from - what is being done, for messages
 * @word: the subcommand
 * @file: file that says so, or NULL
 * @line: line of it
 */
struct rdma_from {
	const char *word;
	const char *file;
	unsigned int line;
};

/* As out_error(), with the file and the line. */
void rdma_error(const struct rdma_from *from, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif /* RDMA_CONFIG_H */
