//! Operations of [`Code::Lanes`](super::Code::Lanes) and their manners, by ARM's numbers (DDI0403E A5.3.14, A5.3.15).

/// Sums of bytes.
pub const ADD8: u32 = 0;
/// Sums of halves.
pub const ADD16: u32 = 1;
/// The halves of `b` exchanged: the low ones subtracted, the high ones added.
pub const ASX: u32 = 2;
/// Differences of bytes.
pub const SUB8: u32 = 4;
/// Differences of halves.
pub const SUB16: u32 = 5;
/// The halves of `b` exchanged: the low ones added, the high ones subtracted.
pub const SAX: u32 = 6;
/// The even bytes of `a`, sign extended to halves.
pub const SXTB16: u32 = 8;
/// The sum of the distances of the bytes.
pub const USAD8: u32 = 9;

/// Modulo; GE tells of signed results that are not negative.
pub const S: u8 = 0;
/// Signed, saturated; Q stays.
pub const Q: u8 = 1;
/// Signed, halved.
pub const SH: u8 = 2;
/// Modulo, and GE stays.
pub const PLAIN: u8 = 3;
/// Modulo; GE tells of unsigned sums that carry and differences that do not borrow.
pub const U: u8 = 4;
/// Unsigned, saturated.
pub const UQ: u8 = 5;
/// Unsigned, halved.
pub const UH: u8 = 6;
