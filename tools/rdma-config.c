// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "rdma-config.h"

const struct rdma_number rdma_numbers[RDMA_NUMBERS] = {
	[RDMA_NODE_ID] = { "node-id", "node_id", 1, UINT32_MAX - 1 },
	[RDMA_KEEPALIVE] = { "keepalive-ms", "keepalive_ms", 100, 60000 },
	[RDMA_REBIND_TIMEOUT] = { "rebind-timeout-ms", "rebind_timeout_ms",
				  10, 60000 },
	[RDMA_CONNECTIONS] = { "max-connections", "max_connections", 1, 4096 },
	[RDMA_COPY_WINDOW] = { "copy-window", "copy_window", 65536, 1048576 },
};

void rdma_error(const struct rdma_from *from, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (from->file)
		out_error(from->word, "%s:%u: %s", from->file, from->line,
			  text);
	else
		out_error(from->word, "%s", text);
}

__attribute__((format(printf, 2, 3)))
static bool wrong(char why[RDMA_WHY_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, RDMA_WHY_MAX, format, args);
	va_end(args);
	return false;
}

static bool parse_port(const char *text, uint16_t *port)
{
	unsigned long value;
	char *end;

	value = strtoul(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end || !value ||
	    strlen(text) > strlen("65535") || value > UINT16_MAX)
		return false;
	*port = value;
	return true;
}

/*
 * Takes the port away from the end of @text, if there is one, and brackets.
 * Returns NULL if that cannot be, else where the address begins.
 */
static char *split(char *text, uint16_t *port)
{
	char *colon = strchr(text, ':'), *end;

	*port = RDMA_PORT;
	if (*text == '[') {
		end = strchr(++text, ']');
		if (!end || colon > end || (end[1] && end[1] != ':'))
			return NULL;
		colon = end[1] ? end + 1 : NULL;
		*end = '\0';
	} else if (colon && strchr(colon + 1, ':')) {
		return text;
	}
	if (!colon)
		return text;
	*colon = '\0';
	return parse_port(colon + 1, port) ? text : NULL;
}

/* It stands for a machine: not for all of its addresses, nor for several. */
static bool is_of_machine(const struct rdma_address *address)
{
	static const unsigned char none[sizeof(address->bytes)];

	if (!memcmp(address->bytes, none, sizeof(none)))
		return false;
	return address->family == AF_INET ? address->bytes[0] < 224 :
					    address->bytes[0] != 0xff;
}

bool rdma_parse_address(const char *text, struct rdma_address *address)
{
	char copy[RDMA_ADDRESS_MAX], *host;

	if (strlen(text) >= sizeof(copy))
		return false;
	*address = (struct rdma_address){ };
	host = split(strcpy(copy, text), &address->port);
	if (!host)
		return false;
	address->family = strchr(host, ':') ? AF_INET6 : AF_INET;
	return inet_pton(address->family, host, address->bytes) == 1 &&
	       is_of_machine(address);
}

const char *rdma_address_text(char text[RDMA_ADDRESS_MAX],
			      const struct rdma_address *address)
{
	bool six = address->family == AF_INET6;
	char host[INET6_ADDRSTRLEN];

	if (!inet_ntop(address->family, address->bytes, host, sizeof(host)))
		strcpy(host, "-");
	snprintf(text, RDMA_ADDRESS_MAX, "%s%s%s:%u", six ? "[" : "", host,
		 six ? "]" : "", address->port);
	return text;
}

