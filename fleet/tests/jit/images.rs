//! Every image of the catalogue, every scenario that ships.

use crate::guests::{MS, Shelf, compiler, fleet, ran, run_to, scenarios};
use emu_core::cpu::Engine;
use fleet::scenario::{Observer, Scenario};
use fleet::{ConsoleByte, Serial, scenario};

/// Runs an image with both engines and compares them every 50 ms; half way each goes on with what the other has saved.
/// Returns which part of the instructions was compiled.
fn same(machine: &str, image: &str, ms: u64) -> f64 {
    let mut a = fleet(machine, image, 1, Engine::Interpreter);
    let mut b = fleet(machine, image, 1, Engine::Jit);
    let mut before = 0;
    for step in 1..=ms / 50 {
        let stops = [&mut a, &mut b].map(|f| run_to(f, step * 50 * MS, &Serial));
        assert_eq!(stops[0], stops[1], "{image} on {machine}, {} ms", step * 50);
        assert_eq!(a.retired(), b.retired(), "{image} on {machine}, {} ms", step * 50);
        assert_eq!(a.digest(), b.digest(), "{image} on {machine}, {} ms", step * 50);
        if step == ms / 100 {
            let saved = (a.save(), b.save());
            assert!(saved.0 == saved.1, "{image} on {machine}: the saves differ");
            let mut fresh = [Engine::Interpreter, Engine::Jit].map(|e| fleet(machine, image, 1, e));
            fresh[0].load(&saved.1).expect("what compiled code saved loads");
            fresh[1].load(&saved.0).expect("what the interpreter saved loads");
            [a, b] = fresh;
            before = b.retired();
            for f in [&mut a, &mut b] {
                f.take_console();
            }
        }
    }
    let (retired, compiled) = ran(&b, 0);
    assert_eq!(ran(&a, 0).1, 0, "the interpreter compiles nothing");
    compiled as f64 / (retired - before).max(1) as f64
}

#[test]
fn jit_every_image_on_every_machine() {
    if !compiler() {
        return;
    }
    let mut compiled = vec![];
    // One that is missing fails its own tests.
    for image in images::catalogue().iter().filter(|i| i.present()) {
        for machine in &image.machines {
            let share = same(machine, &image.name, 400);
            println!("{} on {machine}: {share:.2} compiled since the load", image.name);
            compiled.push(share);
        }
    }
    assert!(compiled.len() > 20);
    compiled.sort_by(f64::total_cmp);
    assert!(compiled[compiled.len() / 2] > 0.5, "hardly anything is compiled: {compiled:?}");
}

/// Interrupts, changes of rights, IT blocks, `LDM` and `STM` on a device, all in hot code.
#[test]
fn jit_interrupts_and_rights_in_hot_code() {
    if compiler() {
        let share = same("mps2-an386", "turner", 400);
        assert!(share > 0.8, "{share}");
    }
}

#[derive(Default, PartialEq)]
struct Tape(Vec<ConsoleByte>);

impl Observer for Tape {
    fn console(&mut self, _: &Scenario, bytes: &[ConsoleByte]) {
        self.0.extend_from_slice(bytes);
    }
}

#[test]
fn jit_every_scenario() {
    if !compiler() {
        return;
    }
    let files =
        std::fs::read_dir(scenarios()).expect("the folder is there").map(|e| e.expect("an entry").path());
    let mut count = 0;
    for path in files.filter(|p| p.extension().is_some_and(|e| e == "toml")) {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if name.ends_with(".fleet.toml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("it can be read");
        let missing = |i: &&images::Image| !i.present() && text.contains(&format!("\"{}\"", i.name));
        if let Some(image) = images::catalogue().iter().find(missing) {
            println!("{name} wants {}, whose own tests say that it is missing", image.name);
            continue;
        }
        let outcome = |engine| {
            let mut s = scenario::load(&name, &text, None, &Shelf).unwrap_or_else(|e| panic!("{e}"));
            s.fleet.set_engine(engine);
            let mut tape = Tape::default();
            let report = s.run(&Serial, &mut tape);
            assert_eq!(report.failure, None, "{name}, {engine:?}");
            (report.digest, report.time, s.fleet.retired(), tape)
        };
        let (a, b) = (outcome(Engine::Interpreter), outcome(Engine::Jit));
        assert!(a.3 == b.3, "{name}: another transcript");
        assert_eq!((a.0, a.1, a.2), (b.0, b.1, b.2), "{name}");
        count += 1;
    }
    assert!(count > 10);
}
