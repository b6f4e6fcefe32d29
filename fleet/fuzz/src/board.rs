//! Board files: built, every window read and written, run, saved and loaded.

use super::shelf;
use emu_core::{Machine, Time, device::Attrs};
use fleet::{image::Firmware, machines};

/// Most windows that are looked at.
const WINDOWS: usize = 128;

/// A machine with whichever guest of ours fits.
pub fn build(text: &str) -> Result<Machine, String> {
    let soc = |path: &str| match path {
        _ if path.ends_with("soc.toml") => Ok(include_str!("../../../devices/socs/nrf51822.toml").into()),
        _ => Err(format!("there is no file {path}")),
    };
    let board = machines::build_text("fuzz", "fuzz.toml", text, &soc).map_err(|e| {
        assert!(
            !e.0.is_empty() && e.0.iter().all(|d| d.line > 0 && d.column > 0 && !d.message.is_empty()),
            "{e}"
        );
        e.to_string()
    })?;
    let mut machine = board.machine;
    for image in [shelf::RADIO, shelf::ETHERNET, shelf::RISCV] {
        let fits = Firmware::parse_for(&board.info, "guest", image, None);
        if fits.is_ok_and(|f| f.load_into(&mut machine).is_ok()) {
            break;
        }
    }
    Ok(machine)
}

/// What a guest and a person may do to it.
fn handle(m: &mut Machine) {
    m.power_on(1);
    m.run_until(Time(shelf::SHORT));
    let windows: Vec<_> = m.bus.windows().iter().take(WINDOWS).copied().collect();
    for w in windows {
        for off in [0, (w.size / 2) & !3, w.size - 1] {
            let at = w.base + off;
            let size = if at % 4 == 0 { 4 } else { 1 };
            let _ = m.bus.read(at, size, Attrs::default(), false);
            let _ = m.bus.write(at, size, 0xffff_ffff, Attrs::default(), false);
            m.debug_read(0, at, &mut [0; 4]);
        }
    }
    m.run_until(m.now() + shelf::SHORT);
    // What an infrequent clock needs, too.
    if (0..m.cpu_count()).all(|n| m.clock(n).span(1) > 10_000) {
        m.run_until(m.now() + 50_000_000);
    }
}

/// Builds and handles it.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(mut machine) = build(text) else { return };
    handle(&mut machine);
    let saved = machine.save();
    let mut other = build(text).expect("it was built before");
    other.load(&saved).expect("what was saved loads");
    assert_eq!(other.digest(), machine.digest(), "it loads as it was");
    let end = machine.now() + shelf::SHORT;
    assert_eq!(machine.run_until(end), other.run_until(end));
    assert_eq!(other.digest(), machine.digest(), "it runs as it did");
}
