//! The operations.

/// Access must be naturally aligned, whatever the core's configuration says.
pub const MEM_ALIGNED: u8 = 1;
/// Access with user rights (`LDRT`, `STRT`).
pub const MEM_UNPRIV: u8 = 2;

/// A load of what will be stored to (an atomic operation): it needs the rights of a store, and its faults are those of one.
pub const MEM_STORE: u8 = 4;

/// Operations. `d`, `a`, `b`, `c` are slots, `imm`, `imm2` and `x` constants; `r[d] = ...` unless it says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Code {
    /// `r[a]`
    Mov,
    /// `r[a]`; N, Z
    MovS,
    /// `imm`
    MovI,
    /// `imm`; N, Z
    MovIS,
    /// `!r[a]`
    Mvn,
    /// `!r[a]`; N, Z
    MvnS,
    /// 64 bits of `r[a]`
    Mov64,
    /// High half of `r[a]`
    Hi,
    /// Low half of `r[d]` becomes `r[a]`; the high half stays
    SetLo,
    /// High half of `r[d]` becomes `r[a]`; the low half stays
    SetHi,

    /// `r[a] + r[b]`
    Add,
    /// `r[a] + r[b]`; N, Z, C, V
    AddS,
    /// `r[a] + imm`
    AddI,
    /// `r[a] + imm`; N, Z, C, V
    AddIS,
    /// `r[a] + (r[b] << imm)`, `imm` below 32
    AddLsl,
    /// `r[a] + r[b] + C`
    Adc,
    /// `r[a] + r[b] + C`; N, Z, C, V
    AdcS,
    /// `r[a] - r[b]`
    Sub,
    /// `r[a] - r[b]`; N, Z, C (no borrow), V
    SubS,
    /// `r[a] - imm`
    SubI,
    /// `r[a] - imm`; N, Z, C, V
    SubIS,
    /// `imm - r[a]`
    RsbI,
    /// `imm - r[a]`; N, Z, C, V
    RsbIS,
    /// `r[a] - r[b] - !C`
    Sbc,
    /// `r[a] - r[b] - !C`; N, Z, C, V
    SbcS,
    /// `r[a] & r[b]`
    And,
    /// `r[a] & r[b]`; N, Z
    AndS,
    /// `r[a] & imm`
    AndI,
    /// `r[a] & imm`; N, Z
    AndIS,
    /// `r[a] | r[b]`
    Or,
    /// `r[a] | r[b]`; N, Z
    OrS,
    /// `r[a] | imm`
    OrI,
    /// `r[a] | imm`; N, Z
    OrIS,
    /// `r[a] ^ r[b]`
    Xor,
    /// `r[a] ^ r[b]`; N, Z
    XorS,
    /// `r[a] ^ imm`
    XorI,
    /// `r[a] ^ imm`; N, Z
    XorIS,
    /// `r[a] & !r[b]`
    Bic,
    /// `r[a] & !r[b]`; N, Z
    BicS,
    /// `r[a] | !r[b]`
    Orn,
    /// `r[a] | !r[b]`; N, Z
    OrnS,
    /// C becomes `imm` (0 or 1); no other effect
    SetC,

    /// `r[a] << imm`, 1 to 31
    LslI,
    /// The same; N, Z, C
    LslIS,
    /// The same; C only
    LslIC,
    /// `r[a] >> imm` logical, 1 to 32
    LsrI,
    /// The same; N, Z, C
    LsrIS,
    /// The same; C only
    LsrIC,
    /// `r[a] >> imm` arithmetic, 1 to 32
    AsrI,
    /// The same; N, Z, C
    AsrIS,
    /// The same; C only
    AsrIC,
    /// `r[a]` rotated right by `imm`, 1 to 31
    RorI,
    /// The same; N, Z, C
    RorIS,
    /// The same; C only
    RorIC,
    /// `C:r[a]` rotated right by one
    Rrx,
    /// The same; N, Z, C
    RrxS,
    /// The same; C only
    RrxC,
    /// `r[a] << (r[b] & 255)`, ARM's rules for 32 and more
    Lsl,
    /// The same; N, Z, and C if the amount is not 0
    LslS,
    /// Logical right by `r[b] & 255`
    Lsr,
    /// The same with flags
    LsrS,
    /// Arithmetic right by `r[b] & 255`
    Asr,
    /// The same with flags
    AsrS,
    /// Rotate right by `r[b] & 255`
    Ror,
    /// The same with flags
    RorS,

    /// `r[a] * r[b]`
    Mul,
    /// `r[a] * r[b]`; N, Z
    MulS,
    /// `r[c] + r[a] * r[b]`
    Mla,
    /// `r[c] - r[a] * r[b]`
    Mls,
    /// `r[c]:r[d] = r[a] * r[b]` unsigned
    Umull,
    /// `r[c]:r[d] = r[a] * r[b]` signed
    Smull,
    /// `r[c]:r[d] += r[a] * r[b]` unsigned
    Umlal,
    /// `r[c]:r[d] += r[a] * r[b]` signed
    Smlal,
    /// `r[a] / r[b]` unsigned; by zero: 0 or a fault
    Udiv,
    /// `r[a] / r[b]` signed, rounded to zero; by zero: 0 or a fault
    Sdiv,

    /// `r[c] + half * half`, signed: of `r[a]` the high half if bit 1 of `x` is set, of `r[b]` if bit 0 is; sets Q
    MlaHalf,
    /// `r[c] + (r[a] * half >> 16)`, signed: the half of `r[b]` is the high one if bit 0 of `x` is set; sets Q
    MlaWord,
    /// `r[c]` and the signed products of the low halves and of the high halves, all added; those of `r[b]` are exchanged if bit
    /// 0 of `x` is set; the second product is subtracted if bit 1 is; sets Q
    MlaDual,
    /// High half of `(r[c] << 32) + r[a] * r[b]`, signed; with 1 << 31 added if bit 0 of `x` is set; the product is subtracted
    /// if bit 1 is
    MlaHigh,
    /// `r[c]:r[d] = r[a] * r[b] + r[c] + r[d]` unsigned
    Umaal,
    /// `r[a] + r[b]` signed, or the number nearest to it; sets Q
    QAdd,
    /// `r[a] - r[b]` signed, or the number nearest to it; sets Q
    QSub,
    /// `r[a]` or the number nearest to it from `imm` to `imm2`, all signed; sets Q
    Clamp,
    /// Operation `imm` of [`lanes`] on the bytes or halves of `r[a]` and `r[b]`, in manner `x`
    Lanes,

    /// Byte of `r[a]` rotated right by `imm`, sign extended
    Sxtb,
    /// Half of `r[a]` rotated right by `imm`, sign extended
    Sxth,
    /// Byte of `r[a]` rotated right by `imm`, zero extended
    Uxtb,
    /// Half of `r[a]` rotated right by `imm`, zero extended
    Uxth,
    /// `x` bits of `r[a]` from bit `imm`, zero extended
    Ubfx,
    /// `x` bits of `r[a]` from bit `imm`, sign extended
    Sbfx,
    /// `r[b]` with `x` bits from bit `imm` replaced by the low bits of `r[a]`
    Bfi,
    /// Leading zeros of `r[a]`
    Clz,
    /// Bits of `r[a]` reversed
    Rbit,
    /// Bytes of `r[a]` reversed
    Rev,
    /// Bytes of both halves reversed
    Rev16,
    /// Bytes of the low half reversed, sign extended
    RevSh,

    /// Byte at `r[a] + imm`; `x` holds the `MEM_` flags, as for all loads and stores
    Ld8,
    /// Byte, sign extended
    Ld8S,
    /// Half
    Ld16,
    /// Half, sign extended
    Ld16S,
    /// Word
    Ld32,
    /// Byte at `r[a] + (r[b] << imm)`
    LdX8,
    /// Byte, sign extended
    LdX8S,
    /// Half
    LdX16,
    /// Half, sign extended
    LdX16S,
    /// Word
    LdX32,
    /// Byte at `r[a] + imm` becomes `r[d]`
    St8,
    /// Half
    St16,
    /// Word
    St32,
    /// Byte at `r[a] + (r[b] << imm)` becomes `r[d]`
    StX8,
    /// Half
    StX16,
    /// Word
    StX32,

    /// Words at `r[a] + imm2` and up, each in its turn, become the slots whose bits are set in the low half of `imm`, in
    /// ascending order; then the high half of `imm`, signed, is added to `r[a]`. Slot `a` is not in the list
    LdM,
    /// The slots whose bits are set in the low half of `imm` are stored in ascending order at `r[a] + imm2` and up; then
    /// the high half of `imm`, signed, is added to `r[a]`
    StM,
    /// Two words at `r[a] + imm` and up become `r[d]` and `r[c]`; neither changes if one of the accesses faults
    LdPair,
    /// `r[d]` and `r[c]` are stored as two words at `r[a] + imm` and up
    StPair,
    /// If `r[c]` is not zero, `imm2` bytes of `r[b]` are stored at `r[a] + imm`, and `r[d]` is 0; else it is 1. `r[c]` is zero
    /// then. The address must be aligned in any case, of which [`MEM_ALIGNED`] tells the front end
    StEx,
    /// A load or store with user rights ([`MEM_UNPRIV`]) at `r[a] + imm`: `imm2` bytes, sign extended if `b` is 1
    LdUser,
    /// The same for a store of `r[d]`
    StUser,

    /// 1 if `r[a]` is below `r[b]` signed, else 0
    Slt,
    /// 1 if `r[a]` is below `imm` signed, else 0
    SltI,
    /// 1 if `r[a]` is below `r[b]` unsigned, else 0
    Sltu,
    /// 1 if `r[a]` is below `imm` unsigned, else 0
    SltuI,
    /// `r[a] << (r[b] & 31)`
    Sll,
    /// `r[a] >> (r[b] & 31)` logical
    Srl,
    /// `r[a] >> (r[b] & 31)` arithmetic
    Sra,
    /// High half of `r[a] * r[b]`, both signed
    Mulh,
    /// High half of `r[a] * r[b]`, `a` signed and `b` unsigned
    Mulhsu,
    /// High half of `r[a] * r[b]`, both unsigned
    Mulhu,
    /// `r[a] / r[b]` signed, rounded to zero; by zero: all ones; on overflow: `r[a]`
    DivRv,
    /// `r[a] / r[b]` unsigned; by zero: all ones
    DivuRv,
    /// Remainder of [`Code::DivRv`]; by zero: `r[a]`; on overflow: 0
    RemRv,
    /// Remainder of [`Code::DivuRv`]; by zero: `r[a]`
    RemuRv,

    /// Two words at `r[a] + imm` and up, each in its turn, become the low and the high half of `r[d]`; `x` as for loads
    Ld64,
    /// The halves of `r[d]` are stored as two words at `r[a] + imm` and up
    St64,

    /// Function `imm` of [`float`] on numbered registers ([`Guest::float`](crate::guest::Guest::float)); no flags, no faults
    Float,
    /// N, Z, C, V become bits 31 to 28 of [`FSTATUS`]
    FlagsOfStatus,
    /// [`Code::Call`] if `r[a]` is zero
    CallIfZero,
    /// Leaves out the next `imm` operations, and gives `imm2` cycles back, unless condition `x` holds
    Skip,
    /// The front end's function `imm` does it ([`Guest::call`](crate::guest::Guest::call)). Reads and sets all flags
    Call,

    /// Ends: to `imm`
    Jump,
    /// Ends: to `imm` if condition `x` holds, else to `imm2`, and `c` cycles come back, as for all branches
    Branch,
    /// Ends: to `imm` if `r[a]` is zero, else to `imm2`
    BranchZ,
    /// Ends: to `imm` if `r[a]` is not zero, else to `imm2`
    BranchNz,
    /// Ends: to `r[a]` by the front end's rules ([`Guest::jump`](crate::guest::Guest::jump)); if `x` is 1 it is an address of code
    /// whatever its value is
    JumpReg,
    /// Ends: like `Call`; goes on at `imm2` unless the function says otherwise
    CallEnd,
    /// Ends: to `imm` if `r[a]` equals `r[b]`, else to `imm2`, as for all of these comparisons
    BranchEq,
    /// If they differ
    BranchNe,
    /// If `r[a]` is below `r[b]`, signed
    BranchLt,
    /// If `r[a]` is not below `r[b]`, signed
    BranchGe,
    /// If `r[a]` is below `r[b]`, unsigned
    BranchLtu,
    /// If `r[a]` is not below `r[b]`, unsigned
    BranchGeu,
    /// Made by [`Builder::finish`] only: `SubIS`, then ends: to `imm2` if condition `x` holds, else to the block's end
    SubIBranch,
    /// Made by [`Builder::finish`] only: `SubS` with the same branch
    SubBranch,
    /// Made by [`Builder::finish`] only: `SubIBranch` if equal
    SubIBranchEq,
    /// Made by [`Builder::finish`] only: `SubIBranch` if not equal
    SubIBranchNe,
    /// Made by [`Builder::finish`] only: `MovI`, then ends: to `imm2`
    MovIJump,
}

