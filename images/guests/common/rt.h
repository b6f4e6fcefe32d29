/* What every guest needs of a C runtime: memory registers, barriers, and the few library functions the compiler calls. */
#ifndef RT_H
#define RT_H

#include <stdint.h>
#include <stddef.h>

#define REG(addr) (*(volatile uint32_t *)(addr))
#define REG16(addr) (*(volatile uint16_t *)(addr))
#define REG8(addr) (*(volatile uint8_t *)(addr))

/* Fills .data and .bss, then calls main(); every vector table's reset entry. */
void reset_handler(void);
/* Any exception nobody handles: sleeps there, so that it can be seen in a debugger. */
void default_handler(void);
int main(void);

/* Set by the linker script. */
extern uint32_t _stack_top[];

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);
void *memmove(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);

static inline void dsb(void) { __asm volatile("dsb" ::: "memory"); }
static inline void isb(void) { __asm volatile("isb" ::: "memory"); }

#endif
