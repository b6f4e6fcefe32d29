//! What the order of things rests on, looked at from inside.

use crate::{
    Fleet, config,
    determinism::tests::Shelf,
    node::{Node, NodeAct},
};
use emu_core::{
    Time,
    link::{Msg, RadioAct},
};

fn microbits() -> Fleet {
    let file = "[group.m]\ncount = 2\nmachine = \"microbit\"\nimage = \"raw\"\nat = 0\n";
    config::load("f.toml", file, None, &Shelf).map(|f| f.0).unwrap_or_else(|e| panic!("{e}"))
}

fn act(node: u32, at: u64) -> NodeAct {
    NodeAct { at: Time(at), node, seq: 1, medium: 0, station: node, act: Msg::Radio(RadioAct::RxOff) }
}

#[test]
fn mend_an_epoch_ends_with_the_first_instant_at_which_somebody_can_be_heard() {
    let fleet = microbits();
    let heard = |n: &Node| {
        let seat = n.seats[0];
        let radio = n.machine.bus.device(seat.dev).expect("the radio");
        n.next_activity() + radio.lookahead() + seat.latency
    };
    let first = fleet.nodes().map(heard).min().expect("two nodes");
    assert!(first > Time(1000));
    assert_eq!(fleet.barrier(Time::MAX), first);
    assert_eq!(fleet.barrier(first + 1), first);
    assert_eq!(fleet.barrier(Time(999)), Time(999));
}

#[test]
fn mend_acts_of_one_instant_are_in_order_of_their_nodes() {
    let mut fleet = microbits();
    // Node 1 ran ahead and was collected first.
    fleet.acts = vec![act(1, 500), act(0, 500), act(1, 400)];
    fleet.decide(Time(50));
    let order: Vec<_> = fleet.acts.iter().map(|a| (a.at.0, a.node)).collect();
    assert_eq!(order, [(400, 1), (500, 0), (500, 1)]);
}

#[test]
fn mend_a_node_whose_act_is_not_taken_does_not_run_ahead() {
    let mut fleet = microbits();
    assert_eq!([0, 1].map(|i| fleet.due_ahead(i)), [Time::ZERO; 2], "their radios are off");
    fleet.acts = vec![act(1, 500)];
    assert_eq!([0, 1].map(|i| fleet.due_ahead(i)), [Time::ZERO, Time::MAX]);
}

#[test]
fn mend_a_node_that_waits_for_an_answer_is_not_deaf() {
    let mut fleet = microbits();
    assert!(fleet.node(0).deaf());
    fleet.at(0).machine.bus.fabric.hold = true;
    assert!(!fleet.node(0).deaf());
}
