//! What this core says of instructions of F and D, which it lacks: toolchains for `virt` machines use them unasked
//! (`-march=rv32gc`), and a guest whose very trap handler does has no other way to say so.

/// `None`: the format in `fmt` is neither single nor double.
macro_rules! lacks {
    ($name:expr) => {
        concat!("illegal instruction ", $name, ": this core is RV32IMAC")
    };
    ($single:expr, $double:expr; $fmt:expr) => {
        match $fmt {
            0 => lacks!($single),
            1 => lacks!($double),
            _ => return None,
        }
    };
}
macro_rules! both {
    ($name:expr; $fmt:expr) => {
        lacks!(concat!($name, ".s"), concat!($name, ".d"); $fmt)
    };
}

/// The line for the illegal instruction `bits`, if it is one of F, D or their registers (volume I, chapters 11, 12, 16 and 24).
pub(crate) fn complaint(bits: u32) -> Option<&'static str> {
    let funct3 = bits >> 12 & 7;
    let fmt = bits >> 25 & 3;
    Some(match bits & 0x7f {
        _ if bits & 3 != 3 => return compressed(bits),
        0x07 => lacks!("flw", "fld"; funct3.wrapping_sub(2)),
        0x27 => lacks!("fsw", "fsd"; funct3.wrapping_sub(2)),
        0x43 => both!("fmadd"; fmt),
        0x47 => both!("fmsub"; fmt),
        0x4b => both!("fnmsub"; fmt),
        0x4f => both!("fnmadd"; fmt),
        0x53 => return computation(bits >> 27, fmt, funct3, bits >> 20 & 31),
        0x73 if funct3 & 3 != 0 => match bits >> 20 {
            1 => lacks!("that accesses fflags"),
            2 => lacks!("that accesses frm"),
            3 => lacks!("that accesses fcsr"),
            _ => return None,
        },
        _ => return None,
    })
}

/// OP-FP.
fn computation(funct5: u32, fmt: u32, rm: u32, rs2: u32) -> Option<&'static str> {
    Some(match (funct5, rm, rs2) {
        (0x00, ..) => both!("fadd"; fmt),
        (0x01, ..) => both!("fsub"; fmt),
        (0x02, ..) => both!("fmul"; fmt),
        (0x03, ..) => both!("fdiv"; fmt),
        (0x04, 0, _) => both!("fsgnj"; fmt),
        (0x04, 1, _) => both!("fsgnjn"; fmt),
        (0x04, 2, _) => both!("fsgnjx"; fmt),
        (0x05, 0, _) => both!("fmin"; fmt),
        (0x05, 1, _) => both!("fmax"; fmt),
        (0x08, _, 0 | 1) => lacks!("fcvt.s.d", "fcvt.d.s"; fmt),
        (0x0b, _, 0) => both!("fsqrt"; fmt),
        (0x14, 0, _) => both!("fle"; fmt),
        (0x14, 1, _) => both!("flt"; fmt),
        (0x14, 2, _) => both!("feq"; fmt),
        (0x18, _, 0) => both!("fcvt.w"; fmt),
        (0x18, _, 1) => both!("fcvt.wu"; fmt),
        (0x1a, _, 0) => lacks!("fcvt.s.w", "fcvt.d.w"; fmt),
        (0x1a, _, 1) => lacks!("fcvt.s.wu", "fcvt.d.wu"; fmt),
        (0x1c, 1, 0) => both!("fclass"; fmt),
        (0x1c, 0, 0) if fmt == 0 => lacks!("fmv.x.w"),
        (0x1e, 0, 0) if fmt == 0 => lacks!("fmv.w.x"),
        _ => return None,
    })
}

fn compressed(bits: u32) -> Option<&'static str> {
    Some(match (bits & 3, bits >> 13 & 7) {
        (0, 1) => lacks!("c.fld"),
        (0, 3) => lacks!("c.flw"),
        (0, 5) => lacks!("c.fsd"),
        (0, 7) => lacks!("c.fsw"),
        (2, 1) => lacks!("c.fldsp"),
        (2, 3) => lacks!("c.flwsp"),
        (2, 5) => lacks!("c.fsdsp"),
        (2, 7) => lacks!("c.fswsp"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Encodings as GNU as makes them of the names.
    #[test]
    fn mend_instructions_of_f_and_d_are_named() {
        for (bits, name) in [
            (0x0005_3507, "fld"),
            (0x0005_2507, "flw"),
            (0x00a5_3027, "fsd"),
            (0x02b5_7553, "fadd.d"),
            (0x68b5_7543, "fmadd.s"),
            (0xd205_8553, "fcvt.d.w"),
            (0x4015_7553, "fcvt.s.d"),
            (0xc215_1553, "fcvt.wu.d"),
            (0xa2b5_2553, "feq.d"),
            (0xf005_0553, "fmv.w.x"),
            (0xe005_0553, "fmv.x.w"),
            (0x0030_2573, "that accesses fcsr"),
            (0x2108, "c.fld"),
            (0xe42a, "c.fswsp"),
        ] {
            let want = format!("illegal instruction {name}: this core is RV32IMAC");
            assert_eq!(complaint(bits), Some(&*want), "{bits:#x}");
        }
        // Illegal for other reasons: nothing, another register, RV64's c.subw, lr.d, the quad format.
        for bits in [0, 0xffff_ffff, 0x7c00_2573, 0x9c01, 0x1005_352f, 0x06b5_7553] {
            assert_eq!(complaint(bits), None, "{bits:#x}");
        }
    }
}
