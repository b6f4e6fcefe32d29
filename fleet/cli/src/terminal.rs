//! The user's terminal while it is ours: raw, with a [`Screen`] on it.

use crate::{out::Stdout, screen::Screen};
use crossterm::{terminal as modes, tty::IsTty};
use fleet_host::{HostEvent, signals};
use std::{
    io::{self, Read, Write},
    sync::{
        Mutex, MutexGuard, Once,
        atomic::{AtomicBool, Ordering},
    },
};

/// The screen, while there is one.
static SCREEN: Mutex<Option<Screen>> = Mutex::new(None);

fn screen() -> MutexGuard<'static, Option<Screen>> {
    SCREEN.lock().unwrap_or_else(|e| e.into_inner())
}

/// Before signals are listened to: those that stop the process are heard, too.
pub fn prepare() {
    signals::with_modes(signals::Modes { give_back, take });
}

/// Raw mode, for as long as this lives.
pub struct RawMode;

impl RawMode {
    /// Every key goes to us at once, and nothing is shown by itself. `keyboard`: somebody takes what is typed.
    pub fn enter(keyboard: bool) -> io::Result<RawMode> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let told = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                // Whoever panics may hold the screen.
                let _ = modes::disable_raw_mode();
                told(info);
            }));
        });
        modes::enable_raw_mode()?;
        let out: Box<dyn Write + Send> =
            if io::stderr().is_tty() { Box::new(io::stderr()) } else { Box::new(Stdout) };
        *screen() = Some(Screen::new(out, Box::new(Stdout), columns, keyboard));
        Ok(RawMode)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        if let Some(mut screen) = screen().take() {
            screen.close();
        }
        // The terminal may be gone; nobody is left to be told.
        let _ = modes::disable_raw_mode();
    }
}

fn columns() -> usize {
    // A terminal that does not know its size says 0.
    modes::size().ok().map(|(columns, _)| columns.into()).filter(|c| *c > 0).unwrap_or(80)
}

/// The modes were given back.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// The process is about to be stopped.
fn give_back() {
    if let Some(screen) = &mut *screen() {
        screen.close();
        STOPPED.store(true, Ordering::Relaxed);
        let _ = modes::disable_raw_mode(); // as it was before us
    }
}

/// It goes on, perhaps at a terminal that somebody else has changed.
fn take() {
    if let Some(screen) = &mut *screen() {
        let _ = modes::disable_raw_mode().and_then(|()| modes::enable_raw_mode());
        if STOPPED.swap(false, Ordering::Relaxed) {
            screen.back();
        }
    }
}

/// Standard input of a terminal. One that is gone ends the run as the signal does, which may not come.
pub struct Terminal;

impl Read for Terminal {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = io::stdin().read(buffer);
        let gone = |e: &io::Error| e.kind() != io::ErrorKind::Interrupted;
        if matches!(read, Ok(0)) || read.as_ref().is_err_and(gone) {
            signals::hang_up();
        }
        read
    }
}

/// What typed bytes mean.
pub fn keys(bytes: &[u8]) -> Vec<HostEvent> {
    screen().as_mut().map_or(vec![], |screen| screen.keys(bytes))
}

/// See [`Screen::turn`].
pub fn turn(keyboard: bool, begun: &[u8]) {
    if let Some(screen) = &mut *screen() {
        screen.turn(keyboard, begun);
    }
}

/// See [`Screen::answer`].
pub fn answer(text: &str) {
    if let Some(screen) = &mut *screen() {
        screen.answer(text);
    }
}

/// Takes what is said if it would be shown on this terminal. `false`: the terminal is not ours.
pub fn said(bytes: &[u8]) -> bool {
    match &mut *screen() {
        Some(screen) if io::stderr().is_tty() => {
            screen.say(bytes);
            true
        }
        _ => false,
    }
}

/// Where guests print: on this terminal while it is ours. In one piece at each flush.
#[derive(Debug, Default)]
pub struct Guests(Vec<u8>);

impl Write for Guests {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.0);
        match &mut *screen() {
            Some(screen) if io::stdout().is_tty() => {
                screen.guest(&bytes);
                Ok(())
            }
            _ => Stdout.write_all(&bytes),
        }
    }
}
