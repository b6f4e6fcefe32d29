//! Symbols by address and by name.

use std::fmt;
use std::ops::Range;

/// What a symbol stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SymbolKind {
    /// No type: a label of assembly code or of the linker script.
    Label,
    Data,
    Function,
}

/// A named place in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'a> {
    pub name: &'a str,
    /// Virtual address, for ARM functions without the Thumb bit.
    pub addr: u64,
    /// In bytes; zero if unknown.
    pub size: u64,
    pub kind: SymbolKind,
    /// Global or weak, as against local to one object file.
    pub global: bool,
}

/// An address as a person wants to read it: `main+0x12`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location<'a> {
    pub symbol: Symbol<'a>,
    pub offset: u64,
}

impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset {
            0 => f.write_str(self.symbol.name),
            offset => write!(f, "{}+{offset:#x}", self.symbol.name),
        }
    }
}

/// The symbols of one image. Names are kept once, as the image's string table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Symbols {
    names: String,
    /// Sorted by address; of several at one address the best name comes last.
    entries: Vec<Entry>,
    /// Indices into `entries`, sorted by name, globals first.
    by_name: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    addr: u64,
    size: u64,
    /// How far lookup by address takes this symbol to reach: its size, or for one without a size the
    /// distance to the next symbol or to the end of its section.
    reach: u64,
    /// The farthest that this symbol or any before it reaches.
    max_end: u64,
    name: Range<usize>,
    kind: SymbolKind,
    global: bool,
}

impl Symbols {
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// All symbols in order of address.
    pub fn iter(&self) -> impl Iterator<Item = Symbol<'_>> {
        self.entries.iter().map(|e| self.view(e))
    }

    /// The symbol that `addr` belongs to. A Thumb address is looked up without its bit 0 by the caller.
    pub fn at(&self, addr: u64) -> Option<Location<'_>> {
        let after = self.entries.partition_point(|e| e.addr <= addr);
        let candidates = self.entries[..after].iter().rev();
        let entry = candidates.take_while(|e| e.max_end > addr).find(|e| addr - e.addr < e.reach)?;
        Some(Location { symbol: self.view(entry), offset: addr - entry.addr })
    }

    /// The symbol called `name`; a global one if there are several.
    pub fn find(&self, name: &str) -> Option<Symbol<'_>> {
        self.find_all(name).next()
    }

    /// Every symbol called `name`: static variables of several files may share one.
    pub fn find_all<'a>(&'a self, name: &str) -> impl Iterator<Item = Symbol<'a>> + use<'a> {
        let start = self.by_name.partition_point(|&i| self.name(&self.entries[i]) < name);
        let count = self.by_name[start..].partition_point(|&i| self.name(&self.entries[i]) == name);
        self.by_name[start..start + count].iter().map(|&i| self.view(&self.entries[i]))
    }

    fn name(&self, entry: &Entry) -> &str {
        &self.names[entry.name.clone()]
    }

    fn view(&self, e: &Entry) -> Symbol<'_> {
        Symbol { name: self.name(e), addr: e.addr, size: e.size, kind: e.kind, global: e.global }
    }
}

/// A symbol as the ELF file has it.
pub(crate) struct Raw {
    /// Offset into the string table.
    pub name: usize,
    pub addr: u64,
    pub size: u64,
    pub kind: SymbolKind,
    pub global: bool,
    /// End of the section that the symbol is in; 0 if it is in none.
    pub region_end: u64,
}

/// Names longer than this are left out, so that many symbols that share one huge name cost nothing.
const MAX_NAME: usize = 4096;

pub(crate) struct Builder {
    names: String,
    /// With the end of the symbol's section.
    entries: Vec<(Entry, u64)>,
}

impl Builder {
    pub(crate) fn new(strings: &[u8]) -> Self {
        let names = match str::from_utf8(strings) {
            Ok(names) => names.to_owned(),
            // Offsets must stay what they are, so every odd byte becomes one character.
            Err(_) => strings.iter().map(|&b| if b.is_ascii() { b as char } else { '?' }).collect(),
        };
        Builder { names, entries: Vec::new() }
    }

    pub(crate) fn push(&mut self, raw: Raw) {
        let Some(tail) = self.names.as_bytes().get(raw.name..) else { return };
        let tail = &tail[..tail.len().min(MAX_NAME)];
        let Some(len) = tail.iter().position(|&b| b == 0) else { return };
        let name = raw.name..raw.name + len;
        match self.names.get(name.clone()) {
            // ELF for the Arm Architecture, 5.5.5 and its likes: `$a`, `$t`, `$d`, `$x` only mark code and data.
            None | Some("") => return,
            Some(text) if raw.kind == SymbolKind::Label && text.starts_with('$') => return,
            Some(_) => {}
        }
        let Raw { addr, size, kind, global, region_end, .. } = raw;
        self.entries.push((Entry { addr, size, reach: size, max_end: 0, name, kind, global }, region_end));
    }

    pub(crate) fn finish(self) -> Symbols {
        let Builder { names, mut entries } = self;
        entries.sort_by(|(a, _), (b, _)| {
            let rank = |e: &Entry| (e.addr, e.size > 0, e.kind, e.global);
            rank(a).cmp(&rank(b)).then_with(|| names[b.name.clone()].cmp(&names[a.name.clone()]))
        });
        set_reach(&mut entries);
        let entries: Vec<Entry> = entries.into_iter().map(|(e, _)| e).collect();
        let mut by_name: Vec<usize> = (0..entries.len()).collect();
        by_name.sort_by_key(|&i| (&names[entries[i].name.clone()], !entries[i].global, i));
        Symbols { names, entries, by_name }
    }
}

/// Gives symbols without a size (hand-written assembly) the bytes that no other symbol claims.
fn set_reach(entries: &mut [(Entry, u64)]) {
    let mut next = u64::MAX;
    for i in (0..entries.len()).rev() {
        if let Some((after, _)) = entries.get(i + 1).filter(|(after, _)| after.addr != entries[i].0.addr) {
            next = after.addr;
        }
        let (entry, region_end) = &mut entries[i];
        if entry.size == 0 {
            entry.reach = next.min(*region_end).saturating_sub(entry.addr);
        }
    }
    let mut sized_end = 0;
    let mut max_end = 0;
    for (entry, _) in entries {
        if entry.size > 0 {
            sized_end = entry.addr.saturating_add(entry.size).max(sized_end);
        } else if entry.addr < sized_end {
            // A label inside a function is not where a backtrace should say we are.
            entry.reach = 0;
        }
        max_end = entry.addr.saturating_add(entry.reach).max(max_end);
        entry.max_end = max_end;
    }
}
