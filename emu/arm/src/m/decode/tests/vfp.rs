//! Floating point: that operands, formats and modes reach the arithmetic, which has tests of its own.

use super::check;

#[test]
fn single_precision() {
    check(
        "cortex-m4f",
        "
        ee71 0a21 | vadd.f32 s1, s2, s3 | s2=3f800000 s3=40000000 s0=7 f=f => s1=40400000
        ee31 0a61 | vsub.f32 s0, s2, s3 | s2=3f800000 s3=40000000 s1=7 => s0=bf800000
        ee6f fa0f | vmul.f32 s31, s30, s30 | s30=40400000 => s31=41100000
        ee20 0ac1 | vnmul.f32 s0, s1, s2 | s1=40000000 s2=40400000 => s0=c0c00000
        ee80 0a81 | vdiv.f32 s0, s1, s2 | s1=3f800000 s2=0 => s0=7f800000 fpscr=2
        ee80 0a81 | vdiv.f32 s0, s1, s2 | s1=3f800000 s2=40400000 => s0=3eaaaaab fpscr=10
        ee80 0a81 | vdiv.f32 s0, s1, s2 | s1=3f800000 s2=40400000 fpscr=c00000 => s0=3eaaaaaa fpscr=c00010
        eeb1 0ae0 | vsqrt.f32 s0, s1 | s1=41100000 => s0=40400000
        ee00 0a81 | vmla.f32 s0, s1, s2 | s0=3f800000 s1=40000000 s2=40400000 => s0=40e00000
        ee00 0ac1 | vmls.f32 s0, s1, s2 | s0=3f800000 s1=40000000 s2=40400000 => s0=c0a00000
        ee10 0ac1 | vnmla.f32 s0, s1, s2 | s0=3f800000 s1=40000000 s2=40400000 => s0=c0e00000
        ee10 0a81 | vnmls.f32 s0, s1, s2 | s0=3f800000 s1=40000000 s2=40400000 => s0=40a00000
        eea0 0a81 | vfma.f32 s0, s1, s2 | s0=3f800000 s1=40000000 s2=40400000 => s0=40e00000
        eea0 0ac1 | vfms.f32 s0, s1, s2 | s0=3f800000 s1=40000000 s2=40400000 => s0=c0a00000
        ee90 0ac1 | vfnma.f32 s0, s1, s2 | s0=3f800000 s1=40000000 s2=40400000 => s0=c0e00000
        ee90 0a81 | vfnms.f32 s0, s1, s2 | s0=3f800000 s1=40000000 s2=40400000 => s0=40a00000
        eef0 0ae1 | vabs.f32 s1, s3 | s3=ff800001 => s1=7f800001
        eeb1 0a61 | vneg.f32 s0, s3 | s3=7f800001 => s0=ff800001
        eef0 1a40 | vmov.f32 s3, s0 | s0=7f800001 s2=5 => s3=7f800001
        eef7 0a00 | vmov.f32 s1, #1.0 | s0=5 => s1=3f800000
        eebc 0a00 | vmov.f32 s0, #-0.125 | => s0=be000000
        eeb4 0a60 | vcmp.f32 s0, s1 | s0=3f800000 s1=40000000 => fpscr=80000000
        eeb5 0a40 | vcmp.f32 s0, #0.0 | s0=80000000 fpscr=10 => fpscr=60000010
        eeb4 0ae0 | vcmpe.f32 s0, s1 | s0=7fc00000 => fpscr=30000001
        eeb4 0a60 | vcmp.f32 s0, s1 | s0=7fc00000 => fpscr=30000000
        eeb4 0a60 eef1 fa10 | vcmp.f32 s0, s1; vmrs apsr_nzcv, fpscr | s0=40000000 s1=3f800000 f=d => fpscr=20000000 f=2
        ",
    );
}

