//! The thread that speaks to sockets and hears signals, and what it tells the runner.

use crate::signals::{self, Heard, Signal};
use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use std::{
    io::{self, Read},
    net::TcpListener,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot},
};

/// Something that the outside did.
#[derive(Debug)]
pub enum HostEvent {
    /// Bytes typed by a person or a program, for the console that takes input.
    Typed(Vec<u8>),
    /// Bytes typed at a console of their own.
    TypedAt {
        /// Which node.
        node: u32,
        /// Which console, by number.
        console: u16,
        /// What.
        bytes: Vec<u8>,
    },
    /// A line that a person gave to the watcher: see [`crate::hand`].
    Line(String),
    /// The run is to end.
    Quit,
    /// Virtual time is to stop, or to go on.
    Pause,
    /// A debugger connected to a node's port; bytes for it go into the channel.
    Connected(u32, mpsc::Sender<Vec<u8>>),
    /// Bytes from a node's debugger.
    Debugger(u32, Vec<u8>),
    /// A node's debugger is gone.
    Closed(u32),
}

/// Events that wait for the runner; then whoever has more waits.
const EVENTS: usize = 1024;
/// Pieces of output that wait for a debugger to read them.
const OUTPUT: usize = 64;
/// How long a run may take to end in order after a signal.
const GRACE: Duration = Duration::from_millis(500);
/// How long debuggers may take at the end to read what is left.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Where events go in.
pub type EventSender = Sender<HostEvent>;

/// Makes a channel for events.
pub fn events() -> (EventSender, Receiver<HostEvent>) {
    bounded(EVENTS)
}

/// Reads bytes on a thread of its own, which lives as long as the process, and passes on what `event` makes of them.
pub fn read_on_thread(
    mut from: impl Read + Send + 'static,
    to: Sender<HostEvent>,
    mut event: impl FnMut(&[u8]) -> Vec<HostEvent> + Send + 'static,
) {
    #[allow(clippy::disallowed_methods)] // this is the edge where threads live
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            let n = match from.read(&mut buffer) {
                Ok(0) => return,
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return,
            };
            if event(&buffer[..n]).into_iter().any(|e| to.send(e).is_err()) {
                return;
            }
        }
    });
}

/// The thread. Dropping it lets debuggers read what is left and closes everything.
pub struct Io {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Io {
    /// Listens on `ports`, the port of node 0 first, and for signals that end the run.
    pub fn start(ports: Vec<TcpListener>, events: Sender<HostEvent>) -> io::Result<Io> {
        for port in &ports {
            port.set_nonblocking(true)?;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        #[allow(clippy::disallowed_methods)] // this is the edge where threads live
        let thread = std::thread::spawn(move || runtime.block_on(serve(ports, events, stopped)));
        Ok(Io { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Io {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // If it panicked, it has told so already.
            let _ = thread.join();
        }
    }
}

/// Passes an event on, once there is room.
pub(crate) async fn post(events: &Sender<HostEvent>, mut event: HostEvent) {
    loop {
        match events.try_send(event) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => return,
            Err(TrySendError::Full(again)) => event = again,
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn serve(ports: Vec<TcpListener>, events: Sender<HostEvent>, stopped: oneshot::Receiver<()>) {
    // Each open connection holds an `alive`.
    let (alive, mut over) = mpsc::channel::<()>(1);
    hear(&events);
    let mut tasks = vec![];
    for (node, port) in (0..).zip(ports) {
        tasks.push(tokio::spawn(listen(node, port, events.clone(), alive.clone())));
    }
    drop(alive);
    let _ = stopped.await; // an error: the sender is gone, which is the signal
    for task in tasks {
        task.abort();
    }
    let _ = tokio::time::timeout(LAST_WORDS, over.recv()).await;
}

/// Hears signals for as long as the runtime lives.
fn hear(events: &Sender<HostEvent>) {
    for heard in signals::heard() {
        let Ok(mut arrivals) = signal(SignalKind::from_raw(heard.number())) else { continue };
        let events = events.clone();
        tokio::spawn(async move {
            while arrivals.recv().await.is_some() {
                match heard {
                    Heard::End(signal) => end(signal, &events).await,
                    Heard::Stop => signals::stop(),
                    Heard::GoOn => signals::go_on(),
                }
            }
        });
    }
}

async fn end(signal: Signal, events: &Sender<HostEvent>) {
    signals::note(signal);
    // Whoever listens ends the run at its next step; a step may be long.
    let (quit, grace) = (post(events, HostEvent::Quit), tokio::time::sleep(GRACE));
    tokio::join!(quit, async {
        grace.await;
        signals::press();
    });
}

async fn listen(node: u32, port: TcpListener, events: Sender<HostEvent>, alive: mpsc::Sender<()>) {
    let Ok(port) = tokio::net::TcpListener::from_std(port) else { return };
    loop {
        let Ok((stream, _)) = port.accept().await else { continue };
        let (events, alive) = (events.clone(), alive.clone());
        // A task of its own, so that it can finish when nobody listens any more. One debugger at a time.
        let _ = tokio::spawn(async move {
            converse(node, stream, &events).await;
            drop(alive);
        })
        .await;
    }
}

async fn converse(node: u32, mut stream: TcpStream, events: &Sender<HostEvent>) {
    let _ = stream.set_nodelay(true); // only slower without
    let (send, mut output) = mpsc::channel::<Vec<u8>>(OUTPUT);
    post(events, HostEvent::Connected(node, send)).await;
    let mut buffer = [0; 4096];
    loop {
        tokio::select! {
            got = stream.read(&mut buffer) => match got {
                Ok(n) if n > 0 => post(events, HostEvent::Debugger(node, buffer[..n].to_vec())).await,
                _ => break,
            },
            out = output.recv() => match out {
                Some(bytes) => if stream.write_all(&bytes).await.is_err() { break },
                None => { let _ = stream.shutdown().await; break }
            },
        }
    }
    post(events, HostEvent::Closed(node)).await;
}
