//! An endpoint against segments written by hand, where the instant or the exact number matters.

use super::{
    host::HOST_WINDOW,
    segment::{Out, Segment},
    tcp::{Endpoint, MSS},
};
use emu_core::Time;

const ISS: u32 = 0xffff_fff0; // so that numbers wrap soon
const PEER: u32 = 0x7fff_fff8; // and these pass the sign bit

fn seg(seq: u32, ack: u32) -> Segment {
    Segment {
        seq: PEER.wrapping_add(seq),
        ack: Some(ISS.wrapping_add(ack)),
        window: 10_000,
        ..Segment::default()
    }
}

fn syn(mss: Option<u16>) -> Segment {
    Segment { seq: PEER, syn: true, window: 10_000, mss, ..Segment::default() }
}

/// An open endpoint: next numbers are 1 on both sides.
fn open(mss: Option<u16>) -> Endpoint {
    let mut out = Out::default();
    let mut e = Endpoint::accept(ISS, &syn(mss), Time::ZERO, &mut out);
    assert_eq!(out.segments.len(), 1);
    let first = &out.segments[0];
    assert!(first.syn && first.mss == Some(MSS) && first.ack == Some(PEER.wrapping_add(1)));
    let out = give(&mut e, Time::ms(1), &seg(1, 1));
    assert!(out.opened && out.segments.is_empty());
    assert_eq!(e.due(), Time::MAX);
    e
}

fn give(e: &mut Endpoint, at: Time, s: &Segment) -> Out {
    let mut out = Out::default();
    e.segment(at, s, &mut out);
    out
}

fn send(e: &mut Endpoint, at: Time, n: usize) -> Out {
    let mut out = Out::default();
    e.send(at, &vec![7; n], &mut out);
    out
}

/// Waits for the timer.
fn wait(e: &mut Endpoint) -> (Time, Out) {
    let mut out = Out::default();
    let at = e.due();
    e.timer(at, &mut out);
    (at, out)
}

/// (number from the first one, bytes, FIN) of each segment.
fn seen(out: &Out) -> Vec<(u32, usize, bool)> {
    out.segments.iter().map(|s| (s.seq.wrapping_sub(ISS), s.payload.len(), s.fin)).collect()
}

#[test]
fn segments_are_no_larger_than_the_peer_takes() {
    for (mss, size) in [(None, 536), (Some(100), 100), (Some(0), 64), (Some(9000), 1460)] {
        let mut e = open(mss);
        let out = send(&mut e, Time::ms(2), 10_000);
        // The first window of RFC 5681.
        assert_eq!(
            seen(&out),
            [(1, size, false), (1 + size as u32, size, false), (1 + 2 * size as u32, size, false)]
        );
    }
}

#[test]
fn the_timer_backs_off_and_gives_up() {
    let mut e = open(Some(1000));
    send(&mut e, Time::ms(2), 500);
    let mut times = vec![];
    loop {
        let (at, out) = wait(&mut e);
        times.push(at.0 / 1_000_000);
        if out.reset {
            assert!(e.is_closed() && out.segments[0].rst);
            break;
        }
        assert_eq!(seen(&out), [(1, 500, false)]);
    }
    // 500 ms, the least, doubled up to a minute.
    assert_eq!(times, [502, 1502, 3502, 7502, 15_502, 31_502, 63_502, 123_502, 183_502]);
}

#[test]
fn three_duplicates_mean_a_loss() {
    let mut e = open(Some(1000));
    send(&mut e, Time::ms(2), 3000);
    for i in 0..2 {
        assert_eq!(seen(&give(&mut e, Time::ms(3 + i), &seg(1, 1))), []);
    }
    assert_eq!(seen(&give(&mut e, Time::ms(5), &seg(1, 1))), [(1, 1000, false)]);
    assert_eq!(seen(&give(&mut e, Time::ms(6), &seg(1, 1))), []);
    // The next one was lost too: a partial acknowledgement brings it at once.
    assert_eq!(seen(&give(&mut e, Time::ms(7), &seg(1, 1001))), [(1001, 1000, false)]);
    assert_eq!(seen(&give(&mut e, Time::ms(8), &seg(1, 3001))), []);
    assert_eq!(e.due(), Time::MAX);
}

