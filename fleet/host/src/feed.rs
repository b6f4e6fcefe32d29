//! What a console printed on its way to readers who may be slow, stand still, be gone or not have come yet. Whoever prints
//! never waits for them.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// So many bytes wait for a reader; beyond that the oldest are dropped.
pub const MOST: usize = 4 << 20;
/// So many bytes are kept for whoever comes when nobody is there.
const KEPT: usize = 64 << 10;
/// No more readers at a time.
const READERS: usize = 16;
/// Bytes that a reader gets at a time.
const PIECE: usize = 16 << 10;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What waits for one reader.
#[derive(Default)]
pub struct Feed {
    waiting: Mutex<Waiting>,
    more: Notify,
}

#[derive(Default)]
struct Waiting {
    bytes: VecDeque<u8>,
    dropped: u64,
    /// Nothing follows.
    over: bool,
    /// It has closed its own direction: it may be gone.
    half: bool,
}

impl Feed {
    /// Appends bytes. `true`: for the first time some were dropped.
    pub fn put(&self, bytes: &[u8]) -> bool {
        let mut w = locked(&self.waiting);
        let before = w.dropped;
        w.dropped += put(&mut w.bytes, bytes, MOST);
        self.more.notify_one();
        before == 0 && w.dropped > 0
    }

    /// What comes next; `None`: nothing does. One reader at a time.
    pub async fn next(&self) -> Option<Vec<u8>> {
        loop {
            {
                let mut w = locked(&self.waiting);
                let n = w.bytes.len().min(PIECE);
                match n {
                    0 if w.over => return None,
                    0 => {}
                    n => return Some(w.bytes.drain(..n).collect()),
                }
            }
            self.more.notified().await;
        }
    }

    /// Nothing follows.
    pub fn end(&self) {
        locked(&self.waiting).over = true;
        self.more.notify_one();
    }

    /// Bytes that it missed.
    pub fn dropped(&self) -> u64 {
        locked(&self.waiting).dropped
    }
}

/// Appends bytes and keeps the last `most`; the answer is how many are gone.
fn put(to: &mut VecDeque<u8>, bytes: &[u8], most: usize) -> u64 {
    to.extend(bytes);
    let gone = to.len().saturating_sub(most);
    to.drain(..gone);
    gone as u64
}

/// The readers of one console.
#[derive(Default)]
pub struct Readers {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    feeds: Vec<Arc<Feed>>,
    /// What was printed while nobody was there.
    kept: VecDeque<u8>,
}

impl Readers {
    /// For all who are there. `true`: somebody missed something for the first time.
    pub fn put(&self, bytes: &[u8]) -> bool {
        let mut s = locked(&self.state);
        if s.feeds.iter().all(|f| locked(&f.waiting).half) {
            put(&mut s.kept, bytes, KEPT);
        }
        s.feeds.iter().filter(|f| f.put(bytes)).count() > 0
    }

    /// Somebody comes. `None`: there are too many already.
    pub fn join(&self) -> Option<Arc<Feed>> {
        let mut s = locked(&self.state);
        if s.feeds.len() >= READERS {
            let gone = s.feeds.iter().position(|f| locked(&f.waiting).half)?;
            s.feeds.remove(gone).end();
        }
        let feed = Arc::new(Feed::default());
        feed.put(&s.kept.drain(..).collect::<Vec<_>>());
        s.feeds.push(Arc::clone(&feed));
        Some(feed)
    }

    /// A reader sends nothing any more. It may still read.
    pub fn half(&self, feed: &Feed) {
        locked(&feed.waiting).half = true;
    }

    /// A reader is gone.
    pub fn leave(&self, feed: &Arc<Feed>) {
        locked(&self.state).feeds.retain(|f| !Arc::ptr_eq(f, feed));
    }

    /// Bytes that those who are there missed.
    pub fn dropped(&self) -> u64 {
        locked(&self.state).feeds.iter().map(|f| f.dropped()).sum()
    }

    /// Nothing follows, for all.
    pub fn end(&self) {
        locked(&self.state).feeds.iter().for_each(|f| f.end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(feed: &Feed) -> Vec<u8> {
        locked(&feed.waiting).bytes.iter().copied().collect()
    }

    #[test]
    fn mend_what_nobody_reads_is_bounded() {
        let feed = Feed::default();
        assert!(!feed.put(&vec![1; MOST]) && feed.dropped() == 0);
        assert!(feed.put(&[2, 3]) && !feed.put(&[4]));
        let left = all(&feed);
        assert_eq!((left.len(), feed.dropped(), &left[MOST - 4..]), (MOST, 3, &[1, 2, 3, 4][..]));
    }

    #[test]
    fn mend_who_comes_later_gets_what_was_printed_last_and_each_the_rest() {
        let readers = Readers::default();
        readers.put(&vec![1; KEPT]);
        readers.put(b"last");
        let first = readers.join().expect("room");
        assert_eq!((all(&first).len(), all(&first).ends_with(b"\x01last")), (KEPT, true));
        let second = readers.join().expect("room");
        readers.put(b"!");
        assert_eq!((all(&second), all(&first).last()), (b"!".to_vec(), Some(&b'!')));
        // One that may be gone is not somebody for whom nothing need be kept.
        readers.leave(&first);
        readers.half(&second);
        readers.put(b"?");
        assert_eq!(all(&second), b"!?");
        assert_eq!(all(&readers.join().expect("room")), b"?");
    }

    #[test]
    fn mend_readers_are_few_and_those_who_may_be_gone_make_room() {
        let readers = Readers::default();
        let feeds: Vec<_> = (0..READERS).filter_map(|_| readers.join()).collect();
        assert!(feeds.len() == READERS && readers.join().is_none());
        readers.half(&feeds[3]);
        assert!(readers.join().is_some() && locked(&feeds[3].waiting).over);
        assert!(readers.join().is_none());
    }
}
