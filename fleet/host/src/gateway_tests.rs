//! Real sockets on the host's loopback. Nothing here depends on how long anything takes.

use super::*;
use crossbeam::channel::{Receiver, bounded};
use netsim::gateway::{HOST_WINDOW, Target};
use std::io::{Read, Write};

/// Only a hang takes so long.
const HANG: Duration = Duration::from_secs(60);
const MEDIUM: u16 = 3;

struct Net {
    net: HostNet,
    events: Receiver<(u16, HostEvent)>,
}

impl Net {
    fn start(bound: Vec<Bound>) -> Net {
        let (send, events) = bounded(16);
        Net { net: HostNet::start(bound, send, |m, e| (m, e)).unwrap(), events }
    }

    fn new() -> Net {
        Net::start(vec![])
    }

    fn request(&self, request: HostRequest) {
        self.net.request(MEDIUM, request);
    }

    fn event(&self) -> HostEvent {
        let (medium, event) = self.events.recv_timeout(HANG).expect("an event");
        assert_eq!(medium, MEDIUM);
        event
    }

    /// Reads until `bytes` came in, giving the window back, and counts what was written meanwhile.
    fn read(&self, conn: u32, bytes: usize, written: &mut usize) -> Vec<u8> {
        let mut got = vec![];
        while got.len() < bytes {
            match self.event() {
                HostEvent::Data { conn: c, bytes } if c == conn => {
                    self.request(HostRequest::Window { conn, bytes: bytes.len() as u32 });
                    got.extend(bytes);
                }
                HostEvent::Written { conn: c, bytes } if c == conn => *written += bytes as usize,
                other => panic!("{other:?}"),
            }
        }
        got
    }
}

fn loopback(protocol: Protocol, port: u16) -> Forward {
    let host = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    Forward { protocol, host, to: Target::Mac([2; 6]), port: 80 }
}

fn listener() -> (std::net::TcpListener, SocketAddr) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

/// A connection from a gateway to a listener of the test.
fn connected(net: &Net, conn: u32) -> std::net::TcpStream {
    let (listener, to) = listener();
    net.request(HostRequest::Connect { conn, to });
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(HANG)).unwrap();
    assert_eq!(net.event(), HostEvent::Connected { conn });
    stream
}

fn pattern(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i * i / 7 + i) as u8).collect()
}

#[test]
fn bytes_go_both_ways_and_each_half_closes() {
    let net = Net::new();
    let mut stream = connected(&net, 0);
    net.request(HostRequest::Window { conn: 0, bytes: HOST_WINDOW });
    net.request(HostRequest::Send { conn: 0, bytes: b"question".to_vec() });
    net.request(HostRequest::ShutdownWrite { conn: 0 });
    let mut got = vec![];
    stream.read_to_end(&mut got).unwrap();
    assert_eq!(got, b"question");
    assert_eq!(net.event(), HostEvent::Written { conn: 0, bytes: 8 });
    stream.write_all(b"answer").unwrap();
    drop(stream);
    assert_eq!(net.event(), HostEvent::Data { conn: 0, bytes: b"answer".to_vec() });
    assert_eq!(net.event(), HostEvent::Eof { conn: 0 });
}

#[test]
fn nothing_is_read_beyond_the_window() {
    let net = Net::new();
    let mut stream = connected(&net, 0);
    let all = pattern(3 << 20);
    let bytes = all.clone();
    let writer =
        std::thread::Builder::new().spawn(move || stream.write_all(&bytes).map(|()| stream)).unwrap();
    net.request(HostRequest::Window { conn: 0, bytes: 1000 });
    let mut got = vec![];
    while got.len() < 1000 {
        let HostEvent::Data { bytes, .. } = net.event() else { panic!() };
        got.extend(bytes);
    }
    assert_eq!(got.len(), 1000);
    // Something else, asked after it, comes first: the connection stands.
    net.request(HostRequest::Resolve { id: 9, name: "127.0.0.1".into() });
    assert_eq!(net.event(), HostEvent::Resolved { id: 9, addrs: vec![Ipv4Addr::LOCALHOST] });
    net.request(HostRequest::Window { conn: 0, bytes: HOST_WINDOW });
    got.extend(net.read(0, all.len() - 1000, &mut 0));
    assert!(got == all);
    drop(writer.join().unwrap());
    assert_eq!(net.event(), HostEvent::Eof { conn: 0 });
}

#[test]
fn what_the_peer_does_not_read_is_not_reported_as_written() {
    let net = Net::new();
    let mut stream = connected(&net, 0);
    let all = pattern(32 << 20); // more than the host's buffers take
    for piece in all.chunks(HOST_WINDOW as usize) {
        net.request(HostRequest::Send { conn: 0, bytes: piece.to_vec() });
    }
    net.request(HostRequest::ShutdownWrite { conn: 0 });
    let mut written = 0;
    while let Ok((_, HostEvent::Written { bytes, .. })) = net.events.recv_timeout(Duration::from_millis(300))
    {
        written += bytes as usize;
    }
    assert!(written < all.len(), "{written}");
    let want = all.len();
    let reader = std::thread::Builder::new().spawn(move || {
        let mut got = vec![];
        stream.read_to_end(&mut got).map(|_| got)
    });
    while written < want {
        let HostEvent::Written { bytes, .. } = net.event() else { panic!() };
        written += bytes as usize;
    }
    assert!(reader.unwrap().join().unwrap().unwrap() == all);
}

