//! A gateway, a station with smoltcp's own stack and a host made of rules, in virtual time. The wire between gateway
//! and station can lose, double and delay frames.

use super::*;
use emu_core::rng::hash_words;
use smoltcp::{
    iface::{Config, Interface, SocketHandle, SocketSet},
    phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken},
    socket::tcp,
    time::Instant,
    wire::{EthernetAddress, IpCidr},
};
use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};

pub const MAC: Mac = [2, 0, 0, 0, 0, 1];
pub const STATION: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 20);
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
const US: u64 = 1_000;

/// smoltcp's end of the wire.
#[derive(Default)]
pub struct Port {
    rx: VecDeque<Vec<u8>>,
    tx: Vec<Vec<u8>>,
}

pub struct Rx(Vec<u8>);
pub struct Tx<'a>(&'a mut Vec<Vec<u8>>);

impl RxToken for Rx {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.push(frame);
        result
    }
}

impl Device for Port {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx<'a>;
    fn receive(&mut self, _: Instant) -> Option<(Rx, Tx<'_>)> {
        Some((Rx(self.rx.pop_front()?), Tx(&mut self.tx)))
    }
    fn transmit(&mut self, _: Instant) -> Option<Tx<'_>> {
        Some(Tx(&mut self.tx))
    }
    fn capabilities(&self) -> DeviceCapabilities {
        let mut caps = DeviceCapabilities::default();
        caps.medium = Medium::Ethernet;
        caps.max_transmission_unit = 1514;
        caps
    }
}

/// Chances in thousandths.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    pub loss: u64,
    pub double: u64,
    pub delay: u64,
}

/// One connection at the host.
#[derive(Debug, Default)]
pub struct HostConn {
    /// What it got.
    pub got: Vec<u8>,
    /// What it has to send.
    pub to_send: VecDeque<u8>,
    /// It shuts down when everything is sent; else it waits for the station's end.
    pub hang_up: bool,
    pub window: u32,
    pub shut: bool,
    pub eof_sent: bool,
    pub closed: bool,
    pub to: Option<SocketAddr>,
}

/// What the host does.
#[derive(Debug, Default)]
pub struct Host {
    pub conns: BTreeMap<u32, HostConn>,
    /// What it sends through every new connection.
    pub greeting: Vec<u8>,
    pub hang_up: bool,
    /// Connections are refused.
    pub refuse: bool,
    /// Written bytes are not reported.
    pub stuck: bool,
    pub unwritten: BTreeMap<u32, u32>,
    pub names: BTreeMap<String, Vec<Ipv4Addr>>,
    /// All requests.
    pub requests: Vec<HostRequest>,
    /// Datagrams come back.
    pub echo_udp: bool,
}

impl Host {
    fn new_conn(&self, to: Option<SocketAddr>) -> HostConn {
        let to_send = self.greeting.iter().copied().collect();
        HostConn { to_send, hang_up: self.hang_up, to, ..HostConn::default() }
    }

    pub fn request(&mut self, r: &HostRequest) -> Vec<HostEvent> {
        self.requests.push(r.clone());
        match r {
            HostRequest::Connect { conn, .. } if self.refuse => {
                return vec![HostEvent::Refused { conn: *conn }];
            }
            HostRequest::Connect { conn, to } => {
                assert!(!self.conns.contains_key(conn), "a number was used twice");
                self.conns.insert(*conn, self.new_conn(Some(*to)));
                return vec![HostEvent::Connected { conn: *conn }];
            }
            HostRequest::Send { conn, bytes } => {
                let Some(c) = self.conns.get_mut(conn) else { return vec![] };
                assert!(!c.shut && !c.closed);
                c.got.extend(bytes);
                let bytes = bytes.len() as u32;
                if self.stuck {
                    *self.unwritten.entry(*conn).or_default() += bytes;
                    return vec![];
                }
                return vec![HostEvent::Written { conn: *conn, bytes }];
            }
            HostRequest::ShutdownWrite { conn } => {
                let Some(c) = self.conns.get_mut(conn) else { return vec![] };
                assert!(!c.shut, "shut down twice");
                c.shut = true;
                return self.pump(*conn);
            }
            HostRequest::Close { conn } => {
                if let Some(c) = self.conns.get_mut(conn) {
                    c.closed = true;
                }
            }
            HostRequest::Window { conn, bytes } => {
                if let Some(c) = self.conns.get_mut(conn) {
                    c.window += bytes;
                    assert!(c.window <= HOST_WINDOW);
                }
                return self.pump(*conn);
            }
            HostRequest::Resolve { id, name } => {
                let addrs = self.names.get(name).cloned().unwrap_or_default();
                return vec![HostEvent::Resolved { id: *id, addrs }];
            }
            HostRequest::Udp { flow, to, bytes } if self.echo_udp => {
                return vec![HostEvent::UdpData { flow: *flow, from: *to, bytes: bytes.clone() }];
            }
            HostRequest::Udp { .. } | HostRequest::UdpClose { .. } | HostRequest::UdpReply { .. } => {}
        }
        vec![]
    }

