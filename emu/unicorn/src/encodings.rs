//! Every encoding class as a bit pattern: one row per class, named as in the ARMv6-M and ARMv7-M Architecture Reference
//! Manuals (A6.7, A7.7).
//!
//! A pattern gives each bit as `0`, `1` or the letter of a field; a field may be in pieces, the leftmost being its top.
//! Some letters tell how an operand must be prepared: `b` is a base register and points into the data region, `x` an index
//! register and is small, `j` a register jumped to and holds a code address.
//!
//! Rules are words that keep an instruction predictable, and hints:
//! - `d!13,15` the field is none of these; `d!m` two fields differ; `n=m` they are equal
//! - `i>0`, `c<14`, `i+w<32`, `m>=i`, `n|m>7` (at least one of them is above)
//! - `#name` a predicate of its own, see [`Fields::holds`]
//! - `@branch` may leave the sequence, `@noit` is not allowed in an IT block, `@pc` loads the pc from memory, `@aligned`
//!   faults if its address is not a multiple of four, `@evenpc` must itself stand at such an address, `@fpscr` writes FPSCR,
//!   `@nearest` is compared in the mode round to nearest only, `@memory` touches memory though no field is a base, `@shift` has a shift type `t` and amount `i` to be swept

mod dsp;
mod thumb16;
mod thumb32;
mod vfp;

use crate::Core;

/// The cores that have an encoding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Set {
    /// v6-M and all later ones.
    V6M,
    /// v7-M: M3, M4, M7.
    V7M,
    /// The DSP extension: M4, M7.
    Dsp,
    /// FPv4-SP: M4, M7.
    Fp,
    /// FPv5 and double precision: M7.
    Fp5,
}

impl Set {
    /// Whether `core` is one of them.
    pub fn has(self, core: Core) -> bool {
        match self {
            Set::V6M => true,
            Set::V7M => core != Core::M0,
            Set::Dsp | Set::Fp => core.has_fpu(),
            Set::Fp5 => core == Core::M7,
        }
    }
}

/// One encoding class.
#[derive(Clone, Debug)]
pub struct Encoding {
    /// Mnemonic, variant and encoding, as `ADC_reg_T1`.
    pub name: String,
    /// 16 or 32 bits, see the module's documentation.
    pub pattern: String,
    /// Who has it.
    pub on: Set,
    /// Constraints and hints.
    pub rules: String,
    /// The bits that are fixed.
    pub mask: u32,
    /// Their value.
    pub value: u32,
}

impl Encoding {
    fn new(name: impl Into<String>, pattern: impl Into<String>, on: Set, rules: &str) -> Encoding {
        let (name, pattern) = (name.into(), pattern.into().replace(' ', ""));
        assert!(pattern.len() == 16 || pattern.len() == 32, "{name}: {} bits", pattern.len());
        let pick = |f: fn(char) -> bool| pattern.chars().fold(0, |bits, c| bits << 1 | u32::from(f(c)));
        let mask = pick(|c| c == '0' || c == '1');
        let value = pick(|c| c == '1');
        Encoding { name, pattern, on, rules: rules.into(), mask, value }
    }

    /// Whether it takes two halfwords.
    pub fn is_wide(&self) -> bool {
        self.pattern.len() == 32
    }

    /// Whether a rule or hint is among the rules.
    pub fn says(&self, word: &str) -> bool {
        self.rules.split_whitespace().any(|w| w == word)
    }

    /// Whether the pattern has the field.
    pub fn has_field(&self, letter: char) -> bool {
        self.pattern.contains(letter)
    }

    /// Whether it neither touches memory nor leaves the sequence.
    pub fn is_plain(&self) -> bool {
        !["@branch", "@pc", "@memory"].iter().any(|w| self.says(w))
            && !self.has_field('b')
            && !self.has_field('j')
    }

    /// The fields of `bits`.
    pub fn fields(&self, bits: u32) -> Fields {
        let mut fields = Fields([None; 26]);
        for (at, c) in self.pattern.chars().enumerate().filter(|(_, c)| c.is_ascii_lowercase()) {
            let bit = bits >> (self.pattern.len() - 1 - at) & 1;
            let field = &mut fields.0[c as usize - 'a' as usize];
            *field = Some(field.unwrap_or(0) << 1 | bit);
        }
        fields
    }

    /// `bits` with one field replaced.
    pub fn with(&self, bits: u32, letter: char, value: u32) -> u32 {
        let places: Vec<usize> = self
            .pattern
            .char_indices()
            .filter(|(_, c)| *c == letter)
            .map(|(at, _)| self.pattern.len() - 1 - at)
            .collect();
        let width = places.len();
        places.iter().enumerate().fold(bits, |bits, (n, place)| {
            let bit = value >> (width - 1 - n) & 1;
            bits & !(1 << place) | bit << place
        })
    }

    /// Whether `bits` is of this class and predictable.
    pub fn allows(&self, bits: u32) -> bool {
        bits & self.mask == self.value && {
            let fields = self.fields(bits);
            self.rules.split_whitespace().all(|rule| fields.holds(rule))
        }
    }
}

/// The fields of one instruction by letter.
#[derive(Clone, Copy, Debug)]
pub struct Fields([Option<u32>; 26]);

impl Fields {
    /// The value of a field, if the pattern has it.
    pub fn get(&self, letter: char) -> Option<u32> {
        self.0.get((letter as usize).wrapping_sub('a' as usize)).copied().flatten()
    }

