//! One guest changes code that ninety-nine others share.

use crate::guests::{IN_FLASH, IN_LOOP, IN_RAM, MS, REWRITE, US, compiler, fleet, ran, run_to};
use emu_core::cpu::Engine;
use fleet::{Act, Command, Executor, Fleet, Serial};
use fleet_host::Pool;

const NODES: usize = 100;
/// It changes its own code.
const REWRITER: u32 = 42;
/// Somebody changes the code of this one.
const POKED: u32 = 77;

fn write(fleet: &mut Fleet, at: u64, node: u32, addr: u64, bytes: &[u8]) {
    let command = Command::new(emu_core::Time(at), node, Act::WriteMemory { addr, bytes: bytes.into() });
    fleet.apply(command);
}

/// Digests on the way, and how much was compiled in the last phase by each node.
fn run(engine: Engine, executor: &dyn Executor) -> (Vec<u128>, Vec<f64>, Vec<Vec<u8>>) {
    let mut fleet = fleet("microbit", "rewriter", NODES, engine);
    // At odd instants: in the middle of whatever is hot then.
    for i in 0..6 {
        write(&mut fleet, 3 * MS + i * 700 * US + 333, REWRITER, REWRITE, &[1]);
    }
    write(&mut fleet, 3 * MS + 111, POKED, IN_FLASH, &[0x33]);
    write(&mut fleet, 4 * MS + 77, POKED, IN_RAM, &[0x55]);
    write(&mut fleet, 5 * MS + 33, POKED, IN_LOOP, &[3]);
    let mut digests = vec![];
    for half in 1..=18 {
        run_to(&mut fleet, half * 500 * US, executor);
        digests.push(fleet.digest());
    }
    let before: Vec<_> = (0..NODES).map(|n| ran(&fleet, n)).collect();
    run_to(&mut fleet, 14 * MS, executor);
    digests.push(fleet.digest());
    let share = |n: usize| {
        let (retired, compiled) = ran(&fleet, n);
        (compiled - before[n].1) as f64 / (retired - before[n].0) as f64
    };
    let shares = (0..NODES).map(share).collect();
    let code = |n: u32| {
        let node = fleet.nodes().nth(n as usize).expect("it is there");
        let mut found = vec![0; 3];
        for (addr, byte) in [IN_FLASH, IN_RAM, IN_LOOP].iter().zip(&mut found) {
            node.machine.bus.fabric.mem.peek(*addr, std::slice::from_mut(byte));
        }
        found
    };
    let codes = vec![code(0), code(REWRITER), code(POKED)];
    (digests, shares, codes)
}

#[test]
fn jit_one_rewrites_the_code_that_ninety_nine_share() {
    if !compiler() {
        return;
    }
    let (wanted, none, codes) = run(Engine::Interpreter, &Serial);
    assert!(none.iter().all(|share| *share == 0.0));
    // They really are different programs now. Six times the lowest bit was cleared, six times one was added.
    assert_eq!(codes, [[0xff, 1, 1], [0xc0, 7, 1], [0x33, 0x55, 3]]);
    for (what, executor) in [("one thread", &Serial as &dyn Executor), ("two threads", &Pool::new(2))] {
        let (digests, shares, _) = run(Engine::Jit, executor);
        assert_eq!(digests, wanted, "{what}");
        for (node, share) in shares.iter().enumerate() {
            // One that changes its RAM again and again is left to the interpreter there.
            let least = if node as u32 == REWRITER { 0.3 } else { 0.99 };
            assert!(*share > least, "{what}: only {share} of node {node} is compiled");
        }
    }
}
