/* What lwIP asks of the compiler and the processor. */
#ifndef LWIP_ARCH_CC_H
#define LWIP_ARCH_CC_H

#include <stdint.h>
#include <stddef.h>

__attribute__((noreturn)) void assert_failed(const char *file, int line);
uint32_t random_word(void);
void fast_copy(void *to, const void *from, size_t n);

#define BYTE_ORDER LITTLE_ENDIAN
#define LWIP_NO_INTTYPES_H 1
#define X8_F "02x"
#define U16_F "u"
#define S16_F "d"
#define X16_F "x"
#define U32_F "u"
#define S32_F "d"
#define X32_F "x"
#define SZT_F "u"

#define LWIP_PLATFORM_ASSERT(text) assert_failed(text, 0)
#define LWIP_PLATFORM_DIAG(arguments) ((void)0)
#define LWIP_RAND() random_word()

#endif
