//! The host's side of gateways: performs their requests on sockets, listens for their forwards and tells what happened.
//!
//! One thread with a tokio runtime serves all gateways; each is known by the number of its medium. A request never
//! waits for the network. What waits here is bounded by the gateways' windows: a connection reads only what its
//! gateway allowed, and a gateway sends only what was reported as written.
//!
//! A new [`HostNet`] knows no connection. Tell the gateways of a fleet that has had another one [`HostEvent::Lost`].
//!
//! ## Not modelled
//! ICMP errors for datagrams, IPv6 beyond forwards that listen on it.

use crate::InputError;
use crossbeam::channel::{Sender, TrySendError};
use netsim::gateway::{FIRST_ACCEPTED, Forward, HostEvent, HostRequest, Protocol};
use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream, UdpSocket,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    task::AbortHandle,
};

/// Requests that wait for the thread; then the runner waits.
const REQUESTS: usize = 1024;
/// Most bytes read at once.
const PIECE: usize = 16 * 1024;
/// Most bytes of a datagram.
const DATAGRAM: usize = 64 * 1024;
/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(30);
/// How long to wait when the host has no more sockets, or events no place.
const PAUSE: Duration = Duration::from_millis(1);
/// How long connections may take at the end to send what was given to them.
const LAST_WORDS: Duration = Duration::from_millis(500);

enum Socket {
    Tcp(std::net::TcpListener),
    Udp(std::net::UdpSocket),
}

/// A gateway whose forwards listen.
pub struct Bound {
    medium: u16,
    sockets: Vec<Socket>,
}

/// Listens for the forwards of the gateway of a medium. An address in use is an error.
pub fn bind(medium: u16, forwards: &[Forward]) -> Result<Bound, InputError> {
    let open = |f: &Forward| -> io::Result<Socket> {
        let socket = match f.protocol {
            Protocol::Tcp => Socket::Tcp(std::net::TcpListener::bind(f.host)?),
            Protocol::Udp => Socket::Udp(std::net::UdpSocket::bind(f.host)?),
        };
        match &socket {
            Socket::Tcp(s) => s.set_nonblocking(true)?,
            Socket::Udp(s) => s.set_nonblocking(true)?,
        }
        Ok(socket)
    };
    let listen = |f| open(f).map_err(|source| InputError::Forward { addr: f.host.to_string(), source });
    Ok(Bound { medium, sockets: forwards.iter().map(listen).collect::<Result<_, _>>()? })
}

impl Bound {
    /// Where the forwards listen, in their order: with the port that the host chose for port 0.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let addr = |s: &Socket| match s {
            Socket::Tcp(s) => s.local_addr(),
            Socket::Udp(s) => s.local_addr(),
        };
        let none = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        self.sockets.iter().map(|s| addr(s).unwrap_or(none)).collect()
    }
}

/// What a connection is told.
enum Order {
    Send(Vec<u8>),
    Window(u32),
    ShutdownWrite,
    Close,
}

/// Medium and number.
type Id = (u16, u32);

/// Everything that is open.
#[derive(Default)]
struct Open {
    /// The channels have no bound of their own: windows bound what is in them.
    conns: BTreeMap<Id, mpsc::UnboundedSender<Order>>,
    accepted: u32,
    flows: BTreeMap<Id, (Arc<UdpSocket>, AbortHandle)>,
    /// Sockets of UDP forwards, by medium and place.
    forwards: BTreeMap<(u16, u16), Arc<UdpSocket>>,
}

/// What all tasks share.
struct Hub<T> {
    open: Arc<Mutex<Open>>,
    events: Sender<T>,
    wrap: fn(u16, HostEvent) -> T,
    /// The last one that goes tells that all connections are over.
    alive: mpsc::Sender<()>,
}

impl<T> Clone for Hub<T> {
    fn clone(&self) -> Hub<T> {
        let (open, events) = (self.open.clone(), self.events.clone());
        Hub { open, events, wrap: self.wrap, alive: self.alive.clone() }
    }
}

