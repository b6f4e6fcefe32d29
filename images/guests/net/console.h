/* The console on UART0: whole lines from any task, and one line editor. Both directions are driven by interrupts. */
#ifndef CONSOLE_H
#define CONSOLE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

void console_start(void);

/* Prints a line: %s, %c, %d, %u, %x (with a width and zeros), %I (an IPv4 address as lwIP keeps it), %%. Up to 240 bytes. A line from
 * another task than the editor's moves the prompt down. */
void say(const char *format, ...);
/* The same into a buffer; the length written. */
size_t format_text(char *to, size_t size, const char *format, ...);
size_t format_arguments(char *to, size_t size, const char *format, va_list arguments);

/* Shows the prompt and reads a line. */
void read_line(char *line, size_t size);
/* Bytes lost because nobody took them in time. */
unsigned console_lost(void);

/* Prints without interrupts, for the last words before the end. */
void cry(const char *text);

/* In the vector table. */
void uart_rx_interrupt(void);
void uart_tx_interrupt(void);

#endif
