//! A toy machine that a gdb server can be tried on: memory, M-profile registers and a handful of Thumb instructions.
#![allow(dead_code)] // each test file uses a part of it

pub mod mprofile;

use emu_core::cpu::Arch;
use emu_debug::{DebugTarget, Event, GdbServer, Points, Resume, StopReason};
use mprofile::{LR, MSP, PC, SP, XPSR};

pub const FLASH: u64 = 0;
pub const RAM: u64 = 0x2000_0000;
const SIZE: usize = 0x400;

pub struct Toy {
    pub arch: &'static Arch,
    pub regs: Vec<u64>,
    pub flash: Vec<u8>,
    pub ram: Vec<u8>,
    pub points: Points,
    pub resets: u32,
}

/// `loop: adds r0,#1; str r0,[r1]; bl twice; b loop` and `twice: adds r2,#2; nop; bx lr`.
pub const PROGRAM: [u16; 8] = [0x3001, 0x6008, 0xf000, 0xf801, 0xe7fa, 0x3202, 0xbf00, 0x4770];
pub const TWICE: u64 = 0x10a;

impl Toy {
    pub fn new(arch: &'static Arch) -> Self {
        let mut toy = Toy {
            arch,
            regs: vec![0; arch.regs.len()],
            flash: vec![0; SIZE],
            ram: vec![0; SIZE],
            points: Points::default(),
            resets: 0,
        };
        for (n, op) in PROGRAM.iter().enumerate() {
            toy.flash[0x100 + n * 2..][..2].copy_from_slice(&op.to_le_bytes());
        }
        toy.start();
        toy
    }

    fn start(&mut self) {
        self.regs.fill(0);
        (self.regs[1], self.regs[PC], self.regs[SP]) = (RAM + 0x10, 0x100, RAM + 0x400);
        (self.regs[LR], self.regs[XPSR]) = (0xffff_ffff, 0x0100_0000);
    }

    fn place(&mut self, addr: u64) -> Option<&mut [u8]> {
        let (base, bytes) = if addr >= RAM { (RAM, &mut self.ram) } else { (FLASH, &mut self.flash) };
        bytes.get_mut(usize::try_from(addr - base).ok()?..)
    }

    fn half(&mut self, addr: u64) -> u16 {
        self.place(addr).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]))
    }

    /// Executes one instruction; returns the word that it wrote to memory, if any.
    pub fn step(&mut self) -> Option<u64> {
        let pc = self.regs[PC];
        let op = self.half(pc);
        let (rd, imm) = (usize::from(op >> 8 & 7), u64::from(op & 0xff));
        self.regs[PC] = pc + 2;
        match op >> 8 {
            0x30..=0x37 => self.regs[rd] = (self.regs[rd] + imm) & 0xffff_ffff,
            0x60 => {
                let (addr, value) = (self.regs[usize::from(op >> 3 & 7)], self.regs[usize::from(op & 7)]);
                self.place(addr).expect("mapped")[..4].copy_from_slice(&(value as u32).to_le_bytes());
                return Some(addr);
            }
            0xe0..=0xe7 => self.regs[PC] = (pc + 4).wrapping_add_signed(i64::from((op << 5) as i16 >> 4)),
            0xf0 => {
                let low = u64::from(self.half(pc + 2) & 0x7ff);
                self.regs[LR] = pc + 5;
                self.regs[PC] = pc + 4 + low * 2;
            }
            0x47 => self.regs[PC] = self.regs[LR] & !1,
            0xbf => {}
            other => panic!("the toy does not know {other:#x}"),
        }
        None
    }

    /// As a fleet does it: at most `most` instructions.
    pub fn run(&mut self, resume: Resume, most: usize) -> Option<StopReason> {
        for n in 0..most {
            if n > 0 && self.points.breakpoints().contains(&self.regs[PC]) {
                return Some(StopReason::Breakpoint);
            }
            let wrote = self.step();
            let hit =
                |a| self.points.watches().iter().any(|w| w.write && (w.addr..w.addr + w.len).contains(&a));
            if let Some(addr) = wrote.filter(|&a| hit(a)) {
                return Some(StopReason::Watch { addr, write: true });
            }
            match resume {
                Resume::Step => return Some(StopReason::Step),
                Resume::Range { start, end } if !(start..end).contains(&self.regs[PC]) => {
                    return Some(StopReason::Step);
                }
                _ => {}
            }
        }
        None
    }
}