bool rdma_same_address(const struct rdma_address *a,
		       const struct rdma_address *b)
{
	return a->family == b->family && a->port == b->port &&
	       !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

/* Small letters, and then a number that is written in the only way */
static bool is_name(const char *text)
{
	size_t letters = 0, digits;

	while (text[letters] >= 'a' && text[letters] <= 'z')
		letters++;
	digits = strspn(text + letters, "0123456789");
	return letters && digits && !text[letters + digits] &&
	       (digits == 1 || text[letters] != '0') &&
	       letters + digits < RDMA_NAME_MAX;
}

bool rdma_set_name(char name[RDMA_NAME_MAX], const char *value,
		   char why[RDMA_WHY_MAX])
{
	if (!is_name(value))
		return wrong(why, "\"%s\" is no name of a controller: small letters and then a number, %u in all at most, as \"rdma0\"",
			     value, RDMA_NAME_MAX - 1);
	strcpy(name, value);
	return true;
}

static bool set_number(uint32_t *number, const struct rdma_number *kind,
		       const char *value, char why[RDMA_WHY_MAX])
{
	if (*number)
		return wrong(why, "%s is given twice", kind->word);
	if (!out_parse_id(value, number) || *number < kind->min ||
	    *number > kind->max)
		return wrong(why, "\"%s\" is no %s, which is a number from %u to %u",
			     value, kind->word, kind->min, kind->max);
	return true;
}

static bool set_address(struct rdma_address *address, const char *value,
			char why[RDMA_WHY_MAX])
{
	if (address->family)
		return wrong(why, "addr is given twice");
	if (!rdma_parse_address(value, address))
		return wrong(why, "\"%s\" is no address of a machine in numbers: as 10.0.0.1, 10.0.0.1:%u or [fd00::1]:%u",
			     value, RDMA_PORT, RDMA_PORT);
	return true;
}

bool rdma_set_id(struct rdma_node *node, const char *value,
		 char why[RDMA_WHY_MAX])
{
	return set_number(&node->id, &rdma_numbers[RDMA_NODE_ID], value, why);
}

bool rdma_takes_value(const char *word)
{
	return strcmp(word, "trusted");
}

static bool set_key_file(struct rdma_controller *controller, const char *value,
			 char why[RDMA_WHY_MAX])
{
	if (controller->key_file)
		return wrong(why, "key-file is given twice");
	controller->key_file = value;
	return true;
}

bool rdma_set_controller(struct rdma_controller *controller, const char *word,
			 const char *value, char why[RDMA_WHY_MAX])
{
	unsigned int i;

	if (!strcmp(word, "addr"))
		return set_address(&controller->address, value, why);
	if (!strcmp(word, "key-file"))
		return set_key_file(controller, value, why);
	if (!strcmp(word, "trusted")) {
		controller->trusted = true;
		return true;
	}
	for (i = 0; i < RDMA_NUMBERS; i++)
		if (!strcmp(word, rdma_numbers[i].word))
			return set_number(&controller->number[i],
					  &rdma_numbers[i], value, why);
	return wrong(why, "\"%s\" is nothing that a controller has", word);
}

bool rdma_set_node(struct rdma_node *node, const char *word, const char *value,
		   char why[RDMA_WHY_MAX])
{
	if (!strcmp(word, "addr"))
		return set_address(&node->address, value, why);
	if (strcmp(word, "controller"))
		return wrong(why, "\"%s\" is nothing that a node has", word);
	if (*node->controller)
		return wrong(why, "controller is given twice");
	return rdma_set_name(node->controller, value, why);
}

bool rdma_check_controller(const struct rdma_controller *controller,
			   const char *dashes, char why[RDMA_WHY_MAX])
{
	if (!controller->address.family)
		return wrong(why, "%saddr is missing: an address of this machine's RDMA device",
			     dashes);
	if (!controller->number[RDMA_NODE_ID])
		return wrong(why, "%snode-id is missing: a number that no other machine there has",
			     dashes);
	if (controller->key_file && controller->trusted)
		return wrong(why, "%skey-file and %strusted are opposites",
			     dashes, dashes);
	if (!controller->key_file && !controller->trusted)
		return wrong(why, "no key: %skey-file FILE, with a secret that all nodes share; or %strusted, if whoever can send packets to that address may do what a node may",
			     dashes, dashes);
	return true;
}

bool rdma_check_node(const struct rdma_node *node, const char *dashes,
		     char why[RDMA_WHY_MAX])
{
	if (!node->address.family)
		return wrong(why, "%saddr is missing: the address that the node listens at",
			     dashes);
	return true;
}
