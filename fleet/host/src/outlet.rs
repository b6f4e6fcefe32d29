//! The way of a fleet's gateways to the host's network and back.
//!
//! While something is open, virtual time is kept from running ahead of the host: each exchange waits a little.

use crate::{
    InputError,
    gateway::{Bound, HostNet, bind},
};
use crossbeam::channel::{Receiver, bounded};
use emu_core::Time;
use fleet::{Act, Command, Fleet};
use netsim::{
    Medium,
    gateway::{HostEvent, HostRequest},
};
use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

/// While something is open, exchanges lie so many nanoseconds of virtual time apart.
pub const EXCHANGE: u64 = 1_000_000;
/// How long an exchange waits for the host meanwhile.
const PATIENCE: Duration = Duration::from_millis(1);
/// After so many exchanges in which nothing happened, what is open is taken for idle.
const IDLE: u32 = 5_000;
/// Events that wait for an exchange.
const EVENTS: usize = 1024;

/// What the host works on: a connection, a datagram socket, a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Business {
    Conn(u32),
    Flow(u32),
    Name(u32),
}

/// The host's side of all gateways of a fleet.
pub struct Outlet {
    net: HostNet,
    events: Receiver<(u16, HostEvent)>,
    forwards: Vec<(String, SocketAddr)>,
    /// What is open, and for connections which directions are closed (to the host, from it).
    open: BTreeMap<(u16, Business), (bool, bool)>,
    quiet: u32,
}

impl Outlet {
    /// Opens the ports that a fleet's gateways forward. `None`: it has no gateway.
    pub fn open(fleet: &Fleet) -> Result<Option<Outlet>, InputError> {
        let (mut bound, mut forwards): (Vec<Bound>, Vec<_>) = (vec![], vec![]);
        let mut any = false;
        for (i, (name, medium)) in (0..).zip(fleet.media()) {
            let Medium::Ethernet(switch) = medium else { continue };
            let Some(gateway) = switch.gateway() else { continue };
            any = true;
            let sockets = bind(i, &gateway.config().forwards)?;
            forwards.extend(sockets.addresses().into_iter().map(|a| (name.to_string(), a)));
            bound.push(sockets);
        }
        if !any {
            return Ok(None);
        }
        let (send, events) = bounded(EVENTS);
        let net = HostNet::start(bound, send, |medium, event| (medium, event))
            .map_err(|source| InputError::Read { path: "the host's network".into(), source })?;
        Ok(Some(Outlet { net, events, forwards, open: BTreeMap::new(), quiet: 0 }))
    }

    /// Where the forwards listen, with the names of their switches.
    pub fn forwards(&self) -> &[(String, SocketAddr)] {
        &self.forwards
    }

    /// The host is working on something, or somebody there is connected.
    pub fn busy(&self) -> bool {
        !self.open.is_empty() && self.quiet < IDLE
    }

    /// Passes requests on; the answer is what the host has to tell by now.
    pub fn exchange(&mut self, requests: Vec<(u32, HostRequest)>) -> Vec<(u32, HostEvent)> {
        self.quiet = if requests.is_empty() { self.quiet.saturating_add(1) } else { 0 };
        for (medium, request) in requests {
            let Ok(medium) = u16::try_from(medium) else { continue };
            self.asked(medium, &request);
            self.net.request(medium, request);
        }
        let first = if self.busy() { self.events.recv_timeout(PATIENCE).ok() } else { None };
        let mut told: Vec<_> = first.into_iter().collect();
        told.extend(self.events.try_iter());
        for (medium, event) in &told {
            self.quiet = 0;
            self.heard(*medium, event);
        }
        told.into_iter().map(|(medium, event)| (medium.into(), event)).collect()
    }

    /// Exchanges at the fleet's present time; what the host tells becomes commands.
    pub fn serve(&mut self, fleet: &mut Fleet) {
        let requests = fleet.take_host_requests();
        let now: Time = fleet.now();
        for (medium, event) in self.exchange(requests) {
            fleet.apply(Command::new(now, Command::FLEET, Act::Host { medium, event }));
        }
    }

    fn asked(&mut self, medium: u16, request: &HostRequest) {
        match request {
            HostRequest::Connect { conn, .. } => {
                self.open.insert((medium, Business::Conn(*conn)), (false, false));
            }
            HostRequest::ShutdownWrite { conn } => self.half(medium, *conn, |half| half.0 = true),
            HostRequest::Close { conn } => self.over(medium, Business::Conn(*conn)),
            HostRequest::Udp { flow, .. } => {
                self.open.insert((medium, Business::Flow(*flow)), (false, false));
            }
            HostRequest::UdpClose { flow } => self.over(medium, Business::Flow(*flow)),
            HostRequest::Resolve { id, .. } => {
                self.open.insert((medium, Business::Name(*id)), (false, false));
            }
            HostRequest::Send { .. } | HostRequest::Window { .. } | HostRequest::UdpReply { .. } => {}
        }
    }

    fn heard(&mut self, medium: u16, event: &HostEvent) {
        match event {
            HostEvent::Accepted { conn, .. } => {
                self.open.insert((medium, Business::Conn(*conn)), (false, false));
            }
            HostEvent::Eof { conn } => self.half(medium, *conn, |half| half.1 = true),
            HostEvent::Refused { conn } | HostEvent::Reset { conn } => {
                self.over(medium, Business::Conn(*conn));
            }
            HostEvent::Resolved { id, .. } => self.over(medium, Business::Name(*id)),
            _ => {}
        }
    }

    fn half(&mut self, medium: u16, conn: u32, close: impl FnOnce(&mut (bool, bool))) {
        let key = (medium, Business::Conn(conn));
        if let Some(half) = self.open.get_mut(&key) {
            close(half);
            if *half == (true, true) {
                self.open.remove(&key);
            }
        }
    }

    fn over(&mut self, medium: u16, business: Business) {
        self.open.remove(&(medium, business));
    }
}
