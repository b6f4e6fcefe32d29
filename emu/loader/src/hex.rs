//! Intel HEX (Intel "Hexadecimal Object File Format Specification", revision A, 1988).

use std::ops::Range;

use ihex::{ReaderError, Record};

use crate::{Format, HexProblem, Image, LoadError, Segment, Symbols};

/// Leading white space and a UTF-8 byte order mark do not hide the first record.
pub(crate) fn skip_blank(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start()
}

/// The data of one record (or the part of it before a wrap), still in file order.
struct Piece {
    addr: u64,
    line: usize,
    /// Into [`Reader::bytes`].
    data: Range<usize>,
}

impl Piece {
    fn end(&self) -> u64 {
        self.addr + self.data.len() as u64
    }
}

/// How the 16-bit offset of a data record becomes an address.
#[derive(Clone, Copy)]
enum Base {
    /// Record type 02: the offset wraps within its 64 KiB segment.
    Segment(u64),
    /// Record type 04: the sum is linear.
    Linear(u64),
}

struct Reader {
    base: Base,
    entry: Option<u64>,
    ended: bool,
    pieces: Vec<Piece>,
    bytes: Vec<u8>,
}

pub(crate) fn parse(file: &[u8]) -> Result<Image, LoadError> {
    let mut reader =
        Reader { base: Base::Linear(0), entry: None, ended: false, pieces: Vec::new(), bytes: Vec::new() };
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let mut last = 1;
    for (n, text) in file.split(|&b| b == b'\n').enumerate() {
        let text = text.trim_ascii();
        if !text.is_empty() {
            last = n + 1;
            reader.line(text, last).map_err(|problem| LoadError::Hex { line: last, problem })?;
        }
    }
    if !reader.ended {
        return Err(LoadError::Hex { line: last, problem: HexProblem::MissingEof });
    }
    reader.finish()
}

fn record(text: &[u8]) -> Result<Record, HexProblem> {
    // Not ASCII is reported as what it is: characters that are no hexadecimal digits.
    let text =
        str::from_utf8(text).map_err(|_| HexProblem::Malformed(ReaderError::ContainsInvalidCharacters))?;
    Record::from_record_string(text).map_err(|e| match e {
        ReaderError::ChecksumMismatch(computed, found) => HexProblem::Checksum { found, computed },
        ReaderError::UnsupportedRecordType(t) => HexProblem::RecordType(t),
        e => HexProblem::Malformed(e),
    })
}

impl Reader {
    fn line(&mut self, text: &[u8], line: usize) -> Result<(), HexProblem> {
        let record = record(text)?;
        if self.ended {
            return Err(HexProblem::AfterEof);
        }
        match record {
            Record::Data { offset, value } => return self.data(offset, &value, line),
            Record::EndOfFile => self.ended = true,
            Record::ExtendedSegmentAddress(base) => self.base = Base::Segment(u64::from(base) << 4),
            Record::ExtendedLinearAddress(base) => self.base = Base::Linear(u64::from(base) << 16),
            Record::StartSegmentAddress { cs, ip } => self.entry = Some((u64::from(cs) << 4) + u64::from(ip)),
            Record::StartLinearAddress(entry) => self.entry = Some(u64::from(entry)),
        }
        Ok(())
    }

    fn data(&mut self, offset: u16, value: &[u8], line: usize) -> Result<(), HexProblem> {
        let offset = u64::from(offset);
        match self.base {
            Base::Segment(base) => {
                let room = (0x1_0000 - offset) as usize;
                let (before, wrapped) = value.split_at(room.min(value.len()));
                self.piece(base + offset, before, line);
                self.piece(base, wrapped, line);
            }
            Base::Linear(base) => {
                if base + offset + value.len() as u64 > 1 << 32 {
                    return Err(HexProblem::PastEnd);
                }
                self.piece(base + offset, value, line);
            }
        }
        Ok(())
    }

    fn piece(&mut self, addr: u64, value: &[u8], line: usize) {
        if value.is_empty() {
            return;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.pieces.push(Piece { addr, line, data: start..self.bytes.len() });
    }

    /// Sorts the pieces, refuses overlaps and joins neighbours.
    fn finish(mut self) -> Result<Image, LoadError> {
        self.pieces.sort_by_key(|p| (p.addr, p.line));
        let mut segments: Vec<Segment> = Vec::new();
        let mut before: Option<&Piece> = None;
        for piece in &self.pieces {
            if let Some(before) = before.filter(|b| b.end() > piece.addr) {
                let (earlier, line) = (before.line.min(piece.line), before.line.max(piece.line));
                return Err(LoadError::Hex {
                    line,
                    problem: HexProblem::Overlap { addr: piece.addr, earlier },
                });
            }
            let data = &self.bytes[piece.data.clone()];
            match segments.last_mut() {
                Some(segment) if segment.end() == piece.addr => segment.data.extend_from_slice(data),
                _ => segments.push(Segment { addr: piece.addr, data: data.to_vec() }),
            }
            before = Some(piece);
        }
        if segments.is_empty() {
            return Err(LoadError::NothingToLoad);
        }
        let symbols = Symbols::default();
        Ok(Image { format: Format::IntelHex, segments, entry: self.entry, arch: None, symbols })
    }
}
