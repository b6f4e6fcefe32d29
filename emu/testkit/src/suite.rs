//! The checks behind [`conformance!`](crate::conformance!).

use crate::bench::Bench;
use emu_core::{
    device::Device,
    link::{AirEvent, I2c, Msg},
    regs::RegSet,
    rng::Rng,
};

/// One act of a hostile guest or world.
#[derive(Clone, Debug)]
enum Act {
    Read(u32),
    Write(u32, u32),
    Recv(u8, Msg),
    Pin(u16, bool),
    Wait(u64),
}

fn message(r: u64) -> Msg {
    let b = (r >> 8) as u8;
    match r % 12 {
        0 => Msg::Byte(b),
        1 => Msg::Text(vec![b; (r >> 20) as usize % 9]),
        2 => Msg::I2c(I2c::Start { addr: b & 0x7f, read: b & 0x80 != 0 }),
        3 => Msg::I2c(I2c::Write(b)),
        4 => Msg::I2c(I2c::Read { ack: b & 1 != 0 }),
        5 => Msg::I2cReply { ack: b & 1 != 0, data: b },
        6 => Msg::Spi(b),
        7 => Msg::Air(AirEvent::Sync {
            frame: r >> 60,
            address: r >> 16,
            address_len: b % 6,
            dbm: -40,
            bytes: 9,
        }),
        8 => Msg::Frame(vec![b; (r >> 20) as usize % 3000]),
        9 => Msg::BadFrame(vec![b; (r >> 20) as usize % 80]),
        10 => Msg::Level([None, Some(false), Some(true)][(r >> 20) as usize % 3]),
        _ => Msg::Air(AirEvent::End { frame: r >> 60, bytes: vec![b; (r >> 20) as usize % 40], dbm: -40 }),
    }
}

fn acts<D: Device>(seed: u64, n: usize) -> Vec<Act> {
    let mut rng = Rng::new(seed);
    let table = D::Reg::TABLE;
    let one = |_| {
        let r = rng.next_u64();
        let reg = table.get((r >> 8) as usize % table.len().max(1));
        let off = match reg {
            Some(i) if !r.is_multiple_of(8) => i.offset + (r >> 32) as u32 % i.count * i.stride,
            _ => (r >> 20) as u32 & 0xffc,
        };
        let value = match (r >> 5) % 4 {
            0 => 1,
            1 => (r >> 33) as u32 & 7,
            2 => (r >> 32) as u32 & 0x2000_3fff | 0x2000_0000,
            _ => (r >> 32) as u32,
        };
        match (r >> 2) % 8 {
            0 => Act::Read(off),
            1 => Act::Recv((r >> 50) as u8 & 3, message(rng.next_u64())),
            2 => Act::Pin((r >> 50) as u16 & 63, r >> 63 != 0),
            3 => Act::Wait((r >> 40) % (1 << ((r >> 34) % 25))),
            _ => Act::Write(off, value),
        }
    };
    (0..n).map(one).collect()
}

/// Applies one act; reads are part of the transcript.
fn apply(b: &mut Bench, act: &Act, pieces: u64, log: &mut Vec<u32>) {
    match act {
        Act::Read(off) => log.push(b.r(*off)),
        Act::Write(off, v) => b.w(*off, *v),
        Act::Recv(port, msg) => b.recv(*port, msg.clone()),
        Act::Pin(pin, level) => b.set_pin(*pin, *level),
        Act::Wait(ns) => {
            for i in 0..pieces {
                b.advance(ns * (i + 1) / pieces - ns * i / pieces);
            }
        }
    }
}

fn drive(b: &mut Bench, acts: &[Act], pieces: u64) -> Vec<u32> {
    let mut log = vec![];
    for act in acts {
        apply(b, act, pieces, &mut log);
    }
    log
}

const SEEDS: u64 = 40;
const STEPS: usize = 300;
/// States in which a debugger looks.
const LOOKS: u64 = 2;

pub fn survives_a_hostile_guest<D: Device>(make: impl Fn() -> D) {
    for seed in 0..SEEDS * 4 {
        drive(&mut Bench::new(make()), &acts::<D>(seed, STEPS), 1);
    }
}

