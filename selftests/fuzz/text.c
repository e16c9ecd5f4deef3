// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs as text, and back. Reading takes what it understands: when the
 * text is an input of the fuzzer, lines and values that are none are left
 * out, so that every text is a program.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "prog.h"

static const char modes[] = { [MODE_MAIN] = ' ', [MODE_ASYNC] = '&',
			      [MODE_CHILD] = '^', [MODE_VM] = '%' };

static const char *const bases[NR_BASES] = {
	"m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7",
	[BASE_NULL] = "null", [BASE_BUF] = "buf", [BASE_TOP] = "top",
	[BASE_KERNEL] = "kernel", [BASE_END] = "end",
};

/* Reading. A parser gives where it stopped, or NULL. */

static const char *parse_slot(const char *text, char letter,
			      unsigned int count, uint64_t *value)
{
	char *end;

	if (text[0] != letter || !isdigit(text[1]))
		return NULL;
	*value = strtoull(text + 1, &end, 10);
	return *value < count ? end : NULL;
}

static const char *parse_number(const char *text, uint64_t *value)
{
	char *end;

	if (!strncmp(text, "auto", 4)) {
		*value = AUTO;
		return text + 4;
	}
	if (!isdigit(*text))
		return NULL;
	*value = strtoull(text, &end, 0);
	if (*end == 'p') {
		*value *= PAGE;
		end++;
	}
	return end;
}

static const char *parse_base(const char *text, unsigned int *base)
{
	size_t length;

	for (*base = 0; *base < NR_BASES; (*base)++) {
		length = strlen(bases[*base]);
		if (!strncmp(text, bases[*base], length))
			return text + length;
	}
	return NULL;
}

static const char *parse_addr(const char *text, uint64_t *value)
{
	const char *end;
	unsigned int base;
	uint64_t offset;
	bool minus;

	if (!strncmp(text, "auto", 4))
		return parse_number(text, value);
	text = parse_base(text, &base);
	if (!text)
		return NULL;
	*value = ADDR(base, 0);
	minus = *text == '-';
	if (*text != '+' && !minus)
		return text;
	end = parse_number(text + 1, &offset);
	if (end)
		*value = ADDR(base, minus ? -offset : offset);
	return end;
}

static const char *parse_access(const char *text, uint64_t *value)
{
	unsigned long node, mode;
	unsigned int i = 0;
	char *end;

	*value = 0;
	if (!strncmp(text, "none", 4))
		return text + 4;
	for (; i < ACCESS_MAX && isdigit(*text); i++) {
		node = strtoul(text, &end, 10);
		if (*end != ':' || !isdigit(end[1]))
			return NULL;
		mode = strtoul(end + 1, &end, 8);
		*value |= access_entry(i, node, mode);
		text = end + (*end == ',');
	}
	*value |= i;
	return i ? text : NULL;
}

static const char *parse_word(const char *text, const struct word *words,
			      uint64_t *value)
{
	size_t length = strcspn(text, "| ");

	for (; words->name; words++) {
		if (strlen(words->name) != length ||
		    strncmp(words->name, text, length))
			continue;
		*value = words->value;
		return text + length;
	}
	return parse_number(text, value);
}

static const char *parse_words(const char *text, const struct word *words,
			       uint64_t *value)
{
	uint64_t part;

	*value = 0;
	do {
		text = parse_word(text, words, &part);
		if (!text)
			return NULL;
		*value |= part;
	} while (*text++ == '|');
	return text - 1;
}

static const char *parse_value(const char *text, const struct param *param,
			       uint64_t *value)
{
	switch (role_table[param->role].kind) {
	case KIND_FD:
		return parse_slot(text, 'f', NR_FDS, value);
	case KIND_PROC:
		return parse_slot(text, 'p', NR_PROCS, value);
	case KIND_REGION:
		return parse_slot(text, 'm', NR_REGIONS, value);
	case KIND_KEY:
		return parse_slot(text, 'k', NR_KEYS, value);
	case KIND_ADDR:
		return parse_addr(text, value);
	case KIND_NUMBER:
		return parse_number(text, value);
	case KIND_CHOICE:
		return parse_word(text, param->words, value);
	case KIND_WORDS:
		return parse_words(text, param->words, value);
	case KIND_ACCESS:
		return parse_access(text, value);
	}
	return NULL;
}

static const struct param *named_param(unsigned int op, const char *name,
				       size_t length)
{
	const struct param *param;
	const char *other;

	for (param = op_table[op].params; param->role != NR_ROLES; param++) {
		other = role_table[param->role].name;
		if (strlen(other) == length && !strncmp(other, name, length))
			return param;
	}
	return NULL;
}

static bool parse_arg(struct step *step, const char *text)
{
	size_t length = strcspn(text, "=");
	const struct param *param = named_param(step->op, text, length);
	uint64_t value;
	const char *end;

	if (!param || text[length] != '=')
		return false;
	end = parse_value(text + length + 1, param, &value);
	if (!end || *end)
		return false;
	step->arg[param->role] = value;
	return true;
}

static bool parse_op(struct step *step, const char *name, unsigned int proc)
{
	unsigned int op;

	for (op = 0; op < NR_OPS; op++) {
		if (strcmp(op_table[op].name, name))
			continue;
		step_init(step, op, proc);
		return true;
	}
	return false;
}

/* "p0" and the sign of a mode */
static bool parse_actor(const char *text, uint64_t *proc, unsigned int *mode)
{
	const char *end = parse_slot(text, 'p', NR_PROCS, proc);

	*mode = MODE_MAIN;
	if (!end || !*end)
		return end;
	for (; *mode < NR_MODES; (*mode)++)
		if (modes[*mode] == *end)
			return !end[1];
	return false;
}

