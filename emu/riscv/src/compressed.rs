//! The C extension: each 16-bit instruction stands for one of 32 bits (volume I, chapter 16).

/// A field of `width` bits from bit `lsb` of `h`, put at bit `to`.
fn part(h: u32, lsb: u32, width: u32, to: u32) -> u32 {
    (h >> lsb & ((1 << width) - 1)) << to
}
/// The lowest `width` bits of `v` as a signed number.
fn signed(v: u32, width: u32) -> u32 {
    ((v << (32 - width)) as i32 >> (32 - width)) as u32
}
/// A register of three bits: x8 to x15.
fn small(h: u32, lsb: u32) -> u32 {
    8 + part(h, lsb, 3, 0)
}

fn i_type(imm: u32, rs1: u32, funct3: u32, rd: u32, opcode: u32) -> u32 {
    imm << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode
}
fn r_type(funct7: u32, rs2: u32, rs1: u32, funct3: u32, rd: u32) -> u32 {
    funct7 << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | 0x33
}
fn addi(rd: u32, rs1: u32, imm: u32) -> u32 {
    i_type(imm, rs1, 0, rd, 0x13)
}
fn lw(rd: u32, rs1: u32, imm: u32) -> u32 {
    i_type(imm, rs1, 2, rd, 0x03)
}
fn sw(rs2: u32, rs1: u32, imm: u32) -> u32 {
    i_type(imm & 0xfe0 | rs2, rs1, 2, imm & 0x1f, 0x23)
}
fn jal(rd: u32, imm: u32) -> u32 {
    part(imm, 20, 1, 31) | part(imm, 1, 10, 21) | part(imm, 11, 1, 20) | part(imm, 12, 8, 12) | rd << 7 | 0x6f
}
fn branch(funct3: u32, rs1: u32, imm: u32) -> u32 {
    let high = part(imm, 12, 1, 31) | part(imm, 5, 6, 25);
    high | rs1 << 15 | funct3 << 12 | part(imm, 1, 4, 8) | part(imm, 11, 1, 7) | 0x63
}
const EBREAK: u32 = 0x0010_0073;

/// The 32-bit instruction that `half` stands for; `None`: it is illegal, or of an extension that is not there.
pub(crate) fn expand(half: u16) -> Option<u32> {
    let h = u32::from(half);
    match (h & 3, h >> 13) {
        (0, funct3) => quadrant0(h, funct3),
        (1, funct3) => quadrant1(h, funct3),
        (_, funct3) => quadrant2(h, funct3),
    }
}

fn quadrant0(h: u32, funct3: u32) -> Option<u32> {
    let word = part(h, 10, 3, 3) | part(h, 6, 1, 2) | part(h, 5, 1, 6);
    let (r, base) = (small(h, 2), small(h, 7));
    match funct3 {
        0 => {
            let imm = part(h, 11, 2, 4) | part(h, 7, 4, 6) | part(h, 6, 1, 2) | part(h, 5, 1, 3);
            (imm != 0).then(|| addi(r, 2, imm))
        }
        2 => Some(lw(r, base, word)),
        6 => Some(sw(r, base, word)),
        _ => None,
    }
}

fn quadrant1(h: u32, funct3: u32) -> Option<u32> {
    let rd = part(h, 7, 5, 0);
    let imm = signed(part(h, 12, 1, 5) | part(h, 2, 5, 0), 6);
    Some(match funct3 {
        0 => addi(rd, rd, imm),
        1 => jal(1, jump_offset(h)),
        2 => addi(rd, 0, imm),
        3 if imm == 0 => return None,
        3 if rd == 2 => {
            let imm = part(h, 12, 1, 9) | part(h, 6, 1, 4) | part(h, 5, 1, 6) | part(h, 3, 2, 7);
            addi(2, 2, signed(imm | part(h, 2, 1, 5), 10))
        }
        3 => imm << 12 | rd << 7 | 0x37,
        4 => return arithmetic(h, imm),
        5 => jal(0, jump_offset(h)),
        _ => {
            let imm = part(h, 12, 1, 8) | part(h, 10, 2, 3) | part(h, 5, 2, 6) | part(h, 3, 2, 1);
            branch(funct3 & 1, small(h, 7), signed(imm | part(h, 2, 1, 5), 9))
        }
    })
}

fn jump_offset(h: u32) -> u32 {
    let high = part(h, 12, 1, 11) | part(h, 11, 1, 4) | part(h, 9, 2, 8) | part(h, 8, 1, 10);
    signed(high | part(h, 7, 1, 6) | part(h, 6, 1, 7) | part(h, 3, 3, 1) | part(h, 2, 1, 5), 12)
}