#[test]
fn a_closed_window_is_probed_and_its_opening_used_at_once() {
    let mut e = open(Some(1000));
    give(&mut e, Time::ms(2), &Segment { window: 0, ..seg(1, 1) });
    assert_eq!(seen(&send(&mut e, Time::ms(3), 2000)), []);
    let (at, out) = wait(&mut e);
    assert_eq!((at, seen(&out)), (Time::ms(503), vec![(1, 1, false)]));
    give(&mut e, Time::ms(504), &Segment { window: 0, ..seg(1, 1) });
    let (at, out) = wait(&mut e);
    assert_eq!((at, seen(&out)), (Time::ms(1503), vec![(1, 1, false)]));
    // However long it stays closed, a peer that answers is not given up.
    for _ in 0..30 {
        let (at, out) = wait(&mut e);
        assert!(!out.reset);
        give(&mut e, at + 1, &Segment { window: 0, ..seg(1, 1) });
    }
    let out = give(&mut e, Time::secs(9000), &seg(1, 1));
    assert_eq!(seen(&out), [(1, 1000, false), (1001, 1000, false)]);
}

#[test]
fn only_the_exact_number_resets() {
    let mut e = open(None);
    for (seq, answers) in [(2, 1), (500, 1), (0, 0), (100_000, 0)] {
        let out = give(&mut e, Time::ms(2), &Segment { rst: true, ..seg(seq, 1) });
        assert_eq!((out.reset, out.segments.len()), (false, answers), "{seq}");
    }
    assert!(give(&mut e, Time::ms(3), &Segment { rst: true, ..seg(1, 1) }).reset);
    assert!(e.is_closed());
}

#[test]
fn segments_out_of_order_are_asked_for_again() {
    let mut e = open(None);
    let data = |seq: u32, bytes: &[u8]| Segment { payload: bytes.to_vec(), ..seg(seq, 1) };
    let out = give(&mut e, Time::ms(2), &data(4, b"def"));
    assert_eq!((out.received.len(), out.segments[0].ack), (0, Some(PEER.wrapping_add(1))));
    let out = give(&mut e, Time::ms(3), &data(1, b"abc"));
    assert_eq!((&out.received[..], out.segments[0].ack), (&b"abc"[..], Some(PEER.wrapping_add(4))));
    // Half old, half new; then all old.
    let out = give(&mut e, Time::ms(4), &data(2, b"bcdef"));
    assert_eq!((&out.received[..], out.segments[0].ack), (&b"def"[..], Some(PEER.wrapping_add(7))));
    let out = give(&mut e, Time::ms(5), &data(1, b"abc"));
    assert_eq!((out.received.len(), out.segments[0].ack), (0, Some(PEER.wrapping_add(7))));
}

#[test]
fn the_window_shrinks_with_what_the_host_did_not_take() {
    let mut e = open(None);
    let mut sent = 0;
    let mut window = 0;
    while sent < HOST_WINDOW {
        let n = 1000.min(HOST_WINDOW - sent);
        let out = give(&mut e, Time::ms(2), &Segment { payload: vec![1; n as usize], ..seg(1 + sent, 1) });
        assert_eq!(out.received.len(), n as usize);
        sent += n;
        window = out.segments[0].window;
    }
    assert_eq!(window, 0);
    let out = give(&mut e, Time::ms(3), &Segment { payload: vec![1; 10], ..seg(1 + sent, 1) });
    assert_eq!((out.received.len(), out.segments[0].ack), (0, Some(PEER.wrapping_add(1 + sent))));
    let mut out = Out::default();
    e.taken(100, &mut out);
    assert_eq!(out.segments.len(), 0, "too little to tell");
    e.taken(5000, &mut out);
    assert_eq!(out.segments[0].window, 5100);
}

