//! Intel HEX files, good and bad.

mod common;

use common::{EOF, record};
use emu_loader::{HexProblem, Image, LoadError, load, load_for};
use ihex::ReaderError;

fn parse(parts: &[String]) -> Result<Image, LoadError> {
    load((parts.concat() + EOF).as_bytes(), None)
}

fn segments(image: &Image) -> Vec<(u64, &[u8])> {
    image.segments.iter().map(|s| (s.addr, s.data.as_slice())).collect()
}

fn problem(text: &str) -> (usize, HexProblem) {
    match load(text.as_bytes(), None) {
        Err(LoadError::Hex { line, problem }) => (line, problem),
        other => panic!("{other:?}"),
    }
}

#[test]
fn records_join_and_gaps_part() {
    let image = parse(&[record(0, 0x10, &[1, 2]), record(0, 0x12, &[3]), record(0, 0x20, &[4])]).unwrap();
    assert_eq!(segments(&image), [(0x10, &[1, 2, 3][..]), (0x20, &[4][..])]);
}

#[test]
fn records_in_any_order() {
    let image = parse(&[record(0, 0x12, &[3]), record(0, 0x20, &[4]), record(0, 0x10, &[1, 2])]).unwrap();
    assert_eq!(segments(&image), [(0x10, &[1, 2, 3][..]), (0x20, &[4][..])]);
}

#[test]
fn linear_base_is_the_upper_half() {
    let image = parse(&[
        record(4, 0, &[0x10, 0x00]),
        record(0, 0x1014, &[0xff]),
        record(4, 0, &[0, 1]),
        record(0, 0xffff, &[1, 2]),
    ]);
    assert_eq!(segments(&image.unwrap()), [(0x1_ffff, &[1, 2][..]), (0x1000_1014, &[0xff][..])]);
}

#[test]
fn segment_base_wraps_within_its_64_kib() {
    let image = parse(&[record(2, 0, &[0x12, 0x34]), record(0, 0xfffe, &[1, 2, 3, 4])]).unwrap();
    assert_eq!(segments(&image), [(0x12340, &[3, 4][..]), (0x2233e, &[1, 2][..])]);
}

#[test]
fn start_records_give_the_entry() {
    let data = record(0, 0, &[1]);
    assert_eq!(parse(&[data.clone(), record(5, 0, &[0, 1, 0x80, 0xc1])]).unwrap().entry, Some(0x180c1));
    assert_eq!(parse(&[data.clone(), record(3, 0, &[0x12, 0x34, 0, 5])]).unwrap().entry, Some(0x12345));
    assert_eq!(parse(&[data]).unwrap().entry, None);
}

#[test]
fn line_ends_blank_lines_and_lower_case() {
    let text = format!("\u{feff}\r\n\n  {}\r\n\r\n{}", record(0, 0xab, &[0xcd]).trim(), EOF.trim());
    let image = load(text.to_lowercase().as_bytes(), None).unwrap();
    assert_eq!(segments(&image), [(0xab, &[0xcd][..])]);
}

#[test]
fn bad_checksum_names_the_line_and_the_right_one() {
    let good = record(0, 0, &[1, 2, 3]);
    let text = good.clone() + &good.replace("F7", "F8") + EOF;
    assert!(text.contains(":03000000010203F8"), "{text}");
    let (line, what) = problem(&text.replacen(&good, &record(0, 16, &[1]), 1));
    assert_eq!((line, &what), (2, &HexProblem::Checksum { found: 0xf8, computed: 0xf7 }));
    assert_eq!(what.to_string(), "checksum is F8, should be F7");
}

#[test]
fn missing_and_early_end() {
    let data = record(0, 0, &[1]);
    assert_eq!(problem(&data), (1, HexProblem::MissingEof));
    assert_eq!(problem(&format!("{data}{EOF}{data}")), (3, HexProblem::AfterEof));
    assert_eq!(load(EOF.as_bytes(), None), Err(LoadError::NothingToLoad));
}

#[test]
fn overlap_names_both_lines() {
    let text = record(0, 0x100, &[1; 16]) + &record(0, 0x200, &[1; 4]) + &record(0, 0x10f, &[2]) + EOF;
    assert_eq!(problem(&text), (3, HexProblem::Overlap { addr: 0x10f, earlier: 1 }));
    let text = record(0, 0x10f, &[2]) + &record(0, 0x100, &[1; 16]) + EOF;
    assert_eq!(problem(&text), (2, HexProblem::Overlap { addr: 0x10f, earlier: 1 }));
}