#[test]
fn conversions() {
    check(
        "cortex-m4f",
        "
        eebd 0ae0 | vcvt.s32.f32 s0, s1 | s1=c0200000 => s0=fffffffe fpscr=10
        eebd 0a60 | vcvtr.s32.f32 s0, s1 | s1=c0600000 => s0=fffffffc fpscr=10
        eebc 0ae0 | vcvt.u32.f32 s0, s1 | s1=bf800000 s0=5 => s0=0 fpscr=1
        eeb8 0ae0 | vcvt.f32.s32 s0, s1 | s1=ffffffff => s0=bf800000
        eef8 0a60 | vcvt.f32.u32 s1, s1 | s1=ffffffff => s1=4f800000 fpscr=10
        eebe 0a44 | vcvt.s16.f32 s0, s0, #8 | s0=bf800000 => s0=ffffff00
        eebf 0ae0 | vcvt.u32.f32 s0, s0, #31 | s0=3f800000 => s0=80000000
        eefa 0a44 | vcvt.f32.s16 s1, s1, #8 | s1=1234ff00 => s1=bf800000
        eebb 0a40 | vcvt.f32.u16 s0, s0, #16 | s0=18000 => s0=3f000000
        eeb2 0a60 | vcvtb.f32.f16 s0, s1 | s1=40003c00 => s0=3f800000
        eeb2 0ae0 | vcvtt.f32.f16 s0, s1 | s1=40003c00 => s0=40000000
        eeb3 0a60 | vcvtb.f16.f32 s0, s1 | s0=12345678 s1=3f800000 => s0=12343c00
        eeb3 0ae0 | vcvtt.f16.f32 s0, s1 | s0=12345678 s1=3f800000 => s0=3c005678
        ",
    );
}

#[test]
fn double_precision_and_fpv5() {
    check(
        "cortex-m7f",
        "
        ee32 1b03 | vadd.f64 d1, d2, d3 | d2=3ff0000000000000 d3=4000000000000000 => d1=4008000000000000
        eeb0 0bc1 | vabs.f64 d0, d1 | d1=bff0000000000001 => d0=3ff0000000000001
        eeb1 fb41 | vneg.f64 d15, d1 | d1=3ff0000000000001 => d15=bff0000000000001
        eeb8 1b00 | vmov.f64 d1, #-2.0 | d1=1 => d1=c000000000000000
        eeb0 1b4f | vmov.f64 d1, d15 | d15=123456789abcdef0 => d1=123456789abcdef0
        eef7 1bc0 | vcvt.f32.f64 s3, d0 | d0=3ff0000000000000 => s3=3f800000
        eeb7 1ae0 | vcvt.f64.f32 d1, s1 | s1=3f800000 => d1=3ff0000000000000
        eefd 0bc1 | vcvt.s32.f64 s1, d1 | d1=c000000000000000 => s1=fffffffe
        eeb8 1b60 | vcvt.f64.u32 d1, s1 | s1=ffffffff => d1=41efffffffe00000
        eebe 0b44 | vcvt.s16.f64 d0, d0, #8 | d0=bff0000000000000 => d0=ffffffffffffff00
        eeb2 0b61 | vcvtb.f64.f16 d0, s3 | s3=3c00 => d0=3ff0000000000000
        eef3 1bc0 | vcvtt.f16.f64 s3, d0 | d0=3ff0000000000000 s3=5 => s3=3c000005
        fe00 0a81 | vseleq.f32 s0, s1, s2 | s1=1 s2=2 f=4 => s0=1
        fe71 0a81 | vselgt.f32 s1, s3, s2 | s3=1 s2=2 f=8 => s1=2
        fe21 0b02 | vselge.f64 d0, d1, d2 | d1=1 d2=2 f=9 => d0=1
        fe11 0b02 | vselvs.f64 d0, d1, d2 | d1=1 d2=2 f=0 => d0=2
        fe80 0a81 | vmaxnm.f32 s0, s1, s2 | s1=7fc00000 s2=3f800000 => s0=3f800000
        fe81 0b42 | vminnm.f64 d0, d1, d2 | d1=0 d2=8000000000000000 => d0=8000000000000000
        feb8 0a60 | vrinta.f32 s0, s1 | s1=40200000 => s0=40400000
        feb9 0a60 | vrintn.f32 s0, s1 | s1=40200000 => s0=40000000
        feba 0a60 | vrintp.f32 s0, s1 | s1=40100000 => s0=40400000
        febb 0b41 | vrintm.f64 d0, d1 | d1=bfe0000000000000 => d0=bff0000000000000
        eeb6 0ae0 | vrintz.f32 s0, s1 | s1=bf000000 => s0=80000000
        eeb7 0a60 | vrintx.f32 s0, s1 | s1=40200000 => s0=40000000 fpscr=10
        eeb6 0a60 | vrintr.f32 s0, s1 | s1=40200000 fpscr=400000 => s0=40400000
        febc 0ae0 | vcvta.s32.f32 s0, s1 | s1=c0200000 => s0=fffffffd fpscr=10
        feff 0b41 | vcvtm.u32.f64 s1, d1 | d1=4004000000000000 => s1=2 fpscr=10
        ",
    );
}

