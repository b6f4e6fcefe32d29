//! `flotilla images`, `flotilla machines` and `flotilla devices`.

use crate::{
    exit::{Code, Failure},
    out::Stdout,
};
use fleet_host::load::{self, registry};
use std::io::{self, Write};

/// Lists the catalogue, or prints one image's path.
pub fn images(path: Option<&str>) -> Result<Code, Failure> {
    let mut out = Stdout;
    if let Some(name) = path {
        let image = images::find(name).map_err(|e| Failure::input(e.to_string()))?;
        writeln!(out, "{}", image.path().display())?;
        return Ok(Code::Ok);
    }
    let all = images::catalogue();
    let width = all.iter().map(|i| i.name.len()).max().unwrap_or(0);
    for image in all {
        let here = if image.present() { "here  " } else { "absent" };
        writeln!(out, "{:width$}  {here}  {}", image.name, image.description)?;
        let machines = image.machines.join(", ");
        writeln!(out, "{:width$}          for {machines}; {}; {}", "", image.from, image.licence)?;
    }
    if all.iter().any(|i| !i.present()) {
        writeln!(out, "\n`cargo xtask images [NAME ...]` fetches or builds what is absent.")?;
    }
    Ok(Code::Ok)
}

/// Lists the machines, or describes one.
pub fn machines(name: Option<&str>) -> Result<Code, Failure> {
    let mut out = Stdout;
    if let Some(name) = name {
        describe(&mut out, &load::board(name)?)?;
        return Ok(Code::Ok);
    }
    let all = fleet::machines::list();
    let width = all.iter().map(|m| m.name.len()).max().unwrap_or(0);
    for m in &all {
        let also =
            if m.aliases.is_empty() { String::new() } else { format!(" (also {})", m.aliases.join(", ")) };
        writeln!(out, "{:width$}  {}{also}", m.name, m.description)?;
    }
    writeln!(out, "\n`flotilla machines NAME` describes one.")?;
    Ok(Code::Ok)
}

fn describe(out: &mut dyn Write, board: &load::Board) -> io::Result<()> {
    let (info, machine) = (&board.info, &board.machine);
    writeln!(out, "{}: {}", info.name, info.description)?;
    if !info.aliases.is_empty() {
        writeln!(out, "also called {}", info.aliases.join(", "))?;
    }
    let consoles: Vec<_> = machine.bus.fabric.consoles.iter().map(|c| &c.name[..]).collect();
    writeln!(
        out,
        "consoles: {} (shown first: {})",
        consoles.join(", "),
        info.console.as_deref().unwrap_or("the first")
    )?;

    writeln!(out, "\nCPUs")?;
    for (n, spec) in info.cpus.iter().enumerate() {
        let mhz = spec.hz as f64 / 1e6;
        let bits = spec.priority_bits.map(|b| format!(", {b} priority bits")).unwrap_or_default();
        let mpu = spec.mpu_regions.map(|b| format!(", {b} MPU regions")).unwrap_or_default();
        writeln!(out, "  {} at {mhz} MHz, {} interrupt lines{bits}{mpu}", spec.core, spec.irqs)?;
        if n < machine.cpu_count() {
            not_modelled(out, machine.cpu(n).not_modelled())?;
        }
    }
    memory_map(out, board)?;
    devices(out, board)
}

fn memory_map(out: &mut dyn Write, board: &load::Board) -> io::Result<()> {
    writeln!(out, "\nMemory")?;
    let bus = &board.machine.bus;
    for r in bus.fabric.mem.regions() {
        let kind = format!("{:?}", r.kind).to_lowercase();
        let writer =
            r.writer.map(|d| format!(", written through {}", bus.device_name(d))).unwrap_or_default();
        writeln!(out, "  {:#010x} {:>9}  {} ({kind}{writer})", r.base, size(r.size), r.name)?;
    }
    Ok(())
}

fn devices(out: &mut dyn Write, board: &load::Board) -> io::Result<()> {
    let mut all: Vec<_> = board.info.devices.iter().collect();
    all.sort_by_key(|d| (d.base.unwrap_or(u64::MAX), d.name.clone()));
    writeln!(out, "\nDevices")?;
    for d in all {
        let base = d.base.map_or("          ".into(), |b| format!("{b:#010x}"));
        let irqs: Vec<_> = d.irqs.iter().map(u16::to_string).collect();
        let irqs = if irqs.is_empty() { String::new() } else { format!(", IRQ {}", irqs.join(" ")) };
        writeln!(out, "  {base}  {} ({}{irqs})", d.name, d.kind)?;
        for (input, unit) in d.inputs {
            writeln!(out, "              input {input}: {unit}")?;
        }
        not_modelled(out, d.not_modelled)?;
    }
    Ok(())
}

/// Lists the kinds of devices, or describes one.
pub fn kinds(kind: Option<&str>) -> Result<Code, Failure> {
    let mut out = Stdout;
    if let Some(name) = kind {
        kind_of_device(&mut out, registry::named(name).map_err(Failure::input)?)?;
        return Ok(Code::Ok);
    }
    let width = registry::kinds().map(|k| k.name.len()).max().unwrap_or(0);
    for k in registry::kinds() {
        let params: Vec<_> = registry::about(k).params.iter().map(|p| p.0).collect();
        writeln!(out, "{}", format!("{:width$}  {}", k.name, params.join(", ")).trim_end())?;
    }
    writeln!(out, "\n`flotilla devices KIND` says what a board file can say of one.")?;
    Ok(Code::Ok)
}

fn kind_of_device(out: &mut dyn Write, kind: &registry::Kind) -> io::Result<()> {
    let about = registry::about(kind);
    writeln!(out, "{}: {} registers", kind.name, (kind.regs)().iter().map(|r| r.count).sum::<u32>())?;
    writeln!(out, "\nParameters")?;
    writeln!(out, "  base, size: its window; irq, irqs: interrupt lines by pin")?;
    for (name, what) in &about.params {
        writeln!(out, "  {name}: {what}")?;
    }
    let pins = kind.pins.iter().map(|p| match p.count {
        0 => p.name.to_string(),
        n => format!("{}0-{}", p.name, n - 1),
    });
    let ports = kind.ports.iter().map(|p| match p.kind {
        None => p.name.to_string(),
        Some(kind) => {
            format!("{} ({kind:?}, out of the machine if nothing is linked to it)", p.name).to_lowercase()
        }
    });
    let inputs = about.inputs.iter().map(|(name, unit)| format!("{name}: {unit}"));
    for (title, lines) in [
        ("Pins", pins.collect::<Vec<_>>()),
        ("Ports", ports.collect()),
        ("Inputs that a scenario sets", inputs.collect()),
        ("Not modelled", about.not_modelled.iter().map(|s| s.to_string()).collect()),
    ] {
        if !lines.is_empty() {
            writeln!(out, "\n{title}")?;
            lines.iter().try_for_each(|line| writeln!(out, "  {line}"))?;
        }
    }
    Ok(())
}

fn not_modelled(out: &mut dyn Write, list: &[&str]) -> io::Result<()> {
    list.iter().try_for_each(|what| writeln!(out, "              not modelled: {what}"))
}

/// `4 MB`, `256 KB`, `100 B`.
fn size(bytes: u64) -> String {
    match bytes {
        b if b.is_multiple_of(1 << 20) => format!("{} MB", b >> 20),
        b if b.is_multiple_of(1 << 10) => format!("{} KB", b >> 10),
        b => format!("{b} B"),
    }
}
