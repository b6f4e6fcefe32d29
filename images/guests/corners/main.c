#include "core.h"

int main(void)
{
    console_start();
    check_interrupts();
    check_entry();
    check_sleep();
#if __ARM_ARCH >= 7
    check_masks();
    check_systick();
#else
    check_v6m();
#endif
    finish_checks();
}
