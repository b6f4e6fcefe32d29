/* The first instructions of a guest in machine mode: a stack, traps to trap_entry, then C. */
    .section .start, "ax"
    .globl _start
_start:
    la sp, _stack_top
    la t0, trap_entry
    csrw mtvec, t0
    j reset_handler

/* Without a handler of the guest's own a trap sleeps there, so that it can be seen in a debugger. */
    .text
    .balign 4
    .weak trap_entry
trap_entry:
    wfi
    j trap_entry
