//! Semihosting calls, one by one.

use std::collections::VecDeque;

use emu_core::Time;
use emu_debug::semihost::{Env, Guest, HeapInfo, Outcome, Semihost};
use proptest::prelude::*;

const BASE: u64 = 0x2000_0000;
const EXIT: u64 = 0x20026;
const FAIL: Outcome = Outcome::Value(0xffff_ffff);

struct Fake {
    mem: Vec<u8>,
    out: Vec<u8>,
    input: VecDeque<u8>,
}

impl Fake {
    fn place(&mut self, addr: u64) -> &mut [u8] {
        let at = addr.checked_sub(BASE).and_then(|a| usize::try_from(a).ok());
        at.and_then(|at| self.mem.get_mut(at..)).unwrap_or_default()
    }
}

impl Guest for Fake {
    fn read_mem(&mut self, addr: u64, out: &mut [u8]) -> usize {
        let bytes = self.place(addr);
        let n = bytes.len().min(out.len());
        out[..n].copy_from_slice(&bytes[..n]);
        n
    }
    fn write_mem(&mut self, addr: u64, bytes: &[u8]) -> bool {
        let place = self.place(addr);
        let fits = place.len() >= bytes.len();
        if fits {
            place[..bytes.len()].copy_from_slice(bytes);
        }
        fits
    }
    fn put(&mut self, bytes: &[u8]) {
        self.out.extend(bytes);
    }
    fn get(&mut self) -> Option<u8> {
        self.input.pop_front()
    }
}

struct Rig {
    semihost: Semihost,
    guest: Fake,
    env: Env<'static>,
}

impl Rig {
    fn new(word: usize) -> Self {
        let heap = HeapInfo {
            heap_base: BASE + 0x100,
            heap_limit: BASE + 0x200,
            stack_base: BASE + 0x400,
            stack_limit: 0,
        };
        let env = Env { word, now: Time::ms(2_345), epoch: 1_000_000_000, cmdline: "prog -x", heap };
        let guest = Fake { mem: vec![0xee; 0x400], out: vec![], input: VecDeque::new() };
        Rig { semihost: Semihost::default(), guest, env }
    }

    fn call(&mut self, op: u64, arg: u64) -> Outcome {
        self.semihost.call(op, arg, &self.env, &mut self.guest)
    }

    /// Calls with a parameter block.
    fn block(&mut self, op: u64, fields: &[u64]) -> Outcome {
        for (n, field) in fields.iter().enumerate() {
            self.poke(BASE + (n * self.env.word) as u64, &field.to_le_bytes()[..self.env.word]);
        }
        self.call(op, BASE)
    }

    fn poke(&mut self, addr: u64, bytes: &[u8]) {
        assert!(self.guest.write_mem(addr, bytes));
    }

    fn peek(&mut self, addr: u64, len: usize) -> Vec<u8> {
        self.guest.place(addr)[..len].to_vec()
    }

    fn open(&mut self, name: &str, mode: u64) -> Outcome {
        self.poke(BASE + 0x80, name.as_bytes());
        self.block(0x01, &[BASE + 0x80, mode, name.len() as u64])
    }

    fn opened(&mut self, name: &str, mode: u64) -> u64 {
        match self.open(name, mode) {
            Outcome::Value(handle) if Outcome::Value(handle) != FAIL => handle,
            other => panic!("{other:?}"),
        }
    }

    fn errno(&mut self) -> Outcome {
        self.call(0x13, 0)
    }
}

#[test]
fn write0_and_writec() {
    let mut rig = Rig::new(4);
    let long = "x".repeat(200) + "\0rest";
    rig.poke(BASE, long.as_bytes());
    assert_eq!(rig.call(0x04, BASE), Outcome::Value(0));
    assert_eq!(rig.guest.out, "x".repeat(200).as_bytes());
    assert_eq!(rig.call(0x03, BASE + 201), Outcome::Value(0));
    assert_eq!(rig.guest.out.last(), Some(&b'r'));
}

#[test]
fn write0_without_an_end_stops_at_the_end_of_memory() {
    let mut rig = Rig::new(4);
    assert_eq!(rig.call(0x04, BASE + 0x300), FAIL);
    assert_eq!(rig.guest.out.len(), 0x100);
    assert_eq!(rig.call(0x04, 0x9000_0000), FAIL);
    assert_eq!(rig.errno(), Outcome::Value(14));
}

