//! The doors through which bytes come in, tried by libFuzzer, which follows the code; run by `make fuzz`.
//!
//! Invariant: a door may refuse what it is given and never panics.

#![no_main]

use std::{fs, path::PathBuf, sync::OnceLock};

use libfuzzer_sys::fuzz_target;
use yinliu::hostile::{DOORS, inputs};

static DOOR: OnceLock<fn(&[u8])> = OnceLock::new();

/// A variable of the environment, which `make` sets: libFuzzer takes the arguments.
#[allow(clippy::disallowed_methods, reason = "a test has no configuration")]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|error| panic!("`{name}`: {error}"))
}

/// Chooses the door `FUZZ_DOOR`, and writes what it is known to be asked into the folder `FUZZ_INPUTS`.
fn begin() {
    let (name, folder) = (variable("FUZZ_DOOR"), PathBuf::from(variable("FUZZ_INPUTS")));
    let door = DOORS.iter().find(|(other, _)| *other == name);
    let (_, door) = door.unwrap_or_else(|| panic!("there is no door `{name}`"));
    DOOR.get_or_init(|| *door);
    fs::create_dir_all(&folder).expect("a folder for the inputs");
    for (number, input) in inputs(&name).iter().enumerate() {
        fs::write(folder.join(format!("known-{number}")), input).expect("room for the inputs");
    }
}

fuzz_target!(init: begin(), |bytes: &[u8]| {
    DOOR.get().expect("a door was chosen")(bytes);
});