impl DebugTarget for Toy {
    fn arch(&self) -> &'static Arch {
        self.arch
    }
    fn read_reg(&mut self, n: usize) -> u64 {
        // One of the two stack pointers is always the current one; gdb wonders otherwise.
        self.regs[if n == MSP { SP } else { n }]
    }
    fn write_reg(&mut self, n: usize, value: u64) -> bool {
        self.regs[n] = value;
        true
    }
    fn read_mem(&mut self, addr: u64, out: &mut [u8]) -> usize {
        let Some(bytes) = self.place(addr) else { return 0 };
        let n = bytes.len().min(out.len());
        out[..n].copy_from_slice(&bytes[..n]);
        n
    }
    fn write_mem(&mut self, addr: u64, data: &[u8]) -> bool {
        match self.place(addr) {
            Some(bytes) if bytes.len() >= data.len() => {
                bytes[..data.len()].copy_from_slice(data);
                true
            }
            _ => false,
        }
    }
    fn set_points(&mut self, points: &Points) {
        self.points = points.clone();
    }
    fn reset(&mut self) {
        self.resets += 1;
        self.start();
    }
    fn monitor(&mut self, command: &str) -> Option<String> {
        (command == "time").then(|| "1.5 s\n".to_string())
    }
    fn monitor_help(&self) -> &'static [(&'static str, &'static str)] {
        &[("time", "the virtual time")]
    }
}

pub fn packet(body: &str) -> Vec<u8> {
    let sum = body.bytes().fold(0u8, |a, b| a.wrapping_add(b));
    format!("${body}#{sum:02x}").into_bytes()
}

/// The body of a reply, its run-length encoding undone and its checksum checked.
pub fn body(reply: &[u8]) -> String {
    let text = std::str::from_utf8(reply).expect("text").trim_start_matches('+');
    let (body, sum) =
        text.strip_prefix('$').and_then(|t| t.split_once('#')).unwrap_or_else(|| panic!("{text}"));
    assert_eq!(format!("{:02x}", body.bytes().fold(0u8, |a, b| a.wrapping_add(b))), sum, "{text}");
    let mut out = String::new();
    let mut chars = body.chars();
    while let Some(c) = chars.next() {
        match (c, out.chars().last()) {
            ('*', Some(last)) => {
                let count = chars.next().expect("a count") as usize - 29;
                out.extend(std::iter::repeat_n(last, count));
            }
            _ => out.push(c),
        }
    }
    out
}

/// A server on a toy, with one call per exchange.
pub struct Rig {
    pub server: GdbServer<Toy>,
}

impl Rig {
    pub fn new(arch: &'static Arch) -> Self {
        Rig { server: GdbServer::new(Toy::new(arch)) }
    }

    pub fn v7m() -> Self {
        Self::new(&mprofile::V7M)
    }

    pub fn raw(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.server.feed(bytes);
        self.server.take_output()
    }

    pub fn ask(&mut self, request: &str) -> String {
        let reply = self.raw(&packet(request));
        body(&reply)
    }

    /// Sends a resume packet; what the server asks for.
    pub fn resume(&mut self, request: &str) -> Resume {
        assert_eq!(self.raw(&packet(request)), b"+", "no reply before the stop");
        match self.server.next_event() {
            Some(Event::Resume(resume)) => resume,
            other => panic!("{other:?}"),
        }
    }

    pub fn report(&mut self, reason: StopReason) -> String {
        self.server.report(reason);
        body(&self.server.take_output())
    }

    /// Resumes, lets the toy run, reports.
    pub fn go(&mut self, request: &str) -> String {
        let resume = self.resume(request);
        let stop = self.server.target_mut().run(resume, 1000).expect("stops");
        self.report(stop)
    }
}

pub fn hex(text: &str) -> String {
    text.bytes().map(|b| format!("{b:02x}")).collect()
}

pub fn unhex(text: &str) -> String {
    let bytes: Vec<u8> =
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("hex")).collect();
    String::from_utf8(bytes).expect("text")
}
