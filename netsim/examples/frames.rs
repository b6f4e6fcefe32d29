//! `frames NODES`: sends a fixed number of frames among so many listening nodes at a fixed density, for `cargo xtask bench`.
//! Only nodes away from the rim send, so that each frame has as many listeners in a small square as in a large one.

use emu_core::{
    Time,
    link::{AirFrame, Phy, RadioAct},
};
use netsim::{RadioConfig, RadioMedium};

/// Metres between neighbours.
const SPACING: f64 = 70.0;
/// Rows at the rim whose nodes only listen.
const RIM: usize = 3;
const FRAMES: u64 = 200_000;

fn main() {
    let nodes: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(100);
    let side = (1..).find(|s| s * s >= nodes).unwrap_or(1);
    let mut medium = RadioMedium::new(RadioConfig::default(), 1);
    for i in 0..nodes {
        medium.place(i as u32, [(i % side) as f64 * SPACING, (i / side) as f64 * SPACING, 0.0]);
        medium.act(i as u32, Time::ZERO, &RadioAct::RxOn { mhz: 2407, phy: Phy::Nrf1Mbit });
    }
    let inner = |i: &usize| {
        let (x, y) = (i % side, i / side);
        (RIM..side - RIM).contains(&x) && (RIM..side - RIM).contains(&y)
    };
    let senders: Vec<usize> = (0..nodes).filter(inner).collect();
    let frame = AirFrame {
        mhz: 2407,
        phy: Phy::Nrf1Mbit,
        dbm: 0,
        address: 0x12_7562_6974,
        address_len: 5,
        bytes: vec![7; 20],
        sync_ns: 48_000,
        total_ns: 208_000,
    };
    let mut heard = 0;
    for i in 0..FRAMES {
        // As many frames a second and node, whatever their number: those far away are on the air at the same time.
        let t = Time(1_000 + i * 30_000_000 / nodes as u64);
        let sender = senders[(i as usize * 7919) % senders.len()] as u32;
        medium.act(sender, t, &RadioAct::TxStart(frame.clone()));
        heard += medium.run_until(t).len();
    }
    println!("{FRAMES} frames among {nodes} nodes, heard {heard} times");
}
