//! Guests of ours in fleets that are cut, sliced, saved, forked and stopped wherever it may hurt: nothing may change.

mod desk;
mod lines;
