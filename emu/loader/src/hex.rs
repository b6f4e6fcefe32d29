//! Intel HEX (Intel "Hexadecimal Object File Format Specification", revision A, 1988), and the records 0A to 0E of the micro:bit's
//! universal HEX (specification 0.4.0), as DAPLink takes them.

use std::collections::BTreeSet;
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

/// Record types of the universal HEX.
mod universal {
    /// A block begins; two bytes say for which board, uppermost first.
    pub const BLOCK_START: u8 = 0x0a;
    pub const BLOCK_END: u8 = 0x0b;
    /// Fills a block up.
    pub const PADDED_DATA: u8 = 0x0c;
    /// Data for boards whose predecessors must not take them for theirs.
    pub const CUSTOM_DATA: u8 = 0x0d;
    /// For other programs, such as an editor's source text.
    pub const OTHER_DATA: u8 = 0x0e;
}

struct Reader<'a> {
    /// The board's ids; its blocks are taken, the others skipped.
    boards: &'a [u16],
    /// The ids of all blocks.
    blocks: BTreeSet<u16>,
    /// In a block for another board.
    skips: bool,
    base: Base,
    entry: Option<u64>,
    ended: bool,
    pieces: Vec<Piece>,
    bytes: Vec<u8>,
}

pub(crate) fn parse(file: &[u8], boards: &[u16]) -> Result<Image, LoadError> {
    let mut reader = Reader {
        boards,
        blocks: BTreeSet::new(),
        skips: false,
        base: Base::Linear(0),
        entry: None,
        ended: false,
        pieces: Vec::new(),
        bytes: Vec::new(),
    };
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

/// The bytes of a record whose length, digits and checksum are right.
fn bytes_of(text: &str) -> Vec<u8> {
    let digit = |c: u8| (c as char).to_digit(16).unwrap_or(0) as u8;
    text.as_bytes()[1..].chunks_exact(2).map(|c| digit(c[0]) << 4 | digit(c[1])).collect()
}

impl Reader<'_> {
    fn line(&mut self, text: &[u8], line: usize) -> Result<(), HexProblem> {
        // Not ASCII is reported as what it is: characters that are no hexadecimal digits.
        let text = str::from_utf8(text)
            .map_err(|_| HexProblem::Malformed(ReaderError::ContainsInvalidCharacters))?;
        let record = match Record::from_record_string(text) {
            // The crate looks at the type last.
            Err(ReaderError::UnsupportedRecordType(kind)) => Err((kind, bytes_of(text))),
            Err(ReaderError::ChecksumMismatch(computed, found)) => {
                return Err(HexProblem::Checksum { found, computed });
            }
            Err(e) => return Err(HexProblem::Malformed(e)),
            Ok(record) => Ok(record),
        };
        // MakeCode puts its source text behind the end.
        if self.ended && !matches!(record, Err((universal::OTHER_DATA, _))) {
            return Err(HexProblem::AfterEof);
        }
        match record {
            Ok(Record::Data { offset, value }) => return self.data(offset, &value, line),
            Ok(Record::EndOfFile) => self.ended = true,
            Ok(Record::ExtendedSegmentAddress(base)) => self.base = Base::Segment(u64::from(base) << 4),
            Ok(Record::ExtendedLinearAddress(base)) => self.base = Base::Linear(u64::from(base) << 16),
            Ok(Record::StartSegmentAddress { cs, ip }) => self.start((u64::from(cs) << 4) + u64::from(ip)),
            Ok(Record::StartLinearAddress(entry)) => self.start(u64::from(entry)),
            Err((kind, bytes)) => return self.special(kind, &bytes, line),
        }
        Ok(())
    }

    fn start(&mut self, entry: u64) {
        if !self.skips {
            self.entry = Some(entry);
        }
    }

    /// A record of the universal HEX: length, offset, type, data, checksum.
    fn special(&mut self, kind: u8, record: &[u8], line: usize) -> Result<(), HexProblem> {
        let (offset, data) = (u16::from_be_bytes([record[1], record[2]]), &record[4..record.len() - 1]);
        match kind {
            universal::BLOCK_START => {
                let id =
                    data.first_chunk().ok_or(HexProblem::Malformed(ReaderError::InvalidLengthForType))?;
                let id = u16::from_be_bytes(*id);
                self.blocks.insert(id);
                self.skips = !self.boards.contains(&id);
            }
            universal::BLOCK_END => self.skips = false,
            universal::CUSTOM_DATA => return self.data(offset, data, line),
            universal::PADDED_DATA | universal::OTHER_DATA => {}
            _ => return Err(HexProblem::RecordType(kind)),
        }
        Ok(())
    }

    fn data(&mut self, offset: u16, value: &[u8], line: usize) -> Result<(), HexProblem> {
        if self.skips {
            return Ok(());
        }
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
        if !self.blocks.is_empty() && !self.boards.iter().any(|id| self.blocks.contains(id)) {
            return Err(LoadError::OtherBoards(self.blocks.into_iter().collect()));
        }
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
        Ok(Image { format: Format::IntelHex, segments, entry: self.entry, arch: None, arm: None, symbols })
    }
}