impl<T: Send + 'static> Hub<T> {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes an event on as soon as there is room for it.
    async fn post(&self, medium: u16, event: HostEvent) {
        let mut event = (self.wrap)(medium, event);
        loop {
            match self.events.try_send(event) {
                Ok(()) | Err(TrySendError::Disconnected(_)) => return,
                Err(TrySendError::Full(again)) => event = again,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// The thread. Dropping it lets connections send what was given to them, and closes everything.
pub struct HostNet {
    requests: Option<mpsc::Sender<(u16, HostRequest)>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl HostNet {
    /// Serves the gateways of `bound`. What happens goes into `events`, in the form that `wrap` gives it.
    pub fn start<T: Send + 'static>(
        bound: Vec<Bound>,
        events: Sender<T>,
        wrap: fn(u16, HostEvent) -> T,
    ) -> io::Result<HostNet> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (requests, todo) = mpsc::channel(REQUESTS);
        #[allow(clippy::disallowed_methods)] // this is the edge where threads live
        let thread = std::thread::spawn(move || {
            runtime.block_on(serve(bound, todo, events, wrap));
            runtime.shutdown_background(); // a resolver may take its time
        });
        Ok(HostNet { requests: Some(requests), thread: Some(thread) })
    }

    /// Performs a request of the gateway of a medium.
    pub fn request(&self, medium: u16, request: HostRequest) {
        if let Some(requests) = &self.requests {
            // An error: the thread panicked, and has told so.
            let _ = requests.blocking_send((medium, request));
        }
    }
}

impl Drop for HostNet {
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(thread) = self.thread.take() {
            // If it panicked, it has told so already.
            let _ = thread.join();
        }
    }
}

async fn serve<T: Send + 'static>(
    bound: Vec<Bound>,
    mut todo: mpsc::Receiver<(u16, HostRequest)>,
    events: Sender<T>,
    wrap: fn(u16, HostEvent) -> T,
) {
    let (alive, mut over) = mpsc::channel(1);
    let hub = Hub { open: Arc::default(), events, wrap, alive };
    let mut listeners = vec![];
    for Bound { medium, sockets } in bound {
        for (place, socket) in (0..).zip(sockets) {
            listeners.extend(listen(&hub, (medium, place), socket));
        }
    }
    while let Some((medium, request)) = todo.recv().await {
        perform(&hub, medium, request).await;
    }
    for listener in listeners {
        listener.abort();
    }
    let open = std::mem::take(&mut *hub.open());
    for (_, reader) in open.flows.values() {
        reader.abort();
    }
    drop(open); // connections see that nobody gives them orders any more
    drop(hub);
    let _ = tokio::time::timeout(LAST_WORDS, over.recv()).await;
}

/// Begins to listen for a forward.
fn listen<T: Send + 'static>(hub: &Hub<T>, forward: (u16, u16), socket: Socket) -> Option<AbortHandle> {
    let hub = hub.clone();
    let task = match socket {
        Socket::Tcp(socket) => {
            let socket = TcpListener::from_std(socket).ok()?;
            tokio::spawn(async move { accept(&hub, forward, &socket).await })
        }
        Socket::Udp(socket) => {
            let socket = Arc::new(UdpSocket::from_std(socket).ok()?);
            hub.open().forwards.insert(forward, socket.clone());
            let (medium, forward) = forward;
            let event = move |from, bytes| HostEvent::UdpForward { forward, from, bytes };
            tokio::spawn(async move { datagrams(&hub, medium, &socket, event).await })
        }
    };
    Some(task.abort_handle())
}

async fn accept<T: Send + 'static>(hub: &Hub<T>, (medium, forward): (u16, u16), socket: &TcpListener) {
    loop {
        let Ok((stream, _)) = socket.accept().await else {
            tokio::time::sleep(PAUSE).await; // no sockets left, or the peer was gone at once
            continue;
        };
        let (conn, orders) = {
            let mut open = hub.open();
            while open.conns.contains_key(&(medium, FIRST_ACCEPTED | open.accepted)) {
                open.accepted = open.accepted.wrapping_add(1) % FIRST_ACCEPTED;
            }
            let conn = FIRST_ACCEPTED | open.accepted;
            open.accepted = open.accepted.wrapping_add(1) % FIRST_ACCEPTED;
            let (send, orders) = mpsc::unbounded_channel();
            open.conns.insert((medium, conn), send);
            (conn, orders)
        };
        hub.post(medium, HostEvent::Accepted { forward, conn }).await;
        let hub = hub.clone();
        tokio::spawn(async move { converse(&hub, (medium, conn), stream, orders).await });
    }
}