#[test]
fn moves_and_accesses() {
    check(
        "cortex-m4f",
        "
        ee01 1a90 | vmov s3, r1 | r1=5 s2=7 => s3=5
        ee11 1a90 | vmov r1, s3 | s3=5 => r1=5
        ec42 1a31 | vmov s3, s4, r1, r2 | r1=5 r2=6 => s3=5 s4=6
        ec52 1a31 | vmov r1, r2, s3, s4 | s3=5 s4=6 => r1=5 r2=6
        ec42 1b13 | vmov d3, r1, r2 | r1=5 r2=6 => d3=600000005
        ec52 1b13 | vmov r1, r2, d3 | d3=600000005 => r1=5 r2=6
        ee23 1b10 | vmov.32 d3[1], r1 | r1=5 d3=1 => d3=500000001
        ee13 1b10 | vmov.32 r1, d3[0] | d3=600000005 => r1=5
        eee1 1a10 | vmsr fpscr, r1 | r1=ffffffff => fpscr=f7c0009f
        eef1 1a10 | vmrs r1, fpscr | fpscr=3000001 => r1=3000001
        edd1 1a01 | vldr s3, [r1, #4] | r1=20000000 m20000004=5 s2=9 => s3=5
        ed11 3b02 | vldr d3, [r1, #-8] | r1=20000008 m20000000=5 m20000004=6 => d3=600000005
        edc1 1a00 | vstr s3, [r1] | r1=20000000 s3=5 => m20000000=5
        ed81 3b00 | vstr d3, [r1] | r1=20000000 d3=600000005 => m20000000=5 m20000004=6
        ecf1 0a03 | vldmia r1!, {s1-s3} | r1=20000000 m20000000=1 m20000004=2 m20000008=3 => s1=1 s2=2 s3=3 r1=2000000c
        ec91 1b04 | vldmia r1, {d1-d2} | r1=20000000 m20000000=1 m2000000c=3 => d1=1 d2=300000000
        ed2d 8b02 | vpush {d8} | d8=600000005 => sp=200007f8 m200007f8=5 m200007fc=6
        ecbd 8a01 | vpop {s16} | m20000800=5 => s16=5 sp=20000804
        ed61 0a02 | vstmdb r1!, {s1-s2} | r1=20000008 s1=1 s2=2 => r1=20000000 m20000000=1 m20000004=2
        ed91 0a00 | vldr s0, [r1] | r1=20000002 => fault=unaligned
        ee31 1b02 | vadd.f64 without double precision | => fault=undefined
        fe00 0a00 | vsel without FPv5 | => fault=undefined
        bf08 eeb0 0a60 | it eq; vmoveq.f32 s0, s1 | f=0 s1=5 =>
        bf04 ee30 0aa0 ee01 0a90 | itt eq; vaddeq.f32 s0, s1, s1; vmoveq s3, r0 | f=4 r0=9 s1=3f800000 => s0=40000000 s3=9
        ",
    );
}