    fn pump(&mut self, conn: u32) -> Vec<HostEvent> {
        let Some(c) = self.conns.get_mut(&conn) else { return vec![] };
        let mut events = vec![];
        if c.closed {
            return events;
        }
        while c.window > 0 && !c.to_send.is_empty() {
            let n = c.to_send.len().min(c.window as usize).min(5_000);
            events.push(HostEvent::Data { conn, bytes: c.to_send.drain(..n).collect() });
            c.window -= n as u32;
        }
        if c.to_send.is_empty() && (c.hang_up || c.shut) && !c.eof_sent {
            c.eof_sent = true;
            events.push(HostEvent::Eof { conn });
        }
        events
    }
}

/// Something that happened to the gateway.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    Frame(Time, Vec<u8>),
    Host(Time, HostEvent),
}

enum Ahead {
    ToGateway(Vec<u8>),
    ToStation(Vec<u8>),
    Host(HostEvent),
}

pub struct Lan {
    pub gateway: Gateway,
    pub iface: Interface,
    pub sockets: SocketSet<'static>,
    port: Port,
    pub host: Host,
    pub faults: Faults,
    pub seed: u64,
    pub now: Time,
    ahead: BTreeMap<(Time, u64), Ahead>,
    count: u64,
    /// Each time something happened, the gateway is saved and loaded.
    pub reload: bool,
    pub inputs: Vec<Input>,
    /// Frames and requests in order, in words.
    pub outputs: Vec<String>,
    /// Frames the gateway sent, with their times.
    pub sent: Vec<(Time, Vec<u8>)>,
}

pub fn reloaded(gateway: &Gateway) -> Gateway {
    let bytes = postcard::to_stdvec(gateway).expect("a gateway can be saved");
    let loaded: Gateway = postcard::from_bytes(&bytes).expect("what was saved can be loaded");
    assert_eq!(postcard::to_stdvec(&loaded).unwrap(), bytes, "the encoding is not canonical");
    assert_eq!(&loaded, gateway);
    loaded
}

impl Lan {
    pub fn new(config: GatewayConfig, seed: u64) -> Lan {
        config.check().expect("a good configuration");
        let mut port = Port::default();
        let mut station = Config::new(EthernetAddress(MAC).into());
        station.random_seed = seed;
        let mut iface = Interface::new(station, &mut port, Instant::ZERO);
        iface.update_ip_addrs(|a| a.push(IpCidr::new(STATION.into(), 24)).unwrap());
        iface.routes_mut().add_default_ipv4_route(GATEWAY).unwrap();
        Lan {
            gateway: Gateway::new(config, seed),
            iface,
            sockets: SocketSet::new(vec![]),
            port,
            host: Host::default(),
            faults: Faults::default(),
            seed,
            now: Time::ZERO,
            ahead: BTreeMap::new(),
            count: 0,
            reload: false,
            inputs: vec![],
            outputs: vec![],
            sent: vec![],
        }
    }

    pub fn later(&mut self, ns: u64, event: HostEvent) {
        self.put(ns, Ahead::Host(event));
    }

    fn put(&mut self, ns: u64, what: Ahead) {
        self.count += 1;
        self.ahead.insert((self.now + ns, self.count), what);
    }

    /// A frame goes over the wire, or not.
    fn wire(&mut self, frame: &[u8], to_station: bool) {
        let luck = hash_words(self.seed, &[self.count, self.now.0]);
        let make = |f: &[u8]| match to_station {
            true => Ahead::ToStation(f.to_vec()),
            false => Ahead::ToGateway(f.to_vec()),
        };
        self.count += 1;
        if luck % 1000 < self.faults.loss {
            return;
        }
        let slow = if luck / 1000 % 1000 < self.faults.delay { luck % 3_000 * US } else { 0 };
        self.put(50 * US + slow, make(frame));
        if luck / 1_000_000 % 1000 < self.faults.double {
            self.put(90 * US, make(frame));
        }
    }

    /// Passes on what the gateway gave.
    fn collect(&mut self) {
        if self.reload {
            self.gateway = reloaded(&self.gateway);
        }
        assert!(self.gateway.fits(self.now), "at {}: {:?}", self.now, self.gateway);
        for frame in self.gateway.take_frames() {
            assert!(frame.len() <= 1514);
            self.outputs.push(format!("{} {frame:02x?}", self.now));
            self.sent.push((self.now, frame.clone()));
            self.wire(&frame, true);
        }
        for request in self.gateway.take_requests() {
            self.outputs.push(format!("{} {request:?}", self.now));
            for (i, event) in (0..).zip(self.host.request(&request)) {
                self.later((200 + i) * US, event);
            }
        }
    }

