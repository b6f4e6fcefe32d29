//! What a run costs the host.

use nix::sys::resource::{UsageWho, getrusage};
use std::time::Duration;

/// CPU time that the calling thread has used.
pub fn thread_cpu_time() -> Duration {
    of(UsageWho::RUSAGE_THREAD)
}

/// CPU time that this process has used, all threads together.
pub fn cpu_time() -> Duration {
    of(UsageWho::RUSAGE_SELF)
}

fn of(who: UsageWho) -> Duration {
    let Ok(usage) = getrusage(who) else { return Duration::ZERO };
    let time = |t: nix::sys::time::TimeVal| Duration::new(t.tv_sec() as u64, t.tv_usec() as u32 * 1000);
    time(usage.user_time()) + time(usage.system_time())
}
