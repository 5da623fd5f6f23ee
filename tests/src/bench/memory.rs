//! Resident memory of services.

use std::fs;

use crate::process::Process;

const MIB: u64 = 1_024;

/// What a process holds now, and the most that it held since [`forget_peak`], in MiB.
pub fn resident(process: &Process) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).expect("its status");
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        number.expect("a number of KiB")
    };
    (kib("VmRSS:") / MIB, kib("VmHWM:") / MIB)
}

/// Lets the peak begin anew.
pub fn forget_peak(process: &Process) {
    fs::write(format!("/proc/{}/clear_refs", process.id()), "5").expect("its peak is reset");
}