#[test]
fn each_way_to_close() {
    // The peer first: LAST-ACK.
    let mut e = open(None);
    let out = give(&mut e, Time::ms(2), &Segment { fin: true, ..seg(1, 1) });
    assert!(out.eof && out.segments[0].ack == Some(PEER.wrapping_add(2)));
    let mut out = Out::default();
    e.finish(Time::ms(3), &mut out);
    assert_eq!(seen(&out), [(1, 0, true)]);
    give(&mut e, Time::ms(4), &seg(2, 2));
    assert!(e.is_closed());

    // Both at once: CLOSING, then TIME-WAIT.
    let mut e = open(None);
    let mut out = Out::default();
    e.finish(Time::ms(3), &mut out);
    let out = give(&mut e, Time::ms(4), &Segment { fin: true, ..seg(1, 1) });
    assert!(out.eof && !e.is_waiting());
    give(&mut e, Time::ms(5), &seg(2, 2));
    assert!(e.is_waiting());

    // We first: FIN-WAIT, then TIME-WAIT, in which a repeated FIN is answered.
    let mut e = open(None);
    e.finish(Time::ms(3), &mut Out::default());
    give(&mut e, Time::ms(4), &seg(1, 2));
    assert_eq!(e.due(), Time::MAX, "the peer may send for ever");
    let out = give(&mut e, Time::ms(5), &Segment { payload: b"more".to_vec(), ..seg(1, 2) });
    assert_eq!(out.received, b"more");
    let fin = Segment { fin: true, ..seg(5, 2) };
    assert!(give(&mut e, Time::ms(6), &fin).eof && e.is_waiting());
    let out = give(&mut e, Time::ms(7), &fin);
    assert_eq!(out.segments[0].ack, Some(PEER.wrapping_add(6)));
    let (at, out) = wait(&mut e);
    assert_eq!((at, out.segments.len(), e.is_closed()), (Time::ms(10_006), 0, true));
}

#[test]
fn a_lost_answer_to_a_syn_comes_again() {
    let mut out = Out::default();
    let mut e = Endpoint::accept(ISS, &syn(None), Time::ZERO, &mut out);
    let (at, again) = wait(&mut e);
    assert_eq!((at, &again.segments), (Time::secs(1), &out.segments));
    assert_eq!(give(&mut e, Time::secs(2), &syn(None)).segments, out.segments);
    // An acknowledgement of something else is refused (RFC 9293, 3.10.7.4).
    let out = give(&mut e, Time::secs(2), &seg(1, 77));
    assert!(out.segments[0].rst && !e.is_closed());
}

/// RFC 6298, 3: the acknowledgement of a segment that was sent twice may be for either.
#[test]
fn mend_what_was_sent_twice_is_not_measured() {
    let mut e = open(Some(1000));
    send(&mut e, Time::ms(2), 3000);
    for i in 3..5 {
        give(&mut e, Time::ms(i), &seg(1, 1));
    }
    assert_eq!(seen(&give(&mut e, Time::ms(5), &seg(1, 1))), [(1, 1000, false)]);
    // Half a second after the first time; the way takes a millisecond, as the handshake showed.
    give(&mut e, Time::ms(504), &seg(1, 3001));
    send(&mut e, Time::ms(505), 500);
    assert_eq!(e.due(), Time::ms(1005), "the least time-out");
    // One that was sent once is.
    give(&mut e, Time::ms(1004), &seg(1, 3501));
    send(&mut e, Time::ms(2000), 500);
    assert!(e.due() > Time::ms(2550), "{}: half a second there and back", e.due());
}

/// RFC 9293, 3.8.6.2.1: a window of a segment and a half is used for one segment.
#[test]
fn mend_no_small_segment_because_the_window_is_small() {
    let mut e = open(Some(1000));
    give(&mut e, Time::ms(2), &Segment { window: 1500, ..seg(1, 1) });
    assert_eq!(seen(&send(&mut e, Time::ms(3), 3200)), [(1, 1000, false)]);
    let out = give(&mut e, Time::ms(4), &Segment { window: 1500, ..seg(1, 1001) });
    assert_eq!(seen(&out), [(1001, 1000, false)]);
    // With nothing on the way a small window is used: the peer may have no more.
    let out = give(&mut e, Time::ms(5), &Segment { window: 300, ..seg(1, 2001) });
    assert_eq!(seen(&out), [(2001, 300, false)]);
    // The last bytes are small because there are no more.
    let out = give(&mut e, Time::ms(6), &Segment { window: 1500, ..seg(1, 2301) });
    assert_eq!(seen(&out), [(2301, 900, false)]);
}
