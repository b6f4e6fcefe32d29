//! Data processing, branches, IT blocks.

use super::check;

#[test]
fn shifts_by_constants_and_their_carries() {
    check(
        "cortex-m0",
        "
        0008 | lsls r0, r1, #0 | r1=80000000 f=3 => r0=80000000 f=b
        0048 | lsls r0, r1, #1 | r1=80000000 f=0 => r0=0 f=6
        07c8 | lsls r0, r1, #31 | r1=3 f=1 => r0=80000000 f=b
        0808 | lsrs r0, r1, #32 | r1=80000000 f=0 => r0=0 f=6
        0848 | lsrs r0, r1, #1 | r1=3 f=8 => r0=1 f=2
        1008 | asrs r0, r1, #32 | r1=80000000 f=0 => r0=ffffffff f=a
        1108 | asrs r0, r1, #4 | r1=80000008 f=0 => r0=f8000000 f=a
        ",
    );
}

#[test]
fn shifts_by_registers() {
    check(
        "cortex-m0",
        "
        4088 | lsls r0, r1 | r0=80000001 r1=100 f=3 => f=b
        4088 | lsls r0, r1 | r0=80000001 r1=20 f=0 => r0=0 f=6
        4088 | lsls r0, r1 | r0=80000001 r1=21 f=2 => r0=0 f=4
        40c8 | lsrs r0, r1 | r0=80000001 r1=1 f=0 => r0=40000000 f=2
        40c8 | lsrs r0, r1 | r0=80000001 r1=20 f=0 => r0=0 f=6
        4108 | asrs r0, r1 | r0=80000000 r1=ff f=0 => r0=ffffffff f=a
        41c8 | rors r0, r1 | r0=80000001 r1=1 f=0 => r0=c0000000 f=a
        41c8 | rors r0, r1 | r0=80000001 r1=20 f=0 => f=a
        41c8 | rors r0, r1 | r0=80000001 r1=1000 f=2 => f=a
        ",
    );
}

#[test]
fn arithmetic_of_v6m() {
    check(
        "cortex-m0",
        "
        1888 | adds r0, r1, r2 | r1=7fffffff r2=1 f=6 => r0=80000000 f=9
        1a88 | subs r0, r1, r2 | r1=80000000 r2=1 f=0 => r0=7fffffff f=3
        1fc8 | subs r0, r1, #7 | r1=6 f=0 => r0=ffffffff f=8
        30ff | adds r0, #255 | r0=ffffff01 f=0 => r0=0 f=6
        3801 | subs r0, #1 | r0=1 f=0 => r0=0 f=6
        2000 | movs r0, #0 | r0=5 f=b => r0=0 f=7
        2805 | cmp r0, #5 | r0=5 f=0 => f=6
        4540 | cmp r0, r8 | r0=5 r8=6 f=0 => f=8
        42c8 | cmn r0, r1 | r0=1 r1=ffffffff f=0 => f=6
        4148 | adcs r0, r1 | r0=7fffffff r1=0 f=2 => r0=80000000 f=9
        4188 | sbcs r0, r1 | r0=5 r1=5 f=0 => r0=ffffffff f=8
        4188 | sbcs r0, r1 | r0=5 r1=5 f=2 => r0=0 f=6
        4248 | rsbs r0, r1, #0 | r1=80000000 f=0 => r0=80000000 f=9
        4248 | rsbs r0, r1, #0 | r1=0 f=0 => r0=0 f=6
        4348 | muls r0, r1 | r0=10000 r1=10000 f=3 => r0=0 f=7
        4008 | ands r0, r1 | r0=f0 r1=3c f=7 => r0=30 f=3
        4308 | orrs r0, r1 | r0=f0 r1=3c f=4 => r0=fc f=0
        4048 | eors r0, r1 | r0=f0 r1=3c f=0 => r0=cc
        4388 | bics r0, r1 | r0=f0 r1=3c f=0 => r0=c0
        43c8 | mvns r0, r1 | r1=0 f=0 => r0=ffffffff f=8
        4208 | tst r0, r1 | r0=1 r1=2 f=2 => f=6
        44c8 | add r8, r9 | r8=1 r9=ffffffff f=9 => r8=0
        4688 | mov r8, r1 | r1=5 f=4 => r8=5
        468d | mov sp, r1 | r1=20000007 => sp=20000004
        448d | add sp, r1 | r1=7 => sp=20000804
        b07f | add sp, #508 | => sp=200009fc
        b081 | sub sp, #4 | => sp=200007fc
        a8ff | add r0, sp, #1020 | => r0=20000bfc
        4468 | add r0, sp | r0=3 => r0=20000803
        4678 | mov r0, pc | => r0=1004
        4479 | add r1, pc | r1=10 => r1=1014
        a001 | adr r0, . + 8 | => r0=1008
        46c0 a001 | nop; adr r0, . + 6 | => r0=1008
        ",
    );
}

