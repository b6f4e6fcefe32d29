/* unsigned float_hold(unsigned seed, unsigned rounds): s0 to s31 hold seed, seed + 1, ...; counts those found changed. */
    .file "float_hold.S"
    .syntax unified
    .thumb
#if defined(__ARM_FP)
    .section .text.float_hold, "ax"
    .global float_hold
    .thumb_func
    .type float_hold, %function
float_hold:
    push    {r4, lr}
    vpush   {s16-s31}
    movs    r3, #0
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    add     r2, r0, #\n
    vmov    s\n, r2
    .endr
1:
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    vmov    r2, s\n
    sub     r2, #\n
    cmp     r2, r0
    it      ne
    addne   r3, #1
    .endr
    subs    r1, #1
    bne     1b
    mov     r0, r3
    vpop    {s16-s31}
    pop     {r4, pc}
#endif
