/* A node that sleeps: every 10 ms it wakes for about 2,000 instructions and sleeps again, for ever. After the first second
 * it says `wake ok <checksum>` if all it computed is right. */
#include "duty.h"
#include "print.h"
#include "wake.h"

int main(void)
{
    uint32_t sum = 0;
    console_start();
    put_text("wake\r\n");
    tick_start();
    for (uint32_t wake = 0;; wake++) {
        __asm volatile("wfi" ::: "memory");
        sum = (sum << 1 | sum >> 31) + duty(wake);
        if (wake + 1 != DUTY_CHECKED)
            continue;
        put_text(sum == DUTY_EXPECTED ? "wake ok " : "wake FAIL ");
        put_hex(sum);
        put_text("\r\n");
        if (sum != DUTY_EXPECTED)
            finish(0);
    }
}