#[test]
fn extensions_and_reversals() {
    check(
        "cortex-m0",
        "
        b208 | sxth r0, r1 | r1=12348765 f=f => r0=ffff8765
        b248 | sxtb r0, r1 | r1=12345680 => r0=ffffff80
        b288 | uxth r0, r1 | r1=12348765 => r0=8765
        b2c8 | uxtb r0, r1 | r1=12345680 => r0=80
        ba08 | rev r0, r1 | r1=12345678 => r0=78563412
        ba48 | rev16 r0, r1 | r1=12345678 => r0=34127856
        bac8 | revsh r0, r1 | r1=12345680 => r0=ffff8056
        ",
    );
    check(
        "cortex-m3",
        "
        fa4f f8a9 | sxtb.w r8, r9, ror #16 | r9=12845678 => r8=ffffff84
        fa1f f8b9 | uxth.w r8, r9, ror #24 | r9=12345678 => r8=7812
        fa91 f0a1 | rbit r0, r1 | r1=1 => r0=80000000
        fab1 f081 | clz r0, r1 | r1=0 r0=5 => r0=20
        fab1 f081 | clz r0, r1 | r1=10000 => r0=f
        fa99 f889 | rev.w r8, r9 | r9=12345678 => r8=78563412
        f3c1 1007 | ubfx r0, r1, #4, #8 | r1=12345678 => r0=67
        f3c1 001f | ubfx r0, r1, #0, #32 | r1=92345678 => r0=92345678
        f341 7003 | sbfx r0, r1, #28, #4 | r1=92345678 => r0=fffffff9
        f341 001f | sbfx r0, r1, #0, #32 | r1=92345678 => r0=92345678
        f361 200f | bfi r0, r1, #8, #8 | r0=ffffffff r1=12345678 => r0=ffff78ff
        f361 001f | bfi r0, r1, #0, #32 | r0=ffffffff r1=12345678 => r0=12345678
        f36f 70df | bfc r0, #31, #1 | r0=ffffffff => r0=7fffffff
        ",
    );
}

