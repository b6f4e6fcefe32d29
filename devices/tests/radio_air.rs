//! Radios on the simulated air, run in epochs as a fleet runs them: how long the epochs are changes nothing.

use devices::nordic::radio::{Radio, Reg};
use emu_core::{
    Time,
    device::DevId,
    link::{Msg, RadioAct},
    rng::Rng,
};
use emu_testkit::{Bench, bench::RAM};
use netsim::{Propagation, RadioConfig, RadioMedium};
use proptest::prelude::*;

const BUFFER: u64 = RAM + 0x100;

/// A write to a register at a time.
type Step = (u64, Reg, u32);

struct World {
    radios: Vec<Bench>,
    steps: Vec<Vec<Step>>,
    medium: RadioMedium,
    now: Time,
    frames: usize,
}

impl World {
    fn new(config: RadioConfig, places: &[[f64; 3]]) -> World {
        let mut medium = RadioMedium::new(config, 3);
        places.iter().enumerate().for_each(|(i, p)| medium.place(i as u32, *p));
        let radios = places.iter().map(|_| micropython()).collect();
        World { radios, steps: vec![vec![]; places.len()], medium, now: Time::ZERO, frames: 0 }
    }

    /// Runs to `end` in epochs of at most `slice` nanoseconds.
    fn run(&mut self, end: Time, slice: u64) {
        while self.now < end {
            // A CPU may do anything at any instant, so a radio promises no more than its lookahead from now.
            let look = |b: &Bench| b.machine.bus.device(DevId(0)).unwrap().lookahead();
            let promise = self.radios.iter().map(look).min().unwrap();
            let heard = self.now + promise + self.medium.latency();
            let barrier = end.min(heard).min(self.medium.next_decision()).min(self.now + slice);
            let mut acts = vec![];
            for (i, (b, steps)) in self.radios.iter_mut().zip(&mut self.steps).enumerate() {
                while steps.first().is_some_and(|s| s.0 <= barrier.0) {
                    let (t, reg, v) = steps.remove(0);
                    b.advance(Time(t).since(b.now()));
                    b.set(reg, 0, v);
                }
                b.advance(barrier.since(b.now()));
                acts.extend(b.sent().into_iter().map(|o| (o.at, i, o.msg)));
            }
            acts.sort_by_key(|a| (a.0, a.1));
            for (at, i, msg) in acts {
                let Msg::Radio(act) = msg else { panic!("{msg:?}") };
                self.frames += usize::from(matches!(act, RadioAct::TxStart(_)));
                self.medium.act(i as u32, at, &act);
            }
            self.now = barrier;
            for d in self.medium.run_until(barrier) {
                assert_eq!(d.at, barrier, "nothing is heard before the barrier");
                self.radios[d.node as usize].recv(0, Msg::Air(d.event));
            }
        }
    }

    fn digests(&mut self) -> Vec<u128> {
        let mut all: Vec<_> = self.radios.iter_mut().map(|b| b.machine.digest()).collect();
        all.push(emu_core::save::digest(&emu_core::save::to_bytes(&self.medium)));
        all
    }
}

/// A radio as MicroPython's `radio.on()` leaves it, but for the receiver.
fn micropython() -> Bench {
    let mut b = Bench::new(Radio::new());
    let regs = [
        (Reg::Frequency, 7),
        (Reg::Base0, 0x7562_6974),
        (Reg::Rxaddresses, 1),
        (Reg::Pcnf0, 8),
        (Reg::Pcnf1, 0x0204_0020),
        (Reg::Crccnf, 2),
        (Reg::Crcinit, 0xffff),
        (Reg::Crcpoly, 0x11021),
        (Reg::Datawhiteiv, 0x18),
        (Reg::Packetptr, BUFFER as u32),
        (Reg::Shorts, 1 | 1 << 4), // READY_START, ADDRESS_RSSISTART
    ];
    regs.into_iter().for_each(|(r, v)| b.set(r, 0, v));
    b
}

