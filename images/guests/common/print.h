/* Text output through put_char(), which each board's file defines, and the end of the run through semihosting. */
#ifndef PRINT_H
#define PRINT_H

#include "rt.h"

void console_start(void);
void put_char(char c);

void put_text(const char *s);
void put_number(uint32_t n);
void put_hex(uint32_t n); /* eight digits */

/* Ends the run where a debugger or an emulator listens (SYS_EXIT, "Semihosting for AArch32" 2.0, 5.9); sleeps elsewhere.
 * The RISC-V `virt` machine has a register for it. */
__attribute__((noreturn)) void finish(int ok);

#endif
