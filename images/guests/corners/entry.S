/* Where every exception arrives, and the way out of a fault that left no stack frame to return through. */
    .file "entry.S"
    .syntax unified
    .thumb
    .section .text.entry, "ax"

/* dispatch(frame, EXC_RETURN) gives the EXC_RETURN to leave with. */
    .global exception_entry
    .thumb_func
    .type exception_entry, %function
exception_entry:
    mov     r1, lr
    lsls    r0, r1, #29
    bmi     1f
    mov     r0, sp
    b       2f
1:  mrs     r0, psp
2:  push    {r3, lr}
    bl      dispatch
    pop     {r2, r3}
    bx      r0

/* exit_with(EXC_RETURN, msp): an exception return through the frame at msp, whatever lies on the stack now. */
    .global exit_with
    .thumb_func
    .type exit_with, %function
exit_with:
    msr     msp, r1
    isb
    bx      r0

/* try_call(fn, a, b): fn(a, b); a handler may cut it short by returning to try_landing. try_sp -> {old try_sp, IPSR, ...}. */
    .global try_call
    .thumb_func
    .type try_call, %function
try_call:
    push    {r4-r7, lr}
    mov     r4, r8
    mov     r5, r9
    mov     r6, r10
    mov     r7, r11
    push    {r3-r7}
    ldr     r4, =try_sp
    ldr     r5, [r4]
    mrs     r6, ipsr
    push    {r5, r6}
    mov     r5, sp
    str     r5, [r4]
    mov     r3, r0
    mov     r0, r1
    mov     r1, r2
    blx     r3
    .global try_landing
    .thumb_func
try_landing:
    ldr     r4, =try_sp
    ldr     r5, [r4]
    mov     sp, r5
    pop     {r5, r6}
    str     r5, [r4]
    pop     {r3-r7}
    mov     r8, r4
    mov     r9, r5
    mov     r10, r6
    mov     r11, r7
    pop     {r4-r7, pc}
    .ltorg

/* call_on_psp(fn, arg, psp, control): fn(arg) in thread mode with that stack and CONTROL; SVC 255 brings it back. */
    .global call_on_psp
    .thumb_func
    .type call_on_psp, %function
call_on_psp:
    push    {r4, lr}
    msr     psp, r2
    msr     control, r3
    isb
    mov     r2, r0
    mov     r0, r1
    blx     r2
    svc     #255
    movs    r1, #0
    msr     control, r1
    isb
    pop     {r4, pc}

/* r0 after `svc 0` with r0 = the argument. */
    .global call_svc
    .thumb_func
    .type call_svc, %function
call_svc:
    svc     #0
    .global call_svc_next
call_svc_next:
    bx      lr

/* The same with the stack pointer 4 below a multiple of 8. */
    .global call_svc_unaligned
    .thumb_func
    .type call_svc_unaligned, %function
call_svc_unaligned:
    push    {r4, lr}
    sub     sp, #4
    mov     r4, sp
    svc     #0
    mov     r1, sp
    add     sp, #4
    subs    r0, r1, r4
    pop     {r4, pc}
