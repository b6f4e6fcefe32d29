//! Functions of [`Code::Float`](super::Code::Float). Operands `d`, `a`, `b` are numbers of registers: the doubles from slot [`FP`](super::FP) on if bit 0 of
//! `x` is set, else the halves of these slots. An integer is in such a half, too.

/// `d + a * b`, two roundings, as for all up to [`NMLS`].
pub const MLA: u32 = 0;
/// `d - a * b`.
pub const MLS: u32 = 1;
/// `-d - a * b`.
pub const NMLA: u32 = 2;
/// `-d + a * b`.
pub const NMLS: u32 = 3;
/// `a * b`.
pub const MUL: u32 = 4;
/// `-(a * b)`.
pub const NMUL: u32 = 5;
/// `a + b`.
pub const ADD: u32 = 6;
/// `a - b`.
pub const SUB: u32 = 7;
/// `a / b`.
pub const DIV: u32 = 8;
/// `d + a * b`, one rounding, as for all up to [`FNMS`].
pub const FMA: u32 = 9;
/// `d - a * b`.
pub const FMS: u32 = 10;
/// `-d - a * b`.
pub const FNMA: u32 = 11;
/// `-d + a * b`.
pub const FNMS: u32 = 12;
/// The greater number.
pub const MAXNM: u32 = 13;
/// The lesser number.
pub const MINNM: u32 = 14;
/// Square root of `a`.
pub const SQRT: u32 = 15;
/// Compares `a` and `b` into [`FSTATUS`](super::FSTATUS): less N, equal Z and C, greater C, unordered C and V. Quiet NaNs are
/// invalid if `c` is 1.
pub const CMP: u32 = 16;
/// Compares `a` with zero.
pub const CMP0: u32 = 17;
/// `a` in the other precision.
pub const PRECISION: u32 = 18;
/// `a` to the low (`c` = 0) or high half of single `d`.
pub const TO_HALF: u32 = 19;
/// The low (`c` = 0) or high half of single `a`.
pub const FROM_HALF: u32 = 20;
/// `a` to a 32-bit integer, signed if `b` is 1, rounded by `c`.
pub const TO_INT: u32 = 21;
/// The 32-bit integer `a`, signed if `b` is 1.
pub const FROM_INT: u32 = 22;
/// `d` with `imm2` fraction bits in `c` bits, signed if `b` is 1.
pub const TO_FIXED: u32 = 23;
/// The other way.
pub const FROM_FIXED: u32 = 24;
/// `a` to an integral value, rounded by `c`.
pub const ROUND: u32 = 25;
/// Rounding in `c`: to the nearest, an even one if two are. Those that have no name here are the front end's.
pub const TO_NEAREST: u8 = 1;
/// Rounding in `c`: up.
pub const UP: u8 = 2;
/// Rounding in `c`: down.
pub const DOWN: u8 = 3;
/// Rounding in `c`: as the status says.
pub const BY_STATUS: u8 = 5;
/// Rounding in `c`: as the status says; inexact results are flagged.
pub const EXACT: u8 = 6;
/// Rounding in `c`: towards zero.
pub const TO_ZERO: u8 = 4;
