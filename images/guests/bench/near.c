/* A loop that counts in memory: in another page, in the page of its own code, or in the same 64 bytes (WHERE is 0, 1, 2). It
 * ends with `near ok <count>`. */
#include "print.h"

#define COUNT 60000000u

/* The loop and two of the words, in one page. Returns the address of the word for `where`. */
__asm("    .section .text.near, \"ax\"\n"
      "    .balign 4096\n"
      "near_loop:\n"
      "1:  lw t0, 0(a0)\n"
      "    addi t0, t0, 1\n"
      "    sw t0, 0(a0)\n"
      "    addi a1, a1, -1\n"
      "    bnez a1, 1b\n"
      "    ret\n"
      "    .balign 4\n"
      "near_code: .word 0\n"
      "    .balign 1024\n"
      "near_page: .word 0\n"
      "    .previous\n");

void near_loop(volatile uint32_t *word, uint32_t count);
extern volatile uint32_t near_page, near_code;
static volatile uint32_t elsewhere __attribute__((aligned(4096)));

int main(void)
{
    volatile uint32_t *words[] = {&elsewhere, &near_page, &near_code};
    volatile uint32_t *word = words[WHERE];
    console_start();
    for (uint32_t part = 0; part < 10; part++)
        near_loop(word, COUNT / 10);
    put_text(*word == COUNT ? "near ok " : "near FAIL ");
    put_number(*word);
    put_text("\r\n");
    finish(*word == COUNT);
}
