//! Values and how they compare.

use devices::source::{Tab, nearest};
use std::fmt;

/// A whole or a broken number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Whole.
    Int(i128),
    /// Broken.
    Float(f64),
}

impl Number {
    fn float(self) -> f64 {
        match self {
            Number::Int(i) => i as f64,
            Number::Float(f) => f,
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Int(i) => write!(f, "{i}"),
            Number::Float(x) => write!(f, "{x}"),
        }
    }
}

/// How a value compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `==`
    Equals,
    /// `!=`
    Not,
    /// `>=`
    AtLeast,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `<`
    Below,
}

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compare {
    /// How.
    pub op: Op,
    /// With what.
    pub value: Number,
}

/// Operators as keys and as signs; two signs before one.
const OPS: [(&str, &str, Op); 6] = [
    ("equals", "==", Op::Equals),
    ("not", "!=", Op::Not),
    ("at-least", ">=", Op::AtLeast),
    ("at-most", "<=", Op::AtMost),
    ("above", ">", Op::Above),
    ("below", "<", Op::Below),
];

impl Compare {
    /// Whether `value` is as wanted.
    pub fn holds(&self, value: Number) -> bool {
        let order = match (value, self.value) {
            (Number::Int(a), Number::Int(b)) => Some(a.cmp(&b)),
            (a, b) => a.float().partial_cmp(&b.float()),
        };
        let Some(order) = order else { return self.op == Op::Not };
        match self.op {
            Op::Equals => order.is_eq(),
            Op::Not => order.is_ne(),
            Op::AtLeast => order.is_ge(),
            Op::AtMost => order.is_le(),
            Op::Above => order.is_gt(),
            Op::Below => order.is_lt(),
        }
    }

    /// The comparisons that a table has as keys.
    pub(super) fn read(tab: &Tab) -> Vec<Compare> {
        let mut all = vec![];
        for (key, _, op) in OPS {
            let value = if tab.is_int(key) {
                tab.int(key).map(|i| Number::Int(i.into()))
            } else {
                tab.float(key).map(Number::Float)
            };
            if let Some(Number::Float(x)) = value
                && !x.is_finite()
            {
                tab.report(key, format!("`{key}` is a finite number"), None);
            }
            all.extend(value.map(|value| Compare { op, value }));
        }
        all
    }

    /// The same; none at all is a mistake.
    pub(super) fn need(tab: &Tab) -> Option<Vec<Compare>> {
        let all = Compare::read(tab);
        if !OPS.iter().any(|o| tab.has(o.0)) {
            tab.report_here(
                "what is wanted is missing: equals, not, at-least, at-most, above or below",
                None,
            );
        }
        (!all.is_empty()).then_some(all)
    }

    /// `LEFT OP NUMBER`: what stands left and the comparison.
    pub(super) fn parse(text: &str) -> Result<(&str, Compare), String> {
        let form = || format!("`{text}` is no comparison, such as counter == 5");
        let signs = OPS.iter().filter_map(|(_, sign, op)| Some((text.find(sign)?, *sign, *op)));
        let (at, sign, op) = signs.min_by_key(|(at, sign, _)| (*at, 2 - sign.len())).ok_or_else(form)?;
        let (left, right) = (text[..at].trim(), text[at + sign.len()..].trim());
        let value = number(right).ok_or_else(form)?;
        if left.is_empty() { Err(form()) } else { Ok((left, Compare { op, value })) }
    }
}

/// `5`, `-7`, `0x20`, `2.5`.
fn number(text: &str) -> Option<Number> {
    if let Some(hex) = text.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok().map(|v| Number::Int(v.into()));
    }
    let int = text.parse::<i64>().ok().map(|v| Number::Int(v.into()));
    int.or_else(|| text.parse().ok().filter(|x: &f64| x.is_finite()).map(Number::Float))
}

impl fmt::Display for Compare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = OPS.iter().find(|o| o.2 == self.op).map_or("", |o| o.1);
        write!(f, "{sign} {}", self.value)
    }
}

/// All of them, for people.
pub(super) fn list(all: &[Compare]) -> String {
    all.iter().map(Compare::to_string).collect::<Vec<_>>().join(" and ")
}

/// What a value in memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Unsigned, as large as the symbol if that has 1, 2, 4 or 8 bytes, else of 4.
    Natural,
    /// Unsigned of so many bytes.
    Unsigned(u8),
    /// Signed of so many bytes.
    Signed(u8),
    /// IEEE 754, of 4 or 8 bytes.
    Float(u8),
}

const TYPES: [(&str, Type); 11] = [
    ("u8", Type::Unsigned(1)),
    ("u16", Type::Unsigned(2)),
    ("u32", Type::Unsigned(4)),
    ("u64", Type::Unsigned(8)),
    ("i8", Type::Signed(1)),
    ("i16", Type::Signed(2)),
    ("i32", Type::Signed(4)),
    ("i64", Type::Signed(8)),
    ("f32", Type::Float(4)),
    ("f64", Type::Float(8)),
    ("bool", Type::Unsigned(1)),
];

impl Type {
    pub(super) fn read(tab: &Tab) -> Option<Type> {
        let name = tab.str("type")?;
        let found = TYPES.iter().find(|t| t.0 == name);
        if found.is_none() {
            let help = nearest(name, TYPES.iter().map(|t| t.0));
            tab.report("type", format!("no type is called `{name}`"), help);
        }
        found.map(|t| t.1)
    }

    /// Bytes, for a symbol of `symbol` bytes.
    pub(super) fn size(self, symbol: u64) -> u8 {
        match self {
            Type::Natural if matches!(symbol, 1 | 2 | 4 | 8) => symbol as u8,
            Type::Natural => 4,
            Type::Unsigned(n) | Type::Signed(n) | Type::Float(n) => n,
        }
    }

    /// The value of little-endian bytes: `bytes` holds eight, of which `size` count.
    pub(super) fn value(self, bytes: [u8; 8], size: u8) -> Number {
        let raw = u64::from_le_bytes(bytes);
        let unused = 64 - 8 * u32::from(size.clamp(1, 8));
        match self {
            Type::Float(4) => Number::Float(f32::from_bits(raw as u32).into()),
            Type::Float(_) => Number::Float(f64::from_bits(raw)),
            Type::Signed(_) => Number::Int((((raw << unused) as i64) >> unused).into()),
            _ => Number::Int((raw << unused >> unused).into()),
        }
    }

    /// `want` as a value of this type can be: `f32` is coarser than a number in a file, and where no type is given a
    /// negative number means the same bits.
    pub(super) fn fitted(self, want: Compare, size: u8) -> Compare {
        let value = match (self, want.value) {
            (Type::Float(4), value) => Number::Float((value.float() as f32).into()),
            (Type::Natural, Number::Int(i)) if i < 0 && matches!(want.op, Op::Equals | Op::Not) => {
                Number::Int(i + (1 << (8 * u32::from(size))))
            }
            (_, value) => value,
        };
        Compare { value, ..want }
    }
}
