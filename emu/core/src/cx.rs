//! What a device may do to the world.

use crate::{
    diag::Mistake,
    events::Tag,
    fabric::Fabric,
    ids::{DevId, Pin, Port, ResetKind},
    link::Msg,
    time::Time,
};
use std::borrow::Cow;

/// Everything a device may do to the world. Effects are queued; nothing re-enters.
pub struct Cx<'a> {
    f: &'a mut Fabric,
    me: DevId,
}

impl<'a> Cx<'a> {
    /// The context of device `me`. The machine and the test bench make these.
    pub fn new(f: &'a mut Fabric, me: DevId) -> Cx<'a> {
        Cx { f, me }
    }
    /// Virtual time of this access or event.
    pub fn now(&mut self) -> Time {
        self.f.now()
    }
    /// Schedules this device's event `tag` at `at`, which replaces an earlier schedule of the same tag.
    pub fn at(&mut self, at: Time, tag: Tag) {
        self.f.schedule(at, self.me, tag);
    }
    /// Schedules event `tag` in `ns` nanoseconds.
    pub fn after(&mut self, ns: u64, tag: Tag) {
        let at = self.now() + ns;
        self.at(at, tag);
    }
    /// Forgets event `tag`.
    pub fn cancel(&mut self, tag: Tag) {
        self.f.events.cancel(self.me, tag);
    }
    /// When event `tag` is due, if it is pending.
    pub fn due(&self, tag: Tag) -> Option<Time> {
        self.f.events.when(self.me, tag)
    }
    /// Drives an output pin. Setting the level it has already does nothing.
    pub fn wire(&mut self, pin: Pin, level: bool) {
        self.f.set_level(self.me, pin, level);
    }
    /// A pulse on an output pin (a hardware event); never dropped.
    pub fn pulse(&mut self, pin: Pin) {
        self.f.pulse(self.me, pin);
    }
    /// Sends a message through a port.
    pub fn send(&mut self, port: Port, msg: Msg) {
        self.f.send(self.me, port, msg);
    }
    /// Another machine listens to this port: it wants [`Msg::Sending`] at each start bit.
    pub fn followed(&self, port: Port) -> bool {
        self.f.followed.contains(&(self.me, port))
    }
    /// DMA read. `false` if a byte is not memory; the bytes up to there are read.
    pub fn dma_read(&mut self, addr: u64, out: &mut [u8]) -> bool {
        self.f.mem.peek(addr, out) == out.len()
    }
    /// DMA write to RAM. `false` (and nothing written) if a byte is not RAM.
    pub fn dma_write(&mut self, addr: u64, bytes: &[u8]) -> bool {
        let ok = self.f.mem.dma_write(addr, bytes);
        self.f.attention = true; // decoded code may be stale
        ok
    }
    /// Changes memory of any kind: for flash controllers. Returns how many bytes were memory.
    pub fn program(&mut self, addr: u64, bytes: &[u8]) -> usize {
        self.f.attention = true;
        self.f.mem.poke(addr, bytes)
    }
    /// Notes that the guest misused this device.
    pub fn guest_error(&mut self, what: impl Into<Cow<'static, str>>) {
        self.f.mistake(self.me, Mistake::Misuse(what.into()));
    }
    /// Notes that the guest wanted something that is not modelled.
    pub fn unimplemented(&mut self, what: impl Into<Cow<'static, str>>) {
        self.f.mistake(self.me, Mistake::Unimplemented(what.into()));
    }
    /// An access where there is no register.
    #[cold]
    pub(crate) fn stray(&mut self, offset: u32, write: bool) {
        self.f.mistake(self.me, Mistake::NoRegister { offset, write });
    }
    /// A read of what can only be written, or the other way.
    #[cold]
    pub(crate) fn wrong_way(&mut self, offset: u32, write: bool) {
        self.f.mistake(self.me, Mistake::Direction { offset, write });
    }
    /// Random bits (noise sources, identities).
    pub fn random(&mut self) -> u64 {
        self.f.random()
    }
    /// The CPUs stand still for `ns` nanoseconds from now.
    pub fn stall_cpus(&mut self, ns: u64) {
        self.f.stalled_until = self.now() + ns;
        self.f.attention = true;
    }
    /// The machine goes no further until a message from outside has come (or its sender has none): for answers that
    /// only a medium knows, and that belong to this very instant. From a device's event only.
    pub fn hold(&mut self) {
        self.f.hold = true;
        self.f.attention = true;
    }
    /// The guest ends itself with an exit code, after this instruction.
    pub fn end_run(&mut self, code: u32) {
        self.f.exit_request = Some(code);
        self.f.attention = true;
    }
    /// Resets the machine after this instruction or event.
    pub fn reset_machine(&mut self, kind: ResetKind) {
        self.f.reset_request = Some(kind);
        self.f.attention = true;
    }
}