pub fn saved_state_comes_back<D: Device>(make: impl Fn() -> D) {
    for seed in 0..SEEDS {
        let mut a = Bench::new(make());
        drive(&mut a, &acts::<D>(seed, STEPS), 1);
        let saved = a.machine.save();
        let mut b = Bench::new(make());
        b.machine.load(&saved).expect("what save() wrote, load() reads");
        assert_eq!(a.machine.digest(), b.machine.digest(), "seed {seed}");
        assert_eq!(b.machine.save(), saved, "seed {seed}");
    }
}

pub fn copies_run_like_the_original<D: Device>(make: impl Fn() -> D) {
    for seed in 0..SEEDS {
        let (first, second) = (acts::<D>(seed, STEPS), acts::<D>(!seed, STEPS));
        let mut a = Bench::new(make());
        drive(&mut a, &first, 1);
        let mut loaded = Bench::new(make());
        loaded.machine.load(&a.machine.save()).expect("what save() wrote, load() reads");
        let mut forked = a.fork();
        let log = drive(&mut a, &second, 1);
        assert_eq!(log, drive(&mut forked, &second, 1), "fork, seed {seed}");
        assert_eq!(log, drive(&mut loaded, &second, 1), "load, seed {seed}");
        assert_eq!(a.machine.digest(), forked.machine.digest(), "fork, seed {seed}");
        assert_eq!(a.machine.digest(), loaded.machine.digest(), "load, seed {seed}");
    }
}

pub fn slicing_time_changes_nothing<D: Device>(make: impl Fn() -> D) {
    for seed in 0..SEEDS {
        let acts = acts::<D>(seed, STEPS);
        let (mut a, mut b) = (Bench::new(make()), Bench::new(make()));
        assert_eq!(drive(&mut a, &acts, 1), drive(&mut b, &acts, 3), "seed {seed}");
        assert_eq!(a.machine.digest(), b.machine.digest(), "seed {seed}");
        assert_eq!(a.sent(), b.sent(), "seed {seed}");
    }
}

/// A debugger sees at every offset and in every size what a guest would read, and leaves no trace: saved state (wires,
/// events, mistakes and messages among it), output changes and memory are what they were.
pub fn looking_changes_nothing<D: Device>(make: impl Fn() -> D) {
    let registers = D::Reg::TABLE.iter().flat_map(|r| (0..r.count).map(|i| r.offset + i * r.stride));
    let mut words: Vec<u32> = registers.chain((0..0x1000).step_by(4)).map(|off| off & !3).collect();
    words.sort_unstable();
    words.dedup();
    let accesses: Vec<(u32, u8)> = words
        .iter()
        .flat_map(|&w| [(w, 4), (w, 2), (w + 2, 2), (w, 1), (w + 1, 1), (w + 2, 1), (w + 3, 1)])
        .collect();
    for seed in 0..LOOKS {
        let mut b = Bench::new(make());
        drive(&mut b, &acts::<D>(seed, STEPS), 1);
        b.edges();
        let (saved, digest) = (b.machine.save(), b.machine.digest());
        let seen: Vec<u32> = accesses.iter().map(|&(off, size)| b.peek(off, size)).collect();
        assert_eq!(b.machine.save(), saved, "seed {seed}");
        assert_eq!(b.machine.digest(), digest, "seed {seed}");
        assert!(b.edges().is_empty() && !b.machine.held(), "seed {seed}");
        for (&(off, size), seen) in accesses.iter().zip(seen) {
            assert_eq!(b.fork().read(off, size), seen, "offset {off:#x}, size {size}, seed {seed}");
        }
    }
}

pub fn broken_saves_are_refused<D: Device>(make: impl Fn() -> D) {
    let mut a = Bench::new(make());
    drive(&mut a, &acts::<D>(7, STEPS), 1);
    let saved = a.machine.save();
    for cut in [0, 1, saved.len() / 2, saved.len() - 1] {
        assert!(Bench::new(make()).machine.load(&saved[..cut]).is_err());
    }
    let mut rng = Rng::new(3);
    for _ in 0..100 {
        let mut bad = saved.clone();
        let r = rng.next_u64();
        let at = (r >> 8) as usize % bad.len();
        bad[at] ^= r as u8;
        let mut b = Bench::new(make());
        if b.machine.load(&bad).is_ok() {
            // A changed value may be a legal state: then it must also run.
            drive(&mut b, &acts::<D>(r, 50), 1);
        }
    }
}