static bool parse_line(struct step *step, char *line, bool strict)
{
	static const char space[] = " \t\r";
	unsigned int mode;
	char *rest, *word;
	uint64_t proc;

	word = strtok_r(line, space, &rest);
	if (!word || !parse_actor(word, &proc, &mode))
		return false;
	word = strtok_r(NULL, space, &rest);
	if (!word || !parse_op(step, word, proc))
		return false;
	step->mode = mode;
	while ((word = strtok_r(NULL, space, &rest)))
		if (!parse_arg(step, word) && strict)
			return false;
	return true;
}

static bool is_comment(const char *line)
{
	line += strspn(line, " \t\r");
	return !*line || *line == '#';
}

/* False if @strict and there is a line that is no call. */
bool prog_parse(struct prog *prog, const char *text, size_t size, bool strict)
{
	char copy[MAX_TEXT], *line, *rest;

	prog->count = 0;
	size = size < MAX_TEXT ? size : MAX_TEXT - 1;
	memcpy(copy, text, size);
	copy[size] = 0;
	line = strtok_r(copy, "\n", &rest);
	for (; line && prog->count < MAX_STEPS;
	     line = strtok_r(NULL, "\n", &rest)) {
		if (is_comment(line))
			continue;
		if (parse_line(&prog->steps[prog->count], line, strict))
			prog->count++;
		else if (strict)
			return false;
	}
	return !strict || !line;
}

/* Writing */

/* What is written of, as far as there is room. */
struct text {
	char *at;
	size_t left;
};

static __printf(2, 3) void add(struct text *text, const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(text->at, text->left, format, args);
	va_end(args);
	if ((size_t)length >= text->left)
		length = text->left ? text->left - 1 : 0;
	text->at += length;
	text->left -= length;
}

static void add_number(struct text *text, uint64_t value)
{
	if (value == AUTO)
		add(text, "auto");
	else if (value && !(value % PAGE) && value >> 32 == 0)
		add(text, "%llup", (unsigned long long)(value / PAGE));
	else
		add(text, value < 1024 ? "%llu" : "%#llx",
		    (unsigned long long)value);
}

static void add_addr(struct text *text, uint64_t value)
{
	int64_t offset = addr_offset(value);

	if (value == AUTO) {
		add(text, "auto");
		return;
	}
	add(text, "%s", bases[addr_base(value) % NR_BASES]);
	if (!offset)
		return;
	add(text, offset < 0 ? "-" : "+");
	add_number(text, offset < 0 ? -offset : offset);
}

static void add_access(struct text *text, uint64_t value)
{
	unsigned int i;

	if (!access_count(value))
		add(text, "none");
	for (i = 0; i < access_count(value); i++)
		add(text, "%s%u:%#o", i ? "," : "", access_node(value, i),
		    access_mode(value, i));
}

static void add_choice(struct text *text, uint64_t value,
		       const struct word *words)
{
	for (; words->name; words++)
		if (words->value == value)
			break;
	if (words->name)
		add(text, "%s", words->name);
	else
		add_number(text, value);
}

static void add_words(struct text *text, uint64_t value,
		      const struct word *words)
{
	const char *between = "";

	for (; words->name; words++) {
		if (!(value & words->value))
			continue;
		add(text, "%s%s", between, words->name);
		value &= ~words->value;
		between = "|";
	}
	if (!value && *between)
		return;
	add(text, "%s", between);
	add_number(text, value);
}

static void add_value(struct text *text, uint64_t value,
		      const struct param *param)
{
	switch (role_table[param->role].kind) {
	case KIND_FD:
		add(text, "f%u", (unsigned int)value);
		break;
	case KIND_PROC:
		add(text, "p%u", (unsigned int)value);
		break;
	case KIND_REGION:
		add(text, "m%u", (unsigned int)value);
		break;
	case KIND_KEY:
		add(text, "k%u", (unsigned int)value);
		break;
	case KIND_ADDR:
		add_addr(text, value);
		break;
	case KIND_NUMBER:
		add_number(text, value);
		break;
	case KIND_CHOICE:
		add_choice(text, value, param->words);
		break;
	case KIND_WORDS:
		add_words(text, value, param->words);
		break;
	case KIND_ACCESS:
		add_access(text, value);
		break;
	}
}

/* One line, without its end. */
size_t step_print(const struct step *step, char *buffer, size_t size)
{
	const struct param *param = op_table[step->op].params;
	struct text text = { buffer, size };

	add(&text, "p%u", step->proc);
	if (step->mode)
		add(&text, "%c", modes[step->mode]);
	add(&text, " %s", op_table[step->op].name);
	for (; param->role != NR_ROLES; param++) {
		if (step->arg[param->role] == param->value)
			continue;
		add(&text, " %s=", role_table[param->role].name);
		add_value(&text, step->arg[param->role], param);
	}
	return size - text.left;
}

/* Whole lines, as many as there is room for: their length. */
size_t prog_print(const struct prog *prog, char *buffer, size_t size)
{
	char line[1024];
	size_t length, used = 0;
	unsigned int i;

	for (i = 0; i < prog->count; i++) {
		length = step_print(&prog->steps[i], line, sizeof(line) - 1);
		line[length++] = '\n';
		if (length > size - used)
			break;
		memcpy(buffer + used, line, length);
		used += length;
	}
	return used;
}
