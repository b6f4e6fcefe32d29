//! Builds small ELF files, right or wrong on purpose.
#![allow(dead_code)] // each test file uses a part of it

pub const PT_LOAD: u32 = 1;
pub const EM_ARM: u16 = 40;
pub const EM_AARCH64: u16 = 183;
pub const EM_RISCV: u16 = 243;
pub const SHN_ABS: u16 = 0xfff1;
pub const NOTYPE: u8 = 0;
pub const OBJECT: u8 = 1;
pub const FUNC: u8 = 2;

/// A program header and its bytes.
#[derive(Clone, Debug)]
pub struct Load {
    pub kind: u32,
    pub vaddr: u64,
    pub paddr: u64,
    pub data: Vec<u8>,
    pub memsz: u64,
}

impl Load {
    pub fn at(addr: u64, data: &[u8]) -> Self {
        Load { kind: PT_LOAD, vaddr: addr, paddr: addr, data: data.to_vec(), memsz: data.len() as u64 }
    }
}

#[derive(Clone, Debug)]
pub struct Sym {
    pub name: &'static str,
    pub value: u64,
    pub size: u64,
    pub kind: u8,
    pub global: bool,
    /// 1 is `.text`.
    pub section: u16,
}

impl Sym {
    pub fn func(name: &'static str, value: u64, size: u64) -> Self {
        Sym { name, value, size, kind: FUNC, global: true, section: 1 }
    }
}

#[derive(Clone, Debug)]
pub struct ElfFile {
    pub is_64: bool,
    pub machine: u16,
    pub kind: u16,
    pub entry: u64,
    pub loads: Vec<Load>,
    pub syms: Vec<Sym>,
    /// Address and size of the only section with contents.
    pub text: (u64, u64),
}

impl ElfFile {
    pub fn arm(loads: Vec<Load>) -> Self {
        ElfFile {
            is_64: false,
            machine: EM_ARM,
            kind: 2,
            entry: 0,
            loads,
            syms: Vec::new(),
            text: (0, 0x1_0000),
        }
    }

    fn word(&self, out: &mut Vec<u8>, v: u64) {
        if self.is_64 {
            out.extend(v.to_le_bytes());
        } else {
            out.extend((v as u32).to_le_bytes());
        }
    }

    pub fn header_size(&self) -> usize {
        if self.is_64 { 64 } else { 52 }
    }

    pub fn phent(&self) -> usize {
        if self.is_64 { 56 } else { 32 }
    }

    fn shent(&self) -> usize {
        if self.is_64 { 64 } else { 40 }
    }

    /// Header, program headers, segments, then (with symbols) string table, symbol table, section headers.
    pub fn build(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let body_at = (self.header_size() + self.loads.len() * self.phent()) as u64;
        let mut headers = Vec::new();
        for load in &self.loads {
            self.program_header(&mut headers, load, body_at + body.len() as u64);
            body.extend(&load.data);
        }
        let (shoff, shnum) = if self.syms.is_empty() { (0, 0) } else { self.sections(&mut body, body_at) };
        let mut out = self.header(shoff, shnum);
        out.extend(headers);
        out.extend(body);
        out
    }

    fn header(&self, shoff: u64, shnum: u16) -> Vec<u8> {
        let mut out = vec![0x7f, b'E', b'L', b'F', if self.is_64 { 2 } else { 1 }, 1, 1];
        out.resize(16, 0);
        out.extend(self.kind.to_le_bytes());
        out.extend(self.machine.to_le_bytes());
        out.extend(1u32.to_le_bytes());
        self.word(&mut out, self.entry);
        self.word(&mut out, self.header_size() as u64);
        self.word(&mut out, shoff);
        out.extend(0u32.to_le_bytes());
        let halves = [self.header_size(), self.phent(), self.loads.len(), self.shent(), shnum as usize, 0];
        halves.iter().for_each(|&h| out.extend((h as u16).to_le_bytes()));
        assert_eq!(out.len(), self.header_size());
        out
    }

    fn program_header(&self, out: &mut Vec<u8>, load: &Load, offset: u64) {
        out.extend(load.kind.to_le_bytes());
        if self.is_64 {
            out.extend(5u32.to_le_bytes());
        }
        for v in [offset, load.vaddr, load.paddr, load.data.len() as u64, load.memsz] {
            self.word(out, v);
        }
        if !self.is_64 {
            out.extend(5u32.to_le_bytes());
        }
        self.word(out, 4);
    }

    fn sections(&self, body: &mut Vec<u8>, body_at: u64) -> (u64, u16) {
        let mut names = vec![0];
        let mut table = vec![0; if self.is_64 { 24 } else { 16 }];
        for sym in &self.syms {
            let name = names.len() as u32;
            names.extend(sym.name.as_bytes());
            names.push(0);
            self.symbol(&mut table, sym, name);
        }
        let names_at = body_at + body.len() as u64;
        body.extend(&names);
        let table_at = body_at + body.len() as u64;
        body.extend(&table);
        let shoff = body_at + body.len() as u64;
        self.section(body, 0, 0, 0, 0, 0);
        self.section(body, 1, self.text.0, 0, self.text.1, 0);
        self.section(body, 3, 0, names_at, names.len() as u64, 0);
        self.section(body, 2, 0, table_at, table.len() as u64, 2);
        (shoff, 4)
    }

    fn symbol(&self, out: &mut Vec<u8>, sym: &Sym, name: u32) {
        let info = (u8::from(sym.global) << 4) | sym.kind;
        out.extend(name.to_le_bytes());
        if !self.is_64 {
            self.word(out, sym.value);
            self.word(out, sym.size);
        }
        out.extend([info, 0]);
        out.extend(sym.section.to_le_bytes());
        if self.is_64 {
            self.word(out, sym.value);
            self.word(out, sym.size);
        }
    }

    fn section(&self, out: &mut Vec<u8>, kind: u32, addr: u64, offset: u64, size: u64, link: u32) {
        out.extend(0u32.to_le_bytes());
        out.extend(kind.to_le_bytes());
        for v in [0, addr, offset, size] {
            self.word(out, v);
        }
        out.extend(link.to_le_bytes());
        out.extend(0u32.to_le_bytes());
        self.word(out, 4);
        self.word(out, 0);
    }
}

/// One Intel HEX record with its checksum.
pub fn record(kind: u8, offset: u16, data: &[u8]) -> String {
    let mut bytes = vec![data.len() as u8, (offset >> 8) as u8, offset as u8, kind];
    bytes.extend(data);
    let sum = bytes.iter().fold(0u8, |a, &b| a.wrapping_add(b));
    bytes.push(sum.wrapping_neg());
    let digits: String = bytes.iter().map(|b| format!("{b:02X}")).collect();
    format!(":{digits}\n")
}

pub const EOF: &str = ":00000001FF\n";