#[test]
fn data_past_the_end_of_the_address_space() {
    let top = record(4, 0, &[0xff, 0xff]);
    assert_eq!(parse(&[top.clone(), record(0, 0xfffe, &[1, 2])]).unwrap().segments[0].end(), 1 << 32);
    assert_eq!(problem(&(top + &record(0, 0xfffe, &[1, 2, 3]) + EOF)), (2, HexProblem::PastEnd));
}

#[test]
fn malformed_lines() {
    let malformed =
        |text: &str, error| assert_eq!(problem(text), (1, HexProblem::Malformed(error)), "{text}");
    malformed(":0", ReaderError::RecordTooShort);
    malformed(":00000001F", ReaderError::RecordTooShort);
    malformed(":00000001FFF", ReaderError::RecordNotEvenLength);
    malformed(":0000zz01FF", ReaderError::ContainsInvalidCharacters);
    malformed(":0000\u{e9}01FF", ReaderError::ContainsInvalidCharacters);
    malformed(":02000000FFFF", ReaderError::PayloadLengthMismatch);
    malformed(&record(4, 0, &[1]), ReaderError::InvalidLengthForType);
    malformed(&format!(":{}", "0".repeat(600)), ReaderError::RecordTooLong);
    malformed(&record(0x0a, 0, &[0x99]), ReaderError::InvalidLengthForType);
    assert_eq!(problem(&record(0x0f, 0, &[0x99, 0])), (1, HexProblem::RecordType(0x0f)));
    let garbage = format!("{}hello\n{EOF}", record(0, 0, &[1]));
    assert_eq!(problem(&garbage), (2, HexProblem::Malformed(ReaderError::MissingStartCode)));
}

#[test]
fn bytes_that_are_not_text() {
    assert_eq!(
        load(b":00\xff\xfe", None).unwrap_err().to_string().split(':').next(),
        Some("Intel HEX line 1")
    );
}

/// What the micro:bit's editors make: MakeCode puts its source text behind the program, the universal HEX holds a part for each
/// version of the board, in blocks of half a kilobyte or in one section each.
#[test]
fn mend_records_of_the_universal_hex() {
    const V1: [u16; 2] = [0x9900, 0x9901];
    const V2: [u16; 4] = [0x9903, 0x9904, 0x9905, 0x9906];
    let upper = |n: u8| record(4, 0, &[0, n]);
    let start = |id: u16| record(0x0a, 0, &[&id.to_be_bytes()[..], &[0xc0, 0xde]].concat());
    let (end, pad) = (record(0x0b, 0, &[0xff; 4]), record(0x0c, 0, &[0xff; 16]));
    let source = record(0x0e, 0, b"MakeCode");
    let plain = [upper(0), record(0, 0, &[1, 2]), source.clone()].concat();
    assert_eq!(segments(&parse(std::slice::from_ref(&plain)).unwrap()), [(0, &[1, 2][..])]);
    let behind = plain.clone() + EOF + &source;
    assert_eq!(segments(&load(behind.as_bytes(), None).unwrap()), [(0, &[1, 2][..])]);
    assert_eq!(problem(&(behind + &record(0, 8, &[1]))), (6, HexProblem::AfterEof));

    // The two parts overlap, and only the first half of the file says where the second board's data go.
    let parts = [
        upper(0),
        start(0x9900),
        record(0, 0, &[1; 16]),
        pad.clone(),
        end.clone(),
        upper(1),
        start(0x9900),
        record(0, 4, &[1; 4]),
        record(5, 0, &[0, 0, 0, 0x11]),
        end.clone(),
        upper(0),
        start(0x9903),
        record(0x0d, 0, &[2; 24]),
        record(5, 0, &[0, 0, 0, 0x21]),
        pad,
        end,
        source,
    ];
    let file = parts.concat() + EOF;
    let of = |ids: &[u16]| load_for(file.as_bytes(), None, ids);
    let (v1, v2) = (of(&V1).unwrap(), of(&V2).unwrap());
    assert_eq!((segments(&v1), v1.entry), (vec![(0, &[1; 16][..]), (0x1_0004, &[1; 4][..])], Some(0x11)));
    assert_eq!((segments(&v2), v2.entry), (vec![(0, &[2; 24][..])], Some(0x21)));
    for ids in [&[][..], &[0x1234][..]] {
        let said = of(ids).unwrap_err();
        assert_eq!(said, LoadError::OtherBoards(vec![0x9900, 0x9903]));
        assert!(said.to_string().contains("9900, 9903"), "{said}");
    }
}
