//! A firmware project's own tests look like these.
#![allow(clippy::unwrap_used)]

use fleet_host::{Lab, LabError};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn booted() -> Lab {
    let mut lab = Lab::builder()
        .seed(3)
        .node("anna", "microbit", "microbit-micropython")
        .node("bert", "microbit", "microbit-micropython")
        .at([3.0, 4.0, 0.0])
        .build()
        .unwrap();
    for name in ["anna", "bert"] {
        lab.node(name).unwrap().expect(">>> ", 2 * SECOND).unwrap();
    }
    lab
}

#[test]
fn fleet_lab_two_boards_talk_by_radio() {
    let mut lab = booted();
    for name in ["anna", "bert"] {
        let mut node = lab.node(name).unwrap();
        node.send("import radio; radio.on()\r");
        node.expect(">>> ", SECOND).unwrap();
    }
    lab.node("anna").unwrap().send("radio.send('hello')\r");
    lab.node("anna").unwrap().expect(">>> ", SECOND).unwrap();
    lab.run_for(SECOND / 10).unwrap();
    lab.node("bert").unwrap().send("print(radio.receive())\r");
    let before = lab.node("bert").unwrap().expect("\r\nhello\r\n", SECOND).unwrap();
    assert!(before.ends_with("receive())"), "{before}");
    assert_eq!(lab.node("bert").unwrap().mistakes(), 0);
}

#[test]
fn fleet_lab_a_fork_goes_its_own_way() {
    let mut lab = booted();
    let mut fork = lab.fork();
    assert_eq!(lab.digest(), fork.digest());
    fork.node("anna").unwrap().press("button-a").unwrap();
    fork.run_for(SECOND / 10).unwrap(); // the guest debounces its buttons
    for lab in [&mut lab, &mut fork] {
        lab.node("anna").unwrap().send("from microbit import *; print(button_a.is_pressed())\r");
    }
    fork.node("anna").unwrap().expect("True", SECOND).unwrap();
    lab.node("anna").unwrap().expect("False", SECOND).unwrap();
    lab.node("anna").unwrap().send("display.show(Image.SQUARE)\r");
    lab.run_for(SECOND).unwrap();
    let square = ["#####", "#...#", "#...#", "#...#", "#####"];
    assert_eq!(lab.node("anna").unwrap().display("leds").unwrap(), square);
}

#[test]
fn fleet_lab_errors_say_what_to_do() {
    let mut lab = booted();
    let error = lab.node("ana").err().unwrap().to_string();
    assert_eq!(error, "no node is called `ana`; did you mean `anna`?");
    let mut anna = lab.node("anna").unwrap();
    assert!(
        anna.press("button-c").unwrap_err().to_string().contains("no input is called `button-c.pressed`")
    );
    match anna.expect("never", SECOND) {
        Err(LabError::TimeOut { node, said, .. }) => {
            assert_eq!(node, "anna");
            assert!(said.contains("MicroPython"), "{said}");
        }
        other => panic!("{other:?}"),
    }
    let error = Lab::builder().node("a", "microbitt", "microbit-micropython").build().err().unwrap();
    assert!(error.to_string().contains("did you mean"), "{error}");
}