/// Leave reception, send, listen again: `radio.send()`.
fn send(at: u64) -> [Step; 4] {
    let done = at + 140_000 + 72_000 + 32 * 8_000;
    [
        (at, Reg::TasksDisable, 1),
        (at + 1_000, Reg::TasksTxen, 1),
        (done, Reg::TasksDisable, 1),
        (done + 10_000, Reg::TasksRxen, 1),
    ]
}

#[test]
fn everybody_in_range_receives_what_one_sends() {
    let places = [[0.0; 3], [10.0, 0.0, 0.0], [0.0, 20.0, 0.0], [300.0, 0.0, 0.0]];
    let mut w = World::new(RadioConfig::default(), &places);
    w.radios[0].set_ram(BUFFER, b"\x0bhello radio");
    for i in 1..4 {
        w.steps[i] = vec![(0, Reg::TasksRxen, 1)];
    }
    w.steps[0] = send(1_000_000).to_vec();
    w.run(Time::ms(5), u64::MAX);
    for (i, rssi) in [(1, 70), (2, 79)] {
        let b = &mut w.radios[i];
        assert_eq!(b.ram(BUFFER, 12), b"\x0bhello radio");
        let got = [Reg::EventsEnd, Reg::Crcstatus, Reg::Rssisample].map(|r| b.get(r, 0));
        assert_eq!(got, [1, 1, rssi]);
    }
    assert_eq!(w.radios[3].get(Reg::EventsAddress, 0), 0);
    assert_eq!(w.radios.iter().map(Bench::mistakes).sum::<u64>(), 0);
}

#[test]
fn two_who_send_at_once_spoil_it_for_the_third() {
    let mut w = World::new(RadioConfig::default(), &[[0.0; 3], [10.0, 0.0, 0.0], [20.0, 0.0, 0.0]]);
    w.steps[0] = send(1_000_000).to_vec();
    w.steps[1] = vec![(0, Reg::TasksRxen, 1)];
    w.steps[2] = send(1_060_000).to_vec(); // after the address of the first
    for i in [0, 2] {
        w.radios[i].set_ram(BUFFER, &[20; 21]);
    }
    w.run(Time::ms(5), u64::MAX);
    let b = &mut w.radios[1];
    assert_eq!([Reg::EventsAddress, Reg::EventsEnd, Reg::Crcstatus].map(|r| b.get(r, 0)), [1, 1, 0]);
}

proptest! {
    #![proptest_config(emu_testkit::cases(64))]
    #[test]
    fn the_length_of_epochs_changes_nothing(seed: u64, slice in 100u64..30_000, range in 5.0f64..60.0) {
        let config = || RadioConfig {
            propagation: Propagation::UnitDisk {
                tx_range: range, interference_range: range * 1.5, success_ratio_tx: 0.95, success_ratio_rx: 0.7,
            },
            ..RadioConfig::default()
        };
        let mut rng = Rng::new(seed);
        let places: Vec<_> = (0..5).map(|_| [rng.next_u64() as u8, rng.next_u64() as u8].map(|x| f64::from(x) / 5.0))
            .map(|[x, y]| [x, y, 0.0]).collect();
        let steps: Vec<Vec<Step>> = (0..5).map(|_| {
            let mut t = 0;
            let mut steps = vec![(0, Reg::TasksRxen, 1)];
            for _ in 0..12 {
                t += 400_000 + rng.next_u64() % 1_000_000;
                match rng.next_u64() % 4 {
                    0 => steps.push((t, Reg::TasksStart, 1)),
                    1 => steps.push((t, Reg::TasksStop, 1)),
                    _ => steps.extend(send(t)),
                }
                t += 500_000;
            }
            steps
        }).collect();
        let run = |slice: u64| {
            let mut w = World::new(config(), &places);
            w.steps = steps.clone();
            for (i, b) in w.radios.iter_mut().enumerate() {
                b.set_ram(BUFFER, &[8 + i as u8; 32]);
            }
            w.run(Time::ms(20), slice);
            (w.frames, w.digests())
        };
        let whole = run(u64::MAX);
        prop_assert!(whole.0 > 10);
        prop_assert_eq!(&whole, &run(slice));
        prop_assert_eq!(&whole, &run(slice * 7));
    }
}
