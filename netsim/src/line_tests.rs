//! Tests of serial lines and wires.
