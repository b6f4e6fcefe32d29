//! Changes to an input, by a seed: of lines and words where it is text, of bytes where it is not.

/// SplitMix64.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
    /// Below `n`, which is not zero.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// Values that tend to be wrong.
const VALUES: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "31",
    "32",
    "255",
    "256",
    "65535",
    "65536",
    "0xffffffff",
    "0x100000000",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "0.5",
    "-0.0",
    "1e300",
    "nan",
    "inf",
    "\"\"",
    "[]",
    "{}",
    "true",
    "\"1ns\"",
    "\"100000000h\"",
    "[0, 0, 0]",
    "[nan, 1, 2]",
    "1000000000",
    "999999999999",
];

/// One to four changes.
pub fn mutate(data: &[u8], seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed);
    let mut data = data.to_vec();
    for _ in 0..=dice.below(4) {
        data = match std::str::from_utf8(&data) {
            Ok(text) if !text.is_empty() && dice.below(8) > 0 => change_text(text, &mut dice).into_bytes(),
            _ => change_bytes(data, &mut dice),
        };
    }
    data
}

fn change_bytes(mut data: Vec<u8>, dice: &mut Dice) -> Vec<u8> {
    let (at, value) = (dice.below(data.len()), dice.next() as u8);
    match dice.below(7) {
        _ if data.is_empty() => data.push(value),
        0 => data[at] = value,
        1 => data[at] ^= 1 << (value % 8),
        2 => data[at] = [0, 1, 0x7f, 0x80, 0xff][usize::from(value) % 5],
        3 => data.insert(at, value),
        4 => drop(data.remove(at)),
        5 => data[at..].iter_mut().take(4).for_each(|b| *b = 0xff),
        _ => data.truncate(at),
    }
    data
}

fn change_text(text: &str, dice: &mut Dice) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let (at, other) = (dice.below(lines.len()), dice.below(lines.len()));
    let Some(line) = lines.get(at).copied() else { return text.into() };
    let changed;
    match dice.below(8) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(other, line),
        2 => lines.swap(at, other),
        3 => {
            // A whole table goes elsewhere, or comes twice.
            let end = (at + 1..lines.len()).find(|i| lines[*i].starts_with('[')).unwrap_or(lines.len());
            let part = lines[at..end].to_vec();
            let to = dice.below(lines.len());
            lines.splice(to..to, part);
        }
        4 | 5 => {
            changed = value(line, lines[other], dice);
            lines[at] = &changed;
        }
        _ => {
            changed = word(line, lines[other], dice);
            lines[at] = &changed;
        }
    }
    lines.join("\n") + "\n"
}

/// Another value behind the same key: one that tends to be wrong, or another key's.
fn value(line: &str, other: &str, dice: &mut Dice) -> String {
    let Some((key, _)) = line.split_once('=') else { return line.into() };
    match other.split_once('=') {
        Some((_, v)) if dice.below(3) == 0 => format!("{key}={v}"),
        _ => format!("{key}= {}", VALUES[dice.below(VALUES.len())]),
    }
}

/// A word of the line is exchanged for a word of another, or for a number.
fn word(line: &str, other: &str, dice: &mut Dice) -> String {
    let words = |s: &str| -> Vec<std::ops::Range<usize>> {
        let inside = |c: char| c.is_alphanumeric() || "_-+.".contains(c);
        let mut all: Vec<std::ops::Range<usize>> = vec![];
        for (i, c) in s.char_indices().filter(|(_, c)| inside(*c)) {
            match all.last_mut() {
                Some(w) if w.end == i => w.end = i + c.len_utf8(),
                _ => all.push(i..i + c.len_utf8()),
            }
        }
        all
    };
    let (mine, theirs) = (words(line), words(other));
    let Some(at) = mine.get(dice.below(mine.len())).cloned() else { return line.into() };
    let new = match theirs.get(dice.below(theirs.len())) {
        Some(w) if dice.below(3) > 0 => &other[w.clone()],
        _ => VALUES[dice.below(VALUES.len())],
    };
    format!("{}{new}{}", &line[..at.start], &line[at.end..])
}
