//! Memory and registers as a debugger sees them: one home for all CPUs, scenarios and semihosting.
//!
//! Reading changes nothing. A device's register is read from a copy of the device that is thrown away, with all that
//! the read did: so it shows what the guest would read now (the first byte of a FIFO, a counter's present value), and
//! no model needs a second way to be read. What can only be written reads as zero, as for the guest.

use crate::{bus::Bus, cpu::Cpu, cx::Cx, fabric::Fabric, ids::Attrs};

/// The size of the access to registers at `addr` with `left` bytes to go.
fn register_size(addr: u64, left: usize) -> u8 {
    match (addr & 3, left) {
        (0, 4..) => 4,
        (0 | 2, 2..) => 2,
        _ => 1,
    }
}

impl Bus {
    /// What a CPU would read from a device now: 1, 2 or 4 bytes; `None` if there is no device.
    pub fn peek(&self, addr: u64, size: u8) -> Option<u32> {
        let (dev, off) = self.window_at(addr)?;
        let mut copy = self.device(dev)?.fork();
        let mut scratch = Fabric::scratch(&self.fabric);
        Some(copy.mmio_read(off, size, &mut Cx::new(&mut scratch, dev)))
    }
}

/// Reads memory, devices and the registers of the core's own from `addr` on, and changes nothing. Returns how many
/// bytes there were. [`Machine::debug_read`](crate::Machine::debug_read) sets the time first.
pub fn read(cpu: &dyn Cpu, bus: &Bus, addr: u64, out: &mut [u8]) -> usize {
    let mut done = 0;
    while done < out.len() {
        let at = addr.wrapping_add(done as u64);
        let n = bus.fabric.mem.peek(at, &mut out[done..]);
        if n > 0 {
            done += n;
            continue;
        }
        let size = register_size(at, out.len() - done);
        let own = || cpu.peek_register(at, size, bus.fabric.cycle());
        let Some(v) = bus.peek(at, size).or_else(own) else { break };
        let end = done + usize::from(size);
        out[done..end].copy_from_slice(&v.to_le_bytes()[..usize::from(size)]);
        done = end;
    }
    done
}

/// Writes memory of any kind, devices and the registers of the core's own from `addr` on, as a guest would with
/// stores of up to four bytes. Returns how many bytes could be written.
/// [`Machine::debug_write`](crate::Machine::debug_write) sets the time first and lets the effects happen.
pub fn write(cpu: &mut dyn Cpu, bus: &mut Bus, addr: u64, bytes: &[u8]) -> usize {
    let mut done = 0;
    while done < bytes.len() {
        let at = addr.wrapping_add(done as u64);
        let n = bus.fabric.mem.poke(at, &bytes[done..]);
        if n > 0 {
            done += n;
            continue;
        }
        let size = register_size(at, bytes.len() - done);
        let end = done + usize::from(size);
        let mut v = [0; 4];
        v[..usize::from(size)].copy_from_slice(&bytes[done..end]);
        let v = u32::from_le_bytes(v);
        let written = match bus.window_at(at) {
            Some(_) => bus.write(at, size, v.into(), PRIVILEGED, false).is_ok(),
            None => cpu.poke_register(bus, at, size, v),
        };
        if !written {
            break;
        }
        done = end;
    }
    done
}

const PRIVILEGED: Attrs = Attrs { secure: false, privileged: true, master: 0 };
