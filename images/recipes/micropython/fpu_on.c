// The FPU is off after reset; CPACR (0xe000ed88) grants full access to coprocessors 10 and 11.
#include <stdint.h>

void __real_mp_semihosting_init(void);

// Called by the port's _start() before anything that computes with floats; linked in with --wrap.
void __wrap_mp_semihosting_init(void) {
    *(volatile uint32_t *)0xe000ed88 |= 0xfu << 20;
    __asm volatile ("dsb\nisb" ::: "memory");
    __real_mp_semihosting_init();
}