fn arithmetic(h: u32, imm: u32) -> Option<u32> {
    let rd = small(h, 7);
    let wide = h >> 12 & 1 != 0;
    match h >> 10 & 3 {
        // Shifts by 32 and more, and bit 12 of the others, are for RV64.
        0 if !wide => Some(i_type(imm & 31, rd, 5, rd, 0x13)),
        1 if !wide => Some(i_type(0x400 | imm & 31, rd, 5, rd, 0x13)),
        2 => Some(i_type(imm, rd, 7, rd, 0x13)),
        3 if !wide => {
            let rs2 = small(h, 2);
            Some(match h >> 5 & 3 {
                0 => r_type(0x20, rs2, rd, 0, rd),
                1 => r_type(0, rs2, rd, 4, rd),
                2 => r_type(0, rs2, rd, 6, rd),
                _ => r_type(0, rs2, rd, 7, rd),
            })
        }
        _ => None,
    }
}

fn quadrant2(h: u32, funct3: u32) -> Option<u32> {
    let (rd, rs2) = (part(h, 7, 5, 0), part(h, 2, 5, 0));
    let wide = h >> 12 & 1 != 0;
    match funct3 {
        0 if !wide => Some(i_type(rs2, rd, 1, rd, 0x13)),
        2 if rd != 0 => Some(lw(rd, 2, part(h, 12, 1, 5) | part(h, 4, 3, 2) | part(h, 2, 2, 6))),
        4 => match (wide, rd, rs2) {
            (false, 0, 0) => None,
            (false, _, 0) => Some(i_type(0, rd, 0, 0, 0x67)),
            (false, ..) => Some(r_type(0, rs2, 0, 0, rd)),
            (true, 0, 0) => Some(EBREAK),
            (true, _, 0) => Some(i_type(0, rd, 0, 1, 0x67)),
            (true, ..) => Some(r_type(0, rs2, rd, 0, rd)),
        },
        6 => Some(sw(rs2, 2, part(h, 9, 4, 2) | part(h, 7, 2, 6))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs that GNU as gives for the two forms of one instruction.
    #[test]
    fn both_forms_of_an_instruction_are_one() {
        for (half, word) in [
            (0x1ffcu16, 0x3fc1_0793u32), // addi4spn a5,sp,1020
            (0x5dfc, 0x07c5_a783),       // lw a5,124(a1)
            (0xdd7c, 0x06f5_2e23),       // sw a5,124(a0)
            (0x1781, 0xfe07_8793),       // addi a5,-32
            (0x3ffd, 0xffff_f0ef),       // jal .-2
            (0x246d, 0x2aa0_00ef),       // jal .+0x2aa
            (0x57fd, 0xfff0_0793),       // li a5,-1
            (0x7101, 0xe001_0113),       // addi16sp sp,-512
            (0x6149, 0x0901_0113),       // addi16sp sp,144
            (0x77fd, 0xffff_f7b7),       // lui a5,0xfffff
            (0x67fd, 0x0001_f7b7),       // lui a5,0x1f
            (0x83fd, 0x01f7_d793),       // srli a5,31
            (0x87fd, 0x41f7_d793),       // srai a5,31
            (0x9bc1, 0xff07_f793),       // andi a5,-16
            (0x8f89, 0x40a7_87b3),       // sub a5,a0
            (0x8fa9, 0x00a7_c7b3),       // xor a5,a0
            (0x8fc9, 0x00a7_e7b3),       // or a5,a0
            (0x8fe9, 0x00a7_f7b3),       // and a5,a0
            (0xbffd, 0xffff_f06f),       // j .-2
            (0xab91, 0x5540_006f),       // j .+0x554
            (0xdbf9, 0xfc07_8be3),       // beqz a5,.-42
            (0xebb1, 0x0407_9a63),       // bnez a5,.+84
            (0x07fe, 0x01f7_9793),       // slli a5,31
            (0x50fe, 0x0fc1_2083),       // lwsp ra,252(sp)
            (0x8782, 0x0007_8067),       // jr a5
            (0x87aa, 0x00a0_07b3),       // mv a5,a0
            (0x9002, 0x0010_0073),       // ebreak
            (0x9782, 0x0007_80e7),       // jalr a5
            (0x97aa, 0x00a7_87b3),       // add a5,a0
            (0xdffe, 0x0ff1_2e23),       // swsp t6,252(sp)
        ] {
            assert_eq!(expand(half), Some(word), "{half:04x}: {:08x?}", expand(half));
        }
        for half in [0x0000, 0x2000, 0x8000, 0x6101, 0x6781, 0x9c01, 0x1002, 0x4002, 0x8002, 0xe002] {
            assert_eq!(expand(half), None, "{half:04x}");
        }
    }
}
