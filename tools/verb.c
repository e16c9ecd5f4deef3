// SPDX-License-Identifier: GPL-2.0-only
#include <getopt.h>
#include <stdbool.h>
#include <string.h>

#include "cmd.h"
#include "verb.h"

void verb_give(char given[VERB_GIVEN_MAX], char letter)
{
	size_t length = strlen(given);

	if (strchr(given, letter) || length == VERB_GIVEN_MAX - 1)
		return;
	given[length] = letter;
	given[length + 1] = '\0';
}

static const struct verb *find(const struct verb *verbs, const char *name)
{
	for (; name && verbs->name; verbs++)
		if (!strcmp(verbs->name, name))
			break;
	return verbs->name ? verbs : NULL;
}

static const char *long_name(const struct option *options, char letter)
{
	while (options->name && options->val != letter)
		options++;
	return options->name ? options->name : "";
}

/* Returns 0 if the verb takes all options that were given. */
static int check_options(const char *word, const struct verb *verb,
			 const struct option *options, const char *given)
{
	for (; *given; given++)
		if (!strchr(verb->options, *given))
			return cmd_usage(word, "\"%s\" takes no --%s",
					 verb->name,
					 long_name(options, *given));
	return 0;
}

/* Returns 0 if what comes after the verb, @args, is what it takes. */
static int check_args(const char *word, const struct verb *verb, char **args)
{
	if (!args[0] && verb->argument && !verb->optional)
		return cmd_usage(word, "\"%s\" needs a %s", verb->name,
				 verb->argument);
	if (args[0] && verb->argument)
		args++;
	if (args[0])
		return cmd_usage(word, "\"%s\" is not expected", args[0]);
	return 0;
}

int verb_run(const char *word, const struct verb *verbs, char **args,
	     const struct option *options, const char *given, void *data)
{
	const struct verb *verb = find(verbs, args[0]);
	int status;

	if (!verb)
		return cmd_usage(word, "\"%s\" is nothing that can be done",
				 args[0]);
	if (args[0])
		args++;
	status = check_options(word, verb, options, given);
	if (!status)
		status = check_args(word, verb, args);
	return status ? status : verb->run(data, args[0]);
}
