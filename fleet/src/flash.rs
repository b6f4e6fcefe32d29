//! The memory of a machine that outlives a loss of power and that its guest can change.

use crate::{Act, Command, Fleet, Node};
use emu_core::{Machine, machine::Chunk, memory::Region};

/// Bytes that differ are told in pieces of this many.
const GRAIN: usize = 64;

/// The regions that a flash controller writes, in order of address.
pub fn regions(machine: &Machine) -> Vec<&Region> {
    let mut all: Vec<_> = machine.bus.fabric.mem.regions().iter().filter(|r| r.writer.is_some()).collect();
    all.sort_by_key(|r| r.base);
    all
}

/// What stands in them now, one after the other.
pub fn content(machine: &Machine) -> Vec<u8> {
    let read = |r: &Region| {
        let mut bytes = vec![0; r.size as usize];
        machine.bus.fabric.mem.peek(r.base, &mut bytes);
        bytes
    };
    regions(machine).into_iter().flat_map(read).collect()
}

/// What will stand there when a node of a fleet that has not run begins to: the image, as its fleet file patches it.
pub fn at_start(fleet: &Fleet, node: &Node) -> Vec<u8> {
    let mut all = content(&node.machine);
    let now = fleet.now();
    for Command { at, node: of, act, .. } in fleet.pending() {
        let Act::Patch { addr, bytes, .. } = act else { continue };
        if (*at, *of) == (now, node.id()) {
            put(&node.machine, &mut all, *addr, bytes);
        }
    }
    all
}

/// Puts bytes where they stand in the content, if they do.
fn put(machine: &Machine, content: &mut [u8], addr: u64, bytes: &[u8]) {
    let mut first = 0;
    for r in regions(machine) {
        for (a, b) in (addr..).zip(bytes) {
            if (r.base..r.base + r.size).contains(&a) {
                content[first + (a - r.base) as usize] = *b;
            }
        }
        first += r.size as usize;
    }
}

/// The act after which `new` stands there instead of `old`. `None`: they are the same.
pub fn act(machine: &Machine, old: &[u8], new: &[u8]) -> Option<Act> {
    let mut parts: Vec<Chunk> = vec![];
    let mut first = 0;
    for r in regions(machine) {
        let of = |all: &[u8]| all[first..first + r.size as usize].to_vec();
        let (was, is) = (of(old), of(new));
        for (i, (was, is)) in was.chunks(GRAIN).zip(is.chunks(GRAIN)).enumerate() {
            let addr = r.base + (i * GRAIN) as u64;
            match parts.last_mut() {
                _ if was == is => {}
                Some((at, bytes)) if *at + bytes.len() as u64 == addr => bytes.extend(is),
                _ => parts.push((addr, is.to_vec())),
            }
        }
        first += r.size as usize;
    }
    (!parts.is_empty()).then_some(Act::Flash { parts })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machines;

    #[test]
    fn mend_what_differs_is_told_and_nothing_else() {
        let mut bit = machines::build("microbit").expect("it ships").machine;
        let names: Vec<_> = regions(&bit).iter().map(|r| (r.name.clone(), r.base, r.size)).collect();
        assert_eq!(names, [("flash".into(), 0, 0x4_0000), ("uicr".into(), 0x1000_1000, 0x100)]);
        let old = content(&bit);
        assert_eq!((old.len(), act(&bit, &old, &old)), (0x4_0100, None));
        let mut new = old.clone();
        for at in [0x40, 0x7f, 0x80, 0x3_ffff, 0x4_0000, 0x4_00ff] {
            new[at] = 7;
        }
        let told = act(&bit, &old, &new).expect("they differ");
        let Act::Flash { parts } = &told else { panic!("{told:?}") };
        let places: Vec<_> = parts.iter().map(|(addr, bytes)| (*addr, bytes.len())).collect();
        let wanted = [(0x40, 128), (0x3_ffc0, 64), (0x1000_1000, 64), (0x1000_10c0, 64)];
        assert_eq!(places, wanted);
        for (addr, bytes) in parts {
            assert_eq!(bit.bus.fabric.mem.poke(*addr, bytes), bytes.len());
        }
        assert_eq!(content(&bit), new);
        let none = machines::build("mps2-an385").expect("it ships").machine;
        assert!(regions(&none).is_empty());
    }

    #[test]
    fn mend_patches_stand_where_they_will() {
        let bit = machines::build("microbit").expect("it ships").machine;
        let mut all = content(&bit);
        put(&bit, &mut all, 0x3_fffe, &[1, 2, 3]);
        put(&bit, &mut all, 0x1000_0fff, &[4, 5]);
        assert_eq!((&all[0x3_fffe..=0x4_0000], all[0x3_fffd]), (&[1, 2, 5][..], 0xff));
    }
}
