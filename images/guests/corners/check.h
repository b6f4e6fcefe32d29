/* Counting and reporting of checks, and the trace in which handlers leave their order. */
#ifndef CHECK_H
#define CHECK_H

#include "print.h"

/* `ok N name`, or `FAIL N name got=.. want=..`. */
void check(const char *name, uint32_t got, uint32_t want);
void check_text(const char *name, const char *got, const char *want);
/* Starts a group: a line of its own in the output. */
void group(const char *name);
/* Something this core does not have. */
void skip(const char *name, const char *why);
/* Prints the end line and ends the run. */
__attribute__((noreturn)) void finish_checks(void);

extern char trace_buffer[64];
void trace(char c);
void trace_clear(void);

#endif
