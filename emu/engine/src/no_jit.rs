//! What stands in for the compiler on hosts for which there is none: nothing is ever compiled.

pub use crate::counters::Counters;
use crate::{
    counters::LeftOps,
    guest::{Guest, Shape},
    interp::Left,
    ir::Block,
};
use emu_core::bus::Bus;
use std::convert::Infallible;

/// What the compiler did so far.
pub fn counters() -> Counters {
    Counters::default()
}

/// Whether compiled code can run on this host.
pub fn available() -> Result<(), String> {
    Err("there is no compiler for this host, only for x86-64 with Linux".into())
}

/// There is nothing to limit.
pub fn set_limit(_bytes: usize) -> usize {
    0
}

pub(crate) fn pressure() -> u64 {
    0
}

#[derive(Default)]
pub(crate) struct Pages;

impl Pages {
    pub fn join(&mut self, _number: u32, code: &PageCode, _entries: &Entries) {
        match code.0 {}
    }
    pub fn has(&self, _number: u32, code: &PageCode) -> bool {
        match code.0 {}
    }
    pub fn leave(&mut self) {}
}

pub(crate) struct Entries(Infallible);

impl Entries {
    pub fn set(&self, _code: &PageCode, _start: usize, _entry: Option<u32>) {
        match self.0 {}
    }
}

#[derive(Default)]
pub(crate) struct Alone;

impl Alone {
    pub fn wants(&self) -> bool {
        false
    }
    pub fn is_hot(&self) -> bool {
        false
    }
}

pub(crate) struct PageCode(Infallible);

impl PageCode {
    pub fn new(_shape: &Shape, _table_bits: u32, _whole: bool) -> Option<PageCode> {
        None
    }
    pub fn entries(&self) -> &Entries {
        match self.0 {}
    }
    pub fn no_entries(&self) -> Entries {
        match self.0 {}
    }
    pub fn compiled_alone(&self, _: &Shape, _: &Block, _: &Alone, _: &Entries) -> Option<u32> {
        match self.0 {}
    }
    pub fn id(&self) -> u32 {
        match self.0 {}
    }
    pub fn entry(&self, _start: usize) -> Option<u32> {
        match self.0 {}
    }
    pub fn wants(&self, _start: usize) -> bool {
        match self.0 {}
    }
    pub fn is_hot(&self, _start: usize) -> bool {
        match self.0 {}
    }
    pub fn compiled(&self, _shape: &Shape, _bytes: &[u8], _block: &Block, _pc: u32) -> Option<u32> {
        match self.0 {}
    }
}

#[allow(dead_code)] // nothing is compiled, so nothing is left
pub(crate) enum Why {
    Budget,
    Target(Option<u32>),
    Helper,
}

pub(crate) struct Ran {
    pub left: Left,
    pub why: Why,
    pub slow_ops: u64,
}

pub(crate) fn run<G: Guest>(
    _g: &mut G,
    _bus: &mut Bus,
    _pages: &Pages,
    _shape: &Shape,
    (code, _entry): (&PageCode, u32),
    _cycles: (u64, u64),
    _left: Option<&mut LeftOps>,
) -> Option<Ran> {
    match code.0 {}
}

pub(crate) fn page_of(_at: u32) -> Option<u32> {
    None
}

pub(crate) fn link(_at: u32, _pc: u32, from: &PageCode, _to: &PageCode, _entry: u32) {
    match from.0 {}
}