    fn station(&mut self) {
        self.iface.poll(self.instant(), &mut self.port, &mut self.sockets);
        for frame in std::mem::take(&mut self.port.tx) {
            self.wire(&frame, false);
        }
    }

    fn instant(&self) -> Instant {
        Instant::from_micros((self.now.0 / US) as i64)
    }

    /// One thing happens, at `end` at the latest.
    fn step(&mut self, end: Time) {
        self.station();
        let stack = self.iface.poll_at(self.instant(), &self.sockets);
        let stack = stack.map_or(Time::MAX, |t| Time((t.total_micros() as u64 * US).max(self.now.0 + US)));
        let ahead = self.ahead.keys().next().map_or(Time::MAX, |k| k.0);
        self.now = end.min(stack).min(ahead).min(self.gateway.next());
        if self.gateway.next() <= self.now {
            self.gateway.poll(self.now);
            self.collect();
        }
        while let Some(entry) = self.ahead.first_entry().filter(|e| e.key().0 <= self.now) {
            match entry.remove() {
                Ahead::ToStation(frame) => self.port.rx.push_back(frame),
                Ahead::ToGateway(frame) => {
                    self.inputs.push(Input::Frame(self.now, frame.clone()));
                    self.gateway.frame(self.now, &frame);
                    self.collect();
                }
                Ahead::Host(event) => {
                    self.inputs.push(Input::Host(self.now, event.clone()));
                    self.gateway.host(self.now, &event);
                    self.collect();
                }
            }
        }
        self.station();
    }

    pub fn run(&mut self, secs: u64) {
        self.pass(secs * 1_000_000_000);
    }

    pub fn pass(&mut self, ns: u64) {
        let end = self.now + ns;
        while self.now < end {
            self.step(end);
        }
    }

    /// Runs until `done`, or fails.
    pub fn until(&mut self, secs: u64, mut done: impl FnMut(&mut Lan) -> bool) {
        let end = self.now + secs * 1_000_000_000;
        while !done(self) {
            assert!(self.now < end, "not done after {secs} s");
            self.step(end);
        }
    }

    pub fn tcp_socket(&mut self, buffer: usize) -> SocketHandle {
        let ring = || tcp::SocketBuffer::new(vec![0; buffer]);
        self.sockets.add(tcp::Socket::new(ring(), ring()))
    }

    pub fn connect(&mut self, buffer: usize, to: Ipv4Addr, port: u16, from: u16) -> SocketHandle {
        let handle = self.tcp_socket(buffer);
        let socket = self.sockets.get_mut::<tcp::Socket>(handle);
        socket.connect(self.iface.context(), (to, port), from).unwrap();
        handle
    }

    pub fn tcp(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// The host's only connection.
    pub fn conn(&mut self) -> &mut HostConn {
        assert_eq!(self.host.conns.len(), 1);
        self.host.conns.values_mut().next().unwrap()
    }
}

/// A station's program: sends all bytes, then closes; reads everything meanwhile.
pub struct Talk {
    pub socket: SocketHandle,
    pub to_send: Vec<u8>,
    pub sent: usize,
    pub got: Vec<u8>,
    /// Closes when all is sent.
    pub close: bool,
    /// Reads only so many bytes each time.
    pub sip: usize,
}

impl Talk {
    pub fn new(socket: SocketHandle, to_send: Vec<u8>) -> Talk {
        Talk { socket, to_send, sent: 0, got: vec![], close: true, sip: usize::MAX }
    }

    pub fn go(&mut self, lan: &mut Lan) {
        let sip = self.sip;
        let s = lan.tcp(self.socket);
        while s.can_recv() {
            let piece = s.recv(|b| (b.len().min(sip), b[..b.len().min(sip)].to_vec())).unwrap();
            self.got.extend(piece);
            if sip != usize::MAX {
                break;
            }
        }
        if s.can_send() && self.sent < self.to_send.len() {
            self.sent += s.send_slice(&self.to_send[self.sent..]).unwrap();
        }
        if self.close && self.sent == self.to_send.len() && s.may_send() {
            s.close();
        }
    }
}

/// Bytes that differ everywhere.
pub fn pattern(seed: u64, n: usize) -> Vec<u8> {
    (0..n as u64).map(|i| hash_words(seed, &[i / 7]).to_le_bytes()[(i % 7) as usize]).collect()
}
