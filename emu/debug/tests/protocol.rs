//! gdb's remote protocol, packet by packet.

mod common;

use common::*;
use emu_debug::{End, Event, Resume, StopReason};
use proptest::prelude::*;

#[test]
fn handshake() {
    let mut rig = Rig::v7m();
    let features = rig.ask("qSupported:multiprocess+;swbreak+;hwbreak+;vContSupported+");
    for feature in ["PacketSize=4000", "qXfer:features:read+", "swbreak+", "hwbreak+", "QStartNoAckMode+"] {
        assert!(features.split(';').any(|f| f == feature), "{feature} in {features}");
    }
    assert!(!features.contains("memory-map"), "gdb would use hardware breakpoints for its own");
    assert_eq!(rig.ask("?"), "T05thread:p01.01;");
    assert_eq!(rig.ask("vCont?"), "vCont;c;C;s;S;r");
    assert_eq!(rig.ask("qAttached:1"), "1");
    assert_eq!(rig.ask("QStartNoAckMode"), "OK");
    assert_eq!(rig.raw(&packet("Hg0")), b"$OK#9a", "no more acknowledgements");
}

#[test]
fn target_description_in_pieces() {
    let mut rig = Rig::new(&mprofile::V7M_FPU);
    let mut xml = String::new();
    loop {
        let piece = rig.ask(&format!("qXfer:features:read:target.xml:{:x},100", xml.len()));
        match piece.split_at(1) {
            ("m", text) => xml += text,
            ("l", rest) => break xml += rest,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(xml, mprofile::V7M_FPU.target_xml);
    assert_eq!(rig.ask("qXfer:features:read:other.xml:0,100"), "E16");
    assert_eq!(rig.ask("qXfer:features:read:target.xml:ffffffffffffffff,100"), "l");
}

#[test]
fn registers_one_by_one_and_all() {
    let mut rig = Rig::new(&mprofile::V7M_FPU);
    assert_eq!(rig.ask("pf"), "00010000", "pc");
    assert_eq!(rig.ask("P0=78563412"), "OK");
    assert_eq!(rig.server.target().regs[0], 0x1234_5678);
    assert_eq!(rig.ask("P17=0807060504030201"), "OK");
    assert_eq!(rig.server.target().regs[mprofile::D0], 0x0102_0304_0506_0708);
    let all = rig.ask("g");
    assert_eq!(all.len(), (23 * 4 + 16 * 8 + 4) * 2);
    assert!(all.starts_with("78563412"), "{all}");
    assert_eq!(&all[23 * 8..][..16], "0807060504030201");
    let changed = all.replace("78563412", "01000000");
    assert_eq!(rig.ask(&format!("G{changed}")), "OK");
    assert_eq!(rig.server.target().regs[0], 1);
    assert_eq!(rig.server.target().regs[mprofile::D0], 0x0102_0304_0506_0708);
}

#[test]
fn registers_that_do_not_exist() {
    let mut rig = Rig::v7m();
    assert_eq!(rig.ask("p17"), "E16");
    assert_eq!(rig.ask("pffff"), "E16");
    assert_eq!(rig.ask("P17=00000000"), "E16");
    assert_eq!(rig.ask("P0=0000"), "E16", "too short");
    assert_eq!(rig.ask("p0"), "00000000", "and the session goes on");
}

#[test]
fn memory() {
    let mut rig = Rig::v7m();
    assert_eq!(rig.ask("m100,4"), "01300860");
    assert_eq!(rig.ask("M20000000,3:010203"), "OK");
    assert_eq!(rig.ask("X20000003,2:\x04\x05"), "OK");
    assert_eq!(rig.ask("m20000000,6"), "010203040500");
    assert_eq!(rig.ask("m200003fe,8"), "0000", "up to the end of memory");
    assert_eq!(rig.ask("m20000400,4"), "E0e");
    assert_eq!(rig.ask("mffffffffffffffff,8"), "E0e");
    assert_eq!(rig.ask("M200003fe,4:01020304"), "E0e");
    assert_eq!(rig.ask("Mfffffffffffffffe,4:01020304"), "E0e");
}

#[test]
fn breakpoint_stops_as_the_kind_that_was_set() {
    let mut rig = Rig::v7m();
    assert_eq!(rig.ask("Z0,10a,2"), "OK");
    assert_eq!(rig.go("vCont;c"), "T05thread:01;swbreak:;");
    assert_eq!(rig.server.target().regs[mprofile::PC], TWICE);
    assert_eq!(rig.ask("z0,10a,2"), "OK");
    assert_eq!(rig.ask("z0,10a,2"), "E16", "not there any more");
    assert_eq!(rig.ask("Z1,100,2"), "OK");
    assert_eq!(rig.go("c"), "T05thread:01;hwbreak:;");
    assert_eq!(rig.server.target().flash[0x100..0x102], [0x01, 0x30], "guest memory is untouched");
}

#[test]
fn a_break_of_the_guests_own_is_a_plain_trap() {
    let mut rig = Rig::v7m();
    rig.resume("c");
    assert_eq!(rig.report(StopReason::Breakpoint), "S05");
}

#[test]
fn watchpoints_of_all_kinds() {
    let mut rig = Rig::v7m();
    assert_eq!(rig.ask("Z2,20000010,4"), "OK");
    assert_eq!(rig.go("c"), "T05thread:01;watch:20000010;");
    assert_eq!(rig.server.target().regs[0], 1);
    assert_eq!(rig.ask("z2,20000010,4"), "OK");
    assert_eq!(rig.ask("Z3,20000020,4"), "OK");
    assert_eq!(rig.ask("Z4,20000030,4"), "OK");
    let watches = rig.server.target().points.watches();
    let kinds: Vec<_> = watches.iter().map(|w| (w.addr, w.len, w.read, w.write)).collect();
    assert_eq!(kinds, [(0x2000_0020, 4, true, false), (0x2000_0030, 4, true, true)]);
    rig.resume("c");
    assert_eq!(
        rig.report(StopReason::Watch { addr: 0x2000_0022, write: false }),
        "T05thread:01;rwatch:20000022;"
    );
    rig.resume("c");
    assert_eq!(
        rig.report(StopReason::Watch { addr: 0x2000_0030, write: true }),
        "T05thread:01;awatch:20000030;"
    );
    rig.resume("c");
    assert_eq!(
        rig.report(StopReason::Watch { addr: 0x2000_0020, write: true }),
        "S05",
        "only reads are watched"
    );
}

#[test]
fn watching_nothing_or_everything_is_refused() {
    let mut rig = Rig::v7m();
    assert_eq!(rig.ask("Z2,20000010,0"), "E16");
    assert_eq!(rig.ask("Z2,0,ffffffff"), "E16");
    assert_eq!(rig.ask("Z2,ffffffffffffffff,4"), "E16");
    assert!(rig.server.target().points.is_empty());
}

#[test]
fn steps_and_ranges() {
    let mut rig = Rig::v7m();
    assert_eq!(rig.go("vCont;s:1"), "S05");
    assert_eq!(rig.server.target().regs[mprofile::PC], 0x102);
    assert_eq!(rig.resume("vCont;r100,104:1"), Resume::Range { start: 0x100, end: 0x104 });
    let stop = rig.server.target_mut().run(Resume::Range { start: 0x100, end: 0x104 }, 10);
    assert_eq!((stop, rig.server.target().regs[mprofile::PC]), (Some(StopReason::Step), 0x104));
    assert_eq!(rig.report(StopReason::Step), "S05");
    assert_eq!(rig.resume("vCont;C05:1"), Resume::Continue);
}

#[test]
fn interrupt() {
    let mut rig = Rig::v7m();
    rig.resume("c");
    assert!(rig.server.is_running());
    assert_eq!(rig.raw(&[3]), b"");
    assert_eq!(rig.server.next_event(), Some(Event::Interrupt));
    assert_eq!(rig.report(StopReason::Interrupt), "S02");
    assert!(!rig.server.is_running());
}

#[test]
fn interrupt_in_one_piece_with_the_resume_and_one_that_comes_late() {
    let mut rig = Rig::v7m();
    rig.raw(&[packet("c"), vec![3]].concat());
    assert_eq!(rig.server.next_event(), Some(Event::Resume(Resume::Continue)));
    assert_eq!(rig.server.next_event(), Some(Event::Interrupt));
    assert_eq!(rig.report(StopReason::Breakpoint), "S05", "the breakpoint was first");
    rig.raw(&[3]);
    assert_eq!(rig.server.next_event(), None, "it stands already");
    assert_eq!(rig.ask("p0"), "00000000");
    rig.resume("c");
    assert_eq!(rig.server.take_output(), b"", "the late interrupt does not stop the next run");
}

#[test]
fn a_report_that_nobody_waits_for_is_dropped() {
    let mut rig = Rig::v7m();
    rig.server.report(StopReason::Breakpoint);
    assert_eq!(rig.ask("p0"), "00000000");
    rig.server.report(StopReason::Exited(0));
    assert_eq!((rig.server.take_output(), rig.server.next_event()), (vec![], None));
}

#[test]
fn lockup_and_exit() {
    let mut rig = Rig::v7m();
    rig.resume("c");
    assert_eq!(rig.report(StopReason::Lockup), "S06");
    rig.ask("Z0,100,2");
    rig.resume("c");
    assert_eq!(rig.report(StopReason::Exited(3)), "W03");
    assert_eq!(rig.server.next_event(), Some(Event::Ended(End::Exited)));
    assert!(rig.server.target().points.is_empty());
    assert_eq!(rig.raw(&packet("p0")), b"", "it is over");
}

#[test]
fn detach_takes_the_breakpoints_along() {
    let mut rig = Rig::v7m();
    rig.ask("Z0,100,2");
    rig.ask("Z2,20000010,4");
    assert_eq!(rig.ask("D;1"), "OK");
    assert_eq!(rig.server.next_event(), Some(Event::Ended(End::Detach)));
    assert!(rig.server.target().points.is_empty());
}

#[test]
fn a_lost_connection_takes_the_breakpoints_along() {
    let mut rig = Rig::v7m();
    rig.ask("Z0,100,2");
    rig.server.hang_up();
    assert!(rig.server.target().points.is_empty());
    assert_eq!(rig.raw(&packet("p0")), b"");
}

#[test]
fn kill() {
    for request in ["k", "vKill;1"] {
        let mut rig = Rig::v7m();
        assert_eq!(rig.ask(request), "OK");
        assert_eq!(rig.server.next_event(), Some(Event::Ended(End::Kill)));
    }
}

#[test]
fn extended_mode_runs_again() {
    let mut rig = Rig::v7m();
    assert_eq!(rig.ask("!"), "OK");
    assert_eq!(rig.ask("vKill;1"), "OK");
    assert_eq!(rig.server.next_event(), None, "the session goes on");
    rig.server.target_mut().regs[0] = 9;
    assert_eq!(rig.ask("vRun;"), "T05thread:01;");
    assert_eq!((rig.server.target().resets, rig.server.target().regs[0]), (1, 0));
    rig.resume("c");
    assert_eq!(rig.report(StopReason::Exited(0)), "W00");
    assert_eq!(rig.ask("vRun;"), "T05thread:01;");
    assert_eq!(rig.ask("vAttach;1"), "E5f");
}

#[test]
fn monitor() {
    let mut rig = Rig::v7m();
    let mut monitor = |command: &str| {
        let reply = rig.raw(&packet(&format!("qRcmd,{}", hex(command))));
        let text = String::from_utf8(reply).expect("text");
        let first = text.trim_start_matches('+').split_inclusive('#').next().expect("a packet").to_string();
        let sum = first.bytes().skip(1).take_while(|&b| b != b'#').fold(0u8, |a, b| a.wrapping_add(b));
        unhex(body(format!("{first}{sum:02x}").as_bytes()).strip_prefix('O').expect("console output"))
    };
    assert_eq!(monitor("time"), "1.5 s\n");
    assert!(monitor("help").contains("time         the virtual time\n"));
    assert_eq!(monitor("nonsense"), "no command `nonsense`; `monitor help` lists what there is\n");
    assert_eq!(monitor(" reset "), "reset\n");
    assert_eq!(rig.server.target().resets, 1);
}

#[test]
fn what_is_not_the_protocol_ends_the_session() {
    let mut rig = Rig::v7m();
    rig.ask("Z0,100,2");
    rig.raw(b"$p0#00");
    assert!(matches!(rig.server.next_event(), Some(Event::Ended(End::Protocol(_)))));
    assert!(rig.server.target().points.is_empty());
}

#[test]
fn unknown_packets_get_the_empty_reply() {
    let mut rig = Rig::v7m();
    for request in ["qTStatus", "vMustReplyEmpty", "qSymbol::", "z9,0,0", "qXfer:threads:read::0,100"] {
        assert_eq!(rig.ask(request), "", "{request}");
    }
}

/// Packets that mean something, with arguments that may not.
fn some_packet() -> impl Strategy<Value = Vec<u8>> {
    let body = prop_oneof![
        "[mMXpPGgzZHTDkcsRv?!q][0-9a-f]{0,17}[,;:=]?[0-9a-f]{0,17}[,;:]?[0-9a-f]{0,8}",
        "vCont;[csrCSt][0-9a-f]{0,9},?[0-9a-f]{0,9}(:[0-9a-fp.-]{0,4})?",
        "q(Supported|Rcmd|Attached|Xfer:features:read|fThreadInfo|C)[:,;]?[ -~]{0,20}",
    ];
    prop_oneof![
        8 => body.prop_map(|b| packet(&b)),
        1 => Just(vec![3]),
        1 => prop::collection::vec(any::<u8>(), 0..8),
    ]
}

proptest! {
    #![proptest_config(emu_testkit::cases(2000))]

    #[test]
    fn no_packet_panics(packets in prop::collection::vec(some_packet(), 1..12)) {
        let mut rig = Rig::v7m();
        for packet in packets {
            rig.raw(&packet);
            let mut ended = false;
            while let Some(event) = rig.server.next_event() {
                ended |= matches!(event, Event::Ended(_));
            }
            if rig.server.is_running() {
                rig.server.report(StopReason::Step);
            }
            prop_assert!(!ended || rig.server.target().points.is_empty());
        }
    }

    #[test]
    fn bytes_in_any_pieces_give_the_same(cut in 1usize..7) {
        let session: Vec<u8> = ["qSupported:", "g", "m100,10", "Z0,10a,2", "p0", "vCont;c"].map(packet).concat();
        let mut whole = Rig::v7m();
        let mut pieces = Rig::v7m();
        let once = whole.raw(&session);
        let parts: Vec<u8> = session.chunks(cut).flat_map(|part| pieces.raw(part)).collect();
        prop_assert_eq!(once, parts);
        prop_assert_eq!(whole.server.next_event(), pieces.server.next_event());
    }
}

#[test]
fn mend_writes_of_another_length_are_refused_and_change_nothing() {
    let mut rig = Rig::v7m();
    assert_eq!(rig.ask("M20000000,4:01020304"), "OK");
    for wrong in
        ["M20000000,4:ffff", "M20000000,1:ffff", "M20000000,4:fffffff", "M20000000,4", "X20000000,4:abc"]
    {
        assert_eq!(rig.ask(wrong), "E16", "{wrong}");
        assert_eq!(rig.ask("m20000000,4"), "01020304", "{wrong}");
    }
    assert_eq!(rig.ask("X20000000,2:ab"), "OK");
    assert_eq!(rig.ask("m20000000,4"), "61620304");
}

#[test]
fn mend_no_breakpoint_where_no_instruction_can_start() {
    let mut rig = Rig::v7m();
    assert_eq!(rig.ask("Z0,10b,2"), "E16");
    assert_eq!(rig.ask("Z1,10b,2"), "E16");
    assert_eq!(rig.ask("Z2,20000011,1"), "OK", "data lies anywhere");
}

#[test]
fn mend_who_waits_is_told_what_the_others_do() {
    let mut rig = Rig::v7m();
    rig.server.tell("too early");
    assert_eq!(rig.server.take_output(), b"");
    rig.resume("c");
    rig.server.take_output();
    rig.server.tell("b stands");
    assert_eq!(rig.server.take_output(), b"$O62207374616e64730a#55");
    rig.server.feed(b"+");
    assert_eq!(rig.report(StopReason::Breakpoint), "S05");
}