/// Reports datagrams for ever.
async fn datagrams<T: Send + 'static>(
    hub: &Hub<T>,
    medium: u16,
    socket: &UdpSocket,
    event: impl Fn(SocketAddr, Vec<u8>) -> HostEvent,
) {
    let mut buffer = vec![0; DATAGRAM];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((n, from)) => hub.post(medium, event(from, buffer[..n].to_vec())).await,
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// A datagram that the host does not take soon is lost.
async fn send_to(socket: &UdpSocket, bytes: &[u8], to: SocketAddr) {
    let _ = tokio::time::timeout(PAUSE, socket.send_to(bytes, to)).await;
}

/// Does what a gateway wants. It waits for nothing but a datagram's place, and not long for that.
async fn perform<T: Send + 'static>(hub: &Hub<T>, medium: u16, request: HostRequest) {
    let order = |conn: u32, order: Order| {
        if let Some(orders) = hub.open().conns.get(&(medium, conn)) {
            let _ = orders.send(order); // an error: it is just ending
        }
    };
    match request {
        HostRequest::Connect { conn, to } => {
            let (send, orders) = mpsc::unbounded_channel();
            hub.open().conns.insert((medium, conn), send);
            let hub = hub.clone();
            tokio::spawn(async move { connect(&hub, (medium, conn), to, orders).await });
        }
        HostRequest::Send { conn, bytes } => order(conn, Order::Send(bytes)),
        HostRequest::Window { conn, bytes } => order(conn, Order::Window(bytes)),
        HostRequest::ShutdownWrite { conn } => order(conn, Order::ShutdownWrite),
        HostRequest::Close { conn } => order(conn, Order::Close),
        HostRequest::Udp { flow, to, bytes } => {
            let socket = hub.open().flows.get(&(medium, flow)).map(|f| f.0.clone());
            if let Some(socket) = socket.or_else(|| open_flow(hub, (medium, flow))) {
                send_to(&socket, &bytes, to).await;
            }
        }
        HostRequest::UdpClose { flow } => {
            if let Some((_, reader)) = hub.open().flows.remove(&(medium, flow)) {
                reader.abort();
            }
        }
        HostRequest::UdpReply { forward, to, bytes } => {
            let socket = hub.open().forwards.get(&(medium, forward)).cloned();
            if let Some(socket) = socket {
                send_to(&socket, &bytes, to).await;
            }
        }
        HostRequest::Resolve { id, name } => {
            let hub = hub.clone();
            tokio::spawn(async move {
                let addrs = resolve(&name).await;
                hub.post(medium, HostEvent::Resolved { id, addrs }).await;
            });
        }
    }
}

fn open_flow<T: Send + 'static>(hub: &Hub<T>, (medium, flow): Id) -> Option<Arc<UdpSocket>> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.set_nonblocking(true).ok()?;
    let socket = Arc::new(UdpSocket::from_std(socket).ok()?);
    let (reader, own) = (socket.clone(), hub.clone());
    let event = move |from, bytes| HostEvent::UdpData { flow, from, bytes };
    let task = tokio::spawn(async move { datagrams(&own, medium, &reader, event).await });
    hub.open().flows.insert((medium, flow), (socket.clone(), task.abort_handle()));
    Some(socket)
}

async fn resolve(name: &str) -> Vec<Ipv4Addr> {
    let Ok(found) = tokio::net::lookup_host((name, 0)).await else { return vec![] };
    let v4 = found.filter_map(|a| match a.ip() {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    });
    v4.collect()
}

async fn connect<T: Send + 'static>(
    hub: &Hub<T>,
    id: Id,
    to: SocketAddr,
    mut orders: mpsc::UnboundedReceiver<Order>,
) {
    let stream = tokio::select! {
        stream = tokio::time::timeout(CONNECT, TcpStream::connect(to)) => stream,
        // The only order for a connection that is not open: the station took its wish back.
        _ = orders.recv() => {
            hub.open().conns.remove(&id);
            return;
        }
    };
    let Ok(Ok(stream)) = stream else {
        hub.open().conns.remove(&id);
        return hub.post(id.0, HostEvent::Refused { conn: id.1 }).await;
    };
    hub.post(id.0, HostEvent::Connected { conn: id.1 }).await;
    converse(hub, id, stream, orders).await;
}

