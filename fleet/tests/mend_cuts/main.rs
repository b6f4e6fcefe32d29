//! Guests of ours in fleets that are cut, sliced, saved, forked and stopped wherever it may hurt: nothing may change.

mod desk;
mod ends;
mod holds;
mod lines;
mod schedules;