/// Flags as sets, for the liveness pass.
pub mod flags {
    /// N and Z.
    pub const NZ: u8 = 1;
    /// C.
    pub const C: u8 = 2;
    /// V.
    pub const V: u8 = 4;
    /// All of them.
    pub const ALL: u8 = 7;
}

impl Code {
    /// The last operation of a block.
    pub fn ends_block(self) -> bool {
        self as u8 >= Code::Jump as u8
    }

    /// For an operation that sets flags: which, and the operation without.
    pub fn flagless(self) -> Option<(u8, Code)> {
        use Code::*;
        use flags::{ALL, C, NZ};
        Some(match self {
            MovS => (NZ, Mov),
            MovIS => (NZ, MovI),
            MvnS => (NZ, Mvn),
            AddS => (ALL, Add),
            AddIS => (ALL, AddI),
            AdcS => (ALL, Adc),
            SubS => (ALL, Sub),
            SubIS => (ALL, SubI),
            RsbIS => (ALL, RsbI),
            SbcS => (ALL, Sbc),
            AndS => (NZ, And),
            AndIS => (NZ, AndI),
            OrS => (NZ, Or),
            OrIS => (NZ, OrI),
            XorS => (NZ, Xor),
            XorIS => (NZ, XorI),
            BicS => (NZ, Bic),
            OrnS => (NZ, Orn),
            LslIS => (NZ | C, LslI),
            LsrIS => (NZ | C, LsrI),
            AsrIS => (NZ | C, AsrI),
            RorIS => (NZ | C, RorI),
            RrxS => (NZ | C, Rrx),
            LslIC => (C, LslI),
            LsrIC => (C, LsrI),
            AsrIC => (C, AsrI),
            RorIC => (C, RorI),
            RrxC => (C, Rrx),
            MulS => (NZ, Mul),
            _ => return None,
        })
    }

    /// Flags that count before this operation, if `live` count behind it.
    pub(crate) fn live_before(self, live: u8) -> u8 {
        let sets = self.flagless().map_or(0, |(sets, _)| sets);
        live & !sets | self.flags_read()
    }

    /// Flags this operation needs to be right when it runs. Whatever may fault, stop or leave needs all of them.
    pub fn flags_read(self) -> u8 {
        use Code::*;
        match self {
            Adc | AdcS | Sbc | SbcS | Rrx | RrxS | RrxC => flags::C,
            // C stays when the amount is zero.
            LslS | LsrS | AsrS | RorS => flags::C,
            Ld8 | Ld8S | Ld16 | Ld16S | Ld32 | LdX8 | LdX8S | LdX16 | LdX16S | LdX32 | St8 | St16 | St32
            | StX8 | StX16 | StX32 | LdM | StM | LdPair | StPair | StEx | Ld64 | St64 | LdUser | StUser
            | Udiv | Sdiv | Call | CallIfZero | Skip => flags::ALL,
            c if c.ends_block() => flags::ALL,
            _ => 0,
        }
    }
}
