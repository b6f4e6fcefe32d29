//! `flotilla images` and `flotilla machines`.

use crate::{
    exit::{Code, Failure},
    out::Stdout,
};
use fleet_host::load;
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
