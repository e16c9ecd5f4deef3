/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel has for its own, by the same names.
 */
#ifndef FUZZ_COMPILER_H
#define FUZZ_COMPILER_H

#define __printf(_format, _first)                                              \
	__attribute((format(printf, _format, _first)))
#define __section(_name) __attribute((section(_name)))

#define ARRAY_SIZE(_array) (sizeof(_array) / sizeof((_array)[0]))

#endif /* FUZZ_COMPILER_H */
