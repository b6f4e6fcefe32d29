//! Consoles that go elsewhere: to files, pseudo-terminals and TCP ports of the host's own.
//!
//! A file has a copy. Who is at a pseudo-terminal or a port sees what the console prints and types at it; what they type
//! reaches the fleet as what is typed at a terminal does. A file is written to its end or the run fails; nobody else is
//! waited for, so that a reader who stands still costs the run nothing.

use crate::{
    InputError,
    feed::{Feed, MOST, Readers},
    io::{EventSender, HostEvent, post},
    patient::Patient,
    pty::Pty,
};
use fleet::ConsoleByte;
use std::{
    io::{self, BufWriter, Write},
    net::{SocketAddr, TcpListener},
    os::fd::AsFd,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, unix::pipe},
    sync::{mpsc, oneshot},
};

/// How long readers may take at the end to read what is left.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Who opens a pseudo-terminal does so within this time, or is told its name once more.
const UNOPENED: Duration = Duration::from_secs(10);

/// Where a console goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A copy to a file.
    File(PathBuf),
    /// To a new pseudo-terminal.
    Pty,
    /// To whoever connects there.
    Tcp(SocketAddr),
}

/// Consoles of a node, and where they go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tap {
    /// For people: what goes there.
    pub name: String,
    /// Which node.
    pub node: u32,
    /// Consoles whose bytes go there, by number.
    pub shown: Vec<u16>,
    /// The one that is typed at from there.
    pub typed: Option<u16>,
    /// Where.
    pub place: Place,
}

impl Tap {
    /// Nothing of it is shown or typed elsewhere.
    pub fn moves(&self) -> bool {
        !matches!(self.place, Place::File(_))
    }
}

/// Says something to people, from whatever thread.
pub type Tell = Arc<dyn Fn(&str) + Send + Sync>;

enum Way {
    File(BufWriter<Patient>, PathBuf),
    Pty(Arc<Feed>, String),
    Tcp(Arc<Readers>, SocketAddr),
}

/// All consoles of a run that go elsewhere.
pub struct Taps {
    ways: Vec<(Tap, Way)>,
    tell: Tell,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// What the thread serves.
enum Served {
    Pty(Pty, Arc<Feed>, Typist),
    Tcp(TcpListener, Arc<Readers>, Typist, Tell),
}

/// Types at a console what somebody sends.
#[derive(Clone)]
struct Typist {
    to: Option<(u32, u16)>,
    events: EventSender,
}

impl Typist {
    async fn types(&self, text: &[u8]) {
        if let Some((node, console)) = self.to {
            let bytes = text.to_vec();
            post(&self.events, HostEvent::TypedAt { node, console, bytes }).await;
            // No line is faster than a byte each microsecond; a flood would lie in memory, and in the journal.
            tokio::time::sleep(Duration::from_micros(text.len() as u64)).await;
        }
    }
}

impl Taps {
    /// Opens all of them; a named pipe waits for its reader. `told` is given the name of each pseudo-terminal and port.
    pub fn open(
        taps: Vec<Tap>,
        events: &EventSender,
        tell: Tell,
        mut told: impl FnMut(&Tap, &str),
    ) -> Result<Taps, InputError> {
        let (mut ways, mut served) = (vec![], vec![]);
        for tap in taps {
            let typist = Typist { to: tap.typed.map(|c| (tap.node, c)), events: events.clone() };
            let way = match &tap.place {
                Place::File(path) => {
                    let unwritable = |e| unwritable(path, e);
                    Way::File(BufWriter::new(Patient::create(path).map_err(unwritable)?), path.clone())
                }
                Place::Pty => {
                    let (pty, name) = pty(&tell)?;
                    told(&tap, &name);
                    let feed = Arc::new(Feed::default());
                    served.push(Served::Pty(pty, Arc::clone(&feed), typist));
                    Way::Pty(feed, name)
                }
                Place::Tcp(addr) => {
                    let (listener, addr) = listen(*addr)?;
                    told(&tap, &addr.to_string());
                    let readers = Arc::new(Readers::default());
                    served.push(Served::Tcp(listener, Arc::clone(&readers), typist, Arc::clone(&tell)));
                    Way::Tcp(readers, addr)
                }
            };
            ways.push((tap, way));
        }
        let mut taps = Taps { ways, tell, stop: None, thread: None };
        if !served.is_empty() {
            taps.start(served).map_err(|source| InputError::Read { path: "consoles".into(), source })?;
        }
        Ok(taps)
    }

    fn start(&mut self, served: Vec<Served>) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        #[allow(clippy::disallowed_methods)] // this is the edge where threads live
        let thread = std::thread::spawn(move || runtime.block_on(serve(served, stopped)));
        (self.stop, self.thread) = (Some(stop), Some(thread));
        Ok(())
    }

    /// Somebody may type from there.
    pub fn take_input(&self) -> bool {
        self.ways.iter().any(|(tap, _)| tap.moves() && tap.typed.is_some())
    }

    /// Passes on what consoles printed. Only a file can fail.
    pub fn put(&mut self, bytes: &[ConsoleByte]) -> Result<(), InputError> {
        for (tap, way) in &mut self.ways {
            let ours = bytes.iter().filter(|b| b.node == tap.node && tap.shown.contains(&b.console));
            let text: Vec<u8> = ours.map(|b| b.byte).collect();
            if text.is_empty() {
                continue;
            }
            let (missed, place) = match way {
                Way::File(file, path) => {
                    file.write_all(&text).and_then(|()| file.flush()).map_err(|e| unwritable(path, e))?;
                    continue;
                }
                Way::Pty(feed, place) => (feed.put(&text), place.clone()),
                Way::Tcp(readers, place) => (readers.put(&text), place.to_string()),
            };
            if missed {
                let (name, most) = (&tap.name, MOST >> 20);
                (self.tell)(&format!(
                    "{name}: nobody reads {place}; the last {most} MiB wait, what is older is lost"
                ));
            }
        }
        Ok(())
    }
}