/// A connection's own state.
#[derive(Default)]
struct Talk {
    /// Bytes that the gateway allows to report.
    window: usize,
    eof: bool,
    queue: VecDeque<Vec<u8>>,
    /// Bytes of the first piece that are written.
    done: usize,
    /// Nothing comes behind the queue, and it was said to the other end.
    last: bool,
    shut: bool,
}

enum Happened {
    Order(Option<Order>),
    Read(io::Result<usize>),
    Wrote(io::Result<usize>),
}

async fn converse<T: Send + 'static>(
    hub: &Hub<T>,
    id: Id,
    stream: TcpStream,
    mut orders: mpsc::UnboundedReceiver<Order>,
) {
    let _ = stream.set_nodelay(true); // only slower without
    let (mut read, mut write) = stream.into_split();
    let end = talk(hub, id, &mut read, &mut write, &mut orders).await;
    hub.open().conns.remove(&id);
    match end {
        Ok(End::Closed) => {}
        Ok(End::BrokenOff) => {
            // The other end is to see that, and no end as if all was well: dropping this half alone would say so.
            let _ = write.as_ref().set_zero_linger();
            write.forget();
        }
        Err(_) => hub.post(id.0, HostEvent::Reset { conn: id.1 }).await,
    }
}

enum End {
    Closed,
    /// By the gateway.
    BrokenOff,
}

/// Until both directions are closed or one side breaks off. An error: it was the other end.
async fn talk<T: Send + 'static>(
    hub: &Hub<T>,
    (medium, conn): Id,
    read: &mut OwnedReadHalf,
    write: &mut OwnedWriteHalf,
    orders: &mut mpsc::UnboundedReceiver<Order>,
) -> io::Result<End> {
    let (mut t, mut buffer, mut ordered) = (Talk::default(), vec![0; PIECE], true);
    while !(t.eof && t.shut) {
        if t.last && t.queue.is_empty() && !t.shut {
            write.shutdown().await?;
            t.shut = true;
            continue;
        }
        let room = t.window.min(PIECE);
        let happened = tokio::select! {
            order = orders.recv(), if ordered => Happened::Order(order),
            n = read.read(&mut buffer[..room]), if room > 0 && !t.eof => Happened::Read(n),
            n = write.write(t.queue.front().map_or(&[][..], |b| &b[t.done..])), if !t.queue.is_empty() => {
                Happened::Wrote(n)
            }
            // Nobody gives orders any more, and everything is written.
            else => return Ok(End::Closed),
        };
        match happened {
            Happened::Order(Some(Order::Send(bytes))) if bytes.is_empty() => {}
            Happened::Order(Some(Order::Send(bytes))) => t.queue.push_back(bytes),
            Happened::Order(Some(Order::Window(bytes))) => t.window += bytes as usize,
            Happened::Order(Some(Order::ShutdownWrite)) => t.last = true,
            Happened::Order(Some(Order::Close)) => return Ok(End::BrokenOff),
            Happened::Order(None) => (ordered, t.eof) = (false, true),
            Happened::Read(n) => {
                let n = n?;
                let event = match n {
                    0 => HostEvent::Eof { conn },
                    _ => HostEvent::Data { conn, bytes: buffer[..n].to_vec() },
                };
                (t.eof, t.window) = (n == 0, t.window - n);
                hub.post(medium, event).await;
            }
            Happened::Wrote(n) => {
                let n = n?;
                t.done += n;
                if t.queue.front().is_some_and(|b| b.len() == t.done) {
                    t.queue.pop_front();
                    t.done = 0;
                }
                hub.post(medium, HostEvent::Written { conn, bytes: n as u32 }).await;
            }
        }
    }
    Ok(End::Closed)
}

#[cfg(test)]
#[path = "gateway_tests.rs"]
mod tests;