#[test]
fn branches() {
    check(
        "cortex-m0",
        "
        e030 | b . + 100 | => pc=1064
        e7cc | b . - 100 | => pc=f9c
        d008 | beq . + 20 | f=4 => pc=1014
        d008 | beq . + 20 | f=b => pc=1002
        dcf4 | bgt . - 20 | f=9 => pc=fec
        dcf4 | bgt . - 20 | f=8 => pc=1002
        d800 | bhi . + 4 | f=2 => pc=1004
        d800 | bhi . + 4 | f=6 => pc=1002
        f0f4 f91e | bl . + 1000000 | => pc=f5240 lr=1005
        f7ff fffc | bl . - 4 | => pc=ffc lr=1005
        4770 | bx lr | lr=2001 => pc=2000
        4798 | blx r3 | r3=2001 => pc=2000 lr=1003
        47f0 | blx lr | lr=2001 => pc=2000 lr=1003
        469f | mov pc, r3 | r3=2000 => pc=2000
        46f7 | mov pc, lr | lr=2001 => pc=2000
        449f | add pc, r3 | r3=11 => pc=1014
        ",
    );
    check(
        "cortex-m3",
        "
        f018 834e | beq.w . + 100000 | f=4 => pc=196a0
        f47f ae0a | bne.w . - 1000 | f=0 => pc=c18
        f7ff be0a | b.w . - 1000 | => pc=c18
        b143 | cbz r3, . + 20 | r3=0 f=b => pc=1014
        b143 | cbz r3, . + 20 | r3=1 => pc=1002
        bbfb | cbnz r3, . + 130 | r3=1 => pc=1082
        bbfb | cbnz r3, . + 130 | r3=0 => pc=1002
        e8d0 f001 | tbb [r0, r1] | r0=20000000 r1=2 m20000000=00050000 => pc=100e
        e8d0 f011 | tbh [r0, r1, lsl #1] | r0=20000000 r1=1 m20000000=00050000 => pc=100e
        ",
    );
}

#[test]
fn expanded_constants_and_their_carries() {
    check(
        "cortex-m3",
        "
        f05f 10ab | movs.w r0, #0x00ab00ab | f=f => r0=ab00ab f=3
        f04f 20ab | mov.w r0, #0xab00ab00 | f=f => r0=ab00ab00
        f05f 30ab | movs.w r0, #0xabababab | f=0 => r0=abababab f=8
        f05f 4000 | movs.w r0, #0x80000000 | f=0 => r0=80000000 f=a
        f45f 7080 | movs.w r0, #0x100 | f=2 => r0=100 f=0
        f07f 407f | mvns.w r0, #0xff000000 | f=0 => r0=ffffff f=2
        f010 4f00 | tst.w r0, #0x80000000 | r0=0 f=0 => f=6
        f090 0fff | teq r0, #0xff | r0=ff f=0 => f=4
        f419 487f | ands.w r8, r9, #0xff00 | r9=12345678 f=2 => r8=5600 f=0
        f021 00ff | bic r0, r1, #0xff | r1=12345678 => r0=12345600
        f061 00ff | orn r0, r1, #0xff | r1=12 => r0=ffffff12
        f051 4040 | orrs.w r0, r1, #0xc0000000 | r1=0 f=0 => r0=c0000000 f=a
        f081 00ff | eor.w r0, r1, #0xff | r1=f0f => r0=ff0
        f111 4000 | adds.w r0, r1, #0x80000000 | r1=80000000 f=0 => r0=0 f=7
        f141 0001 | adc r0, r1, #1 | r1=1 f=2 => r0=3
        f171 0001 | sbcs r0, r1, #1 | r1=1 f=0 => r0=ffffffff f=8
        f1c1 0064 | rsb r0, r1, #100 | r1=1 => r0=63
        f5b0 5f80 | cmp.w r0, #0x1000 | r0=1000 f=0 => f=6
        f510 5f80 | cmn.w r0, #0x1000 | r0=fffff000 f=0 => f=6
        f601 70ff | addw r0, r1, #4095 | r1=1 => r0=1000
        f6a1 70ff | subw r0, r1, #4095 | r1=fff => r0=0
        f64a 30cd | movw r0, #0xabcd | r0=12345678 => r0=abcd
        f6ca 30cd | movt r0, #0xabcd | r0=12345678 => r0=abcd5678
        f20f 0060 | adr.w r0, . + 100 | => r0=1064
        f2af 0068 | adr.w r0, . - 100 | => r0=f9c
        f20d 0d05 | addw sp, sp, #5 | => sp=20000804
        ",
    );
}

#[test]
fn shifted_registers_and_their_carries() {
    check(
        "cortex-m3",
        "
        ea5f 1001 | movs.w r0, r1, lsl #4 | r1=18000000 f=0 => r0=80000000 f=a
        ea5f 0031 | movs.w r0, r1, rrx | r1=1 f=0 => r0=0 f=6
        ea5f 0031 | movs.w r0, r1, rrx | r1=0 f=2 => r0=80000000 f=8
        ea4f 2031 | mov.w r0, r1, ror #8 | r1=12345678 => r0=78123456
        ea11 0052 | ands.w r0, r1, r2, lsr #1 | r1=ff r2=3 f=0 => r0=1 f=2
        ea11 0002 | ands.w r0, r1, r2 | r1=ff r2=3 f=2 => r0=3
        ea31 70e2 | bics.w r0, r1, r2, asr #31 | r1=ff r2=80000000 f=0 => r0=0 f=4
        ea71 1032 | orns r0, r1, r2, ror #4 | r1=0 r2=8 f=0 => r0=7fffffff f=2
        ea91 70c2 | eors.w r0, r1, r2, lsl #31 | r1=0 r2=3 f=0 => r0=80000000 f=a
        ea10 0f11 | tst.w r0, r1, lsr #32 | r0=1 r1=80000000 f=0 => f=6
        eb01 00c2 | add.w r0, r1, r2, lsl #3 | r1=1 r2=2 f=f => r0=11
        eb01 0062 | add.w r0, r1, r2, asr #1 | r1=1 r2=80000000 => r0=c0000001
        eb11 70c2 | adds.w r0, r1, r2, lsl #31 | r1=80000000 r2=1 f=0 => r0=0 f=7
        ebb1 0052 | subs.w r0, r1, r2, lsr #1 | r1=1 r2=2 f=0 => r0=0 f=6
        ebc1 0082 | rsb r0, r1, r2, lsl #2 | r1=1 r2=1 => r0=3
        ebd1 0002 | rsbs r0, r1, r2 | r1=1 r2=1 f=0 => r0=0 f=6
        eb51 0032 | adcs.w r0, r1, r2, rrx | r1=1 r2=3 f=2 => r0=80000003 f=8
        eb61 0072 | sbc.w r0, r1, r2, ror #1 | r1=0 r2=1 f=2 => r0=80000000
        ebb0 0f41 | cmp.w r0, r1, lsl #1 | r0=2 r1=1 f=0 => f=6
        fa01 f002 | lsl.w r0, r1, r2 | r1=1 r2=8 f=f => r0=100
        fa31 f802 | lsrs.w r8, r1, r2 | r1=80 r2=8 f=0 => r8=0 f=6
        fa41 f002 | asr.w r0, r1, r2 | r1=80000000 r2=40 => r0=ffffffff
        fa71 f802 | rors.w r8, r1, r2 | r1=1 r2=1 f=0 => r8=80000000 f=a
        ea6f 2001 | mvn.w r0, r1, lsl #8 | r1=1 => r0=fffffeff
        ",
    );
}

#[test]
fn multiplications_and_divisions() {
    check(
        "cortex-m3",
        "
        fb01 f802 | mul r8, r1, r2 | r1=10001 r2=10001 f=f => r8=20001
        fb01 3002 | mla r0, r1, r2, r3 | r1=3 r2=4 r3=5 => r0=11
        fb01 3012 | mls r0, r1, r2, r3 | r1=3 r2=4 r3=5 => r0=fffffff9
        fba2 0103 | umull r0, r1, r2, r3 | r2=ffffffff r3=ffffffff => r0=1 r1=fffffffe
        fb82 0103 | smull r0, r1, r2, r3 | r2=ffffffff r3=2 => r0=fffffffe r1=ffffffff
        fbe2 0103 | umlal r0, r1, r2, r3 | r0=ffffffff r1=1 r2=1 r3=1 => r0=0 r1=2
        fbc2 0103 | smlal r0, r1, r2, r3 | r0=0 r1=0 r2=ffffffff r3=1 => r0=ffffffff r1=ffffffff
        fba2 2303 | umull r2, r3, r2, r3 | r2=80000000 r3=4 => r2=0 r3=2
        fbb1 f0f2 | udiv r0, r1, r2 | r1=ffffffff r2=2 => r0=7fffffff
        fb91 f0f2 | sdiv r0, r1, r2 | r1=ffffffff r2=2 => r0=0
        fb91 f0f2 | sdiv r0, r1, r2 | r1=80000000 r2=ffffffff => r0=80000000
        fbb1 f0f2 | udiv r0, r1, r2 | r0=5 r1=7 r2=0 => r0=0
        f301 0007 | ssat r0, #8, r1 | r1=80 => r0=7f q=1
        f301 1007 | ssat r0, #8, r1, lsl #4 | r1=ffffff00 => r0=ffffff80 q=1
        f321 70df | ssat r0, #32, r1, asr #31 | r1=80000000 => r0=ffffffff
        f381 0008 | usat r0, #8, r1 | r1=ffffffff => r0=0 q=1
        f3a1 0048 | usat r0, #8, r1, asr #1 | r1=1fe q=0 => r0=ff
        f381 0000 | usat r0, #0, r1 | r1=0 q=1 => r0=0
        ",
    );
}

#[test]
fn it_blocks() {
    check(
        "cortex-m3",
        "
        # Inside, 16-bit instructions leave the flags, except compares.
        bf08 1888 | it eq; addeq r0, r1, r2 | r1=1 r2=ffffffff f=4 => r0=0
        bf18 1888 | it ne; addne r0, r1, r2 | r0=7 r1=1 r2=ffffffff f=4 =>
        bf0c 2001 2002 | ite eq; moveq r0, #1; movne r0, #2 | f=4 => r0=1
        bf0c 2001 2002 | ite eq; moveq r0, #1; movne r0, #2 | f=0 => r0=2
        bf08 2801 | it eq; cmpeq r0, #1 | r0=1 f=4 => f=6
        bf04 2801 2009 | itt eq; cmpeq r0, #1; moveq r0, #9 | r0=0 f=4 => f=8
        bf2e 0048 0848 104a | itee cs; lslcs r0, r1, #1; lsrcc r0, r1, #1; asrcc r2, r1, #1 | r1=4 f=0 => r0=2 r2=2
        bf04 4088 4348 | itt eq; lsleq r0, r1; muleq r0, r1 | r0=3 r1=2 f=4 => r0=18
        bf08 eb11 0002 | it eq; addseq.w r0, r1, r2 | r1=1 r2=ffffffff f=4 => r0=0 f=6
        bf08 e003 | it eq; beq . + 10 | f=4 => pc=100c
        bf08 e003 | it eq; beq . + 10 | f=0 =>
        bf08 f000 f803 | it eq; bleq . + 10 | f=4 => pc=100c lr=1007
        bf08 f000 f803 | it eq; bleq . + 10 | f=0 =>
        bf08 4770 | it eq; bxeq lr | lr=2001 f=4 => pc=2000
        bf08 4770 f04f 0001 | it eq; bxeq lr; mov r0, #1 | lr=2001 f=0 => r0=1 f=0
        bf18 6808 | it ne; ldrne r0, [r1] | r1=0 f=4 =>
        bf18 bd01 | it ne; popne {r0, pc} | f=0 m20000800=5 m20000804=2001 => r0=5 pc=2000 sp=20000808
        bfa1 3001 3001 3001 3001 | itttt ge; addge r0, #1; addge r0, #1; addge r0, #1; addge r0, #1 | f=9 => r0=4
        ",
    );
}

#[test]
fn undefined_ones() {
    check(
        "cortex-m0",
        "
        de05 | udf #5 | => fault=hard
        ",
    );
    check(
        "cortex-m3",
        "
        de05 | udf #5 | => fault=undefined
        f7f0 a001 | udf.w #1 | => fault=undefined
        ba80 | hlt | => fault=undefined
        fa80 f000 | sadd8? without DSP: fa80f000 | => fault=undefined
        eb00 0f00 | add.w pc | => fault=undefined
        ee00 0000 | cdp p0 | => fault=nocp
        ee30 0a20 | vadd without an FPU | => fault=nocp
        ef00 0000 | Advanced SIMD | => fault=undefined
        bf08 d000 | it eq; beq inside | f=4 => pc=1002 fault=undefined
        bf08 de00 | it eq; udfeq | f=0 =>
        ",
    );
}

#[test]
fn special_registers_and_hints() {
    check(
        "cortex-m4",
        "
        f3ef 8000 | mrs r0, apsr | f=6 q=1 ge=5 => r0=68050000
        f3ef 8009 | mrs r0, psp | r0=1 => r0=0
        f3ef 8008 | mrs r0, msp | => r0=20000800
        f380 8808 | msr msp, r0 | r0=20000103 => sp=20000100
        f380 8800 | msr apsr_nzcvq, r0 | r0=f80f0000 => f=f q=1
        f380 8400 | msr apsr_g, r0 | r0=f80f0000 f=3 => ge=f
        b672 f3ef 8010 | cpsid i; mrs r0, primask | => r0=1
        b671 b661 f3ef 8013 | cpsid f; cpsie f; mrs r0, faultmask | r0=7 => r0=0
        f380 8811 f3ef 8111 | msr basepri, r0; mrs r1, basepri | r0=5f => r1=50
        bf00 bf10 bf40 f3bf 8f5f f3bf 8f4f f3bf 8f6f | nop; yield; sev; dmb; dsb; isb | f=f =>
        bf08 f3bf 8f2f | it eq; clrexeq | f=0 =>
        f3af 80f5 | dbg #5 | =>
        f3af 8123 | cps in 32 bits | => fault=undefined
        ",
    );
    check(
        "cortex-m0",
        "
        f3ef 8010 | mrs r0, primask | r0=5 => r0=0
        f380 8800 | msr apsr_nzcvq, r0 | r0=f80f0000 => f=f
        b671 | cpsid f | => fault=hard
        bf08 | it eq | => fault=hard
        f3bf 8f2f | clrex | => fault=hard
        e92d 4001 | push.w | => fault=hard
        ",
    );
}