    fn value(&self, name: &str) -> u32 {
        let letter = name.chars().next().unwrap_or('?');
        self.get(letter).or_else(|| name.parse().ok()).unwrap_or_else(|| panic!("no field or number {name}"))
    }

    /// Whether one rule holds. Hints always do; a rule that cannot be read is a mistake in a table and panics.
    pub fn holds(&self, rule: &str) -> bool {
        if rule.starts_with('@') {
            return true;
        }
        if let Some(name) = rule.strip_prefix('#') {
            return self.special(name);
        }
        let split = |by: &str| rule.split_once(by);
        if let Some((field, others)) = split("!") {
            others.split(',').all(|other| self.value(field) != self.value(other))
        } else if let Some((a, b)) = split(">=") {
            self.value(a) >= self.value(b)
        } else if let Some((fields, limit)) = split(">") {
            fields.split('|').any(|field| self.value(field) > self.value(limit))
        } else if let Some((fields, limit)) = split("<") {
            fields.split('+').map(|field| self.value(field)).sum::<u32>() < self.value(limit)
        } else if let Some((a, b)) = split("=") {
            self.value(a) == self.value(b)
        } else {
            panic!("rule {rule} cannot be read")
        }
    }

    fn special(&self, name: &str) -> bool {
        let field = |letter| self.get(letter).unwrap_or(0);
        let (base, list, writes_back) = (field('b'), field('r'), field('w') == 1);
        match name {
            // ThumbExpandImm: a pattern of several bytes must not be built from zero.
            "modimm" => field('i') >> 10 != 0 || field('i') >> 8 == 0 || field('i') & 0xff != 0,
            // P, U, W of the 8-bit offset forms: 110 is the unprivileged form, P = W = 0 is undefined.
            "puw" => field('p') | field('w') != 0 && (field('p'), field('a'), field('w')) != (1, 1, 0),
            "list2" => list.count_ones() >= 2,
            // The base is written back, so it must not be loaded or stored as well.
            "base" => !writes_back || !self.listed(base),
            "base16" => list >> base & 1 == 0 || list.trailing_zeros() == base,
            "nobase16" => list >> base & 1 == 0,
            // Without write-back the base may be any field that is not also written.
            "wbase" => !writes_back || field('t') != base && self.get('u') != Some(base),
            "vlist" => {
                // The register number is Vd:D, the field D:Vd.
                let first = (field('d') & 15) << 1 | field('d') >> 4;
                field('i') >= 1 && first + field('i') <= 32
            }
            "vlist64" => {
                let doubles = field('i');
                doubles >= 1 && field('d') + doubles <= 16
            }
            // P, U, W of VLDM and VSTM: increment after, or decrement before with write-back.
            "vpuw" => matches!((field('p'), field('a'), field('w')), (0, 1, _) | (1, 0, 1)),
            // A branch a few bytes back would be a loop.
            "away" => field('i') & 0xff < 0xf8,
            // Fraction bits of a fixed-point conversion: 16 or 32 less the immediate imm4:i, whose field is i:imm4.
            "fixed" => field('f') == 1 || (field('i') & 15) << 1 | field('i') >> 4 <= 16,
            _ => panic!("no predicate {name}"),
        }
    }

    /// Whether a register is in a wide register list, whose bit 13 (the SP) is not a field.
    fn listed(&self, register: u32) -> bool {
        let list = self.get('r').unwrap_or(0);
        let wide = if list >> 13 != 0 { list & 0x1fff | (list >> 13) << 14 } else { list };
        wide >> register & 1 != 0
    }
}

/// All rows.
pub fn all() -> Vec<Encoding> {
    [thumb16::rows(), thumb32::rows(), dsp::rows(), vfp::rows()].concat()
}

/// The rows that `core` has.
pub fn of(core: Core) -> Vec<Encoding> {
    all().into_iter().filter(|row| row.on.has(core)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_no_twin() {
        let rows = all();
        for (n, a) in rows.iter().enumerate() {
            for b in &rows[n + 1..] {
                assert!(a.name != b.name, "{} twice", a.name);
                assert!(
                    a.is_wide() != b.is_wide() || (a.mask, a.value) != (b.mask, b.value),
                    "{} {}",
                    a.name,
                    b.name
                );
            }
        }
    }

    #[test]
    fn rules_can_be_read_and_leave_something() {
        let mut rng = crate::cases::Rng::new("rules");
        for row in all() {
            assert!(row.is_wide() == (row.value >> 27 >= 0b11101), "{}: size", row.name);
            assert!(
                (0..5000).any(|_| row.allows(row.value | rng.next32() & !row.mask)),
                "{}: nothing allowed",
                row.name
            );
        }
    }

    #[test]
    fn fields_in_pieces() {
        let row = Encoding::new("x", "01000101nmmmmnnn", Set::V6M, "n|m>7 n!15 m!15");
        let bits = 0b0100_0101_1001_1010;
        assert_eq!(row.fields(bits).get('n'), Some(0b1010));
        assert_eq!(row.fields(bits).get('m'), Some(3));
        assert!(row.allows(bits));
        assert!(!row.allows(bits & !0x80), "both low");
        assert_eq!(row.with(bits, 'n', 0b0101) & 0x87, 0b101);
    }
}
