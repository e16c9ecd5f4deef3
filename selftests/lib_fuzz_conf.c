// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file of segment ids, of any bytes: for libFuzzer, see selftests/libfuzz.
 *
 * The library is built to read the file from descriptor FILE_FD.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rsmapi.h>

#define FILE_FD 900
#define APPID "app"
#define UNTOUCHED 0xdeadbeef
#define BEFORE 4711

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_file(const uint8_t *data, size_t size)
{
	static bool open;

	if (!open) {
		int fd = memfd_create("segmentid", 0);

		if (fd < 0 || dup2(fd, FILE_FD) < 0)
			abort();
		close(fd);
		open = true;
	}
	if (ftruncate(FILE_FD, 0) ||
	    pwrite(FILE_FD, data, size, 0) != (ssize_t)size)
		abort();
}

/* Is there a line that says what was found? In its plainest form. */
static bool is_there(const uint8_t *data, size_t size, uint32_t id,
		     uint32_t length)
{
	char *text = strndup((const char *)data, size);
	char *rest = text;
	unsigned long long values[2];
	bool found = false;
	char *line;
	char app[4];
	int end;

	while (!found && (line = strsep(&rest, "\n"))) {
		end = 0;
		if (sscanf(line, " %*s %3s %llx %llu%n", app, &values[0],
			   &values[1], &end) == 3 && end)
			found = !strcasecmp(app, APPID) && values[0] == id &&
				values[1] == length;
	}
	free(text);
	return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	rsm_memseg_id_t id = UNTOUCHED;
	uint32_t length = UNTOUCHED;
	int ret;

	write_file(data, size);
	errno = BEFORE;
	ret = rsm_get_segmentid_range(APPID, &id, &length);
	if (errno != BEFORE)
		abort();
	if (ret != RSM_SUCCESS && ret != RSMERR_BAD_APPID &&
	    ret != RSMERR_BAD_CONF)
		abort();
	if (ret == RSMERR_BAD_APPID && (id != UNTOUCHED || length != UNTOUCHED))
		abort();
	/* what is behind a byte 0 no function of strings sees */
	if (ret == RSM_SUCCESS && !memchr(data, 0, size) &&
	    !is_there(data, size, id, length))
		abort();
	return 0;
}
