//! The DSP extension.

use super::check;

#[test]
fn parallel_arithmetic() {
    check(
        "cortex-m4",
        "
        fa81 f002 | sadd8 r0, r1, r2 | r1=7f80ff01 r2=01ff0102 f=f => r0=807f0003 ge=b
        fa81 f042 | uadd8 r0, r1, r2 | r1=7f80ff01 r2=01800102 => r0=80000003 ge=6
        fad1 f002 | ssub16 r0, r1, r2 | r1=80000001 r2=00010002 ge=f => r0=7fffffff ge=0
        fad1 f042 | usub16 r0, r1, r2 | r1=80000001 r2=00010002 => r0=7fffffff ge=c
        fac1 f042 | usub8 r0, r1, r2 | r1=01020304 r2=01030204 => r0=00ff0100 ge=b
        fa91 f012 | qadd16 r0, r1, r2 | r1=7fff8000 r2=0001ffff ge=5 => r0=7fff8000
        fac1 f052 | uqsub8 r0, r1, r2 | r1=01020304 r2=02020203 => r0=00000101
        fa81 f022 | shadd8 r0, r1, r2 | r1=7f80ff01 r2=7f80ff02 => r0=7f80ff01
        fad1 f062 | uhsub16 r0, r1, r2 | r1=00000004 r2=00010002 => r0=ffff0001
        faa1 f002 | sasx r0, r1, r2 | r1=00050005 r2=00030001 => r0=00060002 ge=f
        fae1 f002 | ssax r0, r1, r2 | r1=00050005 r2=00030001 => r0=00040008 ge=f
        faa1 f042 | uasx r0, r1, r2 | r1=ffff0001 r2=00020001 => r0=0000ffff ge=c
        fae1 f012 | qsax r0, r1, r2 | r1=80007fff r2=00010001 => r0=80007fff
        faa1 f082 | sel r0, r1, r2 | r1=11223344 r2=55667788 ge=5 => r0=55227744
        ",
    );
}

#[test]
fn saturation() {
    check(
        "cortex-m4",
        "
        fa82 f081 | qadd r0, r1, r2 | r1=7fffffff r2=1 => r0=7fffffff q=1
        fa82 f0a1 | qsub r0, r1, r2 | r1=80000000 r2=1 => r0=80000000 q=1
        fa82 f091 | qdadd r0, r1, r2 | r1=ffffffff r2=40000000 => r0=7ffffffe q=1
        fa82 f0b1 | qdsub r0, r1, r2 | r1=0 r2=3 q=0 => r0=fffffffa
        f321 0007 | ssat16 r0, #8, r1 | r1=ff00007f => r0=ff80007f q=1
        f3a1 0008 | usat16 r0, #8, r1 | r1=ff000100 => r0=ff q=1
        f3a1 0008 | usat16 r0, #8, r1 | r1=00ff0001 => r0=ff0001
        ",
    );
}

#[test]
fn multiplications() {
    check(
        "cortex-m4",
        "
        fb11 f012 | smulbt r0, r1, r2 | r1=0000ffff r2=00020000 => r0=fffffffe
        fb11 3022 | smlatb r0, r1, r2, r3 | r1=7fff0000 r2=7fff r3=7fffffff => r0=bfff0000 q=1
        fb31 f002 | smulwb r0, r1, r2 | r1=00010000 r2=ffff => r0=ffffffff
        fb31 3012 | smlawt r0, r1, r2, r3 | r1=00020000 r2=00030000 r3=1 => r0=7
        fb21 f002 | smuad r0, r1, r2 | r1=80008000 r2=80008000 => r0=80000000 q=1
        fb21 3012 | smladx r0, r1, r2, r3 | r1=00020003 r2=00050007 r3=1 => r0=1e
        fb41 f002 | smusd r0, r1, r2 | r1=00020003 r2=00050007 => r0=b
        fb41 3012 | smlsdx r0, r1, r2, r3 | r1=00020003 r2=00050007 r3=1 => r0=2
        fb51 f002 | smmul r0, r1, r2 | r1=40000000 r2=6 => r0=1
        fb51 f012 | smmulr r0, r1, r2 | r1=40000000 r2=6 => r0=2
        fb51 3002 | smmla r0, r1, r2, r3 | r1=40000000 r2=8 r3=5 => r0=7
        fb61 3002 | smmls r0, r1, r2, r3 | r1=40000000 r2=6 r3=5 => r0=3
        fb71 f002 | usad8 r0, r1, r2 | r1=01020304 r2=04030201 => r0=8
        fb71 3002 | usada8 r0, r1, r2, r3 | r1=01020304 r2=04030201 r3=ffffffff => r0=7
        fbc2 0183 | smlalbb r0, r1, r2, r3 | r0=0 r1=1 r2=ffff r3=1 => r0=ffffffff r1=0
        fbc2 01d3 | smlaldx r0, r1, r2, r3 | r2=00020003 r3=00050007 => r0=1d
        fbd2 01c3 | smlsld r0, r1, r2, r3 | r2=00020003 r3=00050001 => r0=fffffff9 r1=ffffffff
        fbe2 0163 | umaal r0, r1, r2, r3 | r0=ffffffff r1=ffffffff r2=ffffffff r3=ffffffff => 
        ",
    );
}

#[test]
fn packing() {
    check(
        "cortex-m4",
        "
        eac1 2002 | pkhbt r0, r1, r2, lsl #8 | r1=11112222 r2=33334444 => r0=33442222
        eac1 1022 | pkhtb r0, r1, r2, asr #4 | r1=11112222 r2=33334444 => r0=11113444
        eac1 0022 | pkhtb r0, r1, r2, asr #32 | r1=11112222 r2=83334444 => r0=1111ffff
        eac1 0202 | pkhbt r2, r1, r2 | r1=11112222 r2=33334444 => r2=33332222
        fa41 f092 | sxtab r0, r1, r2, ror #8 | r1=1 r2=8000 => r0=ffffff81
        fa11 f082 | uxtah r0, r1, r2 | r1=1 r2=1ffff => r0=10000
        fa2f f081 | sxtb16 r0, r1 | r1=12807f80 => r0=ff80ff80
        fa31 f0b2 | uxtab16 r0, r1, r2, ror #24 | r1=ffff0001 r2=34001200 => r0=110035
        ",
    );
}
