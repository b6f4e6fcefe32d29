//! The vectors that `make_vectors.py` computed with rational numbers.

use super::super::*;

const TABLE: &str = include_str!("vectors.txt");

fn env(mode: &str, bits: &str) -> Env {
    let bit = |i: usize| bits.as_bytes()[i] == b'1';
    Env {
        rounding: match mode {
            "RN" => Round::NearestEven,
            "RP" => Round::Up,
            "RM" => Round::Down,
            "RZ" => Round::TowardZero,
            "RA" => Round::NearestAway,
            other => panic!("mode {other}"),
        },
        flush_to_zero: bit(0),
        default_nan: bit(1),
        ahp: bit(2),
        ..Env::default()
    }
}

fn int_type(name: &str) -> IntType {
    let bits = name[1..].parse().unwrap();
    IntType { signed: name.starts_with('s'), bits }
}

fn run<F: Format>(e: &mut Env, op: &str, kind: &str, x: &[u64]) -> u64 {
    let mode = e.rounding;
    match op {
        "add" => add::<F>(e, x[0], x[1]),
        "sub" => sub::<F>(e, x[0], x[1]),
        "mul" => mul::<F>(e, x[0], x[1]),
        "div" => div::<F>(e, x[0], x[1]),
        "sqrt" => sqrt::<F>(e, x[0]),
        "fma" => mul_add::<F>(e, x[0], x[1], x[2]),
        "cmp" => u64::from(compare::<F>(e, x[0], x[1], false).nzcv()),
        "cmpe" => u64::from(compare::<F>(e, x[0], x[1], true).nzcv()),
        "toint" => to_fixed::<F>(e, x[0], int_type(kind), x[1] as u32, mode),
        "fromint" if kind == "s64" => from_signed::<F>(e, x[0] as i64, x[1] as u32, mode),
        "fromint" => from_unsigned::<F>(e, x[0], x[1] as u32, mode),
        "rint" => round_to_integral::<F>(e, x[0], mode, false),
        "rintx" => round_to_integral::<F>(e, x[0], mode, true),
        other => panic!("operation {other}"),
    }
}

fn run_convert(e: &mut Env, pair: &str, a: u64) -> u64 {
    match pair {
        "h.s" => from_half::<F32>(e, a),
        "h.d" => from_half::<F64>(e, a),
        "s.h" => to_half::<F32>(e, a),
        "d.h" => to_half::<F64>(e, a),
        "s.d" => convert::<F32, F64>(e, a),
        "d.s" => convert::<F64, F32>(e, a),
        other => panic!("conversion {other}"),
    }
}

/// Runs one line; `Some(complaint)` if it disagrees.
fn check(line: &str) -> Option<String> {
    let (call, answer) = line.split_once(" = ").unwrap();
    let mut words = call.split(' ');
    let name = words.next().unwrap();
    let mut e = env(words.next().unwrap(), words.next().unwrap());
    let hex = |word| u64::from_str_radix(word, 16).unwrap();
    let operands: Vec<u64> = words.map(hex).collect();
    let (op, rest) = name.split_once('.').unwrap();
    let (format, kind) = rest.split_once('.').unwrap_or((rest, ""));
    let got = match (op, format) {
        ("cvt", _) => run_convert(&mut e, rest, operands[0]),
        (_, "h") => run::<F16>(&mut e, op, kind, &operands),
        (_, "s") => run::<F32>(&mut e, op, kind, &operands),
        _ => run::<F64>(&mut e, op, kind, &operands),
    };
    let got = format!("{got:x} {:x}", e.flags.bits());
    (got != answer).then(|| format!("{line}: got {got}"))
}

#[test]
fn vectors_from_rational_arithmetic() {
    let wrong: Vec<String> = TABLE.lines().filter_map(check).collect();
    assert!(TABLE.lines().count() >= 1000, "the table is there");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong[..wrong.len().min(30)].join("\n"));
}