#[test]
fn console_streams() {
    let mut rig = Rig::new(4);
    let (stdin, stdout, stderr) = (rig.opened(":tt", 0), rig.opened(":tt", 4), rig.opened(":tt", 8));
    assert!(stdin != stdout && stdout != stderr && stdin != stderr);
    rig.poke(BASE + 0x80, b"hello");
    assert_eq!(rig.block(0x05, &[stdout, BASE + 0x80, 5]), Outcome::Value(0));
    assert_eq!(rig.block(0x05, &[stderr, BASE + 0x81, 2]), Outcome::Value(0));
    assert_eq!(rig.guest.out, b"helloel");
    assert_eq!(rig.block(0x05, &[stdin, BASE + 0x80, 5]), FAIL);
    assert_eq!(rig.errno(), Outcome::Value(9));
    for handle in [stdin, stdout, stderr] {
        assert_eq!(rig.block(0x09, &[handle]), Outcome::Value(1), "SYS_ISTTY");
        assert_eq!(rig.block(0x0c, &[handle]), FAIL, "SYS_FLEN");
        assert_eq!(rig.block(0x02, &[handle]), Outcome::Value(0), "SYS_CLOSE");
    }
    assert_eq!(rig.block(0x02, &[77]), FAIL);
}

#[test]
fn a_write_past_the_end_of_memory_says_what_is_left() {
    let mut rig = Rig::new(4);
    let stdout = rig.opened(":tt", 4);
    assert_eq!(rig.block(0x05, &[stdout, BASE + 0x300, 0x180]), Outcome::Value(0x80));
    assert_eq!(rig.block(0x05, &[stdout, BASE + 0x300, 0xffff_ffff]), Outcome::Value(0xffff_ffff - 0x100));
}

#[test]
fn input_is_what_is_there() {
    let mut rig = Rig::new(4);
    let stdin = rig.opened(":tt", 0);
    assert_eq!(rig.call(0x07, 0), FAIL, "no input");
    assert_eq!(rig.block(0x06, &[stdin, BASE + 0x90, 4]), Outcome::Value(4), "end of file");
    rig.guest.input.extend(b"abc");
    assert_eq!(rig.call(0x07, 0), Outcome::Value(u64::from(b'a')));
    assert_eq!(rig.block(0x06, &[stdin, BASE + 0x90, 4]), Outcome::Value(2));
    assert_eq!(rig.peek(BASE + 0x90, 3), b"bc\xee");
    rig.guest.input.extend(b"defgh");
    assert_eq!(rig.block(0x06, &[stdin, BASE + 0x90, 4]), Outcome::Value(0));
    assert_eq!(rig.guest.input, b"h");
}

#[test]
fn host_files_are_refused() {
    let mut rig = Rig::new(4);
    for name in ["/etc/passwd", "out.txt", ""] {
        assert_eq!(rig.open(name, 0), FAIL, "{name}");
        assert_eq!(rig.errno(), Outcome::Value(2));
    }
    assert_eq!(rig.block(0x01, &[BASE, 0, 0xffff_ffff]), FAIL);
    for op in [0x0d, 0x0e, 0x0f, 0x12] {
        assert_eq!(rig.block(op, &[BASE, 4]), FAIL, "{op:#x}");
    }
}

#[test]
fn feature_file() {
    let mut rig = Rig::new(4);
    let file = rig.opened(":semihosting-features", 0);
    assert_eq!(rig.block(0x0c, &[file]), Outcome::Value(5));
    assert_eq!(rig.block(0x09, &[file]), Outcome::Value(0));
    assert_eq!(rig.block(0x06, &[file, BASE + 0x80, 4]), Outcome::Value(0));
    assert_eq!(rig.peek(BASE + 0x80, 4), b"SHFB");
    assert_eq!(rig.block(0x06, &[file, BASE + 0x80, 4]), Outcome::Value(3));
    assert_eq!(rig.peek(BASE + 0x80, 1), [3]);
    assert_eq!(rig.block(0x0a, &[file, 1]), Outcome::Value(0), "SYS_SEEK");
    assert_eq!(rig.block(0x06, &[file, BASE + 0x80, 1]), Outcome::Value(0));
    assert_eq!(rig.peek(BASE + 0x80, 1), b"H");
    assert_eq!(rig.open(":semihosting-features", 4), FAIL, "not for writing");
}