/// Readers get what is left, if they take it soon.
impl Drop for Taps {
    fn drop(&mut self) {
        for (_, way) in &self.ways {
            match way {
                Way::File(..) => {}
                Way::Pty(feed, _) => feed.end(),
                Way::Tcp(readers, _) => readers.end(),
            }
        }
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // If it panicked, it has told so already.
            let _ = thread.join();
        }
        for (tap, way) in &self.ways {
            let (dropped, place) = match way {
                Way::File(..) => continue,
                Way::Pty(feed, place) => (feed.dropped(), place.clone()),
                Way::Tcp(readers, place) => (readers.dropped(), place.to_string()),
            };
            if dropped > 0 {
                (self.tell)(&format!("{}: {dropped} bytes for {place} were lost", tap.name));
            }
        }
    }
}

fn unwritable(path: &Path, source: io::Error) -> InputError {
    InputError::Write { path: path.display().to_string(), source }
}

/// A new pseudo-terminal and its name.
fn pty(tell: &Tell) -> Result<(Pty, String), InputError> {
    let opened = Pty::open().and_then(|pty| {
        nix::fcntl::fcntl(pty.ours.as_fd(), nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK))?;
        Ok(pty)
    });
    let mut pty = opened.map_err(|source| InputError::Read { path: "a pseudo-terminal".into(), source })?;
    let tell = Arc::clone(tell);
    pty.tell_if_unopened(UNOPENED, move |name| {
        let (name, s) = (name.display(), UNOPENED.as_secs());
        tell(&format!("nobody has opened {name} for {s} s: a terminal program does, as in `picocom {name}`"));
    });
    let name = pty.name().display().to_string();
    Ok((pty, name))
}

/// A port, and its address.
fn listen(addr: SocketAddr) -> Result<(TcpListener, SocketAddr), InputError> {
    let open = || {
        let listener = TcpListener::bind(addr)?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        Ok((listener, addr))
    };
    open().map_err(|source| InputError::Console { addr: addr.to_string(), source })
}

async fn serve(served: Vec<Served>, stopped: oneshot::Receiver<()>) {
    // Whoever writes to a reader holds an `alive`.
    let (alive, mut over) = mpsc::channel::<()>(1);
    let mut listening = vec![];
    for one in served {
        let alive = alive.clone();
        match one {
            Served::Pty(pty, feed, typist) => {
                tokio::spawn(carry(pty, feed, typist, alive));
            }
            Served::Tcp(listener, readers, typist, tell) => {
                listening.push(tokio::spawn(accept(listener, readers, typist, tell, alive)));
            }
        }
    }
    drop(alive);
    let _ = stopped.await; // an error: the sender is gone, which is the signal
    for task in listening {
        task.abort();
    }
    let _ = tokio::time::timeout(LAST_WORDS, over.recv()).await;
}

/// Serves a pseudo-terminal.
async fn carry(pty: Pty, feed: Arc<Feed>, typist: Typist, _alive: mpsc::Sender<()>) {
    // It is no pipe, but is waited for as one.
    let Ok(mut from) = pty.ours.try_clone().and_then(pipe::Receiver::from_file_unchecked) else { return };
    let reading = async {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = from.read(&mut buffer).await {
            typist.types(&buffer[..n]).await;
        }
        std::future::pending::<()>().await; // what is printed goes there all the same
    };
    let writing = async {
        while let Some(bytes) = feed.next().await {
            if write_all(&pty.ours, &bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::select! { () = writing => {}, () = reading => {} }
}

/// From one look at a pseudo-terminal that takes nothing to the next.
const NAP: Duration = Duration::from_millis(5);

async fn write_all(mut to: &std::fs::File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => tokio::time::sleep(NAP).await,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

async fn accept(
    listener: TcpListener,
    readers: Arc<Readers>,
    typist: Typist,
    tell: Tell,
    alive: mpsc::Sender<()>,
) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    loop {
        let Ok((stream, from)) = listener.accept().await else {
            tokio::time::sleep(NAP).await; // no descriptor is free, perhaps
            continue;
        };
        let Some(feed) = readers.join() else {
            tell(&format!("{from} is one too many: not connected"));
            continue;
        };
        let (readers, typist, tell, alive) = (readers.clone(), typist.clone(), tell.clone(), alive.clone());
        tokio::spawn(async move {
            converse(stream, &feed, &readers, &typist).await;
            readers.leave(&feed);
            if feed.dropped() > 0 {
                tell(&format!("{from} read too slowly: {} bytes were lost", feed.dropped()));
            }
            drop(alive);
        });
    }
}

/// Serves one who is connected.
async fn converse(stream: TcpStream, feed: &Feed, readers: &Readers, typist: &Typist) {
    let _ = stream.set_nodelay(true); // only slower without
    let (mut from, mut to) = stream.into_split();
    let reading = async {
        let mut buffer = [0; 4096];
        loop {
            match from.read(&mut buffer).await {
                Ok(0) => {
                    readers.half(feed);
                    std::future::pending::<()>().await; // it may go on reading
                }
                Ok(n) => typist.types(&buffer[..n]).await,
                Err(_) => return,
            }
        }
    };
    let writing = async {
        while let Some(bytes) = feed.next().await {
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await; // it may be gone
    };
    tokio::select! { () = reading => {}, () = writing => {} }
}
