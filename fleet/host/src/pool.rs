//! Threads that run the machines of an epoch. Islands travel to a worker and back; who runs which changes nothing.
#![allow(clippy::vec_box)] // islands are large, and the executor's contract moves them as boxes

use crate::signals;
use crossbeam::channel::{Receiver, Sender, bounded};
use emu_core::Time;
use fleet::{Executor, Island};

/// Virtual work below which an epoch is run in place: node-nanoseconds (a wake-up of a thread costs some
/// microseconds, a busy node emulates 100 ns of virtual time in about 10 ns).
const WORTH_WHILE: u64 = 400_000;

struct Job {
    islands: Vec<Box<Island>>,
    until: Time,
}

/// A fixed set of worker threads.
pub struct Pool {
    jobs: Vec<Sender<Job>>,
    done: Receiver<Vec<Box<Island>>>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Pool {
    /// `threads` in all, the caller's included.
    pub fn new(threads: usize) -> Pool {
        let workers = threads.max(1) - 1;
        let (send, done) = bounded(workers.max(1));
        let mut pool = Pool { jobs: vec![], done, threads: vec![] };
        for _ in 0..workers {
            let (jobs, inbox) = bounded(1);
            let send = send.clone();
            pool.jobs.push(jobs);
            #[allow(clippy::disallowed_methods)] // this is the edge where threads live
            pool.threads.push(std::thread::spawn(move || work(&inbox, &send)));
        }
        pool
    }
}

fn run_here(islands: &mut [Box<Island>], until: Time) {
    for island in islands {
        if signals::urgent() {
            return;
        }
        island.run_until(until);
    }
}

fn work(inbox: &Receiver<Job>, done: &Sender<Vec<Box<Island>>>) {
    for Job { mut islands, until } in inbox {
        run_here(&mut islands, until);
        if done.send(islands).is_err() {
            return;
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.jobs.clear(); // workers end when their inbox closes
        for t in self.threads.drain(..) {
            // A worker that panicked has told so already.
            let _ = t.join();
        }
    }
}

impl Executor for Pool {
    fn run(&self, mut islands: Vec<Box<Island>>, until: Time) -> Vec<Box<Island>> {
        let work: u64 = islands.iter().map(|n| until.since(n.next_activity())).sum();
        let parts = self.jobs.len() + 1;
        if self.jobs.is_empty() || work < WORTH_WHILE {
            run_here(&mut islands, until);
            return islands;
        }
        let share = islands.len().div_ceil(parts);
        let mut away = 0;
        for jobs in &self.jobs {
            let part = islands.split_off(islands.len() - share.min(islands.len() - 1));
            if part.is_empty() {
                break;
            }
            jobs.send(Job { islands: part, until }).expect("a worker ended early");
            away += 1;
        }
        run_here(&mut islands, until);
        for _ in 0..away {
            islands.extend(self.done.recv().expect("a worker ended early"));
        }
        islands
    }

    fn interrupted(&self) -> bool {
        signals::urgent()
    }
}
