//! The gateway of an Ethernet: DHCP, DNS, ICMP echo, NAT to the host's sockets and forwards from the host's ports.

mod config;
mod host;

pub use config::{DhcpConfig, Forward, ForwardText, GatewayConfig, Lease, Mac, Protocol, Target};
pub use host::{FIRST_ACCEPTED, HOST_WINDOW, HostEvent, HostRequest};

use emu_core::Time;
use serde::{Deserialize, Serialize};

/// What a gateway did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Frames that stations sent to it.
    pub frames_in: u64,
    /// Frames that it sent.
    pub frames_out: u64,
    /// Frames it could make nothing of: too short, wrong checksum, fragments, unknown protocols.
    pub malformed: u64,
}

/// A gateway. Plain data: clone it to fork, serialise it to save or digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gateway {
    config: GatewayConfig,
    seed: u64,
    counters: Counters,
    frames: Vec<Vec<u8>>,
    requests: Vec<HostRequest>,
}

impl Gateway {
    /// A gateway to which nothing has happened yet. `config` has passed [`GatewayConfig::check`].
    pub fn new(config: GatewayConfig, seed: u64) -> Gateway {
        Gateway { config, seed, counters: Counters::default(), frames: vec![], requests: vec![] }
    }

    /// What it is like.
    pub fn config(&self) -> &GatewayConfig {
        &self.config
    }

    /// A frame arrives, from the destination address to the last byte before the FCS.
    pub fn frame(&mut self, at: Time, _frame: &[u8]) {
        self.poll(at);
        self.counters.frames_in += 1;
    }

    /// The host's side did something.
    pub fn host(&mut self, at: Time, _event: &HostEvent) {
        self.poll(at);
    }

    /// Does what is due up to and including `at`. Timers come before frames and events of the same instant; the
    /// others also do this first, so that an additional call changes nothing.
    pub fn poll(&mut self, _at: Time) {}

    /// When it next has something to do by itself: call [`Gateway::poll`] then. [`Time::MAX`]: nothing is due.
    pub fn next(&self) -> Time {
        Time::MAX
    }

    /// The frames that leave it now, in order.
    pub fn take_frames(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.frames)
    }

    /// What it wants of the host, in order.
    pub fn take_requests(&mut self) -> Vec<HostRequest> {
        std::mem::take(&mut self.requests)
    }

    /// The addresses it gave to stations, in the order of the stations' hardware addresses.
    pub fn leases(&self) -> Vec<Lease> {
        vec![]
    }

    /// What it did so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// What was loaded makes sense at `now`.
    pub fn fits(&self, now: Time) -> bool {
        self.config.check().is_ok() && self.next() >= now
    }
}