#[test]
fn time_is_virtual() {
    let mut rig = Rig::new(4);
    assert_eq!(rig.call(0x10, 0), Outcome::Value(234), "centiseconds");
    assert_eq!(rig.call(0x11, 0), Outcome::Value(1_000_000_002));
    assert_eq!(rig.call(0x31, 0), Outcome::Value(1_000_000_000));
    assert_eq!(rig.call(0x30, BASE + 0x80), Outcome::Value(0));
    assert_eq!(rig.peek(BASE + 0x80, 8), 2_345_000_000u64.to_le_bytes());
}

#[test]
fn command_line_and_heap() {
    let mut rig = Rig::new(4);
    assert_eq!(rig.block(0x15, &[BASE + 0x80, 8]), Outcome::Value(0));
    assert_eq!(rig.peek(BASE + 0x80, 8), b"prog -x\0");
    assert_eq!(rig.peek(BASE + 4, 4), [7, 0, 0, 0]);
    assert_eq!(rig.block(0x15, &[BASE + 0x80, 7]), FAIL, "no room for the NUL");
    assert_eq!(rig.block(0x16, &[BASE + 0x80]), Outcome::Value(0));
    assert_eq!(rig.peek(BASE + 0x80, 16), [0, 1, 0, 0x20, 0, 2, 0, 0x20, 0, 4, 0, 0x20, 0, 0, 0, 0]);
}

#[test]
fn exits_of_32_bit_guests() {
    let mut rig = Rig::new(4);
    assert_eq!(rig.call(0x18, EXIT), Outcome::Exit(0));
    assert_eq!(rig.call(0x18, 0x20023), Outcome::Exit(1), "run-time error");
    assert_eq!(rig.block(0x20, &[EXIT, 42]), Outcome::Exit(42));
    assert_eq!(rig.block(0x20, &[0x20023, 42]), Outcome::Exit(1));
    assert_eq!(rig.call(0x20, 0), Outcome::Exit(1), "no parameter block there");
}

#[test]
fn sixty_four_bit_guests_have_wide_fields() {
    let mut rig = Rig::new(8);
    assert_eq!(rig.block(0x18, &[EXIT, 7]), Outcome::Exit(7), "SYS_EXIT takes a block, too");
    let stdout = rig.opened(":tt", 4);
    rig.poke(BASE + 0x80, b"wide");
    assert_eq!(rig.block(0x05, &[stdout, BASE + 0x80, 4]), Outcome::Value(0));
    assert_eq!(rig.guest.out, b"wide");
    assert_eq!(rig.call(0x07, 0), Outcome::Value(u64::MAX));
    assert_eq!(rig.block(0x08, &[0xffff_ffff]), Outcome::Value(0), "SYS_ISERROR");
    assert_eq!(rig.block(0x08, &[u64::MAX]), Outcome::Value(1));
    assert_eq!(Rig::new(4).block(0x08, &[0xffff_ffff]), Outcome::Value(1));
}

#[test]
fn what_is_not_known_is_said() {
    let mut rig = Rig::new(4);
    for op in [0, 0x0b, 0x14, 0x17, 0x32, 0x100, u64::MAX] {
        assert_eq!(rig.call(op, BASE), Outcome::Unsupported(op));
    }
}

#[test]
fn errno_stays_until_the_next_error() {
    let mut rig = Rig::new(4);
    assert_eq!(rig.errno(), Outcome::Value(0));
    rig.open("none", 0);
    rig.call(0x10, 0);
    assert_eq!(rig.errno(), Outcome::Value(2));
}

proptest! {
    #![proptest_config(emu_testkit::cases(2000))]

    #[test]
    fn no_call_panics_or_hangs(
        op in 0u64..0x34, arg in prop_oneof![Just(BASE), any::<u64>(), BASE..BASE + 0x500],
        fields in prop::collection::vec(prop_oneof![0u64..8, any::<u64>(), BASE..BASE + 0x500], 4),
        word in prop_oneof![Just(4usize), Just(8)],
    ) {
        let mut rig = Rig::new(word);
        rig.guest.input.extend(b"some input");
        for (n, field) in fields.iter().enumerate() {
            rig.poke(BASE + (n * word) as u64, &field.to_le_bytes()[..word]);
        }
        let outcome = rig.call(op, arg);
        if let (Outcome::Value(value), 4) = (outcome, word) {
            prop_assert!(value <= 0xffff_ffff, "fits the register");
        }
    }
}