#[test]
fn a_port_where_nobody_listens_refuses() {
    let net = Net::new();
    let (listener, to) = listener();
    drop(listener);
    net.request(HostRequest::Connect { conn: 5, to });
    assert_eq!(net.event(), HostEvent::Refused { conn: 5 });
}

#[test]
fn a_broken_connection_is_a_reset_on_the_other_side() {
    let net = Net::new();
    // The gateway breaks off.
    let mut stream = connected(&net, 0);
    net.request(HostRequest::Close { conn: 0 });
    let error = stream.read(&mut [0; 10]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    // The peer vanishes: a socket closed with unread bytes resets.
    let stream = connected(&net, 1);
    net.request(HostRequest::Send { conn: 1, bytes: vec![1; 100] });
    assert_eq!(net.event(), HostEvent::Written { conn: 1, bytes: 100 });
    stream.peek(&mut [0; 1]).unwrap();
    drop(stream);
    net.request(HostRequest::Window { conn: 1, bytes: 100 });
    assert_eq!(net.event(), HostEvent::Reset { conn: 1 });
    // Orders for what is over are harmless.
    net.request(HostRequest::Send { conn: 1, bytes: vec![1; 100] });
    net.request(HostRequest::Close { conn: 1 });
    connected(&net, 2);
}

#[test]
fn forwards_accept_many_at_once() {
    let bound = bind(MEDIUM, &[loopback(Protocol::Udp, 0), loopback(Protocol::Tcp, 0)]).unwrap();
    let to = bound.addresses()[1];
    let net = Net::start(vec![bound]);
    let mut peers: Vec<_> = (0..100).map(|_| std::net::TcpStream::connect(to).unwrap()).collect();
    let mut conns = vec![];
    for i in 0..100 {
        let conn = FIRST_ACCEPTED + i;
        assert_eq!(net.event(), HostEvent::Accepted { forward: 1, conn });
        conns.push(conn);
    }
    for (i, peer) in peers.iter_mut().enumerate() {
        peer.write_all(&[i as u8; 10]).unwrap();
        net.request(HostRequest::Window { conn: conns[i], bytes: HOST_WINDOW });
        assert_eq!(net.event(), HostEvent::Data { conn: conns[i], bytes: vec![i as u8; 10] });
        net.request(HostRequest::Send { conn: conns[i], bytes: vec![i as u8; 3] });
        assert_eq!(net.event(), HostEvent::Written { conn: conns[i], bytes: 3 });
        let mut got = [0; 3];
        peer.read_exact(&mut got).unwrap();
        assert_eq!(got, [i as u8; 3]);
    }
}

#[test]
fn an_address_in_use_is_one_clear_error() {
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        let first = bind(0, &[loopback(protocol, 0)]).unwrap();
        let port = first.addresses()[0].port();
        let error = bind(1, &[loopback(protocol, port)]).err().expect("the port is taken");
        let text = error.to_string();
        assert!(text.contains(&format!("127.0.0.1:{port}")) && text.contains("in use"), "{text}");
    }
}

#[test]
fn datagrams_go_out_and_come_in() {
    let bound = bind(MEDIUM, &[loopback(Protocol::Udp, 0)]).unwrap();
    let forward = bound.addresses()[0];
    let net = Net::start(vec![bound]);
    let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(HANG)).unwrap();
    let to = peer.local_addr().unwrap();
    net.request(HostRequest::Udp { flow: 7, to, bytes: b"out".to_vec() });
    let mut buffer = [0; 100];
    let (n, from) = peer.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..n], b"out");
    peer.send_to(b"back", from).unwrap();
    assert_eq!(net.event(), HostEvent::UdpData { flow: 7, from: to, bytes: b"back".to_vec() });
    net.request(HostRequest::UdpClose { flow: 7 });
    peer.send_to(b"in", forward).unwrap();
    assert_eq!(net.event(), HostEvent::UdpForward { forward: 0, from: to, bytes: b"in".to_vec() });
    net.request(HostRequest::UdpReply { forward: 0, to, bytes: b"answer".to_vec() });
    let (n, from) = peer.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..n], from), (&b"answer"[..], forward));
}

#[test]
fn the_end_lets_connections_send_what_they_were_given() {
    let net = Net::new();
    let mut stream = connected(&net, 0);
    net.request(HostRequest::Send { conn: 0, bytes: b"last words".to_vec() });
    drop(net);
    let mut got = vec![];
    stream.read_to_end(&mut got).unwrap();
    assert_eq!(got, b"last words");
}

#[test]
fn a_name_that_is_none_has_no_address() {
    let net = Net::new();
    net.request(HostRequest::Resolve { id: 1, name: "no..such..name".into() });
    assert_eq!(net.event(), HostEvent::Resolved { id: 1, addrs: vec![] });
}
