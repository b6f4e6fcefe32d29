/* One access or fetch in a mode of the caller's choice, and what trap it ends in. */
    .macro frame op
    \op s0, 0(sp)
    \op s1, 4(sp)
    \op ra, 8(sp)
    .endm

/* void probe(uint32_t mstatus, void *code, uint32_t address, uint32_t result[3]): goes to `code` by MRET with `mstatus`, the
 * address in a0 and in a1 what it holds; comes back with mcause, mtval and mepc of the trap that follows. */
    .text
    .globl probe
    .balign 4
probe:
    addi sp, sp, -16
    frame sw
    csrw mscratch, sp
    mv s0, a3
    csrw mstatus, a0
    csrw mepc, a1
    mv a0, a2
    andi a1, a0, 1
    slli a1, a1, 3
    li t0, 0x90029002 /* c.ebreak, twice: stores change nothing */
    srl a1, t0, a1
    mret

    .globl trap_entry
    .balign 4
trap_entry:
    li t0, 1 << 17 /* MPRV counts no more */
    csrc mstatus, t0
    csrr sp, mscratch
    csrr t0, mcause
    sw t0, 0(s0)
    csrr t0, mtval
    sw t0, 4(s0)
    csrr t0, mepc
    sw t0, 8(s0)
    frame lw
    addi sp, sp, 16
    ret

/* The page that every mode may execute. */
    .section .text.probes, "ax"
    .balign 4096
    .globl probes
probes:
    .option norvc
    .irp insn, lb, lh, lw
    \insn a2, 0(a0)
    ecall
    .endr
    .irp insn, sb, sh, sw
    \insn a1, 0(a0)
    ecall
    .endr
    lr.w a2, (a0)
    ecall
    jr a0
    ecall
    .balign 4096
